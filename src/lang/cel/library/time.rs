//! Instants and durations: RFC 3339 as Go reads and writes it, calendar fields in a time zone, checked
//! arithmetic.
//!
//! As cel-go's `common/types/{timestamp,duration,overflow}.go`. Nothing here reads the clock or the machine's
//! time zones.

use super::super::error::{EvalError, NO_SUCH_OVERLOAD};
use super::super::eval::Context;
use super::super::value::{Timestamp, Value};
use super::{instant, text};
use crate::gostd::duration::Duration;
use crate::gostd::time::Time;

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

/// What Go's `time.Parse(time.RFC3339, …)` reads.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    let time = Time::parse_rfc3339(text).ok()?;
    Some(Timestamp { seconds: time.unix(), nanos: time.nanosecond(), offset_s: time.offset_seconds() })
}

/// As Go's `time.RFC3339Nano`, in the offset the instant was written in.
pub(crate) fn format(at: Timestamp) -> String {
    Time::from_unix(at.seconds, at.nanos)
        .in_fixed_zone(at.offset_s)
        .format("2006-01-02T15:04:05.999999999Z07:00")
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

/// An instant in a time zone: a name, or an offset as `+01:30`.
fn in_zone(at: Timestamp, zone: &str) -> Result<Time, EvalError> {
    let time = Time::from_unix(at.seconds, at.nanos);
    let Some((hours, minutes)) = zone.split_once(':') else {
        return time.in_zone(zone).map_err(|error| EvalError::failed(error.to_string()));
    };
    let (hours, minutes) = (atoi(hours)?, atoi(minutes)?);
    let minutes = if zone.starts_with('-') {
        hours.saturating_mul(60) - minutes
    } else {
        hours.saturating_mul(60) + minutes
    };
    Ok(time.in_fixed_zone(i32::try_from(minutes.saturating_mul(60)).unwrap_or(0)))
}

fn field(field: Field, args: &[Value<'_>]) -> Result<i64, EvalError> {
    let at = instant(args, 0)?;
    let time =
        if args.len() > 1 { in_zone(at, text(args, 1)?)? } else { Time::from_unix(at.seconds, at.nanos) };
    let civil = time.civil();
    Ok(match field {
        Field::Year => civil.year,
        Field::Month => i64::from(civil.month) - 1,
        Field::DayOfYear => i64::from(civil.year_day) - 1,
        Field::DayOfMonth => i64::from(civil.day) - 1,
        Field::Date => i64::from(civil.day),
        Field::DayOfWeek => i64::from(civil.weekday),
        Field::Hours => i64::from(civil.hour),
        Field::Minutes => i64::from(civil.minute),
        Field::Seconds => i64::from(civil.second),
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
