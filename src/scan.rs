//! scan: see ARCHITECTURE.md.
