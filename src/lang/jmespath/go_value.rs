//! How go-jmespath sees values: what is false, equal, a number, and how `%v` prints it.
//!
//! An integer of a document is a Go `int64`: equal to integers only, and no number for operators and functions.

use crate::document::{Kind, Value};
use crate::gostd::strconv;
use crate::limits;

use super::{Env, EvaluateError};

/// Whether a value counts as false: null, `false` and everything empty. Numbers never do.
pub fn is_false(value: &Value<'_>) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::String(text) => text.is_empty(),
        other => other.len() == Some(0),
    }
}

/// Whether two values are equal as Go's `reflect.DeepEqual` sees them: an integer never equals a float.
pub fn equal(left: &Value<'_>, right: &Value<'_>) -> bool {
    let mut steps = u64::MAX;
    equal_within(left, right, &mut steps).unwrap_or(false)
}

/// As [`equal`], counting steps.
pub(super) fn equal_counted(
    left: &Value<'_>,
    right: &Value<'_>,
    env: &Env<'_>,
) -> Result<bool, EvaluateError> {
    let before = env.steps_left();
    let mut left_over = before;
    let is_equal = equal_within(left, right, &mut left_over);
    env.charge(usize::try_from(before - left_over).unwrap_or(usize::MAX))?;
    is_equal.ok_or(EvaluateError::LimitExceeded)
}

fn equal_within(left: &Value<'_>, right: &Value<'_>, steps: &mut u64) -> Option<bool> {
    *steps = steps.checked_sub(1)?;
    Some(match (left, right) {
        (Value::Null, Value::Null) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Int(a), Value::Int(b)) => a == b,
        #[expect(clippy::float_cmp, reason = "this is Go's comparison of floats")]
        (Value::Float(a), Value::Float(b)) => a == b,
        (Value::String(a), Value::String(b)) => a == b,
        _ => {
            if left.kind() != right.kind() || left.len() != right.len() {
                return Some(false);
            }
            match (items(left), items(right)) {
                (Some(a), Some(b)) => {
                    for (a, b) in a.zip(b) {
                        if !equal_within(&a, &b, steps)? {
                            return Some(false);
                        }
                    }
                    true
                }
                _ => return equal_maps(left, right, steps),
            }
        }
    })
}

fn equal_maps(left: &Value<'_>, right: &Value<'_>, steps: &mut u64) -> Option<bool> {
    let (Some(a), Some(b)) = (left.entries(), right.entries()) else { return Some(false) };
    for ((key_a, value_a), (key_b, value_b)) in a.iter().zip(&b) {
        if key_a.as_str() != key_b.as_str() || !equal_within(value_a, value_b, steps)? {
            return Some(false);
        }
    }
    Some(true)
}

/// The number, if it is one for `JMESPath`.
pub(super) fn number(value: &Value<'_>) -> Option<f64> {
    match value {
        Value::Float(number) => Some(*number),
        _ => None,
    }
}

/// The items of a list, without copying it.
pub(super) enum ListItems<'v, 'd> {
    Node(crate::document::Items<'d>),
    List(std::slice::Iter<'v, Value<'d>>),
}

impl<'d> Iterator for ListItems<'_, 'd> {
    type Item = Value<'d>;

    fn next(&mut self) -> Option<Value<'d>> {
        match self {
            Self::Node(items) => items.next().map(Value::from),
            Self::List(items) => items.next().cloned(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Self::Node(items) => items.size_hint(),
            Self::List(items) => items.size_hint(),
        }
    }
}

/// The items of a list; `None` for everything else.
pub(super) fn items<'v, 'd>(value: &'v Value<'d>) -> Option<ListItems<'v, 'd>> {
    match value {
        Value::Node(node) if node.kind() == Kind::Array => Some(ListItems::Node(node.items())),
        Value::List(items) => Some(ListItems::List(items.iter())),
        _ => None,
    }
}

/// The name of the Go type that holds such a value.
pub(super) fn go_type(value: &Value<'_>) -> &'static str {
    match value.kind() {
        Kind::Null => "nil",
        Kind::Bool => "bool",
        Kind::Int => "int64",
        Kind::Float => "float64",
        Kind::String => "string",
        Kind::Array => "[]interface {}",
        Kind::Object => "map[string]interface {}",
    }
}

/// The value as Go's `%v` prints it, cut at [`limits::JMESPATH_MESSAGE_BYTES_MAX`].
pub fn sprint(value: &Value<'_>) -> String {
    let mut out = String::new();
    write_sprint(&mut out, value);
    out
}

fn write_sprint(out: &mut String, value: &Value<'_>) {
    if out.len() > limits::JMESPATH_MESSAGE_BYTES_MAX {
        return;
    }
    match value {
        Value::Null => out.push_str("<nil>"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Int(value) => out.push_str(&value.to_string()),
        Value::Float(value) => out.push_str(&strconv::sprint_float(*value)),
        Value::String(text) => out.push_str(text),
        container => {
            if let Some(items) = items(container) {
                strconv::write_slice(out, items, |out, item| write_sprint(out, &item));
            } else if let Some(entries) = container.entries() {
                let entries = entries.iter().map(|(key, value)| (key.as_str(), value));
                strconv::write_map(out, entries, write_sprint);
            }
        }
    }
}
