//! Splits the bytes of a file into documents without parsing them.
//!
//! YAML documents end at a line that starts with `---` or `...` (YAML 1.2.2 §9.1); several JSON values may
//! follow each other; the items of a `List` or typed list are documents of their own. Lists are split as
//! text; only a YAML list with anchors or in flow style is parsed.

use std::ops::Range;
use std::sync::Arc;

use memchr::memmem;

use super::{Folder, Format, Manifest, Problem, json, parse};
use crate::document::{Document, Kind, Node};
use crate::inventory::Origin;
use crate::model::Gvk;

/// Splits one file's bytes; documents and problems are appended to `into`.
pub fn split(origin: &Origin, source: &Arc<[u8]>, into: &mut Folder) {
    if source.starts_with(&[0xff, 0xfe]) || source.starts_with(&[0xfe, 0xff]) {
        let message = "is not UTF-8 but UTF-16".to_owned();
        into.problems.push(Problem { origin: origin.clone(), message });
        return;
    }
    let mut splitter = Splitter { origin, source, into, lines: Lines { source, at: 0, line: 1 } };
    for segment in segments(source) {
        splitter.segment(segment);
    }
}

/// The stretches between document markers.
fn segments(bytes: &[u8]) -> Vec<Range<usize>> {
    let start = if bytes.starts_with(&[0xef, 0xbb, 0xbf]) { 3 } else { 0 };
    let mut markers: Vec<usize> = [b"\n---".as_slice(), b"\n..."]
        .into_iter()
        .flat_map(|marker| memmem::find_iter(bytes, marker).map(|at| at + 1))
        .chain([start])
        .filter(|&at| is_marker(bytes, at))
        .collect();
    markers.sort_unstable();
    let mut segments = Vec::with_capacity(markers.len() + 1);
    let mut from = start;
    for marker in markers {
        segments.push(from..marker);
        from = marker + 3;
    }
    segments.push(from..bytes.len());
    segments
}

fn is_marker(bytes: &[u8], at: usize) -> bool {
    matches!(bytes.get(at..at + 3), Some(b"---" | b"..."))
        && matches!(bytes.get(at + 3), None | Some(b'\n' | b'\r' | b' ' | b'\t'))
}

/// Counts lines while going forward through a file.
struct Lines<'s> {
    source: &'s [u8],
    at: usize,
    line: u32,
}

impl Lines<'_> {
    /// The line of a position, which must not lie before the last one asked for.
    fn of(&mut self, at: usize) -> u32 {
        let passed = self.source.get(self.at..at).unwrap_or_default();
        let count = memchr::memchr_iter(b'\n', passed).count();
        self.line = self.line.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        self.at = self.at.max(at);
        self.line
    }
}

struct Splitter<'s> {
    origin: &'s Origin,
    source: &'s Arc<[u8]>,
    into: &'s mut Folder,
    lines: Lines<'s>,
}

impl Splitter<'_> {
    fn segment(&mut self, segment: Range<usize>) {
        let source = Arc::clone(self.source);
        let bytes = source.get(..segment.end).unwrap_or_default();
        let Some(start) = content_start(bytes, segment.start) else { return };
        let first = json::skip_space(bytes, start);
        if matches!(bytes.get(first), Some(b'{' | b'[')) {
            self.json(bytes, first);
        } else {
            self.yaml(bytes, start);
        }
    }

    /// JSON values one after the other. What does not look like JSON to the end is one document up to the
    /// next line that starts with a brace, and the parser says what it is.
    fn json(&mut self, bytes: &[u8], mut at: usize) {
        while at < bytes.len() {
            let outline = json::outline(bytes, at);
            let end = match &outline {
                Some(outline) => Some(outline.end),
                None if bytes.get(at) == Some(&b'[') => json::after_value(bytes, at),
                None => None,
            };
            let next = end.map(|end| json::skip_space(bytes, end));
            let clean =
                end.zip(next).filter(|(_, next)| matches!(bytes.get(*next), None | Some(b'{' | b'[')));
            let Some((end, next)) = clean else {
                let rest = bytes.get(at..).unwrap_or_default();
                let broken = memmem::find(rest, b"\n{").map_or(rest.len(), |end| end + 1);
                let text = rest.get(..broken).unwrap_or_default().trim_ascii_end();
                self.push(Format::Json, at..at + text.len(), None);
                at += broken;
                continue;
            };
            match outline.and_then(|outline| json_list(bytes, &outline)) {
                Some((items, kind)) => {
                    for item in items {
                        self.push(Format::Json, item, kind.clone());
                    }
                }
                None => self.push(Format::Json, at..end, None),
            }
            at = next;
        }
    }

    fn yaml(&mut self, bytes: &[u8], start: usize) {
        let text = bytes.get(start..).unwrap_or_default();
        let Some(list) = yaml_list(text) else {
            return self.push(Format::Yaml, start..bytes.len(), None);
        };
        if let Some(items) = block_items(text, list.items_end) {
            for item in items {
                self.push(Format::YamlItem, start + item.start..start + item.end, list.item_kind.clone());
            }
            return;
        }
        let origin = self.origin.at(self.lines.of(start));
        match parse::parse_text(text, &origin) {
            Ok(document) => self.parsed_list(&document, &origin, list.item_kind.as_ref()),
            Err(error) => self.into.problems.push(error.into()),
        }
    }

    /// The items of a YAML list that had to be parsed; each stands at the line of the list.
    fn parsed_list(&mut self, document: &Document, origin: &Origin, kind: Option<&Arc<Gvk>>) {
        let items = document.root().get("items").into_iter().flat_map(Node::items);
        for item in items {
            let source: Arc<[u8]> = Arc::from(item.to_json().into_bytes());
            let range = 0..source.len();
            let manifest = Manifest::new(origin.clone(), Format::Rewritten, &source, range, kind.cloned());
            self.into.manifests.push(manifest);
        }
        if document.root().get("items").is_some_and(|items| items.kind() != Kind::Array) {
            let message = "`items` is not a list".to_owned();
            self.into.problems.push(Problem { origin: origin.clone(), message });
        }
    }

    fn push(&mut self, format: Format, range: Range<usize>, kind: Option<Arc<Gvk>>) {
        let origin = self.origin.at(self.lines.of(range.start));
        self.into.manifests.push(Manifest::new(origin, format, self.source, range, kind));
    }
}

/// Where a segment's content starts: behind blank lines, comments and directives; `None` if there is nothing
/// else.
fn content_start(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while at < bytes.len() {
        let line = line_at(bytes, at);
        let text = line.trim_ascii_start();
        let is_directive = line.starts_with(b"%YAML") || line.starts_with(b"%TAG");
        if !(text.is_empty() || text.starts_with(b"#") || is_directive) {
            return Some(at);
        }
        at += line.len() + 1;
    }
    None
}

/// The line that starts at `at`, without its end.
fn line_at(bytes: &[u8], at: usize) -> &[u8] {
    let rest = bytes.get(at..).unwrap_or_default();
    rest.get(..memchr::memchr(b'\n', rest).unwrap_or(rest.len())).unwrap_or_default()
}

type Items = (Vec<Range<usize>>, Option<Arc<Gvk>>);

fn json_list(bytes: &[u8], outline: &json::Outline) -> Option<Items> {
    let text = |range: &Range<usize>| std::str::from_utf8(bytes.get(range.clone())?).ok();
    let kind = text(&outline.kind)?.strip_suffix("List")?;
    let items = json::items(bytes, outline.items?)?;
    Some((items, item_kind(text(&outline.api_version).unwrap_or(""), kind)))
}

/// What the items of a list are if they do not say, as the API machinery's unstructured decoder has it.
fn item_kind(api_version: &str, kind: &str) -> Option<Arc<Gvk>> {
    (!kind.is_empty() && !api_version.is_empty()).then(|| Arc::new(Gvk::new(api_version, kind)))
}

struct YamlList {
    /// Behind `items:`.
    items_end: usize,
    item_kind: Option<Arc<Gvk>>,
}

/// Whether block-style YAML is a list: it has `kind: …List` and `items:` at its top level.
fn yaml_list(text: &[u8]) -> Option<YamlList> {
    let items_end = top_level(text, b"items:")?;
    let value_of = |key: &[u8]| {
        let value = line_at(text, top_level(text, key)?);
        let value = value.split(|byte| *byte == b'#').next().unwrap_or_default();
        let value = std::str::from_utf8(value).ok()?;
        Some(value.trim().trim_matches(['"', '\'']))
    };
    let kind = value_of(b"kind:")?.strip_suffix("List")?;
    Some(YamlList { items_end, item_kind: item_kind(value_of(b"apiVersion:").unwrap_or(""), kind) })
}

/// Behind a key that stands at the start of a line.
fn top_level(text: &[u8], key: &[u8]) -> Option<usize> {
    memmem::find_iter(text, key)
        .find(|&at| at == 0 || text.get(at - 1) == Some(&b'\n'))
        .map(|at| at + key.len())
}

/// The entries of a block-style list that starts on the line behind `items_end`, each from the line of its dash on.
///
/// `None` if the list is in flow style, has anchors (which may be used across entries) or looks unlike what
/// tools write.
fn block_items(text: &[u8], items_end: usize) -> Option<Vec<Range<usize>>> {
    if [b": &".as_slice(), b"- &", b"<<:"].iter().any(|mark| memmem::find(text, mark).is_some()) {
        return None;
    }
    let rest_of_line = line_at(text, items_end);
    if !matches!(rest_of_line.trim_ascii_start().first(), None | Some(b'#')) {
        return None;
    }
    let mut items: Vec<Range<usize>> = Vec::new();
    let mut column = None;
    let mut at = items_end + rest_of_line.len() + 1;
    while at < text.len() {
        let line = line_at(text, at);
        let indent = line.iter().take_while(|byte| **byte == b' ').count();
        let content = line.get(indent..).unwrap_or_default();
        let is_entry = matches!(content, [b'-'] | [b'-', b' ' | b'\r', ..]);
        let next = at + line.len() + 1;
        let is_blank = matches!(content.first(), None | Some(b'\r' | b'#'));
        match column {
            _ if content.first() == Some(&b'\t') => return None,
            _ if is_blank => {}
            Some(column) if indent > column => {}
            None if is_entry => {
                column = Some(indent);
                items.push(at..next);
            }
            Some(column) if indent == column && is_entry => items.push(at..next),
            Some(_) if indent == 0 && !is_entry => break,
            _ => return None,
        }
        if let Some(item) = items.last_mut() {
            item.end = next.min(text.len());
        }
        at = next;
    }
    (!items.is_empty()).then_some(items)
}
