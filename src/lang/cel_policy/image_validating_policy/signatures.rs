//! What an ImageValidatingPolicy asks of a registry: who signed an image or a statement about it.
//!
//! Upstream: `pkg/cel/libs/imageverify` of Kyverno. The functions count the attestors that are satisfied; one that cannot be judged here
//! (keyless, Notary, a key elsewhere) is an error that names what is missing, never a signature that is not there.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::attestors::{Attestation, Attestor, Signers, unknown};
use super::references::References;
use super::rules::Images;
use crate::document::Node;
use crate::gostd::image;
use crate::lang::Inputs;
use crate::lang::cel::{Entry, Environment, EvalError, Key, Text, Type, Value};
use crate::lang::cel_policy::frame::{Frame, Outcome, key};
use crate::lang::cel_policy::library;
use crate::lang::cosign::{
    Bundle, Layer, Log, Trust, Unverified, verify_attestations, verify_bundles, verify_signatures,
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

/// Adds the functions, and the variables `images`, `attestors` and `attestations`. What exceptions allow is not known to these policies.
pub(super) fn add_to(env: Environment) -> Environment {
    env.without_variable("exceptions")
        .with_functions(FUNCTIONS)
        .with_variable("images", Type::map(Type::String, Type::list(Type::String)))
        .with_variable("attestors", Type::map(Type::String, Type::Dyn))
        .with_variable("attestations", Type::map(Type::String, Type::String))
}

/// What the names of a policy mean for one resource, and what was verified of its images.
#[derive(Debug)]
pub(in crate::lang::cel_policy) struct ImageNames<'d> {
    signers: &'d Signers,
    references: &'d References,
    images: Value<'d>,
    /// Verified statements, by image and predicate type.
    payloads: RefCell<BTreeMap<(String, String), serde_json::Value>>,
    /// Whether anybody was satisfied, by the image that somebody was asked about.
    asked: RefCell<BTreeMap<String, bool>>,
}

impl<'d> ImageNames<'d> {
    /// The names for the images that the policy is about, by where they stand.
    pub(super) fn new(signers: &'d Signers, references: &'d References, images: Images) -> Self {
        let list = |images: Vec<String>| Value::list(images.into_iter().map(Value::string).collect());
        let images = Value::map(
            images.into_iter().map(|(name, images)| (Key::String(Text::from(name)), list(images))).collect(),
        );
        Self { signers, references, images, payloads: RefCell::default(), asked: RefCell::default() }
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
        Value::map(self.signers.attestors.keys().map(attestor).collect())
    }

    /// `attestations`: each is its name.
    pub(in crate::lang::cel_policy) fn attestations(&self) -> Value<'d> {
        let attestation = |name: &'d String| (Key::String(Text::Borrowed(name)), Value::borrowed(name));
        Value::map(self.signers.attestations.keys().map(attestation).collect())
    }

    /// Why one of the images is not verified, if one is not.
    pub(super) fn unverified(&self, images: &[String]) -> Option<String> {
        let asked = self.asked.borrow();
        images.iter().find_map(|image| match asked.get(image) {
            Some(true) => None,
            Some(false) => Some(format!("image {image} failed signature or attestation verification")),
            None => Some(format!(
                "image {image} is not verified: the policy asked for no signature or attestation of it"
            )),
        })
    }

    /// Answers a function; `None` if it is none of these.
    pub(in crate::lang::cel_policy) fn answer(
        &self,
        frame: &Frame<'d>,
        function: &str,
        args: &[Value<'d>],
    ) -> Option<Outcome<'d>> {
        Some(match function {
            SIGNATURES => self.verify(frame, args, 1, signed),
            ATTESTATIONS => self.attestation(args).and_then(|attestation| {
                self.verify(frame, args, 2, |asked| {
                    for (predicate_type, value) in asked.attested(attestation)? {
                        let place = (asked.image.to_owned(), predicate_type);
                        self.payloads.borrow_mut().insert(place, value);
                    }
                    Ok(())
                })
            }),
            PAYLOAD => self.payload(frame, args),
            DATA => library::image_data(frame.inputs, args),
            _ => return None,
        })
    }

    /// The attestation that the second argument names.
    fn attestation(&self, args: &[Value<'d>]) -> Result<&'d Attestation, EvalError> {
        let name = string(args, 1)?;
        let absent = || EvalError::failed(format!("attestation not found in policy: {name}"));
        self.signers.attestations.get(name).ok_or_else(absent)
    }

    /// What an attestation says: what was verified of one of cosign's, and the first referrer of its type as it is.
    fn payload(&self, frame: &Frame<'d>, args: &[Value<'d>]) -> Outcome<'d> {
        let image = string(args, 0)?;
        let failed = |why: &str| EvalError::failed(format!("failed to get payload: {why}"));
        match self.attestation(args)? {
            Attestation::Nothing => Err(failed("the attestation is of no type")),
            // The reference keeps payloads by the type itself, and looks for them by what is written.
            Attestation::InToto { written, .. } => {
                let payloads = self.payloads.borrow();
                payloads.get(&(image.to_owned(), written.clone())).map(value_of).ok_or_else(|| {
                    failed("intoto attestation payload cannot be fetch before verifying intoto attestation")
                })
            }
            Attestation::Referrer(artifact_type) => {
                let (digest, own) = (digest_of(image, frame.inputs)?, repository_of(image)?);
                let suffix = format!("referrer {artifact_type}");
                let layers = attached(&own, &digest, &suffix, frame.inputs).map_err(|stop| match stop {
                    Stop::Pending => EvalError::Pending,
                    Stop::Unverified(Unverified::No(why) | Unverified::Unknown(why)) => failed(&why),
                })?;
                let absent = || failed(&format!("artifact of type {artifact_type} not found"));
                let layer = layers.first().ok_or_else(absent)?;
                let read = serde_json::from_slice(layer.payload());
                read.map(|value| value_of(&value)).map_err(|error| failed(&format!("it is no JSON: {error}")))
            }
        }
    }

    /// How many of the attestors, the argument at that position, are satisfied with the image that the first one names.
    fn verify(
        &self,
        frame: &Frame<'d>,
        args: &[Value<'d>],
        at: usize,
        ask: impl Fn(&Asked<'_, 'd>) -> Result<(), Stop>,
    ) -> Outcome<'d> {
        let image = string(args, 0)?;
        let attestors = args.get(at).and_then(Value::as_list).ok_or(NO_SUCH_OVERLOAD)?;
        let mut named = Vec::new();
        for attestor in attestors.iter() {
            let name = attestor.as_map().and_then(|attestor| attestor.get_str("name"));
            let name = name.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned();
            let Some(attestor) = self.signers.attestors.get(&name) else {
                return Err(EvalError::failed(format!("attestor not found in policy: {name}")));
            };
            let trust = attestor.trust(&name, frame)?;
            named.push((name, attestor, trust));
        }
        if !self.references.are_about(image, &frame.budget)? {
            return Ok(Value::Int(0));
        }
        let (digest, own) = (digest_of(image, frame.inputs)?, repository_of(image)?);
        let (mut n_satisfied, mut is_pending) = (0, false);
        for (name, attestor, trust) in &named {
            let repository = attestor.repository.as_deref().unwrap_or(&own);
            match ask(&Asked { image, repository, digest: &digest, attestor, trust, inputs: frame.inputs }) {
                Ok(()) => n_satisfied += 1,
                Err(Stop::Unverified(Unverified::No(_))) => {}
                Err(Stop::Unverified(Unverified::Unknown(why))) => {
                    return Err(EvalError::failed(format!("attestor {name} cannot judge {image}: {why}")));
                }
                Err(Stop::Pending) => is_pending = true,
            }
        }
        if is_pending {
            return Err(EvalError::Pending);
        }
        if !named.is_empty() {
            *self.asked.borrow_mut().entry(image.to_owned()).or_default() |= n_satisfied > 0;
        }
        Ok(Value::Int(n_satisfied))
    }
}

/// What one attestor is asked about an image.
struct Asked<'a, 'd> {
    image: &'a str,
    repository: &'a str,
    digest: &'a str,
    attestor: &'a Attestor,
    trust: &'a Result<Trust, Unverified>,
    inputs: &'d Inputs<'d>,
}

impl Asked<'_, '_> {
    fn trust(&self) -> Result<&Trust, Stop> {
        self.trust.as_ref().map_err(|unverified| unverified.clone().into())
    }

    /// What is attached to the image: Sigstore's bundles if there are any, and only otherwise what has the suffix.
    fn attached(&self, suffix: &str) -> Result<(Vec<Bundle>, Vec<Layer>), Stop> {
        let ask = |suffix: &str| attached(self.repository, self.digest, suffix, self.inputs);
        let bundles = Bundle::all(&ask("bundles")?);
        let layers = match self.attestor.tag_prefix.as_str() {
            _ if !bundles.is_empty() => Vec::new(),
            "" => ask(suffix)?,
            prefix => ask(&format!("{suffix} {prefix}"))?,
        };
        Ok((bundles, layers))
    }

    /// The predicate type and the text of the statements that the attestor has signed.
    fn attested(&self, attestation: &Attestation) -> Result<Vec<(String, serde_json::Value)>, Stop> {
        let Attestation::InToto { predicate_type, .. } = attestation else {
            return Err(if self.attestor.is_cosign {
                no("cosign signs no referrers".to_owned())
            } else {
                unknown("signatures of referrers are Notary's, which are not verified").into()
            });
        };
        let trust = self.trust()?;
        let (bundles, layers) = self.attached("att")?;
        let mut statements = if bundles.is_empty() {
            let statements = verify_attestations(&layers, self.digest, trust)?;
            // The reference counts an attestation by tag only if the log vouches for it, whatever the policy says of the log.
            if matches!(trust.log, Log::Ignored) {
                return Err(no("cosign bundle verification failed".to_owned()));
            }
            statements
        } else {
            verify_bundles(&bundles, self.digest, trust)?
        };
        statements.retain(|statement| {
            statement.predicate_type == *predicate_type && self.is_noted(&statement.beside)
        });
        if statements.is_empty() || predicate_type.is_empty() {
            return Err(no(format!("required predicate type {predicate_type} not found")));
        }
        Ok(statements.into_iter().map(|statement| (statement.predicate_type, statement.value)).collect())
    }

    /// Whether the annotations that the attestor wants stand beside a signature in the registry: the reference does not look at those that were
    /// signed.
    fn is_noted(&self, beside: &BTreeMap<String, String>) -> bool {
        let noted = |key: &String| beside.get(key).map(String::as_str).unwrap_or_default();
        self.attestor.annotations.iter().all(|(key, value)| noted(key) == value)
    }
}

/// Whether the attestor has signed the image.
fn signed(asked: &Asked<'_, '_>) -> Result<(), Stop> {
    let trust = asked.trust()?;
    let (bundles, layers) = asked.attached("sig")?;
    let beside: Vec<_> = if bundles.is_empty() {
        let claims = verify_signatures(&layers, asked.digest, trust)?;
        claims.into_iter().map(|claim| claim.beside).collect()
    } else {
        let statements = verify_bundles(&bundles, asked.digest, trust)?;
        statements.into_iter().map(|statement| statement.beside).collect()
    };
    if beside.iter().any(|beside| asked.is_noted(beside)) {
        Ok(())
    } else {
        Err(no(format!("no signature of {} matched the annotations", asked.image)))
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

fn no(why: String) -> Stop {
    Unverified::No(why).into()
}

fn string<'v>(args: &'v [Value<'_>], at: usize) -> Result<&'v str, EvalError> {
    args.get(at).and_then(Value::as_str).ok_or(NO_SUCH_OVERLOAD)
}

/// The digest that an image's reference stands for.
fn digest_of(image: &str, inputs: &Inputs<'_>) -> Result<String, EvalError> {
    let failed = |why: &str| Err(EvalError::failed(format!("failed to get imagedata: {why}")));
    match inputs.fact(&FactKey::Image(image.to_owned())) {
        None => Err(EvalError::Pending),
        Some(FactValue::Found(data)) => {
            let resolved = data.root().get("resolvedImage").and_then(Node::as_str).unwrap_or_default();
            match resolved.split_once('@') {
                Some((_, digest)) => Ok(digest.to_owned()),
                None => failed("its digest is not known"),
            }
        }
        Some(FactValue::Missing) => failed("image tag not found"),
        Some(FactValue::Failed { message, .. } | FactValue::Refused(message)) => failed(message),
    }
}

/// The repository of an image, with its registry.
fn repository_of(image: &str) -> Result<String, EvalError> {
    let parts = image::Reference::parse(image)
        .map_err(|error| EvalError::failed(format!("failed to parse image {image}: {error}")))?;
    let slash = if parts.domain.is_empty() { "" } else { "/" };
    Ok(format!("{}{slash}{}", parts.domain, parts.path))
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
        Some(FactValue::Failed { message, .. } | FactValue::Refused(message)) => {
            Err(Unverified::Unknown(message.clone()).into())
        }
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
