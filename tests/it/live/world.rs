//! A control plane of which one test at a time has everything, Patrol's parts as the service puts them
//! together, and what tests look at afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use jiff::Timestamp;
use kube::Client;
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use patrol::catalog::{Catalog, CatalogSettings};
use patrol::cluster::{ClusterClient, ClusterSettings, ClusterSink, ClusterSource, Credentials};
use patrol::inventory::{Problem, Source};
use patrol::plan::Action;
use patrol::policy::Standing;
use patrol::report::{ReportApi, Sink};
use patrol::scan::{self, Progress, Scan, ScanOutcome, ScanSettings, Stop};
use patrol::store::{MemoryStore, State, Store};
use serde_json::{Value, json};

use super::control_plane::{ApiserverRequests, ControlPlane, until};
use super::proxy::Proxy;

/// The time of the first scan of a test, in Unix seconds.
const START_S: i64 = 1_800_000_000;

/// One test's turn with the control plane.
pub(crate) struct World {
    pub(crate) plane: &'static ControlPlane,
    pub(crate) admin: Client,
    pub(crate) ns: String,
    _turn: tokio::sync::MutexGuard<'static, ()>,
}

impl World {
    /// Waits for the turn, removes what others left, and makes a namespace of that name. `None`, told loudly,
    /// where there is no control plane.
    pub(crate) async fn begin(ns: &str) -> Option<Self> {
        static PLANE: OnceLock<Option<ControlPlane>> = OnceLock::new();
        static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
        let turn = TURN.lock().await;
        let plane = PLANE.get_or_init(ControlPlane::start).as_ref()?;
        let admin = plane.client("admin").await;
        if !plane.install_crds(&admin).await {
            return None;
        }
        let world = Self { plane, admin, ns: ns.to_owned(), _turn: turn };
        world.wipe().await;
        world.plane.create_namespace(&world.admin, ns).await;
        Some(world)
    }

    /// A turn with a control plane of the test's own, without CRDs.
    pub(crate) async fn bare(plane: &'static ControlPlane, ns: &str) -> Self {
        static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
        let admin = plane.client("admin").await;
        plane.create_namespace(&admin, ns).await;
        Self { plane, admin, ns: ns.to_owned(), _turn: TURN.lock().await }
    }

    async fn wipe(&self) {
        let kinds = [
            ("kyverno.io/v1", "ClusterPolicy"),
            ("kyverno.io/v1", "Policy"),
            ("kyverno.io/v2", "PolicyException"),
            ("kyverno.io/v2beta1", "GlobalContextEntry"),
            ("v1", "Pod"),
            ("apps/v1", "Deployment"),
            ("apps/v1", "ReplicaSet"),
            ("v1", "LimitRange"),
            ("autoscaling/v2", "HorizontalPodAutoscaler"),
            ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicyBinding"),
            ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy"),
            ("wgpolicyk8s.io/v1alpha2", "PolicyReport"),
            ("wgpolicyk8s.io/v1alpha2", "ClusterPolicyReport"),
        ];
        for (api_version, kind) in kinds {
            for object in self.all(api_version, kind).await {
                let namespace = object.metadata.namespace.as_deref();
                let api = self.plane.api(&self.admin, api_version, kind, namespace).await;
                let name = object.metadata.name.as_deref().expect("a name");
                let _ = api.delete(name, &DeleteParams::default().grace_period(0)).await;
            }
            until("the objects are gone", async || {
                self.all(api_version, kind).await.is_empty().then_some(())
            })
            .await;
        }
    }

    /// All objects of a kind, by namespace and name.
    pub(crate) async fn all(&self, api_version: &str, kind: &str) -> Vec<DynamicObject> {
        let api = self.plane.api(&self.admin, api_version, kind, None).await;
        api.list(&ListParams::default()).await.expect("a list").items
    }

    /// The reports of `wgpolicyk8s.io`, by the name of what they are about, with their results as `policy:
    /// status`.
    pub(crate) async fn reports(&self) -> BTreeMap<String, BTreeMap<String, String>> {
        let reports = self.all("wgpolicyk8s.io/v1alpha2", "PolicyReport").await;
        reports.iter().map(|report| (text(&report.data, "/scope/name"), results(report))).collect()
    }

    pub(crate) async fn create(&self, object: &Value) -> DynamicObject {
        self.plane.create(&self.admin, object).await
    }

    /// Creates a Pod with a label `team`.
    pub(crate) async fn pod(&self, name: &str, team: &str) -> DynamicObject {
        self.create(&pod(&self.ns, name, team)).await
    }

    /// Creates a policy that wants each Pod to have the label `team` with that value.
    pub(crate) async fn policy(&self, name: &str, team: &str) {
        self.create(&policy(name, team)).await;
    }

    /// Changes an object by a merge patch.
    pub(crate) async fn patch(&self, api_version: &str, kind: &str, name: &str, patch: &Value) {
        let api = self.plane.api(&self.admin, api_version, kind, Some(&self.ns)).await;
        api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.expect("a change");
    }

    /// Changes an object's status by a merge patch.
    pub(crate) async fn patch_status(&self, api_version: &str, kind: &str, name: &str, patch: &Value) {
        let api = self.plane.api(&self.admin, api_version, kind, Some(&self.ns)).await;
        api.patch_status(name, &PatchParams::default(), &Patch::Merge(patch)).await.expect("a change");
    }

    /// Deletes an object and waits until it is gone.
    pub(crate) async fn delete(&self, api_version: &str, kind: &str, name: &str) {
        let api = self.plane.api(&self.admin, api_version, kind, Some(&self.ns)).await;
        api.delete(name, &DeleteParams::default().grace_period(0)).await.expect("a deletion");
        until("the object is gone", async || {
            api.get_opt(name).await.expect("an answer").is_none().then_some(())
        })
        .await;
    }

    /// Patrol with a new state, as the service would start it.
    pub(crate) async fn patrol(&self) -> Patrol {
        Patrol::start(&self.kubeconfig(), "admin", Arc::new(MemoryStore::new()), quick()).await
    }

    /// A proxy to the API server, and Patrol behind it.
    pub(crate) async fn proxied(&self) -> (Proxy, Patrol) {
        self.proxied_with(quick()).await
    }

    /// A proxy to the API server, and Patrol behind it with these settings.
    pub(crate) async fn proxied_with(&self, settings: ClusterSettings) -> (Proxy, Patrol) {
        let proxy = Proxy::start(self.admin.clone()).await;
        let patrol =
            Patrol::start(&proxy.kubeconfig(), "proxy", Arc::new(MemoryStore::new()), settings).await;
        (proxy, patrol)
    }

    /// The kubeconfig of the control plane.
    pub(crate) fn kubeconfig(&self) -> String {
        std::fs::read_to_string(self.plane.process().kubeconfig()).expect("a kubeconfig")
    }

    /// What the API server counts of requests that only Patrol makes: everything but watches, leases, and its
    /// own look at metrics.
    pub(crate) async fn counted(&self) -> ApiserverRequests {
        self.plane.apiserver_requests_total(&self.admin).await
    }
}

/// Settings with which a broken server is given up soon.
pub(crate) fn quick() -> ClusterSettings {
    ClusterSettings {
        n_tries: 3,
        backoff: Duration::from_millis(20),
        request_timeout: Duration::from_secs(20),
        n_page_objects: 2,
        ..ClusterSettings::default()
    }
}

/// Opens a client by a kubeconfig's text.
pub(crate) async fn connect(kubeconfig: &str, context: &str, settings: ClusterSettings) -> ClusterClient {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(kubeconfig.as_bytes()).expect("a file that can be written");
    let credentials = Credentials::Kubeconfig(file.path().to_owned());
    let context = Some(context.to_owned());
    ClusterClient::connect(ClusterSettings { credentials, context, ..settings }).await.expect("a client")
}

/// Patrol's parts, put together.
#[derive(Debug)]
pub(crate) struct Patrol {
    pub(crate) source: Arc<ClusterSource>,
    pub(crate) client: ClusterClient,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) adopts: BTreeSet<String>,
    pub(crate) api: Option<ReportApi>,
    pub(crate) is_dry_run: bool,
    pub(crate) stop: Stop,
    kubeconfig: (String, String, ClusterSettings),
    catalog: Mutex<Catalog>,
    clock_s: Mutex<i64>,
}

/// What a scan came to, in the words of the tests.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) evaluated: u64,
    pub(crate) written: u64,
    pub(crate) deleted: u64,
    pub(crate) outcome: ScanOutcome,
    /// Problems of the policies and of the sink.
    pub(crate) problems: Vec<Problem>,
}

impl Seen {
    /// Pairs evaluated, reports written, reports deleted.
    pub(crate) fn work(&self) -> (u64, u64, u64) {
        (self.evaluated, self.written, self.deleted)
    }

    /// Everything that went wrong, as text.
    pub(crate) fn told(&self) -> String {
        let problems =
            self.problems.iter().chain(&self.outcome.problems).chain(&self.outcome.totals.problems);
        let kinds = self.outcome.kinds.iter().map(|kind| format!("{}: {:?}", kind.kind, kind.state));
        problems.map(|p| format!("{}: {}", p.subject, p.message)).chain(kinds).collect::<Vec<_>>().join("\n")
    }
}

impl Patrol {
    pub(crate) async fn start(
        kubeconfig: &str,
        context: &str,
        store: Arc<MemoryStore>,
        settings: ClusterSettings,
    ) -> Self {
        let client = connect(kubeconfig, context, settings.clone()).await;
        Self {
            source: Arc::new(ClusterSource::new(client.clone())),
            client,
            store,
            adopts: BTreeSet::new(),
            api: None,
            is_dry_run: false,
            stop: Stop::default(),
            kubeconfig: (kubeconfig.to_owned(), context.to_owned(), settings),
            catalog: Mutex::default(),
            clock_s: Mutex::new(START_S),
        }
    }

    /// Another process with the same state.
    pub(crate) async fn restarted(&self) -> Self {
        let (kubeconfig, context, settings) = &self.kubeconfig;
        let store = Arc::clone(&self.store);
        let mut new = Self::start(kubeconfig, context, store, settings.clone()).await;
        new.adopts.clone_from(&self.adopts);
        new.api = self.api;
        *new.clock_s.lock().expect("no panic while locked") = self.tick();
        new
    }

    fn tick(&self) -> i64 {
        let mut clock_s = self.clock_s.lock().expect("no panic while locked");
        *clock_s += 60;
        *clock_s
    }

    /// One scan of the cluster, as the service makes it.
    pub(crate) async fn scan(&self) -> Seen {
        self.try_scan().await.expect("a scan that begins")
    }

    pub(crate) async fn try_scan(&self) -> Result<Seen, String> {
        self.source.begin_scan();
        let listing = self.source.policies().await.map_err(|error| error.0)?;
        let mut problems = listing.problems;
        let settings = CatalogSettings { background_only: true, ..CatalogSettings::default() };
        let policies = {
            let mut catalog = self.catalog.lock().expect("no panic while locked");
            *catalog = Catalog::rebuild(&catalog, listing.policies, &listing.companions, &settings);
            let scanned = catalog.policies.iter().filter(|policy| policy.standing == Standing::Scanned);
            scanned.cloned().collect()
        };
        let sink = match self.source.sink(self.api, self.adopts.clone()).await {
            Ok(sink) => Some(sink),
            Err(error) => {
                problems.push(Problem { subject: "reports".into(), message: error.message, is_input: false });
                None
            }
        };
        let now_s = self.tick();
        let store: Arc<dyn Store> = Arc::clone(&self.store) as Arc<dyn Store>;
        let state = State::open(store, &self.source.label(), now_s).expect("a state");
        let mut settings = ScanSettings::at(Timestamp::from_second(now_s).expect("a time"));
        settings.is_dry_run = self.is_dry_run;
        settings.report.api = sink.as_ref().map_or(ReportApi::default(), ClusterSink::api);
        let scan = Scan {
            source: Arc::clone(&self.source) as Arc<dyn Source>,
            sink: sink.map(|sink| Arc::new(sink) as Arc<dyn Sink>),
            state: Some(state),
            policies,
            unknown: listing.unknown,
            settings,
            stop: self.stop.clone(),
            progress: Arc::new(Progress::default()),
        };
        let outcome = scan::run(scan).await.map_err(|error| error.0)?;
        let totals = &outcome.totals;
        Ok(Seen {
            evaluated: totals.pairs.of(Action::Evaluate),
            written: totals.reports.written,
            deleted: totals.reports.deleted,
            outcome,
            problems,
        })
    }
}

/// A Pod with a label `team`.
pub(crate) fn pod(ns: &str, name: &str, team: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": ns, "labels": {"team": team}},
        "spec": {"containers": [{"name": "web", "image": "registry.test/web:1"}]},
    })
}

/// A policy that wants each Pod to have the label `team` with that value.
pub(crate) fn policy(name: &str, team: &str) -> Value {
    json!({
        "apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy",
        "metadata": {
            "name": name,
            "annotations": {
                "pod-policies.kyverno.io/autogen-controllers": "none",
                "policies.kyverno.io/severity": "medium",
                "policies.kyverno.io/category": "Teams",
            },
        },
        "spec": {
            "background": true,
            "rules": [{
                "name": "team",
                "match": {"any": [{"resources": {"kinds": ["Pod"]}}]},
                "validate": {
                    "message": format!("the team must be {team}"),
                    "pattern": {"metadata": {"labels": {"team": team}}},
                },
            }],
        },
    })
}

/// The results of a report, by policy.
pub(crate) fn results(report: &DynamicObject) -> BTreeMap<String, String> {
    let results = report.data.pointer("/results").and_then(Value::as_array);
    results.into_iter().flatten().map(|result| (text(result, "/policy"), text(result, "/result"))).collect()
}

/// The text at a pointer.
pub(crate) fn text(value: &Value, pointer: &str) -> String {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_else(|| panic!("no {pointer} in {value:#}"))
        .to_owned()
}

/// Results by policy, for comparisons.
pub(crate) fn told<const N: usize>(results: [(&str, &str); N]) -> BTreeMap<String, String> {
    results.into_iter().map(|(policy, status)| (policy.to_owned(), status.to_owned())).collect()
}
