//! Multiplication, division and remainder of quantities as Kyverno's `JMESPath` functions define them
//! (`pkg/engine/jmespath/arithmetic.go`). The functions' own error texts belong to the caller.

use super::{Quantity, QuantityError, strconv};

/// Why two quantities have no remainder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RemainderError {
    /// One of the amounts is not whole, or beyond 64 bits.
    #[error("non-integer argument")]
    NonInteger,
    /// The divisor is zero.
    #[error("zero divisor")]
    ZeroDivisor,
}

impl Quantity {
    /// The product with a number, exact; the number goes through its `%v` text as in Kyverno, so that one
    /// beyond what a quantity can say (`NaN`, infinities) is an error.
    pub fn mul_f64(&self, factor: f64) -> Result<Self, QuantityError> {
        let factor = Self::parse(&strconv::sprint_float(factor))?;
        let product = self.amount.to_decimal().mul(&factor.amount.to_decimal());
        Ok(Self::from_decimal(product, self.format))
    }

    /// The quotient by a number, cut toward zero at the finer scale of both; the divisor must not be zero
    /// (callers refuse it with their own text; here it is [`QuantityError::Numeric`]).
    pub fn div_f64(&self, divisor: f64) -> Result<Self, QuantityError> {
        let divisor = Self::parse(&strconv::sprint_float(divisor))?;
        let quotient = self
            .amount
            .to_decimal()
            .div_down(&divisor.amount.to_decimal());
        Ok(Self::from_decimal(
            quotient.ok_or(QuantityError::Numeric)?,
            self.format,
        ))
    }

    /// The ratio of two quantities, computed on their approximate values; `None` by zero.
    pub fn ratio(&self, divisor: &Self) -> Option<f64> {
        let divisor = divisor.as_approximate_f64();
        (divisor != 0.0).then(|| self.as_approximate_f64() / divisor)
    }

    /// The remainder of whole quantities, in this one's format.
    pub fn rem(&self, divisor: &Self) -> Result<Self, RemainderError> {
        let left = whole(self).ok_or(RemainderError::NonInteger)?;
        let right = whole(divisor).ok_or(RemainderError::NonInteger)?;
        if right == 0 {
            return Err(RemainderError::ZeroDivisor);
        }
        Ok(Self::from_i64(left.wrapping_rem(right), self.format))
    }
}

fn whole(quantity: &Quantity) -> Option<i64> {
    let value = quantity.as_approximate_f64();
    let whole = strconv::f64_to_i64(value);
    #[expect(
        clippy::float_cmp,
        reason = "the test is whether the conversion lost anything"
    )]
    let is_whole = whole as f64 == value;
    is_whole.then_some(whole)
}
