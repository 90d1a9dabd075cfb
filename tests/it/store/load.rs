//! A load of the size of the reference cluster's state, with its figures printed.

use std::time::Instant;

use patrol::store::{SledStore, Store, Write};

use super::Random;

#[test]
fn seventy_thousand_rows_load_read_and_reopen() {
    const ROWS: u32 = 70_000;
    let root = tempfile::tempdir().unwrap();
    let mut random = Random(70);
    let rows: Vec<(Vec<u8>, Vec<u8>)> = (0..ROWS).map(|_| (random.bytes(32), random.bytes(300))).collect();
    let began = Instant::now();
    let lap = |what: &str| println!("{what}: at {:.3} s", began.elapsed().as_secs_f64());
    let store = SledStore::open(root.path()).unwrap();
    for rows in rows.chunks(2_000) {
        let batch = rows.iter().map(|(key, value)| Write::Put(key.clone(), value.clone())).collect();
        store.put_batch(batch).unwrap();
    }
    lap("70,000 rows of 300 bytes put in batches of 2,000");
    store.flush().unwrap();
    lap("flushed");
    for rows in rows.chunks(2_000) {
        let values = store.get_many(rows.iter().map(|(key, _)| key.clone()).collect()).unwrap();
        assert!(values.iter().zip(rows).all(|(read, (_, value))| read.as_ref() == Some(value)));
    }
    lap("all read by get_many");
    let report = store.verify().unwrap();
    assert!(report.is_sound());
    assert_eq!(report.n_rows, u64::from(ROWS));
    lap("verified");
    for (key, value) in rows.iter().take(10_000) {
        assert_eq!(store.get(key).unwrap().as_ref(), Some(value));
    }
    lap("10,000 single gets");
    println!("on disk: {} bytes", store.size_on_disk().unwrap());
    drop(store);
    lap("closed");
    let store = SledStore::open(root.path()).unwrap();
    lap("reopened");
    assert_eq!(store.stats().unwrap().n_rows, u64::from(ROWS));
    lap("counted");
}
