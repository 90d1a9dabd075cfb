//! How failures of assertions read: those of apimachinery's `pkg/util/validation/field/errors.go`.

use crate::document::{Kind, Value};
use crate::gostd::strconv;

/// A path as it is shown.
pub(super) fn place(path: &str) -> &str {
    if path.is_empty() { "<nil>" } else { path }
}

/// The failure of a value at a path.
pub(super) fn invalid(path: &str, value: &Value<'_>, detail: &str) -> String {
    let shown = match value.kind() {
        Kind::Null => strconv::quote("null"),
        Kind::String => strconv::quote(value.as_str().unwrap_or_default()),
        _ => go_syntax(value),
    };
    format!("{}: Invalid value: {shown}: {detail}", place(path))
}

/// What was expected.
pub(super) fn expected(value: &Value<'_>) -> String {
    let shown = match value.kind() {
        Kind::Null => strconv::NIL.to_owned(),
        Kind::String => strconv::quote(value.as_str().unwrap_or_default()),
        _ => go_syntax(value),
    };
    format!("Expected value: {shown}")
}

/// A value as Go's `%#v` prints it.
fn go_syntax(value: &Value<'_>) -> String {
    match value.kind() {
        Kind::Null => "interface {}(nil)".to_owned(),
        Kind::Bool => value.as_bool().unwrap_or_default().to_string(),
        Kind::Int | Kind::Float => number(value.as_f64().unwrap_or_default()),
        Kind::String => strconv::quote(value.as_str().unwrap_or_default()),
        Kind::Array => {
            let items: Vec<String> = value.items().unwrap_or_default().iter().map(go_syntax).collect();
            format!("[]interface {{}}{{{}}}", items.join(", "))
        }
        Kind::Object => {
            let mut entries: Vec<String> = value
                .entries()
                .unwrap_or_default()
                .iter()
                .map(|(key, value)| format!("{}:{}", strconv::quote(key.as_str()), go_syntax(value)))
                .collect();
            entries.sort();
            format!("map[string]interface {{}}{{{}}}", entries.join(", "))
        }
    }
}

/// A number: the reference has the object's integers as such.
fn number(value: f64) -> String {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() < EXACT {
        strconv::f64_to_i64(value).to_string()
    } else {
        strconv::sprint_float(value)
    }
}

/// The name of Go's `reflect.Kind`.
pub(super) fn go_kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Null => "invalid",
        Kind::Bool => "bool",
        Kind::Int => "int64",
        Kind::Float => "float64",
        Kind::String => "string",
        Kind::Array => "slice",
        Kind::Object => "map",
    }
}
