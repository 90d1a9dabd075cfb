//! The pure parts of the room: pages, discovery, paths, failures, and what writes are made of. The rest is
//! tested against a real API server, in `tests/it/live/`.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;

use super::client::turn;
use super::discovery::Discovery;
use super::failure::{ApiFailure, FailureClass};
use super::page::{Meta, RawPage, metadata_of};
use super::path::{ResourcePath, counted, escape, page_query, tidy};
use super::sink::{choose_api, with_resource_version};
use crate::gostd::wildcard::Wildcard;
use crate::inventory::ScanKind;
use crate::matching::KindSelector;
use crate::report::ReportApi;

const DISCOVERY: &str = r#"{"kind": "APIGroupDiscoveryList", "items": [
  {"metadata": {"name": ""}, "versions": [{"version": "v1", "freshness": "Current", "resources": [
    {"resource": "pods", "responseKind": {"group": "", "version": "v1", "kind": "Pod"},
     "scope": "Namespaced", "verbs": ["list", "watch"], "subresources": [{"subresource": "status", "responseKind": {"kind": "Pod"}, "verbs": ["get"]}]},
    {"resource": "events", "responseKind": {"kind": "Event"}, "scope": "Namespaced", "verbs": ["list", "watch"]},
    {"resource": "bindings", "responseKind": {"kind": "Binding"}, "verbs": ["create"]}]}]},
  {"metadata": {"name": "apps"}, "versions": [
    {"version": "v2", "freshness": "Current", "resources": [
      {"resource": "sets", "responseKind": {"kind": "Set"}, "scope": "Cluster", "verbs": ["list", "watch"]}]},
    {"version": "v1", "freshness": "Current", "resources": [
      {"resource": "sets", "responseKind": {"kind": "Set"}, "scope": "Cluster", "verbs": ["list", "watch"]},
      {"resource": "olds", "responseKind": {"kind": "Old"}, "verbs": ["list", "watch"]}]}]},
  {"metadata": {"name": "events.k8s.io"}, "versions": [{"version": "v1", "freshness": "Current", "resources": [
    {"resource": "events", "responseKind": {"kind": "Event"}, "scope": "Namespaced", "verbs": ["list", "watch"]}]}]},
  {"metadata": {"name": "stale.example"}, "versions": [{"version": "v1", "freshness": "Stale"}]},
  {"metadata": {"name": "openreports.io"}, "versions": [{"version": "v1alpha1", "resources": [
    {"resource": "reports", "responseKind": {"kind": "Report"}, "scope": "Namespaced", "verbs": ["list"]},
    {"resource": "clusterreports", "responseKind": {"kind": "ClusterReport"}, "verbs": ["list"]}]}]}
]}"#;

/// Selectors, the kinds that they select, and what is told as not scanned.
type Case<'c> = (&'c [(&'c str, &'c str, &'c str)], &'c [&'c str], &'c [&'c str]);

fn select(selectors: &[(&str, &str, &str)]) -> (Vec<String>, Vec<String>) {
    let wanted: Vec<KindSelector> = selectors
        .iter()
        .map(|(group, version, kind)| KindSelector {
            group: Wildcard::new(group),
            version: Wildcard::new(version),
            kind: Wildcard::new(kind),
        })
        .collect();
    let found = Discovery::of_aggregated(DISCOVERY.as_bytes()).select(&wanted);
    assert_eq!(found.unknown_groups.iter().collect::<Vec<_>>(), ["stale.example"]);
    let told = |kind: &ScanKind| {
        let known = format!("{} {}", kind.gvk, kind.plural);
        kind.others.iter().fold(known, |told, other| format!("{told} + {other}"))
    };
    let kinds = found.kinds.iter().map(told).collect();
    let problems = found.problems.into_iter().map(|problem| problem.subject);
    (kinds, problems.filter(|subject| subject != "stale.example/v1").collect())
}

#[test]
fn a_kind_is_taken_once_in_the_preferred_version_and_in_those_that_are_named() {
    let events = "v1/Event events + events.k8s.io/v1/Event";
    let cases: [Case<'_>; 10] = [
        (&[("*", "*", "Pod")], &["v1/Pod pods"], &[]),
        (&[("apps", "*", "*")], &["apps/v1/Old olds", "apps/v2/Set sets"], &[]),
        (&[("apps", "v1", "Set")], &["apps/v1/Set sets"], &[]),
        (&[("apps", "v1", "Set"), ("apps", "v2", "Set")], &["apps/v2/Set sets + apps/v1/Set"], &[]),
        (&[("apps", "v1", "Set"), ("*", "*", "Set")], &["apps/v2/Set sets + apps/v1/Set"], &[]),
        (&[("*", "*", "Event")], &["v1/Event events"], &[]),
        (&[("events.k8s.io", "*", "Event")], &[events], &[]),
        (&[("apps", "v3", "Set")], &[], &["apps/v3/Set"]),
        (&[("*", "*", "Binding")], &[], &["v1/Binding"]),
        (
            &[("*", "*", "*")],
            &["v1/Event events", "v1/Pod pods", "apps/v1/Old olds", "apps/v2/Set sets"],
            &[],
        ),
    ];
    for (selectors, kinds, problems) in cases {
        let (found, told) = select(selectors);
        assert_eq!(
            (found.as_slice(), told.as_slice()),
            (
                &kinds.iter().map(ToString::to_string).collect::<Vec<_>>()[..],
                &problems.iter().map(ToString::to_string).collect::<Vec<_>>()[..],
            ),
            "{selectors:?}"
        );
    }
}

#[test]
fn reports_are_written_in_an_api_that_is_served_whole() {
    let discovery = Discovery::of_aggregated(DISCOVERY.as_bytes());
    assert_eq!(choose_api(&discovery, None), Ok(ReportApi::OpenReports));
    assert_eq!(choose_api(&discovery, Some(ReportApi::OpenReports)), Ok(ReportApi::OpenReports));
    let error = choose_api(&discovery, Some(ReportApi::PolicyReport)).unwrap_err();
    assert!(!error.is_transient && error.message.contains("PolicyReport and ClusterPolicyReport"), "{error}");
    let error = choose_api(&Discovery::default(), None).unwrap_err();
    assert!(error.message.contains("ClusterReport of openreports.io/v1alpha1"), "{error}");
}

#[test]
fn a_page_is_split_into_slices_of_the_reply() {
    let reply = Bytes::from_static(
        br#"{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"9","continue":"tok"},"items":[
            {"metadata":{"name":"a","namespace":"n","uid":"u","resourceVersion":"7",
              "ownerReferences":[{"kind":"ReplicaSet","name":"r","uid":"x","controller":true}]},"spec":{}},
            {"spec":{"x":[1,{"metadata":{"name":"inner"}}]},"metadata":{"name":"b\u0041"}}]}"#,
    );
    let page = RawPage::read(&reply).unwrap();
    assert_eq!((page.items.len(), page.continues.as_str()), (2, "tok"));
    let within = reply.as_ptr_range();
    assert!(page.items.iter().all(|item| within.contains(&item.as_ptr())));
    let meta: Meta<'_> = metadata_of(&page.items[0]).unwrap();
    assert_eq!((&*meta.name, &*meta.namespace, &*meta.uid, &*meta.resource_version), ("a", "n", "u", "7"));
    assert_eq!(meta.controllers(), [(String::new(), "ReplicaSet".to_owned())]);
    let meta: Meta<'_> = metadata_of(&page.items[1]).unwrap();
    assert_eq!((&*meta.name, &*meta.uid), ("bA", ""));
    assert!(metadata_of::<Meta<'_>>(br#"{"spec":{}}"#).is_err());
    assert!(metadata_of::<Meta<'_>>(br#"{"metadata":"#).is_err());
    assert!(metadata_of::<Meta<'_>>(br#"{"metadata":{"name":1}}"#).is_err());
}

#[test]
fn a_reply_that_is_no_whole_list_proves_nothing() {
    for reply in
        ["", "{", "[]", "{}", r#"{"kind":"Status","status":"Failure"}"#, r#"{"items":[{"metadata":{}}"#]
    {
        assert!(RawPage::read(&Bytes::from(reply)).is_err(), "{reply}");
    }
    for empty in [r#"{"items":null,"metadata":{}}"#, r#"{"items":[]}"#] {
        let page = RawPage::read(&Bytes::from(empty)).unwrap();
        assert!(page.items.is_empty() && page.continues.is_empty(), "{empty}");
    }
}

#[test]
fn paths_are_those_of_the_api_and_are_counted_by_what_they_ask_for() {
    let pods = ResourcePath::new("", "v1", "pods");
    let sets = ResourcePath::new("apps", "v1", "sets");
    assert_eq!(pods.all(""), "/api/v1/pods");
    assert_eq!(pods.one("n", "a/b c"), "/api/v1/namespaces/n/pods/a%2Fb%20c");
    assert_eq!(sets.one("", "system:x"), "/apis/apps/v1/sets/system:x");
    assert_eq!(
        page_query(5, "a+b=", "k in (x,y)"),
        "?limit=5&labelSelector=k%20in%20%28x%2Cy%29&continue=a%2Bb%3D"
    );
    assert_eq!(escape("é"), "%C3%A9");
    assert_eq!(tidy("/a?x=b in (c)&y=%20\"#"), "/a?x=b%20in%20(c)&y=%20%22%23");
    for (path, resource, is_one) in [
        ("/api/v1/pods?limit=1", "pods", false),
        ("/api/v1/namespaces/n/pods", "pods", false),
        ("/api/v1/namespaces/n/pods/p/log", "pods", true),
        ("/api/v1/namespaces", "namespaces", false),
        ("/api/v1/namespaces/n", "namespaces", true),
        ("/apis/apps/v1/sets/s", "apps/sets", true),
        ("/apis/apps/v1", "", false),
        ("/version", "", false),
        ("", "", false),
    ] {
        assert_eq!(counted(path), (resource.to_owned(), is_one), "{path}");
    }
}

#[test]
fn failures_say_what_happened_and_whether_another_try_may_help() {
    use FailureClass as Class;
    let status = |reason: &str| format!(r#"{{"kind":"Status","reason":"{reason}","message":"so it is"}}"#);
    let cases = [
        (401, "", Class::Unauthorized, false, true),
        (403, "Forbidden", Class::Forbidden, false, false),
        (404, "NotFound", Class::NotFound, false, false),
        (405, "", Class::NotAllowed, false, false),
        (409, "AlreadyExists", Class::AlreadyExists, false, false),
        (409, "Conflict", Class::Conflict, false, true),
        (410, "Expired", Class::Expired, false, true),
        (413, "", Class::Refused, false, false),
        (422, "Invalid", Class::Refused, false, false),
        (429, "", Class::Busy, true, true),
        (500, "", Class::ServerError, true, true),
        (501, "", Class::ServerError, false, false),
        (504, "", Class::ServerError, true, true),
        (302, "", Class::Refused, false, false),
    ];
    for (code, reason, class, is_retried, is_transient) in cases {
        let code = StatusCode::from_u16(code).unwrap();
        let failure = ApiFailure::of_reply("list pods", code, None, status(reason).as_bytes());
        assert_eq!(failure.class, class, "{code}");
        assert_eq!(
            (failure.is_worth_a_retry(), failure.is_transient()),
            (is_retried, is_transient),
            "{code}"
        );
        assert!(failure.message.ends_with("so it is"), "{}", failure.message);
    }
    let page =
        ApiFailure::of_reply("list pods", StatusCode::BAD_GATEWAY, None, b"<html>\n  bad   gateway</html>");
    assert_eq!(page.message, "the API server failed to list pods (502): <html> bad gateway</html>");
    let none = ApiFailure::of_reply("list pods", StatusCode::NOT_FOUND, None, b"");
    assert_eq!(none.message, "cannot list pods (404): Not Found");
    let body =
        br#"{"message":"no","details":{"retryAfterSeconds":7,"causes":[{"reason":"NamespaceTerminating"}]}}"#;
    let ending = ApiFailure::of_reply("create reports", StatusCode::FORBIDDEN, None, body);
    assert_eq!(ending.message, "its namespace is being deleted: no");
    assert_eq!(ending.retry_after, Some(std::time::Duration::from_secs(7)));
}

#[test]
fn a_replaced_object_says_which_version_it_replaces() {
    let json = br#"{"kind":"R","metadata":{"name":"n"},"x":"\"metadata\":{"}"#;
    let body = String::from_utf8(with_resource_version(json, "12").unwrap()).unwrap();
    assert_eq!(body, r#"{"kind":"R","metadata":{"resourceVersion":"12","name":"n"},"x":"\"metadata\":{"}"#);
    assert!(with_resource_version(b"{}", "12").is_err());
}

#[test]
fn requests_go_at_a_rate_with_some_more_at_once() {
    let (start, second) = (tokio::time::Instant::now(), Duration::from_secs(1));
    let waits = |n_burst: u32, asked_at_s: &[u64]| {
        let mut next_at = None;
        let wait = |at: &u64| {
            let now = start + second * u32::try_from(*at).unwrap();
            (turn(&mut next_at, now, second, n_burst) - now).as_secs()
        };
        asked_at_s.iter().map(wait).collect::<Vec<_>>()
    };
    assert_eq!(waits(0, &[0, 0, 0, 5, 5]), [0, 1, 2, 0, 1]);
    assert_eq!(waits(2, &[0, 0, 0, 0, 0]), [0, 0, 0, 1, 2]);
    assert_eq!(waits(2, &[0, 0, 0, 0, 9, 9, 9, 9]), [0, 0, 0, 1, 0, 0, 0, 1]);
}

#[test]
fn the_pods_of_a_deployment_are_told_from_those_of_a_bare_replica_set() {
    let controllers = |labels: &str, controller: &str| {
        let owner =
            format!(r#"{{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"r","uid":"u"{controller}}}"#);
        let object =
            format!(r#"{{"metadata":{{"name":"p","labels":{labels},"ownerReferences":[{owner}]}}}}"#);
        let meta: Meta<'_> = metadata_of(object.as_bytes()).unwrap();
        meta.controllers().into_iter().map(|(group, kind)| format!("{group}/{kind}")).collect::<Vec<_>>()
    };
    let of_deployment = r#"{"app":"web","pod-template-hash":"5d4f"}"#;
    assert_eq!(controllers(of_deployment, r#","controller":true"#), ["apps/ReplicaSet", "apps/Deployment"]);
    assert_eq!(controllers(r#"{"app":"web"}"#, r#","controller":true"#), ["apps/ReplicaSet"]);
    assert_eq!(controllers("null", r#","controller":true"#), ["apps/ReplicaSet"]);
    assert_eq!(controllers(of_deployment, r#","controller":false"#), [""; 0]);
    assert_eq!(controllers(of_deployment, ""), [""; 0]);
}
