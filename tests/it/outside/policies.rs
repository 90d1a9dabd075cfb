//! ImageValidatingPolicy with a registry.

use std::time::Duration;

use axum::http::StatusCode;
use patrol::outside::{Logins, Outside};
use serde_json::{Value, json};

use super::certificate::{Holder, Key, certificate, pem};
use super::images::registries;
use super::registry::Registry;
use super::signatures::outcomes;
use super::signing::{self, BUNDLE, attestation, bundle, claim, logged, public, sign, signature};

const BUILD: &str = "https://corp.test/build";
const SIGNED: &str = "images.containers.all(image, verifyImageSignatures(image, [attestors.one]) > 0)";
const ATTESTED: &str = "images.containers.all(image, verifyAttestationSignatures(image, attestations.build, [attestors.one]) > 0)";

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

/// The policy of one attestor whose only expression that is.
fn one(cosign: &Value, expression: &str) -> Value {
    let attestors = json!([{"name": "one", "cosign": cosign}]);
    policy(&attestors, &json!([{"expression": expression, "message": "not so"}]))
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

/// A registry with an image, its name by digest and the digest.
async fn world() -> (Registry, String, String) {
    let registry = Registry::start().await;
    let digest = registry.image("corp/app", Some("1"), "amd64");
    let image = registry.name(&format!("corp/app@{digest}"));
    (registry, image, digest)
}

const PASSES: &str = "pass: success";
const FAILS: &str = "fail: not so";

#[tokio::test]
async fn signatures_are_counted_by_attestor() {
    let (registry, image, digest) = world().await;
    let (key, other) = (Key::new(), Key::new());
    sign(&registry, "corp/app", &digest, &[&key]);
    let attestors = json!([{"name": "one", "cosign": by(&key)}, {"name": "two", "cosign": by(&other)}]);
    let all = "images.containers.map(image, verifyImageSignatures(image, [attestors.one, attestors.two])).all(n, n == 1)";
    let count = policy(&attestors, &json!([{"expression": all}]));
    assert_eq!(told(&count, &[&image], &open()).await, PASSES);
    let two = "images.containers.map(image, verifyImageSignatures(image, [attestors.two])).all(n, n > 0)";
    let unsigned = policy(&attestors, &json!([{"expression": two, "message": "not signed"}]));
    assert_eq!(told(&unsigned, &[&image], &open()).await, "fail: not signed");
    assert_eq!(told(&unsigned, &["ghcr.io/corp/other:1"], &open()).await, PASSES);
    let refused = told(&unsigned, &[&image], &Outside::default()).await;
    assert!(
        refused.starts_with("error: image `127.0.0.1") && refused.contains("`images.registry`"),
        "{refused}"
    );
    let absent = registry.name(&format!("corp/app@sha256:{}", "0".repeat(64)));
    let absent = told(&unsigned, &[&image, &absent], &open()).await;
    assert!(absent.starts_with("error") && absent.ends_with("image tag not found"), "{absent}");
    let arm = registry.image("corp/arm", None, "arm64");
    let arm = registry.index("corp/arm", "1", &[("arm64", &arm)]);
    let arm = told(&unsigned, &[&registry.name(&format!("corp/arm@{arm}"))], &open()).await;
    assert!(arm.starts_with("error") && arm.contains("no child with platform linux/amd64"), "{arm}");
}

#[tokio::test]
async fn an_image_must_be_named_with_its_digest_unless_the_policy_says_otherwise() {
    let (registry, image, digest) = world().await;
    let key = Key::new();
    sign(&registry, "corp/app", &digest, &[&key]);
    let tag = registry.name("corp/app:1");
    let mut signed = one(&by(&key), SIGNED);
    let untold = format!("fail: image {tag} does not have a digest");
    assert_eq!(told(&signed, &[&image, &tag], &open()).await, untold);
    assert_eq!(told(&signed, &[&image, &tag], &Outside::default()).await, untold, "nobody has to be asked");
    // Who would pin the tag was not asked.
    for mutates in [true, false] {
        signed["spec"]["validationConfigurations"] = json!({"mutateDigest": mutates});
        assert_eq!(told(&signed, &[&tag], &open()).await, untold);
    }
    signed["spec"]["validationConfigurations"] = json!({"verifyDigest": false});
    assert_eq!(told(&signed, &[&image, &tag], &open()).await, PASSES);
    signed["spec"]["validationConfigurations"] = Value::Null;
    assert_eq!(told(&signed, &["ghcr.io/corp/other:1"], &open()).await, PASSES);
}

#[tokio::test]
async fn an_image_must_have_been_verified_unless_the_policy_says_otherwise() {
    let (registry, image, digest) = world().await;
    let (key, other) = (Key::new(), Key::new());
    sign(&registry, "corp/app", &digest, &[&key]);
    let unasked = format!(
        "fail: image {image} is not verified: the policy asked for no signature or attestation of it"
    );
    let refused = format!("fail: image {image} failed signature or attestation verification");
    let whatever = SIGNED.replace("> 0", ">= 0");
    let cases = [
        (one(&by(&key), SIGNED), PASSES),
        (one(&by(&key), "true"), &unasked),
        (one(&by(&other), &whatever), &refused),
        (one(&by(&key), &SIGNED.replace("[attestors.one]) > 0", "[]) == 0")), &unasked),
        // What anybody was satisfied with stays verified.
        (
            one(&by(&key), &format!("{SIGNED} && {}", SIGNED.replace("[attestors.one]) > 0", "[]) == 0"))),
            PASSES,
        ),
    ];
    for (mut policy, wanted) in cases {
        policy["spec"]["auditAnnotations"] =
            json!([{"key": "kind", "valueExpression": "string(object.kind)"}]);
        assert_eq!(told(&policy, &[&image], &open()).await, wanted);
        policy["spec"]["validationConfigurations"] = json!({"required": false});
        assert_eq!(told(&policy, &[&image], &open()).await, PASSES);
    }
    assert_eq!(told(&one(&by(&key), "true"), &["ghcr.io/corp/other:1"], &open()).await, PASSES);
    let failed = one(&by(&other), "false");
    assert_eq!(
        told(&failed, &["ghcr.io/corp/other:1"], &open()).await,
        FAILS,
        "validations are asked all the same"
    );
}

#[tokio::test]
async fn a_policy_may_say_by_expressions_which_images_it_is_about() {
    let (registry, image, digest) = world().await;
    let key = Key::new();
    sign(&registry, "corp/app", &digest, &[&key]);
    let other = registry.image("corp/other", None, "amd64");
    let other = registry.name(&format!("corp/other@{other}"));
    let mut signed = one(&by(&key), SIGNED);
    assert_eq!(told(&signed, &[&image, &other], &open()).await, FAILS);
    signed["spec"]["matchImageReferences"] =
        json!([{"glob": "ghcr.io/*"}, {"expression": "ref.contains('/app@')"}]);
    assert_eq!(told(&signed, &[&image, &other], &open()).await, PASSES);
    signed["spec"]["matchImageReferences"][1]["expression"] =
        json!("parseImageReference(ref).repository().endsWith('other')");
    assert_eq!(told(&signed, &[&image, &other], &open()).await, FAILS);
    // An image that it is not about is nobody's, whoever signed it.
    signed["spec"]["validations"] = json!([
        {"expression": format!("verifyImageSignatures('{image}', [attestors.one]) == 0")}, {"expression": "true"},
    ]);
    signed["spec"]["validationConfigurations"] = json!({"required": false});
    assert_eq!(told(&signed, &[&image, &other], &open()).await, PASSES);
    signed["spec"]["matchImageReferences"][1]["expression"] = json!("ref.split('@')[7] == ''");
    let failed = told(&signed, &[&image], &open()).await;
    assert!(failed.starts_with("error: failed to evaluate policy: index out of bounds"), "{failed}");
    for refused in
        [json!({"expression": "object.kind == 'Pod'"}), json!({"expression": "ref"}), json!({"glob": "["})]
    {
        signed["spec"]["matchImageReferences"][1] = refused;
        let refused = told(&signed, &[&image], &open()).await;
        assert!(
            refused.starts_with("error: the policy is not valid: spec.matchImageReferences[1]."),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn a_policys_own_images_are_looked_at_by_their_name() {
    let (registry, image, digest) = world().await;
    let key = Key::new();
    sign(&registry, "corp/app", &digest, &[&key]);
    let mut signed = one(&by(&key), &SIGNED.replace("containers", "own"));
    let own = |expression: &str| json!([{"name": "own", "expression": expression}]);
    signed["spec"]["images"] = own(&format!("[object.metadata.name + '.test/a', '{image}']"));
    assert_eq!(told(&signed, &["a:1"], &open()).await, PASSES);
    signed["spec"]["images"] = own("object.spec.containers.map(c, dyn(1))");
    let odd = told(&signed, &["a:1"], &open()).await;
    assert!(odd.starts_with("error") && odd.contains("images.own: a list of strings is wanted"), "{odd}");
    // Variables come after images.
    signed["spec"]["variables"] = json!([{"name": "image", "expression": format!("'{image}'")}]);
    for refused in ["'a'", "[variables.image]"] {
        signed["spec"]["images"] = own(refused);
        let refused = told(&signed, &["a:1"], &open()).await;
        assert!(
            refused.starts_with("error: the policy is not valid: spec.images[0].expression"),
            "{refused}"
        );
    }
    signed["spec"]["images"] = json!([{"name": "containers", "expression": "['ghcr.io/a:1']"}]);
    signed["spec"]["validations"] = json!([{"expression": "images.containers == []"}]);
    assert_eq!(told(&signed, &[&image], &open()).await, PASSES, "its own name is meant");
}

#[tokio::test]
async fn keys_and_certificates_may_be_computed() {
    let (registry, image, digest) = world().await;
    let (root, signer) = (Key::new(), Key::new());
    sign(&registry, "corp/app", &digest, &[&signer]);
    let authority = certificate("root", &Holder::Authority, &root, "root", &root);
    let leaf = pem("CERTIFICATE", &certificate("signer", &Holder::CodeSigner, &signer, "root", &root));
    let chain = pem("CERTIFICATE", &authority);
    let variables = json!([
        {"name": "of", "expression": "{'pod': 'key'}"},
        {"name": "texts", "expression": format!("{{'key': {:?}, 'leaf': {leaf:?}, 'chain': {chain:?}}}", public(&signer))},
    ]);
    let with = |mut cosign: Value, expression: &str| {
        cosign["ctlog"] = json!({"insecureIgnoreTlog": true, "insecureIgnoreSCT": true});
        let mut policy = one(&cosign, expression);
        policy["spec"]["variables"] = variables.clone();
        policy
    };
    let key = |expression: &str| json!({"key": {"expression": expression}});
    let by_name = key("variables.texts[variables.of[object.metadata.name]]");
    assert_eq!(told(&with(by_name.clone(), SIGNED), &[&image], &open()).await, PASSES);
    assert_eq!(told(&with(key("'no key'"), SIGNED), &[&image], &open()).await, FAILS);
    let certificate = |leaf: Value, chain: Value| json!({"certificate": {"cert": leaf, "certChain": chain}});
    let computed = |name: &str| json!({"expression": format!("variables.texts.{name}")});
    for (leaf, chain, wanted) in [
        (computed("leaf"), Value::Null, PASSES),
        (computed("leaf"), computed("chain"), PASSES),
        (computed("leaf"), json!({"value": chain}), PASSES),
        (json!({"value": leaf}), computed("chain"), PASSES),
        (computed("leaf"), computed("leaf"), FAILS),
    ] {
        let policy = with(certificate(leaf, chain), SIGNED);
        assert_eq!(told(&policy, &[&image], &open()).await, wanted);
    }
    for (expression, wanted) in
        [("variables.texts.absent", "no such key: absent"), ("1", "gives int, not a string")]
    {
        let told = told(&with(key(expression), SIGNED), &[&image], &open()).await;
        assert!(
            told.starts_with("error") && told.contains("attestor one") && told.contains(wanted),
            "{told}"
        );
    }
    let unused = with(key("variables.texts.absent"), "images.containers.size() == 1");
    assert!(told(&unused, &[&image], &open()).await.starts_with("fail"), "only what is named is computed");
    let refused = told(&with(key("objct.a"), SIGNED), &[&image], &open()).await;
    assert!(refused.contains("not valid: spec.attestors[0].cosign.key.expression"), "{refused}");
}

#[tokio::test]
async fn statements_are_verified_before_they_are_read() {
    let (registry, image, digest) = world().await;
    let (key, log) = (Key::new(), Key::new());
    let statement = attestation(&digest, BUILD, &json!({"by": "ci"}), &key);
    registry.attach("corp/app", &digest, "att", std::slice::from_ref(&statement));
    let unlogged = told(&one(&by(&key), ATTESTED), &[&image], &open()).await;
    assert_eq!(unlogged, FAILS, "the reference wants them logged, whatever the policy says");
    registry.attach("corp/app", &digest, "att", &[logged(statement, &key, &log)]);
    let mut trusted = by(&key);
    trusted["ctlog"] = json!({"url": "https://rekor.corp.test", "rekorPubKey": public(&log)});
    let attestors = json!([{"name": "one", "cosign": trusted}]);
    let read = |by: &str| {
        format!(
            "images.containers.all(image, extractPayload(image, attestations.build).predicate.by == '{by}')"
        )
    };
    let built_by = |by: &str| {
        let validations =
            json!([{"expression": ATTESTED}, {"expression": read(by), "message": "built elsewhere"}]);
        policy(&attestors, &validations)
    };
    assert_eq!(told(&built_by("ci"), &[&image], &open()).await, PASSES);
    assert_eq!(told(&built_by("me"), &[&image], &open()).await, "fail: built elsewhere");
    let unread = told(&policy(&attestors, &json!([{"expression": read("ci")}])), &[&image], &open()).await;
    assert!(
        unread.starts_with("error") && unread.contains("before verifying intoto attestation"),
        "{unread}"
    );
    let mut elsewhere = built_by("ci");
    elsewhere["spec"]["attestors"][0]["cosign"]["ctlog"]["url"] = Value::Null;
    assert!(told(&elsewhere, &[&image], &open()).await.starts_with("fail"), "a log must be somewhere");
}

#[tokio::test]
async fn annotations_are_those_that_stand_beside_a_signature() {
    let (registry, image, digest) = world().await;
    let key = Key::new();
    let (media_type, mut beside, payload) = signature(claim(&digest, &json!({"signed": "yes"})), &key);
    beside["env"] = json!("prod");
    registry.attach("corp/app", &digest, "sig", &[(media_type, beside, payload)]);
    for (annotations, wanted) in [
        (json!({"env": "prod"}), PASSES),
        (json!({"env": "test"}), FAILS),
        (json!({"signed": "yes"}), FAILS),
        (json!({"absent": ""}), PASSES),
    ] {
        let mut cosign = by(&key);
        cosign["annotations"] = annotations;
        assert_eq!(told(&one(&cosign, SIGNED), &[&image], &open()).await, wanted);
    }
}

#[tokio::test]
async fn signatures_may_be_in_another_repository_and_under_other_tags() {
    let (registry, image, digest) = world().await;
    let key = Key::new();
    let layer = signature(claim(&digest, &Value::Null), &key);
    registry.attach_under("corp/signatures", &format!("v1-{}", digest.replace(':', "-")), "sig", &[layer]);
    let mut cosign = by(&key);
    for (repository, prefix, wanted) in
        [("corp/signatures", "v1-", PASSES), ("corp/signatures", "", FAILS), ("corp/app", "v1-", FAILS)]
    {
        cosign["source"] = json!({"repository": registry.name(repository), "tagPrefix": prefix});
        assert_eq!(told(&one(&cosign, SIGNED), &[&image], &open()).await, wanted, "{repository} {prefix}");
    }
}

#[tokio::test]
async fn sigstores_bundles_among_the_referrers_count_and_nothing_beside_them() {
    for lists_referrers in [true, false] {
        let (registry, image, digest) = world().await;
        registry.state().lists_referrers = lists_referrers;
        let (key, other) = (Key::new(), Key::new());
        sign(&registry, "corp/app", &digest, &[&other]);
        let told =
            async |key: &Key, expression: &str| told(&one(&by(key), expression), &[&image], &open()).await;
        registry.refer("corp/app", &digest, "text/other", &[("text/plain", Value::Null, b"a".to_vec())]);
        assert_eq!(told(&other, SIGNED).await, PASSES, "no bundle yet");
        let signed = bundle(&digest, "https://sigstore.dev/cosign/sign/v1", &json!({}), &key);
        registry.refer("corp/app", &digest, BUNDLE, &[signed]);
        assert_eq!(told(&key, SIGNED).await, PASSES);
        assert_eq!(told(&other, SIGNED).await, FAILS, "its signature is no bundle");
        assert_eq!(told(&key, ATTESTED).await, FAILS, "a signature is no build");
        registry.refer("corp/app", &digest, BUNDLE, &[bundle(&digest, BUILD, &json!({"by": "ci"}), &key)]);
        let built = "images.containers.all(i, extractPayload(i, attestations.build).predicate.by == 'ci')";
        assert_eq!(told(&key, &format!("{ATTESTED} && {built}")).await, PASSES);
        let elsewhere = format!("sha256:{}", "0".repeat(64));
        registry.refer("corp/app", &digest, BUNDLE, &[bundle(&elsewhere, BUILD, &json!({}), &other)]);
        assert_eq!(told(&other, SIGNED).await, FAILS, "it is about another image");
    }
}

#[tokio::test]
async fn a_referrer_is_read_as_it_is_and_signed_by_notary_alone() {
    let (registry, image, digest) = world().await;
    registry.state().lists_referrers = true;
    let key = Key::new();
    sign(&registry, "corp/app", &digest, &[&key]);
    let json_of = |by: &str| ("application/json", Value::Null, json!({"by": by}).to_string().into_bytes());
    registry.refer("corp/app", &digest, "sbom/a", &[json_of("first")]);
    registry.refer("corp/app", &digest, "sbom/a", &[json_of("second")]);
    registry.refer("corp/app", &digest, "sbom/two", &[json_of("a"), json_of("b")]);
    registry.refer("corp/app", &digest, "sbom/text", &[("text/plain", Value::Null, b"text".to_vec())]);
    let with = |attestor: Value, artifact_type: &str, expression: &str| {
        let expression =
            expression.replace("SBOM", "attestations.sbom").replace("IMAGE", "images.containers[0]");
        let mut policy =
            policy(&json!([attestor]), &json!([{"expression": expression, "message": "not so"}]));
        policy["spec"]["attestations"] = json!([{"name": "sbom", "referrer": {"type": artifact_type}}]);
        policy["spec"]["validationConfigurations"] = json!({"required": false});
        policy
    };
    let (cosign, notary) = (json!({"name": "one", "cosign": by(&key)}), json!({"name": "one", "notary": {}}));
    let read = "extractPayload(IMAGE, SBOM).by == 'first'";
    assert_eq!(told(&with(cosign.clone(), "sbom/a", read), &[&image], &open()).await, PASSES);
    for (artifact_type, wanted) in [
        ("sbom/none", "artifact of type sbom/none not found"),
        ("sbom/two", "has 2 layers, not one"),
        ("sbom/text", "it is no JSON"),
    ] {
        let told = told(&with(cosign.clone(), artifact_type, read), &[&image], &open()).await;
        assert!(told.starts_with("error") && told.contains(wanted), "{told}");
    }
    let verified = "verifyAttestationSignatures(IMAGE, SBOM, [attestors.one]) > 0";
    assert_eq!(told(&with(cosign, "sbom/a", verified), &[&image], &open()).await, FAILS);
    let by_notary = told(&with(notary, "sbom/a", verified), &[&image], &open()).await;
    assert!(by_notary.starts_with("error") && by_notary.contains("Notary"), "{by_notary}");
}

#[tokio::test]
async fn a_registry_that_breaks_down_is_an_error_that_passes() {
    let (registry, image, digest) = world().await;
    let key = Key::new();
    signing::sign(&registry, "corp/app", &digest, &[&key]);
    let (signed, outside) = (one(&by(&key), SIGNED), open());
    registry.state().broken = Some(StatusCode::SERVICE_UNAVAILABLE);
    let (told, is_transient) = outcomes(&signed, &[&image], &outside).await;
    assert!(told[0].starts_with("error: failed to evaluate policy: GET ") && is_transient, "{told:?}");
    registry.state().broken = None;
    assert_eq!(outcomes(&signed, &[&image], &outside).await, (vec![PASSES.to_owned()], false));
}

#[tokio::test]
async fn who_cannot_be_asked_is_named() {
    let (registry, image, digest) = world().await;
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
    for (attestor, wanted) in cases {
        let told =
            told(&policy(&json!([attestor]), &json!([{"expression": SIGNED}])), &[&image], &open()).await;
        assert!(told.starts_with("error") && told.contains(wanted), "{told}");
    }
}
