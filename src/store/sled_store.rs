//! The state on disk: the calling side of the owner thread, as a [`Store`]. Checks what callers give,
//! splits large batches, bounds every call in time. What happens to the database itself is the engine's.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::limits::{
    STATE_BATCH_BYTES_MAX, STATE_BATCH_ROWS_MAX, STATE_CACHE_BYTES, STATE_CALL_SECS_MAX,
    STATE_CLOSE_SECS_MAX, STATE_COMPACT_SECS_MAX, STATE_FLUSH_EVERY_MS, STATE_OPEN_SECS_MAX,
};

use super::engine::{Engine, Settings};
use super::health::{Shared, count};
use super::layout::folder_bytes;
use super::rows::{Page, PageFrom};
use super::seal::{check_key, check_value};
use super::worker::{NoAnswer, NoStart, Worker};
use super::{
    CompactReport, Compaction, Faults, Health, Rebuilt, ScanEnd, Store, StoreError, StoreStats, VerifyReport,
    Visit, Write,
};

/// How a state folder is opened; the defaults are those of `limits.rs`.
#[derive(Debug, Clone)]
pub struct SledOptions {
    /// Time limit of the open.
    pub open_limit: Duration,
    /// Time limit of one step: a read, a batch, a flush.
    pub call_limit: Duration,
    /// Time limit of a compaction.
    pub compact_limit: Duration,
    /// Time limit of the close.
    pub close_limit: Duration,
}

impl Default for SledOptions {
    fn default() -> Self {
        Self {
            open_limit: Duration::from_secs(STATE_OPEN_SECS_MAX),
            call_limit: Duration::from_secs(STATE_CALL_SECS_MAX),
            compact_limit: Duration::from_secs(STATE_COMPACT_SECS_MAX),
            close_limit: Duration::from_secs(STATE_CLOSE_SECS_MAX),
        }
    }
}

/// A [`Store`] in a folder.
#[derive(Debug)]
pub struct SledStore {
    path: PathBuf,
    options: SledOptions,
    worker: Worker<Engine>,
    shared: Arc<Shared>,
    is_closed: AtomicBool,
}

impl SledStore {
    /// Opens the folder, making it if needed.
    ///
    /// A database that is damaged or another version's is moved aside and replaced by an empty one, which
    /// [`Store::rebuilt`] tells. A folder in use and a folder of somebody else's are refused and left alone.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_with(path, SledOptions::default())
    }

    /// Opens the folder with other time limits.
    pub fn open_with(path: &Path, options: SledOptions) -> Result<Self, StoreError> {
        let shared = Arc::new(Shared::default());
        let settings = Settings { cache_bytes: STATE_CACHE_BYTES, flush_every_ms: STATE_FLUSH_EVERY_MS };
        let start = {
            let (path, shared) = (path.to_owned(), shared.clone());
            move || Engine::open(&path, settings, shared)
        };
        let path = path.to_owned();
        match Worker::start(options.open_limit, start) {
            Ok(worker) => Ok(Self { path, options, worker, shared, is_closed: AtomicBool::new(false) }),
            Err(NoStart::Failed(error)) => Err(error),
            Err(NoStart::TimedOut) => {
                Err(StoreError::OpenTimeout { path, seconds: options.open_limit.as_secs() })
            }
            Err(NoStart::Panicked) => {
                let reason = "the open panicked, or no thread could be started".to_owned();
                Err(StoreError::Unbuildable { path, reason })
            }
        }
    }

    /// Runs a job on the owner thread; `None` if the store is degraded, or became so by it.
    fn ask<T: Send + 'static>(
        &self,
        limit: Duration,
        job: impl FnOnce(&mut Engine) -> T + Send + 'static,
    ) -> Result<Option<T>, StoreError> {
        if self.is_closed.load(Ordering::Acquire) {
            return Err(StoreError::Closed);
        }
        if self.shared.is_degraded() {
            return Ok(None);
        }
        match self.worker.call(limit, job) {
            Ok(answer) => Ok(Some(answer)),
            Err(NoAnswer::Gone) if self.is_closed.load(Ordering::Acquire) => Err(StoreError::Closed),
            Err(NoAnswer::Gone) => {
                self.shared.degrade("the thread that owns the database is gone".to_owned());
                Ok(None)
            }
            Err(NoAnswer::TimedOut) => {
                count(&self.shared.timeouts, 1);
                let seconds = limit.as_secs();
                self.shared.degrade(format!("the database did not answer within {seconds} s"));
                Ok(None)
            }
            Err(NoAnswer::Panicked) => {
                count(&self.shared.panics, 1);
                self.shared.degrade("the thread that owns the database panicked".to_owned());
                Ok(None)
            }
        }
    }

    /// Walks over the records in steps; `visit` sees each page.
    fn walk(
        &self,
        prefix: &[u8],
        visit: &mut dyn FnMut(&Page) -> ControlFlow<()>,
    ) -> Result<ScanEnd, StoreError> {
        // A database that is rebuilt between two steps would continue as if the rows before had never been.
        let n_rebuilds = self.shared.faults().quarantined;
        let mut from = PageFrom::Start;
        loop {
            let prefix = prefix.to_vec();
            let page = self.ask(self.options.call_limit, move |engine| engine.page(&prefix, &from))?;
            let Some(page) = page.flatten() else {
                return Ok(ScanEnd::Cut);
            };
            if self.shared.faults().quarantined != n_rebuilds {
                return Ok(ScanEnd::Cut);
            }
            if visit(&page).is_break() {
                return Ok(ScanEnd::Stopped);
            }
            match page.next {
                Some(key) => from = PageFrom::After(key),
                None => return Ok(ScanEnd::Complete),
            }
        }
    }
}

impl Store for SledStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.get_many(vec![key.to_vec()])?.pop().flatten())
    }

    fn get_many(&self, keys: Vec<Vec<u8>>) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        keys.iter().try_for_each(|key| check_key(key))?;
        let n_keys = keys.len();
        let values = self.ask(self.options.call_limit, move |engine| engine.get_many(&keys))?;
        Ok(values.unwrap_or_else(|| vec![None; n_keys]))
    }

    fn put_batch(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        for write in &writes {
            check_key(write.key())?;
            if let Write::Put(_, value) = write {
                check_value(value)?;
            }
        }
        for batch in split_batch(writes) {
            let n_writes = batch.len();
            let applied = self.ask(self.options.call_limit, move |engine| {
                engine.put_batch(batch);
            })?;
            if applied.is_none() {
                count(&self.shared.writes_dropped, n_writes);
            }
        }
        Ok(())
    }

    fn scan_prefix(&self, prefix: &[u8], visit: &mut Visit<'_>) -> Result<ScanEnd, StoreError> {
        check_key(prefix)?;
        self.walk(prefix, &mut |page| page.rows.iter().try_for_each(|(key, value)| visit(key, value)))
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.ask(self.options.call_limit, Engine::flush).map(drop)
    }

    fn size_on_disk(&self) -> Result<u64, StoreError> {
        if self.is_closed.load(Ordering::Acquire) {
            return Err(StoreError::Closed);
        }
        Ok(folder_bytes(&self.path))
    }

    fn stats(&self) -> Result<StoreStats, StoreError> {
        let (mut n_rows, mut live_bytes) = (0, 0);
        let _ended = self.walk(&[], &mut |page| {
            n_rows += page.rows.len() as u64;
            live_bytes += page.rows.iter().map(|(key, value)| (key.len() + value.len()) as u64).sum::<u64>();
            ControlFlow::Continue(())
        })?;
        Ok(StoreStats {
            path: Some(self.path.clone()),
            n_rows,
            live_bytes,
            size_on_disk_bytes: self.size_on_disk()?,
            faults: self.faults(),
            health: self.health(),
            rebuilt: self.rebuilt(),
        })
    }

    fn verify(&self) -> Result<VerifyReport, StoreError> {
        let mut report = VerifyReport::default();
        let ended = self.walk(&[], &mut |page| {
            report.n_rows += page.n_read;
            report.n_checksum_mismatches += page.n_checksum_mismatches;
            report.n_version_mismatches += page.n_version_mismatches;
            ControlFlow::Continue(())
        })?;
        report.is_complete = ended == ScanEnd::Complete;
        Ok(report)
    }

    fn compact(&self, when: Compaction) -> Result<CompactReport, StoreError> {
        let report = self.ask(self.options.compact_limit, move |engine| engine.compact(when))?;
        Ok(report.unwrap_or_else(|| CompactReport {
            is_rewritten: false,
            failure: Some("the state is degraded".to_owned()),
            bytes_before: 0,
            bytes_after: 0,
            n_rows: 0,
        }))
    }

    fn health(&self) -> Health {
        self.shared.health()
    }

    fn faults(&self) -> Faults {
        self.shared.faults()
    }

    fn rebuilt(&self) -> Option<Rebuilt> {
        self.shared.rebuilt()
    }

    fn close(&self) -> Result<(), StoreError> {
        let was_closed = self.is_closed.swap(true, Ordering::AcqRel);
        if !was_closed && !self.worker.close(self.options.close_limit) {
            count(&self.shared.timeouts, 1);
            self.shared.degrade("the database did not close in time".to_owned());
        }
        Ok(())
    }
}

impl Drop for SledStore {
    fn drop(&mut self) {
        drop(self.close());
    }
}

/// Splits writes into atomic batches within the limits of rows and bytes.
fn split_batch(writes: Vec<Write>) -> Vec<Vec<Write>> {
    let mut batches = Vec::new();
    let mut batch = Vec::new();
    let mut batch_bytes = 0;
    for write in writes {
        let bytes = match &write {
            Write::Put(key, value) => key.len() + value.len(),
            Write::Delete(key) => key.len(),
        };
        let is_full = batch.len() >= STATE_BATCH_ROWS_MAX || batch_bytes + bytes > STATE_BATCH_BYTES_MAX;
        if is_full && !batch.is_empty() {
            batches.push(std::mem::take(&mut batch));
            batch_bytes = 0;
        }
        batch_bytes += bytes;
        batch.push(write);
    }
    if !batch.is_empty() {
        batches.push(batch);
    }
    batches
}
