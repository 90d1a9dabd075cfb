//! `patrol state`: how large the state is, whether it is sound, and making it smaller.

use std::io::{self, Write};

use clap::Subcommand;

use super::{Exit, StateArgs, input};
use crate::output::{Style, Table};
use crate::store::{Compaction, known_sources};

/// What can be done with the state.
#[derive(Debug, Subcommand)]
pub(super) enum StateCommand {
    /// Print sizes, counts, sources and faults
    Stats(StateArgs),
    /// Read every record and check it; the exit code is 1 if one is damaged
    Verify(StateArgs),
    /// Rewrite the database without what is dead in it
    Compact(StateArgs),
}

/// Runs the command.
pub(super) fn run(command: &StateCommand) -> anyhow::Result<Exit> {
    match command {
        StateCommand::Stats(args) => stats(args),
        StateCommand::Verify(args) => verify(args),
        StateCommand::Compact(args) => compact(args),
    }
}

fn stats(args: &StateArgs) -> anyhow::Result<Exit> {
    let store = input::open_existing(&args.state)?;
    let stats = store.stats()?;
    let mut table = Table::new(["WHAT", "VALUE"]);
    table.row(["records".to_owned(), stats.n_rows.to_string()]);
    table.row(["live bytes".to_owned(), stats.live_bytes.to_string()]);
    table.row(["bytes on disk".to_owned(), stats.size_on_disk_bytes.to_string()]);
    for source in known_sources(&*store)? {
        let used =
            jiff::Timestamp::from_second(source.used_at_s).map(|at| at.to_string()).unwrap_or_default();
        table.row([source.label, format!("last used {used}")]);
    }
    table.write(&mut io::stdout().lock(), Style::Plain)?;
    store.close()?;
    Ok(Exit::Clean)
}

fn verify(args: &StateArgs) -> anyhow::Result<Exit> {
    let store = input::open_existing(&args.state)?;
    let report = store.verify()?;
    let is_sound = report.is_sound() && store.rebuilt().is_none();
    writeln!(
        io::stdout().lock(),
        "{} records read, {} failed their checksum, {} of another version: {}",
        report.n_rows,
        report.n_checksum_mismatches,
        report.n_version_mismatches,
        if is_sound { "sound" } else { "not sound; what is lost is evaluated again by the next scan" }
    )?;
    store.close()?;
    Ok(if is_sound { Exit::Clean } else { Exit::Findings })
}

fn compact(args: &StateArgs) -> anyhow::Result<Exit> {
    let store = input::open_existing(&args.state)?;
    let report = store.compact(Compaction::Always)?;
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "{} bytes before, {} after, {} records",
        report.bytes_before, report.bytes_after, report.n_rows
    )?;
    store.close()?;
    match report.failure {
        Some(failure) => {
            writeln!(out, "not rewritten: {failure}")?;
            Ok(Exit::Findings)
        }
        None => Ok(Exit::Clean),
    }
}
