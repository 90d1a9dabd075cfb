//! Finds and reads the files under the given paths. Does not look at what is in them.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Folder, Problem, split};
use crate::inventory::Origin;
use crate::limits;

/// The path that means standard input.
pub const STDIN: &str = "-";

/// Reads and splits all manifests under the given paths.
///
/// A named file is always read. In a folder, files ending in `.yaml`, `.yml` and `.json` are read, folders
/// below it too, sorted by name; names that start with a dot are left out. A file that is reachable in
/// several ways is read once.
pub fn read<P: AsRef<Path>>(paths: &[P]) -> Folder {
    let mut walk = Walk::default();
    for path in paths {
        walk.named(path.as_ref());
    }
    walk.folder
}

/// Reads and splits one file, for input that is named by other input; problems are appended to `problems`.
pub fn read_file(path: &Path, problems: &mut Vec<Problem>) -> Vec<super::Manifest> {
    let folder = read(&[path]);
    problems.extend(folder.problems);
    folder.manifests
}

#[derive(Default)]
struct Walk {
    folder: Folder,
    seen: BTreeSet<PathBuf>,
}

impl Walk {
    fn named(&mut self, path: &Path) {
        if path == Path::new(STDIN) {
            let mut bytes = Vec::new();
            match io::stdin().lock().take(limits::MANIFEST_FILE_BYTES_MAX).read_to_end(&mut bytes) {
                Ok(_) => self.split(path, bytes),
                Err(error) => self.problem(path, &format_args!("cannot be read: {error}")),
            }
        } else if path.is_dir() {
            self.directory(path, 0);
        } else {
            self.file(path);
        }
    }

    fn directory(&mut self, path: &Path, depth: usize) {
        if depth > limits::FOLDER_DEPTH_MAX {
            let max = limits::FOLDER_DEPTH_MAX;
            return self.problem(path, &format_args!("folders are nested deeper than {max} levels"));
        }
        if !self.is_new(path) {
            return;
        }
        let entries =
            std::fs::read_dir(path).and_then(Iterator::collect::<io::Result<Vec<std::fs::DirEntry>>>);
        let mut names = match entries {
            Ok(entries) => entries.iter().map(std::fs::DirEntry::file_name).collect::<Vec<_>>(),
            Err(error) => return self.problem(path, &format_args!("cannot be read: {error}")),
        };
        names.sort_unstable();
        for name in names {
            if name.to_string_lossy().starts_with('.') {
                continue;
            }
            let below = path.join(&name);
            if below.is_dir() {
                self.directory(&below, depth + 1);
            } else if is_manifest_name(&below) {
                self.file(&below);
            }
        }
    }

    fn file(&mut self, path: &Path) {
        if !self.is_new(path) {
            return;
        }
        match std::fs::metadata(path) {
            Ok(about) if about.len() > limits::MANIFEST_FILE_BYTES_MAX => {
                let max = limits::MANIFEST_FILE_BYTES_MAX;
                self.problem(path, &format_args!("is larger than {max} bytes"));
            }
            _ => match std::fs::read(path) {
                Ok(bytes) => self.split(path, bytes),
                Err(error) => self.problem(path, &format_args!("cannot be read: {error}")),
            },
        }
    }

    /// Whether the file or folder was not visited yet, by whatever name. What cannot be resolved is new, and
    /// fails where it is read.
    fn is_new(&mut self, path: &Path) -> bool {
        path.canonicalize().map_or(true, |real| self.seen.insert(real))
    }

    fn split(&mut self, path: &Path, bytes: Vec<u8>) {
        split(&Origin::of_file(path.to_string_lossy()), &Arc::from(bytes), &mut self.folder);
    }

    fn problem(&mut self, path: &Path, message: &dyn std::fmt::Display) {
        let origin = Origin::of_file(path.to_string_lossy());
        self.folder.problems.push(Problem { origin, message: message.to_string() });
    }
}

fn is_manifest_name(path: &Path) -> bool {
    path.extension()
        .and_then(|extension| extension.to_str())
        .is_some_and(|e| ["yaml", "yml", "json"].iter().any(|known| e.eq_ignore_ascii_case(known)))
}
