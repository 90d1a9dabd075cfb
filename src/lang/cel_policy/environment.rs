//! What the expressions of a policy may name, by the kind of policy, and what each name stands for.
//!
//! Upstream: `pkg/admission/plugin/cel/compile.go` of the API server, `pkg/cel/compiler/env.go` of Kyverno.

use crate::lang::cel::{Environment, Type};
use crate::lang::cel_k8s::{
    self, AdmissionVariables, KubernetesLibrary, KubernetesVersion, admission_environment, kyverno,
    with_variables,
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
        /// Whether `matchConditions` may name the policy's variables: not where the API server checks the policy.
        conditions_see_variables: bool,
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
        match self {
            Self::Admission { has_params, .. } => {
                let variables =
                    AdmissionVariables { has_params, has_authorizer: true, ..AdmissionVariables::default() };
                with_variables(admission_environment(KUBERNETES, variables))
            }
            Self::Kyverno { is_namespaced } => {
                KubernetesLibrary::JsonPatch.add_to(kyverno::policy_environment(is_namespaced))
            }
        }
    }

    /// The type of `variables`.
    pub(super) fn variables(self) -> &'static str {
        match self {
            Self::Admission { .. } => cel_k8s::VARIABLES,
            Self::Kyverno { .. } => kyverno::VARIABLES,
        }
    }

    /// The environment of messages, given that of validations: the API server gives messages no `authorizer`.
    pub(super) fn of_messages(env: Environment) -> Environment {
        env.without_variable("authorizer").without_variable("authorizer.requestResource")
    }

    /// The environment of match conditions, given that without the policy's variables and that with them. Kyverno compiles the variables of
    /// policies that mutate before their conditions, of others after them (`pkg/cel/policies/{mpol,vpol}/compiler`).
    pub(super) fn of_conditions(self, bare: &Environment, env: &Environment, mutates: bool) -> Environment {
        match self {
            Self::Admission { conditions_see_variables: false, .. } => {
                env.clone().without_variable("variables")
            }
            Self::Kyverno { .. } if !mutates => bare.clone(),
            _ => env.clone(),
        }
    }

    /// What is said of an expression whose type is none of those that are wanted.
    pub(super) fn unfit(self, wanted: &[Type], is: &Type) -> String {
        let names = |between: &str| wanted.iter().map(Type::declared_name).collect::<Vec<_>>().join(between);
        match (self, wanted.len()) {
            (Self::Admission { .. }, 1) => {
                format!("must evaluate to {} but got {}", names(""), is.declared_name())
            }
            (Self::Admission { .. }, _) => {
                format!("must evaluate to one of [{}] but got {}", names(" "), is.declared_name())
            }
            (Self::Kyverno { .. }, 1) => format!("output is expected to be of type {}", names("")),
            (Self::Kyverno { .. }, _) => {
                format!("output is expected to be either of type {}", names(" or "))
            }
        }
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
        let services =
            kyverno::library_variables().enumerate().map(|(at, name)| (name, Meaning::Service(at)));
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
