//! `$(path)`: references from one value of a pattern to another, with an optional operator in front of the path.
//!
//! They look at the policy only, so they are resolved once.

use crate::document::{Document, DocumentBuilder, Kind, Node};
use crate::gostd::strconv;

use super::super::pattern::unanchored;

/// The part with its references resolved; `None` if it has none. The message says which reference leads nowhere.
pub(super) fn resolve(part: Node<'_>) -> Result<Option<Document>, String> {
    if !has_references(part) {
        return Ok(None);
    }
    let mut builder = DocumentBuilder::new();
    write(part, part, "", &mut builder)?;
    Ok(Some(builder.finish()))
}

fn has_references(node: Node<'_>) -> bool {
    match node.kind() {
        Kind::String => node.as_str().is_some_and(|text| text.contains("$(")),
        Kind::Array => node.items().any(has_references),
        Kind::Object => node.entries().any(|(key, value)| key.contains("$(") || has_references(value)),
        _ => false,
    }
}

fn write(whole: Node<'_>, node: Node<'_>, path: &str, builder: &mut DocumentBuilder) -> Result<(), String> {
    match node.kind() {
        Kind::String => builder.string(&replaced(whole, node.as_str().unwrap_or_default(), path)?),
        Kind::Array => {
            builder.open_array();
            for (index, item) in node.items().enumerate() {
                write(whole, item, &format!("{path}/{index}"), builder)?;
            }
            builder.close();
        }
        Kind::Object => {
            builder.open_object();
            for (key, value) in node.entries() {
                builder.key(&replaced(whole, key, path)?);
                write(whole, value, &format!("{path}/{key}"), builder)?;
            }
            builder.close();
        }
        _ => builder.node(node),
    }
    Ok(())
}

/// The text with its references replaced and the backslash of escaped ones removed.
fn replaced(whole: Node<'_>, text: &str, path: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("$(") {
        let before = rest.get(..at).unwrap_or_default();
        let after = rest.get(at..).unwrap_or_default();
        let Some(len) = len_at(after) else {
            out.push_str(before);
            out.push_str("$(");
            rest = after.get(2..).unwrap_or_default();
            continue;
        };
        let reference = after.get(..len).unwrap_or_default();
        if let Some(before) = before.strip_suffix('\\') {
            out.push_str(before);
            out.push_str(reference);
        } else {
            out.push_str(before);
            out.push_str(&resolved(whole, reference, path)?);
        }
        rest = after.get(len..).unwrap_or_default();
    }
    out.push_str(rest);
    Ok(out)
}

/// The length of the reference at the start of a text: up to the last parenthesis before a space.
fn len_at(text: &str) -> Option<usize> {
    let inside = text.strip_prefix("$(")?;
    let first = inside.chars().next().filter(|c| *c != '\n')?;
    let run = inside.get(first.len_utf8()..)?.split(' ').next()?;
    Some(2 + first.len_utf8() + run.rfind(')')? + 1)
}

fn resolved(whole: Node<'_>, reference: &str, path: &str) -> Result<String, String> {
    let inside = reference.trim_matches(['$', '(', ')']);
    let operator = [">=", "<=", ">", "<", "!"]
        .into_iter()
        .find(|operator| inside.len() >= 2 && inside.starts_with(operator))
        .unwrap_or("");
    let target = inside.strip_prefix(operator).unwrap_or(inside);
    if target.is_empty() {
        return Err(format!(
            "failed to resolve {reference} at path {path}: expected path, found empty reference"
        ));
    }
    let absolute = if target.starts_with('/') { target.to_owned() } else { join(path, target) };
    let found = find(whole, "", &absolute);
    let value = match found.filter(|node| !node.is_null()) {
        None => {
            return Err(format!("got nil resolved variable {reference} at path {path}: <nil>"));
        }
        Some(node) => match node.kind() {
            Kind::String => node.as_str().map(str::to_owned),
            Kind::Int if !operator.is_empty() => node.as_i64().map(|value| value.to_string()),
            Kind::Float if !operator.is_empty() => node.as_f64().map(strconv::format_float_fixed),
            _ => None,
        },
    };
    value
        .map(|value| format!("{operator}{value}"))
        .ok_or_else(|| format!("NotResolvedReferenceErr,reference {reference} not resolved at path {path}"))
}

/// The scalar at a path, anchors left out.
fn find<'n>(node: Node<'n>, path: &str, wanted: &str) -> Option<Node<'n>> {
    match node.kind() {
        Kind::Array => {
            node.items().enumerate().find_map(|(index, item)| find(item, &format!("{path}/{index}"), wanted))
        }
        Kind::Object => node.entries().find_map(|(key, value)| {
            find(value, &format!("{path}/{}", unanchored(key).unwrap_or(key)), wanted)
        }),
        _ => (path == wanted).then_some(node),
    }
}

/// `path.Join` of Go for an absolute path and a relative one.
fn join(base: &str, relative: &str) -> String {
    let mut steps: Vec<&str> = Vec::new();
    for step in base.split('/').chain(relative.split('/')) {
        match step {
            "" | "." => {}
            ".." => {
                steps.pop();
            }
            step => steps.push(step),
        }
    }
    format!("/{}", steps.join("/"))
}
