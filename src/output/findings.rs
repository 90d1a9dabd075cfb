//! The results of a scan as tables and as test cases.

use std::collections::BTreeMap;

use super::{JunitCase, JunitState, Table};
use crate::inventory::Origin;
use crate::model::{Severity, Status, Summary};

/// One result: what one rule says about one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The policy as reports name it.
    pub policy: String,
    /// The rule; empty for policies without rules.
    pub rule: String,
    /// Kind of the resource, empty for a JSON payload.
    pub kind: String,
    /// Its namespace, empty for cluster scope.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What the rule says.
    pub status: Status,
    /// How bad a failure is.
    pub severity: Option<Severity>,
    /// The policy's category.
    pub category: Option<String>,
    /// Why.
    pub message: String,
    /// `results[].source`.
    pub source: String,
    /// Where the resource was read, if that was a file.
    pub origin: Option<Origin>,
}

impl Finding {
    /// `Kind namespace/name` or `Kind name`; the name alone for a JSON payload.
    pub fn resource(&self) -> String {
        if self.kind.is_empty() {
            self.name.clone()
        } else if self.namespace.is_empty() {
            format!("{} {}", self.kind, self.name)
        } else {
            format!("{} {}/{}", self.kind, self.namespace, self.name)
        }
    }
}

/// Counts by policy and rule, with a last row of totals.
pub fn summary_table<'f>(findings: impl IntoIterator<Item = &'f Finding>) -> Table {
    let mut counts: BTreeMap<(&str, &str), Summary> = BTreeMap::new();
    let mut total = Summary::default();
    for finding in findings {
        counts.entry((&finding.policy, &finding.rule)).or_default().add(finding.status);
        total.add(finding.status);
    }
    let mut table = Table::new(["POLICY", "RULE"].into_iter().map(str::to_owned).chain(status_words()));
    for ((policy, rule), summary) in counts {
        table.row([policy.to_owned(), rule.to_owned()].into_iter().chain(numbers(&summary)));
    }
    table.row(["total".to_owned(), String::new()].into_iter().chain(numbers(&total)));
    table
}

fn status_words() -> impl Iterator<Item = String> {
    Status::ALL.into_iter().map(|status| status.as_str().to_uppercase())
}

fn numbers(summary: &Summary) -> impl Iterator<Item = String> + '_ {
    Status::ALL.into_iter().map(|status| summary.of(status).to_string())
}

/// A row a result. `is_wide` adds category, message and place.
pub fn findings_table<'f>(findings: impl IntoIterator<Item = &'f Finding>, is_wide: bool) -> Table {
    let narrow = ["NAMESPACE", "KIND", "NAME", "POLICY", "RULE", "RESULT", "SEVERITY"];
    let wide = ["CATEGORY", "FROM", "MESSAGE"];
    let mut table = Table::new(narrow.into_iter().chain(wide.into_iter().filter(|_| is_wide)));
    for finding in findings {
        let mut cells = vec![
            finding.namespace.clone(),
            finding.kind.clone(),
            finding.name.clone(),
            finding.policy.clone(),
            finding.rule.clone(),
            finding.status.as_str().to_owned(),
            finding.severity.map_or_else(String::new, |severity| severity.as_str().to_owned()),
        ];
        if is_wide {
            cells.push(finding.category.clone().unwrap_or_default());
            cells.push(finding.origin.as_ref().map_or_else(String::new, ToString::to_string));
            cells.push(finding.message.clone());
        }
        table.row(cells);
    }
    table
}

/// The results as test cases: a suite a policy, a class a rule, a case a resource.
pub fn junit_of(finding: &Finding) -> JunitCase {
    let class = if finding.rule.is_empty() {
        finding.policy.clone()
    } else {
        format!("{}.{}", finding.policy, finding.rule)
    };
    let state = match finding.status {
        Status::Pass | Status::Warn => JunitState::Passed,
        Status::Fail => JunitState::Failed(finding.message.clone()),
        Status::Error => JunitState::Errored(finding.message.clone()),
        Status::Skip => JunitState::Skipped(finding.message.clone()),
    };
    JunitCase { suite: finding.policy.clone(), class, name: finding.resource(), state }
}
