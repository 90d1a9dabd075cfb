//! The outcomes of the API server's own CEL environment (`tests/cel-goldens`), compared row by row: values,
//! error texts, and what admission refuses.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use patrol::document::Document;
use patrol::lang::cel::{Activation, Budget, Environment, EvalError, Key, Program, Type, Value};
use patrol::lang::cel_k8s::{
    AUTHORIZER_CHECK, KubernetesLibrary, KubernetesVersion, authorizer, base_environment,
};
use serde_json::Value as Json;

/// Expressions whose outcome differs from the real code's, and why.
const DIFFERS: [(&str, &str); 5] = [
    ("", "cel-go places the fault of an empty expression in column 0"),
    ("{1.5: 'v'}", KEYS),
    ("{null: 'v'}", KEYS),
    ("{dyn([1]): 'v'}", KEYS),
    ("url('https://example.com/ü?q=ü')", "a URL prints as it was written; nothing but this test sees it"),
];

const KEYS: &str =
    "the language allows only bool, int, uint and string as keys; cel-go takes whatever Go can hash";

fn read(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cel-goldens").join(name);
    fs::read_to_string(path).expect("a file of tests/cel-goldens")
}

pub(super) fn environment() -> Environment {
    let env = base_environment(KubernetesVersion::new(1, 36))
        .with_variable("object", Type::Dyn)
        .with_variable("authorizer", Type::message("kubernetes.authorization.Authorizer"));
    KubernetesLibrary::JsonPatch.add_to(env)
}

pub(super) struct Names<'d>(pub(super) Option<&'d Document>);

impl<'d> Activation<'d> for Names<'d> {
    fn resolve(&self, slot: u16) -> Result<Value<'d>, EvalError> {
        match (slot, self.0) {
            (0, Some(document)) => Ok(document.root().into()),
            (0, None) => Ok(Value::Null),
            _ => Ok(authorizer()),
        }
    }

    fn call_host(&self, function: &str, args: &[Value<'d>]) -> Result<Value<'d>, EvalError> {
        assert_eq!(function, AUTHORIZER_CHECK);
        let verb = args[0].as_map().and_then(|map| map.get_str("verb")).expect("a verb");
        let reason = format!("denied {}", verb.as_str().expect("text"));
        Ok(Value::map(vec![
            (Key::String("allowed".into()), Value::Bool(false)),
            (Key::String("reason".into()), Value::string(reason)),
        ]))
    }
}

/// The form of values that the Go program writes.
fn print(value: &Value<'_>) -> String {
    if let Some(list) = value.as_list() {
        let items: Vec<String> = list.iter().map(|item| print(&item)).collect();
        return format!("[{}]", items.join(", "));
    }
    if let Some(map) = value.as_map() {
        let mut entries: Vec<String> =
            map.iter().map(|(key, value)| format!("{}: {}", print(&key), print(&value))).collect();
        entries.sort();
        return format!("{{{}}}", entries.join(", "));
    }
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Uint(value) => format!("{value}u"),
        Value::Double(value) => format!("double({})", patrol::gostd::strconv::sprint_float(*value)),
        Value::String(text) => patrol_json(text),
        Value::Bytes(bytes) => {
            let hex = bytes.iter().fold(String::new(), |mut out, byte| {
                let _ = write!(out, "{byte:02x}");
                out
            });
            format!("bytes({hex})")
        }
        Value::Duration(nanos) => format!("duration({nanos})"),
        Value::Timestamp(_) => {
            format!("timestamp({})", value.to_json().expect("text").as_str().expect("text"))
        }
        Value::Optional(None) => "optional.none()".to_owned(),
        Value::Optional(Some(value)) => format!("optional({})", print(value)),
        Value::Type(name) => format!("type({})", name.as_str()),
        Value::Opaque(value) => match value.type_name() {
            name if name.starts_with("kubernetes.authorization") => name.to_owned(),
            name => format!("{name}({})", value.to_text()),
        },
        other => panic!("{other:?}"),
    }
}

fn patrol_json(text: &str) -> String {
    serde_json::to_string(text).expect("text").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

/// What differs in a row, if anything.
fn fault(env: &Environment, documents: &BTreeMap<String, Document>, row: &Json) -> Option<String> {
    let expression = row["e"].as_str().expect("an expression");
    let program = Program::compile(env, expression);
    if let Some(wanted) = row["compile"].as_str() {
        return match program {
            Ok(_) => Some(format!("compiled, wanted {wanted}")),
            Err(got) if wanted.contains("Syntax error") && !says_plain_things(wanted) => {
                let place = |text: &str| text.split(": ").nth(1).map(str::to_owned);
                let (got, first) = (place(&got.to_string()), place(wanted));
                (got != first).then(|| format!("syntax at {got:?}, wanted {wanted}"))
            }
            Err(got) => (without_numbers(&got.to_string()) != without_numbers(wanted))
                .then(|| format!("refused with {got}\nwanted {wanted}")),
        };
    }
    let program = match program {
        Ok(program) => program,
        Err(errors) => return Some(format!("not compiled: {errors}")),
    };
    let document = row["d"].as_str().map(|name| documents.get(name).expect("a document"));
    let budget = Budget::default();
    let outcome = program.evaluate(&Names(document), &budget);
    if std::env::var("PATROL_SHOW_COSTS").is_ok()
        && row["cost"].as_u64() != Some(budget.spent())
        && outcome.is_ok()
    {
        println!("cost {} wanted {}: {expression}", budget.spent(), row["cost"]);
    }
    match (outcome, row["error"].as_str()) {
        (Ok(value), None) => {
            let (got, wanted) = (print(&value), row["v"].as_str().unwrap_or(""));
            (got != wanted).then(|| format!("got {got}, wanted {wanted}"))
        }
        (Err(error), Some(wanted)) => {
            let got = error.message();
            (got != wanted && !is_about_index_types(&got, wanted))
                .then(|| format!("error {got:?}, wanted error {wanted:?}"))
        }
        (Ok(value), Some(wanted)) => Some(format!("got {}, wanted error {wanted:?}", print(&value))),
        (Err(error), None) => Some(format!("error {:?}, wanted {}", error.message(), row["v"])),
    }
}

/// Whether both say that an index is neither a key nor a number; of which of its own Go types cel-go's value is
/// then (`*types.baseList`, `*types.concatList`, `[]interface {}`) depends on how it was made.
fn is_about_index_types(got: &str, wanted: &str) -> bool {
    [got, wanted].iter().all(|text| text.starts_with("invalid qualifier type: "))
}

/// Whether all messages of a refusal by the parser are of those that are compared by their text and not by the place of
/// the first alone: about text behind a whole expression, about one token too many before an operand, about an end
/// where an operand is wanted.
pub(crate) fn says_plain_things(refusal: &str) -> bool {
    const OPERAND: &str = "expecting {'[', '{', '(', '.', '-', '!', 'true',";
    let mut messages = refusal.split("Syntax error: ").skip(1);
    let n_messages = messages.clone().count();
    let are_all = n_messages == refusal.matches("ERROR: <input>").count();
    (are_all || refusal.contains("reserved identifier"))
        && messages.all(|message| {
            message.contains(" expecting <EOF>")
                || message.starts_with("extraneous input '") && message.contains(OPERAND)
                || message.starts_with(&format!("mismatched input '<EOF>' {OPERAND}"))
        })
}

/// A text without the numbers of unknown types (`_var3`), which cel-go gives in the order of a walk over a Go map.
fn without_numbers(text: &str) -> String {
    let mut parts = text.split("_var");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |out, part| out + "_var" + part.trim_start_matches(|c: char| c.is_ascii_digit()))
}

/// Compares rows; what differs, one text a row.
pub(super) fn compare(rows: &str) -> (usize, Vec<String>) {
    let env = environment();
    let texts: BTreeMap<String, Json> = serde_json::from_str(&read("documents.json")).expect("JSON");
    let documents: BTreeMap<String, Document> = texts
        .into_iter()
        .map(|(name, text)| (name, Document::from_json(text.to_string().as_bytes()).expect("a document")))
        .collect();
    let (mut n_rows, mut faults) = (0, Vec::new());
    for line in rows.lines() {
        let row: Json = serde_json::from_str(line).expect("JSON");
        if row["error"].as_str().is_some_and(|error| error.starts_with("internal error: ")) {
            continue;
        }
        n_rows += 1;
        let expression = row["e"].as_str().expect("an expression");
        let is_exception = DIFFERS.iter().any(|(differing, _)| *differing == expression);
        match (fault(&env, &documents, &row), is_exception) {
            (Some(fault), false) => {
                let document = row["d"].as_str().map(|name| format!(" over {name}")).unwrap_or_default();
                faults.push(format!("{expression}{document}: {fault}"));
            }
            (None, true) if row.get("d").is_none() => faults.push(format!("{expression} is no exception")),
            _ => {}
        }
    }
    (n_rows, faults)
}

#[test]
fn outcomes_equal_those_of_the_real_code() {
    let (n_rows, faults) = compare(&read("results.jsonl"));
    for (expression, reason) in DIFFERS {
        println!("differs: {expression}: {reason}");
    }
    println!("{n_rows} rows, {} differ, {} exceptions", faults.len(), DIFFERS.len());
    assert!(n_rows >= 2_000);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
