//! `validate.cel`: the rule's expressions, judged as the API server judges an admission policy.
//!
//! Upstream: `pkg/engine/handlers/validation/validate_cel.go`. The rule's `celPreconditions` are its match conditions; an error denies,
//! as it does where no failure policy is set.

use crate::document::Node;
use crate::lang::Inputs;
use crate::lang::cel_policy::{
    Decision, Dialect, Expressions, Judge, ParamRules, ParamSource, Params, Spec, items,
};
use crate::model::Status;

use super::body::{Answer, Response};
use super::context::Failure;

/// A compiled `validate.cel`.
#[derive(Debug)]
pub(super) struct Cel {
    expressions: Result<Expressions, String>,
    params: Option<ParamSource>,
}

/// The expressions of a rule with `validate.cel`, and what they may name.
pub(crate) fn expressions<'s>(rule: Node<'s>, cel: Node<'s>) -> (Spec<'s>, Dialect) {
    let spec = Spec {
        match_conditions: items(rule, "celPreconditions"),
        variables: items(cel, "variables"),
        validations: items(cel, "expressions"),
        audit_annotations: items(cel, "auditAnnotations"),
        mutations: Vec::new(),
        message: rule.path(&["validate", "message"]).and_then(Node::as_str).unwrap_or_default(),
    };
    (spec, Dialect::Admission { has_params: params(cel).is_some(), conditions_see_variables: true })
}

fn params(cel: Node<'_>) -> Option<ParamSource> {
    ParamSource::compile(cel.get("paramKind"), cel.get("paramRef"), ParamRules::Kyverno)
}

impl Cel {
    /// Compiles a rule with `validate.cel`.
    pub(super) fn compile(rule: Node<'_>, cel: Node<'_>) -> Self {
        let (spec, dialect) = expressions(rule, cel);
        Self { expressions: Expressions::compile(&spec, dialect), params: params(cel) }
    }

    /// Judges a resource.
    pub(super) fn evaluate(&self, rule: &str, inputs: &Inputs<'_>) -> Answer {
        let expressions = match &self.expressions {
            Ok(expressions) => expressions,
            Err(message) => return Ok(Some(Response::error(format!("the rule is not valid: {message}")))),
        };
        let params = match self.params.as_ref().map(|params| params.find(inputs)) {
            None => vec![None],
            Some(Params::Found(found)) => found,
            Some(Params::Pending) => return Err(Failure::Pending),
            Some(Params::Failed(message)) => {
                let message = format!("error in parameterized resource: {message}");
                return Ok(Some(Response::error(message)));
            }
        };
        let judge = Judge { expressions, inputs, ignores_failures: false, ignores_annotations: true };
        let mut response = Response::new(Status::Pass, format!("Validation rule '{rule}' passed."));
        for params in params {
            match judge.decide(params) {
                Decision::Pending => return Err(Failure::Pending),
                Decision::NotMatched => {
                    return Ok(Some(Response::new(Status::Skip, "cel preconditions not met")));
                }
                Decision::Deny(message) | Decision::Error(message) => {
                    return Ok(Some(Response::new(Status::Fail, message)));
                }
                Decision::Admit(annotations) => response.properties.extend(annotations),
            }
        }
        Ok(Some(response))
    }
}
