//! An API server that refuses, fails, lies, hangs or goes away: each costs what it breaks, is told, and loses
//! nothing.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use patrol::cluster::{ClusterClient, ClusterSettings, ClusterSource, Credentials};
use patrol::gostd::wildcard::Wildcard;
use patrol::inventory::Source;
use patrol::matching::KindSelector;
use patrol::scan::KindState;
use serde_json::json;

use super::proxy::{Fault, Proxy, kubeconfig};
use super::world::{Patrol, World, connect, policy, quick, told};

/// Three Pods under a policy on Pods, and a limit range under another policy; Patrol behind a proxy has
/// scanned them once.
async fn scanned(ns: &str) -> Option<(World, Proxy, Patrol)> {
    let world = World::begin(ns).await?;
    for name in ["a", "b", "c"] {
        world.pod(name, "red").await;
    }
    world.policy("pods", "red").await;
    let mut limits = policy("limits", "red");
    limits["spec"]["rules"][0]["match"] = json!({"any": [{"resources": {"kinds": ["LimitRange"]}}]});
    world.create(&limits).await;
    let metadata = json!({"name": "range", "namespace": ns, "labels": {"team": "none"}});
    world.create(&json!({"apiVersion": "v1", "kind": "LimitRange", "metadata": metadata})).await;
    let settings = ClusterSettings { request_timeout: Duration::from_millis(1500), ..quick() };
    let (proxy, patrol) = world.proxied_with(settings).await;
    let first = patrol.scan().await;
    assert_eq!(first.work(), (4, 4, 0), "{}", first.told());
    Some((world, proxy, patrol))
}

fn pods(seen: &super::world::Seen) -> KindState {
    seen.outcome.kinds.iter().find(|kind| kind.kind == "v1/Pod").expect("the kind").state.clone()
}

async fn selected(source: &ClusterSource, kinds: &[(&str, &str, &str)]) -> patrol::inventory::Discovered {
    let selector = |(group, version, kind): &(&str, &str, &str)| KindSelector {
        group: Wildcard::new(group),
        version: Wildcard::new(version),
        kind: Wildcard::new(kind),
    };
    source.kinds(kinds.iter().map(selector).collect()).await.expect("what is served")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_that_fails_removes_nothing_and_other_kinds_go_on() {
    let Some((world, proxy, patrol)) = scanned("fault-lists").await else { return };
    let before = world.reports().await;
    let faults = [
        (Fault::Status(401, "Unauthorized"), "a token may have expired"),
        (Fault::Status(403, "Forbidden"), "not permitted (403)"),
        (Fault::Status(404, "NotFound"), "cannot list pods (404)"),
        (Fault::Status(405, "MethodNotAllowed"), "cannot list pods (405)"),
        (Fault::Status(409, "Conflict"), "cannot list pods (409)"),
        (Fault::Status(410, "Expired"), "the list expired"),
        (Fault::Busy(0), "the API server is busy (429)"),
        (Fault::Busy(3600), "the API server is busy (429)"),
        (Fault::Status(500, "InternalError"), "the API server failed to list pods (500)"),
        (Fault::Status(503, "ServiceUnavailable"), "the API server failed to list pods (503)"),
        (Fault::Cut, "broke off after"),
        (Fault::Delay(Duration::from_secs(4)), "did not answer within 1.5 s: list pods"),
    ];
    for (n, (fault, message)) in faults.into_iter().enumerate() {
        // The second page breaks: the first one alone must not count as the whole.
        proxy.break_after(n % 2, usize::MAX, "GET", "/api/v1/pods", fault.clone());
        let team = format!("team-{n}");
        world.patch("v1", "LimitRange", "range", &json!({"metadata": {"labels": {"team": team}}})).await;
        let start = Instant::now();
        let seen = patrol.scan().await;
        assert!(start.elapsed() < Duration::from_secs(20), "{fault:?} took {:?}", start.elapsed());
        assert!(proxy.repair()[0] > 0, "{fault:?}");
        assert_eq!(seen.work(), (1, 0, 0), "{fault:?}: {}", seen.told());
        assert!(
            !matches!(pods(&seen), KindState::Listed | KindState::NotServed),
            "{fault:?}: {}",
            seen.told()
        );
        assert!(seen.told().contains(message), "{fault:?}: {}", seen.told());
        assert_eq!(world.reports().await, before, "{fault:?}");
    }
    assert_eq!(patrol.scan().await.work(), (0, 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_second_try_repairs_is_not_noticed_but_in_the_counts() {
    let Some(world) = World::begin("fault-retries").await else { return };
    for name in ["a", "b", "c"] {
        world.pod(name, "red").await;
    }
    world.policy("red", "red").await;
    let (proxy, patrol) = world.proxied().await;
    proxy.break_next(1, "GET", "/apis?", Fault::Status(503, "ServiceUnavailable"));
    proxy.break_next(2, "GET", "/clusterpolicies", Fault::Status(500, "InternalError"));
    proxy.break_next(1, "GET", "/api/v1/pods", Fault::Busy(1));
    proxy.break_next(1, "GET", "continue=", Fault::Cut);
    proxy.break_next(1, "GET", "/policyreports", Fault::Status(502, "BadGateway"));
    proxy.break_next(2, "POST", "/policyreports", Fault::Status(500, "InternalError"));
    let start = Instant::now();
    let seen = patrol.scan().await;
    assert!(start.elapsed() >= Duration::from_secs(1), "Retry-After was not honoured: {:?}", start.elapsed());
    assert_eq!(seen.work(), (3, 3, 0), "{}", seen.told());
    assert!(seen.problems.is_empty() && seen.outcome.problems.is_empty(), "{}", seen.told());
    let codes: BTreeMap<u16, u64> =
        patrol.client.requests().iter().filter(|(kind, _)| kind.code >= 400).fold(
            BTreeMap::new(),
            |mut codes, (kind, n)| {
                *codes.entry(kind.code).or_default() += n;
                codes
            },
        );
    assert_eq!(codes[&429], 1, "{codes:?}");
    assert_eq!(codes[&502], 1, "{codes:?}");
    assert_eq!(codes[&500], 4, "{codes:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_that_expires_in_the_middle_starts_again() {
    let Some((world, proxy, patrol)) = scanned("fault-expired").await else { return };
    proxy.break_next(1, "GET", "continue=", Fault::Status(410, "Expired"));
    world.delete("v1", "Pod", "c").await;
    world.pod("d", "blue").await;
    let seen = patrol.scan().await;
    assert_eq!(proxy.repair(), [1]);
    assert_eq!((seen.evaluated, seen.written), (1, 1), "{}", seen.told());
    assert_eq!(pods(&seen), KindState::Listed);
    assert_eq!(world.reports().await.keys().collect::<Vec<_>>(), ["a", "b", "d", "range"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_goes_away_in_the_middle_loses_nothing() {
    let Some((world, proxy, patrol)) = scanned("fault-gone").await else { return };
    let before = world.reports().await;
    world.patch("v1", "Pod", "a", &json!({"metadata": {"labels": {"team": "blue"}}})).await;
    proxy.break_next(1, "GET", "continue=", Fault::Die);
    let seen = patrol.scan().await;
    assert_eq!(seen.outcome.totals.reports.deleted, 0, "{}", seen.told());
    assert!(matches!(pods(&seen), KindState::Failed(_)), "{}", seen.told());
    assert_eq!(world.reports().await.len(), before.len());
    let error = patrol.try_scan().await.expect_err("no server");
    assert!(error.contains("cannot be reached"), "{error}");

    // The same state, once the server is back.
    let again = Patrol::start(&world.kubeconfig(), "admin", patrol.store.clone(), quick()).await;
    again.scan().await;
    assert_eq!(world.reports().await["a"], told([("pods", "fail")]));
    assert_eq!(again.scan().await.work(), (0, 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_that_cannot_be_listed_are_believed_to_be_as_they_were_written() {
    let Some((world, proxy, patrol)) = scanned("fault-reports").await else { return };
    proxy.break_all("GET", "/policyreports", Fault::Status(500, "InternalError"));
    let seen = patrol.scan().await;
    assert_eq!(seen.work(), (0, 0, 0), "{}", seen.told());
    assert!(seen.told().contains("reports could not be listed"), "{}", seen.told());
    world.patch("v1", "Pod", "a", &json!({"metadata": {"labels": {"team": "blue"}}})).await;
    let seen = patrol.scan().await;
    assert_eq!(seen.work(), (1, 1, 0), "{}", seen.told());
    proxy.repair();
    assert_eq!(patrol.scan().await.work(), (0, 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn policies_that_cannot_be_listed_are_those_of_last_time_or_unknown() {
    let Some((world, proxy, patrol)) = scanned("fault-policies").await else { return };
    let before = world.reports().await;
    proxy.break_all("GET", "/clusterpolicies", Fault::Status(500, "InternalError"));
    world.pod("d", "blue").await;
    let seen = patrol.scan().await;
    assert!(seen.told().contains("those that were listed last are used"), "{}", seen.told());
    assert_eq!(seen.work(), (1, 1, 0), "{}", seen.told());

    // Another process does not know them: everything stays as it is.
    let again = patrol.restarted().await;
    let seen = again.scan().await;
    assert!(seen.told().contains("its policies keep the results that they have"), "{}", seen.told());
    assert_eq!(seen.work(), (0, 0, 0), "{}", seen.told());
    assert_eq!(world.reports().await.len(), before.len() + 1);
    proxy.repair();
    assert_eq!(again.scan().await.work(), (0, 0, 0));

    // Without its exceptions, a policy would say something else.
    proxy.break_all("GET", "kyverno.io/v2/policyexceptions", Fault::Status(403, "Forbidden"));
    let seen = patrol.restarted().await.scan().await;
    assert!(seen.told().contains("kyverno.io/PolicyException: not permitted"), "{}", seen.told());
    assert!(seen.told().contains("ClusterPolicy, Policy"), "{}", seen.told());
    assert_eq!(seen.work(), (0, 0, 0), "{}", seen.told());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_report_is_told_with_its_name_and_written_by_a_later_scan() {
    let Some(world) = World::begin("fault-writes").await else { return };
    for name in ["a", "b"] {
        world.pod(name, "red").await;
    }
    world.policy("red", "red").await;
    let (proxy, patrol) = world.proxied().await;
    for (fault, message) in [
        (
            Fault::Status(422, "Invalid"),
            "cannot create wgpolicyk8s.io/policyreports (422): broken by the test",
        ),
        (Fault::Status(403, "Forbidden"), "not permitted (403)"),
        (Fault::Status(413, "RequestEntityTooLarge"), "(413)"),
        (Fault::Status(500, "InternalError"), "(500)"),
        (Fault::Busy(600), "(429)"),
        (Fault::Cut, "broke off"),
    ] {
        proxy.break_all("POST", "/policyreports", fault.clone());
        let seen = patrol.scan().await;
        proxy.repair();
        let failed = seen.outcome.totals.reports.failed;
        if matches!(fault, Fault::Cut) {
            // It was written; only the answer was lost, and the second try found it.
            assert_eq!(seen.told().matches("somebody else").count(), 0, "{}", seen.told());
            continue;
        }
        assert_eq!((seen.written, failed), (0, 2), "{fault:?}: {}", seen.told());
        assert!(seen.told().contains(message), "{fault:?}: {}", seen.told());
        assert!(seen.told().contains(&format!("PolicyReport {}/", world.ns)), "{fault:?}: {}", seen.told());
    }
    patrol.scan().await;
    assert_eq!(world.reports().await.len(), 2);
    assert_eq!(patrol.scan().await.work(), (0, 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_that_changes_under_the_write_is_written_again_unless_it_became_somebody_elses() {
    let Some((world, proxy, patrol)) = scanned("fault-conflict").await else { return };
    let uid_of = |objects: Vec<kube::api::DynamicObject>, name: &str| {
        let object =
            objects.into_iter().find(|o| o.metadata.name.as_deref() == Some(name)).expect("the object");
        object.metadata.uid.expect("a UID")
    };
    let path =
        |uid: &str| format!("/apis/wgpolicyk8s.io/v1alpha2/namespaces/{}/policyreports/{uid}", world.ns);
    let a = path(&uid_of(world.all("v1", "Pod").await, "a"));
    let b = path(&uid_of(world.all("v1", "Pod").await, "b"));
    let theirs = json!({"metadata": {"labels": {"app.kubernetes.io/managed-by": "kyverno"}}});
    proxy.break_next(
        1,
        "PUT",
        &a,
        Fault::Meanwhile(a.clone(), json!({"metadata": {"annotations": {"x": "y"}}})),
    );
    proxy.break_next(1, "PUT", &b, Fault::Meanwhile(b.clone(), theirs));
    for name in ["a", "b"] {
        world.patch("v1", "Pod", name, &json!({"metadata": {"labels": {"team": "blue"}}})).await;
    }
    let seen = patrol.scan().await;
    assert_eq!(
        (seen.evaluated, seen.written, seen.outcome.totals.reports.failed),
        (2, 1, 1),
        "{}",
        seen.told()
    );
    assert!(seen.told().contains("somebody else's; it was left alone"), "{}", seen.told());
    assert_eq!(world.reports().await["a"], told([("pods", "fail")]));
    assert_eq!(world.reports().await["b"], told([("pods", "pass")]));
    let seen = patrol.scan().await;
    assert_eq!(seen.work(), (0, 0, 0), "{}", seen.told());
    assert_eq!(seen.outcome.totals.reports.foreign, 1);

    // Deleted under a delete, and changed under one.
    let c = path(&uid_of(world.all("v1", "Pod").await, "c"));
    proxy.break_next(
        1,
        "DELETE",
        &c,
        Fault::Meanwhile(c.clone(), json!({"metadata": {"annotations": {"x": "y"}}})),
    );
    world.delete("kyverno.io/v1", "ClusterPolicy", "pods").await;
    let seen = patrol.scan().await;
    assert_eq!((seen.deleted, seen.outcome.totals.reports.failed), (2, 0), "{}", seen.told());
    assert_eq!(world.reports().await.keys().collect::<Vec<_>>(), ["b", "range"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_not_there_or_not_trusted_or_refuses_the_token_is_told_in_one_sentence() {
    let Some(world) = World::begin("fault-start").await else { return };
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let refused = connect(&kubeconfig(&format!("http://{free}")), "proxy", quick()).await;
    let error = ClusterSource::new(refused.clone()).policies().await.expect_err("nobody is there").0;
    assert!(error.contains(&format!("API server at http://{free} cannot be reached")), "{error}");
    assert!(error.contains("refused"), "{error}");
    // Three tries of one request; the other one was given up with it.
    let n_tries: u64 = refused.requests().iter().filter(|(kind, _)| kind.code == 0).map(|(_, n)| n).sum();
    assert!((3..=6).contains(&n_tries), "{:?}", refused.requests());

    let server = world.plane.process().server().to_owned();
    let untrusted = connect(&kubeconfig(&server), "proxy", quick()).await;
    let error = ClusterSource::new(untrusted).policies().await.expect_err("a stranger").0;
    assert!(error.contains("no trusted connection to the API server"), "{error}");

    let text = world.kubeconfig();
    let mut config: serde_json::Value = serde_saphyr::from_str(&text).expect("a kubeconfig");
    for user in config["users"].as_array_mut().expect("users") {
        user["user"]["token"] = json!("expired");
    }
    let expired = connect(&config.to_string(), "admin", quick()).await;
    let error = ClusterSource::new(expired).policies().await.expect_err("a bad token").0;
    assert!(error.contains("does not accept the credentials (401): a token may have expired"), "{error}");

    let version = connect(&text, "admin", quick()).await.version().await.expect("an answer");
    assert_eq!(version, "v1.36.3");
    let settings = |credentials, context: Option<&str>| ClusterSettings {
        credentials,
        context: context.map(str::to_owned),
        ..quick()
    };
    let path = world.plane.process().kubeconfig().to_owned();
    let bad = ClusterClient::connect(settings(Credentials::Kubeconfig("/nowhere/config".into()), None)).await;
    let error = bad.expect_err("no file").to_string();
    assert!(error.starts_with("kubeconfig `/nowhere/config`: "), "{error}");
    let bad = ClusterClient::connect(settings(Credentials::Kubeconfig(path.into()), Some("elsewhere"))).await;
    let error = bad.expect_err("no context").to_string();
    assert!(error.contains("elsewhere"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_discovery_says_the_same_as_the_aggregated_one_and_takes_more_requests() {
    let Some(world) = World::begin("fault-discovery").await else { return };
    let (proxy, patrol) = world.proxied().await;
    let everything = [("*", "*", "*")];
    let new = selected(&patrol.source, &everything).await;
    let asked = |patrol: &Patrol| patrol.client.requests().values().sum::<u64>();
    assert_eq!(asked(&patrol), 2, "{:?}", patrol.client.requests());
    assert!(
        new.kinds
            .iter()
            .any(|kind| kind.gvk.to_string() == "apps/v1/Deployment" && kind.plural == "deployments")
    );
    assert!(new.kinds.iter().all(|kind| !kind.plural.contains('/')));
    assert!(!new.kinds.iter().any(|kind| kind.gvk.kind == "SubjectAccessReview"));
    proxy.break_all("GET", "/api", Fault::Plain);
    patrol.source.begin_scan();
    let old = selected(&patrol.source, &everything).await;
    assert_eq!(old.kinds, new.kinds);
    assert!(asked(&patrol) > 10);
    assert_eq!(old.unknown_groups.len() + new.unknown_groups.len(), 0);
    proxy.repair();

    // One group version that does not answer is unknown; without any discovery, there is no scan.
    proxy.break_all("GET", "/apis/apps/v1", Fault::Status(503, "ServiceUnavailable"));
    proxy.break_all("GET", "/api", Fault::Plain);
    patrol.source.begin_scan();
    let some = selected(&patrol.source, &everything).await;
    assert_eq!(some.unknown_groups.iter().collect::<Vec<_>>(), ["apps"]);
    assert!(some.problems.iter().any(|problem| problem.subject == "apps/v1"), "{:?}", some.problems);
    proxy.repair();
    proxy.break_all("GET", "/api", Fault::Status(500, "InternalError"));
    let error = patrol.try_scan().await.expect_err("no discovery");
    assert!(error.contains("failed to discover /api"), "{error}");
    proxy.repair();

    // What is named and cannot be scanned is told; versions that only a selector names are taken.
    patrol.source.begin_scan();
    let named = [
        ("*", "*", "SubjectAccessReview"),
        ("kyverno.io", "v2beta1", "ClusterPolicy"),
        ("*", "*", "Nothing"),
    ];
    let some = selected(&patrol.source, &named).await;
    let kinds: Vec<String> = some.kinds.iter().map(|kind| kind.gvk.to_string()).collect();
    assert_eq!(kinds, ["kyverno.io/v2beta1/ClusterPolicy"]);
    let told: Vec<&str> = some.problems.iter().map(|problem| problem.subject.as_str()).collect();
    assert_eq!(told, ["*/*/Nothing", "authorization.k8s.io/v1/SubjectAccessReview"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_whose_api_service_does_not_answer_is_unknown() {
    let Some(world) = World::begin("fault-apiservice").await else { return };
    let service = json!({
        "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
        "metadata": {"name": "v1.broken.example.com"},
        "spec": {
            "group": "broken.example.com", "version": "v1",
            "groupPriorityMinimum": 100, "versionPriority": 100,
            "insecureSkipTLSVerify": true, "service": {"name": "nobody", "namespace": world.ns},
        },
    });
    world.create(&service).await;
    let patrol = world.patrol().await;
    let found = super::control_plane::until("the group is known to be broken", async || {
        patrol.source.begin_scan();
        let found = selected(&patrol.source, &[("broken.example.com", "*", "*")]).await;
        (!found.unknown_groups.is_empty()).then_some(found)
    })
    .await;
    world.delete("apiregistration.k8s.io/v1", "APIService", "v1.broken.example.com").await;
    assert_eq!(found.unknown_groups.iter().collect::<Vec<_>>(), ["broken.example.com"]);
    assert_eq!(found.problems[0].subject, "broken.example.com/v1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_objects_make_small_pages() {
    let Some(world) = World::begin("fault-large").await else { return };
    let text = "x".repeat(900 << 10);
    for n in 0..20 {
        let map = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": format!("large-{n:02}"), "namespace": world.ns},
            "data": {"text": text},
        });
        world.create(&map).await;
    }
    let source = ClusterSource::new(connect(&world.kubeconfig(), "admin", ClusterSettings::default()).await);
    let kind = selected(&source, &[("", "v1", "ConfigMap")]).await.kinds.remove(0);
    for _ in 0..2 {
        let (mut cursor, mut names, mut sizes) = (None, Vec::new(), Vec::new());
        loop {
            let page = source.list(&kind, cursor).await.expect("a page");
            let size = |item: &patrol::inventory::Listed| match &item.content {
                patrol::inventory::Content::Json(bytes) => bytes.len(),
                other => panic!("{other:?}"),
            };
            sizes.push(page.items.iter().map(size).sum::<usize>());
            names.extend(
                page.items.into_iter().map(|item| item.id.key.name).filter(|name| name.starts_with("large")),
            );
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(names.len(), 20);
        assert!(names.is_sorted());
        assert!(sizes.iter().all(|size| *size < 17 << 20), "{sizes:?}");
        assert!(sizes.len() >= 2, "{sizes:?}");
    }
    for n in 0..20 {
        world.delete("v1", "ConfigMap", &format!("large-{n:02}")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_with_too_many_bytes_is_asked_for_again_in_smaller_pages() {
    let Some(world) = World::begin("fault-large-pages").await else { return };
    let mut policy = policy("limits", "none");
    policy["spec"]["rules"][0]["match"] = json!({"any": [{"resources": {"kinds": ["LimitRange"]}}]});
    world.create(&policy).await;
    for n in 0..8 {
        let metadata = json!({"name": format!("range-{n}"), "namespace": world.ns,
            "annotations": {"large": "x".repeat(5 << 10)}});
        world.create(&json!({"apiVersion": "v1", "kind": "LimitRange", "metadata": metadata})).await;
    }
    let settings = ClusterSettings { n_page_objects: 500, n_page_bytes: 24 << 10, ..quick() };
    let (_proxy, patrol) = world.proxied_with(settings).await;
    let lists = || {
        let of = |kind: &patrol::cluster::RequestKind| {
            (kind.verb, kind.resource.as_str()) == ("list", "limitranges")
        };
        patrol.client.requests().iter().filter(|(kind, _)| of(kind)).map(|(_, n)| n).sum::<u64>()
    };
    let seen = patrol.scan().await;
    assert_eq!(seen.work(), (8, 8, 0), "{}", seen.told());
    // 500, 125, 31 and 7 objects are too many bytes; one is not; from then on 4 fit a page.
    assert_eq!(lists(), 4 + 1 + 2);
    assert_eq!(patrol.scan().await.work(), (0, 0, 0));
    assert_eq!(lists(), 7 + 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_of_one_megabyte_and_a_policy_with_a_name_of_two_hundred_characters_are_like_any_other() {
    let Some(world) = World::begin("fault-sizes").await else { return };
    // The most that a ConfigMap may hold: one MiB of keys and values.
    let text = "x".repeat((1 << 20) - "text".len());
    let metadata = json!({"name": "large", "namespace": world.ns});
    world
        .create(
            &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"text": text}}),
        )
        .await;
    let name = "n".repeat(200);
    let mut long = policy(&name, "red");
    long["spec"]["rules"][0]["match"] =
        json!({"any": [{"resources": {"kinds": ["ConfigMap"], "namespaces": [world.ns]}}]});
    long["spec"]["rules"][0]["validate"]["pattern"] = json!({"data": {"text": "*y"}});
    world.create(&long).await;
    let patrol = world.patrol().await;
    let seen = patrol.scan().await;
    assert!(seen.problems.is_empty() && seen.outcome.totals.problems.is_empty(), "{}", seen.told());
    let report = &world.reports().await["large"];
    assert_eq!(report.get(&name).map(String::as_str), Some("fail"), "{report:?}");
    let again = patrol.restarted().await.scan().await;
    assert_eq!(again.work(), (0, 0, 0), "{}", again.told());
    world.delete("v1", "ConfigMap", "large").await;
    patrol.scan().await;
    assert!(!world.reports().await.contains_key("large"));
}
