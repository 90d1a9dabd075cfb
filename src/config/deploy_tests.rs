//! What is shipped for clusters: it parses, it says what the code says, and it asks for no more than it needs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::*;
use crate::telemetry::metrics::{METRICS, MetricKind};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn documents(path: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(&text(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn one(path: &str, kind: &str) -> Value {
    let found = documents(path).into_iter().find(|document| document["kind"] == kind);
    found.unwrap_or_else(|| panic!("{path} has no {kind}"))
}

fn yaml_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            yaml_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            found.push(path);
        }
    }
}

#[test]
fn every_shipped_file_parses_and_objects_are_labelled() {
    let mut files = Vec::new();
    yaml_files(&root().join("deploy"), &mut files);
    assert!(files.len() >= 10, "{files:?}");
    for path in files {
        let path = path.strip_prefix(root()).unwrap().to_str().unwrap();
        for document in documents(path) {
            let Some(kind) = document["kind"].as_str() else { continue };
            if kind != "Kustomization" {
                assert_eq!(
                    document["metadata"]["labels"]["app.kubernetes.io/name"], "patrol",
                    "{path}: {kind}"
                );
                assert_eq!(document["metadata"]["name"], "patrol", "{path}: {kind}");
            }
        }
    }
}

#[test]
fn the_kustomization_names_files_that_exist() {
    let list = one("deploy/manifests/kustomization.yaml", "Kustomization");
    let named: BTreeSet<&str> =
        list["resources"].as_array().unwrap().iter().map(|r| r.as_str().unwrap()).collect();
    for name in &named {
        assert!(root().join("deploy/manifests").join(name).is_file(), "{name}");
    }
    let mut files = Vec::new();
    yaml_files(&root().join("deploy/manifests"), &mut files);
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        let is_optional = name == "servicemonitor.yaml" || name == "kustomization.yaml";
        assert!(is_optional || named.contains(name.as_str()), "{name} is not applied");
    }
}

#[test]
fn the_config_map_holds_the_shipped_configuration() {
    let map = one("deploy/manifests/configmap.yaml", "ConfigMap");
    assert_eq!(map["data"]["patrol.yaml"].as_str().unwrap(), text("config/patrol.yaml"));
}

#[test]
fn the_shipped_role_is_the_generated_one() {
    let expected = roles(&access_rules(&standard_kinds(), None), "patrol", "patrol", "patrol");
    let path = root().join("deploy/manifests/rbac.yaml");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, &expected).unwrap();
    }
    assert_eq!(text("deploy/manifests/rbac.yaml"), expected, "run with UPDATE_EXPECT=1 to write it");
}

/// Verbs by group and resource.
fn granted(role: &Value) -> BTreeMap<(String, String), BTreeSet<String>> {
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let mut granted: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for rule in role["rules"].as_array().unwrap() {
        for group in texts(&rule["apiGroups"]) {
            for resource in texts(&rule["resources"]) {
                granted.entry((group.clone(), resource)).or_default().extend(texts(&rule["verbs"]));
            }
        }
    }
    granted
}

#[test]
fn the_role_grants_exactly_the_verbs_that_are_used() {
    let role = one("deploy/manifests/rbac.yaml", "ClusterRole");
    let granted = granted(&role);
    let set = |verbs: &[&str]| verbs.iter().map(|verb| (*verb).to_owned()).collect::<BTreeSet<String>>();
    for ((group, resource), verbs) in &granted {
        assert!(
            !group.contains('*') && !resource.contains('*') && !resource.contains('/'),
            "{group} {resource}"
        );
        assert_ne!(resource, "secrets");
        let expected = match (group.as_str(), resource.as_str()) {
            ("wgpolicyk8s.io" | "openreports.io", _) => set(&["get", "list", "create", "update", "delete"]),
            ("", "configmaps" | "namespaces") => set(&["get", "list"]),
            _ => set(&["list"]),
        };
        assert_eq!(*verbs, expected, "{group} {resource}");
    }
    for kind in PolicyKind::ALL {
        assert!(granted.contains_key(&(kind.group().to_owned(), kind.plural())), "{}", kind.as_str());
    }
    for api in [ReportApi::PolicyReport, ReportApi::OpenReports] {
        for is_namespaced in [true, false] {
            let key = (api.group().to_owned(), api.plural(is_namespaced).to_owned());
            assert!(granted.contains_key(&key), "{key:?}");
        }
    }
    let binding = one("deploy/manifests/rbac.yaml", "ClusterRoleBinding");
    let account = one("deploy/manifests/serviceaccount.yaml", "ServiceAccount");
    assert_eq!(binding["subjects"][0]["name"], account["metadata"]["name"]);
    assert_eq!(binding["subjects"][0]["namespace"], account["metadata"]["namespace"]);
}

#[test]
fn roles_are_generated_for_chosen_kinds() {
    let kinds = ["widgets.example.com", "pods"].map(|kind| ScannedKind::parse(kind).unwrap());
    let rules = access_rules(&kinds, Some(ReportApi::OpenReports));
    let of = |group: &str| rules.iter().filter(|rule| rule.group == group).collect::<Vec<_>>();
    assert_eq!(of("example.com")[0].resources, BTreeSet::from(["widgets".to_owned()]));
    assert_eq!(of("")[0].verbs, BTreeSet::from(["list"]));
    assert!(of("wgpolicyk8s.io").is_empty());
    let yaml = roles(&rules, "scan", "tools", "robot");
    let parsed: Vec<Value> = serde_saphyr::from_multiple(&yaml).unwrap();
    let kinds: Vec<&str> = parsed.iter().map(|object| object["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"]);
    assert_eq!(parsed[1]["subjects"][0]["name"], "robot");
    assert_eq!(parsed[1]["subjects"], parsed[3]["subjects"]);
    assert_eq!(parsed[0]["rules"].as_array().unwrap().len(), rules.len());
    assert_eq!(
        (&parsed[2]["metadata"]["namespace"], &parsed[2]["rules"][1]["resourceNames"][0]),
        (&"tools".into(), &"patrol".into())
    );
    for wrong in ["", "Pods", "pods/exec", "*", ".apps"] {
        assert!(ScannedKind::parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn the_pod_is_as_restricted_as_pods_can_be() {
    let set = one("deploy/manifests/statefulset.yaml", "StatefulSet");
    assert_eq!(set["spec"]["replicas"], 1);
    let pod = &set["spec"]["template"]["spec"];
    let context = &pod["securityContext"];
    assert_eq!(context["runAsNonRoot"], true);
    assert_eq!(context["seccompProfile"]["type"], "RuntimeDefault");
    for id in ["runAsUser", "runAsGroup", "fsGroup"] {
        assert_eq!(context[id], 65532, "{id}");
    }
    assert!(text("deploy/Dockerfile").contains("USER 65532:65532"));
    for host in ["hostNetwork", "hostPID", "hostIPC"] {
        assert!(pod[host].is_null(), "{host}");
    }
    let containers = pod["containers"].as_array().unwrap();
    assert_eq!(containers.len(), 1);
    let context = &containers[0]["securityContext"];
    assert_eq!(context["readOnlyRootFilesystem"], true);
    assert_eq!(context["allowPrivilegeEscalation"], false);
    assert_eq!(context["privileged"], false);
    assert_eq!(context["capabilities"]["drop"][0], "ALL");
    assert!(context["capabilities"]["add"].is_null());
    for limit in ["requests", "limits"] {
        assert!(containers[0]["resources"][limit]["memory"].is_string(), "{limit}");
    }
}

#[test]
fn the_pod_mounts_and_serves_what_the_configuration_says() {
    let set = one("deploy/manifests/statefulset.yaml", "StatefulSet");
    let pod = &set["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let standard = Checked::standard().unwrap();
    let mounts: Vec<&str> = container["volumeMounts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["mountPath"].as_str().unwrap())
        .collect();
    assert!(mounts.iter().any(|mount| standard.state.dir.starts_with(mount)), "{mounts:?}");
    assert!(container["args"][2].as_str().unwrap().starts_with("/etc/patrol/"));
    assert!(mounts.contains(&"/etc/patrol"));
    let port = u64::from(standard.metrics.listen.unwrap().port());
    assert_eq!(container["ports"][0]["containerPort"], port);
    let service = one("deploy/manifests/service.yaml", "Service");
    assert_eq!(service["spec"]["ports"][0]["port"], port);
    assert_eq!(service["metadata"]["name"], set["spec"]["serviceName"]);
    let labels = &set["spec"]["template"]["metadata"]["labels"];
    assert_eq!(service["spec"]["selector"], *labels);
    assert_eq!(set["spec"]["selector"]["matchLabels"], *labels);
    let monitor = one("deploy/manifests/servicemonitor.yaml", "ServiceMonitor");
    assert_eq!(monitor["spec"]["endpoints"][0]["port"], service["spec"]["ports"][0]["name"]);
}

fn rules() -> Vec<Value> {
    let file = documents("deploy/rules/patrol.rules.yaml").remove(0);
    file["groups"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|group| group["rules"].as_array().unwrap().clone())
        .collect()
}

/// Checks that each metric of an expression is in the table, with the labels that it is selected by; gives their number.
fn check_expression(expr: &str) -> usize {
    let (mut rest, mut n_named) = (expr, 0);
    while let Some((_, named)) = rest.split_once("patrol_") {
        let end = named.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(named.len());
        let (word, after) = named.split_at(end);
        let word = format!("patrol_{word}");
        rest = after;
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| word.strip_suffix(suffix));
        let metric = METRICS
            .iter()
            .find(|metric| metric.name == word)
            .or_else(|| METRICS.iter().find(|m| m.kind == MetricKind::Histogram && Some(m.name) == base));
        let Some(metric) = metric else { panic!("`{word}` in `{expr}` is no metric") };
        n_named += 1;
        let Some(selector) = rest.strip_prefix('{') else { continue };
        for part in selector.split_once('}').unwrap().0.split(',') {
            let label = part.split(['=', '!', '~']).next().unwrap().trim();
            assert!(metric.labels.contains(&label), "`{label}` in `{expr}` is no label of `{word}`");
        }
    }
    n_named
}

#[test]
fn alert_rules_and_dashboard_name_metrics_and_labels_that_exist() {
    let n_named: usize = rules().iter().map(|rule| check_expression(rule["expr"].as_str().unwrap())).sum();
    assert!(n_named >= 12, "{n_named}");
    let dashboard: Value = serde_json::from_str(&text("deploy/dashboard.json")).unwrap();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            assert!(check_expression(target["expr"].as_str().unwrap()) > 0, "{panel}");
        }
    }
}

#[test]
fn alerts_say_what_they_are_about_and_cover_what_operators_must_know() {
    let rules = rules();
    let alerts: Vec<&Value> = rules.iter().filter(|rule| rule["alert"].is_string()).collect();
    for alert in &alerts {
        let name = alert["alert"].as_str().unwrap();
        assert!(name.starts_with("Patrol"), "{name}");
        assert!(
            ["critical", "warning", "info"].contains(&alert["labels"]["severity"].as_str().unwrap()),
            "{name}"
        );
        for part in ["summary", "description"] {
            assert!(alert["annotations"][part].as_str().unwrap().len() > 10, "{name}: {part}");
        }
    }
    let names: BTreeSet<&str> = alerts.iter().map(|alert| alert["alert"].as_str().unwrap()).collect();
    for name in [
        "PatrolResourcesStartFailing",
        "PatrolScanOverdue",
        "PatrolErrorsRise",
        "PatrolStateRebuilt",
        "PatrolKindForbidden",
        "PatrolReportWritesFail",
        "PatrolNoLeader",
    ] {
        assert!(names.contains(name), "{name}");
    }
}

#[test]
fn the_prometheus_rule_holds_the_same_rules_as_the_plain_file() {
    let wrapped = one("deploy/alerts.yaml", "PrometheusRule");
    let plain = documents("deploy/rules/patrol.rules.yaml").remove(0);
    assert_eq!(wrapped["spec"]["groups"], plain["groups"]);
}

#[test]
fn promtool_accepts_the_rules_and_their_tests_where_it_is_installed() {
    for (what, file) in [("check", "patrol.rules.yaml"), ("test", "patrol.test.yaml")] {
        let path = root().join("deploy/rules").join(file);
        match std::process::Command::new("promtool").args([what, "rules"]).arg(path).output() {
            Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
            Err(_) => println!("NOT RUN: promtool is not installed, so it did not {what} the alert rules"),
        }
    }
}

#[test]
fn every_key_of_the_migration_guide_exists() {
    let guide = text("deploy/migrating-from-kyverno.md");
    let keys = Config::keys();
    let sections: BTreeSet<&str> = keys.iter().filter_map(|key| key.split('.').next()).collect();
    let mut n_named = 0;
    for word in guide.split('`').skip(1).step_by(2) {
        let path = word.split([':', ' ']).next().unwrap();
        let is_path = path.contains('.') && sections.contains(path.split('.').next().unwrap());
        if is_path && !path.contains('/') {
            let is_known = keys.iter().any(|key| {
                ["", ".", "[]"].iter().any(|next| {
                    let rest = key.strip_prefix(path);
                    rest.is_some_and(
                        |rest| if next.is_empty() { rest.is_empty() } else { rest.starts_with(next) },
                    )
                })
            });
            assert!(is_known, "`{path}` in the migration guide is no key");
            n_named += 1;
        }
    }
    assert!(n_named >= 15, "{n_named}");
}
