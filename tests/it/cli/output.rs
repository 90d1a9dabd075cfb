//! What a scan prints, in every format, and its exit code.

use super::{Place, by_name, label_policy, pod, policy, results};

#[test]
fn the_table_counts_by_policy_and_the_summary_goes_to_standard_error() {
    let place = Place::with_pods();
    let (ran, stats) = place.scan(&[]);
    let ran = ran.exits(1).says(&["2 objects, 1 policy: 2 pairs evaluated, 0 reused, 0 forgotten"]);
    let expected = "POLICY        PASS   FAIL   WARN   ERROR   SKIP\n\
                    require-app   1      1      0      0       0\n\
                    total         1      1      0      0       0\n";
    assert_eq!(ran.stdout, expected);
    assert_eq!(stats.pairs(), [2, 0, 0]);
    assert_eq!(
        ["resources", "kinds", "policies", "pairs"].map(|name| stats.of(name)),
        [2, 1, 1, 2],
        "{stats:?}"
    );
    assert_eq!(stats.0["evaluations_by_reason"].as_object().unwrap().len(), 1);
    assert!(stats.of("duration_ms") < 600_000 && stats.of("peak_rss_bytes") > 1_000_000);
}

#[test]
fn json_is_a_list_of_reports_with_scope_and_results() {
    let place = Place::with_pods();
    place.write("m/ns.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: prod}\n");
    let namespaces = policy(
        "name-it",
        "policies.kyverno.io/category: Names, policies.kyverno.io/severity: low",
        "deny: {}",
    )
    .replace("kinds: [Pod]", "kinds: [Namespace]");
    place.write("p/ns.yaml", namespaces);
    let list = place.scan(&["-o", "json"]).0.exits(1).json();
    let reports = by_name(&list);
    assert_eq!(reports.keys().collect::<Vec<_>>(), ["bad", "good", "prod"]);
    let bad = &reports["bad"];
    assert_eq!(
        (&bad["apiVersion"], &bad["kind"]),
        (&"wgpolicyk8s.io/v1alpha2".into(), &"PolicyReport".into())
    );
    assert_eq!(bad["metadata"]["namespace"], "default");
    assert_eq!(bad["metadata"]["name"], bad["scope"]["uid"]);
    assert_eq!(bad["metadata"]["labels"]["app.kubernetes.io/managed-by"], "patrol");
    assert_eq!(bad["metadata"]["ownerReferences"].as_array().unwrap().len(), 1);
    assert_eq!(bad["scope"]["kind"], "Pod");
    assert_eq!(bad["summary"]["fail"], 1);
    assert_eq!(results(bad), ["require-app/check: fail"]);
    let message = bad["results"][0]["message"].as_str().unwrap();
    assert!(message.starts_with("validation error: it is so."), "{message}");
    let cluster = &reports["prod"];
    assert_eq!(cluster["kind"], "ClusterPolicyReport");
    assert_eq!(cluster["metadata"].get("namespace"), None);
    let result = &cluster["results"][0];
    assert_eq!((&result["category"], &result["severity"]), (&"Names".into(), &"low".into()));
}

#[test]
fn json_says_the_same_whether_evaluated_or_reused_and_without_state() {
    let place = Place::with_pods();
    let first = place.scan(&["-o", "json"]).0.stdout;
    let (second, stats) = place.scan(&["-o", "json"]);
    assert_eq!(second.stdout, first);
    assert_eq!(stats.pairs(), [0, 2, 0]);
    let (fresh, stats) = place.scan(&["-o", "json", "--no-state"]);
    assert_eq!(stats.pairs(), [2, 0, 0]);
    let results_of =
        |text: &str| by_name(&serde_json::from_str(text).unwrap()).values().map(results).collect::<Vec<_>>();
    assert_eq!(results_of(&fresh.stdout), results_of(&first));
}

#[test]
fn yaml_is_the_same_list() {
    let place = Place::with_pods();
    let json = place.scan(&["-o", "json"]).0.json();
    let yaml = place.scan(&["-o", "yaml"]).0.exits(1).stdout;
    let document = patrol::folder::parse_yaml(&yaml).unwrap();
    let back: serde_json::Value = serde_json::from_str(&document.root().to_json()).unwrap();
    assert_eq!(back, json);
}

#[test]
fn open_reports_on_request() {
    let place = Place::with_pods();
    let reports = place.reports(&["--report-api", "openreports.io"]);
    let report = &reports["bad"];
    assert_eq!(
        (&report["apiVersion"], &report["kind"]),
        (&"openreports.io/v1alpha1".into(), &"Report".into())
    );
    assert_eq!(results(report), ["require-app/check: fail"]);
}

#[test]
fn wide_names_each_result_with_its_place_and_message() {
    let place = Place::with_pods();
    place.write("m/two.yaml", format!("{}---\n{}", pod("two", "app: x"), pod("three", "a: b")));
    let ran = place.scan(&["-o", "wide"]).0.exits(1);
    let three = ran.stdout.lines().find(|line| line.contains(" three ")).unwrap();
    for part in
        ["default", "Pod", "require-app", "check", "fail", "m/two.yaml:10", "validation error: it is so"]
    {
        assert!(three.contains(part), "`{part}` is missing in `{three}`");
    }
}

#[test]
fn sarif_names_the_file_and_line_of_what_fails() {
    let place = Place::with_pods();
    let log = place.scan(&["-o", "sarif"]).0.exits(1).json();
    assert_eq!(log["version"], "2.1.0");
    let results = log["runs"][0]["results"].as_array().unwrap();
    assert_eq!(results.len(), 1);
    assert_eq!(results[0]["ruleId"], "require-app/check");
    let place = &results[0]["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "m/bad.yaml");
    assert_eq!(place["region"]["startLine"], 1);
}

#[test]
fn junit_has_a_test_case_for_each_result() {
    let place = Place::with_pods();
    let xml = place.scan(&["-o", "junit"]).0.exits(1).stdout;
    assert!(
        xml.contains(r#"<testsuites name="patrol" tests="2" failures="1" errors="0" skipped="0">"#),
        "{xml}"
    );
    assert!(xml.contains(r#"<testcase classname="require-app.check" name="Pod default/good"/>"#), "{xml}");
}

#[test]
fn fail_on_decides_about_the_exit_code() {
    let place = Place::with_pods();
    for (fail_on, code) in
        [("fail", 1), ("error", 0), ("none", 0), ("pass", 1), ("warn,skip", 0), ("error,fail", 1)]
    {
        let (ran, _) = place.scan(&["--fail-on", fail_on]);
        assert_eq!(ran.code, Some(code), "--fail-on {fail_on}");
    }
    place.write("m/bad.yaml", pod("bad", "app: y"));
    place.scan(&[]).0.exits(0);
    place
        .run(&["scan", "m", "-p", "p", "--fail-on", "often"])
        .exits(2)
        .says(&["`often` is none of pass, fail"]);
}

#[test]
fn two_wins_over_one_and_good_input_is_still_scanned() {
    let place = Place::with_pods();
    place.write("m/broken.yaml", "kind: Pod\n  bad: [indent\n");
    let (ran, stats) = place.scan(&["-o", "json"]);
    let ran = ran.exits(2).says(&["m/broken.yaml:"]);
    assert_eq!(by_name(&ran.json()).len(), 2);
    assert_eq!(stats.pairs(), [2, 0, 0]);
}

#[test]
fn standard_input_is_scanned() {
    let place = Place::with_pods();
    let input = format!("{}---\n{}", pod("one", "app: x"), pod("two", "b: c"));
    let ran = place.run_with_input(&["scan", "-", "-p", "p", "--no-state", "-o", "json"], &input).exits(1);
    let reports = by_name(&ran.json());
    assert_eq!(results(&reports["two"]), ["require-app/check: fail"]);
    assert_eq!(reports.len(), 2);
    let ran = place.run_with_input(&["scan", "-", "-p", "p", "--no-state"], "a: [\n").exits(2);
    assert!(ran.stderr.contains("-:"), "{ran:?}");
    let list = r#"{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"Pod","metadata":{"name":"j"}}]}"#;
    place
        .run_with_input(&["scan", "-", "-p", "p", "--no-state"], list)
        .exits(1)
        .says(&["1 object, 1 policy"]);
}

#[test]
fn policies_among_the_manifests_are_used_and_given_ones_override_them() {
    let place = Place::new();
    place.write("m/pod.yaml", pod("one", "a: b"));
    place.write("m/policy.yaml", label_policy("ask", "a"));
    let ran = place.run(&["scan", "m", "-o", "json"]).exits(0);
    assert_eq!(results(&by_name(&ran.json())["one"]), ["ask/check: pass"]);
    place.write("p/policy.yaml", label_policy("ask", "b"));
    let (ran, stats) = place.scan(&["-o", "json"]);
    let ran = ran.exits(1).says(&["ClusterPolicy ask of m/policy.yaml:1 is overridden by p/policy.yaml:1"]);
    assert_eq!(results(&by_name(&ran.json())["one"]), ["ask/check: fail"]);
    assert_eq!(stats.of("policies"), 1);
}

#[test]
fn policies_are_resources_too() {
    let place = Place::new();
    place.write("m/policy.yaml", label_policy("ask", "a"));
    let about_policies = label_policy("named", "owner").replace("kinds: [Pod]", "kinds: [ClusterPolicy]");
    place.write("p/policy.yaml", about_policies);
    let reports = place.reports(&[]);
    assert_eq!(results(&reports["ask"]), ["named/check: fail"]);
}

#[test]
fn exceptions_and_namespace_labels_among_the_manifests_count() {
    let place = Place::with_pods();
    place.write(
        "m/exception.yaml",
        "apiVersion: kyverno.io/v2\nkind: PolicyException\nmetadata: {name: let-bad, namespace: default}\nspec:\n  exceptions:\n  - {policyName: require-app, ruleNames: [check]}\n  match: {any: [{resources: {kinds: [Pod], names: [bad]}}]}\n",
    );
    let reports = place.reports(&[]);
    assert_eq!(results(&reports["bad"]), ["require-app/check: skip"]);
    place.write("m/exception.yaml", "# gone\n");
    assert_eq!(results(&place.reports(&[])["bad"]), ["require-app/check: fail"]);

    let place = Place::with_pods();
    let selected = label_policy("only-strict", "never")
        .replace("kinds: [Pod]}", "kinds: [Pod], namespaceSelector: {matchLabels: {level: strict}}}");
    place.write("p/label.yaml", selected);
    assert_eq!(place.reports(&[]).len(), 0);
    place.write(
        "m/ns.yaml",
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: default, labels: {level: strict}}\n",
    );
    let (ran, stats) = place.scan(&["-o", "json"]);
    assert_eq!(by_name(&ran.exits(1).json()).len(), 2);
    assert_eq!(stats.pairs(), [2, 0, 0]);
    place.write(
        "m/ns.yaml",
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: default, labels: {level: lax}}\n",
    );
    assert_eq!(place.reports(&[]).len(), 0);
}

#[test]
fn filters_leave_resources_out() {
    let place = Place::with_pods();
    let (ran, stats) = place.scan(&["--filter", "[Pod,*,ba*]"]);
    ran.exits(0);
    assert_eq!(stats.pairs(), [1, 0, 0]);
    place.run(&["scan", "m", "--filter", "Pod"]).exits(2).says(&["--filter", "[kind,namespace,name]"]);
}

#[test]
fn background_only_names_what_it_leaves_out() {
    let place = Place::with_pods();
    place.write(
        "p/label.yaml",
        label_policy("require-app", "app").replace("spec:\n  rules", "spec:\n  background: false\n  rules"),
    );
    place.scan(&[]).0.exits(1);
    let (ran, stats) = place.scan(&["--background-only"]);
    ran.exits(0)
        .says(&["p/label.yaml:1: ClusterPolicy require-app is not scanned: `spec.background` is false"]);
    assert_eq!(stats.of("policies"), 0);
}

#[test]
fn a_reader_that_has_had_enough_is_no_failure() {
    let place = Place::with_pods();
    let many: Vec<String> = (0..2_000).map(|i| pod(&format!("pod-{i}"), "a: b")).collect();
    place.write("m/many.yaml", many.join("---\n"));
    for format in ["json", "yaml", "wide", "sarif", "junit"] {
        let script = format!("\"$0\" scan m -p p --no-state -o {format} | head -n 1");
        let mut command = std::process::Command::new("sh");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_patrol")]).current_dir(place.root.path());
        let ran = super::ran(command).exits(0);
        assert_eq!(ran.stdout.lines().count(), 1, "{format}");
        assert!(!ran.stderr.contains("roken pipe"), "{ran:?}");
    }
}
