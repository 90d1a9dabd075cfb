mod mutating;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::document::{Document, Node, Parts};
use crate::fingerprint;
use crate::lang::{Companions, Compiled, Evaluation, Inputs, Request, Volatility, compile};
use crate::model::{
    FactKey, FactValue, Gvk, Outcome, PolicyKey, PolicyKind, ResourceId, ResourceKey, Status,
};
use crate::policy::{CompanionSource, PolicyRole, PolicySource, Standing};

const POD: &str = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","namespace":"prod",
    "labels":{"app":"web"}},"spec":{"hostNetwork":true,"containers":[{"name":"c","image":"nginx:1"}]},
    "status":{"phase":"Running"}}"#;

fn document(text: &str) -> Arc<Document> {
    Arc::new(Document::from_json(text.as_bytes()).unwrap())
}

fn source(kind: PolicyKind, namespace: &str, spec: &str) -> PolicySource {
    let text = format!(r#"{{"metadata":{{"name":"p"}},"spec":{spec}}}"#);
    let key = PolicyKey { kind, namespace: namespace.to_owned(), name: "p".to_owned() };
    PolicySource { key, document: document(&text), origin: "test".to_owned() }
}

fn companion(role: PolicyRole, name: &str, text: &str) -> CompanionSource {
    let (namespace, name) = (String::new(), name.to_owned());
    CompanionSource { role, namespace, name, document: document(text), origin: "test".to_owned() }
}

fn policy(kind: PolicyKind, spec: &str, companions: &[CompanionSource]) -> Compiled {
    let companions: Vec<&CompanionSource> = companions.iter().collect();
    compile(&source(kind, "", spec), &Companions { sources: &companions })
}

fn validating(rest: &str) -> String {
    format!(
        r#"{{"matchConstraints":{{"resourceRules":[{{"apiGroups":[""],"apiVersions":["v1"],"operations":["CREATE"],
        "resources":["pods"]}}]}},{rest}}}"#
    )
}

struct Run {
    outcomes: Vec<Outcome>,
    parts: Parts,
    volatility: Option<Volatility>,
    facts: Vec<FactKey>,
}

/// Evaluates with facts that are found by their text.
fn run(compiled: &Compiled, object: &str, known: &[(FactKey, &str)]) -> Run {
    let object = document(object);
    let root = object.root();
    let text = |path: &[&str]| root.path(path).and_then(Node::as_str).unwrap_or_default().to_owned();
    let api_version = text(&["apiVersion"]);
    let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
    let key = ResourceKey {
        group: group.to_owned(),
        kind: text(&["kind"]),
        namespace: text(&["metadata", "namespace"]),
        name: text(&["metadata", "name"]),
    };
    let id = ResourceId { key, version: version.to_owned(), uid: String::new() };
    let request = Request::scan();
    let now = Timestamp::from_second(1_000).unwrap();
    let mut facts = BTreeMap::new();
    for _ in 0..5 {
        let inputs = Inputs::new(&id, &object, &request, &facts, now);
        match compiled.evaluator.evaluate(&inputs) {
            Evaluation::Done(outcomes) => {
                return Run {
                    outcomes,
                    parts: inputs.parts_read(),
                    volatility: inputs.volatility(),
                    facts: facts.keys().cloned().collect(),
                };
            }
            Evaluation::Needs(keys) => {
                assert!(!keys.is_empty());
                for key in keys {
                    let found = known.iter().find(|(known, _)| *known == key);
                    let absent = match key {
                        FactKey::Image(_) => FactValue::Refused("setting `images.registry`".into()),
                        _ => FactValue::Missing,
                    };
                    let value =
                        found.map_or(absent, |(_, text)| FactValue::Found(Document::clone(&document(text))));
                    facts.insert(key, Arc::new(fingerprint::fact(value)));
                }
            }
        }
    }
    panic!("the evaluation does not come to an end");
}

fn told(run: &Run) -> Vec<(&str, Status, &str)> {
    run.outcomes.iter().map(|o| (o.rule.as_str(), o.status, o.message.as_str())).collect()
}

#[test]
fn validations_are_asked_in_order_and_the_first_that_fails_is_reported() {
    let spec = validating(
        r#""variables":[{"name":"host","expression":"object.spec.?hostNetwork.orValue(false)"}],
        "auditAnnotations":[{"key":"app","valueExpression":"string(object.metadata.labels.app)"}],
        "validations":[{"expression":"object.kind == 'Pod'"},
            {"expression":"!variables.host","messageExpression":"'host network in ' + object.metadata.name"},
            {"expression":"false","message":"never asked"}]"#,
    );
    let run = run(&policy(PolicyKind::ValidatingPolicy, &spec, &[]), POD, &[]);
    assert_eq!(told(&run), [("", Status::Fail, "host network in a")]);
    let properties: Vec<_> =
        run.outcomes[0].properties.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(properties, [("app", "web"), ("cel.validationIndex", "1")]);
}

#[test]
fn match_conditions_decide_whether_there_is_a_result() {
    for (condition, failure, expected) in [
        ("object.metadata.name == 'a'", "Fail", vec![("", Status::Pass, "success")]),
        ("object.metadata.name == 'b'", "Fail", vec![]),
        (
            "object.metadata.missing == 'b'",
            "Fail",
            vec![("evaluation", Status::Error, "failed to load context: no such key: missing")],
        ),
        ("object.metadata.missing == 'b'", "Ignore", vec![]),
    ] {
        let spec = validating(&format!(
            r#""failurePolicy":"{failure}","matchConditions":[{{"name":"c","expression":"{condition}"}}],
            "validations":[{{"expression":"true"}}]"#
        ));
        let run = run(&policy(PolicyKind::ValidatingPolicy, &spec, &[]), POD, &[]);
        assert_eq!(told(&run), expected, "{condition} with {failure}");
    }
}

#[test]
fn an_expression_that_is_refused_is_an_error_with_the_checkers_text() {
    let spec = validating(r#""validations":[{"expression":"object.spec.hostNetwork && nothing"}]"#);
    let run = run(&policy(PolicyKind::ValidatingPolicy, &spec, &[]), POD, &[]);
    assert_eq!(run.outcomes[0].status, Status::Error);
    assert!(run.outcomes[0].message.contains("undeclared reference to 'nothing'"), "{:?}", run.outcomes);
}

#[test]
fn pod_policies_judge_controllers_where_their_template_is_but_keep_their_name() {
    let spec = validating(
        r#""validations":[{"expression":"!object.spec.?hostNetwork.orValue(false)",
            "messageExpression":"object.metadata.name + ' ' + object.metadata.labels.app"}]"#,
    );
    let compiled = policy(PolicyKind::ValidatingPolicy, &spec, &[]);
    let template = r#"{"metadata":{"labels":{"app":"web"}},"spec":{"hostNetwork":true,"containers":[]}}"#;
    let deployment = format!(
        r#"{{"apiVersion":"apps/v1","kind":"Deployment","metadata":{{"name":"d","namespace":"prod"}},
        "spec":{{"template":{template}}}}}"#
    );
    assert_eq!(told(&run(&compiled, &deployment, &[])), [("", Status::Fail, "d web")]);
    let cron_job = format!(
        r#"{{"apiVersion":"batch/v1","kind":"CronJob","metadata":{{"name":"c","namespace":"prod"}},
        "spec":{{"jobTemplate":{{"spec":{{"template":{template}}}}}}}}}"#
    );
    assert_eq!(told(&run(&compiled, &cron_job, &[])), [("", Status::Fail, "c web")]);
    let kinds: Vec<String> = compiled.selection.kinds.iter().map(|k| format!("{:?}", k.kind)).collect();
    assert_eq!(kinds.len(), 7, "{kinds:?}");
}

#[test]
fn what_a_policy_does_not_read_is_not_noted_as_read() {
    let spec = validating(r#""validations":[{"expression":"has(object.spec.containers)"}]"#);
    let compiled = policy(PolicyKind::ValidatingPolicy, &spec, &[]);
    let spec_only = run(&compiled, POD, &[]);
    assert!(spec_only.facts.is_empty());
    let spec = validating(r#""validations":[{"expression":"object.status.phase == 'Running'"}]"#);
    let status = run(&policy(PolicyKind::ValidatingPolicy, &spec, &[]), POD, &[]);
    assert_ne!(spec_only.parts, status.parts);
    let spec = validating(r#""validations":[{"expression":"namespaceObject.metadata.labels.env == 'x'"}]"#);
    let compiled = policy(PolicyKind::ValidatingPolicy, &spec, &[]);
    let key = FactKey::Namespace("prod".to_owned());
    let namespace = run(&compiled, POD, &[(key.clone(), r#"{"metadata":{"labels":{"env":"x"}}}"#)]);
    assert_eq!(namespace.facts, [key]);
    assert_eq!(told(&namespace), [("", Status::Pass, "success")]);
}

#[test]
fn exceptions_take_the_policy_away_until_they_expire() {
    let exception = |rest: &str| {
        let text = format!(
            r#"{{"spec":{{"policyRefs":[{{"name":"p","kind":"ValidatingPolicy"}}],
            "matchConditions":[{{"name":"c","expression":"object.metadata.name == 'a'"}}]{rest}}}}}"#
        );
        [companion(PolicyRole::CelException, "ex", &text)]
    };
    let spec = validating(r#""validations":[{"expression":"false","message":"no"}]"#);
    let skipped = ("exception", Status::Skip, "rule is skipped due to policy exception: ex");
    let passed = ("exception", Status::Pass, "rule is passed due to policy exception: ex");
    let failed = ("", Status::Fail, "no");
    for (rest, expected, volatility) in [
        ("", skipped, None),
        (r#","reportResult":"pass""#, passed, None),
        (r#","images":["a"]"#, failed, None),
        (r#","expiresAt":"1970-01-01T00:10:00Z""#, failed, None),
        (r#","expiresAt":"1970-01-01T01:00:00Z""#, skipped, Some(Volatility::Until(3_600))),
    ] {
        let run = run(&policy(PolicyKind::ValidatingPolicy, &spec, &exception(rest)), POD, &[]);
        assert_eq!(told(&run), [expected], "{rest}");
        assert_eq!(run.volatility, volatility, "{rest}");
    }
}

#[test]
fn other_resources_are_asked_for_as_facts() {
    let spec = validating(
        r#""validations":[{"expression":"resource.Get('v1', 'configmaps', 'prod', 'c').data.a == 'b'"}]"#,
    );
    let compiled = policy(PolicyKind::ValidatingPolicy, &spec, &[]);
    let key = FactKey::Objects {
        group: String::new(),
        version: "v1".to_owned(),
        kind: "configmaps".to_owned(),
        namespace: "prod".to_owned(),
        name: "c".to_owned(),
        selector: String::new(),
    };
    let found = run(&compiled, POD, &[(key, r#"{"data":{"a":"b"}}"#)]);
    assert_eq!(told(&found), [("", Status::Pass, "success")]);
    let missing = run(&compiled, POD, &[]);
    assert_eq!(missing.outcomes[0].status, Status::Error);
}

#[test]
fn a_namespaced_policy_judges_its_namespace_alone() {
    let spec = validating(r#""validations":[{"expression":"true"}]"#);
    for (namespace, n_outcomes) in [("prod", 1), ("test", 0)] {
        let source = source(PolicyKind::NamespacedValidatingPolicy, namespace, &spec);
        let compiled = compile(&source, &Companions::default());
        assert_eq!(compiled.selection.namespace.as_deref(), Some(namespace));
        assert_eq!(run(&compiled, POD, &[]).outcomes.len(), n_outcomes, "{namespace}");
    }
}

#[test]
fn each_binding_of_an_admission_policy_gives_a_result() {
    let spec = validating(
        r#""validations":[{"expression":"params.data.host == 'yes' || !object.spec.hostNetwork"}],
        "paramKind":{"apiVersion":"v1","kind":"ConfigMap"}"#,
    );
    let role = PolicyRole::Binding(PolicyKind::ValidatingAdmissionPolicy);
    let binding = |name: &str, rest: &str| {
        companion(
            role,
            name,
            &format!(r#"{{"spec":{{"policyName":"p","paramRef":{{"name":"{name}"}}{rest}}}}}"#),
        )
    };
    let elsewhere = r#","matchResources":{"objectSelector":{"matchLabels":{"app":"db"}}}"#;
    let bindings =
        [binding("allow", ""), binding("deny", ""), binding("gone", ""), binding("other", elsewhere)];
    let compiled = policy(PolicyKind::ValidatingAdmissionPolicy, &spec, &bindings);
    assert_eq!(compiled.standing, Standing::Scanned);
    let params = |name: &str| FactKey::Objects {
        group: String::new(),
        version: "v1".to_owned(),
        kind: "ConfigMap".to_owned(),
        namespace: "prod".to_owned(),
        name: name.to_owned(),
        selector: String::new(),
    };
    let facts =
        [(params("allow"), r#"{"data":{"host":"yes"}}"#), (params("deny"), r#"{"data":{"host":"no"}}"#)];
    let run = run(&compiled, POD, &facts);
    let expression = "failed expression: params.data.host == 'yes' || !object.spec.hostNetwork";
    assert_eq!(
        told(&run),
        [
            ("p", Status::Pass, ""),
            ("p", Status::Fail, expression),
            (
                "p",
                Status::Error,
                "failed to configure binding: no params found for policy binding with `Deny` \
                 parameterNotFoundAction"
            )
        ]
    );
    let names: Vec<&str> = run.outcomes.iter().map(|o| o.properties["binding"].as_str()).collect();
    assert_eq!(names, ["allow", "deny", "gone"]);
}

#[test]
fn an_admission_policy_without_binding_is_not_scanned_but_can_be_tested() {
    let spec = validating(r#""validations":[{"expression":"false","message":" no "}]"#);
    let compiled = policy(PolicyKind::ValidatingAdmissionPolicy, &spec, &[]);
    assert!(matches!(compiled.standing, Standing::NotScanned { .. }));
    assert_eq!(told(&run(&compiled, POD, &[])), [("p", Status::Fail, "no")]);
}

#[test]
fn constraints_follow_the_rules_of_admission() {
    let rule = |groups: &str, versions: &str, resources: &str, rest: &str| {
        format!(
            r#"{{"matchConstraints":{{"resourceRules":[{{"apiGroups":["{groups}"],"apiVersions":["{versions}"],
            "operations":["CREATE"],"resources":["{resources}"]{rest}}}]}},
            "validations":[{{"expression":"true"}}]}}"#
        )
    };
    for (spec, is_meant) in [
        (rule("", "v1", "pods", ""), true),
        (rule("*", "*", "*", ""), true),
        (rule("", "v1", "pods/*", ""), true),
        (rule("", "v1", "pods/exec", ""), false),
        (rule("apps", "v1", "pods", ""), false),
        (rule("", "v2", "pods", ""), false),
        (rule("", "v1", "services", ""), false),
        (rule("", "v1", "pods", r#","resourceNames":["b"]"#), false),
        (rule("", "v1", "pods", r#","scope":"Cluster""#), false),
        (rule("", "v1", "pods", r#","scope":"Namespaced""#), true),
    ] {
        let compiled = policy(PolicyKind::ValidatingPolicy, &spec, &[]);
        assert_eq!(run(&compiled, POD, &[]).outcomes.len(), usize::from(is_meant), "{spec}");
    }
}

#[test]
fn an_admission_policy_judges_the_versions_that_it_names_and_excludes_all_that_are_equivalent() {
    let spec = |policy: &str, version: &str, excluded: &str| {
        let rule = |version: &str| {
            format!(
                r#"{{"apiGroups":[""],"apiVersions":["{version}"],"operations":["CREATE"],"resources":["pods"]}}"#
            )
        };
        let excluded = if excluded.is_empty() { String::new() } else { rule(excluded) };
        format!(
            r#"{{"matchConstraints":{{{policy}"resourceRules":[{}],"excludeResourceRules":[{excluded}]}},
            "validations":[{{"expression":"true"}}]}}"#,
            rule(version)
        )
    };
    let (equivalent, exact) = ("", r#""matchPolicy":"Exact","#);
    for (policy_spec, is_meant) in [
        (spec(equivalent, "v1", ""), true),
        (spec(equivalent, "v2", ""), false),
        (spec(exact, "v2", ""), false),
        (spec(equivalent, "v1", "v2"), false),
        (spec(exact, "v1", "v2"), true),
    ] {
        let compiled = policy(PolicyKind::ValidatingAdmissionPolicy, &policy_spec, &[]);
        assert_eq!(run(&compiled, POD, &[]).outcomes.len(), usize::from(is_meant), "{policy_spec}");
    }
    let named = policy(PolicyKind::ValidatingAdmissionPolicy, &spec(equivalent, "v1beta1", ""), &[]);
    let served = ["apps/v1", "v1", "v1beta1"].map(|version| Gvk::new(version, "Pod"));
    assert_eq!(named.selection.forms(&served), [2], "the server is asked for the version that is named");
}

#[test]
fn a_binding_restricts_all_equivalent_versions_unless_it_is_exact() {
    let role = PolicyRole::Binding(PolicyKind::ValidatingAdmissionPolicy);
    for (match_policy, is_meant) in [("Equivalent", true), ("Exact", false)] {
        let binding = format!(
            r#"{{"spec":{{"policyName":"p","matchResources":{{"matchPolicy":"{match_policy}","resourceRules":[
                {{"apiGroups":[""],"apiVersions":["v2"],"operations":["*"],"resources":["pods"]}}]}}}}}}"#
        );
        let companions = [companion(role, "b", &binding)];
        let spec = validating(r#""validations":[{"expression":"true"}]"#);
        let compiled = policy(PolicyKind::ValidatingAdmissionPolicy, &spec, &companions);
        assert_eq!(run(&compiled, POD, &[]).outcomes.len(), usize::from(is_meant), "{match_policy}");
    }
}

#[test]
fn a_binding_means_events_in_both_groups_unless_it_is_exact() {
    let role = PolicyRole::Binding(PolicyKind::ValidatingAdmissionPolicy);
    let event = r#"{"apiVersion":"events.k8s.io/v1","kind":"Event","metadata":{"name":"e","namespace":"n"}}"#;
    for (match_policy, is_meant) in [("Equivalent", true), ("Exact", false)] {
        let binding = format!(
            r#"{{"spec":{{"policyName":"p","matchResources":{{"matchPolicy":"{match_policy}","resourceRules":[
                {{"apiGroups":[""],"apiVersions":["v1"],"operations":["*"],"resources":["events"]}}]}}}}}}"#
        );
        let spec = r#""matchConstraints":{"resourceRules":[
            {"apiGroups":["*"],"apiVersions":["*"],"operations":["*"],"resources":["*"]}]},
            "validations":[{"expression":"true"}]"#;
        let companions = [companion(role, "b", &binding)];
        let compiled = policy(PolicyKind::ValidatingAdmissionPolicy, &format!("{{{spec}}}"), &companions);
        assert_eq!(run(&compiled, event, &[]).outcomes.len(), usize::from(is_meant), "{match_policy}");
    }
}

#[test]
fn images_that_a_policy_is_about_need_a_registry() {
    let spec = |glob: &str, settings: &str| {
        validating(&format!(
            r#""matchImageReferences":[{{"glob":"{glob}"}}],"validationConfigurations":{{{settings}}},"validations":[]"#
        ))
    };
    let outcome = |glob: &str, settings: &str| {
        let run = run(&policy(PolicyKind::ImageValidatingPolicy, &spec(glob, settings), &[]), POD, &[]);
        let [(_, status, message)] = told(&run)[..] else { panic!("{:?}", run.outcomes) };
        (status, message.to_owned())
    };
    let tag = outcome("nginx*", "");
    assert_eq!(tag, (Status::Fail, "image nginx:1 does not have a digest".to_owned()));
    let (status, message) = outcome("nginx*", r#""verifyDigest":false"#);
    assert!(status == Status::Error && message.contains("images.registry"), "{message}");
    assert_eq!(outcome("ghcr.io/*", ""), (Status::Pass, "success".to_owned()));
}

#[test]
fn images_of_pods_and_their_controllers_are_known_by_kind_and_group() {
    let template = r#"{"template":{"spec":{"containers":[{"image":"a:1"}]}}}"#;
    let pod = r#"{"containers":[{"image":"a:1"}],"volumes":[{"name":"v"},{"name":"w","image":{"reference":"b:1"}}]}"#;
    let job = format!(r#"{{"jobTemplate":{{"spec":{template}}}}}"#);
    let spec = |resources: &str, expression: &str| {
        format!(
            r#"{{"matchConstraints":{{"resourceRules":[{{"apiGroups":["*"],"apiVersions":["*"],"operations":["CREATE"],
            "resources":["{resources}"]}}]}},"validationConfigurations":{{"verifyDigest":false}},
            "matchImageReferences":[{{"glob":"none"}}],"validations":[{{"expression":"{expression}"}}]}}"#
        )
    };
    for (api_version, kind, resources, object, expression) in [
        ("v1", "Pod", "pods", pod, "images.containers == [] && images.imageVolumes == []"),
        ("apps/v1", "Deployment", "deployments", template, "images.containers == []"),
        ("batch/v1", "Job", "jobs", template, "images.containers == []"),
        ("batch/v1", "CronJob", "cronjobs", &job, "images.containers == []"),
        ("batch.volcano.sh/v1", "Job", "jobs", "{}", "images == {}"),
        ("apps/v1beta1", "Deployment", "deployments", template, "images == {}"),
    ] {
        let object = format!(
            r#"{{"apiVersion":"{api_version}","kind":"{kind}","metadata":{{"name":"a"}},"spec":{object}}}"#
        );
        let compiled = policy(PolicyKind::ImageValidatingPolicy, &spec(resources, expression), &[]);
        let run = run(&compiled, &object, &[]);
        assert_eq!(told(&run), [("p", Status::Pass, "success")], "{api_version} {kind}");
    }
}

#[test]
fn exceptions_that_only_allow_images_say_nothing_of_image_policies() {
    let exception = |name: &str, condition: &str, more: &str| {
        companion(
            PolicyRole::CelException,
            name,
            &format!(r#"{{"spec":{{"matchConditions":[{{"expression":"{condition}"}}]{more}}}}}"#),
        )
    };
    let partial = exception("partial", "true", r#","images":["nginx*"]"#);
    let whole = exception("whole", "true", r#","reportResult":"pass""#);
    let broken = exception("broken", "object.spec.absent == 1", "");
    let spec = validating(r#""validations":[]"#);
    for (exceptions, wanted) in [
        (vec![partial.clone()], (Status::Fail, "image nginx:1 does not have a digest")),
        (vec![partial, whole.clone()], (Status::Skip, "rule is skipped due to policy exception: whole")),
        (
            vec![whole.clone(), broken.clone()],
            (Status::Skip, "rule is skipped due to policy exception: whole"),
        ),
        (vec![broken, whole], (Status::Error, "failed to evaluate policy: no such key: absent")),
    ] {
        let run = run(&policy(PolicyKind::ImageValidatingPolicy, &spec, &exceptions), POD, &[]);
        let told: Vec<_> = told(&run).into_iter().map(|(_, status, message)| (status, message)).collect();
        assert_eq!(told, [wanted]);
    }
    let refused = policy(PolicyKind::ImageValidatingPolicy, &spec, &[exception("refused", "objct.a", "")]);
    let [error] = &refused.evaluator.certain_errors()[..] else { panic!("an error") };
    assert!(error.message.starts_with("policy exception refused: "), "{}", error.message);
    assert_eq!(run(&refused, POD, &[]).outcomes[0].status, Status::Error);
}

#[test]
fn kinds_without_results_in_a_scan_are_named() {
    for kind in [PolicyKind::GeneratingPolicy, PolicyKind::DeletingPolicy] {
        match policy(kind, "{}", &[]).standing {
            Standing::NotScanned { reason } => assert!(reason.contains(kind.as_str()), "{reason}"),
            standing => panic!("{standing:?}"),
        }
    }
}

#[test]
fn an_admission_policy_that_kyverno_generated_is_not_reported_beside_its_source() {
    let text = r#"{"metadata":{"name":"p","ownerReferences":[
        {"apiVersion":"policies.kyverno.io/v1","kind":"ValidatingPolicy","name":"q"}]},"spec":{}}"#;
    let key = PolicyKey {
        kind: PolicyKind::ValidatingAdmissionPolicy,
        namespace: String::new(),
        name: "p".to_owned(),
    };
    let source = PolicySource { key, document: document(text), origin: "test".to_owned() };
    let reason = "it was generated from ValidatingPolicy q, which is evaluated".to_owned();
    assert_eq!(compile(&source, &Companions::default()).standing, Standing::NotScanned { reason });
}

#[test]
fn admission_policies_are_never_asked_about_admission_policies() {
    let rules = r#"{"apiGroups":["*"],"apiVersions":["*"],"operations":["*"],"resources":["*"]}"#;
    let spec = format!(
        r#"{{"matchConstraints":{{"resourceRules":[{rules}]}},"validations":[{{"expression":"true"}}]}}"#
    );
    let compiled = policy(PolicyKind::ValidatingAdmissionPolicy, &spec, &[]);
    let object = r#"{"apiVersion":"admissionregistration.k8s.io/v1","kind":"ValidatingAdmissionPolicyBinding",
        "metadata":{"name":"b"}}"#;
    assert!(run(&compiled, object, &[]).outcomes.is_empty());
    assert_eq!(run(&compiled, POD, &[]).outcomes.len(), 1);
}

#[test]
fn a_policy_about_json_judges_payloads_and_nothing_else() {
    let spec = r#"{"evaluation":{"mode":"JSON"},"validations":[{"expression":"object.a > 1"}]}"#;
    let compiled = policy(PolicyKind::ValidatingPolicy, spec, &[]);
    assert!(matches!(compiled.standing, Standing::FolderOnly { .. }));
    assert!(run(&compiled, POD, &[]).outcomes.is_empty());
    assert_eq!(told(&run(&compiled, r#"{"a":2}"#, &[])), [("", Status::Pass, "success")]);
}

#[test]
fn an_image_policy_about_json_says_itself_where_images_are() {
    let spec = |settings: &str| {
        format!(
            r#"{{"evaluation":{{"mode":"JSON"}},"images":[{{"name":"own","expression":"object.images"}}],
            "validationConfigurations":{{{settings}}},"validations":[{{"expression":"images.own.size() == 0"}}]}}"#
        )
    };
    let outcomes = |settings: &str, object: &str| {
        let compiled = policy(PolicyKind::ImageValidatingPolicy, &spec(settings), &[]);
        run(&compiled, object, &[]).outcomes
    };
    assert!(outcomes("", POD).is_empty());
    let [tag] = &outcomes("", r#"{"images":["a:1"]}"#)[..] else { panic!("an outcome") };
    assert_eq!((tag.status, tag.message.as_str()), (Status::Fail, "image a:1 does not have a digest"));
    let [none] = &outcomes("", r#"{"images":[]}"#)[..] else { panic!("an outcome") };
    assert_eq!((none.status, none.message.as_str()), (Status::Pass, "success"));
}

#[test]
fn conditions_see_variables_where_the_reference_compiles_those_first() {
    let constraints = r#""matchConstraints":{"resourceRules":[{"apiGroups":[""],"apiVersions":["v1"],"operations":["CREATE"],"resources":["pods"]}]}"#;
    let said = |kind: PolicyKind, says: &str| {
        let spec = format!(
            r#"{{{constraints},"variables":[{{"name":"v","expression":"true"}}],
            "matchConditions":[{{"name":"c","expression":"variables.v"}}],{says}}}"#
        );
        let [outcome] = run(&policy(kind, &spec, &[]), POD, &[]).outcomes.try_into().expect("an outcome");
        (outcome.status, outcome.message)
    };
    let (status, message) = said(PolicyKind::ValidatingPolicy, r#""validations":[{"expression":"true"}]"#);
    assert_eq!(status, Status::Error);
    assert!(message.contains("undefined field 'v'"), "{message}");
    let mutates = r#""mutations":[{"patchType":"JSONPatch","jsonPatch":{"expression":"[JSONPatch{op: 'test', path: '/kind', value: 'Pod'}]"}}]"#;
    assert_eq!(said(PolicyKind::MutatingPolicy, mutates), (Status::Pass, "success".to_owned()));
}
