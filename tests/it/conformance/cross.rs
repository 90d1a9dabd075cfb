//! The cross corpus: every policy there on every resource there, with the outcome and message that Kyverno gave.
//!
//! `cross_agreement.txt` holds how many results of each policy agree; `PATROL_RATCHET=write` writes it anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use patrol::document::{Document, Node};
use patrol::folder::{self, Loaded};
use patrol::inventory::Scopes;
use patrol::lang::{Evaluation, Inputs, Request};
use patrol::model::{Fact, FactKey, FactValue, Fingerprint, Gvk, Outcome, PolicyKey, Status};
use patrol::policy::{Catalog, CatalogSettings, CompiledPolicy, PolicyRole, PolicySource, role_of};

use crate::shared;

const RATCHET: &str = "tests/it/conformance/cross_agreement.txt";
/// Policies whose results are disputed, by a heading `## cross: …` each.
const DISPUTED: &str = include_str!("disputed.md");
const DIFFERENCES_SHOWN: usize = 3;
const ROUNDS_MAX: usize = 20;

/// Policy, rule, kind, namespace as the object says it (`default` for none), name.
type Key = (String, String, String, String, String);

/// Outcome and message by key.
type Results = BTreeMap<Key, (String, String)>;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Agreement {
    outcomes: usize,
    messages: usize,
    /// Of the equal messages, those that are equal but for the order of what the reference lists in random order.
    reordered: usize,
    total: usize,
}

#[test]
fn kyverno_policies_agree_with_the_reference_on_everybodys_resources() {
    let Some(corpus) = shared::folder("corpus/cross") else { return };
    let resources = load(&corpus.join("resources.yaml"));
    assert!(resources.len() > 500, "{} resources", resources.len());
    let mut by_policy: BTreeMap<String, Agreement> = BTreeMap::new();
    let mut differences = String::new();
    for (file, expected) in expectations(&corpus.join("expected.jsonl")) {
        let policy = policy(&corpus.join("policies").join(&file));
        let found = evaluate(&policy, &resources);
        let agreement = compare(&file, &expected, &found, &mut differences);
        by_policy.insert(file, agreement);
    }
    assert!(by_policy.len() > 200, "{} policies", by_policy.len());
    println!("{differences}");
    println!("{}", table(&by_policy));
    if std::env::var_os("PATROL_RATCHET").is_some_and(|mode| mode == "write") {
        std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(RATCHET), table(&by_policy)).unwrap();
    }
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
                    facts.insert(key, Arc::new(Fact { value, fingerprint: Fingerprint::default() }));
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
        let message = |result: Option<&(String, String)>| result.map(|(_, message)| without_order(message));
        let is_same = is_same_outcome
            && (message(theirs) == message(ours) || outcome(ours).is_some_and(|outcome| outcome == "error"));
        agreement.reordered +=
            usize::from(is_same && theirs != ours && outcome(ours).is_some_and(|o| o != "error"));
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

/// A message with the reasons of a `podSecurity` rule in a fixed order: the reference starts at a random one (see `disputed.md`).
fn without_order(message: &str) -> String {
    const REASON: &str = "(Forbidden reason: ";
    let Some((start, reasons)) = message.split_once(REASON) else { return message.to_owned() };
    let mut reasons: Vec<&str> = reasons.split(REASON).collect();
    reasons.sort_unstable();
    format!("{start}{REASON}{}", reasons.join(REASON))
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
        sum.outcomes += agreement.outcomes;
        sum.messages += agreement.messages;
        sum.reordered += agreement.reordered;
        sum.total += agreement.total;
    }
    let percent = |n: usize| 100.0 * n as f64 / sum.total.max(1) as f64;
    let _ = writeln!(
        text,
        "# {name}: {} policies, {} results: {} outcomes ({:.3} %), {} messages ({:.3} %), {} of them but for their order",
        agreements.len(),
        sum.total,
        sum.outcomes,
        percent(sum.outcomes),
        sum.messages,
        percent(sum.messages),
        sum.reordered
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
            let then = Agreement { outcomes, messages, reordered: 0, total };
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
