//! Facts that policies read, asked of a real API server.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::{Router, routing};
use patrol::cluster::{ClusterSettings, ClusterSource};
use patrol::fingerprint;
use patrol::inventory::Source;
use patrol::model::{FactKey, FactValue};
use patrol::outside::{OutsideSettings, ServiceSettings};
use patrol::plan::Action;
use serde_json::{Value, json};

use super::proxy::Fault;
use super::world::{Patrol, Seen, World, connect, pod, quick};
use crate::outside::server::serve;

fn json_of(value: &FactValue) -> Value {
    match value {
        FactValue::Found(document) => serde_json::from_str(&document.root().to_json()).expect("JSON"),
        other => panic!("{other:?}"),
    }
}

fn failure(value: &FactValue) -> (&str, bool) {
    match value {
        FactValue::Failed { message, is_transient } => (message, *is_transient),
        other => panic!("{other:?}"),
    }
}

fn get(path: &str) -> FactKey {
    FactKey::ApiCall { method: "GET".into(), path: path.into(), body: String::new() }
}

fn post(path: &str, body: &Value) -> FactKey {
    FactKey::ApiCall { method: "POST".into(), path: path.into(), body: body.to_string() }
}

fn objects(group: &str, version: &str, kind: &str, namespace: &str, name: &str, selector: &str) -> FactKey {
    FactKey::Objects {
        group: group.into(),
        version: version.into(),
        kind: kind.into(),
        namespace: namespace.into(),
        name: name.into(),
        selector: selector.into(),
    }
}

fn entry(name: &str, projection: &str) -> FactKey {
    FactKey::GlobalContext { name: name.into(), projection: projection.into() }
}

async fn world_with_maps(ns: &str) -> Option<(World, ClusterSource)> {
    let world = World::begin(ns).await?;
    world.patch("v1", "Namespace", ns, &json!({"metadata": {"labels": {"env": "test"}}})).await;
    for (name, tier) in [("one", "gold"), ("two", "gold"), ("three", "tin")] {
        world
            .create(&json!({
                "apiVersion": "v1", "kind": "ConfigMap", "data": {"n": name},
                "metadata": {"name": name, "namespace": ns, "labels": {"tier": tier}},
            }))
            .await;
    }
    let source = ClusterSource::new(connect(&world.kubeconfig(), "admin", quick()).await);
    Some((world, source))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn namespaces_and_objects_are_looked_up_by_name_and_by_selector() {
    let ns = "facts-objects";
    let Some((world, source)) = world_with_maps(ns).await else { return };
    let labels = source.fact(&FactKey::NamespaceLabels(ns.into())).await;
    assert_eq!(json_of(&labels), json!({"env": "test", "kubernetes.io/metadata.name": ns}));
    // All namespaces at once, and once a scan.
    let other = source.fact(&FactKey::NamespaceLabels("default".into())).await;
    assert_eq!(json_of(&other), json!({"kubernetes.io/metadata.name": "default"}));
    assert_eq!(source.fact(&FactKey::NamespaceLabels("nowhere".into())).await, FactValue::Missing);
    world.patch("v1", "Namespace", ns, &json!({"metadata": {"labels": {"env": "prod"}}})).await;
    assert_eq!(source.fact(&FactKey::NamespaceLabels(ns.into())).await, labels);
    source.begin_scan();
    assert_eq!(json_of(&source.fact(&FactKey::NamespaceLabels(ns.into())).await)["env"], "prod");

    assert_eq!(json_of(&source.fact(&FactKey::Namespace(ns.into())).await)["kind"], "Namespace");
    assert_eq!(source.fact(&FactKey::Namespace("nowhere".into())).await, FactValue::Missing);
    let map = |name: &str| FactKey::ConfigMap { namespace: ns.into(), name: name.into() };
    assert_eq!(json_of(&source.fact(&map("one")).await)["data"], json!({"n": "one"}));
    assert_eq!(source.fact(&map("four")).await, FactValue::Missing);

    for kind in ["ConfigMap", "configmaps"] {
        let found = json_of(&source.fact(&objects("", "v1", kind, ns, "", "tier=gold")).await);
        assert_eq!(found["kind"], "ConfigMapList");
        let items = found["items"].as_array().expect("items");
        let names: Vec<&str> =
            items.iter().map(|item| item["metadata"]["name"].as_str().expect("a name")).collect();
        assert_eq!(names, ["one", "two"]);
        assert_eq!((&items[0]["kind"], &items[0]["apiVersion"]), (&json!("ConfigMap"), &json!("v1")));
    }
    let one = source.fact(&objects("", "", "ConfigMap", ns, "three", "")).await;
    assert_eq!(json_of(&one)["data"], json!({"n": "three"}));
    let none = source.fact(&objects("example.com", "v1", "Nothing", ns, "", "")).await;
    assert_eq!(failure(&none), ("the API server does not serve Nothing of example.com/v1", false));
    let nowhere = source.fact(&objects("", "v1", "ConfigMap", "", "one", "")).await;
    assert!(failure(&nowhere).0.contains("without a namespace"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_calls_read_anything_and_post_only_reviews() {
    let ns = "facts-calls";
    let Some((world, source)) = world_with_maps(ns).await else { return };
    let path = format!("/api/v1/namespaces/{ns}/configmaps?labelSelector=tier in (gold)");
    let found = source.fact(&get(&path)).await;
    assert_eq!(json_of(&found)["items"].as_array().expect("items").len(), 2);
    assert_eq!(json_of(&found)["metadata"], json!({}));
    assert!(json_of(&found)["items"][0]["metadata"].get("managedFields").is_none());
    // What else happens in the cluster is no change of it.
    world.pod("unrelated", "red").await;
    let again = source.fact(&get(&path)).await;
    assert_eq!(fingerprint::fact(again).prints, fingerprint::fact(found.clone()).prints);
    assert_eq!(json_of(&source.fact(&get("/version")).await)["gitVersion"], "v1.36.3");
    assert_eq!(
        source.fact(&get(&format!("/api/v1/namespaces/{ns}/configmaps/four"))).await,
        FactValue::Missing
    );
    assert!(failure(&source.fact(&get("/healthz")).await).0.contains("cannot be read"));
    assert!(failure(&source.fact(&get("version")).await).0.contains("does not start with `/`"));

    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
        "spec": {"user": "nobody", "resourceAttributes": {"verb": "get", "resource": "secrets"}},
    });
    let answer = source.fact(&post("/apis/authorization.k8s.io/v1/subjectaccessreviews", &review)).await;
    assert_eq!(json_of(&answer)["status"]["allowed"], false);
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "posted"}});
    let to_maps = post(&format!("/api/v1/namespaces/{ns}/configmaps"), &map);
    let (message, is_transient) = (failure(&source.fact(&to_maps).await).0.to_owned(), false);
    assert!(message.contains("is not allowed by the configuration") && !is_transient, "{message}");
    let disguised = json!({"kind": "TokenReview"});
    let to_maps_disguised = post(&format!("/api/v1/namespaces/{ns}/configmaps"), &disguised);
    assert!(failure(&source.fact(&to_maps_disguised).await).0.contains("not allowed"));
    let settings = ClusterSettings { allows_any_post: true, ..quick() };
    let open = ClusterSource::new(connect(&world.kubeconfig(), "admin", settings).await);
    assert_eq!(json_of(&open.fact(&to_maps).await)["metadata"]["name"], "posted");

    let nobody = ClusterSource::new(connect(&world.kubeconfig(), "nobody", quick()).await);
    let (message, is_transient) = match nobody.fact(&get(&path)).await {
        FactValue::Failed { message, is_transient } => (message, is_transient),
        other => panic!("{other:?}"),
    };
    assert!(message.contains("not permitted (403)") && !is_transient, "{message}");
    let (proxy, patrol) = world.proxied().await;
    proxy.break_all("GET", "/version", Fault::Status(500, "InternalError"));
    assert!(failure(&patrol.source.fact(&get("/version")).await).1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn global_context_entries_are_looked_up_once_a_scan_and_projected() {
    let ns = "facts-entries";
    let Some((world, source)) = world_with_maps(ns).await else { return };
    let resource = json!({
        "apiVersion": "kyverno.io/v2beta1", "kind": "GlobalContextEntry", "metadata": {"name": "maps"},
        "spec": {
            "kubernetesResource": {"group": "", "version": "v1", "resource": "configmaps", "namespace": ns},
            "projections": [
                {"name": "gold", "jmesPath": "[?metadata.labels.tier == 'gold'].metadata.name"},
                {"name": "none", "jmesPath": "[?metadata.name == 'nothing'] | [0]"},
            ],
        },
    });
    let call = json!({
        "apiVersion": "kyverno.io/v2beta1", "kind": "GlobalContextEntry", "metadata": {"name": "version"},
        "spec": {
            "apiCall": {"urlPath": "/version", "refreshInterval": "1h"},
            "projections": [{"name": "git", "jmesPath": "gitVersion"}],
        },
    });
    world.create(&resource).await;
    world.create(&call).await;
    assert_eq!(json_of(&source.fact(&entry("maps", "gold")).await), json!(["one", "two"]));
    let all = json_of(&source.fact(&entry("maps", "")).await);
    assert!(all.as_array().expect("an array").len() >= 3);
    assert_eq!(json_of(&source.fact(&entry("version", "git")).await), json!("v1.36.3"));
    assert_eq!(failure(&source.fact(&entry("maps", "none")).await).0, "no data available");
    assert!(failure(&source.fact(&entry("maps", "tin")).await).0.contains("no projection `tin`"));
    assert_eq!(source.fact(&entry("nothing", "")).await, FactValue::Missing);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_are_called_only_if_allowed_and_images_never() {
    let Some(world) = World::begin("facts-services").await else { return };
    let (proxy, patrol) = world.proxied().await;
    let config: Value = serde_json::from_str(&proxy.kubeconfig()).expect("JSON");
    let server = config["clusters"][0]["cluster"]["server"].as_str().expect("an address");
    let call = |path: &str, options: Value| FactKey::ServiceCall {
        method: "GET".into(),
        url: format!("{server}{path}"),
        body: String::new(),
        options: options.to_string(),
    };
    let headers = json!({"headers": [{"key": "accept-language", "value": "la"}]});
    let refused = patrol.source.fact(&call("/version", headers.clone())).await;
    assert!(
        matches!(&refused, FactValue::Refused(message) if message.contains("apiCall.services")),
        "{refused:?}"
    );
    let open = ClusterSource::new(connect(&world.kubeconfig(), "admin", quick()).await);
    let services = ServiceSettings { allowed: vec![format!("{server}/*")], ..ServiceSettings::default() };
    open.outside.configure(OutsideSettings { services, ..OutsideSettings::default() });
    assert_eq!(json_of(&open.fact(&call("/version", headers)).await)["gitVersion"], "v1.36.3");
    let bad = open.fact(&call("/version", json!({"caBundle": "no certificate"}))).await;
    assert!(failure(&bad).0.contains("failed to parse PEM CA bundle"), "{bad:?}");
    proxy.break_all("GET", "/version", Fault::Status(500, "InternalError"));
    assert!(failure(&open.fact(&call("/version", json!({}))).await).1);
    let image = open.fact(&FactKey::Image("registry.test/web:1".into())).await;
    assert!(
        matches!(&image, FactValue::Refused(message) if message.contains("images.registry")),
        "{image:?}"
    );
}

/// The pairs that were evaluated, by reason.
fn evaluated(seen: &Seen) -> BTreeMap<&'static str, u64> {
    let pairs = seen.outcome.totals.pairs.0.iter().filter(|((action, _), _)| *action == Action::Evaluate);
    pairs.map(|((_, reason), n)| (*reason, *n)).collect()
}

/// A policy whose rule denies Pods with another team than the one that its context entry `found` says.
fn policy_that_reads(name: &str, entry: &Value) -> Value {
    let mut entry = entry.clone();
    entry["name"] = json!("found");
    let team = "{{ request.object.metadata.labels.team }}";
    json!({
        "apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy",
        "metadata": {"name": name, "annotations": {"pod-policies.kyverno.io/autogen-controllers": "none"}},
        "spec": {"rules": [{
            "name": "team",
            "match": {"any": [{"resources": {"kinds": ["Pod"]}}]},
            "preconditions": {"all": [{"key": team, "operator": "NotEquals", "value": "free"}]},
            "context": [entry],
            "validate": {
                "message": "the team must be {{ found }}",
                "deny": {"conditions": {"any": [{"key": team, "operator": "NotEquals", "value": "{{ found }}"}]}},
            },
        }]},
    })
}

/// Policies that read one fact each, ConfigMaps `map`, `call`, `list` and `entry` that hold these facts, and three Pods, of which `free` is
/// excepted from all but the policy `namespace`, and `blue` is in a namespace of its own.
async fn world_of_readers(ns: &str) -> Option<World> {
    let world = World::begin(ns).await?;
    let other = format!("{ns}-other");
    world.plane.create_namespace(&world.admin, &other).await;
    world.patch("v1", "Namespace", ns, &json!({"metadata": {"labels": {"env": "test"}}})).await;
    for name in ["map", "call", "list", "entry"] {
        world.create(&config_map(ns, name, "red")).await;
    }
    let path = |name: &str| format!("/api/v1/namespaces/{ns}/configmaps/{name}");
    let list = json!({"group": "", "version": "v1", "resource": "configmaps", "namespace": ns});
    let call = json!({"urlPath": path("entry"), "refreshInterval": "1h"});
    let sources = [
        ("list", "kubernetesResource", list, "[?metadata.name == 'list'].data.team | [0]"),
        ("entry", "apiCall", call, "data.team"),
    ];
    for (name, source, spec, expression) in sources {
        let projections = json!([{"name": "team", "jmesPath": expression}]);
        world
            .create(&json!({
                "apiVersion": "kyverno.io/v2beta1", "kind": "GlobalContextEntry",
                "metadata": {"name": format!("{ns}-{name}")}, "spec": {source: spec, "projections": projections},
            }))
            .await;
    }
    let mut map = policy_that_reads("map", &json!({"configMap": {"name": "map", "namespace": ns}}));
    let rule = &mut map["spec"]["rules"][0]["validate"];
    rule["message"] = json!("the team must be {{ found.data.team }}");
    rule["deny"]["conditions"]["any"][0]["value"] = json!("{{ found.data.team }}");
    world.create(&map).await;
    let call = json!({"apiCall": {"urlPath": path("call"), "jmesPath": "data.team"}});
    world.create(&policy_that_reads("call", &call)).await;
    for name in ["list", "entry"] {
        let reference = json!({"globalReference": {"name": format!("{ns}-{name}.team")}});
        world.create(&policy_that_reads(name, &reference)).await;
    }
    let mut namespace = super::world::policy("namespace", "red");
    namespace["spec"]["rules"][0]["match"]["any"][0]["resources"]["namespaceSelector"] =
        json!({"matchLabels": {"env": "test"}});
    world.create(&namespace).await;
    world.policy("plain", "red").await;
    world.pod("red", "red").await;
    world.pod("free", "free").await;
    world.create(&pod(&other, "blue", "blue")).await;
    Some(world)
}

fn config_map(ns: &str, name: &str, team: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap", "data": {"team": team},
        "metadata": {"name": name, "namespace": ns},
    })
}

/// The statuses of one policy, as `blue`, `free` and `red` have them; empty for none.
async fn statuses(world: &World, policy: &str) -> [String; 3] {
    let reports = world.reports().await;
    ["blue", "free", "red"]
        .map(|pod| reports.get(pod).and_then(|results| results.get(policy)).cloned().unwrap_or_default())
}

async fn assert_quiet(patrol: &Patrol, what: &str) {
    let seen = patrol.scan().await;
    assert_eq!((seen.work(), evaluated(&seen)), ((0, 0, 0), BTreeMap::new()), "{what}: {}", seen.told());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_fact_evaluates_exactly_the_pairs_that_read_it() {
    const N_PAIRS: u64 = 6 * 3;
    let ns = "facts-changed";
    let Some(world) = world_of_readers(ns).await else { return };
    let patrol = world.patrol().await;
    let first = patrol.scan().await;
    assert_eq!(evaluated(&first), BTreeMap::from([("no_verdict", N_PAIRS)]), "{}", first.told());
    for policy in ["map", "call", "list", "entry"] {
        assert_eq!(statuses(&world, policy).await, ["fail", "skip", "pass"], "{policy}: {}", first.told());
    }
    assert_eq!(statuses(&world, "namespace").await, ["", "fail", "pass"]);
    assert_quiet(&patrol, "nothing changed").await;

    // What nobody reads: not a new ConfigMap, not its change, not its end, though one of the entries lists them all.
    world.create(&config_map(ns, "unrelated", "red")).await;
    assert_quiet(&patrol, "an unrelated ConfigMap is new").await;
    world.patch("v1", "ConfigMap", "unrelated", &json!({"data": {"team": "blue"}})).await;
    assert_quiet(&patrol, "an unrelated ConfigMap changed").await;
    world.delete("v1", "ConfigMap", "unrelated").await;
    assert_quiet(&patrol, "an unrelated ConfigMap is gone").await;

    // What nobody reads of what they do look at: two read the data of one object, and one of them an API answer.
    for name in ["map", "call"] {
        world.patch("v1", "ConfigMap", name, &json!({"metadata": {"labels": {"tier": "tin"}}})).await;
        assert_quiet(&patrol, "the labels of a ConfigMap whose data is read").await;
    }

    // `free` never comes to the entry, so its pairs read nothing of it.
    for policy in ["map", "call", "list", "entry"] {
        world.patch("v1", "ConfigMap", policy, &json!({"data": {"team": "blue"}})).await;
        let seen = patrol.scan().await;
        assert_eq!(evaluated(&seen), BTreeMap::from([("fact_changed", 2)]), "{policy}: {}", seen.told());
        assert_eq!(seen.outcome.totals.pairs.of(Action::Reuse), N_PAIRS - 2, "{policy}");
        assert_eq!(seen.written, 2, "{policy}");
        assert_eq!(statuses(&world, policy).await, ["pass", "skip", "fail"], "{policy}");
        assert_quiet(&patrol, policy).await;
    }

    // `blue` lives in another namespace.
    world.patch("v1", "Namespace", ns, &json!({"metadata": {"labels": {"env": "prod"}}})).await;
    let seen = patrol.scan().await;
    assert_eq!(evaluated(&seen), BTreeMap::from([("fact_changed", 2)]), "{}", seen.told());
    assert_eq!(seen.outcome.totals.pairs.of(Action::Reuse), N_PAIRS - 2);
    assert_eq!(statuses(&world, "namespace").await, ["", "", ""]);
    assert_quiet(&patrol, "the namespace's labels").await;

    // A fact that goes away is a change, too.
    world.delete("v1", "ConfigMap", "map").await;
    let seen = patrol.scan().await;
    assert_eq!(evaluated(&seen), BTreeMap::from([("fact_changed", 2)]), "{}", seen.told());
    assert_eq!(statuses(&world, "map").await, ["error", "skip", "error"]);
    assert_quiet(&patrol, "the ConfigMap is gone").await;
}

/// A ValidatingAdmissionPolicy about Pods, bound, whose parameters are a ConfigMap.
async fn bound_policy(world: &World, name: &str, expression: &str) {
    let group = "admissionregistration.k8s.io/v1";
    let rules =
        json!([{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]);
    world
        .create(&json!({
            "apiVersion": group, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name},
            "spec": {
                "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
                "matchConstraints": {"resourceRules": rules},
                "validations": [{"expression": expression}],
            },
        }))
        .await;
    let reference = json!({"name": "parameters", "namespace": world.ns, "parameterNotFoundAction": "Deny"});
    world
        .create(&json!({
            "apiVersion": group, "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": name},
            "spec": {"policyName": name, "validationActions": ["Audit"], "paramRef": reference},
        }))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_in_cel_is_evaluated_for_the_part_of_its_namespace_and_parameters_that_it_read() {
    let ns = "facts-parts";
    let Some(world) = World::begin(ns).await else { return };
    let labelled = |env: &str| json!({"metadata": {"labels": {"env": env}, "annotations": {"owner": env}}});
    world.patch("v1", "Namespace", ns, &labelled("test")).await;
    world.create(&config_map(ns, "parameters", "red")).await;
    for (name, expression) in [
        ("labels", "namespaceObject.metadata.labels['env'] == 'test'"),
        ("annotations", "namespaceObject.metadata.annotations['owner'] == 'test'"),
        ("status", "namespaceObject.status.phase == 'Active'"),
        ("name", "namespaceObject.metadata.name == request.namespace"),
        ("data", "params.data.team == 'red'"),
    ] {
        bound_policy(&world, name, expression).await;
    }
    world.pod("red", "red").await;
    let patrol = world.patrol().await;
    let first = patrol.scan().await;
    assert_eq!(evaluated(&first), BTreeMap::from([("no_verdict", 5)]), "{}", first.told());
    let told = |fails: &str| {
        let status = |name: &str| if name == fails { "fail" } else { "pass" };
        let names = ["annotations", "data", "labels", "name", "status"];
        names.map(|name| (name.to_owned(), status(name).to_owned())).into_iter().collect::<BTreeMap<_, _>>()
    };
    assert_eq!(world.reports().await["red"], told("none"));

    let changes = [
        ("Namespace", ns, "labels", json!({"metadata": {"labels": {"env": "prod"}}}), labelled("test")),
        (
            "Namespace",
            ns,
            "annotations",
            json!({"metadata": {"annotations": {"owner": "x"}}}),
            labelled("test"),
        ),
        ("ConfigMap", "parameters", "data", json!({"data": {"team": "x"}}), json!({"data": {"team": "red"}})),
    ];
    for (kind, name, part, change, back) in changes {
        world.patch("v1", kind, name, &change).await;
        let seen = patrol.scan().await;
        assert_eq!(evaluated(&seen), BTreeMap::from([("fact_changed", 1)]), "{part}: {}", seen.told());
        assert_eq!(world.reports().await["red"], told(part), "{part}");
        world.patch("v1", kind, name, &back).await;
        let seen = patrol.scan().await;
        assert_eq!(evaluated(&seen), BTreeMap::from([("fact_changed", 1)]), "{part}: {}", seen.told());
    }
    let condition = json!([{"type": "NamespaceContentRemaining", "status": "False"}]);
    world.patch_status("v1", "Namespace", ns, &json!({"status": {"conditions": condition}})).await;
    let seen = patrol.scan().await;
    assert_eq!(evaluated(&seen), BTreeMap::from([("fact_changed", 1)]), "status: {}", seen.told());
    world.patch("v1", "ConfigMap", "parameters", &labelled("x")).await;
    assert_quiet(&patrol, "the labels of the parameters").await;
    world.delete("v1", "ConfigMap", "parameters").await;
    world.create(&config_map(ns, "parameters", "red")).await;
    // Another object, which all of them are given.
    let seen = patrol.scan().await;
    assert_eq!(evaluated(&seen), BTreeMap::from([("fact_changed", 5)]), "made anew: {}", seen.told());
    assert_eq!(seen.written, 0, "{}", seen.told());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_is_called_once_a_scan_and_its_changed_answer_evaluates_the_pairs_that_read_it() {
    let ns = "facts-service";
    let Some(world) = World::begin(ns).await else { return };
    let (team, n_calls) = (Arc::new(Mutex::new("red")), Arc::new(AtomicUsize::new(0)));
    let (answered, counted) = (Arc::clone(&team), Arc::clone(&n_calls));
    let answer = async move || {
        counted.fetch_add(1, Ordering::Relaxed);
        json!({"team": *answered.lock().unwrap()}).to_string()
    };
    let base = format!("http://{}", serve(Router::new().route("/team", routing::get(answer))).await);
    let service = json!({"url": format!("{base}/team")});
    let call = json!({"apiCall": {"service": service, "jmesPath": "team"}});
    world.create(&policy_that_reads("call", &call)).await;
    world
        .create(&json!({
            "apiVersion": "kyverno.io/v2beta1", "kind": "GlobalContextEntry", "metadata": {"name": ns},
            "spec": {
                "apiCall": {"service": service, "refreshInterval": "1h"},
                "projections": [{"name": "team", "jmesPath": "team"}],
            },
        }))
        .await;
    let reference = json!({"globalReference": {"name": format!("{ns}.team")}});
    world.create(&policy_that_reads("entry", &reference)).await;
    for pod in ["red", "blue", "free"] {
        world.pod(pod, pod).await;
    }
    let patrol = world.patrol().await;
    let first = patrol.scan().await;
    for policy in ["call", "entry"] {
        assert_eq!(statuses(&world, policy).await, ["error", "skip", "error"], "{policy}: {}", first.told());
    }
    assert_eq!(n_calls.load(Ordering::Relaxed), 0, "what is not allowed is not called");

    let services = ServiceSettings { allowed: vec![format!("{base}/*")], ..ServiceSettings::default() };
    patrol.source.outside.configure(OutsideSettings { services, ..OutsideSettings::default() });
    for (now, wanted) in [("red", ["fail", "skip", "pass"]), ("blue", ["pass", "skip", "fail"])] {
        *team.lock().unwrap() = now;
        n_calls.store(0, Ordering::Relaxed);
        let seen = patrol.scan().await;
        assert_eq!(evaluated(&seen), BTreeMap::from([("fact_changed", 4)]), "{now}: {}", seen.told());
        assert_eq!(n_calls.load(Ordering::Relaxed), 2, "once for the entry, once for the call: {now}");
        for policy in ["call", "entry"] {
            assert_eq!(statuses(&world, policy).await, wanted, "{policy}: {}", seen.told());
        }
        assert_quiet(&patrol, now).await;
    }
}
