//! Whom an ImageValidatingPolicy trusts, and about what: `attestors` and `attestations`.
//!
//! Upstream: `pkg/image/verification/variables/attestors.go`, `pkg/image/verifiers/ivpol/cosign/opts.go` of Kyverno. A key or a certificate
//! may be the text that an expression over the resource and the policy's variables gives. Roots of Sigstore, Notary and key management
//! services are not there: an attestor that needs them cannot judge, which is told where it is asked.

use std::collections::BTreeMap;

use crate::document::Node;
use crate::lang::cel::EvalError;
use crate::lang::cel_policy::expressions::{Expression, Expressions, Refusal, kept};
use crate::lang::cel_policy::frame::Frame;
use crate::lang::cosign::{Hash, Log, PublicKey, Trust, Unverified};

/// What short names of predicate types stand for (cosign's `pkg/cosign/attestation`).
const PREDICATE_TYPES: [(&str, &str); 9] = [
    ("custom", "https://cosign.sigstore.dev/attestation/v1"),
    ("cyclonedx", "https://cyclonedx.org/bom"),
    ("link", "https://in-toto.io/Link/v1"),
    ("openvex", "https://openvex.dev/ns"),
    ("slsaprovenance", "https://slsa.dev/provenance/v0.2"),
    ("slsaprovenance1", "https://slsa.dev/provenance/v1"),
    ("spdx", "https://spdx.dev/Document"),
    ("spdxjson", "https://spdx.dev/Document"),
    ("vuln", "https://cosign.sigstore.dev/attestation/vuln/v1"),
];

/// Attestors and attestations by their names.
#[derive(Debug)]
pub(super) struct Signers {
    pub(super) attestors: BTreeMap<String, Attestor>,
    pub(super) attestations: BTreeMap<String, Attestation>,
}

/// Where statements about an image are.
#[derive(Debug)]
pub(super) enum Attestation {
    /// What cosign attaches.
    InToto {
        /// As the policy has it.
        written: String,
        /// The type itself.
        predicate_type: String,
    },
    /// A referrer of this artifact type, which only Notary signs.
    Referrer(String),
    /// Nowhere.
    Nothing,
}

/// Whose signatures count.
#[derive(Debug)]
pub(super) struct Attestor {
    pub(super) is_cosign: bool,
    /// Where its signatures are, if not beside the image.
    pub(super) repository: Option<String>,
    /// What stands before the tags of its signatures.
    pub(super) tag_prefix: String,
    pub(super) annotations: BTreeMap<String, String>,
    signer: Signer,
    log: Result<Log, Unverified>,
    /// What is trusted, where no expression has to be computed for it.
    fixed: Option<Result<Trust, Unverified>>,
    /// Expressions that are computed, and not used here.
    others: Vec<Expression>,
}

#[derive(Debug)]
enum Signer {
    Nobody(Unverified),
    Key { text: Given, hash: Result<Hash, Unverified> },
    Certificate { leaf: Given, chain: Given, ignores_sct: bool },
}

/// A text of the policy.
#[derive(Debug)]
enum Given {
    Written(String),
    Computed(Expression),
}

fn text<'d>(node: Node<'d>, path: &[&str]) -> &'d str {
    node.path(path).and_then(Node::as_str).unwrap_or_default()
}

fn part<'d>(node: Node<'d>, key: &str) -> Option<Node<'d>> {
    node.get(key).filter(|part| !part.is_null())
}

pub(super) fn unknown(what: &str) -> Unverified {
    Unverified::Unknown(what.to_owned())
}

impl Signers {
    pub(super) fn compile(spec: Node<'_>, expressions: &Expressions, refusals: &mut Vec<Refusal>) -> Self {
        let named = |key: &str| part(spec, key).into_iter().flat_map(Node::items);
        let name = |node: Node<'_>| text(node, &["name"]).to_owned();
        let attestor = |(at, node): (usize, Node<'_>)| {
            let mut compiler = Compiler { at, expressions, refusals: &mut *refusals };
            (name(node), compiler.attestor(node))
        };
        Self {
            attestors: named("attestors").enumerate().map(attestor).collect(),
            attestations: named("attestations").map(|node| (name(node), Attestation::of(node))).collect(),
        }
    }
}

impl Attestation {
    fn of(node: Node<'_>) -> Self {
        if part(node, "intoto").is_some() {
            let written = text(node, &["intoto", "type"]);
            let known = PREDICATE_TYPES.iter().find(|(short, _)| *short == written);
            let predicate_type = known.map_or(written, |(_, long)| long).to_owned();
            Self::InToto { written: written.to_owned(), predicate_type }
        } else if part(node, "referrer").is_some() {
            Self::Referrer(text(node, &["referrer", "type"]).to_owned())
        } else {
            Self::Nothing
        }
    }
}

impl Attestor {
    /// What is trusted where the frame's resource is judged.
    ///
    /// # Errors
    /// If an expression of the attestor cannot be evaluated, or gives no text.
    pub(super) fn trust<'d>(
        &'d self,
        name: &str,
        frame: &Frame<'d>,
    ) -> Result<Result<Trust, Unverified>, EvalError> {
        let compute = |expression: &'d Expression| -> Result<String, EvalError> {
            let value = frame.value(expression).map_err(|error| match error {
                EvalError::Failed(_) | EvalError::Fixed(_) => {
                    EvalError::failed(format!("an expression of the attestor {name} fails: {error}"))
                }
                error => error,
            })?;
            value.as_str().map(str::to_owned).ok_or_else(|| {
                let kind = value.type_name();
                EvalError::failed(format!("an expression of the attestor {name} gives {kind}, not a string"))
            })
        };
        for other in &self.others {
            compute(other)?;
        }
        if let Some(fixed) = &self.fixed {
            return Ok(fixed.clone());
        }
        let given = |given: &'d Given| match given {
            Given::Written(text) => Ok(text.clone()),
            Given::Computed(expression) => compute(expression),
        };
        let signer = match &self.signer {
            Signer::Nobody(why) => return Ok(Err(why.clone())),
            Signer::Key { text, hash } => key(&given(text)?, hash),
            Signer::Certificate { leaf, chain, ignores_sct } => {
                certificate(&given(leaf)?, &given(chain)?, *ignores_sct)
            }
        };
        Ok(self.log.clone().and_then(|log| Ok(Trust { key: signer?, log })))
    }
}

fn key(text: &str, hash: &Result<Hash, Unverified>) -> Result<PublicKey, Unverified> {
    if text.is_empty() {
        return Err(Unverified::No("there is no key".to_owned()));
    }
    PublicKey::from_pem(text, hash.clone()?)
}

fn certificate(leaf: &str, chain: &str, ignores_sct: bool) -> Result<PublicKey, Unverified> {
    match leaf {
        "" => Err(unknown("there is neither a key nor a certificate in the policy")),
        _ if !chain.is_empty() && !ignores_sct => Err(unknown(
            "whether a certificate transparency log holds the certificate is not known: set `ctlog.insecureIgnoreSCT`",
        )),
        leaf => PublicKey::from_certificate(leaf, chain),
    }
}

/// Compiles one attestor.
struct Compiler<'c> {
    at: usize,
    expressions: &'c Expressions,
    refusals: &'c mut Vec<Refusal>,
}

impl Compiler<'_> {
    fn attestor(&mut self, node: Node<'_>) -> Attestor {
        let cosign = part(node, "cosign");
        let flag = |key: &str| node.path(&["cosign", "ctlog", key]).and_then(Node::as_bool) == Some(true);
        let ignores_log = flag("insecureIgnoreTlog");
        let mut others = Vec::new();
        let signer = match cosign {
            None => {
                for path in [["notary", "certs"], ["notary", "tsaCerts"]] {
                    others.extend(self.computed(node, &path));
                }
                Signer::Nobody(unknown("only signatures of cosign are verified, not Notary's"))
            }
            Some(cosign) => {
                let signer = self.signer(node, cosign, flag("insecureIgnoreSCT"));
                others.extend(self.computed(node, &["cosign", "trustedRoot"]));
                signer
            }
        };
        // The reference wants to know where the log is even if it has no question to it.
        let has_log = cosign.is_some_and(|cosign| part(cosign, "ctlog").is_some());
        let log = if has_log && !ignores_log && text(node, &["cosign", "ctlog", "url"]).is_empty() {
            Err(Unverified::No("rekor URL must be provided".to_owned()))
        } else {
            Log::of(ignores_log, text(node, &["cosign", "ctlog", "rekorPubKey"]))
        };
        let repository = text(node, &["cosign", "source", "repository"]);
        let annotations = node.path(&["cosign", "annotations"]).into_iter().flat_map(Node::entries);
        Attestor {
            is_cosign: cosign.is_some(),
            repository: (!repository.is_empty()).then(|| repository.to_owned()),
            tag_prefix: text(node, &["cosign", "source", "tagPrefix"]).to_owned(),
            annotations: annotations
                .map(|(key, value)| (key.to_owned(), value.as_str().unwrap_or_default().to_owned()))
                .collect(),
            fixed: signer.fixed().map(|key| log.clone().and_then(|log| Ok(Trust { key: key?, log }))),
            signer,
            log,
            others,
        }
    }

    fn signer(&mut self, node: Node<'_>, cosign: Node<'_>, ignores_sct: bool) -> Signer {
        let key = part(cosign, "key");
        // Of both, the expressions of the key alone are looked at.
        let computed_key = self.computed(node, &["cosign", "key"]);
        let (leaf, chain) = match &computed_key {
            Some(_) => (None, None),
            None => (
                self.computed(node, &["cosign", "certificate", "cert"]),
                self.computed(node, &["cosign", "certificate", "certChain"]),
            ),
        };
        if part(cosign, "keyless").is_some() {
            return Signer::Nobody(Unverified::keyless());
        }
        let given = |computed: Option<Expression>, path: &[&str]| {
            computed.map_or_else(|| Given::Written(text(cosign, path).to_owned()), Given::Computed)
        };
        let Some(key) = key else {
            return Signer::Certificate {
                leaf: given(leaf, &["certificate", "cert", "value"]),
                chain: given(chain, &["certificate", "certChain", "value"]),
                ignores_sct,
            };
        };
        let text_of_key = given(computed_key, &["key", "data"]);
        if matches!(&text_of_key, Given::Written(data) if data.is_empty()) && !text(key, &["kms"]).is_empty()
        {
            return Signer::Nobody(unknown(
                "the key is not in the policy: key management services are not asked",
            ));
        }
        Signer::Key { text: text_of_key, hash: Hash::of(text(key, &["hashAlgorithm"])) }
    }

    /// The expression of a part of the attestor, if it has one that is not refused.
    fn computed(&mut self, node: Node<'_>, path: &[&str]) -> Option<Expression> {
        let source =
            node.path(path).map(|part| text(part, &["expression"])).filter(|text| !text.is_empty())?;
        let place = format!("attestors[{}].{}.expression", self.at, path.join("."));
        let compiled = self.expressions.beside(self.expressions.environment(), source, &place, &[]);
        kept(compiled, self.refusals)
    }
}

impl Signer {
    /// The key, where nothing has to be computed for it.
    fn fixed(&self) -> Option<Result<PublicKey, Unverified>> {
        match self {
            Self::Nobody(why) => Some(Err(why.clone())),
            Self::Key { text: Given::Written(text), hash } => Some(key(text, hash)),
            Self::Certificate { leaf: Given::Written(leaf), chain: Given::Written(chain), ignores_sct } => {
                Some(certificate(leaf, chain, *ignores_sct))
            }
            _ => None,
        }
    }
}
