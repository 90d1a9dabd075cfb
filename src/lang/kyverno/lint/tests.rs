use std::fmt::Write as _;
use std::sync::Arc;

use expect_test::{Expect, expect};

use super::*;
use crate::document::Document;
use crate::model::{PolicyKey, PolicyKind};

fn yaml(text: &str) -> Document {
    serde_saphyr::with_deserializer_from_str(text, |deserializer| {
        Document::from_deserializer(deserializer, text.len())
    })
    .unwrap()
}

fn advice_on(rules: &str) -> Vec<String> {
    let document = yaml(rules);
    let rules: Vec<Node<'_>> = document.root().items().collect();
    advice(&rules).iter().map(|w| format!("{}: {}", w.path, w.message)).collect()
}

/// What is said of a policy's spec: level, field, the part of its text that is meant, and the message.
#[expect(clippy::needless_pass_by_value, reason = "what a test expects is written in the call")]
fn check(spec: &str, wanted: Expect) {
    let document = yaml(&format!("spec:\n{spec}"));
    let key = PolicyKey { kind: PolicyKind::ClusterPolicy, namespace: String::new(), name: "p".to_owned() };
    let rules: Vec<Node<'_>> =
        document.root().path(&["spec", "rules"]).into_iter().flat_map(Node::items).collect();
    let mut said = String::new();
    let source = PolicySource { key, document: Arc::new(document.clone()), origin: String::new() };
    let lint = lint(&source);
    let all = [("error", lint.errors), ("warning", lint.warnings), ("advice", advice(&rules))];
    for (level, Warning { path, part, message }) in
        all.into_iter().flat_map(|(level, all)| all.into_iter().map(move |warning| (level, warning)))
    {
        let part = part.map(|(start, end)| {
            let steps = path.split(['.', '[']).map(|step| step.trim_end_matches(']'));
            let field = steps.fold(document.root(), |node, step| match step.parse() {
                Ok(index) => node.at_index(index).unwrap(),
                Err(_) => node.get(step).unwrap(),
            });
            format!(" <{}>", field.as_str().unwrap().get(start..end).unwrap_or("behind its end"))
        });
        let _ = writeln!(said, "{level} {path}{}: {message}", part.unwrap_or_default());
    }
    wanted.assert_eq(&said);
}

#[test]
fn a_plain_rule_gets_no_advice() {
    assert_eq!(advice_on("[{name: a, match: {any: [{resources: {kinds: [Pod]}}]}}]"), [""; 0]);
}

#[test]
fn names_are_given_once() {
    assert_eq!(
        advice_on("[{name: a}, {name: b}, {name: a}, {}]"),
        [
            "spec.rules[2].name: there is another rule named `a` in front of this one",
            "spec.rules[3]: the rule has no name",
        ]
    );
}

#[test]
fn variables_that_nothing_defines_and_entries_that_nothing_uses_are_named() {
    check(
        r#"
  rules:
  - name: a
    context:
    - {name: used, variable: {value: 1}}
    - {name: chained, configMap: {name: x}}
    - {name: last, variable: {jmesPath: "chained.data.x || missing || \"\""}}
    - {name: early, variable: {jmesPath: late}}
    - {name: late, variable: {value: "{{ early }}"}}
    - {name: list, apiCall: {urlPath: "/api/{{ used }}", jmesPath: "items[0]"}}
    validate:
      message: "{{ used }} {{ unheard.of }} {{ lastly }} {{ to_upper(request.objct.kind) }}"
      foreach:
      - list: list[].x
        context:
        - {name: inner, variable: {jmesPath: element.a, value: {b: 1}}}
        - {name: idle, variable: {value: "{{ elementIndex }}"}}
        deny: {conditions: {all: [{key: "{{ inner }}", operator: Equals, value: "{{ element0.a }}"}]}}
"#,
        expect![[r#"
            advice spec.rules[0].context[2].variable.jmesPath <missing>: nothing defines the variable `missing`
            advice spec.rules[0].context[2].variable.jmesPath <"">: nothing defines the variable `""`
            advice spec.rules[0].validate.message <unheard>: nothing defines the variable `unheard`
            advice spec.rules[0].validate.message <lastly>: nothing defines the variable `lastly`
            advice spec.rules[0].validate.message <objct>: a request has no field `objct`
            advice spec.rules[0].context[2].name: nothing uses the context entry `last`
            advice spec.rules[0].validate.foreach[0].context[1].name: nothing uses the context entry `idle`
        "#]],
    );
}

#[test]
fn what_attestations_and_user_requests_have_is_no_undefined_variable() {
    check(
        r#"
  rules:
  - name: a
    match: {any: [{resources: {kinds: [Pod]}}]}
    validate:
      message: "{{ request.userInfo.username }} {{serviceAccountName}} {{images.containers}} {{@}} \\{{ escaped }}"
      assert: {"spec": {"(a)": "{{ length(@) }}"}}
    verifyImages:
    - attestations: [{conditions: [{all: [{key: "{{ builder.id }}", operator: Equals, value: x}]}]}]
"#,
        expect![],
    );
}

#[test]
fn expressions_that_do_not_compile_are_pointed_at() {
    check(
        r#"
  rules:
  - name: a
    preconditions:
      all:
      - {key: "x {{ request.object.[ }}", operator: Equals, value: "{{ lookup(request.a }}"}
      - {key: "{{ request.{{ request.name }}.no( }}", operator: Equals, value: "{{ tolower('É') }} {{ to_upper(nosuch(`1`)) }}"}
    context:
    - {name: v, variable: {jmesPath: "a b"}}
    validate:
      message: "{{ v }}"
      pattern: {"{{ request.? }}": 1}
"#,
        expect![[r"
            error spec.rules[0].preconditions.all[0].key <[>: `request.object.[` is not JMESPath: SyntaxError: Incomplete expression
            error spec.rules[0].preconditions.all[0].value <a>: `lookup(request.a` is not JMESPath: SyntaxError: Incomplete expression
            error spec.rules[0].preconditions.all[1].value <tolower>: there is no function `tolower`
            error spec.rules[0].preconditions.all[1].value <nosuch>: there is no function `nosuch`
            error spec.rules[0].context[0].variable.jmesPath <b>: `a b` is not JMESPath: SyntaxError: Unexpected token at the end of the expression: tUnquotedIdentifier
            error spec.rules[0].validate.pattern.{{ request.? }}: `request.?` is not JMESPath: SyntaxError: Unknown char: '?'
        "]],
    );
}

#[test]
fn cel_is_checked_in_rules_and_match_conditions() {
    check(
        r#"
  webhookConfiguration: {matchConditions: [{name: x, expression: "object.spec && 1"}]}
  rules:
  - name: a
    celPreconditions: [{name: y, expression: "1 + 1"}]
    validate:
      cel:
        variables: [{name: v, expression: "objct.x"}]
        expressions:
        - {expression: "variables.v.y == nosuch(1)", messageExpression: "'a' + 1"}
"#,
        expect![[r"
            error spec.rules[0].validate.cel.variables[0].expression <o>: undeclared reference to 'objct' (in container '')
            error spec.rules[0].celPreconditions[0].expression <1>: must evaluate to bool but got int
            error spec.rules[0].validate.cel.expressions[0].expression <(>: undeclared reference to 'nosuch' (in container '')
            error spec.rules[0].validate.cel.expressions[0].messageExpression <+>: found no matching overload for '_+_' applied to '(string, int)'
            error spec.webhookConfiguration.matchConditions[0].expression <1>: expected type 'bool' but found 'int'
        "]],
    );
}

#[test]
fn anchors_are_told_where_they_mean_nothing() {
    check(
        r#"
  rules:
  - name: a
    preconditions: {all: [{(key): "{{ request.operation }}", operator: NotEquals, value: DELETE}]}
    validate:
      pattern:
        metadata: {+(labels): {a: b}, =(x: 1, ~(y): 1, X(z): "null"}
        spec: {^(containers): {name: x}, ^(volumes): [], ^(a): [1], ^(b): [{c: 1}, {d: 1}], (e): [{f: 1}, {g: 1}]}
  - name: b
    validate:
      anyPattern: [{spec: {^(x): y}}]
  - name: c
    validate:
      foreach:
      - list: request.object.spec.containers
        preconditions: {all: [{key: "{{ element.a }}", operator: Equals, value: {=(x): 1}}]}
        pattern: {+(image): x}
  - name: d
    mutate: {patchStrategicMerge: {+(a): 1, (b): 1, <(c): 1, X(d): 1}}
  - name: e
    generate: {data: {spec: {(a): 1}}}
"#,
        expect![[r"
            warning spec.rules[0].preconditions.all[0].(key): `(key)` is an anchor, which conditions do not have
            warning spec.rules[0].validate.pattern.metadata.+(labels): `+()` adds what is missing and only means something in `mutate`; here the key is taken as it is
            warning spec.rules[0].validate.pattern.metadata.=(x: `=(x` begins like an anchor and does not end with a parenthesis; it is taken as it is
            warning spec.rules[0].validate.pattern.metadata.~(y): there is no anchor `~()`; the key is taken as it is
            warning spec.rules[0].validate.pattern.spec.^(containers): an existence anchor `^()` takes a list of what has to be there
            warning spec.rules[0].validate.pattern.spec.^(volumes): an existence anchor `^()` takes at least one item that has to be there
            warning spec.rules[0].validate.pattern.spec.^(a): an existence anchor `^()` takes a list of maps; other items match nothing
            warning spec.rules[0].validate.pattern.spec.(e)[1]: only the first item of a list in a pattern is looked at
            warning spec.rules[0].preconditions.all[0]: this is never met in a scan, so the rule is always skipped
            warning spec.rules[1].validate.anyPattern[0].spec.^(x): an existence anchor `^()` takes a list of what has to be there
            warning spec.rules[2].validate.foreach[0].pattern.+(image): `+()` adds what is missing and only means something in `mutate`; here the key is taken as it is
            warning spec.rules[2].validate.foreach[0].preconditions.all[0].value.=(x): `=(x)` is an anchor, which conditions do not have
            warning spec.rules[3].mutate.patchStrategicMerge.X(d): `X()` only means something in `validate`
            warning spec.rules[4].generate.data.spec.(a): `(a)` is an anchor, which an object that is made does not have
        "]],
    );
}

#[test]
fn rules_that_are_never_asked_are_named() {
    check(
        r#"
  applyRules: One
  rules:
  - name: excluded
    match: {any: [{resources: {kinds: [apps/v1/Deployment, Deployment], namespaces: [kube-system]}}]}
    exclude: {any: [{resources: {namespaces: [other]}}, {resources: {kinds: [Deployment], namespaces: ["kube-*"]}}]}
  - name: not-excluded
    match: {any: [{resources: {kinds: [Pod]}}]}
    exclude: {any: [{resources: {kinds: [Pod], names: [x]}}, {resources: {kinds: [Pod]}, subjects: [{kind: User, name: x}]}]}
  - name: always
    match: {all: [{resources: {kinds: [Pod]}}]}
    validate: {pattern: {=(spec): {^(containers): [{name: "*"}]}}}
  - name: never
    match: {any: [{resources: {kinds: [v1/Pod], operations: [CREATE]}}]}
    validate: {pattern: {a: 1}}
  - name: updates
    match: {any: [{resources: {kinds: [Service], operations: [UPDATE, DELETE]}}]}
    preconditions:
      all:
      - {key: "{{ request.object.metadata.name }}", operator: Equals, value: x}
      - {key: "{{ request.operation || 'BACKGROUND' }}", operator: AnyIn, value: [UPDATE, DELETE]}
  - name: any
    match: {any: [{resources: {kinds: [Secret]}}]}
    preconditions: {any: [{key: "{{ request.oldObject.a || '' }}", operator: Equals, value: x}, {key: a, operator: Equals, value: b}]}
  - name: sometimes
    match: {any: [{resources: {kinds: [Secret]}}]}
    preconditions: {any: [{key: a, operator: Equals, value: b}, {key: "{{ request.name }}", operator: Equals, value: b}]}
"#,
        expect![[r"
            warning spec.rules[0].exclude: `exclude` takes out everything that `match` lets in, so the rule is never asked
            warning spec.rules[3]: rule `always` always answers first, and `applyRules` is One: this rule is never asked
            warning spec.rules[4].preconditions.all[1]: this is never met in a scan, so the rule is always skipped
            warning spec.rules[5].preconditions.any: this is never met in a scan, so the rule is always skipped
            advice spec.rules[4].match: no operation here is CREATE, so the rule says nothing in a scan
        "]],
    );
}

#[test]
fn a_rule_for_other_operations_says_nothing_in_a_scan() {
    let rule = |operations: &str| {
        format!("[{{name: a, match: {{any: [{{resources: {{kinds: [Pod], operations: {operations}}}}}]}}}}]")
    };
    assert_eq!(
        advice_on(&rule("[UPDATE, DELETE]")),
        ["spec.rules[0].match: no operation here is CREATE, so the rule says nothing in a scan"]
    );
    assert_eq!(advice_on(&rule("[UPDATE, CREATE]")), [""; 0]);
    assert_eq!(advice_on(&rule("[]")), [""; 0]);
}
