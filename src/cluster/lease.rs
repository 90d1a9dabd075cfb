//! The Lease object of `coordination.k8s.io/v1` that replicas hold in turn: read and written with one try each,
//! in a time of its own, and past whatever the scan has under way.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::Method;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::client::{Ask, ClusterClient, read_json};
use super::failure::{ApiFailure, FailureClass};
use super::path::ResourcePath;

/// A Lease as the server sent it, or as it is to be.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Lease(pub(super) Value);

/// Where the Lease is kept.
pub(super) trait LeaseApi: Send + Sync + std::fmt::Debug {
    /// The Lease; `None` if there is none.
    fn read(&self) -> BoxFuture<'_, Result<Option<Lease>, ApiFailure>>;

    /// Creates it; as it is stored then.
    fn create<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<Lease, ApiFailure>>;

    /// Puts it in the place of the one with its resourceVersion; as it is stored then.
    fn replace<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<Lease, ApiFailure>>;
}

impl Lease {
    /// One that nobody has held.
    pub(super) fn new(namespace: &str, name: &str) -> Self {
        Self(json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"name": name, "namespace": namespace}, "spec": {},
        }))
    }

    /// What every write changes.
    pub(super) fn version(&self) -> Option<&Value> {
        self.0.pointer("/metadata/resourceVersion")
    }

    fn spec(&self) -> Option<&Value> {
        self.0.get("spec")
    }

    fn field(&self, name: &str) -> Option<&Value> {
        self.spec()?.get(name)
    }

    /// Who holds it; empty for nobody.
    pub(super) fn holder(&self) -> &str {
        self.field("holderIdentity").and_then(Value::as_str).unwrap_or_default()
    }

    /// How long it lasts without a change, as its holder said.
    pub(super) fn duration(&self) -> Option<Duration> {
        self.field("leaseDurationSeconds").and_then(Value::as_u64).map(Duration::from_secs)
    }

    /// The Lease in the hands of `holder` from now on, of nobody if that is empty. Times are for people to read; nobody compares them.
    pub(super) fn held_by(&self, holder: &str, duration: Duration, now: Timestamp) -> Self {
        let now = now.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
        let mut spec = self.spec().and_then(Value::as_object).cloned().unwrap_or_else(Map::new);
        if !holder.is_empty() && self.holder() != holder {
            let is_new = self.version().is_none();
            let n = self.field("leaseTransitions").and_then(Value::as_u64).unwrap_or_default();
            spec.insert("leaseTransitions".into(), json!(if is_new { 0 } else { n + 1 }));
            spec.insert("acquireTime".into(), json!(now));
        }
        spec.insert("holderIdentity".into(), json!(holder));
        spec.insert("leaseDurationSeconds".into(), json!(duration.as_secs().max(1)));
        spec.insert("renewTime".into(), json!(now));
        let mut lease = self.clone();
        if let Some(object) = lease.0.as_object_mut() {
            object.insert("spec".into(), Value::Object(spec));
        }
        lease
    }
}

/// The Lease of a cluster.
#[derive(Debug)]
pub(super) struct ClusterLease {
    pub(super) client: ClusterClient,
    pub(super) namespace: String,
    pub(super) name: String,
    /// How long one request may take.
    pub(super) timeout: Duration,
}

impl ClusterLease {
    fn path() -> ResourcePath {
        ResourcePath::new("coordination.k8s.io", "v1", "leases")
    }

    async fn ask(&self, ask: &Ask) -> Result<Lease, ApiFailure> {
        read_json(&self.client.ask_now(ask, self.timeout).await?).map(Lease)
    }
}

impl LeaseApi for ClusterLease {
    fn read(&self) -> BoxFuture<'_, Result<Option<Lease>, ApiFailure>> {
        async move {
            let path = Self::path();
            let ask = Ask::get("get", path.counted(), path.one(&self.namespace, &self.name));
            match self.ask(&ask).await {
                Ok(lease) => Ok(Some(lease)),
                Err(failure) if failure.class == FailureClass::NotFound => Ok(None),
                Err(failure) => Err(failure),
            }
        }
        .boxed()
    }

    fn create<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<Lease, ApiFailure>> {
        async move {
            let (path, body) = (Self::path(), lease.0.to_string().into_bytes());
            let to = path.all(&self.namespace);
            self.ask(&Ask::with_body("create", Method::POST, path.counted(), to, body)).await
        }
        .boxed()
    }

    fn replace<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<Lease, ApiFailure>> {
        async move {
            let (path, body) = (Self::path(), lease.0.to_string().into_bytes());
            let to = path.one(&self.namespace, &self.name);
            self.ask(&Ask::with_body("update", Method::PUT, path.counted(), to, body)).await
        }
        .boxed()
    }
}
