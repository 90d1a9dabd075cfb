//! `patrol explain KIND/NAME`: what the state knows of one resource.
//!
//! With the manifests and policies given as for `patrol scan`, it also says why the next scan would evaluate or reuse each pair; without them it
//! says what would make it evaluate.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::bail;
use clap::Args;
use jiff::Timestamp;

use super::{Exit, StateArgs, input};
use crate::document::Part;
use crate::model::{IndexRecord, Verdict};
use crate::output::{Style, Table};
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
    /// The paths that were scanned, if the state knows several
    #[arg(long = "of", value_name = "PATH")]
    paths: Vec<PathBuf>,
}

/// Runs the command.
pub(super) fn run(args: &ExplainArgs) -> anyhow::Result<Exit> {
    let Some((kind, name)) = args.resource.split_once('/') else {
        bail!("`{}` is not of the form KIND/NAME, such as Pod/web-0", args.resource)
    };
    let store = input::open_existing(&args.state.state)?;
    let mut n_found = 0;
    for label in labels(args, &*store)? {
        let state = State::at(Arc::clone(&store), &label);
        for record in find(&state, kind, name, args.namespace.as_deref())? {
            n_found += 1;
            explain(&state, &label, &record)?;
        }
    }
    store.close()?;
    if n_found == 0 {
        bail!("the state knows no {kind} `{name}`; a scan remembers what at least one policy selects");
    }
    Ok(Exit::Clean)
}

fn labels(args: &ExplainArgs, store: &dyn Store) -> anyhow::Result<Vec<String>> {
    if !args.paths.is_empty() {
        return Ok(vec![input::label_of(&args.paths)]);
    }
    Ok(known_sources(store)?.into_iter().map(|source| source.label).collect())
}

fn find(state: &State, kind: &str, name: &str, namespace: Option<&str>) -> anyhow::Result<Vec<IndexRecord>> {
    let mut found = Vec::new();
    let _ = state.each_record(None, &mut |record| {
        let key = &record.id.key;
        if key.kind.eq_ignore_ascii_case(kind)
            && key.name == name
            && namespace.is_none_or(|ns| ns == key.namespace)
        {
            found.push(record);
        }
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

fn explain(state: &State, label: &str, record: &IndexRecord) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{} ({label})", record.id.key)?;
    writeln!(out, "  uid {}, version {}", record.id.uid, record.version)?;
    if !record.is_settled {
        writeln!(out, "  some verdict waits for another schedule or for data that could not be had")?;
    }
    if let Some(report) = &record.report {
        writeln!(out, "  report written as version {}", report.resource_version)?;
    }
    writeln!(out)?;
    let mut table = Table::new(["POLICY", "RULE", "RESULT", "SINCE", "EVALUATED", "READ", "MESSAGE"]);
    let verdicts = state.verdicts(&record.id)?;
    for verdict in &verdicts {
        if verdict.outcomes.is_empty() {
            table.row([
                verdict.policy.report_name(),
                "-".into(),
                "no result".into(),
                time(verdict.changed_at_s),
                time(verdict.evaluated_at_s),
                read(verdict),
                "the policy does not match the resource".into(),
            ]);
        }
        for dated in &verdict.outcomes {
            table.row([
                verdict.policy.report_name(),
                dated.outcome.rule.clone(),
                dated.outcome.status.as_str().to_owned(),
                time(dated.since_s),
                time(verdict.evaluated_at_s),
                read(verdict),
                dated.outcome.message.clone(),
            ]);
        }
    }
    table.write(&mut out, Style::Plain)?;
    writeln!(
        out,
        "\nThe next scan evaluates a pair again when its policy changes, or something that it READ does."
    )?;
    Ok(())
}

fn time(seconds: i64) -> String {
    Timestamp::from_second(seconds).map(|at| at.to_string()).unwrap_or_default()
}

/// What a verdict read, in words.
fn read(verdict: &Verdict) -> String {
    let mut words: Vec<String> = verdict.parts.iter().map(Part::name).map(str::to_owned).collect();
    words.extend(verdict.facts.iter().map(|(key, _)| key.to_string()));
    words.extend(verdict.valid_until_s.map(|until| format!("time (until {})", time(until))));
    if words.is_empty() { "identity".into() } else { words.join(",") }
}
