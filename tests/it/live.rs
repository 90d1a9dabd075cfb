//! Tests against a real Kubernetes control plane: etcd, kube-apiserver and kube-controller-manager, as
//! `tests/cluster/` builds and runs them. A machine that cannot have one (no Go toolchain) runs the other
//! tests and says so; in CI that is a failure. What they share is in `control_plane.rs`.

mod command;
pub(crate) mod control_plane;
mod definitions;
mod facts;
mod faults;
mod judge;
mod mutations;
mod proxy;
mod registries;
mod scans;
mod service;
mod shapes;
mod versions;
mod world;
