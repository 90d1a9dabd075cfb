//! Where something was read, for messages.

use std::fmt;
use std::sync::Arc;

/// Where something was read: a file and a line in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// The path as it was given or found below what was given; `-` is standard input.
    pub file: Arc<str>,
    /// The line, from 1; 0 for the file as a whole.
    pub line: u32,
}

impl Origin {
    /// A file as a whole.
    pub fn of_file(file: impl Into<Arc<str>>) -> Self {
        Self { file: file.into(), line: 0 }
    }

    /// The same file at another line.
    #[must_use]
    pub fn at(&self, line: u32) -> Self {
        Self { file: Arc::clone(&self.file), line }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 { f.write_str(&self.file) } else { write!(f, "{}:{}", self.file, self.line) }
    }
}
