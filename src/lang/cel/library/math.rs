//! `math.greatest`, `math.least`, rounding, signs, bits, roots (cel-go's `ext/math.go`).

use super::super::environment::Entry;
use super::super::error::{EvalError, NO_SUCH_OVERLOAD};
use super::super::eval::Context;
use super::super::value::Value;
use super::{argument, double, int};

/// The signatures of `math.@min` and `math.@max`.
const EXTREMES: [&str; 15] = [
    "(double) -> double",
    "(int) -> int",
    "(uint) -> uint",
    "(double, double) -> double",
    "(int, int) -> int",
    "(uint, uint) -> uint",
    "(int, uint) -> dyn",
    "(int, double) -> dyn",
    "(double, int) -> dyn",
    "(double, uint) -> dyn",
    "(uint, int) -> dyn",
    "(uint, double) -> dyn",
    "(list(double)) -> double",
    "(list(int)) -> int",
    "(list(uint)) -> uint",
];

const FIRST: &[Entry] = &[
    Entry::new("math.ceil", "math_ceil_double", "(double) -> double", |_, args| {
        Ok(Value::Double(double(args, 0)?.ceil()))
    }),
    Entry::new("math.floor", "math_floor_double", "(double) -> double", |_, args| {
        Ok(Value::Double(double(args, 0)?.floor()))
    }),
    Entry::new("math.round", "math_round_double", "(double) -> double", |_, args| {
        Ok(Value::Double(double(args, 0)?.round()))
    }),
    Entry::new("math.trunc", "math_trunc_double", "(double) -> double", |_, args| {
        Ok(Value::Double(double(args, 0)?.trunc()))
    }),
    Entry::new("math.isInf", "math_isInf_double", "(double) -> bool", |_, args| {
        Ok(Value::Bool(double(args, 0)?.is_infinite()))
    }),
    Entry::new("math.isNaN", "math_isNaN_double", "(double) -> bool", |_, args| {
        Ok(Value::Bool(double(args, 0)?.is_nan()))
    }),
    Entry::new("math.isFinite", "math_isFinite_double", "(double) -> bool", |_, args| {
        Ok(Value::Bool(double(args, 0)?.is_finite()))
    }),
    Entry::new("math.abs", "math_abs_double", "(double) -> double", |_, args| {
        Ok(Value::Double(double(args, 0)?.abs()))
    }),
    Entry::new("math.abs", "math_abs_int", "(int) -> int", |_, args| {
        int(args, 0)?.checked_abs().map(Value::Int).ok_or(EvalError::Fixed("integer overflow"))
    }),
    Entry::new("math.abs", "math_abs_uint", "(uint) -> uint", |_, args| argument(args, 0).cloned()),
    Entry::new("math.sign", "math_sign_double", "(double) -> double", |_, args| {
        let value = double(args, 0)?;
        Ok(Value::Double(if value == 0.0 {
            0.0
        } else if value.is_nan() {
            value
        } else {
            value.signum()
        }))
    }),
    Entry::new("math.sign", "math_sign_int", "(int) -> int", |_, args| {
        Ok(Value::Int(int(args, 0)?.signum()))
    }),
    Entry::new("math.sign", "math_sign_uint", "(uint) -> uint", |_, args| {
        Ok(Value::Uint(u64::from(uint(args, 0)? != 0)))
    }),
    Entry::new("math.bitAnd", "math_bitAnd_int_int", "(int, int) -> int", |_, args| {
        Ok(Value::Int(int(args, 0)? & int(args, 1)?))
    }),
    Entry::new("math.bitAnd", "math_bitAnd_uint_uint", "(uint, uint) -> uint", |_, args| {
        Ok(Value::Uint(uint(args, 0)? & uint(args, 1)?))
    }),
    Entry::new("math.bitOr", "math_bitOr_int_int", "(int, int) -> int", |_, args| {
        Ok(Value::Int(int(args, 0)? | int(args, 1)?))
    }),
    Entry::new("math.bitOr", "math_bitOr_uint_uint", "(uint, uint) -> uint", |_, args| {
        Ok(Value::Uint(uint(args, 0)? | uint(args, 1)?))
    }),
    Entry::new("math.bitXor", "math_bitXor_int_int", "(int, int) -> int", |_, args| {
        Ok(Value::Int(int(args, 0)? ^ int(args, 1)?))
    }),
    Entry::new("math.bitXor", "math_bitXor_uint_uint", "(uint, uint) -> uint", |_, args| {
        Ok(Value::Uint(uint(args, 0)? ^ uint(args, 1)?))
    }),
    Entry::new("math.bitNot", "math_bitNot_int_int", "(int) -> int", |_, args| {
        Ok(Value::Int(!int(args, 0)?))
    }),
    Entry::new("math.bitNot", "math_bitNot_uint_uint", "(uint) -> uint", |_, args| {
        Ok(Value::Uint(!uint(args, 0)?))
    }),
    Entry::new("math.bitShiftLeft", "math_bitShiftLeft_int_int", "(int, int) -> int", shift_left),
    Entry::new("math.bitShiftLeft", "math_bitShiftLeft_uint_int", "(uint, int) -> uint", shift_left),
    Entry::new("math.bitShiftRight", "math_bitShiftRight_int_int", "(int, int) -> int", shift_right),
    Entry::new("math.bitShiftRight", "math_bitShiftRight_uint_int", "(uint, int) -> uint", shift_right),
];

const SECOND: &[Entry] = &[
    Entry::new("math.sqrt", "math_sqrt_double", "(double) -> double", sqrt),
    Entry::new("math.sqrt", "math_sqrt_int", "(int) -> double", sqrt),
    Entry::new("math.sqrt", "math_sqrt_uint", "(uint) -> double", sqrt),
];

/// The functions of a version.
pub(super) fn entries(version: u32) -> Vec<Entry> {
    let mut entries = Vec::new();
    for signature in EXTREMES {
        entries.push(Entry::new("math.@min", signature, signature, |_, args| extreme(args, true)));
        entries.push(Entry::new("math.@max", signature, signature, |_, args| extreme(args, false)));
    }
    if version >= 1 {
        entries.extend_from_slice(FIRST);
    }
    if version >= 2 {
        entries.extend_from_slice(SECOND);
    }
    entries
}

fn uint(args: &[Value<'_>], at: usize) -> Result<u64, EvalError> {
    match args.get(at) {
        Some(Value::Uint(value)) => Ok(*value),
        _ => Err(NO_SUCH_OVERLOAD),
    }
}

fn extreme<'d>(args: &[Value<'d>], is_min: bool) -> Result<Value<'d>, EvalError> {
    let name = if is_min { "math.@min" } else { "math.@max" };
    let items = match args {
        [one] => match one.as_list() {
            Some(list) => list.to_vec(),
            None => vec![one.clone()],
        },
        many => many.to_vec(),
    };
    let mut items = items.into_iter();
    let Some(mut best) = items.next() else {
        return Err(EvalError::failed(format!("{name}(list) argument must not be empty")));
    };
    for item in items {
        let order = best.compare(&item).map_err(|error| {
            let text = error.message();
            if text.contains(name) { error } else { EvalError::failed(format!("{text}: {name}")) }
        })?;
        if if is_min { order.is_gt() } else { order.is_lt() } {
            best = item;
        }
    }
    match best {
        Value::Int(_) | Value::Uint(_) | Value::Double(_) => Ok(best),
        _ => Err(EvalError::failed(format!("no such overload: {name}"))),
    }
}

fn bits(args: &[Value<'_>], name: &str) -> Result<u32, EvalError> {
    let offset = int(args, 1)?;
    if offset < 0 {
        return Err(EvalError::failed(format!("math.{name}() negative offset: {offset}")));
    }
    Ok(u32::try_from(offset).unwrap_or(u32::MAX))
}

fn shift_left<'d>(_: &mut Context<'_, 'd>, args: &[Value<'d>]) -> Result<Value<'d>, EvalError> {
    let bits = bits(args, "bitShiftLeft")?;
    Ok(match argument(args, 0)? {
        Value::Uint(value) => Value::Uint(value.checked_shl(bits).unwrap_or(0)),
        _ => Value::Int(int(args, 0)?.checked_shl(bits).unwrap_or(0)),
    })
}

fn shift_right<'d>(_: &mut Context<'_, 'd>, args: &[Value<'d>]) -> Result<Value<'d>, EvalError> {
    let bits = bits(args, "bitShiftRight")?;
    Ok(match argument(args, 0)? {
        Value::Uint(value) => Value::Uint(value.checked_shr(bits).unwrap_or(0)),
        _ => Value::Int(int(args, 0)?.cast_unsigned().checked_shr(bits).unwrap_or(0).cast_signed()),
    })
}

fn sqrt<'d>(_: &mut Context<'_, 'd>, args: &[Value<'d>]) -> Result<Value<'d>, EvalError> {
    let value = match argument(args, 0)? {
        Value::Double(value) => *value,
        Value::Int(value) => *value as f64,
        Value::Uint(value) => *value as f64,
        _ => return Err(NO_SUCH_OVERLOAD),
    };
    Ok(Value::Double(value.sqrt()))
}
