//! The standard functions and operators as a table for the checker; the evaluator has operations of its own
//! for the operators.

use super::super::environment::Entry;
use super::super::error::{EvalError, NO_SUCH_OVERLOAD};
use super::super::eval::Context;
use super::super::value::Value;
use super::{convert, time};

/// Never reached: the evaluator has an operation for it.
fn operator<'d>(_: &mut Context<'_, 'd>, _: &[Value<'d>]) -> Result<Value<'d>, EvalError> {
    Err(NO_SUCH_OVERLOAD)
}

const fn op(name: &'static str, id: &'static str, signature: &'static str) -> Entry {
    Entry::new(name, id, signature, operator)
}

const OPERATORS: &[Entry] = &[
    op("_?_:_", "conditional", "(bool, A, A) -> A"),
    op("!_", "logical_not", "(bool) -> bool"),
    op("_==_", "equals", "(A, A) -> bool"),
    op("_!=_", "not_equals", "(A, A) -> bool"),
    op("_+_", "add_bytes", "(bytes, bytes) -> bytes"),
    op("_+_", "add_double", "(double, double) -> double"),
    op("_+_", "add_duration_duration", "(duration, duration) -> duration"),
    op("_+_", "add_duration_timestamp", "(duration, timestamp) -> timestamp"),
    op("_+_", "add_timestamp_duration", "(timestamp, duration) -> timestamp"),
    op("_+_", "add_int64", "(int, int) -> int"),
    op("_+_", "add_list", "(list(A), list(A)) -> list(A)"),
    op("_+_", "add_string", "(string, string) -> string"),
    op("_+_", "add_uint64", "(uint, uint) -> uint"),
    op("_/_", "divide_double", "(double, double) -> double"),
    op("_/_", "divide_int64", "(int, int) -> int"),
    op("_/_", "divide_uint64", "(uint, uint) -> uint"),
    op("_%_", "modulo_int64", "(int, int) -> int"),
    op("_%_", "modulo_uint64", "(uint, uint) -> uint"),
    op("_*_", "multiply_double", "(double, double) -> double"),
    op("_*_", "multiply_int64", "(int, int) -> int"),
    op("_*_", "multiply_uint64", "(uint, uint) -> uint"),
    op("-_", "negate_double", "(double) -> double"),
    op("-_", "negate_int64", "(int) -> int"),
    op("_-_", "subtract_double", "(double, double) -> double"),
    op("_-_", "subtract_duration_duration", "(duration, duration) -> duration"),
    op("_-_", "subtract_int64", "(int, int) -> int"),
    op("_-_", "subtract_timestamp_duration", "(timestamp, duration) -> timestamp"),
    op("_-_", "subtract_timestamp_timestamp", "(timestamp, timestamp) -> duration"),
    op("_-_", "subtract_uint64", "(uint, uint) -> uint"),
    op("_[_]", "index_list", "(list(A), int) -> A"),
    op("_[_]", "index_map", "(map(A, B), A) -> B"),
    op("@in", "in_list", "(A, list(A)) -> bool"),
    op("@in", "in_map", "(A, map(A, B)) -> bool"),
    op("size", "size_bytes", "(bytes) -> int"),
    op("size", "bytes_size", "bytes.() -> int"),
    op("size", "size_list", "(list(A)) -> int"),
    op("size", "list_size", "list(A).() -> int"),
    op("size", "size_map", "(map(A, B)) -> int"),
    op("size", "map_size", "map(A, B).() -> int"),
    op("size", "size_string", "(string) -> int"),
    op("size", "string_size", "string.() -> int"),
    op("contains", "contains_string", "string.(string) -> bool"),
    op("endsWith", "ends_with_string", "string.(string) -> bool"),
    op("startsWith", "starts_with_string", "string.(string) -> bool"),
    op("matches", "matches", "(string, string) -> bool"),
    op("matches", "matches_string", "string.(string) -> bool"),
];

/// The pairs of types that have an order.
const ORDERED: &[&str] = &[
    "(bool, bool) -> bool",
    "(int, int) -> bool",
    "(int, double) -> bool",
    "(int, uint) -> bool",
    "(uint, uint) -> bool",
    "(uint, double) -> bool",
    "(uint, int) -> bool",
    "(double, double) -> bool",
    "(double, int) -> bool",
    "(double, uint) -> bool",
    "(string, string) -> bool",
    "(bytes, bytes) -> bool",
    "(timestamp, timestamp) -> bool",
    "(duration, duration) -> bool",
];

const CONVERSIONS: &[Entry] = &[
    Entry::new("type", "type", "(A) -> type(A)", convert::type_of),
    Entry::new("bool", "bool_to_bool", "(bool) -> bool", convert::identity),
    Entry::new("bool", "string_to_bool", "(string) -> bool", convert::to_bool),
    Entry::new("bytes", "bytes_to_bytes", "(bytes) -> bytes", convert::identity),
    Entry::new("bytes", "string_to_bytes", "(string) -> bytes", convert::to_bytes).costing(reading),
    Entry::new("double", "double_to_double", "(double) -> double", convert::identity),
    Entry::new("double", "int64_to_double", "(int) -> double", convert::to_double),
    Entry::new("double", "string_to_double", "(string) -> double", convert::to_double),
    Entry::new("double", "uint64_to_double", "(uint) -> double", convert::to_double),
    Entry::new("duration", "duration_to_duration", "(duration) -> duration", convert::identity),
    Entry::new("duration", "int64_to_duration", "(int) -> duration", convert::to_duration),
    Entry::new("duration", "string_to_duration", "(string) -> duration", convert::to_duration),
    Entry::new("dyn", "to_dyn", "(A) -> dyn", convert::identity),
    Entry::new("int", "int64_to_int64", "(int) -> int", convert::identity),
    Entry::new("int", "double_to_int64", "(double) -> int", convert::to_int),
    Entry::new("int", "duration_to_int64", "(duration) -> int", convert::to_int),
    Entry::new("int", "string_to_int64", "(string) -> int", convert::to_int),
    Entry::new("int", "timestamp_to_int64", "(timestamp) -> int", convert::to_int),
    Entry::new("int", "uint64_to_int64", "(uint) -> int", convert::to_int),
    Entry::new("string", "string_to_string", "(string) -> string", convert::identity),
    Entry::new("string", "bool_to_string", "(bool) -> string", convert::to_string),
    Entry::new("string", "bytes_to_string", "(bytes) -> string", convert::to_string).costing(reading),
    Entry::new("string", "double_to_string", "(double) -> string", convert::to_string),
    Entry::new("string", "duration_to_string", "(duration) -> string", convert::to_string),
    Entry::new("string", "int64_to_string", "(int) -> string", convert::to_string),
    Entry::new("string", "timestamp_to_string", "(timestamp) -> string", convert::to_string),
    Entry::new("string", "uint64_to_string", "(uint) -> string", convert::to_string),
    Entry::new("timestamp", "timestamp_to_timestamp", "(timestamp) -> timestamp", convert::identity),
    Entry::new("timestamp", "int64_to_timestamp", "(int) -> timestamp", convert::to_timestamp),
    Entry::new("timestamp", "string_to_timestamp", "(string) -> timestamp", convert::to_timestamp),
    Entry::new("uint", "uint64_to_uint64", "(uint) -> uint", convert::identity),
    Entry::new("uint", "double_to_uint64", "(double) -> uint", convert::to_uint),
    Entry::new("uint", "int64_to_uint64", "(int) -> uint", convert::to_uint),
    Entry::new("uint", "string_to_uint64", "(string) -> uint", convert::to_uint),
];

const TIME: &[Entry] = &[
    Entry::new("getFullYear", "timestamp_to_year", "timestamp.() -> int", time::full_year),
    Entry::new("getFullYear", "timestamp_to_year_with_tz", "timestamp.(string) -> int", time::full_year),
    Entry::new("getMonth", "timestamp_to_month", "timestamp.() -> int", time::month),
    Entry::new("getMonth", "timestamp_to_month_with_tz", "timestamp.(string) -> int", time::month),
    Entry::new("getDayOfYear", "timestamp_to_day_of_year", "timestamp.() -> int", time::day_of_year),
    Entry::new(
        "getDayOfYear",
        "timestamp_to_day_of_year_with_tz",
        "timestamp.(string) -> int",
        time::day_of_year,
    ),
    Entry::new("getDayOfMonth", "timestamp_to_day_of_month", "timestamp.() -> int", time::day_of_month),
    Entry::new(
        "getDayOfMonth",
        "timestamp_to_day_of_month_with_tz",
        "timestamp.(string) -> int",
        time::day_of_month,
    ),
    Entry::new("getDate", "timestamp_to_day_of_month_1_based", "timestamp.() -> int", time::date),
    Entry::new(
        "getDate",
        "timestamp_to_day_of_month_1_based_with_tz",
        "timestamp.(string) -> int",
        time::date,
    ),
    Entry::new("getDayOfWeek", "timestamp_to_day_of_week", "timestamp.() -> int", time::day_of_week),
    Entry::new(
        "getDayOfWeek",
        "timestamp_to_day_of_week_with_tz",
        "timestamp.(string) -> int",
        time::day_of_week,
    ),
    Entry::new("getHours", "timestamp_to_hours", "timestamp.() -> int", time::hours),
    Entry::new("getHours", "timestamp_to_hours_with_tz", "timestamp.(string) -> int", time::hours),
    Entry::new("getHours", "duration_to_hours", "duration.() -> int", time::hours),
    Entry::new("getMinutes", "timestamp_to_minutes", "timestamp.() -> int", time::minutes),
    Entry::new("getMinutes", "timestamp_to_minutes_with_tz", "timestamp.(string) -> int", time::minutes),
    Entry::new("getMinutes", "duration_to_minutes", "duration.() -> int", time::minutes),
    Entry::new("getSeconds", "timestamp_to_seconds", "timestamp.() -> int", time::seconds),
    Entry::new("getSeconds", "timestamp_to_seconds_tz", "timestamp.(string) -> int", time::seconds),
    Entry::new("getSeconds", "duration_to_seconds", "duration.() -> int", time::seconds),
    Entry::new("getMilliseconds", "timestamp_to_milliseconds", "timestamp.() -> int", time::milliseconds),
    Entry::new(
        "getMilliseconds",
        "timestamp_to_milliseconds_with_tz",
        "timestamp.(string) -> int",
        time::milliseconds,
    ),
    Entry::new("getMilliseconds", "duration_to_milliseconds", "duration.() -> int", time::milliseconds),
];

/// A tenth of the first argument's size, rounded up.
fn reading(args: &[Value<'_>], _: &Value<'_>) -> u64 {
    args.first().map_or(1, |value| super::super::eval::size_of(value).div_ceil(10))
}

/// The whole table.
pub(crate) fn entries() -> Vec<Entry> {
    let mut entries = [OPERATORS, CONVERSIONS, TIME].concat();
    for name in ["_<_", "_<=_", "_>_", "_>=_"] {
        entries.extend(ORDERED.iter().map(|signature| op(name, signature, signature)));
    }
    entries
}
