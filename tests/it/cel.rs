//! Conformance and behaviour of the CEL rooms.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests fail by panicking and say what they compared"
)]

mod fuzz;
mod goldens;
mod random;
mod spec;
