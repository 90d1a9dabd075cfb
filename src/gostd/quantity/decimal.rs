//! Exact decimal numbers of any size, as much of Go's `inf.Dec` as quantities need.
//!
//! A [`Decimal`] is `±magnitude * 10^-scale`. Callers bound the sizes of what they read; nothing here does.

use std::cmp::Ordering;
use std::fmt;

const LIMB_DIGITS: usize = 9;
const LIMB: u64 = 1_000_000_000;

/// A natural number: little-endian limbs of nine decimal digits, no zero limb on top.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Natural {
    limbs: Vec<u32>,
}

/// Splits a value into the limb and the carry; the value must be below `LIMB * 2^32`.
fn split(value: u64) -> (u32, u64) {
    (u32::try_from(value % LIMB).unwrap_or(0), value / LIMB)
}

impl Natural {
    fn trimmed(mut limbs: Vec<u32>) -> Self {
        while limbs.last() == Some(&0) {
            limbs.pop();
        }
        Self { limbs }
    }

    pub(super) fn from_u64(value: u64) -> Self {
        let (low, rest) = split(value);
        let (middle, rest) = split(rest);
        Self::trimmed(vec![low, middle, split(rest).0])
    }

    /// Reads a run of ASCII digits; `None` for anything else.
    pub(super) fn from_digits(digits: &str) -> Option<Self> {
        let limbs = digits
            .as_bytes()
            .rchunks(LIMB_DIGITS)
            .map(|chunk| {
                chunk.iter().try_fold(0u32, |limb, byte| {
                    byte.is_ascii_digit().then(|| limb * 10 + u32::from(byte - b'0'))
                })
            })
            .collect::<Option<Vec<u32>>>()?;
        Some(Self::trimmed(limbs))
    }

    pub(super) fn is_zero(&self) -> bool {
        self.limbs.is_empty()
    }

    fn n_digits(&self) -> usize {
        match self.limbs.split_last() {
            None => 0,
            Some((top, rest)) => rest.len() * LIMB_DIGITS + top.checked_ilog10().unwrap_or(0) as usize + 1,
        }
    }

    fn add(&self, other: &Self) -> Self {
        let (long, short) = if self.limbs.len() >= other.limbs.len() { (self, other) } else { (other, self) };
        let mut carry = 0;
        let mut limbs = Vec::with_capacity(long.limbs.len() + 1);
        for (limb, addend) in long.limbs.iter().zip(short.limbs.iter().chain(std::iter::repeat(&0))) {
            let (low, high) = split(u64::from(*limb) + u64::from(*addend) + carry);
            limbs.push(low);
            carry = high;
        }
        limbs.push(split(carry).0);
        Self::trimmed(limbs)
    }

    /// `self - other`, which must not be negative.
    fn sub(&self, other: &Self) -> Self {
        let mut borrow = 0;
        let mut limbs = Vec::with_capacity(self.limbs.len());
        for (limb, taken) in self.limbs.iter().zip(other.limbs.iter().chain(std::iter::repeat(&0))) {
            let (low, high) = split(u64::from(*limb) + LIMB - u64::from(*taken) - borrow);
            limbs.push(low);
            borrow = 1 - high;
        }
        debug_assert_eq!(borrow, 0, "the subtrahend is not larger");
        Self::trimmed(limbs)
    }

    pub(super) fn mul_small(&self, factor: u32) -> Self {
        let mut carry = 0;
        let mut limbs = Vec::with_capacity(self.limbs.len() + 2);
        for limb in &self.limbs {
            let (low, high) = split(u64::from(*limb) * u64::from(factor) + carry);
            limbs.push(low);
            carry = high;
        }
        let (low, high) = split(carry);
        limbs.push(low);
        limbs.push(split(high).0);
        Self::trimmed(limbs)
    }

    fn mul(&self, other: &Self) -> Self {
        let mut sum = Self::default();
        for limb in other.limbs.iter().rev() {
            sum = sum.shift_limbs(1).add(&self.mul_small(*limb));
        }
        sum
    }

    /// The quotient and remainder by a divisor that is not zero.
    pub(super) fn div_small(&self, divisor: u32) -> (Self, u32) {
        let divisor = u64::from(divisor.max(1));
        let mut rest = 0;
        let mut limbs: Vec<u32> = Vec::with_capacity(self.limbs.len());
        for limb in self.limbs.iter().rev() {
            let value = rest * LIMB + u64::from(*limb);
            limbs.push(u32::try_from(value / divisor).unwrap_or(0));
            rest = value % divisor;
        }
        limbs.reverse();
        (Self::trimmed(limbs), u32::try_from(rest).unwrap_or(0))
    }

    fn shift_limbs(&self, n: usize) -> Self {
        if self.is_zero() {
            return Self::default();
        }
        let mut limbs = vec![0; n];
        limbs.extend_from_slice(&self.limbs);
        Self { limbs }
    }

    fn mul_pow10(&self, exponent: usize) -> Self {
        self.shift_limbs(exponent / LIMB_DIGITS).mul_small(small_pow10(exponent % LIMB_DIGITS))
    }

    /// The quotient by `10^exponent` and whether nothing was lost.
    fn div_pow10(&self, exponent: usize) -> (Self, bool) {
        let dropped = exponent / LIMB_DIGITS;
        let is_exact = self.limbs.iter().take(dropped).all(|limb| *limb == 0);
        let kept = Self::trimmed(self.limbs.iter().skip(dropped).copied().collect());
        let (quotient, rest) = kept.div_small(small_pow10(exponent % LIMB_DIGITS));
        (quotient, is_exact && rest == 0)
    }

    /// The quotient, rounded down, by a divisor that is not zero: long division, one limb a step.
    fn div(&self, divisor: &Self) -> Self {
        let mut rest = Self::default();
        let mut limbs = Vec::with_capacity(self.limbs.len());
        for limb in self.limbs.iter().rev() {
            rest = rest.shift_limbs(1).add(&Self::from_u64(u64::from(*limb)));
            let (mut low, mut high) = (0, u32::try_from(LIMB).unwrap_or(u32::MAX));
            while high - low > 1 {
                let middle = low.midpoint(high);
                if divisor.mul_small(middle).cmp(&rest) == Ordering::Greater {
                    high = middle;
                } else {
                    low = middle;
                }
            }
            rest = rest.sub(&divisor.mul_small(low));
            limbs.push(low);
        }
        limbs.reverse();
        Self::trimmed(limbs)
    }

    /// Takes out all factors of `base`; returns how many there were.
    pub(super) fn without_factors(mut self, base: u32) -> (Self, i32) {
        let mut times = 0;
        while !self.is_zero() {
            let (quotient, rest) = self.div_small(base);
            if rest != 0 {
                break;
            }
            self = quotient;
            times += 1;
        }
        (self, times)
    }

    /// The low 64 bits.
    fn low_bits(&self) -> u64 {
        self.limbs
            .iter()
            .rev()
            .fold(0u64, |bits, limb| bits.wrapping_mul(LIMB).wrapping_add(u64::from(*limb)))
    }

    pub(super) fn to_f64(&self) -> f64 {
        self.to_string().parse().unwrap_or(f64::INFINITY)
    }
}

fn small_pow10(exponent: usize) -> u32 {
    10u32.pow(u32::try_from(exponent % LIMB_DIGITS).unwrap_or(0))
}

impl PartialOrd for Natural {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Natural {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_length = self.limbs.len().cmp(&other.limbs.len());
        by_length.then_with(|| self.limbs.iter().rev().cmp(other.limbs.iter().rev()))
    }
}

impl fmt::Display for Natural {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((top, rest)) = self.limbs.split_last() else {
            return out.write_str("0");
        };
        write!(out, "{top}")?;
        rest.iter().rev().try_for_each(|limb| write!(out, "{limb:09}"))
    }
}

/// `±magnitude * 10^-scale`.
#[derive(Debug, Clone)]
pub(super) struct Decimal {
    pub(super) is_negative: bool,
    pub(super) magnitude: Natural,
    pub(super) scale: i32,
}

impl Decimal {
    pub(super) fn from_i64(value: i64, scale: i32) -> Self {
        Self { is_negative: value < 0, magnitude: Natural::from_u64(value.unsigned_abs()), scale }
    }

    pub(super) fn signum(&self) -> i32 {
        match (self.magnitude.is_zero(), self.is_negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        }
    }

    /// The magnitude at a scale that is not smaller than the present one.
    fn magnitude_at(&self, scale: i32) -> Natural {
        self.magnitude.mul_pow10(usize::try_from(scale.saturating_sub(self.scale)).unwrap_or(0))
    }

    pub(super) fn add(&self, other: &Self) -> Self {
        let scale = self.scale.max(other.scale);
        let (left, right) = (self.magnitude_at(scale), other.magnitude_at(scale));
        if self.is_negative == other.is_negative {
            return Self { is_negative: self.is_negative, magnitude: left.add(&right), scale };
        }
        if left >= right {
            Self { is_negative: self.is_negative, magnitude: left.sub(&right), scale }
        } else {
            Self { is_negative: other.is_negative, magnitude: right.sub(&left), scale }
        }
    }

    pub(super) fn negated(&self) -> Self {
        Self { is_negative: !self.is_negative, ..self.clone() }
    }

    pub(super) fn mul(&self, other: &Self) -> Self {
        Self {
            is_negative: self.is_negative != other.is_negative,
            magnitude: self.magnitude.mul(&other.magnitude),
            scale: self.scale.saturating_add(other.scale),
        }
    }

    /// The quotient cut toward zero at the larger of both scales; `None` by zero.
    pub(super) fn div_down(&self, other: &Self) -> Option<Self> {
        if other.magnitude.is_zero() {
            return None;
        }
        let scale = self.scale.max(other.scale);
        // self / other = (m1 / m2) * 10^(s2 - s1), wanted as q * 10^-scale.
        let shift = scale.saturating_add(other.scale).saturating_sub(self.scale);
        let power = usize::try_from(shift.unsigned_abs()).unwrap_or(0);
        let magnitude = if shift >= 0 {
            self.magnitude.mul_pow10(power).div(&other.magnitude)
        } else {
            self.magnitude.div(&other.magnitude.mul_pow10(power))
        };
        Some(Self { is_negative: self.is_negative != other.is_negative, magnitude, scale })
    }

    /// The value at `scale`, rounded away from zero, and whether it is still the same.
    pub(super) fn rounded_up(&self, scale: i32) -> (Self, bool) {
        if scale >= self.scale {
            return (Self { magnitude: self.magnitude_at(scale), scale, ..*self }, true);
        }
        let (cut, is_exact) =
            self.magnitude.div_pow10(usize::try_from(self.scale.saturating_sub(scale)).unwrap_or(0));
        let magnitude = if is_exact { cut } else { cut.add(&Natural::from_u64(1)) };
        (Self { magnitude, scale, ..*self }, is_exact)
    }

    /// The value at `scale`, rounded toward negative infinity, its low 64 bits as an `i64`, and whether a
    /// remainder was dropped.
    pub(super) fn floor_bits(&self, scale: i32) -> (i64, bool) {
        let (cut, is_exact) =
            self.magnitude.div_pow10(usize::try_from(self.scale.saturating_sub(scale)).unwrap_or(0));
        let magnitude = if self.is_negative && !is_exact { cut.add(&Natural::from_u64(1)) } else { cut };
        (signed_bits(&magnitude, self.is_negative), !is_exact)
    }

    /// The low 64 bits of the unscaled value, as Go's `big.Int.Int64` gives them.
    pub(super) fn unscaled_bits(&self) -> i64 {
        signed_bits(&self.magnitude, self.is_negative)
    }

    pub(super) fn cmp(&self, other: &Self) -> Ordering {
        let by_sign = self.signum().cmp(&other.signum());
        if by_sign != Ordering::Equal || self.magnitude.is_zero() {
            return by_sign;
        }
        // The place of the first digit decides most pairs without aligning them.
        let place = |decimal: &Self| {
            i64::try_from(decimal.magnitude.n_digits()).unwrap_or(i64::MAX) - i64::from(decimal.scale)
        };
        let by_size = place(self).cmp(&place(other)).then_with(|| {
            let scale = self.scale.max(other.scale);
            self.magnitude_at(scale).cmp(&other.magnitude_at(scale))
        });
        if self.is_negative { by_size.reverse() } else { by_size }
    }
}

fn signed_bits(magnitude: &Natural, is_negative: bool) -> i64 {
    let bits = magnitude.low_bits().cast_signed();
    if is_negative { bits.wrapping_neg() } else { bits }
}
