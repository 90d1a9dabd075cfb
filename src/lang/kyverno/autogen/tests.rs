use super::*;

fn derived(rules: &str, annotation: Option<&str>) -> Vec<String> {
    let document = Document::from_json(rules.as_bytes()).unwrap();
    let rules: Vec<Node<'_>> = document.root().items().collect();
    derive(&rules, annotation).rules.iter().map(|(_, rule)| rule.root().to_json()).collect()
}

fn names(rules: &str, annotation: Option<&str>) -> Vec<String> {
    let document = Document::from_json(rules.as_bytes()).unwrap();
    let rules: Vec<Node<'_>> = document.root().items().collect();
    let derived = derive(&rules, annotation).rules;
    derived.iter().map(|(_, rule)| rule.root().get("name").unwrap().as_str().unwrap().to_owned()).collect()
}

fn rule(matches: &str) -> String {
    format!(r#"[{{"name":"r","match":{matches},"validate":{{"pattern":{{"spec":{{}}}}}}}}]"#)
}

const PODS: &str = r#"{"any":[{"resources":{"kinds":["Pod"]}}]}"#;

#[test]
fn a_rule_for_pods_gets_one_for_controllers_and_one_for_cron_jobs() {
    assert_eq!(
        derived(&rule(PODS), None),
        [
            concat!(
                r#"{"match":{"any":[{"resources":{"kinds":["apps/v1/DaemonSet","apps/v1/Deployment","batch/v1/Job","#,
                r#""apps/v1/ReplicaSet","v1/ReplicationController","apps/v1/StatefulSet"]}}]},"name":"autogen-r","#,
                r#""validate":{"pattern":{"spec":{"template":{"spec":{}}}}}}"#
            ),
            concat!(
                r#"{"match":{"any":[{"resources":{"kinds":["batch/v1/CronJob"]}}]},"name":"autogen-cronjob-r","#,
                r#""validate":{"pattern":{"spec":{"jobTemplate":{"spec":{"template":{"spec":{}}}}}}}}"#
            ),
        ]
    );
}

#[test]
fn the_annotation_chooses_the_controllers() {
    for (annotation, expected) in [
        ("none", &[][..]),
        ("", &[]),
        ("Deployment", &["autogen-r"]),
        ("Deployment,CronJob", &["autogen-r", "autogen-cronjob-r"]),
        ("CronJob", &["autogen-cronjob-r"]),
        ("all", &["autogen-r", "autogen-cronjob-r"]),
        ("none,Deployment", &["autogen-r"]),
    ] {
        assert_eq!(names(&rule(PODS), Some(annotation)), expected, "{annotation}");
    }
    let kinds = r#""kinds":["apps/v1/Deployment","apps/v1/StatefulSet"]"#;
    assert!(derived(&rule(PODS), Some("StatefulSet,Nothing,Deployment"))[0].contains(kinds));
    assert!(derived(&rule(PODS), Some("Rollout"))[0].contains(r#""kinds":["Rollout"]"#));
}

#[test]
fn a_rule_that_names_objects_or_mixes_kinds_switches_autogen_off_for_the_policy() {
    for matches in [
        r#"{"resources":{"kinds":["Pod"],"name":"x"}}"#,
        r#"{"resources":{"kinds":["Pod"],"names":["x"]}}"#,
        r#"{"resources":{"kinds":["Pod"],"selector":{}}}"#,
        r#"{"resources":{"kinds":["Pod"],"annotations":{"a":"b"}}}"#,
        r#"{"resources":{"kinds":["Pod","Service"]}}"#,
        r#"{"all":[{"resources":{"kinds":["Pod","v1/Deployment"]}}]}"#,
        r#"{"any":[{"resources":{"kinds":["Service"]}}]}"#,
        r#"{"any":[{"resources":{"kinds":["v1/Pod"]}}]}"#,
        r#"{"any":[{"resources":{"kinds":["Deployment"]}}]}"#,
    ] {
        assert_eq!(names(&rule(matches), None), Vec::<String>::new(), "{matches}");
    }
    let two = format!(
        r#"[{{"name":"a","match":{PODS},"validate":{{"pattern":{{}}}}}},
            {{"name":"b","match":{PODS},"exclude":{{"any":[{{"resources":{{"names":["x"]}}}}]}},
              "validate":{{"pattern":{{}}}}}}]"#
    );
    assert_eq!(names(&two, None), Vec::<String>::new());
}

#[test]
fn namespaces_operations_and_namespace_selectors_do_not_switch_autogen_off() {
    for matches in [
        r#"{"resources":{"kinds":["Pod"],"namespaces":["a"]}}"#,
        r#"{"resources":{"kinds":["Pod"],"operations":["CREATE"]}}"#,
        r#"{"resources":{"kinds":["Pod"],"namespaceSelector":{}}}"#,
        r#"{"any":[{"resources":{"kinds":["Pod"]}},{"resources":{"kinds":["Service"]}}]}"#,
    ] {
        assert_eq!(names(&rule(matches), None), ["autogen-r", "autogen-cronjob-r"], "{matches}");
    }
}

#[test]
fn only_entries_for_pods_get_the_controllers_except_in_the_rule_for_cron_jobs() {
    let matches = r#"{"any":[{"resources":{"kinds":["Pod"]}},{"resources":{"kinds":["Service"]}}]}"#;
    let rules = derived(&rule(matches), Some("Job,CronJob"));
    assert!(
        rules[0]
            .contains(r#"[{"resources":{"kinds":["batch/v1/Job"]}},{"resources":{"kinds":["Service"]}}]"#)
    );
    assert_eq!(rules[1].matches("batch/v1/CronJob").count(), 2);
}

#[test]
fn names_are_cut_at_63_bytes() {
    let long = "x".repeat(62);
    let rules = rule(PODS).replace("\"r\"", &format!("\"{long}\""));
    let names = names(&rules, None);
    assert_eq!(names[0], format!("autogen-{}", "x".repeat(55)));
    assert_eq!(names[1], format!("autogen-cronjob-{}", "x".repeat(47)));
}

#[test]
fn mentions_of_the_pod_are_rewritten_in_every_string_of_the_rule() {
    let rules = format!(
        r#"[{{"name":"r","match":{PODS},
          "context":[{{"name":"c","variable":{{"jmesPath":"request.object.spec.containers[]"}}}}],
          "preconditions":{{"all":[{{"key":"{{{{ request.object.metadata.name }}}}","operator":"Equals","value":"a"}}]}},
          "reportProperties":{{"of":"{{{{request.object.metadata.labels.app}}}}"}},
          "validate":{{"message":"{{{{request.object.spec.nodeName}}}}","foreach":[{{"list":"request.object.spec.volumes",
            "deny":{{"conditions":{{"any":[{{"key":"{{{{request.oldObject.spec.x}}}}"}}]}}}}}}]}}}}]"#
    );
    let rules = derived(&rules, None);
    for (rule, spec) in rules.iter().zip(["spec.template", "spec.jobTemplate.spec.template"]) {
        for expected in [
            format!("request.object.{spec}.spec.containers[]"),
            format!("{{{{ request.object.{spec}.metadata.name }}}}"),
            format!("{{{{request.object.{spec}.metadata.labels.app}}}}"),
            format!("{{{{request.object.{spec}.spec.nodeName}}}}"),
            format!("\"list\":\"request.object.{spec}.spec.volumes\""),
            format!("{{{{request.oldObject.{spec}.spec.x}}}}"),
        ] {
            assert!(rule.contains(&expected), "{expected} is not in {rule}");
        }
    }
}

#[test]
fn cel_expressions_are_rewritten_with_and_without_request() {
    let rules = format!(
        r#"[{{"name":"r","match":{PODS},"celPreconditions":[{{"name":"p","expression":"object.metadata.name != ''"}}],
          "validate":{{"message":"m","cel":{{"expressions":[{{"expression":"object.spec.x == oldObject.spec.x"}}]}}}}}}]"#
    );
    let rule = &derived(&rules, Some("Deployment"))[0];
    assert!(rule.contains("object.spec.template.spec.x == oldObject.spec.template.spec.x"), "{rule}");
    assert!(rule.contains("object.spec.template.metadata.name"), "{rule}");
    assert!(rule.contains(r#""message":"m""#), "{rule}");
}

#[test]
fn each_kind_of_check_keeps_what_belongs_to_it() {
    let of = |validate: &str| {
        let rules = rule(PODS).replace(r#"{"pattern":{"spec":{}}}"#, validate);
        let derived = derived(&rules, Some("Deployment,CronJob"));
        let validate =
            |rule: &String| rule.split_once(r#""validate":"#).unwrap().1.trim_end_matches('}').to_owned();
        (validate(&derived[0]), validate(&derived[1]))
    };
    assert_eq!(
        of(r#"{"message":"at $(./../pattern/spec/x)","deny":{},"pattern":{"a":1},"failureAction":"Audit"}"#)
            .0,
        concat!(
            r#"{"failureAction":"Audit","message":"at $(./../pattern/spec/template/spec/x)","#,
            r#""pattern":{"spec":{"template":{"a":1"#
        )
    );
    assert_eq!(
        of(r#"{"anyPattern":[{"a":1},{"b":2}]}"#).1,
        concat!(
            r#"{"anyPattern":[{"spec":{"jobTemplate":{"spec":{"template":{"a":1}}}}},"#,
            r#"{"spec":{"jobTemplate":{"spec":{"template":{"b":2}}}}}]"#
        )
    );
    assert_eq!(
        of(r#"{"podSecurity":{"level":"baseline","exclude":[{"controlName":"x"}]}}"#).0,
        r#"{"podSecurity":{"exclude":[{"controlName":"x"}],"level":"baseline""#
    );
    assert_eq!(
        of(r#"{"assert":{"object":{"a":1},"x":2}}"#).0,
        r#"{"assert":{"object":{"spec":{"template":{"a":1}}},"x":2"#
    );
}

#[test]
fn rules_that_say_nothing_about_pods_get_no_derived_rules() {
    for rules in [
        format!(r#"[{{"name":"r","match":{PODS},"mutate":{{"patchStrategicMerge":{{}}}}}}]"#),
        format!(r#"[{{"name":"r","match":{PODS},"validate":{{"manifests":{{}}}}}}]"#),
        format!(r#"[{{"name":"autogen-r","match":{PODS},"validate":{{"pattern":{{}}}}}}]"#),
        format!(
            r#"[{{"name":"g","match":{PODS},"generate":{{"kind":"X"}}}},{{"name":"r","match":{PODS},"validate":{{"pattern":{{}}}}}}]"#
        ),
        format!(
            r#"[{{"name":"r","match":{PODS},"exclude":{{"any":[{{"resources":{{"kinds":["Service"]}}}}]}},
              "validate":{{"pattern":{{}}}}}}]"#
        ),
    ] {
        assert_eq!(names(&rules, None), Vec::<String>::new(), "{rules}");
    }
}

#[test]
fn an_empty_or_strange_policy_derives_nothing() {
    for rules in ["[]", "[{}]", "[null]", "[7]", r#"[{"match":[],"exclude":"x"}]"#] {
        assert_eq!(names(rules, None), Vec::<String>::new(), "{rules}");
    }
}
