//! Where names stand in the text of an expression, for messages that point at them.

use std::ops::Range;

use super::lexer::{self, Kind, Token};

/// A name that does not stand behind a dot: something that is looked up where the expression is evaluated, or called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The name.
    pub text: String,
    /// Where it stands, in bytes.
    pub range: Range<usize>,
    /// The name behind it and a dot, if there is one.
    pub field: Option<(String, Range<usize>)>,
    /// Whether it is the name of a function that is called.
    pub is_call: bool,
}

/// The names of an expression in their order; none of a text that is no expression.
pub fn names(text: &str) -> Vec<Name> {
    let tokens = lexer::tokenize(text).unwrap_or_default();
    let is = |at: Option<usize>, kind: Kind| at.and_then(|at| tokens.get(at)).is_some_and(|t| t.kind == kind);
    let is_name = |token: &&Token| matches!(token.kind, Kind::Identifier | Kind::QuotedIdentifier);
    let range = |token: &Token| {
        let quotes = if token.kind == Kind::QuotedIdentifier { 2 } else { 0 };
        token.position..(token.position + token.text.len() + quotes).min(text.len())
    };
    let positioned = tokens.iter().enumerate().filter(|(_, token)| is_name(token));
    let free = positioned.filter(|(at, _)| {
        // A name in front of a colon is a key of a hash.
        !is(at.checked_sub(1), Kind::Dot) && !is(Some(at + 1), Kind::Colon)
    });
    free.map(|(at, token)| Name {
        text: token.text.clone(),
        range: range(token),
        field: tokens
            .get(at + 2)
            .filter(|_| is(Some(at + 1), Kind::Dot))
            .filter(is_name)
            .map(|field| (field.text.clone(), range(field))),
        is_call: is(Some(at + 1), Kind::LeftParen),
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_with_their_places() {
        let text = r#"a.b || foo("c d".e, {x: y}) "#;
        let part = |range: &Range<usize>| text.get(range.clone()).unwrap();
        let show = |name: &Name| {
            let field = name.field.as_ref().map(|(_, range)| part(range));
            (part(&name.range), field, name.is_call)
        };
        assert_eq!(
            names(text).iter().map(show).collect::<Vec<_>>(),
            [
                ("a", Some("b"), false),
                ("foo", None, true),
                (r#""c d""#, Some("e"), false),
                ("y", None, false),
            ]
        );
        assert_eq!(super::names("a #"), []);
    }
}
