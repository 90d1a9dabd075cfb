//! What evaluations read beside their resource, asked of the API server. A failed look-up is a value that
//! says whether a later scan may do better.

use std::collections::BTreeMap;

use http::Method;

use super::client::{Ask, ClusterClient, METADATA_LIST};
use super::context_entries::ask_entry;
use super::discovery::{Discovery, Served};
use super::failure::{ApiFailure, FailureClass};
use super::list::ListOf;
use super::page::metadata_of;
use super::path::{self, ResourcePath};
use super::source::ClusterSource;
use crate::document::{Document, DocumentBuilder, Node};
use crate::limits;
use crate::model::{FactKey, FactValue};

/// The labels of all namespaces by name, or why they could not be listed.
pub(super) type LabelsOfNamespaces = Result<BTreeMap<String, Document>, ApiFailure>;

/// Looks up a fact.
pub(super) async fn ask_fact(source: &ClusterSource, key: &FactKey) -> FactValue {
    let client = &source.client;
    match key {
        FactKey::NamespaceLabels(name) => labels(source, name).await,
        FactKey::Namespace(name) => {
            object(client, &ResourcePath::new("", "v1", "namespaces"), "", name).await
        }
        FactKey::ConfigMap { namespace, name } => {
            object(client, &ResourcePath::new("", "v1", "configmaps"), namespace, name).await
        }
        FactKey::ApiCall { method, path, body } => api_call(client, method, path, body).await,
        FactKey::GlobalContext { name, projection } => ask_entry(source, name, projection).await,
        FactKey::ServiceCall { .. }
        | FactKey::Image(_)
        | FactKey::ImageDigest(_)
        | FactKey::Attached { .. } => source.outside.fact(key).await,
        FactKey::Kind { group, version, kind } => served_as(source, group, version, kind).await,
        FactKey::Objects { group, version, kind, namespace, name, selector } => {
            let served = match served(source, group, version, kind).await {
                Ok(Some(served)) => served,
                Ok(None) => {
                    return failed(format!("the API server does not serve {kind} of {group}/{version}"));
                }
                Err(unknown) => return unknown,
            };
            let path = Discovery::path_of(group, &served);
            if served.is_namespaced && namespace.is_empty() && !name.is_empty() {
                return failed(format!("{kind} `{name}` cannot be looked up without a namespace"));
            }
            let namespace = if served.is_namespaced { namespace } else { "" };
            if name.is_empty() {
                objects(source, &path, namespace, selector, Some(&served.kind)).await
            } else {
                object(client, &path, namespace, name).await
            }
        }
    }
}

/// What the API server has of a kind; `None` if it has nothing, and `Err` with what to say if that cannot be found out.
async fn served(
    source: &ClusterSource,
    group: &str,
    version: &str,
    kind: &str,
) -> Result<Option<Served>, FactValue> {
    let scan = source.of_scan();
    let discovery = source.discovery(&scan).await?;
    match discovery.find(group, version, kind) {
        Some(served) => Ok(Some(served.clone())),
        None if discovery.unknown_groups.contains(group) => {
            let message = format!("what the API group {group} serves could not be found out");
            Err(FactValue::Failed { message, is_transient: true })
        }
        None => Ok(None),
    }
}

/// What a kind is served as.
async fn served_as(source: &ClusterSource, group: &str, version: &str, kind: &str) -> FactValue {
    match served(source, group, version, kind).await {
        Ok(Some(served)) => {
            let mut builder = DocumentBuilder::new();
            builder.open_object();
            builder.key("version");
            builder.string(&served.version);
            builder.key("plural");
            builder.string(&served.plural);
            builder.key("isNamespaced");
            builder.bool(served.is_namespaced);
            builder.close();
            FactValue::Found(builder.finish())
        }
        Ok(None) => FactValue::Missing,
        Err(unknown) => unknown,
    }
}

/// A failure that a later scan does not repair by itself.
pub(super) fn failed(message: String) -> FactValue {
    FactValue::Failed { message, is_transient: false }
}

impl From<ApiFailure> for FactValue {
    fn from(failure: ApiFailure) -> Self {
        match failure.class {
            FailureClass::NotFound => Self::Missing,
            _ => Self::Failed { is_transient: failure.is_transient(), message: failure.message },
        }
    }
}

async fn object(client: &ClusterClient, path: &ResourcePath, namespace: &str, name: &str) -> FactValue {
    if name.is_empty() {
        return failed(format!("an object of {} cannot be looked up without a name", path.named()));
    }
    match client.ask(&Ask::get("get", path.counted(), path.one(namespace, name))).await {
        Ok(reply) => document(&reply),
        Err(failure) => failure.into(),
    }
}

fn document(reply: &[u8]) -> FactValue {
    match Document::from_json(reply) {
        Ok(document) => FactValue::Found(document),
        Err(error) => failed(format!("the reply cannot be read: {error}")),
    }
}

/// The labels of a namespace, out of one list of all of them; one that is newer than the list is asked for by
/// its name.
async fn labels(source: &ClusterSource, name: &str) -> FactValue {
    let scan = source.of_scan();
    match scan.namespaces.get_or_init(|| list_labels(source)).await {
        Ok(labels) => match labels.get(name) {
            Some(labels) => FactValue::Found(labels.clone()),
            None => {
                match object(&source.client, &ResourcePath::new("", "v1", "namespaces"), "", name).await {
                    FactValue::Found(namespace) => FactValue::Found(labels_of(namespace.root())),
                    other => other,
                }
            }
        },
        Err(failure) => failure.clone().into(),
    }
}

async fn list_labels(source: &ClusterSource) -> LabelsOfNamespaces {
    #[derive(Default, serde::Deserialize)]
    #[serde(default)]
    struct Labelled {
        name: String,
        labels: BTreeMap<String, String>,
    }
    let path = ResourcePath::new("", "v1", "namespaces");
    let mut labels = BTreeMap::new();
    let of = ListOf { accept: METADATA_LIST, ..ListOf::all(&path) };
    source
        .lists
        .each(of, &mut |namespace| {
            let found: Labelled = metadata_of(namespace)?;
            let mut builder = DocumentBuilder::new();
            builder.open_object();
            for (key, value) in &found.labels {
                builder.key(key);
                builder.string(value);
            }
            builder.close();
            labels.insert(found.name, builder.finish());
            Ok(())
        })
        .await?;
    Ok(labels)
}

fn labels_of(object: Node<'_>) -> Document {
    let mut builder = DocumentBuilder::new();
    if let Some(labels) = object.path(&["metadata", "labels"]) {
        builder.node(labels);
    } else {
        builder.open_object();
        builder.close();
    }
    builder.finish()
}

/// All objects of a resource as one list. With a kind, items get the `apiVersion` and `kind` that the server
/// leaves out.
pub(super) async fn objects(
    source: &ClusterSource,
    path: &ResourcePath,
    namespace: &str,
    selector: &str,
    kind: Option<&str>,
) -> FactValue {
    let api_version =
        if path.group.is_empty() { path.version.clone() } else { format!("{}/{}", path.group, path.version) };
    // By name, since a list that starts again tells objects twice.
    let mut items: BTreeMap<(String, String), Document> = BTreeMap::new();
    let mut n_bytes = 0;
    let of = ListOf { namespace, selector, ..ListOf::all(path) };
    let end = source
        .lists
        .each(of, &mut |object| {
            n_bytes += object.len();
            if n_bytes > limits::FACT_LIST_BYTES_MAX {
                let max = limits::FACT_LIST_BYTES_MAX;
                let message = format!("the list of {} is longer than {max} bytes", path.named());
                return Err(ApiFailure::new(FailureClass::TooLarge, message));
            }
            let read = match kind {
                Some(kind) => Document::from_list_item(object, &api_version, kind),
                None => Document::from_json(object),
            };
            let item = read.map_err(|error| ApiFailure::new(FailureClass::Unreadable, error.to_string()))?;
            let text = |key: &str| {
                let found = item.root().path(&["metadata", key]).and_then(Node::as_str);
                found.unwrap_or_default().to_owned()
            };
            let key = (text("namespace"), text("name"));
            items.insert(key, item);
            Ok(())
        })
        .await;
    if let Err(failure) = end {
        return failure.into();
    }
    let mut builder = DocumentBuilder::new();
    builder.open_object();
    builder.key("apiVersion");
    builder.string(&api_version);
    builder.key("kind");
    builder.string(&format!("{}List", kind.unwrap_or_default()));
    builder.key("metadata");
    builder.open_object();
    builder.close();
    builder.key("items");
    builder.open_array();
    for item in items.values() {
        builder.node(item.root());
    }
    builder.close();
    builder.close();
    FactValue::Found(builder.finish())
}

/// What the API server answers to a request that a policy makes.
pub(super) async fn api_call(client: &ClusterClient, method: &str, path: &str, body: &str) -> FactValue {
    if !path.starts_with('/') {
        return failed(format!("the path `{path}` does not start with `/`"));
    }
    let (resource, is_one) = path::counted(path);
    let path = path::tidy(path);
    let ask = match method {
        "GET" => Ask::get(if is_one { "get" } else { "list" }, resource, path),
        "POST" => {
            let settings = client.settings();
            if !settings.allows_any_post && !is_review(&path, body) {
                return failed(format!(
                    "POST {path} is not allowed by the configuration: only reviews are, which change nothing"
                ));
            }
            Ask::with_body("create", Method::POST, resource, path, body.as_bytes().to_vec())
        }
        other => return failed(format!("the method `{other}` is neither GET nor POST")),
    };
    match client.ask(&ask).await {
        Ok(reply) => match document(&reply) {
            FactValue::Found(found) => FactValue::Found(without_revision(found)),
            other => other,
        },
        Err(failure) => failure.into(),
    }
}

/// Whether a POST only asks: `SubjectAccessReview`, `TokenReview` and the like.
fn is_review(path: &str, body: &str) -> bool {
    #[derive(serde::Deserialize)]
    struct Typed {
        kind: String,
    }
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    let is_reviews = path.rsplit('/').next().is_some_and(|plural| plural.ends_with("reviews"));
    let group = path.strip_prefix("/apis/").and_then(|rest| rest.split('/').next());
    is_reviews
        && matches!(group, Some("authorization.k8s.io" | "authentication.k8s.io"))
        && serde_json::from_str::<Typed>(body).is_ok_and(|typed| typed.kind.ends_with("Review"))
}

/// A list without the revision that it was read at, which moves with every write to the cluster, and without
/// its items' `managedFields`.
fn without_revision(document: Document) -> Document {
    let root = document.root();
    let is_list = root.get("kind").and_then(Node::as_str).is_some_and(|kind| kind.ends_with("List"));
    let Some(items) = root.get("items").filter(|_| is_list) else { return document };
    let mut builder = DocumentBuilder::new();
    builder.open_object();
    for (key, value) in root.entries() {
        builder.key(key);
        match key {
            "metadata" => {
                builder.open_object();
                builder.close();
            }
            "items" => {
                builder.open_array();
                items.items().for_each(|item| without_managed_fields(&mut builder, item));
                builder.close();
            }
            _ => builder.node(value),
        }
    }
    builder.close();
    builder.finish()
}

fn without_managed_fields(builder: &mut DocumentBuilder, object: Node<'_>) {
    if object.path(&["metadata", "managedFields"]).is_none() {
        return builder.node(object);
    }
    builder.open_object();
    for (key, value) in object.entries() {
        builder.key(key);
        if key == "metadata" {
            builder.open_object();
            for (key, value) in value.entries().filter(|(key, _)| *key != "managedFields") {
                builder.key(key);
                builder.node(value);
            }
            builder.close();
        } else {
            builder.node(value);
        }
    }
    builder.close();
}
