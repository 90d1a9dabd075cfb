//! Turns what happened into metrics: one method for each thing that the wiring tells.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use metrics::{Key, Label, Level, Metadata, Recorder};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use super::families::Families;
use super::metrics::{self as table, METRICS, Metric, MetricKind};
use crate::catalog::CompiledPolicy;
use crate::limits;
use crate::model::Status;
use crate::report::reported_status;
use crate::scan::{KindState, ScanOutcome};
use crate::store::{Faults, Health};

const METADATA: Metadata<'static> = Metadata::new("patrol", Level::INFO, Some("patrol"));

/// Buckets of scans, in seconds: from a folder to a large cluster.
const SCAN_BUCKETS: [f64; 12] = [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 180.0, 600.0, 1800.0];

/// The words of each label whose values are a closed set; such series exist from the start, so that a first event is an increase.
const CLOSED: [(&Metric, &[&str]); 6] = [
    (&table::REPORTS, &["written", "unchanged", "deleted", "failed", "foreign", "adopted"]),
    (
        &table::STATE_FAULTS,
        &[
            "checksum_mismatch",
            "version_mismatch",
            "panic",
            "corruption",
            "io_error",
            "timeout",
            "write_dropped",
            "row",
        ],
    ),
    (&table::KINDS, &["listed", "not_served", "forbidden", "failed"]),
    (&table::SCAN_PROBLEMS, &["input", "world"]),
    (&table::CONFIG_RELOADS, &["applied", "restart_needed", "broken"]),
    (&table::POLICIES, &["scanned", "folder_only", "not_scanned"]),
];

/// All metrics of one process; cheap to clone.
#[derive(Clone)]
pub struct Telemetry(Arc<Inner>);

struct Inner {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    families: Mutex<Families>,
    has_policy_reporter_names: AtomicBool,
}

impl std::fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Telemetry").finish_non_exhaustive()
    }
}

/// One scan as the wiring ran it.
#[derive(Clone, Debug)]
pub struct ScanRun {
    /// The schedule that it belongs to.
    pub schedule: String,
    /// When it was due.
    pub due: Timestamp,
    /// When it started.
    pub start: Timestamp,
    /// When it ended.
    pub end: Timestamp,
}

/// How a scan ended, as metrics tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScanEndState {
    /// Everything was seen.
    Complete,
    /// Some kinds could not be listed.
    Partial,
    /// It was stopped.
    Interrupted,
    /// It could not even begin, or broke.
    Failed,
}

impl ScanEndState {
    /// All.
    pub const ALL: [Self; 4] = [Self::Complete, Self::Partial, Self::Interrupted, Self::Failed];

    /// The word in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Partial => "partial",
            Self::Interrupted => "interrupted",
            Self::Failed => "failed",
        }
    }

    /// What an outcome amounts to.
    pub fn of(outcome: &ScanOutcome) -> Self {
        let is_missing = |kind: &crate::scan::KindOutcome| {
            matches!(kind.state, KindState::Forbidden(_) | KindState::Failed(_))
        };
        if outcome.is_interrupted {
            Self::Interrupted
        } else if outcome.kinds.iter().any(is_missing) {
            Self::Partial
        } else {
            Self::Complete
        }
    }
}

/// What became of a changed configuration file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigReload {
    /// Everything that changed is in force.
    Applied,
    /// Some keys count only after a restart.
    RestartNeeded,
    /// The file has mistakes; nothing changed.
    Broken,
}

impl Telemetry {
    /// Fresh metrics. `has_policy_reporter_names`: whether results are also given under Policy Reporter's name.
    pub fn new(has_policy_reporter_names: bool) -> Self {
        let buckets = |builder: PrometheusBuilder, metric: &Metric, buckets: &[f64]| {
            // Buckets are refused only if there are none; the default is a summary, which is still a metric.
            builder.set_buckets_for_metric(Matcher::Full(metric.name.into()), buckets).unwrap_or_default()
        };
        let recorder =
            buckets(PrometheusBuilder::new(), &table::SCAN_DURATION, &SCAN_BUCKETS).build_recorder();
        for metric in METRICS {
            let (name, help) = (metric.name.into(), metric.help.into());
            match metric.kind {
                MetricKind::Counter => recorder.describe_counter(name, None, help),
                MetricKind::Gauge => recorder.describe_gauge(name, None, help),
                MetricKind::Histogram => recorder.describe_histogram(name, None, help),
            }
        }
        let handle = recorder.handle();
        let families = Mutex::default();
        let has_policy_reporter_names = AtomicBool::new(has_policy_reporter_names);
        let telemetry = Self(Arc::new(Inner { recorder, handle, families, has_policy_reporter_names }));
        telemetry.start_series();
        telemetry
    }

    fn start_series(&self) {
        self.set(&table::BUILD_INFO, &[env!("CARGO_PKG_VERSION")], 1.0);
        for (metric, words) in CLOSED {
            for word in words {
                match metric.kind {
                    MetricKind::Counter => self.count(metric, &[word], 0),
                    _ => self.set(metric, &[word], 0.0),
                }
            }
        }
        for metric in METRICS.iter().filter(|m| m.labels.is_empty() && m.home == table::Home::Recorder) {
            match metric.kind {
                MetricKind::Counter => self.count(metric, &[], 0),
                _ => self.set(metric, &[], 0.0),
            }
        }
    }

    fn families(&self) -> MutexGuard<'_, Families> {
        self.0.families.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, metric: &Metric, labels: &[&str], n: u64) {
        self.0.recorder.register_counter(&key(metric, labels), &METADATA).increment(n);
    }

    fn count_to(&self, metric: &Metric, labels: &[&str], total: u64) {
        self.0.recorder.register_counter(&key(metric, labels), &METADATA).absolute(total);
    }

    fn set(&self, metric: &Metric, labels: &[&str], value: f64) {
        self.0.recorder.register_gauge(&key(metric, labels), &METADATA).set(value);
    }

    fn observe(&self, metric: &Metric, labels: &[&str], value: f64) {
        self.0.recorder.register_histogram(&key(metric, labels), &METADATA).record(value);
    }

    /// Everything in Prometheus' text format.
    pub fn render(&self) -> String {
        let refused = self.families().take_refused();
        if refused > 0 {
            self.count(&table::LIMITS_HIT, &["metric_series"], refused);
        }
        let mut text = self.0.handle.render();
        self.families().render(&mut text);
        text
    }

    /// Moves observed values into their buckets; without it they pile up while nobody scrapes. To be called every few seconds.
    pub fn run_upkeep(&self) {
        self.0.handle.run_upkeep();
    }

    /// Says from the next scan on whether results are also given under Policy Reporter's name.
    pub fn set_policy_reporter_names(&self, has: bool) {
        self.0.has_policy_reporter_names.store(has, Ordering::Relaxed);
    }

    /// Tells whether this replica leads. What the leader tells of results and schedules is its successor's from
    /// then on: both together would count twice.
    pub fn record_leader(&self, leads: bool) {
        self.set(&table::LEADER, &[], f64::from(u8::from(leads)));
        if leads {
            return;
        }
        self.keep_schedules(&[]);
        let mut families = self.families();
        for metric in [
            table::POLICY_RESULTS,
            table::REPORTER_RESULTS,
            table::REPORTER_CLUSTER_RESULTS,
            table::OBJECTS,
            table::KIND_PROBLEM,
        ] {
            families.clear(&metric);
        }
    }

    /// Tells how policies stand: all that a scan met, those included that it does not evaluate.
    pub fn record_standings(&self, policies: &[Arc<CompiledPolicy>]) {
        for word in ["scanned", "folder_only", "not_scanned"] {
            let n = policies.iter().filter(|policy| policy.standing.as_str() == word).count();
            self.set(&table::POLICIES, &[word], n as f64);
        }
    }

    /// Tells that a scan starts.
    pub fn record_scan_start(&self, schedule: &str, due: Timestamp, start: Timestamp) {
        self.set(&table::SCAN_RUNNING, &[], 1.0);
        let mut families = self.families();
        families.set(&table::SCAN_START, &[schedule], seconds(start));
        families.set(&table::SCAN_LAG, &[schedule], (seconds(start) - seconds(due)).max(0.0));
    }

    /// Tells that a scan could not begin, or broke.
    pub fn record_failed_scan(&self, run: &ScanRun) {
        self.end_scan(run, ScanEndState::Failed);
    }

    /// Tells what a scan did. `policies` is the list that it worked with, in the same order.
    pub fn record_scan(&self, run: &ScanRun, outcome: &ScanOutcome, policies: &[Arc<CompiledPolicy>]) {
        let totals = &outcome.totals;
        for ((action, reason), n) in &totals.pairs.0 {
            self.count(&table::PAIRS, &[action.as_str(), reason], *n);
        }
        self.count(&table::RESOURCES_SEEN, &[], totals.n_resources);
        self.count(&table::RESOURCES_PASSED_OVER, &[], totals.n_passed_over);
        self.count(&table::FACTS_FETCHED, &[], outcome.n_facts);
        self.count(&table::STATE_FAULTS, &["row"], totals.n_state_faults);
        let reports = totals.reports;
        for (result, n) in [
            ("written", reports.written),
            ("unchanged", reports.unchanged),
            ("deleted", reports.deleted),
            ("failed", reports.failed),
            ("foreign", reports.foreign),
            ("adopted", reports.adopted),
        ] {
            self.count(&table::REPORTS, &[result], n);
        }
        let problems = || totals.problems.iter().chain(&outcome.problems);
        let n_input = problems().filter(|problem| problem.is_input).count();
        self.set(&table::SCAN_PROBLEMS, &["input"], n_input as f64);
        self.set(&table::SCAN_PROBLEMS, &["world"], (problems().count() - n_input) as f64);
        if totals.plan.len() >= limits::PLAN_LINES_MAX {
            self.record_limit("plan_lines", 1);
        }
        self.record_kinds(outcome);
        self.record_policies(outcome, policies);
        self.end_scan(run, ScanEndState::of(outcome));
    }

    fn end_scan(&self, run: &ScanRun, state: ScanEndState) {
        self.set(&table::SCAN_RUNNING, &[], 0.0);
        self.count(&table::SCANS, &[&run.schedule, state.as_str()], 1);
        let took = seconds(run.end) - seconds(run.start);
        self.observe(&table::SCAN_DURATION, &[&run.schedule], took.max(0.0));
        let mut families = self.families();
        families.set(&table::SCAN_END, &[&run.schedule], seconds(run.end));
        if matches!(state, ScanEndState::Complete | ScanEndState::Partial) {
            families.set(&table::SCAN_SUCCESS, &[&run.schedule], seconds(run.end));
        }
    }

    fn record_kinds(&self, outcome: &ScanOutcome) {
        let mut by_state = [("listed", 0_u32), ("not_served", 0), ("forbidden", 0), ("failed", 0)];
        let mut families = self.families();
        families.clear(&table::OBJECTS);
        families.clear(&table::KIND_PROBLEM);
        for kind in &outcome.kinds {
            let state = kind.state.as_str();
            families.set(&table::OBJECTS, &[&kind.kind], kind.n_objects as f64);
            if state != "listed" {
                families.set(&table::KIND_PROBLEM, &[&kind.kind, state], 1.0);
            }
            by_state.iter_mut().filter(|(word, _)| *word == state).for_each(|(_, n)| *n += 1);
        }
        drop(families);
        for (state, n) in by_state {
            self.set(&table::KINDS, &[state], f64::from(n));
        }
    }

    fn record_policies(&self, outcome: &ScanOutcome, policies: &[Arc<CompiledPolicy>]) {
        let names: std::collections::BTreeSet<String> =
            policies.iter().map(|p| p.key.report_name()).collect();
        let mut families = self.families();
        // Policies that a scan did not know, because a list failed, would lose their counters for nothing.
        if ScanEndState::of(outcome) == ScanEndState::Complete {
            for metric in
                [table::POLICY_EVALUATIONS, table::POLICY_SECONDS, table::POLICY_SECONDS_MAX, table::DRIFT]
            {
                families.retain(&metric, |policy| names.contains(policy));
            }
        }
        for (at, cost) in &outcome.totals.costs {
            let Some(policy) = policies.get(*at) else { continue };
            let name = policy.key.report_name();
            families.add(&table::POLICY_EVALUATIONS, &[&name], cost.n as f64);
            families.add(&table::POLICY_SECONDS, &[&name], cost.nanos as f64 / 1e9);
            families.set_max(&table::POLICY_SECONDS_MAX, &[&name], cost.nanos_max as f64 / 1e9);
        }
        for (drift, n) in &outcome.totals.drift {
            let word = |status: Option<Status>| status.map_or("none", Status::as_str);
            let labels =
                [&drift.policy.report_name(), drift.namespace.as_str(), word(drift.from), word(drift.to)];
            families.add(&table::DRIFT, &labels, *n as f64);
        }
        // A scan that was stopped saw only a part of the results.
        if !outcome.is_interrupted {
            self.replace_results(&mut families, outcome, policies);
        }
    }

    fn replace_results(
        &self,
        families: &mut Families,
        outcome: &ScanOutcome,
        policies: &[Arc<CompiledPolicy>],
    ) {
        for metric in [table::POLICY_RESULTS, table::REPORTER_RESULTS, table::REPORTER_CLUSTER_RESULTS] {
            families.clear(&metric);
        }
        for ((at, namespace, status), n) in &outcome.totals.results {
            let Some(policy) = policies.get(*at) else { continue };
            let (name, shown) = (policy.key.report_name(), &policy.presentation);
            let status = reported_status(*status, shown).as_str();
            let severity = shown.severity.map_or("", crate::model::Severity::as_str);
            let rest = [severity, shown.category.as_deref().unwrap_or_default(), policy.key.kind.source()];
            let [severity, category, source] = rest;
            let all = [name.as_str(), namespace, status, severity, category, source];
            families.add(&table::POLICY_RESULTS, &all, *n as f64);
            if !self.0.has_policy_reporter_names.load(Ordering::Relaxed) {
                continue;
            }
            if namespace.is_empty() {
                let labels = [name.as_str(), status, severity, category, source];
                families.add(&table::REPORTER_CLUSTER_RESULTS, &labels, *n as f64);
            } else {
                families.add(&table::REPORTER_RESULTS, &all, *n as f64);
            }
        }
    }

    /// Tells how many requests were made to the API server since the start: verb, `group/plural` (the plural alone in the core group), status code
    /// (0 without an answer), number.
    pub fn record_requests<'a>(&self, totals: impl Iterator<Item = (&'a str, &'a str, u16, u64)>) {
        let mut by_group: BTreeMap<(&str, String, u16), u64> = BTreeMap::new();
        for (verb, resource, code, n) in totals {
            let group = resource.split_once('/').map_or("", |(group, _)| group);
            *by_group.entry((known_verb(verb), group.to_owned(), code)).or_default() += n;
        }
        for ((verb, group, code), n) in by_group {
            let code = if code == 0 { "none".to_owned() } else { code.to_string() };
            self.count_to(&table::API_REQUESTS, &[verb, &group, &code], n);
        }
    }

    /// Tells the state of the store.
    pub fn record_store(&self, faults: &Faults, health: &Health, bytes_on_disk: u64) {
        for (fault, n) in [
            ("checksum_mismatch", faults.checksum_mismatch),
            ("version_mismatch", faults.version_mismatch),
            ("panic", faults.panics),
            ("corruption", faults.corruption),
            ("io_error", faults.io_errors),
            ("timeout", faults.timeouts),
            ("write_dropped", faults.writes_dropped),
        ] {
            self.count_to(&table::STATE_FAULTS, &[fault], n);
        }
        self.count_to(&table::STATE_REBUILDS, &[], faults.quarantined);
        self.set(&table::STATE_DEGRADED, &[], f64::from(u8::from(*health != Health::Ok)));
        self.set(&table::STATE_BYTES, &[], bytes_on_disk as f64);
    }

    /// Tells how often a schedule fired and why; the totals since the start, and the time between its runs.
    pub fn record_schedule(
        &self,
        name: &str,
        counts: &crate::schedule::RunCounts,
        interval: Option<Duration>,
    ) {
        // A first failure must be an increase.
        for state in ScanEndState::ALL {
            self.count(&table::SCANS, &[name, state.as_str()], 0);
        }
        let mut families = self.families();
        for (event, n) in counts.words() {
            families.set_total(&table::SCHEDULE_RUNS, &[name, event], n);
        }
        if let Some(interval) = interval {
            families.set(&table::SCHEDULE_INTERVAL, &[name], interval.as_secs_f64());
        }
    }

    /// Drops what is told of schedules that are no longer configured.
    pub fn keep_schedules(&self, names: &[&str]) {
        let mut families = self.families();
        for metric in [
            table::SCAN_START,
            table::SCAN_END,
            table::SCAN_SUCCESS,
            table::SCAN_LAG,
            table::SCHEDULE_INTERVAL,
            table::SCHEDULE_RUNS,
        ] {
            families.retain(&metric, |name| names.contains(&name));
        }
    }

    /// Tells how many runs wait for their turn.
    pub fn record_queue(&self, n_waiting: usize) {
        self.set(&table::QUEUE_LENGTH, &[], n_waiting as f64);
    }

    /// Tells that a bound was hit; `limit` is a word from a closed list.
    pub fn record_limit(&self, limit: &'static str, n: u64) {
        self.count(&table::LIMITS_HIT, &[limit], n);
    }

    /// Tells that the configuration file changed.
    pub fn record_config_reload(&self, reload: ConfigReload) {
        let word = match reload {
            ConfigReload::Applied => "applied",
            ConfigReload::RestartNeeded => "restart_needed",
            ConfigReload::Broken => "broken",
        };
        self.count(&table::CONFIG_RELOADS, &[word], 1);
    }
}

fn known_verb(verb: &str) -> &'static str {
    const VERBS: [&str; 8] = ["get", "list", "watch", "create", "update", "patch", "delete", "discover"];
    VERBS.into_iter().find(|known| *known == verb).unwrap_or("other")
}

fn key(metric: &Metric, labels: &[&str]) -> Key {
    debug_assert_eq!(
        (metric.home, metric.labels.len()),
        (table::Home::Recorder, labels.len()),
        "{}",
        metric.name
    );
    let labels: Vec<Label> = metric
        .labels
        .iter()
        .zip(labels)
        .map(|(name, value)| Label::new(*name, (*value).to_owned()))
        .collect();
    Key::from_parts(metric.name, labels)
}

fn seconds(time: Timestamp) -> f64 {
    time.as_millisecond() as f64 / 1e3
}
