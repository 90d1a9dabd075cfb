//! gostd: see ARCHITECTURE.md.
