//! What an ImageValidatingPolicy asks of a registry: who signed an image or a statement about it.
//!
//! Upstream: `pkg/cel/libs/imageverify` of Kyverno. The functions count the attestors that are satisfied; one that cannot be judged here
//! (keyless, Notary, a key elsewhere) is an error that names what is missing, never a signature that is not there.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::Reference;
use crate::document::Node;
use crate::gostd::image;
use crate::lang::Inputs;
use crate::lang::cel::{Entry, Environment, EvalError, Key, Text, Type, Value};
use crate::lang::cel_policy::frame::{Outcome, key};
use crate::lang::cel_policy::library;
use crate::lang::cosign::{
    Hash, Layer, Log, PublicKey, Trust, Unverified, verify_attestations, verify_signatures,
};
use crate::model::{FactKey, FactValue};

const SIGNATURES: &str = "verifyImageSignatures";
const ATTESTATIONS: &str = "verifyAttestationSignatures";
const PAYLOAD: &str = "extractPayload";
const DATA: &str = "getImageData";

const NO_SUCH_OVERLOAD: EvalError = EvalError::Fixed("no such overload");

const FUNCTIONS: &[Entry] = &[
    Entry::new(
        SIGNATURES,
        "verify_image_signature_string_stringarray",
        "(string, list(dyn)) -> int",
        |context, args| context.call_host(SIGNATURES, args),
    )
    .volatile(),
    Entry::new(
        ATTESTATIONS,
        "verify_image_attestations_string_string_stringarray",
        "(string, string, list(dyn)) -> int",
        |context, args| context.call_host(ATTESTATIONS, args),
    )
    .volatile(),
    Entry::new(PAYLOAD, "payload_string_string", "(string, string) -> dyn", |context, args| {
        context.call_host(PAYLOAD, args)
    })
    .volatile(),
    Entry::new(DATA, "get_image_data_string", "(string) -> dyn", |context, args| {
        context.call_host(DATA, args)
    })
    .volatile(),
];

/// What short names of predicate types stand for (cosign's `pkg/cosign/attestation`).
const PREDICATE_TYPES: [(&str, &str); 9] = [
    ("custom", "https://cosign.sigstore.dev/attestation/v1"),
    ("cyclonedx", "https://cyclonedx.org/bom"),
    ("link", "https://in-toto.io/Link/v1"),
    ("openvex", "https://openvex.dev/ns"),
    ("slsaprovenance", "https://slsa.dev/provenance/v0.2"),
    ("slsaprovenance1", "https://slsa.dev/provenance/v1"),
    ("spdx", "https://spdx.dev/Document"),
    ("spdxjson", "https://spdx.dev/Document"),
    ("vuln", "https://cosign.sigstore.dev/attestation/vuln/v1"),
];

/// Adds the functions, and the variables `images`, `attestors` and `attestations`.
pub(super) fn add_to(env: Environment) -> Environment {
    env.with_functions(FUNCTIONS)
        .with_variable("images", Type::map(Type::String, Type::list(Type::String)))
        .with_variable("attestors", Type::map(Type::String, Type::Dyn))
        .with_variable("attestations", Type::map(Type::String, Type::String))
}

/// Whom a policy trusts, and about what.
#[derive(Debug)]
pub(super) struct Signatures {
    attestors: BTreeMap<String, Attestor>,
    /// The predicate's type by the attestation's name; `None` for those among an image's referrers.
    attestations: BTreeMap<String, Option<String>>,
}

#[derive(Debug)]
struct Attestor {
    trust: Result<Trust, Unverified>,
    /// Where its signatures are, if not beside the image.
    repository: Option<String>,
    annotations: BTreeMap<String, String>,
}

fn text<'d>(node: Node<'d>, path: &[&str]) -> &'d str {
    node.path(path).and_then(Node::as_str).unwrap_or_default()
}

fn part<'d>(node: Node<'d>, key: &str) -> Option<Node<'d>> {
    node.get(key).filter(|part| !part.is_null())
}

fn unknown(what: &str) -> Unverified {
    Unverified::Unknown(what.to_owned())
}

impl Signatures {
    pub(super) fn compile(spec: Node<'_>) -> Self {
        let named = |key: &str| part(spec, key).into_iter().flat_map(Node::items);
        let name = |node: Node<'_>| text(node, &["name"]).to_owned();
        let of_type = |node: Node<'_>| {
            let of_type = Some(text(node, &["intoto", "type"])).filter(|of_type| !of_type.is_empty())?;
            let known = PREDICATE_TYPES.iter().find(|(short, _)| *short == of_type);
            Some(known.map_or(of_type, |(_, long)| long).to_owned())
        };
        Self {
            attestors: named("attestors").map(|node| (name(node), Attestor::compile(node))).collect(),
            attestations: named("attestations").map(|node| (name(node), of_type(node))).collect(),
        }
    }
}

impl Attestor {
    fn compile(node: Node<'_>) -> Self {
        let repository = text(node, &["cosign", "source", "repository"]);
        let annotations = node.path(&["cosign", "annotations"]).into_iter().flat_map(Node::entries);
        Self {
            trust: trust(node),
            repository: (!repository.is_empty()).then(|| repository.to_owned()),
            annotations: annotations
                .map(|(key, value)| (key.to_owned(), value.as_str().unwrap_or_default().to_owned()))
                .collect(),
        }
    }
}

fn trust(node: Node<'_>) -> Result<Trust, Unverified> {
    let Some(cosign) = part(node, "cosign") else {
        return Err(unknown("only signatures of cosign are verified, not Notary's"));
    };
    if !text(cosign, &["source", "tagPrefix"]).is_empty() {
        return Err(unknown("signatures under a prefix of tags are not looked for"));
    }
    let ignores_log = cosign.path(&["ctlog", "insecureIgnoreTlog"]).and_then(Node::as_bool) == Some(true);
    let log = Log::of(ignores_log, text(cosign, &["ctlog", "rekorPubKey"]))?;
    if part(cosign, "keyless").is_some() {
        return Err(Unverified::keyless());
    }
    let key = if let Some(key) = part(cosign, "key") {
        match text(key, &["data"]) {
            "" => return Err(unknown("the key is not in the policy: only `key.data` is read")),
            data => PublicKey::from_pem(data, Hash::of(text(key, &["hashAlgorithm"]))?)?,
        }
    } else {
        let chain = text(cosign, &["certificate", "certChain", "value"]);
        let ignores_sct = cosign.path(&["ctlog", "insecureIgnoreSCT"]).and_then(Node::as_bool) == Some(true);
        match text(cosign, &["certificate", "cert", "value"]) {
            "" => return Err(unknown("there is neither a key nor a certificate in the policy")),
            _ if !chain.is_empty() && !ignores_sct => {
                return Err(unknown(
                    "whether a certificate transparency log holds the certificate is not known: set `ctlog.insecureIgnoreSCT`",
                ));
            }
            certificate => PublicKey::from_certificate(certificate, chain)?,
        }
    };
    Ok(Trust { key, log })
}

/// What the names of a policy mean for one resource, and what was verified of its images.
#[derive(Debug)]
pub(in crate::lang::cel_policy) struct ImageNames<'d> {
    signatures: &'d Signatures,
    references: &'d [Reference],
    images: Value<'d>,
    /// Verified statements, by image and predicate type.
    payloads: RefCell<BTreeMap<(String, String), serde_json::Value>>,
}

impl<'d> ImageNames<'d> {
    /// The names for the images that the policy is about, by where they stand.
    pub(super) fn new(
        signatures: &'d Signatures,
        references: &'d [Reference],
        images: super::Images,
    ) -> Self {
        let list = |images: Vec<String>| Value::list(images.into_iter().map(Value::string).collect());
        let images = Value::map(
            images.into_iter().map(|(name, images)| (Key::String(Text::from(name)), list(images))).collect(),
        );
        Self { signatures, references, images, payloads: RefCell::default() }
    }

    /// `images`
    pub(in crate::lang::cel_policy) fn images(&self) -> Value<'d> {
        self.images.clone()
    }

    /// `attestors`: each is an object with its name.
    pub(in crate::lang::cel_policy) fn attestors(&self) -> Value<'d> {
        let attestor = |name: &'d String| {
            (Key::String(Text::Borrowed(name)), Value::map(vec![(key("name"), Value::borrowed(name))]))
        };
        Value::map(self.signatures.attestors.keys().map(attestor).collect())
    }

    /// `attestations`: each is its name.
    pub(in crate::lang::cel_policy) fn attestations(&self) -> Value<'d> {
        let attestation = |name: &'d String| (Key::String(Text::Borrowed(name)), Value::borrowed(name));
        Value::map(self.signatures.attestations.keys().map(attestation).collect())
    }

    /// Answers a function; `None` if it is none of these.
    pub(in crate::lang::cel_policy) fn answer(
        &self,
        function: &str,
        args: &[Value<'d>],
        inputs: &'d Inputs<'d>,
    ) -> Option<Outcome<'d>> {
        Some(match function {
            SIGNATURES => self.verify(args, 1, inputs, |image, repository, digest, attestor, trust| {
                let layers = attached(repository, digest, "sig", inputs)?;
                let claims = verify_signatures(&layers, digest, trust)?;
                let says_all = |claim: &crate::lang::cosign::Claim| {
                    attestor.annotations.iter().all(|(key, value)| {
                        claim.annotations.get(key).and_then(serde_json::Value::as_str) == Some(value)
                    })
                };
                if claims.iter().any(says_all) {
                    Ok(())
                } else {
                    Err(Unverified::No(format!("no signature of {image} matched the annotations")).into())
                }
            }),
            ATTESTATIONS => self.predicate_type(args).and_then(|of_type| {
                self.verify(args, 2, inputs, |image, repository, digest, _, trust| {
                    let layers = attached(repository, digest, "att", inputs)?;
                    let statements = verify_attestations(&layers, digest, trust)?;
                    let statement = statements.into_iter().find(|s| s.predicate_type == of_type);
                    let statement = statement.ok_or_else(|| {
                        Unverified::No(format!("required predicate type {of_type} not found"))
                    })?;
                    let place = (image.to_owned(), of_type.clone());
                    self.payloads.borrow_mut().insert(place, statement.value);
                    Ok(())
                })
            }),
            PAYLOAD => self.predicate_type(args).and_then(|of_type| {
                let place = (string(args, 0)?.to_owned(), of_type);
                let payloads = self.payloads.borrow();
                payloads.get(&place).map(value_of).ok_or(EvalError::Fixed(
                    "intoto attestation payload cannot be fetch before verifying intoto attestation",
                ))
            }),
            DATA => library::image_data(inputs, args),
            _ => return None,
        })
    }

    /// The predicate's type of the attestation that the second argument names.
    fn predicate_type(&self, args: &[Value<'d>]) -> Result<String, EvalError> {
        let name = string(args, 1)?;
        match self.signatures.attestations.get(name) {
            None => Err(EvalError::failed(format!("attestation not found in policy: {name}"))),
            Some(None) => Err(EvalError::failed(format!(
                "the attestation {name} is among an image's referrers, which are not looked at"
            ))),
            Some(Some(of_type)) => Ok(of_type.clone()),
        }
    }

    /// How many of the attestors, the argument at that position, are satisfied with the image that the first one names.
    fn verify(
        &self,
        args: &[Value<'d>],
        at: usize,
        inputs: &'d Inputs<'d>,
        ask: impl Fn(&str, &str, &str, &Attestor, &Trust) -> Result<(), Stop>,
    ) -> Outcome<'d> {
        let image = string(args, 0)?;
        let attestors = args.get(at).and_then(Value::as_list).ok_or(NO_SUCH_OVERLOAD)?;
        if !self.references.is_empty() && !self.references.iter().any(|reference| reference.is_about(image)) {
            return Ok(Value::Int(0));
        }
        let digest = digest_of(image, inputs)?;
        let parts = image::Reference::parse(image)
            .map_err(|error| EvalError::failed(format!("failed to parse image {image}: {error}")))?;
        let slash = if parts.domain.is_empty() { "" } else { "/" };
        let own = format!("{}{slash}{}", parts.domain, parts.path);
        let (mut n_satisfied, mut is_pending) = (0, false);
        for attestor in attestors.iter() {
            let name = attestor.as_map().and_then(|attestor| attestor.get_str("name"));
            let name = name.as_ref().and_then(Value::as_str).unwrap_or_default();
            let Some(attestor) = self.signatures.attestors.get(name) else {
                return Err(EvalError::failed(format!("attestor not found in policy: {name}")));
            };
            let answer = match &attestor.trust {
                Ok(trust) => {
                    let repository = attestor.repository.as_deref().unwrap_or(&own);
                    ask(image, repository, &digest, attestor, trust)
                }
                Err(error) => Err(error.clone().into()),
            };
            match answer {
                Ok(()) => n_satisfied += 1,
                Err(Stop::Unverified(Unverified::No(_))) => {}
                Err(Stop::Unverified(Unverified::Unknown(why))) => {
                    return Err(EvalError::failed(format!("attestor {name} cannot judge {image}: {why}")));
                }
                Err(Stop::Pending) => is_pending = true,
            }
        }
        if is_pending { Err(EvalError::Pending) } else { Ok(Value::Int(n_satisfied)) }
    }
}

/// Why an attestor is not satisfied.
enum Stop {
    Pending,
    Unverified(Unverified),
}

impl From<Unverified> for Stop {
    fn from(unverified: Unverified) -> Self {
        Self::Unverified(unverified)
    }
}

fn string<'v>(args: &'v [Value<'_>], at: usize) -> Result<&'v str, EvalError> {
    args.get(at).and_then(Value::as_str).ok_or(NO_SUCH_OVERLOAD)
}

/// The digest that an image's reference stands for.
fn digest_of(image: &str, inputs: &Inputs<'_>) -> Result<String, EvalError> {
    let failed = |why: &str| Err(EvalError::failed(format!("failed to get imagedata: {why}")));
    match inputs.fact(&FactKey::ImageDigest(image.to_owned())) {
        None => Err(EvalError::Pending),
        Some(FactValue::Found(digest)) => Ok(digest.root().as_str().unwrap_or_default().to_owned()),
        Some(FactValue::Missing) => failed("image tag not found"),
        Some(FactValue::Failed { message, .. } | FactValue::Refused(message)) => failed(message),
    }
}

/// What is attached to an image; nothing where the registry knows of nothing.
fn attached(repository: &str, digest: &str, suffix: &str, inputs: &Inputs<'_>) -> Result<Vec<Layer>, Stop> {
    let key = FactKey::Attached {
        repository: repository.to_owned(),
        digest: digest.to_owned(),
        suffix: suffix.to_owned(),
    };
    match inputs.fact(&key) {
        None => Err(Stop::Pending),
        Some(FactValue::Found(layers)) => Ok(Layer::all(layers.root())),
        Some(FactValue::Missing) => Ok(Vec::new()),
        Some(FactValue::Failed { message, .. } | FactValue::Refused(message)) => Err(unknown(message).into()),
    }
}

/// A JSON value, with all numbers as Go reads them.
fn value_of<'d>(json: &serde_json::Value) -> Value<'d> {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(value) => Value::Bool(*value),
        serde_json::Value::Number(number) => Value::Double(number.as_f64().unwrap_or_default()),
        serde_json::Value::String(text) => Value::string(text.as_str()),
        serde_json::Value::Array(items) => Value::list(items.iter().map(value_of).collect()),
        serde_json::Value::Object(fields) => Value::map(
            fields
                .iter()
                .map(|(key, value)| (Key::String(Text::from(key.clone())), value_of(value)))
                .collect(),
        ),
    }
}
