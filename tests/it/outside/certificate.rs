//! Keys and X.509 certificates made by the test: the least of DER that a verifier asks for.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};

const OID_COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const OID_EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const OID_P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const OID_ECDSA_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
const OID_BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
const OID_SUBJECT_NAMES: &[u8] = &[0x55, 0x1d, 0x11];
const OID_EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x25];
const OID_CODE_SIGNING: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x03];

/// A key on P-256 that signs with SHA-256.
pub(crate) struct Key {
    pub(super) pkcs8: Vec<u8>,
    pair: EcdsaKeyPair,
}

impl Key {
    pub(crate) fn new() -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).expect("a key");
        let pkcs8 = pkcs8.as_ref().to_vec();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &pkcs8, &random).expect("a key");
        Self { pkcs8, pair }
    }

    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(&SystemRandom::new(), message).expect("a signature").as_ref().to_vec()
    }

    /// SubjectPublicKeyInfo.
    pub(super) fn spki(&self) -> Vec<u8> {
        ec_spki(OID_P256, self.pair.public_key().as_ref())
    }
}

/// SubjectPublicKeyInfo of a point on a curve.
pub(super) fn ec_spki(curve: &[u8], point: &[u8]) -> Vec<u8> {
    sequence(&[sequence(&[oid(OID_EC_PUBLIC_KEY), oid(curve)]), bits(point)])
}

pub(super) fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// Who a certificate is for.
pub(super) enum Holder {
    Authority,
    /// A server at 127.0.0.1.
    Loopback,
    /// Whoever signs code.
    CodeSigner,
}

/// A certificate that holds from 2020 to 2099.
pub(super) fn certificate(
    subject: &str,
    holder: &Holder,
    key: &Key,
    issuer: &str,
    issuer_key: &Key,
) -> Vec<u8> {
    let algorithm = sequence(&[oid(OID_ECDSA_SHA256)]);
    let time = |text: &str| der(0x18, text.as_bytes());
    let extension = match holder {
        Holder::Authority => {
            let constraints = sequence(&[der(0x01, &[0xff])]);
            sequence(&[oid(OID_BASIC_CONSTRAINTS), der(0x01, &[0xff]), der(0x04, &constraints)])
        }
        Holder::Loopback => {
            let names = sequence(&[der(0x87, &[127, 0, 0, 1])]);
            sequence(&[oid(OID_SUBJECT_NAMES), der(0x04, &names)])
        }
        Holder::CodeSigner => {
            let purposes = sequence(&[oid(OID_CODE_SIGNING)]);
            sequence(&[oid(OID_EXTENDED_KEY_USAGE), der(0x04, &purposes)])
        }
    };
    let body = sequence(&[
        der(0xa0, &der(0x02, &[2])),
        der(0x02, &[1]),
        algorithm.clone(),
        name(issuer),
        sequence(&[time("20200101000000Z"), time("20990101000000Z")]),
        name(subject),
        key.spki(),
        der(0xa3, &sequence(&[extension])),
    ]);
    let signature = issuer_key.sign(&body);
    sequence(&[body, algorithm, bits(&signature)])
}

fn name(common_name: &str) -> Vec<u8> {
    let attribute = sequence(&[oid(OID_COMMON_NAME), der(0x0c, common_name.as_bytes())]);
    sequence(&[der(0x31, &attribute)])
}

fn oid(bytes: &[u8]) -> Vec<u8> {
    der(0x06, bytes)
}

fn bits(bytes: &[u8]) -> Vec<u8> {
    der(0x03, &[&[0], bytes].concat())
}

fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    der(0x30, &parts.concat())
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("a short content").to_be_bytes();
    let mut bytes = vec![tag];
    match length {
        [0, low @ 0..=127] => bytes.push(low),
        [0, low] => bytes.extend([0x81, low]),
        [high, low] => bytes.extend([0x82, high, low]),
    }
    bytes.extend(content);
    bytes
}
