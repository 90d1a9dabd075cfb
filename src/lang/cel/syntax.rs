//! CEL's concrete syntax: text to a tree whose every node knows its place in the text.
//!
//! The tree keeps macro calls as they are written; the checker gives them meaning. Places are those that
//! cel-go reports (the operator of a binary expression, the parenthesis of a call), so that a caret stands
//! under the same character. Nothing here knows types or functions.

mod lexer;
mod literal;
mod parser;

pub(crate) use parser::parse;

/// One node of the tree.
#[derive(Clone, Debug)]
pub(crate) struct Expr {
    /// The place, in bytes from the start of the text.
    pub(crate) at: u32,
    pub(crate) kind: ExprKind,
}

/// A constant as it is written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Literal {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    String(String),
    Bytes(Vec<u8>),
}

/// An element of a list, or the value of a field, with its `?`.
#[derive(Clone, Debug)]
pub(crate) struct Element {
    pub(crate) value: Expr,
    pub(crate) is_optional: bool,
}

/// An entry of a map literal.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: Expr,
    pub(crate) value: Expr,
    pub(crate) is_optional: bool,
}

/// A field of a message literal.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) at: u32,
    pub(crate) name: String,
    pub(crate) value: Expr,
    pub(crate) is_optional: bool,
}

/// What a node is.
#[derive(Clone, Debug)]
pub(crate) enum ExprKind {
    Literal(Literal),
    /// A name; a leading dot is kept.
    Ident(String),
    Select {
        operand: Box<Expr>,
        field: String,
        is_optional: bool,
    },
    /// A call of a function or operator (`_+_`), with the receiver if there is one.
    Call {
        target: Option<Box<Expr>>,
        function: String,
        args: Vec<Expr>,
    },
    /// All terms of a chain of `&&`.
    And(Vec<Expr>),
    /// All terms of a chain of `||`.
    Or(Vec<Expr>),
    List(Vec<Element>),
    Map(Vec<Entry>),
    Struct {
        name: String,
        fields: Vec<Field>,
    },
}

impl Expr {
    /// The dotted name that the node spells (`a.b.c`), if it spells one.
    pub(crate) fn qualified_name(&self) -> Option<String> {
        match &self.kind {
            ExprKind::Ident(name) => Some(name.clone()),
            ExprKind::Select { operand, field, is_optional: false } => {
                let mut name = operand.qualified_name()?;
                name.push('.');
                name.push_str(field);
                Some(name)
            }
            _ => None,
        }
    }

    /// The name, if the node is a simple one.
    pub(crate) fn as_ident(&self) -> Option<&str> {
        match &self.kind {
            ExprKind::Ident(name) => Some(name),
            _ => None,
        }
    }
}
