//! jmespath: see ARCHITECTURE.md.
