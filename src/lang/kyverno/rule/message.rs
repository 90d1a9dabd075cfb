//! The message of a rule, and what is put around it.

use crate::document::{Node, Value};

use super::context::{Context, Failure};
use super::template::Template;

/// `validate.message`.
#[derive(Debug)]
pub(super) struct Message {
    text: String,
    template: Option<Template>,
}

/// A message with its variables substituted.
pub(super) enum Substituted {
    Text(String),
    /// The message is one variable whose value is no text.
    NoText,
    /// A variable has no value.
    Failed,
}

impl Message {
    pub(super) fn compile(node: Option<Node<'_>>) -> Self {
        let text = node.and_then(Node::as_str).unwrap_or_default().to_owned();
        let template = node.map(Template::compile).filter(|template| template.as_literal().is_none());
        Self { text, template }
    }

    /// The message as it was written.
    pub(super) fn raw(&self) -> &str {
        &self.text
    }

    pub(super) fn substituted<'d>(&'d self, context: &Context<'d>) -> Result<Substituted, Failure> {
        let Some(template) = &self.template else { return Ok(Substituted::Text(self.text.clone())) };
        text_of(template.value(context))
    }

    /// The message for a mismatch at a path; `error` says why, where there is no path.
    pub(super) fn mismatch<'d>(
        &'d self,
        rule: &str,
        path: &str,
        error: &str,
        context: &Context<'d>,
    ) -> Result<String, Failure> {
        let place = if path.is_empty() {
            format!("rule {rule} execution error: {error}")
        } else {
            format!("rule {rule} failed at path {path}")
        };
        if self.text.is_empty() {
            return Ok(format!("validation error: {place}"));
        }
        Ok(match self.substituted(context)? {
            Substituted::Text(text) => format!("validation error: {} {place}", with_full_stop(text)),
            Substituted::NoText | Substituted::Failed => format!(
                "validation error: variables substitution error in rule {rule} execution error: {error}"
            ),
        })
    }

    /// The message when no pattern of `anyPattern` matched; `errors` says why, pattern by pattern.
    pub(super) fn no_pattern_matched<'d>(
        &'d self,
        rule: &str,
        errors: &str,
        context: &Context<'d>,
    ) -> Result<String, Failure> {
        if self.text.is_empty() {
            return Ok(format!("validation error: {errors}"));
        }
        Ok(match self.substituted(context)? {
            Substituted::Text(text) => format!("validation error: {} {errors}", with_full_stop(text)),
            Substituted::NoText | Substituted::Failed => format!(
                "validation error: variables substitution error in rule {rule} execution error: {errors}"
            ),
        })
    }
}

fn with_full_stop(mut text: String) -> String {
    if !text.ends_with('.') {
        text.push('.');
    }
    text
}

/// What a text with variables came to.
pub(super) fn text_of(value: Result<Value<'_>, Failure>) -> Result<Substituted, Failure> {
    Ok(match value {
        Ok(Value::String(text)) => Substituted::Text(text.as_str().to_owned()),
        Ok(_) => Substituted::NoText,
        Err(Failure::Pending) => return Err(Failure::Pending),
        Err(Failure::Error(_)) => Substituted::Failed,
    })
}
