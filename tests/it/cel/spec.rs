//! The conformance tests of the CEL specification that need no protobuf messages (`corpus/cel-spec`).

use std::fs;
use std::path::PathBuf;

use patrol::lang::cel::{
    Activation, Budget, Environment, EvalError, Key, Library, Program, Timestamp, Type, Value,
};
use patrol::lang::cel_k8s::KubernetesLibrary;
use serde_json::Value as Json;

/// Suites that a policy can meet; the others need protobuf messages, enums or wrappers throughout.
const SUITES: [&str; 23] = [
    "basic",
    "bindings_ext",
    "block_ext",
    "comparisons",
    "conversions",
    "encoders_ext",
    "fields",
    "fp_math",
    "integer_math",
    "lists",
    "logic",
    "macros",
    "macros2",
    "math_ext",
    "namespace",
    "optionals",
    "parse",
    "plumbing",
    "string",
    "string_ext",
    "timestamps",
    "type_deduction",
    "network_ext",
];

/// Tests where cel-go 0.26, which the API server runs, differs from the specification, and why.
const DIFFERS: [(&str, &str); 12] = [
    ("fields/qualified_identifier_resolution/map_value_repeat_key", KEYS),
    ("fields/qualified_identifier_resolution/map_value_repeat_key_heterogeneous", KEYS),
    ("network_ext/ipv4/ipv4_equals_ipv6", MAPPED),
    ("network_ext/ipv4/ipv4_not_equals_ipv6", MAPPED),
    ("type_deduction/legacy_nullable_types/null_assignable_to_abstract_parameter_candidate", NULLABLE),
    ("namespace/namespace/self_eval_container_lookup", CONTAINERS),
    ("namespace/namespace/self_eval_container_lookup_unchecked", CONTAINERS),
    ("namespace/namespace_shadowing/basic", CONTAINERS),
    ("optionals/optionals/map_null_entry_no_such_key", PRESENCE),
    ("optionals/optionals/map_present_key_invalid_field", PRESENCE),
    ("string_ext/value_errors/indexof_out_of_range", POSITIONS),
    ("string_ext/value_errors/lastindexof_out_of_range", POSITIONS),
];

const CONTAINERS: &str = "policies are in no container, so names are not looked up in one";
const KEYS: &str = "of a repeated key the last value counts (evalMap of interpreter/interpretable.go)";
const MAPPED: &str = "the API server refuses IPv4-mapped addresses (pkg/cel/library/ip.go)";
const NULLABLE: &str = "0.26 takes the type of the later element (mostGeneral of checker/types.go)";
const PRESENCE: &str = "the API server leaves errorOnBadPresenceTest off, so a test below a scalar is false";
const POSITIONS: &str = "a start behind the end finds nothing (ext/strings.go of 0.26)";

struct Case<'j> {
    name: String,
    test: &'j Json,
}

fn corpus() -> Option<PathBuf> {
    let shared = std::env::var("PATROL_SHARED")
        .map_or_else(|_| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let path = shared.join("corpus/cel-spec");
    if path.is_dir() {
        return Some(path);
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "no corpus at {}", path.display());
    println!("no corpus at {}: nothing tested", path.display());
    None
}

/// Whether a test needs protobuf messages, enums or wrappers, or functions that the test itself declares.
fn needs_protobuf(test: &Json) -> bool {
    let all = test.to_string();
    if test["typeEnv"].as_array().into_iter().flatten().any(|declared| declared.get("function").is_some()) {
        return true;
    }
    let expr = test["expr"].as_str().unwrap_or("");
    [
        "TestAllTypes",
        "Value{",
        "NestedTestAllTypes",
        "GlobalEnum",
        "NestedEnum",
        "objectValue",
        "enumValue",
        "Int32Value",
    ]
    .iter()
    .any(|word| all.contains(word))
        || ["google.protobuf.", "proto.hasExt", "proto.getExt", "cel.expr.conformance"].iter().any(|word| {
            expr.contains(word)
                && !expr.contains("google.protobuf.Timestamp)")
                && !expr.contains("google.protobuf.Duration)")
                && expr != "google.protobuf.Timestamp"
                && expr != "google.protobuf.Duration"
                && !expr.contains("== google.protobuf.Timestamp")
                && !expr.contains("== google.protobuf.Duration")
        })
        || all.contains("wrapper\":")
}

fn number(json: &Json) -> f64 {
    match json {
        Json::String(text) => match text.as_str() {
            "NaN" => f64::NAN,
            "Infinity" => f64::INFINITY,
            "-Infinity" => f64::NEG_INFINITY,
            other => other.parse().expect("a double"),
        },
        other => other.as_f64().expect("a double"),
    }
}

fn value(json: &Json) -> Value<'static> {
    let (kind, inner) = json.as_object().expect("a value").iter().next().expect("a kind");
    let text = || inner.as_str().expect("text");
    match kind.as_str() {
        "nullValue" => Value::Null,
        "boolValue" => Value::Bool(inner.as_bool().expect("a bool")),
        "int64Value" => Value::Int(text().parse().expect("an int")),
        "uint64Value" => Value::Uint(text().parse().expect("a uint")),
        "doubleValue" => Value::Double(number(inner)),
        "stringValue" => Value::string(text()),
        "bytesValue" => {
            use base64::Engine as _;
            Value::bytes(base64::engine::general_purpose::STANDARD.decode(text()).expect("base64"))
        }
        "typeValue" => Value::Type(patrol::lang::cel::Text::from(text().to_owned())),
        "listValue" => Value::list(inner["values"].as_array().into_iter().flatten().map(value).collect()),
        "mapValue" => Value::map(
            inner["entries"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|entry| (Key::of(&value(&entry["key"])).expect("a key"), value(&entry["value"])))
                .collect(),
        ),
        "objectValue" => match inner["@type"].as_str() {
            Some("type.googleapis.com/google.protobuf.Timestamp") => {
                evaluate_constant(&format!("timestamp('{}')", inner["value"].as_str().expect("a time")))
            }
            Some("type.googleapis.com/google.protobuf.Duration") => {
                evaluate_constant(&format!("duration('{}')", inner["value"].as_str().expect("a duration")))
            }
            other => panic!("an object of type {other:?}"),
        },
        other => panic!("a value of kind {other}"),
    }
}

fn evaluate_constant(expr: &str) -> Value<'static> {
    let program = Program::compile(&Environment::standard(), expr).expect("a constant");
    match program.evaluate(&Bindings(Vec::new()), &Budget::default()) {
        Ok(Value::Timestamp(at)) => Value::Timestamp(Timestamp { ..at }),
        Ok(Value::Duration(nanos)) => Value::Duration(nanos),
        other => panic!("{expr} is {other:?}"),
    }
}

fn type_of(json: &Json) -> Type {
    let (kind, inner) = json.as_object().expect("a type").iter().next().expect("a kind");
    match (kind.as_str(), inner.as_str()) {
        ("dyn" | "typeParam", _) => Type::Dyn,
        ("null", _) => Type::Null,
        ("primitive", Some("BOOL")) => Type::Bool,
        ("primitive", Some("INT64")) => Type::Int,
        ("primitive", Some("UINT64")) => Type::Uint,
        ("primitive", Some("DOUBLE")) => Type::Double,
        ("primitive", Some("STRING")) => Type::String,
        ("primitive", Some("BYTES")) => Type::Bytes,
        ("wellKnown", Some("TIMESTAMP")) => Type::Timestamp,
        ("wellKnown", Some("DURATION")) => Type::Duration,
        ("listType", _) => Type::list(inner.get("elemType").map_or(Type::Dyn, type_of)),
        ("mapType", _) => Type::map(type_of(&inner["keyType"]), type_of(&inner["valueType"])),
        ("type", _) => Type::Type(Some(std::sync::Arc::new(type_of(inner)))),
        ("abstractType", _) => {
            let param = inner["parameterTypes"].get(0).map_or(Type::Dyn, type_of);
            Type::optional(param)
        }
        other => panic!("a type of kind {other:?}"),
    }
}

struct Bindings(Vec<Option<Value<'static>>>);

impl<'d> Activation<'d> for Bindings {
    fn resolve(&self, slot: u16) -> Result<Value<'d>, EvalError> {
        match self.0.get(usize::from(slot)).cloned().flatten() {
            Some(value) => Ok(value),
            None => Err(EvalError::failed("no such attribute(s)")),
        }
    }
}

fn environment(suite: &str) -> Environment {
    let env = Environment::standard()
        .with_library(Library::Optionals(2))
        .with_library(Library::Strings(4))
        .with_library(Library::Math(2))
        .with_library(Library::Lists(3))
        .with_library(Library::Sets)
        .with_library(Library::Encoders)
        .with_library(Library::Bindings);
    match suite {
        "network_ext" => KubernetesLibrary::Cidr.add_to(KubernetesLibrary::Ip.add_to(env)),
        "macros2" => env.with_library(Library::TwoVariables),
        "block_ext" => env.with_library(Library::Block),
        _ => env,
    }
}

fn same(a: &Value<'_>, b: &Value<'_>) -> bool {
    if let (Value::Double(a), Value::Double(b)) = (a, b) {
        return a.partial_cmp(b) == Some(std::cmp::Ordering::Equal) || (a.is_nan() && b.is_nan());
    }
    if let (Some(a), Some(b)) = (a.as_list(), b.as_list()) {
        return a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| same(&a, &b));
    }
    a.type_name() == b.type_name() && a.equals(b)
}

/// What is wrong with the outcome of a test, if anything.
fn fault(suite: &str, test: &Json) -> Option<String> {
    let mut env = environment(suite);
    for declared in test["typeEnv"].as_array().into_iter().flatten() {
        if let Some(ident) = declared.get("ident") {
            env = env.with_variable(declared["name"].as_str().expect("a name"), type_of(&ident["type"]));
        }
    }
    let names: Vec<String> =
        test["bindings"].as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
    for name in &names {
        if env.slot(name).is_none() {
            env = env.with_variable(name, Type::Dyn);
        }
    }
    let mut values = vec![None; usize::from(env.n_slots())];
    for name in &names {
        let bound = &test["bindings"][name];
        values[usize::from(env.slot(name).expect("declared"))] = Some(value(&bound["value"]));
    }
    let expr = test["expr"].as_str().expect("an expression");
    let is_checked = !test["disableCheck"].as_bool().unwrap_or(false);
    let program =
        if is_checked { Program::compile(&env, expr) } else { Program::compile_unchecked(&env, expr) };
    let wants_error = test.get("evalError").is_some();
    if let (Some(wanted), Ok(program)) = (test.pointer("/typedResult/deducedType"), &program) {
        let (got, wanted) = (program.result_type(), type_of(wanted));
        if *got != wanted {
            return Some(format!("type {got}, wanted {wanted}"));
        }
    }
    if test["checkOnly"].as_bool() == Some(true) {
        return program.err().map(|errors| errors.to_string());
    }
    let program = match program {
        Ok(program) => program,
        Err(_) if wants_error => return None,
        Err(errors) => return Some(format!("not compiled: {errors}")),
    };
    let outcome = program.evaluate(&Bindings(values), &Budget::per_call(u64::MAX));
    match (outcome, wants_error) {
        (Err(_), true) => None,
        (Err(error), false) => Some(format!("error: {error}")),
        (Ok(value), true) => Some(format!("no error but {value:?}")),
        (Ok(got), false) => {
            let wanted = test
                .get("value")
                .or_else(|| test.pointer("/typedResult/result"))
                .map_or(Value::Bool(true), value);
            (!same(&got, &wanted)).then(|| format!("got {got:?}, wanted {wanted:?}"))
        }
    }
}

fn cases<'j>(suite: &str, file: &'j Json) -> Vec<Case<'j>> {
    let mut cases = Vec::new();
    for section in file["section"].as_array().expect("sections") {
        for test in section["test"].as_array().into_iter().flatten() {
            let name = format!(
                "{suite}/{}/{}",
                section["name"].as_str().unwrap_or(""),
                test["name"].as_str().unwrap_or("")
            );
            if !needs_protobuf(test) {
                cases.push(Case { name, test });
            }
        }
    }
    cases
}

#[test]
fn all_conformance_tests_without_protobuf_pass() {
    let Some(corpus) = corpus() else { return };
    let (mut n_run, mut failures) = (0, Vec::new());
    for suite in SUITES {
        let text = fs::read_to_string(corpus.join(format!("{suite}.json"))).expect("a suite");
        let file: Json = serde_json::from_str(&text).expect("JSON");
        let (mut n_suite, mut n_failed) = (0, 0);
        for Case { name, test } in cases(suite, &file) {
            n_suite += 1;
            let is_exception = DIFFERS.iter().any(|(differing, _)| *differing == name);
            match (fault(suite, test), is_exception) {
                (Some(fault), false) => {
                    n_failed += 1;
                    failures.push(format!("{name}: {} → {fault}", test["expr"]));
                }
                (None, true) => failures.push(format!("{name} passes and is no exception any more")),
                _ => {}
            }
        }
        println!("{suite}: {}/{n_suite}", n_suite - n_failed);
        n_run += n_suite;
    }
    println!("{}/{n_run} pass", n_run - failures.len());
    for (name, reason) in DIFFERS {
        println!("differs: {name}: {reason}");
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
