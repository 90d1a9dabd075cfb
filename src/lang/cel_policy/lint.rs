//! What a linter says of policies that are written in CEL: every expression that the checker refuses, with the place of each fault.

use super::Dialect;
use super::expressions::{Expressions, Refusal, Spec, items};
use crate::lang::Lint;
use crate::model::PolicyKind;
use crate::policy::{PolicySource, Warning};

/// Lints a policy of any of these kinds; those that scans have no results of are not looked at.
pub(crate) fn lint(source: &PolicySource) -> Lint {
    let Some(spec) = source.document.root().get("spec") else { return Lint::default() };
    let kyverno = Dialect::Kyverno { is_namespaced: source.key.kind.is_namespaced() };
    let refusals = match source.key.kind {
        PolicyKind::ValidatingPolicy
        | PolicyKind::NamespacedValidatingPolicy
        | PolicyKind::MutatingPolicy
        | PolicyKind::NamespacedMutatingPolicy => Expressions::refusals(&Spec::of(spec), kyverno),
        PolicyKind::ImageValidatingPolicy | PolicyKind::NamespacedImageValidatingPolicy => {
            let conditions = Spec { match_conditions: items(spec, "matchConditions"), ..Spec::default() };
            Expressions::refusals(&conditions, kyverno)
        }
        PolicyKind::ValidatingAdmissionPolicy | PolicyKind::MutatingAdmissionPolicy => {
            let has_params = spec.get("paramKind").is_some_and(|kind| !kind.is_empty());
            let dialect = Dialect::Admission { has_params, has_authorizer: true };
            Expressions::refusals(&Spec::of(spec), dialect)
        }
        _ => Vec::new(),
    };
    Lint { errors: refused(&refusals, |place| format!("spec.{place}")), warnings: Vec::new() }
}

/// The faults of refused expressions; `path` gives the field of an expression from its place below a spec.
pub(crate) fn refused(refusals: &[Refusal], path: impl Fn(&str) -> String) -> Vec<Warning> {
    let faults = refusals.iter().flat_map(|refusal| {
        let path = path(&refusal.place);
        refusal.faults.iter().map(move |(at, message)| {
            Warning::new(path.clone(), message.clone()).about(*at..at.saturating_add(1))
        })
    });
    faults.collect()
}
