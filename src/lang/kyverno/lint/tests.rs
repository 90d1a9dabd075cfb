use super::*;
use crate::document::Document;

fn advice_on(rules: &str) -> Vec<String> {
    let document = Document::from_json(rules.as_bytes()).unwrap();
    let rules: Vec<Node<'_>> = document.root().items().collect();
    advice(&rules).iter().map(|w| format!("{}: {}", w.path, w.message)).collect()
}

#[test]
fn a_plain_rule_gets_no_advice() {
    assert_eq!(advice_on(r#"[{"name":"a","match":{"any":[{"resources":{"kinds":["Pod"]}}]}}]"#), [""; 0]);
}

#[test]
fn names_are_given_once() {
    assert_eq!(
        advice_on(r#"[{"name":"a"},{"name":"b"},{"name":"a"},{}]"#),
        [
            "spec.rules[2].name: there is another rule named `a` in front of this one",
            "spec.rules[3]: the rule has no name",
        ]
    );
}

#[test]
fn variables_that_nothing_defines_and_entries_that_nothing_uses_are_named() {
    let rules = r#"[{"name":"a","context":[{"name":"used","variable":{"value":1}},{"name":"chained","configMap":{}},
        {"name":"last","variable":{"jmesPath":"chained.data.x"}}],
        "validate":{"message":"{{ used }} {{ unheard.of }} {{ lastly }}"}}]"#;
    assert_eq!(
        advice_on(rules),
        [
            "spec.rules[0]: nothing defines the variable `{{ unheard.of }}`",
            "spec.rules[0].context[2]: nothing uses the context entry `last`",
        ]
    );
}

#[test]
fn a_rule_for_other_operations_says_nothing_in_a_scan() {
    let rule = |operations: &str| {
        format!(
            r#"[{{"name":"a","match":{{"any":[{{"resources":{{"kinds":["Pod"],"operations":{operations}}}}}]}}}}]"#
        )
    };
    assert_eq!(
        advice_on(&rule(r#"["UPDATE","DELETE"]"#)),
        ["spec.rules[0].match: no operation here is CREATE, so the rule says nothing in a scan"]
    );
    assert_eq!(advice_on(&rule(r#"["UPDATE","CREATE"]"#)), [""; 0]);
    assert_eq!(advice_on(&rule("[]")), [""; 0]);
}
