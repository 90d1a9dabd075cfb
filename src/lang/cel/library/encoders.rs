//! `base64.encode` and `base64.decode`, with or without padding, as Go's `encoding/base64`.

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::super::environment::Entry;
use super::super::error::EvalError;
use super::super::value::Value;
use super::{bytes, text};

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

pub(super) const ENTRIES: &[Entry] = &[
    Entry::new("base64.decode", "base64_decode_string", "(string) -> bytes", |_, args| {
        decode(text(args, 0)?).map(Value::bytes)
    }),
    Entry::new("base64.encode", "base64_encode_bytes", "(bytes) -> string", |_, args| {
        Ok(Value::string(base64::engine::general_purpose::STANDARD.encode(&**bytes(args, 0)?)))
    }),
];

fn decode(text: &str) -> Result<Vec<u8>, EvalError> {
    let compact: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    LENIENT.decode(&compact).map_err(|error| {
        let at = match error {
            base64::DecodeError::InvalidByte(at, _) | base64::DecodeError::InvalidLastSymbol(at, _) => at,
            _ => compact.trim_end_matches('=').len(),
        };
        EvalError::failed(format!("illegal base64 data at input byte {at}"))
    })
}
