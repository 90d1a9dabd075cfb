//! Versions and version ranges as `github.com/blang/semver/v4` reads and compares them.
//!
//! Used by Kyverno's `semver_compare`, its condition operators and Kubernetes' CEL `semver`. Versions
//! compare without build metadata. Ranges are comparators joined by spaces (and) and `||` (or); `x` stands
//! for any patch or minor number, with the library's own peculiarities, which are kept.

use std::cmp::Ordering;
use std::fmt;

use super::strconv::{atoi, parse_uint, quote};

#[cfg(test)]
mod tests;

/// Why a text is not a version or range, in the library's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SemverError(String);

fn error<T>(message: impl Into<String>) -> Result<T, SemverError> {
    Err(SemverError(message.into()))
}

/// A semantic version; the default is 0.0.0.
#[derive(Debug, Clone, Default)]
pub struct Version {
    /// The first number.
    pub major: u64,
    /// The second number.
    pub minor: u64,
    /// The third number.
    pub patch: u64,
    prerelease: Vec<Identifier>,
    build: Vec<Box<str>>,
}

/// A part of a prerelease; numbers come before words.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Identifier {
    Number(u64),
    Word(Box<str>),
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_alphanumeric(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn number(text: &str, place: &str) -> Result<u64, SemverError> {
    if !is_digits(text) {
        return error(format!(
            "Invalid character(s) found in {} number {}",
            place.to_lowercase(),
            quote(text)
        ));
    }
    if text.len() > 1 && text.starts_with('0') {
        return error(format!(
            "{place} number must not contain leading zeroes {}",
            quote(text)
        ));
    }
    parse_uint(text).map_err(|cause| SemverError(cause.to_string()))
}

impl Identifier {
    fn parse(text: &str) -> Result<Self, SemverError> {
        if text.is_empty() {
            return error("Prerelease is empty");
        }
        if is_digits(text) {
            if text.len() > 1 && text.starts_with('0') {
                let shown = quote(text);
                return error(format!(
                    "Numeric PreRelease version must not contain leading zeroes {shown}"
                ));
            }
            return parse_uint(text)
                .map(Self::Number)
                .map_err(|cause| SemverError(cause.to_string()));
        }
        if !is_alphanumeric(text) {
            return error(format!(
                "Invalid character(s) found in prerelease {}",
                quote(text)
            ));
        }
        Ok(Self::Word(text.into()))
    }
}

impl Version {
    /// `semver.Parse`: exactly `major.minor.patch`, then optionally `-prerelease` and `+build`.
    pub fn parse(text: &str) -> Result<Self, SemverError> {
        if text.is_empty() {
            return error("Version string empty");
        }
        let mut parts = text.splitn(3, '.');
        let (Some(major), Some(minor), Some(rest)) = (parts.next(), parts.next(), parts.next())
        else {
            return error("No Major.Minor.Patch elements found");
        };
        let major = number(major, "Major")?;
        let minor = number(minor, "Minor")?;
        let (rest, build) = rest
            .split_once('+')
            .map_or((rest, None), |(rest, build)| (rest, Some(build)));
        let (patch, prerelease) = rest
            .split_once('-')
            .map_or((rest, None), |(patch, pre)| (patch, Some(pre)));
        let patch = number(patch, "Patch")?;
        let prerelease = prerelease
            .into_iter()
            .flat_map(|list| list.split('.'))
            .map(Identifier::parse)
            .collect::<Result<_, _>>()?;
        let build = build
            .into_iter()
            .flat_map(|list| list.split('.'))
            .map(|part| {
                if part.is_empty() {
                    return error("Build meta data is empty");
                }
                if !is_alphanumeric(part) {
                    return error(format!(
                        "Invalid character(s) found in build meta data {}",
                        quote(part)
                    ));
                }
                Ok(part.into())
            });
        Ok(Self {
            major,
            minor,
            patch,
            prerelease,
            build: build.collect::<Result<_, _>>()?,
        })
    }

    /// The reading of Kubernetes' CEL `semver(text, true)`: a leading `v` and leading zeros are dropped,
    /// missing numbers are zero.
    pub fn parse_normalized(text: &str) -> Result<Self, SemverError> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let mut parts: Vec<String> = text
            .splitn(3, '.')
            .map(|part| {
                let trimmed = part.trim_start_matches('0');
                if part.len() > 1 && !trimmed.starts_with(|c: char| c.is_ascii_digit()) {
                    format!("0{trimmed}")
                } else if part.len() > 1 {
                    trimmed.to_owned()
                } else {
                    part.to_owned()
                }
            })
            .collect();
        if parts.len() < 3 {
            if parts.last().is_some_and(|last| last.contains(['+', '-'])) {
                return error("short version cannot contain PreRelease/Build meta data");
            }
            parts.resize(3, "0".to_owned());
        }
        Self::parse(&parts.join("."))
    }
}

/// Order by precedence; build metadata does not count.
impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let numbers = |version: &Self| (version.major, version.minor, version.patch);
        numbers(self).cmp(&numbers(other)).then_with(|| {
            match (self.prerelease.is_empty(), other.prerelease.is_empty()) {
                (true, true) => Ordering::Equal,
                (true, false) => Ordering::Greater,
                (false, true) => Ordering::Less,
                (false, false) => self.prerelease.cmp(&other.prerelease),
            }
        })
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version {}

impl fmt::Display for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}.{}", self.major, self.minor, self.patch)?;
        for (position, identifier) in self.prerelease.iter().enumerate() {
            out.write_str(if position == 0 { "-" } else { "." })?;
            match identifier {
                Identifier::Number(number) => write!(out, "{number}")?,
                Identifier::Word(word) => out.write_str(word)?,
            }
        }
        for (position, part) in self.build.iter().enumerate() {
            out.write_str(if position == 0 { "+" } else { "." })?;
            out.write_str(part)?;
        }
        Ok(())
    }
}

/// A range of versions: alternatives of comparators that must all hold.
#[derive(Debug, Clone)]
pub struct Range {
    alternatives: Vec<Vec<Comparator>>,
}

#[derive(Debug, Clone)]
struct Comparator {
    operator: Operator,
    version: Version,
}

#[derive(Debug, Clone, Copy)]
enum Operator {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

impl Range {
    /// `semver.ParseRange`: `>1.0.0 <2.0.0 || >=3.0.0 !3.0.1`, `1.2.x`.
    pub fn parse(text: &str) -> Result<Self, SemverError> {
        let parts = split_parts(text);
        let mut alternatives = vec![Vec::new()];
        for (position, part) in parts.iter().enumerate() {
            if part != "||" {
                if let Some(last) = alternatives.last_mut() {
                    last.push(part.as_str());
                }
            } else if position == 0 {
                return error("First element in range is '||'");
            } else {
                alternatives.push(Vec::new());
            }
        }
        if alternatives.last().is_none_or(Vec::is_empty) {
            return error("Last element in range is '||'");
        }
        // All wildcards are expanded before any comparator is read, so that errors come in the library's
        // order.
        let expanded = alternatives
            .iter()
            .map(|parts| {
                parts
                    .iter()
                    .map(|part| expand(part))
                    .collect::<Result<Vec<_>, _>>()
            })
            .collect::<Result<Vec<_>, _>>()?;
        let alternatives = expanded
            .iter()
            .map(|parts| {
                parts
                    .iter()
                    .flatten()
                    .map(|part| Comparator::parse(part))
                    .collect()
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { alternatives })
    }

    /// Whether a version is in the range. An alternative without comparators (`|| ||`), at which the
    /// library crashes, holds nothing.
    pub fn contains(&self, version: &Version) -> bool {
        self.alternatives
            .iter()
            .any(|all| !all.is_empty() && all.iter().all(|comparator| comparator.holds(version)))
    }
}

/// Splits at spaces that do not follow an operator. Parts of a single character are lost, as in the
/// library.
fn split_parts(text: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut part = String::new();
    let mut last = None;
    let mut keep = |part: &mut String| {
        let taken = std::mem::take(part);
        if taken.len() > 1 {
            parts.push(taken.replace(' ', ""));
        }
    };
    for character in text.chars() {
        if character == ' ' && !matches!(last, Some('>' | '<' | '=')) {
            keep(&mut part);
            continue;
        }
        part.push(character);
        if character != ' ' {
            last = Some(character);
        }
    }
    keep(&mut part);
    parts
}

fn split_operator(part: &str) -> Result<(&str, &str), SemverError> {
    let start = part.find(|c: char| c.is_ascii_digit());
    match start.and_then(|start| part.split_at_checked(start)) {
        Some((operator, version)) => Ok((operator.trim(), version)),
        None => error(format!(
            "Could not get version from string: {}",
            quote(part)
        )),
    }
}

/// Replaces a comparator that has an `x` by ones that have none.
fn expand(part: &str) -> Result<Vec<String>, SemverError> {
    if !part.contains('x') {
        return Ok(vec![part.to_owned()]);
    }
    let (operator, version) = split_operator(part)?;
    let flat = version.replacen(".x.x", ".x", 1).replacen(".x", ".0", 1);
    let flat = if flat.split('.').count() == 2 {
        format!("{flat}.0")
    } else {
        flat
    };
    // The number before the wildcard is raised; without a wildcard at the end there is none, and nothing
    // is left.
    let raised = || match (
        version.rsplit('.').next() == Some("x"),
        version.split('.').count(),
    ) {
        (true, 2) => raise(&flat, 0),
        (true, 3) => raise(&flat, 1),
        _ => String::new(),
    };
    Ok(match operator {
        ">" => vec![format!(">={}", raised())],
        "<=" => vec![format!("<{}", raised())],
        ">=" | "<" => vec![format!("{operator}{flat}")],
        "" | "=" | "==" => vec![format!(">={flat}"), format!("<{}", raised())],
        "!" | "!=" => vec![format!("<{flat}"), format!(">={}", raised())],
        _ => vec![flat],
    })
}

fn raise(version: &str, place: usize) -> String {
    let mut parts: Vec<String> = version.split('.').map(str::to_owned).collect();
    match parts.get_mut(place).map(|part| (atoi(part), part)) {
        Some((Ok(number), part)) => {
            *part = number.wrapping_add(1).to_string();
            parts.join(".")
        }
        _ => String::new(),
    }
}

impl Comparator {
    fn parse(part: &str) -> Result<Self, SemverError> {
        let (operator_text, version_text) = split_operator(part)?;
        let shown = || quote(&format!("{operator_text}{version_text}"));
        let operator = match operator_text {
            "" | "=" | "==" => Operator::Equal,
            "!" | "!=" => Operator::NotEqual,
            ">" => Operator::Greater,
            ">=" => Operator::GreaterOrEqual,
            "<" => Operator::Less,
            "<=" => Operator::LessOrEqual,
            _ => {
                return error(format!(
                    "Could not parse Range {}: Could not parse comparator {} in {}",
                    quote(part),
                    quote(operator_text),
                    shown()
                ));
            }
        };
        match Version::parse(version_text) {
            Ok(version) => Ok(Self { operator, version }),
            Err(cause) => error(format!(
                "Could not parse Range {}: Could not parse version {} in {}: {cause}",
                quote(part),
                quote(version_text),
                shown()
            )),
        }
    }

    fn holds(&self, version: &Version) -> bool {
        let order = version.cmp(&self.version);
        match self.operator {
            Operator::Equal => order.is_eq(),
            Operator::NotEqual => order.is_ne(),
            Operator::Greater => order.is_gt(),
            Operator::GreaterOrEqual => order.is_ge(),
            Operator::Less => order.is_lt(),
            Operator::LessOrEqual => order.is_le(),
        }
    }
}
