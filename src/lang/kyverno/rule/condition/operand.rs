//! The sides of a condition: values, with what they mean as durations, quantities, numbers, versions and sets.
//!
//! What a policy says itself is read once, when it is compiled; what comes out of variables is read when it is compared.

use crate::document::{Node, Value};
use crate::gostd::duration::Duration;
use crate::gostd::quantity::Quantity;
use crate::gostd::{strconv, wildcard};
use crate::lang::jmespath;

use super::super::pattern::{Leaf, has_range};

/// One side of a condition.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operand<'a, 'd> {
    pub(super) value: &'a Value<'d>,
    pub(super) known: Option<&'a Known>,
}

/// What a value of the policy means.
#[derive(Debug)]
pub(super) struct Known {
    duration: Option<Duration>,
    quantity: Option<Quantity>,
    number: Option<f64>,
    version: Option<semver::Version>,
    pub(super) set: Option<Set>,
}

impl Known {
    /// Reads a value of the policy.
    pub(super) fn of(literal: Node<'_>) -> Self {
        let value = Value::from(literal);
        Self {
            duration: duration_of(&value),
            quantity: quantity_of(&value),
            number: number_of(&value),
            version: version_of(&value),
            set: Set::of(&value),
        }
    }
}

impl<'a, 'd> Operand<'a, 'd> {
    /// A value, with what is known of it beforehand.
    pub(super) fn new(value: &'a Value<'d>, known: Option<&'a Known>) -> Self {
        Self { value, known }
    }

    /// The duration that a text says in words; `0` is none.
    pub(super) fn duration(self) -> Option<Duration> {
        self.known.map_or_else(|| duration_of(self.value), |known| known.duration)
    }

    /// The quantity of a text or number.
    pub(super) fn quantity(self) -> Option<Quantity> {
        self.known.map_or_else(|| quantity_of(self.value), |known| known.quantity.clone())
    }

    /// The number that a text says.
    pub(super) fn number(self) -> Option<f64> {
        self.known.map_or_else(|| number_of(self.value), |known| known.number)
    }

    /// The version that a text says.
    pub(super) fn version(self) -> Option<semver::Version> {
        self.known.map_or_else(|| version_of(self.value), |known| known.version.clone())
    }
}

fn duration_of(value: &Value<'_>) -> Option<Duration> {
    value.as_str().filter(|text| *text != "0").and_then(|text| Duration::parse(text).ok())
}

fn quantity_of(value: &Value<'_>) -> Option<Quantity> {
    match value {
        Value::Int(number) => Quantity::parse(&number.to_string()).ok(),
        Value::Float(number) => Quantity::parse(&strconv::format_float(*number)).ok(),
        other => Quantity::parse(other.as_str()?).ok(),
    }
}

fn number_of(value: &Value<'_>) -> Option<f64> {
    strconv::parse_float(value.as_str()?).ok()
}

fn version_of(value: &Value<'_>) -> Option<semver::Version> {
    semver::Version::parse(value.as_str()?).ok()
}

/// What the value of a membership operator stands for.
#[derive(Debug)]
pub(super) enum Set {
    Texts(Vec<String>),
    /// A range `a-b`.
    Range(Leaf),
}

impl Set {
    /// The set of a value; `None` if the value is of no use.
    pub(super) fn of(value: &Value<'_>) -> Option<Self> {
        if let Some(items) = value.items() {
            return Some(Self::Texts(items.iter().map(jmespath::sprint).collect()));
        }
        let text = value.as_str()?;
        if has_range(text) {
            return Some(Self::Range(Leaf::of_text(text)));
        }
        match serde_json::from_str::<serde_json::Value>(text) {
            Ok(serde_json::Value::Array(items)) => items
                .into_iter()
                .map(|item| match item {
                    serde_json::Value::String(text) => Some(text),
                    serde_json::Value::Null => Some(String::new()),
                    _ => None,
                })
                .collect::<Option<_>>()
                .map(Self::Texts),
            Ok(serde_json::Value::Null) => Some(Self::Texts(Vec::new())),
            Ok(_) => None,
            Err(_) => Some(Self::Texts(vec![text.to_owned()])),
        }
    }

    /// Whether a key is in the set; wildcards count on either side.
    pub(super) fn has(&self, key: &str) -> bool {
        match self {
            Self::Texts(texts) => {
                texts.iter().any(|text| wildcard::matches(text, key) || wildcard::matches(key, text))
            }
            Self::Range(range) => range.is_text_match(key),
        }
    }
}
