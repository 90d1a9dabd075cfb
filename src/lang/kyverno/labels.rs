//! Label selectors as Kyverno reads them: those of Kubernetes, with wildcards in the keys and values of `matchLabels`.
//!
//! A selector that Kubernetes would refuse matches nothing (`pkg/utils/match/labels.go`, apimachinery's `LabelSelectorAsSelector`).

use crate::document::Node;
use crate::gostd::wildcard::{Wildcard, contains_wildcard};

/// A compiled label selector.
#[derive(Clone, Debug, Default)]
pub(super) struct LabelSelector {
    labels: Vec<LabelPattern>,
    expressions: Vec<Requirement>,
    is_invalid: bool,
}

#[derive(Clone, Debug)]
struct LabelPattern {
    key: Wildcard,
    value: Wildcard,
    /// With wildcards: what is compared when no label of the object fits.
    fallback: Option<(String, String)>,
}

#[derive(Clone, Debug)]
struct Requirement {
    key: String,
    operator: Operator,
    values: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
}

impl LabelSelector {
    /// Compiles a selector; `{}` selects everything.
    pub(super) fn compile(node: Node<'_>) -> Self {
        let mut selector = Self::default();
        for (key, value) in node.get("matchLabels").into_iter().flat_map(Node::sorted_entries) {
            selector.add_label(key, value.as_str().unwrap_or_default());
        }
        for expression in node.get("matchExpressions").into_iter().flat_map(Node::items) {
            match Requirement::compile(expression) {
                Some(requirement) => selector.expressions.push(requirement),
                None => selector.is_invalid = true,
            }
        }
        selector
    }

    fn add_label(&mut self, key: &str, value: &str) {
        let fallback = (contains_wildcard(key) || contains_wildcard(value))
            .then(|| (key.replace(['*', '?'], "0"), value.replace(['*', '?'], "0")));
        self.is_invalid |= match &fallback {
            Some((key, value)) => !is_label_key(key) || !is_label_value(value),
            None => !is_label_key(key) || !is_label_value(value),
        };
        self.labels.push(LabelPattern { key: Wildcard::new(key), value: Wildcard::new(value), fallback });
    }

    /// Whether the selector is one that Kubernetes would refuse, so that it matches nothing.
    pub(super) fn is_invalid(&self) -> bool {
        self.is_invalid
    }

    /// Whether the labels, a map of strings or nothing, satisfy the selector.
    pub(super) fn is_match(&self, labels: Option<Node<'_>>) -> bool {
        !self.is_invalid
            && self.labels.iter().all(|pattern| pattern.is_match(labels))
            && self.expressions.iter().all(|requirement| requirement.is_match(labels))
    }
}

impl LabelPattern {
    fn is_match(&self, labels: Option<Node<'_>>) -> bool {
        let Some(labels) = labels else { return false };
        let value_of = |key: &str| labels.get(key).and_then(Node::as_str);
        let Some((key, value)) = &self.fallback else {
            return value_of(self.key.as_str()) == Some(self.value.as_str());
        };
        let fits = |(key, value): (&str, Node<'_>)| {
            self.key.is_match(key) && value.as_str().is_some_and(|value| self.value.is_match(value))
        };
        labels.entries().any(fits) || value_of(key) == Some(value)
    }
}

impl Requirement {
    fn compile(node: Node<'_>) -> Option<Self> {
        let key = node.get("key")?.as_str()?.to_owned();
        let operator = match node.get("operator")?.as_str()? {
            "In" => Operator::In,
            "NotIn" => Operator::NotIn,
            "Exists" => Operator::Exists,
            "DoesNotExist" => Operator::DoesNotExist,
            _ => return None,
        };
        let values: Vec<String> = node
            .get("values")
            .into_iter()
            .flat_map(Node::items)
            .map(|value| value.as_str().map(str::to_owned))
            .collect::<Option<_>>()?;
        let wants_values = matches!(operator, Operator::In | Operator::NotIn);
        let is_valid = values.is_empty() != wants_values
            && is_label_key(&key)
            && values.iter().all(|v| is_label_value(v));
        is_valid.then_some(Self { key, operator, values })
    }

    fn is_match(&self, labels: Option<Node<'_>>) -> bool {
        let value = labels.and_then(|labels| labels.get(&self.key)).and_then(Node::as_str);
        let is_listed = || value.is_some_and(|value| self.values.iter().any(|v| v == value));
        match self.operator {
            Operator::In => is_listed(),
            Operator::NotIn => !is_listed(),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    }
}

/// A qualified name: an optional DNS prefix and `/`, then up to 63 letters, digits, `-`, `_`, `.` that start and end alphanumerically.
fn is_label_key(key: &str) -> bool {
    match key.split_once('/') {
        Some((prefix, name)) => {
            let is_dns =
                prefix.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b));
            !prefix.is_empty() && prefix.len() <= 253 && is_dns && is_name(name)
        }
        None => is_name(key),
    }
}

fn is_label_value(value: &str) -> bool {
    value.is_empty() || is_name(value)
}

fn is_name(name: &str) -> bool {
    let is_edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    bytes.len() <= 63
        && is_edge(bytes.first())
        && is_edge(bytes.last())
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b))
}
