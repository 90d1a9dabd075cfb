//! `patrol test` with everything that a test can be given, through the messages of rules that tell what they see.

use expect_test::expect;
use serde_json::Value;

use super::Place;

const POLICIES: &str = r#"apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: tell}
spec:
  rules:
  - name: user
    match: {any: [{resources: {kinds: [Pod]}, subjects: [{kind: User, name: alice}], clusterRoles: [admin]}]}
    validate: {message: "{{ request.userInfo.username }} {{ request.roles }} {{ serviceAccountName }}", deny: {}}
  - name: config-map
    match: {any: [{resources: {kinds: [Pod]}}]}
    context: [{name: cm, configMap: {name: cm, namespace: ops}}]
    validate: {message: "{{ cm.data.k }}", deny: {}}
  - name: api-call
    match: {any: [{resources: {kinds: [Pod]}}]}
    context: [{name: found, apiCall: {urlPath: /api/v1/namespaces/ops/configmaps, jmesPath: "items[].data.k"}}]
    validate: {message: "found {{ found }}", deny: {}}
  - name: mocked
    match: {any: [{resources: {kinds: [Pod]}}]}
    context: [{name: m, apiCall: {urlPath: "/apis/x.io/v1/oxen/{{ request.object.metadata.name }}", jmesPath: a}}]
    validate: {message: "{{ m }}", deny: {}}
  - name: service
    match: {any: [{resources: {kinds: [Pod]}}]}
    context: [{name: s, apiCall: {method: POST, data: [{key: k, value: v}], service: {url: "https://x/y"}, jmesPath: b}}]
    validate: {message: "{{ s }}", deny: {}}
  - name: global
    match: {any: [{resources: {kinds: [Pod]}}]}
    context: [{name: g, globalReference: {name: data, jmesPath: "length(@)"}}]
    validate: {message: "{{ g }} entries", deny: {}}
  - name: image
    match: {any: [{resources: {kinds: [Pod]}}]}
    context: [{name: i, imageRegistry: {reference: "example.org/a:1", jmesPath: configData.config.User}}]
    validate: {message: "{{ i }}", deny: {}}
  - name: values
    match: {any: [{resources: {kinds: [Pod]}}]}
    validate: {message: "{{ mode }} {{ level }} {{ own }} {{ request.namespace }}", deny: {}}
  - name: each
    match: {any: [{resources: {kinds: [Pod]}}]}
    validate:
      foreach:
      - list: request.object.spec.containers
        context: [{name: each, apiCall: {urlPath: /api/v1/pods}}]
        deny: {conditions: {all: [{key: "{{ each }}", operator: NotEquals, value: one}]}}
      message: "{{ element.name }}: {{ each }}"
  - name: selector
    match: {any: [{resources: {kinds: [Pod], namespaceSelector: {matchLabels: {tier: a}}}}]}
    validate: {message: "in tier a", deny: {}}
  - name: scale
    match: {any: [{resources: {kinds: [Deployment/scale]}}]}
    validate: {message: "{{ request.object.kind }}", deny: {}}
  - name: operation
    match: {any: [{resources: {kinds: [Pod], operations: [UPDATE, DELETE]}}]}
    validate: {message: "{{ request.operation }} {{ request.oldObject.metadata.name }}", deny: {}}
  - name: excepted
    match: {any: [{resources: {kinds: [Pod]}}]}
    validate: {message: not seen, deny: {}}
  - name: change
    match: {any: [{resources: {kinds: [Pod]}}]}
    mutate: {patchStrategicMerge: {metadata: {labels: {a: b}}}}
  - name: make
    match: {any: [{resources: {kinds: [Pod]}}]}
    generate: {apiVersion: v1, kind: ConfigMap, name: x, namespace: y, data: {}}
"#;

const RESOURCES: &str = "apiVersion: v1
kind: Pod
metadata: {name: a, namespace: team}
spec: {containers: [{name: one, image: x}, {name: two, image: x}]}
---
apiVersion: v1
kind: Pod
metadata: {name: b, namespace: other}
spec: {containers: [{name: one, image: x}]}
---
apiVersion: autoscaling/v1
kind: Scale
metadata: {name: s, namespace: team}
";

const VALUES: &str = "apiVersion: cli.kyverno.io/v1alpha1
kind: Values
globalValues: {mode: dev, level: global}
policies:
- name: tell
  resources:
  - {name: b, values: {mode: prod}}
  rules:
  - {name: values, values: {own: rule}}
  - {name: each, foreachValues: {each: [one, two]}}
namespaceSelector:
- {name: team, labels: {tier: a}}
subresources:
- subresource: {group: autoscaling, version: v1, kind: Scale, name: deployments/scale}
  parentResource: {group: apps, version: v1, kind: Deployment, name: deployments}
";

const OTHERS: [(&str, &str); 4] = [
    (
        "t/user.yaml",
        "apiVersion: cli.kyverno.io/v1alpha1
kind: UserInfo
roles: ['team:editor']
clusterRoles: [admin]
userInfo: {username: alice}
",
    ),
    (
        "t/exception.yaml",
        "apiVersion: kyverno.io/v2
kind: PolicyException
metadata: {name: let, namespace: anywhere}
spec:
  exceptions: [{policyName: tell, ruleNames: [excepted]}]
  match: {any: [{resources: {kinds: [Pod], names: [a]}}]}
",
    ),
    (
        "t/context.yaml",
        "apiVersion: cli.kyverno.io/v1alpha1
kind: Context
metadata: {name: c}
spec:
  images:
  - {image: 'example.org/a:1', configData: {config: {User: nobody}}}
",
    ),
    (
        "t/cluster.yaml",
        "apiVersion: cli.kyverno.io/v1alpha1
kind: ClusterResource
metadata: {name: c}
spec:
  resources:
  - {apiVersion: v1, kind: ConfigMap, metadata: {name: cm, namespace: ops}, data: {k: found}}
",
    ),
];

const TEST: &str = "apiVersion: cli.kyverno.io/v1alpha1
kind: Test
metadata: {name: inputs}
policies: [policies.yaml]
resources: [resources.yaml]
exceptions: [exception.yaml]
variables: values.yaml
userinfo: user.yaml
context: context.yaml
clusterResources: [cluster.yaml]
apiCallResponses:
- {urlPath: /apis/x.io/v1/oxen/a, response: {body: {a: mock}}}
- {url: 'https://x/y', method: POST, response: {body: {b: answer}}}
globalContextEntries:
- {name: data, data: [1, 2, 3]}
results:
";

fn place(results: &str) -> Place {
    let place = Place::new();
    for (path, text) in
        [("t/policies.yaml", POLICIES), ("t/resources.yaml", RESOURCES), ("t/values.yaml", VALUES)]
    {
        place.write(path, text);
    }
    for (path, text) in OTHERS {
        place.write(path, text);
    }
    place.write("t/kyverno-test.yaml", format!("{TEST}{results}"));
    place
}

/// The lines of a test, each for one rule on resources.
fn lines(lines: &[(&str, &str, &str)]) -> String {
    let line = |(rule, resources, result): &(&str, &str, &str)| {
        format!("- {{policy: tell, rule: {rule}, kind: Pod, resources: [{resources}], {result}}}\n")
    };
    lines.iter().map(line).collect()
}

#[test]
fn every_input_of_a_test_reaches_the_rules() {
    let place = place(&lines(&[
        ("user", "a", "result: fail"),
        ("config-map", "a", "result: fail"),
        ("api-call", "a", "result: fail"),
        ("mocked", "a", "result: fail"),
        ("service", "a", "result: fail"),
        ("global", "a", "result: fail"),
        ("image", "a", "result: fail"),
        ("values", "a, b", "result: fail"),
        ("each", "a", "result: fail"),
        ("selector", "a, b", "result: fail"),
        ("scale", "s", "result: fail"),
        ("operation", "a", "result: fail, operation: UPDATE"),
        ("operation", "a", "result: fail, operation: DELETE"),
        ("operation", "a", "result: pass"),
        ("excepted", "a", "result: skip"),
        ("excepted", "b", "result: fail"),
        ("change", "a, b", "result: pass"),
        ("make", "a", "result: pass"),
    ]));
    let ran = place.run(&["test", "t", "-o", "json"]);
    let told: Vec<String> = ran
        .stdout
        .lines()
        .map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            let text = |key: &str| line[key].as_str().unwrap_or_default();
            match line.get("summary") {
                Some(summary) => summary.to_string(),
                None => format!("{} {}: {} {}", text("rule"), text("name"), text("actual"), text("message")),
            }
        })
        .collect();
    expect![[r#"
        user a: fail alice ["team:editor"] 
        config-map a: fail found
        api-call a: fail found ["found"]
        mocked a: fail mock
        service a: fail answer
        global a: fail 3 entries
        image a: fail nobody
        values a: fail dev global rule team
        values b: fail prod global rule other
        each a: fail validation failure: two: two
        selector a: fail in tier a
        selector b: excluded 
        scale s: fail Scale
        operation a: fail UPDATE a
        operation a: fail DELETE a
        operation a: excluded 
        excepted a: skip rule is skipped due to policy exceptionsanywhere/let
        excepted b: fail not seen
        {"cases":1,"checks":18,"errors":0,"failed":0,"not_scanned":3,"passed":18}"#]]
    .assert_eq(&told.join("\n"));
}

#[test]
fn lines_are_chosen_and_printed_as_asked() {
    let place = place(&lines(&[
        ("values", "a, b", "result: fail"),
        ("selector", "a", "result: pass"),
        ("change", "a", "result: pass"),
    ]));
    let run = |arguments: &[&str]| {
        let all: Vec<&str> = ["test", "t"].iter().chain(arguments).copied().collect();
        place.run(&all).exits(1).stdout
    };
    expect![[r"
        .
        ID   POLICY   RULE       RESOURCE      RESULT   REASON                MESSAGE
        1    tell     values     team/Pod/a    Pass     Ok                    dev global rule team
        2    tell     values     other/Pod/b   Pass     Ok                    prod global rule other
        3    tell     selector   team/Pod/a    Fail     Want pass, got fail   in tier a

        Test Summary: 2 tests passed and 1 tests failed
        1 checks are no part of a scan and were not judged
    "]]
    .assert_eq(&run(&["--detailed-results"]));
    expect![[r"
        .
        ID   POLICY   RULE       RESOURCE     RESULT   REASON
        1    tell     selector   team/Pod/a   Fail     Want pass, got fail

        Test Summary: 1 out of 3 tests failed
        1 checks are no part of a scan and were not judged
    "]]
    .assert_eq(&run(&["--fail-only"]));
    expect![[r"
        .
        ID   POLICY   RULE       RESOURCE     RESULT   REASON
        1    tell     selector   team/Pod/a   Fail     Want pass, got fail

        Test Summary: 0 tests passed and 1 tests failed
    "]]
    .assert_eq(&run(&["-t", "policy=tell,rule=sel*,resource=?"]));
    expect![[r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites name="patrol" tests="3" failures="1" errors="0" skipped="0">
          <testsuite name="." tests="3" failures="1" errors="0" skipped="0">
            <testcase classname="tell.values" name="team/Pod/a"/>
            <testcase classname="tell.values" name="other/Pod/b"/>
            <testcase classname="tell.selector" name="team/Pod/a">
              <failure message="Want pass, got fail: in tier a"/>
            </testcase>
          </testsuite>
        </testsuites>
    "#]]
    .assert_eq(&run(&["-o", "junit"]));
    place.run(&["test", "t", "-t", "rule=values"]).exits(0);
    expect![[r"
        Test Summary: 0 tests passed and 0 tests failed
        1 checks are no part of a scan and were not judged
    "]]
    .assert_eq(&place.run(&["test", "t", "-t", "rule=change"]).exits(0).stdout);
}
