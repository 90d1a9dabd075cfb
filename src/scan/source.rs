//! What a scan looks at and where it writes, as traits: a cluster, a folder, and the generated worlds of the tests are bodies of these.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::document::{Document, DocumentError};
use crate::matching::KindSelector;
use crate::model::{FactKey, FactValue, Fingerprint, Gvk, PolicyKind, ResourceId};
use crate::policy::PolicySource;

/// Everything about policies that a source holds.
#[derive(Clone, Debug, Default)]
pub struct PolicyListing {
    /// Policies of all kinds.
    pub policies: Vec<PolicySource>,
    /// Exceptions, bindings, global context entries and whatever else policies need, as objects with their origin.
    pub companions: Vec<Companion>,
    /// Kinds of policy that could not be listed: the absence of one proves nothing.
    pub unknown: BTreeSet<PolicyKind>,
    /// What went wrong, for people.
    pub problems: Vec<Problem>,
}

/// An object that policies need beside themselves.
#[derive(Clone, Debug)]
pub struct Companion {
    /// The object.
    pub document: Arc<Document>,
    /// A file with line, or `cluster`.
    pub origin: String,
}

/// Something that went wrong, cost only itself, and is told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// What it is about: a kind, a file with line, an object.
    pub subject: String,
    /// What is wrong.
    pub message: String,
    /// Whether it is the user's input that is wrong, rather than the world.
    pub is_input: bool,
}

/// A kind as the source serves it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ScanKind {
    /// Group, version and kind.
    pub gvk: Gvk,
    /// The plural that requests name.
    pub plural: String,
    /// Whether its objects live in namespaces.
    pub is_namespaced: bool,
}

/// What a source serves of the kinds that policies select.
#[derive(Clone, Debug, Default)]
pub struct Discovered {
    /// The kinds to list.
    pub kinds: Vec<ScanKind>,
    /// Groups that could not be discovered: the absence of their kinds proves nothing.
    pub unknown_groups: BTreeSet<String>,
    /// What went wrong, for people.
    pub problems: Vec<Problem>,
}

/// A page of a list.
#[derive(Debug, Default)]
pub struct Page {
    /// The objects.
    pub items: Vec<Listed>,
    /// How to get the next page; `None` if this one completes the list.
    pub next: Option<String>,
}

/// An object of a list, not decoded.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Who it is.
    pub id: ResourceId,
    /// Its resourceVersion; in a folder the digest of the document's bytes.
    pub version: String,
    /// Whether another object controls it (an owner reference with `controller: true`).
    pub is_controlled: bool,
    /// Its content.
    pub content: Content,
}

/// The content of a listed object, decoded on demand.
#[derive(Clone)]
pub enum Content {
    /// JSON text of a list, in which `apiVersion` and `kind` may be absent.
    Json(Bytes),
    /// Decoded already.
    Ready(Arc<Document>),
    /// Decoded by the source.
    Lazy(Arc<dyn Fn() -> Result<Document, String> + Send + Sync>),
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(bytes) => write!(f, "Json({} bytes)", bytes.len()),
            Self::Ready(document) => write!(f, "Ready({document:?})"),
            Self::Lazy(_) => f.write_str("Lazy"),
        }
    }
}

impl Content {
    /// Decodes the content; an object of a list gets the `apiVersion` and `kind` that the list has for all.
    pub fn decode(&self, gvk: &Gvk) -> Result<Arc<Document>, String> {
        match self {
            Self::Ready(document) => Ok(Arc::clone(document)),
            Self::Lazy(decode) => decode().map(Arc::new),
            Self::Json(bytes) => {
                let told = |error: DocumentError| error.to_string();
                Document::from_list_item(bytes, &gvk.api_version(), &gvk.kind).map(Arc::new).map_err(told)
            }
        }
    }
}

/// Why a list did not complete.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// The continue token expired (410): the list of this kind starts again.
    #[error("the list expired before it was complete")]
    Expired,
    /// The server refuses the list (401, 403).
    #[error("{0}")]
    Forbidden(String),
    /// The server does not know the kind (404, 405): there are no such objects.
    #[error("{0}")]
    NotServed(String),
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

/// Why a scan cannot even begin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SourceError(pub String);

/// Where resources, policies and facts come from.
pub trait Source: Send + Sync + fmt::Debug {
    /// Names the source for the state: the same label means the same objects.
    fn label(&self) -> String;

    /// The policies and what belongs to them.
    fn policies(&self) -> BoxFuture<'_, Result<PolicyListing, SourceError>>;

    /// The kinds that any of the selectors selects, each in the one version that is to be read.
    fn kinds(&self, wanted: Vec<KindSelector>) -> BoxFuture<'_, Result<Discovered, SourceError>>;

    /// One page of the objects of a kind; `cursor` is [`Page::next`] of the page before.
    fn list<'a>(
        &'a self,
        kind: &'a ScanKind,
        cursor: Option<String>,
    ) -> BoxFuture<'a, Result<Page, ListError>>;

    /// Looks up a fact. Never an error: a failed look-up is a value.
    fn fact<'a>(&'a self, key: &'a FactKey) -> BoxFuture<'a, FactValue>;
}

/// Whose a report is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// Patrol's own.
    Ours,
    /// Somebody else's that the configuration says to adopt.
    Adoptable,
    /// Somebody else's.
    Foreign,
}

/// What a metadata list tells of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActualReport {
    /// Namespace, empty for cluster-wide reports.
    pub namespace: String,
    /// Name: by convention the UID of the resource.
    pub name: String,
    /// The report's own UID.
    pub uid: String,
    /// Its resourceVersion.
    pub resource_version: String,
    /// Whose it is.
    pub ownership: Ownership,
    /// Group and kind of the resource that owns it; `None` if it has no single owner.
    pub owner_kind: Option<(String, String)>,
}

/// A write of one report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReportWrite {
    /// Creates it, or replaces the version named.
    Put {
        /// The resource it is about.
        scope: ResourceId,
        /// The object, without a resourceVersion.
        json: Vec<u8>,
        /// The fingerprint of the content.
        digest: Fingerprint,
        /// The resourceVersion to replace; `None` to create.
        replaces: Option<String>,
    },
    /// Deletes exactly this version of this object.
    Delete {
        /// Namespace, empty for cluster-wide reports.
        namespace: String,
        /// Name.
        name: String,
        /// The report's own UID, if known.
        uid: String,
        /// Its resourceVersion.
        resource_version: String,
    },
}

/// Why a report was not written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SinkError {
    /// What the server said, with the report's name.
    pub message: String,
    /// Whether the next try may succeed.
    pub is_transient: bool,
}

/// Where reports go.
pub trait Sink: Send + Sync + fmt::Debug {
    /// Visits the metadata of every report there is, whoever wrote it.
    fn each_actual<'a>(
        &'a self,
        visit: &'a mut (dyn FnMut(ActualReport) + Send),
    ) -> BoxFuture<'a, Result<(), SinkError>>;

    /// Reads a report whole, as JSON; `None` if it is gone.
    fn read<'a>(&'a self, scope: &'a ResourceId) -> BoxFuture<'a, Result<Option<Vec<u8>>, SinkError>>;

    /// Writes; the answer is the resourceVersion that the report has now, empty after a delete. Conflicts are resolved inside: the write wins
    /// over whatever else changed a report of ours, and never touches a foreign one.
    fn write<'a>(&'a self, write: &'a ReportWrite) -> BoxFuture<'a, Result<String, SinkError>>;
}
