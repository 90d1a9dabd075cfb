//! Objects that the server serves in several versions: one resource with one report, and each policy judges the version
//! that it names.

use std::collections::BTreeMap;

use patrol::scan::KindState;
use serde_json::{Value, json};

use super::proxy::Fault;
use super::world::{Patrol, World, policy, results, text, told};

const LISTS_OF_V1: &str = "/apis/autoscaling/v1/horizontalpodautoscalers";

fn autoscaler(ns: &str, name: &str, percent: i64) -> Value {
    json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name, "namespace": ns},
        "spec": {
            "maxReplicas": 5,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "metrics": [{"type": "Resource", "resource": {
                "name": "cpu", "target": {"type": "Utilization", "averageUtilization": percent}}}],
        },
    })
}

fn kyverno(name: &str, kind: &str, pattern: &Value) -> Value {
    let mut policy = policy(name, "none");
    let rule = &mut policy["spec"]["rules"][0];
    rule["match"] = json!({"any": [{"resources": {"kinds": [kind]}}]});
    rule["validate"] = json!({"message": "it must be so", "pattern": {"spec": pattern}});
    policy
}

fn admission(name: &str, version: &str, expression: &str) -> [Value; 2] {
    let api_version = "admissionregistration.k8s.io/v1";
    let rule = json!({"apiGroups": ["autoscaling"], "apiVersions": [version], "operations": ["CREATE"],
        "resources": ["horizontalpodautoscalers"]});
    [
        json!({"apiVersion": api_version, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name},
            "spec": {"matchConstraints": {"matchPolicy": "Equivalent", "resourceRules": [rule]},
                "validations": [{"expression": expression}]}}),
        json!({"apiVersion": api_version, "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": name}, "spec": {"policyName": name, "validationActions": ["Audit"]}}),
    ]
}

/// Three autoscalers at 50, 60 and 90 %, and policies that name their version 1, their version 2, both, or none.
async fn autoscalers(ns: &str) -> Option<World> {
    let world = World::begin(ns).await?;
    for (name, percent) in [("a", 50), ("b", 60), ("c", 90)] {
        world.create(&autoscaler(ns, name, percent)).await;
    }
    let percent = json!({"targetCPUUtilizationPercentage": "<80"});
    world.create(&kyverno("names-v1", "autoscaling/v1/HorizontalPodAutoscaler", &percent)).await;
    let metrics = json!({"metrics": [{"type": "Resource"}]});
    world.create(&kyverno("names-none", "HorizontalPodAutoscaler", &metrics)).await;
    let mut both = kyverno("names-both", "autoscaling/v1/HorizontalPodAutoscaler", &percent);
    let mut second = both["spec"]["rules"][0].clone();
    second["name"] = json!("metrics");
    second["match"] = json!({"any": [{"resources": {"kinds": ["autoscaling/v2/HorizontalPodAutoscaler"]}}]});
    second["validate"]["pattern"]["spec"] = metrics;
    both["spec"]["rules"].as_array_mut().expect("rules").push(second);
    world.create(&both).await;
    let expressions = [
        ("admits-v1", "v1", "object.spec.targetCPUUtilizationPercentage < 80"),
        ("admits-v2", "v2", "object.spec.metrics[0].resource.target.averageUtilization < 80"),
    ];
    for (name, version, expression) in expressions {
        for object in admission(name, version, expression) {
            world.create(&object).await;
        }
    }
    Some(world)
}

/// Each report's version of its scope with its results by policy and rule.
async fn reports(world: &World) -> BTreeMap<String, (String, BTreeMap<String, String>)> {
    let reports = world.all("wgpolicyk8s.io/v1alpha2", "PolicyReport").await;
    let of = |report: &kube::api::DynamicObject| {
        let rows = report.data["results"].as_array().expect("results").iter();
        let key =
            |row: &Value| format!("{} {}", text(row, "/policy"), row["rule"].as_str().unwrap_or_default());
        let rows: BTreeMap<String, String> = rows.map(|row| (key(row), text(row, "/result"))).collect();
        assert!(rows.len() >= results(report).len());
        (text(&report.data, "/scope/name"), (text(&report.data, "/scope/apiVersion"), rows))
    };
    reports.iter().map(of).collect()
}

fn expected(verdict: &str) -> (String, BTreeMap<String, String>) {
    let results = told([
        ("names-v1 team", verdict),
        ("names-none team", "pass"),
        ("names-both team", verdict),
        ("names-both metrics", "pass"),
        ("admits-v1 admits-v1", verdict),
        ("admits-v2 admits-v2", verdict),
    ]);
    ("autoscaling/v2".to_owned(), results)
}

fn requests(patrol: &Patrol, verb: &str) -> u64 {
    let of = |kind: &patrol::cluster::RequestKind| {
        kind.verb == verb && kind.resource == "autoscaling/horizontalpodautoscalers"
    };
    patrol.client.requests().iter().filter(|(kind, _)| of(kind)).map(|(_, n)| n).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_policy_judges_the_version_that_it_names_and_there_is_one_report() {
    let Some(world) = autoscalers("versions").await else { return };
    let patrol = world.patrol().await;
    let first = patrol.scan().await;
    assert_eq!(first.work(), (15, 3, 0), "{}", first.told());
    assert_eq!(first.outcome.totals.n_resources, 3);
    let kinds: Vec<&str> = first.outcome.kinds.iter().map(|kind| kind.kind.as_str()).collect();
    assert_eq!(kinds, ["autoscaling/v2/HorizontalPodAutoscaler"]);
    let fine = expected("pass");
    let told = BTreeMap::from(
        [("a", fine.clone()), ("b", fine.clone()), ("c", expected("fail"))].map(|(n, r)| (n.to_owned(), r)),
    );
    assert_eq!(reports(&world).await, told);
    // Two pages of two versions each, and nothing one by one.
    assert_eq!((requests(&patrol, "list"), requests(&patrol, "get")), (4, 0));

    // Nothing changed: the other version is not even asked for.
    let again = patrol.restarted().await;
    let seen = again.scan().await;
    assert_eq!((seen.work(), seen.outcome.totals.n_passed_over), ((0, 0, 0), 3), "{}", seen.told());
    assert_eq!((requests(&again, "list"), requests(&again, "get")), (2, 0));

    // A change that every policy reads, and that version 1 shows elsewhere than version 2.
    world.patch("autoscaling/v2", "HorizontalPodAutoscaler", "a", &autoscaler("versions", "a", 95)).await;
    let seen = again.scan().await;
    assert_eq!(seen.work(), (5, 1, 0), "{}", seen.told());
    assert_eq!(reports(&world).await["a"], expected("fail"));
    // One that none reads.
    let labels = json!({"metadata": {"labels": {"team": "red"}}});
    world.patch("autoscaling/v2", "HorizontalPodAutoscaler", "b", &labels).await;
    assert_eq!(again.scan().await.work(), (0, 0, 0));

    // What named another version is gone: its results go, and nothing else is evaluated.
    world.delete("kyverno.io/v1", "ClusterPolicy", "names-v1").await;
    let seen = again.scan().await;
    assert_eq!(seen.work(), (0, 3, 0), "{}", seen.told());
    world.delete("autoscaling/v2", "HorizontalPodAutoscaler", "c").await;
    let seen = again.scan().await;
    assert_eq!((seen.evaluated, seen.written), (0, 0));
    assert!(
        !reports(&world).await.contains_key("c"),
        "deleted by the scan, or by the garbage collector before it"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_cannot_be_had_is_an_error_that_is_tried_again() {
    let Some(world) = autoscalers("versions-faults").await else { return };
    let (proxy, patrol) = world.proxied().await;
    proxy.break_all("GET", LISTS_OF_V1, Fault::Status(403, "Forbidden"));
    let seen = patrol.scan().await;
    assert_eq!(seen.work(), (15, 3, 0), "{}", seen.told());
    assert!(seen.outcome.kinds.iter().all(|kind| kind.state == KindState::Listed), "{}", seen.told());
    assert!(proxy.repair()[0] > 0);
    let (_, results) = reports(&world).await.remove("a").expect("a report");
    let errors: Vec<&str> =
        results.iter().filter(|(_, result)| *result == "error").map(|(key, _)| key.as_str()).collect();
    assert_eq!(errors, ["admits-v1 ", "names-both ", "names-v1 "], "{results:?}");
    assert_eq!(results["names-both metrics"], "pass");
    // Nothing moved in the cluster, and yet what failed is looked at again: three policies on three objects.
    let seen = patrol.scan().await;
    assert_eq!(seen.work(), (9, 3, 0), "{}", seen.told());
    assert_eq!(reports(&world).await["a"], expected("pass"));
    assert_eq!(patrol.scan().await.work(), (0, 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_the_other_version_does_not_take_costs_one_request_an_object() {
    let Some(world) = autoscalers("versions-tokens").await else { return };
    let (proxy, patrol) = world.proxied().await;
    proxy.break_after(1, usize::MAX, "GET", &format!("{LISTS_OF_V1}?"), Fault::Status(410, "Expired"));
    let seen = patrol.scan().await;
    assert_eq!(seen.work(), (15, 3, 0), "{}", seen.told());
    assert_eq!(proxy.repair(), [1]);
    // Two pages of each version, one of them refused, and then the one object that it was to hold.
    assert_eq!((requests(&patrol, "list"), requests(&patrol, "get")), (5, 0));
    assert_eq!(reports(&world).await["c"], expected("fail"));
    assert_eq!(patrol.scan().await.work(), (0, 0, 0));
}
