//! Which policies select a resource, found once a kind and namespace instead of once a resource.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::catalog::CompiledPolicy;
use crate::fingerprint::Hasher;
use crate::inventory::ScanKind;
use crate::matching::{Index, Selected};
use crate::model::{Fingerprint, Gvk, PolicyKind, ResourceId, Verdict};
use crate::policy::Presentation;

/// The policies that select the resources of a kind in a namespace.
#[derive(Debug, Default)]
pub(super) struct Applicable {
    /// Sorted by key.
    pub(super) policies: Vec<Arc<CompiledPolicy>>,
    /// Positions of those in the scan's list.
    pub(super) positions: Vec<usize>,
    /// In which forms of the resource each of them judges.
    pub(super) forms: Vec<Vec<usize>>,
    /// Over the policies, the forms in which they judge, their presentation, and everything else that decides what a resource's report looks
    /// like.
    pub(super) digest: Fingerprint,
}

/// A policy that selects a resource, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Judge<'a> {
    pub(super) policy: &'a Arc<CompiledPolicy>,
    /// Its position in the scan's list.
    pub(super) position: usize,
    /// In which forms of the resource it judges.
    pub(super) forms: &'a [usize],
}

impl Applicable {
    /// The policy at a position of [`Applicable::policies`].
    pub(super) fn judge(&self, at: usize) -> Option<Judge<'_>> {
        let (policy, position, forms) =
            (self.policies.get(at)?, *self.positions.get(at)?, self.forms.get(at)?);
        Some(Judge { policy, position, forms })
    }

    /// The verdicts whose policies select the resource, each with its policy's position. Verdicts are sorted
    /// by policy as the policies are, so that the next verdict is mostly the next policy's; any other order
    /// is right too, and slower.
    pub(super) fn judged<'v>(&self, verdicts: &'v [Verdict]) -> impl Iterator<Item = (usize, &'v Verdict)> {
        let mut next = 0;
        verdicts.iter().filter_map(move |verdict| {
            let is_next = self.policies.get(next).is_some_and(|policy| policy.key == verdict.policy);
            let by_key = |policy: &Arc<CompiledPolicy>| policy.key.cmp(&verdict.policy);
            let at = if is_next { next } else { self.policies.binary_search_by(by_key).ok()? };
            next = at + 1;
            Some((at, verdict))
        })
    }
}

/// Finds [`Applicable`]s.
#[derive(Debug)]
pub(super) struct Finder {
    policies: Vec<Arc<CompiledPolicy>>,
    base: Hasher,
    index: Index<Applicable>,
}

impl Finder {
    /// `kinds` are those that are scanned; `settings` are the fingerprints of what else decides about reports.
    pub(super) fn new(
        policies: Vec<Arc<CompiledPolicy>>,
        kinds: &[ScanKind],
        unknown: &BTreeSet<PolicyKind>,
        settings: &[Fingerprint],
    ) -> Self {
        let mut base = Hasher::new("patrol/applicable/2");
        for kind in unknown {
            base.str(kind.as_str());
        }
        for print in settings {
            base.print(*print);
        }
        let selections = policies.iter().map(|policy| policy.selection.clone()).collect();
        let has_others = kinds.iter().filter(|kind| !kind.others.is_empty());
        let others = has_others.map(|kind| (kind.gvk.clone(), kind.others.clone())).collect();
        Self { policies, base, index: Index::new(selections, others) }
    }

    pub(super) fn policies(&self) -> &[Arc<CompiledPolicy>] {
        &self.policies
    }

    /// The policies that select the resource.
    pub(super) fn find(&self, id: &ResourceId) -> Arc<Applicable> {
        self.index.find(id, &|selected| self.applicable(&id.gvk(), selected))
    }

    /// The other forms in which resources of the kind are read.
    pub(super) fn others(&self, id: &ResourceId) -> &[Gvk] {
        self.index.others(&id.gvk())
    }

    fn applicable(&self, kind: &Gvk, selected: Vec<Selected>) -> Applicable {
        let others = self.index.others(kind);
        let mut hasher = self.base.clone();
        let mut found = Applicable::default();
        for Selected { policy: position, forms } in selected {
            let Some(policy) = self.policies.get(position) else { continue };
            hasher.str(&policy.key.to_string()).print(policy.fingerprint).u64(forms.len() as u64);
            for form in &forms {
                let other = form.checked_sub(1).and_then(|at| others.get(at));
                hasher.str(&other.map(Gvk::to_string).unwrap_or_default());
            }
            presentation(&mut hasher, &policy.presentation);
            found.policies.push(Arc::clone(policy));
            found.positions.push(position);
            found.forms.push(forms);
        }
        found.digest = hasher.finish();
        found
    }
}

fn presentation(hasher: &mut Hasher, presentation: &Presentation) {
    let Presentation { category, severity, is_scored, process } = presentation;
    hasher.str(category.as_deref().unwrap_or("\0"));
    hasher.str(severity.map_or("\0", crate::model::Severity::as_str));
    hasher.u64(u64::from(*is_scored)).str(process);
}
