//! What only the inside or a made-up scope can show: laziness, tracked reads, purity, errors that nothing hides.

use std::cell::RefCell;

use super::*;
use crate::document::{Document, Part, Parts, Reads};

/// Variables that note which of them were looked up.
struct Variables<'d> {
    object: Value<'d>,
    asked: RefCell<Vec<String>>,
}

impl<'d> Scope<'d> for Variables<'d> {
    fn get(&self, name: &str) -> Result<Option<Value<'d>>, EvaluateError> {
        self.asked.borrow_mut().push(name.to_owned());
        match name {
            "object" => Ok(Some(self.object.clone())),
            "pending" => Err(EvaluateError::Pending),
            "broken" => Err(EvaluateError::scope("failed to load `broken`")),
            _ => Ok(None),
        }
    }

    fn whole(&self) -> Result<Value<'d>, EvaluateError> {
        self.asked.borrow_mut().push("@".to_owned());
        Ok(Value::map([("object".into(), self.object.clone())].into()))
    }
}

const OBJECT: &str =
    r#"{"metadata": {"name": "n", "labels": {"a": "b"}}, "spec": {"n": 1}, "status": {"x": 1}}"#;

fn check(expression: &str) -> (Result<String, EvaluateError>, Vec<String>, Parts) {
    let document = Document::from_json(OBJECT.as_bytes()).unwrap();
    let reads = Reads::new();
    let program = Program::compile(expression).unwrap();
    let scope = Variables { object: document.tracked(&reads).into(), asked: RefCell::default() };
    let result = program.evaluate(&scope, &Env::new(0, 0)).map(|value| value.to_json());
    (result, scope.asked.into_inner(), reads.parts())
}

#[test]
fn a_path_looks_up_one_variable_and_reads_one_part() {
    let (result, asked, parts) = check("object.metadata.labels.a");
    assert_eq!((result.unwrap().as_str(), asked), ("\"b\"", vec!["object".to_owned()]));
    assert_eq!(parts, Parts::of(Part::Labels));
    assert_eq!(check("object.metadata.name").2, Parts::NONE);
    assert_eq!(check("@.object.spec.n").1, ["object"]);
    assert_eq!(check("@ | object.spec.n").1, ["object"]);
    assert_eq!(check("object.spec | n").2, Parts::of(Part::Spec));
    assert_eq!(check("object.status || object.spec").2, Parts::of(Part::Status));
    assert_eq!(check("object.*").2, Parts::ALL);
    assert_eq!(check("keys(@)").1, ["@"]);
}

#[test]
fn an_operand_that_is_not_needed_is_not_looked_up() {
    assert_eq!(check("object || pending").1, ["object"]);
    assert_eq!(check("missing && pending").1, ["missing"]);
}

#[test]
fn what_is_pending_or_broken_passes_through_every_operator() {
    for name in ["pending", "broken"] {
        for expression in [
            "X",
            "X.a",
            "X || 'a'",
            "X && 'a'",
            "'a' && X",
            "!X",
            "X == 'a'",
            "'a' == X",
            "X | 'a'",
            "X[]",
            "X[*]",
            "X.*",
            "X[?a]",
            "X[0]",
            "X[1:]",
            "[X]",
            "{a: X}",
            "not_null(X, 'a')",
            "no_such_function(X)",
        ] {
            let expression = expression.replace('X', name);
            let wanted = if name == "pending" {
                EvaluateError::Pending
            } else {
                EvaluateError::scope("failed to load `broken`")
            };
            assert_eq!(check(&expression).0, Err(wanted), "{expression}");
        }
    }
}

#[test]
fn too_many_steps_are_an_error_that_no_operator_hides() {
    let document = Document::from_json(OBJECT.as_bytes()).unwrap();
    let program = Program::compile("metadata[] || not_null(metadata.name, 'a')").unwrap();
    let mut n_exceeded = 0;
    for steps in 0..20 {
        let env = Env::new(0, 0).with_steps(steps);
        match program.evaluate_on(&document.root().into(), &env) {
            Err(EvaluateError::LimitExceeded) => n_exceeded += 1,
            result => assert_eq!(result.unwrap().to_json(), "\"n\""),
        }
    }
    assert!((5..15).contains(&n_exceeded), "{n_exceeded}");
}

#[test]
fn steps_are_counted_over_all_evaluations_of_an_environment() {
    let program = Program::compile("a").unwrap();
    let env = Env::new(0, 0).with_steps(3);
    let run = || program.evaluate_on(&Value::Null, &env);
    assert_eq!((0..3).filter_map(|_| run().ok()).count(), 3);
    assert_eq!(run().unwrap_err(), EvaluateError::LimitExceeded);
    env.reset();
    assert!(run().is_ok());
}

#[test]
fn purity_is_known_before_and_recorded_after() {
    for (expression, purity, was_volatile) in [
        ("a.b", Purity::Pure, false),
        ("time_add('2024-01-01T00:00:00Z', '1h')", Purity::Pure, false),
        ("time_now()", Purity::Volatile, true),
        ("[?time_now_utc()]", Purity::Volatile, false),
        ("random('')", Purity::Volatile, false),
        ("random('[ab]|c')", Purity::Volatile, true),
        ("time_since('', '2024-01-01T00:00:00Z', '')", Purity::Volatile, true),
        ("time_since('', '2024-01-01T00:00:00Z', '2024-01-02T00:00:00Z')", Purity::Pure, false),
        ("is_external_url('http://10.0.0.1')", Purity::Volatile, false),
        ("is_external_url('http://example.com') || 'x'", Purity::Volatile, true),
    ] {
        let program = Program::compile(expression).unwrap();
        let env = Env::new(0, 0);
        let _ = program.evaluate_on(&Value::Null, &env);
        assert_eq!((program.purity(), env.was_volatile()), (purity, was_volatile), "{expression}");
    }
}

#[test]
fn free_roots_are_the_identifiers_that_the_scope_is_asked_for() {
    for (expression, roots) in [
        ("a.b.c", vec!["a"]),
        ("a.b || c[?d == e].f", vec!["a", "c"]),
        ("length(a) == b", vec!["a", "b"]),
        ("[a, {x: b}]", vec!["a", "b"]),
        ("map(&x, a) | b", vec!["a"]),
        ("@.a | b", vec!["a"]),
        ("@ | a.b", vec!["a"]),
        ("a[*].b[?c]", vec!["a"]),
        ("keys(@)", vec!["@"]),
        ("*", vec!["@"]),
        ("'x'", vec![]),
        ("!a && (b)[0]", vec!["a", "b"]),
    ] {
        assert_eq!(Program::compile(expression).unwrap().free_roots(), roots, "{expression}");
    }
}

#[test]
fn unknown_functions_are_named_without_evaluating() {
    let program = Program::compile("a || lenght(b.foo(c), map(&bar(@), d))").unwrap();
    assert_eq!(program.unknown_functions(), ["bar", "foo", "lenght"]);
}

#[test]
fn programs_are_shared_between_threads() {
    fn is_shared<T: Send + Sync>() {}
    is_shared::<Program>();
}

#[test]
fn positions_of_errors_are_bytes_of_the_text() {
    for (text, message, position) in [
        ("foo[", "SyntaxError: Expected tStar, received: tEOF", 4),
        ("'é' | #", "SyntaxError: Unknown char: '#'", 7),
        ("a b", "SyntaxError: Unexpected token at the end of the expression: tUnquotedIdentifier", 2),
        ("a || `nope`", "invalid character 'o' in literal null (expecting 'u')", 6),
    ] {
        let error = Program::compile(text).unwrap_err();
        assert_eq!((error.message.as_str(), error.position), (message, position), "{text}");
    }
}

#[test]
fn names_are_resolved_by_whoever_is_given() {
    struct Fixed;
    impl Hosts for Fixed {
        fn addresses(&self, host: &str) -> Result<Vec<std::net::IpAddr>, EvaluateError> {
            match host {
                "inside" => Ok(vec![[10, 0, 0, 1].into()]),
                "outside" => Ok(vec![[8, 8, 8, 8].into()]),
                _ => Err(EvaluateError::Pending),
            }
        }
    }
    let env = Env::new(0, 0).with_hosts(&Fixed);
    let ask = |host: &str| {
        let program = Program::compile(&format!("is_external_url('http://{host}/x')")).unwrap();
        program.evaluate_on(&Value::Null, &env).map(|value| value.as_bool())
    };
    assert_eq!(ask("inside"), Ok(Some(false)));
    assert_eq!(ask("outside"), Ok(Some(true)));
    assert_eq!(ask("elsewhere"), Err(EvaluateError::Pending));
}

#[test]
fn constants_are_prepared_when_a_program_is_compiled() {
    let prepared = |expression: &str| match Program::compile(expression).unwrap().root {
        ast::Expr::Call(call) => call.prepared,
        _ => prepared::Prepared::Nothing,
    };
    assert!(matches!(prepared("regex_match('^a', @)"), prepared::Prepared::Regexp(_)));
    assert!(matches!(prepared("pattern_match('a*', @)"), prepared::Prepared::Wildcard(_)));
    assert!(matches!(prepared("regex_match(@, 'a')"), prepared::Prepared::Nothing));
    assert!(matches!(prepared("regex_match('(', 'a')"), prepared::Prepared::Nothing));
}
