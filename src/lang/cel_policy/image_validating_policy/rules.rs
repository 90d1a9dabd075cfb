//! What an ImageValidatingPolicy says, and what it makes of one resource.
//!
//! Upstream: `Evaluate` and `EnforceRequired` in `pkg/image/verification/evaluator/policy.go`, `pkg/cel/compiler/images.go` of Kyverno. The
//! images of volumes are looked at as well, which 1.19.1 does not do.

use super::attestors::Signers;
use super::references::References;
use super::signatures::{self, ImageNames};
use crate::document::Node;
use crate::gostd::image;
use crate::lang::cel::{EvalError, Type};
use crate::lang::cel_policy::Dialect;
use crate::lang::cel_policy::exception::{self, Exception};
use crate::lang::cel_policy::expressions::{Expression, Expressions, Refusal, Spec, items, kept};
use crate::lang::cel_policy::frame::Frame;
use crate::lang::{Companions, Inputs};
use crate::model::{FactKey, FactValue, Outcome, Status};

/// Where images stand in a Pod's spec: a name for `images`, the list, what of an item is an image, and what the item's image is.
const EXTRACTORS: [(&str, &str); 4] = [
    ("containers", "SPEC.?containers.orValue([]).map(e, e.image)"),
    ("initContainers", "SPEC.?initContainers.orValue([]).map(e, e.image)"),
    ("ephemeralContainers", "SPEC.?ephemeralContainers.orValue([]).map(e, e.image)"),
    ("imageVolumes", "SPEC.?volumes.orValue([]).filter(e, has(e.image)).map(e, e.image.reference)"),
];

/// Where kinds keep their Pod spec, with their API groups; all are of version `v1`.
const POD_SPECS: [(&[(&str, &str)], &str); 3] = [
    (&[("", "Pod")], "spec"),
    (
        &[
            ("apps", "DaemonSet"),
            ("apps", "Deployment"),
            ("batch", "Job"),
            ("apps", "ReplicaSet"),
            ("apps", "StatefulSet"),
        ],
        "spec.template.spec",
    ),
    (&[("batch", "CronJob")], "spec.jobTemplate.spec.template.spec"),
];

/// The fields with expressions in the order in which the reference compiles them; the first that is refused is what it tells.
const ORDER: [&str; 7] = [
    "matchConditions",
    "matchImageReferences",
    "images",
    "variables",
    "attestors",
    "validations",
    "auditAnnotations",
];

#[derive(Debug)]
pub(super) struct Rules {
    pub(super) expressions: Expressions,
    pub(super) exceptions: Vec<Exception>,
    extractors: Vec<Extractor>,
    references: References,
    signers: Signers,
    /// Whether an image must be named with its digest.
    demands_digest: bool,
    /// Whether a signature or an attestation of each image must have been verified.
    demands_verification: bool,
}

/// Why there are no rules.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum Invalid {
    /// An expression of the policy is refused.
    #[error("{0}")]
    Policy(String),
    /// One of an exception is.
    #[error("{0}")]
    Exception(String),
}

/// Where images stand.
#[derive(Debug)]
struct Extractor {
    /// The groups and kinds that it is for; none: any.
    kinds: &'static [(&'static str, &'static str)],
    /// The name in `images`.
    name: String,
    expression: Expression,
}

/// Images by where they stand.
pub(super) type Images = Vec<(String, Vec<String>)>;

impl Rules {
    pub(super) fn compile(
        spec: Node<'_>,
        dialect: Dialect,
        companions: &Companions<'_>,
    ) -> Result<Self, Invalid> {
        let (rules, refusals) = Self::compile_all(spec, dialect);
        if let Some(refusal) = refusals.first() {
            return Err(Invalid::Policy(refusal.to_string()));
        }
        let exceptions = exception::compile(companions, &rules.expressions).map_err(Invalid::Exception)?;
        Ok(Self { exceptions, ..rules })
    }

    /// Compiles what can be compiled, and tells the rest.
    pub(super) fn compile_all(spec: Node<'_>, dialect: Dialect) -> (Self, Vec<Refusal>) {
        let env = signatures::add_to(dialect.environment());
        let (expressions, mut refusals) = Expressions::compile_in(&Spec::of(spec), dialect, env.clone());
        let setting = |key: &str| spec.path(&["validationConfigurations", key]).and_then(Node::as_bool);
        // The policy's variables are not known where its images stand.
        let images = [Type::list(Type::String), Type::Dyn, Type::list(Type::Dyn)];
        let mut extractors = Vec::new();
        let mut add =
            |kinds: &'static [(&'static str, &'static str)], name: &str, text: &str, place: &str| {
                let expression = kept(expressions.beside(&env, text, place, &images), &mut refusals);
                let name = name.to_owned();
                extractors.extend(expression.map(|expression| Extractor { kinds, name, expression }));
            };
        for (kinds, path) in POD_SPECS {
            for (name, text) in EXTRACTORS {
                let text = text.replace("SPEC", &format!("(object != null ? object : oldObject).{path}"));
                add(kinds, name, &text, &format!("images.{name}"));
            }
        }
        for (at, extractor) in items(spec, "images").into_iter().enumerate() {
            let text = |key: &str| extractor.get(key).and_then(Node::as_str).unwrap_or_default();
            add(&[], text("name"), text("expression"), &format!("images[{at}].expression"));
        }
        let rules = Self {
            references: References::compile(spec, &expressions, &mut refusals),
            signers: Signers::compile(spec, &expressions, &mut refusals),
            exceptions: Vec::new(),
            extractors,
            demands_digest: setting("verifyDigest") != Some(false),
            demands_verification: setting("required") != Some(false),
            expressions,
        };
        refusals.sort_by_key(|refusal| ORDER.iter().position(|field| refusal.place.starts_with(field)));
        (rules, refusals)
    }

    /// The images of the resource that the policy is about.
    fn images<'d>(&'d self, frame: &Frame<'d>) -> Result<Images, EvalError> {
        let resource = frame.inputs.resource;
        let is_of = |(group, kind): &(&str, &str)| {
            resource.key.group == *group && resource.key.kind == *kind && resource.version == "v1"
        };
        let is_for = |e: &&Extractor| e.kinds.is_empty() || e.kinds.iter().any(is_of);
        let mut found = Images::new();
        for extractor in self.extractors.iter().filter(is_for) {
            // The policy's own extractor takes the place of another one of its name.
            found.retain(|(name, _)| *name != extractor.name);
            let value = frame.value(&extractor.expression)?;
            let not_images = || {
                let (name, kind) = (&extractor.name, value.type_name());
                EvalError::failed(format!("images.{name}: a list of strings is wanted, not {kind}"))
            };
            let mut images = Vec::new();
            for image in value.as_list().ok_or_else(not_images)?.iter() {
                let image = image.as_str().ok_or_else(not_images)?;
                if self.references.are_about(image, &frame.budget)? {
                    images.push(image.to_owned());
                }
            }
            found.push((extractor.name.clone(), images));
        }
        Ok(found)
    }

    /// Whether the images are as the policy wants them.
    pub(super) fn validated<'d>(&'d self, name: &str, frame: &Frame<'d>) -> Result<Outcome, EvalError> {
        let found = self.images(frame)?;
        let images: Vec<String> = found.iter().flat_map(|(_, images)| images).cloned().collect();
        for image in images.iter().filter(|_| self.demands_digest) {
            let reference = image::Reference::parse(image).map_err(|error| {
                EvalError::failed(format!("failed to parse image reference {image}: {error}"))
            })?;
            if reference.digest.is_empty() {
                return Ok(Outcome::new(name, Status::Fail, format!("image {image} does not have a digest")));
            }
        }
        if let Some(outcome) = fetched(name, &images, frame.inputs)? {
            return Ok(outcome);
        }
        frame.set_images(ImageNames::new(&self.signers, &self.references, found));
        for (index, validation) in self.expressions.validations.iter().enumerate() {
            if frame.condition(&validation.expression)? {
                continue;
            }
            let mut outcome = Outcome::new(name, Status::Fail, frame.reason(index, validation)?);
            frame.annotate(&mut outcome)?;
            return Ok(outcome);
        }
        let unverified = match frame.images() {
            Some(names) if self.demands_verification => names.unverified(&images),
            _ => None,
        };
        let mut outcome = match unverified {
            None => Outcome::new(name, Status::Pass, "success"),
            Some(why) => Outcome::new(name, Status::Fail, why),
        };
        frame.annotate(&mut outcome)?;
        Ok(outcome)
    }
}

/// Whether the images are there, which the reference wants to know whatever the validations ask; an outcome if nobody can be asked.
// WHY: the whole data and not the digest alone is asked for, because the reference fails on an image that has none for its platform.
fn fetched(name: &str, images: &[String], inputs: &Inputs<'_>) -> Result<Option<Outcome>, EvalError> {
    let facts: Vec<_> =
        images.iter().map(|image| (image, inputs.fact(&FactKey::Image(image.clone())))).collect();
    for (image, fact) in &facts {
        match fact {
            None | Some(FactValue::Found(_)) => {}
            Some(FactValue::Refused(why)) => {
                let message = format!("image `{image}` cannot be verified: {why}");
                return Ok(Some(Outcome::new(name, Status::Error, message)));
            }
            Some(FactValue::Missing) => return Err(EvalError::Fixed("image tag not found")),
            Some(FactValue::Failed { message, .. }) => return Err(EvalError::failed(message.as_str())),
        }
    }
    if facts.iter().any(|(_, fact)| fact.is_none()) { Err(EvalError::Pending) } else { Ok(None) }
}
