//! The service's life: start, runs, reloads, end.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tracing::{error, info, warn};

use super::scanner::{Request, Scanned, Scanner, ScannerSettings, cluster_settings};
use crate::cluster::ClusterClient;
use crate::config::{Change, Checked, ScheduleConfig, Watched};
use crate::limits;
use crate::plan::Action;
use crate::scan::{Focus, KindState, Stop};
use crate::schedule::{CronTrigger, Due, Scheduler, SystemClock};
use crate::store::{Compaction, MemoryStore, SledStore, State, Store, StoreError};
use crate::telemetry::{
    ConfigReload, LogLevel, PlanFormat, Readiness, ScanRun, Telemetry, debug_router, listen, metrics_router,
    serve,
};

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The state cannot be used, and running without it would be wrong.
    #[error(transparent)]
    State(#[from] StoreError),
    /// There is no way to the cluster.
    #[error(transparent)]
    Connect(#[from] crate::cluster::ConnectError),
    /// An address is taken.
    #[error(transparent)]
    Http(#[from] crate::telemetry::HttpError),
    /// The trigger of schedules does not start.
    #[error("the scheduler does not start: {0}")]
    Trigger(String),
}

/// The running service.
#[derive(Debug)]
pub struct Service {
    config: Checked,
    scanner: Arc<Scanner>,
    store: Arc<dyn Store>,
    state: State,
    client: ClusterClient,
    telemetry: Telemetry,
    readiness: Readiness,
    log_level: Option<LogLevel>,
    last_plan: Arc<Mutex<Option<String>>>,
    verified_at: Option<Timestamp>,
    compacted_at: Timestamp,
}

/// The names under which the state keeps what the service remembers.
const LAST_RUNS: &str = "last-runs";
const VERIFIED_AT: &str = "verified-at";

impl Service {
    /// Opens the state and the way to the cluster, and serves the pages. An unreachable server is no failure: scans say so until it answers.
    pub async fn start(
        config: Checked,
        log_level: Option<LogLevel>,
        stop: watch::Receiver<bool>,
    ) -> Result<Self, ServiceError> {
        let now = Timestamp::now();
        let store = open_store(&config).await?;
        let client = ClusterClient::connect(cluster_settings(&config)).await?;
        let state = State::open(Arc::clone(&store), &Scanner::label_of(&client), now.as_second())?;
        let telemetry = Telemetry::new(config.metrics.has_policy_reporter_names);
        let readiness = Readiness::starting();
        let verified_at = note_time(&state, VERIFIED_AT);
        if note(&state, LAST_RUNS).is_some() {
            readiness.done("scan");
        }
        let last_plan: Arc<Mutex<Option<String>>> = Arc::default();
        serve_pages(&config, &telemetry, &readiness, &last_plan, &stop).await?;
        info!(server = client.server(), state = %config.state.dir.display(), "patrol started");
        Ok(Self {
            scanner: Arc::new(Scanner::new(client.clone(), Some(state.clone()))),
            config,
            store,
            state,
            client,
            telemetry,
            readiness,
            log_level,
            last_plan,
            verified_at,
            compacted_at: now,
        })
    }

    /// Runs until `stop` turns true; then the batch under way is finished, the state flushed, and the service ends.
    pub async fn run(
        mut self,
        mut watched: Option<Watched>,
        stop: watch::Receiver<bool>,
    ) -> Result<(), ServiceError> {
        let trigger = CronTrigger::start().await.map_err(|error| ServiceError::Trigger(error.to_string()))?;
        let (scheduler, mut due) = Scheduler::start(
            self.config.scan.schedules.iter().map(|schedule| schedule.schedule.clone()).collect(),
            &self.last_runs(),
            self.client.server(),
            Arc::new(SystemClock),
            Box::new(trigger),
        );
        let mut ending = stop.clone();
        tokio::spawn(tidy_metrics(self.telemetry.clone()));
        let mut upkeep = tokio::time::interval(Duration::from_secs(limits::UPKEEP_EVERY_SECS));
        loop {
            tokio::select! {
                _ = ending.wait_for(|is_stopped| *is_stopped) => break,
                run = due.recv() => match run {
                    Some(run) => self.carry_out(run, &scheduler, &stop).await,
                    None => break,
                },
                change = changed(&mut watched) => self.apply(change, &scheduler),
                _ = upkeep.tick() => self.tell_upkeep(&scheduler),
            }
        }
        info!("ending");
        scheduler.stop().await;
        let store = Arc::clone(&self.store);
        let _ = tokio::task::spawn_blocking(move || store.flush().and_then(|()| store.close())).await;
        Ok(())
    }

    /// Runs the scan of a schedule and tells about it.
    async fn carry_out(&mut self, due: Due, scheduler: &Scheduler, stop: &watch::Receiver<bool>) {
        let start = Timestamp::now();
        let focus = self.focus(&due.schedule);
        let is_verifying = self.is_verifying(start) && focus.is_everything();
        info!(schedule = due.schedule, due = %due.at, is_made_up = due.is_made_up, is_verifying, "scan starts");
        self.telemetry.record_scan_start(&due.schedule, due.at, start);
        let request = Request {
            now: start,
            focus,
            is_verifying,
            is_dry_run: false,
            only: None,
            stop: Stop::default(),
            progress: Arc::default(),
        };
        let settings = ScannerSettings {
            config: self.config.clone(),
            instead: None,
            sink: None,
            collects_reports: false,
        };
        let scan_stop = request.stop.clone();
        let mut stopping = stop.clone();
        let scanner = Arc::clone(&self.scanner);
        let scan = scanner.scan(&settings, request);
        let mut upkeep = tokio::time::interval(Duration::from_secs(limits::UPKEEP_EVERY_SECS));
        let within_grace = scan_stop.within_grace(scan);
        tokio::pin!(within_grace);
        let result = loop {
            tokio::select! {
                result = &mut within_grace => break result,
                _ = stopping.wait_for(|is_stopped| *is_stopped), if !scan_stop.is_stopped() => scan_stop.stop(),
                _ = upkeep.tick() => self.tell_upkeep(scheduler),
            }
        };
        let run = ScanRun { schedule: due.schedule.clone(), due: due.at, start, end: Timestamp::now() };
        match result {
            Some(Ok(done)) => self.tell(&run, &done, is_verifying),
            None => {
                error!(schedule = run.schedule, "the scan was given up: it did not end in time when told to");
                self.telemetry.record_failed_scan(&run);
            }
            Some(Err(failure)) => {
                error!(schedule = run.schedule, "the scan could not begin: {failure}");
                self.telemetry.record_failed_scan(&run);
                self.readiness.wait_for("cluster", &failure.to_string());
            }
        }
        self.remember_run(&run);
        self.tell_upkeep(scheduler);
        self.compact(run.end).await;
    }

    fn tell(&mut self, run: &ScanRun, scanned: &Scanned, is_verifying: bool) {
        let (outcome, totals) = (&scanned.outcome, &scanned.outcome.totals);
        self.telemetry.record_scan(run, outcome, &scanned.policies);
        self.readiness.done("cluster");
        let is_complete = !outcome.is_interrupted;
        if is_complete {
            self.readiness.done("scan");
        }
        if is_complete && is_verifying {
            self.verified_at = Some(run.start);
            set_note(&self.state, VERIFIED_AT, &run.start.as_second());
        }
        for kind in &outcome.kinds {
            match &kind.state {
                KindState::Listed => {}
                KindState::NotServed => info!(kind = kind.kind, "not served"),
                KindState::Forbidden(message) | KindState::Failed(message) => {
                    warn!(kind = kind.kind, "not listed, nothing of it is removed: {message}");
                }
            }
        }
        for problem in outcome.problems.iter().chain(&totals.problems).take(limits::PROBLEMS_LOGGED_MAX) {
            warn!(subject = problem.subject, "{}", problem.message);
        }
        info!(
            schedule = run.schedule,
            objects = totals.n_resources,
            evaluated = totals.pairs.of(Action::Evaluate),
            reused = totals.pairs.of(Action::Reuse),
            forgotten = totals.pairs.of(Action::Forget),
            reports_written = totals.reports.written,
            reports_deleted = totals.reports.deleted,
            reports_failed = totals.reports.failed,
            duration_s = run.end.duration_since(run.start).as_secs_f64(),
            is_interrupted = outcome.is_interrupted,
            "scan ends"
        );
        *self.last_plan.lock().unwrap_or_else(PoisonError::into_inner) = Some(plan_json(run, scanned));
    }

    fn focus(&self, schedule: &str) -> Focus {
        let of_name = |config: &&ScheduleConfig| config.schedule.name == schedule;
        let config = self.config.scan.schedules.iter().find(of_name);
        config.map_or_else(Focus::default, |config| Focus {
            policies: config.policies.clone(),
            kinds: config.kinds.clone(),
            namespaces: config.namespaces.clone(),
        })
    }

    fn is_verifying(&self, now: Timestamp) -> bool {
        let Some(every) = self.config.scan.verify_every else { return false };
        self.verified_at
            .is_none_or(|last| now.duration_since(last).as_secs() >= every.as_secs().cast_signed())
    }

    fn apply(&mut self, change: Change, scheduler: &Scheduler) {
        match change {
            Change::Broken(mistakes) => {
                for mistake in &mistakes {
                    error!("configuration: {mistake}; the one before stays in force");
                }
                self.telemetry.record_config_reload(ConfigReload::Broken);
            }
            Change::New { checked, changed, needs_restart } => {
                info!(?changed, ?needs_restart, "the configuration changed");
                let is_louder = checked.log.level != self.config.log.level;
                let level = self.log_level.as_ref().filter(|_| is_louder);
                if let Some(Err(error)) = level.map(|level| level.set(&checked.log.level)) {
                    error!("log.level: {error}");
                }
                let timings =
                    checked.scan.schedules.iter().map(|schedule| schedule.schedule.clone()).collect();
                scheduler.replace(timings);
                let names: Vec<&str> =
                    checked.scan.schedules.iter().map(|schedule| schedule.schedule.name.as_str()).collect();
                self.telemetry.keep_schedules(&names);
                let reload = if needs_restart.is_empty() {
                    ConfigReload::Applied
                } else {
                    ConfigReload::RestartNeeded
                };
                self.telemetry.record_config_reload(reload);
                self.config = *checked;
            }
        }
    }

    fn tell_upkeep(&self, scheduler: &Scheduler) {
        let intervals = scheduler.intervals();
        for (name, counts) in scheduler.counts() {
            self.telemetry.record_schedule(&name, &counts, intervals.get(&name).copied());
        }
        self.telemetry.record_queue(scheduler.n_waiting());
        let size = self.store.size_on_disk().unwrap_or_default();
        self.telemetry.record_store(&self.store.faults(), &self.store.health(), size, None);
        let requests = self.client.requests();
        self.telemetry
            .record_requests(requests.iter().map(|(k, n)| (k.verb, k.resource.as_str(), k.code, *n)));
    }

    async fn compact(&mut self, now: Timestamp) {
        let Some(every) = self.config.state.compact_every else { return };
        if now.duration_since(self.compacted_at).as_secs() < every.as_secs().cast_signed() {
            return;
        }
        self.compacted_at = now;
        let store = Arc::clone(&self.store);
        match tokio::task::spawn_blocking(move || store.compact(Compaction::WhenOversized)).await {
            Ok(Ok(report)) if report.is_rewritten => {
                info!(before = report.bytes_before, after = report.bytes_after, "the state was compacted");
            }
            Ok(Err(error)) => warn!("the state was not compacted: {error}"),
            _ => {}
        }
    }

    fn last_runs(&self) -> BTreeMap<String, Timestamp> {
        let seconds: BTreeMap<String, i64> = note(&self.state, LAST_RUNS)
            .and_then(|json| serde_json::from_slice(&json).ok())
            .unwrap_or_default();
        let time = |(name, second)| Some((name, Timestamp::from_second(second).ok()?));
        seconds.into_iter().filter_map(time).collect()
    }

    fn remember_run(&self, run: &ScanRun) {
        let mut runs = self.last_runs();
        runs.insert(run.schedule.clone(), run.start);
        let seconds: BTreeMap<String, i64> =
            runs.into_iter().map(|(name, time)| (name, time.as_second())).collect();
        set_note(&self.state, LAST_RUNS, &seconds);
    }
}

/// Keeps histograms from growing while nobody scrapes, also while a scan is under way.
async fn tidy_metrics(telemetry: Telemetry) {
    let mut ticks = tokio::time::interval(Duration::from_secs(limits::UPKEEP_EVERY_SECS));
    loop {
        ticks.tick().await;
        telemetry.run_upkeep();
    }
}

async fn changed(watched: &mut Option<Watched>) -> Change {
    match watched {
        Some(watched) => watched.changed().await,
        None => std::future::pending().await,
    }
}

/// Opens the state; what only costs evaluations is replaced by memory, and told by metrics until the next start.
async fn open_store(config: &Checked) -> Result<Arc<dyn Store>, StoreError> {
    if !config.state.is_enabled {
        return Ok(Arc::new(MemoryStore::new()));
    }
    let dir: PathBuf = config.state.dir.clone();
    let opened = tokio::task::spawn_blocking(move || SledStore::open(&dir)).await;
    match opened {
        Ok(Ok(store)) => {
            if let Some(rebuilt) = store.rebuilt() {
                warn!("{}; it is built anew", rebuilt.why);
            }
            Ok(Arc::new(store))
        }
        Ok(Err(error)) if error.allows_scan_without_state() => {
            error!("{error}; nothing is remembered until the next start");
            Ok(Arc::new(MemoryStore::standing_in(error.to_string())))
        }
        Ok(Err(error)) => Err(error),
        Err(panic) => Ok(Arc::new(MemoryStore::standing_in(panic.to_string()))),
    }
}

async fn serve_pages(
    config: &Checked,
    telemetry: &Telemetry,
    readiness: &Readiness,
    last_plan: &Arc<Mutex<Option<String>>>,
    stop: &watch::Receiver<bool>,
) -> Result<(), ServiceError> {
    let until = |stop: &watch::Receiver<bool>| {
        let mut stop = stop.clone();
        async move {
            let _ = stop.wait_for(|is_stopped| *is_stopped).await;
        }
    };
    if let Some(address) = config.metrics.listen {
        let listener = listen(address).await?;
        tokio::spawn(serve(listener, metrics_router(telemetry.clone(), readiness.clone()), until(stop)));
        info!(%address, "metrics and health are served");
    }
    if let Some(address) = config.debug.listen {
        let listener = listen(address).await?;
        let plan = Arc::clone(last_plan);
        let provider = move |format: PlanFormat| {
            let json = plan.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
            match format {
                PlanFormat::Json => Some(json),
                PlanFormat::Text => serde_json::from_str::<serde_json::Value>(&json)
                    .ok()
                    .and_then(|value| serde_json::to_string_pretty(&value).ok()),
            }
        };
        tokio::spawn(serve(listener, debug_router(Arc::new(provider)), until(stop)));
    }
    Ok(())
}

/// The last plan as JSON: counts by action and reason, kinds, and what each policy cost.
fn plan_json(run: &ScanRun, scanned: &Scanned) -> String {
    let totals = &scanned.outcome.totals;
    let mut pairs = BTreeMap::<&str, BTreeMap<&str, u64>>::new();
    for ((action, reason), n) in &totals.pairs.0 {
        pairs.entry(action.as_str()).or_default().insert(reason, *n);
    }
    let policies: Vec<serde_json::Value> = scanned
        .catalog
        .policies
        .iter()
        .map(|policy| {
            serde_json::json!({"policy": policy.key.to_string(), "standing": format!("{:?}", policy.standing),
                "warnings": policy.warnings.iter().map(|w| format!("{}: {}", w.path, w.message)).collect::<Vec<_>>()})
        })
        .collect();
    let kinds: BTreeMap<&str, String> =
        scanned.outcome.kinds.iter().map(|kind| (kind.kind.as_str(), format!("{:?}", kind.state))).collect();
    serde_json::json!({
        "schedule": run.schedule, "start": run.start.to_string(), "end": run.end.to_string(),
        "resources": totals.n_resources, "pairs": pairs, "kinds": kinds, "policies": policies,
        "reports": {"written": totals.reports.written, "unchanged": totals.reports.unchanged,
            "deleted": totals.reports.deleted, "failed": totals.reports.failed, "foreign": totals.reports.foreign},
    })
    .to_string()
}

fn note(state: &State, name: &str) -> Option<Vec<u8>> {
    state.note(name).ok().flatten()
}

fn note_time(state: &State, name: &str) -> Option<Timestamp> {
    let json = note(state, name)?;
    Timestamp::from_second(serde_json::from_slice(&json).ok()?).ok()
}

fn set_note<T: serde::Serialize>(state: &State, name: &str, value: &T) {
    let json = serde_json::to_vec(value).unwrap_or_default();
    if let Err(error) = state.set_note(name, json) {
        warn!("the state did not take a note: {error}");
    }
}
