//! `patrol scan`: manifests as a cluster, or a cluster once.

mod cluster;

pub(super) use cluster::plan as plan_cluster;

use std::collections::BTreeSet;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};

use super::input::{FolderArgs, FolderInputs};
use super::progress::Bar;
use super::stats::Stats;
use super::{Exit, StateArgs, block_on, input, say};
use crate::catalog::CompiledPolicy;
use crate::folder::FolderSink;
use crate::inventory::{Origin, Source};
use crate::matching::ResourceFilters;
use crate::model::Status;
use crate::output::{self, Finding, Style, Table};
use crate::plan::Action;
use crate::report::{ReportApi, ReportSettings, Sink};
use crate::scan::{self, Coverage, KindState, Progress, Scan, ScanOutcome, ScanSettings, Stop};
use crate::store::State;

/// What `patrol scan` is asked.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(super) struct ScanArgs {
    /// Files and folders of manifests; `-` is standard input
    #[arg(value_name = "PATH", required_unless_present_any = ["cluster", "json"])]
    paths: Vec<PathBuf>,
    /// Files and folders of policies; they win over policies of the same name among the manifests
    #[arg(short, long = "policy", value_name = "POLICY", num_args = 1.., action = clap::ArgAction::Append)]
    policies: Vec<PathBuf>,
    /// JSON payloads for policies with the evaluation mode JSON: files and folders of JSON or YAML of any form,
    /// each document a payload
    #[arg(long, value_name = "PAYLOAD", num_args = 1.., action = clap::ArgAction::Append, conflicts_with = "cluster")]
    json: Vec<PathBuf>,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    state: StateArgs,
    /// Remember nothing
    #[arg(long)]
    no_state: bool,
    /// Write the reports as YAML files under this folder; with --cluster, in place of the cluster's
    #[arg(long, value_name = "DIR")]
    reports: Option<PathBuf>,
    /// What to print
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
    /// Results that make the exit code 1; `none` for never
    #[arg(long, value_name = "STATUS,…", value_delimiter = ',', default_value = "fail,error")]
    fail_on: Vec<String>,
    /// Write what the scan counted to this file, as JSON
    #[arg(long, value_name = "FILE")]
    stats: Option<PathBuf>,
    /// Tell what would be evaluated, reused, forgotten and written, and why; store and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Evaluate everything again, whatever the state says
    #[arg(long)]
    verify: bool,
    /// Leave out policies that a background scan of a cluster leaves out
    #[arg(long)]
    background_only: bool,
    /// The API of the reports
    #[arg(long, value_name = "API", default_value = "wgpolicyk8s.io")]
    report_api: ApiArg,
    /// Resources to leave out, as `[kind,namespace,name]` with wildcards; may be given again
    #[arg(long, value_name = "FILTER")]
    filter: Vec<String>,
    /// How many threads evaluate; by default as many as there are processors
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
    /// Let policies ask image registries, without credentials
    #[arg(long, conflicts_with = "cluster")]
    registry: bool,
    /// Show no progress
    #[arg(short, long)]
    quiet: bool,
}

/// Which cluster is meant, if one is.
#[derive(Debug, Args)]
pub(super) struct ClusterArgs {
    /// The cluster that kubeconfig names, in place of manifests
    #[arg(long, conflicts_with = "paths")]
    cluster: bool,
    /// The kubeconfig file, for --cluster
    #[arg(long, value_name = "FILE", requires = "cluster")]
    kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig, for --cluster
    #[arg(long, value_name = "NAME", requires = "cluster")]
    context: Option<String>,
    /// The service's configuration, for --cluster: filters, exceptions, report settings
    #[arg(long, value_name = "FILE", requires = "cluster")]
    config: Option<PathBuf>,
}

impl ClusterArgs {
    /// Whether a cluster is meant.
    pub(super) fn is_asked(&self) -> bool {
        self.cluster
    }
}

#[expect(clippy::doc_markdown, reason = "the comments are help texts")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Counts by policy
    Table,
    /// Every result, with its place and message
    Wide,
    /// A list of reports
    Json,
    /// A list of reports
    Yaml,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// JUnit, for test reports
    Junit,
}

#[expect(clippy::doc_markdown, reason = "the comments are help texts")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ApiArg {
    /// PolicyReport and ClusterPolicyReport
    #[value(name = "wgpolicyk8s.io")]
    Wgpolicy,
    /// Report and ClusterReport
    #[value(name = "openreports.io")]
    OpenReports,
}

/// Runs the command.
pub(super) fn run(args: &ScanArgs) -> anyhow::Result<Exit> {
    let fail_on = fail_on(&args.fail_on)?;
    let filters = ResourceFilters::parse(&args.filter.join(" ")).context("--filter")?;
    if args.cluster.is_asked() {
        let filters = (!args.filter.is_empty()).then_some(filters);
        return block_on(cluster::run(args, &fail_on, filters));
    }
    block_on(run_folder(args, &fail_on, filters))
}

fn fail_on(words: &[String]) -> anyhow::Result<BTreeSet<Status>> {
    let mut statuses = BTreeSet::new();
    for word in words.iter().filter(|word| *word != "none") {
        match Status::of(word) {
            Some(status) => statuses.insert(status),
            None => bail!("--fail-on: `{word}` is none of pass, fail, warn, error, skip, none"),
        };
    }
    Ok(statuses)
}

/// Opens the state that the flags ask for; a dry run works on a copy.
fn open_state(args: &ScanArgs) -> anyhow::Result<Option<input::OpenState>> {
    Ok(match (args.no_state, args.dry_run) {
        (true, _) => None,
        (false, true) => Some(input::open_for_dry_run(&args.state.state)?),
        (false, false) => Some(input::open_for_scan(&args.state.state)?),
    })
}

async fn run_folder(
    args: &ScanArgs,
    fail_on: &BTreeSet<Status>,
    filters: ResourceFilters,
) -> anyhow::Result<Exit> {
    let start = Instant::now();
    let now = input::now();
    let opened = open_state(args)?;
    let store = opened.as_ref().and_then(|opened| opened.store.clone());
    let label = input::label_of(args.paths.iter().chain(&args.json));
    let state = match &store {
        Some(store) => Some(State::open(Arc::clone(store), &label, now.as_second())?.with_snapshot()),
        None => None,
    };
    let of = FolderArgs {
        paths: &args.paths,
        policies: &args.policies,
        payloads: &args.json,
        background_only: args.background_only,
        trusts_digests: !args.verify,
        asks_registries: args.registry,
    };
    let FolderInputs { source, catalog, policies, unknown, n_manifests, has_problems } =
        FolderInputs::read(of, state.as_ref()).await?;
    let n_objects = n_manifests as u64;
    if !has_problems {
        tell_nothing_to_do(args, n_manifests, catalog.policies.len());
    }
    let sink = match &args.reports {
        Some(dir) => Some(Arc::new(FolderSink::open(dir, args.report_api.api())?) as Arc<dyn Sink>),
        None => None,
    };
    let scan = Scan {
        source: Arc::clone(&source) as Arc<dyn Source>,
        sink,
        state,
        policies: policies.clone(),
        unknown,
        settings: scan_settings(args, now, filters),
        stop: Stop::default(),
        progress: Arc::default(),
    };
    let outcome = carry_out(scan, n_objects, !args.quiet).await?;
    let duration = start.elapsed();
    let origin = |key: &crate::model::ResourceKey| source.origin(key).cloned();
    tell(args, &outcome, &policies, &origin, Some(n_objects), duration)?;
    if let Some(store) = &store {
        input::warn_if_degraded(&**store);
        store.close()?;
    }
    let has_bad_input = has_problems
        || outcome.totals.problems.iter().any(|problem| problem.is_input)
        || outcome.totals.reports.failed > 0;
    Ok(exit(&outcome, fail_on, has_bad_input))
}

/// Says why there is nothing to find.
fn tell_nothing_to_do(args: &ScanArgs, n_manifests: usize, n_policies: usize) {
    let named = |paths: &[PathBuf]| {
        paths.iter().map(|path| format!("`{}`", path.display())).collect::<Vec<_>>().join(", ")
    };
    if n_manifests == 0 {
        say(format_args!("patrol: no manifests in {}", named(&[&args.paths[..], &args.json].concat())));
    }
    if n_policies == 0 && args.policies.is_empty() {
        say("patrol: no policies: there are none among the manifests, and none were given with --policy");
    } else if n_policies == 0 {
        say(format_args!("patrol: no policies in {}", named(&args.policies)));
    }
}

fn scan_settings(args: &ScanArgs, now: jiff::Timestamp, filters: ResourceFilters) -> ScanSettings {
    let n_processors = std::thread::available_parallelism().map_or(1, usize::from);
    ScanSettings {
        report: ReportSettings { api: args.report_api.api(), ..ReportSettings::default() },
        coverage: Coverage { filters, ..Coverage::default() },
        is_verifying: args.verify,
        is_dry_run: args.dry_run,
        n_workers: args.workers.unwrap_or(n_processors).max(1),
        collects_reports: args.output != Format::Table,
        ..ScanSettings::at(now)
    }
}

impl ApiArg {
    fn api(self) -> ReportApi {
        match self {
            Self::Wgpolicy => ReportApi::PolicyReport,
            Self::OpenReports => ReportApi::OpenReports,
        }
    }
}

/// Runs a scan to its end; Ctrl-C ends it between two chunks, with what was done stored.
async fn carry_out(scan: Scan, n_objects: u64, shows_progress: bool) -> anyhow::Result<ScanOutcome> {
    let (stop, progress) = (scan.stop.clone(), Arc::clone(&scan.progress));
    Ok(watched(scan::run(scan), stop, &progress, Some(n_objects), shows_progress).await??)
}

/// Waits for a scan with a progress bar and an ear for Ctrl-C.
async fn watched<T>(
    scan: impl Future<Output = T>,
    stop: Stop,
    progress: &Arc<Progress>,
    n_objects: Option<u64>,
    shows_progress: bool,
) -> anyhow::Result<T> {
    let stopping = stop.clone();
    let on_signal = tokio::spawn(async move {
        while next_signal().await {
            if stopping.is_stopped() {
                // Whoever asks twice does not want to wait.
                std::process::exit(130);
            }
            stopping.stop();
        }
    });
    let bar = Bar::start(progress, n_objects, shows_progress);
    let result = stop.within_grace(scan).await;
    drop(bar);
    on_signal.abort();
    result.context("interrupted, and given up since it did not end in time; what was stored is kept")
}

/// Waits for Ctrl-C or SIGTERM; `false` if signals cannot be had.
async fn next_signal() -> bool {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let Ok(mut terminate) = signal(SignalKind::terminate()) else { return false };
        tokio::select! {
            told = tokio::signal::ctrl_c() => told.is_ok(),
            told = terminate.recv() => told.is_some(),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await.is_ok()
}

/// Says what went wrong in a scan.
pub(super) fn tell_problems(outcome: &ScanOutcome) {
    for problem in outcome.totals.problems.iter().chain(&outcome.problems) {
        say(format_args!("{}: {}", problem.subject, problem.message));
    }
    for kind in &outcome.kinds {
        if let KindState::Forbidden(message) | KindState::Failed(message) = &kind.state {
            say(format_args!("{}: not listed, and nothing of it is removed: {message}", kind.kind));
        }
    }
}

fn tell(
    args: &ScanArgs,
    outcome: &ScanOutcome,
    policies: &[Arc<CompiledPolicy>],
    origin: OriginOf<'_>,
    n_objects: Option<u64>,
    duration: Duration,
) -> anyhow::Result<()> {
    tell_problems(outcome);
    if let Some(n_objects) = n_objects.filter(|n| *n > 0)
        && outcome.totals.n_resources == 0
        && !policies.is_empty()
    {
        say(format_args!("patrol: no policy selects any of the {n_objects} objects that are there"));
    }
    let stats = Stats::of(outcome, policies.len(), duration);
    if let Some(path) = &args.stats {
        stats.write(path)?;
    }
    let mut out = io::BufWriter::new(io::stdout().lock());
    let style = Style::of_terminal(io::stdout().is_terminal(), std::env::var_os("NO_COLOR").is_some());
    if args.dry_run {
        write_plan(&mut out, outcome, style)?;
    } else {
        write_results(&mut out, args, outcome, policies, style, origin)?;
    }
    out.flush()?;
    say(summary_line(outcome, policies.len(), duration));
    Ok(())
}

type OriginOf<'a> = &'a dyn Fn(&crate::model::ResourceKey) -> Option<Origin>;

fn write_results(
    out: &mut dyn Write,
    args: &ScanArgs,
    outcome: &ScanOutcome,
    policies: &[Arc<CompiledPolicy>],
    style: Style,
    origin: OriginOf<'_>,
) -> anyhow::Result<()> {
    let api = args.report_api.api();
    match args.output {
        Format::Table => counts_table(outcome, policies).write(out, style)?,
        Format::Wide => output::findings_table(&findings(outcome, origin), true).write(out, style)?,
        Format::Json => output::write_json_list(out, &objects(outcome, api)?)?,
        Format::Yaml => output::write_yaml_list(out, &objects(outcome, api)?)?,
        Format::Sarif => output::write_sarif(out, env!("CARGO_PKG_VERSION"), &findings(outcome, origin))?,
        Format::Junit => {
            let cases: Vec<_> = findings(outcome, origin).iter().map(output::junit_of).collect();
            output::write_junit(out, &cases)?;
        }
    }
    Ok(())
}

/// The reports as objects, for programs.
fn objects(outcome: &ScanOutcome, api: ReportApi) -> anyhow::Result<Vec<serde_json::Value>> {
    let of = |report| serde_json::from_slice(&crate::report::to_json(report, api, None));
    Ok(outcome.totals.collected.iter().map(of).collect::<Result<_, _>>()?)
}

fn findings(outcome: &ScanOutcome, origin: OriginOf<'_>) -> Vec<Finding> {
    let of_report = |report: &crate::report::Report| {
        let key = report.scope.key.clone();
        let origin = origin(&key);
        report
            .results
            .iter()
            .map(move |result| Finding {
                policy: result.policy.clone(),
                rule: result.rule.clone(),
                kind: key.kind.clone(),
                namespace: key.namespace.clone(),
                name: key.name.clone(),
                status: result.status,
                severity: result.severity,
                category: result.category.clone(),
                message: result.message.clone(),
                source: result.source.clone(),
                origin: origin.clone(),
            })
            .collect::<Vec<_>>()
    };
    outcome.totals.collected.iter().flat_map(of_report).collect()
}

/// Counts by policy, from what the state knows without looking at a verdict.
fn counts_table(outcome: &ScanOutcome, policies: &[Arc<CompiledPolicy>]) -> Table {
    let mut table = Table::new(["POLICY", "PASS", "FAIL", "WARN", "ERROR", "SKIP"]);
    for (at, policy) in policies.iter().enumerate() {
        let count = |status: Status| {
            let of = |((p, _, s), n): (&scan::Gauge, &u64)| if (*p, *s) == (at, status) { *n } else { 0 };
            outcome.totals.results.iter().map(of).sum::<u64>().to_string()
        };
        table.row(std::iter::once(policy.key.report_name()).chain(Status::ALL.map(count)));
    }
    let total = Status::ALL.map(|status| outcome.totals.summary.of(status).to_string());
    table.row(std::iter::once("total".to_owned()).chain(total));
    table
}

fn write_plan(out: &mut dyn Write, outcome: &ScanOutcome, style: Style) -> anyhow::Result<()> {
    let mut table = Table::new(["ACTION", "RESOURCE", "POLICY", "WHY"]);
    for line in &outcome.totals.plan {
        let policy =
            line.policy.as_ref().map_or_else(|| "(report)".to_owned(), crate::model::PolicyKey::report_name);
        table.row([line.action.to_owned(), line.resource.key.to_string(), policy, line.reason.clone()]);
    }
    table.write(out, style)?;
    writeln!(out)?;
    let mut counts = Table::new(["ACTION", "REASON", "PAIRS"]);
    for ((action, reason), n) in &outcome.totals.pairs.0 {
        counts.row([action.as_str().to_owned(), (*reason).to_owned(), n.to_string()]);
    }
    counts.write(out, style)?;
    Ok(())
}

fn summary_line(outcome: &ScanOutcome, n_policies: usize, duration: Duration) -> String {
    let totals = &outcome.totals;
    let (pairs, reports) = (&totals.pairs, &totals.reports);
    let policies = if n_policies == 1 { "policy" } else { "policies" };
    let objects = if totals.n_resources == 1 { "object" } else { "objects" };
    let mut line = format!(
        "{} {objects}, {n_policies} {policies}: {} pairs evaluated, {} reused, {} forgotten in {:.2} s",
        totals.n_resources,
        pairs.of(Action::Evaluate),
        pairs.of(Action::Reuse),
        pairs.of(Action::Forget),
        duration.as_secs_f64(),
    );
    if *reports != scan::ReportCounts::default() {
        let written = format!(
            "; reports: {} written, {} unchanged, {} deleted",
            reports.written, reports.unchanged, reports.deleted
        );
        line.push_str(&written);
        if reports.failed > 0 {
            line.extend([", ", &reports.failed.to_string(), " failed"]);
        }
    }
    if outcome.is_interrupted {
        line.push_str("; interrupted, what was done is kept");
    }
    line
}

fn exit(outcome: &ScanOutcome, fail_on: &BTreeSet<Status>, has_bad_input: bool) -> Exit {
    if has_bad_input || outcome.is_interrupted {
        Exit::BadInput
    } else if fail_on.iter().any(|status| outcome.totals.summary.of(*status) > 0) {
        Exit::Findings
    } else {
        Exit::Clean
    }
}
