//! `--stats FILE`: one JSON object about a scan, for programs. Its fields are stable.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use serde::Serialize;

use crate::plan::Action;
use crate::scan::ScanOutcome;

/// What `--stats` writes.
#[derive(Debug, Serialize)]
pub(super) struct Stats {
    /// Resources seen.
    resources: u64,
    /// Kinds listed.
    kinds: usize,
    /// Policies evaluated.
    policies: usize,
    /// Pairs that there are now.
    pairs: u64,
    /// Pairs evaluated.
    evaluated: u64,
    /// Pairs reused.
    reused: u64,
    /// Pairs forgotten.
    forgotten: u64,
    /// Reports created or replaced.
    reports_written: u64,
    /// Reports that were as they should be.
    reports_unchanged: u64,
    /// Reports deleted.
    reports_deleted: u64,
    /// Evaluations by the reason for them.
    evaluations_by_reason: BTreeMap<&'static str, u64>,
    /// From start to end, without printing.
    duration_ms: u128,
    /// The most memory that the process held at once.
    peak_rss_bytes: Option<u64>,
}

impl Stats {
    pub(super) fn of(outcome: &ScanOutcome, n_policies: usize, duration: Duration) -> Self {
        let totals = &outcome.totals;
        let (evaluated, reused) = (totals.pairs.of(Action::Evaluate), totals.pairs.of(Action::Reuse));
        Self {
            resources: totals.n_resources,
            kinds: outcome.kinds.len(),
            policies: n_policies,
            pairs: evaluated + reused,
            evaluated,
            reused,
            forgotten: totals.pairs.of(Action::Forget),
            reports_written: totals.reports.written,
            reports_unchanged: totals.reports.unchanged,
            reports_deleted: totals.reports.deleted,
            evaluations_by_reason: totals.pairs.reasons(Action::Evaluate).collect(),
            duration_ms: duration.as_millis(),
            peak_rss_bytes: peak_rss_bytes(),
        }
    }

    pub(super) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let json = serde_json::to_vec(self)?;
        std::fs::write(path, json).with_context(|| format!("cannot write `{}`", path.display()))
    }
}

/// The process's peak resident memory, where the system tells it (Linux: `VmHWM`).
fn peak_rss_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kib * 1024)
}
