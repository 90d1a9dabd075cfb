//! The numbers that value operators compare: durations first, then quantities; and the ranges `a-b` and `a!-b`.

use std::cmp::Ordering;

use crate::document::{Kind, Node};
use crate::gostd::duration::Duration;
use crate::gostd::quantity::Quantity;
use crate::gostd::strconv;

/// What a number is compared with.
#[derive(Clone, Debug)]
pub(super) struct Operand {
    duration: Option<Duration>,
    quantity: Option<Quantity>,
}

impl Operand {
    /// The operand of that text; `None` if it is no number at all.
    pub(super) fn of(text: &str) -> Option<Self> {
        let operand = Self { duration: Duration::parse(text).ok(), quantity: Quantity::parse(text).ok() };
        (operand.duration.is_some() || operand.quantity.is_some()).then_some(operand)
    }

    /// How a value compares with the operand; `None` if they cannot be compared as numbers.
    pub(super) fn compare(&self, value: Option<Node<'_>>) -> Option<Ordering> {
        if let (Some(operand), Some(value)) = (self.duration, duration_of(value)) {
            return Some(value.cmp(&operand));
        }
        let operand = self.quantity.as_ref()?;
        Some(quantity_of(value)?.cmp(operand))
    }
}

/// A missing value and `null` count as `0`.
fn duration_of(value: Option<Node<'_>>) -> Option<Duration> {
    let Some(node) = value else { return Some(Duration::default()) };
    match node.kind() {
        Kind::Null => Some(Duration::default()),
        Kind::Int => (node.as_i64() == Some(0)).then(Duration::default),
        Kind::String => Duration::parse(node.as_str()?).ok(),
        _ => None,
    }
}

fn quantity_of(value: Option<Node<'_>>) -> Option<Quantity> {
    let zero = || Quantity::parse("0").ok();
    let Some(node) = value else { return zero() };
    match node.kind() {
        Kind::Null => zero(),
        Kind::Int => Quantity::parse(&node.as_i64()?.to_string()).ok(),
        Kind::Float => Quantity::parse(&strconv::format_float_fixed(node.as_f64()?)).ok(),
        Kind::String => Quantity::parse(node.as_str()?).ok(),
        _ => None,
    }
}

/// The ends of a range with that sign between them: each an optional sign, digits with an optional fraction, and letters.
pub(super) fn split_range<'t>(text: &'t str, sign: &str) -> Option<(&'t str, &'t str)> {
    let left_len = end_len(text)?;
    let (left, rest) = text.split_at_checked(left_len)?;
    let right = rest.strip_prefix(sign)?;
    (end_len(right)? == right.len()).then_some((left, right))
}

/// Whether the text is a range `a-b`.
pub(in super::super) fn has_range(text: &str) -> bool {
    split_range(text, "-").is_some()
}

/// How many bytes at the start of the text are an end of a range.
fn end_len(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let count = |from: usize, is_wanted: fn(&u8) -> bool| {
        bytes.iter().skip(from).take_while(|byte| is_wanted(byte)).count()
    };
    let sign = usize::from(matches!(bytes.first(), Some(b'-' | b'|' | b'+')));
    let digits = count(sign, u8::is_ascii_digit);
    if digits == 0 {
        return None;
    }
    let mut at = sign + digits;
    if bytes.get(at) == Some(&b'.') {
        let fraction = count(at + 1, u8::is_ascii_digit);
        if fraction > 0 {
            at += 1 + fraction;
        }
    }
    Some(at + count(at, u8::is_ascii_alphabetic))
}
