//! Reports as values: which results a resource's report holds, and the Kubernetes object that says so.
//!
//! A report is a pure function of the verdicts, the policies' presentation and the settings, so that the same history gives the same bytes.
//! Comparing it with what was last written happens in `scan/`; writing it in `cluster/` and `folder/`.

mod api;
mod crds;
mod sink;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

pub use api::{ReportApi, kind_of, parse, to_json};
pub use crds::{policy_crds, report_crds};
pub use sink::{ActualReport, Ownership, ReportWrite, Sink, SinkError};

use crate::fingerprint::Hasher;
use crate::model::{DatedOutcome, Fingerprint, PolicyKey, ResourceId, Severity, Status, Summary};
use crate::policy::Presentation;

/// The label that says whose report it is.
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
/// Its value on Patrol's reports.
pub const MANAGED_BY: &str = "patrol";

/// What decides the shape of reports beside the verdicts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportSettings {
    /// The API that reports are written in.
    pub api: ReportApi,
    /// Results with other statuses are left out.
    pub allowed_results: BTreeSet<Status>,
}

impl Default for ReportSettings {
    fn default() -> Self {
        Self { api: ReportApi::PolicyReport, allowed_results: Status::ALL.into_iter().collect() }
    }
}

impl ReportSettings {
    /// A fingerprint of the settings: a change rewrites reports without an evaluation.
    pub fn fingerprint(&self) -> Fingerprint {
        let mut hasher = Hasher::new("patrol/report-settings/1");
        hasher.str(self.api.group());
        self.allowed_results.iter().for_each(|status| {
            hasher.str(status.as_str());
        });
        hasher.finish()
    }
}

/// One report: the results of one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The resource; the report is named by its UID and lives in its namespace.
    pub scope: ResourceId,
    /// The results, sorted by policy, rule and source.
    pub results: Vec<ReportResult>,
}

/// One result of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportResult {
    /// The policy's name, or `namespace/name`.
    pub policy: String,
    /// The rule's name; empty if the policy has no rules.
    pub rule: String,
    /// The result; a failure of what is not scored is a warning here.
    pub status: Status,
    /// Why.
    pub message: String,
    /// Which kind of policy said so.
    pub source: String,
    /// The policy's category.
    pub category: Option<String>,
    /// The policy's severity.
    pub severity: Option<Severity>,
    /// Whether the policy is scored.
    pub is_scored: bool,
    /// Further properties, `process` among them.
    pub properties: BTreeMap<String, String>,
    /// When the result last changed, in Unix seconds.
    pub since_s: i64,
}

impl ReportResult {
    /// The result that one outcome of a policy gives.
    pub fn new(policy: &PolicyKey, presentation: &Presentation, dated: &DatedOutcome) -> Self {
        let outcome = &dated.outcome;
        let mut properties = outcome.properties.clone();
        properties.insert("process".into(), presentation.process.into());
        Self {
            policy: policy.report_name(),
            rule: outcome.rule.clone(),
            status: reported_status(outcome.status, presentation),
            message: outcome.message.clone(),
            source: policy.kind.source().into(),
            category: presentation.category.clone(),
            severity: presentation.severity,
            is_scored: presentation.is_scored,
            properties,
            since_s: dated.since_s,
        }
    }

    /// Whether two results say the same, whenever they said it first.
    pub fn says_same(&self, other: &Self) -> bool {
        let Self {
            policy,
            rule,
            status,
            message,
            source,
            category,
            severity,
            is_scored,
            properties,
            since_s: _,
        } = self;
        (policy, rule, status, message, source)
            == (&other.policy, &other.rule, &other.status, &other.message, &other.source)
            && (category, severity, is_scored) == (&other.category, &other.severity, &other.is_scored)
            && *properties == other.properties
    }
}

/// The status that a report shows: what is not scored warns instead of failing.
pub fn reported_status(status: Status, presentation: &Presentation) -> Status {
    if status == Status::Fail && !presentation.is_scored { Status::Warn } else { status }
}

impl Report {
    /// The report of a resource; `None` if it would hold no result.
    pub fn build<'a>(
        scope: &ResourceId,
        pairs: impl Iterator<Item = (&'a PolicyKey, &'a Presentation, &'a [DatedOutcome])>,
        settings: &ReportSettings,
    ) -> Option<Self> {
        let mut results: Vec<ReportResult> = pairs
            .flat_map(|(policy, presentation, outcomes)| {
                outcomes.iter().map(move |dated| ReportResult::new(policy, presentation, dated))
            })
            .filter(|result| settings.allowed_results.contains(&result.status))
            .collect();
        results.sort_by(|a, b| (&a.policy, &a.rule, &a.source).cmp(&(&b.policy, &b.rule, &b.source)));
        (!results.is_empty()).then(|| Self { scope: scope.clone(), results })
    }

    /// The counts of `summary`.
    pub fn summary(&self) -> Summary {
        let mut summary = Summary::default();
        self.results.iter().for_each(|result| summary.add(result.status));
        summary
    }

    /// Takes over when each result that says the same was first said in another report of the same resource, for the results whose own time is
    /// `open`. True if every result has such a counterpart.
    pub fn adopt_times(&mut self, other: &Self, open: impl Fn(i64) -> bool) -> bool {
        let mut all = self.results.len() == other.results.len();
        for result in &mut self.results {
            match other.results.iter().find(|theirs| result.says_same(theirs)) {
                Some(theirs) if open(result.since_s) => result.since_s = theirs.since_s,
                Some(_) => {}
                None => all = false,
            }
        }
        all
    }
}
