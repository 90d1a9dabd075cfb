//! The Markdown specs of `tests/it/spec/jmespath_*.md`, which a Kyverno user can read.
//!
//! In a `jmespath` block, `given JSON` or `object JSON` sets what follows is evaluated on; an expression is followed by a line with
//! `=> JSON` or `!! error`.

use std::collections::BTreeSet;

use super::*;

fn specs() -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/spec");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder is readable")
        .map(|entry| entry.expect("the entry is readable").path())
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("jmespath_")))
        .collect();
    files.sort();
    let read = |path: &PathBuf| std::fs::read_to_string(path).expect("a readable spec");
    files.iter().map(|path| (path.display().to_string(), read(path))).collect()
}

/// Line number, what it is evaluated on, expression and expected answer of every example.
fn examples(text: &str) -> Vec<(usize, Document, String, String)> {
    let mut examples = Vec::new();
    let mut is_inside = false;
    let mut given = Document::null();
    let mut expression: Option<String> = None;
    for (number, line) in text.lines().enumerate() {
        if line.starts_with("```") {
            is_inside = line == "```jmespath";
            assert_eq!(expression, None, "line {number}: the block ends without an answer");
        } else if !is_inside || line.is_empty() {
        } else if let Some(json) = line.strip_prefix("given ") {
            given = parse(json).with_float_numbers();
        } else if let Some(json) = line.strip_prefix("object ") {
            given = parse(json);
        } else if let Some(expression) = expression.take() {
            examples.push((number + 1, given.clone(), expression, line.to_owned()));
        } else {
            expression = Some(line.to_owned());
        }
    }
    examples
}

#[test]
fn every_example_gives_the_answer_below_it() {
    let mut failures = Vec::new();
    let mut n_examples = 0;
    for (file, text) in specs() {
        for (line, given, expression, answer) in examples(&text) {
            n_examples += 1;
            let wanted = match answer.split_once(' ') {
                Some(("=>", json)) => Ok(to_json(&parse(json).root().into())),
                Some(("!!", error)) => Err(error.to_owned()),
                _ => panic!("{file}:{line}: `{answer}` is no answer"),
            };
            let got = search(&expression, &given);
            if got != wanted {
                failures.push(format!("{file}:{line}: {expression}\n  wanted {wanted:?}\n  got    {got:?}"));
            }
        }
    }
    assert!(n_examples > 350, "only {n_examples} examples");
    assert!(failures.is_empty(), "{} of {n_examples} fail:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn every_function_has_an_example() {
    let text: String = specs().into_iter().map(|(_, text)| text).collect();
    let missing: BTreeSet<_> = patrol::lang::jmespath::function_names()
        .into_iter()
        .filter(|name| !text.contains(&format!("\n{name}(")) && !text.contains(&format!(" {name}(")))
        .collect();
    assert_eq!(missing, BTreeSet::new());
}
