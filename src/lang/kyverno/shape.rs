//! Which fields kyverno.io objects have, and whether a given object has others or the wrong types.
//!
//! `shape/fields.json` names every field of the published CRDs (versions v1 and v2beta1 together): a map of fields, a list in brackets, `@name` for
//! a shape that occurs again, and `string`, `int`, `number`, `bool`, `map` (of strings) or `*` (anything). What a field means is said elsewhere.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use crate::document::{Document, Kind, Node};
use crate::limits;
use crate::policy::Warning;

#[cfg(test)]
mod tests;

const FIELDS: &str = include_str!("shape/fields.json");

/// One of the shapes that are known by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shaped {
    /// The spec of a `ClusterPolicy` or Policy.
    Policy,
    /// The spec of a `PolicyException`.
    Exception,
    /// The spec of a `GlobalContextEntry`.
    #[cfg_attr(not(test), expect(dead_code, reason = "entries are read where facts are fetched"))]
    GlobalContextEntry,
}

impl Shaped {
    fn name(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Exception => "exception",
            Self::GlobalContextEntry => "globalContextEntry",
        }
    }
}

/// What is odd about an object's spec.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Oddities {
    /// Fields that Kyverno does not know and drops.
    pub(crate) unknown: Vec<Warning>,
    /// Fields of the wrong type, for which the API server would refuse the object.
    pub(crate) mistyped: Vec<Warning>,
}

/// Compares a spec with its shape. `path` is where the spec stands, such as `spec`.
pub(crate) fn check(shape: Shaped, node: Node<'_>, path: &str) -> Oddities {
    let mut oddities = Oddities::default();
    if let Some(shape) = shapes().get(shape.name()) {
        shape.check(node, path, &mut oddities);
    }
    oddities
}

#[derive(Clone, Debug)]
enum Shape {
    Any,
    Scalar(&'static str, &'static [Kind]),
    StringMap,
    List(Box<Shape>),
    Fields(BTreeMap<String, Shape>),
    Named(String),
}

fn shapes() -> &'static BTreeMap<String, Shape> {
    static SHAPES: OnceLock<BTreeMap<String, Shape>> = OnceLock::new();
    SHAPES.get_or_init(|| {
        let document = Document::from_json(FIELDS.as_bytes()).unwrap_or_else(|_| Document::null());
        document.root().entries().map(|(name, shape)| (name.to_owned(), Shape::of(shape))).collect()
    })
}

impl Shape {
    fn of(node: Node<'_>) -> Self {
        match (node.kind(), node.as_str()) {
            (Kind::Object, _) => {
                Self::Fields(node.entries().map(|(key, shape)| (key.to_owned(), Self::of(shape))).collect())
            }
            (Kind::Array, _) => Self::List(Box::new(node.at_index(0).map_or(Self::Any, Self::of))),
            (_, Some("string")) => Self::Scalar("a string", &[Kind::String]),
            (_, Some("int")) => Self::Scalar("an integer", &[Kind::Int]),
            (_, Some("number")) => Self::Scalar("a number", &[Kind::Int, Kind::Float]),
            (_, Some("bool")) => Self::Scalar("true or false", &[Kind::Bool]),
            (_, Some("map")) => Self::StringMap,
            (_, Some(name)) if name.starts_with('@') => Self::Named(name.to_owned()),
            _ => Self::Any,
        }
    }

    fn check(&self, node: Node<'_>, path: &str, oddities: &mut Oddities) {
        let is_full = oddities.unknown.len() + oddities.mistyped.len() >= limits::POLICY_WARNINGS_MAX;
        if is_full || node.is_null() {
            return;
        }
        let mut mistyped = |wanted: &str| {
            oddities.mistyped.push(Warning::new(path, format!("this is not {wanted}")));
        };
        match self {
            Self::Any => {}
            Self::Scalar(name, kinds) => {
                if !kinds.contains(&node.kind()) {
                    mistyped(name);
                }
            }
            Self::StringMap => {
                if node.kind() != Kind::Object {
                    mistyped("a map");
                }
            }
            Self::List(_) if node.kind() != Kind::Array => mistyped("a list"),
            Self::List(shape) => {
                for (index, item) in node.items().enumerate() {
                    shape.check(item, &format!("{path}[{index}]"), oddities);
                }
            }
            Self::Fields(_) if node.kind() != Kind::Object => mistyped("a map of fields"),
            Self::Fields(fields) => {
                for (key, value) in node.entries() {
                    let path = format!("{path}.{key}");
                    if let Some(shape) = fields.get(key) {
                        shape.check(value, &path, oddities);
                    } else {
                        let message = format!("Kyverno knows no field `{key}` here");
                        oddities.unknown.push(Warning::new(path, message));
                    }
                }
            }
            Self::Named(name) => {
                if let Some(shape) = shapes().get(name) {
                    shape.check(node, path, oddities);
                }
            }
        }
    }
}
