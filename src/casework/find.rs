//! Finds test files. Folders whose name starts with a dot are looked into (tests often live in
//! `.kyverno-test`), `.git` is not.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::folder::Problem;
use crate::inventory::Origin;
use crate::limits;

/// A test file.
#[derive(Clone, Debug)]
pub(super) struct TestFile {
    /// The file.
    pub(super) path: PathBuf,
    /// Its folder relative to the given path; `.` for the path itself.
    pub(super) case: String,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) files: Vec<TestFile>,
    pub(super) problems: Vec<Problem>,
    seen: BTreeSet<PathBuf>,
}

/// Finds all test files under the paths, sorted; a named file is taken whatever it is called.
pub(super) fn find(paths: &[PathBuf], file_name: &str) -> Found {
    let mut found = Found::default();
    for path in paths {
        if path.is_dir() {
            found.directory(path, path, file_name, 0);
        } else if path.is_file() {
            found.files.push(TestFile { path: path.clone(), case: ".".to_owned() });
        } else {
            found.problem(path, "there is no such file or folder");
        }
    }
    found
}

impl Found {
    fn directory(&mut self, path: &Path, root: &Path, file_name: &str, depth: usize) {
        let is_new = path.canonicalize().map_or(true, |real| self.seen.insert(real));
        if !is_new || depth > limits::FOLDER_DEPTH_MAX {
            return;
        }
        let Ok(entries) = std::fs::read_dir(path) else {
            return self.problem(path, "cannot be read");
        };
        let mut below: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        below.sort_unstable();
        for entry in below {
            if entry.is_dir() {
                if !entry.ends_with(".git") {
                    self.directory(&entry, root, file_name, depth + 1);
                }
            } else if entry.file_name().is_some_and(|name| name == file_name) {
                let relative = path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned();
                let case = if relative.is_empty() { ".".to_owned() } else { relative };
                self.files.push(TestFile { path: entry, case });
            }
        }
    }

    fn problem(&mut self, path: &Path, message: &str) {
        let origin = Origin::of_file(path.to_string_lossy());
        self.problems.push(Problem { origin, message: message.to_owned() });
    }
}
