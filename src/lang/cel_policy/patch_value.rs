//! What mutations evaluate to, as JSON: operations of a patch, and apply configurations.
//!
//! Upstream: `pkg/cel/mutation` and `pkg/admission/plugin/policy/mutating/patch` of the API server. It turns values into JSON in two
//! ways: those of a JSON patch as protobuf values, those of an apply configuration as what Go holds.

use serde_json::Value as Json;

use crate::lang::cel::{MapValue, Value};
use crate::lang::patch::Operation;

/// The largest whole number that a double holds exactly.
const EXACT_MAX: i64 = 9_007_199_254_740_991;

const NOT_JSON: &str = "JSONPath valueExpression evaluated to a type that could not marshal to JSON";

/// The fields of an object literal, if the value is one.
fn object<'v, 'd>(value: &'v Value<'d>) -> Option<&'v MapValue<'d>> {
    let Value::Map(map) = value else { return None };
    map.type_name().is_some_and(|name| name == "Object" || name.starts_with("Object.")).then_some(map)
}

/// Checks that each `Object` literal has the type of the place that it stands in.
///
/// # Errors
/// The literals that do not, one a line.
pub(super) fn check_types(value: &Value<'_>) -> Result<(), String> {
    let Some(name) = object(value).and_then(MapValue::type_name) else { return Ok(()) };
    let mut faults = Vec::new();
    visit(value, name, &mut faults);
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n")) }
}

fn visit(value: &Value<'_>, expected: &str, faults: &mut Vec<String>) {
    match value {
        Value::List(items) => items.iter().for_each(|item| visit(item, expected, faults)),
        Value::Map(map) => match object(value).and_then(MapValue::type_name) {
            None => map.iter().for_each(|(_, value)| visit(value, expected, faults)),
            Some(name) => {
                if name != expected {
                    faults.push(format!(
                        "unexpected type name {name:?}, expected {expected:?}, which matches field name path from root \
                         Object type"
                    ));
                }
                for (field, value) in map.iter() {
                    let field = field.to_value();
                    visit(value, &format!("{expected}.{}", field.as_str().unwrap_or_default()), faults);
                }
            }
        },
        _ => {}
    }
}

/// A scalar, or a part of a document.
fn plain(value: &Value<'_>) -> Option<Json> {
    match value {
        Value::Double(number) if number.fract() == 0.0 && number.abs() <= EXACT_MAX as f64 => {
            #[expect(clippy::cast_possible_truncation, reason = "a whole number within the bounds")]
            let whole = *number as i64;
            Some(whole.into())
        }
        value => value.to_json(),
    }
}

/// The apply configuration that an `Object` literal stands for.
///
/// # Errors
/// What no server understands: keys that are no strings, and lists and maps in lists and maps unless `nests_literals`.
pub(super) fn configuration(value: &Value<'_>, nests_literals: bool) -> Result<Json, String> {
    let fields = object(value).ok_or_else(|| {
        format!("unsupported return type from ApplyConfiguration expression: {}", value.type_name())
    })?;
    let convert = Configuration { nests_literals };
    convert.object(fields, "")
}

struct Configuration {
    nests_literals: bool,
}

impl Configuration {
    fn object(&self, fields: &MapValue<'_>, path: &str) -> Result<Json, String> {
        let mut converted = serde_json::Map::new();
        for (name, value) in fields.iter() {
            let name = name.to_value().as_str().unwrap_or_default().to_owned();
            let value = self.field(value, &format!("{path}.{name}"))?;
            converted.insert(name, value);
        }
        Ok(Json::Object(converted))
    }

    /// A field's value: lists and maps as far as their items and values.
    fn field(&self, value: &Value<'_>, path: &str) -> Result<Json, String> {
        match value {
            Value::List(items) => {
                let items =
                    items.iter().enumerate().map(|(at, item)| self.item(item, &format!("{path}[{at}]")));
                Ok(Json::Array(items.collect::<Result<_, _>>()?))
            }
            Value::Map(map) => {
                if let Some(fields) = object(value) {
                    return self.object(fields, path);
                }
                let mut converted = serde_json::Map::new();
                for (key, value) in map.iter() {
                    let key = key.to_value();
                    let key = key.as_str().ok_or("invalid return type: *dynamic.ObjectVal")?;
                    converted.insert(key.to_owned(), self.item(value, &format!("{path}.{key}"))?);
                }
                Ok(Json::Object(converted))
            }
            value => plain(value).ok_or_else(|| "invalid return type: *dynamic.ObjectVal".to_owned()),
        }
    }

    /// An item of a list or the value of a map: here the API server turns only `Object` literals into maps.
    fn item(&self, value: &Value<'_>, path: &str) -> Result<Json, String> {
        let is_literal =
            matches!(value, Value::List(_)) || matches!(value, Value::Map(map) if map.type_name().is_none());
        if is_literal && !self.nests_literals {
            let kind = if matches!(value, Value::List(_)) { "list" } else { "map" };
            return Err(format!(
                "error applying patch: failed to convert patch object to typed object: {path}: expected {kind}, got a \
                 literal of CEL within another; only Object types may be nested"
            ));
        }
        self.field(value, path)
    }
}

/// The operations of a JSON patch.
///
/// # Errors
/// A value that is no JSON, an `Object` literal of another type than its place, and unless `nests_literals` one in a list or map, of which
/// the API server dies.
pub(super) fn operations(value: &Value<'_>, nests_literals: bool) -> Result<Vec<Operation>, String> {
    let list = value.as_list().ok_or("type mismatch: JSONPatchType.expression should evaluate to array")?;
    list.iter().map(|item| operation(&item, nests_literals)).collect()
}

fn operation(value: &Value<'_>, nests_literals: bool) -> Result<Operation, String> {
    let Value::Map(fields) = value else {
        return Err(format!(
            "type mismatch: JSONPatchType.expression should evaluate to array of JSONPatch, got element of {}",
            value.type_name()
        ));
    };
    let mut operation = Operation::default();
    for (name, value) in fields.iter() {
        let name = name.to_value();
        let text = || {
            let name = name.as_str().unwrap_or_default();
            value.as_str().map(str::to_owned).ok_or_else(|| {
                format!("unexpected type {} for JSONPatchType '{name}' field", value.type_name())
            })
        };
        match name.as_str() {
            Some("op") => operation.op = text()?,
            Some("path") => operation.path = text()?,
            Some("from") => operation.from = text()?,
            _ => {
                check_types(value).map_err(|error| format!("type mismatch: {error}"))?;
                operation.value = Some(match object(value) {
                    Some(fields) => Configuration { nests_literals }.object(fields, "")?,
                    None => json(value, nests_literals)?,
                });
            }
        }
    }
    Ok(operation)
}

/// A value as protobuf's JSON has it: whole numbers that a double does not hold are strings.
fn json(value: &Value<'_>, nests_literals: bool) -> Result<Json, String> {
    let json = |value: &Value<'_>| match object(value) {
        Some(_) if !nests_literals => Err(format!("{NOT_JSON}: an Object literal in a list or map")),
        Some(fields) => Configuration { nests_literals }.object(fields, ""),
        None => json(value, nests_literals),
    };
    let exact = |number: i64| (-EXACT_MAX..=EXACT_MAX).contains(&number);
    Ok(match value {
        Value::Int(number) if !exact(*number) => Json::String(number.to_string()),
        Value::Uint(number) if !i64::try_from(*number).is_ok_and(exact) => Json::String(number.to_string()),
        Value::List(items) => Json::Array(items.iter().map(json).collect::<Result<_, _>>()?),
        Value::Map(map) => {
            let mut converted = serde_json::Map::new();
            for (key, value) in map.iter() {
                let key = key.to_value();
                let key = key.as_str().ok_or_else(|| {
                    format!("{NOT_JSON}: unsupported type conversion from '{}' to string", key.type_name())
                })?;
                converted.insert(key.to_owned(), json(value)?);
            }
            Json::Object(converted)
        }
        Value::Optional(None) => return Err(format!("{NOT_JSON}: optional.none() dereference")),
        Value::Optional(Some(value)) => json(value)?,
        value => plain(value).ok_or(NOT_JSON)?,
    })
}
