//! What expressions compute: values that borrow the document and the program wherever they can.
//!
//! Scalars are copied, containers of a document stay in place ([`Value::Node`] is always a list or a map),
//! computed ones are shared by reference count on one thread. Equality and order are CEL's: numbers of
//! different types compare by value.

mod compare;
mod list;
mod map;
mod print;

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

pub use list::List;
pub use map::{Key, Map, MapValue};
pub(crate) use print::go_display;

pub use crate::document::Text;
use crate::document::{Kind, Node};

/// A byte string that is borrowed from a program or computed.
#[derive(Clone, Debug)]
pub enum Blob<'d> {
    /// Bytes of a compiled program.
    Borrowed(&'d [u8]),
    /// Computed bytes.
    Owned(Rc<[u8]>),
}

impl std::ops::Deref for Blob<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Owned(bytes) => bytes,
        }
    }
}

/// An instant with the offset it was written in, as Go's `time.Time` keeps it.
#[derive(Clone, Copy, Debug)]
pub struct Timestamp {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub seconds: i64,
    /// Nanoseconds of the second.
    pub nanos: u32,
    /// East of UTC, in seconds; only printing sees it.
    pub offset_s: i32,
}

impl PartialEq for Timestamp {
    fn eq(&self, other: &Self) -> bool {
        (self.seconds, self.nanos) == (other.seconds, other.nanos)
    }
}

/// A value that only its library looks into (a quantity, an IP address, …).
pub trait Opaque: fmt::Debug + Send + Sync {
    /// The name of its type, as `type(x)` has it.
    fn type_name(&self) -> &'static str;
    /// For its library's downcasts.
    fn as_any(&self) -> &dyn std::any::Any;
    /// CEL's `==`.
    fn equals(&self, other: &dyn Opaque) -> bool;
    /// Whether `==` with another value of the type is an error, as it is with some of the API server's.
    fn refuses(&self, other: &dyn Opaque) -> bool {
        let _ = other;
        false
    }
    /// What messages print.
    fn to_text(&self) -> String {
        format!("{self:?}")
    }
}

/// A computed value.
#[derive(Clone, Debug)]
pub enum Value<'d> {
    /// `null`
    Null,
    /// `bool`
    Bool(bool),
    /// `int`
    Int(i64),
    /// `uint`
    Uint(u64),
    /// `double`
    Double(f64),
    /// `string`
    String(Text<'d>),
    /// `bytes`
    Bytes(Blob<'d>),
    /// A duration in nanoseconds.
    Duration(i64),
    /// An instant.
    Timestamp(Timestamp),
    /// A list or map of a document, in place.
    Node(Node<'d>),
    /// A computed list.
    List(Rc<Vec<Value<'d>>>),
    /// A computed map or message.
    Map(Rc<MapValue<'d>>),
    /// An optional.
    Optional(Option<Rc<Value<'d>>>),
    /// A type, by its run-time name.
    Type(Text<'d>),
    /// A library's own value.
    Opaque(Arc<dyn Opaque>),
}

impl<'d> From<Node<'d>> for Value<'d> {
    #[inline]
    fn from(node: Node<'d>) -> Self {
        match node.kind() {
            Kind::Null => Self::Null,
            Kind::Bool => Self::Bool(node.as_bool().unwrap_or_default()),
            Kind::Int => Self::Int(node.as_i64().unwrap_or_default()),
            Kind::Float => Self::Double(node.as_f64().unwrap_or_default()),
            Kind::String => Self::String(Text::Borrowed(node.as_str().unwrap_or_default())),
            Kind::Array | Kind::Object => Self::Node(node),
        }
    }
}

impl<'d> From<&crate::document::Value<'d>> for Value<'d> {
    fn from(value: &crate::document::Value<'d>) -> Self {
        use crate::document::Value as Json;
        match value {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(*value),
            Json::Int(value) => Self::Int(*value),
            Json::Float(value) => Self::Double(*value),
            Json::String(text) => Self::String(text.clone()),
            Json::Node(node) => Self::from(*node),
            Json::List(items) => Self::list(items.iter().map(Self::from).collect()),
            Json::Map(entries) => Self::Map(Rc::new(MapValue::from_entries(
                entries.iter().map(|(key, value)| (Key::String(key.clone()), Self::from(value))).collect(),
            ))),
        }
    }
}

impl<'d> Value<'d> {
    /// A computed string.
    pub fn string(text: impl Into<Rc<str>>) -> Self {
        Self::String(Text::Owned(text.into()))
    }

    /// A borrowed string.
    pub fn borrowed(text: &'d str) -> Self {
        Self::String(Text::Borrowed(text))
    }

    /// Computed bytes.
    pub fn bytes(bytes: Vec<u8>) -> Self {
        Self::Bytes(Blob::Owned(bytes.into()))
    }

    /// A computed list.
    pub fn list(items: Vec<Value<'d>>) -> Self {
        Self::List(Rc::new(items))
    }

    /// A computed map of strings to values; of a key given twice the last one counts.
    pub fn map(entries: Vec<(Key<'d>, Value<'d>)>) -> Self {
        Self::Map(Rc::new(MapValue::from_entries(entries)))
    }

    /// An optional with a value.
    pub fn some(value: Value<'d>) -> Self {
        Self::Optional(Some(Rc::new(value)))
    }

    /// A library's value.
    pub fn opaque(value: impl Opaque + 'static) -> Self {
        Self::Opaque(Arc::new(value))
    }

    /// A library's value, if it is of that type.
    pub fn as_opaque<T: 'static>(&self) -> Option<&T> {
        match self {
            Self::Opaque(value) => value.as_any().downcast_ref(),
            _ => None,
        }
    }

    /// The name of the value's type at run time.
    pub fn type_name(&self) -> &str {
        match self {
            Self::Null => "null_type",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Uint(_) => "uint",
            Self::Double(_) => "double",
            Self::String(_) => "string",
            Self::Bytes(_) => "bytes",
            Self::Duration(_) => "google.protobuf.Duration",
            Self::Timestamp(_) => "google.protobuf.Timestamp",
            Self::Node(node) if node.kind() == Kind::Array => "list",
            Self::List(_) => "list",
            Self::Map(map) => map.type_name().unwrap_or("map"),
            Self::Node(_) => "map",
            Self::Optional(_) => "optional_type",
            Self::Type(_) => "type",
            Self::Opaque(value) => value.type_name(),
        }
    }

    /// The boolean, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The integer, if it is one.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(*value),
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

    /// The list, if it is one.
    pub fn as_list(&self) -> Option<List<'d>> {
        match self {
            Self::List(items) => Some(List::Items(items.clone())),
            Self::Node(node) if node.kind() == Kind::Array => Some(List::Node(*node)),
            _ => None,
        }
    }

    /// The map, if it is one.
    pub fn as_map(&self) -> Option<Map<'d>> {
        match self {
            Self::Map(entries) => Some(Map::Entries(entries.clone())),
            Self::Node(node) if node.kind() == Kind::Object => Some(Map::Node(*node)),
            _ => None,
        }
    }

    /// Characters, bytes, items or entries; `None` for what has no size.
    pub fn size(&self) -> Option<usize> {
        match self {
            Self::String(text) => Some(text.chars().count()),
            Self::Bytes(bytes) => Some(bytes.len()),
            Self::List(items) => Some(items.len()),
            Self::Map(entries) => Some(entries.len()),
            Self::Node(node) => Some(node.len()),
            _ => None,
        }
    }

    /// CEL's `+`.
    ///
    /// # Errors
    /// An overflow, or types that cannot be added.
    pub fn add(&self, other: &Value<'d>) -> Result<Value<'d>, super::error::EvalError> {
        super::eval::add(self, other)
    }

    /// The value as JSON, as the API server converts results: maps with string keys, numbers, strings for
    /// times and bytes.
    pub fn to_json(&self) -> Option<serde_json::Value> {
        use serde_json::Value as Json;
        Some(match self {
            Self::Null | Self::Optional(None) => Json::Null,
            Self::Bool(value) => Json::Bool(*value),
            Self::Int(value) => (*value).into(),
            Self::Uint(value) => (*value).into(),
            Self::Double(value) => (*value).into(),
            Self::String(text) => Json::String(text.to_string()),
            Self::Bytes(bytes) => {
                use base64::Engine as _;
                Json::String(base64::engine::general_purpose::STANDARD.encode(&**bytes))
            }
            Self::Duration(_) | Self::Timestamp(_) => {
                Json::String(super::library::convert::to_text(self).ok()?)
            }
            Self::Node(node) => serde_json::to_value(node).ok()?,
            Self::List(items) => Json::Array(items.iter().map(Value::to_json).collect::<Option<_>>()?),
            Self::Map(entries) => {
                let mut object = serde_json::Map::new();
                for (key, value) in entries.iter() {
                    object.insert(key.to_value().as_str()?.to_owned(), value.to_json()?);
                }
                Json::Object(object)
            }
            Self::Optional(Some(value)) => value.to_json()?,
            Self::Type(name) => Json::String(name.to_string()),
            Self::Opaque(value) => Json::String(value.to_text()),
        })
    }
}
