//! `format.named`, `format.dns1123Label()`, … and `validate` (`pkg/cel/library/format.go`).
//!
//! The rules and their texts are those of `apimachinery/pkg/util/validation` and
//! `kube-openapi/pkg/validation/strfmt`.

use crate::gostd::regexp::Regexp;
use crate::gostd::time::Time;
use crate::gostd::url::Url;
use crate::lang::cel::{Entry, EvalError, Opaque, Value, size_of};

use super::arguments::{own, text};

const NAMED: &str = "() -> kubernetes.NamedFormat";

const LABEL: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const SUBDOMAIN: &str = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
const LABEL_1035: &str = "[a-z]([-a-z0-9]*[a-z0-9])?";
const NAME: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const UUID: &str = "(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$";
const BASE64: &str = "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})$";
const CLOCK: &str = "^([0-9]{2}):([0-9]{2}):([0-9]{2})(.[0-9]+)?(z|([+-][0-9]{2}:[0-9]{2}))$";

/// A named format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Dns1123Label,
    Dns1123Subdomain,
    Dns1035Label,
    QualifiedName,
    Dns1123LabelPrefix,
    Dns1123SubdomainPrefix,
    Dns1035LabelPrefix,
    LabelValue,
    Uri,
    Uuid,
    Byte,
    Date,
    Datetime,
}

/// The formats by their names, and the size of their expressions, which the cost of `validate` counts.
const FORMATS: [(&str, Format, u64); 13] = [
    ("dns1123Label", Format::Dns1123Label, 30),
    ("dns1123Subdomain", Format::Dns1123Subdomain, 60),
    ("dns1035Label", Format::Dns1035Label, 30),
    ("qualifiedName", Format::QualifiedName, 60),
    ("dns1123LabelPrefix", Format::Dns1123LabelPrefix, 30),
    ("dns1123SubdomainPrefix", Format::Dns1123SubdomainPrefix, 60),
    ("dns1035LabelPrefix", Format::Dns1035LabelPrefix, 30),
    ("labelValue", Format::LabelValue, 40),
    ("uri", Format::Uri, 1_103),
    ("uuid", Format::Uuid, 71),
    ("byte", Format::Byte, 84),
    ("date", Format::Date, 73),
    ("datetime", Format::Datetime, 73),
];

const fn named(name: &'static str, native: crate::lang::cel::Native) -> Entry {
    Entry::new(name, name, NAMED, native)
}

pub(super) const ENTRIES: &[Entry] = &[
    named("format.dns1123Label", |_, _| Ok(Value::opaque(Format::Dns1123Label))),
    named("format.dns1123Subdomain", |_, _| Ok(Value::opaque(Format::Dns1123Subdomain))),
    named("format.dns1035Label", |_, _| Ok(Value::opaque(Format::Dns1035Label))),
    named("format.qualifiedName", |_, _| Ok(Value::opaque(Format::QualifiedName))),
    named("format.dns1123LabelPrefix", |_, _| Ok(Value::opaque(Format::Dns1123LabelPrefix))),
    named("format.dns1123SubdomainPrefix", |_, _| Ok(Value::opaque(Format::Dns1123SubdomainPrefix))),
    named("format.dns1035LabelPrefix", |_, _| Ok(Value::opaque(Format::Dns1035LabelPrefix))),
    named("format.labelValue", |_, _| Ok(Value::opaque(Format::LabelValue))),
    named("format.uri", |_, _| Ok(Value::opaque(Format::Uri))),
    named("format.uuid", |_, _| Ok(Value::opaque(Format::Uuid))),
    named("format.byte", |_, _| Ok(Value::opaque(Format::Byte))),
    named("format.date", |_, _| Ok(Value::opaque(Format::Date))),
    named("format.datetime", |_, _| Ok(Value::opaque(Format::Datetime))),
    Entry::new("format.named", "format-named", "(string) -> optional(kubernetes.NamedFormat)", |_, args| {
        let wanted = text(args, 0)?;
        let found = FORMATS.iter().find(|(name, ..)| *name == wanted);
        Ok(found.map_or(Value::Optional(None), |(_, format, _)| Value::some(Value::opaque(*format))))
    }),
    Entry::new(
        "validate",
        "format-validate",
        "kubernetes.NamedFormat.(string) -> optional(list(string))",
        |_, args| {
            let faults = faults(*own::<Format>(args, 0)?, text(args, 1)?)?;
            if faults.is_empty() {
                return Ok(Value::Optional(None));
            }
            Ok(Value::some(Value::list(faults.into_iter().map(Value::string).collect())))
        },
    )
    .costing(validating),
];

impl Opaque for Format {
    fn type_name(&self) -> &'static str {
        "kubernetes.NamedFormat"
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }

    fn equals(&self, other: &dyn Opaque) -> bool {
        other.as_any().downcast_ref::<Self>() == Some(self)
    }

    fn to_text(&self) -> String {
        let name = match self {
            Self::Dns1123Label => "DNS1123Label",
            Self::Dns1123Subdomain => "DNS1123Subdomain",
            Self::Dns1035Label => "DNS1035Label",
            Self::QualifiedName => "QualifiedName",
            Self::Dns1123LabelPrefix => "DNS1123LabelPrefix",
            Self::Dns1123SubdomainPrefix => "DNS1123SubdomainPrefix",
            Self::Dns1035LabelPrefix => "DNS1035LabelPrefix",
            Self::LabelValue => "LabelValue",
            Self::Uri => "URI",
            Self::Uuid => "uuid",
            Self::Byte => "byte",
            Self::Date => "date",
            Self::Datetime => "datetime",
        };
        name.to_owned()
    }
}

fn validating(args: &[Value<'_>], _: &Value<'_>) -> u64 {
    let format = args.first().and_then(Value::as_opaque::<Format>);
    let size = FORMATS.iter().find(|(_, known, _)| Some(known) == format).map_or(0, |(.., size)| *size);
    (args.get(1).map_or(0, size_of) + 1).div_ceil(10) * size.div_ceil(4)
}

fn is_match(pattern: &str, text: &str) -> Result<bool, EvalError> {
    let regex = Regexp::shared(pattern).map_err(|error| EvalError::failed(error.to_string()))?;
    Ok(regex.is_match(text))
}

fn is_whole_match(pattern: &str, text: &str) -> Result<bool, EvalError> {
    is_match(&format!("^{pattern}$"), text)
}

fn too_long(max: usize, unit: &str) -> String {
    format!("must be no more than {max} {unit}")
}

/// What does not follow an expression, with examples of what does.
fn unlike(what: &str, pattern: &str, examples: &[&str]) -> String {
    let examples: Vec<String> = examples.iter().map(|example| format!("'{example}', ")).collect();
    format!(
        "{what} (e.g. {}regex used for validation is '{pattern}')",
        examples.join("or ").replace(", or", ",  or")
    )
}

/// A name that a generated suffix follows may end with a dash.
fn without_trailing_dash(name: &str) -> String {
    match name.strip_suffix('-') {
        Some(rest) if !rest.is_empty() => {
            let mut chars = rest.chars();
            chars.next_back();
            format!("{}a", chars.as_str())
        }
        _ => name.to_owned(),
    }
}

fn faults(format: Format, text: &str) -> Result<Vec<String>, EvalError> {
    let simple = |is_valid: bool, fault: &str| if is_valid { Vec::new() } else { vec![fault.to_owned()] };
    Ok(match format {
        Format::Dns1123Label => label(text)?,
        Format::Dns1123LabelPrefix => label(&without_trailing_dash(text))?,
        Format::Dns1123Subdomain => subdomain(text)?,
        Format::Dns1123SubdomainPrefix => subdomain(&without_trailing_dash(text))?,
        Format::Dns1035Label => label_1035(text)?,
        Format::Dns1035LabelPrefix => label_1035(&without_trailing_dash(text))?,
        Format::QualifiedName => qualified_name(text)?,
        Format::LabelValue => label_value(text)?,
        Format::Uri => {
            Url::parse_request_uri(text).err().map(|error| error.to_string()).into_iter().collect()
        }
        Format::Uuid => simple(is_match(UUID, text)?, "does not match the UUID format"),
        Format::Byte => simple(is_match(BASE64, text)?, "invalid base64"),
        Format::Date => simple(is_date(text), "invalid date"),
        Format::Datetime => simple(is_datetime(text)?, "invalid datetime"),
    })
}

fn label(text: &str) -> Result<Vec<String>, EvalError> {
    let mut faults = Vec::new();
    if text.len() > 63 {
        faults.push(too_long(63, "characters"));
    }
    if !is_whole_match(LABEL, text)? {
        faults.push(if is_whole_match(SUBDOMAIN, text)? {
            "must not contain dots".to_owned()
        } else {
            let what = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', \
                and must start and end with an alphanumeric character";
            unlike(what, LABEL, &["my-name", "123-abc"])
        });
    }
    Ok(faults)
}

fn subdomain(text: &str) -> Result<Vec<String>, EvalError> {
    let mut faults = Vec::new();
    if text.len() > 253 {
        faults.push(too_long(253, "characters"));
    }
    if !is_whole_match(SUBDOMAIN, text)? {
        let what = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' \
            or '.', and must start and end with an alphanumeric character";
        faults.push(unlike(what, SUBDOMAIN, &["example.com"]));
    }
    Ok(faults)
}

fn label_1035(text: &str) -> Result<Vec<String>, EvalError> {
    let mut faults = Vec::new();
    if text.len() > 63 {
        faults.push(too_long(63, "characters"));
    }
    if !is_whole_match(LABEL_1035, text)? {
        let what = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', \
            start with an alphabetic character, and end with an alphanumeric character";
        faults.push(unlike(what, LABEL_1035, &["my-name", "abc-123"]));
    }
    Ok(faults)
}

fn qualified_name(text: &str) -> Result<Vec<String>, EvalError> {
    let what = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
        alphanumeric character";
    let unlike_name = unlike(what, NAME, &["MyName", "my.name", "123-abc"]);
    let parts: Vec<&str> = text.split('/').collect();
    let mut faults = Vec::new();
    let name = match parts.as_slice() {
        [name] => name,
        ["", name] => {
            faults.push("prefix part must be non-empty".to_owned());
            name
        }
        [prefix, name] => {
            faults.extend(subdomain(prefix)?.into_iter().map(|fault| format!("prefix part {fault}")));
            name
        }
        _ => {
            return Ok(vec![format!(
                "a valid label key {unlike_name} with an optional DNS subdomain prefix and '/' \
                 (e.g. 'example.com/MyName')"
            )]);
        }
    };
    if name.is_empty() {
        faults.push("name part must be non-empty".to_owned());
    } else if name.len() > 63 {
        faults.push(format!("name part {}", too_long(63, "bytes")));
    }
    if !is_whole_match(NAME, name)? {
        faults.push(format!("name part {unlike_name}"));
    }
    Ok(faults)
}

fn label_value(text: &str) -> Result<Vec<String>, EvalError> {
    let mut faults = Vec::new();
    if text.len() > 63 {
        faults.push(too_long(63, "bytes"));
    }
    let pattern = format!("({NAME})?");
    if !is_whole_match(&pattern, text)? {
        let what = "a valid label must be an empty string or consist of alphanumeric characters, '-', \
            '_' or '.', and must start and end with an alphanumeric character";
        faults.push(unlike(what, &pattern, &["MyValue", "my_value", "12345"]));
    }
    Ok(faults)
}

fn is_date(text: &str) -> bool {
    Time::parse("2006-01-02", text).is_ok()
}

fn is_datetime(text: &str) -> Result<bool, EvalError> {
    let lower = text.to_lowercase();
    let mut parts = lower.split('t');
    let (Some(date), Some(clock)) = (parts.next(), parts.next()) else { return Ok(false) };
    if !is_date(date) {
        return Ok(false);
    }
    let regex = Regexp::shared(CLOCK).map_err(|error| EvalError::failed(error.to_string()))?;
    let Some(groups) = regex.captures(clock) else { return Ok(false) };
    let part = |at: usize| groups.get(at).copied().flatten().unwrap_or("");
    Ok(part(1) <= "23" && part(2) <= "59" && part(3) <= "59")
}

/// Whether a text may name a service account.
pub(super) fn is_subdomain(text: &str) -> Result<bool, EvalError> {
    subdomain(text).map(|faults| faults.is_empty())
}

/// Whether a text may name a namespace.
pub(super) fn is_label(text: &str) -> Result<bool, EvalError> {
    label(text).map(|faults| faults.is_empty())
}
