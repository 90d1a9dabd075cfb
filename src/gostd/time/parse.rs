//! Reading a time by a layout.
//!
//! Works on bytes, as Go does: a text may be left at any byte when reading fails, and the error cites the
//! rest.

use super::layout::{Element, MONTHS, Offset, OffsetParts, WEEKDAYS, next_chunk};
use super::{Time, TimeError, Zone, days_in, days_until, is_leap};
use crate::gostd::duration;

/// Why an element could not be read.
enum Problem {
    Mismatch,
    /// The named field has an impossible value.
    Range(&'static str),
}

use Problem::{Mismatch, Range};

/// What has been read so far.
#[derive(Default)]
struct Fields {
    year: i64,
    month: Option<i64>,
    day: Option<i64>,
    year_day: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    nanos: u32,
    is_am: bool,
    is_pm: bool,
    is_utc: bool,
    offset: Option<i32>,
    zone_name: String,
}

pub(super) fn parse(layout: &str, value: &str) -> Result<Time, TimeError> {
    let mut fields = Fields::default();
    let mut rest = value.as_bytes();
    let mut rest_of_layout = layout;
    let mismatch = |found: &[u8], element: &str| TimeError::Mismatch {
        value: value.to_owned(),
        layout: layout.to_owned(),
        found: quote_bytes(found),
        element: element.to_owned(),
    };
    let problem = |problem: String| TimeError::Field { value: value.to_owned(), problem };
    loop {
        let chunk = next_chunk(rest_of_layout);
        rest = skip_literal(rest, chunk.prefix.as_bytes()).map_err(|found| mismatch(found, chunk.prefix))?;
        let Some((element, text)) = chunk.element else {
            break;
        };
        rest_of_layout = chunk.rest;
        rest = match fields.read(element, rest, rest_of_layout) {
            Ok(rest) => rest,
            Err(Mismatch) => return Err(mismatch(rest, text)),
            Err(Range(field)) => return Err(problem(format!("{field} out of range"))),
        };
    }
    if !rest.is_empty() {
        return Err(problem(format!("extra text: {}", quote_bytes(rest))));
    }
    fields.finish().map_err(|text| problem(text.to_owned()))
}

/// The form in which Kubernetes writes times, `2006-01-02T15:04:05Z`. Everything else is left to the layout,
/// which knows what to accept and how to refuse.
pub(super) fn parse_usual(value: &str) -> Option<Time> {
    const SHAPE: &[u8; 20] = b"0000-00-00T00:00:00Z";
    let bytes = value.as_bytes();
    let fits = |(byte, shape): (&u8, &u8)| if *shape == b'0' { byte.is_ascii_digit() } else { byte == shape };
    if bytes.len() != SHAPE.len() || !bytes.iter().zip(SHAPE).all(fits) {
        return None;
    }
    let number = |from: usize, to: usize| {
        let digits = bytes.get(from..to).unwrap_or_default();
        digits.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0'))
    };
    let (year, month, day) = (number(0, 4), number(5, 7), number(8, 10));
    let (hour, minute, second) = (number(11, 13), number(14, 16), number(17, 19));
    if !(1..=12).contains(&month) || !(1..=days_in(month, year)).contains(&day) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let clock = (hour * 60 + minute) * 60 + second;
    let unix = days_until(year, month, day) * super::SECONDS_PER_DAY + clock;
    Some(Time { unix, nanos: 0, zone: Zone::utc() })
}

fn quote_bytes(bytes: &[u8]) -> String {
    // Only a layout with a literal beyond ASCII can leave the text inside a character.
    let mut quoted = String::from("\"");
    for chunk in bytes.utf8_chunks() {
        let valid = duration::quote(chunk.valid());
        quoted.push_str(valid.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(&valid));
        quoted.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    quoted.push('"');
    quoted
}

/// Removes literal text; a run of spaces in the layout stands for any number of spaces.
fn skip_literal<'a>(mut value: &'a [u8], mut literal: &[u8]) -> Result<&'a [u8], &'a [u8]> {
    while let Some((wanted, after)) = literal.split_first() {
        if *wanted == b' ' {
            if value.first().is_some_and(|found| *found != b' ') {
                return Err(value);
            }
            literal = literal.trim_prefix_spaces();
            value = value.trim_prefix_spaces();
            continue;
        }
        match value.split_first() {
            Some((found, rest)) if found == wanted => (value, literal) = (rest, after),
            _ => return Err(value),
        }
    }
    Ok(value)
}

trait TrimSpaces {
    fn trim_prefix_spaces(&self) -> &Self;
}

impl TrimSpaces for [u8] {
    fn trim_prefix_spaces(&self) -> &Self {
        let start = self.iter().position(|byte| *byte != b' ').unwrap_or(self.len());
        self.get(start..).unwrap_or_default()
    }
}

fn digit(text: &[u8], position: usize) -> Option<i64> {
    text.get(position).filter(|byte| byte.is_ascii_digit()).map(|byte| i64::from(byte - b'0'))
}

/// Reads one or two digits; exactly two if `is_fixed`.
fn number(text: &[u8], is_fixed: bool) -> Result<(i64, &[u8]), Problem> {
    let first = digit(text, 0).ok_or(Mismatch)?;
    match digit(text, 1) {
        Some(second) => Ok((first * 10 + second, text.get(2..).unwrap_or_default())),
        None if is_fixed => Err(Mismatch),
        None => Ok((first, text.get(1..).unwrap_or_default())),
    }
}

/// Go's private `atoi`: an optional sign and digits, none of which is zero.
fn integer(text: &[u8]) -> Result<i64, Problem> {
    let (is_negative, digits) = match text.split_first() {
        Some((b'-', digits)) => (true, digits),
        Some((b'+', digits)) => (false, digits),
        _ => (false, text),
    };
    let value = digits.iter().try_fold(0i64, |value, byte| {
        byte.is_ascii_digit().then(|| value.saturating_mul(10).saturating_add(i64::from(byte - b'0')))
    });
    value.map(|value| if is_negative { -value } else { value }).ok_or(Mismatch)
}

fn split(text: &[u8], length: usize) -> Result<(&[u8], &[u8]), Problem> {
    text.split_at_checked(length).ok_or(Mismatch)
}

/// Finds a name at the start of a text, whatever the case; `length` cuts the names to abbreviations.
fn name<'a>(names: &[&str], length: Option<usize>, text: &'a [u8]) -> Result<(i64, &'a [u8]), Problem> {
    (1..)
        .zip(names)
        .find_map(|(number, name)| {
            let name = name.as_bytes();
            let name = name.get(..length.unwrap_or(name.len()))?;
            let (head, rest) = text.split_at_checked(name.len())?;
            head.eq_ignore_ascii_case(name).then_some((number, rest))
        })
        .ok_or(Mismatch)
}

fn is_separator(text: &[u8]) -> bool {
    matches!(text.first(), Some(b'.' | b','))
}

/// How many bytes a separator and the digits behind it take.
fn fraction_length(text: &[u8]) -> usize {
    1 + text.iter().skip(1).take_while(|byte| byte.is_ascii_digit()).count()
}

/// Reads a separator and `length - 1` digits as nanoseconds; digits past the ninth are dropped.
fn nanoseconds(text: &[u8], length: usize) -> Result<(u32, &[u8]), Problem> {
    let (fraction, rest) = split(text, length)?;
    if !is_separator(fraction) {
        return Err(Mismatch);
    }
    let digits = fraction.get(1..length.min(10)).unwrap_or_default();
    let value = integer(digits)?;
    let missing = u32::try_from(9 - digits.len()).unwrap_or(0);
    let nanos = u32::try_from(value).map_err(|_| Range("fractional second"))?;
    Ok((nanos.saturating_mul(10u32.pow(missing)), rest))
}

impl Fields {
    /// Reads one element; returns the rest of the text.
    fn read<'a>(&mut self, element: Element, text: &'a [u8], layout: &str) -> Result<&'a [u8], Problem> {
        match element {
            Element::MonthName | Element::MonthAbbreviation => {
                let length = (element == Element::MonthAbbreviation).then_some(3);
                let (month, rest) = name(&MONTHS, length, text)?;
                self.month = Some(month);
                Ok(rest)
            }
            Element::WeekdayName => Ok(name(&WEEKDAYS, None, text)?.1),
            Element::WeekdayAbbreviation => Ok(name(&WEEKDAYS, Some(3), text)?.1),
            Element::Month | Element::MonthPadded => {
                let (month, rest) = number(text, element == Element::MonthPadded)?;
                self.month = Some(in_range(month, 1..13, "month")?);
                Ok(rest)
            }
            Element::Day | Element::DaySpaced | Element::DayPadded => {
                let spaced = text.strip_prefix(b" ").filter(|_| element == Element::DaySpaced);
                let (day, rest) = number(spaced.unwrap_or(text), element == Element::DayPadded)?;
                self.day = Some(day);
                Ok(rest)
            }
            Element::YearDaySpaced | Element::YearDayPadded => self.read_year_day(element, text),
            Element::Year => {
                digit(text, 0).ok_or(Mismatch)?;
                let (year, rest) = split(text, 4)?;
                self.year = integer(year)?;
                Ok(rest)
            }
            Element::YearTwoDigits => {
                let (year, rest) = split(text, 2)?;
                let year = integer(year)?;
                self.year = if year >= 69 { year + 1900 } else { year + 2000 };
                Ok(rest)
            }
            Element::ZoneName => self.read_zone_name(text),
            Element::Offset(form) => self.read_offset(form, text),
            _ => self.read_clock(element, text, layout),
        }
    }

    /// The elements of the clock.
    fn read_clock<'a>(
        &mut self,
        element: Element,
        text: &'a [u8],
        layout: &str,
    ) -> Result<&'a [u8], Problem> {
        let (value, rest);
        match element {
            Element::Hour => {
                (value, rest) = number(text, false)?;
                self.hour = in_range(value, 0..24, "hour")?;
            }
            Element::Hour12 | Element::Hour12Padded => {
                (value, rest) = number(text, element == Element::Hour12Padded)?;
                self.hour = in_range(value, 0..13, "hour")?;
            }
            Element::Minute | Element::MinutePadded => {
                (value, rest) = number(text, element == Element::MinutePadded)?;
                self.minute = in_range(value, 0..60, "minute")?;
            }
            Element::UpperPm | Element::LowerPm => {
                let half;
                (half, rest) = split(text, 2)?;
                let [am, pm] = if element == Element::UpperPm { [b"AM", b"PM"] } else { [b"am", b"pm"] };
                self.is_am |= half == am;
                self.is_pm |= half == pm;
                if half != am && half != pm {
                    return Err(Mismatch);
                }
            }
            Element::Fraction(form) if !form.is_trimmed => {
                (self.nanos, rest) = nanoseconds(text, form.n_digits + 1)?;
            }
            Element::Fraction(_) if is_separator(text) && digit(text, 1).is_some() => {
                (self.nanos, rest) = nanoseconds(text, fraction_length(text))?;
            }
            // A trimmed fraction may be missing.
            Element::Fraction(_) => rest = text,
            _ => return self.read_second(element, text, layout),
        }
        Ok(rest)
    }

    fn read_year_day<'a>(&mut self, element: Element, text: &'a [u8]) -> Result<&'a [u8], Problem> {
        let is_fixed = element == Element::YearDayPadded;
        let mut rest = text;
        if !is_fixed {
            for _ in 0..2 {
                rest = rest.strip_prefix(b" ").unwrap_or(rest);
            }
        }
        let n_digits = rest.iter().take(3).take_while(|byte| byte.is_ascii_digit()).count();
        if n_digits == 0 || is_fixed && n_digits != 3 {
            return Err(Mismatch);
        }
        let (digits, rest) = split(rest, n_digits)?;
        self.year_day = Some(integer(digits)?);
        Ok(rest)
    }

    /// Reads seconds, and a fraction where the layout has none.
    fn read_second<'a>(
        &mut self,
        element: Element,
        text: &'a [u8],
        layout: &str,
    ) -> Result<&'a [u8], Problem> {
        let (second, rest) = number(text, element == Element::SecondPadded)?;
        self.second = in_range(second, 0..60, "second")?;
        let has_own = matches!(next_chunk(layout).element, Some((Element::Fraction(_), _)));
        if has_own || !is_separator(rest) || digit(rest, 1).is_none() {
            return Ok(rest);
        }
        let (nanos, rest) = nanoseconds(rest, fraction_length(rest))?;
        self.nanos = nanos;
        Ok(rest)
    }

    fn read_offset<'a>(&mut self, form: Offset, text: &'a [u8]) -> Result<&'a [u8], Problem> {
        if form.has_z
            && let Some(rest) = text.strip_prefix(b"Z")
        {
            self.is_utc = true;
            return Ok(rest);
        }
        let gap = usize::from(form.has_colons);
        let n_more = match form.parts {
            OffsetParts::Hours => 0,
            OffsetParts::Minutes => 1,
            OffsetParts::Seconds => 2,
        };
        let (offset, rest) = split(text, 3 + n_more * (2 + gap))?;
        let (sign, numbers) = split(offset, 1)?;
        let mut parts = [0; 3];
        let mut bad = None;
        for (position, part) in parts.iter_mut().take(n_more + 1).enumerate() {
            let start = position * (2 + gap);
            if gap == 1 && position > 0 && numbers.get(start - 1) != Some(&b':') {
                return Err(Mismatch);
            }
            match number(numbers.get(start..start + 2).unwrap_or_default(), true) {
                Ok((value, _)) if bad.is_none() => *part = value,
                Ok(_) => {}
                Err(problem) => bad = bad.or(Some(problem)),
            }
        }
        let [hours, minutes, seconds] = parts;
        // Twenty-four hours and sixty minutes are accepted, since some write them.
        for (value, limit, field) in [
            (seconds, 60, "time zone offset second"),
            (minutes, 60, "time zone offset minute"),
            (hours, 24, "time zone offset hour"),
        ] {
            in_range(value, 0..limit + 1, field)?;
        }
        if let Some(problem) = bad {
            return Err(problem);
        }
        let size = i32::try_from((hours * 60 + minutes) * 60 + seconds).map_err(|_| Mismatch)?;
        let offset = match sign {
            b"+" => size,
            b"-" => -size,
            _ => return Err(Mismatch),
        };
        // Go marks "no offset" by -1, so that one cannot be read.
        self.offset = Some(offset).filter(|offset| *offset != -1);
        Ok(rest)
    }

    fn read_zone_name<'a>(&mut self, text: &'a [u8]) -> Result<&'a [u8], Problem> {
        if let Some(rest) = text.strip_prefix(b"UTC") {
            self.is_utc = true;
            return Ok(rest);
        }
        let (name, rest) = split(text, zone_name_length(text).ok_or(Mismatch)?)?;
        String::from_utf8_lossy(name).as_ref().clone_into(&mut self.zone_name);
        Ok(rest)
    }

    /// Puts the fields together; the error is Go's description.
    fn finish(mut self) -> Result<Time, &'static str> {
        if self.is_pm && self.hour < 12 {
            self.hour += 12;
        } else if self.is_am && self.hour == 12 {
            self.hour = 0;
        }
        let (month, day) = match self.year_day {
            None => (self.month.unwrap_or(1), self.day.unwrap_or(1)),
            Some(year_day) => self.date_of_year_day(year_day)?,
        };
        if day < 1 || day > days_in(month, self.year) {
            return Err("day out of range");
        }
        let clock = (self.hour * 60 + self.minute) * 60 + self.second;
        let unix = days_until(self.year, month, day) * super::SECONDS_PER_DAY + clock;
        let zone = if self.is_utc {
            Zone::utc()
        } else if let Some(offset) = self.offset {
            let is_local = offset == 0 && (self.zone_name.is_empty() || self.zone_name == "UTC");
            let zone = if is_local { Zone::utc() } else { Zone { name: self.zone_name.into(), offset } };
            return Ok(Time { unix: unix - i64::from(offset), nanos: self.nanos, zone });
        } else if self.zone_name.is_empty() {
            Zone::utc()
        } else {
            // An unknown abbreviation is kept as a name without an offset; GMT may carry one.
            let hours = self.zone_name.strip_prefix("GMT").filter(|hours| !hours.is_empty());
            let hours = hours.and_then(|hours| hours.parse::<i32>().ok()).unwrap_or(0);
            let offset = hours * 3600;
            // The clock was read as UTC; only the way the instant is shown changes.
            Zone { name: self.zone_name.into(), offset }
        };
        Ok(Time { unix, nanos: self.nanos, zone })
    }

    fn date_of_year_day(&self, year_day: i64) -> Result<(i64, i64), &'static str> {
        let last = if is_leap(self.year) { 366 } else { 365 };
        if !(1..=last).contains(&year_day) {
            return Err("day-of-year out of range");
        }
        let (mut month, mut day) = (1, year_day);
        while day > days_in(month, self.year) {
            day -= days_in(month, self.year);
            month += 1;
        }
        if self.month.is_some_and(|seen| seen != month) {
            return Err("day-of-year does not match month");
        }
        if self.day.is_some_and(|seen| seen != day) {
            return Err("day-of-year does not match day");
        }
        Ok((month, day))
    }
}

fn in_range(value: i64, range: std::ops::Range<i64>, field: &'static str) -> Result<i64, Problem> {
    if range.contains(&value) { Ok(value) } else { Err(Range(field)) }
}

/// The length of a zone abbreviation at the start of a text, if there is one.
fn zone_name_length(text: &[u8]) -> Option<usize> {
    if text.len() < 3 {
        return None;
    }
    if text.starts_with(b"ChST") || text.starts_with(b"MeST") {
        return Some(4);
    }
    if let Some(after) = text.strip_prefix(b"GMT") {
        return Some(3 + signed_hours_length(after));
    }
    if matches!(text.first(), Some(b'+' | b'-')) {
        return Some(signed_hours_length(text)).filter(|length| *length > 0);
    }
    let n_upper = text.iter().take(6).take_while(|byte| byte.is_ascii_uppercase()).count();
    match n_upper {
        5 if text.get(4) == Some(&b'T') => Some(5),
        4 if text.get(3) == Some(&b'T') || text.starts_with(b"WITA") => Some(4),
        3 => Some(3),
        _ => None,
    }
}

/// The length of `+3` or `-04`, at most 23 hours; zero for anything else.
fn signed_hours_length(text: &[u8]) -> usize {
    let Some((b'+' | b'-', digits)) = text.split_first() else {
        return 0;
    };
    let n_digits = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let hours = digits.get(..n_digits).and_then(|digits| integer(digits).ok());
    if n_digits > 0 && hours.is_some_and(|hours| hours <= 23) { n_digits + 1 } else { 0 }
}
