//! `admissionregistration.k8s.io` `ValidatingAdmissionPolicy` with its bindings.
//!
//! Each binding that means a resource gives one result, with the property `binding`. A policy without a binding says nothing in a scan, as it
//! does nothing in the API server; a test evaluates it as if a binding without conditions were there.

use super::Pending;
use super::admission::{Decision, Judge};
use super::admission_policy::{self, AdmissionPolicy};
use super::binding::{self, Binding};
use super::matching::Answer;
use super::params::{ParamSource, Params};
use crate::lang::{Companions, Compiled, Evaluation, Evaluator, Inputs};
use crate::model::{Outcome, Status};
use crate::policy::PolicySource;

/// A compiled policy.
#[derive(Debug)]
struct Validating(AdmissionPolicy);

/// Compiles a policy.
pub(super) fn compile(source: &PolicySource, companions: &Companions<'_>) -> Compiled {
    admission_policy::compile(source, companions, Validating)
}

impl Validating {
    fn judge(&self, inputs: &Inputs<'_>, params: Option<&ParamSource>) -> Result<Option<Outcome>, Pending> {
        let error = |message: String| Ok(Some(self.0.outcome(Status::Error, message)));
        let expressions = match &self.0.expressions {
            Ok(expressions) => expressions,
            Err(message) => return error(format!("the policy is not valid: {message}")),
        };
        let judge = Judge {
            expressions,
            inputs,
            ignores_failures: self.0.ignores_failures,
            ignores_annotations: self.0.ignores_failures,
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
                        outcome.get_or_insert_with(|| self.0.outcome(Status::Pass, String::new()));
                    outcome.properties.extend(annotations);
                }
                Decision::Deny(message) => return Ok(Some(self.0.outcome(Status::Fail, message))),
                Decision::Error(message) => return error(message),
            }
        }
        Ok(Some(
            outcome.unwrap_or_else(|| self.0.outcome(Status::Skip, "match conditions aren't met".to_owned())),
        ))
    }

    fn bound(&self, binding: &Binding, inputs: &Inputs<'_>) -> Result<Option<Outcome>, Pending> {
        let mut outcome = match binding.constraints.as_ref().map(|constraints| constraints.answer(inputs)) {
            Some(Answer::No) => return Ok(None),
            Some(Answer::Needs) => return Err(Pending),
            Some(Answer::Failed(message)) => Some(self.0.outcome(Status::Error, message)),
            None | Some(Answer::Yes) => self.judge(inputs, binding.params.as_ref())?,
        };
        if let Some(outcome) = &mut outcome {
            outcome.properties.insert("binding".to_owned(), binding.name.clone());
        }
        Ok(outcome)
    }
}

impl Evaluator for Validating {
    fn evaluate(&self, inputs: &Inputs<'_>) -> Evaluation {
        if binding::is_exempt(inputs) {
            return Evaluation::Done(Vec::new());
        }
        match self.0.constraints.answer(inputs) {
            Answer::Yes => {}
            Answer::No => return Evaluation::Done(Vec::new()),
            Answer::Needs => return Evaluation::Needs(inputs.needs()),
            Answer::Failed(message) => {
                return Evaluation::Done(vec![self.0.outcome(Status::Error, message)]);
            }
        }
        if self.0.bindings.is_empty() {
            let outcome = if self.0.has_params && self.0.expressions.is_ok() {
                let message = "the policy takes parameters, and no binding names them".to_owned();
                Ok(Some(self.0.outcome(Status::Error, message)))
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
        for binding in &self.0.bindings {
            match self.bound(binding, inputs) {
                Ok(outcome) => outcomes.extend(outcome),
                Err(Pending) => needs_facts = true,
            }
        }
        if needs_facts { Evaluation::Needs(inputs.needs()) } else { Evaluation::Done(outcomes) }
    }
}
