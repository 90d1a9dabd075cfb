//! What all kinds of `policies.kyverno.io` have in common: a policy is confined to its namespace if it has one, and one about Pods is about pod
//! controllers too, in forms that are derived from it.

use super::Pending;
use super::autogen::{self, Derived};
use super::matching::{Answer, MatchConstraints, Place};
use crate::document::{Document, Node};
use crate::lang::{Evaluation, Inputs};
use crate::matching::{KindSelector, Selection};
use crate::model::{Outcome, Status};
use crate::policy::{PolicySource, Standing};

/// A compiled policy: itself, then what is derived from it. `R` is what such a form says.
#[derive(Debug)]
pub(super) struct Variants<R> {
    namespace: Option<String>,
    variants: Vec<Variant<R>>,
}

/// One form of a policy.
#[derive(Debug)]
pub(super) struct Variant<R> {
    constraints: MatchConstraints,
    pub(super) rules: R,
    pub(super) ignores_failures: bool,
}

impl<R> Variants<R> {
    /// Compiles the forms of a policy: `rules` what a spec says, and where the Pod stands in the objects that it is about. `targets` are the
    /// constraints of what the policy is about, if it is not what it matches; nothing is derived then.
    pub(super) fn compile(
        source: &PolicySource,
        targets: Option<Node<'_>>,
        mut rules: impl FnMut(Node<'_>, &'static [&'static str]) -> R,
    ) -> Self {
        let root = source.document.root();
        let empty = Document::null();
        let spec = root.get("spec").unwrap_or_else(|| empty.root());
        let mut variant = |spec: Node<'_>, constraints, template| Variant {
            constraints,
            rules: rules(spec, template),
            ignores_failures: spec.get("failurePolicy").and_then(Node::as_str) == Some("Ignore"),
        };
        let constraints = |spec: Node<'_>, targets: Option<Node<'_>>| {
            // Without constraints a policy is about nothing.
            let node = targets.or_else(|| spec.get("matchConstraints")).filter(|node| !node.is_null())?;
            Some(MatchConstraints::compile(node, Place::Kyverno))
        };
        let mut variants = Vec::new();
        if is_about_payloads(root) {
            variants.push(variant(spec, MatchConstraints::payloads(), &[]));
        } else {
            variants.extend(constraints(spec, targets).map(|own| variant(spec, own, &[])));
            let derived = match targets {
                Some(_) => Vec::new(),
                None => autogen::derive(spec, controllers(spec).as_deref()),
            };
            for Derived { spec, template } in &derived {
                let of_derived = constraints(spec.root(), None);
                variants.extend(of_derived.map(|own| variant(spec.root(), own, *template)));
            }
        }
        let namespace = (!source.key.namespace.is_empty()).then(|| source.key.namespace.clone());
        Self { namespace, variants }
    }

    /// Which resources the policy makes a pair with.
    pub(super) fn selection(&self) -> Selection {
        let mut kinds: Vec<KindSelector> = Vec::new();
        for kind in self.variants.iter().flat_map(|variant| variant.constraints.kinds()) {
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        Selection { kinds, namespace: self.namespace.clone() }
    }

    /// What the forms say.
    pub(super) fn rules(&self) -> impl Iterator<Item = &R> {
        self.variants.iter().map(|variant| &variant.rules)
    }

    /// The forms that may say something about the resource: none if the policy is confined to another namespace.
    pub(super) fn of(&self, inputs: &Inputs<'_>) -> &[Variant<R>] {
        let is_elsewhere = self.namespace.as_ref().is_some_and(|own| *own != inputs.resource.key.namespace);
        if is_elsewhere { &[] } else { &self.variants }
    }

    /// All that the forms say of a resource; `judge` is asked as by [`Variant::judge`].
    pub(super) fn evaluate(
        &self,
        inputs: &Inputs<'_>,
        judge: impl Fn(&Variant<R>) -> Result<Option<Outcome>, Pending>,
    ) -> Evaluation {
        let mut outcomes = Vec::new();
        let mut needs_facts = false;
        for variant in self.of(inputs) {
            match variant.judge(inputs, || judge(variant)) {
                Ok(outcome) => outcomes.extend(outcome),
                Err(Pending) => needs_facts = true,
            }
        }
        if needs_facts { Evaluation::Needs(inputs.needs()) } else { Evaluation::Done(outcomes) }
    }
}

impl<R> Variant<R> {
    /// What `judge` makes of a resource that this form is about; `Ok(None)` if it says nothing about it.
    pub(super) fn judge(
        &self,
        inputs: &Inputs<'_>,
        judge: impl FnOnce() -> Result<Option<Outcome>, Pending>,
    ) -> Result<Option<Outcome>, Pending> {
        match self.constraints.answer(inputs) {
            Answer::Yes => judge(),
            Answer::No => Ok(None),
            Answer::Needs => Err(Pending),
            Answer::Failed(message) => {
                let message = format!("failed to execute matching: {message}");
                Ok(Some(Outcome::new("match", Status::Error, message)))
            }
        }
    }
}

/// Whether a policy is about JSON that is no object of Kubernetes.
fn is_about_payloads(root: Node<'_>) -> bool {
    root.path(&["spec", "evaluation", "mode"]).and_then(Node::as_str) == Some("JSON")
}

/// The plurals of the controllers that a policy is derived for; `None`: all.
fn controllers(spec: Node<'_>) -> Option<Vec<&str>> {
    let list = spec.path(&["autogen", "podControllers", "controllers"]).filter(|list| !list.is_null())?;
    Some(list.items().filter_map(Node::as_str).collect())
}

/// Whether scans evaluate a policy of `policies.kyverno.io`.
pub(super) fn standing(root: Node<'_>) -> Standing {
    let not_scanned = |reason: String| Standing::NotScanned { reason };
    if root.path(&["metadata", "labels", "reports.kyverno.io/disabled"]).is_some() {
        return not_scanned("it has the label `reports.kyverno.io/disabled`".to_owned());
    }
    let evaluation = root.path(&["spec", "evaluation"]);
    match evaluation.and_then(|evaluation| evaluation.get("mode")).and_then(Node::as_str) {
        None | Some("" | "Kubernetes") => {}
        Some("JSON") => {
            return Standing::FolderOnly { reason: "its evaluation mode is JSON".to_owned() };
        }
        Some(mode) => return not_scanned(format!("its evaluation mode is {mode}")),
    }
    let background = evaluation.and_then(|evaluation| evaluation.path(&["background", "enabled"]));
    if background.and_then(Node::as_bool) == Some(false) {
        return Standing::FolderOnly { reason: "it switches background scans off".to_owned() };
    }
    Standing::Scanned
}
