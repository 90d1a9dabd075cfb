//! One rule of a Kyverno policy: what it says about a resource that it matches.
//!
//! A rule is compiled once a version of its policy, autogen already applied. Whether it matches a resource, and which exceptions
//! apply, is decided before; outcome and message are those of Kyverno's engine.

mod arena;
mod body;
mod condition;
mod context;
mod exemption;
mod message;
mod pattern;
mod template;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::document::Node;
use crate::lang::Inputs;
use crate::model::{Outcome, PolicyKey, Status};
use crate::policy::Warning;

pub(crate) use arena::Arena;
pub(crate) use condition::{AnyAllConditions, Held};
pub(crate) use context::{Context, Entries, Failure, Shared};
pub(crate) use exemption::{ExceptionParts, Exclusions};

use body::{Body, Response};
use context::Extractors;
use exemption::Exemption;

/// What a rule needs to know of its policy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RuleContext<'a> {
    /// Who the policy is.
    pub(crate) policy_key: &'a PolicyKey,
    /// The rule's place in the policy, such as `spec.rules[0]`, for warnings.
    pub(crate) path: &'a str,
    /// The exceptions that name the rule.
    pub(crate) exceptions: &'a [ExceptionParts<'a>],
}

/// A compiled rule.
#[derive(Debug)]
pub(crate) struct Rule {
    name: String,
    policy_namespace: String,
    /// Reported with each outcome.
    properties: BTreeMap<String, String>,
    entries: Entries,
    extractors: Option<Extractors>,
    preconditions: AnyAllConditions,
    exemptions: Vec<Exemption>,
    body: Body,
}

/// What a rule said about one resource.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum RuleResult {
    /// Nothing: the rule has no outcome for this resource.
    NotApplicable,
    /// Its outcome.
    Done(Outcome),
    /// Facts are missing; they are noted in the inputs.
    Needs,
}

impl Rule {
    /// Compiles a rule. Never fails: what cannot be compiled becomes the error outcome of every evaluation.
    pub(crate) fn compile(rule: Node<'_>, policy: &RuleContext<'_>) -> (Self, Vec<Warning>) {
        let mut warnings = Vec::new();
        let path = |field: &str| format!("{}.{field}", policy.path);
        let properties = rule.get("reportProperties").map(Node::entries).into_iter().flatten();
        let compiled = Self {
            name: rule.get("name").and_then(Node::as_str).unwrap_or_default().to_owned(),
            policy_namespace: policy.policy_key.namespace.clone(),
            properties: properties
                .filter_map(|(key, value)| Some((key.to_owned(), value.as_str()?.to_owned())))
                .collect(),
            entries: Entries::compile(rule.get("context"), &path("context"), &mut warnings),
            extractors: rule.get("imageExtractors").filter(|node| !node.is_null()).map(Extractors::compile),
            preconditions: AnyAllConditions::compile(
                rule.get("preconditions"),
                &path("preconditions"),
                &mut warnings,
            ),
            exemptions: policy
                .exceptions
                .iter()
                .map(|exception| Exemption::compile(exception, &mut warnings))
                .collect(),
            body: Body::compile(rule, policy.path, &mut warnings),
        };
        (compiled, warnings)
    }

    /// Judges a resource that the rule matches.
    pub(crate) fn evaluate(&self, inputs: &Inputs<'_>, exclusions: &Exclusions) -> RuleResult {
        let arena = Arena::default();
        let shared = Shared::new(inputs, &arena);
        self.evaluate_in(&shared, exclusions)
    }

    fn evaluate_in<'d>(&'d self, shared: &'d Shared<'d>, exclusions: &Exclusions) -> RuleResult {
        let context = Context::new(shared, &self.entries, &self.policy_namespace)
            .with_extractors(self.extractors.as_ref());
        let response = match self.preconditions.evaluate(&context) {
            Err(Failure::Pending) => return RuleResult::Needs,
            Err(Failure::Error(message)) => {
                let what = match self.preconditions.invalid() {
                    Some(_) => "failed to evaluate preconditions: failed to parse preconditions",
                    None => "failed to evaluate preconditions",
                };
                Ok(Some(Response::error(format!("{what}: {message}"))))
            }
            Ok(held) if !held.is_true => {
                let message = condition::join_non_empty(&["preconditions not met", &held.message], "; ");
                Ok(Some(Response::new(Status::Skip, message)))
            }
            Ok(_) => match exemption::applying(&self.exemptions, exclusions, &context) {
                Err(failure) => Err(failure),
                Ok(exempted) if exempted.is_empty() => self.body.evaluate(&self.name, &context, &exempted),
                Ok(exempted) => Ok(Some(exemption::skipped(&exempted))),
            },
        };
        match response {
            Err(Failure::Pending) => RuleResult::Needs,
            Err(Failure::Error(message)) => RuleResult::Done(self.outcome(Response::error(message))),
            Ok(None) => RuleResult::NotApplicable,
            Ok(Some(response)) => RuleResult::Done(self.outcome(response)),
        }
    }

    fn outcome(&self, response: Response) -> Outcome {
        let mut properties = self.properties.clone();
        properties.extend(response.properties);
        Outcome { rule: self.name.clone(), status: response.status, message: response.message, properties }
    }
}
