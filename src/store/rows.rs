//! Records in a sled tree: reading with a check of the seal, writing with the seal, walking in pages.
//! The one file that knows both sled's calls and the seal; does not guard against panics (the engine does).

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::limits::{STATE_PAGE_BYTES_MAX, STATE_PAGE_ROWS_MAX};

use super::health::{Shared, count};
use super::seal::{
    RECORD_PREFIX, Record, SealFault, Split, chunk_key, open_chunk, open_record, record_key, seal,
};

/// Where a page begins.
#[derive(Debug, Clone)]
pub(super) enum PageFrom {
    /// At the first record under the prefix.
    Start,
    /// After this record.
    After(Vec<u8>),
}

/// Some records of a walk, and how to go on.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// Keys and values that proved whole.
    pub(super) rows: Vec<(Vec<u8>, Vec<u8>)>,
    /// Records read, those that did not prove whole included.
    pub(super) n_read: u64,
    pub(super) n_checksum_mismatches: u64,
    pub(super) n_version_mismatches: u64,
    /// The last record read, if there may be more.
    pub(super) next: Option<Vec<u8>>,
}

/// The value of a record that proves whole.
pub(super) fn read(db: &sled::Db, shared: &Shared, key: &[u8]) -> sled::Result<Option<Vec<u8>>> {
    let Some(row) = db.get(record_key(key))? else {
        return Ok(None);
    };
    Ok(unseal(db, shared, key, &row)?.ok())
}

fn unseal(
    db: &sled::Db,
    shared: &Shared,
    key: &[u8],
    row: &[u8],
) -> sled::Result<Result<Vec<u8>, SealFault>> {
    let value = match open_record(key, row) {
        Ok(Record::Inline(value)) => return Ok(Ok(value.to_vec())),
        Ok(Record::Split(split)) => join(db, key, split)?,
        Err(fault) => Err(fault),
    };
    match value {
        Ok(_) => {}
        Err(SealFault::Checksum) => count(&shared.checksum_mismatch, 1),
        Err(SealFault::Version) => count(&shared.version_mismatch, 1),
    }
    Ok(value)
}

fn join(db: &sled::Db, key: &[u8], split: Split) -> sled::Result<Result<Vec<u8>, SealFault>> {
    let mut value = Vec::new();
    for number in 0..split.n_chunks {
        let chunk_key = chunk_key(key, number);
        let Some(row) = db.get(&chunk_key)? else {
            return Ok(Err(SealFault::Checksum));
        };
        match open_chunk(&chunk_key, &row) {
            Ok(part) => value.extend_from_slice(part),
            Err(fault) => return Ok(Err(fault)),
        }
    }
    Ok(if split.is_whole(key, &value) { Ok(value) } else { Err(SealFault::Checksum) })
}

/// Applies the last write to each key (`None` deletes) as one batch.
pub(super) fn apply(
    db: &sled::Db,
    _shared: &Shared,
    last: &BTreeMap<Vec<u8>, Option<Vec<u8>>>,
) -> sled::Result<()> {
    let mut batch = sled::Batch::default();
    for (key, value) in last {
        let n_chunks_before = n_chunks_stored(db, key)?;
        let sealed = value.as_ref().map(|value| seal(key, value));
        let n_chunks = sealed.as_ref().map_or(0, |sealed| sealed.chunks.len());
        for number in u32::try_from(n_chunks).unwrap_or(u32::MAX)..n_chunks_before {
            batch.remove(chunk_key(key, number));
        }
        match sealed {
            None => batch.remove(record_key(key)),
            Some(sealed) => {
                batch.insert(record_key(key), sealed.record);
                for (chunk_key, row) in sealed.chunks {
                    batch.insert(chunk_key, row);
                }
            }
        }
    }
    db.apply_batch(batch)
}

/// Chunk rows of the value that is there now. Those of a record whose seal is broken stay until a compaction.
fn n_chunks_stored(db: &sled::Db, key: &[u8]) -> sled::Result<u32> {
    let row = db.get(record_key(key))?;
    Ok(match row.as_deref().map(|row| open_record(key, row)) {
        Some(Ok(Record::Split(split))) => split.n_chunks,
        _ => 0,
    })
}

/// One step of a walk over the records under a prefix.
pub(super) fn page(db: &sled::Db, shared: &Shared, prefix: &[u8], from: &PageFrom) -> sled::Result<Page> {
    let prefix = record_key(prefix);
    let start = match from {
        PageFrom::Start => Bound::Included(prefix.clone()),
        PageFrom::After(key) => Bound::Excluded(record_key(key)),
    };
    let mut page = Page::default();
    let mut n_bytes = 0;
    for entry in db.range::<Vec<u8>, _>((start, Bound::Unbounded)) {
        let (row_key, row) = entry?;
        if !row_key.starts_with(&prefix) {
            break;
        }
        let Some((&RECORD_PREFIX, key)) = row_key.split_first() else {
            break;
        };
        page.n_read += 1;
        match unseal(db, shared, key, &row)? {
            Ok(value) => {
                n_bytes += key.len() + value.len();
                page.rows.push((key.to_vec(), value));
            }
            Err(SealFault::Checksum) => page.n_checksum_mismatches += 1,
            Err(SealFault::Version) => page.n_version_mismatches += 1,
        }
        if page.n_read >= STATE_PAGE_ROWS_MAX as u64 || n_bytes >= STATE_PAGE_BYTES_MAX {
            page.next = Some(key.to_vec());
            break;
        }
    }
    Ok(page)
}
