//! Finds where JSON values begin and end, at the speed of one look at each byte. Does not validate: that is
//! the parser's part.

use std::ops::Range;

/// The outline of a top-level JSON object.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outline {
    /// Behind the closing brace.
    pub(super) end: usize,
    /// The text of `kind` between its quotes.
    pub(super) kind: Range<usize>,
    /// The text of `apiVersion` between its quotes.
    pub(super) api_version: Range<usize>,
    /// Where the value of `items` starts, if it is a list.
    pub(super) items: Option<usize>,
}

/// The outline of the object whose brace stands at `at`; `None` if the text is not JSON at this level, or is
/// cut.
pub(super) fn outline(bytes: &[u8], at: usize) -> Option<Outline> {
    let mut outline = Outline::default();
    let mut next = skip_space(bytes, at + 1);
    if bytes.get(next) == Some(&b'}') {
        outline.end = next + 1;
        return Some(outline);
    }
    loop {
        if bytes.get(next) != Some(&b'"') {
            return None;
        }
        let key_end = after_string(bytes, next)?;
        let key = bytes.get(next + 1..key_end - 1)?;
        next = skip_space(bytes, key_end);
        if bytes.get(next) != Some(&b':') {
            return None;
        }
        let value = skip_space(bytes, next + 1);
        let end = after_value(bytes, value)?;
        match (key, bytes.get(value)) {
            (b"kind", Some(b'"')) => outline.kind = value + 1..end - 1,
            (b"apiVersion", Some(b'"')) => outline.api_version = value + 1..end - 1,
            (b"items", Some(b'[')) => outline.items = Some(value),
            _ => {}
        }
        next = skip_space(bytes, end);
        match bytes.get(next) {
            Some(b',') => next = skip_space(bytes, next + 1),
            Some(b'}') => {
                outline.end = next + 1;
                return Some(outline);
            }
            _ => return None,
        }
    }
}

/// The values of the list whose bracket stands at `at`.
pub(super) fn items(bytes: &[u8], at: usize) -> Option<Vec<Range<usize>>> {
    let mut items = Vec::new();
    let mut next = skip_space(bytes, at + 1);
    while bytes.get(next) != Some(&b']') {
        let end = after_value(bytes, next)?;
        items.push(next..end);
        next = skip_space(bytes, end);
        match bytes.get(next) {
            Some(b',') => next = skip_space(bytes, next + 1),
            Some(b']') => {}
            _ => return None,
        }
    }
    Some(items)
}

/// The first position from `at` on that is not white space.
pub(super) fn skip_space(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
        at += 1;
    }
    at
}

fn after_string(bytes: &[u8], quote: usize) -> Option<usize> {
    let mut at = quote + 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// Behind the value at `at`; `None` if it is cut or there is none.
pub(super) fn after_value(bytes: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 0_usize;
    let start = at;
    loop {
        match bytes.get(at) {
            Some(b'"') => at = after_string(bytes, at)?,
            Some(b'{' | b'[') => {
                depth += 1;
                at += 1;
                continue;
            }
            Some(b'}' | b']') if depth > 0 => {
                depth -= 1;
                at += 1;
            }
            Some(b',' | b':' | b' ' | b'\t' | b'\r' | b'\n') if depth > 0 => {
                at += 1;
                continue;
            }
            Some(b',' | b':' | b'}' | b']') | None => return None,
            Some(_) => {
                let rest = bytes.get(at..)?;
                at += rest.iter().position(|byte| b",:{}[]\" \t\r\n".contains(byte)).unwrap_or(rest.len());
            }
        }
        if depth == 0 {
            return (at > start).then_some(at);
        }
    }
}
