//! Tokens to the tree: precedence climbing over the grammar of the language definition.
//!
//! Messages are those of ANTLR's parser, which cel-go uses, where it says one thing: about text behind a whole expression, about one token too
//! many before an operand, about an end where an operand is wanted. Elsewhere it goes on after its first message, guessing, and only the
//! place of the first is the same here.
//!
//! Bounds: the text's length, and the depth of the tree (so that whoever walks it recurses no deeper).

use super::lexer::{Kind, Token, lex};
use super::{Element, Entry, Expr, ExprKind, Field, Literal, literal};
use crate::lang::cel::issues::Issue;
use crate::limits::{CEL_EXPRESSION_CHARS_MAX, CEL_EXPRESSION_DEPTH_MAX};

/// Words that cannot name a variable or function.
const RESERVED: [&str; 17] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// Parses one expression.
pub(crate) fn parse(source: &str) -> Result<Expr, Vec<Issue>> {
    let mut parser = Parser { source, tokens: Vec::new(), next: 0, depth: 0, passed: Vec::new() };
    let outcome = parser.whole();
    let mut issues = parser.passed;
    match outcome {
        Ok(expr) if issues.is_empty() => return Ok(expr),
        Ok(_) => {}
        Err(issue) => issues.push(issue),
    }
    Err(issues)
}

/// A node with its depth.
type Parsed = (Expr, usize);

struct Parser<'s> {
    source: &'s str,
    tokens: Vec<Token>,
    next: usize,
    depth: usize,
    /// What was said of tokens behind which parsing went on.
    passed: Vec<Issue>,
}

/// What an operand may begin with.
const OPERAND: &str = "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', \
                       NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}";

fn too_deep() -> Issue {
    Issue::new(0, format!("expression recursion limit exceeded: {CEL_EXPRESSION_DEPTH_MAX}"))
}

impl<'s> Parser<'s> {
    fn whole(&mut self) -> Result<Expr, Issue> {
        let n_chars = self.source.chars().count();
        if n_chars > CEL_EXPRESSION_CHARS_MAX {
            let text = format!(
                "expression code point size exceeds limit: size: {n_chars}, limit {CEL_EXPRESSION_CHARS_MAX}"
            );
            return Err(Issue::new(0, text));
        }
        self.tokens = lex(self.source)?;
        self.skip_extraneous();
        let (expr, _) = self.conditional()?;
        let token = self.advance();
        if token.kind == Kind::End {
            Ok(expr)
        } else if self.peek().kind == Kind::End {
            Err(self.extraneous(token, "<EOF>"))
        } else {
            Err(self.unexpected(token, "<EOF>"))
        }
    }

    fn extraneous(&self, token: Token, expecting: &str) -> Issue {
        let text = if token.kind == Kind::End { "<EOF>" } else { self.text(token) };
        Issue::new(token.start, format!("Syntax error: extraneous input '{text}' expecting {expecting}"))
    }

    /// Whether a token may be the first of an operand.
    fn begins_operand(&self, token: Token) -> bool {
        match token.kind {
            Kind::Symbol(symbol) => matches!(symbol, "[" | "{" | "(" | "." | "-" | "!"),
            Kind::Ident => self.text(token) != "in",
            Kind::Quoted | Kind::End => false,
            _ => true,
        }
    }

    /// Passes over one token before an operand that does not belong there, if an operand stands behind it.
    fn skip_extraneous(&mut self) {
        let token = self.peek();
        let behind = self.tokens.get(self.next + 1).copied();
        if token.kind != Kind::End
            && !self.begins_operand(token)
            && behind.is_some_and(|behind| self.begins_operand(behind))
        {
            self.passed.push(self.extraneous(token, OPERAND));
            self.next += 1;
        }
    }

    fn peek(&self) -> Token {
        self.tokens.get(self.next).copied().unwrap_or(Token {
            kind: Kind::End,
            start: self.source.len(),
            end: self.source.len(),
        })
    }

    fn advance(&mut self) -> Token {
        let token = self.peek();
        self.next += 1;
        token
    }

    fn text(&self, token: Token) -> &'s str {
        self.source.get(token.start..token.end).unwrap_or("")
    }

    fn is_symbol(&self, symbol: &str) -> bool {
        matches!(self.peek().kind, Kind::Symbol(s) if s == symbol)
    }

    fn take(&mut self, symbol: &str) -> Option<Token> {
        self.is_symbol(symbol).then(|| self.advance())
    }

    fn expect(&mut self, symbol: &str) -> Result<Token, Issue> {
        match self.take(symbol) {
            Some(token) => Ok(token),
            None => Err(self.unexpected(self.peek(), &format!("'{symbol}'"))),
        }
    }

    fn unexpected(&self, token: Token, expecting: &str) -> Issue {
        let text = if token.kind == Kind::End { "<EOF>" } else { self.text(token) };
        Issue::new(token.start, format!("Syntax error: mismatched input '{text}' expecting {expecting}"))
    }

    fn node(token: Token, kind: ExprKind, below: usize) -> Result<Parsed, Issue> {
        let depth = below + 1;
        if depth > CEL_EXPRESSION_DEPTH_MAX {
            return Err(too_deep());
        }
        Ok((Expr { at: u32::try_from(token.start).unwrap_or(u32::MAX), kind }, depth))
    }

    fn call(token: Token, function: &str, args: Vec<Parsed>) -> Result<Parsed, Issue> {
        let below = args.iter().map(|(_, depth)| *depth).max().unwrap_or(0);
        let args = args.into_iter().map(|(expr, _)| expr).collect();
        Self::node(token, ExprKind::Call { target: None, function: function.to_owned(), args }, below)
    }

    fn conditional(&mut self) -> Result<Parsed, Issue> {
        self.depth += 1;
        if self.depth > CEL_EXPRESSION_DEPTH_MAX {
            return Err(too_deep());
        }
        let mut parsed = self.binary(0)?;
        if let Some(token) = self.take("?") {
            self.skip_extraneous();
            let then = self.binary(0)?;
            self.expect(":")?;
            self.skip_extraneous();
            let otherwise = self.conditional()?;
            parsed = Self::call(token, "_?_:_", vec![parsed, then, otherwise])?;
        }
        self.depth -= 1;
        Ok(parsed)
    }

    /// Binary operators from a level on: 0 is `||`, 1 `&&`, 2 relations, 3 sums, 4 products.
    fn binary(&mut self, level: u8) -> Result<Parsed, Issue> {
        let mut left = self.unary()?;
        while let Some((token, operator_level, function)) = self.operator() {
            if operator_level < level {
                break;
            }
            left = match operator_level {
                0 | 1 => self.chain(token, operator_level, left)?,
                _ => {
                    self.advance();
                    self.skip_extraneous();
                    let right = self.binary(operator_level + 1)?;
                    Self::call(token, function, vec![left, right])?
                }
            };
        }
        Ok(left)
    }

    /// The binary operator that comes next, with its level and function.
    fn operator(&self) -> Option<(Token, u8, &'static str)> {
        let token = self.peek();
        let (level, function) = match token.kind {
            Kind::Symbol("||") => (0, "_||_"),
            Kind::Symbol("&&") => (1, "_&&_"),
            Kind::Symbol("<") => (2, "_<_"),
            Kind::Symbol("<=") => (2, "_<=_"),
            Kind::Symbol(">") => (2, "_>_"),
            Kind::Symbol(">=") => (2, "_>=_"),
            Kind::Symbol("==") => (2, "_==_"),
            Kind::Symbol("!=") => (2, "_!=_"),
            Kind::Ident if self.text(token) == "in" => (2, "@in"),
            Kind::Symbol("+") => (3, "_+_"),
            Kind::Symbol("-") => (3, "_-_"),
            Kind::Symbol("*") => (4, "_*_"),
            Kind::Symbol("/") => (4, "_/_"),
            Kind::Symbol("%") => (4, "_%_"),
            _ => return None,
        };
        Some((token, level, function))
    }

    /// All terms of a chain of `||` or `&&` behind the first.
    fn chain(&mut self, first: Token, level: u8, (expr, depth): Parsed) -> Result<Parsed, Issue> {
        let symbol = if level == 0 { "||" } else { "&&" };
        let (mut at, mut below, mut terms) = (first, depth, vec![expr]);
        while let Some(token) = self.take(symbol) {
            at = token;
            self.skip_extraneous();
            let (expr, depth) = self.binary(level + 1)?;
            below = below.max(depth);
            terms.push(expr);
        }
        let kind = if level == 0 { ExprKind::Or(terms) } else { ExprKind::And(terms) };
        Self::node(at, kind, below)
    }

    fn unary(&mut self) -> Result<Parsed, Issue> {
        let first = self.peek();
        if self.is_symbol("!") {
            let n = self.repeated("!");
            if !self.begins_operand(self.peek()) {
                return Err(self.extraneous(self.peek(), OPERAND));
            }
            let minus = self.peek();
            let operand = if self.take("-").is_some() { self.negative(minus)? } else { self.member()? };
            return if n.is_multiple_of(2) { Ok(operand) } else { Self::call(first, "!_", vec![operand]) };
        }
        if self.is_symbol("-") {
            let n = self.repeated("-");
            if matches!(self.peek().kind, Kind::Int | Kind::Double) && n == 1 {
                return self.negative(first);
            }
            let operand = self.member()?;
            return if n.is_multiple_of(2) { Ok(operand) } else { Self::call(first, "-_", vec![operand]) };
        }
        self.member()
    }

    /// A negative number behind its sign.
    fn negative(&mut self, minus: Token) -> Result<Parsed, Issue> {
        let number = self.advance();
        if !matches!(number.kind, Kind::Int | Kind::Double) {
            return Err(self.unexpected(number, "{NUM_FLOAT, NUM_INT}"));
        }
        let literal = self.number(number, true)?;
        let operand = Self::node(minus, ExprKind::Literal(literal), 0)?;
        self.suffixes(operand)
    }

    fn repeated(&mut self, symbol: &str) -> usize {
        let mut n = 0;
        while self.take(symbol).is_some() {
            n += 1;
        }
        n
    }

    fn member(&mut self) -> Result<Parsed, Issue> {
        let operand = self.primary()?;
        self.suffixes(operand)
    }

    /// Whether a `?` makes the operand that follows optional.
    fn take_question(&mut self) -> bool {
        let is_optional = self.take("?").is_some();
        if is_optional {
            self.skip_extraneous();
        }
        is_optional
    }

    fn suffixes(&mut self, mut operand: Parsed) -> Result<Parsed, Issue> {
        loop {
            if let Some(dot) = self.take(".") {
                operand = self.select(dot, operand)?;
            } else if let Some(open) = self.take("[") {
                let is_optional = self.take_question();
                let index = self.conditional()?;
                self.expect("]")?;
                operand = Self::call(open, if is_optional { "_[?_]" } else { "_[_]" }, vec![operand, index])?;
            } else {
                return Ok(operand);
            }
        }
    }

    fn select(&mut self, dot: Token, (operand, below): Parsed) -> Result<Parsed, Issue> {
        let is_optional = self.take("?").is_some();
        let name = self.advance();
        let field = match name.kind {
            Kind::Ident => self.text(name).to_owned(),
            Kind::Quoted => self.text(name).trim_matches('`').to_owned(),
            _ => return Err(self.unexpected(name, "IDENTIFIER")),
        };
        if !is_optional && name.kind == Kind::Ident && self.is_symbol("(") {
            let open = self.advance();
            let (args, deepest) = self.arguments(")")?;
            let kind = ExprKind::Call { target: Some(Box::new(operand)), function: field, args };
            return Self::node(open, kind, below.max(deepest));
        }
        if name.kind == Kind::Ident && matches!(field.as_str(), "true" | "false" | "null" | "in") {
            return Err(self.unexpected(name, "IDENTIFIER"));
        }
        Self::node(dot, ExprKind::Select { operand: Box::new(operand), field, is_optional }, below)
    }

    fn arguments(&mut self, close: &str) -> Result<(Vec<Expr>, usize), Issue> {
        let (mut args, mut deepest) = (Vec::new(), 0);
        if self.take(close).is_some() {
            return Ok((args, deepest));
        }
        loop {
            let (expr, depth) = self.conditional()?;
            deepest = deepest.max(depth);
            args.push(expr);
            if self.take(",").is_none() {
                self.expect(close)?;
                return Ok((args, deepest));
            }
            self.skip_extraneous();
        }
    }

    fn primary(&mut self) -> Result<Parsed, Issue> {
        let token = self.advance();
        match token.kind {
            Kind::Symbol("(") => {
                self.skip_extraneous();
                let inner = self.conditional()?;
                self.expect(")")?;
                Ok(inner)
            }
            Kind::Symbol("[") => self.list(token),
            Kind::Symbol("{") => self.map(token),
            Kind::Symbol(".") => {
                let name = self.advance();
                if name.kind == Kind::Ident {
                    self.name(name, true)
                } else {
                    Err(self.unexpected(name, "IDENTIFIER"))
                }
            }
            Kind::Ident => self.name(token, false),
            Kind::Int | Kind::Uint | Kind::Double => {
                let literal = self.number(token, false)?;
                Self::node(token, ExprKind::Literal(literal), 0)
            }
            Kind::String | Kind::Bytes => {
                let is_bytes = token.kind == Kind::Bytes;
                let bytes =
                    literal::unquote(self.text(token), is_bytes).map_err(|e| Issue::new(token.start, e))?;
                let literal = if is_bytes {
                    Literal::Bytes(bytes)
                } else {
                    Literal::String(String::from_utf8_lossy(&bytes).into_owned())
                };
                Self::node(token, ExprKind::Literal(literal), 0)
            }
            _ => Err(self.unexpected(token, OPERAND)),
        }
    }

    fn number(&self, token: Token, is_negative: bool) -> Result<Literal, Issue> {
        let text = self.text(token);
        match token.kind {
            Kind::Int => literal::int(text, is_negative)
                .ok_or_else(|| Issue::new(token.start, "invalid int literal".to_owned())),
            Kind::Uint => {
                literal::uint(text).ok_or_else(|| Issue::new(token.start, "invalid uint literal".to_owned()))
            }
            _ => match text.parse::<f64>() {
                Ok(value) if value.is_finite() => {
                    Ok(Literal::Double(if is_negative { -value } else { value }))
                }
                _ => Err(Issue::new(token.start, "invalid double literal".to_owned())),
            },
        }
    }

    /// A word: a constant, a call, a message literal or a name.
    fn name(&mut self, token: Token, has_dot: bool) -> Result<Parsed, Issue> {
        let word = self.text(token);
        if !has_dot {
            let literal = match word {
                "true" => Some(Literal::Bool(true)),
                "false" => Some(Literal::Bool(false)),
                "null" => Some(Literal::Null),
                _ => None,
            };
            if let Some(literal) = literal {
                return Self::node(token, ExprKind::Literal(literal), 0);
            }
        }
        if word == "in" {
            return Err(self.unexpected(token, "IDENTIFIER"));
        }
        if let Some((name, open)) = self.message_name(token, has_dot) {
            return self.message(open, name);
        }
        if RESERVED.contains(&word) {
            self.passed.push(Issue::new(token.start, format!("reserved identifier: {word}")));
        }
        let name = if has_dot { format!(".{word}") } else { word.to_owned() };
        if let Some(open) = self.take("(") {
            let (args, deepest) = self.arguments(")")?;
            return Self::node(open, ExprKind::Call { target: None, function: name, args }, deepest);
        }
        Self::node(token, ExprKind::Ident(name), 0)
    }

    /// The name of a message literal and its brace, if `a.b.C {` starts here; moves behind the brace.
    fn message_name(&mut self, token: Token, has_dot: bool) -> Option<(String, Token)> {
        let start = self.next;
        let mut name = if has_dot { format!(".{}", self.text(token)) } else { self.text(token).to_owned() };
        loop {
            if let Some(open) = self.take("{") {
                return Some((name, open));
            }
            let part = self.tokens.get(self.next + 1).copied();
            match part {
                Some(part) if self.is_symbol(".") && part.kind == Kind::Ident => {
                    name.push('.');
                    name.push_str(self.text(part));
                    self.next += 2;
                }
                _ => {
                    self.next = start;
                    return None;
                }
            }
        }
    }

    fn message(&mut self, open: Token, name: String) -> Result<Parsed, Issue> {
        let (mut fields, mut deepest) = (Vec::new(), 0);
        while self.take("}").is_none() {
            let is_optional = self.take("?").is_some();
            let token = self.advance();
            let field = match token.kind {
                Kind::Ident => self.text(token).to_owned(),
                Kind::Quoted => self.text(token).trim_matches('`').to_owned(),
                _ => return Err(self.unexpected(token, "IDENTIFIER")),
            };
            let colon = self.expect(":")?;
            let (value, depth) = self.conditional()?;
            deepest = deepest.max(depth);
            let at = u32::try_from(colon.start).unwrap_or(u32::MAX);
            fields.push(Field { at, name: field, value, is_optional });
            if self.take(",").is_none() {
                self.expect("}")?;
                break;
            }
        }
        Self::node(open, ExprKind::Struct { name, fields }, deepest)
    }

    fn list(&mut self, open: Token) -> Result<Parsed, Issue> {
        let (mut elements, mut deepest) = (Vec::new(), 0);
        while self.take("]").is_none() {
            let is_optional = self.take_question();
            let (value, depth) = self.conditional()?;
            deepest = deepest.max(depth);
            elements.push(Element { value, is_optional });
            if self.take(",").is_none() {
                self.expect("]")?;
                break;
            }
        }
        Self::node(open, ExprKind::List(elements), deepest)
    }

    fn map(&mut self, open: Token) -> Result<Parsed, Issue> {
        let (mut entries, mut deepest) = (Vec::new(), 0);
        while self.take("}").is_none() {
            let is_optional = self.take_question();
            let (key, key_depth) = self.conditional()?;
            self.expect(":")?;
            self.skip_extraneous();
            let (value, depth) = self.conditional()?;
            deepest = deepest.max(depth).max(key_depth);
            entries.push(Entry { key, value, is_optional });
            if self.take(",").is_none() {
                self.expect("}")?;
                break;
            }
        }
        Self::node(open, ExprKind::Map(entries), deepest)
    }
}
