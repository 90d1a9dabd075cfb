//! An HTTP proxy in front of the API server that breaks what it is told to break: for every way in which a
//! server, a network or a balancer between can fail. Speaks plain HTTP to the client and the real thing to
//! the server.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use futures_util::StreamExt;
use http::StatusCode;
use http_body_util::BodyExt;
use kube::Client;
use serde_json::{Value, json};
use tokio::task::{AbortHandle, JoinHandle};

/// What happens to a request instead of its answer.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// This status, as the API server would say it.
    Status(u16, &'static str),
    /// 429 with a Retry-After of so many seconds.
    Busy(u64),
    /// No answer before so long.
    Delay(Duration),
    /// The answer's first half, then nothing more.
    Cut,
    /// The plain answer, whatever form the client would rather have: how a server answers that knows no
    /// better.
    Plain,
    /// The server is gone: this connection breaks, and new ones are refused.
    Die,
    /// This object is changed by a merge patch before the request goes on.
    Meanwhile(String, Value),
}

#[derive(Debug)]
struct Rule {
    method: &'static str,
    path: String,
    fault: Fault,
    /// How many requests let it pass first.
    n_skipped: usize,
    n_left: usize,
    n_hit: usize,
}

#[derive(Debug, Default)]
struct Rules {
    rules: Mutex<Vec<Rule>>,
    server: Mutex<Option<AbortHandle>>,
}

/// A running proxy; it ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: String,
    rules: Arc<Rules>,
    server: JoinHandle<()>,
}

impl Proxy {
    /// Starts a proxy to the server of `upstream`, with its credentials.
    pub(crate) async fn start(upstream: Client) -> Self {
        Self::start_at(([127, 0, 0, 1], 0).into(), upstream).await
    }

    /// As `start`, at an address that is free.
    pub(crate) async fn start_at(address: std::net::SocketAddr, upstream: Client) -> Self {
        let listener = tokio::net::TcpListener::bind(address).await.expect("a free port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let rules = Arc::new(Rules::default());
        let app = Router::new().fallback(answer).with_state((upstream, Arc::clone(&rules)));
        let server =
            tokio::spawn(async move { axum::serve(listener, app).await.expect("a server that serves") });
        *rules.server.lock().expect("no panic while locked") = Some(server.abort_handle());
        Self { address, rules, server }
    }

    /// A kubeconfig for the proxy.
    pub(crate) fn kubeconfig(&self) -> String {
        kubeconfig(&self.address)
    }

    /// Breaks the next `n` requests of that method whose path contains `path`, after letting `n_skipped`
    /// pass.
    pub(crate) fn break_after(
        &self,
        n_skipped: usize,
        n: usize,
        method: &'static str,
        path: &str,
        fault: Fault,
    ) {
        let rule = Rule { method, path: path.to_owned(), fault, n_skipped, n_left: n, n_hit: 0 };
        self.rules.rules.lock().expect("no panic while locked").push(rule);
    }

    /// Breaks the next `n` requests of that method whose path contains `path`.
    pub(crate) fn break_next(&self, n: usize, method: &'static str, path: &str, fault: Fault) {
        self.break_after(0, n, method, path, fault);
    }

    /// Breaks all of them.
    pub(crate) fn break_all(&self, method: &'static str, path: &str, fault: Fault) {
        self.break_after(0, usize::MAX, method, path, fault);
    }

    /// How often a request was broken since the last repair.
    pub(crate) fn n_hit(&self) -> usize {
        self.rules.rules.lock().expect("no panic while locked").iter().map(|rule| rule.n_hit).sum()
    }

    /// Repairs everything; how often each rule was hit.
    pub(crate) fn repair(&self) -> Vec<usize> {
        let mut rules = self.rules.rules.lock().expect("no panic while locked");
        rules.drain(..).map(|rule| rule.n_hit).collect()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// A kubeconfig for a server that asks for no credentials.
pub(crate) fn kubeconfig(server: &str) -> String {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "proxy",
        "clusters": [{"name": "proxy", "cluster": {"server": server}}],
        "users": [{"name": "proxy", "user": {"token": "none"}}],
        "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "proxy"}}],
    })
    .to_string()
}

async fn answer(State((upstream, rules)): State<(Client, Arc<Rules>)>, request: Request) -> Response {
    let is_dead = rules.server.lock().expect("no panic while locked").is_none();
    let fault = if is_dead {
        Some(Fault::Cut)
    } else {
        let path = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
        let mut rules = rules.rules.lock().expect("no panic while locked");
        let mut found = None;
        for rule in rules.iter_mut() {
            if rule.n_left > 0 && request.method().as_str() == rule.method && path.contains(&rule.path) {
                if rule.n_skipped > 0 {
                    rule.n_skipped -= 1;
                    continue;
                }
                rule.n_left -= 1;
                rule.n_hit += 1;
                found = Some(rule.fault.clone());
                break;
            }
        }
        found
    };
    match fault {
        Some(Fault::Status(code, reason)) => status(code, reason),
        Some(Fault::Busy(seconds)) => {
            let mut busy = status(429, "TooManyRequests");
            busy.headers_mut().insert("retry-after", seconds.into());
            busy
        }
        Some(Fault::Delay(delay)) => {
            tokio::time::sleep(delay).await;
            status(504, "Timeout")
        }
        Some(Fault::Plain) => {
            let mut request = request;
            request.headers_mut().insert("accept", http::HeaderValue::from_static("application/json"));
            pass(&upstream, request).await
        }
        Some(Fault::Die) => {
            rules.server.lock().expect("no panic while locked").take().expect("one death").abort();
            let broken = io::Error::from(io::ErrorKind::ConnectionReset);
            Response::new(Body::from_stream(futures_util::stream::iter([Err::<&[u8], _>(broken)])))
        }
        Some(Fault::Meanwhile(object, patch)) => {
            let change = http::Request::patch(object)
                .header("content-type", "application/merge-patch+json")
                .body(patch.to_string().into_bytes())
                .expect("a request");
            upstream.request_text(change).await.expect("a change");
            pass(&upstream, request).await
        }
        Some(Fault::Cut) => {
            let (parts, body) = pass(&upstream, request).await.into_parts();
            let bytes = body.collect().await.expect("a body").to_bytes();
            let half = bytes.slice(..bytes.len() / 2);
            let broken = Err(io::Error::from(io::ErrorKind::ConnectionReset));
            // The half is on its way before the rest breaks.
            let body = futures_util::stream::iter([Ok(half), broken]).then(async |part| {
                if part.is_err() {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                part
            });
            Response::from_parts(parts, Body::from_stream(body))
        }
        None => pass(&upstream, request).await,
    }
}

async fn pass(upstream: &Client, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.expect("a request's body").to_bytes();
    let mut passed = http::Request::builder().method(parts.method).uri(parts.uri);
    for name in ["accept", "content-type"] {
        if let Some(value) = parts.headers.get(name) {
            passed = passed.header(name, value);
        }
    }
    let request = passed.body(kube::client::Body::from(body)).expect("a request");
    match upstream.send(request).await {
        Ok(reply) => {
            let code = reply.status();
            let bytes = reply.into_body().collect().await.expect("a reply's body").to_bytes();
            let mut answer = Response::new(Body::from(bytes));
            *answer.status_mut() = code;
            answer
        }
        Err(error) => status_of(502, "BadGateway", &error.to_string()),
    }
}

fn status(code: u16, reason: &str) -> Response {
    status_of(code, reason, "broken by the test")
}

fn status_of(code: u16, reason: &str, message: &str) -> Response {
    let body = json!({
        "apiVersion": "v1", "kind": "Status", "status": "Failure",
        "code": code, "reason": reason, "message": message,
    });
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = StatusCode::from_u16(code).expect("a status");
    response
}
