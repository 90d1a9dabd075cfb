//! The operator's configuration: one YAML file, environment variables and flags over it, checked as a whole.
//!
//! The way in is [`Config`]: parse, lay overrides over it, check. All mistakes are told at once, each with its path and line; what passes is a
//! [`Checked`], in which no value needs another look. Keys, defaults and their meaning stand in `config/patrol.yaml`, which a test compares with
//! the code. What values do is the business of the rooms they are for; bounds that protect Patrol itself are in `limits`.

#[cfg(test)]
mod deploy_tests;
mod environment;
mod rbac;
mod read;
mod reader;
#[cfg(test)]
mod tests;
mod tree;
mod watched;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use environment::environment_name;
pub use rbac::{AccessRule, ScannedKind, access_rules, roles, standard_kinds};
pub use watched::{Change, Watched};

use crate::limits;
use crate::matching::ResourceFilters;
use crate::model::{PolicyKind, Status};
use crate::report::ReportApi;
use crate::schedule::Schedule;

/// One thing that is wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// The path of the key, such as `scan.schedules[0].every`; empty if it is about the file.
    pub path: String,
    /// The line of the file, if the value stands there.
    pub line: Option<u64>,
    /// The environment variable or flag that gave the value, if one did.
    pub given_by: Option<String>,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if let Some(name) = &self.given_by {
            write!(f, "{name}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "`{}` ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

/// A configuration that is complete and consistent.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// Section `scan`.
    pub scan: ScanConfig,
    /// Section `resources`.
    pub resources: ResourcesConfig,
    /// Section `policies`.
    pub policies: PoliciesConfig,
    /// Section `reports`.
    pub reports: ReportsConfig,
    /// Section `state`.
    pub state: StateConfig,
    /// Section `cluster`.
    pub cluster: ClusterConfig,
    /// Section `leaderElection`.
    pub leader_election: LeaderElectionConfig,
    /// Section `images`.
    pub images: ImagesConfig,
    /// Section `apiCall`.
    pub api_call: ApiCallConfig,
    /// Section `metrics`.
    pub metrics: MetricsConfig,
    /// Section `debug`.
    pub debug: DebugConfig,
    /// Section `log`.
    pub log: LogConfig,
    /// Every key with its effective value, for comparing and showing.
    pub effective: BTreeMap<String, String>,
}

/// Section `scan`: when is what scanned.
#[derive(Clone, Debug, PartialEq)]
pub struct ScanConfig {
    /// The schedules, at least one, with different names.
    pub schedules: Vec<ScheduleConfig>,
    /// How often a scan looks at everything again; `None` for never.
    pub verify_every: Option<Duration>,
    /// How long a volatile verdict holds.
    pub max_age: Duration,
    /// How many chunks are evaluated at once; 0 for as many as there are cores.
    pub n_workers: usize,
}

/// One schedule with what it covers; empty lists cover everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleConfig {
    /// Name and times.
    pub schedule: Schedule,
    /// Policy names, with wildcards; namespaced policies as `namespace/name`.
    pub policies: Vec<String>,
    /// Kinds, with wildcards.
    pub kinds: Vec<String>,
    /// Namespaces, with wildcards.
    pub namespaces: Vec<String>,
}

/// Section `resources`: what is scanned at all.
#[derive(Clone, Debug, PartialEq)]
pub struct ResourcesConfig {
    /// Resources that are left out.
    pub filters: Filters,
    /// Namespaces that are left out, with wildcards.
    pub exclude_namespaces: Vec<String>,
    /// Labels (`key` or `key=value`) whose bearers are left out.
    pub exclude_labels: Vec<(String, Option<String>)>,
    /// Whether what another scanned resource controls is left out.
    pub skips_owned: bool,
}

/// Where resource filters are.
#[derive(Clone, Debug, PartialEq)]
pub enum Filters {
    /// In the configuration.
    Here(ResourceFilters),
    /// In key `resourceFilters` of a `ConfigMap`, as Kyverno's.
    ConfigMap {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
}

/// Section `policies`: which policies and exceptions count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoliciesConfig {
    /// The kinds that are read.
    pub kinds: BTreeSet<PolicyKind>,
    /// Whether admission policies count only with the label `reports.kyverno.io/enabled`.
    pub only_labelled: bool,
    /// The namespaces whose exceptions count, with wildcards.
    pub exception_namespaces: Vec<String>,
}

/// Section `reports`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportsConfig {
    /// The API that reports are written in; `None` for what the server serves.
    pub api: Option<ReportApi>,
    /// Results with other statuses are left out.
    pub allowed_results: BTreeSet<Status>,
    /// Values of `app.kubernetes.io/managed-by` whose reports are taken over.
    pub adopt_managed_by: Vec<String>,
    /// How many writes are under way at once.
    pub n_writers: usize,
}

/// Section `state`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateConfig {
    /// Whether there is a state.
    pub is_enabled: bool,
    /// Its folder.
    pub dir: PathBuf,
    /// How often it is rewritten where that is worth it; `None` for never.
    pub compact_every: Option<Duration>,
}

/// Section `cluster`: the way to the API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterConfig {
    /// The kubeconfig file; `None` for the usual places and the in-cluster account.
    pub kubeconfig: Option<PathBuf>,
    /// The context in it; `None` for its current one.
    pub context: Option<String>,
    /// Objects of a list page at most.
    pub page_size: u32,
    /// Bytes of a list page at most.
    pub page_bytes_max: u64,
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// How long one request may take.
    pub request_timeout: Duration,
    /// Requests a second on average; `None` for no limit.
    pub rate_limit_qps: Option<u32>,
    /// Requests at once above that average.
    pub rate_limit_burst: u32,
}

/// Section `leaderElection`: which of several replicas scans and writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaderElectionConfig {
    /// Whether replicas elect a leader; `None` for exactly where Patrol runs in a Pod.
    pub is_enabled: Option<bool>,
    /// The namespace of the Lease; `None` for the Pod's own, or that of the kubeconfig's context.
    pub namespace: Option<String>,
    /// The name of the Lease.
    pub name: String,
    /// How long the Lease lasts without a renewal.
    pub lease_duration: Duration,
    /// How long the leader goes on without a renewal.
    pub renew_deadline: Duration,
    /// How long between two tries.
    pub retry_period: Duration,
}

/// Section `images`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImagesConfig {
    /// Whether registries are asked.
    pub is_registry_enabled: bool,
    /// Secrets with credentials for registries, by namespace and name.
    pub pull_secrets: Vec<(String, String)>,
}

/// Section `apiCall`: what policies may call outside the API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiCallConfig {
    /// URLs that may be called, with wildcards; nothing else is.
    pub services: Vec<String>,
    /// How long one call may take.
    pub timeout: Duration,
    /// Bytes of an answer at most.
    pub response_bytes_max: u64,
}

/// Section `metrics`: also where health is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsConfig {
    /// Where `/metrics`, `/healthz` and `/readyz` are served; `None` for nowhere.
    pub listen: Option<SocketAddr>,
    /// Whether results are also given under Policy Reporter's name.
    pub has_policy_reporter_names: bool,
}

/// Section `debug`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DebugConfig {
    /// Where `/debug/plan` is served; `None` for nowhere.
    pub listen: Option<SocketAddr>,
}

/// Section `log`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// `error`, `warn`, `info`, `debug`, `trace`, `off`, or directives such as `info,kube=warn`.
    pub level: String,
    /// How lines look.
    pub format: LogFormat,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// A configuration before it is checked: the file's content with overrides over it.
#[derive(Clone, Debug)]
pub struct Config {
    root: tree::Node,
    mistakes: Vec<Mistake>,
}

impl Config {
    /// Reads a file, lays the environment over it, and checks; without a path all keys have their defaults.
    pub fn load(
        path: Option<&Path>,
        env: impl Iterator<Item = (String, String)>,
    ) -> Result<Checked, Vec<Mistake>> {
        let mut config = Self::read_file(path);
        config.set_from_environment(env);
        config.check()
    }

    /// The content of a file; what is wrong with it is told by [`Config::check`].
    pub fn read_file(path: Option<&Path>) -> Self {
        let Some(path) = path else { return Self::parse("") };
        match read_text(path) {
            Ok(text) => Self::parse(&text),
            Err(message) => Self { root: tree::Node::default(), mistakes: vec![Mistake::of_file(message)] },
        }
    }

    /// The configuration in a text; what is wrong with it is told by [`Config::check`].
    pub fn parse(text: &str) -> Self {
        match tree::Node::parse(text) {
            Ok(root) => Self { root, mistakes: Vec::new() },
            Err(mistake) => Self { root: tree::Node::default(), mistakes: vec![mistake] },
        }
    }

    /// Gives a key another value, as a flag does: `scan.maxAge` and the value's text, lists as YAML or with commas. `given_by` names the giver in
    /// messages.
    pub fn set(&mut self, path: &str, value: &str, given_by: &str) {
        let names: Vec<&str> = path.split('.').collect();
        let value = tree::Value::Given(value.to_owned());
        self.root.lay(&names, tree::Node { value, place: tree::Place::Override(given_by.to_owned()) });
    }

    /// Lays the variables `PATROL_<SECTION>_<KEY>` over the file: `PATROL_SCAN_MAX_AGE` is `scan.maxAge`. Others are left alone, but one that names
    /// a section and no key of it is a mistake.
    pub fn set_from_environment(&mut self, env: impl Iterator<Item = (String, String)>) {
        environment::apply(self, env);
    }

    /// Checks everything; every mistake is told, up to [`limits::CONFIG_MISTAKES_MAX`].
    pub fn check(self) -> Result<Checked, Vec<Mistake>> {
        let mut mistakes = self.mistakes;
        let mut findings = reader::Findings::default();
        let checked = read::read(&self.root, &mut findings);
        mistakes.append(&mut findings.mistakes);
        mistakes.sort_by_key(|mistake| mistake.line.unwrap_or(u64::MAX));
        match checked {
            Some(mut checked) if mistakes.is_empty() => {
                checked.effective = findings.effective;
                Ok(checked)
            }
            _ => {
                let n_more = mistakes.len().saturating_sub(limits::CONFIG_MISTAKES_MAX);
                if n_more > 0 {
                    mistakes.truncate(limits::CONFIG_MISTAKES_MAX);
                    mistakes.push(Mistake::of_file(format!("there are {n_more} more mistakes")));
                }
                Err(mistakes)
            }
        }
    }

    /// Every key, sorted, with `[]` for positions in lists: `scan.schedules[].every`.
    pub fn keys() -> BTreeSet<String> {
        let mut findings = reader::Findings::default();
        read::read(&tree::Node::default(), &mut findings);
        findings.known
    }
}

impl Checked {
    /// The configuration without a file.
    pub fn standard() -> Result<Self, Vec<Mistake>> {
        Config::parse("").check()
    }

    /// The keys whose effective values differ.
    pub fn differing(&self, other: &Self) -> BTreeSet<String> {
        let keys = self.effective.keys().chain(other.effective.keys());
        keys.filter(|key| self.effective.get(*key) != other.effective.get(*key)).cloned().collect()
    }
}

impl Mistake {
    fn of_file(message: String) -> Self {
        Self { path: String::new(), line: None, given_by: None, message }
    }
}

fn read_text(path: &Path) -> Result<String, String> {
    use std::io::Read as _;
    let told = |error: std::io::Error| format!("the file `{}` cannot be read: {error}", path.display());
    let file = std::fs::File::open(path).map_err(told)?;
    let mut bytes = Vec::new();
    file.take(limits::CONFIG_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(told)?;
    if bytes.len() as u64 > limits::CONFIG_BYTES_MAX {
        return Err(format!(
            "the file `{}` has more than {} bytes",
            path.display(),
            limits::CONFIG_BYTES_MAX
        ));
    }
    String::from_utf8(bytes).map_err(|_| format!("the file `{}` is not UTF-8", path.display()))
}

/// The word nearest to a mistyped one, if one is near: the same but for case, or a third of its letters apart at most.
fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    let distances = known.map(|known| (distance(&lower, &known.to_lowercase()), known));
    let (d, near) = distances.min_by_key(|(d, _)| *d)?;
    (d <= word.chars().count().max(3) / 3).then_some(near)
}

/// The number of letters to insert, drop, change or swap with the next to make one word of the other.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().take(64).collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |row: &[usize], at: usize| row.get(at).copied().unwrap_or(usize::MAX - 1);
            let mut best =
                (at(&last, j) + usize::from(x != y)).min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            if let (Some(i), Some(j)) = (i.checked_sub(1), j.checked_sub(1))
                && a.get(i) == Some(y)
                && b.get(j) == Some(x)
            {
                best = best.min(at(&before, j) + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or_default()
}
