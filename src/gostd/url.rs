//! URLs as Go's `net/url` parses them, as far as policies look: scheme, host, port, path and query.
//!
//! Used by Kyverno's `is_external_url` and the URL functions of CEL. Fragments are checked but not kept.
//! Names are not resolved here.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::ip::Addr;
use super::strconv::quote;

#[cfg(test)]
mod tests;

/// Why a text is not a URL; prints as Go's `url.Error`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("parse {}: {problem}", quote(.url))]
pub struct UrlError {
    url: String,
    problem: String,
}

/// A URL taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    scheme: String,
    host: String,
    escaped_path: String,
    raw_query: String,
}

/// Where in a URL an escape stands; decides which ones are allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Host,
    Zone,
    /// User, path and fragment: anything may be escaped.
    Other,
    Query,
}

impl Url {
    /// `url.Parse`: absolute and relative references.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let (url, fragment) = text.split_once('#').unwrap_or((text, ""));
        let parsed = parse(url, false).map_err(|problem| UrlError {
            url: url.to_owned(),
            problem,
        })?;
        unescape(fragment, Part::Other).map_err(|problem| UrlError {
            url: text.to_owned(),
            problem,
        })?;
        Ok(parsed)
    }

    /// `url.ParseRequestURI`: only absolute URLs and absolute paths; no fragments.
    pub fn parse_request_uri(text: &str) -> Result<Self, UrlError> {
        parse(text, true).map_err(|problem| UrlError {
            url: text.to_owned(),
            problem,
        })
    }

    /// The scheme in lower case; empty for a relative reference.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// Host and port.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The host without port and brackets.
    pub fn hostname(&self) -> &str {
        let host = self.split_port().map_or(&*self.host, |(host, _)| host);
        host.strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host)
    }

    /// The port; empty if there is none.
    pub fn port(&self) -> &str {
        self.split_port().map_or("", |(_, port)| port)
    }

    fn split_port(&self) -> Option<(&str, &str)> {
        self.host
            .rsplit_once(':')
            .filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()))
    }

    /// `EscapedPath`: the path as it was written if its escaping is valid, else escaped anew.
    pub fn escaped_path(&self) -> &str {
        &self.escaped_path
    }

    /// The query as it was written, without the question mark.
    pub fn raw_query(&self) -> &str {
        &self.raw_query
    }

    /// `Query`: the pairs of the query in their order, decoded; malformed ones are left out.
    pub fn query_pairs(&self) -> Vec<(String, String)> {
        let pairs = self
            .raw_query
            .split('&')
            .filter(|pair| !pair.is_empty() && !pair.contains(';'));
        pairs
            .filter_map(|pair| {
                let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                let decode = |text| unescape(text, Part::Query).ok().map(|bytes| lossy(&bytes));
                Some((decode(key)?, decode(value)?))
            })
            .collect()
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn parse(text: &str, is_request: bool) -> Result<Url, String> {
    if text.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
        return Err("net/url: invalid control character in URL".to_owned());
    }
    if text.is_empty() && is_request {
        return Err("empty url".to_owned());
    }
    let empty = || Url {
        scheme: String::new(),
        host: String::new(),
        escaped_path: String::new(),
        raw_query: String::new(),
    };
    if text == "*" {
        return Ok(Url {
            escaped_path: "*".to_owned(),
            ..empty()
        });
    }
    let (scheme, rest) = split_scheme(text)?;
    let scheme = scheme.to_ascii_lowercase();
    let (mut rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut url = Url {
        scheme,
        raw_query: query.to_owned(),
        ..empty()
    };
    if !rest.starts_with('/') {
        if !url.scheme.is_empty() {
            // What follows is opaque.
            return Ok(url);
        }
        if is_request {
            return Err("invalid URI for request".to_owned());
        }
        if rest
            .split('/')
            .next()
            .is_some_and(|segment| segment.contains(':'))
        {
            return Err("first path segment in URL cannot contain colon".to_owned());
        }
    }
    let may_have_host = !url.scheme.is_empty() || !is_request && !rest.starts_with("///");
    if may_have_host && let Some(authority) = rest.strip_prefix("//") {
        let end = authority.find('/').unwrap_or(authority.len());
        let (authority, path) = authority.split_at_checked(end).unwrap_or((authority, ""));
        url.host = parse_authority(&url.scheme, authority)?;
        rest = path;
    }
    url.escaped_path = escape_path(rest)?;
    Ok(url)
}

fn split_scheme(text: &str) -> Result<(&str, &str), String> {
    let is_scheme = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    match text.split_once(':') {
        Some(("", _)) => Err("missing protocol scheme".to_owned()),
        Some((scheme, rest))
            if scheme.bytes().all(is_scheme)
                && scheme.starts_with(|c: char| c.is_ascii_alphabetic()) =>
        {
            Ok((scheme, rest))
        }
        _ => Ok(("", text)),
    }
}

/// Reads `user@host:port`; returns host and port.
fn parse_authority(scheme: &str, authority: &str) -> Result<String, String> {
    let Some((user, host)) = authority.rsplit_once('@') else {
        return parse_host(scheme, authority);
    };
    let host = parse_host(scheme, host)?;
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c);
    if !user.chars().all(is_allowed) {
        return Err("net/url: invalid userinfo".to_owned());
    }
    for part in user.splitn(2, ':') {
        unescape(part, Part::Other)?;
    }
    Ok(host)
}

fn check_port(port: &str) -> Result<(), String> {
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    if port.is_empty() || port.strip_prefix(':').is_some_and(is_port) {
        return Ok(());
    }
    Err(format!("invalid port {} after host", quote(port)))
}

fn parse_host(scheme: &str, host: &str) -> Result<String, String> {
    if let Some(literal) = host
        .strip_prefix('[')
        .filter(|literal| !literal.contains('['))
    {
        let (name, port) = literal.rsplit_once(']').ok_or("missing ']' in host")?;
        check_port(port)?;
        let name = match name
            .find("%25")
            .and_then(|start| name.split_at_checked(start))
        {
            Some((address, zone)) => {
                lossy(&unescape(address, Part::Host)?) + &lossy(&unescape(zone, Part::Zone)?)
            }
            None => lossy(&unescape(name, Part::Host)?),
        };
        let address = Addr::parse(&name).map_err(|error| format!("invalid host: {error}"))?;
        if address.is_v4() {
            return Err("invalid IP-literal".to_owned());
        }
        return Ok(format!("[{name}]{port}"));
    }
    if host.contains('[') {
        return Err("invalid IP-literal".to_owned());
    }
    // Only the web's schemes refuse colons inside the host.
    let is_strict = matches!(scheme, "http" | "https");
    let colon = if is_strict {
        host.find(':')
    } else {
        host.rfind(':')
    };
    check_port(
        colon
            .and_then(|colon| host.get(colon..))
            .unwrap_or_default(),
    )?;
    Ok(lossy(&unescape(host, Part::Host)?))
}

/// Checks the escapes of a path; escapes it anew if it holds what must not stand in a path.
fn escape_path(path: &str) -> Result<String, String> {
    let decoded = unescape(path, Part::Other)?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@".contains(&byte);
    let is_written = |byte: u8| is_plain(byte) || b"!'()*[]%".contains(&byte);
    if path.bytes().all(is_written) {
        return Ok(path.to_owned());
    }
    Ok(decoded
        .iter()
        .fold(String::with_capacity(path.len()), |mut escaped, byte| {
            if is_plain(*byte) {
                escaped.push(char::from(*byte));
            } else {
                // Writing to a String cannot fail.
                let _ = write!(escaped, "%{byte:02X}");
            }
            escaped
        }))
}

fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!$&'()*+,;=:[]<>\"-_.~".contains(&byte)
}

/// Decodes `%XX`; in a query also `+`. The error is Go's text.
fn unescape(text: &str, part: Part) -> Result<Cow<'_, [u8]>, String> {
    let is_host = matches!(part, Part::Host | Part::Zone);
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.as_bytes();
    while let Some((first, rest)) = bytes.split_first() {
        bytes = rest;
        match first {
            b'%' => {
                let hex = |position: usize| {
                    rest.get(position)
                        .and_then(|byte| char::from(*byte).to_digit(16))
                };
                let value = hex(0)
                    .zip(hex(1))
                    .and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
                let is_allowed = |value: u8| match part {
                    _ if value == b'%' => true,
                    Part::Host => value >= 0x80,
                    Part::Zone => value == b' ' || is_host_byte(value),
                    Part::Other | Part::Query => true,
                };
                let Some(value) = value.filter(|value| is_allowed(*value)) else {
                    let shown = rest.get(..2).unwrap_or(rest);
                    let shown = quote(&format!("%{}", String::from_utf8_lossy(shown)));
                    return Err(format!("invalid URL escape {shown}"));
                };
                decoded.push(value);
                bytes = rest.get(2..).unwrap_or_default();
            }
            b'+' if part == Part::Query => decoded.push(b' '),
            byte if is_host && byte.is_ascii() && !is_host_byte(*byte) => {
                let shown = quote(&char::from(*byte).to_string());
                return Err(format!("invalid character {shown} in host name"));
            }
            byte => decoded.push(*byte),
        }
    }
    Ok(if decoded == text.as_bytes() {
        Cow::Borrowed(text.as_bytes())
    } else {
        Cow::Owned(decoded)
    })
}
