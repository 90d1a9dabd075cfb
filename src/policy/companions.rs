//! The objects that have a say in what a policy means: exceptions, bindings.

use std::sync::Arc;

use super::PolicyRole;
use crate::document::{Document, Node};
use crate::gostd::wildcard;
use crate::model::{PolicyKey, PolicyKind};

/// An exception, a binding or the like, as it was read.
#[derive(Clone, Debug)]
pub struct CompanionSource {
    /// What it is to policies.
    pub role: PolicyRole,
    /// Its namespace, empty for cluster scope.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The object.
    pub document: Arc<Document>,
    /// Where it came from, for messages: a file with line, or `cluster`.
    pub origin: String,
}

impl CompanionSource {
    /// Whether it names the policy. An exception may use wildcards, which the reference takes literally, so that they match nothing there.
    pub fn is_for(&self, policy: &PolicyKey) -> bool {
        let Some(spec) = self.document.root().get("spec") else { return false };
        let text =
            |node: Node<'_>, key: &str, wanted: &str| node.get(key).and_then(Node::as_str) == Some(wanted);
        let any = |key: &str, is_it: &dyn Fn(Node<'_>) -> bool| {
            spec.get(key).into_iter().flat_map(Node::items).any(is_it)
        };
        match self.role {
            PolicyRole::Exception => {
                let name = policy.report_name();
                matches!(policy.kind, PolicyKind::ClusterPolicy | PolicyKind::Policy)
                    && any("exceptions", &|entry| {
                        let pattern = entry.get("policyName").and_then(Node::as_str);
                        pattern.is_some_and(|pattern| wildcard::matches(pattern, &name))
                    })
            }
            PolicyRole::CelException => any("policyRefs", &|reference| {
                text(reference, "name", &policy.name) && text(reference, "kind", policy.kind.as_str())
            }),
            PolicyRole::Binding(kind) => kind == policy.kind && text(spec, "policyName", &policy.name),
            PolicyRole::Policy(_) | PolicyRole::GlobalContextEntry => false,
        }
    }

    /// `namespace/name`, or the name alone.
    pub fn key(&self) -> String {
        if self.namespace.is_empty() {
            self.name.clone()
        } else {
            format!("{}/{}", self.namespace, self.name)
        }
    }
}
