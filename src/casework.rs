//! casework: see ARCHITECTURE.md.
