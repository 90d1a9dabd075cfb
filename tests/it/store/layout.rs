//! State folders between two runs: what is kept, rebuilt, refused, cleaned up.

use std::fs;
use std::path::{Path, PathBuf};

use patrol::limits::{STATE_COMPACT_BYTES_MIN, STATE_ROW_BYTES_MAX};
use patrol::store::{Compaction, RebuiltWhy, SledStore, Store, StoreError, Write};

use super::suite::scan;

fn put(key: &str, value: &[u8]) -> Write {
    Write::Put(key.as_bytes().to_vec(), value.to_vec())
}

/// Turns a copy of a folder into what a crash at some point leaves.
type Arrange<'a> = &'a dyn Fn(&Path);

/// A folder with one row, closed.
fn written(path: &Path) {
    let store = SledStore::open(path).unwrap();
    store.put_batch(vec![put("key", b"value")]).unwrap();
    store.close().unwrap();
}

pub(super) fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Opens the database itself, once the store that was just closed has let go of its file.
fn open_raw(path: &Path) -> sled::Db {
    loop {
        match sled::open(path) {
            Ok(db) => return db,
            Err(error) => assert!(error.to_string().contains("could not acquire lock"), "{error}"),
        }
    }
}

fn entries(path: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(path).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn quarantines(path: &Path) -> Vec<PathBuf> {
    entries(path)
        .into_iter()
        .filter(|name| name.starts_with("quarantine-"))
        .map(|name| path.join(name))
        .collect()
}

#[test]
fn rows_outlive_a_close_and_a_drop_in_a_private_folder() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("state");
    written(&path);
    let store = SledStore::open(&path).unwrap();
    assert_eq!(store.get(b"key").unwrap(), Some(b"value".to_vec()));
    assert_eq!(store.rebuilt(), None);
    store.put_batch(vec![put("key", b"other")]).unwrap();
    drop(store);
    assert_eq!(SledStore::open(&path).unwrap().get(b"key").unwrap(), Some(b"other".to_vec()));
    assert_eq!(entries(&path), ["LOCK", "PATROL-STATE", "db-1"]);
    #[cfg(unix)]
    for folder in [path.clone(), path.join("db-1")] {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700, "{folder:?}");
    }
}

#[test]
fn another_format_version_is_moved_aside_and_rebuilt() {
    let root = tempfile::tempdir().unwrap();
    written(root.path());
    fs::write(root.path().join("PATROL-STATE"), "patrol-state\nformat 2\nwhatever\n").unwrap();
    let store = SledStore::open(root.path()).unwrap();
    let rebuilt = store.rebuilt().unwrap();
    assert_eq!(rebuilt.why, RebuiltWhy::OtherVersion { found: "2".to_owned() });
    assert_eq!(rebuilt.moved_to.as_deref(), quarantines(root.path()).first().map(PathBuf::as_path));
    assert!(rebuilt.moved_to.unwrap().join("conf").exists());
    assert_eq!(store.faults().quarantined, 1);
    assert_eq!(scan(&store, b""), []);
    store.put_batch(vec![put("key", b"new")]).unwrap();
    drop(store);
    let store = SledStore::open(root.path()).unwrap();
    assert_eq!(store.rebuilt(), None);
    assert_eq!(store.get(b"key").unwrap(), Some(b"new".to_vec()));
}

#[test]
fn a_lost_or_broken_marker_is_damage() {
    for marker in [None, Some(""), Some("\0\0\0"), Some("patrol-state\nformat 1\ndatabase ../../etc\n")] {
        let root = tempfile::tempdir().unwrap();
        written(root.path());
        match marker {
            None => fs::remove_file(root.path().join("PATROL-STATE")).unwrap(),
            Some(text) => fs::write(root.path().join("PATROL-STATE"), text).unwrap(),
        }
        let store = SledStore::open(root.path()).unwrap();
        let rebuilt = store.rebuilt().unwrap();
        assert!(matches!(rebuilt.why, RebuiltWhy::Damaged { .. }), "{marker:?}: {rebuilt:?}");
        assert_eq!(scan(&store, b""), []);
        assert_eq!(quarantines(root.path()).len(), 1);
    }
}

#[test]
fn a_folder_of_somebody_else_is_refused_with_its_name_and_left_alone() {
    let root = tempfile::tempdir().unwrap();
    drop(sled::open(root.path()).unwrap());
    let before = entries(root.path());
    let error = SledStore::open(root.path()).unwrap_err();
    assert!(matches!(error, StoreError::Foreign { .. }), "{error:?}");
    assert!(!error.allows_scan_without_state());
    let expected = format!(
        "folder `{}` is not a state folder of patrol, it holds `blobs`; name another folder or an empty one",
        root.path().display()
    );
    assert_eq!(error.to_string(), expected);
    assert_eq!(entries(root.path()), before);
}

#[test]
fn repeated_damage_keeps_one_old_database_only() {
    let root = tempfile::tempdir().unwrap();
    for _ in 0..3 {
        written(root.path());
        fs::write(root.path().join("PATROL-STATE"), "").unwrap();
        assert!(SledStore::open(root.path()).unwrap().rebuilt().is_some());
        assert_eq!(quarantines(root.path()).len(), 1);
    }
}

#[test]
fn long_values_make_no_files_of_their_own_and_shorter_ones_leave_no_chunks() {
    let root = tempfile::tempdir().unwrap();
    let store = SledStore::open(root.path()).unwrap();
    let chunks = |n: usize| vec![7; STATE_ROW_BYTES_MAX * n];
    store.put_batch(vec![put("a", &chunks(5)), put("b", &chunks(4)), put("c", &chunks(3))]).unwrap();
    store.put_batch(vec![put("a", &chunks(2)), put("b", b""), Write::Delete(b"c".to_vec())]).unwrap();
    store.close().unwrap();
    let db = open_raw(&root.path().join("db-1"));
    let n_rows = |prefix: &[u8]| db.scan_prefix(prefix).count();
    assert_eq!((n_rows(b"c"), n_rows(b"r")), (2, 2));
    assert_eq!(entries(&root.path().join("db-1/blobs")), Vec::<String>::new());
}

#[test]
fn a_row_that_was_changed_under_a_valid_database_reads_as_missing_and_is_counted() {
    let root = tempfile::tempdir().unwrap();
    let store = SledStore::open(root.path()).unwrap();
    let long = vec![7; STATE_ROW_BYTES_MAX * 2];
    store
        .put_batch(vec![
            put("good", b"1"),
            put("flipped", b"1"),
            put("newer", b"1"),
            put("moved", b"2"),
            put("long", &long),
        ])
        .unwrap();
    store.close().unwrap();
    {
        let db = open_raw(&root.path().join("db-1"));
        let change = |key: &[u8], change: &dyn Fn(&mut Vec<u8>)| {
            let mut row = db.get(key).unwrap().unwrap().to_vec();
            change(&mut row);
            db.insert(key, row).unwrap();
        };
        change(b"rflipped", &|row| *row.last_mut().unwrap() ^= 1);
        change(b"rnewer", &|row| row[0] = 2);
        let good = db.get(b"rgood").unwrap().unwrap();
        db.insert(b"rmoved", good).unwrap();
        let chunk = db.scan_prefix(b"c").next().unwrap().unwrap().0;
        db.remove(chunk).unwrap();
    }
    let store = loop {
        match SledStore::open(root.path()) {
            Ok(store) => break store,
            Err(error) => assert!(matches!(error, StoreError::Locked { .. }), "{error}"),
        }
    };
    assert_eq!(store.get(b"good").unwrap(), Some(b"1".to_vec()));
    for key in ["flipped", "newer", "moved", "long"] {
        assert_eq!(store.get(key.as_bytes()).unwrap(), None, "{key}");
    }
    let faults = store.faults();
    assert_eq!((faults.checksum_mismatch, faults.version_mismatch, faults.quarantined), (3, 1, 0));
    let report = store.verify().unwrap();
    assert_eq!((report.n_rows, report.n_checksum_mismatches, report.n_version_mismatches), (5, 3, 1));
    assert!(report.is_complete && !report.is_sound());
    assert_eq!(scan(&store, b"").len(), 1);
    store.put_batch(vec![put("long", &long), put("flipped", b"2")]).unwrap();
    assert_eq!(store.get(b"flipped").unwrap(), Some(b"2".to_vec()));
    assert!(store.get(b"long").unwrap() == Some(long));
    assert_eq!(store.compact(Compaction::Always).unwrap().n_rows, 3);
    assert!(store.verify().unwrap().is_sound());
}

#[test]
fn a_compaction_keeps_every_row_shrinks_the_disk_and_is_found_again() {
    let root = tempfile::tempdir().unwrap();
    let store = SledStore::open(root.path()).unwrap();
    let long = vec![9; STATE_ROW_BYTES_MAX * 3];
    for round in 0..20_u8 {
        let key = |i: u32| format!("k{i}");
        store.put_batch((0..1_000).map(|i| put(&key(i), &[round; 300])).collect()).unwrap();
    }
    store.put_batch(vec![put("long", &long)]).unwrap();
    store.put_batch((0..900_u32).map(|i| Write::Delete(format!("k{i}").into_bytes())).collect()).unwrap();
    store.flush().unwrap();
    let before = scan(&store, b"");
    let not_needed = store.compact(Compaction::WhenOversized).unwrap();
    assert!(!not_needed.is_rewritten && not_needed.failure.is_none(), "{not_needed:?}");
    let report = store.compact(Compaction::Always).unwrap();
    assert!(report.is_rewritten && report.failure.is_none(), "{report:?}");
    assert_eq!(report.n_rows, 101);
    assert!(report.bytes_after < report.bytes_before, "{report:?}");
    let size = store.size_on_disk().unwrap();
    assert!(size >= report.bytes_after && size < report.bytes_before, "{size} of {report:?}");
    assert!(scan(&store, b"") == before);
    assert_eq!(entries(root.path()), ["LOCK", "PATROL-STATE", "db-2"]);
    store.put_batch(vec![put("after", b"1")]).unwrap();
    drop(store);
    let store = SledStore::open(root.path()).unwrap();
    assert_eq!(scan(&store, b"").len(), before.len() + 1);
    assert!(store.get(b"long").unwrap() == Some(long));
    assert_eq!(store.rebuilt(), None);
}

#[test]
fn a_database_many_times_its_live_bytes_is_rewritten_when_that_is_asked() {
    let root = tempfile::tempdir().unwrap();
    let store = SledStore::open(root.path()).unwrap();
    let rows: Vec<u32> = (0..16_000).collect();
    let key = |row: &u32| row.to_be_bytes().to_vec();
    for rows in rows.chunks(2_000) {
        store.put_batch(rows.iter().map(|row| Write::Put(key(row), vec![1; 3_500])).collect()).unwrap();
    }
    store.flush().unwrap();
    let report = store.compact(Compaction::WhenOversized).unwrap();
    assert!(report.bytes_before > STATE_COMPACT_BYTES_MIN && !report.is_rewritten, "{report:?}");
    for rows in rows.chunks(2_000) {
        store.put_batch(rows.iter().skip(10).map(|row| Write::Delete(key(row))).collect()).unwrap();
    }
    store.flush().unwrap();
    let report = store.compact(Compaction::WhenOversized).unwrap();
    assert!(report.is_rewritten && report.failure.is_none(), "{report:?}");
    assert_eq!(report.n_rows, 80);
    assert!(report.bytes_after < STATE_COMPACT_BYTES_MIN / 8, "{report:?}");
    assert_eq!(scan(&store, b"").len(), 80);
}

#[test]
fn every_state_that_a_crashed_compaction_leaves_opens_with_all_rows() {
    let root = tempfile::tempdir().unwrap();
    let old = root.path().join("old");
    written(&old);
    let new = root.path().join("new");
    copy_folder(&old, &new);
    let store = SledStore::open(&new).unwrap();
    assert!(store.compact(Compaction::Always).unwrap().is_rewritten);
    drop(store);
    let marker = |path: &Path| path.join("PATROL-STATE");

    let states: [(&str, Arrange<'_>, &str); 5] = [
        ("an empty new folder", &|path| fs::create_dir(path.join("db-2")).unwrap(), "db-1"),
        (
            "half a copy",
            &|path| {
                copy_folder(&new.join("db-2"), &path.join("db-2"));
                let file = fs::File::options().write(true).open(path.join("db-2/db"));
                file.unwrap().set_len(1000).unwrap();
            },
            "db-1",
        ),
        (
            "a whole copy, half a marker",
            &|path| {
                copy_folder(&new.join("db-2"), &path.join("db-2"));
                fs::write(path.join("PATROL-STATE.new"), "patrol-st").unwrap();
            },
            "db-1",
        ),
        (
            "the new marker, the old folder still there",
            &|path| {
                copy_folder(&new.join("db-2"), &path.join("db-2"));
                fs::copy(marker(&new), marker(path)).unwrap();
            },
            "db-2",
        ),
        (
            "half of the old folder deleted",
            &|path| {
                copy_folder(&new.join("db-2"), &path.join("db-2"));
                fs::copy(marker(&new), marker(path)).unwrap();
                fs::remove_file(path.join("db-1/conf")).unwrap();
                fs::remove_file(path.join("db-1/db")).unwrap();
            },
            "db-2",
        ),
    ];
    for (name, arrange, live) in states {
        let path = root.path().join("state");
        copy_folder(&old, &path);
        arrange(&path);
        let store = SledStore::open(&path).unwrap();
        assert_eq!(store.get(b"key").unwrap(), Some(b"value".to_vec()), "{name}");
        assert_eq!(store.rebuilt(), None, "{name}");
        assert_eq!(entries(&path), ["LOCK", "PATROL-STATE", live], "{name}");
        drop(store);
        fs::remove_dir_all(&path).unwrap();
    }
}
