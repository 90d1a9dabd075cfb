//! The cluster as a [`Source`].
//!
//! Discovery and namespace labels are looked up once a scan; [`ClusterSource::begin_scan`] says when the next
//! one starts. Nothing else is remembered but how large objects are, and the policies that were listed last,
//! for a scan in which they cannot be.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::OnceCell;

use super::client::ClusterClient;
use super::context_entries::ContextEntries;
use super::discovery::{Discovery, discover};
use super::facts::{LabelsOfNamespaces, ask_fact};
use super::failure::{ApiFailure, FailureClass};
use super::forms::PageForm;
use super::leadership::Leadership;
use super::list::{ListOf, Lists};
use super::page::{Meta, metadata_of};
use super::path::ResourcePath;
use super::policies::{self, Listings};
use super::sink::{ClusterSink, choose_api};
use crate::inventory::{
    Content, Discovered, ListError, Listed, Page, PolicyListing, ScanKind, Source, SourceError,
};
use crate::matching::KindSelector;
use crate::model::{FactKey, FactValue, Gvk, ResourceId, ResourceKey};
use crate::outside::Outside;
use crate::report::{ReportApi, SinkError};

/// Objects, policies and facts of a cluster.
#[derive(Debug)]
pub struct ClusterSource {
    pub(super) client: ClusterClient,
    pub(super) lists: Arc<Lists>,
    /// What policies read outside the API server; nothing unless it is configured.
    pub outside: Outside,
    scan: Mutex<Arc<OfScan>>,
    listed_last: Mutex<Listings>,
    reads_exceptions: AtomicBool,
    leadership: Leadership,
}

/// What is looked up once a scan.
#[derive(Debug, Default)]
pub(super) struct OfScan {
    discovery: OnceCell<Discovery>,
    pub(super) namespaces: OnceCell<LabelsOfNamespaces>,
    pub(super) entries: ContextEntries,
}

impl ClusterSource {
    /// The source of a cluster.
    pub fn new(client: ClusterClient) -> Self {
        let lists = Arc::new(Lists::new(client.clone()));
        Self {
            client,
            lists,
            outside: Outside::default(),
            scan: Mutex::default(),
            listed_last: Mutex::default(),
            reads_exceptions: AtomicBool::new(true),
            leadership: Leadership::unopposed(),
        }
    }

    /// The same source, whose reports are written only while this replica leads.
    #[must_use]
    pub fn led_by(self, leadership: Leadership) -> Self {
        Self { leadership, ..self }
    }

    /// Says whether exceptions of `kyverno.io` are read; where none of them counts, a list that fails must not
    /// make policies unknown.
    pub fn set_reads_exceptions(&self, reads: bool) {
        self.reads_exceptions.store(reads, Ordering::Relaxed);
    }

    /// Forgets what was looked up for the scan before. To be called before each scan, and before its policies
    /// are listed.
    pub fn begin_scan(&self) {
        *self.scan.lock().unwrap_or_else(PoisonError::into_inner) = Arc::default();
    }

    /// The sink for this cluster's reports: in the API that is asked for, or else in the one that the server
    /// serves (`wgpolicyk8s.io` if both). Reports whose `app.kubernetes.io/managed-by` is among `adopts`
    /// become Patrol's.
    pub async fn sink(
        &self,
        wanted: Option<ReportApi>,
        adopts: impl IntoIterator<Item = String>,
    ) -> Result<ClusterSink, SinkError> {
        let scan = self.of_scan();
        let discovery = self.discovery(&scan).await.map_err(|failure| SinkError {
            is_transient: failure.is_transient(),
            message: failure.message,
        })?;
        let api = choose_api(discovery, wanted)?;
        let adopts = adopts.into_iter().collect();
        Ok(ClusterSink::new(self.client.clone(), api, adopts, self.leadership.clone()))
    }

    pub(super) fn of_scan(&self) -> Arc<OfScan> {
        Arc::clone(&self.scan.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) async fn discovery<'s>(&self, scan: &'s OfScan) -> Result<&'s Discovery, ApiFailure> {
        scan.discovery.get_or_try_init(|| discover(&self.client)).await
    }

    async fn page(&self, kind: &ScanKind, cursor: Option<String>) -> Result<Page, ApiFailure> {
        let path = ResourcePath::of(&kind.gvk, &kind.plural);
        let continues = cursor.unwrap_or_default();
        let page = self.lists.page(ListOf::all(&path), &continues).await?;
        let (n_objects, runtime) = (page.items.len(), Handle::current());
        let form = |gvk: &Gvk| PageForm::new(&self.lists, gvk, &kind.plural, &continues, n_objects, &runtime);
        let forms: Vec<Arc<PageForm>> = kind.others.iter().map(form).collect();
        let mut items = Vec::with_capacity(n_objects);
        for content in page.items {
            items.extend(listed(kind, content, &forms)?);
        }
        Ok(Page { items, next: (!page.continues.is_empty()).then_some(page.continues) })
    }
}

impl ClusterSource {
    /// What a failed list proves. A kind that discovery has just named and that is not found is gone only if
    /// discovery, asked again, does not name it any more: whatever stands between Patrol and the API server
    /// can answer 404 as well.
    async fn judge(&self, kind: &ScanKind, failure: ApiFailure) -> ListError {
        match failure.class {
            FailureClass::Expired => ListError::Expired,
            FailureClass::Unauthorized | FailureClass::Forbidden => ListError::Forbidden(failure.message),
            FailureClass::NotFound | FailureClass::NotAllowed => match discover(&self.client).await {
                Ok(now)
                    if !now.unknown_groups.contains(&kind.gvk.group)
                        && now.find(&kind.gvk.group, &kind.gvk.version, &kind.gvk.kind).is_none() =>
                {
                    ListError::NotServed(failure.message)
                }
                _ => ListError::Failed(failure.message),
            },
            _ => ListError::Failed(failure.message),
        }
    }
}

/// Who an object of a list is; `None` for what has no UID, and so is not stored anywhere and cannot own a
/// report.
fn listed(
    kind: &ScanKind,
    content: bytes::Bytes,
    forms: &[Arc<PageForm>],
) -> Result<Option<Listed>, ApiFailure> {
    let meta: Meta<'_> = metadata_of(&content)?;
    if meta.uid.is_empty() || meta.resource_version.is_empty() {
        return Ok(None);
    }
    let controllers = meta.controllers();
    let key = ResourceKey {
        group: kind.gvk.group.clone(),
        kind: kind.gvk.kind.clone(),
        namespace: meta.namespace.into_owned(),
        name: meta.name.into_owned(),
    };
    let id = ResourceId { key, version: kind.gvk.version.clone(), uid: meta.uid.into_owned() };
    let version = meta.resource_version.into_owned();
    let others = forms.iter().map(|form| form.content(&id)).collect();
    Ok(Some(Listed { id, version, controllers, content: Content::Json(content), others }))
}

impl Source for ClusterSource {
    fn label(&self) -> String {
        let name = self.client.settings().name.as_deref();
        format!("cluster {}", name.unwrap_or(self.client.server()))
    }

    fn policies(&self) -> BoxFuture<'_, Result<PolicyListing, SourceError>> {
        async move {
            let scan = self.of_scan();
            let discovery = self.discovery(&scan).await.map_err(|failure| SourceError(failure.message))?;
            let reads_exceptions = self.reads_exceptions.load(Ordering::Relaxed);
            let last = self.listed_last.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let (listing, listed) = policies::list(&self.lists, discovery, reads_exceptions, last).await;
            *self.listed_last.lock().unwrap_or_else(PoisonError::into_inner) = listed;
            scan.entries.set(&listing.companions);
            Ok(listing)
        }
        .boxed()
    }

    fn kinds(&self, wanted: Vec<KindSelector>) -> BoxFuture<'_, Result<Discovered, SourceError>> {
        async move {
            let scan = self.of_scan();
            let discovery = self.discovery(&scan).await.map_err(|failure| SourceError(failure.message))?;
            Ok(discovery.select(&wanted))
        }
        .boxed()
    }

    fn list<'a>(
        &'a self,
        kind: &'a ScanKind,
        cursor: Option<String>,
    ) -> BoxFuture<'a, Result<Page, ListError>> {
        async move {
            match self.page(kind, cursor).await {
                Ok(page) => Ok(page),
                Err(failure) => Err(self.judge(kind, failure).await),
            }
        }
        .boxed()
    }

    fn fact<'a>(&'a self, key: &'a FactKey) -> BoxFuture<'a, FactValue> {
        ask_fact(self, key).boxed()
    }
}
