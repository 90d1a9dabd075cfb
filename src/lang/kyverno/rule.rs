//! One rule of a Kyverno policy: what it says about a resource that it matches.
//!
//! A rule is compiled once a version of its policy, autogen already applied. Whether it matches a resource, and which exceptions
//! apply, is decided before; outcome and message are those of Kyverno's engine.

mod arena;
mod assert;
mod body;
mod cel;
mod condition;
mod context;
mod exception;
mod manifests;
mod message;
mod outline;
mod pattern;
mod pod_security;
mod probe;
mod programs;
mod template;
#[cfg(test)]
mod tests;
mod verify_images;

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::document::Node;
use crate::lang::Inputs;
use crate::model::{Outcome, PolicyKey, Status};
use crate::policy::Warning;

pub(crate) use arena::Arena;
pub(crate) use cel::expressions as cel_expressions;
pub(crate) use condition::AnyAllConditions;
pub(crate) use context::{Context, Entries, Failure, Shared};
pub(crate) use probe::holds_everywhere;
pub(crate) use template::variables_in;

use body::{Body, Response};
use context::Extractors;
use exception::Exception;
use programs::Programs;
use template::Template;

/// What a rule is compiled with.
#[derive(Clone, Debug)]
pub(crate) struct RuleContext<'a> {
    /// The policy that the rule stands in.
    pub(crate) policy: &'a PolicyKey,
    /// The exceptions that name the rule.
    pub(crate) exceptions: &'a [ExceptionParts<'a>],
}

/// What a rule needs to know of an exception.
#[derive(Clone, Debug)]
pub(crate) struct ExceptionParts<'a> {
    /// Its name, for the property `exceptions`.
    pub(crate) name: &'a str,
    /// `namespace/name`, for messages.
    pub(crate) key: &'a str,
    /// Its conditions, if any.
    pub(crate) conditions: Option<Node<'a>>,
    /// The pod security controls that it takes away, if it is about such.
    pub(crate) pod_security: Option<Node<'a>>,
}

/// Which exceptions mean a resource, as far as their `match` tells.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exclusions {
    /// Positions in [`RuleContext::exceptions`], in order.
    pub(crate) exceptions: Vec<usize>,
}

/// A compiled rule.
#[derive(Debug)]
pub(crate) struct Rule {
    name: String,
    policy_namespace: String,
    /// Reported with each outcome.
    properties: BTreeMap<String, String>,
    /// The same with variables, if there are any.
    variable_properties: Option<Template>,
    entries: Entries,
    extractors: Option<Extractors>,
    programs: Programs,
    preconditions: AnyAllConditions,
    exceptions: Vec<Exception>,
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
        let properties = rule.get("reportProperties").map(Node::entries).into_iter().flatten();
        let compiled = Self {
            name: rule.get("name").and_then(Node::as_str).unwrap_or_default().to_owned(),
            policy_namespace: policy.policy.namespace.clone(),
            properties: properties
                .filter_map(|(key, value)| Some((key.to_owned(), value.as_str()?.to_owned())))
                .collect(),
            variable_properties: rule
                .get("reportProperties")
                .map(Template::compile)
                .filter(|template| template.as_literal().is_none()),
            entries: Entries::compile(rule.get("context"), "context", &mut warnings),
            extractors: rule.get("imageExtractors").filter(|node| !node.is_null()).map(Extractors::compile),
            programs: Programs::default(),
            preconditions: AnyAllConditions::compile(
                rule.get("preconditions"),
                "preconditions",
                &mut warnings,
            ),
            exceptions: policy.exceptions.iter().map(Exception::compile).collect(),
            body: Body::compile(rule, &mut warnings),
        };
        (compiled, warnings)
    }

    /// The error that every evaluation ends with, as far as that is known: the field that makes it one, and the message.
    pub(crate) fn certain_error(&self) -> Option<(&'static str, String)> {
        let preconditions = self.preconditions.invalid().map(|message| ("preconditions", message.to_owned()));
        preconditions.or_else(|| self.body.certain_error())
    }

    /// Judges a resource that the rule matches.
    pub(crate) fn evaluate(&self, inputs: &Inputs<'_>, exclusions: &Exclusions) -> RuleResult {
        let arena = Arena::default();
        let shared = Shared::new(inputs, &arena);
        self.evaluate_in(&shared, exclusions)
    }

    fn evaluate_in<'d>(&'d self, shared: &'d Shared<'d>, exclusions: &Exclusions) -> RuleResult {
        let context = Context::new(shared, &self.entries, &self.policy_namespace, &self.programs)
            .with_extractors(self.extractors.as_ref());
        let held = match self.preconditions.evaluate(&context) {
            Err(Failure::Pending) => return RuleResult::Needs,
            Err(Failure::Error(message)) => {
                let what = match self.preconditions.invalid() {
                    Some(_) => "failed to evaluate preconditions: failed to parse preconditions",
                    None => "failed to evaluate preconditions",
                };
                return RuleResult::Done(
                    self.outcome(&self.properties, Response::error(format!("{what}: {message}"))),
                );
            }
            Ok(held) => held,
        };
        if !held.is_true {
            let message = condition::join_non_empty(&["preconditions not met", &held.message], "; ");
            return RuleResult::Done(self.outcome(&self.properties, Response::new(Status::Skip, message)));
        }
        let Ok(properties) = self.substituted_properties(&context) else { return RuleResult::Needs };
        match self.judged(&context, exclusions) {
            Err(Failure::Pending) => RuleResult::Needs,
            Err(Failure::Error(message)) => {
                RuleResult::Done(self.outcome(&properties, Response::error(message)))
            }
            Ok(None) => RuleResult::NotApplicable,
            Ok(Some(response)) => RuleResult::Done(self.outcome(&properties, response)),
        }
    }

    /// The properties with their variables substituted; if one has no value or is no text, all stay as they are written. Upstream:
    /// `pkg/engine/internal/rule.go`. `Err` if facts are missing.
    fn substituted_properties<'d>(
        &'d self,
        context: &Context<'d>,
    ) -> Result<Cow<'d, BTreeMap<String, String>>, Failure> {
        let Some(template) = &self.variable_properties else { return Ok(Cow::Borrowed(&self.properties)) };
        let value = match template.value(context) {
            Ok(value) => value,
            Err(Failure::Pending) => return Err(Failure::Pending),
            Err(Failure::Error(_)) => return Ok(Cow::Borrowed(&self.properties)),
        };
        let texts = value
            .entries()
            .unwrap_or_default()
            .into_iter()
            .map(|(key, value)| Some((key.as_str().to_owned(), value.as_str()?.to_owned())));
        let texts: Option<BTreeMap<String, String>> = texts.collect();
        Ok(texts.map_or(Cow::Borrowed(&self.properties), Cow::Owned))
    }

    fn judged<'d>(&'d self, context: &Context<'d>, exclusions: &Exclusions) -> body::Answer {
        let excepting = exception::applying(&self.exceptions, exclusions, context)?;
        self.body.evaluate(&self.name, context, &excepting)
    }

    fn outcome(&self, properties: &BTreeMap<String, String>, response: Response) -> Outcome {
        let mut properties = properties.clone();
        properties.extend(response.properties);
        Outcome { rule: self.name.clone(), status: response.status, message: response.message, properties }
    }
}
