//! Kyverno's functions over strings and labels.

#![expect(clippy::unnecessary_wraps, reason = "the functions of a table have one signature")]

use super::{Answer, Arguments, Function, NUMBER, OBJECT, Preparation, STRING, STRING_OR_NUMBER};
use crate::document::Value;
use crate::gostd::{strconv, strings, wildcard};
use crate::lang::jmespath::go_value::equal_counted;
use crate::lang::jmespath::prepared::Prepared;

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("compare", &[STRING, STRING], compare),
    Function::new("equal_fold", &[STRING, STRING], equal_fold),
    Function::new("label_match", &[OBJECT, OBJECT], label_match),
    Function::new("pattern_match", &[STRING, STRING_OR_NUMBER], pattern_match)
        .prepared(Preparation::Wildcard),
    Function::new("replace", &[STRING, STRING, STRING, NUMBER], replace),
    Function::new("replace_all", &[STRING, STRING, STRING], |a| replace_up_to(a, -1)),
    Function::new("split", &[STRING, STRING], split),
    Function::new("to_boolean", &[STRING], to_boolean),
    Function::new("to_lower", &[STRING], |a| a.owned(a.text(0).chars().map(lower).collect())),
    Function::new("to_upper", &[STRING], |a| a.owned(a.text(0).chars().map(upper).collect())),
    Function::new("trim", &[STRING, STRING], trim),
    Function::new("trim_prefix", &[STRING, STRING], trim_prefix),
    Function::new("truncate", &[STRING, NUMBER], truncate),
];

/// The answer is a Go `int`: no number for operators, as in Kyverno.
fn compare<'d>(a: &Arguments<'_, 'd>) -> Answer<'d> {
    Ok(Value::Int(a.text(0).cmp(a.text(1)) as i64))
}

/// `unicode.ToUpper`: one character to one character.
fn upper(character: char) -> char {
    match character {
        // WHY: these have a longer upper case in full case mapping, and a title case letter in the simple one that Go uses.
        '\u{1f80}'..='\u{1f87}' | '\u{1f90}'..='\u{1f97}' | '\u{1fa0}'..='\u{1fa7}' => {
            char::from_u32(u32::from(character) + 8).unwrap_or(character)
        }
        '\u{1fb3}' => '\u{1fbc}',
        '\u{1fc3}' => '\u{1fcc}',
        '\u{1ff3}' => '\u{1ffc}',
        _ => only(character.to_uppercase()).unwrap_or(character),
    }
}

/// `unicode.ToLower`: one character to one character.
fn lower(character: char) -> char {
    if character == 'İ' { 'i' } else { only(character.to_lowercase()).unwrap_or(character) }
}

fn only(mut characters: impl Iterator<Item = char>) -> Option<char> {
    characters.next().filter(|_| characters.next().is_none())
}

fn equal_fold<'d>(a: &Arguments<'_, 'd>) -> Answer<'d> {
    a.env().charge_text(a.text(0).len())?;
    Ok(Value::Bool(strings::equal_fold(a.text(0), a.text(1))))
}

fn label_match<'d>(a: &Arguments<'_, 'd>) -> Answer<'d> {
    let (wanted, labels) = (a.value(0).entries().unwrap_or_default(), a.value(1));
    for (key, value) in wanted {
        let Some(label) = labels.get(&key) else { return Ok(Value::Bool(false)) };
        if !equal_counted(&label, &value, a.env())? {
            return Ok(Value::Bool(false));
        }
    }
    Ok(Value::Bool(true))
}

fn pattern_match<'d>(a: &Arguments<'_, 'd>) -> Answer<'d> {
    let name = a.text_or_number(1);
    a.env().charge(name.len() * a.text(0).len() / 64)?;
    Ok(Value::Bool(match a.prepared {
        Prepared::Wildcard(pattern) => pattern.is_match(&name),
        _ => wildcard::matches(a.text(0), &name),
    }))
}

fn replace<'d>(a: &Arguments<'_, 'd>) -> Answer<'d> {
    replace_up_to(a, strconv::f64_to_i64(a.number(3)))
}

/// A negative number of times is without a bound.
fn replace_up_to<'d>(a: &Arguments<'_, 'd>, times: i64) -> Answer<'d> {
    let (text, old, new) = (a.text(0), a.text(1), a.text(2));
    let n_matches = if old.is_empty() { text.chars().count() + 1 } else { text.matches(old).count() };
    a.env().charge_text(text.len().saturating_add(n_matches.saturating_mul(new.len())))?;
    Ok(Value::owned(strings::replace(text, old, new, times)))
}

fn split<'d>(a: &Arguments<'_, 'd>) -> Answer<'d> {
    let (text, separator) = (a.text(0), a.text(1));
    a.env().charge(text.len() / separator.len().max(1) + 1)?;
    Ok(Value::list(strings::split(text, separator).into_iter().map(Value::owned).collect()))
}

fn to_boolean<'d>(a: &Arguments<'_, 'd>) -> Answer<'d> {
    let text = a.text(0);
    match text.chars().map(lower).collect::<String>().as_str() {
        "true" => Ok(Value::Bool(true)),
        "false" => Ok(Value::Bool(false)),
        _ => Err(a.error(&format!("lowercase argument must be 'true' or 'false' (provided: '{text}')"))),
    }
}

fn trim<'d>(a: &Arguments<'_, 'd>) -> Answer<'d> {
    let cutset = a.text(1);
    a.env().charge_text(a.text(0).len().saturating_mul(cutset.len()))?;
    a.owned(strings::trim(a.text(0), cutset).to_owned())
}

fn trim_prefix<'d>(a: &Arguments<'_, 'd>) -> Answer<'d> {
    match a.text(0).strip_prefix(a.text(1)) {
        Some(rest) => a.owned(rest.to_owned()),
        None => Ok(a.value(0)),
    }
}

fn truncate<'d>(a: &Arguments<'_, 'd>) -> Answer<'d> {
    let length = usize::try_from(strconv::f64_to_i64(a.number(1))).unwrap_or(0);
    a.owned(strings::truncate(a.text(0), length).to_owned())
}

/// What Kyverno makes of a value that stands for a text: numbers with the precision of a `float32`.
pub(super) fn plain_text(value: &Value<'_>) -> Option<String> {
    match value {
        Value::Float(number) => Some(strconv::format_float32(*number)),
        Value::Bool(value) => Some(value.to_string()),
        Value::String(text) => Some(text.to_string()),
        _ => None,
    }
}
