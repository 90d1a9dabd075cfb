//! Arbitrary input: parser, checker and evaluator end within their limits and never panic, however deep or
//! odd the text is.

use std::sync::LazyLock;

use patrol::document::Document;
use patrol::lang::cel::{Budget, Environment, Program};
use patrol::limits;

use super::goldens;
use super::random::Rng;

const WORDS: [&str; 74] = [
    "object",
    "object.spec",
    "x",
    "y",
    "1",
    "0",
    "-1",
    "9223372036854775807",
    "1u",
    "1.5",
    "'a'",
    "\"é✓\"",
    "b'\\xff'",
    "true",
    "null",
    "[]",
    "[1, 2]",
    "{}",
    "{'a': 1}",
    "+",
    "-",
    "*",
    "/",
    "%",
    "<",
    "<=",
    "==",
    "!=",
    "&&",
    "||",
    "!",
    "?",
    ":",
    "in",
    ".",
    ".?",
    "[?",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    " ",
    "\n",
    "//c\n",
    "has(",
    "all(x, ",
    ".all(x, ",
    ".exists(x, ",
    ".map(x, ",
    ".filter(x, ",
    ".size()",
    "size(",
    "int(",
    "string(",
    "duration('1h')",
    "timestamp('2024-01-01T00:00:00Z')",
    "optional.of(",
    ".orValue(",
    ".optMap(x, ",
    ".matches('a')",
    ".split('')",
    ".format([",
    "quantity('1Gi')",
    "ip('::1')",
    "lists.range(3)",
    ".sortBy(x, ",
    ".transformMap(x, y, ",
    "cel.bind(x, ",
    "dyn(",
    "type(",
    "`a-b`",
];

fn run(text: &str, document: &Document) {
    static ENVIRONMENT: LazyLock<Environment> = LazyLock::new(goldens::environment);
    let env = &*ENVIRONMENT;
    if let Ok(program) = Program::compile(env, text) {
        let budget = Budget::per_call(100_000);
        let _ = program.evaluate(&goldens::Names(Some(document)), &budget);
        assert!(budget.spent() < 10_000_000, "{text}");
    }
    if let Ok(program) = Program::compile_unchecked(env, text) {
        let _ = program.evaluate(&goldens::Names(Some(document)), &Budget::per_call(100_000));
    }
}

fn document() -> Document {
    Document::from_json(br#"{"metadata":{"labels":{"a":"b"}},"spec":{"n":3,"list":[1,"a",null,{"x":[[]]}]}}"#)
        .expect("JSON")
}

#[test]
fn random_words_never_panic() {
    let (mut rng, document) = (Rng::new(7), document());
    for _ in 0..4_000 {
        let n = 1 + rng.below(14);
        let text: String = (0..n).map(|_| *rng.pick(&WORDS)).collect();
        run(&text, &document);
    }
}

#[test]
fn random_characters_never_panic() {
    let (mut rng, document) = (Rng::new(11), document());
    let characters: Vec<char> = "ab1.0xuUeE+-*/%<>=!&|?:,()[]{}'\"\\`\n\t _$#@é✓😀rbx\u{0}".chars().collect();
    for _ in 0..4_000 {
        let n = rng.below(24);
        let text: String = (0..n).map(|_| *rng.pick(&characters)).collect();
        run(&text, &document);
    }
}

#[test]
fn mutated_expressions_never_panic() {
    let (mut rng, document) = (Rng::new(13), document());
    let results = include_str!("../../cel-goldens/table.txt");
    let lines: Vec<&str> =
        results.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    for _ in 0..4_000 {
        let mut characters: Vec<char> = rng.pick(&lines).chars().filter(|c| !"<>".contains(*c)).collect();
        for _ in 0..=rng.below(3) {
            if characters.is_empty() {
                break;
            }
            let at = rng.below(characters.len());
            match rng.below(3) {
                0 => drop(characters.remove(at)),
                1 => characters.insert(at, *rng.pick(&['(', ')', '.', '\'', '1', ',', '[', '?', ' '])),
                _ => characters[at] = *rng.pick(&['(', ')', '.', '\'', '1', ',', '[', '?', ' ']),
            }
        }
        run(&characters.into_iter().collect::<String>(), &document);
    }
}

#[test]
fn deep_expressions_end_within_the_limit() {
    let deep =
        std::thread::Builder::new().stack_size(limits::CEL_STACK_BYTES_MIN).spawn(run_deep_expressions);
    deep.expect("a thread").join().expect("no panic");
}

fn run_deep_expressions() {
    let document = document();
    let nested = |open: &str, middle: &str, close: &str, n: usize| {
        format!("{}{middle}{}", open.repeat(n), close.repeat(n))
    };
    for n in [10, 100, 200, 249, 250, 251, 400, 20_000] {
        for (open, middle, close) in [
            ("(", "1", ")"),
            ("[", "1", "]"),
            ("{'a': ", "1", "}"),
            ("!(", "true", ")"),
            ("-(", "1", ")"),
            ("true ? 1 : (", "1", ")"),
            ("string(", "'a'", ")"),
            ("[1].map(x, ", "1", ")"),
            ("[1].all(x, ", "true", ")"),
            ("optional.of(", "1", ")"),
            ("object[", "1", "]"),
            ("dyn(", "1", ")"),
            ("1 + (", "1", ")"),
        ] {
            run(&nested(open, middle, close, n), &document);
        }
        for (first, more) in [
            ("1", " + 1"),
            ("object", ".a"),
            ("object", "[0]"),
            ("object", ".?a"),
            ("true", " && true"),
            ("true", " ? true : true"),
            ("'a'", ".trim()"),
            ("1 == 1", " == true"),
            ("'a'", " in ['a']"),
        ] {
            run(&format!("{first}{}", more.repeat(n)), &document);
        }
    }
}

#[test]
fn long_expressions_take_time_in_proportion() {
    let document = document();
    for (first, more) in
        [("1 == 1", " && 1 == 1"), ("[1", ", 2"), ("{'a': 1", ", 'b': object.a"), ("'a' in ['a'", ", 'b'")]
    {
        let n = 90_000 / more.len();
        let close = match first.chars().next() {
            Some('[' | '\'') => "]",
            Some('{') => "}",
            _ => "",
        };
        run(&format!("{first}{}{close}", more.repeat(n)), &document);
    }
}

#[test]
fn too_long_an_expression_is_refused() {
    let env = goldens::environment();
    let error = Program::compile(&env, &"1".repeat(100_001)).expect_err("too long");
    assert!(
        error.to_string().contains("expression code point size exceeds limit: size: 100001, limit 100000")
    );
}
