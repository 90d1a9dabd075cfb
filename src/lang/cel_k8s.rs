//! cel_k8s: see ARCHITECTURE.md.
