//! What a rule checks: `validate` with `deny`, `pattern`, `anyPattern` or `foreach`, and the kinds of rule that are not built.
//!
//! The rules are those of Kyverno's `pkg/engine/handlers/validation/validate_resource.go`.

mod foreach;

use std::collections::BTreeMap;

use crate::document::{Document, Kind, Node, Value};
use crate::model::Status;
use crate::policy::Warning;

use super::assert::Assertion;
use super::cel::Cel;
use super::condition::{AnyAllConditions, join_non_empty};
use super::context::{Context, Failure};
use super::exception::{self, Exception};
use super::manifests::Manifests;
use super::message::{self, Message, Substituted};
use super::outline::{Filled, Outlined};
use super::pattern::{Leaf, Pattern, PatternError, Verdict};
use super::pod_security::PodSecurity;
use super::template::{self, Numbers, Template};
use super::verify_images::VerifyImages;
use foreach::ForEach;

/// What came of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) status: Status,
    pub(super) message: String,
    pub(super) properties: BTreeMap<String, String>,
}

impl Response {
    pub(super) fn new(status: Status, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), properties: BTreeMap::new() }
    }

    pub(super) fn error(message: impl Into<String>) -> Self {
        Self::new(Status::Error, message)
    }
}

/// What came of a rule; `None` is no outcome at all.
pub(super) type Answer = Result<Option<Response>, Failure>;

/// The body of a rule.
#[derive(Debug)]
pub(super) enum Body {
    /// `validate` with `deny`, patterns or `foreach`.
    Validate(Validation),
    /// `validate.podSecurity`.
    PodSecurity(PodSecurity),
    /// `validate.cel`.
    Cel(Box<Cel>),
    /// `validate.assert`.
    Assertion(Assertion),
    /// `verifyImages`.
    VerifyImages(VerifyImages),
    /// `validate.manifests`.
    Manifests(Manifests),
    /// Mutates or generates: says nothing in a scan.
    Silent,
    /// A known part of the language that is not built, or a rule that says nothing.
    Unsupported(String),
}

/// `validate`.
#[derive(Debug)]
pub(super) struct Validation {
    message: Message,
    checks: Checks,
}

/// What is checked, once a rule or once a `foreach` element.
#[derive(Debug)]
enum Checks {
    Deny(AnyAllConditions),
    Pattern(PatternSource),
    AnyPattern(AnyPatternSource),
    ForEach(Vec<ForEach>),
    Nothing,
}

/// A pattern: compiled, or with holes for its variables.
#[derive(Debug)]
enum PatternSource {
    Fixed(Result<Pattern, PatternError>),
    Variable(Outlined<Result<Pattern, PatternError>>),
}

#[derive(Debug)]
enum AnyPatternSource {
    Fixed(Vec<Result<Pattern, PatternError>>),
    Variable(Outlined<Vec<Result<Pattern, PatternError>>>),
    /// No list.
    Invalid(String),
}

impl Body {
    pub(super) fn compile(rule: Node<'_>, warnings: &mut Vec<Warning>) -> Self {
        let part = |key: &str| rule.get(key).filter(|part| !part.is_null());
        if let Some(validate) = part("validate") {
            let has = |key: &str| validate.get(key).is_some_and(|part| !part.is_null());
            if has("podSecurity") {
                let null = Document::null();
                let pod_security = validate.get("podSecurity").unwrap_or_else(|| null.root());
                return Self::PodSecurity(PodSecurity::compile(pod_security));
            }
            if let Some(cel) = validate.get("cel").filter(|part| !part.is_null()) {
                return Self::Cel(Box::new(Cel::compile(rule, cel)));
            }
            if let Some(manifests) = validate.get("manifests").filter(|part| !part.is_null()) {
                return Self::Manifests(Manifests::compile(manifests));
            }
            if let Some(assertion) = validate.get("assert").filter(|part| !part.is_empty()) {
                return Self::Assertion(Assertion::compile(assertion));
            }
            return Self::Validate(Validation::compile(validate, "validate", warnings));
        }
        if let Some(images) = part("verifyImages").filter(|images| images.kind() == Kind::Array) {
            return Self::VerifyImages(VerifyImages::compile(images));
        }
        if part("mutate").is_some() || part("generate").is_some() {
            return Self::Silent;
        }
        Self::Unsupported("the rule has nothing that is known to be checked".to_owned())
    }

    /// The error that every evaluation ends with, as far as that is known: the field that makes it one, and the message.
    pub(super) fn certain_error(&self) -> Option<(&'static str, String)> {
        match self {
            Self::Unsupported(message) => Some(("", message.clone())),
            Self::Validate(validation) => match &validation.checks {
                Checks::Deny(conditions) => {
                    Some(("validate.deny.conditions", conditions.invalid()?.to_owned()))
                }
                Checks::Pattern(PatternSource::Fixed(Err(error))) => {
                    Some(("validate.pattern", error.to_string()))
                }
                Checks::AnyPattern(AnyPatternSource::Invalid(message)) => {
                    Some(("validate.anyPattern", message.clone()))
                }
                _ => None,
            },
            _ => None,
        }
    }

    pub(super) fn evaluate<'d>(
        &'d self,
        rule: &str,
        context: &Context<'d>,
        exceptions: &[&'d Exception],
    ) -> Answer {
        if let Self::PodSecurity(pod_security) = self {
            return Ok(pod_security.evaluate(rule, context, exceptions));
        }
        if !exceptions.is_empty() {
            return Ok(Some(exception::skipped(exceptions, "rule is skipped due to policy exceptions")));
        }
        match self {
            Self::Validate(validation) => {
                let scope = Scope { rule, message: &validation.message, element: None, nesting: 0 };
                validation.checks.evaluate(&scope, context)
            }
            Self::Assertion(assertion) => assertion.evaluate(rule, context).map(Some),
            Self::VerifyImages(images) => images.evaluate(context),
            Self::Cel(cel) => cel.evaluate(rule, context.inputs()),
            Self::Manifests(manifests) => Ok(manifests.evaluate(context.inputs())),
            Self::PodSecurity(_) | Self::Silent => Ok(None),
            Self::Unsupported(message) => Ok(Some(Response::error(message.clone()))),
        }
    }
}

/// Where in a rule a check is evaluated.
#[derive(Clone, Debug)]
struct Scope<'s, 'd> {
    rule: &'s str,
    message: &'d Message,
    /// What patterns are matched against instead of the resource.
    element: Option<Node<'d>>,
    /// How many `foreach` are around.
    nesting: usize,
}

impl Validation {
    fn compile(validate: Node<'_>, path: &str, warnings: &mut Vec<Warning>) -> Self {
        Self {
            message: Message::compile(validate.get("message")),
            checks: Checks::compile(validate, path, warnings),
        }
    }
}

impl Checks {
    fn compile(node: Node<'_>, path: &str, warnings: &mut Vec<Warning>) -> Self {
        let part = |key: &str| node.get(key).filter(|part| !part.is_null());
        if let Some(deny) = part("deny") {
            let path = format!("{path}.deny.conditions");
            return Self::Deny(AnyAllConditions::compile(deny.get("conditions"), &path, warnings));
        }
        if let Some(pattern) = part("pattern") {
            return Self::Pattern(PatternSource::compile(pattern));
        }
        if let Some(patterns) = part("anyPattern") {
            return Self::AnyPattern(AnyPatternSource::compile(patterns));
        }
        match part("foreach") {
            Some(list) => Self::ForEach(
                list.items()
                    .enumerate()
                    .map(|(index, each)| {
                        ForEach::compile(each, &format!("{path}.foreach[{index}]"), warnings)
                    })
                    .collect(),
            ),
            None => Self::Nothing,
        }
    }

    fn evaluate<'d>(&'d self, scope: &Scope<'_, 'd>, context: &Context<'d>) -> Answer {
        match self {
            Self::Deny(conditions) => deny(conditions, scope, context).map(Some),
            Self::Pattern(source) => source.evaluate(scope, context),
            Self::AnyPattern(source) => source.evaluate(scope, context),
            Self::ForEach(list) => foreach::evaluate(list, scope, context),
            Self::Nothing => Ok(None),
        }
    }
}

fn deny<'d>(
    conditions: &'d AnyAllConditions,
    scope: &Scope<'_, 'd>,
    context: &Context<'d>,
) -> Result<Response, Failure> {
    let held = match conditions.evaluate(context) {
        Ok(held) => held,
        Err(failure) => {
            let what = match conditions.invalid() {
                Some(_) => "failed to check deny conditions: failed to parse deny conditions",
                None => "failed to check deny conditions",
            };
            return Err(failure.under(what));
        }
    };
    if !held.is_true {
        return Ok(Response::new(Status::Pass, passed(scope.rule)));
    }
    let message = if scope.message.raw().is_empty() && held.message.is_empty() {
        format!("validation error: rule {} failed", scope.rule)
    } else {
        let substituted = if held.message.is_empty() {
            scope.message.substituted(context)?
        } else {
            let joined = join_non_empty(&[scope.message.raw(), &held.message], "; ");
            message::text_of(template::substitute(joined, "", context))?
        };
        match substituted {
            Substituted::Text(text) => text,
            Substituted::NoText => {
                "the produced message didn't resolve to a string, check your policy definition.".to_owned()
            }
            Substituted::Failed => held.message,
        }
    };
    Ok(Response::new(Status::Fail, message))
}

fn passed(rule: &str) -> String {
    format!("validation rule '{rule}' passed.")
}

/// What a pattern is matched against; `None` if there is nothing because the resource is being deleted.
fn target<'d>(scope: &Scope<'_, 'd>, context: &Context<'d>) -> Option<Node<'d>> {
    match scope.element {
        Some(element) => Some(element),
        None if context.is_delete() => None,
        None => Some(context.inputs().object()),
    }
}

impl PatternSource {
    fn compile(node: Node<'_>) -> Self {
        let template = Template::compile_with(node, Numbers::Keep);
        match template.as_literal() {
            Some(literal) => Self::Fixed(Pattern::compile(literal)),
            None => Self::Variable(Outlined::compile(template, |outline| Some(Pattern::compile(outline)))),
        }
    }

    fn evaluate<'d>(&'d self, scope: &Scope<'_, 'd>, context: &Context<'d>) -> Answer {
        let own;
        let mut leaves = Vec::new();
        let pattern = match self {
            Self::Fixed(pattern) => pattern,
            Self::Variable(outlined) => match outlined.fill(context)? {
                Filled::Holes(pattern, filled) => {
                    leaves = filled;
                    pattern
                }
                Filled::Whole(document) => {
                    own = Pattern::compile(document.root());
                    &own
                }
            },
        };
        let Some(target) = target(scope, context) else { return Ok(None) };
        let pattern = match pattern {
            Ok(pattern) => pattern,
            Err(error) => return Ok(Some(Response::error(error.to_string()))),
        };
        Ok(Some(match pattern.verdict(target, &leaves) {
            Verdict::Pass => Response::new(Status::Pass, passed(scope.rule)),
            Verdict::Skip { message } => Response::new(Status::Skip, message),
            Verdict::Fail { path, message } => {
                let status = if path.is_empty() { Status::Error } else { Status::Fail };
                Response::new(status, scope.message.mismatch(scope.rule, &path, &message, context)?)
            }
        }))
    }
}

impl AnyPatternSource {
    fn compile(node: Node<'_>) -> Self {
        let template = Template::compile_with(node, Numbers::Floats);
        if let Some(literal) = template.as_literal() {
            return Self::fixed(literal);
        }
        let patterns = |outline: Node<'_>| match Self::fixed(outline) {
            Self::Fixed(patterns) => Some(patterns),
            _ => None,
        };
        Self::Variable(Outlined::compile(template, patterns))
    }

    fn fixed(list: Node<'_>) -> Self {
        if list.kind() == Kind::Array {
            Self::Fixed(list.items().map(Pattern::compile).collect())
        } else {
            Self::Invalid(format!(
                "failed to deserialize anyPattern, expected type array: found {}",
                Value::from(list).to_json()
            ))
        }
    }

    fn evaluate<'d>(&'d self, scope: &Scope<'_, 'd>, context: &Context<'d>) -> Answer {
        let own;
        let mut leaves = Vec::new();
        let mut source = self;
        let mut with_holes = None;
        if let Self::Variable(outlined) = self {
            match outlined.fill(context)? {
                Filled::Holes(patterns, filled) => {
                    leaves = filled;
                    with_holes = Some(patterns);
                }
                Filled::Whole(document) => {
                    own = Self::fixed(document.root());
                    source = &own;
                }
            }
        }
        let Some(target) = target(scope, context) else { return Ok(None) };
        let patterns = match (source, with_holes) {
            (_, Some(patterns)) | (Self::Fixed(patterns), None) => patterns,
            (Self::Invalid(message), None) => return Ok(Some(Response::error(message.clone()))),
            (Self::Variable(_), None) => return Ok(None),
        };
        any_matches(patterns, target, &leaves, scope, context).map(Some)
    }
}

fn any_matches<'d>(
    patterns: &[Result<Pattern, PatternError>],
    target: Node<'d>,
    leaves: &[Leaf],
    scope: &Scope<'_, 'd>,
    context: &Context<'d>,
) -> Result<Response, Failure> {
    let rule = scope.rule;
    let mut failed = Vec::new();
    let mut skipped = Vec::new();
    for (index, pattern) in patterns.iter().enumerate() {
        let verdict = match pattern {
            Ok(pattern) => pattern.verdict(target, leaves),
            Err(error) => Verdict::Fail { path: String::new(), message: error.to_string() },
        };
        match verdict {
            Verdict::Pass => {
                return Ok(Response::new(
                    Status::Pass,
                    format!("validation rule '{rule}' anyPattern[{index}] passed."),
                ));
            }
            Verdict::Skip { message } => skipped.push(format!("rule {rule}[{index}] skipped: {message}")),
            Verdict::Fail { path, message } if path.is_empty() => {
                failed.push(format!("rule {rule}[{index}] failed: {message}"));
            }
            Verdict::Fail { path, .. } => failed.push(format!("rule {rule}[{index}] failed at path {path}")),
        }
    }
    if !failed.is_empty() {
        let message = scope.message.no_pattern_matched(rule, &failed.join(" "), context)?;
        return Ok(Response::new(Status::Fail, message));
    }
    if !skipped.is_empty() {
        return Ok(Response::new(Status::Skip, skipped.join(" ")));
    }
    Ok(Response::new(Status::Pass, scope.message.raw()))
}
