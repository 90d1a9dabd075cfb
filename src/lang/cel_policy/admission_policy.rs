//! What both kinds of admission policy of the API server are made of; how each judges stands in its own file.

use std::sync::Arc;

use super::binding::{self, Binding};
use super::environment::Dialect;
use super::expressions::{Expressions, Spec};
use super::matching::{MatchConstraints, Place};
use crate::document::{Document, Node};
use crate::lang::{Companions, Compiled, Evaluator};
use crate::matching::Selection;
use crate::model::{Outcome, Status};
use crate::policy::PolicySource;

/// A compiled policy.
#[derive(Debug)]
pub(super) struct AdmissionPolicy {
    pub(super) name: String,
    pub(super) constraints: MatchConstraints,
    pub(super) expressions: Result<Expressions, String>,
    pub(super) ignores_failures: bool,
    pub(super) bindings: Vec<Binding>,
    pub(super) has_params: bool,
}

/// Compiles a policy, which judges as the evaluator that is made of it.
pub(super) fn compile<E: Evaluator + 'static>(
    source: &PolicySource,
    companions: &Companions<'_>,
    evaluator: impl FnOnce(AdmissionPolicy) -> E,
) -> Compiled {
    let root = source.document.root();
    let empty = Document::null();
    let spec = root.get("spec").unwrap_or_else(|| empty.root());
    let param_kind = spec.get("paramKind").filter(|kind| !kind.is_empty());
    let bindings = binding::compile(companions, source.key.kind, param_kind);
    let dialect = Dialect::Admission { has_params: param_kind.is_some(), conditions_see_variables: false };
    let constraints = spec.get("matchConstraints").unwrap_or_else(|| empty.root());
    let constraints = MatchConstraints::compile(constraints, Place::AdmissionPolicy);
    let standing = binding::standing(root, &bindings);
    Compiled {
        selection: Selection { kinds: constraints.kinds(), namespace: None },
        evaluator: Arc::new(evaluator(AdmissionPolicy {
            name: source.key.name.clone(),
            constraints,
            expressions: Expressions::compile(&Spec::of(spec), dialect),
            ignores_failures: spec.get("failurePolicy").and_then(Node::as_str) == Some("Ignore"),
            bindings,
            has_params: param_kind.is_some(),
        })),
        standing,
        warnings: Vec::new(),
        rules: Vec::new(),
    }
}

impl AdmissionPolicy {
    /// An outcome under the name of the policy, which has no rules.
    pub(super) fn outcome(&self, status: Status, message: impl Into<String>) -> Outcome {
        Outcome::new(self.name.as_str(), status, message)
    }
}
