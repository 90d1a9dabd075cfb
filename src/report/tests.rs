use super::*;
use crate::model::{Outcome, PolicyKind, ResourceKey};

fn pod() -> ResourceId {
    let key =
        ResourceKey { group: String::new(), kind: "Pod".into(), namespace: "n".into(), name: "p".into() };
    ResourceId { key, version: "v1".into(), uid: "u-1".into() }
}

fn policy(name: &str) -> PolicyKey {
    PolicyKey { kind: PolicyKind::ClusterPolicy, namespace: String::new(), name: name.into() }
}

fn dated(rule: &str, status: Status, since_s: i64) -> DatedOutcome {
    DatedOutcome { outcome: Outcome::new(rule, status, "why"), since_s }
}

fn presentation(is_scored: bool) -> Presentation {
    Presentation {
        category: Some("Best Practices".into()),
        severity: Some(Severity::Medium),
        is_scored,
        process: "background scan",
    }
}

fn report(scored: bool, allowed: &[Status]) -> Option<Report> {
    let outcomes = [dated("b", Status::Fail, 7), dated("a", Status::Pass, 5)];
    let settings =
        ReportSettings { allowed_results: allowed.iter().copied().collect(), ..Default::default() };
    let (key, presentation) = (policy("p"), presentation(scored));
    Report::build(&pod(), std::iter::once((&key, &presentation, &outcomes[..])), &settings)
}

#[test]
fn results_are_sorted_and_a_failure_that_is_not_scored_is_a_warning() {
    let built = report(false, &Status::ALL).unwrap();
    let statuses: Vec<_> = built.results.iter().map(|r| (r.rule.as_str(), r.status)).collect();
    assert_eq!(statuses, [("a", Status::Pass), ("b", Status::Warn)]);
    assert_eq!(built.summary().of(Status::Warn), 1);
}

#[test]
fn results_that_are_not_allowed_are_left_out_and_an_empty_report_is_none() {
    assert_eq!(report(true, &[Status::Fail]).unwrap().results.len(), 1);
    assert!(report(true, &[Status::Skip]).is_none());
}

#[test]
fn the_object_is_named_by_the_uid_and_owned_by_the_resource() {
    let json = to_json(&report(true, &[Status::Fail]).unwrap(), ReportApi::PolicyReport, None);
    expect_test::expect![[r#"{"apiVersion":"wgpolicyk8s.io/v1alpha2","kind":"PolicyReport","metadata":{"name":"u-1","namespace":"n","labels":{"app.kubernetes.io/managed-by":"patrol"},"ownerReferences":[{"apiVersion":"v1","kind":"Pod","name":"p","uid":"u-1"}]},"scope":{"apiVersion":"v1","kind":"Pod","name":"p","namespace":"n","uid":"u-1"},"summary":{"pass":0,"fail":1,"warn":0,"error":0,"skip":0},"results":[{"source":"kyverno","policy":"p","rule":"b","category":"Best Practices","severity":"medium","result":"fail","scored":true,"message":"why","properties":{"process":"background scan"},"timestamp":{"seconds":7,"nanos":0}}]}"#]]
    .assert_eq(std::str::from_utf8(&json).unwrap());
}

#[test]
fn a_report_reads_back_as_it_was_written_in_both_apis() {
    for api in [ReportApi::PolicyReport, ReportApi::OpenReports] {
        for scored in [true, false] {
            let written = report(scored, &Status::ALL).unwrap();
            assert_eq!(parse(&to_json(&written, api, Some("12"))).unwrap(), written);
        }
    }
}

#[test]
fn a_report_that_somebody_changed_does_not_pass_for_ours() {
    let json =
        String::from_utf8(to_json(&report(true, &Status::ALL).unwrap(), ReportApi::PolicyReport, None))
            .unwrap();
    for (ours, theirs) in [
        ("\"patrol\"", "\"kyverno\""),
        ("\"fail\":1", "\"fail\":2"),
        ("\"result\":\"fail\"", "\"result\":\"fine\""),
        ("\"uid\":\"u-1\"}]", "\"uid\":\"u-2\"}]"),
        ("{\"app.kubernetes.io", "{\"more\":\"labels\",\"app.kubernetes.io"),
    ] {
        assert!(json.contains(ours));
        assert!(parse(json.replace(ours, theirs).as_bytes()).is_none(), "{theirs}");
    }
}

#[test]
fn times_are_adopted_result_by_result() {
    let mut fresh = report(true, &Status::ALL).unwrap();
    let mut there = fresh.clone();
    there.results[0].since_s = 1;
    there.results[1].since_s = 2;
    assert!(fresh.adopt_times(&there, |_| true));
    assert_eq!(fresh, there);
    there.results[0].since_s = 7;
    assert!(fresh.adopt_times(&there, |since_s| since_s == 2));
    assert_eq!(fresh.results[0].since_s, 1, "not open");
    there.results[1].message = "other".into();
    there.results[0].since_s = 3;
    assert!(!fresh.adopt_times(&there, |_| true));
    assert_eq!((fresh.results[0].since_s, fresh.results[1].since_s), (3, 2));
}
