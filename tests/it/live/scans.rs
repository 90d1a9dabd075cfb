//! Scans of a real cluster from end to end: what is evaluated and written, and, above all, what is not.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use patrol::report::ReportApi;
use patrol::scan::KindState;
use serde_json::json;

use super::control_plane::until;
use super::proxy::Fault;
use super::world::{World, pod, policy, results, text, told};

const REPORTS: (&str, &str) = ("wgpolicyk8s.io/v1alpha2", "PolicyReport");

/// Three Pods of two teams under two policies: `red` wants the team red, `blue` the team blue.
async fn three_pods_two_policies(ns: &str) -> Option<World> {
    let world = World::begin(ns).await?;
    for (name, team) in [("a", "red"), ("b", "blue"), ("c", "blue")] {
        world.pod(name, team).await;
    }
    world.policy("red", "red").await;
    world.policy("blue", "blue").await;
    Some(world)
}

fn red_pod() -> BTreeMap<String, String> {
    told([("red", "pass"), ("blue", "fail")])
}

fn blue_pod() -> BTreeMap<String, String> {
    told([("red", "fail"), ("blue", "pass")])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_scan_writes_all_reports_and_a_restart_does_nothing_but_list() {
    let Some(world) = three_pods_two_policies("scan-first").await else { return };
    let patrol = world.patrol().await;
    let first = patrol.scan().await;
    assert_eq!(first.work(), (6, 3, 0), "{}", first.told());
    let expected = BTreeMap::from([("a", red_pod()), ("b", blue_pod()), ("c", blue_pod())]);
    let expected = expected.into_iter().map(|(name, results)| (name.to_owned(), results)).collect();
    assert_eq!(world.reports().await, expected);
    let report = &world.all(REPORTS.0, REPORTS.1).await[0];
    assert_eq!(text(&report.data, "/results/0/severity"), "medium");
    assert_eq!(report.metadata.owner_references.as_ref().expect("an owner").len(), 1);
    assert_eq!(
        report.metadata.owner_references.as_ref().expect("an owner")[0].uid,
        report.metadata.name.clone().unwrap()
    );

    let again = patrol.restarted().await;
    let before = world.counted().await;
    let seen = again.scan().await;
    let counted = world.counted().await.since(&before);
    assert_eq!(seen.work(), (0, 0, 0), "{}", seen.told());
    assert_eq!(seen.outcome.totals.n_passed_over, 3);
    let requests = again.client.requests();
    assert!(requests.keys().all(|kind| ["list", "discover"].contains(&kind.verb)), "{requests:?}");
    assert_eq!(requests.iter().filter(|(kind, _)| kind.verb == "discover").map(|(_, n)| n).sum::<u64>(), 2);
    // The server's own count: three Pods at two a page, two report kinds, and no write of anybody.
    let of = |verb: &str, resource: &str| counted.sum(|r| r.verb == verb && r.resource == resource);
    assert_eq!((of("LIST", "pods"), of("LIST", "clusterpolicies")), (2, 1), "{counted:?}");
    assert_eq!((of("LIST", "policyreports"), of("GET", "policyreports")), (2, 0), "{counted:?}");
    let writes = ["POST", "PUT", "PATCH", "APPLY", "DELETE"];
    let by_patrol = counted.sum(|r| writes.contains(&r.verb.as_str()) && !r.resource.contains("lease"));
    assert_eq!(by_patrol, 0, "{counted:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_that_no_result_shows_costs_nothing_and_one_that_reports_show_costs_no_evaluation() {
    let Some(world) = three_pods_two_policies("scan-idle-edit").await else { return };
    let patrol = world.patrol().await;
    patrol.scan().await;
    let rules = json!({"validate": 1, "mutate": 0, "generate": 0, "verifyimages": 0});
    let generated = json!({"generated": false, "message": ""});
    let status = json!({"status": {
        "conditions": [], "rulecount": rules, "autogen": {}, "validatingadmissionpolicy": generated,
    }});
    world.patch_status("kyverno.io/v1", "ClusterPolicy", "red", &status).await;
    assert_eq!(patrol.scan().await.work(), (0, 0, 0));
    let note =
        json!({"metadata": {"annotations": {"example.com/note": "seen"}, "labels": {"reviewed": "yes"}}});
    world.patch("kyverno.io/v1", "ClusterPolicy", "red", &note).await;
    assert_eq!(patrol.scan().await.work(), (0, 0, 0));
    let severity = json!({"metadata": {"annotations": {"policies.kyverno.io/severity": "high"}}});
    world.patch("kyverno.io/v1", "ClusterPolicy", "red", &severity).await;
    assert_eq!(patrol.scan().await.work(), (0, 3, 0));
    assert_eq!(patrol.scan().await.work(), (0, 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edited_rule_is_evaluated_on_its_pairs_and_only_reports_that_differ_are_written() {
    let Some(world) = three_pods_two_policies("scan-rule-edit").await else { return };
    let patrol = world.patrol().await;
    patrol.scan().await;
    // Red Pods pass as before, and say the same; the two blue ones fail no longer.
    let mut edited = policy("red", "red | blue");
    edited["spec"]["rules"][0]["validate"]["message"] = json!("the team must be red");
    world.patch("kyverno.io/v1", "ClusterPolicy", "red", &edited).await;
    let seen = patrol.scan().await;
    assert_eq!(seen.work(), (3, 2, 0), "{}", seen.told());
    assert_eq!(world.reports().await["b"], told([("red", "pass"), ("blue", "pass")]));
    assert_eq!(world.reports().await["a"], red_pod());
    assert_eq!(patrol.scan().await.work(), (0, 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edited_pod_costs_its_pairs_and_one_write_and_a_deleted_one_takes_its_report_along() {
    let Some(world) = three_pods_two_policies("scan-pod-edit").await else { return };
    let patrol = world.patrol().await;
    patrol.scan().await;
    world.patch("v1", "Pod", "a", &json!({"metadata": {"labels": {"team": "blue"}}})).await;
    assert_eq!(patrol.scan().await.work(), (2, 1, 0));
    assert_eq!(world.reports().await["a"], blue_pod());
    world.patch("v1", "Pod", "a", &json!({"metadata": {"annotations": {"note": "nobody reads it"}}})).await;
    let seen = patrol.scan().await;
    assert_eq!((seen.written, seen.deleted), (0, 0));

    world.delete("v1", "Pod", "b").await;
    let seen = patrol.scan().await;
    assert_eq!((seen.evaluated, seen.written), (0, 0), "{}", seen.told());
    // The garbage collector may have been there first; either way the report is gone.
    assert_eq!(world.reports().await.keys().collect::<Vec<_>>(), ["a", "c"]);
    let again = patrol.scan().await;
    assert_eq!(again.work(), (0, 0, 0));
    assert_eq!(again.outcome.totals.n_resources, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_that_goes_takes_its_results_along_in_the_same_scan() {
    let Some(world) = three_pods_two_policies("scan-policy-gone").await else { return };
    let patrol = world.patrol().await;
    patrol.scan().await;
    world.delete("kyverno.io/v1", "ClusterPolicy", "blue").await;
    let seen = patrol.scan().await;
    assert_eq!(seen.work(), (0, 3, 0), "{}", seen.told());
    assert_eq!(world.reports().await["a"], told([("red", "pass")]));
    world.delete("kyverno.io/v1", "ClusterPolicy", "red").await;
    let seen = patrol.scan().await;
    assert_eq!(seen.work(), (0, 0, 3), "{}", seen.told());
    assert!(world.reports().await.is_empty());
    assert_eq!(patrol.scan().await.work(), (0, 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_that_somebody_edited_or_deleted_is_restored() {
    let Some(world) = three_pods_two_policies("scan-restore").await else { return };
    let patrol = world.patrol().await;
    patrol.scan().await;
    let before = world.reports().await;
    let reports = world.all(REPORTS.0, REPORTS.1).await;
    let name = |n: usize| reports[n].metadata.name.clone().expect("a name");
    world
        .patch(REPORTS.0, REPORTS.1, &name(0), &json!({"results": [], "summary": {"fail": 0, "pass": 99}}))
        .await;
    world.delete(REPORTS.0, REPORTS.1, &name(1)).await;
    let seen = patrol.scan().await;
    assert_eq!(seen.work(), (0, 2, 0), "{}", seen.told());
    assert_eq!(world.reports().await, before);
    assert_eq!(patrol.scan().await.work(), (0, 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_of_somebody_else_is_left_alone_counted_and_named_until_it_may_be_adopted() {
    let Some(world) = three_pods_two_policies("scan-foreign").await else { return };
    let pods = world.all("v1", "Pod").await;
    let pod = pods.iter().find(|pod| pod.metadata.name.as_deref() == Some("a")).expect("the Pod");
    let uid = pod.metadata.uid.clone().expect("a UID");
    let theirs = json!({
        "apiVersion": REPORTS.0, "kind": REPORTS.1,
        "metadata": {
            "name": uid, "namespace": world.ns,
            "labels": {"app.kubernetes.io/managed-by": "kyverno", "extra": "label"},
            "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "a", "uid": uid}],
        },
        "scope": {"apiVersion": "v1", "kind": "Pod", "name": "a", "namespace": world.ns, "uid": uid},
        "summary": {"pass": 1, "fail": 0, "warn": 0, "error": 0, "skip": 0},
        "results": [{"policy": "theirs", "result": "pass"}],
    });
    world.create(&theirs).await;
    let mut patrol = world.patrol().await;
    let seen = patrol.scan().await;
    assert_eq!(
        (seen.evaluated, seen.written, seen.outcome.totals.reports.foreign),
        (6, 2, 1),
        "{}",
        seen.told()
    );
    assert!(seen.told().contains("Pod scan-foreign/a: its report is somebody else's"), "{}", seen.told());
    assert_eq!(world.reports().await["a"], told([("theirs", "pass")]));

    patrol.adopts = BTreeSet::from(["kyverno".to_owned()]);
    let seen = patrol.scan().await;
    assert_eq!(seen.work(), (0, 1, 0), "{}", seen.told());
    assert_eq!(world.reports().await["a"], red_pod());
    let reports = world.all(REPORTS.0, REPORTS.1).await;
    let labels: BTreeSet<_> = reports.iter().map(|report| format!("{:?}", report.metadata.labels)).collect();
    assert_eq!(labels, BTreeSet::from([r#"Some({"app.kubernetes.io/managed-by": "patrol"})"#.to_owned()]));
    assert_eq!(patrol.scan().await.work(), (0, 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_that_are_there_are_adopted_by_an_empty_state() {
    let Some(world) = three_pods_two_policies("scan-adopt").await else { return };
    world.patrol().await.scan().await;
    let versions = async || {
        let reports = world.all(REPORTS.0, REPORTS.1).await;
        reports.into_iter().map(|report| report.metadata.resource_version).collect::<Vec<_>>()
    };
    let before = versions().await;
    let seen = world.patrol().await.scan().await;
    assert_eq!(seen.work(), (6, 0, 0), "{}", seen.told());
    assert_eq!(seen.outcome.totals.reports.adopted, 3);
    assert_eq!(versions().await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scan_that_was_stopped_converges_with_the_next() {
    let Some(world) = three_pods_two_policies("scan-stop").await else { return };
    let mut patrol = world.patrol().await;
    patrol.stop.stop();
    let seen = patrol.scan().await;
    assert!(seen.outcome.is_interrupted);
    assert_eq!(seen.work(), (0, 0, 0), "{}", seen.told());
    patrol.stop = patrol::scan::Stop::default();
    let seen = patrol.scan().await;
    assert_eq!((seen.written, seen.deleted), (3, 0), "{}", seen.told());
    assert_eq!(patrol.scan().await.work(), (0, 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_tells_the_plan_and_writes_nothing() {
    let Some(world) = three_pods_two_policies("scan-dry").await else { return };
    let mut patrol = world.patrol().await;
    patrol.is_dry_run = true;
    let seen = patrol.scan().await;
    assert_eq!(seen.evaluated, 6);
    assert!(world.reports().await.is_empty());
    assert_eq!(seen.outcome.totals.plan.iter().filter(|line| line.action == "write").count(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cluster_scoped_resources_get_cluster_reports_in_either_api() {
    let Some(world) = World::begin("scan-cluster-scope").await else { return };
    let mut labelled = policy("labelled", "red");
    labelled["spec"]["rules"][0]["match"] =
        json!({"any": [{"resources": {"kinds": ["Namespace"], "names": ["scan-cluster-scope"]}}]});
    world.create(&labelled).await;
    let mut patrol = world.patrol().await;
    let seen = patrol.scan().await;
    assert_eq!(seen.written, 1, "{}", seen.told());
    let reports = world.all("wgpolicyk8s.io/v1alpha2", "ClusterPolicyReport").await;
    assert_eq!(reports.iter().map(results).collect::<Vec<_>>(), [told([("labelled", "fail")])]);

    patrol.api = Some(ReportApi::OpenReports);
    let seen = patrol.scan().await;
    assert_eq!((seen.evaluated, seen.written), (0, 1), "{}", seen.told());
    let reports = world.all("openreports.io/v1alpha1", "ClusterReport").await;
    assert_eq!(reports.iter().map(results).collect::<Vec<_>>(), [told([("labelled", "fail")])]);
    world.delete("kyverno.io/v1", "ClusterPolicy", "labelled").await;
    assert_eq!(patrol.scan().await.deleted, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kind_that_is_defined_later_is_scanned_from_then_on_and_named_until_then() {
    let Some(world) = World::begin("scan-crd-later").await else { return };
    let mut widgets = policy("widgets", "red");
    widgets["spec"]["rules"][0]["match"] =
        json!({"any": [{"resources": {"kinds": ["example.com/v1/Widget"]}}]});
    // Kyverno's webhook would refuse kinds that nobody serves; the API server alone does not.
    world.create(&widgets).await;
    let patrol = world.patrol().await;
    let seen = patrol.scan().await;
    assert_eq!(seen.work(), (0, 0, 0));
    assert!(seen.told().contains("example.com/v1/Widget: a policy is about this kind"), "{}", seen.told());
    let crd = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": {"kind": "Widget", "listKind": "WidgetList", "plural": "widgets", "singular": "widget"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "x-kubernetes-preserve-unknown-fields": true,
            }}}],
        },
    });
    world.create(&crd).await;
    let metadata = json!({"name": "w", "namespace": world.ns, "labels": {"team": "red"}});
    let widget = json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": metadata});
    until("the kind is served", async || {
        let kind = kube::api::GroupVersionKind::gvk("example.com", "v1", "Widget");
        let (resource, _) = kube::discovery::pinned_kind(&world.admin, &kind).await.ok()?;
        let api =
            kube::Api::<kube::api::DynamicObject>::namespaced_with(world.admin.clone(), &world.ns, &resource);
        let object = serde_json::from_value(widget.clone()).expect("an object");
        api.create(&kube::api::PostParams::default(), &object).await.ok()
    })
    .await;
    let seen = patrol.scan().await;
    assert_eq!(seen.work(), (1, 1, 0), "{}", seen.told());
    assert_eq!(world.reports().await["w"], told([("widgets", "pass")]));
    world.delete("apiextensions.k8s.io/v1", "CustomResourceDefinition", "widgets.example.com").await;
    let seen = patrol.scan().await;
    assert_eq!(seen.outcome.totals.n_resources, 0, "{}", seen.told());
    assert!(world.reports().await.is_empty(), "{}", seen.told());
    assert!(seen.outcome.kinds.iter().all(|kind| kind.state == KindState::Listed), "{}", seen.told());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kind_that_is_forbidden_is_named_and_loses_nothing() {
    let Some(world) = three_pods_two_policies("scan-forbidden").await else { return };
    world.patrol().await.scan().await;
    let before = world.reports().await;
    // Everything but Pods.
    let rules = json!([
        {
            "apiGroups": ["kyverno.io", "policies.kyverno.io", "admissionregistration.k8s.io"],
            "resources": ["*"], "verbs": ["list"],
        },
        {"apiGroups": ["wgpolicyk8s.io"], "resources": ["*"], "verbs": ["*"]},
        {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["list", "get"]},
    ]);
    world.plane.grant(&world.admin, "patrol", "scan-forbidden", &rules).await;
    let store = std::sync::Arc::new(patrol::store::MemoryStore::new());
    let patrol =
        super::world::Patrol::start(&world.kubeconfig(), "patrol", store, super::world::quick()).await;
    let seen = until("the rights are in force", async || {
        let seen = patrol.try_scan().await.ok()?;
        seen.problems.is_empty().then_some(seen)
    })
    .await;
    let pods = seen.outcome.kinds.iter().find(|kind| kind.kind == "v1/Pod").expect("the kind");
    assert!(
        matches!(&pods.state, KindState::Forbidden(why) if why.contains("pods is forbidden")),
        "{pods:?}"
    );
    assert_eq!(seen.work(), (0, 0, 0), "{}", seen.told());
    assert_eq!(world.reports().await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scan_that_is_stopped_in_the_middle_finishes_what_it_began_and_the_next_does_the_rest() {
    let Some(world) = World::begin("scan-stop-middle").await else { return };
    for n in 0..6 {
        world.pod(&format!("pod-{n}"), "red").await;
    }
    world.policy("red", "red").await;
    let (proxy, mut patrol) = world.proxied().await;
    proxy.break_next(1, "GET", "continue=", Fault::Delay(Duration::from_secs(2)));
    let stopped = async {
        until("the first page is written", async || {
            (world.reports().await.len() == 2).then(|| patrol.stop.stop())
        })
        .await;
    };
    let (first, ()) = tokio::join!(patrol.scan(), stopped);
    assert!(first.outcome.is_interrupted);
    assert!((2..6).contains(&first.evaluated), "{}", first.told());
    assert_eq!(first.evaluated, first.written, "{}", first.told());
    patrol.stop = patrol::scan::Stop::default();
    let rest = patrol.restarted().await.scan().await;
    assert_eq!(rest.work(), (6 - first.evaluated, 6 - first.written, 0), "{}", rest.told());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_label_of_a_namespace_and_an_exception_reach_what_reads_them() {
    let Some(world) = three_pods_two_policies("scan-facts").await else { return };
    let mut selective = policy("selective", "green");
    let selector = json!({"matchLabels": {"env": "prod"}});
    let resources = json!({"kinds": ["Pod"], "namespaceSelector": selector});
    selective["spec"]["rules"][0]["match"] = json!({"any": [{"resources": resources}]});
    world.create(&selective).await;
    let patrol = world.patrol().await;
    patrol.scan().await;
    assert_eq!(world.reports().await["a"], red_pod());
    let label = json!({"metadata": {"labels": {"env": "prod"}}});
    world.patch("v1", "Namespace", "scan-facts", &label).await;
    let seen = patrol.scan().await;
    assert_eq!(seen.work(), (3, 3, 0), "{}", seen.told());
    let with_selective = told([("red", "pass"), ("blue", "fail"), ("selective", "fail")]);
    assert_eq!(world.reports().await["a"], with_selective);

    let exception = json!({
        "apiVersion": "kyverno.io/v2", "kind": "PolicyException",
        "metadata": {"name": "let-be", "namespace": world.ns},
        "spec": {
            "exceptions": [{"policyName": "selective", "ruleNames": ["team"]}],
            "match": {"any": [{"resources": {"kinds": ["Pod"], "names": ["a"]}}]},
        },
    });
    world.create(&exception).await;
    let seen = patrol.scan().await;
    assert_eq!(seen.work(), (3, 1, 0), "{}", seen.told());
    let excepted = told([("red", "pass"), ("blue", "fail"), ("selective", "skip")]);
    assert_eq!(world.reports().await["a"], excepted);
    world.delete("kyverno.io/v2", "PolicyException", "let-be").await;
    assert_eq!(patrol.scan().await.work(), (3, 1, 0));
    assert_eq!(world.reports().await["a"], with_selective);
    assert_eq!(patrol.scan().await.work(), (0, 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_in_a_namespace_that_is_being_deleted_is_refused_in_plain_words() {
    let Some(world) = World::begin("scan-ending").await else { return };
    let mut held = pod("scan-ending", "held", "red");
    held["metadata"]["finalizers"] = json!(["example.com/hold"]);
    world.create(&held).await;
    world.policy("red", "red").await;
    let namespaces = world.plane.api(&world.admin, "v1", "Namespace", None).await;
    namespaces.delete("scan-ending", &kube::api::DeleteParams::default()).await.expect("a deletion");
    let seen = world.patrol().await.scan().await;
    let release = json!({"metadata": {"finalizers": null}});
    world.patch("v1", "Pod", "held", &release).await;
    assert_eq!(
        (seen.evaluated, seen.written, seen.outcome.totals.reports.failed),
        (1, 0, 1),
        "{}",
        seen.told()
    );
    assert!(seen.told().contains("its namespace is being deleted"), "{}", seen.told());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_policies_of_the_benchmark_say_of_a_cluster_what_they_say_of_a_folder() {
    let Some(policies) = crate::shared::folder("bench/policies") else { return };
    let Some(world) = World::begin("scan-bench").await else { return };
    let mut n_policies = 0;
    for file in std::fs::read_dir(&policies).expect("a folder") {
        let yaml = std::fs::read_to_string(file.expect("a file").path()).expect("a file");
        for policy in serde_saphyr::from_multiple::<serde_json::Value>(&yaml).expect("YAML") {
            world.create(&policy).await;
            n_policies += 1;
        }
    }
    assert_eq!(n_policies, 18);
    let security = json!({
        "runAsNonRoot": true, "runAsUser": 1000, "allowPrivilegeEscalation": false,
        "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"},
    });
    let mut good = pod("scan-bench", "good", "red");
    good["spec"]["containers"][0]["securityContext"] = security;
    let mut bad = pod("scan-bench", "bad", "red");
    bad["spec"]["hostNetwork"] = json!(true);
    bad["spec"]["containers"][0]["securityContext"] = json!({"privileged": true});
    bad["spec"]["containers"][0]["ports"] = json!([{"containerPort": 80, "hostPort": 80}]);
    bad["spec"]["volumes"] = json!([{"name": "host", "hostPath": {"path": "/etc"}}]);
    let manifests = tempfile::tempdir().expect("a folder");
    for object in [&good, &bad] {
        let stored = world.create(object).await;
        let name = stored.metadata.name.clone().expect("a name");
        let stored = serde_json::to_vec(&stored).expect("JSON");
        std::fs::write(manifests.path().join(format!("{name}.json")), stored).expect("a file");
    }
    let patrol = world.patrol().await;
    let seen = patrol.scan().await;
    assert_eq!((seen.evaluated, seen.written), (36, 2), "{}", seen.told());
    assert_eq!(patrol.scan().await.work(), (0, 0, 0));
    let reports = world.all(REPORTS.0, REPORTS.1).await;
    let mut of_cluster: Vec<_> = reports.iter().map(|report| report.data["results"].clone()).collect();
    let patrol = std::path::Path::new(env!("CARGO_BIN_EXE_patrol"));
    let scanned = std::process::Command::new(patrol)
        .args(["scan", "--no-state", "--quiet", "-o", "json", "-p"])
        .args([policies.as_os_str(), "--".as_ref(), manifests.path().as_os_str()])
        .output()
        .expect("a scan");
    let list: serde_json::Value = serde_json::from_slice(&scanned.stdout).expect("a list of reports");
    let items = list["items"].as_array().expect("items");
    let mut of_folder: Vec<_> = items.iter().map(|report| report["results"].clone()).collect();
    for results in of_cluster.iter_mut().chain(&mut of_folder) {
        for result in results.as_array_mut().expect("results") {
            result.as_object_mut().expect("a result").remove("timestamp");
        }
    }
    for reports in [&mut of_cluster, &mut of_folder] {
        reports.sort_by_key(ToString::to_string);
    }
    assert_eq!(of_cluster, of_folder);
    let failed = |results: &serde_json::Value| {
        let all = results.as_array().expect("results").iter();
        all.filter(|result| result["result"] == "fail").count()
    };
    let counts: Vec<usize> = of_cluster.iter().map(failed).collect();
    assert!(counts.contains(&0) && counts.iter().any(|n| *n >= 5), "{counts:?}");
}
