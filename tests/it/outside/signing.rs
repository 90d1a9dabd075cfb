//! Signatures and attestations as cosign makes them, put into a registry of the test's own.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::certificate::{Key, pem};
use super::registry::{Registry, digest};

const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const DSSE: &str = "application/vnd.dsse.envelope.v1+json";
const IN_TOTO: &str = "application/vnd.in-toto+json";
/// Sigstore's bundles.
pub(super) const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// A layer of what is attached to an image.
pub(super) type Layer = (&'static str, Value, Vec<u8>);

pub(crate) fn public(key: &Key) -> String {
    pem("PUBLIC KEY", &key.spki())
}

/// What is signed of an image.
pub(super) fn claim(of: &str, annotations: &Value) -> Vec<u8> {
    json!({
        "critical": {
            "identity": {"docker-reference": "corp/app"},
            "image": {"docker-manifest-digest": of},
            "type": "cosign container image signature",
        },
        "optional": annotations,
    })
    .to_string()
    .into_bytes()
}

pub(super) fn signature(payload: Vec<u8>, key: &Key) -> Layer {
    let signature = STANDARD.encode(key.sign(&payload));
    (SIMPLE_SIGNING, json!({"dev.cosignproject.cosign/signature": signature}), payload)
}

/// Signs an image without annotations.
pub(crate) fn sign(registry: &Registry, repository: &str, of: &str, keys: &[&Key]) {
    let layers: Vec<Layer> = keys.iter().map(|key| signature(claim(of, &Value::Null), key)).collect();
    registry.attach(repository, of, "sig", &layers);
}

/// Adds the promise of a transparency log that it holds the signature.
pub(super) fn logged(layer: Layer, signer: &Key, log: &Key) -> Layer {
    let (media_type, mut annotations, payload) = layer;
    let body = json!({
        "apiVersion": "0.0.1", "kind": "hashedrekord",
        "spec": {
            "data": {"hash": {"algorithm": "sha256", "value": hex(&payload)}},
            "signature": {
                "content": annotations["dev.cosignproject.cosign/signature"],
                "publicKey": {"content": STANDARD.encode(public(signer))},
            },
        },
    });
    let body = STANDARD.encode(body.to_string());
    let id = hex(&log.spki());
    let promised = format!(r#"{{"body":"{body}","integratedTime":1700000000,"logID":"{id}","logIndex":7}}"#);
    let promise = STANDARD.encode(log.sign(promised.as_bytes()));
    let payload_of_log: Value = serde_json::from_str(&promised).expect("JSON");
    let bundle = json!({"SignedEntryTimestamp": promise, "Payload": payload_of_log});
    annotations["dev.sigstore.cosign/bundle"] = json!(bundle.to_string());
    (media_type, annotations, payload)
}

/// A signed statement about an image.
pub(super) fn attestation(of: &str, predicate_type: &str, predicate: &Value, key: &Key) -> Layer {
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v0.1", "predicateType": predicate_type,
        "subject": [{"name": "corp/app", "digest": {"sha256": of.trim_start_matches("sha256:")}}],
        "predicate": predicate,
    })
    .to_string();
    let signed = format!("DSSEv1 {} {IN_TOTO} {} {statement}", IN_TOTO.len(), statement.len());
    let envelope = json!({
        "payloadType": IN_TOTO, "payload": STANDARD.encode(&statement),
        "signatures": [{"keyid": "", "sig": STANDARD.encode(key.sign(signed.as_bytes()))}],
    });
    let annotations = json!({"dev.cosignproject.cosign/signature": "", "predicateType": predicate_type});
    (DSSE, annotations, envelope.to_string().into_bytes())
}

/// A bundle of Sigstore with a signed statement, vouched for by a key.
pub(super) fn bundle(of: &str, predicate_type: &str, predicate: &Value, key: &Key) -> Layer {
    let (_, _, envelope) = attestation(of, predicate_type, predicate, key);
    let envelope: Value = serde_json::from_slice(&envelope).expect("JSON");
    let bundle = json!({
        "mediaType": BUNDLE, "verificationMaterial": {"publicKey": {"hint": "a"}}, "dsseEnvelope": envelope,
    });
    (BUNDLE, Value::Null, bundle.to_string().into_bytes())
}

fn hex(bytes: &[u8]) -> String {
    digest(bytes).trim_start_matches("sha256:").to_owned()
}
