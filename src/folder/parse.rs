//! Builds the document of one manifest. JSON is tried first where the text starts like it; YAML resolves as
//! Go's `sigs.k8s.io/yaml` does (octal numbers, YAML 1.1 booleans, the last of equal keys, merged `<<`, whole
//! floats as integers).

use std::borrow::Cow;

use serde_saphyr::Options;
use serde_saphyr::options::DuplicateKeyPolicy;

use super::{Format, Manifest, Problem};
use crate::document::{Document, DocumentBuilder, DocumentError, Kind};
use crate::inventory::Origin;
use crate::limits;
use crate::model::Gvk;

/// Why a manifest is not a document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{origin}: {message}")]
pub struct ManifestError {
    /// The line of the mistake in the file.
    pub origin: Origin,
    /// What is wrong.
    pub message: String,
}

impl From<ManifestError> for Problem {
    fn from(error: ManifestError) -> Self {
        Self { origin: error.origin, message: error.message }
    }
}

impl Manifest {
    /// Parses the manifest.
    pub fn parse(&self) -> Result<Document, ManifestError> {
        let bytes = match self.format {
            Format::YamlItem => Cow::Owned(without_dash(self.bytes())),
            Format::Json | Format::Yaml | Format::Rewritten => Cow::Borrowed(self.bytes()),
        };
        let document = parse_text(&bytes, &self.origin)?;
        if document.root().kind() != Kind::Object {
            return Err(ManifestError { origin: self.origin.clone(), message: "is not an object".into() });
        }
        Ok(match &self.item_kind {
            Some(gvk) if document.root().get("kind").is_none() => with_kind(&document, gvk),
            _ => document,
        })
    }
}

/// The entry of a YAML list as a document of its own: the dash becomes a space, so that all columns stay.
fn without_dash(bytes: &[u8]) -> Vec<u8> {
    let mut text = bytes.to_vec();
    if let Some(dash) = text.iter_mut().find(|byte| **byte == b'-') {
        *dash = b' ';
    }
    text
}

fn with_kind(document: &Document, gvk: &Gvk) -> Document {
    let mut builder = DocumentBuilder::new();
    builder.open_object();
    builder.key("apiVersion");
    builder.string(&gvk.api_version());
    builder.key("kind");
    builder.string(&gvk.kind);
    for (key, value) in document.root().entries().filter(|(key, _)| *key != "apiVersion") {
        builder.key(key);
        builder.node(value);
    }
    builder.finish()
}

/// Parses JSON or YAML text that starts at `origin`.
pub(super) fn parse_text(bytes: &[u8], origin: &Origin) -> Result<Document, ManifestError> {
    if bytes.len() > limits::DOCUMENT_BYTES_MAX {
        let message = DocumentError::TooLarge.to_string();
        return Err(ManifestError { origin: origin.clone(), message });
    }
    let start = bytes.trim_ascii_start();
    if !matches!(start.first(), Some(b'{' | b'[')) {
        return yaml(bytes, origin);
    }
    let error = match Document::from_json(bytes) {
        Ok(document) => return Ok(document),
        Err(DocumentError::Json(error)) if !error.is_syntax() => {
            return Err(json_error(&error, bytes, origin));
        }
        Err(error) => error,
    };
    let is_json =
        matches!(start.get(1..).unwrap_or_default().trim_ascii_start().first(), Some(b'"' | b'{' | b'['));
    match (yaml(bytes, origin), error) {
        (Ok(document), _) => Ok(document),
        (Err(_), DocumentError::Json(error)) if is_json => Err(json_error(&error, bytes, origin)),
        (Err(error), _) => Err(error),
    }
}

fn json_error(error: &serde_json::Error, bytes: &[u8], origin: &Origin) -> ManifestError {
    if let Err(error) = std::str::from_utf8(bytes) {
        return not_utf8(error, bytes, origin);
    }
    let text = error.to_string();
    let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
    let what = match what {
        "recursion limit exceeded" => format!("nested deeper than {} levels", limits::DOCUMENT_DEPTH_MAX),
        what => what.to_owned(),
    };
    let message = format!("is not JSON: {what}, in column {}", error.column());
    ManifestError { origin: line_below(origin, error.line()), message }
}

fn not_utf8(error: std::str::Utf8Error, bytes: &[u8], origin: &Origin) -> ManifestError {
    let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
    let line = memchr::memchr_iter(b'\n', good).count() + 1;
    ManifestError { origin: line_below(origin, line), message: "is not UTF-8".into() }
}

/// The origin of a line, counted from 1 at `origin`.
fn line_below(origin: &Origin, line: usize) -> Origin {
    let below = u32::try_from(line.saturating_sub(1)).unwrap_or(u32::MAX);
    origin.at(origin.line.max(1).saturating_add(below))
}

fn yaml(bytes: &[u8], origin: &Origin) -> Result<Document, ManifestError> {
    let text = std::str::from_utf8(bytes).map_err(|error| not_utf8(error, bytes, origin))?;
    parse_yaml(text).map_err(|error| {
        let line = error.location().map_or(1, |location| location.line());
        let message = format!("is not YAML: {}", plain_message(&error));
        ManifestError { origin: line_below(origin, usize::try_from(line).unwrap_or(1)), message }
    })
}

/// Parses one YAML document of a size that the caller has checked.
pub fn parse_yaml(text: &str) -> Result<Document, serde_saphyr::Error> {
    let document = serde_saphyr::with_deserializer_from_str_with_options(text, options(), |deserializer| {
        Document::from_deserializer(deserializer, text.len())
    })?;
    Ok(document.with_whole_floats_as_integers())
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_nodes: limits::YAML_NODES_MAX,
            max_events: limits::YAML_NODES_MAX * 2,
            max_depth: limits::YAML_DEPTH_MAX,
            max_total_scalar_bytes: limits::DOCUMENT_BYTES_MAX,
        },
        duplicate_keys: DuplicateKeyPolicy::LastWins,
        legacy_octal_numbers: true,
        emit_comments: false,
        with_snippet: false,
    }
}

/// The message without the place, which is told apart.
fn plain_message(error: &serde_saphyr::Error) -> String {
    let text = error.without_snippet().to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let text = text.split('\n').next().unwrap_or_default();
    let place = error.location().map(|at| format!(" at line {}, column {}", at.line(), at.column()));
    let column = error.location().map_or(String::new(), |at| format!(", in column {}", at.column()));
    let text =
        place.and_then(|place| text.strip_suffix(place.as_str()).map(str::to_owned)).unwrap_or(text.into());
    format!("{text}{column}")
}
