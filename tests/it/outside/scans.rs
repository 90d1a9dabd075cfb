//! Scans of a folder with `--registry`, by the program itself: what is evaluated again, and what is remembered.

use axum::http::StatusCode;
use serde_json::json;

use super::certificate::Key;
use super::registry::Registry;
use super::signing::{public, sign};
use crate::cli::{Place, by_name, results};

/// A Pod with a signed image, and the policy that wants it signed.
async fn signed() -> (Registry, Place, Key) {
    let registry = Registry::start().await;
    let digest = registry.image("corp/app", Some("1"), "amd64");
    let key = Key::new();
    sign(&registry, "corp/app", &digest, &[&key]);
    let place = Place::new();
    place.write(
        "m/pod.yaml",
        json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"},
            "spec": {"containers": [{"name": "c", "image": registry.name("corp/app:1")}]},
        })
        .to_string(),
    );
    let keys = json!({"publicKeys": public(&key), "rekor": {"ignoreTlog": true}});
    place.write(
        "p/signed.yaml",
        json!({
            "apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "metadata": {"name": "signed"},
            "spec": {"rules": [{
                "name": "check", "match": {"any": [{"resources": {"kinds": ["Pod"]}}]},
                "verifyImages": [{
                    "imageReferences": ["*"], "verifyDigest": false,
                    "attestors": [{"entries": [{"keys": keys}]}],
                }],
            }]},
        })
        .to_string(),
    );
    (registry, place, key)
}

/// One scan: evaluated, reused, forgotten, and the Pod's result.
async fn scan(place: Place, more: &'static [&'static str]) -> (Place, [u64; 3], String) {
    tokio::task::spawn_blocking(move || {
        let (ran, stats) = place.scan(&[&["-o", "json"], more].concat());
        let result = results(&by_name(&ran.json())["a"]).join(", ");
        (place, stats.pairs(), result)
    })
    .await
    .expect("a scan")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_is_asked_where_the_flag_says_so_and_never_believed_for_longer_than_it_says() {
    let (registry, place, key) = signed().await;
    let (place, pairs, result) = scan(place, &[]).await;
    assert_eq!((pairs, result.as_str()), ([1, 0, 0], "signed/check: error"));
    assert_eq!(registry.state().requests.len(), 0, "nothing is asked without the flag");
    let (place, pairs, result) = scan(place, &["--registry"]).await;
    assert_eq!((pairs, result.as_str()), ([1, 0, 0], "signed/check: pass"));
    let (place, pairs, result) = scan(place, &["--registry"]).await;
    assert_eq!((pairs, result.as_str()), ([0, 1, 0], "signed/check: pass"));
    registry.state().broken = Some(StatusCode::BAD_GATEWAY);
    let (place, pairs, result) = scan(place, &["--registry"]).await;
    assert_eq!((pairs, result.as_str()), ([1, 0, 0], "signed/check: error"));
    let n_requests = registry.state().requests.len();
    let (place, pairs, result) = scan(place, &["--registry"]).await;
    assert_eq!(
        (pairs, result.as_str()),
        ([0, 1, 0], "signed/check: error"),
        "the same failure says the same"
    );
    assert!(registry.state().requests.len() > n_requests, "a failure is never remembered");
    registry.state().broken = None;
    let (place, pairs, result) = scan(place, &["--registry"]).await;
    assert_eq!((pairs, result.as_str()), ([1, 0, 0], "signed/check: pass"));
    let moved = registry.image("corp/app", Some("1"), "arm64");
    let (place, pairs, result) = scan(place, &["--registry"]).await;
    assert_eq!((pairs, result.as_str()), ([1, 0, 0], "signed/check: fail"));
    sign(&registry, "corp/app", &moved, &[&key]);
    let (_, pairs, result) = scan(place, &["--registry"]).await;
    assert_eq!((pairs, result.as_str()), ([1, 0, 0], "signed/check: pass"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_test_asks_a_registry_where_the_flag_says_so() {
    let (registry, place, _) = signed().await;
    let other = registry.image("corp/other", Some("1"), "amd64");
    assert!(!other.is_empty());
    let unsigned = std::fs::read_to_string(place.path("m/pod.yaml")).expect("the Pod");
    let unsigned = unsigned.replace("corp/app:1", "corp/other:1").replace("\"a\"", "\"b\"");
    place.write("m/other.yaml", unsigned);
    place.write(
        "kyverno-test.yaml",
        "apiVersion: cli.kyverno.io/v1alpha1\nkind: Test\nmetadata: {name: t}\n\
         policies: [p/signed.yaml]\nresources: [m/pod.yaml, m/other.yaml]\nresults:\n\
         - {policy: signed, rule: check, kind: Pod, resources: [a], result: pass}\n\
         - {policy: signed, rule: check, kind: Pod, resources: [b], result: fail}\n",
    );
    let run = |place: Place, more: &'static [&'static str]| async move {
        tokio::task::spawn_blocking(move || {
            let ran = place.run(&[&["test", ".", "-o", "json"], more].concat());
            (place, ran)
        })
        .await
        .expect("a test")
    };
    let (place, ran) = run(place, &[]).await;
    assert_eq!((ran.code, registry.state().requests.len()), (Some(1), 0), "{ran:?}");
    assert!(ran.stdout.contains("without `--registry`"), "{ran:?}");
    let (_, ran) = run(place, &["--registry"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(!registry.state().requests.is_empty());
}
