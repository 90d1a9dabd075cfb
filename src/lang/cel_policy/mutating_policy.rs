//! `policies.kyverno.io` `MutatingPolicy` and `NamespacedMutatingPolicy`, as a dry patch: is a resource what the policy would make of it?
//!
//! Upstream: `pkg/cel/policies/mpol` and `pkg/controllers/report/utils/scanner.go` of Kyverno. Unlike a validating policy's, match conditions
//! that do not hold give a `skip`. Pod policies also judge pod controllers: expressions look into the template, and their patches are
//! applied to it (the reference rewrites the text of `Object` literals, which loses those in conditions, and leaves JSON patches as they
//! are). A policy that mutates existing resources (`targetMatchConstraints`) judges these, not what triggers it.
//!
//! Where `targetMatchConstraints.expression` computes the targets from the object that triggers the policy, the policy is not scanned: whether
//! a resource is a target would take an evaluation for each object that may trigger it, so each pair would depend on all of these. The
//! reference computes them when it carries out a request of such an object (`pkg/background/mpol`); its scans read neither the target
//! constraints nor the expression.

use std::sync::Arc;

use super::exception::{self, Excepted, Exception, Reach};
use super::expressions::{Expressions, Spec, items};
use super::frame::Frame;
use super::mutation::{Draft, Fault, Manner, Stages};
use super::variants::{Variant, Variants, standing};
use super::{Dialect, Pending};
use crate::document::Node;
use crate::lang::cel::Budget;
use crate::lang::patch::Atomics;
use crate::lang::{Companions, Compiled, Evaluation, Evaluator, Inputs};
use crate::limits;
use crate::model::{Outcome, Status};
use crate::policy::{PolicySource, Standing};

/// A compiled policy.
#[derive(Debug)]
struct MutatingPolicy(Variants<Result<Rules, String>>);

#[derive(Debug)]
struct Rules {
    expressions: Expressions,
    exceptions: Vec<Exception>,
    manner: Manner,
}

/// Compiles a policy.
pub(super) fn compile(source: &PolicySource, companions: &Companions<'_>) -> Compiled {
    let root = source.document.root();
    let targets = root.path(&["spec", "targetMatchConstraints"]).filter(|targets| !targets.is_null());
    let dialect = Dialect::Kyverno { is_namespaced: source.key.kind.is_namespaced() };
    let variants = Variants::compile(source, targets, |spec, template| {
        let mut said = Spec::of(spec);
        if targets.is_some() {
            said.match_conditions = items(spec, "targetMatchConditions");
        }
        let expressions = Expressions::compile(&said, dialect)?;
        let exceptions = exception::compile(companions, &expressions)?;
        let replaces = spec.path(&["evaluation", "useServerSideApply"]).and_then(Node::as_bool) == Some(true);
        let atomics = if replaces { Atomics::Replaced } else { Atomics::Refused };
        Ok(Rules { expressions, exceptions, manner: Manner { atomics, template, nests_literals: true } })
    });
    Compiled {
        selection: variants.selection(),
        evaluator: Arc::new(MutatingPolicy(variants)),
        standing: match standing(root) {
            Standing::Scanned if targets.is_some_and(|targets| targets.get("expression").is_some()) => {
                let reason =
                    "which resources it mutates is computed from each object that triggers it".to_owned();
                Standing::NotScanned { reason }
            }
            standing => standing,
        },
        warnings: Vec::new(),
        rules: Vec::new(),
    }
}

impl Evaluator for MutatingPolicy {
    fn evaluate(&self, inputs: &Inputs<'_>) -> Evaluation {
        self.0.evaluate(inputs, |variant| judged(variant, &mut Draft::new(inputs), inputs))
    }

    fn patched(&self, inputs: &Inputs<'_>) -> Option<serde_json::Value> {
        self.0.of(inputs).iter().find_map(|variant| {
            let mut draft = Draft::new(inputs);
            let outcome = variant.judge(inputs, || judged(variant, &mut draft, inputs)).ok()??;
            matches!(outcome.status, Status::Pass | Status::Fail).then(|| draft.into_object())?
        })
    }
}

/// What one form of a policy says of a resource, and makes of it.
fn judged<'d>(
    variant: &Variant<Result<Rules, String>>,
    draft: &mut Draft<'d>,
    inputs: &'d Inputs<'d>,
) -> Result<Option<Outcome>, Pending> {
    let error = |rule, message| Ok(Some(Outcome::new(rule, Status::Error, message)));
    let rules = match &variant.rules {
        Ok(rules) => rules,
        Err(message) => return error("", format!("the policy is not valid: {message}")),
    };
    match rules.judge(draft, inputs, variant.ignores_failures) {
        Ok(outcome) => Ok(Some(outcome)),
        Err(Fault::Pending) => Err(Pending),
        Err(Fault::Evaluation(failed)) => error("evaluation", format!("failed to evaluate policy: {failed}")),
        Err(Fault::Patch(failed)) => error("evaluation", format!("failed to evaluate policy: {failed}")),
    }
}

impl Rules {
    fn judge<'d>(
        &self,
        draft: &mut Draft<'d>,
        inputs: &'d Inputs<'d>,
        ignores_failures: bool,
    ) -> Result<Outcome, Fault> {
        let stages = Stages::new(self.expressions.mutations.len() + 1);
        let budget = Budget::per_call(limits::CEL_COST_PER_KYVERNO_CALL_MAX);
        let frame = Frame::new(&self.expressions, inputs, budget);
        let holds = |conditions| frame.holds(conditions, ignores_failures);
        match exception::apply(&self.exceptions, &frame, Reach::UnlessAllowing, holds) {
            Excepted::No => {}
            Excepted::Yes(outcome) => return Ok(outcome),
            Excepted::Failed(error) => return Err(error.into()),
        }
        if !holds(&self.expressions.match_conditions)? {
            return Ok(Outcome::new("", Status::Skip, "skip"));
        }
        for (at, mutation) in self.expressions.mutations.iter().enumerate() {
            let value = frame.value(&mutation.expression)?;
            draft.apply(mutation, &value, self.manner)?;
            frame.set_object(draft.object(&stages, at)?);
        }
        let mut outcome = Outcome::new("", Status::Pass, "success");
        frame.annotate(&mut outcome)?;
        // A failure has no annotations in the reference.
        let failed = || Outcome::new("", Status::Fail, "mutation is not applied");
        Ok(if draft.is_changed() { failed() } else { outcome })
    }
}
