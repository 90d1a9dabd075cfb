//! The table of all metrics: name, kind, labels and help of each. What is not in it is not exposed.
//!
//! Names are prefix, noun, unit, and `_total` for counters. Label values come from closed sets, or from what a cluster has few of: policies,
//! namespaces, kinds, schedules; never from resources. Recording is the business of `record`.

/// The kinds of metric that Prometheus tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution in buckets.
    Histogram,
}

impl MetricKind {
    /// The word of `# TYPE`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// Who holds a metric's series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// The recorder of the metrics crate: series once made stay.
    Recorder,
    /// Our own families, whose series go when what they are about is gone.
    Families,
}

/// One metric.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Its kind.
    pub kind: MetricKind,
    /// Its labels, in the order in which values are given.
    pub labels: &'static [&'static str],
    /// What it means, with its unit if it has one.
    pub help: &'static str,
    /// Who holds it.
    pub home: Home,
}

const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: MetricKind::Counter, labels, help, home: Home::Recorder }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: MetricKind::Gauge, labels, help, home: Home::Recorder }
}

const fn histogram(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: MetricKind::Histogram, labels, help, home: Home::Recorder }
}

const fn family(
    kind: MetricKind,
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Metric {
    Metric { name, kind, labels, help, home: Home::Families }
}

use MetricKind::{Counter, Gauge};

/// `patrol_build_info`
pub const BUILD_INFO: Metric =
    gauge("patrol_build_info", &["version"], "Always 1; the label tells the version.");

/// `patrol_leader`
pub const LEADER: Metric =
    gauge("patrol_leader", &[], "1 while this replica leads, or is the only one; 0 while it stands by.");

/// `patrol_scans_total`
pub const SCANS: Metric = counter(
    "patrol_scans_total",
    &["schedule", "outcome"],
    "Scans that ended, by outcome: complete, partial (some kinds were not listed), interrupted, failed.",
);
/// `patrol_scan_start_timestamp_seconds`
pub const SCAN_START: Metric = family(
    Gauge,
    "patrol_scan_start_timestamp_seconds",
    &["schedule"],
    "When the last scan started, in Unix seconds.",
);
/// `patrol_scan_end_timestamp_seconds`
pub const SCAN_END: Metric = family(
    Gauge,
    "patrol_scan_end_timestamp_seconds",
    &["schedule"],
    "When the last scan ended, in Unix seconds.",
);
/// `patrol_scan_success_timestamp_seconds`
pub const SCAN_SUCCESS: Metric = family(
    Gauge,
    "patrol_scan_success_timestamp_seconds",
    &["schedule"],
    "When the last scan ended that was neither interrupted nor failed, in Unix seconds.",
);
/// `patrol_scan_duration_seconds`
pub const SCAN_DURATION: Metric =
    histogram("patrol_scan_duration_seconds", &["schedule"], "How long scans took, in seconds.");
/// `patrol_scan_running`
pub const SCAN_RUNNING: Metric = gauge("patrol_scan_running", &[], "1 while a scan is under way, else 0.");
/// `patrol_scan_lag_seconds`
pub const SCAN_LAG: Metric = family(
    Gauge,
    "patrol_scan_lag_seconds",
    &["schedule"],
    "How long after it was due the last scan started, in seconds.",
);
/// `patrol_scan_problems`
pub const SCAN_PROBLEMS: Metric = gauge(
    "patrol_scan_problems",
    &["cause"],
    "What went wrong in the last scan with single objects, policies and reports, by cause: input, world.",
);
/// `patrol_schedule_interval_seconds`
pub const SCHEDULE_INTERVAL: Metric = family(
    Gauge,
    "patrol_schedule_interval_seconds",
    &["schedule"],
    "The time between two runs of the schedule as things stand, in seconds.",
);
/// `patrol_schedule_runs_total`
pub const SCHEDULE_RUNS: Metric = family(
    Counter,
    "patrol_schedule_runs_total",
    &["schedule", "event"],
    "Runs of schedules: fired, made_up (missed while Patrol was down), rescued (by the watchdog), skipped, queued.",
);
/// `patrol_queue_length`
pub const QUEUE_LENGTH: Metric =
    gauge("patrol_queue_length", &[], "Runs that are due and wait for their turn.");

/// `patrol_pairs_total`
pub const PAIRS: Metric = counter(
    "patrol_pairs_total",
    &["action", "reason"],
    "Pairs of resource and policy by what was done (evaluate, reuse, forget) and why.",
);
/// `patrol_resources_seen_total`
pub const RESOURCES_SEEN: Metric = counter("patrol_resources_seen_total", &[], "Resources that scans saw.");
/// `patrol_resources_passed_over_total`
pub const RESOURCES_PASSED_OVER: Metric = counter(
    "patrol_resources_passed_over_total",
    &[],
    "Resources that scans passed over without decoding, since nothing about them moved.",
);
/// `patrol_facts_fetched_total`
pub const FACTS_FETCHED: Metric = counter(
    "patrol_facts_fetched_total",
    &[],
    "Facts that scans fetched beside resources: namespaces, ConfigMaps, answers to calls.",
);
/// `patrol_objects`
pub const OBJECTS: Metric =
    family(Gauge, "patrol_objects", &["kind"], "Objects of a kind that the last scan saw.");
/// `patrol_kinds`
pub const KINDS: Metric = gauge(
    "patrol_kinds",
    &["state"],
    "Kinds of the last scan by how their lists ended: listed, not_served, forbidden, failed.",
);
/// `patrol_kind_problem`
pub const KIND_PROBLEM: Metric = family(
    Gauge,
    "patrol_kind_problem",
    &["kind", "state"],
    "1 for each kind that the last scan could not list: not_served, forbidden, failed. Nothing of theirs is deleted.",
);

/// `patrol_reports_total`
pub const REPORTS: Metric = counter(
    "patrol_reports_total",
    &["result"],
    "Reports by what happened to them: written, unchanged, deleted, failed, foreign (left alone), adopted.",
);

/// `patrol_state_bytes`
pub const STATE_BYTES: Metric = gauge("patrol_state_bytes", &[], "Bytes of the state on disk.");
/// `patrol_state_degraded`
pub const STATE_DEGRADED: Metric = gauge(
    "patrol_state_degraded",
    &[],
    "1 while nothing is stored (a full disk, a broken database), else 0.",
);
/// `patrol_state_faults_total`
pub const STATE_FAULTS: Metric = counter(
    "patrol_state_faults_total",
    &["fault"],
    "What went wrong with the state: checksum_mismatch, version_mismatch, panic, corruption, io_error, timeout, \
     write_dropped, row.",
);
/// `patrol_state_rebuilds_total`
pub const STATE_REBUILDS: Metric = counter(
    "patrol_state_rebuilds_total",
    &[],
    "Databases that were damaged or of another version, and were moved aside and rebuilt.",
);

/// `patrol_api_requests_total`
pub const API_REQUESTS: Metric = counter(
    "patrol_api_requests_total",
    &["verb", "group", "code"],
    "Requests to the API server by verb, API group and status code; code `none` without an answer.",
);

/// `patrol_policy_evaluations_total`
pub const POLICY_EVALUATIONS: Metric =
    family(Counter, "patrol_policy_evaluations_total", &["policy"], "Evaluations of a policy.");
/// `patrol_policy_evaluation_seconds_total`
pub const POLICY_SECONDS: Metric = family(
    Counter,
    "patrol_policy_evaluation_seconds_total",
    &["policy"],
    "Time that evaluations of a policy took, in seconds.",
);
/// `patrol_policy_evaluation_seconds_max`
pub const POLICY_SECONDS_MAX: Metric = family(
    Gauge,
    "patrol_policy_evaluation_seconds_max",
    &["policy"],
    "The slowest evaluation of a policy since the start, in seconds.",
);
/// `patrol_policies`
pub const POLICIES: Metric = gauge(
    "patrol_policies",
    &["standing"],
    "Policies by standing: scanned, folder_only (background scans are switched off), not_scanned.",
);
/// `patrol_policy_results`
pub const POLICY_RESULTS: Metric = family(
    Gauge,
    "patrol_policy_results",
    &["policy", "namespace", "status", "severity", "category", "source"],
    "Resources with that status now, as reports show them; namespace is empty for cluster-wide resources.",
);
/// `policy_report_result`
pub const REPORTER_RESULTS: Metric = family(
    Gauge,
    "policy_report_result",
    &["policy", "namespace", "status", "severity", "category", "source"],
    "The same as patrol_policy_results for namespaced resources, under Policy Reporter's name; only if configured.",
);
/// `cluster_policy_report_result`
pub const REPORTER_CLUSTER_RESULTS: Metric = family(
    Gauge,
    "cluster_policy_report_result",
    &["policy", "status", "severity", "category", "source"],
    "The same for cluster-wide resources; only if configured.",
);
/// `patrol_drift_total`
pub const DRIFT: Metric = family(
    Counter,
    "patrol_drift_total",
    &["policy", "namespace", "from", "to"],
    "Changes of outcomes; from and to are statuses, or none where there was or is no outcome.",
);

/// `patrol_limits_hit_total`
pub const LIMITS_HIT: Metric =
    counter("patrol_limits_hit_total", &["limit"], "How often one of Patrol's own bounds was hit, by bound.");
/// `patrol_config_reloads_total`
pub const CONFIG_RELOADS: Metric = counter(
    "patrol_config_reloads_total",
    &["outcome"],
    "Changed configuration files: applied, restart_needed (applied but for keys that need a restart), broken.",
);

/// Every metric, in the order in which they are described.
pub const METRICS: &[Metric] = &[
    BUILD_INFO,
    LEADER,
    SCANS,
    SCAN_START,
    SCAN_END,
    SCAN_SUCCESS,
    SCAN_DURATION,
    SCAN_RUNNING,
    SCAN_LAG,
    SCAN_PROBLEMS,
    SCHEDULE_INTERVAL,
    SCHEDULE_RUNS,
    QUEUE_LENGTH,
    PAIRS,
    RESOURCES_SEEN,
    RESOURCES_PASSED_OVER,
    FACTS_FETCHED,
    OBJECTS,
    KINDS,
    KIND_PROBLEM,
    REPORTS,
    STATE_BYTES,
    STATE_DEGRADED,
    STATE_FAULTS,
    STATE_REBUILDS,
    API_REQUESTS,
    POLICIES,
    POLICY_EVALUATIONS,
    POLICY_SECONDS,
    POLICY_SECONDS_MAX,
    POLICY_RESULTS,
    REPORTER_RESULTS,
    REPORTER_CLUSTER_RESULTS,
    DRIFT,
    LIMITS_HIT,
    CONFIG_RELOADS,
];
