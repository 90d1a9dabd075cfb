//! The CEL language: parse, check, lower to a typed program, evaluate in place on documents.
//!
//! The way in is [`Environment`] (what may be named) → [`Program::compile`] → [`Program::evaluate`] with an
//! [`Activation`] (what names mean) and a [`Budget`]. Semantics, order of evaluation and error texts are
//! those of cel-go 0.26, which the API server runs. Nothing here knows Kubernetes: its functions come as
//! tables of [`Entry`] from `cel_k8s`.

mod check;
mod environment;
mod error;
mod eval;
mod ir;
mod issues;
pub(crate) mod library;
mod program;
mod syntax;
#[cfg(test)]
mod tests;
mod types;
mod value;

pub use environment::{CostRule, Entry, Environment, Library, Native};
pub use error::EvalError;
pub(crate) use eval::size_of;
pub use eval::{Activation, Context, NoVariables};
pub use issues::{CompileError, CompileErrors};
pub use program::{Budget, Program};
pub use types::Type;
pub use value::{Blob, Key, List, Map, MapValue, Opaque, Text, Timestamp, Value};
