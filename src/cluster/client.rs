//! One request to the API server: bounded in time, size and number, tried again where that may help, and
//! counted whatever comes of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER};
use http::{Method, Request};
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::connect::{self, ConnectError};
use super::counts::{Counts, RequestKind};
use super::failure::{ApiFailure, FailureClass, chain};
use super::leadership::Leadership;
use super::settings::ClusterSettings;
use crate::limits;

/// Plain JSON.
pub(super) const JSON: &str = "application/json";
/// A list of objects of which only the metadata is sent.
pub(super) const METADATA_LIST: &str =
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";
/// An object of which only the metadata is sent.
pub(super) const METADATA: &str =
    "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";

/// The way to one API server.
#[derive(Clone)]
pub struct ClusterClient(Arc<Inner>);

struct Inner {
    client: Client,
    server: String,
    namespace: String,
    is_in_pod: bool,
    settings: ClusterSettings,
    counts: Counts,
    in_flight: Semaphore,
    /// When the next request may go, where their rate is bounded.
    next_at: Mutex<Option<Instant>>,
}

impl std::fmt::Debug for ClusterClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClusterClient").field("server", &self.0.server).finish_non_exhaustive()
    }
}

/// What is asked.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    /// The verb that is counted.
    pub(super) verb: &'static str,
    pub(super) method: Method,
    /// The path with its query.
    pub(super) path: String,
    /// `group/plural` that is counted.
    pub(super) resource: String,
    pub(super) accept: &'static str,
    pub(super) body: Bytes,
    /// How much of a reply is read at most, in bytes.
    pub(super) n_bytes_max: usize,
    /// Who has to lead when it is sent, if it is a write.
    pub(super) leadership: Option<Leadership>,
}

impl Ask {
    /// A GET of something.
    pub(super) fn get(verb: &'static str, resource: String, path: String) -> Self {
        Self {
            verb,
            method: Method::GET,
            path,
            resource,
            accept: JSON,
            body: Bytes::new(),
            n_bytes_max: limits::REPLY_BYTES_MAX,
            leadership: None,
        }
    }

    /// A request with a body.
    pub(super) fn with_body(
        verb: &'static str,
        method: Method,
        resource: String,
        path: String,
        body: Vec<u8>,
    ) -> Self {
        Self { method, body: body.into(), ..Self::get(verb, resource, path) }
    }

    pub(super) fn accepting(self, accept: &'static str) -> Self {
        Self { accept, ..self }
    }

    /// Sent only while this replica leads.
    pub(super) fn led_by(self, leadership: &Leadership) -> Self {
        Self { leadership: Some(leadership.clone()), ..self }
    }

    /// `list pods`, for messages.
    fn named(&self) -> String {
        if self.resource.is_empty() {
            let path = self.path.split_once('?').map_or(self.path.as_str(), |(path, _)| path);
            format!("{} {path}", self.verb)
        } else {
            format!("{} {}", self.verb, self.resource)
        }
    }
}

impl ClusterClient {
    /// Opens the way that the settings describe. Nothing is asked yet: a server that is down, or refuses the
    /// credentials, shows with the first request.
    pub async fn connect(settings: ClusterSettings) -> Result<Self, ConnectError> {
        let (config, is_in_pod) = connect::configure(&settings).await?;
        let namespace = config.default_namespace.clone();
        let server = config.cluster_url.to_string().trim_end_matches('/').to_owned();
        let client = connect::open(config)?;
        let in_flight = Semaphore::new(settings.n_in_flight.max(1));
        let inner = Inner {
            client,
            server,
            namespace,
            is_in_pod,
            settings,
            counts: Counts::default(),
            in_flight,
            next_at: Mutex::default(),
        };
        Ok(Self(Arc::new(inner)))
    }

    /// The server's address.
    pub fn server(&self) -> &str {
        &self.0.server
    }

    /// The namespace of the Pod that Patrol runs in, or of the kubeconfig's context.
    pub fn namespace(&self) -> &str {
        &self.0.namespace
    }

    /// Whether the credentials are those of a Pod.
    pub fn is_in_pod(&self) -> bool {
        self.0.is_in_pod
    }

    /// How the cluster is asked.
    pub fn settings(&self) -> &ClusterSettings {
        &self.0.settings
    }

    /// Every request so far, each try on its own.
    pub fn requests(&self) -> BTreeMap<RequestKind, u64> {
        self.0.counts.all()
    }

    /// The API server's version, such as `v1.36.3`: whether it answers at all, and accepts the credentials.
    pub async fn version(&self) -> Result<String, ApiFailure> {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Version {
            git_version: String,
        }
        let reply = self.ask(&Ask::get("discover", String::new(), "/version".to_owned())).await?;
        let version: Version = read_json(&reply)?;
        Ok(version.git_version)
    }

    /// Asks until there is an answer, the tries are used up, or the answer is final.
    pub(super) async fn ask(&self, ask: &Ask) -> Result<Bytes, ApiFailure> {
        let settings = &self.0.settings;
        let mut backoff = settings.backoff;
        let mut n_left = settings.n_tries.max(1);
        loop {
            let failure = match self.ask_once(ask).await {
                Ok(reply) => return Ok(reply),
                Err(failure) => failure,
            };
            n_left -= 1;
            let wait = failure.retry_after.unwrap_or(backoff);
            if n_left == 0 || !failure.is_worth_a_retry() || wait > limits::RETRY_AFTER_MAX {
                return Err(failure);
            }
            tracing::debug!(request = ask.named(), failure = failure.message, "trying again");
            tokio::time::sleep(wait).await;
            backoff = (backoff * 2).min(limits::BACKOFF_MAX);
        }
    }

    async fn ask_once(&self, ask: &Ask) -> Result<Bytes, ApiFailure> {
        let _permit = self.0.in_flight.acquire().await;
        self.wait_for_turn().await;
        let mut timeout = self.0.settings.request_timeout;
        if let Some(leadership) = &ask.leadership {
            // What is not answered before another replica may lead is given up.
            let left = leadership.time_to_write().ok_or_else(not_leading)?;
            timeout = timeout.min(left);
        }
        self.ask_now(ask, timeout).await
    }

    /// Asks once and at once, however many requests wait: for what must not wait for a scan.
    pub(super) async fn ask_now(&self, ask: &Ask, timeout: Duration) -> Result<Bytes, ApiFailure> {
        let answer = tokio::time::timeout(timeout, self.exchange(ask)).await;
        let answer = answer.unwrap_or_else(|_| {
            let (named, secs) = (ask.named(), timeout.as_secs_f64());
            let message = format!("the API server did not answer within {secs} s: {named}");
            Err(ApiFailure::new(FailureClass::TimedOut, message))
        });
        let code = match &answer {
            Ok((code, _)) => *code,
            Err(failure) => failure.code,
        };
        self.0.counts.add(ask.verb, &ask.resource, code);
        answer.map(|(_, reply)| reply)
    }

    /// Sends one request and reads the whole reply.
    async fn exchange(&self, ask: &Ask) -> Result<(u16, Bytes), ApiFailure> {
        let mut request =
            Request::builder().method(ask.method.clone()).uri(&ask.path).header(ACCEPT, ask.accept);
        if !ask.body.is_empty() {
            request = request.header(CONTENT_TYPE, JSON);
        }
        let request = request
            .body(Body::from(ask.body.clone()))
            .map_err(|error| ApiFailure::new(FailureClass::Unreadable, format!("`{}`: {error}", ask.path)))?;
        let reply = self.0.client.send(request).await;
        let reply = reply.map_err(|error| ApiFailure::of_connection(&self.0.server, &error))?;
        let code = reply.status();
        let seconds =
            reply.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let n_bytes_max = if code.is_success() { ask.n_bytes_max } else { limits::REFUSAL_BYTES_MAX };
        let body = match self.read(ask, reply.into_body(), n_bytes_max).await {
            Ok(body) => body,
            Err(failure) if code.is_success() => return Err(failure),
            Err(_) => Bytes::new(),
        };
        if code.is_success() {
            return Ok((code.as_u16(), body));
        }
        Err(ApiFailure::of_reply(&ask.named(), code, seconds.map(Duration::from_secs), &body))
    }

    async fn read(&self, ask: &Ask, mut body: Body, n_bytes_max: usize) -> Result<Bytes, ApiFailure> {
        let mut read = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| {
                let message = format!(
                    "the reply to {} broke off after {} bytes: {}",
                    ask.named(),
                    read.len(),
                    chain(&error)
                );
                ApiFailure::new(FailureClass::CutOff, message)
            })?;
            let Ok(data) = frame.into_data() else { continue };
            if read.len() + data.len() > n_bytes_max {
                let message = format!("the reply to {} is longer than {n_bytes_max} bytes", ask.named());
                return Err(ApiFailure::new(FailureClass::TooLarge, message));
            }
            read.extend_from_slice(&data);
        }
        Ok(read.into())
    }

    /// Waits until the bounded rate allows one more request.
    async fn wait_for_turn(&self) {
        let Some(per_s) = self.0.settings.requests_per_s.filter(|per_s| *per_s > 0.0) else { return };
        let every = Duration::from_secs_f64(1.0 / per_s);
        let at = {
            let mut next_at = self.0.next_at.lock().unwrap_or_else(PoisonError::into_inner);
            turn(&mut next_at, Instant::now(), every, self.0.settings.n_burst)
        };
        tokio::time::sleep_until(at).await;
    }
}

/// When a request may go, of which one may every so often and `n_burst` more at once; notes that it goes.
/// `next_at` is when the next one would without the burst.
pub(super) fn turn(next_at: &mut Option<Instant>, now: Instant, every: Duration, n_burst: u32) -> Instant {
    let at = next_at.map_or(now, |next_at| next_at.max(now));
    *next_at = Some(at + every);
    at.checked_sub(every.saturating_mul(n_burst)).map_or(now, |at| at.max(now))
}

fn not_leading() -> ApiFailure {
    ApiFailure::new(FailureClass::NotLeading, "not written, since this replica does not lead any more")
}

/// Reads a reply as a type that expects what it has to.
pub(super) fn read_json<'r, T: serde::Deserialize<'r>>(reply: &'r [u8]) -> Result<T, ApiFailure> {
    serde_json::from_slice(reply).map_err(|error| {
        ApiFailure::new(
            FailureClass::Unreadable,
            format!("a reply of the API server cannot be read: {error}"),
        )
    })
}
