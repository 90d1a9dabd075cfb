//! Attestors of `verifyImages`: who must have signed an image or a statement about it.
//!
//! Upstream: `verifyAttestorSet` and `buildCosignVerifier` in `pkg/engine/internal/imageverifier.go`. Of an attestor only what a
//! policy itself holds can be trusted: public keys and certificates. Everything else says what is missing.

use std::collections::BTreeMap;

use crate::document::Node;
use crate::lang::cosign::{Claim, Hash, Log, PublicKey, Trust, Unverified, split_keys};
use crate::limits;

/// Asks a registry for the signatures that satisfy an attestor; gives what they claim.
pub(super) type Ask<'a> = dyn FnMut(&Attestor, &Trust) -> Result<Vec<Claim>, Unverified> + 'a;

/// Entries of which a number must be satisfied.
#[derive(Debug)]
pub(super) struct AttestorSet {
    n_required: usize,
    entries: Vec<Attestor>,
}

/// One entry.
#[derive(Debug)]
pub(super) struct Attestor {
    /// How the policy calls the kind of trust in paths: `.keys`, `.certificates`, `.keyless` or nothing.
    path: &'static str,
    trust: Result<Trust, Unverified>,
    /// Where its signatures are, if not beside the image.
    pub(super) repository: Option<String>,
    /// What signatures must say besides; the rule's own if absent.
    annotations: Option<BTreeMap<String, String>>,
    nested: Option<AttestorSet>,
}

fn text<'d>(node: Node<'d>, key: &str) -> &'d str {
    node.get(key).and_then(Node::as_str).unwrap_or_default()
}

fn part<'d>(node: Node<'d>, key: &str) -> Option<Node<'d>> {
    node.get(key).filter(|part| !part.is_null())
}

/// The texts of an object.
pub(super) fn texts(node: Node<'_>) -> BTreeMap<String, String> {
    node.entries()
        .map(|(key, value)| (key.to_owned(), value.as_str().unwrap_or_default().to_owned()))
        .collect()
}

impl AttestorSet {
    pub(super) fn read(node: Node<'_>) -> Self {
        Self::nested(node, 0)
    }

    /// The set that the old field `key` stands for, or the old fields of keyless signatures.
    pub(super) fn old(node: Node<'_>) -> Option<Self> {
        let is_keyless = ["issuer", "subject", "roots"].iter().any(|key| !text(node, key).is_empty());
        let attestor =
            |path, trust| Attestor { path, trust, repository: None, annotations: None, nested: None };
        let entries: Vec<Attestor> = match text(node, "key") {
            "" if is_keyless => vec![attestor(".keyless", Err(Unverified::keyless()))],
            "" => return None,
            key => split_keys(key)
                .into_iter()
                .map(|key| attestor(".keys", of_key(key, "", &Log::Unknown)))
                .collect(),
        };
        Some(Self { n_required: entries.len(), entries })
    }

    /// A set without entries to speak of, for attestations that name nobody.
    pub(super) fn of_nobody() -> Self {
        let nobody = Unverified::Unknown("who must have signed the attestation is not said".to_owned());
        let entry =
            Attestor { path: "", trust: Err(nobody), repository: None, annotations: None, nested: None };
        Self { n_required: 1, entries: vec![entry] }
    }

    fn nested(node: Node<'_>, depth: usize) -> Self {
        let entries: Vec<Attestor> = part(node, "entries")
            .into_iter()
            .flat_map(Node::items)
            .flat_map(|entry| Attestor::read(entry, depth))
            .collect();
        let count = node.get("count").and_then(Node::as_i64).and_then(|count| usize::try_from(count).ok());
        Self { n_required: count.filter(|count| *count > 0).unwrap_or(entries.len()), entries }
    }

    pub(super) fn n_required(&self) -> usize {
        self.n_required
    }

    pub(super) fn entries(&self) -> &[Attestor] {
        &self.entries
    }

    /// Asks entry by entry until enough are satisfied; gives what the last of them claims.
    pub(super) fn verify(&self, path: &str, ask: &mut Ask<'_>) -> Result<Vec<Claim>, Unverified> {
        let (mut n_verified, mut refusals, mut is_unknown) = (0, Vec::new(), false);
        for (index, entry) in self.entries.iter().enumerate() {
            let path = format!("{path}.entries[{index}]");
            let answer = match &entry.nested {
                Some(nested) => nested.verify(&format!("{path}.attestor"), ask),
                None => entry.ask(ask).map_err(|error| error.at(&format!("{path}{}", entry.path))),
            };
            match answer {
                Ok(claims) => {
                    n_verified += 1;
                    if n_verified >= self.n_required {
                        return Ok(claims);
                    }
                }
                Err(Unverified::No(message)) => refusals.push(message),
                Err(Unverified::Unknown(message)) => {
                    is_unknown = true;
                    refusals.push(message);
                }
            }
        }
        let message = refusals.join("; ");
        Err(if is_unknown { Unverified::Unknown(message) } else { Unverified::No(message) })
    }
}

impl Attestor {
    /// An entry; several public keys in one stand for as many entries.
    fn read(node: Node<'_>, depth: usize) -> Vec<Self> {
        let repository = Some(text(node, "repository")).filter(|text| !text.is_empty()).map(str::to_owned);
        let annotations = part(node, "annotations").map(texts);
        let of = |path, trust| Self {
            path,
            trust,
            repository: repository.clone(),
            annotations: annotations.clone(),
            nested: None,
        };
        if let Some(nested) = part(node, "attestor") {
            let nested =
                (depth < limits::ATTESTORS_DEPTH_MAX).then(|| AttestorSet::nested(nested, depth + 1));
            let trust = Err(Unverified::Unknown("attestors are nested too deep".to_owned()));
            return vec![Self { nested, ..of("", trust) }];
        }
        if let Some(keys) = part(node, "keys") {
            let log = log_of(keys);
            let algorithm = text(keys, "signatureAlgorithm");
            let trusts = match text(keys, "publicKeys") {
                "" => vec![Err(elsewhere(keys))],
                texts => split_keys(texts)
                    .into_iter()
                    .map(|key| log.clone().and_then(|log| of_key(key, algorithm, &log)))
                    .collect(),
            };
            return trusts.into_iter().map(|trust| of(".keys", trust)).collect();
        }
        if let Some(certificates) = part(node, "certificates") {
            return vec![of(".certificates", of_certificates(certificates))];
        }
        match part(node, "keyless") {
            Some(_) => vec![of(".keyless", Err(Unverified::keyless()))],
            None => vec![of("", Err(Unverified::keyless()))],
        }
    }

    fn ask(&self, ask: &mut Ask<'_>) -> Result<Vec<Claim>, Unverified> {
        match &self.trust {
            Ok(trust) => ask(self, trust),
            Err(error) => Err(error.clone()),
        }
    }

    pub(super) fn path(&self) -> &'static str {
        self.path
    }

    pub(super) fn trust(&self) -> Result<&Trust, Unverified> {
        self.trust.as_ref().map_err(Clone::clone)
    }

    /// Whether any of the claims says all that must be said besides.
    pub(super) fn check_annotations(
        &self,
        claims: &[Claim],
        of_rule: &BTreeMap<String, String>,
    ) -> Result<(), Unverified> {
        let wanted = self.annotations.as_ref().unwrap_or(of_rule);
        let says_all = |claim: &Claim| {
            wanted.iter().all(|(key, value)| {
                claim.annotations.get(key).and_then(serde_json::Value::as_str) == Some(value)
            })
        };
        if wanted.is_empty() || claims.iter().any(says_all) {
            return Ok(());
        }
        Err(Unverified::No("no signature matched the required annotations".to_owned()))
    }
}

impl Unverified {
    /// The same with its place before it.
    pub(super) fn at(self, place: &str) -> Self {
        match self {
            Self::No(message) => Self::No(format!("{place}: {message}")),
            Self::Unknown(message) => Self::Unknown(format!("{place}: {message}")),
        }
    }
}

fn of_key(text: &str, algorithm: &str, log: &Log) -> Result<Trust, Unverified> {
    if !text.trim_start().starts_with("-----BEGIN PUBLIC KEY-----") {
        return Err(Unverified::Unknown(format!(
            "the key `{}` is not in the policy: Secrets and key management services are not asked",
            text.trim()
        )));
    }
    Ok(Trust { key: PublicKey::from_pem(text, Hash::of(algorithm)?)?, log: log.clone() })
}

fn of_certificates(node: Node<'_>) -> Result<Trust, Unverified> {
    let log = log_of(node)?;
    let chain = text(node, "certChain");
    match text(node, "cert") {
        "" => Err(Unverified::Unknown(
            "certificates that come with signatures are not verified: the policy must give the signer's own (`cert`)"
                .to_owned(),
        )),
        // A chain makes the reference ask for a promise of a certificate log, too.
        _ if !chain.is_empty() && !is_on(node, "ctlog", "ignoreSCT") => Err(Unverified::Unknown(
            "whether a certificate transparency log holds the certificate is not known: set `ctlog.ignoreSCT`".to_owned(),
        )),
        certificate => Ok(Trust { key: PublicKey::from_certificate(certificate, chain)?, log }),
    }
}

fn is_on(node: Node<'_>, part: &str, key: &str) -> bool {
    node.path(&[part, key]).and_then(Node::as_bool) == Some(true)
}

/// What is to be known of Rekor's log.
fn log_of(node: Node<'_>) -> Result<Log, Unverified> {
    let keys = node.path(&["rekor", "pubkey"]).and_then(Node::as_str).unwrap_or_default();
    Log::of(is_on(node, "rekor", "ignoreTlog"), keys)
}

fn elsewhere(keys: Node<'_>) -> Unverified {
    let what = match (part(keys, "secret"), text(keys, "kms")) {
        (Some(_), _) => {
            "a key in a Secret is not read: give it as `publicKeys`, for example from a ConfigMap"
        }
        (None, "") => "there is no key",
        (None, _) => "key management services are not asked",
    };
    Unverified::Unknown(what.to_owned())
}
