use super::*;
use crate::document::Reads;
use crate::model::FactKey;

fn prints(json: &str) -> PartPrints {
    PartPrints::of(&Document::from_json(json.as_bytes()).unwrap())
}

fn over(prints: PartPrints, parts: Parts) -> Fingerprint {
    FormPrints(vec![(Gvk::new("v1", "Pod"), prints)]).over(&[0], parts)
}

#[test]
fn the_order_of_keys_and_managed_fields_do_not_count() {
    let a = prints(r#"{"metadata":{"labels":{"a":"1","b":"2"},"managedFields":[1]},"spec":{"x":1,"y":2}}"#);
    let b = prints(r#"{"spec":{"y":2,"x":1},"metadata":{"labels":{"b":"2","a":"1"}}}"#);
    assert_eq!(a, b);
}

#[test]
fn a_change_moves_exactly_its_part() {
    let base = prints(
        r#"{"metadata":{"labels":{"a":"1"},"resourceVersion":"1"},"spec":{"x":1},"status":{"p":1},"data":{"k":"v"}}"#,
    );
    let cases = [
        (
            r#"{"metadata":{"labels":{"a":"2"},"resourceVersion":"1"},"spec":{"x":1},"status":{"p":1},"data":{"k":"v"}}"#,
            Part::Labels,
        ),
        (
            r#"{"metadata":{"labels":{"a":"1"},"resourceVersion":"2"},"spec":{"x":1},"status":{"p":1},"data":{"k":"v"}}"#,
            Part::Revision,
        ),
        (
            r#"{"metadata":{"labels":{"a":"1"},"resourceVersion":"1"},"spec":{"x":2},"status":{"p":1},"data":{"k":"v"}}"#,
            Part::Spec,
        ),
        (
            r#"{"metadata":{"labels":{"a":"1"},"resourceVersion":"1"},"spec":{"x":1},"data":{"k":"v"}}"#,
            Part::Status,
        ),
        (
            r#"{"metadata":{"labels":{"a":"1"},"resourceVersion":"1"},"spec":{"x":1},"status":{"p":1},"data":{"k":"w"}}"#,
            Part::Rest,
        ),
    ];
    for (json, part) in cases {
        let changed = prints(json);
        assert_eq!(base.differing(&changed), Parts::of(part), "{json}");
        for other in Part::ALL {
            assert_eq!(
                over(base, Parts::of(other)) == over(changed, Parts::of(other)),
                other != part,
                "{json} {other:?}"
            );
        }
    }
}

#[test]
fn an_absent_part_differs_from_an_empty_one() {
    assert_ne!(prints(r#"{"spec":{}}"#), prints("{}"));
    assert_ne!(prints(r#"{"spec":null}"#), prints("{}"));
}

#[test]
fn values_are_delimited() {
    let print = |json: &str| of_node(Document::from_json(json.as_bytes()).unwrap().root());
    let different = [
        r#"["ab","c"]"#,
        r#"["a","bc"]"#,
        r#"[["a"],"bc"]"#,
        r#"{"a":"bc"}"#,
        "[1]",
        r#"["1"]"#,
        "[true]",
        "[null]",
        "[]",
        "{}",
    ];
    for (i, a) in different.iter().enumerate() {
        for b in &different[i + 1..] {
            assert_ne!(print(a), print(b), "{a} {b}");
        }
    }
}

#[test]
fn a_form_counts_with_its_version_and_only_where_it_was_read() {
    let (a, b) = (prints(r#"{"spec":{"x":1}}"#), prints(r#"{"spec":{"y":1}}"#));
    let forms = |second: PartPrints, version: &str| {
        FormPrints(vec![(Gvk::new("apps/v2", "Set"), a), (Gvk::new(version, "Set"), second)])
    };
    let (spec, base) = (Parts::of(Part::Spec), forms(b, "apps/v1"));
    assert_eq!(base.over(&[0], spec), forms(a, "apps/v1").over(&[0], spec));
    assert_ne!(base.over(&[1], spec), forms(a, "apps/v1").over(&[1], spec));
    assert_ne!(base.over(&[1], spec), forms(b, "apps/v1beta1").over(&[1], spec));
    assert_ne!(base.over(&[1], Parts::NONE), base.over(&[0], Parts::NONE));
    assert_ne!(base.over(&[0, 1], spec), base.over(&[0], spec));
}

#[test]
fn pieces_are_hashed_as_the_whole_however_they_are_gathered() {
    for sizes in [
        vec![0],
        vec![1, 63, 64],
        vec![GATHERED_BYTES - 40, 100, 7],
        vec![100_000, 1, 40_000],
        vec![9; 5_000],
    ] {
        let (mut hasher, mut whole) = (Hasher::new("patrol/test/1"), Vec::new());
        whole.extend_from_slice(&13_u64.to_le_bytes());
        whole.extend_from_slice(b"patrol/test/1");
        for (at, n) in sizes.iter().enumerate() {
            let piece = vec![u8::try_from(at % 251).unwrap(); *n];
            hasher.bytes(&piece);
            whole.extend_from_slice(&(piece.len() as u64).to_le_bytes());
            whole.extend_from_slice(&piece);
        }
        assert_eq!(hasher.finish().0, blake3::hash(&whole).as_bytes()[..16], "{sizes:?}");
    }
}

/// Values of a fact that differ from one another.
const VALUES: [&str; 21] = [
    "null",
    "7",
    r#""text""#,
    "[]",
    r#"[{"metadata":{"name":"n"}}]"#,
    "{}",
    r#"{"kind":"Namespace"}"#,
    r#"{"kind":"Namespace","apiVersion":"v1"}"#,
    r#"{"metadata":null}"#,
    r#"{"metadata":"n"}"#,
    r#"{"metadata":["n"]}"#,
    r#"{"metadata":{}}"#,
    r#"{"metadata":{"name":"n"}}"#,
    r#"{"metadata":{"name":"n","uid":"1"}}"#,
    r#"{"metadata":{"name":"n","uid":"2"}}"#,
    r#"{"metadata":{"namespace":"n"}}"#,
    r#"{"metadata":{"name":"n","labels":{"a":"1"}}}"#,
    r#"{"metadata":{"name":"n","annotations":{"a":"1"}}}"#,
    r#"{"metadata":{"name":"n"},"status":{"phase":"Active"}}"#,
    r#"{"metadata":{"name":"n"},"data":{"a":"1"}}"#,
    r#"{"metadata":{"name":"n"},"data":{"a":"2"}}"#,
];

/// What a reading of a fact tells, and which parts of it were looked at.
fn told(value: &FactValue, path: &[&str]) -> (String, Parts) {
    let FactValue::Found(document) = value else { return (format!("{value:?}"), Parts::NONE) };
    let reads = Reads::new();
    let root = document.tracked(&reads);
    let found = root.path(path).map(|found| (found.kind(), found.as_str(), found.as_i64(), found.len()));
    (format!("{:?} {found:?} {:?}", root.kind(), root.at_index(0)), reads.parts())
}

#[test]
fn two_facts_that_read_differently_have_different_fingerprints_over_what_was_read() {
    let found = |json: &str| FactValue::Found(Document::from_json(json.as_bytes()).unwrap());
    let failed = |message: &str| FactValue::Failed { message: message.to_owned(), is_transient: true };
    let mut facts: Vec<Fact> = VALUES.into_iter().map(found).map(fact).collect();
    facts.extend([FactValue::Missing, FactValue::Refused("x".into()), failed("x"), failed("y")].map(fact));
    let paths: [&[&str]; 11] = [
        &[],
        &["kind"],
        &["apiVersion"],
        &["metadata"],
        &["metadata", "name"],
        &["metadata", "namespace"],
        &["metadata", "uid"],
        &["metadata", "labels", "a"],
        &["metadata", "annotations"],
        &["status", "phase"],
        &["data", "a"],
    ];
    let mut n_alike = 0;
    for path in paths {
        for a in &facts {
            let (said, parts) = told(&a.value, path);
            let read =
                FactRead { key: FactKey::Image("i".into()), parts, print: over_fact(&a.prints, parts) };
            assert!(is_as_read(&read, &a.prints));
            for b in facts.iter().filter(|b| b.value != a.value) {
                assert_ne!(over_fact(&a.prints, Parts::ALL), over_fact(&b.prints, Parts::ALL), "{a:?} {b:?}");
                let is_same = is_as_read(&read, &b.prints);
                assert!(!is_same || told(&b.value, path).0 == said, "{path:?} of {a:?} and {b:?}");
                n_alike += usize::from(is_same);
            }
        }
    }
    assert!(n_alike > 50, "changes of what was not read are none: {n_alike}");
}
