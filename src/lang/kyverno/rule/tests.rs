//! Rules on resources, as tables; what a Kyverno user reads is in `tests/it/spec`.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::{Exclusions, Rule, RuleContext, RuleResult};
use crate::document::{Document, Node};
use crate::fingerprint;
use crate::lang::{Inputs, Request, Volatility};
use crate::model::{
    Fact, FactKey, FactValue, Outcome, PolicyKey, PolicyKind, ResourceId, ResourceKey, Status,
};

pub(super) fn yaml(text: &str) -> Document {
    serde_saphyr::with_deserializer_from_str(text, |deserializer| {
        Document::from_deserializer(deserializer, text.len())
    })
    .unwrap_or_else(|error| panic!("{error}: {text}"))
}

pub(super) struct World {
    rule: Rule,
    facts: BTreeMap<FactKey, Arc<Fact>>,
    request: Request,
}

impl World {
    pub(super) fn new(rule: &str) -> Self {
        let policy_key =
            PolicyKey { kind: PolicyKind::ClusterPolicy, namespace: String::new(), name: "p".into() };
        let context = RuleContext { policy: &policy_key, exceptions: &[] };
        let (rule, _) = Rule::compile(yaml(rule).root(), &context);
        Self { rule, facts: BTreeMap::new(), request: Request::scan() }
    }

    pub(super) fn fact(mut self, key: FactKey, value: FactValue) -> Self {
        self.facts.insert(key, Arc::new(fingerprint::fact(value)));
        self
    }

    pub(super) fn given(mut self, name: &str, value: &str) -> Self {
        self.request.given.insert(name.into(), Arc::new(yaml(value)));
        self
    }

    pub(super) fn run(&self, resource: &str) -> (RuleResult, Vec<FactKey>, Option<Volatility>) {
        let document = yaml(resource);
        let root = document.root();
        let text = |path: &[&str]| root.path(path).and_then(Node::as_str).unwrap_or_default().to_owned();
        let id = ResourceId {
            key: ResourceKey {
                group: String::new(),
                kind: text(&["kind"]),
                namespace: text(&["metadata", "namespace"]),
                name: text(&["metadata", "name"]),
            },
            version: "v1".into(),
            uid: String::new(),
        };
        let inputs = Inputs::new(&id, &document, &self.request, &self.facts, Timestamp::UNIX_EPOCH);
        let result = self.rule.evaluate(&inputs, &Exclusions::default());
        (result, inputs.needs(), inputs.volatility())
    }

    pub(super) fn outcome(&self, resource: &str) -> Outcome {
        match self.run(resource).0 {
            RuleResult::Done(outcome) => outcome,
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    pub(super) fn expect(&self, resource: &str, status: Status, message: &str) {
        let outcome = self.outcome(resource);
        assert_eq!((outcome.status, outcome.message.as_str()), (status, message));
    }
}

#[test]
fn a_pattern_passes_fails_and_names_the_place() {
    let world =
        World::new("{name: r, validate: {message: 'set app', pattern: {metadata: {labels: {app: '?*'}}}}}");
    world.expect("{metadata: {labels: {app: a}}}", Status::Pass, "validation rule 'r' passed.");
    world.expect(
        "{metadata: {labels: {app: ''}}}",
        Status::Fail,
        "validation error: set app. rule r failed at path /metadata/labels/app/",
    );
}

#[test]
fn any_pattern_names_every_place() {
    let world = World::new(
        "{name: r, validate: {message: 'a or b.', anyPattern: [{spec: {a: '1'}}, {spec: {'(c)': x, b: '2'}}]}}",
    );
    world.expect("{spec: {a: '1'}}", Status::Pass, "validation rule 'r' anyPattern[0] passed.");
    world.expect(
        "{spec: {c: x}}",
        Status::Fail,
        "validation error: a or b. rule r[0] failed at path /spec/a/ rule r[1] failed at path /spec/b/",
    );
}

#[test]
fn deny_shows_the_message_and_those_of_the_conditions() {
    let world = World::new(
        "{name: r, validate: {message: 'no {{request.object.kind}}', deny: {conditions: {any: [
          {key: '{{request.object.spec.a}}', operator: Equals, value: 1, message: 'a is {{request.object.spec.a}}'},
          {key: '{{request.object.spec.b || `0`}}', operator: GreaterThan, value: 1}]}}}}",
    );
    world.expect("{kind: Pod, spec: {a: 1}}", Status::Fail, "no Pod; a is 1");
    world.expect("{kind: Pod, spec: {a: 2, b: 2}}", Status::Fail, "no Pod");
    world.expect("{kind: Pod, spec: {a: 2}}", Status::Pass, "validation rule 'r' passed.");
    world.expect(
        "{kind: Pod, spec: {}}",
        Status::Error,
        "failed to check deny conditions: failed to substitute variables in condition key: failed to resolve \
         request.object.spec.a at path : JMESPath query failed: Unknown key \"a\" in path",
    );
}

#[test]
fn preconditions_that_are_not_met_skip_the_rule() {
    let world = World::new(
        "{name: r, preconditions: {all: [{key: '{{request.operation}}', operator: Equals, value: DELETE, message: m}]},
          validate: {deny: {}}}",
    );
    world.expect("{}", Status::Skip, "preconditions not met; m");
    let world = World::new("{name: r, preconditions: [], validate: {deny: {}}}");
    world.expect("{}", Status::Fail, "validation error: rule r failed");
}

#[test]
fn variables_keep_their_type_nest_and_can_be_escaped() {
    let deny = |key: &str, value: &str| {
        World::new(&format!(
            "{{name: r, validate: {{message: m, deny: {{conditions: [{{key: {key}, operator: Equals, value: {value}}}]}}}}}}"
        ))
    };
    let resource =
        "{kind: Pod, metadata: {labels: {a: b, b: c, n: '{{ x }}'}}, spec: {list: [1, x], map: {k: <v>}}}";
    let cases = [
        ("'{{ request.object.spec.list }}'", "[1, x]"),
        ("'{{ request.object.spec.map }}'", "{k: <v>}"),
        ("'l: {{request.object.spec.list}}'", "'l: [1,\"x\"]'"),
        ("'{{request.object.metadata.labels.{{request.object.metadata.labels.a}}}}'", "c"),
        ("'{{request.object.metadata.labels.a}}{{request.object.metadata.labels.b}}'", "bc"),
        (r"'\{{ request.object.kind }} {{request.object.kind}}'", r"'\{{ request.object.kind }} Pod'"),
        ("{'{{request.object.metadata.labels.a}}': 1}", "{b: 1}"),
        ("['{{request.object.kind}}']", "[Pod]"),
        ("'{{ request.object.spec.{x: map.k} }}'", "{x: <v>}"),
    ];
    for (key, value) in cases {
        let outcome = deny(key, value).outcome(resource);
        assert_eq!((outcome.status, outcome.message.as_str()), (Status::Fail, "m"), "{key}");
    }
}

#[test]
fn patterns_may_refer_to_themselves_and_to_variables() {
    let world = World::new(
        "{name: r, validate: {message: m, pattern: {spec: {'=(limits)': {memory: '?*'}, requests: {memory: '<=$(./../../limit)'}, limit: 1Gi}}}}",
    );
    world.expect(
        "{spec: {requests: {memory: 512Mi}, limit: 1Gi}}",
        Status::Pass,
        "validation rule 'r' passed.",
    );
    world.expect(
        "{spec: {requests: {memory: 2Gi}, limit: 1Gi}}",
        Status::Fail,
        "validation error: m. rule r failed at path /spec/requests/memory/",
    );
    let world =
        World::new("{name: r, validate: {pattern: {metadata: {name: '{{request.object.spec.name}}-*'}}}}");
    world.expect("{metadata: {name: a-1}, spec: {name: a}}", Status::Pass, "validation rule 'r' passed.");
    world.expect(
        "{metadata: {name: a-1}}",
        Status::Error,
        "variable substitution failed: failed to resolve request.object.spec.name at path /metadata/name: JMESPath \
         query failed: Unknown key \"spec\" in path",
    );
    let world = World::new("{name: r, validate: {pattern: {a: '$(b)'}}}");
    world.expect(
        "{}",
        Status::Error,
        "variable substitution failed: got nil resolved variable $(b) at path /a: <nil>",
    );
}

const EACH: &str = "{name: r, validate: {message: 'bad {{request.object.metadata.name}}', foreach: [
  {list: 'request.object.spec.containers', preconditions: {all: [{key: '{{element.name}}', operator: NotEquals, value: skipped}]},
   deny: {conditions: [{key: '{{element.image}}', operator: Equals, value: '*:latest'}]}}]}}";

#[test]
fn foreach_checks_each_element() {
    let world = World::new(EACH);
    let pod = |containers: &str| format!("{{metadata: {{name: pod}}, spec: {{containers: {containers}}}}}");
    world.expect(&pod("[{name: a, image: 'x:1'}, {name: b, image: 'y:1'}]"), Status::Pass, "rule passed");
    world.expect(
        &pod("[{name: a, image: 'x:1'}, {name: b, image: 'y:latest'}]"),
        Status::Fail,
        "validation failure: bad pod",
    );
    world.expect(
        &pod("[{name: skipped, image: 'y:latest'}, {name: a, image: b}]"),
        Status::Pass,
        "rule passed",
    );
    for none in ["[]", "[{name: skipped}]", "null"] {
        assert_eq!(world.run(&pod(none)).0, RuleResult::NotApplicable, "{none}");
    }
    assert_eq!(world.run("{}").0, RuleResult::NotApplicable);
}

#[test]
fn an_error_of_an_element_ends_the_rule() {
    let world = World::new(EACH);
    let pod = |containers: &str| format!("{{metadata: {{name: pod}}, spec: {{containers: {containers}}}}}");
    world.expect(
        &pod("[{name: a}, {name: b, image: 'y:1'}]"),
        Status::Error,
        "validation failure: failed to check deny conditions: failed to substitute variables in condition key: failed \
         to resolve element.image at path : JMESPath query failed: Unknown key \"image\" in path",
    );
}

#[test]
fn nested_foreach_sees_the_elements_around_it() {
    let world = World::new(
        "{name: r, validate: {message: 'port', foreach: [{list: request.object.spec.containers, foreach: [
          {list: 'element.ports', context: [{name: both, variable: {value: '{{element0.name}}-{{elementIndex0}}-{{element1.port}}-{{elementIndex}}'}}],
           deny: {conditions: [{key: '{{both}}', operator: Equals, value: b-1-80-1}]}}]}]}}",
    );
    world.expect(
        "{spec: {containers: [{name: a, ports: [{port: 80}]}, {name: b, ports: [{port: 1}, {port: 80}]}]}}",
        Status::Fail,
        "validation failure: validation failure: port",
    );
    world.expect("{spec: {containers: [{name: a, ports: [{port: 80}]}]}}", Status::Pass, "rule passed");
}

#[test]
fn patterns_in_foreach_are_matched_against_the_element_or_the_resource() {
    let world = World::new(
        "{name: r, validate: {foreach: [{list: request.object.spec.containers, pattern: {name: 'a*', '=(n)': 1}}]}}",
    );
    world.expect("{spec: {containers: [{name: a, n: 1}]}}", Status::Pass, "rule passed");
    world.expect(
        "{spec: {containers: [{name: b}]}}",
        Status::Fail,
        "validation failure: validation error: rule r failed at path /name/",
    );
    let world = World::new(
        "{name: r, validate: {foreach: [{list: request.object.spec.containers, elementScope: false, pattern: {spec: {x: '1'}}}]}}",
    );
    world.expect("{spec: {x: 1, containers: [{name: b}]}}", Status::Pass, "rule passed");
    let world = World::new(
        "{name: r, validate: {foreach: [{list: 'request.object.spec.names', elementScope: true, pattern: {a: 1}}]}}",
    );
    world.expect(
        "{spec: {names: [a]}}",
        Status::Error,
        "failed to process foreach: cannot use elementScope=true foreach rules for elements that are not maps, \
         expected type=map got type=string",
    );
}

#[test]
fn context_entries_are_loaded_when_they_are_looked_at() {
    let rule = "{name: r, context: [
        {name: unused, configMap: {name: none, namespace: none}},
        {name: dictionary, configMap: {name: '{{request.object.metadata.name}}-cm', namespace: ns}},
        {name: allowed, variable: {jmesPath: 'dictionary.data.allowed', default: '[]'}}],
      validate: {message: m, deny: {conditions: [{key: '{{request.object.spec.role}}', operator: AnyNotIn, value: '{{allowed}}'}]}}}";
    let key = FactKey::ConfigMap { namespace: "ns".into(), name: "a-cm".into() };
    let (result, needs, _) = World::new(rule).run("{metadata: {name: a}, spec: {role: x}}");
    assert_eq!((result, needs), (RuleResult::Needs, vec![key.clone()]));
    let found = FactValue::Found(yaml("{metadata: {name: a-cm}, data: {allowed: '[\"x\", \"y\"]'}}"));
    let world = World::new(rule).fact(key.clone(), found);
    world.expect("{metadata: {name: a}, spec: {role: x}}", Status::Pass, "validation rule 'r' passed.");
    world.expect("{metadata: {name: a}, spec: {role: z}}", Status::Fail, "m");
    let world = World::new(rule).fact(key, FactValue::Missing);
    world.expect("{metadata: {name: a}, spec: {role: x}}", Status::Fail, "m");
}

#[test]
fn a_context_entry_that_cannot_be_loaded_is_named() {
    let rule = "{name: r, context: [{name: cm, configMap: {name: c}}],
      validate: {deny: {conditions: [{key: '{{cm.data.x}}', operator: Equals, value: a}]}}}";
    let key = FactKey::ConfigMap { namespace: "default".into(), name: "c".into() };
    let outcome = World::new(rule).fact(key, FactValue::Missing).outcome("{}");
    assert_eq!(outcome.status, Status::Error);
    assert!(
        outcome.message.ends_with("Unknown key \"cm\" in path; failed to get configmap default/c: not found"),
        "{}",
        outcome.message
    );
}

#[test]
fn api_calls_have_paths_bodies_expressions_and_defaults() {
    let rule = "{name: r, context: [{name: count, apiCall: {urlPath: '/api/v1/namespaces/{{request.namespace}}/pods', jmesPath: 'items | length(@)', default: 0}}],
      validate: {message: 'n is {{count}}', deny: {conditions: [{key: '{{count}}', operator: GreaterThan, value: 1}]}}}";
    let key = FactKey::ApiCall {
        method: "GET".into(),
        path: "/api/v1/namespaces/x/pods".into(),
        body: String::new(),
    };
    let resource = "{metadata: {name: a, namespace: x}}";
    assert_eq!(World::new(rule).run(resource).1, vec![key.clone()]);
    let world = World::new(rule).fact(key.clone(), FactValue::Found(yaml("{items: [{}, {}]}")));
    world.expect(resource, Status::Fail, "n is 2");
    let failed = FactValue::Failed { message: "no".into(), is_transient: false };
    World::new(rule).fact(key, failed).expect(resource, Status::Pass, "validation rule 'r' passed.");
}

#[test]
fn values_that_a_test_gives_come_before_look_ups() {
    let world = World::new(
        "{name: r, context: [{name: cm, configMap: {name: c, namespace: n}}],
          validate: {message: m, deny: {conditions: [{key: '{{cm.data.role}}-{{request.mode}}', operator: Equals, value: a-b}]}}}",
    )
    .given("cm.data.role", "a")
    .given("request.mode", "b");
    world.expect("{}", Status::Fail, "m");
    let world = World::new(
        "{name: r, preconditions: {all: [{key: '{{request.operation}}', operator: Equals, value: UPDATE}]}, validate: {deny: {}}}",
    )
    .given("request.operation", "UPDATE");
    world.expect("{}", Status::Fail, "validation error: rule r failed");
}

#[test]
fn time_makes_an_outcome_volatile() {
    let rule = "{name: r, validate: {deny: {conditions: [{key: \"{{ time_now_utc() }}\", operator: Equals, value: x}]}}}";
    let (_, _, volatility) = World::new(rule).run("{}");
    assert_eq!(volatility, Some(Volatility::MaxAge));
}

#[test]
fn images_are_taken_apart() {
    let world = World::new(
        "{name: r, validate: {message: '{{images.containers.a.registry}} {{images.containers.a.path}} {{images.containers.a.tag}} {{images.initContainers.i.digest}}', deny: {}}}",
    );
    world.expect(
        "{kind: Deployment, spec: {template: {spec: {containers: [{name: a, image: nginx}], initContainers: [{name: i, image: 'ghcr.io/x/y@sha256:abc'}]}}}}",
        Status::Fail,
        "docker.io nginx latest sha256:abc",
    );
}

#[test]
fn report_properties_are_shown_with_every_outcome() {
    let world = World::new("{name: r, reportProperties: {a: b}, validate: {deny: {}}}");
    assert_eq!(world.outcome("{}").properties, BTreeMap::from([("a".to_owned(), "b".to_owned())]));
}

#[test]
fn what_is_not_built_is_an_error_that_names_it() {
    for (rule, what) in [
        ("{name: r, validate: {assert: {(cel;a): 1}}}", "`cel`"),
        (
            "{name: r, verifyImages: [{imageReferences: ['*'], verifyDigest: false, attestors: [{}]}]}",
            "images.registry",
        ),
    ] {
        let refused = FactValue::Refused("setting `images.registry`".into());
        let world = World::new(rule).fact(FactKey::ImageDigest("docker.io/a@sha256:b".into()), refused);
        let outcome = world.outcome("{kind: Pod, spec: {containers: [{name: a, image: 'a@sha256:b'}]}}");
        assert_eq!(outcome.status, Status::Error);
        assert!(outcome.message.contains(what), "{}", outcome.message);
    }
    assert_eq!(World::new("{name: r, mutate: {}}").run("{}").0, RuleResult::NotApplicable);
}
