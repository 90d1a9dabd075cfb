//! Conformance and behaviour of the CEL rooms.

mod goldens;
mod spec;
