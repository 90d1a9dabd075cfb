//! `regex.extract`, `regex.extractAll`, `regex.replace` (cel-go's `ext/regex.go`).

use std::rc::Rc;

use super::super::environment::Entry;
use super::super::error::EvalError;
use super::super::value::Value;
use super::{int, text};
use crate::gostd::regexp::Regexp;
use crate::gostd::strconv::quote;

pub(super) const ENTRIES: &[Entry] = &[
    Entry::new(
        "regex.extract",
        "regex_extract_string_string",
        "(string, string) -> optional(string)",
        |_, args| {
            let regex = with_one_group(text(args, 1)?)?;
            let Some(groups) = regex.captures(text(args, 0)?) else { return Ok(Value::Optional(None)) };
            let found = groups.last().copied().flatten().unwrap_or("");
            if groups.len() > 1 && found.is_empty() {
                return Ok(Value::Optional(None));
            }
            Ok(Value::some(Value::string(found)))
        },
    ),
    Entry::new(
        "regex.extractAll",
        "regex_extractAll_string_string",
        "(string, string) -> list(string)",
        |_, args| {
            let regex = with_one_group(text(args, 1)?)?;
            let has_group = regex.n_groups() == 1;
            let all = regex.captures_all(text(args, 0)?, None);
            let found = all.iter().map(|groups| groups.last().copied().flatten().unwrap_or(""));
            let found = found.filter(|found| !has_group || !found.is_empty());
            Ok(Value::list(found.map(Value::string).collect()))
        },
    ),
    Entry::new(
        "regex.replace",
        "regex_replace_string_string_string",
        "(string, string, string) -> string",
        |_, args| replace(text(args, 0)?, text(args, 1)?, text(args, 2)?, -1),
    ),
    Entry::new(
        "regex.replace",
        "regex_replace_string_string_string_int",
        "(string, string, string, int) -> string",
        |_, args| replace(text(args, 0)?, text(args, 1)?, text(args, 2)?, int(args, 3)?),
    ),
];

fn with_one_group(pattern: &str) -> Result<Rc<Regexp>, EvalError> {
    let regex = Regexp::shared(pattern)
        .map_err(|error| EvalError::failed(format!("given regex is invalid: {error}")))?;
    if regex.n_groups() > 1 {
        return Err(EvalError::failed(format!(
            "regular expression has more than one capturing group: {}",
            quote(pattern)
        )));
    }
    Ok(regex)
}

fn replace<'d>(target: &str, pattern: &str, template: &str, count: i64) -> Result<Value<'d>, EvalError> {
    if count == 0 {
        return Ok(Value::string(target));
    }
    if count > i64::from(i32::MAX) {
        return Err(EvalError::Fixed("integer overflow"));
    }
    let n_max = usize::try_from(count).ok();
    let regex = Regexp::shared(pattern).map_err(|error| EvalError::failed(error.to_string()))?;
    let (mut out, mut rest) = (String::with_capacity(target.len()), target);
    for groups in regex.captures_all(target, n_max) {
        let replacement = expand(template, &groups)?;
        let Some(found) = groups.first().copied().flatten() else { continue };
        // The match is a part of `target`, so its distance from `rest` is the text between.
        let between = (found.as_ptr() as usize).saturating_sub(rest.as_ptr() as usize);
        out.push_str(rest.get(..between).unwrap_or(""));
        out.push_str(&replacement);
        rest = rest.get(between + found.len()..).unwrap_or("");
    }
    out.push_str(rest);
    Ok(Value::string(out))
}

fn expand(template: &str, groups: &[Option<&str>]) -> Result<String, EvalError> {
    let mut out = String::new();
    let mut chars = template.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        let invalid =
            |what: &str| EvalError::failed(format!("invalid replacement string: '{template}' {what}"));
        match chars.next() {
            None => return Err(invalid("\\ not allowed at end")),
            Some('\\') => out.push('\\'),
            Some(c) => {
                let Some(group) = c.to_digit(10) else {
                    return Err(invalid("\\ must be followed by a digit or \\"));
                };
                let Some(text) = groups.get(group as usize) else {
                    let n = groups.len().saturating_sub(1);
                    return Err(EvalError::failed(format!(
                        "replacement string references group {group} but regex has only {n} group(s)"
                    )));
                };
                out.push_str(text.unwrap_or(""));
            }
        }
    }
    Ok(out)
}
