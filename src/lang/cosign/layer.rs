//! One signature or attestation as a registry keeps it: a layer with its bytes and annotations.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::document::Node;

const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
const BUNDLE: &str = "dev.sigstore.cosign/bundle";

/// A layer of what is attached to an image.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    pub(super) payload: Vec<u8>,
    digest: String,
    pub(super) annotations: BTreeMap<String, String>,
}

impl Layer {
    /// Its bytes.
    pub(crate) fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The layers of the fact; what cannot be read has no bytes, and so no signature.
    pub(crate) fn all(attached: Node<'_>) -> Vec<Self> {
        let text =
            |node: Node<'_>, key: &str| node.get(key).and_then(Node::as_str).unwrap_or_default().to_owned();
        let layer = |node: Node<'_>| Self {
            payload: decode(&text(node, "payload")).unwrap_or_default(),
            digest: text(node, "digest"),
            annotations: node
                .get("annotations")
                .into_iter()
                .flat_map(Node::entries)
                .filter_map(|(key, value)| Some((key.to_owned(), value.as_str()?.to_owned())))
                .collect(),
        };
        attached.items().map(layer).collect()
    }

    /// The signature over the payload.
    pub(super) fn signature(&self) -> Result<Vec<u8>, String> {
        let text = self.encoded_signature();
        if text.is_empty() {
            return Err(format!("signature layer {} is missing {SIGNATURE:?} annotation", self.digest));
        }
        decode(text)
    }

    /// The same as it is written.
    pub(super) fn encoded_signature(&self) -> &str {
        self.annotations.get(SIGNATURE).map_or("", String::as_str)
    }

    /// Rekor's bundle, as it is written.
    pub(super) fn bundle(&self) -> Option<&str> {
        self.annotations.get(BUNDLE).map(String::as_str).filter(|bundle| !bundle.is_empty())
    }
}

pub(super) fn decode(text: &str) -> Result<Vec<u8>, String> {
    STANDARD.decode(text.trim()).map_err(|_| "illegal base64 data".to_owned())
}
