//! Calls of services.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{any, get};
use patrol::model::FactValue;
use patrol::outside::{Outside, OutsideSettings, ServiceSettings};
use serde_json::{Value, json};

use super::server::{serve, serve_tls};

const RESPONSE_BYTES_MAX: usize = 1000;

fn router(n_echoed: &Arc<AtomicUsize>) -> Router {
    let n_echoed = Arc::clone(n_echoed);
    let echo = async move |method: Method, headers: HeaderMap, body: Bytes| {
        n_echoed.fetch_add(1, Ordering::Relaxed);
        let header = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
        json!({
            "method": method.as_str(), "body": String::from_utf8_lossy(&body), "type": header("content-type"),
            "team": header("x-team"), "authorization": header("authorization"),
        })
        .to_string()
    };
    Router::new()
        .route("/echo", any(echo))
        .route("/text", get(async || "no JSON"))
        .route("/large", get(async || json!("x".repeat(RESPONSE_BYTES_MAX)).to_string()))
        .route("/fits", get(async || json!("x".repeat(RESPONSE_BYTES_MAX - 2)).to_string()))
        .route("/silent", get(std::future::pending::<()>))
        .route("/broken", get(async || (StatusCode::INTERNAL_SERVER_ERROR, "out of order")))
        .route("/nothing", get(async || (StatusCode::NOT_FOUND, "no such thing")))
        .route("/moved", get(async || (StatusCode::FOUND, [(header::LOCATION, "/echo")]).into_response()))
}

/// A way to services under that prefix.
fn outside(prefix: &str) -> Outside {
    let services = ServiceSettings {
        allowed: vec![format!("{prefix}/*")],
        timeout: Duration::from_secs(20),
        response_bytes_max: RESPONSE_BYTES_MAX as u64,
    };
    Outside::new(OutsideSettings { services, ..OutsideSettings::default() })
}

fn found(value: &FactValue) -> Value {
    match value {
        FactValue::Found(document) => serde_json::from_str(&document.root().to_json()).expect("JSON"),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn failure(value: &FactValue) -> (&str, bool) {
    match value {
        FactValue::Failed { message, is_transient } => (message, *is_transient),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_call_sends_what_the_policy_says_and_no_credentials() {
    let n = Arc::default();
    let base = format!("http://{}", serve(router(&n)).await);
    let outside = outside(&base);
    let url = format!("{base}/echo");
    let options = json!({"headers": [{"key": "X-Team", "value": "blue"}]}).to_string();
    let told = found(&outside.call("GET", &url, "", &options).await);
    let nothing = Value::Null;
    let wanted =
        json!({"method": "GET", "body": "", "type": nothing, "team": "blue", "authorization": nothing});
    assert_eq!(told, wanted);
    let told = found(&outside.call("POST", &url, r#"{"a":1}"#, "").await);
    assert_eq!((&told["method"], &told["body"]), (&json!("POST"), &json!(r#"{"a":1}"#)));
    assert_eq!(told["type"], "application/json");
    let patch = outside.call("PATCH", &url, "", "").await;
    assert_eq!(failure(&patch), ("failed to build HTTP request: invalid request type PATCH", false));
}

#[tokio::test]
async fn what_the_configuration_does_not_allow_is_not_called() {
    let n: Arc<AtomicUsize> = Arc::default();
    let base = format!("http://{}", serve(router(&n)).await);
    for outside in [Outside::default(), outside("http://elsewhere.test"), outside(&format!("{base}/other"))] {
        match outside.call("GET", &format!("{base}/echo"), "", "").await {
            FactValue::Refused(message) => assert!(message.contains("`apiCall.services`"), "{message}"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(n.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_refusal_says_the_status_and_what_the_service_said() {
    let n = Arc::default();
    let base = format!("http://{}", serve(router(&n)).await);
    let outside = outside(&base);
    let call = async |path: &str| outside.call("GET", &format!("{base}{path}"), "", "").await;
    assert_eq!(failure(&call("/nothing").await), ("HTTP 404 Not Found: no such thing", false));
    assert_eq!(failure(&call("/broken").await), ("HTTP 500 Internal Server Error: out of order", true));
    let moved = call("/moved").await;
    assert_eq!(failure(&moved), ("HTTP 302 Found: redirects are not followed, here to /echo", false));
    assert_eq!(n.load(Ordering::Relaxed), 0);
    assert!(failure(&call("/text").await).0.starts_with("failed to unmarshal JSON"));
    let options = json!({"answersStatus": true}).to_string();
    let with_status = async |path: &str| outside.call("PUT", &format!("{base}{path}"), "1", &options).await;
    assert_eq!(found(&with_status("/nothing").await), json!({"statusCode": 405, "body": null}));
    let echoed = found(&with_status("/echo").await);
    assert_eq!((&echoed["statusCode"], &echoed["body"]["method"]), (&json!(200), &json!("PUT")));
}

#[tokio::test]
async fn an_answer_is_bounded_in_size_and_time() {
    let n = Arc::default();
    let base = format!("http://{}", serve(router(&n)).await);
    let outside = outside(&base);
    let call = async |path: &str| outside.call("GET", &format!("{base}{path}"), "", "").await;
    assert!(found(&call("/fits").await).is_string());
    let large = call("/large").await;
    let (message, is_transient) = failure(&large);
    assert!(message.ends_with("response length must be less than max allowed response length of 1000"));
    assert!(!is_transient);
    let services = ServiceSettings {
        timeout: Duration::from_millis(1),
        allowed: vec![format!("{base}/*")],
        ..ServiceSettings::default()
    };
    outside.configure(OutsideSettings { services, ..OutsideSettings::default() });
    let silent = outside.call("GET", &format!("{base}/silent"), "", "").await;
    assert!(failure(&silent).0.ends_with("no answer within 0.001 s") && failure(&silent).1, "{silent:?}");
}

#[tokio::test]
async fn a_service_that_cannot_be_reached_is_a_passing_failure() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let refused = outside(&base).call("GET", &format!("{base}/echo"), "", "").await;
    assert!(failure(&refused).1, "{refused:?}");
}

#[tokio::test]
async fn with_a_bundle_only_its_certificates_are_trusted() {
    let n = Arc::default();
    let (address, bundle) = serve_tls(router(&n)).await;
    let base = format!("https://{address}");
    let outside = outside(&base);
    let call =
        async |options: &Value| outside.call("GET", &format!("{base}/echo"), "", &options.to_string()).await;
    assert_eq!(found(&call(&json!({"caBundle": bundle})).await)["method"], "GET");
    let (_, other) = serve_tls(router(&n)).await;
    let untrusted = call(&json!({"caBundle": other})).await;
    assert!(failure(&untrusted).0.contains("certificate"), "{untrusted:?}");
    let untrusted = call(&json!({})).await;
    assert!(failure(&untrusted).0.contains("certificate"), "{untrusted:?}");
    let no_bundle = call(&json!({"caBundle": "no certificate"})).await;
    assert!(failure(&no_bundle).0.ends_with("failed to parse PEM CA bundle"), "{no_bundle:?}");
    assert_eq!(n.load(Ordering::Relaxed), 1);
}
