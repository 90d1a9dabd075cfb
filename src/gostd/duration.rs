//! Go's `time.Duration`: parsing, printing and the conversions that policies use.
//!
//! Rules and error texts follow `time.ParseDuration` and `time.Duration.String`. A duration is a signed
//! count of nanoseconds; calendar time lives in `time`.

use std::fmt;

use super::strconv;

#[cfg(test)]
mod tests;

const NANOSECOND: u64 = 1;
const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
/// The magnitude of the smallest duration; one more than the largest.
const MAGNITUDE_MAX: u64 = 1 << 63;

/// A span of time in nanoseconds, as Go's `time.Duration`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Duration(i64);

/// Why a text is not a duration; prints as Go prints it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// The text is not a sequence of numbers with units, or its value does not fit.
    #[error("time: invalid duration {}", quote(.0))]
    Invalid(String),
    /// A number has no unit.
    #[error("time: missing unit in duration {}", quote(.0))]
    MissingUnit(String),
    /// A unit is none of `ns`, `us`, `ms`, `s`, `m`, `h`.
    #[error("time: unknown unit {} in duration {}", quote(.unit), quote(.text))]
    UnknownUnit {
        /// The unit that was found.
        unit: String,
        /// The whole text.
        text: String,
    },
}

impl Duration {
    /// A duration of `nanos` nanoseconds.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// A duration of `seconds`, converted as Go's `time.Duration(seconds * float64(time.Second))`.
    pub fn from_seconds_f64(seconds: f64) -> Self {
        Self(strconv::f64_to_i64(seconds * 1e9))
    }

    /// Whole nanoseconds.
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// Seconds as a floating-point number, with Go's rounding.
    pub fn seconds(self) -> f64 {
        self.in_units(SECOND)
    }

    /// Minutes as a floating-point number, with Go's rounding.
    pub fn minutes(self) -> f64 {
        self.in_units(MINUTE)
    }

    /// Hours as a floating-point number, with Go's rounding.
    pub fn hours(self) -> f64 {
        self.in_units(HOUR)
    }

    fn in_units(self, unit: u64) -> f64 {
        let unit = unit.cast_signed();
        let (whole, rest) = (self.0 / unit, self.0 % unit);
        whole as f64 + rest as f64 / unit as f64
    }

    /// The sum; wraps on overflow as Go does.
    #[must_use]
    pub const fn wrapping_add(self, other: Self) -> Self {
        Self(self.0.wrapping_add(other.0))
    }

    /// The difference; wraps on overflow as Go does.
    #[must_use]
    pub const fn wrapping_sub(self, other: Self) -> Self {
        Self(self.0.wrapping_sub(other.0))
    }

    /// The remainder with the dividend's sign; `None` when `other` is zero.
    pub const fn checked_rem(self, other: Self) -> Option<Self> {
        if other.0 == 0 { None } else { Some(Self(self.0.wrapping_rem(other.0))) }
    }

    /// Parses what `time.ParseDuration` accepts: an optional sign and one or more numbers with units,
    /// such as `300ms`, `-1.5h` or `2h45m`; also a bare `0`.
    pub fn parse(text: &str) -> Result<Self, DurationError> {
        let invalid = || DurationError::Invalid(text.to_owned());
        let (negative, mut rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        if rest == "0" {
            return Ok(Self(0));
        }
        if rest.is_empty() {
            return Err(invalid());
        }
        let mut total: u64 = 0;
        while !rest.is_empty() {
            let (part, after) = parse_part(rest, text)?;
            total = total.checked_add(part).filter(|sum| *sum <= MAGNITUDE_MAX).ok_or_else(invalid)?;
            rest = after;
        }
        if negative {
            return Ok(Self(total.cast_signed().wrapping_neg()));
        }
        i64::try_from(total).map(Self).map_err(|_| invalid())
    }
}

/// Reads one number with its unit; returns its nanoseconds and the text after it.
fn parse_part<'a>(rest: &'a str, text: &str) -> Result<(u64, &'a str), DurationError> {
    let invalid = || DurationError::Invalid(text.to_owned());
    let (digits, after) = split_digits(rest);
    let mut whole: u64 = 0;
    for digit in digits.bytes() {
        whole = whole
            .checked_mul(10)
            .and_then(|value| value.checked_add(u64::from(digit - b'0')))
            .filter(|value| *value <= MAGNITUDE_MAX)
            .ok_or_else(invalid)?;
    }
    let (fraction_digits, after) = match after.strip_prefix('.') {
        Some(after) => split_digits(after),
        None => ("", after),
    };
    if digits.is_empty() && fraction_digits.is_empty() {
        return Err(invalid());
    }
    let unit_end =
        after.bytes().position(|byte| byte == b'.' || byte.is_ascii_digit()).unwrap_or(after.len());
    let (unit_text, after) = after.split_at_checked(unit_end).unwrap_or((after, ""));
    if unit_text.is_empty() {
        return Err(DurationError::MissingUnit(text.to_owned()));
    }
    let unit = unit_nanos(unit_text)
        .ok_or_else(|| DurationError::UnknownUnit { unit: unit_text.to_owned(), text: text.to_owned() })?;
    let (fraction, scale) = read_fraction(fraction_digits);
    let mut nanos = whole.checked_mul(unit).filter(|n| *n <= MAGNITUDE_MAX).ok_or_else(invalid)?;
    if fraction > 0 {
        // WHY: Go computes this part in float64, and its rounding shows in the last nanosecond.
        let extra = fraction as f64 * (unit as f64 / scale);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "below one unit, never negative"
        )]
        let extra = extra as u64;
        nanos = nanos.checked_add(extra).filter(|n| *n <= MAGNITUDE_MAX).ok_or_else(invalid)?;
    }
    Ok((nanos, after))
}

fn split_digits(text: &str) -> (&str, &str) {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// The digits after the point as an integer and the power of ten they are divided by; digits that
/// no longer fit are dropped.
fn read_fraction(digits: &str) -> (u64, f64) {
    let mut value: u64 = 0;
    let mut scale = 1.0;
    for digit in digits.bytes() {
        if value > (MAGNITUDE_MAX - 1) / 10 {
            break;
        }
        let next = value * 10 + u64::from(digit - b'0');
        if next > MAGNITUDE_MAX {
            break;
        }
        value = next;
        scale *= 10.0;
    }
    (value, scale)
}

fn unit_nanos(unit: &str) -> Option<u64> {
    Some(match unit {
        "ns" => NANOSECOND,
        "us" | "\u{b5}s" | "\u{3bc}s" => MICROSECOND,
        "ms" => MILLISECOND,
        "s" => SECOND,
        "m" => MINUTE,
        "h" => HOUR,
        _ => return None,
    })
}

/// Prints as `time.Duration.String`: `1h15m30.918s`, `1.5ms`, `0s`.
impl fmt::Display for Duration {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.0.unsigned_abs();
        if self.0 < 0 {
            out.write_str("-")?;
        }
        if total == 0 {
            return out.write_str("0s");
        }
        if total < MICROSECOND {
            return write!(out, "{total}ns");
        }
        if total < MILLISECOND {
            return write_decimal(out, total, MICROSECOND, "\u{b5}s");
        }
        if total < SECOND {
            return write_decimal(out, total, MILLISECOND, "ms");
        }
        let (hours, minutes) = (total / HOUR, total / MINUTE % 60);
        if hours > 0 {
            write!(out, "{hours}h")?;
        }
        if total >= MINUTE {
            write!(out, "{minutes}m")?;
        }
        write_decimal(out, total % MINUTE, SECOND, "s")
    }
}

fn write_decimal(out: &mut fmt::Formatter<'_>, nanos: u64, unit: u64, name: &str) -> fmt::Result {
    write!(out, "{}", nanos / unit)?;
    let fraction = nanos % unit;
    if fraction > 0 {
        let width = usize::try_from(unit.ilog10()).unwrap_or(9);
        let digits = format!("{fraction:0width$}");
        write!(out, ".{}", digits.trim_end_matches('0'))?;
    }
    out.write_str(name)
}

/// Quotes a text as the error messages of Go's `time` package do: bytes outside printable ASCII as `\xNN`.
pub(super) fn quote(text: &str) -> String {
    use fmt::Write as _;
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => {
                quoted.push('\\');
                quoted.push(character);
            }
            ' '..='\u{7f}' => quoted.push(character),
            _ => {
                for byte in character.encode_utf8(&mut [0; 4]).bytes() {
                    // Writing to a String cannot fail.
                    let _ = write!(quoted, "\\x{byte:02x}");
                }
            }
        }
    }
    quoted.push('"');
    quoted
}
