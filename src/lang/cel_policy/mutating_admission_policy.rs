//! `admissionregistration.k8s.io` `MutatingAdmissionPolicy` with its bindings, as a dry patch: is a resource what admission would make of it?
//!
//! Bindings are applied in order, each to what those before it left, and each that means the resource gives one result, with the property
//! `mapBinding`. Upstream: `pkg/admission/plugin/policy/mutating` of the API server; messages are those of `pkg/admissionpolicy/mutate.go` of
//! Kyverno, which reports the last binding alone, knows no schemas and says nothing where a patch does not apply. Defaults that the API
//! server fills in behind a patch are not: a patch that takes a default away counts as a change.

use super::Pending;
use super::admission::{Decision, Judge};
use super::admission_policy::{self, AdmissionPolicy};
use super::binding::{self, Binding};
use super::expressions::Expressions;
use super::frame::Frame;
use super::matching::Answer;
use super::mutation::{Draft, Fault, Manner, Stages};
use super::params::{ParamSource, Params};
use crate::document::Node;
use crate::lang::cel::Budget;
use crate::lang::patch::Atomics;
use crate::lang::{Companions, Compiled, Evaluation, Evaluator, Inputs};
use crate::limits;
use crate::model::{Outcome, Status};
use crate::policy::PolicySource;

const MANNER: Manner = Manner { atomics: Atomics::Refused, template: &[], nests_literals: false };

/// A compiled policy.
#[derive(Debug)]
struct Mutating(AdmissionPolicy);

/// Compiles a policy.
pub(super) fn compile(source: &PolicySource, companions: &Companions<'_>) -> Compiled {
    admission_policy::compile(source, companions, Mutating)
}

/// What one set of parameters did to the copy.
enum Step {
    NotMatched,
    Same,
    Changed,
    Failed(String),
}

impl Mutating {
    /// Applies the policy with the parameters of one binding.
    fn apply<'d>(
        &self,
        draft: &mut Draft<'d>,
        inputs: &'d Inputs<'d>,
        params: Option<&ParamSource>,
    ) -> Result<Outcome, Pending> {
        let expressions = match &self.0.expressions {
            Ok(expressions) => expressions,
            Err(message) => {
                return Ok(self.0.outcome(Status::Error, format!("the policy is not valid: {message}")));
            }
        };
        let params = match params.map(|params| params.find(inputs)) {
            None => vec![None],
            Some(Params::Found(found)) => found,
            Some(Params::Failed(message)) => {
                return Ok(self.0.outcome(Status::Error, format!("failed to configure binding: {message}")));
            }
            Some(Params::Pending) => return Err(Pending),
        };
        let (mut is_matched, mut is_changed) = (false, false);
        for params in params {
            match self.step(expressions, draft, inputs, params)? {
                Step::NotMatched => {}
                Step::Same => is_matched = true,
                Step::Changed => (is_matched, is_changed) = (true, true),
                Step::Failed(message) => return Ok(self.0.outcome(Status::Error, &message)),
            }
        }
        Ok(match (is_matched, is_changed) {
            (false, _) => self.0.outcome(Status::Skip, "match conditions aren't met"),
            (true, false) => self.0.outcome(Status::Pass, "mutation is successfully applied"),
            (true, true) => self.0.outcome(Status::Fail, "mutation is not applied"),
        })
    }

    fn step<'d>(
        &self,
        expressions: &Expressions,
        draft: &mut Draft<'d>,
        inputs: &'d Inputs<'d>,
        params: Option<Node<'d>>,
    ) -> Result<Step, Pending> {
        let stages = Stages::new(expressions.mutations.len() + 1);
        let seen = |draft: &Draft<'d>, stage: usize| draft.object(&stages, stage);
        let first = match seen(draft, 0) {
            Ok(first) => first,
            Err(fault) => return failed(fault),
        };
        let judge = Judge {
            expressions,
            inputs,
            ignores_failures: self.0.ignores_failures,
            ignores_annotations: true,
        };
        match judge.matches_object(first, params) {
            Decision::Pending => return Err(Pending),
            Decision::NotMatched => return Ok(Step::NotMatched),
            Decision::Error(message) => return Ok(Step::Failed(message)),
            Decision::Admit(_) | Decision::Deny(_) => {}
        }
        let before = draft.changed().cloned();
        for (at, mutation) in expressions.mutations.iter().enumerate() {
            let object = match seen(draft, at + 1) {
                Ok(object) => object,
                Err(fault) => return failed(fault),
            };
            let budget = Budget::per_call(limits::CEL_COST_PER_CALL_MAX);
            let frame = Frame::new(expressions, inputs, budget).with_params(params);
            frame.set_object(object);
            let patched = frame.value(&mutation.expression).map_err(|error| match Fault::from(error) {
                Fault::Evaluation(error) => Fault::Patch(format!(
                    "expression '{}' resulted in error: {error}",
                    mutation.expression.text
                )),
                fault => fault,
            });
            if let Err(fault) = patched.and_then(|value| draft.apply(mutation, &value, MANNER)) {
                return failed(fault);
            }
        }
        Ok(if draft.changed() == before.as_ref() { Step::Same } else { Step::Changed })
    }

    fn bound<'d>(
        &self,
        binding: &Binding,
        draft: &mut Draft<'d>,
        inputs: &'d Inputs<'d>,
    ) -> Result<Option<Outcome>, Pending> {
        let mut outcome = match binding.constraints.as_ref().map(|constraints| constraints.answer(inputs)) {
            Some(Answer::No) => return Ok(None),
            Some(Answer::Needs) => return Err(Pending),
            Some(Answer::Failed(message)) => self.0.outcome(Status::Error, &message),
            None | Some(Answer::Yes) => self.apply(draft, inputs, binding.params.as_ref())?,
        };
        outcome.properties.insert("mapBinding".to_owned(), binding.name.clone());
        Ok(Some(outcome))
    }

    fn outcomes<'d>(&self, draft: &mut Draft<'d>, inputs: &'d Inputs<'d>) -> Result<Vec<Outcome>, Pending> {
        if binding::is_exempt(inputs) {
            return Ok(Vec::new());
        }
        match self.0.constraints.answer(inputs) {
            Answer::Yes => {}
            Answer::No => return Ok(Vec::new()),
            Answer::Needs => return Err(Pending),
            Answer::Failed(message) => return Ok(vec![self.0.outcome(Status::Error, &message)]),
        }
        if self.0.bindings.is_empty() {
            if self.0.has_params {
                let message = "the policy takes parameters, and no binding names them";
                return Ok(vec![self.0.outcome(Status::Error, message)]);
            }
            return Ok(vec![self.apply(draft, inputs, None)?]);
        }
        // All facts that bindings need are asked for at once.
        let needs = |binding: &&Binding| {
            binding.constraints.as_ref().map(|constraints| constraints.answer(inputs)) == Some(Answer::Needs)
                || matches!(binding.params.as_ref().map(|params| params.find(inputs)), Some(Params::Pending))
        };
        if self.0.bindings.iter().filter(needs).count() > 0 {
            return Err(Pending);
        }
        let mut outcomes = Vec::new();
        for binding in &self.0.bindings {
            outcomes.extend(self.bound(binding, draft, inputs)?);
        }
        Ok(outcomes)
    }
}

fn failed(fault: Fault) -> Result<Step, Pending> {
    match fault {
        Fault::Pending => Err(Pending),
        Fault::Evaluation(error) => Ok(Step::Failed(error.to_string())),
        Fault::Patch(message) => Ok(Step::Failed(message)),
    }
}

impl Evaluator for Mutating {
    fn evaluate(&self, inputs: &Inputs<'_>) -> Evaluation {
        match self.outcomes(&mut Draft::new(inputs), inputs) {
            Ok(outcomes) => Evaluation::Done(outcomes),
            Err(Pending) => Evaluation::Needs(inputs.needs()),
        }
    }

    fn patched(&self, inputs: &Inputs<'_>) -> Option<serde_json::Value> {
        let mut draft = Draft::new(inputs);
        let outcomes = self.outcomes(&mut draft, inputs).ok()?;
        let is_done = |outcome: &Outcome| matches!(outcome.status, Status::Pass | Status::Fail);
        outcomes.iter().any(is_done).then(|| draft.into_object())?
    }
}
