//! Fields, entries and items: selection, presence, index, each with its optional form.
//!
//! As cel-go's qualifiers (`interpreter/attributes.go`): a step on an optional gives an optional.

use std::rc::Rc;

use super::super::error::EvalError;
use super::super::ir::Ir;
use super::super::value::{Key, Value, go_display};
use super::{Machine, Outcome};
use crate::document::Kind;

fn no_such_key(key: &Value<'_>) -> EvalError {
    EvalError::failed(format!("no such key: {}", go_display(key)))
}

/// The entry of a map; nothing for what is no map.
fn field_of<'d>(value: &Value<'d>, field: &str) -> Option<Value<'d>> {
    match value {
        Value::Node(node) => node.get(field).map(Value::from),
        Value::Map(_) => value.as_map()?.get_str(field),
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
fn entry_of<'d>(value: &Value<'d>, index: &Value<'d>) -> Result<Option<Value<'d>>, EvalError> {
    match value {
        Value::Node(node) if node.kind() == Kind::Array => {
            let at = position(index)?;
            Ok(usize::try_from(at).ok().and_then(|at| node.at_index(at)).map(Value::from))
        }
        Value::List(items) => {
            let at = position(index)?;
            Ok(usize::try_from(at).ok().and_then(|at| items.get(at)).cloned())
        }
        _ => Ok(value.as_map().and_then(|map| map.get(index))),
    }
}

fn missing(value: &Value<'_>, index: &Value<'_>) -> EvalError {
    if value.as_list().is_some() {
        EvalError::failed(format!("index out of bounds: {}", go_display(index)))
    } else {
        no_such_key(index)
    }
}

fn wrap(value: Option<Value<'_>>) -> Value<'_> {
    Value::Optional(value.map(Rc::new))
}

impl<'d> Machine<'_, 'd> {
    pub(super) fn select(&mut self, operand: &'d Ir, field: &'d str, is_optional: bool) -> Outcome<'d> {
        let value = self.run(operand)?;
        if !operand.is_attribute() {
            self.charge(1)?;
        }
        match value {
            Value::Optional(None) => Ok(Value::Optional(None)),
            Value::Optional(Some(inner)) => self.present(field_of(&inner, field)),
            value if is_optional => self.present(field_of(&value, field)),
            value => match field_of(&value, field) {
                Some(found) => {
                    self.charge(1)?;
                    Ok(found)
                }
                None => Err(self.missing_field(&value, field)),
            },
        }
    }

    /// An optional step; it costs where it finds something.
    fn present(&mut self, found: Option<Value<'d>>) -> Outcome<'d> {
        self.charge(u64::from(found.is_some()))?;
        Ok(wrap(found))
    }

    #[cold]
    #[inline(never)]
    #[expect(clippy::unused_self, reason = "keeps the cold path out of the evaluator's frame")]
    fn missing_field(&self, value: &Value<'d>, field: &'d str) -> EvalError {
        if value.as_list().is_some() {
            return EvalError::Fixed("unsupported index type 'string' in list");
        }
        match value {
            Value::Map(map) if map.type_name().is_some() => {
                EvalError::failed(format!("no such key: {field}"))
            }
            Value::Opaque(_) => EvalError::Fixed("no such overload"),
            _ => EvalError::failed(format!("no such key: {field}")),
        }
    }

    #[inline(never)]
    pub(super) fn has(&mut self, operand: &'d Ir, field: &'d str) -> Outcome<'d> {
        let value = self.run(operand)?;
        let value = match &value {
            Value::Optional(None) => return Ok(Value::Bool(false)),
            Value::Optional(Some(inner)) => inner,
            value => value,
        };
        if value.as_list().is_some() {
            return Err(EvalError::Fixed("unsupported index type 'string' in list"));
        }
        Ok(Value::Bool(field_of(value, field).is_some()))
    }

    #[inline(never)]
    pub(super) fn index(&mut self, operand: &'d Ir, index: &'d Ir, is_optional: bool) -> Outcome<'d> {
        let value = self.run(operand)?;
        if matches!(value, Value::Optional(None)) {
            return Ok(value);
        }
        let cost = u64::from(!index.is_attribute());
        let index = self.run(index)?;
        self.charge(cost)?;
        if !operand.is_attribute() {
            self.charge(1)?;
        }
        match &value {
            Value::Optional(Some(inner)) => self.present(entry_of(inner, &index)?),
            _ if is_optional => self.present(entry_of(&value, &index)?),
            _ => entry_of(&value, &index)?.ok_or_else(|| missing(&value, &index)),
        }
    }
}
