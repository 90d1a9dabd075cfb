//! What registries said, kept between scans: registries count requests, and tell of no change by themselves.
//!
//! What a digest names never changes. What a tag names, and whether something is attached to an image, is asked again once
//! it is older than the maximum age of what cannot be watched. Failures are never kept.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::limits;
use crate::model::{FactKey, FactValue};

/// Answers by question.
#[derive(Debug, Default)]
pub(crate) struct RegistryCache(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    answers: BTreeMap<FactKey, (FactValue, Instant)>,
    n_bytes: usize,
}

impl RegistryCache {
    /// The answer, if it is not too old.
    pub(crate) fn get(&self, key: &FactKey, max_age: Duration) -> Option<FactValue> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (value, at) = kept.answers.get(key)?;
        (is_fixed(key, value) || at.elapsed() < max_age).then(|| value.clone())
    }

    /// Keeps an answer. Where there is no room, all others go.
    pub(crate) fn put(&self, key: &FactKey, value: &FactValue) {
        if !matches!(value, FactValue::Found(_) | FactValue::Missing) {
            return;
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let n_bytes = size_of_answer(value);
        if let Some((before, _)) = kept.answers.remove(key) {
            kept.n_bytes -= size_of_answer(&before);
        }
        if kept.n_bytes + n_bytes > limits::REGISTRY_CACHE_BYTES_MAX {
            *kept = Kept::default();
        }
        if n_bytes <= limits::REGISTRY_CACHE_BYTES_MAX {
            kept.n_bytes += n_bytes;
            kept.answers.insert(key.clone(), (value.clone(), Instant::now()));
        }
    }

    /// Forgets everything: settings or credentials are others.
    pub(crate) fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Kept::default();
    }
}

/// Whether an answer holds for ever: the data of an image that is named by its digest.
fn is_fixed(key: &FactKey, value: &FactValue) -> bool {
    matches!((key, value), (FactKey::Image(image), FactValue::Found(_)) if image.contains('@'))
}

/// About what an answer takes in memory, in bytes; an entry of its own takes some hundred.
fn size_of_answer(value: &FactValue) -> usize {
    512 + match value {
        FactValue::Found(document) => document.heap_size(),
        _ => 0,
    }
}
