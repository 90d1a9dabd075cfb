//! Aligned tables, as `kubectl` prints them.

use std::io::{self, Write};

use crate::model::Status;

/// Whether colours are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// Text only, for files and pipes.
    #[default]
    Plain,
    /// Statuses in colour, for terminals.
    Colour,
}

impl Style {
    /// Colours only where a terminal reads, and only if the user did not refuse them (`NO_COLOR`).
    pub fn of_terminal(is_terminal: bool, is_refused: bool) -> Self {
        if is_terminal && !is_refused { Self::Colour } else { Self::Plain }
    }
}

/// Rows under a header. Columns are as wide as their widest cell; the last one is not padded.
#[derive(Clone, Debug, Default)]
pub struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these columns.
    pub fn new<H: Into<String>>(header: impl IntoIterator<Item = H>) -> Self {
        Self { header: header.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// Adds a row; missing cells are empty.
    pub fn row<C: Into<String>>(&mut self, cells: impl IntoIterator<Item = C>) {
        self.rows.push(cells.into_iter().map(|cell| printable(&cell.into())).collect());
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Writes header and rows.
    pub fn write(&self, out: &mut dyn Write, style: Style) -> io::Result<()> {
        let n_columns = self.rows.iter().map(Vec::len).chain([self.header.len()]).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().chain([&self.header]).filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..n_columns).map(width).collect();
        for row in [&self.header].into_iter().chain(&self.rows) {
            write_row(out, row, &widths, style)?;
        }
        Ok(())
    }
}

fn write_row(out: &mut dyn Write, row: &[String], widths: &[usize], style: Style) -> io::Result<()> {
    let n_filled = row.iter().rposition(|cell| !cell.is_empty()).map_or(0, |last| last + 1);
    let mut line = String::new();
    for (column, (cell, width)) in row.iter().zip(widths).take(n_filled).enumerate() {
        match colour(cell).filter(|_| style == Style::Colour) {
            Some(code) => line.extend(["\u{1b}[", code, "m", cell.as_str(), "\u{1b}[0m"]),
            None => line.push_str(cell),
        }
        if column + 1 < n_filled {
            line.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.chars().count()) + 3));
        }
    }
    writeln!(out, "{line}")
}

/// The colour of a cell that is a status or severity by itself.
fn colour(cell: &str) -> Option<&'static str> {
    let word = cell.to_ascii_lowercase();
    Some(match Status::of(&word) {
        Some(Status::Pass) => "32",
        Some(Status::Fail | Status::Error) => "31",
        Some(Status::Warn) => "33",
        Some(Status::Skip) => "90",
        None if word == "critical" || word == "high" => "31",
        None if word == "medium" => "33",
        None => return None,
    })
}

/// Text on one line that cannot steer a terminal.
fn printable(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.trim_end().chars() {
        match c {
            '\n' | '\t' | '\r' => safe.push(' '),
            c if c.is_control() => safe.extend(c.escape_default()),
            c => safe.push(c),
        }
    }
    safe
}
