//! Golden values: go1.26 `regexp`.

use super::*;

/// Expression, and the error text after its prefix (empty if it compiles).
#[rustfmt::skip]
const COMPILED: &[(&str, &str)] = &[
    ("", ""),
    ("(", "missing closing ): `(`"),
    (")", "unexpected ): `)`"),
    ("a)", "unexpected ): `a)`"),
    ("(a", "missing closing ): `(a`"),
    ("((a)", "missing closing ): `((a)`"),
    ("[", "missing closing ]: `[`"),
    ("[a", "missing closing ]: `[a`"),
    ("[^", "missing closing ]: `[^`"),
    ("[]", "missing closing ]: `[]`"),
    ("[]a]", ""),
    ("[^]a]", ""),
    ("[a-", "missing closing ]: `[a-`"),
    ("[a-]", ""),
    ("[-a]", ""),
    ("[b-a]", "invalid character class range: `b-a`"),
    ("[\\d-z]", ""),
    ("[a-\\d]", "invalid escape sequence: `\\d`"),
    ("a**", "invalid nested repetition operator: `**`"),
    ("a*+", "invalid nested repetition operator: `*+`"),
    ("a*?", ""),
    ("a*??", "invalid nested repetition operator: `*??`"),
    ("a+*", "invalid nested repetition operator: `+*`"),
    ("a??", ""),
    ("a???", "invalid nested repetition operator: `???`"),
    ("*", "missing argument to repetition operator: `*`"),
    ("+a", "missing argument to repetition operator: `+`"),
    ("(*)", "missing argument to repetition operator: `*`"),
    ("(|*)", "missing argument to repetition operator: `*`"),
    ("a|*", "missing argument to repetition operator: `*`"),
    ("^*", ""),
    ("$+", ""),
    ("\\b+", ""),
    ("(?i)*", "missing argument to repetition operator: `*`"),
    ("a(?i)*", ""),
    ("a{2}{3}", "invalid nested repetition operator: `{2}{3}`"),
    ("a{1001}", "invalid repeat count: `{1001}`"),
    ("a{1000}", ""),
    ("a{1000,1001}", "invalid repeat count: `{1000,1001}`"),
    ("a{2,1}", "invalid repeat count: `{2,1}`"),
    ("a{,2}", ""),
    ("a{,}", ""),
    ("{", ""),
    ("}", ""),
    ("a{", ""),
    ("a{1", ""),
    ("a{1,", ""),
    ("a{01}", ""),
    ("a{99999999999}", "invalid repeat count: `{99999999999}`"),
    ("a{1,99999999999}", "invalid repeat count: `{1,99999999999}`"),
    ("(a{100}){11}", "invalid repeat count: `{11}`"),
    ("(a{100}){10}", ""),
    ("((a{10}){10}){10}", ""),
    ("((a{10}){10}){11}", "invalid repeat count: `{11}`"),
    ("(a*){1000}", ""),
    ("(a{0}){1000}", ""),
    ("(a{0,}){1000}", ""),
    ("(a{2,}){600}", "invalid repeat count: `{600}`"),
    ("\\", "trailing backslash at end of expression: ``"),
    ("a\\", "trailing backslash at end of expression: ``"),
    ("\\8", "invalid escape sequence: `\\8`"),
    ("\\1", "invalid escape sequence: `\\1`"),
    ("\\12", ""),
    ("\\0", ""),
    ("\\018", ""),
    ("\\777", ""),
    ("\\x", "invalid escape sequence: `\\x`"),
    ("\\x4", "invalid escape sequence: `\\x4`"),
    ("\\x41", ""),
    ("\\x4g", "invalid escape sequence: `\\x4g`"),
    ("\\x{", "invalid escape sequence: `\\x{`"),
    ("\\x{}", "invalid escape sequence: `\\x{}`"),
    ("\\x{41}", ""),
    ("\\x{110000}", "invalid escape sequence: `\\x{110000`"),
    ("\\x{10FFFF}", ""),
    ("\\x{D800}", ""),
    ("\\x{4 1}", "invalid escape sequence: `\\x{4 `"),
    ("\\y", "invalid escape sequence: `\\y`"),
    ("\\Z", "invalid escape sequence: `\\Z`"),
    ("\\C", "invalid escape sequence: `\\C`"),
    ("\\z", ""),
    ("\\A", ""),
    ("\\Q", ""),
    ("\\Qa*\\E*", ""),
    ("\\Qa.b", ""),
    ("a\\Q\\E*", ""),
    ("\\E", "invalid escape sequence: `\\E`"),
    ("\\_", ""),
    ("\\é", "invalid escape sequence: `\\é`"),
    ("\\-", ""),
    ("\\ ", ""),
    ("\\h", "invalid escape sequence: `\\h`"),
    ("\\R", "invalid escape sequence: `\\R`"),
    ("\\K", "invalid escape sequence: `\\K`"),
    ("\\p", "invalid character class range: `\\p`"),
    ("\\pL", ""),
    ("\\p{", "invalid character class range: `\\p{`"),
    ("\\p{L", "invalid character class range: `\\p{L`"),
    ("\\p{Lu}", ""),
    ("\\p{Foo}", "invalid character class range: `\\p{Foo}`"),
    ("\\P{Foo}", "invalid character class range: `\\P{Foo}`"),
    ("\\pX", "invalid character class range: `\\pX`"),
    ("\\p{^Lu}", ""),
    ("\\p{Greek}", ""),
    ("\\p{greek}", ""),
    ("\\p{Letter}", ""),
    ("\\p{uppercase letter}", ""),
    ("\\p{Uppercase_Letter}", ""),
    ("\\p{Any}", ""),
    ("\\p{ASCII}", ""),
    ("\\p{Assigned}", ""),
    ("\\p{Cn}", ""),
    ("\\p{LC}", ""),
    ("\\p{Cs}", ""),
    ("\\p{Grek}", "invalid character class range: `\\p{Grek}`"),
    ("\\p{sc=Greek}", "invalid character class range: `\\p{sc=Greek}`"),
    ("\\p{Alphabetic}", "invalid character class range: `\\p{Alphabetic}`"),
    ("\\p{IsGreek}", "invalid character class range: `\\p{IsGreek}`"),
    ("\\p{}", "invalid character class range: `\\p{}`"),
    ("\\p{^}", "invalid character class range: `\\p{^}`"),
    ("[\\p{Foo}]", "invalid character class range: `\\p{Foo}`"),
    ("[[:alpha:]]", ""),
    ("[[:foo:]]", "invalid character class range: `[:foo:]`"),
    ("[[:^alpha:]]", ""),
    ("[[:alpha:", "missing closing ]: `[[:alpha:`"),
    ("[[:alpha]]", ""),
    ("[[:alpha]", ""),
    ("[:alpha:]", ""),
    ("[[.a.]]", ""),
    ("[[=a=]]", ""),
    ("(?", "invalid or unsupported Perl syntax: `(?`"),
    ("(?i", "invalid or unsupported Perl syntax: `(?i`"),
    ("(?i)", ""),
    ("(?:", "missing closing ): `(?:`"),
    ("(?:a)", ""),
    ("(?x)", "invalid or unsupported Perl syntax: `(?x`"),
    ("(?i-s:a)", ""),
    ("(?-)", "invalid or unsupported Perl syntax: `(?-)`"),
    ("(?i-)", "invalid or unsupported Perl syntax: `(?i-)`"),
    ("(?--i)", "invalid or unsupported Perl syntax: `(?--`"),
    ("(?-i)", ""),
    ("(?ii)", ""),
    ("(?P<n>a)", ""),
    ("(?P<n", "invalid named capture: `(?P<n`"),
    ("(?P<", "invalid or unsupported Perl syntax: `(?P`"),
    ("(?P<>a)", "invalid named capture: `(?P<>`"),
    ("(?P<n-m>a)", "invalid named capture: `(?P<n-m>`"),
    ("(?P<1>a)", ""),
    ("(?<n>a)", ""),
    ("(?<n", "invalid named capture: `(?<n`"),
    ("(?<=a)", "invalid named capture: `(?<=a)`"),
    ("(?<!a)", "invalid named capture: `(?<!a)`"),
    ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
    ("(?!a)", "invalid or unsupported Perl syntax: `(?!`"),
    ("(?#a)", "invalid or unsupported Perl syntax: `(?#`"),
    ("(?P=n)", "invalid or unsupported Perl syntax: `(?P`"),
    ("(?P>n)", "invalid or unsupported Perl syntax: `(?P`"),
    ("(?'n'a)", "invalid or unsupported Perl syntax: `(?'`"),
    ("(?P<n>a)(?P<n>b)", ""),
    ("(?P<é>a)", "invalid named capture: `(?P<é>`"),
    ("(?>a)", "invalid or unsupported Perl syntax: `(?>`"),
    ("(?|a)", "invalid or unsupported Perl syntax: `(?|`"),
    ("(?1)", "invalid or unsupported Perl syntax: `(?1`"),
    ("(?R)", "invalid or unsupported Perl syntax: `(?R`"),
    ("(?^)", "invalid or unsupported Perl syntax: `(?^`"),
    ("a|b|", ""),
    ("||", ""),
    ("(||)", ""),
    ("()", ""),
    ("()*", ""),
    ("(?:)*", ""),
    ("a++", "invalid nested repetition operator: `++`"),
    ("x{2}*", "invalid nested repetition operator: `{2}*`"),
    ("[a&&b]", ""),
    ("[a--b]", "invalid character class range: `a--`"),
    ("[a~~b]", ""),
    ("[[a]b]", ""),
    ("\\<", ""),
    ("\\>", ""),
    ("\\`", ""),
    ("\\'", ""),
    ("\\/", ""),
    ("\\\"", ""),
    ("\\u0041", "invalid escape sequence: `\\u`"),
    ("\\x{0000041}", ""),
    ("[\\", "trailing backslash at end of expression: ``"),
    ("[\\]", "missing closing ]: `[\\]`"),
    ("[\\b]", "invalid escape sequence: `\\b`"),
    ("[\\x{}]", "invalid escape sequence: `\\x{}`"),
    ("[a\\-z]", ""),
    ("[\\Qa\\E]", "invalid escape sequence: `\\Q`"),
    ("[\\z]", "invalid escape sequence: `\\z`"),
    ("[^\\x{0}-\\x{10FFFF}]", ""),
    ("[\\x{D800}-\\x{DFFF}]", ""),
    ("(?i)(?s)a", ""),
    ("(a(?i)b)c", ""),
    ("[é-è]", "invalid character class range: `é-è`"),
    ("[è-é]", ""),
    ("((((((((((a))))))))))", ""),
    ("a{2}?", ""),
    ("a{2}??", "invalid nested repetition operator: `{2}??`"),
    ("a{2}?*", "invalid nested repetition operator: `{2}?*`"),
    ("(?U)a*?", ""),
    ("$a^", ""),
    ("a\nb", ""),
    ("\\pL\\", "trailing backslash at end of expression: ``"),
    ("(?i:", "missing closing ): `(?i:`"),
    ("(?i:a", "missing closing ): `(?i:a`"),
    ("(?P<name>a", "missing closing ): `(?P<name>a`"),
    ("(a))", "unexpected ): `(a))`"),
    ("^(a", "missing closing ): `^(a`"),
    ("x**y++", "invalid nested repetition operator: `**`"),
    ("a{1}{2}", "invalid nested repetition operator: `{1}{2}`"),
    ("a{1,2}{3}", "invalid nested repetition operator: `{1,2}{3}`"),
    ("[a-c-e]", ""),
    ("[--a]", ""),
    ("[a-\\x61]", ""),
    ("[z-\\x61]", "invalid character class range: `z-\\x61`"),
];

/// Expression, text, and the groups of all matches.
type Found<'a> = (&'a str, &'a str, &'a [&'a [Option<&'a str>]]);

#[rustfmt::skip]
#[expect(clippy::unicode_not_nfc, reason = "characters that fold to ASCII are part of the test")]
const FOUND: &[Found<'_>] = &[
    ("a*", "baaa", &[&[Some("")], &[Some("aaa")]]),
    ("a*", "éaé", &[&[Some("")], &[Some("a")], &[Some("")]]),
    ("", "ab", &[&[Some("")], &[Some("")], &[Some("")]]),
    ("a|ab", "ab", &[&[Some("a")]]),
    ("(a|ab)(c|bcd)", "abcd", &[&[Some("abcd"), Some("a"), Some("bcd")]]),
    ("\\d+", "٣12", &[&[Some("12")]]),
    ("\\w+", "é_a1 b", &[&[Some("_a1")], &[Some("b")]]),
    ("\\s", "\u{00a0}\u{b} \t", &[&[Some(" ")], &[Some("\t")]]),
    ("\\S+", "\u{b}\u{00a0}a b", &[&[Some("\u{b}\u{00a0}a")], &[Some("b")]]),
    ("\\b", "é a1", &[&[Some("")], &[Some("")]]),
    ("\\B", "é a", &[&[Some("")], &[Some("")]]),
    ("\\bé", "é", &[]),
    ("a\\Bb", "ab", &[&[Some("ab")]]),
    (".", "\n\r", &[&[Some("\r")]]),
    (".", "é👍", &[&[Some("é")], &[Some("👍")]]),
    ("(?s).", "\n", &[&[Some("\n")]]),
    ("^a", "b\na", &[]),
    ("(?m)^a", "b\na", &[&[Some("a")]]),
    ("a$", "a\n", &[]),
    ("(?m)a$", "a\nb", &[&[Some("a")]]),
    ("\\Aa", "\na", &[]),
    ("a\\z", "a\n", &[]),
    ("(?i)k", "KK", &[&[Some("K")], &[Some("K")]]),
    ("(?i)s", "ſS", &[&[Some("ſ")], &[Some("S")]]),
    ("(?i)[k]+", "KKk", &[&[Some("KKk")]]),
    ("(?i)\\w+", "Kſa", &[&[Some("Kſa")]]),
    ("(?i)\\W+", "Kſa-", &[&[Some("-")]]),
    ("(?i)[^k]+", "KkKa", &[&[Some("a")]]),
    ("(?i)\\p{Lu}+", "aA1", &[&[Some("aA")]]),
    ("(?i)\\P{Lu}+", "aA1", &[&[Some("1")]]),
    ("(?i)[[:upper:]]+", "aAſ", &[&[Some("aAſ")]]),
    ("(?i)[[:^upper:]]+", "aAſ1", &[&[Some("1")]]),
    ("(?i)É", "é", &[&[Some("é")]]),
    ("[a&&b]+", "a&b", &[&[Some("a&b")]]),
    ("[a~~b]+", "a~b", &[&[Some("a~b")]]),
    ("[[a]b]+", "[b]ab]", &[&[Some("[b]")], &[Some("ab]")]]),
    ("\\<", "a<b", &[&[Some("<")]]),
    ("a{,2}", "aa{,2}", &[&[Some("a{,2}")]]),
    ("a{2}", "aaaa", &[&[Some("aa")], &[Some("aa")]]),
    ("a{2,}", "aaaaa", &[&[Some("aaaaa")]]),
    ("a{2,}?", "aaaaa", &[&[Some("aa")], &[Some("aa")]]),
    ("a+?", "aaa", &[&[Some("a")], &[Some("a")], &[Some("a")]]),
    ("(?U)a+", "aaa", &[&[Some("a")], &[Some("a")], &[Some("a")]]),
    ("(?U)a+?", "aaa", &[&[Some("aaa")]]),
    ("\\Qa.b*\\E", "a.b*", &[&[Some("a.b*")]]),
    ("\\Qab\\E+", "abbb", &[&[Some("abbb")]]),
    ("\\x41\\101\\x{42}", "AAB", &[&[Some("AAB")]]),
    ("\\pL+", "aé漢1", &[&[Some("aé漢")]]),
    ("\\p{Greek}+", "aαβ", &[&[Some("αβ")]]),
    ("\\P{L}+", "a12", &[&[Some("12")]]),
    ("\\p{^L}+", "a12", &[&[Some("12")]]),
    ("\\P{^L}+", "a12", &[&[Some("a")]]),
    ("[^\\d]+", "12ab", &[&[Some("ab")]]),
    ("[\\D5]+", "125ab", &[&[Some("5ab")]]),
    ("[^\\D]+", "ab12", &[&[Some("12")]]),
    ("\\pC+", "\u{0378}\x01", &[&[Some("\u{0378}\x01")]]),
    ("\\p{Any}+", "a\n", &[&[Some("a\n")]]),
    ("\\P{Any}", "a", &[]),
    ("\\p{ASCII}+", "aé", &[&[Some("a")]]),
    ("\\p{Assigned}+", "a\u{0378}", &[&[Some("a")]]),
    ("[^\\x{0}-\\x{10FFFF}]", "a", &[]),
    ("\\x{D800}", "a", &[]),
    ("[\\x{D7FF}-\\x{E000}]", "\u{e000}", &[&[Some("\u{e000}")]]),
    ("[[:word:]]+", "aé_1", &[&[Some("a")], &[Some("_1")]]),
    ("[[:space:]]+", "\u{b}\t a", &[&[Some("\u{b}\t ")]]),
    ("[[:punct:]]+", "a!$é", &[&[Some("!$")]]),
    ("[[:graph:]]+", " ab~\x7f", &[&[Some("ab~")]]),
    ("[[:print:]]+", "a b\x7f", &[&[Some("a b")]]),
    ("[[:ascii:]]+", "aé", &[&[Some("a")]]),
    ("(a)|(b)", "b", &[&[Some("b"), None, Some("b")]]),
    ("(?P<x>a)(?P<x>b)?", "ab", &[&[Some("ab"), Some("a"), Some("b")]]),
    ("(a*)*", "aab", &[&[Some("aa"), Some("aa")], &[Some(""), Some("")]]),
    ("(a*)+", "aab", &[&[Some("aa"), Some("aa")], &[Some(""), Some("")]]),
    ("(|a)*", "aab", &[&[Some(""), Some("")], &[Some(""), Some("")], &[Some(""), Some("")], &[Some(""), Some("")]]),
    ("(|a)+", "aab", &[&[Some(""), Some("")], &[Some(""), Some("")], &[Some(""), Some("")], &[Some(""), Some("")]]),
    ("(a|b)*", "abab", &[&[Some("abab"), Some("b")]]),
    ("(a*)(a|b)", "aab", &[&[Some("aab"), Some("aa"), Some("b")]]),
    ("x*", "axxb", &[&[Some("")], &[Some("xx")], &[Some("")]]),
    ("(?:(a)|b)*", "ab", &[&[Some("ab"), Some("a")]]),
    ("(?i:a)b", "AB Ab", &[&[Some("Ab")]]),
    ("(a(?i)b)c", "aBC aBc", &[&[Some("aBc"), Some("aB")]]),
    ("a(?i)*", "aaA", &[&[Some("aa")], &[Some("")]]),
    ("^*", "ab", &[&[Some("")], &[Some("")], &[Some("")]]),
    ("()*", "a", &[&[Some(""), Some("")], &[Some(""), Some("")]]),
    ("a||b", "b", &[&[Some("")], &[Some("")]]),
    ("(?i)straße", "STRASSE STRAßE", &[&[Some("STRAßE")]]),
    ("[^a]", "\n", &[&[Some("\n")]]),
    ("(?i)\\x{3c3}", "Σς", &[&[Some("Σ")], &[Some("ς")]]),
    ("[-a]+", "a-b", &[&[Some("a-")]]),
    ("[a-]+", "a-b", &[&[Some("a-")]]),
    ("[]a]+", "]ab", &[&[Some("]a")]]),
    ("[^]a]+", "]ab", &[&[Some("b")]]),
    ("\\a\\f\\n\\r\\t\\v", "\u{7}\u{c}\n\r\t\u{b}", &[&[Some("\u{7}\u{c}\n\r\t\u{b}")]]),
    ("#\\ ", "# ", &[&[Some("# ")]]),
    ("# a", "# a", &[&[Some("# a")]]),
    ("é+", "éé", &[&[Some("éé")]]),
    ("(?m)$", "a\n\nb", &[&[Some("")], &[Some("")], &[Some("")]]),
    ("(?m)^", "a\n\nb\n", &[&[Some("")], &[Some("")], &[Some("")], &[Some("")]]),
    ("\\.", "a.b", &[&[Some(".")]]),
    ("^(v\\d((alpha|beta)\\d)?|\\*)$", "v1beta1", &[&[Some("v1beta1"), Some("v1beta1"), Some("beta1"), Some("beta")]]),
    ("^([-|\\+]?\\d+(?:\\.\\d+)?[A-Za-z]*)-([-|\\+]?\\d+(?:\\.\\d+)?[A-Za-z]*)$", "10Mi-2.5Gi", &[&[Some("10Mi-2.5Gi"), Some("10Mi"), Some("2.5Gi")]]),
];

/// Expression, text, template, `ReplaceAllString`, `ReplaceAllLiteralString`.
#[rustfmt::skip]
const REPLACED: &[(&str, &str, &str, &str, &str)] = &[
    ("a(x*)b", "-ab-axxb-", "T", "-T-T-", "-T-T-"),
    ("a(x*)b", "-ab-axxb-", "$1", "--xx-", "-$1-$1-"),
    ("a(x*)b", "-ab-axxb-", "$1W", "---", "-$1W-$1W-"),
    ("a(x*)b", "-ab-axxb-", "${1}W", "-W-xxW-", "-${1}W-${1}W-"),
    ("(?P<n>x+)", "axxb", "<$n>", "a<xx>b", "a<$n>b"),
    ("(?P<n>x+)", "axxb", "<${n}>", "a<xx>b", "a<${n}>b"),
    ("(?P<n>x+)", "axxb", "<$nn>", "a<>b", "a<$nn>b"),
    ("x", "axb", "$", "a$b", "a$b"),
    ("x", "axb", "$$", "a$b", "a$$b"),
    ("x", "axb", "$$$", "a$$b", "a$$$b"),
    ("x", "axb", "$0$0", "axxb", "a$0$0b"),
    ("x", "axb", "${0", "a${0b", "a${0b"),
    ("x", "axb", "${}", "a${}b", "a${}b"),
    ("x", "axb", "$ ", "a$ b", "a$ b"),
    ("x", "axb", "$é", "ab", "a$éb"),
    ("(x)", "axb", "$01", "ab", "a$01b"),
    ("(x)", "axb", "$9", "ab", "a$9b"),
    ("(x)", "axb", "$1_", "ab", "a$1_b"),
    ("(x)", "axb", "$1-", "ax-b", "a$1-b"),
    ("", "abc", "-", "-a-b-c-", "-a-b-c-"),
    ("x*", "abc", "-", "-a-b-c-", "-a-b-c-"),
    ("a*", "baaac", "X", "XbXcX", "XbXcX"),
    ("a*", "éaé", "X", "XéXéX", "XéXéX"),
    ("(?P<1x>a)", "a", "$1x", "a", "$1x"),
    ("(a)|(b)", "ab", "[$1|$2]", "[a|][|b]", "[$1|$2][$1|$2]"),
    ("(?P<x>a)|(?P<x>b)", "ab", "$x", "ab", "$x$x"),
    ("x", "axb", "$99999999999999999999", "ab", "a$99999999999999999999b"),
    ("^", "ab", "X", "Xab", "Xab"),
    ("$", "ab", "X", "abX", "abX"),
    ("\\b", "ab cd", "|", "|ab| |cd|", "|ab| |cd|"),
];

#[test]
fn expressions_are_accepted_and_refused_as_in_go() {
    let mut wrong = Vec::new();
    for (source, expected) in COMPILED {
        let found = Regexp::compile(source).err().map(|error| error.to_string()).unwrap_or_default();
        let found = found.strip_prefix("error parsing regexp: ").unwrap_or(&found);
        if found != *expected {
            wrong.push(format!("{source:?}: found {found:?}, expected {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn matches_and_groups_are_those_of_go() {
    let mut wrong = Vec::new();
    for (source, text, expected) in FOUND {
        let regexp = Regexp::compile(source).unwrap();
        let found = regexp.captures_all(text, None);
        if found != *expected {
            wrong.push(format!("{source:?} in {text:?}: found {found:?}, expected {expected:?}"));
        }
        assert_eq!(regexp.is_match(text), !expected.is_empty(), "{source:?} in {text:?}");
        assert_eq!(regexp.find(text), expected.first().and_then(|groups| groups[0]));
        assert_eq!(regexp.captures(text).as_deref(), expected.first().copied());
        assert_eq!(regexp.find_all(text, Some(1)).len(), expected.len().min(1));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn replacements_are_those_of_go() {
    for (source, text, template, expanded, literal) in REPLACED {
        let regexp = Regexp::compile(source).unwrap();
        assert_eq!(regexp.replace_all(text, template), *expanded, "{source:?} in {text:?} by {template:?}");
        assert_eq!(
            regexp.replace_all_literal(text, template),
            *literal,
            "{source:?} in {text:?} by {template:?}"
        );
    }
}

#[test]
fn groups_are_counted_and_named() {
    let regexp = Regexp::compile("(a)(?P<first>b)(?:c)(?<2nd>d)").unwrap();
    assert_eq!(regexp.n_groups(), 3);
    assert_eq!(regexp.group_names().collect::<Vec<_>>(), ["", "", "first", "2nd"]);
    assert_eq!(regexp.find_range("xabcd"), Some(1..5));
    assert_eq!(regexp.as_str(), "(a)(?P<first>b)(?:c)(?<2nd>d)");
}

#[test]
fn hostile_expressions_are_refused() {
    let deep = "(".repeat(300) + "a" + &")".repeat(300);
    let long = "a".repeat(70_000);
    let large = "((((a{10}){10}){10}){0,}b{1000}){2}(\\pL{1000}){1}";
    let kind = |source: &str| Regexp::compile(source).unwrap_err().kind;
    assert_eq!(kind(&deep), RegexpErrorKind::NestingDepth);
    assert_eq!(kind(&long), RegexpErrorKind::Large);
    assert!(matches!(kind(large), RegexpErrorKind::RepeatSize | RegexpErrorKind::Large));
    let nested = "(?:a*".repeat(199) + &")*".repeat(199);
    assert!(Regexp::compile(&nested).is_ok());
}

#[test]
fn expressions_used_again_are_kept_up_to_a_bound() {
    let first = Regexp::shared("^a+$").unwrap();
    assert!(first.is_match("aaa") && Rc::ptr_eq(&first, &Regexp::shared("^a+$").unwrap()));
    for n in 0..REGEXPS_KEPT_MAX {
        assert!(Regexp::shared(&format!("^b{{{n}}}$")).unwrap().is_match(&"b".repeat(n)));
    }
    assert!(!Rc::ptr_eq(&first, &Regexp::shared("^a+$").unwrap()));
    let large = r"\pL{300}";
    assert!(!Rc::ptr_eq(&Regexp::shared(large).unwrap(), &Regexp::shared(large).unwrap()));
    assert_eq!(Regexp::shared("a**").unwrap_err(), Regexp::compile("a**").unwrap_err());
}
