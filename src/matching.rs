//! Which resources a policy is about, as far as their identity tells: kinds, namespaces, names.
//!
//! What needs the object itself (labels, annotations, a namespace's labels) is part of an evaluation, so that its reads are tracked;
//! a resource that is selected here and not matched there has a verdict without outcomes.

mod filters;
mod index;
mod kinds;

#[cfg(test)]
mod tests;

pub use filters::{DEFAULT_RESOURCE_FILTERS, FilterError, ResourceFilters};
pub use index::{Index, Selected};
pub use kinds::KindPattern;

use std::collections::BTreeSet;

use crate::gostd::wildcard::Wildcard;
use crate::model::{Gvk, ResourceId};

/// A kind selector of a policy: each part may hold wildcards; `*` stands for everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KindSelector {
    /// API group.
    pub group: Wildcard,
    /// Version.
    pub version: Wildcard,
    /// Kind.
    pub kind: Wildcard,
}

/// What a policy makes pairs with. Wider than what it matches, never narrower.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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

    /// In which forms the policy judges a resource that is served in these, by position; none if it makes no pair
    /// with it anywhere. See [`forms_taken`].
    pub fn forms(&self, served: &[Gvk]) -> Vec<usize> {
        forms_taken(&self.kinds, served)
    }
}

/// The forms (API versions, or a second group) of one and the same object that selectors take, by position and in
/// order: each selector takes the first one that it selects. `served` has the preferred form first.
pub fn forms_taken<'s>(selectors: impl IntoIterator<Item = &'s KindSelector>, served: &[Gvk]) -> Vec<usize> {
    let first = |selector: &KindSelector| served.iter().position(|form| selector.selects_form(form));
    let taken: BTreeSet<usize> = selectors.into_iter().filter_map(first).collect();
    taken.into_iter().collect()
}

impl KindSelector {
    /// Whether the resource is of this kind.
    pub fn selects(&self, resource: &ResourceId) -> bool {
        self.selects_kind(&resource.key.group, &resource.version, &resource.key.kind)
    }

    /// Whether that kind in that version is this kind.
    pub fn selects_form(&self, form: &Gvk) -> bool {
        self.selects_kind(&form.group, &form.version, &form.kind)
    }

    /// Whether the kind is this kind. JSON payloads have none: only a selector without a kind selects them.
    pub fn selects_kind(&self, group: &str, version: &str, kind: &str) -> bool {
        kind.is_empty() == self.kind.as_str().is_empty()
            && self.kind.is_match(kind)
            && self.group.is_match(group)
            && self.version.is_match(version)
    }
}
