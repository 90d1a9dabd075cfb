//! The objects of a page in another form (version), asked for once one of them has to be looked at.
//!
//! The form is listed with the token of the page itself, so that a continued list gives the objects as they were at its
//! first page; what that list does not hold is asked for one by one, by lists of one name, since that is what Patrol is
//! permitted. Either is asked after the page, and so is never older than it.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::OnceCell;

use super::client::Ask;
use super::failure::{ApiFailure, FailureClass};
use super::list::{ListOf, Lists};
use super::page::{Meta, RawPage, metadata_of};
use super::path::{ResourcePath, name_query};
use crate::document::Document;
use crate::inventory::Content;
use crate::model::{Gvk, ResourceId};

/// A page in another form.
#[derive(Debug)]
pub(super) struct PageForm {
    lists: Arc<Lists>,
    gvk: Gvk,
    path: ResourcePath,
    /// The token that the page was asked for with, empty for the first.
    continues: String,
    n_objects: u32,
    runtime: Handle,
    objects: OnceCell<Result<Objects, ApiFailure>>,
}

/// Objects by UID.
type Objects = HashMap<String, Bytes>;

impl PageForm {
    pub(super) fn new(
        lists: &Arc<Lists>,
        gvk: &Gvk,
        plural: &str,
        continues: &str,
        n_objects: usize,
        runtime: &Handle,
    ) -> Arc<Self> {
        Arc::new(Self {
            lists: Arc::clone(lists),
            gvk: gvk.clone(),
            path: ResourcePath::of(gvk, plural),
            continues: continues.to_owned(),
            n_objects: u32::try_from(n_objects).unwrap_or(u32::MAX),
            runtime: runtime.clone(),
            objects: OnceCell::new(),
        })
    }

    /// An object of the page in this form. It is decoded on a blocking worker, which waits for it.
    pub(super) fn content(self: &Arc<Self>, id: &ResourceId) -> Content {
        let (form, id) = (Arc::clone(self), id.clone());
        Content::Lazy(Arc::new(move || {
            let object = form.runtime.block_on(form.find(&id)).map_err(|failure| failure.message)?;
            let read = Document::from_list_item(&object, &form.gvk.api_version(), &form.gvk.kind);
            read.map_err(|error| error.to_string())
        }))
    }

    async fn find(&self, id: &ResourceId) -> Result<Bytes, ApiFailure> {
        match self.objects.get_or_init(|| self.list()).await {
            Ok(objects) => match objects.get(&id.uid) {
                Some(object) => Ok(object.clone()),
                None => self.one(id).await,
            },
            Err(failure) => Err(failure.clone()),
        }
    }

    async fn list(&self) -> Result<Objects, ApiFailure> {
        let of = ListOf { n_objects_max: Some(self.n_objects), ..ListOf::all(&self.path) };
        match self.lists.page(of, &self.continues).await {
            Ok(page) => by_uid(page),
            // The token is too old, or is none to this server: the objects can still be asked for one by one.
            Err(failure) if matches!(failure.class, FailureClass::Expired | FailureClass::Refused) => {
                Ok(Objects::new())
            }
            Err(failure) => Err(failure),
        }
    }

    async fn one(&self, id: &ResourceId) -> Result<Bytes, ApiFailure> {
        let path = format!("{}?{}", self.path.all(&id.key.namespace), name_query(&id.key.name));
        let reply = self.lists.client().ask(&Ask::get("list", self.path.counted(), path)).await?;
        let objects = by_uid(RawPage::read(&reply)?)?;
        objects.get(&id.uid).cloned().ok_or_else(|| {
            ApiFailure::new(FailureClass::NotFound, format!("the API server has no {} any more", id.key))
        })
    }
}

fn by_uid(page: RawPage) -> Result<Objects, ApiFailure> {
    let keyed = page.items.into_iter().map(|object| {
        let meta: Meta<'_> = metadata_of(&object)?;
        Ok((meta.uid.into_owned(), object.clone()))
    });
    keyed.collect()
}
