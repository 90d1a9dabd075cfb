//! `patrol lint`: what is odd or wrong about policies, without looking at any resource.
//!
//! Errors are what makes an `error` outcome certain wherever the rule applies; warnings are unknown fields and other advice; notes say which policies
//! a scan of a cluster leaves out. Whether a policy is a good one is nobody's business here.

mod excerpt;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::{Exit, input, say};
use crate::catalog::{Catalog, CatalogSettings, CompiledPolicy};
use crate::document::Node;
use crate::folder::{Folder, FolderSource, Layout, Manifest, Place};
use crate::inventory::{PolicyListing, Source};
use crate::lang;
use crate::model::{Gvk, PolicyKey};
use crate::policy::{PolicySource, Standing, Warning, role_of};

/// What `patrol lint` is asked.
#[derive(Debug, Args)]
pub(super) struct LintArgs {
    /// Files and folders of policies; `-` is standard input
    #[arg(value_name = "POLICY", required = true)]
    policies: Vec<PathBuf>,
    /// What to print
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Each remark with its line, and a caret under the place
    Text,
    /// One JSON line a remark, and a last line with the counts
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Error,
    Warning,
    Note,
}

impl Level {
    fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// One thing worth saying about a policy.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Remark {
    /// File and line of the policy.
    origin: String,
    /// Where in the file, if the field is found there.
    place: Option<Place>,
    /// Kind and name of the policy.
    policy: String,
    level: Level,
    /// The field's path.
    field: String,
    message: String,
}

impl Remark {
    /// File, line and column of the field; file and line of the policy where the field is not found.
    fn from(&self) -> String {
        match &self.place {
            Some(place) => format!("{}:{}:{}", self.file(), place.line, place.column),
            None => self.origin.clone(),
        }
    }

    /// The file, without the policy's line.
    fn file(&self) -> &str {
        match self.origin.rsplit_once(':') {
            Some((file, line)) if line.bytes().all(|byte| byte.is_ascii_digit()) => file,
            _ => &self.origin,
        }
    }
}

/// A remark as a line of JSON.
#[derive(Serialize)]
struct RemarkLine<'r> {
    from: String,
    line: Option<usize>,
    column: Option<usize>,
    length: Option<usize>,
    policy: &'r str,
    level: Level,
    field: &'r str,
    message: &'r str,
}

/// Runs the command. The exit code is 1 if an `error` outcome is certain, 2 if something could not be read.
pub(super) fn run(args: &LintArgs) -> anyhow::Result<Exit> {
    let policies = only_policies(input::read(&args.policies));
    let source = FolderSource::open("lint".to_owned(), &Folder::default(), &policies, &|_| None);
    let listing = futures_util::future::FutureExt::now_or_never(source.policies())
        .unwrap_or_else(|| Ok(PolicyListing::default()))?;
    for problem in &listing.problems {
        say(format_args!("{}: {}", problem.subject, problem.message));
    }
    let has_bad_input = !listing.problems.is_empty();
    let catalog = Catalog::build(listing.policies.clone(), &listing.companions, &CatalogSettings::default());
    input::tell_exceptions(&catalog);
    let manifests: BTreeMap<String, &Manifest> =
        policies.manifests.iter().map(|manifest| (manifest.origin.to_string(), manifest)).collect();
    let mut remarks: Vec<Remark> = Vec::new();
    for policy in &catalog.policies {
        let source =
            listing.policies.iter().find(|source| source.key == policy.key && source.origin == policy.origin);
        let layout = manifests.get(&policy.origin).map(|manifest| manifest.layout());
        let subject = Subject { key: &policy.key, origin: &policy.origin, layout };
        remarks.extend(subject.remarks(policy, source));
    }
    remarks.sort();
    remarks.dedup();
    write(args.output, &remarks, catalog.policies.len())?;
    if catalog.policies.is_empty() {
        let paths: Vec<String> = args.policies.iter().map(|path| format!("`{}`", path.display())).collect();
        say(format_args!("patrol: no policies in {}", paths.join(", ")));
        return Ok(Exit::BadInput);
    }
    Ok(if has_bad_input {
        Exit::BadInput
    } else if remarks.iter().any(|remark| remark.level == Level::Error) {
        Exit::Findings
    } else {
        Exit::Clean
    })
}

/// Leaves out what is no policy and belongs to none: policies often stand among other files.
fn only_policies(mut folder: Folder) -> Folder {
    folder.manifests.retain(|manifest| {
        manifest.parse().map_or(true, |document| {
            let text = |key| document.root().get(key).and_then(Node::as_str).unwrap_or_default();
            role_of(&Gvk::new(text("apiVersion"), text("kind"))).is_some()
        })
    });
    folder
}

/// A policy that is looked at.
struct Subject<'s> {
    key: &'s PolicyKey,
    origin: &'s str,
    layout: Option<Layout<'s>>,
}

impl Subject<'_> {
    fn remarks(&self, policy: &CompiledPolicy, source: Option<&PolicySource>) -> Vec<Remark> {
        let lint = source.map(lang::lint).unwrap_or_default();
        let errors = policy.evaluator.certain_errors();
        let mut remarks: Vec<Remark> =
            errors.iter().chain(&lint.errors).map(|error| self.remark(Level::Error, error)).collect();
        let warnings = policy.warnings.iter().chain(&lint.warnings);
        remarks.extend(warnings.map(|warning| self.remark(Level::Warning, warning)));
        let note = match &policy.standing {
            Standing::Scanned => None,
            Standing::FolderOnly { reason } => Some(format!("not scanned in a cluster: {reason}")),
            Standing::NotScanned { reason } => Some(format!("not scanned: {reason}")),
        };
        remarks.extend(note.map(|note| self.remark(Level::Note, &Warning::new("", note))));
        remarks
    }

    fn remark(&self, level: Level, warning: &Warning) -> Remark {
        let part = warning.part.map(|(start, end)| start..end);
        Remark {
            origin: self.origin.to_owned(),
            place: self.layout.as_ref().and_then(|layout| layout.place(&warning.path, part)),
            policy: self.key.to_string(),
            level,
            field: warning.path.clone(),
            message: warning.message.clone(),
        }
    }
}

fn write(format: Format, remarks: &[Remark], n_policies: usize) -> anyhow::Result<()> {
    let count = |level: Level| remarks.iter().filter(|remark| remark.level == level).count();
    let (n_errors, n_warnings) = (count(Level::Error), count(Level::Warning));
    let mut out = io::BufWriter::new(io::stdout().lock());
    match format {
        Format::Text => {
            for remark in remarks {
                excerpt::write(&mut out, remark)?;
            }
            writeln!(out, "policies: {n_policies}, errors: {n_errors}, warnings: {n_warnings}")?;
        }
        Format::Json => {
            for remark in remarks {
                let place = remark.place.as_ref();
                let line = RemarkLine {
                    from: remark.from(),
                    line: place.map(|place| place.line),
                    column: place.map(|place| place.column),
                    length: place.map(|place| place.length),
                    policy: &remark.policy,
                    level: remark.level,
                    field: &remark.field,
                    message: &remark.message,
                };
                writeln!(out, "{}", serde_json::to_string(&line)?)?;
            }
            let counts = serde_json::json!({
                "policies": n_policies, "errors": n_errors, "warnings": n_warnings, "notes": count(Level::Note),
            });
            writeln!(out, "{}", serde_json::json!({ "summary": counts }))?;
        }
    }
    out.flush()?;
    Ok(())
}
