//! The laws with real policies: kyverno.io policies and exceptions of ours, and a MutatingPolicy, compiled as they come from a cluster, over objects that meet or
//! break them.
//!
//! Each template says by itself, apart from the engine's tracking, what its policy can read of an object and beside it: an evaluation that saw
//! nothing new of that is redundant.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use patrol::catalog::{Catalog, CatalogSettings, CompiledPolicy};
use patrol::document::Document;
use patrol::fingerprint::Hasher;
use patrol::lang::{Evaluation, Evaluator, Inputs};
use patrol::model::{PolicyKey, PolicyKind};
use patrol::plan::Action;
use patrol::policy::{CompanionSource, PolicyRole, PolicySource, Standing};
use patrol::scan::{Scan, ScanOutcome, ScanSettings, Stop, run};
use patrol::store::{MemoryStore, State};
use serde_json::{Value, json};

use super::random::Random;
use super::world::{Cluster, Reports};
use super::{evaluated, for_each_seed_of};

/// A policy of ours; `$n` stands for a number that an edit changes.
struct Template {
    kind: PolicyKind,
    /// The spec, in YAML.
    spec: &'static str,
    /// Pointers to what it can read of an object.
    reads: &'static [&'static str],
    reads_namespace: bool,
    reads_config: bool,
}

const TEMPLATES: [Template; 8] = [
    Template {
        kind: PolicyKind::ClusterPolicy,
        spec: "
rules:
- name: label
  match: {any: [{resources: {kinds: [Pod, Deployment]}}]}
  validate:
    message: '{{ request.object.metadata.name }} needs the label l'
    pattern: {metadata: {labels: {l: '$n | 9'}}}
",
        reads: &["/metadata/labels"],
        reads_namespace: false,
        reads_config: false,
    },
    Template {
        kind: PolicyKind::ClusterPolicy,
        spec: "
rules:
- name: not-privileged
  match: {any: [{resources: {kinds: [Pod]}}]}
  validate:
    message: containers of images a need care
    pattern:
      spec:
        =(hostNetwork): false
        containers:
        - (image): 'a:$n'
          securityContext: {privileged: false}
",
        reads: &["/spec"],
        reads_namespace: false,
        reads_config: false,
    },
    Template {
        kind: PolicyKind::ClusterPolicy,
        spec: "
rules:
- name: settings
  match: {any: [{resources: {kinds: [Pod, ConfigMap]}}]}
  preconditions: {all: [{key: \"{{ request.object.metadata.annotations.a || '' }}\", operator: NotEquals, value: '$n'}]}
  context:
  - {name: settings, configMap: {name: settings, namespace: n0}}
  - {name: wanted, variable: {jmesPath: \"settings.data.k || '9'\", default: '8'}}
  validate:
    message: 'the label l must be {{ wanted }}'
    deny: {conditions: {any: [{key: \"{{ request.object.metadata.labels.l || '' }}\", operator: NotEquals, value: '{{ wanted }}'}]}}
",
        reads: &["/metadata/labels", "/metadata/annotations"],
        reads_namespace: false,
        reads_config: true,
    },
    Template {
        kind: PolicyKind::ClusterPolicy,
        spec: "
rules:
- name: tier
  match: {any: [{resources: {kinds: [Pod, Deployment], namespaceSelector: {matchLabels: {tier: '$n'}}}}]}
  validate:
    message: no annotation b
    anyPattern: [{metadata: {=(annotations): {X(b): null}}}, {metadata: {annotations: {b: '1*'}}}]
",
        reads: &["/metadata/annotations"],
        reads_namespace: true,
        reads_config: false,
    },
    Template {
        kind: PolicyKind::ClusterPolicy,
        spec: "
rules:
- name: each
  match: {any: [{resources: {kinds: [Pod]}}]}
  validate:
    message: an image is not allowed
    foreach:
    - list: request.object.spec.containers
      context: [{name: tag, variable: {jmesPath: \"split(element.image, ':')[1]\"}}]
      deny: {conditions: {any: [{key: '{{ tag }}', operator: AnyIn, value: ['$n', '7-9']}]}}
",
        reads: &["/spec"],
        reads_namespace: false,
        reads_config: false,
    },
    Template {
        kind: PolicyKind::ClusterPolicy,
        spec: "
rules:
- name: baseline
  match: {any: [{resources: {kinds: [Pod]}}]}
  exclude: {any: [{resources: {selector: {matchLabels: {l: '$n'}}}}]}
  validate: {podSecurity: {level: baseline, version: latest}}
",
        reads: &["/spec", "/metadata/labels", "/metadata/annotations"],
        reads_namespace: false,
        reads_config: false,
    },
    Template {
        kind: PolicyKind::ClusterPolicy,
        spec: "
applyRules: One
rules:
- name: first
  match: {any: [{resources: {kinds: [Pod], namespaces: ['n$n']}}]}
  validate: {pattern: {metadata: {annotations: {a: '>=$n'}}}}
- name: second
  match: {any: [{resources: {kinds: [Pod], annotations: {a: '*'}}}]}
  context: [{name: other, configMap: {name: settings, namespace: '{{ request.namespace }}'}}]
  validate: {deny: {conditions: [{key: '{{ other.data.k }}', operator: GreaterThan, value: $n}]}}
",
        reads: &["/metadata/annotations"],
        reads_namespace: false,
        reads_config: true,
    },
    Template {
        kind: PolicyKind::MutatingPolicy,
        spec: "
matchConstraints: {resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods]}]}
matchConditions: [{name: a, expression: \"object.metadata.?annotations.a.orValue('9') != '$n'\"}]
mutations:
- patchType: JSONPatch
  jsonPatch: {expression: \"[JSONPatch{op: 'add', path: '/metadata/labels/l', value: '$n'}]\"}
- patchType: ApplyConfiguration
  applyConfiguration:
    expression: \"object.metadata.labels.l != '1' ? Object{} : Object{spec: Object.spec{hostNetwork: false}}\"
",
        reads: &["/metadata/labels", "/metadata/annotations", "/spec"],
        reads_namespace: false,
        reads_config: false,
    },
];

/// Every evaluation since it was last emptied: the pair, and a digest of everything that it could see.
type Log = Arc<Mutex<Vec<(String, String)>>>;

/// A policy of a world.
#[derive(Clone, Debug)]
struct Policy {
    template: usize,
    number: u64,
    is_disabled: bool,
    severity: Option<&'static str>,
}

#[derive(Debug)]
struct World {
    cluster: Arc<Cluster>,
    reports: Arc<Reports>,
    policies: BTreeMap<String, Policy>,
    /// Policy, rules, and the label that it wants, by name.
    exceptions: BTreeMap<String, (String, &'static str, Option<u64>)>,
    catalog: Mutex<Catalog>,
    store: Arc<MemoryStore>,
    log: Log,
    remembered: Mutex<BTreeMap<String, String>>,
    now_s: AtomicI64,
    n_objects: u64,
}

impl World {
    fn new(random: &mut Random) -> Self {
        let mut world = Self {
            cluster: Arc::default(),
            reports: Arc::default(),
            policies: BTreeMap::new(),
            exceptions: BTreeMap::new(),
            catalog: Mutex::default(),
            store: Arc::default(),
            log: Log::default(),
            remembered: Mutex::default(),
            now_s: AtomicI64::new(1_000_000),
            n_objects: 0,
        };
        for n in 0..3 {
            world.cluster.put(&namespace(n, 0));
        }
        for _ in 0..12 {
            world.create(random);
        }
        for _ in 0..5 {
            world.put_policy(random);
        }
        world
    }

    /// The same world as somebody sees it who has never scanned it.
    fn without_memory(&self) -> Self {
        Self {
            cluster: Arc::clone(&self.cluster),
            reports: Arc::default(),
            policies: self.policies.clone(),
            exceptions: self.exceptions.clone(),
            catalog: Mutex::default(),
            store: Arc::default(),
            log: Log::default(),
            remembered: Mutex::default(),
            now_s: AtomicI64::new(self.now_s.load(Ordering::Relaxed)),
            n_objects: self.n_objects,
        }
    }

    /// Something happens; what, for the counters.
    fn change(&mut self, random: &mut Random) -> &'static str {
        let some_policy = |world: &Self, random: &mut Random| {
            let names: Vec<String> = world.policies.keys().cloned().collect();
            random.pick(&names).cloned().unwrap_or_default()
        };
        match random.below(16) {
            0 | 1 => self.create(random),
            2..=6 => self.touch(random),
            7 => {
                let mut objects = self.cluster.objects.lock().unwrap();
                let slots: Vec<String> =
                    objects.keys().filter(|slot| !slot.starts_with("Namespace")).cloned().collect();
                random.pick(&slots).map(|slot| objects.remove(slot));
                "object deleted"
            }
            8 => {
                self.cluster.put(&namespace(random.below(3), random.below(3)));
                "namespace labelled"
            }
            9 => {
                self.cluster.put(&json!({"apiVersion": "v1", "kind": "ConfigMap",
                    "metadata": {"name": "settings", "namespace": format!("n{}", random.below(2))},
                    "data": {"k": random.below(3).to_string()}}));
                "settings changed"
            }
            10 => self.put_policy(random),
            11 => {
                let name = some_policy(self, random);
                self.policies.remove(&name);
                "policy deleted"
            }
            12 => {
                let name = some_policy(self, random);
                if let Some(policy) = self.policies.get_mut(&name) {
                    policy.is_disabled = !policy.is_disabled;
                }
                "policy disabled or enabled"
            }
            13 => {
                let name = some_policy(self, random);
                if let Some(policy) = self.policies.get_mut(&name) {
                    policy.severity = *random.pick(&[None, Some("high"), Some("low")]).unwrap();
                }
                "policy presented differently"
            }
            _ if self.exceptions.len() < 3 && random.one_in(2) => {
                let rules = *random.pick(&["*", "label", "autogen-not-privileged", "settings"]).unwrap();
                let label = random.one_in(2).then(|| random.below(3));
                let exception = (some_policy(self, random), rules, label);
                self.exceptions.insert(format!("e{}", random.below(4)), exception);
                "exception added"
            }
            _ => {
                self.exceptions.pop_first();
                "exception removed"
            }
        }
    }

    fn create(&mut self, random: &mut Random) -> &'static str {
        self.n_objects += 1;
        let (api_version, kind) = *random
            .pick(&[("v1", "Pod"), ("v1", "Pod"), ("apps/v1", "Deployment"), ("v1", "ConfigMap")])
            .unwrap();
        let mut object = json!({
            "apiVersion": api_version, "kind": kind,
            "metadata": {
                "name": format!("o{}", self.n_objects), "namespace": format!("n{}", random.below(3)),
                "labels": {"l": random.below(3).to_string()},
            },
        });
        if random.one_in(2) {
            object["metadata"]["annotations"] = json!({"a": random.below(3).to_string()});
        }
        match kind {
            "Pod" => object["spec"] = pod_spec(random),
            "Deployment" => object["spec"] = deployment_spec(random),
            _ => object["data"] = json!({"d": "0"}),
        }
        self.cluster.put(&object);
        "object created"
    }

    fn touch(&mut self, random: &mut Random) -> &'static str {
        let objects: Vec<Value> = self.cluster.objects.lock().unwrap().values().cloned().collect();
        let Some(mut object) = random.pick(&objects).cloned() else { return "nothing" };
        let value = random.below(4).to_string();
        let what = match random.below(6) {
            0 if object["kind"] != "Namespace" => ("/metadata", "labels", json!({"l": value})),
            1 => ("/metadata", "annotations", json!({"a": value})),
            2 => ("/metadata", "annotations", json!({"b": value})),
            3 => ("", "status", json!({"p": value})),
            4 if object["kind"] == "Pod" => ("", "spec", pod_spec(random)),
            4 | 5 if object["kind"] == "Deployment" => ("", "spec", deployment_spec(random)),
            _ => ("/metadata", "finalizers", json!([format!("example.com/{value}")])),
        };
        object.pointer_mut(what.0).unwrap()[what.1] = what.2;
        self.cluster.put(&object);
        match what.1 {
            "labels" => "labels changed",
            "annotations" => "annotations changed",
            "status" => "status changed",
            "spec" => "spec changed",
            _ => "finalizers changed",
        }
    }

    /// Makes a policy, or edits one.
    fn put_policy(&mut self, random: &mut Random) -> &'static str {
        let template = usize::try_from(random.below(TEMPLATES.len() as u64)).unwrap();
        let policy = Policy { template, number: random.below(3), is_disabled: false, severity: None };
        match self.policies.insert(format!("p{template}"), policy) {
            Some(_) => "policy edited",
            None => "policy made",
        }
    }

    fn sources(&self) -> (Vec<PolicySource>, Vec<CompanionSource>) {
        let policies = self.policies.iter().map(|(name, policy)| PolicySource {
            key: PolicyKey {
                kind: TEMPLATES[policy.template].kind,
                namespace: String::new(),
                name: name.clone(),
            },
            document: policy.document(name),
            origin: "world".into(),
        });
        let exceptions = self.exceptions.iter().map(|(name, (policy, rules, label))| {
            let selector = label.map_or(json!({}), |label| json!({"matchLabels": {"l": label.to_string()}}));
            CompanionSource {
                role: PolicyRole::Exception,
                namespace: "n0".into(),
                name: name.clone(),
                document: document(&json!({
                    "apiVersion": "kyverno.io/v2", "kind": "PolicyException",
                    "metadata": {"name": name, "namespace": "n0"},
                    "spec": {
                        "exceptions": [{"policyName": policy, "ruleNames": [rules]}],
                        "match": {"any": [{"resources": {"kinds": ["Pod", "Deployment"], "selector": selector}}]},
                    },
                })),
                origin: "world".into(),
            }
        });
        (policies.collect(), exceptions.collect())
    }

    /// The policies that are scanned, compiled as the service does, each evaluation logged.
    fn compiled(&self) -> Vec<Arc<CompiledPolicy>> {
        let (policies, companions) = self.sources();
        let settings = CatalogSettings { background_only: true, ..CatalogSettings::default() };
        let mut catalog = self.catalog.lock().unwrap();
        *catalog = Catalog::rebuild(&catalog, policies, &companions, &settings);
        for policy in &catalog.policies {
            let is_scanned = policy.standing == Standing::Scanned;
            let is_disabled = self.policies[&policy.key.name].is_disabled;
            assert_eq!(is_scanned, !is_disabled, "{}: {:?}", policy.key, policy.standing);
        }
        let scanned = catalog.policies.iter().filter(|policy| policy.standing == Standing::Scanned);
        let logged = scanned.map(|policy| {
            assert_eq!(policy.warnings, [], "{}", policy.key);
            let logged = Logged {
                inner: Arc::clone(&policy.evaluator),
                version: policy.fingerprint.to_string(),
                name: policy.key.name.clone(),
                template: self.policies[&policy.key.name].template,
                has_exceptions: self.exceptions.values().any(|(name, ..)| *name == policy.key.name),
                cluster: Arc::clone(&self.cluster),
                log: Arc::clone(&self.log),
            };
            Arc::new(CompiledPolicy { evaluator: Arc::new(logged), ..CompiledPolicy::clone(policy) })
        });
        logged.collect()
    }

    async fn scan(&self) -> ScanOutcome {
        let now_s = self.now_s.fetch_add(10, Ordering::Relaxed);
        let policies = self.compiled();
        self.log.lock().unwrap().clear();
        // A policy that was not there in one scan starts from nothing.
        let names: BTreeSet<String> = policies.iter().map(|policy| policy.key.name.clone()).collect();
        self.remembered.lock().unwrap().retain(|pair, _| names.contains(pair.split(' ').next().unwrap()));
        run(Scan {
            source: self.cluster.clone(),
            sink: Some(self.reports.clone()),
            state: Some(State::open(self.store.clone(), "world", now_s).unwrap()),
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
        .unwrap()
    }

    /// Law 3: pairs that were evaluated though nothing that they can read is new.
    fn redundant(&self) -> Vec<String> {
        let mut remembered = self.remembered.lock().unwrap();
        let last: BTreeMap<String, String> = self.log.lock().unwrap().drain(..).collect();
        let redundant = last
            .iter()
            .filter(|(pair, seen)| remembered.get(*pair) == Some(*seen))
            .map(|(pair, _)| pair.clone());
        let redundant = redundant.collect();
        remembered.extend(last);
        redundant
    }

    /// Law 4: results of policies that are not scanned, or about objects that are gone.
    fn leftovers(&self) -> Vec<String> {
        let objects = self.cluster.objects.lock().unwrap();
        let uids: BTreeSet<&str> =
            objects.values().map(|object| object["metadata"]["uid"].as_str().unwrap()).collect();
        let is_scanned = |name: &str| self.policies.get(name).is_some_and(|policy| !policy.is_disabled);
        let mut leftovers = Vec::new();
        for (name, json) in self.reports.all() {
            let report: Value = serde_json::from_str(&json).unwrap();
            let results = report["results"].as_array().cloned().unwrap_or_default();
            let is_left = results.iter().any(|result| !is_scanned(result["policy"].as_str().unwrap()));
            if is_left || results.is_empty() || !uids.contains(name.as_str()) {
                leftovers.push(name);
            }
        }
        leftovers
    }
}

impl Policy {
    fn document(&self, name: &str) -> Arc<Document> {
        let spec = TEMPLATES[self.template].spec.replace("$n", &self.number.to_string());
        let spec: Value = serde_saphyr::from_str(&spec).unwrap();
        let kind = TEMPLATES[self.template].kind;
        let mut policy = json!({
            "apiVersion": format!("{}/v1", kind.group()), "kind": kind.as_str(), "metadata": {"name": name},
            "spec": spec,
        });
        if self.is_disabled {
            policy["metadata"]["labels"] = json!({"reports.kyverno.io/disabled": "true"});
        }
        if let Some(severity) = self.severity {
            policy["metadata"]["annotations"] = json!({"policies.kyverno.io/severity": severity});
        }
        document(&policy)
    }
}

fn document(value: &Value) -> Arc<Document> {
    Arc::new(Document::from_json(value.to_string().as_bytes()).unwrap())
}

fn namespace(n: u64, tier: u64) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": format!("n{n}"), "labels": {"tier": tier.to_string()}}})
}

fn pod_spec(random: &mut Random) -> Value {
    let containers: Vec<Value> = (0..=random.below(2))
        .map(|n| {
            let image = format!("{}:{}", random.pick(&["a", "b"]).unwrap(), random.below(4));
            let mut container = json!({"name": format!("c{n}"), "image": image});
            if random.one_in(2) {
                container["securityContext"] = json!({"privileged": random.one_in(2)});
            }
            container
        })
        .collect();
    let mut spec = json!({"containers": containers});
    if random.one_in(3) {
        spec["hostNetwork"] = json!(random.one_in(2));
    }
    spec
}

fn deployment_spec(random: &mut Random) -> Value {
    json!({"template": {
        "metadata": {"labels": {"l": random.below(3).to_string()}, "annotations": {"a": random.below(3).to_string()}},
        "spec": pod_spec(random),
    }})
}

/// A real policy, with a log of what its evaluations could see.
#[derive(Debug)]
struct Logged {
    inner: Arc<dyn Evaluator>,
    version: String,
    name: String,
    template: usize,
    has_exceptions: bool,
    cluster: Arc<Cluster>,
    log: Log,
}

impl Logged {
    fn seen(&self, inputs: &Inputs<'_>) -> String {
        let template = &TEMPLATES[self.template];
        // The object as the cluster has it: a look into the inputs would count as the policy's.
        let key = &inputs.resource.key;
        let objects = self.cluster.objects.lock().unwrap();
        let object = &objects[&format!("{}/{}/{}", key.kind, key.namespace, key.name)];
        let mut hasher = Hasher::new("test/seen");
        hasher.str(&self.version);
        let mut look = |object: Option<&Value>, pointer: &str| {
            hasher
                .str(&object.and_then(|object| object.pointer(pointer)).unwrap_or(&Value::Null).to_string());
        };
        // A derived rule reads below the template of its controller.
        for pointer in template.reads {
            look(Some(object), pointer);
        }
        if object["kind"] == "Deployment" {
            look(Some(object), "/spec");
        }
        if self.has_exceptions {
            look(Some(object), "/metadata/labels");
        }
        let namespace = &key.namespace;
        if template.reads_namespace {
            let slot = format!("Namespace//{namespace}");
            look(objects.get(&slot), "/metadata/labels");
        }
        for namespace in ["n0", namespace].into_iter().filter(|_| template.reads_config) {
            let slot = format!("ConfigMap/{namespace}/settings");
            look(objects.get(&slot), "/data");
        }
        hasher.finish().to_string()
    }
}

impl Evaluator for Logged {
    fn evaluate(&self, inputs: &Inputs<'_>) -> Evaluation {
        let evaluation = self.inner.evaluate(inputs);
        if matches!(evaluation, Evaluation::Done(_)) {
            let pair = format!("{} on {}", self.name, inputs.resource.uid);
            self.log.lock().unwrap().push((pair, self.seen(inputs)));
        }
        evaluation
    }
}

#[test]
fn real_policies_keep_the_laws() {
    let mut n = BTreeMap::<String, u64>::new();
    let n = Mutex::new(&mut n);
    for_each_seed_of(120, |runtime, seed| {
        // Far apart, since the generator of one seed is that of the next one a step later.
        let mut random = Random::new(seed.wrapping_mul(0xD134_2543_DE82_EF95));
        let mut world = World::new(&mut random);
        for step in 0..6 {
            let mut changes = Vec::new();
            for _ in 0..random.below(4) {
                let what = world.change(&mut random);
                changes.push(what);
                *n.lock().unwrap().entry(what.to_owned()).or_default() += 1;
            }
            let outcome = runtime.block_on(world.scan());
            let problems = &outcome.problems;
            assert!(problems.is_empty() && outcome.totals.problems.is_empty(), "step {step}: {problems:?}");
            let fresh = world.without_memory();
            runtime.block_on(fresh.scan());
            assert_eq!(world.reports.without_times(), fresh.reports.without_times(), "step {step}");
            let reasons = &outcome.totals.pairs;
            assert_eq!(world.redundant(), Vec::<String>::new(), "step {step}: {changes:?} {reasons:?}");
            assert_eq!(world.leftovers(), Vec::<String>::new(), "step {step}");
            let before = world.reports.all();
            let again = runtime.block_on(world.scan());
            assert_eq!(evaluated(&again), 0, "step {step}: {:?}", again.totals.pairs);
            assert_eq!((again.totals.reports.written, again.totals.reports.deleted), (0, 0), "step {step}");
            assert_eq!(world.reports.all(), before, "step {step}");
            let mut n = n.lock().unwrap();
            *n.entry("evaluated".into()).or_default() += evaluated(&outcome);
            *n.entry("reused".into()).or_default() += outcome.totals.pairs.of(Action::Reuse);
            for ((_, reason), count) in &outcome.totals.pairs.0 {
                *n.entry(format!("because {reason}")).or_default() += count;
            }
            for json in before.values() {
                for status in ["pass", "fail", "skip", "error"] {
                    let found = json.matches(&format!("\"result\":\"{status}\"")).count();
                    *n.entry(status.to_owned()).or_default() += found as u64;
                }
            }
        }
    });
    let n = n.into_inner().unwrap();
    println!("{n:#?}");
    if std::env::var_os("PATROL_SEED").is_none() && std::env::var_os("PATROL_SEEDS").is_none() {
        for what in ["pass", "fail", "because fact_changed", "because resource_changed", "because not_read"] {
            assert!(n.get(what).is_some_and(|n| *n > 40), "{what}: {n:#?}");
        }
        for what in [
            "error",
            "skip",
            "exception added",
            "exception removed",
            "policy disabled or enabled",
            "policy edited",
        ] {
            assert!(n.get(what).is_some_and(|n| *n > 10), "{what}: {n:#?}");
        }
        assert!(n["reused"] > n["evaluated"], "{n:#?}");
    }
}
