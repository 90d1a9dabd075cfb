//! The leaves of a pattern: scalars, and texts with value operators, ranges, alternatives and wildcards.
//!
//! The rules are those of Kyverno's `pkg/engine/pattern/pattern.go`: durations are tried first, then quantities, then texts; text
//! knows only equality.

use std::cmp::Ordering;

use crate::document::{DocumentBuilder, Kind, Node, Value};
use crate::gostd::strconv;
use crate::gostd::wildcard::Wildcard;
use crate::lang::jmespath;

use super::number::{Operand, split_range};

/// A scalar pattern.
#[derive(Clone, Debug)]
pub(in super::super) enum Leaf {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(TextPattern),
}

/// A text: any of several alternatives, each a conjunction of comparisons.
#[derive(Clone, Debug)]
pub(in super::super) struct TextPattern {
    text: Box<str>,
    alternatives: Vec<Vec<Term>>,
}

#[derive(Clone, Debug)]
enum Term {
    Compare(Comparison),
    InRange(Comparison, Comparison),
    NotInRange(Comparison, Comparison),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    More,
    Less,
    MoreEqual,
    LessEqual,
}

#[derive(Clone, Debug)]
struct Comparison {
    operator: Operator,
    number: Option<Operand>,
    wildcard: Wildcard,
}

impl Leaf {
    /// The leaf of a scalar.
    pub(in super::super) fn of(node: Node<'_>) -> Self {
        match node.kind() {
            Kind::Bool => Self::Bool(node.as_bool().unwrap_or_default()),
            Kind::Int => Self::Int(node.as_i64().unwrap_or_default()),
            Kind::Float => Self::Float(node.as_f64().unwrap_or_default()),
            Kind::String => Self::Text(TextPattern::of(node.as_str().unwrap_or_default())),
            Kind::Null | Kind::Array | Kind::Object => Self::Null,
        }
    }

    /// Whether a value satisfies the leaf; a list satisfies it if all its items do. `None` is a missing value.
    pub(super) fn is_match(&self, value: Option<Node<'_>>) -> bool {
        match value {
            Some(list) if list.kind() == Kind::Array => {
                list.items().all(|item| self.is_scalar_match(Some(item)))
            }
            scalar => self.is_scalar_match(scalar),
        }
    }

    /// Whether a value that is no list satisfies the leaf.
    pub(in super::super) fn is_scalar_match(&self, value: Option<Node<'_>>) -> bool {
        match self {
            Self::Null => value.is_none_or(is_zero),
            Self::Bool(wanted) => value.and_then(Node::as_bool) == Some(*wanted),
            Self::Int(wanted) => value.is_some_and(|value| is_int(value, *wanted)),
            Self::Float(wanted) => value.is_some_and(|value| is_float(value, *wanted)),
            Self::Text(text) => text.is_match(value),
        }
    }

    /// The leaf of a text.
    pub(in super::super) fn of_text(text: &str) -> Self {
        Self::Text(TextPattern::of(text))
    }

    /// Whether a text satisfies the leaf.
    pub(in super::super) fn is_text_match(&self, text: &str) -> bool {
        let mut builder = DocumentBuilder::new();
        builder.string(text);
        self.is_scalar_match(Some(builder.finish().root()))
    }

    /// Whether the leaf is the text `*`.
    pub(super) fn is_star(&self) -> bool {
        matches!(self, Self::Text(text) if &*text.text == "*")
    }

    /// The Go type of the leaf.
    pub(super) fn go_type(&self) -> &'static str {
        match self {
            Self::Null => strconv::NIL,
            Self::Bool(_) => "bool",
            Self::Int(_) => "int64",
            Self::Float(_) => "float64",
            Self::Text(_) => "string",
        }
    }

    /// The leaf as Go's `%v` prints it.
    pub(super) fn to_go(&self) -> String {
        match self {
            Self::Null => strconv::NIL.to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Int(value) => value.to_string(),
            Self::Float(value) => strconv::sprint_float(*value),
            Self::Text(text) => text.text.to_string(),
        }
    }
}

fn is_zero(value: Node<'_>) -> bool {
    match value.kind() {
        Kind::Null => true,
        Kind::Bool => value.as_bool() == Some(false),
        Kind::Int | Kind::Float => value.as_f64() == Some(0.0),
        Kind::String => value.as_str() == Some(""),
        Kind::Array | Kind::Object => false,
    }
}

fn is_int(value: Node<'_>, wanted: i64) -> bool {
    match value.kind() {
        Kind::Int => value.as_i64() == Some(wanted),
        Kind::Float => {
            value.as_f64().is_some_and(|value| value.fract() == 0.0 && strconv::f64_to_i64(value) == wanted)
        }
        Kind::String => value.as_str().is_some_and(|text| strconv::parse_int(text) == Ok(wanted)),
        _ => false,
    }
}

#[expect(clippy::float_cmp, reason = "Kyverno compares floats exactly")]
fn is_float(value: Node<'_>, wanted: f64) -> bool {
    match value.kind() {
        Kind::Int => wanted.fract() == 0.0 && value.as_i64() == Some(strconv::f64_to_i64(wanted)),
        Kind::Float => value.as_f64() == Some(wanted),
        Kind::String => value
            .as_str()
            .and_then(|text| strconv::parse_float(text).ok())
            .is_some_and(|value| value == wanted),
        _ => false,
    }
}

impl TextPattern {
    pub(in super::super) fn of(text: &str) -> Self {
        let trim = |part: &str| part.trim_matches(' ').to_owned();
        let alternatives = text
            .split('|')
            .map(|alternative| trim(alternative).split('&').map(|term| Term::of(&trim(term))).collect())
            .collect();
        Self { text: text.into(), alternatives }
    }

    pub(in super::super) fn is_match(&self, value: Option<Node<'_>>) -> bool {
        if value.and_then(Node::as_str) == Some(&*self.text) {
            return true;
        }
        self.alternatives.iter().any(|terms| terms.iter().all(|term| term.is_match(value)))
    }
}

impl Term {
    fn of(text: &str) -> Self {
        let operators = [
            (">=", Operator::MoreEqual),
            ("<=", Operator::LessEqual),
            (">", Operator::More),
            ("<", Operator::Less),
            ("!", Operator::NotEqual),
        ];
        if text.len() >= 2 {
            for (sign, operator) in operators {
                if let Some(operand) = text.strip_prefix(sign) {
                    return Self::Compare(Comparison::of(operator, operand));
                }
            }
            if let Some((from, to)) = split_range(text, "!-") {
                return Self::NotInRange(
                    Comparison::of(Operator::Less, from),
                    Comparison::of(Operator::More, to),
                );
            }
            if let Some((from, to)) = split_range(text, "-") {
                return Self::InRange(
                    Comparison::of(Operator::MoreEqual, from),
                    Comparison::of(Operator::LessEqual, to),
                );
            }
        }
        Self::Compare(Comparison::of(Operator::Equal, text))
    }

    fn is_match(&self, value: Option<Node<'_>>) -> bool {
        match self {
            Self::Compare(comparison) => comparison.is_match(value),
            Self::InRange(from, to) => from.is_match(value) && to.is_match(value),
            Self::NotInRange(from, to) => from.is_match(value) || to.is_match(value),
        }
    }
}

impl Comparison {
    fn of(operator: Operator, operand: &str) -> Self {
        let operand = operand.trim();
        Self { operator, number: Operand::of(operand), wildcard: Wildcard::new(operand) }
    }

    fn is_match(&self, value: Option<Node<'_>>) -> bool {
        if let Some(order) = self.number.as_ref().and_then(|number| number.compare(value)) {
            return match self.operator {
                Operator::Equal => order == Ordering::Equal,
                Operator::NotEqual => order != Ordering::Equal,
                Operator::More => order == Ordering::Greater,
                Operator::Less => order == Ordering::Less,
                Operator::MoreEqual => order != Ordering::Less,
                Operator::LessEqual => order != Ordering::Greater,
            };
        }
        match self.operator {
            Operator::Equal => self.is_text_match(value) == Some(true),
            Operator::NotEqual => self.is_text_match(value) == Some(false),
            _ => false,
        }
    }

    /// Whether the value's text matches; `None` if it has none.
    fn is_text_match(&self, value: Option<Node<'_>>) -> Option<bool> {
        let value = value?;
        match value.kind() {
            Kind::String => Some(self.wildcard.is_match(value.as_str()?)),
            Kind::Bool => Some(self.wildcard.is_match(if value.as_bool()? { "true" } else { "false" })),
            Kind::Int | Kind::Float if self.wildcard.is_any() => Some(true),
            Kind::Int => Some(self.wildcard.is_match(&value.as_i64()?.to_string())),
            Kind::Float => Some(self.wildcard.is_match(&strconv::format_float_scientific(value.as_f64()?))),
            Kind::Null | Kind::Array | Kind::Object => None,
        }
    }
}

/// A value as Go's `%v` prints it; `None` is a missing value.
pub(super) fn go_print(value: Option<Node<'_>>) -> String {
    value.map_or_else(|| strconv::NIL.to_owned(), |node| jmespath::sprint(&Value::from(node)))
}

/// The Go type of a value; `None` is a missing value.
pub(super) fn go_type(value: Option<Node<'_>>) -> &'static str {
    match value.map_or(Kind::Null, Node::kind) {
        Kind::Null => strconv::NIL,
        Kind::Bool => "bool",
        Kind::Int => "int64",
        Kind::Float => "float64",
        Kind::String => "string",
        Kind::Array => "[]interface {}",
        Kind::Object => "map[string]interface {}",
    }
}
