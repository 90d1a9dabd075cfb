//! What registries say of images.

use std::time::Duration;

use axum::http::StatusCode;
use patrol::model::{FactKey, FactValue};
use patrol::outside::{Logins, Outside, OutsideSettings, RegistrySettings};
use serde_json::{Value, json};

use super::registry::Registry;

const HOUR: Duration = Duration::from_hours(1);

/// A way to registries that remembers tags for that long.
pub(super) fn registries(max_age: Duration, logins: Logins) -> Outside {
    let registries = RegistrySettings { is_enabled: true, max_age, logins };
    Outside::new(OutsideSettings { registries, ..OutsideSettings::default() })
}

fn open() -> Outside {
    registries(Duration::ZERO, Logins::default())
}

fn json_of(value: &FactValue) -> Value {
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

fn attached(registry: &Registry, digest: &str) -> FactKey {
    FactKey::Attached {
        repository: registry.name("corp/app"),
        digest: digest.to_owned(),
        suffix: "sig".into(),
    }
}

#[tokio::test]
async fn an_images_data_has_the_references_parts_and_the_documents() {
    let registry = Registry::start().await;
    let digest = registry.image("corp/app", Some("1"), "amd64");
    let image = registry.name("corp/app:1");
    let data = json_of(&open().fact(&FactKey::Image(image.clone())).await);
    assert_eq!(data["image"], image);
    assert_eq!(data["resolvedImage"], registry.name(&format!("corp/app@{digest}")));
    assert_eq!(data["registry"], registry.address.to_string());
    assert_eq!((&data["repository"], &data["identifier"]), (&json!("corp/app"), &json!("1")));
    assert_eq!(data["manifestList"], Value::Null);
    assert_eq!(data["manifest"]["schemaVersion"], 2);
    assert_eq!(data["configData"]["config"]["User"], "nobody");
    let by_digest = FactKey::Image(registry.name(&format!("corp/app@{digest}")));
    assert_eq!(json_of(&open().fact(&by_digest).await)["identifier"], digest);
}

#[tokio::test]
async fn of_an_index_the_image_for_linux_on_amd64_is_meant() {
    let registry = Registry::start().await;
    let (arm, amd) = (registry.image("corp/app", None, "arm64"), registry.image("corp/app", None, "amd64"));
    let index = registry.index("corp/app", "1", &[("arm64", &arm), ("amd64", &amd)]);
    let image = registry.name("corp/app:1");
    let data = json_of(&open().fact(&FactKey::Image(image.clone())).await);
    assert_eq!(data["configData"]["architecture"], "amd64");
    assert_eq!(data["manifestList"]["manifests"][0]["digest"], arm);
    assert_eq!(data["resolvedImage"], registry.name(&format!("corp/app@{index}")));
    assert_eq!(json_of(&open().fact(&FactKey::ImageDigest(image)).await), index);
    registry.index("corp/app", "2", &[("arm64", &arm)]);
    let other = open().fact(&FactKey::Image(registry.name("corp/app:2"))).await;
    assert!(failure(&other).0.starts_with("no child with platform linux/amd64 in index"), "{other:?}");
}

#[tokio::test]
async fn what_is_attached_comes_with_annotations_and_bytes() {
    let registry = Registry::start().await;
    let digest = registry.image("corp/app", Some("1"), "amd64");
    assert_eq!(open().fact(&attached(&registry, &digest)).await, FactValue::Missing);
    registry.attach("corp/app", &digest, "sig", &[("type/a", json!({"a": "b"}), b"hello".to_vec())]);
    let layers = json_of(&open().fact(&attached(&registry, &digest)).await);
    assert_eq!(layers[0]["annotations"], json!({"a": "b"}));
    assert_eq!((&layers[0]["mediaType"], &layers[0]["payload"]), (&json!("type/a"), &json!("aGVsbG8=")));
    let blob = registry.blob(b"hello");
    registry.forge(&blob, b"hollo");
    let forged = open().fact(&attached(&registry, &digest)).await;
    assert!(failure(&forged).0.ends_with("the content has another digest"), "{forged:?}");
    assert!(!failure(&forged).1);
}

#[tokio::test]
async fn a_registry_may_ask_for_a_token_and_keep_blobs_elsewhere() {
    let registry = Registry::start().await;
    registry.image("corp/app", Some("1"), "amd64");
    registry.state().wants_token = true;
    registry.state().redirects_blobs = true;
    let outside = open();
    let data = json_of(&outside.fact(&FactKey::Image(registry.name("corp/app:1"))).await);
    assert_eq!(data["configData"]["os"], "linux");
    let n_tokens = registry.state().requests.iter().filter(|r| r.contains("/token")).count();
    assert_eq!(n_tokens, 1, "{:?}", registry.state().requests);
}

#[tokio::test]
async fn credentials_go_to_the_registry_that_they_are_for() {
    let registry = Registry::start().await;
    registry.image("corp/app", Some("1"), "amd64");
    registry.state().login = Some(("user".into(), "pass".into()));
    let key = FactKey::Image(registry.name("corp/app:1"));
    let refused = open().fact(&key).await;
    assert!(failure(&refused).0.contains("401 Unauthorized"), "{refused:?}");
    let login = |place: &str| {
        let mut credentials = Logins::default();
        let config = json!({"auths": {place: {"username": "user", "password": "pass"}}}).to_string();
        credentials.add_docker_config(config.as_bytes()).expect("credentials");
        registries(Duration::ZERO, credentials)
    };
    let data = login(&registry.address.to_string()).fact(&key).await;
    assert_eq!(json_of(&data)["identifier"], "1");
    let elsewhere = login("elsewhere.test").fact(&key).await;
    assert!(failure(&elsewhere).0.contains("401"), "{elsewhere:?}");
}

#[tokio::test(start_paused = true)]
async fn a_tag_is_asked_again_when_it_is_too_old_and_a_digest_never() {
    let registry = Registry::start().await;
    let first = registry.image("corp/app", Some("1"), "amd64");
    let outside = registries(HOUR, Logins::default());
    let (tag, fixed) = (registry.name("corp/app:1"), registry.name(&format!("corp/app@{first}")));
    let digest = async || json_of(&outside.fact(&FactKey::ImageDigest(tag.clone())).await);
    let data = async || outside.fact(&FactKey::Image(fixed.clone())).await;
    assert_eq!(digest().await, first);
    let kept = data().await;
    let second = registry.image("corp/app", Some("1"), "arm64");
    let n_requests = registry.state().requests.len();
    assert_eq!((digest().await, data().await), (json!(first), kept.clone()));
    assert_eq!(registry.state().requests.len(), n_requests);
    tokio::time::advance(HOUR).await;
    assert_eq!((digest().await, data().await), (json!(second), kept));
    assert_eq!(registry.state().requests.len(), n_requests + 1);
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_is_down_is_a_passing_failure_that_is_not_kept() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let image = format!("{}/corp/app:1", listener.local_addr().expect("an address"));
    drop(listener);
    let unreachable = registries(HOUR, Logins::default()).fact(&FactKey::Image(image)).await;
    assert!(failure(&unreachable).1, "{unreachable:?}");
    let registry = Registry::start().await;
    registry.image("corp/app", Some("1"), "amd64");
    registry.state().broken = Some(StatusCode::BAD_GATEWAY);
    let outside = registries(HOUR, Logins::default());
    let key = FactKey::Image(registry.name("corp/app:1"));
    let broken = outside.fact(&key).await;
    assert!(failure(&broken).0.ends_with("502 Bad Gateway") && failure(&broken).1, "{broken:?}");
    registry.state().broken = None;
    assert_eq!(json_of(&outside.fact(&key).await)["identifier"], "1");
}

#[tokio::test]
async fn what_is_not_there_is_missing_and_what_is_not_allowed_is_refused() {
    let registry = Registry::start().await;
    let key = FactKey::Image(registry.name("corp/app:1"));
    assert_eq!(open().fact(&key).await, FactValue::Missing);
    assert_eq!(open().fact(&FactKey::ImageDigest(registry.name("corp/app:1"))).await, FactValue::Missing);
    let n_requests = registry.state().requests.len();
    for key in [key, FactKey::ImageDigest("a".into()), attached(&registry, "sha256:a")] {
        let refused = Outside::default().fact(&key).await;
        assert!(
            matches!(&refused, FactValue::Refused(why) if why.contains("images.registry")),
            "{refused:?}"
        );
    }
    assert_eq!(registry.state().requests.len(), n_requests);
    let bad = open().fact(&FactKey::Image("NOT an image".into())).await;
    assert!(failure(&bad).0.starts_with("could not parse reference: NOT an image"), "{bad:?}");
}
