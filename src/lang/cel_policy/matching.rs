//! `matchConstraints` and a binding's `matchResources`: whether a resource is meant.
//!
//! Upstream: `pkg/admission/plugin/webhook/predicates/rules` and `…/policy/matching` of the API server; Kyverno's `pkg/cel/matching`
//! knows no equivalent resources. A scan is about the object itself, never about a subresource.
//!
//! `matchPolicy: Equivalent` (the default) converts an object to the version that a rule names. In a scan of a cluster each policy is given the
//! object in the versions that it names, so its rules tell versions apart whatever `matchPolicy` is. What is excluded, and what a binding
//! restricts, is not converted: with `Equivalent` it means all versions, and Events in both of their groups.

use super::names;
use super::selector::LabelSelector;
use crate::document::Node;
use crate::gostd::wildcard::Wildcard;
use crate::inventory::guess_plural;
use crate::lang::{Inputs, Operation};
use crate::matching::KindSelector;
use crate::model::{FactKey, FactValue, ResourceKey};

/// Whether a resource is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Yes,
    No,
    /// A fact has to be fetched first; it is noted in the inputs.
    Needs,
    /// A look-up failed, or the constraints are not valid.
    Failed(String),
}

/// Whose constraints they are, which decides whether they tell versions apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A policy of Kyverno's, for which versions always differ.
    Kyverno,
    /// An admission policy: `matchPolicy` decides about what it excludes.
    AdmissionPolicy,
    /// A binding of one: `matchPolicy` decides about all of it.
    Binding,
}

/// The other group in which the API server serves the same objects; Events alone have one.
fn other_group(key: &ResourceKey) -> Option<&'static str> {
    match (key.group.as_str(), key.kind.as_str()) {
        ("", "Event") => Some("events.k8s.io"),
        ("events.k8s.io", "Event") => Some(""),
        _ => None,
    }
}

/// Compiled constraints.
#[derive(Clone, Debug, Default)]
pub(super) struct MatchConstraints {
    /// None at all match everything.
    rules: Vec<ResourceRule>,
    excludes: Vec<ResourceRule>,
    objects: LabelSelector,
    namespaces: LabelSelector,
    /// Payloads that are no objects of Kubernetes are meant, and nothing else.
    is_for_payloads: bool,
}

#[derive(Clone, Debug)]
struct ResourceRule {
    groups: Vec<String>,
    /// Empty: any.
    versions: Vec<String>,
    /// Plural and subresource.
    resources: Vec<(String, String)>,
    /// Whether the object is meant in whichever group it is served.
    is_of_any_form: bool,
    operations: Vec<String>,
    names: Vec<String>,
    scope: Scope,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    Any,
    Namespaced,
    Cluster,
}

fn texts(node: Node<'_>, key: &str) -> Vec<String> {
    let items = node.get(key).into_iter().flat_map(Node::items);
    items.filter_map(Node::as_str).map(str::to_owned).collect()
}

impl ResourceRule {
    fn compile(rule: Node<'_>, has_versions: bool) -> Self {
        let resources = texts(rule, "resources").into_iter().map(|resource| match resource.split_once('/') {
            Some((resource, subresource)) => (resource.to_owned(), subresource.to_owned()),
            None => (resource, String::new()),
        });
        Self {
            groups: texts(rule, "apiGroups"),
            versions: if has_versions { texts(rule, "apiVersions") } else { vec!["*".to_owned()] },
            resources: resources.collect(),
            is_of_any_form: !has_versions,
            operations: texts(rule, "operations"),
            names: texts(rule, "resourceNames"),
            scope: match rule.get("scope").and_then(Node::as_str) {
                Some("Namespaced") => Scope::Namespaced,
                Some("Cluster") => Scope::Cluster,
                _ => Scope::Any,
            },
        }
    }

    fn is_match(&self, inputs: &Inputs<'_>, plural: &str) -> bool {
        let key = &inputs.resource.key;
        let has = |list: &[String], wanted: &str| list.iter().any(|known| known == "*" || known == wanted);
        let is_in_scope = match self.scope {
            Scope::Any => true,
            Scope::Namespaced => !key.is_namespace() && !key.namespace.is_empty(),
            Scope::Cluster => key.is_namespace() || key.namespace.is_empty(),
        };
        is_in_scope
            && has(&self.operations, inputs.request.operation.as_str())
            && (has(&self.groups, &key.group)
                || self.is_of_any_form && other_group(key).is_some_and(|group| has(&self.groups, group)))
            && has(&self.versions, &inputs.resource.version)
            && self.resources.iter().any(|(resource, subresource)| {
                (resource == "*" || resource == plural)
                    && (subresource == "*" || *subresource == inputs.request.subresource)
            })
            && self.is_named(inputs)
    }

    fn is_named(&self, inputs: &Inputs<'_>) -> bool {
        if self.names.is_empty() {
            return true;
        }
        let name = &inputs.resource.key.name;
        if name.is_empty() {
            let prefix = inputs.object().path(&["metadata", "generateName"]).and_then(Node::as_str);
            return self.names.iter().any(|name| prefix.unwrap_or_default().starts_with(name.as_str()));
        }
        self.names.contains(name)
    }

    fn kinds(&self) -> impl Iterator<Item = KindSelector> + '_ {
        self.groups.iter().flat_map(move |group| {
            self.versions.iter().flat_map(move |version| {
                self.resources.iter().flat_map(move |(resource, _)| {
                    names::kinds_of_plural(group, resource).into_iter().map(move |kind| KindSelector {
                        group: Wildcard::new(group),
                        version: Wildcard::new(version),
                        kind,
                    })
                })
            })
        })
    }
}

impl MatchConstraints {
    /// Compiles constraints.
    pub(super) fn compile(node: Node<'_>, place: Place) -> Self {
        let is_exact =
            place == Place::Kyverno || node.get("matchPolicy").and_then(Node::as_str) == Some("Exact");
        let rules = |key: &str, has_versions: bool| {
            let rules = node.get(key).into_iter().flat_map(Node::items);
            rules.map(|rule| ResourceRule::compile(rule, has_versions)).collect()
        };
        Self {
            rules: rules("resourceRules", is_exact || place != Place::Binding),
            excludes: rules("excludeResourceRules", is_exact),
            objects: LabelSelector::compile(node.get("objectSelector")),
            namespaces: LabelSelector::compile(node.get("namespaceSelector")),
            is_for_payloads: false,
        }
    }

    /// Those of a policy about JSON payloads, which have no kind.
    pub(super) fn payloads() -> Self {
        Self { is_for_payloads: true, ..Self::default() }
    }

    /// The kinds that may be meant; wider than what matches, never narrower.
    pub(super) fn kinds(&self) -> Vec<KindSelector> {
        let mut kinds: Vec<KindSelector> = Vec::new();
        if self.rules.is_empty() {
            let any = || Wildcard::new("*");
            let kind = if self.is_for_payloads { Wildcard::new("") } else { any() };
            kinds.push(KindSelector { group: any(), version: any(), kind });
        }
        for kind in self.rules.iter().flat_map(ResourceRule::kinds) {
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        kinds
    }

    /// Whether a resource is meant. What the identity tells is asked first, a namespace's labels last.
    pub(super) fn answer(&self, inputs: &Inputs<'_>) -> Answer {
        let key = &inputs.resource.key;
        if key.kind.is_empty() || self.is_for_payloads {
            return if key.kind.is_empty() && self.is_for_payloads { Answer::Yes } else { Answer::No };
        }
        let Some(plural) = self.plural(inputs) else { return Answer::Needs };
        if self.excludes.iter().any(|rule| rule.is_match(inputs, &plural)) {
            return Answer::No;
        }
        if !self.rules.is_empty() && !self.rules.iter().any(|rule| rule.is_match(inputs, &plural)) {
            return Answer::No;
        }
        if let Some(message) = self.namespaces.invalid().or(self.objects.invalid()) {
            return Answer::Failed(message.to_owned());
        }
        if !self.objects.is_empty() && !self.selects_object(inputs) {
            return Answer::No;
        }
        self.selects_namespace(inputs)
    }

    /// The plural that rules are compared with; `None` if it has to be asked for. It is not asked for where its guess decides.
    fn plural(&self, inputs: &Inputs<'_>) -> Option<String> {
        let rules = self.rules.iter().chain(&self.excludes);
        let mut named = rules.flat_map(|rule| &rule.resources).map(|(plural, _)| plural.as_str());
        let guess = guess_plural(&inputs.resource.key.kind);
        if named.clone().all(|plural| plural == "*") || named.any(|plural| plural == guess) {
            return Some(guess);
        }
        names::plural_of(inputs.resource, inputs)
    }

    fn selects_object(&self, inputs: &Inputs<'_>) -> bool {
        let labels = |object: Node<'_>| self.objects.is_match(object.path(&["metadata", "labels"]));
        let old = inputs.request.old_object.as_ref();
        (inputs.request.operation != Operation::Delete && labels(inputs.object()))
            || old.is_some_and(|old| labels(old.root()))
    }

    fn selects_namespace(&self, inputs: &Inputs<'_>) -> Answer {
        let key = &inputs.resource.key;
        if self.namespaces.is_empty() || (key.namespace.is_empty() && !key.is_namespace()) {
            return Answer::Yes;
        }
        let is_match = if key.is_namespace() {
            self.namespaces.is_match(inputs.object().path(&["metadata", "labels"]))
        } else {
            match inputs.fact(&FactKey::NamespaceLabels(key.namespace.clone())) {
                None => return Answer::Needs,
                Some(FactValue::Found(labels)) => self.namespaces.is_match(Some(labels.root())),
                Some(FactValue::Missing) => self.namespaces.is_match(None),
                Some(FactValue::Failed { message, .. } | FactValue::Refused(message)) => {
                    return Answer::Failed(message.clone());
                }
            }
        };
        if is_match { Answer::Yes } else { Answer::No }
    }
}
