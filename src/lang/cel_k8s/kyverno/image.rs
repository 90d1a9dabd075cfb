//! `parseImageReference`, `isImage` and the parts of an image reference, as go-containerregistry's `pkg/name`
//! parses them (not as the container runtime does: `nginx` is of the registry `index.docker.io`).

use crate::gostd::url::Url;
use crate::lang::cel::{Entry, EvalError, Opaque, Value};

use super::super::arguments::{own, text};
use super::super::costs;

pub(super) const ENTRIES: &[Entry] = &[
    Entry::new("image", "string_to_image_deprecated", "(string) -> kyverno.Image", |_, args| {
        parse(text(args, 0)?)
    })
    .costing(costs::reading),
    Entry::new("parseImageReference", "string_to_image", "(string) -> kyverno.Image", |_, args| {
        parse(text(args, 0)?)
    })
    .costing(costs::reading),
    Entry::new("isImage", "is_image_string", "(string) -> bool", |_, args| {
        Ok(Value::Bool(Image::parse(text(args, 0)?).is_some()))
    })
    .costing(costs::reading),
    Entry::new("containsDigest", "image_contains_digest", "kyverno.Image.() -> bool", |_, args| {
        Ok(Value::Bool(own::<Image>(args, 0)?.digest.is_some()))
    }),
    Entry::new("registry", "image_registry", "kyverno.Image.() -> string", |_, args| {
        Ok(Value::string(own::<Image>(args, 0)?.registry.as_str()))
    }),
    Entry::new("repository", "image_repository", "kyverno.Image.() -> string", |_, args| {
        Ok(Value::string(own::<Image>(args, 0)?.repository.as_str()))
    }),
    Entry::new("identifier", "image_identifier", "kyverno.Image.() -> string", |_, args| {
        Ok(Value::string(own::<Image>(args, 0)?.identifier()))
    }),
    Entry::new(
        "identifierWithSeparator",
        "image_identifier_with_separator",
        "kyverno.Image.() -> string",
        |_, args| Ok(Value::string(own::<Image>(args, 0)?.identifier_with_separator())),
    ),
    Entry::new("tag", "image_tag", "kyverno.Image.() -> string", |_, args| {
        let image = own::<Image>(args, 0)?;
        Ok(Value::string(if image.digest.is_some() { "" } else { image.tag.as_str() }))
    }),
    Entry::new("digest", "image_digest", "kyverno.Image.() -> string", |_, args| {
        Ok(Value::string(own::<Image>(args, 0)?.digest.as_deref().unwrap_or("")))
    }),
];

/// A parsed reference: with a digest, the tag beside it is not looked at any more.
#[derive(Debug, PartialEq, Eq)]
struct Image {
    original: String,
    registry: String,
    repository: String,
    tag: String,
    digest: Option<String>,
}

impl Opaque for Image {
    fn type_name(&self) -> &'static str {
        "kyverno.Image"
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }

    fn equals(&self, other: &dyn Opaque) -> bool {
        other.as_any().downcast_ref::<Self>() == Some(self)
    }

    fn to_text(&self) -> String {
        self.original.clone()
    }
}

fn parse<'d>(text: &str) -> Result<Value<'d>, EvalError> {
    match Image::parse(text) {
        Some(image) => Ok(Value::opaque(image)),
        None => Err(EvalError::failed(format!("could not parse reference: {text}"))),
    }
}

impl Image {
    fn parse(text: &str) -> Option<Self> {
        if let Some((registry, repository, tag)) = tagged(text) {
            let tag = tag.unwrap_or("latest").to_owned();
            return Some(Self { original: text.to_owned(), registry, repository, tag, digest: None });
        }
        let (base, digest) = text.split_once('@')?;
        let hex = digest.strip_prefix("sha256:")?;
        let is_hex = hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if digest.contains('@') || !is_hex {
            return None;
        }
        let (registry, repository) = match tagged(base) {
            Some((registry, repository, _)) => (registry, repository),
            None => split(base)?,
        };
        let (original, digest) = (text.to_owned(), Some(digest.to_owned()));
        Some(Self { original, registry, repository, tag: String::new(), digest })
    }

    fn identifier(&self) -> &str {
        self.digest.as_deref().unwrap_or(&self.tag)
    }

    fn identifier_with_separator(&self) -> String {
        let n_repository = self.registry.len() + 1 + self.repository.len();
        match self.original.get(n_repository..) {
            Some(rest) if !rest.is_empty() => rest.to_owned(),
            _ => format!(":{}", self.identifier()),
        }
    }
}

fn consists_of(text: &str, allowed: impl Fn(char) -> bool, min: usize, max: usize) -> bool {
    (min..=max).contains(&text.len()) && text.chars().all(allowed)
}

/// Registry, repository and the tag if there is one.
fn tagged(text: &str) -> Option<(String, String, Option<&str>)> {
    let (base, tag) = match text.rsplit_once(':') {
        Some((base, tag)) if !tag.contains('/') => (base, Some(tag)),
        _ => (text, None),
    };
    let is_tag = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if tag.is_some_and(|tag| !consists_of(tag, is_tag, 1, 128)) {
        return None;
    }
    let (registry, repository) = split(base)?;
    Some((registry, repository, tag))
}

/// Registry and repository of a name.
fn split(name: &str) -> Option<(String, String)> {
    let is_registry = |part: &str| part.contains(['.', ':']) || part == "localhost";
    let (registry, repository) = match name.split_once('/') {
        Some((registry, repository)) if is_registry(registry) => (registry, repository),
        _ => ("", name),
    };
    let is_allowed = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '_' | '-' | '.' | '/');
    if !consists_of(repository, is_allowed, 2, 255) {
        return None;
    }
    let registry = match registry {
        "" | "docker.io" => "index.docker.io",
        other => other,
    };
    if Url::parse(&format!("//{registry}")).ok()?.host() != registry {
        return None;
    }
    let is_implicit = !repository.contains('/') && registry == "index.docker.io";
    let repository = if is_implicit { format!("library/{repository}") } else { repository.to_owned() };
    Some((registry.to_owned(), repository))
}
