//! Whom an attestor trusts: the owner of a key or certificate that the policy gives. Nothing is fetched, and no transparency log is asked.

use crate::document::Node;
use crate::lang::cosign::{Hash, PublicKey, Unverified};

/// Whom one attestor trusts.
#[derive(Debug)]
pub(super) enum Trust {
    /// The owner of a key; why it cannot be used, if it cannot.
    Key(Result<PublicKey, String>),
    /// Somebody who cannot be found out here, and why.
    Unsupported(String),
}

impl Trust {
    /// The trust in the owner of a key, as PEM.
    pub(super) fn of_key(pem: &str) -> Self {
        Self::Key(PublicKey::from_pem(pem, Hash::Sha256).map_err(reason))
    }

    /// The trust in the key of an attestor: as PEM, or by a reference that would have to be followed.
    pub(super) fn of_keys(keys: Node<'_>) -> Self {
        let text = |key: &str| keys.get(key).and_then(Node::as_str).unwrap_or_default().trim();
        let key = text("publicKeys");
        if key.starts_with("-----BEGIN PUBLIC KEY-----") {
            return Self::of_key(key);
        }
        let missing = if key.starts_with("-----BEGIN PGP PUBLIC KEY BLOCK-----") {
            "PGP keys are not supported".to_owned()
        } else if key.starts_with("-----BEGIN ") {
            "this kind of key is not supported".to_owned()
        } else if !key.is_empty() {
            format!("the key `{key}` would have to be fetched, which is not supported")
        } else if !text("kms").is_empty() {
            format!("the key `{}` is in a key management service, which is not supported", text("kms"))
        } else if keys.get("secret").is_some_and(|secret| !secret.is_null()) {
            "keys in a Secret are not supported".to_owned()
        } else {
            "there is no key".to_owned()
        };
        Self::Unsupported(missing)
    }

    /// The trust in a certificate, and in who is at the end of its chain.
    pub(super) fn of_certificates(certificates: Node<'_>) -> Self {
        let text = |key: &str| certificates.get(key).and_then(Node::as_str).unwrap_or_default();
        let certificate = text("cert");
        if certificate.is_empty() {
            return Self::Unsupported("a chain without a certificate is not supported".to_owned());
        }
        Self::Key(PublicKey::from_certificate(certificate, text("certChain")).map_err(reason))
    }
}

fn reason(unverified: Unverified) -> String {
    let (Unverified::No(reason) | Unverified::Unknown(reason)) = unverified;
    reason
}
