//! Lists: `slice`, `flatten`, `distinct`, `range`, `reverse`, `sort` (cel-go's `ext/lists.go`); `sortBy` is a
//! comprehension.

use super::super::environment::Entry;
use super::super::error::EvalError;
use super::super::eval::{Context, size_of};
use super::super::value::{List, Value};
use super::{int, list};
use crate::limits::CEL_RESULT_SIZE_MAX;

const BASE: &[Entry] =
    &[Entry::new("slice", "list_slice", "list(T).(int, int) -> list(T)", slice).costing(output)];

const FIRST: &[Entry] = &[
    Entry::new("flatten", "list_flatten", "list(list(T)).() -> list(T)", |_, args| flattened(args))
        .costing(input)
        .unguarded(),
    Entry::new("flatten", "list_flatten_int", "list(dyn).(int) -> list(dyn)", |_, args| flattened(args))
        .costing(input)
        .unguarded(),
];

const SECOND: &[Entry] = &[
    Entry::new("lists.range", "lists_range", "(int) -> list(int)", range).costing(output),
    Entry::new("reverse", "list_reverse", "list(T).() -> list(T)", |_, args| {
        let mut items = list(args, 0)?.to_vec();
        items.reverse();
        Ok(Value::list(items))
    })
    .costing(output),
    Entry::new("distinct", "list_distinct", "list(T).() -> list(T)", distinct).costing(squared),
];

/// The types that can be sorted by; an open type becomes the first.
const COMPARABLE: [&str; 8] = ["int", "uint", "double", "bool", "duration", "timestamp", "string", "bytes"];

const SORT: [&str; 8] = [
    "list(int).() -> list(int)",
    "list(uint).() -> list(uint)",
    "list(double).() -> list(double)",
    "list(bool).() -> list(bool)",
    "list(duration).() -> list(duration)",
    "list(timestamp).() -> list(timestamp)",
    "list(string).() -> list(string)",
    "list(bytes).() -> list(bytes)",
];

const SORT_BY: [&str; 8] = [
    "list(T).(list(int)) -> list(T)",
    "list(T).(list(uint)) -> list(T)",
    "list(T).(list(double)) -> list(T)",
    "list(T).(list(bool)) -> list(T)",
    "list(T).(list(duration)) -> list(T)",
    "list(T).(list(timestamp)) -> list(T)",
    "list(T).(list(string)) -> list(T)",
    "list(T).(list(bytes)) -> list(T)",
];

/// The functions of a version.
pub(super) fn entries(version: u32) -> Vec<Entry> {
    let mut entries = BASE.to_vec();
    if version >= 1 {
        entries.extend_from_slice(FIRST);
    }
    if version >= 2 {
        entries.extend_from_slice(SECOND);
        for ((id, sort), by) in COMPARABLE.into_iter().zip(SORT).zip(SORT_BY) {
            entries.push(Entry::new("sort", id, sort, sorted).costing(squared).unguarded());
            entries.push(Entry::new("@sortByAssociatedKeys", id, by, sorted_by).costing(squared));
        }
    }
    entries
}

fn slice<'d>(_: &mut Context<'_, 'd>, args: &[Value<'d>]) -> Result<Value<'d>, EvalError> {
    let (items, start, end) = (list(args, 0)?, int(args, 1)?, int(args, 2)?);
    let refuse = |why: String| Err(EvalError::failed(format!("cannot slice({start}, {end}), {why}")));
    let (Ok(from), Ok(to)) = (usize::try_from(start), usize::try_from(end)) else {
        return refuse("negative indexes not supported".to_owned());
    };
    if from > to {
        return refuse("start index must be less than or equal to end index".to_owned());
    }
    if items.len() < to {
        return refuse(format!("list is length {}", items.len()));
    }
    Ok(Value::list(items.iter().skip(from).take(to - from).collect()))
}

/// Takes any list at run time, flat ones too: cel-go does not guard the types either.
fn flattened<'d>(args: &[Value<'d>]) -> Result<Value<'d>, EvalError> {
    let depth = args.get(1).map_or(Some(1), Value::as_int);
    let (Ok(list), Some(depth)) = (list(args, 0), depth) else {
        let mut kinds = args.iter().map(declared_name);
        let receiver = kinds.next().unwrap_or_default();
        let depth = kinds.next().unwrap_or_default();
        return Err(EvalError::failed(format!("no such overload: {receiver}.flatten({depth})")));
    };
    if depth < 0 {
        return Err(EvalError::Fixed("level must be non-negative"));
    }
    let mut out = Vec::new();
    flatten(&list, depth, &mut out);
    Ok(Value::list(out))
}

fn flatten<'d>(list: &List<'d>, depth: i64, out: &mut Vec<Value<'d>>) {
    for item in list.iter() {
        match item.as_list() {
            Some(inner) if depth > 0 => flatten(&inner, depth - 1, out),
            _ => out.push(item),
        }
    }
}

/// A type as cel-go declares it.
fn declared_name<'v>(value: &'v Value<'_>) -> &'v str {
    match value.type_name() {
        "list" => "list(dyn)",
        "map" => "map(dyn, dyn)",
        name => name,
    }
}

fn range<'d>(_: &mut Context<'_, 'd>, args: &[Value<'d>]) -> Result<Value<'d>, EvalError> {
    let n = int(args, 0)?;
    if usize::try_from(n).is_ok_and(|n| n > CEL_RESULT_SIZE_MAX) {
        return Err(EvalError::Cancelled("operation cancelled: result is too large"));
    }
    Ok(Value::list((0..n).map(Value::Int).collect()))
}

fn distinct<'d>(_: &mut Context<'_, 'd>, args: &[Value<'d>]) -> Result<Value<'d>, EvalError> {
    let mut out: Vec<Value<'d>> = Vec::new();
    for item in list(args, 0)?.iter() {
        if !out.iter().any(|known| known.equals(&item)) {
            out.push(item);
        }
    }
    Ok(Value::list(out))
}

fn sorted<'d>(_: &mut Context<'_, 'd>, args: &[Value<'d>]) -> Result<Value<'d>, EvalError> {
    let items = match args.first().and_then(Value::as_list) {
        Some(items) => items.to_vec(),
        None if matches!(args.first(), Some(Value::String(_) | Value::Timestamp(_) | Value::Duration(_))) => {
            return Err(EvalError::Fixed("no such overload"));
        }
        None => return Err(EvalError::Fixed("no such overload: sort")),
    };
    let keys = items.clone();
    sort_by_keys(items, &keys)
}

fn sorted_by<'d>(_: &mut Context<'_, 'd>, args: &[Value<'d>]) -> Result<Value<'d>, EvalError> {
    sort_by_keys(list(args, 0)?.to_vec(), &list(args, 1)?.to_vec())
}

/// The items in the order of their keys; equal keys keep the order of the items.
pub(crate) fn sort_by_keys<'d>(items: Vec<Value<'d>>, keys: &[Value<'d>]) -> Result<Value<'d>, EvalError> {
    let Some(first) = keys.first() else { return Ok(Value::list(items)) };
    if first.compare(first).is_err() && !matches!(first, Value::Double(_)) {
        return Err(EvalError::Fixed("list elements must be comparable"));
    }
    if keys.iter().any(|key| key.type_name() != first.type_name()) {
        return Err(EvalError::Fixed("list elements must have the same type"));
    }
    let mut pairs: Vec<(Value<'d>, &Value<'d>)> = items.into_iter().zip(keys).collect();
    pairs.sort_by(|(_, a), (_, b)| a.compare(b).unwrap_or(std::cmp::Ordering::Equal));
    Ok(Value::list(pairs.into_iter().map(|(item, _)| item).collect()))
}

/// A call that makes a list: its size and the list's own cost.
const MAKING: u64 = 11;

fn output(_: &[Value<'_>], result: &Value<'_>) -> u64 {
    size_of(result) + MAKING
}

fn input(args: &[Value<'_>], _: &Value<'_>) -> u64 {
    let depth = args.get(1).and_then(Value::as_int).and_then(|depth| u64::try_from(depth).ok()).unwrap_or(1);
    args.first().map_or(0, size_of).saturating_mul(depth).saturating_add(MAKING)
}

fn squared(args: &[Value<'_>], _: &Value<'_>) -> u64 {
    let size = args.last().map_or(0, size_of);
    let is_text = args.last().and_then(Value::as_list).and_then(|list| list.get(0));
    let factor = match is_text {
        Some(Value::String(_) | Value::Bytes(_)) => 21,
        _ => 20,
    };
    (size.saturating_mul(size).saturating_mul(factor) / 10).saturating_add(MAKING)
}
