//! One scan: gather → plan → evaluate → store → diff → write. A scan takes no input but what it sees and what was stored.
//!
//! Kinds are listed in pages; pages are worked on in chunks by blocking workers while the next page is under way; a chunk's report writes follow
//! its evaluation. Nothing grows with the number of objects but a hash a resource and a line a report. What a list did not completely tell
//! removes nothing. Policies arrive compiled; where objects and reports live is behind [`Source`] and [`Sink`].

mod applicable;
mod chunk;
mod coverage;
mod evaluate;
mod facts;
mod forms;
mod gather;
mod leftovers;
mod progress;
mod reports;
mod totals;
mod write;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use tokio::sync::Notify;

pub use coverage::{Coverage, Focus, KindSet, Only};
pub use gather::run;
pub use progress::{Progress, Reached};
use totals::Tells;
pub use totals::{
    Drift, Gauge, KindOutcome, KindState, PlanLine, PolicyCost, ReportCounts, ScanOutcome, Totals,
};

use crate::catalog::CompiledPolicy;
use crate::inventory::Source;
use crate::limits;
use crate::model::{PolicyKind, ResourceKey};
use crate::report::{ReportSettings, Sink};
use crate::store::State;

/// All that one scan works with.
#[derive(Clone, Debug)]
pub struct Scan {
    /// Where objects and facts come from.
    pub source: Arc<dyn Source>,
    /// Where reports go; `None` if they are only collected.
    pub sink: Option<Arc<dyn Sink>>,
    /// What was stored; `None` to scan from scratch and store nothing.
    pub state: Option<State>,
    /// The policies that this scan evaluates, sorted by key.
    pub policies: Vec<Arc<CompiledPolicy>>,
    /// Kinds of policy that could not be listed.
    pub unknown: BTreeSet<PolicyKind>,
    /// How to scan.
    pub settings: ScanSettings,
    /// Asked between chunks: finish what is under way and end.
    pub stop: Stop,
    /// Counts along, for whoever watches.
    pub progress: Arc<Progress>,
}

/// How to scan.
#[derive(Clone, Debug)]
pub struct ScanSettings {
    /// The one time of this scan.
    pub now: Timestamp,
    /// The shape of reports.
    pub report: ReportSettings,
    /// Which resources are scanned at all.
    pub coverage: Coverage,
    /// Which pairs this scan's schedule covers.
    pub focus: Focus,
    /// Whether to look at everything again instead of trusting that an unmoved resource is unchanged.
    pub is_verifying: bool,
    /// How long a volatile verdict holds, in seconds.
    pub max_age_s: i64,
    /// How many chunks are worked on at once.
    pub n_workers: usize,
    /// How many report writes are under way at once.
    pub n_writes: usize,
    /// Whether nothing is stored or written; the plan is told instead.
    pub is_dry_run: bool,
    /// Whether the outcome holds every report.
    pub collects_reports: bool,
    /// The only resource that is planned for, all of its pairs told; for a dry run, which looks at nothing else.
    pub only: Option<Only>,
}

impl ScanSettings {
    /// Whether a resource is looked at at all.
    fn is_meant(&self, key: &ResourceKey) -> bool {
        self.only.as_ref().is_none_or(|only| only.is(key))
    }

    /// Which pairs are told one by one.
    fn tells(&self) -> Tells {
        match (self.is_dry_run, &self.only) {
            (false, _) => Tells::Nothing,
            (true, None) => Tells::Changes,
            (true, Some(_)) => Tells::Everything,
        }
    }

    /// The settings of a plain scan at a time.
    pub fn at(now: Timestamp) -> Self {
        Self {
            now,
            report: ReportSettings::default(),
            coverage: Coverage::default(),
            focus: Focus::default(),
            is_verifying: false,
            max_age_s: 3600,
            n_workers: 2,
            n_writes: 16,
            is_dry_run: false,
            collects_reports: false,
            only: None,
        }
    }
}

/// A wish to end, shared between whoever may wish it and the scan.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<Wish>);

#[derive(Debug, Default)]
struct Wish {
    is_stopped: AtomicBool,
    told: Notify,
}

impl Stop {
    /// Wishes the end.
    pub fn stop(&self) {
        self.0.is_stopped.store(true, Ordering::Relaxed);
        self.0.told.notify_waiters();
    }

    /// Whether the end is wished.
    pub fn is_stopped(&self) -> bool {
        self.0.is_stopped.load(Ordering::Relaxed)
    }

    /// Waits until the end is wished.
    pub async fn wished(&self) {
        let told = self.0.told.notified();
        tokio::pin!(told);
        // From here on a wish is heard, so that none comes between the look and the wait.
        told.as_mut().enable();
        if !self.is_stopped() {
            told.await;
        }
    }

    /// Waits for a scan. Once the end is wished, it has [`limits::STOP_GRACE`] to finish what is under way; `None` if
    /// that was not enough, as when a server does not answer. What it has stored by then is kept.
    pub async fn within_grace<T>(&self, scan: impl Future<Output = T>) -> Option<T> {
        tokio::pin!(scan);
        tokio::select! {
            result = &mut scan => return Some(result),
            () = self.wished() => {}
        }
        tokio::time::timeout(limits::STOP_GRACE, scan).await.ok()
    }
}
