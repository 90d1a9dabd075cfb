//! `patrol rbac`: the roles of the shipped manifests, for other kinds or under other names.

use std::io::{self, Write};

use clap::{Args, ValueEnum};

use super::Exit;
use crate::config::{ScannedKind, access_rules, roles, standard_kinds};
use crate::report::ReportApi;

/// What `patrol rbac` is asked.
#[derive(Debug, Args)]
pub(super) struct RbacArgs {
    /// Plurals of the kinds to scan, such as `pods` or `deployments.apps`; those of the shipped manifests if none is given
    #[arg(value_name = "KIND", value_parser = ScannedKind::parse)]
    kinds: Vec<ScannedKind>,
    /// Scan these kinds too, beside those of the shipped manifests
    #[arg(long, value_name = "KIND", value_parser = ScannedKind::parse, conflicts_with = "kinds")]
    also: Vec<ScannedKind>,
    /// The API that reports are written in
    #[arg(long, value_name = "API", default_value = "either")]
    report_api: Api,
    /// The name of the roles and their bindings
    #[arg(long, default_value = "patrol")]
    name: String,
    /// The namespace of the service account and of the Lease
    #[arg(long, short, default_value = "patrol")]
    namespace: String,
    /// The service account
    #[arg(long, default_value = "patrol")]
    service_account: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Api {
    /// wgpolicyk8s.io and openreports.io
    Either,
    /// PolicyReport and ClusterPolicyReport
    #[value(name = "wgpolicyk8s.io")]
    PolicyReport,
    /// Report and ClusterReport
    #[value(name = "openreports.io")]
    OpenReports,
}

/// Runs the command.
pub(super) fn run(args: &RbacArgs) -> anyhow::Result<Exit> {
    let mut kinds = if args.kinds.is_empty() { standard_kinds() } else { args.kinds.clone() };
    kinds.extend(args.also.iter().cloned());
    let api = match args.report_api {
        Api::Either => None,
        Api::PolicyReport => Some(ReportApi::PolicyReport),
        Api::OpenReports => Some(ReportApi::OpenReports),
    };
    let text = roles(&access_rules(&kinds, api), &args.name, &args.namespace, &args.service_account);
    io::stdout().lock().write_all(text.as_bytes())?;
    Ok(Exit::Clean)
}
