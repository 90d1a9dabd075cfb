//! Objects as an API server would serve them: single objects, lists, namespace labels, `ConfigMaps`, GET
//! requests by path.
//!
//! Answers facts from what was put in and nothing else. Services, images and global context entries are not
//! known here.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::selector::Selector;
use crate::document::{Document, DocumentBuilder, Node};
use crate::inventory::{KindInfo, Scopes};
use crate::model::{FactKey, FactValue, ResourceKey};

/// Objects by identity, with what is known of their kinds.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    scopes: Scopes,
    objects: BTreeMap<ResourceKey, Arc<Document>>,
}

/// Which objects are asked for: a name, or a list.
struct Query<'q> {
    group: &'q str,
    version: &'q str,
    kind: String,
    namespace: &'q str,
    name: &'q str,
    labels: &'q str,
    fields: &'q str,
}

impl Snapshot {
    /// An empty snapshot that knows these kinds.
    pub fn new(scopes: Scopes) -> Self {
        Self { scopes, objects: BTreeMap::new() }
    }

    /// Adds or replaces an object.
    pub fn insert(&mut self, key: ResourceKey, object: Arc<Document>) {
        self.objects.insert(key, object);
    }

    /// The object of that identity.
    pub fn get(&self, key: &ResourceKey) -> Option<&Arc<Document>> {
        self.objects.get(key)
    }

    /// What is known of kinds.
    pub fn scopes(&self) -> &Scopes {
        &self.scopes
    }

    /// What a look-up finds; `None` for what is not the API server's business.
    pub fn answer(&self, key: &FactKey) -> Option<FactValue> {
        Some(match key {
            FactKey::NamespaceLabels(name) => match self.core("Namespace", "", name) {
                Some(object) => FactValue::Found(labels_of(object)),
                None => FactValue::Missing,
            },
            FactKey::Namespace(name) => found(self.core("Namespace", "", name)),
            FactKey::ConfigMap { namespace, name } => found(self.core("ConfigMap", namespace, name)),
            FactKey::ApiCall { method, path, .. } => self.request(method, path),
            FactKey::Objects { group, version, kind, namespace, name, selector } => self.query(&Query {
                group,
                version,
                kind: self.scopes.kind_of_plural(group, kind).unwrap_or(kind).to_owned(),
                namespace,
                name,
                labels: selector,
                fields: "",
            }),
            FactKey::Kind { group, version, kind } => match self.scopes.get(group, kind) {
                Some(info) => FactValue::Found(served_as(info, version)),
                None => FactValue::Missing,
            },
            FactKey::ServiceCall { .. }
            | FactKey::GlobalContext { .. }
            | FactKey::Image(_)
            | FactKey::ImageDigest(_)
            | FactKey::Attached { .. } => return None,
        })
    }

    fn core(&self, kind: &str, namespace: &str, name: &str) -> Option<&Arc<Document>> {
        self.objects.get(&key_of("", kind, namespace, name))
    }

    /// A GET request by its path, such as `/apis/apps/v1/namespaces/prod/deployments?labelSelector=a%3Db`.
    fn request(&self, method: &str, path: &str) -> FactValue {
        if method != "GET" {
            return failed(format!("{method} requests are not answered from files"));
        }
        let (path, parameters) = path.split_once('?').unwrap_or((path, ""));
        let steps: Vec<&str> = path.split('/').filter(|step| !step.is_empty()).collect();
        let (group, version, rest) = match steps.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return failed(format!("the path `{path}` is not one of the API")),
        };
        let (namespace, plural, name) = match rest {
            ["namespaces"] => ("", "namespaces", ""),
            ["namespaces", name] => ("", "namespaces", *name),
            ["namespaces", namespace, plural] => (*namespace, *plural, ""),
            ["namespaces", namespace, plural, name] => (*namespace, *plural, *name),
            [plural] => ("", *plural, ""),
            [plural, name] => ("", *plural, *name),
            _ => return failed(format!("the path `{path}` is not answered from files")),
        };
        let Some(kind) = self.kind_of(group, plural) else { return FactValue::Missing };
        let parameter = |wanted: &str| {
            let pairs = parameters.split('&').filter_map(|pair| pair.split_once('='));
            pairs
                .filter(|(key, _)| *key == wanted)
                .map(|(_, value)| unescape(value))
                .next()
                .unwrap_or_default()
        };
        let (labels, fields) = (parameter("labelSelector"), parameter("fieldSelector"));
        self.query(&Query { group, version, kind, namespace, name, labels: &labels, fields: &fields })
    }

    /// The kind of a plural: a known one, or that of an object whose kind is guessed to have it.
    fn kind_of(&self, group: &str, plural: &str) -> Option<String> {
        self.scopes.kind_of_plural(group, plural).map(str::to_owned).or_else(|| {
            let of_group = self.objects.keys().filter(|key| key.group == group);
            of_group
                .map(|key| key.kind.as_str())
                .find(|kind| crate::inventory::guess_plural(kind) == plural)
                .map(str::to_owned)
        })
    }

    fn query(&self, query: &Query<'_>) -> FactValue {
        let Query { group, version, kind, namespace, name, .. } = query;
        if !name.is_empty() {
            return found(self.objects.get(&key_of(group, kind, namespace, name)));
        }
        let selector = match Selector::parse(query.labels) {
            Ok(selector) => selector,
            Err(message) => return failed(message),
        };
        let fields = match field_values(query.fields) {
            Ok(fields) => fields,
            Err(message) => return failed(message),
        };
        let from = key_of(group, kind, namespace, "");
        let objects = self.objects.range((Bound::Included(from), Bound::Unbounded));
        let of_kind = objects.take_while(|(key, _)| key.group == *group && key.kind == **kind);
        let mut builder = DocumentBuilder::new();
        builder.open_object();
        builder.key("apiVersion");
        builder.string(&if group.is_empty() { (*version).to_owned() } else { format!("{group}/{version}") });
        builder.key("kind");
        builder.string(&format!("{kind}List"));
        builder.key("metadata");
        builder.open_object();
        builder.close();
        builder.key("items");
        builder.open_array();
        for (key, object) in of_kind {
            let is_in_place = namespace.is_empty() || key.namespace == *namespace;
            let has_fields = fields.iter().all(|(field, value)| match *field {
                "metadata.name" => key.name == *value,
                _ => key.namespace == *value,
            });
            if is_in_place && has_fields && selector.matches(object.root().path(&["metadata", "labels"])) {
                builder.node(object.root());
            }
        }
        FactValue::Found(builder.finish())
    }
}

fn key_of(group: &str, kind: &str, namespace: &str, name: &str) -> ResourceKey {
    ResourceKey { group: group.into(), kind: kind.into(), namespace: namespace.into(), name: name.into() }
}

fn found(object: Option<&Arc<Document>>) -> FactValue {
    object.map_or(FactValue::Missing, |object| FactValue::Found(Document::clone(object)))
}

fn failed(message: String) -> FactValue {
    FactValue::Failed { message, is_transient: false }
}

/// What a kind is served as, for [`FactKey::Kind`].
pub(super) fn served_as(info: &KindInfo, version: &str) -> Document {
    let mut builder = DocumentBuilder::new();
    builder.open_object();
    builder.key("version");
    builder.string(if version.is_empty() { &info.preferred_version } else { version });
    builder.key("plural");
    builder.string(&info.plural);
    builder.key("isNamespaced");
    builder.bool(info.is_namespaced);
    builder.close();
    builder.finish()
}

/// The labels of an object as a document of their own.
pub(crate) fn labels_of(object: &Document) -> Document {
    let mut builder = DocumentBuilder::new();
    builder.open_object();
    for (key, value) in object.root().path(&["metadata", "labels"]).into_iter().flat_map(Node::entries) {
        builder.key(key);
        builder.node(value);
    }
    builder.finish()
}

/// The parts of a field selector; only the fields that every kind has are known.
fn field_values(text: &str) -> Result<Vec<(&str, &str)>, String> {
    let parts = text.split(',').filter(|part| !part.trim().is_empty());
    parts
        .map(|part| {
            let (field, value) =
                part.split_once('=').ok_or_else(|| format!("bad field selector `{part}`"))?;
            match field.trim() {
                field @ ("metadata.name" | "metadata.namespace") => {
                    Ok((field, value.trim_start_matches('=').trim()))
                }
                field => Err(format!("field selectors on `{field}` are not answered from files")),
            }
        })
        .collect()
}

/// Undoes URL escapes.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let escaped = || {
            let digits = [rest.clone().next()?, rest.clone().nth(1)?];
            u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()
        };
        match byte {
            b'%' => {
                if let Some(byte) = escaped() {
                    bytes.push(byte);
                    rest.nth(1);
                } else {
                    bytes.push(b'%');
                }
            }
            b'+' => bytes.push(b' '),
            byte => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
