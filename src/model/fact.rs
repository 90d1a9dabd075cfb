//! What an evaluation reads beside its resource.

use std::fmt;

use super::Fingerprint;
use crate::document::{Document, Parts};

/// Names one fact. Two evaluations that need the same fact share one fetch a scan.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FactKey {
    /// The labels of a namespace, as an object of strings.
    NamespaceLabels(String),
    /// The whole Namespace object.
    Namespace(String),
    /// A ConfigMap.
    ConfigMap {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// What the API server answers to a request: `path` as in a policy's `urlPath`, with `body` for POST.
    ApiCall {
        /// `GET` or `POST`.
        method: String,
        /// The path with its query.
        path: String,
        /// The JSON body of a POST, empty for GET.
        body: String,
    },
    /// What a service outside the API server answers.
    ServiceCall {
        /// `GET`, `POST` or `PUT`.
        method: String,
        /// The URL.
        url: String,
        /// The JSON body of a POST, empty for GET.
        body: String,
        /// What else there is to say, as JSON, empty if nothing: `headers` (pairs of `key` and `value`), `caBundle` (PEM), and
        /// `answersStatus`, with which every status is an answer: an object of `statusCode` and `body`, null if it is no JSON.
        options: String,
    },
    /// A GlobalContextEntry's data, or one of its projections.
    GlobalContext {
        /// The entry's name.
        name: String,
        /// The projection, empty for the whole data.
        projection: String,
    },
    /// An image's manifest and configuration, by its reference.
    Image(String),
    /// The digest that an image's reference stands for, as a text.
    ImageDigest(String),
    /// What is attached to an image: a list of `mediaType`, `digest`, `annotations` and `payload` (base64).
    Attached {
        /// The repository that it is in, with its registry.
        repository: String,
        /// The image's digest.
        digest: String,
        /// Of what cosign keeps under tags, `sig` for signatures and `att` for attestations, or `sig PREFIX` where something stands before
        /// the tag; of what refers to the image, `bundles` for Sigstore's bundles and `referrer TYPE` for the first artifact of that type.
        suffix: String,
    },
    /// Policy parameters (VAP `paramRef`) or any object or list by its API path parts; `name` empty for a list.
    Objects {
        /// API group, empty for the core group.
        group: String,
        /// Version.
        version: String,
        /// Kind or plural resource name.
        kind: String,
        /// Namespace, empty for cluster scope or all namespaces.
        namespace: String,
        /// Name, empty for a list.
        name: String,
        /// Label selector in its text form, empty for everything.
        selector: String,
    },
    /// What the API serves a kind as: an object of `version`, `plural` and `isNamespaced`.
    Kind {
        /// API group, empty for the core group.
        group: String,
        /// Version, empty for the preferred one.
        version: String,
        /// Kind.
        kind: String,
    },
}

impl fmt::Display for FactKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NamespaceLabels(namespace) => write!(f, "labels of namespace {namespace}"),
            Self::Namespace(namespace) => write!(f, "namespace {namespace}"),
            Self::ConfigMap { namespace, name } => write!(f, "ConfigMap {namespace}/{name}"),
            Self::ApiCall { method, path, .. } => write!(f, "{method} {path}"),
            Self::ServiceCall { method, url, .. } => write!(f, "{method} {url}"),
            Self::GlobalContext { name, projection } if projection.is_empty() => {
                write!(f, "GlobalContextEntry {name}")
            }
            Self::GlobalContext { name, projection } => write!(f, "GlobalContextEntry {name}.{projection}"),
            Self::Image(reference) => write!(f, "image {reference}"),
            Self::ImageDigest(reference) => write!(f, "digest of image {reference}"),
            Self::Attached { repository, digest, suffix } => write!(f, "{suffix} of {repository}@{digest}"),
            Self::Kind { group, version, kind } => write!(f, "how {kind}.{version}.{group} is served"),
            Self::Objects { group, version, kind, namespace, name, selector } => {
                write!(f, "{kind}.{version}.{group} {namespace}/{name}")?;
                if selector.is_empty() { Ok(()) } else { write!(f, " with {selector}") }
            }
        }
    }
}

/// A fact's value as fetched in this scan.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// What was found.
    pub value: FactValue,
    /// The fingerprints of `value`.
    pub prints: FactPrints,
}

/// The fingerprints of a fact's value, by part: a fact is mostly an object, and who reads its labels does not read its status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FactPrints {
    /// Over what is read in any case: what kind of answer it is, and which object. The whole value if it is no object.
    pub identity: Fingerprint,
    /// Over the parts of the object, in the order of `document::Part::ALL`.
    pub parts: [Fingerprint; 7],
}

/// What an evaluation read of a fact.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FactRead {
    /// Which fact.
    pub key: FactKey,
    /// Which parts of it were looked at, beside its identity.
    pub parts: Parts,
    /// The fingerprint over those.
    pub print: Fingerprint,
}

/// What a look-up found.
#[derive(Clone, Debug, PartialEq)]
pub enum FactValue {
    /// The data.
    Found(Document),
    /// Proven absent.
    Missing,
    /// The configuration does not allow the look-up; the text names the setting.
    Refused(String),
    /// The look-up failed.
    Failed {
        /// Why.
        message: String,
        /// Whether trying again may help; a verdict that read such a fact is never stored as reusable.
        is_transient: bool,
    },
}
