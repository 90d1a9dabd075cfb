//! JSON as Go's `encoding/json` reads it into `any` and writes it: floats only, keys sorted, HTML escaped.

use serde::de::DeserializeSeed as _;

use super::{Env, EvaluateError};
use crate::document::{Document, Value};
use crate::gostd::strconv;

mod error;

/// Reads JSON text as Go reads it into an `any`: every number is a float. The error is Go's text.
pub fn decode(text: &str) -> Result<Document, String> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let document = Document::from_deserializer(&mut deserializer, text.len())
        .and_then(|document| deserializer.end().map(|()| document));
    match document {
        Ok(document) => Ok(document.with_float_numbers()),
        Err(error) => Err(error::go_text(text).unwrap_or_else(|| error.to_string())),
    }
}

/// Reads one JSON string.
pub(super) fn decode_string(text: &str) -> Result<String, String> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let string = std::marker::PhantomData::<String>.deserialize(&mut deserializer);
    string.map_err(|error| error::go_text(text).unwrap_or_else(|| error.to_string()))
}

/// The value as Go's `json.Marshal` writes it; numbers that JSON cannot hold are an error.
pub fn encode(value: &Value<'_>, env: &Env<'_>) -> Result<String, EvaluateError> {
    let mut writer = Writer { out: String::new(), charged: 0, env };
    writer.value(value)?;
    writer.charge()?;
    Ok(writer.out)
}

struct Writer<'a, 'e> {
    out: String,
    /// How much of the text has been paid for.
    charged: usize,
    env: &'a Env<'e>,
}

impl Writer<'_, '_> {
    fn charge(&mut self) -> Result<(), EvaluateError> {
        self.env.charge_text(self.out.len() - self.charged)?;
        self.charged = self.out.len();
        Ok(())
    }

    fn value(&mut self, value: &Value<'_>) -> Result<(), EvaluateError> {
        if self.out.len() - self.charged > 4096 {
            self.charge()?;
        }
        match value {
            Value::Null => self.out.push_str("null"),
            Value::Bool(value) => self.out.push_str(if *value { "true" } else { "false" }),
            Value::Int(value) => self.out.push_str(&value.to_string()),
            Value::Float(value) => {
                let text = strconv::json_float(*value).ok_or_else(|| {
                    let value = strconv::sprint_float(*value);
                    EvaluateError::other(format!("json: unsupported value: {value}"))
                })?;
                self.out.push_str(&text);
            }
            Value::String(text) => strconv::write_json_string(&mut self.out, text),
            container => self.container(container)?,
        }
        Ok(())
    }

    fn container(&mut self, container: &Value<'_>) -> Result<(), EvaluateError> {
        if let Some(items) = super::go_value::items(container) {
            self.out.push('[');
            for (position, item) in items.enumerate() {
                self.out.push_str(if position == 0 { "" } else { "," });
                self.value(&item)?;
            }
            self.out.push(']');
        } else {
            self.out.push('{');
            for (position, (key, value)) in container.entries().unwrap_or_default().iter().enumerate() {
                self.out.push_str(if position == 0 { "" } else { "," });
                strconv::write_json_string(&mut self.out, key);
                self.out.push(':');
                self.value(value)?;
            }
            self.out.push('}');
        }
        Ok(())
    }
}
