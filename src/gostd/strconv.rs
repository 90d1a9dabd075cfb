//! Go's `strconv`, the number and `%v` verbs of `fmt`, and how `encoding/json` writes scalars.
//!
//! Owns the text forms of scalars and the acceptance rules and error texts of their parsers. The shapes
//! `map[a:1 b:2]` and `[1 2]` are written by [`write_map`] and [`write_slice`] with the caller's own
//! element writer, because document types live elsewhere.

use std::fmt::Write as _;
use std::str::FromStr;
use std::sync::LazyLock;

mod parse;
#[cfg(test)]
mod tests;

pub use parse::{
    NumberError, NumberErrorKind, atoi, parse_bool, parse_float, parse_int, parse_uint,
};

/// Digits and decimal exponent of the shortest text that reads back as the same number.
struct Shortest {
    negative: bool,
    /// Decimal digits without leading or trailing zeros; `0` for zero.
    digits: String,
    /// The power of ten of the first digit.
    exponent: i32,
}

impl Shortest {
    /// `None` for infinities and not-a-number.
    fn of(value: f64) -> Option<Self> {
        value
            .is_finite()
            .then(|| Self::read(&value, &format!("{value:e}"), |n| format!("{value:.n$e}")))?
    }

    /// As [`Shortest::of`] with the precision of a `float32`.
    fn of_single(value: f32) -> Option<Self> {
        value
            .is_finite()
            .then(|| Self::read(&value, &format!("{value:e}"), |n| format!("{value:.n$e}")))?
    }

    /// Reads `d.ddde±d`. Where two shortest texts are equally near, Go takes the one with the even last
    /// digit, which is what rounding to the same number of places (`rounded`) gives.
    fn read<T: FromStr + PartialEq>(
        value: &T,
        text: &str,
        rounded: impl Fn(usize) -> String,
    ) -> Option<Self> {
        let places = text
            .split_once('e')
            .and_then(|(mantissa, _)| mantissa.split_once('.'));
        let even = rounded(places.map_or(0, |(_, places)| places.len()));
        let reads_back = even.parse().is_ok_and(|read: T| read == *value);
        let text = if reads_back { even.as_str() } else { text };
        let (mantissa, exponent) = text.split_once('e')?;
        Some(Self {
            negative: mantissa.starts_with('-'),
            digits: mantissa.chars().filter(char::is_ascii_digit).collect(),
            exponent: exponent.parse().ok()?,
        })
    }

    /// Without an exponent.
    fn positional(&self) -> String {
        let sign = if self.negative { "-" } else { "" };
        let n_digits = self.digits.len();
        match usize::try_from(self.exponent) {
            Ok(exponent) if exponent + 1 >= n_digits => {
                format!(
                    "{sign}{}{}",
                    self.digits,
                    "0".repeat(exponent + 1 - n_digits)
                )
            }
            Ok(exponent) => {
                let (whole, fraction) = self
                    .digits
                    .split_at_checked(exponent + 1)
                    .unwrap_or_default();
                format!("{sign}{whole}.{fraction}")
            }
            Err(_) => {
                let n_zeros = usize::try_from(-self.exponent - 1).unwrap_or(0);
                format!("{sign}0.{}{}", "0".repeat(n_zeros), self.digits)
            }
        }
    }

    /// `-d.ddde±dd` with at least two exponent digits and the given exponent letter.
    fn scientific(&self, letter: char) -> String {
        let mut text = String::with_capacity(self.digits.len() + 6);
        if self.negative {
            text.push('-');
        }
        let mut digits = self.digits.chars();
        text.extend(digits.next());
        if !digits.as_str().is_empty() {
            text.push('.');
            text.push_str(digits.as_str());
        }
        let sign = if self.exponent < 0 { '-' } else { '+' };
        // Writing to a String cannot fail.
        let _ = write!(text, "{letter}{sign}{:02}", self.exponent.unsigned_abs());
        text
    }
}

fn special(value: f64) -> String {
    let text = if value.is_nan() {
        "NaN"
    } else if value > 0.0 {
        "+Inf"
    } else {
        "-Inf"
    };
    text.to_owned()
}

/// `strconv.FormatFloat(value, 'f', -1, 64)`: the shortest decimal form without an exponent.
pub fn format_float(value: f64) -> String {
    Shortest::of(value).map_or_else(|| special(value), |shortest| shortest.positional())
}

/// `strconv.FormatFloat(value, 'f', -1, 32)`: as [`format_float`], with the precision of a `float32`.
pub fn format_float32(value: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "rounding to single precision is the point"
    )]
    let single = value as f32;
    Shortest::of_single(single).map_or_else(
        || special(f64::from(single)),
        |shortest| shortest.positional(),
    )
}

/// `strconv.FormatFloat(value, 'E', -1, 64)`: `1.5E+06`.
pub fn format_float_scientific(value: f64) -> String {
    Shortest::of(value).map_or_else(|| special(value), |shortest| shortest.scientific('E'))
}

/// `fmt.Sprintf("%f", value)`: six digits after the point.
pub fn format_float_fixed(value: f64) -> String {
    if value.is_finite() {
        format!("{value:.6}")
    } else {
        special(value)
    }
}

/// `fmt.Sprint(value)` and `%v` of a `float64`: `%g` with the fewest digits, so `100000` but `1e+06`.
///
/// The exponent form is used for magnitudes under 1e-4 and from 1e6.
pub fn sprint_float(value: f64) -> String {
    match Shortest::of(value) {
        None => special(value),
        Some(shortest) if value != 0.0 && !(-4..6).contains(&shortest.exponent) => {
            shortest.scientific('e')
        }
        Some(_) => format_float(value),
    }
}

/// How `encoding/json` writes a `float64`: exponent form under 1e-6 and from 1e21, without padding the
/// exponent of small numbers. `None` for infinities and not-a-number, which JSON cannot hold.
pub fn json_float(value: f64) -> Option<String> {
    let shortest = Shortest::of(value)?;
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        let text = shortest.scientific('e');
        return Some(text.replace("e-0", "e-"));
    }
    Some(format_float(value))
}

/// Appends `text` as a JSON string the way `encoding/json` writes it by default: `<`, `>` and `&` as
/// `\u003c`, `\u003e` and `\u0026`, and the line separators U+2028 and U+2029 escaped.
pub fn write_json_string(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(character));
            }
            _ => out.push(character),
        }
    }
    out.push('"');
}

/// `text` as a JSON string; see [`write_json_string`].
pub fn json_string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    write_json_string(&mut out, text);
    out
}

/// `strconv.Quote` and `%q`: a double-quoted Go string literal, non-printable characters escaped.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        write_escaped(&mut out, character);
    }
    out.push('"');
    out
}

fn write_escaped(out: &mut String, character: char) {
    let code = u32::from(character);
    // Writing to a String cannot fail.
    let _ = match character {
        '"' | '\\' => write!(out, "\\{character}"),
        '\u{7}' => write!(out, "\\a"),
        '\u{8}' => write!(out, "\\b"),
        '\u{c}' => write!(out, "\\f"),
        '\n' => write!(out, "\\n"),
        '\r' => write!(out, "\\r"),
        '\t' => write!(out, "\\t"),
        '\u{b}' => write!(out, "\\v"),
        _ if is_print(character) => write!(out, "{character}"),
        '\0'..='\u{7f}' => write!(out, "\\x{code:02x}"),
        '\u{80}'..='\u{ffff}' => write!(out, "\\u{code:04x}"),
        _ => write!(out, "\\U{code:08x}"),
    };
}

/// `strconv.IsPrint`: letters, marks, numbers, punctuation, symbols and the ASCII space.
pub fn is_print(character: char) -> bool {
    static PRINTABLE: LazyLock<Option<regex::Regex>> =
        LazyLock::new(|| regex::Regex::new(r"^[\pL\pM\pN\pP\pS]$").ok());
    match character {
        ' '..='~' => true,
        '\0'..='\u{7f}' => false,
        _ => PRINTABLE
            .as_ref()
            .is_some_and(|printable| printable.is_match(character.encode_utf8(&mut [0; 4]))),
    }
}

/// The text of a missing value under `%v`.
pub const NIL: &str = "<nil>";

/// Appends a slice as `%v` does: `[1 2]`. `write_item` appends one element.
pub fn write_slice<T>(
    out: &mut String,
    items: impl IntoIterator<Item = T>,
    mut write_item: impl FnMut(&mut String, T),
) {
    out.push('[');
    for (position, item) in items.into_iter().enumerate() {
        if position > 0 {
            out.push(' ');
        }
        write_item(out, item);
    }
    out.push(']');
}

/// Appends a map as `%v` does: `map[a:1 b:2]`. `entries` must come in ascending byte order of their keys,
/// as `fmt` sorts them; `write_value` appends one value.
pub fn write_map<'a, V>(
    out: &mut String,
    entries: impl IntoIterator<Item = (&'a str, V)>,
    mut write_value: impl FnMut(&mut String, V),
) {
    out.push_str("map");
    write_slice(out, entries, |out, (key, value)| {
        out.push_str(key);
        out.push(':');
        write_value(out, value);
    });
}

/// Go's conversion `int64(value)` on amd64: truncates, and gives the smallest integer for anything that
/// does not fit, including not-a-number.
pub fn f64_to_i64(value: f64) -> i64 {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if (-LIMIT..LIMIT).contains(&value) {
        #[expect(clippy::cast_possible_truncation, reason = "the range was checked")]
        let whole = value as i64;
        whole
    } else {
        i64::MIN
    }
}

/// `math.Pow10`: ten to the power `exponent`, zero and infinity outside the range of a `float64`.
///
/// Computed from the same two factors as Go, since the last bit shows in quantities.
pub fn pow10(exponent: i32) -> f64 {
    let coarse = |steps: u32| format!("1e{}", steps * 32).parse().unwrap_or(f64::INFINITY);
    let fine = |step: u32| format!("1e{step}").parse().unwrap_or(1.0);
    let size = exponent.unsigned_abs();
    match exponent {
        0..=308 => coarse(size / 32) * fine(size % 32),
        -323..0 => {
            let negative: f64 = format!("1e-{}", size / 32 * 32).parse().unwrap_or(0.0);
            let divisor: f64 = fine(size % 32);
            negative / divisor
        }
        309.. => f64::INFINITY,
        _ => 0.0,
    }
}
