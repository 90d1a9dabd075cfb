//! What commands have in common before a scan begins: the state, the manifests, the policies.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use super::say;
use crate::catalog::{Catalog, CatalogProblem, CatalogSettings, CompiledPolicy};
use crate::folder::{self, Folder, FolderSource, Places};
use crate::inventory::Source;
use crate::model::{Fingerprint, PolicyKind, ResourceId};
use crate::outside::{Outside, OutsideSettings, RegistrySettings};
use crate::policy::Standing;
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
pub(super) fn label_of<'p>(paths: impl IntoIterator<Item = &'p std::path::PathBuf>) -> String {
    let whole = |path: &std::path::PathBuf| std::fs::canonicalize(path).unwrap_or_else(|_| path.clone());
    let mut paths: Vec<String> = paths.into_iter().map(|path| whole(path).display().to_string()).collect();
    paths.sort();
    paths.dedup();
    format!("folder {}", paths.join(" "))
}

/// Reads manifests and policies; what the state knows of a document's digest saves parsing it.
fn open_folder(
    label: &str,
    folder: &Folder,
    extra: &Folder,
    payloads: &Folder,
    state: Option<&State>,
    trusts_digests: bool,
) -> FolderSource {
    const CUSTOM_KINDS: &str = "custom-kinds";
    const PLACES: &str = "places";
    let mut known = std::collections::HashMap::<String, ResourceId>::new();
    if let Some(state) = state.filter(|_| trusts_digests) {
        let _ = state.each_record(&mut |record| {
            known.insert(record.version, record.id);
            std::ops::ControlFlow::Continue(())
        });
    }
    let look_up = |digest: &Fingerprint| known.get(&digest.to_string()).cloned();
    let open = |known| FolderSource::open(label.to_owned(), folder, extra, known).with_payloads(payloads);
    let mut source = open(&look_up);
    let Some(state) = state else { return source };
    let remembered = |name: &str| state.note(name).ok().flatten().unwrap_or_default();
    if remembered(CUSTOM_KINDS) != source.custom_kinds().0 {
        if !known.is_empty() {
            // Who a document is may have moved with the custom kinds.
            source = open(&|_| None);
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

/// What a scan of a folder works with.
#[derive(Debug)]
pub(super) struct FolderInputs {
    pub(super) source: Arc<FolderSource>,
    /// All policies there are.
    pub(super) catalog: Catalog,
    /// Those that are evaluated.
    pub(super) policies: Vec<Arc<CompiledPolicy>>,
    /// Kinds of policy of which not everything could be read.
    pub(super) unknown: BTreeSet<PolicyKind>,
    pub(super) n_manifests: usize,
    /// Whether some of the input could not be used.
    pub(super) has_problems: bool,
}

/// What a folder is scanned with.
#[derive(Clone, Copy, Debug)]
pub(super) struct FolderArgs<'a> {
    pub(super) paths: &'a [PathBuf],
    pub(super) policies: &'a [PathBuf],
    /// JSON payloads.
    pub(super) payloads: &'a [PathBuf],
    /// Whether policies that a background scan leaves out are left out.
    pub(super) background_only: bool,
    pub(super) trusts_digests: bool,
    /// Whether policies may ask image registries.
    pub(super) asks_registries: bool,
}

/// The settings under which image registries are asked, without credentials, and nothing else.
pub(super) fn asks_registries() -> OutsideSettings {
    let registries = RegistrySettings { is_enabled: true, ..RegistrySettings::default() };
    OutsideSettings { registries, ..OutsideSettings::default() }
}

impl FolderInputs {
    /// Reads the manifests and compiles the policies; says what is wrong with them.
    pub(super) async fn read(args: FolderArgs<'_>, state: Option<&State>) -> anyhow::Result<Self> {
        let (folder, extra) = (folder::read(args.paths), folder::read(args.policies));
        let payloads = folder::read(args.payloads);
        let label = label_of(args.paths.iter().chain(args.payloads));
        let mut source = open_folder(&label, &folder, &extra, &payloads, state, args.trusts_digests);
        if args.asks_registries {
            source = source.with_registries(Outside::new(asks_registries()));
        }
        let listing = source.policies().await?;
        for problem in &listing.problems {
            say(format_args!("{}: {}", problem.subject, problem.message));
        }
        let background_only = args.background_only;
        let settings = CatalogSettings { background_only, ..CatalogSettings::default() };
        let catalog = Catalog::build(listing.policies, &listing.companions, &settings);
        tell_catalog(&catalog);
        let policies = scanned(&catalog, args.background_only);
        tell_versions(&source, &policies);
        Ok(Self {
            source: Arc::new(source),
            catalog,
            policies,
            unknown: if are_unread(args.policies, &extra) { PolicyKind::ALL.into() } else { listing.unknown },
            n_manifests: folder.manifests.len() + payloads.manifests.len(),
            has_problems: !listing.problems.is_empty(),
        })
    }
}

/// Whether a path of policies could not be read at all, as when it is misspelt: then no policy counts as gone.
fn are_unread(paths: &[PathBuf], read: &Folder) -> bool {
    let is_named = |file: &str| paths.iter().any(|path| path.as_os_str() == file);
    read.problems.iter().any(|problem| problem.origin.line == 0 && is_named(&problem.origin.file))
}

/// The policies that a scan evaluates; the others are named with their reason.
fn scanned(catalog: &Catalog, background_only: bool) -> Vec<Arc<CompiledPolicy>> {
    let is_scanned = |policy: &&Arc<CompiledPolicy>| match &policy.standing {
        Standing::Scanned => true,
        Standing::FolderOnly { .. } if !background_only => true,
        Standing::FolderOnly { reason } | Standing::NotScanned { reason } => {
            say(format_args!("{}: {} is not scanned: {reason}", policy.origin, policy.key));
            false
        }
    };
    catalog.policies.iter().filter(is_scanned).cloned().collect()
}

/// Says which policies are about another version of a kind than the manifests are written in: nobody converts
/// manifests, so those policies say nothing about them.
fn tell_versions(source: &FolderSource, policies: &[Arc<CompiledPolicy>]) {
    for kind in source.kinds_written() {
        for policy in policies {
            let named = policy.selection.kinds.iter().find(|selector| {
                selector.kind.as_literal() == Some(&kind.kind) && selector.group.is_match(&kind.group)
            });
            if let Some(named) =
                named.filter(|_| policy.selection.forms(std::slice::from_ref(&kind)).is_empty())
            {
                say(format_args!(
                    "{}: {} is about version {} of {}, and says nothing about manifests of {kind}",
                    policy.origin,
                    policy.key,
                    named.version.as_str(),
                    kind.kind
                ));
            }
        }
    }
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
