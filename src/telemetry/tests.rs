//! What is exposed after what happened, read as Prometheus reads it: over HTTP.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::families::Families;
use super::metrics::{self as table, Home, METRICS, MetricKind};
use super::*;
use crate::catalog::CompiledPolicy;
use crate::document::Document;
use crate::lang::{Evaluation, Evaluator, Inputs};
use crate::limits;
use crate::matching::Selection;
use crate::model::{Fingerprint, PolicyKey, PolicyKind, Severity, Status};
use crate::plan::{Action, Reason};
use crate::policy::{Presentation, Standing};
use crate::scan::{Drift, KindOutcome, KindState, PolicyCost, ReportCounts, ScanOutcome, Totals};
use crate::store::{Faults, Health};

#[derive(Debug)]
struct Never;

impl Evaluator for Never {
    fn evaluate(&self, _inputs: &Inputs<'_>) -> Evaluation {
        panic!("telemetry evaluates nothing")
    }
}

fn policy(name: &str, is_scored: bool) -> Arc<CompiledPolicy> {
    Arc::new(CompiledPolicy {
        key: PolicyKey { kind: PolicyKind::ClusterPolicy, namespace: String::new(), name: name.into() },
        fingerprint: Fingerprint::default(),
        presentation: Presentation {
            category: Some("Pod Security".into()),
            severity: Some(Severity::High),
            is_scored,
            process: "background scan",
        },
        selection: Selection { kinds: Vec::new(), namespace: None },
        evaluator: Arc::new(Never),
        standing: Standing::Scanned,
        warnings: Vec::new(),
        rules: Vec::new(),
        origin: "cluster".into(),
    })
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn run() -> ScanRun {
    ScanRun { schedule: "default".into(), due: at(1000), start: at(1003), end: at(1010) }
}

fn outcome(policy: &CompiledPolicy) -> ScanOutcome {
    let mut totals = Totals { n_resources: 10, n_passed_over: 4, n_state_faults: 2, ..Totals::default() };
    totals.pairs.add(Action::Evaluate, &Reason::NoVerdict, 6);
    totals.pairs.add(Action::Reuse, &Reason::Unchanged, 4);
    totals.results = BTreeMap::from([
        ((0, "prod".to_owned(), Status::Pass), 7),
        ((0, "prod".to_owned(), Status::Fail), 2),
        ((0, String::new(), Status::Pass), 1),
    ]);
    totals.drift.insert(
        Drift {
            policy: policy.key.clone(),
            namespace: "prod".into(),
            from: Some(Status::Pass),
            to: Some(Status::Fail),
        },
        2,
    );
    totals.costs.insert(0, PolicyCost { n: 6, nanos: 3_000_000_000, nanos_max: 1_500_000_000 });
    totals.reports = ReportCounts { written: 3, unchanged: 6, deleted: 1, failed: 0, foreign: 2, adopted: 4 };
    let kind = |kind: &str, n_objects, state| KindOutcome { kind: kind.into(), n_objects, state };
    let kinds = vec![
        kind("v1/Pod", 10, KindState::Listed),
        kind("v1/Secret", 0, KindState::Forbidden("no".into())),
        kind("x.io/v1/Thing", 0, KindState::NotServed),
    ];
    ScanOutcome { totals, kinds, n_facts: 5, ..ScanOutcome::default() }
}

/// Everything happened once.
fn busy(has_policy_reporter_names: bool) -> Telemetry {
    let telemetry = Telemetry::new(has_policy_reporter_names);
    let policy = policy("disallow-host-path", true);
    telemetry.record_scan_start("default", at(1000), at(1003));
    telemetry.record_standings(std::slice::from_ref(&policy));
    telemetry.record_scan(&run(), &outcome(&policy), &[policy]);
    telemetry.record_failed_scan(&run());
    let faults = Faults { checksum_mismatch: 1, quarantined: 1, ..Faults::default() };
    telemetry.record_store(&faults, &Health::Degraded { reason: "disk".into() }, 4096);
    let requests = [
        ("list", "apps/deployments", 200, 3),
        ("list", "apps/daemonsets", 200, 1),
        ("frobnicate", "pods", 0, 1),
        ("discover", "", 200, 2),
    ];
    telemetry.record_requests(requests.into_iter());
    let counts = crate::schedule::RunCounts { fired: 2, rescued: 1, ..Default::default() };
    telemetry.record_schedule("default", &counts, Some(Duration::from_mins(15)));
    telemetry.record_queue(1);
    telemetry.record_limit("fact_rounds", 1);
    telemetry.record_config_reload(ConfigReload::Broken);
    telemetry
}

fn value(text: &str, series: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

#[track_caller]
fn assert_values(text: &str, expected: &[(&str, f64)]) {
    for (series, expected) in expected {
        assert_eq!(value(text, series), Some(*expected), "{series}\n{text}");
    }
}

/// One GET over a real connection: status and body.
async fn get(address: std::net::SocketAddr, path: &str) -> (u16, String, String) {
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_lowercase(), body.to_owned())
}

struct Server {
    address: std::net::SocketAddr,
    stop: tokio::sync::oneshot::Sender<()>,
    served: tokio::task::JoinHandle<Result<(), HttpError>>,
}

async fn start(router: axum::Router) -> Server {
    let listener = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let served = tokio::spawn(serve(listener, router, async move {
        let _ = stopped.await;
    }));
    Server { address, stop, served }
}

#[tokio::test]
async fn a_scrape_shows_every_metric_of_the_table_with_help_and_type() {
    for telemetry in [Telemetry::new(false), busy(true)] {
        let server = start(metrics_router(telemetry, Readiness::default())).await;
        let (status, head, body) = get(server.address, "/metrics").await;
        assert_eq!(status, 200);
        assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
        for metric in METRICS {
            let help = format!("# HELP {} ", metric.name);
            assert_eq!(body.matches(&help).count(), 1, "{help}\n{body}");
            let kind = format!("# TYPE {} {}\n", metric.name, metric.kind.as_str());
            assert_eq!(body.matches(&kind).count(), 1, "{kind}\n{body}");
        }
    }
}

/// The name, labels and value of each sample.
fn samples(text: &str) -> Vec<(String, BTreeMap<String, String>)> {
    let mut samples = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (series, value) = line.rsplit_once(' ').unwrap();
        value.parse::<f64>().unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let labels = labels.strip_suffix('}').unwrap();
        let pairs = labels.split(',').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap();
            (name.to_owned(), value.trim_matches('"').to_owned())
        });
        samples.push((name.to_owned(), pairs.collect()));
    }
    samples
}

#[test]
fn every_sample_belongs_to_the_table_and_has_its_labels() {
    let text = busy(true).render();
    let mut seen = BTreeSet::new();
    for (name, labels) in samples(&text) {
        let base =
            |suffix: &str| name.strip_suffix(suffix).filter(|base| !base.is_empty()).map(str::to_owned);
        let is_part = |metric: &&table::Metric| {
            metric.kind == MetricKind::Histogram
                && ["_bucket", "_sum", "_count"]
                    .iter()
                    .any(|suffix| base(suffix).as_deref() == Some(metric.name))
        };
        let metric =
            METRICS.iter().find(|metric| metric.name == name).or_else(|| METRICS.iter().find(is_part));
        let Some(metric) = metric else { panic!("`{name}` is not in the table") };
        let names: BTreeSet<&str> =
            labels.keys().map(String::as_str).filter(|label| *label != "le").collect();
        assert_eq!(names, metric.labels.iter().copied().collect(), "{name}");
        seen.insert(metric.name);
    }
    let unseen: Vec<&str> =
        METRICS.iter().map(|metric| metric.name).filter(|name| !seen.contains(name)).collect();
    assert!(unseen.is_empty(), "nothing records {unseen:?}");
}

#[test]
fn label_values_come_from_closed_sets_or_from_what_clusters_have_few_of() {
    let words: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::from([
        (
            "outcome",
            ["complete", "partial", "interrupted", "failed", "applied", "restart_needed", "broken"].into(),
        ),
        ("event", ["fired", "made_up", "rescued", "skipped", "queued"].into()),
        ("action", ["evaluate", "reuse", "forget"].into()),
        ("status", Status::ALL.map(Status::as_str).into()),
        ("from", ["none", "pass", "fail", "warn", "error", "skip"].into()),
        ("to", ["none", "pass", "fail", "warn", "error", "skip"].into()),
        ("verb", ["get", "list", "watch", "create", "update", "patch", "delete", "discover", "other"].into()),
        ("state", ["listed", "not_served", "forbidden", "failed"].into()),
        ("result", ["written", "unchanged", "deleted", "failed", "foreign", "adopted"].into()),
        ("cause", ["input", "world"].into()),
        ("standing", ["scanned", "folder_only", "not_scanned"].into()),
    ]);
    let few = ["policy", "namespace", "kind", "schedule", "group", "code", "version", "category", "source"];
    let given = ["severity", "reason", "fault", "limit", "le"];
    for (name, labels) in samples(&busy(true).render()) {
        for (label, value) in labels {
            match words.get(label.as_str()) {
                Some(words) => assert!(words.contains(value.as_str()), "{name}: {label}={value}"),
                None => assert!(
                    few.contains(&label.as_str()) || given.contains(&label.as_str()),
                    "{name}: {label}"
                ),
            }
        }
    }
    for metric in METRICS {
        let forbidden = ["name", "resource", "message", "uid", "rule"];
        assert!(metric.labels.iter().all(|label| !forbidden.contains(label)), "{}", metric.name);
    }
}

#[test]
fn names_follow_the_conventions_and_are_unique() {
    let names: BTreeSet<&str> = METRICS.iter().map(|metric| metric.name).collect();
    assert_eq!(names.len(), METRICS.len());
    for metric in METRICS {
        let is_reporter = metric.name.ends_with("policy_report_result");
        assert!(metric.name.starts_with("patrol_") || is_reporter, "{}", metric.name);
        assert_eq!(metric.kind == MetricKind::Counter, metric.name.ends_with("_total"), "{}", metric.name);
        assert!(metric.help.ends_with('.') && metric.help.len() > 10, "{}", metric.name);
        assert!(!metric.help.contains('\n') && !metric.help.contains('\\'), "{}", metric.name);
    }
}

#[test]
fn a_scan_is_counted_in_every_part() {
    let text = busy(false).render();
    assert_values(
        &text,
        &[
            ("patrol_scans_total{schedule=\"default\",outcome=\"partial\"}", 1.0),
            ("patrol_scans_total{schedule=\"default\",outcome=\"failed\"}", 1.0),
            ("patrol_scan_start_timestamp_seconds{schedule=\"default\"}", 1003.0),
            ("patrol_scan_end_timestamp_seconds{schedule=\"default\"}", 1010.0),
            ("patrol_scan_success_timestamp_seconds{schedule=\"default\"}", 1010.0),
            ("patrol_scan_lag_seconds{schedule=\"default\"}", 3.0),
            ("patrol_scan_duration_seconds_sum{schedule=\"default\"}", 14.0),
            ("patrol_scan_duration_seconds_bucket{schedule=\"default\",le=\"10\"}", 2.0),
            ("patrol_scan_running", 0.0),
            ("patrol_pairs_total{action=\"evaluate\",reason=\"no_verdict\"}", 6.0),
            ("patrol_pairs_total{action=\"reuse\",reason=\"unchanged\"}", 4.0),
            ("patrol_resources_seen_total", 10.0),
            ("patrol_resources_passed_over_total", 4.0),
            ("patrol_facts_fetched_total", 5.0),
            ("patrol_objects{kind=\"v1/Pod\"}", 10.0),
            ("patrol_kinds{state=\"listed\"}", 1.0),
            ("patrol_kinds{state=\"forbidden\"}", 1.0),
            ("patrol_kinds{state=\"failed\"}", 0.0),
            ("patrol_kind_problem{kind=\"v1/Secret\",state=\"forbidden\"}", 1.0),
            ("patrol_kind_problem{kind=\"x.io/v1/Thing\",state=\"not_served\"}", 1.0),
            ("patrol_reports_total{result=\"written\"}", 3.0),
            ("patrol_reports_total{result=\"failed\"}", 0.0),
            ("patrol_reports_total{result=\"foreign\"}", 2.0),
            ("patrol_state_faults_total{fault=\"checksum_mismatch\"}", 1.0),
            ("patrol_state_faults_total{fault=\"row\"}", 2.0),
            ("patrol_state_rebuilds_total", 1.0),
            ("patrol_state_degraded", 1.0),
            ("patrol_state_bytes", 4096.0),
            ("patrol_api_requests_total{verb=\"list\",group=\"apps\",code=\"200\"}", 4.0),
            ("patrol_api_requests_total{verb=\"other\",group=\"\",code=\"none\"}", 1.0),
            ("patrol_policies{standing=\"scanned\"}", 1.0),
            ("patrol_policy_evaluations_total{policy=\"disallow-host-path\"}", 6.0),
            ("patrol_policy_evaluation_seconds_total{policy=\"disallow-host-path\"}", 3.0),
            ("patrol_policy_evaluation_seconds_max{policy=\"disallow-host-path\"}", 1.5),
            (
                "patrol_drift_total{policy=\"disallow-host-path\",namespace=\"prod\",from=\"pass\",to=\"fail\"}",
                2.0,
            ),
            ("patrol_schedule_runs_total{schedule=\"default\",event=\"rescued\"}", 1.0),
            ("patrol_schedule_interval_seconds{schedule=\"default\"}", 900.0),
            ("patrol_queue_length", 1.0),
            ("patrol_config_reloads_total{outcome=\"broken\"}", 1.0),
        ],
    );
    assert!(!text.contains("policy_report_result{"), "opt-in only:\n{text}");
}

#[test]
fn results_are_given_under_policy_reporters_names_only_on_request() {
    let text = busy(true).render();
    let rest = "severity=\"high\",category=\"Pod Security\",source=\"kyverno\"}";
    let policy = "policy=\"disallow-host-path\"";
    assert_values(
        &text,
        &[
            (&format!("patrol_policy_results{{{policy},namespace=\"prod\",status=\"fail\",{rest}"), 2.0),
            (&format!("patrol_policy_results{{{policy},namespace=\"\",status=\"pass\",{rest}"), 1.0),
            (&format!("policy_report_result{{{policy},namespace=\"prod\",status=\"fail\",{rest}"), 2.0),
            (&format!("cluster_policy_report_result{{{policy},status=\"pass\",{rest}"), 1.0),
        ],
    );
    assert!(!text.contains(&format!("\npolicy_report_result{{{policy},namespace=\"\"")));
}

#[test]
fn series_that_vanish_are_removed() {
    let telemetry = Telemetry::new(false);
    let (old, new) = (policy("old", true), policy("new", true));
    let complete = |policy: &CompiledPolicy| {
        let mut outcome = outcome(policy);
        outcome.kinds.truncate(1);
        outcome
    };
    telemetry.record_scan(&run(), &complete(&old), std::slice::from_ref(&old));
    assert!(telemetry.render().contains("policy=\"old\""));
    telemetry.record_scan(&run(), &complete(&new), std::slice::from_ref(&new));
    let text = telemetry.render();
    assert!(!text.contains("policy=\"old\""), "{text}");
    assert_values(&text, &[("patrol_policy_evaluations_total{policy=\"new\"}", 6.0)]);

    let mut later = complete(&new);
    later.totals.results.remove(&(0, "prod".to_owned(), Status::Fail));
    telemetry.record_scan(&run(), &later, std::slice::from_ref(&new));
    let text = telemetry.render();
    assert!(
        !text.contains("patrol_policy_results{policy=\"new\",namespace=\"prod\",status=\"fail\""),
        "{text}"
    );
    assert_values(&text, &[("patrol_policy_evaluations_total{policy=\"new\"}", 12.0)]);

    telemetry.keep_schedules(&["other"]);
    let left: Vec<_> = METRICS.iter().filter(|metric| metric.home == Home::Families).collect();
    let text = telemetry.render();
    for metric in left.iter().filter(|metric| metric.labels.first() == Some(&"schedule")) {
        assert!(!text.contains(&format!("\n{}{{", metric.name)), "{}", metric.name);
    }
}

#[test]
fn a_replica_that_stands_by_tells_no_results_and_no_schedules() {
    let telemetry = busy(true);
    assert_values(&telemetry.render(), &[("patrol_leader", 0.0)]);
    telemetry.record_leader(true);
    let text = telemetry.render();
    assert_values(&text, &[("patrol_leader", 1.0)]);
    assert!(
        text.contains("\npatrol_policy_results{") && text.contains("\npatrol_schedule_interval_seconds{")
    );
    telemetry.record_leader(false);
    let text = telemetry.render();
    assert_values(&text, &[("patrol_leader", 0.0)]);
    for gone in [
        "patrol_policy_results",
        "policy_report_result",
        "patrol_schedule_interval_seconds",
        "patrol_objects",
    ] {
        assert!(!text.contains(&format!("\n{gone}{{")), "{gone}: {text}");
    }
}

#[test]
fn an_interrupted_scan_keeps_the_results_and_is_no_success() {
    let telemetry = Telemetry::new(false);
    let policy = policy("p", true);
    let mut first = outcome(&policy);
    first.is_interrupted = true;
    telemetry.record_scan(&run(), &first, std::slice::from_ref(&policy));
    let text = telemetry.render();
    assert!(!text.contains("patrol_policy_results{"), "{text}");
    assert!(!text.contains("patrol_scan_success_timestamp_seconds{"), "{text}");
    assert_values(&text, &[("patrol_scans_total{schedule=\"default\",outcome=\"interrupted\"}", 1.0)]);
}

#[test]
fn failures_of_what_is_not_scored_are_warnings_and_add_up() {
    let telemetry = Telemetry::new(false);
    let policy = policy("p", false);
    let mut outcome = outcome(&policy);
    outcome.totals.results.insert((0, "prod".to_owned(), Status::Warn), 5);
    telemetry.record_scan(&run(), &outcome, std::slice::from_ref(&policy));
    let rest = "severity=\"high\",category=\"Pod Security\",source=\"kyverno\"}";
    let text = telemetry.render();
    let series = format!("patrol_policy_results{{policy=\"p\",namespace=\"prod\",status=\"warn\",{rest}");
    assert_values(&text, &[(&series, 7.0)]);
}

#[test]
fn labels_are_escaped_and_series_are_bounded() {
    let mut families = Families::default();
    families.set(&table::OBJECTS, &["a\"b\\c\nd"], 1.5);
    let mut text = String::new();
    families.render(&mut text);
    assert!(text.contains("patrol_objects{kind=\"a\\\"b\\\\c\\nd\"} 1.5\n"), "{text}");
    for n in 0..=limits::METRIC_SERIES_MAX {
        families.add(&table::OBJECTS, &[&n.to_string()], 1.0);
    }
    assert_eq!(families.take_refused(), 2);
    assert_eq!(families.take_refused(), 0);
}

#[tokio::test]
async fn readiness_says_why_not() {
    let readiness = Readiness::starting();
    let server = start(metrics_router(Telemetry::new(false), readiness.clone())).await;
    let (status, _, body) = get(server.address, "/readyz").await;
    assert_eq!(
        (status, body.as_str()),
        (503, "not ready\nscan: no scan is complete yet and no state was found\n")
    );
    assert_eq!(get(server.address, "/healthz").await.0, 200);
    readiness.wait_for("cluster", "the API server does not answer");
    readiness.done("scan");
    let (status, _, body) = get(server.address, "/readyz").await;
    assert_eq!((status, body.as_str()), (503, "not ready\ncluster: the API server does not answer\n"));
    readiness.done("cluster");
    let (status, _, body) = get(server.address, "/readyz").await;
    assert_eq!((status, body.as_str()), (200, "ok\n"));
    assert_eq!(get(server.address, "/debug/plan").await.0, 404);
}

#[tokio::test]
async fn the_plan_is_shown_as_text_and_json() {
    let plan: PlanProvider = Arc::new(|format| match format {
        PlanFormat::Text => Some("evaluate 3\n".into()),
        PlanFormat::Json => Some("{\"evaluate\":3}".into()),
    });
    let server = start(debug_router(plan)).await;
    assert_eq!(get(server.address, "/debug/plan").await.2, "evaluate 3\n");
    let (_, head, body) = get(server.address, "/debug/plan?format=json").await;
    assert!(head.contains("content-type: application/json"));
    Document::from_json(body.as_bytes()).unwrap();
    assert_eq!(get(server.address, "/debug/plan?format=xml").await.0, 400);
    let none = start(debug_router(Arc::new(|_| None))).await;
    assert_eq!(get(none.address, "/debug/plan").await.0, 404);
}

#[tokio::test(start_paused = true)]
async fn a_stopped_server_ends_even_with_a_connection_open() {
    let server = start(metrics_router(Telemetry::new(false), Readiness::default())).await;
    let mut open = tokio::net::TcpStream::connect(server.address).await.unwrap();
    open.write_all(b"GET /metrics HTTP/1.1\r\n").await.unwrap();
    server.stop.send(()).unwrap();
    let ended =
        tokio::time::timeout(Duration::from_secs(2 * limits::HTTP_DRAIN_SECS_MAX + 5), server.served).await;
    ended.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_taken_address_is_told() {
    let first = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = first.local_addr().unwrap();
    let error = listen(address).await.unwrap_err().to_string();
    assert!(error.starts_with(&format!("cannot listen on `{address}`: ")), "{error}");
}
