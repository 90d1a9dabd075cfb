//! Which of several replicas leads: the one that holds a Lease and renews it.
//!
//! The rule is that of client-go's leader election. A Lease that somebody holds may be taken only when it was not
//! written for as long as it says that it lasts, counted on this machine's monotonic clock from when the
//! change was seen: clocks of two machines are never compared. Every write names the resourceVersion that was read,
//! so of two that try at once one fails. The holder stops leading by itself when it could not renew for the time of
//! the renew deadline, which is shorter than the Lease lasts, and gives the Lease back when it ends.

#[cfg(test)]
mod tests;

use std::future::Future;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use tracing::{debug, error, info, warn};

use super::client::ClusterClient;
use super::failure::{ApiFailure, FailureClass};
use super::leadership::{Lead, Leadership, Term};
use super::lease::{ClusterLease, Lease, LeaseApi};
use crate::limits;

/// Which Lease, and how it is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElectionSettings {
    /// The namespace of the Lease.
    pub namespace: String,
    /// The name of the Lease.
    pub name: String,
    /// Who this replica is; no two may say the same.
    pub identity: String,
    /// How long the Lease lasts without a renewal before somebody else may take it.
    pub lease_duration: Duration,
    /// How long the holder leads without a renewal; shorter than the Lease lasts.
    pub renew_deadline: Duration,
    /// How long between two tries to take or renew it.
    pub retry_period: Duration,
}

/// One replica's part in the election.
#[derive(Debug)]
pub struct Election {
    lease: Box<dyn LeaseApi>,
    settings: ElectionSettings,
    /// The time that the Lease shows to people.
    clock: fn() -> Timestamp,
    leadership: Leadership,
    seen: Option<Seen>,
    /// What went wrong last, so that it is told once.
    failure: Option<String>,
}

/// The Lease as it was last seen, and since when it is what it is.
#[derive(Debug)]
struct Seen {
    lease: Lease,
    since: Instant,
}

impl Election {
    /// An election by a Lease of that cluster, and the leadership that it decides. `clock` gives the times that the
    /// Lease shows to people.
    pub fn new(
        client: ClusterClient,
        settings: ElectionSettings,
        clock: fn() -> Timestamp,
    ) -> (Self, Leadership) {
        let lease = ClusterLease {
            client,
            namespace: settings.namespace.clone(),
            name: settings.name.clone(),
            // A request that hangs must leave time for another one.
            timeout: settings.renew_deadline / 2,
        };
        Self::by(Box::new(lease), settings, clock)
    }

    fn by(
        lease: Box<dyn LeaseApi>,
        settings: ElectionSettings,
        clock: fn() -> Timestamp,
    ) -> (Self, Leadership) {
        let leadership = Leadership::undecided();
        let told = leadership.clone();
        (Self { lease, settings, clock, leadership, seen: None, failure: None }, told)
    }

    /// Takes part until `stop` ends, then gives the Lease back if it is held.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                () = self.turn() => {}
            }
        }
        self.release().await;
    }

    /// One try to take or renew the Lease, and the wait until the next one.
    async fn turn(&mut self) {
        let begin = Instant::now();
        let term = Term {
            renewed_until: begin + self.settings.renew_deadline,
            held_until: begin + self.settings.lease_duration,
        };
        match tokio::time::timeout_at(self.end_of_try(begin), self.hold()).await {
            Ok(Ok(true)) => self.lead(Lead::This(Some(term))),
            Ok(Ok(false)) => self.lead(Lead::Other(self.holder().to_owned())),
            Ok(Err(failure)) => self.fail(&failure.message),
            Err(_) => self.fail("the API server does not answer in time"),
        }
        let next = begin + self.settings.retry_period;
        tokio::time::sleep_until(self.end_of_term().map_or(next, |end| next.min(end))).await;
        if self.end_of_term().is_some_and(|end| end <= Instant::now()) {
            error!("the Lease could not be renewed in time; this replica stops writing");
            self.leadership.set(Lead::Other(String::new()));
        }
    }

    /// When a try that begins now is given up: at the end of the term, for the one that leads.
    fn end_of_try(&self, begin: Instant) -> Instant {
        self.end_of_term().unwrap_or(begin + self.settings.renew_deadline)
    }

    fn end_of_term(&self) -> Option<Instant> {
        match self.leadership.lead() {
            Lead::This(Some(term)) => Some(term.renewed_until),
            _ => None,
        }
    }

    fn holder(&self) -> &str {
        self.seen.as_ref().map(|seen| seen.lease.holder()).unwrap_or_default()
    }

    fn lead(&mut self, lead: Lead) {
        self.failure = None;
        if !lead.is_same_leader(&self.leadership.lead()) {
            match &lead {
                Lead::This(_) => info!(identity = self.settings.identity, "this replica leads"),
                Lead::Other(leader) if !leader.is_empty() => {
                    info!(leader, "another replica leads; this one stands by");
                }
                _ => {}
            }
        }
        self.leadership.set(lead);
    }

    fn fail(&mut self, message: &str) {
        if self.failure.as_deref() != Some(message) {
            let Self { settings: ElectionSettings { namespace, name, .. }, .. } = self;
            warn!("the Lease {namespace}/{name} could not be held or read: {message}");
            self.failure = Some(message.to_owned());
        }
    }

    /// Takes or renews the Lease; whether this replica holds it.
    async fn hold(&mut self) -> Result<bool, ApiFailure> {
        let me = self.settings.identity.clone();
        if let Some(seen) = self.seen.as_ref().filter(|seen| seen.lease.holder() == me) {
            match self.lease.replace(&self.mine(&seen.lease)).await {
                Ok(lease) => return Ok(self.see(lease)),
                Err(failure) if is_lost_race(&failure) => debug!("{failure}"),
                Err(failure) => return Err(failure),
            }
        }
        let Some(lease) = self.lease.read().await? else {
            let new = Lease::new(&self.settings.namespace, &self.settings.name);
            let created = self.lease.create(&self.mine(&new)).await;
            return self.won(created);
        };
        self.see(lease);
        let Some(Seen { lease, since }) = &self.seen else { return Ok(false) };
        let lasts = lease.duration().unwrap_or(self.settings.lease_duration);
        let is_free = lease.holder().is_empty() || lease.holder() == me;
        if !is_free && Instant::now() < *since + lasts {
            return Ok(false);
        }
        let replaced = self.lease.replace(&self.mine(lease)).await;
        self.won(replaced)
    }

    fn mine(&self, lease: &Lease) -> Lease {
        lease.held_by(&self.settings.identity, self.settings.lease_duration, (self.clock)())
    }

    /// What a write came to: the Lease, or that somebody else was faster.
    fn won(&mut self, written: Result<Lease, ApiFailure>) -> Result<bool, ApiFailure> {
        match written {
            Ok(lease) => Ok(self.see(lease)),
            Err(failure) if is_lost_race(&failure) => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// Takes note of the Lease; whether this replica holds it.
    fn see(&mut self, lease: Lease) -> bool {
        let is_mine = lease.holder() == self.settings.identity;
        let since = match &self.seen {
            Some(seen) if seen.lease.version() == lease.version() => seen.since,
            _ => Instant::now(),
        };
        self.seen = Some(Seen { lease, since });
        is_mine
    }

    /// Gives the Lease back, so that another replica need not wait for its end.
    async fn release(mut self) {
        let was_leading = matches!(self.leadership.lead(), Lead::This(_));
        self.leadership.set(Lead::Other(String::new()));
        if !was_leading {
            return;
        }
        let patience = Duration::from_secs(limits::LEASE_RELEASE_SECS_MAX);
        match tokio::time::timeout(patience, self.give_back()).await {
            Ok(Ok(())) => info!("the Lease is given back"),
            Ok(Err(failure)) => warn!("the Lease is not given back, and ends by itself: {failure}"),
            Err(_) => warn!("the Lease is not given back, and ends by itself: no answer in time"),
        }
    }

    async fn give_back(&mut self) -> Result<(), ApiFailure> {
        // A renewal that was under way may have changed it.
        let Some(lease) = self.lease.read().await? else { return Ok(()) };
        if lease.holder() == self.settings.identity {
            let free = lease.held_by("", Duration::from_secs(1), (self.clock)());
            self.lease.replace(&free).await?;
        }
        Ok(())
    }
}

/// Whether a write failed because somebody else wrote in between.
fn is_lost_race(failure: &ApiFailure) -> bool {
    matches!(failure.class, FailureClass::Conflict | FailureClass::AlreadyExists | FailureClass::NotFound)
}
