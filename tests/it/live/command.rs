//! The program itself against a real cluster: `patrol scan --cluster` and `patrol explain --cluster`.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::control_plane::until;
use super::proxy::{Fault, Proxy};
use super::world::{World, policy, told};

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_patrol"));
    command
        .args(arguments)
        .args(["--cluster", "--kubeconfig", "kubeconfig"])
        .current_dir(folder)
        .env_remove("PATROL_STATE_DIR");
    command
}

fn patrol(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = command(folder, &[arguments, &["--context", "admin"]].concat()).output().expect("a run");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}

/// What the next scan does with each policy's pair.
fn next_scan(folder: &Path, resource: &str) -> Vec<String> {
    let (code, text) = patrol(folder, &["explain", resource]);
    assert_eq!(code, Some(0), "{text}");
    let rows = text.lines().skip_while(|line| !line.contains("NEXT SCAN")).skip(1);
    let rows = rows.take_while(|line| !line.is_empty());
    rows.map(|row| row.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scan_is_explained_by_the_plan_of_the_next_one_which_changes_nothing() {
    let Some(world) = World::begin("command-explain").await else { return };
    world.pod("a", "red").await;
    world.policy("red", "red").await;
    world.policy("blue", "blue").await;
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("kubeconfig"), world.kubeconfig()).expect("a file");
    let (code, text) = patrol(folder.path(), &["scan", "--stats", "stats.json"]);
    assert_eq!(code, Some(1), "{text}");
    let stats = || -> Value {
        let json = std::fs::read(folder.path().join("stats.json")).expect("statistics");
        serde_json::from_slice(&json).expect("JSON")
    };
    assert_eq!((&stats()["evaluated"], &stats()["reports_written"]), (&json!(2), &json!(1)), "{text}");

    let unchanged = "reuse nothing that it read changed";
    assert_eq!(next_scan(folder.path(), "Pod/a"), [format!("blue {unchanged}"), format!("red {unchanged}")]);
    world.patch("kyverno.io/v1", "ClusterPolicy", "blue", &policy("blue", "blue | red")).await;
    world.patch("v1", "Pod", "a", &json!({"metadata": {"annotations": {"note": "x"}}})).await;
    assert_eq!(
        next_scan(folder.path(), "pod/a"),
        ["blue evaluate the policy changed", "red reuse the resource changed, but in nothing that it read"]
    );
    world.pod("b", "red").await;
    assert_eq!(next_scan(folder.path(), "Pod/b")[0], "blue evaluate no verdict is stored");
    let (code, text) = patrol(folder.path(), &["scan", "--stats", "stats.json"]);
    assert_eq!(code, Some(0), "{text}");
    assert_eq!((&stats()["evaluated"], &stats()["reused"]), (&json!(3), &json!(1)), "{text}");
}

/// A Pod of that name with this put over it.
fn pod_with(ns: &str, name: &str, metadata: &Value) -> Value {
    let mut pod = super::world::pod(ns, name, "blue");
    let fields = metadata.as_object().expect("metadata").clone();
    pod["metadata"].as_object_mut().expect("metadata").extend(fields);
    pod
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_configuration_says_what_is_left_out_and_policies_given_are_tried_without_a_write() {
    let ns = "command-coverage";
    let Some(world) = World::begin(ns).await else { return };
    let owner = |kind: &str, name: &str, uid: &str| json!([{"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": uid, "controller": true}]);
    let template = json!({"metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "web", "image": "registry.test/web:1"}]}});
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": ns, "labels": {"team": "blue"}},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": template}});
    let deployment = world.create(&deployment).await;
    let mut set = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "spec": {
        "selector": {"matchLabels": {"app": "web"}}, "template": template}});
    let uid = deployment.metadata.uid.expect("a UID");
    set["metadata"] =
        json!({"name": "web-1", "namespace": ns, "ownerReferences": owner("Deployment", "web", &uid)});
    let of_deployment = world.create(&set).await.metadata.uid.expect("a UID");
    set["metadata"] = json!({"name": "bare", "namespace": ns});
    let bare = world.create(&set).await.metadata.uid.expect("a UID");
    for (name, metadata) in [
        (
            "of-deployment",
            json!({"ownerReferences": owner("ReplicaSet", "web-1", &of_deployment),
            "labels": {"pod-template-hash": "1"}}),
        ),
        ("of-bare-set", json!({"ownerReferences": owner("ReplicaSet", "bare", &bare)})),
        ("labelled", json!({"labels": {"patrol": "no"}})),
        ("plain", json!({})),
    ] {
        world.create(&pod_with(ns, name, &metadata)).await;
    }
    let mut red = policy("red", "red");
    red["spec"]["rules"][0]["match"] = json!({"any": [{"resources": {"kinds": ["Pod", "Deployment"]}}]});
    world.create(&red).await;

    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("a file");
    write("kubeconfig", &world.kubeconfig());
    write("patrol.yaml", "resources: {owned: skip, excludeLabels: [patrol=no]}\n");
    let (_, text) = patrol(folder.path(), &["scan", "--config", "patrol.yaml"]);
    let names = async || world.reports().await.into_keys().collect::<Vec<_>>();
    assert_eq!(names().await, ["of-bare-set", "plain", "web"], "{text}");
    // What was left out comes back, and what is left out now goes.
    write("patrol.yaml", &format!("resources: {{excludeNamespaces: ['{ns}']}}\n"));
    patrol(folder.path(), &["scan", "--config", "patrol.yaml"]);
    assert_eq!(names().await, [""; 0]);
    write("patrol.yaml", "{}\n");
    patrol(folder.path(), &["scan", "--config", "patrol.yaml"]);
    assert_eq!(names().await, ["labelled", "of-bare-set", "of-deployment", "plain", "web"]);

    let before = world.reports().await;
    write("blue.yaml", &policy("blue", "blue").to_string());
    let (code, text) = patrol(folder.path(), &["scan", "-p", "blue.yaml", "--stats", "stats.json"]);
    assert!(text.contains("blue") && !text.contains("red"), "{text}");
    assert_eq!(code, Some(1), "the Pods without a team fail: {text}");
    assert_eq!(world.reports().await, before);
    assert_eq!(before["plain"], told([("red", "fail")]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_ends_a_scan_in_time_although_the_server_does_not_answer() {
    let Some(world) = World::begin("command-signal").await else { return };
    world.pod("a", "red").await;
    world.policy("red", "red").await;
    for (method, path) in [("GET", "/api/v1/pods"), ("POST", "/policyreports")] {
        let proxy = Proxy::start(world.admin.clone()).await;
        proxy.break_all(method, path, Fault::Delay(Duration::from_mins(2)));
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("kubeconfig"), proxy.kubeconfig()).expect("a file");
        let mut child = command(folder.path(), &["scan", "--context", "proxy"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a run");
        until("the request hangs", async || (proxy.n_hit() > 0).then_some(())).await;
        let start = Instant::now();
        let pid = child.id().to_string();
        assert!(Command::new("kill").args(["-s", "TERM", &pid]).status().expect("a signal").success());
        let code =
            tokio::task::spawn_blocking(move || child.wait()).await.expect("no panic").expect("an end");
        assert!(start.elapsed() < Duration::from_secs(10), "{method} {path}: {:?}", start.elapsed());
        assert_eq!(code.code(), Some(2), "{method} {path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scan_that_could_not_see_everything_does_not_call_the_cluster_clean() {
    let Some(world) = World::begin("command-partial").await else { return };
    world.pod("a", "red").await;
    let (folder, proxy) = (tempfile::tempdir().expect("a folder"), Proxy::start(world.admin.clone()).await);
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("a file");
    write("kubeconfig", &proxy.kubeconfig());
    write("red.yaml", &policy("red", "red").to_string());
    write("broken.yaml", "a: [");
    let run = |policies: &[&str]| {
        let arguments = [&["scan", "--no-state", "--context", "proxy", "-p"], policies].concat();
        let output = command(folder.path(), &arguments).output().expect("a run");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, text) = run(&["red.yaml"]);
    assert_eq!(code, Some(0), "{text}");
    let (code, text) = run(&["red.yaml", "broken.yaml"]);
    assert!(
        code == Some(2) && text.contains("broken.yaml:1") && text.contains("1 pairs evaluated"),
        "{text}"
    );
    proxy.break_all("GET", "/api/v1/pods", Fault::Status(403, "Forbidden"));
    let (code, text) = run(&["red.yaml"]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("not permitted (403)"), "which kind, and why, is said: {text}");
}
