use std::path::{Path, PathBuf};

use serde_json::Value;

use super::*;

fn oddities(shape: Shaped, spec: &str) -> Oddities {
    check(shape, Document::from_json(spec.as_bytes()).unwrap().root(), "spec")
}

fn texts(warnings: &[Warning]) -> Vec<String> {
    warnings.iter().map(|w| format!("{}: {}", w.path, w.message)).collect()
}

#[test]
fn a_field_that_kyverno_does_not_know_is_named_with_its_path() {
    let found = oddities(
        Shaped::Policy,
        r#"{"background":true,"rules":[{"name":"a","validate":{"pattrn":{}}},{"match":{"any":[{"resource":{}}]}}]}"#,
    );
    assert_eq!(
        texts(&found.unknown),
        [
            "spec.rules[0].validate.pattrn: Kyverno knows no field `pattrn` here",
            "spec.rules[1].match.any[0].resource: Kyverno knows no field `resource` here",
        ]
    );
    assert_eq!(found.mistyped, []);
}

#[test]
fn a_field_of_the_wrong_type_is_named_with_its_path() {
    let found = oddities(
        Shaped::Policy,
        r#"{"background":"yes","rules":[{"name":7,"match":{"resources":{"kinds":"Pod"}},"context":{}}]}"#,
    );
    assert_eq!(
        texts(&found.mistyped),
        [
            "spec.background: this is not true or false",
            "spec.rules[0].name: this is not a string",
            "spec.rules[0].match.resources.kinds: this is not a list",
            "spec.rules[0].context: this is not a list",
        ]
    );
}

#[test]
fn patterns_conditions_and_null_hold_anything() {
    let spec = r#"{"rules":[{"preconditions":[{"key":1}],"exclude":null,"validate":{"pattern":{"x":[1,{"y":null}]}}}]}"#;
    assert_eq!(oddities(Shaped::Policy, spec), Oddities::default());
}

#[test]
fn exceptions_have_their_own_fields() {
    let spec = r#"{"match":{"any":[]},"exceptions":[{"policyName":"p","ruleNames":["r"]}],"rules":[]}"#;
    assert_eq!(
        texts(&oddities(Shaped::Exception, spec).unknown),
        ["spec.rules: Kyverno knows no field `rules` here"]
    );
}

#[test]
fn no_number_of_mistakes_gives_endless_warnings() {
    let fields: Vec<String> = (0..1000).map(|n| format!("\"f{n}\":1")).collect();
    let found = oddities(Shaped::Policy, &format!("{{\"rules\":[{{{}}}]}}", fields.join(",")));
    assert!(found.unknown.len() <= 1000);
    let rules = vec!["{\"x\":1}"; 1000].join(",");
    let found = oddities(Shaped::Policy, &format!("{{\"rules\":[{rules}]}}"));
    assert_eq!(found.unknown.len(), limits::POLICY_WARNINGS_MAX);
}

/// Every field of the published CRDs is known, and nothing else.
#[test]
fn the_fields_are_those_of_the_published_definitions() {
    let Some(folder) = definitions() else { return };
    for (file, shape) in [
        ("kyverno.io_clusterpolicies.yaml", Shaped::Policy),
        ("kyverno.io_policies.yaml", Shaped::Policy),
        ("kyverno.io_policyexceptions.yaml", Shaped::Exception),
        ("kyverno.io_globalcontextentries.yaml", Shaped::GlobalContextEntry),
    ] {
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        let definition: Value = serde_saphyr::from_str(&text).unwrap();
        let ours = shapes().get(shape.name()).unwrap();
        let mut n_fields = 0;
        for version in definition["spec"]["versions"].as_array().unwrap() {
            let spec = &version["schema"]["openAPIV3Schema"]["properties"]["spec"];
            n_fields += compare(spec, ours, &format!("{file} {}", version["name"]));
        }
        assert!(n_fields > 20, "{file}: {n_fields}");
    }
}

fn definitions() -> Option<PathBuf> {
    let shared = std::env::var_os("PATROL_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let folder = shared.join("crds/kyverno");
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{} is missing", folder.display());
    println!("NOT RUN: no shared data at {}", folder.display());
    None
}

fn compare(schema: &Value, ours: &Shape, path: &str) -> usize {
    match ours {
        Shape::Named(name) => compare(schema, shapes().get(name).unwrap(), path),
        Shape::Fields(fields) => {
            // A schema that keeps unknown fields may be known more closely here.
            let Some(properties) = schema["properties"].as_object() else {
                assert!(schema["x-kubernetes-preserve-unknown-fields"].as_bool().unwrap(), "{path}");
                return 0;
            };
            let compare_field = |(name, schema): (&String, &Value)| {
                let ours = fields.get(name).unwrap_or_else(|| panic!("{path}.{name} is not known"));
                1 + compare(schema, ours, &format!("{path}.{name}"))
            };
            properties.iter().map(compare_field).sum()
        }
        Shape::List(shape) => {
            assert_eq!(schema["type"], "array", "{path}");
            compare(&schema["items"], shape, &format!("{path}[]"))
        }
        Shape::Scalar(name, _) => {
            let wanted = match schema["type"].as_str() {
                Some("string") => "a string",
                Some("integer") => "an integer",
                Some("boolean") => "true or false",
                other => panic!("{path}: {other:?}"),
            };
            assert_eq!(*name, wanted, "{path}");
            0
        }
        Shape::StringMap => {
            assert_eq!(schema["type"], "object", "{path}");
            assert!(schema.get("properties").is_none(), "{path}");
            0
        }
        Shape::Any => 0,
    }
}
