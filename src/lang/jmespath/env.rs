//! What an evaluation is given beside its expression: variables, time, randomness, defaults and a budget of steps.
//!
//! Nothing here reads a clock or the network: all of it is handed in, and what was used is recorded.

use std::cell::Cell;
use std::net::IpAddr;
use std::sync::Arc;

use crate::document::Value;
use crate::gostd::image::ImageSettings;
use crate::limits;

/// Why an expression has no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvaluateError {
    /// A map has no such key. Many operators take this for null.
    #[error("Unknown key \"{key}\" in path")]
    NotFound {
        /// The key that was looked for.
        key: Arc<str>,
    },
    /// A function or operator refused its operands. A filter, `[]` or `*` on its right takes this for null.
    #[error("{message}")]
    Other {
        /// The message that Kyverno gives.
        message: Box<str>,
    },
    /// A variable could not be computed. No operator hides this.
    #[error("{message}")]
    Scope {
        /// The message of whoever computes the variable.
        message: Box<str>,
    },
    /// A variable needs something that is not here yet; the scope knows what. No operator hides this.
    #[error("a value that the expression needs has not been fetched yet")]
    Pending,
    /// The evaluation takes too many steps. No operator hides this.
    #[error("the expression takes more than the allowed number of steps")]
    LimitExceeded,
}

impl EvaluateError {
    /// An error that a function gives.
    pub fn other(message: impl Into<Box<str>>) -> Self {
        Self::Other { message: message.into() }
    }

    /// An error of a variable.
    pub fn scope(message: impl Into<Box<str>>) -> Self {
        Self::Scope { message: message.into() }
    }
}

/// The variables that an expression is evaluated against.
pub trait Scope<'d> {
    /// The value of a variable; `None` if there is none of that name. [`EvaluateError::Pending`] and [`EvaluateError::Scope`] end the
    /// evaluation wherever they come up.
    fn get(&self, name: &str) -> Result<Option<Value<'d>>, EvaluateError>;

    /// All variables as one map, for `@`.
    fn whole(&self) -> Result<Value<'d>, EvaluateError>;
}

/// Resolves the names of hosts for `is_external_url`.
pub trait Hosts {
    /// The addresses of a host, or why there are none.
    fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, EvaluateError>;
}

/// Everything that evaluations of one rule share.
pub struct Env<'e> {
    now_unix_nanos: i64,
    random: Cell<u64>,
    steps_left: Cell<u64>,
    is_volatile: Cell<bool>,
    hosts: Option<&'e dyn Hosts>,
    images: ImageSettings<'e>,
}

impl<'e> Env<'e> {
    /// An environment at a time (nanoseconds since 1970, UTC), with a seed for `random`, [`limits::JMESPATH_STEPS_MAX`] steps and
    /// Kyverno's defaults for images.
    pub fn new(now_unix_nanos: i64, seed: u64) -> Self {
        Self {
            now_unix_nanos,
            random: Cell::new(seed),
            steps_left: Cell::new(limits::JMESPATH_STEPS_MAX),
            is_volatile: Cell::new(false),
            hosts: None,
            images: ImageSettings::default(),
        }
    }

    /// Sets how many steps all evaluations together may take.
    #[must_use]
    pub fn with_steps(self, steps: u64) -> Self {
        self.steps_left.set(steps);
        self
    }

    /// Sets who resolves the names of hosts; without, `is_external_url` only knows addresses.
    #[must_use]
    pub fn with_hosts(self, hosts: &'e dyn Hosts) -> Self {
        Self { hosts: Some(hosts), ..self }
    }

    /// Sets Kyverno's `defaultRegistry` and `enableDefaultRegistryMutation`, for `image_normalize`.
    #[must_use]
    pub fn with_images(self, images: ImageSettings<'e>) -> Self {
        Self { images, ..self }
    }

    /// Whether an evaluation so far has looked at time, randomness or the network.
    pub fn was_volatile(&self) -> bool {
        self.is_volatile.get()
    }

    /// How many steps are left.
    pub fn steps_left(&self) -> u64 {
        self.steps_left.get()
    }

    /// Starts afresh for the next rule: the full budget, nothing recorded.
    pub fn reset(&self) {
        self.steps_left.set(limits::JMESPATH_STEPS_MAX);
        self.is_volatile.set(false);
    }

    /// Counts one step.
    pub(super) fn step(&self) -> Result<(), EvaluateError> {
        self.charge(1)
    }

    /// Counts several steps.
    pub(super) fn charge(&self, steps: usize) -> Result<(), EvaluateError> {
        let left = self.steps_left.get().checked_sub(steps as u64);
        self.steps_left.set(left.unwrap_or(0));
        left.map(drop).ok_or(EvaluateError::LimitExceeded)
    }

    /// Counts the steps of making a text of this length, in bytes.
    pub(super) fn charge_text(&self, bytes: usize) -> Result<(), EvaluateError> {
        self.charge(bytes / limits::JMESPATH_TEXT_BYTES_PER_STEP)
    }

    /// The time, in nanoseconds since 1970.
    pub(super) fn now_unix_nanos(&self) -> i64 {
        self.is_volatile.set(true);
        self.now_unix_nanos
    }

    /// A random number: splitmix64 over the seed.
    pub(super) fn random(&self) -> u64 {
        self.is_volatile.set(true);
        let state = self.random.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.random.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// The addresses of a host.
    pub(super) fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, EvaluateError> {
        self.is_volatile.set(true);
        match self.hosts {
            Some(hosts) => hosts.addresses(host),
            None => Err(EvaluateError::other(format!("lookup {host}: no such host"))),
        }
    }

    /// How image references are read.
    pub(super) fn images(&self) -> &ImageSettings<'e> {
        &self.images
    }
}

impl std::fmt::Debug for Env<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Env")
            .field("now_unix_nanos", &self.now_unix_nanos)
            .field("steps_left", &self.steps_left)
            .field("is_volatile", &self.is_volatile)
            .finish_non_exhaustive()
    }
}
