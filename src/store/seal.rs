//! The seal on every row: a version byte and a checksum over key and content, written and checked here
//! only. Also splits values that are too long for one row into chunk rows, and joins them. Pure: bytes
//! in, bytes out. Keys of the database are `r` + key, and `c` + digest of the key + number for chunks.

use crate::limits::{STATE_KEY_BYTES_MAX, STATE_ROW_BYTES_MAX, STATE_VALUE_BYTES_MAX};

use super::StoreError;

/// Version of the rows' frame; another one reads as missing.
const ROW_VERSION: u8 = 1;
/// blake3's context for the tags, so that they are equal to no other digest.
const TAG_CONTEXT: &str = "patrol 2026 state row v1";
const TAG_BYTES: usize = 16;
const KIND_INLINE: u8 = 0;
const KIND_SPLIT: u8 = 1;
const KIND_CHUNK: u8 = 2;
/// First byte of the database's keys of records.
pub(super) const RECORD_PREFIX: u8 = b'r';
const CHUNK_PREFIX: u8 = b'c';

/// Why a row is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SealFault {
    /// Written by another version of the frame.
    Version,
    /// Not what was written.
    Checksum,
}

/// The content of a record's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Record<'a> {
    /// The value.
    Inline(&'a [u8]),
    /// The value is in chunk rows.
    Split(Split),
}

/// What a split value must add up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Split {
    /// Chunk rows.
    pub(super) n_chunks: u32,
    len: u64,
    digest: [u8; TAG_BYTES],
}

/// A value as rows of the database.
#[derive(Debug)]
pub(super) struct SealedValue {
    /// The record's row.
    pub(super) record: Vec<u8>,
    /// Chunk rows with their keys; empty for most values.
    pub(super) chunks: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Refuses keys that are too long.
pub(super) fn check_key(key: &[u8]) -> Result<(), StoreError> {
    if key.len() > STATE_KEY_BYTES_MAX {
        return Err(StoreError::KeyTooLarge { bytes: key.len(), limit: STATE_KEY_BYTES_MAX });
    }
    Ok(())
}

/// Refuses values that are too long.
pub(super) fn check_value(value: &[u8]) -> Result<(), StoreError> {
    if value.len() > STATE_VALUE_BYTES_MAX {
        return Err(StoreError::ValueTooLarge { bytes: value.len(), limit: STATE_VALUE_BYTES_MAX });
    }
    Ok(())
}

/// The database's key of a record.
pub(super) fn record_key(key: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(key.len() + 1);
    out.push(RECORD_PREFIX);
    out.extend_from_slice(key);
    out
}

/// The database's key of a chunk of a record.
pub(super) fn chunk_key(key: &[u8], number: u32) -> Vec<u8> {
    let mut out = Vec::with_capacity(1 + TAG_BYTES + 4);
    out.push(CHUNK_PREFIX);
    out.extend_from_slice(&tag(KIND_CHUNK, key, &[]));
    out.extend_from_slice(&number.to_be_bytes());
    out
}

/// Seals a value, splitting it if it is long.
pub(super) fn seal(key: &[u8], value: &[u8]) -> SealedValue {
    if value.len() <= STATE_ROW_BYTES_MAX {
        return SealedValue { record: frame(KIND_INLINE, &record_key(key), value), chunks: Vec::new() };
    }
    let mut chunks = Vec::with_capacity(value.len() / STATE_ROW_BYTES_MAX + 1);
    for (number, part) in (0u32..).zip(value.chunks(STATE_ROW_BYTES_MAX)) {
        let chunk_key = chunk_key(key, number);
        let row = frame(KIND_CHUNK, &chunk_key, part);
        chunks.push((chunk_key, row));
    }
    let mut head = Vec::with_capacity(4 + 8 + TAG_BYTES);
    head.extend_from_slice(&u32::try_from(chunks.len()).unwrap_or(u32::MAX).to_be_bytes());
    head.extend_from_slice(&(value.len() as u64).to_be_bytes());
    head.extend_from_slice(&tag(KIND_SPLIT, key, value));
    SealedValue { record: frame(KIND_SPLIT, &record_key(key), &head), chunks }
}

/// Checks a record's row.
pub(super) fn open_record<'a>(key: &[u8], row: &'a [u8]) -> Result<Record<'a>, SealFault> {
    let (kind, body) = unframe(&record_key(key), row)?;
    match kind {
        KIND_INLINE => Ok(Record::Inline(body)),
        KIND_SPLIT => read_split(body).map(Record::Split).ok_or(SealFault::Checksum),
        _ => Err(SealFault::Checksum),
    }
}

/// Checks a chunk's row.
pub(super) fn open_chunk<'a>(chunk_key: &[u8], row: &'a [u8]) -> Result<&'a [u8], SealFault> {
    match unframe(chunk_key, row)? {
        (KIND_CHUNK, body) => Ok(body),
        _ => Err(SealFault::Checksum),
    }
}

impl Split {
    /// Whether the joined chunks are the value that was split.
    pub(super) fn is_whole(&self, key: &[u8], value: &[u8]) -> bool {
        self.len == value.len() as u64 && self.digest == tag(KIND_SPLIT, key, value)
    }
}

fn read_split(body: &[u8]) -> Option<Split> {
    let (n_chunks, rest) = body.split_first_chunk::<4>()?;
    let (len, rest) = rest.split_first_chunk::<8>()?;
    let split = Split {
        n_chunks: u32::from_be_bytes(*n_chunks),
        len: u64::from_be_bytes(*len),
        digest: rest.try_into().ok()?,
    };
    let n_chunks_max = STATE_VALUE_BYTES_MAX.div_ceil(STATE_ROW_BYTES_MAX) as u64;
    (u64::from(split.n_chunks) <= n_chunks_max).then_some(split)
}

fn frame(kind: u8, row_key: &[u8], body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(2 + TAG_BYTES + body.len());
    out.push(ROW_VERSION);
    out.extend_from_slice(&tag(kind, row_key, body));
    out.push(kind);
    out.extend_from_slice(body);
    out
}

fn unframe<'a>(row_key: &[u8], row: &'a [u8]) -> Result<(u8, &'a [u8]), SealFault> {
    let (version, rest) = row.split_first().ok_or(SealFault::Checksum)?;
    if *version != ROW_VERSION {
        return Err(SealFault::Version);
    }
    let (stored, rest) = rest.split_first_chunk::<TAG_BYTES>().ok_or(SealFault::Checksum)?;
    let (kind, body) = rest.split_first().ok_or(SealFault::Checksum)?;
    if *stored != tag(*kind, row_key, body) {
        return Err(SealFault::Checksum);
    }
    Ok((*kind, body))
}

fn tag(kind: u8, key: &[u8], body: &[u8]) -> [u8; TAG_BYTES] {
    let mut hasher = blake3::Hasher::new_derive_key(TAG_CONTEXT);
    hasher.update(&[kind]);
    hasher.update(&(key.len() as u64).to_le_bytes());
    hasher.update(key);
    hasher.update(body);
    let mut out = [0; TAG_BYTES];
    hasher.finalize_xof().fill(&mut out);
    out
}

#[cfg(test)]
mod tests;
