//! The functions of go-jmespath itself (`functions.go`), apart from `sum`, which Kyverno replaces.

#![expect(clippy::unnecessary_wraps, reason = "the functions of a table have one signature")]

use std::cmp::Ordering;

use super::{ANY, ARRAY, Answer, Arguments, Function, NUMBER, OBJECT, STRING, Type};
use crate::document::{Kind, Map, Text, Value};
use crate::gostd::strconv;
use crate::lang::jmespath::evaluate::or_null;
use crate::lang::jmespath::go_value::{go_type, items, number};
use crate::lang::jmespath::{EvaluateError, go_json};

const REFERENCE: &[Type] = &[Type::Reference];
const NUMBERS: &[Type] = &[Type::ArrayNumber];
const NUMBERS_OR_STRINGS: &[Type] = &[Type::ArrayNumber, Type::ArrayString];
const STRINGS_OR_NUMBERS: &[Type] = &[Type::ArrayString, Type::ArrayNumber];

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("abs", &[NUMBER], |a| Ok(Value::Float(a.number(0).abs()))),
    Function::new("avg", &[NUMBERS], avg),
    Function::new("ceil", &[NUMBER], |a| Ok(Value::Float(a.number(0).ceil()))),
    Function::new("contains", &[&[Type::Array, Type::String], ANY], contains),
    Function::new("ends_with", &[STRING, STRING], |a| Ok(Value::Bool(a.text(0).ends_with(a.text(1))))),
    Function::new("floor", &[NUMBER], |a| Ok(Value::Float(a.number(0).floor()))),
    Function::new("join", &[STRING, &[Type::ArrayString]], join),
    Function::new("keys", &[OBJECT], keys),
    Function::new("length", &[&[Type::String, Type::Array, Type::Object]], length),
    Function::new("map", &[REFERENCE, ARRAY], map),
    Function::new("max", &[NUMBERS_OR_STRINGS], |a| extreme(a, Ordering::Greater)),
    Function::new("max_by", &[ARRAY, REFERENCE], |a| extreme_by(a, Ordering::Greater)),
    Function::new("merge", &[], merge).variadic(),
    Function::new("min", &[NUMBERS_OR_STRINGS], |a| extreme(a, Ordering::Less)),
    Function::new("min_by", &[ARRAY, REFERENCE], |a| extreme_by(a, Ordering::Less)),
    Function::new("not_null", &[], not_null).variadic(),
    Function::new("reverse", &[&[Type::Array, Type::String]], reverse),
    Function::new("sort", &[STRINGS_OR_NUMBERS], sort),
    Function::new("sort_by", &[ARRAY, REFERENCE], sort_by),
    Function::new("starts_with", &[STRING, STRING], |a| Ok(Value::Bool(a.text(0).starts_with(a.text(1))))),
    Function::new("to_array", &[ANY], to_array),
    Function::new("to_number", &[ANY], to_number),
    Function::new("to_string", &[ANY], to_string),
    Function::new("type", &[ANY], type_name),
    Function::new("values", &[OBJECT], values),
];

fn avg<'d>(a: &Arguments<'_, 'd>) -> Answer<'d> {
    let items = a.items(0)?;
    let sum: f64 = items.iter().filter_map(number).fold(0.0, |sum, item| sum + item);
    Ok(Value::Float(sum / items.len() as f64))
}

/// Go compares the items as interfaces: containers of the same type cannot be compared.
fn contains<'d>(a: &Arguments<'_, 'd>) -> Answer<'d> {
    let (searched, wanted) = (a.value(0), a.value(1));
    if let Some(text) = searched.as_str() {
        a.env().charge_text(text.len())?;
        return Ok(Value::Bool(wanted.as_str().is_some_and(|wanted| text.contains(wanted))));
    }
    for item in a.items(0)? {
        if item.len().is_some() && item.kind() == wanted.kind() {
            let message = format!("runtime error: comparing uncomparable type {}", go_type(&item));
            return Err(EvaluateError::other(message));
        }
        if crate::lang::jmespath::equal(&item, &wanted) {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

fn join<'d>(a: &Arguments<'_, 'd>) -> Answer<'d> {
    let items = a.items(1)?;
    let length: usize = items.iter().filter_map(Value::as_str).map(|item| item.len() + a.text(0).len()).sum();
    a.env().charge_text(length)?;
    let texts: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
    Ok(Value::owned(texts.join(a.text(0))))
}

fn keys<'d>(a: &Arguments<'_, 'd>) -> Answer<'d> {
    let entries = a.value(0).entries().unwrap_or_default();
    a.env().charge(entries.len())?;
    Ok(Value::list(entries.into_iter().map(|(key, _)| Value::String(key)).collect()))
}

fn values<'d>(a: &Arguments<'_, 'd>) -> Answer<'d> {
    let entries = a.value(0).entries().unwrap_or_default();
    a.env().charge(entries.len())?;
    Ok(Value::list(entries.into_iter().map(|(_, value)| value).collect()))
}

fn length<'d>(a: &Arguments<'_, 'd>) -> Answer<'d> {
    let value = a.value(0);
    let length = value.as_str().map(|text| text.chars().count()).or_else(|| value.len());
    Ok(Value::Float(length.unwrap_or(0) as f64))
}

fn map<'d>(a: &Arguments<'_, 'd>) -> Answer<'d> {
    let mapped: Result<Vec<_>, _> = a.items(1)?.iter().map(|item| or_null(a.apply(0, item))).collect();
    mapped.map(Value::list)
}

/// `<` of Go on two numbers or two strings.
fn compare(left: &Value<'_>, right: &Value<'_>) -> Option<Ordering> {
    match (number(left), number(right)) {
        (Some(left), Some(right)) => left.partial_cmp(&right),
        _ => Some(left.as_str()?.cmp(right.as_str()?)),
    }
}

fn extreme<'d>(a: &Arguments<'_, 'd>, wanted: Ordering) -> Answer<'d> {
    let mut items = a.items(0)?.into_iter();
    let Some(mut best) = items.next() else { return Ok(Value::Null) };
    for item in items {
        if compare(&item, &best) == Some(wanted) {
            best = item;
        }
    }
    Ok(best)
}

/// The keys of all items, which must be of one type.
fn sort_keys<'d>(
    a: &Arguments<'_, 'd>,
    items: &[Value<'d>],
    mismatch: impl Fn(Kind) -> &'static str,
    is_missing_fatal: bool,
) -> Result<Vec<Value<'d>>, EvaluateError> {
    let mut keys: Vec<Value<'d>> = Vec::with_capacity(items.len());
    let mut kind = Kind::Null;
    for (position, item) in items.iter().enumerate() {
        let key = match a.apply(1, item) {
            Err(EvaluateError::Other { .. }) if is_missing_fatal && position > 0 => Value::Null,
            other => or_null(other)?,
        };
        if position == 0 {
            kind = key.kind();
            if !matches!(kind, Kind::Float | Kind::String) {
                return Err(EvaluateError::other("invalid type, must be number of string"));
            }
        } else if key.kind() != kind {
            return Err(EvaluateError::other(mismatch(kind)));
        }
        keys.push(key);
    }
    Ok(keys)
}

fn extreme_by<'d>(a: &Arguments<'_, 'd>, wanted: Ordering) -> Answer<'d> {
    let mut items = a.items(0)?;
    if items.len() < 2 {
        return Ok(items.pop().unwrap_or(Value::Null));
    }
    let mismatch = |kind| match kind {
        Kind::Float => "invalid type, must be number",
        _ => "invalid type, must be string",
    };
    let keys = sort_keys(a, &items, mismatch, false)?;
    let mut best: Option<(Value<'d>, Value<'d>)> = None;
    for (key, item) in keys.into_iter().zip(items) {
        if best.as_ref().is_none_or(|(best, _)| compare(&key, best) == Some(wanted)) {
            best = Some((key, item));
        }
    }
    Ok(best.map_or(Value::Null, |(_, item)| item))
}

fn merge<'d>(a: &Arguments<'_, 'd>) -> Answer<'d> {
    let mut merged: Map<'d> = Map::new();
    for position in 0..a.values.len() {
        let value = a.value(position);
        let Some(entries) = value.entries() else {
            let message = format!(
                "interface conversion: interface {{}} is {}, not map[string]interface {{}}",
                go_type(&value)
            );
            return Err(EvaluateError::other(message));
        };
        a.env().charge(entries.len())?;
        merged.extend(entries);
    }
    Ok(Value::map(merged))
}

fn not_null<'d>(a: &Arguments<'_, 'd>) -> Answer<'d> {
    let mut values = (0..a.values.len()).map(|position| a.value(position));
    Ok(values.find(|value| !value.is_null()).unwrap_or(Value::Null))
}

fn reverse<'d>(a: &Arguments<'_, 'd>) -> Answer<'d> {
    if let Some(text) = a.value(0).as_str() {
        return a.owned(text.chars().rev().collect());
    }
    let mut items = a.items(0)?;
    items.reverse();
    Ok(Value::list(items))
}

/// The order of Go's `sort.Float64Slice` and `sort.StringSlice`: not-a-number first.
fn sort_order(left: &Value<'_>, right: &Value<'_>) -> Ordering {
    let is_nan = |value: &Value<'_>| number(value).is_some_and(f64::is_nan);
    compare(left, right).unwrap_or_else(|| is_nan(right).cmp(&is_nan(left)))
}

fn sort<'d>(a: &Arguments<'_, 'd>) -> Answer<'d> {
    let mut items = a.items(0)?;
    items.sort_by(sort_order);
    Ok(Value::list(items))
}

fn sort_by<'d>(a: &Arguments<'_, 'd>) -> Answer<'d> {
    let items = a.items(0)?;
    if items.len() < 2 {
        return Ok(a.value(0));
    }
    let keys = sort_keys(a, &items, |_| "error in sort_by comparison", true)?;
    let mut pairs: Vec<_> = keys.into_iter().zip(items).collect();
    pairs.sort_by(|(left, _), (right, _)| compare(left, right).unwrap_or(Ordering::Equal));
    Ok(Value::list(pairs.into_iter().map(|(_, item)| item).collect()))
}

fn to_array<'d>(a: &Arguments<'_, 'd>) -> Answer<'d> {
    let value = a.value(0);
    if items(&value).is_some() { Ok(value) } else { Ok(Value::list(vec![value])) }
}

/// Integers of a document are of no type that go-jmespath knows.
fn unknown_type() -> EvaluateError {
    EvaluateError::other("unknown type")
}

fn to_number<'d>(a: &Arguments<'_, 'd>) -> Answer<'d> {
    match a.value(0) {
        Value::Float(number) => Ok(Value::Float(number)),
        Value::Int(_) => Err(unknown_type()),
        Value::String(text) => Ok(strconv::parse_float(&text).map_or(Value::Null, Value::Float)),
        _ => Ok(Value::Null),
    }
}

fn to_string<'d>(a: &Arguments<'_, 'd>) -> Answer<'d> {
    match a.value(0) {
        Value::String(text) => Ok(Value::String(text)),
        other => go_json::encode(&other, a.env()).map(Value::owned),
    }
}

fn type_name<'d>(a: &Arguments<'_, 'd>) -> Answer<'d> {
    Ok(Value::String(Text::Borrowed(match a.value(0).kind() {
        Kind::Null => "null",
        Kind::Bool => "boolean",
        Kind::Int => return Err(unknown_type()),
        Kind::Float => "number",
        Kind::String => "string",
        Kind::Array => "array",
        Kind::Object => "object",
    })))
}
