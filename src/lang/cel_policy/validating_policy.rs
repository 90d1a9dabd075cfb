//! `policies.kyverno.io` `ValidatingPolicy` and `NamespacedValidatingPolicy`.
//!
//! Upstream: `pkg/cel/policies/vpol` of Kyverno: match constraints, exceptions, match conditions, validations in order, audit annotations.
//! Pod policies also judge pod controllers, with the same outcome as if they were written for them.

use std::sync::Arc;

use super::exception::{self, Excepted, Exception, Reach};
use super::expressions::{Expression, Expressions, Named, Spec};
use super::frame::Frame;
use super::matching::{Answer, MatchConstraints, Place};
use super::{Dialect, autogen};
use crate::document::{Document, Node};
use crate::lang::cel::{Budget, EvalError};
use crate::lang::{Companions, Compiled, Evaluation, Evaluator, Inputs};
use crate::limits;
use crate::matching::{KindSelector, Selection};
use crate::model::{Outcome, Status};
use crate::policy::{PolicySource, Standing};

const INDEX: &str = "cel.validationIndex";

/// A compiled policy.
#[derive(Debug)]
struct ValidatingPolicy {
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
    let derived = autogen::derive(spec, controllers(spec).as_deref());
    let dialect = Dialect::Kyverno { is_namespaced: source.key.kind.is_namespaced() };
    let mut variants = Vec::new();
    for spec in std::iter::once(spec).chain(derived.iter().map(|derived| derived.spec.root())) {
        let constraints = if is_about_payloads(root) {
            MatchConstraints::payloads()
        } else {
            // Without constraints the policy is about nothing.
            let Some(node) = spec.get("matchConstraints").filter(|node| !node.is_null()) else { continue };
            MatchConstraints::compile(node, Place::Kyverno)
        };
        variants.push(Variant::compile(spec, constraints, dialect, companions));
    }
    let namespace = (!source.key.namespace.is_empty()).then(|| source.key.namespace.clone());
    Compiled {
        selection: Selection {
            kinds: kinds_of(variants.iter().map(|variant| &variant.constraints)),
            namespace: namespace.clone(),
        },
        evaluator: Arc::new(ValidatingPolicy { namespace, variants }),
        standing: standing(root),
        warnings: Vec::new(),
        rules: Vec::new(),
    }
}

/// Whether a policy is about JSON that is no object of Kubernetes.
pub(super) fn is_about_payloads(root: Node<'_>) -> bool {
    root.path(&["spec", "evaluation", "mode"]).and_then(Node::as_str) == Some("JSON")
}

/// The kinds that any of the constraints may mean, each once.
pub(super) fn kinds_of<'a>(constraints: impl Iterator<Item = &'a MatchConstraints>) -> Vec<KindSelector> {
    let mut kinds = Vec::new();
    for kind in constraints.flat_map(MatchConstraints::kinds) {
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    kinds
}

/// The plurals of the controllers that a policy is derived for; `None`: all.
pub(super) fn controllers(spec: Node<'_>) -> Option<Vec<&str>> {
    let list = spec.path(&["autogen", "podControllers", "controllers"]).filter(|list| !list.is_null())?;
    Some(list.items().filter_map(Node::as_str).collect())
}

/// Whether scans evaluate a policy of `policies.kyverno.io`.
pub(super) fn standing(root: Node<'_>) -> Standing {
    let not_scanned = |reason: String| Standing::NotScanned { reason };
    if root.path(&["metadata", "labels", "reports.kyverno.io/disabled"]).is_some() {
        return not_scanned("it has the label `reports.kyverno.io/disabled`".to_owned());
    }
    let evaluation = root.path(&["spec", "evaluation"]);
    match evaluation.and_then(|evaluation| evaluation.get("mode")).and_then(Node::as_str) {
        None | Some("" | "Kubernetes") => {}
        Some("JSON") => {
            return Standing::FolderOnly { reason: "its evaluation mode is JSON".to_owned() };
        }
        Some(mode) => return not_scanned(format!("its evaluation mode is {mode}")),
    }
    let background = evaluation.and_then(|evaluation| evaluation.path(&["background", "enabled"]));
    if background.and_then(Node::as_bool) == Some(false) {
        return Standing::FolderOnly { reason: "it switches background scans off".to_owned() };
    }
    Standing::Scanned
}

impl Variant {
    fn compile(
        spec: Node<'_>,
        constraints: MatchConstraints,
        dialect: Dialect,
        companions: &Companions<'_>,
    ) -> Self {
        let rules = Expressions::compile(&Spec::of(spec), dialect).and_then(|expressions| {
            let exceptions = exception::compile(companions, &expressions)?;
            Ok(Rules { expressions, exceptions })
        });
        Self {
            constraints,
            rules,
            ignores_failures: spec.get("failurePolicy").and_then(Node::as_str) == Some("Ignore"),
        }
    }

    /// `Ok(None)` if it says nothing about the resource.
    fn evaluate(&self, inputs: &Inputs<'_>) -> Result<Option<Outcome>, Pending> {
        match self.constraints.answer(inputs) {
            Answer::Yes => {}
            Answer::No => return Ok(None),
            Answer::Needs => return Err(Pending),
            Answer::Failed(message) => {
                let message = format!("failed to execute matching: {message}");
                return Ok(Some(Outcome::new("match", Status::Error, message)));
            }
        }
        let rules = match &self.rules {
            Ok(rules) => rules,
            Err(message) => {
                return Ok(Some(Outcome::new(
                    "",
                    Status::Error,
                    format!("the policy is not valid: {message}"),
                )));
            }
        };
        match self.judge(rules, inputs) {
            Ok(outcome) => Ok(outcome),
            Err(EvalError::Pending) => Err(Pending),
            Err(error) => {
                let message = format!("failed to load context: {error}");
                Ok(Some(Outcome::new("evaluation", Status::Error, message)))
            }
        }
    }

    /// An error is one of the match conditions, or of an audit annotation.
    fn judge(&self, rules: &Rules, inputs: &Inputs<'_>) -> Result<Option<Outcome>, EvalError> {
        let budget = Budget::per_call(limits::CEL_COST_PER_KYVERNO_CALL_MAX);
        let frame = Frame::new(&rules.expressions, inputs, budget);
        let holds = |conditions| frame.holds(conditions, self.ignores_failures);
        match exception::apply(&rules.exceptions, &frame, Reach::UnlessAllowing, holds) {
            Excepted::No => {}
            Excepted::Yes(outcome) => return Ok(Some(outcome)),
            Excepted::Failed(error) => return Err(error),
        }
        if !holds(&rules.expressions.match_conditions)? {
            return Ok(None);
        }
        for (index, validation) in rules.expressions.validations.iter().enumerate() {
            let mut outcome = match frame.condition(&validation.expression) {
                Ok(true) => continue,
                Ok(false) => {
                    let message = match &validation.message_expression {
                        None => validation.message.clone(),
                        Some(expression) => message(&frame, expression)?,
                    };
                    let message = if message.is_empty() {
                        format!("CEL expression validation failed at index {index}")
                    } else {
                        message
                    };
                    let mut outcome = Outcome::new("", Status::Fail, message);
                    annotate(&frame, &rules.expressions.audit_annotations, &mut outcome)?;
                    outcome
                }
                Err(EvalError::Pending) => return Err(EvalError::Pending),
                Err(error) => Outcome::new("", Status::Error, format!("error: {error}")),
            };
            outcome.properties.entry(INDEX.to_owned()).or_insert_with(|| index.to_string());
            return Ok(Some(outcome));
        }
        let mut outcome = Outcome::new("", Status::Pass, "success");
        annotate(&frame, &rules.expressions.audit_annotations, &mut outcome)?;
        Ok(Some(outcome))
    }
}

pub(super) fn message<'d>(frame: &Frame<'d>, expression: &'d Expression) -> Result<String, EvalError> {
    match frame.value(expression) {
        Ok(value) => Ok(value
            .as_str()
            .map_or_else(|| "failed to convert message expression to string".to_owned(), str::to_owned)),
        Err(EvalError::Pending) => Err(EvalError::Pending),
        Err(error) => Ok(format!("failed to evaluate message expression: {error}")),
    }
}

/// Audit annotations become properties of the result; those without text are left out.
pub(super) fn annotate<'d>(
    frame: &Frame<'d>,
    annotations: &'d [Named],
    outcome: &mut Outcome,
) -> Result<(), EvalError> {
    for annotation in annotations {
        let name = &annotation.name;
        let value = frame.value(&annotation.expression).map_err(|error| match error {
            EvalError::Pending => EvalError::Pending,
            error => EvalError::failed(format!("failed to evaluate auditAnnotation '{name}': {error}")),
        })?;
        let Some(text) = value.as_str() else {
            let message = format!("failed to convert auditAnnotation '{name}' expression");
            return Err(EvalError::failed(message));
        };
        if !text.is_empty() {
            outcome.properties.insert(name.clone(), text.to_owned());
        }
    }
    Ok(())
}

/// Facts are missing; they are noted in the inputs.
struct Pending;

impl Evaluator for ValidatingPolicy {
    fn evaluate(&self, inputs: &Inputs<'_>) -> Evaluation {
        if self.namespace.as_ref().is_some_and(|namespace| *namespace != inputs.resource.key.namespace) {
            return Evaluation::Done(Vec::new());
        }
        let mut outcomes = Vec::new();
        let mut needs_facts = false;
        for variant in &self.variants {
            match variant.evaluate(inputs) {
                Ok(outcome) => outcomes.extend(outcome),
                Err(Pending) => needs_facts = true,
            }
        }
        if needs_facts { Evaluation::Needs(inputs.needs()) } else { Evaluation::Done(outcomes) }
    }
}
