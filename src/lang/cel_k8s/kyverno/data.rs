//! Functions of the arguments alone: hashes, `json`, `yaml`, `x509`, `gzip`, `math.round`, `time`, `listObjToMap`,
//! `parseServiceAccount`.

use std::fmt::Write as _;
use std::rc::Rc;

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::document::Document;
use crate::gostd::duration::Duration;
use crate::gostd::time::Time;
use crate::gostd::{archive, strconv, x509};
use crate::lang::cel::{Context, Entry, EvalError, Key, MapValue, Text, Timestamp, Value};
use crate::limits;

use super::super::arguments::{argument, int, list, text};

const SERVICE_ACCOUNT: &str = "(string) -> user.ServiceAccount";
const TO_MAP: &str = "(list(dyn), list(dyn), string, string) -> map(dyn, dyn)";
/// The least bytes of a gzip stream's head.
const GZIP_HEADER_BYTES: usize = 10;
const HASH: &str = "(string) -> string";

pub(super) const ENTRIES: &[Entry] = &[
    Entry::new("sha1", "sha1_string_non_prefixed", HASH, hash::<Sha1>),
    Entry::new("sha256", "sha256_string_non_prefixed", HASH, hash::<Sha256>),
    Entry::new("md5", "md5_string_non_prefixed", HASH, hash::<Md5>),
    Entry::new("hash.sha1", "sha1_string_prefixed", HASH, hash::<Sha1>),
    Entry::new("hash.sha256", "sha256_string_prefixed", HASH, hash::<Sha256>),
    Entry::new("hash.md5", "md5_string_prefixed", HASH, hash::<Md5>),
    Entry::new("math.round", "math_round_float_int", "(double, int) -> double", round),
    Entry::new("unmarshal", "unmarshal_string_dyn", "json.Json.(dyn) -> dyn", unmarshal),
    Entry::new("marshal", "marshal_dyn_string", "json.Json.(dyn) -> string", |_, args| {
        let mut json = String::new();
        write_json(argument(args, 1)?, &mut json)?;
        Ok(Value::string(json))
    }),
    Entry::new("x509.decode", "x509_decode_string", "(string) -> dyn", certificate),
    Entry::new("gzip.decompress", "gzip_decompress", "(bytes) -> string", decompress),
    Entry::new("gzip.compress", "gzip_compress", "(string) -> bytes", compress),
    Entry::new("parse", "parse_string_dyn", "yaml.Yaml.(string) -> dyn", parse_yaml),
    Entry::new(
        "parseServiceAccount",
        "parse_service_account_string_non_prefixed",
        SERVICE_ACCOUNT,
        service_account,
    ),
    Entry::new(
        "user.parseServiceAccount",
        "parse_service_account_string_prefixed",
        SERVICE_ACCOUNT,
        service_account,
    ),
    Entry::new("listObjToMap", "list_of_object_to_map_non_prefixed", TO_MAP, to_map),
    Entry::new("transform.listObjToMap", "list_of_object_to_map_prefixed", TO_MAP, to_map),
    Entry::new("time.toCron", "time_to_cron", "(timestamp) -> string", to_cron),
    Entry::new("time.truncate", "time_truncate", "(timestamp, duration) -> timestamp", truncate),
];

type Outcome<'d> = Result<Value<'d>, EvalError>;

fn hash<'d, D: Digest>(_: &mut Context<'_, 'd>, args: &[Value<'d>]) -> Outcome<'d> {
    let digest = D::digest(text(args, 0)?.as_bytes());
    let mut hex = String::with_capacity(64);
    for byte in digest.as_slice() {
        let _ = write!(hex, "{byte:02x}");
    }
    Ok(Value::string(hex))
}

fn round<'d>(_: &mut Context<'_, 'd>, args: &[Value<'d>]) -> Outcome<'d> {
    let Value::Double(value) = argument(args, 0)? else { return Err(EvalError::Fixed("no such overload")) };
    let shift = 10_f64.powi(i32::try_from(int(args, 1)?).unwrap_or(i32::MAX));
    Ok(Value::Double((value * shift).round() / shift))
}

fn decoded_document<'d>(document: &Document) -> Value<'d> {
    decoded(&Value::from(document.root()))
}

/// A JSON value as one of its own; all numbers are doubles, as Go decodes them into `any`.
pub fn decoded<'d>(value: &Value<'_>) -> Value<'d> {
    if let Some(list) = value.as_list() {
        return Value::list(list.iter().map(|item| decoded(&item)).collect());
    }
    if let Some(map) = value.as_map() {
        let entries = map.iter().map(|(key, value)| {
            let key = Key::String(Text::from(key.as_str().unwrap_or_default().to_owned()));
            (key, decoded(&value))
        });
        return Value::map(entries.collect());
    }
    match value {
        Value::Bool(value) => Value::Bool(*value),
        Value::Int(value) => Value::Double(*value as f64),
        Value::Double(value) => Value::Double(*value),
        Value::String(text) => Value::string(text.as_str()),
        _ => Value::Null,
    }
}

fn unmarshal<'d>(_: &mut Context<'_, 'd>, args: &[Value<'d>]) -> Outcome<'d> {
    let document = Document::from_json(text(args, 1)?.as_bytes())
        .map_err(|error| EvalError::failed(error.to_string()))?;
    Ok(decoded_document(&document))
}

fn parse_yaml<'d>(_: &mut Context<'_, 'd>, args: &[Value<'d>]) -> Outcome<'d> {
    let json: serde_json::Value =
        serde_saphyr::from_str(text(args, 1)?).map_err(|error| EvalError::failed(error.to_string()))?;
    let document =
        Document::from_deserializer(json, 0).map_err(|error| EvalError::failed(error.to_string()))?;
    Ok(decoded_document(&document))
}

/// Writes a value as Go's `json.Marshal` does: keys sorted, `<`, `>` and `&` escaped, durations in nanoseconds.
fn write_json(value: &Value<'_>, out: &mut String) -> Result<(), EvalError> {
    if let Some(list) = value.as_list() {
        out.push('[');
        for (at, item) in list.iter().enumerate() {
            out.push_str(if at == 0 { "" } else { "," });
            write_json(&item, out)?;
        }
        out.push(']');
        return Ok(());
    }
    if let Some(map) = value.as_map() {
        let mut entries: Vec<(String, Value<'_>)> = Vec::with_capacity(map.len());
        for (key, value) in map.iter() {
            let name = key.as_str().ok_or_else(|| {
                let kind = key.type_name();
                let why = "failed to convert CEL map to native map: unsupported type conversion";
                EvalError::failed(format!("json: {why} from '{kind}' to string"))
            })?;
            entries.push((name.to_owned(), value));
        }
        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
        out.push('{');
        for (at, (key, value)) in entries.iter().enumerate() {
            out.push_str(if at == 0 { "" } else { "," });
            strconv::write_json_string(out, key);
            out.push(':');
            write_json(value, out)?;
        }
        out.push('}');
        return Ok(());
    }
    match value {
        Value::Int(number) => out.push_str(&number.to_string()),
        Value::Duration(nanos) => out.push_str(&nanos.to_string()),
        Value::Double(number) => {
            let text = strconv::json_float(*number).ok_or_else(|| {
                let number = strconv::sprint_float(*number);
                EvalError::failed(format!("json: unsupported value: {number}"))
            })?;
            out.push_str(&text);
        }
        Value::Optional(Some(value)) => write_json(value, out)?,
        other => match other.to_json() {
            Some(serde_json::Value::String(text)) => strconv::write_json_string(out, &text),
            Some(json) => out.push_str(&json.to_string()),
            None => return Err(EvalError::Fixed("json: unsupported type")),
        },
    }
    Ok(())
}

/// The fields that Kyverno's CEL shows of a certificate, which are fewer than `x509_decode` does; of a request it shows all.
const CERTIFICATE_FIELDS: [&str; 36] = [
    "AuthorityKeyId",
    "BasicConstraintsValid",
    "CRLDistributionPoints",
    "DNSNames",
    "EmailAddresses",
    "ExcludedDNSDomains",
    "ExcludedEmailAddresses",
    "ExcludedIPRanges",
    "ExcludedURIDomains",
    "ExtKeyUsage",
    "Extensions",
    "ExtraExtensions",
    "IPAddresses",
    "IsCA",
    "Issuer",
    "IssuingCertificateURL",
    "KeyUsage",
    "MaxPathLen",
    "MaxPathLenZero",
    "NotAfter",
    "NotBefore",
    "OCSPServer",
    "PermittedDNSDomains",
    "PermittedDNSDomainsCritical",
    "PermittedEmailAddresses",
    "PermittedIPRanges",
    "PermittedURIDomains",
    "PolicyIdentifiers",
    "PublicKey",
    "PublicKeyAlgorithm",
    "Raw",
    "RawIssuer",
    "RawSubject",
    "RawSubjectPublicKeyInfo",
    "RawTBSCertificate",
    "SerialNumber",
];

fn certificate<'d>(_: &mut Context<'_, 'd>, args: &[Value<'d>]) -> Outcome<'d> {
    let mut fields = x509::decode_pem(text(args, 0)?).map_err(EvalError::failed)?;
    if let Some(fields) = fields.as_object_mut().filter(|fields| fields.contains_key("RawTBSCertificate")) {
        fields.retain(|name, _| name == "Signature" || CERTIFICATE_FIELDS.contains(&name.as_str()));
    }
    let document =
        Document::from_deserializer(fields, 0).map_err(|error| EvalError::failed(error.to_string()))?;
    Ok(decoded_document(&document))
}

fn decompress<'d>(_: &mut Context<'_, 'd>, args: &[Value<'d>]) -> Outcome<'d> {
    let Value::Bytes(bytes) = argument(args, 0)? else { return Err(EvalError::Fixed("no such overload")) };
    let max = limits::CEL_GZIP_BYTES_MAX;
    match archive::gunzip(bytes, max) {
        Some(text) => Ok(Value::string(String::from_utf8_lossy(&text))),
        None if bytes.is_empty() => Err(EvalError::Fixed("EOF")),
        None if bytes.len() < GZIP_HEADER_BYTES => Err(EvalError::Fixed("unexpected EOF")),
        None if !bytes.starts_with(&[0x1f, 0x8b, 8]) => Err(EvalError::Fixed("gzip: invalid header")),
        None => Err(EvalError::failed(format!("gzip: the data is corrupt, or longer than {max} bytes"))),
    }
}

/// The same bytes each time, and not those that the reference's compressor (Go's) makes: a stream is not determined by what it holds, and
/// no crate chooses matches as Go does. An expression sees it only where it compares, hashes or measures compressed bytes; one that
/// decompresses what it is given does not.
fn compress<'d>(_: &mut Context<'_, 'd>, args: &[Value<'d>]) -> Outcome<'d> {
    Ok(Value::bytes(archive::gzip(text(args, 0)?.as_bytes())))
}

fn service_account<'d>(_: &mut Context<'_, 'd>, args: &[Value<'d>]) -> Outcome<'d> {
    let rest = text(args, 0)?.strip_prefix("system:serviceaccount:").unwrap_or("");
    let (namespace, name) = rest.split_once(':').unwrap_or(("", ""));
    let field = |key: &'static str, value: &str| (Key::String(Text::Borrowed(key)), Value::string(value));
    let fields = vec![field("Namespace", namespace), field("Name", name)];
    Ok(Value::Map(Rc::new(MapValue::message("user.ServiceAccount", fields))))
}

fn to_map<'d>(_: &mut Context<'_, 'd>, args: &[Value<'d>]) -> Outcome<'d> {
    let (keys, values) = (list(args, 0)?, list(args, 1)?);
    let (key_name, value_name) = (text(args, 2)?, text(args, 3)?);
    if keys.len() != values.len() {
        let (n_keys, n_values) = (keys.len(), values.len());
        return Err(EvalError::failed(format!(
            "listObjToMap must take lists of equal length. list1: {n_keys}, list2: {n_values}"
        )));
    }
    let mut entries = Vec::with_capacity(keys.len());
    for (key, value) in keys.iter().zip(values.iter()) {
        let Some(Value::String(key)) = key.as_map().and_then(|map| map.get_str(key_name)) else {
            return Err(EvalError::Fixed(
                "the passed key name cannot be handled as a string in the key object list",
            ));
        };
        let value = value.as_map().ok_or(EvalError::Fixed(
            "object cannot be handled as a map string to any in the value object list",
        ))?;
        entries.push((Key::String(key), value.get_str(value_name).unwrap_or(Value::Null)));
    }
    Ok(Value::map(entries))
}

fn instant(args: &[Value<'_>]) -> Result<(Timestamp, Time), EvalError> {
    match argument(args, 0)? {
        Value::Timestamp(at) => Ok((*at, Time::from_unix(at.seconds, at.nanos).in_fixed_zone(at.offset_s))),
        _ => Err(EvalError::Fixed("no such overload")),
    }
}

fn to_cron<'d>(_: &mut Context<'_, 'd>, args: &[Value<'d>]) -> Outcome<'d> {
    let civil = instant(args)?.1.civil();
    let (minute, hour, day, month, weekday) =
        (civil.minute, civil.hour, civil.day, civil.month, civil.weekday);
    Ok(Value::string(format!("{minute} {hour} {day} {month} {weekday}")))
}

fn truncate<'d>(_: &mut Context<'_, 'd>, args: &[Value<'d>]) -> Outcome<'d> {
    let Value::Duration(span) = argument(args, 1)? else { return Err(EvalError::Fixed("no such overload")) };
    let (at, time) = instant(args)?;
    let time = time.truncate(Duration::from_nanos(*span));
    Ok(Value::Timestamp(Timestamp { seconds: time.unix(), nanos: time.nanosecond(), ..at }))
}
