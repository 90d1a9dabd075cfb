//! Never stale, never redundant: what the next scan evaluates, and which files it writes.

use std::time::SystemTime;

use super::{Place, files, label_policy, pod, policy, results};

/// Ten Pods in three files, two policies: twenty pairs.
fn ten_pods() -> Place {
    let place = Place::new();
    for file in 0..3 {
        let pods: Vec<String> =
            (0..10).filter(|i| i % 3 == file).map(|i| pod(&format!("pod-{i}"), "app: x")).collect();
        place.write(&format!("m/{file}.yaml"), pods.join("---\n"));
    }
    place.write("p/app.yaml", label_policy("require-app", "app"));
    place.write("p/team.yaml", label_policy("require-team", "team"));
    let (ran, stats) = place.scan(&["--reports", "r"]);
    ran.exits(1);
    assert_eq!((stats.pairs(), stats.reports()), ([20, 0, 0], [10, 0, 0]));
    place
}

/// The modification times of all reports.
fn times(place: &Place) -> Vec<(std::path::PathBuf, SystemTime)> {
    let paths = files(&place.path("r")).into_keys();
    paths.map(|path| (path.clone(), std::fs::metadata(&path).unwrap().modified().unwrap())).collect()
}

/// How many reports a scan touched.
fn n_touched(
    before: &[(std::path::PathBuf, SystemTime)],
    after: &[(std::path::PathBuf, SystemTime)],
) -> usize {
    after.iter().filter(|entry| !before.contains(entry)).count()
}

#[test]
fn nothing_changed_evaluates_and_writes_nothing() {
    let place = ten_pods();
    let before = times(&place);
    for _ in 0..2 {
        let (ran, stats) = place.scan(&["--reports", "r"]);
        ran.exits(1).says(&["0 pairs evaluated, 20 reused"]);
        assert_eq!((stats.pairs(), stats.reports()), ([0, 20, 0], [0, 10, 0]));
        assert_eq!(stats.0["evaluations_by_reason"].as_object().unwrap().len(), 0);
        assert_eq!(times(&place), before);
    }
}

#[test]
fn an_edited_document_evaluates_its_pairs_and_writes_its_report() {
    let place = ten_pods();
    let before = times(&place);
    let text = std::fs::read_to_string(place.path("m/0.yaml")).unwrap();
    place.write("m/0.yaml", text.replacen("app: x", "team: x", 1));
    let (ran, stats) = place.scan(&["--reports", "r", "-o", "json"]);
    assert_eq!((stats.pairs(), stats.reports()), ([2, 18, 0], [1, 9, 0]));
    assert_eq!(n_touched(&before, &times(&place)), 1);
    let report = &super::by_name(&ran.json())["pod-0"];
    assert_eq!(results(report), ["require-app/check: fail", "require-team/check: pass"]);
}

#[test]
fn a_comment_or_a_part_that_no_policy_reads_evaluates_nothing() {
    let place = ten_pods();
    let before = times(&place);
    let text = std::fs::read_to_string(place.path("m/0.yaml")).unwrap();
    place.write("m/0.yaml", format!("# hello\n{text}"));
    assert_eq!(place.scan(&["--reports", "r"]).1.pairs(), [0, 20, 0]);
    place.write("m/0.yaml", text.replacen("nginx", "apache", 1));
    assert_eq!(place.scan(&["--reports", "r"]).1.pairs(), [0, 20, 0]);
    assert_eq!(times(&place), before);
}

#[test]
fn a_deleted_document_is_forgotten_with_its_report() {
    let place = ten_pods();
    let text = std::fs::read_to_string(place.path("m/0.yaml")).unwrap();
    place.write("m/0.yaml", text.split_once("---\n").unwrap().1);
    let (_, stats) = place.scan(&["--reports", "r"]);
    assert_eq!((stats.pairs(), stats.reports()), ([0, 18, 2], [0, 9, 1]));
    assert_eq!(files(&place.path("r")).len(), 9);
    place.run(&["explain", "Pod/pod-0"]).exits(2).says(&["the state knows no Pod `pod-0`"]);
}

#[test]
fn a_kind_that_is_gone_altogether_is_forgotten() {
    let place = ten_pods();
    for file in 0..3 {
        place.remove(&format!("m/{file}.yaml"));
    }
    let (ran, stats) = place.scan(&["--reports", "r"]);
    ran.exits(0).says(&["no manifests in `m`"]);
    assert_eq!((stats.pairs(), stats.reports()), ([0, 0, 20], [0, 0, 10]));
    assert_eq!(files(&place.path("r")).len(), 0);
}

#[test]
fn an_annotation_of_a_policy_that_no_result_shows_changes_nothing() {
    let place = ten_pods();
    let before = times(&place);
    let text = label_policy("require-app", "app").replace("annotations: {}", "annotations: {note: hello}");
    place.write("p/app.yaml", text);
    let (_, stats) = place.scan(&["--reports", "r"]);
    assert_eq!((stats.pairs(), stats.reports()), ([0, 20, 0], [0, 10, 0]));
    assert_eq!(times(&place), before);
}

#[test]
fn an_edited_severity_rewrites_reports_without_an_evaluation() {
    let place = ten_pods();
    let before = times(&place);
    let text = label_policy("require-app", "app")
        .replace("annotations: {}", "annotations: {policies.kyverno.io/severity: high}");
    place.write("p/app.yaml", text);
    let (ran, stats) = place.scan(&["--reports", "r", "-o", "json"]);
    assert_eq!((stats.pairs(), stats.reports()), ([0, 20, 0], [10, 0, 0]));
    assert_eq!(n_touched(&before, &times(&place)), 10);
    assert_eq!(super::by_name(&ran.json())["pod-1"]["results"][0]["severity"], "high");
}

#[test]
fn an_edited_rule_evaluates_its_pairs_and_rewrites_only_reports_that_differ() {
    let place = ten_pods();
    let before = times(&place);
    // Says the same about each Pod, in other words.
    let text = policy("require-app", "", "pattern: {metadata: {labels: {app: \"x | y\"}}}");
    place.write("p/app.yaml", text);
    let (_, stats) = place.scan(&["--reports", "r"]);
    assert_eq!((stats.pairs(), stats.reports()), ([10, 10, 0], [0, 10, 0]));
    assert_eq!(times(&place), before);
    place.write("p/app.yaml", label_policy("require-app", "tier"));
    let (_, stats) = place.scan(&["--reports", "r"]);
    assert_eq!((stats.pairs(), stats.reports()), ([10, 10, 0], [10, 0, 0]));
}

#[test]
fn a_policy_added_and_removed_costs_its_own_pairs() {
    let place = ten_pods();
    place.write("p/more.yaml", label_policy("require-more", "more"));
    assert_eq!(place.scan(&["--reports", "r"]).1.pairs(), [10, 20, 0]);
    place.remove("p/more.yaml");
    let (_, stats) = place.scan(&["--reports", "r"]);
    assert_eq!((stats.pairs(), stats.reports()), ([0, 20, 10], [10, 0, 0]));
}

#[test]
fn a_report_that_somebody_edited_or_deleted_is_restored() {
    let place = ten_pods();
    let before = files(&place.path("r"));
    let mut paths = before.keys();
    let (edited, deleted) = (paths.next().unwrap(), paths.next().unwrap());
    std::fs::write(edited, String::from_utf8_lossy(&before[edited]).replace("fail", "pass")).unwrap();
    std::fs::remove_file(deleted).unwrap();
    let (_, stats) = place.scan(&["--reports", "r"]);
    assert_eq!((stats.pairs(), stats.reports()), ([0, 20, 0], [2, 8, 0]));
    assert_eq!(files(&place.path("r")), before);
}

#[test]
fn a_report_of_somebody_else_is_left_alone_and_named() {
    let place = ten_pods();
    let before = files(&place.path("r"));
    let path = before.keys().next().unwrap();
    let foreign = String::from_utf8_lossy(&before[path]).replace("patrol", "kyverno");
    std::fs::write(path, &foreign).unwrap();
    let (ran, _) = place.scan(&["--reports", "r"]);
    ran.exits(1).says(&["Pod default/pod-", ": its report is somebody else's and was left alone"]);
    assert_eq!(std::fs::read_to_string(path).unwrap(), foreign);
}

#[test]
fn an_empty_state_adopts_the_reports_that_are_there() {
    let place = ten_pods();
    std::fs::remove_dir_all(place.path(".patrol")).unwrap();
    let before = times(&place);
    let (_, stats) = place.scan(&["--reports", "r"]);
    assert_eq!((stats.pairs(), stats.reports()), ([20, 0, 0], [0, 10, 0]));
    assert_eq!(times(&place), before);
}

#[test]
fn a_dry_run_prints_the_plan_and_writes_nothing() {
    let place = ten_pods();
    let text = std::fs::read_to_string(place.path("m/0.yaml")).unwrap();
    place.write("m/0.yaml", text.replacen("app: x", "team: x", 1));
    place.remove("m/1.yaml");
    place.write("p/more.yaml", label_policy("require-more", "more"));
    let state = || files(&place.path(".patrol"));
    let (before, reports) = (state(), times(&place));
    let (ran, planned) = place.scan(&["--reports", "r", "--dry-run"]);
    assert_eq!((state(), times(&place)), (before, reports));
    for part in ["evaluate", "Pod default/pod-0", "require-more", "forget", "Pod default/pod-1", "(report)"] {
        assert!(ran.stdout.contains(part), "`{part}` is missing in\n{}", ran.stdout);
    }
    let (_, done) = place.scan(&["--reports", "r"]);
    assert_eq!((planned.pairs(), planned.reports()), (done.pairs(), done.reports()));
    // Pod `pod-0` changed, a policy came, three Pods of ten went.
    assert_eq!(done.pairs(), [2 + 7, 12, 6]);
}

#[test]
fn a_dry_run_without_state_makes_none() {
    let place = Place::with_pods();
    let (_, stats) = place.scan(&["--dry-run", "--reports", "r"]);
    assert_eq!(stats.pairs(), [2, 0, 0]);
    assert!(!place.path(".patrol").exists() && !place.path("r").exists());
}

#[test]
fn without_state_everything_is_evaluated_and_nothing_remembered() {
    let place = Place::with_pods();
    for _ in 0..2 {
        assert_eq!(place.scan(&["--no-state"]).1.pairs(), [2, 0, 0]);
    }
    assert!(!place.path(".patrol").exists());
}

#[test]
fn verify_evaluates_everything_again() {
    let place = Place::with_pods();
    place.scan(&[]);
    assert_eq!(place.scan(&["--verify"]).1.pairs(), [2, 0, 0]);
    assert_eq!(place.scan(&[]).1.pairs(), [0, 2, 0]);
}

#[test]
fn folders_scanned_in_turn_do_not_forget_each_other() {
    let place = Place::with_pods();
    place.write("n/other.yaml", pod("other", "app: x"));
    place.scan(&[]);
    assert_eq!(place.scan_of(&["n", "-p", "p"], &[]).1.pairs(), [1, 0, 0]);
    assert_eq!(place.scan(&[]).1.pairs(), [0, 2, 0]);
    assert_eq!(place.scan_of(&["n", "-p", "p"], &[]).1.pairs(), [0, 1, 0]);
}

#[test]
fn a_file_that_cannot_be_read_for_a_while_loses_nothing() {
    let place = ten_pods();
    let (text, before) = (std::fs::read(place.path("m/0.yaml")).unwrap(), files(&place.path("r")));
    place.write("m/0.yaml", [b"a: [\n---\n".as_slice(), &text].concat().as_slice());
    place.remove("m/1.yaml");
    place.write("m/0.yaml", "a: [\n");
    let (ran, stats) = place.scan(&["--reports", "r"]);
    ran.exits(2).says(&["m/0.yaml:"]);
    // Only what is proven to be gone is forgotten: the three Pods of the file that was deleted.
    assert_eq!((stats.pairs(), stats.reports()), ([0, 6, 6], [0, 3, 3]));
    place.write("m/0.yaml", text);
    let (_, stats) = place.scan(&["--reports", "r"]);
    assert_eq!((stats.pairs(), stats.reports()), ([0, 14, 0], [0, 7, 0]));
    let after = files(&place.path("r"));
    assert!(after.iter().all(|(path, bytes)| before.get(path) == Some(bytes)));
}

#[test]
fn a_policy_that_cannot_be_read_for_a_while_loses_nothing() {
    let place = ten_pods();
    let (text, before) = (std::fs::read(place.path("p/app.yaml")).unwrap(), times(&place));
    place.write("p/app.yaml", "a: [\n");
    let (ran, stats) = place.scan(&["--reports", "r"]);
    ran.exits(2).says(&["p/app.yaml:"]);
    assert_eq!(stats.of("evaluated") + stats.of("forgotten"), 0, "{stats:?}");
    place.write("p/app.yaml", text);
    assert_eq!(place.scan(&["--reports", "r"]).1.pairs(), [0, 20, 0]);
    assert_eq!(times(&place), before);
}
