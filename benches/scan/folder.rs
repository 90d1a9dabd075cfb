//! The rows about a folder: the Pods and Deployments of the workload as files, scanned by child processes.

use std::path::Path;
use std::time::Duration;

use anyhow::ensure;

use super::child::{Run, Scan, children_cpu};
use super::manifests::Layout;
use super::table::{Row, Unit, median};
use super::{Options, w4};

/// What the reference says about the workload: passes and failures.
const OUTCOMES: (u64, u64) = (74_208, 5_792);
/// Rules that judge each Pod and each Deployment.
const N_RULES: u64 = 20;
/// The bounds, in seconds and evaluations a second.
const JSON_S: f64 = 0.5;
const YAML_S: f64 = 1.5;
const UNCHANGED_S: f64 = 0.15;
const PER_S: f64 = 150_000.0;

/// Measures all rows.
pub(crate) fn measure(options: &Options) -> anyhow::Result<Vec<Row>> {
    let dir = tempfile::tempdir()?;
    let mut rows = Vec::new();
    for layout in Layout::ALL {
        let n_bytes = layout.write(&dir.path().join(layout.file_name()), options.size.judged())?;
        of_layout(options, dir.path(), layout, n_bytes, &mut rows)?;
    }
    Ok(rows)
}

fn of_layout(
    options: &Options,
    dir: &Path,
    layout: Layout,
    n_bytes: u64,
    rows: &mut Vec<Row>,
) -> anyhow::Result<()> {
    let name = layout.name();
    let scan = Scan::new([dir.join(layout.file_name())], &dir.join("stats.json"))
        .with(["--policy".into(), options.policies()]);
    // The first run reads the program and the file from the disk.
    let stateless = scan.with(["--no-state"]);
    stateless.run()?;
    let runs = stateless.repeat(options.n_runs)?;
    check(options, &runs)?;
    let bound_s = if layout == Layout::Yaml { YAML_S } else { JSON_S };
    let size = format!("{} objects, {:.1} MB", options.size.n_judged(), n_bytes as f64 / 1e6);
    rows.push(
        Row::at_most(format!("folder, {name}, no state"), Unit::Seconds, wall_s(&runs), bound_s).noted(size),
    );
    if layout == Layout::JsonDocuments {
        rows.push(outcomes_row(options, &runs));
        rows.push(speed(options, &stateless)?);
        let peak = runs.iter().filter_map(|run| run.stats.peak_rss_bytes).max().unwrap_or_default();
        rows.push(Row::told(format!("folder, {name}, peak memory"), Unit::Bytes, peak as f64));
    }
    let stateful = scan.with(["--state".into(), dir.join(format!("state-{}", layout.file_name()))]);
    let first = stateful.run()?;
    let again = stateful.repeat(options.n_runs)?;
    check(options, &again)?;
    let evaluated = again.iter().map(|run| run.stats.evaluated).sum();
    rows.push(Row::told(
        format!("folder, {name}, first scan with state"),
        Unit::Seconds,
        first.wall.as_secs_f64(),
    ));
    rows.push(Row::at_most(format!("folder, {name}, unchanged"), Unit::Seconds, wall_s(&again), UNCHANGED_S));
    rows.push(Row::exactly(format!("folder, {name}, unchanged: evaluations"), evaluated, 0));
    Ok(())
}

/// Rule evaluations a second a core, over the processor time of whole processes, reading included.
fn speed(options: &Options, scan: &Scan) -> anyhow::Result<Row> {
    let before = children_cpu()?;
    let runs = scan.with(["--workers", "1"]).repeat(options.n_runs)?;
    let cpu = children_cpu()?.saturating_sub(before);
    let n: u64 = runs.iter().map(|run| run.outcomes.0 + run.outcomes.1).sum();
    let per_s = n as f64 / cpu.as_secs_f64().max(f64::MIN_POSITIVE);
    let row = Row::at_least("folder, rule evaluations a second a core", Unit::PerSecond, per_s, PER_S);
    Ok(row.noted("over user and system time of whole processes, one worker"))
}

fn outcomes_row(options: &Options, runs: &[Run]) -> Row {
    let (n_pass, n_fail) = runs.first().map(|run| run.outcomes).unwrap_or_default();
    let measure = "folder, failures beside passes";
    let note = format!("{n_pass} pass, {n_fail} fail");
    if options.size == w4::Size::W4 {
        let row = Row::exactly(measure, n_fail, OUTCOMES.1);
        return row.noted(format!("{note}; the reference: {} pass, {} fail", OUTCOMES.0, OUTCOMES.1));
    }
    Row::told(measure, Unit::Count, n_fail as f64).noted(note)
}

fn check(options: &Options, runs: &[Run]) -> anyhow::Result<()> {
    for run in runs {
        let n_judged = options.size.n_judged() as u64;
        let (n_pass, n_fail) = run.outcomes;
        ensure!(run.stats.resources == n_judged, "{} resources, not {n_judged}", run.stats.resources);
        ensure!(
            n_pass + n_fail == N_RULES * n_judged,
            "{n_pass} pass and {n_fail} fail, of {n_judged} objects"
        );
        ensure!(
            options.size != w4::Size::W4 || run.outcomes == OUTCOMES,
            "{n_pass} pass and {n_fail} fail, not as the reference: {OUTCOMES:?}",
        );
    }
    Ok(())
}

fn wall_s(runs: &[Run]) -> f64 {
    let walls: Vec<Duration> = runs.iter().map(|run| run.wall).collect();
    median(walls).as_secs_f64()
}
