//! `validate.assert`: an assertion tree over the resource and the request, as kyverno-json evaluates it.
//!
//! Upstream: `pkg/core/assertion`, `pkg/core/projection` and `pkg/core/matching` of kyverno/kyverno-json, and
//! `pkg/engine/handlers/validation/validate_assert.go`. Expressions are those of Kyverno's `JMESPath`, where a missing key is null; a variable
//! `$name` stands for its value as a literal. Trees in CEL are not evaluated. A rule has one outcome here, so its failures share a message.

mod key;
mod print;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::document::{Document, Kind, Map, Node, Text, Value};
use crate::lang::jmespath::{EvaluateError, Program, Scope};
use crate::limits;
use crate::model::{FactKey, FactValue, Status};

use super::arena;
use super::body::Response;
use super::context::{Context, Failure};
use key::{Each, Engine, Parsed};
use print::{invalid, place};

/// A compiled `validate.assert`.
#[derive(Debug)]
pub(super) struct Assertion {
    root: Result<Tree, String>,
    /// Whether the tree looks at the labels of the resource's namespace.
    needs_namespace_labels: bool,
}

#[derive(Debug)]
enum Tree {
    List(Vec<Tree>),
    Map(Vec<Entry>),
    Literal(Document),
    Expression(Expression),
}

#[derive(Debug)]
struct Entry {
    /// As it is written, for messages.
    text: String,
    source: Source,
    each: Each<String>,
    /// The value is bound to this name.
    binding: Option<String>,
    below: Tree,
}

/// What an entry is about.
#[derive(Debug)]
enum Source {
    Field(String),
    Expression(Expression),
}

/// An expression; one with variables is compiled with their values.
#[derive(Debug)]
enum Expression {
    Fixed(Result<Program, String>),
    Variable(String),
}

/// What is bound to names, innermost last.
type Bindings<'d> = Vec<(String, Value<'d>)>;

/// Failures so far, or why there can be no answer.
type Asserted = Result<(), Failure>;

impl Assertion {
    pub(super) fn compile(node: Node<'_>) -> Self {
        Self {
            root: Tree::compile(node),
            needs_namespace_labels: Value::from(node).to_json().contains("namespaceLabels"),
        }
    }

    /// Judges the resource; the rule's failures are joined with semicolons.
    pub(super) fn evaluate<'d>(&'d self, rule: &str, context: &Context<'d>) -> Result<Response, Failure> {
        let refused = |message: &str| Failure::Error(format!("failed to apply assertion: {message}"));
        let tree = self.root.as_ref().map_err(|message| refused(message))?;
        let payload = self.payload(context)?;
        let mut run = Run { context, failures: Vec::new() };
        run.tree(tree, &payload, "", &Vec::new())
            .map_err(|failure| failure.under("failed to apply assertion"))?;
        Ok(if run.failures.is_empty() {
            Response::new(Status::Pass, format!("Validation rule '{rule}' passed."))
        } else {
            Response::new(Status::Fail, run.failures.join("; "))
        })
    }

    /// What the tree is asserted of.
    fn payload<'d>(&self, context: &Context<'d>) -> Result<Value<'d>, Failure> {
        let inputs = context.inputs();
        let own = |node: Node<'_>| Value::from(context.arena().document(arena::json_document(node)).root());
        let mut payload = Map::new();
        let mut put = |key: &'static str, value: Value<'d>| payload.insert(Text::Borrowed(key), value);
        let (object, old) = if context.is_delete() {
            (Value::Null, inputs.object().into())
        } else {
            let old = inputs.request.old_object.as_ref();
            (own(inputs.object()), old.map_or(Value::Null, |old| own(old.root())))
        };
        put("object", object);
        put("oldObject", old);
        put("admissionInfo", inputs.request.user.as_ref().map_or(Value::Null, |user| own(user.root())));
        put("operation", Value::borrowed(inputs.request.operation.as_str()));
        put("admissionOperation", Value::Bool(false));
        put("requestResource", Value::map(Map::new()));
        let key = &inputs.resource.key;
        let kind = [
            ("group", key.group.as_str()),
            ("version", inputs.resource.version.as_str()),
            ("kind", key.kind.as_str()),
            ("subResource", inputs.request.subresource.as_str()),
        ];
        let kind = kind.map(|(name, value)| (Text::Borrowed(name), Value::borrowed(value)));
        put("resourceKind", Value::map(kind.into_iter().collect()));
        if self.needs_namespace_labels && !key.namespace.is_empty() {
            let labels = match inputs.fact(&FactKey::NamespaceLabels(key.namespace.clone())) {
                None => return Err(Failure::Pending),
                Some(FactValue::Found(labels)) => labels.root().into(),
                Some(FactValue::Missing) => Value::map(Map::new()),
                Some(FactValue::Failed { message, .. } | FactValue::Refused(message)) => {
                    return Err(Failure::Error(message.clone()));
                }
            };
            put("namespaceLabels", labels);
        } else {
            put("namespaceLabels", Value::map(Map::new()));
        }
        Ok(Value::map(payload))
    }
}

impl Tree {
    fn compile(node: Node<'_>) -> Result<Self, String> {
        Ok(match node.kind() {
            Kind::Array => Self::List(node.items().map(Self::compile).collect::<Result<_, _>>()?),
            Kind::Object => {
                let entries = node.entries().map(|(key, value)| Entry::compile(key, value));
                Self::Map(entries.collect::<Result<_, _>>()?)
            }
            Kind::String => {
                let parsed = Parsed::of(node.as_str().unwrap_or_default());
                if parsed.each != Each::Whole {
                    return Err("foreach is not supported on the RHS".to_owned());
                }
                if parsed.binding.is_some() {
                    return Err("binding is not supported on the RHS".to_owned());
                }
                match parsed.engine {
                    Engine::None => Self::Literal(Value::borrowed(parsed.statement).to_document()),
                    Engine::JmesPath => Self::Expression(Expression::compile(parsed.statement)),
                    Engine::Other(name) => return Err(unsupported(name)),
                }
            }
            _ => Self::Literal(arena::json_document(node)),
        })
    }
}

fn unsupported(engine: &str) -> String {
    format!("assertions in `{engine}` are not supported")
}

impl Entry {
    fn compile(key: &str, value: Node<'_>) -> Result<Self, String> {
        let parsed = Parsed::of(key);
        let source = match parsed.engine {
            Engine::None => Source::Field(parsed.statement.to_owned()),
            Engine::JmesPath => Source::Expression(Expression::compile(parsed.statement)),
            Engine::Other(name) => return Err(unsupported(name)),
        };
        Ok(Self {
            text: key.to_owned(),
            source,
            each: match parsed.each {
                Each::Whole => Each::Whole,
                Each::Item => Each::Item,
                Each::Named(name) => Each::Named(name.to_owned()),
            },
            binding: parsed.binding.map(str::to_owned),
            below: Tree::compile(value)?,
        })
    }
}

impl Expression {
    fn compile(text: &str) -> Self {
        if key::variables(text).is_empty() {
            Self::Fixed(Program::compile(text).map_err(|error| error.to_string()))
        } else {
            Self::Variable(text.to_owned())
        }
    }

    /// The value; a key that is not there makes it null.
    fn value<'d>(
        &'d self,
        value: &Value<'d>,
        bindings: &Bindings<'d>,
        context: &Context<'d>,
    ) -> Result<Value<'d>, Failure> {
        let program = match self {
            Self::Fixed(program) => program.as_ref().map_err(|message| Failure::Error(message.clone()))?,
            Self::Variable(text) => {
                let text = with_values(text, bindings, context)?;
                let program = Program::compile(&text).map_err(|error| Failure::Error(error.to_string()))?;
                context.arena().program(Arc::new(program))
            }
        };
        match context.evaluate_on(program, value) {
            Err(EvaluateError::NotFound { .. }) => Ok(Value::Null),
            Err(EvaluateError::Pending) => Err(Failure::Pending),
            Err(error) => Err(Failure::Error(error.to_string())),
            Ok(value) => Ok(value),
        }
    }
}

/// The expression with the values of its variables as literals.
fn with_values<'d>(text: &str, bindings: &Bindings<'d>, context: &Context<'d>) -> Result<String, Failure> {
    let mut out = String::new();
    let mut at = 0;
    for range in key::variables(text) {
        let name = text.get(range.start + 1..range.end).unwrap_or_default();
        let bound = bindings.iter().rev().find(|(bound, _)| bound == name).map(|(_, value)| value.clone());
        let value = match bound {
            Some(value) => value,
            None => match context.get(name) {
                Ok(Some(value)) => value,
                Ok(None) => return Err(Failure::Error(format!("variable not defined: {name}"))),
                Err(EvaluateError::Pending) => return Err(Failure::Pending),
                Err(error) => return Err(Failure::Error(error.to_string())),
            },
        };
        out.push_str(text.get(at..range.start).unwrap_or_default());
        out.push('`');
        out.push_str(&value.to_json().replace('`', "\\`"));
        out.push('`');
        at = range.end;
        if out.len() > limits::ASSERTION_TEXT_BYTES_MAX {
            return Err(Failure::Error(format!("the values in `{text}` are too large")));
        }
    }
    out.push_str(text.get(at..).unwrap_or_default());
    Ok(out)
}

/// One evaluation of a tree.
struct Run<'c, 'd> {
    context: &'c Context<'d>,
    failures: Vec<String>,
}

impl<'d> Run<'_, 'd> {
    fn tree(&mut self, tree: &'d Tree, value: &Value<'d>, path: &str, bindings: &Bindings<'d>) -> Asserted {
        match tree {
            Tree::List(items) => self.list(items, value, path, bindings),
            Tree::Map(entries) if entries.is_empty() => {
                if value.is_null() {
                    self.fail(invalid(path, value, "invalid value, must not be null"));
                }
                Ok(())
            }
            Tree::Map(entries) => self.map(entries, value, path, bindings),
            Tree::Literal(expected) => self.scalar(&expected.root().into(), value, path),
            Tree::Expression(expression) => {
                let expected = expression
                    .value(value, bindings, self.context)
                    .map_err(|failure| internal(failure, path))?;
                self.scalar(&expected, value, path)
            }
        }
    }

    fn fail(&mut self, failure: String) {
        if self.failures.len() < limits::ASSERTION_FAILURES_MAX {
            self.failures.push(failure);
        }
    }

    fn list(
        &mut self,
        trees: &'d [Tree],
        value: &Value<'d>,
        path: &str,
        bindings: &Bindings<'d>,
    ) -> Asserted {
        if value.is_null() {
            self.fail(invalid(path, value, "value is null"));
            return Ok(());
        }
        let Some(items) = value.items() else {
            return Err(Failure::Error(format!("{}: Invalid value: expected a slice", place(path))));
        };
        if items.len() != trees.len() {
            self.fail(invalid(path, value, "lengths of slices don't match"));
            return Ok(());
        }
        for (index, (tree, item)) in trees.iter().zip(&items).enumerate() {
            self.tree(tree, item, &format!("{path}[{index}]"), bindings)?;
        }
        Ok(())
    }

    fn map(
        &mut self,
        entries: &'d [Entry],
        value: &Value<'d>,
        path: &str,
        bindings: &Bindings<'d>,
    ) -> Asserted {
        let mut bindings = bindings.clone();
        for entry in entries {
            let path = if path.is_empty() { entry.text.clone() } else { format!("{path}.{}", entry.text) };
            let projected = match &entry.source {
                Source::Field(key) => match value.kind() {
                    Kind::Null => None,
                    Kind::Object => value.get(key),
                    _ => return Err(internal(Failure::Error("projection not recognized".into()), &path)),
                },
                Source::Expression(expression) => {
                    let value = expression.value(value, &bindings, self.context);
                    Some(value.map_err(|failure| internal(failure, &path))?)
                }
            };
            let Some(projected) = projected else {
                self.fail(format!("{path}: Required value: field not found in the input object"));
                continue;
            };
            if let Some(name) = &entry.binding {
                bindings.push((name.clone(), projected.clone()));
            }
            match &entry.each {
                Each::Whole => self.tree(&entry.below, &projected, &path, &bindings)?,
                Each::Item => self.each(entry, None, &projected, &path, &bindings)?,
                Each::Named(name) => self.each(entry, Some(name), &projected, &path, &bindings)?,
            }
        }
        Ok(())
    }

    /// Every item of a list or map.
    fn each(
        &mut self,
        entry: &'d Entry,
        name: Option<&str>,
        value: &Value<'d>,
        path: &str,
        bindings: &Bindings<'d>,
    ) -> Asserted {
        let items: Vec<(String, Value<'d>, Value<'d>)> = match value.kind() {
            Kind::Array => {
                let items = value.items().unwrap_or_default().into_iter().enumerate();
                items.map(|(at, item)| (at.to_string(), index_value(at), item)).collect()
            }
            Kind::Object => {
                let entries = value.entries().unwrap_or_default().into_iter();
                entries
                    .map(|(key, item)| (key.as_str().to_owned(), Value::owned(key.as_str()), item))
                    .collect()
            }
            _ => {
                let message = format!("{}: Invalid value: expected a slice or a map", place(path));
                return Err(Failure::Error(message));
            }
        };
        for (step, key, item) in items {
            let mut bindings = bindings.clone();
            if let Some(name) = name {
                bindings.push((name.to_owned(), key));
            }
            self.tree(&entry.below, &item, &format!("{path}[{step}]"), &bindings)?;
        }
        Ok(())
    }

    fn scalar(&mut self, expected: &Value<'_>, actual: &Value<'_>, path: &str) -> Asserted {
        match is_match(expected, actual) {
            Ok(true) => Ok(()),
            Ok(false) => {
                self.fail(invalid(path, actual, &print::expected(expected)));
                Ok(())
            }
            Err(message) => Err(internal(Failure::Error(message), path)),
        }
    }
}

fn index_value<'d>(index: usize) -> Value<'d> {
    #[expect(clippy::cast_precision_loss, reason = "no list has 2^53 items")]
    Value::Float(index as f64)
}

fn internal(failure: Failure, path: &str) -> Failure {
    failure.under(&format!("{}: Internal error", place(path)))
}

/// Whether a value is what is expected: lists item by item, of maps the keys that are expected, scalars of one type.
fn is_match(expected: &Value<'_>, actual: &Value<'_>) -> Result<bool, String> {
    match (expected.kind(), actual.kind()) {
        (Kind::Array, Kind::Array) => {
            let (expected, actual) =
                (expected.items().unwrap_or_default(), actual.items().unwrap_or_default());
            if expected.len() != actual.len() {
                return Ok(false);
            }
            all(expected.iter().zip(&actual).map(|(expected, actual)| is_match(expected, actual)))
        }
        (Kind::Array, other) => {
            Err(format!("invalid actual value, must be a slice, found {}", print::go_kind(other)))
        }
        (Kind::Object, Kind::Object) => {
            let entries = expected.entries().unwrap_or_default();
            all(entries.iter().map(|(key, expected)| match actual.get(key.as_str()) {
                Some(actual) => is_match(expected, &actual),
                None => Ok(false),
            }))
        }
        (Kind::Object, other) => {
            Err(format!("invalid actual value, must be a map, found {}", print::go_kind(other)))
        }
        (Kind::Null, other) | (other, Kind::Null) => Ok(other == Kind::Null),
        (Kind::Int | Kind::Float, Kind::Int | Kind::Float) => {
            Ok(expected.as_f64().zip(actual.as_f64()).is_some_and(|(a, b)| a.total_cmp(&b).is_eq()))
        }
        (a, b) if a == b => Ok(expected.equals(actual)),
        (a, b) => Err(format!("types are not comparable, {} - {}", print::go_kind(a), print::go_kind(b))),
    }
}

/// Whether all hold; the first that does not ends it.
fn all(answers: impl Iterator<Item = Result<bool, String>>) -> Result<bool, String> {
    for answer in answers {
        if !answer? {
            return Ok(false);
        }
    }
    Ok(true)
}
