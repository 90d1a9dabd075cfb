//! What the other processes of these tests do.

use std::path::Path;

use patrol::store::{Compaction, Health, SledStore, Store, Write};

use super::{CHILD_PATH, CHILD_ROLE, CHILD_SAYS, Random};

/// Rows of one batch of the writer.
pub(super) const BATCH_ROWS: u32 = 400;
/// Batches after which the writer starts to overwrite its oldest ones.
pub(super) const BATCHES_KEPT: u32 = 6;

fn say(text: &str) {
    println!("{CHILD_SAYS}{text}");
}

/// Not a test of its own: the body of the processes that other tests start.
#[test]
fn child_process_body() {
    let Ok(role) = std::env::var(CHILD_ROLE) else {
        return;
    };
    let path = std::env::var(CHILD_PATH).unwrap();
    match role.as_str() {
        "hold" => hold(Path::new(&path)),
        "write" => write_batches(Path::new(&path)),
        "compact" => compact_for_ever(Path::new(&path)),
        "fill" => fill(Path::new(&path)),
        other => panic!("no role {other}"),
    }
}

/// Opens the folder, writes a row and keeps the folder until killed.
fn hold(path: &Path) {
    let store = SledStore::open(path).unwrap();
    store.put_batch(vec![Write::Put(b"held".to_vec(), b"yes".to_vec())]).unwrap();
    store.flush().unwrap();
    say("holding");
    std::thread::park();
}

/// The value of a row of the writer: of odd sizes, some long enough to be split.
pub(super) fn value_of(batch: u32, row: u32) -> Vec<u8> {
    let mut random = Random(u64::from(batch) << 32 | u64::from(row));
    let size = if row == 7 { 150_000 } else { 40 + random.below(400) };
    let mut value = batch.to_be_bytes().to_vec();
    value.extend(random.bytes(size));
    value
}

/// Key of a row: batches share slots, so that later ones overwrite earlier ones.
pub(super) fn key_of(batch: u32, row: u32) -> Vec<u8> {
    [batch % BATCHES_KEPT, row].map(u32::to_be_bytes).concat()
}

/// Writes batch after batch, and says which is written, and which is flushed.
fn write_batches(path: &Path) {
    let store = SledStore::open(path).unwrap();
    assert_eq!(store.rebuilt(), None);
    let newest = newest_batch(&store);
    for batch in newest.map_or(0, |newest| newest + 1).. {
        let rows = (0..BATCH_ROWS).map(|row| Write::Put(key_of(batch, row), value_of(batch, row)));
        store.put_batch(rows.collect()).unwrap();
        say(&format!("wrote {batch}"));
        if batch % 3 == 0 {
            store.flush().unwrap();
            say(&format!("flushed {batch}"));
        }
    }
}

/// The newest batch in the store, if all its rows are there; panics if any batch is torn.
pub(super) fn newest_batch(store: &dyn Store) -> Option<u32> {
    let mut newest = None;
    for slot in 0..BATCHES_KEPT {
        let keys = (0..BATCH_ROWS).map(|row| key_of(slot, row)).collect();
        let values = store.get_many(keys).unwrap();
        let Some(first) = values[0].as_ref() else {
            assert!(values.iter().all(Option::is_none), "slot {slot} is torn");
            continue;
        };
        let batch = u32::from_be_bytes(first[..4].try_into().unwrap());
        for (row, value) in (0..).zip(&values) {
            assert!(value.as_ref() == Some(&value_of(batch, row)), "batch {batch} is torn at row {row}");
        }
        newest = newest.max(Some(batch));
    }
    newest
}

fn compact_for_ever(path: &Path) {
    let store = SledStore::open(path).unwrap();
    loop {
        say("compacting");
        let report = store.compact(Compaction::Always).unwrap();
        assert_eq!(report.failure, None);
    }
}

/// Writes until the store degrades, then says how it is.
fn fill(path: &Path) {
    let store = match SledStore::open(path) {
        Ok(store) => store,
        Err(error) => return say(&format!("open failed: {error}")),
    };
    let mut random = Random(1);
    let mut n = 0_u32;
    while store.health() == Health::Ok && n < 2_000 {
        store.put_batch(vec![Write::Put(n.to_be_bytes().to_vec(), random.bytes(20_000))]).unwrap();
        store.flush().unwrap();
        n += 1;
    }
    let Health::Degraded { reason } = store.health() else {
        return say("never degraded");
    };
    say(&format!("degraded: {reason}"));
    let before = store.faults().writes_dropped;
    store.put_batch(vec![Write::Put(b"x".to_vec(), b"x".to_vec()), Write::Delete(b"y".to_vec())]).unwrap();
    assert_eq!(store.faults().writes_dropped, before + 2);
    assert_eq!(store.get(b"x").unwrap(), None);
    store.flush().unwrap();
    assert!(!store.verify().unwrap().is_complete);
    assert_eq!(store.faults().quarantined, 0);
    store.close().unwrap();
    say("closed");
}
