use super::*;

fn claim(path: &Path) -> StateFolder {
    StateFolder::claim(path).unwrap()
}

/// A database folder as sled leaves it, as far as this room looks.
fn fake_database(root: &Path, name: &str) {
    fs::create_dir(root.join(name)).unwrap();
    fs::write(root.join(name).join("conf"), "x").unwrap();
}

#[test]
fn marker_texts_are_read_strictly() {
    for (text, expected) in [
        ("patrol-state\nformat 1\ndatabase db-7\n", Marker::Live("db-7".to_owned())),
        ("patrol-state\nformat 2\ndatabase db-7\n", Marker::OtherVersion("2".to_owned())),
        ("patrol-state\nformat 99999999999999\nanything", Marker::OtherVersion("99999999999999".to_owned())),
        ("", Marker::Damaged),
        ("patrol-state", Marker::Damaged),
        ("patrol-state\nformat x\ndatabase db-1\n", Marker::Damaged),
        ("patrol-state\nformat \ndatabase db-1\n", Marker::Damaged),
        ("patrol-state\nformat 1\n", Marker::Damaged),
        ("patrol-state\nformat 1\ndatabase ../x\n", Marker::Damaged),
        ("patrol-state\nformat 1\ndatabase db-1/../..\n", Marker::Damaged),
        ("patrol-state\nformat 1\ndatabase db-+1\n", Marker::Damaged),
        ("patrol-state\nformat 1\ndatabase db-\n", Marker::Damaged),
        ("patrol-state\nformat 1\ndatabase db-01\n", Marker::Damaged),
        ("patrol-state\nformat 1\ndatabase db-1\nmore\n", Marker::Damaged),
        ("\0\0\0\0", Marker::Damaged),
    ] {
        assert_eq!(parse_marker(text), expected, "{text:?}");
    }
}

#[test]
fn a_new_folder_is_fresh_and_private_and_the_live_name_is_kept() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("a/b/state");
    {
        let folder = claim(&path);
        assert_eq!(folder.marker().unwrap(), Marker::Fresh);
        let name = folder.unused_name(None).unwrap();
        assert_eq!(name, "db-1");
        folder.set_live(&name).unwrap();
        folder.make_database_folder(&name).unwrap();
        assert_eq!(folder.unused_name(Some(&name)).unwrap(), "db-2");
    }
    assert_eq!(claim(&path).marker().unwrap(), Marker::Live("db-1".to_owned()));
    #[cfg(unix)]
    for folder in [path.clone(), path.join("db-1")] {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700, "{folder:?}");
    }
}

#[test]
fn a_database_without_its_marker_is_damage_and_its_number_is_not_used_again() {
    let root = tempfile::tempdir().unwrap();
    fake_database(root.path(), "db-4");
    let folder = claim(root.path());
    assert_eq!(folder.marker().unwrap(), Marker::Damaged);
    assert_eq!(folder.unused_name(None).unwrap(), "db-5");
    assert_eq!(folder.unused_name(Some("db-9")).unwrap(), "db-10");
}

#[test]
fn folders_of_others_are_refused_and_left_as_they_are() {
    for entry in ["notes.txt", "db", "conf", "db-x", "db-01", "quarantine-x", "PATROL-STATE.bak"] {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join(entry), "mine").unwrap();
        let refused = StateFolder::claim(root.path());
        assert!(
            matches!(&refused, Err(StoreError::Foreign { found, .. }) if found == entry),
            "{entry}: {refused:?}"
        );
        assert_eq!(entry_names(root.path()).unwrap(), [entry], "nothing is added");
    }
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("db-1")).unwrap();
    fs::write(root.path().join("db-1/thesis.tex"), "mine").unwrap();
    assert!(matches!(StateFolder::claim(root.path()), Err(StoreError::Foreign { .. })));
}

#[test]
fn a_file_in_the_place_of_the_folder_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("state");
    fs::write(&path, "x").unwrap();
    assert!(matches!(StateFolder::claim(&path), Err(StoreError::NotAFolder { .. })));
}

#[test]
fn an_empty_volume_and_a_folder_that_only_got_its_lock_are_ours() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join(LOST_AND_FOUND)).unwrap();
    fs::write(root.path().join(LOCK), "").unwrap();
    fs::write(root.path().join(MARKER_NEW), "patrol-st").unwrap();
    assert_eq!(claim(root.path()).marker().unwrap(), Marker::Fresh);
}

#[test]
fn with_the_marker_other_files_do_not_matter_and_stay() {
    let root = tempfile::tempdir().unwrap();
    claim(root.path()).set_live("db-1").unwrap();
    fs::write(root.path().join("notes.txt"), "mine").unwrap();
    let folder = claim(root.path());
    folder.quarantine(None);
    folder.remove_leftovers("db-1");
    assert!(root.path().join("notes.txt").exists());
}

#[test]
fn a_second_claim_names_the_process_and_a_dropped_one_frees_the_folder() {
    let root = tempfile::tempdir().unwrap();
    let first = claim(root.path());
    let second = StateFolder::claim(root.path());
    let own = std::process::id();
    assert!(matches!(second, Err(StoreError::Locked { pid: Some(pid), .. }) if pid == own), "{second:?}");
    drop(first);
    claim(root.path());
}

#[test]
fn quarantine_keeps_the_newest_only() {
    let root = tempfile::tempdir().unwrap();
    for name in ["db-1", "db-2", "db-3", "quarantine-5-1"] {
        fake_database(root.path(), name);
    }
    let folder = claim(root.path());
    let moved_to = folder.quarantine(Some("db-3")).unwrap();
    assert!(moved_to.is_dir(), "{moved_to:?}");
    assert!(moved_to.to_string_lossy().ends_with("-2"));
    let left: Vec<String> = entry_names(root.path()).unwrap();
    assert_eq!(left.len(), 3, "{left:?}");
    assert_eq!(&left[..2], ["LOCK", "db-3"]);
}

#[test]
fn a_huge_damaged_database_is_not_kept() {
    let root = tempfile::tempdir().unwrap();
    fake_database(root.path(), "db-1");
    File::create(root.path().join("db-1/db")).unwrap().set_len(STATE_QUARANTINE_BYTES_MAX + 1).unwrap();
    assert_eq!(claim(root.path()).quarantine(None), None);
    assert_eq!(entry_names(root.path()).unwrap(), ["LOCK"]);
}

#[test]
fn leftovers_of_every_kind_go_away() {
    let root = tempfile::tempdir().unwrap();
    for name in ["db-1", "db-2", "db-3", "quarantine-5-1", "quarantine-10-1"] {
        fake_database(root.path(), name);
    }
    fs::write(root.path().join(MARKER_NEW), "half").unwrap();
    let folder = claim(root.path());
    folder.set_live("db-2").unwrap();
    fs::write(root.path().join(MARKER_NEW), "half").unwrap();
    folder.remove_leftovers("db-2");
    assert_eq!(entry_names(root.path()).unwrap(), ["LOCK", "PATROL-STATE", "db-2", "quarantine-10-1"]);
}
