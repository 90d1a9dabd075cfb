//! One run of one pair: facts are fetched as they are asked for, and whatever happens inside stays inside.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::facts::FactCache;
use super::forms::Forms;
use crate::catalog::CompiledPolicy;
use crate::document::{Document, Parts};
use crate::fingerprint;
use crate::lang::{Evaluation, Inputs, Request, Volatility, contained};
use crate::limits;
use crate::model::{Fact, FactKey, FactRead, FactValue, Outcome, ResourceId, Status};

/// What a run said, and what it read.
#[derive(Debug)]
pub(super) struct Evaluated {
    pub(super) outcomes: Vec<Outcome>,
    pub(super) parts: Parts,
    pub(super) facts: Vec<FactRead>,
    pub(super) volatility: Option<Volatility>,
    /// Whether it must be tried again in the next scan, whatever changes.
    pub(super) is_transient: bool,
}

/// Runs the policy on the forms in which it judges the resource. Where two of them give an outcome of the same rule,
/// that of the first counts. `known` keeps the facts for the next run of the same worker.
pub(super) fn evaluate(
    policy: &CompiledPolicy,
    forms: &Forms,
    judged: &[usize],
    now: Timestamp,
    cache: &FactCache,
    known: &mut BTreeMap<FactKey, Arc<Fact>>,
) -> Evaluated {
    let runs = forms.at(judged).map(|(id, object)| match object {
        Ok(object) => evaluate_form(policy, id, object, now, cache, known),
        Err(message) => Evaluated { is_transient: true, ..failed(message) },
    });
    runs.reduce(Evaluated::and).unwrap_or_else(|| failed("the policy judges no form of the resource"))
}

impl Evaluated {
    /// Adds what came of a later form.
    fn and(mut self, later: Self) -> Self {
        let is_new = |outcome: &Outcome| self.outcomes.iter().all(|known| known.rule != outcome.rule);
        let new: Vec<Outcome> = later.outcomes.into_iter().filter(is_new).collect();
        self.outcomes.extend(new);
        self.parts = self.parts.union(later.parts);
        self.facts.extend(later.facts);
        self.facts.sort();
        self.facts.dedup();
        self.volatility = match (self.volatility, later.volatility) {
            (Some(ours), Some(theirs)) => Some(ours.and(theirs)),
            (ours, theirs) => ours.or(theirs),
        };
        self.is_transient |= later.is_transient;
        self
    }
}

fn evaluate_form(
    policy: &CompiledPolicy,
    resource: &ResourceId,
    object: &Document,
    now: Timestamp,
    cache: &FactCache,
    known: &mut BTreeMap<FactKey, Arc<Fact>>,
) -> Evaluated {
    let request = Request::scan();
    for _ in 0..limits::FACT_ROUNDS_MAX {
        let inputs = Inputs::new(resource, object, &request, known, now);
        let run = contained(|| policy.evaluator.evaluate(&inputs));
        match run {
            Ok(Evaluation::Done(outcomes)) => return done(&inputs, outcomes),
            Ok(Evaluation::Needs(keys)) => {
                for key in keys {
                    let fact = cache.get(&key);
                    known.insert(key, fact);
                }
            }
            Err(panic) => return failed(&format!("the evaluation broke down: {panic}")),
        }
    }
    failed(&format!("the evaluation asked for data more than {} times", limits::FACT_ROUNDS_MAX))
}

fn done(inputs: &Inputs<'_>, outcomes: Vec<Outcome>) -> Evaluated {
    let is_failure = |fact: &Fact| matches!(fact.value, FactValue::Failed { is_transient: true, .. });
    let is_transient = inputs.facts_read().any(|(_, fact, _)| is_failure(fact));
    let read = |(key, fact, parts): (&FactKey, &Fact, Parts)| FactRead {
        key: key.clone(),
        parts,
        print: fingerprint::over_fact(&fact.prints, parts),
    };
    let mut facts: Vec<FactRead> = inputs.facts_read().map(read).collect();
    facts.sort_unstable();
    Evaluated { outcomes, parts: inputs.parts_read(), facts, volatility: inputs.volatility(), is_transient }
}

/// A run without a usable result is an error that depends on everything and is tried again.
fn failed(message: &str) -> Evaluated {
    Evaluated {
        outcomes: vec![Outcome::new("", Status::Error, message)],
        parts: Parts::ALL,
        facts: Vec::new(),
        volatility: None,
        is_transient: false,
    }
}
