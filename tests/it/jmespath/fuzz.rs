//! Seeded random text and random expressions: no panic, an end within the limits, and printing that parses to the same tree.

use super::*;

/// splitmix64: the same numbers on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("it fits")
    }

    fn pick<'t>(&mut self, items: &[&'t str]) -> &'t str {
        items[self.below(items.len())]
    }
}

const GIVEN: &str = r#"{"a": {"b": 1, "c": [1, 2.5, "x", null, {"d": []}]}, "l": [{"x": 1}, {"x": "y"}, []], "s": "10Mi", "t": "2024-01-01T00:00:00Z", "n": null}"#;

const TOKENS: &[&str] = &[
    "a",
    "b",
    "l",
    "s",
    "t",
    "n",
    "\"q\"",
    "@",
    "*",
    ".",
    "[",
    "]",
    "[]",
    "[?",
    "[*]",
    "[0]",
    "[-1]",
    "[1:]",
    "[::-1]",
    "(",
    ")",
    "{",
    "}",
    ",",
    ":",
    "|",
    "||",
    "&&",
    "!",
    "==",
    "!=",
    "<",
    ">=",
    "&",
    "'x'",
    "`1`",
    "`[1, 2]`",
    "`{\"k\": \"v\"}`",
    " ",
    "-",
    "7",
    "\\",
    "`",
    "'",
    "\"",
    "é",
    "\n",
];

fn run(text: &str, given: &Document) {
    let Ok(program) = Program::compile(text) else { return };
    let printed = program.to_string();
    let again = Program::compile(&printed);
    assert_eq!(again.as_ref().ok(), Some(&program), "{text:?} printed as {printed:?}: {again:?}");
    let _ = (program.purity(), program.free_roots());
    let env = Env::new(NOW_UNIX_NANOS, 1).with_steps(20_000);
    if let Ok(value) = program.evaluate_on(&given.root().into(), &env) {
        let _ = value.to_json();
    }
}

#[test]
fn random_bytes_and_tokens_never_panic() {
    let given = parse(GIVEN);
    let mut random = Random(7);
    for _ in 0..20_000 {
        let length = random.below(12) + 1;
        let text: String = (0..length).map(|_| random.pick(TOKENS)).collect();
        run(&text, &given);
        let bytes: Vec<u8> = (0..length).map(|_| (random.next() & 0x7f) as u8).collect();
        run(&String::from_utf8_lossy(&bytes), &given);
    }
}

/// A random expression of the grammar, as text.
fn expression(random: &mut Random, functions: &[&'static str], depth: usize) -> String {
    if depth == 0 {
        return random
            .pick(&[
                "a",
                "a.b",
                "a.c",
                "l",
                "s",
                "t",
                "@",
                "'x'",
                "'(a|b)*'",
                "`1`",
                "`[3, 1]`",
                "`{\"k\": 2}`",
                "''",
            ])
            .to_owned();
    }
    let mut inner = || expression(random, functions, depth - 1);
    let (left, right) = (inner(), inner());
    match random.below(19) {
        0 => format!("({left}).a"),
        1 => format!("{left} | {right}"),
        2 => format!("({left}) || {right}"),
        3 => format!("{left} && ({right})"),
        4 => format!("!({left})"),
        5 => format!("({left}) {} ({right})", random.pick(&["==", "!=", "<", "<=", ">", ">="])),
        6 => format!("({left})[*].x"),
        7 => format!("({left})[?{right}]"),
        8 => format!("({left})[]"),
        9 => format!("({left}).*"),
        10 => format!("({left})[0]"),
        11 => format!("({left})[:2].[{right}]"),
        12 => format!("[{left}, {right}]"),
        13 => format!("{{k: {left}, \"j k\": {right}}}"),
        14 => format!("map(&{left}, {right})"),
        15 => format!("sort_by({left}, &{right})"),
        _ => {
            let name = random.pick(functions);
            let arguments = [left, right, "'x'".to_owned(), "`2`".to_owned()];
            let count = random.below(4) + 1;
            format!("{name}({})", arguments[..count].join(", "))
        }
    }
}

#[test]
fn random_expressions_end_within_their_steps_and_print_as_what_they_are() {
    let functions = patrol::lang::jmespath::function_names();
    let given = parse(GIVEN);
    let mut random = Random(42);
    for round in 0..8_000 {
        let text = expression(&mut random, &functions, round % 5);
        assert!(Program::compile(&text).is_ok(), "{text}");
        run(&text, &given);
    }
}

#[test]
fn what_grows_without_end_runs_into_the_step_limit() {
    let given = parse(GIVEN);
    let doubling = |step: &str, times: usize| vec![step; times].join(" | ");
    for text in [
        doubling("[@, @]", 40),
        format!("{} | to_string(@)", doubling("[@, @]", 40)),
        format!("'xxxxxxxx' | {}", doubling("replace_all(@, 'x', 'xxxxxxxx')", 20)),
        format!("'x' | {}", doubling("join(@, [@, @, @])", 30)),
        format!("{} == @", doubling("[@, @]", 40)),
        "random('((a{1000}){1000}){1000}')".to_owned(),
        "random('((((a*)*)*)*)*')".to_owned(),
    ] {
        let program = Program::compile(&text).expect("it compiles");
        let result = program.evaluate_on(&given.root().into(), &Env::new(NOW_UNIX_NANOS, 3));
        match result {
            Err(EvaluateError::LimitExceeded | EvaluateError::Other { .. }) => {}
            Err(other) => panic!("{text}: {other}"),
            Ok(value) => assert!(value.to_json().len() < 64 << 20, "{text}"),
        }
    }
}

#[test]
fn deep_expressions_are_refused_and_the_deepest_allowed_ones_evaluate() {
    let given = parse(GIVEN);
    for (open, close) in [
        ("(", ")"),
        ("[", "]"),
        ("!", ""),
        ("&", ""),
        ("a[?", "]"),
        ("{a: ", "}"),
        ("length(", ")"),
        ("a.[", "]"),
    ] {
        for depth in [10, 70, 150, 1_000, 10_000] {
            run(&format!("{}a{}", open.repeat(depth), close.repeat(depth)), &given);
        }
        let deep = format!("{}a{}", open.repeat(1_000), close.repeat(1_000));
        assert!(Program::compile(&deep).is_err(), "{open}");
    }
    for operator in [".a", "[0]", "[*]", "[]", " | a", " || a", " && a", " == a", "[?a]", "(a)"] {
        for times in [100, 155, 5_000] {
            run(&format!("a{}", operator.repeat(times)), &given);
        }
    }
}
