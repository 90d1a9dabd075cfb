//! The compliance suite of `JMESPath`, as Kyverno's fork ships it.

use super::*;

/// Cases that Kyverno's own `sum` answers differently.
const REPLACED: &[(&str, &str)] =
    &[("sum(`[]`)", "JMESPath function 'sum': at least one element in the array is required")];

/// Expressions whose result is `null` in the suite and an error in Kyverno's dialect, because a key is missing in a map.
const NOT_FOUND: &str = include_str!("not_found.txt");

fn cases() -> Option<Vec<(String, Document, Json)>> {
    let mut files: Vec<_> = std::fs::read_dir(crate::shared::folder("corpus/jmespath")?)
        .expect("the folder is readable")
        .map(|entry| entry.expect("the entry is readable").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    let mut cases = Vec::new();
    for file in files {
        let name = file.file_stem().expect("a name").to_string_lossy().into_owned();
        let suites: Json = serde_json::from_slice(&std::fs::read(&file).expect("readable")).expect("JSON");
        for suite in suites.as_array().expect("a list") {
            let given = parse(&suite["given"].to_string()).with_float_numbers();
            for case in suite["cases"].as_array().expect("a list") {
                cases.push((name.clone(), given.clone(), case.clone()));
            }
        }
    }
    Some(cases)
}

#[test]
fn every_case_gives_its_result_except_where_a_missing_key_is_an_error() {
    let Some(cases) = cases() else { return };
    let mut failures = Vec::new();
    let mut not_found = Vec::new();
    for (file, given, case) in &cases {
        let expression = case["expression"].as_str().expect("an expression");
        let got = search(expression, given);
        let wanted = case.get("result").map(|result| to_json(&parse(&result.to_string()).root().into()));
        match (wanted, got) {
            (None, Err(_)) => {}
            (Some(Json::Null), Err(error)) if error.starts_with("Unknown key ") => {
                not_found.push(format!("{file}: {expression}"));
            }
            (Some(wanted), Ok(got)) if wanted == got => {}
            (_, Err(error)) if REPLACED.contains(&(expression, &error)) => {}
            (wanted, got) => failures.push(format!("{file}: {expression}: wanted {wanted:?}, got {got:?}")),
        }
    }
    assert!(cases.len() > 800, "only {} cases", cases.len());
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
    assert_eq!(not_found.join("\n"), NOT_FOUND.trim_end());
}

#[test]
fn every_expression_prints_as_text_that_parses_to_the_same_tree() {
    let Some(cases) = cases() else { return };
    for (_, _, case) in &cases {
        let expression = case["expression"].as_str().expect("an expression");
        let Ok(program) = Program::compile(expression) else { continue };
        let printed = program.to_string();
        assert_eq!(Program::compile(&printed).as_ref(), Ok(&program), "{expression} printed as {printed}");
    }
}
