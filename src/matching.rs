//! matching: see ARCHITECTURE.md.
