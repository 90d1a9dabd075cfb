//! Time limits of the store: what takes too long is given up, and never hangs the caller.

use std::time::Duration;

use patrol::store::{Health, ScanEnd, SledOptions, SledStore, Store, StoreError, Write};

fn rows(n: u32) -> Vec<Write> {
    (0..n).map(|i| Write::Put(i.to_be_bytes().to_vec(), vec![1; 3_000])).collect()
}

#[test]
fn a_call_over_its_limit_degrades_the_store_and_the_rest_misses_at_once() {
    let root = tempfile::tempdir().unwrap();
    let options = SledOptions { call_limit: Duration::ZERO, ..SledOptions::default() };
    let store = SledStore::open_with(root.path(), options).unwrap();
    store.put_batch(rows(4_000)).unwrap();
    let Health::Degraded { reason } = store.health() else { panic!("not degraded") };
    assert_eq!(reason, "the database did not answer within 0 s");
    let faults = store.faults();
    assert_eq!((faults.timeouts, faults.writes_dropped), (1, 4_000));
    assert_eq!(store.get(&0_u32.to_be_bytes()).unwrap(), None);
    assert_eq!(store.get_many(vec![Vec::new(); 3]).unwrap(), [None, None, None]);
    let end = store.scan_prefix(b"", &mut |_, _| panic!("nothing to visit")).unwrap();
    assert_eq!(end, ScanEnd::Cut);
    assert!(!store.verify().unwrap().is_complete);
    assert_eq!(store.stats().unwrap().n_rows, 0);
    store.flush().unwrap();
    store.close().unwrap();
    assert!(matches!(store.get(b""), Err(StoreError::Closed)));
}

#[test]
fn an_open_over_its_limit_is_an_error_that_allows_a_scan_without_state() {
    let root = tempfile::tempdir().unwrap();
    let options = SledOptions { open_limit: Duration::ZERO, ..SledOptions::default() };
    let error = SledStore::open_with(root.path(), options).unwrap_err();
    assert!(matches!(error, StoreError::OpenTimeout { .. }), "{error:?}");
    assert!(error.allows_scan_without_state() && error.is_transient());
    assert!(error.to_string().ends_with("took longer than 0 s; going on without state"), "{error}");
    // The open that was given up holds the folder until it is through, and leaves it whole.
    let store = loop {
        match SledStore::open(root.path()) {
            Ok(store) => break store,
            Err(error) => assert!(matches!(error, StoreError::Locked { .. }), "{error}"),
        }
    };
    assert_eq!(store.rebuilt(), None);
    store.put_batch(rows(1)).unwrap();
    assert_eq!(store.stats().unwrap().n_rows, 1);
}
