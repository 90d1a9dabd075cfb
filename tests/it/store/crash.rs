//! kill -9 at random moments: the folder opens, every batch is whole or absent, and what was flushed is
//! there.

use patrol::store::{SledStore, Store};

use super::children::{BATCH_ROWS, BATCHES_KEPT, key_of, newest_batch, value_of};
use super::{ChildProcess, Random};

/// Lets some time pass that is different each time, without a clock.
fn dawdle(random: &mut Random) {
    for _ in 0..random.below(200_000) {
        std::hint::spin_loop();
    }
}

#[test]
fn a_writer_killed_at_25_random_moments_leaves_whole_batches_only() {
    let root = tempfile::tempdir().unwrap();
    let mut random = Random(20);
    let mut flushed = None;
    for round in 0..25 {
        let mut child = ChildProcess::start("write", root.path());
        let n_lines = 1 + random.below(6);
        for _ in 0..n_lines {
            let said = child.hear().unwrap();
            if let Some(batch) = said.strip_prefix("flushed ") {
                flushed = Some(batch.parse::<u32>().unwrap());
            }
        }
        dawdle(&mut random);
        child.kill();

        let store = SledStore::open(root.path()).unwrap();
        assert_eq!(store.rebuilt(), None, "round {round}");
        let newest = newest_batch(&store);
        assert!(newest >= flushed, "round {round}: {newest:?} is there, {flushed:?} was flushed");
        let report = store.verify().unwrap();
        assert!(report.is_sound(), "round {round}: {report:?}");
        assert_eq!(report.n_rows % u64::from(BATCH_ROWS), 0, "round {round}");
    }
    assert!(flushed >= Some(BATCHES_KEPT), "the writer came round: {flushed:?}");
}

#[test]
fn a_compaction_killed_at_10_random_moments_loses_no_row() {
    let root = tempfile::tempdir().unwrap();
    {
        let store = SledStore::open(root.path()).unwrap();
        for batch in 0..BATCHES_KEPT {
            let rows = (0..BATCH_ROWS)
                .map(|row| patrol::store::Write::Put(key_of(batch, row), value_of(batch, row)));
            store.put_batch(rows.collect()).unwrap();
        }
    }
    let mut random = Random(21);
    for round in 0..10 {
        let mut child = ChildProcess::start("compact", root.path());
        for _ in 0..=random.below(3) {
            assert_eq!(child.hear().as_deref(), Some("compacting"));
        }
        dawdle(&mut random);
        child.kill();
        let store = SledStore::open(root.path()).unwrap();
        assert_eq!(store.rebuilt(), None, "round {round}");
        assert_eq!(newest_batch(&store), Some(BATCHES_KEPT - 1));
        assert_eq!(store.verify().unwrap().n_rows, u64::from(BATCH_ROWS * BATCHES_KEPT), "round {round}");
    }
}
