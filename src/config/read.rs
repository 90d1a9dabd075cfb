//! The keys of the configuration: their names, defaults, ranges, and what contradicts what.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::rbac::DEFAULT_LEASE;
use super::reader::{Findings, Reader};
use super::tree::Node;
use super::{
    ApiCallConfig, Checked, ClusterConfig, DebugConfig, Filters, ImagesConfig, LeaderElectionConfig,
    LogConfig, LogFormat, MetricsConfig, PoliciesConfig, ReportsConfig, ResourcesConfig, ScanConfig,
    ScheduleConfig, StateConfig, nearest,
};
use crate::matching::{DEFAULT_RESOURCE_FILTERS, ResourceFilters};
use crate::model::{PolicyKind, Status};
use crate::report::{MANAGED_BY, ReportApi};
use crate::schedule::{Concurrency, Schedule, Timing};

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
/// The longest time that makes sense anywhere: 30 days, in seconds.
const LONG_S: u64 = 30 * 24 * 3600;

/// The kinds that are read by default: those that the reference scans unless told otherwise.
const DEFAULT_POLICY_KINDS: [&str; 9] = [
    "ClusterPolicy",
    "Policy",
    "ValidatingPolicy",
    "NamespacedValidatingPolicy",
    "MutatingPolicy",
    "NamespacedMutatingPolicy",
    "ImageValidatingPolicy",
    "NamespacedImageValidatingPolicy",
    "ValidatingAdmissionPolicy",
];

/// Kinds that the reference never scans.
const NEVER_SCANNED: [PolicyKind; 4] = [
    PolicyKind::GeneratingPolicy,
    PolicyKind::NamespacedGeneratingPolicy,
    PolicyKind::DeletingPolicy,
    PolicyKind::NamespacedDeletingPolicy,
];

/// Reads the whole tree; the findings hold what is wrong. `None` only together with a mistake.
pub(super) fn read(root: &Node, findings: &mut Findings) -> Option<Checked> {
    let mut reader = Reader::root(root, findings);
    let r = &mut reader;
    let scan = r.section("scan", scan);
    let resources = r.section("resources", resources);
    let policies = r.section("policies", policies);
    let reports = r.section("reports", reports);
    let state = r.section("state", state);
    let cluster = r.section("cluster", cluster);
    let leader_election = r.section("leaderElection", leader_election);
    let images = r.section("images", images);
    let api_call = r.section("apiCall", api_call);
    let metrics = r.section("metrics", metrics);
    let debug = r.section("debug", |r| debug(r, metrics.listen));
    let log = r.section("log", log);
    reader.finish();
    Some(Checked {
        scan,
        resources: resources?,
        policies,
        reports,
        state,
        cluster,
        leader_election,
        images,
        api_call,
        metrics,
        debug,
        log,
        effective: std::collections::BTreeMap::new(),
    })
}

fn scan(r: &mut Reader<'_>) -> ScanConfig {
    let schedules: Vec<ScheduleConfig> =
        r.mappings("schedules", &[("name", "default"), ("every", "15m"), ("jitter", "30s")], schedule);
    for (at, one) in schedules.iter().enumerate() {
        if schedules.iter().take(at).any(|other| other.schedule.name == one.schedule.name) {
            r.object("schedules", format!("has two entries with the name `{}`", one.schedule.name));
        }
    }
    if schedules.is_empty() && r.is_given("schedules") {
        r.object("schedules", "has no valid entry; without a schedule nothing is ever scanned");
    }
    let verify_every = r.span("verifyEvery", 24 * HOUR, 0..=LONG_S);
    ScanConfig {
        schedules,
        verify_every: (!verify_every.is_zero()).then_some(verify_every),
        max_age: r.span("maxAge", HOUR, 1..=LONG_S),
        n_workers: usize::try_from(r.count("workers", 0, 0..=256)).unwrap_or_default(),
    }
}

fn schedule(r: &mut Reader<'_>) -> Option<ScheduleConfig> {
    let name = r.text("name", "", |name| {
        let is_label = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if (1..=63).contains(&name.len()) && name.chars().all(is_label) {
            Ok(name.to_owned())
        } else {
            Err(format!("must be 1 to 63 lowercase letters, digits or `-`, not `{name}`"))
        }
    });
    if name.is_none() && !r.is_given("name") {
        r.object("name", "must be given: it tells schedules apart in the state and in metrics");
    }
    let has_zone = r.is_given("timeZone");
    let every = r.optional_span("every", 0..=LONG_S * 13);
    let cron = r.plain("cron", "");
    let zone = r.plain("timeZone", "UTC");
    let timing = match (r.is_given("every"), r.is_given("cron")) {
        (true, true) => {
            r.object("cron", "cannot stand beside `every`: a schedule has one of them");
            None
        }
        (false, false) => {
            r.object("every", "must be given, or `cron` instead of it");
            None
        }
        (true, false) => {
            if has_zone {
                r.object("timeZone", "has no meaning beside `every`; it belongs to `cron`");
            }
            every.and_then(|every| {
                Timing::every(every).map_err(|error| r.object("every", error.to_string())).ok()
            })
        }
        (false, true) => Timing::cron(&cron, &zone)
            .map_err(|error| {
                let key = if matches!(error, crate::schedule::TimingError::NotAZone(_)) {
                    "timeZone"
                } else {
                    "cron"
                };
                r.object(key, error.to_string());
            })
            .ok(),
    };
    let jitter = r.span("jitter", Duration::ZERO, 0..=24 * 3600);
    let gap = timing.as_ref().and_then(|timing| timing.gap_after(jiff::Timestamp::UNIX_EPOCH));
    if let Some(gap) = gap.filter(|gap| jitter >= *gap) {
        r.object("jitter", format!("must be shorter than the {}s between two runs", gap.as_secs()));
    }
    let concurrency = r.choice(
        "concurrency",
        Concurrency::Skip,
        &[("skip", Concurrency::Skip), ("queue", Concurrency::Queue)],
    );
    let policies = r.list("policies", &[], wildcard);
    let kinds = r.list("kinds", &[], wildcard);
    let namespaces = r.list("namespaces", &[], wildcard);
    let schedule = Schedule { name: name?, timing: timing?, jitter, concurrency };
    Some(ScheduleConfig { schedule, policies, kinds, namespaces })
}

fn resources(r: &mut Reader<'_>) -> Option<ResourcesConfig> {
    let has_text = r.is_given("resourceFilters");
    let here = r.text("resourceFilters", DEFAULT_RESOURCE_FILTERS, |text| {
        ResourceFilters::parse(text).map_err(|error| error.to_string())
    });
    let from = r.section("resourceFiltersFrom", |r| {
        r.section("configMap", |r| {
            let (namespace, name) = (r.text("namespace", "", object_name), r.text("name", "", object_name));
            let (namespace, name) = (namespace.unwrap_or_default(), name.unwrap_or_default());
            match (namespace.is_empty(), name.is_empty()) {
                (false, false) => Some((namespace, name)),
                (true, true) => None,
                (true, false) => {
                    r.object("namespace", "must be given together with `name`");
                    None
                }
                (false, true) => {
                    r.object("name", "must be given together with `namespace`");
                    None
                }
            }
        })
    });
    if has_text && from.is_some() {
        r.object("resourceFilters", "cannot stand beside `resourceFiltersFrom`: filters have one source");
    }
    let skips = r.choice("owned", false, &[("scan", false), ("skip", true)]);
    let exclude_namespaces = r.list("excludeNamespaces", &[], wildcard);
    let exclude_labels = r.list("excludeLabels", &[], label);
    let filters = match from {
        Some((namespace, name)) => Filters::ConfigMap { namespace, name },
        None => Filters::Here(here?),
    };
    Some(ResourcesConfig { filters, exclude_namespaces, exclude_labels, skips_owned: skips })
}

fn policies(r: &mut Reader<'_>) -> PoliciesConfig {
    let kinds = r.list("kinds", &DEFAULT_POLICY_KINDS, policy_kind);
    if kinds.is_empty() {
        r.object("kinds", "must name at least one kind; without policies there is nothing to scan");
    }
    let only_labelled = r.flag("onlyLabelled", false);
    let exceptions = |r: &mut Reader<'_>| r.list("namespaces", &[], wildcard);
    PoliciesConfig {
        kinds: kinds.into_iter().collect(),
        only_labelled,
        exception_namespaces: r.section("exceptions", exceptions),
    }
}

fn reports(r: &mut Reader<'_>) -> ReportsConfig {
    let apis = [
        ("auto", None),
        ("wgpolicyk8s.io", Some(ReportApi::PolicyReport)),
        ("openreports.io", Some(ReportApi::OpenReports)),
    ];
    let api = r.choice("api", None, &apis);
    let words: Vec<&str> = Status::ALL.iter().map(|status| status.as_str()).collect();
    let allowed = r.list("allowedResults", &words, |word| {
        Status::of(word).ok_or_else(|| format!("must be one of {}, not `{word}`", words.join(", ")))
    });
    if allowed.is_empty() {
        r.object("allowedResults", "must name at least one result; without any no report is ever written");
    }
    let adopt_managed_by = r.list("adoptManagedBy", &[], |value| {
        if value == MANAGED_BY {
            return Err(format!("`{MANAGED_BY}` is Patrol's own; its reports need no adoption"));
        }
        label_value(value)
    });
    let n_writers = usize::try_from(r.count("writers", 16, 1..=256)).unwrap_or(1);
    ReportsConfig { api, allowed_results: allowed.into_iter().collect(), adopt_managed_by, n_writers }
}

fn state(r: &mut Reader<'_>) -> StateConfig {
    let is_enabled = r.flag("enabled", true);
    let dir = r.text("dir", "/var/lib/patrol/state", |dir| {
        if dir.is_empty() { Err("must not be empty".to_owned()) } else { Ok(PathBuf::from(dir)) }
    });
    let compact_every = r.span("compactEvery", 24 * HOUR, 0..=LONG_S);
    let compact_every = (!compact_every.is_zero()).then_some(compact_every);
    StateConfig { is_enabled, dir: dir.unwrap_or_default(), compact_every }
}

fn cluster(r: &mut Reader<'_>) -> ClusterConfig {
    let kubeconfig = r.plain("kubeconfig", "");
    let context = r.plain("context", "");
    let page_size = u32::try_from(r.count("pageSize", 500, 1..=500)).unwrap_or(500);
    let page_bytes_max = r.bytes("pageBytes", "64Mi", (4 << 20)..=(1 << 30));
    let connect_timeout = r.span("connectTimeout", Duration::from_secs(10), 1..=600);
    let request_timeout = r.span("requestTimeout", MINUTE, 1..=3600);
    let qps = u32::try_from(r.count("clientRateLimitQPS", 0, 0..=100_000)).unwrap_or_default();
    let burst = u32::try_from(r.count("clientRateLimitBurst", 0, 0..=100_000)).unwrap_or_default();
    if qps == 0 && burst > 0 {
        r.object("clientRateLimitBurst", "has no meaning without `clientRateLimitQPS`");
    }
    ClusterConfig {
        kubeconfig: (!kubeconfig.is_empty()).then(|| kubeconfig.into()),
        context: (!context.is_empty()).then_some(context),
        page_size,
        page_bytes_max,
        connect_timeout,
        request_timeout,
        rate_limit_qps: (qps > 0).then_some(qps),
        rate_limit_burst: burst.max(qps),
    }
}

/// The defaults are those of Kubernetes' own components.
fn leader_election(r: &mut Reader<'_>) -> LeaderElectionConfig {
    let modes = [("auto", None), ("enabled", Some(true)), ("disabled", Some(false))];
    let is_enabled = r.choice("mode", None, &modes);
    let namespace = r.text("namespace", "", object_name).unwrap_or_default();
    let name = r.text("name", DEFAULT_LEASE, |name| match name {
        "" => Err("must not be empty".to_owned()),
        name => object_name(name),
    });
    let lease_duration = r.span("leaseDuration", Duration::from_secs(15), 2..=3600);
    let renew_deadline = r.span("renewDeadline", Duration::from_secs(10), 1..=3600);
    let retry_period = r.span("retryPeriod", Duration::from_secs(2), 0..=3600);
    if lease_duration.subsec_nanos() > 0 {
        r.object("leaseDuration", "must be whole seconds: a Lease holds no parts of them");
    }
    if renew_deadline >= lease_duration {
        r.object("renewDeadline", "must be shorter than `leaseDuration`, or two replicas write at once");
    }
    if retry_period < Duration::from_millis(100) || retry_period * 2 > renew_deadline {
        r.object("retryPeriod", "must be between 100ms and half of `renewDeadline`");
    }
    LeaderElectionConfig {
        is_enabled,
        namespace: (!namespace.is_empty()).then_some(namespace),
        name: name.unwrap_or_default(),
        lease_duration,
        renew_deadline,
        retry_period,
    }
}

fn images(r: &mut Reader<'_>) -> ImagesConfig {
    ImagesConfig {
        is_registry_enabled: r.choice("registry", false, &[("disabled", false), ("enabled", true)]),
        pull_secrets: r.list("pullSecrets", &[], |secret| match secret.split_once('/') {
            Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
                Ok((namespace.to_owned(), name.to_owned()))
            }
            _ => Err(format!("must be `namespace/name`, not `{secret}`")),
        }),
    }
}

fn api_call(r: &mut Reader<'_>) -> ApiCallConfig {
    let services = r.list("services", &[], |url| {
        let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        match rest {
            Some(rest)
                if !rest.is_empty()
                    && !rest.starts_with(['*', '/'])
                    && !url.contains(char::is_whitespace) =>
            {
                Ok(url.to_owned())
            }
            _ => Err(format!("must be a URL with a host, such as `https://checks.tools.svc/*`, not `{url}`")),
        }
    });
    let timeout = r.span("timeout", Duration::from_secs(30), 1..=600);
    let response_bytes_max = r.bytes("maxResponseLength", "2000000", 1..=(64 << 20));
    ApiCallConfig { services, timeout, response_bytes_max }
}

fn metrics(r: &mut Reader<'_>) -> MetricsConfig {
    MetricsConfig {
        listen: r.text("listen", "0.0.0.0:8000", address).flatten(),
        has_policy_reporter_names: r.flag("policyReporterNames", false),
    }
}

fn debug(r: &mut Reader<'_>, metrics: Option<SocketAddr>) -> DebugConfig {
    let listen = r.text("listen", "127.0.0.1:6060", address).flatten();
    if listen.is_some_and(|listen| listen.port() != 0) && listen == metrics {
        r.object("listen", "must differ from `metrics.listen`: debug pages can quote Secrets");
    }
    DebugConfig { listen }
}

fn log(r: &mut Reader<'_>) -> LogConfig {
    let level = r.text("level", "info", |text| {
        let parsed = tracing_subscriber::filter::EnvFilter::builder().parse(text);
        match parsed {
            Ok(_) if !text.trim().is_empty() && has_levels(text) => Ok(text.to_owned()),
            _ => Err(format!(
                "must be a level such as `info`, or directives such as `info,kube=warn`, not `{text}`"
            )),
        }
    });
    let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
    LogConfig { level: level.unwrap_or_default(), format: r.choice("format", LogFormat::Text, &formats) }
}

/// A bare word in a filter that is no level would silently be taken for a module's name.
fn has_levels(text: &str) -> bool {
    let levels = ["off", "error", "warn", "info", "debug", "trace"];
    let is_level = |word: &str| levels.contains(&word.trim().to_ascii_lowercase().as_str());
    text.split(',')
        .all(|part| part.rsplit_once('=').map_or_else(|| is_level(part), |(_, level)| is_level(level)))
}

fn address(text: &str) -> Result<Option<SocketAddr>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let full = if text.starts_with(':') {
        format!("0.0.0.0{text}")
    } else {
        text.replace("localhost:", "127.0.0.1:")
    };
    full.parse().map(Some).map_err(|_| format!("must be an address such as `0.0.0.0:8000`, not `{text}`"))
}

fn wildcard(pattern: &str) -> Result<String, String> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "-._:/*?".contains(c);
    if !pattern.is_empty() && pattern.chars().all(is_allowed) {
        return Ok(pattern.to_owned());
    }
    Err(format!("must be a name, in which `*` and `?` are wildcards, not `{pattern}`"))
}

fn object_name(name: &str) -> Result<String, String> {
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    if name.len() <= 253 && name.chars().all(is_allowed) {
        return Ok(name.to_owned());
    }
    Err(format!("must be the name of an object, not `{name}`"))
}

fn label_value(value: &str) -> Result<String, String> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    if (1..=63).contains(&value.len()) && value.chars().all(is_allowed) {
        return Ok(value.to_owned());
    }
    Err(format!("must be the value of a label, not `{value}`"))
}

fn label(text: &str) -> Result<(String, Option<String>), String> {
    let (key, value) = text.split_once('=').map_or((text, None), |(key, value)| (key, Some(value)));
    let is_key = |c: char| c.is_ascii_alphanumeric() || "-._/".contains(c);
    if key.is_empty()
        || !key.chars().all(is_key)
        || value.is_some_and(|v| !v.is_empty() && label_value(v).is_err())
    {
        return Err(format!("must be a label as `key` or `key=value`, not `{text}`"));
    }
    Ok((key.to_owned(), value.map(str::to_owned)))
}

fn policy_kind(word: &str) -> Result<PolicyKind, String> {
    let scanned = || PolicyKind::ALL.into_iter().filter(|kind| !NEVER_SCANNED.contains(kind));
    if let Some(kind) = scanned().find(|kind| kind.as_str() == word) {
        return Ok(kind);
    }
    if NEVER_SCANNED.iter().any(|kind| kind.as_str() == word) {
        return Err(format!("`{word}` policies say nothing about existing resources and are not scanned"));
    }
    if let Some(near) = nearest(word, scanned().map(PolicyKind::as_str)) {
        return Err(format!("`{word}` is not a kind of policy; did you mean `{near}`?"));
    }
    let kinds: Vec<&str> = scanned().map(PolicyKind::as_str).collect();
    Err(format!("`{word}` is not a kind of policy; known: {}", kinds.join(", ")))
}
