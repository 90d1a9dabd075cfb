//! A progress bar on a terminal, a line from time to time elsewhere.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::say;
use crate::limits;
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
        if !is_wanted {
            return Self { bar: None, ticker: None };
        }
        if !std::io::stderr().is_terminal() {
            return Self {
                bar: None,
                ticker: Some(tokio::spawn(tell_lines(Arc::clone(progress), n_objects))),
            };
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

/// Tells the progress as a line from time to time, where nobody would see a bar.
async fn tell_lines(progress: Arc<Progress>, n_objects: Option<u64>) {
    let every = Duration::from_secs(limits::PROGRESS_LINE_EVERY_SECS);
    loop {
        tokio::time::sleep(every).await;
        let reached = progress.reached();
        let of = n_objects.map(|n| format!(" of {n}")).unwrap_or_default();
        say(format_args!(
            "{}{of} objects, {} pairs evaluated, {} reused, {} reports written",
            reached.seen, reached.evaluated, reached.reused, reached.written
        ));
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
