//! ImageValidatingPolicy with a registry.

use std::time::Duration;

use patrol::outside::{Logins, Outside};
use serde_json::{Value, json};

use super::certificate::Key;
use super::images::registries;
use super::registry::Registry;
use super::signatures::outcomes;
use super::signing::{attestation, public, sign};

const BUILD: &str = "https://corp.test/build";

fn policy(attestors: &Value, validations: &Value) -> Value {
    json!({
        "apiVersion": "policies.kyverno.io/v1beta1", "kind": "ImageValidatingPolicy", "metadata": {"name": "p"},
        "spec": {
            "matchConstraints": {"resourceRules": [
                {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]},
            ]},
            "matchImageReferences": [{"glob": "127.0.0.1*"}],
            "attestors": attestors,
            "attestations": [{"name": "build", "intoto": {"type": BUILD}}],
            "validations": validations,
        },
    })
}

fn by(key: &Key) -> Value {
    json!({"key": {"data": public(key)}, "ctlog": {"insecureIgnoreTlog": true}})
}

async fn told(policy: &Value, images: &[&str], outside: &Outside) -> String {
    let (outcomes, _) = outcomes(policy, images, outside).await;
    assert_eq!(outcomes.len(), 1, "{outcomes:?}");
    outcomes.into_iter().next().expect("one")
}

fn open() -> Outside {
    registries(Duration::ZERO, Logins::default())
}

#[tokio::test]
async fn signatures_are_counted_by_attestor() {
    let registry = Registry::start().await;
    let digest = registry.image("corp/app", Some("1"), "amd64");
    let image = registry.name("corp/app:1");
    let (key, other) = (Key::new(), Key::new());
    sign(&registry, "corp/app", &digest, &[&key]);
    let attestors = json!([{"name": "one", "cosign": by(&key)}, {"name": "two", "cosign": by(&other)}]);
    let all = "images.containers.map(image, verifyImageSignatures(image, [attestors.one, attestors.two])).all(n, n == 1)";
    let count = policy(&attestors, &json!([{"expression": all}]));
    assert_eq!(told(&count, &[&image], &open()).await, "pass: success");
    let two = "images.containers.map(image, verifyImageSignatures(image, [attestors.two])).all(n, n > 0)";
    let unsigned = policy(&attestors, &json!([{"expression": two, "message": "not signed"}]));
    assert_eq!(told(&unsigned, &[&image], &open()).await, "fail: not signed");
    assert_eq!(told(&unsigned, &["ghcr.io/corp/other:1"], &open()).await, "pass: success");
    let refused = told(&unsigned, &[&image], &Outside::default()).await;
    assert!(
        refused.starts_with("error: image `127.0.0.1") && refused.contains("`images.registry`"),
        "{refused}"
    );
    let absent = told(&unsigned, &[&registry.name("corp/app:2")], &open()).await;
    assert!(absent.starts_with("error") && absent.ends_with("image tag not found"), "{absent}");
}

#[tokio::test]
async fn statements_are_verified_before_they_are_read() {
    let registry = Registry::start().await;
    let digest = registry.image("corp/app", Some("1"), "amd64");
    let image = registry.name("corp/app:1");
    let key = Key::new();
    registry.attach("corp/app", &digest, "att", &[attestation(&digest, BUILD, &json!({"by": "ci"}), &key)]);
    let attestors = json!([{"name": "one", "cosign": by(&key)}]);
    let verified = "images.containers.all(image, \
                    verifyAttestationSignatures(image, attestations.build, [attestors.one]) > 0)";
    let read = |by: &str| {
        format!(
            "images.containers.all(image, extractPayload(image, attestations.build).predicate.by == '{by}')"
        )
    };
    let built_by = |by: &str| {
        policy(
            &attestors,
            &json!([{"expression": verified}, {"expression": read(by), "message": "built elsewhere"}]),
        )
    };
    assert_eq!(told(&built_by("ci"), &[&image], &open()).await, "pass: success");
    assert_eq!(told(&built_by("me"), &[&image], &open()).await, "fail: built elsewhere");
    let unread = policy(&attestors, &json!([{"expression": read("ci")}]));
    let unread = told(&unread, &[&image], &open()).await;
    assert!(
        unread.starts_with("error") && unread.contains("before verifying intoto attestation"),
        "{unread}"
    );
}

#[tokio::test]
async fn who_cannot_be_asked_is_named() {
    let registry = Registry::start().await;
    let digest = registry.image("corp/app", Some("1"), "amd64");
    let image = registry.name("corp/app:1");
    let key = Key::new();
    sign(&registry, "corp/app", &digest, &[&key]);
    let mut unlogged = by(&key);
    unlogged["ctlog"] = Value::Null;
    let cases = [
        (json!({"name": "one", "notary": {"certs": {"value": "c"}}}), "Notary"),
        (json!({"name": "one", "cosign": {"keyless": {"identities": []}}}), "Fulcio and Rekor"),
        (json!({"name": "one", "cosign": {"key": {"kms": "awskms:///a"}}}), "the key is not in the policy"),
        (json!({"name": "one", "cosign": unlogged}), "Rekor's transparency log"),
    ];
    let signed = "images.containers.all(image, verifyImageSignatures(image, [attestors.one]) > 0)";
    for (attestor, wanted) in cases {
        let told =
            told(&policy(&json!([attestor]), &json!([{"expression": signed}])), &[&image], &open()).await;
        assert!(told.starts_with("error") && told.contains(wanted), "{told}");
    }
}
