//! One sled database and everything that may go wrong with it; lives on the owner thread.
//!
//! Every call into sled is guarded. Damage (a panic, a corruption error) moves the database aside and
//! opens an empty one; a disk that refuses ends the use of the database. A batch that failed may be half
//! applied in memory, so nothing is read from such a database any more. Deliberately has no time limits:
//! those are the worker's.

use std::any::Any;
use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::limits::{STATE_DROP_SECS_MAX, STATE_LOCK_WAIT_MS_MAX, STATE_REBUILDS_MAX};

use super::health::{Shared, count};
use super::layout::{Marker, StateFolder, folder_bytes};
use super::rows::{self, Page, PageFrom};
use super::worker::drop_within;
use super::{CompactReport, Compaction, Rebuilt, RebuiltWhy, StoreError, Write};

mod compact;

/// How long to wait between two tries to lock a database that is being closed.
const LOCK_RETRY: Duration = Duration::from_millis(20);

/// Settings of the database.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    pub(super) cache_bytes: u64,
    pub(super) flush_every_ms: u64,
}

/// The database on its thread.
#[derive(Debug)]
pub(super) struct Engine {
    // INVARIANT: dropped before `folder`, which holds the lock.
    db: Option<Database>,
    folder: StateFolder,
    /// Name of the live database's folder.
    live: String,
    settings: Settings,
    shared: Arc<Shared>,
    n_rebuilds: u32,
}

/// A sled handle whose drop, which may hang or panic, is bounded.
#[derive(Debug)]
struct Database(Option<sled::Db>);

impl Drop for Database {
    fn drop(&mut self) {
        if let Some(db) = self.0.take() {
            drop_within(db, Duration::from_secs(STATE_DROP_SECS_MAX));
        }
    }
}

/// What a guarded call of sled gave instead of its answer.
#[derive(Debug)]
enum Trouble {
    /// The database cannot be trusted any more.
    Damaged(String),
    /// It panicked.
    Panicked(String),
    /// The disk refuses.
    Refused(io::Error),
    /// Another handle has the file.
    Locked,
}

impl Engine {
    /// Locks the folder and opens its live database; moves it aside first if it is damaged or another
    /// version's.
    pub(super) fn open(path: &Path, settings: Settings, shared: Arc<Shared>) -> Result<Self, StoreError> {
        let folder = StateFolder::claim(path)?;
        let (live, why) = match folder.marker()? {
            Marker::Live(name) => (Some(name), None),
            Marker::Fresh => (None, None),
            Marker::OtherVersion(found) => (None, Some(RebuiltWhy::OtherVersion { found })),
            Marker::Damaged => {
                let detail = "its marker file is lost or cannot be read".to_owned();
                (None, Some(RebuiltWhy::Damaged { detail }))
            }
        };
        let name = live.clone().map_or_else(|| folder.unused_name(None), Ok)?;
        let mut engine = Self { db: None, folder, live: name, settings, shared, n_rebuilds: 0 };
        match (live, why) {
            (Some(name), _) => {
                engine.folder.remove_leftovers(&name);
                if let Err(trouble) = engine.open_live() {
                    let why = engine.damage_or_error(trouble)?;
                    engine.rebuild(why)?;
                }
            }
            (None, Some(why)) => engine.rebuild(why)?,
            (None, None) => {
                engine.folder.set_live(&engine.live)?;
                engine.open_new()?;
            }
        }
        Ok(engine)
    }

    fn open_live(&mut self) -> Result<(), Trouble> {
        let path = self.folder.make_database_folder(&self.live).map_err(|error| match error {
            StoreError::Io { source, .. } => sort_error(sled::Error::Io(source)),
            other => Trouble::Damaged(other.to_string()),
        })?;
        self.db = Some(open_database(&path, self.settings, &self.shared)?);
        Ok(())
    }

    /// What to rebuild for, or the error to give up with.
    fn damage_or_error(&self, trouble: Trouble) -> Result<RebuiltWhy, StoreError> {
        let path = self.folder.path().to_owned();
        match trouble {
            Trouble::Damaged(detail) | Trouble::Panicked(detail) => Ok(RebuiltWhy::Damaged { detail }),
            Trouble::Refused(source) => Err(StoreError::Io { path, action: "open the database", source }),
            Trouble::Locked => Err(StoreError::Locked { path, pid: None }),
        }
    }

    /// Moves what is there aside and opens an empty database under a new name.
    fn rebuild(&mut self, why: RebuiltWhy) -> Result<(), StoreError> {
        self.db = None;
        self.n_rebuilds += 1;
        let name = self.folder.unused_name(Some(&self.live))?;
        let moved_to = self.folder.quarantine(None);
        self.live = name;
        self.folder.set_live(&self.live)?;
        self.shared.set_rebuilt(Rebuilt { why, moved_to });
        self.open_new()
    }

    /// Opens a database that is not there yet: nothing in it can be damaged.
    fn open_new(&mut self) -> Result<(), StoreError> {
        let Err(trouble) = self.open_live() else {
            return Ok(());
        };
        let reason = self.damage_or_error(trouble)?.to_string();
        Err(StoreError::Unbuildable { path: self.folder.path().to_owned(), reason })
    }

    /// Ends the use of a database that failed, and goes on with an empty one where that makes sense.
    fn overcome(&mut self, trouble: Trouble) {
        // WHY first: whatever follows, this database is not read again, since a batch may be half applied
        // in it.
        self.db = None;
        let why = match self.damage_or_error(trouble) {
            Ok(why) if self.n_rebuilds < STATE_REBUILDS_MAX => why,
            Ok(why) => {
                let n = self.n_rebuilds;
                return self.shared.degrade(format!("{why}; not rebuilt again after {n} rebuilds"));
            }
            Err(error) => return self.shared.degrade(error.to_string()),
        };
        if let Err(error) = self.rebuild(why) {
            self.db = None;
            self.shared.degrade(error.to_string());
        }
    }

    /// Runs a guarded call on the database; `None` if there is none, or there was until now.
    fn with_db<T>(&mut self, call: impl FnOnce(&sled::Db, &Shared) -> sled::Result<T>) -> Option<T> {
        let db = self.db.as_ref()?.0.as_ref()?;
        match guarded(&self.shared, || call(db, &self.shared)) {
            Ok(value) => Some(value),
            Err(trouble) => {
                self.overcome(trouble);
                None
            }
        }
    }

    pub(super) fn get_many(&mut self, keys: &[Vec<u8>]) -> Vec<Option<Vec<u8>>> {
        self.with_db(|db, shared| keys.iter().map(|key| rows::read(db, shared, key)).collect())
            .unwrap_or_else(|| vec![None; keys.len()])
    }

    /// Applies one atomic batch; tried again on the new database if the old one broke.
    pub(super) fn put_batch(&mut self, writes: Vec<Write>) {
        let n_writes = writes.len();
        let last: BTreeMap<Vec<u8>, Option<Vec<u8>>> = writes
            .into_iter()
            .map(|write| match write {
                Write::Put(key, value) => (key, Some(value)),
                Write::Delete(key) => (key, None),
            })
            .collect();
        let is_applied = (0..=STATE_REBUILDS_MAX)
            .any(|_| self.with_db(|db, shared| rows::apply(db, shared, &last)).is_some());
        if !is_applied {
            count(&self.shared.writes_dropped, n_writes);
        }
    }

    /// One step of a walk; `None` if the database was lost.
    pub(super) fn page(&mut self, prefix: &[u8], from: &PageFrom) -> Option<Page> {
        self.with_db(|db, shared| rows::page(db, shared, prefix, from))
    }

    /// Writes everything out, and makes it durable.
    pub(super) fn flush(&mut self) {
        let file = self.database_path().join("db");
        self.with_db(|db, _| {
            db.flush()?;
            // WHY: sled's flush waits for the writing of the data, not for the size of the file.
            std::fs::File::open(&file)?.sync_all()?;
            Ok(())
        });
    }

    pub(super) fn size_on_disk(&self) -> u64 {
        folder_bytes(&self.database_path())
    }

    fn database_path(&self) -> PathBuf {
        self.folder.database_path(&self.live)
    }

    /// Rewrites the database into a new folder, and swaps the two by the marker.
    pub(super) fn compact(&mut self, when: Compaction) -> CompactReport {
        compact::run(self, when)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.flush();
    }
}

/// Opens a sled database, waiting a little for a handle of this process that is still being dropped.
fn open_database(path: &Path, settings: Settings, shared: &Shared) -> Result<Database, Trouble> {
    let give_up_at = Instant::now() + Duration::from_millis(STATE_LOCK_WAIT_MS_MAX);
    loop {
        let opened = guarded(shared, || {
            sled::Config::new()
                .path(path)
                .cache_capacity(settings.cache_bytes)
                .flush_every_ms(Some(settings.flush_every_ms))
                .use_compression(false)
                .open()
        });
        match opened {
            Err(Trouble::Locked) if Instant::now() < give_up_at => thread::sleep(LOCK_RETRY),
            opened => return opened.map(|db| Database(Some(db))),
        }
    }
}

fn guarded<T>(shared: &Shared, call: impl FnOnce() -> sled::Result<T>) -> Result<T, Trouble> {
    let trouble = match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(error)) => sort_error(error),
        Err(payload) => Trouble::Panicked(format!("the database panicked: {}", panic_text(payload.as_ref()))),
    };
    match &trouble {
        Trouble::Damaged(_) => count(&shared.corruption, 1),
        Trouble::Panicked(_) => count(&shared.panics, 1),
        Trouble::Refused(_) => count(&shared.io_errors, 1),
        Trouble::Locked => {}
    }
    Err(trouble)
}

/// Tells damage of the database from a disk (or a process limit) that refuses. What is not known to be a
/// refusal is damage: after it a batch may be half written.
fn sort_error(error: sled::Error) -> Trouble {
    /// `ENFILE` and `EMFILE`: too many open files, for which the standard library has no kind.
    const TOO_MANY_FILES: [i32; 2] = [23, 24];
    let sled::Error::Io(error) = error else {
        return Trouble::Damaged(error.to_string());
    };
    let is_refusal = matches!(
        error.kind(),
        io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::PermissionDenied
            | io::ErrorKind::OutOfMemory
    ) || error.raw_os_error().is_some_and(|code| TOO_MANY_FILES.contains(&code));
    if is_refusal {
        Trouble::Refused(error)
    } else if error.to_string().contains("could not acquire lock") {
        Trouble::Locked
    } else {
        Trouble::Damaged(error.to_string())
    }
}

fn panic_text(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

#[cfg(test)]
mod tests;
