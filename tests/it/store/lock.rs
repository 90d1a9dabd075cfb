//! Two on one state folder: the second is told who holds it, and nothing is moved aside.

use patrol::store::{SledStore, Store, StoreError, Write};

use super::ChildProcess;

#[test]
fn a_second_store_of_the_same_process_is_refused_until_the_first_is_closed() {
    let root = tempfile::tempdir().unwrap();
    let first = SledStore::open(root.path()).unwrap();
    first.put_batch(vec![Write::Put(b"a".to_vec(), b"1".to_vec())]).unwrap();
    let second = SledStore::open(root.path()).unwrap_err();
    assert!(
        matches!(second, StoreError::Locked { pid: Some(pid), .. } if pid == std::process::id()),
        "{second:?}"
    );
    first.close().unwrap();
    let second = SledStore::open(root.path()).unwrap();
    assert_eq!(second.get(b"a").unwrap(), Some(b"1".to_vec()));
    assert_eq!(second.rebuilt(), None);
}

#[test]
fn a_folder_that_another_process_holds_is_refused_by_name_and_opens_once_that_is_dead() {
    let root = tempfile::tempdir().unwrap();
    let mut child = ChildProcess::start("hold", root.path());
    assert_eq!(child.hear().as_deref(), Some("holding"));
    for _ in 0..2 {
        let refused = SledStore::open(root.path()).unwrap_err();
        let expected =
            format!("state folder `{}` is in use by process {}", root.path().display(), child.child.id());
        assert_eq!(refused.to_string(), expected);
        assert!(refused.is_transient() && !refused.allows_scan_without_state());
    }
    child.kill();
    let store = SledStore::open(root.path()).unwrap();
    assert_eq!(store.get(b"held").unwrap(), Some(b"yes".to_vec()));
    assert_eq!((store.rebuilt(), store.faults().quarantined), (None, 0));
}

#[test]
fn a_database_whose_file_is_locked_without_our_lock_is_refused_too() {
    let root = tempfile::tempdir().unwrap();
    drop(SledStore::open(root.path()).unwrap());
    let file = std::fs::File::options().write(true).open(root.path().join("db-1/db")).unwrap();
    file.lock().unwrap();
    let refused = SledStore::open(root.path()).unwrap_err();
    assert!(matches!(refused, StoreError::Locked { pid: None, .. }), "{refused:?}");
    drop(file);
    assert_eq!(SledStore::open(root.path()).unwrap().rebuilt(), None);
}
