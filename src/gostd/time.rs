//! Go's `time.Time`: instants with a zone, layouts, and the arithmetic that policies use.
//!
//! Results and error texts follow Go's `time` package in a process whose local zone is UTC, as Kyverno
//! runs. There is no clock here; the present comes from the caller. Zone names are resolved by the
//! database that is compiled in (`time/zone.rs`). Spans are [`Duration`]s.

use super::duration::{self, Duration};

mod layout;
mod parse;
#[cfg(test)]
mod tests;
mod zone;

pub use zone::ZoneError;

/// `time.RFC3339`.
pub const RFC3339: &str = "2006-01-02T15:04:05Z07:00";
/// `time.RFC3339Nano`.
pub const RFC3339_NANO: &str = "2006-01-02T15:04:05.999999999Z07:00";

const SECONDS_PER_DAY: i64 = 86_400;
const NANOS_PER_SECOND: i128 = 1_000_000_000;
/// Seconds from Go's zero time, the first day of the year 1, to the Unix epoch.
const UNIX_EPOCH_SECONDS: i128 = 62_135_596_800;

/// Why a text is not a time; prints as Go's `time.ParseError`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// A part of the text does not fit the layout.
    #[error(
        "parsing time {} as {}: cannot parse {} as {}",
        duration::quote(.value), duration::quote(.layout), .found, duration::quote(.element)
    )]
    Mismatch {
        /// The whole text.
        value: String,
        /// The whole layout.
        layout: String,
        /// What is left of the text where reading stopped, quoted.
        found: String,
        /// The element of the layout that was expected.
        element: String,
    },
    /// A field has an impossible value, or text is left over.
    #[error("parsing time {}: {}", duration::quote(.value), .problem)]
    Field {
        /// The whole text.
        value: String,
        /// The problem in Go's words.
        problem: String,
    },
}

/// A zone: a name that may be empty, and seconds east of UTC.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Zone {
    name: Box<str>,
    offset: i32,
}

impl Zone {
    fn utc() -> Self {
        Self { name: "UTC".into(), offset: 0 }
    }
}

/// An instant with the zone it is shown in.
#[derive(Debug, Clone)]
pub struct Time {
    /// Seconds since the Unix epoch.
    unix: i64,
    nanos: u32,
    zone: Zone,
}

/// Calendar date and clock of a [`Time`] in its zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Civil {
    /// The year; may be negative.
    pub year: i64,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59.
    pub second: u8,
    /// 0 to 6, from Sunday.
    pub weekday: u8,
    /// 1 to 366.
    pub year_day: u16,
}

impl Time {
    /// `time.Unix(seconds, nanos).UTC()`.
    pub fn from_unix(seconds: i64, nanos: u32) -> Self {
        let carried = seconds.saturating_add(i64::from(nanos / 1_000_000_000));
        Self { unix: carried, nanos: nanos % 1_000_000_000, zone: Zone::utc() }
    }

    /// `time.Parse(layout, value)`.
    pub fn parse(layout: &str, value: &str) -> Result<Self, TimeError> {
        parse::parse(layout, value)
    }

    /// `time.Parse(time.RFC3339, value)`; fractions of a second are accepted.
    pub fn parse_rfc3339(value: &str) -> Result<Self, TimeError> {
        parse::parse_usual(value).map_or_else(|| parse::parse(RFC3339, value), Ok)
    }

    /// `Format(layout)`.
    pub fn format(&self, layout: &str) -> String {
        layout::format(self, layout)
    }

    /// `Format(time.RFC3339)`.
    pub fn to_rfc3339(&self) -> String {
        self.format(RFC3339)
    }

    /// Seconds since the Unix epoch, rounded down.
    pub const fn unix(&self) -> i64 {
        self.unix
    }

    /// Nanoseconds within the second.
    pub const fn nanosecond(&self) -> u32 {
        self.nanos
    }

    /// The same instant in UTC.
    #[must_use]
    pub fn to_utc(&self) -> Self {
        Self { zone: Zone::utc(), ..self.clone() }
    }

    /// The same instant in a zone named as in the IANA database (`Europe/Paris`, `UTC`; empty is UTC),
    /// with the errors of `time.LoadLocation`.
    pub fn in_zone(&self, name: &str) -> Result<Self, ZoneError> {
        Ok(Self { zone: zone::at(name, self.unix)?, ..self.clone() })
    }

    /// The same instant in a zone without a name, `seconds` east of UTC.
    #[must_use]
    pub fn in_fixed_zone(&self, seconds: i32) -> Self {
        Self { zone: Zone { name: "".into(), offset: seconds }, ..self.clone() }
    }

    /// Seconds east of UTC of the zone.
    pub const fn offset_seconds(&self) -> i32 {
        self.zone.offset
    }

    /// Date and clock in the zone.
    pub fn civil(&self) -> Civil {
        let local = self.unix.saturating_add(i64::from(self.zone.offset));
        let days = local.div_euclid(SECONDS_PER_DAY);
        let seconds = local.rem_euclid(SECONDS_PER_DAY);
        let (year, month, day) = date_of(days);
        Civil {
            year,
            month,
            day,
            hour: small(seconds / 3600),
            minute: small(seconds / 60 % 60),
            second: small(seconds % 60),
            weekday: small((days + 4).rem_euclid(7)),
            year_day: u16::try_from(days - days_until(year, 1, 1) + 1).unwrap_or(0),
        }
    }

    /// `Add`.
    #[must_use]
    pub fn add(&self, span: Duration) -> Self {
        self.at_unix_nanos(self.unix_nanos() + i128::from(span.nanos()))
    }

    /// `self.Sub(earlier)`: the span between two instants, held at the largest or smallest duration.
    pub fn since(&self, earlier: &Self) -> Duration {
        let nanos = self.unix_nanos() - earlier.unix_nanos();
        let limit = if nanos < 0 { i64::MIN } else { i64::MAX };
        Duration::from_nanos(i64::try_from(nanos).unwrap_or(limit))
    }

    /// `Truncate`: rounds down to a multiple of `span` since Go's zero time; unchanged for spans that are
    /// not positive.
    #[must_use]
    pub fn truncate(&self, span: Duration) -> Self {
        if span.nanos() <= 0 {
            return self.clone();
        }
        let since_zero = self.unix_nanos() + UNIX_EPOCH_SECONDS * NANOS_PER_SECOND;
        self.at_unix_nanos(self.unix_nanos() - since_zero.rem_euclid(i128::from(span.nanos())))
    }

    /// `Before`.
    pub fn is_before(&self, other: &Self) -> bool {
        self.unix_nanos() < other.unix_nanos()
    }

    /// `After`.
    pub fn is_after(&self, other: &Self) -> bool {
        self.unix_nanos() > other.unix_nanos()
    }

    /// Nanoseconds since the Unix epoch.
    pub fn unix_nanos(&self) -> i128 {
        i128::from(self.unix) * NANOS_PER_SECOND + i128::from(self.nanos)
    }

    fn at_unix_nanos(&self, nanos: i128) -> Self {
        let limit = if nanos < 0 { i64::MIN } else { i64::MAX };
        Self {
            unix: i64::try_from(nanos.div_euclid(NANOS_PER_SECOND)).unwrap_or(limit),
            nanos: u32::try_from(nanos.rem_euclid(NANOS_PER_SECOND)).unwrap_or(0),
            zone: self.zone.clone(),
        }
    }
}

fn small(value: i64) -> u8 {
    u8::try_from(value).unwrap_or(0)
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(month: i64, year: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days from the Unix epoch to a date; the year is counted from March, so that the leap day comes last.
fn days_until(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The inverse of [`days_until`].
fn date_of(days: i64) -> (i64, u8, u8) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, small(month), small(day))
}
