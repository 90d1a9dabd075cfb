//! `admissionregistration.k8s.io` `ValidatingAdmissionPolicy` with its bindings.
//!
//! Each binding that means a resource gives one result, with the property `binding`. A policy without a binding says nothing in a scan, as it
//! does nothing in the API server; a test evaluates it as if a binding without conditions were there.

use std::sync::Arc;

use super::admission::{Decision, Judge};
use super::binding::{self, Binding, Pending};
use super::environment::Dialect;
use super::expressions::{Expressions, Spec};
use super::matching::{Answer, MatchConstraints, Place};
use super::params::{ParamSource, Params};
use crate::document::{Document, Node};
use crate::lang::{Companions, Compiled, Evaluation, Evaluator, Inputs};
use crate::matching::Selection;
use crate::model::{Outcome, Status};
use crate::policy::PolicySource;

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

impl AdmissionPolicy {
    fn outcome(&self, status: Status, message: String) -> Outcome {
        Outcome::new(self.name.as_str(), status, message)
    }

    fn judge(&self, inputs: &Inputs<'_>, params: Option<&ParamSource>) -> Result<Option<Outcome>, Pending> {
        let error = |message: String| Ok(Some(self.outcome(Status::Error, message)));
        let expressions = match &self.expressions {
            Ok(expressions) => expressions,
            Err(message) => return error(format!("the policy is not valid: {message}")),
        };
        let judge = Judge {
            expressions,
            inputs,
            ignores_failures: self.ignores_failures,
            ignores_annotations: self.ignores_failures,
        };
        let params = match params.map(|params| params.find(inputs)) {
            None => vec![None],
            Some(Params::Found(found)) => found,
            Some(Params::Failed(message)) => {
                return error(format!("failed to configure binding: {message}"));
            }
            Some(Params::Pending) => return Err(Pending),
        };
        let mut outcome = None;
        for params in params {
            match judge.decide(params) {
                Decision::Pending => return Err(Pending),
                Decision::NotMatched => {}
                Decision::Admit(annotations) => {
                    let outcome: &mut Outcome =
                        outcome.get_or_insert_with(|| self.outcome(Status::Pass, String::new()));
                    outcome.properties.extend(annotations);
                }
                Decision::Deny(message) => return Ok(Some(self.outcome(Status::Fail, message))),
                Decision::Error(message) => return error(message),
            }
        }
        Ok(Some(
            outcome.unwrap_or_else(|| self.outcome(Status::Skip, "match conditions aren't met".to_owned())),
        ))
    }

    fn bound(&self, binding: &Binding, inputs: &Inputs<'_>) -> Result<Option<Outcome>, Pending> {
        let mut outcome = match binding.constraints.as_ref().map(|constraints| constraints.answer(inputs)) {
            Some(Answer::No) => return Ok(None),
            Some(Answer::Needs) => return Err(Pending),
            Some(Answer::Failed(message)) => Some(self.outcome(Status::Error, message)),
            None | Some(Answer::Yes) => self.judge(inputs, binding.params.as_ref())?,
        };
        if let Some(outcome) = &mut outcome {
            outcome.properties.insert("binding".to_owned(), binding.name.clone());
        }
        Ok(outcome)
    }
}

impl Evaluator for AdmissionPolicy {
    fn evaluate(&self, inputs: &Inputs<'_>) -> Evaluation {
        if binding::is_exempt(inputs) {
            return Evaluation::Done(Vec::new());
        }
        match self.constraints.answer(inputs) {
            Answer::Yes => {}
            Answer::No => return Evaluation::Done(Vec::new()),
            Answer::Needs => return Evaluation::Needs(inputs.needs()),
            Answer::Failed(message) => {
                return Evaluation::Done(vec![self.outcome(Status::Error, message)]);
            }
        }
        if self.bindings.is_empty() {
            let outcome = if self.has_params && self.expressions.is_ok() {
                let message = "the policy takes parameters, and no binding names them".to_owned();
                Ok(Some(self.outcome(Status::Error, message)))
            } else {
                self.judge(inputs, None)
            };
            return match outcome {
                Ok(outcome) => Evaluation::Done(outcome.into_iter().collect()),
                Err(Pending) => Evaluation::Needs(inputs.needs()),
            };
        }
        let mut outcomes = Vec::new();
        let mut needs_facts = false;
        for binding in &self.bindings {
            match self.bound(binding, inputs) {
                Ok(outcome) => outcomes.extend(outcome),
                Err(Pending) => needs_facts = true,
            }
        }
        if needs_facts { Evaluation::Needs(inputs.needs()) } else { Evaluation::Done(outcomes) }
    }
}
