//! The cursor over a document: three words, copied freely, no allocation.
//!
//! Looking into the root or into `metadata` notes the part that was looked at; below a part nothing needs to be noted any more.

use std::fmt;

use super::parts::{Parts, Reads};
use super::tape::{Document, Kind, Slot};

/// One value of a document.
#[derive(Clone, Copy)]
pub struct Node<'d> {
    document: &'d Document,
    /// Where to note reads: only at the root and at `metadata` of a tracked document.
    reads: Option<&'d Reads>,
    index: u32,
    is_metadata: bool,
}

impl<'d> Node<'d> {
    pub(super) fn root(document: &'d Document, reads: Option<&'d Reads>) -> Self {
        Self { document, reads, index: 0, is_metadata: false }
    }

    pub(super) fn at(document: &'d Document, index: u32) -> Self {
        Self { document, reads: None, index, is_metadata: false }
    }

    fn child(self, index: u32) -> Self {
        Self::at(self.document, index)
    }

    /// The JSON type.
    pub fn kind(self) -> Kind {
        match self.document.slot(self.index) {
            Slot::Null => Kind::Null,
            Slot::Bool(_) => Kind::Bool,
            Slot::Int(_) => Kind::Int,
            Slot::Float(_) => Kind::Float,
            Slot::String { .. } => Kind::String,
            Slot::Array { .. } => Kind::Array,
            Slot::Object { .. } => Kind::Object,
        }
    }

    /// Whether the value is `null`.
    pub fn is_null(self) -> bool {
        self.kind() == Kind::Null
    }

    /// The boolean, if it is one.
    pub fn as_bool(self) -> Option<bool> {
        match self.document.slot(self.index) {
            Slot::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// The integer, if it is one.
    pub fn as_i64(self) -> Option<i64> {
        match self.document.slot(self.index) {
            Slot::Int(value) => Some(value),
            _ => None,
        }
    }

    /// The number, integer or not.
    pub fn as_f64(self) -> Option<f64> {
        match self.document.slot(self.index) {
            Slot::Int(value) => Some(value as f64),
            Slot::Float(value) => Some(value),
            _ => None,
        }
    }

    /// The string, if it is one.
    pub fn as_str(self) -> Option<&'d str> {
        match self.document.slot(self.index) {
            Slot::String { .. } => Some(self.document.str_at(self.index)),
            _ => None,
        }
    }

    /// The number of items of a list or entries of a map; 0 for everything else.
    pub fn len(self) -> usize {
        match self.document.slot(self.index) {
            Slot::Array { len, .. } => len as usize,
            Slot::Object { len, .. } => {
                self.note_all();
                len as usize
            }
            _ => 0,
        }
    }

    /// Whether a list or map has nothing in it.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The value of a map's field; `None` if it is absent or this is no map.
    #[inline]
    pub fn get(self, key: &str) -> Option<Node<'d>> {
        let Slot::Object { end, .. } = self.document.slot(self.index) else { return None };
        self.note(key);
        self.document.entry(self.index + 1, end, key).map(|index| self.entry(key, index))
    }

    /// The value at the end of a path of fields.
    pub fn path(self, keys: &[&str]) -> Option<Node<'d>> {
        keys.iter().try_fold(self, |node, key| node.get(key))
    }

    /// The item of a list at a position from 0.
    pub fn at_index(self, position: usize) -> Option<Node<'d>> {
        self.items().nth(position)
    }

    /// The items of a list; none for everything else.
    pub fn items(self) -> Items<'d> {
        let (next, end, left) = match self.document.slot(self.index) {
            Slot::Array { len, end } => (self.index + 1, end, len as usize),
            _ => (0, 0, 0),
        };
        Items { document: self.document, next, end, left }
    }

    /// The entries of a map, in the order of the text; none for everything else.
    pub fn entries(self) -> Entries<'d> {
        let (next, end, left) = match self.document.slot(self.index) {
            Slot::Object { len, end } => {
                self.note_all();
                (self.index + 1, end, len as usize)
            }
            _ => (0, 0, 0),
        };
        Entries { items: Items { document: self.document, next, end, left } }
    }

    /// The entries of a map, sorted by key, as Go prints maps.
    pub fn sorted_entries(self) -> Vec<(&'d str, Node<'d>)> {
        let mut entries: Vec<_> = self.entries().collect();
        entries.sort_unstable_by_key(|(key, _)| *key);
        entries
    }

    #[inline]
    fn entry(self, key: &str, index: u32) -> Self {
        if self.index == 0 && self.reads.is_some() && key == "metadata" {
            Self { document: self.document, reads: self.reads, index, is_metadata: true }
        } else {
            self.child(index)
        }
    }

    #[inline]
    fn note(self, key: &str) {
        if let Some(reads) = self.reads {
            reads.note_field(key, self.is_metadata);
        }
    }

    /// The same value without notes: for looking at how it is written, where what is told by it is noted otherwise.
    pub(crate) fn untracked(self) -> Self {
        Self { reads: None, is_metadata: false, ..self }
    }

    /// Looking at a container as a whole reads all that is below it.
    fn note_all(self) {
        if let Some(reads) = self.reads {
            reads.note(if self.is_metadata { Parts::METADATA } else { Parts::ALL });
        }
    }
}

impl fmt::Debug for Node<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Self::at(self.document, self.index).to_json())
    }
}

/// The items of a list.
#[derive(Clone, Debug)]
pub struct Items<'d> {
    document: &'d Document,
    next: u32,
    end: u32,
    left: usize,
}

impl<'d> Iterator for Items<'d> {
    type Item = Node<'d>;

    fn next(&mut self) -> Option<Node<'d>> {
        (self.next < self.end).then(|| {
            let item = Node::at(self.document, self.next);
            self.next = self.document.after(self.next);
            self.left = self.left.saturating_sub(1);
            item
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Items<'_> {}

/// The entries of a map.
#[derive(Clone, Debug)]
pub struct Entries<'d> {
    items: Items<'d>,
}

impl<'d> Iterator for Entries<'d> {
    type Item = (&'d str, Node<'d>);

    fn next(&mut self) -> Option<(&'d str, Node<'d>)> {
        let Items { document, next, end, .. } = self.items;
        (next < end).then(|| {
            self.items.next = document.after(next + 1);
            self.items.left = self.items.left.saturating_sub(1);
            (document.str_at(next), Node::at(document, next + 1))
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.items.left, Some(self.items.left))
    }
}

impl ExactSizeIterator for Entries<'_> {}
