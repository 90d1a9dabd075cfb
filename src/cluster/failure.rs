//! Why a request came to nothing: one value whatever broke, so that callers decide by class and people read
//! one sentence.

use std::time::Duration;

use http::StatusCode;
use serde::Deserialize;

pub(super) use crate::outside::chain;

/// The kind of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailureClass {
    /// 401, or credentials that could not be obtained.
    Unauthorized,
    /// 403.
    Forbidden,
    /// 404.
    NotFound,
    /// 405, 406: the resource does not do that.
    NotAllowed,
    /// 409, because there is an object of that name.
    AlreadyExists,
    /// 409, because the object is not what the request took it for.
    Conflict,
    /// 410: a continue token that is too old.
    Expired,
    /// 400, 413, 415, 422 and other refusals of what was sent.
    Refused,
    /// 429: the server asks for patience.
    Busy,
    /// 5xx.
    ServerError,
    /// No connection, or one that broke.
    Unreachable,
    /// The connection is not trusted.
    Untrusted,
    /// No whole reply within the time for it.
    TimedOut,
    /// The reply ended in the middle.
    CutOff,
    /// The reply is longer than what is read of it.
    TooLarge,
    /// The reply is not what the API promises, or the request could not be made.
    Unreadable,
    /// The request was not made: this replica does not lead.
    NotLeading,
}

/// A failed request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiFailure {
    /// What kind of failure.
    pub class: FailureClass,
    /// The HTTP status; 0 if there was no reply.
    pub code: u16,
    /// What happened, for people.
    pub message: String,
    /// How long the server asks to wait.
    pub retry_after: Option<Duration>,
}

/// What the API server says in a reply that is no success.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    message: String,
    reason: String,
    details: Option<Details>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Details {
    retry_after_seconds: u64,
    causes: Vec<Cause>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Cause {
    reason: String,
}

impl ApiFailure {
    /// A failure without a reply.
    pub(super) fn new(class: FailureClass, message: impl Into<String>) -> Self {
        Self { class, code: 0, message: message.into(), retry_after: None }
    }

    /// What a reply that is no success says. `asked` names the request, such as `list pods`.
    pub(super) fn of_reply(
        asked: &str,
        code: StatusCode,
        retry_after: Option<Duration>,
        body: &[u8],
    ) -> Self {
        let status: Status = serde_json::from_slice(body).unwrap_or_default();
        let details = status.details.unwrap_or_default();
        let class = class_of(code, &status.reason);
        let said = if status.message.is_empty() { text_of(body, code) } else { status.message };
        let retry_after = retry_after.or_else(|| {
            (details.retry_after_seconds > 0).then(|| Duration::from_secs(details.retry_after_seconds))
        });
        let n = code.as_u16();
        let message = match class {
            FailureClass::Unauthorized => format!(
                "the API server does not accept the credentials (401): \
                 a token may have expired or been revoked: {said}"
            ),
            FailureClass::Forbidden
                if details.causes.iter().any(|cause| cause.reason == "NamespaceTerminating") =>
            {
                format!("its namespace is being deleted: {said}")
            }
            FailureClass::Forbidden => format!("not permitted (403): {said}"),
            FailureClass::Busy => format!("the API server is busy ({n}): {said}"),
            FailureClass::ServerError => format!("the API server failed to {asked} ({n}): {said}"),
            _ => format!("cannot {asked} ({n}): {said}"),
        };
        Self { class, code: n, message, retry_after }
    }

    /// What a broken connection says.
    pub(super) fn of_connection(server: &str, error: &kube::Error) -> Self {
        if let kube::Error::Auth(auth) = error {
            return Self::new(
                FailureClass::Unauthorized,
                format!("the credentials could not be obtained: {}", chain(auth)),
            );
        }
        let text = chain(error);
        let is_tls =
            ["certificate", "UnknownIssuer", "InvalidCertificate", "HandshakeFailure", "CorruptMessage"];
        if is_tls.iter().any(|word| text.contains(word)) {
            return Self::new(
                FailureClass::Untrusted,
                format!("no trusted connection to the API server at {server}: {text}"),
            );
        }
        Self::new(FailureClass::Unreachable, format!("the API server at {server} cannot be reached: {text}"))
    }

    /// Whether the same request may succeed a moment later.
    pub fn is_worth_a_retry(&self) -> bool {
        matches!(
            self.class,
            FailureClass::Busy
                | FailureClass::ServerError
                | FailureClass::Unreachable
                | FailureClass::TimedOut
                | FailureClass::CutOff
        ) && self.code != 501
    }

    /// Whether the same request may succeed in a later scan although nobody repairs anything.
    pub fn is_transient(&self) -> bool {
        self.is_worth_a_retry()
            || matches!(
                self.class,
                FailureClass::Unauthorized
                    | FailureClass::Expired
                    | FailureClass::Conflict
                    | FailureClass::Untrusted
                    | FailureClass::Unreadable
                    | FailureClass::NotLeading
            )
    }
}

fn class_of(code: StatusCode, reason: &str) -> FailureClass {
    match code.as_u16() {
        401 => FailureClass::Unauthorized,
        403 => FailureClass::Forbidden,
        404 => FailureClass::NotFound,
        405 | 406 => FailureClass::NotAllowed,
        409 if reason == "AlreadyExists" => FailureClass::AlreadyExists,
        409 => FailureClass::Conflict,
        410 => FailureClass::Expired,
        429 => FailureClass::Busy,
        500..=599 => FailureClass::ServerError,
        300..=499 => FailureClass::Refused,
        _ => FailureClass::Unreadable,
    }
}

/// The beginning of a reply that is no Status, on one line.
fn text_of(body: &[u8], code: StatusCode) -> String {
    let text = String::from_utf8_lossy(body);
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(200).collect();
    if line.is_empty() { code.canonical_reason().unwrap_or("no reason given").to_owned() } else { line }
}
