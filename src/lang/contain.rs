//! The fence around evaluators: a panic inside becomes a message.
//!
//! Whoever installs a panic hook asks [`is_contained`] and stays silent about panics that somebody is going to turn into an outcome. Deliberately
//! installs no hook itself.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    /// How many fences are around what this thread does.
    static FENCES: Cell<u32> = const { Cell::new(0) };
}

/// Runs something that may panic; `Err` is the panic's message.
pub fn contained<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    FENCES.set(FENCES.get().saturating_add(1));
    let result = catch_unwind(AssertUnwindSafe(run));
    FENCES.set(FENCES.get().saturating_sub(1));
    result.map_err(|panic| text_of(&*panic).to_owned())
}

/// Whether this thread runs within [`contained`].
pub fn is_contained() -> bool {
    FENCES.get() > 0
}

fn text_of(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a message")
}

#[cfg(test)]
mod tests {
    use super::{contained, is_contained};

    #[test]
    fn a_panic_becomes_its_message_and_the_fence_is_taken_down() {
        assert!(!is_contained());
        assert_eq!(contained(|| (is_contained(), 7)), Ok((true, 7)));
        assert_eq!(contained(|| -> u8 { panic!("lost {}", 1) }), Err("lost 1".to_owned()));
        assert_eq!(contained(|| -> u8 { panic!("lost") }), Err("lost".to_owned()));
        let within = contained(|| {
            let inner: Result<(), String> = contained(|| panic!("inner"));
            (inner, is_contained())
        });
        assert_eq!(within, Ok((Err("inner".to_owned()), true)));
        assert!(!is_contained());
    }
}
