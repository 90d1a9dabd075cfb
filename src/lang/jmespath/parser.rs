//! Tokens to a tree: a Pratt parser with the grammar of go-jmespath 0.4.
//!
//! Where go-jmespath is lenient (a comma between arguments or entries may be missing) or binds unexpectedly (`!a.b` is `(!a).b`), so is
//! this: policies that it accepts must mean the same here. Height and size of the tree are limited.

use super::ast::{Call, Comparator, Expr, Slice};
use super::lexer::{Kind, Token, tokenize};
use super::prepared::Prepared;
use super::{CompileError, functions, go_json, power};
use crate::document::DocumentBuilder;
use crate::gostd::strconv;
use crate::limits;

/// Parses a whole expression.
pub(super) fn parse(text: &str) -> Result<Expr, CompileError> {
    if text.len() > limits::JMESPATH_TEXT_BYTES_MAX {
        let message = format!("the expression is longer than {} bytes", limits::JMESPATH_TEXT_BYTES_MAX);
        return Err(CompileError { message, position: 0 });
    }
    let mut parser = Parser { tokens: tokenize(text)?, next: 0, depth: 0 };
    let tree = parser.expression(0)?;
    match parser.kind() {
        Kind::End => Ok(tree.expr),
        kind => Err(parser.error(&format!("Unexpected token at the end of the expression: {}", kind.name()))),
    }
}

/// An expression and how many levels it has.
struct Tree {
    expr: Expr,
    height: usize,
}

impl Tree {
    fn leaf(expr: Expr) -> Self {
        Self { expr, height: 1 }
    }

    fn above(self, make: impl FnOnce(Box<Expr>) -> Expr) -> Self {
        Self { height: self.height + 1, expr: make(Box::new(self.expr)) }
    }

    fn above_both(self, right: Self, make: impl FnOnce(Box<Expr>, Box<Expr>) -> Expr) -> Self {
        let height = self.height.max(right.height) + 1;
        Self { height, expr: make(Box::new(self.expr), Box::new(right.expr)) }
    }
}

struct Parser {
    tokens: Vec<Token>,
    next: usize,
    depth: usize,
}

impl Parser {
    fn kind(&self) -> Kind {
        self.kind_at(0)
    }

    fn kind_at(&self, ahead: usize) -> Kind {
        self.tokens.get(self.next + ahead).map_or(Kind::End, |token| token.kind)
    }

    fn position(&self) -> usize {
        self.tokens.get(self.next).or(self.tokens.last()).map_or(0, |token| token.position)
    }

    fn take(&mut self) -> Token {
        let token = self.tokens.get_mut(self.next).map(|token| Token {
            kind: token.kind,
            text: std::mem::take(&mut token.text),
            position: token.position,
        });
        self.next += 1;
        token.unwrap_or(Token { kind: Kind::End, text: String::new(), position: self.position() })
    }

    fn error(&self, message: &str) -> CompileError {
        CompileError::syntax(message, self.position())
    }

    fn expect(&mut self, kind: Kind) -> Result<(), CompileError> {
        if self.kind() == kind {
            self.next += 1;
            return Ok(());
        }
        Err(self.error(&format!("Expected {}, received: {}", kind.name(), self.kind().name())))
    }

    fn too_deep(&self) -> CompileError {
        let message = format!("the expression is nested deeper than {} levels", limits::JMESPATH_HEIGHT_MAX);
        CompileError { message, position: self.position() }
    }

    fn expression(&mut self, power: u8) -> Result<Tree, CompileError> {
        self.depth += 1;
        if self.depth > limits::JMESPATH_HEIGHT_MAX {
            return Err(self.too_deep());
        }
        let mut left = self.start()?;
        while power < power::of(self.kind()) {
            left = self.continuation(left)?;
            if left.height > limits::JMESPATH_HEIGHT_MAX {
                return Err(self.too_deep());
            }
        }
        self.depth -= 1;
        Ok(left)
    }

    /// What an expression can start with.
    fn start(&mut self) -> Result<Tree, CompileError> {
        let token = self.take();
        match token.kind {
            Kind::JsonLiteral => {
                let document = go_json::decode(&token.text)
                    .map_err(|message| CompileError { message, position: token.position })?;
                Ok(Tree::leaf(Expr::Literal(document)))
            }
            Kind::StringLiteral => {
                let mut builder = DocumentBuilder::new();
                builder.string(&token.text);
                Ok(Tree::leaf(Expr::Literal(builder.finish())))
            }
            Kind::QuotedIdentifier if self.kind() == Kind::LeftParen => {
                let message = "Can't have quoted identifier as function Name.";
                Err(CompileError::syntax(message, token.position))
            }
            Kind::Identifier | Kind::QuotedIdentifier => Ok(Tree::leaf(Expr::Field(token.text.into()))),
            Kind::Star => {
                let right = if self.kind() == Kind::RightBracket {
                    Tree::leaf(Expr::Identity)
                } else {
                    self.projected(power::STAR)?
                };
                Ok(Tree::leaf(Expr::Identity).above_both(right, Expr::ValueProjection))
            }
            Kind::Filter => self.filter(Tree::leaf(Expr::Identity)),
            Kind::LeftBrace => self.hash(),
            Kind::Flatten => self.flatten(Tree::leaf(Expr::Identity)),
            Kind::LeftBracket => match (self.kind(), self.kind_at(1)) {
                (Kind::Number | Kind::Colon, _) => self.index(Tree::leaf(Expr::Identity)),
                (Kind::Star, Kind::RightBracket) => {
                    self.next += 2;
                    let right = self.projected(power::STAR)?;
                    Ok(Tree::leaf(Expr::Identity).above_both(right, Expr::Projection))
                }
                _ => self.list(),
            },
            Kind::Current => Ok(Tree::leaf(Expr::Current)),
            Kind::Reference => Ok(self.expression(power::of(Kind::Reference))?.above(Expr::Reference)),
            Kind::Not => Ok(self.expression(power::NOT)?.above(Expr::Not)),
            Kind::LeftParen => {
                let inner = self.expression(0)?;
                self.expect(Kind::RightParen)?;
                Ok(inner)
            }
            Kind::End => Err(CompileError::syntax("Incomplete expression", token.position)),
            kind => Err(CompileError::syntax(&format!("Invalid token: {}", kind.name()), token.position)),
        }
    }

    /// What an operator makes of the expression on its left.
    fn continuation(&mut self, left: Tree) -> Result<Tree, CompileError> {
        let token = self.take();
        let comparator = match token.kind {
            Kind::Equal => Comparator::Equal,
            Kind::NotEqual => Comparator::NotEqual,
            Kind::Less => Comparator::Less,
            Kind::LessOrEqual => Comparator::LessOrEqual,
            Kind::Greater => Comparator::Greater,
            Kind::GreaterOrEqual => Comparator::GreaterOrEqual,
            _ => return self.other_continuation(token.kind, left),
        };
        let right = self.expression(power::COMPARE)?;
        Ok(left.above_both(right, |a, b| Expr::Compare(comparator, a, b)))
    }

    fn other_continuation(&mut self, kind: Kind, left: Tree) -> Result<Tree, CompileError> {
        match kind {
            Kind::Dot if self.kind() == Kind::Star => {
                self.next += 1;
                let right = self.projected(power::DOT)?;
                Ok(left.above_both(right, Expr::ValueProjection))
            }
            Kind::Dot => {
                let right = self.behind_dot(power::DOT)?;
                Ok(left.above_both(right, Expr::Sub))
            }
            Kind::Pipe => {
                let right = self.expression(power::PIPE)?;
                Ok(left.above_both(right, Expr::Pipe))
            }
            Kind::Or => {
                let right = self.expression(power::OR)?;
                Ok(left.above_both(right, Expr::Or))
            }
            Kind::And => {
                let right = self.expression(power::AND)?;
                Ok(left.above_both(right, Expr::And))
            }
            Kind::LeftParen => self.call(&left),
            Kind::Filter => self.filter(left),
            Kind::Flatten => self.flatten(left),
            Kind::LeftBracket => match self.kind() {
                Kind::Number | Kind::Colon => self.index(left),
                _ => {
                    self.expect(Kind::Star)?;
                    self.expect(Kind::RightBracket)?;
                    let right = self.projected(power::STAR)?;
                    Ok(left.above_both(right, Expr::Projection))
                }
            },
            kind => Err(self.error(&format!("Unexpected token: {}", kind.name()))),
        }
    }

    fn flatten(&mut self, left: Tree) -> Result<Tree, CompileError> {
        let right = self.projected(power::FLATTEN)?;
        Ok(left.above(Expr::Flatten).above_both(right, Expr::Projection))
    }

    fn filter(&mut self, left: Tree) -> Result<Tree, CompileError> {
        let condition = self.expression(0)?;
        self.expect(Kind::RightBracket)?;
        let right = self.projected(power::FILTER)?;
        let height = left.height.max(right.height).max(condition.height) + 1;
        let expr = Expr::Filter {
            left: Box::new(left.expr),
            right: Box::new(right.expr),
            condition: Box::new(condition.expr),
        };
        Ok(Tree { expr, height })
    }

    /// The arguments of a call, behind its bracket. go-jmespath takes any node with a text before the bracket as the function's name.
    fn call(&mut self, left: &Tree) -> Result<Tree, CompileError> {
        let name = match &left.expr {
            Expr::Field(name) => Some(name.clone()),
            Expr::Literal(document) => document.root().as_str().map(Into::into),
            Expr::Call(call) => call.name.clone(),
            _ => None,
        };
        let mut arguments = Vec::new();
        let mut height = 1;
        while self.kind() != Kind::RightParen {
            let argument = self.expression(0)?;
            if self.kind() == Kind::Comma {
                self.next += 1;
            }
            height = height.max(argument.height + 1);
            arguments.push(argument.expr);
        }
        self.expect(Kind::RightParen)?;
        let function = name.as_deref().and_then(functions::find);
        let prepared = Prepared::of(function, &arguments);
        let call = Call { name, function, arguments, prepared };
        Ok(Tree { expr: Expr::Call(Box::new(call)), height })
    }

    fn list(&mut self) -> Result<Tree, CompileError> {
        let mut items = Vec::new();
        let mut height = 1;
        loop {
            let item = self.expression(0)?;
            height = height.max(item.height + 1);
            items.push(item.expr);
            if self.kind() == Kind::RightBracket {
                self.next += 1;
                return Ok(Tree { expr: Expr::List(items), height });
            }
            self.expect(Kind::Comma)?;
        }
    }

    fn hash(&mut self) -> Result<Tree, CompileError> {
        let mut entries = Vec::new();
        let mut height = 1;
        loop {
            if !matches!(self.kind(), Kind::Identifier | Kind::QuotedIdentifier) {
                return Err(self.error("Expected tQuotedIdentifier or tUnquotedIdentifier"));
            }
            let key = self.take().text.into();
            self.expect(Kind::Colon)?;
            let value = self.expression(0)?;
            height = height.max(value.height + 1);
            entries.push((key, value.expr));
            match self.kind() {
                Kind::Comma => self.next += 1,
                Kind::RightBrace => {
                    self.next += 1;
                    return Ok(Tree { expr: Expr::Hash(entries), height });
                }
                _ => {}
            }
        }
    }

    /// What stands in brackets that start with a number or colon.
    fn index(&mut self, left: Tree) -> Result<Tree, CompileError> {
        if self.kind() == Kind::Colon || self.kind_at(1) == Kind::Colon {
            let slice = self.slice()?;
            let right = self.projected(power::STAR)?;
            return Ok(left.above(|left| Expr::Slice(left, slice)).above_both(right, Expr::Projection));
        }
        let index = self.number()?;
        self.expect(Kind::RightBracket)?;
        Ok(left.above(|left| Expr::Index(left, index)))
    }

    fn slice(&mut self) -> Result<Slice, CompileError> {
        let mut slice = Slice::default();
        let mut part = 0;
        while self.kind() != Kind::RightBracket && part < 3 {
            match self.kind() {
                Kind::Colon => {
                    part += 1;
                    self.next += 1;
                }
                Kind::Number => {
                    let number = Some(self.number()?);
                    match part {
                        0 => slice.start = number,
                        1 => slice.stop = number,
                        _ => slice.step = number,
                    }
                }
                kind => {
                    return Err(self.error(&format!("Expected tColon or tNumber, received: {}", kind.name())));
                }
            }
        }
        self.expect(Kind::RightBracket)?;
        Ok(slice)
    }

    fn number(&mut self) -> Result<i64, CompileError> {
        let token = self.take();
        strconv::atoi(&token.text)
            .map_err(|error| CompileError { message: error.to_string(), position: token.position })
    }

    fn behind_dot(&mut self, power: u8) -> Result<Tree, CompileError> {
        match self.kind() {
            Kind::QuotedIdentifier | Kind::Identifier | Kind::Star => self.expression(power),
            Kind::LeftBracket => {
                self.next += 1;
                self.list()
            }
            Kind::LeftBrace => {
                self.next += 1;
                self.hash()
            }
            _ => Err(self.error("Expected identifier, lbracket, or lbrace")),
        }
    }

    /// What is applied to each element of a projection: everything up to the next weak operator.
    fn projected(&mut self, power: u8) -> Result<Tree, CompileError> {
        match self.kind() {
            kind if power::of(kind) < power::PROJECTION_STOP => Ok(Tree::leaf(Expr::Identity)),
            Kind::LeftBracket | Kind::Filter => self.expression(power),
            Kind::Dot => {
                self.next += 1;
                self.behind_dot(power)
            }
            _ => Err(self.error("Error")),
        }
    }
}
