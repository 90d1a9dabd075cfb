//! `url`, `isURL` and the parts of a URL (`pkg/cel/library/urls.go`).

use std::collections::BTreeMap;

use crate::gostd::url::Url;
use crate::lang::cel::{Entry, EvalError, Key, Opaque, Text, Value};

use super::arguments::{own, text};
use super::costs;

pub(super) const ENTRIES: &[Entry] = &[
    Entry::new("url", "string_to_url", "(string) -> kubernetes.URL", |_, args| {
        let text = text(args, 0)?;
        let parsed = Url::parse_request_uri(text).and_then(|_| Url::parse(text));
        match parsed {
            Ok(url) => Ok(Value::opaque(UrlValue { text: text.to_owned(), url })),
            Err(error) => {
                Err(EvalError::failed(format!("URL parse error during conversion from string: {error}")))
            }
        }
    })
    .costing(costs::reading),
    Entry::new("isURL", "is_url_string", "(string) -> bool", |_, args| {
        Ok(Value::Bool(Url::parse_request_uri(text(args, 0)?).is_ok()))
    }),
    Entry::new("getScheme", "url_get_scheme", "kubernetes.URL.() -> string", |_, args| {
        Ok(Value::string(own::<UrlValue>(args, 0)?.url.scheme()))
    }),
    Entry::new("getHost", "url_get_host", "kubernetes.URL.() -> string", |_, args| {
        Ok(Value::string(own::<UrlValue>(args, 0)?.url.host()))
    }),
    Entry::new("getHostname", "url_get_hostname", "kubernetes.URL.() -> string", |_, args| {
        Ok(Value::string(own::<UrlValue>(args, 0)?.url.hostname()))
    }),
    Entry::new("getPort", "url_get_port", "kubernetes.URL.() -> string", |_, args| {
        Ok(Value::string(own::<UrlValue>(args, 0)?.url.port()))
    }),
    Entry::new("getEscapedPath", "url_get_escaped_path", "kubernetes.URL.() -> string", |_, args| {
        Ok(Value::string(own::<UrlValue>(args, 0)?.url.escaped_path()))
    }),
    Entry::new("getQuery", "url_get_query", "kubernetes.URL.() -> map(string, list(string))", |_, args| {
        let mut query: BTreeMap<String, Vec<Value<'_>>> = BTreeMap::new();
        for (key, value) in own::<UrlValue>(args, 0)?.url.query_pairs() {
            query.entry(key).or_default().push(Value::string(value));
        }
        let entries =
            query.into_iter().map(|(key, values)| (Key::String(Text::from(key)), Value::list(values)));
        Ok(Value::map(entries.collect()))
    }),
];

#[derive(Debug)]
struct UrlValue {
    text: String,
    url: Url,
}

impl Opaque for UrlValue {
    fn type_name(&self) -> &'static str {
        "kubernetes.URL"
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }

    fn equals(&self, other: &dyn Opaque) -> bool {
        other.as_any().downcast_ref::<Self>().is_some_and(|other| self.text == other.text)
    }

    fn to_text(&self) -> String {
        self.text.clone()
    }
}
