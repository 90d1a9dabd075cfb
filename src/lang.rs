//! The policy languages: one [`Evaluator`](crate::model) per compiled policy, whatever language it is written in.

pub mod cel;
pub mod cel_k8s;
pub mod jmespath;
pub mod kyverno;
