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

/// Rows of one batch of the filler.
const FILL_ROWS: u16 = 60;

fn fill_key(batch: u32, row: u16) -> Vec<u8> {
    [&batch.to_be_bytes()[..], &row.to_be_bytes()].concat()
}

fn fill_value(batch: u32, row: u16) -> Vec<u8> {
    Random(u64::from(batch) << 16 | u64::from(row)).bytes(700)
}

/// Batches of the filler, from the first on, that are there; panics if one is torn or follows a missing one.
pub(super) fn n_filled(store: &dyn Store) -> u32 {
    let mut n_whole = None;
    for batch in 0..2_000 {
        let keys = (0..FILL_ROWS).map(|row| fill_key(batch, row)).collect();
        let values = store.get_many(keys).unwrap();
        if values.iter().all(Option::is_none) {
            n_whole.get_or_insert(batch);
            continue;
        }
        assert_eq!(n_whole, None, "batch {batch} is there, an earlier one is not");
        for (row, value) in (0..).zip(&values) {
            assert!(value.as_ref() == Some(&fill_value(batch, row)), "batch {batch} is torn at row {row}");
        }
    }
    n_whole.unwrap()
}

/// Writes until the store degrades, then says how it is.
fn fill(path: &Path) {
    let store = match SledStore::open(path) {
        Ok(store) => store,
        Err(error) => return say(&format!("open failed: {error}")),
    };
    let mut n_flushed = 0;
    for batch in 0..1_000 {
        let rows = (0..FILL_ROWS).map(|row| Write::Put(fill_key(batch, row), fill_value(batch, row)));
        store.put_batch(rows.collect()).unwrap();
        if batch % 10 == 9 {
            store.flush().unwrap();
            if store.health() == Health::Ok {
                n_flushed = batch + 1;
            }
        }
        if store.health() != Health::Ok {
            break;
        }
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
    say(&format!("{n_flushed}"));
}
