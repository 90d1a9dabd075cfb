//! Exceptions inside a rule: they count once its preconditions are met, and their conditions see the rule's context.
//!
//! Upstream: `pkg/engine/utils/exceptions.go` and the beginning of every handler in `pkg/engine/handlers/validation`.

use crate::document::{Document, DocumentBuilder, Node};
use crate::model::Status;
use crate::policy::Warning;

use super::body::Response;
use super::condition::AnyAllConditions;
use super::context::{Context, Failure};

/// What a rule needs to know of an exception that names it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ExceptionParts<'a> {
    /// Its name, for the property `exceptions`.
    pub(crate) name: &'a str,
    /// `namespace/name`, for messages.
    pub(crate) key: &'a str,
    /// Its conditions, if it has any.
    pub(crate) conditions: Option<Node<'a>>,
    /// The pod security controls that it takes away; without them it takes away the whole rule.
    pub(crate) pod_security: Option<Node<'a>>,
}

/// Which exceptions mean a resource: positions among those that the rule was compiled with, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Exclusions {
    pub(crate) exceptions: Vec<usize>,
}

/// A compiled exception.
#[derive(Debug)]
pub(super) struct Exemption {
    pub(super) name: String,
    pub(super) key: String,
    conditions: AnyAllConditions,
    /// `spec.podSecurity`.
    pub(super) pod_security: Option<Document>,
}

impl Exemption {
    pub(super) fn compile(parts: &ExceptionParts<'_>, warnings: &mut Vec<Warning>) -> Self {
        let path = format!("exception {}: spec.conditions", parts.key);
        let copy = |node: Node<'_>| {
            let mut builder = DocumentBuilder::new();
            builder.node(node);
            builder.finish()
        };
        Self {
            name: parts.name.to_owned(),
            key: parts.key.to_owned(),
            conditions: AnyAllConditions::compile(parts.conditions, &path, warnings),
            pod_security: parts.pod_security.map(copy),
        }
    }
}

/// The exceptions that apply: those that mean the resource and whose conditions hold. A condition that cannot be evaluated does not hold.
pub(super) fn applying<'d>(
    exemptions: &'d [Exemption],
    exclusions: &Exclusions,
    context: &Context<'d>,
) -> Result<Vec<&'d Exemption>, Failure> {
    let mut applying = Vec::new();
    for exemption in exclusions.exceptions.iter().filter_map(|at| exemptions.get(*at)) {
        match exemption.conditions.evaluate(context) {
            Ok(held) if held.is_true => applying.push(exemption),
            Ok(_) | Err(Failure::Error(_)) => {}
            Err(Failure::Pending) => return Err(Failure::Pending),
        }
    }
    Ok(applying)
}

/// What a rule says that exceptions take away; the reference puts nothing between its words and the first name.
pub(super) fn skipped(exemptions: &[&Exemption]) -> Response {
    let keys: Vec<&str> = exemptions.iter().map(|exemption| exemption.key.as_str()).collect();
    let names: Vec<&str> = exemptions.iter().map(|exemption| exemption.name.as_str()).collect();
    let message = format!("rule is skipped due to policy exceptions{}", keys.join(", "));
    let mut response = Response::new(Status::Skip, message);
    response.properties.insert("exceptions".to_owned(), names.join(","));
    response
}
