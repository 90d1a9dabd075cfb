//! The syntax tree of an expression, which is also what is evaluated.
//!
//! The shape follows go-jmespath 0.4, where a projection owns everything behind it: that decides where a missing key is an error.
//! What the tree says and what it prints as live here (`ast/print.rs`); no evaluation and no parsing.

mod print;
mod roots;

use std::sync::Arc;

use super::functions::Function;
use super::prepared::Prepared;
use crate::document::Document;

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparator {
    pub(super) fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }
}

/// The numbers of `[start:stop:step]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Slice {
    pub(super) start: Option<i64>,
    pub(super) stop: Option<i64>,
    pub(super) step: Option<i64>,
}

/// One call, with its function found and its constant arguments prepared.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// `None` where the text before `(` names nothing: an error when evaluated, as in go-jmespath.
    pub(super) name: Option<Arc<str>>,
    /// `None` for an unknown function: an error when evaluated, as in go-jmespath.
    pub(super) function: Option<&'static Function>,
    pub(super) arguments: Vec<Expr>,
    pub(super) prepared: Prepared,
}

impl PartialEq for Call {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.arguments == other.arguments
    }
}

/// One expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expr {
    /// What a leading `[…]` or `*` is applied to.
    Identity,
    /// `@`
    Current,
    Field(Arc<str>),
    Literal(Document),
    /// `left.right`
    Sub(Box<Expr>, Box<Expr>),
    /// `left[0]`
    Index(Box<Expr>, i64),
    /// `left[1:2]`, always below a [`Expr::Projection`].
    Slice(Box<Expr>, Slice),
    /// `left[*]right` and the outer half of `left[]right` and `left[1:2]right`.
    Projection(Box<Expr>, Box<Expr>),
    /// `left.*right`
    ValueProjection(Box<Expr>, Box<Expr>),
    /// `left[?condition]right`
    Filter {
        left: Box<Expr>,
        right: Box<Expr>,
        condition: Box<Expr>,
    },
    /// `left[]`, always below a [`Expr::Projection`].
    Flatten(Box<Expr>),
    Compare(Comparator, Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Not(Box<Expr>),
    Pipe(Box<Expr>, Box<Expr>),
    List(Vec<Expr>),
    Hash(Vec<(Arc<str>, Expr)>),
    Call(Box<Call>),
    /// `&expression`, an argument that a function evaluates itself.
    Reference(Box<Expr>),
}

impl Expr {
    /// The expressions directly below this one.
    pub(super) fn children(&self) -> Vec<&Expr> {
        match self {
            Self::Identity | Self::Current | Self::Field(_) | Self::Literal(_) => Vec::new(),
            Self::Index(a, _) | Self::Slice(a, _) | Self::Flatten(a) | Self::Not(a) | Self::Reference(a) => {
                vec![a]
            }
            Self::Sub(a, b)
            | Self::Projection(a, b)
            | Self::ValueProjection(a, b)
            | Self::Compare(_, a, b)
            | Self::Or(a, b)
            | Self::And(a, b)
            | Self::Pipe(a, b) => vec![a, b],
            Self::Filter { left, right, condition } => vec![left, right, condition],
            Self::List(items) => items.iter().collect(),
            Self::Hash(entries) => entries.iter().map(|(_, value)| value).collect(),
            Self::Call(call) => call.arguments.iter().collect(),
        }
    }

    /// Whether this or anything below satisfies the predicate.
    pub(super) fn any(&self, predicate: &impl Fn(&Expr) -> bool) -> bool {
        predicate(self) || self.children().into_iter().any(|child| child.any(predicate))
    }

    /// The string of a literal.
    pub(super) fn as_literal_str(&self) -> Option<&str> {
        match self {
            Self::Literal(document) => document.root().as_str(),
            _ => None,
        }
    }
}
