//! The API server as judge of dry patches: a MutatingAdmissionPolicy is bound in one namespace, an object is created there in a dry run, and
//! what comes back must be what the policy's evaluator makes of the same object.
//!
//! Server and evaluator start from the object with its defaults, as an unbound namespace gives it; ours goes through that namespace once more,
//! so that the server fills in the defaults of what was patched in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kube::Client;
use kube::api::PostParams;
use patrol::document::Document;
use patrol::fingerprint;
use patrol::lang::{Companions, Evaluation, Inputs, Request, compile};
use patrol::model::{FactKey, FactValue, Outcome, PolicyKey, PolicyKind, ResourceId, ResourceKey, Status};
use patrol::policy::{CompanionSource, PolicyRole, PolicySource};
use serde_json::{Value, json};

use super::control_plane::{ControlPlane, until};

const BOUND: &str = "mutations-bound";
const FREE: &str = "mutations-free";
const API: &str = "admissionregistration.k8s.io/v1";

/// An object, and mutations of it.
struct Case {
    name: String,
    object: Value,
    mutations: Vec<Value>,
    /// Further fields of the policy's spec.
    spec: Value,
}

fn cases() -> Vec<Case> {
    let text = include_str!("mutations/cases.txt");
    let mut cases = Vec::new();
    let mut objects: BTreeMap<&str, Value> = BTreeMap::new();
    for (at, block) in text.split("\n\n").enumerate() {
        let (head, body) = block.trim().split_once('\n').unwrap_or((block.trim(), ""));
        let mut words = head.split(' ');
        match (words.next().unwrap_or_default(), words.next().unwrap_or_default()) {
            ("object", name) => {
                objects.insert(name, serde_saphyr::from_str(body).expect("an object"));
            }
            ("#", _) => {}
            (kinds, object) => {
                let kinds = kinds.split('+');
                let mutations = kinds.zip(body.split("\n---\n")).map(|(kind, expression)| match kind {
                    "patch" => json!({"patchType": "JSONPatch", "jsonPatch": {"expression": expression}}),
                    "apply" => json!({"patchType": "ApplyConfiguration",
                        "applyConfiguration": {"expression": expression}}),
                    other => panic!("{other}"),
                });
                let spec = words.collect::<Vec<_>>().join(" ");
                let spec =
                    if spec.is_empty() { json!({}) } else { serde_saphyr::from_str(&spec).expect("YAML") };
                let mut object = objects[object].clone();
                let name = format!("case-{at}");
                object["metadata"]["name"] = json!(name);
                object["metadata"]["labels"]["case"] = json!(name);
                cases.push(Case { name, object, mutations: mutations.collect(), spec });
            }
        }
    }
    cases
}

impl Case {
    fn policy(&self) -> Value {
        let mut spec = json!({
            "matchConstraints": {
                "objectSelector": {"matchLabels": {"case": self.name}},
                "resourceRules": [{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["CREATE"],
                    "resources": ["*"]}],
            },
            "failurePolicy": "Fail", "reinvocationPolicy": "Never", "mutations": self.mutations,
        });
        for (key, value) in self.spec.as_object().into_iter().flatten().filter(|(key, _)| *key != "paramRef")
        {
            spec[key] = value.clone();
        }
        json!({"apiVersion": API, "kind": "MutatingAdmissionPolicy", "metadata": {"name": self.name}, "spec": spec})
    }

    fn binding(&self) -> Value {
        let selector = json!({"matchLabels": {"kubernetes.io/metadata.name": BOUND}});
        let mut spec = json!({"policyName": self.name, "matchResources": {"namespaceSelector": selector}});
        if let Some(reference) = self.spec.get("paramRef") {
            spec["paramRef"] = reference.clone();
        }
        let kind = "MutatingAdmissionPolicyBinding";
        json!({"apiVersion": API, "kind": kind, "metadata": {"name": self.name}, "spec": spec})
    }
}

/// A dry run: the object that would be created, or the server's words.
async fn create(
    plane: &ControlPlane,
    admin: &Client,
    object: &Value,
    namespace: &str,
) -> Result<Value, String> {
    let mut object = object.clone();
    object["metadata"]["namespace"] = json!(namespace);
    // A server works out the status anew, and keeps some of one that it is given.
    object.as_object_mut().expect("an object").remove("status");
    let text = |key: &str| object[key].as_str().expect("a text").to_owned();
    let api = plane.api(admin, &text("apiVersion"), &text("kind"), Some(namespace)).await;
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    let object = serde_json::from_value(object).expect("an object");
    match api.create(&dry, &object).await {
        Ok(created) => Ok(without_identity(serde_json::to_value(&created).expect("an object"))),
        Err(kube::Error::Api(status)) => Err(status.message.clone()),
        Err(error) => panic!("{error}"),
    }
}

/// An object without what differs from one creation to the next.
fn without_identity(mut object: Value) -> Value {
    let metadata = object["metadata"].as_object_mut().expect("metadata");
    for field in ["uid", "creationTimestamp", "managedFields", "resourceVersion", "generation", "namespace"] {
        metadata.remove(field);
    }
    object
}

/// What the evaluator says of the object, and what it makes of it.
async fn judged(
    plane: &ControlPlane,
    admin: &Client,
    case: &Case,
    object: &Value,
) -> (Vec<Outcome>, Option<Value>) {
    let document =
        |value: &Value| Arc::new(Document::from_json(value.to_string().as_bytes()).expect("a document"));
    let kind = PolicyKind::MutatingAdmissionPolicy;
    let key = PolicyKey { kind, namespace: String::new(), name: case.name.clone() };
    let source = PolicySource { key, document: document(&case.policy()), origin: "test".to_owned() };
    let binding = CompanionSource {
        role: PolicyRole::Binding(kind),
        namespace: String::new(),
        name: case.name.clone(),
        document: document(&case.binding()),
        origin: "test".to_owned(),
    };
    let compiled = compile(&source, &Companions { sources: &[&binding] });
    let mut object = object.clone();
    object["metadata"]["namespace"] = json!(BOUND);
    let text = |key: &str| object[key].as_str().expect("a text").to_owned();
    let api_version = text("apiVersion");
    let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
    let key = ResourceKey {
        group: group.to_owned(),
        kind: text("kind"),
        namespace: BOUND.to_owned(),
        name: case.name.clone(),
    };
    let id = ResourceId { key, version: version.to_owned(), uid: String::new() };
    let (object, request) = (document(&object), Request::scan());
    let mut facts = BTreeMap::new();
    loop {
        let inputs = Inputs::new(&id, &object, &request, &facts, jiff::Timestamp::UNIX_EPOCH);
        let keys = match compiled.evaluator.evaluate(&inputs) {
            Evaluation::Done(outcomes) => {
                return (outcomes, compiled.evaluator.patched(&inputs).map(without_identity));
            }
            Evaluation::Needs(keys) => keys,
        };
        for key in keys {
            let (kind, namespace, name, is_labels) = match &key {
                FactKey::Namespace(name) => ("Namespace", "", name, false),
                FactKey::NamespaceLabels(name) => ("Namespace", "", name, true),
                FactKey::Objects { kind, namespace, name, .. } => {
                    (kind.as_str(), namespace.as_str(), name, false)
                }
                other => panic!("{other:?}"),
            };
            let api = plane.api(admin, "v1", kind, Some(namespace)).await;
            let found = api.get_opt(name).await.expect("an answer");
            let value = found.map_or(FactValue::Missing, |found| {
                let found = serde_json::to_value(found).expect("an object");
                let found = if is_labels { &found["metadata"]["labels"] } else { &found };
                FactValue::Found(Document::clone(&document(found)))
            });
            facts.insert(key, Arc::new(fingerprint::fact(value)));
        }
    }
}

/// What is different about a case; nothing if server and evaluator agree.
async fn difference(plane: &ControlPlane, admin: &Client, case: &Case) -> Option<String> {
    let plain = create(plane, admin, &case.object, FREE).await.expect("an object that needs no patch");
    let (outcomes, patched) = judged(plane, admin, case, &plain).await;
    let theirs = create(plane, admin, &case.object, BOUND).await;
    let [outcome] = outcomes.as_slice() else { return Some(format!("{outcomes:?}")) };
    let told = format!("{}: {}", outcome.status.as_str(), outcome.message);
    match (outcome.status, patched, theirs) {
        (Status::Error, _, Err(theirs)) if theirs.ends_with(&outcome.message) => None,
        // Of a literal that it does not understand the server tells what that looks like in its memory.
        (Status::Error, _, Err(theirs))
            if outcome.message.ends_with("only Object types may be nested")
                && theirs.contains("failed to convert patch object to typed object") =>
        {
            None
        }
        (Status::Pass | Status::Fail, Some(patched), theirs) => {
            let is_changed = patched != plain;
            let ours = create(plane, admin, &patched, FREE).await;
            match (ours, theirs) {
                _ if is_changed != (outcome.status == Status::Fail) => {
                    Some(format!("{told}\n{patched}\n{plain}"))
                }
                (Ok(ours), Ok(theirs)) if ours == theirs => None,
                // The patched object is not valid, with and without us.
                (Err(_), Err(theirs)) if !theirs.contains("denied request") => None,
                (Ok(ours), Ok(theirs)) => {
                    let mut places = Vec::new();
                    compare("", &ours, &theirs, &mut places);
                    Some(format!("{told}\n{}", places.join("\n")))
                }
                (ours, theirs) => Some(format!("{told}\n  ours: {ours:?}\ntheirs: {theirs:?}")),
            }
        }
        (_, _, theirs) => Some(format!("{told}\ntheirs: {theirs:?}")),
    }
}

/// The places where two objects differ.
fn compare(path: &str, ours: &Value, theirs: &Value, places: &mut Vec<String>) {
    let mut below = |step: &str, ours: Option<&Value>, theirs: Option<&Value>| {
        let null = Value::Null;
        compare(&format!("{path}/{step}"), ours.unwrap_or(&null), theirs.unwrap_or(&null), places);
    };
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for name in names {
                below(name, a.get(name), b.get(name));
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            for at in 0..a.len().max(b.len()) {
                below(&at.to_string(), a.get(at), b.get(at));
            }
        }
        (a, b) if a != b => places.push(format!("{path}: {a}, the server has {b}")),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dry_patches_give_the_objects_that_the_api_server_makes() {
    let Some(plane) = ControlPlane::shared() else { return };
    let admin = plane.client("admin").await;
    for namespace in [BOUND, FREE] {
        plane.create_namespace(&admin, namespace).await;
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": "default", "namespace": namespace}});
        let _ = plane.try_create(&admin, &account).await;
    }
    let settings = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "settings", "namespace": BOUND}, "data": {"tier": "gold"}});
    plane.create(&admin, &settings).await;
    let cases = cases();
    let mut refused = Vec::new();
    for case in &cases {
        match plane.try_create(&admin, &case.policy()).await {
            Ok(_) => drop(plane.create(&admin, &case.binding()).await),
            Err(kube::Error::Api(status)) => refused.push((case, status.message.clone())),
            Err(error) => panic!("{}: {error}", case.name),
        }
    }
    // The last policy is seen by the server when all are.
    let last = cases.iter().rev().find(|case| !refused.iter().any(|(refused, _)| refused.name == case.name));
    let last = last.expect("a case");
    until("the policies work", async || {
        let made = create(plane, &admin, &last.object, BOUND).await.ok()?;
        made["metadata"]["annotations"]["last"].as_str().map(drop)
    })
    .await;
    let mut differences = Vec::new();
    for case in &cases {
        let found = match refused.iter().find(|(refused, _)| refused.name == case.name) {
            None => difference(plane, &admin, case).await,
            Some((_, theirs)) => {
                let (outcomes, _) = judged(plane, &admin, case, &case.object).await;
                let is_invalid = |outcome: &Outcome| outcome.message.starts_with("the policy is not valid");
                (!outcomes.iter().all(is_invalid)).then(|| format!("{outcomes:?}\ntheirs: refused: {theirs}"))
            }
        };
        let expressions = case.mutations.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
        differences.extend(found.map(|found| format!("{} {expressions}\n{found}\n", case.name)));
    }
    assert!(cases.len() >= 60, "{} cases", cases.len());
    assert!(differences.is_empty(), "{} of {}:\n{}", differences.len(), cases.len(), differences.join("\n"));
}
