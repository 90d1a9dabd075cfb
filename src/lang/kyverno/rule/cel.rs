//! `validate.cel`: the rule's expressions, judged as the API server judges an admission policy.
//!
//! Upstream: `pkg/engine/handlers/validation/validate_cel.go`. The rule's `celPreconditions` are its match conditions; an error denies,
//! as it does where no failure policy is set.

use crate::document::Node;
use crate::lang::Inputs;
use crate::lang::cel_policy::{Decision, Dialect, Expressions, Judge, ParamSource, Params, Spec, items};
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
    (spec, Dialect::Admission { has_params: params(cel).is_some(), has_authorizer: true })
}

fn params(cel: Node<'_>) -> Option<ParamSource> {
    ParamSource::compile(cel.get("paramKind"), cel.get("paramRef"))
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
        let judge = Judge { expressions, inputs, ignores_failures: false };
        let params = match self.params.as_ref().map(|params| params.find(inputs)) {
            None => return answer(rule, judge.decide(None)),
            Some(Params::Found(found)) => found,
            Some(Params::Pending) => return Err(Failure::Pending),
            Some(Params::Failed(message)) => {
                let message = format!("error in parameterized resource: {message}");
                return Ok(Some(Response::error(message)));
            }
        };
        let mut decisions = params.into_iter().map(|params| judge.decide(Some(params)));
        let first = decisions.find(|decision| *decision != Decision::Admit);
        answer(rule, first.unwrap_or(Decision::Admit))
    }
}

fn answer(rule: &str, decision: Decision) -> Answer {
    let (status, message) = match decision {
        Decision::Pending => return Err(Failure::Pending),
        Decision::NotMatched => (Status::Skip, "cel preconditions not met".to_owned()),
        Decision::Deny(message) | Decision::Error(message) => (Status::Fail, message),
        Decision::Admit => (Status::Pass, format!("Validation rule '{rule}' passed.")),
    };
    Ok(Some(Response::new(status, message)))
}
