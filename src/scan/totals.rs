//! What a scan counts and tells.

use std::collections::BTreeMap;

use crate::inventory::Problem;
use crate::model::{PolicyKey, ResourceId, Status, Summary};
use crate::plan::{Action, Counts, Reason};
use crate::report::Report;

/// Counts of reports by what happened to them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportCounts {
    /// Created or replaced.
    pub written: u64,
    /// As they should be already.
    pub unchanged: u64,
    /// Deleted.
    pub deleted: u64,
    /// Not written because the server refused or did not answer.
    pub failed: u64,
    /// Of somebody else under the same name, left alone.
    pub foreign: u64,
    /// Found as they should be without being remembered, and taken over.
    pub adopted: u64,
}

/// A change of outcomes: the policy and namespace it happened in, from which status (`None`: none) to which.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Drift {
    /// The policy.
    pub policy: PolicyKey,
    /// The resource's namespace.
    pub namespace: String,
    /// The status before.
    pub from: Option<Status>,
    /// The status now.
    pub to: Option<Status>,
}

/// What current results are counted by: the policy's position in the scan's list, namespace, status.
pub type Gauge = (usize, String, Status);

/// What a policy cost in this scan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PolicyCost {
    /// Evaluations.
    pub n: u64,
    /// Time they took, in nanoseconds.
    pub nanos: u64,
    /// The slowest of them, in nanoseconds.
    pub nanos_max: u64,
}

/// How the list of a kind ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KindState {
    /// Complete: what it did not hold is gone.
    Listed,
    /// The server does not serve it.
    NotServed,
    /// Refused.
    Forbidden(String),
    /// Anything else went wrong.
    Failed(String),
}

impl KindState {
    /// The word that metrics and plans use.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Listed => "listed",
            Self::NotServed => "not_served",
            Self::Forbidden(_) => "forbidden",
            Self::Failed(_) => "failed",
        }
    }

    /// What the server or the way to it said; `None` if nothing went wrong.
    pub fn message(&self) -> Option<&str> {
        match self {
            Self::Listed | Self::NotServed => None,
            Self::Forbidden(message) | Self::Failed(message) => Some(message),
        }
    }
}

/// What happened to one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KindOutcome {
    /// `group/version/Kind`.
    pub kind: String,
    /// Objects seen.
    pub n_objects: u64,
    /// How it ended.
    pub state: KindState,
}

/// Which pairs of a plan are told one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tells {
    /// None: they are counted.
    Nothing,
    /// Those whose verdicts do not stay.
    Changes,
    /// All.
    Everything,
}

/// One line of a told plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanLine {
    /// The resource.
    pub resource: ResourceId,
    /// The policy; `None` if the line is about the resource's report.
    pub policy: Option<PolicyKey>,
    /// What is done: an action, or `write`, `delete`.
    pub action: &'static str,
    /// Why.
    pub reason: String,
}

/// What a scan counted; every part of it adds up.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Resources seen.
    pub n_resources: u64,
    /// Resources passed over without decoding.
    pub n_passed_over: u64,
    /// Pairs by action and reason.
    pub pairs: Counts,
    /// Results now, as reports show them.
    pub summary: Summary,
    /// Results now, by policy, namespace and status.
    pub results: BTreeMap<Gauge, u64>,
    /// Changes of outcomes.
    pub drift: BTreeMap<Drift, u64>,
    /// What each policy cost, in the order of the scan's list.
    pub costs: BTreeMap<usize, PolicyCost>,
    /// Reports.
    pub reports: ReportCounts,
    /// What went wrong with single objects and reports.
    pub problems: Vec<Problem>,
    /// The plan, if asked for.
    pub plan: Vec<PlanLine>,
    /// The reports, if asked for.
    pub collected: Vec<Report>,
    /// Faults of the state: rows that could not be read or written.
    pub n_state_faults: u64,
}

impl Totals {
    /// Adds what another part of the scan counted.
    pub fn merge(&mut self, other: Self) {
        self.n_resources += other.n_resources;
        self.n_passed_over += other.n_passed_over;
        self.pairs.merge(&other.pairs);
        self.summary.merge(&other.summary);
        other.results.into_iter().for_each(|(key, n)| *self.results.entry(key).or_default() += n);
        other.drift.into_iter().for_each(|(key, n)| *self.drift.entry(key).or_default() += n);
        for (policy, cost) in other.costs {
            let sum = self.costs.entry(policy).or_default();
            sum.n += cost.n;
            sum.nanos += cost.nanos;
            sum.nanos_max = sum.nanos_max.max(cost.nanos_max);
        }
        let (ours, theirs) = (&mut self.reports, other.reports);
        ours.written += theirs.written;
        ours.unchanged += theirs.unchanged;
        ours.deleted += theirs.deleted;
        ours.failed += theirs.failed;
        ours.foreign += theirs.foreign;
        ours.adopted += theirs.adopted;
        self.problems.extend(other.problems);
        self.plan.extend(other.plan);
        self.collected.extend(other.collected);
        self.n_state_faults += other.n_state_faults;
    }

    /// Counts a pair, and tells it if the plan is told.
    pub(super) fn pair(
        &mut self,
        tells: Tells,
        id: &ResourceId,
        policy: &PolicyKey,
        action: Action,
        reason: &Reason,
    ) {
        self.pairs.add(action, reason, 1);
        let is_told = match tells {
            Tells::Nothing => false,
            Tells::Changes => action != Action::Reuse,
            Tells::Everything => true,
        };
        if is_told && self.plan.len() < crate::limits::PLAN_LINES_MAX {
            self.plan.push(PlanLine {
                resource: id.clone(),
                policy: Some(policy.clone()),
                action: action.as_str(),
                reason: reason.explain(),
            });
        }
    }
}

/// How a scan ended.
#[derive(Clone, Debug, Default)]
pub struct ScanOutcome {
    /// What it counted.
    pub totals: Totals,
    /// What happened to each kind.
    pub kinds: Vec<KindOutcome>,
    /// What went wrong beside single objects.
    pub problems: Vec<Problem>,
    /// Facts fetched.
    pub n_facts: u64,
    /// Whether it was stopped before its end.
    pub is_interrupted: bool,
}
