//! fingerprint: see ARCHITECTURE.md.
