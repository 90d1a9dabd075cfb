//! The words of the engine: who a resource and a policy are, what an evaluation says, what a verdict remembers, what a fact is.
//!
//! Plain data without behaviour of its own. None of it derives a wire format: the store and the reports own theirs.

mod fact;
mod identity;
mod outcome;
mod print;
mod record;
mod verdict;

pub use fact::{Fact, FactKey, FactPrints, FactRead, FactValue};
pub use identity::{Gvk, PolicyKey, PolicyKind, ResourceId, ResourceKey};
pub use outcome::{Outcome, Severity, Status, Summary};
pub use print::Fingerprint;
pub use record::{IndexRecord, WrittenReport};
pub use verdict::{DatedOutcome, Verdict};
