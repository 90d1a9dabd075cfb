//! Optionals: `optional.of`, `value`, `hasValue`, …; the operators `?` and `or` are the evaluator's own.

use super::super::environment::Entry;
use super::super::error::{EvalError, NO_SUCH_OVERLOAD};
use super::super::eval::Context;
use super::super::value::{Value, go_display};
use super::{argument, list};

const BASE: &[Entry] = &[
    Entry::new("optional.of", "optional_of", "(V) -> optional(V)", |_, args| {
        Ok(Value::some(argument(args, 0)?.clone()))
    }),
    Entry::new("optional.ofNonZeroValue", "optional_ofNonZeroValue", "(V) -> optional(V)", |_, args| {
        let value = argument(args, 0)?;
        Ok(if is_zero(value) { Value::Optional(None) } else { Value::some(value.clone()) })
    }),
    Entry::new("optional.none", "optional_none", "() -> optional(V)", |_, _| Ok(Value::Optional(None))),
    Entry::new("value", "optional_value", "optional(V).() -> V", |_, args| match argument(args, 0)? {
        Value::Optional(Some(value)) => Ok((**value).clone()),
        _ => Err(EvalError::Fixed("optional.none() dereference")),
    }),
    Entry::new("hasValue", "optional_hasValue", "optional(V).() -> bool", |_, args| {
        Ok(Value::Bool(matches!(argument(args, 0)?, Value::Optional(Some(_)))))
    }),
    Entry::new("or", "optional_or_optional", "optional(V).(optional(V)) -> optional(V)", unreached),
    Entry::new("orValue", "optional_orValue_value", "optional(V).(V) -> V", unreached),
    Entry::new("_[?_]", "list_optindex_optional_int", "(list(V), int) -> optional(V)", unreached),
    Entry::new(
        "_[?_]",
        "optional_list_optindex_optional_int",
        "(optional(list(V)), int) -> optional(V)",
        unreached,
    ),
    Entry::new("_[?_]", "map_optindex_optional_value", "(map(K, V), K) -> optional(V)", unreached),
    Entry::new(
        "_[?_]",
        "optional_map_optindex_optional_value",
        "(optional(map(K, V)), K) -> optional(V)",
        unreached,
    ),
    Entry::new("_[_]", "optional_list_index_int", "(optional(list(V)), int) -> optional(V)", unreached),
    Entry::new("_[_]", "optional_map_index_value", "(optional(map(K, V)), K) -> optional(V)", unreached),
];

const SECOND: &[Entry] = &[
    Entry::new("last", "list_last", "list(V).() -> optional(V)", |_, args| {
        let items = list(args, 0)?;
        Ok(items.len().checked_sub(1).and_then(|at| items.get(at)).map_or(Value::Optional(None), Value::some))
    }),
    Entry::new("first", "list_first", "list(V).() -> optional(V)", |_, args| {
        Ok(list(args, 0)?.get(0).map_or(Value::Optional(None), Value::some))
    }),
    Entry::new("optional.unwrap", "optional_unwrap", "(list(optional(V))) -> list(V)", unwrap),
    Entry::new("unwrapOpt", "optional_unwrapOpt", "list(optional(V)).() -> list(V)", unwrap),
];

fn unreached<'d>(_: &mut Context<'_, 'd>, _: &[Value<'d>]) -> Result<Value<'d>, EvalError> {
    Err(NO_SUCH_OVERLOAD)
}

fn is_zero(value: &Value<'_>) -> bool {
    match value {
        Value::Null | Value::Bool(false) | Value::Int(0) | Value::Uint(0) | Value::Duration(0) => true,
        Value::Double(value) => *value == 0.0,
        Value::Optional(inner) => inner.is_none(),
        Value::Timestamp(at) => at.seconds == -62_135_596_800 && at.nanos == 0,
        Value::Map(map) => map.is_empty(),
        value => value.size() == Some(0),
    }
}

fn unwrap<'d>(_: &mut Context<'_, 'd>, args: &[Value<'d>]) -> Result<Value<'d>, EvalError> {
    let mut items = Vec::new();
    for item in list(args, 0)?.iter() {
        match item {
            Value::Optional(value) => items.extend(value.map(|value| (*value).clone())),
            other => {
                return Err(EvalError::failed(format!("value {} is not optional", go_display(&other))));
            }
        }
    }
    Ok(Value::list(items))
}

/// The functions of a version.
pub(super) fn entries(version: u32) -> Vec<Entry> {
    let mut entries = BASE.to_vec();
    if version >= 2 {
        entries.extend_from_slice(SECOND);
    }
    entries
}
