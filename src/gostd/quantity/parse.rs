//! Reading quantities: the split into sign, digits and suffix, and the choice of representation.

use super::decimal::Decimal;
use super::{Amount, Format, Quantity, QuantityError, natural};
use crate::limits::{QUANTITY_EXPONENT_MAX, QUANTITY_TEXT_BYTES_MAX};

/// The smallest exponent that is kept; finer amounts are rounded away from zero.
const NANO: i32 = -9;

/// A text taken apart; `whole` has no leading zeros but is `0` rather than empty.
struct Parts<'a> {
    is_negative: bool,
    whole: &'a str,
    fraction: &'a str,
    /// Sign and digits without the suffix, as written.
    number: &'a str,
    suffix: &'a str,
}

/// What a suffix means.
enum Unit {
    Decimal(i32, Format),
    /// A power of two.
    Binary(u32),
}

pub(super) fn parse(text: &str) -> Result<Quantity, QuantityError> {
    if text.is_empty() || text.len() > QUANTITY_TEXT_BYTES_MAX {
        return Err(QuantityError::Format);
    }
    let parts = split(text)?;
    let unit = interpret(parts.suffix)?;
    if let Some(quantity) = parse_small(text, &parts, &unit) {
        return Ok(quantity);
    }
    parse_big(&parts, &unit)
}

fn digits_end(text: &str) -> usize {
    text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len())
}

fn cut(text: &str, at: usize) -> (&str, &str) {
    text.split_at_checked(at).unwrap_or((text, ""))
}

fn split(text: &str) -> Result<Parts<'_>, QuantityError> {
    let is_negative = text.starts_with('-');
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let stripped = unsigned.trim_start_matches('0');
    if stripped.is_empty() {
        return Ok(Parts { is_negative, whole: "0", fraction: "", number: "0", suffix: "" });
    }
    let (whole, rest) = cut(stripped, digits_end(stripped));
    let (fraction, suffix) = match rest.strip_prefix('.') {
        Some(rest) => cut(rest, digits_end(rest)),
        None => ("", rest),
    };
    let number = cut(text, text.len() - suffix.len()).0;
    let tail = suffix.trim_start_matches(|c| "eEinumkKMGTP".contains(c));
    let tail = tail.strip_prefix(['-', '+']).unwrap_or(tail);
    if !tail.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(QuantityError::Format);
    }
    let whole = if whole.is_empty() { "0" } else { whole };
    Ok(Parts { is_negative, whole, fraction, number, suffix })
}

fn interpret(suffix: &str) -> Result<Unit, QuantityError> {
    let exponent = match suffix {
        "" => 0,
        "n" => -9,
        "u" => -6,
        "m" => -3,
        "k" => 3,
        "M" => 6,
        "G" => 9,
        "T" => 12,
        "P" => 15,
        "E" => 18,
        "Ki" => return Ok(Unit::Binary(10)),
        "Mi" => return Ok(Unit::Binary(20)),
        "Gi" => return Ok(Unit::Binary(30)),
        "Ti" => return Ok(Unit::Binary(40)),
        "Pi" => return Ok(Unit::Binary(50)),
        "Ei" => return Ok(Unit::Binary(60)),
        _ => {
            let digits = suffix.strip_prefix(['e', 'E']).ok_or(QuantityError::Suffix)?;
            let exponent: i32 = digits.parse().map_err(|_| QuantityError::Suffix)?;
            if exponent.unsigned_abs() > QUANTITY_EXPONENT_MAX.unsigned_abs() {
                return Err(QuantityError::Suffix);
            }
            return Ok(Unit::Decimal(exponent, Format::DecimalExponent));
        }
    };
    Ok(Unit::Decimal(exponent, Format::DecimalSi))
}

/// The `int64` representation, where apimachinery chooses it: few enough digits, nothing finer than nano,
/// and no fraction before a binary suffix.
fn parse_small(text: &str, parts: &Parts<'_>, unit: &Unit) -> Option<Quantity> {
    let n_digits = parts.whole.len() + parts.fraction.len();
    let (exponent, format, power) = match unit {
        Unit::Decimal(exponent, format) if n_digits <= 18 => (*exponent, *format, 0),
        // About three decimal digits a factor of 1024, and none at all from 2^50 on.
        Unit::Binary(power) if parts.fraction.is_empty() && n_digits + (*power as usize * 3 / 10) < 15 => {
            (0, Format::BinarySi, *power)
        }
        _ => return None,
    };
    let exponent = exponent.saturating_sub(i32::try_from(parts.fraction.len()).ok()?);
    if exponent < NANO {
        return None;
    }
    let mut digits = String::with_capacity(n_digits);
    digits.push_str(parts.whole);
    digits.push_str(parts.fraction);
    let unsigned: i64 = digits.parse().ok()?;
    let value = unsigned.checked_mul(1i64.checked_shl(power)?)?;
    let is_canonical = match unit {
        Unit::Binary(_) => unsigned & 7 != 0,
        Unit::Decimal(..) => exponent % 3 == 0 && !digits.ends_with("000") && !digits.starts_with('0'),
    };
    Some(Quantity {
        amount: Amount::Small { value: if parts.is_negative { -value } else { value }, exponent },
        format,
        verbatim: is_canonical.then(|| text.into()),
    })
}

fn parse_big(parts: &Parts<'_>, unit: &Unit) -> Result<Quantity, QuantityError> {
    let number = parts.number.strip_prefix(['-', '+']).unwrap_or(parts.number);
    if number.bytes().all(|byte| byte == b'.') {
        return Err(QuantityError::Numeric);
    }
    let mut magnitude = natural(&[parts.whole, parts.fraction].concat())?;
    let fraction_digits = i32::try_from(parts.fraction.len()).map_err(|_| QuantityError::Numeric)?;
    let (scale, mut format) = match unit {
        Unit::Decimal(exponent, format) => (fraction_digits.saturating_sub(*exponent), *format),
        Unit::Binary(power) => {
            for _ in 0..power / 10 {
                magnitude = magnitude.mul_small(1024);
            }
            (fraction_digits, Format::BinarySi)
        }
    };
    let mut amount = Decimal { is_negative: false, magnitude, scale };
    if amount.signum() != 0 {
        amount = amount.rounded_up(-NANO).0;
    }
    if format == Format::BinarySi {
        let largest = Decimal::from_i64(i64::MAX, 0);
        if amount.cmp(&largest).is_gt() {
            amount = largest;
        }
        if amount.signum() > 0 && amount.cmp(&Decimal::from_i64(1, 0)).is_lt() {
            format = Format::DecimalSi;
        }
    }
    amount.is_negative = parts.is_negative;
    Ok(Quantity::from_decimal(amount, format))
}
