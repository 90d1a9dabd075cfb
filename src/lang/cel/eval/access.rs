//! Fields, entries and items: selection, presence, index, each with its optional form.
//!
//! As cel-go's qualifiers (`interpreter/attributes.go`): a step on an optional gives an optional. What lies in
//! a document stays a cursor until its value is asked for, and an optional is put into a value only where a
//! program wants one, so that neither chains of fields nor optionals allocate.

use super::super::error::EvalError;
use super::super::ir::Ir;
use super::super::value::{Key, Text, Value, go_display};
use super::fold::go_type;
use super::{Local, Machine, Outcome};
use crate::document::{Kind, Node};

/// Where a step leads.
#[derive(Clone, Debug)]
pub(super) enum Place<'d> {
    /// Anything in a document, scalars too.
    Node(Node<'d>),
    /// Something computed.
    Value(Value<'d>),
}

impl<'d> Place<'d> {
    fn of(value: Value<'d>) -> Self {
        match value {
            Value::Node(node) => Self::Node(node),
            value => Self::Value(value),
        }
    }

    pub(super) fn into_value(self) -> Value<'d> {
        match self {
            Self::Node(node) => node.into(),
            Self::Value(value) => value,
        }
    }

    fn field(&self, field: &str) -> Option<Place<'d>> {
        match self {
            Self::Node(node) => node.get(field).map(Self::Node),
            Self::Value(value) => field_of(value, field),
        }
    }

    /// The field for a step that may find none; a list has no fields to ask for.
    fn field_if_present(&self, field: &str) -> Result<Option<Place<'d>>, EvalError> {
        let is_list = match self {
            Self::Node(node) => node.kind() == Kind::Array,
            Self::Value(value) => value.as_list().is_some(),
        };
        if is_list { Err(NO_FIELDS) } else { Ok(self.field(field)) }
    }
}

/// What may be an optional, taken out of it.
#[derive(Clone, Debug)]
pub(super) enum Maybe<'d> {
    /// An optional without a value.
    Nothing,
    /// What an optional holds.
    Something(Place<'d>),
    /// No optional.
    Plain(Place<'d>),
}

impl<'d> Maybe<'d> {
    fn of(value: Value<'d>) -> Self {
        match value {
            Value::Optional(None) => Self::Nothing,
            Value::Optional(Some(inner)) => Self::Something(Place::Value((*inner).clone())),
            value => Self::Plain(Place::Value(value)),
        }
    }

    fn found(place: Option<Place<'d>>) -> Self {
        place.map_or(Self::Nothing, Self::Something)
    }

    fn into_value(self) -> Value<'d> {
        match self {
            Self::Nothing => Value::Optional(None),
            Self::Something(place) => Value::some(place.into_value()),
            Self::Plain(place) => place.into_value(),
        }
    }
}

const NO_FIELDS: EvalError = EvalError::Fixed("unsupported index type 'string' in list");

fn no_such_key(key: &Value<'_>) -> EvalError {
    EvalError::failed(format!("no such key: {}", go_display(key)))
}

/// The entry of a map; nothing for what is no map.
fn field_of<'d>(value: &Value<'d>, field: &str) -> Option<Place<'d>> {
    match value {
        Value::Node(node) => node.get(field).map(Place::Node),
        Value::Map(map) => map.get(&Key::String(Text::Borrowed(field))).cloned().map(Place::Value),
        _ => None,
    }
}

/// The position that an index of a list means.
fn position(index: &Value<'_>) -> Result<i64, EvalError> {
    match (index, Key::of(index)) {
        (Value::Int(index), _) => Ok(*index),
        (Value::Uint(_) | Value::Double(_), Some(Key::Int(index))) => Ok(index),
        (Value::Uint(index), _) if i64::try_from(*index).is_ok() => Ok(i64::try_from(*index).unwrap_or(0)),
        (Value::Uint(_) | Value::Double(_), _) => {
            let text = go_display(index);
            Err(EvalError::failed(format!("unsupported index value {text} in list")))
        }
        _ => Err(EvalError::failed(format!("unsupported index type '{}' in list", index.type_name()))),
    }
}

/// The entry or item, or nothing; an error only for an index that no list takes.
fn entry_of<'d>(value: &Value<'d>, index: &Value<'d>) -> Result<Option<Place<'d>>, EvalError> {
    match value {
        Value::Node(node) if node.kind() == Kind::Array => {
            let at = position(index)?;
            Ok(usize::try_from(at).ok().and_then(|at| node.at_index(at)).map(Place::Node))
        }
        Value::Node(node) => Ok(index.as_str().and_then(|key| node.get(key)).map(Place::Node)),
        Value::List(items) => {
            let at = position(index)?;
            Ok(usize::try_from(at).ok().and_then(|at| items.get(at)).cloned().map(Place::Value))
        }
        Value::Map(map) => Ok(Key::of(index).and_then(|key| map.get(&key)).cloned().map(Place::Value)),
        _ => Ok(None),
    }
}

fn missing(value: &Value<'_>, index: &Value<'_>) -> EvalError {
    if value.as_list().is_some() {
        EvalError::failed(format!("index out of bounds: {}", go_display(index)))
    } else {
        no_such_key(index)
    }
}

#[cold]
#[inline(never)]
fn missing_field(value: &Value<'_>, field: &str) -> EvalError {
    match value {
        _ if value.as_list().is_some() => NO_FIELDS,
        Value::Opaque(_) => EvalError::Fixed("no such overload"),
        _ => EvalError::failed(format!("no such key: {field}")),
    }
}

/// Whether a value is a key or a number.
pub(crate) fn is_index(value: &Value<'_>) -> bool {
    matches!(value, Value::String(_) | Value::Int(_) | Value::Uint(_) | Value::Double(_) | Value::Bool(_))
}

/// What is said of an index that is neither a key nor a number, with Go's name of its type: that of the decoded
/// JSON where it lies in a document.
#[cold]
#[inline(never)]
pub(crate) fn not_an_index(index: &Value<'_>, is_native: bool) -> EvalError {
    let kind = match index {
        Value::Node(node) if is_native && node.kind() == Kind::Array => "[]interface {}",
        Value::Node(_) if is_native => "map[string]interface {}",
        Value::Null if is_native => "<nil>",
        Value::Node(node) if node.kind() == Kind::Array => "*types.baseList",
        Value::List(_) => "*types.baseList",
        Value::Node(_) | Value::Map(_) => "*types.baseMap",
        other => go_type(other),
    };
    EvalError::failed(format!("invalid qualifier type: {kind}"))
}

impl<'d> Machine<'_, 'd> {
    #[inline(never)]
    pub(super) fn select(&mut self, operand: &'d Ir, fields: &'d [Box<str>]) -> Outcome<'d> {
        Ok(self.walk(operand, fields)?.into_value())
    }

    /// Follows a chain of fields; in a document without computing what lies between.
    fn walk(&mut self, operand: &'d Ir, fields: &'d [Box<str>]) -> Result<Place<'d>, EvalError> {
        let mut node = match self.place(operand)? {
            Place::Node(node) => node,
            Place::Value(value) => return self.walk_values(operand, value, fields),
        };
        if !operand.is_attribute() {
            self.charge(1)?;
        }
        for field in fields {
            match node.get(field) {
                Some(found) => node = found,
                None => return Err(missing_field(&node.into(), field)),
            }
            self.charge(1)?;
        }
        Ok(Place::Node(node))
    }

    #[inline(never)]
    fn walk_values(
        &mut self,
        operand: &'d Ir,
        value: Value<'d>,
        fields: &'d [Box<str>],
    ) -> Result<Place<'d>, EvalError> {
        if !operand.is_attribute() {
            self.charge(1)?;
        }
        let mut at = Maybe::of(value);
        for field in fields {
            at = match at {
                Maybe::Nothing => return Ok(Place::Value(Value::Optional(None))),
                Maybe::Something(place) => self.present(place.field_if_present(field)?)?,
                Maybe::Plain(place) => match place.field(field) {
                    Some(found) => {
                        self.charge(1)?;
                        Maybe::Plain(found)
                    }
                    None => return Err(missing_field(&place.into_value(), field)),
                },
            };
        }
        Ok(match at {
            Maybe::Plain(place) => place,
            optional => Place::Value(optional.into_value()),
        })
    }

    /// Computes an operation; what lies in a document stays there.
    pub(super) fn place(&mut self, ir: &'d Ir) -> Result<Place<'d>, EvalError> {
        match ir {
            Ir::Variable(slot) => {
                self.charge(1)?;
                self.context.activation.resolve(*slot).map(Place::of)
            }
            Ir::Local(slot) => {
                self.charge(1)?;
                match self.local(*slot) {
                    Local::Set(Value::Node(node)) => Ok(Place::Node(*node)),
                    other => other.value().map(Place::Value),
                }
            }
            Ir::Select { operand, fields } => self.walk(operand, fields),
            Ir::Index { operand, index, is_optional: false } => self.entry(operand, index),
            _ => self.run(ir).map(Place::of),
        }
    }

    /// Computes an operation that may give an optional, without making one.
    pub(super) fn maybe(&mut self, ir: &'d Ir) -> Result<Maybe<'d>, EvalError> {
        match ir {
            Ir::OptSelect { operand, field } => {
                let from = self.maybe(operand)?;
                if !operand.is_attribute() {
                    self.charge(1)?;
                }
                match from {
                    Maybe::Nothing => Ok(Maybe::Nothing),
                    Maybe::Something(place) | Maybe::Plain(place) => {
                        self.present(place.field_if_present(field)?)
                    }
                }
            }
            Ir::Index { operand, index, is_optional: true } => self.opt_entry(operand, index),
            _ => Ok(match self.place(ir)? {
                Place::Value(value) => Maybe::of(value),
                node @ Place::Node(_) => Maybe::Plain(node),
            }),
        }
    }

    #[inline(never)]
    pub(super) fn optional(&mut self, ir: &'d Ir) -> Outcome<'d> {
        Ok(self.maybe(ir)?.into_value())
    }

    /// An optional step; it costs where it finds something.
    fn present(&mut self, found: Option<Place<'d>>) -> Result<Maybe<'d>, EvalError> {
        self.charge(u64::from(found.is_some()))?;
        Ok(Maybe::found(found))
    }

    #[inline(never)]
    pub(super) fn has(&mut self, operand: &'d Ir, field: &'d str) -> Result<bool, EvalError> {
        let place = match self.maybe(operand)? {
            Maybe::Nothing => return Ok(false),
            Maybe::Something(place) | Maybe::Plain(place) => place,
        };
        Ok(place.field_if_present(field)?.is_some())
    }

    #[inline(never)]
    pub(super) fn index(&mut self, operand: &'d Ir, index: &'d Ir) -> Outcome<'d> {
        Ok(self.entry(operand, index)?.into_value())
    }

    fn entry(&mut self, operand: &'d Ir, index: &'d Ir) -> Result<Place<'d>, EvalError> {
        let place = self.place(operand)?;
        if let Place::Value(Value::Optional(_)) = &place {
            let found = self.entry_of_optional(operand, place.into_value(), index)?;
            return Ok(Place::Value(found.into_value()));
        }
        let index = self.index_of(operand, index)?;
        if let (Place::Node(node), Value::Int(at)) = (&place, &index)
            && let Some(item) = usize::try_from(*at).ok().and_then(|at| node.at_index(at))
        {
            return Ok(Place::Node(item));
        }
        let value = place.into_value();
        entry_of(&value, &index)?.ok_or_else(|| missing(&value, &index))
    }

    fn opt_entry(&mut self, operand: &'d Ir, index: &'d Ir) -> Result<Maybe<'d>, EvalError> {
        let value = self.run(operand)?;
        self.entry_of_optional(operand, value, index)
    }

    fn entry_of_optional(
        &mut self,
        operand: &'d Ir,
        value: Value<'d>,
        index: &'d Ir,
    ) -> Result<Maybe<'d>, EvalError> {
        let value = match value {
            Value::Optional(None) => return Ok(Maybe::Nothing),
            Value::Optional(Some(inner)) => (*inner).clone(),
            value => value,
        };
        let index = self.index_of(operand, index)?;
        self.present(entry_of(&value, &index)?)
    }

    /// The index, paid for.
    fn index_of(&mut self, operand: &'d Ir, index: &'d Ir) -> Outcome<'d> {
        let cost = u64::from(!index.is_attribute()) + u64::from(!operand.is_attribute());
        let is_constant = index.as_const().is_some();
        let is_native = index.is_native();
        let index = self.run(index)?;
        self.charge(cost)?;
        if is_constant || is_index(&index) { Ok(index) } else { Err(not_an_index(&index, is_native)) }
    }
}
