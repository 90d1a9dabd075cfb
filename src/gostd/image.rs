//! Container image references as Kyverno reads them (`pkg/utils/image`, over
//! `github.com/distribution/reference`).
//!
//! [`ImageInfo::parse`] adds the default registry, checks the grammar and fills in the default tag; its
//! fields are what policies see under `images` and what `image_normalize` prints. Nothing is looked up in
//! a registry.

use std::fmt;

#[cfg(test)]
mod tests;

/// Longest path of a repository, in bytes; the grammar's own bound.
const PATH_BYTES_MAX: usize = 255;
/// Longest tag, in bytes; the grammar's own bound.
const TAG_BYTES_MAX: usize = 128;
/// Fewest hexadecimal digits of a digest in the grammar.
const DIGEST_DIGITS_MIN: usize = 32;

/// The two settings of Kyverno's configuration that decide how an image without a registry is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageSettings<'a> {
    /// `defaultRegistry`.
    pub default_registry: &'a str,
    /// `enableDefaultRegistryMutation`: whether the default registry shows in the result.
    pub is_registry_mutation_enabled: bool,
}

impl Default for ImageSettings<'_> {
    fn default() -> Self {
        Self {
            default_registry: "docker.io",
            is_registry_mutation_enabled: true,
        }
    }
}

/// An image that does not parse; prints as Kyverno prints it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "bad image: {image}, defaultRegistry: {default_registry}, \
     enableDefaultRegistryMutation: {is_registry_mutation_enabled}: {problem}"
)]
pub struct ImageError {
    /// The image with the default registry in front.
    pub image: String,
    /// The setting at the time.
    pub default_registry: String,
    /// The setting at the time.
    pub is_registry_mutation_enabled: bool,
    /// What is wrong.
    pub problem: ReferenceError,
}

/// Why a text is not a reference, in the words of the Go libraries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// The text is empty.
    #[error("repository name must have at least one component")]
    Empty,
    /// Only upper case is wrong with it.
    #[error("repository name must be lowercase")]
    Uppercase,
    /// It does not follow the grammar.
    #[error("invalid reference format")]
    Format,
    /// The path is longer than 255 bytes.
    #[error("repository name must not be more than 255 characters")]
    TooLong,
    /// The digest does not follow its algorithm's format.
    #[error("invalid checksum digest format")]
    DigestFormat,
    /// The digest has not the length of its algorithm.
    #[error("invalid checksum digest length")]
    DigestLength,
    /// The digest's algorithm is unknown.
    #[error("unsupported digest algorithm")]
    DigestAlgorithm,
}

/// A reference taken apart; absent parts are empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reference<'a> {
    /// Host with optional port.
    pub domain: &'a str,
    /// Repository path without the domain.
    pub path: &'a str,
    /// The tag.
    pub tag: &'a str,
    /// The digest with its algorithm.
    pub digest: &'a str,
}

/// What Kyverno knows of an image; empty fields are left out of its JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageInfo {
    /// `registry`: the host, such as `docker.io`.
    pub registry: String,
    /// `name`: the last part of the path.
    pub name: String,
    /// `path`: the repository path.
    pub path: String,
    /// `tag`; `latest` if the image has neither tag nor digest.
    pub tag: String,
    /// `digest`.
    pub digest: String,
    /// `reference`: what `image_normalize` prints.
    pub reference: String,
    /// `referenceWithTag`.
    pub reference_with_tag: String,
}

impl ImageInfo {
    /// `GetImageInfo` of Kyverno 1.18.
    pub fn parse(image: &str, settings: &ImageSettings<'_>) -> Result<Self, ImageError> {
        let full = with_default_registry(image, settings.default_registry);
        let reference = Reference::parse(&full).map_err(|problem| ImageError {
            image: full.clone(),
            default_registry: settings.default_registry.to_owned(),
            is_registry_mutation_enabled: settings.is_registry_mutation_enabled,
            problem,
        })?;
        let shows_registry = full == image || settings.is_registry_mutation_enabled;
        let registry = if shows_registry { reference.domain } else { "" };
        let path = reference.path;
        let has_version = !(reference.tag.is_empty() && reference.digest.is_empty());
        let tag = if has_version { reference.tag } else { "latest" };
        let slash = if registry.is_empty() { "" } else { "/" };
        let mut info = Self {
            registry: registry.to_owned(),
            name: path.rsplit('/').next().unwrap_or_default().to_owned(),
            path: path.to_owned(),
            tag: tag.to_owned(),
            digest: reference.digest.to_owned(),
            reference: String::new(),
            reference_with_tag: format!("{registry}{slash}{path}:{tag}"),
        };
        info.reference = info.to_string();
        // A first part with an underscore cannot be a host, yet Kyverno shows it as the registry.
        if registry.is_empty()
            && let Some((first, rest)) = path.split_once('/')
            && first.contains('_')
        {
            first.clone_into(&mut info.registry);
            rest.clone_into(&mut info.path);
        }
        Ok(info)
    }
}

/// `ImageInfo.String`: registry and path, with the digest if there is one, else the tag.
impl fmt::Display for ImageInfo {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.registry.is_empty() {
            write!(out, "{}/", self.registry)?;
        }
        out.write_str(&self.path)?;
        if self.digest.is_empty() {
            write!(out, ":{}", self.tag)
        } else {
            write!(out, "@{}", self.digest)
        }
    }
}

/// Puts the default registry before an image whose first part is not a host.
fn with_default_registry(image: &str, default_registry: &str) -> String {
    let is_host = |first: &str| {
        first.contains(['.', ':']) || first == "localhost" || first.to_lowercase() != first
    };
    match image.split_once('/') {
        Some((first, _)) if is_host(first) => image.to_owned(),
        _ => format!("{default_registry}/{image}"),
    }
}

impl<'a> Reference<'a> {
    /// `reference.Parse`: `[domain/]path[:tag][@digest]`.
    pub fn parse(text: &'a str) -> Result<Self, ReferenceError> {
        let Some(parts) = Self::split(text) else {
            return Err(match text {
                "" => ReferenceError::Empty,
                _ if Reference::split(&text.to_lowercase()).is_some() => ReferenceError::Uppercase,
                _ => ReferenceError::Format,
            });
        };
        if parts.path.len() > PATH_BYTES_MAX {
            return Err(ReferenceError::TooLong);
        }
        if !parts.digest.is_empty() {
            check_digest(parts.digest)?;
        }
        Ok(parts)
    }

    /// Takes a text apart if it follows the grammar. An `@` occurs only before the digest, and a colon
    /// after the last slash only before the tag, so that no choice has to be undone.
    fn split(text: &'a str) -> Option<Self> {
        let (named, digest) = match text.split_once('@') {
            Some((named, digest)) => (named, Some(digest)),
            None => (text, None),
        };
        if !digest.is_none_or(is_digest) {
            return None;
        }
        let (name, tag) = match named.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (named, None),
        };
        if !tag.is_none_or(is_tag) {
            return None;
        }
        let (domain, path) = match name.split_once('/') {
            Some((domain, path)) if is_domain(domain) && is_path(path) => (domain, path),
            _ if is_path(name) => ("", name),
            _ => return None,
        };
        Some(Self {
            domain,
            path,
            tag: tag.unwrap_or_default(),
            digest: digest.unwrap_or_default(),
        })
    }
}

fn is_tag(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.len() <= TAG_BYTES_MAX
        && text.bytes().next().is_some_and(is_word)
        && text
            .bytes()
            .all(|byte| is_word(byte) || matches!(byte, b'.' | b'-'))
}

/// Words of letters and digits that begin with a letter, joined by single marks; then a colon and digits.
fn is_digest(text: &str) -> bool {
    let is_word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_alphabetic())
            && word.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    text.split_once(':').is_some_and(|(algorithm, digits)| {
        algorithm.split(['-', '_', '+', '.']).all(is_word)
            && digits.len() >= DIGEST_DIGITS_MIN
            && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

fn is_domain(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let Some((address, port)) = rest.split_once(']') else {
                return false;
            };
            let is_address = |byte: u8| byte.is_ascii_hexdigit() || byte == b':';
            if address.is_empty() || !address.bytes().all(is_address) {
                return false;
            }
            if port.is_empty() {
                return true;
            }
            let Some(port) = port.strip_prefix(':') else {
                return false;
            };
            (None, Some(port))
        }
        None => match text.split_once(':') {
            Some((host, port)) => (Some(host), Some(port)),
            None => (Some(text), None),
        },
    };
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let is_number = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    host.is_none_or(|host| host.split('.').all(is_label)) && port.is_none_or(is_number)
}

fn is_path(text: &str) -> bool {
    text.split('/').all(is_path_part)
}

/// Runs of lower-case letters and digits, joined by one dot, one or two underscores, or any number of
/// dashes.
fn is_path_part(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let mut rest = text;
    loop {
        let after = rest.trim_start_matches(is_plain);
        if after.len() == rest.len() {
            return false;
        }
        if after.is_empty() {
            return true;
        }
        let end = after.find(is_plain).unwrap_or(after.len());
        let Some((separator, next)) = after.split_at_checked(end) else {
            return false;
        };
        let is_separator =
            matches!(separator, "." | "_" | "__") || separator.bytes().all(|byte| byte == b'-');
        if !is_separator {
            return false;
        }
        rest = next;
    }
}

/// `digest.Validate` for a text that [`is_digest`] accepts.
fn check_digest(text: &str) -> Result<(), ReferenceError> {
    let (algorithm, digits) = text.split_once(':').unwrap_or((text, ""));
    let length = match algorithm {
        "sha256" => 64,
        "sha384" => 96,
        "sha512" => 128,
        _ if algorithm.bytes().any(|byte| byte.is_ascii_uppercase()) => {
            return Err(ReferenceError::DigestFormat);
        }
        _ => return Err(ReferenceError::DigestAlgorithm),
    };
    if digits.len() != length {
        return Err(ReferenceError::DigestLength);
    }
    if digits.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(ReferenceError::DigestFormat);
    }
    Ok(())
}
