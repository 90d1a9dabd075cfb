//! The index record: the little that is stored of a resource to pass it over without looking at its verdicts.

use super::{FactRead, Fingerprint, ResourceId};

/// What is stored of a resource beside its verdicts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexRecord {
    /// Who it is.
    pub id: ResourceId,
    /// Its resourceVersion; in a folder the digest of the document's bytes.
    pub version: String,
    /// The fingerprints of its parts, in the order of `document::Part::ALL`.
    pub prints: [Fingerprint; 7],
    /// The digest of the policies that select it, their presentation, and what decides the shape of reports.
    pub applicable: Fingerprint,
    /// Whether every pair's verdict held when this was stored.
    pub is_settled: bool,
    /// When the first volatile verdict ends, in Unix seconds.
    pub due_at_s: Option<i64>,
    /// What its verdicts read of which facts, sorted.
    pub facts: Vec<FactRead>,
    /// How many outcomes have which status (in the order of [`super::Status::ALL`]), a policy in the order in which `applicable` was formed.
    pub tallies: Vec<[u16; 5]>,
    /// The report as it was last written; `None` if there is none.
    pub report: Option<WrittenReport>,
}

/// A report as it was last written and acknowledged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WrittenReport {
    /// The fingerprint of its content.
    pub digest: Fingerprint,
    /// The resourceVersion that the write returned; empty where there are none (a folder).
    pub resource_version: String,
}
