//! What a linter says of policies that are written in CEL: every expression that the checker refuses, with the place of each fault.

use super::expressions::{Expressions, Refusal, Spec};
use super::{Dialect, image_validating_policy};
use crate::document::Node;
use crate::lang::Lint;
use crate::model::PolicyKind;
use crate::policy::{PolicySource, Warning};

/// Lints a policy of any of these kinds; those that scans have no results of are not looked at.
pub(crate) fn lint(source: &PolicySource) -> Lint {
    let Some(spec) = source.document.root().get("spec") else { return Lint::default() };
    let mode = spec.path(&["evaluation", "mode"]).and_then(Node::as_str);
    if !matches!(mode, None | Some("" | "Kubernetes" | "JSON")) {
        // Other modes have names of their own, and no scan.
        return Lint::default();
    }
    let kyverno = Dialect::Kyverno { is_namespaced: source.key.kind.is_namespaced() };
    let refusals = match source.key.kind {
        PolicyKind::ValidatingPolicy
        | PolicyKind::NamespacedValidatingPolicy
        | PolicyKind::MutatingPolicy
        | PolicyKind::NamespacedMutatingPolicy => Expressions::refusals(&Spec::of(spec), kyverno),
        PolicyKind::ImageValidatingPolicy | PolicyKind::NamespacedImageValidatingPolicy => {
            image_validating_policy::refusals(spec, kyverno)
        }
        PolicyKind::ValidatingAdmissionPolicy | PolicyKind::MutatingAdmissionPolicy => {
            let has_params = spec.get("paramKind").is_some_and(|kind| !kind.is_empty());
            let dialect = Dialect::Admission { has_params, conditions_see_variables: false };
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::document::Document;
    use crate::model::PolicyKey;

    fn errors(kind: PolicyKind, spec: &str) -> Vec<String> {
        let document = Document::from_json(format!(r#"{{"spec":{spec}}}"#).as_bytes()).unwrap();
        let key = PolicyKey { kind, namespace: String::new(), name: "p".to_owned() };
        let source = PolicySource { key, document: Arc::new(document), origin: String::new() };
        let show = |Warning { path, part, message }: Warning| format!("{path} {part:?} {message}");
        lint(&source).errors.into_iter().map(show).collect()
    }

    #[test]
    fn every_refused_expression_is_told_with_its_place() {
        let spec = r#"{"matchConditions":[{"expression":"objct.x == 1"}],
            "validations":[{"expression":"true"},{"expression":"true &&"},{"expression":"1"}]}"#;
        let kyverno = "output is expected to be of type bool";
        for (kind, no_bool) in [
            (PolicyKind::ValidatingPolicy, kyverno),
            (PolicyKind::ValidatingAdmissionPolicy, "must evaluate to bool but got int"),
            (PolicyKind::MutatingPolicy, kyverno),
            (PolicyKind::ImageValidatingPolicy, kyverno),
        ] {
            let wanted = [
                "spec.matchConditions[0].expression Some((0, 1)) undeclared reference to 'objct' (in container '')",
                "spec.validations[1].expression Some((7, 8)) Syntax error: mismatched input '<EOF>'",
                &format!("spec.validations[2].expression Some((0, 1)) {no_bool}"),
            ];
            let found = errors(kind, spec);
            assert_eq!(found.len(), wanted.len(), "{found:?}");
            for (found, wanted) in found.iter().zip(wanted) {
                assert!(found.starts_with(wanted), "{found}");
            }
        }
        assert_eq!(errors(PolicyKind::GeneratingPolicy, spec), [""; 0]);
    }

    #[test]
    fn all_that_an_image_policy_says_is_looked_at() {
        let spec = r#"{"matchConditions":[{"expression":"true && x"},{"expression":"variables.v"}],
            "matchImageReferences":[{"glob":"[a"},{"expression":"ref == 1"},{"expression":"ref"},{}],
            "images":[{"name":"a","expression":"[variables.v]"},{"name":"b","expression":"'b'"}],
            "variables":[{"name":"v","expression":"images.b"},{"name":"w","expression":"variables.x"}],
            "attestors":[{"name":"k","cosign":{"key":{"expression":"variables.v +"}}},
                {"name":"c","cosign":{"certificate":{"cert":{"expression":"a"},"certChain":{"expression":"b"}},
                    "trustedRoot":{"expression":"c"}}},
                {"name":"n","notary":{"certs":{"expression":"d"},"tsaCerts":{"expression":"e"}}}],
            "validations":[{"expression":"verifyImageSignatures('a', [attestors.k])"},
                {"expression":"exceptions.allowedImages == []","messageExpression":"1"}],
            "auditAnnotations":[{"key":"a","valueExpression":"2"}]}"#;
        let wanted = [
            "spec.matchConditions[0].expression Some((8, 9))",
            "spec.matchConditions[1].expression Some((9, 10)) undefined field 'v'",
            "spec.matchImageReferences[0].glob Some((0, 1)) unexpected end of input",
            "spec.matchImageReferences[1].expression Some((4, 5)) found no matching overload for '_==_'",
            "spec.matchImageReferences[2].expression Some((0, 1)) output is expected to be of type bool",
            "spec.matchImageReferences[3] Some((0, 1)) it has neither",
            "spec.images[0].expression Some((10, 11)) undefined field 'v'",
            "spec.images[1].expression Some((0, 1)) output is expected to be",
            "spec.variables[1].expression Some((9, 10)) undefined field 'x'",
            "spec.attestors[0].cosign.key.expression Some((13, 14)) Syntax error",
            "spec.attestors[1].cosign.certificate.cert.expression Some((0, 1)) undeclared reference to 'a'",
            "spec.attestors[1].cosign.certificate.certChain.expression Some((0, 1)) undeclared reference to 'b'",
            "spec.attestors[1].cosign.trustedRoot.expression Some((0, 1)) undeclared reference to 'c'",
            "spec.attestors[2].notary.certs.expression Some((0, 1)) undeclared reference to 'd'",
            "spec.attestors[2].notary.tsaCerts.expression Some((0, 1)) undeclared reference to 'e'",
            "spec.validations[0].expression Some((0, 1)) output is expected to be of type bool",
            "spec.validations[1].expression Some((0, 1)) undeclared reference to 'exceptions'",
            "spec.validations[1].messageExpression Some((0, 1)) output is expected to be of type string",
            "spec.auditAnnotations[0].valueExpression Some((0, 1)) output is expected to be",
        ];
        let found = errors(PolicyKind::NamespacedImageValidatingPolicy, spec);
        assert_eq!(found.len(), wanted.len(), "{found:#?}");
        for (found, wanted) in found.iter().zip(wanted) {
            assert!(found.starts_with(wanted), "{found} is not {wanted}");
        }
    }

    #[test]
    fn policies_for_other_requests_are_not_looked_at() {
        let spec = r#"{"evaluation":{"mode":"Envoy"},"validations":[{"expression":"envoy.Denied(403)"}]}"#;
        assert_eq!(errors(PolicyKind::ValidatingPolicy, spec), [""; 0]);
    }
}
