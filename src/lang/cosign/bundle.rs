//! Rekor's transparency log, as far as a bundle beside the signature tells of it: the log's promise that it holds
//! the entry (signed entry timestamp), and that the entry is of this signature.
//!
//! Upstream: `VerifyBundle` in cosign's `pkg/cosign/verify.go`. The log itself is never asked.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::layer::{Layer, decode};
use super::{Hash, Log, PublicKey, Unverified, hex_sha256};

#[derive(Deserialize)]
struct Bundle {
    #[serde(rename = "SignedEntryTimestamp")]
    promise: String,
    #[serde(rename = "Payload")]
    payload: Payload,
}

/// The fields in the order of their names, which makes the text that the log signs canonical.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    body: String,
    integrated_time: i64,
    #[serde(rename = "logID")]
    log_id: String,
    log_index: i64,
}

impl Log {
    /// Whether the log holds the signature of a layer by that key.
    pub(super) fn verify(&self, layer: &Layer, key: &PublicKey) -> Result<(), Unverified> {
        let keys = match self {
            Self::Ignored => return Ok(()),
            Self::Keys(keys) => keys,
            Self::Unknown => {
                return Err(Unverified::Unknown(
                    "whether Rekor's transparency log holds the signature is not known without the log's public key: \
                     give it in the policy, or let the log be ignored"
                        .to_owned(),
                ));
            }
        };
        let Some(bundle) = layer.bundle() else {
            return Err(Unverified::Unknown(
                "the signature comes without a bundle of Rekor's transparency log, and Rekor is not asked"
                    .to_owned(),
            ));
        };
        let no = |message: &str| Unverified::No(format!("error verifying bundle: {message}"));
        let bundle: Bundle = serde_json::from_str(bundle).map_err(|error| no(&error.to_string()))?;
        let log = keys.iter().find(|key| hex_sha256(key.der()) == bundle.payload.log_id);
        let log = log.ok_or_else(|| no("rekor log public key not found for payload"))?;
        let signed = serde_json::to_vec(&bundle.payload).map_err(|error| no(&error.to_string()))?;
        let promise = decode(&bundle.promise).map_err(|error| no(&error))?;
        log.verify(&signed, &promise).map_err(|_| no("unable to verify SET"))?;
        is_of(&bundle.payload.body, layer, key).map_err(|error| no(&error))
    }
}

/// Whether an entry of the log is about a layer's bytes and its signature by that key.
fn is_of(body: &str, layer: &Layer, key: &PublicKey) -> Result<(), String> {
    let entry: Value = serde_json::from_slice(&decode(body)?).map_err(|error| error.to_string())?;
    let text = |path: &str| entry.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let (hash, public_key) = match text("/kind") {
        "hashedrekord" => {
            if text("/spec/signature/content") != layer.encoded_signature() {
                return Err("signature in bundle does not match signature being verified".to_owned());
            }
            (text("/spec/data/hash/value"), text("/spec/signature/publicKey/content"))
        }
        "intoto" => (text("/spec/content/hash/value"), text("/spec/publicKey")),
        "dsse" => (text("/spec/envelopeHash/value"), text("/spec/signatures/0/verifier")),
        other => return Err(format!("unsupported type: {other}")),
    };
    if hash != hex_sha256(&layer.payload) {
        return Err("matching bundle to payload: payload does not match".to_owned());
    }
    let logged = String::from_utf8(decode(public_key)?).map_err(|error| error.to_string())?;
    match PublicKey::from_pem(&logged, Hash::Sha256) {
        Ok(logged) if logged.is_same(key) => Ok(()),
        _ => Err("comparing public key PEMs, expected another one".to_owned()),
    }
}
