//! What an expression computes: a container of some document, or something new made of such.
//!
//! Scalars are always their own variant and containers of a document stay in place ([`Value::Node`] is always a list or a map), so a path
//! expression allocates nothing. Values live on one thread for one evaluation; what is shared between threads is a [`Document`](super::Document).

use std::collections::BTreeMap;
use std::rc::Rc;

use serde::ser::{Serialize, Serializer};

use super::node::Node;
use super::tape::{Document, DocumentBuilder, Kind};

/// The entries of a computed map, sorted by key.
pub type Map<'d> = BTreeMap<Text<'d>, Value<'d>>;

/// A string that is borrowed from a document or computed; cheap to clone.
#[derive(Clone, Debug)]
pub enum Text<'d> {
    /// Text of a document or of a compiled program.
    Borrowed(&'d str),
    /// Computed text.
    Owned(Rc<str>),
}

impl Text<'_> {
    /// The text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Owned(text) => text,
        }
    }
}

impl std::ops::Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl std::borrow::Borrow<str> for Text<'_> {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq for Text<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Text<'_> {}

impl PartialOrd for Text<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text<'_> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl<'d> From<&'d str> for Text<'d> {
    fn from(text: &'d str) -> Self {
        Self::Borrowed(text)
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Self::Owned(text.into())
    }
}

/// A computed value.
#[derive(Clone, Debug)]
pub enum Value<'d> {
    /// `null`
    Null,
    /// A boolean.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A string.
    String(Text<'d>),
    /// A list or map in place.
    Node(Node<'d>),
    /// A computed list.
    List(Rc<Vec<Value<'d>>>),
    /// A computed map.
    Map(Rc<Map<'d>>),
}

impl<'d> From<Node<'d>> for Value<'d> {
    fn from(node: Node<'d>) -> Self {
        match node.kind() {
            Kind::Null => Self::Null,
            Kind::Bool => Self::Bool(node.as_bool().unwrap_or_default()),
            Kind::Int => Self::Int(node.as_i64().unwrap_or_default()),
            Kind::Float => Self::Float(node.as_f64().unwrap_or_default()),
            Kind::String => Self::String(Text::Borrowed(node.as_str().unwrap_or_default())),
            Kind::Array | Kind::Object => Self::Node(node),
        }
    }
}

impl<'d> Value<'d> {
    /// A borrowed string.
    pub fn borrowed(text: &'d str) -> Self {
        Self::String(Text::Borrowed(text))
    }

    /// A computed string.
    pub fn owned(text: impl Into<Rc<str>>) -> Self {
        Self::String(Text::Owned(text.into()))
    }

    /// A computed list.
    pub fn list(items: Vec<Value<'d>>) -> Self {
        Self::List(Rc::new(items))
    }

    /// A computed map.
    pub fn map(entries: Map<'d>) -> Self {
        Self::Map(Rc::new(entries))
    }

    /// The JSON type.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Null => Kind::Null,
            Self::Bool(_) => Kind::Bool,
            Self::Int(_) => Kind::Int,
            Self::Float(_) => Kind::Float,
            Self::String(_) => Kind::String,
            Self::Node(node) => node.kind(),
            Self::List(_) => Kind::Array,
            Self::Map(_) => Kind::Object,
        }
    }

    /// Whether the value is `null`.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The boolean, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The number, integer or not.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Int(value) => Some(*value as f64),
            Self::Float(value) => Some(*value),
            _ => None,
        }
    }

    /// The string, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The number of items or entries; `None` for scalars.
    #[expect(clippy::len_without_is_empty, reason = "a scalar is neither empty nor not")]
    pub fn len(&self) -> Option<usize> {
        match self {
            Self::Node(node) => Some(node.len()),
            Self::List(items) => Some(items.len()),
            Self::Map(entries) => Some(entries.len()),
            _ => None,
        }
    }

    /// The field of a map; `None` if it is absent or this is no map.
    pub fn get(&self, key: &str) -> Option<Value<'d>> {
        match self {
            Self::Node(node) => node.get(key).map(Value::from),
            Self::Map(entries) => entries.get(key).cloned(),
            _ => None,
        }
    }

    /// The items of a list; `None` for everything else.
    pub fn items(&self) -> Option<Vec<Value<'d>>> {
        match self {
            Self::Node(node) if node.kind() == Kind::Array => Some(node.items().map(Value::from).collect()),
            Self::List(items) => Some(items.to_vec()),
            _ => None,
        }
    }

    /// The entries of a map, sorted by key; `None` for everything else.
    pub fn entries(&self) -> Option<Vec<(Text<'d>, Value<'d>)>> {
        match self {
            Self::Node(node) if node.kind() == Kind::Object => {
                Some(node.sorted_entries().into_iter().map(|(k, v)| (Text::Borrowed(k), v.into())).collect())
            }
            Self::Map(entries) => Some(entries.iter().map(|(k, v)| (k.clone(), v.clone())).collect()),
            _ => None,
        }
    }

    /// Whether two values are equal as JSON.
    pub fn equals(&self, other: &Value<'_>) -> bool {
        match (self, other) {
            (Self::Node(a), Value::Node(b)) => a.equals(*b),
            (Self::Int(a), Value::Int(b)) => a == b,
            (Self::Int(_) | Self::Float(_), Value::Int(_) | Value::Float(_)) => {
                self.as_f64() == other.as_f64()
            }
            (Self::String(a), Value::String(b)) => a.as_str() == b.as_str(),
            (Self::Bool(a), Value::Bool(b)) => a == b,
            (Self::Null, Value::Null) => true,
            _ if self.kind() != other.kind() => false,
            _ => match (self.items(), other.items(), self.entries(), other.entries()) {
                (Some(a), Some(b), _, _) => a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| a.equals(b)),
                (_, _, Some(a), Some(b)) => {
                    a.len() == b.len()
                        && a.iter()
                            .zip(&b)
                            .all(|((ka, va), (kb, vb))| ka.as_str() == kb.as_str() && va.equals(vb))
                }
                _ => false,
            },
        }
    }

    /// The value as compact JSON with sorted keys.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The value as a document of its own.
    pub fn to_document(&self) -> Document {
        let mut builder = DocumentBuilder::new();
        self.write_to(&mut builder);
        builder.finish()
    }

    /// Appends the value to a document under construction.
    pub fn write_to(&self, builder: &mut DocumentBuilder) {
        match self {
            Self::Null => builder.null(),
            Self::Bool(value) => builder.bool(*value),
            Self::Int(value) => builder.int(*value),
            Self::Float(value) => builder.float(*value),
            Self::String(text) => builder.string(text),
            Self::Node(node) => builder.node(*node),
            Self::List(items) => {
                builder.open_array();
                items.iter().for_each(|item| item.write_to(builder));
                builder.close();
            }
            Self::Map(entries) => {
                builder.open_object();
                for (key, value) in entries.iter() {
                    builder.key(key);
                    value.write_to(builder);
                }
                builder.close();
            }
        }
    }
}

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(value) => serializer.serialize_i64(*value),
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::String(text) => serializer.serialize_str(text),
            Self::Node(node) => node.serialize(serializer),
            Self::List(items) => serializer.collect_seq(items.iter()),
            Self::Map(entries) => serializer.collect_map(entries.iter().map(|(k, v)| (k.as_str(), v))),
        }
    }
}
