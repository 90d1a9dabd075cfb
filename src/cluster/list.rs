//! Lists, page by page, of at most so many objects and about so many bytes.
//!
//! No `resourceVersion` is sent: the server then answers with the newest state, from etcd or from a cache
//! that it has checked to be current. Any other value may be answered from a cache that lags, and an object
//! that such a list lacks would count as gone. A continued list stays at the state of its first page; when
//! that is compacted, the server says 410 and the list starts again.

use bytes::Bytes;
use dashmap::DashMap;

use super::client::{Ask, ClusterClient, JSON};
use super::failure::{ApiFailure, FailureClass};
use super::page::RawPage;
use super::path::{ResourcePath, page_query};
use crate::limits;

/// What is listed.
#[derive(Clone, Copy, Debug)]
pub(super) struct ListOf<'a> {
    pub(super) path: &'a ResourcePath,
    /// Empty for all namespaces, or cluster scope.
    pub(super) namespace: &'a str,
    /// A label selector in its text form; empty for everything.
    pub(super) selector: &'a str,
    /// Plain JSON, or only the metadata.
    pub(super) accept: &'static str,
    /// The most objects of a page, if they are to be fewer than usual.
    pub(super) n_objects_max: Option<u32>,
}

impl<'a> ListOf<'a> {
    /// All objects of a kind.
    pub(super) fn all(path: &'a ResourcePath) -> Self {
        Self { path, namespace: "", selector: "", accept: JSON, n_objects_max: None }
    }
}

/// Lists, with what was learned about the size of objects.
#[derive(Debug)]
pub(super) struct Lists {
    client: ClusterClient,
    /// How many objects of a resource fit a page, where that was found to be fewer than usual.
    limits: DashMap<String, u32>,
}

impl Lists {
    pub(super) fn new(client: ClusterClient) -> Self {
        Self { client, limits: DashMap::new() }
    }

    pub(super) fn client(&self) -> &ClusterClient {
        &self.client
    }

    fn usual(&self) -> u32 {
        self.client.settings().n_page_objects.clamp(1, limits::LIST_PAGE_OBJECTS_MAX)
    }

    /// One page; `continues` is the token of the page before, empty for the first.
    pub(super) async fn page(&self, of: ListOf<'_>, continues: &str) -> Result<RawPage, ApiFailure> {
        let counted = of.path.counted();
        let key = format!("{counted} {}", of.accept);
        let learned = self.limits.get(&key).map_or(self.usual(), |limit| *limit);
        let mut limit = of.n_objects_max.map_or(learned, |max| max.clamp(1, learned));
        loop {
            let path = of.path.all(of.namespace) + &page_query(limit, continues, of.selector);
            let mut ask = Ask::get("list", counted.clone(), path).accepting(of.accept);
            if limit > 1 {
                // One object is read however large it is.
                ask.n_bytes_max = ask.n_bytes_max.min(self.client.settings().n_page_bytes);
            }
            match self.client.ask(&ask).await {
                Err(failure) if failure.class == FailureClass::TooLarge && limit > 1 => {
                    limit = (limit / 4).max(1);
                    self.limits.insert(key.clone(), limit);
                }
                Err(failure) => return Err(failure),
                Ok(reply) => {
                    let page = RawPage::read(&reply)?;
                    self.learn(key, &page, reply.len());
                    return Ok(page);
                }
            }
        }
    }

    /// Remembers how many objects of that size make a page of the size that is aimed at.
    fn learn(&self, key: String, page: &RawPage, n_bytes: usize) {
        let per_object = n_bytes / page.items.len().max(1);
        let aim = limits::LIST_PAGE_BYTES_AIM.min(self.client.settings().n_page_bytes);
        let fitting = aim / per_object.max(1);
        let fitting = u32::try_from(fitting).unwrap_or(u32::MAX).clamp(1, self.usual());
        if page.items.is_empty() {
            return;
        }
        if fitting < self.usual() {
            self.limits.insert(key, fitting);
        } else if self.limits.contains_key(&key) {
            self.limits.remove(&key);
        }
    }

    /// Visits every object, page by page. A list that expires starts again, so an object may be visited
    /// twice.
    pub(super) async fn each(
        &self,
        of: ListOf<'_>,
        visit: &mut (dyn FnMut(&Bytes) -> Result<(), ApiFailure> + Send),
    ) -> Result<(), ApiFailure> {
        let mut continues = String::new();
        let mut n_restarts = 0;
        for _ in 0..limits::LIST_PAGES_MAX {
            match self.page(of, &continues).await {
                Ok(page) => {
                    page.items.iter().try_for_each(&mut *visit)?;
                    continues = page.continues;
                    if continues.is_empty() {
                        return Ok(());
                    }
                }
                Err(failure)
                    if failure.class == FailureClass::Expired && n_restarts < limits::LIST_RESTARTS_MAX =>
                {
                    n_restarts += 1;
                    continues.clear();
                }
                Err(failure) => return Err(failure),
            }
        }
        Err(ApiFailure::new(FailureClass::TooLarge, format!("the list of {} does not end", of.path.named())))
    }
}
