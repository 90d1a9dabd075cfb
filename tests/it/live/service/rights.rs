//! What is shipped for clusters, against a real API server: the manifests are accepted, and the rights are enough
//! and no more than that.

use std::path::Path;

use serde_json::{Value, json};

use super::super::control_plane::until;
use super::super::world::told;
use super::{Site, World, three_red_pods, work};

/// The documents of the shipped manifests, by file.
fn shipped(file: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn shipped_files() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/manifests");
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut files: Vec<String> = entries
        .map(|entry| format!("manifests/{}", entry.expect("a file").file_name().to_string_lossy()))
        .collect();
    files.sort();
    files
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_server_accepts_every_shipped_manifest() {
    let Some(world) = World::begin("service-manifests").await else { return };
    let namespace = shipped("manifests/namespace.yaml").remove(0);
    world.plane.try_create(&world.admin, &namespace).await.ok();
    let mut n_accepted = 0;
    // Of the Prometheus operator, or of kustomize; no API server alone serves them.
    let not_served = ["ServiceMonitor", "PrometheusRule", "Kustomization"];
    for file in shipped_files().into_iter().chain(["alerts.yaml".to_owned()]) {
        for document in shipped(&file) {
            let kind = document["kind"].as_str().expect("a kind");
            if not_served.contains(&kind) {
                continue;
            }
            let (group_version, plural) =
                (document["apiVersion"].as_str().expect("text"), kind.to_lowercase() + "s");
            let root = if group_version == "v1" { "/api" } else { "/apis" };
            let within = document["metadata"]["namespace"].as_str();
            let within = within.map(|namespace| format!("/namespaces/{namespace}")).unwrap_or_default();
            let mut path =
                format!("{root}/{group_version}{within}/{plural}?dryRun=All&fieldValidation=Strict");
            let mut object = document.clone();
            if kind == "Namespace" {
                // It is there already, and a dry run of a second one is refused.
                object["metadata"]["name"] = "patrol-dry".into();
                path = path.replace("namespacess", "namespaces");
            }
            let request = http::Request::post(path)
                .header("content-type", "application/json")
                .body(object.to_string().into_bytes())
                .expect("a request");
            let answer = world.admin.request_text(request).await;
            answer.unwrap_or_else(|error| panic!("{file}: {kind}: {error}"));
            n_accepted += 1;
        }
    }
    assert!(n_accepted >= 9, "only {n_accepted} manifests were tried");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shipped_rights_are_enough_for_the_service_and_what_they_leave_out_is_named() {
    let Some(world) = three_red_pods("service-rights").await else { return };
    let secret =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": world.ns}});
    world.create(&secret).await;
    let mut secrets = super::super::world::policy("secrets", "red");
    secrets["spec"]["rules"][0]["match"] = json!({"any": [{"resources": {"kinds": ["Secret"]}}]});
    world.create(&secrets).await;
    // Exactly the shipped objects, but for the subject: the user `patrol` in place of the service account.
    let namespace = shipped("manifests/namespace.yaml").remove(0);
    world.plane.try_create(&world.admin, &namespace).await.ok();
    for mut object in shipped("manifests/rbac.yaml") {
        if !object["subjects"].is_null() {
            object["subjects"] =
                json!([{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "patrol"}]);
        }
        world.create(&object).await;
    }
    let site = Site::new(
        &world.kubeconfig(),
        &json!({
            "leaderElection": {"mode": "enabled", "namespace": "patrol"},
            "policies": {"exceptions": {"namespaces": ["*"]}},
        }),
    );
    let mut service = site.run("patrol");
    service.says("this replica leads").await;
    service.says("scan ends").await;
    let problems = "not listed, nothing of it is removed: not permitted (403)";
    let named = service.says(problems).await;
    assert_eq!(named["kind"], "v1/Secret");
    let log = service.log();
    assert_eq!(log.matches("403").count(), 1, "nothing but Secrets is forbidden:\n{log}");
    assert_eq!(work(&service.scans()[0]), [3, 3, 0], "{log}");
    assert_eq!(world.reports().await["a"], told([("blue", "fail")]));
    let forbidden = "patrol_kind_problem{kind=\"v1/Secret\",state=\"forbidden\"}";
    assert_eq!(service.metric(forbidden).await, 1);

    // All verbs are used: a report is replaced, one is deleted, the Lease is renewed and given back.
    world.patch("v1", "Pod", "a", &json!({"metadata": {"labels": {"team": "blue"}}})).await;
    world.delete("v1", "Pod", "b").await;
    until("the reports follow", async || {
        let reports = world.reports().await;
        (reports.len() == 2 && reports.get("a") == Some(&told([("blue", "pass")]))).then_some(())
    })
    .await;
    assert_eq!(service.end("TERM"), Some(0));
    assert!(service.log().contains("the Lease is given back"), "{}", service.log());
    for (kind, name) in [("ClusterRoleBinding", "patrol"), ("ClusterRole", "patrol")] {
        world.delete("rbac.authorization.k8s.io/v1", kind, name).await;
    }
    world.delete("kyverno.io/v1", "ClusterPolicy", "secrets").await;
}
