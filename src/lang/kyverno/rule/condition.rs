//! `preconditions`, `deny.conditions` and the conditions of exceptions: `any` and `all` blocks, or the old bare list.
//!
//! The rules, messages included, are those of Kyverno's `pkg/engine/variables/evaluate.go`.

mod operand;
mod operator;
#[cfg(test)]
mod tests;

use crate::document::{Kind, Node};
use crate::policy::Warning;

use super::context::{Context, Failure};
use super::template::Template;
use operand::{Known, Operand};
use operator::Operator;

/// Conditions of a rule or an exception.
#[derive(Debug)]
pub(crate) struct AnyAllConditions(Form);

#[derive(Debug)]
enum Form {
    AnyAll { any: Option<Vec<Condition>>, all: Vec<Condition> },
    List(Vec<Condition>),
    Invalid(String),
}

#[derive(Debug)]
struct Condition {
    key: Side,
    operator: Option<Operator>,
    value: Side,
    message: String,
}

/// The key or the value.
#[derive(Debug)]
struct Side {
    template: Template,
    /// What it means, if it has no variables.
    known: Option<Known>,
}

impl Side {
    fn compile(node: Option<Node<'_>>) -> Self {
        let null = crate::document::Document::null();
        let template = Template::compile(node.unwrap_or_else(|| null.root()));
        let known = template.as_literal().map(Known::of);
        Self { template, known }
    }
}

/// Whether conditions hold, and what they say about it: the messages of those that decided, joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) is_true: bool,
    pub(crate) message: String,
}

impl AnyAllConditions {
    /// Compiles conditions; nothing at all holds always. `path` is their place in the policy.
    pub(crate) fn compile(node: Option<Node<'_>>, path: &str, warnings: &mut Vec<Warning>) -> Self {
        let Some(node) = node.filter(|node| !node.is_null()) else { return Self(Form::List(Vec::new())) };
        let mut list = |list: Node<'_>, path: &str| -> Result<Vec<Condition>, String> {
            list.items()
                .enumerate()
                .map(|(index, item)| Condition::compile(item, &format!("{path}[{index}]"), warnings))
                .collect()
        };
        let form = match node.kind() {
            Kind::Array => list(node, path).map(Form::List),
            Kind::Object => {
                if let Some((key, _)) = node.entries().find(|(key, _)| !matches!(*key, "any" | "all")) {
                    Err(format!("unknown field '{key}' found under preconditions/validate.deny.conditions"))
                } else {
                    let block = |key: &str| node.get(key).filter(|block| block.kind() == Kind::Array);
                    let any = block("any").map(|block| list(block, &format!("{path}.any"))).transpose();
                    let all = block("all").map(|block| list(block, &format!("{path}.all"))).transpose();
                    any.and_then(|any| Ok(Form::AnyAll { any, all: all?.unwrap_or_default() }))
                }
            }
            _ => Err("error occurred while parsing preconditions/validate.deny.conditions".to_owned()),
        };
        Self(form.unwrap_or_else(Form::Invalid))
    }

    /// Why the conditions cannot be evaluated, if they cannot.
    pub(super) fn invalid(&self) -> Option<&str> {
        match &self.0 {
            Form::Invalid(message) => Some(message),
            _ => None,
        }
    }

    /// Evaluates the conditions.
    pub(crate) fn evaluate<'d>(&'d self, context: &Context<'d>) -> Result<Held, Failure> {
        match &self.0 {
            Form::AnyAll { any, all } => any_all(any.as_deref(), all, context),
            Form::List(list) => bare_list(list, context),
            Form::Invalid(message) => Err(Failure::Error(message.clone())),
        }
    }
}

fn any_all<'d>(
    any: Option<&'d [Condition]>,
    all: &'d [Condition],
    context: &Context<'d>,
) -> Result<Held, Failure> {
    let mut true_messages: Vec<&str> = Vec::new();
    let mut false_messages: Vec<&str> = Vec::new();
    let mut any_is_true = any.is_none();
    for condition in any.unwrap_or_default() {
        if condition.evaluate(context)? {
            any_is_true = true;
            true_messages.push(&condition.message);
            break;
        }
        false_messages.push(&condition.message);
    }
    let mut all_are_true = true;
    for condition in all {
        if !condition.evaluate(context)? {
            all_are_true = false;
            false_messages.push(&condition.message);
            break;
        }
        true_messages.push(&condition.message);
    }
    let is_true = any_is_true && all_are_true;
    let messages = if is_true { true_messages } else { false_messages };
    Ok(Held { is_true, message: join_non_empty(&messages, "; ") })
}

fn bare_list<'d>(list: &'d [Condition], context: &Context<'d>) -> Result<Held, Failure> {
    let mut messages: Vec<&str> = Vec::new();
    for condition in list {
        if !condition.evaluate(context)? {
            return Ok(Held { is_true: false, message: condition.message.clone() });
        }
        messages.push(&condition.message);
    }
    Ok(Held { is_true: true, message: join_non_empty(&messages, ";") })
}

/// The texts that are not empty, with something between them.
pub(super) fn join_non_empty(texts: &[&str], between: &str) -> String {
    let texts: Vec<&str> = texts.iter().copied().filter(|text| !text.is_empty()).collect();
    texts.join(between)
}

impl Condition {
    fn compile(node: Node<'_>, path: &str, warnings: &mut Vec<Warning>) -> Result<Self, String> {
        if node.kind() != Kind::Object {
            return Err(format!("{path} is no condition"));
        }
        let word = node.get("operator").and_then(Node::as_str).unwrap_or_default();
        let operator = Operator::of(word);
        if operator.is_none() {
            warnings.push(Warning::new(format!("{path}.operator"), format!("unknown operator `{word}`")));
        }
        let message = node.get("message").and_then(Node::as_str).unwrap_or_default().to_owned();
        let side = |key: &str| Side::compile(node.get(key));
        Ok(Self { key: side("key"), operator, value: side("value"), message })
    }

    fn evaluate<'d>(&'d self, context: &Context<'d>) -> Result<bool, Failure> {
        let key = self
            .key
            .template
            .value(context)
            .map_err(|failure| failure.under("failed to substitute variables in condition key"))?;
        let value = self
            .value
            .template
            .value(context)
            .map_err(|failure| failure.under("failed to substitute variables in condition value"))?;
        let operator = self.operator.ok_or_else(|| {
            Failure::Error("failed to create handler for condition operator: %!w(<nil>)".to_owned())
        })?;
        let key = Operand::new(&key, self.key.known.as_ref());
        Ok(operator.holds(key, Operand::new(&value, self.value.known.as_ref())))
    }
}
