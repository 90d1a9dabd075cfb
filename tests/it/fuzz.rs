//! What the fuzz targets run, on inputs that a seed makes of small examples: `PATROL_FUZZ_SEEDS=n` runs that many of each.

#[path = "../fuzz/bodies.rs"]
mod bodies;

mod targets;

/// The macro of libfuzzer, as far as the targets use it: the body must have no value.
#[macro_export]
macro_rules! fuzz_target {
    (|$bytes:ident: &[u8]| $body:expr) => {
        pub(crate) fn run($bytes: &[u8]) -> () {
            $body
        }
    };
}

use serde_json::{Value, json};

/// Texts that mean something to some part of a policy.
const TEXTS: [&str; 34] = [
    "",
    "*",
    "?",
    "a*",
    "!a",
    ">5",
    "<=1Gi",
    "1-5",
    "1!-5",
    "a | b",
    "a & !b",
    "5m",
    "-1h",
    "true",
    "null",
    "1e400",
    "{{ request.object.metadata.labels }}",
    "{{ element.name }}",
    "{{ a.{{ b }} }}",
    "{{ @ }}",
    "{{",
    "}}",
    "\\{{ x }}",
    "$(./../name)",
    "$(spec)",
    "{{ images.containers.*.name }}",
    "{{ length(@) }}",
    "{{ x || '' }}",
    "{{ to_upper(request.object.kind) }}",
    "{{ random('[a-z]{5}') }}",
    "{{ found }}{{ found }}",
    "request.object.spec.containers[]",
    "AnyIn",
    "é\u{0}\u{10FFFF}",
];

const KEYS: [&str; 12] = [
    "(a)",
    "=(a)",
    "^(a)",
    "X(a)",
    "+(a)",
    "<(a)",
    "a*",
    "{{ request.object.kind }}",
    "metadata",
    "labels",
    "anyPattern",
    "deny",
];

const EXPRESSIONS: [&str; 10] = [
    "a.b[?c == 'd'] | [0]\n{\"a\": {\"b\": [{\"c\": \"d\"}]}}",
    "[*].{x: a, y: @}\n[{\"a\": 1}]",
    "sort_by(@, &a)[::-1]\n[{\"a\": 1}, {\"a\": 0}]",
    "join(',', keys(@))\n{\"a\": 1, \"b\": 2}",
    "sum([`1`, `2.5`]) > `3` && !x || y\nnull",
    "regex_replace_all('a+', @, 'b')\n\"aab\"",
    "divide('1Gi', '512Mi')\nnull",
    "to_string(parse_json('{\"a\": [1]}'))\nnull",
    "let_x.\"quoted key\"[1:3][]\n{}",
    "semver_compare(@, '>=1.0.0 <2.0.0')\n\"1.2.3\"",
];

const REGEXPS: [&str; 8] = [
    "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$\nweb-1",
    "(?i)(?P<name>a|b)+?\\b\nABab",
    "\\p{Greek}[^\\d\\s]{2,5}\nαβγδ",
    "a{0,3}(?:b|)*\naabb",
    "[[:alpha:]]\\Q.*\\E$\nx.*",
    "(a)(b)?(c)\nac",
    "\\x{10FFFF}|\\pN\n1",
    "(?s).(?-s).\n\n\n",
];

const DOCUMENTS: [&str; 5] = [
    "{\"a\": [1, -2.5e3, true, null, \"x\\u00e9\\n\"], \"a\": 2}",
    "[[[[]]], {}, {\"\": {\"b\": 9223372036854775807}}]",
    "{\"metadata\": {\"managedFields\": [{\"x\": 1}], \"labels\": {\"l\": \"1\"}}}",
    "18446744073709551616",
    "\"\\ud83d\\ude00\"",
];

fn policies() -> Vec<Value> {
    let object = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "a", "namespace": "n", "labels": {"l": "1"}, "annotations": {"a": "1"}},
        "spec": {"hostNetwork": false, "containers": [
            {"name": "c", "image": "registry.test/a:1", "resources": {"limits": {"memory": "1Gi"}}},
            {"name": "d", "image": "b", "securityContext": {"privileged": true}},
        ]},
    });
    let any = "{{ request.object.metadata.labels.l || '' }}";
    let validates = [
        json!({"message": "m {{ request.object.metadata.name }}", "pattern": {
            "metadata": {"labels": {"l": "?*"}},
            "spec": {"=(hostNetwork)": false, "containers": [{"(image)": "*:1", "resources": {"limits": {"memory": "<2Gi"}}}]},
        }}),
        json!({"anyPattern": [{"metadata": {"labels": {"{{ x }}": any}}}, {"spec": {"^(containers)": [{"name": any}]}}]}),
        json!({"deny": {"conditions": {"any": [{"key": any, "operator": "AnyIn", "value": ["1", "2-5"]}],
            "all": [{"key": "{{ found }}", "operator": "GreaterThan", "value": "5m", "message": "too late"}]}}}),
        json!({"foreach": [{"list": "request.object.spec.containers", "context": [{"name": "x", "variable": {"jmesPath": "element.image"}}],
            "pattern": {"name": "{{ element.name }}", "image": "!*:latest"}}]}),
        json!({"podSecurity": {"level": "baseline", "version": "latest", "exclude": [{"controlName": "Capabilities", "images": ["*"]}]}}),
    ];
    validates
        .into_iter()
        .map(|validate| {
            let rule = json!({
                "name": "r", "match": {"any": [{"resources": {"kinds": ["Pod"]}}]},
                "preconditions": {"all": [{"key": any, "operator": "NotEquals", "value": "9"}]},
                "context": [
                    {"name": "map", "configMap": {"name": any, "namespace": "n"}},
                    {"name": "found", "variable": {"jmesPath": "map.data.k || '4m'", "default": "6m"}},
                ],
                "validate": validate,
            });
            json!([{"apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "metadata": {"name": "p"},
                "spec": {"rules": [rule]}}, object])
        })
        .collect()
}

/// Random numbers that a seed decides (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % n.max(1) as u64).unwrap()
    }

    fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// An example with some of its bytes lost, doubled, replaced, or taken from another one.
    fn bytes(&mut self, examples: &[&str]) -> Vec<u8> {
        let mut bytes = self.pick(examples).as_bytes().to_vec();
        for _ in 0..self.below(4) {
            let at = self.below(bytes.len() + 1);
            let end = (at + self.below(6)).min(bytes.len());
            match self.below(4) {
                0 => drop(bytes.drain(at..end)),
                1 => {
                    let part = bytes[at..end].to_vec();
                    bytes.splice(at..at, part);
                }
                2 => {
                    let other = self.pick(examples).as_bytes();
                    let from = self.below(other.len());
                    let part = &other[from..(from + self.below(8)).min(other.len())];
                    bytes.splice(at..end, part.iter().copied());
                }
                _ => drop(bytes.splice(at..end, [*self.pick(b"()[]{}|&.*?\"'`\\:,@!<>=-+^$0a\n\xff")])),
            }
        }
        bytes
    }

    /// Replaces, removes or adds some values, all over.
    fn disturb(&mut self, value: &mut Value, one_in: usize) {
        match value {
            Value::Array(items) => {
                for item in items.iter_mut() {
                    self.disturb(item, one_in);
                }
                if self.below(one_in) == 0 && !items.is_empty() {
                    let item = items[self.below(items.len())].clone();
                    items.push(item);
                }
            }
            Value::Object(map) => {
                map.values_mut().for_each(|item| self.disturb(item, one_in));
                if self.below(one_in) == 0 {
                    let value = json!({"a": *self.pick(&TEXTS)});
                    map.insert((*self.pick(&KEYS)).to_owned(), value);
                }
            }
            _ => {}
        }
        if self.below(one_in) == 0 {
            *value = match self.below(8) {
                0 => Value::Null,
                1 => json!([value.clone()]),
                2 => json!({"a": value.clone()}),
                3 => json!(self.below(100)),
                4 => json!(-1.5),
                _ => json!(*self.pick(&TEXTS)),
            };
        }
    }
}

/// Runs a body on that many inputs; the number of those that it could use.
fn used(run: fn(&[u8]) -> bool, mut input: impl FnMut(&mut Dice) -> Vec<u8>) -> (u64, u64) {
    let n_seeds = std::env::var("PATROL_FUZZ_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(2_000);
    let mut n_used = 0;
    for seed in 0..n_seeds {
        let bytes = input(&mut Dice(seed));
        let run = std::panic::catch_unwind(|| run(&bytes));
        match run {
            Ok(is_used) => n_used += u64::from(is_used),
            Err(panic) => {
                println!("seed {seed}: {}", String::from_utf8_lossy(&bytes));
                std::panic::resume_unwind(panic);
            }
        }
    }
    (n_used, n_seeds)
}

#[test]
fn the_targets_of_cargo_fuzz_compile_and_run() {
    for bytes in [&b""[..], b"{}", b"a.b\n{\"a\": 1}", b"[{\"spec\": {}}, {}]", b"a*\nb"] {
        targets::document::run(bytes);
        targets::jmespath::run(bytes);
        targets::policy::run(bytes);
        targets::regexp::run(bytes);
    }
}

#[test]
fn any_bytes_are_a_document_or_an_error() {
    let (n_used, n) = used(bodies::document, |dice| dice.bytes(&DOCUMENTS));
    assert!(n_used > n / 10, "{n_used} of {n}");
}

#[test]
fn any_expression_prints_as_it_parses_and_its_evaluation_ends() {
    let (n_used, n) = used(bodies::jmespath, |dice| dice.bytes(&EXPRESSIONS));
    assert!(n_used > n / 10, "{n_used} of {n}");
}

#[test]
fn any_policy_on_any_object_has_outcomes_without_a_panic() {
    let policies = policies();
    let (n_used, n) = used(bodies::policy, |dice| {
        let mut input = dice.pick(&policies).clone();
        let one_in = 8 + dice.below(60);
        dice.disturb(&mut input[0]["spec"]["rules"][0], one_in);
        for part in ["metadata", "spec"] {
            dice.disturb(&mut input[1][part], one_in);
        }
        input.to_string().into_bytes()
    });
    assert!(n_used > n / 10, "{n_used} of {n}");
}

#[test]
fn any_regular_expression_translates_or_is_refused() {
    let (n_used, n) = used(bodies::regexp, |dice| dice.bytes(&REGEXPS));
    assert!(n_used > n / 10, "{n_used} of {n}");
}
