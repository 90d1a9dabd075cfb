//! One request to a registry: the credentials that it asks for, redirects of blobs, bounds.
//!
//! A registry on a loopback address is asked without TLS, every other with it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, LOCATION, WWW_AUTHENTICATE};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::Full;
use serde::Deserialize;
use tokio::time::Instant;

use super::challenge::Challenge;
use super::{Registries, RegistryError};
use crate::limits;
use crate::outside::http::{Bounds, Reply};

/// The header in which a registry tells a manifest's digest.
const DIGEST: &str = "docker-content-digest";

/// What is known of registries besides their content.
#[derive(Default)]
pub(crate) struct RegistryAccess {
    /// The tokens that they gave, until they end.
    tokens: Mutex<BTreeMap<Repository, (String, Instant)>>,
    /// Those that could not be reached: why, and until when they are not tried again.
    down: Mutex<BTreeMap<String, (RegistryError, Instant)>>,
}

impl fmt::Debug for RegistryAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RegistryAccess")
    }
}

/// A repository of a registry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Repository {
    registry: String,
    name: String,
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.name)
    }
}

impl Repository {
    pub(super) fn new(registry: &str, name: &str) -> Self {
        Self { registry: registry.to_owned(), name: name.to_owned() }
    }

    fn url(&self, path: &str) -> String {
        let scheme = if is_loopback(&self.registry) { "http" } else { "https" };
        format!("{scheme}://{}/v2/{}/{path}", self.registry, self.name)
    }
}

/// What is asked of a repository.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    /// Below `/v2/NAME/`.
    pub(super) path: &'a str,
    /// Media types.
    pub(super) accepted: &'a [&'a str],
    /// How much of an answer is read at most, in bytes.
    pub(super) n_bytes_max: usize,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Granted {
    token: String,
    access_token: String,
    expires_in: u64,
}

impl RegistryAccess {
    /// Forgets all of it.
    pub(crate) fn clear(&self) {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.down.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The content of something.
    pub(super) async fn get(
        &self,
        door: Registries<'_>,
        repository: &Repository,
        asked: &Asked<'_>,
    ) -> Result<Bytes, RegistryError> {
        Ok(self.ask(door, &Method::GET, repository, asked).await?.body)
    }

    /// The digest of a manifest, if the registry tells it.
    pub(super) async fn head(
        &self,
        door: Registries<'_>,
        repository: &Repository,
        asked: &Asked<'_>,
    ) -> Result<Option<String>, RegistryError> {
        let reply = self.ask(door, &Method::HEAD, repository, asked).await?;
        Ok(reply.headers.get(DIGEST).and_then(|digest| digest.to_str().ok()).map(str::to_owned))
    }

    async fn ask(
        &self,
        door: Registries<'_>,
        method: &Method,
        repository: &Repository,
        asked: &Asked<'_>,
    ) -> Result<Reply, RegistryError> {
        if let Some(down) = self.down_for(&repository.registry) {
            return Err(down);
        }
        let url = repository.url(asked.path);
        let kept = self.kept(repository);
        let reply = follow(door, method, &url, asked, kept.as_deref()).await;
        if let Err(failure @ RegistryError::Failed { is_transient: true, .. }) = &reply {
            let until = Instant::now() + limits::REGISTRY_DOWN_FOR;
            let mut down = self.down.lock().unwrap_or_else(PoisonError::into_inner);
            down.insert(repository.registry.clone(), (failure.clone(), until));
        }
        let mut reply = reply?;
        if reply.status == StatusCode::UNAUTHORIZED
            && let Some(challenge) =
                reply.headers.get(WWW_AUTHENTICATE).and_then(|header| Challenge::parse(header.to_str().ok()?))
            && let Some(authorization) = self.answer(door, repository, &challenge).await?
        {
            reply = follow(door, method, &url, asked, Some(&authorization)).await?;
        }
        match reply.status {
            status if status.is_success() => Ok(reply),
            StatusCode::NOT_FOUND => Err(RegistryError::Missing),
            status => {
                let is_transient =
                    status.is_server_error() || matches!(status.as_u16(), 401 | 403 | 408 | 429);
                let said = match status {
                    StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                        " (credentials are those of `images.pullSecrets`)"
                    }
                    _ => "",
                };
                Err(RegistryError::Failed {
                    message: format!("{method} {url}: {status}{said}"),
                    is_transient,
                })
            }
        }
    }

    /// Why a registry is not to be tried now; one whose time has passed is forgotten.
    fn down_for(&self, registry: &str) -> Option<RegistryError> {
        let mut down = self.down.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        down.retain(|_, (_, until)| *until > now);
        down.get(registry).map(|(failure, _)| failure.clone())
    }

    fn kept(&self, repository: &Repository) -> Option<String> {
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let (token, until) = tokens.get(repository)?;
        (*until > Instant::now()).then(|| token.clone())
    }

    /// What to say in answer to a challenge; `None` if there is nothing to say.
    async fn answer(
        &self,
        door: Registries<'_>,
        repository: &Repository,
        challenge: &Challenge,
    ) -> Result<Option<String>, RegistryError> {
        let basic =
            door.settings.logins.of(&repository.registry, &repository.name).map(|login| {
                format!("Basic {}", STANDARD.encode(format!("{}:{}", login.user, login.password)))
            });
        let (realm, service) = match challenge {
            Challenge::Basic => return Ok(basic),
            Challenge::Bearer { realm, service } => (realm, service),
        };
        let mark = if realm.contains('?') { '&' } else { '?' };
        let scope = format!("repository:{}:pull", repository.name);
        let url = format!("{realm}{mark}service={}&scope={}", escaped(service), escaped(&scope));
        if !is_trusted(&url) {
            return Err(RegistryError::unusable(format!(
                "{repository} asks for a token from {realm}, without TLS"
            )));
        }
        let asked = Asked { path: "", accepted: &[], n_bytes_max: limits::REGISTRY_TOKEN_BYTES_MAX };
        let reply = exchange(door, &Method::GET, &url, &asked, basic.as_deref()).await?;
        if !reply.status.is_success() {
            let message = format!("GET {url}: {}", reply.status);
            let is_transient = reply.status.is_server_error() || reply.status.as_u16() == 429;
            return Err(RegistryError::Failed { message, is_transient });
        }
        let granted: Granted = serde_json::from_slice(&reply.body).map_err(|error| {
            RegistryError::unusable(format!("the token of {realm} cannot be read: {error}"))
        })?;
        let text = if granted.token.is_empty() { granted.access_token } else { granted.token };
        let authorization = format!("Bearer {text}");
        // A token without a time holds for a minute, by the protocol; some seconds are left for the way.
        let seconds = if granted.expires_in == 0 { 60 } else { granted.expires_in.min(3600) };
        let until = Instant::now() + Duration::from_secs(seconds.saturating_sub(10));
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if tokens.len() >= limits::REGISTRY_TOKENS_MAX {
            tokens.clear();
        }
        tokens.insert(repository.clone(), (authorization.clone(), until));
        Ok(Some(authorization))
    }
}

/// Asks, and follows where a registry keeps its content elsewhere; credentials stay with the host that asked for them.
async fn follow(
    door: Registries<'_>,
    method: &Method,
    url: &str,
    asked: &Asked<'_>,
    authorization: Option<&str>,
) -> Result<Reply, RegistryError> {
    let mut url = url.to_owned();
    let mut authorization = authorization;
    for _ in 0..=limits::REGISTRY_REDIRECTS_MAX {
        let reply = exchange(door, method, &url, asked, authorization).await?;
        if !reply.status.is_redirection() {
            return Ok(reply);
        }
        let to = reply.headers.get(LOCATION).and_then(|to| to.to_str().ok()).unwrap_or_default();
        let next = if to.starts_with('/') { format!("{}{to}", origin(&url)) } else { to.to_owned() };
        if !is_trusted(&next) {
            return Err(RegistryError::unusable(format!("{method} {url}: leads to `{to}`, without TLS")));
        }
        if origin(&next) != origin(&url) {
            authorization = None;
        }
        url = next;
    }
    Err(RegistryError::unusable(format!(
        "{method} {url}: more than {} redirects",
        limits::REGISTRY_REDIRECTS_MAX
    )))
}

async fn exchange(
    door: Registries<'_>,
    method: &Method,
    url: &str,
    asked: &Asked<'_>,
    authorization: Option<&str>,
) -> Result<Reply, RegistryError> {
    let mut request = Request::builder().method(method.clone()).uri(url);
    if !asked.accepted.is_empty() {
        request = request.header(ACCEPT, asked.accepted.join(", "));
    }
    if let Some(authorization) = authorization {
        request = request.header(AUTHORIZATION, authorization);
    }
    let request = request
        .body(Full::default())
        .map_err(|error| RegistryError::unusable(format!("{method} {url}: {error}")))?;
    let bounds = Bounds { timeout: limits::REGISTRY_TIMEOUT, n_bytes_max: asked.n_bytes_max };
    door.client.exchange(request, None, bounds).await.map_err(|error| RegistryError::Failed {
        message: format!("{method} {url}: {error}"),
        is_transient: error.is_transient(),
    })
}

/// `scheme://host:port` of a URL.
fn origin(url: &str) -> &str {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url.get(start..).and_then(|rest| rest.find('/')).map_or(url.len(), |at| start + at);
    url.get(..end).unwrap_or(url)
}

/// Whether what a URL answers can be believed, and credentials can be sent there: over TLS, or within this machine.
fn is_trusted(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else { return false };
    let host = uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
    match uri.scheme_str() {
        Some("https") => !host.is_empty(),
        Some("http") => is_loopback(host),
        _ => false,
    }
}

/// Whether a host with its port is this machine.
fn is_loopback(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A text as a value of a query.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:/".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            use std::fmt::Write as _;
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::{is_loopback, is_trusted, origin};

    #[test]
    fn only_this_machine_is_asked_without_tls() {
        for host in ["localhost", "localhost:5000", "127.0.0.1:5000", "127.8.0.1", "[::1]:5000"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["localhost.evil.test", "127.0.0.1.evil.test", "10.0.0.1", "[::2]", ""] {
            assert!(!is_loopback(host), "{host}");
        }
        assert!(is_trusted("https://a.test/x") && is_trusted("http://127.0.0.1:1/x"));
        assert!(!is_trusted("http://a.test/x") && !is_trusted("/x") && !is_trusted("ftp://localhost/x"));
    }

    #[test]
    fn an_origin_ends_before_the_path() {
        assert_eq!(origin("https://a.test:1/b/c"), "https://a.test:1");
        assert_eq!(origin("https://a.test"), "https://a.test");
    }
}
