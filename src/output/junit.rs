//! `JUnit` XML, in the shape that CI servers read (testsuites, testsuite, testcase).

use std::io::{self, Write};

/// How a test case ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JunitState {
    /// As it should.
    Passed,
    /// Not as it should.
    Failed(String),
    /// It could not be judged.
    Errored(String),
    /// It was not judged.
    Skipped(String),
}

/// One test case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JunitCase {
    /// The suite that it belongs to. Cases of one suite must follow each other.
    pub suite: String,
    /// The class.
    pub class: String,
    /// The name.
    pub name: String,
    /// How it ended.
    pub state: JunitState,
}

/// Writes test cases grouped by suite. No times are written, so that equal results are equal bytes.
pub fn write_junit(out: &mut dyn Write, cases: &[JunitCase]) -> io::Result<()> {
    writeln!(out, r#"<?xml version="1.0" encoding="UTF-8"?>"#)?;
    writeln!(out, "<testsuites name=\"patrol\"{}>", counts(cases))?;
    for suite in cases.chunk_by(|a, b| a.suite == b.suite) {
        let name = suite.first().map_or("", |case| case.suite.as_str());
        writeln!(out, "  <testsuite name=\"{}\"{}>", escape(name), counts(suite))?;
        for case in suite {
            write_case(out, case)?;
        }
        writeln!(out, "  </testsuite>")?;
    }
    writeln!(out, "</testsuites>")
}

fn write_case(out: &mut dyn Write, case: &JunitCase) -> io::Result<()> {
    let (class, name) = (escape(&case.class), escape(&case.name));
    let (tag, message) = match &case.state {
        JunitState::Passed => return writeln!(out, "    <testcase classname=\"{class}\" name=\"{name}\"/>"),
        JunitState::Failed(message) => ("failure", message),
        JunitState::Errored(message) => ("error", message),
        JunitState::Skipped(message) => ("skipped", message),
    };
    let message = escape(message);
    writeln!(out, "    <testcase classname=\"{class}\" name=\"{name}\">")?;
    writeln!(out, "      <{tag} message=\"{message}\"/>")?;
    writeln!(out, "    </testcase>")
}

fn counts(cases: &[JunitCase]) -> String {
    let count = |is: fn(&JunitState) -> bool| cases.iter().filter(|case| is(&case.state)).count();
    format!(
        " tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\"",
        cases.len(),
        count(|state| matches!(state, JunitState::Failed(_))),
        count(|state| matches!(state, JunitState::Errored(_))),
        count(|state| matches!(state, JunitState::Skipped(_))),
    )
}

/// Text within an XML attribute; characters that XML 1.0 cannot hold become U+FFFD.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push_str("&#10;"),
            '\t' => escaped.push_str("&#9;"),
            '\r' => escaped.push_str("&#13;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}
