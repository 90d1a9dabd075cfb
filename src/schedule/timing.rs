//! When a schedule runs: intervals on a fixed grid, cron expressions in a time zone, and a jitter that is the same after each restart.
//!
//! Everything here is a pure function of its arguments. Zones follow the rules of the IANA data that is compiled in; around a change of clocks a
//! fixed time that does not exist runs at the first moment after the gap, and one that exists twice runs once. Waiting is the business of
//! `service`.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::Timestamp;

use crate::limits;

/// Why a text is no timing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimingError {
    /// The interval is shorter than a schedule may run.
    #[error("an interval must be at least {}s", limits::SCHEDULE_EVERY_SECS_MIN)]
    TooOften,
    /// The interval has no whole number of seconds, or is too long for a calendar.
    #[error("an interval must be a whole number of seconds and at most a year")]
    NotAnInterval,
    /// Not a cron expression of five fields.
    #[error("`{text}` is not a cron expression of five fields: {why}")]
    NotCron {
        /// The text.
        text: String,
        /// What is wrong with it.
        why: String,
    },
    /// A cron expression that no moment satisfies.
    #[error("`{0}` never comes")]
    Never(String),
    /// Not a name of the IANA time zone data.
    #[error("`{0}` is not a time zone; names are like `UTC` or `Europe/Berlin`")]
    NotAZone(String),
}

/// When a schedule runs.
#[derive(Clone, Debug)]
pub enum Timing {
    /// Each so often, on a grid that starts at the Unix epoch, so that a restart changes nothing.
    Every(Duration),
    /// At the moments that a cron expression names in a time zone.
    Cron {
        /// The expression.
        cron: Box<Cron>,
        /// The zone.
        zone: Tz,
    },
}

impl PartialEq for Timing {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl Eq for Timing {}

impl fmt::Display for Timing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every(interval) => write!(f, "every {}s", interval.as_secs()),
            Self::Cron { cron, zone } => write!(f, "cron {} in {zone}", cron.as_str()),
        }
    }
}

impl Timing {
    /// A run each so often: whole seconds, at least [`limits::SCHEDULE_EVERY_SECS_MIN`], at most a year.
    pub fn every(interval: Duration) -> Result<Self, TimingError> {
        if interval.subsec_nanos() != 0 || interval.as_secs() > 366 * 24 * 3600 {
            return Err(TimingError::NotAnInterval);
        }
        if interval.as_secs() < limits::SCHEDULE_EVERY_SECS_MIN {
            return Err(TimingError::TooOften);
        }
        Ok(Self::Every(interval))
    }

    /// Runs at the moments of a cron expression: minute, hour, day of month, month, day of week, or `@daily` and its like; the zone by its IANA
    /// name.
    pub fn cron(expression: &str, zone: &str) -> Result<Self, TimingError> {
        let zone: Tz = zone.parse().map_err(|_| TimingError::NotAZone(zone.into()))?;
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let cron = parser.parse(expression).map_err(|error| TimingError::NotCron {
            text: expression.into(),
            why: error.to_string().trim_end_matches('.').to_owned(),
        })?;
        let timing = Self::Cron { cron: Box::new(cron), zone };
        match timing.next_after(Timestamp::UNIX_EPOCH) {
            Some(_) => Ok(timing),
            None => Err(TimingError::Never(expression.into())),
        }
    }

    /// The first moment after the given one; `None` if there is none.
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Every(interval) => {
                let interval = i64::try_from(interval.as_secs()).ok()?.max(1);
                let next = after.as_second().div_euclid(interval).checked_add(1)?.checked_mul(interval)?;
                Timestamp::from_second(next).ok()
            }
            Self::Cron { cron, zone } => {
                let local = DateTime::<Utc>::from_timestamp(after.as_second(), 0)?.with_timezone(zone);
                let next = match cron.find_next_occurrence(&local, false) {
                    Ok(next) => next.timestamp(),
                    Err(_) => next_beyond_gap(cron, *zone, &local)?,
                };
                Timestamp::from_second(next).ok().filter(|next| *next > after)
            }
        }
    }

    /// The shortest time between two runs that follow the given moment; what a jitter must stay below.
    pub fn gap_after(&self, after: Timestamp) -> Option<Duration> {
        let first = self.next_after(after)?;
        let second = self.next_after(first)?;
        u64::try_from(second.as_second() - first.as_second()).ok().map(Duration::from_secs)
    }
}

/// The next run where the expression's next time lies in a gap of the clocks that is longer than the search of `croner` goes (two hours), such as
/// a whole day: the first moment after the gap, in Unix seconds.
fn next_beyond_gap(cron: &Cron, zone: Tz, local: &DateTime<Tz>) -> Option<i64> {
    let mut civil = cron.find_next_occurrence(&local.naive_local(), false).ok()?;
    let end = civil.checked_add_signed(TimeDelta::try_hours(26)?)?;
    while civil <= end {
        if let Some(found) = civil.and_local_timezone(zone).earliest() {
            return Some(found.timestamp());
        }
        civil = civil.checked_add_signed(TimeDelta::try_minutes(1)?)?;
    }
    None
}

/// What a schedule does when it is due while its last run is not over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Concurrency {
    /// Leaves the run out, and counts it.
    #[default]
    Skip,
    /// Runs once more when the last run is over, however often it was due meanwhile.
    Queue,
}

/// One named schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Its name, unique among schedules.
    pub name: String,
    /// When it runs.
    pub timing: Timing,
    /// The largest delay of its runs; each schedule has one fixed delay up to it.
    pub jitter: Duration,
    /// What happens to a run that is due while the last one is not over.
    pub concurrency: Concurrency,
}

impl Schedule {
    /// The delay of every run of this schedule, in whole seconds up to its jitter: a hash of its name and of the installation, so that clusters with
    /// the same configuration do not all start at the same second.
    pub fn delay(&self, seed: &str) -> Duration {
        let mut hasher = blake3::Hasher::new();
        hasher
            .update(b"patrol/jitter/1\0")
            .update(seed.as_bytes())
            .update(b"\0")
            .update(self.name.as_bytes());
        let mut word = [0; 8];
        hasher.finalize_xof().fill(&mut word);
        Duration::from_secs(u64::from_le_bytes(word) % (self.jitter.as_secs() + 1))
    }

    /// The first run after the given moment, with its delay.
    pub fn next_after(&self, after: Timestamp, seed: &str) -> Option<Timestamp> {
        let delay = self.delay(seed);
        let shifted = after.checked_sub(delay).ok()?;
        self.timing.next_after(shifted)?.checked_add(delay).ok()
    }

    /// Whether a run was due after the last one and up to now: after a restart, a run that was missed.
    pub fn was_missed(&self, last: Timestamp, now: Timestamp, seed: &str) -> bool {
        self.next_after(last, seed).is_some_and(|next| next <= now)
    }
}
