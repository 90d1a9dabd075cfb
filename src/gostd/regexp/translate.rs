//! Reads Go's regular expression syntax and writes the equivalent for the `regex` crate.
//!
//! The reader follows `regexp/syntax` with the flags of `syntax.Perl`: same acceptance, same first error.
//! The output needs no flags from outside: every piece carries its own.

use std::fmt::Write as _;

use super::{RegexpError, RegexpErrorKind as Kind, class};
use crate::limits::{REGEXP_NESTING_MAX, REGEXP_TEXT_BYTES_MAX};

/// The largest count in a repetition, and of nested repetitions multiplied.
const REPEAT_MAX: u32 = 1000;
/// Go's bound on the instructions of a compiled expression.
const SIZE_MAX: u64 = (128 << 20) / 40;
/// Matches nothing.
const EMPTY_CLASS: &str = r"[^\x{0}-\x{10FFFF}]";

/// What was read.
#[derive(Debug)]
pub(super) struct Translation {
    pub(super) pattern: String,
    /// Group names by number, starting with the whole match.
    pub(super) names: Vec<Box<str>>,
}

#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "the language has four flags")]
struct Flags {
    fold_case: bool,
    multi_line: bool,
    dot_all: bool,
    non_greedy: bool,
}

/// One operand, with what limits need to know about it.
#[derive(Debug)]
struct Item {
    text: String,
    /// Whether a repetition operator can be appended as is.
    is_atom: bool,
    /// The product of the counts of nested repetitions.
    copies: u64,
    size: u64,
}

impl Item {
    fn atom(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            is_atom: true,
            copies: 1,
            size: 1,
        }
    }

    fn group(text: impl Into<String>) -> Self {
        Self {
            is_atom: false,
            ..Self::atom(text)
        }
    }
}

/// An open parenthesis, or the whole expression.
#[derive(Debug, Default)]
struct Frame {
    is_capturing: bool,
    /// The flags to return to when it closes.
    flags_outside: Flags,
    alternatives: Vec<Item>,
    items: Vec<Item>,
}

impl Frame {
    fn end_alternative(&mut self) {
        let items = std::mem::take(&mut self.items);
        let text = items.iter().map(|item| item.text.as_str()).collect();
        self.alternatives.push(Item {
            text,
            is_atom: items.len() == 1 && items.first().is_some_and(|item| item.is_atom),
            copies: items.iter().map(|item| item.copies).max().unwrap_or(1),
            size: items
                .iter()
                .map(|item| item.size)
                .fold(0, u64::saturating_add)
                .max(1),
        });
    }

    /// All alternatives as one item, in a group where `|` asks for one.
    fn close(mut self) -> Item {
        self.end_alternative();
        let texts: Vec<&str> = self
            .alternatives
            .iter()
            .map(|item| item.text.as_str())
            .collect();
        let joined = texts.join("|");
        let n_extra = if self.is_capturing {
            2
        } else {
            texts.len() as u64 - 1
        };
        let sizes = self.alternatives.iter().map(|item| item.size);
        Item {
            is_atom: self.is_capturing
                || self
                    .alternatives
                    .iter()
                    .all(|item| texts.len() == 1 && item.is_atom),
            text: match (self.is_capturing, texts.len()) {
                (true, _) => format!("({joined})"),
                (false, 1) => joined,
                (false, _) => format!("(?:{joined})"),
            },
            copies: self
                .alternatives
                .iter()
                .map(|item| item.copies)
                .max()
                .unwrap_or(1),
            size: sizes.fold(n_extra, u64::saturating_add),
        }
    }
}

struct Reader<'a> {
    whole: &'a str,
    rest: &'a str,
    flags: Flags,
    frame: Frame,
    outer: Vec<Frame>,
    names: Vec<Box<str>>,
}

pub(super) fn translate(source: &str) -> Result<Translation, RegexpError> {
    if source.len() > REGEXP_TEXT_BYTES_MAX {
        return Err(error(Kind::Large, source));
    }
    let mut reader = Reader {
        whole: source,
        rest: source,
        flags: Flags::default(),
        frame: Frame::default(),
        outer: Vec::new(),
        names: vec!["".into()],
    };
    // Where the repetition just read began, to refuse a second one right behind it.
    let mut last_repeat = None;
    while let Some(first) = reader.rest.chars().next() {
        let before = reader.rest;
        last_repeat = if reader.read_piece(first, last_repeat)? {
            Some(before)
        } else {
            None
        };
    }
    if !reader.outer.is_empty() {
        return Err(error(Kind::MissingParen, source));
    }
    let pattern = reader.frame.close().text;
    Ok(Translation {
        pattern,
        names: reader.names,
    })
}

fn error(kind: Kind, fragment: &str) -> RegexpError {
    RegexpError {
        kind,
        fragment: fragment.to_owned(),
    }
}

/// The part of `text` before its end `rest`.
fn before<'a>(text: &'a str, rest: &str) -> &'a str {
    text.get(..text.len().saturating_sub(rest.len()))
        .unwrap_or(text)
}

/// `text` without its first character, which the caller has looked at.
fn skip_one(text: &str) -> &str {
    let mut rest = text.chars();
    rest.next();
    rest.as_str()
}

impl<'a> Reader<'a> {
    /// Reads one construct; returns whether it was a repetition.
    fn read_piece(
        &mut self,
        first: char,
        last_repeat: Option<&'a str>,
    ) -> Result<bool, RegexpError> {
        let after = skip_one(self.rest);
        match first {
            '(' if after.starts_with('?') => self.read_perl_group()?,
            '(' => {
                self.rest = after;
                self.names.push("".into());
                self.open(true, self.flags)?;
            }
            '|' => {
                self.rest = after;
                self.frame.end_alternative();
            }
            ')' => self.read_close(after)?,
            '^' => self.push(
                after,
                Item::group(if self.flags.multi_line {
                    "(?m:^)"
                } else {
                    r"\A"
                }),
            ),
            '$' => self.push(
                after,
                Item::group(if self.flags.multi_line {
                    "(?m:$)"
                } else {
                    r"\z"
                }),
            ),
            '.' => self.push(
                after,
                Item::group(if self.flags.dot_all {
                    "(?s:.)"
                } else {
                    r"[^\n]"
                }),
            ),
            '[' => self.read_class()?,
            '*' | '+' | '?' => {
                let (min, max) = match first {
                    '*' => (0, None),
                    '+' => (1, None),
                    _ => (0, Some(1)),
                };
                self.read_repeat(after, (min, max), &first.to_string(), last_repeat)?;
                return Ok(true);
            }
            '{' => match counts(after) {
                Some((counts, after)) => {
                    self.read_counted(counts, after, last_repeat)?;
                    return Ok(true);
                }
                None => self.push_literal(after, '{'),
            },
            '\\' => self.read_escape()?,
            _ => self.push_literal(after, first),
        }
        Ok(false)
    }

    fn push(&mut self, rest: &'a str, item: Item) {
        self.rest = rest;
        self.frame.items.push(item);
    }

    fn push_literal(&mut self, rest: &'a str, character: char) {
        self.push_code(rest, u32::from(character));
    }

    fn push_code(&mut self, rest: &'a str, code: u32) {
        let item = match char::from_u32(code) {
            // A surrogate is a valid code in Go that no text contains.
            None => Item::atom(EMPTY_CLASS),
            Some(character) => {
                let text = if character.is_ascii_alphanumeric() {
                    character.to_string()
                } else {
                    format!(r"\x{{{code:X}}}")
                };
                let has_case = character.is_ascii_alphabetic() || !character.is_ascii();
                if self.flags.fold_case && has_case {
                    Item::atom(format!("(?i:{text})"))
                } else {
                    Item::atom(text)
                }
            }
        };
        self.push(rest, item);
    }

    fn push_set(&mut self, rest: &'a str, set: &str) {
        let fold = if self.flags.fold_case { "(?i:" } else { "(?:" };
        self.push(rest, Item::atom(format!("{fold}[{set}])")));
    }

    fn open(&mut self, is_capturing: bool, inside: Flags) -> Result<(), RegexpError> {
        if self.outer.len() >= REGEXP_NESTING_MAX as usize {
            return Err(error(Kind::NestingDepth, self.whole));
        }
        let frame = Frame {
            is_capturing,
            flags_outside: self.flags,
            ..Frame::default()
        };
        self.outer.push(std::mem::replace(&mut self.frame, frame));
        self.flags = inside;
        Ok(())
    }

    fn read_close(&mut self, rest: &'a str) -> Result<(), RegexpError> {
        let Some(outer) = self.outer.pop() else {
            return Err(error(Kind::UnexpectedParen, self.whole));
        };
        let closed = std::mem::replace(&mut self.frame, outer);
        self.flags = closed.flags_outside;
        let mut item = closed.close();
        if item.text.is_empty() {
            // A repetition needs something to hold on to.
            "(?:)".clone_into(&mut item.text);
        }
        self.push(rest, item);
        Ok(())
    }

    /// `(?P<name>`, `(?<name>`, `(?flags)` and `(?flags:`.
    fn read_perl_group(&mut self) -> Result<(), RegexpError> {
        let start = self.rest;
        let inside = start.get(2..).unwrap_or_default();
        let has_name = |prefix: &str| inside.len() > prefix.len() && inside.starts_with(prefix);
        if has_name("P<") || has_name("<") {
            let name = inside.split_once('<').map_or("", |(_, name)| name);
            let Some((name, rest)) = name.split_once('>') else {
                return Err(error(Kind::NamedCapture, start));
            };
            let is_valid =
                !name.is_empty() && name.bytes().all(|b| b == b'_' || b.is_ascii_alphanumeric());
            if !is_valid {
                return Err(error(Kind::NamedCapture, before(start, rest)));
            }
            self.rest = rest;
            self.names.push(name.into());
            return self.open(true, self.flags);
        }
        let mut flags = self.flags;
        let (mut is_negated, mut has_flag) = (false, false);
        let mut rest = inside.chars();
        while let Some(letter) = rest.next() {
            match letter {
                'i' => flags.fold_case = !is_negated,
                'm' => flags.multi_line = !is_negated,
                's' => flags.dot_all = !is_negated,
                'U' => flags.non_greedy = !is_negated,
                '-' if !is_negated => is_negated = true,
                ':' | ')' if !is_negated || has_flag => {
                    self.rest = rest.as_str();
                    if letter == ':' {
                        return self.open(false, flags);
                    }
                    self.flags = flags;
                    return Ok(());
                }
                _ => break,
            }
            has_flag = letter != '-';
        }
        Err(error(Kind::PerlOp, before(start, rest.as_str())))
    }

    fn read_counted(
        &mut self,
        (min, max): (u32, Option<u32>),
        after: &'a str,
        last_repeat: Option<&'a str>,
    ) -> Result<(), RegexpError> {
        let cited = self.rest;
        if min > REPEAT_MAX || max.is_some_and(|max| !(min..=REPEAT_MAX).contains(&max)) {
            return Err(error(Kind::RepeatSize, before(cited, after)));
        }
        let operator = match max {
            None => format!("{{{min},}}"),
            Some(max) => format!("{{{min},{max}}}"),
        };
        self.read_repeat(after, (min, max), &operator, last_repeat)?;
        let is_counted = min >= 2 || max.is_some_and(|max| max >= 2);
        let copies = self.frame.items.last().map_or(1, |item| item.copies);
        if is_counted && copies > u64::from(REPEAT_MAX) {
            return Err(error(Kind::RepeatSize, before(cited, self.rest)));
        }
        Ok(())
    }

    /// Applies a repetition to the last item; `after` is what follows its operator.
    fn read_repeat(
        &mut self,
        after: &'a str,
        (min, max): (u32, Option<u32>),
        operator: &str,
        last_repeat: Option<&'a str>,
    ) -> Result<(), RegexpError> {
        let start = self.rest;
        let lazy_mark = after.strip_prefix('?');
        let is_lazy = self.flags.non_greedy != lazy_mark.is_some();
        self.rest = lazy_mark.unwrap_or(after);
        if let Some(last) = last_repeat {
            return Err(error(Kind::RepeatOp, before(last, self.rest)));
        }
        let Some(item) = self.frame.items.pop() else {
            return Err(error(Kind::MissingRepeatArgument, before(start, self.rest)));
        };
        let is_counted = operator.starts_with('{');
        let copies = match max.unwrap_or(min) {
            _ if !is_counted => item.copies,
            0 if max == Some(0) => 1,
            0 => item.copies,
            times => item.copies.saturating_mul(u64::from(times)),
        };
        let size = match max {
            Some(max) => item
                .size
                .saturating_mul(u64::from(max))
                .saturating_add(u64::from(max - min)),
            None => item
                .size
                .saturating_mul(u64::from(min.max(1)))
                .saturating_add(2),
        };
        if size > SIZE_MAX {
            return Err(error(Kind::Large, self.whole));
        }
        let mark = if is_lazy { "?" } else { "" };
        let text = if item.is_atom {
            format!("{}{operator}{mark}", item.text)
        } else {
            format!("(?:{}){operator}{mark}", item.text)
        };
        self.frame.items.push(Item {
            text,
            is_atom: false,
            copies,
            size: size.max(1),
        });
        Ok(())
    }

    fn read_escape(&mut self) -> Result<(), RegexpError> {
        let after = skip_one(self.rest);
        let letter = after.chars().next();
        let rest = skip_one(after);
        match letter {
            Some('A') => self.push(rest, Item::group(r"\A")),
            Some('z') => self.push(rest, Item::group(r"\z")),
            Some('b') => self.push(rest, Item::group(r"(?-u:\b)")),
            Some('B') => self.push(rest, Item::group(r"(?-u:\B)")),
            Some('C') => return Err(error(Kind::Escape, before(self.rest, rest))),
            Some('Q') => {
                let (literal, rest) = rest.split_once(r"\E").unwrap_or((rest, ""));
                for character in literal.chars() {
                    self.push_literal(rest, character);
                }
                self.rest = rest;
            }
            Some('p' | 'P') => {
                let (set, rest) = unicode_set(self.rest)?;
                self.push_set(rest, &set);
            }
            Some(letter) if let Some(set) = class::perl(letter) => self.push_set(rest, set),
            _ => {
                let (code, rest) = escaped_code(self.rest)?;
                self.push_code(rest, code);
            }
        }
        Ok(())
    }

    /// A bracket expression.
    fn read_class(&mut self) -> Result<(), RegexpError> {
        let start = self.rest;
        let mut rest = skip_one(start);
        let mut set = String::new();
        if let Some(after) = rest.strip_prefix('^') {
            rest = after;
            set.push('^');
        }
        let n_prefix = set.len();
        let mut is_first = true;
        while is_first || !rest.starts_with(']') {
            is_first = false;
            rest = read_class_item(&mut set, rest, start)?;
        }
        if set.len() == n_prefix {
            // All ranges held only surrogates.
            set.push_str(EMPTY_CLASS);
        }
        self.push_set(skip_one(rest), &set);
        Ok(())
    }
}

/// Reads one element of a bracket expression into `set`; returns what follows.
fn read_class_item<'a>(
    set: &mut String,
    text: &'a str,
    whole: &str,
) -> Result<&'a str, RegexpError> {
    if let Some(inside) = text.strip_prefix("[:")
        && let Some((name, rest)) = inside.split_once(":]")
    {
        let named = class::posix(name).ok_or_else(|| error(Kind::CharRange, before(text, rest)))?;
        set.push_str(&named);
        return Ok(rest);
    }
    if let Some(letter) = text
        .strip_prefix('\\')
        .and_then(|after| after.chars().next())
    {
        if matches!(letter, 'p' | 'P') {
            let (named, rest) = unicode_set(text)?;
            set.push_str(&named);
            return Ok(rest);
        }
        if let Some(named) = class::perl(letter) {
            set.push_str(named);
            return Ok(text.get(2..).unwrap_or_default());
        }
    }
    let (low, mut rest) = class_code(text, whole)?;
    let mut high = low;
    if let Some(after) = rest.strip_prefix('-')
        && !after.is_empty()
        && !after.starts_with(']')
    {
        (high, rest) = class_code(after, whole)?;
        if high < low {
            return Err(error(Kind::CharRange, before(text, rest)));
        }
    }
    // Surrogates are valid codes in Go that no text contains.
    let low = if (0xd800..0xe000).contains(&low) {
        0xe000
    } else {
        low
    };
    let high = if (0xd800..0xe000).contains(&high) {
        0xd7ff
    } else {
        high
    };
    if low <= high {
        // Writing to a String cannot fail.
        let _ = write!(set, r"\x{{{low:X}}}-\x{{{high:X}}}");
    }
    Ok(rest)
}

fn class_code<'a>(text: &'a str, whole: &str) -> Result<(u32, &'a str), RegexpError> {
    match text.chars().next() {
        None => Err(error(Kind::MissingBracket, whole)),
        Some('\\') => escaped_code(text),
        Some(character) => Ok((u32::from(character), skip_one(text))),
    }
}

/// Reads `\pN`, `\p{Name}` or `\p{^Name}`; returns the set and what follows.
fn unicode_set(text: &str) -> Result<(String, &str), RegexpError> {
    let mut is_negated = text.starts_with(r"\P");
    let after = text.get(2..).unwrap_or_default();
    let (mut name, rest) = if let Some(inside) = after.strip_prefix('{') {
        inside
            .split_once('}')
            .ok_or_else(|| error(Kind::CharRange, text))?
    } else {
        let rest = skip_one(after);
        (before(after, rest), rest)
    };
    if let Some(positive) = name.strip_prefix('^') {
        is_negated = !is_negated;
        name = positive;
    }
    let set = class::unicode(name, is_negated)
        .ok_or_else(|| error(Kind::CharRange, before(text, rest)))?;
    Ok((set, rest))
}

/// Reads an escape that stands for one character; returns its code, which may be a surrogate.
fn escaped_code(text: &str) -> Result<(u32, &str), RegexpError> {
    let after = skip_one(text);
    let Some(letter) = after.chars().next() else {
        return Err(error(Kind::TrailingBackslash, ""));
    };
    let mut rest = skip_one(after);
    let code = match letter {
        '1'..='7' if !rest.starts_with(|c| ('0'..='7').contains(&c)) => None,
        '0'..='7' => {
            let mut code = letter.to_digit(8);
            for _ in 0..2 {
                let Some(digit) = rest.chars().next().and_then(|c| c.to_digit(8)) else {
                    break;
                };
                code = code.map(|code| code * 8 + digit);
                rest = skip_one(rest);
            }
            code
        }
        'x' => {
            let (code, after) = hex_code(rest);
            rest = after;
            code
        }
        'a' => Some(0x07),
        'f' => Some(0x0c),
        'n' => Some(0x0a),
        'r' => Some(0x0d),
        't' => Some(0x09),
        'v' => Some(0x0b),
        _ if letter.is_ascii() && !letter.is_ascii_alphanumeric() => Some(u32::from(letter)),
        _ => None,
    };
    code.map(|code| (code, rest))
        .ok_or_else(|| error(Kind::Escape, before(text, rest)))
}

/// Reads `41` or `{10FFFF}`; the rest starts after what Go has looked at, also where it is wrong.
fn hex_code(text: &str) -> (Option<u32>, &str) {
    let Some(inside) = text.strip_prefix('{') else {
        let digit = |text: &str| text.chars().next().and_then(|c| c.to_digit(16));
        let second = skip_one(text);
        let code = digit(text)
            .zip(digit(second))
            .map(|(high, low)| high * 16 + low);
        return (
            code,
            if text.is_empty() {
                text
            } else {
                skip_one(second)
            },
        );
    };
    let mut rest = inside;
    let mut code = None;
    while let Some(character) = rest.chars().next() {
        rest = skip_one(rest);
        if character == '}' {
            return (code, rest);
        }
        let next = character
            .to_digit(16)
            .map(|digit| code.unwrap_or(0) * 16 + digit);
        if next.is_none_or(|next| next > 0x0010_ffff) {
            return (None, rest);
        }
        code = next;
    }
    (None, rest)
}

/// Reads the inside of `{n}`, `{n,}` or `{n,m}`: the minimum, the maximum if there is one, and what
/// follows. A number that is too big is the largest integer. `None` if the text has another form and the
/// brace is literal.
fn counts(text: &str) -> Option<((u32, Option<u32>), &str)> {
    let (min, rest) = count(text)?;
    let (max, rest) = match rest.strip_prefix(',') {
        None => (Some(min), rest),
        Some(rest) if rest.starts_with('}') => (None, rest),
        Some(rest) => count(rest).map(|(max, rest)| (Some(max), rest))?,
    };
    Some(((min, max), rest.strip_prefix('}')?))
}

fn count(text: &str) -> Option<(u32, &str)> {
    let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = before(text, rest);
    if digits.is_empty() || digits.len() > 1 && digits.starts_with('0') {
        return None;
    }
    Some((digits.parse().unwrap_or(u32::MAX), rest))
}
