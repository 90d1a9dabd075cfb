//! kyverno: see ARCHITECTURE.md.
