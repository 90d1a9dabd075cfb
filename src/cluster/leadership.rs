//! Whether this replica may write, asked at the moment of writing.
//!
//! An election (`election.rs`) says what it knows; without one, Patrol is alone and always leads. The end of a
//! term is a time on this machine's monotonic clock, so that a replica whose renewals fail, or whose election
//! task does not get its turn, stops by itself before another one may begin.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// What is known of who leads; cheap to clone.
#[derive(Clone, Debug)]
pub struct Leadership(Arc<watch::Sender<Lead>>);

/// Who leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lead {
    /// Nothing is known yet.
    Unknown,
    /// Another replica, by its identity; empty for nobody.
    Other(String),
    /// This replica, for the term; for ever without an election.
    This(Option<Term>),
}

/// How long a replica leads unless it renews.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term {
    /// When it begins nothing more.
    pub(super) renewed_until: Instant,
    /// Before when nobody else can begin.
    pub(super) held_until: Instant,
}

impl Leadership {
    /// The leadership of a Patrol that is alone.
    pub fn unopposed() -> Self {
        Self::of(Lead::This(None))
    }

    /// The leadership that an election is about to decide.
    pub(super) fn undecided() -> Self {
        Self::of(Lead::Unknown)
    }

    fn of(lead: Lead) -> Self {
        Self(Arc::new(watch::Sender::new(lead)))
    }

    /// What is known now.
    pub fn lead(&self) -> Lead {
        self.0.borrow().clone()
    }

    pub(super) fn set(&self, lead: Lead) {
        self.0.send_replace(lead);
    }

    /// How much time a write has that begins now; `None` if it may not begin.
    pub(super) fn time_to_write(&self) -> Option<Duration> {
        match *self.0.borrow() {
            Lead::This(None) => Some(Duration::MAX),
            Lead::This(Some(term)) => {
                let now = Instant::now();
                (now < term.renewed_until).then(|| term.held_until.saturating_duration_since(now))
            }
            Lead::Unknown | Lead::Other(_) => None,
        }
    }

    /// Waits until this replica leads.
    pub async fn gained(&self) {
        self.until(|lead| matches!(lead, Lead::This(_))).await;
    }

    /// Waits until this replica does not lead.
    pub async fn lost(&self) {
        self.until(|lead| !matches!(lead, Lead::This(_))).await;
    }

    /// Waits until somebody else leads than `last`; terms do not matter.
    pub async fn changed_from(&self, last: &Lead) -> Lead {
        self.until(|lead| !lead.is_same_leader(last)).await;
        self.lead()
    }

    async fn until(&self, is_so: impl FnMut(&Lead) -> bool) {
        // The sender lives as long as `self`.
        let _ = self.0.subscribe().wait_for(is_so).await;
    }
}

impl Lead {
    /// Whether both name the same leader.
    pub fn is_same_leader(&self, other: &Self) -> bool {
        matches!((self, other), (Self::This(_), Self::This(_))) || self == other
    }
}
