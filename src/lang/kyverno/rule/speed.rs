//! How fast rules are evaluated: `cargo test --release --lib kyverno::rule::speed -- --ignored --nocapture`.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use jiff::Timestamp;

use super::tests::yaml;
use super::{Exclusions, Rule, RuleContext, RuleResult};
use crate::lang::{Inputs, Request};
use crate::model::{PolicyKey, PolicyKind, ResourceId, ResourceKey};

const POD: &str = "
apiVersion: v1
kind: Pod
metadata: {name: app, namespace: team, labels: {app: web}, annotations: {a: b}}
spec:
  securityContext: {runAsNonRoot: true, runAsUser: 1000, seccompProfile: {type: RuntimeDefault}}
  initContainers:
  - {name: init, image: 'registry.example.com/init:1', securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}
  containers:
  - name: web
    image: registry.example.com/web:1
    ports: [{containerPort: 8080}]
    securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
    resources: {limits: {memory: 64Mi}, requests: {cpu: 100m}}
  - {name: side, image: 'registry.example.com/side:1', securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}
  volumes: [{name: v, emptyDir: {}}, {name: c, configMap: {name: c}}]
";

#[test]
#[ignore = "measures; needs a release build"]
fn speed_of_the_bench_policies() {
    const ROUNDS: u32 = 20_000;
    let folder = std::env::var("PATROL_SHARED").unwrap();
    let policy = PolicyKey { kind: PolicyKind::ClusterPolicy, namespace: String::new(), name: "p".into() };
    let context = RuleContext { policy: &policy, exceptions: &[] };
    let pod = yaml(POD);
    let id = ResourceId {
        key: ResourceKey {
            group: String::new(),
            kind: "Pod".into(),
            namespace: "team".into(),
            name: "app".into(),
        },
        version: "v1".into(),
        uid: String::new(),
    };
    let (request, facts) = (Request::scan(), BTreeMap::new());
    let mut rules = Vec::new();
    for entry in Path::new(&folder).join("bench/policies").read_dir().unwrap() {
        let document = yaml(&std::fs::read_to_string(entry.unwrap().path()).unwrap());
        for rule in document.root().path(&["spec", "rules"]).unwrap().items() {
            rules.push((
                rule.get("name").unwrap().as_str().unwrap().to_owned(),
                Rule::compile(rule, &context).0,
            ));
        }
    }
    let (mut total, mut n) = (0.0, 0);
    for (name, rule) in &rules {
        let start = Instant::now();
        let mut status = None;
        for _ in 0..ROUNDS {
            let inputs = Inputs::new(&id, &pod, &request, &facts, Timestamp::UNIX_EPOCH);
            if let RuleResult::Done(outcome) = black_box(rule.evaluate(&inputs, &Exclusions::default())) {
                status = Some(outcome.status);
            }
        }
        let seconds = start.elapsed().as_secs_f64();
        (total, n) = (total + seconds, n + ROUNDS);
        println!("{name}: {:.2} us {status:?}", seconds / f64::from(ROUNDS) * 1e6);
    }
    println!("{:.0} evaluations a second", f64::from(n) / total);
}
