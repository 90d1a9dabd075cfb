//! One HTTP exchange: bounded in time and size, over TLS that is trusted, and nothing that was not asked for.
//!
//! No redirect is followed here, no proxy is looked for in the environment, no cookie is kept and no credential
//! is added: what a caller allows is what is connected with.

use std::error::Error;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

use crate::limits;

type Connected = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Makes exchanges; connections are kept between them.
#[derive(Debug, Default)]
pub(super) struct HttpClient {
    /// With the certificates of the system, once they were needed.
    system: OnceLock<Result<Connected, String>>,
}

/// How much an exchange may cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// From the connection to the last byte.
    pub(super) timeout: Duration,
    /// How much of a reply is read at most, in bytes.
    pub(super) n_bytes_max: usize,
}

/// A whole reply.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Why there is no whole reply.
#[derive(Debug, thiserror::Error)]
pub(super) enum HttpError {
    /// The request cannot be made at all.
    #[error("{0}")]
    Unusable(String),
    /// No connection, no trust in it, or one that broke.
    #[error("{0}")]
    Unreachable(String),
    /// It took too long.
    #[error("no answer within {} s", .0.as_secs_f64())]
    TimedOut(Duration),
    /// The reply is longer than what is read of it.
    #[error("response length must be less than max allowed response length of {0}")]
    TooLong(usize),
}

impl HttpError {
    /// Whether a later scan may do better although nobody changes a policy or a setting.
    pub(super) fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::TimedOut(_))
    }
}

impl HttpClient {
    /// Sends a request and reads the whole reply. `ca_bundle` is PEM; where it is given, nothing else is trusted.
    pub(super) async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
        ca_bundle: Option<&str>,
        bounds: Bounds,
    ) -> Result<Reply, HttpError> {
        let own;
        let client = match ca_bundle {
            Some(bundle) => {
                own = connected(trusting(bundle).map_err(HttpError::Unusable)?);
                &own
            }
            None => match self.system.get_or_init(|| trusting_the_system().map(connected)) {
                Ok(client) => client,
                Err(message) => return Err(HttpError::Unusable(message.clone())),
            },
        };
        let exchange = async {
            let reply = client.request(request).await;
            let reply = reply.map_err(|error| HttpError::Unreachable(chain(&error)))?;
            let (parts, mut body) = reply.into_parts();
            let mut read = Vec::new();
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|error| HttpError::Unreachable(chain(&error)))?;
                let Ok(data) = frame.into_data() else { continue };
                if read.len() + data.len() > bounds.n_bytes_max {
                    return Err(HttpError::TooLong(bounds.n_bytes_max));
                }
                read.extend_from_slice(&data);
            }
            Ok(Reply { status: parts.status, headers: parts.headers, body: read.into() })
        };
        let done = tokio::time::timeout(bounds.timeout, exchange).await;
        done.unwrap_or(Err(HttpError::TimedOut(bounds.timeout)))
    }
}

fn connected(tls: ClientConfig) -> Connected {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_connect_timeout(Some(limits::OUTSIDE_CONNECT_TIMEOUT));
    let https = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1();
    Client::builder(TokioExecutor::new())
        .pool_idle_timeout(limits::OUTSIDE_IDLE_TIMEOUT)
        .pool_max_idle_per_host(1)
        .build(https.wrap_connector(http))
}

fn trusting_the_system() -> Result<ClientConfig, String> {
    let config = tls_versions()?.with_native_roots();
    Ok(config.map_err(|error| error.to_string())?.with_no_client_auth())
}

/// Trust in the certificates of a PEM text alone.
fn trusting(bundle: &str) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    for pem in x509_parser::pem::Pem::iter_from_buffer(bundle.as_bytes()).flatten() {
        // What is no certificate is passed over, as Go's certificate pools do.
        let _ = roots.add(CertificateDer::from(pem.contents));
    }
    if roots.is_empty() {
        return Err("failed to parse PEM CA bundle".to_owned());
    }
    Ok(tls_versions()?.with_root_certificates(roots).with_no_client_auth())
}

fn tls_versions() -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())
}

/// An error with what caused it, each cause said once.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        next = cause.source();
    }
    text
}
