//! The decision for one resource: first the shortcut that needs no verdicts, then pair by pair.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Action, Reason};
use crate::catalog::CompiledPolicy;
use crate::document::Parts;
use crate::fingerprint::{FormPrints, PartPrints, is_as_read};
use crate::model::{FactKey, FactPrints, FactRead, Fingerprint, IndexRecord, PolicyKey, PolicyKind, Verdict};

/// Whether a resource can be passed over without looking at its verdicts: it did not move, its policies did not, no fact did, and nothing
/// is due. `holds` says whether a fact is as it was read.
pub fn shortcut(
    record: &IndexRecord,
    version: &str,
    applicable: Fingerprint,
    now_s: i64,
    holds: impl Fn(&FactRead) -> bool,
) -> bool {
    record.is_settled
        && record.version == version
        && record.applicable == applicable
        && record.due_at_s.is_none_or(|due| now_s < due)
        && record.facts.iter().all(holds)
}

/// What is known of a resource's pairs when they are decided.
pub struct Pairs<'a> {
    /// The policies that select the resource, sorted by key.
    pub policies: &'a [Arc<CompiledPolicy>],
    /// In which forms of the resource each policy judges, by position in `prints`; a policy that is not in here
    /// judges in the first.
    pub forms: &'a [Vec<usize>],
    /// The resource's parts now, in the forms that policies judge.
    pub prints: &'a FormPrints,
    /// The parts of the form that it is known by when it was last stored, to name what changed; `None` if it is
    /// new.
    pub prints_before: Option<&'a PartPrints>,
    /// The facts that stored verdicts read, as they are now. An absent key could not be fetched.
    pub facts: &'a BTreeMap<FactKey, FactPrints>,
    /// Kinds of policy that could not be listed.
    pub unknown: &'a BTreeSet<PolicyKind>,
    /// Whether this scan covers the policy on this resource.
    pub is_due: &'a dyn Fn(&PolicyKey) -> bool,
    /// Whether a stored verdict is evaluated again although it holds.
    pub is_verified: &'a dyn Fn(&PolicyKey) -> bool,
    /// The time of the scan, in Unix seconds.
    pub now_s: i64,
}

impl Pairs<'_> {
    fn forms_of(&self, policy: usize) -> &[usize] {
        self.forms.get(policy).map_or(&[0], Vec::as_slice)
    }
}

impl std::fmt::Debug for Pairs<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pairs")
            .field("policies", &self.policies.len())
            .field("now_s", &self.now_s)
            .finish_non_exhaustive()
    }
}

/// One pair's fate: the policy (by position in [`Pairs::policies`], `None` when it is gone), the stored verdict (by position), and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Position in [`Pairs::policies`].
    pub policy: Option<usize>,
    /// Position among the stored verdicts.
    pub verdict: Option<usize>,
    /// What is done.
    pub action: Action,
    /// Why.
    pub reason: Reason,
}

/// Decides every pair of one resource: one decision a policy, in order, then one a verdict whose policy is not among them.
pub fn decide(pairs: &Pairs<'_>, verdicts: &[Verdict]) -> Vec<Decision> {
    let stored: BTreeMap<&PolicyKey, usize> =
        verdicts.iter().enumerate().map(|(at, verdict)| (&verdict.policy, at)).collect();
    let mut decisions = Vec::with_capacity(pairs.policies.len());
    for (at, policy) in pairs.policies.iter().enumerate() {
        let verdict = stored.get(&policy.key).copied();
        let (action, reason) = match verdict.and_then(|v| verdicts.get(v)) {
            None => (Action::Evaluate, Reason::NoVerdict),
            Some(verdict) => judge(pairs, at, policy, verdict),
        };
        decisions.push(Decision { policy: Some(at), verdict, action, reason });
    }
    for (at, verdict) in verdicts.iter().enumerate() {
        if pairs.policies.binary_search_by(|policy| policy.key.cmp(&verdict.policy)).is_err() {
            let is_unknown = pairs.unknown.contains(&verdict.policy.kind);
            let (action, reason) = if is_unknown {
                (Action::Reuse, Reason::PolicyUnknown)
            } else {
                (Action::Forget, Reason::PolicyGone)
            };
            decisions.push(Decision { policy: None, verdict: Some(at), action, reason });
        }
    }
    decisions
}

fn judge(pairs: &Pairs<'_>, at: usize, policy: &CompiledPolicy, verdict: &Verdict) -> (Action, Reason) {
    let Some(reason) = stale(pairs, at, policy, verdict) else {
        if (pairs.is_verified)(&policy.key) {
            return (Action::Evaluate, Reason::Verification);
        }
        let moved = pairs.prints_before.is_none_or(|before| *before != pairs.prints.known());
        return (Action::Reuse, if moved { Reason::NotRead } else { Reason::Unchanged });
    };
    if (pairs.is_due)(&policy.key) { (Action::Evaluate, reason) } else { (Action::Reuse, Reason::NotDue) }
}

/// Why the verdict no longer holds, if so.
fn stale(pairs: &Pairs<'_>, at: usize, policy: &CompiledPolicy, verdict: &Verdict) -> Option<Reason> {
    if verdict.policy_print != policy.fingerprint {
        return Some(Reason::PolicyChanged);
    }
    if pairs.prints.over(pairs.forms_of(at), verdict.parts) != verdict.input_print {
        let now = pairs.prints.known();
        let changed = pairs.prints_before.map_or(verdict.parts, |before| before.differing(&now));
        let read = Parts::from_bits(changed.bits() & verdict.parts.bits());
        return Some(Reason::ResourceChanged(if read.is_empty() { verdict.parts } else { read }));
    }
    let holds = |read: &FactRead| pairs.facts.get(&read.key).is_some_and(|now| is_as_read(read, now));
    if let Some(read) = verdict.facts.iter().find(|read| !holds(read)) {
        return Some(Reason::FactChanged(read.key.clone()));
    }
    expired(verdict, pairs.now_s)
}

/// Whether the verdict's time is over.
pub fn expired(verdict: &Verdict, now_s: i64) -> Option<Reason> {
    verdict.valid_until_s.filter(|until| now_s >= *until).map(|_| Reason::Expired)
}
