//! The reference's own `kyverno test` cases, run by `patrol test` in process.
//!
//! Cases whose lines are all in `scan` scope, or check what policies written in CEL make of a resource, and that need no network are
//! judged. `passing.txt` lists those
//! that must pass; with `PATROL_UPDATE=1` it is rewritten. `disputed.md` names cases whose expectation is
//! believed wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use patrol::casework::{self, CaseRun, CaseSelector, Settings};

use crate::shared;

/// Cases of JSON payloads, which are no part of a scan, and judged nevertheless.
const PAYLOAD_CASES: [&str; 3] = [
    "kyverno/test/cli/test-validating-policy/json-multi-document",
    "kyverno/test/cli/test-validating-policy/json-multiple-payloads",
    "kyverno/test/cli/test-validating-policy/json-with-exceptions",
];

struct Case {
    id: String,
    n_checks: usize,
    is_meant_to_fail: bool,
}

fn cases(root: &Path) -> Vec<Case> {
    let index: serde_json::Value =
        serde_json::from_slice(&fs::read(root.join("index.json")).unwrap()).unwrap();
    let is_judged = |case: &&serde_json::Value| {
        let lines = case["expected"].as_array().unwrap();
        let is_kind_of_cel =
            |kind: &serde_json::Value| matches!(kind.as_str(), Some("mpol" | "map" | "vpol" | "ivpol"));
        let is_cel = case["rule_types"].as_array().is_some_and(|kinds| kinds.iter().all(is_kind_of_cel));
        let is_scan =
            lines.iter().all(|line| line["scope"] == "scan" || (is_cel && line["scope"] == "mutate"));
        let is_payload = PAYLOAD_CASES.iter().any(|id| case["id"] == *id);
        let is_scan = is_scan || is_payload;
        !lines.is_empty() && is_scan && case["needs_network"] == false
    };
    let judged = index["cases"].as_array().unwrap().iter().filter(is_judged);
    judged
        .map(|case| Case {
            id: case["id"].as_str().unwrap().to_owned(),
            n_checks: usize::try_from(case["checks"].as_u64().unwrap()).unwrap(),
            is_meant_to_fail: case["meant_to_fail"] == true,
        })
        .collect()
}

fn list_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/conformance/passing.txt")
}

/// Why a case does not pass, a reason a check that fails; empty if it passes.
fn reasons(case: &Case, run: Option<&Vec<&CaseRun>>) -> Vec<String> {
    let Some(runs) = run else { return vec!["was not run".to_owned()] };
    let mut reasons = Vec::new();
    let mut n_checks = 0;
    for run in runs {
        n_checks += run.checks.len();
        reasons.extend(run.problems.iter().map(|problem| format!("input: {problem}")));
        for check in run.checks.iter().filter(|check| !check.is_ok) {
            reasons.push(format!(
                "want {}, got {}: {} / {} / {}: {}",
                check.expected, check.actual, check.policy, check.rule, check.name, check.message
            ));
        }
    }
    // A name that several kinds share gives a check for each of them.
    if n_checks < case.n_checks {
        reasons.push(format!("{n_checks} checks instead of {}", case.n_checks));
    }
    reasons
}

/// What reasons have in common: the statuses, and a message without what stands in quotes and without names.
fn group_of(reason: &str) -> String {
    let mut parts = reason.splitn(4, ": ");
    let (first, _, message) = (parts.next().unwrap_or(""), parts.next(), parts.next().unwrap_or(""));
    format!("{first}: {}", message.chars().take(70).collect::<String>())
}

#[test]
fn the_listed_kyverno_test_cases_pass() {
    let Some(root) = shared::folder("corpus/kyverno-cli") else { return };
    let cases = cases(&root);
    let settings = Settings {
        paths: vec![root],
        file_name: casework::TEST_FILE.to_owned(),
        selector: CaseSelector::default(),
        now: "2026-11-22T00:00:00Z".parse().unwrap(),
        registries: None,
    };
    let all = casework::run(&settings);
    let mut runs: BTreeMap<&str, Vec<&CaseRun>> = BTreeMap::new();
    for run in &all.cases {
        runs.entry(&run.case).or_default().push(run);
    }

    let listed: BTreeSet<String> =
        fs::read_to_string(list_path()).unwrap_or_default().lines().map(str::to_owned).collect();
    let mut passing: BTreeSet<String> = BTreeSet::new();
    let mut broken: Vec<String> = Vec::new();
    let mut groups: BTreeMap<String, usize> = BTreeMap::new();
    let is_verbose = std::env::var_os("PATROL_VERBOSE").is_some();
    for case in cases.iter().filter(|case| !case.is_meant_to_fail) {
        let reasons = reasons(case, runs.get(case.id.as_str()));
        if let Some(first) = reasons.first() {
            *groups.entry(group_of(first)).or_default() += 1;
            if is_verbose {
                for reason in &reasons {
                    println!("{}: {reason}", case.id);
                }
            }
            if listed.contains(&case.id) {
                broken.push(format!("{}: {}", case.id, reasons.join("; ")));
            }
        } else {
            passing.insert(case.id.clone());
        }
    }
    for case in cases.iter().filter(|case| case.is_meant_to_fail) {
        println!("meant to fail: {}: {:?}", case.id, reasons(case, runs.get(case.id.as_str())));
    }
    report(&cases, &passing, &groups);
    let checks = || all.cases.iter().filter(|run| passing.contains(&run.case)).flat_map(|run| &run.checks);
    let n_excluded = checks().filter(|check| check.actual == "excluded").count();
    println!(
        "{} checks in them, {n_excluded} of which pass because the policy is not about the resource",
        checks().count()
    );

    let is_update = std::env::var_os("PATROL_UPDATE").is_some_and(|value| value == "1");
    if is_update {
        let mut text: String = passing.iter().cloned().collect::<Vec<_>>().join("\n");
        text.push('\n');
        fs::write(list_path(), text).unwrap();
        return;
    }
    for id in passing.difference(&listed) {
        println!("new, add it: {id}");
    }
    let known: BTreeSet<&String> = cases.iter().map(|case| &case.id).collect();
    let unknown: Vec<&String> = listed.iter().filter(|id| !known.contains(id)).collect();
    assert!(unknown.is_empty(), "listed, but not judged: {unknown:?}");
    assert!(broken.is_empty(), "listed, but not passing:\n{}", broken.join("\n"));
}

fn report(cases: &[Case], passing: &BTreeSet<String>, groups: &BTreeMap<String, usize>) {
    let n_meant_to_fail = cases.iter().filter(|case| case.is_meant_to_fail).count();
    println!(
        "kyverno test cases: {} judged, {} pass, {} meant to fail and left out",
        cases.len() - n_meant_to_fail,
        passing.len(),
        n_meant_to_fail
    );
    let mut sorted: Vec<_> = groups.iter().collect();
    sorted.sort_by_key(|(group, n)| (std::cmp::Reverse(**n), (*group).clone()));
    for (group, n) in sorted.into_iter().take(40) {
        println!("{n:5}  {group}");
    }
}
