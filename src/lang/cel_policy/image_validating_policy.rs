//! `policies.kyverno.io` `ImageValidatingPolicy` and `NamespacedImageValidatingPolicy`: which images of a resource they are about, and whether
//! those are as the policy wants them.
//!
//! Upstream: `pkg/cel/policies/ivpol`, `pkg/cel/compiler/images.go` of Kyverno. Signatures and attestations are in registries: where those are not
//! asked, a resource with an image that the policy is about gets an `error` outcome that names the setting.

mod signatures;

use std::sync::Arc;

use super::exception::{self, Excepted, Exception};
use super::expressions::{Expression, Expressions, Spec, items};
use super::frame::Frame;
use super::matching::{Answer, MatchConstraints, Place};
use super::validating_policy::{annotate, controllers, kinds_of, message, standing};
use super::{Dialect, autogen};
use crate::document::{Document, Node};
use crate::gostd::wildcard::Wildcard;
use crate::lang::cel::{Budget, EvalError};
use crate::lang::{Companions, Compiled, Evaluation, Evaluator, Inputs};
use crate::limits;
use crate::matching::Selection;
use crate::model::{FactKey, FactValue, Outcome, Status};
use crate::policy::PolicySource;
pub(super) use signatures::ImageNames;
use signatures::Signatures;

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
    extractors: Vec<Extractor>,
    references: Vec<Reference>,
    signatures: Signatures,
    /// Why the validations cannot be evaluated; the rest can be all the same.
    refusal: Option<String>,
    /// Whether an image must have a digest, which nothing would give it.
    demands_digest: bool,
}

/// Where images stand.
#[derive(Debug)]
struct Extractor {
    /// The kinds that it is for; none: any.
    kinds: &'static [&'static str],
    /// The name in `images`.
    name: String,
    expression: Expression,
}

/// Images by where they stand.
type Images = Vec<(String, Vec<String>)>;

/// An entry of `matchImageReferences`.
#[derive(Debug)]
pub(super) enum Reference {
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
        let env = || signatures::add_to(dialect.environment());
        let conditions = Spec { match_conditions: items(spec, "matchConditions"), ..Spec::default() };
        let (expressions, refusal) = match Expressions::compile_in(&Spec::of(spec), dialect, env()) {
            Ok(expressions) => (expressions, None),
            Err(refusal) => (Expressions::compile_in(&conditions, dialect, env())?, Some(refusal)),
        };
        let setting = |key: &str| spec.path(&["validationConfigurations", key]).and_then(Node::as_bool);
        let mut extractors = Vec::new();
        for (kinds, path) in POD_SPECS {
            for (name, text) in EXTRACTORS {
                let text = text.replace("SPEC", &format!("(object != null ? object : oldObject).{path}"));
                let expression = expressions.extra(&text, &format!("images.{name}"))?;
                extractors.push(Extractor { kinds, name: name.to_owned(), expression });
            }
        }
        for (at, extractor) in items(spec, "images").into_iter().enumerate() {
            let text = extractor.get("expression").and_then(Node::as_str).unwrap_or_default();
            let name = extractor.get("name").and_then(Node::as_str).unwrap_or_default().to_owned();
            let expression = expressions.extra(text, &format!("images[{at}].expression"))?;
            extractors.push(Extractor { kinds: &[], name, expression });
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
            signatures: Signatures::compile(spec),
            refusal,
            demands_digest: setting("verifyDigest") != Some(false) && setting("mutateDigest") == Some(false),
            expressions,
        })
    }

    /// The images of the resource that the policy is about.
    fn images<'d>(&'d self, frame: &Frame<'d>, inputs: &Inputs<'_>) -> Result<Images, EvalError> {
        let kind = inputs.resource.key.kind.as_str();
        let mut found = Images::new();
        for extractor in self.extractors.iter().filter(|e| e.kinds.is_empty() || e.kinds.contains(&kind)) {
            let value = frame.value(&extractor.expression)?;
            let images = value.as_list().map(|list| {
                let texts: Vec<String> = list.iter().filter_map(|i| i.as_str().map(str::to_owned)).collect();
                texts
            });
            let mut images = images.unwrap_or_default();
            let is_about = |image: &String| self.references.iter().any(|reference| reference.is_about(image));
            images.retain(|image| self.references.is_empty() || is_about(image));
            found.push((extractor.name.clone(), images));
        }
        Ok(found)
    }

    /// Whether the images are as the policy wants them; `first` is one of them.
    fn validated<'d>(
        &'d self,
        name: &str,
        frame: &Frame<'d>,
        images: Images,
        first: &str,
    ) -> Result<Outcome, EvalError> {
        match frame.inputs.fact(&FactKey::ImageDigest(first.to_owned())) {
            None => return Err(EvalError::Pending),
            Some(FactValue::Refused(why)) => {
                let message = format!("image `{first}` cannot be verified: {why}");
                return Ok(Outcome::new(name, Status::Error, message));
            }
            Some(_) => {}
        }
        if let Some(refusal) = &self.refusal {
            return Ok(Outcome::new(name, Status::Error, format!("the policy is not valid: {refusal}")));
        }
        let all = || images.iter().flat_map(|(_, images)| images);
        if let Some(image) = all().find(|image| self.demands_digest && !image.contains('@')) {
            return Ok(Outcome::new(name, Status::Fail, format!("image {image} does not have a digest")));
        }
        frame.set_images(ImageNames::new(&self.signatures, &self.references, images));
        let annotations = &self.expressions.audit_annotations;
        for (index, validation) in self.expressions.validations.iter().enumerate() {
            if frame.condition(&validation.expression)? {
                continue;
            }
            let text = match &validation.message_expression {
                None => validation.message.clone(),
                Some(expression) => message(frame, expression)?,
            };
            let text = if text.is_empty() {
                format!("CEL expression validation failed at index {index}")
            } else {
                text
            };
            let mut outcome = Outcome::new(name, Status::Fail, text);
            annotate(frame, annotations, &mut outcome)?;
            return Ok(outcome);
        }
        let mut outcome = Outcome::new(name, Status::Pass, "success");
        annotate(frame, annotations, &mut outcome)?;
        Ok(outcome)
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
            let images = rules.images(&frame, inputs)?;
            let first = images.iter().find_map(|(_, images)| images.first()).cloned();
            Ok(Some(match first {
                None => Outcome::new(self.name.as_str(), Status::Pass, "success"),
                Some(first) => rules.validated(&self.name, &frame, images, &first)?,
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
