//! Arbitrary input: parser, checker and evaluator end within their limits and never panic, however deep or
//! odd the text is.

use std::sync::LazyLock;
use std::time::Duration;

use patrol::document::Document;
use patrol::lang::cel::{Budget, Environment, Program};
use patrol::limits;
use rustix::time::{ClockId, clock_gettime};

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
            ("'%s'.format([", "1", "])"),
            ("object.?a.optMap(x, ", "1", ")"),
            ("object.a.optFlatMap(x, ", "optional.of(1)", ")"),
            ("[1].sortBy(x, ", "1", ")"),
            ("{'a': 1}.transformMap(x, y, ", "1", ")"),
            ("cel.bind(x, 1, ", "1", ")"),
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
            ("object.?a", ".optMap(x, x)"),
            ("nothing", ".optMap(x, x)"),
            ("[1, 2][?0]", ".optMap(x, x)"),
            ("[1]", ".sortBy(x, x)"),
            ("'%s'", ".format(['a'])"),
            ("1 == 1", " == true"),
            ("'a'", " in ['a']"),
        ] {
            run(&format!("{first}{}", more.repeat(n)), &document);
        }
    }
}

/// How much longer four times as long an expression may take. In proportion it is 4, of a square 16.
const RATIO_MAX: f64 = 10.0;

/// The processor time of this thread, which other load on the machine hardly changes.
fn thread_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    let (seconds, nanos) = (u64::try_from(now.tv_sec), u32::try_from(now.tv_nsec));
    Duration::new(seconds.expect("a time"), nanos.expect("nanoseconds"))
}

/// What a run takes.
fn time_of(text: &str, document: &Document) -> Duration {
    let start = thread_time();
    run(text, document);
    thread_time().saturating_sub(start)
}

#[test]
fn long_expressions_take_time_in_proportion() {
    let document = document();
    for (first, more, close) in [
        ("1 == 1", " && 1 == 1", ""),
        ("1 == 1", " || 1 == 2", ""),
        ("[1", ", 2", "]"),
        ("['a'", ", object.a", "]"),
        ("{'a': 1", ", 'b': object.a", "}"),
        ("'a' in ['a'", ", 'b'", "]"),
        ("size('", "a", "') > 1"),
        ("1 ==", "  ", "1"),
        ("1 ==", " //c\n", "1"),
        ("object.f(1", ", x.y", ")"),
    ] {
        let of_length = |n_chars: usize| format!("{first}{}{close}", more.repeat(n_chars / more.len()));
        let (short, long) = (of_length(22_500), of_length(90_000));
        // WHY: the fastest of several is what the work itself takes; they take turns, so that a slow moment
        // of the machine does not fall on one of them alone.
        let fastest = |(short_min, long_min): (Duration, Duration), _| {
            (short_min.min(time_of(&short, &document)), long_min.min(time_of(&long, &document)))
        };
        let (short_min, long_min) = (0..5).fold((Duration::MAX, Duration::MAX), fastest);
        let ratio = long_min.as_secs_f64() / short_min.as_secs_f64();
        println!("{first}{more}…{close}: {short_min:?}, four times as long {long_min:?}: {ratio:.1}");
        assert!(ratio < RATIO_MAX, "{first}{more}…{close}: {short_min:?} becomes {long_min:?}");
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
