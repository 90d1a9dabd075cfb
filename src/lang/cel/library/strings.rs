//! Strings: `charAt`, `indexOf`, `replace`, `split`, `substring`, … (cel-go's `ext/strings.go`); positions
//! count characters.

use super::super::environment::Entry;
use super::super::error::EvalError;
use super::super::eval::Context;
use super::super::value::{Value, go_display};
use super::{format, int, list, text};
use crate::limits::CEL_RESULT_SIZE_MAX;

const BASE: &[Entry] = &[
    Entry::new("charAt", "string_char_at_int", "string.(int) -> string", char_at),
    Entry::new("indexOf", "string_index_of_string", "string.(string) -> int", |_, args| {
        index_of(text(args, 0)?, text(args, 1)?, 0).map(Value::Int)
    }),
    Entry::new("indexOf", "string_index_of_string_int", "string.(string, int) -> int", |_, args| {
        index_of(text(args, 0)?, text(args, 1)?, int(args, 2)?).map(Value::Int)
    }),
    Entry::new("lastIndexOf", "string_last_index_of_string", "string.(string) -> int", last_index_of),
    Entry::new("lastIndexOf", "string_last_index_of_string_int", "string.(string, int) -> int", |_, args| {
        last_index_from(text(args, 0)?, text(args, 1)?, int(args, 2)?).map(Value::Int)
    }),
    Entry::new("lowerAscii", "string_lower_ascii", "string.() -> string", |_, args| {
        Ok(Value::string(text(args, 0)?.to_ascii_lowercase()))
    })
    .costing(reading),
    Entry::new("upperAscii", "string_upper_ascii", "string.() -> string", |_, args| {
        Ok(Value::string(text(args, 0)?.to_ascii_uppercase()))
    })
    .costing(reading),
    Entry::new("replace", "string_replace_string_string", "string.(string, string) -> string", |_, args| {
        replace(text(args, 0)?, text(args, 1)?, text(args, 2)?, -1)
    })
    .costing(reading_twice),
    Entry::new(
        "replace",
        "string_replace_string_string_int",
        "string.(string, string, int) -> string",
        |_, args| replace(text(args, 0)?, text(args, 1)?, text(args, 2)?, int(args, 3)?),
    )
    .costing(reading_twice),
    Entry::new("split", "string_split_string", "string.(string) -> list(string)", |_, args| {
        Ok(split(text(args, 0)?, text(args, 1)?, -1))
    })
    .costing(reading_twice),
    Entry::new("split", "string_split_string_int", "string.(string, int) -> list(string)", |_, args| {
        Ok(split(text(args, 0)?, text(args, 1)?, int(args, 2)?))
    })
    .costing(reading_twice),
    Entry::new("substring", "string_substring_int", "string.(int) -> string", |_, args| {
        let text = text(args, 0)?;
        let start = int(args, 1)?;
        let end = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
        if start > end { Err(out_of_range(start)) } else { substring(text, start, end) }
    })
    .costing(reading),
    Entry::new("substring", "string_substring_int_int", "string.(int, int) -> string", |_, args| {
        substring(text(args, 0)?, int(args, 1)?, int(args, 2)?)
    })
    .costing(reading),
    Entry::new("trim", "string_trim", "string.() -> string", |_, args| {
        Ok(Value::string(text(args, 0)?.trim_matches(is_go_space)))
    })
    .costing(reading),
    Entry::new("join", "list_join", "list(string).() -> string", |_, args| join(args, ""))
        .costing(writing_twice),
    Entry::new("join", "list_join_string", "list(string).(string) -> string", |_, args| {
        join(args, text(args, 1)?)
    })
    .costing(writing_twice),
];

const QUOTE: Entry = Entry::new("strings.quote", "strings_quote", "(string) -> string", |_, args| {
    Ok(Value::string(quoted(text(args, 0)?)))
})
.costing(reading);

const FORMAT: Entry =
    Entry::new("format", "string_format", "string.(list(dyn)) -> string", format::first).costing(reading);

const FORMAT_FOUR: Entry =
    Entry::new("format", "string_format", "string.(list(dyn)) -> string", format::second).costing(reading);

const REVERSE: Entry = Entry::new("reverse", "string_reverse", "string.() -> string", |_, args| {
    Ok(Value::string(text(args, 0)?.chars().rev().collect::<String>()))
});

/// The functions of a version.
pub(super) fn entries(version: u32) -> Vec<Entry> {
    let mut entries = BASE.to_vec();
    if version >= 1 {
        entries.push(QUOTE);
        entries.push(if version >= 4 { FORMAT_FOUR } else { FORMAT });
    }
    if version >= 3 {
        entries.push(REVERSE);
    }
    entries
}

/// What the API server charges (`pkg/cel/library/cost.go`).
fn reading(args: &[Value<'_>], _: &Value<'_>) -> u64 {
    args.first().map_or(1, |value| super::super::eval::size_of(value).div_ceil(10))
}

fn reading_twice(args: &[Value<'_>], _: &Value<'_>) -> u64 {
    args.first().map_or(1, |value| super::super::eval::size_of(value).div_ceil(5))
}

fn writing_twice(_: &[Value<'_>], result: &Value<'_>) -> u64 {
    super::super::eval::size_of(result).div_ceil(5)
}

/// Go's `unicode.IsSpace`.
fn is_go_space(c: char) -> bool {
    c.is_whitespace()
}

fn out_of_range(index: i64) -> EvalError {
    EvalError::failed(format!("index out of range: {index}"))
}

fn char_at<'d>(_: &mut Context<'_, 'd>, args: &[Value<'d>]) -> Result<Value<'d>, EvalError> {
    let (text, index) = (text(args, 0)?, int(args, 1)?);
    let at = usize::try_from(index).map_err(|_| out_of_range(index))?;
    match text.chars().nth(at) {
        Some(c) => Ok(Value::string(c.to_string())),
        None if at == text.chars().count() => Ok(Value::string("")),
        None => Err(out_of_range(index)),
    }
}

fn to_int(position: usize) -> i64 {
    i64::try_from(position).unwrap_or(i64::MAX)
}

fn index_of(text: &str, part: &str, offset: i64) -> Result<i64, EvalError> {
    if part.is_empty() {
        return Ok(offset);
    }
    let skipped = usize::try_from(offset).map_err(|_| out_of_range(offset))?;
    let Some((start, _)) = text.char_indices().nth(skipped) else { return Ok(-1) };
    let rest = text.get(start..).unwrap_or("");
    Ok(rest.find(part).map_or(-1, |at| offset + to_int(rest.get(..at).unwrap_or("").chars().count())))
}

fn last_index_of<'d>(_: &mut Context<'_, 'd>, args: &[Value<'d>]) -> Result<Value<'d>, EvalError> {
    let (text, part) = (text(args, 0)?, text(args, 1)?);
    let n_chars = to_int(text.chars().count());
    if part.is_empty() {
        return Ok(Value::Int(n_chars));
    }
    if text.len() < part.len() {
        return Ok(Value::Int(-1));
    }
    last_index_from(text, part, n_chars - 1).map(Value::Int)
}

fn last_index_from(text: &str, part: &str, offset: i64) -> Result<i64, EvalError> {
    if part.is_empty() {
        return Ok(offset);
    }
    let offset = usize::try_from(offset).map_err(|_| out_of_range(offset))?;
    let starts: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    if offset >= starts.len() {
        return Ok(-1);
    }
    let candidates = starts.iter().enumerate().take(offset + 1).rev();
    let found =
        candidates.into_iter().find(|(_, at)| text.get(**at..).is_some_and(|rest| rest.starts_with(part)));
    Ok(found.map_or(-1, |(index, _)| to_int(index)))
}

fn substring<'d>(text: &str, start: i64, end: i64) -> Result<Value<'d>, EvalError> {
    if start > end {
        return Err(EvalError::failed(format!("invalid substring range. start: {start}, end: {end}")));
    }
    let n_chars = to_int(text.chars().count());
    for index in [start, end] {
        if index < 0 || index > n_chars {
            return Err(out_of_range(index));
        }
    }
    let skipped = usize::try_from(start).unwrap_or(0);
    let taken = usize::try_from(end - start).unwrap_or(0);
    Ok(Value::string(text.chars().skip(skipped).take(taken).collect::<String>()))
}

fn replace<'d>(text: &str, old: &str, new: &str, n: i64) -> Result<Value<'d>, EvalError> {
    let n = usize::try_from(n).unwrap_or(usize::MAX);
    let n_matches = if old.is_empty() { text.chars().count() + 1 } else { text.len() / old.len() };
    let size = text.len().saturating_add(n_matches.min(n).saturating_mul(new.len()));
    if size > CEL_RESULT_SIZE_MAX {
        return Err(EvalError::Cancelled("operation cancelled: result is too large"));
    }
    Ok(Value::string(text.replacen(old, new, n)))
}

fn split<'d>(text: &str, separator: &str, n: i64) -> Value<'d> {
    let n = match n {
        0 => return Value::list(Vec::new()),
        n => usize::try_from(n).unwrap_or(usize::MAX),
    };
    if separator.is_empty() {
        let mut parts: Vec<Value<'d>> = Vec::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            if parts.len() + 1 == n {
                parts.push(Value::string(rest));
                return Value::list(parts);
            }
            let (first, tail) = rest.split_at_checked(c.len_utf8()).unwrap_or((rest, ""));
            parts.push(Value::string(first));
            rest = tail;
        }
        return Value::list(parts);
    }
    Value::list(text.splitn(n, separator).map(Value::string).collect())
}

fn join<'d>(args: &[Value<'d>], separator: &str) -> Result<Value<'d>, EvalError> {
    let mut out = String::new();
    for (index, item) in list(args, 0)?.iter().enumerate() {
        if index > 0 {
            out.push_str(separator);
        }
        match item.as_str() {
            Some(text) => out.push_str(text),
            None => {
                return Err(EvalError::failed(format!("join: invalid input: {}", go_display(&item))));
            }
        }
        if out.len() > CEL_RESULT_SIZE_MAX {
            return Err(EvalError::Cancelled("operation cancelled: result is too large"));
        }
    }
    Ok(Value::string(out))
}

fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '\u{07}' => out.push_str("\\a"),
            '\u{08}' => out.push_str("\\b"),
            '\u{0c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{0b}' => out.push_str("\\v"),
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
