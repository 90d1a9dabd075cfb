//! Every bound of the engine, with its reason. A bound is counted and reported where it bites, never silent.
//!
//! Operators' own settings are in `config`; what stands here protects Patrol from its input.

/// The largest object that is read, in bytes: eight times what etcd accepts by default, and far below what a tape can address.
pub const DOCUMENT_BYTES_MAX: usize = 16 << 20;

/// The deepest nesting that is read, in levels: real objects stay below 40, serde's own guard stands at 128.
pub const DOCUMENT_DEPTH_MAX: usize = 120;

/// How many sources (clusters, sets of folders) one state keeps: enough to scan several folders in turn, bounded so that forgotten ones go.
pub const STATE_SOURCES_MAX: usize = 16;

// State (`store/`).

/// Bytes of one key of the state. Longer than any group, kind, namespace, name and policy name joined.
pub const STATE_KEY_BYTES_MAX: usize = 2 * 1024;
/// Bytes of one stored value. A verdict is kilobytes; the largest object a server accepts is about 3 MB.
pub const STATE_VALUE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Bytes of one row in the database; longer values are split. From 128 KiB sled makes a file of each value.
pub const STATE_ROW_BYTES_MAX: usize = 60 * 1024;
/// Writes applied as one atomic batch. More pins too much of sled's log at once, fewer costs time.
pub const STATE_BATCH_ROWS_MAX: usize = 2_000;
/// Bytes of keys and values applied as one atomic batch; at least one value of the largest size fits.
pub const STATE_BATCH_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes of sled's page cache. Its default is 1 GiB; a scan must stay below 80 MB altogether.
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

/// How often one evaluation may ask for more facts before it is given up: each round may need what the round before named, as nested context entries do.
pub const FACT_ROUNDS_MAX: usize = 24;

/// How many lines of a plan are told one by one; the rest is counted.
pub const PLAN_LINES_MAX: usize = 10_000;

/// How many objects one worker takes at once: large enough to share look-ups, small enough to keep all workers busy.
pub const CHUNK_OBJECTS_MAX: usize = 64;

/// How many kinds are listed at once: small kinds are mostly waiting for the server.
pub const KINDS_LISTED_AT_ONCE: usize = 4;

/// How often the list of one kind starts again after it expired (410) within one scan.
pub const LIST_RESTARTS_MAX: usize = 3;
/// The most resource filters of one configuration: Kyverno's own ConfigMap has about 60, and each is tried for each resource.
pub const RESOURCE_FILTERS_MAX: usize = 1000;

/// The most kinds whose policies an index remembers: clusters serve a few hundred, and a folder can name any number.
pub const INDEXED_KINDS_MAX: usize = 4096;

// Configuration, schedules and telemetry.

/// Seconds between two runs of a schedule at least: a scan of an unchanged cluster still lists everything.
pub const SCHEDULE_EVERY_SECS_MIN: u64 = 10;
/// The most schedules of one configuration; each has a place in the queue, a label in metrics and a line in the state.
pub const SCHEDULES_MAX: usize = 64;
/// Bytes of a configuration file at most: a ConfigMap, which is where it usually comes from, holds no more.
pub const CONFIG_BYTES_MAX: u64 = 1 << 20;
/// The most mistakes of one configuration that are told one by one; beyond, the rest is counted.
pub const CONFIG_MISTAKES_MAX: usize = 100;
/// Entries of one list in the configuration: excluded namespaces and labels are tried for each resource.
pub const CONFIG_LIST_MAX: usize = 1000;
/// Series of one metric at most: 200 policies in 100 namespaces with two statuses; Prometheus itself grows slow on more.
pub const METRIC_SERIES_MAX: usize = 40_000;
/// Seconds for which open connections are let finish when a server stops; SIGTERM leaves ten in all.
pub const HTTP_DRAIN_SECS_MAX: u64 = 2;
