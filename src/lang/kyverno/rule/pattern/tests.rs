use super::{Leaf, Pattern, Verdict, has_range};
use crate::document::Document;

fn document(json: &str) -> Document {
    Document::from_json(json.as_bytes()).unwrap()
}

fn verdict(pattern: &str, resource: &str) -> Verdict {
    Pattern::compile(document(pattern).root()).unwrap().verdict(document(resource).root(), &[])
}

fn fail(path: &str, message: &str) -> Verdict {
    Verdict::Fail { path: path.into(), message: message.into() }
}

fn skip(message: &str) -> Verdict {
    Verdict::Skip { message: message.into() }
}

#[test]
fn value_operators_compare_numbers_durations_quantities_and_texts() {
    let cases = [
        // pattern, values that match, values that do not
        (r#""nginx""#, r#"["nginx"]"#, r#"["nginx:1", "", 1, true, null, {}]"#),
        (r#""*""#, r#"["", "a", 0, 1.5, false]"#, "[null, {}]"),
        (r#""?*""#, r#"["a", 10, true]"#, r#"["", null]"#),
        (r#""!*:latest""#, r#"["nginx", "nginx:1"]"#, r#"["nginx:latest", null]"#),
        (r#"">1024""#, r#"[1025, "2048", "2Ki"]"#, r#"[1024, "1Ki", "x", null]"#),
        (r#"">=1""#, r#"[1, "1", 1.5]"#, r"[0, null]"),
        (r#""<=500Mi""#, r#"["500Mi", "0.4Gi", 3, null]"#, r#"["501Mi", "1Gi", "much"]"#),
        (r#""<1h""#, r#"["59m", "3599s", 0, null]"#, r#"["1h", "1h1s", "60"]"#),
        (r#""60m""#, r#"["1h", "3600s"]"#, r#"["1m"]"#),
        (r#""1Gi""#, r#"["1024Mi"]"#, r#"["1G"]"#),
        (r#""10-20""#, r#"[10, 15, "20"]"#, "[9, 21, null]"),
        (r#""1Mi-1Gi""#, r#"["512Mi"]"#, r#"["2Gi"]"#),
        (r#""10!-20""#, r#"[9, "21"]"#, "[10, 15, 20]"),
        (r#""a | b""#, r#"["a", "b"]"#, r#"["c", "a | c"]"#),
        (r#"">1 & <3""#, "[2]", "[1, 3]"),
        (r#""!a & !b | c-*""#, r#"["x", "c-1"]"#, r#"["a", "b"]"#),
        ("true", "[true]", r#"[false, "true", null]"#),
        ("false", "[false]", "[true, null]"),
        ("5", r#"[5, 5.0, "5"]"#, r#"["5.0", 6, true, null]"#),
        ("1.5", r#"[1.5, "1.50"]"#, r#"[1, "x"]"#),
        ("2.0", "[2, 2.0]", "[3]"),
        ("null", r#"[null, 0, "", false, 0.0]"#, r#"[1, "a", true, {}]"#),
        (r#""0""#, r#"[0, "0", null, "0s"]"#, r#"["", 1]"#),
        (r#""8*""#, r#"[8080, "8"]"#, "[9]"),
        (r#""tr*""#, "[true]", "[false]"),
    ];
    for (pattern, matching, other) in cases {
        let leaf = Leaf::of(document(pattern).root());
        for value in document(matching).root().items() {
            assert!(leaf.is_scalar_match(Some(value)), "{pattern} should match {value:?}");
        }
        for value in document(other).root().items() {
            assert!(!leaf.is_scalar_match(Some(value)), "{pattern} should not match {value:?}");
        }
    }
}

#[test]
fn a_missing_value_counts_as_null() {
    assert!(Leaf::of(document("null").root()).is_scalar_match(None));
    assert!(Leaf::of(document(r#""<1""#).root()).is_scalar_match(None));
    assert!(!Leaf::of(document(r#""!a""#).root()).is_scalar_match(None));
}

#[test]
fn ranges_have_numbers_with_units_at_both_ends() {
    for text in ["1-2", "1.5-2.5", "1Mi-2Gi", "-5-5", "+1-+2", "1h-2h"] {
        assert!(has_range(text), "{text}");
    }
    for text in ["a-b", "1-", "-1", "1-2-3", "1.-2", "1-2 ", "ge-1"] {
        assert!(!has_range(text), "{text}");
    }
}

#[test]
fn plain_keys_must_be_there_and_match() {
    let pattern = r#"{"metadata": {"labels": {"app": "?*"}}, "spec": {"replicas": ">1"}}"#;
    assert_eq!(
        verdict(pattern, r#"{"metadata": {"labels": {"app": "a"}}, "spec": {"replicas": 2}}"#),
        Verdict::Pass
    );
    assert_eq!(
        verdict(pattern, r#"{"metadata": {"labels": {"app": ""}}, "spec": {"replicas": 2}}"#),
        fail("/metadata/labels/app/", "resource value '' does not match '?*' at path /metadata/labels/app/")
    );
    assert_eq!(
        verdict(pattern, r#"{"metadata": {}}"#),
        fail(
            "/metadata/labels/",
            "pattern and resource have different structures. Path: /metadata/labels/. Expected \
             map[string]interface {}, found <nil>"
        )
    );
    assert_eq!(verdict(r#"{"a": "*"}"#, r#"{"b": 1}"#), fail("/", "//a not found"));
    assert_eq!(verdict(r#"{"a": "*"}"#, r#"{"a": {"b": 1}}"#), Verdict::Pass);
}

#[test]
fn conditional_anchors_decide_whether_the_rule_applies() {
    let pattern = r#"{"spec": {"(hostNetwork)": true, "dns": "Cluster*"}}"#;
    assert_eq!(verdict(pattern, r#"{"spec": {"hostNetwork": true, "dns": "ClusterFirst"}}"#), Verdict::Pass);
    assert_eq!(
        verdict(pattern, r#"{"spec": {"hostNetwork": true, "dns": "None"}}"#),
        fail("/spec/dns/", "resource value 'None' does not match 'Cluster*' at path /spec/dns/")
    );
    assert_eq!(
        verdict(pattern, r#"{"spec": {"hostNetwork": false}}"#),
        skip(
            "conditional anchor mismatch: resource value 'false' does not match 'true' at path /spec/hostNetwork/"
        )
    );
    assert_eq!(
        verdict(pattern, r#"{"spec": {}}"#),
        skip("conditional anchor mismatch: conditional anchor key doesn't exist in the resource")
    );
}

#[test]
fn conditional_anchors_in_lists_select_items() {
    let pattern = r#"{"spec": {"containers": [{"(image)": "*:latest", "imagePullPolicy": "Always"}]}}"#;
    let containers = |list: &str| format!(r#"{{"spec": {{"containers": {list}}}}}"#);
    assert_eq!(
        verdict(
            pattern,
            &containers(r#"[{"image": "a:1"}, {"image": "b:latest", "imagePullPolicy": "Always"}]"#)
        ),
        Verdict::Pass
    );
    assert_eq!(
        verdict(
            pattern,
            &containers(r#"[{"image": "a:1"}, {"image": "b:latest", "imagePullPolicy": "Never"}]"#)
        ),
        fail(
            "/spec/containers/1/imagePullPolicy/",
            "resource value 'Never' does not match 'Always' at path /spec/containers/1/imagePullPolicy/"
        )
    );
    assert_eq!(
        verdict(pattern, &containers(r#"[{"image": "a:1"}, {}]"#)),
        skip(
            "conditional anchor mismatch: resource value 'a:1' does not match '*:latest' at path \
             /spec/containers/0/image/; conditional anchor mismatch: conditional anchor key doesn't exist in the \
             resource"
        )
    );
    assert_eq!(verdict(pattern, &containers("[]")), Verdict::Pass);
}

#[test]
fn equality_anchors_only_look_at_keys_that_are_there() {
    let pattern = r#"{"spec": {"=(hostPID)": "false"}}"#;
    assert_eq!(verdict(pattern, r#"{"spec": {}}"#), Verdict::Pass);
    assert_eq!(verdict(pattern, r#"{"spec": {"hostPID": false}}"#), Verdict::Pass);
    assert_eq!(
        verdict(pattern, r#"{"spec": {"hostPID": true}}"#),
        fail("/spec/hostPID/", "resource value 'true' does not match 'false' at path /spec/hostPID/")
    );
}

#[test]
fn negation_anchors_forbid_keys() {
    let pattern = r#"{"spec": {"=(volumes)": [{"X(hostPath)": "null"}]}}"#;
    assert_eq!(verdict(pattern, r#"{"spec": {"volumes": [{"emptyDir": {}}]}}"#), Verdict::Pass);
    assert_eq!(
        verdict(pattern, r#"{"spec": {"volumes": [{"emptyDir": {}}, {"hostPath": null}]}}"#),
        fail(
            "/spec/volumes/1/hostPath/",
            "negation anchor matched in resource: /spec/volumes/1/hostPath/ is not allowed"
        )
    );
}

#[test]
fn existence_anchors_want_one_item_for_each_of_their_maps() {
    let pattern = r#"{"spec": {"^(containers)": [{"name": "a"}, {"name": "b*"}]}}"#;
    let containers = |list: &str| format!(r#"{{"spec": {{"containers": {list}}}}}"#);
    assert_eq!(
        verdict(pattern, &containers(r#"[{"name": "b1"}, {"name": "c"}, {"name": "a"}]"#)),
        Verdict::Pass
    );
    assert_eq!(
        verdict(pattern, &containers(r#"[{"name": "a"}, {"name": "c"}]"#)),
        fail("/spec/containers/", "existence anchor validation failed at path /spec/containers/")
    );
    assert_eq!(
        verdict(pattern, &containers(r#""a""#)),
        fail(
            "/spec/containers/",
            "invalid resource type string: Existence ^ () anchor can be used only on list/array type resource"
        )
    );
    assert_eq!(verdict(pattern, r#"{"spec": {}}"#), Verdict::Pass);
    assert_eq!(
        verdict(r#"{"^(a)": {"b": 1}}"#, r#"{"a": []}"#),
        fail(
            "/a/",
            "invalid pattern type map[string]interface {}: Pattern has to be of list to compare against resource"
        )
    );
}

#[test]
fn a_mismatch_beside_an_anchored_key_that_is_missing_has_no_path() {
    let pattern = r#"{"^(list)": [{"a": 1}], "b": "x"}"#;
    assert_eq!(
        verdict(pattern, r#"{"b": "y"}"#),
        fail("", "resource value 'y' does not match 'x' at path /b/")
    );
    assert_eq!(
        verdict(pattern, r#"{"b": "y", "list": [{"a": 1}]}"#),
        fail("/b/", "resource value 'y' does not match 'x' at path /b/")
    );
}

#[test]
fn global_anchors_decide_for_the_whole_resource() {
    let pattern =
        r#"{"spec": {"containers": [{"name": "*", "<(image)": "registry/*"}], "secrets": [{"name": "my"}]}}"#;
    assert_eq!(
        verdict(pattern, r#"{"spec": {"containers": [{"name": "a", "image": "x"}], "secrets": []}}"#),
        skip(
            "global anchor mismatch: resource value 'x' does not match 'registry/*' at path /spec/containers/0/image/"
        )
    );
    assert_eq!(
        verdict(
            pattern,
            r#"{"spec": {"containers": [{"name": "a", "image": "registry/x"}], "secrets": [{"name": "other"}]}}"#
        ),
        fail(
            "/spec/secrets/0/name/",
            "resource value 'other' does not match 'my' at path /spec/secrets/0/name/"
        )
    );
}

#[test]
fn wildcards_in_label_and_annotation_keys_stand_for_keys_of_the_resource() {
    let pattern = r#"{"metadata": {"=(annotations)": {"=(*.io/app)": "a"}, "labels": {"team-*": "?*"}}}"#;
    assert_eq!(verdict(pattern, r#"{"metadata": {"labels": {"x": "1", "team-a": "b"}}}"#), Verdict::Pass);
    assert_eq!(
        verdict(pattern, r#"{"metadata": {"labels": {"x": "1"}}}"#),
        fail(
            "/metadata/labels/team-*/",
            "resource value '<nil>' does not match '?*' at path /metadata/labels/team-*/"
        )
    );
    assert_eq!(
        verdict(pattern, r#"{"metadata": {"annotations": {"k8s.io/app": "b"}, "labels": {"team-a": "b"}}}"#),
        fail(
            "/metadata/annotations/k8s.io/app/",
            "resource value 'b' does not match 'a' at path /metadata/annotations/k8s.io/app/"
        )
    );
    assert_eq!(
        verdict(r#"{"data": {"a*": "1"}}"#, r#"{"data": {"ab": "1"}}"#),
        fail("/data/a*/", "resource value '<nil>' does not match '1' at path /data/a*/")
    );
}

#[test]
fn lists_of_scalars_match_item_by_item() {
    let pattern = r#"{"ports": ["80 | 443"], "names": "a*"}"#;
    assert_eq!(verdict(pattern, r#"{"ports": [80, "443"], "names": ["a", "ab"]}"#), Verdict::Pass);
    assert_eq!(
        verdict(pattern, r#"{"ports": [80, 81], "names": ["a"]}"#),
        fail("/ports/", "resource value '[80 81]' does not match '80 | 443' at path /ports/")
    );
    assert_eq!(
        verdict(pattern, r#"{"ports": 80, "names": []}"#),
        fail(
            "/ports/",
            "validation rule failed at path /ports/, resource does not satisfy the expected overlay pattern"
        )
    );
    assert_eq!(verdict(r#"{"a": []}"#, r#"{"a": [1]}"#), fail("/a/", "pattern Array empty"));
    assert_eq!(
        verdict(r#"{"a": [[1], [2]]}"#, r#"{"a": [[1]]}"#),
        fail(
            "",
            "validate Array failed, array length mismatch, resource Array len is 1 and pattern Array len is 2"
        )
    );
}

#[test]
fn keys_with_nested_anchors_come_before_plain_keys() {
    let pattern = r#"{"a": "1", "spec": {"(x)": "1"}}"#;
    assert_eq!(
        verdict(pattern, r#"{"a": "2", "spec": {"x": "2"}}"#),
        skip("conditional anchor mismatch: resource value '2' does not match '1' at path /spec/x/")
    );
}

#[test]
fn add_if_absent_anchors_mean_nothing_in_a_validation() {
    assert_eq!(
        verdict(r#"{"+(a)": "1"}"#, r#"{"a": "1"}"#),
        fail("/+(a)/", "resource value '<nil>' does not match '1' at path /+(a)/")
    );
}

#[test]
fn more_anchors_than_can_be_recorded_are_an_error() {
    let keys: Vec<String> = (0..65).map(|n| format!(r#""(k{n})": 1"#)).collect();
    let pattern = format!("{{{}}}", keys.join(","));
    assert!(Pattern::compile(document(&pattern).root()).is_err());
}
