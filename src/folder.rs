//! folder: see ARCHITECTURE.md.
