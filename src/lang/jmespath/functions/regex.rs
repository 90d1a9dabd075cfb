//! Kyverno's functions over regular expressions, in Go's syntax.
//!
//! A literal expression is compiled with the program; any other one at each call.

use std::borrow::Cow;

use super::{Answer, Arguments, Function, Preparation, STRING, STRING_OR_NUMBER};
use crate::document::Value;
use crate::gostd::regexp::{Regexp, RegexpError};
use crate::lang::jmespath::EvaluateError;
use crate::lang::jmespath::prepared::Prepared;

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("regex_match", &[STRING, STRING_OR_NUMBER], regex_match).prepared(Preparation::Regexp),
    Function::new("regex_replace_all", &[STRING, STRING_OR_NUMBER, STRING_OR_NUMBER], replace_all)
        .prepared(Preparation::Regexp),
    Function::new(
        "regex_replace_all_literal",
        &[STRING, STRING_OR_NUMBER, STRING_OR_NUMBER],
        replace_all_literal,
    )
    .prepared(Preparation::Regexp),
];

/// What compiling a regular expression during an evaluation costs, in steps a byte.
const COMPILE_STEPS_PER_BYTE: usize = 50;

fn regexp<'d>(a: &Arguments<'_, 'd>) -> Result<Result<Cow<'d, Regexp>, RegexpError>, EvaluateError> {
    if let Prepared::Regexp(regexp) = a.prepared {
        return Ok(Ok(Cow::Borrowed(regexp)));
    }
    a.env().charge(a.text(0).len() * COMPILE_STEPS_PER_BYTE)?;
    Ok(Regexp::compile(a.text(0)).map(Cow::Owned))
}

fn regex_match<'d>(a: &Arguments<'_, 'd>) -> Answer<'d> {
    let text = a.text_or_number(1);
    a.env().charge_text(text.len())?;
    // WHY: unlike its siblings this one does not name the function in its error.
    let regexp = regexp(a)?.map_err(|error| EvaluateError::other(error.to_string()))?;
    Ok(Value::Bool(regexp.is_match(&text)))
}

/// Source and replacement, paid for.
fn texts(a: &Arguments<'_, '_>) -> Result<(String, String), EvaluateError> {
    let (text, replacement) = (a.text_or_number(1), a.text_or_number(2));
    a.env().charge_text((text.len() + 1).saturating_mul(replacement.len() + 1))?;
    Ok((text, replacement))
}

fn replace_all<'d>(a: &Arguments<'_, 'd>) -> Answer<'d> {
    let (text, template) = texts(a)?;
    let regexp = regexp(a)?.map_err(|error| a.error(&error.to_string()))?;
    a.owned(regexp.replace_all(&text, &template))
}

fn replace_all_literal<'d>(a: &Arguments<'_, 'd>) -> Answer<'d> {
    let (text, replacement) = texts(a)?;
    let regexp = regexp(a)?.map_err(|error| a.error(&error.to_string()))?;
    a.owned(regexp.replace_all_literal(&text, &replacement))
}
