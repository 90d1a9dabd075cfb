use crate::folder::{Folder, Manifest, Origin, split};

/// The manifests of a file.
fn manifests(text: &str) -> Vec<Manifest> {
    let mut folder = Folder::default();
    split(&Origin::of_file("p.yaml"), &text.as_bytes().into(), &mut folder);
    assert!(folder.problems.is_empty(), "{:?}", folder.problems);
    folder.manifests
}

const POLICY: &str = r#"# a policy
kind: ClusterPolicy
spec:
  rules:
  - name: a

    context:
      - name: x
        variable: {value: 1}
    "validate":
      pattern:
        spec: {=(a): 1, "b c": [2, {d: 3}]}
  -
    name: b
    message: |
      name: c
      {{ first }} ünd

       {{ second }}
    folded: >-
      one
      two {{ three }}
    plain: one {{ two }}
      {{ three }}
    single: 'it''s {{ here }}'
    double: "tab\t\u00e9 \"{{ here }}\" \
      {{ there }}"
  background: true
"#;

/// The line of a place with what is meant in angle brackets, behind its number.
fn show(text: &str, path: &str, part: Option<&str>) -> String {
    let manifest = manifests(text).remove(0);
    assert!(manifest.parse().is_ok(), "{text}");
    let layout = manifest.layout();
    let part = part.map(|part| {
        let value = layout.spots[path].scalar.as_ref().unwrap().value.clone();
        let start = value.find(part).unwrap();
        start..start + part.len()
    });
    let Some(place) = layout.place(path, part) else { return "nowhere".to_owned() };
    let chars: Vec<char> = place.text.chars().collect();
    let (from, to) = (place.column - 1, place.column - 1 + place.length);
    let text = |chars: &[char]| chars.iter().collect::<String>();
    format!("{}:{}<{}>{}", place.line, text(&chars[..from]), text(&chars[from..to]), text(&chars[to..]))
}

#[track_caller]
fn expect(path: &str, wanted: &str) {
    assert_eq!(show(POLICY, path, None), wanted, "{path}");
}

#[track_caller]
fn expect_part(path: &str, part: &str, wanted: &str) {
    assert_eq!(show(POLICY, path, Some(part)), wanted, "{path}");
}

#[test]
fn fields_are_found_by_their_path() {
    expect("kind", "2:<kind>: ClusterPolicy");
    expect("spec.rules", "4:  <rules>:");
    expect("spec.rules[0].name", "5:  - <name>: a");
    expect("spec.rules[0].context[0].name", "8:      - <name>: x");
    expect("spec.rules[0].context[0].variable.value", "9:        variable: {<value>: 1}");
    expect("spec.rules[0].validate", "10:    <\"validate\">:");
    expect("spec.rules[0].validate.pattern.spec.=(a)", "12:        spec: {<=(a)>: 1, \"b c\": [2, {d: 3}]}");
    expect(
        "spec.rules[0].validate.pattern.spec.b c[1].d",
        "12:        spec: {=(a): 1, \"b c\": [2, {<d>: 3}]}",
    );
    expect("spec.rules[1].name", "14:    <name>: b");
    expect("spec.background", "28:  <background>: true");
}

#[test]
fn what_is_not_there_has_the_place_of_what_is_around_it() {
    expect("spec.rules[0].validate.pattern.metadata.labels", "11:      <pattern>:");
    expect("spec.rules[2]", "4:  <rules>:");
    expect("spec.rules[1].validate", "14:    <n>ame: b");
    expect("nowhere", "nowhere");
}

#[test]
fn parts_of_texts_are_found_in_every_style() {
    expect_part("spec.rules[1].message", "first", "17:      {{ <first> }} ünd");
    expect_part("spec.rules[1].message", "ünd", "17:      {{ first }} <ünd>");
    expect_part("spec.rules[1].message", "{{ second", "19:       <{{ second> }}");
    expect_part("spec.rules[1].folded", "three", "22:      two {{ <three> }}");
    expect_part("spec.rules[1].plain", "three }}", "24:      {{ <three }}>");
    expect_part("spec.rules[1].single", "here", "25:    single: 'it''s {{ <here> }}'");
    expect_part("spec.rules[1].double", "here", r#"26:    double: "tab\t\u00e9 \"{{ <here> }}\" \"#);
    expect_part("spec.rules[1].double", "there", r#"27:      {{ <there> }}""#);
    // A part over several lines is its first one.
    expect_part("spec.rules[1].message", "c\n{{ first", "16:      name: <c>");
}

#[test]
fn json_and_items_of_lists_are_found_in_their_file() {
    let json = "{\"kind\": \"List\", \"items\": [{\"a\": 1},\n {\"b\": \"\\ud83d\\ude00 {{ x }}\"}]}\n";
    let place = |text: &str, at: usize, path: &str, part| {
        let place = manifests(text)[at].layout().place(path, part).unwrap();
        (place.line, place.column, place.length)
    };
    assert_eq!(place(json, 0, "a", None), (1, 29, 3));
    assert_eq!(place(json, 1, "b", None), (2, 3, 3));
    assert_eq!(place(json, 1, "b", Some(8..9)), (2, 25, 1));
    assert_eq!(place(json, 1, "b", Some(12..13)), (2, 28, 1));
    let list = "kind: List\nitems:\n- a: 1\n- b:\n    c: '{{ x }}'\n";
    assert_eq!(place(list, 0, "a", None), (3, 3, 1));
    assert_eq!(place(list, 1, "b.c", Some(3..4)), (5, 12, 1));
    let indented = "kind: List\nitems:\n  - a: 1\n    b: 2\n  - c: 3\n";
    assert_eq!(place(indented, 0, "b", None), (4, 5, 1));
    assert_eq!(place(indented, 1, "c", None), (5, 5, 1));
}

#[test]
fn an_alias_stands_where_it_is_used() {
    let text = "a: &x {b: 1}\nc: *x\nd:\n  <<: *x\n";
    assert_eq!(show(text, "c.b", None), "2:<c>: *x");
    assert_eq!(show(text, "d.b", None), "3:<d>:");
}
