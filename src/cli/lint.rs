//! `patrol lint`: what is odd or wrong about policies, without looking at any resource.
//!
//! Errors are what makes an `error` outcome certain wherever the rule applies; warnings are unknown fields and other advice; notes say which policies
//! a scan of a cluster leaves out. Whether a policy is a good one is nobody's business here.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::{Exit, input, say};
use crate::document::{Kind, Node};
use crate::folder::{Folder, FolderSource, Manifest, place_of};
use crate::inventory::{PolicyListing, Source};
use crate::lang::jmespath::Program;
use crate::model::Gvk;
use crate::output::{Style, Table};
use crate::policy::{Catalog, CatalogSettings, CompiledPolicy, PolicySource, Standing, role_of};

/// What `patrol lint` is asked.
#[derive(Debug, Args)]
pub(super) struct LintArgs {
    /// Files and folders of policies; `-` is standard input
    #[arg(value_name = "POLICY", required = true)]
    policies: Vec<PathBuf>,
    /// What to print
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A row a remark
    Table,
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
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Remark {
    /// File, line and column of the field; file and line of the policy where the field is not found.
    from: String,
    /// Kind and name of the policy.
    policy: String,
    level: Level,
    /// The field's path, or the rule.
    field: String,
    message: String,
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
    let mut remarks: Vec<Remark> = catalog.policies.iter().flat_map(|policy| remarks(policy)).collect();
    remarks.extend(listing.policies.iter().flat_map(broken_expressions));
    point(&mut remarks, &policies);
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

/// Names the line and column of each remark's field, where it is found, instead of the policy's first line.
fn point(remarks: &mut [Remark], policies: &Folder) {
    let manifests: BTreeMap<String, &Manifest> =
        policies.manifests.iter().map(|manifest| (manifest.origin.to_string(), manifest)).collect();
    for remark in remarks {
        let Some(manifest) = manifests.get(&remark.from) else { continue };
        let text = std::str::from_utf8(manifest.bytes()).unwrap_or_default();
        if let Some(place) = place_of(text, &remark.field) {
            let below = u32::try_from(place.line.saturating_sub(1)).unwrap_or(u32::MAX);
            let line = manifest.origin.line.max(1).saturating_add(below);
            remark.from = format!("{}:{}", manifest.origin.at(line), place.column);
        }
    }
}

fn write(format: Format, remarks: &[Remark], n_policies: usize) -> anyhow::Result<()> {
    let count = |level: Level| remarks.iter().filter(|remark| remark.level == level).count();
    let (n_errors, n_warnings) = (count(Level::Error), count(Level::Warning));
    let mut out = io::BufWriter::new(io::stdout().lock());
    match format {
        Format::Table => {
            if !remarks.is_empty() {
                let mut table = Table::new(["FROM", "POLICY", "LEVEL", "FIELD", "MESSAGE"]);
                for Remark { from, policy, level, field, message } in remarks {
                    table.row([from, policy, level.as_str(), field, message]);
                }
                table.write(&mut out, Style::Plain)?;
            }
            writeln!(out, "policies: {n_policies}, errors: {n_errors}, warnings: {n_warnings}")?;
        }
        Format::Json => {
            for remark in remarks {
                writeln!(out, "{}", serde_json::to_string(remark)?)?;
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

fn remarks(policy: &CompiledPolicy) -> Vec<Remark> {
    let remark = |level: Level, field: &str, message: &str| Remark {
        from: policy.origin.clone(),
        policy: policy.key.to_string(),
        level,
        field: field.to_owned(),
        message: message.to_owned(),
    };
    let mut remarks: Vec<Remark> = policy
        .warnings
        .iter()
        .map(|warning| remark(Level::Warning, &warning.path, &warning.message))
        .collect();
    let errors = policy.evaluator.certain_errors();
    remarks
        .extend(errors.iter().map(|(rule, message)| remark(Level::Error, &format!("rule {rule}"), message)));
    match &policy.standing {
        Standing::Scanned => {}
        Standing::FolderOnly { reason } => {
            remarks.push(remark(Level::Note, "", &format!("not scanned in a cluster: {reason}")));
        }
        Standing::NotScanned { reason } => {
            remarks.push(remark(Level::Note, "", &format!("not scanned: {reason}")));
        }
    }
    remarks
}

/// Expressions of a Kyverno policy that are no `JMESPath`, each with the path of its field.
fn broken_expressions(source: &PolicySource) -> Vec<Remark> {
    let mut found = Vec::new();
    if source.key.kind.group() == "kyverno.io"
        && let Some(rules) = source.document.root().path(&["spec", "rules"])
    {
        visit(rules, "spec.rules", &mut |field, message| {
            found.push(Remark {
                from: source.origin.clone(),
                policy: source.key.to_string(),
                level: Level::Error,
                field: field.to_owned(),
                message,
            });
        });
    }
    found
}

fn visit(node: Node<'_>, path: &str, tell: &mut dyn FnMut(&str, String)) {
    match node.kind() {
        Kind::Array => {
            for (at, item) in node.items().enumerate() {
                visit(item, &format!("{path}[{at}]"), tell);
            }
        }
        Kind::Object => {
            for (key, value) in node.entries() {
                let path = format!("{path}.{key}");
                match value.as_str() {
                    Some(text) if key == "jmesPath" && !text.contains("{{") => check(text, &path, tell),
                    // CEL and pod security have texts of their own.
                    _ if matches!(key, "cel" | "podSecurity") => {}
                    _ => visit(value, &path, tell),
                }
            }
        }
        Kind::String => {
            for expression in expressions(node.as_str().unwrap_or_default()) {
                check(expression, path, tell);
            }
        }
        _ => {}
    }
}

fn check(expression: &str, path: &str, tell: &mut dyn FnMut(&str, String)) {
    match Program::compile(expression) {
        Err(error) => tell(path, format!("`{expression}` is not JMESPath: {error}")),
        Ok(program) => {
            for name in program.unknown_functions() {
                tell(path, format!("there is no function `{name}`"));
            }
        }
    }
}

/// What stands between `{{` and `}}`, where nothing else has to be substituted within it first.
fn expressions(text: &str) -> impl Iterator<Item = &str> {
    text.split("{{").skip(1).filter_map(|behind| {
        let (expression, _) = behind.split_once("}}")?;
        let is_plain = !expression.contains(['{', '}']) && !expression.contains("$(");
        is_plain.then(|| expression.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::expressions;

    #[test]
    fn only_expressions_that_stand_for_themselves_are_looked_at() {
        let of = |text| expressions(text).collect::<Vec<_>>();
        assert_eq!(of("a {{ b.c }} and {{d}}"), ["b.c", "d"]);
        assert_eq!(of("{{ a.{{ b }} }}"), ["b"]);
        assert_eq!(of("{{ {a: b} }}"), Vec::<&str>::new());
        assert_eq!(of("no {{ end"), Vec::<&str>::new());
        assert_eq!(of("{{ $(./../x) }}"), Vec::<&str>::new());
    }
}
