//! Parts of a rule with variables: `{{ expression }}` in texts and keys, and `$(path)` references to other parts of the same pattern.
//!
//! A template is taken apart once; references, which only look at the policy, are resolved then. Variables are resolved in a
//! [`Context`], with Kyverno's typing: a text that is one variable becomes the variable's value, every other text stays a
//! text. The rules are those of Kyverno's `pkg/engine/variables/vars.go` and `pkg/engine/jsonutils`.

mod pointer;
mod reference;
mod scan;

pub(crate) use scan::variables as variables_in;

use crate::document::{Document, Kind, Map, Node, Text, Value};
use crate::lang::jmespath;
use crate::limits;

use super::arena;
use super::context::{Context, Failure, Query};
use super::outline;

/// A part of a rule that may hold variables.
#[derive(Debug)]
pub(crate) struct Template(Part);

/// What integers of the policy become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Numbers {
    /// They stay.
    Keep,
    /// They become floats, where Kyverno writes this part as JSON and reads it again.
    Floats,
}

#[derive(Debug)]
enum Part {
    /// Holds no variables.
    Literal(Document),
    Text(TextTemplate),
    List(Vec<Part>),
    Map(Vec<(Key, Part)>),
    /// A reference leads nowhere.
    Broken(String),
}

#[derive(Debug)]
enum Key {
    Plain(String),
    Text(TextTemplate),
}

/// A text with variables.
#[derive(Debug)]
pub(super) struct TextTemplate {
    text: Box<str>,
    /// Where it stands, for messages and for `{{ @ }}`.
    path: Box<str>,
    form: Form,
}

#[derive(Debug)]
enum Form {
    /// One variable and nothing else.
    Variable(Query),
    /// Text and variables, none inside another.
    Pieces(Vec<Piece>),
    /// Variables inside variables, or side by side: what is a variable shows after each substitution.
    Nested,
}

#[derive(Debug)]
enum Piece {
    Text(Box<str>),
    Variable(Query),
}

impl Template {
    /// Takes a part of a rule apart.
    pub(crate) fn compile(node: Node<'_>) -> Self {
        Self::compile_with(node, Numbers::Floats)
    }

    /// Takes a part of a rule apart.
    pub(super) fn compile_with(node: Node<'_>, numbers: Numbers) -> Self {
        let own = if numbers == Numbers::Floats {
            arena::json_document(node)
        } else {
            Value::from(node).to_document()
        };
        match reference::resolve(own.root()) {
            Err(message) => Self(Part::Broken(message)),
            Ok(None) => Self(Part::of(own.root(), &mut String::new())),
            Ok(Some(resolved)) => Self(Part::of(resolved.root(), &mut String::new())),
        }
    }

    /// The value, if there is nothing to substitute.
    pub(super) fn as_literal(&self) -> Option<Node<'_>> {
        match &self.0 {
            Part::Literal(document) => Some(document.root()),
            _ => None,
        }
    }

    /// The part with a hole for each text with variables, in the order in which they are resolved; `None` if keys have variables, if nothing
    /// can be resolved, or if a text looks like a hole.
    pub(super) fn outline(&self) -> Option<Document> {
        let mut n_holes = 0;
        let outline = self.0.with(&mut || {
            n_holes += 1;
            Value::owned(outline::hole(n_holes - 1))
        })?;
        Some(outline.to_document())
    }

    /// The values of the texts with variables, in order.
    pub(super) fn texts<'d>(
        &'d self,
        context: &Context<'d>,
        values: &mut Vec<Value<'d>>,
    ) -> Result<(), Failure> {
        self.0.texts(context, values)
    }

    /// The part with these values for the texts with variables; only for a part that has an outline.
    pub(super) fn with_texts<'d>(&'d self, values: Vec<Value<'d>>) -> Value<'d> {
        let mut values = values.into_iter();
        self.0.with(&mut || values.next().unwrap_or(Value::Null)).unwrap_or(Value::Null)
    }

    /// The value in a context.
    pub(crate) fn value<'d>(&'d self, context: &Context<'d>) -> Result<Value<'d>, Failure> {
        self.0.value(context)
    }
}

impl Part {
    fn of(node: Node<'_>, path: &mut String) -> Self {
        if !has_anything_to_do(node) {
            return Self::Literal(Value::from(node).to_document());
        }
        match node.kind() {
            Kind::String => Self::Text(TextTemplate::of(node.as_str().unwrap_or_default(), path)),
            Kind::Array => {
                let parts = node
                    .items()
                    .enumerate()
                    .map(|(index, item)| below(path, &index.to_string(), |path| Self::of(item, path)));
                Self::List(parts.collect())
            }
            _ => {
                let parts = node.sorted_entries().into_iter().map(|(key, value)| {
                    let key_part = if scan::has_work(key) {
                        Key::Text(TextTemplate::of(key, path))
                    } else {
                        Key::Plain(key.to_owned())
                    };
                    (key_part, below(path, key, |path| Self::of(value, path)))
                });
                Self::Map(parts.collect())
            }
        }
    }

    fn value<'d>(&'d self, context: &Context<'d>) -> Result<Value<'d>, Failure> {
        match self {
            Self::Literal(document) => Ok(document.root().into()),
            Self::Text(text) => text.value(context),
            Self::List(parts) => {
                parts.iter().map(|part| part.value(context)).collect::<Result<_, _>>().map(Value::list)
            }
            Self::Map(parts) => {
                let mut map = Map::new();
                for (key, part) in parts {
                    let key = key.name(context)?;
                    map.insert(key, part.value(context)?);
                }
                Ok(Value::map(map))
            }
            Self::Broken(message) => Err(Failure::Error(message.clone())),
        }
    }

    fn texts<'d>(&'d self, context: &Context<'d>, values: &mut Vec<Value<'d>>) -> Result<(), Failure> {
        match self {
            Self::Literal(_) => Ok(()),
            Self::Text(text) => {
                values.push(text.value(context)?);
                Ok(())
            }
            Self::List(parts) => parts.iter().try_for_each(|part| part.texts(context, values)),
            Self::Map(parts) => parts.iter().try_for_each(|(_, part)| part.texts(context, values)),
            Self::Broken(message) => Err(Failure::Error(message.clone())),
        }
    }

    /// The part with other values for the texts with variables.
    fn with<'d>(&'d self, next: &mut dyn FnMut() -> Value<'d>) -> Option<Value<'d>> {
        Some(match self {
            Self::Literal(document) => {
                let value = Value::from(document.root());
                (!outline::has_marks(&value)).then_some(value)?
            }
            Self::Text(_) => next(),
            Self::List(parts) => {
                Value::list(parts.iter().map(|part| part.with(next)).collect::<Option<_>>()?)
            }
            Self::Map(parts) => {
                let mut map = Map::new();
                for (key, part) in parts {
                    let Key::Plain(key) = key else { return None };
                    map.insert(Text::Borrowed(key), part.with(next)?);
                }
                Value::map(map)
            }
            Self::Broken(_) => return None,
        })
    }
}

impl Key {
    fn name<'d>(&'d self, context: &Context<'d>) -> Result<Text<'d>, Failure> {
        match self {
            Self::Plain(key) => Ok(Text::Borrowed(key)),
            Self::Text(text) => match text.value(context)? {
                Value::String(key) => Ok(key),
                Value::Null => Ok(Text::Borrowed(&text.text)),
                _ => Err(Failure::Error(format!(
                    "expected string after substituting variables in key \"{}\"",
                    text.text
                ))),
            },
        }
    }
}

fn below<T>(path: &mut String, step: &str, then: impl FnOnce(&mut String) -> T) -> T {
    let len = path.len();
    path.push('/');
    path.push_str(step);
    let result = then(path);
    path.truncate(len);
    result
}

fn has_anything_to_do(node: Node<'_>) -> bool {
    match node.kind() {
        Kind::String => node.as_str().is_some_and(scan::has_work),
        Kind::Array => node.items().any(has_anything_to_do),
        Kind::Object => node.entries().any(|(key, value)| scan::has_work(key) || has_anything_to_do(value)),
        _ => false,
    }
}

impl TextTemplate {
    fn of(text: &str, path: &str) -> Self {
        Self { text: text.into(), path: path.into(), form: Form::of(text, path) }
    }

    fn value<'d>(&'d self, context: &Context<'d>) -> Result<Value<'d>, Failure> {
        match &self.form {
            Form::Variable(query) => self.resolve(query, context),
            Form::Nested => substitute(self.text.to_string(), &self.path, context),
            Form::Pieces(pieces) => {
                let mut out = String::new();
                let mut needs_another_look = false;
                for piece in pieces {
                    match piece {
                        Piece::Text(text) => out.push_str(text),
                        Piece::Variable(query) => {
                            let text = to_text(self.resolve(query, context)?, context)?;
                            needs_another_look |= text.contains("{{") || text.ends_with('{');
                            out.push_str(&text);
                        }
                    }
                }
                if needs_another_look {
                    return substitute(out, &self.path, context);
                }
                Ok(Value::owned(scan::unescape(&out)))
            }
        }
    }

    fn resolve<'d>(&'d self, query: &'d Query, context: &Context<'d>) -> Result<Value<'d>, Failure> {
        context.variable(query).map_err(|failure| failure.at(query.text(), &self.path))
    }
}

impl Form {
    fn of(text: &str, path: &str) -> Self {
        let variables = scan::variables(text);
        if variables.len() == 1 && variables.first().is_some_and(|range| range.len() == text.len()) {
            return Self::Variable(Query::compile(&expression_of(text, path)));
        }
        let mut pieces = Vec::new();
        let mut at = 0;
        for range in variables {
            let between = text.get(at..range.start).unwrap_or_default();
            if between.contains("{{") && !between.contains("\\{{") {
                return Self::Nested;
            }
            if !between.is_empty() {
                pieces.push(Piece::Text(between.into()));
            }
            let variable = text.get(range.clone()).unwrap_or_default();
            pieces.push(Piece::Variable(Query::compile(&expression_of(variable, path))));
            at = range.end;
        }
        let rest = text.get(at..).unwrap_or_default();
        if rest.contains("{{") && !rest.contains("\\{{") {
            return Self::Nested;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.into()));
        }
        Self::Pieces(pieces)
    }
}

/// Substitutes the variables of a text until none is left; `path` is where it stands, for messages.
pub(super) fn substitute<'d>(
    mut text: String,
    path: &str,
    context: &Context<'d>,
) -> Result<Value<'d>, Failure> {
    for _ in 0..limits::SUBSTITUTION_ROUNDS_MAX {
        let variables = scan::variables(&text);
        if variables.is_empty() {
            return Ok(Value::owned(scan::unescape(&text)));
        }
        let original = text.clone();
        for range in variables {
            let Some(variable) = original.get(range.clone()) else { continue };
            let expression = expression_of(variable, path);
            let value = context.query_text(&expression).map_err(|failure| failure.at(&expression, path))?;
            if variable == original {
                return Ok(value);
            }
            let value = to_text(value, context)?;
            let (before, after) = (original.get(..range.start), original.get(range.end..));
            text = [before.unwrap_or_default(), &value, after.unwrap_or_default()].concat();
        }
    }
    Err(Failure::Error(format!(
        "variables at path {path} are still there after {} substitutions",
        limits::SUBSTITUTION_ROUNDS_MAX
    )))
}

/// The expression inside the braces of a variable at a path.
fn expression_of(variable: &str, path: &str) -> String {
    let expression = variable.replace("{{", "").replace("}}", "");
    match expression.trim() {
        "@" => pointer::expression_at(path),
        expression => expression.to_owned(),
    }
}

/// A value inside a text.
fn to_text<'d>(value: Value<'d>, context: &Context<'d>) -> Result<String, Failure> {
    match value {
        Value::String(text) => Ok(text.as_str().to_owned()),
        other => {
            jmespath::encode_json(&other, context.env()).map_err(|error| Failure::Error(error.to_string()))
        }
    }
}
