//! Expressions as text that parses to the same tree.
//!
//! Brackets are written only where the tree would otherwise come out differently; the numbers are the binding powers of the grammar.

use std::fmt;

use super::{Expr, Slice};
use crate::lang::jmespath::power;

/// The power of a token that ends every expression.
const END: u8 = 0;
/// Stronger than every operator: what needs no operator on its left.
const PRIMARY: u8 = u8::MAX;

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f)
    }
}

impl Expr {
    /// The operand on the left and the power of the operator behind it; `None` for what starts by itself.
    fn left(&self) -> Option<(&Expr, u8)> {
        let (left, power) = match self {
            Self::Sub(left, _) | Self::ValueProjection(left, _) => (left, power::DOT),
            Self::Index(left, _) | Self::Slice(left, _) => (left, power::BRACKET),
            Self::Projection(left, _) => match &**left {
                Self::Flatten(inner) => (inner, power::FLATTEN),
                Self::Slice(inner, _) => (inner, power::BRACKET),
                _ => (left, power::BRACKET),
            },
            Self::Filter { left, .. } => (left, power::FILTER),
            Self::Flatten(left) => (left, power::FLATTEN),
            Self::Compare(_, left, _) => (left, power::COMPARE),
            Self::Or(left, _) => (left, power::OR),
            Self::And(left, _) => (left, power::AND),
            Self::Pipe(left, _) => (left, power::PIPE),
            _ => return None,
        };
        (**left != Self::Identity).then_some((left, power))
    }

    /// The weakest operator between the start of the text and its end, outside brackets.
    fn weakest(&self) -> u8 {
        self.left().map_or(
            PRIMARY,
            |(left, power)| {
                if left.swallows(power) { power } else { power.min(left.weakest()) }
            },
        )
    }

    /// Whether an operator of this power behind the expression would become part of its last operand.
    fn swallows(&self, next: u8) -> bool {
        let projected = |right: &Self, power: u8| {
            if *right == Self::Identity {
                next >= power::PROJECTION_STOP
            } else {
                next > power || right.swallows(next)
            }
        };
        match self {
            Self::Sub(_, right) => next > power::DOT || right.swallows(next),
            Self::Projection(left, right) if matches!(**left, Self::Flatten(_)) => {
                projected(right, power::FLATTEN)
            }
            Self::Projection(_, right) => projected(right, power::STAR),
            Self::ValueProjection(left, right) => {
                projected(right, if **left == Self::Identity { power::STAR } else { power::DOT })
            }
            Self::Filter { right, .. } => projected(right, power::FILTER),
            Self::Compare(_, _, right) => next > power::COMPARE || right.swallows(next),
            Self::Or(_, right) => next > power::OR || right.swallows(next),
            Self::And(_, right) => next > power::AND || right.swallows(next),
            Self::Pipe(_, right) => next > power::PIPE || right.swallows(next),
            Self::Not(operand) => next > power::NOT || operand.swallows(next),
            Self::Reference(_) => next > END,
            _ => false,
        }
    }

    fn write_left(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.left() {
            Some((left, power)) if left.swallows(power) => write!(f, "({left})"),
            Some((left, _)) => left.write(f),
            None => Ok(()),
        }
    }

    /// An operand on the right of an operator of this power.
    fn write_right(&self, f: &mut fmt::Formatter<'_>, power: u8) -> fmt::Result {
        if self.weakest() <= power { write!(f, "({self})") } else { self.write(f) }
    }

    /// What follows a projection.
    fn write_projected(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::Identity {
            return Ok(());
        }
        let mut first = self;
        while let Some((left, power)) = first.left() {
            if left.swallows(power) {
                break;
            }
            first = left;
        }
        let starts_with_bracket = match first {
            Self::ValueProjection(..) => false,
            Self::List(_) => true,
            other => !matches!(other, Self::Field(_) | Self::Call(_) | Self::Hash(_)),
        };
        f.write_str(if starts_with_bracket { "" } else { "." })?;
        self.write(f)
    }

    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identity | Self::Current => f.write_str("@"),
            Self::Field(name) => write_identifier(f, name),
            Self::Literal(document) => write_literal(f, document),
            Self::Reference(operand) => write!(f, "&{operand}"),
            Self::Not(operand) => {
                f.write_str("!")?;
                operand.write_right(f, power::NOT)
            }
            Self::List(items) => {
                f.write_str("[")?;
                write_separated(f, items)?;
                f.write_str("]")
            }
            Self::Hash(entries) => {
                f.write_str("{")?;
                for (position, (key, value)) in entries.iter().enumerate() {
                    f.write_str(if position == 0 { "" } else { ", " })?;
                    write_identifier(f, key)?;
                    write!(f, ": {value}")?;
                }
                f.write_str("}")
            }
            Self::Call(call) => {
                match &call.name {
                    Some(name) if is_identifier(name) => f.write_str(name)?,
                    Some(name) => write_string(f, name)?,
                    None => f.write_str("@")?,
                }
                f.write_str("(")?;
                write_separated(f, &call.arguments)?;
                f.write_str(")")
            }
            _ => {
                self.write_left(f)?;
                self.write_operator(f)
            }
        }
    }

    /// The operator of an expression that has an operand on its left, and what follows it.
    fn write_operator(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has_left = self.left().is_some();
        match self {
            Self::Sub(_, right) => {
                f.write_str(".")?;
                right.write(f)
            }
            Self::Index(_, index) => write!(f, "[{index}]"),
            Self::Slice(_, slice) => write_slice(f, slice),
            Self::Flatten(_) => f.write_str("[]"),
            Self::Projection(left, right) => {
                match &**left {
                    Self::Flatten(_) => f.write_str("[]")?,
                    Self::Slice(_, slice) => write_slice(f, slice)?,
                    _ => f.write_str("[*]")?,
                }
                right.write_projected(f)
            }
            Self::ValueProjection(_, right) => {
                f.write_str(if has_left { ".*" } else { "*" })?;
                right.write_projected(f)
            }
            Self::Filter { right, condition, .. } => {
                write!(f, "[?{condition}]")?;
                right.write_projected(f)
            }
            Self::Compare(comparator, _, right) => {
                write!(f, " {} ", comparator.symbol())?;
                right.write_right(f, power::COMPARE)
            }
            Self::Or(_, right) => {
                f.write_str(" || ")?;
                right.write_right(f, power::OR)
            }
            Self::And(_, right) => {
                f.write_str(" && ")?;
                right.write_right(f, power::AND)
            }
            Self::Pipe(_, right) => {
                f.write_str(" | ")?;
                right.write_right(f, power::PIPE)
            }
            _ => Ok(()),
        }
    }
}

fn write_separated(f: &mut fmt::Formatter<'_>, items: &[Expr]) -> fmt::Result {
    for (position, item) in items.iter().enumerate() {
        f.write_str(if position == 0 { "" } else { ", " })?;
        item.write(f)?;
    }
    Ok(())
}

fn write_slice(f: &mut fmt::Formatter<'_>, slice: &Slice) -> fmt::Result {
    let number = |n: Option<i64>| n.map_or_else(String::new, |n| n.to_string());
    write!(f, "[{}:{}", number(slice.start), number(slice.stop))?;
    if slice.step.is_some() {
        write!(f, ":{}", number(slice.step))?;
    }
    f.write_str("]")
}

fn is_identifier(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn write_identifier(f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    if is_identifier(name) {
        return f.write_str(name);
    }
    f.write_str(&serde_json::to_string(name).unwrap_or_default())
}

fn write_string(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    if text.contains('\\') {
        return write_json(f, &serde_json::to_string(text).unwrap_or_default());
    }
    write!(f, "'{}'", text.replace('\'', "\\'"))
}

fn write_literal(f: &mut fmt::Formatter<'_>, document: &crate::document::Document) -> fmt::Result {
    match document.root().as_str() {
        Some(text) => write_string(f, text),
        None => write_json(f, &document.root().to_json()),
    }
}

/// In JSON a backtick only stands in strings, where it can be written as an escape.
fn write_json(f: &mut fmt::Formatter<'_>, json: &str) -> fmt::Result {
    write!(f, "`{}`", json.replace('`', "\\u0060"))
}
