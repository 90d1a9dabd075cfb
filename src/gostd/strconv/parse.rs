//! Go's `strconv` parsers: which texts are numbers and booleans, and the errors for those that are not.

use super::quote;

/// A text that Go's `strconv` refuses; prints as Go's `NumError`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("strconv.{function}: parsing {}: {kind}", quote(.input))]
pub struct NumberError {
    /// The Go function's name, such as `ParseInt`.
    pub function: &'static str,
    /// The refused text.
    pub input: String,
    /// What is wrong with it.
    pub kind: NumberErrorKind,
}

/// The two ways a text can fail to be a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NumberErrorKind {
    /// Not of the form of a number.
    #[error("invalid syntax")]
    Syntax,
    /// A number that the type cannot hold.
    #[error("value out of range")]
    Range,
}

use NumberErrorKind::{Range, Syntax};

fn error(function: &'static str, input: &str, kind: NumberErrorKind) -> NumberError {
    NumberError { function, input: input.to_owned(), kind }
}

/// `strconv.ParseInt(text, 10, 64)`.
pub fn parse_int(text: &str) -> Result<i64, NumberError> {
    signed(text).map_err(|kind| error("ParseInt", text, kind))
}

/// `strconv.Atoi`.
pub fn atoi(text: &str) -> Result<i64, NumberError> {
    signed(text).map_err(|kind| error("Atoi", text, kind))
}

/// `strconv.ParseUint(text, 10, 64)`.
pub fn parse_uint(text: &str) -> Result<u64, NumberError> {
    unsigned(text).map_err(|kind| error("ParseUint", text, kind))
}

fn signed(text: &str) -> Result<i64, NumberErrorKind> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let magnitude = unsigned(digits)?;
    if negative {
        0i64.checked_sub_unsigned(magnitude).ok_or(Range)
    } else {
        i64::try_from(magnitude).map_err(|_| Range)
    }
}

fn unsigned(digits: &str) -> Result<u64, NumberErrorKind> {
    if digits.is_empty() {
        return Err(Syntax);
    }
    let mut value: u64 = 0;
    for byte in digits.bytes() {
        if !byte.is_ascii_digit() {
            return Err(Syntax);
        }
        // An overflow is reported even when garbage follows, as Go reads from the left.
        value = value.checked_mul(10).and_then(|v| v.checked_add(u64::from(byte - b'0'))).ok_or(Range)?;
    }
    Ok(value)
}

/// `strconv.ParseBool`.
pub fn parse_bool(text: &str) -> Result<bool, NumberError> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(error("ParseBool", text, Syntax)),
    }
}

/// `strconv.ParseFloat(text, 64)`: decimal and hexadecimal floats, underscores between digits, `inf`,
/// `infinity` and `nan` in any case. A finite text that rounds to infinity is out of range.
pub fn parse_float(text: &str) -> Result<f64, NumberError> {
    float(text).map_err(|kind| error("ParseFloat", text, kind))
}

fn float(text: &str) -> Result<f64, NumberErrorKind> {
    let (negative, body) = match text.strip_prefix('-') {
        Some(body) => (true, body),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let sign = if negative { -1.0 } else { 1.0 };
    if body.eq_ignore_ascii_case("inf") || body.eq_ignore_ascii_case("infinity") {
        return Ok(sign * f64::INFINITY);
    }
    if text.eq_ignore_ascii_case("nan") {
        return Ok(f64::NAN);
    }
    let hex_digits = body.strip_prefix("0x").or_else(|| body.strip_prefix("0X"));
    if body.contains('_') && !underscores_separate_digits(hex_digits.unwrap_or(body), hex_digits.is_some()) {
        return Err(Syntax);
    }
    let magnitude = match hex_digits {
        Some(digits) => hexadecimal(&digits.replace('_', ""))?,
        None => decimal(&body.replace('_', ""))?,
    };
    if magnitude.is_infinite() {
        return Err(Range);
    }
    Ok(sign * magnitude)
}

fn underscores_separate_digits(body: &str, is_hex: bool) -> bool {
    // A base prefix counts as a digit.
    let mut previous = if is_hex { '0' } else { '!' };
    for character in body.chars() {
        previous = match character {
            '_' if previous != '0' => return false,
            '_' => '_',
            _ if character.is_ascii_digit() || is_hex && character.is_ascii_hexdigit() => '0',
            _ if previous == '_' => return false,
            _ => '!',
        };
    }
    previous != '_'
}

fn decimal(body: &str) -> Result<f64, NumberErrorKind> {
    let is_allowed = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-');
    let begins = body.bytes().next().is_some_and(|byte| byte.is_ascii_digit() || byte == b'.');
    if !begins || !body.bytes().all(is_allowed) {
        return Err(Syntax);
    }
    body.parse().map_err(|_| Syntax)
}

/// Reads `h.hhhp±d`, the part after `0x`.
fn hexadecimal(body: &str) -> Result<f64, NumberErrorKind> {
    let (mantissa, exponent) = body.split_once(['p', 'P']).ok_or(Syntax)?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return Err(Syntax);
    }
    let mut bits: u128 = 0;
    let mut scale: i64 = 0;
    let all = whole.chars().map(|digit| (digit, 0)).chain(fraction.chars().map(|digit| (digit, 4)));
    for (digit, shift) in all {
        let digit = digit.to_digit(16).ok_or(Syntax)?;
        if bits >> 120 == 0 {
            bits = bits << 4 | u128::from(digit);
            scale -= shift;
        } else {
            // WHY: beyond 120 bits a digit only decides ties, which the lowest bit remembers.
            bits |= u128::from(digit != 0);
            scale += 4 - shift;
        }
    }
    let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Syntax);
    }
    let size = digits.parse::<i64>().unwrap_or(i64::MAX).min(1 << 40);
    let exponent = if exponent.starts_with('-') { -size } else { size };
    Ok(round_binary(bits, scale.saturating_add(exponent)))
}

/// The `f64` nearest to `bits * 2^exponent`, ties to even.
fn round_binary(bits: u128, exponent: i64) -> f64 {
    if bits == 0 {
        return 0.0;
    }
    let length = i64::from(128 - bits.leading_zeros());
    let top = exponent + length - 1;
    if top > 1023 {
        return f64::INFINITY;
    }
    let precision = if top >= -1022 { 53 } else { 53 - (-1022 - top) };
    if precision < 0 {
        return 0.0;
    }
    let cut = u32::try_from((length - precision).max(0)).unwrap_or(0);
    let kept = bits.checked_shr(cut).unwrap_or(0);
    let lost = bits & (1u128.checked_shl(cut).map_or(u128::MAX, |limit| limit - 1));
    let half = if cut == 0 { u128::MAX } else { 1u128 << (cut - 1) };
    let round_up = lost > half || lost == half && kept & 1 == 1;
    let kept = kept + u128::from(round_up);
    let scale = i32::try_from(exponent + i64::from(cut)).unwrap_or(0);
    // `kept` has at most 54 bits and ends in zero if it has 54, so both factors and the product are exact.
    kept as f64 * two_to(scale.div_euclid(2)) * two_to(scale - scale.div_euclid(2))
}

fn two_to(exponent: i32) -> f64 {
    2f64.powi(exponent)
}
