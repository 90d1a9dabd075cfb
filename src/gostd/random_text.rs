//! Random texts that match a pattern, as `goregen`, which Kyverno's `random` calls, makes them.
//!
//! The pattern is a POSIX regular expression as Go reads it without flags (no `\d`, no `(?:…)`). Unbounded repetitions go up to
//! [`limits::RANDOM_REPEAT_MAX`]. Where random numbers come from, and how many there are, is the caller's business.

use crate::gostd::regexp::Regexp;
use crate::limits;

/// Why there is no text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RandomTextError {
    /// The pattern is none.
    #[error("{0}")]
    Pattern(String),
    /// There were no more random numbers.
    #[error("the pattern generates more than the allowed number of parts")]
    Exhausted,
}

/// A text that matches the pattern; `draw` gives a random number for each part of it.
///
/// # Errors
/// Why there is none.
pub fn generate(pattern: &str, draw: &mut dyn FnMut() -> Option<u64>) -> Result<String, RandomTextError> {
    Regexp::compile(pattern).map_err(|error| RandomTextError::Pattern(error.to_string()))?;
    let mut parser = Parser { rest: pattern, depth: 0 };
    let tree = parser
        .alternatives()
        .map_err(|message| RandomTextError::Pattern(format!("error parsing regexp: {message}")))?;
    let mut text = String::new();
    write(&tree, draw, &mut text).ok_or(RandomTextError::Exhausted)?;
    Ok(text)
}

/// What a part of a pattern generates.
enum Part {
    Character(char),
    /// One character of these ranges.
    Class(Vec<(char, char)>),
    Sequence(Vec<Part>),
    Alternatives(Vec<Part>),
    Repeat(Box<Part>, usize, usize),
}

/// `number` brought below the bound.
fn below(number: u64, bound: usize) -> usize {
    usize::try_from(number % (bound.max(1) as u64)).unwrap_or(0)
}

/// Writes a part; `None` if there were no more random numbers.
fn write(part: &Part, draw: &mut dyn FnMut() -> Option<u64>, out: &mut String) -> Option<()> {
    let number = draw()?;
    match part {
        Part::Character(character) => out.push(*character),
        Part::Class(ranges) => out.extend(pick(ranges, number)),
        Part::Sequence(parts) => parts.iter().try_for_each(|part| write(part, draw, out))?,
        Part::Alternatives(parts) => {
            if let Some(part) = parts.get(below(number, parts.len())) {
                write(part, draw, out)?;
            }
        }
        Part::Repeat(part, min, max) => {
            let times = min + below(number, max.saturating_sub(*min) + 1);
            for _ in 0..times {
                write(part, draw, out)?;
            }
        }
    }
    Some(())
}

/// One character, each of all ranges being as likely.
fn pick(ranges: &[(char, char)], number: u64) -> Option<char> {
    let size = |(first, last): &(char, char)| (*first..=*last).size_hint().0;
    let mut position = below(number, ranges.iter().map(size).sum());
    for range in ranges {
        if position < size(range) {
            return (range.0..=range.1).nth(position);
        }
        position -= size(range);
    }
    None
}

struct Parser<'t> {
    rest: &'t str,
    depth: usize,
}

type Parsed<T> = Result<T, String>;

impl Parser<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let next = chars.next();
        self.rest = chars.as_str();
        next
    }

    fn eat(&mut self, wanted: char) -> bool {
        let is_next = self.peek() == Some(wanted);
        if is_next {
            self.next();
        }
        is_next
    }

    fn alternatives(&mut self) -> Parsed<Part> {
        self.depth += 1;
        if self.depth > limits::RANDOM_PATTERN_DEPTH_MAX {
            return Err("expression nests too deeply".to_owned());
        }
        let mut alternatives = vec![self.sequence()?];
        while self.eat('|') {
            alternatives.push(self.sequence()?);
        }
        self.depth -= 1;
        Ok(Part::Alternatives(alternatives))
    }

    fn sequence(&mut self) -> Parsed<Part> {
        let mut parts = Vec::new();
        while let Some(next) = self.peek() {
            if matches!(next, '|' | ')') {
                break;
            }
            let part = self.atom()?;
            parts.push(self.repeated(part)?);
        }
        Ok(Part::Sequence(parts))
    }

    fn atom(&mut self) -> Parsed<Part> {
        match self.next() {
            Some('(') => {
                if self.peek() == Some('?') {
                    return Err("missing argument to repetition operator: `?`".to_owned());
                }
                let inner = self.alternatives()?;
                self.eat(')');
                Ok(inner)
            }
            Some('^' | '$') | None => Ok(Part::Sequence(Vec::new())),
            Some('.') => Ok(Part::Class(vec![('\u{1}', '\u{9}'), ('\u{b}', char::MAX)])),
            Some('[') => self.class(),
            Some('\\') => self.escaped().map(Part::Character),
            Some(other) => Ok(Part::Character(other)),
        }
    }

    fn repeated(&mut self, mut part: Part) -> Parsed<Part> {
        loop {
            let unbounded = limits::RANDOM_REPEAT_MAX;
            let (min, max) = match self.peek() {
                Some('*') => (0, unbounded),
                Some('+') => (1, unbounded),
                Some('?') => (0, 1),
                Some('{') => match self.counts() {
                    Some(counts) => counts,
                    None => return Ok(part),
                },
                _ => return Ok(part),
            };
            self.skip_repetition();
            part = Part::Repeat(Box::new(part), min, max);
        }
    }

    /// The numbers of `{2}`, `{2,}` and `{2,4}`, without taking them; `None` if this is a literal brace.
    fn counts(&self) -> Option<(usize, usize)> {
        let (inner, _) = self.rest.strip_prefix('{')?.split_once('}')?;
        let number = |text: &str| text.parse::<usize>().ok();
        match inner.split_once(',') {
            None => number(inner).map(|count| (count, count)),
            Some((min, "")) => number(min).map(|min| (min, min.max(limits::RANDOM_REPEAT_MAX))),
            Some((min, max)) => Some((number(min)?, number(max)?)),
        }
    }

    fn skip_repetition(&mut self) {
        if self.next() == Some('{') {
            while self.next().is_some_and(|next| next != '}') {}
        }
    }

    fn escaped(&mut self) -> Parsed<char> {
        match self.next() {
            Some('a') => Ok('\u{7}'),
            Some('f') => Ok('\u{c}'),
            Some('t') => Ok('\t'),
            Some('n') => Ok('\n'),
            Some('r') => Ok('\r'),
            Some('v') => Ok('\u{b}'),
            Some(other) if other.is_ascii_alphanumeric() => {
                Err(format!("invalid escape sequence: `\\{other}`"))
            }
            Some(other) => Ok(other),
            None => Err("trailing backslash at end of expression: ``".to_owned()),
        }
    }

    fn class(&mut self) -> Parsed<Part> {
        let is_negated = self.eat('^');
        let mut ranges = Vec::new();
        let mut is_first = true;
        loop {
            if self.peek() == Some(']') && !is_first {
                self.next();
                break;
            }
            is_first = false;
            if let Some((name, rest)) = self.rest.strip_prefix("[:").and_then(|rest| rest.split_once(":]")) {
                self.rest = rest;
                ranges.extend(named_class(name));
                continue;
            }
            let first = self.class_character()?;
            let is_range = self.rest.starts_with('-') && !self.rest.starts_with("-]");
            if is_range {
                self.next();
            }
            let last = if is_range { self.class_character()? } else { first };
            ranges.push((first, last));
        }
        Ok(Part::Class(if is_negated { complement(ranges) } else { ranges }))
    }

    fn class_character(&mut self) -> Parsed<char> {
        match self.next() {
            Some('\\') => self.escaped(),
            Some(other) => Ok(other),
            None => Err("missing closing ]: ``".to_owned()),
        }
    }
}

fn named_class(name: &str) -> Vec<(char, char)> {
    match name {
        "alnum" => vec![('0', '9'), ('A', 'Z'), ('a', 'z')],
        "alpha" => vec![('A', 'Z'), ('a', 'z')],
        "ascii" => vec![('\0', '\u{7f}')],
        "blank" => vec![('\t', '\t'), (' ', ' ')],
        "cntrl" => vec![('\0', '\u{1f}'), ('\u{7f}', '\u{7f}')],
        "digit" => vec![('0', '9')],
        "graph" => vec![('!', '~')],
        "lower" => vec![('a', 'z')],
        "print" => vec![(' ', '~')],
        "punct" => vec![('!', '/'), (':', '@'), ('[', '`'), ('{', '~')],
        "space" => vec![('\t', '\r'), (' ', ' ')],
        "upper" => vec![('A', 'Z')],
        "word" => vec![('0', '9'), ('A', 'Z'), ('a', 'z'), ('_', '_')],
        "xdigit" => vec![('0', '9'), ('A', 'F'), ('a', 'f')],
        _ => Vec::new(),
    }
}

/// Every character but these and the line feed, which Go's negated classes leave out without flags.
fn complement(mut ranges: Vec<(char, char)>) -> Vec<(char, char)> {
    ranges.push(('\n', '\n'));
    ranges.sort_unstable();
    let mut free = Vec::new();
    let mut next = Some('\0');
    for (first, last) in ranges {
        let Some(start) = next else { break };
        if let Some(before) = (start..first).next_back() {
            free.push((start, before));
        }
        next = (last.max(start)..=char::MAX).nth(usize::from(last >= start));
    }
    free.extend(next.map(|start| (start, char::MAX)));
    free
}
