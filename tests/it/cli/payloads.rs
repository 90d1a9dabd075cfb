//! `patrol scan --json`: JSON payloads, judged by policies with the evaluation mode JSON and by no others.

use super::{Place, by_name, results};

const POLICY: &str = "
apiVersion: policies.kyverno.io/v1
kind: ValidatingPolicy
metadata: {name: encrypted}
spec:
  evaluation: {mode: JSON}
  matchConditions: [{name: bucket, expression: object.type == 'bucket'}]
  validations:
  - expression: object.?encrypted.orValue(false) == true
    messageExpression: \"'bucket ' + object.name + ' of size ' + string(object.size + 0.5)\"
";

/// Policies about objects of every kind.
const WIDE: &str = "
apiVersion: policies.kyverno.io/v1
kind: ValidatingPolicy
metadata: {name: wide}
spec:
  matchConstraints: {resourceRules: [{apiGroups: ['*'], apiVersions: ['*'], operations: ['*'], resources: ['*']}]}
  validations: [{expression: 'false', message: an object}]
---
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: any}
spec:
  rules:
  - name: r
    match: {any: [{resources: {kinds: ['*']}}]}
    validate: {message: an object, deny: {}}
";

fn place() -> Place {
    let place = Place::new();
    place.write("p/json.yaml", POLICY);
    place.write("p/wide.yaml", WIDE);
    place.write("j/good.json", r#"{"type": "bucket", "name": "a", "size": 1, "encrypted": true}"#);
    place.write(
        "j/several.yaml",
        "type: bucket\nname: b\nsize: 2\n---\ntype: queue\n---\ntype: bucket\nname: c\nsize: 3\n",
    );
    place
}

#[test]
fn payloads_are_judged_by_policies_about_json_alone() {
    let place = place();
    let ran = place.run(&["scan", "-p", "p", "--json", "j", "--no-state", "-o", "json"]).exits(1);
    let reports = by_name(&ran.json());
    let names: Vec<&str> = reports.keys().map(String::as_str).collect();
    assert_eq!(names, ["j/good.json", "j/several.yaml", "j/several.yaml:7"]);
    assert_eq!(results(&reports["j/good.json"]), ["encrypted/: pass"]);
    let failed = &reports["j/several.yaml:7"];
    assert_eq!(failed["results"][0]["message"], "bucket c of size 3.5");
    assert_eq!(failed["scope"].get("kind"), None);
    assert_eq!(failed["metadata"]["ownerReferences"], serde_json::json!([]));
    let wide =
        place.run(&["scan", "-p", "p", "--json", "j/several.yaml", "--no-state", "-o", "wide"]).exits(1);
    assert!(wide.stdout.contains("j/several.yaml:7"), "{}", wide.stdout);
    assert!(!wide.stdout.contains("an object"), "{}", wide.stdout);
}

#[test]
fn objects_and_payloads_are_scanned_together_and_remembered() {
    let place = place();
    place.write("m/map.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: b}\n");
    let arguments = ["m", "-p", "p", "--json", "j/good.json", "j/several.yaml"];
    let (ran, stats) = place.scan_of(&arguments, &["--reports", "out"]);
    ran.exits(1);
    // Three policies about one object, and one about four payloads.
    assert_eq!(stats.pairs(), [6, 0, 0], "{stats:?}");
    let (_, stats) = place.scan_of(&arguments, &["--reports", "out"]);
    assert_eq!(stats.pairs(), [0, 6, 0], "{stats:?}");
    place.write("j/good.json", r#"{"type": "bucket", "name": "a", "size": 1, "encrypted": false}"#);
    let (_, stats) = place.scan_of(&arguments, &["--reports", "out"]);
    assert_eq!(stats.pairs(), [1, 5, 0], "{stats:?}");
    place.remove("j/good.json");
    let arguments = ["m", "-p", "p", "--json", "j"];
    let (ran, _) = place.scan_of(&arguments, &["--no-state"]);
    ran.exits(1);
}

#[test]
fn a_payload_that_cannot_be_read_costs_only_itself() {
    let place = place();
    place.write("j/broken.json", "{\"type\": ");
    let ran = place.run(&["scan", "-p", "p", "--json", "j", "--no-state", "-o", "wide"]).exits(2);
    assert!(ran.stderr.contains("j/broken.json"), "{}", ran.stderr);
    assert!(ran.stdout.contains("bucket b of size 2.5"), "{}", ran.stdout);
    let ran = place.run(&["scan", "--cluster", "--json", "j"]).exits(2);
    assert!(ran.stderr.contains("cannot be used with"), "{}", ran.stderr);
}
