use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::*;
use crate::document::{Document, Part, Parts};
use crate::fingerprint;
use crate::lang::Request;
use crate::model::{Fact, Gvk, ResourceId, ResourceKey};

fn id_of(object: &Document) -> ResourceId {
    let text = |path: &[&str]| object.root().path(path).and_then(Node::as_str).unwrap_or_default();
    let gvk = Gvk::new(text(&["apiVersion"]), text(&["kind"]));
    ResourceId {
        key: ResourceKey {
            group: gvk.group,
            kind: gvk.kind,
            namespace: text(&["metadata", "namespace"]).to_owned(),
            name: text(&["metadata", "name"]).to_owned(),
        },
        version: gvk.version,
        uid: String::new(),
    }
}

struct Case {
    object: Document,
    request: Request,
    facts: BTreeMap<FactKey, Arc<Fact>>,
}

impl Case {
    fn new(object: &str) -> Self {
        let object = Document::from_json(object.as_bytes()).unwrap();
        Self { object, request: Request::scan(), facts: BTreeMap::new() }
    }

    fn user(mut self, user: &str) -> Self {
        self.request.user = Some(Arc::new(Document::from_json(user.as_bytes()).unwrap()));
        self
    }

    fn namespace_labels(mut self, namespace: &str, value: FactValue) -> Self {
        let fact = fingerprint::fact(value);
        self.facts.insert(FactKey::NamespaceLabels(namespace.to_owned()), Arc::new(fact));
        self
    }

    fn ask(&self, block: &str, place: Place) -> (Answer, Parts) {
        let block = Document::from_json(block.as_bytes()).unwrap();
        let id = id_of(&self.object);
        let inputs = Inputs::new(&id, &self.object, &self.request, &self.facts, Timestamp::UNIX_EPOCH);
        (MatchBlock::compile(block.root(), place).answer(&inputs), inputs.parts_read())
    }

    fn is_met(&self, block: &str) -> bool {
        self.ask(block, Place::Match).0 == Answer::Yes
    }
}

fn pod() -> Case {
    Case::new(
        r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web-1","namespace":"prod",
            "labels":{"app.kubernetes.io/name":"web","tier":"front"},"annotations":{"a.io/x":"yes"}}}"#,
    )
}

fn namespace() -> Case {
    Case::new(r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"prod","labels":{"a":"b"}}}"#)
}

#[test]
fn all_that_a_filter_says_must_be_met_by_one_of_what_it_lists() {
    for (resources, expected) in [
        (r#"{"kinds":["Pod"]}"#, true),
        (r#"{"kinds":["Service","v1/Pod"]}"#, true),
        (r#"{"kinds":["Service"]}"#, false),
        (r#"{"kinds":["Pod/exec"]}"#, false),
        (r#"{"kinds":["Pod"],"name":"web-?"}"#, true),
        (r#"{"kinds":["Pod"],"name":"web"}"#, false),
        (r#"{"kinds":["Pod"],"names":["x","web*"]}"#, true),
        (r#"{"kinds":["Pod"],"names":["x"]}"#, false),
        (r#"{"namespaces":["dev","pro*"]}"#, true),
        (r#"{"namespaces":["dev"],"kinds":["Pod"]}"#, false),
        (r#"{"annotations":{"a.io/*":"y?s"}}"#, true),
        (r#"{"annotations":{"a.io/x":"yes","b":"*"}}"#, false),
        (r#"{"operations":["CREATE","UPDATE"]}"#, true),
        (r#"{"kinds":["Pod"],"operations":["UPDATE"]}"#, false),
        (r#"{"kinds":["Pod"],"operations":["nonsense"]}"#, false),
        (r"{}", false),
    ] {
        let block = format!(r#"{{"resources":{resources}}}"#);
        assert_eq!(pod().is_met(&block), expected, "{resources}");
        assert_eq!(pod().is_met(&format!(r#"{{"any":[{block}]}}"#)), expected, "any {resources}");
        assert_eq!(pod().is_met(&format!(r#"{{"all":[{block}]}}"#)), expected, "all {resources}");
    }
}

#[test]
fn selectors_are_kubernetes_with_wildcards_in_labels() {
    for (selector, expected) in [
        (r"{}", true),
        (r#"{"matchLabels":{"tier":"front"}}"#, true),
        (r#"{"matchLabels":{"tier":"back"}}"#, false),
        (r#"{"matchLabels":{"tier":"fr*"}}"#, true),
        (r#"{"matchLabels":{"*/name":"w?b"}}"#, true),
        (r#"{"matchLabels":{"*/name":"x*"}}"#, false),
        (r#"{"matchExpressions":[{"key":"tier","operator":"In","values":["front","back"]}]}"#, true),
        (r#"{"matchExpressions":[{"key":"tier","operator":"In","values":["fr*"]}]}"#, false),
        (r#"{"matchExpressions":[{"key":"tier","operator":"NotIn","values":["back"]}]}"#, true),
        (r#"{"matchExpressions":[{"key":"other","operator":"NotIn","values":["back"]}]}"#, true),
        (r#"{"matchExpressions":[{"key":"tier","operator":"Exists"}]}"#, true),
        (r#"{"matchExpressions":[{"key":"tier","operator":"DoesNotExist"}]}"#, false),
        (r#"{"matchExpressions":[{"key":"other","operator":"DoesNotExist"}]}"#, true),
        (r#"{"matchExpressions":[{"key":"other","operator":"Gt","values":["1"]}]}"#, false),
        (r#"{"matchExpressions":[{"key":"tier","operator":"NotIn","values":[]}]}"#, false),
        (r#"{"matchExpressions":[{"key":"tier","operator":"Exists","values":["front"]}]}"#, false),
        (r#"{"matchExpressions":[{"key":"no key","operator":"DoesNotExist"}]}"#, false),
    ] {
        let block = format!(r#"{{"resources":{{"selector":{selector}}}}}"#);
        assert_eq!(pod().is_met(&block), expected, "{selector}");
    }
}

#[test]
fn an_object_without_labels_meets_only_what_asks_for_none() {
    let bare = Case::new(r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","namespace":"b"}}"#);
    assert!(bare.is_met(r#"{"resources":{"selector":{}}}"#));
    assert!(!bare.is_met(r#"{"resources":{"selector":{"matchLabels":{"*":"*"}}}}"#));
    assert!(!bare.is_met(r#"{"resources":{"annotations":{"*":"*"}}}"#));
}

#[test]
fn any_needs_one_and_all_needs_each() {
    let (yes, no) = (r#"{"resources":{"kinds":["Pod"]}}"#, r#"{"resources":{"kinds":["Job"]}}"#);
    assert!(pod().is_met(&format!(r#"{{"any":[{no},{yes}]}}"#)));
    assert!(!pod().is_met(&format!(r#"{{"all":[{no},{yes}]}}"#)));
    assert!(!pod().is_met(&format!(r#"{{"any":[{no}],"all":[{yes}]}}"#)), "any goes before all");
    assert!(!pod().is_met("{}"));
}

#[test]
fn an_empty_exclude_excludes_nothing_and_an_empty_exception_excepts_nothing() {
    assert_eq!(pod().ask("{}", Place::Exclude).0, Answer::No);
    assert_eq!(pod().ask(r#"{"any":[{}]}"#, Place::Exclude).0, Answer::No);
    assert_eq!(pod().ask("{}", Place::Exception).0, Answer::No);
    assert_eq!(pod().ask(r#"{"resources":{"kinds":["Pod"]}}"#, Place::Exception).0, Answer::No);
}

#[test]
fn a_namespace_object_is_in_the_namespace_of_its_name() {
    assert!(namespace().is_met(r#"{"resources":{"namespaces":["prod"]}}"#));
    assert!(!namespace().is_met(r#"{"resources":{"namespaces":["?rod2"]}}"#));
}

#[test]
fn a_namespace_selector_asks_for_the_labels_of_the_namespace_last() {
    let block = |kind: &str| {
        format!(
            r#"{{"resources":{{"kinds":["{kind}"],"namespaceSelector":{{"matchLabels":{{"env":"pr*"}}}}}}}}"#
        )
    };
    assert_eq!(pod().ask(&block("Pod"), Place::Match).0, Answer::Needs);
    assert_eq!(pod().ask(&block("Job"), Place::Match).0, Answer::No);
    let labels = |text: &str| FactValue::Found(Document::from_json(text.as_bytes()).unwrap());
    let with = |value| pod().namespace_labels("prod", value).ask(&block("Pod"), Place::Match).0;
    assert_eq!(with(labels(r#"{"env":"prod"}"#)), Answer::Yes);
    assert_eq!(with(labels(r#"{"env":"dev"}"#)), Answer::No);
    assert_eq!(with(FactValue::Missing), Answer::No);
    let failed = with(FactValue::Failed { message: "timeout".into(), is_transient: true });
    assert_eq!(failed, Answer::Failed("failed to get the labels of namespace `prod`: timeout".into()));
}

#[test]
fn a_namespace_selector_never_means_a_namespace_except_in_an_exception() {
    let block = r#"{"any":[{"resources":{"namespaceSelector":{"matchLabels":{"a":"b"}}}}]}"#;
    assert_eq!(namespace().ask(block, Place::Match).0, Answer::No);
    assert_eq!(namespace().ask(block, Place::Exclude).0, Answer::No);
    assert_eq!(namespace().ask(block, Place::Exception).0, Answer::Yes);
}

#[test]
fn a_cluster_wide_object_has_a_namespace_without_labels() {
    let node = Case::new(r#"{"apiVersion":"v1","kind":"Node","metadata":{"name":"n"}}"#);
    let block = |expression: &str| {
        format!(r#"{{"resources":{{"namespaceSelector":{{"matchExpressions":[{expression}]}}}}}}"#)
    };
    assert!(!node.is_met(&block(r#"{"key":"env","operator":"Exists"}"#)));
    assert!(node.is_met(&block(r#"{"key":"env","operator":"DoesNotExist"}"#)));
}

#[test]
fn what_is_decided_without_a_fact_does_not_ask_for_it() {
    let open = r#"{"resources":{"namespaceSelector":{"matchLabels":{"env":"x"}}}}"#;
    let (yes, no) = (r#"{"resources":{"kinds":["Pod"]}}"#, r#"{"resources":{"kinds":["Job"]}}"#);
    let ask = |block: String| pod().ask(&block, Place::Match).0;
    assert_eq!(ask(format!(r#"{{"any":[{open},{yes}]}}"#)), Answer::Yes);
    assert_eq!(ask(format!(r#"{{"any":[{open},{no}]}}"#)), Answer::Needs);
    assert_eq!(ask(format!(r#"{{"all":[{open},{no}]}}"#)), Answer::No);
    assert_eq!(ask(format!(r#"{{"all":[{open},{yes}]}}"#)), Answer::Needs);
}

#[test]
fn nobody_asks_in_a_scan_so_users_are_left_out_of_a_match_and_meet_no_exclude() {
    let both = r#"{"resources":{"kinds":["Pod"]},"clusterRoles":["admin"]}"#;
    assert_eq!(pod().ask(both, Place::Match).0, Answer::Yes);
    assert_eq!(pod().ask(both, Place::Exclude).0, Answer::No);
    let only_user = r#"{"any":[{"subjects":[{"kind":"User","name":"joe"}]}]}"#;
    assert_eq!(pod().ask(only_user, Place::Match).0, Answer::No);
}

#[test]
fn a_user_is_met_by_role_group_name_or_service_account() {
    let user = r#"{"roles":["prod:viewer"],"clusterRoles":["admin"],
        "userInfo":{"username":"system:serviceaccount:ci:bot","groups":["system:masters","dev"]}}"#;
    for (filter, expected) in [
        (r#""clusterRoles":["view","admin"]"#, true),
        (r#""clusterRoles":["adm*"]"#, false),
        (r#""roles":["prod:viewer"]"#, true),
        (r#""roles":["prod:viewer"],"clusterRoles":["view"]"#, false),
        (r#""subjects":[{"kind":"ServiceAccount","namespace":"ci","name":"b?t"}]"#, true),
        (r#""subjects":[{"kind":"ServiceAccount","namespace":"cd","name":"bot"}]"#, false),
        (r#""subjects":[{"kind":"Group","name":"system:*"}]"#, true),
        (r#""subjects":[{"kind":"User","name":"system:*:bot"}]"#, true),
        (r#""subjects":[{"kind":"Team","name":"*"}]"#, false),
    ] {
        let block = format!(r#"{{"any":[{{{filter}}}]}}"#);
        assert_eq!(pod().user(user).is_met(&block), expected, "{filter}");
        let excluded = pod().user(user).ask(&block, Place::Exclude).0 == Answer::Yes;
        assert_eq!(excluded, expected, "exclude {filter}");
    }
}

#[test]
fn only_what_is_asked_for_is_read() {
    let read = |resources: &str| pod().ask(&format!(r#"{{"resources":{resources}}}"#), Place::Match).1;
    assert_eq!(read(r#"{"kinds":["Pod"],"names":["*"],"namespaces":["prod"]}"#), Parts::NONE);
    assert_eq!(read(r#"{"kinds":["Pod"],"selector":{"matchLabels":{"a":"b"}}}"#), Parts::of(Part::Labels));
    assert_eq!(read(r#"{"kinds":["Job"],"selector":{"matchLabels":{"a":"b"}}}"#), Parts::NONE);
    assert_eq!(read(r#"{"annotations":{"a":"b"}}"#), Parts::of(Part::Annotations));
}

#[test]
fn the_kinds_of_a_block_are_never_narrower_than_what_it_means() {
    let kinds = |block: &str| -> Vec<String> {
        let block = Document::from_json(block.as_bytes()).unwrap();
        let block = MatchBlock::compile(block.root(), Place::Match);
        block.kinds().iter().map(|kind| kind.kind.as_str().to_owned()).collect()
    };
    assert_eq!(kinds(r#"{"resources":{"kinds":["Pod","v1/Job","Pod/exec"]}}"#), ["Pod", "Job"]);
    assert_eq!(
        kinds(r#"{"any":[{"resources":{"kinds":["Pod"]}},{"resources":{"kinds":["Job"]}}]}"#),
        ["Pod", "Job"]
    );
    assert_eq!(kinds(r#"{"all":[{"resources":{"names":["a"]}},{"resources":{"kinds":["Job"]}}]}"#), ["Job"]);
    assert_eq!(kinds(r#"{"any":[{"resources":{"names":["a"]}}]}"#), ["*"]);
    assert_eq!(kinds(r#"{"any":[{"clusterRoles":["a"]}]}"#), ["*"]);
    assert_eq!(kinds("{}"), Vec::<String>::new());
}
