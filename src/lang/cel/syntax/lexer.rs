//! Text to tokens. A token is a kind and a span; its meaning (numbers, escapes) is worked out by `literal`.
//!
//! The grammar is that of <https://github.com/google/cel-spec/blob/master/doc/langdef.md#syntax>.

use crate::lang::cel::issues::Issue;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Ident,
    /// An identifier in backquotes.
    Quoted,
    Int,
    Uint,
    Double,
    String,
    Bytes,
    /// Punctuation and operators; the text tells which.
    Symbol(&'static str),
    End,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Longer symbols first.
const SYMBOLS: [&str; 24] = [
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "%", "!", "?", ":", ".", ",", "(", ")",
    "[", "]", "{", "}",
];

/// All tokens of a text, the last one is [`Kind::End`].
pub(super) fn lex(source: &str) -> Result<Vec<Token>, Issue> {
    let mut lexer = Lexer { source, bytes: source.as_bytes(), at: 0 };
    let mut tokens = Vec::new();
    loop {
        let token = lexer.next()?;
        tokens.push(token);
        if token.kind == Kind::End {
            return Ok(tokens);
        }
    }
}

struct Lexer<'s> {
    source: &'s str,
    bytes: &'s [u8],
    at: usize,
}

impl Lexer<'_> {
    fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn next(&mut self) -> Result<Token, Issue> {
        self.skip_space();
        let start = self.at;
        let kind = match self.peek(0) {
            0 if self.at >= self.bytes.len() => Kind::End,
            b'0'..=b'9' => self.number(),
            b'.' if self.peek(1).is_ascii_digit() => self.number(),
            b'"' | b'\'' => self.string(0, Kind::String)?,
            b'`' => self.quoted()?,
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => self.word()?,
            _ => self.symbol()?,
        };
        Ok(Token { kind, start, end: self.at })
    }

    fn skip_space(&mut self) {
        loop {
            match self.peek(0) {
                b' ' | b'\t' | b'\r' | b'\n' | 0x0c => self.at += 1,
                b'/' if self.peek(1) == b'/' => {
                    while self.at < self.bytes.len() && self.peek(0) != b'\n' {
                        self.at += 1;
                    }
                }
                _ => return,
            }
        }
    }

    fn digits(&mut self) {
        while self.peek(0).is_ascii_digit() {
            self.at += 1;
        }
    }

    fn number(&mut self) -> Kind {
        if self.peek(0) == b'0' && self.peek(1) == b'x' && self.peek(2).is_ascii_hexdigit() {
            self.at += 2;
            while self.peek(0).is_ascii_hexdigit() {
                self.at += 1;
            }
            return self.integer();
        }
        self.digits();
        let mut kind = Kind::Int;
        if self.peek(0) == b'.' && self.peek(1).is_ascii_digit() {
            self.at += 1;
            self.digits();
            kind = Kind::Double;
        }
        if matches!(self.peek(0), b'e' | b'E') {
            let sign = usize::from(matches!(self.peek(1), b'+' | b'-'));
            if self.peek(1 + sign).is_ascii_digit() {
                self.at += 1 + sign;
                self.digits();
                kind = Kind::Double;
            }
        }
        if kind == Kind::Int { self.integer() } else { kind }
    }

    fn integer(&mut self) -> Kind {
        if matches!(self.peek(0), b'u' | b'U') {
            self.at += 1;
            Kind::Uint
        } else {
            Kind::Int
        }
    }

    fn word(&mut self) -> Result<Kind, Issue> {
        let is_quote = |byte: u8| byte == b'"' || byte == b'\'';
        match (self.peek(0), self.peek(1), self.peek(2)) {
            (b'r' | b'R', quote, _) if is_quote(quote) => return self.string(1, Kind::String),
            (b'b' | b'B', quote, _) if is_quote(quote) => return self.string(1, Kind::Bytes),
            (b'b' | b'B', b'r' | b'R', quote) if is_quote(quote) => return self.string(2, Kind::Bytes),
            _ => {}
        }
        while self.peek(0).is_ascii_alphanumeric() || self.peek(0) == b'_' {
            self.at += 1;
        }
        Ok(Kind::Ident)
    }

    fn string(&mut self, prefix: usize, kind: Kind) -> Result<Kind, Issue> {
        let start = self.at;
        let is_raw = (0..prefix).any(|ahead| matches!(self.peek(ahead), b'r' | b'R'));
        self.at += prefix;
        let quote = self.peek(0);
        let is_triple = self.peek(1) == quote && self.peek(2) == quote;
        let width = if is_triple { 3 } else { 1 };
        self.at += width;
        while self.at < self.bytes.len() {
            let byte = self.peek(0);
            if byte == b'\\' && !is_raw {
                self.at += 2;
            } else if (0..width).all(|ahead| self.peek(ahead) == quote) {
                self.at += width;
                return Ok(kind);
            } else if !is_triple && matches!(byte, b'\n' | b'\r') {
                break;
            } else {
                self.at += 1;
            }
        }
        let text = self.source.get(start..).unwrap_or("");
        let shown: String = text.chars().take_while(|c| *c != '\n').collect();
        Err(Issue::new(start, format!("Syntax error: token recognition error at: '{shown}'")))
    }

    fn quoted(&mut self) -> Result<Kind, Issue> {
        let start = self.at;
        self.at += 1;
        while self.peek(0).is_ascii_alphanumeric() || matches!(self.peek(0), b'_' | b'.' | b'-' | b'/' | b' ')
        {
            self.at += 1;
        }
        if self.peek(0) != b'`' || self.at == start + 1 {
            return Err(Issue::new(start, "Syntax error: token recognition error at: '`'".to_owned()));
        }
        self.at += 1;
        Ok(Kind::Quoted)
    }

    fn symbol(&mut self) -> Result<Kind, Issue> {
        let rest = self.source.get(self.at..).unwrap_or("");
        let Some(symbol) = SYMBOLS.into_iter().find(|symbol| rest.starts_with(symbol)) else {
            let shown: String = rest.chars().take(1).collect();
            return Err(Issue::new(self.at, format!("Syntax error: token recognition error at: '{shown}'")));
        };
        self.at += symbol.len();
        Ok(Kind::Symbol(symbol))
    }
}
