//! limits: see ARCHITECTURE.md.
