//! `foreach`: the same checks for each element of a list, nested as deep as a policy likes.

use crate::document::{Kind, Node, Value};
use crate::model::Status;
use crate::policy::Warning;

use super::super::condition::{AnyAllConditions, join_non_empty};
use super::super::context::{Context, Element, Entries, Failure, Query};
use super::{Answer, Checks, Response, Scope};

/// One `foreach`.
#[derive(Debug)]
pub(super) struct ForEach {
    list: Query,
    /// Whether patterns are matched against the element; decided by the element where the policy does not say.
    element_scope: Option<bool>,
    entries: Entries,
    preconditions: AnyAllConditions,
    checks: Checks,
}

impl ForEach {
    pub(super) fn compile(node: Node<'_>, path: &str, warnings: &mut Vec<Warning>) -> Self {
        Self {
            list: Query::compile(node.get("list").and_then(Node::as_str).unwrap_or_default()),
            element_scope: node.get("elementScope").and_then(Node::as_bool),
            entries: Entries::compile(node.get("context"), &format!("{path}.context"), warnings),
            preconditions: AnyAllConditions::compile(
                node.get("preconditions"),
                &format!("{path}.preconditions"),
                warnings,
            ),
            checks: Checks::compile(node, path, warnings),
        }
    }

    /// The elements; `None` if the list cannot be computed, which skips this `foreach`.
    fn elements<'d>(&'d self, context: &Context<'d>) -> Result<Option<Vec<Value<'d>>>, Failure> {
        match context.query(&self.list) {
            Ok(value) => Ok(Some(value.items().unwrap_or_else(|| vec![value]))),
            Err(Failure::Pending) => Err(Failure::Pending),
            Err(Failure::Error(_)) => Ok(None),
        }
    }

    /// How many elements were checked and passed, or the response that ends the rule.
    fn check_elements<'d>(
        &'d self,
        elements: Vec<Value<'d>>,
        scope: &Scope<'_, 'd>,
        context: &Context<'d>,
    ) -> Result<Result<usize, Response>, Failure> {
        let mut n_applied = 0;
        for (index, element) in elements.into_iter().enumerate() {
            if element.is_null() {
                continue;
            }
            let element = context.arena().json_value(element);
            if self.element_scope == Some(true) && element.kind() != Kind::Object {
                return Ok(Err(Response::error(format!(
                    "failed to process foreach: cannot use elementScope=true foreach rules for elements that are \
                     not maps, expected type=map got type={}",
                    go_type(&element)
                ))));
            }
            let answer = self.check_element(element, index, scope, context)?;
            let Some(response) = answer else { continue };
            match response.status {
                Status::Skip => {}
                Status::Pass => n_applied += 1,
                status => {
                    let message = format!("validation failure: {}", response.message);
                    return Ok(Err(Response::new(status, message)));
                }
            }
        }
        Ok(Ok(n_applied))
    }

    fn check_element<'d>(
        &'d self,
        element: Value<'d>,
        index: usize,
        scope: &Scope<'_, 'd>,
        context: &Context<'d>,
    ) -> Answer {
        let is_map = element.kind() == Kind::Object;
        let own = Scope {
            element: if self.element_scope.unwrap_or(is_map) {
                Some(node_of(&element, context))
            } else {
                scope.element
            },
            nesting: scope.nesting + 1,
            ..scope.clone()
        };
        context.enter(&self.entries, Some(Element { value: element, index, nesting: scope.nesting }));
        let answer = self.check(&own, context);
        context.leave();
        match answer {
            Err(Failure::Error(message)) => Ok(Some(Response::error(message))),
            other => other,
        }
    }

    fn check<'d>(&'d self, scope: &Scope<'_, 'd>, context: &Context<'d>) -> Answer {
        let held = self
            .preconditions
            .evaluate(context)
            .map_err(|failure| failure.under("failed to evaluate preconditions"))?;
        if !held.is_true {
            let message = join_non_empty(&["preconditions not met", &held.message], "; ");
            return Ok(Some(Response::new(Status::Skip, message)));
        }
        self.checks.evaluate(scope, context)
    }
}

/// Evaluates the `foreach` of a rule, or those inside another one; no outcome if no element was checked.
pub(super) fn evaluate<'d>(list: &'d [ForEach], scope: &Scope<'_, 'd>, context: &Context<'d>) -> Answer {
    let mut n_applied = 0;
    for each in list {
        let Some(elements) = each.elements(context)? else { continue };
        match each.check_elements(elements, scope, context)? {
            Ok(n) => n_applied += n,
            Err(response) => return Ok(Some(response)),
        }
    }
    Ok((n_applied > 0).then(|| Response::new(Status::Pass, "rule passed")))
}

/// An element as part of a document.
fn node_of<'d>(element: &Value<'d>, context: &Context<'d>) -> Node<'d> {
    match element {
        Value::Node(node) => *node,
        other => context.arena().document(other.to_document()).root(),
    }
}

fn go_type(value: &Value<'_>) -> &'static str {
    match value.kind() {
        Kind::Null => "<nil>",
        Kind::Bool => "bool",
        Kind::Int => "int64",
        Kind::Float => "float64",
        Kind::String => "string",
        Kind::Array => "[]interface {}",
        Kind::Object => "map[string]interface {}",
    }
}
