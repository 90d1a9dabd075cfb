//! Configuration as an untyped tree whose nodes know their line, and overrides laid over it.
//!
//! What keys exist and what their values mean is the business of `read`.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use super::Mistake;

/// A value of the configuration.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Node {
    /// What it is.
    pub(super) value: Value,
    /// Where it was given.
    pub(super) place: Place,
}

/// Where a value was given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Place {
    /// Nowhere that has a name.
    #[default]
    Unknown,
    /// The line of the file.
    Line(u64),
    /// The environment variable or flag that overrides the file.
    Override(String),
}

/// The shapes of values.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Value {
    /// Nothing, which means the default.
    #[default]
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in its order.
    Map(Vec<(String, Node)>),
    /// The text of an override, whose meaning depends on the key.
    Given(String),
}

impl Value {
    /// The shape in words, for messages.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Null => "nothing".into(),
            Self::Bool(value) => format!("`{value}`"),
            Self::Int(value) => format!("`{value}`"),
            Self::Float(value) => format!("`{value}`"),
            Self::Text(text) | Self::Given(text) => format!("`{text}`"),
            Self::List(_) => "a list".into(),
            Self::Map(_) => "a mapping".into(),
        }
    }
}

impl Node {
    /// Parses the text of a file; an empty one is an empty mapping.
    pub(super) fn parse(text: &str) -> Result<Self, Mistake> {
        // A file without any node, comments apart, is no document for the parser.
        let is_blank =
            |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#') || line.trim() == "---";
        if text.lines().all(is_blank) {
            return Ok(Self { value: Value::Map(Vec::new()), place: Place::Unknown });
        }
        serde_saphyr::from_str::<Spanned<Self>>(text).map(with_line).map_err(|error| Mistake {
            path: String::new(),
            line: error.location().map(|location| location.line()).filter(|line| *line > 0),
            given_by: None,
            message: format!("the file is not YAML: {}", error.without_snippet()),
        })
    }

    /// The value of an override, read as YAML, for keys whose values are lists or mappings.
    pub(super) fn structured(&self) -> Result<Self, String> {
        let Value::Given(text) = &self.value else { return Ok(self.clone()) };
        let node = Self::parse(text).map_err(|mistake| mistake.message)?;
        Ok(node.relocate(&self.place))
    }

    fn relocate(self, place: &Place) -> Self {
        let value = match self.value {
            Value::List(items) => Value::List(items.into_iter().map(|item| item.relocate(place)).collect()),
            Value::Map(pairs) => {
                Value::Map(pairs.into_iter().map(|(key, node)| (key, node.relocate(place))).collect())
            }
            value => value,
        };
        Self { value, place: place.clone() }
    }

    /// Lays a value over the one at a path of names, making mappings on the way.
    pub(super) fn lay(&mut self, path: &[&str], node: Self) {
        let Some((first, rest)) = path.split_first() else {
            *self = node;
            return;
        };
        if !matches!(self.value, Value::Map(_)) {
            self.value = Value::Map(Vec::new());
        }
        let Value::Map(pairs) = &mut self.value else { return };
        if let Some((_, child)) = pairs.iter_mut().find(|(key, _)| key == first) {
            child.lay(rest, node);
        } else {
            let mut child = Self::default();
            child.lay(rest, node);
            pairs.push(((*first).to_owned(), child));
        }
    }
}

fn with_line(spanned: Spanned<Node>) -> Node {
    let line = spanned.referenced.line();
    Node { place: if line > 0 { Place::Line(line) } else { Place::Unknown }, ..spanned.value }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor).map(|value| Self { value, place: Place::Unknown })
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Int(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(i64::try_from(value).map_or(Value::Float(value as f64), Value::Int))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element::<Spanned<Node>>()? {
            items.push(with_line(item));
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut pairs: Vec<(String, Node)> = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            let mut node = with_line(map.next_value::<Spanned<Node>>()?);
            // A key's own line is what people look for, also where its value starts on the next one.
            if key.referenced.line() > 0 {
                node.place = Place::Line(key.referenced.line());
            }
            pairs.push((key.value, node));
        }
        Ok(Value::Map(pairs))
    }
}
