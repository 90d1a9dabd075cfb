//! Law 3 part by part, of the resource and of every object beside it: a change that a policy did not read causes no evaluation, one that it did
//! read causes one. The verdict is then what a scan from scratch gives.
//!
//! The world is a Pod in a namespace, with ConfigMaps beside it; every policy is about the Pod alone.

use std::collections::BTreeSet;
use std::sync::Arc;

use patrol::catalog::{Catalog, CatalogSettings, CompiledPolicy};
use patrol::document::{Document, Node};
use patrol::model::{Gvk, PolicyKey};
use patrol::policy::{CompanionSource, PolicyRole, PolicySource, Standing, role_of};
use patrol::scan::{Scan, ScanOutcome, ScanSettings, Stop, run};
use patrol::store::{MemoryStore, State};
use serde_json::{Value, json};

use super::evaluated;
use super::world::{Cluster, Reports};

/// A ValidatingPolicy about Pods that says this.
macro_rules! validating {
    ($says:literal) => {
        concat!("
apiVersion: policies.kyverno.io/v1
kind: ValidatingPolicy
metadata: {name: p}
spec:
  matchConstraints: {resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods]}]}
", $says)
    };
}

/// A rule about Pods with this context and body.
macro_rules! with_context {
    ($says:literal) => {
        concat!(
            "
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: p, annotations: {pod-policies.kyverno.io/autogen-controllers: none}}
spec:
  rules:
  - name: r
    match: {any: [{resources: {kinds: [Pod]}}]}
    context:
",
            $says
        )
    };
}

/// What is changed: a name, the object, and the new value at a pointer's parent and key.
const CHANGES: [(&str, &str, &str, &str, &str); 14] = [
    ("status", "Pod/n0/a", "", "status", r#"{"phase": "Failed"}"#),
    ("labels", "Pod/n0/a", "/metadata", "labels", r#"{"team": "blue"}"#),
    ("annotations", "Pod/n0/a", "/metadata", "annotations", r#"{"note": "other"}"#),
    ("finalizers", "Pod/n0/a", "/metadata", "finalizers", r#"["example.com/new"]"#),
    ("spec", "Pod/n0/a", "", "spec", r#"{"hostNetwork": true, "containers": [{"name": "c", "image": "b"}]}"#),
    ("namespace labels", "Namespace//n0", "/metadata", "labels", r#"{"tier": "1"}"#),
    ("namespace annotations", "Namespace//n0", "/metadata", "annotations", r#"{"owner": "blue"}"#),
    ("namespace status", "Namespace//n0", "", "status", r#"{"phase": "Terminating"}"#),
    ("namespace finalizers", "Namespace//n0", "/metadata", "finalizers", r#"["example.com/new"]"#),
    ("another namespace", "Namespace//n1", "/metadata", "labels", r#"{"tier": "2"}"#),
    ("parameters", "ConfigMap/n0/parameters", "", "data", r#"{"k": "other"}"#),
    ("parameters' labels", "ConfigMap/n0/parameters", "/metadata", "labels", r#"{"tier": "1"}"#),
    ("parameters made anew", "ConfigMap/n0/parameters", "/metadata", "uid", r#""another""#),
    ("another ConfigMap", "ConfigMap/n0/other", "", "data", r#"{"k": "other"}"#),
];

/// Policies, each with the changes that it reads.
const CASES: [(&str, &str, &[&str]); 26] = [
    ("a ValidatingPolicy that reads the spec", VALIDATING_SPEC, &["spec"]),
    ("one that reads the status", VALIDATING_STATUS, &["status"]),
    ("one that reads a label, and an annotation for its message only", VALIDATING_LABEL, &["labels"]),
    ("one that reads only who the object is", VALIDATING_IDENTITY, &[]),
    ("one that reads its namespace's labels", NAMESPACE_LABELS, &["namespace labels"]),
    ("one that reads its namespace's annotations", NAMESPACE_ANNOTATIONS, &["namespace annotations"]),
    ("one that reads its namespace's status", NAMESPACE_STATUS, &["namespace status"]),
    ("one that reads which namespace it is in", NAMESPACE_IDENTITY, &[]),
    ("one with a selector of namespaces", VALIDATING_SELECTOR, &["spec", "namespace labels"]),
    ("one whose match condition reads an annotation", VALIDATING_CONDITION, &["annotations", "spec"]),
    ("one that looks another object up", VALIDATING_LOOKUP, &["parameters", "parameters made anew"]),
    (
        "one that looks the labels of another object up",
        LOOKUP_LABELS,
        &["parameters' labels", "parameters made anew"],
    ),
    (
        "one that looks all of another object up",
        LOOKUP_WHOLE,
        &["parameters", "parameters' labels", "parameters made anew"],
    ),
    (
        "one that looks a list up",
        LOOKUP_LIST,
        &["parameters", "parameters' labels", "parameters made anew", "another ConfigMap"],
    ),
    ("a rule that reads the data of a ConfigMap", RULE_CONFIG_DATA, &["parameters", "parameters made anew"]),
    (
        "a rule that reads the labels of a ConfigMap, in an entry that has its data as well",
        RULE_CONFIG_LABELS,
        &["parameters", "parameters' labels", "parameters made anew"],
    ),
    ("a rule that asks the API for one object", RULE_CALL, &["parameters", "parameters made anew"]),
    ("one with an audit annotation", VALIDATING_AUDIT, &["spec", "annotations"]),
    ("a NamespacedValidatingPolicy", NAMESPACED, &["spec"]),
    ("an exception that reads a label", EXCEPTED, &["labels", "spec"]),
    ("a ValidatingAdmissionPolicy that reads the spec", ADMISSION, &["spec"]),
    ("one with parameters", ADMISSION_PARAMETERS, &["labels", "parameters", "parameters made anew"]),
    (
        "one whose binding selects objects and namespaces",
        ADMISSION_BOUND,
        &["labels", "status", "namespace labels"],
    ),
    ("one that reads its namespace object", ADMISSION_NAMESPACE, &["namespace labels"]),
    ("a rule with validate.cel", RULE, &["spec", "annotations"]),
    ("a policy with matchConditions of its webhook", WEBHOOK, &["labels", "spec"]),
];

const VALIDATING_SPEC: &str = validating!(
    "  validations: [{expression: '!object.spec.?hostNetwork.orValue(false)'}]
"
);
const VALIDATING_STATUS: &str = validating!(
    "  validations: [{expression: object.status.phase == 'Running'}]
"
);
const VALIDATING_LABEL: &str = validating!("  validations: [{expression: object.metadata.labels.team == 'red', messageExpression: string(object.metadata.annotations.note)}]
");
const VALIDATING_IDENTITY: &str = validating!("  validations: [{expression: request.namespace == 'n0' && request.kind.kind == 'Pod' && request.operation == 'CREATE'}]
");
const NAMESPACE_LABELS: &str = validating!(
    "  validations: [{expression: \"namespaceObject.metadata.labels.tier == '0'\"}]
"
);
const NAMESPACE_ANNOTATIONS: &str = validating!(
    "  validations: [{expression: \"namespaceObject.metadata.?annotations.owner.orValue('') == 'red'\"}]
"
);
const NAMESPACE_STATUS: &str = validating!(
    "  validations: [{expression: \"namespaceObject.?status.phase.orValue('Active') == 'Active'\"}]
"
);
const NAMESPACE_IDENTITY: &str = validating!(
    "  validations: [{expression: \"namespaceObject.metadata.name == 'n0'\"}]
"
);
const LOOKUP_LABELS: &str = validating!("  validations: [{expression: \"resource.Get('v1', 'configmaps', 'n0', 'parameters').metadata.?labels.tier.orValue('0') == '0'\"}]
");
const LOOKUP_WHOLE: &str = validating!("  validations: [{expression: \"resource.Get('v1', 'configmaps', 'n0', 'parameters').all(k, k != 'spec')\"}]
");
const LOOKUP_LIST: &str = validating!("  validations: [{expression: \"resource.List('v1', 'configmaps', 'n0').items.all(c, c.data.k == 'this')\"}]
");
const RULE_CONFIG_DATA: &str = with_context!(
    r#"    - {name: c, configMap: {namespace: n0, name: parameters}}
    validate: {deny: {conditions: {any: [{key: "{{ c.data.k }}", operator: NotEquals, value: this}]}}}
"#
);
const RULE_CONFIG_LABELS: &str = with_context!(
    r#"    - {name: c, configMap: {namespace: n0, name: parameters}}
    validate: {deny: {conditions: {any: [{key: "{{ c.metadata.labels.tier || '0' }}", operator: NotEquals, value: '0'}]}}}
"#
);
const RULE_CALL: &str = with_context!(
    r#"    - {name: c, apiCall: {urlPath: /api/v1/namespaces/n0/configmaps/parameters, jmesPath: data.k}}
    validate: {deny: {conditions: {any: [{key: "{{ c }}", operator: NotEquals, value: this}]}}}
"#
);
const VALIDATING_SELECTOR: &str = "
apiVersion: policies.kyverno.io/v1
kind: ValidatingPolicy
metadata: {name: p}
spec:
  matchConstraints:
    namespaceSelector: {matchLabels: {tier: '0'}}
    resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
  validations: [{expression: '!object.spec.?hostNetwork.orValue(false)'}]
";
const VALIDATING_CONDITION: &str = validating!(
    "  matchConditions: [{name: noted, expression: object.metadata.annotations.note == 'this'}]
  validations: [{expression: '!object.spec.?hostNetwork.orValue(false)'}]
"
);
const VALIDATING_LOOKUP: &str = validating!(
    "  validations: [{expression: \"resource.Get('v1', 'configmaps', 'n0', 'parameters').data.k == 'this'\"}]
"
);
const VALIDATING_AUDIT: &str = validating!(
    "  validations: [{expression: has(object.spec.containers)}]
  auditAnnotations: [{key: note, valueExpression: string(object.metadata.annotations.note)}]
"
);
const NAMESPACED: &str = "
apiVersion: policies.kyverno.io/v1
kind: NamespacedValidatingPolicy
metadata: {name: p, namespace: n0}
spec:
  matchConstraints: {resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods]}]}
  validations: [{expression: '!object.spec.?hostNetwork.orValue(false)'}]
";
const EXCEPTED: &str = validating!(
    "  validations: [{expression: '!object.spec.?hostNetwork.orValue(false)'}]
---
apiVersion: policies.kyverno.io/v1
kind: PolicyException
metadata: {name: e, namespace: n0}
spec:
  policyRefs: [{name: p, kind: ValidatingPolicy}]
  matchConditions: [{name: blue, expression: object.metadata.labels.team == 'blue'}]
"
);
const ADMISSION: &str = "
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: p}
spec:
  matchConstraints: {resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods]}]}
  validations: [{expression: '!object.spec.?hostNetwork.orValue(false)'}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: b}
spec: {policyName: p, validationActions: [Deny]}
";
const ADMISSION_PARAMETERS: &str = "
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: p}
spec:
  paramKind: {apiVersion: v1, kind: ConfigMap}
  matchConstraints: {resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods]}]}
  validations: [{expression: object.metadata.labels.team == 'red' && params.data.k == 'this'}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: b}
spec: {policyName: p, validationActions: [Deny], paramRef: {name: parameters, parameterNotFoundAction: Deny}}
";
const ADMISSION_BOUND: &str = "
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: p}
spec:
  matchConstraints: {resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods]}]}
  validations: [{expression: object.status.phase == 'Running'}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: b}
spec:
  policyName: p
  validationActions: [Deny]
  matchResources: {objectSelector: {matchLabels: {team: red}}, namespaceSelector: {matchLabels: {tier: '0'}}}
";
const ADMISSION_NAMESPACE: &str = "
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: p}
spec:
  matchConstraints: {resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods]}]}
  validations: [{expression: namespaceObject.metadata.labels.tier == '0'}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: b}
spec: {policyName: p, validationActions: [Deny]}
";
const RULE: &str = "
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: p, annotations: {pod-policies.kyverno.io/autogen-controllers: none}}
spec:
  rules:
  - name: r
    match: {any: [{resources: {kinds: [Pod]}}]}
    celPreconditions: [{name: noted, expression: object.metadata.annotations.note == 'this'}]
    validate: {cel: {expressions: [{expression: '!object.spec.?hostNetwork.orValue(false)'}]}}
";
const WEBHOOK: &str = "
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: p, annotations: {pod-policies.kyverno.io/autogen-controllers: none}}
spec:
  webhookConfiguration: {matchConditions: [{name: red, expression: object.metadata.labels.team == 'red'}]}
  rules:
  - name: r
    match: {any: [{resources: {kinds: [Pod]}}]}
    validate: {pattern: {spec: {=(hostNetwork): false}}}
";

/// The policy of a case with what belongs to it, compiled as the service does.
fn compiled(yaml: &str) -> Vec<Arc<CompiledPolicy>> {
    let (mut policies, mut companions) = (Vec::new(), Vec::new());
    for object in serde_saphyr::from_multiple::<Value>(yaml).unwrap().iter().filter(|o| o.is_object()) {
        let document = Arc::new(Document::from_json(object.to_string().as_bytes()).unwrap());
        let text = |path: &[&str]| document.root().path(path).and_then(Node::as_str).unwrap_or_default();
        let (namespace, name) = (text(&["metadata", "namespace"]), text(&["metadata", "name"]));
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        let origin = "world".to_owned();
        match role_of(&Gvk::new(text(&["apiVersion"]), text(&["kind"]))).unwrap() {
            PolicyRole::Policy(kind) => policies.push(PolicySource {
                key: PolicyKey { kind, namespace, name },
                document: Arc::clone(&document),
                origin,
            }),
            role => companions.push(CompanionSource {
                role,
                namespace,
                name,
                document: Arc::clone(&document),
                origin,
            }),
        }
    }
    let settings = CatalogSettings { background_only: true, ..CatalogSettings::default() };
    let catalog = Catalog::build(policies, &companions, &settings);
    assert!(catalog.policies.iter().all(|policy| policy.standing == Standing::Scanned));
    catalog.policies
}

struct World {
    cluster: Arc<Cluster>,
    reports: Arc<Reports>,
    store: Arc<MemoryStore>,
    policies: Vec<Arc<CompiledPolicy>>,
}

impl World {
    fn new(policies: Vec<Arc<CompiledPolicy>>) -> Self {
        let (cluster, reports, store) = (Arc::default(), Arc::default(), Arc::default());
        let world = Self { cluster, reports, store, policies };
        for name in ["n0", "n1"] {
            world.cluster.put(&json!({"apiVersion": "v1", "kind": "Namespace",
                "metadata": {"name": name, "labels": {"tier": "0"}, "annotations": {"owner": "red"}}}));
        }
        for name in ["parameters", "other"] {
            world.cluster.put(&json!({"apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": name, "namespace": "n0"}, "data": {"k": "this"}}));
        }
        world.cluster.put(&json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": "a", "namespace": "n0", "labels": {"team": "red"}, "annotations": {"note": "this"},
            },
            "spec": {"containers": [{"name": "c", "image": "a"}]},
            "status": {"phase": "Running"},
        }));
        world
    }

    fn change(&self, slot: &str, parent: &str, key: &str, value: &str) {
        let mut object = self.cluster.objects.lock().unwrap()[slot].clone();
        object.pointer_mut(parent).unwrap()[key] = serde_json::from_str(value).unwrap();
        self.cluster.put(&object);
    }

    async fn scan(&self, now_s: i64) -> ScanOutcome {
        run(Scan {
            source: self.cluster.clone(),
            sink: Some(self.reports.clone()),
            state: Some(State::open(self.store.clone(), "world", now_s).unwrap()),
            policies: self.policies.clone(),
            unknown: BTreeSet::new(),
            settings: ScanSettings::at(jiff::Timestamp::from_second(now_s).unwrap()),
            stop: Stop::default(),
            progress: Arc::default(),
        })
        .await
        .unwrap()
    }

    /// What a scan of the same cluster by somebody new says.
    async fn anew(&self, now_s: i64) -> Vec<String> {
        let cluster = Arc::clone(&self.cluster);
        let policies = self.policies.clone();
        let new = Self { cluster, policies, reports: Arc::default(), store: Arc::default() };
        new.scan(now_s).await;
        new.reports.without_times().into_values().collect()
    }
}

#[test]
fn a_policy_in_cel_is_evaluated_again_only_for_what_it_read() {
    let mut faults = Vec::new();
    for (case, yaml, reads) in CASES {
        for (what, slot, parent, key, value) in CHANGES {
            let world = World::new(compiled(yaml));
            super::runtime().block_on(async {
                assert_eq!(evaluated(&world.scan(1_000).await), 1, "{case}");
                assert_eq!(evaluated(&world.scan(1_010).await), 0, "{case}, unchanged");
                world.change(slot, parent, key, value);
                let n_evaluated = evaluated(&world.scan(1_020).await);
                if n_evaluated != u64::from(reads.contains(&what)) {
                    faults.push(format!("{case}: {what}: {n_evaluated} evaluations"));
                }
                let reports: Vec<String> = world.reports.without_times().into_values().collect();
                assert_eq!(reports, world.anew(1_020).await, "{case}: {what}");
                assert_eq!(evaluated(&world.scan(1_030).await), 0, "{case}: {what}, again");
            });
        }
    }
    println!("{} policies, {} changes each", CASES.len(), CHANGES.len());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn an_exception_ends_at_its_instant_by_itself() {
    let yaml = EXCEPTED.replace("team == 'blue'", "team == 'red'").replace("hostNetwork", "hostPID");
    let expiring = format!("{yaml}  expiresAt: '1970-01-01T00:20:00Z'\n");
    let failing = expiring.replace("!object.spec.?hostPID.orValue(false)", "object.spec.hostPID == true");
    let world = World::new(compiled(&failing));
    super::runtime().block_on(async {
        let told = |outcome: &ScanOutcome| (evaluated(outcome), world.reports.all().len());
        assert_eq!(told(&world.scan(1_000).await), (1, 1));
        let result = |word: &str| world.reports.all().values().all(|report| report.contains(word));
        assert!(result(r#""result":"skip""#));
        assert_eq!(told(&world.scan(1_199).await), (0, 1));
        assert_eq!(told(&world.scan(1_200).await), (1, 1));
        assert!(!result(r#""result":"skip""#));
        assert_eq!(told(&world.scan(9_000).await), (0, 1));
    });
}
