//! The data that tests share with other projects and that is not part of the repository.

use std::io::Write as _;
use std::path::{Path, PathBuf};

/// A folder of the shared data; `None`, said loudly, where it is absent. In CI its absence is a failure.
pub(crate) fn folder(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("PATROL_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let path = root.join(name);
    if path.is_dir() {
        return Some(path);
    }
    assert!(
        std::env::var_os("CI").is_none_or(|ci| ci != "true"),
        "shared data is missing: {}; set PATROL_SHARED",
        path.display()
    );
    say_aloud(&format!("NOT RUN: no shared data at {}; set PATROL_SHARED", path.display()));
    None
}

/// Says something that the test program does not swallow, as it does what passing tests print.
pub(crate) fn say_aloud(text: &str) {
    // Nobody can be told that nobody can be told.
    let _ = writeln!(std::io::stderr(), "{text}");
}
