//! Global context entries: data that several policies share, looked up once a scan, and the projections over
//! it.
//!
//! The reference refreshes such data in the background and evaluates policies with what it has; a scan looks
//! at the cluster as it is. An entry of `kubernetesResource` is the array of the objects, one of `apiCall` is
//! what the call returns, with all numbers as floats (kyverno `pkg/globalcontext/`).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::OnceCell;

use super::facts::{api_call, failed, objects};
use super::failure::{ApiFailure, FailureClass};
use super::path::ResourcePath;
use super::policies::one_role;
use super::source::ClusterSource;
use crate::document::{Document, DocumentBuilder, Node, Value};
use crate::lang::jmespath::{Env, Program};
use crate::model::FactValue;
use crate::policy::{CompanionSource, PolicyRole};

/// The entries of one scan.
#[derive(Debug, Default)]
pub(super) struct ContextEntries {
    listed: OnceLock<BTreeMap<String, Arc<Document>>>,
    data: Mutex<BTreeMap<String, Arc<OnceCell<FactValue>>>>,
}

impl ContextEntries {
    /// Takes the entries that were listed with the policies.
    pub(super) fn set(&self, companions: &[CompanionSource]) {
        let entries = companions.iter().filter(|companion| companion.role == PolicyRole::GlobalContextEntry);
        let entries = entries.map(|entry| (entry.name.clone(), Arc::clone(&entry.document))).collect();
        // A second list within a scan says the same.
        let _ = self.listed.set(entries);
    }

    fn cell(&self, name: &str) -> Arc<OnceCell<FactValue>> {
        let mut data = self.data.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(data.entry(name.to_owned()).or_default())
    }
}

/// The data of an entry, or one of its projections.
pub(super) async fn ask_entry(source: &ClusterSource, name: &str, projection: &str) -> FactValue {
    let scan = source.of_scan();
    let entry = match entry(source, name).await {
        Ok(Some(entry)) => entry,
        Ok(None) => return FactValue::Missing,
        Err(failure) => return failure.into(),
    };
    let cell = scan.entries.cell(name);
    let data = cell.get_or_init(|| look_up(source, &entry)).await;
    match data {
        FactValue::Found(data) if !projection.is_empty() => project(entry.root(), data, projection),
        FactValue::Missing => failed(format!("the global context entry `{name}` finds nothing")),
        other => other.clone(),
    }
}

/// The entry as it was listed with the policies; asked for where policies were not listed.
async fn entry(source: &ClusterSource, name: &str) -> Result<Option<Arc<Document>>, ApiFailure> {
    let scan = source.of_scan();
    if let Some(listed) = scan.entries.listed.get() {
        return Ok(listed.get(name).cloned());
    }
    let discovery = source.discovery(&scan).await?;
    match one_role(&source.lists, discovery, PolicyRole::GlobalContextEntry).await {
        Ok(companions) => {
            scan.entries.set(&companions);
            Ok(scan.entries.listed.get().and_then(|listed| listed.get(name).cloned()))
        }
        Err(failure) if failure.class == FailureClass::NotFound => Ok(None),
        Err(failure) => Err(failure),
    }
}

async fn look_up(source: &ClusterSource, entry: &Document) -> FactValue {
    let text = |path: &[&str]| entry.root().path(path).and_then(Node::as_str).unwrap_or_default();
    if entry.root().path(&["spec", "kubernetesResource"]).is_some() {
        let of = |key: &str| text(&["spec", "kubernetesResource", key]);
        let path = ResourcePath::new(of("group"), of("version"), of("resource"));
        return match objects(source, &path, of("namespace"), "", None).await {
            FactValue::Found(list) => {
                let mut builder = DocumentBuilder::new();
                match list.root().get("items") {
                    Some(items) => builder.node(items),
                    None => builder.null(),
                }
                FactValue::Found(builder.finish())
            }
            other => other,
        };
    }
    let Some(call) = entry.root().path(&["spec", "apiCall"]) else {
        return failed("a global context entry has neither `kubernetesResource` nor `apiCall`".to_owned());
    };
    let body = call.get("data").filter(|data| !data.is_empty()).map(body_of).unwrap_or_default();
    let method = match call.get("method").and_then(Node::as_str) {
        None | Some("") => "GET",
        Some(method) => method,
    };
    let found = match call.get("service") {
        Some(service) => {
            let url = service.get("url").and_then(Node::as_str).unwrap_or_default();
            source.outside.call(method, url, &body, &service.to_json()).await
        }
        None => api_call(&source.client, method, text(&["spec", "apiCall", "urlPath"]), &body).await,
    };
    match found {
        FactValue::Found(data) => FactValue::Found(data.with_float_numbers()),
        other => other,
    }
}

/// The body of a POST: an object out of pairs of `key` and `value`.
fn body_of(data: Node<'_>) -> String {
    let mut builder = DocumentBuilder::new();
    builder.open_object();
    for pair in data.items() {
        if let (Some(key), Some(value)) = (pair.get("key").and_then(Node::as_str), pair.get("value")) {
            builder.key(key);
            builder.node(value);
        }
    }
    builder.close();
    builder.finish().root().to_json()
}

/// A projection over an entry's data; what gives null is "no data", as in the reference.
fn project(entry: Node<'_>, data: &Document, projection: &str) -> FactValue {
    let projections = entry.path(&["spec", "projections"]).into_iter().flat_map(Node::items);
    let mut named = projections.filter(|p| p.get("name").and_then(Node::as_str) == Some(projection));
    let Some(text) = named.next().and_then(|p| p.get("jmesPath")).and_then(Node::as_str) else {
        return failed(format!("the global context entry has no projection `{projection}`"));
    };
    let program = match Program::compile(text) {
        Ok(program) => program,
        Err(error) => return failed(format!("the projection `{projection}` cannot be compiled: {error}")),
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let env = Env::new(i64::try_from(now).unwrap_or(i64::MAX), 0);
    match program.evaluate_on(&Value::from(data.root()), &env) {
        Ok(value) if value.is_null() => failed("no data available".to_owned()),
        Ok(value) => FactValue::Found(value.to_document()),
        Err(error) => failed(format!("the projection `{projection}` failed: {error}")),
    }
}
