//! The tape: all values of a document in one vector, all text in one string.
//!
//! A container's slot says where it ends, so a sibling is one step away; an object's entries are a key slot followed by the value's slots.
//! Numbers follow Kubernetes' unstructured JSON: an integer that fits `i64` is an integer, every other number a float. Of a key that is
//! given twice the last value counts, as in Go.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::Node;
use crate::limits;

/// Why bytes are not a document.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// The bytes are not JSON, are nested too deeply, or are cut.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// More values or text than a tape addresses.
    #[error("the object is larger than {} bytes", limits::DOCUMENT_BYTES_MAX)]
    TooLarge,
}

/// The JSON type of a value; integers and other numbers are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `null`
    Null,
    /// `true` or `false`
    Bool,
    /// A whole number that fits `i64`.
    Int,
    /// Any other number.
    Float,
    /// A string.
    String,
    /// A list.
    Array,
    /// A map.
    Object,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Slot {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    String {
        start: u32,
        len: u32,
        /// The first four bytes, which tell most keys apart.
        head: [u8; 4],
    },
    /// `end` is the index behind the last slot of the container.
    Array {
        len: u32,
        end: u32,
    },
    Object {
        len: u32,
        end: u32,
    },
}

/// One JSON value (usually a Kubernetes object), immutable.
#[derive(Clone)]
pub struct Document {
    pub(super) slots: Vec<Slot>,
    pub(super) text: String,
}

impl Document {
    /// Reads JSON text, leaving out `metadata.managedFields`.
    pub fn from_json(bytes: &[u8]) -> Result<Self, DocumentError> {
        if bytes.len() > limits::DOCUMENT_BYTES_MAX {
            return Err(DocumentError::TooLarge);
        }
        let mut deserializer = serde_json::Deserializer::from_slice(bytes);
        let document = Self::from_deserializer(&mut deserializer, bytes.len())?;
        deserializer.end()?;
        Ok(document)
    }

    /// Reads an item of a Kubernetes list, in which `apiVersion` and `kind` are absent for built-in kinds: they are added.
    pub fn from_list_item(bytes: &[u8], api_version: &str, kind: &str) -> Result<Self, DocumentError> {
        let document = Self::from_json(bytes)?;
        if document.root().get("kind").is_some() || document.root().kind() != Kind::Object {
            return Ok(document);
        }
        let Self { slots, text } = document;
        let mut whole = Self { slots: Vec::with_capacity(slots.len() + 4), text };
        whole.push(Slot::Object { len: 0, end: 0 });
        for (key, value) in [("apiVersion", api_version), ("kind", kind)] {
            whole.push_str(key);
            whole.push_str(value);
        }
        whole.slots.extend(slots.iter().skip(1).map(|slot| match *slot {
            Slot::Array { len, end } => Slot::Array { len, end: end + 4 },
            Slot::Object { len, end } => Slot::Object { len, end: end + 4 },
            scalar => scalar,
        }));
        whole.close(0);
        Ok(whole)
    }

    /// Reads whatever serde deserializer, leaving out `metadata.managedFields`; `size_hint` is the length of the input in bytes.
    pub fn from_deserializer<'de, D: Deserializer<'de>>(
        deserializer: D,
        size_hint: usize,
    ) -> Result<Self, D::Error> {
        let mut document = Self {
            slots: Vec::with_capacity(size_hint / 12 + 4),
            text: String::with_capacity(size_hint / 2),
        };
        Fill { document: &mut document, place: Place::Root, depth: 0 }.deserialize(deserializer)?;
        Ok(document)
    }

    /// The same document with every integer as a float, as Go's `encoding/json` reads numbers into an `any`.
    #[must_use]
    pub fn with_float_numbers(mut self) -> Self {
        for slot in &mut self.slots {
            if let Slot::Int(value) = *slot {
                *slot = Slot::Float(value as f64);
            }
        }
        self
    }

    /// The document `null`.
    pub fn null() -> Self {
        Self { slots: vec![Slot::Null], text: String::new() }
    }

    /// The root, without read tracking.
    pub fn root(&self) -> Node<'_> {
        Node::root(self, None)
    }

    /// The root, with what is looked at noted in `reads`.
    pub fn tracked<'d>(&'d self, reads: &'d super::Reads) -> Node<'d> {
        Node::root(self, Some(reads))
    }

    /// Turns floats without a fraction into integers where they fit, as YAML numbers become JSON in Go (`2.0` and `1e3` are whole there).
    #[must_use]
    pub fn with_whole_floats_as_integers(mut self) -> Self {
        const LIMIT: f64 = 9_007_199_254_740_992.0;
        for slot in &mut self.slots {
            match *slot {
                #[expect(clippy::cast_possible_truncation, reason = "the limit is far inside of i64")]
                Slot::Float(float) if float.fract() == 0.0 && float.abs() <= LIMIT => {
                    *slot = Slot::Int(float as i64);
                }
                _ => {}
            }
        }
        self
    }

    /// Turns all integers into floats: the reference's command line does so with the resources of a test.
    #[must_use]
    pub fn with_integers_as_floats(mut self) -> Self {
        for slot in &mut self.slots {
            if let Slot::Int(integer) = *slot {
                *slot = Slot::Float(integer as f64);
            }
        }
        self
    }

    /// The memory that the document holds, in bytes.
    pub fn heap_size(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>() + self.text.capacity()
    }

    pub(super) fn slot(&self, index: u32) -> Slot {
        self.slots.get(index as usize).copied().unwrap_or(Slot::Null)
    }

    pub(super) fn str_at(&self, index: u32) -> &str {
        match self.slot(index) {
            Slot::String { start, len, .. } => {
                self.text.get(start as usize..start as usize + len as usize).unwrap_or("")
            }
            _ => "",
        }
    }

    /// Where the value of a key is, among the entries of the object that lie from `next` to `end`.
    pub(super) fn entry(&self, mut next: u32, end: u32, key: &str) -> Option<u32> {
        let (slots, text, head) = (self.slots.as_slice(), self.text.as_bytes(), head_of(key));
        while next < end {
            // Most keys differ in length or head, so most are passed over without a look at their text.
            if let Some(Slot::String { start, len, head: known }) = slots.get(next as usize)
                && *known == head
                && *len as usize == key.len()
                && text.get(*start as usize..*start as usize + key.len()) == Some(key.as_bytes())
            {
                return Some(next + 1);
            }
            next = self.after(next + 1);
        }
        None
    }

    /// The index behind the value at `index`.
    pub(super) fn after(&self, index: u32) -> u32 {
        match self.slot(index) {
            Slot::Array { end, .. } | Slot::Object { end, .. } => end,
            _ => index + 1,
        }
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.root().to_json())
    }
}

impl PartialEq for Document {
    fn eq(&self, other: &Self) -> bool {
        self.root().equals(other.root())
    }
}

/// Builds a document value by value, for what is computed or put together (a policy's literal, a mocked response).
///
/// Containers are opened and closed; in an object every value follows its [`key`](Self::key).
#[derive(Debug)]
pub struct DocumentBuilder {
    document: Document,
    open: Vec<usize>,
}

impl Default for DocumentBuilder {
    fn default() -> Self {
        Self { document: Document { slots: Vec::new(), text: String::new() }, open: Vec::new() }
    }
}

impl DocumentBuilder {
    /// An empty builder.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `null`.
    pub fn null(&mut self) {
        self.document.push(Slot::Null);
    }

    /// Adds a boolean.
    pub fn bool(&mut self, value: bool) {
        self.document.push(Slot::Bool(value));
    }

    /// Adds an integer.
    pub fn int(&mut self, value: i64) {
        self.document.push(Slot::Int(value));
    }

    /// Adds a float.
    pub fn float(&mut self, value: f64) {
        self.document.push(Slot::Float(value));
    }

    /// Adds a string.
    pub fn string(&mut self, value: &str) {
        self.document.push_str(value);
    }

    /// Adds the key of the next value.
    pub fn key(&mut self, key: &str) {
        self.document.push_str(key);
    }

    /// Opens a list.
    pub fn open_array(&mut self) {
        self.open.push(self.document.slots.len());
        self.document.push(Slot::Array { len: 0, end: 0 });
    }

    /// Opens a map.
    pub fn open_object(&mut self) {
        self.open.push(self.document.slots.len());
        self.document.push(Slot::Object { len: 0, end: 0 });
    }

    /// Closes the innermost open container.
    pub fn close(&mut self) {
        if let Some(at) = self.open.pop() {
            self.document.close(at);
        }
    }

    /// Adds a copy of a value.
    pub fn node(&mut self, node: Node<'_>) {
        match node.kind() {
            Kind::Null => self.null(),
            Kind::Bool => self.bool(node.as_bool().unwrap_or_default()),
            Kind::Int => self.int(node.as_i64().unwrap_or_default()),
            Kind::Float => self.float(node.as_f64().unwrap_or_default()),
            Kind::String => self.string(node.as_str().unwrap_or_default()),
            Kind::Array => {
                self.open_array();
                node.items().for_each(|item| self.node(item));
                self.close();
            }
            Kind::Object => {
                self.open_object();
                for (key, value) in node.entries() {
                    self.key(key);
                    self.node(value);
                }
                self.close();
            }
        }
    }

    /// The document; open containers are closed, nothing at all is `null`.
    pub fn finish(mut self) -> Document {
        while !self.open.is_empty() {
            self.close();
        }
        if self.document.slots.is_empty() {
            self.null();
        }
        self.document
    }
}

impl Document {
    fn push(&mut self, slot: Slot) {
        self.slots.push(slot);
    }

    fn push_str(&mut self, text: &str) {
        let start = to_u32(self.text.len());
        self.text.push_str(text);
        self.push(Slot::String { start, len: to_u32(text.len()), head: head_of(text) });
    }

    /// Sets length and end of the container at `at`, whose contents have just been written, and lets the last of equal keys win.
    fn close(&mut self, at: usize) {
        let end = to_u32(self.slots.len());
        let is_object = matches!(self.slots.get(at), Some(Slot::Object { .. }));
        let mut len = 0;
        let mut index = to_u32(at) + 1;
        while index < end {
            len += 1;
            index = self.after(if is_object { index + 1 } else { index });
        }
        if let Some(slot) = self.slots.get_mut(at) {
            *slot = if is_object { Slot::Object { len, end } } else { Slot::Array { len, end } };
        }
        if is_object && self.has_duplicate_keys(at) {
            self.keep_last_of_equal_keys(at);
        }
    }

    fn keys_of(&self, at: usize) -> impl Iterator<Item = (u32, &str)> {
        let end = self.after(to_u32(at));
        let mut index = to_u32(at) + 1;
        std::iter::from_fn(move || {
            (index < end).then(|| {
                let key = index;
                index = self.after(index + 1);
                (key, self.str_at(key))
            })
        })
    }

    fn has_duplicate_keys(&self, at: usize) -> bool {
        let Some(Slot::Object { len, end }) = self.slots.get(at) else { return false };
        if *len <= 12 {
            let mut next = to_u32(at) + 1;
            while next < *end {
                let behind = self.after(next + 1);
                if self.entry(behind, *end, self.str_at(next)).is_some() {
                    return true;
                }
                next = behind;
            }
            return false;
        }
        let mut keys: Vec<&str> = self.keys_of(at).map(|(_, key)| key).collect();
        keys.sort_unstable();
        keys.windows(2).any(|pair| pair.first() == pair.last())
    }

    fn keep_last_of_equal_keys(&mut self, at: usize) {
        let mut last: std::collections::BTreeMap<&str, u32> = std::collections::BTreeMap::new();
        for (index, key) in self.keys_of(at) {
            last.insert(key, index);
        }
        let mut kept: Vec<u32> = last.into_values().collect();
        kept.sort_unstable();
        let mut builder = DocumentBuilder::new();
        builder.open_object();
        for &key in &kept {
            builder.key(self.str_at(key));
            builder.node(Node::at(self, key + 1));
        }
        let object = builder.finish();
        self.slots.truncate(at);
        let slots_offset = to_u32(at);
        let text_offset = to_u32(self.text.len());
        self.text.push_str(&object.text);
        self.slots.extend(object.slots.iter().map(|slot| match *slot {
            Slot::String { start, len, head } => Slot::String { start: start + text_offset, len, head },
            Slot::Array { len, end } => Slot::Array { len, end: end + slots_offset },
            Slot::Object { len, end } => Slot::Object { len, end: end + slots_offset },
            scalar => scalar,
        }));
    }
}

/// The first four bytes of a text, with zeros behind a shorter one.
fn head_of(text: &str) -> [u8; 4] {
    text.as_bytes().first_chunk().copied().unwrap_or_else(|| {
        let mut head = [0; 4];
        head.iter_mut().zip(text.bytes()).for_each(|(place, byte)| *place = byte);
        head
    })
}

/// Offsets fit because a document is at most [`limits::DOCUMENT_BYTES_MAX`] long.
fn to_u32(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Root,
    Metadata,
    Below,
}

/// Deserializes one value onto the end of the tape.
struct Fill<'t> {
    document: &'t mut Document,
    place: Place,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Fill<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.depth > limits::DOCUMENT_DEPTH_MAX {
            return Err(de::Error::custom(format_args!(
                "nested deeper than {} levels",
                limits::DOCUMENT_DEPTH_MAX
            )));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Fill<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        self.document.push(Slot::Null);
        Ok(())
    }

    fn visit_none<E: de::Error>(self) -> Result<(), E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.document.push(Slot::Bool(value));
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.document.push(Slot::Int(value));
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.document.push(i64::try_from(value).map_or(Slot::Float(value as f64), Slot::Int));
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.document.push(Slot::Float(value));
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.document.push_str(value);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let at = self.document.slots.len();
        self.document.push(Slot::Array { len: 0, end: 0 });
        let depth = self.depth + 1;
        while seq.next_element_seed(Fill { document: self.document, place: Place::Below, depth })?.is_some() {
        }
        self.document.close(at);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let at = self.document.slots.len();
        self.document.push(Slot::Object { len: 0, end: 0 });
        let depth = self.depth + 1;
        while let Some(place) = map.next_key_seed(FillKey { document: self.document, place: self.place })? {
            if let Some(place) = place {
                map.next_value_seed(Fill { document: self.document, place, depth })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        self.document.close(at);
        Ok(())
    }
}

/// Deserializes a key; says where its value stands, or `None` when the value is left out.
struct FillKey<'t> {
    document: &'t mut Document,
    place: Place,
}

impl<'de> DeserializeSeed<'de> for FillKey<'_> {
    type Value = Option<Place>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<Place>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for FillKey<'_> {
    type Value = Option<Place>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Option<Place>, E> {
        let place = match (self.place, key) {
            (Place::Metadata, "managedFields") => return Ok(None),
            (Place::Root, "metadata") => Place::Metadata,
            _ => Place::Below,
        };
        self.document.push_str(key);
        Ok(Some(place))
    }

    fn visit_bool<E: de::Error>(self, key: bool) -> Result<Option<Place>, E> {
        self.visit_str(if key { "true" } else { "false" })
    }

    fn visit_i64<E: de::Error>(self, key: i64) -> Result<Option<Place>, E> {
        self.visit_str(&key.to_string())
    }

    fn visit_u64<E: de::Error>(self, key: u64) -> Result<Option<Place>, E> {
        self.visit_str(&key.to_string())
    }

    fn visit_f64<E: de::Error>(self, key: f64) -> Result<Option<Place>, E> {
        self.visit_str(&key.to_string())
    }

    fn visit_unit<E: de::Error>(self) -> Result<Option<Place>, E> {
        self.visit_str("null")
    }
}
