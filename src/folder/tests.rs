use std::fs;
use std::sync::Arc;

use super::*;
use crate::inventory::Scopes;
use crate::model::{FactKey, FactValue};

fn split_text(text: &str) -> Folder {
    let mut folder = Folder::default();
    split(&Origin::of_file("f.yaml"), &Arc::from(text.as_bytes()), &mut folder);
    folder
}

/// Each document as `line json`, each problem or error as its text.
fn documents(text: &str) -> Vec<String> {
    let folder = split_text(text);
    let parsed = folder.manifests.iter().map(|manifest| match manifest.parse() {
        Ok(document) => format!("{} {}", manifest.origin.line, document.root().to_json()),
        Err(error) => error.to_string(),
    });
    parsed.chain(folder.problems.iter().map(ToString::to_string)).collect()
}

#[test]
fn documents_are_split_at_markers_and_keep_their_lines() {
    let cases: &[(&str, &[&str])] = &[
        ("", &[]),
        ("# only a comment\n\n---\n---\n# more\n", &[]),
        ("a: 1", &[r#"1 {"a":1}"#]),
        ("a: 1\n---\nb: 2\n", &[r#"1 {"a":1}"#, r#"3 {"b":2}"#]),
        ("---\n# c\na: 1\n...\n---\nb: 2\n---\n", &[r#"3 {"a":1}"#, r#"6 {"b":2}"#]),
        ("--- # c\na: 1\r\n---\r\nb: 2\r\n", &[r#"2 {"a":1}"#, r#"4 {"b":2}"#]),
        ("--- {\"a\": 1}\n", &[r#"1 {"a":1}"#]),
        ("\u{feff}a: 1\n", &[r#"1 {"a":1}"#]),
        ("%YAML 1.2\n---\na: 1\n", &[r#"3 {"a":1}"#]),
        ("a: |\n  ---\n  x\n", &[r#"1 {"a":"---\nx\n"}"#]),
        ("a: x\n----\n", &["f.yaml:2: is not YAML"]),
        ("  a: 1\n  b: 2\n", &[r#"1 {"a":1,"b":2}"#]),
        ("{a: 1, b: [x]} # flow\n", &[r#"1 {"a":1,"b":["x"]}"#]),
        ("{\"a\": 1}\n{\"b\": 2} {\"c\":\"}\"}\n", &[r#"1 {"a":1}"#, r#"2 {"b":2}"#, r#"2 {"c":"}"}"#]),
        ("{\"a\": 1}\n---\n\n{\"b\": 2}\n", &[r#"1 {"a":1}"#, r#"4 {"b":2}"#]),
        ("- a\n- b\n", &["f.yaml:1: is not an object"]),
        ("text\n", &["f.yaml:1: is not an object"]),
    ];
    for (text, expected) in cases {
        let found = documents(text);
        assert_eq!(found.len(), expected.len(), "{text:?}: {found:?}");
        for (found, expected) in found.iter().zip(*expected) {
            assert!(found.starts_with(expected), "{text:?}: {found} instead of {expected}");
        }
    }
}

#[test]
fn the_items_of_lists_are_documents_of_their_own() {
    let cases: &[(&str, &[&str])] = &[
        (
            "{\"kind\":\"List\",\"apiVersion\":\"v1\",\"items\":[\n{\"a\":1},\n{\"b\":[{}]}]}",
            &[r#"2 {"a":1}"#, r#"3 {"b":[{}]}"#],
        ),
        ("{\"items\":[], \"kind\": \"List\"}", &[]),
        ("{\"kind\":\"AllowList\",\"spec\":{}}", &[r#"1 {"kind":"AllowList","spec":{}}"#]),
        (
            r#"{"kind":"PodList","apiVersion":"v1","items":[{"x":1},{"kind":"Y"}]}"#,
            &[r#"1 {"apiVersion":"v1","kind":"Pod","x":1}"#, r#"1 {"kind":"Y"}"#],
        ),
        (
            "apiVersion: v1\nitems:\n- a: 1\n  b: |\n    - x\n\n# c\n- c: 2\nkind: List\nmetadata: {}\n",
            &[r#"3 {"a":1,"b":"- x\n"}"#, r#"8 {"c":2}"#],
        ),
        ("kind: List # l\nitems:\n  - a: 1\n  -\n    b: 2\n", &[r#"3 {"a":1}"#, r#"4 {"b":2}"#]),
        (
            "kind: List\nitems:\n  - a: 1\n    b: 2\n  - c:\n    - 3\n",
            &[r#"3 {"a":1,"b":2}"#, r#"5 {"c":[3]}"#],
        ),
        ("kind: List\nitems: [{a: 1}, {b: 2}]\n", &[r#"1 {"a":1}"#, r#"1 {"b":2}"#]),
        ("kind: List\nitems:\n- a: &x {k: 1}\n- b: *x\n", &[r#"1 {"a":{"k":1}}"#, r#"1 {"b":{"k":1}}"#]),
        ("kind: List\nitems:\n- a: [\n- b: 2\n", &["f.yaml:3: is not YAML", r#"4 {"b":2}"#]),
        ("kind: List\nitems: 3\n", &["f.yaml:1: `items` is not a list"]),
    ];
    for (text, expected) in cases {
        let found = documents(text);
        assert_eq!(found.len(), expected.len(), "{text:?}: {found:?}");
        for (found, expected) in found.iter().zip(*expected) {
            assert!(found.starts_with(expected), "{text:?}: {found} instead of {expected}");
        }
    }
}

#[test]
fn yaml_resolves_as_in_go() {
    let cases = [
        ("a: yes", r#"{"a":true}"#),
        ("a: off", r#"{"a":false}"#),
        ("a: 0777", r#"{"a":511}"#),
        ("a: 0o17", r#"{"a":15}"#),
        ("a: 1_000", r#"{"a":1000}"#),
        ("a: 1e3", r#"{"a":1000}"#),
        ("a: 2.0", r#"{"a":2}"#),
        ("a: 2.5", r#"{"a":2.5}"#),
        ("a: ~\nb:\n", r#"{"a":null,"b":null}"#),
        ("a: 1\na: 2", r#"{"a":2}"#),
        ("x: &x {a: 1, b: 2}\nz:\n  <<: *x\n  b: 3", r#"{"x":{"a":1,"b":2},"z":{"b":3,"a":1}}"#),
        ("y: 1\nn: 2\n\"y\": 3", r#"{"true":1,"false":2,"y":3}"#),
        ("true: 1\n2: x", r#"{"true":1,"2":"x"}"#),
        ("a: '0777'\nb: \"yes\"", r#"{"a":"0777","b":"yes"}"#),
        ("a: 2001-12-14", r#"{"a":"2001-12-14"}"#),
        ("a: 12345678901234567890", r#"{"a":1.2345678901234567e19}"#),
    ];
    for (text, expected) in cases {
        let found = documents(text);
        assert_eq!(sorted(found.first().unwrap().strip_prefix("1 ").unwrap()), sorted(expected), "{text}");
    }
}

fn sorted(json: &str) -> serde_json::Value {
    serde_json::from_str(json).unwrap()
}

#[test]
fn a_broken_document_costs_only_itself_and_is_named_by_line() {
    let found = documents("a: 1\n---\nb: [1,\nc: {\n---\nd: 4\n");
    assert_eq!(found.len(), 3, "{found:?}");
    assert_eq!(found[0], r#"1 {"a":1}"#);
    assert!(found[1].starts_with("f.yaml:4: is not YAML: "), "{}", found[1]);
    assert!(!found[1].contains('\n'), "{}", found[1]);
    assert_eq!(found[2], r#"6 {"d":4}"#);

    let found = documents("{\"a\": 1}\n{\n \"b\": [}\n]}\n{\"c\": 3}\n");
    assert_eq!(found[0], r#"1 {"a":1}"#);
    assert_eq!(found[1], "f.yaml:3: is not JSON: expected value, in column 8");
    assert_eq!(found[2], r#"5 {"c":3}"#);

    assert_eq!(documents("{\"a\": 1").len(), 1);
    assert!(
        documents("{\"a\": 1")[0].starts_with("f.yaml:1: is not JSON: EOF"),
        "{:?}",
        documents("{\"a\": 1")
    );
}

#[test]
fn text_that_is_not_utf8_is_said_to_be_so() {
    let mut folder = Folder::default();
    let bytes: Arc<[u8]> = Arc::from(b"a: 1\n---\nb: x\nc: \xff\n---\nd: 1\n".as_slice());
    split(&Origin::of_file("f"), &bytes, &mut folder);
    let results: Vec<_> = folder.manifests.iter().map(|m| m.parse().map_err(|e| e.to_string())).collect();
    assert_eq!(results.len(), 3);
    assert_eq!(results[1].as_ref().unwrap_err(), "f:4: is not UTF-8");
    assert!(results[2].is_ok());

    let mut folder = Folder::default();
    split(&Origin::of_file("f"), &Arc::from(b"\xff\xfea\0:\0".as_slice()), &mut folder);
    assert_eq!(folder.problems[0].to_string(), "f: is not UTF-8 but UTF-16");
}

#[test]
fn deep_nesting_is_an_error_and_a_large_config_map_is_not() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let text = format!("{{\"x\": {}1{}}}", open.repeat(10_000), close.repeat(10_000));
        let found = documents(&text);
        assert!(
            found[0].starts_with("f.yaml:1: is not JSON: nested deeper than 120 levels, in column "),
            "{found:?}"
        );
    }
    let text = format!("a: {}1{}", "[".repeat(10_000), "]".repeat(10_000));
    assert!(documents(&text)[0].starts_with("f.yaml:1: is not YAML: "));

    let big = "x".repeat(3 << 20);
    for text in [
        format!("kind: ConfigMap\ndata:\n  a: {big}\n"),
        format!("{{\"kind\": \"ConfigMap\", \"data\": {{\"a\": \"{big}\"}}}}"),
    ] {
        let folder = split_text(&text);
        let document = folder.manifests[0].parse().unwrap();
        assert_eq!(document.root().path(&["data", "a"]).unwrap().as_str().unwrap().len(), 3 << 20);
    }
    let huge = format!("a: {}\n", "x".repeat(17 << 20));
    assert_eq!(documents(&huge)[0], "f.yaml:1: the object is larger than 16777216 bytes");
}

#[test]
fn an_alias_bomb_is_stopped() {
    let mut text = "a: &a [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for (name, before) in ["b", "c", "d", "e", "f", "g", "h"].iter().zip(["a", "b", "c", "d", "e", "f", "g"])
    {
        text.extend([format!("{name}: &{name} [{}]\n", vec![format!("*{before}"); 10].join(","))]);
    }
    assert!(documents(&text)[0].contains("is not YAML"), "{:?}", documents(&text)[0].get(..200));
}

#[test]
fn equal_bytes_have_equal_digests_wherever_they_stand() {
    let one = split_text("a: 1\n---\nb: 2\n");
    let other = split_text("# moved\n---\nb: 2\n---\na: 1\n");
    assert_eq!(one.manifests[1].digest, other.manifests[0].digest);
    assert_ne!(one.manifests[0].digest, one.manifests[1].digest);
    let listed = split_text("kind: PodList\napiVersion: v1\nitems:\n- a: 1\n");
    let plain = split_text("kind: List\napiVersion: v1\nitems:\n- a: 1\n");
    assert_ne!(listed.manifests[0].digest, plain.manifests[0].digest);
}

#[test]
fn folders_are_read_in_order_and_named_files_always() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    fs::create_dir_all(root.join("b/c")).unwrap();
    fs::create_dir_all(root.join(".git")).unwrap();
    for (name, text) in [
        ("z.yaml", "name: z"),
        ("a.YML", "name: a"),
        ("b/c/d.json", "{\"name\":\"d\"}"),
        ("notes.txt", "name: notes"),
        (".git/x.yaml", "name: git"),
    ] {
        fs::write(root.join(name), text).unwrap();
    }
    std::os::unix::fs::symlink(root, root.join("b/loop")).unwrap();
    std::os::unix::fs::symlink(root.join("z.yaml"), root.join("zz.yaml")).unwrap();
    std::os::unix::fs::symlink(root.join("nowhere"), root.join("gone.yaml")).unwrap();

    let names = |folder: &Folder| -> Vec<String> {
        let parsed = folder.manifests.iter().map(|manifest| manifest.parse().unwrap());
        parsed.map(|document| document.root().get("name").unwrap().as_str().unwrap().to_owned()).collect()
    };
    let folder = read(&[root]);
    assert_eq!(names(&folder), ["a", "d", "z"]);
    assert_eq!(folder.problems.len(), 1, "{:?}", folder.problems);
    assert!(folder.problems[0].to_string().contains("gone.yaml: cannot be read: "));

    let folder = read(&[root.join("notes.txt"), root.join("missing")]);
    assert_eq!(names(&folder), ["notes"]);
    assert!(folder.problems[0].to_string().contains("missing: cannot be read: "));
    assert_eq!(names(&read(&[root.join("z.yaml"), root.join("z.yaml")])), ["z"]);
}

#[test]
fn loading_names_objects_that_are_given_twice_or_cannot_be_named() {
    let folder = split_text(
        "apiVersion: x.io/v1\nkind: Ox\nmetadata: {name: a, namespace: ns}\n---\n\
         apiVersion: v1\nkind: Pod\n---\n\
         apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n---\napiVersion: v1\nkind: Pod\n\
         metadata: {name: p, namespace: default}\n---\napiVersion: apiextensions.k8s.io/v1\n\
         kind: CustomResourceDefinition\nmetadata: {name: oxen.x.io}\n\
         spec: {group: x.io, scope: Cluster, names: {kind: Ox, plural: oxen}}\n",
    );
    let mut problems = Vec::new();
    let loaded = load(&folder, &mut Scopes::builtin(), &mut problems);
    let names: Vec<String> = loaded.iter().map(|l| format!("{} {}", l.origin, l.id.key)).collect();
    assert_eq!(
        names,
        [
            "f.yaml:1 Ox.x.io a",
            "f.yaml:8 Pod default/p",
            "f.yaml:16 CustomResourceDefinition.apiextensions.k8s.io oxen.x.io"
        ]
    );
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        [
            "f.yaml:5: has no `metadata.name`",
            "f.yaml:12: Pod default/p is given twice: the one at f.yaml:8 is kept, this one is left out"
        ]
    );
}

fn snapshot(text: &str) -> Snapshot {
    let mut scopes = Scopes::builtin();
    let loaded = load(&split_text(text), &mut scopes, &mut Vec::new());
    let mut snapshot = Snapshot::new(scopes);
    for object in loaded {
        snapshot.insert(object.id.key, object.document);
    }
    snapshot
}

#[test]
fn a_snapshot_answers_as_an_api_server() {
    let snapshot = snapshot(
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: ns, labels: {a: b}}\n---\n\
         apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: ns, labels: {x: '1', b: z}}\n---\n\
         apiVersion: v1\nkind: Pod\nmetadata: {name: q, namespace: m}\n---\n\
         apiVersion: x.io/v1\nkind: Widget\nmetadata: {name: w, namespace: ns}\n",
    );
    let get = |path: &str| {
        let key = FactKey::ApiCall { method: "GET".into(), path: path.into(), body: String::new() };
        match snapshot.answer(&key).unwrap() {
            FactValue::Found(found) => match found.root().get("items") {
                Some(items) => {
                    let names = items
                        .items()
                        .map(|i| i.path(&["metadata", "name"]).unwrap().as_str().unwrap().to_owned());
                    format!(
                        "{} {:?}",
                        found.root().get("kind").unwrap().as_str().unwrap(),
                        names.collect::<Vec<_>>()
                    )
                }
                None => found.root().path(&["metadata", "name"]).unwrap().as_str().unwrap().to_owned(),
            },
            FactValue::Missing => "missing".to_owned(),
            FactValue::Failed { message, .. } | FactValue::Refused(message) => message,
        }
    };
    for (path, expected) in [
        ("/api/v1/namespaces/ns", "ns"),
        ("/api/v1/namespaces/none", "missing"),
        ("/api/v1/namespaces", "NamespaceList [\"ns\"]"),
        ("/api/v1/pods", "PodList [\"q\", \"p\"]"),
        ("/api/v1/namespaces/ns/pods", "PodList [\"p\"]"),
        ("/api/v1/namespaces/ns/pods/p", "p"),
        ("/api/v1/namespaces/m/pods/p", "missing"),
        ("/api/v1/pods?labelSelector=x%3D1,b%20in%20(a,z),!w", "PodList [\"p\"]"),
        ("/api/v1/pods?labelSelector=x!=1", "PodList [\"q\"]"),
        ("/api/v1/pods?fieldSelector=metadata.name=q", "PodList [\"q\"]"),
        (
            "/api/v1/pods?fieldSelector=spec.nodeName=q",
            "field selectors on `spec.nodeName` are not answered from files",
        ),
        ("/apis/x.io/v1/namespaces/ns/widgets", "WidgetList [\"w\"]"),
        ("/apis/x.io/v1/namespaces/ns/gadgets", "missing"),
        ("/healthz", "the path `/healthz` is not one of the API"),
    ] {
        assert_eq!(get(path), expected, "{path}");
    }
    let labels = snapshot.answer(&FactKey::NamespaceLabels("ns".into())).unwrap();
    assert!(matches!(labels, FactValue::Found(labels) if labels.root().to_json() == r#"{"a":"b"}"#));
    assert!(snapshot.answer(&FactKey::Image("nginx".into())).is_none());
}

/// A seeded sequence of numbers (xorshift), so that every run tries the same inputs.
fn numbers(mut seed: u64) -> impl FnMut(usize) -> usize {
    move |below| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % below as u64).unwrap()
    }
}

#[test]
fn damaged_text_never_panics_and_stays_within_its_lines() {
    let seeds: [&[u8]; 4] = [
        b"apiVersion: v1\nkind: List\nitems:\n- kind: Pod\n  a: |\n    x\n- {b: [1, 'y']}\n---\n\
          kind: X\n...\n",
        b"{\"kind\":\"List\",\"items\":[{\"a\":\"\\\"}\"},{\"b\":[1,2.5e3,null]}]}\n\
          {\"c\":true}\n---\n{\"d\":{}}",
        b"a: &x [1]\nb: *x\n<<: {c: 1}\n# c\n---\n\t- x\n",
        b"[{\"a\":1}]\n{a: b}\n--- |\n text\n",
    ];
    let pieces: [&[u8]; 12] =
        [b"\n---\n", b"{", b"}", b"[", b"]", b"\"", b"\\", b"\n- ", b": ", b"\xff", b"items:", b"\t"];
    let mut number = numbers(0x5eed);
    for _ in 0..3000 {
        let mut text = seeds[number(seeds.len())].to_vec();
        for _ in 0..=number(4) {
            let at = number(text.len() + 1);
            match number(3) {
                0 => text.truncate(at),
                1 => {
                    let end = (at + number(6)).min(text.len());
                    text.drain(at..end);
                }
                _ => {
                    let piece = pieces[number(pieces.len())];
                    text.splice(at..at, piece.iter().copied());
                }
            }
        }
        let n_lines = u32::try_from(text.split(|byte| *byte == b'\n').count()).unwrap();
        let mut folder = Folder::default();
        split(&Origin::of_file("f"), &Arc::from(text.as_slice()), &mut folder);
        for manifest in &folder.manifests {
            assert!((1..=n_lines).contains(&manifest.origin.line), "{:?}", String::from_utf8_lossy(&text));
            match manifest.parse() {
                Err(error) => {
                    let is_behind = error.origin.line >= manifest.origin.line;
                    assert!(is_behind, "{:?}", String::from_utf8_lossy(&text));
                    assert!(!error.message.is_empty());
                }
                Ok(document) => {
                    let layout = manifest.layout();
                    for (key, _) in document.root().entries() {
                        let Some(place) = layout.place(key, Some(0..1)) else { continue };
                        assert!(place.line <= n_lines as usize, "{:?}", String::from_utf8_lossy(&text));
                        let end = place.column - 1 + place.length;
                        assert!(end <= place.text.chars().count() + 1, "{place:?}");
                    }
                }
            }
        }
    }
}
