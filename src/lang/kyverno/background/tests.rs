use super::*;
use crate::document::Document;

fn objection_to(spec: &str) -> Option<String> {
    let policy = Document::from_json(format!(r#"{{"spec":{spec}}}"#).as_bytes()).unwrap();
    let rules: Vec<Node<'_>> =
        policy.root().path(&["spec", "rules"]).into_iter().flat_map(Node::items).collect();
    objection(policy.root(), &rules)
}

fn objection_to_key(key: &str) -> Option<String> {
    let key = serde_json::to_string(key).unwrap();
    objection_to(&format!(r#"{{"rules":[{{"name":"r","preconditions":{{"all":[{{"key":{key}}}]}}}}]}}"#))
}

#[test]
fn a_policy_that_asks_for_nothing_special_is_scanned() {
    assert_eq!(
        objection_to(r#"{"rules":[{"name":"r","match":{"any":[{"resources":{"kinds":["Pod"]}}]}}]}"#),
        None
    );
    assert_eq!(objection_to(r#"{"background":true}"#), None);
}

#[test]
fn a_policy_that_switches_background_scans_off_is_not_scanned() {
    assert_eq!(objection_to(r#"{"background":false}"#).unwrap(), "`spec.background` is false");
}

#[test]
fn rules_about_users_and_every_kind_are_named() {
    assert_eq!(
        objection_to(
            r#"{"rules":[{"name":"r","match":{"any":[{"resources":{}},{"subjects":[{"kind":"User"}]}]}}]}"#
        )
        .unwrap(),
        "rule `r` needs user information: `match.any[1].subjects`"
    );
    assert_eq!(
        objection_to(r#"{"rules":[{"name":"r","exclude":{"clusterRoles":["x"]}}]}"#).unwrap(),
        "rule `r` needs user information: `exclude.clusterRoles`"
    );
    assert_eq!(
        objection_to(r#"{"rules":[{"name":"r","match":{"all":[{"resources":{"kinds":["*/*"]}}]}}]}"#)
            .unwrap(),
        "rule `r` is for every kind: `match.all[0].resources.kinds`"
    );
}

#[test]
fn variables_of_a_request_by_somebody_are_named() {
    for (key, variable) in [
        ("{{ request.userInfo.username }}", " request.userInfo.username "),
        ("{{serviceAccountName}}", "serviceAccountName"),
        ("a{{ request.roles || [] }}b", " request.roles || [] "),
        ("{{ request.object.x }}{{ length(request.clusterRoles) }}", " length(request.clusterRoles) "),
    ] {
        let expected = format!("rule `r` needs user information: `{{{{{variable}}}}}`");
        assert_eq!(objection_to_key(key).unwrap(), expected, "{key}");
    }
    for key in
        ["{{ request.object.spec.serviceAccountName }}", "serviceAccountName", r"\{{serviceAccountName}}"]
    {
        assert_eq!(objection_to_key(key), None, "{key}");
    }
}

#[test]
fn variables_that_nothing_defines_are_named() {
    assert_eq!(
        objection_to_key("{{ foo.bar }}").unwrap(),
        "rule `r` uses a variable that nothing defines: `{{ foo.bar }}`"
    );
    for key in
        ["{{ request.object.x }}", "{{ element.x }}", "{{@}}", "{{ to_upper('x') }}", "{{images.containers}}"]
    {
        assert_eq!(objection_to_key(key), None, "{key}");
    }
    let with_context = |context: &str, key: &str| {
        objection_to(&format!(
            r#"{{"rules":[{{"name":"r","context":[{context}],"preconditions":{{"all":[{{"key":"{key}"}}]}}}}]}}"#
        ))
    };
    assert_eq!(with_context(r#"{"name":"foo","variable":{}}"#, "{{ foo.bar }}"), None);
    assert_eq!(with_context(r#"{"name":"foo","configMap":{}}"#, "{{ foo.data.x }}"), None);
    assert!(with_context(r#"{"name":"foo","configMap":{}}"#, "{{ foo.bar }}").is_some());
}

#[test]
fn a_multi_select_hash_does_not_end_a_variable_early() {
    let mut variables = Vec::new();
    collect_text("x {{ foo.{a: b} }} {{ bar.{a: b}}} y", &mut variables);
    assert_eq!(variables, [" foo.{a: b} ", " bar.{a: b}"]);
}
