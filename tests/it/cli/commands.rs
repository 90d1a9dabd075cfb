//! The other commands: help, completions, explain, test, lint.

use expect_test::expect;
use serde_json::Value;

use super::{Place, label_policy};

#[test]
fn every_command_has_a_help_text() {
    let place = Place::new();
    for command in [
        &["scan"][..],
        &["explain"],
        &["test"],
        &["lint"],
        &["state"],
        &["state", "stats"],
        &["state", "verify"],
        &["state", "compact"],
        &["completions"],
    ] {
        let ran = place.run(&[command, &["--help"]].concat()).exits(0);
        let usage = format!("Usage: patrol {}", command.join(" "));
        assert!(ran.stdout.contains(&usage), "{command:?}: {}", ran.stdout);
        assert!(ran.stdout.lines().next().is_some_and(|line| line.len() > 10), "{command:?}");
        // Each option says what it is for, on its line or the next one.
        let mut lines = ran.stdout.lines().peekable();
        while let Some(line) = lines.next() {
            let option = line.trim_start();
            if option.starts_with("--") || (option.starts_with('-') && option.contains(", --")) {
                let is_described = option.contains("  ")
                    || lines
                        .peek()
                        .is_some_and(|next| next.starts_with("          ") && !next.trim().is_empty());
                assert!(is_described, "{command:?}: `{line}` is not described");
            }
        }
    }
    let ran = place.run(&["--help"]).exits(0);
    for command in ["scan", "explain", "test", "lint", "state", "completions"] {
        assert!(ran.stdout.contains(&format!("\n  {command} ")), "{}", ran.stdout);
    }
    assert!(place.run(&["--version"]).exits(0).stdout.starts_with("patrol "));
}

#[test]
fn completions_know_the_commands() {
    let place = Place::new();
    for (shell, sign) in
        [("bash", "complete -F _patrol"), ("zsh", "#compdef patrol"), ("fish", "complete -c patrol")]
    {
        let ran = place.run(&["completions", shell]).exits(0);
        assert!(ran.stdout.contains(sign), "{shell}");
        for word in ["scan", "lint", "dry-run"] {
            assert!(ran.stdout.contains(word), "{shell}: {word}");
        }
    }
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "\"$0\" completions zsh | head -n 1", env!("CARGO_BIN_EXE_patrol")]);
    super::ran(command).exits(0);
}

#[test]
fn explain_tells_each_verdict_and_what_was_read() {
    let place = Place::with_pods();
    place.scan(&[]);
    let ran = place.run(&["explain", "Pod/bad"]).exits(0);
    for part in ["Pod default/bad", "require-app", "check", "fail", "labels", "validation error: it is so"] {
        assert!(ran.stdout.contains(part), "`{part}` is missing in\n{}", ran.stdout);
    }
    place.run(&["explain", "pod/bad", "-n", "default"]).exits(0);
    place.run(&["explain", "pod/bad", "-n", "elsewhere"]).exits(2);
    place
        .run(&["explain", "pod/bad", "--state", "nowhere"])
        .exits(2)
        .says(&["there is no state in `nowhere`"]);
    assert!(!place.path("nowhere").exists());
}

/// What `explain` of a Pod says of each policy: what the next scan does, and why.
fn next_scan(place: &Place, pod: &str, more: &[&str]) -> Vec<String> {
    let ran = place.run(&[&["explain", pod][..], more].concat()).exits(0);
    let lines = ran.stdout.lines().skip_while(|line| !line.contains("NEXT SCAN")).skip(1);
    let rows = lines.take_while(|line| !line.is_empty());
    rows.map(|row| row.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn explain_tells_what_the_next_scan_does_and_why() {
    let place = Place::with_pods();
    place.write("p/tier.yaml", label_policy("require-tier", "tier"));
    place.scan(&[]);
    let inputs = &["-f", "m", "-p", "p"];
    let next = |pod: &str| next_scan(&place, pod, inputs);
    let unchanged =
        ["require-app reuse nothing that it read changed", "require-tier reuse nothing that it read changed"];
    assert_eq!(next("Pod/bad"), unchanged);
    assert_eq!(next("Pod/good"), unchanged);

    place.write("m/bad.yaml", super::pod("bad", "tier: z"));
    let read = "evaluate the resource changed in what the verdict read: labels";
    assert_eq!(next("Pod/bad"), [format!("require-app {read}"), format!("require-tier {read}")]);
    assert_eq!(next("Pod/good"), unchanged);
    place.write("m/good.yaml", super::pod("good", "app: x").replace("nginx", "nginx:1"));
    let not_read = "reuse the resource changed, but in nothing that it read";
    assert_eq!(next("Pod/good"), [format!("require-app {not_read}"), format!("require-tier {not_read}")]);

    place.write("p/label.yaml", label_policy("require-app", "app").replace("it is so", "it must be"));
    assert_eq!(next("Pod/good")[0], "require-app evaluate the policy changed");
    place.remove("p/tier.yaml");
    let gone = "require-tier forget the policy is gone or no longer selects the resource";
    assert_eq!(next("Pod/good")[1], gone);
    assert_eq!(
        next_scan(&place, "Pod/good", &["-f", "m", "-p", "p", "--filter", "[Pod,default,go*]"])[0],
        "require-app forget the kind is no longer scanned, or a filter leaves the resource out"
    );
    place.remove("m/bad.yaml");
    assert_eq!(next("Pod/bad")[0], "require-app forget the resource is gone");
    place.write("m/new.yaml", super::pod("new", "app: y"));
    assert_eq!(next("Pod/new"), ["require-app evaluate no verdict is stored"]);
    let ran = place.run(&[&["explain", "Pod/new"][..], inputs].concat()).exits(0);
    assert!(ran.stdout.contains("no scan has met it yet"), "{}", ran.stdout);
    place.run(&[&["explain", "Pod/other"][..], inputs].concat()).exits(2);

    // Nothing of it was remembered.
    let (_, stats) = place.scan(&[]);
    assert_eq!(stats.pairs(), [2, 0, 3], "the new Pod and the edited rule; the rest went");
}

#[test]
fn explain_says_what_the_state_alone_cannot_tell() {
    let place = Place::with_pods();
    place.write(
        "p/late.yaml",
        super::policy(
            "late",
            "",
            "deny: {conditions: {any: [{key: \"{{ time_now_utc() }}\", operator: Equals, value: x}]}}",
        ),
    );
    place.scan(&[]);
    let next = next_scan(&place, "Pod/good", &[]);
    assert_eq!(next.len(), 2);
    assert!(
        next[0].starts_with("late reuse if its policy and what it READ are as they were, until 20"),
        "{next:?}"
    );
    assert_eq!(next[1], "require-app reuse if its policy and what it READ are as they were");
    let ran = place.run(&["explain", "Pod/good"]).exits(0);
    assert!(ran.stdout.contains("The state does not know what changed since"), "{}", ran.stdout);
    for (flags, message) in [
        (&["-p", "p"][..], "--path"),
        (&["--kubeconfig", "x"], "--cluster"),
        (&["-f", "m", "--cluster"], "cannot be used with"),
    ] {
        place.run(&[&["explain", "Pod/good"][..], flags].concat()).exits(2).says(&[message]);
    }
}

#[test]
fn manifests_of_another_version_than_a_policy_names_are_told() {
    let place = Place::new();
    let autoscaler = "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: a}\nspec: {maxReplicas: 3}\n";
    place.write("m/a.yaml", autoscaler);
    let policy = |name: &str, kind: &str| {
        super::policy(name, "", "pattern: {spec: {maxReplicas: \"<3\"}}")
            .replace("[Pod]", &format!("[{kind}]"))
    };
    place.write("p/old.yaml", policy("old", "autoscaling/v1/HorizontalPodAutoscaler"));
    place.write("p/any.yaml", policy("any", "HorizontalPodAutoscaler"));
    let (ran, stats) = place.scan(&["-o", "json"]);
    let ran = ran.exits(1).says(&[
        "p/old.yaml:1: ClusterPolicy old is about version v1 of HorizontalPodAutoscaler, and says nothing about \
         manifests of autoscaling/v2/HorizontalPodAutoscaler",
    ]);
    assert!(!ran.stderr.contains("ClusterPolicy any"), "{}", ran.stderr);
    assert_eq!(super::results(&super::by_name(&ran.json())["a"]), ["any/check: fail"]);
    assert_eq!(stats.pairs(), [1, 0, 0]);
    place.write("m/a.yaml", autoscaler.replace("v2", "v1"));
    let (ran, stats) = place.scan(&[]);
    assert!(!ran.stderr.contains("says nothing about"), "{}", ran.stderr);
    assert_eq!(stats.pairs(), [2, 0, 0]);
}

fn with_tests() -> Place {
    let place = Place::with_pods();
    place.write("p/label.yaml", label_policy("require-app", "app"));
    place.write(
        "t/one/kyverno-test.yaml",
        "apiVersion: cli.kyverno.io/v1alpha1\nkind: Test\nmetadata: {name: one}\npolicies: [../../p/label.yaml]\nresources: [../../m/good.yaml, ../../m/bad.yaml]\nresults:\n- {policy: require-app, rule: check, kind: Pod, resources: [good], result: pass}\n- {policy: require-app, rule: check, kind: Pod, resources: [bad], result: fail}\n",
    );
    place
}

#[test]
fn tests_are_run_and_judged() {
    let place = with_tests();
    let ran = place.run(&["test", "t"]).exits(0);
    assert!(ran.stdout.contains("Test Summary: 2 tests passed and 0 tests failed"), "{}", ran.stdout);
    let text = std::fs::read_to_string(place.path("t/one/kyverno-test.yaml")).unwrap();
    place.write("t/one/kyverno-test.yaml", text.replace("result: pass", "result: fail"));
    let ran = place.run(&["test", "t", "-o", "json"]).exits(1);
    let lines: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let fields: Vec<&str> = lines[0].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        fields,
        ["actual", "case", "expected", "kind", "message", "name", "namespace", "ok", "policy", "rule"]
    );
    assert_eq!((&lines[0]["case"], &lines[0]["ok"]), (&"one".into(), &false.into()));
    let expected =
        serde_json::json!({"cases": 1, "checks": 2, "passed": 1, "failed": 1, "not_scanned": 0, "errors": 0});
    assert_eq!(lines[2]["summary"], expected);

    let ran = place.run(&["test", "t", "--fail-only", "--detailed-results"]).exits(1);
    assert!(ran.stdout.contains("Want fail, got pass") && !ran.stdout.contains("/bad"), "{}", ran.stdout);
    assert!(ran.stdout.contains("Test Summary: 1 out of 2 tests failed"), "{}", ran.stdout);
    place.run(&["test", "t", "-t", "resource=bad"]).exits(0);
    place.run(&["test", "t", "-t", "policy=other"]).exits(2).says(&["`policy=other` selects no check"]);
    let junit = place.run(&["test", "t", "-o", "junit"]).exits(1).stdout;
    assert!(junit.contains(r#"tests="2" failures="1""#), "{junit}");
}

#[test]
fn a_test_that_cannot_run_is_told() {
    let place = with_tests();
    place.run(&["test", "m"]).exits(2).says(&["no file named `kyverno-test.yaml` under `m`"]);
    place.run(&["test", "nowhere"]).exits(2).says(&["nowhere: there is no such file or folder"]);
    place.write("t/one/kyverno-test.yaml", "kind: [\n");
    place.run(&["test", "t"]).exits(2).says(&["t/one/kyverno-test.yaml:"]);
    place.run(&["test", "t", "-f", "other.yaml"]).exits(2).says(&["no file named `other.yaml`"]);
}

#[test]
fn lint_points_into_json() {
    let place = with_tests();
    place.write("l/one.json", POLICY_IN_JSON);
    let ran = place.run(&["lint", "l"]).exits(1);
    expect![[r#"
        note: not scanned in a cluster: rule `r` uses a variable that nothing defines: `{{ a b }}`
        --> l/one.json:1: ClusterPolicy c

        warning: `exclude` takes out everything that `match` lets in, so the rule is never asked
         --> l/one.json:2:72: ClusterPolicy c: spec.rules[0].exclude
          |
        2 | …"r", "match": {"any": [{"resources": {"kinds": ["Pod"]}}]}, "exclude": {"any": [{"resources": {"kinds": ["*"]}}]},
          |                                                              ^^^^^^^^^

        error: `a b` is not JMESPath: SyntaxError: Unexpected token at the end of the expression: tUnquotedIdentifier
         --> l/one.json:3:41: ClusterPolicy c: spec.rules[0].validate.message
          |
        3 |    "validate": {"message": "\u00e9 {{ a b }}", "deny": {}}}]}}
          |                                         ^

        policies: 1, errors: 1, warnings: 1
    "#]].assert_eq(&ran.stdout);
}

#[test]
fn lint_points_into_expressions_of_every_language_and_form() {
    let place = with_tests();
    place.write("l/policies.yaml", POLICIES_WITH_MISTAKES);
    let ran = place.run(&["lint", "l/policies.yaml"]).exits(1);
    expect![[r#"
        note: not scanned in a cluster: rule `r` uses a variable that nothing defines: `{{ requst.operation }}`
        --> l/policies.yaml:1: ClusterPolicy a

        warning: nothing uses the context entry `unused`
          --> l/policies.yaml:10:11: ClusterPolicy a: spec.rules[0].context[0].name
           |
        10 |         - name: unused
           |           ^^^^

        warning: nothing defines the variable `requst`
          --> l/policies.yaml:14:27: ClusterPolicy a: spec.rules[0].preconditions.all[0].key
           |
        14 |           - key: "\u007b{ requst.operation }}"
           |                           ^^^^^^

        warning: this is never met in a scan, so the rule is always skipped
          --> l/policies.yaml:17:13: ClusterPolicy a: spec.rules[0].preconditions.all[1]
           |
        17 |           - key: "{{request.operation}}"
           |             ^

        error: `request.object.[` is not JMESPath: SyntaxError: Incomplete expression
          --> l/policies.yaml:23:29: ClusterPolicy a: spec.rules[0].validate.message
           |
        23 |           {{ request.object.[ }}
           |                             ^

        warning: `+()` adds what is missing and only means something in `mutate`; here the key is taken as it is
          --> l/policies.yaml:26:13: ClusterPolicy a: spec.rules[0].validate.pattern.metadata.+(labels)
           |
        26 |             +(labels):
           |             ^^^^^^^^^

        warning: an existence anchor `^()` takes a list of what has to be there
          --> l/policies.yaml:29:13: ClusterPolicy a: spec.rules[0].validate.pattern.spec.^(containers)
           |
        29 |             ^(containers): {name: "{{ nosuch('x') }}"}
           |             ^^^^^^^^^^^^^

        error: there is no function `nosuch`
          --> l/policies.yaml:29:39: ClusterPolicy a: spec.rules[0].validate.pattern.spec.^(containers).name
           |
        29 |             ^(containers): {name: "{{ nosuch('x') }}"}
           |                                       ^^^^^^

        error: undefined field 'm'
          --> l/policies.yaml:45:20: ValidatingPolicy b: spec.validations[0].expression
           |
        45 |           variables.m == nosuch(object)
           |                    ^

        error: undeclared reference to 'nosuch' (in container '')
          --> l/policies.yaml:45:32: ValidatingPolicy b: spec.validations[0].expression
           |
        45 |           variables.m == nosuch(object)
           |                                ^

        error: output is expected to be of type string
          --> l/policies.yaml:46:26: ValidatingPolicy b: spec.validations[0].messageExpression
           |
        46 |       messageExpression: 1 + 1
           |                          ^

        policies: 2, errors: 5, warnings: 5
    "#]].assert_eq(&ran.stdout);
}

#[test]
fn lint_points_into_all_that_an_image_policy_says() {
    let place = with_tests();
    place.write("l/images.yaml", IMAGE_POLICY_WITH_MISTAKES);
    let ran = place.run(&["lint", "l/images.yaml"]).exits(1);
    expect![[r#"
        error: unexpected end of input
         --> l/images.yaml:7:14: ImageValidatingPolicy i: spec.matchImageReferences[0].glob
          |
        7 |     - glob: "ghcr.io/[a"
          |              ^

        error: found no matching overload for 'startsWith' applied to 'string.(int)'
         --> l/images.yaml:8:33: ImageValidatingPolicy i: spec.matchImageReferences[1].expression
          |
        8 |     - expression: ref.startsWith(1)
          |                                 ^

        error: undefined field 'x'
          --> l/images.yaml:10:64: ImageValidatingPolicy i: spec.images[0].expression
           |
        10 |     - {name: own, expression: "object.spec.own.map(o, variables.x)"}
           |                                                                ^

        error: undefined field 'kye'
          --> l/images.yaml:20:22: ImageValidatingPolicy i: spec.attestors[0].cosign.key.expression
           |
        20 |             variables.kye
           |                      ^

        error: undefined field 'cert'
          --> l/images.yaml:22:58: ImageValidatingPolicy i: spec.attestors[1].cosign.certificate.cert.expression
           |
        22 |       cosign: {certificate: {cert: {expression: variables.cert}}}
           |                                                          ^

        error: output is expected to be of type string
          --> l/images.yaml:25:26: ImageValidatingPolicy i: spec.validations[0].messageExpression
           |
        25 |       messageExpression: images.containers
           |                          ^

        error: output is expected to be either of type string or null_type
          --> l/images.yaml:27:38: ImageValidatingPolicy i: spec.auditAnnotations[0].valueExpression
           |
        27 |     - {key: images, valueExpression: images.containers}
           |                                      ^

        policies: 1, errors: 7, warnings: 0
    "#]].assert_eq(&ran.stdout);
}

#[test]
fn lint_names_fields_and_tells_certain_errors_from_warnings() {
    let place = with_tests();
    let ran = place.run(&["lint", "p"]).exits(0);
    assert_eq!(ran.stdout, "policies: 1, errors: 0, warnings: 0\n");
    place.write(
        "p/label.yaml",
        label_policy("require-app", "app").replace("message:", "mesage: a\n      message:"),
    );
    let ran = place.run(&["lint", "p"]).exits(0);
    expect![[r"
        warning: Kyverno knows no field `mesage` here
          --> p/label.yaml:11:7: ClusterPolicy require-app: spec.rules[0].validate.mesage
           |
        11 |       mesage: a
           |       ^^^^^^

        policies: 1, errors: 0, warnings: 1
    "]]
    .assert_eq(&ran.stdout);
    place.write("p/label.yaml", label_policy("require-app", "app").replace("it is so", "'{{ request.[ }}'"));
    let ran = place.run(&["lint", "p", "m", "t", "-o", "json"]).exits(1);
    let lines: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["level"], "error");
    assert_eq!(lines[0]["field"], "spec.rules[0].validate.message");
    assert_eq!(lines[0]["from"], "p/label.yaml:11:28");
    assert_eq!(
        (&lines[0]["line"], &lines[0]["column"], &lines[0]["length"]),
        (&11.into(), &28.into(), &1.into())
    );
    assert_eq!(lines.last().unwrap()["summary"]["errors"], 1);
    place.run(&["lint", "m"]).exits(2).says(&["no policies in `m`"]);
    place.write("p/broken.yaml", "a: [\n");
    place.run(&["lint", "p"]).exits(2).says(&["p/broken.yaml:"]);
}

const IMAGE_POLICY_WITH_MISTAKES: &str = r#"apiVersion: policies.kyverno.io/v1
kind: ImageValidatingPolicy
metadata: {name: i}
spec:
  matchConstraints: {resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]}
  matchImageReferences:
    - glob: "ghcr.io/[a"
    - expression: ref.startsWith(1)
  images:
    - {name: own, expression: "object.spec.own.map(o, variables.x)"}
  variables:
    - name: key
      expression: resource.Get('v1', 'configmaps', 'keys', 'main').data.pub
  attestors:
    - name: main
      cosign:
        key:
          expression: |
            variables.key +
            variables.kye
    - name: other
      cosign: {certificate: {cert: {expression: variables.cert}}}
  validations:
    - expression: images.containers.all(i, verifyImageSignatures(i, attestors.main) > 0)
      messageExpression: images.containers
  auditAnnotations:
    - {key: images, valueExpression: images.containers}
"#;

const POLICIES_WITH_MISTAKES: &str = r#"apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata:
  name: a
spec:
  rules:
    - name: r
      match: {any: [{resources: {kinds: [Pod]}}]}
      context:
        - name: unused
          variable: {value: 1}
      preconditions:
        all:
          - key: "\u007b{ requst.operation }}"
            operator: Equals
            value: DELETE
          - key: "{{request.operation}}"
            operator: Equals
            value: DELETE
      validate:
        message: >-
          The name is
          {{ request.object.[ }}
        pattern:
          metadata:
            +(labels):
              app: "?*"
          spec:
            ^(containers): {name: "{{ nosuch('x') }}"}
---
apiVersion: policies.kyverno.io/v1
kind: ValidatingPolicy
metadata:
  name: b
spec:
  matchConstraints:
    resourceRules:
      - {apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}
  variables:
    - name: own
      expression: object.metadata.name
  validations:
    - expression: |
        variables.own.size() > 1 &&
          variables.m == nosuch(object)
      messageExpression: 1 + 1
"#;

const POLICY_IN_JSON: &str = r#"{"apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "metadata": {"name": "c"}, "spec": {"rules": [
  {"name": "r", "match": {"any": [{"resources": {"kinds": ["Pod"]}}]}, "exclude": {"any": [{"resources": {"kinds": ["*"]}}]},
   "validate": {"message": "\u00e9 {{ a b }}", "deny": {}}}]}}
"#;

#[test]
fn roles_are_printed_for_the_kinds_that_are_asked_for() {
    let place = Place::new();
    let shipped = place.run(&["rbac"]).exits(0).stdout;
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/manifests/rbac.yaml");
    assert_eq!(shipped, std::fs::read_to_string(file).unwrap());
    let few = place.run(&["rbac", "widgets.example.com", "--namespace", "tools"]).exits(0).stdout;
    assert!(
        few.contains("- widgets\n") && few.contains("namespace: tools") && !few.contains("- pods\n"),
        "{few}"
    );
    let more = place.run(&["rbac", "--also", "secrets"]).exits(0).stdout;
    assert!(more.contains("- secrets\n") && more.contains("- pods\n"), "{more}");
    place.run(&["rbac", "Pods"]).exits(2).says(&["must be a plural such as `pods`"]);
}
