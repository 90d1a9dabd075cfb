//! The program itself against a real cluster: `patrol scan --cluster` and `patrol explain --cluster`.

use std::path::Path;

use serde_json::{Value, json};

use super::world::{World, policy};

fn patrol(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_patrol"))
        .args(arguments)
        .args(["--cluster", "--kubeconfig", "kubeconfig", "--context", "admin"])
        .current_dir(folder)
        .env_remove("PATROL_STATE_DIR")
        .output()
        .expect("a run");
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
