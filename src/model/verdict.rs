//! What is remembered of a pair.

use super::{FactRead, Fingerprint, Outcome, PolicyKey};
use crate::document::Parts;

/// An outcome, and since when it has been so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatedOutcome {
    /// The outcome.
    pub outcome: Outcome,
    /// When status, message or properties last changed, in Unix seconds.
    pub since_s: i64,
}

/// The stored outcomes of one pair with what they were derived from.
///
/// INVARIANT: a verdict is reusable exactly when `policy_print` and `input_print` equal what the policy and the inputs that it read
/// have now, every fact has its fingerprint, and `valid_until_s` has not passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The policy of the pair.
    pub policy: PolicyKey,
    /// The fingerprint of the compiled policy that was evaluated.
    pub policy_print: Fingerprint,
    /// Which parts of the resource were read.
    pub parts: Parts,
    /// The fingerprint over those parts.
    pub input_print: Fingerprint,
    /// What was read of which facts, sorted.
    pub facts: Vec<FactRead>,
    /// The end of its life in Unix seconds, if it is volatile.
    pub valid_until_s: Option<i64>,
    /// One a rule, sorted by rule.
    pub outcomes: Vec<DatedOutcome>,
    /// When the outcomes last changed, in Unix seconds.
    pub changed_at_s: i64,
    /// When the pair was last evaluated, in Unix seconds.
    pub evaluated_at_s: i64,
}
