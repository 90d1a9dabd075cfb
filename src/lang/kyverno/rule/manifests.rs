//! `validate.manifests`: whether the manifest that an object was made from was signed.
//!
//! Upstream: `pkg/engine/handlers/validation/validate_manifest.go` and sigstore's `k8s-manifest-sigstore`. An object that carries no signed
//! manifest is judged here as the reference judges it. Checking a signature that is there is not built: it gives an error that says so.

use std::collections::BTreeMap;

use crate::document::Node;
use crate::lang::Inputs;
use crate::limits;
use crate::model::Status;

use super::body::Response;

#[cfg(test)]
mod tests;

const DEFAULT_DOMAIN: &str = "cosign.sigstore.dev";

/// A compiled `validate.manifests`.
#[derive(Debug)]
pub(super) struct Manifests {
    domain: String,
    /// Manifests are kept in a registry rather than in the object.
    is_remote: bool,
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
    trust: &'static str,
    is_remote: bool,
    /// Another set in this one's place.
    nested: Option<AttestorSet>,
}

/// What came of one entry or set.
enum Verified {
    /// Nobody signed.
    No(String),
    /// It could not be found out.
    Unknown(String),
}

impl Manifests {
    pub(super) fn compile(node: Node<'_>) -> Self {
        let text = |key: &str| node.get(key).and_then(Node::as_str).filter(|text| !text.is_empty());
        Self {
            domain: text("annotationDomain").unwrap_or(DEFAULT_DOMAIN).to_owned(),
            is_remote: text("repository").is_some(),
            attestors: node
                .get("attestors")
                .into_iter()
                .flat_map(Node::items)
                .map(|set| AttestorSet::compile(set, 0))
                .collect(),
        }
    }

    pub(super) fn evaluate(&self, inputs: &Inputs<'_>) -> Response {
        let annotations = inputs.object().path(&["metadata", "annotations"]);
        let has = |name: &str| {
            let key = format!("{}/{name}", self.domain);
            annotations
                .and_then(|all| all.get(&key))
                .and_then(Node::as_str)
                .is_some_and(|text| !text.is_empty())
        };
        let evidence = Evidence {
            annotations,
            is_remote: self.is_remote || has("resourceBundleRef") || has("imageRef"),
            has_message: has("message"),
        };
        // No set can be satisfied, so the first one decides.
        let Some(set) = self.attestors.first() else {
            return Response::new(Status::Pass, "verified manifest signatures; ");
        };
        match set.verify(&evidence, ".attestors[0]") {
            Verified::No(reason) => Response::new(Status::Fail, reason),
            Verified::Unknown(error) => {
                Response::error(format!("error occurred during manifest verification: {error}"))
            }
        }
    }
}

/// What an object shows of its manifest.
struct Evidence<'d> {
    annotations: Option<Node<'d>>,
    is_remote: bool,
    has_message: bool,
}

impl AttestorSet {
    fn compile(node: Node<'_>, depth: usize) -> Self {
        let entries: Vec<Entry> = node
            .get("entries")
            .into_iter()
            .flat_map(Node::items)
            .flat_map(|entry| std::iter::repeat_n(entry, n_keys(entry)))
            .map(|entry| Entry::compile(entry, depth))
            .collect();
        let count = node.get("count").and_then(Node::as_i64).and_then(|count| usize::try_from(count).ok());
        Self { n_required: count.filter(|count| *count > 0).unwrap_or(entries.len()), entries }
    }

    fn verify(&self, evidence: &Evidence<'_>, path: &str) -> Verified {
        let mut failures = Vec::new();
        let mut errors = Vec::new();
        for (index, entry) in self.entries.iter().enumerate() {
            match entry.verify(evidence, &format!("{path}.entries[{index}]")) {
                Verified::No(reason) => failures.push(reason),
                Verified::Unknown(error) => errors.push(error),
            }
        }
        if errors.is_empty() {
            Verified::No(format!(
                "manifest verification failed; verifiedCount 0; requiredCount {}; message {}",
                self.n_required,
                failures.join(",")
            ))
        } else {
            Verified::Unknown(errors.join("; "))
        }
    }
}

/// Several public keys in one entry stand for as many entries.
fn n_keys(entry: Node<'_>) -> usize {
    let keys = entry.path(&["keys", "publicKeys"]).and_then(Node::as_str).unwrap_or_default();
    keys.matches("-----BEGIN PUBLIC KEY-----").count().clamp(1, limits::ATTESTOR_KEYS_MAX)
}

impl Entry {
    fn compile(node: Node<'_>, depth: usize) -> Self {
        let has = |key: &str| node.get(key).is_some_and(|part| !part.is_null());
        let trusts = [("keys", ".keys"), ("certificates", ".certificates"), ("keyless", ".keyless")];
        let nested =
            node.get("attestor").filter(|nested| !nested.is_null() && depth < limits::ATTESTORS_DEPTH_MAX);
        Self {
            annotations: node
                .get("annotations")
                .into_iter()
                .flat_map(Node::entries)
                .map(|(key, value)| (key.to_owned(), value.as_str().unwrap_or_default().to_owned()))
                .collect(),
            trust: trusts.iter().find(|(key, _)| has(key)).map_or("", |(_, path)| path),
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
                no @ Verified::No(_) => no,
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
        let trust = self.trust;
        if self.is_remote || evidence.is_remote {
            Verified::Unknown(format!(
                "{path}{trust}: manifests that are kept in a registry are not supported"
            ))
        } else if evidence.has_message {
            Verified::Unknown(format!(
                "{path}{trust}: verifying the signature of a manifest is not supported"
            ))
        } else {
            Verified::No(format!(
                "{path}{trust}: YAML manifest not found for this resource: message not found"
            ))
        }
    }
}
