//! The course of a scan: which kinds, page after page, chunk after chunk, then what is left over.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::applicable::Finder;
use super::chunk::{Context, Done, work};
use super::coverage::KindSet;
use super::facts::FactCache;
use super::leftovers::{self, List, Proof, Seen};
use super::reports::{Actual, Standing};
use super::{KindOutcome, KindState, Scan, ScanOutcome, Totals, write};
use crate::catalog::ENGINE_VERSION;
use crate::fingerprint;
use crate::inventory::{Discovered, ListError, Listed, Problem, ScanKind, SourceError};
use crate::limits;
use crate::matching::KindSelector;
use crate::store::State;

/// Runs one scan to its end, or to the wish to end.
///
/// `Err` only if the scan could not begin; whatever goes wrong later is told in the outcome, and removed nothing.
pub async fn run(scan: Scan) -> Result<ScanOutcome, SourceError> {
    let wanted: Vec<KindSelector> =
        scan.policies.iter().flat_map(|policy| policy.selection.kinds.iter().cloned()).collect();
    let Discovered { kinds, unknown_groups, problems } = scan.source.kinds(wanted).await?;
    let is_scanned = |kind: &ScanKind| {
        !scan.settings.coverage.filters.excludes_kind(&kind.gvk)
            && scan.settings.only.as_ref().is_none_or(|only| only.is_kind(&kind.gvk.kind))
    };
    let kinds: Vec<ScanKind> = kinds.into_iter().filter(is_scanned).collect();
    let (ctx, mut outcome) = prepare(scan, &kinds).await;
    outcome.problems.extend(problems);
    let course = Course::new(&ctx, &kinds);
    let mut lists = futures_util::stream::iter(kinds.iter().map(|kind| course.kind(kind)))
        .buffer_unordered(limits::KINDS_LISTED_AT_ONCE);
    let mut proof = Proof { unknown_groups, ..Proof::default() };
    while let Some((kind, told, seen)) = lists.next().await {
        let of_kind = (kind.gvk.group.clone(), kind.gvk.kind.clone());
        let is_complete = matches!(told.state, KindState::Listed | KindState::NotServed);
        proof.lists.insert(of_kind, List { seen, is_complete });
        outcome.kinds.push(told);
    }
    drop(lists);
    outcome.kinds.sort_by(|a, b| a.kind.cmp(&b.kind));
    outcome.is_interrupted = ctx.scan.stop.is_stopped();
    if !outcome.is_interrupted {
        course.leftovers(proof).await;
    }
    outcome.totals.merge(course.into_totals());
    let totals = &mut outcome.totals;
    totals.collected.sort_by(|a, b| a.scope.cmp(&b.scope));
    totals.plan.sort_by(|a, b| (&a.resource, &a.policy, a.action).cmp(&(&b.resource, &b.policy, b.action)));
    totals.problems.sort();
    outcome.n_facts = ctx.facts.len() as u64;
    flush(&ctx, &mut outcome).await;
    Ok(outcome)
}

/// Lists the reports there are, and sets up what the workers share.
async fn prepare(scan: Scan, kinds: &[ScanKind]) -> (Arc<Context>, ScanOutcome) {
    let mut outcome = ScanOutcome::default();
    let standing = match &scan.sink {
        None => Standing::Unwritten,
        Some(sink) => {
            let mut actual = Actual::default();
            match sink.each_actual(&mut |report| actual.add(report)).await {
                Ok(()) => Standing::Known(actual),
                Err(error) => {
                    let message = format!("reports could not be listed: {error}");
                    outcome.problems.push(Problem { subject: "reports".into(), message, is_input: false });
                    Standing::Unknown
                }
            }
        }
    };
    // A resource that was scanned when no reports were written has to be looked at once they are.
    let writes = fingerprint::of_bytes(if scan.sink.is_some() { b"written" } else { b"unwritten" });
    let settings = [scan.settings.report.fingerprint(), scan.settings.coverage.fingerprint(), writes];
    let finder = Finder::new(scan.policies.clone(), kinds, &scan.unknown, &settings);
    let facts = FactCache::new(Arc::clone(&scan.source), Handle::current());
    let is_first = scan.state.as_ref().is_none_or(is_empty);
    let now_s = scan.settings.now.as_second();
    (Arc::new(Context { scan, finder, facts, standing, now_s, is_first, handle: Handle::current() }), outcome)
}

fn is_empty(state: &State) -> bool {
    let mut is_empty = true;
    let _ = state.each_record(&mut |_| {
        is_empty = false;
        std::ops::ControlFlow::Break(())
    });
    is_empty
}

async fn flush(ctx: &Arc<Context>, outcome: &mut ScanOutcome) {
    if !ctx.scan.settings.is_dry_run && ctx.scan.state.is_some() {
        let ctx = Arc::clone(ctx);
        let keep = |state: &State| {
            state.set_engine(ENGINE_VERSION)?;
            state.flush()
        };
        let flush = move || ctx.scan.state.as_ref().is_some_and(|state| keep(state).is_err());
        outcome.totals.n_state_faults += u64::from(tokio::task::spawn_blocking(flush).await.unwrap_or(true));
    }
}

/// One scan under way.
struct Course<'a> {
    ctx: &'a Arc<Context>,
    /// The kinds that are scanned.
    kinds: KindSet,
    /// How many chunks may be under way, their writes included: what waits to be written is held in memory.
    chunks: Semaphore,
    /// How many chunks may be worked on at once; the list waits for its workers.
    workers: Semaphore,
    /// How many report writes may be under way at once.
    writes: Semaphore,
    totals: Mutex<Totals>,
}

impl<'a> Course<'a> {
    fn new(ctx: &'a Arc<Context>, kinds: &[ScanKind]) -> Self {
        let settings = &ctx.scan.settings;
        Self {
            ctx,
            kinds: kinds.iter().map(|kind| (kind.gvk.group.clone(), kind.gvk.kind.clone())).collect(),
            chunks: Semaphore::new(settings.n_workers.max(1) * limits::CHUNKS_PER_WORKER),
            workers: Semaphore::new(settings.n_workers.max(1)),
            writes: Semaphore::new(settings.n_writes.max(1)),
            totals: Mutex::default(),
        }
    }

    /// Lists a kind to its end and works on what it holds.
    async fn kind<'k>(&self, kind: &'k ScanKind) -> (&'k ScanKind, KindOutcome, Seen) {
        let mut seen = Seen::new();
        let mut told = KindOutcome {
            kind: kind.gvk.to_string(),
            n_objects: 0,
            state: KindState::Failed("interrupted".into()),
        };
        let mut restarts = 0;
        told.state = loop {
            match self.pages(kind, &mut seen, &mut told.n_objects).await {
                Ok(true) => break KindState::Listed,
                Ok(false) => break KindState::Failed("the scan was stopped".into()),
                Err(ListError::Expired) if restarts < limits::LIST_RESTARTS_MAX => restarts += 1,
                Err(ListError::NotServed(_)) => break KindState::NotServed,
                Err(ListError::Forbidden(message)) => break KindState::Forbidden(message),
                Err(error) => break KindState::Failed(error.to_string()),
            }
        };
        (kind, told, seen)
    }

    /// Works through the pages of one list; `false` if the scan was stopped. Objects that an expired list had told already are not worked
    /// on again.
    async fn pages(&self, kind: &ScanKind, seen: &mut Seen, n_objects: &mut u64) -> Result<bool, ListError> {
        let mut cursor = None;
        let mut working = FuturesUnordered::new();
        let coverage = &self.ctx.scan.settings.coverage;
        let end = loop {
            if self.ctx.scan.stop.is_stopped() {
                break Ok(false);
            }
            let mut page = self.ctx.scan.source.list(kind, cursor.take());
            // The server is waited for and the chunks are worked on at once.
            let page = loop {
                tokio::select! {
                    page = &mut page => break Some(page),
                    Some(()) = working.next() => {}
                    () = self.ctx.scan.stop.wished() => break None,
                }
            };
            let page = match page {
                Some(Ok(page)) => page,
                Some(Err(error)) => break Err(error),
                None => break Ok(false),
            };
            let mut items: Vec<Listed> = page.items;
            items.retain(|item| {
                let is_covered = coverage.covers(&item.id, &item.controllers, &self.kinds);
                let is_new = seen.insert(leftovers::seen_key(&item.id), is_covered).is_none();
                is_new && is_covered && self.ctx.scan.settings.is_meant(&item.id.key)
            });
            *n_objects += items.len() as u64;
            let mut items = items.into_iter();
            while items.len() > 0 {
                let chunk: Vec<Listed> = items.by_ref().take(limits::CHUNK_OBJECTS_MAX).collect();
                working.push(self.chunk(chunk));
            }
            // The next page is asked for once fewer chunks are left than the workers can hold.
            while working.len() > self.ctx.scan.settings.n_workers && working.next().await.is_some() {}
            cursor = page.next;
            if cursor.is_none() {
                break Ok(true);
            }
        };
        while working.next().await.is_some() {}
        end
    }

    async fn chunk(&self, items: Vec<Listed>) {
        let _permit = self.chunks.acquire().await;
        if self.ctx.scan.stop.is_stopped() {
            return;
        }
        let ctx = Arc::clone(self.ctx);
        self.blocking(move || work(&ctx, &items)).await;
    }

    /// Runs work on a blocking worker, then carries out its writes.
    async fn blocking(&self, job: impl FnOnce() -> Done + Send + 'static) {
        let done = {
            let _permit = self.workers.acquire().await;
            tokio::task::spawn_blocking(job).await
        };
        match done {
            Ok(done) => {
                let Done { totals, writes, .. } = done;
                self.add(totals);
                if !writes.is_empty() {
                    self.add(write::carry_out(self.ctx, &self.writes, writes).await);
                }
            }
            Err(error) => {
                let mut totals = Totals::default();
                let message = format!("a worker broke down: {error}");
                totals.problems.push(Problem { subject: "scan".into(), message, is_input: false });
                self.add(totals);
            }
        }
    }

    /// Forgets what is gone, then deletes the reports that belong to nothing.
    async fn leftovers(&self, proof: Proof) {
        let proof = Arc::new(proof);
        let (ctx, of) = (Arc::clone(self.ctx), Arc::clone(&proof));
        self.blocking(move || leftovers::forget(&ctx, &of)).await;
        let ctx = Arc::clone(self.ctx);
        self.blocking(move || leftovers::delete_orphans(&ctx, &proof)).await;
    }

    fn add(&self, totals: Totals) {
        self.ctx.scan.progress.add(&totals);
        self.totals.lock().unwrap_or_else(PoisonError::into_inner).merge(totals);
    }

    fn into_totals(self) -> Totals {
        self.totals.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}
