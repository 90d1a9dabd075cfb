//! The message of a signed object: which manifests stand in it.

use base64::Engine as _;

use crate::document::{Document, Node};
use crate::gostd::archive;
use crate::limits;

/// What was signed.
#[derive(Debug)]
pub(super) struct Message {
    /// The bytes that the signatures are over.
    pub(super) signed: Vec<u8>,
}

impl Message {
    /// Reads an annotation: base64 over gzip.
    pub(super) fn read(annotation: &str) -> Result<Self, String> {
        let packed = base64::engine::general_purpose::STANDARD
            .decode(annotation.trim())
            .map_err(|error| format!("failed to decode base64 message in the annotation: {error}"))?;
        let signed = archive::gunzip(&packed, limits::SIGNED_MANIFEST_BYTES_MAX).unwrap_or_default();
        Ok(Self { signed })
    }

    /// The manifest that an object was made from: that of its group, kind and name, and of its namespace if there are several.
    pub(super) fn manifest_of(&self, object: Node<'_>) -> Result<Option<Document>, String> {
        let candidates = self.manifests()?;
        let of_same_name: Vec<Document> = candidates
            .into_iter()
            .filter(|manifest| identity(manifest.root(), NAME) == identity(object, NAME))
            .collect();
        let namespace = identity(object, NAMESPACE);
        let at = of_same_name.iter().position(|own| identity(own.root(), NAMESPACE) == namespace);
        Ok(of_same_name.into_iter().nth(at.unwrap_or_default()))
    }

    /// The manifests, as they stand or in an archive.
    fn manifests(&self) -> Result<Vec<Document>, String> {
        let plain = documents(&self.signed);
        if !plain.is_empty() {
            return Ok(plain);
        }
        let is_yaml = |name: &str| [".yaml", ".yml"].iter().any(|end| name.ends_with(end));
        let archive = archive::gunzip(&self.signed, limits::SIGNED_MANIFEST_BYTES_MAX);
        let files = archive.as_deref().and_then(|archive| archive::untar(archive, is_yaml));
        let files = files.ok_or("failed to read YAMLs in the gzipped message")?;
        Ok(files.into_iter().flat_map(documents).collect())
    }
}

const NAME: &[&str] = &["metadata", "name"];
const NAMESPACE: &[&str] = &["metadata", "namespace"];

/// Group, kind, and a field of a manifest.
fn identity<'d>(manifest: Node<'d>, field: &[&str]) -> [&'d str; 3] {
    let text = |path: &[&str]| manifest.path(path).and_then(Node::as_str).unwrap_or_default();
    let group = text(&["apiVersion"]).split_once('/').map_or("", |(group, _)| group);
    [group, text(&["kind"]), text(field)]
}

/// The objects of a YAML text, up to the first document that is none.
fn documents(text: &[u8]) -> Vec<Document> {
    let Ok(text) = std::str::from_utf8(text) else { return Vec::new() };
    let parts = text.split("\n---").map(|part| part.strip_prefix("---").unwrap_or(part));
    let parts = parts.filter(|part| !part.trim().is_empty()).take(limits::MANIFEST_SIGNATURES_MAX);
    parts.map_while(document).collect()
}

fn document(text: &str) -> Option<Document> {
    let options = serde_saphyr::options! {
        duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::LastWins,
        legacy_octal_numbers: true,
        with_snippet: false,
    };
    let read = serde_saphyr::with_deserializer_from_str_with_options(text, options, |deserializer| {
        Document::from_deserializer(deserializer, text.len())
    });
    read.ok().filter(|document| document.root().get("kind").is_some())
}
