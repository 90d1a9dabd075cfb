//! The CustomResourceDefinitions of what Patrol writes and reads, for clusters in which nobody else has installed them.
//!
//! Report kinds have the schema of the wire types in `api.rs`, with the fields that other writers of the same API use, and the printer columns of the
//! reference's definitions. Policy kinds keep whatever they are given: what a policy means, and what is wrong with it, is said by `lang/`.
//! The API server's own policy kinds need no definition.

use serde_json::{Value, json};

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
        let mut names = json!({
            "kind": kind, "listKind": format!("{kind}List"), "plural": plural,
            "singular": kind.to_ascii_lowercase(),
        });
        for (key, name) in [("shortNames", self.short), ("categories", self.category)] {
            if let Some(name) = name {
                names[key] = json!([name]);
            }
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
    let mut crds: Vec<Value> = PolicyKind::ALL
        .into_iter()
        .filter(|kind| kind.group() != "admissionregistration.k8s.io")
        .map(|kind| {
            let is_kyverno = kind.group() == "kyverno.io";
            Definition {
                group: kind.group(),
                kind: kind.as_str(),
                plural: &kind.plural(),
                short: short_name(kind),
                category: Some("kyverno"),
                is_namespaced: kind.is_namespaced(),
                versions: match (is_kyverno, kind.is_namespaced()) {
                    (true, _) => &["v1", "v2beta1"],
                    (false, false) => &["v1beta1", "v1", "v1alpha1"],
                    (false, true) => &["v1beta1", "v1"],
                },
                columns: policy_columns(kind),
                has_status: true,
                schema: free_schema(),
            }
            .to_object()
        })
        .collect();
    let companion = |group, kind, plural, short, is_namespaced, versions, has_status, columns| {
        let schema = free_schema();
        // The reference files all kinds but one under its category.
        let category = (group, kind) != ("policies.kyverno.io", "PolicyException");
        let category = category.then_some("kyverno");
        Definition {
            group,
            kind,
            plural,
            short,
            category,
            is_namespaced,
            versions,
            columns,
            has_status,
            schema,
        }
        .to_object()
    };
    let (exception, exceptions) = ("PolicyException", "policyexceptions");
    let entry_versions = &["v2beta1", "v2", "v2alpha1"];
    let entry_columns = json!([
        column("AGE", "date", ".metadata.creationTimestamp"),
        column("REFRESH INTERVAL", "string", ".spec.apiCall.refreshInterval"),
        column("LAST REFRESH", "date", ".status.lastRefreshTime"),
    ]);
    crds.push(companion(
        "kyverno.io",
        exception,
        exceptions,
        Some("polex"),
        true,
        &["v2", "v2beta1"],
        false,
        json!([]),
    ));
    let cel_versions = &["v1beta1", "v1", "v1alpha1"];
    crds.push(companion(
        "policies.kyverno.io",
        exception,
        exceptions,
        None,
        true,
        cel_versions,
        false,
        json!([]),
    ));
    crds.push(companion(
        "kyverno.io",
        "GlobalContextEntry",
        "globalcontextentries",
        Some("gctxentry"),
        false,
        entry_versions,
        true,
        entry_columns,
    ));
    crds
}

fn column(name: &str, of_type: &str, path: &str) -> Value {
    json!({"name": name, "type": of_type, "jsonPath": path})
}

/// What `kubectl get` shows of a report. OpenReports shows what it is about with `-o wide` only.
fn report_columns(api: ReportApi) -> Value {
    let mut columns: Vec<Value> = [("Kind", ".scope.kind"), ("Name", ".scope.name")]
        .into_iter()
        .map(|(name, path)| {
            let mut column = column(name, "string", path);
            if api == ReportApi::OpenReports {
                column["priority"] = json!(1);
            }
            column
        })
        .collect();
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
        let wide = |name: &str, of_type: &str, path: &str| {
            let mut column = column(name, of_type, path);
            column["priority"] = json!(1);
            column
        };
        return json!([
            column("ADMISSION", "boolean", ".spec.admission"),
            column("BACKGROUND", "boolean", ".spec.background"),
            column("READY", "string", &ready("status")),
            age,
            wide("FAILURE POLICY", "string", ".spec.failurePolicy"),
            wide("VALIDATE", "integer", ".status.rulecount.validate"),
            wide("MUTATE", "integer", ".status.rulecount.mutate"),
            wide("GENERATE", "integer", ".status.rulecount.generate"),
            wide("VERIFY IMAGES", "integer", ".status.rulecount.verifyimages"),
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

fn report_schema(api: ReportApi) -> Value {
    let counts: serde_json::Map<String, Value> =
        Status::ALL.iter().map(|status| (status.as_str().to_owned(), json!({"type": "integer"}))).collect();
    let mut schema = json!({
        "type": "object",
        "description": "The results of policies on one resource.",
        "properties": {
            "apiVersion": text(), "kind": text(), "metadata": {"type": "object"},
            "scope": reference_schema("The resource that the report is about."),
            "scopeSelector": selector_schema(),
            "summary": {"type": "object", "description": "How many results there are of each kind.", "properties": counts},
            "results": {"type": "array", "items": result_schema()},
        },
    });
    if api == ReportApi::OpenReports {
        let statuses: Vec<&str> = Status::ALL.iter().map(|status| status.as_str()).collect();
        schema["properties"]["source"] = text();
        schema["properties"]["configuration"] = json!({
            "type": "object", "required": ["limits"],
            "properties": {"limits": {"type": "object", "properties": {
                "maxResults": {"type": "integer"},
                "statusFilter": {"type": "array", "items": {"type": "string", "enum": statuses}},
            }}},
        });
    }
    schema
}

fn result_schema() -> Value {
    let statuses: Vec<&str> = Status::ALL.iter().map(|status| status.as_str()).collect();
    let severities = [Severity::Critical, Severity::High, Severity::Medium, Severity::Low, Severity::Info];
    let severities = severities.map(Severity::as_str);
    json!({
        "type": "object", "required": ["policy"],
        "properties": {
            "source": text(), "policy": text(), "rule": text(), "category": text(), "message": text(),
            "severity": {"type": "string", "enum": severities},
            "result": {"type": "string", "enum": statuses},
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
    let properties: serde_json::Map<String, Value> =
        fields.into_iter().map(|field| (field.to_owned(), text())).collect();
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
