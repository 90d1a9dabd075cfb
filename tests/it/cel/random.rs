//! Random expressions: of those without dyn none fails with a type error at run time, and none at all, over
//! constants or over `object`, differs from the API server's own code.
//!
//! The comparison runs where `PATROL_CEL_RANDOM` says how many expressions (it needs Go):
//! `PATROL_CEL_RANDOM=100000 cargo it random`.

mod object;

use std::process::{Command, Stdio};

use patrol::document::Document;
use patrol::lang::cel::{Budget, Program};

use super::goldens;

/// A seeded source of numbers (xorshift64*).
pub(super) struct Rng(u64);

impl Rng {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub(super) fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from((self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % n as u64).expect("small")
    }

    pub(super) fn pick<'v, T>(&mut self, values: &'v [T]) -> &'v T {
        &values[self.below(values.len())]
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Bool,
    Int,
    Uint,
    Double,
    String,
    Bytes,
    Duration,
    Timestamp,
    Ints,
    Strings,
    Map,
    OptInt,
    OptString,
    Quantity,
    Ip,
    Semver,
    Dyn,
    OptDyn,
}

/// The kinds of which there are expressions without dyn.
const KINDS: [Kind; 16] = [
    Kind::Bool,
    Kind::Int,
    Kind::Uint,
    Kind::Double,
    Kind::String,
    Kind::Bytes,
    Kind::Duration,
    Kind::Timestamp,
    Kind::Ints,
    Kind::Strings,
    Kind::Map,
    Kind::OptInt,
    Kind::OptString,
    Kind::Quantity,
    Kind::Ip,
    Kind::Semver,
];

/// Templates of each kind: `$B` is any expression of kind bool, `$I` int, … `$x` a variable's name, declared
/// for the part in `<…>`.
#[expect(clippy::too_many_lines, reason = "one table")]
fn templates(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Bool => &[
            "true",
            "false",
            "$B && $B",
            "$B || $B",
            "!($B)",
            "($B ? $B : $B)",
            "$I == $I",
            "$I != $I",
            "$I < $I",
            "$I >= $U",
            "$D <= $I",
            "$D > $D",
            "$S == $S",
            "$S < $S",
            "$S.contains($S)",
            "$S.startsWith($S)",
            "$S.endsWith($S)",
            "$S.matches('^[a-c]+')",
            "$S.matches('b?')",
            "$I in $L",
            "$S in $M",
            "$S in ['a', 'b', 'zz']",
            "$S in $T",
            "$L.all($i, <$B>)",
            "$L.exists($i, <$B>)",
            "$L.exists_one($i, <$B>)",
            "$T.all($s, <$B>)",
            "$T.exists($s, <$B>)",
            "$M.all($s, <$B>)",
            "$L == $L",
            "$M == $M",
            "$O.hasValue()",
            "$O == $O",
            "has({'a': 1}.a)",
            "$P < $P",
            "$X > $X",
            "$P == $P",
            "$L.isSorted()",
            "isQuantity($S)",
            "isIP($S)",
            "isURL($S)",
            "isSemver($S)",
            "$Q.isLessThan($Q)",
            "$Q == quantity('1Gi')",
            "$Q.isInteger()",
            "$A.isLoopback()",
            "$A == $A",
            "$V.isLessThan($V)",
            "$Y == $Y",
            "$Y < $Y",
            "sets.contains($L, $L)",
            "sets.intersects($T, $T)",
            "$L.exists($i, $j, <$B>)",
            "bool('true')",
            "cidr('10.0.0.0/8').containsIP($A)",
            "format.dns1123Label().validate($S).hasValue()",
        ],
        Kind::Int => &[
            "0",
            "1",
            "2",
            "-3",
            "7",
            "9223372036854775807",
            "$I + $I",
            "$I - $I",
            "$I * $I",
            "$I / $I",
            "$I % $I",
            "-($I)",
            "size($S)",
            "size($L)",
            "$T.size()",
            "size($M)",
            "$L[$I]",
            "$M[$S]",
            "($B ? $I : $I)",
            "int($D)",
            "int($U)",
            "int('12')",
            "int($X)",
            "$S.indexOf($S)",
            "$S.lastIndexOf($S)",
            "$O.orValue($I)",
            "$O.value()",
            "$L.sum()",
            "$L.max()",
            "$L.min()",
            "$P.getHours()",
            "$P.getDayOfWeek()",
            "$X.getMinutes()",
            "$L.indexOf($I)",
            "$Q.compareTo($Q)",
            "sign($Q)",
            "$Q.asInteger()",
            "$A.family()",
            "$V.major()",
            "$Y.size()",
            "int($P)",
        ],
        Kind::Uint => &[
            "0u",
            "1u",
            "5u",
            "18446744073709551615u",
            "$U + $U",
            "$U - $U",
            "$U * $U",
            "$U / $U",
            "$U % $U",
            "uint($I)",
            "uint($D)",
            "($B ? $U : $U)",
        ],
        Kind::Double => &[
            "0.0",
            "1.5",
            "-2.25",
            "1e10",
            "$D + $D",
            "$D - $D",
            "$D * $D",
            "$D / $D",
            "-($D)",
            "double($I)",
            "double($U)",
            "double('1.5')",
            "($B ? $D : $D)",
            "$Q.asApproximateFloat()",
            "[$D, $D].max()",
        ],
        Kind::String => &[
            "''",
            "'a'",
            "'abc'",
            "'ö✓b'",
            "'1Gi'",
            "'10.0.0.1'",
            "$S + $S",
            "string($I)",
            "string($D)",
            "string($U)",
            "string($B)",
            "string($X)",
            "string($P)",
            "string($A)",
            "($B ? $S : $S)",
            "$S.charAt($I)",
            "$S.substring($I)",
            "$S.substring($I, $I)",
            "$S.replace($S, $S)",
            "$S.replace($S, $S, $I)",
            "$S.lowerAscii()",
            "$S.upperAscii()",
            "$S.trim()",
            "$T.join($S)",
            "$T[$I]",
            "$T.max()",
            "$S.find('[a-b]+')",
            "'%s|%d|%s'.format([$S, $I, $B])",
            "'%x %b %o'.format([$I, $I, $I])",
            "strings.quote($S)",
            "$N.orValue($S)",
            "$N.value()",
            "jsonpatch.escapeKey($S)",
        ],
        Kind::Bytes => &["b''", "b'ab'", "bytes($S)", "$Y + $Y", "($B ? $Y : $Y)"],
        Kind::Duration => {
            &["duration('1h')", "duration('-1.5s')", "$X + $X", "$X - $X", "$P - $P", "($B ? $X : $X)"]
        }
        Kind::Timestamp => &[
            "timestamp('2024-02-29T12:00:00Z')",
            "timestamp('1969-12-31T23:59:59.5+02:00')",
            "$P + $X",
            "$P - $X",
            "timestamp($I)",
            "($B ? $P : $P)",
        ],
        Kind::Ints => &[
            "[0].slice(0, 0)",
            "[1]",
            "[3, 1, 2]",
            "[$I, $I]",
            "[$I, ?$O, $I]",
            "$L + $L",
            "$L.filter($i, <$B>)",
            "$L.map($i, <$I>)",
            "$L.map($i, <$B, $I>)",
            "($B ? $L : $L)",
            "$L.slice($I, $I)",
            "$L.reverse()",
            "$L.distinct()",
            "$L.sort()",
            "$L.sortBy($i, <$I>)",
            "$L.transformList($i, $j, <$I>)",
            "lists.range(3)",
            "[[1, 2], [3]].flatten()",
            "$T.map($s, <$I>)",
            "[$O, $O].unwrapOpt()",
        ],
        Kind::Strings => &[
            "['b', 'a']",
            "[$S, $S]",
            "$T + $T",
            "$T.filter($s, <$B>)",
            "$T.map($s, <$S>)",
            "$L.map($i, <$S>)",
            "$S.split($S)",
            "$S.split('b', $I)",
            "$S.findAll('[a-c]')",
            "($B ? $T : $T)",
            "$T.reverse()",
            "$T.sort()",
            "$T.sortBy($s, <$I>)",
            "$T.distinct()",
        ],
        Kind::Map => &[
            "{'a': 1}",
            "{'x': $I}",
            "{'a': $I, 'b': $I}",
            "{'a': 1, ?'b': $O}",
            "($B ? $M : $M)",
            "{'k': 2}.transformMap($s, $i, <$I>)",
            "{'k': 2}.transformMapEntry($s, $i, <{string($S): $I}>)",
        ],
        Kind::OptInt => &[
            "optional.of($I)",
            "optional.ofNonZeroValue($I)",
            "$O.or($O)",
            "$M[?$S]",
            "$L[?$I]",
            "$M.?a",
            "$O.optMap($i, <$I>)",
            "$O.optFlatMap($i, <$O>)",
            "$L.first()",
            "$L.last()",
        ],
        Kind::OptString => &[
            "optional.of($S)",
            "optional.ofNonZeroValue($S)",
            "$N.or($N)",
            "$T[?$I]",
            "$N.optMap($s, <$S>)",
            "$T.first()",
        ],
        Kind::Quantity => &[
            "quantity('1Gi')",
            "quantity('500m')",
            "quantity('-3')",
            "$Q.add($Q)",
            "$Q.sub($Q)",
            "$Q.add($I)",
            "quantity($S)",
        ],
        Kind::Ip => &["ip('127.0.0.1')", "ip('::1')", "cidr('10.1.2.3/8').masked().ip()", "ip($S)"],
        Kind::Semver => &["semver('1.2.3')", "semver('2.0.0-rc.1')", "semver('v1', true)"],
        Kind::Dyn | Kind::OptDyn => &[],
    }
}

/// One random expression of a kind.
struct Generator<'r> {
    rng: &'r mut Rng,
    /// Whether it may read `object`, and so be of type dyn wherever it does.
    reads_object: bool,
    /// The variables of the macros around, with their kinds.
    variables: Vec<(Kind, String)>,
    n_names: usize,
}

impl Generator<'_> {
    fn expression(&mut self, kind: Kind, depth: usize) -> String {
        let is_dyn = self.reads_object && kind != Kind::OptDyn && self.rng.below(4) == 0;
        let kind = if is_dyn { Kind::Dyn } else { kind };
        let variables: Vec<&String> =
            self.variables.iter().filter(|(of, _)| *of == kind).map(|(_, name)| name).collect();
        if !variables.is_empty() && self.rng.below(3) == 0 {
            return (*self.rng.pick(&variables)).clone();
        }
        let more = if self.reads_object { object::templates(kind) } else { &[] };
        let all: Vec<&str> = templates(kind).iter().chain(more).copied().collect();
        let leaves: Vec<&str> = all.iter().filter(|template| !template.contains('$')).copied().collect();
        let template =
            if depth == 0 && !leaves.is_empty() { *self.rng.pick(&leaves) } else { *self.rng.pick(&all) };
        self.fill(template, depth.saturating_sub(1))
    }

    fn fill(&mut self, template: &str, depth: usize) -> String {
        let n_variables = self.variables.len();
        let mut declared: Vec<(Kind, String)> = Vec::new();
        let mut out = String::new();
        let mut rest = template.chars();
        let is_macro = ["$i", "$s", "$w"].iter().any(|variable| template.contains(variable));
        while let Some(c) = rest.next() {
            match c {
                '<' if is_macro => self.variables.append(&mut declared),
                '>' if is_macro => self.variables.truncate(n_variables),
                '$' => match rest.next().expect("a kind") {
                    name @ ('i' | 'j' | 's' | 'w') => {
                        self.n_names += 1;
                        let name_text = format!("{name}{}", self.n_names);
                        out.push_str(&name_text);
                        declared.push((kind_of_variable(name), name_text));
                    }
                    'f' => out.push_str(self.rng.pick::<&str>(&object::FIELDS)),
                    letter => {
                        let inner = self.expression(kind_of(letter), depth);
                        let is_simple = inner.chars().all(|c| c.is_ascii_alphanumeric() || c == '\'');
                        if is_simple {
                            out.push_str(&inner);
                        } else {
                            out.push('(');
                            out.push_str(&inner);
                            out.push(')');
                        }
                    }
                },
                c => out.push(c),
            }
        }
        out
    }
}

fn kind_of_variable(letter: char) -> Kind {
    match letter {
        's' => Kind::String,
        'w' => Kind::Dyn,
        _ => Kind::Int,
    }
}

fn kind_of(letter: char) -> Kind {
    match letter {
        'B' => Kind::Bool,
        'I' => Kind::Int,
        'U' => Kind::Uint,
        'D' => Kind::Double,
        'S' => Kind::String,
        'Y' => Kind::Bytes,
        'X' => Kind::Duration,
        'P' => Kind::Timestamp,
        'L' => Kind::Ints,
        'T' => Kind::Strings,
        'M' => Kind::Map,
        'O' => Kind::OptInt,
        'N' => Kind::OptString,
        'Q' => Kind::Quantity,
        'A' => Kind::Ip,
        'V' => Kind::Semver,
        'W' => Kind::Dyn,
        'Z' => Kind::OptDyn,
        other => panic!("no kind {other}"),
    }
}

fn expressions(seed: u64, n: usize, reads_object: bool) -> Vec<String> {
    let mut rng = Rng::new(seed);
    (0..n)
        .map(|_| {
            let kind = *rng.pick(&KINDS);
            let depth = 1 + rng.below(4);
            Generator { rng: &mut rng, reads_object, variables: Vec::new(), n_names: 0 }
                .expression(kind, depth)
        })
        .collect()
}

#[test]
fn a_checked_expression_without_dyn_never_fails_with_a_type_error() {
    let env = goldens::environment();
    let document = Document::null();
    let (mut n_evaluated, mut n_failed) = (0, 0);
    for expression in expressions(0x00C0_FFEE, 20_000, false) {
        let program = match Program::compile(&env, &expression) {
            Ok(program) => program,
            Err(errors) => {
                let text = errors.to_string();
                assert!(errors.instantiation.is_some() || text.contains("invalid "), "{expression}: {text}");
                continue;
            }
        };
        n_evaluated += 1;
        if let Err(error) = program.evaluate(&goldens::Names(Some(&document)), &Budget::default()) {
            n_failed += 1;
            let text = error.message();
            for type_error in
                ["no such overload", "expected iterable", "unsupported index type", "no such attribute"]
            {
                assert!(!text.contains(type_error), "{expression}: {text}");
            }
        }
    }
    println!("{n_evaluated} evaluated, of which {n_failed} failed in other ways");
    assert!(n_evaluated > 15_000);
}

#[test]
fn random_expressions_equal_the_real_code() {
    compare_with_the_real_code("constants", false, false);
}

#[test]
fn random_expressions_over_an_object_equal_the_real_code() {
    compare_with_the_real_code("object", true, false);
}

#[test]
fn random_faults_of_the_syntax_equal_the_real_code() {
    compare_with_the_real_code("faults", false, true);
}

/// An expression with a symbol too many or too few.
fn spoilt(rng: &mut Rng, expression: &str) -> String {
    const SYMBOLS: [&str; 15] =
        [" ( ", " ) ", "[", "]", ",", "?", ":", "+", "-", "!", " && ", " == ", " > ", " in ", " a "];
    let places: Vec<usize> = expression
        .char_indices()
        .filter(|(_, c)| "()[]{},.?:+-=!&|<> ".contains(*c))
        .map(|(at, _)| at)
        .collect();
    let mut spoilt = expression.to_owned();
    match places.is_empty() {
        true => spoilt.push_str(rng.pick::<&str>(&SYMBOLS)),
        false if rng.below(2) == 0 => drop(spoilt.remove(*rng.pick(&places))),
        false => spoilt.insert_str(*rng.pick(&places), rng.pick::<&str>(&SYMBOLS)),
    }
    spoilt
}

fn compare_with_the_real_code(what: &str, reads_object: bool, is_spoilt: bool) {
    let Some(n) = std::env::var("PATROL_CEL_RANDOM").ok().and_then(|n| n.parse::<usize>().ok()) else {
        println!("PATROL_CEL_RANDOM is not set: nothing compared");
        return;
    };
    let seed = std::env::var("PATROL_CEL_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cel-goldens");
    let table = std::env::temp_dir().join(format!("patrol-cel-random-{what}-{seed}.txt"));
    let mut all = expressions(seed, n, reads_object);
    all.retain(|expression| !reads_object || expression.contains("object"));
    if is_spoilt {
        let mut rng = Rng::new(seed);
        all = all.iter().map(|expression| spoilt(&mut rng, expression)).collect();
    }
    all.sort();
    all.dedup();
    std::fs::write(&table, all.join("\n")).expect("a table");
    let output = Command::new("go")
        .args(["run", ".", "-plain", table.to_str().expect("a path")])
        .current_dir(folder)
        .stderr(Stdio::inherit())
        .output()
        .expect("Go");
    let rows = String::from_utf8_lossy(&output.stdout);
    // Behind a guess at what was meant the parser tells what is wrong with that.
    let is_compared =
        |row: &&str| !is_spoilt || !row.contains("Syntax error: ") || goldens::says_plain_things(row);
    let rows: Vec<&str> = rows.lines().filter(is_compared).collect();
    let (n_rows, faults) = goldens::compare(&rows.join("\n"));
    println!("{what}: {} expressions, {n_rows} rows, {} differ", all.len(), faults.len());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(n_rows > n / 4);
}
