//! `PolicyExceptions` of kyverno.io: which rules of which policies they are for, and which resources they except.
//!
//! Semantics: upstream's `api/kyverno/v2/policy_exception_types.go` and `pkg/engine/utils/exceptions.go`.

use std::sync::Arc;

use super::match_block::{Answer, MatchBlock, Place};
use super::shape::{self, Shaped};
use crate::document::{Document, Node};
use crate::gostd::wildcard::{self, Wildcard};
use crate::lang::Inputs;
use crate::policy::{CompanionSource, Warning};

/// A compiled `PolicyException`, as far as one policy is concerned.
#[derive(Clone, Debug)]
pub(super) struct Exception {
    /// Its name, for the property `exceptions`.
    pub(super) name: String,
    /// `namespace/name`, for messages.
    pub(super) key: String,
    /// The names of the policy's rules that it is for.
    rules: Vec<Wildcard>,
    matches: MatchBlock,
    document: Arc<Document>,
}

/// What is odd about an exception, with paths.
pub(crate) fn oddities(exception: Node<'_>) -> Vec<Warning> {
    let Some(spec) = exception.get("spec") else {
        return vec![Warning::new("spec", "the exception has no spec")];
    };
    let mut oddities = shape::check(Shaped::Exception, spec, "spec");
    oddities.unknown.append(&mut oddities.mistyped);
    oddities.unknown.sort();
    oddities.unknown
}

impl Exception {
    /// Compiles an exception for a policy; `None` if it is not for that policy. `policy` is its name, or `namespace/name`.
    pub(super) fn compile(source: &CompanionSource, policy: &str) -> Option<Self> {
        let spec = source.document.root().get("spec")?;
        let rules: Vec<Wildcard> = spec
            .get("exceptions")
            .into_iter()
            .flat_map(Node::items)
            .filter(|entry| {
                let pattern = entry.get("policyName").and_then(Node::as_str);
                pattern.is_some_and(|pattern| wildcard::matches(pattern, policy))
            })
            .filter_map(|entry| entry.get("ruleNames"))
            .flat_map(Node::items)
            .filter_map(Node::as_str)
            .map(Wildcard::new)
            .collect();
        let key = if source.namespace.is_empty() {
            source.name.clone()
        } else {
            format!("{}/{}", source.namespace, source.name)
        };
        let empty = Document::null();
        let matches = MatchBlock::compile(spec.get("match").unwrap_or(empty.root()), Place::Exception);
        let document = Arc::clone(&source.document);
        (!rules.is_empty()).then_some(Self { name: source.name.clone(), key, rules, matches, document })
    }

    /// Whether the exception is for a rule of that name.
    pub(super) fn is_for(&self, rule: &str) -> bool {
        self.rules.iter().any(|pattern| pattern.is_match(rule))
    }

    /// Whether the exception's `match` means the resource; its conditions are another question.
    pub(super) fn answer(&self, inputs: &Inputs<'_>) -> Answer {
        self.matches.answer(inputs)
    }

    /// `spec.conditions`, if it has any.
    pub(super) fn conditions(&self) -> Option<Node<'_>> {
        self.document.root().path(&["spec", "conditions"]).filter(|conditions| !conditions.is_null())
    }

    /// `spec.podSecurity`: with it the exception takes away only these controls.
    pub(super) fn pod_security(&self) -> Option<Node<'_>> {
        self.document.root().path(&["spec", "podSecurity"]).filter(|controls| !controls.is_empty())
    }
}
