//! The plan: what one scan does with each pair, and why.
//!
//! A pure decision over what the resource, the policies and the facts are now, and what was stored. The result is a value that can be printed,
//! counted and checked; carrying it out is the business of `scan/`. No decision needs anything but its arguments.

mod decide;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use decide::{Decision, Pairs, decide, expired, shortcut};

use crate::document::Parts;
use crate::model::FactKey;

/// Why a pair is evaluated, reused or forgotten. A closed list: metrics and `--stats` count by it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// Evaluate: the pair has no stored verdict.
    NoVerdict,
    /// Evaluate: the policy's meaning changed.
    PolicyChanged,
    /// Evaluate: parts of the resource that the verdict read changed.
    ResourceChanged(Parts),
    /// Evaluate: a fact that the verdict read changed.
    FactChanged(FactKey),
    /// Evaluate: the verdict was volatile, and its time is over.
    Expired,
    /// Evaluate: a verifying scan, or the sample that every scan verifies.
    Verification,
    /// Reuse: neither the resource nor its policies nor the facts moved.
    Unchanged,
    /// Reuse: the resource changed, but in no part that the verdict read.
    NotRead,
    /// Reuse: this schedule does not cover the pair.
    NotDue,
    /// Reuse: the policies of this kind could not be listed, so the absence of one proves nothing.
    PolicyUnknown,
    /// Forget: a complete list no longer holds the resource.
    ResourceGone,
    /// Forget: the policy is gone, or it no longer selects the resource.
    PolicyGone,
    /// Forget: the kind is not scanned any more, or the filters leave the resource out.
    NotSelected,
}

impl Reason {
    /// The word that metrics, statistics and plans use.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::NoVerdict => "no_verdict",
            Self::PolicyChanged => "policy_changed",
            Self::ResourceChanged(_) => "resource_changed",
            Self::FactChanged(_) => "fact_changed",
            Self::Expired => "expired",
            Self::Verification => "verification",
            Self::Unchanged => "unchanged",
            Self::NotRead => "not_read",
            Self::NotDue => "not_due",
            Self::PolicyUnknown => "policy_unknown",
            Self::ResourceGone => "resource_gone",
            Self::PolicyGone => "policy_gone",
            Self::NotSelected => "not_selected",
        }
    }

    /// The reason in a sentence's end, for `patrol explain` and `--dry-run`.
    pub fn explain(&self) -> String {
        match self {
            Self::NoVerdict => "no verdict is stored".into(),
            Self::PolicyChanged => "the policy changed".into(),
            Self::ResourceChanged(parts) => {
                let parts: Vec<&str> = parts.iter().map(crate::document::Part::name).collect();
                format!("the resource changed in what the verdict read: {}", parts.join(", "))
            }
            Self::FactChanged(key) => format!("what it read beside the resource changed: {key}"),
            Self::Expired => "its time is over".into(),
            Self::Verification => "verified by evaluating again".into(),
            Self::Unchanged => "nothing that it read changed".into(),
            Self::NotRead => "the resource changed, but in nothing that it read".into(),
            Self::NotDue => "this schedule does not cover it".into(),
            Self::PolicyUnknown => "policies of its kind could not be listed".into(),
            Self::ResourceGone => "the resource is gone".into(),
            Self::PolicyGone => "the policy is gone or no longer selects the resource".into(),
            Self::NotSelected => "the kind is no longer scanned, or a filter leaves the resource out".into(),
        }
    }
}

/// What is done with one pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Run the policy on the resource.
    Evaluate,
    /// Keep the stored verdict.
    Reuse,
    /// Drop the stored verdict.
    Forget,
}

impl Action {
    /// The word in plans.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Evaluate => "evaluate",
            Self::Reuse => "reuse",
            Self::Forget => "forget",
        }
    }
}

/// How many pairs had which action for which reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts(pub BTreeMap<(Action, &'static str), u64>);

impl Counts {
    /// Counts `n` pairs.
    pub fn add(&mut self, action: Action, reason: &Reason, n: u64) {
        if n > 0 {
            *self.0.entry((action, reason.as_str())).or_default() += n;
        }
    }

    /// Adds another count.
    pub fn merge(&mut self, other: &Self) {
        for (key, n) in &other.0 {
            *self.0.entry(*key).or_default() += n;
        }
    }

    /// The number of pairs with that action.
    pub fn of(&self, action: Action) -> u64 {
        self.0.iter().filter(|((a, _), _)| *a == action).map(|(_, n)| n).sum()
    }

    /// The reasons of one action with their counts.
    pub fn reasons(&self, action: Action) -> impl Iterator<Item = (&'static str, u64)> {
        self.0.iter().filter(move |((a, _), _)| *a == action).map(|((_, reason), n)| (*reason, *n))
    }
}
