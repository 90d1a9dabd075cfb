//! The JMESPath expressions of a rule: those that do not compile, functions that do not exist, variables that nothing defines.
//!
//! Only what stands for itself is looked at: an expression with another one inside shows what it is when that one has its value.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::document::{Kind, Node};
use crate::lang::jmespath::{Name, Program, names};
use crate::lang::kyverno::rule;
use crate::policy::Warning;

/// What the reference's contexts hold beside context entries (`pkg/engine/context/context.go`).
const VARIABLES: [&str; 6] =
    ["request", "images", "target", "serviceAccountName", "serviceAccountNamespace", "element"];

/// The fields of an admission request (`admission/v1`), and what the reference adds.
const REQUEST_FIELDS: [&str; 17] = [
    "uid",
    "kind",
    "resource",
    "subResource",
    "requestKind",
    "requestResource",
    "requestSubResource",
    "name",
    "namespace",
    "operation",
    "userInfo",
    "object",
    "oldObject",
    "dryRun",
    "options",
    "roles",
    "clusterRoles",
];

/// An expression in a text of a rule.
struct Found<'d> {
    path: String,
    /// Without the blanks around it.
    text: &'d str,
    /// Where it stands in the field's text, in bytes; `None` if it stands in a key.
    at: Option<usize>,
    /// Whether its names are looked up among the variables, and not in a value that is not known here.
    is_over_variables: bool,
}

impl Found<'_> {
    fn warning(&self, part: Range<usize>, message: String) -> Warning {
        let warning = Warning::new(&self.path, message);
        match self.at {
            Some(at) => warning.about(at + part.start..at + part.end.max(part.start + 1)),
            None => warning,
        }
    }
}

/// Notes the expressions that are no JMESPath or call functions that do not exist.
pub(super) fn broken(rule: Node<'_>, path: &str, errors: &mut Vec<Warning>) {
    for found in expressions(rule, path) {
        let text = found.text;
        match Program::compile(text) {
            Err(error) => {
                let end = text.get(error.position..).and_then(|rest| rest.chars().next());
                let start = if end.is_some() { error.position } else { text.len().saturating_sub(1) };
                let message = format!("`{text}` is not JMESPath: {error}");
                errors.push(found.warning(start..start + end.map_or(1, char::len_utf8), message));
            }
            Ok(program) => {
                let unknown = program.unknown_functions();
                let calls = names(text).into_iter().filter(|name| name.is_call);
                errors.extend(calls.filter(|name| unknown.contains(&name.text)).map(|name| {
                    let message = format!("there is no function `{}`", name.text);
                    found.warning(name.range, message)
                }));
            }
        }
    }
}

/// Notes the variables that neither a request nor a context entry defines.
pub(super) fn undefined(rule: Node<'_>, path: &str, warnings: &mut Vec<Warning>) {
    let mut defined = BTreeSet::new();
    declare(rule, &mut defined);
    let is_element = |name: &str| {
        let digits = name.strip_prefix("elementIndex").or_else(|| name.strip_prefix("element"));
        digits.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
    };
    for found in expressions(rule, path).into_iter().filter(|found| found.is_over_variables) {
        let Ok(program) = Program::compile(found.text) else { continue };
        let roots = program.free_roots();
        for name in names(found.text) {
            let root = name.text.as_str();
            if name.is_call || !roots.iter().any(|free| free == root) {
                continue;
            }
            let is_defined = VARIABLES.contains(&root) || is_element(root) || defined.contains(root);
            if !is_defined {
                let written = found.text.get(name.range.clone()).unwrap_or_default();
                let message = format!("nothing defines the variable `{written}`");
                warnings.push(found.warning(name.range, message));
            } else if let Some((field, range)) = unknown_field(&name) {
                warnings.push(found.warning(range, format!("a request has no field `{field}`")));
            }
        }
    }
}

fn unknown_field(name: &Name) -> Option<(String, Range<usize>)> {
    let (field, range) = name.field.as_ref().filter(|_| name.text == "request")?;
    (!REQUEST_FIELDS.contains(&field.as_str())).then(|| (field.clone(), range.clone()))
}

/// The names of context entries, anywhere in a rule.
fn declare<'d>(node: Node<'d>, defined: &mut BTreeSet<&'d str>) {
    for entry in node.get("context").into_iter().flat_map(Node::items) {
        defined.extend(entry.get("name").and_then(Node::as_str).map(|name| {
            // A dotted name defines a part of what is called like its first step.
            name.split('.').next().unwrap_or_default()
        }));
    }
    for action in ["validate", "mutate", "generate"].iter().filter_map(|key| node.get(key)).chain([node]) {
        action.get("foreach").into_iter().flat_map(Node::items).for_each(|each| declare(each, defined));
    }
}

/// The expressions of a rule.
fn expressions<'d>(rule: Node<'d>, path: &str) -> Vec<Found<'d>> {
    let mut found = Vec::new();
    collect(rule, path, &mut found);
    found
}

fn collect<'d>(node: Node<'d>, path: &str, found: &mut Vec<Found<'d>>) {
    match node.kind() {
        Kind::String => variables(node.as_str().unwrap_or_default(), path, false, found),
        Kind::Array => {
            for (index, item) in node.items().enumerate() {
                collect(item, &format!("{path}[{index}]"), found);
            }
        }
        Kind::Object => {
            // CEL and pod security have texts of their own, and attestations variables of their own.
            let is_read = |key: &str| !["cel", "podSecurity", "verifyImages"].contains(&key);
            for (key, value) in node.entries().filter(|(key, _)| is_read(key)) {
                let below = format!("{path}.{key}");
                variables(key, &below, true, found);
                match value.as_str().filter(|text| !text.contains("{{")) {
                    Some(text) if is_expression(path, key) => {
                        let is_over_variables = key == "list" || is_variable(node, path);
                        let at = Some(text.len() - text.trim_start().len());
                        found.push(Found { path: below, text: text.trim(), at, is_over_variables });
                    }
                    _ => collect(value, &below, found),
                }
            }
        }
        _ => {}
    }
}

/// Whether a field is an expression as it stands.
fn is_expression(path: &str, key: &str) -> bool {
    let is_each = || path.rsplit_once('.').is_some_and(|(_, last)| last.starts_with("foreach["));
    key == "jmesPath" || (key == "list" && is_each())
}

/// Whether a map is a context entry that computes a value out of the variables.
fn is_variable(node: Node<'_>, path: &str) -> bool {
    path.ends_with("].variable") && node.get("value").is_none()
}

/// What stands between `{{` and `}}`, where nothing has to be substituted within it first.
fn variables<'d>(text: &'d str, path: &str, is_key: bool, found: &mut Vec<Found<'d>>) {
    for range in rule::variables_in(text) {
        let (start, end) = (range.start + 2, range.end.saturating_sub(2));
        let inside = text.get(start..end).unwrap_or_default();
        let expression = inside.trim();
        if expression.is_empty() || expression.contains("$(") {
            continue;
        }
        let at = start + inside.len() - inside.trim_start().len();
        let at = (!is_key).then_some(at);
        found.push(Found { path: path.to_owned(), text: expression, at, is_over_variables: true });
    }
}
