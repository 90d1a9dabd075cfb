//! `match` and `exclude`, and the `match` of an exception: whether a resource is meant.
//!
//! Semantics: upstream's `pkg/engine/utils/match.go` for rules and `pkg/engine/utils/exceptions.go` for exceptions, which differ for Namespace
//! objects and for requests without a user. What is cheap and needs no other object is asked first; a namespace's labels are asked for last.

#[cfg(test)]
mod tests;

use super::labels::LabelSelector;
use crate::document::Node;
use crate::gostd::wildcard::Wildcard;
use crate::lang::{Inputs, Operation};
use crate::matching::{KindPattern, KindSelector};
use crate::model::{FactKey, FactValue};

/// Whether a block means a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// A fact has to be fetched first; it is noted in the inputs.
    Needs,
    /// A look-up failed.
    Failed(String),
}

/// In whose place a block stands; the reference's rules differ a little.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A rule's `match`.
    Match,
    /// A rule's `exclude`.
    Exclude,
    /// A `PolicyException`'s `match`.
    Exception,
}

/// A compiled `match` or `exclude`.
#[derive(Clone, Debug)]
pub(super) struct MatchBlock {
    place: Place,
    is_any: bool,
    filters: Vec<Filter>,
}

/// One entry of `any` or `all`, or the block itself.
#[derive(Clone, Debug, Default)]
struct Filter {
    is_described: bool,
    kinds: Vec<KindPattern>,
    name: Option<Wildcard>,
    names: Vec<Wildcard>,
    namespaces: Vec<Wildcard>,
    annotations: Vec<(Wildcard, Wildcard)>,
    operations: Vec<Option<Operation>>,
    selector: Option<LabelSelector>,
    namespace_selector: Option<LabelSelector>,
    user: UserFilter,
}

#[derive(Clone, Debug, Default)]
struct UserFilter {
    roles: Vec<String>,
    cluster_roles: Vec<String>,
    subjects: Vec<Subject>,
}

#[derive(Clone, Debug)]
enum Subject {
    /// By `userInfo.username`; service accounts too.
    User(Wildcard),
    /// By one of `userInfo.groups`.
    Group(Wildcard),
    /// A kind of subject that does not exist.
    Nobody,
}

impl MatchBlock {
    /// Compiles a block. A block with neither `any` nor `all` is one filter itself, except in an exception.
    pub(super) fn compile(node: Node<'_>, place: Place) -> Self {
        let list = |key: &str| -> Vec<Filter> {
            node.get(key).into_iter().flat_map(Node::items).map(Filter::compile).collect()
        };
        let (any, all) = (list("any"), list("all"));
        let (is_any, filters) = match (any.is_empty(), all.is_empty()) {
            (false, _) => (true, any),
            (true, false) => (false, all),
            (true, true) if place == Place::Exception => (true, Vec::new()),
            (true, true) => (false, vec![Filter::compile(node)]),
        };
        Self { place, is_any, filters }
    }

    /// The kinds that the block can mean, for the policy's selection.
    pub(super) fn kinds(&self) -> Vec<KindSelector> {
        let kinds = |filter: &Filter| -> Vec<KindSelector> {
            if filter.kinds.is_empty() && (filter.is_described || !filter.user.is_empty()) {
                return vec![KindPattern::parse("*").kind];
            }
            filter
                .kinds
                .iter()
                .filter(|kind| kind.can_match_objects())
                .map(|kind| kind.kind.clone())
                .collect()
        };
        if self.is_any {
            self.filters.iter().flat_map(kinds).collect()
        } else {
            self.filters
                .iter()
                .find(|filter| !filter.kinds.is_empty())
                .or(self.filters.first())
                .map_or(vec![], kinds)
        }
    }

    /// Whether the block means the resource.
    pub(super) fn answer(&self, inputs: &Inputs<'_>) -> Answer {
        // What one filter says decides the whole: `Yes` for `any`, `No` for `all`.
        let decisive = if self.is_any { Answer::Yes } else { Answer::No };
        let mut open = None;
        for filter in &self.filters {
            let answer = filter.answer(inputs, self.place);
            if answer == decisive {
                return decisive;
            }
            if !matches!(answer, Answer::Yes | Answer::No) {
                open.get_or_insert(answer);
            }
        }
        open.unwrap_or(if self.is_any { Answer::No } else { Answer::Yes })
    }
}

impl Filter {
    fn compile(node: Node<'_>) -> Self {
        let resources = node.get("resources");
        let field = |key: &str| resources.and_then(|resources| resources.get(key));
        let list = |key: &str| field(key).into_iter().flat_map(Node::items).filter_map(Node::as_str);
        let selector = |key: &str| field(key).filter(|s| !s.is_null()).map(LabelSelector::compile);
        let mut filter = Self {
            is_described: false,
            kinds: list("kinds").map(KindPattern::parse).collect(),
            name: field("name").and_then(Node::as_str).filter(|name| !name.is_empty()).map(Wildcard::new),
            names: list("names").map(Wildcard::new).collect(),
            namespaces: list("namespaces").map(Wildcard::new).collect(),
            annotations: field("annotations")
                .into_iter()
                .flat_map(Node::sorted_entries)
                .map(|(key, value)| (Wildcard::new(key), Wildcard::new(value.as_str().unwrap_or_default())))
                .collect(),
            operations: list("operations").map(Operation::of).collect(),
            selector: selector("selector"),
            namespace_selector: selector("namespaceSelector"),
            user: UserFilter::compile(node),
        };
        filter.is_described = !filter.kinds.is_empty()
            || filter.name.is_some()
            || !filter.names.is_empty()
            || !filter.namespaces.is_empty()
            || !filter.annotations.is_empty()
            || !filter.operations.is_empty()
            || filter.selector.is_some()
            || filter.namespace_selector.is_some();
        filter
    }

    fn answer(&self, inputs: &Inputs<'_>, place: Place) -> Answer {
        let has_user = inputs.request.user.is_some();
        // Nobody asks in a scan: a rule that also names users then matches by the rest alone.
        let ignores_user = place == Place::Match && !has_user;
        if !self.is_described && (self.user.is_empty() || ignores_user) {
            return Answer::No;
        }
        let is_met = self.meets_identity(inputs)
            && (ignores_user || self.user.is_match(inputs))
            && self.meets_object(inputs);
        if is_met { self.meets_namespace(inputs, place) } else { Answer::No }
    }

    fn meets_identity(&self, inputs: &Inputs<'_>) -> bool {
        let id = inputs.resource;
        let is_any = |patterns: &[Wildcard], text: &str| {
            patterns.is_empty() || patterns.iter().any(|pattern| pattern.is_match(text))
        };
        let namespace = if id.key.kind == "Namespace" { &id.key.name } else { &id.key.namespace };
        let generated = if id.key.name.is_empty() {
            inputs.object().path(&["metadata", "generateName"]).and_then(Node::as_str)
        } else {
            None
        };
        let name = generated.unwrap_or(&id.key.name);
        let subresource = &inputs.request.subresource;
        let kinds = &self.kinds;
        (self.operations.is_empty() || self.operations.contains(&Some(inputs.request.operation)))
            && (kinds.is_empty()
                || kinds.iter().any(|k| k.is_match(&id.key.group, &id.version, &id.key.kind, subresource)))
            && self.name.as_ref().is_none_or(|pattern| pattern.is_match(name))
            && is_any(&self.names, name)
            && is_any(&self.namespaces, namespace)
    }

    fn meets_object(&self, inputs: &Inputs<'_>) -> bool {
        let metadata = |key: &str| inputs.object().path(&["metadata", key]);
        self.selector.as_ref().is_none_or(|selector| selector.is_match(metadata("labels")))
            && (self.annotations.is_empty() || {
                let annotations = metadata("annotations");
                self.annotations.iter().all(|(key, value)| {
                    annotations
                        .into_iter()
                        .flat_map(Node::entries)
                        .any(|(k, v)| key.is_match(k) && v.as_str().is_some_and(|v| value.is_match(v)))
                })
            })
    }

    fn meets_namespace(&self, inputs: &Inputs<'_>, place: Place) -> Answer {
        let Some(selector) = &self.namespace_selector else { return Answer::Yes };
        let of = |is_met: bool| if is_met { Answer::Yes } else { Answer::No };
        let key = &inputs.resource.key;
        if key.kind == "Namespace" {
            return of(place == Place::Exception);
        }
        if selector.is_invalid() {
            return Answer::No;
        }
        if key.namespace.is_empty() {
            return of(selector.is_match(None));
        }
        match inputs.fact(&FactKey::NamespaceLabels(key.namespace.clone())) {
            None => Answer::Needs,
            Some(FactValue::Found(labels)) => of(selector.is_match(Some(labels.root()))),
            Some(FactValue::Missing) => of(selector.is_match(None)),
            Some(FactValue::Failed { message, .. } | FactValue::Refused(message)) => Answer::Failed(format!(
                "failed to get the labels of namespace `{}`: {message}",
                key.namespace
            )),
        }
    }
}

impl UserFilter {
    fn compile(node: Node<'_>) -> Self {
        let list = |key: &str| node.get(key).into_iter().flat_map(Node::items);
        let strings = |key: &str| list(key).filter_map(Node::as_str).map(str::to_owned).collect();
        Self {
            roles: strings("roles"),
            cluster_roles: strings("clusterRoles"),
            subjects: list("subjects").map(Subject::compile).collect(),
        }
    }

    fn is_empty(&self) -> bool {
        self.roles.is_empty() && self.cluster_roles.is_empty() && self.subjects.is_empty()
    }

    fn is_match(&self, inputs: &Inputs<'_>) -> bool {
        let user = inputs.request.user.as_ref().map(|user| user.root());
        let has_one = |wanted: &[String], key: &str| {
            wanted.is_empty()
                || user
                    .and_then(|user| user.get(key))
                    .into_iter()
                    .flat_map(Node::items)
                    .filter_map(Node::as_str)
                    .any(|own| wanted.iter().any(|wanted| wanted == own))
        };
        let info = user.and_then(|user| user.get("userInfo"));
        has_one(&self.roles, "roles")
            && has_one(&self.cluster_roles, "clusterRoles")
            && (self.subjects.is_empty() || self.subjects.iter().any(|subject| subject.is_match(info)))
    }
}

impl Subject {
    fn compile(node: Node<'_>) -> Self {
        let field = |key: &str| node.get(key).and_then(Node::as_str).unwrap_or_default();
        match field("kind") {
            "ServiceAccount" => {
                let name = format!("system:serviceaccount:{}:{}", field("namespace"), field("name"));
                Self::User(Wildcard::new(&name))
            }
            "Group" => Self::Group(Wildcard::new(field("name"))),
            "User" => Self::User(Wildcard::new(field("name"))),
            _ => Self::Nobody,
        }
    }

    fn is_match(&self, user_info: Option<Node<'_>>) -> bool {
        let field = |key: &str| user_info.and_then(|info| info.get(key));
        match self {
            Self::User(name) => name.is_match(field("username").and_then(Node::as_str).unwrap_or_default()),
            Self::Group(name) => field("groups")
                .into_iter()
                .flat_map(Node::items)
                .filter_map(Node::as_str)
                .any(|group| name.is_match(group)),
            Self::Nobody => false,
        }
    }
}
