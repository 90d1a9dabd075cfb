//! What is wrong with an expression, where, and the text that the API server shows for it.
//!
//! The text has cel-go's form (`common/errors.go`): place, message, the line, and a caret under the place.

use std::fmt;

use crate::limits::CEL_FAULTS_MAX;

/// One fault, by its place in bytes from the start of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Issue {
    pub(crate) at: usize,
    pub(crate) message: String,
}

impl Issue {
    pub(crate) fn new(at: usize, message: String) -> Self {
        Self { at, message }
    }
}

/// One fault of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompileError {
    /// Where the fault is, in bytes from the start of the text.
    pub at: usize,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// The text of the line.
    snippet: String,
}

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ERROR: <input>:{}:{}: {}", self.line, self.column, self.message)?;
        let snippet = self.snippet.replace('\t', " ");
        write!(f, "\n | {snippet}\n | ")?;
        let mut chars = snippet.chars();
        for c in chars.by_ref().take(self.column.saturating_sub(1)) {
            f.write_str(if c.len_utf8() > 1 { "\u{ff0e}" } else { "." })?;
        }
        f.write_str(if chars.next().is_some_and(|c| c.len_utf8() > 1) { "\u{ff3e}" } else { "^" })
    }
}

/// The faults of an expression, in the order of their places; of very many the first that were found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.to_text())]
pub struct CompileErrors {
    /// The faults with a place.
    pub errors: Vec<CompileError>,
    /// A fault of the whole, if there is none with a place: a constant that cannot be converted.
    pub instantiation: Option<String>,
    /// How many further faults there are.
    pub n_truncated: usize,
}

impl CompileErrors {
    pub(crate) fn of(source: &str, mut issues: Vec<Issue>) -> Self {
        let n_truncated = issues.len().saturating_sub(CEL_FAULTS_MAX);
        issues.truncate(CEL_FAULTS_MAX);
        issues.sort_by_key(|issue| issue.at);
        let errors = issues.into_iter().map(|issue| place(source, issue)).collect();
        Self { errors, instantiation: None, n_truncated }
    }

    pub(crate) fn of_instantiation(text: String) -> Self {
        Self { errors: Vec::new(), instantiation: Some(text), n_truncated: 0 }
    }

    fn to_text(&self) -> String {
        if let Some(text) = &self.instantiation {
            return format!("program instantiation failed: {text}");
        }
        let mut lines: Vec<String> = self.errors.iter().map(ToString::to_string).collect();
        if self.n_truncated > 0 {
            lines.push(format!("{} more errors were truncated", self.n_truncated));
        }
        lines.join("\n")
    }
}

fn place(source: &str, issue: Issue) -> CompileError {
    let before = source.get(..issue.at).unwrap_or(source);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let snippet = source.get(line_start..).unwrap_or("").lines().next().unwrap_or("").to_owned();
    CompileError {
        at: issue.at,
        line: before.matches('\n').count() + 1,
        column: before.get(line_start..).unwrap_or("").chars().count() + 1,
        message: issue.message,
        snippet,
    }
}
