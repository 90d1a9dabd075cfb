//! Values as text in messages: Go's number formats, and what cel-go prints for a value in an error.

use super::Value;
use crate::gostd::strconv::sprint_float;

/// What Go's `%v` of a cel-go value prints, as errors show keys and indices.
pub(crate) fn go_display(value: &Value<'_>) -> String {
    match value {
        Value::Double(value) => sprint_float(*value),
        Value::String(text) => text.to_string(),
        Value::Null => "0".to_owned(),
        Value::Bytes(bytes) => format!("{:?}", &**bytes).replace(',', ""),
        Value::Opaque(value) => value.to_text(),
        Value::Optional(None) => "optional.none()".to_owned(),
        Value::Optional(Some(value)) => format!("optional({})", go_display(value)),
        _ => literal(value),
    }
}

/// A value as a CEL literal.
fn literal(value: &Value<'_>) -> String {
    if let Some(list) = value.as_list() {
        let items: Vec<String> = list.iter().map(|item| go_display(&item)).collect();
        return format!("[{}]", items.join(", "));
    }
    if let Some(map) = value.as_map() {
        let entries: Vec<String> =
            map.iter().map(|(key, value)| format!("{}: {}", go_display(&key), go_display(&value))).collect();
        return format!("{{{}}}", entries.join(", "));
    }
    match value {
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Uint(value) => value.to_string(),
        Value::Type(name) => name.to_string(),
        _ => crate::lang::cel::library::convert::to_text(value).unwrap_or_default(),
    }
}
