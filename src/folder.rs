//! Manifests as a cluster: files, folders and standard input become documents.
//!
//! [`read`] finds and splits, which is cheap; [`Manifest::parse`] builds the [`Document`] of one manifest on
//! demand and from any thread, so that an unchanged manifest (told by its digest) is never parsed. Bad input
//! costs only itself: it becomes a [`Problem`] with file and line. What an object is called is the business
//! of `inventory/`.

mod json;
mod layout;
mod load;
mod parse;
mod places;
mod selector;
mod sink;
mod snapshot;
mod source;
mod split;
#[cfg(test)]
mod tests;
mod walk;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::fingerprint;
use crate::inventory::Origin;
use crate::model::{Fingerprint, Gvk};

pub use layout::{Layout, Place};
pub use load::{Claims, Loaded, load};
pub use parse::{ManifestError, parse_yaml};
pub use places::{Places, Unproven};
pub use sink::FolderSink;
pub use snapshot::Snapshot;
pub use source::{FolderSource, Known};
pub use split::split;
pub use walk::{STDIN, read, read_file};

/// Input that could not be used. The rest of the input goes on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where.
    pub origin: Origin,
    /// What is wrong, lower case and without a final dot.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.origin, self.message)
    }
}

/// How the text of a manifest is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// It starts as JSON does; YAML in flow style is tried second.
    Json,
    /// YAML.
    Yaml,
    /// One entry of a block-style YAML list, from the line of its dash on.
    YamlItem,
    /// JSON that is not in the file: an entry of a YAML list that had to be parsed to be split.
    Rewritten,
}

/// One document of a file, not parsed yet.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// Where it starts.
    pub origin: Origin,
    /// Over the raw bytes; stands for the resourceVersion.
    pub digest: Fingerprint,
    /// How to read it.
    pub format: Format,
    source: Arc<[u8]>,
    range: Range<usize>,
    /// The kind that items of a typed list (`PodList`) have if they do not say.
    item_kind: Option<Arc<Gvk>>,
}

impl Manifest {
    fn new(
        origin: Origin,
        format: Format,
        source: &Arc<[u8]>,
        range: Range<usize>,
        item_kind: Option<Arc<Gvk>>,
    ) -> Self {
        let bytes = source.get(range.clone()).unwrap_or_default();
        let digest = match &item_kind {
            None => fingerprint::of_bytes(bytes),
            Some(gvk) => {
                fingerprint::Hasher::new("patrol/item/1").str(&gvk.to_string()).bytes(bytes).finish()
            }
        };
        Self { origin, digest, format, source: Arc::clone(source), range, item_kind }
    }

    /// The bytes as they stand in the file.
    pub fn bytes(&self) -> &[u8] {
        self.source.get(self.range.clone()).unwrap_or_default()
    }
}

/// What was found under the given paths, in the order of the paths, folders sorted by name.
#[derive(Clone, Debug, Default)]
pub struct Folder {
    /// The documents.
    pub manifests: Vec<Manifest>,
    /// What could not be read or split.
    pub problems: Vec<Problem>,
}
