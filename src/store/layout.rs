//! The state folder: whose it is, who uses it, which database in it is the live one, and what is moved
//! aside.
//!
//! `PATROL-STATE` is the marker: format version and name of the live database folder (`db-1`, `db-2`, …).
//! Replacing the marker by a rename is the one moment at which another database becomes the live one;
//! folders that it does not name are leftovers and go away at the next open. Names are never reused
//! within a folder's life, so a database that was given up cannot write into its successor. `LOCK` is
//! locked while the folder is used and names the process. Knows nothing about what is inside a database.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::limits::{STATE_QUARANTINE_BYTES_MAX, STATE_QUARANTINES_MAX};

use super::StoreError;

/// Version of the state folder's layout; a folder of another version is moved aside and rebuilt.
pub const STATE_FORMAT_VERSION: u32 = 1;

const MARKER: &str = "PATROL-STATE";
const MARKER_NEW: &str = "PATROL-STATE.new";
pub(super) const LOCK: &str = "LOCK";
/// What `mkfs` leaves in the root of a volume.
const LOST_AND_FOUND: &str = "lost+found";
const DATABASE_PREFIX: &str = "db-";
const QUARANTINE_PREFIX: &str = "quarantine-";
/// Bytes of a marker that are read; a real one has about 50.
const MARKER_BYTES_MAX: u64 = 4096;

/// A state folder that this process has locked.
#[derive(Debug)]
pub(super) struct StateFolder {
    path: PathBuf,
    /// Locked until dropped.
    lock: File,
}

impl Drop for StateFolder {
    fn drop(&mut self) {
        // WHY not by closing alone: a process that another thread is just starting has a copy of the
        // file until it runs its program, and would hold the lock as long.
        drop(self.lock.unlock());
    }
}

/// What the marker says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Marker {
    /// Nothing was ever stored here.
    Fresh,
    /// The name of the live database's folder.
    Live(String),
    /// Another version wrote it.
    OtherVersion(String),
    /// It cannot be read, or is lost while there is a database.
    Damaged,
}

impl StateFolder {
    /// Makes the folder if needed and locks it. Refuses, and does not touch, what is not Patrol's.
    pub(super) fn claim(path: &Path) -> Result<Self, StoreError> {
        let io_error = |action| move |source| StoreError::Io { path: path.to_owned(), action, source };
        if path.exists() {
            if !path.is_dir() {
                return Err(StoreError::NotAFolder { path: path.to_owned() });
            }
            if let Some(found) = foreign_entry(path).map_err(io_error("read the folder"))? {
                return Err(StoreError::Foreign { path: path.to_owned(), found });
            }
        } else {
            private_folder().recursive(true).create(path).map_err(io_error("make the folder"))?;
        }
        let mut lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path.join(LOCK))
            .map_err(io_error("write the lock file"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::Locked { path: path.to_owned(), pid: read_pid(&mut lock) });
            }
            Err(TryLockError::Error(source)) => return Err(io_error("lock the folder")(source)),
        }
        // The number is for people only: without space for it the lock holds as well.
        drop(write_pid(&mut lock));
        Ok(Self { path: path.to_owned(), lock })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn database_path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Reads the marker.
    pub(super) fn marker(&self) -> Result<Marker, StoreError> {
        let text = match File::open(self.path.join(MARKER)) {
            Ok(file) => {
                let mut text = Vec::new();
                file.take(MARKER_BYTES_MAX)
                    .read_to_end(&mut text)
                    .map_err(|e| self.io("read the marker", e))?;
                text
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let is_fresh = self.database_numbers()?.is_empty();
                return Ok(if is_fresh { Marker::Fresh } else { Marker::Damaged });
            }
            Err(e) => return Err(self.io("read the marker", e)),
        };
        Ok(parse_marker(&String::from_utf8_lossy(&text)))
    }

    /// Makes the named database the live one, atomically.
    pub(super) fn set_live(&self, name: &str) -> Result<(), StoreError> {
        let write = || -> io::Result<()> {
            let mut file = File::create(self.path.join(MARKER_NEW))?;
            file.write_all(
                format!("patrol-state\nformat {STATE_FORMAT_VERSION}\ndatabase {name}\n").as_bytes(),
            )?;
            file.sync_all()?;
            fs::rename(self.path.join(MARKER_NEW), self.path.join(MARKER))?;
            sync_folder(&self.path)
        };
        write().map_err(|e| self.io("write the marker", e))
    }

    /// A name that no database here has or had, as far as the folder shows.
    pub(super) fn unused_name(&self, live: Option<&str>) -> Result<String, StoreError> {
        let live = live.and_then(database_number);
        let last = self.database_numbers()?.into_iter().chain(live).max().unwrap_or(0);
        Ok(format!("{DATABASE_PREFIX}{}", last.saturating_add(1)))
    }

    /// Makes the folder of a database, readable for its owner only.
    pub(super) fn make_database_folder(&self, name: &str) -> Result<PathBuf, StoreError> {
        let path = self.database_path(name);
        private_folder().recursive(true).create(&path).map_err(|e| self.io("make the database folder", e))?;
        restrict(&path).map_err(|e| self.io("restrict the database folder", e))?;
        Ok(path)
    }

    /// Moves the named databases (all but `keep`) out of the way; the path of the last one that was kept.
    ///
    /// What cannot be moved stays as a leftover, which is deleted by the next open.
    pub(super) fn quarantine(&self, keep: Option<&str>) -> Option<PathBuf> {
        let mut moved_to = None;
        for number in self.database_numbers().unwrap_or_default() {
            let name = format!("{DATABASE_PREFIX}{number}");
            if keep == Some(name.as_str()) {
                continue;
            }
            let from = self.path.join(&name);
            if folder_bytes(&from) > STATE_QUARANTINE_BYTES_MAX {
                remove(&from);
                continue;
            }
            let to = self.path.join(format!("{QUARANTINE_PREFIX}{}-{number}", unix_seconds()));
            if fs::rename(&from, &to).is_ok() {
                moved_to = Some(to);
            }
        }
        self.prune_quarantines();
        drop(sync_folder(&self.path));
        moved_to
    }

    /// Deletes what a crash may have left: databases that are not the live one, half a marker, old
    /// quarantines.
    pub(super) fn remove_leftovers(&self, live: &str) {
        for number in self.database_numbers().unwrap_or_default() {
            let name = format!("{DATABASE_PREFIX}{number}");
            if name != live {
                remove(&self.path.join(name));
            }
        }
        remove(&self.path.join(MARKER_NEW));
        self.prune_quarantines();
    }

    fn prune_quarantines(&self) {
        let mut found: Vec<((u64, u64), String)> = entry_names(&self.path)
            .unwrap_or_default()
            .into_iter()
            .filter_map(|name| Some((quarantine_order(&name)?, name)))
            .collect();
        found.sort();
        let n_surplus = found.len().saturating_sub(STATE_QUARANTINES_MAX);
        for (_, name) in found.into_iter().take(n_surplus) {
            remove(&self.path.join(name));
        }
    }

    fn database_numbers(&self) -> Result<Vec<u64>, StoreError> {
        let names = entry_names(&self.path).map_err(|e| self.io("read the folder", e))?;
        let mut numbers: Vec<u64> = names.iter().filter_map(|name| database_number(name)).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn io(&self, action: &'static str, source: io::Error) -> StoreError {
        StoreError::Io { path: self.path.clone(), action, source }
    }
}

/// Bytes of all files under a folder; what cannot be read counts as nothing.
pub(super) fn folder_bytes(path: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(path) else {
        return 0;
    };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => folder_bytes(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}

/// Deletes a folder, or whatever lies in its place; what cannot be deleted stays for the next time.
fn remove(path: &Path) {
    if fs::remove_dir_all(path).is_err() {
        drop(fs::remove_file(path));
    }
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// One entry that shows that the folder is not Patrol's, if there is one.
///
/// With a marker the folder is ours whatever else lies in it. Without one it is ours if it is empty, or
/// holds only what we make, a real database among it (its marker got lost).
pub(super) fn foreign_entry(path: &Path) -> io::Result<Option<String>> {
    let names = entry_names(path)?;
    if names.iter().any(|name| name == MARKER) {
        return Ok(None);
    }
    Ok(names.into_iter().find(|name| !is_ours(path, name)))
}

fn is_ours(path: &Path, name: &str) -> bool {
    if database_number(name).is_some() {
        let folder = path.join(name);
        let is_empty = || entry_names(&folder).is_ok_and(|names| names.is_empty());
        return folder.join("conf").is_file() || is_empty();
    }
    matches!(name, MARKER_NEW | LOCK | LOST_AND_FOUND) || quarantine_order(name).is_some()
}

/// Names in a folder, sorted, so that messages are the same each time.
fn entry_names(path: &Path) -> io::Result<Vec<String>> {
    let mut names = fs::read_dir(path)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<io::Result<Vec<String>>>()?;
    names.sort();
    Ok(names)
}

fn database_number(name: &str) -> Option<u64> {
    let digits = name.strip_prefix(DATABASE_PREFIX)?;
    let is_plain = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
    if is_plain { digits.parse().ok() } else { None }
}

/// Whether an entry is a database that was moved aside.
pub(super) fn is_kept_aside(name: &str) -> bool {
    quarantine_order(name).is_some()
}

fn quarantine_order(name: &str) -> Option<(u64, u64)> {
    let (seconds, number) = name.strip_prefix(QUARANTINE_PREFIX)?.split_once('-')?;
    Some((seconds.parse().ok()?, number.parse().ok()?))
}

fn parse_marker(text: &str) -> Marker {
    let mut lines = text.lines();
    let (Some("patrol-state"), Some(format)) =
        (lines.next(), lines.next().and_then(|line| line.strip_prefix("format ")))
    else {
        return Marker::Damaged;
    };
    if format.is_empty() || !format.bytes().all(|b| b.is_ascii_digit()) {
        return Marker::Damaged;
    }
    if format.parse() != Ok(STATE_FORMAT_VERSION) {
        return Marker::OtherVersion(format.to_owned());
    }
    match lines.next().and_then(|line| line.strip_prefix("database ")) {
        Some(name) if database_number(name).is_some() && lines.next().is_none() => {
            Marker::Live(name.to_owned())
        }
        _ => Marker::Damaged,
    }
}

fn private_folder() -> DirBuilder {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

fn restrict(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    Ok(())
}

pub(super) fn read_pid(lock: &mut File) -> Option<u32> {
    let mut text = String::new();
    lock.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn write_pid(lock: &mut File) -> io::Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    writeln!(lock, "{}", std::process::id())
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests;
