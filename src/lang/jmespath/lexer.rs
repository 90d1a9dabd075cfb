//! Text to tokens, with go-jmespath's token names and error texts.
//!
//! Positions are byte offsets. What a token means is the parser's business.

use super::CompileError;
use crate::gostd::strconv;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Unknown,
    Star,
    Dot,
    Filter,
    Flatten,
    LeftParen,
    RightParen,
    LeftBracket,
    RightBracket,
    LeftBrace,
    RightBrace,
    Or,
    Pipe,
    Number,
    Identifier,
    QuotedIdentifier,
    Comma,
    Colon,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
    JsonLiteral,
    StringLiteral,
    Current,
    Reference,
    And,
    Not,
    End,
}

impl Kind {
    /// The name that go-jmespath's messages use.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Unknown => "tUnknown",
            Self::Star => "tStar",
            Self::Dot => "tDot",
            Self::Filter => "tFilter",
            Self::Flatten => "tFlatten",
            Self::LeftParen => "tLparen",
            Self::RightParen => "tRparen",
            Self::LeftBracket => "tLbracket",
            Self::RightBracket => "tRbracket",
            Self::LeftBrace => "tLbrace",
            Self::RightBrace => "tRbrace",
            Self::Or => "tOr",
            Self::Pipe => "tPipe",
            Self::Number => "tNumber",
            Self::Identifier => "tUnquotedIdentifier",
            Self::QuotedIdentifier => "tQuotedIdentifier",
            Self::Comma => "tComma",
            Self::Colon => "tColon",
            Self::Less => "tLT",
            Self::LessOrEqual => "tLTE",
            Self::Greater => "tGT",
            Self::GreaterOrEqual => "tGTE",
            Self::Equal => "tEQ",
            Self::NotEqual => "tNE",
            Self::JsonLiteral => "tJSONLiteral",
            Self::StringLiteral => "tStringLiteral",
            Self::Current => "tCurrent",
            Self::Reference => "tExpref",
            Self::And => "tAnd",
            Self::Not => "tNot",
            Self::End => "tEOF",
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// The name, number or string; empty for operators.
    pub(super) text: String,
    pub(super) position: usize,
}

/// The tokens of an expression; the last one is [`Kind::End`].
pub(super) fn tokenize(text: &str) -> Result<Vec<Token>, CompileError> {
    let mut lexer = Lexer { text, position: 0 };
    let mut tokens = Vec::new();
    while let Some(token) = lexer.token()? {
        tokens.push(token);
    }
    tokens.push(Token { kind: Kind::End, text: String::new(), position: text.len() });
    Ok(tokens)
}

struct Lexer<'t> {
    text: &'t str,
    position: usize,
}

impl<'t> Lexer<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.position..).unwrap_or_default()
    }

    fn since(&self, start: usize) -> &'t str {
        self.text.get(start..self.position).unwrap_or_default()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.rest().chars().next()?;
        self.position += next.len_utf8();
        Some(next)
    }

    fn eat(&mut self, wanted: char) -> bool {
        let is_next = self.rest().starts_with(wanted);
        if is_next {
            self.position += wanted.len_utf8();
        }
        is_next
    }

    fn eat_while(&mut self, wanted: impl Fn(char) -> bool) {
        let rest = self.rest();
        self.position += rest.find(|c| !wanted(c)).unwrap_or(rest.len());
    }

    fn token(&mut self) -> Result<Option<Token>, CompileError> {
        self.eat_while(|c| matches!(c, ' ' | '\t' | '\n' | '\r'));
        let start = self.position;
        let Some(first) = self.next() else { return Ok(None) };
        let either = |lexer: &mut Self, second, both, single| if lexer.eat(second) { both } else { single };
        let kind = match first {
            '.' => Kind::Dot,
            '*' => Kind::Star,
            ',' => Kind::Comma,
            ':' => Kind::Colon,
            '{' => Kind::LeftBrace,
            '}' => Kind::RightBrace,
            ']' => Kind::RightBracket,
            '(' => Kind::LeftParen,
            ')' => Kind::RightParen,
            '@' => Kind::Current,
            '[' if self.eat('?') => Kind::Filter,
            '[' => either(self, ']', Kind::Flatten, Kind::LeftBracket),
            '|' => either(self, '|', Kind::Or, Kind::Pipe),
            '&' => either(self, '&', Kind::And, Kind::Reference),
            '<' => either(self, '=', Kind::LessOrEqual, Kind::Less),
            '>' => either(self, '=', Kind::GreaterOrEqual, Kind::Greater),
            '!' => either(self, '=', Kind::NotEqual, Kind::Not),
            '=' => either(self, '=', Kind::Equal, Kind::Unknown),
            'a'..='z' | 'A'..='Z' | '_' => {
                self.eat_while(|c| c.is_ascii_alphanumeric() || c == '_');
                let text = self.since(start).to_owned();
                return Ok(Some(Token { kind: Kind::Identifier, text, position: start }));
            }
            '-' | '0'..='9' => {
                self.eat_while(|c| c.is_ascii_digit());
                let text = self.since(start).to_owned();
                return Ok(Some(Token { kind: Kind::Number, text, position: start }));
            }
            '"' => return self.quoted_identifier(start).map(Some),
            '\'' => return self.raw_string().map(Some),
            '`' => {
                let text = self.until('`')?.replace("\\`", "`");
                return Ok(Some(Token { kind: Kind::JsonLiteral, text, position: start + 1 }));
            }
            unknown => {
                let message = format!("Unknown char: {}", quote_char(unknown));
                return Err(CompileError::syntax(&message, self.position.saturating_sub(1)));
            }
        };
        Ok(Some(Token { kind, text: String::new(), position: start }))
    }

    /// The text up to the delimiter; a backslash keeps whatever follows it from being one.
    fn until(&mut self, end: char) -> Result<&'t str, CompileError> {
        let start = self.position;
        while let Some(next) = self.next() {
            if next == end {
                let text = self.since(start);
                return Ok(text.get(..text.len().saturating_sub(end.len_utf8())).unwrap_or_default());
            }
            if next == '\\' {
                self.next();
            }
        }
        Err(self.unclosed(end))
    }

    fn quoted_identifier(&mut self, start: usize) -> Result<Token, CompileError> {
        let inner = self.until('"')?;
        let text = super::go_json::decode_string(&format!("\"{inner}\""))
            .map_err(|message| CompileError { message, position: start })?;
        Ok(Token { kind: Kind::QuotedIdentifier, text, position: start })
    }

    /// In a raw string only `\'` is an escape.
    fn raw_string(&mut self) -> Result<Token, CompileError> {
        let start = self.position;
        let mut text = String::new();
        while let Some(next) = self.next() {
            match next {
                '\'' => return Ok(Token { kind: Kind::StringLiteral, text, position: start }),
                '\\' if self.eat('\'') => text.push('\''),
                other => text.push(other),
            }
        }
        Err(self.unclosed('\''))
    }

    fn unclosed(&self, delimiter: char) -> CompileError {
        CompileError::syntax(&format!("Unclosed delimiter: {delimiter}"), self.text.len())
    }
}

/// `strconv.QuoteRuneToASCII`.
fn quote_char(unknown: char) -> String {
    let code = u32::from(unknown);
    match unknown {
        '\'' => "'\\''".to_owned(),
        '"' => "'\"'".to_owned(),
        ascii if ascii.is_ascii() => {
            let quoted = strconv::quote(&ascii.to_string());
            format!("'{}'", quoted.trim_matches('"'))
        }
        _ if code < 0x1_0000 => format!("'\\u{code:04x}'"),
        _ => format!("'\\U{code:08x}'"),
    }
}
