use super::*;
use crate::gostd::testing::Prng;

/// The definition, spelled out: exponential, so only for short inputs.
fn naive(pattern: &[char], name: &[char]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some(('*', rest)) => (0..=name.len()).any(|skip| naive(rest, &name[skip..])),
        Some(('?', rest)) => !name.is_empty() && naive(rest, &name[1..]),
        Some((wanted, rest)) => name.first() == Some(wanted) && naive(rest, &name[1..]),
    }
}

#[test]
fn patterns_match_as_kyverno_matches_them() {
    // Golden: github.com/IGLOU-EU/go-wildcard v1.0.3 `Match`.
    let table: &[(&str, &str, bool)] = &[
        ("", "", true),
        ("", "a", false),
        ("*", "", true),
        ("*", "anything", true),
        ("**", "", true),
        ("**", "x", true),
        ("?", "", false),
        ("?", "a", true),
        ("?", "ab", false),
        ("?", "é", true),
        ("??", "é", false),
        ("?", "👍", true),
        ("*?", "", false),
        ("*?", "a", true),
        ("?*", "abc", true),
        ("a*", "a", true),
        ("a*", "ba", false),
        ("*a", "ba", true),
        ("*a", "ab", false),
        ("a*b", "ab", true),
        ("a*b", "axxb", true),
        ("a*b", "axxbc", false),
        ("aa*aa", "aaa", false),
        ("aa*aa", "aaaa", true),
        ("aa**aa", "aaaa", true),
        ("*:*", "nginx:latest", true),
        ("*:latest", "nginx:latest", true),
        ("!*:latest", "nginx:latest", false),
        ("*/*/x?z*", "a/b/xyz1", true),
        ("a*b*c", "a-b-b-c", true),
        ("a*b*c", "a-c-b", false),
        ("[a-z]", "b", false),
        ("[a-z]", "[a-z]", true),
        ("a\\*", "a*", false),
        ("A*", "abc", false),
        ("*.ghcr.io/?rg/*", "x.ghcr.io/org/app", true),
        ("é*", "été", true),
        ("*é", "été", true),
        ("??t?", "été", false),
    ];
    for (pattern, name, expected) in table {
        assert_eq!(matches(pattern, name), *expected, "matches({pattern:?}, {name:?})");
        assert_eq!(Wildcard::new(pattern).is_match(name), *expected, "Wildcard({pattern:?}, {name:?})");
    }
}

#[test]
fn both_forms_agree_with_the_definition() {
    let mut prng = Prng::new(7);
    for _ in 0..40_000 {
        let pattern: String = (0..prng.below(7)).map(|_| prng.pick(&['a', 'b', 'é', '*', '?'])).collect();
        let name: String = (0..prng.below(8)).map(|_| prng.pick(&['a', 'b', 'é', '*'])).collect();
        let wanted = naive(&pattern.chars().collect::<Vec<_>>(), &name.chars().collect::<Vec<_>>());
        assert_eq!(matches(&pattern, &name), wanted, "matches({pattern:?}, {name:?})");
        assert_eq!(Wildcard::new(&pattern).is_match(&name), wanted, "Wildcard({pattern:?}, {name:?})");
    }
}

#[test]
fn a_hostile_pattern_stays_cheap() {
    let pattern = "*a".repeat(200) + "b";
    let name = "a".repeat(4000);
    assert!(!matches(&pattern, &name));
}

#[test]
fn shapes_are_recognised() {
    assert!(Wildcard::new("***").is_any());
    assert!(!Wildcard::new("*a*").is_any());
    assert_eq!(Wildcard::new("nginx").as_literal(), Some("nginx"));
    assert_eq!(Wildcard::new("").as_literal(), Some(""));
    assert_eq!(Wildcard::new("ngin?").as_literal(), None);
    assert_eq!(Wildcard::new("a*b").as_str(), "a*b");
    assert!(contains_wildcard("a?") && contains_wildcard("*") && !contains_wildcard("a.b"));
}
