//! The operators of conditions, as Kyverno's `pkg/engine/variables/operator` evaluates them.

use std::cmp::Ordering;

use crate::document::{Kind, Value};
use crate::gostd::duration::Duration;
use crate::gostd::{strconv, wildcard};
use crate::lang::jmespath;

use super::operand::{Operand, Set};

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
    pub(super) fn holds(self, key: Operand<'_, '_>, value: Operand<'_, '_>) -> bool {
        match self {
            Self::Equals => equals(key, value) == Some(true),
            Self::NotEquals => !key.value.is_null() && equals(key, value) != Some(true),
            Self::In => is_in_old(key.value, value.value, false),
            Self::NotIn => is_in_old(key.value, value.value, true),
            Self::AnyIn => membership(key.value, value, |key, set| key.iter().any(|key| set.has(key))),
            Self::AnyNotIn => membership(key.value, value, |key, set| key.iter().any(|key| !set.has(key))),
            Self::AllIn => membership(key.value, value, |key, set| key.iter().all(|key| set.has(key))),
            Self::AllNotIn => membership(key.value, value, |key, set| !key.iter().any(|key| set.has(key))),
            Self::Compare(comparison) => compares(comparison, key, value),
            Self::CompareDuration(comparison) => compares_durations(comparison, key.value, value.value),
        }
    }
}

/// Whether they are equal; `None` if they cannot be compared.
fn equals(key: Operand<'_, '_>, value: Operand<'_, '_>) -> Option<bool> {
    let (left, right) = (key.value, value.value);
    match left.kind() {
        Kind::Null => None,
        Kind::Bool => Some(left.as_bool()? == right.as_bool()?),
        Kind::Int => number_equals(left, right, |text| strconv::parse_int(text).ok().map(|n| n as f64)),
        Kind::Float => number_equals(left, right, |text| strconv::parse_float(text).ok()),
        Kind::String => text_equals(left.as_str()?, key, value),
        Kind::Array | Kind::Object => (left.kind() == right.kind()).then(|| left.equals(right)),
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

fn text_equals(text: &str, key: Operand<'_, '_>, value: Operand<'_, '_>) -> Option<bool> {
    if let Some((key, value)) = durations(key, value) {
        return Some(key == value);
    }
    let quantity = key.quantity();
    if let Some(key) = &quantity
        && let Some(value) = value.quantity()
    {
        return Some(*key == value);
    }
    let value = value.value.as_str()?;
    if quantity.is_some() && !value.is_empty() {
        return Some(false);
    }
    Some(wildcard::matches(value, text))
}

/// Both as durations, if at least one is a duration in words and the other a duration or a number of seconds.
fn durations(key: Operand<'_, '_>, value: Operand<'_, '_>) -> Option<(Duration, Duration)> {
    match (key.duration(), value.duration()) {
        (None, None) => None,
        (Some(key), Some(value)) => Some((key, value)),
        (Some(key), None) => Some((key, in_seconds(value.value)?)),
        (None, Some(value)) => Some((in_seconds(key.value)?, value)),
    }
}

fn in_seconds(value: &Value<'_>) -> Option<Duration> {
    match value {
        Value::Int(seconds) => Some(seconds_of(*seconds)),
        Value::Float(seconds) => Some(seconds_of(strconv::f64_to_i64(*seconds))),
        _ => None,
    }
}

fn seconds_of(seconds: i64) -> Duration {
    Duration::from_nanos(seconds.wrapping_mul(1_000_000_000))
}

fn compares(comparison: Comparison, key: Operand<'_, '_>, value: Operand<'_, '_>) -> bool {
    let number = match key.value {
        Value::Int(_) | Value::Float(_) => key.value.as_f64(),
        Value::String(_) => {
            if let Some((key, value)) = durations(key, value) {
                return comparison.allows(Some(key.cmp(&value)));
            }
            if let (Some(key), Value::String(_)) = (key.quantity(), value.value)
                && let Some(value) = value.quantity()
            {
                return comparison.allows(Some(key.cmp(&value)));
            }
            match key.number() {
                Some(number) => Some(number),
                None => return compares_versions(comparison, key, value),
            }
        }
        _ => None,
    };
    let Some(number) = number else { return false };
    let value = match value.value {
        Value::Int(_) | Value::Float(_) => value.value.as_f64(),
        Value::String(_) => {
            let key = Value::Float(number);
            if let Some((key, value)) = durations(Operand::new(&key, None), value) {
                return comparison.allows(Some(key.cmp(&value)));
            }
            value.number()
        }
        _ => None,
    };
    value.is_some_and(|value| comparison.allows(number.partial_cmp(&value)))
}

fn compares_versions(comparison: Comparison, key: Operand<'_, '_>, value: Operand<'_, '_>) -> bool {
    let (Some(key), Some(value)) = (key.version(), value.version()) else { return false };
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

fn membership(key: &Value<'_>, value: Operand<'_, '_>, holds: impl Fn(&[String], &Set) -> bool) -> bool {
    let keys = match key.kind() {
        Kind::Null | Kind::Object => return false,
        Kind::Array => key.items().unwrap_or_default().iter().map(jmespath::sprint).collect(),
        _ => vec![jmespath::sprint(key)],
    };
    // A scalar key that matches a text as a whole is in it, whatever else the text may mean.
    let is_text_itself = match (key.kind(), value.value.as_str(), keys.as_slice()) {
        (Kind::Array, Some(text), [only]) => only == text,
        (Kind::Array, ..) => false,
        (_, Some(text), [only, ..]) => wildcard::matches(text, only),
        _ => false,
    };
    if is_text_itself {
        let text = value.value.as_str().unwrap_or_default().to_owned();
        return holds(&keys, &Set::Texts(vec![text]));
    }
    match value.known {
        Some(known) => known.set.as_ref().is_some_and(|set| holds(&keys, set)),
        None => Set::of(value.value).is_some_and(|set| holds(&keys, &set)),
    }
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
