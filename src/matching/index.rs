//! Which policies a resource makes pairs with, without asking each policy for each resource.
//!
//! What follows from the answer is worked out once for a kind and remembered; an index is built for one set of policies and thrown away with it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use super::Selection;
use crate::limits;
use crate::model::{Gvk, ResourceId};

/// What is made of the policies that select a resource, by its kind and namespace.
#[derive(Debug)]
pub struct Index<T> {
    selections: Vec<Selection>,
    /// The other forms of kinds that are read in several, by the form that their resources are known by.
    others: BTreeMap<Gvk, Vec<Gvk>>,
    kinds: RwLock<BTreeMap<Gvk, Arc<OfKind<T>>>>,
}

/// A policy that selects a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selected {
    /// Its position in the list of selections.
    pub policy: usize,
    /// In which of the resource's forms it judges, by position; 0 is the form that the resource is known by.
    pub forms: Vec<usize>,
}

/// What is made of the policies that select one kind.
#[derive(Debug)]
struct OfKind<T> {
    /// Where no namespaced policy has a say.
    elsewhere: Arc<T>,
    /// In the namespaces of namespaced policies, those of the cluster among them.
    by_namespace: BTreeMap<String, Arc<T>>,
}

impl<T> Index<T> {
    /// An index over the policies' selections. `others` are the forms that kinds are read in beside the one that
    /// their resources are known by, by the latter.
    pub fn new(selections: Vec<Selection>, others: BTreeMap<Gvk, Vec<Gvk>>) -> Self {
        Self { selections, others, kinds: RwLock::default() }
    }

    /// What `make` makes of the policies that make a pair with the resource, in order. It must always make the
    /// same of the same policies.
    pub fn find(&self, resource: &ResourceId, make: &dyn Fn(Vec<Selected>) -> T) -> Arc<T> {
        let of_kind = self.of_kind(&resource.gvk(), make);
        Arc::clone(of_kind.by_namespace.get(&resource.key.namespace).unwrap_or(&of_kind.elsewhere))
    }

    /// The other forms that a kind is read in.
    pub fn others(&self, kind: &Gvk) -> &[Gvk] {
        self.others.get(kind).map_or(&[], Vec::as_slice)
    }

    fn of_kind(&self, gvk: &Gvk, make: &dyn Fn(Vec<Selected>) -> T) -> Arc<OfKind<T>> {
        if let Some(known) = self.kinds.read().unwrap_or_else(PoisonError::into_inner).get(gvk) {
            return Arc::clone(known);
        }
        let computed = Arc::new(self.compute(gvk, make));
        let mut kinds = self.kinds.write().unwrap_or_else(PoisonError::into_inner);
        if kinds.len() < limits::INDEXED_KINDS_MAX {
            kinds.insert(gvk.clone(), Arc::clone(&computed));
        }
        computed
    }

    fn compute(&self, gvk: &Gvk, make: &dyn Fn(Vec<Selected>) -> T) -> OfKind<T> {
        let mut served = vec![gvk.clone()];
        served.extend_from_slice(self.others(gvk));
        let selecting = self.selections.iter().enumerate().filter_map(|(policy, selection)| {
            let forms = selection.forms(&served);
            (!forms.is_empty()).then_some((selection.namespace.as_deref(), Selected { policy, forms }))
        });
        let selecting: Vec<(Option<&str>, Selected)> = selecting.collect();
        let within = |namespace: Option<&str>| {
            let has_a_say = |own: Option<&str>| own.is_none() || own == namespace;
            let of = selecting.iter().filter(|(own, _)| has_a_say(*own));
            Arc::new(make(of.map(|(_, selected)| selected.clone()).collect()))
        };
        let namespaces: BTreeSet<&str> = selecting.iter().filter_map(|(namespace, _)| *namespace).collect();
        let by_namespace =
            namespaces.into_iter().map(|namespace| (namespace.to_owned(), within(Some(namespace))));
        OfKind { elsewhere: within(None), by_namespace: by_namespace.collect() }
    }
}
