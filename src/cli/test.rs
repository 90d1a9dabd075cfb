//! `patrol test`: runs `kyverno-test.yaml` files and says which of their expectations hold.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueEnum};
use tokio::runtime::Handle;

use super::{Exit, input, say};
use crate::casework::{self, CaseSelector, Registries, Settings, TEST_FILE, TableOptions};
use crate::output::{self, Style};
use crate::outside::Outside;

/// What `patrol test` is asked.
#[derive(Debug, Args)]
pub(super) struct TestArgs {
    /// Test files, and folders in which test files are found
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// What to print
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
    /// Print the policies' messages too
    #[arg(long)]
    detailed_results: bool,
    /// Print only the checks that fail
    #[arg(long)]
    fail_only: bool,
    /// Judge only some lines: `policy=…,rule=…,resource=…`, with wildcards
    #[arg(short, long, value_name = "SELECTOR", default_value = "")]
    test_case_selector: String,
    /// The name of the test files in a folder
    #[arg(short, long, value_name = "NAME", default_value = TEST_FILE)]
    file_name: String,
    /// Let policies ask image registries, without credentials
    #[arg(long)]
    registry: bool,
}

#[expect(clippy::doc_markdown, reason = "the comments are help texts")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table a test file, and a summary
    Table,
    /// One JSON line a check, and a last line with the counts
    Json,
    /// JUnit, for test reports
    Junit,
}

/// Runs the command. The exit code is 1 if a check fails, else 2 if some input could not be used or there was nothing to run.
pub(super) fn run(args: &TestArgs) -> anyhow::Result<Exit> {
    let selector = CaseSelector::parse(&args.test_case_selector).context("--test-case-selector")?;
    // It has to outlive the run, which asks through it.
    let runtime = args.registry.then(super::runtime).transpose()?;
    let settings = Settings {
        paths: args.paths.clone(),
        file_name: args.file_name.clone(),
        selector,
        now: input::now(),
        registries: runtime.as_ref().map(|runtime| registries(runtime.handle().clone())),
    };
    let run = casework::run(&settings);
    for problem in run.all_problems() {
        say(problem);
    }
    let mut out = io::BufWriter::new(io::stdout().lock());
    match args.output {
        Format::Table => {
            let is_refused = std::env::var_os("NO_COLOR").is_some();
            let options = TableOptions {
                style: Style::of_terminal(io::stdout().is_terminal(), is_refused),
                is_detailed: args.detailed_results,
                is_fail_only: args.fail_only,
            };
            casework::write_table(&mut out, &run, options)?;
        }
        Format::Json => casework::write_json(&mut out, &run)?,
        Format::Junit => output::write_junit(&mut out, &casework::junit_cases(&run))?,
    }
    out.flush()?;
    if run.cases.is_empty() && run.problems.is_empty() {
        say(nothing_to_run(args));
        return Ok(Exit::BadInput);
    }
    Ok(match run.exit_code() {
        0 => Exit::Clean,
        1 => Exit::Findings,
        _ => Exit::BadInput,
    })
}

/// Asks registries on a runtime, from threads that are not its own.
fn registries(runtime: Handle) -> Registries {
    let outside = Outside::new(input::asks_registries());
    Registries::new(move |key| runtime.block_on(outside.fact(key)))
}

fn nothing_to_run(args: &TestArgs) -> String {
    let paths: Vec<String> = args.paths.iter().map(|path| format!("`{}`", path.display())).collect();
    let paths = paths.join(", ");
    if args.test_case_selector.is_empty() {
        format!("patrol: no file named `{}` under {paths} has results to check", args.file_name)
    } else {
        format!("patrol: `{}` selects no check under {paths}", args.test_case_selector)
    }
}
