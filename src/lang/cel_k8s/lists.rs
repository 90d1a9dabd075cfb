//! Lists: `isSorted`, `sum`, `min`, `max`, `indexOf`, `lastIndexOf` (`pkg/cel/library/lists.go`).

use crate::lang::cel::{Context, Entry, EvalError, Value};

use super::arguments::{argument, list};

const fn row(name: &'static str, signature: &'static str, native: crate::lang::cel::Native) -> Entry {
    Entry::new(name, signature, signature, native).costing(super::costs::traversal)
}

pub(super) const ENTRIES: &[Entry] = &[
    row("isSorted", "list(int).() -> bool", is_sorted),
    row("isSorted", "list(uint).() -> bool", is_sorted),
    row("isSorted", "list(double).() -> bool", is_sorted),
    row("isSorted", "list(bool).() -> bool", is_sorted),
    row("isSorted", "list(duration).() -> bool", is_sorted),
    row("isSorted", "list(timestamp).() -> bool", is_sorted),
    row("isSorted", "list(string).() -> bool", is_sorted),
    row("isSorted", "list(bytes).() -> bool", is_sorted),
    row("sum", "list(int).() -> int", |_, args| sum(args, Value::Int(0))),
    row("sum", "list(uint).() -> uint", |_, args| sum(args, Value::Uint(0))),
    row("sum", "list(double).() -> double", |_, args| sum(args, Value::Double(0.0))),
    row("sum", "list(duration).() -> duration", |_, args| sum(args, Value::Duration(0))),
    row("max", "list(int).() -> int", max),
    row("max", "list(uint).() -> uint", max),
    row("max", "list(double).() -> double", max),
    row("max", "list(bool).() -> bool", max),
    row("max", "list(duration).() -> duration", max),
    row("max", "list(timestamp).() -> timestamp", max),
    row("max", "list(string).() -> string", max),
    row("max", "list(bytes).() -> bytes", max),
    row("min", "list(int).() -> int", min),
    row("min", "list(uint).() -> uint", min),
    row("min", "list(double).() -> double", min),
    row("min", "list(bool).() -> bool", min),
    row("min", "list(duration).() -> duration", min),
    row("min", "list(timestamp).() -> timestamp", min),
    row("min", "list(string).() -> string", min),
    row("min", "list(bytes).() -> bytes", min),
    row("indexOf", "list(A).(A) -> int", |_, args| {
        let wanted = argument(args, 1)?;
        Ok(position(list(args, 0)?.iter().position(|item| item.equals(wanted))))
    }),
    row("lastIndexOf", "list(A).(A) -> int", |_, args| {
        let wanted = argument(args, 1)?;
        Ok(position(list(args, 0)?.to_vec().iter().rposition(|item| item.equals(wanted))))
    }),
];

type Outcome<'d> = Result<Value<'d>, EvalError>;

fn position<'d>(found: Option<usize>) -> Value<'d> {
    Value::Int(found.and_then(|at| i64::try_from(at).ok()).unwrap_or(-1))
}

/// Whether a value has an order at all; which type each item has is not known before.
fn demand_order(item: &Value<'_>) -> Result<(), EvalError> {
    let has_none = matches!(item, Value::Null | Value::Node(_) | Value::List(_) | Value::Map(_))
        || matches!(item, Value::Optional(_) | Value::Type(_) | Value::Opaque(_));
    if has_none { Err(EvalError::Fixed("no such overload")) } else { Ok(()) }
}

/// Items of different types are in order wherever they stand.
fn is_sorted<'d>(_: &mut Context<'_, 'd>, args: &[Value<'d>]) -> Outcome<'d> {
    let mut previous: Option<Value<'d>> = None;
    for item in list(args, 0)?.iter() {
        demand_order(&item)?;
        if previous.is_some_and(|previous| matches!(previous.compare(&item), Ok(order) if order.is_gt())) {
            return Ok(Value::Bool(false));
        }
        previous = Some(item);
    }
    Ok(Value::Bool(true))
}

fn sum<'d>(args: &[Value<'d>], zero: Value<'d>) -> Outcome<'d> {
    list(args, 0)?.iter().try_fold(zero, |total, item| total.add(&item))
}

fn max<'d>(_: &mut Context<'_, 'd>, args: &[Value<'d>]) -> Outcome<'d> {
    extreme(args, "max", std::cmp::Ordering::is_lt)
}

fn min<'d>(_: &mut Context<'_, 'd>, args: &[Value<'d>]) -> Outcome<'d> {
    extreme(args, "min", std::cmp::Ordering::is_gt)
}

/// The first item that no later one replaces; what cannot be compared replaces nothing.
fn extreme<'d>(args: &[Value<'d>], name: &str, replaces: fn(std::cmp::Ordering) -> bool) -> Outcome<'d> {
    let mut best: Option<Value<'d>> = None;
    for item in list(args, 0)?.iter() {
        demand_order(&item)?;
        if best.as_ref().is_none_or(|best| best.compare(&item).is_ok_and(replaces)) {
            best = Some(item);
        }
    }
    best.ok_or_else(|| EvalError::failed(format!("{name} called on empty list")))
}
