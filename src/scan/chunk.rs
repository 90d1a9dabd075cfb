//! The work on one chunk of listed objects: decide, evaluate what has to be, keep the rest, and say what has
//! to be stored and written.
//!
//! Runs on a blocking worker. Nothing here waits for another resource, and nothing one resource holds can
//! hurt another.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use super::applicable::{Applicable, Finder, Judge};
use super::evaluate::{Evaluated, evaluate};
use super::facts::FactCache;
use super::forms::Forms;
use super::reports::{self, Standing, Step};
use super::{Drift, PlanLine, Scan, Tells, Totals};
use crate::document::{Document, Parts};
use crate::fingerprint::{FormPrints, PartPrints, is_as_read};
use crate::inventory::{Listed, Problem};
use crate::limits;
use crate::model::{
    DatedOutcome, Fact, FactKey, FactPrints, FactRead, Fingerprint, IndexRecord, Outcome, ResourceId, Status,
    Verdict, WrittenReport,
};
use crate::plan::{self, Action, Decision, Pairs, Reason};
use crate::report::{Report, ReportWrite, reported_status};
use crate::store::{State, StateChange, StoreError};

/// What all workers of one scan share.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) scan: Scan,
    pub(super) finder: Finder,
    pub(super) facts: FactCache,
    pub(super) standing: Standing,
    pub(super) now_s: i64,
    /// Whether the state held nothing when the scan began: then nothing drifts.
    pub(super) is_first: bool,
    pub(super) handle: tokio::runtime::Handle,
}

/// A report write, and what is stored once it is acknowledged.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) write: ReportWrite,
    pub(super) then: Then,
}

/// What is stored once a write is acknowledged.
#[derive(Debug)]
pub(super) enum Then {
    /// The record, with the report as written.
    Remember(Box<IndexRecord>),
    /// Nothing is left of the resource.
    Forget(ResourceId),
    /// Nothing.
    Nothing,
}

/// What a chunk came to.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) totals: Totals,
    pub(super) changes: Vec<StateChange>,
    pub(super) writes: Vec<Pending>,
}

/// Works on a chunk, and stores what it found out.
pub(super) fn work(ctx: &Context, items: &[Listed]) -> Done {
    let mut worker = Worker::new(ctx);
    for visit in worker.visits(items) {
        worker.done.totals.n_resources += 1;
        worker.carry(visit);
    }
    worker.sum_up();
    store(ctx, &mut worker.done);
    worker.done
}

/// Counts the results of resources that could not be looked at: what their reports say still stands.
pub(super) fn count_unseen(ctx: &Context, ids: &[ResourceId]) -> Totals {
    let mut worker = Worker::new(ctx);
    for ids in ids.chunks(limits::CHUNK_OBJECTS_MAX) {
        let ids: Vec<&ResourceId> = ids.iter().collect();
        let verdicts = worker.stored(|state| state.verdicts_of(&ids)).unwrap_or_default();
        for (id, verdicts) in ids.iter().zip(verdicts) {
            worker.stay(id, &verdicts, &ctx.finder.find(id));
        }
    }
    worker.sum_up();
    worker.done.totals
}

/// Stores the changes of a chunk.
pub(super) fn store(ctx: &Context, done: &mut Done) {
    let changes = std::mem::take(&mut done.changes);
    if let Some(state) =
        ctx.scan.state.as_ref().filter(|_| !ctx.scan.settings.is_dry_run && !changes.is_empty())
    {
        done.totals.n_state_faults += u64::from(state.apply(&changes).is_err());
    }
}

struct Worker<'a> {
    ctx: &'a Context,
    /// Facts that this worker has met, so that the next resource finds them without a lock.
    known: BTreeMap<FactKey, Arc<Fact>>,
    /// Outcomes by namespace, policy (its position in the scan's list) and status.
    tallied: BTreeMap<String, Vec<[u64; 5]>>,
    done: Done,
}

/// One object of the chunk, with what is stored of it.
struct Visit<'a> {
    item: &'a Listed,
    record: Option<IndexRecord>,
    applicable: Arc<Applicable>,
    /// Whether nothing has to be looked at.
    is_passed_over: bool,
    /// The stored verdicts, if they are needed.
    verdicts: Vec<Verdict>,
}

impl<'a> Worker<'a> {
    fn new(ctx: &'a Context) -> Self {
        Self { ctx, known: BTreeMap::new(), tallied: BTreeMap::new(), done: Done::default() }
    }
}

impl Worker<'_> {
    /// Reads what is stored of the objects: all records at once, then the verdicts of those that are looked at.
    fn visits<'i>(&mut self, items: &'i [Listed]) -> Vec<Visit<'i>> {
        let ids: Vec<&ResourceId> = items.iter().map(|item| &item.id).collect();
        let records = self.stored(|state| state.records(&ids)).unwrap_or_else(|| vec![None; ids.len()]);
        let visit = |(item, record): (&'i Listed, Option<IndexRecord>)| {
            let applicable = self.ctx.finder.find(&item.id);
            let is_passed_over =
                record.as_ref().is_some_and(|record| self.can_pass_over(item, record, &applicable));
            Visit { item, record, applicable, is_passed_over, verdicts: Vec::new() }
        };
        let mut visits: Vec<Visit<'_>> = items.iter().zip(records).map(visit).collect();
        let is_shown = self.ctx.scan.settings.collects_reports;
        let is_wanted =
            |visit: &&mut Visit<'_>| visit.record.is_some() && (is_shown || !visit.is_passed_over);
        let wanted: Vec<&mut Visit<'_>> = visits.iter_mut().filter(is_wanted).collect();
        let ids: Vec<&ResourceId> = wanted.iter().map(|visit| &visit.item.id).collect();
        let verdicts = self.stored(|state| state.verdicts_of(&ids)).unwrap_or_default();
        wanted.into_iter().zip(verdicts).for_each(|(visit, verdicts)| visit.verdicts = verdicts);
        visits
    }

    /// Reads from the state; `None`, counted, if it does not answer, or there is none.
    fn stored<T>(&mut self, read: impl FnOnce(&State) -> Result<T, StoreError>) -> Option<T> {
        let answer = read(self.ctx.scan.state.as_ref()?);
        self.done.totals.n_state_faults += u64::from(answer.is_err());
        answer.ok()
    }

    fn carry(&mut self, visit: Visit<'_>) {
        let Visit { item, record, applicable, is_passed_over, verdicts } = visit;
        if record.is_none() && applicable.policies.is_empty() {
            return;
        }
        if let Some(record) = record.as_ref().filter(|_| is_passed_over) {
            return self.pass_over(&item.id, record, &verdicts, &applicable);
        }
        match item.content.decode(&item.id.gvk()) {
            Ok(object) => self.look_at(item, &object, record.as_ref(), verdicts, &applicable),
            Err(message) => {
                // What cannot be read is not gone: everything about it stays as it is.
                self.done.totals.problems.push(Problem {
                    subject: item.id.key.to_string(),
                    message,
                    is_input: true,
                });
                reports::leave(&self.ctx.standing, &item.id);
                self.stay(&item.id, &verdicts, &applicable);
            }
        }
    }

    fn can_pass_over(&self, item: &Listed, record: &IndexRecord, applicable: &Applicable) -> bool {
        let holds = |read: &FactRead| is_as_read(read, &self.ctx.facts.get(&read.key).prints);
        !self.ctx.scan.settings.is_verifying
            && record.id.version == item.id.version
            && plan::shortcut(record, &item.version, applicable.digest, self.ctx.now_s, holds)
            && reports::is_as_remembered(&self.ctx.standing, &item.id, record.report.as_ref())
    }

    fn pass_over(
        &mut self,
        id: &ResourceId,
        record: &IndexRecord,
        verdicts: &[Verdict],
        applicable: &Applicable,
    ) {
        let totals = &mut self.done.totals;
        totals.n_passed_over += 1;
        match self.ctx.scan.settings.tells() {
            Tells::Everything => applicable.policies.iter().for_each(|policy| {
                totals.pair(Tells::Everything, id, &policy.key, Action::Reuse, &Reason::Unchanged);
            }),
            _ => totals.pairs.add(Action::Reuse, &Reason::Unchanged, applicable.policies.len() as u64),
        }
        totals.reports.unchanged += u64::from(record.report.is_some());
        self.tally(id, &record.tallies, applicable);
        if self.ctx.scan.settings.collects_reports {
            self.collect(self.report(id, verdicts, applicable));
        }
    }

    fn look_at(
        &mut self,
        item: &Listed,
        object: &Arc<Document>,
        record: Option<&IndexRecord>,
        stored: Vec<Verdict>,
        applicable: &Arc<Applicable>,
    ) {
        let (ctx, id) = (self.ctx, &item.id);
        let is_excluded = ctx.scan.settings.coverage.excludes_by_label(object);
        let policies = if is_excluded { &[][..] } else { &applicable.policies[..] };
        let judged = if is_excluded { &[][..] } else { &applicable.forms[..] };
        let forms = Forms::read(item, object, ctx.finder.others(id), judged);
        let prints_before = record.map(|record| PartPrints(record.prints));
        let facts_now = self.facts_now(&stored);
        let focus = &ctx.scan.settings.focus;
        let pairs = Pairs {
            policies,
            forms: judged,
            prints: &forms.prints,
            prints_before: prints_before.as_ref(),
            facts: &facts_now,
            unknown: &ctx.scan.unknown,
            is_due: &|policy| focus.covers(policy, id),
            is_verified: &|policy| ctx.scan.settings.is_verifying && focus.covers(policy, id),
            now_s: ctx.now_s,
        };
        let decisions = plan::decide(&pairs, &stored);
        let kept = self.carry_out(id, &forms, applicable, stored, decisions);
        self.settle(item, forms.prints.known(), record, applicable, kept);
    }

    /// What the facts that stored verdicts read are now.
    fn facts_now(&self, stored: &[Verdict]) -> BTreeMap<FactKey, FactPrints> {
        let keys = stored.iter().flat_map(|verdict| verdict.facts.iter().map(|read| &read.key));
        let mut now = BTreeMap::new();
        for key in keys {
            if !now.contains_key(key) {
                now.insert(key.clone(), self.ctx.facts.get(key).prints);
            }
        }
        now
    }

    /// Evaluates, keeps and drops as decided.
    fn carry_out(
        &mut self,
        id: &ResourceId,
        forms: &Forms,
        applicable: &Applicable,
        stored: Vec<Verdict>,
        decisions: Vec<Decision>,
    ) -> Kept {
        let mut stored: Vec<Option<Verdict>> = stored.into_iter().map(Some).collect();
        let mut kept = Kept { is_unsettled: forms.is_incomplete(), ..Kept::default() };
        for decision in decisions {
            let before = decision.verdict.and_then(|at| stored.get_mut(at)).and_then(Option::take);
            let policy = decision.policy.and_then(|at| applicable.judge(at));
            let Some(key) = policy
                .map(|judge| &judge.policy.key)
                .or(before.as_ref().map(|verdict| &verdict.policy))
                .cloned()
            else {
                continue;
            };
            let tells = self.ctx.scan.settings.tells();
            self.done.totals.pair(tells, id, &key, decision.action, &decision.reason);
            match (decision.action, policy, before) {
                (Action::Evaluate, Some(judge), before) => {
                    let verdict = self.evaluate(id, forms, judge, before.as_ref(), &mut kept);
                    kept.is_changed |= before.as_ref() != Some(&verdict);
                    kept.verdicts.push(verdict);
                }
                (Action::Reuse, _, Some(verdict)) => {
                    kept.is_unsettled |= matches!(decision.reason, Reason::NotDue);
                    kept.has_unknown |= matches!(decision.reason, Reason::PolicyUnknown);
                    kept.verdicts.push(verdict);
                }
                (_, _, Some(before)) => {
                    kept.is_changed = true;
                    self.drift(&before.policy, id, &before.outcomes, &[]);
                }
                (_, _, None) => {}
            }
        }
        kept.verdicts.sort_by(|a, b| a.policy.cmp(&b.policy));
        kept
    }

    fn evaluate(
        &mut self,
        id: &ResourceId,
        forms: &Forms,
        judge: Judge<'_>,
        before: Option<&Verdict>,
        kept: &mut Kept,
    ) -> Verdict {
        let (ctx, now_s, policy) = (self.ctx, self.ctx.now_s, judge.policy);
        let start = Instant::now();
        let run = evaluate(policy, forms, judge.forms, ctx.scan.settings.now, &ctx.facts, &mut self.known);
        self.cost(judge.position, start);
        let Evaluated { outcomes, parts, facts, volatility, is_transient } = run;
        kept.is_unsettled |= is_transient;
        let before_outcomes = before.map_or(&[][..], |verdict| &verdict.outcomes);
        let outcomes = date(outcomes, before_outcomes, now_s);
        let is_same = before.is_some() && before_outcomes == outcomes;
        if !is_same {
            self.drift(&policy.key, id, before_outcomes, &outcomes);
        }
        Verdict {
            policy: policy.key.clone(),
            policy_print: policy.fingerprint,
            parts,
            input_print: kept.print_over(&forms.prints, judge.forms, parts),
            facts,
            valid_until_s: volatility.map(|volatility| volatility.end(now_s, ctx.scan.settings.max_age_s)),
            outcomes,
            changed_at_s: if is_same { before.map_or(now_s, |verdict| verdict.changed_at_s) } else { now_s },
            evaluated_at_s: now_s,
        }
    }

    fn cost(&mut self, position: usize, start: Instant) {
        let nanos = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let cost = self.done.totals.costs.entry(position).or_default();
        cost.n += 1;
        cost.nanos += nanos;
        cost.nanos_max = cost.nanos_max.max(nanos);
    }

    /// Makes the record and the report of a resource from its verdicts, and says what has to be stored and
    /// written.
    fn settle(
        &mut self,
        item: &Listed,
        prints: PartPrints,
        record: Option<&IndexRecord>,
        applicable: &Arc<Applicable>,
        mut kept: Kept,
    ) {
        let id = &item.id;
        let is_shown =
            self.ctx.scan.settings.collects_reports || !matches!(self.ctx.standing, Standing::Unwritten);
        let mut report = if is_shown { self.report(id, &kept.verdicts, applicable) } else { None };
        let written = record.and_then(|record| record.report.clone());
        // With nothing stored, results of policies that could not be listed stand in the report alone.
        kept.has_unknown |= record.is_none() && !self.ctx.scan.unknown.is_empty() && self.has_report(id);
        let step = if kept.has_unknown {
            // A result of a policy that could not be listed cannot be shown in full: the report waits until
            // it can.
            kept.is_unsettled = true;
            reports::leave(&self.ctx.standing, id);
            Step::Unchanged(written.clone())
        } else {
            let read = |id: &ResourceId| self.read_report(id);
            let settings = &self.ctx.scan.settings.report;
            let (standing, now_s) = (&self.ctx.standing, self.ctx.now_s);
            reports::step(standing, id, report.as_mut(), written.as_ref(), settings, now_s, &read)
        };
        if let (Step::Adopted(_), Some(report)) = (&step, &report) {
            adopt_times(report, &mut kept.verdicts);
        }
        let tallies = tallies(&kept.verdicts, applicable);
        self.tally(id, &tallies, applicable);
        let new = IndexRecord {
            id: id.clone(),
            version: item.version.clone(),
            prints: prints.0,
            applicable: applicable.digest,
            is_settled: !kept.is_unsettled,
            due_at_s: kept.verdicts.iter().filter_map(|verdict| verdict.valid_until_s).min(),
            facts: facts_of(&kept.verdicts),
            tallies,
            report: written,
        };
        if kept.is_changed || record.is_none() {
            self.done.changes.push(StateChange::Verdicts(id.clone(), kept.verdicts));
        }
        self.finish(new, record, step);
        self.collect(report);
    }

    fn finish(&mut self, mut new: IndexRecord, record: Option<&IndexRecord>, step: Step) {
        let reports = &mut self.done.totals.reports;
        match step {
            Step::Unchanged(written) => {
                reports.unchanged += u64::from(written.is_some());
                new.report = written;
            }
            Step::Adopted(written) => {
                reports.unchanged += 1;
                reports.adopted += 1;
                new.report = Some(written);
            }
            Step::LeftAlone => {
                reports.foreign += 1;
                new.report = None;
                let message = "its report is somebody else's and was left alone".to_owned();
                self.done.totals.problems.push(Problem {
                    subject: new.id.key.to_string(),
                    message,
                    is_input: false,
                });
            }
            Step::Write(write) => {
                self.tell_write(&new.id, &write);
                let is_delete = matches!(write, ReportWrite::Delete { .. });
                let mut then = new.clone();
                then.report = (!is_delete).then(WrittenReport::default);
                self.done.writes.push(Pending { write, then: Then::Remember(Box::new(then)) });
                // INVARIANT: until the write is acknowledged the resource must not be passed over.
                new.is_settled = false;
            }
        }
        if record != Some(&new) {
            self.done.changes.push(StateChange::Record(Box::new(new)));
        }
    }

    fn tell_write(&mut self, id: &ResourceId, write: &ReportWrite) {
        if self.ctx.scan.settings.is_dry_run {
            self.done.totals.plan.push(plan_line(id, write));
        }
    }

    /// Whether there is a report of Patrol's, or one to adopt.
    fn has_report(&self, id: &ResourceId) -> bool {
        match &self.ctx.standing {
            Standing::Known(actual) => {
                actual.of(id).is_some_and(|report| report.ownership != crate::report::Ownership::Foreign)
            }
            Standing::Unwritten | Standing::Unknown => false,
        }
    }

    fn read_report(&self, id: &ResourceId) -> Option<Vec<u8>> {
        let sink = self.ctx.scan.sink.as_ref()?;
        self.ctx.handle.block_on(sink.read(id)).ok().flatten()
    }

    fn report(&self, id: &ResourceId, verdicts: &[Verdict], applicable: &Applicable) -> Option<Report> {
        let pairs = applicable.judged(verdicts).filter_map(|(at, verdict)| {
            let policy = applicable.policies.get(at)?;
            Some((&policy.key, &policy.presentation, &verdict.outcomes[..]))
        });
        Report::build(id, pairs, &self.ctx.scan.settings.report)
    }

    fn collect(&mut self, report: Option<Report>) {
        if self.ctx.scan.settings.collects_reports {
            self.done.totals.collected.extend(report);
        }
    }

    /// Counts and tells what is known of a resource that is not looked at.
    fn stay(&mut self, id: &ResourceId, verdicts: &[Verdict], applicable: &Applicable) {
        self.tally(id, &tallies(verdicts, applicable), applicable);
        if self.ctx.scan.settings.collects_reports {
            self.collect(self.report(id, verdicts, applicable));
        }
    }

    fn tally(&mut self, id: &ResourceId, tallies: &[[u16; 5]], applicable: &Applicable) {
        let namespace = &id.key.namespace;
        if !self.tallied.contains_key(namespace) {
            let none = vec![[0; 5]; self.ctx.finder.policies().len()];
            self.tallied.insert(namespace.clone(), none);
        }
        let Some(sums) = self.tallied.get_mut(namespace) else { return };
        for (tally, position) in tallies.iter().zip(&applicable.positions) {
            for (sum, n) in sums.get_mut(*position).into_iter().flatten().zip(tally) {
                *sum += u64::from(*n);
            }
        }
    }

    /// Adds what was tallied to the totals.
    fn sum_up(&mut self) {
        for (namespace, tallied) in std::mem::take(&mut self.tallied) {
            for (position, counts) in tallied.into_iter().enumerate() {
                for (status, n) in Status::ALL.into_iter().zip(counts).filter(|(_, n)| *n > 0) {
                    self.done.totals.summary.add_n(status, n);
                    *self.done.totals.results.entry((position, namespace.clone(), status)).or_default() += n;
                }
            }
        }
    }

    fn drift(
        &mut self,
        policy: &crate::model::PolicyKey,
        id: &ResourceId,
        before: &[DatedOutcome],
        after: &[DatedOutcome],
    ) {
        if !self.ctx.is_first {
            drift(&mut self.done.totals, policy, &id.key.namespace, before, after);
        }
    }
}

/// The verdicts that a resource has after its decisions were carried out.
#[derive(Default)]
struct Kept {
    verdicts: Vec<Verdict>,
    /// Whether any of them differs from what is stored.
    is_changed: bool,
    is_unsettled: bool,
    has_unknown: bool,
    /// Fingerprints over sets of parts of some forms: policies mostly read the same ones.
    prints_over: Vec<(Vec<usize>, Parts, Fingerprint)>,
}

impl Kept {
    fn print_over(&mut self, prints: &FormPrints, forms: &[usize], parts: Parts) -> Fingerprint {
        let known = self.prints_over.iter().find(|(of, known, _)| *known == parts && of == forms);
        if let Some((_, _, print)) = known {
            return *print;
        }
        let print = prints.over(forms, parts);
        self.prints_over.push((forms.to_vec(), parts, print));
        print
    }
}

/// The line that tells a report write.
pub(super) fn plan_line(id: &ResourceId, write: &ReportWrite) -> PlanLine {
    let (action, reason) = match write {
        ReportWrite::Put { replaces: None, .. } => ("write", "there is no report yet"),
        ReportWrite::Put { .. } => ("write", "the report differs"),
        ReportWrite::Delete { .. } => ("delete", "the report would be empty, or its resource is gone"),
    };
    PlanLine { resource: id.clone(), policy: None, action, reason: reason.into() }
}

/// Counts the changes between two verdicts' outcomes.
pub(super) fn drift(
    totals: &mut Totals,
    policy: &crate::model::PolicyKey,
    namespace: &str,
    before: &[DatedOutcome],
    after: &[DatedOutcome],
) {
    let status_of = |outcomes: &[DatedOutcome], rule: &str| {
        outcomes.iter().find(|dated| dated.outcome.rule == rule).map(|dated| dated.outcome.status)
    };
    let mut rules: Vec<&str> = before.iter().chain(after).map(|dated| dated.outcome.rule.as_str()).collect();
    rules.sort_unstable();
    rules.dedup();
    for rule in rules {
        let (from, to) = (status_of(before, rule), status_of(after, rule));
        if from != to {
            let drift = Drift { policy: policy.clone(), namespace: namespace.to_owned(), from, to };
            *totals.drift.entry(drift).or_default() += 1;
        }
    }
}

/// Dates outcomes: what was said before keeps its time.
fn date(outcomes: Vec<Outcome>, before: &[DatedOutcome], now_s: i64) -> Vec<DatedOutcome> {
    let mut dated: Vec<DatedOutcome> = outcomes
        .into_iter()
        .map(|outcome| {
            let since_s = before.iter().find(|old| old.outcome == outcome).map_or(now_s, |old| old.since_s);
            DatedOutcome { outcome, since_s }
        })
        .collect();
    dated.sort_by(|a, b| a.outcome.rule.cmp(&b.outcome.rule));
    dated
}

/// Takes the times of an adopted report over into the verdicts, which were made without knowing them.
fn adopt_times(report: &Report, verdicts: &mut [Verdict]) {
    for verdict in verdicts {
        let (policy, source) = (verdict.policy.report_name(), verdict.policy.kind.source());
        for dated in &mut verdict.outcomes {
            let same = report.results.iter().find(|result| {
                result.policy == policy && result.source == source && result.rule == dated.outcome.rule
            });
            if let Some(result) = same {
                dated.since_s = result.since_s;
            }
        }
    }
}

/// One tally a policy, in the order of the applicable policies.
fn tallies(verdicts: &[Verdict], applicable: &Applicable) -> Vec<[u16; 5]> {
    let mut tallies = vec![[0_u16; 5]; applicable.policies.len()];
    for (at, verdict) in applicable.judged(verdicts) {
        let (Some(tally), Some(policy)) = (tallies.get_mut(at), applicable.policies.get(at)) else {
            continue;
        };
        for dated in &verdict.outcomes {
            let status = reported_status(dated.outcome.status, &policy.presentation);
            if let Some(n) = tally.get_mut(status as usize) {
                *n = n.saturating_add(1);
            }
        }
    }
    tallies
}

/// What verdicts read of facts, each once, in order.
fn facts_of(verdicts: &[Verdict]) -> Vec<FactRead> {
    let facts: BTreeSet<&FactRead> = verdicts.iter().flat_map(|verdict| &verdict.facts).collect();
    facts.into_iter().cloned().collect()
}
