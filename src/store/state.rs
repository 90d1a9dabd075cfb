//! The typed state of one source (a cluster, or a set of folders) over the store of bytes.
//!
//! Rows: `i` an index record a resource, below its kind; `v` the verdicts of a resource, together, since a report needs them together;
//! `m` what is remembered of the source itself. Sources share one database under prefixes of their own, so that two folders scanned in turn
//! do not forget each other; the least recently used are dropped beyond a bound.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::codec;
use super::{ScanEnd, Store, StoreError, Write};
use crate::fingerprint::Hasher;
use crate::limits;
use crate::model::{IndexRecord, ResourceId, Verdict};

/// The state of one source.
#[derive(Clone, Debug)]
pub struct State {
    store: Arc<dyn Store>,
    source: [u8; 8],
    /// The index records as one walk found them, by the prefix of their kind and their UID.
    snapshot: Option<Arc<Snapshot>>,
}

/// The note that holds the version of the engine.
const ENGINE: &str = "engine";

/// Index records that were read at once.
type Snapshot = BTreeMap<([u8; 8], String), IndexRecord>;

/// One change of a resource's rows.
#[derive(Clone, Debug, PartialEq)]
pub enum StateChange {
    /// Stores the index record.
    Record(Box<IndexRecord>),
    /// Stores the verdicts of a resource.
    Verdicts(ResourceId, Vec<Verdict>),
    /// Drops everything about a resource.
    Forget(ResourceId),
}

impl State {
    /// The state of the source with that label, such as `folder /manifests` or `cluster <uid>`. Notes the use, and drops the sources that were
    /// used longest ago.
    pub fn open(store: Arc<dyn Store>, label: &str, now_s: i64) -> Result<Self, StoreError> {
        let state = Self::at(store, label);
        state.store.put_batch(vec![Write::Put(state.key(b's', &[]), source_row(label, now_s))])?;
        state.drop_old_sources()?;
        Ok(state)
    }

    /// The state of the source with that label, as it is.
    pub fn at(store: Arc<dyn Store>, label: &str) -> Self {
        Self { source: short(Hasher::new("patrol/source/1").str(label)), store, snapshot: None }
    }

    /// The same state with all index records read at once, for a source that is held in memory whole anyway: looking them up then costs nothing
    /// more. What is stored afterwards is not seen by it.
    #[must_use]
    pub fn with_snapshot(mut self) -> Self {
        let mut snapshot = Snapshot::new();
        let walk = self.each_record(&mut |record| {
            let prefix = kind_prefix(&record.id.key.group, &record.id.key.kind);
            snapshot.insert((prefix, record.id.uid.clone()), record);
            ControlFlow::Continue(())
        });
        if matches!(walk, Ok(ScanEnd::Complete)) {
            self.snapshot = Some(Arc::new(snapshot));
        }
        self
    }

    /// The store underneath.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The index records and verdict rows of resources, in their order; `None` where there is none that can be read.
    pub fn records(&self, ids: &[&ResourceId]) -> Result<Vec<Option<IndexRecord>>, StoreError> {
        if let Some(snapshot) = &self.snapshot {
            let key = |id: &ResourceId| (kind_prefix(&id.key.group, &id.key.kind), id.uid.clone());
            return Ok(ids.iter().map(|id| snapshot.get(&key(id)).cloned()).collect());
        }
        let rows = self.store.get_many(ids.iter().map(|id| self.record_key(id)).collect())?;
        let read = |(id, row): (&&ResourceId, Option<Vec<u8>>)| {
            row.and_then(|row| codec::decode_record(&row)).filter(|record| record.id.uid == id.uid)
        };
        Ok(ids.iter().zip(rows).map(read).collect())
    }

    /// The stored verdicts of a resource; none if there are none that can be read.
    pub fn verdicts(&self, id: &ResourceId) -> Result<Vec<Verdict>, StoreError> {
        let row = self.store.get(&self.key(b'v', id.uid.as_bytes()))?;
        Ok(row.and_then(|row| codec::decode_verdicts(&row)).unwrap_or_default())
    }

    /// The stored verdicts of resources, in their order.
    pub fn verdicts_of(&self, ids: &[&ResourceId]) -> Result<Vec<Vec<Verdict>>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let rows = self.store.get_many(ids.iter().map(|id| self.key(b'v', id.uid.as_bytes())).collect())?;
        let read =
            |row: Option<Vec<u8>>| row.and_then(|row| codec::decode_verdicts(&row)).unwrap_or_default();
        Ok(rows.into_iter().map(read).collect())
    }

    /// Visits every index record, kind by kind.
    pub fn each_record(
        &self,
        visit: &mut dyn FnMut(IndexRecord) -> ControlFlow<()>,
    ) -> Result<ScanEnd, StoreError> {
        if let Some(snapshot) = &self.snapshot {
            let stopped = snapshot.values().any(|record| visit(record.clone()).is_break());
            return Ok(if stopped { ScanEnd::Stopped } else { ScanEnd::Complete });
        }
        self.store.scan_prefix(&self.key(b'i', &[]), &mut |_, row| match codec::decode_record(row) {
            Some(record) => visit(record),
            None => ControlFlow::Continue(()),
        })
    }

    /// Applies changes; those of one call are seen together or not at all, as far as one batch of the store holds them.
    pub fn apply(&self, changes: &[StateChange]) -> Result<(), StoreError> {
        let mut writes = Vec::with_capacity(changes.len());
        for change in changes {
            match change {
                StateChange::Record(record) => {
                    writes.push(Write::Put(self.record_key(&record.id), codec::encode_record(record)));
                }
                StateChange::Verdicts(id, verdicts) => {
                    let key = self.key(b'v', id.uid.as_bytes());
                    writes.push(Write::Put(key, codec::encode_verdicts(verdicts)));
                }
                StateChange::Forget(id) => {
                    writes.push(Write::Delete(self.record_key(id)));
                    writes.push(Write::Delete(self.key(b'v', id.uid.as_bytes())));
                }
            }
        }
        self.store.put_batch(writes)
    }

    /// What is remembered of the source under a name.
    pub fn note(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.get(&self.key(b'm', name.as_bytes()))
    }

    /// Remembers something of the source under a name.
    pub fn set_note(&self, name: &str, value: Vec<u8>) -> Result<(), StoreError> {
        self.store.put_batch(vec![Write::Put(self.key(b'm', name.as_bytes()), value)])
    }

    /// The version of the engine whose scan was last stored; `None` if none was.
    pub fn engine(&self) -> Result<Option<u64>, StoreError> {
        let note = self.note(ENGINE)?;
        Ok(note.and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes))
    }

    /// Notes the version of the engine whose scan is stored.
    pub fn set_engine(&self, version: u64) -> Result<(), StoreError> {
        if self.engine()? == Some(version) {
            return Ok(());
        }
        self.set_note(ENGINE, version.to_le_bytes().to_vec())
    }

    /// Makes everything written so far durable.
    pub fn flush(&self) -> Result<(), StoreError> {
        self.store.flush()
    }

    fn key(&self, table: u8, rest: &[u8]) -> Vec<u8> {
        let mut key = Vec::with_capacity(9 + rest.len());
        key.push(table);
        key.extend_from_slice(&self.source);
        key.extend_from_slice(rest);
        key
    }

    fn record_key(&self, id: &ResourceId) -> Vec<u8> {
        let mut rest = kind_prefix(&id.key.group, &id.key.kind).to_vec();
        rest.extend_from_slice(id.uid.as_bytes());
        self.key(b'i', &rest)
    }

    fn drop_old_sources(&self) -> Result<(), StoreError> {
        let mut sources = known_sources(&*self.store)?;
        sources.sort_by_key(|source| std::cmp::Reverse((source.id == self.source, source.used_at_s)));
        for old in sources.iter().skip(limits::STATE_SOURCES_MAX) {
            for table in [b'i', b'v', b'm', b's'] {
                let prefix: Vec<u8> = std::iter::once(table).chain(old.id).collect();
                let mut gone = Vec::new();
                let _ = self.store.scan_prefix(&prefix, &mut |key, _| {
                    gone.push(Write::Delete(key.to_vec()));
                    ControlFlow::Continue(())
                })?;
                self.store.put_batch(gone)?;
            }
        }
        Ok(())
    }
}

/// A source that the state knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownSource {
    id: [u8; 8],
    /// The label it was opened with.
    pub label: String,
    /// When it was last opened, in Unix seconds.
    pub used_at_s: i64,
}

/// The sources that a store knows.
pub fn known_sources(store: &dyn Store) -> Result<Vec<KnownSource>, StoreError> {
    let mut sources = Vec::new();
    let _ = store.scan_prefix(b"s", &mut |key, row| {
        let id = key.get(1..9).and_then(|id| id.try_into().ok());
        let time = row.get(..8).and_then(|time| time.try_into().ok()).map(i64::from_le_bytes);
        let label = row.get(8..).and_then(|label| std::str::from_utf8(label).ok());
        if let (Some(id), Some(used_at_s), Some(label)) = (id, time, label) {
            sources.push(KnownSource { id, label: label.to_owned(), used_at_s });
        }
        ControlFlow::Continue(())
    })?;
    Ok(sources)
}

fn source_row(label: &str, now_s: i64) -> Vec<u8> {
    let mut row = now_s.to_le_bytes().to_vec();
    row.extend_from_slice(label.as_bytes());
    row
}

fn kind_prefix(group: &str, kind: &str) -> [u8; 8] {
    short(Hasher::new("patrol/kind/1").str(group).str(kind))
}

fn short(hasher: &Hasher) -> [u8; 8] {
    let mut id = [0; 8];
    id.iter_mut().zip(hasher.finish().0).for_each(|(to, from)| *to = from);
    id
}
