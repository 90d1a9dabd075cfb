//! Wildcards as Kyverno matches names, labels and patterns (`ext/wildcard`, which calls
//! `IGLOU-EU/go-wildcard` v1).
//!
//! `*` stands for any run of characters, `?` for exactly one character (a Unicode scalar value), everything
//! else for itself; there is no escape. An empty pattern matches only an empty name. [`matches()`] takes
//! the pattern as text; [`Wildcard`] is the compiled form for patterns that are used again. Lists of
//! patterns and label maps are the callers' business.

use std::str::Chars;

#[cfg(test)]
mod tests;

/// Whether `pattern` holds a character that makes it more than a literal.
pub fn contains_wildcard(pattern: &str) -> bool {
    pattern.bytes().any(|byte| byte == b'*' || byte == b'?')
}

/// Whether `name` satisfies `pattern`.
///
/// Takes at most `pattern.len() * name.len()` steps and allocates nothing.
pub fn matches(pattern: &str, name: &str) -> bool {
    let mut rest = pattern.chars();
    let mut text = name.chars();
    // What follows the last `*`, and where in the name its next attempt starts.
    let mut retry: Option<(Chars<'_>, Chars<'_>)> = None;
    loop {
        match rest.next() {
            Some('*') => {
                if rest.as_str().is_empty() {
                    return true;
                }
                retry = Some((rest.clone(), text.clone()));
                continue;
            }
            Some(wanted) => match text.next() {
                Some(found) if wanted == '?' || wanted == found => continue,
                Some(_) => {}
                // A later start leaves even less text, so no retry can help.
                None => return false,
            },
            None if text.as_str().is_empty() => return true,
            None => {}
        }
        let Some((after_star, start)) = retry.as_mut() else {
            return false;
        };
        if start.next().is_none() {
            return false;
        }
        rest = after_star.clone();
        text = start.clone();
    }
}

/// A pattern prepared for repeated use; the common shapes avoid the general matcher.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Wildcard {
    pattern: Box<str>,
    shape: Shape,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Shape {
    Any,
    Literal,
    Prefix(Box<str>),
    Suffix(Box<str>),
    Contains(Box<str>),
    Between(Box<str>, Box<str>),
    General,
}

impl Wildcard {
    /// Compiles `pattern`; every text is a valid pattern.
    pub fn new(pattern: &str) -> Self {
        super::compiled::note();
        Self { pattern: pattern.into(), shape: Shape::of(pattern) }
    }

    /// Whether `name` satisfies the pattern.
    pub fn is_match(&self, name: &str) -> bool {
        match &self.shape {
            Shape::Any => true,
            Shape::Literal => name == &*self.pattern,
            Shape::Prefix(prefix) => name.starts_with(&**prefix),
            Shape::Suffix(suffix) => name.ends_with(&**suffix),
            Shape::Contains(middle) => name.contains(&**middle),
            Shape::Between(prefix, suffix) => {
                name.strip_prefix(&**prefix).is_some_and(|rest| rest.ends_with(&**suffix))
            }
            Shape::General => matches(&self.pattern, name),
        }
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.pattern
    }

    /// Whether every name satisfies the pattern.
    pub fn is_any(&self) -> bool {
        self.shape == Shape::Any
    }

    /// The only name that satisfies the pattern, if it holds no wildcard.
    pub fn as_literal(&self) -> Option<&str> {
        (self.shape == Shape::Literal).then_some(&*self.pattern)
    }
}

impl Shape {
    fn of(pattern: &str) -> Self {
        if !contains_wildcard(pattern) {
            return Self::Literal;
        }
        if pattern.bytes().all(|byte| byte == b'*') {
            return Self::Any;
        }
        if pattern.contains('?') {
            return Self::General;
        }
        let core = pattern.trim_matches('*');
        match (pattern.starts_with('*'), pattern.ends_with('*')) {
            _ if core.contains('*') => match core.split_once('*') {
                Some((prefix, suffix))
                    if core == pattern && !suffix.trim_start_matches('*').contains('*') =>
                {
                    Self::Between(prefix.into(), suffix.trim_start_matches('*').into())
                }
                _ => Self::General,
            },
            (true, true) => Self::Contains(core.into()),
            (true, false) => Self::Suffix(core.into()),
            (false, _) => Self::Prefix(core.into()),
        }
    }
}
