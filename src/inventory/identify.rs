//! The identity of an object as its own text gives it.

use crate::document::{Document, DocumentBuilder, Node};
use crate::fingerprint::Hasher;
use crate::limits;
use crate::model::{Gvk, ResourceId, ResourceKey};

use super::Scopes;

/// Why an object has no identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// No `apiVersion`.
    #[error("has no `apiVersion`")]
    ApiVersion,
    /// No `kind`.
    #[error("has no `kind`")]
    Kind,
    /// Neither `metadata.name` nor `metadata.generateName`.
    #[error("has no `metadata.name`")]
    Name,
    /// `metadata.name` or `metadata.namespace` is no text, as `name: 12` and `name: no` in YAML.
    #[error("`metadata.{0}` is not a string")]
    NotText(&'static str),
    /// `metadata.name` or `metadata.namespace` can be no step of a path, which the API server refuses for all kinds
    /// (`k8s.io/apimachinery/pkg/api/validation/path`).
    #[error("`metadata.{0}` is `.` or `..`, or holds `/`")]
    NotAStep(&'static str),
}

/// The identity of an object.
///
/// A namespaced object without a namespace is in `default`; a cluster-wide object is in none, whatever it
/// says. An object that has only a `generateName` goes by that. Without `metadata.uid`, or with one that no
/// server makes, the UID is [`derived_uid`].
pub fn identify(object: &Document, scopes: &Scopes) -> Result<ResourceId, IdentityError> {
    let root = object.root();
    let text = |path: &[&str]| root.path(path).and_then(Node::as_str).filter(|text| !text.is_empty());
    let kind = text(&["kind"]).ok_or(IdentityError::Kind)?;
    let gvk = Gvk::new(text(&["apiVersion"]).ok_or(IdentityError::ApiVersion)?, kind);
    for field in ["name", "namespace"] {
        let value = root.path(&["metadata", field]);
        if value.is_some_and(|value| !value.is_null() && value.as_str().is_none()) {
            return Err(IdentityError::NotText(field));
        }
        if value
            .and_then(Node::as_str)
            .is_some_and(|value| matches!(value, "." | "..") || value.contains('/'))
        {
            return Err(IdentityError::NotAStep(field));
        }
    }
    let name = text(&["metadata", "name"])
        .or_else(|| text(&["metadata", "generateName"]))
        .ok_or(IdentityError::Name)?;
    let namespace = if scopes.is_namespaced(&gvk.group, &gvk.kind) {
        text(&["metadata", "namespace"]).unwrap_or("default")
    } else {
        ""
    };
    let key =
        ResourceKey { group: gvk.group, kind: gvk.kind, namespace: namespace.into(), name: name.into() };
    let uid = text(&["metadata", "uid"]).filter(|uid| is_plain(uid));
    let uid = uid.map_or_else(|| derived_uid(&key), str::to_owned);
    Ok(ResourceId { key, version: gvk.version, uid })
}

/// Whether a UID looks like one: it names files and objects.
fn is_plain(uid: &str) -> bool {
    uid.len() <= limits::UID_BYTES_MAX && uid.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// The object with its namespace filled in, as the API server would store it: a namespaced object of a folder
/// that names none is in `default`, and policies see it there (`kyverno apply` does the same).
#[must_use]
pub fn placed(object: Document, id: &ResourceId) -> Document {
    let metadata = object.root().get("metadata");
    let own =
        metadata.and_then(|metadata| metadata.get("namespace")).and_then(Node::as_str).unwrap_or_default();
    if !own.is_empty() || id.key.namespace.is_empty() {
        return object;
    }
    let mut builder = DocumentBuilder::new();
    builder.open_object();
    for (key, value) in object.root().entries() {
        builder.key(key);
        if key != "metadata" {
            builder.node(value);
            continue;
        }
        builder.open_object();
        for (key, value) in value.entries().filter(|(key, _)| *key != "namespace") {
            builder.key(key);
            builder.node(value);
        }
        builder.key("namespace");
        builder.string(&id.key.namespace);
        builder.close();
    }
    builder.finish()
}

/// A UID for an object that has none: blake3 over the key in the layout of an RFC 9562 UUID, version 8
/// (custom), so that it is stable from run to run and no server makes the same.
pub fn derived_uid(key: &ResourceKey) -> String {
    let mut hasher = Hasher::new("patrol/uid/1");
    hasher.str(&key.group).str(&key.kind).str(&key.namespace).str(&key.name);
    let mut number = u128::from_be_bytes(hasher.finish().0);
    number = number & !(0xf << 76) | (0x8 << 76);
    number = number & !(0x3 << 62) | (0x2 << 62);
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        number >> 96,
        (number >> 80) & 0xffff,
        (number >> 64) & 0xffff,
        (number >> 48) & 0xffff,
        number & 0xffff_ffff_ffff
    )
}
