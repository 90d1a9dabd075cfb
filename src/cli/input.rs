//! What commands have in common before a scan begins: the state, the manifests, the policies.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use jiff::Timestamp;

use super::say;
use crate::folder::{self, Folder, FolderSource};
use crate::model::{Fingerprint, ResourceId};
use crate::policy::{Catalog, CatalogProblem};
use crate::store::{Health, SledStore, State, Store};

/// The one place where the clock of a command is read.
pub(super) fn now() -> Timestamp {
    Timestamp::now()
}

/// Opens the state folder; `None` for a scan without one. Says what happened to a state that was not as it should be.
pub(super) fn open_store(path: &Path) -> anyhow::Result<Arc<dyn Store>> {
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        std::fs::create_dir_all(parent).with_context(|| format!("cannot make `{}`", parent.display()))?;
    }
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
    open_store(path)
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
    const NOTE: &str = "custom-kinds";
    let mut known = std::collections::HashMap::<String, ResourceId>::new();
    if let Some(state) = state.filter(|_| trusts_digests) {
        let _ = state.each_record(None, &mut |record| {
            known.insert(record.version, record.id);
            std::ops::ControlFlow::Continue(())
        });
    }
    let look_up = |digest: &Fingerprint| known.get(&digest.to_string()).cloned();
    let source = FolderSource::open(label.clone(), folder, extra, &look_up);
    let custom = source.custom_kinds().0.to_vec();
    let Some(state) = state else { return source };
    let remembered = state.note(NOTE).ok().flatten();
    if remembered.as_deref() == Some(&custom[..]) || known.is_empty() {
        let _ = state.set_note(NOTE, custom);
        return source;
    }
    // Custom kinds moved: who a document is may have moved with them.
    let source = FolderSource::open(label, folder, extra, &|_| None);
    let _ = state.set_note(NOTE, source.custom_kinds().0.to_vec());
    source
}

/// Reads what stands under the paths.
pub(super) fn read(paths: &[std::path::PathBuf]) -> Folder {
    folder::read(paths)
}

/// Says what the catalog left out, and what is odd about policies.
pub(super) fn tell_catalog(catalog: &Catalog) {
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
    for policy in &catalog.policies {
        for warning in &policy.warnings {
            say(format_args!("{}: {}: {}: {}", policy.origin, policy.key, warning.path, warning.message));
        }
    }
}
