//! `patrol scan --cluster`: one scan of the cluster that kubeconfig names, as the service would run it.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::bail;
use jiff::Timestamp;

use super::{ClusterArgs, ScanArgs, exit, tell, watched};
use crate::app::{Request, Scanned, Scanner, ScannerSettings, cluster_settings};
use crate::cli::{Exit, input, run, say};
use crate::cluster::{ClusterClient, Leadership};
use crate::config::{Checked, Filters};
use crate::folder::{Folder, FolderSink, FolderSource};
use crate::inventory::PolicyListing;
use crate::matching::ResourceFilters;
use crate::model::Status;
use crate::policy::Standing;
use crate::report::Sink;
use crate::scan::{Focus, KindOutcome, KindState, Only, ScanOutcome, Stop};
use crate::store::{State, Store};

/// Runs the command.
pub(super) async fn run(
    args: &ScanArgs,
    fail_on: &BTreeSet<Status>,
    filters: Option<ResourceFilters>,
) -> anyhow::Result<Exit> {
    let start = Instant::now();
    let now = input::now();
    let mut config = config(&args.cluster, filters)?;
    if args.reports.is_some() {
        // What a folder gets is this command's to say, whatever the cluster serves.
        config.reports.api = Some(args.report_api.api());
    }
    let client = ClusterClient::connect(cluster_settings(&config)).await?;
    let opened = super::open_state(args)?;
    let store = opened.as_ref().and_then(|opened| opened.store.clone());
    let state = match &store {
        Some(store) => Some(State::open(Arc::clone(store), &Scanner::label_of(&client), now.as_second())?),
        None => None,
    };
    let instead = (!args.policies.is_empty()).then(|| given(&args.policies));
    let sink = match &args.reports {
        Some(dir) => Some(Arc::new(FolderSink::open(dir, args.report_api.api())?) as Arc<dyn Sink>),
        None => None,
    };
    let settings =
        ScannerSettings { config, instead, sink, collects_reports: args.output != super::Format::Table };
    let request = Request {
        now,
        focus: Focus::default(),
        is_verifying: args.verify,
        is_dry_run: args.dry_run,
        only: None,
        stop: Stop::default(),
        progress: Arc::default(),
    };
    let (stop, progress) = (request.stop.clone(), Arc::clone(&request.progress));
    let n_objects = state.as_ref().filter(|_| io::stderr().is_terminal()).and_then(n_remembered);
    let scanner = Scanner::new(client, state, Leadership::unopposed());
    let done = watched(scanner.scan(&settings, request), stop, &progress, n_objects, !args.quiet).await??;
    input::tell_catalog(&done.catalog);
    for policy in &done.catalog.policies {
        if let Standing::FolderOnly { reason } | Standing::NotScanned { reason } = &policy.standing {
            say(format_args!("{} is not scanned: {reason}", policy.key));
        }
    }
    tell(args, &done.outcome, &done.policies, &|_| None, None, start.elapsed())?;
    if let Some(store) = &store {
        input::warn_if_degraded(&**store);
        store.close()?;
    }
    Ok(exit(&done.outcome, fail_on, !is_whole(&done)))
}

/// How many objects the last scan met, from which a progress bar tells the time left; `None` before there was one.
fn n_remembered(state: &State) -> Option<u64> {
    let mut n = 0;
    let _ = state.each_record(&mut |_| {
        n += 1;
        ControlFlow::Continue(())
    });
    (n > 0).then_some(n)
}

/// The policies under these paths, as a listing that stands in for the cluster's.
fn given(paths: &[PathBuf]) -> PolicyListing {
    let none = Folder::default();
    FolderSource::open("policies".into(), &none, &input::read(paths), &|_| None).into_policies()
}

/// Whether all of the input could be used: a scan that could not list Pods has not found them clean.
fn is_whole(done: &Scanned) -> bool {
    let outcome = &done.outcome;
    let is_listed = |kind: &KindOutcome| matches!(kind.state, KindState::Listed | KindState::NotServed);
    done.unknown.is_empty()
        && outcome.kinds.iter().all(is_listed)
        && outcome.totals.reports.failed == 0
        && !outcome.problems.iter().chain(&outcome.totals.problems).any(|problem| problem.is_input)
}

/// The plan of the next scan of a cluster for one resource, made on a copy of the state that is the store's.
pub(in crate::cli) async fn plan(
    args: &ClusterArgs,
    only: Only,
    store: Arc<dyn Store>,
    now: Timestamp,
) -> anyhow::Result<(String, State, ScanOutcome)> {
    let config = config(args, None)?;
    let client = ClusterClient::connect(cluster_settings(&config)).await?;
    let label = Scanner::label_of(&client);
    let state = State::at(store, &label);
    let settings = ScannerSettings { config, instead: None, sink: None, collects_reports: false };
    let request = Request {
        now,
        focus: Focus::default(),
        is_verifying: false,
        is_dry_run: true,
        only: Some(only),
        stop: Stop::default(),
        progress: Arc::default(),
    };
    let scanner = Scanner::new(client, Some(state.clone()), Leadership::unopposed());
    let done = scanner.scan(&settings, request).await?;
    Ok((label, state, done.outcome))
}

fn config(args: &ClusterArgs, filters: Option<ResourceFilters>) -> anyhow::Result<Checked> {
    let mut overrides = Vec::new();
    if let Some(path) = &args.kubeconfig {
        overrides.push(("cluster.kubeconfig".into(), path.display().to_string(), "--kubeconfig".into()));
    }
    if let Some(context) = &args.context {
        overrides.push(("cluster.context".into(), context.clone(), "--context".into()));
    }
    let env: Vec<(String, String)> = std::env::vars().filter(|(key, _)| key != "PATROL_STATE_DIR").collect();
    match run::load(args.config.as_deref(), &env, &overrides) {
        Ok(mut config) => {
            if let Some(filters) = filters {
                config.resources.filters = Filters::Here(filters);
            }
            Ok(config)
        }
        Err(mistakes) => {
            mistakes.iter().for_each(say);
            bail!("the configuration has {} mistakes", mistakes.len())
        }
    }
}
