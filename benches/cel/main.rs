//! The benchmark of CEL beside cel-go: the same expressions on the same object, in one run, as one Markdown
//! table; then the policies of `policies/pod-security-cel` on the workload W4.
//!
//! `cargo bench --bench cel [-- --rounds N --only TEXT --without-go]`. Each figure is the median of rounds in
//! which the three take turns, in processor time of one thread. The exit code is 1 if a bound does not hold.

mod clock;
mod ours;
mod peer;
mod policies;
mod rows;

#[path = "../scan/w4.rs"]
#[expect(dead_code, reason = "the benchmark of scans uses the rest")]
mod w4;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::ensure;
use clap::Parser;
use patrol::document::Document;

use clock::{Cost, median};
use ours::Run;
use peer::{Peer, Way};
use policies::Policies;
use rows::{ROWS, Row};

const OBJECT: &str = include_str!("deployment.json");

/// How many times faster than cel-go each row must be: than its plain program, and than it is in the API
/// server.
const TIMES_PLAIN: f64 = 1.0;
const TIMES_API_SERVER: f64 = 4.0;
/// Evaluations of a policy a second and core.
const POLICIES_PER_S: f64 = 300_000.0;

#[derive(Debug, Parser)]
#[command(about = "Measures CEL beside cel-go")]
struct Args {
    /// How often everything is measured
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// Processor time of each measure, in milliseconds
    #[arg(long, default_value_t = 20)]
    millis: u64,
    /// Only rows and policies with this in their name
    #[arg(long, default_value = "")]
    only: String,
    /// Ours alone
    #[arg(long)]
    without_go: bool,
    /// How many Deployments the workload of the policies has
    #[arg(long, default_value_t = 1000)]
    size: usize,
    /// Cargo says so to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match run_rows(&args).and_then(|rows_hold| Ok(run_policies(&args)? && rows_hold)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// All figures of one row.
#[derive(Debug, Default)]
struct Figures {
    ours: Vec<f64>,
    allocations: f64,
    plain: Vec<f64>,
    plain_allocations: f64,
    api_server: Vec<f64>,
}

fn run_rows(args: &Args) -> anyhow::Result<bool> {
    let rows: Vec<Row> = ROWS.iter().filter(|row| row.name.contains(&args.only)).copied().collect();
    let object = Document::from_json(OBJECT.as_bytes())?;
    let mut runs = rows.iter().map(Run::compile).collect::<anyhow::Result<Vec<_>>>()?;
    let dir = tempfile::tempdir()?;
    let mut peer = if args.without_go { None } else { Some(Peer::start(dir.path(), OBJECT, &rows)?) };
    if let Some(peer) = &mut peer {
        for (row, run) in rows.iter().zip(&runs) {
            let (ours, theirs) = (run.value(&object)?, peer.values()?);
            ensure!(theirs.iter().all(|their| *their == ours), "{}: {ours}, not {theirs:?}", row.name);
        }
    }
    let nanos = args.millis * 1_000_000;
    let mut figures: Vec<Figures> = rows.iter().map(|_| Figures::default()).collect();
    for _ in 0..args.rounds {
        for (at, (run, figures)) in runs.iter_mut().zip(&mut figures).enumerate() {
            let cost = run.measure(&object, nanos)?;
            figures.ours.push(cost.nanos);
            figures.allocations = cost.allocations;
            if let Some(peer) = &mut peer {
                let plain = peer.measure(at, Way::Plain, nanos)?;
                figures.plain.push(plain.nanos);
                figures.plain_allocations = plain.allocations;
                figures.api_server.push(peer.measure(at, Way::ApiServer, nanos)?.nanos);
            }
        }
    }
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "| Expression | Patrol | Allocations | cel-go, plain | Allocations | Times | cel-go, API server | Times | \
         Holds |\n|---|--:|--:|--:|--:|--:|--:|--:|---|"
    )?;
    let mut holds = true;
    for (row, figures) in rows.iter().zip(figures) {
        let (line, row_holds) = row_line(row, figures);
        holds &= row_holds;
        writeln!(out, "{line}")?;
    }
    writeln!(
        out,
        "\nNanoseconds an evaluation; bounds: above {TIMES_PLAIN} times and at least {TIMES_API_SERVER} times, no \
         allocation where an expression only reads and compares (marked `= 0`).\n"
    )?;
    Ok(holds)
}

fn row_line(row: &Row, figures: Figures) -> (String, bool) {
    let Figures { ours, allocations, plain, plain_allocations, api_server } = figures;
    let (ours, plain, api_server) = (median(ours), median(plain), median(api_server));
    let (times_plain, times_api_server) = (plain / ours, api_server / ours);
    // Without Go there is nothing to compare with: NaN breaks no bound.
    let is_slow = times_plain <= TIMES_PLAIN || times_api_server < TIMES_API_SERVER;
    let is_wasteful = row.only_reads && allocations > 0.0;
    let holds = !is_slow && !is_wasteful;
    let line = format!(
        "| {} | {ours:.0} | {allocations:.0}{} | {plain:.0} | {plain_allocations:.0} | {times_plain:.1} | \
         {api_server:.0} | {times_api_server:.1} | {} |",
        row.name,
        if row.only_reads { " = 0" } else { "" },
        if holds { "yes" } else { "**no**" }
    );
    (line, holds)
}

fn run_policies(args: &Args) -> anyhow::Result<bool> {
    let shared = std::env::var_os("PATROL_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let policies = Policies::load(&shared, w4::Size::of(args.size))?;
    policies.refuse_errors()?;
    let wanted: Vec<usize> = policies
        .names()
        .enumerate()
        .filter(|(_, name)| name.contains(&args.only))
        .map(|(at, _)| at)
        .collect();
    if wanted.is_empty() {
        return Ok(true);
    }
    let mut rounds: Vec<Vec<(u64, Cost)>> = vec![Vec::new(); policies.len()];
    for _ in 0..args.rounds {
        for &at in &wanted {
            if let Some(costs) = rounds.get_mut(at) {
                costs.push(policies.measure(at)?);
            }
        }
    }
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "| Policy | Evaluations | Each | Allocations | A second and core |\n|---|--:|--:|--:|--:|"
    )?;
    let (mut n_all, mut nanos_all, mut allocations_all) = (0.0, 0.0, 0.0);
    for (name, costs) in policies.names().zip(&rounds).filter(|(_, costs)| !costs.is_empty()) {
        let n = costs.first().map_or(0, |(n, _)| *n) as f64;
        let nanos = median(costs.iter().map(|(_, cost)| cost.nanos).collect());
        let allocations = median(costs.iter().map(|(_, cost)| cost.allocations).collect());
        n_all += n;
        nanos_all += n * nanos;
        allocations_all += n * allocations;
        writeln!(out, "{}", policy_line(name, n, nanos, allocations))?;
    }
    let per_s = n_all / nanos_all * 1e9;
    let holds = per_s >= POLICIES_PER_S;
    let all = format!("all {} on {} objects", wanted.len(), policies.n_objects());
    writeln!(out, "{}", policy_line(&all, n_all, nanos_all / n_all, allocations_all / n_all))?;
    writeln!(
        out,
        "\nBound: at least {:.0} k/s: {}, {:.2} times.",
        POLICIES_PER_S / 1e3,
        if holds { "holds" } else { "**does not hold**" },
        per_s / POLICIES_PER_S
    )?;
    Ok(holds)
}

fn policy_line(name: &str, n: f64, nanos: f64, allocations: f64) -> String {
    format!("| {name} | {n} | {nanos:.0} ns | {allocations:.1} | {:.0} k/s |", 1e6 / nanos)
}
