//! Kinds and the plural names under which the API serves them, as admission rules name them. Built-in kinds are known; of others facts tell.

use std::sync::LazyLock;

use crate::document::Node;
use crate::gostd::wildcard::Wildcard;
use crate::inventory::{Scopes, guess_plural};
use crate::lang::Inputs;
use crate::model::{FactKey, FactValue, ResourceId};

static BUILTIN: LazyLock<Scopes> = LazyLock::new(Scopes::builtin);

/// The plural under which a resource's kind is served; `None` if the fact that tells it has to be fetched first. What nobody tells is guessed.
pub(super) fn plural_of(resource: &ResourceId, inputs: &Inputs<'_>) -> Option<String> {
    let key = &resource.key;
    if let Some(plural) = builtin_plural(&key.group, &key.kind) {
        return Some(plural.to_owned());
    }
    let fact =
        FactKey::Kind { group: key.group.clone(), version: resource.version.clone(), kind: key.kind.clone() };
    let served = match inputs.fact(&fact)? {
        FactValue::Found(served) => served.root().get("plural").and_then(Node::as_str),
        FactValue::Missing | FactValue::Failed { .. } | FactValue::Refused(_) => None,
    };
    Some(served.map_or_else(|| guess_plural(&key.kind), str::to_owned))
}

/// The plural of a built-in kind.
pub(super) fn builtin_plural(group: &str, kind: &str) -> Option<&'static str> {
    BUILTIN.get(group, kind).map(|info| info.plural.as_str())
}

/// Whether objects of a built-in kind live in namespaces.
pub(super) fn is_namespaced(group: &str, kind: &str) -> Option<bool> {
    BUILTIN.get(group, kind).map(|info| info.is_namespaced)
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
