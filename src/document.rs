//! document: see ARCHITECTURE.md.
