//! One face for maps of documents and computed maps, and their keys.
//!
//! Computed maps keep the order of insertion, maps of a document the order of the text, so that every
//! comprehension is deterministic (cel-go's order is Go's random one).

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::{Text, Value};
use crate::document::{Entries, Node};

/// From this size on a computed map has an index.
const INDEXED_FROM: usize = 12;

/// The key of a map. Whole numbers are one kind of key, whatever their type, as lookups in CEL compare them
/// by value.
#[derive(Clone, Debug)]
pub enum Key<'d> {
    /// A boolean.
    Bool(bool),
    /// An `int`.
    Int(i64),
    /// A `uint`.
    Uint(u64),
    /// A string.
    String(Text<'d>),
}

impl<'d> Key<'d> {
    /// The key that a value is; a double only if it is whole.
    pub fn of(value: &Value<'d>) -> Option<Self> {
        match value {
            Value::Bool(value) => Some(Self::Bool(*value)),
            Value::Int(value) => Some(Self::Int(*value)),
            Value::Uint(value) => Some(Self::Uint(*value)),
            Value::String(text) => Some(Self::String(text.clone())),
            Value::Double(value) => whole(*value),
            _ => None,
        }
    }

    /// The key as a value.
    pub fn to_value(&self) -> Value<'d> {
        match self {
            Self::Bool(value) => Value::Bool(*value),
            Self::Int(value) => Value::Int(*value),
            Self::Uint(value) => Value::Uint(*value),
            Self::String(text) => Value::String(text.clone()),
        }
    }

    fn rank(&self) -> (u8, i128, &str) {
        match self {
            Self::Bool(value) => (0, i128::from(*value), ""),
            Self::Int(value) => (1, i128::from(*value), ""),
            Self::Uint(value) => (1, i128::from(*value), ""),
            Self::String(text) => (2, 0, text),
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked before")]
fn whole<'d>(value: f64) -> Option<Key<'d>> {
    if value.fract() != 0.0 || !value.is_finite() {
        return None;
    }
    if (i64::MIN as f64..-(i64::MIN as f64)).contains(&value) {
        Some(Key::Int(value as i64))
    } else if (0.0..-2.0 * (i64::MIN as f64)).contains(&value) {
        Some(Key::Uint(value as u64))
    } else {
        None
    }
}

impl PartialEq for Key<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.rank() == other.rank()
    }
}

impl Eq for Key<'_> {}

impl PartialOrd for Key<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank())
    }
}

/// A computed map, or a message if it has a type's name.
#[derive(Clone, Debug, Default)]
pub struct MapValue<'d> {
    entries: Vec<(Key<'d>, Value<'d>)>,
    index: BTreeMap<Key<'d>, usize>,
    type_name: Option<&'d str>,
}

impl<'d> MapValue<'d> {
    /// A map of these entries; of a key given twice the last value counts.
    pub fn from_entries(entries: Vec<(Key<'d>, Value<'d>)>) -> Self {
        let mut map = Self { entries: Vec::with_capacity(entries.len()), ..Self::default() };
        for (key, value) in entries {
            map.insert(key, value);
        }
        map
    }

    /// A message.
    pub fn message(type_name: &'d str, entries: Vec<(Key<'d>, Value<'d>)>) -> Self {
        Self { type_name: Some(type_name), ..Self::from_entries(entries) }
    }

    /// The message type's name.
    pub fn type_name(&self) -> Option<&'d str> {
        self.type_name
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn position(&self, key: &Key<'_>) -> Option<usize> {
        if self.entries.len() < INDEXED_FROM {
            return self.entries.iter().position(|(k, _)| k == key);
        }
        self.index.get(key).copied()
    }

    /// Sets an entry.
    pub fn insert(&mut self, key: Key<'d>, value: Value<'d>) {
        if let Some(entry) = self.position(&key).and_then(|at| self.entries.get_mut(at)) {
            entry.1 = value;
            return;
        }
        self.entries.push((key, value));
        match self.entries.len() {
            INDEXED_FROM => {
                let keys = self.entries.iter().enumerate();
                self.index = keys.map(|(at, (key, _))| (key.clone(), at)).collect();
            }
            n if n > INDEXED_FROM => {
                if let Some((key, _)) = self.entries.last() {
                    self.index.insert(key.clone(), n - 1);
                }
            }
            _ => {}
        }
    }

    /// Takes an entry away.
    pub fn remove(&mut self, key: &Key<'_>) {
        if let Some(at) = self.position(key) {
            self.entries.remove(at);
            let entries = std::mem::take(&mut self.entries);
            let type_name = self.type_name;
            *self = Self { type_name, ..Self::from_entries(entries) };
        }
    }

    /// The value of a key.
    pub fn get(&self, key: &Key<'_>) -> Option<&Value<'d>> {
        self.position(key).and_then(|at| self.entries.get(at)).map(|(_, value)| value)
    }

    /// The entries in order.
    #[expect(clippy::iter_without_into_iter, reason = "callers hold the map by reference and name the walk")]
    pub fn iter(&self) -> std::slice::Iter<'_, (Key<'d>, Value<'d>)> {
        self.entries.iter()
    }
}

/// A map.
#[derive(Clone, Debug)]
pub enum Map<'d> {
    /// Of a document.
    Node(Node<'d>),
    /// Computed.
    Entries(Rc<MapValue<'d>>),
}

impl<'d> Map<'d> {
    /// The number of entries.
    pub fn len(&self) -> usize {
        match self {
            Self::Node(node) => node.len(),
            Self::Entries(entries) => entries.len(),
        }
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of a string key.
    pub fn get_str(&self, key: &str) -> Option<Value<'d>> {
        match self {
            Self::Node(node) => node.get(key).map(Value::from),
            Self::Entries(entries) => entries.get(&Key::String(Text::Borrowed(key))).cloned(),
        }
    }

    /// The value of a key.
    pub fn get(&self, key: &Value<'_>) -> Option<Value<'d>> {
        match (self, key) {
            (_, Value::String(text)) => self.get_str(text),
            (Self::Node(_), _) => None,
            (Self::Entries(entries), key) => entries.get(&Key::of(key)?).cloned(),
        }
    }

    /// The entries in order.
    #[expect(clippy::iter_without_into_iter, reason = "callers hold the map by reference and name the walk")]
    pub fn iter(&self) -> MapIter<'_, 'd> {
        match self {
            Self::Node(node) => MapIter::Node(node.entries()),
            Self::Entries(entries) => MapIter::Entries(entries.iter()),
        }
    }
}

/// The entries of a map.
#[derive(Clone, Debug)]
pub enum MapIter<'a, 'd> {
    /// Of a document.
    Node(Entries<'d>),
    /// Computed.
    Entries(std::slice::Iter<'a, (Key<'d>, Value<'d>)>),
}

impl<'d> Iterator for MapIter<'_, 'd> {
    type Item = (Value<'d>, Value<'d>);

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Node(entries) => entries.next().map(|(key, value)| (Value::borrowed(key), value.into())),
            Self::Entries(entries) => entries.next().map(|(key, value)| (key.to_value(), value.clone())),
        }
    }
}
