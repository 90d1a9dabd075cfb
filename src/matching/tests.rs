use std::collections::BTreeMap;

use super::*;
use crate::model::ResourceKey;

fn resource(api_version: &str, kind: &str, namespace: &str, name: &str) -> ResourceId {
    let gvk = Gvk::new(api_version, kind);
    let key =
        ResourceKey { group: gvk.group, kind: gvk.kind, namespace: namespace.into(), name: name.into() };
    ResourceId { key, version: gvk.version, uid: String::new() }
}

fn matches(pattern: &str, api_version: &str, kind: &str) -> bool {
    KindPattern::parse(pattern).is_kind(&Gvk::new(api_version, kind))
}

#[test]
fn kinds_are_read_as_kyverno_reads_them() {
    for (pattern, api_version, kind, expected) in [
        ("Pod", "v1", "Pod", true),
        ("pod", "v1", "Pod", false),
        ("v1/Pod", "v1", "Pod", true),
        ("v2/Pod", "v1", "Pod", false),
        ("*/Pod", "v1", "Pod", true),
        ("apps/v1/Deployment", "apps/v1", "Deployment", true),
        ("apps/v1/Deployment", "extensions/v1", "Deployment", false),
        ("apps/*/Deployment", "apps/v1beta1", "Deployment", true),
        ("*/*/Deployment", "apps/v1", "Deployment", false),
        ("v1/Deployment", "apps/v1", "Deployment", true),
        ("v1alpha1/ClusterPolicy", "wg/v1alpha1", "ClusterPolicy", true),
        ("*", "batch/v1", "Job", true),
        ("*/*", "batch/v1", "Job", true),
        ("*Set", "apps/v1", "ReplicaSet", true),
        ("*Set", "apps/v1", "Deployment", false),
        ("Pod/exec", "v1", "Pod", false),
        ("Pod.status", "v1", "Pod", false),
        ("v1/Pod/status", "v1", "Pod", false),
        ("v1/Pod.status", "v1", "Pod", false),
        ("*/scale", "apps/v1", "Deployment", false),
        ("apps/v1/Deployment/scale", "apps/v1", "Deployment", false),
        ("Pod/*", "v1", "Pod", true),
        ("*.Deployment", "apps/v1", "Deployment", true),
        ("a/b/c/d/e", "v1", "Pod", false),
        ("", "v1", "Pod", false),
    ] {
        assert_eq!(matches(pattern, api_version, kind), expected, "{pattern} on {api_version}/{kind}");
    }
}

#[test]
fn a_kind_without_subresource_means_all_of_its_subresources() {
    let of = |pattern: &str, subresource| KindPattern::parse(pattern).is_match("", "v1", "Pod", subresource);
    assert!(of("Pod", "exec"));
    assert!(of("Pod/exec", "exec"));
    assert!(!of("Pod/exec", "status"));
    assert!(of("Pod/exec", "ephemeralcontainers"));
    assert!(!KindPattern::parse("Pod/exec").can_match_objects());
    assert!(KindPattern::parse("*/*").can_match_objects());
}

#[test]
fn filters_leave_out_what_they_name() {
    let filters =
        ResourceFilters::parse("[Event,*,*][*/*,kube-system,*] [Secret, prod ,tmp-?]\n[Node]").unwrap();
    assert_eq!(filters.len(), 4);
    for (resource, expected) in [
        (resource("v1", "Event", "a", "b"), true),
        (resource("events.k8s.io/v1", "Event", "a", "b"), true),
        (resource("v1", "Pod", "kube-system", "b"), true),
        (resource("v1", "Pod", "kube-systems", "b"), false),
        (resource("v1", "Namespace", "", "kube-system"), true),
        (resource("v1", "Namespace", "", "prod"), false),
        (resource("v1", "Secret", "prod", "tmp-1"), true),
        (resource("v1", "Secret", "prod", "tmp-12"), false),
        (resource("v1", "Node", "", "n"), true),
    ] {
        assert_eq!(filters.excludes(&resource), expected, "{}", resource.key);
    }
    assert!(filters.excludes_kind(&Gvk::new("v1", "Event")));
    assert!(!filters.excludes_kind(&Gvk::new("v1", "Secret")));
}

#[test]
fn a_filter_on_names_hides_no_namespace_objects() {
    let filters = ResourceFilters::parse("[*,*,foo]").unwrap();
    assert!(!filters.excludes(&resource("v1", "Namespace", "", "bar")));
    assert!(filters.excludes(&resource("v1", "Namespace", "", "foo")));
}

#[test]
fn text_that_is_no_filter_is_refused_with_its_place() {
    let error = |text| ResourceFilters::parse(text).unwrap_err().to_string();
    assert_eq!(error("[Pod,*,*] Event"), "`Event` is not a filter of the form `[kind,namespace,name]`");
    assert_eq!(error("[Pod"), "`[Pod` is not a filter of the form `[kind,namespace,name]`");
    assert_eq!(error("[a,b,c,d]"), "`[a,b,c,d]` has more than kind, namespace and name");
    assert!(ResourceFilters::parse(" \n").unwrap().is_empty());
}

#[test]
fn the_standard_filters_leave_out_churn_and_reports() {
    let filters = ResourceFilters::standard();
    for (api_version, kind, expected) in [
        ("v1", "Event", true),
        ("coordination.k8s.io/v1", "Lease", true),
        ("discovery.k8s.io/v1", "EndpointSlice", true),
        ("apps/v1", "ReplicaSet", true),
        ("authentication.k8s.io/v1", "TokenReview", true),
        ("wgpolicyk8s.io/v1alpha2", "PolicyReport", true),
        ("openreports.io/v1alpha1", "ClusterReport", true),
        ("example.org/v1", "Report", false),
        ("v1", "Pod", false),
        ("v1", "Node", false),
    ] {
        assert_eq!(filters.excludes_kind(&Gvk::new(api_version, kind)), expected, "{api_version}/{kind}");
    }
}

fn selection(kinds: &[&str], namespace: Option<&str>) -> Selection {
    Selection {
        kinds: kinds.iter().map(|kind| KindPattern::parse(kind).kind).collect(),
        namespace: namespace.map(String::from),
    }
}

#[test]
fn the_index_answers_as_the_selections_do() {
    let selections = vec![
        selection(&["Pod"], None),
        selection(&["Pod"], Some("a")),
        selection(&["*"], Some("b")),
        selection(&["apps/v1/*"], None),
        selection(&["Namespace"], Some("a")),
    ];
    let index = Index::new(selections.clone(), BTreeMap::new());
    for resource in [
        resource("v1", "Pod", "a", "x"),
        resource("v1", "Pod", "b", "x"),
        resource("v1", "Pod", "c", "x"),
        resource("apps/v1", "Deployment", "b", "x"),
        resource("v1", "Namespace", "", "a"),
        resource("v1", "Secret", "c", "a"),
    ] {
        let expected: Vec<usize> =
            selections.iter().enumerate().filter(|(_, s)| s.selects(&resource)).map(|(at, _)| at).collect();
        for _ in 0..2 {
            let found = index.find(&resource, &|selected| selected);
            assert!(found.iter().all(|selected| selected.forms == [0]), "{found:?}");
            let policies: Vec<usize> = found.iter().map(|selected| selected.policy).collect();
            assert_eq!(policies, expected, "{}", resource.key);
        }
    }
}

#[test]
fn a_policy_judges_the_first_form_that_each_of_its_kinds_selects() {
    let forms = ["v3", "v2", "v1"].map(|version| Gvk::new(&format!("apps/{version}"), "Set"));
    let selections = vec![
        selection(&["Set"], None),
        selection(&["apps/v1/Set"], None),
        selection(&["apps/v1/Set", "Set", "apps/v2/*"], None),
        selection(&["apps/v*/Set"], Some("a")),
        selection(&["apps/v4/Set", "Pod"], None),
    ];
    let index = Index::new(selections, BTreeMap::from([(forms[0].clone(), forms[1..].to_vec())]));
    let found = |namespace: &str| {
        let found = index.find(&resource("apps/v3", "Set", namespace, "x"), &|selected| selected);
        found.iter().map(|selected| (selected.policy, selected.forms.clone())).collect::<Vec<_>>()
    };
    assert_eq!(found("a"), [(0, vec![0]), (1, vec![2]), (2, vec![0, 1, 2]), (3, vec![0])]);
    assert_eq!(found("b"), [(0, vec![0]), (1, vec![2]), (2, vec![0, 1, 2])]);
}

#[test]
fn an_index_works_out_the_answer_for_a_kind_once() {
    let index = Index::new(vec![selection(&["Pod"], None), selection(&["Pod"], Some("a"))], BTreeMap::new());
    let n_made = std::cell::Cell::new(0);
    for name in 0..100 {
        for namespace in ["a", "b", "c"] {
            index.find(&resource("v1", "Pod", namespace, &name.to_string()), &|selected| {
                n_made.set(n_made.get() + 1);
                selected
            });
        }
    }
    assert_eq!(n_made.get(), 2, "in the namespace of the one policy, and elsewhere");
}
