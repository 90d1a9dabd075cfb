//! Patterns with variables: compiled once with holes where the texts with variables stand, so that an evaluation only fills these.
//!
//! Holes take texts. Where a variable is something else, or stands in a key, the pattern as it is then is compiled anew.

use crate::document::{Document, Node, Value};

use super::context::{Context, Failure};
use super::pattern::Leaf;
use super::template::Template;

/// Something that is made of a part of a rule with variables.
#[derive(Debug)]
pub(super) struct Outlined<P> {
    template: Template,
    with_holes: Option<P>,
}

/// The same with the variables of one evaluation.
pub(super) enum Filled<'p, P> {
    /// What was compiled, and what is in its holes.
    Holes(&'p P, Vec<Leaf>),
    /// The part with its variables substituted.
    Whole(Document),
}

impl<P> Outlined<P> {
    /// Compiles what can be compiled without knowing the variables.
    pub(super) fn compile(template: Template, compile: impl FnOnce(Node<'_>) -> Option<P>) -> Self {
        let with_holes = template.outline().and_then(|outline| compile(outline.root()));
        Self { template, with_holes }
    }

    /// Substitutes the variables.
    pub(super) fn fill<'d>(&'d self, context: &Context<'d>) -> Result<Filled<'d, P>, Failure> {
        let under = |failure: Failure| failure.under("variable substitution failed");
        let Some(with_holes) = &self.with_holes else {
            return Ok(Filled::Whole(self.template.value(context).map_err(under)?.to_document()));
        };
        let mut values = Vec::new();
        self.template.texts(context, &mut values).map_err(under)?;
        let leaves = values.iter().map(|value| value.as_str().map(Leaf::of_text)).collect();
        match leaves {
            Some(leaves) => Ok(Filled::Holes(with_holes, leaves)),
            None => Ok(Filled::Whole(self.template.with_texts(values).to_document())),
        }
    }
}

/// The text that stands for a hole in an outline.
pub(super) fn hole(number: usize) -> String {
    format!("{MARK}{number}")
}

/// The hole that a text of an outline stands for.
pub(super) fn hole_of(text: &str) -> Option<usize> {
    text.strip_prefix(MARK)?.parse().ok()
}

/// No text of an outline but those of holes begins with it.
pub(super) const MARK: char = '\u{0}';

/// Whether a value has a text that could be taken for a hole.
pub(super) fn has_marks(value: &Value<'_>) -> bool {
    match value {
        Value::String(text) => text.as_str().starts_with(MARK),
        other => match other.as_str() {
            Some(text) => text.starts_with(MARK),
            None => {
                other.items().is_some_and(|items| items.iter().any(has_marks))
                    || other
                        .entries()
                        .is_some_and(|entries| entries.iter().any(|(_, value)| has_marks(value)))
            }
        },
    }
}
