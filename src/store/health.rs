//! What a store says about itself: its health, its faults, its last rebuild.
//! Shared between the owner thread and the callers; knows no database.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Whether a store still stores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// Reads and writes work.
    Ok,
    /// Writes are dropped and counted, reads miss. A new open may end it.
    Degraded {
        /// Why, for the log and the operator.
        reason: String,
    },
}

/// Counts of what went wrong since the open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Faults {
    /// Rows whose checksum failed; each read as missing.
    pub checksum_mismatch: u64,
    /// Rows of another version; each read as missing.
    pub version_mismatch: u64,
    /// Panics of the database that were caught.
    pub panics: u64,
    /// Damage that the database reported itself.
    pub corruption: u64,
    /// Answers of the disk that ended the use of the database (no space, read-only, …).
    pub io_errors: u64,
    /// Calls that took too long.
    pub timeouts: u64,
    /// Databases moved aside and rebuilt.
    pub quarantined: u64,
    /// Writes dropped, because the store was degraded or became so.
    pub writes_dropped: u64,
}

/// One database that was moved aside and replaced by an empty one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuilt {
    /// Why.
    pub why: RebuiltWhy,
    /// Where the old database is now; `None` if it was too large to keep or could not be moved.
    pub moved_to: Option<PathBuf>,
}

/// Why a database was replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RebuiltWhy {
    /// It could not be read.
    Damaged {
        /// What was found.
        detail: String,
    },
    /// It was written by another version.
    OtherVersion {
        /// The version found.
        found: String,
    },
}

impl fmt::Display for RebuiltWhy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged { detail } => write!(f, "the state was damaged: {detail}"),
            Self::OtherVersion { found } => {
                write!(f, "the state was written by format version `{found}`")
            }
        }
    }
}

/// The counters behind [`Faults`], and the rest a store tells without asking its owner thread.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) checksum_mismatch: AtomicU64,
    pub(super) version_mismatch: AtomicU64,
    pub(super) panics: AtomicU64,
    pub(super) corruption: AtomicU64,
    pub(super) io_errors: AtomicU64,
    pub(super) timeouts: AtomicU64,
    pub(super) quarantined: AtomicU64,
    pub(super) writes_dropped: AtomicU64,
    status: Mutex<Status>,
}

#[derive(Debug, Default)]
struct Status {
    degraded: Option<String>,
    rebuilt: Option<Rebuilt>,
}

/// Adds to a counter of [`Shared`].
pub(super) fn count(counter: &AtomicU64, n: usize) {
    counter.fetch_add(n as u64, Ordering::Relaxed);
}

impl Shared {
    fn status(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn faults(&self) -> Faults {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Faults {
            checksum_mismatch: read(&self.checksum_mismatch),
            version_mismatch: read(&self.version_mismatch),
            panics: read(&self.panics),
            corruption: read(&self.corruption),
            io_errors: read(&self.io_errors),
            timeouts: read(&self.timeouts),
            quarantined: read(&self.quarantined),
            writes_dropped: read(&self.writes_dropped),
        }
    }

    pub(super) fn health(&self) -> Health {
        match &self.status().degraded {
            None => Health::Ok,
            Some(reason) => Health::Degraded { reason: reason.clone() },
        }
    }

    pub(super) fn is_degraded(&self) -> bool {
        self.status().degraded.is_some()
    }

    /// The first reason stays: what follows is its consequence.
    pub(super) fn degrade(&self, reason: String) {
        self.status().degraded.get_or_insert(reason);
    }

    pub(super) fn rebuilt(&self) -> Option<Rebuilt> {
        self.status().rebuilt.clone()
    }

    pub(super) fn set_rebuilt(&self, rebuilt: Rebuilt) {
        count(&self.quarantined, 1);
        self.status().rebuilt = Some(rebuilt);
    }
}
