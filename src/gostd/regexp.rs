//! Go's `regexp` package: RE2 syntax, Go's error texts, Go's replacement templates.
//!
//! [`Regexp::compile`] reads Go's syntax itself (`regexp/translate.rs`) and hands an equivalent expression
//! to the `regex` crate, since the same text can mean other things there. Matching is linear and
//! leftmost-first in both. Only valid UTF-8 is searched; POSIX (leftmost-longest) mode is not offered.

use std::cell::RefCell;
use std::rc::Rc;

use regex::{Captures, Regex, RegexBuilder};

use super::compiled;
use crate::limits::{REGEXP_COMPILED_BYTES_MAX, REGEXP_KEPT_BYTES_MAX, REGEXP_NESTING_MAX, REGEXPS_KEPT_MAX};

mod class;
#[cfg(test)]
mod tests;
mod translate;

/// Why an expression is refused; prints as Go's `syntax.Error`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("error parsing regexp: {kind}: `{fragment}`")]
pub struct RegexpError {
    /// What is wrong.
    pub kind: RegexpErrorKind,
    /// The part of the expression that is wrong, as Go cites it.
    pub fragment: String,
}

/// Go's error codes of `regexp/syntax`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RegexpErrorKind {
    /// The `regex` crate refused what the translation produced.
    #[error("regexp/syntax: internal error")]
    Internal,
    /// A range or class name inside brackets or `\p{}`.
    #[error("invalid character class range")]
    CharRange,
    /// An unknown escape.
    #[error("invalid escape sequence")]
    Escape,
    /// A malformed group name.
    #[error("invalid named capture")]
    NamedCapture,
    /// An unknown `(?` construct.
    #[error("invalid or unsupported Perl syntax")]
    PerlOp,
    /// `a**` and its like.
    #[error("invalid nested repetition operator")]
    RepeatOp,
    /// A count above 1,000, alone or by nesting.
    #[error("invalid repeat count")]
    RepeatSize,
    /// A bracket that is not closed.
    #[error("missing closing ]")]
    MissingBracket,
    /// A parenthesis that is not closed.
    #[error("missing closing )")]
    MissingParen,
    /// A repetition of nothing.
    #[error("missing argument to repetition operator")]
    MissingRepeatArgument,
    /// A lone backslash at the end.
    #[error("trailing backslash at end of expression")]
    TrailingBackslash,
    /// A closing parenthesis without an opening one.
    #[error("unexpected )")]
    UnexpectedParen,
    /// Deeper than `REGEXP_NESTING_MAX`.
    #[error("expression nests too deeply")]
    NestingDepth,
    /// Bigger than Go's or our limits.
    #[error("expression too large")]
    Large,
}

/// A compiled expression.
#[derive(Debug, Clone)]
pub struct Regexp {
    source: Box<str>,
    regex: Regex,
    /// Group names by number; the whole match and unnamed groups have an empty name.
    names: Vec<Box<str>>,
}

impl Regexp {
    /// Compiles what `regexp.Compile` accepts.
    pub fn compile(source: &str) -> Result<Self, RegexpError> {
        Self::compile_within(source, REGEXP_COMPILED_BYTES_MAX)
    }

    /// The same for a text that is known only when it is used, such as a field of a resource: the expressions
    /// used last by this thread are kept, since compiling one takes a hundred times as long as a match.
    pub fn shared(source: &str) -> Result<Rc<Self>, RegexpError> {
        thread_local! {
            static KEPT: RefCell<Vec<Rc<Regexp>>> = const { RefCell::new(Vec::new()) };
        }
        KEPT.with_borrow_mut(|kept| {
            if let Some(at) = kept.iter().position(|known| known.as_str() == source) {
                kept.get_mut(..=at).unwrap_or_default().rotate_right(1);
            } else {
                let Ok(regexp) = Self::compile_within(source, REGEXP_KEPT_BYTES_MAX) else {
                    return Self::compile(source).map(Rc::new);
                };
                kept.truncate(REGEXPS_KEPT_MAX - 1);
                kept.insert(0, Rc::new(regexp));
            }
            kept.first()
                .cloned()
                .ok_or_else(|| RegexpError { kind: RegexpErrorKind::Internal, fragment: source.to_owned() })
        })
    }

    fn compile_within(source: &str, n_bytes_max: usize) -> Result<Self, RegexpError> {
        compiled::note();
        let translation = translate::translate(source)?;
        let regex = RegexBuilder::new(&translation.pattern)
            .size_limit(n_bytes_max)
            .nest_limit(REGEXP_NESTING_MAX * 5)
            .build()
            .map_err(|error| RegexpError {
                kind: match error {
                    regex::Error::CompiledTooBig(_) => RegexpErrorKind::Large,
                    _ => RegexpErrorKind::Internal,
                },
                fragment: source.to_owned(),
            })?;
        Ok(Self { source: source.into(), regex, names: translation.names })
    }

    /// The expression as it was written.
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// `NumSubexp`: how many capturing groups there are.
    pub fn n_groups(&self) -> usize {
        self.names.len().saturating_sub(1)
    }

    /// `SubexpNames`: the names of the groups, starting with the whole match; empty for unnamed ones.
    pub fn group_names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|name| &**name)
    }

    /// Whether the text contains a match.
    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// The leftmost match.
    pub fn find<'t>(&self, text: &'t str) -> Option<&'t str> {
        self.regex.find(text).map(|found| found.as_str())
    }

    /// The byte range of the leftmost match.
    pub fn find_range(&self, text: &str) -> Option<std::ops::Range<usize>> {
        self.regex.find(text).map(|found| found.range())
    }

    /// The first `n_max` matches that do not overlap, from left to right; all of them without a bound.
    pub fn find_all<'t>(&self, text: &'t str, n_max: Option<usize>) -> Vec<&'t str> {
        let all = self.regex.find_iter(text).map(|found| found.as_str());
        all.take(n_max.unwrap_or(usize::MAX)).collect()
    }

    /// The leftmost match and its groups; `None` for a group that took no part.
    pub fn captures<'t>(&self, text: &'t str) -> Option<Vec<Option<&'t str>>> {
        self.regex.captures(text).map(|groups| texts(&groups))
    }

    /// As [`Regexp::captures`] for the first `n_max` matches, or all of them without a bound.
    pub fn captures_all<'t>(&self, text: &'t str, n_max: Option<usize>) -> Vec<Vec<Option<&'t str>>> {
        let all = self.regex.captures_iter(text).map(|groups| texts(&groups));
        all.take(n_max.unwrap_or(usize::MAX)).collect()
    }

    /// `ReplaceAllString`: replaces every match by the template with `$1`, `${1}`, `$name`, `${name}` and
    /// `$$` expanded. As in Go, `$1x` names the group `1x`, and an unknown group is empty.
    pub fn replace_all(&self, text: &str, template: &str) -> String {
        self.replace(text, |groups, out| self.expand(groups, template, out))
    }

    /// `ReplaceAllLiteralString`: replaces every match by the text as it stands.
    pub fn replace_all_literal(&self, text: &str, replacement: &str) -> String {
        self.replace(text, |_, out| out.push_str(replacement))
    }

    fn replace(&self, text: &str, mut write: impl FnMut(&Captures<'_>, &mut String)) -> String {
        let mut out = String::with_capacity(text.len());
        let mut copied = 0;
        for groups in self.regex.captures_iter(text) {
            let Some(whole) = groups.get(0) else { continue };
            out.push_str(text.get(copied..whole.start()).unwrap_or_default());
            write(&groups, &mut out);
            copied = whole.end();
        }
        out.push_str(text.get(copied..).unwrap_or_default());
        out
    }

    fn expand(&self, groups: &Captures<'_>, template: &str, out: &mut String) {
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('$') {
            out.push_str(before);
            if let Some(after) = after.strip_prefix('$') {
                out.push('$');
                rest = after;
                continue;
            }
            let Some((name, after)) = reference(after) else {
                out.push('$');
                rest = after;
                continue;
            };
            rest = after;
            let group = match group_number(name) {
                Some(number) => groups.get(number),
                // Names may repeat; the first group of that name that took part counts.
                None => (0..self.names.len())
                    .filter(|number| self.names.get(*number).is_some_and(|known| **known == *name))
                    .find_map(|number| groups.get(number)),
            };
            out.push_str(group.map_or("", |found| found.as_str()));
        }
        out.push_str(rest);
    }
}

fn texts<'t>(groups: &Captures<'t>) -> Vec<Option<&'t str>> {
    groups.iter().map(|group| group.map(|found| found.as_str())).collect()
}

/// Reads `name` or `{name}` after a dollar sign; returns the name and what follows.
fn reference(text: &str) -> Option<(&str, &str)> {
    let braced = text.strip_prefix('{');
    let body = braced.unwrap_or(text);
    let after = body.trim_start_matches(|c: char| c.is_alphabetic() || is_decimal(c) || c == '_');
    let name = body.strip_suffix(after).filter(|name| !name.is_empty())?;
    let after = if braced.is_some() { after.strip_prefix('}')? } else { after };
    Some((name, after))
}

/// Go's `unicode.IsDigit`, for the digits that occur in templates.
fn is_decimal(character: char) -> bool {
    character.is_ascii_digit() || (!character.is_ascii() && character.is_numeric())
}

/// The number that a template's group name stands for, if it is one: decimal without leading zeros.
fn group_number(name: &str) -> Option<usize> {
    let has_leading_zero = name.len() > 1 && name.starts_with('0');
    if has_leading_zero || !name.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // A number beyond all groups is still a number.
    Some(name.parse().unwrap_or(usize::MAX))
}
