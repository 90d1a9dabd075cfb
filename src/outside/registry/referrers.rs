//! What refers to an image in its registry: Sigstore's bundles, and artifacts of any type.
//!
//! The registry lists referrers (distribution specification 1.1), or an index under the tag `sha256-…` does where it cannot. Of Sigstore's
//! bundles all are fetched, of artifacts the first of a type; each is one layer, as cosign and Kyverno want it.

use super::access::Repository;
use super::reference::Reference;
use super::{
    Asked, Descriptor, INDEX_TYPES, MANIFEST_TYPES, Manifest, Registries, RegistryError, attached_layer,
    parse, read,
};
use crate::document::Document;
use crate::limits;

/// What the media types of Sigstore's bundles begin with.
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle";

impl Registries<'_> {
    /// Sigstore's bundles that refer to a digest, in the shape of what is attached by tag.
    pub(super) async fn bundles(self, repository: &str, digest: &str) -> Result<Document, RegistryError> {
        let (repository, mut referrers) = self.referrers(repository, digest).await?;
        referrers.retain(|one| one.artifact_type.is_empty() || one.artifact_type.starts_with(BUNDLE));
        if referrers.len() > limits::ATTACHED_LAYERS_MAX {
            return Err(too_many(&repository, digest, referrers.len()));
        }
        let mut n_bytes_left = limits::ATTACHED_BYTES_MAX;
        let mut layers = Vec::new();
        for referrer in &referrers {
            let manifest = match self.artifact(&repository, &referrer.digest).await {
                Ok(manifest) => manifest,
                Err(failure @ RegistryError::Failed { is_transient: true, .. }) => return Err(failure),
                // What is no bundle is passed over.
                Err(_) => continue,
            };
            if let [layer] = manifest.layers.as_slice()
                && layer.media_type.starts_with(BUNDLE)
            {
                let payload = self.blob(&repository, &layer.digest, n_bytes_left).await?;
                n_bytes_left -= payload.len();
                layers.push(attached_layer(layer, &payload));
            }
        }
        match layers.as_slice() {
            [] => Err(RegistryError::Missing),
            layers => parse(serde_json::json!(layers).to_string().as_bytes()),
        }
    }

    /// The first artifact of a type that refers to a digest, in the shape of what is attached by tag.
    pub(super) async fn referrer(
        self,
        repository: &str,
        digest: &str,
        artifact_type: &str,
    ) -> Result<Document, RegistryError> {
        let (repository, referrers) = self.referrers(repository, digest).await?;
        if referrers.len() > limits::ATTACHED_LAYERS_MAX {
            return Err(too_many(&repository, digest, referrers.len()));
        }
        let is_wanted = |referrer: &&Descriptor| referrer.artifact_type == artifact_type;
        let referrer = referrers.iter().find(is_wanted).ok_or(RegistryError::Missing)?;
        let manifest = self.artifact(&repository, &referrer.digest).await?;
        let [layer] = manifest.layers.as_slice() else {
            let place = format!("{repository}@{}", referrer.digest);
            return Err(RegistryError::unusable(format!(
                "{place} has {} layers, not one",
                manifest.layers.len()
            )));
        };
        let payload = self.blob(&repository, &layer.digest, limits::ATTACHED_BYTES_MAX).await?;
        parse(serde_json::json!([attached_layer(layer, &payload)]).to_string().as_bytes())
    }

    /// What refers to a digest; nothing if the registry knows of nothing.
    async fn referrers(
        self,
        repository: &str,
        digest: &str,
    ) -> Result<(Repository, Vec<Descriptor>), RegistryError> {
        let reference =
            Reference::parse(&format!("{repository}@{digest}")).map_err(RegistryError::unusable)?;
        let repository = Repository::new(&reference.registry, &reference.repository);
        let path = format!("referrers/{digest}");
        let accepted = INDEX_TYPES.get(..1).unwrap_or_default();
        let asked = Asked { path: &path, accepted, n_bytes_max: limits::IMAGE_MANIFEST_BYTES_MAX };
        let listed = match self.access.get(self, &repository, &asked).await {
            Ok(body) => read(&body).ok().and_then(|index| index.manifests),
            Err(failure @ RegistryError::Failed { is_transient: true, .. }) => return Err(failure),
            Err(_) => None,
        };
        if let Some(listed) = listed {
            return Ok((repository, listed));
        }
        let tag = digest.replacen(':', "-", 1);
        match self.manifest(&repository, &tag, accepted).await {
            Ok(index) => Ok((repository, read(&index)?.manifests.unwrap_or_default())),
            Err(RegistryError::Missing) => Ok((repository, Vec::new())),
            Err(failure) => Err(failure),
        }
    }

    async fn artifact(self, repository: &Repository, digest: &str) -> Result<Manifest, RegistryError> {
        read(&self.manifest(repository, digest, &MANIFEST_TYPES).await?)
    }
}

fn too_many(repository: &Repository, digest: &str, n: usize) -> RegistryError {
    let max = limits::ATTACHED_LAYERS_MAX;
    RegistryError::unusable(format!("{repository}@{digest} has {n} referrers, more than {max}"))
}
