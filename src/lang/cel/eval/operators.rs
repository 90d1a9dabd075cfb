//! The operators: arithmetic with overflow as an error, order, membership, tests on strings.
//!
//! Texts and the choice between `no such overload` and `no such overload: _+_` are cel-go's: the latter where
//! the left operand does not know the operator at all.

use std::rc::Rc;

use super::super::error::{EvalError, NO_SUCH_OVERLOAD};
use super::super::ir::{Ir, Operator};
use super::super::library::time;
use super::super::value::{Blob, Text, Value};
use super::{Machine, Outcome};
use crate::gostd::regexp::Regexp;
use crate::limits::CEL_RESULT_SIZE_MAX;

const INT_OVERFLOW: EvalError = EvalError::Fixed("integer overflow");
const UINT_OVERFLOW: EvalError = EvalError::Fixed("unsigned integer overflow");
const DIVIDE_BY_ZERO: EvalError = EvalError::Fixed("division by zero");
const MODULUS_BY_ZERO: EvalError = EvalError::Fixed("modulus by zero");
const TOO_LARGE: EvalError = EvalError::Cancelled("operation cancelled: result is too large");

/// The size that costs are counted by.
pub(crate) fn size_of(value: &Value<'_>) -> u64 {
    match value {
        Value::Optional(Some(inner)) => size_of(inner),
        Value::String(text) => text.len() as u64,
        value => value.size().map_or(1, |size| size as u64),
    }
}

/// A tenth, rounded up: what reading a string costs.
fn tenth(size: u64) -> u64 {
    size.div_ceil(10)
}

/// What cel-go says when the left operand has no such operator.
fn unknown(function: &'static str, left: &Value<'_>) -> EvalError {
    match left {
        Value::String(_) | Value::Timestamp(_) | Value::Duration(_) => NO_SUCH_OVERLOAD,
        _ => EvalError::failed(format!("no such overload: {function}")),
    }
}

/// CEL's `+`.
pub(crate) fn add<'d>(left: &Value<'d>, right: &Value<'d>) -> Outcome<'d> {
    Ok(match (left, right) {
        (Value::Int(a), Value::Int(b)) => Value::Int(a.checked_add(*b).ok_or(INT_OVERFLOW)?),
        (Value::Uint(a), Value::Uint(b)) => Value::Uint(a.checked_add(*b).ok_or(UINT_OVERFLOW)?),
        (Value::Double(a), Value::Double(b)) => Value::Double(a + b),
        (Value::String(a), Value::String(b)) => {
            within_bounds(a.len() + b.len())?;
            let mut text = String::with_capacity(a.len() + b.len());
            text.push_str(a);
            text.push_str(b);
            Value::String(Text::from(text))
        }
        (Value::Bytes(a), Value::Bytes(b)) => {
            within_bounds(a.len() + b.len())?;
            Value::Bytes(Blob::Owned([&**a, &**b].concat().into()))
        }
        (Value::Duration(a), Value::Duration(b)) => Value::Duration(time::add_durations(*a, *b)?),
        (Value::Duration(duration), Value::Timestamp(at))
        | (Value::Timestamp(at), Value::Duration(duration)) => {
            Value::Timestamp(time::add_duration(*at, *duration)?)
        }
        _ => match (left.as_list(), right.as_list()) {
            (Some(_), Some(b)) if b.is_empty() => left.clone(),
            (Some(a), Some(_)) if a.is_empty() => right.clone(),
            (Some(a), Some(b)) => {
                within_bounds(a.len() + b.len())?;
                Value::List(Rc::new(a.iter().chain(b.iter()).collect()))
            }
            (Some(_), None) => return Err(NO_SUCH_OVERLOAD),
            _ => match left {
                Value::Int(_) | Value::Uint(_) | Value::Double(_) | Value::Bytes(_) => {
                    return Err(NO_SUCH_OVERLOAD);
                }
                _ => return Err(unknown("_+_", left)),
            },
        },
    })
}

fn within_bounds(size: usize) -> Result<(), EvalError> {
    if size > CEL_RESULT_SIZE_MAX { Err(TOO_LARGE) } else { Ok(()) }
}

fn subtract<'d>(left: &Value<'d>, right: &Value<'d>) -> Outcome<'d> {
    Ok(match (left, right) {
        (Value::Int(a), Value::Int(b)) => Value::Int(a.checked_sub(*b).ok_or(INT_OVERFLOW)?),
        (Value::Uint(a), Value::Uint(b)) => Value::Uint(a.checked_sub(*b).ok_or(UINT_OVERFLOW)?),
        (Value::Double(a), Value::Double(b)) => Value::Double(a - b),
        (Value::Duration(a), Value::Duration(b)) => Value::Duration(time::subtract_durations(*a, *b)?),
        (Value::Timestamp(at), Value::Duration(duration)) => {
            Value::Timestamp(time::subtract_duration(*at, *duration)?)
        }
        (Value::Timestamp(a), Value::Timestamp(b)) => Value::Duration(time::between(*a, *b)?),
        (Value::Int(_) | Value::Uint(_) | Value::Double(_), _) => return Err(NO_SUCH_OVERLOAD),
        _ => return Err(unknown("_-_", left)),
    })
}

fn multiply<'d>(left: &Value<'d>, right: &Value<'d>) -> Outcome<'d> {
    Ok(match (left, right) {
        (Value::Int(a), Value::Int(b)) => Value::Int(a.checked_mul(*b).ok_or(INT_OVERFLOW)?),
        (Value::Uint(a), Value::Uint(b)) => Value::Uint(a.checked_mul(*b).ok_or(UINT_OVERFLOW)?),
        (Value::Double(a), Value::Double(b)) => Value::Double(a * b),
        (Value::Int(_) | Value::Uint(_) | Value::Double(_), _) => return Err(NO_SUCH_OVERLOAD),
        _ => return Err(unknown("_*_", left)),
    })
}

fn divide<'d>(left: &Value<'d>, right: &Value<'d>) -> Outcome<'d> {
    Ok(match (left, right) {
        (Value::Int(_), Value::Int(0)) | (Value::Uint(_), Value::Uint(0)) => return Err(DIVIDE_BY_ZERO),
        (Value::Int(a), Value::Int(b)) => Value::Int(a.checked_div(*b).ok_or(INT_OVERFLOW)?),
        (Value::Uint(a), Value::Uint(b)) => Value::Uint(a / b),
        (Value::Double(a), Value::Double(b)) => Value::Double(a / b),
        (Value::Int(_) | Value::Uint(_) | Value::Double(_), _) => return Err(NO_SUCH_OVERLOAD),
        _ => return Err(unknown("_/_", left)),
    })
}

fn modulo<'d>(left: &Value<'d>, right: &Value<'d>) -> Outcome<'d> {
    Ok(match (left, right) {
        (Value::Int(_), Value::Int(0)) | (Value::Uint(_), Value::Uint(0)) => return Err(MODULUS_BY_ZERO),
        (Value::Int(a), Value::Int(b)) => Value::Int(a.checked_rem(*b).ok_or(INT_OVERFLOW)?),
        (Value::Uint(a), Value::Uint(b)) => Value::Uint(a % b),
        (Value::Int(_) | Value::Uint(_), _) => return Err(NO_SUCH_OVERLOAD),
        _ => return Err(unknown("_%_", left)),
    })
}

fn order(operator: Operator, left: &Value<'_>, right: &Value<'_>) -> Result<bool, EvalError> {
    if matches!(left, Value::Null | Value::Node(_) | Value::List(_) | Value::Map(_) | Value::Type(_))
        || matches!(left, Value::Optional(_) | Value::Opaque(_))
    {
        let name = match operator {
            Operator::Less => "_<_",
            Operator::LessEquals => "_<=_",
            Operator::Greater => "_>_",
            _ => "_>=_",
        };
        return Err(unknown(name, left));
    }
    let order = left.compare(right)?;
    Ok(match operator {
        Operator::Less => order.is_lt(),
        Operator::LessEquals => order.is_le(),
        Operator::Greater => order.is_gt(),
        _ => order.is_ge(),
    })
}

/// Whether values of the same library's type are not compared.
fn is_refused(left: &Value<'_>, right: &Value<'_>) -> bool {
    matches!((left, right), (Value::Opaque(a), Value::Opaque(b)) if a.refuses(&**b))
}

/// CEL's `==`.
fn equal(left: &Value<'_>, right: &Value<'_>) -> Result<bool, EvalError> {
    match (left, right) {
        (Value::Opaque(a), b) if a.type_name() != b.type_name() && !matches!(b, Value::Null) => {
            Err(NO_SUCH_OVERLOAD)
        }
        _ if is_refused(left, right) => Err(NO_SUCH_OVERLOAD),
        _ => Ok(left.equals(right)),
    }
}

/// CEL's `in`.
fn contained<'d>(value: &Value<'d>, within: &Value<'d>) -> Result<bool, EvalError> {
    if let Value::Node(node) = within
        && let Value::String(text) = value
    {
        let found = match node.kind() {
            crate::document::Kind::Object => node.get(text).is_some(),
            _ => node.items().any(|item| item.as_str() == Some(text)),
        };
        return Ok(found);
    }
    if let Some(list) = within.as_list() {
        return Ok(list.iter().any(|item| value.equals(&item)));
    }
    let map = within.as_map().ok_or(NO_SUCH_OVERLOAD)?;
    Ok(map.get(value).is_some())
}

fn cost_of(operator: Operator, left: &Value<'_>, right: &Value<'_>) -> u64 {
    match operator {
        Operator::Equals | Operator::NotEquals => tenth(size_of(left).min(size_of(right))),
        Operator::Less | Operator::LessEquals | Operator::Greater | Operator::GreaterEquals => match left {
            Value::String(_) | Value::Bytes(_) => tenth(size_of(left).min(size_of(right))),
            _ => 1,
        },
        Operator::In if right.as_list().is_some() => size_of(right),
        Operator::Add if matches!(left, Value::String(_) | Value::Bytes(_)) => {
            tenth(size_of(left) + size_of(right))
        }
        Operator::StartsWith | Operator::EndsWith => tenth(size_of(left)),
        Operator::Contains => tenth(size_of(left)) * tenth(size_of(right)),
        Operator::Matches => matching_cost(left, size_of(right)),
        _ => 1,
    }
}

fn matching_cost(text: &Value<'_>, pattern_size: u64) -> u64 {
    tenth(1 + size_of(text)) * pattern_size.div_ceil(4)
}

fn strings<'v>(left: &'v Value<'_>, right: &'v Value<'_>) -> Result<(&'v str, &'v str), EvalError> {
    left.as_str().zip(right.as_str()).ok_or(NO_SUCH_OVERLOAD)
}

impl<'d> Machine<'_, 'd> {
    /// Computes both operands and then something of them; which error counts is cel-go's rule.
    #[inline]
    fn on_both<R>(
        &mut self,
        [left, right]: &'d [Ir; 2],
        then: impl FnOnce(&mut Self, &Value<'d>, &Value<'d>) -> Result<R, EvalError>,
    ) -> Result<R, EvalError> {
        let left = self.run(left);
        if let Err(error) = &left
            && !error.is_absorbable()
        {
            return Err(error.clone());
        }
        let right = self.run(right);
        match (&left, &right) {
            (Ok(left), Ok(right)) => then(self, left, right),
            (_, Err(error)) if !error.is_absorbable() => Err(error.clone()),
            (Err(error), _) | (_, Err(error)) => Err(error.clone()),
        }
    }

    #[inline(never)]
    pub(super) fn relation(
        &mut self,
        operator: Operator,
        is_unique: bool,
        args: &'d [Ir; 2],
    ) -> Result<bool, EvalError> {
        let [_, within] = args;
        let is_set = operator == Operator::In && within.as_const_node().is_some();
        self.on_both(args, |machine, left, right| {
            let result = match operator {
                Operator::Equals => equal(left, right)?,
                Operator::NotEquals => is_refused(left, right) || !left.equals(right),
                Operator::In => contained(left, right)?,
                Operator::Contains => strings(left, right).map(|(a, b)| a.contains(b))?,
                Operator::StartsWith => strings(left, right).map(|(a, b)| a.starts_with(b))?,
                Operator::EndsWith => strings(left, right).map(|(a, b)| a.ends_with(b))?,
                Operator::Matches => machine.matches_dynamic(left, right)?,
                _ => order(operator, left, right)?,
            };
            let cost = match operator {
                Operator::In if is_set => 0,
                _ if !is_unique && operator.has_overloads() => 1,
                _ => cost_of(operator, left, right),
            };
            machine.charge(cost)?;
            Ok(result)
        })
    }

    #[inline(never)]
    pub(super) fn arithmetic(
        &mut self,
        operator: Operator,
        is_unique: bool,
        args: &'d [Ir; 2],
    ) -> Outcome<'d> {
        self.on_both(args, |machine, left, right| {
            let mut result = match operator {
                Operator::Add => add(left, right),
                Operator::Subtract => subtract(left, right),
                Operator::Multiply => multiply(left, right),
                Operator::Divide => divide(left, right),
                _ => modulo(left, right),
            };
            if result.is_ok() {
                let is_open = !is_unique && operator.has_overloads();
                let cost = if is_open { 1 } else { cost_of(operator, left, right) };
                if let Err(error) = machine.charge(cost) {
                    result = Err(error);
                }
            }
            result
        })
    }

    fn matches_dynamic(&mut self, text: &Value<'d>, pattern: &Value<'d>) -> Result<bool, EvalError> {
        let Some(text) = text.as_str() else { return Err(unknown("matches", text)) };
        let pattern = pattern.as_str().ok_or(NO_SUCH_OVERLOAD)?;
        Ok(self.context.regex(pattern)?.is_match(text))
    }

    /// Computes an operand and then something of it, where it lies.
    #[inline]
    fn on<R>(
        &mut self,
        operand: &'d Ir,
        then: impl FnOnce(&mut Self, &Value<'d>) -> Result<R, EvalError>,
    ) -> Result<R, EvalError> {
        match &self.run(operand) {
            Ok(value) => then(self, value),
            Err(error) => Err(error.clone()),
        }
    }

    #[inline(never)]
    pub(super) fn matches(&mut self, operand: &'d Ir, regex: &'d Regexp) -> Result<bool, EvalError> {
        self.on(operand, |machine, value| {
            let found = regex.is_match(value.as_str().ok_or(NO_SUCH_OVERLOAD)?);
            machine.charge(matching_cost(value, regex.as_str().len() as u64))?;
            Ok(found)
        })
    }

    #[inline(never)]
    pub(super) fn in_strings(&mut self, operand: &'d Ir, strings: &'d [Box<str>]) -> Result<bool, EvalError> {
        self.on(operand, |_, value| {
            Ok(match value.as_str() {
                Some(text) if strings.len() <= 8 => strings.iter().any(|known| &**known == text),
                Some(text) => strings.binary_search_by(|known| (**known).cmp(text)).is_ok(),
                None => false,
            })
        })
    }

    #[inline(never)]
    pub(super) fn not(&mut self, operand: &'d Ir) -> Result<bool, EvalError> {
        let value = self.test(operand)?;
        self.charge(1)?;
        Ok(!value)
    }

    #[inline(never)]
    pub(super) fn negate(&mut self, operand: &'d Ir) -> Outcome<'d> {
        let value = match self.run(operand)? {
            Value::Int(value) => Value::Int(value.checked_neg().ok_or(INT_OVERFLOW)?),
            Value::Double(value) => Value::Double(-value),
            Value::Duration(value) => Value::Duration(time::negate(value)?),
            Value::Bool(_) => return Err(NO_SUCH_OVERLOAD),
            other => return Err(unknown("-_", &other)),
        };
        self.charge(1)?;
        Ok(value)
    }

    #[inline(never)]
    pub(super) fn size(&mut self, operand: &'d Ir) -> Outcome<'d> {
        self.on(operand, |machine, value| {
            machine.charge(1)?;
            let size = value.size().ok_or_else(|| unknown("size", value))?;
            Ok(Value::Int(i64::try_from(size).unwrap_or(i64::MAX)))
        })
    }
}
