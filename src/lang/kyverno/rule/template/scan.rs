//! Finds variables in texts, as Kyverno's regular expressions do.
//!
//! A variable is `{{`, anything without braces or with one level of them, `}}`, and does not follow a backslash.

use std::ops::Range;

/// Whether a text holds something that substitution changes: variables, or escaped ones.
pub(super) fn has_work(text: &str) -> bool {
    text.contains("{{")
}

/// Where the variables are, from left to right; one that follows another directly is left for the next look.
pub(crate) fn variables(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(range) = next(text, from) {
        from = range.end;
        found.push(range);
    }
    found
}

/// The first variable at or after a position; the character before it must not be used by an earlier one.
fn next(text: &str, from: usize) -> Option<Range<usize>> {
    let mut at = from;
    loop {
        let start = at + text.get(at..)?.find("{{")?;
        let before = text.get(..start)?.chars().next_back();
        let is_free = match before {
            None => true,
            Some('\\') => false,
            Some(character) => start - character.len_utf8() >= from,
        };
        if is_free && let Some(len) = len_at(text.get(start..)?) {
            return Some(start..start + len);
        }
        at = start + 1;
    }
}

/// The length of the variable at the start of a text.
fn len_at(text: &str) -> Option<usize> {
    let inside = text.strip_prefix("{{")?;
    let bytes = inside.as_bytes();
    let mut at = 0;
    loop {
        match bytes.get(at)? {
            b'{' => {
                let end =
                    at + 1 + bytes.get(at + 1..)?.iter().position(|byte| matches!(byte, b'{' | b'}'))?;
                if bytes.get(end) != Some(&b'}') {
                    return None;
                }
                at = end + 1;
            }
            b'}' => return (bytes.get(at + 1) == Some(&b'}')).then_some(2 + at + 2),
            _ => at += 1,
        }
    }
}

/// Takes the backslash from escaped variables.
pub(super) fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("\\{{") {
        let (before, after) = (rest.get(..at).unwrap_or_default(), rest.get(at + 1..).unwrap_or_default());
        out.push_str(before);
        if let Some(len) = len_at(after) {
            out.push_str(after.get(..len).unwrap_or_default());
            rest = after.get(len..).unwrap_or_default();
        } else {
            out.push('\\');
            rest = after;
        }
    }
    out.push_str(rest);
    out
}
