//! Kyverno's functions over lists and maps.

use super::{ARRAY, Answer, Arguments, Function, STRING, STRING_OR_NUMBER, Type};
use crate::document::{Kind, Map, Text, Value};
use crate::gostd::strconv;
use crate::lang::jmespath::EvaluateError;

const OBJECT_OR_ARRAY: &[Type] = &[Type::Object, Type::Array];

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("items", &[OBJECT_OR_ARRAY, STRING, STRING], items),
    Function::new("lookup", &[OBJECT_OR_ARRAY, STRING_OR_NUMBER], lookup),
    Function::new("object_from_lists", &[ARRAY, ARRAY], object_from_lists),
];

fn items<'d>(a: &Arguments<'_, 'd>) -> Answer<'d> {
    let value = a.value(0);
    let text = |position| match a.value(position) {
        Value::String(text) => text,
        _ => Text::Borrowed(""),
    };
    let (key_name, value_name) = (text(1), text(2));
    let pair = |key: Value<'d>, value: Value<'d>| {
        Value::map(Map::from([(key_name.clone(), key), (value_name.clone(), value)]))
    };
    let pairs: Vec<Value<'d>> = if let Some(entries) = value.entries() {
        entries.into_iter().map(|(key, value)| pair(Value::String(key), value)).collect()
    } else {
        let items = a.items(0)?.into_iter().enumerate();
        items.map(|(position, item)| pair(Value::Float(position as f64), item)).collect()
    };
    a.env().charge(pairs.len())?;
    Ok(Value::list(pairs))
}

/// Kyverno's `intNumber`.
fn index(number: f64) -> Result<i64, String> {
    let text = || strconv::sprint_float(number);
    if !number.is_finite() || number.fract() != 0.0 {
        return Err(format!("expected an integer number but got: {}", text()));
    }
    if number.abs() > 9.2e18 {
        return Err(format!("number is outside the range of integer numbers: {}", text()));
    }
    Ok(strconv::f64_to_i64(number))
}

fn lookup<'d>(a: &Arguments<'_, 'd>) -> Answer<'d> {
    let (container, key) = (a.value(0), a.value(1));
    match (container.kind(), &key) {
        (Kind::Object, Value::String(key)) => Ok(container.get(key).unwrap_or(Value::Null)),
        (Kind::Object, _) => Err(a.error("argument #2 is not of type String")),
        (_, Value::Float(number)) => {
            let index = index(*number).map_err(|message| {
                EvaluateError::other(format!("JMESPath function 'lookup': argument #2: {message}"))
            })?;
            let mut items = a.items(0)?.into_iter();
            Ok(usize::try_from(index).ok().and_then(|index| items.nth(index)).unwrap_or(Value::Null))
        }
        _ => Err(a.error("argument #2 is not of type Number")),
    }
}

fn object_from_lists<'d>(a: &Arguments<'_, 'd>) -> Answer<'d> {
    let mut values = a.items(1)?.into_iter();
    let mut object = Map::new();
    for key in a.items(0)? {
        let key = match key {
            Value::String(text) => text,
            other => super::text::plain_text(&other)
                .ok_or_else(|| a.error("argument #1 is not of type StringArray"))?
                .into(),
        };
        object.insert(key, values.next().unwrap_or(Value::Null));
    }
    Ok(Value::map(object))
}
