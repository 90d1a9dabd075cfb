//! What a panic prints: nothing where somebody turns it into a message, one line everywhere else.

use std::io::{self, Write};
use std::panic::{self, PanicHookInfo};
use std::thread;

use crate::lang::is_contained;
use crate::store::WORKER_THREAD_NAME;

/// Installs the hook. With `RUST_BACKTRACE` set, panics that nobody contains print what they print by default.
pub(super) fn install() {
    let default = panic::take_hook();
    let wants_backtrace = std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value != "0");
    panic::set_hook(Box::new(move |info| {
        if is_contained() || thread::current().name().is_some_and(is_guarded) {
            return;
        }
        if wants_backtrace {
            return default(info);
        }
        let _ = writeln!(io::stderr(), "patrol: {}", describe(info));
    }));
}

/// Threads of the state's database: whatever happens on them is caught, and told by the store's health.
fn is_guarded(name: &str) -> bool {
    name == WORKER_THREAD_NAME || name.starts_with("sled") || name == "log flusher"
}

fn describe(info: &PanicHookInfo<'_>) -> String {
    let payload = info.payload();
    let text = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    let place = info.location().map_or(String::new(), |at| format!(" ({}:{})", at.file(), at.line()));
    format!("internal error{place}: {text}; run with RUST_BACKTRACE=1 and report it")
}

#[cfg(test)]
mod tests {
    use super::is_guarded;

    #[test]
    fn threads_of_the_database_are_guarded_and_others_are_not() {
        for name in ["patrol-store", "sled-io-0", "sled-0", "log flusher"] {
            assert!(is_guarded(name), "{name}");
        }
        for name in ["main", "tokio-runtime-worker", "patrol-storekeeper", ""] {
            assert!(!is_guarded(name), "{name}");
        }
    }
}
