//! kyverno.io policies: the frame around their rules.
//!
//! [`compile`] reads a `ClusterPolicy` or Policy and its exceptions and gives an [`Evaluator`](super::Evaluator): which rules there are (autogen
//! included), which resources each matches, which exceptions apply, in which order rules are asked, and whether a cluster's scan asks them at all.
//! What one rule says about a resource that it matches is the business of `rule/`.

mod autogen;
mod background;
mod exception;
mod frame;
mod labels;
mod lint;
mod match_block;
mod rule;
mod shape;

pub(crate) use exception::oddities as exception_oddities;
pub(crate) use frame::compile;
pub(crate) use lint::lint;
