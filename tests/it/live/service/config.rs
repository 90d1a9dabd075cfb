//! Schedules that cover different things, and a configuration that changes while the service runs.

use serde_json::json;

use super::super::world::{policy, told};
use super::{Site, World, three_red_pods, work};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_configuration_is_picked_up_and_a_broken_one_changes_nothing() {
    let Some(world) = three_red_pods("service-config").await else { return };
    let site = Site::new(&world.kubeconfig(), &json!({}));
    let mut service = site.run("admin");
    service.says("scan ends").await;
    assert_eq!(world.reports().await.len(), 3);
    assert_eq!(service.metric("policy_report_result{policy=\"blue\"").await, 0);

    std::fs::write(site.path("patrol.yaml"), "scan: {maxAge: soon, workerz: 2}\n").expect("a file");
    service.reaches("patrol_config_reloads_total{outcome=\"broken\"}", 1).await;
    for mistake in ["`scan.maxAge` ", "did you mean `workers`?", "the one before stays in force"] {
        assert!(service.log().contains(mistake), "{mistake}: {}", service.log());
    }
    assert_eq!(work(&service.next_scan().await), [0, 0, 0]);

    // Reports without failures, results under the other name, another schedule.
    site.configure(&json!({
        "reports": {"allowedResults": ["pass", "error"]},
        "metrics": {"policyReporterNames": true},
        "scan": {"schedules": [{"name": "other", "every": "10s"}]},
    }));
    service.reaches("patrol_config_reloads_total{outcome=\"applied\"}", 1).await;
    let scan = service.says_in("scan ends", |scan| scan["schedule"] == "other").await;
    assert_eq!(work(&scan), [0, 0, 3], "{}", service.log());
    assert!(world.reports().await.is_empty());
    let metrics = service.page("/metrics").await.1;
    assert!(
        metrics.contains("\npolicy_report_result{policy=\"blue\",namespace=\"service-config\""),
        "{metrics}"
    );
    assert!(!metrics.contains("patrol_schedule_interval_seconds{schedule=\"all\"}"), "{metrics}");

    site.configure(&json!({"metrics": {"listen": "127.0.0.1:1"}}));
    service.reaches("patrol_config_reloads_total{outcome=\"restart_needed\"}", 1).await;
    assert_eq!(service.end("INT"), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schedules_cover_their_own_pairs_and_a_pair_without_verdict_is_always_due() {
    let Some(world) = World::begin("service-schedules").await else { return };
    world.pod("a", "red").await;
    world.policy("quick", "blue").await;
    world.policy("costly", "blue").await;
    let site = Site::new(
        &world.kubeconfig(),
        &json!({"scan": {"schedules": [
            {"name": "critical", "every": "10s", "policies": ["qu*"], "kinds": ["Pod"], "namespaces": ["service-*"]},
            {"name": "nightly", "cron": "0 3 * * *", "timeZone": "Europe/Berlin"},
        ]}}),
    );
    let service = site.run("admin");
    service.says_in("scan ends", |scan| scan["schedule"] == "nightly").await;
    // Whichever came first, both policies were new to it.
    assert_eq!(service.metric("patrol_pairs_total{action=\"evaluate\",reason=\"no_verdict\"}").await, 2);
    assert_eq!(world.reports().await["a"], told([("costly", "fail"), ("quick", "fail")]));

    world.patch("v1", "Pod", "a", &json!({"metadata": {"labels": {"team": "blue"}}})).await;
    service.next_scan().await;
    assert_eq!(work(&service.next_scan().await), [0, 0, 0]);
    assert_eq!(world.reports().await["a"], told([("costly", "fail"), ("quick", "pass")]));
    assert!(service.metric("patrol_pairs_total{action=\"reuse\",reason=\"not_due\"}").await >= 1);
    let drift =
        "patrol_drift_total{policy=\"quick\",namespace=\"service-schedules\",from=\"fail\",to=\"pass\"}";
    assert_eq!(service.metric(drift).await, 1);

    // A new policy that the schedule does not name, and a new Pod.
    world.create(&policy("new", "red")).await;
    world.pod("b", "blue").await;
    let mut scan = service.next_scan().await;
    while work(&scan)[0] == 0 {
        scan = service.next_scan().await;
    }
    assert_eq!(world.reports().await["a"], told([("costly", "fail"), ("new", "fail"), ("quick", "pass")]));
    assert_eq!(world.reports().await["b"], told([("costly", "pass"), ("new", "fail"), ("quick", "pass")]));
    let plan = service.plan().await;
    assert_eq!(plan["schedule"], "critical");
    assert_eq!(plan["kinds"]["v1/Pod"]["state"], "listed");
    assert_eq!(plan["policies"][0]["standing"], "scanned", "{plan}");
}
