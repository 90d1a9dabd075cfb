//! What is known of kinds: whether they are namespaced, what the API calls them, which version is preferred.

use std::collections::BTreeMap;

use super::builtin::GROUPS;
use crate::document::{Document, Node};
use crate::model::Gvk;

/// What is known of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KindInfo {
    /// Whether its objects live in namespaces.
    pub is_namespaced: bool,
    /// The resource name in URLs and admission rules, such as `pods`.
    pub plural: String,
    /// The version that is evaluated unless a policy names another.
    pub preferred_version: String,
}

/// The kinds that are known: the built-in ones, and those of the definitions of custom resources that were
/// added.
#[derive(Clone, Debug)]
pub struct Scopes {
    kinds: BTreeMap<(String, String), KindInfo>,
    plurals: BTreeMap<(String, String), String>,
}

impl Default for Scopes {
    fn default() -> Self {
        Self::builtin()
    }
}

impl Scopes {
    /// The built-in kinds.
    pub fn builtin() -> Self {
        let mut scopes = Self { kinds: BTreeMap::new(), plurals: BTreeMap::new() };
        for group in GROUPS {
            for row in group.kinds {
                let mut words = row.split(' ');
                let (Some(kind), Some(plural)) = (words.next(), words.next()) else { continue };
                let version = row.split_once('@').map_or(group.version, |(_, version)| version);
                let info = KindInfo {
                    is_namespaced: !words.any(|word| word == "!"),
                    plural: plural.to_owned(),
                    preferred_version: version.to_owned(),
                };
                scopes.add(group.name, kind, info);
            }
        }
        scopes
    }

    /// Adds or replaces a kind, for what discovery says.
    pub fn add(&mut self, group: &str, kind: &str, info: KindInfo) {
        self.plurals.insert((group.to_owned(), info.plural.clone()), kind.to_owned());
        self.kinds.insert((group.to_owned(), kind.to_owned()), info);
    }

    /// Adds the kind that a definition of a custom resource describes; false if the object is none, or names
    /// no kind.
    ///
    /// The preferred version is the first in Kubernetes' order of versions that is served, as the API
    /// server's discovery has it.
    pub fn add_crd(&mut self, object: &Document) -> bool {
        let root = object.root();
        let text = |path: &[&str]| root.path(path).and_then(Node::as_str);
        if text(&["kind"]) != Some("CustomResourceDefinition") {
            return false;
        }
        let (Some(group), Some(kind)) = (text(&["spec", "group"]), text(&["spec", "names", "kind"])) else {
            return false;
        };
        let versions = root.path(&["spec", "versions"]).into_iter().flat_map(Node::items);
        let served = versions
            .filter(|version| version.get("served").and_then(Node::as_bool) != Some(false))
            .filter_map(|version| version.get("name").and_then(Node::as_str));
        let preferred = served.chain(text(&["spec", "version"])).max_by_key(|name| version_rank(name));
        let info = KindInfo {
            is_namespaced: text(&["spec", "scope"]) != Some("Cluster"),
            plural: text(&["spec", "names", "plural"]).map_or_else(|| guess_plural(kind), str::to_owned),
            preferred_version: preferred.unwrap_or("v1").to_owned(),
        };
        self.add(group, kind, info);
        true
    }

    /// What is known of a kind.
    pub fn get(&self, group: &str, kind: &str) -> Option<&KindInfo> {
        self.kinds.get(&(group.to_owned(), kind.to_owned()))
    }

    /// Whether objects of the kind live in namespaces; so does every kind that nobody describes.
    pub fn is_namespaced(&self, group: &str, kind: &str) -> bool {
        self.get(group, kind).is_none_or(|info| info.is_namespaced)
    }

    /// The plural of a kind; guessed for kinds that nobody describes.
    pub fn plural_of(&self, gvk: &Gvk) -> String {
        self.get(&gvk.group, &gvk.kind).map_or_else(|| guess_plural(&gvk.kind), |info| info.plural.clone())
    }

    /// The kind of a plural within a group, if it is known.
    pub fn kind_of_plural(&self, group: &str, plural: &str) -> Option<&str> {
        self.plurals.get(&(group.to_owned(), plural.to_owned())).map(String::as_str)
    }

    /// The kind of a plural in whatever group, in order of groups.
    pub fn gvks_of_plural<'s>(&'s self, plural: &'s str) -> impl Iterator<Item = Gvk> + 's {
        let of_plural = self.plurals.iter().filter(move |((_, name), _)| name == plural);
        of_plural.map(|((group, _), kind)| Gvk {
            group: group.clone(),
            version: self.preferred_version(group, kind).unwrap_or_default().to_owned(),
            kind: kind.clone(),
        })
    }

    /// The preferred version of a kind, if it is known.
    pub fn preferred_version(&self, group: &str, kind: &str) -> Option<&str> {
        self.get(group, kind).map(|info| info.preferred_version.as_str())
    }

    /// All known kinds: group, kind and what is known.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, &KindInfo)> {
        self.kinds.iter().map(|((group, kind), info)| (group.as_str(), kind.as_str(), info))
    }
}

/// The plural that the API machinery guesses for a kind (`meta.UnsafeGuessKindToResource`).
pub fn guess_plural(kind: &str) -> String {
    let mut name = kind.to_lowercase();
    if name == "endpoints" {
        return name;
    }
    if name.ends_with('s') {
        name.push_str("es");
    } else if name.ends_with('y') {
        name.pop();
        name.push_str("ies");
    } else {
        name.push('s');
    }
    name
}

/// Kubernetes' order of versions: stable before beta before alpha, higher numbers first, other names last.
fn version_rank(name: &str) -> (u8, u32, u32) {
    let parse = || {
        let rest = name.strip_prefix('v')?;
        for (word, rank) in [("alpha", 1), ("beta", 2)] {
            if let Some((major, minor)) = rest.split_once(word) {
                return Some((rank, major.parse().ok()?, minor.parse().ok()?));
            }
        }
        Some((3, rest.parse().ok()?, 0))
    };
    parse().unwrap_or((0, 0, 0))
}
