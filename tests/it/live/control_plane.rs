//! A control plane for live tests, with what tests do to it: clients for its users, CRDs, objects out of
//! JSON, rights, and the server's own count of requests. Tests that get along by namespaces share one;
//! tests that count requests or stop the API server start their own. Processes are
//! `control_plane/process.rs`'s part, and know no Kubernetes.

mod process;
mod requests;
mod selftest;

use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::discovery::{self, Scope};
use kube::{Api, Client, Config};
use serde_json::{Value, json};

pub(crate) use process::ControlPlaneProcess;
pub(crate) use requests::ApiserverRequests;

/// How long something may take that the control plane does by itself. The garbage collector alone may
/// need 30 s to learn of a new kind.
const DEADLINE: Duration = Duration::from_secs(90);
/// How often it is looked whether it has happened.
const POLL: Duration = Duration::from_millis(100);

/// A running control plane. It ends when it is dropped; the shared one ends with the test program.
#[derive(Debug)]
pub(crate) struct ControlPlane {
    process: Mutex<ControlPlaneProcess>,
    kubeconfig: Kubeconfig,
    kinds: Mutex<BTreeMap<(String, String), (ApiResource, Scope)>>,
    crds: tokio::sync::OnceCell<bool>,
}

impl ControlPlane {
    /// Starts a control plane for one test. `None`, told loudly, where there can be none; in CI that is
    /// a panic.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with(&[])
    }

    /// As `start`, with arguments for the API server, such as `--request-timeout=5s`.
    pub(crate) fn start_with(apiserver_args: &[&str]) -> Option<Self> {
        match ControlPlaneProcess::start(apiserver_args) {
            Ok(process) => {
                let kubeconfig = Kubeconfig::read_from(process.kubeconfig()).expect("a kubeconfig");
                Some(Self {
                    process: Mutex::new(process),
                    kubeconfig,
                    kinds: Mutex::default(),
                    crds: tokio::sync::OnceCell::new(),
                })
            }
            Err(reason) => {
                left_out("a test on a real control plane", &reason);
                None
            }
        }
    }

    /// The control plane that all tests share which do nothing to it but use namespaces of their own.
    pub(crate) fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<ControlPlane>> = OnceLock::new();
        SHARED.get_or_init(Self::start).as_ref()
    }

    /// Its processes: to stop and start the API server, or for its addresses.
    pub(crate) fn process(&self) -> MutexGuard<'_, ControlPlaneProcess> {
        self.process.lock().expect("no test panicked while it had the process")
    }

    /// A client for `user`: `admin`, `patrol` or `nobody`. It belongs to the calling test's runtime.
    pub(crate) async fn client(&self, user: &str) -> Client {
        let options = KubeConfigOptions { context: Some(user.to_owned()), ..KubeConfigOptions::default() };
        let config = Config::from_custom_kubeconfig(self.kubeconfig.clone(), &options).await;
        Client::try_from(config.expect("a configuration for the user")).expect("a client")
    }

    /// Installs the CRDs of the shared folder, once, and waits until all are served and the controllers
    /// know them. False, told loudly, where there is no shared folder; in CI that is a panic.
    pub(crate) async fn install_crds(&self, admin: &Client) -> bool {
        *self.crds.get_or_init(|| self.install_crds_now(admin)).await
    }

    async fn install_crds_now(&self, admin: &Client) -> bool {
        let folder = shared_folder().join("crds");
        let files = yaml_files(&folder);
        if files.is_empty() {
            left_out("a test that needs CRDs", &format!("`{}` has none (PATROL_SHARED)", folder.display()));
            return false;
        }
        for file in files {
            let text = std::fs::read_to_string(&file).expect("a readable file");
            let documents: Vec<Value> = serde_saphyr::from_multiple(&text)
                .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            for document in documents.iter().filter(|document| document.is_object()) {
                self.create(admin, document).await;
            }
        }
        let crds = self.api(admin, "apiextensions.k8s.io/v1", "CustomResourceDefinition", None).await;
        for crd in crds.list(&ListParams::default()).await.expect("a list of CRDs") {
            let kind = defined_kind(&crd);
            until(&format!("{kind:?} is served"), async || {
                let (resource, _) = discovery::pinned_kind(admin, &kind).await.ok()?;
                let objects = Api::<DynamicObject>::all_with(admin.clone(), &resource);
                objects.list(&ListParams::default().limit(1)).await.ok()
            })
            .await;
        }
        let mut process = self.process();
        if process.has_garbage_collector() {
            process.restart_controllers().expect("controllers that start again");
        }
        true
    }

    /// Creates an object and returns it as the server stored it.
    pub(crate) async fn create(&self, client: &Client, object: &Value) -> DynamicObject {
        self.try_create(client, object).await.unwrap_or_else(|error| panic!("{error}\n{object:#}"))
    }

    /// Creates an object; what the server answers is for the test to judge.
    pub(crate) async fn try_create(&self, client: &Client, object: &Value) -> kube::Result<DynamicObject> {
        let text = |pointer| object.pointer(pointer).and_then(Value::as_str);
        let api_version = text("/apiVersion").expect("an apiVersion");
        let api = self.api(client, api_version, text("/kind").expect("a kind"), text("/metadata/namespace"));
        let object = serde_json::from_value(object.clone()).expect("an object");
        api.await.create(&PostParams::default(), &object).await
    }

    /// The API of a kind that the server serves; all namespaces if none is given. What discovery says of
    /// a kind is kept, so asking again costs no request.
    pub(crate) async fn api(
        &self,
        client: &Client,
        api_version: &str,
        kind: &str,
        namespace: Option<&str>,
    ) -> Api<DynamicObject> {
        let key = (api_version.to_owned(), kind.to_owned());
        let known = self.kinds.lock().expect("no panic while locked").get(&key).cloned();
        let (resource, scope) = if let Some(known) = known {
            known
        } else {
            let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
            let kind = GroupVersionKind::gvk(group, version, kind);
            let (resource, capabilities) = discovery::pinned_kind(client, &kind)
                .await
                .unwrap_or_else(|error| panic!("{kind:?} is not served: {error}"));
            let found = (resource, capabilities.scope);
            self.kinds.lock().expect("no panic while locked").insert(key, found.clone());
            found
        };
        match (scope, namespace) {
            (Scope::Namespaced, Some(namespace)) => {
                Api::namespaced_with(client.clone(), namespace, &resource)
            }
            _ => Api::all_with(client.clone(), &resource),
        }
    }

    /// Creates a namespace.
    pub(crate) async fn create_namespace(&self, admin: &Client, name: &str) {
        self.create(admin, &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}))
            .await;
    }

    /// Lets `user` do in the whole cluster what `rules` say, in a `ClusterRole`'s form.
    pub(crate) async fn grant(&self, admin: &Client, user: &str, role: &str, rules: &Value) {
        let rbac = "rbac.authorization.k8s.io";
        let version = format!("{rbac}/v1");
        let cluster_role = json!({
            "apiVersion": version, "kind": "ClusterRole", "metadata": {"name": role}, "rules": rules,
        });
        let binding = json!({
            "apiVersion": version, "kind": "ClusterRoleBinding", "metadata": {"name": role},
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": role},
            "subjects": [{"apiGroup": rbac, "kind": "User", "name": user}],
        });
        self.create(admin, &cluster_role).await;
        self.create(admin, &binding).await;
    }

    /// What the API server counted since it was started. The requests of all clients are in it, those of
    /// the controllers too, so tests compare two counts of the kinds that only they use.
    pub(crate) async fn apiserver_requests_total(&self, admin: &Client) -> ApiserverRequests {
        let request = http::Request::get("/metrics").body(Vec::new()).expect("a request");
        let text = admin.request_text(request).await.expect("the API server's metrics");
        ApiserverRequests::parse(&text)
    }
}

/// Asks `happened` until it gives something, and panics with `what` when it does not within `DEADLINE`.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(what: &str, happened: impl Fn() -> F) -> T {
    let start = Instant::now();
    loop {
        if let Some(result) = happened().await {
            return result;
        }
        assert!(start.elapsed() < DEADLINE, "not within {DEADLINE:?}: {what}");
        tokio::time::sleep(POLL).await;
    }
}

/// Says that something is not tested on this machine, and why; CI may not leave anything out.
pub(crate) fn left_out(what: &str, reason: &str) {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "CI leaves nothing out, but {what}: {reason}");
    crate::shared::say_aloud(&format!("LEFT OUT: {what}: {reason}"));
}

/// The shared data: `PATROL_SHARED`, or `../shared` beside the package.
fn shared_folder() -> PathBuf {
    std::env::var_os("PATROL_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from)
}

fn yaml_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("a folder entry").path();
        if path.is_dir() {
            files.extend(yaml_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// The kind that a CRD defines, in the first version that is served.
fn defined_kind(crd: &DynamicObject) -> GroupVersionKind {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).expect("a text").to_owned();
    let versions = crd.data.pointer("/spec/versions").and_then(Value::as_array).expect("versions");
    let served = versions.iter().find(|version| version.get("served") == Some(&json!(true)));
    GroupVersionKind {
        group: text(crd.data.pointer("/spec/group")),
        version: text(served.and_then(|version| version.get("name"))),
        kind: text(crd.data.pointer("/spec/names/kind")),
    }
}
