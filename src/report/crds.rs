//! The `CustomResourceDefinition`s of what Patrol writes and reads, for clusters in which nobody else has
//! installed them.
//!
//! Report kinds have the schema of the wire types in `api.rs`, with the fields that other writers of the same
//! API use, and the printer columns of the reference's definitions. Policy kinds keep whatever they are
//! given: what a policy means, and what is wrong with it, is said by `lang/`. The API server's own policy
//! kinds need no definition.

use serde_json::{Map, Value, json};

use super::ReportApi;
use crate::model::{PolicyKind, Severity, Status};

/// Names, scope and versions of a kind to define.
struct Definition<'d> {
    group: &'d str,
    kind: &'d str,
    plural: &'d str,
    short: Option<&'d str>,
    category: Option<&'d str>,
    is_namespaced: bool,
    /// Served versions; the first one is stored.
    versions: &'d [&'d str],
    columns: Value,
    has_status: bool,
    schema: Value,
}

impl Definition<'_> {
    fn to_object(&self) -> Value {
        let Self { group, kind, plural, .. } = self;
        let mut names = Map::from_iter([
            ("kind".to_owned(), json!(kind)),
            ("listKind".to_owned(), json!(format!("{kind}List"))),
            ("plural".to_owned(), json!(plural)),
            ("singular".to_owned(), json!(kind.to_ascii_lowercase())),
        ]);
        for (key, name) in [("shortNames", self.short), ("categories", self.category)] {
            names.extend(name.map(|name| (key.to_owned(), json!([name]))));
        }
        let versions: Vec<Value> = self
            .versions
            .iter()
            .enumerate()
            .map(|(at, version)| {
                let subresources = if self.has_status { json!({"status": {}}) } else { json!({}) };
                json!({
                    "name": version, "served": true, "storage": at == 0,
                    "additionalPrinterColumns": self.columns, "subresources": subresources,
                    "schema": {"openAPIV3Schema": self.schema},
                })
            })
            .collect();
        json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{plural}.{group}")},
            "spec": {
                "group": group, "names": names,
                "scope": if self.is_namespaced { "Namespaced" } else { "Cluster" },
                "versions": versions,
            },
        })
    }
}

/// The definitions of the report kinds, of both APIs.
pub fn report_crds() -> Vec<Value> {
    let kinds = [
        (ReportApi::PolicyReport, true, "polr"),
        (ReportApi::PolicyReport, false, "cpolr"),
        (ReportApi::OpenReports, true, "reps"),
        (ReportApi::OpenReports, false, "creps"),
    ];
    let definition = |(api, is_namespaced, short): (ReportApi, bool, &str)| {
        Definition {
            group: api.group(),
            kind: api.kind(is_namespaced),
            plural: api.plural(is_namespaced),
            short: Some(short),
            category: None,
            is_namespaced,
            versions: &[api.version()],
            columns: report_columns(api),
            has_status: false,
            schema: report_schema(api),
        }
        .to_object()
    };
    kinds.into_iter().map(definition).collect()
}

/// The definitions of the policy kinds that Patrol reads, and of what belongs to policies.
pub fn policy_crds() -> Vec<Value> {
    let own = |kind: &PolicyKind| kind.group() != "admissionregistration.k8s.io";
    PolicyKind::ALL.into_iter().filter(own).map(policy_crd).chain(companion_crds()).collect()
}

fn policy_crd(kind: PolicyKind) -> Value {
    Definition {
        group: kind.group(),
        kind: kind.as_str(),
        plural: &kind.plural(),
        short: short_name(kind),
        category: Some("kyverno"),
        is_namespaced: kind.is_namespaced(),
        versions: match (kind.group() == "kyverno.io", kind.is_namespaced()) {
            (true, _) => &["v1", "v2beta1"],
            (false, false) => &["v1beta1", "v1", "v1alpha1"],
            (false, true) => &["v1beta1", "v1"],
        },
        columns: policy_columns(kind),
        has_status: true,
        schema: free_schema(),
    }
    .to_object()
}

/// Exceptions and global context entries. The reference files all of them but one under its category.
fn companion_crds() -> [Value; 3] {
    let exception = Definition {
        group: "kyverno.io",
        kind: "PolicyException",
        plural: "policyexceptions",
        short: Some("polex"),
        category: Some("kyverno"),
        is_namespaced: true,
        versions: &["v2", "v2beta1"],
        columns: json!([]),
        has_status: false,
        schema: free_schema(),
    };
    let cel_exception = Definition {
        group: "policies.kyverno.io",
        short: None,
        category: None,
        versions: &["v1beta1", "v1", "v1alpha1"],
        columns: json!([]),
        schema: free_schema(),
        ..exception
    };
    let entry = Definition {
        group: "kyverno.io",
        kind: "GlobalContextEntry",
        plural: "globalcontextentries",
        short: Some("gctxentry"),
        category: Some("kyverno"),
        is_namespaced: false,
        versions: &["v2beta1", "v2", "v2alpha1"],
        columns: json!([
            column("AGE", "date", ".metadata.creationTimestamp"),
            column("REFRESH INTERVAL", "string", ".spec.apiCall.refreshInterval"),
            column("LAST REFRESH", "date", ".status.lastRefreshTime"),
        ]),
        has_status: true,
        schema: free_schema(),
    };
    [exception.to_object(), cel_exception.to_object(), entry.to_object()]
}

fn column(name: &str, of_type: &str, path: &str) -> Value {
    json!({"name": name, "type": of_type, "jsonPath": path})
}

/// A column that is shown with `-o wide` only.
fn wide_column(name: &str, of_type: &str, path: &str) -> Value {
    json!({"name": name, "type": of_type, "jsonPath": path, "priority": 1})
}

/// What `kubectl get` shows of a report. `openreports.io` shows what it is about with `-o wide` only.
fn report_columns(api: ReportApi) -> Value {
    let scope_column = match api {
        ReportApi::PolicyReport => column,
        ReportApi::OpenReports => wide_column,
    };
    let mut columns =
        vec![scope_column("Kind", "string", ".scope.kind"), scope_column("Name", "string", ".scope.name")];
    columns.extend(
        ["Pass", "Fail", "Warn", "Error", "Skip"]
            .map(|name| column(name, "integer", &format!(".summary.{}", name.to_ascii_lowercase()))),
    );
    columns.push(column("Age", "date", ".metadata.creationTimestamp"));
    json!(columns)
}

fn policy_columns(kind: PolicyKind) -> Value {
    let age = column("AGE", "date", ".metadata.creationTimestamp");
    if kind.group() == "kyverno.io" {
        let ready = |field: &str| format!(r#".status.conditions[?(@.type == "Ready")].{field}"#);
        return json!([
            column("ADMISSION", "boolean", ".spec.admission"),
            column("BACKGROUND", "boolean", ".spec.background"),
            column("READY", "string", &ready("status")),
            age,
            wide_column("FAILURE POLICY", "string", ".spec.failurePolicy"),
            wide_column("VALIDATE", "integer", ".status.rulecount.validate"),
            wide_column("MUTATE", "integer", ".status.rulecount.mutate"),
            wide_column("GENERATE", "integer", ".status.rulecount.generate"),
            wide_column("VERIFY IMAGES", "integer", ".status.rulecount.verifyimages"),
            column("MESSAGE", "string", &ready("message")),
        ]);
    }
    match kind {
        PolicyKind::GeneratingPolicy | PolicyKind::NamespacedGeneratingPolicy => json!([age]),
        _ => json!([age, column("READY", "string", ".status.conditionStatus.ready")]),
    }
}

fn short_name(kind: PolicyKind) -> Option<&'static str> {
    Some(match kind {
        PolicyKind::ClusterPolicy => "cpol",
        PolicyKind::Policy => "pol",
        PolicyKind::ValidatingPolicy => "vpol",
        PolicyKind::NamespacedValidatingPolicy => "nvpol",
        PolicyKind::MutatingPolicy => "mpol",
        PolicyKind::NamespacedMutatingPolicy => "nmpol",
        PolicyKind::ImageValidatingPolicy => "ivpol",
        PolicyKind::NamespacedImageValidatingPolicy => "nivpol",
        PolicyKind::GeneratingPolicy => "gpol",
        PolicyKind::NamespacedGeneratingPolicy => "ngpol",
        PolicyKind::DeletingPolicy => "dpol",
        PolicyKind::NamespacedDeletingPolicy => "ndpol",
        PolicyKind::ValidatingAdmissionPolicy | PolicyKind::MutatingAdmissionPolicy => return None,
    })
}

fn free_schema() -> Value {
    json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}

fn text() -> Value {
    json!({"type": "string"})
}

fn texts() -> Value {
    json!({"type": "object", "additionalProperties": {"type": "string"}})
}

fn statuses() -> Vec<&'static str> {
    Status::ALL.iter().map(|status| status.as_str()).collect()
}

fn report_schema(api: ReportApi) -> Value {
    let counts: Map<String, Value> =
        statuses().into_iter().map(|status| (status.to_owned(), json!({"type": "integer"}))).collect();
    let mut properties = Map::from_iter(
        [
            ("apiVersion", text()),
            ("kind", text()),
            ("metadata", json!({"type": "object"})),
            ("scope", reference_schema("The resource that the report is about.")),
            ("scopeSelector", selector_schema()),
            ("summary", json!({"type": "object", "properties": counts})),
            ("results", json!({"type": "array", "items": result_schema()})),
        ]
        .map(|(key, schema)| (key.to_owned(), schema)),
    );
    if api == ReportApi::OpenReports {
        let limits = json!({
            "maxResults": {"type": "integer"},
            "statusFilter": {"type": "array", "items": {"type": "string", "enum": statuses()}},
        });
        let configuration = json!({
            "type": "object", "required": ["limits"],
            "properties": {"limits": {"type": "object", "properties": limits}},
        });
        properties.insert("source".to_owned(), text());
        properties.insert("configuration".to_owned(), configuration);
    }
    let description = "The results of policies on one resource.";
    json!({"type": "object", "description": description, "properties": properties})
}

fn result_schema() -> Value {
    let severities = [Severity::Critical, Severity::High, Severity::Medium, Severity::Low, Severity::Info];
    let severities = severities.map(Severity::as_str);
    json!({
        "type": "object", "required": ["policy"],
        "properties": {
            "source": text(), "policy": text(), "rule": text(), "category": text(), "message": text(),
            "severity": {"type": "string", "enum": severities},
            "result": {"type": "string", "enum": statuses()},
            "scored": {"type": "boolean"},
            "properties": texts(),
            "timestamp": {
                "type": "object", "required": ["nanos", "seconds"],
                "description": "When the result last changed.",
                "properties": {
                    "seconds": {"type": "integer", "format": "int64"},
                    "nanos": {"type": "integer", "format": "int32"},
                },
            },
            "resources": {"type": "array", "items": reference_schema("A resource that the result is about.")},
            "resourceSelector": selector_schema(),
        },
    })
}

fn reference_schema(description: &str) -> Value {
    let fields = ["apiVersion", "kind", "namespace", "name", "uid", "resourceVersion", "fieldPath"];
    let properties: Map<String, Value> = fields.into_iter().map(|field| (field.to_owned(), text())).collect();
    json!({
        "type": "object", "description": description, "properties": properties,
        "x-kubernetes-map-type": "atomic",
    })
}

fn selector_schema() -> Value {
    json!({
        "type": "object", "x-kubernetes-map-type": "atomic",
        "properties": {
            "matchLabels": texts(),
            "matchExpressions": {
                "type": "array", "x-kubernetes-list-type": "atomic",
                "items": {
                    "type": "object", "required": ["key", "operator"],
                    "properties": {
                        "key": text(), "operator": text(),
                        "values": {"type": "array", "items": text(), "x-kubernetes-list-type": "atomic"},
                    },
                },
            },
        },
    })
}
