//! How a registry asks for credentials: the header `WWW-Authenticate` of RFC 9110, as registries write it.

use std::collections::BTreeMap;

/// What a 401 asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// User and password with each request.
    Basic,
    /// A token from that URL, for that service.
    Bearer { realm: String, service: String },
}

impl Challenge {
    /// Reads a header; `None` for schemes that are not known.
    pub(super) fn parse(header: &str) -> Option<Self> {
        let (scheme, rest) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
        match scheme.to_ascii_lowercase().as_str() {
            "basic" => Some(Self::Basic),
            "bearer" => {
                let mut parameters = parameters(rest);
                let realm = parameters.remove("realm")?;
                Some(Self::Bearer { realm, service: parameters.remove("service").unwrap_or_default() })
            }
            _ => None,
        }
    }
}

/// `key="value", key=value`, where quoted values may hold commas and escapes.
fn parameters(mut text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    while let Some((key, rest)) = text.split_once('=') {
        let key = key.trim_matches([' ', ',', '\t']).to_ascii_lowercase();
        let mut value = String::new();
        let mut rest = rest.chars();
        if rest.as_str().starts_with('"') {
            rest.next();
            while let Some(c) = rest.next().filter(|c| *c != '"') {
                value.extend(if c == '\\' { rest.next() } else { Some(c) });
            }
        } else {
            while let Some(c) = rest.next().filter(|c| *c != ',') {
                value.push(c);
            }
        }
        found.insert(key, value);
        text = rest.as_str();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::Challenge;

    #[track_caller]
    fn check(header: &str, expected: Option<(&str, &str)>) {
        let found = Challenge::parse(header);
        let expected = expected
            .map(|(realm, service)| Challenge::Bearer { realm: realm.into(), service: service.into() });
        assert_eq!(found, expected, "{header}");
    }

    #[test]
    fn realm_and_service_are_read() {
        let hub = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="a:b:pull,push""#;
        check(hub, Some(("https://auth.docker.io/token", "registry.docker.io")));
        check(r#"bearer scope="a,b", realm=https://a.test/t"#, Some(("https://a.test/t", "")));
        check(r#"Bearer realm="https://a.test/\"t""#, Some((r#"https://a.test/"t"#, "")));
    }

    #[test]
    fn what_cannot_be_answered_is_none() {
        check("Bearer", None);
        check(r#"Bearer service="a""#, None);
        check("Negotiate abc", None);
        assert_eq!(Challenge::parse(r#"Basic realm="a""#), Some(Challenge::Basic));
    }
}
