//! A progress bar on a terminal; nothing elsewhere.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::scan::Progress;

/// Draws what a scan has reached until it is dropped.
#[derive(Debug)]
pub(super) struct Bar {
    bar: Option<ProgressBar>,
    ticker: Option<tokio::task::JoinHandle<()>>,
}

impl Bar {
    /// Starts drawing, if standard error is a terminal and the user wants it. `n_objects` is the number of objects, if it is known.
    pub(super) fn start(progress: &Arc<Progress>, n_objects: Option<u64>, is_wanted: bool) -> Self {
        if !is_wanted || !std::io::stderr().is_terminal() {
            return Self { bar: None, ticker: None };
        }
        let bar = ProgressBar::with_draw_target(n_objects, ProgressDrawTarget::stderr());
        let template = if n_objects.is_some() {
            "{bar:30} {pos}/{len} objects, {msg}, {per_sec}, {eta} left"
        } else {
            "{spinner} {pos} objects, {msg}, {per_sec}"
        };
        bar.set_style(
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        let (drawn, progress) = (bar.clone(), Arc::clone(progress));
        let ticker = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(Duration::from_millis(100));
            loop {
                ticks.tick().await;
                let reached = progress.reached();
                drawn.set_position(reached.seen);
                drawn.set_message(format!(
                    "{} evaluated, {} reused, {} reports written",
                    reached.evaluated, reached.reused, reached.written
                ));
            }
        });
        Self { bar: Some(bar), ticker: Some(ticker) }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(ticker) = &self.ticker {
            ticker.abort();
        }
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
