//! Anchors where they mean nothing: what the reference's policy validation refuses (`pkg/validation/policy/validate.go`,
//! `pkg/engine/validate/pattern`), and items of a pattern's list that are never looked at.

use crate::document::{Kind, Node};
use crate::policy::Warning;

/// Where a pattern stands, which decides what its keys may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    /// It is compared with an object.
    Compared,
    /// It is laid over an object.
    Laid,
    /// It becomes an object.
    Made,
    /// It holds expressions and no pattern at all.
    Conditions,
}

/// Notes the anchors of a rule that mean nothing where they stand.
pub(super) fn misplaced(rule: Node<'_>, path: &str, warnings: &mut Vec<Warning>) {
    let mut look = |keys: &[&str], used: Use| {
        if let Some(node) = rule.path(keys) {
            visit(node, &format!("{path}.{}", keys.join(".")), used, warnings);
        }
    };
    look(&["preconditions"], Use::Conditions);
    look(&["mutate", "patchStrategicMerge"], Use::Laid);
    look(&["generate", "data"], Use::Made);
    if let Some(validate) = rule.get("validate") {
        checks(validate, &format!("{path}.validate"), warnings);
    }
}

/// The checks of `validate`, or of one `foreach`.
fn checks(node: Node<'_>, path: &str, warnings: &mut Vec<Warning>) {
    if let Some(pattern) = node.get("pattern") {
        visit(pattern, &format!("{path}.pattern"), Use::Compared, warnings);
    }
    for (index, pattern) in node.get("anyPattern").into_iter().flat_map(Node::items).enumerate() {
        visit(pattern, &format!("{path}.anyPattern[{index}]"), Use::Compared, warnings);
    }
    for keys in [&["deny", "conditions"][..], &["preconditions"]] {
        if let Some(conditions) = node.path(keys) {
            visit(conditions, &format!("{path}.{}", keys.join(".")), Use::Conditions, warnings);
        }
    }
    for (index, each) in node.get("foreach").into_iter().flat_map(Node::items).enumerate() {
        checks(each, &format!("{path}.foreach[{index}]"), warnings);
    }
}

fn visit(node: Node<'_>, path: &str, used: Use, warnings: &mut Vec<Warning>) {
    match node.kind() {
        Kind::Object => {
            for (key, value) in node.entries() {
                let path = format!("{path}.{key}");
                if let Some(message) = objection(key, value, used) {
                    warnings.push(Warning::new(&path, message));
                }
                visit(value, &path, used, warnings);
            }
        }
        Kind::Array => {
            let items: Vec<Node<'_>> = node.items().collect();
            for (index, item) in items.iter().enumerate() {
                visit(*item, &format!("{path}[{index}]"), used, warnings);
            }
            // Below an existence anchor, each item asks for an item of its own.
            let is_existence = path.rsplit_once('.').is_some_and(|(_, key)| key.starts_with("^("));
            let is_first_only = items.first().is_some_and(|first| first.kind() != Kind::Array);
            if used == Use::Compared && is_first_only && !is_existence && items.len() > 1 {
                let message = "only the first item of a list in a pattern is looked at".to_owned();
                warnings.push(Warning::new(format!("{path}[1]"), message));
            }
        }
        _ => {}
    }
}

/// The anchor at the start of a key that ends as one: what stands in front of the parenthesis.
fn anchor_of(key: &str) -> Option<&str> {
    let (before, inside) = key.split_once('(')?;
    let is_anchor = inside.len() > 1 && key.ends_with(')') && before.len() <= 1;
    is_anchor.then_some(before)
}

fn objection(key: &str, value: Node<'_>, used: Use) -> Option<String> {
    let Some(anchor) = anchor_of(key) else { return unclosed(key, used) };
    let is_known = ["", "<", "=", "^", "X", "+"].contains(&anchor);
    match (used, anchor) {
        (_, anchor) if !is_known => {
            Some(format!("there is no anchor `{anchor}()`; the key is taken as it is"))
        }
        (Use::Conditions, _) => Some(format!("`{key}` is an anchor, which conditions do not have")),
        (Use::Made, _) => Some(format!("`{key}` is an anchor, which an object that is made does not have")),
        (Use::Compared, "+") => Some(
            "`+()` adds what is missing and only means something in `mutate`; here the key is taken as it is"
                .into(),
        ),
        (Use::Laid, "X" | "^" | "=") => Some(format!("`{anchor}()` only means something in `validate`")),
        (Use::Compared, "^") if value.kind() != Kind::Array => {
            Some("an existence anchor `^()` takes a list of what has to be there".to_owned())
        }
        (Use::Compared, "^") if value.is_empty() => {
            Some("an existence anchor `^()` takes at least one item that has to be there".to_owned())
        }
        (Use::Compared, "^") if value.items().any(|item| item.kind() != Kind::Object) => {
            Some("an existence anchor `^()` takes a list of maps; other items match nothing".to_owned())
        }
        _ => None,
    }
}

/// A key that begins as an anchor and does not end as one.
fn unclosed(key: &str, used: Use) -> Option<String> {
    let begins = ["(", "<(", "=(", "^(", "X(", "+("].iter().any(|start| key.starts_with(start));
    let message =
        || format!("`{key}` begins like an anchor and does not end with a parenthesis; it is taken as it is");
    (begins && used != Use::Conditions && !key.ends_with(')')).then(message)
}
