//! `patrol crds`: the CustomResourceDefinitions that Patrol needs where Kyverno is not installed.

use std::io::{self, Write};

use clap::{Args, ValueEnum};

use super::Exit;
use crate::output;
use crate::report::{policy_crds, report_crds};

/// What `patrol crds` is asked.
#[derive(Debug, Args)]
pub(super) struct CrdsArgs {
    /// Which of them
    #[arg(long, value_name = "KINDS", default_value = "all")]
    kinds: Kinds,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kinds {
    /// Those of reports and policies
    All,
    /// Those of reports
    Reports,
    /// Those of policies
    Policies,
}

/// Runs the command.
pub(super) fn run(args: &CrdsArgs) -> anyhow::Result<Exit> {
    let mut crds = Vec::new();
    if args.kinds != Kinds::Policies {
        crds.extend(report_crds());
    }
    if args.kinds != Kinds::Reports {
        crds.extend(policy_crds());
    }
    let mut out = io::BufWriter::new(io::stdout().lock());
    for crd in &crds {
        writeln!(out, "---")?;
        output::write_yaml(&mut out, crd)?;
    }
    out.flush()?;
    Ok(Exit::Clean)
}
