//! The control plane for tests is what the live tests believe it to be: real schemas, real rights, a
//! real garbage collector, an API server that can go away and come back, and no process left behind.

use std::collections::BTreeMap;

use kube::api::{DeleteParams, ListParams};
use kube::{Client, Error};
use serde_json::{Value, json};

use super::{ControlPlane, until};

fn status_of<T: std::fmt::Debug>(result: Result<T, Error>) -> u16 {
    match result {
        Err(Error::Api(status)) => status.code,
        other => panic!("the server did not refuse: {other:?}"),
    }
}

fn config_map(namespace: &str, name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}})
}

/// The processes of `pids` that run still; one that has ended but was not waited for does not run.
fn running(pids: &BTreeMap<String, u64>) -> Vec<&str> {
    let runs = |pid: &u64| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        !stat.is_empty() && !stat.contains(") Z ")
    };
    pids.iter().filter(|(_, pid)| runs(pid)).map(|(name, _)| name.as_str()).collect()
}

async fn table(client: &Client, path: &str) -> Value {
    let request = http::Request::get(path)
        .header("accept", "application/json;as=Table;v=v1;g=meta.k8s.io")
        .body(Vec::new())
        .expect("a request");
    client.request(request).await.expect("a table")
}

#[tokio::test]
async fn the_garbage_collector_deletes_what_a_deleted_owner_owned() {
    let Some(plane) = ControlPlane::shared() else {
        return;
    };
    if !plane.process().has_garbage_collector() {
        eprintln!("LEFT OUT: garbage collection: KUBEBUILDER_ASSETS brings no kube-controller-manager");
        return;
    }
    let admin = plane.client("admin").await;
    if !plane.install_crds(&admin).await {
        return;
    }
    let ns = "garbage-collector-selftest";
    plane.create_namespace(&admin, ns).await;
    let owner = plane.create(&admin, &config_map(ns, "owner")).await;
    let uid = owner.metadata.uid;
    let owner_reference = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid}]);
    let mut dependent = config_map(ns, "owned");
    dependent["metadata"]["ownerReferences"] = owner_reference.clone();
    plane.create(&admin, &dependent).await;
    let report = json!({
        "apiVersion": "wgpolicyk8s.io/v1alpha2", "kind": "PolicyReport",
        "metadata": {"name": "owned", "namespace": ns, "ownerReferences": owner_reference},
    });
    plane.create(&admin, &report).await;

    let config_maps = plane.api(&admin, "v1", "ConfigMap", Some(ns)).await;
    let reports = plane.api(&admin, "wgpolicyk8s.io/v1alpha2", "PolicyReport", Some(ns)).await;
    config_maps.delete("owner", &DeleteParams::default()).await.expect("a deletion");
    until("the owned objects are gone", async || {
        let config_map = config_maps.get_opt("owned").await.expect("an answer");
        let report = reports.get_opt("owned").await.expect("an answer");
        (config_map.is_none() && report.is_none()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn installed_crds_validate_by_their_schemas_and_print_their_columns() {
    let Some(plane) = ControlPlane::shared() else {
        return;
    };
    let admin = plane.client("admin").await;
    if !plane.install_crds(&admin).await {
        return;
    }
    let ns = "crd-selftest";
    plane.create_namespace(&admin, ns).await;
    let report = |name: &str, result: &str| {
        json!({
            "apiVersion": "wgpolicyk8s.io/v1alpha2", "kind": "PolicyReport",
            "metadata": {"name": name, "namespace": ns},
            "scope": {"apiVersion": "v1", "kind": "Pod", "namespace": ns, "name": "web"},
            "summary": {"pass": 0, "fail": 1, "warn": 0, "error": 0, "skip": 0},
            "results": [{"policy": "require-limits", "rule": "limits", "result": result}],
        })
    };
    plane.create(&admin, &report("good", "fail")).await;
    assert_eq!(status_of(plane.try_create(&admin, &report("bad", "perhaps")).await), 422);
    let table = table(&admin, &format!("/apis/wgpolicyk8s.io/v1alpha2/namespaces/{ns}/policyreports")).await;
    let columns: Vec<&str> = table["columnDefinitions"]
        .as_array()
        .expect("columns")
        .iter()
        .map(|column| column["name"].as_str().expect("a name"))
        .collect();
    // The reference's CRD: https://github.com/kyverno/kyverno config/crds/policyreport.
    assert_eq!(columns, ["Name", "Kind", "Name", "Pass", "Fail", "Warn", "Error", "Skip", "Age"]);
    let cells = table["rows"][0]["cells"].as_array().expect("cells");
    assert_eq!(cells[1..5], [json!("Pod"), json!("web"), json!(0), json!(1)]);
}

#[tokio::test]
async fn users_have_the_rights_that_they_were_granted() {
    let Some(plane) = ControlPlane::shared() else {
        return;
    };
    let admin = plane.client("admin").await;
    let patrol = plane.client("patrol").await;
    let nobody = plane.client("nobody").await;
    let secrets = plane.api(&patrol, "v1", "Secret", None).await;
    assert_eq!(status_of(secrets.list(&ListParams::default()).await), 403);
    let rules = json!([{"apiGroups": [""], "resources": ["limitranges"], "verbs": ["list"]}]);
    plane.grant(&admin, "patrol", "rights-selftest", &rules).await;
    let limit_ranges = plane.api(&patrol, "v1", "LimitRange", None).await;
    until("the granted right is in force", async || limit_ranges.list(&ListParams::default()).await.ok())
        .await;
    let limit_ranges = plane.api(&nobody, "v1", "LimitRange", None).await;
    assert_eq!(status_of(limit_ranges.list(&ListParams::default()).await), 403);
}

#[tokio::test]
async fn requests_are_counted_the_api_server_comes_back_and_nothing_is_left_behind() {
    let Some(plane) = ControlPlane::start() else {
        return;
    };
    let admin = plane.client("admin").await;
    let ns = "restart-selftest";
    plane.create_namespace(&admin, ns).await;
    let config_maps = plane.api(&admin, "v1", "ConfigMap", Some(ns)).await;
    let before = plane.apiserver_requests_total(&admin).await;
    for name in ["a", "b", "c"] {
        plane.create(&admin, &config_map(ns, name)).await;
    }
    assert_eq!(status_of(plane.try_create(&admin, &config_map(ns, "a")).await), 409);
    let counted = plane.apiserver_requests_total(&admin).await.since(&before);
    let creations = |code| {
        counted
            .sum(|request| request.verb == "POST" && request.resource == "configmaps" && request.code == code)
    };
    assert_eq!((creations(201), creations(409)), (3, 1));

    let server = plane.process().server().to_owned();
    plane.process().stop_apiserver().expect("an API server that stops");
    let unreachable = config_maps.get("a").await.expect_err("no API server");
    assert!(!matches!(unreachable, Error::Api(_)), "{unreachable}");
    plane.process().start_apiserver().expect("an API server that starts again");
    assert_eq!(plane.process().server(), server);
    config_maps.get("a").await.expect("the object as it was");

    let pids = plane.process().pids();
    let expected = if plane.process().has_garbage_collector() { 4 } else { 3 };
    assert_eq!(running(&pids).len(), expected, "{pids:?}");
    drop(plane);
    assert!(running(&pids).is_empty(), "left behind: {:?}", running(&pids));
}

#[tokio::test]
async fn a_killed_control_plane_leaves_no_component_behind() {
    let Some(plane) = ControlPlane::start() else {
        return;
    };
    assert!(plane.process().etcd().starts_with("http://127.0.0.1:"));
    let pids = plane.process().pids();
    plane.process().kill().expect("a process that can be killed");
    until("all components are gone", async || running(&pids).is_empty().then_some(())).await;
}
