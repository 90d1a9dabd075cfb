use std::sync::Arc;

use super::*;
use crate::document::Document;
use crate::gostd::wildcard::Wildcard;
use crate::model::{Gvk, PolicyKind, Severity};
use crate::policy::role_of;

fn key(name: &str) -> PolicyKey {
    PolicyKey { kind: PolicyKind::ClusterPolicy, namespace: String::new(), name: name.into() }
}

fn source(name: &str, object: &str, origin: &str) -> PolicySource {
    let document = Arc::new(Document::from_json(object.as_bytes()).unwrap());
    PolicySource { key: key(name), document, origin: origin.into() }
}

fn object(metadata: &str, message: &str, rest: &str) -> String {
    format!(
        r#"{{"metadata":{{{metadata}}},"spec":{{"rules":[{{"name":"r","match":{{"any":[{{"resources":{{"kinds":["Pod"]}}}}]}},
            "validate":{{"message":"{message}","pattern":{{"spec":{{}}}}}}}}]}}{rest}}}"#
    )
}

fn exception(namespace: &str, name: &str, policy: &str, extra: &str) -> CompanionSource {
    let text = format!(
        r#"{{"spec":{{"exceptions":[{{"policyName":"{policy}","ruleNames":["*"]}}],"match":{{"any":[]}}{extra}}}}}"#
    );
    CompanionSource {
        role: PolicyRole::Exception,
        namespace: namespace.into(),
        name: name.into(),
        document: Arc::new(Document::from_json(text.as_bytes()).unwrap()),
        origin: "exceptions.yaml:1".into(),
    }
}

fn build(objects: &[(&str, String)], exceptions: &[CompanionSource]) -> Catalog {
    let sources = objects.iter().map(|(name, object)| source(name, object, "p.yaml:1")).collect();
    Catalog::build(sources, exceptions, &CatalogSettings::default())
}

fn print_of(object: &str, exceptions: &[CompanionSource]) -> crate::model::Fingerprint {
    build(&[("p", object.to_owned())], exceptions).policies[0].fingerprint
}

#[test]
fn policies_are_sorted_and_found_by_key() {
    let catalog = build(&[("b", object("", "m", "")), ("a", object("", "m", ""))], &[]);
    let names: Vec<&str> = catalog.policies.iter().map(|p| p.key.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(catalog.get(&key("b")).unwrap().key, key("b"));
    assert!(catalog.get(&key("c")).is_none());
    assert_eq!(catalog.n_compiled, 2);
    assert_eq!(catalog.policies[0].rules, ["r", "autogen-r", "autogen-cronjob-r"]);
    assert_eq!(catalog.policies[0].standing, Standing::Scanned);
}

#[test]
fn the_fingerprint_is_over_the_meaning_only() {
    let plain = print_of(&object("", "m", ""), &[]);
    for same in [
        object(r#""resourceVersion":"7","generation":3,"uid":"x""#, "m", ""),
        object(r#""annotations":{"policies.kyverno.io/severity":"high","other":"x"}"#, "m", ""),
        object(r#""labels":{"team":"a"}"#, "m", ""),
        object("", "m", r#","status":{"ready":true,"validatingadmissionpolicy":{"generated":false}}"#),
    ] {
        assert_eq!(print_of(&same, &[]), plain, "{same}");
    }
    for other in [
        object("", "n", ""),
        object(r#""annotations":{"pod-policies.kyverno.io/autogen-controllers":"none"}"#, "m", ""),
        object(r#""labels":{"reports.kyverno.io/disabled":"x"}"#, "m", ""),
        object("", "m", r#","status":{"validatingadmissionpolicy":{"generated":true}}"#),
    ] {
        assert_ne!(print_of(&other, &[]), plain, "{other}");
    }
    assert_ne!(build(&[("q", object("", "m", ""))], &[]).policies[0].fingerprint, plain, "another name");
}

#[test]
fn only_exceptions_for_the_policy_change_its_fingerprint() {
    let plain = print_of(&object("", "m", ""), &[]);
    assert_eq!(print_of(&object("", "m", ""), &[exception("n", "e", "other", "")]), plain);
    let with = print_of(&object("", "m", ""), &[exception("n", "e", "p", "")]);
    assert_ne!(with, plain);
    let edited = exception("n", "e", "p", r#","conditions":{"any":[]}"#);
    assert_ne!(print_of(&object("", "m", ""), &[edited]), with);
    let (a, b) = (exception("n", "a", "p", ""), exception("n", "b", "p", ""));
    assert_eq!(
        print_of(&object("", "m", ""), &[a.clone(), b.clone()]),
        print_of(&object("", "m", ""), &[b, a]),
        "the order in which exceptions are met does not count"
    );
}

#[test]
fn an_unchanged_policy_keeps_its_compiled_form() {
    let before = build(&[("a", object("", "m", "")), ("b", object("", "m", ""))], &[]);
    let sources = vec![
        source("a", &object(r#""resourceVersion":"2""#, "m", ""), "p.yaml:1"),
        source("b", &object("", "changed", ""), "p.yaml:1"),
    ];
    let after = Catalog::rebuild(&before, sources, &[], &CatalogSettings::default());
    assert_eq!(after.n_compiled, 1);
    assert!(Arc::ptr_eq(&after.policies[0], &before.policies[0]));
    assert_ne!(after.policies[1].fingerprint, before.policies[1].fingerprint);
}

#[test]
fn an_edited_severity_changes_what_reports_show_and_compiles_nothing() {
    let before = build(&[("a", object("", "m", ""))], &[]);
    let metadata = r#""annotations":{"policies.kyverno.io/severity":"high","policies.kyverno.io/scored":"false",
        "policies.kyverno.io/category":"Security"}"#;
    let sources = vec![source("a", &object(metadata, "m", ""), "p.yaml:9")];
    let after = Catalog::rebuild(&before, sources, &[], &CatalogSettings::default());
    assert_eq!(after.n_compiled, 0);
    let (old, new) = (&before.policies[0], &after.policies[0]);
    assert_eq!(old.fingerprint, new.fingerprint);
    assert!(Arc::ptr_eq(&old.evaluator, &new.evaluator));
    assert_eq!(old.presentation.severity, None);
    assert!(old.presentation.is_scored);
    assert_eq!(new.presentation.severity, Some(Severity::High));
    assert_eq!(new.presentation.category.as_deref(), Some("Security"));
    assert!(!new.presentation.is_scored);
    assert_eq!(new.origin, "p.yaml:9");
}

#[test]
fn the_later_of_two_policies_with_one_identity_counts_and_the_other_is_named() {
    let sources = vec![
        source("a", &object("", "folder", ""), "folder/a.yaml:1"),
        source("a", &object("", "flag", ""), "flag.yaml:1"),
    ];
    let catalog = Catalog::build(sources, &[], &CatalogSettings::default());
    assert_eq!(catalog.policies.len(), 1);
    assert_eq!(catalog.policies[0].origin, "flag.yaml:1");
    assert_eq!(
        catalog.problems,
        [CatalogProblem::Overridden {
            key: key("a"),
            ignored: "folder/a.yaml:1".into(),
            used: "flag.yaml:1".into()
        }]
    );
}

#[test]
fn in_a_cluster_only_exceptions_of_configured_namespaces_count() {
    let exceptions = [exception("exceptions-a", "in", "p", ""), exception("elsewhere", "out", "p", "")];
    let build = |scope: &[&str]| {
        let namespaces = scope.iter().map(|pattern| Wildcard::new(pattern)).collect();
        let settings = CatalogSettings {
            exceptions: ExceptionScope::Namespaces(namespaces),
            background_only: true,
            only_labelled: false,
        };
        Catalog::build(vec![source("p", &object("", "m", ""), "cluster")], &exceptions, &settings)
    };
    let named = |catalog: &Catalog| -> Vec<String> {
        catalog
            .problems
            .iter()
            .map(|problem| match problem {
                CatalogProblem::ExceptionOutOfScope { exception, .. } => exception.clone(),
                other => panic!("{other:?}"),
            })
            .collect()
    };
    assert_eq!(named(&build(&["exceptions-*"])), ["elsewhere/out"]);
    assert_eq!(named(&build(&[])), ["exceptions-a/in", "elsewhere/out"]);
    assert_eq!(named(&build(&["*"])), Vec::<String>::new());
    assert_eq!(build(&[]).policies[0].fingerprint, print_of(&object("", "m", ""), &[]));
    assert_ne!(build(&["*"]).policies[0].fingerprint, build(&["exceptions-*"]).policies[0].fingerprint);
}

#[test]
fn an_exception_that_is_not_for_background_scans_counts_only_elsewhere() {
    let exceptions = [exception("n", "e", "p", r#","background":false"#)];
    let print = |background_only| {
        let settings = CatalogSettings { background_only, ..CatalogSettings::default() };
        let sources = vec![source("p", &object("", "m", ""), "x")];
        Catalog::build(sources, &exceptions, &settings).policies[0].fingerprint
    };
    assert_eq!(print(true), print_of(&object("", "m", ""), &[]));
    assert_ne!(print(false), print(true));
}

#[test]
fn an_exception_for_no_policy_is_named() {
    let catalog = build(&[("p", object("", "m", ""))], &[exception("n", "e", "gone", "")]);
    assert_eq!(
        catalog.problems,
        [CatalogProblem::ExceptionWithoutPolicy {
            exception: "n/e".into(),
            origin: "exceptions.yaml:1".into()
        }]
    );
}

#[test]
fn an_exception_with_unknown_fields_is_named_with_their_paths() {
    let catalog = build(&[("p", object("", "m", ""))], &[exception("n", "e", "p", r#","condition":{}"#)]);
    let [CatalogProblem::OddException { exception, warnings, .. }] = catalog.problems.as_slice() else {
        panic!("{:?}", catalog.problems)
    };
    assert_eq!((exception.as_str(), warnings[0].path.as_str()), ("n/e", "spec.condition"));
}

#[test]
fn companions_name_their_policies_each_in_its_own_way() {
    let companion = |role, spec: &str| CompanionSource {
        role,
        namespace: String::new(),
        name: "c".into(),
        document: Arc::new(Document::from_json(format!(r#"{{"spec":{spec}}}"#).as_bytes()).unwrap()),
        origin: String::new(),
    };
    let policy = |kind, namespace: &str| PolicyKey { kind, namespace: namespace.into(), name: "p".into() };
    let namespaced = companion(PolicyRole::Exception, r#"{"exceptions":[{"policyName":"ns/p"}]}"#);
    assert!(namespaced.is_for(&policy(PolicyKind::Policy, "ns")));
    assert!(!namespaced.is_for(&policy(PolicyKind::ClusterPolicy, "")));
    let wide = companion(PolicyRole::Exception, r#"{"exceptions":[{"policyName":"ns/*"}]}"#);
    assert!(wide.is_for(&policy(PolicyKind::Policy, "ns")));
    assert!(!wide.is_for(&policy(PolicyKind::ClusterPolicy, "")));
    let cel =
        companion(PolicyRole::CelException, r#"{"policyRefs":[{"name":"p","kind":"ValidatingPolicy"}]}"#);
    assert!(cel.is_for(&policy(PolicyKind::ValidatingPolicy, "")));
    assert!(!cel.is_for(&policy(PolicyKind::MutatingPolicy, "")));
    let binding =
        companion(PolicyRole::Binding(PolicyKind::ValidatingAdmissionPolicy), r#"{"policyName":"p"}"#);
    assert!(binding.is_for(&policy(PolicyKind::ValidatingAdmissionPolicy, "")));
    assert!(!binding.is_for(&policy(PolicyKind::MutatingAdmissionPolicy, "")));
}

#[test]
fn kinds_are_known_for_what_they_are_to_policies() {
    for (api_version, kind, expected) in [
        ("kyverno.io/v1", "ClusterPolicy", Some(PolicyRole::Policy(PolicyKind::ClusterPolicy))),
        ("kyverno.io/v2beta1", "Policy", Some(PolicyRole::Policy(PolicyKind::Policy))),
        (
            "policies.kyverno.io/v1",
            "ValidatingPolicy",
            Some(PolicyRole::Policy(PolicyKind::ValidatingPolicy)),
        ),
        ("kyverno.io/v2", "PolicyException", Some(PolicyRole::Exception)),
        ("policies.kyverno.io/v1beta1", "PolicyException", Some(PolicyRole::CelException)),
        ("kyverno.io/v2alpha1", "GlobalContextEntry", Some(PolicyRole::GlobalContextEntry)),
        (
            "admissionregistration.k8s.io/v1",
            "ValidatingAdmissionPolicyBinding",
            Some(PolicyRole::Binding(PolicyKind::ValidatingAdmissionPolicy)),
        ),
        ("example.org/v1", "ClusterPolicy", None),
        ("v1", "Pod", None),
    ] {
        assert_eq!(role_of(&Gvk::new(api_version, kind)), expected, "{api_version}/{kind}");
    }
}

#[test]
fn admission_policies_can_be_asked_for_their_label() {
    let kind = PolicyKind::ValidatingAdmissionPolicy;
    let source = |labels: &str| {
        let text = format!(
            r#"{{"metadata":{{"name":"p","labels":{{{labels}}}}},"spec":{{"validations":[{{"expression":"true"}}]}}}}"#
        );
        let document = Arc::new(Document::from_json(text.as_bytes()).unwrap());
        let key = PolicyKey { kind, namespace: String::new(), name: "p".into() };
        PolicySource { key, document, origin: "p.yaml:1".into() }
    };
    let binding = CompanionSource {
        role: PolicyRole::Binding(kind),
        namespace: String::new(),
        name: "b".into(),
        document: Arc::new(Document::from_json(br#"{"spec":{"policyName":"p"}}"#).unwrap()),
        origin: "p.yaml:2".into(),
    };
    let standing = |previous: &Catalog, labels: &str, only_labelled: bool| {
        let settings = CatalogSettings { only_labelled, ..CatalogSettings::default() };
        let bindings = std::slice::from_ref(&binding);
        Catalog::rebuild(previous, vec![source(labels)], bindings, &settings)
    };
    let is_scanned = |catalog: &Catalog| catalog.policies[0].standing == Standing::Scanned;
    let plain = standing(&Catalog::default(), "", false);
    assert!(is_scanned(&plain));
    let left_out = standing(&plain, "", true);
    assert!(!is_scanned(&left_out), "the setting counts though the policy is the same");
    assert!(!is_scanned(&standing(&left_out, r#""reports.kyverno.io/enabled":"no""#, true)));
    assert!(is_scanned(&standing(&left_out, r#""reports.kyverno.io/enabled":"true""#, true)));
    assert!(is_scanned(&standing(&left_out, "", false)));
    assert_eq!(standing(&left_out, "", true).n_compiled, 0);
}
