//! The facts of one scan: each is fetched once, whoever asks, and shared by all workers.

use std::sync::Arc;

use dashmap::DashMap;
use tokio::runtime::Handle;
use tokio::sync::OnceCell;

use crate::fingerprint;
use crate::inventory::Source;
use crate::model::{Fact, FactKey};

/// The facts fetched so far.
#[derive(Debug)]
pub(super) struct FactCache {
    source: Arc<dyn Source>,
    handle: Handle,
    cells: DashMap<FactKey, Arc<OnceCell<Arc<Fact>>>>,
}

impl FactCache {
    pub(super) fn new(source: Arc<dyn Source>, handle: Handle) -> Self {
        Self { source, handle, cells: DashMap::new() }
    }

    /// The fact; blocks until it is fetched. For blocking workers only.
    pub(super) fn get(&self, key: &FactKey) -> Arc<Fact> {
        let cell = match self.cells.get(key) {
            Some(cell) => Arc::clone(&cell),
            None => Arc::clone(&self.cells.entry(key.clone()).or_default()),
        };
        if let Some(fact) = cell.get() {
            return Arc::clone(fact);
        }
        let fetch = async { Arc::new(fingerprint::fact(self.source.fact(key).await)) };
        Arc::clone(self.handle.block_on(cell.get_or_init(|| fetch)))
    }

    /// How many facts were fetched.
    pub(super) fn len(&self) -> usize {
        self.cells.len()
    }
}
