//! Parameters of a policy: what its `paramKind` and `paramRef` name.
//!
//! Upstream: `CollectParams` of Kyverno's `pkg/admissionpolicy/utils.go` and `…/policy/generic` of the API server.

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
    denies_missing: bool,
}

/// The parameters for one resource.
#[derive(Clone, Debug)]
pub(crate) enum Params<'d> {
    /// One evaluation each.
    Found(Vec<Node<'d>>),
    /// There are none, and that is an error.
    Failed(String),
    /// They have to be fetched first.
    Pending,
}

impl ParamSource {
    /// From `paramKind` and `paramRef`; `None` if the policy has no parameters.
    pub(crate) fn compile(kind: Option<Node<'_>>, reference: Option<Node<'_>>) -> Option<Self> {
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
            denies_missing: text(reference, "parameterNotFoundAction") != "Allow",
        })
    }

    /// The parameters for a resource.
    pub(crate) fn find<'d>(&self, inputs: &'d Inputs<'d>) -> Params<'d> {
        let failed = |message: &str| Params::Failed(message.to_owned());
        let mut namespace = self.namespace.as_str();
        if names::is_namespaced(&self.gvk.group, &self.gvk.kind) {
            if namespace.is_empty() {
                namespace = &inputs.resource.key.namespace;
            }
            if namespace.is_empty() {
                return failed("can't use namespaced paramRef to match cluster-scoped resources");
            }
        } else if !namespace.is_empty() {
            return failed("paramRef.namespace must not be provided for a cluster-scoped `paramKind`");
        }
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
        match inputs.fact(&key) {
            None => Params::Pending,
            Some(FactValue::Missing) => self.found(Vec::new()),
            Some(FactValue::Failed { message, .. } | FactValue::Refused(message)) => {
                Params::Failed(message.clone())
            }
            Some(FactValue::Found(found)) if self.name.is_empty() => {
                let items = found.root().get("items").unwrap_or_else(|| found.root());
                self.found(items.items().collect())
            }
            Some(FactValue::Found(found)) => self.found(vec![found.root()]),
        }
    }

    fn found<'d>(&self, params: Vec<Node<'d>>) -> Params<'d> {
        if params.is_empty() && self.denies_missing {
            return Params::Failed("no params found".to_owned());
        }
        Params::Found(params)
    }
}
