//! Conformance and behaviour of the CEL rooms.

mod spec;
