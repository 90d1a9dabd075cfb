//! stub

use crate::document::Node;

#[derive(Debug)]
pub(super) struct Exclude;

impl Exclude {
    pub(super) fn compile_all(list: Node<'_>) -> Vec<Self> {
        list.items().map(|_| Self).collect()
    }
}
