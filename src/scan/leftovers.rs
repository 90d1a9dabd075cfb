//! What is left when everything was listed: resources that a complete list no longer holds, kinds that nobody scans any more, reports that belong
//! to nothing. Only what is proven absent is removed.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::ControlFlow;

use super::chunk::{Context, Done, Pending, Then, drift, plan_line, store};
use super::coverage::KindSet;
use super::reports::{self, Standing, Step};
use crate::fingerprint;
use crate::inventory::ScanKind;
use crate::model::{Fingerprint, IndexRecord, ResourceId};
use crate::plan::{Action, Reason};
use crate::report::ReportWrite;

/// The resources that a complete list held, by the hash of their UID.
pub(super) type Seen = HashSet<Fingerprint>;

/// The hash under which a resource is remembered as seen.
pub(super) fn seen_key(id: &ResourceId) -> Fingerprint {
    fingerprint::of_bytes(id.uid.as_bytes())
}

/// Forgets the resources of a completely listed kind that the list did not hold. `covered` holds all that is scanned of it.
pub(super) fn forget_unseen(ctx: &Context, kind: &ScanKind, seen: &Seen) -> Done {
    let is_gone = |record: &IndexRecord| {
        !seen.contains(&seen_key(&record.id)) && ctx.scan.source.is_proven_gone(&record.id.uid)
    };
    let gone = records(ctx, Some((&kind.gvk.group, &kind.gvk.kind)), is_gone);
    forget(ctx, gone, &Reason::ResourceGone)
}

/// Forgets the resources of kinds that are not scanned any more. `kept` are those that are, and those about which nothing was learned.
pub(super) fn forget_kinds(ctx: &Context, kept: &KindSet, unknown_groups: &BTreeSet<String>) -> Done {
    let is_gone = |record: &IndexRecord| {
        let key = &record.id.key;
        !unknown_groups.contains(&key.group)
            && !kept.contains(&(key.group.clone(), key.kind.clone()))
            && ctx.scan.source.is_proven_gone(&record.id.uid)
    };
    let mut gone = records(ctx, None, is_gone);
    if !ctx.scan.unknown.is_empty() {
        gone.retain(|record| !may_be_selected(ctx, record));
    }
    forget(ctx, gone, &Reason::NotSelected)
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
pub(super) fn delete_orphans(ctx: &Context, unproven: &KindSet, unknown_groups: &BTreeSet<String>) -> Done {
    let mut done = Done::default();
    let Standing::Known(actual) = &ctx.standing else { return done };
    if !ctx.scan.unknown.is_empty() {
        // A report may hold results of policies that could not be listed, on a resource that nobody else selects.
        return done;
    }
    for report in actual.unvisited() {
        let is_proven = report.owner_kind.as_ref().is_none_or(|(group, kind)| {
            !unknown_groups.contains(group) && !unproven.contains(&(group.clone(), kind.clone()))
        });
        if let Step::Write(write) = reports::delete(report)
            && is_proven
            && ctx.scan.source.is_proven_gone(&report.name)
        {
            done.writes.push(Pending { write, then: Then::Nothing });
        }
    }
    done
}

fn records(
    ctx: &Context,
    kind: Option<(&str, &str)>,
    is_wanted: impl Fn(&IndexRecord) -> bool,
) -> Vec<IndexRecord> {
    let mut found = Vec::new();
    if let Some(state) = &ctx.scan.state {
        // A walk that breaks off finds less: what it missed is found by the next scan.
        let _ = state.each_record(kind, &mut |record| {
            if is_wanted(&record) {
                found.push(record);
            }
            ControlFlow::Continue(())
        });
    }
    found
}

fn forget(ctx: &Context, records: Vec<IndexRecord>, reason: &Reason) -> Done {
    let mut done = Done::default();
    let mut by_policy = BTreeMap::new();
    for record in records {
        let verdicts =
            ctx.scan.state.as_ref().and_then(|state| state.verdicts(&record.id).ok()).unwrap_or_default();
        for verdict in &verdicts {
            let tell = ctx.scan.settings.is_dry_run;
            done.totals.pair(tell, &record.id, &verdict.policy, Action::Forget, reason);
            *by_policy.entry(verdict.policy.clone()).or_insert(0_u64) += 1;
            drift(&mut done.totals, &verdict.policy, &record.id.key.namespace, &verdict.outcomes, &[]);
        }
        match delete_of(ctx, &record) {
            Some(write) => {
                if ctx.scan.settings.is_dry_run {
                    done.totals.plan.push(plan_line(&record.id, &write));
                }
                done.writes.push(Pending { write, then: Then::Forget(record.id) });
            }
            None => done.changes.push(crate::store::StateChange::Forget(record.id)),
        }
    }
    store(ctx, &mut done);
    done
}

/// The deletion of the report of a resource that is gone; `None` if there is nothing of ours to delete.
fn delete_of(ctx: &Context, record: &IndexRecord) -> Option<ReportWrite> {
    let step = reports::step(
        &ctx.standing,
        &record.id,
        None,
        record.report.as_ref(),
        &ctx.scan.settings.report,
        &|_| None,
    );
    match step {
        Step::Write(write) => Some(write),
        _ => None,
    }
}
