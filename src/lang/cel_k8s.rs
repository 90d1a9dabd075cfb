//! CEL as the API server speaks it: its libraries, and the environments of its policies by Kubernetes
//! version.
//!
//! The versions at which libraries came are those of `k8s.io/apiserver/pkg/cel/environment/base.go`; the
//! variables of admission policies those of `pkg/admission/plugin/cel/compile.go`. What a policy means
//! (matching, failure policy, messages) is its frame's business.

mod arguments;
mod authorizer;
mod costs;
mod format;
mod jsonpatch;
pub mod kyverno;
mod lists;
mod network;
mod quantity;
mod regex;
mod semver;
#[cfg(test)]
mod tests;
mod urls;

pub use authorizer::{CHECK as AUTHORIZER_CHECK, authorizer, request_resource};

use super::cel::{Entry, Environment, Library, Type};

/// A Kubernetes version, as it decides what policies may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KubernetesVersion {
    /// The 1 of 1.34.
    pub major: u32,
    /// The 34 of 1.34.
    pub minor: u32,
}

impl KubernetesVersion {
    /// A version.
    pub const fn new(major: u32, minor: u32) -> Self {
        Self { major, minor }
    }

    const fn is_from(self, minor: u32) -> bool {
        self.major > 1 || (self.major == 1 && self.minor >= minor)
    }
}

/// The API server's libraries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KubernetesLibrary {
    /// `isSorted`, `sum`, `min`, `max`, `indexOf`, `lastIndexOf`.
    Lists,
    /// `find`, `findAll`.
    Regex,
    /// `url`, `isURL`.
    Urls,
    /// `quantity`, `isQuantity`.
    Quantity,
    /// `ip`, `isIP`.
    Ip,
    /// `cidr`, `isCIDR`.
    Cidr,
    /// `format.named`.
    Format,
    /// `semver`, `isSemver`.
    Semver,
    /// `jsonpatch.escapeKey`.
    JsonPatch,
    /// `authorizer`.
    Authorizer,
    /// `fieldSelector`, `labelSelector` of an authorizer's check.
    AuthorizerSelectors,
}

impl KubernetesLibrary {
    fn entries(self) -> &'static [Entry] {
        match self {
            Self::Lists => lists::ENTRIES,
            Self::Regex => regex::ENTRIES,
            Self::Urls => urls::ENTRIES,
            Self::Quantity => quantity::ENTRIES,
            Self::Ip => network::IP,
            Self::Cidr => network::CIDR,
            Self::Format => format::ENTRIES,
            Self::Semver => semver::ENTRIES,
            Self::JsonPatch => jsonpatch::ENTRIES,
            Self::Authorizer => authorizer::ENTRIES,
            Self::AuthorizerSelectors => authorizer::SELECTORS,
        }
    }

    /// The environment with the library's functions and type names.
    pub fn add_to(self, env: Environment) -> Environment {
        let env = env.with_functions(self.entries());
        match self {
            Self::Ip => env.with_type_name("net.IP"),
            Self::Cidr => env.with_type_name("net.CIDR"),
            _ => env,
        }
    }
}

/// The libraries of a version, without variables.
pub fn base_environment(version: KubernetesVersion) -> Environment {
    use KubernetesLibrary as Own;
    let mut env = Environment::standard()
        .with_homogeneous_literals()
        .with_eager_conversions()
        .without_exists_one_alias();
    let mut own = vec![Own::Urls, Own::Regex, Own::Lists];
    if version.is_from(27) {
        own.push(Own::Authorizer);
    }
    if version.is_from(28) {
        env = env.with_library(Library::Optionals(2));
        own.push(Own::Quantity);
    }
    if version.is_from(29) {
        env = env.with_literal_validation().with_library(Library::Strings(2)).with_library(Library::Sets);
    } else {
        env = env.with_library(Library::Strings(0));
    }
    if version.is_from(30) {
        own.extend([Own::Ip, Own::Cidr]);
    }
    if version.is_from(31) {
        own.extend([Own::Format, Own::AuthorizerSelectors]);
    }
    if version.is_from(32) {
        env = env.with_library(Library::TwoVariables);
    }
    if version.is_from(33) {
        own.push(Own::Semver);
    }
    env = own.into_iter().fold(env, |env, library| library.add_to(env));
    if version.is_from(34) {
        env = env.with_library(Library::Lists(3));
    }
    env
}

/// What an admission policy's expressions see beside `object`, `oldObject`, `request` and `namespaceObject`.
#[derive(Clone, Copy, Debug, Default)]
pub struct AdmissionVariables {
    /// `params`
    pub has_params: bool,
    /// `authorizer` and `authorizer.requestResource`
    pub has_authorizer: bool,
    /// `Object{…}`, `JSONPatch{…}` and `jsonpatch.escapeKey`, of mutating policies
    pub has_patch_types: bool,
}

/// The environment of an admission policy.
pub fn admission_environment(version: KubernetesVersion, variables: AdmissionVariables) -> Environment {
    let mut env = with_request_types(with_namespace_types(base_environment(version)))
        .with_variable("object", Type::Dyn)
        .with_variable("oldObject", Type::Dyn)
        .with_variable("namespaceObject", Type::message("kubernetes.Namespace"))
        .with_variable("request", Type::message("kubernetes.AdmissionRequest"));
    if variables.has_params {
        env = env.with_variable("params", Type::Dyn);
    }
    if variables.has_authorizer {
        env = env
            .with_variable("authorizer", Type::message("kubernetes.authorization.Authorizer"))
            .with_variable(
                "authorizer.requestResource",
                Type::message("kubernetes.authorization.ResourceCheck"),
            );
    }
    if variables.has_patch_types { with_patch_types(env) } else { env }
}

/// The environment with `Object{…}`, `JSONPatch{…}` and `jsonpatch.escapeKey`, of mutating policies.
pub fn with_patch_types(env: Environment) -> Environment {
    KubernetesLibrary::JsonPatch.add_to(env).with_object_literals().with_message(
        JSON_PATCH,
        &[("op", Type::String), ("path", Type::String), ("from", Type::String), ("value", Type::Dyn)],
    )
}

/// The type of an operation of a JSON patch.
pub const JSON_PATCH: &str = "JSONPatch";

/// The environment with the policy's `variables`, each computed when it is read; their fields are added with
/// [`Environment::with_lazy_field`] under [`VARIABLES`].
pub fn with_variables(env: Environment) -> Environment {
    env.with_message(VARIABLES, &[]).with_variable("variables", Type::message(VARIABLES))
}

/// The type of `variables`.
pub const VARIABLES: &str = "kubernetes.variables";

fn with_request_types(env: Environment) -> Environment {
    let strings = || Type::list(Type::String);
    let kind = || Type::message("kubernetes.GroupVersionKind");
    let resource = || Type::message("kubernetes.GroupVersionResource");
    env.with_message(
        "kubernetes.GroupVersionKind",
        &[("group", Type::String), ("version", Type::String), ("kind", Type::String)],
    )
    .with_message(
        "kubernetes.GroupVersionResource",
        &[("group", Type::String), ("version", Type::String), ("resource", Type::String)],
    )
    .with_message(
        "kubernetes.UserInfo",
        &[
            ("username", Type::String),
            ("uid", Type::String),
            ("groups", strings()),
            ("extra", Type::map(Type::String, strings())),
        ],
    )
    .with_message(
        "kubernetes.AdmissionRequest",
        &[
            ("kind", kind()),
            ("resource", resource()),
            ("subResource", Type::String),
            ("requestKind", kind()),
            ("requestResource", resource()),
            ("requestSubResource", Type::String),
            ("name", Type::String),
            ("namespace", Type::String),
            ("operation", Type::String),
            ("userInfo", Type::message("kubernetes.UserInfo")),
            ("dryRun", Type::Bool),
            ("options", Type::Dyn),
        ],
    )
}

fn with_namespace_types(env: Environment) -> Environment {
    let strings = || Type::list(Type::String);
    let texts = || Type::map(Type::String, Type::String);
    env.with_message("kubernetes.NamespaceSpec", &[("finalizers", strings())])
        .with_message(
            "kubernetes.NamespaceCondition",
            &[
                ("status", Type::String),
                ("type", Type::String),
                ("lastTransitionTime", Type::Timestamp),
                ("message", Type::String),
                ("reason", Type::String),
            ],
        )
        .with_message(
            "kubernetes.NamespaceStatus",
            &[
                ("conditions", Type::list(Type::message("kubernetes.NamespaceCondition"))),
                ("phase", Type::String),
            ],
        )
        .with_message(
            "kubernetes.NamespaceMetadata",
            &[
                ("name", Type::String),
                ("generateName", Type::String),
                ("namespace", Type::String),
                ("labels", texts()),
                ("annotations", texts()),
                ("UID", Type::String),
                ("creationTimestamp", Type::Timestamp),
                ("deletionGracePeriodSeconds", Type::Int),
                ("deletionTimestamp", Type::Timestamp),
                ("generation", Type::Int),
                ("resourceVersion", Type::String),
                ("finalizers", strings()),
            ],
        )
        .with_message(
            "kubernetes.Namespace",
            &[
                ("metadata", Type::message("kubernetes.NamespaceMetadata")),
                ("spec", Type::message("kubernetes.NamespaceSpec")),
                ("status", Type::message("kubernetes.NamespaceStatus")),
            ],
        )
}
