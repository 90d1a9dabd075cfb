//! `patrol explain KIND/NAME`: what the state knows of one resource, and what the next scan does with each of its pairs.
//!
//! Given what a scan would be given (manifests and policies, or the cluster), the answer is that scan's own plan for the resource. Without, it is what
//! the state alone can tell, and says so. Nothing is changed.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use clap::Args;
use jiff::Timestamp;

use super::input::{self, FolderArgs, FolderInputs};
use super::{Exit, StateArgs, block_on, scan as scanning};
use crate::catalog::ENGINE_VERSION;
use crate::document::{Part, Parts};
use crate::inventory::Source;
use crate::matching::ResourceFilters;
use crate::model::{FactRead, IndexRecord, ResourceId, ResourceKey, Verdict};
use crate::output::{Style, Table};
use crate::plan;
use crate::scan::{self, Coverage, Only, PlanLine, Scan, ScanSettings, Stop};
use crate::store::{State, Store, known_sources};

/// What `patrol explain` is asked.
#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// The resource, as `kind/name`
    #[arg(value_name = "KIND/NAME")]
    resource: String,
    /// Its namespace; by default any
    #[arg(short, long)]
    namespace: Option<String>,
    #[command(flatten)]
    state: StateArgs,
    /// The manifests, as `patrol scan` was given them: also tells what its next run does with the resource
    #[arg(short = 'f', long = "path", value_name = "PATH", num_args = 1.., conflicts_with = "cluster")]
    paths: Vec<PathBuf>,
    /// The policies, as `patrol scan` was given them
    #[arg(short, long = "policy", value_name = "POLICY", num_args = 1.., requires = "paths")]
    policies: Vec<PathBuf>,
    /// The filters, as `patrol scan` was given them
    #[arg(long, value_name = "FILTER", requires = "paths")]
    filter: Vec<String>,
    /// Leave out policies that a background scan of a cluster leaves out, as `patrol scan` was told
    #[arg(long, requires = "paths")]
    background_only: bool,
    #[command(flatten)]
    cluster: scanning::ClusterArgs,
}

/// What the state holds, and what comes next.
struct Explained {
    label: String,
    state: State,
    /// The next scan's plan; `None` if it was not asked for.
    plan: Option<Vec<PlanLine>>,
}

/// Runs the command.
pub(super) fn run(args: &ExplainArgs) -> anyhow::Result<Exit> {
    let Some((kind, name)) = args.resource.split_once('/') else {
        bail!("`{}` is not of the form KIND/NAME, such as Pod/web-0", args.resource)
    };
    let only = Only { kind: kind.to_owned(), name: name.to_owned(), namespace: args.namespace.clone() };
    let now = input::now();
    let is_planned = args.cluster.is_asked() || !args.paths.is_empty();
    if !is_planned {
        let store = input::open_existing(&args.state.state)?;
        let mut n_found = 0;
        for source in known_sources(&*store)? {
            let state = State::at(Arc::clone(&store), &source.label);
            n_found += tell(&Explained { label: source.label, state, plan: None }, &only, now)?;
        }
        store.close()?;
        return ended(n_found, &only);
    }
    // The plan is made on a copy, so that nothing of it is remembered.
    let opened = input::open_for_dry_run(&args.state.state)?;
    let Some(store) = &opened.store else { bail!("there is no state in `{}`", args.state.state.display()) };
    let explained = if args.cluster.is_asked() {
        block_on(plan_cluster(args, &only, store, now))?
    } else {
        block_on(plan_folder(args, &only, store, now))?
    };
    let n_found = tell(&explained, &only, now)?;
    drop(explained);
    store.close()?;
    ended(n_found, &only)
}

fn ended(n_found: usize, only: &Only) -> anyhow::Result<Exit> {
    let Only { kind, name, .. } = only;
    ensure!(
        n_found > 0,
        "the state knows no {kind} `{name}`; a scan remembers what at least one policy selects"
    );
    Ok(Exit::Clean)
}

async fn plan_folder(
    args: &ExplainArgs,
    only: &Only,
    store: &Arc<dyn Store>,
    now: Timestamp,
) -> anyhow::Result<Explained> {
    let label = input::label_of(&args.paths);
    let state = State::at(Arc::clone(store), &label);
    let filters = ResourceFilters::parse(&args.filter.join(" ")).context("--filter")?;
    let of = FolderArgs {
        paths: &args.paths,
        payloads: &[],
        policies: &args.policies,
        background_only: args.background_only,
        trusts_digests: true,
        asks_registries: false,
    };
    let inputs = FolderInputs::read(of, Some(&state)).await?;
    let settings = ScanSettings {
        coverage: Coverage { filters, ..Coverage::default() },
        is_dry_run: true,
        only: Some(only.clone()),
        ..ScanSettings::at(now)
    };
    let outcome = scan::run(Scan {
        source: inputs.source as Arc<dyn Source>,
        sink: None,
        state: Some(state.clone()),
        policies: inputs.policies,
        unknown: inputs.unknown,
        settings,
        stop: Stop::default(),
        progress: Arc::default(),
    })
    .await?;
    scanning::tell_problems(&outcome);
    Ok(Explained { label, state, plan: Some(outcome.totals.plan) })
}

async fn plan_cluster(
    args: &ExplainArgs,
    only: &Only,
    store: &Arc<dyn Store>,
    now: Timestamp,
) -> anyhow::Result<Explained> {
    let (label, state, outcome) =
        scanning::plan_cluster(&args.cluster, only.clone(), Arc::clone(store), now).await?;
    scanning::tell_problems(&outcome);
    Ok(Explained { label, state, plan: Some(outcome.totals.plan) })
}

/// Tells all resources of that name; how many there are.
fn tell(explained: &Explained, only: &Only, now: Timestamp) -> anyhow::Result<usize> {
    let mut records = Vec::new();
    let _ = explained.state.each_record(&mut |record| {
        if only.is(&record.id.key) {
            records.push(record);
        }
        ControlFlow::Continue(())
    })?;
    let mut out = io::stdout().lock();
    let mut known: Vec<ResourceId> = Vec::new();
    for record in records {
        writeln!(out, "{} ({})", record.id.key, explained.label)?;
        tell_record(&mut out, &explained.state, &record)?;
        match &explained.plan {
            Some(plan) => tell_plan(&mut out, plan, &record.id.key)?,
            None => tell_forecast(&mut out, &explained.state, &record, now)?,
        }
        known.push(record.id);
    }
    // What no scan has met yet has a plan as well.
    let lines = explained.plan.iter().flatten();
    let mut new: Vec<&ResourceKey> =
        lines.map(|line| &line.resource.key).filter(|key| known.iter().all(|id| id.key != **key)).collect();
    new.dedup();
    for key in &new {
        writeln!(out, "{key} ({})\n  no scan has met it yet\n", explained.label)?;
        tell_plan(&mut out, explained.plan.as_deref().unwrap_or_default(), key)?;
    }
    Ok(known.len() + new.len())
}

fn tell_record(out: &mut dyn Write, state: &State, record: &IndexRecord) -> anyhow::Result<()> {
    writeln!(out, "  uid {}, version {}", record.id.uid, record.version)?;
    if let Some(report) = &record.report {
        writeln!(out, "  report written as version {}", report.resource_version)?;
    }
    writeln!(out)?;
    let mut table =
        Table::new(["POLICY", "RULE", "RESULT", "SINCE", "CHANGED", "EVALUATED", "READ", "MESSAGE"]);
    for verdict in &state.verdicts(&record.id)? {
        let mut row = |rule: &str, result: &str, since_s: i64, message: &str| {
            table.row([
                verdict.policy.report_name(),
                rule.to_owned(),
                result.to_owned(),
                time(since_s),
                time(verdict.changed_at_s),
                time(verdict.evaluated_at_s),
                read(verdict),
                message.to_owned(),
            ]);
        };
        if verdict.outcomes.is_empty() {
            row("-", "no result", verdict.changed_at_s, "the policy does not match the resource");
        }
        for dated in &verdict.outcomes {
            let outcome = &dated.outcome;
            row(&outcome.rule, outcome.status.as_str(), dated.since_s, &outcome.message);
        }
    }
    table.write(out, Style::Plain)?;
    writeln!(out)?;
    Ok(())
}

/// What the next scan does, as its plan has it.
fn tell_plan(out: &mut dyn Write, plan: &[PlanLine], key: &ResourceKey) -> anyhow::Result<()> {
    let mut table = Table::new(["POLICY", "NEXT SCAN", "WHY"]);
    for line in plan.iter().filter(|line| line.resource.key == *key) {
        if let Some(policy) = &line.policy {
            table.row([policy.report_name(), line.action.to_owned(), line.reason.clone()]);
        }
    }
    table.write(out, Style::Plain)?;
    writeln!(out)?;
    Ok(())
}

/// What the next scan does, as far as the state alone tells.
fn tell_forecast(
    out: &mut dyn Write,
    state: &State,
    record: &IndexRecord,
    now: Timestamp,
) -> anyhow::Result<()> {
    let is_other_engine = state.engine()?.is_some_and(|engine| engine != ENGINE_VERSION);
    let mut table = Table::new(["POLICY", "NEXT SCAN", "WHY"]);
    for verdict in &state.verdicts(&record.id)? {
        let (action, why) = if is_other_engine {
            ("evaluate", "another version of the engine judged it".to_owned())
        } else if let Some(reason) = plan::expired(verdict, now.as_second()) {
            ("evaluate", reason.explain())
        } else {
            let until = verdict.valid_until_s.map(|until| format!(", until {}", time(until)));
            let why = format!("if its policy and what it READ are as they were{}", until.unwrap_or_default());
            ("reuse", why)
        };
        table.row([verdict.policy.report_name(), action.to_owned(), why]);
    }
    table.write(out, Style::Plain)?;
    if !record.is_settled {
        writeln!(
            out,
            "\nThe next scan looks at all of these again: data could not be had, a schedule did not cover a \
             pair, or the report was not written."
        )?;
    }
    writeln!(
        out,
        "\nThe state does not know what changed since. To see what the next scan does, give what it is given: \
         the manifests (-f) and policies (-p), or --cluster.\n"
    )?;
    Ok(())
}

fn time(seconds: i64) -> String {
    Timestamp::from_second(seconds).map(|at| at.to_string()).unwrap_or_default()
}

/// What was read of a fact, in words.
fn fact(read: &FactRead) -> String {
    let parts: Vec<&str> = read.parts.iter().map(Part::name).collect();
    match read.parts {
        Parts::ALL => read.key.to_string(),
        Parts::NONE => format!("{} (identity)", read.key),
        _ => format!("{} ({})", read.key, parts.join(",")),
    }
}

/// What a verdict read, in words.
fn read(verdict: &Verdict) -> String {
    let mut words: Vec<String> = verdict.parts.iter().map(Part::name).map(str::to_owned).collect();
    words.extend(verdict.facts.iter().map(fact));
    words.extend(verdict.valid_until_s.map(|until| format!("time (until {})", time(until))));
    if words.is_empty() { "identity".into() } else { words.join(",") }
}
