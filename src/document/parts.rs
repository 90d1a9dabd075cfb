//! The parts of a Kubernetes object that reads are tracked by, and the record of one evaluation's reads.
//!
//! A part is noted when a cursor descends into it (or finds it absent), so everything below it needs no bookkeeping. What identifies an
//! object (`apiVersion`, `kind`, `metadata.name`, `metadata.namespace`, `metadata.uid`) never changes under one identity and is no part.

use std::cell::Cell;
use std::fmt;

/// One separately fingerprinted part of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Part {
    /// `metadata.labels`.
    Labels,
    /// `metadata.annotations`.
    Annotations,
    /// `metadata.resourceVersion` and `metadata.generation`: they move with every change of anything.
    Revision,
    /// Everything else below `metadata`.
    Metadata,
    /// `spec`.
    Spec,
    /// `status`.
    Status,
    /// Every other top-level field: `data`, `rules`, `subjects`, …
    Rest,
}

impl Part {
    /// All parts, in the order of their bits.
    pub const ALL: [Self; 7] = [
        Self::Labels,
        Self::Annotations,
        Self::Revision,
        Self::Metadata,
        Self::Spec,
        Self::Status,
        Self::Rest,
    ];

    /// The name that `patrol explain` prints.
    pub fn name(self) -> &'static str {
        match self {
            Self::Labels => "labels",
            Self::Annotations => "annotations",
            Self::Revision => "revision",
            Self::Metadata => "metadata",
            Self::Spec => "spec",
            Self::Status => "status",
            Self::Rest => "rest",
        }
    }

    /// The part that a top-level field belongs to; `None` for what identifies the object and for `metadata` itself.
    pub fn of_top_level(field: &str) -> Option<Self> {
        match field {
            "apiVersion" | "kind" | "metadata" => None,
            "spec" => Some(Self::Spec),
            "status" => Some(Self::Status),
            _ => Some(Self::Rest),
        }
    }

    /// The part that a field of `metadata` belongs to; `None` for what identifies the object.
    pub fn of_metadata(field: &str) -> Option<Self> {
        match field {
            "name" | "namespace" | "uid" => None,
            "labels" => Some(Self::Labels),
            "annotations" => Some(Self::Annotations),
            "resourceVersion" | "generation" => Some(Self::Revision),
            _ => Some(Self::Metadata),
        }
    }
}

/// A set of [`Part`]s.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Parts(u8);

impl Parts {
    /// No part.
    pub const NONE: Self = Self(0);
    /// Every part.
    pub const ALL: Self = Self(0b111_1111);
    /// Every part below `metadata`.
    pub const METADATA: Self = Self(0b000_1111);

    /// The set of one part.
    pub const fn of(part: Part) -> Self {
        Self(1 << part as u8)
    }

    /// The set with these bits; bits beyond the known parts are dropped.
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & Self::ALL.0)
    }

    /// The bits, in the order of [`Part::ALL`].
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Both sets together.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the part is in the set.
    pub const fn contains(self, part: Part) -> bool {
        self.0 & (1 << part as u8) != 0
    }

    /// Whether the sets share a part.
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether the set is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The parts of the set, in order.
    pub fn iter(self) -> impl Iterator<Item = Part> {
        Part::ALL.into_iter().filter(move |part| self.contains(*part))
    }
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(Part::name)).finish()
    }
}

/// What one evaluation has read of one document so far.
#[derive(Debug, Default)]
pub struct Reads(Cell<u8>);

impl Reads {
    /// A record of nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds parts to the record.
    pub fn note(&self, parts: Parts) {
        self.0.set(self.0.get() | parts.bits());
    }

    /// Adds the part that a field of the object, or of its metadata, belongs to.
    pub(super) fn note_field(&self, field: &str, is_of_metadata: bool) {
        let part = if is_of_metadata { Part::of_metadata(field) } else { Part::of_top_level(field) };
        if let Some(part) = part {
            self.note(Parts::of(part));
        }
    }

    /// What was read.
    pub fn parts(&self) -> Parts {
        Parts::from_bits(self.0.get())
    }

    /// Forgets everything, for the next evaluation.
    pub fn clear(&self) {
        self.0.set(0);
    }
}
