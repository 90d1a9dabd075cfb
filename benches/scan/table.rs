//! What was measured beside what must hold, as a Markdown table.

use std::io::{self, Write};
use std::time::Duration;

/// How a figure stands to its bound.
#[derive(Clone, Copy, Debug)]
enum Bound {
    /// It may be at most this much.
    AtMost(f64),
    /// It must be at least this much.
    AtLeast(f64),
    /// It must be exactly this.
    Exactly(f64),
    /// It is only told.
    None,
}

/// In what a figure is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Seconds.
    Seconds,
    /// A number.
    Count,
    /// Evaluations a second.
    PerSecond,
    /// Bytes, told as megabytes.
    Bytes,
}

impl Unit {
    fn show(self, figure: f64) -> String {
        match self {
            Self::Seconds => format!("{figure:.3} s"),
            Self::Count => format!("{figure:.0}"),
            Self::PerSecond => format!("{:.0} k/s", figure / 1e3),
            Self::Bytes => format!("{:.1} MB", figure / 1e6),
        }
    }
}

/// One line of the table.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    measure: String,
    figure: f64,
    unit: Unit,
    bound: Bound,
    note: String,
}

impl Row {
    fn new(measure: impl Into<String>, unit: Unit, figure: f64, bound: Bound) -> Self {
        Self { measure: measure.into(), figure, unit, bound, note: String::new() }
    }

    /// A figure that may be at most `bound`.
    pub(crate) fn at_most(measure: impl Into<String>, unit: Unit, figure: f64, bound: f64) -> Self {
        Self::new(measure, unit, figure, Bound::AtMost(bound))
    }

    /// A figure that must be at least `bound`.
    pub(crate) fn at_least(measure: impl Into<String>, unit: Unit, figure: f64, bound: f64) -> Self {
        Self::new(measure, unit, figure, Bound::AtLeast(bound))
    }

    /// A count that must be exactly `bound`.
    pub(crate) fn exactly(measure: impl Into<String>, count: u64, bound: u64) -> Self {
        Self::new(measure, Unit::Count, count as f64, Bound::Exactly(bound as f64))
    }

    /// A figure without a bound.
    pub(crate) fn told(measure: impl Into<String>, unit: Unit, figure: f64) -> Self {
        Self::new(measure, unit, figure, Bound::None)
    }

    /// Adds what explains the figure.
    pub(crate) fn noted(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// Whether the figure is within its bound.
    pub(crate) fn holds(&self) -> bool {
        match self.bound {
            Bound::AtMost(bound) => self.figure <= bound,
            Bound::AtLeast(bound) => self.figure >= bound,
            Bound::Exactly(bound) => (self.figure - bound).abs() < 0.5,
            Bound::None => true,
        }
    }

    fn cells(&self) -> [String; 6] {
        let show = |figure| self.unit.show(figure);
        let (bound, ratio) = match self.bound {
            Bound::AtMost(bound) => (format!("≤ {}", show(bound)), Some(self.figure / bound)),
            Bound::AtLeast(bound) => (format!("≥ {}", show(bound)), Some(self.figure / bound)),
            Bound::Exactly(bound) => (show(bound), None),
            Bound::None => (String::new(), None),
        };
        let holds = match self.bound {
            Bound::None => "",
            _ if self.holds() => "yes",
            _ => "**no**",
        };
        let ratio = ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
        [self.measure.clone(), show(self.figure), bound, ratio, holds.to_owned(), self.note.clone()]
    }
}

/// Writes the rows as a Markdown table.
pub(crate) fn write(out: &mut impl Write, rows: &[Row]) -> io::Result<()> {
    writeln!(out, "| Measure | Measured | Bound | Ratio | Holds | |\n|---|--:|--:|--:|---|---|")?;
    for row in rows {
        writeln!(out, "| {} |", row.cells().join(" | "))?;
    }
    Ok(())
}

/// The one in the middle; of an even number, the smaller of the two.
pub(crate) fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    let middle = times.len().saturating_sub(1) / 2;
    times.get(middle).copied().unwrap_or_default()
}
