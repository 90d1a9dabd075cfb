//! Kyverno's `random`: a text that matches a pattern, drawn from the environment's random numbers.
//!
//! The pattern is a POSIX regular expression as Go reads it without flags (no `\d`, no `(?:…)`). Unbounded repetitions go up to
//! [`limits::JMESPATH_RANDOM_REPEAT_MAX`].

use super::{Answer, Arguments, Function, STRING, Volatility};
use crate::document::Value;
use crate::gostd::regexp::Regexp;
use crate::lang::jmespath::{Env, EvaluateError};
use crate::limits;

pub(super) static FUNCTIONS: &[Function] =
    &[Function::new("random", &[STRING], random).volatile(Volatility::Always)];

fn random<'d>(a: &Arguments<'_, 'd>) -> Answer<'d> {
    let pattern = a.text(0);
    if pattern.is_empty() {
        return Err(EvaluateError::other("no pattern provided"));
    }
    a.env().charge(pattern.len() * 50)?;
    Regexp::compile(pattern).map_err(|error| EvaluateError::other(error.to_string()))?;
    let mut parser = Parser { rest: pattern, depth: 0 };
    let tree = parser
        .alternatives()
        .map_err(|message| EvaluateError::other(format!("error parsing regexp: {message}")))?;
    let mut text = String::new();
    generate(&tree, a.env(), &mut text)?;
    Ok(Value::owned(text))
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

/// A number below the bound.
fn below(env: &Env<'_>, bound: usize) -> usize {
    usize::try_from(env.random() % (bound.max(1) as u64)).unwrap_or(0)
}

fn generate(part: &Part, env: &Env<'_>, out: &mut String) -> Result<(), EvaluateError> {
    env.step()?;
    match part {
        Part::Character(character) => out.push(*character),
        Part::Class(ranges) => out.extend(pick(ranges, env)),
        Part::Sequence(parts) => parts.iter().try_for_each(|part| generate(part, env, out))?,
        Part::Alternatives(parts) => {
            if let Some(part) = parts.get(below(env, parts.len())) {
                generate(part, env, out)?;
            }
        }
        Part::Repeat(part, min, max) => {
            let times = min + below(env, max.saturating_sub(*min) + 1);
            for _ in 0..times {
                generate(part, env, out)?;
            }
        }
    }
    Ok(())
}

/// One character, each of all ranges being as likely.
fn pick(ranges: &[(char, char)], env: &Env<'_>) -> Option<char> {
    let size = |(first, last): &(char, char)| (*first..=*last).size_hint().0;
    let mut position = below(env, ranges.iter().map(size).sum());
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
        if self.depth > limits::JMESPATH_HEIGHT_MAX {
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
            let unbounded = limits::JMESPATH_RANDOM_REPEAT_MAX;
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
            Some((min, "")) => number(min).map(|min| (min, min.max(limits::JMESPATH_RANDOM_REPEAT_MAX))),
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
