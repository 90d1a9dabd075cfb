//! What reports show of a policy, read from its annotations.

use super::Presentation;
use crate::document::Node;
use crate::model::Severity;

impl Presentation {
    /// Reads a policy object's annotations, and whether it switches background scans off. Upstream: `pkg/utils/report/results.go`.
    pub fn of(policy: Node<'_>) -> Self {
        let annotations = policy.path(&["metadata", "annotations"]);
        let annotation = |key: &str| annotations.and_then(|all| all.get(key)).and_then(Node::as_str);
        let has_background = [&["spec", "background"][..], &["spec", "evaluation", "background", "enabled"]]
            .into_iter()
            .all(|path| policy.path(path).and_then(Node::as_bool) != Some(false));
        Self {
            category: annotation("policies.kyverno.io/category").filter(|c| !c.is_empty()).map(str::to_owned),
            severity: annotation("policies.kyverno.io/severity").and_then(Severity::of),
            is_scored: annotation("policies.kyverno.io/scored") != Some("false"),
            process: if has_background { "background scan" } else { "admission review" },
        }
    }
}
