//! `patrol` as a process: run to its end, timed from outside, with what it counted.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde::Deserialize;

/// The program under measurement.
pub(crate) const PATROL: &str = env!("CARGO_BIN_EXE_patrol");

/// What `--stats` told; fields that no row needs are left out.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Stats {
    pub(crate) resources: u64,
    pub(crate) evaluated: u64,
    pub(crate) forgotten: u64,
    pub(crate) reports_written: u64,
    pub(crate) reports_deleted: u64,
    pub(crate) peak_rss_bytes: Option<u64>,
}

/// One run.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// From the start of the process to its end.
    pub(crate) wall: Duration,
    /// What it counted.
    pub(crate) stats: Stats,
    /// Passes and failures, from the table that it printed.
    pub(crate) outcomes: (u64, u64),
}

/// A scan, as its command line says.
#[derive(Clone, Debug)]
pub(crate) struct Scan {
    args: Vec<PathBuf>,
    stats: PathBuf,
}

impl Scan {
    /// Runs with these arguments; `stats` is a file for what it counts.
    pub(crate) fn new<A: Into<PathBuf>>(args: impl IntoIterator<Item = A>, stats: &Path) -> Self {
        Self { args: args.into_iter().map(Into::into).collect(), stats: stats.to_owned() }
    }

    /// The scan with more arguments.
    pub(crate) fn with<A: Into<PathBuf>>(&self, args: impl IntoIterator<Item = A>) -> Self {
        let mut more = self.clone();
        more.args.extend(args.into_iter().map(Into::into));
        more
    }

    /// Runs it. Findings are no failure, bad input is.
    pub(crate) fn run(&self) -> anyhow::Result<Run> {
        let mut command = Command::new(PATROL);
        command.arg("scan").args(&self.args).args(["--quiet", "--stats"]).arg(&self.stats);
        command.stdin(Stdio::null());
        let start = Instant::now();
        let output = command.output().with_context(|| format!("`{PATROL}` cannot be run"))?;
        let wall = start.elapsed();
        if !matches!(output.status.code(), Some(0 | 1)) {
            bail!("{:?}: {}\n{}", self.args, output.status, String::from_utf8_lossy(&output.stderr));
        }
        let stats = serde_json::from_slice(&std::fs::read(&self.stats)?)?;
        Ok(Run { wall, stats, outcomes: outcomes(&String::from_utf8_lossy(&output.stdout)) })
    }

    /// Runs it several times.
    pub(crate) fn repeat(&self, n: usize) -> anyhow::Result<Vec<Run>> {
        (0..n).map(|_| self.run()).collect()
    }
}

/// Passes and failures of the line of totals.
fn outcomes(table: &str) -> (u64, u64) {
    let total = table.lines().find_map(|line| line.strip_prefix("total")).unwrap_or_default();
    let mut counts = total.split_whitespace().map(|count| count.parse().unwrap_or_default());
    (counts.next().unwrap_or_default(), counts.next().unwrap_or_default())
}

/// The processor time, in user code and in the system, of all ended children of this process.
pub(crate) fn children_cpu() -> anyhow::Result<Duration> {
    // proc(5): behind the command's closing parenthesis, fields 16 and 17 are `cutime` and `cstime`, in ticks
    // of 10 ms.
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit_once(')').map(|(_, fields)| fields).unwrap_or_default();
    let ticks = fields.split_whitespace().skip(13).take(2).map(str::parse::<u64>).sum::<Result<u64, _>>()?;
    Ok(Duration::from_millis(ticks * 10))
}

/// The most memory that a running process held at once, in bytes.
pub(crate) fn peak_rss_bytes(pid: u32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib * 1024)
}
