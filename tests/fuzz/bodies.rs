//! What is fuzzed: each function takes any bytes and panics if a law breaks. Shared by the targets of cargo-fuzz, of which each uses one, and
//! by the seeded run of the test suite.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use patrol::document::{Document, Node, Value};
use patrol::gostd::regexp::Regexp;
use patrol::lang::jmespath::{Env, Program};
use patrol::lang::{Companions, Evaluation, Inputs, Request, compile, lint};
use patrol::model::{Fact, FactKey, FactValue, PolicyKey, PolicyKind, ResourceId, ResourceKey};
use patrol::policy::PolicySource;

/// How often an evaluation may ask for facts before it has to be done.
const ROUNDS_MAX: usize = 64;

/// Whatever can be read can be written, and reading that gives the same; whether anything could be read.
pub(crate) fn document(bytes: &[u8]) -> bool {
    let Ok(document) = Document::from_json(bytes) else { return false };
    let json = document.root().to_json();
    let again = Document::from_json(json.as_bytes()).expect("what was written can be read");
    assert_eq!(again.root().to_json(), json);
    true
}

/// The expression before the first line's end over the JSON behind it: it is printed and parsed to itself, and its evaluation ends;
/// whether there was an expression.
pub(crate) fn jmespath(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let (expression, json) = text.split_once('\n').unwrap_or((&text, "null"));
    let Ok(program) = Program::compile(expression) else { return false };
    let printed = program.to_string();
    let again = Program::compile(&printed).expect("what was printed can be parsed");
    assert_eq!(again.to_string(), printed, "of {expression}");
    let document = Document::from_json(json.as_bytes()).unwrap_or_else(|_| Document::null());
    let value = Value::from(document.root());
    let first = program.evaluate_on(&value, &Env::new(0, 1)).map(|value| value.to_json());
    let second = again.evaluate_on(&value, &Env::new(0, 1)).map(|value| value.to_json());
    assert_eq!(first, second, "of {expression}");
    true
}

/// An array of a policy and an object: compiling, linting and evaluating ends, and says the same twice; whether there was an outcome.
pub(crate) fn policy(bytes: &[u8]) -> bool {
    let Ok(input) = Document::from_json(bytes) else { return false };
    let part = |index: usize| input.root().at_index(index).map(|node| Value::from(node).to_document());
    let (Some(policy), Some(object)) = (part(0), part(1)) else { return false };
    let key = PolicyKey { kind: PolicyKind::ClusterPolicy, namespace: String::new(), name: "fuzzed".into() };
    let source = PolicySource { key, document: Arc::new(policy), origin: "fuzzing".into() };
    let text = |path: &[&str]| object.root().path(path).and_then(Node::as_str).unwrap_or_default().to_owned();
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
    let compiled = compile(&source, &Companions { sources: &[] });
    assert_eq!(lint(&source), lint(&source));
    let outcomes = || {
        let mut facts: BTreeMap<FactKey, Arc<Fact>> = BTreeMap::new();
        let request = Request::scan();
        for _ in 0..ROUNDS_MAX {
            let inputs = Inputs::new(&id, &object, &request, &facts, Timestamp::UNIX_EPOCH);
            match compiled.evaluator.evaluate(&inputs) {
                Evaluation::Done(outcomes) => return outcomes,
                Evaluation::Needs(keys) => {
                    assert!(!keys.is_empty(), "the policy needs nothing");
                    for key in keys {
                        let fact = patrol::fingerprint::fact(FactValue::Missing);
                        assert!(facts.insert(key, Arc::new(fact)).is_none(), "a fact is asked for again");
                    }
                }
            }
        }
        panic!("the evaluation does not come to an end");
    };
    let first = outcomes();
    let internal = first.iter().find(|outcome| outcome.message.contains("internal error"));
    assert_eq!(internal, None, "an evaluation panicked");
    assert_eq!(outcomes(), first);
    !first.is_empty()
}

/// The expression before the first line's end on the text behind it: what is found lies in the text; whether there was an expression.
pub(crate) fn regexp(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let (expression, text) = text.split_once('\n').unwrap_or((&text, ""));
    let Ok(regexp) = Regexp::compile(expression) else { return false };
    assert_eq!(regexp.is_match(text), regexp.find_range(text).is_some());
    assert_eq!(regexp.find_all(text, None).first().copied(), regexp.find(text));
    let captures = regexp.captures(text);
    assert!(captures.is_none_or(|groups| groups.len() == regexp.n_groups() + 1));
    let _ = regexp.replace_all(text, "<$0$1>");
    true
}
