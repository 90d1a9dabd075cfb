//! A bare client of the API server: puts objects in with bounded parallelism, takes reports out and back in,
//! and reads what the server counted.
//!
//! It sends what it is given and nothing else, as fast as the server takes it: that is what Patrol's own
//! writes are measured against.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use futures_util::{StreamExt, TryStreamExt};
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};

use super::requests::ApiserverRequests;
use super::w4;

/// How many requests are under way at once: as many as Patrol writes reports.
const N_PARALLEL: usize = 16;
/// Where reports are.
const REPORTS: &str = "/apis/wgpolicyk8s.io/v1alpha2";
/// What is removed from an object that was read before it is written again.
const SERVER_FIELDS: [&str; 5] =
    ["uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"];
const JSON: &str = "application/json";
/// A merge of objects, in which lists are replaced.
pub(crate) const MERGE_PATCH: &str = "application/merge-patch+json";
/// A merge that knows the kind's lists.
pub(crate) const STRATEGIC_PATCH: &str = "application/strategic-merge-patch+json";

/// The client.
#[derive(Clone)]
pub(crate) struct Api(Client);

/// A request to create something.
#[derive(Clone, Debug)]
pub(crate) struct Creation {
    path: String,
    body: Vec<u8>,
}

impl Creation {
    /// Of an object, by its kind.
    pub(crate) fn of(object: &Value) -> anyhow::Result<Self> {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
        let namespace = text("/metadata/namespace").unwrap_or_default();
        let path = match w4::kind(object) {
            "Namespace" => "/api/v1/namespaces".to_owned(),
            "CustomResourceDefinition" => {
                "/apis/apiextensions.k8s.io/v1/customresourcedefinitions".to_owned()
            }
            "ClusterPolicy" => "/apis/kyverno.io/v1/clusterpolicies".to_owned(),
            "PolicyReport" => format!("{REPORTS}/namespaces/{namespace}/policyreports"),
            "Deployment" => format!("/apis/apps/v1/namespaces/{namespace}/deployments"),
            "ReplicaSet" => format!("/apis/apps/v1/namespaces/{namespace}/replicasets"),
            kind @ ("Pod" | "ConfigMap" | "Service") => {
                format!("/api/v1/namespaces/{namespace}/{}s", kind.to_lowercase())
            }
            kind => bail!("nothing is known of kind `{kind}`"),
        };
        Ok(Self { path, body: serde_json::to_vec(object)? })
    }
}

impl Api {
    /// Opens the way that a kubeconfig describes, to its current user.
    pub(crate) async fn connect(kubeconfig: &Path) -> anyhow::Result<Self> {
        let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
        let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        config.disable_compression = true;
        config.default_retry = false;
        Ok(Self(Client::try_from(config)?))
    }

    /// Sends one request.
    async fn send(
        &self,
        method: Method,
        path: &str,
        content: &str,
        body: Vec<u8>,
    ) -> anyhow::Result<(StatusCode, Vec<u8>)> {
        let request = Request::builder().method(method).uri(path).header(http::header::CONTENT_TYPE, content);
        let reply = self.0.send(request.body(Body::from(body))?).await?;
        let code = reply.status();
        Ok((code, reply.into_body().collect().await?.to_bytes().to_vec()))
    }

    /// Sends one request that has to succeed, and reads the reply.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        content: &str,
        body: &Value,
    ) -> anyhow::Result<Value> {
        let bytes = if body.is_null() { Vec::new() } else { serde_json::to_vec(body)? };
        let (code, reply) = self.send(method.clone(), path, content, bytes).await?;
        ensure!(code.is_success(), "{method} {path}: {code}: {}", String::from_utf8_lossy(&reply));
        Ok(serde_json::from_slice(&reply)?)
    }

    /// Reads an object.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.ask(Method::GET, path, JSON, &Value::Null).await
    }

    /// Replaces an object by one that was read and changed.
    pub(crate) async fn put(&self, path: &str, object: &Value) -> anyhow::Result<Value> {
        self.ask(Method::PUT, path, JSON, object).await
    }

    /// Deletes an object at once.
    pub(crate) async fn delete(&self, path: &str) -> anyhow::Result<()> {
        self.ask(Method::DELETE, path, JSON, &json!({"gracePeriodSeconds": 0})).await?;
        Ok(())
    }

    /// Whether something is there.
    pub(crate) async fn has(&self, path: &str) -> anyhow::Result<bool> {
        Ok(self.send(Method::GET, path, JSON, Vec::new()).await?.0.is_success())
    }

    /// Creates all objects; how long that took. One that is refused ends it.
    pub(crate) async fn create_all(&self, creations: &[Creation]) -> anyhow::Result<Duration> {
        let start = Instant::now();
        futures_util::stream::iter(creations.iter().cloned().map(|Creation { path, body }| {
            let api = self.clone();
            tokio::spawn(async move {
                let (code, reply) = api.send(Method::POST, &path, JSON, body).await?;
                ensure!(code.is_success(), "POST {path}: {code}: {}", String::from_utf8_lossy(&reply));
                anyhow::Ok(())
            })
        }))
        .buffer_unordered(N_PARALLEL)
        .map(|created| created.map_err(anyhow::Error::from).flatten())
        .try_for_each(|()| async { Ok(()) })
        .await?;
        Ok(start.elapsed())
    }

    /// All reports, as they are created again.
    pub(crate) async fn reports(&self) -> anyhow::Result<Vec<Creation>> {
        let mut reports = Vec::new();
        let mut next = String::new();
        loop {
            let page = self.get(&format!("{REPORTS}/policyreports?limit=500&continue={next}")).await?;
            for report in page.get("items").and_then(Value::as_array).into_iter().flatten() {
                let mut report = report.clone();
                if let Some(metadata) = report.pointer_mut("/metadata").and_then(Value::as_object_mut) {
                    metadata.retain(|key, _| !SERVER_FIELDS.contains(&key.as_str()));
                }
                if let Some(fields) = report.as_object_mut() {
                    fields.insert("apiVersion".into(), "wgpolicyk8s.io/v1alpha2".into());
                    fields.insert("kind".into(), "PolicyReport".into());
                }
                reports.push(Creation::of(&report)?);
            }
            next = page.pointer("/metadata/continue").and_then(Value::as_str).unwrap_or_default().to_owned();
            if next.is_empty() {
                return Ok(reports);
            }
        }
    }

    /// Deletes all reports of the namespaces, and waits until they are gone.
    pub(crate) async fn delete_reports(&self, n_namespaces: usize) -> anyhow::Result<()> {
        for n in 0..n_namespaces {
            let path = format!("{REPORTS}/namespaces/team-{n}/policyreports");
            self.ask(Method::DELETE, &path, JSON, &Value::Null).await?;
        }
        ensure!(self.reports().await?.is_empty(), "reports are still there");
        Ok(())
    }

    /// The path of a report.
    pub(crate) fn report_path(namespace: &str, uid: &str) -> String {
        format!("{REPORTS}/namespaces/{namespace}/policyreports/{uid}")
    }

    /// What the server counted so far.
    pub(crate) async fn counted(&self) -> anyhow::Result<ApiserverRequests> {
        let (code, text) = self.send(Method::GET, "/metrics", JSON, Vec::new()).await?;
        ensure!(code.is_success(), "the API server's metrics: {code}");
        Ok(ApiserverRequests::parse(&String::from_utf8(text)?))
    }

    /// Installs the definitions of a folder, and waits until all are served.
    pub(crate) async fn install(&self, folder: &Path) -> anyhow::Result<()> {
        let definitions = read_yaml(folder)?;
        let creations = definitions.iter().map(Creation::of).collect::<anyhow::Result<Vec<_>>>()?;
        self.create_all(&creations).await?;
        for definition in &definitions {
            let text =
                |pointer: &str| definition.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            let versions = definition.pointer("/spec/versions").and_then(Value::as_array);
            let served =
                versions.into_iter().flatten().find(|version| version.get("served") == Some(&true.into()));
            let version =
                served.and_then(|version| version.get("name")).and_then(Value::as_str).unwrap_or_default();
            let path =
                format!("/apis/{}/{version}/{}?limit=1", text("/spec/group"), text("/spec/names/plural"));
            let mut n_tries = 0;
            while !self.has(&path).await? {
                n_tries += 1;
                ensure!(n_tries < 300, "{path} is not served");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        Ok(())
    }
}

/// All objects of a folder's YAML files, in the order of their paths.
pub(crate) fn read_yaml(folder: &Path) -> anyhow::Result<Vec<Value>> {
    let mut paths = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| format!("`{}`", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "yaml") {
                paths.push(path);
            }
        }
    }
    paths.sort();
    let mut objects = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(&path)?;
        let documents: Vec<Value> =
            serde_saphyr::from_multiple(&text).with_context(|| format!("`{}`", path.display()))?;
        objects.extend(documents.into_iter().filter(Value::is_object));
    }
    Ok(objects)
}
