//! Policies as values: where one came from, what belongs to it, what reports show of it, and what is odd about it.
//!
//! The shape of a policy file is read here; what it *means* is the business of `lang/`, and what a scan works with is in `catalog`.

mod companions;
mod presentation;
mod role;

pub use companions::CompanionSource;
pub use role::{PolicyRole, role_of};

use std::ops::Range;
use std::sync::Arc;

use crate::document::Document;
use crate::model::{PolicyKey, Severity};

/// A policy as it was read, before compilation.
#[derive(Clone, Debug)]
pub struct PolicySource {
    /// Who it is.
    pub key: PolicyKey,
    /// The object.
    pub document: Arc<Document>,
    /// Where it came from, for messages: a file with line, or `cluster`.
    pub origin: String,
}

/// What reports show of a policy beside its outcomes. Editing it rewrites reports without an evaluation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Presentation {
    /// Annotation `policies.kyverno.io/category`.
    pub category: Option<String>,
    /// Annotation `policies.kyverno.io/severity`.
    pub severity: Option<Severity>,
    /// False only for annotation `policies.kyverno.io/scored: "false"`: its failures are reported as `warn`.
    pub is_scored: bool,
    /// The property `process`; `background scan`, or `admission review` if the policy switched background scans off.
    pub process: &'static str,
}

/// Whether a scan of a cluster evaluates a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is evaluated.
    Scanned,
    /// It is evaluated in a folder and by `patrol test`, not in a cluster.
    FolderOnly {
        /// Why, for people.
        reason: String,
    },
    /// It is never evaluated by a scan.
    NotScanned {
        /// Why, for people.
        reason: String,
    },
}

impl Standing {
    /// The word that metrics and plans use.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Scanned => "scanned",
            Self::FolderOnly { .. } => "folder_only",
            Self::NotScanned { .. } => "not_scanned",
        }
    }

    /// Why it is not evaluated everywhere; `None` if it is.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Scanned => None,
            Self::FolderOnly { reason } | Self::NotScanned { reason } => Some(reason),
        }
    }
}

/// Something worth saying about a part of a policy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Warning {
    /// The field's path, such as `spec.rules[0].validate.pattrn`.
    pub path: String,
    /// What of the field's text is meant, if it is not the whole: from and to, in bytes.
    pub part: Option<(usize, usize)>,
    /// What is odd about it.
    pub message: String,
}

impl Warning {
    /// A warning about a field as a whole.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), part: None, message: message.into() }
    }

    /// The same about a part of the field's text.
    #[must_use]
    pub fn about(self, part: Range<usize>) -> Self {
        Self { part: Some((part.start, part.end)), ..self }
    }
}
