//! `policies.kyverno.io` `ImageValidatingPolicy` and `NamespacedImageValidatingPolicy`: which images of a resource they are about, and whether
//! those are as the policy wants them.
//!
//! Upstream: `pkg/cel/policies/ivpol`, `pkg/image/verification/evaluator` of Kyverno 1.19.1. Up to 1.18 a background scan asked the engine for
//! what the mutating webhook does, which looked neither at `verifyDigest` nor at `required`: the validating webhook read the annotation
//! `kyverno.io/image-verification-outcomes` instead. Since 1.19 a scan asks for what the validating webhook does
//! (`pkg/controllers/report/utils/scanner.go`), and there is no annotation any more:
//!
//! - `verifyDigest`, unless it is false: an image that is named without a digest fails, before any registry is asked;
//! - `required`, unless it is false: a policy that would pass fails if one of its images was not verified by a call of
//!   `verifyImageSignatures` or `verifyAttestationSignatures`. Policies of one admission request vouch for each other; in a scan each stands
//!   alone, since it is evaluated with an engine of its own;
//! - `mutateDigest` is the mutating webhook's, and has no effect in a scan: a tag that was never pinned fails by `verifyDigest`.
//!
//! Signatures, attestations and the images themselves are in registries: where those are not asked, a resource with an image that the policy is
//! about gets an `error` outcome that names the setting.

mod attestors;
mod references;
mod rules;
mod signatures;

use std::sync::Arc;

use super::exception::{self, Excepted, Reach};
use super::expressions::Refusal;
use super::frame::Frame;
use super::matching::{Answer, MatchConstraints, Place};
use super::validating_policy::{controllers, is_about_payloads, kinds_of, standing};
use super::{Dialect, autogen};
use crate::document::{Document, Node};
use crate::lang::cel::{Budget, EvalError};
use crate::lang::{Companions, Compiled, Evaluation, Evaluator, Inputs};
use crate::limits;
use crate::matching::Selection;
use crate::model::{Outcome, Status};
use crate::policy::{PolicySource, Warning};
use rules::{Invalid, Rules};
pub(super) use signatures::ImageNames;

/// A compiled policy.
#[derive(Debug)]
struct ImagePolicy {
    name: String,
    namespace: Option<String>,
    variants: Vec<Variant>,
}

#[derive(Debug)]
struct Variant {
    constraints: MatchConstraints,
    rules: Result<Rules, Invalid>,
    ignores_failures: bool,
}

/// Compiles a policy.
pub(super) fn compile(source: &PolicySource, companions: &Companions<'_>) -> Compiled {
    let root = source.document.root();
    let empty = Document::null();
    let spec = root.get("spec").unwrap_or_else(|| empty.root());
    let derived = autogen::derive(spec, controllers(spec).as_deref());
    let dialect = Dialect::Kyverno { is_namespaced: source.key.kind.is_namespaced() };
    let mut variants = Vec::new();
    for spec in std::iter::once(spec).chain(derived.iter().map(|derived| derived.spec.root())) {
        let constraints = if is_about_payloads(root) {
            MatchConstraints::payloads()
        } else {
            let Some(node) = spec.get("matchConstraints").filter(|node| !node.is_null()) else { continue };
            MatchConstraints::compile(node, Place::Kyverno)
        };
        variants.push(Variant {
            constraints,
            rules: Rules::compile(spec, dialect, companions),
            ignores_failures: spec.get("failurePolicy").and_then(Node::as_str) == Some("Ignore"),
        });
    }
    let namespace = (!source.key.namespace.is_empty()).then(|| source.key.namespace.clone());
    Compiled {
        selection: Selection {
            kinds: kinds_of(variants.iter().map(|variant| &variant.constraints)),
            namespace: namespace.clone(),
        },
        evaluator: Arc::new(ImagePolicy { name: source.key.name.clone(), namespace, variants }),
        standing: standing(root),
        warnings: Vec::new(),
        rules: Vec::new(),
    }
}

/// What is wrong with a policy's expressions, in the order in which the reference compiles them.
pub(super) fn refusals(spec: Node<'_>, dialect: Dialect) -> Vec<Refusal> {
    Rules::compile_all(spec, dialect).1
}

impl ImagePolicy {
    fn judge(&self, variant: &Variant, inputs: &Inputs<'_>) -> Result<Option<Outcome>, EvalError> {
        let error = |rule: &str, message: String| Ok(Some(Outcome::new(rule, Status::Error, message)));
        match variant.constraints.answer(inputs) {
            Answer::Yes => {}
            Answer::No => return Ok(None),
            Answer::Needs => return Err(EvalError::Pending),
            Answer::Failed(message) => {
                return error("match", format!("failed to execute matching: {message}"));
            }
        }
        let rules = match &variant.rules {
            Ok(rules) => rules,
            Err(invalid) => return error("evaluation", format!("the policy is not valid: {invalid}")),
        };
        let budget = Budget::per_call(limits::CEL_COST_PER_KYVERNO_CALL_MAX);
        let frame = Frame::new(&rules.expressions, inputs, budget);
        let holds = |conditions| frame.holds(conditions, variant.ignores_failures);
        let result = (|| {
            if !holds(&rules.expressions.match_conditions)? {
                return Ok(None);
            }
            match exception::apply(&rules.exceptions, &frame, Reach::Whole, holds) {
                Excepted::No => {}
                Excepted::Yes(outcome) => return Ok(Some(outcome)),
                Excepted::Failed(error) => return Err(error),
            }
            rules.validated(&self.name, &frame).map(Some)
        })();
        match result {
            Err(EvalError::Pending) => Err(EvalError::Pending),
            Err(failed) => error("evaluation", format!("failed to evaluate policy: {failed}")),
            done => done,
        }
    }
}

impl Evaluator for ImagePolicy {
    fn evaluate(&self, inputs: &Inputs<'_>) -> Evaluation {
        if self.namespace.as_ref().is_some_and(|namespace| *namespace != inputs.resource.key.namespace) {
            return Evaluation::Done(Vec::new());
        }
        // Of several results the reference reports the first.
        for variant in &self.variants {
            match self.judge(variant, inputs) {
                Ok(None) => {}
                Ok(Some(outcome)) => return Evaluation::Done(vec![outcome]),
                Err(_) => return Evaluation::Needs(inputs.needs()),
            }
        }
        Evaluation::Done(Vec::new())
    }

    fn certain_errors(&self) -> Vec<Warning> {
        let refused = |variant: &Variant| match &variant.rules {
            Err(Invalid::Exception(why)) => Some(Warning::new("", why.clone())),
            _ => None,
        };
        self.variants.iter().find_map(refused).into_iter().collect()
    }
}
