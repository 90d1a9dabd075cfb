//! What every store promises, checked on each of them.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::thread;

use patrol::limits::{
    STATE_BATCH_ROWS_MAX, STATE_KEY_BYTES_MAX, STATE_PAGE_ROWS_MAX, STATE_ROW_BYTES_MAX,
    STATE_VALUE_BYTES_MAX,
};
use patrol::store::{
    Compaction, Faults, Health, MemoryStore, ScanEnd, SledStore, Store, StoreError, VerifyReport, Write,
};

use super::Random;

type Rows = Vec<(Vec<u8>, Vec<u8>)>;

/// Runs a check on a fresh store of each kind.
fn check(test: impl Fn(&dyn Store)) {
    test(&MemoryStore::new());
    let folder = tempfile::tempdir().unwrap();
    let store = SledStore::open(&folder.path().join("state")).unwrap();
    test(&store);
    assert_eq!(store.faults(), Faults::default());
    assert_eq!(store.health(), Health::Ok);
}

fn put(key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Write {
    Write::Put(key.as_ref().to_vec(), value.as_ref().to_vec())
}

fn delete(key: impl AsRef<[u8]>) -> Write {
    Write::Delete(key.as_ref().to_vec())
}

pub(super) fn scan(store: &dyn Store, prefix: &[u8]) -> Rows {
    let mut rows = Rows::new();
    let end = store
        .scan_prefix(prefix, &mut |key, value| {
            rows.push((key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(end, ScanEnd::Complete);
    rows
}

#[test]
fn what_was_put_is_read_and_nothing_else() {
    check(|store| {
        let keys: [&[u8]; 7] = [b"", b"a", b"ab", b"\0", b"\xff\xff", b"\xff", &[7; STATE_KEY_BYTES_MAX]];
        store.put_batch(keys.iter().map(|key| put(key, [key, &b"!"[..]].concat())).collect()).unwrap();
        for key in keys {
            assert_eq!(store.get(key).unwrap(), Some([key, b"!"].concat()));
        }
        for key in [&b"b"[..], b"\0\0", b"abc", b"\xfe"] {
            assert_eq!(store.get(key).unwrap(), None);
        }
        store.put_batch(vec![put("a", ""), delete("ab"), delete("never")]).unwrap();
        assert_eq!(store.get(b"a").unwrap(), Some(Vec::new()));
        assert_eq!(store.get(b"ab").unwrap(), None);
    });
}

#[test]
fn the_last_write_to_a_key_in_a_batch_wins() {
    check(|store| {
        let long = vec![1; STATE_ROW_BYTES_MAX * 2];
        store
            .put_batch(vec![
                put("a", "1"),
                put("a", "2"),
                put("b", "1"),
                delete("b"),
                delete("c"),
                put("c", "1"),
                put("d", &long),
                put("d", "1"),
                put("e", "1"),
                put("e", &long),
                put("f", &long),
                delete("f"),
            ])
            .unwrap();
        let values =
            store.get_many(["a", "b", "c", "d", "e", "f"].map(|k| k.as_bytes().to_vec()).to_vec()).unwrap();
        let one = || Some(b"1".to_vec());
        assert_eq!(values, [Some(b"2".to_vec()), None, one(), one(), Some(long), None]);
        store.put_batch(Vec::new()).unwrap();
    });
}

#[test]
fn get_many_answers_in_the_order_of_the_keys() {
    check(|store| {
        store.put_batch(vec![put("a", "1"), put("b", "2")]).unwrap();
        let asked = ["b", "x", "a", "b", ""].map(|k| k.as_bytes().to_vec()).to_vec();
        let (one, two) = (Some(b"1".to_vec()), Some(b"2".to_vec()));
        assert_eq!(store.get_many(asked).unwrap(), [two.clone(), None, one, two, None]);
        assert_eq!(store.get_many(Vec::new()).unwrap(), Vec::<Option<Vec<u8>>>::new());
    });
}

#[test]
fn a_scan_gives_the_rows_under_a_prefix_in_order() {
    check(|store| {
        let keys: [&[u8]; 8] = [b"", b"a", b"a\0", b"a\xff", b"a\xff\xff", b"b", b"\xff", b"\xff\0"];
        store.put_batch(keys.iter().map(|key| put(key, key)).collect()).unwrap();
        let under = |prefix: &[u8]| -> Vec<Vec<u8>> {
            let mut keys: Vec<_> =
                keys.iter().filter(|k| k.starts_with(prefix)).map(|k| k.to_vec()).collect();
            keys.sort();
            keys
        };
        for prefix in [&b""[..], b"a", b"a\xff", b"b", b"\xff", b"c", b"a\xff\xff\xff"] {
            let found: Vec<_> = scan(store, prefix).into_iter().map(|(key, _)| key).collect();
            assert_eq!(found, under(prefix), "{prefix:?}");
        }
    });
}

#[test]
fn a_scan_over_many_pages_stops_where_told_and_lets_the_visitor_use_the_store() {
    check(|store| {
        let n = STATE_PAGE_ROWS_MAX * 2 + 7;
        let key = |i: usize| format!("k{i:06}").into_bytes();
        store.put_batch((0..n).map(|i| put(key(i), key(i))).collect()).unwrap();
        assert_eq!(scan(store, b"k").len(), n);

        for stop_after in [1, STATE_PAGE_ROWS_MAX, STATE_PAGE_ROWS_MAX + 1] {
            let mut n_seen = 0;
            let end = store.scan_prefix(b"k", &mut |_, _| {
                n_seen += 1;
                if n_seen == stop_after { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            assert_eq!((end.unwrap(), n_seen), (ScanEnd::Stopped, stop_after));
        }

        let mut n_seen = 0;
        let end = store.scan_prefix(b"k", &mut |key, value| {
            assert_eq!(store.get(key).unwrap().as_deref(), Some(value));
            store.put_batch(vec![delete(key)]).unwrap();
            n_seen += 1;
            ControlFlow::Continue(())
        });
        assert_eq!((end.unwrap(), n_seen), (ScanEnd::Complete, n));
        assert_eq!(scan(store, b""), Rows::new());
    });
}

#[test]
fn values_of_every_size_up_to_the_limit_come_back_whole() {
    check(|store| {
        let row = STATE_ROW_BYTES_MAX;
        let value = |n: usize| Random(n as u64).bytes(n);
        let sizes = [0, 1, row - 1, row, row + 1, 3 * row, 3 * row + 1, STATE_VALUE_BYTES_MAX];
        for size in sizes.into_iter().chain(sizes.into_iter().rev()) {
            store.put_batch(vec![put("same", value(size)), put(size.to_be_bytes(), value(size))]).unwrap();
            assert!(store.get(b"same").unwrap() == Some(value(size)), "{size}");
        }
        for size in sizes {
            assert!(store.get(&size.to_be_bytes()).unwrap() == Some(value(size)), "{size}");
        }
        assert_eq!(scan(store, b"").len(), sizes.len() + 1);
        assert!(store.verify().unwrap().is_sound());
    });
}

#[test]
fn what_is_too_large_is_refused_and_nothing_of_its_batch_is_applied() {
    check(|store| {
        let long_key = vec![0; STATE_KEY_BYTES_MAX + 1];
        let refused = store.put_batch(vec![put("a", "1"), put("b", vec![0; STATE_VALUE_BYTES_MAX + 1])]);
        assert!(matches!(refused, Err(StoreError::ValueTooLarge { .. })), "{refused:?}");
        for refused in [
            store.put_batch(vec![put("a", "1"), put(&long_key, "1")]),
            store.put_batch(vec![put("a", "1"), delete(&long_key)]),
            store.get(&long_key).map(drop),
            store.get_many(vec![b"a".to_vec(), long_key.clone()]).map(drop),
            store.scan_prefix(&long_key, &mut |_, _| ControlFlow::Continue(())).map(|_| ()),
        ] {
            assert!(matches!(refused, Err(StoreError::KeyTooLarge { .. })), "{refused:?}");
        }
        assert_eq!(scan(store, b""), Rows::new());
    });
}

#[test]
fn more_writes_than_one_batch_holds_are_all_applied() {
    check(|store| {
        let n = STATE_BATCH_ROWS_MAX * 2 + 1;
        store.put_batch((0..n).map(|i| put(i.to_be_bytes(), "x")).collect()).unwrap();
        assert_eq!(store.stats().unwrap().n_rows, n as u64);
        store.put_batch((0..n).map(|i| delete(i.to_be_bytes())).collect()).unwrap();
        assert_eq!(store.stats().unwrap().n_rows, 0);
    });
}

#[test]
fn it_behaves_as_a_sorted_map_over_random_histories() {
    for seed in 0..4 {
        check(|store| {
            let mut random = Random(seed);
            let mut model = BTreeMap::new();
            for step in 0..120 {
                let mut batch = Vec::new();
                for _ in 0..random.below(30) {
                    let key = format!("{}/{}", random.below(4), random.below(40)).into_bytes();
                    if random.below(3) == 0 {
                        model.remove(&key);
                        batch.push(Write::Delete(key));
                    } else {
                        let size =
                            if random.below(25) == 0 { random.below(200_000) } else { random.below(300) };
                        let value = random.bytes(size);
                        model.insert(key.clone(), value.clone());
                        batch.push(Write::Put(key, value));
                    }
                }
                store.put_batch(batch).unwrap();
                match random.below(20) {
                    0 => store.flush().unwrap(),
                    1 => assert_eq!(store.compact(Compaction::Always).unwrap().failure, None),
                    _ => {}
                }
                if step % 10 == 0 {
                    let prefix = format!("{}/", random.below(4)).into_bytes();
                    let expected: Rows = model
                        .iter()
                        .filter(|(key, _)| key.starts_with(&prefix))
                        .map(|(key, value)| (key.clone(), value.clone()))
                        .collect();
                    assert!(scan(store, &prefix) == expected, "seed {seed} step {step}");
                }
            }
            let expected: Rows = model.into_iter().collect();
            assert!(scan(store, b"") == expected, "seed {seed}");
            let live_bytes =
                expected.iter().map(|(key, value)| (key.len() + value.len()) as u64).sum::<u64>();
            let stats = store.stats().unwrap();
            assert_eq!((stats.n_rows, stats.live_bytes), (expected.len() as u64, live_bytes));
            let verified = store.verify().unwrap();
            let sound = VerifyReport { n_rows: stats.n_rows, is_complete: true, ..VerifyReport::default() };
            assert_eq!(verified, sound);
        });
    }
}

#[test]
fn many_threads_may_use_it_at_once() {
    check(|store| {
        thread::scope(|scope| {
            for t in 0..4_u8 {
                scope.spawn(move || {
                    for i in 0..50_u8 {
                        store.put_batch(vec![put([t, i], [i]), put(b"shared", [i])]).unwrap();
                        assert_eq!(store.get(&[t, i]).unwrap(), Some(vec![i]));
                        assert!(store.get(b"shared").unwrap().is_some());
                        assert_eq!(scan(store, &[t]).len(), usize::from(i) + 1);
                    }
                });
            }
        });
        assert_eq!(store.stats().unwrap().n_rows, 201);
    });
}

#[test]
fn a_closed_store_refuses_every_call_and_closes_again() {
    check(|store| {
        store.put_batch(vec![put("a", "1")]).unwrap();
        store.close().unwrap();
        store.close().unwrap();
        for refused in [
            store.get(b"a").map(drop),
            store.get_many(Vec::new()).map(drop),
            store.put_batch(vec![put("a", "1")]),
            store.scan_prefix(b"", &mut |_, _| ControlFlow::Continue(())).map(|_| ()),
            store.flush(),
            store.size_on_disk().map(drop),
            store.stats().map(drop),
            store.verify().map(drop),
            store.compact(Compaction::Always).map(drop),
        ] {
            assert!(matches!(refused, Err(StoreError::Closed)), "{refused:?}");
        }
    });
}

#[test]
fn a_memory_store_in_the_place_of_a_folder_works_and_says_why_it_is_there() {
    let store = MemoryStore::standing_in("no space left");
    store.put_batch(vec![put("a", "1")]).unwrap();
    assert_eq!(store.get(b"a").unwrap(), Some(b"1".to_vec()));
    assert_eq!(store.health(), Health::Degraded { reason: "no space left".to_owned() });
}
