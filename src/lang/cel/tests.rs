use super::*;
use crate::document::{Document, Part, Parts, Reads};
use crate::limits::CEL_COST_PER_CALL_MAX;

struct Names<'d> {
    object: Result<Value<'d>, EvalError>,
    lazy: Value<'d>,
}

impl<'d> Activation<'d> for Names<'d> {
    fn resolve(&self, slot: u16) -> Result<Value<'d>, EvalError> {
        if slot == 0 { self.object.clone() } else { Ok(self.lazy.clone()) }
    }
}

fn env() -> Environment {
    Environment::standard()
        .with_library(Library::Optionals(2))
        .with_library(Library::Strings(3))
        .with_library(Library::Bindings)
        .with_library(Library::Lists(3))
        .with_variable("object", Type::Dyn)
        .with_message("v", &[])
        .with_lazy_field("v", "first", Type::Int)
        .with_variable("variables", Type::message("v"))
}

fn refusal(source: &str) -> String {
    Program::compile(&env(), source).expect_err("refused").to_string()
}

#[test]
fn a_caret_stands_under_the_fault() {
    assert_eq!(
        refusal("1 + undeclared"),
        "ERROR: <input>:1:5: undeclared reference to 'undeclared' (in container '')\n \
         | 1 + undeclared\n | ....^"
    );
    assert_eq!(
        refusal("true ||\n  'é' == x"),
        "ERROR: <input>:2:10: undeclared reference to 'x' (in container '')\n |   'é' == x\n | ...．.....^"
    );
    assert_eq!(
        refusal("1 + 'a'"),
        "ERROR: <input>:1:3: found no matching overload for '_+_' applied to '(int, string)'\n \
         | 1 + 'a'\n | ..^"
    );
}

#[test]
fn all_faults_are_listed_by_their_places() {
    let errors = Program::compile(&env(), "b + a").expect_err("refused");
    let places: Vec<_> = errors.errors.iter().map(|error| (error.line, error.column)).collect();
    assert_eq!(places, [(1, 1), (1, 5)]);
}

#[test]
fn a_result_type_is_known_before_evaluation() {
    for (source, kind) in [
        ("1 + 1", "int"),
        ("[1, 2].map(x, string(x))", "list(string)"),
        ("object.a", "dyn"),
        ("{'a': 1}.?a", "optional_type(int)"),
        ("object.a == 1", "bool"),
        ("variables.first", "int"),
    ] {
        let program = Program::compile(&env(), source).expect("a program");
        assert_eq!(program.result_type().to_string(), kind, "{source}");
    }
}

#[test]
fn a_pending_fact_is_never_absorbed() {
    let names = Names { object: Err(EvalError::Pending), lazy: Value::Null };
    for source in [
        "object.a || true",
        "object.a && false",
        "true && object.a",
        "[1].exists(x, object.a)",
        "[1, 2].all(x, x == 1 && object.a)",
        "[1].filter(x, object.a)",
        "[1].map(x, object.a)",
        "optional.of(object).optMap(x, 1).hasValue()",
        "has(object.a)",
        "cel.bind(x, object, x || true)",
        "object == 1 ? 1 : 2",
        "1/0 == 1 || object.a",
        "(1/0) + object.a",
    ] {
        let program = Program::compile(&env(), source).expect("a program");
        let outcome = program.evaluate(&names, &Budget::default());
        assert_eq!(outcome.err(), Some(EvalError::Pending), "{source}");
    }
    for source in ["true || object.a", "cel.bind(x, object, true)", "false ? object.a : 1"] {
        let program = Program::compile(&env(), source).expect("a program");
        assert!(program.evaluate(&names, &Budget::default()).is_ok(), "{source}");
    }
}

#[test]
fn a_bind_is_computed_when_it_is_read_and_once() {
    let program =
        Program::compile(&env(), "cel.bind(x, 1/0, [1, 2].all(i, i < 3 || x == 1))").expect("a program");
    assert!(program.evaluate(&NoVariables, &Budget::default()).is_ok());
    let program = Program::compile(&env(), "cel.bind(x, 1/0, x == 1)").expect("a program");
    let error = program.evaluate(&NoVariables, &Budget::default()).expect_err("an error");
    assert_eq!(error.message(), "division by zero");
}

#[test]
fn the_cost_limit_ends_an_evaluation() {
    let source = "lists.range(1000).all(x, lists.range(1000).all(y, x + y >= 0)) || true";
    let program = Program::compile(&env(), source).expect("a program");
    let budget = Budget::default();
    let error = program.evaluate(&NoVariables, &budget).expect_err("cancelled");
    assert_eq!(error.message(), "operation cancelled: actual cost limit exceeded");
    assert!(!error.is_absorbable());
    assert!(budget.spent() > CEL_COST_PER_CALL_MAX);
}

#[test]
fn all_evaluations_of_a_policy_share_a_budget() {
    let source = "lists.range(300).all(x, lists.range(300).all(y, x + y >= 0))";
    let program = Program::compile(&env(), source).expect("a program");
    let budget = Budget::of_api_server();
    let n_evaluated = (0..100).take_while(|_| program.evaluate(&NoVariables, &budget).is_ok()).count();
    assert!((10..20).contains(&n_evaluated), "{n_evaluated}");
    assert!(budget.is_exhausted());
    let program = Program::compile(&env(), "true").expect("a program");
    let error = program.evaluate(&NoVariables, &budget);
    assert!(error.is_err_and(|error| error.message().starts_with("validation failed due to running out")));
}

#[test]
fn times_in_typed_messages_are_instants() {
    let document = Document::from_json(br#"{"at": "2024-02-29T12:00:00Z"}"#).expect("JSON");
    let env = Environment::standard()
        .with_message("m", &[("at", Type::Timestamp)])
        .with_variable("o", Type::message("m"));
    let names = Names { object: Ok(document.root().into()), lazy: Value::Null };
    let program =
        Program::compile(&env, "o.at.getFullYear() == 2024 && o.at < timestamp(1e10 < 1.0 ? 0 : 9999999999)");
    let program = program.expect("a program");
    let value = program.evaluate(&names, &Budget::default()).expect("a value");
    assert_eq!(value.as_bool(), Some(true));
}

#[test]
fn a_list_beyond_all_bounds_is_not_made() {
    let program = Program::compile(&env(), "lists.range(9223372036854775807).size()").expect("a program");
    let error = program.evaluate(&NoVariables, &Budget::default()).expect_err("cancelled");
    assert!(matches!(error, EvalError::Cancelled(_)));
}

#[test]
fn only_what_is_looked_at_counts_as_read() {
    let text = br#"{"metadata": {"name": "n", "labels": {"a": "b"}, "annotations": {"x": "y"}},
        "spec": {"n": 1}, "status": {"n": 2}}"#;
    let document = Document::from_json(text).expect("JSON");
    for (source, wanted) in [
        ("object.spec.n == 1", Parts::of(Part::Spec)),
        ("has(object.status)", Parts::of(Part::Status)),
        ("object.metadata.name == 'n'", Parts::NONE),
        ("'a' in object.metadata.labels", Parts::of(Part::Labels)),
        ("object.metadata.?annotations.?x.orValue('') == 'y'", Parts::of(Part::Annotations)),
        ("object.spec.n == 1 || object.status.n == 2", Parts::of(Part::Spec)),
        ("has(object.data)", Parts::of(Part::Rest)),
        ("object.all(k, k != '')", Parts::ALL),
        ("1 == 1", Parts::NONE),
    ] {
        let reads = Reads::new();
        let program = Program::compile(&env(), source).expect("a program");
        let names = Names { object: Ok(document.tracked(&reads).into()), lazy: Value::Null };
        program.evaluate(&names, &Budget::default()).expect("a value");
        assert_eq!(reads.parts(), wanted, "{source}");
    }
}

#[test]
fn a_lazy_field_is_a_variable_of_its_own() {
    assert_eq!(env().slot("variables.first"), Some(1));
    let names = Names { object: Ok(Value::Null), lazy: Value::Int(7) };
    let program =
        Program::compile(&env(), "variables.first + 1 == 8 && has(variables.first)").expect("a program");
    let value = program.evaluate(&names, &Budget::default()).expect("a value");
    assert_eq!(value.as_bool(), Some(true));
    assert!(refusal("variables.second").contains("undefined field 'second'"));
}

#[test]
fn constants_are_computed_when_the_program_is_made() {
    use super::ir::{Const, Ir};
    for source in
        ["1 + 2 == 3", "'a' in ['a', 'b']", "size([1, 2, 3]) > 2", "duration('1h') < duration('2h')"]
    {
        let program = Program::compile(&env(), source).expect("a program");
        assert!(matches!(program.root, Ir::Const(Const::Bool(true))), "{source}: {:?}", program.root);
    }
    let program = Program::compile(&env(), "object.kind in ['Pod', 'Job']").expect("a program");
    assert!(matches!(program.root, Ir::InStrings(..)));
    let program = Program::compile(&env(), "object.kind.matches('^P')").expect("a program");
    assert!(matches!(program.root, Ir::Matches(..)));
    let program = Program::compile(&env(), "object.spec['a'].b").expect("a program");
    assert!(matches!(&program.root, Ir::Select { fields, .. } if fields.len() == 3));
    let program = Program::compile(&env(), "1 / 0").expect("a program");
    assert!(matches!(program.root, Ir::Binary(..)));
}

#[test]
fn programs_are_shared_between_threads() {
    fn is_shared<T: Send + Sync>() {}
    is_shared::<Program>();
    is_shared::<Environment>();
}

#[test]
fn values_stay_small() {
    assert!(std::mem::size_of::<Value<'_>>() <= 32, "{}", std::mem::size_of::<Value<'_>>());
    assert!(std::mem::size_of::<Result<Value<'_>, EvalError>>() <= 40);
}
