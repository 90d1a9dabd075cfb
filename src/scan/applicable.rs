//! Which policies select a resource, found once a kind and namespace instead of once a resource.

use std::collections::BTreeSet;
use std::sync::Arc;

use dashmap::DashMap;

use crate::fingerprint::Hasher;
use crate::model::{Fingerprint, Gvk, PolicyKind, ResourceId, Verdict};
use crate::policy::{CompiledPolicy, Presentation};

/// The policies that select the resources of a kind in a namespace.
#[derive(Debug)]
pub(super) struct Applicable {
    /// Sorted by key.
    pub(super) policies: Vec<Arc<CompiledPolicy>>,
    /// Positions of those in the scan's list.
    pub(super) positions: Vec<usize>,
    /// Over the policies, their presentation, and everything else that decides what a resource's report looks
    /// like.
    pub(super) digest: Fingerprint,
}

impl Applicable {
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
    found: DashMap<(Gvk, String), Arc<Applicable>>,
}

impl Finder {
    /// `settings` are the fingerprints of what else decides about reports.
    pub(super) fn new(
        policies: Vec<Arc<CompiledPolicy>>,
        unknown: &BTreeSet<PolicyKind>,
        settings: &[Fingerprint],
    ) -> Self {
        let mut base = Hasher::new("patrol/applicable/1");
        for kind in unknown {
            base.str(kind.as_str());
        }
        for print in settings {
            base.print(*print);
        }
        Self { policies, base, found: DashMap::new() }
    }

    pub(super) fn policies(&self) -> &[Arc<CompiledPolicy>] {
        &self.policies
    }

    /// The policies that select the resource.
    pub(super) fn find(&self, id: &ResourceId) -> Arc<Applicable> {
        let key = (id.gvk(), id.key.namespace.clone());
        if let Some(found) = self.found.get(&key) {
            return Arc::clone(&found);
        }
        let selected = self.policies.iter().enumerate().filter(|(_, policy)| policy.selection.selects(id));
        let (positions, policies): (Vec<usize>, Vec<Arc<CompiledPolicy>>) =
            selected.map(|(at, policy)| (at, Arc::clone(policy))).unzip();
        let mut hasher = self.base.clone();
        for policy in &policies {
            hasher.str(&policy.key.to_string()).print(policy.fingerprint);
            presentation(&mut hasher, &policy.presentation);
        }
        let applicable = Arc::new(Applicable { policies, positions, digest: hasher.finish() });
        self.found.insert(key, Arc::clone(&applicable));
        applicable
    }
}

fn presentation(hasher: &mut Hasher, presentation: &Presentation) {
    let Presentation { category, severity, is_scored, process } = presentation;
    hasher.str(category.as_deref().unwrap_or("\0"));
    hasher.str(severity.map_or("\0", crate::model::Severity::as_str));
    hasher.u64(u64::from(*is_scored)).str(process);
}
