//! Calls of services outside the API server, which policies make only where the configuration allows it.
//!
//! `options` is the policy's `service` as JSON: `headers` (pairs of `key` and `value`) and `caBundle` (PEM).
//! No credentials of Patrol go along.

use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::{BodyExt, Limited};
use kube::client::Body;
use kube::{Client, Config};
use serde::Deserialize;

use super::client::JSON;
use super::facts::failed;
use super::failure::chain;
use super::settings::ClusterSettings;
use crate::document::Document;
use crate::limits;
use crate::model::FactValue;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Options {
    headers: Vec<Header>,
    ca_bundle: String,
}

#[derive(Deserialize)]
struct Header {
    key: String,
    value: String,
}

/// What a service answers.
pub(super) async fn call_service(
    settings: &ClusterSettings,
    method: &str,
    url: &str,
    body: &str,
    options: &str,
) -> FactValue {
    if !settings.allows_service_calls {
        return failed(format!("calling the service `{url}` is not allowed by the configuration"));
    }
    let (client, request) = match prepare(settings, method, url, body, options) {
        Ok(prepared) => prepared,
        Err(message) => return failed(format!("the service `{url}` cannot be called: {message}")),
    };
    let exchange = async {
        let reply = client.send(request).await.map_err(|error| chain(&error))?;
        let code = reply.status();
        let body = Limited::new(reply.into_body(), limits::REPLY_BYTES_MAX).collect().await;
        let body = body.map_err(|error| error.to_string())?.to_bytes();
        Ok::<_, String>((code, body))
    };
    match tokio::time::timeout(settings.request_timeout, exchange).await {
        Ok(Ok((code, reply))) if code.is_success() => match Document::from_json(&reply) {
            Ok(document) => FactValue::Found(document),
            Err(error) => failed(format!("the reply of the service `{url}` cannot be read: {error}")),
        },
        Ok(Ok((code, _))) => FactValue::Failed {
            message: format!("the service `{url}` answers {code}"),
            is_transient: code.is_server_error() || code.as_u16() == 429,
        },
        Ok(Err(message)) => {
            FactValue::Failed { message: format!("the service `{url}`: {message}"), is_transient: true }
        }
        Err(_) => FactValue::Failed {
            message: format!("the service `{url}` did not answer within {:?}", settings.request_timeout),
            is_transient: true,
        },
    }
}

fn prepare(
    settings: &ClusterSettings,
    method: &str,
    url: &str,
    body: &str,
    options: &str,
) -> Result<(Client, Request<Body>), String> {
    let uri: Uri = url.parse().map_err(|error: http::uri::InvalidUri| error.to_string())?;
    let options: Options = match options {
        "" => Options::default(),
        options => serde_json::from_str(options).map_err(|error| error.to_string())?,
    };
    let parts = uri.clone().into_parts();
    let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else {
        return Err("the URL has no scheme or no host".to_owned());
    };
    let base = Uri::builder().scheme(scheme).authority(authority).path_and_query("/").build();
    let mut config = Config::new(base.map_err(|error| error.to_string())?);
    config.connect_timeout = Some(settings.connect_timeout);
    config.default_retry = false;
    if !options.ca_bundle.is_empty() {
        config.root_cert = Some(certificates(&options.ca_bundle)?);
    }
    let client = Client::try_from(config).map_err(|error| chain(&error))?;
    let method = Method::from_bytes(method.as_bytes()).map_err(|error| error.to_string())?;
    let path = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let mut request = Request::builder().method(method).uri(path).header(ACCEPT, JSON);
    if !body.is_empty() {
        request = request.header(CONTENT_TYPE, JSON);
    }
    for Header { key, value } in &options.headers {
        let key = HeaderName::try_from(key).map_err(|error| error.to_string())?;
        request = request.header(key, HeaderValue::try_from(value).map_err(|error| error.to_string())?);
    }
    let request = request.body(Body::from(body.as_bytes().to_vec())).map_err(|error| error.to_string())?;
    Ok((client, request))
}

/// The certificates of a PEM text, in DER.
fn certificates(pem: &str) -> Result<Vec<Vec<u8>>, String> {
    let found = x509_parser::pem::Pem::iter_from_buffer(pem.as_bytes())
        .map(|pem| pem.map(|pem| pem.contents).map_err(|error| error.to_string()))
        .collect::<Result<Vec<_>, _>>()?;
    if found.is_empty() { Err("its `caBundle` holds no certificate".to_owned()) } else { Ok(found) }
}
