//! The benchmark of evaluation alone: the 18 policies on the Pods and Deployments of W4, in one thread,
//! without files, state or reports.
//!
//! `cargo bench --bench evaluate [-- --size DEPLOYMENTS --rounds N --policy NAME]` prints, a policy and in
//! all: rule evaluations a second, nanoseconds and allocations each. It also tells what building a document
//! costs. The policies come from the folder that `PATROL_SHARED` names.

#[path = "scan/w4.rs"]
mod w4;

use std::alloc::System;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Parser;
use jiff::Timestamp;
use patrol::catalog::{Catalog, CatalogSettings, CompiledPolicy};
use patrol::document::{Document, Node};
use patrol::fingerprint::PartPrints;
use patrol::inventory::{Scopes, identify};
use patrol::lang::{Evaluation, Inputs, Request};
use patrol::model::{PolicyKey, PolicyKind, ResourceId};
use patrol::policy::PolicySource;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[derive(Debug, Parser)]
#[command(about = "Measures evaluation alone")]
struct Args {
    /// How many Deployments the workload has
    #[arg(long, default_value_t = 1000)]
    size: usize,
    /// How often everything is evaluated
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Only this policy
    #[arg(long)]
    policy: Option<String>,
    /// Cargo says so to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

/// What evaluations cost.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    n: u64,
    time: Duration,
    n_allocations: u64,
    n_bytes: u64,
}

impl Cost {
    fn add(&mut self, other: Self) {
        self.n += other.n;
        self.time += other.time;
        self.n_allocations += other.n_allocations;
        self.n_bytes += other.n_bytes;
    }

    fn line(&self, name: &str) -> String {
        let n = self.n.max(1) as f64;
        format!(
            "| {name} | {} | {:.0} k/s | {:.0} ns | {:.1} | {:.0} B |",
            self.n,
            n / self.time.as_secs_f64() / 1e3,
            self.time.as_secs_f64() * 1e9 / n,
            self.n_allocations as f64 / n,
            self.n_bytes as f64 / n,
        )
    }

    /// What `work` costs, which says how much it did.
    fn of(work: impl FnOnce() -> anyhow::Result<u64>) -> anyhow::Result<Self> {
        let region = Region::new(ALLOCATOR);
        let start = Instant::now();
        let n = work()?;
        let time = start.elapsed();
        let change = region.change();
        let n_allocations = (change.allocations + change.reallocations) as u64;
        Ok(Self { n, time, n_allocations, n_bytes: change.bytes_allocated as u64 })
    }
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let shared = std::env::var_os("PATROL_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let catalog = catalog(&shared.join("bench/policies"))?;
    let size = w4::Size::of(args.size);
    let texts: Vec<Vec<u8>> =
        size.judged().map(|object| serde_json::to_vec(&object)).collect::<Result<_, _>>()?;
    ensure!(texts.len() == size.n_judged(), "the workload lacks objects");
    let mut out = io::stdout().lock();
    writeln!(out, "| {} objects | Number | Rate | Each | Allocations each | Bytes each |", texts.len())?;
    writeln!(out, "|---|--:|--:|--:|--:|--:|")?;
    let (objects, cost) = documents(&texts)?;
    writeln!(out, "{}", cost.line("documents from JSON"))?;
    let cost = Cost::of(|| {
        let prints = objects.iter().map(|(_, object)| black_box(PartPrints::of(object)));
        Ok(prints.count() as u64)
    })?;
    writeln!(out, "{}", cost.line("fingerprints"))?;
    let wanted =
        |policy: &&Arc<CompiledPolicy>| args.policy.as_ref().is_none_or(|name| *name == policy.key.name);
    let mut total = Cost::default();
    for policy in catalog.policies.iter().filter(wanted) {
        let mut cost = Cost::default();
        for _ in 0..args.rounds {
            cost.add(Cost::of(|| evaluate(policy, &objects))?);
        }
        total.add(cost);
        writeln!(out, "{}", cost.line(&policy.key.name))?;
    }
    writeln!(out, "{}", total.line("all rules"))?;
    Ok(())
}

type Object = (ResourceId, Document);

fn documents(texts: &[Vec<u8>]) -> anyhow::Result<(Vec<Object>, Cost)> {
    let mut documents = Vec::with_capacity(texts.len());
    let cost = Cost::of(|| {
        for text in texts {
            documents.push(Document::from_json(text)?);
        }
        Ok(texts.len() as u64)
    })?;
    let scopes = Scopes::builtin();
    let identified = documents.into_iter().map(|object| Ok((identify(&object, &scopes)?, object)));
    Ok((identified.collect::<anyhow::Result<_>>()?, cost))
}

/// Evaluates the policy on every object; how many rules said something.
fn evaluate(policy: &CompiledPolicy, objects: &[Object]) -> anyhow::Result<u64> {
    let (facts, request, now) = (BTreeMap::new(), Request::scan(), Timestamp::UNIX_EPOCH);
    let mut n = 0;
    for (id, object) in objects.iter().filter(|(id, _)| policy.selection.selects(id)) {
        let inputs = Inputs::new(id, object, &request, &facts, now);
        match black_box(policy.evaluator.evaluate(&inputs)) {
            Evaluation::Done(outcomes) => n += outcomes.len() as u64,
            Evaluation::Needs(facts) => anyhow::bail!("{} needs {facts:?}", policy.key),
        }
    }
    Ok(n)
}

fn catalog(folder: &Path) -> anyhow::Result<Catalog> {
    let mut sources = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("`{}`", folder.display()))? {
        let path = entry?.path();
        let document = patrol::folder::parse_yaml(&std::fs::read_to_string(&path)?)?;
        let name = document.root().path(&["metadata", "name"]).and_then(Node::as_str).unwrap_or_default();
        let key =
            PolicyKey { kind: PolicyKind::ClusterPolicy, namespace: String::new(), name: name.to_owned() };
        sources.push(PolicySource { key, document: Arc::new(document), origin: path.display().to_string() });
    }
    ensure!(!sources.is_empty(), "there are no policies in `{}`", folder.display());
    Ok(Catalog::build(sources, &[], &CatalogSettings::default()))
}
