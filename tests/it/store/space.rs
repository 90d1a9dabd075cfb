//! A disk that refuses: full, read-only, or over a file size limit. The store degrades and says so; nothing hangs,
//! nothing aborts, nothing is moved aside.

use std::path::{Path, PathBuf};
use std::process::Command;

use patrol::store::{SledStore, Store, StoreError, Write};

use super::ChildProcess;

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

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).output());
    }
}

fn says_all(mut child: ChildProcess) -> Vec<String> {
    let said = std::iter::from_fn(|| child.hear()).collect();
    assert!(child.child.wait().unwrap().success(), "{said:?}");
    said
}

#[test]
fn a_full_disk_degrades_the_store_and_nothing_else() {
    let root = tempfile::tempdir().unwrap();
    let Some(_disk) = SmallDisk::mount(root.path(), "size=6m") else {
        return;
    };
    let said = says_all(ChildProcess::start("fill", root.path()));
    assert!(said[0].starts_with("degraded: ") && said[0].contains("No space left"), "{said:?}");
    assert_eq!(said[1..], ["closed"], "{said:?}");

    // The disk is still full: a new open works, or says that there is no space; the old rows are not moved aside.
    match SledStore::open(root.path()) {
        Ok(store) => assert!(store.verify().unwrap().n_checksum_mismatches == 0),
        Err(error) => {
            assert!(matches!(error, StoreError::Io { .. }), "{error:?}");
            assert!(error.allows_scan_without_state());
        }
    }
}

#[test]
fn a_file_size_limit_degrades_the_store_and_nothing_else() {
    let root = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    let script = r#"trap "" XFSZ; ulimit -f 6000; exec "$0" "$@""#;
    command.args(["-c", script]).arg(std::env::current_exe().unwrap());
    let said = says_all(ChildProcess::start_by(command, "fill", root.path()));
    assert!(said[0].starts_with("degraded: ") && said[0].contains("too large"), "{said:?}");
    assert_eq!(said[1..], ["closed"], "{said:?}");

    let store = SledStore::open(root.path()).unwrap();
    let report = store.verify().unwrap();
    assert_eq!(report.n_checksum_mismatches + report.n_version_mismatches, 0);
    store.put_batch(vec![Write::Put(b"a".to_vec(), b"1".to_vec())]).unwrap();
    assert_eq!(store.get(b"a").unwrap(), Some(b"1".to_vec()));
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
            assert!(matches!(store.health(), patrol::store::Health::Degraded { .. }));
        }
    }
}
