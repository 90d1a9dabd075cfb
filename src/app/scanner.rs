//! One scan of a cluster, from the policies to the last report, as the service and `patrol scan --cluster` run it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use crate::catalog::{Catalog, CatalogSettings, CompiledPolicy, ExceptionScope};
use crate::cluster::{ClusterClient, ClusterSettings, ClusterSource, Credentials, Leadership};
use crate::config::{Checked, Filters};
use crate::document::{Document, Node};
use crate::gostd::wildcard::Wildcard;
use crate::inventory::{PolicyListing, Problem, Source, SourceError};
use crate::matching::ResourceFilters;
use crate::model::{FactKey, FactValue, PolicyKind};
use crate::outside::{Logins, OutsideSettings, RegistrySettings, ServiceSettings};
use crate::policy::Standing;
use crate::report::{ReportSettings, Sink};
use crate::scan::{self, Coverage, Focus, Only, Progress, Scan, ScanOutcome, ScanSettings, Stop};
use crate::store::State;

/// What of the configuration decides about scans.
#[derive(Clone, Debug)]
pub struct ScannerSettings {
    /// The configuration in force.
    pub config: Checked,
    /// Policies that are evaluated instead of the cluster's; nothing is written then.
    pub instead: Option<PolicyListing>,
    /// Where reports go in place of the cluster.
    pub sink: Option<Arc<dyn Sink>>,
    /// Whether the outcome holds every report.
    pub collects_reports: bool,
}

/// What one scan is asked.
#[derive(Clone, Debug)]
pub struct Request {
    /// The time of the scan.
    pub now: Timestamp,
    /// What it covers.
    pub focus: Focus,
    /// Whether everything is looked at again.
    pub is_verifying: bool,
    /// Whether the plan is told instead of carried out.
    pub is_dry_run: bool,
    /// The only resource that is planned for.
    pub only: Option<Only>,
    /// The wish to end.
    pub stop: Stop,
    /// Counts along.
    pub progress: Arc<Progress>,
}

/// A scan that was run.
#[derive(Clone, Debug)]
pub struct Scanned {
    /// What came of it.
    pub outcome: ScanOutcome,
    /// The policies that it evaluated, in the order of its counts.
    pub policies: Vec<Arc<CompiledPolicy>>,
    /// All policies that it met, those included that it does not evaluate.
    pub catalog: Catalog,
    /// Kinds of policy that could not be listed.
    pub unknown: BTreeSet<PolicyKind>,
}

/// Scans one cluster again and again, and keeps what is compiled between scans.
#[derive(Debug)]
pub struct Scanner {
    source: Arc<ClusterSource>,
    state: Option<State>,
    catalog: Mutex<Catalog>,
    /// The filters that were last read from a ConfigMap, for a scan in which it cannot be.
    filters: Mutex<Option<ResourceFilters>>,
}

/// The way to the cluster that the configuration names.
pub fn cluster_settings(config: &Checked) -> ClusterSettings {
    let cluster = &config.cluster;
    ClusterSettings {
        credentials: cluster.kubeconfig.clone().map_or(Credentials::Found, Credentials::Kubeconfig),
        context: cluster.context.clone(),
        connect_timeout: cluster.connect_timeout,
        request_timeout: cluster.request_timeout,
        n_burst: cluster.rate_limit_burst,
        requests_per_s: cluster.rate_limit_qps.map(f64::from),
        n_page_objects: cluster.page_size,
        n_page_bytes: usize::try_from(cluster.page_bytes_max).unwrap_or(usize::MAX),
        ..ClusterSettings::default()
    }
}

impl Scanner {
    /// A scanner of the cluster behind a client; `state` remembers between scans. Reports are written only under `leadership`.
    pub fn new(client: ClusterClient, state: Option<State>, leadership: Leadership) -> Self {
        Self {
            source: Arc::new(ClusterSource::new(client).led_by(leadership)),
            state,
            catalog: Mutex::default(),
            filters: Mutex::default(),
        }
    }

    /// The label of the cluster in the state.
    pub fn label_of(client: &ClusterClient) -> String {
        ClusterSource::new(client.clone()).label()
    }

    /// Runs one scan. `Err` only if it could not begin; then nothing was touched.
    pub async fn scan(&self, settings: &ScannerSettings, request: Request) -> Result<Scanned, SourceError> {
        self.source.begin_scan();
        self.source.set_reads_exceptions(!settings.config.policies.exception_namespaces.is_empty());
        let mut problems = Vec::new();
        self.configure_outside(&settings.config, &mut problems).await;
        let listing = match &settings.instead {
            Some(listing) => listing.clone(),
            None => wanted(self.source.policies().await?, &settings.config.policies.kinds),
        };
        problems.extend(listing.problems.iter().cloned());
        let (catalog, unknown) = self.compile(listing, &settings.config);
        let policies = evaluated(&catalog);
        let filters = self.filters(&settings.config, &mut problems).await?;
        let sink = self.sink(settings, &mut problems).await;
        let scan = Scan {
            source: Arc::clone(&self.source) as Arc<dyn Source>,
            sink,
            state: self.state.clone().filter(|_| settings.instead.is_none()),
            policies: policies.clone(),
            unknown: unknown.clone(),
            settings: scan_settings(settings, &request, filters),
            stop: request.stop,
            progress: request.progress,
        };
        let mut outcome = scan::run(scan).await?;
        problems.append(&mut outcome.problems);
        outcome.problems = problems;
        Ok(Scanned { outcome, policies, catalog, unknown })
    }

    /// Compiles what is new among the policies, and keeps the catalog for the next scan.
    fn compile(&self, listing: PolicyListing, config: &Checked) -> (Catalog, BTreeSet<PolicyKind>) {
        let namespaces = config.policies.exception_namespaces.iter().map(|pattern| Wildcard::new(pattern));
        let settings = CatalogSettings {
            exceptions: ExceptionScope::Namespaces(namespaces.collect()),
            background_only: true,
            only_labelled: config.policies.only_labelled,
        };
        let mut kept = self.catalog.lock().unwrap_or_else(PoisonError::into_inner);
        let catalog = Catalog::rebuild(&kept, listing.policies, &listing.companions, &settings);
        kept.clone_from(&catalog);
        (catalog, listing.unknown)
    }

    /// The resource filters in force. Filters that cannot be read are those that were read last; without any, the scan does not begin, since it
    /// would report what was meant to be left out.
    async fn filters(
        &self,
        config: &Checked,
        problems: &mut Vec<Problem>,
    ) -> Result<ResourceFilters, SourceError> {
        let (namespace, name) = match &config.resources.filters {
            Filters::Here(filters) => return Ok(filters.clone()),
            Filters::ConfigMap { namespace, name } => (namespace.clone(), name.clone()),
        };
        let subject = format!("resource filters of ConfigMap {namespace}/{name}");
        let read = match self.source.fact(&FactKey::ConfigMap { namespace, name }).await {
            FactValue::Found(object) => {
                let text = object.root().path(&["data", "resourceFilters"]).and_then(Node::as_str);
                ResourceFilters::parse(text.unwrap_or_default()).map_err(|error| error.to_string())
            }
            FactValue::Missing => Err("it does not exist".to_owned()),
            FactValue::Failed { message, .. } | FactValue::Refused(message) => Err(message),
        };
        let mut kept = self.filters.lock().unwrap_or_else(PoisonError::into_inner);
        match (read, kept.clone()) {
            (Ok(filters), _) => {
                *kept = Some(filters.clone());
                Ok(filters)
            }
            (Err(message), Some(filters)) => {
                let message = format!("{message}; those read before stay in force");
                problems.push(Problem { subject, message, is_input: false });
                Ok(filters)
            }
            (Err(message), None) => Err(SourceError(format!("{subject}: {message}"))),
        }
    }

    /// Says what policies may ask outside the API server.
    async fn configure_outside(&self, config: &Checked, problems: &mut Vec<Problem>) {
        let mut logins = Logins::default();
        for (namespace, name) in
            config.images.pull_secrets.iter().filter(|_| config.images.is_registry_enabled)
        {
            let key = FactKey::Objects {
                group: String::new(),
                version: "v1".to_owned(),
                kind: "Secret".to_owned(),
                namespace: namespace.clone(),
                name: name.clone(),
                selector: String::new(),
            };
            let read = match self.source.fact(&key).await {
                FactValue::Found(secret) => add_pull_secret(&mut logins, &secret),
                FactValue::Missing => Err("it does not exist".to_owned()),
                FactValue::Failed { message, .. } | FactValue::Refused(message) => Err(message),
            };
            if let Err(message) = read {
                let subject = format!("credentials for registries of Secret {namespace}/{name}");
                problems.push(Problem { subject, message, is_input: false });
            }
        }
        let api_call = &config.api_call;
        self.source.outside.configure(OutsideSettings {
            services: ServiceSettings {
                allowed: api_call.services.clone(),
                timeout: api_call.timeout,
                response_bytes_max: api_call.response_bytes_max,
            },
            registries: RegistrySettings {
                is_enabled: config.images.is_registry_enabled,
                max_age: config.scan.max_age,
                logins,
            },
        });
    }

    /// Where reports go; `None`, said as a problem, if the server serves no report kind.
    async fn sink(&self, settings: &ScannerSettings, problems: &mut Vec<Problem>) -> Option<Arc<dyn Sink>> {
        if settings.sink.is_some() || settings.instead.is_some() {
            return settings.sink.clone();
        }
        let reports = &settings.config.reports;
        match self.source.sink(reports.api, reports.adopt_managed_by.iter().cloned()).await {
            Ok(sink) => Some(Arc::new(sink)),
            Err(error) => {
                problems.push(Problem { subject: "reports".into(), message: error.message, is_input: false });
                None
            }
        }
    }
}

/// Adds the credentials of a Secret of type `kubernetes.io/dockerconfigjson`.
fn add_pull_secret(logins: &mut Logins, secret: &Document) -> Result<(), String> {
    let text = secret.root().path(&["data", ".dockerconfigjson"]).and_then(Node::as_str);
    let text = text.ok_or("it has no key `.dockerconfigjson`")?;
    let json = STANDARD.decode(text).map_err(|_| "its key `.dockerconfigjson` is no base64")?;
    logins.add_docker_config(&json)
}

/// The policies of the kinds that the configuration reads.
fn wanted(mut listing: PolicyListing, kinds: &BTreeSet<PolicyKind>) -> PolicyListing {
    listing.policies.retain(|policy| kinds.contains(&policy.key.kind));
    listing.unknown.retain(|kind| kinds.contains(kind));
    listing
}

/// The policies that a background scan evaluates.
fn evaluated(catalog: &Catalog) -> Vec<Arc<CompiledPolicy>> {
    catalog.policies.iter().filter(|policy| policy.standing == Standing::Scanned).cloned().collect()
}

fn scan_settings(settings: &ScannerSettings, request: &Request, filters: ResourceFilters) -> ScanSettings {
    let config = &settings.config;
    let resources = &config.resources;
    let n_cores = std::thread::available_parallelism().map_or(1, usize::from);
    ScanSettings {
        now: request.now,
        report: ReportSettings {
            api: config.reports.api.unwrap_or_default(),
            allowed_results: config.reports.allowed_results.clone(),
        },
        coverage: Coverage {
            filters,
            excluded_namespaces: resources.exclude_namespaces.clone(),
            excluded_labels: resources.exclude_labels.clone(),
            skips_controlled: resources.skips_owned,
        },
        focus: request.focus.clone(),
        is_verifying: request.is_verifying,
        max_age_s: i64::try_from(config.scan.max_age.as_secs()).unwrap_or(i64::MAX),
        n_workers: if config.scan.n_workers == 0 { n_cores } else { config.scan.n_workers },
        n_writes: config.reports.n_writers,
        is_dry_run: request.is_dry_run,
        collects_reports: settings.collects_reports,
        only: request.only.clone(),
    }
}
