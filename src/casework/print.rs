//! Prints what came of tests: as tables, as JSON lines, as `JUnit` test cases.

use std::io::{self, Write};

use serde_json::json;

use crate::output::{JunitCase, JunitState, Style, Table};

use super::{CaseRun, Check, TestRun};

/// How tables look.
#[derive(Clone, Copy, Debug, Default)]
pub struct TableOptions {
    /// Colours or not.
    pub style: Style,
    /// Adds the policies' messages.
    pub is_detailed: bool,
    /// Leaves out the checks that pass.
    pub is_fail_only: bool,
}

/// Writes one table a case and a summary.
pub fn write_table(out: &mut dyn Write, run: &TestRun, options: TableOptions) -> io::Result<()> {
    for problem in &run.problems {
        writeln!(out, "error: {problem}")?;
    }
    for case in &run.cases {
        write_case(out, case, options)?;
    }
    let tally = run.tally();
    if options.is_fail_only {
        writeln!(out, "Test Summary: {} out of {} tests failed", tally.failed, tally.checks)?;
    } else {
        writeln!(out, "Test Summary: {} tests passed and {} tests failed", tally.passed, tally.failed)?;
    }
    if tally.not_scanned > 0 {
        writeln!(out, "{} checks are no part of a scan and were not judged", tally.not_scanned)?;
    }
    if tally.errors > 0 {
        writeln!(out, "{} errors", tally.errors)?;
    }
    Ok(())
}

fn write_case(out: &mut dyn Write, case: &CaseRun, options: TableOptions) -> io::Result<()> {
    let shown: Vec<&Check> =
        case.checks.iter().filter(|check| !(options.is_fail_only && check.is_ok)).collect();
    if shown.is_empty() && case.problems.is_empty() {
        return Ok(());
    }
    writeln!(out, "{}", case.case)?;
    for problem in &case.problems {
        writeln!(out, "error: {problem}")?;
    }
    let columns = ["ID", "POLICY", "RULE", "RESOURCE", "RESULT", "REASON"];
    let mut table = Table::new(columns.into_iter().chain(options.is_detailed.then_some("MESSAGE")));
    for (at, check) in shown.iter().enumerate() {
        let mut row = vec![
            (at + 1).to_string(),
            check.policy.clone(),
            check.rule.clone(),
            resource(check),
            if check.is_ok { "Pass" } else { "Fail" }.to_owned(),
            reason(check),
        ];
        if options.is_detailed {
            row.push(check.message.clone());
        }
        table.row(row);
    }
    if !table.is_empty() {
        table.write(out, options.style)?;
    }
    writeln!(out)
}

fn resource(check: &Check) -> String {
    let parts = [&check.namespace, &check.kind, &check.name];
    parts.into_iter().filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>().join("/")
}

fn reason(check: &Check) -> String {
    match check.actual.as_str() {
        "excluded" => "Excluded".to_owned(),
        "not found" => "Not found".to_owned(),
        _ if check.is_ok => "Ok".to_owned(),
        actual => format!("Want {}, got {actual}", check.expected),
    }
}

/// Writes one JSON line a check and a last line with the counts. Problems are only counted: they are for
/// people, see [`TestRun::all_problems`].
pub fn write_json(out: &mut dyn Write, run: &TestRun) -> io::Result<()> {
    for case in &run.cases {
        for check in &case.checks {
            let line = json!({
                "case": case.case,
                "policy": check.policy,
                "rule": check.rule,
                "kind": check.kind,
                "namespace": check.namespace,
                "name": check.name,
                "expected": check.expected,
                "actual": check.actual,
                "message": check.message,
                "ok": check.is_ok,
            });
            writeln!(out, "{line}")?;
        }
    }
    let tally = run.tally();
    let summary = json!({"summary": {
        "cases": tally.cases,
        "checks": tally.checks,
        "passed": tally.passed,
        "failed": tally.failed,
        "not_scanned": tally.not_scanned,
        "errors": tally.errors,
    }});
    writeln!(out, "{summary}")
}

/// The checks as test cases: a suite a case, a class a rule, a test case a resource. Input errors are test
/// cases too.
pub fn junit_cases(run: &TestRun) -> Vec<JunitCase> {
    let mut cases = Vec::new();
    for case in &run.cases {
        cases.extend(case.problems.iter().map(|problem| JunitCase {
            suite: case.case.clone(),
            class: "input".to_owned(),
            name: problem.origin.to_string(),
            state: JunitState::Errored(problem.message.clone()),
        }));
        cases.extend(case.checks.iter().map(|check| JunitCase {
            suite: case.case.clone(),
            class: if check.rule.is_empty() {
                check.policy.clone()
            } else {
                format!("{}.{}", check.policy, check.rule)
            },
            name: resource(check),
            state: if check.is_ok {
                JunitState::Passed
            } else {
                JunitState::Failed(format!("{}: {}", reason(check), check.message))
            },
        }));
    }
    cases
}
