//! Notices that the configuration file changed.
//!
//! Looks at the file from time to time instead of asking the kernel: the files of a `ConfigMap` are swapped by a symlink above them, which watches on the
//! file itself do not see. Content decides, not times, so that a rewrite with the same content is no change. What a change means is the caller's
//! business; a file with mistakes changes nothing.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior};

use super::{Checked, Config, Mistake, read_text};

/// Keys whose values are taken once, at start.
const NEEDS_RESTART: [&str; 5] =
    ["state.enabled", "state.dir", "metrics.listen", "debug.listen", "log.format"];

/// Sections of which that is true as a whole.
const SECTIONS_NEED_RESTART: [&str; 2] = ["cluster.", "leaderElection."];

/// What happened to the file.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// It says something else now.
    New {
        /// The configuration now, with the overrides.
        checked: Box<Checked>,
        /// The keys whose values differ from before.
        changed: BTreeSet<String>,
        /// Those of them that count only after a restart.
        needs_restart: BTreeSet<String>,
    },
    /// It cannot be used: the configuration from before stays.
    Broken(Vec<Mistake>),
}

/// A configuration file that is looked at again and again.
#[derive(Debug)]
pub struct Watched {
    path: PathBuf,
    env: Vec<(String, String)>,
    flags: Vec<(String, String, String)>,
    current: Checked,
    seen: Result<blake3::Hash, String>,
    ticks: Interval,
}

impl Watched {
    /// Watches a file that was read before. `env` and `flags` (path, value, giver) are laid over each new content as they were over the first;
    /// `current` is what that gave.
    pub fn new(
        path: PathBuf,
        env: Vec<(String, String)>,
        flags: Vec<(String, String, String)>,
        current: Checked,
        every: Duration,
    ) -> Self {
        let seen = digest(&path);
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { path, env, flags, current, seen, ticks }
    }

    /// The configuration in force.
    pub fn current(&self) -> &Checked {
        &self.current
    }

    /// Waits for the next change. Cancelling loses nothing.
    pub async fn changed(&mut self) -> Change {
        loop {
            self.ticks.tick().await;
            if let Some(change) = self.look() {
                return change;
            }
        }
    }

    /// Looks once; reads a file of some kilobytes.
    fn look(&mut self) -> Option<Change> {
        let now = digest(&self.path);
        if now == self.seen {
            return None;
        }
        self.seen = now;
        let mut config = Config::read_file(Some(&self.path));
        config.set_from_environment(self.env.iter().cloned());
        for (path, value, given_by) in &self.flags {
            config.set(path, value, given_by);
        }
        match config.check() {
            Err(mistakes) => Some(Change::Broken(mistakes)),
            Ok(checked) => {
                let changed = self.current.differing(&checked);
                if changed.is_empty() {
                    return None;
                }
                let waits = |key: &&String| {
                    NEEDS_RESTART.contains(&key.as_str())
                        || SECTIONS_NEED_RESTART.iter().any(|section| key.starts_with(section))
                };
                let needs_restart = changed.iter().filter(waits).cloned().collect();
                self.current = checked.clone();
                Some(Change::New { checked: Box::new(checked), changed, needs_restart })
            }
        }
    }
}

fn digest(path: &std::path::Path) -> Result<blake3::Hash, String> {
    read_text(path).map(|text| blake3::hash(text.as_bytes()))
}
