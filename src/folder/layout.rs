//! Where in the text of a manifest each field stands, so that what is said of it can name a line and point at it.
//!
//! The text is read once more as events with places, block style, flow style and JSON alike. A field that is not found has the place of the
//! nearest one around it; what an alias or a merge brings in stands where it is brought in. The document itself is built elsewhere.

use std::collections::HashMap;
use std::iter::Peekable;
use std::ops::Range;
use std::str::CharIndices;

use granit_parser::{Event, Parser, ScalarStyle, Span as EventSpan};

use super::{Format, Manifest};

#[cfg(test)]
mod tests;

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// How many characters of the line are meant, at least one.
    pub length: usize,
    /// The line's text.
    pub text: String,
}

/// Where one field stands, in bytes from the start of the manifest.
#[derive(Clone, Debug)]
struct Spot {
    /// The key, or the first thing of an item.
    name: Range<usize>,
    /// The value, if it is a text or number.
    scalar: Option<Scalar>,
}

#[derive(Clone, Debug)]
struct Scalar {
    range: Range<usize>,
    style: ScalarStyle,
    value: String,
}

/// The places of all fields of a manifest.
#[derive(Clone, Debug)]
pub struct Layout<'m> {
    manifest: &'m Manifest,
    spots: HashMap<String, Spot>,
}

impl Manifest {
    /// Finds out where the fields stand. A text that cannot be read to its end has those that were found.
    pub fn layout(&self) -> Layout<'_> {
        let text = String::from_utf8_lossy(self.bytes());
        let text = match self.format {
            // The dash of an item becomes a space, as where the document is built: all places stay.
            Format::YamlItem => text.replacen('-', " ", 1),
            Format::Json | Format::Yaml => text.into_owned(),
            Format::Rewritten => String::new(),
        };
        let mut reader = Reader { text: &text, spots: HashMap::new(), open: Vec::new() };
        reader.read();
        Layout { manifest: self, spots: reader.spots }
    }
}

impl Layout<'_> {
    /// The place of a field such as `spec.rules[0].name`, or of a part of its text, in bytes; that of the nearest field around it where it
    /// is not found. `None` if not even its first step is there.
    pub fn place(&self, path: &str, part: Option<Range<usize>>) -> Option<Place> {
        let mut around = path;
        loop {
            if let Some(spot) = self.spots.get(around) {
                let exact = part.filter(|_| around.len() == path.len());
                let exact = exact.and_then(|part| spot.scalar.as_ref()?.part(self.manifest.bytes(), part));
                return Some(self.manifest.place(exact.unwrap_or_else(|| spot.name.clone())));
            }
            around = around.get(..around.rfind(['.', '['])?)?;
        }
    }
}

impl Manifest {
    /// The place in the file of a range of the manifest's own bytes; of the first line of it, if there are several.
    fn place(&self, range: Range<usize>) -> Place {
        let start = self.range.start + range.start;
        let before = self.source.get(..start).unwrap_or_default();
        let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let rest = self.source.get(line_start..).unwrap_or_default();
        let line = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let line = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned();
        let column = String::from_utf8_lossy(before.get(line_start..).unwrap_or_default()).chars().count();
        let meant = String::from_utf8_lossy(self.bytes().get(range).unwrap_or_default()).into_owned();
        let meant = meant.lines().next().unwrap_or_default().trim_end().chars().count();
        Place {
            line: memchr::memchr_iter(b'\n', before).count() + 1,
            column: column + 1,
            length: meant.max(1),
            text: line,
        }
    }
}

/// What is open while a text is read.
enum Open {
    /// A map at a path, with the key whose value comes next.
    Map(String, Option<(String, Range<usize>)>),
    /// A list at a path, with the position of the item that comes next.
    List(String, usize),
}

struct Reader<'t> {
    text: &'t str,
    spots: HashMap<String, Spot>,
    open: Vec<Open>,
}

impl Reader<'_> {
    fn read(&mut self) {
        for event in Parser::new_from_str(self.text) {
            let Ok((event, span)) = event else { return };
            let range = range_of(&span);
            match event {
                Event::Scalar(value, style, ..) => {
                    if let Some(Open::Map(_, key @ None)) = self.open.last_mut() {
                        *key = Some((value.into_owned(), range));
                    } else {
                        let scalar = Scalar { range: range.clone(), style, value: value.into_owned() };
                        self.node(range, Some(scalar));
                    }
                }
                Event::Alias(_) => {
                    self.node(range, None);
                }
                Event::MappingStart(..) => {
                    let path = self.node(range, None);
                    self.open.push(Open::Map(path, None));
                }
                Event::SequenceStart(..) => {
                    let path = self.node(range, None);
                    self.open.push(Open::List(path, 0));
                }
                Event::MappingEnd | Event::SequenceEnd => {
                    self.open.pop();
                }
                Event::DocumentEnd => return,
                _ => {}
            }
        }
    }

    /// Notes a node that is no key, and gives its path. Of equal keys the last one counts.
    fn node(&mut self, range: Range<usize>, scalar: Option<Scalar>) -> String {
        let (path, name) = match self.open.last_mut() {
            None => return String::new(),
            Some(Open::Map(path, key)) => {
                let (key, place) = key.take().unwrap_or_default();
                (if path.is_empty() { key } else { format!("{path}.{key}") }, place)
            }
            Some(Open::List(path, index)) => {
                let path = format!("{path}[{index}]");
                *index += 1;
                (path, range)
            }
        };
        self.spots.insert(path.clone(), Spot { name, scalar });
        path
    }
}

fn range_of(span: &EventSpan) -> Range<usize> {
    let start = span.start.byte_offset().unwrap_or_default();
    start..span.end.byte_offset().unwrap_or_default().max(start)
}

impl Scalar {
    /// Where a part of the value stands in the text.
    ///
    /// WHY: quotes, escapes and folded lines change blanks and nothing else, so the nth character that is not blank is the same on both sides.
    fn part(&self, bytes: &[u8], part: Range<usize>) -> Option<Range<usize>> {
        let text = std::str::from_utf8(bytes.get(self.range.clone())?).ok()?;
        let visible: Vec<Range<usize>> = visible(text, self.style)?;
        let n_visible = |text: &str| text.chars().filter(|c| !c.is_whitespace()).count();
        if visible.len() != n_visible(&self.value) {
            return None;
        }
        let last = visible.len().checked_sub(1)?;
        // What is missing at the end is shown at the end.
        let first = n_visible(self.value.get(..part.start)?).min(last);
        let n = n_visible(self.value.get(part).unwrap_or_default()).max(1);
        let (start, end) = (visible.get(first)?.start, visible.get((first + n - 1).min(last))?.end);
        Some(self.range.start + start..self.range.start + end)
    }
}

/// Where the characters of a scalar that are not blank stand in its text; `None` for an escape that does not exist.
fn visible(text: &str, style: ScalarStyle) -> Option<Vec<Range<usize>>> {
    let quote = match style {
        ScalarStyle::SingleQuoted => '\'',
        ScalarStyle::DoubleQuoted => '"',
        _ => {
            let chars = text.char_indices().filter(|(_, c)| !c.is_whitespace());
            return Some(chars.map(|(at, c)| at..at + c.len_utf8()).collect());
        }
    };
    let inside = text.strip_prefix(quote)?.strip_suffix(quote)?;
    let skipped = quote.len_utf8();
    let mut found = Vec::new();
    let mut chars = inside.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let is_blank = match (c, quote) {
            ('\'', '\'') => {
                chars.next();
                false
            }
            ('\\', '"') => is_blank_escape(&mut chars)?,
            (c, _) => c.is_whitespace(),
        };
        if !is_blank {
            let end = chars.peek().map_or(inside.len(), |(at, _)| *at);
            found.push(skipped + at..skipped + end);
        }
    }
    Some(found)
}

/// Takes what follows a backslash; whether it stands for a blank or for nothing.
fn is_blank_escape(chars: &mut Peekable<CharIndices<'_>>) -> Option<bool> {
    let (_, kind) = chars.next()?;
    let n_digits = match kind {
        'x' => 2,
        'u' => 4,
        'U' => 8,
        kind => return Some(kind.is_whitespace() || "trnvfNL_P".contains(kind)),
    };
    let code = hex(chars, n_digits)?;
    if (0xd800..0xdc00).contains(&code) {
        // Its other half follows as an escape of its own.
        chars.next()?;
        chars.next()?;
        hex(chars, n_digits)?;
        return Some(false);
    }
    Some(char::from_u32(code).is_some_and(char::is_whitespace))
}

fn hex(chars: &mut Peekable<CharIndices<'_>>, n_digits: usize) -> Option<u32> {
    let digits: String = chars.by_ref().take(n_digits).map(|(_, c)| c).collect();
    u32::from_str_radix(&digits, 16).ok()
}
