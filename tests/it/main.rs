//! The one integration-test binary: a module per kind of test.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on panics, and says what it leaves out"
)]

mod conformance;
mod jmespath;
mod shared;
