//! Which resources a policy is about, as far as their identity tells: kinds, namespaces, names.
//!
//! What needs the object itself (labels, annotations, a namespace's labels) is part of an evaluation, so that its reads are tracked;
//! a resource that is selected here and not matched there has a verdict without outcomes.

use crate::gostd::wildcard::Wildcard;
use crate::model::ResourceId;

/// A kind selector of a policy: each part may hold wildcards; `*` stands for everything.
#[derive(Clone, Debug)]
pub struct KindSelector {
    /// API group.
    pub group: Wildcard,
    /// Version.
    pub version: Wildcard,
    /// Kind.
    pub kind: Wildcard,
}

/// What a policy makes pairs with. Wider than what it matches, never narrower.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Any of these kinds.
    pub kinds: Vec<KindSelector>,
    /// Only this namespace, for namespaced policies; cluster-scoped resources are then left out.
    pub namespace: Option<String>,
}

impl Selection {
    /// Whether the policy makes a pair with the resource.
    pub fn selects(&self, resource: &ResourceId) -> bool {
        self.namespace.as_ref().is_none_or(|namespace| *namespace == resource.key.namespace)
            && self.kinds.iter().any(|kind| kind.selects(resource))
    }
}

impl KindSelector {
    /// Whether the resource is of this kind.
    pub fn selects(&self, resource: &ResourceId) -> bool {
        self.kind.is_match(&resource.key.kind)
            && self.group.is_match(&resource.key.group)
            && self.version.is_match(&resource.version)
    }
}
