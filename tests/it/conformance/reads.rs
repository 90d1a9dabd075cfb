//! What a verdict did not read does not change it: everybody's policies on everybody's resources, each pair once as it is and again with all
//! parts that it did not look at, of the resource and of what it looked up, taken away or filled with something else.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use patrol::casework::TEST_FILE;
use patrol::catalog::{Catalog, CatalogSettings, CompiledPolicy};
use patrol::document::{Document, Part, Parts};
use patrol::fingerprint;
use patrol::folder::{self, Loaded};
use patrol::inventory::Scopes;
use patrol::lang::{Evaluation, Inputs, Request};
use patrol::model::{Fact, FactKey, FactValue, Gvk, Outcome, PolicyKey};
use patrol::policy::{CompanionSource, PolicyRole, PolicySource, role_of};
use serde_json::{Map, Value, json};

use crate::shared;

const ROUNDS_MAX: usize = 20;
const FAULTS_SHOWN: usize = 20;

type Facts = BTreeMap<FactKey, Arc<Fact>>;

/// Policies, and what they are judged on.
struct Case {
    policies: Vec<Arc<CompiledPolicy>>,
    resources: Vec<Loaded>,
}

/// How an unread part is changed.
#[derive(Clone, Copy, Debug)]
enum Change {
    Remove,
    Fill,
}

/// What a run of a pair said, and what it read.
struct Run {
    outcomes: Vec<Outcome>,
    parts: Parts,
    facts: Vec<(FactKey, Parts)>,
    is_volatile: bool,
}

fn load(folder: &Path) -> Case {
    let (mut sources, mut companions, mut resources) = (Vec::new(), Vec::new(), Vec::new());
    for loaded in folder::load(&folder::read(&[folder]), &mut Scopes::builtin(), &mut Vec::new()) {
        let (document, origin) = (Arc::clone(&loaded.document), loaded.origin.to_string());
        let key = &loaded.id.key;
        let (namespace, name) = (key.namespace.clone(), key.name.clone());
        let gvk =
            Gvk { group: key.group.clone(), version: loaded.id.version.clone(), kind: key.kind.clone() };
        match role_of(&gvk) {
            Some(PolicyRole::Policy(kind)) => {
                sources.push(PolicySource { key: PolicyKey { kind, namespace, name }, document, origin });
            }
            Some(role) => companions.push(CompanionSource { role, namespace, name, document, origin }),
            None => resources.push(loaded),
        }
    }
    let catalog = Catalog::build(sources, &companions, &CatalogSettings::default());
    Case { policies: catalog.policies, resources }
}

/// An object that a look-up finds.
fn object(api_version: &str, kind: &str, namespace: &str, name: &str) -> Value {
    json!({
        "apiVersion": api_version, "kind": kind,
        "metadata": {
            "name": name, "namespace": namespace, "uid": "u", "resourceVersion": "1", "labels": {"env": "prod"},
            "annotations": {"owner": "red"}, "finalizers": ["example.com/f"],
        },
        "data": {"k": "v", "image": "nginx"}, "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"},
    })
}

fn found(value: &Value) -> FactValue {
    FactValue::Found(document(value))
}

fn document(value: &Value) -> Document {
    Document::from_json(value.to_string().as_bytes()).unwrap()
}

fn look_up(key: &FactKey) -> FactValue {
    match key {
        FactKey::NamespaceLabels(name) => found(&json!({"kubernetes.io/metadata.name": name, "env": "prod"})),
        FactKey::Namespace(name) => found(&object("v1", "Namespace", "", name)),
        FactKey::ConfigMap { namespace, name } => found(&object("v1", "ConfigMap", namespace, name)),
        FactKey::Objects { group, version, kind, namespace, name, .. } => {
            let one = object(&format!("{group}/{version}"), kind, namespace, name);
            found(&if name.is_empty() { json!({"kind": "List", "items": [one]}) } else { one })
        }
        FactKey::ApiCall { path, .. } => match path.rsplit('/').next() {
            Some(name) if path.contains("/namespaces/") => found(&object("v1", "Thing", "n", name)),
            _ => found(&json!({"kind": "List", "items": [object("v1", "Thing", "n", "a")]})),
        },
        FactKey::GlobalContext { .. } => {
            found(&json!({"env": ["prod"], "spec": {"n": 1}, "metadata": "text"}))
        }
        _ => FactValue::Failed { message: "offline".to_owned(), is_transient: false },
    }
}

/// One run with the facts that are there; those that are missing are looked up and added.
fn run(policy: &CompiledPolicy, resource: &Loaded, object: &Document, facts: &mut Facts) -> Run {
    let request = Request::scan();
    for _ in 0..ROUNDS_MAX {
        let now = Timestamp::from_second(1_780_000_000).unwrap();
        let inputs = Inputs::new(&resource.id, object, &request, facts, now);
        match policy.evaluator.evaluate(&inputs) {
            Evaluation::Done(outcomes) => {
                let facts = inputs.facts_read().map(|(key, _, parts)| (key.clone(), parts)).collect();
                let is_volatile = inputs.volatility().is_some();
                return Run { outcomes, parts: inputs.parts_read(), facts, is_volatile };
            }
            Evaluation::Needs(keys) => {
                for key in keys {
                    let fact = fingerprint::fact(look_up(&key));
                    facts.insert(key, Arc::new(fact));
                }
            }
        }
    }
    panic!("{} does not come to an end on {}", policy.key, resource.id.key);
}

/// The object with all parts changed that are not among these.
fn changed(object: &Document, read: Parts, change: Change) -> Document {
    let mut value = serde_json::to_value(object.root()).unwrap();
    let Some(fields) = value.as_object_mut() else { return object.clone() };
    let noise = json!({"noise": ["one", 2]});
    let change_fields = |fields: &mut Map<String, Value>, part_of: fn(&str) -> Option<Part>, new: &str| {
        let is_unread = |part: Part| !read.contains(part);
        fields.retain(|field, _| part_of(field).is_none_or(|part| read.contains(part)));
        if matches!(change, Change::Fill) {
            let all = ["labels", "annotations", "resourceVersion", "spec", "status", new];
            for field in all.into_iter().filter(|field| part_of(field).is_some_and(is_unread)) {
                let is_own = part_of(field) != part_of(new) || field == new;
                if is_own {
                    fields.insert(field.to_owned(), noise.clone());
                }
            }
        }
    };
    if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
        change_fields(metadata, Part::of_metadata, "finalizers");
    }
    change_fields(fields, Part::of_top_level, "data");
    document(&value)
}

#[derive(Default)]
struct Tally {
    n_pairs: u64,
    n_facts: u64,
    n_outcomes: u64,
    faults: Vec<String>,
}

impl Tally {
    fn judge(&mut self, policy: &CompiledPolicy, resource: &Loaded) {
        let mut facts = Facts::new();
        let first = run(policy, resource, &resource.document, &mut facts);
        self.n_pairs += 1;
        self.n_outcomes += first.outcomes.len() as u64;
        self.n_facts += first.facts.iter().filter(|(_, parts)| *parts != Parts::ALL).count() as u64;
        for change in [Change::Remove, Change::Fill] {
            let object = changed(&resource.document, first.parts, change);
            let mut others = facts.clone();
            for (key, parts) in &first.facts {
                let FactValue::Found(document) = &facts[key].value else { continue };
                let fact = fingerprint::fact(FactValue::Found(changed(document, *parts, change)));
                let (before, after) = (&facts[key].prints, &fact.prints);
                let (before, after) =
                    (fingerprint::over_fact(before, *parts), fingerprint::over_fact(after, *parts));
                assert_eq!(before, after, "{key} with {parts:?}");
                others.insert(key.clone(), Arc::new(fact));
            }
            let again = run(policy, resource, &object, &mut others);
            if again.outcomes != first.outcomes && !first.is_volatile {
                self.faults.push(format!(
                    "{} on {} ({}), {change:?} all but {:?} and {:?}:\n  - {:?}\n  + {:?}",
                    policy.key,
                    resource.id.key,
                    resource.origin,
                    first.parts,
                    first.facts,
                    first.outcomes,
                    again.outcomes
                ));
            }
        }
    }
}

/// The folders below that hold a test.
fn cases(root: &Path) -> Vec<PathBuf> {
    let (mut found, mut open) = (Vec::new(), vec![root.to_owned()]);
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.file_name().is_some_and(|name| name == TEST_FILE) {
                found.push(folder.clone());
            }
        }
    }
    found.sort();
    found
}

#[test]
fn what_a_verdict_did_not_read_does_not_change_it() {
    let Some(corpus) = shared::folder("corpus") else { return };
    let mut tally = Tally::default();
    let everybody = load(&corpus.join("cross"));
    let mut all = vec![everybody];
    all.extend(cases(&corpus.join("kyverno-cli")).iter().map(|folder| load(folder)));
    for case in &all {
        for policy in &case.policies {
            for resource in case.resources.iter().filter(|resource| policy.selection.selects(&resource.id)) {
                tally.judge(policy, resource);
            }
        }
    }
    println!("{} pairs, {} outcomes, {} facts read in part", tally.n_pairs, tally.n_outcomes, tally.n_facts);
    let shown = &tally.faults[..tally.faults.len().min(FAULTS_SHOWN)];
    assert!(shown.is_empty(), "{} faults:\n{}", tally.faults.len(), shown.join("\n"));
    assert!(
        tally.n_pairs > 50_000 && tally.n_outcomes > 30_000 && tally.n_facts > 100,
        "too little was judged"
    );
}
