//! `format`, in its two generations: up to version 3 of the strings library with numbers as an English locale
//! groups them, and from version 4 without a locale (cel-go's `ext/formatting.go` and
//! `ext/formatting_v2.go`).

use std::fmt::Write as _;

use super::super::error::EvalError;
use super::super::eval::Context;
use super::super::types::Type;
use super::super::value::{Timestamp, Value};
use super::convert::to_text;
use super::{list, text, time};
use crate::gostd::strconv;
use crate::limits::CEL_RESULT_SIZE_MAX;

/// Digits behind the point where the clause gives none.
const PRECISION: usize = 6;
/// More digits than this are never useful; Go's own printer stops at a like number.
const PRECISION_MAX: usize = 1_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Generation {
    First,
    Second,
}

/// `format` of the strings library up to version 3.
pub(super) fn first<'d>(_: &mut Context<'_, 'd>, args: &[Value<'d>]) -> Result<Value<'d>, EvalError> {
    format(args, Generation::First)
}

/// `format` of the strings library from version 4.
pub(super) fn second<'d>(_: &mut Context<'_, 'd>, args: &[Value<'d>]) -> Result<Value<'d>, EvalError> {
    format(args, Generation::Second)
}

fn format<'d>(args: &[Value<'d>], generation: Generation) -> Result<Value<'d>, EvalError> {
    let (template, values) = (text(args, 0)?, list(args, 1)?);
    let mut values = values.iter().enumerate();
    let mut n_used = 0;
    let (mut out, mut rest) = (String::with_capacity(template.len()), template);
    while let Some((before, tail)) = rest.split_once('%') {
        out.push_str(before);
        if let Some(tail) = tail.strip_prefix('%') {
            out.push('%');
            rest = tail;
            continue;
        }
        let Some((index, value)) = values.next() else {
            return Err(EvalError::failed(format!("index {n_used} out of range")));
        };
        n_used = index + 1;
        if tail.is_empty() {
            return Err(EvalError::Fixed("unexpected end of string"));
        }
        let (precision, tail) = precision(tail)?;
        let mut chars = tail.chars();
        let clause = chars.next().unwrap_or(' ');
        rest = chars.as_str();
        out.push_str(&apply(clause, precision, &value, generation)?);
        if out.len() > CEL_RESULT_SIZE_MAX {
            return Err(EvalError::Cancelled("operation cancelled: result is too large"));
        }
    }
    out.push_str(rest);
    Ok(Value::string(out))
}

fn unparsed(why: &str) -> EvalError {
    EvalError::failed(format!("could not parse formatting clause: {why}"))
}

fn unformatted(why: &str) -> EvalError {
    EvalError::failed(format!("error during formatting: {why}"))
}

fn precision(tail: &str) -> Result<(Option<usize>, &str), EvalError> {
    let Some(digits) = tail.strip_prefix('.') else { return Ok((None, tail)) };
    let n = digits.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = digits.split_at_checked(n).unwrap_or((digits, ""));
    if rest.is_empty() {
        return Err(unparsed("error while parsing precision: could not find end of precision specifier"));
    }
    let precision = digits.parse::<usize>().map_err(|_| {
        let why = strconv::atoi(digits).err().map(|error| error.to_string()).unwrap_or_default();
        unparsed(&format!(
            "error while parsing precision: error while converting precision to integer: {why}"
        ))
    })?;
    Ok((Some(precision.min(PRECISION_MAX)), rest))
}

fn apply(
    clause: char,
    precision: Option<usize>,
    value: &Value<'_>,
    generation: Generation,
) -> Result<String, EvalError> {
    let given = value.type_name();
    let refuse = |what: &str| Err(unformatted(&format!("{what}, was given {given}")));
    match clause {
        's' if generation == Generation::First => string_first(value),
        's' => string_second(value),
        'd' => match value {
            Value::Int(value) => Ok(value.to_string()),
            Value::Uint(value) => Ok(value.to_string()),
            Value::Double(value) if generation == Generation::Second => Ok(plain(*value)),
            _ if generation == Generation::First => refuse("decimal clause can only be used on integers"),
            _ => refuse("decimal clause can only be used on ints, uints, and doubles"),
        },
        'f' => number(value, generation, "fixed-point", |value| {
            fixed(value, precision.unwrap_or(PRECISION), generation)
        }),
        'e' => number(value, generation, "scientific", |value| {
            scientific(value, precision.unwrap_or(PRECISION), generation)
        }),
        'b' => match value {
            Value::Int(value) => Ok(signed(*value, |magnitude| format!("{magnitude:b}"))),
            Value::Uint(value) => Ok(format!("{value:b}")),
            Value::Bool(value) => Ok(u8::from(*value).to_string()),
            _ if generation == Generation::First => {
                refuse("only integers and bools can be formatted as binary")
            }
            _ => refuse("only ints, uints, and bools can be formatted as binary"),
        },
        'x' | 'X' => hex(value, clause == 'X', generation),
        'o' => match value {
            Value::Int(value) => Ok(signed(*value, |magnitude| format!("{magnitude:o}"))),
            Value::Uint(value) => Ok(format!("{value:o}")),
            _ if generation == Generation::First => refuse("octal clause can only be used on integers"),
            _ => refuse("octal clause can only be used on ints and uints"),
        },
        other => Err(unparsed(&format!("unrecognized formatting clause \"{other}\""))),
    }
}

fn signed(value: i64, digits: impl Fn(u64) -> String) -> String {
    let sign = if value < 0 { "-" } else { "" };
    format!("{sign}{}", digits(value.unsigned_abs()))
}

fn hex_digits(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

fn hex(value: &Value<'_>, is_upper: bool, generation: Generation) -> Result<String, EvalError> {
    let text = match value {
        Value::Int(value) => signed(*value, |magnitude| format!("{magnitude:x}")),
        Value::Uint(value) => format!("{value:x}"),
        Value::String(text) => hex_digits(text.as_bytes()),
        Value::Bytes(bytes) => hex_digits(bytes),
        _ => {
            let what = match generation {
                Generation::First => "only integers, byte buffers, and strings can be formatted as hex",
                Generation::Second => "only ints, uints, bytes, and strings can be formatted as hex",
            };
            return Err(unformatted(&format!("{what}, was given {}", value.type_name())));
        }
    };
    Ok(if is_upper { text.to_ascii_uppercase() } else { text })
}

/// A double without exponent, infinities in words.
fn plain(value: f64) -> String {
    words(value).map_or_else(|| strconv::format_float(value), str::to_owned)
}

fn words(value: f64) -> Option<&'static str> {
    if value.is_nan() {
        Some("NaN")
    } else if value.is_infinite() {
        Some(if value > 0.0 { "Infinity" } else { "-Infinity" })
    } else {
        None
    }
}

fn number(
    value: &Value<'_>,
    generation: Generation,
    clause: &str,
    print: impl Fn(f64) -> String,
) -> Result<String, EvalError> {
    let refuse = |types: &str| {
        let given = value.type_name();
        Err(unformatted(&format!("{clause} clause can only be used on {types}, was given {given}")))
    };
    match (value, generation) {
        (Value::Double(value), _) => Ok(print(*value)),
        (Value::String(text), Generation::First) => match text.as_str() {
            "NaN" => Ok(print(f64::NAN)),
            "Infinity" => Ok(print(f64::INFINITY)),
            "-Infinity" => Ok(print(f64::NEG_INFINITY)),
            _ => refuse("doubles"),
        },
        (_, Generation::First) => refuse("doubles"),
        (Value::Int(value), Generation::Second) => Ok(print(*value as f64)),
        (Value::Uint(value), Generation::Second) => Ok(print(*value as f64)),
        _ => refuse("ints, uints, and doubles"),
    }
}

fn fixed(value: f64, precision: usize, generation: Generation) -> String {
    match (words(value), generation) {
        (Some(word), Generation::Second) => word.to_owned(),
        (Some(_), Generation::First) => symbol(value).to_owned(),
        (None, Generation::Second) => format!("{value:.precision$}"),
        (None, Generation::First) => group(&format!("{value:.precision$}")),
    }
}

/// What is wrong with a constant template of the first generation for arguments of these types: the
/// argument's index, if it is at fault.
pub(crate) fn validate(template: &str, kinds: &[Type]) -> Result<(), (Option<usize>, String)> {
    let (mut rest, mut n_used) = (template, 0);
    while let Some((_, tail)) = rest.split_once('%') {
        if let Some(tail) = tail.strip_prefix('%') {
            rest = tail;
            continue;
        }
        if tail.is_empty() {
            return Err((None, "unexpected end of string".to_owned()));
        }
        let Some(kind) = kinds.get(n_used) else {
            return Err((None, format!("index {n_used} out of range")));
        };
        let (_, tail) = precision(tail).map_err(|error| (None, error.message().into_owned()))?;
        let mut chars = tail.chars();
        let clause = chars.next().unwrap_or(' ');
        rest = chars.as_str();
        if let Some(why) = refusal(clause, kind).map_err(|error| (None, error.message().into_owned()))? {
            let given = kind.runtime_name();
            return Err((Some(n_used), format!("error during formatting: {why}, was given {given}")));
        }
        n_used += 1;
    }
    if kinds.len() > n_used {
        let given = kinds.len();
        let text = format!("too many arguments supplied to string.format (expected {n_used}, got {given})");
        return Err((None, text));
    }
    Ok(())
}

/// Why a clause does not take a type.
fn refusal(clause: char, kind: &Type) -> Result<Option<&'static str>, EvalError> {
    let is_int = matches!(kind, Type::Int | Type::Uint);
    let (is_taken, why) = match clause {
        's' => (
            !matches!(kind, Type::Opaque(..) | Type::Struct(_)),
            STRING_CLAUSE.strip_suffix(", was given ").unwrap_or(STRING_CLAUSE),
        ),
        'd' => (is_int, "decimal clause can only be used on integers"),
        'f' => {
            (matches!(kind, Type::Double | Type::String), "fixed-point clause can only be used on doubles")
        }
        'e' => (matches!(kind, Type::Double | Type::String), "scientific clause can only be used on doubles"),
        'b' => (is_int || *kind == Type::Bool, "only integers and bools can be formatted as binary"),
        'x' | 'X' => (
            is_int || matches!(kind, Type::String | Type::Bytes),
            "only integers, byte buffers, and strings can be formatted as hex",
        ),
        'o' => (is_int, "octal clause can only be used on integers"),
        other => return Err(unparsed(&format!("unrecognized formatting clause \"{other}\""))),
    };
    Ok((!is_taken && !kind.is_dyn_or_error()).then_some(why))
}

/// What an English locale prints for what is no number.
fn symbol(value: f64) -> &'static str {
    if value.is_nan() {
        "NaN"
    } else if value > 0.0 {
        "∞"
    } else {
        "-∞"
    }
}

/// Thousands in groups, as an English locale has them.
fn group(text: &str) -> String {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let mut out = String::from(sign);
    for (index, c) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    if !fraction.is_empty() {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

fn scientific(value: f64, precision: usize, generation: Generation) -> String {
    match (words(value), generation) {
        (Some(word), Generation::Second) => return word.to_owned(),
        (Some(_), Generation::First) => return format!("{:>precision$}", symbol(value)),
        _ => {}
    }
    // The first generation takes the number behind the point for a width.
    let (digits, width) = match generation {
        Generation::First => (PRECISION, precision),
        Generation::Second => (precision, 0),
    };
    let text = format!("{value:.digits$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if generation == Generation::Second {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.abs());
    }
    let raised: String = format!("{:02}", exponent.abs()).chars().map(superscript).collect();
    let sign = if exponent < 0 { "⁻" } else { "" };
    format!("{:>width$}", format!("{mantissa}×10{sign}{raised}"))
}

fn superscript(digit: char) -> char {
    match digit {
        '0' => '⁰',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        '4' => '⁴',
        '5' => '⁵',
        '6' => '⁶',
        '7' => '⁷',
        '8' => '⁸',
        _ => '⁹',
    }
}

const STRING_CLAUSE: &str = "string clause can only be used on strings, bools, bytes, ints, doubles, maps, \
    lists, types, durations, and timestamps, was given ";

fn string_second(value: &Value<'_>) -> Result<String, EvalError> {
    if let Some(list) = value.as_list() {
        let items = list.iter().map(|item| string_second(&item)).collect::<Result<Vec<_>, _>>()?;
        return Ok(format!("[{}]", items.join(", ")));
    }
    if let Some(map) = value.as_map().filter(|_| value.type_name() == "map") {
        let mut entries = Vec::new();
        for (key, value) in map.iter() {
            entries.push((string_second(&key)?, string_second(&value)?));
        }
        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
        let entries: Vec<String> =
            entries.into_iter().map(|(key, value)| format!("{key}: {value}")).collect();
        return Ok(format!("{{{}}}", entries.join(", ")));
    }
    match value {
        Value::Null => Ok("null".to_owned()),
        Value::Double(value) => Ok(plain(*value)),
        Value::Timestamp(at) => Ok(time::format(Timestamp { offset_s: 0, ..*at })),
        Value::Bytes(bytes) => Ok(String::from_utf8_lossy(bytes).into_owned()),
        Value::Opaque(_) | Value::Optional(_) | Value::Map(_) => {
            Err(unformatted(&format!("{STRING_CLAUSE}{}", value.type_name())))
        }
        value => to_text(value),
    }
}

fn string_first(value: &Value<'_>) -> Result<String, EvalError> {
    if let Some(list) = value.as_list() {
        let items = list.iter().map(|item| element(&item)).collect::<Result<Vec<_>, _>>()?;
        return Ok(format!("[{}]", items.join(", ")));
    }
    if let Some(map) = value.as_map().filter(|_| value.type_name() == "map") {
        let mut entries = Vec::new();
        for (key, value) in map.iter() {
            entries.push((element(&key)?, element(&value)?));
        }
        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
        let entries: Vec<String> = entries.into_iter().map(|(key, value)| format!("{key}:{value}")).collect();
        return Ok(format!("{{{}}}", entries.join(", ")));
    }
    match value {
        Value::Null => Ok("null".to_owned()),
        Value::Opaque(_) | Value::Optional(_) | Value::Map(_) => {
            Err(unformatted(&format!("{STRING_CLAUSE}{}", value.type_name())))
        }
        value => to_text(value).map_err(|error| {
            let text = strconv::quote(&error.message());
            unformatted(&format!("could not convert argument {text} to string"))
        }),
    }
}

/// What stands in a list or map of the first generation: as a literal would be written.
fn element(value: &Value<'_>) -> Result<String, EvalError> {
    Ok(match value {
        Value::String(text) => strconv::quote(text),
        Value::Bytes(_) => format!("b{}", strconv::quote(&string_first(value)?)),
        Value::Double(number) if number.is_finite() => format!("{number:.6}"),
        Value::Double(number) => {
            let text = if number.is_nan() {
                "NaN"
            } else if *number > 0.0 {
                "+Inf"
            } else {
                "-Inf"
            };
            strconv::quote(text)
        }
        Value::Timestamp(_) => format!("timestamp({})", strconv::quote(&to_text(value)?)),
        Value::Duration(_) => format!("duration({})", strconv::quote(&to_text(value)?)),
        Value::Type(name) => format!("type({})", name.as_str()),
        Value::Opaque(_) | Value::Optional(_) => {
            let name = value.type_name();
            return Err(unformatted(&format!("no formatting function for {name}")));
        }
        value => string_first(value)?,
    })
}
