//! One face for lists of documents and computed lists.

use std::rc::Rc;

use super::Value;
use crate::document::{Items, Node};

/// A list.
#[derive(Clone, Debug)]
pub enum List<'d> {
    /// Of a document.
    Node(Node<'d>),
    /// Computed.
    Items(Rc<Vec<Value<'d>>>),
}

impl<'d> List<'d> {
    /// The number of items.
    pub fn len(&self) -> usize {
        match self {
            Self::Node(node) => node.len(),
            Self::Items(items) => items.len(),
        }
    }

    /// Whether there is no item.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The item at a position.
    pub fn get(&self, index: usize) -> Option<Value<'d>> {
        match self {
            Self::Node(node) => node.at_index(index).map(Value::from),
            Self::Items(items) => items.get(index).cloned(),
        }
    }

    /// The items in order.
    #[expect(clippy::iter_without_into_iter, reason = "callers hold the list by reference and name the walk")]
    pub fn iter(&self) -> ListIter<'_, 'd> {
        match self {
            Self::Node(node) => ListIter::Node(node.items()),
            Self::Items(items) => ListIter::Items(items.iter()),
        }
    }

    /// All items.
    pub fn to_vec(&self) -> Vec<Value<'d>> {
        self.iter().collect()
    }
}

/// The items of a list.
#[derive(Clone, Debug)]
pub enum ListIter<'a, 'd> {
    /// Of a document.
    Node(Items<'d>),
    /// Computed.
    Items(std::slice::Iter<'a, Value<'d>>),
}

impl<'d> Iterator for ListIter<'_, 'd> {
    type Item = Value<'d>;

    fn next(&mut self) -> Option<Value<'d>> {
        match self {
            Self::Node(items) => items.next().map(Value::from),
            Self::Items(items) => items.next().cloned(),
        }
    }
}
