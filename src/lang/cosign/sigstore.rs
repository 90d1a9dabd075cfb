//! Sigstore's bundles, which cosign 3 attaches to an image as referrers: an envelope with an in-toto statement, and what vouches for it.
//!
//! Upstream: `verifyImageAttestationsSigstoreBundle` in cosign's `pkg/cosign/verify.go`, `pkg/verify` of sigstore-go. A signature of
//! an image is a statement about it like any other. Only bundles that a public key vouches for are verified, and what they tell of a
//! transparency log is not.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::layer::Layer;
use super::{Envelope, Log, Statement, Trust, Unverified, any_of, read_statement};

/// A bundle of version 0.3 or later.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Bundle {
    media_type: String,
    #[serde(default)]
    verification_material: Material,
    /// None: it vouches for something that is no statement.
    #[serde(default)]
    dsse_envelope: Option<Envelope>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Material {
    public_key: Option<serde::de::IgnoredAny>,
}

impl Bundle {
    /// The bundles of the fact; what is none is passed over, as cosign does.
    pub(crate) fn all(layers: &[Layer]) -> Vec<Self> {
        let read = |layer: &Layer| serde_json::from_slice(&layer.payload).ok().filter(Self::is_recent);
        layers.iter().filter_map(read).collect()
    }

    fn is_recent(&self) -> bool {
        let version = self
            .media_type
            .strip_prefix("application/vnd.dev.sigstore.bundle.v")
            .and_then(|rest| rest.strip_suffix("+json"))
            .or_else(|| self.media_type.strip_prefix("application/vnd.dev.sigstore.bundle+json;version="));
        let mut numbers = version.unwrap_or_default().split('.').map(|number| number.parse().unwrap_or(0));
        (numbers.next().unwrap_or(0_u32), numbers.next().unwrap_or(0_u32)) >= (0, 3)
    }

    fn verify(&self, digest: &str, trust: &Trust) -> Result<Statement, Unverified> {
        let no = |message: &str| Unverified::No(message.to_owned());
        let envelope =
            self.dsse_envelope.as_ref().ok_or_else(|| no("bundle does not contain a DSSE envelope"))?;
        if self.verification_material.public_key.is_none() {
            return Err(no("the bundle is vouched for by a certificate, not by a key"));
        }
        let body = envelope.verified(&trust.key).map_err(Unverified::No)?;
        let statement = read_statement(&body, digest).map_err(Unverified::No)?;
        match trust.log {
            Log::Ignored => Ok(Statement { beside: BTreeMap::new(), ..statement }),
            Log::Keys(_) | Log::Unknown => Err(Unverified::Unknown(
                "whether a transparency log holds what a Sigstore bundle says is not looked at: let the log be ignored"
                    .to_owned(),
            )),
        }
    }
}

/// The statements of bundles about an image that count.
///
/// # Errors
/// If there are none.
pub(crate) fn verify_bundles(
    bundles: &[Bundle],
    digest: &str,
    trust: &Trust,
) -> Result<Vec<Statement>, Unverified> {
    any_of(bundles, |bundle| bundle.verify(digest, trust), "no matching attestations")
}
