//! The state between scans: a key-value cache of bytes that may be lost, but never lies.
//!
//! Owns the [`Store`] trait, its two bodies ([`SledStore`] on disk, [`MemoryStore`] for tests and
//! `--no-state`), the seal on every row, and what happens to a database that is damaged, foreign, locked,
//! hung or out of space. Deliberately knows nothing about what the bytes mean. Nothing authoritative
//! lives here: a lost row costs an evaluation. Calls block; asynchronous callers use `spawn_blocking`.

use std::fmt;
use std::ops::ControlFlow;
use std::path::PathBuf;

mod codec;
mod copy;
mod engine;
mod error;
mod health;
mod layout;
mod memory;
mod rows;
mod seal;
mod sled_store;
mod state;
mod worker;

pub use copy::copy_state;
pub use error::StoreError;
pub use health::{Faults, Health, Rebuilt, RebuiltWhy};
pub use layout::STATE_FORMAT_VERSION;
pub use memory::MemoryStore;
pub use sled_store::{SledOptions, SledStore};
pub use state::{KnownSource, State, StateChange, known_sources};
pub use worker::WORKER_THREAD_NAME;

/// One change to the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// Stores the value under the key, in place of an older one.
    Put(Vec<u8>, Vec<u8>),
    /// Removes the key, if it is there.
    Delete(Vec<u8>),
}

impl Write {
    /// The key that is written.
    pub fn key(&self) -> &[u8] {
        match self {
            Self::Put(key, _) | Self::Delete(key) => key,
        }
    }
}

/// What a walk calls with each key and value.
pub type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// How a walk over the state ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum ScanEnd {
    /// Every row under the prefix was visited.
    Complete,
    /// The visitor asked to stop.
    Stopped,
    /// The database was lost or failed under the walk; rows that were not visited may exist no more.
    Cut,
}

/// When a compaction rewrites the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compaction {
    /// Only if it takes [`STATE_COMPACT_RATIO`](crate::limits::STATE_COMPACT_RATIO) times its live bytes, and
    /// at least [`STATE_COMPACT_BYTES_MIN`](crate::limits::STATE_COMPACT_BYTES_MIN).
    WhenOversized,
    /// In any case.
    Always,
}

/// What a compaction did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompactReport {
    /// Whether the database was rewritten.
    pub is_rewritten: bool,
    /// Why it was not, where it was asked for.
    pub failure: Option<String>,
    /// Bytes of the database on disk before.
    pub bytes_before: u64,
    /// Bytes of the database on disk after.
    pub bytes_after: u64,
    /// Rows carried over.
    pub n_rows: u64,
}

/// What a reading of every record found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Records read.
    pub n_rows: u64,
    /// Records whose checksum failed; they read as missing.
    pub n_checksum_mismatches: u64,
    /// Records of another version; they read as missing.
    pub n_version_mismatches: u64,
    /// Whether the walk reached the end (else the database was lost under it).
    pub is_complete: bool,
}

impl VerifyReport {
    /// Whether every record was read and proved whole.
    pub fn is_sound(&self) -> bool {
        self.is_complete && self.n_checksum_mismatches == 0 && self.n_version_mismatches == 0
    }
}

/// Size and counts of the state, from one walk over it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreStats {
    /// Where the state lives; `None` in memory.
    pub path: Option<PathBuf>,
    /// Records.
    pub n_rows: u64,
    /// Bytes of keys and values of all records, without what the database adds.
    pub live_bytes: u64,
    /// Bytes of the whole state folder, a damaged database that is kept aside included (0 in memory).
    pub size_on_disk_bytes: u64,
    /// What went wrong since the open.
    pub faults: Faults,
    /// Whether the store still stores.
    pub health: Health,
    /// The last rebuild since the open, that of the open included.
    pub rebuilt: Option<Rebuilt>,
}

/// A verified key-value cache of bytes.
///
/// INVARIANT: `get` and `scan_prefix` only give values that were once put under that very key, whatever
/// happened to the disk; anything else is a miss and a counter in [`Faults`]. After damage any row may be
/// missing, or be an older one that a later write replaced: records must carry what they were made from.
///
/// INVARIANT: a batch is seen whole or not at all, now, after a crash and after a full disk (not after
/// damage).
///
/// Trouble of the disk is never an `Err`: the store loses its rows or degrades, and says so in
/// [`Store::health`] and [`Store::rebuilt`]. A degraded store misses every read and drops every write.
pub trait Store: Send + Sync + fmt::Debug {
    /// The value under the key. `Err` only for a key that is too long or a closed store.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// The values under the keys, in the order of the keys; one step to the owner thread for all of them.
    fn get_many(&self, keys: Vec<Vec<u8>>) -> Result<Vec<Option<Vec<u8>>>, StoreError>;

    /// Applies the writes in order (the last one to a key wins).
    ///
    /// Up to [`STATE_BATCH_ROWS_MAX`](crate::limits::STATE_BATCH_ROWS_MAX) writes of together
    /// [`STATE_BATCH_BYTES_MAX`](crate::limits::STATE_BATCH_BYTES_MAX) bytes are one atomic batch; more
    /// are split into several. Nothing is applied if a key or value is too large.
    fn put_batch(&self, writes: Vec<Write>) -> Result<(), StoreError>;

    /// Visits the rows whose keys start with the prefix, in the order of the keys.
    ///
    /// The walk goes in steps and holds nothing between them: the visitor may use the store, and sees
    /// rows written meanwhile behind its position.
    fn scan_prefix(&self, prefix: &[u8], visit: &mut Visit<'_>) -> Result<ScanEnd, StoreError>;

    /// Makes everything that was put durable.
    fn flush(&self) -> Result<(), StoreError>;

    /// Bytes of the whole state folder, a damaged database that is kept aside included (0 in memory).
    fn size_on_disk(&self) -> Result<u64, StoreError>;

    /// Size and counts; walks over all rows.
    fn stats(&self) -> Result<StoreStats, StoreError>;

    /// Reads every record.
    fn verify(&self) -> Result<VerifyReport, StoreError>;

    /// Rewrites the database without what it no longer needs. Safe against a crash at any moment.
    fn compact(&self, when: Compaction) -> Result<CompactReport, StoreError>;

    /// Whether the store still stores.
    fn health(&self) -> Health;

    /// What went wrong since the open.
    fn faults(&self) -> Faults;

    /// The last rebuild since the open, that of the open included.
    fn rebuilt(&self) -> Option<Rebuilt>;

    /// Flushes and lets go of the folder; later calls give [`StoreError::Closed`]. Closing twice is fine.
    fn close(&self) -> Result<(), StoreError>;
}
