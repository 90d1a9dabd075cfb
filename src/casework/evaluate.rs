//! Evaluates one policy on one resource of a test, with the values that the test gives.
//!
//! A policy that mutates is judged by what it does: where a scan says that its mutation is not applied, a test says that it passes, and
//! what it makes of the resource is compared.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::lang::{Evaluation, Inputs, Operation, Request, contained};
use crate::limits;
use crate::model::{Outcome, PolicyKind, Status};
use crate::policy::Standing;

use super::values::{Given, Values};
use super::world::{Ruling, Subject, World};

/// What comes of a policy on a resource.
#[derive(Clone, Debug, Default)]
pub(super) struct Judgement {
    /// The outcomes; none if it does not apply.
    pub(super) outcomes: Vec<Outcome>,
    /// What it makes of the resource.
    pub(super) patched: Option<serde_json::Value>,
}

/// Whether policies of a kind change resources.
pub(super) fn mutates(kind: PolicyKind) -> bool {
    matches!(
        kind,
        PolicyKind::MutatingPolicy
            | PolicyKind::NamespacedMutatingPolicy
            | PolicyKind::MutatingAdmissionPolicy
    )
}

/// Evaluates a policy on a resource.
///
/// Rules that have values of their own are evaluated with these in a run of their own. A policy that nothing
/// evaluates says so as an error: a test must not pass because nothing was asked.
pub(super) fn evaluate(world: &World, ruling: &Ruling, subject: &Subject, operation: Operation) -> Judgement {
    if let Standing::NotScanned { reason } = &ruling.policy.standing
        && ruling.policy.selection.kinds.is_empty()
    {
        return error(reason);
    }
    // A scan sees no subresources, so the selection does not know them: the rules say whether they mean one.
    if subject.subresource.is_empty() && !ruling.policy.selection.selects(&subject.matched_as) {
        return Judgement::default();
    }
    let name = &ruling.policy.key.name;
    let common = world.values.of_resource(name, &subject.id.key.name);
    let own: Vec<(&str, &Given)> = world.values.of_rules(name).collect();
    let run = |given: Given| {
        let asked = (operation == Operation::Create).then(|| Values::operation(&given)).flatten();
        once(world, ruling, subject, asked.unwrap_or(operation), given)
    };
    let Judgement { mut outcomes, patched } = run(common.clone());
    for (rule, values) in own {
        let mut given = common.clone();
        given.extend(values.iter().map(|(name, value)| (name.clone(), Arc::clone(value))));
        let with_values = run(given).outcomes;
        let is_of_rule = |outcome: &&Outcome| is_rule(&outcome.rule, rule);
        outcomes.retain(|outcome| !is_rule(&outcome.rule, rule));
        outcomes.extend(with_values.iter().filter(is_of_rule).cloned());
    }
    if mutates(ruling.policy.key.kind) {
        for outcome in outcomes.iter_mut().filter(|outcome| outcome.status == Status::Fail) {
            outcome.status = Status::Pass;
        }
    }
    if !ruling.policy.presentation.is_scored {
        for outcome in outcomes.iter_mut().filter(|outcome| outcome.status == Status::Fail) {
            outcome.status = Status::Warn;
        }
    }
    Judgement { outcomes, patched }
}

/// Whether an outcome's rule is the named one or was generated from it for pod controllers.
pub(super) fn is_rule(of_outcome: &str, named: &str) -> bool {
    [of_outcome.strip_prefix("autogen-cronjob-"), of_outcome.strip_prefix("autogen-"), Some(of_outcome)]
        .contains(&Some(named))
}

/// One evaluation, repeated while it needs facts.
fn once(
    world: &World,
    ruling: &Ruling,
    subject: &Subject,
    operation: Operation,
    mut given: Given,
) -> Judgement {
    let document = if ruling.is_cel { &subject.plain } else { &subject.document };
    let patched = Values::patched(document, &mut given);
    let object = patched.as_ref().unwrap_or(document);
    let has_old = matches!(operation, Operation::Update | Operation::Delete);
    let request = Request {
        operation,
        user: world.user.clone(),
        old_object: has_old.then(|| Arc::clone(document)),
        subresource: subject.subresource.clone(),
        given,
    };
    let mut facts = BTreeMap::new();
    for _ in 0..limits::FACT_ROUNDS_MAX {
        let inputs = Inputs::new(&subject.matched_as, object, &request, &facts, world.now);
        let evaluation = contained(|| ruling.policy.evaluator.evaluate(&inputs));
        match evaluation {
            Ok(Evaluation::Done(outcomes)) => {
                let patched = contained(|| ruling.policy.evaluator.patched(&inputs)).ok().flatten();
                return Judgement { outcomes, patched };
            }
            Ok(Evaluation::Needs(keys)) => {
                let n_before = facts.len();
                for key in keys {
                    let fact = world.lookups.find(&key, &world.values);
                    facts.insert(key, fact);
                }
                if facts.len() == n_before {
                    return error("the policy asks for the same facts again and again");
                }
            }
            Err(_) => return error("the evaluation failed unexpectedly"),
        }
    }
    error("the policy asks for more and more facts")
}

fn error(message: &str) -> Judgement {
    Judgement { outcomes: vec![Outcome::new("", Status::Error, message)], patched: None }
}
