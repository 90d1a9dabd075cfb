//! Damaged databases: each copy ends healthy or replaced, in time, and no value is read that was never
//! written.

use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use patrol::store::{Health, SledStore, Store, Write};

use super::Random;
use super::layout::copy_folder;

const ROWS: u32 = 1_500;
const ROUNDS: u8 = 4;
const COPIES: u64 = 40;

fn key(row: u32) -> Vec<u8> {
    format!("key-{row:05}").into_bytes()
}

/// The value of a row in a round; some are long enough to be split.
fn value(row: u32, round: u8) -> Vec<u8> {
    let mut random = Random(u64::from(row) << 8 | u64::from(round));
    let size = if row % 500 == 1 { 130_000 } else { random.below(500) };
    let mut value = vec![round];
    value.extend(random.bytes(size));
    value
}

/// A database with a history of overwrites and some restarts, closed.
fn original(path: &Path) {
    for round in 0..ROUNDS {
        let store = SledStore::open(path).unwrap();
        for rows in (0..ROWS).collect::<Vec<_>>().chunks(300) {
            store
                .put_batch(rows.iter().map(|&row| Write::Put(key(row), value(row, round))).collect())
                .unwrap();
        }
    }
    drop(SledStore::open(path).unwrap());
}

fn file_of(path: &Path, prefix: &str) -> PathBuf {
    let mut names: Vec<PathBuf> = fs::read_dir(path.join("db-1"))
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.file_name().unwrap().to_string_lossy().starts_with(prefix))
        .collect();
    names.sort();
    names.pop().unwrap()
}

fn open_file(path: &Path) -> (fs::File, usize) {
    let file = fs::File::options().read(true).write(true).open(path).unwrap();
    let len = usize::try_from(file.metadata().unwrap().len()).unwrap();
    (file, len)
}

fn flip_bits(path: &Path, n: usize, random: &mut Random) {
    let (mut file, len) = open_file(path);
    for _ in 0..n {
        let at = SeekFrom::Start(random.below(len) as u64);
        let mut byte = [0];
        file.seek(at).unwrap();
        file.read_exact(&mut byte).unwrap();
        file.seek(at).unwrap();
        file.write_all(&[byte[0] ^ (1 << random.below(8))]).unwrap();
    }
}

fn zero_block(path: &Path, random: &mut Random) {
    let (mut file, len) = open_file(path);
    file.seek(SeekFrom::Start((random.below(len.div_ceil(4096)) * 4096) as u64)).unwrap();
    file.write_all(&[0; 4096]).unwrap();
}

fn truncate(path: &Path, random: &mut Random) {
    let (file, len) = open_file(path);
    file.set_len(random.below(len) as u64).unwrap();
}

/// Opens, reads everything in both ways, writes, reopens. Returns whether the database was replaced.
fn survives(path: &Path, what: &str) -> bool {
    let store = SledStore::open(path).unwrap_or_else(|error| panic!("{what}: {error}"));
    let is_known = |key_read: &[u8], read: &[u8]| {
        let row = std::str::from_utf8(&key_read[4..]).unwrap().parse().unwrap();
        let round = *read.first().unwrap();
        assert!(round < ROUNDS && read == value(row, round), "{what}: row {row} is wrong");
    };
    let _end = store
        .scan_prefix(b"key-", &mut |key, read| {
            is_known(key, read);
            ControlFlow::Continue(())
        })
        .unwrap();
    let keys: Vec<_> = (0..ROWS).map(key).collect();
    for (key, read) in keys.iter().zip(store.get_many(keys.clone()).unwrap()) {
        if let Some(read) = read {
            is_known(key, &read);
        }
    }
    store.put_batch((0..50_u8).map(|i| Write::Put(vec![i], vec![i; 100])).collect()).unwrap();
    store.flush().unwrap();
    assert_eq!(store.health(), Health::Ok, "{what}");
    let is_replaced = store.rebuilt().is_some();
    drop(store);
    keeps_what_is_written(path, what) || is_replaced
}

/// Damage that one session did not meet may show in the next; a database that was replaced, or never needed
/// it, keeps what is written. Returns whether it was replaced here.
fn keeps_what_is_written(path: &Path, what: &str) -> bool {
    let expected = |i: u8| Some(vec![i; 100]);
    let mut is_replaced = false;
    for _ in 0..3 {
        let store = SledStore::open(path).unwrap_or_else(|error| panic!("{what}, again: {error}"));
        let read: Vec<_> = (0..50_u8).map(|i| store.get(&[i]).unwrap()).collect();
        if store.rebuilt().is_none() {
            assert!((0..50).map(expected).eq(read), "{what}: a written row is lost");
            return is_replaced;
        }
        is_replaced = true;
        let rows = (0..50_u8).map(|i| Write::Put(vec![i], vec![i; 100])).collect();
        store.put_batch(rows).unwrap();
        assert_eq!(store.health(), Health::Ok, "{what}, again");
    }
    panic!("{what}: replaced each time")
}

/// Damages copies of one database, each by its own seed, and prints how they ended.
fn check(name: &str, copies: u64, damage: impl Fn(&Path, &mut Random)) {
    let root = tempfile::tempdir().unwrap();
    let intact = root.path().join("intact");
    original(&intact);
    let mut n_replaced = 0;
    for seed in 0..copies {
        let copy = root.path().join(format!("copy-{seed}"));
        copy_folder(&intact, &copy);
        damage(&copy, &mut Random(seed));
        n_replaced += u64::from(survives(&copy, &format!("{name}, seed {seed}")));
        fs::remove_dir_all(&copy).unwrap();
    }
    println!("{name}: {copies} copies, {n_replaced} replaced");
}

#[test]
fn flipped_bits_in_the_database() {
    check("8 flipped bits", COPIES, |path, random| {
        flip_bits(&file_of(path, "db"), 8, random);
    });
}

#[test]
fn a_zeroed_block_in_the_database() {
    check("a zeroed block", COPIES, |path, random| {
        zero_block(&file_of(path, "db"), random);
    });
}

#[test]
fn a_truncated_database() {
    check("a truncated file", COPIES, |path, random| {
        truncate(&file_of(path, "db"), random);
    });
}

#[test]
fn a_truncated_or_flipped_snapshot() {
    check("a truncated snapshot", COPIES, |path, random| {
        truncate(&file_of(path, "snap."), random);
    });
    check("a flipped snapshot", COPIES, |path, random| {
        flip_bits(&file_of(path, "snap."), 2, random);
    });
}

#[test]
fn files_that_are_empty_lost_or_nonsense() {
    for file in ["db", "conf", "snap."] {
        check(&format!("empty {file}"), 1, |path, _| {
            fs::write(file_of(path, file), "").unwrap();
        });
        check(&format!("lost {file}"), 1, |path, _| {
            fs::remove_file(file_of(path, file)).unwrap();
        });
        check(&format!("nonsense in {file}"), 3, |path, random| {
            fs::write(file_of(path, file), random.bytes(5_000)).unwrap();
        });
        check(&format!("a folder in the place of {file}"), 1, |path, _| {
            let file = file_of(path, file);
            fs::remove_file(&file).unwrap();
            fs::create_dir(&file).unwrap();
        });
    }
    check("an empty database folder", 1, |path, _| {
        fs::remove_dir_all(path.join("db-1")).unwrap();
        fs::create_dir(path.join("db-1")).unwrap();
    });
    check("no database folder", 1, |path, _| {
        fs::remove_dir_all(path.join("db-1")).unwrap();
    });
    check("a file in the place of the database folder", 1, |path, _| {
        fs::remove_dir_all(path.join("db-1")).unwrap();
        fs::write(path.join("db-1"), "x").unwrap();
    });
}
