//! Series that must go when what they are about is gone: results of policies, costs, kinds.
//!
//! The metrics crate keeps a series for ever, or drops it for being quiet, which a gauge of results may be for weeks. So these are held here, and
//! written in the same text format (<https://prometheus.io/docs/instrumenting/exposition_formats/>).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::metrics::{Home, METRICS, Metric, MetricKind};
use crate::limits;

/// The series of all metrics whose home this is.
#[derive(Debug, Default)]
pub(super) struct Families {
    series: BTreeMap<&'static str, BTreeMap<Vec<String>, f64>>,
    n_refused: u64,
}

impl Families {
    fn cell(&mut self, metric: &Metric, labels: &[&str]) -> Option<&mut f64> {
        debug_assert_eq!(
            (metric.home, metric.labels.len()),
            (Home::Families, labels.len()),
            "{}",
            metric.name
        );
        let series = self.series.entry(metric.name).or_default();
        let key: Vec<String> = labels.iter().map(|label| (*label).to_owned()).collect();
        if series.len() >= limits::METRIC_SERIES_MAX && !series.contains_key(&key) {
            self.n_refused += 1;
            return None;
        }
        Some(series.entry(key).or_default())
    }

    /// Sets a gauge.
    pub(super) fn set(&mut self, metric: &Metric, labels: &[&str], value: f64) {
        if let Some(cell) = self.cell(metric, labels) {
            *cell = value;
        }
    }

    /// Sets a gauge to the larger of its value and another.
    pub(super) fn set_max(&mut self, metric: &Metric, labels: &[&str], value: f64) {
        if let Some(cell) = self.cell(metric, labels) {
            *cell = cell.max(value);
        }
    }

    /// Adds to a counter or gauge.
    pub(super) fn add(&mut self, metric: &Metric, labels: &[&str], value: f64) {
        if let Some(cell) = self.cell(metric, labels) {
            *cell += value;
        }
    }

    /// Raises a counter to a total that somebody else keeps.
    pub(super) fn set_total(&mut self, metric: &Metric, labels: &[&str], total: u64) {
        self.set_max(metric, labels, total as f64);
    }

    /// Drops all series of a metric.
    pub(super) fn clear(&mut self, metric: &Metric) {
        self.series.remove(metric.name);
    }

    /// Drops the series whose first label is not kept.
    pub(super) fn retain(&mut self, metric: &Metric, keep: impl Fn(&str) -> bool) {
        if let Some(series) = self.series.get_mut(metric.name) {
            series.retain(|labels, _| labels.first().is_some_and(|label| keep(label)));
        }
    }

    /// How many series were refused since the last call, because a metric had too many.
    pub(super) fn take_refused(&mut self) -> u64 {
        std::mem::take(&mut self.n_refused)
    }

    /// Writes the head of each metric that `text` does not hold yet, and the series held here.
    pub(super) fn render(&self, text: &mut String) {
        for metric in METRICS {
            let head = format!("# TYPE {} {}\n", metric.name, metric.kind.as_str());
            if metric.home == Home::Recorder && text.contains(&head) {
                continue;
            }
            let _ = write!(text, "# HELP {} {}\n{head}", metric.name, metric.help);
            for (labels, value) in self.series.get(metric.name).into_iter().flatten() {
                text.push_str(metric.name);
                write_labels(text, metric.labels, labels);
                // Counts must not come out as `1e+21` or with a fraction that they do not have.
                let is_whole =
                    metric.kind != MetricKind::Histogram && value.fract() == 0.0 && value.abs() < 1e15;
                let _ = if is_whole { writeln!(text, " {value:.0}") } else { writeln!(text, " {value}") };
            }
            text.push('\n');
        }
    }
}

fn write_labels(text: &mut String, names: &[&str], values: &[String]) {
    if names.is_empty() {
        return;
    }
    text.push('{');
    for (at, (name, value)) in names.iter().zip(values).enumerate() {
        let _ = write!(text, "{}{name}=\"", if at == 0 { "" } else { "," });
        for c in value.chars() {
            match c {
                '\\' => text.push_str("\\\\"),
                '"' => text.push_str("\\\""),
                '\n' => text.push_str("\\n"),
                c => text.push(c),
            }
        }
        text.push('"');
    }
    text.push('}');
}
