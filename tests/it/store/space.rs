//! A disk that refuses: full, read-only, or over a file size limit. The store degrades and says so;
//! nothing hangs, nothing aborts, nothing is moved aside.

use std::path::{Path, PathBuf};
use std::process::Command;

use patrol::store::{Compaction, Health, SledStore, Store, StoreError, Write};

use super::ChildProcess;
use super::children::n_filled;
use super::suite::scan;

/// A small memory disk, unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None`, loudly, where this process may not mount.
    fn mount(at: &Path, options: &str) -> Option<Self> {
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at).output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(at.to_owned())),
            other => {
                eprintln!("NOT RUN: cannot mount a tmpfs here: {other:?}");
                None
            }
        }
    }
}

impl SmallDisk {
    fn grow(&self, options: &str) {
        let remount = format!("remount,{options}");
        assert!(Command::new("mount").args(["-o", &remount]).arg(&self.0).status().unwrap().success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).output());
    }
}

/// What a filling child says: why it degraded, and how many batches it had flushed before.
fn fill(mut child: ChildProcess) -> (String, u32) {
    let said: Vec<String> = std::iter::from_fn(|| child.hear()).collect();
    assert!(child.child.wait().unwrap().success(), "{said:?}");
    let [reason, n_flushed] = said.as_slice() else { panic!("{said:?}") };
    (reason.strip_prefix("degraded: ").unwrap().to_owned(), n_flushed.parse().unwrap())
}

/// With space again everything that was flushed is there, in whole batches, and writes work.
fn opens_with(path: &Path, n_flushed: u32) {
    let store = SledStore::open(path).unwrap();
    assert_eq!(store.rebuilt(), None);
    let n_filled = n_filled(&store);
    assert!(n_flushed > 0 && n_filled >= n_flushed, "{n_filled} batches, {n_flushed} flushed");
    assert!(store.verify().unwrap().is_sound());
    store.put_batch(vec![Write::Put(b"a".to_vec(), b"1".to_vec())]).unwrap();
    assert_eq!(store.get(b"a").unwrap(), Some(b"1".to_vec()));
    store.flush().unwrap();
    assert_eq!(store.health(), Health::Ok);
}

#[test]
fn a_full_disk_degrades_the_store_and_tears_no_batch() {
    let root = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(root.path(), "size=6m") else {
        return;
    };
    let (reason, n_flushed) = fill(ChildProcess::start("fill", root.path()));
    assert!(reason.contains("No space left"), "{reason}");

    // The disk is still full: an open works, or says that there is no space; nothing is moved aside.
    match SledStore::open(root.path()) {
        Ok(store) => assert_eq!(store.rebuilt(), None),
        Err(error) => {
            assert!(matches!(error, StoreError::Io { .. }), "{error:?}");
            assert!(error.allows_scan_without_state());
        }
    }
    disk.grow("size=64m");
    opens_with(root.path(), n_flushed);
}

#[test]
fn a_file_size_limit_degrades_the_store_and_tears_no_batch() {
    let root = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    let script = r#"trap "" XFSZ; ulimit -f 6000; exec "$0" "$@""#;
    command.args(["-c", script]).arg(std::env::current_exe().unwrap());
    let (reason, n_flushed) = fill(ChildProcess::start_by(command, "fill", root.path()));
    assert!(reason.contains("too large"), "{reason}");
    opens_with(root.path(), n_flushed);
}

#[test]
fn a_compaction_without_space_says_so_and_changes_nothing() {
    let root = tempfile::tempdir().unwrap();
    let Some(_disk) = SmallDisk::mount(root.path(), "size=40m") else {
        return;
    };
    let store = SledStore::open(root.path()).unwrap();
    let row = |i: u16| (i.to_be_bytes().to_vec(), vec![i.to_le_bytes()[0]; 2_000]);
    for rows in (0..2_000_u16).collect::<Vec<_>>().chunks(500) {
        store
            .put_batch(rows.iter().map(|&i| row(i)).map(|(key, value)| Write::Put(key, value)).collect())
            .unwrap();
    }
    store.flush().unwrap();
    let before = scan(&store, b"");
    assert_eq!(before.len(), 2_000);
    let n_free = 40 * 1024 * 1024 - store.size_on_disk().unwrap();
    std::fs::write(root.path().join("ballast"), vec![1; usize::try_from(n_free - 1024 * 1024).unwrap()])
        .unwrap();
    let report = store.compact(Compaction::Always).unwrap();
    assert!(!report.is_rewritten && report.failure.unwrap().contains("No space left"));
    assert_eq!(store.health(), Health::Ok);
    assert!(scan(&store, b"") == before);
    std::fs::remove_file(root.path().join("ballast")).unwrap();
    let report = store.compact(Compaction::Always).unwrap();
    assert!(report.is_rewritten, "{report:?}");
    assert!(scan(&store, b"") == before);
}

#[test]
fn a_read_only_folder_is_an_error_that_allows_a_scan_without_state() {
    let root = tempfile::tempdir().unwrap();
    let Some(_disk) = SmallDisk::mount(root.path(), "ro,size=1m") else {
        return;
    };
    for path in [root.path().to_owned(), root.path().join("state")] {
        let error = SledStore::open(&path).unwrap_err();
        assert!(matches!(error, StoreError::Io { .. }), "{error:?}");
        assert!(error.allows_scan_without_state() && error.to_string().contains("Read-only"), "{error}");
    }
}

#[test]
fn a_disk_without_any_space_is_an_error_that_allows_a_scan_without_state() {
    let root = tempfile::tempdir().unwrap();
    let Some(_disk) = SmallDisk::mount(root.path(), "size=64k") else {
        return;
    };
    std::fs::write(root.path().join("PATROL-STATE.new"), vec![0; 48 * 1024]).unwrap();
    match SledStore::open(root.path()) {
        Err(error) => assert!(error.allows_scan_without_state(), "{error:?}"),
        Ok(store) => {
            let rows = (0..200_u8).map(|i| Write::Put(vec![i], vec![i; 1000])).collect();
            store.put_batch(rows).unwrap();
            store.flush().unwrap();
            assert!(matches!(store.health(), Health::Degraded { .. }));
        }
    }
}
