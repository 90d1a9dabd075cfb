//! `validate.manifests`: whether the manifest that an object was made from was signed, and whether the object is still what was signed.
//!
//! Upstream: `pkg/engine/handlers/validation/validate_manifest.go` and sigstore's `k8s-manifest-sigstore`. Message and signatures stand in the
//! object's annotations, keys and certificates in the policy. What would have to be fetched from a registry, a key service or a transparency log is
//! an error that names it; so is a difference that only a dry run could explain.

mod difference;
mod ignored;
mod message;
#[cfg(test)]
mod tests;
mod trust;

use std::collections::BTreeMap;

use base64::Engine as _;

use crate::document::{Document, Node, Value};
use crate::lang::{Inputs, Operation};
use crate::limits;
use crate::model::Status;

use super::body::Response;
use ignored::Ignored;
use message::Message;
use trust::Trust;

const DEFAULT_DOMAIN: &str = "cosign.sigstore.dev";

/// A compiled `validate.manifests`.
#[derive(Debug)]
pub(super) struct Manifests {
    domain: String,
    /// Manifests are kept in a registry rather than in the object.
    is_remote: bool,
    /// Differences may be what the API server makes of the manifest.
    has_dry_run: bool,
    ignored: Vec<Ignored>,
    attestors: Vec<AttestorSet>,
}

#[derive(Debug)]
struct AttestorSet {
    n_required: usize,
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    /// Annotations that the object must have.
    annotations: BTreeMap<String, String>,
    /// What it trusts, as its place in the policy is called: `.keys`, `.certificates`, `.keyless` or nothing.
    place: &'static str,
    trust: Trust,
    is_remote: bool,
    /// Another set in this one's place.
    nested: Option<AttestorSet>,
}

/// What came of one entry or set.
enum Verified {
    /// Somebody who is trusted signed; what to say of it.
    Yes(String),
    /// Nobody signed, or the object is not what was signed.
    No(String),
    /// It could not be found out.
    Unknown(String),
}

impl Manifests {
    pub(super) fn compile(node: Node<'_>) -> Self {
        let text = |key: &str| node.get(key).and_then(Node::as_str).filter(|text| !text.is_empty());
        let list = |key: &str| node.get(key).into_iter().flat_map(Node::items);
        let domain = text("annotationDomain").unwrap_or(DEFAULT_DOMAIN).to_owned();
        let mut ignored = Ignored::defaults(&domain);
        ignored.extend(list("ignoreFields").map(Ignored::compile));
        Self {
            is_remote: text("repository").is_some(),
            has_dry_run: node.path(&["dryRun", "enable"]).and_then(Node::as_bool) == Some(true),
            ignored,
            attestors: list("attestors").map(|set| AttestorSet::compile(set, 0)).collect(),
            domain,
        }
    }

    /// Judges a resource; nothing is said of one that is being deleted.
    pub(super) fn evaluate(&self, inputs: &Inputs<'_>) -> Option<Response> {
        if inputs.request.operation == Operation::Delete {
            return None;
        }
        let evidence = Evidence::of(self, inputs.object());
        let mut reasons = Vec::new();
        for (index, set) in self.attestors.iter().enumerate() {
            match set.verify(&evidence, &format!(".attestors[{index}]")) {
                Verified::Yes(reason) => reasons.push(reason),
                Verified::No(reason) => return Some(Response::new(Status::Fail, reason)),
                Verified::Unknown(error) => {
                    let message = format!("error occurred during manifest verification: {error}");
                    return Some(Response::error(message));
                }
            }
        }
        let message = format!("verified manifest signatures; {}", reasons.join(","));
        Some(Response::new(Status::Pass, message))
    }
}

/// What an object shows of its manifest.
struct Evidence<'d> {
    annotations: Option<Node<'d>>,
    is_remote: bool,
    /// What was signed, and in what the object differs from it; `None` if the object carries no message.
    message: Option<Result<Signed, String>>,
    signatures: Vec<Vec<u8>>,
}

/// A message that has a manifest of the object.
struct Signed {
    message: Message,
    comparison: Comparison,
}

/// How an object compares with its manifest.
enum Comparison {
    Same,
    /// Differences, as they are shown.
    Different(String),
    /// Differences that the API server could have made, as they are shown.
    Open(String),
    /// The message has no manifest of the object.
    NoManifest,
}

impl<'d> Evidence<'d> {
    fn of(manifests: &Manifests, object: Node<'d>) -> Self {
        let annotations = object.path(&["metadata", "annotations"]);
        let text = |name: &str| {
            let key = format!("{}/{name}", manifests.domain);
            annotations.and_then(|all| all.get(&key)).and_then(Node::as_str)
        };
        let numbered = |number: usize| match number {
            0 => text("signature"),
            number => text(&format!("signature_{number}")),
        };
        let signatures = (0..limits::MANIFEST_SIGNATURES_MAX).map_while(numbered).map(|signature| {
            base64::engine::general_purpose::STANDARD.decode(signature.trim()).unwrap_or_default()
        });
        let is_remote = manifests.is_remote
            || ["resourceBundleRef", "imageRef"]
                .iter()
                .any(|name| text(name).is_some_and(|text| !text.is_empty()));
        let message = text("message").filter(|_| !is_remote);
        Self {
            annotations,
            is_remote,
            message: message.map(|message| manifests.compare(message, object)),
            signatures: signatures.collect(),
        }
    }
}

impl Manifests {
    fn compare(&self, annotation: &str, object: Node<'_>) -> Result<Signed, String> {
        let message = Message::read(annotation)?;
        let comparison = match message.manifest_of(object)? {
            None => Comparison::NoManifest,
            Some(manifest) => self.compare_with(&manifest, object),
        };
        Ok(Signed { message, comparison })
    }

    fn compare_with(&self, manifest: &Document, object: Node<'_>) -> Comparison {
        let ignored: Vec<&Ignored> = self.ignored.iter().filter(|ignored| ignored.is_about(object)).collect();
        let is_ignored = |key: &str| ignored.iter().any(|ignored| ignored.covers(key));
        let found = difference::differences(manifest.root(), object, is_ignored);
        match (found.is_empty(), self.has_dry_run) {
            (true, _) => Comparison::Same,
            (false, true) => Comparison::Open(difference::print(&found)),
            (false, false) => Comparison::Different(difference::print(&found)),
        }
    }
}

impl AttestorSet {
    fn compile(node: Node<'_>, depth: usize) -> Self {
        let entries: Vec<Entry> = node
            .get("entries")
            .into_iter()
            .flat_map(Node::items)
            .flat_map(|entry| Entry::compile_each(entry, depth))
            .collect();
        let count = node.get("count").and_then(Node::as_i64).and_then(|count| usize::try_from(count).ok());
        Self { n_required: count.filter(|count| *count > 0).unwrap_or(entries.len()), entries }
    }

    fn verify(&self, evidence: &Evidence<'_>, path: &str) -> Verified {
        let (mut reasons, mut failures, mut errors) = (Vec::new(), Vec::new(), Vec::new());
        let n_required = self.n_required;
        for (index, entry) in self.entries.iter().enumerate() {
            match entry.verify(evidence, &format!("{path}.entries[{index}]")) {
                Verified::Yes(reason) => reasons.push(reason),
                Verified::No(reason) => failures.push(reason),
                Verified::Unknown(error) => errors.push(error),
            }
            if reasons.len() >= n_required {
                return Verified::Yes(format!(
                    "manifest verification succeeded; verifiedCount {}; requiredCount {n_required}; message {}",
                    reasons.len(),
                    reasons.join(",")
                ));
            }
        }
        if errors.is_empty() {
            Verified::No(format!(
                "manifest verification failed; verifiedCount {}; requiredCount {n_required}; message {}",
                reasons.len(),
                failures.join(",")
            ))
        } else {
            Verified::Unknown(errors.join("; "))
        }
    }
}

impl Entry {
    /// Several public keys in one entry stand for as many entries.
    fn compile_each(node: Node<'_>, depth: usize) -> Vec<Self> {
        const END: &str = "-----END PUBLIC KEY-----";
        let keys = node.path(&["keys", "publicKeys"]).and_then(Node::as_str).unwrap_or_default();
        let each: Vec<String> = keys
            .split_inclusive(END)
            .filter(|key| key.contains(END))
            .take(limits::ATTESTOR_KEYS_MAX)
            .map(|key| key.trim().to_owned())
            .collect();
        if each.len() < 2 {
            return vec![Self::compile(node, depth, None)];
        }
        each.into_iter().map(|key| Self::compile(node, depth, Some(Trust::of_key(&key)))).collect()
    }

    fn compile(node: Node<'_>, depth: usize, trust: Option<Trust>) -> Self {
        let part = |key: &str| node.get(key).filter(|part| !part.is_null());
        let (place, own) = if let Some(keys) = part("keys") {
            (".keys", Trust::of_keys(keys))
        } else if let Some(certificates) = part("certificates") {
            (".certificates", Trust::of_certificates(certificates))
        } else {
            let reason = "verification without a key asks a transparency log, which is not supported";
            let place = if part("keyless").is_some() { ".keyless" } else { "" };
            (place, Trust::Unsupported(reason.to_owned()))
        };
        let nested = part("attestor").filter(|_| depth < limits::ATTESTORS_DEPTH_MAX);
        Self {
            annotations: node
                .get("annotations")
                .into_iter()
                .flat_map(Node::entries)
                .map(|(key, value)| (key.to_owned(), value.as_str().unwrap_or_default().to_owned()))
                .collect(),
            place,
            trust: trust.unwrap_or(own),
            is_remote: node.get("repository").and_then(Node::as_str).is_some_and(|text| !text.is_empty()),
            nested: nested.map(|nested| AttestorSet::compile(nested, depth + 1)),
        }
    }

    fn verify(&self, evidence: &Evidence<'_>, path: &str) -> Verified {
        if let Some(nested) = &self.nested {
            let path = format!("{path}.attestor");
            return match nested.verify(evidence, &path) {
                Verified::Unknown(error) => {
                    Verified::Unknown(format!("failed to verify signature; {path}: {error}"))
                }
                known => known,
            };
        }
        for (key, wanted) in &self.annotations {
            let own = evidence.annotations.and_then(|all| all.get(key)).and_then(Node::as_str);
            let own = own.unwrap_or_default();
            if own != wanted {
                return Verified::Unknown(format!(
                    "annotations mismatch: {own} does not match expected value {wanted} for key {key}"
                ));
            }
        }
        let path = format!("{path}{}", self.place);
        if self.is_remote || evidence.is_remote {
            return Verified::Unknown(format!(
                "{path}: manifests that are kept in a registry are not supported"
            ));
        }
        match &evidence.message {
            None => {
                Verified::No(format!("{path}: YAML manifest not found for this resource: message not found"))
            }
            Some(Err(error)) => {
                Verified::Unknown(format!("{path}: YAML manifest not found for this resource: {error}"))
            }
            Some(Ok(signed)) => self.verify_signed(signed, &evidence.signatures, &path),
        }
    }

    fn verify_signed(&self, signed: &Signed, signatures: &[Vec<u8>], path: &str) -> Verified {
        if matches!(signed.comparison, Comparison::NoManifest) {
            return Verified::No(format!(
                "{path}: YAML manifest not found for this resource: message not found: failed to find a YAML manifest in \
                 the gzipped message"
            ));
        }
        let key = match &self.trust {
            Trust::Unsupported(reason) => return Verified::Unknown(format!("{path}: {reason}")),
            Trust::Key(Err(error)) => {
                return Verified::Unknown(format!("{path}: failed to verify signature: {error}"));
            }
            Trust::Key(Ok(key)) => key,
        };
        let trials: Vec<_> =
            signatures.iter().map(|signature| key.verify(&signed.message.signed, signature)).collect();
        if trials.is_empty() {
            return Verified::No(format!("{path}: failed to verify signature: signature not found"));
        }
        if !trials.iter().any(Result::is_ok) {
            return Verified::Unknown(format!(
                "{path}: failed to verify signature: {}",
                self.refused(&trials)
            ));
        }
        match &signed.comparison {
            // Who signs with a key has no name.
            Comparison::Same | Comparison::NoManifest => {
                Verified::Yes("singed by a valid signer: ".to_owned())
            }
            Comparison::Different(diff) => {
                Verified::No(format!("{path}: failed to verify signature. diff found; {diff}"))
            }
            Comparison::Open(diff) => Verified::Unknown(format!(
                "{path}: whether the API server made these differences a dry run would tell, which is not supported: {diff}"
            )),
        }
    }

    /// What the reference says when no signature is by the key's owner.
    fn refused(&self, trials: &[Result<(), String>]) -> String {
        let n = trials.len();
        let key = if self.place == ".keys" { "publickey 1/1" } else { "" };
        let trials = trials.iter().enumerate().filter_map(|(at, trial)| {
            let error = trial.as_ref().err()?;
            let signature = format!("signature {}/{n}", at + 1);
            Some(format!(
                "[{key}] [{signature}] error: cosign.VerifyBlobCmd.Exec() returned an error: {error}"
            ))
        });
        let list = Value::list(trials.map(Value::owned).collect());
        format!("verification failed for {n} signature. all trials: {}", list.to_json())
    }
}
