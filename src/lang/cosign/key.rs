//! Public keys: of a PEM text or of a certificate, and what they have signed.
//!
//! ECDSA on P-256 and P-384, RSA with PKCS #1 v1.5 (2048 to 8192 bits), Ed25519, which is what cosign makes; error
//! texts are those of sigstore's `pkg/signature` and Go's crypto libraries.

use ring::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use rustls::pki_types::{CertificateDer, TrustAnchor, UnixTime};
use x509_parser::pem::Pem;
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::x509::SubjectPublicKeyInfo;

use super::Unverified;
use crate::limits;

const OID_EC: &str = "1.2.840.10045.2.1";
const OID_RSA: &str = "1.2.840.113549.1.1.1";
const OID_ED25519: &str = "1.3.101.112";
const OID_P256: &str = "1.2.840.10045.3.1.7";
const OID_P384: &str = "1.3.132.0.34";
/// `id-kp-codeSigning`, in DER without its head.
const CODE_SIGNING: &[u8] = &[43, 6, 1, 5, 5, 7, 3, 3];

/// The hash that is signed; Ed25519 has its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Hash {
    #[default]
    Sha256,
    Sha384,
    Sha512,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    P256,
    P384,
    Rsa,
    Ed25519,
}

/// A public key with the hash that it is used with.
#[derive(Clone, Debug)]
pub(crate) struct PublicKey {
    kind: Kind,
    hash: Hash,
    /// As `ring` wants it: a point, or RSA's two numbers.
    bytes: Vec<u8>,
    /// SubjectPublicKeyInfo.
    der: Vec<u8>,
}

impl Hash {
    /// The hash of `signatureAlgorithm`.
    pub(crate) fn of(word: &str) -> Result<Self, Unverified> {
        match word {
            "" | "sha256" => Ok(Self::Sha256),
            "sha384" => Ok(Self::Sha384),
            "sha512" => Ok(Self::Sha512),
            "sha224" => Err(Unverified::Unknown("signatures over sha224 are not supported".to_owned())),
            other => Err(Unverified::No(format!("invalid signature algorithm provided {other}"))),
        }
    }
}

impl PublicKey {
    /// The key of a PEM text.
    pub(crate) fn from_pem(text: &str, hash: Hash) -> Result<Self, Unverified> {
        let bad = |error: &str| {
            Unverified::No(format!("failed to load public key from PEM: pem to public key: {error}"))
        };
        let pem = Pem::iter_from_buffer(text.trim().as_bytes()).next();
        let Some(Ok(pem)) = pem else { return Err(bad("PEM decoding failed")) };
        if pem.label != "PUBLIC KEY" {
            return Err(bad(&format!(
                "unknown Public key PEM file type: {}. Are you passing the correct public key?",
                pem.label
            )));
        }
        let (rest, key) =
            SubjectPublicKeyInfo::from_der(&pem.contents).map_err(|error| bad(&error.to_string()))?;
        if !rest.is_empty() {
            return Err(bad("x509: trailing data after ASN.1 of public-key"));
        }
        Self::of(&key, hash)
    }

    /// The key of a certificate that the policy trusts: by itself, or because a chain leads to one of the last of it.
    pub(crate) fn from_certificate(text: &str, chain: &str) -> Result<Self, Unverified> {
        let certificates = |text: &str| -> Result<Vec<Vec<u8>>, String> {
            let text = match super::layer::decode(text) {
                Ok(decoded) => String::from_utf8(decoded).map_err(|error| error.to_string())?,
                Err(_) => text.to_owned(),
            };
            let all: Result<Vec<_>, _> = Pem::iter_from_buffer(text.trim().as_bytes())
                .take(limits::CERTIFICATES_MAX + 1)
                .map(|pem| pem.map(|pem| pem.contents).map_err(|error| error.to_string()))
                .collect();
            match all? {
                all if all.is_empty() => Err("no certs found in pem file".to_owned()),
                all if all.len() > limits::CERTIFICATES_MAX => Err(format!(
                    "certificate chain too long, maximum allowed is {}",
                    limits::CERTIFICATES_MAX
                )),
                all => Ok(all),
            }
        };
        let certificate = certificates(text)
            .map_err(|error| Unverified::No(format!("failed to load certificate from {text}: {error}")))?;
        let der = certificate.first().map(Vec::as_slice).unwrap_or_default();
        let (_, parsed) = X509Certificate::from_der(der)
            .map_err(|error| Unverified::No(format!("failed to load certificate from {text}: {error}")))?;
        if !chain.trim().is_empty() {
            let chain = certificates(chain)
                .map_err(|error| Unverified::No(format!("failed to load certificate chain: {error}")))?;
            // The reference asks whether the chain held when the certificate began to.
            let begin = u64::try_from(parsed.validity().not_before.timestamp()).unwrap_or_default();
            is_vouched_for(der, &chain, begin).map_err(|error| {
                Unverified::No(format!("failed to load validate certificate chain: {error}"))
            })?;
        }
        Self::of(parsed.public_key(), Hash::Sha256)
    }

    fn of(info: &SubjectPublicKeyInfo<'_>, hash: Hash) -> Result<Self, Unverified> {
        let algorithm = info.algorithm.algorithm.to_id_string();
        let curve = info.algorithm.parameters.as_ref().and_then(|curve| curve.as_oid().ok());
        let curve = curve.map(|curve| curve.to_id_string()).unwrap_or_default();
        let kind = match (algorithm.as_str(), curve.as_str()) {
            (OID_EC, OID_P256) => Kind::P256,
            (OID_EC, OID_P384) => Kind::P384,
            (OID_RSA, _) => Kind::Rsa,
            (OID_ED25519, _) => Kind::Ed25519,
            _ => {
                let name = if curve.is_empty() { algorithm } else { format!("{algorithm} on {curve}") };
                return Err(Unverified::Unknown(format!(
                    "public keys of the algorithm {name} are not supported"
                )));
            }
        };
        if hash == Hash::Sha512 && matches!(kind, Kind::P256 | Kind::P384) {
            return Err(Unverified::Unknown("signatures by ECDSA over sha512 are not supported".to_owned()));
        }
        Ok(Self { kind, hash, bytes: info.subject_public_key.data.to_vec(), der: info.raw.to_vec() })
    }

    /// The same key, which signs over SHA-256 whatever the policy says of others.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.der == other.der
    }

    /// SubjectPublicKeyInfo in DER.
    pub(super) fn der(&self) -> &[u8] {
        &self.der
    }

    /// Whether the key has signed a message.
    ///
    /// # Errors
    /// If not.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), String> {
        let algorithm: &'static dyn VerificationAlgorithm = match (self.kind, self.hash) {
            (Kind::P256, Hash::Sha256) => &signature::ECDSA_P256_SHA256_ASN1,
            (Kind::P256, _) => &signature::ECDSA_P256_SHA384_ASN1,
            (Kind::P384, Hash::Sha256) => &signature::ECDSA_P384_SHA256_ASN1,
            (Kind::P384, _) => &signature::ECDSA_P384_SHA384_ASN1,
            (Kind::Rsa, Hash::Sha256) => &signature::RSA_PKCS1_2048_8192_SHA256,
            (Kind::Rsa, Hash::Sha384) => &signature::RSA_PKCS1_2048_8192_SHA384,
            (Kind::Rsa, Hash::Sha512) => &signature::RSA_PKCS1_2048_8192_SHA512,
            (Kind::Ed25519, _) => &signature::ED25519,
        };
        UnparsedPublicKey::new(algorithm, &self.bytes).verify(message, signature).map_err(|_| {
            match self.kind {
                Kind::P256 | Kind::P384 => "invalid signature when validating ASN.1 encoded signature",
                Kind::Rsa => "crypto/rsa: verification error",
                Kind::Ed25519 => "failed to verify signature",
            }
            .to_owned()
        })
    }
}

/// Whether a chain (intermediates, and the root last) leads from a root to a certificate for code signing.
fn is_vouched_for(certificate: &[u8], chain: &[Vec<u8>], at_s: u64) -> Result<(), String> {
    let Some((root, between)) = chain.split_last() else { return Err("no certificates".to_owned()) };
    let told = |error: webpki::Error| format!("x509: {error}");
    let root = CertificateDer::from(root.as_slice());
    let anchor: TrustAnchor<'_> = webpki::anchor_from_trusted_cert(&root).map_err(told)?;
    let between: Vec<CertificateDer<'_>> =
        between.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
    let certificate = CertificateDer::from(certificate);
    let certificate = webpki::EndEntityCert::try_from(&certificate).map_err(told)?;
    certificate
        .verify_for_usage(
            webpki::ALL_VERIFICATION_ALGS,
            &[anchor],
            &between,
            UnixTime::since_unix_epoch(std::time::Duration::from_secs(at_s)),
            webpki::KeyUsage::required(CODE_SIGNING),
            None,
            None,
        )
        .map(|_| ())
        .map_err(told)
}
