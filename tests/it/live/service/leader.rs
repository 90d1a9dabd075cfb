//! Several replicas on one cluster: one scans and writes, another takes its place.

use std::sync::Arc;
use std::time::Duration;

use patrol::cluster::{ClusterSource, Election, ElectionSettings, RequestKind};
use serde_json::{Value, json};

use super::super::control_plane::until;
use super::super::proxy::{Fault, Proxy};
use super::super::world::{connect, quick, told};
use super::{Site, World, three_red_pods, work};

fn election(ns: &str) -> Value {
    json!({"leaderElection": {
        "mode": "enabled", "namespace": ns, "leaseDuration": "3s", "renewDeadline": "2s", "retryPeriod": "500ms",
    }})
}

async fn holder(world: &World) -> Option<String> {
    let leases = world.all("coordination.k8s.io/v1", "Lease").await;
    let ours = leases.into_iter().find(|lease| lease.metadata.namespace.as_deref() == Some(&world.ns))?;
    Some(ours.data.pointer("/spec/holderIdentity")?.as_str()?.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_standby_takes_over_from_a_killed_leader_and_adopts_its_reports() {
    let Some(world) = three_red_pods("service-leader").await else { return };
    let sites = [0, 1].map(|_| Site::new(&world.kubeconfig(), &election(&world.ns)));
    let mut first = sites[0].run("admin");
    first.says("scan ends").await;
    assert_eq!(work(&first.scans()[0]), [3, 3, 0]);
    let second = sites[1].run("admin");
    second.says("another replica leads; this one stands by").await;
    assert_eq!(
        second.page("/readyz").await,
        (200, "ok\n".to_owned()),
        "a standby does not hold up a roll-out"
    );
    assert_eq!((first.metric("patrol_leader").await, second.metric("patrol_leader").await), (1, 0));
    // The leader goes on to scan, the other one does not begin.
    first.next_scan().await;
    assert!(second.scans().is_empty(), "{}", second.log());
    let tells_results = async |service: &super::Service| {
        service.page("/metrics").await.1.contains("\npatrol_policy_results{policy=\"blue\"")
    };
    assert!(tells_results(&first).await && !tells_results(&second).await);

    first.kill();
    second.says("this replica leads").await;
    second.says("scan ends").await;
    // Its state is empty: it evaluates everything, and finds every report as it should be.
    assert_eq!(work(&second.scans()[0]), [3, 0, 0], "{}", second.log());
    assert_eq!(second.metric("patrol_reports_total{result=\"adopted\"}").await, 3);
    assert_eq!(second.metric("patrol_leader").await, 1);
    assert!(tells_results(&second).await);

    // The first comes back with its old state, stands by, and follows a leader that ends in order at once.
    let mut again = sites[0].run("admin");
    again.says("another replica leads; this one stands by").await;
    world.patch("v1", "Pod", "a", &json!({"metadata": {"labels": {"team": "blue"}}})).await;
    second.next_scan().await;
    second.next_scan().await;
    assert_eq!(world.reports().await["a"], told([("blue", "pass")]));
    let mut second = second;
    assert_eq!(second.end("TERM"), Some(0));
    assert!(second.log().contains("the Lease is given back"), "{}", second.log());
    again.says("scan ends").await;
    assert_eq!(work(&again.scans()[0]), [1, 0, 0], "only what moved meanwhile: {}", again.log());
    assert_eq!(again.end("TERM"), Some(0));
    assert_eq!(holder(&world).await.as_deref(), Some(""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_cannot_renew_scans_no_more_and_stands_by_until_it_can() {
    let Some(world) = three_red_pods("service-deposed").await else { return };
    let proxy = Proxy::start(world.admin.clone()).await;
    let site = Site::new(&proxy.kubeconfig(), &election(&world.ns));
    let service = site.run("proxy");
    service.says("scan ends").await;
    assert_eq!(work(&service.scans()[0]), [3, 3, 0]);

    proxy.break_all("PUT", "/leases/", Fault::Status(500, "InternalError"));
    proxy.break_all("GET", "/leases/", Fault::Status(500, "InternalError"));
    service.says("this replica stops writing").await;
    world.patch("v1", "Pod", "a", &json!({"metadata": {"labels": {"team": "blue"}}})).await;
    assert_eq!(service.metric("patrol_leader").await, 0);
    let n_scans = service.scans().len();
    let another = Site::new(&world.kubeconfig(), &election(&world.ns));
    let mut another = another.run("admin");
    another.says("scan ends").await;
    assert_eq!(work(&another.scans()[0]), [3, 1, 0]);
    assert_eq!(service.scans().len(), n_scans, "{}", service.log());

    proxy.repair();
    service.says("another replica leads; this one stands by").await;
    another.kill();
    until("it leads again", async || (service.metric("patrol_leader").await >= 1).then_some(())).await;
    let scan = service.next_scan().await;
    assert_eq!(work(&scan)[1..], [0, 0], "{}", service.log());
    assert_eq!(world.reports().await["a"], told([("blue", "pass")]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_write_is_asked_at_the_moment_of_writing() {
    let Some(world) = three_red_pods("service-guard").await else { return };
    let mut patrol = world.patrol().await;
    let client = connect(&world.kubeconfig(), "admin", quick()).await;
    let settings = ElectionSettings {
        namespace: world.ns.clone(),
        name: "patrol".to_owned(),
        identity: "this".to_owned(),
        lease_duration: Duration::from_secs(3),
        renew_deadline: Duration::from_secs(2),
        retry_period: Duration::from_millis(200),
    };
    let (election, leadership) = Election::new(client.clone(), settings, jiff::Timestamp::now);
    patrol.source = Arc::new(ClusterSource::new(client.clone()).led_by(leadership.clone()));
    let writes = || {
        let is_write = |kind: &RequestKind| ["create", "update", "delete"].contains(&kind.verb);
        let of_reports = |kind: &RequestKind| is_write(kind) && kind.resource.starts_with("wgpolicyk8s.io/");
        client.requests().iter().filter(|(kind, _)| of_reports(kind)).map(|(_, n)| n).sum::<u64>()
    };
    let seen = patrol.scan().await;
    assert_eq!(
        (seen.evaluated, seen.written, seen.outcome.totals.reports.failed),
        (3, 0, 3),
        "{}",
        seen.told()
    );
    assert!(seen.told().contains("this replica does not lead"), "{}", seen.told());
    assert_eq!(writes(), 0, "nothing was even sent");

    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let election = tokio::spawn(election.run(async {
        let _ = stopped.await;
    }));
    leadership.gained().await;
    assert_eq!(patrol.scan().await.work(), (0, 3, 0));
    drop(stop);
    election.await.expect("an election that ends");
    world.delete("v1", "Pod", "a").await;
    let before = writes();
    patrol.scan().await;
    assert_eq!(writes(), before, "not after the Lease was given back either");
}
