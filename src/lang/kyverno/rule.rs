//! One rule's body: context, preconditions, exceptions, and what the rule asks of a resource that it matches.

use crate::document::Node;
use crate::lang::Inputs;
use crate::model::{Outcome, PolicyKey, Status};
use crate::policy::Warning;

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

/// Which exceptions mean a resource.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exclusions {
    /// Positions in [`RuleContext::exceptions`], in order.
    pub(crate) exceptions: Vec<usize>,
}

/// What a rule says.
#[derive(Clone, Debug)]
pub(crate) enum RuleResult {
    /// Nothing: it is not about this resource after all.
    NotApplicable,
    /// Its outcome.
    Done(Outcome),
    /// Facts have to be fetched first; they are noted in the inputs.
    Needs,
}

/// A compiled rule.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    name: String,
    exceptions: Vec<(String, String)>,
}

impl Rule {
    /// Compiles a rule.
    pub(crate) fn compile(rule: Node<'_>, policy: &RuleContext<'_>) -> (Self, Vec<Warning>) {
        let name = rule.get("name").and_then(Node::as_str).unwrap_or_default().to_owned();
        let exceptions = policy.exceptions.iter().map(|e| (e.name.to_owned(), e.key.to_owned())).collect();
        (Self { name, exceptions }, Vec::new())
    }

    /// Judges a resource that the rule matches.
    pub(crate) fn evaluate(&self, _inputs: &Inputs<'_>, exclusions: &Exclusions) -> RuleResult {
        let excepted: Vec<_> = exclusions.exceptions.iter().filter_map(|at| self.exceptions.get(*at)).collect();
        if excepted.is_empty() {
            return RuleResult::Done(Outcome::new(&self.name, Status::Error, "rules are not evaluated"));
        }
        let join = |parts: Vec<&str>, by| parts.join(by);
        let keys = join(excepted.iter().map(|(_, key)| key.as_str()).collect(), ", ");
        let names = join(excepted.iter().map(|(name, _)| name.as_str()).collect(), ",");
        let message = format!("rule is skipped due to policy exceptions{keys}");
        let mut outcome = Outcome::new(&self.name, Status::Skip, message);
        outcome.properties.insert("exceptions".to_owned(), names);
        RuleResult::Done(outcome)
    }
}
