//! Which kinds of object are policies or belong to policies.

use crate::model::{Gvk, PolicyKind};

/// What an object is to policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PolicyRole {
    /// A policy.
    Policy(PolicyKind),
    /// A `kyverno.io` `PolicyException`.
    Exception,
    /// A `policies.kyverno.io` `PolicyException`.
    CelException,
    /// A `ValidatingAdmissionPolicyBinding` or `MutatingAdmissionPolicyBinding`, with the kind that it binds.
    Binding(PolicyKind),
    /// A `GlobalContextEntry`.
    GlobalContextEntry,
}

/// What an object of that kind is to policies; `None` for everything that is only a resource.
pub fn role_of(gvk: &Gvk) -> Option<PolicyRole> {
    if let Some(kind) = PolicyKind::of(&gvk.group, &gvk.kind) {
        return Some(PolicyRole::Policy(kind));
    }
    match (gvk.group.as_str(), gvk.kind.as_str()) {
        ("kyverno.io", "PolicyException") => Some(PolicyRole::Exception),
        ("policies.kyverno.io", "PolicyException") => Some(PolicyRole::CelException),
        ("kyverno.io", "GlobalContextEntry") => Some(PolicyRole::GlobalContextEntry),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding") => {
            Some(PolicyRole::Binding(PolicyKind::ValidatingAdmissionPolicy))
        }
        ("admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding") => {
            Some(PolicyRole::Binding(PolicyKind::MutatingAdmissionPolicy))
        }
        _ => None,
    }
}
