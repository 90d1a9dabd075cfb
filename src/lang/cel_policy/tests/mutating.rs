//! Dry patches: what they say, what they read, and what they make of an object.

use serde_json::{Value, json};

use super::{POD, companion, document, policy, run, source, told, validating};
use crate::document::{Part, Parts};
use crate::lang::{Companions, compile};
use crate::model::{FactKey, PolicyKind, Status};
use crate::policy::{PolicyRole, Standing};

const NOT_APPLIED: &str = "mutation is not applied";

fn apply(expression: &str) -> String {
    format!(
        r#""mutations":[{{"patchType":"ApplyConfiguration","applyConfiguration":{{"expression":{}}}}}]"#,
        json!(expression)
    )
}

fn patch(expressions: &[&str]) -> String {
    let mutations = expressions
        .iter()
        .map(|expression| json!({"patchType": "JSONPatch", "jsonPatch": {"expression": expression}}));
    format!(r#""mutations":{}"#, Value::Array(mutations.collect()))
}

fn mutating(rest: &str) -> crate::lang::Compiled {
    policy(PolicyKind::MutatingPolicy, &validating(rest), &[])
}

#[test]
fn an_object_that_a_policy_would_change_fails_and_one_that_it_would_not_passes() {
    for (mutations, expected) in [
        (apply("Object{spec: Object.spec{hostNetwork: true}}"), ("", Status::Pass, "success")),
        (apply("Object{spec: Object.spec{hostNetwork: false}}"), ("", Status::Fail, NOT_APPLIED)),
        (apply("Object{}"), ("", Status::Pass, "success")),
        (
            patch(&["[JSONPatch{op: 'add', path: '/metadata/labels/app', value: 'web'}]"]),
            ("", Status::Pass, "success"),
        ),
        (
            patch(&["[JSONPatch{op: 'add', path: '/metadata/labels/tier', value: 'x'}]"]),
            ("", Status::Fail, NOT_APPLIED),
        ),
        // A test that finds something else is no failure: nothing is applied.
        (
            patch(&[
                "[JSONPatch{op: 'test', path: '/kind', value: 'Job'}, JSONPatch{op: 'remove', path: '/spec'}]",
            ]),
            ("", Status::Pass, "success"),
        ),
        // What one mutation does, the next one sees and may undo.
        (
            patch(&[
                "[JSONPatch{op: 'add', path: '/metadata/labels/a', value: 'b'}]",
                "[JSONPatch{op: 'remove', path: '/metadata/labels/' + (has(object.metadata.labels.a) ? 'a' : 'c')}]",
            ]),
            ("", Status::Pass, "success"),
        ),
        (
            patch(&["[JSONPatch{op: 'remove', path: '/metadata/annotations'}]"]),
            (
                "evaluation",
                Status::Error,
                "failed to evaluate policy: JSON Patch: error in remove for path: '/metadata/annotations': Unable to \
                 remove nonexistent key: annotations: missing value",
            ),
        ),
        (
            apply("Object{spec: Object.spec{tolerations: []}}"),
            (
                "evaluation",
                Status::Error,
                "failed to evaluate policy: error applying patch: invalid ApplyConfiguration: may not mutate atomic \
                 arrays, maps or structs: .spec.tolerations",
            ),
        ),
        (
            apply("Object{spec: Object.wrong{}}"),
            (
                "evaluation",
                Status::Error,
                "failed to evaluate policy: type mismatch: unexpected type name \"Object.wrong\", expected \
                 \"Object.spec\", which matches field name path from root Object type",
            ),
        ),
    ] {
        assert_eq!(told(&run(&mutating(&mutations), POD, &[])), [expected], "{mutations}");
    }
}

#[test]
fn conditions_that_do_not_hold_give_a_skip() {
    let mutations = apply("Object{metadata: Object.metadata{labels: {'a': 'b'}}}");
    for (condition, failure, expected) in [
        ("object.metadata.name == 'a'", "Fail", ("", Status::Fail, NOT_APPLIED)),
        ("object.metadata.name == 'b'", "Fail", ("", Status::Skip, "skip")),
        (
            "object.metadata.missing == 'b'",
            "Fail",
            ("evaluation", Status::Error, "failed to evaluate policy: no such key: missing"),
        ),
        ("object.metadata.missing == 'b'", "Ignore", ("", Status::Skip, "skip")),
    ] {
        let rest = format!(
            r#""failurePolicy":"{failure}","matchConditions":[{{"name":"c","expression":"{condition}"}}],{mutations}"#
        );
        assert_eq!(told(&run(&mutating(&rest), POD, &[])), [expected], "{condition} with {failure}");
    }
}

#[test]
fn what_a_patch_does_not_name_is_not_noted_as_read() {
    let reads = |rest: &str| run(&mutating(rest), POD, &[]).parts;
    let parts = |list: &[Part]| list.iter().fold(Parts::NONE, |all, part| all.union(Parts::of(*part)));
    for (mutations, expected) in [
        (apply("Object{}"), parts(&[])),
        (apply("Object{metadata: Object.metadata{labels: {'a': 'b'}}}"), parts(&[Part::Labels])),
        (
            apply(
                "Object{metadata: Object.metadata{labels: {'a': 'b'}}, spec: Object.spec{hostNetwork: true}}",
            ),
            parts(&[Part::Labels, Part::Spec]),
        ),
        (
            patch(&["[JSONPatch{op: 'copy', from: '/spec/hostNetwork', path: '/metadata/annotations'}]"]),
            parts(&[Part::Annotations, Part::Spec]),
        ),
        (patch(&["[JSONPatch{op: 'test', path: '/metadata', value: 1}]"]), Parts::METADATA),
        (patch(&["[JSONPatch{op: 'test', path: '', value: 1}]"]), Parts::ALL),
        // The second mutation looks at the changed copy: the same parts of the resource are behind it.
        (
            patch(&[
                "[JSONPatch{op: 'add', path: '/metadata/labels/a', value: 'b'}]",
                "[JSONPatch{op: 'add', path: '/metadata/labels/c', value: object.status.phase}]",
            ]),
            parts(&[Part::Labels, Part::Status]),
        ),
    ] {
        assert_eq!(reads(&mutations), expected, "{mutations}");
    }
}

#[test]
fn pod_policies_patch_the_templates_of_controllers() {
    let template =
        r#"{"metadata":{"labels":{"app":"web"}},"spec":{"hostNetwork":true,"containers":[{"name":"c"}]}}"#;
    let deployment = format!(
        r#"{{"apiVersion":"apps/v1","kind":"Deployment","metadata":{{"name":"d","namespace":"prod"}},
        "spec":{{"template":{template}}}}}"#
    );
    let cron_job = format!(
        r#"{{"apiVersion":"batch/v1","kind":"CronJob","metadata":{{"name":"c","namespace":"prod"}},
        "spec":{{"jobTemplate":{{"spec":{{"template":{template}}}}}}}}}"#
    );
    for (mutations, is_applied) in [
        (apply("object.spec.hostNetwork ? Object{spec: Object.spec{hostNetwork: true}} : Object{}"), true),
        (apply("Object{metadata: Object.metadata{labels: Object.metadata.labels{app: 'web'}}}"), true),
        (apply("Object{metadata: Object.metadata{labels: Object.metadata.labels{app: 'db'}}}"), false),
        (
            apply("Object{spec: Object.spec{containers: [Object.spec.containers{name: 'c', image: 'x'}]}}"),
            false,
        ),
        (patch(&["[JSONPatch{op: 'add', path: '/spec/hostNetwork', value: object.spec.hostNetwork}]"]), true),
        (patch(&["[JSONPatch{op: 'add', path: '/metadata/labels/x', value: object.metadata.name}]"]), false),
    ] {
        let expected =
            if is_applied { ("", Status::Pass, "success") } else { ("", Status::Fail, NOT_APPLIED) };
        for object in [&deployment, &cron_job] {
            assert_eq!(told(&run(&mutating(&mutations), object, &[])), [expected], "{mutations}");
        }
    }
}

#[test]
fn exceptions_variables_and_annotations_apply() {
    let rest = format!(
        r#""variables":[{{"name":"wanted","expression":"object.metadata.labels.app"}}],
        "auditAnnotations":[{{"key":"app","valueExpression":"string(variables.wanted)"}}],{}"#,
        apply("Object{metadata: Object.metadata{labels: {'app': variables.wanted}}}")
    );
    let passed = run(&mutating(&rest), POD, &[]);
    assert_eq!(told(&passed), [("", Status::Pass, "success")]);
    assert_eq!(passed.outcomes[0].properties["app"], "web");
    let exception = companion(
        PolicyRole::CelException,
        "ex",
        r#"{"spec":{"policyRefs":[{"name":"p","kind":"MutatingPolicy"}]}}"#,
    );
    let skipped = policy(PolicyKind::MutatingPolicy, &validating(&rest), &[exception]);
    let expected = ("exception", Status::Skip, "rule is skipped due to policy exception: ex");
    assert_eq!(told(&run(&skipped, POD, &[])), [expected]);
}

#[test]
fn a_policy_may_replace_what_is_atomic_if_it_says_so() {
    let rest = format!(
        r#""evaluation":{{"useServerSideApply":true}},{}"#,
        apply("Object{spec: Object.spec{tolerations: [Object.spec.tolerations{key: 'k'}]}}")
    );
    assert_eq!(told(&run(&mutating(&rest), POD, &[])), [("", Status::Fail, NOT_APPLIED)]);
}

#[test]
fn policies_that_mutate_existing_resources_judge_these() {
    let rest = |targets: &str| {
        format!(
            r#""targetMatchConstraints":{{{targets}}},"targetMatchConditions":[{{"name":"c","expression":
            "object.metadata.name != 'x'"}}],{}"#,
            apply("Object{metadata: Object.metadata{labels: {'a': 'b'}}}")
        )
    };
    let rules = r#""resourceRules":[{"apiGroups":[""],"apiVersions":["v1"],"operations":["CREATE"],"resources":
        ["configmaps"]}]"#;
    let compiled = mutating(&rest(rules));
    assert_eq!(compiled.standing, Standing::Scanned);
    assert!(run(&compiled, POD, &[]).outcomes.is_empty(), "the trigger");
    let config = |name: &str| {
        format!(
            r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}","namespace":"prod"}}}}"#
        )
    };
    assert_eq!(told(&run(&compiled, &config("a"), &[])), [("", Status::Fail, NOT_APPLIED)]);
    assert_eq!(told(&run(&compiled, &config("x"), &[])), [("", Status::Skip, "skip")]);
    let computed = mutating(&rest(r#""expression":"resource.get('v1','configmaps','a','b')""#));
    assert!(matches!(computed.standing, Standing::NotScanned { .. }));
}

#[test]
fn a_namespaced_policy_patches_its_namespace_alone() {
    let spec = validating(&apply("Object{metadata: Object.metadata{labels: {'a': 'b'}}}"));
    for (namespace, n_outcomes) in [("prod", 1), ("test", 0)] {
        let source = source(PolicyKind::NamespacedMutatingPolicy, namespace, &spec);
        let compiled = compile(&source, &Companions::default());
        assert_eq!(run(&compiled, POD, &[]).outcomes.len(), n_outcomes, "{namespace}");
    }
}

#[test]
fn bindings_of_an_admission_policy_apply_one_after_the_other() {
    let spec = validating(&format!(
        r#""paramKind":{{"apiVersion":"v1","kind":"ConfigMap"}},{}"#,
        patch(&[
            "[JSONPatch{op: 'add', path: '/metadata/labels/' + params.data.key, value: params.data.value}]"
        ])
    ));
    let role = PolicyRole::Binding(PolicyKind::MutatingAdmissionPolicy);
    let binding = |name: &str| {
        let text = format!(r#"{{"spec":{{"policyName":"p","paramRef":{{"name":"{name}"}}}}}}"#);
        companion(role, name, &text)
    };
    let compiled = policy(
        PolicyKind::MutatingAdmissionPolicy,
        &spec,
        &[binding("app"), binding("gone"), binding("tier"), binding("tier-again")],
    );
    assert_eq!(compiled.standing, Standing::Scanned);
    let params = |name: &str| FactKey::Objects {
        group: String::new(),
        version: "v1".to_owned(),
        kind: "ConfigMap".to_owned(),
        namespace: "prod".to_owned(),
        name: name.to_owned(),
        selector: String::new(),
    };
    let tier = r#"{"data":{"key":"tier","value":"x"}}"#;
    let facts = [
        (params("app"), r#"{"data":{"key":"app","value":"web"}}"#),
        (params("tier"), tier),
        (params("tier-again"), tier),
    ];
    let run = run(&compiled, POD, &facts);
    assert_eq!(
        told(&run),
        [
            ("p", Status::Pass, "mutation is successfully applied"),
            (
                "p",
                Status::Error,
                "failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction"
            ),
            ("p", Status::Fail, NOT_APPLIED),
            // It does not change what the binding before it has made of the object.
            ("p", Status::Pass, "mutation is successfully applied"),
        ]
    );
    let names: Vec<&str> = run.outcomes.iter().map(|o| o.properties["mapBinding"].as_str()).collect();
    assert_eq!(names, ["app", "gone", "tier", "tier-again"]);
}

#[test]
fn literals_in_literals_are_understood_of_kyverno_policies_alone() {
    let list =
        "[JSONPatch{op: 'add', path: '/spec/tolerations', value: [Object.spec.tolerations{key: 'a'}]}]";
    let nested = "Object{spec: Object.spec{containers: [{'name': 'c', 'image': 'nginx:1'}]}}";
    for (rest, expected) in [(patch(&[list]), NOT_APPLIED), (apply(nested), "success")] {
        assert_eq!(run(&mutating(&rest), POD, &[]).outcomes[0].message, expected);
        let compiled = policy(PolicyKind::MutatingAdmissionPolicy, &validating(&rest), &[]);
        assert_eq!(run(&compiled, POD, &[]).outcomes[0].status, Status::Error, "{rest}");
    }
}

#[test]
fn admission_policies_know_patch_types_in_mutations_alone() {
    let object = "Object{metadata: Object.metadata{labels: {'app': 'web'}}}";
    for (rest, expected) in [
        (apply(object), ("p", Status::Pass, "mutation is successfully applied")),
        (
            format!(
                r#""matchConditions":[{{"name":"c","expression":"object.metadata.name == 'b'"}}],{}"#,
                apply(object)
            ),
            ("p", Status::Skip, "match conditions aren't met"),
        ),
    ] {
        let compiled = policy(PolicyKind::MutatingAdmissionPolicy, &validating(&rest), &[]);
        assert!(matches!(compiled.standing, Standing::NotScanned { .. }), "no binding");
        assert_eq!(told(&run(&compiled, POD, &[])), [expected], "{rest}");
    }
    for rest in [
        format!(r#""variables":[{{"name":"x","expression":"{object}"}}],{}"#, apply("variables.x")),
        apply("Object.spec{hostNetwork: true}"),
        patch(&["[]"]),
    ] {
        let compiled = policy(PolicyKind::MutatingAdmissionPolicy, &validating(&rest), &[]);
        let run = run(&compiled, POD, &[]);
        assert!(run.outcomes[0].message.starts_with("the policy is not valid"), "{:?}", run.outcomes);
    }
}

#[test]
fn an_admission_policy_that_kyverno_generated_is_not_reported_beside_its_source() {
    let text = r#"{"metadata":{"name":"p","ownerReferences":[
        {"apiVersion":"policies.kyverno.io/v1","kind":"MutatingPolicy","name":"q"}]},"spec":{}}"#;
    let mut source = source(PolicyKind::MutatingAdmissionPolicy, "", "{}");
    source.document = document(text);
    let reason = "it was generated from MutatingPolicy q, which is evaluated".to_owned();
    assert_eq!(compile(&source, &Companions::default()).standing, Standing::NotScanned { reason });
}
