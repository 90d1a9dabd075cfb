//! `admissionregistration.k8s.io` `MutatingAdmissionPolicy` with its bindings, as a dry patch: is a resource what admission would make of it?
//!
//! Bindings are applied in order, each to what those before it left, and each that means the resource gives one result, with the property
//! `mapBinding`. Upstream: `pkg/admission/plugin/policy/mutating` of the API server; messages are those of `pkg/admissionpolicy/mutate.go` of
//! Kyverno, which reports the last binding alone, knows no schemas and says nothing where a patch does not apply. Defaults that the API
//! server fills in behind a patch are not: a patch that takes a default away counts as a change.

use std::sync::Arc;

use super::admission::{Decision, Judge};
use super::binding::{self, Binding, Pending};
use super::environment::Dialect;
use super::expressions::{Expressions, Spec};
use super::frame::Frame;
use super::matching::{Answer, MatchConstraints, Place};
use super::mutation::{Draft, Fault, Manner, Stages};
use super::params::{ParamSource, Params};
use crate::document::{Document, Node};
use crate::lang::cel::Budget;
use crate::lang::patch::Atomics;
use crate::lang::{Companions, Compiled, Evaluation, Evaluator, Inputs};
use crate::limits;
use crate::matching::Selection;
use crate::model::{Outcome, Status};
use crate::policy::PolicySource;

const MANNER: Manner = Manner { atomics: Atomics::Refused, template: &[], nests_literals: false };

/// A compiled policy.
#[derive(Debug)]
struct AdmissionPolicy {
    name: String,
    constraints: MatchConstraints,
    expressions: Result<Expressions, String>,
    ignores_failures: bool,
    bindings: Vec<Binding>,
    has_params: bool,
}

/// Compiles a policy.
pub(super) fn compile(source: &PolicySource, companions: &Companions<'_>) -> Compiled {
    let root = source.document.root();
    let empty = Document::null();
    let spec = root.get("spec").unwrap_or_else(|| empty.root());
    let param_kind = spec.get("paramKind").filter(|kind| !kind.is_empty());
    let bindings = binding::compile(companions, source.key.kind, param_kind);
    let dialect = Dialect::Admission { has_params: param_kind.is_some(), conditions_see_variables: false };
    let constraints = spec.get("matchConstraints").unwrap_or_else(|| empty.root());
    let constraints = MatchConstraints::compile(constraints, Place::AdmissionPolicy);
    let standing = binding::standing(root, &bindings);
    Compiled {
        selection: Selection { kinds: constraints.kinds(), namespace: None },
        evaluator: Arc::new(AdmissionPolicy {
            name: source.key.name.clone(),
            constraints,
            expressions: Expressions::compile(&Spec::of(spec), dialect),
            ignores_failures: spec.get("failurePolicy").and_then(Node::as_str) == Some("Ignore"),
            bindings,
            has_params: param_kind.is_some(),
        }),
        standing,
        warnings: Vec::new(),
        rules: Vec::new(),
    }
}

/// What one set of parameters did to the copy.
enum Step {
    NotMatched,
    Same,
    Changed,
    Failed(String),
}

impl AdmissionPolicy {
    fn outcome(&self, status: Status, message: &str) -> Outcome {
        Outcome::new(self.name.as_str(), status, message)
    }

    /// Applies the policy with the parameters of one binding.
    fn apply<'d>(
        &self,
        draft: &mut Draft<'d>,
        inputs: &'d Inputs<'d>,
        params: Option<&ParamSource>,
    ) -> Result<Outcome, Pending> {
        let expressions = match &self.expressions {
            Ok(expressions) => expressions,
            Err(message) => {
                return Ok(self.outcome(Status::Error, &format!("the policy is not valid: {message}")));
            }
        };
        let params = match params.map(|params| params.find(inputs)) {
            None => vec![None],
            Some(Params::Found(found)) => found,
            Some(Params::Failed(message)) => {
                return Ok(self.outcome(Status::Error, &format!("failed to configure binding: {message}")));
            }
            Some(Params::Pending) => return Err(Pending),
        };
        let (mut is_matched, mut is_changed) = (false, false);
        for params in params {
            match self.step(expressions, draft, inputs, params)? {
                Step::NotMatched => {}
                Step::Same => is_matched = true,
                Step::Changed => (is_matched, is_changed) = (true, true),
                Step::Failed(message) => return Ok(self.outcome(Status::Error, &message)),
            }
        }
        Ok(match (is_matched, is_changed) {
            (false, _) => self.outcome(Status::Skip, "match conditions aren't met"),
            (true, false) => self.outcome(Status::Pass, "mutation is successfully applied"),
            (true, true) => self.outcome(Status::Fail, "mutation is not applied"),
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
        let judge =
            Judge { expressions, inputs, ignores_failures: self.ignores_failures, ignores_annotations: true };
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
            Some(Answer::Failed(message)) => self.outcome(Status::Error, &message),
            None | Some(Answer::Yes) => self.apply(draft, inputs, binding.params.as_ref())?,
        };
        outcome.properties.insert("mapBinding".to_owned(), binding.name.clone());
        Ok(Some(outcome))
    }

    fn outcomes<'d>(&self, draft: &mut Draft<'d>, inputs: &'d Inputs<'d>) -> Result<Vec<Outcome>, Pending> {
        if binding::is_exempt(inputs) {
            return Ok(Vec::new());
        }
        match self.constraints.answer(inputs) {
            Answer::Yes => {}
            Answer::No => return Ok(Vec::new()),
            Answer::Needs => return Err(Pending),
            Answer::Failed(message) => return Ok(vec![self.outcome(Status::Error, &message)]),
        }
        if self.bindings.is_empty() {
            if self.has_params {
                let message = "the policy takes parameters, and no binding names them";
                return Ok(vec![self.outcome(Status::Error, message)]);
            }
            return Ok(vec![self.apply(draft, inputs, None)?]);
        }
        // All facts that bindings need are asked for at once.
        let needs = |binding: &&Binding| {
            binding.constraints.as_ref().map(|constraints| constraints.answer(inputs)) == Some(Answer::Needs)
                || matches!(binding.params.as_ref().map(|params| params.find(inputs)), Some(Params::Pending))
        };
        if self.bindings.iter().filter(needs).count() > 0 {
            return Err(Pending);
        }
        let mut outcomes = Vec::new();
        for binding in &self.bindings {
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

impl Evaluator for AdmissionPolicy {
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
