//! The cluster as a [`Sink`]: reports as objects, written only over what was looked at.
//!
//! A report is created, or replaced at a known resourceVersion, or deleted with UID and resourceVersion as
//! preconditions, so that nothing is ever written over that was not known to be Patrol's. When the server
//! says that it is something else by now, its metadata is read and judged anew.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::client::{Ask, ClusterClient, METADATA, METADATA_LIST};
use super::discovery::Discovery;
use super::failure::{ApiFailure, FailureClass};
use super::leadership::Leadership;
use super::list::{ListOf, Lists};
use super::page::{Meta, Owner, metadata_of};
use super::path::ResourcePath;
use crate::limits;
use crate::model::{Gvk, ResourceId};
use crate::report::{
    ActualReport, MANAGED_BY, MANAGED_BY_LABEL, Ownership, ReportApi, ReportWrite, Sink, SinkError,
};

/// The reports of a cluster.
#[derive(Debug)]
pub struct ClusterSink {
    client: ClusterClient,
    lists: Lists,
    api: ReportApi,
    adopts: BTreeSet<String>,
    leadership: Leadership,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ReportMeta {
    name: String,
    namespace: String,
    uid: String,
    resource_version: String,
    labels: BTreeMap<String, String>,
    owner_references: Vec<Owner>,
}

/// What a report has to be still when it is deleted.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Preconditions<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<&'a String>,
    resource_version: &'a str,
}

/// The API to write reports in: the one that is wanted, or else the first that is served whole.
pub(super) fn choose_api(discovery: &Discovery, wanted: Option<ReportApi>) -> Result<ReportApi, SinkError> {
    let candidates = wanted.map_or(vec![ReportApi::PolicyReport, ReportApi::OpenReports], |api| vec![api]);
    let is_served = |api: &ReportApi| {
        [true, false].iter().all(|is_namespaced| {
            discovery.find(api.group(), api.version(), api.kind(*is_namespaced)).is_some()
        })
    };
    if let Some(api) = candidates.iter().copied().find(is_served) {
        return Ok(api);
    }
    if let Some(api) = candidates.iter().find(|api| discovery.unknown_groups.contains(api.group())) {
        let message = format!("what the API group {} serves could not be found out", api.group());
        return Err(SinkError { message, is_transient: true });
    }
    let kinds: Vec<String> = candidates
        .iter()
        .map(|api| format!("{} and {} of {}", api.kind(true), api.kind(false), api.api_version()))
        .collect();
    let message = format!(
        "no reports can be written: the API server does not serve {} \
         (`patrol crds` prints their definitions)",
        kinds.join(", or ")
    );
    Err(SinkError { message, is_transient: false })
}

impl ClusterSink {
    /// The reports of an API. Those whose `app.kubernetes.io/managed-by` is among `adopts` become Patrol's;
    /// none is written or deleted unless this replica leads at that moment.
    pub fn new(
        client: ClusterClient,
        api: ReportApi,
        adopts: BTreeSet<String>,
        leadership: Leadership,
    ) -> Self {
        let lists = Lists::new(client.clone());
        Self { client, lists, api, adopts, leadership }
    }

    /// The API that reports are written in.
    pub fn api(&self) -> ReportApi {
        self.api
    }

    fn path(&self, namespace: &str) -> ResourcePath {
        self.path_of(!namespace.is_empty())
    }

    fn path_of(&self, is_namespaced: bool) -> ResourcePath {
        ResourcePath::new(self.api.group(), self.api.version(), self.api.plural(is_namespaced))
    }

    fn ownership(&self, labels: &BTreeMap<String, String>) -> Ownership {
        match labels.get(MANAGED_BY_LABEL) {
            Some(manager) if manager == MANAGED_BY => Ownership::Ours,
            Some(manager) if self.adopts.contains(manager) => Ownership::Adoptable,
            _ => Ownership::Foreign,
        }
    }

    fn actual(&self, meta: ReportMeta) -> ActualReport {
        let owner_kind = match meta.owner_references.as_slice() {
            [owner] => {
                let gvk = Gvk::new(&owner.api_version, &owner.kind);
                Some((gvk.group, gvk.kind))
            }
            _ => None,
        };
        ActualReport {
            ownership: self.ownership(&meta.labels),
            namespace: meta.namespace,
            name: meta.name,
            uid: meta.uid,
            resource_version: meta.resource_version,
            owner_kind,
        }
    }

    async fn visit(&self, visit: &mut (dyn FnMut(ActualReport) + Send)) -> Result<(), SinkError> {
        for is_namespaced in [true, false] {
            let path = self.path_of(is_namespaced);
            let of = ListOf { accept: METADATA_LIST, ..ListOf::all(&path) };
            let listed = self
                .lists
                .each(of, &mut |object| {
                    visit(self.actual(metadata_of(object)?));
                    Ok(())
                })
                .await;
            listed.map_err(|failure| error(&path.named(), "", "", &failure))?;
        }
        Ok(())
    }

    /// Who a report is now; `None` if it is gone.
    async fn look(&self, namespace: &str, name: &str) -> Result<Option<ActualReport>, ApiFailure> {
        let path = self.path(namespace);
        let ask = Ask::get("get", path.counted(), path.one(namespace, name)).accepting(METADATA);
        match self.client.ask(&ask).await {
            Ok(reply) => Ok(Some(self.actual(metadata_of(&reply)?))),
            Err(failure) if failure.class == FailureClass::NotFound => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Creates or replaces a report, until it is there or is found to be somebody else's.
    async fn put(
        &self,
        scope: &ResourceId,
        json: &[u8],
        replaces: Option<&str>,
    ) -> Result<String, ApiFailure> {
        let (namespace, name) = (scope.key.namespace.as_str(), scope.uid.as_str());
        let path = self.path(namespace);
        let mut replaces = replaces.map(str::to_owned);
        for _ in 0..=limits::WRITE_CONFLICTS_MAX {
            let end = match replaces.as_deref() {
                // A version that was never learned: whoever's it is by now has to be looked at first.
                Some("") => Err(ApiFailure::new(FailureClass::Conflict, "its version is not known")),
                Some(version) => {
                    let body = with_resource_version(json, version)?;
                    let (resource, path) = (path.counted(), path.one(namespace, name));
                    let ask = Ask::with_body("update", Method::PUT, resource, path, body);
                    self.client.ask(&ask.accepting(METADATA).led_by(&self.leadership)).await
                }
                None => {
                    let (resource, path) = (path.counted(), path.all(namespace));
                    let ask = Ask::with_body("create", Method::POST, resource, path, json.to_vec());
                    self.client.ask(&ask.accepting(METADATA).led_by(&self.leadership)).await
                }
            };
            match end {
                Ok(reply) => return version_of(&reply),
                Err(failure) => match failure.class {
                    FailureClass::AlreadyExists | FailureClass::Conflict => {
                        replaces = self.replaceable(namespace, name).await?;
                    }
                    FailureClass::NotFound if replaces.is_some() => replaces = None,
                    _ => return Err(failure),
                },
            }
        }
        Err(given_up())
    }

    /// The version of the report that may be replaced; `None` if there is none.
    async fn replaceable(&self, namespace: &str, name: &str) -> Result<Option<String>, ApiFailure> {
        match self.look(namespace, name).await? {
            Some(report) if report.ownership == Ownership::Foreign => Err(foreign()),
            Some(report) => Ok(Some(report.resource_version)),
            None => Ok(None),
        }
    }

    async fn delete(&self, namespace: &str, name: &str, uid: &str, version: &str) -> Result<(), ApiFailure> {
        let path = self.path(namespace);
        let (mut uid, mut version) = (uid.to_owned(), version.to_owned());
        for _ in 0..=limits::WRITE_CONFLICTS_MAX {
            let end = if version.is_empty() {
                Err(ApiFailure::new(FailureClass::Conflict, "its version is not known"))
            } else {
                let uid = if uid.is_empty() { None } else { Some(&uid) };
                let preconditions = Preconditions { uid, resource_version: &version };
                let body = json!({
                    "apiVersion": "v1", "kind": "DeleteOptions", "preconditions": preconditions,
                    "propagationPolicy": "Background",
                });
                let (resource, path) = (path.counted(), path.one(namespace, name));
                let ask =
                    Ask::with_body("delete", Method::DELETE, resource, path, body.to_string().into_bytes());
                self.client.ask(&ask.led_by(&self.leadership)).await
            };
            match end {
                Ok(_) => return Ok(()),
                Err(failure) => match failure.class {
                    FailureClass::NotFound => return Ok(()),
                    FailureClass::Conflict => match self.look(namespace, name).await? {
                        None => return Ok(()),
                        Some(report) if report.ownership == Ownership::Foreign => return Err(foreign()),
                        Some(report) => (uid, version) = (report.uid, report.resource_version),
                    },
                    _ => return Err(failure),
                },
            }
        }
        Err(given_up())
    }
}

fn foreign() -> ApiFailure {
    ApiFailure::new(
        FailureClass::Refused,
        "there is a report of that name that is somebody else's; it was left alone",
    )
}

fn given_up() -> ApiFailure {
    let n = limits::WRITE_CONFLICTS_MAX;
    ApiFailure::new(
        FailureClass::Conflict,
        format!("somebody else changed it each of {n} times it was to be written"),
    )
}

/// The version that a reply says an object has now.
fn version_of(reply: &Bytes) -> Result<String, ApiFailure> {
    let meta: Meta<'_> = metadata_of(reply)?;
    Ok(meta.resource_version.into_owned())
}

/// The object with the resourceVersion that it replaces, put in where its metadata begins.
pub(super) fn with_resource_version(json: &[u8], version: &str) -> Result<Vec<u8>, ApiFailure> {
    const START: &[u8] = br#""metadata":{"#;
    let unreadable =
        || ApiFailure::new(FailureClass::Unreadable, "a report without metadata is to be written");
    let at = memchr::memmem::find(json, START).ok_or_else(unreadable)? + START.len();
    let (before, after) = json.split_at_checked(at).ok_or_else(unreadable)?;
    let field = format!("\"resourceVersion\":{},", json!(version));
    Ok([before, field.as_bytes(), after].concat())
}

fn error(what: &str, namespace: &str, name: &str, failure: &ApiFailure) -> SinkError {
    let named = match (namespace, name) {
        (_, "") => what.to_owned(),
        ("", name) => format!("{what} {name}"),
        (namespace, name) => format!("{what} {namespace}/{name}"),
    };
    let is_transient =
        failure.is_transient() || failure.message.starts_with("its namespace is being deleted");
    SinkError { message: format!("{named}: {}", failure.message), is_transient }
}

impl Sink for ClusterSink {
    fn each_actual<'a>(
        &'a self,
        visit: &'a mut (dyn FnMut(ActualReport) + Send),
    ) -> BoxFuture<'a, Result<(), SinkError>> {
        self.visit(visit).boxed()
    }

    fn read<'a>(&'a self, scope: &'a ResourceId) -> BoxFuture<'a, Result<Option<Vec<u8>>, SinkError>> {
        async move {
            let (namespace, name) = (scope.key.namespace.as_str(), scope.uid.as_str());
            let path = self.path(namespace);
            match self.client.ask(&Ask::get("get", path.counted(), path.one(namespace, name))).await {
                Ok(reply) => Ok(Some(reply.to_vec())),
                Err(failure) if failure.class == FailureClass::NotFound => Ok(None),
                Err(failure) => Err(error(self.api.kind(!namespace.is_empty()), namespace, name, &failure)),
            }
        }
        .boxed()
    }

    fn write<'a>(&'a self, write: &'a ReportWrite) -> BoxFuture<'a, Result<String, SinkError>> {
        async move {
            let (namespace, name, end) = match write {
                ReportWrite::Put { scope, json, replaces, .. } => {
                    let end = self.put(scope, json, replaces.as_deref()).await;
                    (&scope.key.namespace, &scope.uid, end)
                }
                ReportWrite::Delete { namespace, name, uid, resource_version } => {
                    let end = self.delete(namespace, name, uid, resource_version).await;
                    (namespace, name, end.map(|()| String::new()))
                }
            };
            end.map_err(|failure| error(self.api.kind(!namespace.is_empty()), namespace, name, &failure))
        }
        .boxed()
    }
}
