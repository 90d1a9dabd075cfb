//! Matching a document against a compiled pattern.
//!
//! The first pass only decides; if the pattern does not match, a second pass over the same path finds the texts that the outcome shows.

use crate::document::{Kind, Node};

use super::anchor::{self, Anchor};
use super::value::{go_print, go_type};
use super::{Element, Entry, Leaf, ListPattern, MapPattern, Pattern, Slot};

/// What matching said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Verdict {
    /// The document satisfies the pattern.
    Pass,
    /// An anchor says that the pattern is not meant for this document.
    Skip {
        /// Why.
        message: String,
    },
    /// The document does not satisfy the pattern.
    Fail {
        /// Where, with a slash at both ends; empty if there is no telling, which makes the outcome an error.
        path: String,
        /// Why.
        message: String,
    },
}

/// The way to a value, linked from its end.
#[derive(Clone, Copy)]
struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Root,
    Key(&'a str),
    Index(usize),
}

impl<'a> Path<'a> {
    const ROOT: Path<'static> = Path { parent: None, step: Step::Root };

    fn key(&'a self, key: &'a str) -> Self {
        Self { parent: Some(self), step: Step::Key(key) }
    }

    fn index(&'a self, index: usize) -> Self {
        Self { parent: Some(self), step: Step::Index(index) }
    }

    fn render(&self) -> String {
        let mut out = self.parent.map_or_else(String::new, Path::render);
        match self.step {
            Step::Root => {}
            Step::Key(key) => out.push_str(key),
            Step::Index(index) => out.push_str(&index.to_string()),
        }
        out.push('/');
        out
    }
}

/// What kind of mismatch it is; the first three mean that the pattern is not meant for the document.
#[derive(Clone, Copy, PartialEq, Eq)]
enum MissKind {
    Conditional,
    Global,
    AllSkipped,
    Negation,
    Plain,
}

struct Miss {
    kind: MissKind,
    detail: Option<Box<Detail>>,
}

struct Detail {
    path: String,
    message: String,
}

impl Miss {
    fn is_skip(&self) -> bool {
        matches!(self.kind, MissKind::Conditional | MissKind::Global | MissKind::AllSkipped)
    }

    /// The same mismatch under an anchor.
    fn under(self, kind: MissKind, prefix: &str) -> Self {
        let detail = self.detail.map(|detail| {
            Box::new(Detail { message: format!("{prefix}: {}", detail.message), path: detail.path })
        });
        Self { kind, detail }
    }
}

const CONDITIONAL: &str = "conditional anchor mismatch";
const GLOBAL: &str = "global anchor mismatch";
const NEGATION: &str = "negation anchor matched in resource";

/// One pass.
struct Pass<'p> {
    explains: bool,
    /// What is in the pattern's holes.
    leaves: &'p [Leaf],
    /// Which conditional and existence anchors were met, and of which the resource had the key at least once.
    met: u64,
    present: u64,
}

type Matched = Result<(), Miss>;

impl Pattern {
    /// Matches a document; `leaves` fill the holes.
    pub(in super::super) fn verdict(&self, document: Node<'_>, leaves: &[Leaf]) -> Verdict {
        let mut pass = Pass { explains: false, leaves, met: 0, present: 0 };
        let Err(miss) = pass.element(&self.root, Some(document), &Path::ROOT) else { return Verdict::Pass };
        let lacks_keys = pass.met & !pass.present != 0;
        let mut pass = Pass { explains: true, leaves, met: 0, present: 0 };
        let explained = pass.element(&self.root, Some(document), &Path::ROOT);
        let detail = explained.err().and_then(|miss| miss.detail);
        let (path, message) = detail.map_or_else(Default::default, |detail| (detail.path, detail.message));
        match miss.kind {
            _ if miss.is_skip() => Verdict::Skip { message },
            MissKind::Plain if lacks_keys => Verdict::Fail { path: String::new(), message },
            _ => Verdict::Fail { path, message },
        }
    }
}

impl Pass<'_> {
    fn miss(&self, kind: MissKind, path: &Path<'_>, message: impl FnOnce(&str) -> String) -> Miss {
        let detail = self.explains.then(|| {
            let path = path.render();
            Box::new(Detail { message: message(&path), path })
        });
        Miss { kind, detail }
    }

    fn element(&mut self, pattern: &Element, value: Option<Node<'_>>, path: &Path<'_>) -> Matched {
        match pattern {
            Element::Map(map) => self.map(map, value, path),
            Element::List(list) => self.list(list, value, path),
            Element::Leaf(slot) => self.leaf(slot, value, path),
            Element::SomeItem(_) => value.map_or(Ok(()), |value| self.existence(pattern, value, path)),
        }
    }

    fn leaf(&mut self, slot: &Slot, value: Option<Node<'_>>, path: &Path<'_>) -> Matched {
        let leaf = slot.leaf(self.leaves);
        if leaf.is_match(value) {
            return Ok(());
        }
        Err(self.miss(MissKind::Plain, path, |path| {
            format!("resource value '{}' does not match '{}' at path {path}", go_print(value), leaf.to_go())
        }))
    }

    fn map(&mut self, pattern: &MapPattern, value: Option<Node<'_>>, path: &Path<'_>) -> Matched {
        let Some(map) = value.filter(|value| value.kind() == Kind::Object) else {
            return Err(self.miss(MissKind::Plain, path, |path| {
                format!(
                    "pattern and resource have different structures. Path: {path}. Expected \
                     map[string]interface {{}}, found {}",
                    go_type(value)
                )
            }));
        };
        if pattern.expands && pattern.entries.iter().any(|entry| entry.wildcard.is_some()) {
            return self.expanded(pattern, map, path);
        }
        for entry in &pattern.entries {
            self.note_presence(entry, &entry.name, map);
        }
        self.entries(pattern.entries.iter().map(|entry| (&*entry.name, entry)), map, path)
    }

    /// Wildcards in keys stand for the first key of the resource that they match.
    fn expanded(&mut self, pattern: &MapPattern, map: Node<'_>, path: &Path<'_>) -> Matched {
        let keys: Vec<&str> =
            map.sorted_entries().into_iter().filter_map(|(key, value)| value.as_str().map(|_| key)).collect();
        let mut entries: Vec<(String, &str, &Entry)> = pattern
            .entries
            .iter()
            .map(|entry| {
                let found = entry
                    .wildcard
                    .as_ref()
                    .and_then(|wildcard| keys.iter().find(|key| wildcard.is_match(key)));
                match found {
                    Some(key) => (entry.anchor.around(key), *key, entry),
                    None => (entry.key.to_string(), &*entry.name, entry),
                }
            })
            .collect();
        anchor::sort(&mut entries, |(key, ..)| key, |(_, _, entry)| entry.anchor, |_| false);
        for (_, name, entry) in &entries {
            self.note_presence(entry, name, map);
        }
        self.entries(entries.iter().map(|(_, name, entry)| (*name, *entry)), map, path)
    }

    fn note_presence(&mut self, entry: &Entry, name: &str, map: Node<'_>) {
        if let Some(bit) = entry.presence {
            self.met |= bit;
            if self.present & bit == 0 && map.get(name).is_some() {
                self.present |= bit;
            }
        }
    }

    /// A map matches if some entry does and the others match or are skipped. It is skipped if nothing else speaks for it: no anchor
    /// matches, or no entry at all; and if an entry that does not match stands beside one that is skipped.
    fn entries<'e>(
        &mut self,
        entries: impl Iterator<Item = (&'e str, &'e Entry)>,
        map: Node<'_>,
        path: &Path<'_>,
    ) -> Matched {
        let mut is_among_anchors = true;
        let mut is_skipped = false;
        let mut n_applied = 0usize;
        let mut skips: Vec<String> = Vec::new();
        let mut has_skips = false;
        for (name, entry) in entries {
            if is_among_anchors && !entry.anchor.is_first() {
                is_among_anchors = false;
                if has_skips && n_applied == 0 {
                    is_skipped = true;
                    break;
                }
            }
            match self.entry(entry, name, map, path) {
                Ok(()) => n_applied += 1,
                Err(miss) if matches!(miss.kind, MissKind::Conditional | MissKind::AllSkipped) => {
                    has_skips = true;
                    skips.extend(miss.detail.map(|detail| detail.message));
                }
                Err(_) if has_skips => {
                    is_skipped = true;
                    break;
                }
                Err(miss) => return Err(miss),
            }
        }
        if has_skips && (is_skipped || n_applied == 0) {
            return Err(self.miss(MissKind::AllSkipped, path, |_| skips.join("; ")));
        }
        Ok(())
    }

    fn entry(&mut self, entry: &Entry, name: &str, map: Node<'_>, path: &Path<'_>) -> Matched {
        let value = map.get(name);
        let below = path.key(name);
        match (entry.anchor, value) {
            (Anchor::None, value) => self.plain(entry, name, value, path),
            (Anchor::Negation, Some(_)) => {
                Err(self
                    .miss(MissKind::Negation, &below, |path| format!("{NEGATION}: {path} is not allowed")))
            }
            (Anchor::Condition, None) => Err(self.miss(MissKind::Conditional, &below, |_| {
                format!("{CONDITIONAL}: conditional anchor key doesn't exist in the resource")
            })),
            (Anchor::Condition, value) => self
                .element(&entry.element, value, &below)
                .map_err(|miss| miss.under(MissKind::Conditional, CONDITIONAL)),
            (Anchor::Global, Some(_)) => self
                .element(&entry.element, value, &below)
                .map_err(|miss| miss.under(MissKind::Global, GLOBAL)),
            (Anchor::Equality, Some(_)) => self.element(&entry.element, value, &below),
            (Anchor::Existence, Some(value)) => self.existence(&entry.element, value, &below),
            (Anchor::Negation | Anchor::Global | Anchor::Equality | Anchor::Existence, None) => Ok(()),
        }
    }

    fn plain(&mut self, entry: &Entry, name: &str, value: Option<Node<'_>>, path: &Path<'_>) -> Matched {
        if matches!(&entry.element, Element::Leaf(slot) if slot.leaf(self.leaves).is_star()) {
            return match value {
                Some(value) if !value.is_null() => Ok(()),
                _ => Err(self.miss(MissKind::Plain, path, |path| format!("{path}/{name} not found"))),
            };
        }
        self.element(&entry.element, value, &path.key(name))
    }

    fn existence(&mut self, pattern: &Element, value: Node<'_>, path: &Path<'_>) -> Matched {
        if value.kind() != Kind::Array {
            return Err(self.miss(MissKind::Plain, path, |_| {
                format!(
                    "invalid resource type {}: Existence ^ () anchor can be used only on list/array type resource",
                    go_type(Some(value))
                )
            }));
        }
        let Element::SomeItem(maps) = pattern else {
            let found = match pattern {
                Element::Leaf(slot) => slot.leaf(self.leaves).go_type(),
                _ => "map[string]interface {}",
            };
            return Err(self.miss(MissKind::Plain, path, |_| {
                format!("invalid pattern type {found}: Pattern has to be of list to compare against resource")
            }));
        };
        maps.iter().try_for_each(|map| match map {
            Some(map) => self.some_item(map, value, path),
            None => Err(self.miss(MissKind::Plain, path, |_| {
                "invalid pattern type []interface {}: Pattern has to be of type map to compare against items in \
                 resource"
                    .to_owned()
            })),
        })
    }

    fn some_item(&mut self, map: &MapPattern, list: Node<'_>, path: &Path<'_>) -> Matched {
        for (index, item) in list.items().enumerate() {
            if self.map(map, Some(item), &path.index(index)).is_ok() {
                return Ok(());
            }
        }
        Err(self
            .miss(MissKind::Plain, path, |path| format!("existence anchor validation failed at path {path}")))
    }

    fn list(&mut self, pattern: &ListPattern, value: Option<Node<'_>>, path: &Path<'_>) -> Matched {
        let Some(list) = value.filter(|value| value.kind() == Kind::Array) else {
            return Err(self.miss(MissKind::Plain, path, |path| {
                format!(
                    "validation rule failed at path {path}, resource does not satisfy the expected overlay pattern"
                )
            }));
        };
        match pattern {
            ListPattern::Empty => Err(self.miss(MissKind::Plain, path, |_| "pattern Array empty".to_owned())),
            ListPattern::OfLeaves(slot) => self.leaf(slot, Some(list), path),
            ListPattern::OfMaps(map) => {
                self.items(list, path, |pass, _, item, path| Some(pass.map(map, Some(item), path)))
            }
            ListPattern::OfLists(elements) => {
                if list.len() < elements.len() {
                    return Err(Miss {
                        kind: MissKind::Plain,
                        detail: self.explains.then(|| {
                            Box::new(Detail {
                                path: String::new(),
                                message: format!(
                                    "validate Array failed, array length mismatch, resource Array len is {} and \
                                     pattern Array len is {}",
                                    list.len(),
                                    elements.len()
                                ),
                            })
                        }),
                    });
                }
                self.items(list, path, |pass, index, item, path| {
                    Some(pass.element(elements.get(index)?, Some(item), path))
                })
            }
        }
    }

    /// All items must match but those that are skipped; if there is nothing but skipped items, so is the list.
    fn items(
        &mut self,
        list: Node<'_>,
        path: &Path<'_>,
        mut item_matched: impl FnMut(&mut Self, usize, Node<'_>, &Path<'_>) -> Option<Matched>,
    ) -> Matched {
        let mut n_applied = 0usize;
        let mut skipped = None;
        let mut messages = Vec::new();
        for (index, item) in list.items().enumerate() {
            match item_matched(self, index, item, &path.index(index)) {
                None => break,
                Some(Ok(())) => n_applied += 1,
                Some(Err(miss)) if miss.is_skip() => {
                    let is_global = miss.kind == MissKind::Global || skipped == Some(MissKind::Global);
                    skipped = Some(if is_global { MissKind::Global } else { MissKind::AllSkipped });
                    messages.extend(miss.detail.map(|detail| detail.message));
                }
                Some(Err(miss)) => return Err(miss),
            }
        }
        match skipped {
            Some(kind) if n_applied == 0 => Err(self.miss(kind, path, |_| messages.join("; "))),
            _ => Ok(()),
        }
    }
}
