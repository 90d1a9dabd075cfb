//! What is odd about a policy beyond its shape: names that are given twice, variables that nothing defines, entries that nothing uses, rules that
//! cannot say anything in a scan. All of it is advice; nothing here changes an outcome.

use std::collections::BTreeSet;

use super::background;
use crate::document::{Kind, Node};
use crate::policy::Warning;

#[cfg(test)]
mod tests;

/// The advice on a policy's own rules, in their order. `rules` are those of the spec, without derived ones.
pub(super) fn advice(rules: &[Node<'_>]) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut names = BTreeSet::new();
    for (index, rule) in rules.iter().enumerate() {
        let path = format!("spec.rules[{index}]");
        let name = rule.get("name").and_then(Node::as_str).unwrap_or_default();
        let mut warn = |tail: &str, message: String| {
            warnings.push(Warning { path: format!("{path}{tail}"), message });
        };
        if name.is_empty() {
            warn("", "the rule has no name".to_owned());
        } else if !names.insert(name) {
            warn(".name", format!("there is another rule named `{name}` in front of this one"));
        }
        for variable in background::unknown_variables(*rule) {
            warn("", format!("nothing defines the variable `{{{{{variable}}}}}`"));
        }
        for (at, entry) in unused_entries(*rule) {
            warn(&format!(".context[{at}]"), format!("nothing uses the context entry `{entry}`"));
        }
        if never_creates(*rule) {
            let message = "no operation here is CREATE, so the rule says nothing in a scan".to_owned();
            warn(".match", message);
        }
    }
    warnings
}

/// Context entries of a rule that no string of it mentions, with their positions.
fn unused_entries(rule: Node<'_>) -> Vec<(usize, &str)> {
    let entries: Vec<Node<'_>> = rule.get("context").into_iter().flat_map(Node::items).collect();
    let is_used = |at: usize, name: &str| {
        let in_later = entries.iter().skip(at + 1).any(|entry| mentions(*entry, name));
        in_later || rule.entries().any(|(key, value)| key != "context" && mentions(value, name))
    };
    let names = entries.iter().map(|entry| entry.get("name").and_then(Node::as_str).unwrap_or_default());
    names.enumerate().filter(|(at, name)| !name.is_empty() && !is_used(*at, name)).collect()
}

/// Whether a word stands in any string or key.
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

/// Whether every filter of `match` asks for operations and none for CREATE.
fn never_creates(rule: Node<'_>) -> bool {
    let Some(block) = rule.get("match") else { return false };
    let listed: Vec<Node<'_>> =
        ["any", "all"].iter().filter_map(|key| block.get(key)).flat_map(Node::items).collect();
    let filters = if listed.is_empty() { vec![block] } else { listed };
    filters.iter().all(|filter| {
        filter.path(&["resources", "operations"]).is_some_and(|operations| {
            !operations.is_empty()
                && !operations.items().any(|operation| operation.as_str() == Some("CREATE"))
        })
    })
}
