//! `patrol scan --cluster` killed at random moments: the state opens, and the next scan converges to what a scan
//! from scratch gives.

use std::process::Stdio;
use std::time::Duration;

use serde_json::json;

use super::super::control_plane::until;
use super::{Site, World};

const PODS: usize = 60;
const KILLS: u64 = 20;
/// Scans that are started at most: some end before they can be killed.
const ROUNDS_MAX: u64 = 4 * KILLS;

/// A small random generator (xorshift), the same on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_kills_at_random_moments_of_a_cluster_scan_lose_nothing() {
    let Some(world) = World::begin("service-kill").await else { return };
    for n in 0..PODS {
        world.pod(&format!("pod-{n:02}"), ["red", "blue"][n % 2]).await;
    }
    world.policy("colour", "red").await;
    let site = Site::new(&world.kubeconfig(), &json!({}));
    let scan = ["scan", "--cluster", "--kubeconfig", "kubeconfig", "--context", "admin", "--quiet"];
    let mut random = Random(11);
    let mut n_killed = 0;
    // Within which time a scan is killed: no longer than the scan that ended soonest took.
    let mut within_ms = 600;
    for round in 0..ROUNDS_MAX {
        if n_killed == KILLS {
            break;
        }
        // A third of the pods change, so that reports have to be written.
        for n in (0..PODS).filter(|n| (n + usize::try_from(round).expect("small")) % 3 == 0) {
            let team = ["red", "blue"][usize::try_from(random.below(2)).expect("small")];
            let patch = json!({"metadata": {"labels": {"team": team}}});
            world.patch("v1", "Pod", &format!("pod-{n:02}"), &patch).await;
        }
        let mut child =
            site.command(&scan).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a process");
        let wait = 1 + random.below(within_ms);
        tokio::time::sleep(Duration::from_millis(wait)).await;
        if child.try_wait().expect("a process").is_some() {
            within_ms = wait;
        } else {
            n_killed += 1;
        }
        child.kill().expect("kill");
        child.wait().expect("its end");

        let verified = site.command(&["state", "verify"]).output().expect("a process");
        let text = String::from_utf8_lossy(&verified.stdout).into_owned();
        assert!(
            text.contains(": sound") || !site.path(".patrol/state").exists(),
            "round {round}: {verified:?}"
        );
    }
    assert_eq!(n_killed, KILLS, "of {ROUNDS_MAX} scans");

    let healed = site.command(&scan).output().expect("a process");
    assert_eq!(healed.status.code(), Some(1), "{healed:?}");
    assert_reports_are_right(&world).await;
    let again = site.command(&[&scan[..], &["--stats", "stats.json"]].concat()).output().expect("a process");
    let stats = std::fs::read(site.path("stats.json")).unwrap_or_else(|error| panic!("{error}: {again:?}"));
    let stats: serde_json::Value = serde_json::from_slice(&stats).expect("JSON");
    for nothing in ["evaluated", "forgotten", "reports_written", "reports_deleted"] {
        assert_eq!(stats[nothing], 0, "{nothing}: {stats}");
    }
    assert_eq!(stats["reused"], PODS);
}

/// Each Pod has the one result that its label asks for.
async fn assert_reports_are_right(world: &World) {
    let reports = until("every report is there", async || {
        let reports = world.reports().await;
        (reports.len() == PODS).then_some(reports)
    })
    .await;
    for pod in world.all("v1", "Pod").await {
        let name = pod.metadata.name.expect("a name");
        let is_red = pod.metadata.labels.expect("labels")["team"] == "red";
        assert_eq!(reports[&name]["colour"], if is_red { "pass" } else { "fail" }, "{name}");
    }
}
