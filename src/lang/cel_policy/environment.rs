//! What the expressions of a policy may name, by the kind of policy, and what each name stands for.
//!
//! Upstream: `pkg/admission/plugin/cel/compile.go` of the API server, `pkg/cel/compiler/env.go` of Kyverno.

use super::library;
use crate::lang::cel::{Environment, Library, Type};
use crate::lang::cel_k8s::{
    AdmissionVariables, KubernetesLibrary, KubernetesVersion, admission_environment, with_variables,
};

/// The Kubernetes version whose API server policies are judged as.
const KUBERNETES: KubernetesVersion = KubernetesVersion::new(1, 34);

/// Whose environment an expression is compiled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// The API server's, for admission policies and rules with `validate.cel`.
    Admission {
        /// Whether there is `params`.
        has_params: bool,
        /// Whether there is `authorizer`.
        has_authorizer: bool,
    },
    /// Kyverno's, for `policies.kyverno.io`.
    Kyverno {
        /// Whether the policy lives in a namespace and must not look elsewhere.
        is_namespaced: bool,
    },
}

/// What a slot of an environment stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    Object,
    OldObject,
    NamespaceObject,
    Request,
    Params,
    Authorizer,
    RequestResource,
    Exceptions,
    /// The images that a policy is about.
    Images,
    Attestors,
    Attestations,
    /// A variable of the policy, by position.
    Variable(usize),
    /// A variable whose methods look outside, by position.
    Service(usize),
}

const NAMES: [(&str, Meaning); 11] = [
    ("object", Meaning::Object),
    ("oldObject", Meaning::OldObject),
    ("namespaceObject", Meaning::NamespaceObject),
    ("request", Meaning::Request),
    ("params", Meaning::Params),
    ("authorizer", Meaning::Authorizer),
    ("authorizer.requestResource", Meaning::RequestResource),
    ("exceptions", Meaning::Exceptions),
    ("images", Meaning::Images),
    ("attestors", Meaning::Attestors),
    ("attestations", Meaning::Attestations),
];

impl Dialect {
    /// Whether it is the API server's.
    pub(crate) fn is_admission(self) -> bool {
        matches!(self, Self::Admission { .. })
    }

    /// The environment without the policy's own variables.
    pub(super) fn environment(self) -> Environment {
        let env = match self {
            Self::Admission { has_params, has_authorizer } => {
                let variables =
                    AdmissionVariables { has_params, has_authorizer, ..AdmissionVariables::default() };
                admission_environment(KUBERNETES, variables)
            }
            Self::Kyverno { is_namespaced } => library::add_to(kyverno_environment(), is_namespaced),
        };
        with_variables(env)
    }

    /// The type that a variable of the policy has where it is read. The API server forgets types that its schemas do not know
    /// (`convertCelTypeToDeclType`).
    pub(super) fn variable_type(self, kind: &Type) -> Type {
        match self {
            Self::Kyverno { .. } => kind.clone(),
            Self::Admission { .. } => declared(kind),
        }
    }

    /// What the slots of an environment stand for, in their order.
    pub(super) fn meanings(env: &Environment) -> Vec<Option<Meaning>> {
        let mut meanings = vec![None; usize::from(env.n_slots())];
        let services = library::names().enumerate().map(|(at, name)| (name, Meaning::Service(at)));
        for (name, meaning) in NAMES.into_iter().chain(services) {
            if let Some(place) = env.slot(name).and_then(|slot| meanings.get_mut(usize::from(slot))) {
                *place = Some(meaning);
            }
        }
        meanings
    }
}

fn declared(kind: &Type) -> Type {
    match kind {
        Type::Bool
        | Type::Bytes
        | Type::Double
        | Type::Duration
        | Type::Int
        | Type::Null
        | Type::String
        | Type::Timestamp
        | Type::Uint => kind.clone(),
        Type::List(item) => Type::list(declared(item)),
        Type::Map(key, value) => Type::map(declared(key), declared(value)),
        _ => Type::Dyn,
    }
}

fn kyverno_environment() -> Environment {
    let strings = || Type::list(Type::String);
    let env = admission_environment(KUBERNETES, AdmissionVariables::default())
        .with_library(Library::Bindings)
        .with_library(Library::Encoders)
        .with_library(Library::Math(2))
        .with_lenient_or_value()
        .with_message(
            "kubernetes.AdmissionRequest",
            &[("uid", Type::String), ("object", Type::Dyn), ("oldObject", Type::Dyn)],
        )
        .with_message("kyverno.Exceptions", &[("allowedImages", strings()), ("allowedValues", strings())])
        .with_variable("exceptions", Type::message("kyverno.Exceptions"));
    KubernetesLibrary::JsonPatch.add_to(env)
}
