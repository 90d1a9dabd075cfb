//! The operators of conditions, as Kyverno's `pkg/engine/variables/operator` evaluates them.

use std::cmp::Ordering;

use crate::document::{Kind, Value};
use crate::gostd::duration::Duration;
use crate::gostd::quantity::Quantity;
use crate::gostd::{strconv, wildcard};
use crate::lang::jmespath;

use super::super::pattern::{Leaf, has_range};

/// An operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equals,
    NotEquals,
    In,
    NotIn,
    AnyIn,
    AllIn,
    AnyNotIn,
    AllNotIn,
    Compare(Comparison),
    CompareDuration(Comparison),
}

/// An order that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

impl Comparison {
    fn allows(self, order: Option<Ordering>) -> bool {
        match self {
            Self::Greater => order == Some(Ordering::Greater),
            Self::GreaterOrEqual => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
            Self::Less => order == Some(Ordering::Less),
            Self::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        }
    }
}

impl Operator {
    /// The operator of that word, in any case.
    pub(super) fn of(word: &str) -> Option<Self> {
        let word = word.to_lowercase();
        let comparison = |word: &str| match word {
            "greaterthan" => Some(Comparison::Greater),
            "greaterthanorequals" => Some(Comparison::GreaterOrEqual),
            "lessthan" => Some(Comparison::Less),
            "lessthanorequals" => Some(Comparison::LessOrEqual),
            _ => None,
        };
        Some(match word.as_str() {
            "equal" | "equals" => Self::Equals,
            "notequal" | "notequals" => Self::NotEquals,
            "in" => Self::In,
            "notin" => Self::NotIn,
            "anyin" => Self::AnyIn,
            "allin" => Self::AllIn,
            "anynotin" => Self::AnyNotIn,
            "allnotin" => Self::AllNotIn,
            other => match other.strip_prefix("duration") {
                Some(rest) => Self::CompareDuration(comparison(rest)?),
                None => Self::Compare(comparison(other)?),
            },
        })
    }

    /// Whether the operator holds between a key and a value.
    pub(super) fn holds(self, key: &Value<'_>, value: &Value<'_>) -> bool {
        match self {
            Self::Equals => equals(key, value) == Some(true),
            Self::NotEquals => !key.is_null() && equals(key, value) != Some(true),
            Self::In => is_in_old(key, value, false),
            Self::NotIn => is_in_old(key, value, true),
            Self::AnyIn => membership(key, value, |key, set| key.iter().any(|key| set.has(key))),
            Self::AnyNotIn => membership(key, value, |key, set| key.iter().any(|key| !set.has(key))),
            Self::AllIn => membership(key, value, |key, set| key.iter().all(|key| set.has(key))),
            Self::AllNotIn => membership(key, value, |key, set| !key.iter().any(|key| set.has(key))),
            Self::Compare(comparison) => compares(comparison, key, value),
            Self::CompareDuration(comparison) => compares_durations(comparison, key, value),
        }
    }
}

/// Whether they are equal; `None` if they cannot be compared.
fn equals(key: &Value<'_>, value: &Value<'_>) -> Option<bool> {
    match key.kind() {
        Kind::Null => None,
        Kind::Bool => Some(key.as_bool()? == value.as_bool()?),
        Kind::Int => number_equals(key, value, |text| strconv::parse_int(text).ok().map(|n| n as f64)),
        Kind::Float => number_equals(key, value, |text| strconv::parse_float(text).ok()),
        Kind::String => text_equals(key.as_str()?, value),
        Kind::Array | Kind::Object => (key.kind() == value.kind()).then(|| key.equals(value)),
    }
}

#[expect(clippy::float_cmp, reason = "Kyverno compares floats exactly")]
fn number_equals(key: &Value<'_>, value: &Value<'_>, parse: impl Fn(&str) -> Option<f64>) -> Option<bool> {
    match value {
        Value::Int(_) | Value::Float(_) => Some(key.equals(value)),
        Value::String(text) => Some(parse(text)? == key.as_f64()?),
        _ => None,
    }
}

fn text_equals(key: &str, value: &Value<'_>) -> Option<bool> {
    if let Some((key, value)) = durations(&Value::borrowed(key), value) {
        return Some(key == value);
    }
    if let Ok(key) = Quantity::parse(key)
        && let Some(value) = quantity(value)
    {
        return Some(key == value);
    }
    let value = value.as_str()?;
    if Quantity::parse(key).is_ok() && !value.is_empty() {
        return Some(false);
    }
    Some(wildcard::matches(value, key))
}

/// The quantity of a text or number.
fn quantity(value: &Value<'_>) -> Option<Quantity> {
    match value {
        Value::String(text) => Quantity::parse(text).ok(),
        Value::Int(number) => Quantity::parse(&number.to_string()).ok(),
        Value::Float(number) => Quantity::parse(&strconv::format_float(*number)).ok(),
        _ => None,
    }
}

/// Both as durations, if at least one is a duration in words and the other a duration or a number of seconds.
fn durations(key: &Value<'_>, value: &Value<'_>) -> Option<(Duration, Duration)> {
    let in_words = |value: &Value<'_>| {
        value.as_str().filter(|text| *text != "0").and_then(|text| Duration::parse(text).ok())
    };
    let in_seconds = |value: &Value<'_>| match value {
        Value::Int(seconds) => Some(seconds_of(*seconds)),
        Value::Float(seconds) => Some(seconds_of(strconv::f64_to_i64(*seconds))),
        _ => None,
    };
    match (in_words(key), in_words(value)) {
        (None, None) => None,
        (Some(key), Some(value)) => Some((key, value)),
        (Some(key), None) => Some((key, in_seconds(value)?)),
        (None, Some(value)) => Some((in_seconds(key)?, value)),
    }
}

fn seconds_of(seconds: i64) -> Duration {
    Duration::from_nanos(seconds.wrapping_mul(1_000_000_000))
}

fn compares(comparison: Comparison, key: &Value<'_>, value: &Value<'_>) -> bool {
    let number = match key {
        Value::Int(_) | Value::Float(_) => key.as_f64(),
        Value::String(text) => {
            if let Some((key, value)) = durations(key, value) {
                return comparison.allows(Some(key.cmp(&value)));
            }
            if let (Ok(key), Some(value)) = (Quantity::parse(text), value.as_str())
                && let Ok(value) = Quantity::parse(value)
            {
                return comparison.allows(Some(key.cmp(&value)));
            }
            match strconv::parse_float(text) {
                Ok(number) => Some(number),
                Err(_) => return compares_versions(comparison, text, value),
            }
        }
        _ => None,
    };
    let Some(number) = number else { return false };
    let value = match value {
        Value::Int(_) | Value::Float(_) => value.as_f64(),
        Value::String(text) => {
            if let Some((key, value)) = durations(&Value::Float(number), value) {
                return comparison.allows(Some(key.cmp(&value)));
            }
            strconv::parse_float(text).ok()
        }
        _ => None,
    };
    value.is_some_and(|value| comparison.allows(number.partial_cmp(&value)))
}

fn compares_versions(comparison: Comparison, key: &str, value: &Value<'_>) -> bool {
    let (Ok(key), Some(Ok(value))) =
        (semver::Version::parse(key), value.as_str().map(semver::Version::parse))
    else {
        return false;
    };
    comparison.allows(Some(key.cmp_precedence(&value)))
}

fn compares_durations(comparison: Comparison, key: &Value<'_>, value: &Value<'_>) -> bool {
    let duration = |value: &Value<'_>| match value {
        Value::Int(seconds) => Some(seconds_of(*seconds)),
        Value::Float(seconds) => Some(seconds_of(strconv::f64_to_i64(*seconds))),
        Value::String(text) => Duration::parse(text).ok(),
        _ => None,
    };
    match (duration(key), duration(value)) {
        (Some(key), Some(value)) => comparison.allows(Some(key.cmp(&value))),
        _ => false,
    }
}

/// What the value of a membership operator stands for.
enum Set {
    Texts(Vec<String>),
    /// A range `a-b`.
    Range(Leaf),
}

impl Set {
    /// The set of a value; `None` if the value is of no use.
    fn of(value: &Value<'_>) -> Option<Self> {
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
    fn has(&self, key: &str) -> bool {
        match self {
            Self::Texts(texts) => {
                texts.iter().any(|text| wildcard::matches(text, key) || wildcard::matches(key, text))
            }
            Self::Range(range) => range.is_text_match(key),
        }
    }
}

fn membership(key: &Value<'_>, value: &Value<'_>, holds: impl Fn(&[String], &Set) -> bool) -> bool {
    let keys = match key.kind() {
        Kind::Null | Kind::Object => return false,
        Kind::Array => key.items().unwrap_or_default().iter().map(jmespath::sprint).collect(),
        _ => vec![jmespath::sprint(key)],
    };
    // A scalar key that matches a text as a whole is in it, whatever else the text may mean.
    let set = match (key.kind(), value.as_str()) {
        (Kind::Array, Some(text)) if keys.len() == 1 && keys.first().is_some_and(|key| key == text) => {
            Some(Set::Texts(vec![text.to_owned()]))
        }
        (Kind::Array, _) => Set::of(value),
        (_, Some(text)) if keys.first().is_some_and(|key| wildcard::matches(text, key)) => {
            Some(Set::Texts(vec![text.to_owned()]))
        }
        _ => Set::of(value),
    };
    set.is_some_and(|set| holds(&keys, &set))
}

/// The deprecated `In` and `NotIn`: sets are compared without wildcards.
fn is_in_old(key: &Value<'_>, value: &Value<'_>, negated: bool) -> bool {
    let texts = |value: &Value<'_>| -> Option<Vec<String>> {
        if let Some(items) = value.items() {
            return items.iter().map(|item| item.as_str().map(str::to_owned)).collect();
        }
        serde_json::from_str(value.as_str()?).ok()
    };
    if let Some(items) = key.items() {
        let keys: Vec<String> = items.iter().map(jmespath::sprint).collect();
        if let (Some(text), [only]) = (value.as_str(), keys.as_slice())
            && only == text
        {
            return true;
        }
        let Some(texts) = texts(value) else { return false };
        let all_are_in = keys.iter().all(|key| texts.contains(key));
        return all_are_in != negated;
    }
    if matches!(key.kind(), Kind::Null | Kind::Bool | Kind::Object) {
        return false;
    }
    let key = jmespath::sprint(key);
    let is_in = if let Some(items) = value.items() {
        items.iter().any(|item| wildcard::matches(&key, &jmespath::sprint(item)))
    } else {
        let Some(text) = value.as_str() else { return false };
        if wildcard::matches(text, &key) {
            true
        } else {
            let Some(texts) = texts(value) else { return false };
            texts.contains(&key)
        }
    };
    is_in != negated
}
