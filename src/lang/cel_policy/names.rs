//! Kinds and the plural names under which the API serves them, as admission rules name them.

use std::sync::LazyLock;

use crate::gostd::wildcard::Wildcard;
use crate::inventory::{Scopes, guess_plural};

static BUILTIN: LazyLock<Scopes> = LazyLock::new(Scopes::builtin);

/// The plural of a kind: that of the built-in kinds, guessed for others.
pub(super) fn plural_of(group: &str, kind: &str) -> String {
    match BUILTIN.get(group, kind) {
        Some(info) => info.plural.clone(),
        None => guess_plural(kind),
    }
}

/// Whether objects of a kind live in namespaces; kinds that nobody describes do.
pub(super) fn is_namespaced(group: &str, kind: &str) -> bool {
    BUILTIN.is_namespaced(group, kind)
}

/// Patterns that cover every kind that may be served under a plural name: the built-in ones, and for names that are not built in all kinds
/// of which the plural may be guessed.
pub(super) fn kinds_of_plural(group: &str, plural: &str) -> Vec<Wildcard> {
    if plural == "*" {
        return vec![Wildcard::new("*")];
    }
    let known = BUILTIN.gvks_of_plural(plural).filter(|gvk| group == "*" || gvk.group == group);
    let mut kinds: Vec<String> = known.map(|gvk| gvk.kind).collect();
    kinds.sort();
    kinds.dedup();
    if kinds.is_empty() {
        let mut chars = plural.chars();
        let first = chars.next().map_or('*', |c| c.to_ascii_uppercase());
        kinds.push(format!("{first}*"));
    }
    kinds.iter().map(|kind| Wildcard::new(kind)).collect()
}
