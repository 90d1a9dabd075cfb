//! The targets of cargo-fuzz themselves, which no other build looks at: the toolchain that they need is not everywhere.

#![expect(unused_attributes, reason = "each target is the root of a program of its own")]
#![expect(clippy::duplicate_mod, reason = "each target takes in the bodies")]

#[path = "../../fuzz/targets/document.rs"]
pub(super) mod document;
#[path = "../../fuzz/targets/jmespath.rs"]
pub(super) mod jmespath;
#[path = "../../fuzz/targets/policy.rs"]
pub(super) mod policy;
#[path = "../../fuzz/targets/regexp.rs"]
pub(super) mod regexp;
