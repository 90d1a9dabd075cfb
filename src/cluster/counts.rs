//! Every request that was answered, or not, by what it asked for: for metrics, and to prove what a scan does
//! not ask.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::DashMap;

/// What kind of request was made, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestKind {
    /// `list`, `get`, `create`, `update`, `delete`, or `discover`.
    pub verb: &'static str,
    /// `group/plural`, the plural alone in the core group, or empty for what is no resource.
    pub resource: String,
    /// The HTTP status; 0 if there was no whole reply.
    pub code: u16,
}

/// Counts of requests.
#[derive(Debug, Default)]
pub(super) struct Counts(DashMap<RequestKind, AtomicU64>);

impl Counts {
    pub(super) fn add(&self, verb: &'static str, resource: &str, code: u16) {
        let kind = RequestKind { verb, resource: resource.to_owned(), code };
        self.0.entry(kind).or_default().fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn all(&self) -> BTreeMap<RequestKind, u64> {
        self.0.iter().map(|entry| (entry.key().clone(), entry.value().load(Ordering::Relaxed))).collect()
    }
}
