//! limits: see ARCHITECTURE.md.

// State (`store/`).

/// Bytes of one key of the state. Longer than any group, kind, namespace, name and policy name joined.
pub const STATE_KEY_BYTES_MAX: usize = 2 * 1024;
/// Bytes of one stored value. A verdict is kilobytes; the largest object a server accepts is about 3 MB.
pub const STATE_VALUE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Bytes of one row in the database; longer values are split. sled puts up to 18 rows on a page, and
/// makes a file of its own of each page from 128 KiB: 18 rows of this size, with keys of the largest
/// size, stay below.
pub const STATE_ROW_BYTES_MAX: usize = 4 * 1024;
/// Writes applied as one atomic batch. More pins too much of sled's log at once, fewer costs time.
pub const STATE_BATCH_ROWS_MAX: usize = 2_000;
/// Bytes of keys and values applied as one atomic batch; at least one value of the largest size fits.
pub const STATE_BATCH_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes of sled's page cache. Its default is 1 GiB; a scan must stay below 80 MB altogether. sled counts a
/// page only after 64 accesses to its shard of 256, so that a walk over 70,000 rows of 300 bytes keeps
/// about 38 MB whatever is set here, and 280,000 rows keep 60 to 75 MB.
pub const STATE_CACHE_BYTES: u64 = 16 * 1024 * 1024;
/// Milliseconds between background flushes; what a power cut may lose between explicit flushes.
pub const STATE_FLUSH_EVERY_MS: u64 = 500;
/// Seconds an open may take before the scan goes on without state. 200,000 rows open in 0.12 s.
pub const STATE_OPEN_SECS_MAX: u64 = 30;
/// Seconds one read, batch or flush may take before the store counts as hung; slow network disks fit.
pub const STATE_CALL_SECS_MAX: u64 = 60;
/// Seconds a compaction may take before the store counts as hung.
pub const STATE_COMPACT_SECS_MAX: u64 = 600;
/// Seconds a close may take; half of what the service has for its exit after SIGTERM.
pub const STATE_CLOSE_SECS_MAX: u64 = 5;
/// Seconds that letting go of a sled handle may take before it is left to itself. Its threads may be
/// dead or blocked; shorter than a close, which lets go of the folder after it.
pub const STATE_DROP_SECS_MAX: u64 = 3;
/// Milliseconds to wait for a database that this process closed a moment ago to let go of its file.
pub const STATE_LOCK_WAIT_MS_MAX: u64 = 3_000;
/// Bytes on disk below which a compaction is not worth its writes.
pub const STATE_COMPACT_BYTES_MIN: u64 = 64 * 1024 * 1024;
/// How many times its live bytes the state may take on disk before it is rewritten.
pub const STATE_COMPACT_RATIO: u64 = 4;
/// Rebuilds of a damaged state in one process; after that the disk is at fault, and the state is left off.
pub const STATE_REBUILDS_MAX: u32 = 3;
/// Damaged databases kept beside the live one for inspection.
pub const STATE_QUARANTINES_MAX: usize = 1;
/// Bytes of a damaged database that is kept; a larger one is deleted, or the volume fills up.
pub const STATE_QUARANTINE_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Rows read in one step of a walk over the state; others get their turn between steps.
pub const STATE_PAGE_ROWS_MAX: usize = 512;
/// Bytes read in one step of a walk over the state (a single larger value still passes).
pub const STATE_PAGE_BYTES_MAX: usize = 1024 * 1024;
