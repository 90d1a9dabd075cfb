//! Values as text in messages: Go's number formats, and what cel-go prints for a value in an error.

use std::fmt::Write as _;

use super::Value;

/// A number as Go's `%g`: shortest digits, an exponent below 1e-4 and from 1e6.
pub(crate) fn double_to_g(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        return format!("{value}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

/// A number as Go's `FormatFloat(v, 'f', -1, 64)`: shortest digits, never an exponent.
pub(crate) fn double_to_go_f(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned()
    } else {
        format!("{value}")
    }
}

/// What Go's `%v` of a cel-go value prints, as errors show keys and indices.
pub(crate) fn go_display(value: &Value<'_>) -> String {
    match value {
        Value::Double(value) => double_to_g(*value),
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

/// A string in double quotes with Go's escapes (`strconv.Quote`).
pub(crate) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{07}' => out.push_str("\\a"),
            '\u{08}' => out.push_str("\\b"),
            '\u{0c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{0b}' => out.push_str("\\v"),
            c if (c as u32) < 0x20 || c as u32 == 0x7f => {
                let _ = write!(out, "\\x{:02x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
