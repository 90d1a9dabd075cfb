//! A copy of a state folder, for whoever wants to look at it and change nothing.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;

use super::StoreError;
use super::layout::{LOCK, foreign_entry, is_kept_aside, read_pid};

/// Copies the state to a folder that is not there yet; `false` if there is no state. The original is locked meanwhile, and not written to.
pub fn copy_state(from: &Path, to: &Path) -> Result<bool, StoreError> {
    let io_error = |action| move |source| StoreError::Io { path: from.to_owned(), action, source };
    if !from.exists() {
        return Ok(false);
    }
    if !from.is_dir() {
        return Err(StoreError::NotAFolder { path: from.to_owned() });
    }
    if let Some(found) = foreign_entry(from).map_err(io_error("read the folder"))? {
        return Err(StoreError::Foreign { path: from.to_owned(), found });
    }
    let mut lock = match File::open(from.join(LOCK)) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(io_error("read the lock file")(error)),
    };
    match lock.try_lock_shared() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(StoreError::Locked { path: from.to_owned(), pid: read_pid(&mut lock) });
        }
        Err(TryLockError::Error(source)) => return Err(io_error("lock the folder")(source)),
    }
    let copied = copy_folder(from, to);
    drop(lock.unlock());
    copied.map_err(io_error("copy the folder")).map(|()| true)
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        let target = to.join(&name);
        if entry.file_type()?.is_dir() {
            if !is_kept_aside(&name.to_string_lossy()) {
                copy_folder(&entry.path(), &target)?;
            }
        } else {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}
