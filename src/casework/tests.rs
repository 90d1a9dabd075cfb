use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::catalog::CompiledPolicy;
use crate::document::Node;
use crate::gostd::wildcard::Wildcard;
use crate::lang::{Evaluation, Evaluator, Inputs};
use crate::matching::{KindSelector, Selection};
use crate::model::{FactKey, FactValue, Outcome, Status};

/// Says what it sees: one outcome a rule, whose status is the label `want` of the resource.
#[derive(Debug)]
struct Echo;

impl Evaluator for Echo {
    fn evaluate(&self, inputs: &Inputs<'_>) -> Evaluation {
        let object = inputs.object();
        let label = |name: &str| object.path(&["metadata", "labels", name]).and_then(Node::as_str);
        let Some(FactValue::Found(labels)) =
            inputs.fact(&FactKey::NamespaceLabels(inputs.resource.key.namespace.clone()))
        else {
            let needs = inputs.needs();
            return if needs.is_empty() { Evaluation::Done(Vec::new()) } else { Evaluation::Needs(needs) };
        };
        let mut message = String::new();
        for (name, value) in &inputs.request.given {
            write!(message, "{name}={} ", value.root().to_json()).unwrap();
        }
        write!(
            message,
            "{} {} {} {} {}",
            inputs.request.operation.as_str(),
            inputs.request.subresource,
            inputs.resource.key.kind,
            inputs.request.old_object.is_some(),
            labels.root().to_json()
        )
        .unwrap();
        let status = label("want").and_then(Status::of);
        let prefix = if label("autogen").is_some() { "autogen-" } else { "" };
        let outcome = |rule: &str| Some(Outcome::new(format!("{prefix}{rule}"), status?, message.clone()));
        Evaluation::Done([outcome("one"), outcome("two")].into_iter().flatten().collect())
    }
}

fn case_of(folder: &Path, text: &str) -> (case::Case, world::World) {
    fs::write(folder.join(TEST_FILE), text).unwrap();
    let file = find::find(&[folder.to_owned()], TEST_FILE).files.remove(0);
    let mut problems = Vec::new();
    let case = case::read(&file, &mut problems).remove(0);
    let mut world = world::World::load(&case, Timestamp::UNIX_EPOCH, None);
    assert_eq!(problems, []);
    assert_eq!(world.problems, []);
    for ruling in &mut world.rulings {
        let policy = CompiledPolicy::clone(&ruling.policy);
        let any =
            KindSelector { group: Wildcard::new("*"), version: Wildcard::new("*"), kind: Wildcard::new("*") };
        ruling.policy = Arc::new(CompiledPolicy {
            evaluator: Arc::new(Echo),
            selection: Selection { kinds: vec![any], ..policy.selection.clone() },
            ..policy
        });
    }
    (case, world)
}

const POLICIES: &str = "
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: pol}
spec:
  rules:
  - {name: one, validate: {}}
  - {name: two, validate: {}}
  - {name: change, mutate: {}}
---
apiVersion: kyverno.io/v1
kind: Policy
metadata: {name: pol, namespace: prod}
spec: {rules: [{name: one, validate: {}}]}
---
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: lax, annotations: {policies.kyverno.io/scored: 'false'}}
spec: {rules: [{name: one, validate: {}}]}
---
apiVersion: policies.kyverno.io/v1
kind: GeneratingPolicy
metadata: {name: gen}
spec: {}
---
apiVersion: policies.kyverno.io/v1
kind: ValidatingPolicy
metadata: {name: payload}
spec: {evaluation: {mode: JSON}}
";

const RESOURCES: &str = "
apiVersion: v1
kind: Pod
metadata: {name: good, labels: {want: pass}}
---
apiVersion: v1
kind: Pod
metadata: {name: good, namespace: default, labels: {want: fail}}
---
apiVersion: v1
kind: Pod
metadata: {name: bad, namespace: prod, labels: {want: fail}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: dep, labels: {want: pass, autogen: x}}
---
apiVersion: autoscaling/v1
kind: Scale
metadata: {name: quiet}
";

const VALUES: &str = "
globalValues: {mode: dev, count: 1}
policies:
- name: pol
  resources:
  - {name: bad, values: {mode: prod}}
  rules:
  - {name: two, values: {only: two}, foreachValues: {each: [a, b]}}
namespaceSelector:
- {name: prod, labels: {tier: selector}}
namespaces:
- {metadata: {name: default, labels: {tier: namespace}}}
subresources:
- subresource: {group: autoscaling, version: v1, kind: Scale, name: deployments/scale}
  parentResource: {group: apps, version: v1, kind: Deployment, name: deployments}
";

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("policies.yaml", POLICIES), ("resources.yaml", RESOURCES), ("values.yaml", VALUES)]
    {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

const HEAD: &str = "apiVersion: cli.kyverno.io/v1alpha1\nkind: Test\nmetadata: {name: t}\n\
    policies: [policies.yaml]\nresources: [resources.yaml]\nvariables: values.yaml\nresults:\n";

fn judged(lines: &str) -> CaseRun {
    let folder = folder();
    let (case, world) = case_of(folder.path(), &format!("{HEAD}{lines}"));
    judge::judge(&case, &world)
}

/// Each check as `namespace/name actual ok`.
fn told(lines: &str) -> Vec<String> {
    let run = judged(lines);
    let check =
        |check: &Check| format!("{}/{} {} {}", check.namespace, check.name, check.actual, check.is_ok);
    let mut told: Vec<String> = run.checks.iter().map(check).collect();
    if run.n_not_scanned > 0 {
        told.push(format!("{} not scanned", run.n_not_scanned));
    }
    told
}

#[test]
fn lines_are_judged_as_the_reference_judges_them() {
    let cases: &[(&str, &[&str])] = &[
        (
            "{policy: pol, rule: one, resources: [good, bad], result: pass}",
            &["default/good pass true", "prod/bad fail false"],
        ),
        ("{policy: pol, rule: one, resources: [prod/bad], result: fail}", &["prod/bad fail true"]),
        ("{policy: pol, rule: one, resource: bad, status: fail}", &["prod/bad fail true"]),
        ("{policy: prod/pol, rule: one, resources: [bad], result: fail}", &["prod/bad fail true"]),
        (
            "{policy: pol, namespace: prod, rule: one, resources: [bad], result: fail}",
            &["prod/bad fail true"],
        ),
        ("{policy: pol, rule: one, resources: [dep], result: pass}", &["default/dep pass true"]),
        ("{policy: pol, rule: autogen-one, resources: [dep], result: pass}", &["default/dep pass true"]),
        ("{policy: pol, rule: one, resources: [quiet], result: fail}", &["default/quiet excluded true"]),
        (
            "{policy: pol, rule: one, resources: [nobody], result: pass}",
            &[
                "default/good pass true",
                "prod/bad fail false",
                "default/dep pass true",
                "default/quiet excluded true",
            ],
        ),
        (
            "{policy: pol, rule: one, result: pass}",
            &[
                "default/good pass true",
                "prod/bad fail false",
                "default/dep pass true",
                "default/quiet excluded true",
            ],
        ),
        ("{policy: pol, rule: none, resources: [good], result: pass}", &["default/good not found false"]),
        (
            "{policy: none, rule: one, kind: Pod, resources: [n/good], result: pass}",
            &["n/good not found false"],
        ),
        ("{policy: lax, rule: one, resources: [bad], result: warn}", &["prod/bad warn true"]),
        ("{policy: lax, resources: [bad], result: fail}", &["prod/bad warn false"]),
        ("{policy: pol, rule: change, resources: [good, bad], result: pass}", &["2 not scanned"]),
        ("{policy: gen, isGeneratingPolicy: true, resources: [good], result: pass}", &["1 not scanned"]),
        ("{policy: elsewhere, isDeletingPolicy: true, resources: [good], result: pass}", &["1 not scanned"]),
        ("{policy: payload, isValidatingPolicy: true, resources: [good], result: pass}", &["1 not scanned"]),
    ];
    for (line, expected) in cases {
        assert_eq!(told(&format!("- {line}\n")), *expected, "{line}");
    }
}

#[test]
fn values_users_and_operations_reach_the_evaluation() {
    let message = |line: &str| {
        let run = judged(&format!("- {line}\n"));
        run.checks.first().unwrap().message.clone()
    };
    assert_eq!(
        message("{policy: pol, rule: one, resources: [good], result: pass}"),
        r#"count=1 mode="dev" CREATE  Pod false {"tier":"namespace"}"#
    );
    assert_eq!(
        message("{policy: pol, rule: two, resources: [bad], result: pass}"),
        r#"count=1 each[]=["a","b"] mode="prod" only="two" CREATE  Pod false {"tier":"selector"}"#
    );
    assert_eq!(
        message("{policy: lax, rule: one, resources: [bad], result: pass, operation: DELETE}"),
        r#"count=1 mode="dev" DELETE  Pod true {"tier":"selector"}"#
    );
}

#[test]
fn a_subresource_is_matched_as_its_parent() {
    let folder = folder();
    let (_, world) = case_of(folder.path(), HEAD);
    let scale = world.subjects.iter().find(|subject| subject.id.key.kind == "Scale").unwrap();
    assert_eq!(scale.matched_as.gvk().to_string(), "apps/v1/Deployment");
    assert_eq!(scale.subresource, "scale");
}

#[test]
fn policies_that_nothing_evaluates_are_errors_and_not_silently_excluded() {
    let folder = folder();
    let policy =
        "apiVersion: policies.kyverno.io/v1\nkind: DeletingPolicy\nmetadata: {name: gone}\nspec: {}\n";
    fs::write(folder.path().join("policies.yaml"), policy).unwrap();
    fs::write(
        folder.path().join(TEST_FILE),
        format!("{HEAD}- {{policy: gone, resources: [good], result: pass}}\n"),
    )
    .unwrap();
    let file = find::find(&[folder.path().to_owned()], TEST_FILE).files.remove(0);
    let case = case::read(&file, &mut Vec::new()).remove(0);
    let world = world::World::load(&case, Timestamp::UNIX_EPOCH, None);
    let outcomes = evaluate::evaluate(
        &world,
        world.rulings.first().unwrap(),
        world.subjects.first().unwrap(),
        crate::lang::Operation::Create,
    );
    assert_eq!(outcomes.outcomes.first().unwrap().status, Status::Error, "{outcomes:?}");
}

fn settings(folder: &Path, selector: &str) -> Settings {
    Settings {
        paths: vec![folder.to_owned()],
        file_name: TEST_FILE.to_owned(),
        selector: CaseSelector::parse(selector).unwrap(),
        now: Timestamp::UNIX_EPOCH,
        registries: None,
    }
}

#[test]
fn test_files_are_found_everywhere_and_bad_ones_cost_only_themselves() {
    let folder = tempfile::tempdir().unwrap();
    let line = "results: [{policy: p, rule: r, kind: Pod, resources: [a], result: pass}]\n";
    for (name, text) in [
        ("b/.kyverno-test/kyverno-test.yaml", format!("kind: Test\npolicies: [missing.yaml]\n{line}")),
        ("a/kyverno-test.yaml", format!("kind: Test\n{line}---\nkind: Test\n{line}")),
        ("c/kyverno-test.yaml", "kind: [\n".to_owned()),
        ("d/kyverno-test.yaml", "kind: Values\n".to_owned()),
        ("e/other.yaml", line.to_owned()),
    ] {
        fs::create_dir_all(folder.path().join(name).parent().unwrap()).unwrap();
        fs::write(folder.path().join(name), text).unwrap();
    }
    let run = run(&settings(folder.path(), ""));
    let cases: Vec<String> = run
        .cases
        .iter()
        .map(|case| format!("{} {} {}", case.case, case.checks.len(), case.problems.len()))
        .collect();
    assert_eq!(cases, ["a 1 0", "a 1 0", "b/.kyverno-test 1 1", "c 0 1", "d 0 1"]);
    assert_eq!(run.exit_code(), 1);
    assert_eq!(super::run(&settings(folder.path(), "policy=q*")).cases.len(), 2);
    assert_eq!(super::run(&settings(folder.path(), "policy=p,rule=?,resource=a*")).cases.len(), 5);
    let nowhere = super::run(&settings(&folder.path().join("nowhere"), ""));
    assert_eq!((nowhere.exit_code(), nowhere.problems.len()), (2, 1));
    assert!(CaseSelector::parse("kind=Pod").is_err());
}

fn printed(write: impl FnOnce(&mut dyn std::io::Write) -> std::io::Result<()>) -> String {
    let mut bytes = Vec::new();
    write(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn results_are_printed_for_people_and_for_programs() {
    let lines = "- {policy: pol, rule: one, resources: [good, bad], result: pass}\n\
                 - {policy: pol, rule: change, resources: [good], result: pass}\n";
    let run = TestRun { cases: vec![judged(lines)], problems: Vec::new() };
    let table = printed(|out| write_table(out, &run, TableOptions::default()));
    assert_eq!(
        table,
        ".\nID   POLICY   RULE   RESOURCE           RESULT   REASON\n\
         1    pol      one    default/Pod/good   Pass     Ok\n\
         2    pol      one    prod/Pod/bad       Fail     Want pass, got fail\n\n\
         Test Summary: 1 tests passed and 1 tests failed\n\
         1 checks are no part of a scan and were not judged\n"
    );
    let options = TableOptions { is_detailed: true, is_fail_only: true, ..TableOptions::default() };
    let failing = printed(|out| write_table(out, &run, options));
    assert!(
        failing.contains("MESSAGE") && !failing.contains("good") && failing.contains("1 out of 2"),
        "{failing}"
    );

    let json = printed(|out| write_json(out, &run));
    let lines: Vec<serde_json::Value> =
        json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[1]["case"], ".");
    assert_eq!(
        (
            &lines[1]["policy"],
            &lines[1]["rule"],
            &lines[1]["kind"],
            &lines[1]["namespace"],
            &lines[1]["name"]
        ),
        (&"pol".into(), &"one".into(), &"Pod".into(), &"prod".into(), &"bad".into())
    );
    assert_eq!(
        (&lines[1]["expected"], &lines[1]["actual"], &lines[1]["ok"]),
        (&"pass".into(), &"fail".into(), &false.into())
    );
    assert_eq!(
        lines[2],
        serde_json::json!({"summary":
            {"cases": 1, "checks": 2, "passed": 1, "failed": 1, "not_scanned": 1, "errors": 0}})
    );
    let junit = junit_cases(&run);
    assert_eq!(junit.len(), 2);
    assert_eq!(junit.first().unwrap().name, "default/Pod/good");
}

#[test]
fn look_ups_find_what_the_test_brings_and_nothing_else() {
    let folder = folder();
    let cluster = "kind: ClusterResource\nspec:\n  crds: [crd.yaml]\n  resources:\n  - apiVersion: v1\n    \
                   kind: ConfigMap\n    metadata: {name: cm, namespace: ops}\n    data: {k: v}\n";
    let crd = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: oxen.x.io}\n\
               spec: {group: x.io, scope: Cluster, names: {kind: Ox, plural: oxen}}\n";
    let files = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n";
    for (name, text) in [("cluster.yaml", cluster), ("crd.yaml", crd), ("files.yaml", files)] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let mocks = "clusterResources: [cluster.yaml]\napiCallResponses:\n\
                 - {url: 'https://x/y', method: GET, response: {body: {a: 1}}}\n\
                 globalContextEntries:\n- {name: data, data: {l: {m: [1, 2]}}, \
                 projections: [{name: list, path: 'l.m[?@ > `1`]'}]}\n\
                 - {name: files, resourceFiles: [files.yaml]}\nresults: []\n";
    let (_, world) = case_of(folder.path(), &HEAD.replace("results:\n", mocks));
    let find = |key: FactKey| match &world.lookups.find(&key, &world.values).value {
        FactValue::Found(found) => found.root().to_json(),
        FactValue::Missing => "missing".to_owned(),
        FactValue::Failed { message, .. } | FactValue::Refused(message) => message.clone(),
    };
    let service = |url: &str, method: &str| FactKey::ServiceCall {
        method: method.into(),
        url: url.into(),
        body: String::new(),
        options: String::new(),
    };
    let call = |path: &str| FactKey::ApiCall { method: "GET".into(), path: path.into(), body: String::new() };
    let global = |name: &str, projection: &str| FactKey::GlobalContext {
        name: name.into(),
        projection: projection.into(),
    };
    assert_eq!(find(service("https://x/y", "GET")), r#"{"a":1}"#);
    assert_eq!(find(service("https://x/y", "POST")), "there is no response for `https://x/y`");
    assert_eq!(find(global("data", "list")), "[2]");
    assert_eq!(find(global("data", "m")), "global context entry `data` has no projection `m`");
    assert_eq!(find(global("files", "")), r#"[{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"}}]"#);
    assert_eq!(find(global("none", "")), "missing");
    assert!(find(call("/api/v1/namespaces/ops/configmaps/cm")).contains(r#""k":"v""#));
    assert_eq!(
        find(call("/apis/x.io/v1/oxen")),
        r#"{"apiVersion":"x.io/v1","items":[],"kind":"OxList","metadata":{}}"#
    );
    assert_eq!(find(FactKey::NamespaceLabels("prod".into())), r#"{"tier":"selector"}"#);
    assert_eq!(find(FactKey::NamespaceLabels("ops".into())), "missing");
    assert!(find(FactKey::Image("nginx".into())).contains("registries are not asked"));
    let (_, without) = case_of(folder.path(), HEAD);
    let fact = without.lookups.find(&call("/api/v1/pods"), &without.values);
    assert!(matches!(&fact.value, FactValue::Failed { is_transient: false, .. }));
}

#[test]
fn values_for_the_object_change_the_object() {
    let document = |json: &str| crate::document::Document::from_json(json.as_bytes()).unwrap();
    let mut given: values::Given = [
        (r#"request.object.metadata.annotations."a.b/c""#, r#""x""#),
        ("request.object.spec.n", "2"),
        ("request.operation", r#""UPDATE""#),
    ]
    .into_iter()
    .map(|(name, json)| (name.to_owned(), Arc::new(document(json))))
    .collect();
    let object = document(r#"{"metadata":{"name":"p"},"spec":{"n":1,"m":1}}"#);
    let patched = values::Values::patched(&object, &mut given).unwrap();
    assert_eq!(
        patched.root().to_json(),
        r#"{"metadata":{"annotations":{"a.b/c":"x"},"name":"p"},"spec":{"m":1,"n":2}}"#
    );
    assert_eq!(given.keys().collect::<Vec<_>>(), ["request.operation"]);
    assert_eq!(values::Values::operation(&given), Some(crate::lang::Operation::Update));
    assert!(values::Values::patched(&object, &mut given).is_none());
}

#[test]
fn what_a_policy_makes_of_a_resource_is_compared_without_what_is_empty() {
    let policy = "
apiVersion: policies.kyverno.io/v1
kind: MutatingPolicy
metadata: {name: mut}
spec:
  matchConstraints: {resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods]}]}
  mutations:
  - patchType: JSONPatch
    jsonPatch: {expression: \"[JSONPatch{op: 'replace', path: '/metadata/labels/want', value: 'this'}]\"}
";
    let pod = |want: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: a, labels: {{want: {want}}}, annotations: {{}}}}\n"
        )
    };
    for (expected, told) in [("this", "pass"), ("that", "fail")] {
        let folder = tempfile::tempdir().unwrap();
        let test = "kind: Test\npolicies: [policy.yaml]\nresources: [pod.yaml]\n\
            results: [{policy: mut, isMutatingPolicy: true, resources: [a], result: pass, patchedResources: out.yaml}]\n";
        for (name, text) in [
            ("policy.yaml", policy),
            ("pod.yaml", &pod("other")),
            ("out.yaml", &pod(expected)),
            (TEST_FILE, test),
        ] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let run = run(&settings(folder.path(), ""));
        let [check] = run.cases[0].checks.as_slice() else { panic!("{run:?}") };
        assert_eq!((check.actual.as_str(), check.is_ok), (told, told == "pass"), "{}", check.message);
    }
}
