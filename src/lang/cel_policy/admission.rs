//! The judgement of the API server: match conditions, validations and their messages.
//!
//! Upstream: `pkg/admission/plugin/policy/validating/validator.go`, `…/webhook/matchconditions/matcher.go`. Validations are asked in order
//! until one denies, or fails unless failures are ignored, which is what a report shows.

use super::expressions::{Expression, Expressions, Validation};
use super::frame::Frame;
use crate::document::Node;
use crate::lang::Inputs;
use crate::lang::cel::{Budget, EvalError, Value};
use crate::limits;

const OUT_OF_BUDGET: &str =
    "validation failed due to running out of cost budget, no further validation rules will be run";

/// What comes of a policy for one resource and one set of parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// The match conditions are not met.
    NotMatched,
    /// All validations hold. With the audit annotations that have a text.
    Admit(Vec<(String, String)>),
    /// One does not.
    Deny(String),
    /// One could not be evaluated.
    Error(String),
    /// A fact has to be fetched first.
    Pending,
}

/// The judgement of one set of expressions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Judge<'d> {
    /// What the policy says.
    pub(crate) expressions: &'d Expressions,
    /// The resource.
    pub(crate) inputs: &'d Inputs<'d>,
    /// `failurePolicy: Ignore`.
    pub(crate) ignores_failures: bool,
    /// Audit annotations that fail are left out, as in `validate.cel` and where failures are ignored.
    pub(crate) ignores_annotations: bool,
}

enum Stop {
    Pending,
    Text(String),
}

impl<'d> Judge<'d> {
    /// Judges with these parameters.
    pub(crate) fn decide(&self, params: Option<Node<'d>>) -> Decision {
        match self.matches_object(None, params) {
            Decision::Admit(_) => {}
            decision => return decision,
        }
        let budget = Budget::per_call(limits::CEL_COST_PER_CALL_MAX);
        let frame = Frame::new(self.expressions, self.inputs, budget).with_params(params);
        let mut ignored = None;
        for validation in &self.expressions.validations {
            match condition(&frame, &validation.expression) {
                Ok(true) => {}
                Ok(false) => return message(&frame, validation),
                Err(Stop::Pending) => return Decision::Pending,
                // A failure that is ignored does not keep a later validation from denying.
                Err(Stop::Text(message)) if self.ignores_failures => {
                    ignored.get_or_insert(message);
                }
                Err(Stop::Text(message)) => return Decision::Error(message),
            }
        }
        ignored.map_or_else(|| self.annotated(&frame), Decision::Error)
    }

    /// The audit annotations; one that fails denies, unless that is ignored.
    fn annotated(&self, frame: &Frame<'d>) -> Decision {
        let mut annotations = Vec::new();
        for annotation in &self.expressions.audit_annotations {
            match value(frame, &annotation.expression) {
                Ok(value) => {
                    let text = value.as_str().map(str::trim).unwrap_or_default();
                    if !text.is_empty() {
                        annotations.push((annotation.name.clone(), text.to_owned()));
                    }
                }
                Err(Stop::Pending) => return Decision::Pending,
                Err(Stop::Text(_)) if self.ignores_annotations => {}
                Err(Stop::Text(message)) => return Decision::Error(message),
            }
        }
        Decision::Admit(annotations)
    }

    /// Whether the match conditions are met, of the resource or of a changed copy of it: `Admit` if they are.
    pub(super) fn matches_object(&self, changed: Option<Node<'d>>, params: Option<Node<'d>>) -> Decision {
        match self.matches(changed, params) {
            Err(Stop::Pending) => Decision::Pending,
            Err(Stop::Text(message)) => Decision::Error(message),
            Ok(false) => Decision::NotMatched,
            Ok(true) => Decision::Admit(Vec::new()),
        }
    }

    /// Whether the match conditions are met: one that is false decides before one that fails.
    fn matches(&self, changed: Option<Node<'d>>, params: Option<Node<'d>>) -> Result<bool, Stop> {
        if self.expressions.match_conditions.is_empty() {
            return Ok(true);
        }
        let budget = Budget::per_call(limits::CEL_COST_PER_CALL_MAX);
        let frame = Frame::new(self.expressions, self.inputs, budget).with_params(params).without_namespace();
        frame.set_object(changed);
        let mut errors = Vec::new();
        for expression in &self.expressions.match_conditions {
            match condition(&frame, expression) {
                Ok(true) => {}
                Ok(false) => return Ok(false),
                Err(Stop::Pending) => return Err(Stop::Pending),
                Err(Stop::Text(text)) => errors.push(text),
            }
        }
        match errors.as_slice() {
            [] => Ok(true),
            _ if self.ignores_failures => Ok(false),
            [error] => Err(Stop::Text(error.clone())),
            several => Err(Stop::Text(format!("[{}]", several.join(", ")))),
        }
    }
}

fn condition<'d>(frame: &Frame<'d>, expression: &'d Expression) -> Result<bool, Stop> {
    told(frame, expression, frame.condition(expression))
}

fn value<'d>(frame: &Frame<'d>, expression: &'d Expression) -> Result<Value<'d>, Stop> {
    told(frame, expression, frame.value(expression))
}

fn told<T>(frame: &Frame<'_>, expression: &Expression, result: Result<T, EvalError>) -> Result<T, Stop> {
    if frame.budget.spent() > limits::CEL_COST_PER_POLICY_MAX {
        return Err(Stop::Text(OUT_OF_BUDGET.to_owned()));
    }
    result.map_err(|error| match error {
        EvalError::Pending => Stop::Pending,
        error => Stop::Text(format!("expression '{}' resulted in error: {error}", expression.text)),
    })
}

/// Why a validation denies: its message expression if that gives one line of text, else its message, else the expression.
fn message<'d>(frame: &Frame<'d>, validation: &'d Validation) -> Decision {
    let mut message = String::new();
    if let Some(expression) = &validation.message_expression {
        match frame.value(expression) {
            Err(EvalError::Pending) => return Decision::Pending,
            Err(EvalError::Cancelled(text)) => {
                return Decision::Error(format!("failed messageExpression: {text}"));
            }
            Ok(value) => {
                let text = value.as_str().map(str::trim).unwrap_or_default();
                if text.len() <= limits::CEL_MESSAGE_BYTES_MAX && !text.contains('\n') {
                    text.clone_into(&mut message);
                }
            }
            Err(_) => {}
        }
    }
    if message.is_empty() {
        validation.message.trim().clone_into(&mut message);
    }
    if message.is_empty() {
        message = format!("failed expression: {}", validation.expression.text.trim());
    }
    Decision::Deny(message)
}
