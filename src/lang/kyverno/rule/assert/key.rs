//! The keys and texts of an assertion tree: `~name.key->binding`, `(expression)`, `\text\`.
//!
//! Upstream: `pkg/core/expression/expression.go` of kyverno/kyverno-json.

use std::ops::Range;

/// A key or text taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parsed<'t> {
    pub(super) each: Each<&'t str>,
    /// `->name` behind.
    pub(super) binding: Option<&'t str>,
    pub(super) engine: Engine<'t>,
    /// The rest.
    pub(super) statement: &'t str,
}

/// What is asserted: `~.` or `~name.` in front means every item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Each<Name> {
    /// The value.
    Whole,
    /// Every item of it.
    Item,
    /// Every item of it; its position or key is bound to the name.
    Named(Name),
}

/// How the rest is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Engine<'t> {
    /// As it is.
    None,
    JmesPath,
    Other(&'t str),
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

impl<'t> Parsed<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        let (each, mut rest) = each(text);
        let bound = rest
            .rsplit_once("->")
            .map(|(before, name)| (before, name.trim_start()))
            .filter(|(_, name)| is_word(name));
        if let Some((before, _)) = bound {
            rest = before;
        }
        let escaped = rest.strip_prefix('\\').and_then(|rest| rest.strip_suffix('\\'));
        let inside = rest.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
        let (engine, statement) = match (escaped, inside) {
            (Some(escaped), _) if !escaped.is_empty() => (Engine::None, escaped),
            (_, Some(inside)) if !inside.is_empty() => engine(inside),
            _ => (Engine::None, rest),
        };
        Self { each, binding: bound.map(|(_, name)| name), engine, statement }
    }
}

/// `~name.` in front, and what is behind it.
fn each(text: &str) -> (Each<&str>, &str) {
    match text.strip_prefix('~').and_then(|text| text.split_once('.')) {
        Some(("", behind)) => (Each::Item, behind),
        Some((name, behind)) if is_word(name) => (Each::Named(name), behind),
        _ => (Each::Whole, text),
    }
}

/// `name;` in front of an expression names its language.
fn engine(inside: &str) -> (Engine<'_>, &str) {
    match inside.split_once(';') {
        Some(("jp", expression)) => (Engine::JmesPath, expression),
        Some((name, expression)) if is_word(name) => (Engine::Other(name), expression),
        _ => (Engine::JmesPath, inside),
    }
}

/// Where an expression has variables `$name`; not those inside quotes and literals.
pub(super) fn variables(expression: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut quote: Option<char> = None;
    let mut start: Option<usize> = None;
    let mut is_escaped = false;
    for (at, character) in expression.char_indices() {
        if let Some(from) = start {
            if character.is_ascii_alphanumeric() || character == '_' {
                continue;
            }
            start = None;
            if at > from + 1 {
                found.push(from..at);
            }
        }
        if is_escaped {
            is_escaped = false;
            continue;
        }
        match (quote, character) {
            (Some(_), '\\') => is_escaped = true,
            (Some(open), close) if open == close => quote = None,
            (None, '\'' | '"' | '`') => quote = Some(character),
            (None, '$') => start = Some(at),
            _ => {}
        }
    }
    if let Some(from) = start.filter(|from| expression.len() > from + 1) {
        found.push(from..expression.len());
    }
    found
}
