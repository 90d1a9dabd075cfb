//! Answers of the reference itself, byte for byte, errors included.
//!
//! `reference.json` was made by running Kyverno 1.18.1's `pkg/engine/jmespath` (with its fork of go-jmespath, `95e59c162877`) over these
//! expressions. `ints` says whether integers were given as `int64`, as in the reports controller, or as floats, as in JSON data. What
//! panics there is an error with the panic's text here; `offset` is where a syntax error was found.

use super::*;

#[test]
fn every_expression_gives_the_reference_s_result_or_error() {
    let groups: Json = serde_json::from_str(include_str!("reference.json")).expect("JSON");
    let mut failures = Vec::new();
    let mut n_cases = 0;
    for group in groups.as_array().expect("a list") {
        let given = parse(&group["given"].to_string());
        let given = if group["ints"] == true { given } else { given.with_float_numbers() };
        for case in group["cases"].as_array().expect("a list") {
            n_cases += 1;
            let expression = case["expression"].as_str().expect("an expression");
            let wanted = match case.get("error").or(case.get("compile")) {
                Some(error) => Err(error.as_str().expect("a text").to_owned()),
                None => Ok(to_json(&parse(&case["result"].to_string()).root().into())),
            };
            let got = search(expression, &given);
            if wanted != got {
                failures.push(format!("{expression}\n  wanted {wanted:?}\n  got    {got:?}"));
            }
            let offset = Program::compile(expression).err().map(|error| error.position);
            if let Some(wanted) = case.get("offset").and_then(Json::as_u64) {
                assert_eq!(offset.map(|offset| offset as u64), Some(wanted), "{expression}");
            }
        }
    }
    assert!(failures.is_empty(), "{} of {n_cases} differ:\n{}", failures.len(), failures.join("\n"));
}
