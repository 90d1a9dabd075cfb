//! The state in memory: for tests, for `--no-state`, and in the place of a folder that cannot be used.
//! Keeps the same limits and promises as the one on disk, except that nothing outlives the process.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::limits::STATE_PAGE_ROWS_MAX;

use super::seal::{check_key, check_value};
use super::{
    CompactReport, Compaction, Faults, Health, Rebuilt, ScanEnd, Store, StoreError, StoreStats, VerifyReport,
    Visit, Write,
};

/// A [`Store`] whose rows live as long as it does.
#[derive(Debug)]
pub struct MemoryStore {
    /// `None` once closed.
    rows: RwLock<Option<Rows>>,
    stands_in_because: Option<String>,
}

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;
type Page = Vec<(Vec<u8>, Vec<u8>)>;

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self { rows: RwLock::new(Some(Rows::new())), stands_in_because: None }
    }

    /// An empty store in the place of a folder that cannot be used: it works, and its health says why it
    /// is here.
    pub fn standing_in(reason: impl Into<String>) -> Self {
        Self { stands_in_because: Some(reason.into()), ..Self::new() }
    }

    fn read(&self) -> RwLockReadGuard<'_, Option<Rows>> {
        self.rows.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Option<Rows>> {
        self.rows.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn with_rows<T>(&self, read: impl FnOnce(&Rows) -> T) -> Result<T, StoreError> {
        self.read().as_ref().map(read).ok_or(StoreError::Closed)
    }

    fn page(&self, prefix: &[u8], after: Bound<Vec<u8>>) -> Result<Page, StoreError> {
        self.with_rows(|rows| {
            rows.range((after, Bound::Unbounded))
                .take_while(|(key, _)| key.starts_with(prefix))
                .take(STATE_PAGE_ROWS_MAX)
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect()
        })
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl Store for MemoryStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        check_key(key)?;
        self.with_rows(|rows| rows.get(key).cloned())
    }

    fn get_many(&self, keys: Vec<Vec<u8>>) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        keys.iter().try_for_each(|key| check_key(key))?;
        self.with_rows(|rows| keys.iter().map(|key| rows.get(key).cloned()).collect())
    }

    fn put_batch(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        for write in &writes {
            check_key(write.key())?;
            if let Write::Put(_, value) = write {
                check_value(value)?;
            }
        }
        let mut guard = self.write();
        let rows = guard.as_mut().ok_or(StoreError::Closed)?;
        for write in writes {
            match write {
                Write::Put(key, value) => rows.insert(key, value),
                Write::Delete(key) => rows.remove(&key),
            };
        }
        Ok(())
    }

    fn scan_prefix(&self, prefix: &[u8], visit: &mut Visit<'_>) -> Result<ScanEnd, StoreError> {
        check_key(prefix)?;
        let mut after = Bound::Included(prefix.to_vec());
        loop {
            let page = self.page(prefix, after)?;
            let Some((last, _)) = page.last() else {
                return Ok(ScanEnd::Complete);
            };
            after = Bound::Excluded(last.clone());
            for (key, value) in &page {
                if visit(key, value).is_break() {
                    return Ok(ScanEnd::Stopped);
                }
            }
        }
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.with_rows(|_| ())
    }

    fn size_on_disk(&self) -> Result<u64, StoreError> {
        self.with_rows(|_| 0)
    }

    fn stats(&self) -> Result<StoreStats, StoreError> {
        self.with_rows(|rows| StoreStats {
            path: None,
            n_rows: rows.len() as u64,
            live_bytes: rows.iter().map(|(key, value)| (key.len() + value.len()) as u64).sum(),
            size_on_disk_bytes: 0,
            faults: self.faults(),
            health: self.health(),
            rebuilt: None,
        })
    }

    fn verify(&self) -> Result<VerifyReport, StoreError> {
        self.with_rows(|rows| VerifyReport {
            n_rows: rows.len() as u64,
            is_complete: true,
            ..VerifyReport::default()
        })
    }

    fn compact(&self, _when: Compaction) -> Result<CompactReport, StoreError> {
        self.with_rows(|rows| CompactReport {
            is_rewritten: false,
            failure: None,
            bytes_before: 0,
            bytes_after: 0,
            n_rows: rows.len() as u64,
        })
    }

    fn health(&self) -> Health {
        match &self.stands_in_because {
            None => Health::Ok,
            Some(reason) => Health::Degraded { reason: reason.clone() },
        }
    }

    fn faults(&self) -> Faults {
        Faults::default()
    }

    fn rebuilt(&self) -> Option<Rebuilt> {
        None
    }

    fn close(&self) -> Result<(), StoreError> {
        *self.write() = None;
        Ok(())
    }
}
