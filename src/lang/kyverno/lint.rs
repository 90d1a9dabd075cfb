//! What is odd about a policy beyond its shape.
//!
//! [`advice`] is given whenever a policy is compiled: names that are given twice, variables that nothing defines, entries that nothing uses,
//! rules for other operations. [`lint`] says what only somebody who works on the policy wants to know: expressions that do not compile, anchors
//! where they mean nothing, rules that are never asked. Nothing here changes an outcome.

mod anchors;
mod entries;
mod expressions;
mod reach;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use super::{frame, rule};
use crate::document::{Kind, Node};
use crate::lang::Lint;
use crate::lang::cel_policy::{self, Expressions};
use crate::policy::{PolicySource, Warning};

/// The advice on a policy's own rules, in their order. `rules` are those of the spec, without derived ones.
pub(super) fn advice(rules: &[Node<'_>]) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut names = BTreeSet::new();
    for (index, rule) in rules.iter().enumerate() {
        let path = format!("spec.rules[{index}]");
        let name = rule.get("name").and_then(Node::as_str).unwrap_or_default();
        if name.is_empty() {
            warnings.push(Warning::new(&path, "the rule has no name"));
        } else if !names.insert(name) {
            let message = format!("there is another rule named `{name}` in front of this one");
            warnings.push(Warning::new(format!("{path}.name"), message));
        }
        expressions::undefined(*rule, &path, &mut warnings);
        entries::unused(*rule, &path, &mut warnings);
        if reach::never_creates(*rule) {
            let message = "no operation here is CREATE, so the rule says nothing in a scan";
            warnings.push(Warning::new(format!("{path}.match"), message));
        }
    }
    warnings
}

/// Looks at a `ClusterPolicy` or Policy as a linter does.
pub(crate) fn lint(source: &PolicySource) -> Lint {
    let mut lint = Lint::default();
    let Some(spec) = source.document.root().get("spec") else { return lint };
    let rules: Vec<Node<'_>> = spec.get("rules").into_iter().flat_map(Node::items).collect();
    for (index, rule) in rules.iter().enumerate() {
        let path = format!("spec.rules[{index}]");
        expressions::broken(*rule, &path, &mut lint.errors);
        lint.errors.extend(broken_cel(*rule, &path));
        anchors::misplaced(*rule, &path, &mut lint.warnings);
        let earlier = rules.get(..index).unwrap_or_default();
        let earlier = if frame::stops_at_first(spec) { earlier } else { &[] };
        lint.warnings.extend(reach::unreachable(*rule, &path, earlier));
    }
    let conditions = frame::match_conditions(spec);
    lint.errors.extend(conditions.into_iter().flat_map(|(spec, dialect)| {
        let refusals = Expressions::refusals(&spec, dialect);
        cel_policy::refused(&refusals, |place| format!("spec.webhookConfiguration.{place}"))
    }));
    lint
}

/// The expressions of `validate.cel` that are refused.
fn broken_cel(rule: Node<'_>, path: &str) -> Vec<Warning> {
    let Some(cel) = rule.path(&["validate", "cel"]).filter(|cel| cel.kind() == Kind::Object) else {
        return Vec::new();
    };
    let (spec, dialect) = rule::cel_expressions(rule, cel);
    cel_policy::refused(&Expressions::refusals(&spec, dialect), |place| {
        match (place.strip_prefix("matchConditions"), place.strip_prefix("validations")) {
            (Some(rest), _) => format!("{path}.celPreconditions{rest}"),
            (_, Some(rest)) => format!("{path}.validate.cel.expressions{rest}"),
            _ => format!("{path}.validate.cel.{place}"),
        }
    })
}
