//! Fingerprints: what counts as "the same".
//!
//! Every fingerprint is blake3 over canonical bytes (keys sorted, lengths in front, little endian) under a domain tag with a format version,
//! so that equal meaning gives equal bytes and nothing of one kind can be mistaken for another. Hashing only: what is compared with what is
//! decided in `plan/`.

use crate::document::{Document, Kind, Node, Part, Parts};
use crate::model::{Fact, FactPrints, FactRead, FactValue, Fingerprint, Gvk};

#[cfg(test)]
mod tests;

/// A hash under construction; everything written is delimited, so that `("ab", "c")` and `("a", "bc")` differ.
///
/// What is written is a few bytes at a time, so it is gathered first: hashing it in one piece takes a quarter of the time.
#[derive(Clone, Debug, Default)]
pub struct Hasher {
    gathered: Vec<u8>,
    /// What was gathered before, if it was much.
    hashed: Option<Box<blake3::Hasher>>,
}

/// As many bytes are gathered.
const GATHERED_BYTES: usize = 16 * 1024;

impl Hasher {
    /// Starts a hash under a domain tag, such as `patrol/part/1`.
    pub fn new(domain: &str) -> Self {
        let mut hasher = Self::default();
        hasher.str(domain);
        hasher
    }

    /// Starts over under a domain tag.
    fn restart(&mut self, domain: &str) {
        self.gathered.clear();
        self.hashed = None;
        self.str(domain);
    }

    fn add(&mut self, bytes: &[u8]) {
        if self.gathered.len() + bytes.len() > GATHERED_BYTES {
            let hashed = self.hashed.get_or_insert_default();
            hashed.update(&self.gathered).update(bytes);
            self.gathered.clear();
        } else {
            self.gathered.extend_from_slice(bytes);
        }
    }

    /// Adds text.
    pub fn str(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }

    /// Adds bytes.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.u64(bytes.len() as u64);
        self.add(bytes);
        self
    }

    /// Adds a number.
    pub fn u64(&mut self, number: u64) -> &mut Self {
        self.add(&number.to_le_bytes());
        self
    }

    /// Adds another fingerprint.
    pub fn print(&mut self, print: Fingerprint) -> &mut Self {
        self.add(&print.0);
        self
    }

    /// Adds a JSON value in canonical form.
    pub fn node(&mut self, node: Node<'_>) -> &mut Self {
        match node.kind() {
            Kind::Null => self.tag(b'n'),
            Kind::Bool => self.tag(if node.as_bool() == Some(true) { b't' } else { b'f' }),
            Kind::Int => self.tag(b'i').u64(node.as_i64().unwrap_or_default().cast_unsigned()),
            Kind::Float => self.tag(b'd').u64(node.as_f64().unwrap_or_default().to_bits()),
            Kind::String => self.tag(b's').str(node.as_str().unwrap_or_default()),
            Kind::Array => {
                self.tag(b'a').u64(node.len() as u64);
                node.items().for_each(|item| {
                    self.node(item);
                });
                self
            }
            Kind::Object => {
                self.tag(b'o').u64(node.len() as u64);
                for (key, value) in node.sorted_entries() {
                    self.str(key).node(value);
                }
                self
            }
        }
    }

    fn tag(&mut self, tag: u8) -> &mut Self {
        self.add(&[tag]);
        self
    }

    /// The fingerprint.
    pub fn finish(&self) -> Fingerprint {
        let hash = match &self.hashed {
            None => blake3::hash(&self.gathered),
            Some(hashed) => hashed.clone().update(&self.gathered).finalize(),
        };
        hash.as_bytes().first_chunk().map_or_else(Fingerprint::default, |bytes| Fingerprint(*bytes))
    }
}

/// The fingerprint of raw bytes: a document of a folder before it is parsed.
pub fn of_bytes(bytes: &[u8]) -> Fingerprint {
    Hasher::new("patrol/bytes/1").bytes(bytes).finish()
}

/// The fingerprint of one JSON value.
pub fn of_node(node: Node<'_>) -> Fingerprint {
    Hasher::new("patrol/value/1").node(node).finish()
}

/// What a look-up found, with its fingerprints. A failed look-up has them too, so that its recovery is a change.
pub fn fact(value: FactValue) -> Fact {
    let mut hasher = Hasher::new("patrol/fact/2");
    let mut parts = PartPrints::default();
    match &value {
        FactValue::Found(document) if document.root().kind() == Kind::Object => {
            identity(hasher.str("object"), document.root());
            parts = PartPrints::of(document);
        }
        FactValue::Found(document) => {
            hasher.str("value").node(document.root());
        }
        FactValue::Missing => {
            hasher.str("missing");
        }
        FactValue::Refused(message) => {
            hasher.str("refused").str(message);
        }
        FactValue::Failed { message, .. } => {
            hasher.str("failed").str(message);
        }
    }
    Fact { value, prints: FactPrints { identity: hasher.finish(), parts: parts.0 } }
}

/// Adds what no [`Part`] covers: which object it is, and whether it has metadata at all.
fn identity(hasher: &mut Hasher, object: Node<'_>) {
    let metadata = object.get("metadata");
    let names = metadata.filter(|metadata| metadata.kind() == Kind::Object);
    let of_names = ["name", "namespace", "uid"].map(|key| names.and_then(|names| names.get(key)));
    let is_named = names.is_some();
    for field in ["apiVersion", "kind"].map(|key| object.get(key)).into_iter().chain(of_names) {
        match field {
            Some(value) => hasher.tag(b'+').node(value),
            None => hasher.tag(b'-'),
        };
    }
    match metadata.filter(|_| !is_named) {
        Some(other) => hasher.tag(b'+').node(other),
        None => hasher.tag(if is_named { b'm' } else { b'-' }),
    };
}

/// One fingerprint over the identity and the named parts of a fact: what a reading of it was derived from.
pub fn over_fact(prints: &FactPrints, parts: Parts) -> Fingerprint {
    let mut hasher = Hasher::new("patrol/fact-parts/1");
    hasher.print(prints.identity);
    over_parts(&mut hasher, &prints.parts, parts);
    hasher.finish()
}

/// Whether what was read of a fact is what it is now.
pub fn is_as_read(read: &FactRead, now: &FactPrints) -> bool {
    over_fact(now, read.parts) == read.print
}

/// Adds the named ones of an object's parts.
fn over_parts(hasher: &mut Hasher, prints: &[Fingerprint; Part::ALL.len()], parts: Parts) {
    hasher.u64(parts.bits().into());
    for (_, print) in Part::ALL.into_iter().zip(prints).filter(|(part, _)| parts.contains(*part)) {
        hasher.print(*print);
    }
}

/// The fingerprints of an object's parts, in the order of [`Part::ALL`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartPrints(pub [Fingerprint; Part::ALL.len()]);

impl PartPrints {
    /// Computes all of them.
    pub fn of(object: &Document) -> Self {
        let root = object.root();
        let top_level = root.sorted_entries();
        let metadata = root.get("metadata").map(Node::sorted_entries).unwrap_or_default();
        let mut hasher = Hasher::default();
        Self(Part::ALL.map(|part| {
            hasher.restart(part.name());
            for (key, value) in &top_level {
                if *key == "metadata" {
                    let of_part = metadata.iter().filter(|(key, _)| Part::of_metadata(key) == Some(part));
                    of_part.for_each(|(key, value)| {
                        hasher.str(key).node(*value);
                    });
                } else if Part::of_top_level(key) == Some(part) {
                    hasher.str(key).node(*value);
                }
            }
            hasher.finish()
        }))
    }

    /// The parts in which two objects differ.
    pub fn differing(&self, other: &Self) -> Parts {
        let pairs = Part::ALL.into_iter().zip(self.0.iter().zip(&other.0));
        pairs.filter(|(_, (a, b))| a != b).fold(Parts::NONE, |parts, (part, _)| parts.union(Parts::of(part)))
    }
}

/// The parts of a resource in each form that it was read in: as which kind and version, and what it then held.
/// The first is the form that the resource is known by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FormPrints(pub Vec<(Gvk, PartPrints)>);

impl FormPrints {
    /// One fingerprint over the named parts of some forms, by position: what a verdict was derived from. A form is
    /// always read as what it is, so its group, version and kind count as well.
    pub fn over(&self, forms: &[usize], parts: Parts) -> Fingerprint {
        let mut hasher = Hasher::new("patrol/forms/1");
        for (form, prints) in forms.iter().filter_map(|form| self.0.get(*form)) {
            hasher.str(&form.group).str(&form.version).str(&form.kind);
            over_parts(&mut hasher, &prints.0, parts);
        }
        hasher.finish()
    }

    /// The parts of the form that the resource is known by.
    pub fn known(&self) -> PartPrints {
        self.0.first().map(|(_, prints)| *prints).unwrap_or_default()
    }
}
