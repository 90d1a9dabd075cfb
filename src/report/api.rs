//! The Kubernetes objects: `wgpolicyk8s.io/v1alpha2` and `openreports.io/v1alpha1`, which differ in names only.
//!
//! Field names and their meaning: the CustomResourceDefinitions of both groups. What is written in which field follows the reference's
//! reports, so that consumers need no change.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{MANAGED_BY, MANAGED_BY_LABEL, Report, ReportResult};
use crate::model::{ResourceId, ResourceKey, Severity, Status};

/// The API that reports are written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReportApi {
    /// `wgpolicyk8s.io/v1alpha2`: PolicyReport and ClusterPolicyReport.
    #[default]
    PolicyReport,
    /// `openreports.io/v1alpha1`: Report and ClusterReport.
    OpenReports,
}

impl ReportApi {
    /// The API group.
    pub fn group(self) -> &'static str {
        match self {
            Self::PolicyReport => "wgpolicyk8s.io",
            Self::OpenReports => "openreports.io",
        }
    }

    /// The version.
    pub fn version(self) -> &'static str {
        match self {
            Self::PolicyReport => "v1alpha2",
            Self::OpenReports => "v1alpha1",
        }
    }

    /// The kind of a namespaced or of a cluster-wide report.
    pub fn kind(self, is_namespaced: bool) -> &'static str {
        match (self, is_namespaced) {
            (Self::PolicyReport, true) => "PolicyReport",
            (Self::PolicyReport, false) => "ClusterPolicyReport",
            (Self::OpenReports, true) => "Report",
            (Self::OpenReports, false) => "ClusterReport",
        }
    }

    /// The plural of that kind.
    pub fn plural(self, is_namespaced: bool) -> &'static str {
        match (self, is_namespaced) {
            (Self::PolicyReport, true) => "policyreports",
            (Self::PolicyReport, false) => "clusterpolicyreports",
            (Self::OpenReports, true) => "reports",
            (Self::OpenReports, false) => "clusterreports",
        }
    }

    /// `group/version`.
    pub fn api_version(self) -> String {
        format!("{}/{}", self.group(), self.version())
    }
}

/// The kind of the report of a resource.
pub fn kind_of(api: ReportApi, scope: &ResourceId) -> &'static str {
    api.kind(!scope.key.namespace.is_empty())
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireReport {
    api_version: String,
    kind: String,
    metadata: WireMetadata,
    #[serde(default)]
    scope: Option<WireScope>,
    #[serde(default)]
    summary: WireSummary,
    #[serde(default)]
    results: Vec<WireResult>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireMetadata {
    name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    namespace: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resource_version: Option<String>,
    #[serde(default)]
    owner_references: Vec<WireOwner>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireOwner {
    api_version: String,
    kind: String,
    name: String,
    uid: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireScope {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    api_version: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    kind: String,
    #[serde(default)]
    name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    namespace: String,
    #[serde(default)]
    uid: String,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct WireSummary {
    pass: u64,
    fail: u64,
    warn: u64,
    error: u64,
    skip: u64,
}

#[derive(Serialize, Deserialize)]
struct WireResult {
    #[serde(default)]
    source: String,
    policy: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    rule: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    category: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    severity: Option<String>,
    #[serde(default)]
    result: String,
    #[serde(default, skip_serializing_if = "is_false")]
    scored: bool,
    #[serde(default)]
    message: String,
    #[serde(default)]
    properties: BTreeMap<String, String>,
    #[serde(default)]
    timestamp: WireTime,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct WireTime {
    seconds: i64,
    nanos: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// The report as a Kubernetes object, in JSON; `resource_version` is that of the object it replaces.
pub fn to_json(report: &Report, api: ReportApi, resource_version: Option<&str>) -> Vec<u8> {
    let ResourceId { key, uid, .. } = &report.scope;
    let api_version = report.scope.gvk().api_version();
    let summary = report.summary();
    let wire = WireReport {
        api_version: api.api_version(),
        kind: kind_of(api, &report.scope).into(),
        metadata: WireMetadata {
            name: uid.clone(),
            namespace: key.namespace.clone(),
            labels: BTreeMap::from([(MANAGED_BY_LABEL.into(), MANAGED_BY.into())]),
            resource_version: resource_version.map(str::to_owned),
            owner_references: owner(&report.scope).into_iter().collect(),
        },
        scope: Some(WireScope {
            api_version,
            kind: key.kind.clone(),
            name: key.name.clone(),
            namespace: key.namespace.clone(),
            uid: uid.clone(),
        }),
        summary: WireSummary {
            pass: summary.of(Status::Pass),
            fail: summary.of(Status::Fail),
            warn: summary.of(Status::Warn),
            error: summary.of(Status::Error),
            skip: summary.of(Status::Skip),
        },
        results: report.results.iter().map(result_out).collect(),
    };
    // Plain data with string keys always serializes.
    serde_json::to_vec(&wire).unwrap_or_default()
}

/// The resource as the owner of its report. A JSON payload is no object that could own one.
fn owner(scope: &ResourceId) -> Option<WireOwner> {
    (!scope.key.kind.is_empty()).then(|| WireOwner {
        api_version: scope.gvk().api_version(),
        kind: scope.key.kind.clone(),
        name: scope.key.name.clone(),
        uid: scope.uid.clone(),
    })
}

fn result_out(result: &ReportResult) -> WireResult {
    WireResult {
        source: result.source.clone(),
        policy: result.policy.clone(),
        rule: result.rule.clone(),
        category: result.category.clone(),
        severity: result.severity.map(|severity| severity.as_str().into()),
        result: result.status.as_str().into(),
        scored: result.is_scored,
        message: result.message.clone(),
        properties: result.properties.clone(),
        timestamp: WireTime { seconds: result.since_s, nanos: 0 },
    }
}

/// Reads a report back from JSON; `None` for what is not one of ours in full: a foreign label, a result without a known status.
pub fn parse(bytes: &[u8]) -> Option<Report> {
    let wire: WireReport = serde_json::from_slice(bytes).ok()?;
    if wire.metadata.labels.get(MANAGED_BY_LABEL).map(String::as_str) != Some(MANAGED_BY) {
        return None;
    }
    let scope = wire.scope?;
    let gvk = crate::model::Gvk::new(&scope.api_version, &scope.kind);
    let key = ResourceKey { group: gvk.group, kind: gvk.kind, namespace: scope.namespace, name: scope.name };
    let n_owners = usize::from(!key.kind.is_empty());
    let mut owners = wire.metadata.owner_references.iter();
    let owner_is_scope = wire.metadata.owner_references.len() == n_owners
        && owners.all(|owner| owner.uid == scope.uid && owner.kind == key.kind);
    if wire.metadata.labels.len() != 1 || !owner_is_scope {
        return None;
    }
    let results: Vec<ReportResult> = wire.results.into_iter().map(result_in).collect::<Option<_>>()?;
    let report = Report { scope: ResourceId { key, version: gvk.version, uid: scope.uid }, results };
    let summary = report.summary();
    let told =
        [wire.summary.pass, wire.summary.fail, wire.summary.warn, wire.summary.error, wire.summary.skip];
    Status::ALL.iter().zip(told).all(|(status, n)| summary.of(*status) == n).then_some(report)
}

fn result_in(wire: WireResult) -> Option<ReportResult> {
    let severity = match wire.severity {
        Some(word) => Some(Severity::of(&word)?),
        None => None,
    };
    Some(ReportResult {
        policy: wire.policy,
        rule: wire.rule,
        status: Status::of(&wire.result)?,
        message: wire.message,
        source: wire.source,
        category: wire.category,
        severity,
        is_scored: wire.scored,
        properties: wire.properties,
        since_s: wire.timestamp.seconds,
    })
}
