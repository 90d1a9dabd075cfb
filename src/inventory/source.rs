//! What a scan looks at, as a trait: a cluster, a folder, and the generated worlds of the tests are bodies of
//! it.
//!
//! Only the contract stands here. Bodies may block, fail and lie; what an answer proves, and what it does
//! not, is said with each method.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::document::{Document, DocumentError};
use crate::matching::KindSelector;
use crate::model::{FactKey, FactValue, Gvk, PolicyKind, ResourceId};
use crate::policy::{CompanionSource, PolicySource};

/// Everything about policies that a source holds.
#[derive(Clone, Debug, Default)]
pub struct PolicyListing {
    /// Policies of all kinds.
    pub policies: Vec<PolicySource>,
    /// Exceptions, bindings, global context entries and whatever else policies need, as objects with their
    /// origin.
    pub companions: Vec<CompanionSource>,
    /// Kinds of policy that could not be listed: the absence of one proves nothing.
    pub unknown: BTreeSet<PolicyKind>,
    /// What went wrong, for people.
    pub problems: Vec<Problem>,
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

/// A kind as the source serves it, in the form that its resources are known by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ScanKind {
    /// Group, version and kind.
    pub gvk: Gvk,
    /// The plural that requests name.
    pub plural: String,
    /// Whether its objects live in namespaces.
    pub is_namespaced: bool,
    /// The other forms in which policies judge the same objects, in the source's order of preference: other
    /// versions, or a second group that serves them.
    pub others: Vec<Gvk>,
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
    /// The group and kind of what controls it (an owner reference with `controller: true`), and, as far as its own
    /// metadata tells, of what controls that. A folder tells none.
    pub controllers: Vec<(String, String)>,
    /// Its content.
    pub content: Content,
    /// Its content in each of [`ScanKind::others`], in their order. Never older than `content`.
    pub others: Vec<Content>,
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

    /// The kinds that any of the selectors selects, each once, in the forms that are to be read
    /// ([`crate::matching::forms_taken`]).
    fn kinds(&self, wanted: Vec<KindSelector>) -> BoxFuture<'_, Result<Discovered, SourceError>>;

    /// One page of the objects of a kind; `cursor` is [`Page::next`] of the page before.
    fn list<'a>(
        &'a self,
        kind: &'a ScanKind,
        cursor: Option<String>,
    ) -> BoxFuture<'a, Result<Page, ListError>>;

    /// Whether an object that no list holds is proven to be gone. Not so where what held it could not be read.
    fn is_proven_gone(&self, _uid: &str) -> bool {
        true
    }

    /// Looks up a fact. Never an error: a failed look-up is a value.
    fn fact<'a>(&'a self, key: &'a FactKey) -> BoxFuture<'a, FactValue>;
}
