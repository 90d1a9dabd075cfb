//! What can be made of constant arguments once, when a program is compiled.
//!
//! A pattern that is wrong is no error here: the call may never be evaluated.

use super::ast::Expr;
use super::functions::{Function, Preparation};
use crate::gostd::regexp::Regexp;
use crate::gostd::wildcard::Wildcard;

/// The prepared constant argument of one call.
#[derive(Clone, Debug, Default)]
pub(super) enum Prepared {
    /// The call has nothing to prepare.
    #[default]
    Nothing,
    /// The pattern of `pattern_match`.
    Wildcard(Wildcard),
    /// The expression of `regex_match` and its siblings.
    Regexp(Box<Regexp>),
}

impl Prepared {
    /// Prepares the first argument of a call if it is a literal.
    pub(super) fn of(function: Option<&Function>, arguments: &[Expr]) -> Self {
        let preparation = function.map_or(Preparation::Nothing, |function| function.preparation);
        let literal = arguments.first().and_then(Expr::as_literal_str);
        match (preparation, literal) {
            (Preparation::Wildcard, Some(pattern)) => Self::Wildcard(Wildcard::new(pattern)),
            (Preparation::Regexp, Some(source)) => {
                Regexp::compile(source).map_or(Self::Nothing, |regexp| Self::Regexp(Box::new(regexp)))
            }
            _ => Self::Nothing,
        }
    }
}
