//! One JSON object as a flat, read-tracked tape: what all policy languages evaluate.
//!
//! A [`Document`] is built straight from bytes (JSON) or from any serde deserializer (YAML), in one pass and without
//! `metadata.managedFields`. It is immutable and shared between threads. Evaluators walk it with [`Node`], a `Copy` cursor, which notes
//! in a [`Reads`] which [`Parts`] of the object were looked at. [`Value`] is what expressions compute: a node of a document or something new.
//! Nothing here knows Kubernetes kinds, policies or fingerprints.

mod compare;
mod node;
mod parts;
mod print;
mod tape;
#[cfg(test)]
mod tests;
mod value;

pub use node::{Entries, Items, Node};
pub use parts::{Part, Parts, Reads};
pub use tape::{Document, DocumentBuilder, DocumentError, Kind};
pub use value::{Map, Text, Value};
