//! `verifyImages`: what a registry says of images, and what can be said without asking one.
//!
//! Upstream: `pkg/engine/handlers/validation/validate_image.go` and `pkg/engine/utils/image.go`. Where registries are asked, who signed an image
//! is verified (`signed.rs`). Without, an image without a digest fails where one is demanded, an image that the admission controller has noted as
//! verified in the object's annotation counts as such, and whether anything else is signed is an error, which names the setting.

mod attestors;
mod signed;

use std::collections::BTreeMap;

use crate::document::{Kind, Node};
use crate::gostd::wildcard::Wildcard;
use crate::model::Status;

use super::body::{Answer, Response};
use super::context::{Context, Failure};
use signed::{Demands, Judged};

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
    demands: Demands,
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
    pub(super) fn evaluate<'d>(&'d self, context: &Context<'d>) -> Answer {
        if context.is_delete() {
            return Ok(None);
        }
        let images = match context.images() {
            Err(message) => return Ok(Some(Response::error(message))),
            Ok(None) => return Ok(None),
            Ok(Some(images)) => images,
        };
        let noted = match noted(context.inputs().object()) {
            Ok(noted) => noted,
            Err(message) => return Ok(Some(Response::error(message))),
        };
        let mut found = Found::default();
        let mut is_pending = false;
        for verification in &self.0 {
            for image in images.0.values().flat_map(BTreeMap::values) {
                let reference = image.reference();
                if !verification.is_about(&reference) {
                    continue;
                }
                let judged = verification.demands.judge(image, context);
                found.n_images += 1;
                match judged {
                    Err(Failure::Pending) => is_pending = true,
                    Err(failure) => return Err(failure),
                    Ok(Judged::Response(response)) => found.take(response),
                    Ok(Judged::Nothing) => {
                        verification.judge(&reference, image.digest.is_empty(), &noted, &mut found);
                    }
                    Ok(Judged::Refused(why)) => {
                        verification.judge(&reference, image.digest.is_empty(), &noted, &mut found);
                        found.why = why;
                    }
                }
            }
        }
        if is_pending { Err(Failure::Pending) } else { Ok(found.response()) }
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
            demands: Demands::compile(node),
        }
    }

    fn is_about(&self, image: &str) -> bool {
        let matches = |patterns: &[Wildcard]| patterns.iter().any(|pattern| pattern.is_match(image));
        matches(&self.images) && !matches(&self.skipped)
    }

    fn judge(&self, image: &str, lacks_digest: bool, noted: &BTreeMap<String, Known>, found: &mut Found) {
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
    /// Why it is not asked.
    why: String,
    /// What registries, or the lack of something else, say of other images.
    errors: Vec<String>,
    verified: Vec<String>,
}

impl Found {
    fn fail(&mut self, failure: String) {
        if !self.failures.contains(&failure) {
            self.failures.push(failure);
        }
    }

    /// Takes what a registry says of one image.
    fn take(&mut self, response: Response) {
        match response.status {
            Status::Fail => self.fail(response.message),
            Status::Pass => self.verified.push(response.message),
            _ => self.errors.push(response.message),
        }
    }

    fn response(mut self) -> Option<Response> {
        let n_images = self.n_images;
        if n_images == 0 {
            return None;
        }
        if !self.failures.is_empty() {
            return Some(Response::new(Status::Fail, self.failures.join("; ")));
        }
        if !self.unknown.is_empty() {
            let (images, why) = (self.unknown.join(", "), &self.why);
            self.errors.push(format!("whether {images} is signed only the registry tells: {why}"));
        }
        if !self.errors.is_empty() {
            return Some(Response::error(self.errors.join("; ")));
        }
        if !self.verified.is_empty() {
            return Some(Response::new(Status::Pass, self.verified.join("; ")));
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
