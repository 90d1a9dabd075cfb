use std::collections::BTreeMap;

use jiff::Timestamp;

use super::*;
use crate::lang::{self, Request};
use crate::matching::KindPattern;
use crate::model::{Gvk, PolicyKind, ResourceId, ResourceKey};
use crate::policy::CompanionSource;

fn key(namespace: &str) -> PolicyKey {
    let kind = if namespace.is_empty() { PolicyKind::ClusterPolicy } else { PolicyKind::Policy };
    PolicyKey { kind, namespace: namespace.into(), name: "p".into() }
}

fn compile_with(namespace: &str, policy: &str, exceptions: &[CompanionSource]) -> Compiled {
    let document = Arc::new(Document::from_json(policy.as_bytes()).unwrap());
    let source = PolicySource { key: key(namespace), document, origin: "test".into() };
    let exceptions: Vec<&CompanionSource> = exceptions.iter().collect();
    lang::compile(&source, &Companions { sources: &exceptions })
}

fn compile_spec(spec: &str) -> Compiled {
    compile_with("", &format!(r#"{{"spec":{spec}}}"#), &[])
}

fn exception(name: &str, rules: &str, matches: &str, extra: &str) -> CompanionSource {
    let text = format!(
        r#"{{"spec":{{"exceptions":[{{"policyName":"p","ruleNames":[{rules}]}}],"match":{matches}{extra}}}}}"#
    );
    CompanionSource {
        role: PolicyRole::Exception,
        namespace: "team".into(),
        name: name.into(),
        document: Arc::new(Document::from_json(text.as_bytes()).unwrap()),
        origin: "test".into(),
    }
}

/// The outcomes on an object of that kind, as `rule status`.
fn outcomes(compiled: &Compiled, api_version: &str, kind: &str, namespace: &str) -> Vec<Outcome> {
    let gvk = Gvk::new(api_version, kind);
    let spec = match kind {
        "Pod" => r#"{"hostNetwork":true}"#,
        "CronJob" => r#"{"jobTemplate":{"spec":{"template":{"spec":{"hostNetwork":true}}}}}"#,
        _ => r#"{"template":{"spec":{"hostNetwork":true}}}"#,
    };
    let object = format!(
        r#"{{"apiVersion":"{api_version}","kind":"{kind}","metadata":{{"name":"x","namespace":"{namespace}"}},"spec":{spec}}}"#
    );
    let object = Document::from_json(object.as_bytes()).unwrap();
    let key = ResourceKey { group: gvk.group, kind: gvk.kind, namespace: namespace.into(), name: "x".into() };
    let id = ResourceId { key, version: gvk.version, uid: String::new() };
    let (request, facts) = (Request::scan(), BTreeMap::new());
    let inputs = Inputs::new(&id, &object, &request, &facts, Timestamp::UNIX_EPOCH);
    match compiled.evaluator.evaluate(&inputs) {
        Evaluation::Done(outcomes) => outcomes,
        Evaluation::Needs(facts) => panic!("needs {facts:?}"),
    }
}

fn rules_on(compiled: &Compiled, api_version: &str, kind: &str) -> Vec<String> {
    outcomes(compiled, api_version, kind, "default").into_iter().map(|outcome| outcome.rule).collect()
}

fn rule(name: &str, kinds: &str, extra: &str) -> String {
    format!(
        r#"{{"name":"{name}","match":{{"any":[{{"resources":{{"kinds":[{kinds}]}}}}]}}{extra},
            "validate":{{"pattern":{{"spec":{{"hostNetwork":"false"}}}}}}}}"#
    )
}

#[test]
fn rules_are_asked_in_order_and_controllers_get_the_derived_ones() {
    let compiled = compile_spec(&format!(
        r#"{{"rules":[{},{}]}}"#,
        rule("b", r#""Pod""#, ""),
        rule("a", r#""Pod""#, "")
    ));
    assert_eq!(
        compiled.rules,
        ["b", "a", "autogen-b", "autogen-cronjob-b", "autogen-a", "autogen-cronjob-a"]
    );
    assert_eq!(rules_on(&compiled, "v1", "Pod"), ["b", "a"]);
    assert_eq!(rules_on(&compiled, "apps/v1", "Deployment"), ["autogen-b", "autogen-a"]);
    assert_eq!(rules_on(&compiled, "batch/v1", "CronJob"), ["autogen-cronjob-b", "autogen-cronjob-a"]);
    assert_eq!(rules_on(&compiled, "batch.volcano.sh/v1", "Job"), Vec::<String>::new());
    assert_eq!(rules_on(&compiled, "v1", "Service"), Vec::<String>::new());
}

#[test]
fn the_selection_is_the_kinds_of_all_rules() {
    let compiled = compile_spec(&format!(
        r#"{{"rules":[{},{}]}}"#,
        rule("a", r#""Secret","v1/ConfigMap""#, ""),
        rule("b", r#""Secret""#, "")
    ));
    let expected: Vec<_> = ["Secret", "v1/ConfigMap"].map(|kind| KindPattern::parse(kind).kind).into();
    assert_eq!(compiled.selection, Selection { kinds: expected, namespace: None });
}

#[test]
fn an_excluded_object_gets_no_outcome() {
    let exclude = r#","exclude":{"any":[{"resources":{"namespaces":["kube-*"]}}]}"#;
    let compiled = compile_spec(&format!(r#"{{"rules":[{}]}}"#, rule("a", r#""Pod""#, exclude)));
    assert_eq!(outcomes(&compiled, "v1", "Pod", "default").len(), 1);
    assert_eq!(outcomes(&compiled, "v1", "Pod", "kube-system"), []);
}

#[test]
fn a_namespaced_policy_is_about_its_namespace_only() {
    let policy = format!(r#"{{"spec":{{"rules":[{}]}}}}"#, rule("a", r#""Pod""#, ""));
    let compiled = compile_with("team-a", &policy, &[]);
    assert_eq!(compiled.selection.namespace.as_deref(), Some("team-a"));
    assert_eq!(outcomes(&compiled, "v1", "Pod", "team-a").len(), 1);
    assert_eq!(outcomes(&compiled, "v1", "Pod", "team-b"), []);
}

#[test]
fn an_exception_skips_the_rules_that_it_names_and_says_so() {
    let policy =
        format!(r#"{{"spec":{{"rules":[{},{}]}}}}"#, rule("a", r#""Pod""#, ""), rule("b", r#""Pod""#, ""));
    let all_pods = r#"{"any":[{"resources":{"kinds":["Pod"]}}]}"#;
    let elsewhere = r#"{"any":[{"resources":{"kinds":["Pod"],"namespaces":["x"]}}]}"#;
    let exceptions = [
        exception("first", r#""a*""#, all_pods, ""),
        exception("other", r#""*""#, elsewhere, ""),
        exception("second", r#""a""#, all_pods, ""),
    ];
    let compiled = compile_with("", &policy, &exceptions);
    let outcomes = outcomes(&compiled, "v1", "Pod", "default");
    let [a, b] = outcomes.as_slice() else { panic!("{outcomes:?}") };
    assert_eq!((a.rule.as_str(), a.status), ("a", Status::Skip));
    assert_eq!(a.message, "rule is skipped due to policy exceptionsteam/first, team/second");
    assert_eq!(a.properties.get("exceptions").unwrap(), "first,second");
    assert_ne!(b.status, Status::Skip);
    assert_eq!(b.properties.get("exceptions"), None);
}

#[test]
fn an_exception_names_derived_rules_by_their_own_names() {
    let policy = format!(r#"{{"spec":{{"rules":[{}]}}}}"#, rule("a", r#""Pod""#, ""));
    let deployments = r#"{"any":[{"resources":{"kinds":["Deployment"]}}]}"#;
    let status = |rules: &str| {
        let compiled = compile_with("", &policy, &[exception("e", rules, deployments, "")]);
        outcomes(&compiled, "apps/v1", "Deployment", "default").first().unwrap().status
    };
    assert_ne!(status(r#""a""#), Status::Skip);
    assert_eq!(status(r#""autogen-a""#), Status::Skip);
    assert_eq!(status(r#""*a""#), Status::Skip);
}

#[test]
fn own_rules_named_like_derived_ones_do_not_apply_where_rules_are_derived() {
    let spec = format!(
        r#"{{"rules":[{},{}]}}"#,
        rule("a", r#""Pod""#, ""),
        rule("autogen-b", r#""Deployment""#, "")
    );
    let compiled = compile_spec(&spec);
    assert_eq!(rules_on(&compiled, "apps/v1", "Deployment"), ["autogen-a"]);
}

#[test]
fn a_policy_without_judging_rules_is_not_scanned() {
    let compiled =
        compile_spec(r#"{"rules":[{"name":"m","match":{"resources":{"kinds":["Pod"]}},"mutate":{}}]}"#);
    let reason = "none of its rules validates or verifies images".to_owned();
    assert_eq!(compiled.standing, Standing::NotScanned { reason });
    assert_eq!(compiled.selection, Selection::default());
    assert_eq!(outcomes(&compiled, "v1", "Pod", "default"), []);
}

#[test]
fn a_label_switches_reports_off_and_a_field_only_background_scans() {
    let rules = rule("a", r#""Pod""#, "");
    let disabled = format!(
        r#"{{"metadata":{{"labels":{{"reports.kyverno.io/disabled":""}}}},"spec":{{"rules":[{rules}]}}}}"#
    );
    let reason = "it has the label `reports.kyverno.io/disabled`".to_owned();
    assert_eq!(compile_with("", &disabled, &[]).standing, Standing::NotScanned { reason });
    let admission = compile_spec(&format!(r#"{{"background":false,"rules":[{rules}]}}"#));
    let reason = "`spec.background` is false".to_owned();
    assert_eq!(admission.standing, Standing::FolderOnly { reason });
    assert_eq!(compile_spec(&format!(r#"{{"rules":[{rules}]}}"#)).standing, Standing::Scanned);
}

#[test]
fn a_mistyped_rule_is_an_error_of_that_rule_only() {
    let bad =
        r#"{"name":"bad","match":{"any":[{"resources":{"kinds":["Secret"]}}]},"validate":{"message":7}}"#;
    let compiled = compile_spec(&format!(r#"{{"rules":[{bad},{}]}}"#, rule("good", r#""Secret""#, "")));
    let outcomes = outcomes(&compiled, "v1", "Secret", "default");
    assert_eq!(
        outcomes[0],
        Outcome::new(
            "bad",
            Status::Error,
            "the policy is not valid: `spec.rules[0].validate.message`: this is not a string"
        )
    );
    assert_eq!(outcomes[1].rule, "good");
    assert!(!outcomes[1].message.contains("not valid"));
    assert_eq!(compiled.warnings.len(), 1);
}

#[test]
fn match_conditions_of_the_webhook_decide_whether_a_policy_says_anything() {
    let spec = |expression: &str| {
        let condition = format!(r#"{{"name":"c","expression":"{expression}"}}"#);
        let rules = rule("a", r#""Pod""#, "");
        format!(r#"{{"webhookConfiguration":{{"matchConditions":[{condition}]}},"rules":[{rules}]}}"#)
    };
    for (expression, n_outcomes) in
        [("true", 1), ("false", 0), ("object.kind == 'Pod'", 1), ("object.metadata.missing == 'a'", 0)]
    {
        let outcomes = outcomes(&compile_spec(&spec(expression)), "v1", "Pod", "default");
        assert_eq!(outcomes.len(), n_outcomes, "{expression}");
    }
    let outcomes = outcomes(&compile_spec(&spec("object.")), "v1", "Pod", "default");
    assert_eq!(outcomes[0].status, Status::Error);
    assert!(outcomes[0].message.contains("matchConditions[0].expression"), "{}", outcomes[0].message);
}

#[test]
fn subresources_and_unknown_fields_are_warnings_with_their_paths() {
    let compiled = compile_spec(&format!(r#"{{"rulez":[],"rules":[{}]}}"#, rule("a", r#""Pod/exec""#, "")));
    let warnings: Vec<String> =
        compiled.warnings.iter().map(|w| format!("{}: {}", w.path, w.message)).collect();
    assert_eq!(
        warnings,
        [
            "spec.rules[0].match: the rule matches no kind of object, so it says nothing in a scan",
            "spec.rulez: Kyverno knows no field `rulez` here",
        ]
    );
}

#[test]
fn whatever_stands_in_a_policy_compiling_and_asking_does_not_panic() {
    for policy in [
        "null",
        "[]",
        "{}",
        r#"{"spec":7}"#,
        r#"{"spec":{"rules":{}}}"#,
        r#"{"spec":{"rules":[null,1,"x",[],{}]}}"#,
        r#"{"spec":{"rules":[{"validate":{}}]}}"#,
        r#"{"spec":{"rules":[{"name":"a","match":[],"exclude":"x","validate":[]}]}}"#,
        r#"{"spec":{"rules":[{"name":"a","match":{"any":{"resources":[]}},"validate":{"pattern":null}}]}}"#,
    ] {
        let compiled = compile_with("", policy, &[]);
        outcomes(&compiled, "v1", "Pod", "default");
    }
}

/// Numbers from a seed (xorshift), so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % below as u64).unwrap()
    }

    fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.roll(words.len())]
    }

    /// A JSON value out of the words that policies are made of; lists and maps get rarer with depth.
    fn json(&mut self, depth: usize) -> String {
        const KEYS: [&str; 34] = [
            "name",
            "match",
            "exclude",
            "any",
            "all",
            "resources",
            "kinds",
            "names",
            "namespaces",
            "selector",
            "matchLabels",
            "matchExpressions",
            "key",
            "operator",
            "value",
            "values",
            "validate",
            "pattern",
            "anyPattern",
            "deny",
            "conditions",
            "foreach",
            "list",
            "context",
            "variable",
            "jmesPath",
            "configMap",
            "preconditions",
            "message",
            "(image)",
            "=(spec)",
            "X(a)",
            "^(b)",
            "<(c)",
        ];
        const WORDS: [&str; 20] = [
            "Pod",
            "*",
            "v1/Pod",
            "a-*",
            "In",
            "Equals",
            "AnyIn",
            "GreaterThan",
            "{{ request.object.spec }}",
            "{{request.object.metadata.name}}",
            "{{ element.x || `1` }}",
            "{{",
            "}}",
            "$(./../a)",
            "1-5",
            ">1Gi",
            "!x|y",
            "request.object.spec.containers",
            "elementIndex",
            "",
        ];
        let kind = if depth == 0 { self.roll(4) } else { self.roll(10) };
        match kind {
            0 => "null".to_owned(),
            1 => self.pick(&["true", "false", "-1", "7", "1.5", "1e30"]).to_owned(),
            2 | 3 => serde_json::to_string(self.pick(&WORDS)).unwrap(),
            4 | 5 => {
                let items: Vec<String> = (0..self.roll(4)).map(|_| self.json(depth - 1)).collect();
                format!("[{}]", items.join(","))
            }
            _ => {
                let fields: Vec<String> = (0..self.roll(6))
                    .map(|_| format!("\"{}\":{}", self.pick(&KEYS), self.json(depth - 1)))
                    .collect();
                format!("{{{}}}", fields.join(","))
            }
        }
    }
}

/// A policy with one rule; where the dice say so, `match` is made of words too.
fn random_spec(dice: &mut Dice) -> String {
    let matches = match dice.roll(3) {
        0 => dice.json(5),
        _ => r#"{"any":[{"resources":{"kinds":["Pod"]}}]}"#.to_owned(),
    };
    let body = dice.pick(&["pattern", "anyPattern", "deny", "foreach"]);
    let mut maybe = |depth| if dice.roll(2) == 0 { "null".to_owned() } else { dice.json(depth) };
    let (preconditions, context) = (maybe(4), maybe(4));
    format!(
        r#"{{"rules":[{{"name":"r","match":{matches},"preconditions":{preconditions},"context":{context},
            "validate":{{"message":{},"{body}":{}}}}}]}}"#,
        dice.json(0),
        dice.json(6),
    )
}

/// What a policy says about an object whose spec is made of words; nothing if it asks for facts.
fn judged(compiled: &Compiled, api_version: &str, kind: &str, spec: &str) -> Vec<Outcome> {
    let object = format!(
        r#"{{"apiVersion":"{api_version}","kind":"{kind}","metadata":{{"name":"x","namespace":"y"}},"spec":{spec}}}"#
    );
    let object = Document::from_json(object.as_bytes()).unwrap();
    let gvk = Gvk::new(api_version, kind);
    let key = ResourceKey { group: gvk.group, kind: gvk.kind, namespace: "y".into(), name: "x".into() };
    let id = ResourceId { key, version: gvk.version, uid: String::new() };
    let (request, facts) = (Request::scan(), BTreeMap::new());
    let inputs = Inputs::new(&id, &object, &request, &facts, Timestamp::UNIX_EPOCH);
    match compiled.evaluator.evaluate(&inputs) {
        Evaluation::Done(outcomes) => outcomes,
        Evaluation::Needs(_) => Vec::new(),
    }
}

#[test]
fn no_policy_made_of_policy_words_makes_an_evaluation_panic() {
    const SEEDS: u64 = 400;
    let mut n_outcomes = 0;
    for seed in 1..=SEEDS {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let spec = random_spec(&mut dice);
        let compiled = compile_spec(&spec);
        for (api_version, kind) in [("v1", "Pod"), ("apps/v1", "Deployment")] {
            let object = dice.json(5);
            for outcome in judged(&compiled, api_version, kind, &object) {
                n_outcomes += 1;
                assert!(!outcome.message.contains("internal error"), "seed {seed}: {outcome:?}\n{spec}");
            }
        }
    }
    assert!(n_outcomes > 100, "only {n_outcomes} outcomes: the generator makes nothing that is judged");
}
