use super::*;
use crate::document::Document;
use crate::model::{Gvk, ResourceKey};

fn document(json: &str) -> Document {
    Document::from_json(json.as_bytes()).unwrap()
}

fn identity(json: &str) -> String {
    match identify(&document(json), &Scopes::builtin()) {
        Ok(id) => format!("{} {}", id.version, id.key),
        Err(error) => error.to_string(),
    }
}

#[test]
fn namespaces_follow_the_scope_of_the_kind() {
    let cases = [
        (r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"}}"#, "v1 Pod default/a"),
        (r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","namespace":"n"}}"#, "v1 Pod n/a"),
        (
            r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"a","namespace":"n"}}"#,
            "v1 Namespace a",
        ),
        (
            r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"a"}}"#,
            "v1 Deployment.apps default/a",
        ),
        (r#"{"apiVersion":"x.io/v1","kind":"Foo","metadata":{"name":"a"}}"#, "v1 Foo.x.io default/a"),
        (r#"{"apiVersion":"v1","kind":"Pod","metadata":{"generateName":"a-"}}"#, "v1 Pod default/a-"),
        (r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":""}}"#, "has no `metadata.name`"),
        (r#"{"apiVersion":"v1","kind":"Pod"}"#, "has no `metadata.name`"),
        (r#"{"apiVersion":"v1","metadata":{"name":"a"}}"#, "has no `kind`"),
        (r#"{"kind":"Pod","metadata":{"name":"a"}}"#, "has no `apiVersion`"),
    ];
    for (json, expected) in cases {
        assert_eq!(identity(json), expected, "{json}");
    }
}

#[test]
fn a_custom_resource_definition_gives_scope_plural_and_preferred_version() {
    let mut scopes = Scopes::builtin();
    let crd = document(
        r#"{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"oxen.x.io"},
        "spec":{"group":"x.io","scope":"Cluster","names":{"kind":"Ox","plural":"oxen"},"versions":[
          {"name":"v1alpha1","served":true},{"name":"v2","served":false},{"name":"v1beta2","served":true},
          {"name":"v1","served":true}]}}"#,
    );
    assert!(scopes.is_namespaced("x.io", "Ox"));
    assert!(scopes.add_crd(&crd));
    assert!(!scopes.is_namespaced("x.io", "Ox"));
    assert_eq!(scopes.plural_of(&Gvk::new("x.io/v1", "Ox")), "oxen");
    assert_eq!(scopes.kind_of_plural("x.io", "oxen"), Some("Ox"));
    assert_eq!(scopes.preferred_version("x.io", "Ox"), Some("v1"));
    assert!(!scopes.add_crd(&document(r#"{"kind":"Pod"}"#)));
}

#[test]
fn built_in_kinds_are_known_by_kind_and_by_plural() {
    let scopes = Scopes::builtin();
    for (api_version, kind, plural, is_namespaced) in [
        ("v1", "Pod", "pods", true),
        ("v1", "Endpoints", "endpoints", true),
        ("v1", "Node", "nodes", false),
        ("networking.k8s.io/v1", "Ingress", "ingresses", true),
        ("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies", true),
        ("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", false),
        ("kyverno.io/v1", "ClusterPolicy", "clusterpolicies", false),
        ("kyverno.io/v1", "Policy", "policies", true),
    ] {
        let gvk = Gvk::new(api_version, kind);
        assert_eq!(scopes.plural_of(&gvk), plural);
        assert_eq!(scopes.is_namespaced(&gvk.group, kind), is_namespaced, "{kind}");
        assert_eq!(scopes.kind_of_plural(&gvk.group, plural), Some(kind));
    }
    assert_eq!(scopes.preferred_version("autoscaling", "HorizontalPodAutoscaler"), Some("v2"));
    let events: Vec<String> = scopes.gvks_of_plural("events").map(|gvk| gvk.to_string()).collect();
    assert_eq!(events, ["v1/Event", "events.k8s.io/v1/Event"]);
}

#[test]
fn plurals_of_unknown_kinds_are_guessed_as_the_api_machinery_does() {
    for (kind, plural) in
        [("Widget", "widgets"), ("Policy", "policies"), ("Class", "classes"), ("Endpoints", "endpoints")]
    {
        assert_eq!(guess_plural(kind), plural);
    }
}

#[test]
fn a_derived_uid_is_stable_and_looks_like_one() {
    let key = |name: &str| ResourceKey {
        group: String::new(),
        kind: "Pod".into(),
        namespace: "default".into(),
        name: name.into(),
    };
    let uid = derived_uid(&key("a"));
    assert_eq!(uid, derived_uid(&key("a")));
    assert_ne!(uid, derived_uid(&key("b")));
    assert_eq!(uid.len(), 36);
    assert_eq!(uid.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
    assert_eq!(uid.chars().nth(14), Some('8'));
    assert!("89ab".contains(uid.chars().nth(19).unwrap()), "{uid}");
}

#[test]
fn an_object_without_a_namespace_is_placed_where_its_identity_says() {
    let placed_json = |text: &str| {
        let object = Document::from_json(text.as_bytes()).unwrap();
        let id = identify(&object, &Scopes::builtin()).unwrap();
        placed(object, &id).root().to_json()
    };
    for (text, expected) in [
        (
            r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","namespace":""},"spec":{"x":[1]}}"#,
            r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","namespace":"default"},"spec":{"x":[1]}}"#,
        ),
        (
            r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","namespace":"b"}}"#,
            r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","namespace":"b"}}"#,
        ),
        (
            r#"{"apiVersion":"v1","kind":"Node","metadata":{"name":"a"}}"#,
            r#"{"apiVersion":"v1","kind":"Node","metadata":{"name":"a"}}"#,
        ),
    ] {
        assert_eq!(placed_json(text), expected);
    }
}
