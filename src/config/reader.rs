//! Reads typed values out of the tree, and collects every mistake instead of stopping at the first.
//!
//! Each call names a key with its default and what is accepted; a key that no call named is a mistake. So the calls in `read` are the one list of
//! keys, and the effective value of each is noted on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::time::Duration;

use super::tree::{Node, Place, Value};
use super::{Mistake, nearest};
use crate::gostd::duration;
use crate::limits;

/// What reading found beside the values.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// All mistakes, in the order of the keys.
    pub(super) mistakes: Vec<Mistake>,
    /// Each key's effective value; lists of mappings by position.
    pub(super) effective: BTreeMap<String, String>,
    /// Every key that exists, with `[]` for positions.
    pub(super) known: BTreeSet<String>,
}

/// One mapping of the configuration while it is read.
pub(super) struct Reader<'a> {
    pairs: &'a [(String, Node)],
    path: String,
    schema_path: String,
    place: Place,
    named: Vec<&'static str>,
    findings: &'a mut Findings,
}

impl<'a> Reader<'a> {
    /// Reads the root.
    pub(super) fn root(node: &'a Node, findings: &'a mut Findings) -> Self {
        Self::over(node, String::new(), String::new(), findings)
    }

    fn over(node: &'a Node, path: String, schema_path: String, findings: &'a mut Findings) -> Self {
        let pairs: &[(String, Node)] = match &node.value {
            Value::Map(pairs) => pairs,
            Value::Null => &[],
            other => {
                let message = format!("must be a mapping, not {}", other.describe());
                findings.mistakes.push(mistake(&path, &node.place, message));
                &[]
            }
        };
        Self { pairs, path, schema_path, place: node.place.clone(), named: Vec::new(), findings }
    }

    fn join(prefix: &str, key: &str) -> String {
        if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") }
    }

    /// The path of a key of this mapping.
    pub(super) fn path(&self, key: &str) -> String {
        Self::join(&self.path, key)
    }

    /// Whether the key was given a value.
    pub(super) fn is_given(&self, key: &str) -> bool {
        self.pairs.iter().any(|(name, node)| name == key && node.value != Value::Null)
    }

    fn find(&mut self, key: &'static str) -> Option<&'a Node> {
        self.named.push(key);
        let mut found = self.pairs.iter().filter(|(name, _)| name == key).map(|(_, node)| node);
        found.next().filter(|node| node.value != Value::Null)
    }

    fn note(&mut self, key: &str, shown: String) {
        self.findings.known.insert(Self::join(&self.schema_path, key));
        self.findings.effective.insert(self.path(key), shown);
    }

    /// Adds a mistake about a key of this mapping; about one that is missing, with the place of the mapping.
    pub(super) fn object(&mut self, key: &str, message: impl Into<String>) {
        let node = self.pairs.iter().find(|(name, _)| name == key);
        let place = node.map_or_else(|| self.place.clone(), |(_, node)| node.place.clone());
        let path = self.path(key);
        self.findings.mistakes.push(mistake(&path, &place, message.into()));
    }

    /// Reads a nested mapping.
    pub(super) fn section<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Reader<'_>) -> T) -> T {
        let empty = Node { value: Value::Map(Vec::new()), place: Place::Unknown };
        let given = self.find(key).cloned().unwrap_or(empty);
        let node = match given.structured() {
            Ok(node) => node,
            Err(message) => {
                self.object(key, message);
                Node::default()
            }
        };
        let (path, schema_path) = (self.path(key), Self::join(&self.schema_path, key));
        let mut inner = Reader::over(&node, path, schema_path, self.findings);
        let value = read(&mut inner);
        inner.finish();
        value
    }

    /// Reads a list of mappings; without one given, the default list.
    pub(super) fn mappings<T>(
        &mut self,
        key: &'static str,
        default: &[(&str, &str)],
        read: impl Fn(&mut Reader<'_>) -> Option<T>,
    ) -> Vec<T> {
        let given = self.find(key).cloned();
        let node = given.unwrap_or_else(|| {
            let text = |text: &str| Node { value: Value::Text(text.into()), place: Place::Unknown };
            let pairs = default.iter().map(|(key, value)| ((*key).to_owned(), text(value))).collect();
            let only = Node { value: Value::Map(pairs), place: Place::Unknown };
            Node { value: Value::List(vec![only]), place: Place::Unknown }
        });
        let node = node.structured().unwrap_or_else(|message| {
            self.object(key, message);
            Node::default()
        });
        let Value::List(items) = &node.value else {
            self.object(key, format!("must be a list of mappings, not {}", node.value.describe()));
            return Vec::new();
        };
        if items.len() > limits::SCHEDULES_MAX {
            self.object(
                key,
                format!("has {} entries, at most {} are allowed", items.len(), limits::SCHEDULES_MAX),
            );
        }
        let mut values = Vec::new();
        for (at, item) in items.iter().take(limits::SCHEDULES_MAX).enumerate() {
            let path = format!("{}[{at}]", self.path(key));
            let schema_path = format!("{}[]", Self::join(&self.schema_path, key));
            let mut inner = Reader::over(item, path, schema_path, self.findings);
            let value = read(&mut inner);
            inner.finish();
            values.extend(value);
        }
        values
    }

    /// Reads a value with a parser of its text; texts, numbers and truth values all have one.
    fn scalar<T>(
        &mut self,
        key: &'static str,
        wanted: &str,
        parse: impl Fn(&Value) -> Option<Result<T, String>>,
    ) -> Option<T> {
        let node = self.find(key)?;
        let message = match parse(&node.value) {
            Some(Ok(value)) => return Some(value),
            Some(Err(message)) => message,
            None => format!("must be {wanted}, not {}", node.value.describe()),
        };
        let path = self.path(key);
        self.findings.mistakes.push(mistake(&path, &node.place, message));
        None
    }

    /// A truth value.
    pub(super) fn flag(&mut self, key: &'static str, default: bool) -> bool {
        let value = self.scalar(key, "`true` or `false`", |value| match value {
            Value::Bool(value) => Some(Ok(*value)),
            Value::Given(text) => text.parse().ok().map(Ok),
            _ => None,
        });
        let value = value.unwrap_or(default);
        self.note(key, value.to_string());
        value
    }

    /// A whole number within a range.
    pub(super) fn count(&mut self, key: &'static str, default: u64, range: RangeInclusive<u64>) -> u64 {
        let check = |value: u64| {
            let (min, max) = (range.start(), range.end());
            if range.contains(&value) {
                Ok(value)
            } else {
                Err(format!("must be between {min} and {max}, not `{value}`"))
            }
        };
        let value = self.scalar(key, "a whole number", |value| match value {
            Value::Int(value) => u64::try_from(*value).ok().map(check),
            Value::Given(text) => text.trim().parse().ok().map(check),
            _ => None,
        });
        let value = value.unwrap_or(default);
        self.note(key, value.to_string());
        value
    }

    /// A number of bytes within a range: a whole number, or one with `Ki`, `Mi` or `Gi`.
    pub(super) fn bytes(&mut self, key: &'static str, default: &str, range: RangeInclusive<u64>) -> u64 {
        let check = |text: &str| {
            let value = parse_bytes(text)?;
            Some(if range.contains(&value) {
                Ok(value)
            } else {
                Err(format!("must be between {} and {} bytes, not `{text}`", range.start(), range.end()))
            })
        };
        let value = self.scalar(key, "a number of bytes such as `16Mi`", |value| match value {
            Value::Int(value) => check(&value.to_string()),
            Value::Text(text) | Value::Given(text) => check(text.trim()),
            _ => None,
        });
        let value = value.or_else(|| parse_bytes(default)).unwrap_or_default();
        self.note(key, value.to_string());
        value
    }

    /// A span of time as Go writes it (`90s`, `15m`, `1h30m`), within a range of seconds.
    pub(super) fn span(
        &mut self,
        key: &'static str,
        default: Duration,
        range: RangeInclusive<u64>,
    ) -> Duration {
        self.optional_span(key, range).unwrap_or_else(|| {
            self.note(key, default.as_secs_f64().to_string());
            default
        })
    }

    /// A span of time that has no default.
    pub(super) fn optional_span(
        &mut self,
        key: &'static str,
        range: RangeInclusive<u64>,
    ) -> Option<Duration> {
        let value = self.scalar(key, "a duration such as `90s`, `15m` or `1h30m`", |value| match value {
            Value::Text(text) | Value::Given(text) => Some(parse_span(text, &range)),
            Value::Int(0) => Some(parse_span("0s", &range)),
            _ => None,
        });
        self.note(key, value.map(|value| value.as_secs_f64().to_string()).unwrap_or_default());
        value
    }

    /// A text that a parser accepts; an empty one is accepted only by the parser.
    pub(super) fn text<T>(
        &mut self,
        key: &'static str,
        default: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let given = self.scalar(key, "a text", |value| match value {
            Value::Text(text) | Value::Given(text) => Some(parse(text).map(|value| (value, text.clone()))),
            _ => None,
        });
        let (value, shown) = match given {
            Some((value, shown)) => (Some(value), shown),
            None => (parse(default).ok(), default.to_owned()),
        };
        self.note(key, shown);
        value
    }

    /// A text as it is.
    pub(super) fn plain(&mut self, key: &'static str, default: &str) -> String {
        self.text(key, default, |text| Ok(text.to_owned())).unwrap_or_default()
    }

    /// One of a closed list of words.
    pub(super) fn choice<T: Copy + PartialEq>(
        &mut self,
        key: &'static str,
        default: T,
        choices: &[(&str, T)],
    ) -> T {
        let words: Vec<String> = choices.iter().map(|(word, _)| format!("`{word}`")).collect();
        let wanted = format!("one of {}", words.join(", "));
        let given = self.scalar(key, &wanted, |value| match value {
            Value::Text(text) | Value::Given(text) => {
                let at = choices.iter().position(|(word, _)| word == text);
                Some(at.ok_or_else(|| format!("must be {wanted}, not `{text}`")))
            }
            _ => None,
        });
        let at = given.or_else(|| choices.iter().position(|(_, value)| *value == default));
        let chosen = at.and_then(|at| choices.get(at));
        self.note(key, chosen.map(|(word, _)| (*word).to_owned()).unwrap_or_default());
        chosen.map_or(default, |(_, value)| *value)
    }

    /// A list of texts that a parser accepts; an override is a YAML list or words between commas.
    pub(super) fn list<T>(
        &mut self,
        key: &'static str,
        default: &[&str],
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Vec<T> {
        let texts = match self.find(key) {
            None => default.iter().map(|text| ((*text).to_owned(), Place::Unknown)).collect(),
            Some(node) => self.texts(key, node),
        };
        let shown: Vec<&str> = texts.iter().map(|(text, _)| text.as_str()).collect();
        self.note(key, shown.join(","));
        let mut values = Vec::with_capacity(texts.len());
        for (at, (text, place)) in texts.iter().enumerate() {
            match parse(text) {
                Ok(value) => values.push(value),
                Err(message) => {
                    let path = format!("{}[{at}]", self.path(key));
                    self.findings.mistakes.push(mistake(&path, place, message));
                }
            }
        }
        values
    }

    fn texts(&mut self, key: &str, node: &Node) -> Vec<(String, Place)> {
        let items = match &node.value {
            Value::List(items) => items.clone(),
            Value::Given(text) if text.trim_start().starts_with('[') => match node.structured() {
                Ok(Node { value: Value::List(items), .. }) => items,
                Ok(_) => Vec::new(),
                Err(message) => {
                    self.object(key, message);
                    Vec::new()
                }
            },
            Value::Given(text) => {
                let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
                return words.map(|word| (word.to_owned(), node.place.clone())).collect();
            }
            other => {
                self.object(key, format!("must be a list of texts, not {}", other.describe()));
                Vec::new()
            }
        };
        if items.len() > limits::CONFIG_LIST_MAX {
            let max = limits::CONFIG_LIST_MAX;
            self.object(key, format!("has {} entries, at most {max} are allowed", items.len()));
        }
        let mut texts = Vec::new();
        for (at, item) in items.into_iter().take(limits::CONFIG_LIST_MAX).enumerate() {
            if let Value::Text(text) = item.value {
                texts.push((text, item.place));
            } else {
                let path = format!("{}[{at}]", self.path(key));
                let message = format!("must be a text, not {}", item.value.describe());
                self.findings.mistakes.push(mistake(&path, &item.place, message));
            }
        }
        texts
    }

    /// Tells the keys that exist in the file and nowhere else, and those that stand twice.
    pub(super) fn finish(self) {
        let known: Vec<&str> = self.named.clone();
        let mut seen = BTreeSet::new();
        for (key, node) in self.pairs {
            let path = Self::join(&self.path, key);
            if !known.contains(&key.as_str()) {
                let hint = match nearest(key, known.iter().copied()) {
                    Some(near) => format!("; did you mean `{near}`?"),
                    None => format!("; known here: {}", known.join(", ")),
                };
                self.findings.mistakes.push(mistake(&path, &node.place, format!("unknown key{hint}")));
            } else if !seen.insert(key) {
                self.findings.mistakes.push(mistake(&path, &node.place, "stands twice".into()));
            }
        }
    }
}

fn mistake(path: &str, place: &Place, message: String) -> Mistake {
    let (line, given_by) = match place {
        Place::Unknown => (None, None),
        Place::Line(line) => (Some(*line), None),
        Place::Override(name) => (None, Some(name.clone())),
    };
    Mistake { path: path.to_owned(), line, given_by, message }
}

fn parse_span(text: &str, range: &RangeInclusive<u64>) -> Result<Duration, String> {
    let span = duration::Duration::parse(text.trim())
        .map_err(|_| format!("`{text}` is not a duration such as `90s`, `15m` or `1h30m`"))?;
    let nanos = u64::try_from(span.nanos()).map_err(|_| format!("`{text}` must not be negative"))?;
    let span = Duration::from_nanos(nanos);
    if span < Duration::from_secs(*range.start()) || span > Duration::from_secs(*range.end()) {
        let show = |secs: u64| {
            duration::Duration::from_nanos(
                i64::try_from(secs).unwrap_or(i64::MAX).saturating_mul(1_000_000_000),
            )
        };
        let (min, max) = (show(*range.start()), show(*range.end()));
        return Err(format!("`{text}` is not between {min} and {max}"));
    }
    Ok(span)
}

fn parse_bytes(text: &str) -> Option<u64> {
    let (digits, factor) = match text {
        text if text.ends_with("Ki") => (text.trim_end_matches("Ki"), 1_u64 << 10),
        text if text.ends_with("Mi") => (text.trim_end_matches("Mi"), 1 << 20),
        text if text.ends_with("Gi") => (text.trim_end_matches("Gi"), 1 << 30),
        text => (text, 1),
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}
