//! Go's layout language: finding the elements of a layout, and writing a time by it.

use std::fmt::Write as _;

use super::Time;

pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
pub(super) const WEEKDAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// One element of a layout, named by what it prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    MonthName,
    MonthAbbreviation,
    Month,
    MonthPadded,
    WeekdayName,
    WeekdayAbbreviation,
    Day,
    DaySpaced,
    DayPadded,
    YearDaySpaced,
    YearDayPadded,
    Hour,
    Hour12,
    Hour12Padded,
    Minute,
    MinutePadded,
    Second,
    SecondPadded,
    Year,
    YearTwoDigits,
    UpperPm,
    LowerPm,
    ZoneName,
    Offset(Offset),
    Fraction(Fraction),
}

/// `Z07:00`, `-0700` and their like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Offset {
    /// Whether UTC is written as `Z`.
    pub(super) has_z: bool,
    pub(super) has_colons: bool,
    pub(super) parts: OffsetParts,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
pub(super) enum OffsetParts {
    Hours,
    Minutes,
    Seconds,
}

/// `.000`, `,999` and their like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fraction {
    pub(super) n_digits: usize,
    separator: char,
    /// Whether trailing zeros are left out.
    pub(super) is_trimmed: bool,
}

/// A layout cut at its first element.
#[derive(Debug)]
pub(super) struct Chunk<'a> {
    /// The literal text before the element.
    pub(super) prefix: &'a str,
    /// The element and its text; `None` at the end of the layout.
    pub(super) element: Option<(Element, &'a str)>,
    pub(super) rest: &'a str,
}

/// Finds the first element of a layout.
pub(super) fn next_chunk(layout: &str) -> Chunk<'_> {
    for (start, _) in layout.char_indices() {
        let (prefix, here) = layout.split_at_checked(start).unwrap_or((layout, ""));
        if let Some((element, length)) = element_at(here) {
            let (text, rest) = here.split_at_checked(length).unwrap_or((here, ""));
            return Chunk { prefix, element: Some((element, text)), rest };
        }
    }
    Chunk { prefix: layout, element: None, rest: "" }
}

/// The elements whose text alone decides, longer ones first where one begins another.
const FIXED: [(&str, Element); 25] = [
    ("January", Element::MonthName),
    ("Monday", Element::WeekdayName),
    ("MST", Element::ZoneName),
    ("01", Element::MonthPadded),
    ("02", Element::DayPadded),
    ("03", Element::Hour12Padded),
    ("04", Element::MinutePadded),
    ("05", Element::SecondPadded),
    ("06", Element::YearTwoDigits),
    ("002", Element::YearDayPadded),
    ("15", Element::Hour),
    ("1", Element::Month),
    ("2006", Element::Year),
    ("2", Element::Day),
    ("__2", Element::YearDaySpaced),
    ("3", Element::Hour12),
    ("4", Element::Minute),
    ("5", Element::Second),
    ("PM", Element::UpperPm),
    ("pm", Element::LowerPm),
    ("070000", offset(false, OffsetParts::Seconds)),
    ("07:00:00", offset(true, OffsetParts::Seconds)),
    ("0700", offset(false, OffsetParts::Minutes)),
    ("07:00", offset(true, OffsetParts::Minutes)),
    ("07", offset(false, OffsetParts::Hours)),
];

const fn offset(has_colons: bool, parts: OffsetParts) -> Element {
    Element::Offset(Offset { has_z: false, has_colons, parts })
}

/// The element that a text begins with, and its length in bytes.
fn element_at(here: &str) -> Option<(Element, usize)> {
    let fixed = |text: &str, is_offset: bool| {
        FIXED
            .iter()
            .find(|(name, element)| {
                matches!(element, Element::Offset(_)) == is_offset && text.starts_with(name)
            })
            .map(|(name, element)| (*element, name.len()))
    };
    let first = here.chars().next()?;
    let after = here.strip_prefix(first)?;
    let abbreviation = |element| {
        let is_word = after.chars().nth(2).is_some_and(|c| c.is_ascii_lowercase());
        (!is_word).then_some((element, 3))
    };
    match first {
        '-' | 'Z' => {
            let (element, length) = fixed(after, true)?;
            let Element::Offset(offset) = element else {
                return None;
            };
            Some((Element::Offset(Offset { has_z: first == 'Z', ..offset }), length + 1))
        }
        // An underscore before a full year is literal.
        '_' if after.starts_with("2006") => None,
        '_' if after.starts_with('2') => Some((Element::DaySpaced, 2)),
        '.' | ',' => {
            let digit = after.chars().next().filter(|digit| matches!(digit, '0' | '9'))?;
            let rest = after.trim_start_matches(digit);
            let n_digits = after.len() - rest.len();
            let is_number = rest.starts_with(|c: char| c.is_ascii_digit());
            let fraction = Fraction { n_digits, separator: first, is_trimmed: digit == '9' };
            (!is_number).then_some((Element::Fraction(fraction), n_digits + 1))
        }
        _ => match fixed(here, false) {
            Some(found) => Some(found),
            None if here.starts_with("Jan") => abbreviation(Element::MonthAbbreviation),
            None if here.starts_with("Mon") => abbreviation(Element::WeekdayAbbreviation),
            None => None,
        },
    }
}

/// Writes a time by a layout.
pub(super) fn format(time: &Time, layout: &str) -> String {
    let civil = time.civil();
    let mut out = String::with_capacity(layout.len() + 8);
    let mut rest = layout;
    loop {
        let chunk = next_chunk(rest);
        out.push_str(chunk.prefix);
        let Some((element, _)) = chunk.element else {
            return out;
        };
        rest = chunk.rest;
        let month_name = MONTHS.get(usize::from(civil.month).wrapping_sub(1)).copied().unwrap_or_default();
        let weekday_name = WEEKDAYS.get(usize::from(civil.weekday)).copied().unwrap_or_default();
        let hour12 = (civil.hour + 11) % 12 + 1;
        let is_pm = civil.hour >= 12;
        // Writing to a String cannot fail.
        let _ = match element {
            Element::MonthName => write!(out, "{month_name}"),
            Element::MonthAbbreviation => write!(out, "{month_name:.3}"),
            Element::Month => write!(out, "{}", civil.month),
            Element::MonthPadded => write!(out, "{:02}", civil.month),
            Element::WeekdayName => write!(out, "{weekday_name}"),
            Element::WeekdayAbbreviation => write!(out, "{weekday_name:.3}"),
            Element::Day => write!(out, "{}", civil.day),
            Element::DaySpaced => write!(out, "{:2}", civil.day),
            Element::DayPadded => write!(out, "{:02}", civil.day),
            Element::YearDaySpaced => write!(out, "{:3}", civil.year_day),
            Element::YearDayPadded => write!(out, "{:03}", civil.year_day),
            Element::Hour => write!(out, "{:02}", civil.hour),
            Element::Hour12 => write!(out, "{hour12}"),
            Element::Hour12Padded => write!(out, "{hour12:02}"),
            Element::Minute => write!(out, "{}", civil.minute),
            Element::MinutePadded => write!(out, "{:02}", civil.minute),
            Element::Second => write!(out, "{}", civil.second),
            Element::SecondPadded => write!(out, "{:02}", civil.second),
            Element::Year => {
                let sign = if civil.year < 0 { "-" } else { "" };
                write!(out, "{sign}{:04}", civil.year.unsigned_abs())
            }
            Element::YearTwoDigits => write!(out, "{:02}", civil.year.unsigned_abs() % 100),
            Element::UpperPm => write!(out, "{}", if is_pm { "PM" } else { "AM" }),
            Element::LowerPm => write!(out, "{}", if is_pm { "pm" } else { "am" }),
            Element::ZoneName if !time.zone.name.is_empty() => write!(out, "{}", time.zone.name),
            Element::ZoneName => {
                let plain = Offset { has_z: false, has_colons: false, parts: OffsetParts::Minutes };
                write_offset(&mut out, plain, time.zone.offset)
            }
            Element::Offset(offset) => write_offset(&mut out, offset, time.zone.offset),
            Element::Fraction(fraction) => write_fraction(&mut out, fraction, time.nanos),
        };
    }
}

fn write_offset(out: &mut String, form: Offset, seconds: i32) -> std::fmt::Result {
    if form.has_z && seconds == 0 {
        return out.write_char('Z');
    }
    let size = seconds.unsigned_abs();
    let (minutes, colon) = (size / 60, if form.has_colons { ":" } else { "" });
    // Less than a minute west of UTC has no minutes to carry the sign.
    let sign = if seconds <= -60 { '-' } else { '+' };
    write!(out, "{sign}{:02}", minutes / 60)?;
    if form.parts >= OffsetParts::Minutes {
        write!(out, "{colon}{:02}", minutes % 60)?;
    }
    if form.parts >= OffsetParts::Seconds {
        // Go takes the remainder of the unsigned offset only where the sign was negative.
        let rest = if sign == '-' || seconds >= 0 { i64::from(size % 60) } else { i64::from(seconds % 60) };
        let mark = if rest < 0 { "-" } else { "" };
        write!(out, "{colon}{mark}{:02}", rest.unsigned_abs())?;
    }
    Ok(())
}

fn write_fraction(out: &mut String, form: Fraction, nanos: u32) -> std::fmt::Result {
    let digits = format!("{nanos:09}");
    let digits = digits.get(..form.n_digits.min(9)).unwrap_or(&digits);
    let digits = if form.is_trimmed { digits.trim_end_matches('0') } else { digits };
    if digits.is_empty() {
        return Ok(());
    }
    write!(out, "{}{digits}", form.separator)
}
