//! Changes to JSON objects, as mutating policies describe them: JSON patches and apply configurations.
//!
//! Both work on plain JSON values, of an object and of a patch; [`json`] is RFC 6902 as the API server's library reads it, [`apply`] the
//! structured merge of server-side apply, with the shapes of Kubernetes' own kinds out of [`schema`]. Nothing here knows CEL or policies,
//! and nothing is read that the patch does not name: operations and
//! configurations tell which parts of an object those are.

mod apply;
mod json;
mod schema;
#[cfg(test)]
mod tests;
mod typed;

pub(crate) use apply::{Atomics, apply};
pub(crate) use json::{Operation, PatchError, patch};
pub use schema::KIND_SHAPES;
pub(crate) use schema::Shapes;
