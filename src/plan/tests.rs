use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Action, Pairs, Reason, decide, expired};
use crate::catalog::CompiledPolicy;
use crate::document::{Document, Part, Parts};
use crate::fingerprint::{self, FormPrints, PartPrints};
use crate::lang::{Evaluation, Evaluator, Inputs};
use crate::matching::Selection;
use crate::model::{
    FactKey, FactPrints, FactRead, FactValue, Fingerprint, Gvk, PolicyKey, PolicyKind, Verdict,
};
use crate::policy::{Presentation, Standing};

#[derive(Debug)]
struct Nothing;

impl Evaluator for Nothing {
    fn evaluate(&self, _: &Inputs<'_>) -> Evaluation {
        Evaluation::Done(Vec::new())
    }
}

fn key(name: &str) -> PolicyKey {
    PolicyKey { kind: PolicyKind::ClusterPolicy, namespace: String::new(), name: name.into() }
}

fn policy(name: &str, version: u8) -> Arc<CompiledPolicy> {
    Arc::new(CompiledPolicy {
        key: key(name),
        fingerprint: Fingerprint([version; 16]),
        presentation: Presentation::default(),
        selection: Selection::default(),
        evaluator: Arc::new(Nothing),
        standing: Standing::Scanned,
        warnings: Vec::new(),
        rules: Vec::new(),
        origin: String::new(),
    })
}

fn prints(json: &str) -> PartPrints {
    PartPrints::of(&Document::from_json(json.as_bytes()).unwrap())
}

fn forms(known: &str, other: &str) -> FormPrints {
    FormPrints(vec![(Gvk::new("g/v2", "K"), prints(known)), (Gvk::new("g/v1", "K"), prints(other))])
}

/// A verdict over the spec of these forms, and a ConfigMap's data.
fn verdict(name: &str, forms: &FormPrints, judged: &[usize]) -> Verdict {
    let parts = Parts::of(Part::Spec);
    Verdict {
        policy: key(name),
        policy_print: Fingerprint([1; 16]),
        parts,
        input_print: forms.over(judged, parts),
        facts: vec![data_of(CONFIG)],
        valid_until_s: Some(1_000),
        outcomes: Vec::new(),
        changed_at_s: 0,
        evaluated_at_s: 0,
    }
}

fn config() -> FactKey {
    FactKey::ConfigMap { namespace: "n".into(), name: "c".into() }
}

const CONFIG: &str = r#"{"metadata":{"name":"c"},"data":{"k":"v"}}"#;

fn config_prints(json: &str) -> FactPrints {
    fingerprint::fact(FactValue::Found(Document::from_json(json.as_bytes()).unwrap())).prints
}

fn data_of(json: &str) -> FactRead {
    let parts = Parts::of(Part::Rest);
    FactRead { key: config(), parts, print: fingerprint::over_fact(&config_prints(json), parts) }
}

struct Case<'c> {
    policies: &'c [Arc<CompiledPolicy>],
    now: &'c FormPrints,
    config: &'c str,
    unknown: bool,
    is_due: bool,
    is_verified: bool,
    now_s: i64,
}

fn decided(case: &Case<'_>, before: &FormPrints, verdicts: &[Verdict]) -> Vec<(Action, Reason)> {
    let unknown = BTreeSet::from_iter(case.unknown.then_some(PolicyKind::ClusterPolicy));
    let decisions = decide(
        &Pairs {
            policies: case.policies,
            forms: &[vec![0], vec![1]],
            prints: case.now,
            prints_before: Some(&before.known()),
            facts: &BTreeMap::from([(config(), config_prints(case.config))]),
            unknown: &unknown,
            is_due: &|_| case.is_due,
            is_verified: &|_| case.is_verified,
            now_s: case.now_s,
        },
        verdicts,
    );
    decisions.into_iter().map(|decision| (decision.action, decision.reason)).collect()
}

#[test]
fn each_pair_is_decided_by_what_it_read_in_the_form_that_it_judges() {
    use Action::{Evaluate, Forget, Reuse};
    let before = forms(r#"{"spec":{"a":1}}"#, r#"{"spec":{"b":1}}"#);
    let verdicts = [verdict("a", &before, &[0]), verdict("b", &before, &[1])];
    let both = [policy("a", 1), policy("b", 1)];
    let still = || Case {
        policies: &both,
        now: &before,
        config: CONFIG,
        unknown: false,
        is_due: true,
        is_verified: false,
        now_s: 999,
    };
    let spec = || Reason::ResourceChanged(Parts::of(Part::Spec));
    let check = |case: &Case<'_>, expected: [(Action, Reason); 2]| {
        assert_eq!(decided(case, &before, &verdicts), expected);
    };
    check(&still(), [(Reuse, Reason::Unchanged), (Reuse, Reason::Unchanged)]);
    let labelled = forms(r#"{"spec":{"a":1},"metadata":{"labels":{"x":"y"}}}"#, r#"{"spec":{"b":1}}"#);
    check(&Case { now: &labelled, ..still() }, [(Reuse, Reason::NotRead), (Reuse, Reason::NotRead)]);
    let known = forms(r#"{"spec":{"a":2}}"#, r#"{"spec":{"b":1}}"#);
    check(&Case { now: &known, ..still() }, [(Evaluate, spec()), (Reuse, Reason::NotRead)]);
    let other = forms(r#"{"spec":{"a":1}}"#, r#"{"spec":{"b":2}}"#);
    check(&Case { now: &other, ..still() }, [(Reuse, Reason::Unchanged), (Evaluate, spec())]);
    let fact = || (Evaluate, Reason::FactChanged(config()));
    let other_data = CONFIG.replace('v', "w");
    check(&Case { config: &other_data, ..still() }, [fact(), fact()]);
    let labelled = CONFIG.replace("\"name\"", "\"labels\":{\"x\":\"y\"},\"name\"");
    check(&Case { config: &labelled, ..still() }, [(Reuse, Reason::Unchanged), (Reuse, Reason::Unchanged)]);
    let over = || (Evaluate, Reason::Expired);
    check(&Case { now_s: 1_000, ..still() }, [over(), over()]);
    check(
        &Case { now_s: 1_000, is_due: false, ..still() },
        [(Reuse, Reason::NotDue), (Reuse, Reason::NotDue)],
    );
    let verified = || (Evaluate, Reason::Verification);
    check(&Case { is_verified: true, ..still() }, [verified(), verified()]);
    let edited = [policy("a", 2), policy("b", 1)];
    let case = Case { policies: &edited, ..still() };
    check(&case, [(Evaluate, Reason::PolicyChanged), (Reuse, Reason::Unchanged)]);
    let case = Case { policies: &both[..1], ..still() };
    check(&case, [(Reuse, Reason::Unchanged), (Forget, Reason::PolicyGone)]);
    let case = Case { policies: &both[..1], unknown: true, ..still() };
    check(&case, [(Reuse, Reason::Unchanged), (Reuse, Reason::PolicyUnknown)]);
    let new = decided(&Case { is_due: false, ..still() }, &before, &verdicts[1..]);
    assert_eq!(new[0], (Evaluate, Reason::NoVerdict), "a pair without a verdict is always due");
}

#[test]
fn a_verdict_holds_until_its_time_is_over() {
    let verdict = verdict("a", &forms("{}", "{}"), &[0]);
    assert_eq!(expired(&verdict, 999), None);
    assert_eq!(expired(&verdict, 1_000), Some(Reason::Expired));
    assert_eq!(expired(&Verdict { valid_until_s: None, ..verdict }, i64::MAX), None);
}
