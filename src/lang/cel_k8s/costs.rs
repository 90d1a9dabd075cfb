//! What the API server charges for its own functions (`pkg/cel/library/cost.go`).

use crate::lang::cel::{Value, size_of};

/// Reading the first argument once.
pub(super) fn reading(args: &[Value<'_>], _: &Value<'_>) -> u64 {
    args.first().map_or(1, |value| size_of(value).div_ceil(10))
}

/// Reading the first argument twice.
pub(super) fn reading_twice(args: &[Value<'_>], _: &Value<'_>) -> u64 {
    args.first().map_or(1, |value| size_of(value).div_ceil(5))
}

/// Matching the first argument with the expression in the second.
pub(super) fn matching(args: &[Value<'_>], _: &Value<'_>) -> u64 {
    let text = args.first().map_or(0, size_of);
    let pattern = args.get(1).map_or(0, size_of);
    (text + 1).div_ceil(10) * pattern.div_ceil(4)
}

/// Walking a list, and the text in it.
pub(super) fn traversal(args: &[Value<'_>], _: &Value<'_>) -> u64 {
    args.first().map_or(1, walk)
}

fn walk(value: &Value<'_>) -> u64 {
    match value {
        Value::String(_) | Value::Bytes(_) => size_of(value).div_ceil(10),
        value => match value.as_list() {
            Some(list) => list.iter().map(|item| walk(&item)).sum(),
            None => 1,
        },
    }
}

/// An authorizer's check.
pub(super) fn check(_: &[Value<'_>], _: &Value<'_>) -> u64 {
    350_000
}

/// Parsing a selector.
pub(super) fn selector(args: &[Value<'_>], _: &Value<'_>) -> u64 {
    let size = args.get(1).map_or(0, size_of);
    10 + size.div_ceil(10) + size.saturating_mul(25)
}

/// Asking a network for an address or a network.
pub(super) fn containing(args: &[Value<'_>], _: &Value<'_>) -> u64 {
    2 + args.get(1).map_or(0, |value| size_of(value).div_ceil(10))
}
