//! What look-ups find in a test: its values, its mocks and its cluster resources, and nothing outside of the test but image registries,
//! where they are allowed. Upstream: `cmd/cli/kubectl-kyverno/store/`, `apis/v1alpha1/context.go`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::document::{Document, DocumentBuilder, Node, Value};
use crate::fingerprint;
use crate::folder::{self, Problem, Snapshot};
use crate::lang::jmespath::{Env, Program};
use crate::model::{Fact, FactKey, FactValue};

use super::Registries;
use super::case::{strings, text};
use super::values::{Values, copy};

/// Everything that look-ups can find.
#[derive(Debug, Default)]
pub(super) struct Lookups {
    /// The objects of `clusterResources`, of the context file, parameters and the resources themselves.
    pub(super) snapshot: Snapshot,
    /// Whether the test has a cluster: then API calls are answered from the snapshot.
    pub(super) has_cluster: bool,
    responses: Vec<Response>,
    global: BTreeMap<String, Result<Document, String>>,
    images: BTreeMap<String, Arc<Document>>,
    /// Who asks image registries, if they are asked.
    registries: Option<Registries>,
}

#[derive(Debug)]
struct Response {
    method: String,
    url: String,
    body: Document,
}

impl Lookups {
    /// Nothing yet, and registries by who asks them.
    pub(super) fn asking(registries: Option<Registries>) -> Self {
        Self { registries, ..Self::default() }
    }

    /// Adds the mocks that a test names.
    pub(super) fn add_mocks(&mut self, test: Node<'_>, folder: &Path, problems: &mut Vec<Problem>) {
        for mock in test.get("apiCallResponses").into_iter().flat_map(Node::items) {
            self.responses.push(Response {
                method: text(mock, "method").to_owned(),
                url: ["url", "urlPath"].into_iter().map(|key| text(mock, key)).collect(),
                body: mock.path(&["response", "body"]).map_or_else(Document::null, copy),
            });
        }
        for entry in test.get("globalContextEntries").into_iter().flat_map(Node::items) {
            let data = global_data(entry, folder, problems);
            self.global.insert(text(entry, "name").to_owned(), data);
        }
    }

    /// Adds the images of a context file.
    pub(super) fn add_images(&mut self, context: Node<'_>) {
        for image in context.path(&["spec", "images"]).into_iter().flat_map(Node::items) {
            self.images.insert(text(image, "image").to_owned(), Arc::new(copy(image)));
        }
    }

    /// Looks a fact up.
    pub(super) fn find(&self, key: &FactKey, values: &Values) -> Arc<Fact> {
        let value = self.value(key, values);
        Arc::new(fingerprint::fact(value))
    }

    fn value(&self, key: &FactKey, values: &Values) -> FactValue {
        match key {
            FactKey::NamespaceLabels(name) | FactKey::Namespace(name) if values.namespace(name).is_some() => {
                let namespace = values.namespace(name).map(|namespace| Document::clone(namespace));
                let labels = |namespace: &Document| {
                    namespace.root().path(&["metadata", "labels"]).map_or_else(Document::null, copy)
                };
                match (key, namespace) {
                    (FactKey::NamespaceLabels(_), Some(namespace)) => FactValue::Found(labels(&namespace)),
                    (_, Some(namespace)) => FactValue::Found(namespace),
                    (_, None) => FactValue::Missing,
                }
            }
            FactKey::ServiceCall { method, url, options, .. } => match self.response(method, url) {
                Some(FactValue::Found(body)) if options.contains("\"answersStatus\":true") => {
                    FactValue::Found(with_status(&body))
                }
                Some(response) => response,
                None => failed(format!("there is no response for `{url}`")),
            },
            FactKey::ApiCall { method, path, .. } => match self.response(method, path) {
                Some(response) => response,
                None if self.has_cluster => self.snapshot.answer(key).unwrap_or(FactValue::Missing),
                None => {
                    failed(format!("there is no response for `{path}` and there are no cluster resources"))
                }
            },
            FactKey::GlobalContext { name, projection } => self.global_value(name, projection),
            FactKey::Image(name) => match self.images.get(name) {
                Some(image) => FactValue::Found(Document::clone(image)),
                None => self.registries.as_ref().map_or_else(
                    || {
                        let message = "is not in the test's context, and registries are not asked";
                        failed(format!("image `{name}` {message}: see `--registry`"))
                    },
                    |registries| registries.ask(key),
                ),
            },
            FactKey::ImageDigest(_) | FactKey::Attached { .. } => self.registries.as_ref().map_or_else(
                || FactValue::Refused("registries are not asked in a test without `--registry`".to_owned()),
                |registries| registries.ask(key),
            ),
            _ => self.snapshot.answer(key).unwrap_or(FactValue::Missing),
        }
    }

    fn response(&self, method: &str, url: &str) -> Option<FactValue> {
        let is_it = |response: &&Response| {
            response.url == url
                && (response.method.is_empty() || response.method.eq_ignore_ascii_case(method))
        };
        self.responses.iter().find(is_it).map(|response| FactValue::Found(response.body.clone()))
    }

    fn global_value(&self, name: &str, projection: &str) -> FactValue {
        match self.global.get(name) {
            None => FactValue::Missing,
            Some(Err(message)) => failed(message.clone()),
            Some(Ok(data)) if projection.is_empty() => FactValue::Found(data.clone()),
            Some(Ok(data)) => match data.root().get(projection) {
                Some(projected) => FactValue::Found(copy(projected)),
                None => failed(format!("global context entry `{name}` has no projection `{projection}`")),
            },
        }
    }
}

/// A mocked body as the answer of a call that looks at the status itself. Tests read its fields as those of the answer, as they are in a
/// scan, or below `body`, as the reference's tests have it.
fn with_status(body: &Document) -> Document {
    let mut builder = DocumentBuilder::new();
    builder.open_object();
    builder.key("statusCode");
    builder.int(200);
    builder.key("body");
    builder.open_object();
    for (key, value) in body.root().entries().filter(|(key, _)| *key != "body") {
        builder.key(key);
        builder.node(value);
    }
    builder.key("body");
    builder.node(body.root());
    builder.close();
    builder.close();
    builder.finish()
}

fn failed(message: String) -> FactValue {
    FactValue::Failed { message, is_transient: false }
}

/// The data of a mocked global context entry: given, or the listed resources; with projections a map of
/// those.
fn global_data(entry: Node<'_>, folder: &Path, problems: &mut Vec<Problem>) -> Result<Document, String> {
    let name = text(entry, "name");
    let mut data = match (entry.get("data"), entry.get("resources")) {
        (Some(data), _) => copy(data),
        (None, Some(resources)) => copy(resources),
        (None, None) => resources_of(&strings(entry, "resourceFiles"), folder, problems),
    };
    let field = text(entry, "fieldPath");
    if !field.is_empty() {
        data = search(field, &data).map_err(|error| format!("global context entry `{name}`: {error}"))?;
    }
    let projections: Vec<Node<'_>> = entry.get("projections").into_iter().flat_map(Node::items).collect();
    if projections.is_empty() {
        return Ok(data);
    }
    let mut builder = DocumentBuilder::new();
    builder.open_object();
    for projection in projections {
        let value = search(text(projection, "path"), &data)
            .map_err(|error| format!("global context entry `{name}`: {error}"))?;
        builder.key(text(projection, "name"));
        builder.node(value.root());
    }
    Ok(builder.finish())
}

fn resources_of(files: &[&str], folder: &Path, problems: &mut Vec<Problem>) -> Document {
    let mut builder = DocumentBuilder::new();
    builder.open_array();
    for file in files {
        for manifest in folder::read_file(&folder.join(file), problems) {
            match manifest.parse() {
                Ok(object) => builder.node(object.root()),
                Err(error) => problems.push(error.into()),
            }
        }
    }
    builder.finish()
}

/// What a `JMESPath` expression finds in data.
fn search(path: &str, data: &Document) -> Result<Document, String> {
    // Numbers of decoded JSON are floats in Go, and only floats compare.
    let data = data.clone().with_integers_as_floats();
    let program = Program::compile(path).map_err(|error| error.to_string())?;
    let found = program
        .evaluate_on(&Value::from(data.root()), &Env::new(0, 0))
        .map_err(|error| format!("`{path}`: {error}"))?;
    let found = Document::from_json(found.to_json().as_bytes()).map_err(|error| error.to_string())?;
    Ok(found.with_whole_floats_as_integers())
}
