//! Paths of the Kubernetes API: made of a kind, a namespace and a name, and read back for counting.
//!
//! The layout is that of the API conventions: `/api/v1/…` for the core group, `/apis/GROUP/VERSION/…` for
//! others.

use std::fmt::Write;

use crate::model::Gvk;

/// Where the objects of a kind are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ResourcePath {
    pub(super) group: String,
    pub(super) version: String,
    pub(super) plural: String,
}

impl ResourcePath {
    pub(super) fn new(group: &str, version: &str, plural: &str) -> Self {
        Self { group: group.to_owned(), version: version.to_owned(), plural: plural.to_owned() }
    }

    pub(super) fn of(gvk: &Gvk, plural: &str) -> Self {
        Self::new(&gvk.group, &gvk.version, plural)
    }

    /// `group/plural`, or the plural alone: how requests are counted.
    pub(super) fn counted(&self) -> String {
        if self.group.is_empty() { self.plural.clone() } else { format!("{}/{}", self.group, self.plural) }
    }

    /// `plural.group`, or the plural alone: how people name a resource.
    pub(super) fn named(&self) -> String {
        if self.group.is_empty() { self.plural.clone() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// The path of all objects, or of those in a namespace.
    pub(super) fn all(&self, namespace: &str) -> String {
        let Self { group, version, plural } = self;
        let root = if group.is_empty() { "/api".to_owned() } else { format!("/apis/{}", escape(group)) };
        let version = escape(version);
        if namespace.is_empty() {
            format!("{root}/{version}/{}", escape(plural))
        } else {
            format!("{root}/{version}/namespaces/{}/{}", escape(namespace), escape(plural))
        }
    }

    /// The path of one object; the namespace is empty for cluster scope.
    pub(super) fn one(&self, namespace: &str, name: &str) -> String {
        format!("{}/{}", self.all(namespace), escape(name))
    }
}

/// The parameters of one page of a list.
pub(super) fn page_query(limit: u32, continues: &str, selector: &str) -> String {
    let mut query = format!("?limit={limit}");
    for (key, value) in [("labelSelector", selector), ("continue", continues)] {
        if !value.is_empty() {
            let _ = write!(query, "&{key}={}", escape(value));
        }
    }
    query
}

/// The parameter of a list of the objects of one name.
pub(super) fn name_query(name: &str) -> String {
    format!("fieldSelector=metadata.name%3D{}", escape(name))
}

/// Escapes a text for a path segment or a parameter.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

/// Escapes what a policy's path and query hold that no URL can: spaces, quotes, brackets, controls, whatever
/// is not ASCII.
pub(super) fn tidy(path: &str) -> String {
    let mut tidied = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_graphic() && !b"\"<>\\^`{|}#".contains(&byte) {
            tidied.push(char::from(byte));
        } else {
            let _ = write!(tidied, "%{byte:02X}");
        }
    }
    tidied
}

/// What a path asks for, as it is counted: `group/plural`, and whether it is one object.
pub(super) fn counted(path: &str) -> (String, bool) {
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    let steps: Vec<&str> = path.split('/').filter(|step| !step.is_empty()).collect();
    let (group, rest) = match steps.as_slice() {
        ["api", _, rest @ ..] => ("", rest),
        ["apis", group, _, rest @ ..] => (*group, rest),
        _ => return (String::new(), false),
    };
    let (plural, is_one) = match rest {
        ["namespaces", _, plural] | [plural] => (*plural, false),
        ["namespaces", _, plural, ..] | [plural, ..] => (*plural, true),
        [] => return (String::new(), false),
    };
    (ResourcePath::new(group, "", plural).counted(), is_one)
}
