//! Values files: what a test gives for variables, namespaces and subresources. Upstream:
//! `cmd/cli/kubectl-kyverno/apis/v1alpha1/values_spec.go`, `variables/variables.go`,
//! `store/contextloader.go`.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::document::{Document, DocumentBuilder, Kind, Node};
use crate::lang::Operation;
use crate::model::Gvk;

use super::case::text;

/// Values by the dotted name of a variable.
pub(super) type Given = BTreeMap<String, Arc<Document>>;

/// What the values files of one test say.
#[derive(Clone, Debug, Default)]
pub(super) struct Values {
    global: Given,
    resources: Vec<(String, String, Given)>,
    rules: Vec<(String, String, Given)>,
    namespaces: BTreeMap<String, Arc<Document>>,
    subresources: Vec<Subresource>,
}

/// A kind that is a subresource of another.
#[derive(Clone, Debug)]
pub(super) struct Subresource {
    /// The kind that the object has.
    pub(super) kind: Gvk,
    /// The kind that policies match.
    pub(super) parent: Gvk,
    /// Such as `scale`.
    pub(super) name: String,
}

impl Values {
    /// Adds what a values file, or the field `values` of a test, says. Later files win.
    pub(super) fn add(&mut self, values: Node<'_>) {
        self.global.extend(given(values.get("globalValues")));
        for policy in list(values, "policies") {
            let name = text(policy, "name").to_owned();
            for resource in list(policy, "resources") {
                let values = given(resource.get("values"));
                self.resources.push((name.clone(), text(resource, "name").to_owned(), values));
            }
            for rule in list(policy, "rules") {
                let mut values = given(rule.get("values"));
                let foreach = given(rule.get("foreachValues"));
                values.extend(foreach.into_iter().map(|(name, value)| (name + "[]", value)));
                self.rules.push((name.clone(), text(rule, "name").to_owned(), values));
            }
        }
        for selector in list(values, "namespaceSelector") {
            let name = text(selector, "name");
            let namespace = namespace(name, selector.get("labels"));
            self.namespaces.entry(name.to_owned()).or_insert_with(|| Arc::new(namespace));
        }
        for namespace in list(values, "namespaces") {
            let name = namespace.path(&["metadata", "name"]).and_then(Node::as_str).unwrap_or_default();
            self.namespaces.insert(name.to_owned(), Arc::new(copy(namespace)));
        }
        for entry in list(values, "subresources") {
            let (Some(sub), Some(parent)) = (entry.get("subresource"), entry.get("parentResource")) else {
                continue;
            };
            self.subresources.push(Subresource {
                kind: gvk(sub),
                parent: gvk(parent),
                name: text(sub, "name").split('/').nth(1).unwrap_or_default().to_owned(),
            });
        }
    }

    /// The values for all rules of a policy on a resource.
    pub(super) fn of_resource(&self, policy: &str, resource: &str) -> Given {
        let mut given = self.global.clone();
        for (_, _, values) in self.resources.iter().filter(|(p, r, _)| p == policy && r == resource) {
            given.extend(values.iter().map(|(name, value)| (name.clone(), Arc::clone(value))));
        }
        given
    }

    /// The rules of a policy that have values of their own.
    pub(super) fn of_rules<'v>(&'v self, policy: &'v str) -> impl Iterator<Item = (&'v str, &'v Given)> {
        self.rules
            .iter()
            .filter(move |(p, _, _)| p == policy)
            .map(|(_, rule, values)| (rule.as_str(), values))
    }

    /// A namespace that the values describe.
    pub(super) fn namespace(&self, name: &str) -> Option<&Arc<Document>> {
        self.namespaces.get(name)
    }

    /// What a kind is a subresource of.
    pub(super) fn subresource(&self, kind: &Gvk) -> Option<&Subresource> {
        self.subresources.iter().find(|sub| sub.kind == *kind)
    }

    /// The object with the values that a test gives for parts of it (`request.object.…`), which are taken out
    /// of `given`: policies match and judge the object as it is then. `None` if nothing is given for it.
    pub(super) fn patched(object: &Document, given: &mut Given) -> Option<Document> {
        let mut patched: Option<Document> = None;
        given.retain(|name, value| {
            let path = dotted(name);
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            let ["request", "object", rest @ ..] = path.as_slice() else { return true };
            let mut builder = DocumentBuilder::new();
            let base = patched.as_ref().unwrap_or(object).root();
            put(&mut builder, Some(base), rest, value.root());
            patched = Some(builder.finish());
            false
        });
        patched
    }

    /// The operation that given values ask for.
    pub(super) fn operation(given: &Given) -> Option<Operation> {
        Operation::of(given.get("request.operation")?.root().as_str()?)
    }
}

/// The steps of a variable's name: separated by dots, a step with dots in it within double quotes.
fn dotted(name: &str) -> Vec<String> {
    let mut steps = vec![String::new()];
    let mut is_quoted = false;
    for c in name.chars() {
        match (c, steps.last_mut()) {
            ('"', _) => is_quoted = !is_quoted,
            ('.', _) if !is_quoted => steps.push(String::new()),
            (c, Some(step)) => step.push(c),
            (_, None) => {}
        }
    }
    steps
}

/// Writes `base` with `value` at a path; maps that are missing on the way are made.
fn put(builder: &mut DocumentBuilder, base: Option<Node<'_>>, path: &[&str], value: Node<'_>) {
    let Some((step, rest)) = path.split_first() else { return builder.node(value) };
    builder.open_object();
    for (key, below) in base.into_iter().flat_map(Node::entries).filter(|(key, _)| key != step) {
        builder.key(key);
        builder.node(below);
    }
    builder.key(step);
    put(builder, base.and_then(|base| base.get(step)), rest, value);
    builder.close();
}

fn list<'d>(node: Node<'d>, key: &str) -> impl Iterator<Item = Node<'d>> {
    node.get(key).into_iter().flat_map(Node::items)
}

fn given(values: Option<Node<'_>>) -> Given {
    let entries = values.into_iter().flat_map(Node::entries);
    entries.map(|(name, value)| (name.trim().to_owned(), Arc::new(copy(value)))).collect()
}

/// A value as a document of its own.
pub(super) fn copy(node: Node<'_>) -> Document {
    let mut builder = DocumentBuilder::new();
    builder.node(node);
    builder.finish()
}

fn gvk(node: Node<'_>) -> Gvk {
    let part = |key: &str| text(node, key).to_owned();
    Gvk { group: part("group"), version: part("version"), kind: part("kind") }
}

fn namespace(name: &str, labels: Option<Node<'_>>) -> Document {
    let mut builder = DocumentBuilder::new();
    builder.open_object();
    for (key, value) in [("apiVersion", "v1"), ("kind", "Namespace")] {
        builder.key(key);
        builder.string(value);
    }
    builder.key("metadata");
    builder.open_object();
    builder.key("name");
    builder.string(name);
    if let Some(labels) = labels.filter(|labels| labels.kind() == Kind::Object) {
        builder.key("labels");
        builder.node(labels);
    }
    builder.finish()
}
