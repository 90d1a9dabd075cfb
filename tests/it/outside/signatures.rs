//! `verifyImages` of kyverno.io with a registry: who signed what, and what is said of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use jiff::Timestamp;
use patrol::catalog::{Catalog, CatalogSettings};
use patrol::document::Document;
use patrol::fingerprint;
use patrol::lang::{Evaluation, Inputs, Request};
use patrol::model::{Fact, FactKey, FactValue, PolicyKey, PolicyKind, ResourceId, ResourceKey};
use patrol::outside::{Logins, Outside};
use patrol::policy::PolicySource;
use serde_json::{Value, json};

use super::certificate::{Holder, Key, certificate, pem};
use super::images::registries;
use super::registry::Registry;
use super::signing::{attestation, claim, logged, public, sign, signature};

const PROVENANCE: &str = "https://slsa.dev/provenance/v0.2";

fn document(value: &Value) -> Arc<Document> {
    Arc::new(Document::from_json(value.to_string().as_bytes()).expect("a document"))
}

/// The outcomes of a policy on a Pod with these images, as `status: message`, and whether any fact may be
/// another one soon.
pub(super) async fn outcomes(policy: &Value, images: &[&str], outside: &Outside) -> (Vec<String>, bool) {
    let kind = match policy["kind"].as_str() {
        Some("ImageValidatingPolicy") => PolicyKind::ImageValidatingPolicy,
        _ => PolicyKind::ClusterPolicy,
    };
    let key = PolicyKey { kind, namespace: String::new(), name: "p".into() };
    let source = PolicySource { key, document: document(policy), origin: "test".into() };
    let catalog = Catalog::build(vec![source], &[], &CatalogSettings::default());
    let containers: Vec<Value> = images
        .iter()
        .enumerate()
        .map(|(n, image)| json!({"name": format!("c{n}"), "image": image}))
        .collect();
    let pod = document(&json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod", "namespace": "default"},
        "spec": {"containers": containers},
    }));
    let key = ResourceKey {
        group: String::new(),
        kind: "Pod".into(),
        namespace: "default".into(),
        name: "pod".into(),
    };
    let id = ResourceId { key, version: "v1".into(), uid: String::new() };
    let request = Request::scan();
    let mut facts: BTreeMap<FactKey, Arc<Fact>> = BTreeMap::new();
    for _ in 0..20 {
        let needed = {
            let inputs = Inputs::new(&id, &pod, &request, &facts, Timestamp::UNIX_EPOCH);
            match catalog.policies[0].evaluator.evaluate(&inputs) {
                Evaluation::Done(outcomes) => {
                    let is_transient = inputs.facts_read().any(|(_, fact, _)| {
                        matches!(fact.value, FactValue::Failed { is_transient: true, .. })
                    });
                    let told = |o: &patrol::model::Outcome| format!("{}: {}", o.status.as_str(), o.message);
                    return (outcomes.iter().map(told).collect(), is_transient);
                }
                Evaluation::Needs(keys) => keys,
            }
        };
        for key in needed {
            let value = match &key {
                FactKey::NamespaceLabels(_) | FactKey::Namespace(_) => FactValue::Missing,
                _ => outside.fact(&key).await,
            };
            facts.insert(key, Arc::new(fingerprint::fact(value)));
        }
    }
    panic!("it does not come to an end")
}

fn policy(verify: &Value) -> Value {
    json!({
        "apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy",
        "metadata": {"name": "p", "annotations": {"pod-policies.kyverno.io/autogen-controllers": "none"}},
        "spec": {"rules": [{
            "name": "r", "match": {"any": [{"resources": {"kinds": ["Pod"]}}]}, "verifyImages": [verify],
        }]},
    })
}

fn keys(text: &str) -> Value {
    json!({"keys": {"publicKeys": text, "rekor": {"ignoreTlog": true}}})
}

fn verify(attestors: &Value) -> Value {
    json!({"imageReferences": ["*"], "attestors": attestors})
}

fn open() -> Outside {
    registries(Duration::ZERO, Logins::default())
}

/// What the policy says of one image.
async fn told(verify: &Value, image: &str) -> String {
    let (outcomes, _) = outcomes(&policy(verify), &[image], &open()).await;
    assert_eq!(outcomes.len(), 1, "{outcomes:?}");
    outcomes.into_iter().next().expect("one")
}

/// A registry with an image, its name by tag and its digest.
async fn world() -> (Registry, String, String) {
    let registry = Registry::start().await;
    let digest = registry.image("corp/app", Some("1"), "amd64");
    let image = registry.name("corp/app:1");
    (registry, image, digest)
}

#[tokio::test]
async fn an_image_is_verified_by_the_key_that_signed_it_and_by_no_other() {
    let (registry, image, digest) = world().await;
    let (key, other) = (Key::new(), Key::new());
    let by = |key: &Key| verify(&json!([{"entries": [keys(&public(key))]}]));
    let unsigned = told(&by(&key), &image).await;
    let failed =
        |why: &str| format!("fail: failed to verify image {image}: .attestors[0].entries[0].keys: {why}");
    assert_eq!(unsigned, failed("no signatures found"));
    sign(&registry, "corp/app", &digest, &[&key]);
    assert_eq!(told(&by(&key), &image).await, format!("pass: verified image signatures for {image}"));
    let no_match = "no matching signatures: invalid signature when validating ASN.1 encoded signature";
    assert_eq!(told(&by(&other), &image).await, failed(no_match));
    let by_digest = registry.name(&format!("corp/app@{digest}"));
    assert_eq!(told(&by(&key), &by_digest).await, format!("pass: verified image signatures for {by_digest}"));
}

#[tokio::test]
async fn what_is_signed_must_be_the_image() {
    let (registry, image, digest) = world().await;
    let key = Key::new();
    let by_key = verify(&json!([{"entries": [keys(&public(&key))]}]));
    let failed = |why: &str| {
        format!(
            "fail: failed to verify image {image}: .attestors[0].entries[0].keys: no matching signatures: {why}"
        )
    };
    let other = format!("sha256:{}", "0".repeat(64));
    registry.attach("corp/app", &digest, "sig", &[signature(claim(&other, &Value::Null), &key)]);
    assert_eq!(told(&by_key, &image).await, failed(&format!("invalid or missing digest in claim: {other}")));
    let (media_type, annotations, _) = signature(claim(&digest, &Value::Null), &key);
    let altered = claim(&digest, &json!({"more": "than was signed"}));
    registry.attach("corp/app", &digest, "sig", &[(media_type, annotations, altered)]);
    let invalid = "invalid signature when validating ASN.1 encoded signature";
    assert_eq!(told(&by_key, &image).await, failed(invalid));
    sign(&registry, "corp/app", &digest, &[&key]);
    assert!(told(&by_key, &image).await.starts_with("pass"));
    let moved = registry.image("corp/app", Some("1"), "arm64");
    assert_ne!(moved, digest);
    let unsigned = "fail: failed to verify image";
    assert!(told(&by_key, &image).await.starts_with(unsigned));
}

#[tokio::test]
async fn of_an_index_the_index_is_what_is_signed() {
    let registry = Registry::start().await;
    let child = registry.image("corp/app", None, "amd64");
    let index = registry.index("corp/app", "1", &[("amd64", &child)]);
    let key = Key::new();
    let by_key = verify(&json!([{"entries": [keys(&public(&key))]}]));
    sign(&registry, "corp/app", &child, &[&key]);
    assert!(told(&by_key, &registry.name("corp/app:1")).await.starts_with("fail"));
    sign(&registry, "corp/app", &index, &[&key]);
    assert!(told(&by_key, &registry.name("corp/app:1")).await.starts_with("pass"));
}

#[tokio::test]
async fn a_set_wants_all_of_its_entries_or_a_number_of_them() {
    let (registry, image, digest) = world().await;
    let (one, two, three) = (Key::new(), Key::new(), Key::new());
    sign(&registry, "corp/app", &digest, &[&one, &two]);
    let both = format!("{}{}", public(&one), public(&two));
    let all = format!("{both}{}", public(&three));
    let log = json!({"ignoreTlog": true});
    let set = |keys: &str, count: Option<u64>| {
        let entry = json!({"keys": {"publicKeys": keys, "rekor": log}});
        verify(&json!([{"count": count, "entries": [entry]}]))
    };
    assert!(told(&set(&both, None), &image).await.starts_with("pass"));
    let failed = told(&set(&all, None), &image).await;
    assert!(
        failed.starts_with("fail") && failed.contains(".attestors[0].entries[2].keys: no matching"),
        "{failed}"
    );
    assert!(told(&set(&all, Some(1)), &image).await.starts_with("pass"));
    assert!(told(&set(&all, Some(2)), &image).await.starts_with("pass"));
    assert!(told(&set(&all, Some(3)), &image).await.starts_with("fail"));
    let nested = json!([{"entries": [{"attestor": {"count": 1, "entries": [keys(&all)]}}]}]);
    assert!(told(&verify(&nested), &image).await.starts_with("pass"));
    let two_sets = json!([{"entries": [keys(&public(&one))]}, {"entries": [keys(&public(&three))]}]);
    let failed = told(&verify(&two_sets), &image).await;
    assert!(failed.contains(": .attestors[1].entries[0].keys: "), "{failed}");
}

#[tokio::test]
async fn annotations_and_another_repository_are_looked_at() {
    let (registry, image, digest) = world().await;
    let key = Key::new();
    let release = claim(&digest, &json!({"env": "prod", "n": 1}));
    registry.attach("corp/signatures", &digest, "sig", &[signature(release, &key)]);
    let mut verify = verify(&json!([{"entries": [keys(&public(&key))]}]));
    assert!(told(&verify, &image).await.ends_with("no signatures found"));
    verify["repository"] = json!(registry.name("corp/signatures"));
    assert!(told(&verify, &image).await.starts_with("pass"));
    verify["annotations"] = json!({"env": "prod"});
    assert!(told(&verify, &image).await.starts_with("pass"));
    verify["annotations"] = json!({"env": "test"});
    assert!(told(&verify, &image).await.ends_with("no signature matched the required annotations"));
    verify["attestors"][0]["entries"][0]["annotations"] = json!({"env": "prod"});
    assert!(told(&verify, &image).await.starts_with("pass"));
}

#[tokio::test]
async fn rekors_log_is_believed_with_its_key_and_never_asked() {
    let (registry, image, digest) = world().await;
    let (key, log, other) = (Key::new(), Key::new(), Key::new());
    let with = |rekor: &Value| {
        verify(&json!([{"entries": [{"keys": {"publicKeys": public(&key), "rekor": rekor}}]}]))
    };
    let plain = signature(claim(&digest, &Value::Null), &key);
    registry.attach("corp/app", &digest, "sig", std::slice::from_ref(&plain));
    let unknown = told(&with(&Value::Null), &image).await;
    assert!(unknown.starts_with("error") && unknown.contains("Rekor"), "{unknown}");
    let pubkey = json!({"pubkey": public(&log)});
    let unlogged = told(&with(&pubkey), &image).await;
    assert!(unlogged.starts_with("error") && unlogged.contains("without a bundle"), "{unlogged}");
    registry.attach("corp/app", &digest, "sig", &[logged(plain.clone(), &key, &log)]);
    assert!(told(&with(&pubkey), &image).await.starts_with("pass"));
    let other_log = told(&with(&json!({"pubkey": public(&other)})), &image).await;
    let wanted = "error verifying bundle: rekor log public key not found for payload";
    assert!(other_log.starts_with("fail") && other_log.ends_with(wanted), "{other_log}");
    let of_other = signature(claim(&digest, &json!({"a": "b"})), &key);
    let (_, annotations, _) = logged(of_other, &key, &log);
    let (media_type, mut own, payload) = plain;
    own["dev.sigstore.cosign/bundle"] = annotations["dev.sigstore.cosign/bundle"].clone();
    registry.attach("corp/app", &digest, "sig", &[(media_type, own, payload)]);
    let foreign = told(&with(&pubkey), &image).await;
    assert!(foreign.starts_with("fail") && foreign.contains("does not match"), "{foreign}");
    sign(&registry, "corp/app", &digest, &[&other]);
    assert!(told(&with(&Value::Null), &image).await.starts_with("fail"), "a wrong key needs no log");
}

#[tokio::test]
async fn a_certificate_of_the_policy_stands_for_its_key() {
    let (registry, image, digest) = world().await;
    let (root, signer) = (Key::new(), Key::new());
    let root_certificate = certificate("root", &Holder::Authority, &root, "root", &root);
    let leaf = certificate("signer", &Holder::CodeSigner, &signer, "root", &root);
    let server = certificate("server", &Holder::Loopback, &signer, "root", &root);
    sign(&registry, "corp/app", &digest, &[&signer]);
    let with = |leaf: &[u8], chain: &str, ct: bool| {
        let certificates = json!({
            "cert": pem("CERTIFICATE", leaf), "certChain": chain,
            "rekor": {"ignoreTlog": true}, "ctlog": {"ignoreSCT": ct},
        });
        verify(&json!([{"entries": [{"certificates": certificates}]}]))
    };
    let chain = pem("CERTIFICATE", &root_certificate);
    assert!(told(&with(&leaf, "", false), &image).await.starts_with("pass"));
    assert!(told(&with(&leaf, &chain, true), &image).await.starts_with("pass"));
    let unlogged = told(&with(&leaf, &chain, false), &image).await;
    assert!(unlogged.starts_with("error") && unlogged.contains("certificate transparency log"), "{unlogged}");
    let other = Key::new();
    let stranger = pem("CERTIFICATE", &certificate("root", &Holder::Authority, &other, "root", &other));
    let untrusted = told(&with(&leaf, &stranger, true), &image).await;
    assert!(untrusted.starts_with("fail") && untrusted.contains("validate certificate chain"), "{untrusted}");
    let no_signer = told(&with(&server, &chain, true), &image).await;
    assert!(no_signer.starts_with("fail") && no_signer.contains("validate certificate chain"), "{no_signer}");
}

#[tokio::test]
async fn what_cannot_be_verified_here_says_what_is_missing() {
    let (registry, image, digest) = world().await;
    sign(&registry, "corp/app", &digest, &[&Key::new()]);
    let missing = [
        (json!({"keyless": {"issuer": "i", "subject": "s"}}), "Fulcio and Rekor"),
        (json!({"keys": {"kms": "awskms:///alias/a"}}), "key management services are not asked"),
        (
            json!({"keys": {"publicKeys": "awskms:///alias/a"}}),
            "the key `awskms:///alias/a` is not in the policy",
        ),
        (json!({"keys": {"secret": {"name": "a", "namespace": "b"}}}), "a key in a Secret is not read"),
        (json!({"certificates": {"certChain": "c"}}), "the policy must give the signer's own (`cert`)"),
    ];
    for (entry, wanted) in missing {
        let told = told(&verify(&json!([{"entries": [entry]}])), &image).await;
        assert!(told.starts_with("error: failed to verify image") && told.contains(wanted), "{told}");
    }
    let mut notary = verify(&json!([{"entries": [keys("k")]}]));
    notary["type"] = json!("Notary");
    assert!(told(&notary, &image).await.contains("Notary"));
}

#[tokio::test]
async fn statements_about_an_image_are_judged_by_their_conditions() {
    let (registry, image, digest) = world().await;
    let (key, other) = (Key::new(), Key::new());
    let built_by = |builder: &str| json!({"builder": {"id": builder}});
    registry.attach("corp/app", &digest, "att", &[attestation(&digest, PROVENANCE, &built_by("ci"), &key)]);
    let with = |of_type: &str, key: &Key, builder: &str| {
        let conditions = json!([{"all": [{
            "key": "{{ builder.id }}", "operator": "Equals", "value": builder, "message": "built by {{ builder.id }}",
        }]}]);
        let attestors = json!([{"entries": [keys(&public(key))]}]);
        json!({"imageReferences": ["*"], "attestations": [
            {"type": of_type, "attestors": attestors, "conditions": conditions},
        ]})
    };
    let place = ".attestations[0].attestors[0].entries[0].keys";
    let failed = |why: &str| format!("fail: {place}: {why}");
    let passed = format!("pass: verified image attestations for {image}");
    assert_eq!(told(&with(PROVENANCE, &key, "ci"), &image).await, passed);
    let refused = told(&with(PROVENANCE, &key, "laptop"), &image).await;
    let checks = format!("attestation checks failed for {image} and predicate {PROVENANCE}: built by ci");
    assert_eq!(refused, failed(&checks));
    let absent = "attestions not found for predicate type other";
    assert_eq!(told(&with("other", &key, "ci"), &image).await, failed(absent));
    let unsigned = told(&with(PROVENANCE, &other, "ci"), &image).await;
    let wanted = "no matching attestations: accepted signatures do not match threshold, Found: 0, Expected 1";
    assert!(unsigned.starts_with("fail") && unsigned.ends_with(wanted), "{unsigned}");
    let elsewhere = attestation(&format!("sha256:{}", "0".repeat(64)), PROVENANCE, &built_by("ci"), &key);
    registry.attach("corp/app", &digest, "att", &[elsewhere]);
    assert!(told(&with(PROVENANCE, &key, "ci"), &image).await.ends_with("no matching subject digest found"));
}

#[tokio::test]
async fn several_images_are_one_outcome() {
    let (registry, image, digest) = world().await;
    let other = registry.name("corp/other:1");
    registry.image("corp/other", Some("1"), "amd64");
    let key = Key::new();
    sign(&registry, "corp/app", &digest, &[&key]);
    let mut verify = verify(&json!([{"entries": [keys(&public(&key))]}]));
    let told = async |verify: &Value| outcomes(&policy(verify), &[&image, &other], &open()).await.0;
    let failed = told(&verify).await;
    assert_eq!(failed.len(), 1);
    assert!(failed[0].starts_with(&format!("fail: failed to verify image {other}: ")), "{failed:?}");
    verify["skipImageReferences"] = json!([registry.name("corp/other*")]);
    assert_eq!(told(&verify).await, [format!("pass: verified image signatures for {image}")]);
    verify["imageReferences"] = json!(["ghcr.io/*"]);
    assert!(told(&verify).await.is_empty());
}

#[tokio::test]
async fn without_attestors_a_tag_must_have_a_digest_to_be_pinned_to() {
    let (registry, image, digest) = world().await;
    let mut verify = json!({"imageReferences": ["*"]});
    assert_eq!(told(&verify, &image).await, "pass: mutated image digest");
    let absent = told(&verify, &registry.name("corp/app:2")).await;
    assert_eq!(absent, "error: failed to update digest: image tag not found");
    assert_eq!(told(&verify, &registry.name(&format!("corp/app@{digest}"))).await, "pass: image verified");
    verify["mutateDigest"] = json!(false);
    assert_eq!(told(&verify, &image).await, format!("fail: missing digest for {image}"));
}

#[tokio::test]
async fn a_registry_that_does_not_answer_is_an_error_that_passes() {
    let (registry, image, digest) = world().await;
    let key = Key::new();
    sign(&registry, "corp/app", &digest, &[&key]);
    let policy = policy(&verify(&json!([{"entries": [keys(&public(&key))]}])));
    let outside = open();
    registry.state().broken = Some(StatusCode::SERVICE_UNAVAILABLE);
    let (told, is_transient) = outcomes(&policy, &[&image], &outside).await;
    assert!(
        told[0].starts_with(&format!("error: failed to verify image {image}: ")) && is_transient,
        "{told:?}"
    );
    registry.state().broken = None;
    let (told, is_transient) = outcomes(&policy, &[&image], &outside).await;
    assert_eq!(
        (told.as_slice(), is_transient),
        ([format!("pass: verified image signatures for {image}")].as_slice(), false)
    );
    let (told, _) = outcomes(&policy, &[&registry.name("corp/nothing:1")], &outside).await;
    assert!(told[0].starts_with("fail") && told[0].ends_with("image tag not found"), "{told:?}");
    let (told, _) = outcomes(&policy, &[&image], &Outside::default()).await;
    assert!(told[0].starts_with("fail: missing digest"), "{told:?}");
    let (told, _) =
        outcomes(&policy, &[&registry.name(&format!("corp/app@{digest}"))], &Outside::default()).await;
    assert!(told[0].starts_with("error") && told[0].contains("`images.registry`"), "{told:?}");
}
