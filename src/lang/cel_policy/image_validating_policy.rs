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
use super::variants::{Variant, Variants, standing};
use super::{Dialect, Pending};
use crate::document::Node;
use crate::lang::cel::{Budget, EvalError};
use crate::lang::{Companions, Compiled, Evaluation, Evaluator, Inputs};
use crate::limits;
use crate::model::{Outcome, Status};
use crate::policy::{PolicySource, Warning};
use rules::{Invalid, Rules};
pub(super) use signatures::ImageNames;

/// A compiled policy.
#[derive(Debug)]
struct ImagePolicy {
    name: String,
    variants: Variants<Result<Rules, Invalid>>,
}

/// Compiles a policy.
pub(super) fn compile(source: &PolicySource, companions: &Companions<'_>) -> Compiled {
    let dialect = Dialect::Kyverno { is_namespaced: source.key.kind.is_namespaced() };
    let variants = Variants::compile(source, None, |spec, _| Rules::compile(spec, dialect, companions));
    Compiled {
        selection: variants.selection(),
        standing: standing(source.document.root()),
        evaluator: Arc::new(ImagePolicy { name: source.key.name.clone(), variants }),
        warnings: Vec::new(),
        rules: Vec::new(),
    }
}

/// What is wrong with a policy's expressions, in the order in which the reference compiles them.
pub(super) fn refusals(spec: Node<'_>, dialect: Dialect) -> Vec<Refusal> {
    Rules::compile_all(spec, dialect).1
}

impl Evaluator for ImagePolicy {
    fn evaluate(&self, inputs: &Inputs<'_>) -> Evaluation {
        // Of several results the reference reports the first.
        for variant in self.variants.of(inputs) {
            match variant.judge(inputs, || self.judge(variant, inputs)) {
                Ok(None) => {}
                Ok(Some(outcome)) => return Evaluation::Done(vec![outcome]),
                Err(Pending) => return Evaluation::Needs(inputs.needs()),
            }
        }
        Evaluation::Done(Vec::new())
    }

    fn certain_errors(&self) -> Vec<Warning> {
        let refused = |rules: &Result<Rules, Invalid>| match rules {
            Err(Invalid::Exception(why)) => Some(Warning::new("", why.clone())),
            _ => None,
        };
        self.variants.rules().find_map(refused).into_iter().collect()
    }
}

impl ImagePolicy {
    fn judge(
        &self,
        variant: &Variant<Result<Rules, Invalid>>,
        inputs: &Inputs<'_>,
    ) -> Result<Option<Outcome>, Pending> {
        let error = |message| Ok(Some(Outcome::new("evaluation", Status::Error, message)));
        let rules = match &variant.rules {
            Ok(rules) => rules,
            Err(invalid) => return error(format!("the policy is not valid: {invalid}")),
        };
        match rules.judge(&self.name, inputs, variant.ignores_failures) {
            Ok(outcome) => Ok(outcome),
            Err(EvalError::Pending) => Err(Pending),
            Err(failed) => error(format!("failed to evaluate policy: {failed}")),
        }
    }
}

impl Rules {
    fn judge(
        &self,
        name: &str,
        inputs: &Inputs<'_>,
        ignores_failures: bool,
    ) -> Result<Option<Outcome>, EvalError> {
        let budget = Budget::per_call(limits::CEL_COST_PER_KYVERNO_CALL_MAX);
        let frame = Frame::new(&self.expressions, inputs, budget);
        let holds = |conditions| frame.holds(conditions, ignores_failures);
        if !holds(&self.expressions.match_conditions)? {
            return Ok(None);
        }
        match exception::apply(&self.exceptions, &frame, Reach::Whole, holds) {
            Excepted::No => self.validated(name, &frame).map(Some),
            Excepted::Yes(outcome) => Ok(Some(outcome)),
            Excepted::Failed(error) => Err(error),
        }
    }
}
