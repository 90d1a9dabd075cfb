//! A generated world: resources, policies, facts and reports in memory, with everything that can happen to them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use patrol::document::Document;
use patrol::inventory::{
    Content, Discovered, ListError, Listed, Page, PolicyListing, ScanKind, Source, SourceError,
};
use patrol::matching::{KindSelector, forms_taken};
use patrol::model::{FactKey, FactValue, Gvk, ResourceId, ResourceKey, Severity};
use patrol::report::{ActualReport, Ownership, ReportWrite, Sink, SinkError};
use patrol::scan::{Scan, ScanOutcome, ScanSettings, Stop, run};
use patrol::store::{MemoryStore, State};
use serde_json::{Value, json};

use super::policy::{Log, Spec};
use super::random::Random;

/// Group, kind, plural, whether it is namespaced, and the versions in which it is served, the preferred one first.
pub(super) type Kind = (&'static str, &'static str, &'static str, bool, &'static [&'static str]);

pub(super) const KINDS: [Kind; 5] = [
    ("", "Pod", "pods", true, &["v1"]),
    ("apps", "Deployment", "deployments", true, &["v1"]),
    ("", "ConfigMap", "configmaps", true, &["v1"]),
    ("scaling", "Scaler", "scalers", true, &["v2", "v1"]),
    ("", "Namespace", "namespaces", false, &["v1"]),
];

#[derive(Debug)]
pub(crate) struct World {
    cluster: Arc<Cluster>,
    reports: Arc<Reports>,
    policies: Vec<Spec>,
    store: Arc<MemoryStore>,
    log: Log,
    /// What each pair's last evaluation saw, as far as the state can remember it.
    remembered: Mutex<BTreeMap<String, String>>,
    redundant: Mutex<Vec<String>>,
    now_s: AtomicI64,
    next_uid: u64,
}

/// A cluster without policies.
#[derive(Debug, Default)]
pub(super) struct Cluster {
    /// By kind, namespace and name; each as it is stored, in the preferred version.
    pub(super) objects: Mutex<BTreeMap<String, Value>>,
    version: AtomicU64,
    failing: Mutex<BTreeSet<String>>,
    expiring: AtomicU64,
}

/// The reports of a cluster.
#[derive(Debug)]
pub(super) struct Reports {
    /// By name: resourceVersion, JSON text.
    by_name: Mutex<BTreeMap<String, (u64, String)>>,
    version: AtomicU64,
    /// How many more writes succeed before the crash; negative for no crash.
    writes_left: AtomicI64,
}

impl World {
    pub(crate) fn new(random: &mut Random) -> Self {
        let mut world = Self {
            cluster: Arc::default(),
            reports: Arc::default(),
            policies: Vec::new(),
            store: Arc::new(MemoryStore::new()),
            log: Log::default(),
            remembered: Mutex::default(),
            redundant: Mutex::default(),
            now_s: AtomicI64::new(1_000_000),
            next_uid: 0,
        };
        for n in 0..3 {
            world.put(&namespace(n), random);
        }
        for _ in 0..12 {
            world.create(random);
        }
        for n in 0..4 {
            world.policies.push(Spec::new(random, format!("p{n}")));
        }
        world
    }

    /// The same world as somebody sees it who has never scanned it.
    pub(crate) fn without_memory(&self) -> Self {
        Self {
            cluster: Arc::clone(&self.cluster),
            reports: Arc::default(),
            policies: self.policies.clone(),
            store: Arc::new(MemoryStore::new()),
            log: Log::default(),
            remembered: Mutex::default(),
            redundant: Mutex::default(),
            now_s: AtomicI64::new(self.now_s.load(Ordering::Relaxed)),
            next_uid: 0,
        }
    }

    /// Something happens.
    pub(crate) fn change(&mut self, random: &mut Random) {
        match random.below(14) {
            0 | 1 => self.create(random),
            2..=5 => self.touch(random),
            6 => self.delete(random),
            7 => self.label_a_namespace(random),
            8 => self.put(
                &json!({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"settings","namespace":"n0"},
                "data":{"k": random.below(3).to_string()}}),
                random,
            ),
            9 => {
                let name = format!("p{}", random.below(6));
                self.policies.retain(|policy| policy.name != name);
                self.policies.push(Spec::new(random, name));
            }
            10 => {
                let at = usize::try_from(random.below(self.policies.len() as u64)).unwrap();
                if let Some(policy) = self.policies.get_mut(at) {
                    policy.version += 1;
                }
            }
            11 => {
                let name = format!("p{}", random.below(6));
                self.policies.retain(|policy| policy.name != name);
            }
            12 => self.present_differently(random),
            _ => {
                self.cluster.expiring.store(random.below(3), Ordering::Relaxed);
                self.touch(random);
            }
        }
    }

    pub(crate) async fn scan(&self) -> ScanOutcome {
        let now_s = self.now_s.fetch_add(10, Ordering::Relaxed);
        let state = State::open(self.store.clone(), "world", now_s).unwrap();
        let mut policies: Vec<_> = self.policies.iter().map(|spec| spec.compile(&self.log)).collect();
        policies.sort_by(|a, b| a.key.cmp(&b.key));
        self.log.lock().unwrap().clear();
        let outcome = run(Scan {
            source: self.cluster.clone(),
            sink: Some(self.reports.clone()),
            state: Some(state),
            policies,
            unknown: BTreeSet::new(),
            settings: ScanSettings {
                n_workers: 2,
                ..ScanSettings::at(jiff::Timestamp::from_second(now_s).unwrap())
            },
            stop: Stop::default(),
            progress: Arc::default(),
        })
        .await
        .unwrap();
        self.judge_evaluations();
        outcome
    }

    /// The time of the next scan, in Unix seconds.
    pub(crate) fn now_s(&self) -> i64 {
        self.now_s.load(Ordering::Relaxed)
    }

    /// Law 3: the log holds no pair that saw what it had seen before.
    fn judge_evaluations(&self) {
        let mut remembered = self.remembered.lock().unwrap();
        // A pair is evaluated as a whole, on each form that its policy judges.
        let mut seen = BTreeMap::<String, String>::new();
        for (pair, digest) in self.log.lock().unwrap().iter() {
            seen.entry(pair.clone()).or_default().push_str(digest);
        }
        for (pair, digest) in seen {
            if remembered.get(&pair) == Some(&digest) {
                self.redundant.lock().unwrap().push(pair.clone());
            }
            remembered.insert(pair, digest);
        }
    }

    /// Evaluations that nothing had called for.
    pub(crate) fn redundant_evaluations(&self) -> Vec<String> {
        // A policy that was deleted and made anew, and one whose selection moved, start from nothing: those are not counted.
        let policies: BTreeSet<String> = self
            .policies
            .iter()
            .filter(|policy| policy.version == 0)
            .map(|policy| policy.name.clone())
            .collect();
        let redundant = std::mem::take(&mut *self.redundant.lock().unwrap());
        redundant
            .into_iter()
            .filter(|pair| !policies.iter().any(|name| pair.starts_with(&format!("{name} "))))
            .collect()
    }

    pub(crate) fn crash_after(&self, n_writes: u64) {
        self.reports.writes_left.store(i64::try_from(n_writes).unwrap(), Ordering::Relaxed);
    }

    pub(crate) fn recover(&self) {
        self.reports.writes_left.store(-1, Ordering::Relaxed);
        self.cluster.failing.lock().unwrap().clear();
    }

    pub(crate) fn lose_state(&mut self) {
        self.store = Arc::new(MemoryStore::new());
        self.remembered.lock().unwrap().clear();
    }

    pub(crate) fn fail_lists_of_some_kind(&self, random: &mut Random) -> String {
        let (_, kind, ..) = random.pick(&KINDS[..4]).unwrap();
        self.cluster.failing.lock().unwrap().insert((*kind).to_owned());
        // A kind that no policy selects is never listed, and cannot fail.
        (*kind).to_owned()
    }

    pub(crate) fn delete_some_of(&self, kind: &str, random: &mut Random) {
        self.cluster.objects.lock().unwrap().retain(|_, object| object["kind"] != kind || random.one_in(2));
    }

    pub(crate) fn reports(&self) -> BTreeMap<String, String> {
        self.reports.all()
    }

    pub(crate) fn reports_without_times(&self) -> BTreeMap<String, String> {
        self.reports.without_times()
    }

    pub(crate) fn reports_by_kind(&self) -> BTreeMap<String, BTreeMap<String, String>> {
        let mut by_kind = BTreeMap::<String, BTreeMap<String, String>>::new();
        for (name, json) in self.reports() {
            let report: Value = serde_json::from_str(&json).unwrap();
            let kind = report["scope"]["kind"].as_str().unwrap().to_owned();
            by_kind.entry(kind).or_default().insert(name, json);
        }
        by_kind
    }

    /// How many results have which status, as all reports show them.
    pub(crate) fn summary(&self) -> BTreeMap<String, u64> {
        let mut sums = BTreeMap::new();
        for json in self.reports().values() {
            let report: Value = serde_json::from_str(json).unwrap();
            for (status, n) in report["summary"].as_object().unwrap() {
                *sums.entry(status.clone()).or_default() += n.as_u64().unwrap();
            }
        }
        sums.retain(|_, n| *n > 0);
        sums
    }

    /// Edits some reports and deletes others; the number of those.
    pub(crate) fn tamper_with_reports(&self, random: &mut Random) -> u64 {
        let mut reports = self.reports.by_name.lock().unwrap();
        let names: Vec<String> = reports.keys().filter(|_| random.one_in(3)).cloned().collect();
        for name in &names {
            if random.one_in(2) {
                reports.remove(name);
            } else if let Some((version, json)) = reports.get_mut(name) {
                *version = self.reports.version.fetch_add(1, Ordering::Relaxed) + 1;
                *json = json.replacen("\"result\":\"", "\"result\":\"x", 1);
            }
        }
        names.len() as u64
    }

    pub(crate) fn replace_a_report_by_a_foreign_one(&self, random: &mut Random) -> Option<(String, String)> {
        let mut reports = self.reports.by_name.lock().unwrap();
        let names: Vec<String> = reports.keys().cloned().collect();
        let name = random.pick(&names)?.clone();
        let (version, json) = reports.get_mut(&name)?;
        *version = self.reports.version.fetch_add(1, Ordering::Relaxed) + 1;
        *json = json.replace("\"patrol\"", "\"kyverno\"");
        Some((name, json.clone()))
    }

    fn create(&mut self, random: &mut Random) {
        let (group, kind, _, is_namespaced, versions) = *random.pick(&KINDS).unwrap();
        if !is_namespaced {
            return;
        }
        self.next_uid += 1;
        let api_version = forms(group, kind, versions)[0].api_version();
        let object = json!({
            "apiVersion": api_version, "kind": kind,
            "metadata": {"name": format!("o{}", self.next_uid), "namespace": format!("n{}", random.below(3)),
                "labels": {"l": random.below(3).to_string()}},
            "spec": {"s": random.below(4)},
        });
        self.put(&object, random);
    }

    fn put(&mut self, object: &Value, _: &mut Random) {
        self.cluster.put(object);
    }

    fn touch(&mut self, random: &mut Random) {
        let objects: Vec<Value> = self.cluster.objects.lock().unwrap().values().cloned().collect();
        let Some(object) = random.pick(&objects) else { return };
        let mut object = object.clone();
        let value = random.below(4);
        match random.below(7) {
            0 => object["metadata"]["labels"] = json!({"l": value.to_string()}),
            1 => object["metadata"]["annotations"] = json!({"a": value.to_string()}),
            2 => object["metadata"]["finalizers"] = json!([value.to_string()]),
            3 => object["spec"] = json!({"s": value}),
            4 => object["status"] = json!({"p": value}),
            5 => object["data"] = json!({"d": value.to_string()}),
            _ => {}
        }
        self.put(&object, random);
    }

    fn delete(&mut self, random: &mut Random) {
        let mut objects = self.cluster.objects.lock().unwrap();
        let slots: Vec<String> =
            objects.keys().filter(|slot| !slot.starts_with("Namespace")).cloned().collect();
        if let Some(slot) = random.pick(&slots) {
            objects.remove(slot);
        }
    }

    fn label_a_namespace(&mut self, random: &mut Random) {
        let mut object = namespace(random.below(3));
        object["metadata"]["labels"] = json!({"tier": random.below(3).to_string()});
        self.put(&object, random);
    }

    fn present_differently(&mut self, random: &mut Random) {
        let at = usize::try_from(random.below(self.policies.len() as u64)).unwrap();
        if let Some(policy) = self.policies.get_mut(at) {
            policy.severity = *random.pick(&[None, Some(Severity::High), Some(Severity::Low)]).unwrap();
            policy.is_scored = random.one_in(2);
        }
    }
}

fn namespace(n: u64) -> Value {
    json!({"apiVersion":"v1","kind":"Namespace","metadata":{"name": format!("n{n}"), "labels": {"tier": "0"}}})
}

impl Cluster {
    /// Creates or replaces an object.
    pub(super) fn put(&self, object: &Value) {
        let mut object = object.clone();
        let kind = object["kind"].as_str().unwrap().to_owned();
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or("").to_owned();
        let slot = format!("{kind}/{namespace}/{name}");
        let version = self.version.fetch_add(1, Ordering::Relaxed) + 1;
        if object["metadata"].get("uid").is_none() {
            object["metadata"]["uid"] = json!(format!("uid-{kind}-{namespace}-{name}"));
        }
        object["metadata"]["resourceVersion"] = json!(version.to_string());
        self.objects.lock().unwrap().insert(slot, object);
    }
}

impl Source for Cluster {
    fn label(&self) -> String {
        "world".into()
    }

    fn policies(&self) -> BoxFuture<'_, Result<PolicyListing, SourceError>> {
        async { Ok(PolicyListing::default()) }.boxed()
    }

    fn kinds(&self, wanted: Vec<KindSelector>) -> BoxFuture<'_, Result<Discovered, SourceError>> {
        let kinds = KINDS.iter().filter_map(|(group, kind, plural, is_namespaced, versions)| {
            let forms = forms(group, kind, versions);
            let is_failing = self.failing.lock().unwrap().contains(*kind);
            let taken = forms_taken(&wanted, &forms);
            let mut taken = taken.into_iter().map(|at| forms[at].clone());
            let gvk = taken.next().or_else(|| is_failing.then(|| forms[0].clone()))?;
            let (plural, is_namespaced) = ((*plural).into(), *is_namespaced);
            Some(ScanKind { gvk, plural, is_namespaced, others: taken.collect() })
        });
        let kinds = kinds.collect();
        async { Ok(Discovered { kinds, ..Discovered::default() }) }.boxed()
    }

    fn list<'a>(
        &'a self,
        kind: &'a ScanKind,
        cursor: Option<String>,
    ) -> BoxFuture<'a, Result<Page, ListError>> {
        async move {
            let from: usize = cursor.map_or(0, |cursor| cursor.parse().unwrap());
            if self.failing.lock().unwrap().contains(&kind.gvk.kind) && from > 0 {
                return Err(ListError::Failed("the connection broke".into()));
            }
            let objects = self.objects.lock().unwrap();
            let of_kind: Vec<&Value> =
                objects.values().filter(|object| object["kind"] == *kind.gvk.kind).collect();
            let is_failing = self.failing.lock().unwrap().contains(&kind.gvk.kind);
            if is_failing && of_kind.len() <= 3 {
                return Err(ListError::Forbidden("not allowed".into()));
            }
            if from > 0
                && self
                    .expiring
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1))
                    .is_ok()
            {
                return Err(ListError::Expired);
            }
            let items: Vec<Listed> =
                of_kind.iter().skip(from).take(3).map(|object| listed(kind, object)).collect();
            let next = (from + 3 < of_kind.len()).then(|| (from + 3).to_string());
            Ok(Page { items, next })
        }
        .boxed()
    }

    fn fact<'a>(&'a self, key: &'a FactKey) -> BoxFuture<'a, FactValue> {
        async move {
            let objects = self.objects.lock().unwrap();
            let one = |kind: &str, namespace: &str, name: &str| {
                objects.get(&format!("{kind}/{namespace}/{name}")).cloned()
            };
            let list = |namespace: &str| {
                let within = format!("ConfigMap/{namespace}/");
                let items = objects.iter().filter(|(slot, _)| slot.starts_with(&within));
                json!({"kind": "ConfigMapList", "items": items.map(|(_, item)| item).collect::<Vec<_>>()})
            };
            let found = match key {
                FactKey::NamespaceLabels(name) => {
                    one("Namespace", "", name).and_then(|it| it.pointer("/metadata/labels").cloned())
                }
                FactKey::Namespace(name) => one("Namespace", "", name),
                FactKey::ConfigMap { namespace, name } => one("ConfigMap", namespace, name),
                FactKey::Objects { kind, namespace, name, .. }
                    if matches!(kind.as_str(), "ConfigMap" | "configmaps") =>
                {
                    if name.is_empty() {
                        Some(list(namespace))
                    } else {
                        one("ConfigMap", namespace, name)
                    }
                }
                FactKey::ApiCall { path, .. } => match path.split('/').collect::<Vec<_>>()[..] {
                    ["", "api", "v1", "namespaces", namespace, "configmaps", name] => {
                        one("ConfigMap", namespace, name)
                    }
                    _ => panic!("{path} is not asked for here"),
                },
                other => panic!("{other:?} is not asked for here"),
            };
            found.map_or(FactValue::Missing, |value| {
                FactValue::Found(Document::from_json(value.to_string().as_bytes()).unwrap())
            })
        }
        .boxed()
    }
}

fn listed(kind: &ScanKind, object: &Value) -> Listed {
    let text = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or("").to_owned();
    Listed {
        id: ResourceId {
            key: ResourceKey {
                group: kind.gvk.group.clone(),
                kind: kind.gvk.kind.clone(),
                namespace: text("/metadata/namespace"),
                name: text("/metadata/name"),
            },
            version: kind.gvk.version.clone(),
            uid: text("/metadata/uid"),
        },
        version: text("/metadata/resourceVersion"),
        controllers: Vec::new(),
        content: Content::Json(in_form(&kind.gvk, object).to_string().into()),
        others: kind
            .others
            .iter()
            .map(|form| {
                let text = in_form(form, object).to_string();
                Content::Lazy(Arc::new(move || {
                    Document::from_json(text.as_bytes()).map_err(|e| e.to_string())
                }))
            })
            .collect(),
    }
}

/// The forms of a kind, the preferred one first.
fn forms(group: &str, kind: &str, versions: &[&str]) -> Vec<Gvk> {
    let form = |version: &&str| Gvk { group: group.into(), version: (*version).into(), kind: kind.into() };
    versions.iter().map(form).collect()
}

/// An object as it is served in a form: version 1 of Scaler has its status in an annotation, and calls its
/// specification otherwise.
fn in_form(form: &Gvk, object: &Value) -> Value {
    let mut object = object.clone();
    object["apiVersion"] = json!(form.api_version());
    if (form.kind.as_str(), form.version.as_str()) == ("Scaler", "v1") {
        let fields = object.as_object_mut().unwrap();
        if let Some(status) = fields.remove("status") {
            object["metadata"]["annotations"]["status"] = json!(status.to_string());
        }
        object["spec"] = json!({"old": object["spec"]});
    }
    object
}

impl Default for Reports {
    fn default() -> Self {
        Self { by_name: Mutex::default(), version: AtomicU64::default(), writes_left: AtomicI64::new(-1) }
    }
}

impl Reports {
    /// The reports, by name.
    pub(super) fn all(&self) -> BTreeMap<String, String> {
        let reports = self.by_name.lock().unwrap();
        reports.iter().map(|(name, (_, json))| (name.clone(), json.clone())).collect()
    }

    /// The reports, by name, with null for the times of their results.
    pub(super) fn without_times(&self) -> BTreeMap<String, String> {
        let timeless = |json: String| {
            let mut report: Value = serde_json::from_str(&json).unwrap();
            for result in report["results"].as_array_mut().into_iter().flatten() {
                result["timestamp"] = Value::Null;
            }
            report.to_string()
        };
        self.all().into_iter().map(|(name, json)| (name, timeless(json))).collect()
    }

    fn may_write(&self) -> bool {
        self.writes_left.load(Ordering::Relaxed) < 0 || self.writes_left.fetch_sub(1, Ordering::Relaxed) > 0
    }
}

impl Sink for Reports {
    fn each_actual<'a>(
        &'a self,
        visit: &'a mut (dyn FnMut(ActualReport) + Send),
    ) -> BoxFuture<'a, Result<(), SinkError>> {
        async move {
            for (name, (version, json)) in self.by_name.lock().unwrap().iter() {
                let report: Value = serde_json::from_str(json).unwrap();
                let text = |path: &str| report.pointer(path).and_then(Value::as_str).unwrap_or("").to_owned();
                let owner = Gvk::new(&text("/scope/apiVersion"), &text("/scope/kind"));
                let is_ours = text("/metadata/labels/app.kubernetes.io~1managed-by") == "patrol";
                visit(ActualReport {
                    namespace: text("/metadata/namespace"),
                    name: name.clone(),
                    uid: format!("report-{name}"),
                    resource_version: version.to_string(),
                    ownership: if is_ours { Ownership::Ours } else { Ownership::Foreign },
                    owner_kind: Some((owner.group, owner.kind)),
                });
            }
            Ok(())
        }
        .boxed()
    }

    fn read<'a>(&'a self, scope: &'a ResourceId) -> BoxFuture<'a, Result<Option<Vec<u8>>, SinkError>> {
        async move { Ok(self.by_name.lock().unwrap().get(&scope.uid).map(|(_, json)| json.clone().into_bytes())) }.boxed()
    }

    fn write<'a>(&'a self, write: &'a ReportWrite) -> BoxFuture<'a, Result<String, SinkError>> {
        async move {
            if !self.may_write() {
                return Err(SinkError { message: "the process is gone".into(), is_transient: true });
            }
            let mut reports = self.by_name.lock().unwrap();
            let version = self.version.fetch_add(1, Ordering::Relaxed) + 1;
            match write {
                ReportWrite::Put { scope, json, replaces, .. } => {
                    let there = reports.get(&scope.uid).map(|(version, _)| version.to_string());
                    assert_eq!(&there, replaces, "a write names the version that is there");
                    let text = String::from_utf8(json.clone()).unwrap();
                    assert_ne!(
                        reports.get(&scope.uid).map(|(_, json)| json),
                        Some(&text),
                        "an equal report is written"
                    );
                    reports.insert(scope.uid.clone(), (version, text));
                    Ok(version.to_string())
                }
                ReportWrite::Delete { name, resource_version, .. } => {
                    let there = reports.get(name).map(|(version, _)| version.to_string());
                    assert_eq!(
                        there.as_ref(),
                        Some(resource_version),
                        "a delete names the version that is there"
                    );
                    reports.remove(name);
                    Ok(String::new())
                }
            }
        }
        .boxed()
    }
}
