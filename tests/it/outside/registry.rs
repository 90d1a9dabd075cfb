//! An image registry in the test's own process: it serves what was pushed, counts what it is asked, and can be
//! told to ask for credentials, to keep blobs elsewhere, or to be out of order.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::server::serve;
use super::signing::Layer;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A registry that serves until the runtime ends.
#[derive(Clone)]
pub(crate) struct Registry {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
pub(crate) struct State {
    /// Type and content by `repository/tag` and `repository/digest`.
    manifests: BTreeMap<String, (&'static str, Vec<u8>)>,
    blobs: BTreeMap<String, Vec<u8>>,
    /// What refers to `repository/digest`, as an index lists it.
    referrers: BTreeMap<String, Vec<Value>>,
    /// Whether it lists referrers itself, not by a tag.
    pub(super) lists_referrers: bool,
    /// `METHOD /path` of each request.
    pub(crate) requests: Vec<String>,
    /// User and password without which there is no token; a token is asked for if there is a login.
    pub(crate) login: Option<(String, String)>,
    /// Whether anybody gets a token, and nothing without one.
    pub(super) wants_token: bool,
    /// Whether blobs are at another place, which takes no credentials.
    pub(super) redirects_blobs: bool,
    /// The status of each answer, where it is out of order.
    pub(super) broken: Option<StatusCode>,
}

impl Registry {
    pub(crate) async fn start() -> Self {
        let state: Arc<Mutex<State>> = Arc::default();
        let answered = Arc::clone(&state);
        let router = Router::new().fallback(async move |method: Method, uri: Uri, headers: HeaderMap| {
            answered.lock().unwrap().answer(&method, &uri, &headers)
        });
        Self { address: serve(router).await, state }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// `127.0.0.1:PORT/repository`.
    pub(crate) fn name(&self, repository: &str) -> String {
        format!("{}/{repository}", self.address)
    }

    pub(super) fn blob(&self, content: &[u8]) -> String {
        let digest = digest(content);
        self.state().blobs.insert(digest.clone(), content.to_vec());
        digest
    }

    fn manifest(
        &self,
        repository: &str,
        tag: Option<&str>,
        media_type: &'static str,
        content: &Value,
    ) -> String {
        let content = content.to_string().into_bytes();
        let digest = digest(&content);
        let mut state = self.state();
        for name in tag.into_iter().chain([digest.as_str()]) {
            state.manifests.insert(format!("{repository}/{name}"), (media_type, content.clone()));
        }
        digest
    }

    /// Pushes an image for a platform; gives its digest.
    pub(crate) fn image(&self, repository: &str, tag: Option<&str>, architecture: &str) -> String {
        let config =
            json!({"architecture": architecture, "os": "linux", "config": {"User": "nobody"}}).to_string();
        let config = json!({
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": self.blob(config.as_bytes()), "size": config.len(),
        });
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": []});
        self.manifest(repository, tag, MANIFEST, &manifest)
    }

    /// Pushes an index over images for platforms; gives its digest.
    pub(super) fn index(&self, repository: &str, tag: &str, of: &[(&str, &str)]) -> String {
        let manifests: Vec<Value> = of
            .iter()
            .map(|(architecture, digest)| {
                json!({
                    "mediaType": MANIFEST, "digest": digest, "size": 1,
                    "platform": {"os": "linux", "architecture": architecture},
                })
            })
            .collect();
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests});
        self.manifest(repository, Some(tag), INDEX, &index)
    }

    fn layers(&self, layers: &[Layer]) -> Vec<Value> {
        let pushed = |(media_type, annotations, content): &Layer| {
            json!({
                "mediaType": media_type, "annotations": annotations,
                "digest": self.blob(content), "size": content.len(),
            })
        };
        layers.iter().map(pushed).collect()
    }

    /// Pushes what is attached to a digest: each layer's type, annotations and content.
    pub(super) fn attach(&self, repository: &str, digest: &str, suffix: &str, layers: &[Layer]) {
        self.attach_under(repository, &digest.replace(':', "-"), suffix, layers);
    }

    /// The same with the tag's first part given.
    pub(super) fn attach_under(&self, repository: &str, tag: &str, suffix: &str, layers: &[Layer]) {
        let layers = self.layers(layers);
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": {}, "layers": layers});
        self.manifest(repository, Some(&format!("{tag}.{suffix}")), MANIFEST, &manifest);
    }

    /// Pushes an artifact that refers to a digest: its layers' type, annotations and content.
    pub(super) fn refer(&self, repository: &str, digest: &str, artifact_type: &str, layers: &[Layer]) {
        let layers = self.layers(layers);
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": artifact_type, "config": {}, "layers": layers,
            "subject": {"digest": digest},
        });
        let own = self.manifest(repository, None, MANIFEST, &manifest);
        let entry = json!({"mediaType": MANIFEST, "artifactType": artifact_type, "digest": own, "size": 1});
        let mut state = self.state();
        let listed = state.referrers.entry(format!("{repository}/{digest}")).or_default();
        listed.push(entry);
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": listed});
        let lists_referrers = state.lists_referrers;
        drop(state);
        if !lists_referrers {
            self.manifest(repository, Some(&digest.replace(':', "-")), INDEX, &index);
        }
    }

    /// Puts something else where a digest says what is there.
    pub(super) fn forge(&self, digest: &str, content: &[u8]) {
        self.state().blobs.insert(digest.to_owned(), content.to_vec());
    }
}

impl State {
    fn answer(&mut self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Response<Body> {
        let path = uri.path();
        self.requests.push(format!("{method} {path}"));
        if let Some(status) = self.broken {
            return empty(status);
        }
        let authorization =
            headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok()).unwrap_or_default();
        if path == "/token" {
            return self.token(uri, authorization);
        }
        if let Some(digest) = path.strip_prefix("/elsewhere/") {
            assert_eq!(authorization, "", "credentials must stay with who asked for them");
            return self.content(digest);
        }
        let Some((repository, kind, name)) = taken_apart(path) else { return empty(StatusCode::NOT_FOUND) };
        let token = format!("Bearer pull-{repository}");
        if (self.wants_token || self.login.is_some()) && authorization != token {
            let host = headers.get(header::HOST).and_then(|v| v.to_str().ok()).unwrap_or_default();
            let challenge = format!(r#"Bearer realm="http://{host}/token",service="test",scope="ignored""#);
            let refused = Response::builder().status(401).header(header::WWW_AUTHENTICATE, challenge);
            return refused.body(Body::empty()).unwrap();
        }
        match kind {
            "manifests" => match self.manifests.get(&format!("{repository}/{name}")) {
                Some((media_type, content)) => Response::builder()
                    .header(header::CONTENT_TYPE, *media_type)
                    .header("docker-content-digest", digest(content))
                    .body(Body::from(content.clone()))
                    .unwrap(),
                None => empty(StatusCode::NOT_FOUND),
            },
            "referrers" if self.lists_referrers => {
                let listed = self.referrers.get(&format!("{repository}/{name}")).cloned().unwrap_or_default();
                let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": listed}).to_string();
                Response::builder().header(header::CONTENT_TYPE, INDEX).body(Body::from(index)).unwrap()
            }
            "referrers" => empty(StatusCode::NOT_FOUND),
            _ if self.redirects_blobs => {
                let host = headers.get(header::HOST).and_then(|v| v.to_str().ok()).unwrap_or_default();
                let to = format!("http://{}/elsewhere/{name}", host.replace("127.0.0.1", "localhost"));
                Response::builder().status(307).header(header::LOCATION, to).body(Body::empty()).unwrap()
            }
            _ => self.content(name),
        }
    }

    fn content(&self, digest: &str) -> Response<Body> {
        match self.blobs.get(digest) {
            Some(content) => Response::new(Body::from(content.clone())),
            None => empty(StatusCode::NOT_FOUND),
        }
    }

    fn token(&self, uri: &Uri, authorization: &str) -> Response<Body> {
        if let Some((user, password)) = &self.login
            && authorization != format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
        {
            return empty(StatusCode::UNAUTHORIZED);
        }
        let query = uri.query().unwrap_or_default();
        let scope = query.split('&').find_map(|pair| pair.strip_prefix("scope=")).unwrap_or_default();
        let repository = scope.trim_start_matches("repository:").trim_end_matches(":pull");
        Response::new(Body::from(json!({"token": format!("pull-{repository}")}).to_string()))
    }
}

/// `/v2/REPOSITORY/manifests/NAME` and the same with `blobs` and `referrers`.
fn taken_apart(path: &str) -> Option<(&str, &str, &str)> {
    let (rest, name) = path.strip_prefix("/v2/")?.rsplit_once('/')?;
    let (repository, kind) = rest.rsplit_once('/')?;
    Some((repository, kind, name))
}

fn empty(status: StatusCode) -> Response<Body> {
    Response::builder().status(status).body(Body::empty()).unwrap()
}

pub(super) fn digest(content: &[u8]) -> String {
    let bytes: [u8; 32] = Sha256::digest(content).into();
    format!(
        "sha256:{:032x}{:032x}",
        u128::from_be_bytes(half(&bytes, 0)),
        u128::from_be_bytes(half(&bytes, 16))
    )
}

fn half(bytes: &[u8; 32], at: usize) -> [u8; 16] {
    bytes[at..at + 16].try_into().unwrap()
}
