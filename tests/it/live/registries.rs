//! What the configuration lets policies ask outside the API server, from the configuration's text to the reports.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use patrol::app::{Request, Scanner, ScannerSettings};
use patrol::cluster::Leadership;
use patrol::config::Config;
use patrol::scan::{Focus, Stop};
use serde_json::{Value, json};

use super::world::{World, connect, pod, quick};
use crate::outside::certificate::Key;
use crate::outside::registry::Registry;
use crate::outside::signing::{public, sign};

/// A policy that wants images signed by a key.
fn signed_by(key: &Key) -> Value {
    let keys = json!({"publicKeys": public(key), "rekor": {"ignoreTlog": true}});
    json!({
        "apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy",
        "metadata": {"name": "signed", "annotations": {"pod-policies.kyverno.io/autogen-controllers": "none"}},
        "spec": {"rules": [{
            "name": "signed", "match": {"any": [{"resources": {"kinds": ["Pod"]}}]},
            "verifyImages": [{
                "imageReferences": ["127.0.0.1*"], "verifyDigest": false,
                "attestors": [{"entries": [{"keys": keys}]}],
            }],
        }]},
    })
}

/// One scan with a configuration: what it says of the Pod, and the problems that it tells.
async fn scanned(world: &World, config: &str) -> (String, Vec<String>) {
    let config = Config::parse(config).check().expect("a configuration");
    let client = connect(&world.kubeconfig(), "admin", quick()).await;
    let settings = ScannerSettings { config, instead: None, sink: None, collects_reports: false };
    let request = Request {
        now: Timestamp::from_second(1_800_000_000).expect("a time"),
        focus: Focus::default(),
        is_verifying: false,
        is_dry_run: false,
        only: None,
        stop: Stop::default(),
        progress: Arc::default(),
    };
    let done =
        Scanner::new(client, None, Leadership::unopposed()).scan(&settings, request).await.expect("a scan");
    let status = world.reports().await.get("web").and_then(|results| results.get("signed")).cloned();
    let problems = done.outcome.problems.iter().map(|p| format!("{}: {}", p.subject, p.message));
    (status.unwrap_or_default(), problems.collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn registries_are_asked_where_the_configuration_says_so_with_the_logins_of_its_secrets() {
    let ns = "facts-registry";
    let Some(world) = World::begin(ns).await else { return };
    let registry = Registry::start().await;
    let digest = registry.image("corp/app", Some("1"), "amd64");
    let key = Key::new();
    sign(&registry, "corp/app", &digest, &[&key]);
    registry.state().login = Some(("user".into(), "pass".into()));
    let mut web = pod(ns, "web", "blue");
    web["spec"]["containers"][0]["image"] = json!(registry.name("corp/app:1"));
    world.create(&web).await;
    world.create(&signed_by(&key)).await;
    let auths = json!({"auths": {registry.address.to_string(): {"username": "user", "password": "pass"}}});
    world
        .create(&json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
            "metadata": {"name": "pull", "namespace": ns},
            "data": {".dockerconfigjson": STANDARD.encode(auths.to_string())},
        }))
        .await;

    assert_eq!(scanned(&world, "").await.0, "error");
    assert_eq!(registry.state().requests.len(), 0, "nothing is asked unless it is configured");
    assert_eq!(scanned(&world, "images: {registry: enabled}").await.0, "error", "without a login");
    let with = |secret: &str| format!("images: {{registry: enabled, pullSecrets: [{ns}/{secret}]}}");
    let (status, problems) = scanned(&world, &with("absent")).await;
    assert_eq!(status, "error");
    let told = format!("credentials for registries of Secret {ns}/absent: it does not exist");
    assert!(problems.contains(&told), "{problems:?}");
    let (status, problems) = scanned(&world, &with("pull")).await;
    assert_eq!(status, "pass", "{problems:?}");
}
