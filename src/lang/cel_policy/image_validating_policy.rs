//! `policies.kyverno.io` `ImageValidatingPolicy` and `NamespacedImageValidatingPolicy`: which images of a resource they are about.
//!
//! Upstream: `pkg/cel/policies/ivpol`, `pkg/cel/compiler/images.go` of Kyverno. Signatures and attestations are in registries, which are not
//! asked: a resource with an image that the policy is about gets an `error` outcome that names the setting.

use std::sync::Arc;

use super::exception::{self, Excepted, Exception};
use super::expressions::{Expression, Expressions, Spec, items};
use super::frame::Frame;
use super::matching::{Answer, MatchConstraints, Place};
use super::validating_policy::{controllers, kinds_of, standing};
use super::{Dialect, autogen};
use crate::document::{Document, Node};
use crate::gostd::wildcard::Wildcard;
use crate::lang::cel::{Budget, EvalError};
use crate::lang::{Companions, Compiled, Evaluation, Evaluator, Inputs};
use crate::limits;
use crate::matching::Selection;
use crate::model::{Outcome, Status};
use crate::policy::PolicySource;

/// Where images stand in a Pod's spec: a name for `images`, the list, what of an item is an image, and what the item's image is.
const EXTRACTORS: [(&str, &str); 4] = [
    ("containers", "SPEC.?containers.orValue([]).map(e, e.image)"),
    ("initContainers", "SPEC.?initContainers.orValue([]).map(e, e.image)"),
    ("ephemeralContainers", "SPEC.?ephemeralContainers.orValue([]).map(e, e.image)"),
    ("imageVolumes", "SPEC.?volumes.orValue([]).filter(e, has(e.image)).map(e, e.image.reference)"),
];

/// Where kinds keep their Pod spec.
const POD_SPECS: [(&[&str], &str); 3] = [
    (&["Pod"], "spec"),
    (&["DaemonSet", "Deployment", "Job", "ReplicaSet", "StatefulSet"], "spec.template.spec"),
    (&["CronJob"], "spec.jobTemplate.spec.template.spec"),
];

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
    rules: Result<Rules, String>,
    ignores_failures: bool,
}

#[derive(Debug)]
struct Rules {
    expressions: Expressions,
    exceptions: Vec<Exception>,
    /// The kinds that they are for, none: any; and what gives the images.
    extractors: Vec<(&'static [&'static str], Expression)>,
    references: Vec<Reference>,
}

/// An entry of `matchImageReferences`.
#[derive(Debug)]
enum Reference {
    Glob(Wildcard),
    /// Whether an expression over `ref` is about an image is not told without calling it.
    Expression,
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
        if let Some(constraints) = spec.get("matchConstraints").filter(|node| !node.is_null()) {
            variants.push(Variant {
                constraints: MatchConstraints::compile(constraints, Place::Kyverno),
                rules: Rules::compile(spec, dialect, companions),
                ignores_failures: spec.get("failurePolicy").and_then(Node::as_str) == Some("Ignore"),
            });
        }
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

impl Rules {
    fn compile(spec: Node<'_>, dialect: Dialect, companions: &Companions<'_>) -> Result<Self, String> {
        let conditions = Spec { match_conditions: items(spec, "matchConditions"), ..Spec::default() };
        let expressions = Expressions::compile(&conditions, dialect)?;
        let mut extractors = Vec::new();
        for (kinds, path) in POD_SPECS {
            for (name, text) in EXTRACTORS {
                let text = text.replace("SPEC", &format!("(object != null ? object : oldObject).{path}"));
                extractors.push((kinds, expressions.extra(&text, &format!("images.{name}"))?));
            }
        }
        for (at, extractor) in items(spec, "images").into_iter().enumerate() {
            let text = extractor.get("expression").and_then(Node::as_str).unwrap_or_default();
            extractors.push((&[], expressions.extra(text, &format!("images[{at}].expression"))?));
        }
        let references = items(spec, "matchImageReferences").into_iter().map(|reference| {
            match reference.get("glob").and_then(Node::as_str).filter(|glob| !glob.is_empty()) {
                Some(glob) => Reference::Glob(Wildcard::new(glob)),
                None => Reference::Expression,
            }
        });
        Ok(Self {
            references: references.collect(),
            exceptions: exception::compile(companions, &expressions)?,
            extractors,
            expressions,
        })
    }

    /// The first image of the resource that the policy is about.
    fn image<'d>(&'d self, frame: &Frame<'d>, inputs: &Inputs<'_>) -> Result<Option<String>, EvalError> {
        let kind = inputs.resource.key.kind.as_str();
        for (kinds, expression) in &self.extractors {
            if !kinds.is_empty() && !kinds.contains(&kind) {
                continue;
            }
            let Some(images) = frame.value(expression)?.as_list() else { continue };
            for image in images.iter() {
                let Some(image) = image.as_str() else { continue };
                if self.references.is_empty() || self.references.iter().any(|r| r.is_about(image)) {
                    return Ok(Some(image.to_owned()));
                }
            }
        }
        Ok(None)
    }
}

impl Reference {
    fn is_about(&self, image: &str) -> bool {
        match self {
            Self::Glob(glob) => glob.is_match(image),
            Self::Expression => true,
        }
    }
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
            Err(message) => return error(&self.name, format!("the policy is not valid: {message}")),
        };
        let budget = Budget::per_call(limits::CEL_COST_PER_KYVERNO_CALL_MAX);
        let frame = Frame::new(&rules.expressions, inputs, budget);
        let holds = |conditions| frame.holds(conditions, variant.ignores_failures);
        let result = (|| {
            if !holds(&rules.expressions.match_conditions)? {
                return Ok(None);
            }
            match exception::apply(&rules.exceptions, &frame, exception::Reach::Always, holds) {
                Excepted::No => {}
                Excepted::Yes(outcome) => return Ok(Some(outcome)),
                Excepted::Failed(error) => return Err(error),
            }
            Ok(Some(match rules.image(&frame, inputs)? {
                None => Outcome::new(self.name.as_str(), Status::Pass, "success"),
                Some(image) => {
                    let message = format!(
                        "image `{image}` cannot be verified: registries are not asked (setting `images.registry`)"
                    );
                    Outcome::new(self.name.as_str(), Status::Error, message)
                }
            }))
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
}
