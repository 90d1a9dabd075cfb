//! Kyverno's arithmetic over numbers, quantities and durations (`pkg/engine/jmespath/arithmetic.go`).
//!
//! A string is a quantity if it can be one, so `30m` is thirty thousandths and no half hour.

use super::{ANY, ARRAY, Answer, Arguments, Function, NUMBER};
use crate::document::Value;
use crate::gostd::duration::Duration;
use crate::gostd::quantity::{Quantity, RemainderError};
use crate::gostd::strconv;
use crate::lang::jmespath::EvaluateError;
use crate::lang::jmespath::go_value::number;

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("add", &[ANY, ANY], |a| operands(a).and_then(|(left, right)| add(a, left, right))),
    Function::new("divide", &[ANY, ANY], |a| operands(a).and_then(|(left, right)| divide(a, left, right))),
    Function::new("modulo", &[ANY, ANY], |a| operands(a).and_then(|(left, right)| modulo(a, left, right))),
    Function::new("multiply", &[ANY, ANY], |a| {
        operands(a).and_then(|(left, right)| multiply(a, left, right))
    }),
    Function::new("round", &[NUMBER, NUMBER], round),
    Function::new("subtract", &[ANY, ANY], |a| {
        operands(a).and_then(|(left, right)| subtract(a, left, right))
    }),
    Function::new("sum", &[ARRAY], sum),
];

enum Operand {
    Scalar(f64),
    Quantity(Quantity),
    Duration(Duration),
}

fn operand(a: &Arguments<'_, '_>, value: &Value<'_>) -> Result<Operand, EvaluateError> {
    if let Some(number) = number(value) {
        return Ok(Operand::Scalar(number));
    }
    let text = value.as_str().ok_or_else(|| a.error("invalid operand"))?;
    if let Ok(quantity) = Quantity::parse(text) {
        return Ok(Operand::Quantity(quantity));
    }
    Duration::parse(text).map(Operand::Duration).map_err(|_| a.error("invalid operand"))
}

fn operands(a: &Arguments<'_, '_>) -> Result<(Operand, Operand), EvaluateError> {
    Ok((operand(a, &a.value(0))?, operand(a, &a.value(1))?))
}

fn mismatch(a: &Arguments<'_, '_>) -> EvaluateError {
    a.error("Types mismatch")
}

fn zero_divisor(a: &Arguments<'_, '_>) -> EvaluateError {
    a.error("Zero divisor passed")
}

fn text<'d>(value: &impl ToString) -> Value<'d> {
    Value::owned(value.to_string())
}

fn add<'d>(a: &Arguments<'_, 'd>, left: Operand, right: Operand) -> Answer<'d> {
    match (left, right) {
        (Operand::Scalar(left), Operand::Scalar(right)) => Ok(Value::Float(left + right)),
        (Operand::Quantity(left), Operand::Quantity(right)) => Ok(text(&left.add(&right))),
        (Operand::Duration(left), Operand::Duration(right)) => Ok(text(&left.wrapping_add(right))),
        _ => Err(mismatch(a)),
    }
}

fn subtract<'d>(a: &Arguments<'_, 'd>, left: Operand, right: Operand) -> Answer<'d> {
    match (left, right) {
        (Operand::Scalar(left), Operand::Scalar(right)) => Ok(Value::Float(left - right)),
        (Operand::Quantity(left), Operand::Quantity(right)) => Ok(text(&left.sub(&right))),
        (Operand::Duration(left), Operand::Duration(right)) => Ok(text(&left.wrapping_sub(right))),
        _ => Err(mismatch(a)),
    }
}

fn multiply<'d>(a: &Arguments<'_, 'd>, left: Operand, right: Operand) -> Answer<'d> {
    match (left, right) {
        (Operand::Scalar(left), Operand::Scalar(right)) => Ok(Value::Float(left * right)),
        (Operand::Quantity(quantity), Operand::Scalar(factor))
        | (Operand::Scalar(factor), Operand::Quantity(quantity)) => {
            let product =
                quantity.mul_f64(factor).map_err(|error| EvaluateError::other(error.to_string()))?;
            Ok(text(&product))
        }
        (Operand::Duration(duration), Operand::Scalar(factor))
        | (Operand::Scalar(factor), Operand::Duration(duration)) => {
            Ok(text(&Duration::from_seconds_f64(duration.seconds() * factor)))
        }
        _ => Err(mismatch(a)),
    }
}

fn divide<'d>(a: &Arguments<'_, 'd>, left: Operand, right: Operand) -> Answer<'d> {
    let is_zero = match (&left, &right) {
        (_, Operand::Scalar(divisor)) => *divisor == 0.0,
        (Operand::Duration(_), Operand::Duration(divisor)) => divisor.seconds() == 0.0,
        _ => false,
    };
    if is_zero {
        return Err(zero_divisor(a));
    }
    match (left, right) {
        (Operand::Scalar(left), Operand::Scalar(right)) => Ok(Value::Float(left / right)),
        (Operand::Quantity(left), Operand::Quantity(right)) => {
            left.ratio(&right).map(Value::Float).ok_or_else(|| zero_divisor(a))
        }
        (Operand::Quantity(left), Operand::Scalar(right)) => {
            let quotient = left.div_f64(right).map_err(|error| EvaluateError::other(error.to_string()))?;
            Ok(text(&quotient))
        }
        (Operand::Duration(left), Operand::Duration(right)) => {
            Ok(Value::Float(left.seconds() / right.seconds()))
        }
        (Operand::Duration(left), Operand::Scalar(right)) => {
            Ok(text(&Duration::from_seconds_f64(left.seconds() / right)))
        }
        _ => Err(mismatch(a)),
    }
}

fn non_integer(a: &Arguments<'_, '_>) -> EvaluateError {
    a.error("Non-integer argument(s) passed for modulo")
}

#[expect(clippy::float_cmp, reason = "the test is whether the conversion lost anything")]
fn whole(number: f64) -> Option<i64> {
    let whole = strconv::f64_to_i64(number);
    (whole as f64 == number).then_some(whole)
}

fn modulo<'d>(a: &Arguments<'_, 'd>, left: Operand, right: Operand) -> Answer<'d> {
    match (left, right) {
        (Operand::Scalar(left), Operand::Scalar(right)) => {
            let (Some(left), Some(right)) = (whole(left), whole(right)) else { return Err(non_integer(a)) };
            if right == 0 {
                return Err(zero_divisor(a));
            }
            Ok(Value::Float(left.wrapping_rem(right) as f64))
        }
        (Operand::Quantity(left), Operand::Quantity(right)) => match left.rem(&right) {
            Ok(rest) => Ok(text(&rest)),
            Err(RemainderError::NonInteger) => Err(non_integer(a)),
            Err(RemainderError::ZeroDivisor) => Err(zero_divisor(a)),
        },
        (Operand::Duration(left), Operand::Duration(right)) => {
            left.checked_rem(right).map(|rest| text(&rest)).ok_or_else(|| zero_divisor(a))
        }
        _ => Err(mismatch(a)),
    }
}

/// The first item is not looked at unless there is a second one.
fn sum<'d>(a: &Arguments<'_, 'd>) -> Answer<'d> {
    let mut items = a.items(0)?.into_iter();
    let first = items.next().ok_or_else(|| a.error("at least one element in the array is required"))?;
    items.try_fold(first, |sum, item| add(a, operand(a, &sum)?, operand(a, &item)?))
}

fn round<'d>(a: &Arguments<'_, 'd>) -> Answer<'d> {
    let Some(places) = whole(a.number(1)) else {
        return Err(a.error("Non-integer argument(s) passed for round off"));
    };
    if places < 0 {
        // WHY: Kyverno formats this message without the numbers that it mentions.
        return Err(a.error("%!d(MISSING) argument is out of bounds (%!d(MISSING))"));
    }
    let shift = strconv::pow10(i32::try_from(places).unwrap_or(i32::MAX));
    Ok(Value::Float((a.number(0) * shift).round() / shift))
}
