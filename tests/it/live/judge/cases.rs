//! What is judged: policies with their bindings, and the objects that they are asked about. Cases of the shared
//! corpora are read as far as they are about ValidatingAdmissionPolicies, and what the API server demands of
//! policies beyond the reference's command line is filled in.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

pub(super) const ADMISSION: &str = "admissionregistration.k8s.io/v1";
pub(super) const POLICY: &str = "ValidatingAdmissionPolicy";
pub(super) const BINDING: &str = "ValidatingAdmissionPolicyBinding";
/// What a keeper denies with once the API server knows its parameters.
pub(super) const READY: &str = "the parameters are known";

/// A policy with its bindings.
#[derive(Debug)]
pub(super) struct Policy {
    pub(super) object: Value,
    pub(super) bindings: Vec<Value>,
}

impl Policy {
    pub(super) fn name(&self) -> &str {
        name_of(&self.object)
    }
}

/// A world, policies, and the objects that are sent.
#[derive(Debug, Default)]
pub(super) struct Case {
    /// What is created first, and stays.
    pub(super) world: Vec<Value>,
    pub(super) policies: Vec<Policy>,
    pub(super) resources: Vec<Value>,
}

/// The text at a pointer; empty if there is none.
pub(super) fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The name of an object.
pub(super) fn name_of(object: &Value) -> &str {
    text(object, "/metadata/name")
}

fn documents(yaml: &str) -> Vec<Value> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(yaml).expect("YAML");
    documents.into_iter().filter(Value::is_object).collect()
}

/// Our own case.
pub(super) fn own() -> Case {
    let world = documents(include_str!("world.yaml"));
    let resources = documents(include_str!("resources.yaml"));
    Case { world, policies: policies(documents(include_str!("policies.yaml"))), resources }
}

/// The cases of the shared corpora, none where those are absent.
pub(super) fn of_corpora() -> Vec<Case> {
    let mut folders: BTreeSet<PathBuf> = BTreeSet::new();
    for corpus in ["corpus/kyverno-cli", "corpus/chainsaw-reports"] {
        if let Some(root) = crate::shared::folder(corpus) {
            find_policies(&root, &mut folders);
        }
    }
    folders.iter().map(|folder| of_folder(folder)).filter(|case| !case.policies.is_empty()).collect()
}

fn find_policies(folder: &Path, found: &mut BTreeSet<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            find_policies(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "yaml")
            && std::fs::read_to_string(&path).is_ok_and(|text| text.lines().any(is_kind))
        {
            found.insert(folder.to_owned());
        }
    }
}

fn is_kind(line: &str) -> bool {
    line == "kind: ValidatingAdmissionPolicy"
}

/// A case's folder: what is neither a policy nor a part of the test is an object that is sent; a parameter and
/// the namespaces that the objects name are there before.
fn of_folder(folder: &Path) -> Case {
    let mut case = Case::default();
    let mut admission = Vec::new();
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    entries.sort();
    for path in entries {
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_yaml = path.extension().is_some_and(|extension| extension == "yaml");
        if !is_yaml || ["assert", "error", "chainsaw"].iter().any(|word| file.contains(word)) {
            continue;
        }
        for object in documents(&std::fs::read_to_string(&path).expect("a text")) {
            let group = text(&object, "/apiVersion").split('/').next().unwrap_or_default().to_owned();
            match (group.as_str(), text(&object, "/kind")) {
                ("admissionregistration.k8s.io", _) => admission.push(object),
                ("cli.kyverno.io", _) => {}
                (_, "ConfigMap") => case.world.push(in_default(object)),
                _ => case.resources.push(object),
            }
        }
    }
    case.policies = policies(admission);
    let namespaces: BTreeSet<&str> = case
        .resources
        .iter()
        .map(|object| text(object, "/metadata/namespace"))
        .filter(|n| !n.is_empty())
        .collect();
    let missing: Vec<Value> = namespaces
        .into_iter()
        .map(|name| {
            let is_it = |object: &&Value| object["kind"] == "Namespace" && name_of(object) == name;
            let bare = || json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
            case.resources.iter().find(is_it).cloned().unwrap_or_else(bare)
        })
        .collect();
    case.world.splice(0..0, missing);
    case
}

/// The object in the namespace `default` if it names none.
fn in_default(mut object: Value) -> Value {
    if text(&object, "/metadata/namespace").is_empty() {
        object["metadata"]["namespace"] = json!("default");
    }
    object
}

/// Policies with their bindings, completed: all bindings deny, also where there are no parameters, each policy
/// has one, and rules say for which operations they are.
fn policies(objects: Vec<Value>) -> Vec<Policy> {
    let (policies, bindings): (Vec<Value>, Vec<Value>) =
        objects.into_iter().partition(|object| object["kind"] == POLICY);
    let complete = |mut object: Value| {
        let name = name_of(&object).to_owned();
        for rule in object
            .pointer_mut("/spec/matchConstraints/resourceRules")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            if rule.get("operations").is_none() {
                rule["operations"] = json!(["*"]);
            }
        }
        let mut own: Vec<Value> =
            bindings.iter().filter(|binding| text(binding, "/spec/policyName") == name).cloned().collect();
        if own.is_empty() {
            own.push(json!({
                "apiVersion": ADMISSION, "kind": BINDING,
                "metadata": {"name": name}, "spec": {"policyName": name},
            }));
        }
        for binding in &mut own {
            binding["spec"]["validationActions"] = json!(["Deny"]);
            if let Some(reference) = binding.pointer_mut("/spec/paramRef")
                && reference.get("parameterNotFoundAction").is_none()
            {
                reference["parameterNotFoundAction"] = json!("Deny");
            }
        }
        Policy { object, bindings: own }
    };
    policies.into_iter().map(complete).collect()
}

/// A policy about one ConfigMap that only warns, with its binding.
pub(super) fn marker(name: &str) -> [Value; 2] {
    let policy = json!({
        "apiVersion": ADMISSION, "kind": POLICY, "metadata": {"name": name},
        "spec": {
            "matchConstraints": {"resourceRules": [about(name)]},
            "validations": [{"expression": "false", "message": name}],
        },
    });
    let binding = json!({
        "apiVersion": ADMISSION, "kind": BINDING, "metadata": {"name": name},
        "spec": {"policyName": name, "validationActions": ["Warn"]},
    });
    [policy, binding]
}

fn about(name: &str) -> Value {
    json!({
        "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"],
        "resourceNames": [name],
    })
}

/// A policy for each kind of parameter that stays while others come and go: the API server never again learns
/// of parameters of a kind that no binding used for a moment.
pub(super) fn keepers<'p>(policies: impl Iterator<Item = &'p Policy>) -> Vec<Policy> {
    let kinds = policies.filter_map(|policy| policy.object.pointer("/spec/paramKind"));
    let kinds: BTreeMap<String, &Value> = kinds.map(|kind| (kind.to_string(), kind)).collect();
    let keeper = |(at, kind): (usize, &Value)| {
        let name = format!("judge-keeper-{at}");
        let object = json!({
            "apiVersion": ADMISSION, "kind": POLICY, "metadata": {"name": name},
            "spec": {
                "paramKind": kind,
                "matchConstraints": {"resourceRules": [about(&name)]},
                "validations": [{"expression": "params == null", "message": READY}],
            },
        });
        let is_of_cluster = kind["kind"] == "Limit";
        let mut reference = json!({"selector": {}, "parameterNotFoundAction": "Deny"});
        if !is_of_cluster {
            reference["namespace"] = json!("judge-prod");
        }
        let binding = json!({
            "apiVersion": ADMISSION, "kind": BINDING, "metadata": {"name": name},
            "spec": {"policyName": name, "validationActions": ["Deny"], "paramRef": reference},
        });
        Policy { object, bindings: vec![binding] }
    };
    kinds.into_values().enumerate().map(keeper).collect()
}

/// The object that a keeper denies.
pub(super) fn kept_by(keeper: &Policy) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": keeper.name(), "namespace": "default"},
    })
}
