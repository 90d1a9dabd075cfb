//! Which policies a resource makes pairs with, without asking each policy for each resource.
//!
//! The answer for a kind is worked out once and remembered; an index is built for one set of policies and thrown away with it.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::Selection;
use crate::limits;
use crate::model::{Gvk, ResourceId};

/// Positions of policies by the kind and namespace of a resource.
#[derive(Debug)]
pub struct Index {
    selections: Vec<Selection>,
    kinds: RwLock<BTreeMap<Gvk, Arc<OfKind>>>,
}

/// The policies that select one kind.
#[derive(Debug, Default)]
struct OfKind {
    /// Where no namespaced policy has a say.
    elsewhere: Arc<[usize]>,
    /// In the namespaces of namespaced policies, those of the cluster among them.
    by_namespace: BTreeMap<String, Arc<[usize]>>,
}

impl Index {
    /// An index over the policies' selections; answers are positions in this list.
    pub fn new(selections: Vec<Selection>) -> Self {
        Self { selections, kinds: RwLock::default() }
    }

    /// The policies that make a pair with the resource, in order.
    pub fn candidates(&self, resource: &ResourceId) -> Arc<[usize]> {
        let of_kind = self.of_kind(&resource.gvk());
        let policies = of_kind.by_namespace.get(&resource.key.namespace).unwrap_or(&of_kind.elsewhere);
        Arc::clone(policies)
    }

    /// Whether any policy makes pairs with resources of that kind, in some namespace.
    pub fn selects_kind(&self, gvk: &Gvk) -> bool {
        let of_kind = self.of_kind(gvk);
        !of_kind.elsewhere.is_empty() || of_kind.by_namespace.values().any(|policies| !policies.is_empty())
    }

    fn of_kind(&self, gvk: &Gvk) -> Arc<OfKind> {
        if let Some(known) = self.kinds.read().unwrap_or_else(PoisonError::into_inner).get(gvk) {
            return Arc::clone(known);
        }
        let computed = Arc::new(self.compute(gvk));
        let mut kinds = self.kinds.write().unwrap_or_else(PoisonError::into_inner);
        if kinds.len() < limits::INDEXED_KINDS_MAX {
            kinds.insert(gvk.clone(), Arc::clone(&computed));
        }
        computed
    }

    fn compute(&self, gvk: &Gvk) -> OfKind {
        let of_kind = || self.selections.iter().enumerate().filter(|(_, s)| s.selects_kind(gvk));
        let elsewhere = of_kind().filter(|(_, s)| s.namespace.is_none()).map(|(at, _)| at).collect();
        let mut by_namespace = BTreeMap::new();
        for namespace in of_kind().filter_map(|(_, selection)| selection.namespace.as_ref()) {
            by_namespace.entry(namespace.clone()).or_insert_with(|| {
                let here = |s: &Selection| s.namespace.as_ref().is_none_or(|own| own == namespace);
                of_kind().filter(|(_, s)| here(s)).map(|(at, _)| at).collect()
            });
        }
        OfKind { elsewhere, by_namespace }
    }
}
