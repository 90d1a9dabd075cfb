//! The program: a tree of resolved operations over slots, with constants computed and regular expressions
//! compiled.
//!
//! A program is shared between threads; its constants are lent to each evaluation.

use std::sync::Arc;

use super::environment::Overload;
use super::value::{Blob, Opaque, Text, Timestamp, Value};
use crate::document::{Document, Node};
use crate::gostd::regexp::Regexp;

/// A value that a program holds.
#[derive(Clone, Debug)]
pub(crate) enum Const {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    String(Box<str>),
    Bytes(Box<[u8]>),
    Duration(i64),
    Timestamp(Timestamp),
    Type(Box<str>),
    /// A list or map of JSON values.
    Document(Box<Document>),
    Opaque(Arc<dyn Opaque>),
    Optional(Option<Box<Const>>),
}

impl Const {
    /// The value, borrowed from the program.
    pub(crate) fn to_value(&self) -> Value<'_> {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(*value),
            Self::Int(value) => Value::Int(*value),
            Self::Uint(value) => Value::Uint(*value),
            Self::Double(value) => Value::Double(*value),
            Self::String(text) => Value::String(Text::Borrowed(text)),
            Self::Bytes(bytes) => Value::Bytes(Blob::Borrowed(bytes)),
            Self::Duration(nanos) => Value::Duration(*nanos),
            Self::Timestamp(at) => Value::Timestamp(*at),
            Self::Type(name) => Value::Type(Text::Borrowed(name)),
            Self::Document(document) => Value::Node(document.root()),
            Self::Opaque(value) => Value::Opaque(value.clone()),
            Self::Optional(value) => Value::Optional(value.as_ref().map(|v| std::rc::Rc::new(v.to_value()))),
        }
    }

    /// The constant that a value is; `None` for containers of what JSON cannot hold.
    pub(crate) fn of(value: &Value<'_>) -> Option<Self> {
        Some(match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Int(value) => Self::Int(*value),
            Value::Uint(value) => Self::Uint(*value),
            Value::Double(value) => Self::Double(*value),
            Value::String(text) => Self::String(text.as_str().into()),
            Value::Bytes(bytes) => Self::Bytes((**bytes).into()),
            Value::Duration(nanos) => Self::Duration(*nanos),
            Value::Timestamp(at) => Self::Timestamp(*at),
            Value::Type(name) => Self::Type(name.as_str().into()),
            Value::Opaque(value) => Self::Opaque(value.clone()),
            Value::Optional(None) => Self::Optional(None),
            Value::Optional(Some(value)) => Self::Optional(Some(Box::new(Self::of(value)?))),
            Value::Node(_) | Value::List(_) | Value::Map(_) => {
                Self::Document(Box::new(to_json(value)?.to_document()))
            }
        })
    }
}

/// The same value in the document's words; `None` where that would change it.
fn to_json<'d>(value: &Value<'d>) -> Option<crate::document::Value<'d>> {
    use crate::document::Value as Json;
    Some(match value {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Int(value) => Json::Int(*value),
        Value::Double(value) if value.is_finite() => Json::Float(*value),
        Value::String(text) => Json::String(text.clone()),
        Value::Node(node) => Json::Node(*node),
        Value::List(items) => Json::list(items.iter().map(to_json).collect::<Option<_>>()?),
        Value::Map(map) if map.type_name().is_none() => {
            let mut entries = crate::document::Map::new();
            for (key, value) in map.iter() {
                match key {
                    super::value::Key::String(text) => entries.insert(text.clone(), to_json(value)?),
                    _ => return None,
                };
            }
            Json::map(entries)
        }
        _ => return None,
    })
}

/// An operation on two values that needs no table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Less,
    LessEquals,
    Greater,
    GreaterEquals,
    Equals,
    NotEquals,
    In,
    Contains,
    StartsWith,
    EndsWith,
    Matches,
}

impl Operator {
    /// Whether the result is a boolean.
    pub(crate) fn is_relation(self) -> bool {
        !matches!(self, Self::Add | Self::Subtract | Self::Multiply | Self::Divide | Self::Modulo)
    }

    /// Whether the cost is that of an overload, and so not known where several are left.
    pub(crate) fn has_overloads(self) -> bool {
        matches!(
            self,
            Self::In | Self::Add | Self::Less | Self::LessEquals | Self::Greater | Self::GreaterEquals
        )
    }
}

/// A call through the table of functions.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) function: Arc<str>,
    /// What the checker left open; the arguments' types decide at run time.
    pub(crate) candidates: Vec<Arc<Overload>>,
    pub(crate) args: Vec<Ir>,
}

/// What a comprehension makes of its items.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    All(Ir),
    Exists(Ir),
    ExistsOne(Ir),
    Filter(Ir),
    Map { filter: Option<Ir>, transform: Ir },
    TransformMap { filter: Option<Ir>, value: Ir },
    TransformMapEntry { filter: Option<Ir>, entry: Ir },
    SortBy(Ir),
}

impl Step {
    /// Whether the result is a boolean, with its state in one word.
    pub(crate) fn is_quantifier(&self) -> bool {
        matches!(self, Self::All(_) | Self::Exists(_) | Self::ExistsOne(_))
    }
}

/// A comprehension.
#[derive(Clone, Debug)]
pub(crate) struct Fold {
    pub(crate) range: Ir,
    /// The item, or the key of a map; the index or key if there are two variables.
    pub(crate) first: u16,
    /// The value, if there are two variables.
    pub(crate) second: Option<u16>,
    pub(crate) step: Step,
}

/// An entry of a map or message literal.
#[derive(Clone, Debug)]
pub(crate) struct MapEntry {
    pub(crate) key: Ir,
    pub(crate) value: Ir,
    pub(crate) is_optional: bool,
}

/// One operation.
#[derive(Clone, Debug)]
pub(crate) enum Ir {
    Const(Const),
    /// A variable of the environment.
    Variable(u16),
    /// A variable of a comprehension.
    Local(u16),
    /// A variable of `cel.bind`, computed when it is first read; the number of its definition.
    Bound {
        slot: u16,
        definition: u16,
    },
    /// A chain of fields: `object.spec.replicas`.
    Select {
        operand: Box<Ir>,
        fields: Vec<Box<str>>,
    },
    /// A field of an optional, or one that may be absent: an optional.
    OptSelect {
        operand: Box<Ir>,
        field: Box<str>,
    },
    Has {
        operand: Box<Ir>,
        field: Box<str>,
    },
    Index {
        operand: Box<Ir>,
        index: Box<Ir>,
        is_optional: bool,
    },
    Not(Box<Ir>),
    Negate(Box<Ir>),
    And(Vec<Ir>),
    Or(Vec<Ir>),
    If(Box<[Ir; 3]>),
    /// With whether one overload only was left, which the cost depends on.
    Binary(Operator, bool, Box<[Ir; 2]>),
    /// Whether a value is one of constant ones, sorted strings.
    InStrings(Box<Ir>, Vec<Box<str>>),
    /// `matches` with a constant expression.
    Matches(Box<Ir>, Box<Regexp>),
    Size(Box<Ir>),
    Call(Box<Call>),
    List(Vec<(Ir, bool)>),
    Map(Vec<MapEntry>),
    Message(Box<str>, Vec<MapEntry>),
    Fold(Box<Fold>),
    /// `cel.bind`: the body, with one more bound variable.
    Bind {
        slot: u16,
        body: Box<Ir>,
    },
    /// `optMap` and `optFlatMap`: target, body, and whether the body's value is wrapped.
    OptMap {
        target: Box<Ir>,
        slot: u16,
        body: Box<Ir>,
        wraps: bool,
    },
    /// `or` and `orValue`: whether the left value is unwrapped.
    OptOr {
        left: Box<Ir>,
        right: Box<Ir>,
        unwraps: bool,
    },
    /// What fails whenever it is reached.
    Fail(Box<str>),
}

impl Ir {
    /// A field of what an operation gives; chains become one operation.
    pub(crate) fn select(self, field: &str) -> Self {
        match self {
            Self::Select { operand, mut fields } => {
                fields.push(field.into());
                Self::Select { operand, fields }
            }
            operand => Self::Select { operand: Box::new(operand), fields: vec![field.into()] },
        }
    }

    /// The same where the field may be absent, or the operand is an optional.
    pub(crate) fn opt_select(self, field: &str) -> Self {
        Self::OptSelect { operand: Box::new(self), field: field.into() }
    }

    /// Whether cel-go would see a chain of selections on a name.
    pub(crate) fn is_attribute(&self) -> bool {
        matches!(
            self,
            Self::Variable(_)
                | Self::Local(_)
                | Self::Bound { .. }
                | Self::Select { .. }
                | Self::OptSelect { .. }
                | Self::Index { .. }
        )
    }

    /// Whether cel-go hands the result on as decoded JSON, as far as that shows before evaluation.
    pub(crate) fn is_native(&self) -> bool {
        match self {
            Self::Variable(_) => true,
            Self::Select { operand, .. } | Self::OptSelect { operand, .. } => operand.is_native(),
            Self::Index { operand, index, .. } => {
                operand.is_native() && !matches!(index.as_const(), Some(Const::Uint(_) | Const::Double(_)))
            }
            Self::If(parts) => parts.iter().skip(1).any(Self::is_native),
            _ => false,
        }
    }

    /// The constant, if the operation is one.
    pub(crate) fn as_const(&self) -> Option<&Const> {
        match self {
            Self::Const(constant) => Some(constant),
            _ => None,
        }
    }

    /// The list or map in place, if the operation is a constant one.
    pub(crate) fn as_const_node(&self) -> Option<Node<'_>> {
        match self {
            Self::Const(Const::Document(document)) => Some(document.root()),
            _ => None,
        }
    }
}
