//! Judges the lines of a test as `kyverno test` does.
//! Upstream: `cmd/cli/kubectl-kyverno/commands/test/output.go`, `command.go`.

use std::collections::BTreeMap;

use crate::document::Node;
use crate::lang::Operation;
use crate::model::{Outcome, PolicyKind, Status};

use super::case::{Case, Line, text};
use super::evaluate::{Judgement, evaluate, is_rule, mutates};
use super::patched::{self, Expectation};
use super::world::{Ruling, Subject, World};
use super::{CaseRun, Check};

/// What is told where a policy ran and said nothing about the resource.
const EXCLUDED: &str = "excluded";
/// What is told where there is nothing to compare with.
const NOT_FOUND: &str = "not found";

/// Judges all lines.
pub(super) fn judge(case: &Case, world: &World) -> CaseRun {
    let mut judge = Judge { case, world, known: BTreeMap::new(), run: CaseRun::default() };
    judge.run.case.clone_from(&case.name);
    for line in &case.lines {
        judge.line(line);
    }
    judge.run
}

struct Judge<'w> {
    case: &'w Case,
    world: &'w World,
    /// Outcomes by position of policy and resource, and operation: each pair runs once.
    known: BTreeMap<(usize, usize, Operation), Judgement>,
    run: CaseRun,
}

impl Judge<'_> {
    fn line(&mut self, line: &Line) {
        let rulings = meant(line, &self.world.rulings);
        let mutates = rulings.iter().any(|(_, ruling)| mutates(ruling.policy.key.kind));
        let subjects = selected(line, &self.world.subjects, mutates);
        // Payloads are no part of a scan, and judged where a test has some.
        let has_payloads = self.world.subjects.iter().any(|subject| subject.id.key.kind.is_empty());
        let is_judged = |ruling: &Ruling| has_payloads || is_scanned(line, ruling);
        if !rulings.is_empty() && rulings.iter().all(|(_, ruling)| !is_judged(ruling)) {
            self.run.n_not_scanned += subjects.len().max(1);
            return;
        }
        if rulings.is_empty()
            && !line.kinds.is_empty()
            && !line.kinds.iter().any(|kind| is_scanned_kind(*kind))
        {
            self.run.n_not_scanned += subjects.len().max(1);
            return;
        }
        if rulings.is_empty() || subjects.is_empty() {
            let named: Vec<&str> = if line.resources.is_empty() {
                vec![""]
            } else {
                line.resources.iter().map(String::as_str).collect()
            };
            for name in named {
                let (namespace, name) = name.split_once('/').unwrap_or(("", name));
                self.push(line, &line.kind, namespace, name, &Verdict::not_found());
            }
            return;
        }
        let expected = patched::expected(self.case, line, &mut self.run.problems);
        for (position, subject) in subjects {
            let verdict = self.verdict(line, &rulings, position, subject, &expected);
            let key = &subject.id.key;
            self.push(line, &key.kind, &key.namespace, &key.name, &verdict);
        }
    }

    /// What all policies of the line say of one resource: the first outcome that is not as expected, else the
    /// first.
    fn verdict(
        &mut self,
        line: &Line,
        rulings: &[(usize, &Ruling)],
        position: usize,
        subject: &Subject,
        expected: &Expectation,
    ) -> Verdict {
        let mut verdict: Option<Verdict> = None;
        let mut is_rule_known = false;
        for (at, ruling) in rulings {
            is_rule_known |= line.rule.is_empty() || has_rule(ruling, &line.rule);
            let world = self.world;
            let judgement = self
                .known
                .entry((*at, position, line.operation))
                .or_insert_with(|| evaluate(world, ruling, subject, line.operation));
            for outcome in judgement.outcomes.iter().filter(|outcome| is_about(line, ruling, outcome)) {
                let mut told = Verdict {
                    actual: outcome.status.as_str().to_owned(),
                    message: outcome.message.clone(),
                    is_ok: outcome.status.as_str() == line.expected,
                };
                if let (Status::Pass, Some(patched)) = (outcome.status, &judgement.patched)
                    && let Err(difference) = expected.compare(patched)
                {
                    told = Verdict { actual: "fail".to_owned(), message: difference, is_ok: false };
                }
                if verdict.as_ref().is_none_or(|verdict| verdict.is_ok && !told.is_ok) {
                    verdict = Some(told);
                }
            }
        }
        let without = if is_rule_known { Verdict::excluded } else { Verdict::not_found };
        verdict.unwrap_or_else(without)
    }

    fn push(&mut self, line: &Line, kind: &str, namespace: &str, name: &str, verdict: &Verdict) {
        self.run.checks.push(Check {
            policy: line.policy.clone(),
            rule: line.rule.clone(),
            kind: kind.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            expected: line.expected.clone(),
            actual: verdict.actual.clone(),
            message: verdict.message.clone(),
            is_ok: verdict.is_ok,
        });
    }
}

struct Verdict {
    actual: String,
    message: String,
    is_ok: bool,
}

impl Verdict {
    fn excluded() -> Self {
        Self { actual: EXCLUDED.to_owned(), message: String::new(), is_ok: true }
    }

    fn not_found() -> Self {
        Self { actual: NOT_FOUND.to_owned(), message: String::new(), is_ok: false }
    }
}

/// The policies that a line is about: by name or `namespace/name`, and by kind where it says one; without a
/// kind, those that have the line's rule, if there are such.
fn meant<'w>(line: &Line, rulings: &'w [Ruling]) -> Vec<(usize, &'w Ruling)> {
    let has_name = |ruling: &Ruling| {
        line.policy == ruling.policy.key.name || line.policy == ruling.policy.key.report_name()
    };
    let is_of_kind = |ruling: &Ruling| line.kinds.is_empty() || line.kinds.contains(&ruling.policy.key.kind);
    let named: Vec<_> =
        rulings.iter().enumerate().filter(|(_, ruling)| has_name(ruling) && is_of_kind(ruling)).collect();
    let is_narrower = |(_, ruling): &(usize, &Ruling)| is_rule_based(ruling) && has_rule(ruling, &line.rule);
    let with_rule: Vec<_> = named.iter().copied().filter(is_narrower).collect();
    if line.kinds.is_empty() && !with_rule.is_empty() { with_rule } else { named }
}

fn is_rule_based(ruling: &Ruling) -> bool {
    matches!(ruling.policy.key.kind, PolicyKind::ClusterPolicy | PolicyKind::Policy)
}

/// The resources that a line names, each once; all of them if it names none that is there. Targets of mutations are named only by lines
/// about policies that mutate.
fn selected<'w>(line: &Line, subjects: &'w [Subject], mutates: bool) -> Vec<(usize, &'w Subject)> {
    let is_there = |(_, subject): &(usize, &Subject)| mutates || !subject.is_target;
    let is_named = |subject: &Subject| {
        let key = &subject.id.key;
        line.resources.iter().any(|resource| match resource.split_once('/') {
            Some((namespace, name)) => namespace == key.namespace && name == key.name,
            None => *resource == key.name,
        })
    };
    let there = || subjects.iter().enumerate().filter(is_there);
    let named: Vec<_> = there().filter(|(_, subject)| is_named(subject)).collect();
    if named.is_empty() { there().filter(|(_, subject)| !subject.is_target).collect() } else { named }
}

/// Whether an outcome is one that the line is about.
fn is_about(line: &Line, ruling: &Ruling, outcome: &Outcome) -> bool {
    !is_rule_based(ruling)
        || line.rule.is_empty()
        || outcome.rule.is_empty()
        || is_rule(&outcome.rule, &line.rule)
}

fn has_rule(ruling: &Ruling, name: &str) -> bool {
    !is_rule_based(ruling) || rules(ruling).any(|rule| is_rule(name, text(rule, "name")))
}

fn rules(ruling: &Ruling) -> impl Iterator<Item = Node<'_>> {
    ruling.document.root().path(&["spec", "rules"]).into_iter().flat_map(Node::items)
}

/// Whether a background scan gives the result that the line is about.
fn is_scanned(line: &Line, ruling: &Ruling) -> bool {
    let spec = ruling.document.root().get("spec");
    match ruling.policy.key.kind {
        PolicyKind::ClusterPolicy | PolicyKind::Policy => {
            let mut meant = rules(ruling)
                .filter(|rule| line.rule.is_empty() || is_rule(&line.rule, text(*rule, "name")))
                .peekable();
            meant.peek().is_none() || meant.any(|rule| rule.get("mutate").or(rule.get("generate")).is_none())
        }
        PolicyKind::ValidatingPolicy | PolicyKind::NamespacedValidatingPolicy => {
            let mode = spec.and_then(|spec| spec.path(&["evaluation", "mode"])).and_then(Node::as_str);
            matches!(mode, None | Some("" | "Kubernetes"))
        }
        kind => is_scanned_kind(kind),
    }
}

fn is_scanned_kind(kind: PolicyKind) -> bool {
    matches!(
        kind,
        PolicyKind::ClusterPolicy
            | PolicyKind::Policy
            | PolicyKind::ValidatingPolicy
            | PolicyKind::NamespacedValidatingPolicy
            | PolicyKind::ImageValidatingPolicy
            | PolicyKind::NamespacedImageValidatingPolicy
            | PolicyKind::ValidatingAdmissionPolicy
    ) || mutates(kind)
}
