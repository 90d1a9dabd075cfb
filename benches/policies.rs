//! How fast kyverno.io policies are evaluated: the Pods and Deployments of the workload W4 under the policies beside it and the corpus'
//! `best-practices` and `other` policies, on one thread and without a state.
//!
//! `cargo bench --bench policies [-- DEPLOYMENTS]`; the inputs are found by `PATROL_SHARED`, as in the tests. Policies above
//! [`SLOW_MICROS`] a pair are named. Reading, compiling and answering facts are not measured.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a program for measuring: it ends at the first surprise and prints what it found"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use patrol::catalog::{Catalog, CatalogSettings, CompiledPolicy};
use patrol::folder::{self, Loaded};
use patrol::inventory::Scopes;
use patrol::lang::{Evaluation, Inputs, Request};
use patrol::model::{Fact, FactKey, FactValue, Gvk, PolicyKey};
use patrol::policy::{PolicyRole, PolicySource, role_of};

/// Above this many microseconds a pair, a policy is named.
const SLOW_MICROS: f64 = 50.0;
/// How often all pairs are evaluated; the fastest round of each policy counts.
const ROUNDS: usize = 20;

type Facts = BTreeMap<FactKey, Arc<Fact>>;

/// What the pairs of one policy cost.
struct Cost {
    name: String,
    pairs: usize,
    outcomes: usize,
    seconds: f64,
}

impl Cost {
    fn micros_per_pair(&self) -> f64 {
        self.seconds * 1e6 / self.pairs.max(1) as f64
    }
}

fn main() {
    let shared = shared();
    let deployments = std::env::args().skip(1).find(|argument| argument.parse::<u32>().is_ok());
    let resources = workload(&shared, deployments.as_deref().unwrap_or("100"));
    let policies = policies(&shared);
    let mut costs: Vec<Cost> = policies.iter().map(|policy| measured(policy, &resources)).collect();
    costs.sort_by(|a, b| b.micros_per_pair().total_cmp(&a.micros_per_pair()));
    println!("{:>9} {:>7} {:>9}  policy", "us/pair", "pairs", "outcomes");
    for cost in costs.iter().filter(|cost| cost.pairs > 0) {
        let mark = if cost.micros_per_pair() > SLOW_MICROS { "  above 50 us" } else { "" };
        println!(
            "{:>9.2} {:>7} {:>9}  {}{mark}",
            cost.micros_per_pair(),
            cost.pairs,
            cost.outcomes,
            cost.name
        );
    }
    let seconds: f64 = costs.iter().map(|cost| cost.seconds).sum();
    let (outcomes, pairs) = costs.iter().fold((0, 0), |(o, p), cost| (o + cost.outcomes, p + cost.pairs));
    println!(
        "{} policies, {} objects, {pairs} pairs, {outcomes} rule evaluations in {seconds:.3} s: {:.0} rule evaluations a second, \
         {:.2} us a pair",
        policies.len(),
        resources.len(),
        outcomes as f64 / seconds,
        seconds * 1e6 / pairs.max(1) as f64
    );
}

fn shared() -> PathBuf {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    std::env::var_os("PATROL_SHARED").map_or_else(default, PathBuf::from)
}

/// The Pods and Deployments of W4 with that many deployments.
fn workload(shared: &Path, deployments: &str) -> Vec<Loaded> {
    let script = shared.join("bench/w4.py");
    let output =
        Command::new("python3").arg(script).args(["50", deployments]).output().expect("python3 runs");
    assert!(output.status.success(), "w4.py failed");
    let file = std::env::temp_dir().join(format!("patrol-policies-{}.json", std::process::id()));
    std::fs::write(&file, output.stdout).unwrap();
    let loaded = load(&file);
    std::fs::remove_file(&file).unwrap();
    loaded
        .into_iter()
        .filter(|resource| matches!(resource.id.key.kind.as_str(), "Pod" | "Deployment"))
        .collect()
}

fn load(path: &Path) -> Vec<Loaded> {
    let folder = folder::read(&[path]);
    folder::load(&folder, &mut Scopes::builtin(), &mut Vec::new())
}

fn policies(shared: &Path) -> Vec<Arc<CompiledPolicy>> {
    let files = |folder: &str| {
        let entries = std::fs::read_dir(shared.join(folder)).expect("the policies are there");
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    };
    let is_chosen = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("best-practices__") || name.starts_with("other__")
    };
    let corpus = files("corpus/cross/policies").into_iter().filter(is_chosen);
    files("bench/policies").into_iter().chain(corpus).flat_map(|file| compiled(&file)).collect()
}

fn compiled(path: &Path) -> Vec<Arc<CompiledPolicy>> {
    let sources = load(path).into_iter().filter_map(|loaded| {
        let key = &loaded.id.key;
        let gvk =
            Gvk { group: key.group.clone(), version: loaded.id.version.clone(), kind: key.kind.clone() };
        let PolicyRole::Policy(kind) = role_of(&gvk)? else { return None };
        let key = PolicyKey { kind, namespace: key.namespace.clone(), name: key.name.clone() };
        Some(PolicySource { key, document: loaded.document, origin: loaded.origin.to_string() })
    });
    Catalog::build(sources.collect(), &[], &CatalogSettings::default()).policies
}

fn measured(policy: &CompiledPolicy, resources: &[Loaded]) -> Cost {
    let chosen: Vec<&Loaded> =
        resources.iter().filter(|resource| policy.selection.selects(&resource.id)).collect();
    let mut facts = Facts::new();
    let outcomes = chosen.iter().map(|resource| answered(policy, resource, &mut facts)).sum();
    let mut seconds = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for resource in &chosen {
            std::hint::black_box(evaluated(policy, resource, &facts));
        }
        seconds = seconds.min(start.elapsed().as_secs_f64());
    }
    Cost { name: policy.key.report_name(), pairs: chosen.len(), outcomes, seconds }
}

fn evaluated(policy: &CompiledPolicy, resource: &Loaded, facts: &Facts) -> Evaluation {
    let request = Request::scan();
    let inputs = Inputs::new(&resource.id, &resource.document, &request, facts, Timestamp::UNIX_EPOCH);
    policy.evaluator.evaluate(&inputs)
}

/// How many outcomes there are, once all facts are there; look-ups find nothing.
fn answered(policy: &CompiledPolicy, resource: &Loaded, facts: &mut Facts) -> usize {
    loop {
        match evaluated(policy, resource, facts) {
            Evaluation::Done(outcomes) => return outcomes.len(),
            Evaluation::Needs(keys) => {
                for key in keys {
                    let fact = patrol::fingerprint::fact(FactValue::Missing);
                    facts.insert(key, Arc::new(fact));
                }
            }
        }
    }
}
