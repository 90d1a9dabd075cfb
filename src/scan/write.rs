//! Report writes: bounded in number, each followed by the record that remembers it.

use std::sync::Arc;

use futures_util::StreamExt;
use tokio::sync::Semaphore;

use super::Totals;
use super::chunk::{Context, Pending, Then};
use crate::inventory::Problem;
use crate::model::{IndexRecord, WrittenReport};
use crate::report::ReportWrite;
use crate::store::StateChange;

/// Carries out the writes of one chunk and stores what was acknowledged. In a dry run nothing happens, and everything is counted as if it had.
pub(super) async fn carry_out(ctx: &Arc<Context>, gate: &Semaphore, writes: Vec<Pending>) -> Totals {
    let mut totals = Totals::default();
    let mut changes = Vec::new();
    let is_dry_run = ctx.scan.settings.is_dry_run;
    let mut results = futures_util::stream::iter(writes.into_iter().map(|pending| async move {
        let answer = match &ctx.scan.sink {
            Some(sink) if !is_dry_run => {
                let _permit = gate.acquire().await;
                sink.write(&pending.write).await
            }
            _ => Ok(String::new()),
        };
        (pending, answer)
    }))
    .buffer_unordered(ctx.scan.settings.n_writes.max(1));
    while let Some((pending, answer)) = results.next().await {
        match answer {
            Ok(resource_version) => acknowledge(&mut totals, &mut changes, pending, resource_version),
            Err(error) => {
                totals.reports.failed += 1;
                totals.problems.push(Problem {
                    subject: subject(&pending.write),
                    message: error.message,
                    is_input: false,
                });
            }
        }
    }
    if !changes.is_empty() && !is_dry_run && ctx.scan.state.is_some() {
        let ctx = Arc::clone(ctx);
        let store = move || ctx.scan.state.as_ref().is_some_and(|state| state.apply(&changes).is_err());
        totals.n_state_faults += u64::from(tokio::task::spawn_blocking(store).await.unwrap_or(true));
    }
    totals
}

fn acknowledge(
    totals: &mut Totals,
    changes: &mut Vec<StateChange>,
    pending: Pending,
    resource_version: String,
) {
    let digest = match &pending.write {
        ReportWrite::Put { digest, .. } => {
            totals.reports.written += 1;
            Some(*digest)
        }
        ReportWrite::Delete { .. } => {
            totals.reports.deleted += 1;
            None
        }
    };
    match pending.then {
        Then::Remember(record) => {
            let report = digest.map(|digest| WrittenReport { digest, resource_version });
            changes.push(StateChange::Record(Box::new(IndexRecord { report, ..*record })));
        }
        Then::Forget(id) => changes.push(StateChange::Forget(id)),
        Then::Nothing => {}
    }
}

fn subject(write: &ReportWrite) -> String {
    match write {
        ReportWrite::Put { scope, .. } => format!("report {} of {}", scope.uid, scope.key),
        ReportWrite::Delete { namespace, name, .. } => format!("report {namespace}/{name}"),
    }
}
