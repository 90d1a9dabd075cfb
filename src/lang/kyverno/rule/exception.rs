//! Exceptions that name a rule, as far as the rule's variables decide about them: their conditions, and what they take away.
//!
//! Which resources an exception is for is decided before. The rules are those of Kyverno's `pkg/engine/utils/exceptions.go`.

use crate::model::Status;

use super::body::Response;
use super::condition::AnyAllConditions;
use super::context::{Context, Failure};
use super::pod_security::Exclude;
use super::{ExceptionParts, Exclusions};

/// A compiled exception.
#[derive(Debug)]
pub(super) struct Exception {
    name: String,
    key: String,
    conditions: Option<AnyAllConditions>,
    /// The pod security controls that it takes away, if it is about such.
    pub(super) pod_security: Option<Vec<Exclude>>,
}

impl Exception {
    pub(super) fn compile(parts: &ExceptionParts<'_>) -> Self {
        Self {
            name: parts.name.to_owned(),
            key: parts.key.to_owned(),
            conditions: parts
                .conditions
                .map(|node| AnyAllConditions::compile(Some(node), "", &mut Vec::new())),
            pod_security: parts.pod_security.map(Exclude::compile_all),
        }
    }
}

/// The exceptions that apply; one whose conditions cannot be evaluated does not.
pub(super) fn applying<'d>(
    exceptions: &'d [Exception],
    exclusions: &Exclusions,
    context: &Context<'d>,
) -> Result<Vec<&'d Exception>, Failure> {
    let mut applying = Vec::new();
    for exception in exclusions.exceptions.iter().filter_map(|at| exceptions.get(*at)) {
        let applies = match exception.conditions.as_ref().map(|conditions| conditions.evaluate(context)) {
            None => true,
            Some(Ok(held)) => held.is_true,
            Some(Err(Failure::Pending)) => return Err(Failure::Pending),
            Some(Err(Failure::Error(_))) => false,
        };
        if applies {
            applying.push(exception);
        }
    }
    Ok(applying)
}

/// The response of a rule that exceptions take away; `before_keys` is what stands in the message before their names.
pub(super) fn skipped(exceptions: &[&Exception], before_keys: &str) -> Response {
    let keys: Vec<&str> = exceptions.iter().map(|exception| exception.key.as_str()).collect();
    let names: Vec<&str> = exceptions.iter().map(|exception| exception.name.as_str()).collect();
    let mut response = Response::new(Status::Skip, format!("{before_keys}{}", keys.join(", ")));
    response.properties.insert("exceptions".to_owned(), names.join(","));
    response
}
