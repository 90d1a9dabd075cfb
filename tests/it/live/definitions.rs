//! The definitions that `patrol crds` prints: the reference's names and columns, and good enough for a real
//! API server.

use std::collections::BTreeMap;
use std::sync::Arc;

use patrol::cluster::ClusterSource;
use patrol::gostd::wildcard::Wildcard;
use patrol::inventory::Source;
use patrol::matching::KindSelector;
use patrol::report::{ReportApi, policy_crds, report_crds};
use patrol::store::MemoryStore;
use serde_json::{Value, json};

use super::control_plane::{ControlPlane, until};
use super::world::{Patrol, World, quick, text, told};

/// The definitions of the shared data, by name.
fn shared() -> BTreeMap<String, Value> {
    let Some(folder) = crate::shared::folder("crds") else { return BTreeMap::new() };
    let mut crds = BTreeMap::new();
    for folder in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        for file in
            std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.expect("an entry").path())
        {
            let yaml = std::fs::read_to_string(&file).expect("a file");
            let documents: Vec<Value> = serde_saphyr::from_multiple(&yaml).expect("YAML");
            crds.extend(
                documents.into_iter().filter(Value::is_object).map(|crd| (text(&crd, "/metadata/name"), crd)),
            );
        }
    }
    crds
}

#[test]
fn definitions_have_the_names_versions_and_columns_of_the_reference() {
    let shared = shared();
    if shared.is_empty() {
        return;
    }
    for ours in report_crds().into_iter().chain(policy_crds()) {
        let name = text(&ours, "/metadata/name");
        let theirs = shared.get(&name).unwrap_or_else(|| panic!("{name} is unknown to the reference"));
        assert_eq!(ours["spec"]["names"], theirs["spec"]["names"], "{name}");
        assert_eq!(ours["spec"]["scope"], theirs["spec"]["scope"], "{name}");
        let versions = |crd: &Value| {
            let versions = crd["spec"]["versions"].as_array().expect("versions").clone();
            let told = versions.into_iter().map(|version| {
                let columns = version.get("additionalPrinterColumns").cloned().unwrap_or(json!([]));
                let has_status = version.pointer("/subresources/status").is_some();
                (
                    text(&version, "/name"),
                    (version["storage"].clone(), version["served"].clone(), columns, has_status),
                )
            });
            told.collect::<BTreeMap<_, _>>()
        };
        assert_eq!(versions(&ours), versions(theirs), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_without_kyverno_takes_the_definitions_and_then_the_reports() {
    static PLANE: std::sync::OnceLock<Option<ControlPlane>> = std::sync::OnceLock::new();
    let Some(plane) = PLANE.get_or_init(ControlPlane::start).as_ref() else { return };
    let world = World::bare(plane, "definitions").await;
    let patrol = Patrol::start(&world.kubeconfig(), "admin", Arc::new(MemoryStore::new()), quick()).await;
    let seen = patrol.scan().await;
    assert!(seen.told().contains("no reports can be written"), "{}", seen.told());
    assert!(
        seen.told().contains("PolicyReport and ClusterPolicyReport of wgpolicyk8s.io/v1alpha2"),
        "{}",
        seen.told()
    );

    install(&world, policy_crds()).await;
    world.pod("a", "red").await;
    world.policy("red", "red").await;
    let seen = patrol.scan().await;
    assert_eq!(seen.work(), (1, 0, 0), "{}", seen.told());

    // The report that could not be written before is written now.
    install(&world, report_crds()).await;
    let seen = patrol.scan().await;
    assert_eq!(seen.work(), (0, 1, 0), "{}", seen.told());
    assert_eq!(world.reports().await["a"], told([("red", "pass")]));
    assert_eq!(patrol.scan().await.work(), (0, 0, 0));
    let mut open = patrol.restarted().await;
    open.api = Some(ReportApi::OpenReports);
    let seen = open.scan().await;
    assert_eq!(seen.work(), (0, 1, 0), "{}", seen.told());

    let table = http::Request::get("/apis/wgpolicyk8s.io/v1alpha2/policyreports")
        .header("accept", "application/json;as=Table;v=v1;g=meta.k8s.io")
        .body(Vec::new())
        .expect("a request");
    let table: Value = world.admin.request(table).await.expect("a table");
    let columns =
        table["columnDefinitions"].as_array().expect("columns").iter().map(|column| text(column, "/name"));
    assert_eq!(
        columns.collect::<Vec<_>>(),
        ["Name", "Kind", "Name", "Pass", "Fail", "Warn", "Error", "Skip", "Age"]
    );
    let cells = table["rows"][0]["cells"].as_array().expect("cells");
    assert_eq!(cells[1..5], [json!("Pod"), json!("a"), json!(1), json!(0)]);
    plane.process().kill().expect("a process that can be killed");
}

async fn install(world: &World, crds: Vec<Value>) {
    for crd in &crds {
        world.create(crd).await;
        let (group, plural) = (text(crd, "/spec/group"), text(crd, "/spec/names/plural"));
        for version in crd["spec"]["versions"].as_array().expect("versions") {
            let path = format!("/apis/{group}/{}/{plural}?limit=1", text(version, "/name"));
            until("the kind is served", async || {
                let request = http::Request::get(&path).body(Vec::new()).expect("a request");
                world.admin.request_text(request).await.ok()
            })
            .await;
        }
    }
    // Discovery follows within a moment.
    let client = super::world::connect(&world.kubeconfig(), "admin", quick()).await;
    let source = ClusterSource::new(client);
    until("discovery knows the kinds", async || {
        source.begin_scan();
        let any = Wildcard::new("*");
        let everything = KindSelector { group: any.clone(), version: any.clone(), kind: any };
        let kinds = source.kinds(vec![everything]).await.expect("kinds").kinds;
        let is_known = |crd: &Value| {
            let names = (text(crd, "/spec/group"), text(crd, "/spec/names/kind"));
            kinds.iter().any(|kind| (&kind.gvk.group, &kind.gvk.kind) == (&names.0, &names.1))
        };
        crds.iter().all(is_known).then_some(())
    })
    .await;
}
