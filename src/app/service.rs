//! The service's life: start, standing by, leading, reloads, end.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{oneshot, watch};
use tracing::{error, info, warn};

use super::pages::{self, LastPlan};
use super::retries::Retries;
use super::scanner::{Request, Scanned, Scanner, ScannerSettings, cluster_settings};
use crate::cluster::{ClusterClient, Election, ElectionSettings, Lead, Leadership};
use crate::config::{Change, Checked, ScheduleConfig, Watched};
use crate::inventory::SourceError;
use crate::limits;
use crate::plan::Action;
use crate::scan::{Focus, KindState, Stop};
use crate::schedule::{CronTrigger, Due, Scheduler, SystemClock};
use crate::store::{Compaction, Health, MemoryStore, SledStore, State, Store, StoreError};
use crate::telemetry::{ConfigReload, LogLevel, Readiness, ScanRun, Telemetry};

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
    election: Option<Election>,
    leadership: Leadership,
    telemetry: Telemetry,
    readiness: Readiness,
    log_level: Option<LogLevel>,
    last_plan: LastPlan,
    verified_at: Option<Timestamp>,
    compacted_at: Timestamp,
    /// How the store was when it was last told.
    health: Health,
    retries: Retries,
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
        let client = ClusterClient::connect(cluster_settings(&config)).await?;
        let store = open_store(&config).await?;
        let state = State::open(Arc::clone(&store), &Scanner::label_of(&client), now.as_second())?;
        let telemetry = Telemetry::new(config.metrics.has_policy_reporter_names);
        let readiness = Readiness::starting();
        let (election, leadership) = elect(&config, &client);
        if note(&state, LAST_RUNS).is_some() {
            readiness.done("scan");
        }
        let last_plan = LastPlan::default();
        pages::serve_all(&config, &telemetry, &readiness, &last_plan, &stop).await?;
        info!(server = client.server(), state = %shown_dir(&config), "patrol started");
        Ok(Self {
            scanner: Arc::new(Scanner::new(client.clone(), Some(state.clone()), leadership.clone())),
            verified_at: note_time(&state, VERIFIED_AT),
            health: store.health(),
            config,
            store,
            state,
            client,
            election,
            leadership,
            telemetry,
            readiness,
            log_level,
            last_plan,
            compacted_at: now,
            retries: Retries::default(),
        })
    }

    /// Runs until `stop` turns true; then the batch under way is finished, the state flushed, the Lease given back, and the service ends.
    pub async fn run(
        mut self,
        mut watched: Option<Watched>,
        stop: watch::Receiver<bool>,
    ) -> Result<(), ServiceError> {
        tokio::spawn(tidy_metrics(self.telemetry.clone()));
        // Dropping the sender ends the election; not before the last write.
        let (election_goes_on, election_ends) = oneshot::channel::<()>();
        let election = self.election.take().map(|election| {
            tokio::spawn(election.run(async {
                let _ = election_ends.await;
            }))
        });
        while self.stand_by(&mut watched, &stop).await {
            self.lead(&mut watched, &stop).await?;
        }
        info!("ending");
        let store = Arc::clone(&self.store);
        let closed = tokio::task::spawn_blocking(move || store.flush().and_then(|()| store.close()));
        drop(election_goes_on);
        if let Some(election) = election {
            let _ = election.await;
        }
        if let Ok(Err(error)) = closed.await {
            warn!("the state was not closed in order: {error}");
        }
        Ok(())
    }

    /// Waits until this replica leads; `false` if the service is to end.
    async fn stand_by(&mut self, watched: &mut Option<Watched>, stop: &watch::Receiver<bool>) -> bool {
        let mut ending = stop.clone();
        let mut upkeep = upkeep();
        let mut last = Lead::Unknown;
        if !matches!(self.leadership.lead(), Lead::This(_)) {
            self.telemetry.record_leader(false);
            self.readiness.wait_for("leader", "it is not known yet which replica leads");
        }
        loop {
            let leadership = self.leadership.clone();
            tokio::select! {
                biased;
                _ = ending.wait_for(|is_stopped| *is_stopped) => return false,
                () = leadership.gained() => return true,
                lead = leadership.changed_from(&last) => {
                    // Who stands by has nothing to catch up with, and must not hold up a roll-out.
                    if matches!(&lead, Lead::Other(leader) if !leader.is_empty()) {
                        for what in ["leader", "scan", "cluster"] {
                            self.readiness.done(what);
                        }
                    }
                    last = lead;
                }
                change = changed(watched) => self.apply(change, None),
                _ = upkeep.tick() => self.tell_upkeep(None),
            }
        }
    }

    /// Runs the schedules until this replica leads no more, or the service is to end.
    async fn lead(
        &mut self,
        watched: &mut Option<Watched>,
        stop: &watch::Receiver<bool>,
    ) -> Result<(), ServiceError> {
        self.telemetry.record_leader(true);
        self.readiness.done("leader");
        self.retries = Retries::default();
        let trigger = CronTrigger::start().await.map_err(|error| ServiceError::Trigger(error.to_string()))?;
        let (scheduler, mut due) = Scheduler::start(
            self.config.scan.schedules.iter().map(|schedule| schedule.schedule.clone()).collect(),
            &self.last_runs(),
            self.client.server(),
            Arc::new(SystemClock),
            Box::new(trigger),
        );
        let (mut ending, leadership) = (stop.clone(), self.leadership.clone());
        let mut upkeep = upkeep();
        loop {
            let retry = self.retries.next();
            tokio::select! {
                biased;
                _ = ending.wait_for(|is_stopped| *is_stopped) => break,
                () = leadership.lost() => break,
                run = due.recv() => match run {
                    Some(run) => self.carry_out(run, &scheduler, stop).await,
                    None => break,
                },
                change = changed(watched) => self.apply(change, Some(&scheduler)),
                () = retry => self.retries.take_due().iter().for_each(|schedule| {
                    scheduler.run_now(schedule);
                }),
                _ = upkeep.tick() => self.tell_upkeep(Some(&scheduler)),
            }
        }
        // A trigger that does not end must not keep the service from ending.
        let patience = Duration::from_secs(limits::TRIGGER_STOP_SECS_MAX);
        if tokio::time::timeout(patience, scheduler.stop()).await.is_err() {
            warn!("the scheduler did not stop in time");
        }
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
        let result = self.scan(request, scheduler, stop).await;
        let run = ScanRun { schedule: due.schedule.clone(), due: due.at, start, end: Timestamp::now() };
        match result {
            Ok(done) => self.tell(&run, &done, is_verifying),
            Err(failure) => {
                let again = self.retries.failed(&run.schedule);
                error!(schedule = run.schedule, again_in_s = again.as_secs(), "the scan failed: {failure}");
                self.telemetry.record_failed_scan(&run);
                self.readiness.wait_for("cluster", &failure.to_string());
            }
        }
        self.tell_upkeep(Some(scheduler));
        self.compact(run.end).await;
    }

    /// One scan; once the service is to end, or leads no more, what is under way has a moment to finish.
    async fn scan(
        &mut self,
        request: Request,
        scheduler: &Scheduler,
        stop: &watch::Receiver<bool>,
    ) -> Result<Scanned, SourceError> {
        let settings = ScannerSettings {
            config: self.config.clone(),
            instead: None,
            sink: None,
            collects_reports: false,
        };
        let (scan_stop, leadership) = (request.stop.clone(), self.leadership.clone());
        let (mut ending, mut upkeep) = (stop.clone(), upkeep());
        let scanner = Arc::clone(&self.scanner);
        let scan = scan_stop.within_grace(scanner.scan(&settings, request));
        tokio::pin!(scan);
        let end = loop {
            tokio::select! {
                end = &mut scan => break end,
                _ = ending.wait_for(|is_stopped| *is_stopped), if !scan_stop.is_stopped() => scan_stop.stop(),
                () = leadership.lost(), if !scan_stop.is_stopped() => {
                    warn!("this replica leads no more; its scan ends");
                    scan_stop.stop();
                }
                _ = upkeep.tick() => self.tell_upkeep(Some(scheduler)),
            }
        };
        end.unwrap_or_else(|| {
            Err(SourceError("it was given up, since it did not end in time when told to".to_owned()))
        })
    }

    fn tell(&mut self, run: &ScanRun, scanned: &Scanned, is_verifying: bool) {
        let (outcome, totals) = (&scanned.outcome, &scanned.outcome.totals);
        self.telemetry.record_scan(run, outcome, &scanned.policies);
        self.telemetry.record_standings(&scanned.catalog.policies);
        self.readiness.done("cluster");
        self.retries.done(&run.schedule);
        // A run that was broken off is made up after a restart.
        if !outcome.is_interrupted {
            self.readiness.done("scan");
            self.remember_run(run);
            if is_verifying {
                self.verified_at = Some(run.start);
                set_note(&self.state, VERIFIED_AT, &run.start.as_second());
            }
        }
        for kind in &outcome.kinds {
            match (kind.state.message(), outcome.is_interrupted) {
                (Some(message), false) => {
                    warn!(kind = kind.kind, "not listed, nothing of it is removed: {message}");
                }
                (None, _) if kind.state == KindState::NotServed => info!(kind = kind.kind, "not served"),
                _ => {}
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
        self.last_plan.set(run, scanned);
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

    fn apply(&mut self, change: Change, scheduler: Option<&Scheduler>) {
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
                if let Some(scheduler) = scheduler {
                    let timings = checked.scan.schedules.iter().map(|schedule| schedule.schedule.clone());
                    scheduler.replace(timings.collect());
                }
                self.telemetry.set_policy_reporter_names(checked.metrics.has_policy_reporter_names);
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

    fn tell_upkeep(&mut self, scheduler: Option<&Scheduler>) {
        if let Some(scheduler) = scheduler {
            let intervals = scheduler.intervals();
            for (name, counts) in scheduler.counts() {
                self.telemetry.record_schedule(&name, &counts, intervals.get(&name).copied());
            }
        }
        self.telemetry.record_queue(scheduler.map_or(0, Scheduler::n_waiting));
        let size = self.store.size_on_disk().unwrap_or_default();
        let health = self.store.health();
        if let Health::Degraded { reason } = &health
            && self.health != health
        {
            error!("{reason}; nothing is remembered until the next start, scans and reports go on");
        }
        self.telemetry.record_store(&self.store.faults(), &health, size);
        self.health = health;
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

/// The election that the configuration wants, and the leadership that it decides.
fn elect(config: &Checked, client: &ClusterClient) -> (Option<Election>, Leadership) {
    let wanted = &config.leader_election;
    if !wanted.is_enabled.unwrap_or(client.is_in_pod()) {
        return (None, Leadership::unopposed());
    }
    let settings = ElectionSettings {
        namespace: wanted.namespace.clone().unwrap_or_else(|| client.namespace().to_owned()),
        name: wanted.name.clone(),
        identity: identity(),
        lease_duration: wanted.lease_duration,
        renew_deadline: wanted.renew_deadline,
        retry_period: wanted.retry_period,
    };
    info!(lease = format!("{}/{}", settings.namespace, settings.name), "a leader is elected");
    let (election, leadership) = Election::new(client.clone(), settings, Timestamp::now);
    (Some(election), leadership)
}

/// Who this process is among replicas: the Pod's name, and what no other process has, since a name may come again.
fn identity() -> String {
    use std::hash::{BuildHasher as _, Hasher as _};
    let name = std::env::var("HOSTNAME").unwrap_or_else(|_| "patrol".to_owned());
    let random = std::hash::RandomState::new().build_hasher().finish();
    format!("{name}_{random:016x}")
}

fn shown_dir(config: &Checked) -> String {
    if config.state.is_enabled { config.state.dir.display().to_string() } else { "in memory".to_owned() }
}

fn upkeep() -> tokio::time::Interval {
    tokio::time::interval(Duration::from_secs(limits::UPKEEP_EVERY_SECS))
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
