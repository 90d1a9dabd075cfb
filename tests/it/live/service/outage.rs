//! A service whose API server is not there, goes away, hangs, or whose disk is full.

use std::process::Command;
use std::time::Duration;

use serde_json::json;

use super::super::proxy::{Fault, Proxy, kubeconfig};
use super::{Site, three_red_pods, work};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_not_there_at_start_is_waited_for_and_one_that_goes_away_loses_nothing() {
    let Some(world) = three_red_pods("service-outage").await else { return };
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let site = Site::new(
        &kubeconfig(&format!("http://{free}")),
        &json!({
            // The schedule alone would come too late.
            "scan": {"schedules": [{"name": "hourly", "every": "1h"}]},
        }),
    );
    let service = site.run("proxy");
    let said = service.says("the scan failed").await;
    assert!(said["message"].as_str().expect("text").contains("cannot be reached"), "{said}");
    let (code, reasons) = service.page("/readyz").await;
    assert_eq!(code, 503);
    assert!(reasons.contains("cluster: ") && reasons.contains("cannot be reached"), "{reasons}");
    assert_eq!(service.page("/healthz").await.0, 200);
    service.reaches("patrol_scans_total{schedule=\"hourly\",outcome=\"failed\"}", 1).await;

    let proxy = Proxy::start_at(free, world.admin.clone()).await;
    service.says("scan ends").await;
    assert_eq!(work(&service.scans()[0]), [3, 3, 0]);
    assert_eq!(service.page("/readyz").await, (200, "ok\n".to_owned()));
    drop((service, proxy));

    // In the middle: the list breaks off, and then nothing answers any more.
    let proxy = Proxy::start(world.admin.clone()).await;
    let site = Site::new(&proxy.kubeconfig(), &json!({"cluster": {"pageSize": 1, "requestTimeout": "2s"}}));
    let mut service = site.run("proxy");
    service.says("scan ends").await;
    let before = world.reports().await;
    assert_eq!(before.len(), 3);
    proxy.break_next(1, "GET", "continue=", Fault::Die);
    let broken = service.says_in("scan ends", |scan| scan["objects"].as_u64() < Some(2)).await;
    assert_eq!(work(&broken), [0, 0, 0]);
    service.says("not listed, nothing of it is removed").await;
    service.says("the scan failed").await;
    assert_eq!(world.reports().await, before);
    assert_eq!(service.end("TERM"), Some(0), "{}", service.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_ends_the_service_in_time_even_while_the_server_hangs_and_the_run_is_made_up() {
    let Some(world) = three_red_pods("service-signal").await else { return };
    let proxy = Proxy::start(world.admin.clone()).await;
    let site = Site::new(
        &proxy.kubeconfig(),
        &json!({
            "scan": {"schedules": [{"name": "hourly", "every": "1h"}]},
            "cluster": {"requestTimeout": "1m"},
        }),
    );
    for (signal, path) in [("TERM", "/api/v1/pods"), ("INT", "/policyreports")] {
        proxy.break_all("GET", path, Fault::Delay(Duration::from_secs(40)));
        let mut service = site.run("proxy");
        service.says("scan starts").await;
        super::super::control_plane::until("the request hangs", async || (proxy.n_hit() > 0).then_some(()))
            .await;
        assert_eq!(service.end(signal), Some(0), "{}", service.log());
        proxy.repair();
    }
    // The next start does not wait for the next hour.
    let mut service = site.run("proxy");
    service.says("scan ends").await;
    assert_eq!(work(&service.scans()[0]), [3, 3, 0]);
    assert_eq!(service.end("TERM"), Some(0));
    // What was completed is not done again before its time.
    let service = site.run("proxy");
    service.says("patrol started").await;
    assert_eq!(service.page("/readyz").await.0, 200, "a state was found");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(service.scans().is_empty(), "{}", service.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_service_on_the_same_state_is_told_who_holds_it() {
    let Some(world) = three_red_pods("service-two").await else { return };
    let site = Site::new(&world.kubeconfig(), &json!({}));
    let first = site.run("admin");
    first.says("scan ends").await;
    let arguments = ["run", "--config", "patrol.yaml", "--kubeconfig", "kubeconfig", "--context", "admin"];
    let second = site.command(&arguments).output().expect("a process");
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(2), "{said}");
    assert!(said.contains(&format!("is in use by process {}", first.child.id())), "{said}");
    first.next_scan().await;
    assert_eq!(work(first.scans().last().expect("a scan")), [0, 0, 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_costs_the_state_and_not_the_reports_and_a_metric_shows_it() {
    let Some(world) = three_red_pods("service-disk").await else { return };
    let disk = tempfile::tempdir().expect("a folder");
    let mounted =
        Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"]).arg(disk.path()).output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        println!("NOT RUN: cannot mount a tmpfs here");
        return;
    }
    let site = Site::new(&world.kubeconfig(), &json!({"state": {"dir": disk.path().join("state")}}));
    let service = site.run("admin");
    service.says("scan ends").await;
    assert_eq!(service.metric("patrol_state_degraded").await, 0);
    let filler = std::fs::write(disk.path().join("filler"), vec![1; 8 << 20]);
    assert!(filler.is_err(), "the disk is full");
    let mut team = "blue";
    while service.metric("patrol_state_degraded").await == 0 {
        for name in ["a", "b", "c"] {
            world.patch("v1", "Pod", name, &json!({"metadata": {"labels": {"team": team}}})).await;
        }
        let scan = service.next_scan().await;
        assert_eq!(work(&scan)[1..], [3, 0], "reports go on: {}", service.log());
        team = if team == "blue" { "red" } else { "blue" };
        assert!(service.scans().len() < 12, "{}", service.log());
    }
    assert!(service.log().contains("No space left"), "{}", service.log());
    // Without what was remembered everything is evaluated, and the reports are found as they should be.
    let last = world.reports().await;
    assert_eq!(work(&service.next_scan().await), [3, 0, 0]);
    assert_eq!(world.reports().await, last);
    drop(service);
    drop(Command::new("umount").arg("-l").arg(disk.path()).output());
}
