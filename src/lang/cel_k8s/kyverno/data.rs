//! Functions of the arguments alone: hashes, `json`, `yaml`, `math.round`, `time`, `listObjToMap`,
//! `parseServiceAccount`.

use std::fmt::Write as _;
use std::rc::Rc;

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::document::Document;
use crate::gostd::duration::Duration;
use crate::gostd::time::Time;
use crate::lang::cel::{Context, Entry, EvalError, Key, MapValue, Text, Timestamp, Value};

use super::super::arguments::{argument, int, list, text};

const SERVICE_ACCOUNT: &str = "(string) -> user.ServiceAccount";
const TO_MAP: &str = "(list(dyn), list(dyn), string, string) -> map(dyn, dyn)";
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
        let json = argument(args, 1)?.to_json().ok_or(EvalError::Fixed("unsupported value"))?;
        Ok(Value::string(go_json(&json)))
    }),
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

/// A document as a value of its own; all numbers are doubles, as Go decodes them into `any`.
fn decoded<'d>(document: &Document) -> Value<'d> {
    own(&Value::from(document.root()))
}

fn own<'d>(value: &Value<'_>) -> Value<'d> {
    if let Some(list) = value.as_list() {
        return Value::list(list.iter().map(|item| own(&item)).collect());
    }
    if let Some(map) = value.as_map() {
        let entries = map.iter().map(|(key, value)| {
            let key = Key::String(Text::from(key.as_str().unwrap_or_default().to_owned()));
            (key, own(&value))
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
    Ok(decoded(&document))
}

fn parse_yaml<'d>(_: &mut Context<'_, 'd>, args: &[Value<'d>]) -> Outcome<'d> {
    let json: serde_json::Value =
        serde_saphyr::from_str(text(args, 1)?).map_err(|error| EvalError::failed(error.to_string()))?;
    let document =
        Document::from_deserializer(json, 0).map_err(|error| EvalError::failed(error.to_string()))?;
    Ok(decoded(&document))
}

/// JSON as Go's `json.Marshal` writes it: keys sorted, `<`, `>` and `&` escaped.
fn go_json(value: &serde_json::Value) -> String {
    value.to_string().replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
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
