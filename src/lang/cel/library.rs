//! The functions of the language and of cel-go's extension libraries, as tables of overloads.
//!
//! Signatures, results and error texts are those of cel-go 0.26 (`common/stdlib`, `ext`, `cel/library.go`).

pub(crate) mod convert;
mod encoders;
pub(crate) mod format;
pub(crate) mod lists;
mod math;
mod optionals;
mod regex;
mod sets;
pub(crate) mod standard;
mod strings;
pub(crate) mod time;

use super::environment::{Entry, Library};
use super::error::{EvalError, NO_SUCH_OVERLOAD};
use super::value::{Blob, List, Timestamp, Value};

/// The functions that a library adds.
pub(crate) fn entries(library: Library) -> Vec<Entry> {
    match library {
        Library::Optionals(version) => optionals::entries(version),
        Library::Strings(version) => strings::entries(version),
        Library::Math(version) => math::entries(version),
        Library::Lists(version) => lists::entries(version),
        Library::Sets => sets::ENTRIES.to_vec(),
        Library::Encoders => encoders::ENTRIES.to_vec(),
        Library::Regex => regex::ENTRIES.to_vec(),
        Library::Bindings | Library::TwoVariables | Library::Block => Vec::new(),
    }
}

/// `orValue` on anything, of any type: what an optional holds, or the value itself (Kyverno's
/// `__orValueCompat__`).
pub(crate) const OR_VALUE_OF_ANYTHING: Entry =
    Entry::new("orValue", "dyn_orValue_dyn", "dyn.(dyn) -> dyn", |_, args| {
        Ok(match argument(args, 0)? {
            Value::Optional(Some(value)) => (**value).clone(),
            Value::Optional(None) => argument(args, 1)?.clone(),
            value => value.clone(),
        })
    });

/// The string at a position of the arguments.
pub(crate) fn text<'v>(args: &'v [Value<'_>], at: usize) -> Result<&'v str, EvalError> {
    args.get(at).and_then(Value::as_str).ok_or(NO_SUCH_OVERLOAD)
}

/// The integer at a position of the arguments.
pub(crate) fn int(args: &[Value<'_>], at: usize) -> Result<i64, EvalError> {
    args.get(at).and_then(Value::as_int).ok_or(NO_SUCH_OVERLOAD)
}

/// The number at a position of the arguments.
pub(crate) fn double(args: &[Value<'_>], at: usize) -> Result<f64, EvalError> {
    match args.get(at) {
        Some(Value::Double(value)) => Ok(*value),
        _ => Err(NO_SUCH_OVERLOAD),
    }
}

/// The bytes at a position of the arguments.
pub(crate) fn bytes<'v, 'd>(args: &'v [Value<'d>], at: usize) -> Result<&'v Blob<'d>, EvalError> {
    match args.get(at) {
        Some(Value::Bytes(bytes)) => Ok(bytes),
        _ => Err(NO_SUCH_OVERLOAD),
    }
}

/// The list at a position of the arguments.
pub(crate) fn list<'d>(args: &[Value<'d>], at: usize) -> Result<List<'d>, EvalError> {
    args.get(at).and_then(Value::as_list).ok_or(NO_SUCH_OVERLOAD)
}

/// The instant at a position of the arguments.
pub(crate) fn instant(args: &[Value<'_>], at: usize) -> Result<Timestamp, EvalError> {
    match args.get(at) {
        Some(Value::Timestamp(value)) => Ok(*value),
        _ => Err(NO_SUCH_OVERLOAD),
    }
}

/// The argument itself.
pub(crate) fn argument<'v, 'd>(args: &'v [Value<'d>], at: usize) -> Result<&'v Value<'d>, EvalError> {
    args.get(at).ok_or(NO_SUCH_OVERLOAD)
}
