//! CEL as Kyverno's policies speak it: the API server's libraries and those of Kyverno's SDK
//! (`github.com/kyverno/sdk`, `cel/libs`).
//!
//! What needs the cluster, the network, the clock or chance is asked of the surroundings through
//! [`Activation::call_host`](crate::lang::cel::Activation::call_host), under the names in [`host`]; an answer
//! that is not fetched yet is [`EvalError::Pending`](crate::lang::cel::EvalError::Pending).

mod data;
mod image;
mod lookups;
#[cfg(test)]
mod tests;

pub use data::decoded;
pub use lookups::host;

use super::KubernetesLibrary;
use crate::lang::cel::{Environment, Library, Type};

/// The type of `variables`, whose fields are added with [`Environment::with_lazy_field`].
pub const VARIABLES: &str = "kyverno.variables";

/// The libraries of Kyverno's policies without variables (`pkg/cel/compiler/env.go`). Comprehensions over two variables, which came and
/// went with versions of Kyverno, are known.
pub fn base_environment() -> Environment {
    let env = common_environment().with_lenient_or_value();
    env.with_functions(data::ENTRIES).with_functions(image::ENTRIES).with_functions(lookups::COMMON)
}

/// What expressions over an image's reference, which is `ref`, may name.
pub fn image_reference_environment() -> Environment {
    common_environment().with_functions(image::ENTRIES).with_variable("ref", Type::String)
}

/// The libraries that are the API server's too.
fn common_environment() -> Environment {
    use KubernetesLibrary as Own;
    let env = Environment::standard()
        .with_homogeneous_literals()
        .with_eager_conversions()
        .with_library(Library::Optionals(2))
        .with_library(Library::Bindings)
        .with_library(Library::Encoders)
        .with_library(Library::Lists(3))
        .with_library(Library::Math(2))
        .with_library(Library::Sets)
        .with_library(Library::Strings(2))
        .with_library(Library::TwoVariables)
        .with_library(Library::Regex);
    let own =
        [Own::Cidr, Own::Format, Own::Ip, Own::Lists, Own::Regex, Own::Urls, Own::Quantity, Own::Semver];
    own.into_iter().fold(env, |env, library| library.add_to(env))
}

/// The environment of a policy of `policies.kyverno.io`: the variables of admission policies, and the
/// libraries' own.
///
/// A policy in a namespace looks up its namespace's resources only, so its functions take no namespace.
pub fn policy_environment(is_namespaced: bool) -> Environment {
    let lookups = if is_namespaced { lookups::NAMESPACED } else { lookups::CLUSTER };
    let env = super::with_request_types(super::with_namespace_types(base_environment()));
    let env = env
        .with_functions(lookups)
        .with_message(
            "kubernetes.AdmissionRequest",
            &[("uid", Type::String), ("object", Type::Dyn), ("oldObject", Type::Dyn)],
        )
        .with_message(
            "libs.Exception",
            &[("allowedImages", Type::list(Type::String)), ("allowedValues", Type::list(Type::String))],
        )
        .with_message("user.ServiceAccount", &[("Namespace", Type::String), ("Name", Type::String)])
        .with_message(VARIABLES, &[])
        .with_variable("object", Type::Dyn)
        .with_variable("oldObject", Type::Dyn)
        .with_variable("namespaceObject", Type::message("kubernetes.Namespace"))
        .with_variable("request", Type::message("kubernetes.AdmissionRequest"))
        .with_variable("exceptions", Type::message("libs.Exception"))
        .with_variable("variables", Type::message(VARIABLES));
    lookups::CONTEXTS.iter().fold(env, |env, (name, kind)| env.with_variable(name, Type::opaque(kind)))
}

/// The names of the libraries' own variables (`resource`, `http`, `json`, …), in their order.
pub fn library_variables() -> impl Iterator<Item = &'static str> {
    lookups::CONTEXTS.iter().map(|(name, _)| *name)
}

/// The value of a library's own variable, by its position.
pub fn library_variable<'d>(position: usize) -> Option<crate::lang::cel::Value<'d>> {
    lookups::context(position)
}
