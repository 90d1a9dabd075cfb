//! The shapes of Kubernetes' kinds, as the table of `lang/patch` has them, against what an API server publishes: its OpenAPI v3 documents.
//! With `PATROL_UPDATE=1` the table is written.
//!
//! Upstream: `pkg/schemaconv/openapi.go` of kube-openapi makes structured merge's schema of such a document.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use patrol::lang::patch::KIND_SHAPES;
use serde_json::Value;

use super::control_plane::ControlPlane;

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// The schemas of a server, by their full names.
struct Models {
    by_name: BTreeMap<String, Value>,
    /// The key fields of types whose lists are keyed.
    keys: BTreeMap<String, BTreeSet<String>>,
}

/// The name that a schema refers to.
fn reference(schema: &Value) -> Option<&str> {
    let all_of = schema["allOf"].as_array().filter(|all| all.len() == 1);
    let named = schema["$ref"].as_str().or_else(|| all_of?.first()?["$ref"].as_str())?;
    named.rsplit('/').next()
}

/// `io.k8s.api.core.v1.Pod` as `core.v1.Pod`.
fn short(name: &str) -> String {
    let mut steps: Vec<&str> = name.rsplit('.').take(3).collect();
    steps.reverse();
    steps.join(".")
}

fn relation(schema: &Value) -> &'static str {
    match schema["x-kubernetes-map-type"].as_str() {
        Some("atomic") => "!",
        Some("granular") => "+",
        Some(other) => panic!("map type {other}"),
        None => "",
    }
}

/// The fields that a list is keyed by; an empty list for a set; `None` if it is atomic.
fn list_keys(schema: &Value) -> Option<Vec<String>> {
    let texts = |value: &Value| {
        let items = value.as_array().into_iter().flatten();
        items.map(|item| item.as_str().expect("a field").to_owned()).collect()
    };
    match schema["x-kubernetes-list-type"].as_str() {
        Some("atomic") => None,
        Some("set") => Some(Vec::new()),
        Some("map") => Some(texts(&schema["x-kubernetes-list-map-keys"])),
        Some(other) => panic!("list type {other}"),
        None => match schema["x-kubernetes-patch-strategy"].as_str() {
            Some("merge" | "merge,retainKeys") => {
                Some(schema["x-kubernetes-patch-merge-key"].as_str().map(str::to_owned).into_iter().collect())
            }
            _ => None,
        },
    }
}

impl Models {
    fn new(documents: &[Value]) -> Self {
        let mut models = Self { by_name: BTreeMap::new(), keys: BTreeMap::new() };
        for document in documents {
            let schemas = document["components"]["schemas"].as_object().into_iter().flatten();
            models.by_name.extend(schemas.map(|(name, schema)| (name.clone(), schema.clone())));
        }
        let mut keys = BTreeMap::new();
        models.by_name.values().for_each(|schema| find_keys(schema, &mut keys));
        models.keys = keys;
        models
    }

    /// The shape that a field, item or value has, in the table's notation; the types that it names are added to `used`.
    fn shape(&self, schema: &Value, used: &mut Vec<String>) -> String {
        let Some(name) = reference(schema) else { return self.inline("", schema, used) };
        if name.ends_with("api.resource.Quantity") {
            return "~".to_owned();
        }
        if name.ends_with("runtime.RawExtension") {
            return "%".to_owned();
        }
        let model = &self.by_name[name];
        match model["type"].as_str() {
            None | Some("string" | "integer" | "number" | "boolean") => self.inline(name, model, used),
            Some(_) => {
                used.push(name.to_owned());
                format!("@{}{}", relation(schema), short(name))
            }
        }
    }

    fn inline(&self, name: &str, schema: &Value, used: &mut Vec<String>) -> String {
        match schema["type"].as_str() {
            None => "*".to_owned(),
            Some("integer" | "number") => "#".to_owned(),
            Some("boolean") => "?".to_owned(),
            Some("string") => {
                if matches!(schema["format"].as_str(), None | Some("" | "byte")) { "$" } else { "~" }
                    .to_owned()
            }
            Some("array") => {
                let items = self.shape(&schema["items"], used);
                match list_keys(schema) {
                    None => format!("[{items}]"),
                    Some(keys) if keys.is_empty() => format!("[=:{items}]"),
                    Some(keys) => format!("[{}:{items}]", keys.join(",")),
                }
            }
            Some("object") => self.object(name, schema, used),
            Some(other) => panic!("type {other} in {name}"),
        }
    }

    fn object(&self, name: &str, schema: &Value, used: &mut Vec<String>) -> String {
        let relation = relation(schema);
        let fields = schema["properties"].as_object().filter(|fields| !fields.is_empty());
        let others = match &schema["additionalProperties"] {
            Value::Object(_) => Some(self.shape(&schema["additionalProperties"], used)),
            Value::Bool(true) => Some("*".to_owned()),
            _ => None,
        };
        let Some(fields) = fields else { return format!("{relation}<{}>", others.as_deref().unwrap_or("*")) };
        assert!(others.is_none(), "{name} has declared fields and others");
        let keys = self.keys.get(name);
        let fields = fields.iter().map(|(field, schema)| {
            let default = &schema["default"];
            let is_key = keys.is_some_and(|keys| keys.contains(field)) && !default.is_null();
            let default = if is_key { format!("={default}") } else { String::new() };
            format!("{field}{}{default}", self.shape(schema, used))
        });
        format!("{relation}{{{}}}", fields.collect::<Vec<_>>().join(" "))
    }

    fn table(&self) -> String {
        let mut kinds: Vec<(String, String, String, &str)> = Vec::new();
        for (name, schema) in &self.by_name {
            if reference(&schema["properties"]["metadata"]) != Some(META) {
                continue;
            }
            for gvk in schema["x-kubernetes-group-version-kind"].as_array().into_iter().flatten() {
                let text = |key: &str| gvk[key].as_str().expect("a text").to_owned();
                kinds.push((text("group"), text("version"), text("kind"), name));
            }
        }
        kinds.sort();
        let mut table = String::new();
        let mut open: Vec<String> = kinds.iter().map(|(_, _, _, name)| (*name).to_owned()).collect();
        for (group, version, kind, name) in &kinds {
            let slash = if group.is_empty() { "" } else { "/" };
            writeln!(table, "{group}{slash}{version} {kind} {}", short(name)).expect("a text");
        }
        let mut types: BTreeMap<String, String> = BTreeMap::new();
        while let Some(name) = open.pop() {
            if let Entry::Vacant(place) = types.entry(short(&name)) {
                place.insert(self.inline(&name, &self.by_name[&name], &mut open));
            }
        }
        table.push('\n');
        for (name, shape) in &types {
            writeln!(table, "{name} {shape}").expect("a text");
        }
        table
    }
}

fn find_keys(schema: &Value, keys: &mut BTreeMap<String, BTreeSet<String>>) {
    if schema["type"] == "array"
        && let Some(name) = reference(&schema["items"])
    {
        keys.entry(name.to_owned()).or_default().extend(list_keys(schema).into_iter().flatten());
    }
    match schema {
        Value::Object(fields) => fields.values().for_each(|value| find_keys(value, keys)),
        Value::Array(items) => items.iter().for_each(|item| find_keys(item, keys)),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shapes_of_kinds_are_those_that_the_server_publishes() {
    let Some(plane) = ControlPlane::shared() else { return };
    let admin = plane.client("admin").await;
    let get = async |path: &str| -> Value {
        let request = http::Request::get(path).body(Vec::new()).expect("a request");
        admin.request(request).await.unwrap_or_else(|error| panic!("{path}: {error}"))
    };
    let known: BTreeSet<&str> = KIND_SHAPES.lines().take_while(|line| !line.is_empty()).collect();
    let groups = get("/openapi/v3").await;
    let mut documents = Vec::new();
    for (path, entry) in groups["paths"].as_object().expect("paths") {
        // Other tests define kinds of their own meanwhile.
        let is_ours = path == "api/v1"
            || path.ends_with(".k8s.io/v1")
            || !path.contains('.')
            || path.contains(".k8s.io/");
        let is_defined =
            path.contains("wgpolicyk8s") || path.contains("kyverno") || path.contains("openreports");
        if path.starts_with("api") && is_ours && !is_defined {
            documents.push(get(entry["serverRelativeURL"].as_str().expect("a URL")).await);
        }
    }
    let table = Models::new(&documents).table();
    // A server has alpha and beta versions switched off that the table may know from a development build.
    let served: BTreeSet<&str> = table.lines().take_while(|line| !line.is_empty()).collect();
    if std::env::var("PATROL_UPDATE").as_deref() == Ok("1") {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lang/patch/schema.txt");
        std::fs::write(path, &table).expect("a file that can be written");
        return;
    }
    assert!(served.len() > 40, "{} kinds are served", served.len());
    let unknown: Vec<_> = served.difference(&known).collect();
    assert_eq!(unknown, Vec::<&&str>::new(), "kinds that the table lacks");
    let types: BTreeSet<&str> = KIND_SHAPES.lines().collect();
    let differing: Vec<&str> = table.lines().filter(|line| !types.contains(line)).collect();
    assert_eq!(differing, Vec::<&str>::new(), "types that are different there");
}
