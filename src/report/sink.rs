//! Where reports go, as a trait: a cluster, a folder, and the generated worlds of the tests are bodies of it.
//!
//! Only the contract stands here. What is written, and when, is decided in `scan/`.

use std::fmt;

use futures_util::future::BoxFuture;

use crate::model::{Fingerprint, ResourceId};

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
