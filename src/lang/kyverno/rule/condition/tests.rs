use super::operand::{Known, Operand};
use super::operator::Operator;
use crate::document::{Document, Value};

/// Operator, key, value, whether it holds.
const TABLE: &[(&str, &str, &str, bool)] = &[
    ("Equals", r#""a""#, r#""a""#, true),
    ("equal", r#""abc""#, r#""a*""#, true),
    ("Equals", r#""a*""#, r#""abc""#, false),
    ("Equals", "1", "1.0", true),
    ("Equals", "1", r#""1""#, true),
    ("Equals", "1", r#""x""#, false),
    ("Equals", "true", "true", true),
    ("Equals", "true", r#""true""#, false),
    ("Equals", "null", "null", false),
    ("Equals", r#""1h""#, r#""60m""#, true),
    ("Equals", r#""1h""#, "3600", true),
    ("Equals", r#""1Gi""#, r#""1024Mi""#, true),
    ("Equals", r#""100""#, r#""1*""#, false),
    ("Equals", r"[1, 2]", "[1, 2]", true),
    ("Equals", r"[1, 2]", "[2, 1]", false),
    ("Equals", r#"{"a": 1}"#, r#"{"a": 1}"#, true),
    ("Equals", r#"{"a": 1}"#, r#""a""#, false),
    ("NotEquals", r#""a""#, r#""b""#, true),
    ("NotEquals", r#""a""#, "1", true),
    ("NotEquals", r#""100Mi""#, r#""much""#, true),
    ("NotEquals", r#""5""#, "5", false),
    ("NotEquals", r#""5""#, "6", true),
    ("NotEquals", "5", "5.5", true),
    ("NotEquals", "null", r#""a""#, false),
    ("NotEquals", "true", r#""true""#, true),
    ("AnyIn", r#""a""#, r#"["a", "b"]"#, true),
    ("AnyIn", r#""a""#, r#"["b", "a*"]"#, true),
    ("AnyIn", r#""a*""#, r#"["abc"]"#, true),
    ("AnyIn", r#"["a", "x"]"#, r#"["x"]"#, true),
    ("AnyIn", r#"["a"]"#, r#"["x"]"#, false),
    ("AnyIn", "[]", r#"["x"]"#, false),
    ("AnyIn", "5", r#""1-10""#, true),
    ("AnyIn", "[11, 5]", r#""1-10""#, true),
    ("AnyIn", "11", r#""1-10""#, false),
    ("AnyIn", r#""a""#, r#""[\"a\", \"b\"]""#, true),
    ("AnyIn", "true", "[true]", true),
    ("AnyIn", "null", "[null]", false),
    ("AnyIn", r#""a""#, "1", false),
    ("AllIn", r#"["a", "b"]"#, r#"["a", "b", "c"]"#, true),
    ("AllIn", r#"["a", "d"]"#, r#"["a", "b"]"#, false),
    ("AllIn", "[]", r#"["a"]"#, true),
    ("AllIn", "[3, 5]", r#""1-4""#, false),
    ("AllIn", "[3, 4]", r#""1-4""#, true),
    ("AnyNotIn", r#"["a", "d"]"#, r#"["a", "b"]"#, true),
    ("AnyNotIn", r#"["a"]"#, r#"["a", "b"]"#, false),
    ("AnyNotIn", "[]", r#"["a"]"#, false),
    ("AnyNotIn", r#""ALL""#, "[]", true),
    ("AnyNotIn", r#""ALL""#, r#"["ALL"]"#, false),
    ("AnyNotIn", "[3, 5]", r#""1-4""#, true),
    ("AnyNotIn", "[3, 4]", r#""1-4""#, false),
    ("AllNotIn", r#""kyverno""#, r#""default""#, true),
    ("AllNotIn", r#""kube-system""#, r#"["default", "kube-*"]"#, false),
    ("AllNotIn", "64", r#""64""#, false),
    ("AllNotIn", r#"["kube-system", "default"]"#, r#""kube-system""#, false),
    ("AllNotIn", r#"["default", "kyverno"]"#, r#""kube-*""#, true),
    ("AllNotIn", "[5, 6]", r#""1-4""#, true),
    ("AllNotIn", "[4, 6]", r#""1-4""#, false),
    ("In", r#""a""#, r#"["a"]"#, true),
    ("In", r#"["a", "b"]"#, r#"["a"]"#, false),
    ("In", r#"["a"]"#, r#"["a*"]"#, false),
    ("NotIn", r#"["a", "b"]"#, r#"["a"]"#, true),
    ("NotIn", r#""a""#, r#"["b"]"#, true),
    ("NotIn", r#""a""#, "1", false),
    ("GreaterThan", "10", "9", true),
    ("GreaterThan", "10", r#""9.5""#, true),
    ("GreaterThan", r#""1h""#, r#""59m""#, true),
    ("GreaterThan", r#""1h""#, "3600", false),
    ("GreaterThan", "3601", r#""1h""#, true),
    ("GreaterThan", r#""2Gi""#, r#""1025Mi""#, true),
    ("GreaterThan", r#""1.10.0""#, r#""1.9.3""#, true),
    ("GreaterThan", r#""x""#, "1", false),
    ("GreaterThan", "[2]", "1", false),
    ("GreaterThanOrEquals", "1", "1", true),
    ("GreaterThanOrEquals", "null", "1", false),
    ("LessThan", r#""500m""#, r#""1""#, true),
    ("LessThanOrEquals", r#""10""#, "10", true),
    ("LessThanOrEquals", r#""1.0.0-rc.1""#, r#""1.0.0""#, true),
    ("DurationGreaterThan", r#""1h""#, "3599", true),
    ("DurationLessThanOrEquals", "60", r#""1m""#, true),
    ("DurationLessThan", r#""x""#, r#""1m""#, false),
];

#[test]
fn operators_hold_as_in_kyverno() {
    let mut wrong = Vec::new();
    for (word, key, value, expected) in TABLE {
        let document = |json: &str| Document::from_json(json.as_bytes()).unwrap();
        let (key_document, value_document) = (document(key), document(value));
        let (left, right) = (Value::from(key_document.root()), Value::from(value_document.root()));
        let (known_left, known_right) = (Known::of(key_document.root()), Known::of(value_document.root()));
        for knows in [(false, false), (true, false), (false, true), (true, true)] {
            let holds = Operator::of(word).unwrap().holds(
                Operand::new(&left, knows.0.then_some(&known_left)),
                Operand::new(&right, knows.1.then_some(&known_right)),
            );
            if holds != *expected {
                wrong.push(format!("{key} {word} {value}: {holds}, known beforehand: {knows:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn unknown_operators_are_none() {
    for word in ["", "Like", "DurationEquals", "Duration"] {
        assert_eq!(Operator::of(word), None, "{word}");
    }
}
