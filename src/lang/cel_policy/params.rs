//! Parameters of a policy: what its `paramKind` and `paramRef` name.
//!
//! Upstream: `CollectParams` of `…/policy/generic` of the API server and of Kyverno's `pkg/admissionpolicy/utils.go`. They differ in their
//! texts, in what a missing `paramRef` means, and in the namespace that a Namespace object is in.

use super::names;
use super::selector::LabelSelector;
use crate::document::Node;
use crate::lang::Inputs;
use crate::model::{FactKey, FactValue, Gvk};

/// What a policy takes its parameters from.
#[derive(Clone, Debug)]
pub(crate) struct ParamSource {
    gvk: Gvk,
    namespace: String,
    name: String,
    selector: Option<LabelSelector>,
    has_reference: bool,
    denies_missing: bool,
    rules: ParamRules,
}

/// Whose rules parameters are looked up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ParamRules {
    /// Those of admission policies.
    ApiServer,
    /// Those of `validate.cel`.
    Kyverno,
}

/// The parameters for one resource.
#[derive(Clone, Debug)]
pub(crate) enum Params<'d> {
    /// One evaluation each; `None` is `params` being null.
    Found(Vec<Option<Node<'d>>>),
    /// There are none, and that is an error.
    Failed(String),
    /// They have to be fetched first.
    Pending,
}

impl ParamSource {
    /// From `paramKind` and `paramRef`; `None` if the policy has no parameters.
    pub(crate) fn compile(
        kind: Option<Node<'_>>,
        reference: Option<Node<'_>>,
        rules: ParamRules,
    ) -> Option<Self> {
        let kind = kind.filter(|kind| !kind.is_empty())?;
        let text = |node: Option<Node<'_>>, key: &str| {
            node.and_then(|node| node.get(key)).and_then(Node::as_str).unwrap_or_default().to_owned()
        };
        let selector = reference.and_then(|reference| reference.get("selector"));
        Some(Self {
            gvk: Gvk::new(&text(Some(kind), "apiVersion"), &text(Some(kind), "kind")),
            namespace: text(reference, "namespace"),
            name: text(reference, "name"),
            selector: selector
                .filter(|selector| !selector.is_null())
                .map(|s| LabelSelector::compile(Some(s))),
            has_reference: reference.is_some_and(|reference| !reference.is_null()),
            denies_missing: text(reference, "parameterNotFoundAction") != "Allow",
            rules,
        })
    }

    /// The parameters for a resource.
    pub(crate) fn find<'d>(&self, inputs: &'d Inputs<'d>) -> Params<'d> {
        if !self.has_reference && self.rules == ParamRules::ApiServer {
            return Params::Found(vec![None]);
        }
        let Some(is_namespaced) = self.is_namespaced(inputs) else { return Params::Pending };
        let namespace = match self.namespace_for(inputs, is_namespaced) {
            Ok(namespace) => namespace,
            Err(message) => return Params::Failed(message.to_owned()),
        };
        if self.name.is_empty() && self.selector.is_none() {
            return self.found(Vec::new());
        }
        let key = FactKey::Objects {
            group: self.gvk.group.clone(),
            version: self.gvk.version.clone(),
            kind: self.gvk.kind.clone(),
            namespace: namespace.to_owned(),
            name: self.name.clone(),
            selector: self.selector.as_ref().map(LabelSelector::to_text).unwrap_or_default(),
        };
        let Some((value, reads)) = inputs.fact_by_part(&key) else { return Params::Pending };
        match value {
            FactValue::Missing => self.found(Vec::new()),
            FactValue::Failed { message, .. } | FactValue::Refused(message) => {
                Params::Failed(message.clone())
            }
            FactValue::Found(found) if self.name.is_empty() => {
                let items = found.tracked(reads).get("items");
                self.found(items.into_iter().flat_map(Node::items).collect())
            }
            FactValue::Found(found) => self.found(vec![found.tracked(reads)]),
        }
    }

    /// Whether parameters live in namespaces; `None` if that has to be asked for. Kinds that nobody describes do.
    fn is_namespaced(&self, inputs: &Inputs<'_>) -> Option<bool> {
        let Gvk { group, version, kind } = self.gvk.clone();
        if let Some(known) = names::is_namespaced(&group, &kind) {
            return Some(known);
        }
        match inputs.fact(&FactKey::Kind { group, version, kind })? {
            FactValue::Found(served) => {
                Some(served.root().get("isNamespaced").and_then(Node::as_bool) != Some(false))
            }
            FactValue::Missing | FactValue::Failed { .. } | FactValue::Refused(_) => Some(true),
        }
    }

    /// Where parameters of a namespaced kind are looked for: where the reference says, else beside the resource.
    fn namespace_for<'d>(
        &'d self,
        inputs: &'d Inputs<'d>,
        is_namespaced: bool,
    ) -> Result<&'d str, &'static str> {
        let key = &inputs.resource.key;
        match (is_namespaced, self.namespace.as_str(), key.namespace.as_str()) {
            (false, "", _) => Ok(""),
            (false, ..) => Err("paramRef.namespace must not be provided for a cluster-scoped `paramKind`"),
            (true, "", "") => match self.rules {
                ParamRules::ApiServer if key.is_namespace() => Ok(&key.name),
                ParamRules::ApiServer => Err(
                    "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources",
                ),
                ParamRules::Kyverno => Err("can't use namespaced paramRef to match cluster-scoped resources"),
            },
            (true, "", own) => Ok(own),
            (true, named, _) => Ok(named),
        }
    }

    fn found<'d>(&self, params: Vec<Node<'d>>) -> Params<'d> {
        if params.is_empty() && self.denies_missing {
            let message = match self.rules {
                ParamRules::ApiServer => {
                    "no params found for policy binding with `Deny` parameterNotFoundAction"
                }
                ParamRules::Kyverno => "no params found",
            };
            return Params::Failed(message.to_owned());
        }
        Params::Found(params.into_iter().map(Some).collect())
    }
}
