//! What commands have in common before a scan begins: the state, the manifests, the policies.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use super::say;
use crate::folder::{self, Folder, FolderSource, Places};
use crate::model::{Fingerprint, ResourceId};
use crate::policy::{Catalog, CatalogProblem};
use crate::store::{Health, SledStore, State, Store, StoreError, copy_state};

/// The one place where the clock of a command is read.
pub(super) fn now() -> Timestamp {
    Timestamp::now()
}

/// The state that a command works with, and what has to go once it is done.
#[derive(Debug)]
pub(super) struct OpenState {
    /// `None` for a scan without state.
    pub(super) store: Option<Arc<dyn Store>>,
    /// Dropped, and so deleted, after the store.
    _copy: Option<Copy>,
}

/// A copy of the state that is deleted when it is dropped.
#[derive(Debug)]
struct Copy(PathBuf);

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Opens the state for a scan. Where the disk refuses, the scan goes on without, and that is said.
pub(super) fn open_for_scan(path: &Path) -> anyhow::Result<OpenState> {
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        // Where this fails, the store says why.
        let _ = std::fs::create_dir_all(parent);
    }
    let store = match open_sled(path) {
        Ok(store) => Some(store),
        Err(error) if error.allows_scan_without_state() => {
            say(format_args!("patrol: {error}; the scan goes on without state"));
            None
        }
        Err(error) => return Err(error.into()),
    };
    Ok(OpenState { store, _copy: None })
}

/// Opens a copy of the state, for a scan that must not change it.
pub(super) fn open_for_dry_run(path: &Path) -> anyhow::Result<OpenState> {
    let at = std::env::temp_dir().join(format!("patrol-dry-run-{}", std::process::id()));
    let copy = Copy(at);
    let store = if copy_state(path, &copy.0)? { Some(open_sled(&copy.0)?) } else { None };
    Ok(OpenState { store, _copy: Some(copy) })
}

/// Opens a state folder. Says what happened to a state that was not as it should be.
fn open_sled(path: &Path) -> Result<Arc<dyn Store>, StoreError> {
    let store = SledStore::open(path)?;
    if let Some(rebuilt) = store.rebuilt() {
        let aside =
            rebuilt.moved_to.map(|path| format!(", moved to `{}`", path.display())).unwrap_or_default();
        say(format_args!("`{}`: {}{aside}; it is built anew", path.display(), rebuilt.why));
    }
    Ok(Arc::new(store))
}

/// Opens a state folder that must be there already.
pub(super) fn open_existing(path: &Path) -> anyhow::Result<Arc<dyn Store>> {
    anyhow::ensure!(path.is_dir(), "there is no state in `{}`", path.display());
    Ok(open_sled(path)?)
}

/// Says so if the state stopped storing.
pub(super) fn warn_if_degraded(store: &dyn Store) -> bool {
    match store.health() {
        Health::Ok => false,
        Health::Degraded { reason } => {
            say(format_args!("the state stores nothing any more: {reason}; the next scan evaluates again"));
            true
        }
    }
}

/// The label under which the state keeps a set of paths.
pub(super) fn label_of(paths: &[std::path::PathBuf]) -> String {
    let whole = |path: &std::path::PathBuf| std::fs::canonicalize(path).unwrap_or_else(|_| path.clone());
    let mut paths: Vec<String> = paths.iter().map(|path| whole(path).display().to_string()).collect();
    paths.sort();
    paths.dedup();
    format!("folder {}", paths.join(" "))
}

/// Reads manifests and policies; what the state knows of a document's digest saves parsing it.
pub(super) fn open_folder(
    label: String,
    folder: &Folder,
    extra: &Folder,
    state: Option<&State>,
    trusts_digests: bool,
) -> FolderSource {
    const CUSTOM_KINDS: &str = "custom-kinds";
    const PLACES: &str = "places";
    let mut known = std::collections::HashMap::<String, ResourceId>::new();
    if let Some(state) = state.filter(|_| trusts_digests) {
        let _ = state.each_record(None, &mut |record| {
            known.insert(record.version, record.id);
            std::ops::ControlFlow::Continue(())
        });
    }
    let look_up = |digest: &Fingerprint| known.get(&digest.to_string()).cloned();
    let mut source = FolderSource::open(label.clone(), folder, extra, &look_up);
    let Some(state) = state else { return source };
    let remembered = |name: &str| state.note(name).ok().flatten().unwrap_or_default();
    if remembered(CUSTOM_KINDS) != source.custom_kinds().0 {
        if !known.is_empty() {
            // Who a document is may have moved with the custom kinds.
            source = FolderSource::open(label, folder, extra, &|_| None);
        }
        let _ = state.set_note(CUSTOM_KINDS, source.custom_kinds().0.to_vec());
    }
    let before = remembered(PLACES);
    let places = source.compare_places(&Places::from_bytes(&before)).to_bytes();
    if places != before {
        let _ = state.set_note(PLACES, places);
    }
    source
}

/// Reads what stands under the paths.
pub(super) fn read(paths: &[std::path::PathBuf]) -> Folder {
    folder::read(paths)
}

/// Says what the catalog left out, and what is odd about policies and exceptions.
pub(super) fn tell_catalog(catalog: &Catalog) {
    tell_exceptions(catalog);
    for policy in &catalog.policies {
        for warning in &policy.warnings {
            say(format_args!("{}: {}: {}: {}", policy.origin, policy.key, warning.path, warning.message));
        }
    }
}

/// Says what the catalog left out, and what is odd about exceptions.
pub(super) fn tell_exceptions(catalog: &Catalog) {
    for problem in &catalog.problems {
        match problem {
            CatalogProblem::Overridden { key, ignored, used } => {
                say(format_args!("{key} of {ignored} is overridden by {used}"));
            }
            CatalogProblem::ExceptionOutOfScope { exception, origin } => {
                say(format_args!("{origin}: exception {exception} does not count in its namespace"));
            }
            CatalogProblem::ExceptionWithoutPolicy { exception, origin } => {
                say(format_args!("{origin}: exception {exception} names no policy that is here"));
            }
            CatalogProblem::OddException { exception, origin, warnings } => {
                for warning in warnings {
                    say(format_args!(
                        "{origin}: exception {exception}: `{}`: {}",
                        warning.path, warning.message
                    ));
                }
            }
            CatalogProblem::TooMany { n_left_out } => {
                say(format_args!("{n_left_out} policies too many were left out"));
            }
        }
    }
}
