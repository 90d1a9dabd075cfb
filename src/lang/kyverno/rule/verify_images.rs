//! `verifyImages`: what can be said of images without asking their registry.
//!
//! Upstream: `pkg/engine/handlers/validation/validate_image.go` and `pkg/engine/utils/image.go`. An image without a digest fails where one is
//! demanded; an image that the admission controller has noted as verified in the object's annotation counts as such. Whether anything else is
//! signed only its registry tells, which is not asked: that is an error, which names the setting.

use std::collections::BTreeMap;

use crate::document::{Kind, Node};
use crate::gostd::wildcard::Wildcard;
use crate::model::Status;

use super::body::Response;
use super::context::Context;

/// Where the admission controller notes what it has verified.
const ANNOTATION: &str = "kyverno.io/verify-images";

/// A compiled `verifyImages`.
#[derive(Debug)]
pub(super) struct VerifyImages(Vec<Verification>);

#[derive(Debug)]
struct Verification {
    images: Vec<Wildcard>,
    skipped: Vec<Wildcard>,
    demands_digest: bool,
    is_required: bool,
    /// Whether signatures or attestations are asked for.
    has_attestors: bool,
}

/// What is known of one image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Verified,
    Skipped,
    Refused,
    Nothing,
}

impl VerifyImages {
    pub(super) fn compile(list: Node<'_>) -> Self {
        Self(list.items().map(Verification::compile).collect())
    }

    /// Judges the images; no outcome if none is meant.
    pub(super) fn evaluate(&self, context: &Context<'_>) -> Option<Response> {
        if context.is_delete() {
            return None;
        }
        let images = match context.images() {
            Err(message) => return Some(Response::error(message)),
            Ok(None) => return None,
            Ok(Some(images)) => images,
        };
        let references: Vec<(String, bool)> = images
            .0
            .values()
            .flat_map(BTreeMap::values)
            .map(|image| (image.reference(), image.digest.is_empty()))
            .collect();
        let noted = match noted(context.inputs().object()) {
            Ok(noted) => noted,
            Err(message) => return Some(Response::error(message)),
        };
        let mut found = Found::default();
        for verification in &self.0 {
            for (image, lacks_digest) in &references {
                if verification.is_about(image) {
                    verification.judge(image, *lacks_digest, &noted, &mut found);
                }
            }
        }
        found.response()
    }
}

impl Verification {
    fn compile(node: Node<'_>) -> Self {
        let patterns = |key: &str| -> Vec<Wildcard> {
            node.get(key)
                .into_iter()
                .flat_map(Node::items)
                .filter_map(Node::as_str)
                .map(Wildcard::new)
                .collect()
        };
        let mut images = patterns("imageReferences");
        images.extend(node.get("image").and_then(Node::as_str).filter(|i| !i.is_empty()).map(Wildcard::new));
        let is_on = |key: &str| node.get(key).and_then(Node::as_bool).unwrap_or(true);
        let has = |key: &str| node.get(key).is_some_and(|part| !part.is_empty() && part.kind() != Kind::Null);
        let attestors = ["attestors", "attestations", "key", "issuer", "subject", "roots"];
        Self {
            images,
            skipped: patterns("skipImageReferences"),
            demands_digest: is_on("verifyDigest"),
            is_required: is_on("required"),
            has_attestors: attestors
                .iter()
                .any(|key| has(key) || node.get(key).and_then(Node::as_str).is_some_and(|t| !t.is_empty())),
        }
    }

    fn is_about(&self, image: &str) -> bool {
        let matches = |patterns: &[Wildcard]| patterns.iter().any(|pattern| pattern.is_match(image));
        matches(&self.images) && !matches(&self.skipped)
    }

    fn judge(&self, image: &str, lacks_digest: bool, noted: &BTreeMap<String, Known>, found: &mut Found) {
        found.n_images += 1;
        if self.demands_digest && lacks_digest {
            return found.fail(format!("missing digest for {image}"));
        }
        let known = if self.is_required { noted.get(image).copied() } else { None };
        match known.unwrap_or(Known::Nothing) {
            Known::Skipped => found.skipped.push(image.to_owned()),
            Known::Refused => found.fail(format!("unverified image {image}")),
            Known::Nothing if self.has_attestors => found.unknown.push(image.to_owned()),
            Known::Verified | Known::Nothing => {}
        }
    }
}

/// What the object's annotation says of its images.
fn noted(object: Node<'_>) -> Result<BTreeMap<String, Known>, String> {
    let Some(text) = object.path(&["metadata", "annotations", ANNOTATION]).and_then(Node::as_str) else {
        return Ok(BTreeMap::new());
    };
    let parsed: BTreeMap<String, serde_json::Value> = serde_json::from_str(text)
        .map_err(|error| format!("failed to parse image metadata: annotation `{ANNOTATION}`: {error}"))?;
    let known = |value: &serde_json::Value| match (value.as_str(), value.as_bool()) {
        (Some("pass"), _) | (_, Some(true)) => Known::Verified,
        (Some("skip"), _) => Known::Skipped,
        _ => Known::Refused,
    };
    Ok(parsed.iter().map(|(image, value)| (image.clone(), known(value))).collect())
}

#[derive(Debug, Default)]
struct Found {
    n_images: usize,
    failures: Vec<String>,
    skipped: Vec<String>,
    /// Images of which only the registry could tell.
    unknown: Vec<String>,
}

impl Found {
    fn fail(&mut self, failure: String) {
        if !self.failures.contains(&failure) {
            self.failures.push(failure);
        }
    }

    fn response(self) -> Option<Response> {
        let n_images = self.n_images;
        if n_images == 0 {
            return None;
        }
        if !self.failures.is_empty() {
            return Some(Response::new(Status::Fail, self.failures.join("; ")));
        }
        if !self.unknown.is_empty() {
            let images = self.unknown.join(", ");
            return Some(Response::error(format!(
                "whether {images} is signed only the registry tells, which `images.registry` does not allow to ask"
            )));
        }
        let skipped = self.skipped.join(" ");
        Some(match self.skipped.len() {
            0 => Response::new(Status::Pass, "image verified"),
            n if n < n_images => {
                Response::new(Status::Pass, format!("image verified, skipped images: {skipped}"))
            }
            _ => Response::new(Status::Skip, format!("image skipped, skipped images: {skipped}")),
        })
    }
}
