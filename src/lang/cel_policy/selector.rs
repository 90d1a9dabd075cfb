//! Label selectors as Kubernetes reads them (apimachinery's `LabelSelectorAsSelector`), without wildcards.

use crate::document::Node;

/// A compiled label selector; all requirements must hold.
#[derive(Clone, Debug, Default)]
pub(super) struct LabelSelector {
    requirements: Vec<Requirement>,
    invalid: Option<String>,
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
    /// Compiles a selector; none and `{}` select everything.
    pub(super) fn compile(node: Option<Node<'_>>) -> Self {
        let mut selector = Self::default();
        let Some(node) = node else { return selector };
        for (key, value) in node.get("matchLabels").into_iter().flat_map(Node::sorted_entries) {
            let values = vec![value.as_str().unwrap_or_default().to_owned()];
            selector.requirements.push(Requirement { key: key.to_owned(), operator: Operator::In, values });
        }
        for expression in node.get("matchExpressions").into_iter().flat_map(Node::items) {
            selector.add(expression);
        }
        selector
    }

    fn add(&mut self, expression: Node<'_>) {
        let text = |key: &str| expression.get(key).and_then(Node::as_str).unwrap_or_default();
        let values = expression.get("values").into_iter().flat_map(Node::items);
        let values: Vec<String> = values.filter_map(Node::as_str).map(str::to_owned).collect();
        let operator = match text("operator") {
            "In" => Operator::In,
            "NotIn" => Operator::NotIn,
            "Exists" => Operator::Exists,
            "DoesNotExist" => Operator::DoesNotExist,
            other => {
                self.invalid = Some(format!("\"{other}\" is not a valid label selector operator"));
                return;
            }
        };
        self.requirements.push(Requirement { key: text("key").to_owned(), operator, values });
    }

    /// Whether it selects everything.
    pub(super) fn is_empty(&self) -> bool {
        self.requirements.is_empty() && self.invalid.is_none()
    }

    /// Why the API server would refuse it.
    pub(super) fn invalid(&self) -> Option<&str> {
        self.invalid.as_deref()
    }

    /// Whether labels meet all requirements.
    pub(super) fn is_match(&self, labels: Option<Node<'_>>) -> bool {
        self.requirements.iter().all(|requirement| {
            let value = labels.and_then(|labels| labels.get(&requirement.key)).and_then(Node::as_str);
            let is_in = || value.is_some_and(|value| requirement.values.iter().any(|known| known == value));
            match requirement.operator {
                Operator::In => is_in(),
                Operator::NotIn => !is_in(),
                Operator::Exists => value.is_some(),
                Operator::DoesNotExist => value.is_none(),
            }
        })
    }

    /// The selector's text form, as a request to the API server has it.
    pub(super) fn to_text(&self) -> String {
        let one = |requirement: &Requirement| {
            let Requirement { key, operator, values } = requirement;
            let values = values.join(",");
            match operator {
                Operator::In => format!("{key} in ({values})"),
                Operator::NotIn => format!("{key} notin ({values})"),
                Operator::Exists => key.clone(),
                Operator::DoesNotExist => format!("!{key}"),
            }
        };
        self.requirements.iter().map(one).collect::<Vec<_>>().join(",")
    }
}
