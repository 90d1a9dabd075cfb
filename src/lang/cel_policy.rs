//! Policies whose conditions are CEL: what stands around the expressions, in whatever kind of policy they are written.
//!
//! `matching` decides which resources are meant, `expressions` compiles what a policy says once, `frame` gives its names their values for
//! one resource, `variants` is what all kinds of `policies.kyverno.io` share, `admission` and `validating_policy` judge as the API server and
//! Kyverno do, `mutation` patches a copy and looks whether it differs. The language itself is `cel`, patches are `patch`.

mod admission;
mod admission_policy;
mod autogen;
mod binding;
mod environment;
mod exception;
mod expressions;
mod frame;
mod image_validating_policy;
mod library;
mod lint;
mod matching;
mod mutating_admission_policy;
mod mutating_policy;
mod mutation;
mod names;
mod params;
mod patch_value;
mod request;
mod selector;
#[cfg(test)]
mod tests;
mod validating_admission_policy;
mod validating_policy;
mod variants;

use std::sync::Arc;

use super::{Companions, Compiled, Silent};
use crate::matching::Selection;
use crate::model::PolicyKind;
use crate::policy::{PolicySource, Standing};

pub(crate) use admission::{Decision, Judge};
pub(crate) use environment::Dialect;
pub(crate) use expressions::{Expressions, Spec, items};
pub(crate) use lint::{lint, refused};
pub(crate) use params::{ParamRules, ParamSource, Params};

/// Compiles a policy that is written in CEL. It never fails: what cannot be compiled gives `error` outcomes where it would have applied.
pub(crate) fn compile(source: &PolicySource, companions: &Companions<'_>) -> Compiled {
    match source.key.kind {
        PolicyKind::ValidatingPolicy | PolicyKind::NamespacedValidatingPolicy => {
            validating_policy::compile(source, companions)
        }
        PolicyKind::ValidatingAdmissionPolicy => validating_admission_policy::compile(source, companions),
        PolicyKind::ImageValidatingPolicy | PolicyKind::NamespacedImageValidatingPolicy => {
            image_validating_policy::compile(source, companions)
        }
        PolicyKind::MutatingPolicy | PolicyKind::NamespacedMutatingPolicy => {
            mutating_policy::compile(source, companions)
        }
        PolicyKind::MutatingAdmissionPolicy => mutating_admission_policy::compile(source, companions),
        kind => not_scanned(format!("a scan has no results of {}", kind.as_str())),
    }
}

/// Facts are missing; they are noted in the inputs.
#[derive(Debug)]
struct Pending;

fn not_scanned(reason: String) -> Compiled {
    Compiled {
        selection: Selection::default(),
        evaluator: Arc::new(Silent),
        standing: Standing::NotScanned { reason },
        warnings: Vec::new(),
        rules: Vec::new(),
    }
}
