//! The binding powers of the grammar: the stronger operator takes the operand.

use super::lexer::Kind;

pub(super) const PIPE: u8 = 1;
pub(super) const OR: u8 = 2;
pub(super) const AND: u8 = 3;
pub(super) const COMPARE: u8 = 5;
pub(super) const FLATTEN: u8 = 9;
/// Operators weaker than this end a projection.
pub(super) const PROJECTION_STOP: u8 = 10;
pub(super) const STAR: u8 = 20;
pub(super) const FILTER: u8 = 21;
pub(super) const DOT: u8 = 40;
pub(super) const NOT: u8 = 45;
const BRACE: u8 = 50;
pub(super) const BRACKET: u8 = 55;
const PAREN: u8 = 60;

/// The power with which a token binds to what stands on its left.
pub(super) fn of(kind: Kind) -> u8 {
    match kind {
        Kind::Pipe => PIPE,
        Kind::Or => OR,
        Kind::And => AND,
        Kind::Equal
        | Kind::NotEqual
        | Kind::Less
        | Kind::LessOrEqual
        | Kind::Greater
        | Kind::GreaterOrEqual => COMPARE,
        Kind::Flatten => FLATTEN,
        Kind::Star => STAR,
        Kind::Filter => FILTER,
        Kind::Dot => DOT,
        Kind::Not => NOT,
        Kind::LeftBrace => BRACE,
        Kind::LeftBracket => BRACKET,
        Kind::LeftParen => PAREN,
        _ => 0,
    }
}
