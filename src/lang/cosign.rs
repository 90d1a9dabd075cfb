//! Signatures and attestations of images, as cosign makes and verifies them.
//!
//! Pure: what a registry holds comes as the fact [`crate::model::FactKey::Attached`], what is trusted comes from the policy,
//! and the answer is a function of both. Formats and error texts are those of cosign's `pkg/cosign/verify.go` and
//! `specs/SIGNATURE_SPEC.md`: simple signing payloads, DSSE envelopes with in-toto statements, bundles of Rekor, bundles of
//! Sigstore among an image's referrers.
//!
//! Keys and certificates that a policy gives are trusted; keyless signatures, Notary's and those of key management
//! services need roots or services that are not there, which callers say.

mod bundle;
mod key;
mod layer;
mod sigstore;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::limits;

pub(crate) use key::{Hash, PublicKey};
pub(crate) use layer::Layer;
pub(crate) use sigstore::{Bundle, verify_bundles};

/// Why something does not count as signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unverified {
    /// It is not, in cosign's words.
    No(String),
    /// It cannot be found out here: what is missing.
    Unknown(String),
}

/// Whose signature counts.
#[derive(Clone, Debug)]
pub(crate) struct Trust {
    pub(crate) key: PublicKey,
    pub(crate) log: Log,
}

/// What must be known of Rekor's transparency log.
#[derive(Clone, Debug)]
pub(crate) enum Log {
    /// Nothing: the policy says so.
    Ignored,
    /// A bundle beside the signature that one of these keys has signed.
    Keys(Vec<PublicKey>),
    /// The policy does not give the log's key.
    Unknown,
}

impl Log {
    /// What a policy says of the log: that it does not matter, or its keys as PEM, or nothing.
    pub(crate) fn of(is_ignored: bool, keys: &str) -> Result<Self, Unverified> {
        match (is_ignored, keys.trim()) {
            (true, _) => Ok(Self::Ignored),
            (false, "") => Ok(Self::Unknown),
            (false, keys) => split_keys(keys)
                .into_iter()
                .map(|key| PublicKey::from_pem(key, Hash::Sha256))
                .collect::<Result<_, _>>()
                .map(Self::Keys),
        }
    }
}

impl Unverified {
    /// Why keyless signatures are not verified.
    pub(crate) fn keyless() -> Self {
        Self::Unknown("keyless signatures need the roots of Fulcio and Rekor, which are not there".to_owned())
    }
}

/// The public keys of one text.
pub(crate) fn split_keys(text: &str) -> Vec<&str> {
    let keys = text.split_inclusive("-----END PUBLIC KEY-----").filter(|key| key.contains("-----BEGIN"));
    let keys: Vec<&str> = keys.take(limits::ATTESTOR_KEYS_MAX).collect();
    if keys.len() > 1 { keys } else { vec![text] }
}

/// A signature that was verified: what it says of which image.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Claim {
    /// The digest of the image.
    pub(crate) digest: String,
    /// What the signer noted besides.
    pub(crate) annotations: serde_json::Map<String, Value>,
    /// What stands beside the signature in the registry, which nobody has signed.
    pub(crate) beside: BTreeMap<String, String>,
}

/// A verified statement about an image (in-toto).
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Statement {
    pub(crate) predicate_type: String,
    /// The whole statement.
    pub(crate) value: Value,
    /// What stands beside the attestation in the registry, which nobody has signed.
    pub(crate) beside: BTreeMap<String, String>,
}

/// The signatures of an image that count.
///
/// # Errors
/// If there are none.
pub(crate) fn verify_signatures(
    layers: &[Layer],
    digest: &str,
    trust: &Trust,
) -> Result<Vec<Claim>, Unverified> {
    if layers.is_empty() {
        return Err(Unverified::No("no signatures found".to_owned()));
    }
    let one = |layer: &Layer| {
        let signature = layer.signature().map_err(Unverified::No)?;
        trust.key.verify(&layer.payload, &signature).map_err(Unverified::No)?;
        let claim = read_claim(&layer.payload, digest).map_err(Unverified::No)?;
        trust.log.verify(layer, &trust.key)?;
        Ok(Claim { beside: layer.annotations.clone(), ..claim })
    };
    any_of(layers, one, "no matching signatures")
}

/// The statements about an image that count.
///
/// # Errors
/// If there are none.
pub(crate) fn verify_attestations(
    layers: &[Layer],
    digest: &str,
    trust: &Trust,
) -> Result<Vec<Statement>, Unverified> {
    let one = |layer: &Layer| {
        let envelope: Envelope = serde_json::from_slice(&layer.payload)
            .map_err(|error| Unverified::No(format!("unmarshaling envelope: {error}")))?;
        let body = envelope.verified(&trust.key).map_err(Unverified::No)?;
        let statement = read_statement(&body, digest).map_err(Unverified::No)?;
        trust.log.verify(layer, &trust.key)?;
        Ok(Statement { beside: layer.annotations.clone(), ..statement })
    };
    any_of(layers, one, "no matching attestations")
}

/// What counts of several; an answer that cannot be given is told only if nothing counts.
fn any_of<L, T>(
    layers: &[L],
    one: impl Fn(&L) -> Result<T, Unverified>,
    none: &str,
) -> Result<Vec<T>, Unverified> {
    let (mut verified, mut refusals, mut unknown) = (Vec::new(), Vec::new(), None);
    for layer in layers {
        match one(layer) {
            Ok(found) => verified.push(found),
            Err(Unverified::No(message)) => refusals.push(message),
            Err(Unverified::Unknown(message)) => unknown = Some(message),
        }
    }
    match (verified.is_empty(), unknown) {
        (false, _) => Ok(verified),
        (true, Some(message)) => Err(Unverified::Unknown(message)),
        (true, None) => Err(Unverified::No(format!("{none}: {}", refusals.join("\n ")))),
    }
}

/// A simple signing payload (`atomic container signature`), if it is about the image.
fn read_claim(payload: &[u8], digest: &str) -> Result<Claim, String> {
    let value: Value = serde_json::from_slice(payload).map_err(|error| error.to_string())?;
    let claimed = value.pointer("/critical/image/docker-manifest-digest").and_then(Value::as_str);
    let claimed = claimed.unwrap_or_default();
    if claimed != digest {
        return Err(format!("invalid or missing digest in claim: {claimed}"));
    }
    let annotations = value.get("optional").and_then(Value::as_object).cloned().unwrap_or_default();
    Ok(Claim { digest: digest.to_owned(), annotations, beside: BTreeMap::new() })
}

/// An in-toto statement, if it is about the image.
fn read_statement(body: &[u8], digest: &str) -> Result<Statement, String> {
    let value: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let subjects = value.get("subject").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let is_about = |subject: &Value| {
        let claimed = subject.pointer("/digest/sha256").and_then(Value::as_str);
        claimed.is_some() && claimed == digest.strip_prefix("sha256:")
    };
    if !subjects.iter().any(is_about) {
        return Err("no matching subject digest found".to_owned());
    }
    let predicate_type = value.get("predicateType").and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok(Statement { predicate_type, value, beside: BTreeMap::new() })
}

/// A DSSE envelope.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    #[serde(default)]
    payload_type: String,
    #[serde(default)]
    payload: String,
    #[serde(default)]
    signatures: Vec<EnvelopeSignature>,
}

#[derive(Clone, Debug, serde::Deserialize)]
struct EnvelopeSignature {
    sig: String,
}

impl Envelope {
    /// The body, if the key has signed it.
    fn verified(&self, key: &PublicKey) -> Result<Vec<u8>, String> {
        if self.payload_type != "application/vnd.in-toto+json" {
            return Err(format!("invalid payloadType {} on envelope", self.payload_type));
        }
        let body = layer::decode(&self.payload)?;
        // DSSE's pre-authentication encoding, protocol version 1.
        let mut signed =
            format!("DSSEv1 {} {} {} ", self.payload_type.len(), self.payload_type, body.len()).into_bytes();
        signed.extend_from_slice(&body);
        let is_signed = self.signatures.iter().any(|signature| {
            layer::decode(&signature.sig).is_ok_and(|signature| key.verify(&signed, &signature).is_ok())
        });
        if is_signed {
            Ok(body)
        } else {
            Err("accepted signatures do not match threshold, Found: 0, Expected 1".to_owned())
        }
    }
}

fn hex_sha256(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
