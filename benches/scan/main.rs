//! The benchmark of whole scans: every measure that has a bound, from one run, as a Markdown table.
//!
//! `cargo bench --bench scan -- [folder|cluster|all|check|load] [--size DEPLOYMENTS] [--runs N]`. The rows about a
//! cluster start the control plane of `tests/cluster/`. `check` compares the workload, object for object,
//! with what the shared data's own program prints. `load --kubeconfig FILE` measures nothing: it puts the
//! workload and the policies into a cluster, to try things by hand. The policies and that program come from the folder that
//! `PATROL_SHARED` names. The exit code is 1 if a bound does not hold.

mod api;
mod child;
mod cluster;
mod folder;
mod manifests;
mod service;
mod table;
mod w4;

#[path = "../../tests/it/live/control_plane/process.rs"]
#[expect(dead_code, reason = "tests use the rest")]
mod control_plane;
#[path = "../../tests/it/live/control_plane/requests.rs"]
mod requests;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, bail, ensure};
use clap::{Parser, ValueEnum};
use serde_json::Value;

use w4::Size;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Scans of files
    Folder,
    /// Scans of a real API server
    Cluster,
    /// Both
    All,
    /// Nothing: compare the workload with the shared data's
    Check,
    /// Nothing: put the workload and the policies into the cluster that --kubeconfig names
    Load,
}

#[derive(Debug, Parser)]
#[command(about = "Measures whole scans")]
struct Args {
    /// What is measured
    #[arg(value_enum, default_value = "all")]
    part: Part,
    /// How many Deployments the workload has; the bounds are stated for 1000
    #[arg(long, value_name = "DEPLOYMENTS", default_value_t = Size::W4.n_deployments)]
    size: usize,
    /// The cluster that is loaded
    #[arg(long, value_name = "FILE", required_if_eq("part", "load"))]
    kubeconfig: Option<PathBuf>,
    /// How often each measure is repeated; the median counts
    #[arg(long, default_value_t = 9)]
    runs: usize,
    /// Cargo says so to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

/// What all rows are measured with.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    size: Size,
    n_runs: usize,
    shared: PathBuf,
}

impl Options {
    /// The folder of the 18 policies.
    fn policies(&self) -> PathBuf {
        self.shared.join("bench/policies")
    }
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(io::stderr(), "scan: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(args: &Args) -> anyhow::Result<bool> {
    let shared = std::env::var_os("PATROL_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    if !shared.join("bench").is_dir() {
        bail!("there is no shared data at `{}`; PATROL_SHARED names it", shared.display());
    }
    let options = Options { size: Size::of(args.size), n_runs: args.runs.max(1), shared };
    if args.part == Part::Check {
        return check(&options).map(|()| true);
    }
    if args.part == Part::Load {
        return cluster::load(&options, args.kubeconfig.as_deref().context("--kubeconfig")?).map(|()| true);
    }
    let mut rows = Vec::new();
    if matches!(args.part, Part::Folder | Part::All) {
        rows.extend(folder::measure(&options)?);
    }
    if matches!(args.part, Part::Cluster | Part::All) {
        rows.extend(cluster::measure(&options)?);
    }
    let mut out = io::stdout().lock();
    let n_cores = std::thread::available_parallelism()?;
    writeln!(
        out,
        "\nW4 with {} Deployments and {} Pods in {} namespaces; {n_cores} cores; medians of {} runs\n",
        options.size.n_deployments,
        options.size.n_deployments * options.size.n_replicas,
        options.size.n_namespaces,
        options.n_runs,
    )?;
    table::write(&mut out, &rows)?;
    Ok(rows.iter().all(table::Row::holds))
}

/// Compares the workload with what `w4.py` prints, at several sizes.
fn check(options: &Options) -> anyhow::Result<()> {
    let far = Size { n_namespaces: 7, n_deployments: 40, n_replicas: 2, first: 16_777_210 };
    for size in [Size::W4, far, options.size] {
        let Size { n_namespaces, n_deployments, n_replicas, first } = size;
        let numbers = [n_namespaces, n_deployments, n_replicas, first].map(|number| number.to_string());
        let program = options.shared.join("bench/w4.py");
        let output = Command::new("python3").arg(program).args(&numbers).output().context("python3")?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout)?;
        let theirs = text.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
        let ours: Vec<Value> = size.objects().collect();
        if let Some((ours, theirs)) = ours.iter().zip(&theirs).find(|(ours, theirs)| ours != theirs) {
            bail!("an object differs:\n{ours:#}\nis in the shared data\n{theirs:#}");
        }
        ensure!(ours.len() == theirs.len(), "{} objects, not {}", ours.len(), theirs.len());
        writeln!(io::stdout(), "{}: {} objects are equal", numbers.join(" "), ours.len())?;
    }
    Ok(())
}
