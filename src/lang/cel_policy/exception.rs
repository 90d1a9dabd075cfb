//! `policies.kyverno.io` `PolicyException`: which resources a policy does not judge.
//!
//! Upstream: `pkg/cel/policies/vpol/compiler/policy.go`, `…/engine/engine.go`. `expiresAt`, which the reference ignores in the background,
//! takes effect at the next scan after the instant.

use jiff::Timestamp;

use super::expressions::{Expression, Expressions, items};
use super::frame::Frame;
use crate::document::Node;
use crate::lang::cel::EvalError;
use crate::lang::{Companions, Volatility};
use crate::model::{Outcome, Status};
use crate::policy::PolicyRole;

const PRIORITY: &str = "polex.kyverno.io/priority";

/// An exception, compiled for one policy.
#[derive(Debug)]
pub(super) struct Exception {
    name: String,
    key: String,
    conditions: Vec<Expression>,
    images: Vec<String>,
    values: Vec<String>,
    expires_at: Option<Timestamp>,
    passes: bool,
    priority: i64,
}

/// What an exception that allows images or values says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// It only allows these.
    UnlessAllowing,
    /// It says nothing, since the policy cannot ask for what it allows; one that holds is not undone by one that cannot be evaluated.
    /// Its result is always `skip`.
    Whole,
}

/// What exceptions say about a resource.
#[derive(Debug)]
pub(super) enum Excepted {
    /// Nothing, or only what `exceptions` holds.
    No,
    /// It is not judged.
    Yes(Outcome),
    /// A condition could not be evaluated.
    Failed(EvalError),
}

/// The exceptions of a policy.
///
/// # Errors
/// Which expression is refused, and why.
pub(super) fn compile(
    companions: &Companions<'_>,
    expressions: &Expressions,
) -> Result<Vec<Exception>, String> {
    let sources = companions.sources.iter().filter(|source| source.role == PolicyRole::CelException);
    let compile = |source: &&crate::policy::CompanionSource| {
        let root = source.document.root();
        let spec = root.get("spec");
        let texts = |key: &str| -> Vec<String> {
            let list = spec.map(|spec| items(spec, key)).unwrap_or_default();
            list.into_iter().filter_map(Node::as_str).map(str::to_owned).collect()
        };
        let text = |key: &str| spec.and_then(|spec| spec.get(key)).and_then(Node::as_str);
        let conditions = spec.map(|spec| items(spec, "matchConditions")).unwrap_or_default();
        let priority = root.path(&["metadata", "labels", PRIORITY]).and_then(Node::as_str);
        let key = source.key();
        Ok(Exception {
            name: source.name.clone(),
            conditions: expressions
                .conditions(&conditions)
                .map_err(|error| format!("policy exception {key}: {error}"))?,
            key,
            images: texts("images"),
            values: texts("allowedValues"),
            expires_at: text("expiresAt").and_then(|at| at.parse().ok()),
            passes: text("reportResult") == Some("pass"),
            priority: priority.and_then(|priority| priority.parse().ok()).unwrap_or(0),
        })
    };
    sources.map(compile).collect()
}

/// Asks all exceptions; those that only allow images or values are told to the frame.
pub(super) fn apply<'d>(
    exceptions: &'d [Exception],
    frame: &Frame<'d>,
    reach: Reach,
    holds: impl Fn(&'d [Expression]) -> Result<bool, EvalError>,
) -> Excepted {
    let mut matched: Vec<&'d Exception> = Vec::new();
    for exception in exceptions {
        if exception.expires_at.is_some_and(|at| at <= frame.inputs.now) {
            continue;
        }
        let is_partial = !exception.images.is_empty() || !exception.values.is_empty();
        match holds(&exception.conditions) {
            Ok(false) => continue,
            Ok(true) if reach == Reach::Whole && is_partial => continue,
            Ok(true) => matched.push(exception),
            Err(EvalError::Pending) => return Excepted::Failed(EvalError::Pending),
            Err(_) if reach == Reach::Whole && !matched.is_empty() => continue,
            Err(error) => return Excepted::Failed(error),
        }
        if let Some(at) = exception.expires_at {
            frame.inputs.note_volatile(Volatility::Until(at.as_second()));
        }
    }
    let texts = |list: fn(&Exception) -> &Vec<String>| -> Vec<&'d str> {
        matched.iter().flat_map(|exception| list(exception)).map(String::as_str).collect()
    };
    let (images, values) = (texts(|e| &e.images), texts(|e| &e.values));
    if !matched.is_empty() && images.is_empty() && values.is_empty() {
        return Excepted::Yes(outcome(&matched, reach));
    }
    frame.set_exceptions(images, values);
    Excepted::No
}

fn outcome(matched: &[&Exception], reach: Reach) -> Outcome {
    let mut selected: Option<&Exception> = None;
    for exception in matched {
        let highest = selected.map_or(0, |selected| selected.priority);
        if selected.is_none() || exception.priority > highest.max(0) {
            selected = Some(exception);
        }
    }
    let passes = reach == Reach::UnlessAllowing && selected.is_some_and(|selected| selected.passes);
    let (status, word) = if passes { (Status::Pass, "passed") } else { (Status::Skip, "skipped") };
    let keys: Vec<&str> = matched.iter().map(|exception| exception.key.as_str()).collect();
    let names: Vec<&str> = matched.iter().map(|exception| exception.name.as_str()).collect();
    let message = format!("rule is {word} due to policy exception: {}", keys.join(", "));
    let mut outcome = Outcome::new("exception", status, message);
    outcome.properties.insert("exceptions".to_owned(), names.join(","));
    outcome
}
