use std::collections::BTreeMap;

use jiff::Timestamp;

use super::*;
use crate::document::Document;
use crate::lang::Request;
use crate::model::ResourceId;

fn judge(manifests: &str, annotations: &str) -> (Status, String) {
    let manifests = Document::from_json(manifests.as_bytes()).unwrap();
    let object = format!(r#"{{"kind":"Service","metadata":{{"name":"a","annotations":{annotations}}}}}"#);
    let object = Document::from_json(object.as_bytes()).unwrap();
    let (id, request, facts) = (ResourceId::default(), Request::scan(), BTreeMap::new());
    let inputs = Inputs::new(&id, &object, &request, &facts, Timestamp::UNIX_EPOCH);
    let response = Manifests::compile(manifests.root()).evaluate(&inputs);
    (response.status, response.message)
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
fn what_is_not_built_is_an_error_that_names_it() {
    let manifests = format!(r#"{{"attestors":[{{"entries":[{{"keys":{{"publicKeys":"{KEY}"}}}}]}}]}}"#);
    let (status, message) = judge(&manifests, r#"{"cosign.sigstore.dev/message":"H4sI"}"#);
    assert_eq!(status, Status::Error);
    assert_eq!(
        message,
        "error occurred during manifest verification: .attestors[0].entries[0].keys: verifying the signature of a \
         manifest is not supported"
    );
    let elsewhere = manifests.replacen('{', r#"{"repository":"example.org/x","#, 1);
    assert!(judge(&elsewhere, "{}").1.contains("registry"));
    let other_domain = manifests.replacen('{', r#"{"annotationDomain":"example.org","#, 1);
    assert_eq!(judge(&other_domain, r#"{"cosign.sigstore.dev/message":"H4sI"}"#).0, Status::Fail);
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
