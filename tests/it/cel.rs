//! Conformance and behaviour of the CEL rooms.

mod fuzz;
mod goldens;
mod random;
mod spec;

pub(crate) use goldens::says_plain_things;
