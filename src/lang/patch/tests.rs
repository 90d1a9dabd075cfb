use serde_json::{Value, json};

use super::schema;
use super::{Atomics, Operation, PatchError, Shapes, apply, patch};

fn operation(op: &str, path: &str, value: Value) -> Operation {
    let value = (!value.is_null()).then_some(value);
    Operation { op: op.to_owned(), path: path.to_owned(), from: String::new(), value }
}

fn patched(object: &Value, operations: &[Operation]) -> Result<Value, PatchError> {
    let mut object = object.clone();
    patch(&mut object, operations).map(|()| object)
}

fn pod(spec: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "labels": {"app": "web"}}, "spec": spec})
}

fn applied(object: &Value, patch: &Value) -> Result<Value, String> {
    let text = |key: &str| object[key].as_str().unwrap_or_default();
    apply(&Shapes::of(text("apiVersion"), text("kind")), object, patch, Atomics::Refused)
}

#[test]
fn operations_follow_the_library_of_the_api_server() {
    let object = json!({"a": {"b": [1, 2, 3]}, "k/~": null});
    for (operations, expected) in [
        (vec![operation("add", "/a/c", json!(1))], json!({"a": {"b": [1, 2, 3], "c": 1}, "k/~": null})),
        (vec![operation("add", "/a/b/-", json!(4))], json!({"a": {"b": [1, 2, 3, 4]}, "k/~": null})),
        (vec![operation("add", "/a/b/1", json!(9))], json!({"a": {"b": [1, 9, 2, 3]}, "k/~": null})),
        (vec![operation("add", "/a/b/-1", json!(9))], json!({"a": {"b": [1, 2, 3, 9]}, "k/~": null})),
        (vec![operation("remove", "/a/b/-1", json!(null))], json!({"a": {"b": [1, 2]}, "k/~": null})),
        (vec![operation("replace", "/k~1~0", json!("x"))], json!({"a": {"b": [1, 2, 3]}, "k/~": "x"})),
        // The library does not ask whether the field is there.
        (vec![operation("replace", "/new", json!(1))], json!({"a": {"b": [1, 2, 3]}, "k/~": null, "new": 1})),
        (
            vec![operation("test", "/a/b/0", json!(1)), operation("remove", "/a", json!(null))],
            json!({"k/~": null}),
        ),
        (
            vec![Operation { from: "/a/b/0".to_owned(), ..operation("copy", "/c", json!(null)) }],
            json!({"a": {"b": [1, 2, 3]}, "c": 1, "k/~": null}),
        ),
        (
            vec![Operation { from: "/a/b/0".to_owned(), ..operation("move", "/a/b/-", json!(null)) }],
            json!({"a": {"b": [2, 3, 1]}, "k/~": null}),
        ),
        (vec![operation("replace", "", json!({"x": 1}))], json!({"x": 1})),
    ] {
        assert_eq!(patched(&object, &operations), Ok(expected), "{operations:?}");
    }
}

#[test]
fn what_does_not_apply_says_why() {
    let object = json!({"a": {"b": [1]}, "n": null});
    for (operation, expected) in [
        (
            operation("add", "/x/y", json!(1)),
            "add operation does not apply: doc is missing path: \"/x/y\": missing value",
        ),
        (
            operation("add", "/n/y", json!(1)),
            "add operation does not apply: doc is missing path: \"/n/y\": missing value",
        ),
        (
            operation("add", "", json!(1)),
            "add operation does not apply: doc is missing path: \"\": missing value",
        ),
        (
            operation("remove", "/a/x", json!(null)),
            "error in remove for path: '/a/x': Unable to remove nonexistent key: x: missing value",
        ),
        (
            operation("remove", "/a/b/7", json!(null)),
            "error in remove for path: '/a/b/7': Unable to access invalid index: 7: invalid index referenced",
        ),
        (
            operation("add", "/a/b/x", json!(1)),
            "error in add for path: '/a/b/x': value was not a proper array index: 'x': strconv.Atoi: parsing \"x\": \
             invalid syntax",
        ),
        (
            operation("replace", "/a/b/3", json!(1)),
            "replace operation does not apply: doc is missing key: /a/b/3: missing value",
        ),
        (operation("swap", "/a", json!(1)), "Unexpected kind: swap"),
        (
            operation("test", "/x/y", json!(1)),
            "test operation does not apply: is missing path: /x/y: missing value",
        ),
    ] {
        assert_eq!(patched(&object, &[operation]), Err(PatchError::Failed(expected.to_owned())));
    }
    let differs = patched(&object, &[operation("test", "/a/b/0", json!(2))]);
    assert_eq!(differs, Err(PatchError::TestFailed("/a/b/0".to_owned())));
}

#[test]
fn the_table_is_whole() {
    assert_eq!(schema::dangling(), Vec::<String>::new());
    let n_lines = schema::KIND_SHAPES.lines().filter(|line| !line.is_empty()).count();
    let (n_kinds, n_types) = schema::counts();
    assert_eq!(n_kinds + n_types, n_lines, "each line is read");
    assert!(n_kinds > 80 && n_types > 600, "{n_kinds} kinds, {n_types} types");
}

#[test]
fn keyed_lists_merge_and_take_the_order_of_the_patch() {
    let names = |value: &Value| -> Vec<String> {
        let items = value["spec"]["containers"].as_array().unwrap();
        items.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
    };
    let containers = |names: &[&str]| -> Value {
        names.iter().map(|name| json!({"name": name, "image": "i"})).collect::<Vec<_>>().into()
    };
    let patch = |names: &[&str]| json!({"spec": {"containers": containers(names)}});
    for (live, theirs, expected) in [
        (vec!["a", "b"], vec!["b"], vec!["a", "b"]),
        (vec!["a", "b"], vec!["c"], vec!["a", "b", "c"]),
        (vec!["a", "b", "c"], vec!["c", "a"], vec!["b", "c", "a"]),
        (vec!["a", "b", "c"], vec!["x", "b"], vec!["a", "x", "b", "c"]),
        (vec![], vec!["b", "a"], vec!["b", "a"]),
    ] {
        let object = pod(&json!({"containers": containers(&live)}));
        let merged = applied(&object, &patch(&theirs)).unwrap();
        assert_eq!(names(&merged), expected, "{live:?} with {theirs:?}");
    }
    let object = pod(&json!({"containers": [{"name": "a", "image": "i",
        "ports": [{"containerPort": 80}, {"containerPort": 80, "protocol": "UDP"}]}]}));
    let ports = json!([{"containerPort": 80, "protocol": "TCP", "name": "http"}]);
    let merged = applied(&object, &json!({"spec": {"containers": [{"name": "a", "ports": ports}]}})).unwrap();
    let expected = json!([{"containerPort": 80, "protocol": "TCP", "name": "http"},
        {"containerPort": 80, "protocol": "UDP"}]);
    assert_eq!(merged["spec"]["containers"][0]["ports"], expected, "the default of a key is TCP");
    assert_eq!(merged["spec"]["containers"][0]["image"], "i");
}

#[test]
fn maps_merge_and_nothing_is_removed() {
    let object = pod(&json!({"containers": [], "nodeSelector": {"a": "b"}}));
    let merged =
        applied(&object, &json!({"metadata": {"labels": {"tier": "x"}}, "spec": {"hostNetwork": true}}));
    let expected = json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "a", "labels": {"app": "web", "tier": "x"}},
        "spec": {"containers": [], "nodeSelector": {"a": "b"}, "hostNetwork": true}});
    assert_eq!(merged, Ok(expected));
    assert_eq!(applied(&object, &json!({})), Ok(object));
}

#[test]
fn what_a_patch_must_not_say_is_refused() {
    let object = pod(&json!({"containers": [{"name": "a"}]}));
    let atomic = "invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: ";
    let shape = "failed to convert patch object to typed object: ";
    for (spec, expected) in [
        (json!({"tolerations": [{"key": "k"}]}), format!("{atomic}.spec.tolerations")),
        (json!({"nodeSelector": {"a": "c"}}), format!("{atomic}.spec.nodeSelector")),
        (json!({"containers": [{"name": "a", "args": ["x"]}]}), format!("{atomic}.spec.containers[0].args")),
        (json!({"imagePullSecrets": [{"name": "s"}]}), format!("{atomic}.spec.imagePullSecrets[0]")),
        (json!({"hostNetwrk": true}), format!("{shape}.spec.hostNetwrk: field not declared in schema")),
        (
            json!({"priority": "high"}),
            format!("{shape}.spec.priority: expected numeric (int or float), got string"),
        ),
        (
            json!({"hostname": 1}),
            format!("{shape}.spec.hostname: expected string, got &value.valueUnstructured{{Value:1}}"),
        ),
        (
            json!({"containers": [{"name": "a"}, {"name": "a"}]}),
            format!("{shape}.spec.containers: duplicate entries for key [name=\"a\"]"),
        ),
        (
            json!({"containers": {"name": "a"}}),
            format!("{shape}.spec.containers: expected list, got &{{map[name:a]}}"),
        ),
    ] {
        assert_eq!(applied(&object, &json!({"spec": spec})), Err(expected));
    }
    let tolerations = json!({"spec": {"tolerations": [{"key": "k"}]}});
    let replaced = apply(&Shapes::of("v1", "Pod"), &object, &tolerations, Atomics::Replaced).unwrap();
    assert_eq!(replaced["spec"]["tolerations"], json!([{"key": "k"}]));
}

#[test]
fn of_custom_resources_metadata_is_known_and_lists_are_atomic() {
    let object = json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "a"},
        "spec": {"a": {"b": 1}, "list": [1]}});
    let merged =
        applied(&object, &json!({"spec": {"a": {"c": 2}}, "metadata": {"labels": {"x": "y"}}})).unwrap();
    assert_eq!(merged["spec"], json!({"a": {"b": 1, "c": 2}, "list": [1]}));
    assert_eq!(merged["metadata"], json!({"name": "a", "labels": {"x": "y"}}));
    let refused = applied(&object, &json!({"spec": {"list": [2]}}));
    assert!(refused.unwrap_err().ends_with(".spec.list"));
    assert!(applied(&object, &json!({"metadata": {"nam": "x"}})).unwrap_err().contains("not declared"));
}
