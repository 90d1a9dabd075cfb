//! Who is who: kinds, resources, policies.

use std::fmt;

/// Group, version and kind; the core group is the empty string.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gvk {
    /// API group, empty for the core group.
    pub group: String,
    /// Version within the group, such as `v1`.
    pub version: String,
    /// Kind, such as `Pod`.
    pub kind: String,
}

impl Gvk {
    /// From an object's `apiVersion` and `kind`.
    pub fn new(api_version: &str, kind: &str) -> Self {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        Self { group: group.into(), version: version.into(), kind: kind.into() }
    }

    /// `group/version`, or the version alone for the core group.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }
}

impl fmt::Display for Gvk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.api_version(), self.kind)
    }
}

/// The identity of a resource within one cluster or folder; the version it is served in is no part of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceKey {
    /// API group, empty for the core group.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Namespace, empty for cluster scope.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl ResourceKey {
    /// Whether it is a Namespace, which is in itself as far as policies look at namespaces.
    pub fn is_namespace(&self) -> bool {
        self.group.is_empty() && self.kind == "Namespace"
    }
}

impl fmt::Display for ResourceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kind.is_empty() {
            // A JSON payload.
            return f.write_str(&self.name);
        }
        write!(f, "{}", self.kind)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        if self.namespace.is_empty() {
            write!(f, " {}", self.name)
        } else {
            write!(f, " {}/{}", self.namespace, self.name)
        }
    }
}

/// A resource as it was met: its key, the version it was read in, and its UID.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceId {
    /// Group, kind, namespace and name.
    pub key: ResourceKey,
    /// The version within the group that the object was read in.
    pub version: String,
    /// The object's UID; in a folder, where it has none, one derived from the key.
    pub uid: String,
}

impl ResourceId {
    /// Group, version and kind.
    pub fn gvk(&self) -> Gvk {
        Gvk { group: self.key.group.clone(), version: self.version.clone(), kind: self.key.kind.clone() }
    }
}

/// The kinds of policy that Patrol reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PolicyKind {
    /// `kyverno.io` ClusterPolicy
    ClusterPolicy,
    /// `kyverno.io` Policy
    Policy,
    /// `policies.kyverno.io` ValidatingPolicy
    ValidatingPolicy,
    /// `policies.kyverno.io` NamespacedValidatingPolicy
    NamespacedValidatingPolicy,
    /// `policies.kyverno.io` MutatingPolicy
    MutatingPolicy,
    /// `policies.kyverno.io` NamespacedMutatingPolicy
    NamespacedMutatingPolicy,
    /// `policies.kyverno.io` ImageValidatingPolicy
    ImageValidatingPolicy,
    /// `policies.kyverno.io` NamespacedImageValidatingPolicy
    NamespacedImageValidatingPolicy,
    /// `policies.kyverno.io` GeneratingPolicy
    GeneratingPolicy,
    /// `policies.kyverno.io` NamespacedGeneratingPolicy
    NamespacedGeneratingPolicy,
    /// `policies.kyverno.io` DeletingPolicy
    DeletingPolicy,
    /// `policies.kyverno.io` NamespacedDeletingPolicy
    NamespacedDeletingPolicy,
    /// `admissionregistration.k8s.io` ValidatingAdmissionPolicy
    ValidatingAdmissionPolicy,
    /// `admissionregistration.k8s.io` MutatingAdmissionPolicy
    MutatingAdmissionPolicy,
}

impl PolicyKind {
    /// Every kind, in order.
    pub const ALL: [Self; 14] = [
        Self::ClusterPolicy,
        Self::Policy,
        Self::ValidatingPolicy,
        Self::NamespacedValidatingPolicy,
        Self::MutatingPolicy,
        Self::NamespacedMutatingPolicy,
        Self::ImageValidatingPolicy,
        Self::NamespacedImageValidatingPolicy,
        Self::GeneratingPolicy,
        Self::NamespacedGeneratingPolicy,
        Self::DeletingPolicy,
        Self::NamespacedDeletingPolicy,
        Self::ValidatingAdmissionPolicy,
        Self::MutatingAdmissionPolicy,
    ];

    /// API group.
    pub fn group(self) -> &'static str {
        match self {
            Self::ClusterPolicy | Self::Policy => "kyverno.io",
            Self::ValidatingAdmissionPolicy | Self::MutatingAdmissionPolicy => "admissionregistration.k8s.io",
            _ => "policies.kyverno.io",
        }
    }

    /// The Kubernetes kind.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClusterPolicy => "ClusterPolicy",
            Self::Policy => "Policy",
            Self::ValidatingPolicy => "ValidatingPolicy",
            Self::NamespacedValidatingPolicy => "NamespacedValidatingPolicy",
            Self::MutatingPolicy => "MutatingPolicy",
            Self::NamespacedMutatingPolicy => "NamespacedMutatingPolicy",
            Self::ImageValidatingPolicy => "ImageValidatingPolicy",
            Self::NamespacedImageValidatingPolicy => "NamespacedImageValidatingPolicy",
            Self::GeneratingPolicy => "GeneratingPolicy",
            Self::NamespacedGeneratingPolicy => "NamespacedGeneratingPolicy",
            Self::DeletingPolicy => "DeletingPolicy",
            Self::NamespacedDeletingPolicy => "NamespacedDeletingPolicy",
            Self::ValidatingAdmissionPolicy => "ValidatingAdmissionPolicy",
            Self::MutatingAdmissionPolicy => "MutatingAdmissionPolicy",
        }
    }

    /// The plural that the API server serves it under.
    pub fn plural(self) -> String {
        let kind = self.as_str().to_ascii_lowercase();
        format!("{}ies", kind.trim_end_matches('y'))
    }

    /// The kind of that group and name, if it is a policy.
    pub fn of(group: &str, kind: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.as_str() == kind && k.group() == group)
    }

    /// Whether such policies live in a namespace and judge only what is in it.
    pub fn is_namespaced(self) -> bool {
        self == Self::Policy || self.as_str().starts_with("Namespaced")
    }

    /// `results[].source` of a report, as the reference writes it.
    pub fn source(self) -> &'static str {
        match self {
            Self::ClusterPolicy | Self::Policy => "kyverno",
            Self::ValidatingPolicy | Self::NamespacedValidatingPolicy => "KyvernoValidatingPolicy",
            Self::MutatingPolicy | Self::NamespacedMutatingPolicy => "KyvernoMutatingPolicy",
            Self::ImageValidatingPolicy | Self::NamespacedImageValidatingPolicy => {
                "KyvernoImageValidatingPolicy"
            }
            Self::GeneratingPolicy | Self::NamespacedGeneratingPolicy => "KyvernoGeneratingPolicy",
            Self::DeletingPolicy | Self::NamespacedDeletingPolicy => "KyvernoDeletingPolicy",
            Self::ValidatingAdmissionPolicy => "ValidatingAdmissionPolicy",
            Self::MutatingAdmissionPolicy => "MutatingAdmissionPolicy",
        }
    }
}

/// The identity of a policy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyKey {
    /// Which kind of policy.
    pub kind: PolicyKind,
    /// Namespace, empty for cluster-wide policies.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl PolicyKey {
    /// `results[].policy` of a report: the name, or `namespace/name`.
    pub fn report_name(&self) -> String {
        if self.namespace.is_empty() {
            self.name.clone()
        } else {
            format!("{}/{}", self.namespace, self.name)
        }
    }
}

impl fmt::Display for PolicyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.as_str(), self.report_name())
    }
}
