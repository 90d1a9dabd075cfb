//! The command line: what can be asked, and which exit code answers.
//!
//! Exit codes are 0 (clean), 1 (findings, or a check that failed) and 2 (bad usage or bad input; 2 wins, and good input is still worked on).
//! Results go to standard output, everything else to standard error. What a command does stands in its own file.

mod crds;
mod explain;
mod input;
mod lint;
mod panics;
mod progress;
mod rbac;
mod run;
mod scan;
mod state;
mod stats;
mod test;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use tokio::runtime::Runtime;

use crate::limits;

/// What a command came to; the greater one wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Nothing to complain about.
    Clean,
    /// Findings, or a check that failed.
    Findings,
    /// Bad usage or bad input.
    BadInput,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Clean => Self::SUCCESS,
            Exit::Findings => Self::from(1),
            Exit::BadInput => Self::from(2),
        }
    }
}

/// Which existing objects break which policies, right now?
///
/// Patrol scans a cluster, or a folder of manifests, for objects that break Kubernetes policies (Kyverno's kinds and the API server's own), remembers
/// what it found, and looks again only at what changed.
#[derive(Debug, Parser)]
#[command(name = "patrol", version, propagate_version = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Scan manifests, or a cluster once
    Scan(Box<scan::ScanArgs>),
    /// Run the service: scheduled scans of the cluster, reports, metrics
    Run(run::RunArgs),
    /// Tell what is known of one resource: each policy's verdict, what it read, and what the next scan does with it, and why
    Explain(explain::ExplainArgs),
    /// Run `kyverno-test.yaml` files, and judge what they expect
    Test(test::TestArgs),
    /// Say what is odd or wrong about policies
    Lint(lint::LintArgs),
    /// Look after the state
    State {
        #[command(subcommand)]
        command: state::StateCommand,
    },
    /// Print the CustomResourceDefinitions of the report kinds and policy kinds that Patrol reads
    Crds(crds::CrdsArgs),
    /// Print the roles that the service needs to scan chosen kinds
    Rbac(rbac::RbacArgs),
    /// Print the completions of a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// Where the state is.
#[derive(Clone, Debug, clap::Args)]
struct StateArgs {
    /// Folder of the state
    #[arg(long, value_name = "DIR", default_value = ".patrol/state", env = "PATROL_STATE_DIR")]
    state: PathBuf,
}

/// Runs the program.
pub fn main() -> ExitCode {
    panics::install();
    let cli = Cli::parse();
    let run = match cli.command {
        Command::Scan(args) => scan::run(&args),
        Command::Run(args) => run::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Lint(args) => lint::run(&args),
        Command::State { command } => state::run(&command),
        Command::Crds(args) => crds::run(&args),
        Command::Rbac(args) => rbac::run(&args),
        Command::Completions { shell } => completions(shell),
    };
    match run {
        Ok(exit) => exit.into(),
        // A reader that has had enough (`patrol … | head`) is no failure.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "patrol: {error:#}");
            Exit::BadInput.into()
        }
    }
}

/// Runs what waits for many things at once. What was given up does not keep the program from ending.
/// Threads for what waits, with stacks for deep expressions.
fn runtime() -> io::Result<Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.enable_all().thread_stack_size(limits::CEL_STACK_BYTES_MIN).build()
}

fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = runtime()?;
    let result = runtime.block_on(work);
    runtime.shutdown_timeout(limits::SHUTDOWN_WAIT);
    result
}

fn completions(shell: Shell) -> anyhow::Result<Exit> {
    // The generator panics where a write fails, and memory cannot fail.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "patrol", &mut script);
    io::stdout().lock().write_all(&script)?;
    Ok(Exit::Clean)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    })
}

/// Says something to the user that is not a result.
fn say(text: impl std::fmt::Display) {
    let _ = writeln!(io::stderr(), "{text}");
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
