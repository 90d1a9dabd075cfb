//! Whom an attestor trusts, and whether one of them signed.
//!
//! Signatures are over SHA-256, as cosign makes them: ECDSA in ASN.1, RSA PKCS #1 v1.5, or Ed25519 over the message itself. No transparency log is
//! asked, and no key is fetched from anywhere.

use ring::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use x509_parser::pem::Pem;
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::document::Node;

/// Whom one attestor trusts.
#[derive(Debug)]
pub(super) enum Trust {
    /// The owner of a key.
    Key(Result<Key, String>),
    /// Somebody who cannot be found out here, and why.
    Unsupported(String),
}

/// A public key that signatures are verified with.
#[derive(Debug)]
pub(super) struct Key {
    algorithm: &'static dyn VerificationAlgorithm,
    bytes: Vec<u8>,
    /// What is said of a signature that is not by its owner.
    refusal: &'static str,
}

impl Trust {
    /// The trust in the keys of an attestor: one PEM text, or a reference that would have to be followed.
    pub(super) fn of_keys(keys: Node<'_>) -> Self {
        let text = |key: &str| keys.get(key).and_then(Node::as_str).unwrap_or_default().trim();
        let key = text("publicKeys");
        if key.starts_with("-----BEGIN PUBLIC KEY-----") {
            return Self::Key(Key::of_pem(key));
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
        Self::Key(certified_key(certificate, text("certChain")))
    }
}

impl Key {
    pub(super) fn of_pem(text: &str) -> Result<Self, String> {
        let pem = Pem::iter_from_buffer(text.as_bytes()).next().and_then(Result::ok);
        let pem = pem.ok_or("failed to load public key: PEM decoding failed")?;
        let (_, info) = SubjectPublicKeyInfo::from_der(&pem.contents)
            .map_err(|_| "failed to load public key: it is no public key in PKIX form")?;
        Self::of_info(&info)
    }

    fn of_info(info: &SubjectPublicKeyInfo<'_>) -> Result<Self, String> {
        const ASN1: &str = "invalid signature when validating ASN.1 encoded signature";
        let parameter = info.algorithm.parameters.as_ref().and_then(|any| any.as_oid().ok());
        let parameter = parameter.map(|oid| oid.to_id_string()).unwrap_or_default();
        let algorithm = info.algorithm.algorithm.to_id_string();
        let (algorithm, refusal): (&'static dyn VerificationAlgorithm, &'static str) =
            match (algorithm.as_str(), parameter.as_str()) {
                ("1.2.840.10045.2.1", "1.2.840.10045.3.1.7") => (&signature::ECDSA_P256_SHA256_ASN1, ASN1),
                ("1.2.840.10045.2.1", "1.3.132.0.34") => (&signature::ECDSA_P384_SHA256_ASN1, ASN1),
                ("1.2.840.113549.1.1.1", _) => {
                    (&signature::RSA_PKCS1_2048_8192_SHA256, "crypto/rsa: verification error")
                }
                ("1.3.101.112", _) => (&signature::ED25519, "failed to verify signature"),
                (algorithm, _) => return Err(format!("keys of the kind {algorithm} are not supported")),
            };
        Ok(Self { algorithm, bytes: info.subject_public_key.data.to_vec(), refusal })
    }

    /// Why a signature over a message is not by the key's owner, if it is not.
    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), &'static str> {
        let key = UnparsedPublicKey::new(self.algorithm, &self.bytes);
        key.verify(message, signature).map_err(|_| self.refusal)
    }
}

/// The key of a certificate. With a chain, each certificate must be signed by the next one, up to the last, which is trusted.
///
/// WHY: whether the certificate was valid when it signed only a transparency log could tell; the reference does not compare times either.
fn certified_key(certificate: &str, chain: &str) -> Result<Key, String> {
    let pems = |text: &str| -> Result<Vec<Pem>, String> {
        let read = Pem::iter_from_buffer(text.as_bytes()).collect::<Result<Vec<_>, _>>();
        read.map_err(|_| "failed to load certificate: PEM decoding failed".to_owned())
    };
    let mut pems_of_all = pems(certificate)?;
    pems_of_all.truncate(1);
    pems_of_all.extend(pems(chain)?);
    let parsed = pems_of_all.iter().map(|pem| X509Certificate::from_der(&pem.contents).map(|(_, own)| own));
    let parsed: Vec<X509Certificate<'_>> = parsed
        .collect::<Result<_, _>>()
        .map_err(|_| "failed to load certificate: x509: malformed certificate")?;
    let leaf = parsed.first().ok_or("failed to load certificate: there is none")?;
    for (own, issuer) in parsed.iter().zip(parsed.iter().skip(1)) {
        let is_issued = issuer.is_ca()
            && own.issuer() == issuer.subject()
            && own.verify_signature(Some(issuer.public_key())).is_ok();
        if !is_issued {
            return Err("x509: certificate signed by unknown authority".to_owned());
        }
    }
    Key::of_info(leaf.public_key())
}
