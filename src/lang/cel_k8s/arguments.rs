//! Arguments of functions by position and type; the checker made sure of them, so a miss is the overload's.

use crate::lang::cel::{EvalError, List, Value};

const NO_SUCH_OVERLOAD: EvalError = EvalError::Fixed("no such overload");

/// The argument at a position.
pub(super) fn argument<'v, 'd>(args: &'v [Value<'d>], at: usize) -> Result<&'v Value<'d>, EvalError> {
    args.get(at).ok_or(NO_SUCH_OVERLOAD)
}

/// The string at a position.
pub(super) fn text<'v>(args: &'v [Value<'_>], at: usize) -> Result<&'v str, EvalError> {
    args.get(at).and_then(Value::as_str).ok_or(NO_SUCH_OVERLOAD)
}

/// The integer at a position.
pub(super) fn int(args: &[Value<'_>], at: usize) -> Result<i64, EvalError> {
    args.get(at).and_then(Value::as_int).ok_or(NO_SUCH_OVERLOAD)
}

/// The list at a position.
pub(super) fn list<'d>(args: &[Value<'d>], at: usize) -> Result<List<'d>, EvalError> {
    args.get(at).and_then(Value::as_list).ok_or(NO_SUCH_OVERLOAD)
}

/// The library's own value at a position.
pub(super) fn own<'v, T: 'static>(args: &'v [Value<'_>], at: usize) -> Result<&'v T, EvalError> {
    args.get(at).and_then(Value::as_opaque).ok_or(NO_SUCH_OVERLOAD)
}
