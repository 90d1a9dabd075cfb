//! What one evaluation says, a rule at a time.

use std::collections::BTreeMap;

/// The status of an outcome, as `results[].result` of a report names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// The resource meets the rule.
    Pass,
    /// It breaks the rule.
    Fail,
    /// It breaks a rule that is not scored.
    Warn,
    /// The rule could not be evaluated.
    Error,
    /// The rule does not apply after all: unmet preconditions, an exception.
    Skip,
}

impl Status {
    /// All, in the order in which the reference's summary lists them.
    pub const ALL: [Self; 5] = [Self::Pass, Self::Fail, Self::Warn, Self::Error, Self::Skip];

    /// The word in reports, metrics and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Skip => "skip",
        }
    }

    /// The status of that word.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }
}

/// `results[].severity` of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// `critical`
    Critical,
    /// `high`
    High,
    /// `medium`
    Medium,
    /// `low`
    Low,
    /// `info`
    Info,
}

impl Severity {
    /// The word in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
            Self::Info => "info",
        }
    }

    /// The severity of that word, in exactly this spelling.
    pub fn of(word: &str) -> Option<Self> {
        [Self::Critical, Self::High, Self::Medium, Self::Low, Self::Info]
            .into_iter()
            .find(|s| s.as_str() == word)
    }
}

/// What one rule said about one resource.
///
/// A rule that is not scored says `fail` here; the report turns it into `warn`, so that the annotation costs no evaluation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The rule's name incl. an autogen prefix; empty for policies without rules.
    pub rule: String,
    /// What it said.
    pub status: Status,
    /// Why, as the reference words it.
    pub message: String,
    /// `results[].properties` of the report, without `process`.
    pub properties: BTreeMap<String, String>,
}

impl Outcome {
    /// An outcome without properties.
    pub fn new(rule: impl Into<String>, status: Status, message: impl Into<String>) -> Self {
        Self { rule: rule.into(), status, message: message.into(), properties: BTreeMap::new() }
    }
}

/// How many results have which status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary([u64; 5]);

impl Summary {
    /// Counts one more result.
    pub fn add(&mut self, status: Status) {
        self.add_n(status, 1);
    }

    /// Counts `n` more results.
    pub fn add_n(&mut self, status: Status, n: u64) {
        if let Some(count) = self.0.get_mut(status as usize) {
            *count += n;
        }
    }

    /// Adds another summary's counts.
    pub fn merge(&mut self, other: &Self) {
        for status in Status::ALL {
            self.add_n(status, other.of(status));
        }
    }

    /// The number of results with that status.
    pub fn of(&self, status: Status) -> u64 {
        self.0.get(status as usize).copied().unwrap_or_default()
    }

    /// The number of results.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}
