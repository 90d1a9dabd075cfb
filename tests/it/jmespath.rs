//! `JMESPath` from the outside: the upstream compliance suite, the Markdown specs, and the real library's answers.

use std::path::PathBuf;

use patrol::document::{Document, Value};
use patrol::lang::jmespath::{Env, EvaluateError, Program};
use serde_json::Value as Json;

/// 2024-02-29T12:30:45.123456789Z
const NOW_UNIX_NANOS: i64 = 1_709_209_845_123_456_789;

/// A result as comparable JSON: go-jmespath has only floats, so `3` and `3.0` are the same.
fn to_json(value: &Value<'_>) -> Json {
    fn normalise(json: Json) -> Json {
        match json {
            Json::Number(number) => number.as_f64().map_or(Json::Null, Json::from),
            Json::Array(items) => items.into_iter().map(normalise).collect(),
            Json::Object(entries) => entries.into_iter().map(|(k, v)| (k, normalise(v))).collect(),
            other => other,
        }
    }
    normalise(serde_json::from_str(&value.to_json()).expect("a value prints as JSON"))
}

fn parse(text: &str) -> Document {
    Document::from_json(text.as_bytes()).expect("test data is JSON")
}

/// The result or the error's text.
fn search(expression: &str, given: &Document) -> Result<Json, String> {
    let program = Program::compile(expression).map_err(|error| error.to_string())?;
    let env = Env::new(NOW_UNIX_NANOS, 1);
    program
        .evaluate_on(&given.root().into(), &env)
        .map(|value| to_json(&value))
        .map_err(|error| error.to_string())
}

mod compliance;
mod fuzz;
mod reference;
mod spec;
