//! Keys of assertion trees; what a Kyverno user reads is in `tests/it/spec/kyverno_assert.md`.

use super::key::{Engine, Parsed, variables};

#[test]
fn keys_are_taken_apart() {
    let parsed = |text| {
        let Parsed { each, binding, engine, statement } = Parsed::of(text);
        (each, binding, engine, statement)
    };
    let table = [
        ("spec", (None, None, Engine::None, "spec")),
        ("(a.b)", (None, None, Engine::JmesPath, "a.b")),
        ("(jp;a.b)", (None, None, Engine::JmesPath, "a.b")),
        ("(cel;a.b)", (None, None, Engine::Other("cel"), "a.b")),
        ("~.items", (Some(None), None, Engine::None, "items")),
        ("~at.(items[*])", (Some(Some("at")), None, Engine::JmesPath, "items[*]")),
        ("spec->it", (None, Some("it"), Engine::None, "spec")),
        ("~i.(a)->b", (Some(Some("i")), Some("b"), Engine::JmesPath, "a")),
        ("\\(a)\\", (None, None, Engine::None, "(a)")),
        ("()", (None, None, Engine::None, "()")),
        ("~a b.c", (None, None, Engine::None, "~a b.c")),
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
