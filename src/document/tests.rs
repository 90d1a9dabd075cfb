use super::*;

fn document(json: &str) -> Document {
    Document::from_json(json.as_bytes()).unwrap()
}

const POD: &str = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","namespace":"n","labels":{"x":"1"},"managedFields":[{"a":1}],
"finalizers":["f"],"resourceVersion":"7"},"spec":{"containers":[{"name":"c","image":"i"},{"name":"d"}],"n":1.5},"status":{"phase":"Running"}}"#;

#[test]
fn managed_fields_are_left_out_and_only_those_of_the_metadata() {
    let pod = document(POD);
    assert!(pod.root().path(&["metadata", "managedFields"]).is_none());
    assert_eq!(
        document(r#"{"spec":{"managedFields":1}}"#).root().to_json(),
        r#"{"spec":{"managedFields":1}}"#
    );
}

#[test]
fn paths_lists_and_scalars_are_read_in_place() {
    let pod = document(POD);
    let containers = pod.root().path(&["spec", "containers"]).unwrap();
    assert_eq!(containers.len(), 2);
    assert_eq!(containers.at_index(1).unwrap().get("name").unwrap().as_str(), Some("d"));
    assert_eq!(pod.root().path(&["spec", "n"]).unwrap().as_f64(), Some(1.5));
    assert!(pod.root().path(&["spec", "containers", "name"]).is_none());
}

#[test]
fn the_last_of_equal_keys_wins_as_in_go() {
    let twice = document(r#"{"b":{"c":[1,2]},"a":{"k":1,"k":{"z":"y"},"j":2},"a2":3,"b":{"d":"e"}}"#);
    assert_eq!(twice.root().to_json(), r#"{"a":{"j":2,"k":{"z":"y"}},"a2":3,"b":{"d":"e"}}"#);
    let many: Vec<String> = (0..20).map(|i| format!("\"k{}\":{i}", i % 15)).collect();
    let many = document(&format!("{{{}}}", many.join(",")));
    assert_eq!(many.root().len(), 15);
    assert_eq!(many.root().get("k3").unwrap().as_i64(), Some(18));
}

#[test]
fn integers_beyond_64_bits_are_floats_as_in_unstructured_json() {
    let numbers = document("[9223372036854775807,9223372036854775808,-1,1e3,1.38e-23]");
    let kinds: Vec<Kind> = numbers.root().items().map(Node::kind).collect();
    assert_eq!(kinds, [Kind::Int, Kind::Float, Kind::Int, Kind::Float, Kind::Float]);
    assert_eq!(numbers.root().at_index(4).unwrap().as_f64(), Some(1.38e-23));
}

#[test]
fn deep_nesting_and_cut_text_are_errors_not_crashes() {
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    assert!(Document::from_json(deep.as_bytes()).is_err());
    assert!(Document::from_json(br#"{"a":"#).is_err());
    assert!(Document::from_json(br#"{"a":1} x"#).is_err());
}

#[test]
fn reads_are_noted_by_part_and_only_when_looked_at() {
    let pod = document(POD);
    let reads_of = |look: &dyn Fn(Node<'_>)| {
        let reads = Reads::new();
        look(pod.tracked(&reads));
        reads.parts()
    };
    assert_eq!(
        reads_of(&|root| {
            let _ = root.path(&["metadata", "name"]);
        }),
        Parts::NONE
    );
    assert_eq!(
        reads_of(&|root| {
            let _ = root.path(&["metadata", "labels", "x"]);
        }),
        Parts::of(Part::Labels)
    );
    assert_eq!(
        reads_of(&|root| {
            let _ = root.path(&["spec", "containers"]);
        }),
        Parts::of(Part::Spec)
    );
    assert_eq!(
        reads_of(&|root| {
            let _ = root.get("data");
        }),
        Parts::of(Part::Rest)
    );
    assert_eq!(
        reads_of(&|root| {
            let _ = root.path(&["metadata", "finalizers"]);
        }),
        Parts::of(Part::Metadata)
    );
    assert_eq!(
        reads_of(&|root| {
            let _ = root.get("metadata").unwrap().to_json();
        }),
        Parts::METADATA
    );
    assert_eq!(
        reads_of(&|root| {
            let _ = root.to_json();
        }),
        Parts::ALL
    );
    assert_eq!(
        reads_of(&|root| {
            let _ = Value::from(root).get("status");
        }),
        Parts::of(Part::Status)
    );
}

#[test]
fn computed_values_equal_documents_of_the_same_content() {
    let parsed = document(r#"{"a":[1,"x",null],"b":{"c":true}}"#);
    let computed = Value::map(Map::from([
        ("a".into(), Value::list(vec![Value::Int(1), Value::owned("x"), Value::Null])),
        ("b".into(), Value::map(Map::from([("c".into(), Value::Bool(true))]))),
    ]));
    assert!(computed.equals(&parsed.root().into()));
    assert!(Value::from(parsed.root()).equals(&computed));
    assert_eq!(computed.to_json(), parsed.root().to_json());
    assert_eq!(computed.to_document(), parsed);
    assert!(!Value::Int(1).equals(&Value::owned("1")));
    assert!(Value::Int(1).equals(&Value::Float(1.0)));
}

#[test]
fn an_item_of_a_list_gets_the_kind_of_the_list() {
    let item = br#"{"metadata":{"name":"a"},"spec":{"c":[{"x":1},2]}}"#;
    let whole = Document::from_list_item(item, "v1", "Pod").unwrap();
    let expected = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"spec":{"c":[{"x":1},2]}}"#;
    assert_eq!(whole.root().to_json(), expected);
    let own = Document::from_list_item(br#"{"kind":"Own"}"#, "v1", "Pod").unwrap();
    assert_eq!(own.root().to_json(), r#"{"kind":"Own"}"#);
}
