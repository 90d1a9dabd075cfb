//! Kyverno's functions over times (`pkg/engine/jmespath/time.go`). Now is what the [`Env`](crate::lang::jmespath::Env) says.

use super::{Answer, Arguments, Function, STRING, Volatility};
use crate::document::Value;
use crate::gostd::duration::Duration;
use crate::gostd::strconv;
use crate::gostd::time::{RFC3339, Time};
use crate::lang::jmespath::EvaluateError;

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("time_add", &[STRING, STRING], |a| Ok(rfc3339(&time(a, 0)?.add(duration(a, 1)?)))),
    Function::new("time_after", &[STRING, STRING], |a| Ok(Value::Bool(time(a, 0)?.is_after(&time(a, 1)?)))),
    Function::new("time_before", &[STRING, STRING], |a| Ok(Value::Bool(time(a, 0)?.is_before(&time(a, 1)?)))),
    Function::new("time_between", &[STRING, STRING, STRING], between),
    Function::new("time_diff", &[STRING, STRING], diff),
    Function::new("time_now", &[], |a| Ok(rfc3339(&now(a))))
        .ignoring_arguments()
        .volatile(Volatility::Always),
    Function::new("time_now_utc", &[], |a| Ok(rfc3339(&now(a))))
        .ignoring_arguments()
        .volatile(Volatility::Always),
    Function::new("time_parse", &[STRING, STRING], parse),
    Function::new("time_since", &[STRING, STRING, STRING], since).volatile(Volatility::UnlessGiven(2)),
    Function::new("time_to_cron", &[STRING], to_cron),
    Function::new("time_truncate", &[STRING, STRING], |a| {
        Ok(rfc3339(&time(a, 0)?.truncate(duration(a, 1)?)))
    }),
    Function::new("time_utc", &[STRING], |a| Ok(rfc3339(&time(a, 0)?.to_utc()))),
];

fn other(error: &impl ToString) -> EvaluateError {
    EvaluateError::other(error.to_string())
}

fn time(a: &Arguments<'_, '_>, position: usize) -> Result<Time, EvaluateError> {
    Time::parse_rfc3339(a.text(position)).map_err(|error| other(&error))
}

fn duration(a: &Arguments<'_, '_>, position: usize) -> Result<Duration, EvaluateError> {
    Duration::parse(a.text(position)).map_err(|error| other(&error))
}

fn now(a: &Arguments<'_, '_>) -> Time {
    let nanos = a.env().now_unix_nanos();
    let below_second = u32::try_from(nanos.rem_euclid(1_000_000_000)).unwrap_or_default();
    Time::from_unix(nanos.div_euclid(1_000_000_000), below_second)
}

fn rfc3339<'d>(time: &Time) -> Value<'d> {
    Value::owned(time.to_rfc3339())
}

fn between<'d>(a: &Arguments<'_, 'd>) -> Answer<'d> {
    let (time, start, end) = (time(a, 0)?, time(a, 1)?, time(a, 2)?);
    Ok(Value::Bool(time.is_after(&start) && time.is_before(&end)))
}

fn diff<'d>(a: &Arguments<'_, 'd>) -> Answer<'d> {
    let (from, to) = (time(a, 0)?, time(a, 1)?);
    Ok(Value::owned(to.since(&from).to_string()))
}

/// A layout that is a number stands for seconds since 1970.
fn parse<'d>(a: &Arguments<'_, 'd>) -> Answer<'d> {
    let (layout, text) = (a.text(0), a.text(1));
    if strconv::parse_int(layout).is_ok() {
        let seconds = strconv::parse_int(text).map_err(|error| other(&error))?;
        return Ok(rfc3339(&Time::from_unix(seconds, 0)));
    }
    Time::parse(layout, text).map(|time| rfc3339(&time)).map_err(|error| other(&error))
}

fn since<'d>(a: &Arguments<'_, 'd>) -> Answer<'d> {
    let layout = if a.text(0).is_empty() { RFC3339 } else { a.text(0) };
    let parse = |text: &str| Time::parse(layout, text).map_err(|error| other(&error));
    let from = parse(a.text(1))?;
    let to = if a.text(2).is_empty() { now(a) } else { parse(a.text(2))? };
    Ok(Value::owned(to.since(&from).to_string()))
}

fn to_cron<'d>(a: &Arguments<'_, 'd>) -> Answer<'d> {
    let at = time(a, 0)?.civil();
    Ok(Value::owned(format!("{} {} {} {} {}", at.minute, at.hour, at.day, at.month, at.weekday)))
}
