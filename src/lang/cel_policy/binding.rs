//! Bindings of admission policies, and whether a scan has results of such a policy at all.

use super::matching::{MatchConstraints, Place};
use super::params::{ParamRules, ParamSource};
use crate::document::Node;
use crate::lang::{Companions, Inputs};
use crate::model::PolicyKind;
use crate::policy::{CompanionSource, PolicyRole, Standing};

/// A compiled binding.
#[derive(Debug)]
pub(super) struct Binding {
    pub(super) name: String,
    /// Which resources it means; `None`: all that the policy means.
    pub(super) constraints: Option<MatchConstraints>,
    pub(super) params: Option<ParamSource>,
}

/// The bindings of a policy of that kind, without those that no report is wanted of.
pub(super) fn compile(
    companions: &Companions<'_>,
    kind: PolicyKind,
    param_kind: Option<Node<'_>>,
) -> Vec<Binding> {
    companions
        .sources
        .iter()
        .filter(|companion| companion.role == PolicyRole::Binding(kind))
        .filter(|companion| !is_disabled(companion.document.root()))
        .map(|companion| Binding::compile(companion, param_kind))
        .collect()
}

/// Whether scans evaluate an admission policy.
pub(super) fn standing(root: Node<'_>, bindings: &[Binding]) -> Standing {
    let not_scanned = |reason: &str| Standing::NotScanned { reason: reason.to_owned() };
    if is_disabled(root) {
        return not_scanned("it has the label `reports.kyverno.io/disabled`");
    }
    if let Some(owner) = generated_from(root) {
        return Standing::NotScanned { reason: format!("it was generated from {owner}, which is evaluated") };
    }
    if bindings.is_empty() {
        return not_scanned("it has no binding");
    }
    Standing::Scanned
}

fn is_disabled(root: Node<'_>) -> bool {
    root.path(&["metadata", "labels", "reports.kyverno.io/disabled"]).is_some()
}

/// The Kyverno policy that a policy was generated from, so that both are not reported.
fn generated_from(root: Node<'_>) -> Option<String> {
    let mut owners = root.path(&["metadata", "ownerReferences"]).into_iter().flat_map(Node::items);
    owners.find_map(|owner| {
        let text = |key: &str| owner.get(key).and_then(Node::as_str).unwrap_or_default();
        let group = text("apiVersion").split('/').next().unwrap_or_default();
        matches!(group, "kyverno.io" | "policies.kyverno.io")
            .then(|| format!("{} {}", text("kind"), text("name")))
    })
}

/// Whether the API server never asks admission policies about the resource (`IsExemptAdmissionConfigurationResource`): they must not lock
/// out their own repair.
pub(super) fn is_exempt(inputs: &Inputs<'_>) -> bool {
    let key = &inputs.resource.key;
    key.group == "admissionregistration.k8s.io"
        && ["AdmissionPolicy", "WebhookConfiguration"].iter().any(|word| key.kind.contains(word))
}

impl Binding {
    fn compile(source: &CompanionSource, param_kind: Option<Node<'_>>) -> Self {
        let root = source.document.root();
        let part = |key: &str| root.path(&["spec", key]).filter(|part| !part.is_null());
        Self {
            name: source.name.clone(),
            constraints: part("matchResources")
                .map(|resources| MatchConstraints::compile(resources, Place::Binding)),
            params: ParamSource::compile(param_kind, part("paramRef"), ParamRules::ApiServer),
        }
    }
}
