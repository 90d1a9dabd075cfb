//! The frame of a kyverno.io policy: its rules in order, which of them a resource meets, and what stands around each.
//!
//! A rule's own judgement is fenced: a panic in it is an `error` outcome of that rule and of nothing else. Order as in the reference
//! (`pkg/engine/engine.go`, `pkg/engine/validate.go`): the policy's own rules, then derived ones; `match`, `exclude`, then the rule.

use std::sync::Arc;

use super::exception::Exception;
use super::match_block::{Answer, MatchBlock, Place};
use super::rule::{ExceptionParts, Exclusions, Rule, RuleContext, RuleResult};
use super::shape::{self, Shaped};
use super::{autogen, background, lint};
use crate::document::{Document, Node};
use crate::lang::cel_policy::{self, Decision, Dialect, Expressions, Judge, Spec};
use crate::lang::{Companions, Compiled, Evaluation, Evaluator, Inputs, contained};
use crate::limits;
use crate::matching::Selection;
use crate::model::{Outcome, PolicyKey, Status};
use crate::policy::{PolicyRole, PolicySource, Standing, Warning};

#[cfg(test)]
mod tests;

/// A compiled `ClusterPolicy` or Policy.
#[derive(Debug)]
struct Frame {
    rules: Vec<FramedRule>,
    /// `applyRules: One`: nothing is asked behind the first rule that passes or fails.
    stops_at_first: bool,
    namespace: Option<String>,
    /// `webhookConfiguration.matchConditions`: unless they hold, the policy says nothing.
    conditions: Option<Expressions>,
}

/// One rule with what decides whether it is asked.
#[derive(Debug)]
struct FramedRule {
    name: String,
    /// Its place in the policy, or that of the rule that it is derived from.
    path: String,
    matches: MatchBlock,
    excludes: Option<MatchBlock>,
    /// Kinds to which the rule does not apply because derived rules take its place.
    not_for: Vec<String>,
    exceptions: Vec<Exception>,
    body: Body,
}

#[derive(Debug)]
enum Body {
    /// It is asked.
    Rule(Box<Rule>),
    /// It says this about every resource that it matches.
    Broken(String),
}

/// Compiles a `ClusterPolicy` or Policy.
pub(crate) fn compile(source: &PolicySource, companions: &Companions<'_>) -> Compiled {
    let root = source.document.root();
    let empty = Document::null();
    let spec = root.get("spec").unwrap_or(empty.root());
    let oddities = shape::check(Shaped::Policy, spec, "spec");
    let expressions = match_conditions(spec).map(|(spec, dialect)| Expressions::compile(&spec, dialect));
    let (conditions, refused) = match expressions.transpose() {
        Ok(conditions) => (conditions, None),
        Err(message) => (None, Some(format!("the policy is not valid: {message}"))),
    };
    let mut compiler = Compiler {
        key: &source.key,
        exceptions: exceptions(companions, &source.key),
        broken: refused.or_else(|| broken_spec(&oddities.mistyped)),
        warnings: oddities.unknown,
        mistyped: oddities.mistyped,
        frame: Frame {
            rules: Vec::new(),
            stops_at_first: stops_at_first(spec),
            namespace: (!source.key.namespace.is_empty()).then(|| source.key.namespace.clone()),
            conditions,
        },
    };
    let own: Vec<Node<'_>> =
        spec.get("rules").into_iter().flat_map(Node::items).take(limits::POLICY_RULES_MAX).collect();
    for warning in lint::advice(&own) {
        compiler.warn(warning);
    }
    let annotation = root.path(&["metadata", "annotations", autogen::CONTROLLERS_ANNOTATION]);
    let derived = autogen::derive(&own, annotation.and_then(Node::as_str));
    for (index, rule) in own.iter().enumerate() {
        let is_replaced = autogen::is_derived_name(name_of(*rule));
        let not_for = if is_replaced { derived.kinds.iter().cloned().collect() } else { Vec::new() };
        compiler.add(*rule, index, not_for);
    }
    for (index, document) in &derived.rules {
        compiler.add(document.root(), *index, Vec::new());
    }
    let all: Vec<Node<'_>> = own.iter().copied().chain(derived.rules.iter().map(|(_, d)| d.root())).collect();
    compiler.finish(standing(root, &all))
}

fn name_of(rule: Node<'_>) -> &str {
    rule.get("name").and_then(Node::as_str).unwrap_or_default()
}

fn exceptions(companions: &Companions<'_>, key: &PolicyKey) -> Vec<Exception> {
    let policy = key.report_name();
    let sources = companions.sources.iter().filter(|source| source.role == PolicyRole::Exception);
    sources.filter_map(|source| Exception::compile(source, &policy)).collect()
}

/// `applyRules: One`.
pub(super) fn stops_at_first(spec: Node<'_>) -> bool {
    spec.get("applyRules").and_then(Node::as_str) == Some("One")
}

/// The conditions under which the reference's webhook is asked at all, if there are such.
pub(super) fn match_conditions(spec: Node<'_>) -> Option<(Spec<'_>, Dialect)> {
    let match_conditions = cel_policy::items(spec.get("webhookConfiguration")?, "matchConditions");
    let dialect = Dialect::Admission { has_params: false, conditions_see_variables: true };
    let spec = Spec { match_conditions, ..Spec::default() };
    (!spec.match_conditions.is_empty()).then_some((spec, dialect))
}

/// What makes every rule of a policy an error: parts of the policy around its rules that cannot be honoured.
fn broken_spec(mistyped: &[Warning]) -> Option<String> {
    let is_around = |warning: &&Warning| !warning.path.starts_with("spec.rules[");
    mistyped.iter().find(is_around).map(refusal)
}

fn refusal(warning: &Warning) -> String {
    format!("the policy is not valid: `{}`: {}", warning.path, warning.message)
}

fn standing(policy: Node<'_>, rules: &[Node<'_>]) -> Standing {
    let is_judging = |rule: &&Node<'_>| is_judging(**rule);
    if policy.path(&["metadata", "labels", "reports.kyverno.io/disabled"]).is_some() {
        let reason = "it has the label `reports.kyverno.io/disabled`".to_owned();
        return Standing::NotScanned { reason };
    }
    if !rules.iter().any(|rule| is_judging(&rule)) {
        return Standing::NotScanned { reason: "none of its rules validates or verifies images".to_owned() };
    }
    match background::objection(policy, rules) {
        Some(reason) => Standing::FolderOnly { reason },
        None => Standing::Scanned,
    }
}

/// Whether a rule has outcomes in a scan: one that only mutates or generates has none.
fn is_judging(rule: Node<'_>) -> bool {
    let has = |key: &str| rule.get(key).is_some_and(|part| !part.is_null());
    has("validate") || has("verifyImages")
}

struct Compiler<'a> {
    key: &'a PolicyKey,
    exceptions: Vec<Exception>,
    broken: Option<String>,
    warnings: Vec<Warning>,
    mistyped: Vec<Warning>,
    frame: Frame,
}

impl Compiler<'_> {
    fn add(&mut self, rule: Node<'_>, index: usize, not_for: Vec<String>) {
        if !is_judging(rule) {
            return;
        }
        let name = name_of(rule).to_owned();
        let exceptions: Vec<Exception> =
            self.exceptions.iter().filter(|exception| exception.is_for(&name)).cloned().collect();
        let path = format!("spec.rules[{index}]");
        let mistyped =
            self.mistyped.iter().find(|w| w.path == path || w.path.starts_with(&format!("{path}.")));
        let body = match self.broken.clone().or_else(|| mistyped.map(refusal)) {
            Some(message) => Body::Broken(message),
            None => self.body(rule, &path, &exceptions),
        };
        let empty = Document::null();
        let matches = MatchBlock::compile(rule.get("match").unwrap_or(empty.root()), Place::Match);
        let excludes = rule.get("exclude").filter(|exclude| !exclude.is_null());
        let excludes = excludes.map(|exclude| MatchBlock::compile(exclude, Place::Exclude));
        if matches.kinds().is_empty() {
            let message = "the rule matches no kind of object, so it says nothing in a scan".to_owned();
            self.warn(Warning::new(format!("{path}.match"), message));
        }
        self.frame.rules.push(FramedRule { name, path, matches, excludes, not_for, exceptions, body });
    }

    fn body(&mut self, rule: Node<'_>, path: &str, exceptions: &[Exception]) -> Body {
        let parts: Vec<ExceptionParts<'_>> = exceptions
            .iter()
            .map(|exception| ExceptionParts {
                name: &exception.name,
                key: &exception.key,
                conditions: exception.conditions(),
                pod_security: exception.pod_security(),
            })
            .collect();
        let context = RuleContext { policy: self.key, exceptions: &parts };
        match contained(|| Rule::compile(rule, &context)) {
            Ok((rule, warnings)) => {
                for warning in warnings {
                    self.warn(Warning { path: format!("{path}.{}", warning.path), ..warning });
                }
                Body::Rule(Box::new(rule))
            }
            Err(_) => Body::Broken("internal error: compiling the rule failed".to_owned()),
        }
    }

    fn warn(&mut self, warning: Warning) {
        if self.warnings.len() < limits::POLICY_WARNINGS_MAX && !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    fn finish(mut self, standing: Standing) -> Compiled {
        for warning in std::mem::take(&mut self.mistyped) {
            self.warn(warning);
        }
        self.warnings.sort();
        let mut kinds = Vec::new();
        for kind in self.frame.rules.iter().flat_map(|rule| rule.matches.kinds()) {
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        Compiled {
            selection: Selection { kinds, namespace: self.frame.namespace.clone() },
            rules: self.frame.rules.iter().map(|rule| rule.name.clone()).collect(),
            evaluator: Arc::new(self.frame),
            standing,
            warnings: self.warnings,
        }
    }
}

impl Evaluator for Frame {
    fn evaluate(&self, inputs: &Inputs<'_>) -> Evaluation {
        if self.namespace.as_ref().is_some_and(|namespace| *namespace != inputs.resource.key.namespace) {
            return Evaluation::Done(Vec::new());
        }
        if let Some(expressions) = &self.conditions {
            let judge = Judge { expressions, inputs, ignores_failures: false, ignores_annotations: true };
            match judge.decide(None) {
                Decision::Admit(_) => {}
                Decision::Pending => return Evaluation::Needs(inputs.needs()),
                Decision::NotMatched | Decision::Deny(_) | Decision::Error(_) => {
                    return Evaluation::Done(Vec::new());
                }
            }
        }
        let mut outcomes = Vec::new();
        let mut needs_facts = false;
        for rule in &self.rules {
            match rule.evaluate(inputs) {
                RuleResult::NotApplicable => {}
                RuleResult::Needs if inputs.needs().is_empty() => {
                    let message = "internal error: the rule asks for a fact that it does not name";
                    outcomes.push(Outcome::new(&rule.name, Status::Error, message));
                }
                RuleResult::Needs => needs_facts = true,
                RuleResult::Done(outcome) => {
                    let is_judgement = matches!(outcome.status, Status::Pass | Status::Fail);
                    outcomes.push(outcome);
                    if self.stops_at_first && is_judgement {
                        break;
                    }
                }
            }
            if needs_facts && self.stops_at_first {
                break;
            }
        }
        if needs_facts { Evaluation::Needs(inputs.needs()) } else { Evaluation::Done(outcomes) }
    }

    fn certain_errors(&self) -> Vec<Warning> {
        let error = |rule: &FramedRule| match &rule.body {
            Body::Broken(message) => Some(Warning::new(&rule.path, message)),
            Body::Rule(body) => {
                let (field, message) = body.certain_error()?;
                let dot = if field.is_empty() { "" } else { "." };
                Some(Warning::new(format!("{}{dot}{field}", rule.path), message))
            }
        };
        self.rules.iter().filter_map(error).collect()
    }
}

impl FramedRule {
    fn evaluate(&self, inputs: &Inputs<'_>) -> RuleResult {
        let error = |message: String| RuleResult::Done(Outcome::new(&self.name, Status::Error, message));
        if self.not_for.contains(&inputs.resource.key.kind) {
            return RuleResult::NotApplicable;
        }
        match self.applies(inputs) {
            Answer::Yes => {}
            Answer::No => return RuleResult::NotApplicable,
            Answer::Needs => return RuleResult::Needs,
            Answer::Failed(message) => return error(message),
        }
        let mut exclusions = Exclusions::default();
        for (at, exception) in self.exceptions.iter().enumerate() {
            match exception.answer(inputs) {
                Answer::Yes => exclusions.exceptions.push(at),
                Answer::No => {}
                Answer::Needs => return RuleResult::Needs,
                Answer::Failed(message) => return error(message),
            }
        }
        match &self.body {
            Body::Broken(message) => error(message.clone()),
            Body::Rule(rule) => contained(|| rule.evaluate(inputs, &exclusions))
                .unwrap_or_else(|_| error("internal error: evaluating the rule failed".to_owned())),
        }
    }

    fn applies(&self, inputs: &Inputs<'_>) -> Answer {
        let matches = self.matches.answer(inputs);
        let (Answer::Yes, Some(excludes)) = (&matches, &self.excludes) else { return matches };
        match excludes.answer(inputs) {
            Answer::Yes => Answer::No,
            Answer::No => Answer::Yes,
            open => open,
        }
    }
}
