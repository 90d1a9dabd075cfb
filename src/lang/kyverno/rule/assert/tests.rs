//! Keys of assertion trees; what a Kyverno user reads is in `tests/it/spec/kyverno_assert.md`.

use super::key::{Each, Engine, Parsed, variables};

#[test]
fn keys_are_taken_apart() {
    let parsed = |text| {
        let Parsed { each, binding, engine, statement } = Parsed::of(text);
        (each, binding, engine, statement)
    };
    let table = [
        ("spec", (Each::Whole, None, Engine::None, "spec")),
        ("(a.b)", (Each::Whole, None, Engine::JmesPath, "a.b")),
        ("(jp;a.b)", (Each::Whole, None, Engine::JmesPath, "a.b")),
        ("(cel;a.b)", (Each::Whole, None, Engine::Other("cel"), "a.b")),
        ("~.items", (Each::Item, None, Engine::None, "items")),
        ("~at.(items[*])", (Each::Named("at"), None, Engine::JmesPath, "items[*]")),
        ("spec->it", (Each::Whole, Some("it"), Engine::None, "spec")),
        ("~i.(a)->b", (Each::Named("i"), Some("b"), Engine::JmesPath, "a")),
        ("\\(a)\\", (Each::Whole, None, Engine::None, "(a)")),
        ("()", (Each::Whole, None, Engine::None, "()")),
        ("~a b.c", (Each::Whole, None, Engine::None, "~a b.c")),
    ];
    for (text, wanted) in table {
        assert_eq!(parsed(text), wanted, "{text}");
    }
}

#[test]
fn variables_inside_quotes_are_none() {
    assert_eq!(variables("$a == '$b' && `\"$c\"` == $d"), [0..2, 24..26]);
    assert!(variables("'\\'$a' $").is_empty());
}
