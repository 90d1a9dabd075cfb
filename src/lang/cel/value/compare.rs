//! Equality and order of values. Rules:
//! <https://github.com/google/cel-spec/blob/master/doc/langdef.md#equality>; numbers as cel-go's
//! `common/types/compare.go` compares them.

use std::cmp::Ordering;

use super::{Timestamp, Value};
use crate::lang::cel::error::{EvalError, NO_SUCH_OVERLOAD};

const NAN: EvalError = EvalError::Fixed("NaN values cannot be ordered");

fn double_int(double: f64, int: i64) -> Option<Ordering> {
    if double < i64::MIN as f64 {
        Some(Ordering::Less)
    } else if double > i64::MAX as f64 {
        Some(Ordering::Greater)
    } else {
        double.partial_cmp(&(int as f64))
    }
}

fn double_uint(double: f64, uint: u64) -> Option<Ordering> {
    if double < 0.0 {
        Some(Ordering::Less)
    } else if double > u64::MAX as f64 {
        Some(Ordering::Greater)
    } else {
        double.partial_cmp(&(uint as f64))
    }
}

impl Value<'_> {
    /// The order of two numbers; `None` with NaN or what is no number.
    pub(crate) fn compare_numbers(&self, other: &Value<'_>) -> Option<Ordering> {
        match (self, other) {
            (Self::Int(a), Value::Int(b)) => Some(a.cmp(b)),
            (Self::Uint(a), Value::Uint(b)) => Some(a.cmp(b)),
            (Self::Double(a), Value::Double(b)) => a.partial_cmp(b),
            (Self::Int(a), Value::Uint(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
            (Self::Uint(a), Value::Int(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
            (Self::Double(a), Value::Int(b)) => double_int(*a, *b),
            (Self::Int(a), Value::Double(b)) => double_int(*b, *a).map(Ordering::reverse),
            (Self::Double(a), Value::Uint(b)) => double_uint(*a, *b),
            (Self::Uint(a), Value::Double(b)) => double_uint(*b, *a).map(Ordering::reverse),
            _ => None,
        }
    }

    fn is_number(&self) -> bool {
        matches!(self, Self::Int(_) | Self::Uint(_) | Self::Double(_))
    }

    /// CEL's `==`: never an error; values of different kinds differ.
    pub fn equals(&self, other: &Value<'_>) -> bool {
        match (self, other) {
            (Self::String(a), Value::String(b)) => a.as_str() == b.as_str(),
            (Self::Int(a), Value::Int(b)) => a == b,
            (Self::Bool(a), Value::Bool(b)) => a == b,
            (Self::Null, Value::Null) => true,
            (a, b) if a.is_number() && b.is_number() => a.compare_numbers(b) == Some(Ordering::Equal),
            (Self::Bytes(a), Value::Bytes(b)) => **a == **b,
            (Self::Duration(a), Value::Duration(b)) => a == b,
            (Self::Timestamp(a), Value::Timestamp(b)) => a == b,
            (Self::Type(a), Value::Type(b)) => a.as_str() == b.as_str(),
            (Self::Opaque(a), Value::Opaque(b)) => a.equals(&**b),
            (Self::Optional(a), Value::Optional(b)) => match (a, b) {
                (Some(a), Some(b)) => a.equals(b),
                (a, b) => a.is_none() && b.is_none(),
            },
            _ => self.equals_container(other),
        }
    }

    fn equals_container(&self, other: &Value<'_>) -> bool {
        if let (Self::Node(a), Value::Node(b)) = (self, other) {
            return a.equals(*b);
        }
        if let (Some(a), Some(b)) = (self.as_list(), other.as_list()) {
            return a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| a.equals(&b));
        }
        if let (Some(a), Some(b)) = (self.as_map(), other.as_map()) {
            return a.len() == b.len()
                && self.type_name() == other.type_name()
                && a.iter().all(|(key, value)| b.get(&key).is_some_and(|o| value.equals(&o)));
        }
        false
    }

    /// CEL's order of two values.
    pub fn compare(&self, other: &Value<'_>) -> Result<Ordering, EvalError> {
        match (self, other) {
            (Self::Int(a), Value::Int(b)) => Ok(a.cmp(b)),
            (Self::String(a), Value::String(b)) => Ok(a.as_str().cmp(b.as_str())),
            (a, b) if a.is_number() && b.is_number() => a.compare_numbers(b).ok_or(NAN),
            (Self::Bool(a), Value::Bool(b)) => Ok(a.cmp(b)),
            (Self::Bytes(a), Value::Bytes(b)) => Ok((**a).cmp(&**b)),
            (Self::Duration(a), Value::Duration(b)) => Ok(a.cmp(b)),
            (Self::Timestamp(a), Value::Timestamp(b)) => Ok(a.cmp_instant(*b)),
            _ => Err(NO_SUCH_OVERLOAD),
        }
    }
}

impl Timestamp {
    /// The order of the instants.
    pub fn cmp_instant(self, other: Self) -> Ordering {
        (self.seconds, self.nanos).cmp(&(other.seconds, other.nanos))
    }
}
