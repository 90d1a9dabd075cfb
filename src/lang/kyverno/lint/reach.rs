//! Rules that are never asked: nothing can match them, their preconditions are never met, or another rule always answers first.
//!
//! What is said holds for every resource of a scan; where that cannot be told, nothing is said.

use crate::document::{Document, DocumentBuilder, Kind, Node};
use crate::gostd::wildcard::{self, contains_wildcard};
use crate::lang::jmespath::names;
use crate::lang::kyverno::rule;
use crate::policy::Warning;

/// Whether every filter of `match` asks for operations and none for CREATE.
pub(super) fn never_creates(rule: Node<'_>) -> bool {
    let Some(block) = rule.get("match") else { return false };
    Block::of(block).filters.iter().all(|filter| {
        filter.path(&["resources", "operations"]).is_some_and(|operations| {
            !operations.is_empty()
                && !operations.items().any(|operation| operation.as_str() == Some("CREATE"))
        })
    })
}

/// Why a rule is never asked in a scan, as far as that can be told. `earlier` are the rules in front of it, if an answer of one of them is the
/// last of the policy (`applyRules: One`).
pub(super) fn unreachable(rule: Node<'_>, path: &str, earlier: &[Node<'_>]) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let empty = Document::null();
    let matches = Block::of(rule.get("match").unwrap_or_else(|| empty.root()));
    if let Some(exclude) = rule.get("exclude").filter(|exclude| !exclude.is_empty())
        && matches.is_within(&Block::of(exclude))
    {
        let message = "`exclude` takes out everything that `match` lets in, so the rule is never asked";
        warnings.push(Warning::new(format!("{path}.exclude"), message));
    }
    if let Some((place, message)) = never_met(rule.get("preconditions")) {
        warnings.push(Warning::new(format!("{path}.preconditions{place}"), message));
    }
    let takes_over = |other: &&Node<'_>| {
        let block = other.get("match").map(Block::of);
        always_answers(**other) && block.is_some_and(|block| matches.is_within(&block))
    };
    if let Some(other) = earlier.iter().find(takes_over) {
        let name = other.get("name").and_then(Node::as_str).unwrap_or_default();
        let message =
            format!("rule `{name}` always answers first, and `applyRules` is One: this rule is never asked");
        warnings.push(Warning::new(path, message));
    }
    warnings
}

/// A `match` or `exclude`.
struct Block<'d> {
    /// Whether one filter is enough.
    is_any: bool,
    filters: Vec<Node<'d>>,
}

impl<'d> Block<'d> {
    fn of(node: Node<'d>) -> Self {
        let list = |key: &str| -> Vec<Node<'d>> { node.get(key).into_iter().flat_map(Node::items).collect() };
        let (any, all) = (list("any"), list("all"));
        match (any.is_empty(), all.is_empty()) {
            (false, _) => Self { is_any: true, filters: any },
            (true, false) => Self { is_any: false, filters: all },
            (true, true) => Self { is_any: false, filters: vec![node] },
        }
    }

    /// Whether all that this block means is also meant by the other one.
    fn is_within(&self, other: &Self) -> bool {
        let is_in = |narrow: &[Node<'d>]| {
            let covered = |wide: &Node<'_>| narrow.iter().any(|narrow| covers(*wide, *narrow));
            if other.is_any { other.filters.iter().any(covered) } else { other.filters.iter().all(covered) }
        };
        if self.is_any {
            self.filters.iter().all(|filter| is_in(std::slice::from_ref(filter)))
        } else {
            is_in(&self.filters)
        }
    }
}

/// Whether all that one filter means is also meant by another.
fn covers(wide: Node<'_>, narrow: Node<'_>) -> bool {
    let has = |key: &str| wide.get(key).is_some_and(|part| !part.is_empty());
    let Some(criteria) = wide.get("resources").filter(|criteria| !criteria.is_empty()) else { return false };
    let own = |key: &str| narrow.path(&["resources", key]);
    let is_implied = |key: &str, wanted: Node<'_>| match key {
        "kinds" => all_covered(wanted, own("kinds"), covers_kind),
        "namespaces" => all_covered(wanted, own("namespaces"), covers_text),
        "name" | "names" => {
            let wide: Vec<&str> = texts(wanted);
            let narrow = own("names").filter(|names| !names.is_empty()).or(own("name")).map(texts);
            narrow.is_some_and(|narrow| {
                !narrow.is_empty() && narrow.iter().all(|n| wide.iter().any(|w| covers_text(w, n)))
            })
        }
        "operations" => wanted.items().any(|operation| operation.as_str() == Some("CREATE")),
        _ => own(key).is_some_and(|own| own.to_json() == wanted.to_json()),
    };
    !["subjects", "roles", "clusterRoles"].into_iter().any(has)
        && criteria.entries().all(|(key, wanted)| !is_set(wanted) || is_implied(key, wanted))
}

/// Whether a criterion says anything.
fn is_set(criterion: Node<'_>) -> bool {
    criterion.as_str().map_or(!criterion.is_empty(), |text| !text.is_empty())
}

/// The texts of a list, or one text.
fn texts(node: Node<'_>) -> Vec<&str> {
    match node.as_str() {
        Some(text) => vec![text],
        None => node.items().filter_map(Node::as_str).collect(),
    }
}

fn all_covered(wide: Node<'_>, narrow: Option<Node<'_>>, covers: fn(&str, &str) -> bool) -> bool {
    let wide = texts(wide);
    let narrow = narrow.map(texts).unwrap_or_default();
    !narrow.is_empty() && narrow.iter().all(|narrow| wide.iter().any(|wide| covers(wide, narrow)))
}

fn covers_text(wide: &str, narrow: &str) -> bool {
    wide == narrow || wide == "*" || (!contains_wildcard(narrow) && wildcard::matches(wide, narrow))
}

fn covers_kind(wide: &str, narrow: &str) -> bool {
    let is_plain = !wide.contains(['/', '.', '*', '?']);
    wide == narrow
        || matches!(wide, "*" | "*/*")
        // Any group and version of a kind, but not of a subresource.
        || (is_plain && narrow.rsplit_once('/').is_some_and(|(_, kind)| kind == wide))
}

/// Whether a rule passes or fails whatever it matches.
fn always_answers(rule: Node<'_>) -> bool {
    let is_asked = ["exclude", "preconditions", "celPreconditions", "context"]
        .iter()
        .all(|key| rule.get(key).is_none_or(Node::is_empty));
    let check = rule.get("validate").and_then(|v| v.get("pattern").or_else(|| v.get("anyPattern")));
    is_asked && check.is_some_and(|check| !can_skip_or_err(check))
}

/// Whether a pattern has variables, or anchors that decide whether it applies.
fn can_skip_or_err(pattern: Node<'_>) -> bool {
    let has_variables = |text: &str| text.contains("{{") || text.contains("$(");
    match pattern.kind() {
        Kind::String => has_variables(pattern.as_str().unwrap_or_default()),
        Kind::Array => pattern.items().any(can_skip_or_err),
        Kind::Object => pattern.entries().any(|(key, value)| {
            key.starts_with('(') || key.starts_with("<(") || has_variables(key) || can_skip_or_err(value)
        }),
        _ => false,
    }
}

/// The place below `preconditions` that is never met, and what to say of it.
fn never_met(preconditions: Option<Node<'_>>) -> Option<(String, String)> {
    let node = preconditions?;
    let list = |key: &str| -> Vec<Node<'_>> { node.get(key).into_iter().flat_map(Node::items).collect() };
    let is_false = |condition: &Node<'_>| is_constant(*condition) && holds(*condition) == Some(false);
    let (all, below) = match node.kind() {
        Kind::Array => (node.items().collect(), String::new()),
        _ => (list("all"), ".all".to_owned()),
    };
    let message = "this is never met in a scan, so the rule is always skipped".to_owned();
    if let Some(at) = all.iter().position(is_false) {
        return Some((format!("{below}[{at}]"), message));
    }
    let any = list("any");
    let is_never = !any.is_empty() && any.iter().all(is_false);
    is_never.then(|| (".any".to_owned(), message))
}

/// Whether a condition names nothing but what is the same for all requests of a scan.
fn is_constant(condition: Node<'_>) -> bool {
    const OF_EVERY_SCAN: [&str; 5] = ["operation", "oldObject", "userInfo", "roles", "clusterRoles"];
    let mut is_constant = true;
    each_text(condition, &mut |text| {
        is_constant &= !text.contains("$(");
        for range in rule::variables_in(text) {
            let inside = text.get(range.start + 2..range.end.saturating_sub(2)).unwrap_or_default();
            is_constant &= names(inside).iter().all(|name| {
                let field = name.field.as_ref().map_or("", |(field, _)| field.as_str());
                name.is_call || (name.text == "request" && OF_EVERY_SCAN.contains(&field))
            });
        }
    });
    is_constant
}

fn each_text(node: Node<'_>, tell: &mut dyn FnMut(&str)) {
    if let Some(text) = node.as_str() {
        tell(text);
    }
    for below in node.items().chain(node.entries().map(|(_, value)| value)) {
        each_text(below, tell);
    }
}

fn holds(condition: Node<'_>) -> Option<bool> {
    let mut list = DocumentBuilder::new();
    list.open_array();
    list.node(condition);
    list.close();
    rule::holds_everywhere(list.finish().root())
}
