use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::json;

use super::*;
use crate::document::Document;
use crate::lang::Request;
use crate::model::ResourceId;

/// The judgement of an object as it stands in JSON.
fn judge_object(manifests: &str, object: &str) -> (Status, String) {
    let manifests = Document::from_json(manifests.as_bytes()).unwrap();
    let object = Document::from_json(object.as_bytes()).unwrap();
    let (id, request, facts) = (ResourceId::default(), Request::scan(), BTreeMap::new());
    let inputs = Inputs::new(&id, &object, &request, &facts, Timestamp::UNIX_EPOCH);
    let response = Manifests::compile(manifests.root()).evaluate(&inputs).unwrap();
    (response.status, response.message)
}

fn judge(manifests: &str, annotations: &str) -> (Status, String) {
    let object = format!(r#"{{"kind":"Service","metadata":{{"name":"a","annotations":{annotations}}}}}"#);
    judge_object(manifests, &object)
}

/// A message, signatures over it with several kinds of keys, and certificates. `leaf` has the key `p256` and is issued by `root`; `stranger` is
/// called like `root`.
fn fixture() -> serde_json::Value {
    serde_json::from_str(include_str!("signed.json")).unwrap()
}

/// A policy with one attestor for each of these keys.
fn trusting(keys: &[&str]) -> serde_json::Value {
    let entry = |key: &&str| json!({"keys": {"publicKeys": fixture()["keys"][*key]["pub"]}});
    json!({"attestors": [{"entries": keys.iter().map(entry).collect::<Vec<_>>()}]})
}

/// The object that the message is about, signed with these keys.
fn signed_with(keys: &[&str]) -> serde_json::Value {
    let mut annotations = json!({"cosign.sigstore.dev/message": fixture()["message"]});
    for (at, key) in keys.iter().enumerate() {
        let name = if at == 0 { "signature".to_owned() } else { format!("signature_{at}") };
        annotations[format!("cosign.sigstore.dev/{name}")] = fixture()["keys"][*key]["sig"].clone();
    }
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "a", "namespace": "b", "uid": "1", "annotations": annotations},
        "spec": {"ports": [{"port": 80, "targetPort": 9376, "nodePort": 30001}], "type": "ClusterIP"},
        "status": {"loadBalancer": {"ingress": [{"ip": "10.0.0.1"}]}},
    })
}

fn verify(policy: &serde_json::Value, object: &serde_json::Value) -> (Status, String) {
    judge_object(&policy.to_string(), &object.to_string())
}

const KEY: &str = "-----BEGIN PUBLIC KEY-----\\nx\\n-----END PUBLIC KEY-----\\n";

#[test]
fn an_object_without_a_signed_manifest_fails_and_says_which_attestors_found_nothing() {
    let manifests = format!(
        r#"{{"attestors":[{{"count":1,"entries":[{{"keys":{{"publicKeys":"{KEY}"}}}},{{"keyless":{{}}}}]}}]}}"#
    );
    assert_eq!(
        judge(&manifests, "{}"),
        (
            Status::Fail,
            "manifest verification failed; verifiedCount 0; requiredCount 1; message .attestors[0].entries[0].keys: YAML \
             manifest not found for this resource: message not found,.attestors[0].entries[1].keyless: YAML manifest not \
             found for this resource: message not found"
                .to_owned()
        )
    );
}

#[test]
fn without_a_count_every_entry_and_every_key_is_required() {
    let manifests = format!(r#"{{"attestors":[{{"entries":[{{"keys":{{"publicKeys":"{KEY}{KEY}"}}}}]}}]}}"#);
    let (_, message) = judge(&manifests, "{}");
    assert!(
        message.starts_with("manifest verification failed; verifiedCount 0; requiredCount 2;"),
        "{message}"
    );
    assert!(message.contains(".attestors[0].entries[1].keys: "), "{message}");
}

#[test]
fn a_signature_with_any_of_the_usual_kinds_of_keys_is_verified() {
    for key in ["p256", "p384", "rsa", "ed25519"] {
        assert_eq!(
            verify(&trusting(&[key]), &signed_with(&[key])),
            (
                Status::Pass,
                "verified manifest signatures; manifest verification succeeded; verifiedCount 1; requiredCount 1; \
                 message singed by a valid signer: "
                    .to_owned()
            ),
            "{key}"
        );
    }
    let (status, message) = verify(&trusting(&["p521"]), &signed_with(&["p521"]));
    assert_eq!(status, Status::Error);
    assert!(
        message.contains("public keys of the algorithm 1.2.840.10045.2.1 on 1.3.132.0.35 are not supported"),
        "{message}"
    );
}

#[test]
fn a_signature_by_somebody_else_is_an_error_that_lists_the_trials() {
    assert_eq!(
        verify(&trusting(&["p256", "other"]), &signed_with(&["p256"])),
        (
            Status::Error,
            "error occurred during manifest verification: .attestors[0].entries[1].keys: failed to verify signature: \
             verification failed for 1 signature. all trials: [\"[publickey 1/1] [signature 1/1] error: \
             cosign.VerifyBlobCmd.Exec() returned an error: invalid signature when validating ASN.1 encoded signature\"]"
                .to_owned()
        )
    );
    let mut policy = trusting(&["other", "p256"]);
    policy["attestors"][0]["count"] = json!(1);
    assert_eq!(verify(&policy, &signed_with(&["p256"])).0, Status::Pass);
}

#[test]
fn every_signature_is_tried_and_every_set_has_to_be_satisfied() {
    let both = signed_with(&["rsa", "p256"]);
    assert_eq!(verify(&trusting(&["p256", "rsa"]), &both).0, Status::Pass);
    let mut policy = trusting(&["p256"]);
    let other = trusting(&["ed25519"])["attestors"][0].clone();
    policy["attestors"].as_array_mut().unwrap().push(other);
    let (status, message) = verify(&policy, &both);
    assert_eq!(status, Status::Error);
    assert!(message.contains(".attestors[1].entries[0].keys: "), "{message}");
    let keys = ["p256", "rsa"].map(|key| fixture()["keys"][key]["pub"].as_str().unwrap().to_owned());
    let in_one_entry = json!({"attestors": [{"entries": [{"keys": {"publicKeys": keys.join("\n")}}]}]});
    let (status, message) = verify(&in_one_entry, &both);
    assert_eq!(status, Status::Pass);
    assert!(message.contains("verifiedCount 2; requiredCount 2"), "{message}");
}

#[test]
fn an_object_that_is_not_what_was_signed_fails_with_the_differences() {
    let mut object = signed_with(&["p256"]);
    object["spec"]["ports"][0]["port"] = json!(81);
    object["spec"]["ports"][0]["targetPort"] = json!("web");
    object["spec"]["selector"] = json!({"app": "x"});
    assert_eq!(
        verify(&trusting(&["p256"]), &object),
        (
            Status::Fail,
            "manifest verification failed; verifiedCount 0; requiredCount 1; message .attestors[0].entries[0].keys: \
             failed to verify signature. diff found; {\"items\":[{\"key\":\"spec.ports.0.port\",\"values\":{\"after\":81,\
             \"before\":80}},{\"key\":\"spec.ports.0.targetPort\",\"values\":{\"after\":\"(type: string) web\",\"before\":\
             \"(type: float64) %!s(float64=9376)\"}},{\"key\":\"spec.selector.app\",\"values\":{\"after\":\"x\",\"before\":\
             null}}]}"
                .to_owned()
        )
    );
    let mut policy = trusting(&["p256"]);
    policy["ignoreFields"] =
        json!([{"fields": ["spec.ports.*", "spec.selector"], "objects": [{"kind": "Serv*"}]}]);
    assert_eq!(verify(&policy, &object).0, Status::Pass);
    policy["ignoreFields"][0]["objects"][0]["kind"] = json!("Pod");
    assert_eq!(verify(&policy, &object).0, Status::Fail);
    policy["dryRun"] = json!({"enable": true});
    let (status, message) = verify(&policy, &object);
    assert_eq!(status, Status::Error);
    assert!(message.contains("a dry run would tell"), "{message}");
}

#[test]
fn a_message_about_another_object_or_without_a_signature_fails() {
    let mut object = signed_with(&["p256"]);
    object["metadata"]["name"] = json!("other");
    let (status, message) = verify(&trusting(&["p256"]), &object);
    assert_eq!(status, Status::Fail);
    assert!(message.ends_with("failed to find a YAML manifest in the gzipped message"), "{message}");
    let (status, message) = verify(&trusting(&["p256"]), &signed_with(&[]));
    assert_eq!(status, Status::Fail);
    assert!(message.ends_with("signature not found"), "{message}");
    for broken in ["?", "AAAA"] {
        let mut object = signed_with(&["p256"]);
        object["metadata"]["annotations"]["cosign.sigstore.dev/message"] = json!(broken);
        assert_eq!(verify(&trusting(&["p256"]), &object).0, Status::Error, "{broken}");
    }
}

#[test]
fn a_certificate_is_trusted_with_its_key_if_its_chain_holds() {
    let certified = |chain: &str| {
        let chain = if chain.is_empty() { json!("") } else { fixture()[chain].clone() };
        json!({"attestors": [{"entries": [{"certificates": {"cert": fixture()["leaf"], "certChain": chain}}]}]})
    };
    assert_eq!(verify(&certified(""), &signed_with(&["p256"])).0, Status::Pass);
    assert_eq!(verify(&certified("root"), &signed_with(&["p256"])).0, Status::Pass);
    let (status, message) = verify(&certified("stranger"), &signed_with(&["p256"]));
    assert_eq!(status, Status::Error);
    assert!(message.contains("failed to load validate certificate chain: x509: "), "{message}");
    assert_eq!(verify(&certified("root"), &signed_with(&["other"])).0, Status::Error);
}

#[test]
fn what_would_have_to_be_fetched_is_an_error_that_names_it() {
    let object = signed_with(&["p256"]);
    let says = |entry: serde_json::Value, wanted: &str| {
        let (status, message) = verify(&json!({"attestors": [{"entries": [entry]}]}), &object);
        assert_eq!(status, Status::Error, "{message}");
        assert!(message.contains(wanted), "{message}");
    };
    says(json!({"keyless": {}}), ".keyless: verification without a key asks a transparency log");
    says(json!({"keys": {"publicKeys": "k8s://ns/name"}}), "`k8s://ns/name` would have to be fetched");
    says(json!({"keys": {"kms": "awskms:///x"}}), "`awskms:///x` is in a key management service");
    says(json!({"keys": {"secret": {"name": "a"}}}), "keys in a Secret");
    says(json!({"keys": {"publicKeys": "-----BEGIN PGP PUBLIC KEY BLOCK-----"}}), "PGP keys");
    says(json!({"keys": {"publicKeys": "-----BEGIN PUBLIC KEY-----\nx"}}), "PEM decoding failed");
    says(json!({"repository": "example.org/x", "keyless": {}}), "kept in a registry");
    let elsewhere = json!({"repository": "example.org/x", "attestors": [{"entries": [{"keyless": {}}]}]});
    assert!(verify(&elsewhere, &object).1.contains("registry"));
    let other_domain =
        json!({"annotationDomain": "example.org", "attestors": [{"entries": [{"keyless": {}}]}]});
    assert_eq!(verify(&other_domain, &object).0, Status::Fail);
}

#[test]
fn nothing_is_said_of_an_object_that_is_being_deleted() {
    let policy = Document::from_json(trusting(&["p256"]).to_string().as_bytes()).unwrap();
    let object = Document::from_json(b"{}").unwrap();
    let request = Request { operation: Operation::Delete, ..Request::scan() };
    let (id, facts) = (ResourceId::default(), BTreeMap::new());
    let inputs = Inputs::new(&id, &object, &request, &facts, Timestamp::UNIX_EPOCH);
    assert!(Manifests::compile(policy.root()).evaluate(&inputs).is_none());
}

#[test]
fn an_item_that_moved_within_its_list_is_no_difference() {
    let show = |manifest: &str, object: &str| {
        let (manifest, object) =
            (Document::from_json(manifest.as_bytes()), Document::from_json(object.as_bytes()));
        let (manifest, object) = (manifest.unwrap(), object.unwrap());
        difference::print(&difference::differences(manifest.root(), object.root(), |_| false))
    };
    let none = r#"{"items":[]}"#;
    assert_eq!(show(r#"{"a":[{"b":1,"c":{}}],"d":null}"#, r#"{"a":[{"c":null},{"b":1}]}"#), none);
    assert_ne!(show(r#"{"a":[{"b":1}]}"#, r#"{"a":[{},{"b":2}]}"#), none);
    // Scalars in a list are compared by their places.
    assert_ne!(show(r#"{"a":["x"]}"#, r#"{"a":["y","x"]}"#), none);
}

#[test]
fn an_annotation_that_an_attestor_asks_for_and_the_object_lacks_is_an_error() {
    let manifests = format!(
        r#"{{"attestors":[{{"entries":[{{"annotations":{{"a":"b"}},"keys":{{"publicKeys":"{KEY}"}}}}]}}]}}"#
    );
    assert_eq!(
        judge(&manifests, r#"{"a":"c"}"#),
        (
            Status::Error,
            "error occurred during manifest verification: annotations mismatch: c does not match expected value b for \
             key a"
                .to_owned()
        )
    );
    assert_eq!(judge(&manifests, r#"{"a":"b"}"#).0, Status::Fail);
}

#[test]
fn sets_can_stand_in_the_place_of_entries() {
    let inner = format!(r#"{{"entries":[{{"keys":{{"publicKeys":"{KEY}"}}}}]}}"#);
    let (status, message) =
        judge(&format!(r#"{{"attestors":[{{"entries":[{{"attestor":{inner}}}]}}]}}"#), "{}");
    assert_eq!(status, Status::Fail);
    assert!(message.contains(".attestors[0].entries[0].attestor.entries[0].keys: "), "{message}");
}
