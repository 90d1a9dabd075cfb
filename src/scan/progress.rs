//! How far a scan is, for whoever watches it from outside.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Totals;
use crate::plan::Action;

/// Counters that grow while a scan goes on.
#[derive(Debug, Default)]
pub struct Progress {
    seen: AtomicU64,
    evaluated: AtomicU64,
    reused: AtomicU64,
    written: AtomicU64,
}

/// What the counters say at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// Objects looked at.
    pub seen: u64,
    /// Pairs evaluated.
    pub evaluated: u64,
    /// Pairs reused.
    pub reused: u64,
    /// Reports written or deleted.
    pub written: u64,
}

impl Progress {
    /// Adds what a part of the scan counted.
    pub(super) fn add(&self, totals: &Totals) {
        let add = |counter: &AtomicU64, n: u64| counter.fetch_add(n, Ordering::Relaxed);
        add(&self.seen, totals.n_resources);
        add(&self.evaluated, totals.pairs.of(Action::Evaluate));
        add(&self.reused, totals.pairs.of(Action::Reuse));
        add(&self.written, totals.reports.written + totals.reports.deleted);
    }

    /// What was reached by now.
    pub fn reached(&self) -> Reached {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Reached {
            seen: get(&self.seen),
            evaluated: get(&self.evaluated),
            reused: get(&self.reused),
            written: get(&self.written),
        }
    }
}
