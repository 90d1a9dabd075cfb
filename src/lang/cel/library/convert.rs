//! Conversions between types: `int('5')`, `string(1.5)`, `timestamp(0)`, …, and what cannot be converted.
//!
//! As cel-go's `ConvertToType` of each type (`common/types`).

use super::super::error::EvalError;
use super::super::eval::Context;
use super::super::value::{Blob, Text, Value};
use super::{argument, time};
use crate::gostd::duration::Duration;
use crate::gostd::strconv;

const INT_OVERFLOW: EvalError = EvalError::Fixed("integer overflow");
const UINT_OVERFLOW: EvalError = EvalError::Fixed("unsigned integer overflow");

fn impossible(value: &Value<'_>, to: &str) -> EvalError {
    EvalError::failed(format!("type conversion error from '{}' to '{to}'", value.type_name()))
}

/// The text that `string(x)` gives.
pub(crate) fn to_text(value: &Value<'_>) -> Result<String, EvalError> {
    Ok(match value {
        Value::String(text) => text.to_string(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Uint(value) => value.to_string(),
        Value::Double(value) => strconv::sprint_float(*value),
        Value::Bytes(bytes) => std::str::from_utf8(bytes)
            .map_err(|_| EvalError::Fixed("invalid UTF-8 in bytes, cannot convert to string"))?
            .to_owned(),
        Value::Duration(nanos) => {
            format!("{}s", strconv::format_float(Duration::from_nanos(*nanos).seconds()))
        }
        Value::Timestamp(at) => time::format(*at),
        Value::Type(name) => name.to_string(),
        _ => return Err(impossible(value, "string")),
    })
}

type Result1<'d> = Result<Value<'d>, EvalError>;

pub(super) fn identity<'d>(_: &mut Context<'_, 'd>, args: &[Value<'d>]) -> Result1<'d> {
    argument(args, 0).cloned()
}

pub(super) fn type_of<'d>(_: &mut Context<'_, 'd>, args: &[Value<'d>]) -> Result1<'d> {
    Ok(Value::Type(Text::Owned(argument(args, 0)?.type_name().into())))
}

pub(super) fn to_string<'d>(_: &mut Context<'_, 'd>, args: &[Value<'d>]) -> Result1<'d> {
    match argument(args, 0)? {
        value @ Value::String(_) => Ok(value.clone()),
        value => to_text(value).map(Value::string),
    }
}

pub(super) fn to_bool<'d>(_: &mut Context<'_, 'd>, args: &[Value<'d>]) -> Result1<'d> {
    let value = argument(args, 0)?;
    match value.as_str() {
        Some(text) => strconv::parse_bool(text).map(Value::Bool).map_err(|_| impossible(value, "bool")),
        None => Ok(value.clone()),
    }
}

pub(super) fn to_bytes<'d>(_: &mut Context<'_, 'd>, args: &[Value<'d>]) -> Result1<'d> {
    Ok(match argument(args, 0)? {
        Value::String(Text::Borrowed(text)) => Value::Bytes(Blob::Borrowed(text.as_bytes())),
        Value::String(text) => Value::bytes(text.as_bytes().to_vec()),
        other => other.clone(),
    })
}

pub(super) fn to_double<'d>(_: &mut Context<'_, 'd>, args: &[Value<'d>]) -> Result1<'d> {
    let value = argument(args, 0)?;
    Ok(match value {
        Value::Int(value) => Value::Double(*value as f64),
        Value::Uint(value) => Value::Double(*value as f64),
        Value::String(text) => {
            Value::Double(strconv::parse_float(text).map_err(|_| impossible(value, "double"))?)
        }
        other => other.clone(),
    })
}

#[expect(clippy::cast_possible_truncation, reason = "the range is checked before")]
pub(super) fn to_int<'d>(_: &mut Context<'_, 'd>, args: &[Value<'d>]) -> Result1<'d> {
    let value = argument(args, 0)?;
    Ok(Value::Int(match value {
        Value::Double(double) => {
            if !double.is_finite() || *double <= i64::MIN as f64 || *double >= i64::MAX as f64 {
                return Err(INT_OVERFLOW);
            }
            *double as i64
        }
        Value::Uint(uint) => i64::try_from(*uint).map_err(|_| INT_OVERFLOW)?,
        Value::Duration(nanos) => *nanos,
        Value::Timestamp(at) => at.seconds,
        Value::String(text) => strconv::parse_int(text).map_err(|_| impossible(value, "int"))?,
        other => return Ok(other.clone()),
    }))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked before")]
pub(super) fn to_uint<'d>(_: &mut Context<'_, 'd>, args: &[Value<'d>]) -> Result1<'d> {
    let value = argument(args, 0)?;
    Ok(Value::Uint(match value {
        Value::Double(double) => {
            if !double.is_finite() || *double < 0.0 || *double >= u64::MAX as f64 {
                return Err(UINT_OVERFLOW);
            }
            *double as u64
        }
        Value::Int(int) => u64::try_from(*int).map_err(|_| UINT_OVERFLOW)?,
        Value::String(text) => strconv::parse_uint(text).map_err(|_| impossible(value, "uint"))?,
        other => return Ok(other.clone()),
    }))
}

pub(super) fn to_duration<'d>(_: &mut Context<'_, 'd>, args: &[Value<'d>]) -> Result1<'d> {
    let value = argument(args, 0)?;
    match value {
        Value::String(text) => Duration::parse(text)
            .map(|duration| Value::Duration(duration.nanos()))
            .map_err(|_| impossible(value, "google.protobuf.Duration")),
        Value::Int(_) => Err(impossible(value, "google.protobuf.Duration")),
        other => Ok(other.clone()),
    }
}

pub(super) fn to_timestamp<'d>(_: &mut Context<'_, 'd>, args: &[Value<'d>]) -> Result1<'d> {
    let value = argument(args, 0)?;
    match value {
        Value::String(text) => match time::parse(text) {
            Some(at) => Ok(Value::Timestamp(time::checked(at)?)),
            None => Err(impossible(value, "google.protobuf.Timestamp")),
        },
        Value::Int(seconds) => {
            let at = super::Timestamp { seconds: *seconds, nanos: 0, offset_s: 0 };
            Ok(Value::Timestamp(time::checked(at)?))
        }
        other => Ok(other.clone()),
    }
}
