//! What is left when everything was listed: resources that a complete list no longer holds, kinds that nobody scans any more, reports that belong
//! to nothing. Only what is proven absent is removed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::ControlFlow;

use super::chunk::{Context, Done, Pending, Then, count_unseen, drift, plan_line, store};
use super::reports::{self, Standing, Step};
use crate::fingerprint;
use crate::limits;
use crate::model::{Fingerprint, IndexRecord, ResourceId, Verdict};
use crate::plan::{Action, Reason};
use crate::report::ReportWrite;
use crate::store::StateChange;

/// The resources that a list held, by the hash of their UID, and whether they are scanned or left out.
pub(super) type Seen = HashMap<Fingerprint, bool>;

/// The hash under which a resource is remembered as seen.
pub(super) fn seen_key(id: &ResourceId) -> Fingerprint {
    fingerprint::of_bytes(id.uid.as_bytes())
}

/// What a list held.
#[derive(Debug)]
pub(super) struct List {
    pub(super) seen: Seen,
    /// Whether it was told to its end.
    pub(super) is_complete: bool,
}

/// What the lists of a scan proved.
#[derive(Debug, Default)]
pub(super) struct Proof {
    /// By group and kind.
    pub(super) lists: BTreeMap<(String, String), List>,
    /// Groups of which it could not be found out what they serve.
    pub(super) unknown_groups: BTreeSet<String>,
}

impl Proof {
    /// Why a resource is to be forgotten; `None` if it is there, or if that is not known.
    fn absence(&self, id: &ResourceId) -> Option<Reason> {
        let kind = (id.key.group.clone(), id.key.kind.clone());
        match self.lists.get(&kind) {
            Some(list) if list.is_complete => match list.seen.get(&seen_key(id)) {
                Some(true) => None,
                Some(false) => Some(Reason::NotSelected),
                None => Some(Reason::ResourceGone),
            },
            Some(_) => None,
            None if self.unknown_groups.contains(&kind.0) => None,
            None => Some(Reason::NotSelected),
        }
    }

    /// Whether it is known which resources of a kind there are.
    fn is_known(&self, kind: &(String, String)) -> bool {
        !self.unknown_groups.contains(&kind.0) && self.lists.get(kind).is_none_or(|list| list.is_complete)
    }

    /// Whether a resource that is not proven to be gone was not looked at either.
    fn is_unseen(&self, id: &ResourceId) -> bool {
        let list = self.lists.get(&(id.key.group.clone(), id.key.kind.clone()));
        list.is_none_or(|list| !list.is_complete && !list.seen.contains_key(&seen_key(id)))
    }
}

/// Forgets what is proven to be gone, or is not scanned any more: one walk over the index.
pub(super) fn forget(ctx: &Context, proof: &Proof) -> Done {
    let (mut gone, mut unseen) = (Vec::new(), Vec::new());
    if let Some(state) = &ctx.scan.state {
        // A walk that breaks off finds less: what it missed is found by the next scan.
        let _ = state.each_record(&mut |record| {
            if !ctx.scan.settings.is_meant(&record.id.key) {
                return ControlFlow::Continue(());
            }
            match proof.absence(&record.id) {
                Some(reason) if ctx.scan.source.is_proven_gone(&record.id.uid) => {
                    gone.push((record, reason));
                }
                Some(_) => unseen.push(record.id),
                None if proof.is_unseen(&record.id) => unseen.push(record.id),
                None => {}
            }
            ControlFlow::Continue(())
        });
    }
    if !ctx.scan.unknown.is_empty() {
        gone.retain(|(record, reason)| *reason != Reason::NotSelected || !may_be_selected(ctx, record));
    }
    let mut done = Done { totals: count_unseen(ctx, &unseen), ..Done::default() };
    for chunk in gone.chunks(limits::CHUNK_OBJECTS_MAX) {
        forget_some(ctx, chunk, &mut done);
        store(ctx, &mut done);
    }
    done
}

/// Whether a policy that could not be listed may still select the resource: one of those has a verdict on it, or that cannot be told.
fn may_be_selected(ctx: &Context, record: &IndexRecord) -> bool {
    let verdicts = ctx.scan.state.as_ref().map(|state| state.verdicts(&record.id));
    match verdicts {
        Some(Ok(verdicts)) => verdicts.iter().any(|verdict| ctx.scan.unknown.contains(&verdict.policy.kind)),
        _ => true,
    }
}

/// Deletes reports of ours that no resource asked for, where the kind of their owner was completely looked at.
pub(super) fn delete_orphans(ctx: &Context, proof: &Proof) -> Done {
    let mut done = Done::default();
    let Standing::Known(actual) = &ctx.standing else { return done };
    if !ctx.scan.unknown.is_empty() || ctx.scan.settings.only.is_some() {
        // A report may hold results of policies that could not be listed, on a resource that nobody else selects.
        return done;
    }
    for report in actual.unvisited() {
        if let Step::Write(write) = reports::delete(report)
            && report.owner_kind.as_ref().is_none_or(|kind| proof.is_known(kind))
            && ctx.scan.source.is_proven_gone(&report.name)
        {
            done.writes.push(Pending { write, then: Then::Nothing });
        }
    }
    done
}

fn forget_some(ctx: &Context, gone: &[(IndexRecord, Reason)], done: &mut Done) {
    let ids: Vec<&ResourceId> = gone.iter().map(|(record, _)| &record.id).collect();
    let verdicts = ctx.scan.state.as_ref().and_then(|state| state.verdicts_of(&ids).ok());
    let verdicts: Vec<Vec<Verdict>> = verdicts.unwrap_or_else(|| vec![Vec::new(); gone.len()]);
    for ((record, reason), verdicts) in gone.iter().zip(verdicts) {
        for verdict in &verdicts {
            let tells = ctx.scan.settings.tells();
            done.totals.pair(tells, &record.id, &verdict.policy, Action::Forget, reason);
            drift(&mut done.totals, &verdict.policy, &record.id.key.namespace, &verdict.outcomes, &[]);
        }
        match delete_of(ctx, record) {
            Some(write) => {
                if ctx.scan.settings.is_dry_run {
                    done.totals.plan.push(plan_line(&record.id, &write));
                }
                done.writes.push(Pending { write, then: Then::Forget(record.id.clone()) });
            }
            None => done.changes.push(StateChange::Forget(record.id.clone())),
        }
    }
}

/// The deletion of the report of a resource that is gone; `None` if there is nothing of ours to delete.
fn delete_of(ctx: &Context, record: &IndexRecord) -> Option<ReportWrite> {
    let step = reports::step(
        &ctx.standing,
        &record.id,
        None,
        record.report.as_ref(),
        &ctx.scan.settings.report,
        ctx.now_s,
        &|_| None,
    );
    match step {
        Step::Write(write) => Some(write),
        _ => None,
    }
}
