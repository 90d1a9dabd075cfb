//! The pages that Patrol serves: metrics and health on one address, debugging on another.
//!
//! Knows no kube and no scan: what pages say comes from [`Telemetry`], [`Readiness`] and a closure. Only GET; nothing changes by a request.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use super::Telemetry;
use crate::limits;

/// Why a page cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The address is taken or not ours.
    #[error("cannot listen on `{address}`: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The server broke.
    #[error("the server broke: {0}")]
    Serve(std::io::Error),
}

/// Whether Patrol does its work, and if not, why; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<Mutex<BTreeMap<&'static str, String>>>);

impl Readiness {
    /// Not ready until the first scan is complete or a state was found.
    pub fn starting() -> Self {
        let readiness = Self::default();
        readiness.wait_for("scan", "no scan is complete yet and no state was found");
        readiness
    }

    /// Something has to happen first; `what` names it for [`Readiness::done`].
    pub fn wait_for(&self, what: &'static str, why: &str) {
        self.lock().insert(what, why.to_owned());
    }

    /// It happened.
    pub fn done(&self, what: &str) {
        self.lock().remove(what);
    }

    /// Why Patrol is not ready; empty if it is.
    pub fn reasons(&self) -> Vec<String> {
        self.lock().iter().map(|(what, why)| format!("{what}: {why}")).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<&'static str, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a plan is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Gives the last plan; `None` if there was none yet.
pub type PlanProvider = Arc<dyn Fn(PlanFormat) -> Option<String> + Send + Sync>;

/// `/metrics`, `/healthz` and `/readyz`.
pub fn metrics_router(telemetry: Telemetry, readiness: Readiness) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .with_state(telemetry)
        .route("/healthz", get(|| async { plain(StatusCode::OK, "ok\n".into()) }))
        .merge(Router::new().route("/readyz", get(ready)).with_state(readiness))
}

/// `/debug/plan`, as text or with `?format=json`.
pub fn debug_router(plan: PlanProvider) -> Router {
    Router::new().route("/debug/plan", get(debug_plan)).with_state(plan)
}

async fn metrics(State(telemetry): State<Telemetry>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], telemetry.render()).into_response()
}

async fn ready(State(readiness): State<Readiness>) -> Response {
    let reasons = readiness.reasons();
    if reasons.is_empty() {
        return plain(StatusCode::OK, "ok\n".into());
    }
    plain(StatusCode::SERVICE_UNAVAILABLE, format!("not ready\n{}\n", reasons.join("\n")))
}

async fn debug_plan(
    State(plan): State<PlanProvider>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    let format = match query.get("format").map(String::as_str) {
        None | Some("text") => PlanFormat::Text,
        Some("json") => PlanFormat::Json,
        Some(_) => return plain(StatusCode::BAD_REQUEST, "format is `text` or `json`\n".into()),
    };
    match (plan(format), format) {
        (None, _) => plain(StatusCode::NOT_FOUND, "no scan has made a plan yet\n".into()),
        (Some(text), PlanFormat::Text) => plain(StatusCode::OK, text),
        (Some(json), PlanFormat::Json) => {
            ([(header::CONTENT_TYPE, "application/json")], json).into_response()
        }
    }
}

fn plain(status: StatusCode, text: String) -> Response {
    (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

/// Takes an address.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, HttpError> {
    TcpListener::bind(address).await.map_err(|source| HttpError::Listen { address, source })
}

/// Serves until `stop` ends; then takes no new connections, and leaves the open ones a moment to finish.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), HttpError> {
    let (stopping, stopped) = tokio::sync::oneshot::channel();
    let graceful = async move {
        stop.await;
        // Nobody waits any more only if the server broke before.
        let _ = stopping.send(());
    };
    let server = axum::serve(listener, router).with_graceful_shutdown(graceful);
    let drained = async {
        if stopped.await.is_err() {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(Duration::from_secs(limits::HTTP_DRAIN_SECS_MAX)).await;
    };
    tokio::select! {
        end = server.into_future() => end.map_err(HttpError::Serve),
        () = drained => Ok(()),
    }
}
