//! The cross corpus: every policy there on every resource there, with the outcome and message that Kyverno gave.
//!
//! `cross_agreement.txt` holds how many results of each policy agree, and may not fall; `PATROL_RATCHET=write` writes it anew. For kyverno.io
//! policies without CEL there are bounds too: [`OUTCOMES_MIN`] of the outcomes and [`MESSAGES_MIN`] of the messages, byte for byte.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use patrol::catalog::{Catalog, CatalogSettings, CompiledPolicy};
use patrol::document::{Document, Node};
use patrol::fingerprint;
use patrol::folder::{self, Loaded};
use patrol::gostd::compiled;
use patrol::inventory::Scopes;
use patrol::lang::{Evaluation, Inputs, Request};
use patrol::model::{Fact, FactKey, FactValue, Gvk, Outcome, PolicyKey, Status};
use patrol::policy::{PolicyRole, PolicySource, role_of};

use crate::shared;

const RATCHET: &str = "tests/it/conformance/cross_agreement.txt";
/// Policies whose results are disputed, by a heading `## cross: …` each.
const DISPUTED: &str = include_str!("disputed.md");
/// Policies with expressions and patterns that come out of their variables, so that nothing could compile them before.
const COMPILING: [&str; 3] = [
    // Wildcards and expressions that are values of the object.
    "argo__applicationset-name-matches-project__applicationset-name-matches-project.yaml",
    // A variable whose expression has another variable inside.
    "other__ensure-readonly-hostpath__ensure-readonly-hostpath.yaml",
    "other__metadata-match-regex__metadata-match-regex.yaml",
];
const DIFFERENCES_SHOWN: usize = 3;
const OUTCOMES_MIN: f64 = 0.999;
const MESSAGES_MIN: f64 = 0.99;
const ROUNDS_MAX: usize = 20;

/// Policy, rule, kind, namespace as the object says it (`default` for none), name.
type Key = (String, String, String, String, String);

/// Outcome and message by key.
type Results = BTreeMap<Key, (String, String)>;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Agreement {
    outcomes: usize,
    /// Equal, or about the same reasons from another one on, or of errors of both.
    messages: usize,
    /// Equal byte for byte.
    identical: usize,
    /// Those that list the same reasons, starting with another one: where the reference starts is random (`disputed.md`).
    rotated: usize,
    total: usize,
}

impl Agreement {
    fn add(&mut self, other: Self) {
        self.outcomes += other.outcomes;
        self.messages += other.messages;
        self.identical += other.identical;
        self.rotated += other.rotated;
        self.total += other.total;
    }

    /// How much of the outcomes is equal.
    fn of_outcomes(self) -> f64 {
        self.outcomes as f64 / self.total.max(1) as f64
    }

    /// How much of the messages that are not disputed is equal byte for byte.
    fn of_messages(self) -> f64 {
        self.identical as f64 / (self.total - self.rotated).max(1) as f64
    }
}

#[test]
fn kyverno_policies_agree_with_the_reference_on_everybodys_resources() {
    let Some(corpus) = shared::folder("corpus/cross") else { return };
    let resources = load(&corpus.join("resources.yaml"));
    assert!(resources.len() > 500, "{} resources", resources.len());
    let mut by_policy: BTreeMap<String, Agreement> = BTreeMap::new();
    let mut differences = String::new();
    let mut compiling = Vec::new();
    let (mut plain, mut disputed) = (Agreement::default(), Agreement::default());
    for (file, expected) in expectations(&corpus.join("expected.jsonl")) {
        let policy = policy(&corpus.join("policies").join(&file));
        let n_compiled = compiled::count();
        let found = evaluate(&policy, &resources);
        if compiled::count() > n_compiled {
            compiling.push((file.clone(), compiled::count() - n_compiled));
        }
        let agreement = compare(&file, &expected, &found, &mut differences);
        if is_plain(&corpus.join("policies").join(&file)) {
            if is_disputed(&file) { disputed.add(agreement) } else { plain.add(agreement) }
        }
        by_policy.insert(file, agreement);
    }
    assert!(by_policy.len() > 200, "{} policies", by_policy.len());
    println!("{differences}");
    println!("{}", table(&by_policy));
    println!(
        "kyverno.io without CEL: {:.3} % of {} outcomes equal, {:.3} % of {} messages byte for byte; apart: {} messages that \
         start with another reason, {} results of disputed policies",
        100.0 * plain.of_outcomes(),
        plain.total,
        100.0 * plain.of_messages(),
        plain.total - plain.rotated,
        plain.rotated,
        disputed.total,
    );
    assert!(plain.total > 30_000, "{plain:?}");
    assert!(plain.of_outcomes() >= OUTCOMES_MIN, "{plain:?}");
    assert!(plain.of_messages() >= MESSAGES_MIN, "{plain:?}");
    if std::env::var_os("PATROL_RATCHET").is_some_and(|mode| mode == "write") {
        std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(RATCHET), table(&by_policy)).unwrap();
    }
    println!("policies that compile something while they are evaluated, and how often: {compiling:?}");
    let compiling: BTreeSet<&str> = compiling.iter().map(|(file, _)| file.as_str()).collect();
    assert_eq!(compiling, BTreeSet::from(COMPILING));
    let fallen = fallen(&by_policy);
    assert!(fallen.is_empty(), "agreement fell (outcomes, messages, of):\n{}", fallen.join("\n"));
}

fn load(path: &Path) -> Vec<Loaded> {
    let folder = folder::read(&[path]);
    let mut problems = Vec::new();
    let loaded = folder::load(&folder, &mut Scopes::builtin(), &mut problems);
    assert!(problems.is_empty(), "{problems:?}");
    loaded
}

/// The policy of a file.
fn policy(path: &Path) -> Arc<CompiledPolicy> {
    let mut sources = Vec::new();
    for loaded in load(path) {
        let key = &loaded.id.key;
        let gvk =
            Gvk { group: key.group.clone(), version: loaded.id.version.clone(), kind: key.kind.clone() };
        let Some(PolicyRole::Policy(kind)) = role_of(&gvk) else { continue };
        let key = PolicyKey { kind, namespace: key.namespace.clone(), name: key.name.clone() };
        sources.push(PolicySource { key, document: loaded.document, origin: loaded.origin.to_string() });
    }
    let catalog = Catalog::build(sources, &[], &CatalogSettings::default());
    assert_eq!(catalog.policies.len(), 1, "{}", path.display());
    catalog.policies.into_iter().next().unwrap()
}

/// Whether a file holds kyverno.io policies whose rules have no CEL.
fn is_plain(path: &Path) -> bool {
    load(path).iter().all(|loaded| {
        let rules = loaded.document.root().path(&["spec", "rules"]).into_iter().flat_map(Node::items);
        let has_cel = rules
            .into_iter()
            .any(|rule| rule.path(&["validate", "cel"]).is_some() || rule.get("celPreconditions").is_some());
        loaded.id.key.group == "kyverno.io" && !has_cel
    })
}

/// The rule of a result; for errors of CEL policies none, see `disputed.md`.
fn rule_of(rule: &str, outcome: &str) -> String {
    if outcome == "error" && rule == "evaluation" { String::new() } else { rule.to_owned() }
}

fn expectations(path: &Path) -> Vec<(String, Results)> {
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().map(|line| {
        let document = Document::from_json(line.as_bytes()).unwrap();
        let root = document.root();
        let text = |node: Node<'_>, at: usize| node.at_index(at).and_then(Node::as_str).unwrap().to_owned();
        let results = root.get("results").unwrap().items().map(|r| {
            let key = (text(r, 0), rule_of(&text(r, 1), &text(r, 5)), text(r, 2), text(r, 3), text(r, 4));
            (key, (text(r, 5), text(r, 6)))
        });
        (root.get("policy_file").and_then(Node::as_str).unwrap().to_owned(), results.collect())
    });
    lines.collect()
}

fn evaluate(policy: &CompiledPolicy, resources: &[Loaded]) -> Results {
    let mut results = Results::new();
    for resource in resources.iter().filter(|resource| policy.selection.selects(&resource.id)) {
        for outcome in outcomes(policy, resource) {
            let key = &resource.id.key;
            let namespace = resource.document.root().path(&["metadata", "namespace"]);
            let namespace = namespace.and_then(Node::as_str).filter(|ns| !ns.is_empty()).unwrap_or("default");
            let status = match outcome.status {
                Status::Fail if !policy.presentation.is_scored => Status::Warn,
                status => status,
            };
            results.insert(
                (
                    policy.key.report_name(),
                    rule_of(&outcome.rule, status.as_str()),
                    key.kind.clone(),
                    namespace.to_owned(),
                    key.name.clone(),
                ),
                (status.as_str().to_owned(), outcome.message),
            );
        }
    }
    results
}

/// Evaluates with the facts of a folder without namespaces, `ConfigMap` objects and network.
fn outcomes(policy: &CompiledPolicy, resource: &Loaded) -> Vec<Outcome> {
    let request = Request::scan();
    let mut facts: BTreeMap<FactKey, Arc<Fact>> = BTreeMap::new();
    for _ in 0..ROUNDS_MAX {
        let now = Timestamp::from_second(1_780_000_000).unwrap();
        let inputs = Inputs::new(&resource.id, &resource.document, &request, &facts, now);
        match policy.evaluator.evaluate(&inputs) {
            Evaluation::Done(outcomes) => return outcomes,
            Evaluation::Needs(keys) => {
                assert!(!keys.is_empty(), "{} needs nothing", policy.key);
                for key in keys {
                    let value = match &key {
                        FactKey::NamespaceLabels(_) | FactKey::Namespace(_) | FactKey::ConfigMap { .. } => {
                            FactValue::Missing
                        }
                        _ => FactValue::Failed { message: "offline".to_owned(), is_transient: false },
                    };
                    facts.insert(key, Arc::new(fingerprint::fact(value)));
                }
            }
        }
    }
    panic!("{} does not come to an end on {}", policy.key, resource.id.key);
}

fn compare(file: &str, expected: &Results, found: &Results, differences: &mut String) -> Agreement {
    let keys: BTreeSet<&Key> = expected.keys().chain(found.keys()).collect();
    let mut agreement = Agreement { total: keys.len(), ..Agreement::default() };
    let mut shown = 0;
    for key in keys {
        let (theirs, ours) = (expected.get(key), found.get(key));
        let outcome = |result: Option<&(String, String)>| result.map(|(outcome, _)| outcome.clone());
        let is_same_outcome = outcome(theirs) == outcome(ours);
        let is_rotated = is_same_outcome
            && theirs
                .zip(ours)
                .is_some_and(|((_, theirs), (_, ours))| theirs != ours && is_rotation(theirs, ours));
        let is_error = outcome(ours).is_some_and(|outcome| outcome == "error");
        let is_same = is_same_outcome && (theirs == ours || is_rotated || is_error);
        agreement.identical += usize::from(theirs == ours);
        agreement.rotated += usize::from(is_rotated);
        agreement.outcomes += usize::from(is_same_outcome);
        agreement.messages += usize::from(is_same);
        if !is_same && shown < DIFFERENCES_SHOWN {
            shown += 1;
            let (_, rule, kind, namespace, name) = key;
            let say = |result: Option<&(String, String)>| {
                result.map_or("nothing".to_owned(), |(outcome, message)| format!("{outcome}: {message}"))
            };
            let (theirs, ours) = (say(theirs), say(ours));
            let _ = writeln!(
                differences,
                "{file}: {rule} on {kind} {namespace}/{name}\n  - {theirs}\n  + {ours}"
            );
        }
    }
    agreement
}

/// Whether two messages of a `podSecurity` rule list the same reasons in a circle, one starting elsewhere than the other.
fn is_rotation(theirs: &str, ours: &str) -> bool {
    const REASON: &str = "(Forbidden reason: ";
    let reasons = |message: &str| -> Vec<String> {
        message.split(REASON).map(|reason| reason.trim_end_matches([' ', ',']).to_owned()).collect()
    };
    let (mut theirs, ours) = (reasons(theirs), reasons(ours));
    let n = theirs.len();
    n > 2
        && (1..n - 1).any(|_| {
            theirs[1..].rotate_left(1);
            theirs == ours
        })
}

fn table(by_policy: &BTreeMap<String, Agreement>) -> String {
    let mut text = String::from("# policy file: outcomes equal, messages equal, of\n");
    for (file, agreement) in by_policy {
        let Agreement { outcomes, messages, total, .. } = *agreement;
        let _ = writeln!(text, "{file} {outcomes} {messages} {total}");
    }
    let agreements: Vec<(&str, Agreement)> = by_policy.iter().map(|(file, a)| (file.as_str(), *a)).collect();
    let (disputed, agreed): (Vec<_>, Vec<_>) =
        agreements.into_iter().partition(|(file, _)| is_disputed(file));
    summarize("all but disputed", &agreed, &mut text);
    summarize("disputed", &disputed, &mut text);
    text
}

fn is_disputed(file: &str) -> bool {
    DISPUTED.lines().any(|line| line == format!("## cross: `{file}`"))
}

fn summarize(name: &str, agreements: &[(&str, Agreement)], text: &mut String) {
    let mut sum = Agreement::default();
    for (_, agreement) in agreements {
        sum.add(*agreement);
    }
    let Agreement { outcomes, messages, rotated, total, .. } = sum;
    let percent = |n: usize| 100.0 * n as f64 / total.max(1) as f64;
    let _ = writeln!(
        text,
        "# {name}: {} policies, {total} results: {outcomes} outcomes ({:.3} %), {messages} messages ({:.3} %), {rotated} of them \
         but for their order",
        agreements.len(),
        percent(outcomes),
        percent(messages),
    );
}

/// Policies that agree less than the committed file says.
fn fallen(by_policy: &BTreeMap<String, Agreement>) -> Vec<String> {
    let committed = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(RATCHET)).unwrap();
    let lines = committed.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| {
            let mut words = line.split(' ');
            let file = words.next().unwrap();
            let mut number = || words.next().unwrap().parse::<usize>().unwrap();
            let (outcomes, messages, total) = (number(), number(), number());
            let then = Agreement { outcomes, messages, total, ..Agreement::default() };
            let Some(now) = by_policy.get(file).copied() else {
                return Some(format!("{file} is not evaluated any more"));
            };
            let wrong = |agreement: Agreement| agreement.total - agreement.outcomes;
            let unlike = |agreement: Agreement| agreement.total - agreement.messages;
            let fell = wrong(now) > wrong(then) || unlike(now) > unlike(then);
            fell.then(|| format!("{file}: {then:?} then, {now:?} now"))
        })
        .collect()
}
