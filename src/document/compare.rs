//! Equality of values, as JSON means it: the order of keys does not count, `1` and `1.0` are the same number.

use super::Node;
use super::tape::Kind;

impl Node<'_> {
    /// Whether two values are equal as JSON.
    pub fn equals(self, other: Node<'_>) -> bool {
        match (self.kind(), other.kind()) {
            (Kind::Int | Kind::Float, Kind::Int | Kind::Float) => match (self.as_i64(), other.as_i64()) {
                (Some(a), Some(b)) => a == b,
                _ => self.as_f64() == other.as_f64(),
            },
            (Kind::Array, Kind::Array) => {
                self.len() == other.len() && self.items().zip(other.items()).all(|(a, b)| a.equals(b))
            }
            (Kind::Object, Kind::Object) => {
                self.len() == other.len()
                    && self.entries().all(|(key, value)| other.get(key).is_some_and(|o| value.equals(o)))
            }
            (a, b) => a == b && self.as_bool() == other.as_bool() && self.as_str() == other.as_str(),
        }
    }
}
