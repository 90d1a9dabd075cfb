//! Whether images are signed, as their registry tells.
//!
//! Upstream: `Verify`, `verifyImage` and `verifyAttestations` in `pkg/engine/internal/imageverifier.go`, which a background scan runs
//! in place of the checks of `validate_image.go`. The reference gives a result an image; here they are one outcome of the rule.

use std::collections::BTreeMap;

use super::attestors::{AttestorSet, texts};
use crate::document::{Document, Map, Node, Text, Value};
use crate::lang::cosign::{Claim, Layer, Trust, Unverified, verify_attestations, verify_signatures};
use crate::lang::kyverno::rule::body::Response;
use crate::lang::kyverno::rule::condition::AnyAllConditions;
use crate::lang::kyverno::rule::context::{Context, Failure, Image};
use crate::lang::kyverno::rule::template::{self, Numbers, Template};
use crate::model::{FactKey, FactValue, Status};

/// What one entry of `verifyImages` asks of a registry.
#[derive(Debug)]
pub(super) struct Demands {
    /// `attestors`, `annotations`, `repository` and the old fields, with their variables.
    signers: Template,
    attestations: Vec<Attestation>,
    is_cosign: bool,
    mutates_digest: bool,
}

#[derive(Debug)]
struct Attestation {
    /// The predicate's type.
    of_type: String,
    signers: Template,
    conditions: Vec<AnyAllConditions>,
}

/// What came of one image; `Nothing` if nothing is asked of it.
#[derive(Debug)]
pub(super) enum Judged {
    Nothing,
    Response(Response),
    /// The configuration does not let registries be asked; why.
    Refused(String),
}

/// Who must have signed, with the variables filled in.
struct Signers {
    sets: Vec<AttestorSet>,
    annotations: BTreeMap<String, String>,
    repository: Option<String>,
}

/// Why an image could not be judged.
enum Stop {
    Pending,
    Refused(String),
    Unverified(Unverified),
    /// With a whole message of its own.
    Told(Status, String),
}

impl From<Unverified> for Stop {
    fn from(unverified: Unverified) -> Self {
        Self::Unverified(unverified)
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Pending => Self::Pending,
            Failure::Error(message) => {
                Self::Told(Status::Error, format!("failed to substitute variables: {message}"))
            }
        }
    }
}

/// The parts of an entry that say who must sign.
const SIGNERS: [&str; 7] = ["attestors", "annotations", "repository", "key", "issuer", "subject", "roots"];

fn signers_template(node: Node<'_>) -> Template {
    let mut map = Map::new();
    for key in SIGNERS {
        if let Some(part) = node.get(key).filter(|part| !part.is_null()) {
            map.insert(Text::Borrowed(key), part.into());
        }
    }
    Template::compile_with(Value::map(map).to_document().root(), Numbers::Keep)
}

impl Demands {
    pub(super) fn compile(node: Node<'_>) -> Self {
        let text =
            |node: Node<'_>, key: &str| node.get(key).and_then(Node::as_str).unwrap_or_default().to_owned();
        let attestation = |attestation: Node<'_>| {
            let of_type = match text(attestation, "type") {
                of_type if of_type.is_empty() => text(attestation, "predicateType"),
                of_type => of_type,
            };
            let conditions = attestation.get("conditions").into_iter().flat_map(Node::items);
            Attestation {
                of_type,
                signers: signers_template(attestation),
                conditions: conditions
                    .map(|block| AnyAllConditions::compile(Some(block), "conditions", &mut Vec::new()))
                    .collect(),
            }
        };
        Self {
            signers: signers_template(node),
            attestations: node
                .get("attestations")
                .into_iter()
                .flat_map(Node::items)
                .map(attestation)
                .collect(),
            is_cosign: matches!(text(node, "type").as_str(), "" | "Cosign"),
            mutates_digest: node.get("mutateDigest").and_then(Node::as_bool).unwrap_or(true),
        }
    }

    /// Judges one image.
    pub(super) fn judge<'d>(&'d self, image: &Image, context: &Context<'d>) -> Result<Judged, Failure> {
        let name = image.reference();
        let response = |status, message: String| Ok(Judged::Response(Response::new(status, message)));
        match self.verified(image, context) {
            Ok(Some(message)) => response(Status::Pass, message),
            Ok(None) => Ok(Judged::Nothing),
            Err(Stop::Pending) => Err(Failure::Pending),
            Err(Stop::Refused(why)) => Ok(Judged::Refused(why)),
            Err(Stop::Unverified(Unverified::No(why))) => {
                response(Status::Fail, format!("failed to verify image {name}: {why}"))
            }
            Err(Stop::Unverified(Unverified::Unknown(why))) => {
                response(Status::Error, format!("failed to verify image {name}: {why}"))
            }
            Err(Stop::Told(status, message)) => response(status, message),
        }
    }

    /// What is said of an image that is as it should be.
    fn verified<'d>(&'d self, image: &Image, context: &Context<'d>) -> Result<Option<String>, Stop> {
        let signers = Signers::read(&self.signers, context)?;
        let asks_nobody = signers.sets.is_empty() && self.attestations.is_empty();
        // Always asked: without a registry nothing else counts.
        let digest = digest_of(image, context);
        if asks_nobody {
            let would_mutate = self.mutates_digest && image.digest.is_empty();
            return match digest {
                Ok(_) => Ok(would_mutate.then(|| "mutated image digest".to_owned())),
                Err(Stop::Unverified(_)) if !would_mutate => Ok(None),
                Err(Stop::Unverified(Unverified::No(why) | Unverified::Unknown(why))) => {
                    Err(Stop::Told(Status::Error, format!("failed to update digest: {why}")))
                }
                Err(stop) => Err(stop),
            };
        }
        let digest = digest?;
        if !self.is_cosign {
            let why = "only signatures of cosign are verified, neither Notary's nor Sigstore bundles";
            return Err(Unverified::Unknown(why.to_owned()).into());
        }
        for (index, set) in signers.sets.iter().enumerate() {
            let mut stop = None;
            let mut ask = |attestor: &super::attestors::Attestor, trust: &Trust| {
                let repository = attestor.repository.as_deref().or(signers.repository.as_deref());
                let claims = attached(image, repository, &digest, "sig", context).and_then(|layers| {
                    let claims = verify_signatures(&layers, &digest, trust)?;
                    attestor.check_annotations(&claims, &signers.annotations)?;
                    Ok(claims)
                });
                claims.map_err(|error| match error {
                    Stop::Unverified(unverified) => unverified,
                    other => {
                        stop = Some(other);
                        Unverified::Unknown(String::new())
                    }
                })
            };
            let answer: Result<Vec<Claim>, Unverified> =
                set.verify(&format!(".attestors[{index}]"), &mut ask);
            if let Some(stop) = stop {
                return Err(stop);
            }
            answer?;
        }
        if self.attestations.is_empty() {
            return Ok(Some(format!("verified image signatures for {}", image.reference())));
        }
        let image = if signers.sets.is_empty() {
            image.clone()
        } else {
            Image { digest: digest.clone(), ..image.clone() }
        };
        for (index, attestation) in self.attestations.iter().enumerate() {
            attestation.verify(index, &image, &digest, signers.repository.as_deref(), context)?;
        }
        Ok(Some(format!("verified image attestations for {}", image.reference())))
    }
}

impl Signers {
    fn read<'d>(template: &'d Template, context: &Context<'d>) -> Result<Self, Failure> {
        let filled = template.value(context)?.to_document();
        let root = filled.root();
        let mut sets: Vec<AttestorSet> =
            root.get("attestors").into_iter().flat_map(Node::items).map(AttestorSet::read).collect();
        sets.extend(AttestorSet::old(root));
        let repository = root.get("repository").and_then(Node::as_str).filter(|text| !text.is_empty());
        Ok(Self {
            sets,
            annotations: root.get("annotations").map(texts).unwrap_or_default(),
            repository: repository.map(str::to_owned),
        })
    }
}

impl Attestation {
    fn verify<'d>(
        &'d self,
        index: usize,
        image: &Image,
        digest: &str,
        repository: Option<&str>,
        context: &Context<'d>,
    ) -> Result<(), Stop> {
        let path = format!(".attestations[{index}]");
        let failed = |message: String| Stop::Told(Status::Fail, message);
        if self.of_type.is_empty() {
            return Err(failed(format!("{path}: missing type")));
        }
        let mut signers = Signers::read(&self.signers, context)?;
        if signers.sets.is_empty() {
            signers.sets.push(AttestorSet::of_nobody());
        }
        for (set_index, set) in signers.sets.iter().enumerate() {
            let mut n_verified = 0;
            for entry in set.entries() {
                let place = format!("{path}.attestors[{set_index}].entries[{index}]{}", entry.path());
                let trust = entry.trust()?;
                let repository = entry.repository.as_deref().or(repository);
                let layers = attached(image, repository, digest, "att", context)?;
                let statements = verify_attestations(&layers, digest, trust)?;
                let of_type: Vec<_> =
                    statements.iter().filter(|statement| statement.predicate_type == self.of_type).collect();
                if of_type.is_empty() {
                    let of_type = &self.of_type;
                    return Err(failed(format!(
                        "{place}: attestions not found for predicate type {of_type}"
                    )));
                }
                for statement in of_type {
                    let predicate = statement.value.get("predicate").unwrap_or(&serde_json::Value::Null);
                    if let Some(why) = self.objection(predicate, image, context)? {
                        return Err(failed(format!("{place}: {why}")));
                    }
                }
                n_verified += 1;
                if n_verified >= set.n_required() {
                    break;
                }
            }
            if n_verified < set.n_required() {
                let n_required = set.n_required();
                return Err(failed(format!(
                    "image attestations verification failed, verifiedCount: {n_verified}, requiredCount: {n_required}"
                )));
            }
        }
        Ok(())
    }

    /// Why a predicate is not as the conditions want it; its fields are variables for them.
    fn objection<'d>(
        &'d self,
        predicate: &serde_json::Value,
        image: &Image,
        context: &Context<'d>,
    ) -> Result<Option<String>, Stop> {
        if self.conditions.is_empty() {
            return Ok(None);
        }
        let what = "failed to check attestations";
        let document = match Document::from_json(predicate.to_string().as_bytes()) {
            Ok(document) if predicate.is_object() => document,
            Ok(_) => return Ok(Some(format!("{what}: failed to extract predicate from statement"))),
            Err(error) => return Ok(Some(format!("{what}: {error}"))),
        };
        let fields = context.arena().json_value(context.arena().document(document).root().into());
        let held = context.with_overlay(fields, || {
            for conditions in &self.conditions {
                let held = conditions.evaluate(context)?;
                if !held.is_true {
                    let message = template::substitute(held.message, "", context)?;
                    return Ok(Some(message.as_str().unwrap_or_default().to_owned()));
                }
            }
            Ok(None)
        });
        match held {
            Ok(None) => Ok(None),
            Ok(Some(message)) => {
                let (image, of_type) = (image.reference(), &self.of_type);
                Ok(Some(format!("attestation checks failed for {image} and predicate {of_type}: {message}")))
            }
            Err(Failure::Pending) => Err(Stop::Pending),
            Err(Failure::Error(message)) => Ok(Some(format!(
                "{what}: failed to substitute variables in attestation conditions: {message}"
            ))),
        }
    }
}

/// The digest that an image's reference stands for.
fn digest_of(image: &Image, context: &Context<'_>) -> Result<String, Stop> {
    let unknown = |why: &str| Stop::Unverified(Unverified::Unknown(why.to_owned()));
    match context.inputs().fact(&FactKey::ImageDigest(image.reference())) {
        None => Err(Stop::Pending),
        Some(FactValue::Found(digest)) => Ok(digest.root().as_str().unwrap_or_default().to_owned()),
        Some(FactValue::Missing) => Err(Unverified::No("image tag not found".to_owned()).into()),
        Some(FactValue::Refused(why)) => Err(Stop::Refused(why.clone())),
        Some(FactValue::Failed { message, .. }) => Err(unknown(message)),
    }
}

/// What is attached to an image; nothing where the registry knows of nothing.
fn attached(
    image: &Image,
    repository: Option<&str>,
    digest: &str,
    suffix: &str,
    context: &Context<'_>,
) -> Result<Vec<Layer>, Stop> {
    let own = || format!("{}/{}", image.registry, image.path);
    let key = FactKey::Attached {
        repository: repository.map_or_else(own, str::to_owned),
        digest: digest.to_owned(),
        suffix: suffix.to_owned(),
    };
    match context.inputs().fact(&key) {
        None => Err(Stop::Pending),
        Some(FactValue::Found(layers)) => Ok(Layer::all(layers.root())),
        Some(FactValue::Missing) => Ok(Vec::new()),
        Some(FactValue::Refused(why)) => Err(Stop::Refused(why.clone())),
        Some(FactValue::Failed { message, .. }) => Err(Unverified::Unknown(message.clone()).into()),
    }
}
