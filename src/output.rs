//! output: see ARCHITECTURE.md.
