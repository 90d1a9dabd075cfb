//! Kubernetes quantities (`100m`, `1.5Gi`, `1e3`) as `k8s.io/apimachinery/pkg/api/resource` computes them.
//!
//! Values are exact. As in Go there are two representations, an `int64` with a power of ten and a big
//! decimal, because policies can see which one a quantity has ([`Quantity::as_i64`], [`Quantity::value`]).
//! The arithmetic that Kyverno adds on top (`pkg/engine/jmespath/arithmetic.go`) is in
//! `quantity/arithmetic.rs`.

use std::cmp::Ordering;
use std::fmt;

use super::strconv;
use decimal::{Decimal, Natural};

mod arithmetic;
mod decimal;
mod parse;
#[cfg(test)]
mod tests;

pub use arithmetic::RemainderError;

/// Why a text is not a quantity; the texts are apimachinery's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// Not a number with a suffix; also texts beyond `QUANTITY_TEXT_BYTES_MAX`.
    #[error(
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
    )]
    Format,
    /// The number cannot be read.
    #[error("unable to parse numeric part of quantity")]
    Numeric,
    /// The suffix is unknown; also exponents beyond `QUANTITY_EXPONENT_MAX`.
    #[error("unable to parse quantity's suffix")]
    Suffix,
}

/// How a quantity prefers to be printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// `12e6`
    DecimalExponent,
    /// `12Mi`, powers of 1024
    BinarySi,
    /// `12M`, powers of 1000
    DecimalSi,
}

#[derive(Debug, Clone)]
enum Amount {
    /// `value * 10^exponent`
    Small {
        value: i64,
        exponent: i32,
    },
    Big(Decimal),
}

/// An exact amount with its preferred format.
#[derive(Debug, Clone)]
pub struct Quantity {
    amount: Amount,
    format: Format,
    /// The parsed text, kept where apimachinery takes it for canonical and prints it unchanged.
    verbatim: Option<Box<str>>,
}

impl Amount {
    fn to_decimal(&self) -> Decimal {
        match self {
            Self::Small { value, exponent } => Decimal::from_i64(*value, exponent.saturating_neg()),
            Self::Big(decimal) => decimal.clone(),
        }
    }
}

impl Quantity {
    /// Parses what `resource.ParseQuantity` accepts.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        parse::parse(text)
    }

    /// A whole number, as `resource.NewQuantity`.
    pub const fn from_i64(value: i64, format: Format) -> Self {
        Self {
            amount: Amount::Small { value, exponent: 0 },
            format,
            verbatim: None,
        }
    }

    const fn from_decimal(decimal: Decimal, format: Format) -> Self {
        Self {
            amount: Amount::Big(decimal),
            format,
            verbatim: None,
        }
    }

    /// The preferred format.
    pub const fn format(&self) -> Format {
        self.format
    }

    /// -1, 0 or 1.
    pub fn signum(&self) -> i32 {
        match &self.amount {
            Amount::Small { value, .. } => i32::try_from(value.signum()).unwrap_or(0),
            Amount::Big(decimal) => decimal.signum(),
        }
    }

    /// Whether the amount is zero.
    pub fn is_zero(&self) -> bool {
        self.signum() == 0
    }

    /// The amount as an integer if Go's `AsInt64` gives it: never for the big representation, never with a
    /// negative exponent (even where the value is whole), never beyond 64 bits.
    pub fn as_i64(&self) -> Option<i64> {
        match &self.amount {
            Amount::Small { value, exponent } => scale_up(*value, u32::try_from(*exponent).ok()?),
            Amount::Big(_) => None,
        }
    }

    /// Whether [`Quantity::as_i64`] gives a value; CEL's `isInteger`.
    pub fn is_integer(&self) -> bool {
        self.as_i64().is_some()
    }

    /// `Value()`: the amount rounded away from zero; what Go gives where it does not fit 64 bits.
    pub fn value(&self) -> i64 {
        self.scaled_value(0)
    }

    /// `MilliValue()`: the amount in thousandths, rounded away from zero.
    pub fn milli_value(&self) -> i64 {
        self.scaled_value(-3)
    }

    /// `ScaledValue`: the amount divided by `10^exponent`, rounded up.
    pub fn scaled_value(&self, target: i32) -> i64 {
        match &self.amount {
            Amount::Small { value, exponent } => {
                let difference = exponent.saturating_sub(target);
                let steps = difference.unsigned_abs();
                if difference >= 0 {
                    scale_up(*value, steps).unwrap_or_else(|| overflowed(*value, steps))
                } else {
                    scale_down(*value, steps)
                }
            }
            Amount::Big(decimal) => scaled_big(decimal, target.saturating_neg()),
        }
    }

    /// `AsApproximateFloat64`.
    pub fn as_approximate_f64(&self) -> f64 {
        let (base, exponent) = match &self.amount {
            Amount::Small { value, exponent } => (*value as f64, *exponent),
            Amount::Big(decimal) => {
                let size = decimal.magnitude.to_f64();
                let is_negative = decimal.is_negative && size != 0.0;
                (
                    if is_negative { -size } else { size },
                    decimal.scale.saturating_neg(),
                )
            }
        };
        if exponent == 0 {
            base
        } else {
            base * strconv::pow10(exponent)
        }
    }

    /// Adds as Go's `Add`: a zero takes the other's format.
    #[must_use]
    pub fn add(&self, other: &Self) -> Self {
        let format = if self.is_zero() {
            other.format
        } else {
            self.format
        };
        if let (
            Amount::Small {
                value: left,
                exponent: left_exponent,
            },
            Amount::Small {
                value: right,
                exponent: right_exponent,
            },
        ) = (&self.amount, &other.amount)
            && let Some(amount) = add_small(*left, *left_exponent, *right, *right_exponent)
        {
            return Self {
                amount,
                format,
                verbatim: None,
            };
        }
        Self::from_decimal(
            self.amount.to_decimal().add(&other.amount.to_decimal()),
            format,
        )
    }

    /// Subtracts as Go's `Sub`: a zero takes the other's format.
    #[must_use]
    pub fn sub(&self, other: &Self) -> Self {
        let format = if self.is_zero() {
            other.format
        } else {
            self.format
        };
        if let (
            Amount::Small {
                value: left,
                exponent: left_exponent,
            },
            Amount::Small {
                value: right,
                exponent: right_exponent,
            },
        ) = (&self.amount, &other.amount)
            && let Some(negated) = right.checked_neg()
            && let Some(amount) = add_small(*left, *left_exponent, negated, *right_exponent)
        {
            return Self {
                amount,
                format,
                verbatim: None,
            };
        }
        let negated = other.amount.to_decimal().negated();
        Self::from_decimal(self.amount.to_decimal().add(&negated), format)
    }
}

/// Equality and order are by amount; format and spelling do not count.
impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        match (&self.amount, &other.amount) {
            (
                Amount::Small {
                    value: left,
                    exponent: left_exponent,
                },
                Amount::Small {
                    value: right,
                    exponent: right_exponent,
                },
            ) if left_exponent == right_exponent => left.cmp(right),
            (left, right) => left.to_decimal().cmp(&right.to_decimal()),
        }
    }
}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Quantity {}

/// Prints as apimachinery's `String()`.
impl fmt::Display for Quantity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(text) = &self.verbatim {
            return out.write_str(text);
        }
        if self.is_zero() {
            return out.write_str("0");
        }
        let decimal = self.amount.to_decimal();
        if decimal.is_negative {
            out.write_str("-")?;
        }
        if self.format == Format::BinarySi
            && decimal.magnitude_reaches(1024)
            && let (whole, true) = decimal.rounded_up(0)
        {
            let (mantissa, times) = whole.magnitude.without_factors(1024);
            return write!(out, "{mantissa}{}", binary_suffix(times));
        }
        let (mantissa, times) = decimal.magnitude.without_factors(10);
        let exponent = times.saturating_sub(decimal.scale);
        let aligned = exponent.div_euclid(3).saturating_mul(3);
        let mantissa = match exponent.saturating_sub(aligned) {
            1 => mantissa.mul_small(10),
            2 => mantissa.mul_small(100),
            _ => mantissa,
        };
        write!(out, "{mantissa}")?;
        match (self.format, aligned) {
            (Format::DecimalExponent, 0) => Ok(()),
            (Format::DecimalExponent, _) => write!(out, "e{aligned}"),
            _ => out.write_str(decimal_suffix(aligned)),
        }
    }
}

impl Decimal {
    /// Whether the absolute value is at least `bound`.
    fn magnitude_reaches(&self, bound: i64) -> bool {
        let absolute = Self {
            is_negative: false,
            ..self.clone()
        };
        absolute.cmp(&Self::from_i64(bound, 0)) != Ordering::Less
    }
}

/// The suffix of `1024^times`; empty beyond exbibytes, where apimachinery has none and prints none.
fn binary_suffix(times: i32) -> &'static str {
    match times {
        1 => "Ki",
        2 => "Mi",
        3 => "Gi",
        4 => "Ti",
        5 => "Pi",
        6 => "Ei",
        _ => "",
    }
}

/// The suffix of `10^exponent`; empty where apimachinery has none and prints none.
fn decimal_suffix(exponent: i32) -> &'static str {
    match exponent {
        -9 => "n",
        -6 => "u",
        -3 => "m",
        3 => "k",
        6 => "M",
        9 => "G",
        12 => "T",
        15 => "P",
        18 => "E",
        _ => "",
    }
}

/// `value * 10^steps` if it fits.
fn scale_up(value: i64, steps: u32) -> Option<i64> {
    if value == 0 {
        return Some(0);
    }
    10i64
        .checked_pow(steps)
        .and_then(|power| value.checked_mul(power))
}

/// What Go's `Value()` is left with where the amount does not fit: the low bits for the powers of ten that
/// apimachinery multiplies in one step, zero for the others.
fn overflowed(value: i64, steps: u32) -> i64 {
    match steps {
        1 | 2 | 3 | 6 | 9 if value != i64::MIN => value.wrapping_mul(10i64.pow(steps)),
        _ => 0,
    }
}

/// `value / 10^steps`, rounded away from zero.
fn scale_down(value: i64, steps: u32) -> i64 {
    let Some(power) = 10i64.checked_pow(steps) else {
        return value.signum();
    };
    let whole = value / power;
    if value % power == 0 {
        whole
    } else {
        whole + value.signum()
    }
}

fn add_small(left: i64, left_exponent: i32, right: i64, right_exponent: i32) -> Option<Amount> {
    if right == 0 {
        return Some(Amount::Small {
            value: left,
            exponent: left_exponent,
        });
    }
    if left == 0 {
        return Some(Amount::Small {
            value: right,
            exponent: right_exponent,
        });
    }
    let exponent = left_exponent.min(right_exponent);
    let left = scale_up(left, left_exponent.abs_diff(exponent))?;
    let right = scale_up(right, right_exponent.abs_diff(exponent))?;
    Some(Amount::Small {
        value: left.checked_add(right)?,
        exponent,
    })
}

/// `scaledValue` of apimachinery's `scale_int.go`: rounds up for positive amounts; for negative ones the
/// rounding depends on the size, and overflow wraps. All of it shows in `Value()`.
fn scaled_big(decimal: &Decimal, target: i32) -> i64 {
    let difference = decimal.scale.saturating_sub(target);
    let bits = decimal.unscaled_bits();
    match difference {
        0 => bits,
        ..0 => bits.wrapping_mul(strconv::f64_to_i64(strconv::pow10(
            difference.saturating_neg(),
        ))),
        _ => {
            let max = Decimal::from_i64(i64::MAX, 0);
            let unscaled = Decimal {
                scale: 0,
                ..decimal.clone()
            };
            if difference < 19
                && unscaled.cmp(&max) == Ordering::Less
                && let Some(power) = 10i64.checked_pow(difference.unsigned_abs())
            {
                let has_rest = bits % power != 0;
                return (bits / power).wrapping_add(i64::from(has_rest));
            }
            let (floor, has_rest) = decimal.floor_bits(target);
            floor.wrapping_add(i64::from(has_rest))
        }
    }
}

/// A natural number read from digits, for the parser.
fn natural(digits: &str) -> Result<Natural, QuantityError> {
    Natural::from_digits(digits).ok_or(QuantityError::Numeric)
}
