//! `policies.kyverno.io` `MutatingPolicy` and `NamespacedMutatingPolicy`, as a dry patch: is a resource what the policy would make of it?
//!
//! Upstream: `pkg/cel/policies/mpol` and `pkg/controllers/report/utils/scanner.go` of Kyverno. Unlike a validating policy's, match conditions
//! that do not hold give a `skip`. Pod policies also judge pod controllers: expressions look into the template, and their patches are
//! applied to it (the reference rewrites the text of `Object` literals, which loses those in conditions, and leaves JSON patches as they
//! are). A policy that mutates existing resources (`targetMatchConstraints`) judges these, not what triggers it.

use std::sync::Arc;

use super::Dialect;
use super::autogen::{self, Derived};
use super::binding::Pending;
use super::exception::{self, Excepted, Exception, Reach};
use super::expressions::{Expressions, Spec, items};
use super::frame::Frame;
use super::matching::{Answer, MatchConstraints, Place};
use super::mutation::{Draft, Fault, Manner, Stages};
use super::validating_policy::{annotate, controllers, is_about_payloads, kinds_of, standing};
use crate::document::{Document, Node};
use crate::lang::cel::Budget;
use crate::lang::patch::Atomics;
use crate::lang::{Companions, Compiled, Evaluation, Evaluator, Inputs};
use crate::limits;
use crate::matching::Selection;
use crate::model::{Outcome, Status};
use crate::policy::{PolicySource, Standing};

/// A compiled policy.
#[derive(Debug)]
struct MutatingPolicy {
    namespace: Option<String>,
    /// The policy itself, then what is derived from it.
    variants: Vec<Variant>,
}

#[derive(Debug)]
struct Variant {
    constraints: MatchConstraints,
    /// Why the expressions are refused, if they are.
    rules: Result<Rules, String>,
    ignores_failures: bool,
    manner: Manner,
}

#[derive(Debug)]
struct Rules {
    expressions: Expressions,
    exceptions: Vec<Exception>,
}

/// Compiles a policy.
pub(super) fn compile(source: &PolicySource, companions: &Companions<'_>) -> Compiled {
    let root = source.document.root();
    let empty = Document::null();
    let spec = root.get("spec").unwrap_or_else(|| empty.root());
    let derived = match targets(spec) {
        Some(_) => Vec::new(),
        None => autogen::derive(spec, controllers(spec).as_deref()),
    };
    let dialect = Dialect::Kyverno { is_namespaced: source.key.kind.is_namespaced() };
    let own = Variant::constraints(root, spec).map(|constraints| (spec, constraints, [].as_slice()));
    let derived = derived.iter().filter_map(|Derived { spec, template }| {
        let constraints = spec.root().get("matchConstraints")?;
        Some((spec.root(), MatchConstraints::compile(constraints, Place::Kyverno), *template))
    });
    let variants: Vec<Variant> = own
        .into_iter()
        .chain(derived)
        .map(|(spec, constraints, template)| {
            Variant::compile(spec, constraints, template, dialect, companions)
        })
        .collect();
    let namespace = (!source.key.namespace.is_empty()).then(|| source.key.namespace.clone());
    Compiled {
        selection: Selection {
            kinds: kinds_of(variants.iter().map(|variant| &variant.constraints)),
            namespace: namespace.clone(),
        },
        evaluator: Arc::new(MutatingPolicy { namespace, variants }),
        standing: match standing(root) {
            Standing::Scanned if targets(spec).is_some_and(|targets| targets.get("expression").is_some()) => {
                let reason = "an expression over what triggers it says which resources it mutates".to_owned();
                Standing::NotScanned { reason }
            }
            standing => standing,
        },
        warnings: Vec::new(),
        rules: Vec::new(),
    }
}

/// The constraints of the existing resources that a policy mutates, if it mutates others than those that it matches.
fn targets(spec: Node<'_>) -> Option<Node<'_>> {
    spec.get("targetMatchConstraints").filter(|targets| !targets.is_null())
}

impl Variant {
    /// The constraints of a policy itself; `None` if it is about nothing.
    fn constraints(root: Node<'_>, spec: Node<'_>) -> Option<MatchConstraints> {
        if is_about_payloads(root) {
            return Some(MatchConstraints::payloads());
        }
        let node = targets(spec).or_else(|| spec.get("matchConstraints")).filter(|node| !node.is_null())?;
        Some(MatchConstraints::compile(node, Place::Kyverno))
    }

    fn compile(
        spec: Node<'_>,
        constraints: MatchConstraints,
        template: &'static [&'static str],
        dialect: Dialect,
        companions: &Companions<'_>,
    ) -> Self {
        let mut said = Spec::of(spec);
        if targets(spec).is_some() {
            said.match_conditions = items(spec, "targetMatchConditions");
        }
        let rules = Expressions::compile(&said, dialect).and_then(|expressions| {
            let exceptions = exception::compile(companions, &expressions)?;
            Ok(Rules { expressions, exceptions })
        });
        let replaces = spec.path(&["evaluation", "useServerSideApply"]).and_then(Node::as_bool) == Some(true);
        Self {
            constraints,
            rules,
            ignores_failures: spec.get("failurePolicy").and_then(Node::as_str) == Some("Ignore"),
            manner: Manner {
                atomics: if replaces { Atomics::Replaced } else { Atomics::Refused },
                template,
                nests_literals: true,
            },
        }
    }

    /// `Ok(None)` if it says nothing about the resource.
    fn evaluate<'d>(
        &self,
        draft: &mut Draft<'d>,
        inputs: &'d Inputs<'d>,
    ) -> Result<Option<Outcome>, Pending> {
        let error = |rule: &str, message: String| Ok(Some(Outcome::new(rule, Status::Error, message)));
        match self.constraints.answer(inputs) {
            Answer::Yes => {}
            Answer::No => return Ok(None),
            Answer::Needs => return Err(Pending),
            Answer::Failed(message) => {
                return error("match", format!("failed to execute matching: {message}"));
            }
        }
        let rules = match &self.rules {
            Ok(rules) => rules,
            Err(message) => return error("", format!("the policy is not valid: {message}")),
        };
        match self.judge(rules, draft, inputs) {
            Ok(outcome) => Ok(Some(outcome)),
            Err(Fault::Pending) => Err(Pending),
            Err(Fault::Evaluation(failed)) => {
                error("evaluation", format!("failed to evaluate policy: {failed}"))
            }
            Err(Fault::Patch(failed)) => error("evaluation", format!("failed to evaluate policy: {failed}")),
        }
    }

    fn judge<'d>(
        &self,
        rules: &Rules,
        draft: &mut Draft<'d>,
        inputs: &'d Inputs<'d>,
    ) -> Result<Outcome, Fault> {
        let stages = Stages::new(rules.expressions.mutations.len() + 1);
        let budget = Budget::per_call(limits::CEL_COST_PER_KYVERNO_CALL_MAX);
        let frame = Frame::new(&rules.expressions, inputs, budget);
        let holds = |conditions| frame.holds(conditions, self.ignores_failures);
        match exception::apply(&rules.exceptions, &frame, Reach::UnlessAllowing, holds) {
            Excepted::No => {}
            Excepted::Yes(outcome) => return Ok(outcome),
            Excepted::Failed(error) => return Err(error.into()),
        }
        if !holds(&rules.expressions.match_conditions)? {
            return Ok(Outcome::new("", Status::Skip, "skip"));
        }
        for (at, mutation) in rules.expressions.mutations.iter().enumerate() {
            let value = frame.value(&mutation.expression)?;
            draft.apply(mutation, &value, self.manner)?;
            frame.set_object(draft.object(&stages, at)?);
        }
        let mut outcome = Outcome::new("", Status::Pass, "success");
        annotate(&frame, &rules.expressions.audit_annotations, &mut outcome)?;
        // A failure has no annotations in the reference.
        let failed = || Outcome::new("", Status::Fail, "mutation is not applied");
        Ok(if draft.is_changed() { failed() } else { outcome })
    }
}

impl MutatingPolicy {
    fn is_elsewhere(&self, inputs: &Inputs<'_>) -> bool {
        self.namespace.as_ref().is_some_and(|namespace| *namespace != inputs.resource.key.namespace)
    }
}

impl Evaluator for MutatingPolicy {
    fn evaluate(&self, inputs: &Inputs<'_>) -> Evaluation {
        if self.is_elsewhere(inputs) {
            return Evaluation::Done(Vec::new());
        }
        let mut outcomes = Vec::new();
        let mut needs_facts = false;
        for variant in &self.variants {
            match variant.evaluate(&mut Draft::new(inputs), inputs) {
                Ok(outcome) => outcomes.extend(outcome),
                Err(Pending) => needs_facts = true,
            }
        }
        if needs_facts { Evaluation::Needs(inputs.needs()) } else { Evaluation::Done(outcomes) }
    }

    fn patched(&self, inputs: &Inputs<'_>) -> Option<serde_json::Value> {
        self.variants.iter().filter(|_| !self.is_elsewhere(inputs)).find_map(|variant| {
            let mut draft = Draft::new(inputs);
            let outcome = variant.evaluate(&mut draft, inputs).ok()??;
            matches!(outcome.status, Status::Pass | Status::Fail).then(|| draft.into_object())?
        })
    }
}
