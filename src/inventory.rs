//! inventory: see ARCHITECTURE.md.
