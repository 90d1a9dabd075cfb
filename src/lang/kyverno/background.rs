//! Whether a cluster's scan evaluates a kyverno.io policy, and if not, why: the reference's `CanBackgroundProcess`.
//!
//! Upstream: `pkg/controllers/report/utils/utils.go`, `pkg/validation/policy/background.go` and `validate.go`. The reference drops such policies
//! silently; here each has a reason that names the field or variable.

use crate::document::{Kind, Node};
use crate::gostd::wildcard;
use crate::matching::KindPattern;

#[cfg(test)]
mod tests;

/// Variables that only a request by somebody has.
const USER_VARIABLES: [&str; 5] = [
    "serviceAccountName",
    "serviceAccountNamespace",
    "request.userInfo",
    "request.roles",
    "request.clusterRoles",
];

/// Why a scan of a cluster leaves the policy out; `None` if it does not. `rules` are all rules, derived ones included.
pub(super) fn objection(policy: Node<'_>, rules: &[Node<'_>]) -> Option<String> {
    if policy.path(&["spec", "background"]).and_then(Node::as_bool) == Some(false) {
        return Some("`spec.background` is false".to_owned());
    }
    if policy.path(&["status", "validatingadmissionpolicy", "generated"]).and_then(Node::as_bool)
        == Some(true)
    {
        return Some("a ValidatingAdmissionPolicy was generated from it".to_owned());
    }
    rules.iter().find_map(|rule| user_filter(*rule).or_else(|| every_kind(*rule))).or_else(|| {
        let has_targets = |rule: &Node<'_>| rule.path(&["mutate", "targets"]).is_some_and(|t| !t.is_empty());
        if rules.iter().any(has_targets) { None } else { rules.iter().find_map(|rule| variable(*rule)) }
    })
}

fn rule_name(rule: Node<'_>) -> &str {
    rule.get("name").and_then(Node::as_str).unwrap_or_default()
}

/// Roles, cluster roles and subjects in `match` and `exclude`.
fn user_filter(rule: Node<'_>) -> Option<String> {
    let name = rule_name(rule);
    for block in ["match", "exclude"] {
        for (path, filter) in filters(rule, block) {
            let is_set = |key: &&str| filter.get(key).is_some_and(|list| !list.is_empty());
            if let Some(key) = ["roles", "clusterRoles", "subjects"].iter().find(|key| is_set(key)) {
                return Some(format!("rule `{name}` needs user information: `{path}.{key}`"));
            }
        }
    }
    None
}

/// A rule for every kind would have a scan list the whole cluster.
fn every_kind(rule: Node<'_>) -> Option<String> {
    for (path, filter) in filters(rule, "match") {
        let kinds = filter.path(&["resources", "kinds"]);
        if kinds
            .into_iter()
            .flat_map(Node::items)
            .filter_map(Node::as_str)
            .any(|kind| KindPattern::parse(kind).is_any_kind())
        {
            return Some(format!("rule `{}` is for every kind: `{path}.resources.kinds`", rule_name(rule)));
        }
    }
    None
}

fn filters<'d>(rule: Node<'d>, block: &'static str) -> Vec<(String, Node<'d>)> {
    let Some(node) = rule.get(block) else { return Vec::new() };
    let mut filters = vec![(block.to_owned(), node)];
    for key in ["any", "all"] {
        for (index, filter) in node.get(key).into_iter().flat_map(Node::items).enumerate() {
            filters.push((format!("{block}.{key}[{index}]"), filter));
        }
    }
    filters
}

fn variable(rule: Node<'_>) -> Option<String> {
    let name = rule_name(rule);
    if let Some(variable) = variables(rule).iter().find(|variable| names_user(variable)) {
        return Some(format!("rule `{name}` needs user information: `{{{{{variable}}}}}`"));
    }
    let unknown = *unknown_variables(rule).first()?;
    Some(format!("rule `{name}` uses a variable that nothing defines: `{{{{{unknown}}}}}`"))
}

/// The expressions of a rule's variables, as they stand between the braces; not those of what it mutates or generates, and not those of
/// attestations, which have variables of their own making.
fn variables(rule: Node<'_>) -> Vec<&str> {
    let mut variables = Vec::new();
    for (key, value) in rule.entries() {
        if !["mutate", "generate", "verifyImages"].contains(&key) {
            collect(value, &mut variables);
        }
    }
    variables
}

/// The variables of a rule that neither a request nor a context entry defines.
pub(super) fn unknown_variables(rule: Node<'_>) -> Vec<&str> {
    let mut declared = Vec::new();
    declare(rule, &mut declared);
    let user = |variable: &&str| names_user(variable);
    variables(rule).into_iter().filter(|v| !user(v) && !is_known(v, &declared)).collect()
}

/// The innermost `{{ … }}` of every string.
fn collect<'d>(node: Node<'d>, variables: &mut Vec<&'d str>) {
    match node.kind() {
        Kind::String => collect_text(node.as_str().unwrap_or_default(), variables),
        Kind::Array => node.items().for_each(|item| collect(item, variables)),
        Kind::Object => node.entries().for_each(|(key, value)| {
            collect_text(key, variables);
            collect(value, variables);
        }),
        _ => {}
    }
}

fn collect_text<'d>(text: &'d str, variables: &mut Vec<&'d str>) {
    let mut rest = text;
    while let Some(end) = rest.find("}}") {
        // A brace that a multi-select hash closes belongs to the variable.
        let extra = rest.get(end + 2..).map_or(0, |behind| behind.bytes().take_while(|b| *b == b'}').count());
        let inside = rest.get(..end + extra).unwrap_or_default();
        if let Some(start) = inside.rfind("{{")
            && !inside.get(..start).is_some_and(|before| before.ends_with('\\'))
        {
            variables.push(inside.get(start + 2..).unwrap_or_default());
        }
        rest = rest.get(end + extra + 2..).unwrap_or_default();
    }
}

/// Whether a user variable stands in the expression other than as somebody's field.
fn names_user(expression: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    USER_VARIABLES.iter().any(|name| {
        expression.match_indices(name).any(|(at, _)| {
            let before = expression.get(..at).and_then(|text| text.chars().next_back());
            let behind = expression.get(at + name.len()..).and_then(|text| text.chars().next());
            before != Some('.') && !behind.is_some_and(is_word)
        })
    })
}

/// Names that context entries of the rule and of its `foreach` lists define, as patterns.
fn declare(node: Node<'_>, declared: &mut Vec<String>) {
    for entry in node.get("context").into_iter().flat_map(Node::items) {
        let name = entry.get("name").and_then(Node::as_str).unwrap_or_default();
        if entry.get("configMap").is_some() {
            declared
                .extend([".data", ".metadata", ".data.*", ".metadata.*"].map(|tail| format!("{name}{tail}")));
        } else {
            declared.push(format!("{name}*"));
        }
    }
    for list in [node.get("validate").and_then(|v| v.get("foreach")), node.get("foreach")] {
        list.into_iter().flat_map(Node::items).for_each(|each| declare(each, declared));
    }
}

/// Whether an expression mentions something that a scan defines: the reference only looks for one known name anywhere in it.
fn is_known(expression: &str, declared: &[String]) -> bool {
    let expression = expression.replace('"', "");
    let expression = expression.trim();
    let has_call = || {
        expression.char_indices().any(|(at, c)| {
            let before = expression.get(..at).and_then(|text| text.chars().next_back());
            let behind = expression.get(at + 1..).and_then(|text| text.chars().next());
            c == '('
                && before.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
                && behind.is_some_and(|c| c != '{' && c != '}')
        })
    };
    ["request.", "element", "@", "images", "image."].iter().any(|known| expression.contains(known))
        || has_call()
        || declared.iter().any(|pattern| wildcard::matches(pattern, expression))
}
