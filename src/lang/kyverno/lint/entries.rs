//! Context entries that nothing uses.

use crate::document::{Kind, Node};
use crate::policy::Warning;

/// Entries of a rule's contexts, those of its `foreach` lists included, that no other text mentions; entries are loaded in any order.
pub(super) fn unused(rule: Node<'_>, path: &str, warnings: &mut Vec<Warning>) {
    in_scope(rule, path, warnings);
    for action in ["validate", "mutate", "generate"] {
        if let Some(node) = rule.get(action) {
            foreach(node, &format!("{path}.{action}"), warnings);
        }
    }
}

fn foreach(node: Node<'_>, path: &str, warnings: &mut Vec<Warning>) {
    for (index, each) in node.get("foreach").into_iter().flat_map(Node::items).enumerate() {
        let path = format!("{path}.foreach[{index}]");
        in_scope(each, &path, warnings);
        foreach(each, &path, warnings);
    }
}

/// The entries of the `context` of a rule or a `foreach`.
fn in_scope(scope: Node<'_>, path: &str, warnings: &mut Vec<Warning>) {
    let entries: Vec<Node<'_>> = scope.get("context").into_iter().flat_map(Node::items).collect();
    for (at, entry) in entries.iter().enumerate() {
        let name = entry.get("name").and_then(Node::as_str).unwrap_or_default();
        let is_other = |(other, _): &(usize, &Node<'_>)| *other != at;
        let is_used = entries.iter().enumerate().filter(is_other).any(|(_, other)| mentions(*other, name))
            || scope.entries().any(|(key, value)| key != "context" && mentions(value, name));
        if !name.is_empty() && !is_used {
            let message = format!("nothing uses the context entry `{name}`");
            warnings.push(Warning::new(format!("{path}.context[{at}].name"), message));
        }
    }
}

/// Whether a word stands in any text or key.
fn mentions(node: Node<'_>, word: &str) -> bool {
    match node.kind() {
        Kind::String => has_word(node.as_str().unwrap_or_default(), word),
        Kind::Array => node.items().any(|item| mentions(item, word)),
        Kind::Object => node.entries().any(|(key, value)| has_word(key, word) || mentions(value, word)),
        _ => false,
    }
}

fn has_word(text: &str, word: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let before = text.get(..at).and_then(|text| text.chars().next_back());
        let behind = text.get(at + word.len()..).and_then(|text| text.chars().next());
        !before.is_some_and(is_word) && !behind.is_some_and(is_word)
    })
}
