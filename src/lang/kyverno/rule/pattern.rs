//! `validate.pattern`: an overlay pattern compiled to a tree that is matched against a document in place.
//!
//! Keys with anchors, value operators, ranges and wildcards are taken apart once, here; matching (in `matching`) allocates only when it has to
//! explain a mismatch. Variables are substituted before a pattern is compiled, and what a mismatch means for a rule is decided by
//! the rule's body. The rules are those of Kyverno's `pkg/engine/{validate,anchor,wildcards,pattern}`.

mod anchor;
mod matching;
mod number;
#[cfg(test)]
mod tests;
mod value;

use std::collections::BTreeMap;

use crate::document::{Kind, Node};
use crate::gostd::wildcard::{Wildcard, contains_wildcard};
use crate::limits;

use super::outline;
use anchor::Anchor;
pub(super) use anchor::unanchored;
pub(super) use matching::Verdict;
pub(super) use number::has_range;
pub(super) use value::Leaf;

/// A compiled pattern.
#[derive(Debug)]
pub(super) struct Pattern {
    root: Element,
}

/// Why a pattern cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PatternError {
    /// More conditional keys than presence is recorded for.
    #[error(
        "the pattern has more than {} different conditional and existence anchors",
        limits::PATTERN_ANCHORS_MAX
    )]
    TooManyAnchors,
}

#[derive(Debug)]
enum Element {
    Map(MapPattern),
    List(ListPattern),
    Leaf(Slot),
    /// Below an existence anchor: for each of these maps some item of a list must match; `None` is an item that is no map.
    SomeItem(Vec<Option<MapPattern>>),
}

/// A leaf, or the hole that one evaluation's leaf is put into.
#[derive(Debug)]
enum Slot {
    Fixed(Leaf),
    Hole(usize),
}

impl Slot {
    fn of(node: Node<'_>) -> Self {
        match node.as_str().and_then(outline::hole_of) {
            Some(number) => Self::Hole(number),
            None => Self::Fixed(Leaf::of(node)),
        }
    }

    /// The leaf, with what is in the holes.
    fn leaf<'a>(&'a self, leaves: &'a [Leaf]) -> &'a Leaf {
        match self {
            Self::Fixed(leaf) => leaf,
            Self::Hole(number) => leaves.get(*number).unwrap_or(&Leaf::Null),
        }
    }
}

#[derive(Debug)]
struct MapPattern {
    /// In the order of evaluation: anchors, then the rest.
    entries: Vec<Entry>,
    /// Whether wildcards in keys stand for keys of the resource: only in labels and annotations of a `metadata`.
    expands: bool,
}

#[derive(Debug)]
struct Entry {
    /// The key as it was written.
    key: Box<str>,
    /// The key without its anchor.
    name: Box<str>,
    anchor: Anchor,
    element: Element,
    /// For a key with a wildcard that stands for a key of the resource.
    wildcard: Option<Wildcard>,
    /// The bit under which it is recorded whether the resource has such a key, for conditional and existence anchors.
    presence: Option<u64>,
    has_nested_anchors: bool,
}

#[derive(Debug)]
enum ListPattern {
    /// `[]`, which nothing matches.
    Empty,
    /// The first item is a map: every item of the resource is matched against it.
    OfMaps(MapPattern),
    /// The first item is a scalar: every item of the resource is matched against it.
    OfLeaves(Slot),
    /// The first item is a list: item by item.
    OfLists(Vec<Element>),
}

impl Pattern {
    /// Compiles a pattern whose variables are substituted, or the outline of one.
    pub(super) fn compile(pattern: Node<'_>) -> Result<Self, PatternError> {
        let mut compiler = Compiler::default();
        let root = compiler.element(pattern, Place::Other)?;
        Ok(Self { root })
    }
}

/// Where a map stands, as far as wildcards in its keys depend on it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Other,
    Metadata,
    Tag,
}

impl Place {
    fn below(self, name: &str) -> Self {
        match (self, name) {
            (Self::Metadata, "labels" | "annotations") => Self::Tag,
            (_, "metadata") => Self::Metadata,
            _ => Self::Other,
        }
    }
}

#[derive(Default)]
struct Compiler {
    /// The presence bit of each anchored key.
    presence: BTreeMap<String, u64>,
}

impl Compiler {
    fn element(&mut self, node: Node<'_>, place: Place) -> Result<Element, PatternError> {
        Ok(match node.kind() {
            Kind::Object => Element::Map(self.map(node, place)?),
            Kind::Array => Element::List(self.list(node)?),
            _ => Element::Leaf(Slot::of(node)),
        })
    }

    fn list(&mut self, node: Node<'_>) -> Result<ListPattern, PatternError> {
        let Some(first) = node.at_index(0) else { return Ok(ListPattern::Empty) };
        Ok(match first.kind() {
            Kind::Object => ListPattern::OfMaps(self.map(first, Place::Other)?),
            Kind::Array => ListPattern::OfLists(
                node.items().map(|item| self.element(item, Place::Other)).collect::<Result<_, _>>()?,
            ),
            _ => ListPattern::OfLeaves(Slot::of(first)),
        })
    }

    fn some_item(&mut self, list: Node<'_>) -> Result<Element, PatternError> {
        let maps = list
            .items()
            .map(|item| (item.kind() == Kind::Object).then(|| self.map(item, Place::Other)).transpose())
            .collect::<Result<_, _>>()?;
        Ok(Element::SomeItem(maps))
    }

    fn map(&mut self, node: Node<'_>, place: Place) -> Result<MapPattern, PatternError> {
        let expands = place == Place::Tag;
        let mut entries = Vec::with_capacity(node.len());
        for (key, value) in node.entries() {
            if expands && value.as_str().is_none() {
                continue;
            }
            entries.push(self.entry(key, value, place, expands)?);
        }
        anchor::sort(
            &mut entries,
            |entry| &entry.key,
            |entry| entry.anchor,
            |entry| entry.has_nested_anchors,
        );
        Ok(MapPattern { entries, expands })
    }

    fn entry(
        &mut self,
        key: &str,
        value: Node<'_>,
        place: Place,
        expands: bool,
    ) -> Result<Entry, PatternError> {
        let (anchor, name) = Anchor::parse(key);
        let presence = match anchor {
            Anchor::Condition | Anchor::Existence => Some(self.presence_bit(key)?),
            _ => None,
        };
        let plain_name = if anchor == Anchor::None { anchor::unanchored(key).unwrap_or(key) } else { name };
        Ok(Entry {
            key: key.into(),
            name: name.into(),
            anchor,
            element: match anchor {
                Anchor::Existence if value.kind() == Kind::Array => self.some_item(value)?,
                _ => self.element(value, place.below(plain_name))?,
            },
            wildcard: (expands && contains_wildcard(key)).then(|| Wildcard::new(plain_name)),
            presence,
            has_nested_anchors: has_anchors(value),
        })
    }

    fn presence_bit(&mut self, key: &str) -> Result<u64, PatternError> {
        let next = self.presence.len();
        if let Some(bit) = self.presence.get(key) {
            return Ok(*bit);
        }
        if next >= limits::PATTERN_ANCHORS_MAX {
            return Err(PatternError::TooManyAnchors);
        }
        let bit = 1 << next;
        self.presence.insert(key.to_owned(), bit);
        Ok(bit)
    }
}

/// Whether a pattern has an anchor that decides whether or how it is matched, at any depth.
fn has_anchors(pattern: Node<'_>) -> bool {
    match pattern.kind() {
        Kind::Object => {
            pattern.entries().any(|(key, value)| Anchor::parse(key).0 != Anchor::None || has_anchors(value))
        }
        Kind::Array => pattern.items().any(has_anchors),
        _ => false,
    }
}
