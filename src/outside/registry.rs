//! Image registries: what an image is, and what cosign has attached to it.
//!
//! The protocol is the OCI distribution specification's pull side, in as much as it takes to read manifests,
//! configurations and small blobs; layers are never fetched. What is addressed by a digest is checked against it.
//! The shape of an image's data is that of Kyverno's `pkg/engine/context/loaders/imagedata.go`.

mod access;
mod cache;
mod challenge;
mod reference;
mod referrers;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use sha2::{Digest, Sha256};

pub(super) use access::RegistryAccess;
pub(super) use cache::RegistryCache;

use super::http::HttpClient;
use super::settings::RegistrySettings;
use crate::document::{Document, DocumentBuilder};
use crate::limits;
use crate::model::FactValue;
use access::{Asked, Repository};
use reference::Reference;

const INDEX_TYPES: [&str; 2] =
    ["application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"];
const MANIFEST_TYPES: [&str; 2] =
    ["application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"];

/// Of an index, the image for this platform: go-containerregistry's default, which Kyverno leaves as it is.
const PLATFORM: (&str, &str) = ("linux", "amd64");

/// Why a registry gave nothing.
#[derive(Clone, Debug)]
pub(super) enum RegistryError {
    /// It says that there is no such thing.
    Missing,
    /// It could not be asked, or its answer cannot be used.
    Failed { message: String, is_transient: bool },
}

impl RegistryError {
    fn unusable(message: impl Into<String>) -> Self {
        Self::Failed { message: message.into(), is_transient: false }
    }
}

impl From<RegistryError> for FactValue {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::Missing => Self::Missing,
            RegistryError::Failed { message, is_transient } => Self::Failed { message, is_transient },
        }
    }
}

/// One registry's door for the questions of one scan.
#[derive(Clone, Copy)]
pub(super) struct Registries<'o> {
    pub(super) client: &'o HttpClient,
    pub(super) access: &'o RegistryAccess,
    pub(super) settings: &'o RegistrySettings,
}

/// The parts of an index or a manifest that are looked into.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Manifest {
    manifests: Option<Vec<Descriptor>>,
    config: Descriptor,
    layers: Vec<Descriptor>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: String,
    artifact_type: String,
    platform: Option<Platform>,
    annotations: Option<serde_json::Map<String, serde_json::Value>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Platform {
    os: String,
    architecture: String,
}

impl Registries<'_> {
    /// The data of an image, as `imageRegistry` context entries see it.
    pub(super) async fn image(self, image: &str) -> Result<Document, RegistryError> {
        let reference = Reference::parse(image).map_err(RegistryError::unusable)?;
        let repository = Repository::new(&reference.registry, &reference.repository);
        let accepted = [INDEX_TYPES, MANIFEST_TYPES].concat();
        let top = self.manifest(&repository, &reference.identifier, &accepted).await?;
        let digest = digest_of(&top);
        let parsed = read(&top)?;
        let (list, manifest) = match parsed.manifests {
            None => (None, top),
            Some(of_platforms) => {
                let is_wanted = |descriptor: &&Descriptor| {
                    descriptor.platform.as_ref().is_none_or(|platform| {
                        (platform.os.as_str(), platform.architecture.as_str()) == PLATFORM
                    })
                };
                let chosen = of_platforms.iter().find(is_wanted).ok_or_else(|| {
                    let (os, architecture) = PLATFORM;
                    RegistryError::unusable(format!(
                        "no child with platform {os}/{architecture} in index {image}"
                    ))
                })?;
                let manifest = self.manifest(&repository, &chosen.digest, &MANIFEST_TYPES).await?;
                (Some(top), manifest)
            }
        };
        let config = read(&manifest)?.config.digest;
        let config = self.blob(&repository, &config, limits::IMAGE_CONFIG_BYTES_MAX).await?;
        let mut builder = DocumentBuilder::new();
        builder.open_object();
        let resolved = format!("{}@{digest}", reference.name());
        for (key, text) in [
            ("image", image),
            ("resolvedImage", &resolved),
            ("registry", &reference.registry),
            ("repository", &reference.repository),
            ("identifier", &reference.identifier),
        ] {
            builder.key(key);
            builder.string(text);
        }
        for (key, json) in
            [("manifestList", list), ("manifest", Some(manifest)), ("configData", Some(config))]
        {
            builder.key(key);
            match json {
                None => builder.null(),
                Some(json) => builder.node(parse(&json)?.root()),
            }
        }
        builder.close();
        Ok(builder.finish())
    }

    /// The digest that an image's reference stands for now, as a document that is a text. Of an index it is the
    /// index's, as with cosign.
    pub(super) async fn digest(self, image: &str) -> Result<Document, RegistryError> {
        let reference = Reference::parse(image).map_err(RegistryError::unusable)?;
        let digest = if reference.is_digest() {
            reference.identifier
        } else {
            let repository = Repository::new(&reference.registry, &reference.repository);
            let accepted = [INDEX_TYPES, MANIFEST_TYPES].concat();
            match self.head(&repository, &reference.identifier, &accepted).await? {
                Some(digest) => digest,
                None => digest_of(&self.manifest(&repository, &reference.identifier, &accepted).await?),
            }
        };
        let mut builder = DocumentBuilder::new();
        builder.string(&digest);
        Ok(builder.finish())
    }

    /// What is attached to a digest: layers, each with `mediaType`, `digest`, `annotations` and its bytes as base64 in `payload`. They are
    /// those of the manifest under cosign's tag `sha256-….SUFFIX`, or of what refers to the digest, as [`crate::model::FactKey`] tells it.
    pub(super) async fn attached(
        self,
        repository: &str,
        digest: &str,
        suffix: &str,
    ) -> Result<Document, RegistryError> {
        match suffix.split_once(' ') {
            Some(("referrer", artifact_type)) => self.referrer(repository, digest, artifact_type).await,
            Some((suffix, prefix)) => self.tagged(repository, digest, suffix, prefix).await,
            None if suffix == "bundles" => self.bundles(repository, digest).await,
            None => self.tagged(repository, digest, suffix, "").await,
        }
    }

    async fn tagged(
        self,
        repository: &str,
        digest: &str,
        suffix: &str,
        prefix: &str,
    ) -> Result<Document, RegistryError> {
        let tag = format!("{prefix}{}.{suffix}", digest.replacen(':', "-", 1));
        let reference = Reference::parse(&format!("{repository}:{tag}")).map_err(RegistryError::unusable)?;
        let repository = Repository::new(&reference.registry, &reference.repository);
        let manifest = read(&self.manifest(&repository, &reference.identifier, &MANIFEST_TYPES).await?)?;
        if manifest.layers.len() > limits::ATTACHED_LAYERS_MAX {
            let (n, max) = (manifest.layers.len(), limits::ATTACHED_LAYERS_MAX);
            return Err(RegistryError::unusable(format!(
                "{repository}:{tag} has {n} layers, more than {max}"
            )));
        }
        let mut n_bytes_left = limits::ATTACHED_BYTES_MAX;
        let mut layers = Vec::new();
        for layer in &manifest.layers {
            let payload = self.blob(&repository, &layer.digest, n_bytes_left).await?;
            n_bytes_left -= payload.len();
            layers.push(attached_layer(layer, &payload));
        }
        parse(serde_json::Value::Array(layers).to_string().as_bytes())
    }

    /// A manifest by tag or digest.
    async fn manifest(
        self,
        repository: &Repository,
        identifier: &str,
        accepted: &[&str],
    ) -> Result<Bytes, RegistryError> {
        let path = format!("manifests/{identifier}");
        let asked = Asked { path: &path, accepted, n_bytes_max: limits::IMAGE_MANIFEST_BYTES_MAX };
        let body = self.access.get(self, repository, &asked).await?;
        checked(&format!("{repository}/{path}"), identifier, body)
    }

    /// What the registry says that a tag's digest is, without sending the manifest.
    async fn head(
        self,
        repository: &Repository,
        identifier: &str,
        accepted: &[&str],
    ) -> Result<Option<String>, RegistryError> {
        let path = format!("manifests/{identifier}");
        let asked = Asked { path: &path, accepted, n_bytes_max: limits::IMAGE_MANIFEST_BYTES_MAX };
        Ok(self.access.head(self, repository, &asked).await?.filter(|digest| reference::is_sha256(digest)))
    }

    async fn blob(
        self,
        repository: &Repository,
        digest: &str,
        n_bytes_max: usize,
    ) -> Result<Bytes, RegistryError> {
        if !reference::is_sha256(digest) {
            return Err(RegistryError::unusable(format!("`{digest}` in {repository} is no sha256 digest")));
        }
        let path = format!("blobs/{digest}");
        let asked = Asked { path: &path, accepted: &[], n_bytes_max };
        let body = self.access.get(self, repository, &asked).await?;
        checked(&format!("{repository}/{path}"), digest, body)
    }
}

/// A layer with its bytes.
fn attached_layer(layer: &Descriptor, payload: &[u8]) -> serde_json::Value {
    serde_json::json!({
        "mediaType": layer.media_type,
        "digest": layer.digest,
        "annotations": layer.annotations,
        "payload": STANDARD.encode(payload),
    })
}

/// The bytes, if they are what a digest says; a tag says nothing.
fn checked(place: &str, identifier: &str, body: Bytes) -> Result<Bytes, RegistryError> {
    if reference::is_sha256(identifier) && digest_of(&body) != identifier {
        return Err(RegistryError::unusable(format!("{place}: the content has another digest")));
    }
    Ok(body)
}

fn digest_of(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::from("sha256:");
    for byte in Sha256::digest(bytes) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn read(json: &[u8]) -> Result<Manifest, RegistryError> {
    serde_json::from_slice(json)
        .map_err(|error| RegistryError::unusable(format!("failed to decode manifest: {error}")))
}

fn parse(json: &[u8]) -> Result<Document, RegistryError> {
    Document::from_json(json)
        .map_err(|error| RegistryError::unusable(format!("failed to decode JSON: {error}")))
}
