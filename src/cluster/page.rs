//! A page of a list, split without decoding its objects: each stays a slice of the reply, of which only the
//! metadata that says who it is and whether it moved is read.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::client::read_json;
use super::failure::{ApiFailure, FailureClass};
use crate::model::Gvk;

/// A page as the server sent it.
#[derive(Debug, Default)]
pub(super) struct RawPage {
    /// The objects, as slices of the reply.
    pub(super) items: Vec<Bytes>,
    /// The token of the next page, empty on the last.
    pub(super) continues: String,
}

#[derive(Deserialize)]
struct WireList<'r> {
    #[serde(default)]
    metadata: WireListMeta,
    #[serde(borrow)]
    items: Option<Vec<&'r RawValue>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WireListMeta {
    #[serde(rename = "continue")]
    continues: String,
}

/// The metadata that a list is read for.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Meta<'r> {
    #[serde(borrow)]
    pub(super) name: Cow<'r, str>,
    #[serde(borrow)]
    pub(super) namespace: Cow<'r, str>,
    #[serde(borrow)]
    pub(super) uid: Cow<'r, str>,
    #[serde(borrow)]
    pub(super) resource_version: Cow<'r, str>,
    pub(super) owner_references: Option<Vec<Owner>>,
    pub(super) labels: Option<TemplateLabels>,
}

/// The label by which a Deployment tells its ReplicaSets and their Pods from those that nobody else controls
/// (`pod-template-hash`).
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(super) struct TemplateLabels {
    pod_template_hash: Option<IgnoredAny>,
}

/// One owner of an object.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Owner {
    pub(super) api_version: String,
    pub(super) kind: String,
    pub(super) controller: Option<bool>,
}

impl Meta<'_> {
    /// The group and kind of what controls the object, then of what controls that: the ReplicaSets of a Deployment,
    /// and their Pods, bear a label of the Deployment's.
    pub(super) fn controllers(&self) -> Vec<(String, String)> {
        let controller = self.owner_references.iter().flatten().find(|owner| owner.controller == Some(true));
        let Some(controller) = controller else { return Vec::new() };
        let gvk = Gvk::new(&controller.api_version, &controller.kind);
        let mut controllers = vec![(gvk.group, gvk.kind)];
        let is_of_replica_set = controller.kind == "ReplicaSet";
        if is_of_replica_set && self.labels.as_ref().is_some_and(|labels| labels.pod_template_hash.is_some())
        {
            controllers.push(("apps".to_owned(), "Deployment".to_owned()));
        }
        controllers
    }
}

impl RawPage {
    /// Splits the reply.
    pub(super) fn read(reply: &Bytes) -> Result<Self, ApiFailure> {
        let list: WireList<'_> = read_json(reply)?;
        let Some(items) = list.items else {
            // An empty list of the API has `items`, as null or empty; a reply without is something else, and
            // proves nothing.
            if has_items(reply) {
                return Ok(Self { items: Vec::new(), continues: list.metadata.continues });
            }
            return Err(ApiFailure::new(
                FailureClass::Unreadable,
                "the API server answered a list with something else",
            ));
        };
        let items = items.into_iter().map(|item| reply.slice_ref(item.get().as_bytes())).collect();
        Ok(Self { items, continues: list.metadata.continues })
    }
}

fn has_items(reply: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Probe {
        #[serde(default, deserialize_with = "present")]
        items: bool,
    }
    fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| true)
    }
    serde_json::from_slice::<Probe>(reply).is_ok_and(|probe| probe.items)
}

/// Reads `metadata` of an object and stops there: what follows it is not looked at.
pub(super) fn metadata_of<'r, M: Deserialize<'r>>(object: &'r [u8]) -> Result<M, ApiFailure> {
    let mut found = None;
    let mut deserializer = serde_json::Deserializer::from_slice(object);
    let end = UntilMetadata(&mut found).deserialize(&mut deserializer);
    match (found, end) {
        (Some(metadata), _) => Ok(metadata),
        (None, Err(error)) => Err(ApiFailure::new(
            FailureClass::Unreadable,
            format!("an object of a list cannot be read: {error}"),
        )),
        (None, Ok(())) => {
            Err(ApiFailure::new(FailureClass::Unreadable, "an object of a list has no metadata"))
        }
    }
}

/// Goes through an object up to its `metadata`, which ends the reading as if with an error.
struct UntilMetadata<'m, M>(&'m mut Option<M>);

impl<'r, M: Deserialize<'r>> DeserializeSeed<'r> for UntilMetadata<'_, M> {
    type Value = ();

    fn deserialize<D: Deserializer<'r>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'r, M: Deserialize<'r>> Visitor<'r> for UntilMetadata<'_, M> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'r>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<Cow<'r, str>>()? {
            if key == "metadata" {
                *self.0 = Some(map.next_value()?);
                return Err(A::Error::custom("read as far as needed"));
            }
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}
