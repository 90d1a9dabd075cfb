//! Keeps what is made during one evaluation (documents, compiled expressions) for as long as the evaluation lasts, so that values can
//! borrow from it.

use std::cell::{Cell, OnceCell};
use std::fmt;
use std::sync::Arc;

use crate::document::{Document, DocumentBuilder, Kind, Node, Value};
use crate::lang::jmespath::Program;

/// The keeper; grows only.
#[derive(Default)]
pub(crate) struct Arena {
    documents: Shelf<Document>,
    programs: Shelf<Arc<Program>>,
}

/// Items that do not move: rows of slots, each row twice as long as the one before.
struct Shelf<T> {
    first: Link<T>,
    len: Cell<usize>,
}

type Link<T> = OnceCell<Box<Row<T>>>;

struct Row<T> {
    slots: Box<[OnceCell<T>]>,
    next: Link<T>,
}

/// How many items the first row takes: most evaluations keep none or a few.
const FIRST_ROW: usize = 4;

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self { first: OnceCell::new(), len: Cell::new(0) }
    }
}

impl<T> Shelf<T> {
    /// Keeps an item.
    fn push(&self, item: T) -> &T {
        let mut at = self.len.replace(self.len.get() + 1);
        let mut link = &self.first;
        let mut len = FIRST_ROW;
        loop {
            let row = link.get_or_init(|| Box::new(Row::new(len)));
            if let Some(slot) = row.slots.get(at) {
                return slot.get_or_init(|| item);
            }
            at -= len;
            len *= 2;
            link = &row.next;
        }
    }
}

impl<T> Row<T> {
    fn new(len: usize) -> Self {
        Self { slots: (0..len).map(|_| OnceCell::new()).collect(), next: OnceCell::new() }
    }
}

impl Arena {
    /// Keeps a document.
    pub(super) fn document(&self, document: Document) -> &Document {
        self.documents.push(document)
    }

    /// Keeps an expression.
    pub(super) fn program(&self, program: Arc<Program>) -> &Program {
        self.programs.push(program)
    }

    /// The value as it is after Kyverno has written it as JSON and read it again: all numbers are floats.
    pub(super) fn json_value<'d>(&'d self, value: Value<'d>) -> Value<'d> {
        match value {
            Value::Int(number) => Value::Float(number as f64),
            Value::Node(node) if !has_integers(node.untracked()) => value,
            Value::Node(_) | Value::List(_) | Value::Map(_) => {
                let mut builder = DocumentBuilder::new();
                write_floats(&value, &mut builder);
                self.document(builder.finish()).root().into()
            }
            scalar => scalar,
        }
    }
}

impl fmt::Debug for Arena {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arena").finish_non_exhaustive()
    }
}

/// A copy of a document in which all numbers are floats.
pub(super) fn json_document(node: Node<'_>) -> Document {
    let mut builder = DocumentBuilder::new();
    write_node_floats(node, &mut builder);
    builder.finish()
}

fn has_integers(node: Node<'_>) -> bool {
    match node.kind() {
        Kind::Int => true,
        Kind::Array => node.items().any(has_integers),
        Kind::Object => node.entries().any(|(_, value)| has_integers(value)),
        _ => false,
    }
}

fn write_floats(value: &Value<'_>, builder: &mut DocumentBuilder) {
    match value {
        Value::Int(number) => builder.float(*number as f64),
        Value::Node(node) => write_node_floats(*node, builder),
        Value::List(items) => {
            builder.open_array();
            items.iter().for_each(|item| write_floats(item, builder));
            builder.close();
        }
        Value::Map(entries) => {
            builder.open_object();
            for (key, value) in entries.iter() {
                builder.key(key);
                write_floats(value, builder);
            }
            builder.close();
        }
        scalar => scalar.write_to(builder),
    }
}

fn write_node_floats(node: Node<'_>, builder: &mut DocumentBuilder) {
    match node.kind() {
        Kind::Int => builder.float(node.as_f64().unwrap_or_default()),
        Kind::Array => {
            builder.open_array();
            node.items().for_each(|item| write_node_floats(item, builder));
            builder.close();
        }
        Kind::Object => {
            builder.open_object();
            for (key, value) in node.entries() {
                builder.key(key);
                write_node_floats(value, builder);
            }
            builder.close();
        }
        _ => builder.node(node),
    }
}
