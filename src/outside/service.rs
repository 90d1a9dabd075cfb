//! Calls of services, which policies make only where `apiCall.services` allows it.
//!
//! Upstream: `pkg/engine/apicall/executor.go` of Kyverno, whose error texts these are. There a call carries a
//! service account's token unless the policy gives an `Authorization` header, and redirects are followed; here
//! no credential of Patrol goes along, and a redirect is an answer like any other that is no success.

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, LOCATION};
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::Full;
use serde::Deserialize;

use super::failed;
use super::http::{Bounds, HttpClient};
use super::settings::ServiceSettings;
use crate::document::{Document, DocumentBuilder};
use crate::gostd::wildcard;
use crate::limits;
use crate::model::FactValue;

const JSON: &str = "application/json";

/// The policy's `service` beside its URL.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Options {
    headers: Vec<Header>,
    ca_bundle: String,
    answers_status: bool,
}

#[derive(Deserialize)]
struct Header {
    key: String,
    value: String,
}

/// What a service answers. `options` is the policy's `service` as JSON: `headers` (pairs of `key` and `value`),
/// `caBundle` (PEM), and `answersStatus` where the policy looks at the status itself; empty for none.
pub(super) async fn call(
    client: &HttpClient,
    settings: &ServiceSettings,
    method: &str,
    url: &str,
    body: &str,
    options: &str,
) -> FactValue {
    let (request, options) = match prepare(method, url, body, options) {
        Ok(prepared) => prepared,
        Err(message) => return failed(format!("failed to build HTTP request: {message}")),
    };
    if !settings.allowed.iter().any(|pattern| is_allowed(pattern, url)) {
        return FactValue::Refused(format!(
            "calling the service `{url}` is not allowed by the configuration (`apiCall.services`)"
        ));
    }
    let n_bytes_max = usize::try_from(settings.response_bytes_max).unwrap_or(usize::MAX);
    let bounds = Bounds { timeout: settings.timeout, n_bytes_max: n_bytes_max.min(limits::REPLY_BYTES_MAX) };
    let reply = match client.exchange(request, options.bundle(), bounds).await {
        Ok(reply) => reply,
        Err(error) => {
            return FactValue::Failed {
                is_transient: error.is_transient(),
                message: format!("failed to execute HTTP request: {method} {url}: {error}"),
            };
        }
    };
    if options.answers_status {
        return FactValue::Found(with_status(reply.status.as_u16(), &reply.body));
    }
    if !reply.status.is_success() {
        let said: String =
            String::from_utf8_lossy(&reply.body).chars().take(limits::SERVICE_REFUSAL_CHARS_MAX).collect();
        let is_transient = reply.status.is_server_error() || reply.status.as_u16() == 429;
        let to = reply.headers.get(LOCATION).and_then(|to| to.to_str().ok());
        let said = to.map_or(said, |to| format!("redirects are not followed, here to {to}"));
        return FactValue::Failed { message: format!("HTTP {}: {said}", reply.status), is_transient };
    }
    match Document::from_json(&reply.body) {
        Ok(document) => FactValue::Found(document),
        Err(error) => failed(format!("failed to unmarshal JSON of {method} {url}: {error}")),
    }
}

/// A reply of any status as one object; a body that is no JSON is null.
fn with_status(code: u16, reply: &[u8]) -> Document {
    let mut builder = DocumentBuilder::new();
    builder.open_object();
    builder.key("statusCode");
    builder.int(i64::from(code));
    builder.key("body");
    match Document::from_json(reply) {
        Ok(body) => builder.node(body.root()),
        Err(_) => builder.null(),
    }
    builder.close();
    builder.finish()
}

impl Options {
    fn bundle(&self) -> Option<&str> {
        (!self.ca_bundle.is_empty()).then_some(self.ca_bundle.as_str())
    }
}

fn prepare(
    method: &str,
    url: &str,
    body: &str,
    options: &str,
) -> Result<(Request<Full<Bytes>>, Options), String> {
    // PUT is a word of CEL's `http` library alone, which wants the status too.
    if !matches!(method, "GET" | "POST" | "PUT") {
        return Err(format!("invalid request type {method}"));
    }
    let uri: Uri = url.parse().map_err(|error: http::uri::InvalidUri| format!("{url}: {error}"))?;
    if uri.scheme().is_none() || uri.host().is_none_or(str::is_empty) {
        return Err(format!("{url}: the URL has no scheme or no host"));
    }
    let options: Options = match options {
        "" => Options::default(),
        options => serde_json::from_str(options).map_err(|error| error.to_string())?,
    };
    let method = Method::from_bytes(method.as_bytes()).map_err(|error| error.to_string())?;
    let mut request = Request::builder().method(method).uri(uri).header(ACCEPT, JSON);
    if !body.is_empty()
        && !options.headers.iter().any(|header| header.key.eq_ignore_ascii_case("content-type"))
    {
        request = request.header(CONTENT_TYPE, JSON);
    }
    for Header { key, value } in &options.headers {
        let name = HeaderName::try_from(key).map_err(|error| format!("header {key}: {error}"))?;
        let value = HeaderValue::try_from(value).map_err(|error| format!("header {key}: {error}"))?;
        request = request.header(name, value);
    }
    let request = request.body(Full::from(body.as_bytes().to_vec())).map_err(|error| error.to_string())?;
    Ok((request, options))
}

/// Whether a URL is one of a pattern's. Scheme and host are compared apart from the path, so that a wildcard in
/// a host's name cannot reach into the path; a URL with a user or with `.` and `..` as steps is none.
fn is_allowed(pattern: &str, url: &str) -> bool {
    let (Some(pattern), Some(url)) = (Taken::apart(pattern), Taken::apart(url)) else { return false };
    let has_dots = url.path.split(['/', '\\']).any(|step| {
        let step = step.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase().replace("%2e", ".");
        step == "." || step == ".."
    });
    pattern.scheme.eq_ignore_ascii_case(url.scheme)
        && !url.authority.contains('@')
        && !has_dots
        && wildcard::matches(&pattern.authority.to_ascii_lowercase(), &url.authority.to_ascii_lowercase())
        && wildcard::matches(&pattern.path_or_root(), &url.path_or_root())
}

/// `scheme://authority/path?query`.
struct Taken<'t> {
    scheme: &'t str,
    authority: &'t str,
    path: &'t str,
}

impl<'t> Taken<'t> {
    fn apart(text: &'t str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end)?;
        Some(Self { scheme, authority, path })
    }

    fn path_or_root(&self) -> String {
        if self.path.starts_with('/') { self.path.to_owned() } else { format!("/{}", self.path) }
    }
}

#[cfg(test)]
mod tests {
    use super::is_allowed;

    #[track_caller]
    fn check(pattern: &str, allowed: &[&str], refused: &[&str]) {
        for url in allowed {
            assert!(is_allowed(pattern, url), "{pattern} should allow {url}");
        }
        for url in refused {
            assert!(!is_allowed(pattern, url), "{pattern} should refuse {url}");
        }
    }

    #[test]
    fn a_pattern_allows_urls_of_its_host_and_path() {
        check(
            "https://checks.tools.svc/*",
            &["https://checks.tools.svc/", "https://checks.tools.svc", "https://CHECKS.tools.svc/a/b?c=d"],
            &[
                "http://checks.tools.svc/a",
                "https://checks.tools.svc:8443/a",
                "https://checks.tools.svc.evil.test/a",
                "https://evil.test/https://checks.tools.svc/a",
                "https://checks.tools.svc@evil.test/a",
                "https://user@checks.tools.svc/a",
            ],
        );
        check("https://a.test/one", &["https://a.test/one"], &["https://a.test/one/two", "https://a.test/"]);
        check("https://a.test", &["https://a.test", "https://a.test/"], &["https://a.test/one"]);
    }

    #[test]
    fn a_wildcard_in_the_host_ends_with_the_host() {
        check(
            "https://svc-*.test/*",
            &["https://svc-a.test/x", "https://svc-a.b.test/x"],
            &["https://svc-evil.example/x.test/y", "https://svc-evil.example?x.test/y"],
        );
    }

    #[test]
    fn steps_that_lead_elsewhere_are_refused() {
        check(
            "https://a.test/public/*",
            &["https://a.test/public/x", "https://a.test/public/..x", "https://a.test/public/x?y=/z"],
            &[
                "https://a.test/public/../private",
                "https://a.test/public/%2E%2e/private",
                "https://a.test/public/./x",
                "https://a.test/public/..?x",
            ],
        );
    }
}
