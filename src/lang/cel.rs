//! cel: see ARCHITECTURE.md.
