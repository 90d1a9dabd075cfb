//! Kyverno's functions that decode and encode: base64, JSON, YAML, hashes.

use super::{Answer, Arguments, Function, STRING};
use crate::document::{Document, Value};
use crate::lang::jmespath::{EvaluateError, go_json};
use base64::Engine as _;

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("base64_decode", &[STRING], base64_decode),
    Function::new("base64_encode", &[STRING], |a| {
        a.owned(base64::engine::general_purpose::STANDARD.encode(a.text(0)))
    }),
    Function::new("md5", &[STRING], hashed::<md5::Md5>),
    Function::new("parse_json", &[STRING], parse_json),
    Function::new("parse_yaml", &[STRING], parse_yaml),
    Function::new("sha1", &[STRING], hashed::<sha1::Sha1>),
    Function::new("sha256", &[STRING], hashed::<sha2::Sha256>),
];

fn hashed<'d, H: sha2::Digest>(a: &Arguments<'_, 'd>) -> Answer<'d> {
    a.env().charge_text(a.text(0).len())?;
    let digits = H::digest(a.text(0)).iter().flat_map(|byte| [byte >> 4, byte & 0xf]).collect::<Vec<u8>>();
    let hash = digits.into_iter().filter_map(|digit| char::from_digit(digit.into(), 16));
    Ok(Value::owned(hash.collect::<String>()))
}

fn base64_decode<'d>(a: &Arguments<'_, 'd>) -> Answer<'d> {
    let bytes = decode_base64(a.text(0).as_bytes())
        .map_err(|at| EvaluateError::other(format!("illegal base64 data at input byte {at}")))?;
    a.owned(replace_invalid(&bytes))
}

/// Text of bytes, with U+FFFD for every byte that is no UTF-8, as Go's JSON encoder writes such strings.
fn replace_invalid(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    text
}

/// Go's `base64.StdEncoding`: line ends are skipped, padding is required, spare bits are ignored. The error is the offset of what is wrong.
fn decode_base64(bytes: &[u8]) -> Result<Vec<u8>, usize> {
    let mut symbols =
        bytes.iter().copied().enumerate().filter(|(_, byte)| !matches!(byte, b'\r' | b'\n')).peekable();
    let mut decoded = Vec::with_capacity(bytes.len() / 4 * 3);
    loop {
        let mut group = [0_u8; 4];
        let mut n_symbols = 0;
        let mut is_padded = false;
        while n_symbols < 4 && !is_padded {
            let Some((at, byte)) = symbols.next() else {
                return if n_symbols == 0 { Ok(decoded) } else { Err(bytes.len() - n_symbols) };
            };
            match value_of(byte) {
                Some(value) => {
                    if let Some(slot) = group.get_mut(n_symbols) {
                        *slot = value;
                    }
                    n_symbols += 1;
                }
                None if byte == b'=' && n_symbols >= 2 => is_padded = true,
                None => return Err(at),
            }
        }
        if is_padded {
            if n_symbols == 2 {
                match symbols.next() {
                    None => return Err(bytes.len()),
                    Some((_, b'=')) => {}
                    Some((at, _)) => return Err(at),
                }
            }
            if let Some((at, _)) = symbols.peek() {
                return Err(*at);
            }
        }
        let [a, b, c, d] = group;
        let three = [(a << 2) | (b >> 4), (b << 4) | (c >> 2), (c << 6) | d];
        decoded.extend(three.iter().take(n_symbols.saturating_sub(1)));
    }
}

fn value_of(symbol: u8) -> Option<u8> {
    match symbol {
        b'A'..=b'Z' => Some(symbol - b'A'),
        b'a'..=b'z' => Some(symbol - b'a' + 26),
        b'0'..=b'9' => Some(symbol - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

/// The document as a value of its own: it is not part of anything that outlives the evaluation.
pub(super) fn detached<'d>(a: &Arguments<'_, 'd>, document: &Document) -> Answer<'d> {
    fn copy<'d>(a: &Arguments<'_, 'd>, value: &Value<'_>) -> Answer<'d> {
        a.env().step()?;
        Ok(match value {
            Value::Null => Value::Null,
            Value::Bool(value) => Value::Bool(*value),
            Value::Int(value) => Value::Int(*value),
            Value::Float(value) => Value::Float(*value),
            Value::String(text) => Value::owned(text.as_str()),
            container => {
                if let Some(items) = container.items() {
                    return Ok(Value::list(
                        items.iter().map(|item| copy(a, item)).collect::<Result<_, _>>()?,
                    ));
                }
                let entries = container.entries().unwrap_or_default();
                let copied =
                    entries.iter().map(|(key, value)| Ok((key.as_str().to_owned().into(), copy(a, value)?)));
                Value::map(copied.collect::<Result<_, EvaluateError>>()?)
            }
        })
    }
    copy(a, &document.root().into())
}

fn parse_json<'d>(a: &Arguments<'_, 'd>) -> Answer<'d> {
    a.env().charge_text(a.text(0).len())?;
    let document = go_json::decode(a.text(0)).map_err(EvaluateError::other)?;
    detached(a, &document)
}

fn parse_yaml<'d>(a: &Arguments<'_, 'd>) -> Answer<'d> {
    a.env().charge_text(a.text(0).len().saturating_mul(8))?;
    let document = decode_yaml(a.text(0)).map_err(EvaluateError::other)?;
    detached(a, &document)
}

/// Reads the first document as `sigs.k8s.io/yaml` does: YAML 1.1 words and octal numbers, the last of equal keys wins, floats only.
fn decode_yaml(text: &str) -> Result<Document, String> {
    let options = serde_saphyr::options! {
        duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::LastWins,
        legacy_octal_numbers: true,
        with_snippet: false,
    };
    serde_saphyr::with_deserializer_from_str_with_options(text, options, |deserializer| {
        Document::from_deserializer(deserializer, text.len())
    })
    .map(Document::with_float_numbers)
    .map_err(|error| format!("error converting YAML to JSON: yaml: {error}"))
}
