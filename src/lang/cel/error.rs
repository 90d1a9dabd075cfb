//! Why an evaluation has no value.
//!
//! An ordinary error may be absorbed by `&&`, `||`, `all` and `exists`; the others end the evaluation,
//! whatever stands around.

use std::borrow::Cow;
use std::rc::Rc;

/// Why an evaluation has no value. Messages are cel-go's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EvalError {
    /// An error of the expression, with the text that the API server shows.
    Failed(Rc<str>),
    /// The same, with a fixed text.
    Fixed(&'static str),
    /// A fact is needed that has not been fetched; never absorbed.
    Pending,
    /// A bound was hit; never absorbed.
    Cancelled(&'static str),
}

impl EvalError {
    /// An error with a computed text.
    pub fn failed(text: impl Into<Rc<str>>) -> Self {
        Self::Failed(text.into())
    }

    /// Whether operators may absorb it.
    pub fn is_absorbable(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::Fixed(_))
    }

    /// The text.
    pub fn message(&self) -> Cow<'_, str> {
        match self {
            Self::Failed(text) => Cow::Borrowed(text),
            Self::Fixed(text) | Self::Cancelled(text) => Cow::Borrowed(text),
            Self::Pending => Cow::Borrowed("a fact is not fetched yet"),
        }
    }
}

impl std::fmt::Display for EvalError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message())
    }
}

impl std::error::Error for EvalError {}

pub(crate) const NO_SUCH_OVERLOAD: EvalError = EvalError::Fixed("no such overload");
pub(crate) const COST_LIMIT_EXCEEDED: EvalError =
    EvalError::Cancelled("operation cancelled: actual cost limit exceeded");
