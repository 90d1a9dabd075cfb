//! kyverno: see ARCHITECTURE.md.

pub(crate) mod rule;
