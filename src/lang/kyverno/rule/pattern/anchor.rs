//! Anchors around the keys of a pattern: `(key)`, `<(key)`, `X(key)`, `=(key)`, `^(key)`, and the order in which keys are evaluated.

use std::cmp::Ordering;

/// The anchor of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Anchor {
    /// A plain key, and `+(key)`, which only means something when a resource is changed.
    None,
    /// `(key)`: if the key does not match, the rule does not apply.
    Condition,
    /// `<(key)`: if the key is there and does not match, the rule does not apply.
    Global,
    /// `X(key)`: the key must not be there.
    Negation,
    /// `=(key)`: if the key is there, it must match.
    Equality,
    /// `^(key)`: some item of the list must match.
    Existence,
}

impl Anchor {
    /// The anchor of a key, and the key that a resource would have.
    pub(in super::super) fn parse(key: &str) -> (Self, &str) {
        let (anchor, name) = match key.as_bytes().first() {
            Some(b'(') => (Self::Condition, inside(key, 1)),
            Some(b'<') => (Self::Global, inside(key, 2)),
            Some(b'X') => (Self::Negation, inside(key, 2)),
            Some(b'=') => (Self::Equality, inside(key, 2)),
            Some(b'^') => (Self::Existence, inside(key, 2)),
            _ => (Self::None, None),
        };
        name.map_or((Self::None, key), |name| (anchor, name))
    }

    /// Whether keys with this anchor are evaluated before the others.
    pub(super) fn is_first(self) -> bool {
        matches!(self, Self::Condition | Self::Existence | Self::Equality | Self::Negation)
    }

    /// The key with the anchor around it.
    pub(super) fn around(self, name: &str) -> String {
        let modifier = match self {
            Self::None => return name.to_owned(),
            Self::Condition => "",
            Self::Global => "<",
            Self::Negation => "X",
            Self::Equality => "=",
            Self::Existence => "^",
        };
        format!("{modifier}({name})")
    }
}

/// The key inside any anchor, `+(key)` included; `None` if there is none.
pub(in super::super) fn unanchored(key: &str) -> Option<&str> {
    match key.as_bytes().first() {
        Some(b'(') => inside(key, 1),
        Some(b'+' | b'<' | b'X' | b'=' | b'^') => inside(key, 2),
        _ => None,
    }
}

/// What stands between the first `skip` bytes and the closing parenthesis; only the last byte is checked, as in Kyverno.
fn inside(key: &str, skip: usize) -> Option<&str> {
    let name = key.strip_suffix(')')?.get(skip..)?;
    (!name.is_empty()).then_some(name)
}

/// Sorts keys as they are evaluated: anchors by key; then global anchors and what holds nested anchors, from the last key to the first;
/// then the rest by key.
pub(super) fn sort<T>(
    entries: &mut [T],
    key: impl Fn(&T) -> &str,
    anchor: impl Fn(&T) -> Anchor,
    has_nested_anchors: impl Fn(&T) -> bool,
) {
    let rank = |entry: &T| {
        if anchor(entry).is_first() {
            0
        } else if anchor(entry) == Anchor::Global || has_nested_anchors(entry) {
            1
        } else {
            2
        }
    };
    entries.sort_by(|a, b| match rank(a).cmp(&rank(b)) {
        Ordering::Equal if rank(a) == 1 => key(b).cmp(key(a)),
        Ordering::Equal => key(a).cmp(key(b)),
        unequal => unequal,
    });
}
