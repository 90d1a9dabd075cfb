//! The API server as judge of ValidatingAdmissionPolicies: what it refuses, with which message, is what Patrol
//! says of the same object, for the policies of the shared corpora and for ours (`judge/policies.yaml`).
//!
//! Each policy is installed alone, with Deny bindings; each resource is sent as a dry-run create. Patrol judges
//! the object that a dry run returned before there was any policy, so defaults are in it, as a request of the
//! same user, and asks the same API server for parameters and namespaces. `judge/refused.txt` holds expressions that the server does not take.

mod cases;
mod refusals;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use kube::Client;
use kube::api::{DeleteParams, PostParams};
use patrol::cluster::ClusterSource;
use patrol::document::Document;
use patrol::fingerprint;
use patrol::inventory::{Scopes, Source, identify};
use patrol::lang::{Companions, Evaluation, Evaluator, Inputs, Request, compile};
use patrol::model::{Fact, FactKey, Gvk, Outcome, PolicyKey, PolicyKind, ResourceId, Status};
use patrol::policy::{CompanionSource, PolicyRole, PolicySource};
use serde_json::{Value, json};

use self::cases::{Case, Policy, name_of};
use super::control_plane::{ControlPlane, until};
use super::world::{connect, quick};

/// How often Patrol may ask for further facts.
const ROUNDS_MAX: usize = 10;

/// What a judge says of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    Accepted,
    /// By the binding of that name, empty for the policy as a whole, with the message.
    Refused(String, String),
}

/// Kinds that are served in another version or group too, of which a rule may be: the object is then converted to it.
const OTHER_FORMS: [(&str, &str, &str); 3] = [
    ("HorizontalPodAutoscaler", "autoscaling/v2", "autoscaling/v1"),
    ("Event", "v1", "events.k8s.io/v1"),
    ("Event", "events.k8s.io/v1", "v1"),
];

/// An object with what the API server makes of it.
#[derive(Debug)]
struct Subject {
    sent: Value,
    /// The object as it would be stored, in the version that was sent, then in others.
    forms: Vec<(ResourceId, Document)>,
}

/// The API server, and what it was told.
struct Judge {
    plane: ControlPlane,
    admin: Client,
    source: ClusterSource,
    /// Kinds of our own.
    scopes: Scopes,
    /// Who sends all that is judged, as policies see it.
    user: Arc<Document>,
    n_markers: std::cell::Cell<usize>,
}

impl Judge {
    /// Starts a control plane of its own: policies of others would have a say.
    async fn start() -> Option<Self> {
        let plane = ControlPlane::start()?;
        let admin = plane.client("admin").await;
        let kubeconfig = std::fs::read_to_string(plane.process().kubeconfig()).expect("a kubeconfig");
        let source = ClusterSource::new(connect(&kubeconfig, "admin", quick()).await);
        let user = Arc::new(whoami(&admin).await);
        let (scopes, n_markers) = (Scopes::builtin(), std::cell::Cell::new(0));
        Some(Self { plane, admin, source, scopes, user, n_markers })
    }

    /// Creates an object, waiting until its kind is served.
    async fn create(&self, object: &Value) {
        let (api_version, kind) = (cases::text(object, "/apiVersion"), cases::text(object, "/kind"));
        until(&format!("{kind} is served"), async || {
            let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
            let kind = kube::api::GroupVersionKind::gvk(group, version, kind);
            kube::discovery::pinned_kind(&self.admin, &kind).await.ok()
        })
        .await;
        match self.plane.try_create(&self.admin, object).await {
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            result => drop(result.unwrap_or_else(|error| panic!("{error}\n{object:#}"))),
        }
    }

    async fn delete(&self, kind: &str, name: &str) {
        let api = self.plane.api(&self.admin, cases::ADMISSION, kind, None).await;
        api.delete(name, &DeleteParams::default()).await.expect("a deletion");
    }

    /// What the API server says to the creation of an object.
    async fn dry_run(&self, object: &Value) -> kube::Result<Value> {
        let (api_version, kind) = (cases::text(object, "/apiVersion"), cases::text(object, "/kind"));
        let namespace = object.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or("default");
        let api = self.plane.api(&self.admin, api_version, kind, Some(namespace)).await;
        let object = serde_json::from_value(object.clone()).expect("an object");
        let params = PostParams { dry_run: true, ..PostParams::default() };
        api.create(&params, &object).await.map(|created| serde_json::to_value(created).expect("JSON"))
    }

    /// The objects as they would be stored, while no policy says no.
    async fn subjects(&self, objects: &[Value]) -> Vec<Subject> {
        let mut subjects = Vec::new();
        for sent in objects {
            let admitted = match self.dry_run(sent).await {
                Err(kube::Error::Api(status)) if status.code == 409 => continue,
                admitted => admitted.unwrap_or_else(|error| panic!("{error}\n{sent:#}")),
            };
            let mut forms = vec![admitted];
            for (kind, from, to) in OTHER_FORMS {
                if sent["kind"] == kind && sent["apiVersion"] == from {
                    forms.push(self.converted(sent, to).await);
                }
            }
            let identified = |form: &Value| {
                let form = Document::from_json(form.to_string().as_bytes()).expect("a document");
                (identify(&form, &self.scopes).expect("an identity"), form)
            };
            let forms = forms.iter().map(identified).collect();
            subjects.push(Subject { sent: sent.clone(), forms });
        }
        subjects
    }

    /// The object in another version; for that it is there for a moment.
    async fn converted(&self, object: &Value, api_version: &str) -> Value {
        self.create(object).await;
        let (kind, namespace) = (cases::text(object, "/kind"), cases::text(object, "/metadata/namespace"));
        let api = self.plane.api(&self.admin, api_version, kind, Some(namespace)).await;
        let converted = api.get(name_of(object)).await.expect("the object");
        api.delete(name_of(object), &DeleteParams::default()).await.expect("a deletion");
        serde_json::to_value(converted).expect("JSON")
    }

    /// Installs a policy and waits until the API server asks it: a marker policy that came after it does.
    async fn install(&self, policy: &Policy) {
        self.create(&policy.object).await;
        for binding in &policy.bindings {
            self.create(binding).await;
        }
        let n_marker = self.n_markers.get();
        self.n_markers.set(n_marker + 1);
        let name = format!("judge-marker-{n_marker}");
        let [marker, binding] = cases::marker(&name);
        self.create(&marker).await;
        self.create(&binding).await;
        until(&format!("{} is active", policy.name()), async || {
            self.warnings_about(&name).await.contains(&name).then_some(())
        })
        .await;
        self.delete(cases::POLICY, &name).await;
        self.delete(cases::BINDING, &name).await;
    }

    async fn remove(&self, policy: &Policy) {
        for binding in &policy.bindings {
            self.delete(cases::BINDING, name_of(binding)).await;
        }
        self.delete(cases::POLICY, policy.name()).await;
    }

    /// The warnings with which the API server answers a dry-run create of the marker's object.
    async fn warnings_about(&self, name: &str) -> String {
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
        let request = http::Request::post("/api/v1/namespaces/default/configmaps?dryRun=All")
            .header("content-type", "application/json")
            .body(kube::client::Body::from(object.to_string().into_bytes()))
            .expect("a request");
        let response = self.admin.send(request).await.expect("an answer");
        let warnings = response.headers().get_all("warning").iter();
        warnings.filter_map(|warning| warning.to_str().ok()).collect::<Vec<_>>().join("\n")
    }

    /// What the API server says of an object.
    async fn verdict(&self, subject: &Subject) -> Verdict {
        let status = match self.dry_run(&subject.sent).await {
            Ok(_) => return Verdict::Accepted,
            Err(kube::Error::Api(status)) => status,
            Err(error) => panic!("{error}"),
        };
        let told = status.message.split_once(": ValidatingAdmissionPolicy '").map(|(_, rest)| rest);
        let (who, message) = told
            .and_then(|told| told.split_once(" denied request: "))
            .unwrap_or_else(|| panic!("refused by another: {}", status.message));
        let binding = who.split_once("with binding '").map_or("", |(_, rest)| rest.trim_end_matches('\''));
        Verdict::Refused(binding.to_owned(), message.to_owned())
    }

    /// What Patrol says of an object.
    async fn outcomes(&self, policy: &Policy, subject: &Subject) -> Vec<Outcome> {
        let document = |object: &Value| {
            Arc::new(Document::from_json(object.to_string().as_bytes()).expect("a document"))
        };
        let kind = PolicyKind::ValidatingAdmissionPolicy;
        let key = PolicyKey { kind, namespace: String::new(), name: policy.name().to_owned() };
        let source = PolicySource { key, document: document(&policy.object), origin: String::new() };
        let bindings = policy.bindings.iter().map(|binding| CompanionSource {
            role: PolicyRole::Binding(kind),
            namespace: String::new(),
            name: name_of(binding).to_owned(),
            document: document(binding),
            origin: String::new(),
        });
        let bindings: Vec<CompanionSource> = bindings.collect();
        let bindings: Vec<&CompanionSource> = bindings.iter().collect();
        let compiled = compile(&source, &Companions { sources: &bindings });
        let served: Vec<Gvk> = subject.forms.iter().map(|(id, _)| id.gvk()).collect();
        let mut outcomes = Vec::new();
        for position in compiled.selection.forms(&served) {
            let (id, form) = &subject.forms[position];
            outcomes.extend(self.evaluate(&*compiled.evaluator, id, form).await);
        }
        outcomes
    }

    async fn evaluate(&self, evaluator: &dyn Evaluator, id: &ResourceId, object: &Document) -> Vec<Outcome> {
        let request = Request { user: Some(self.user.clone()), ..Request::scan() };
        let mut facts: BTreeMap<FactKey, Arc<Fact>> = BTreeMap::new();
        for _ in 0..ROUNDS_MAX {
            let inputs = Inputs::new(id, object, &request, &facts, Timestamp::UNIX_EPOCH);
            let needs = match evaluator.evaluate(&inputs) {
                Evaluation::Done(outcomes) => return outcomes,
                Evaluation::Needs(needs) => needs,
            };
            for key in needs {
                let value = self.source.fact(&key).await;
                facts.insert(key, Arc::new(fingerprint::fact(value)));
            }
        }
        panic!("the evaluation of {} does not come to an end", id.key);
    }
}

/// The user of a client, in the shape in which a request holds it.
async fn whoami(client: &Client) -> Document {
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let request = http::Request::post("/apis/authentication.k8s.io/v1/selfsubjectreviews")
        .header("content-type", "application/json")
        .body(review.to_string().into_bytes())
        .expect("a request");
    let review: Value = client.request(request).await.expect("a review");
    let user = json!({"userInfo": review["status"]["userInfo"]});
    Document::from_json(user.to_string().as_bytes()).expect("a document")
}

/// Whether a request in the version in which the subject is sent asks the policy. One that is `Exact` about another
/// version is asked by requests in that version alone, while a scan judges each object in the version that the
/// policy names.
fn is_asked(policy: &Policy, subject: &Subject) -> bool {
    let constraints = &policy.object["spec"]["matchConstraints"];
    let is_exact = constraints["matchPolicy"] == "Exact" && subject.forms.len() > 1;
    let sent = subject.forms[0].0.gvk();
    let names = |rule: &Value, field: &str, wanted: &str| {
        let mut names = rule[field].as_array().into_iter().flatten();
        names.any(|name| name == "*" || name == wanted)
    };
    let mut rules = constraints["resourceRules"].as_array().into_iter().flatten();
    !is_exact
        || rules
            .any(|rule| names(rule, "apiVersions", &sent.version) && names(rule, "apiGroups", &sent.group))
}

/// What an outcome does at admission; an error counts as the policy says.
fn denies(policy: &Policy, outcome: &Outcome) -> bool {
    let ignores = policy.object.pointer("/spec/failurePolicy") == Some(&json!("Ignore"));
    match outcome.status {
        Status::Fail => true,
        Status::Error => !ignores,
        _ => false,
    }
}

/// Whether both judges say the same: of several denials the API server tells one.
fn agree(policy: &Policy, verdict: &Verdict, outcomes: &[Outcome]) -> bool {
    let mut denials = outcomes.iter().filter(|outcome| denies(policy, outcome));
    match verdict {
        Verdict::Accepted => denials.next().is_none(),
        Verdict::Refused(binding, message) => denials.any(|denial| {
            let of_binding = denial.properties.get("binding").map_or("", String::as_str);
            of_binding == binding && denial.message == *message
        }),
    }
}

/// Compares the judges on all subjects; what differs.
async fn compare(judge: &Judge, policy: &Policy, subjects: &[&Subject]) -> Vec<String> {
    let (mut n_refused, mut n_errors, mut differing) = (0, 0, Vec::new());
    for subject in subjects {
        let verdict = judge.verdict(subject).await;
        let outcomes = judge.outcomes(policy, subject).await;
        n_refused += usize::from(verdict != Verdict::Accepted);
        n_errors += usize::from(outcomes.iter().any(|outcome| outcome.status == Status::Error));
        if !agree(policy, &verdict, &outcomes) {
            let told: Vec<_> =
                outcomes.iter().map(|o| (o.properties.get("binding"), o.status, &o.message)).collect();
            let key = &subject.forms[0].0.key;
            differing.push(format!(
                "{} on {} {}/{}: the API server says {verdict:?}\n    Patrol says {told:?}",
                policy.name(),
                key.kind,
                key.namespace,
                key.name
            ));
        }
    }
    let n_subjects = subjects.len();
    println!("{:<44} {n_subjects:>9} {n_refused:>9} {n_errors:>9} {:>9}", policy.name(), differing.len());
    differing
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_api_server_and_patrol_judge_alike() {
    let corpora = cases::of_corpora();
    let Some(judge) = Judge::start().await else { return };
    let own = cases::own();
    for case in corpora.iter().chain([&own]) {
        for object in &case.world {
            judge.create(object).await;
        }
    }
    let pool = judge.subjects(&own.resources).await;
    let mut of_case = Vec::new();
    for case in &corpora {
        of_case.push(judge.subjects(&case.resources).await);
    }
    let none = Vec::new();
    let all: Vec<(&Case, &Vec<Subject>)> = corpora.iter().zip(&of_case).chain([(&own, &none)]).collect();
    for keeper in cases::keepers(all.iter().flat_map(|(case, _)| &case.policies)) {
        judge.install(&keeper).await;
        let object = cases::kept_by(&keeper);
        until("its parameters are known", async || {
            let status = judge.dry_run(&object).await.err()?;
            status.to_string().contains(cases::READY).then_some(())
        })
        .await;
    }

    println!("{:<44} {:>9} {:>9} {:>9} {:>9}", "policy", "resources", "refused", "errors", "differing");
    let (mut n_policies, mut n_compared, mut differing) = (0, 0, Vec::new());
    for (case, subjects) in all {
        for policy in &case.policies {
            judge.install(policy).await;
            let subjects: Vec<&Subject> =
                subjects.iter().chain(&pool).filter(|subject| is_asked(policy, subject)).collect();
            n_policies += 1;
            n_compared += subjects.len();
            differing.extend(compare(&judge, policy, &subjects).await);
            judge.remove(policy).await;
        }
    }
    println!("{n_policies} policies, {n_compared} pairs compared, {} differ", differing.len());
    assert!(differing.is_empty(), "{}", differing.join("\n"));
    assert!(n_policies >= 100 && n_compared >= 2_000, "{n_policies} policies, {n_compared} pairs");
}
