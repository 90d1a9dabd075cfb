//! Golden values: go1.26 `net/url`.

use super::*;

/// Text, and whether it is parsed as a request URI; scheme, host, hostname, port, escaped path, raw query and the number
/// of query keys, or the error.
type Row<'a> = (&'a str, bool, Result<[&'a str; 7], &'a str>);

#[rustfmt::skip]
const URLS: &[Row<'_>] = &[
    ("", false, Ok(["", "", "", "", "", "", ""])),
    ("", true, Err("parse \"\": empty url")),
    ("*", false, Ok(["", "", "", "", "*", "", ""])),
    ("*", true, Ok(["", "", "", "", "*", "", ""])),
    ("/", false, Ok(["", "", "", "", "/", "", ""])),
    ("/", true, Ok(["", "", "", "", "/", "", ""])),
    ("/a/b?c=d", false, Ok(["", "", "", "", "/a/b", "c=d", "1"])),
    ("/a/b?c=d", true, Ok(["", "", "", "", "/a/b", "c=d", "1"])),
    ("a/b", false, Ok(["", "", "", "", "a/b", "", ""])),
    ("a/b", true, Err("parse \"a/b\": invalid URI for request")),
    ("a:b", false, Ok(["a", "", "", "", "", "", ""])),
    ("a:b", true, Ok(["a", "", "", "", "", "", ""])),
    ("http://", false, Ok(["http", "", "", "", "", "", ""])),
    ("http://", true, Ok(["http", "", "", "", "", "", ""])),
    ("http://h", false, Ok(["http", "h", "h", "", "", "", ""])),
    ("http://h", true, Ok(["http", "h", "h", "", "", "", ""])),
    ("HTTP://H:80/P?q#f", false, Ok(["http", "H:80", "H", "80", "/P", "q", "1"])),
    ("HTTP://H:80/P?q#f", true, Ok(["http", "H:80", "H", "80", "/P", "q#f", "1"])),
    ("http://h:/", false, Ok(["http", "h:", "h", "", "/", "", ""])),
    ("http://h:/", true, Ok(["http", "h:", "h", "", "/", "", ""])),
    ("http://h:x/", false, Err("parse \"http://h:x/\": invalid port \":x\" after host")),
    ("http://h:x/", true, Err("parse \"http://h:x/\": invalid port \":x\" after host")),
    ("http://h:8a", false, Err("parse \"http://h:8a\": invalid port \":8a\" after host")),
    ("http://h:8a", true, Err("parse \"http://h:8a\": invalid port \":8a\" after host")),
    ("http://[::1]", false, Ok(["http", "[::1]", "::1", "", "", "", ""])),
    ("http://[::1]", true, Ok(["http", "[::1]", "::1", "", "", "", ""])),
    ("http://[::1]:80/x", false, Ok(["http", "[::1]:80", "::1", "80", "/x", "", ""])),
    ("http://[::1]:80/x", true, Ok(["http", "[::1]:80", "::1", "80", "/x", "", ""])),
    ("http://[::1%25eth0]/", false, Ok(["http", "[::1%eth0]", "::1%eth0", "", "/", "", ""])),
    ("http://[::1%25eth0]/", true, Ok(["http", "[::1%eth0]", "::1%eth0", "", "/", "", ""])),
    ("http://[fe80::1%25e%20h]/", false, Ok(["http", "[fe80::1%e h]", "fe80::1%e h", "", "/", "", ""])),
    ("http://[fe80::1%25e%20h]/", true, Ok(["http", "[fe80::1%e h]", "fe80::1%e h", "", "/", "", ""])),
    ("http://[::1", false, Err("parse \"http://[::1\": missing ']' in host")),
    ("http://[::1", true, Err("parse \"http://[::1\": missing ']' in host")),
    ("http://[::1]x", false, Err("parse \"http://[::1]x\": invalid port \"x\" after host")),
    ("http://[::1]x", true, Err("parse \"http://[::1]x\": invalid port \"x\" after host")),
    ("http://[1.2.3.4]/", false, Err("parse \"http://[1.2.3.4]/\": invalid IP-literal")),
    ("http://[1.2.3.4]/", true, Err("parse \"http://[1.2.3.4]/\": invalid IP-literal")),
    ("http://[x]/", false, Err("parse \"http://[x]/\": invalid host: ParseAddr(\"x\"): unable to parse IP")),
    ("http://[x]/", true, Err("parse \"http://[x]/\": invalid host: ParseAddr(\"x\"): unable to parse IP")),
    ("http://a[::1]/", false, Err("parse \"http://a[::1]/\": invalid IP-literal")),
    ("http://a[::1]/", true, Err("parse \"http://a[::1]/\": invalid IP-literal")),
    ("http://u:p@h/", false, Ok(["http", "h", "h", "", "/", "", ""])),
    ("http://u:p@h/", true, Ok(["http", "h", "h", "", "/", "", ""])),
    ("http://u@h", false, Ok(["http", "h", "h", "", "", "", ""])),
    ("http://u@h", true, Ok(["http", "h", "h", "", "", "", ""])),
    ("http://u:p:q@h", false, Ok(["http", "h", "h", "", "", "", ""])),
    ("http://u:p:q@h", true, Ok(["http", "h", "h", "", "", "", ""])),
    ("http://u@v@h/", false, Ok(["http", "h", "h", "", "/", "", ""])),
    ("http://u@v@h/", true, Ok(["http", "h", "h", "", "/", "", ""])),
    ("http://u[@h/", false, Err("parse \"http://u[@h/\": net/url: invalid userinfo")),
    ("http://u[@h/", true, Err("parse \"http://u[@h/\": net/url: invalid userinfo")),
    ("http://u%zz@h/", false, Err("parse \"http://u%zz@h/\": invalid URL escape \"%zz\"")),
    ("http://u%zz@h/", true, Err("parse \"http://u%zz@h/\": invalid URL escape \"%zz\"")),
    ("http://a b/", false, Err("parse \"http://a b/\": invalid character \" \" in host name")),
    ("http://a b/", true, Err("parse \"http://a b/\": invalid character \" \" in host name")),
    ("http://a%20b/", false, Err("parse \"http://a%20b/\": invalid URL escape \"%20\"")),
    ("http://a%20b/", true, Err("parse \"http://a%20b/\": invalid URL escape \"%20\"")),
    ("http://a%c3%a9b/", false, Ok(["http", "aéb", "aéb", "", "/", "", ""])),
    ("http://a%c3%a9b/", true, Ok(["http", "aéb", "aéb", "", "/", "", ""])),
    ("http://é/é", false, Ok(["http", "é", "é", "", "/%C3%A9", "", ""])),
    ("http://é/é", true, Ok(["http", "é", "é", "", "/%C3%A9", "", ""])),
    ("http://h/%zz", false, Err("parse \"http://h/%zz\": invalid URL escape \"%zz\"")),
    ("http://h/%zz", true, Err("parse \"http://h/%zz\": invalid URL escape \"%zz\"")),
    ("http://h/%2f%41", false, Ok(["http", "h", "h", "", "/%2f%41", "", ""])),
    ("http://h/%2f%41", true, Ok(["http", "h", "h", "", "/%2f%41", "", ""])),
    ("http://h/a b", false, Ok(["http", "h", "h", "", "/a%20b", "", ""])),
    ("http://h/a b", true, Ok(["http", "h", "h", "", "/a%20b", "", ""])),
    ("http://h/a%20b?c d", false, Ok(["http", "h", "h", "", "/a%20b", "c d", "1"])),
    ("http://h/a%20b?c d", true, Ok(["http", "h", "h", "", "/a%20b", "c d", "1"])),
    ("http://h/[a]", false, Ok(["http", "h", "h", "", "/[a]", "", ""])),
    ("http://h/[a]", true, Ok(["http", "h", "h", "", "/[a]", "", ""])),
    ("http://h/\"", false, Ok(["http", "h", "h", "", "/%22", "", ""])),
    ("http://h/\"", true, Ok(["http", "h", "h", "", "/%22", "", ""])),
    ("http://h?x=1&y=2&x=3", false, Ok(["http", "h", "h", "", "", "x=1&y=2&x=3", "2"])),
    ("http://h?x=1&y=2&x=3", true, Ok(["http", "h", "h", "", "", "x=1&y=2&x=3", "2"])),
    ("http://h?a=%zz&b=1;2&c=+%2B", false, Ok(["http", "h", "h", "", "", "a=%zz&b=1;2&c=+%2B", "1"])),
    ("http://h?a=%zz&b=1;2&c=+%2B", true, Ok(["http", "h", "h", "", "", "a=%zz&b=1;2&c=+%2B", "1"])),
    ("http://h?", false, Ok(["http", "h", "h", "", "", "", ""])),
    ("http://h?", true, Ok(["http", "h", "h", "", "", "", ""])),
    ("http://h??", false, Ok(["http", "h", "h", "", "", "?", "1"])),
    ("http://h??", true, Ok(["http", "h", "h", "", "", "?", "1"])),
    ("mailto:a@b", false, Ok(["mailto", "", "", "", "", "", ""])),
    ("mailto:a@b", true, Ok(["mailto", "", "", "", "", "", ""])),
    ("mailto:a?b", false, Ok(["mailto", "", "", "", "", "b", "1"])),
    ("mailto:a?b", true, Ok(["mailto", "", "", "", "", "b", "1"])),
    ("://x", false, Err("parse \"://x\": missing protocol scheme")),
    ("://x", true, Err("parse \"://x\": missing protocol scheme")),
    ("1http://x", false, Err("parse \"1http://x\": first path segment in URL cannot contain colon")),
    ("1http://x", true, Err("parse \"1http://x\": invalid URI for request")),
    ("ht tp://x", false, Err("parse \"ht tp://x\": first path segment in URL cannot contain colon")),
    ("ht tp://x", true, Err("parse \"ht tp://x\": invalid URI for request")),
    ("//h/p", false, Ok(["", "h", "h", "", "/p", "", ""])),
    ("//h/p", true, Ok(["", "", "", "", "//h/p", "", ""])),
    ("///h/p", false, Ok(["", "", "", "", "///h/p", "", ""])),
    ("///h/p", true, Ok(["", "", "", "", "///h/p", "", ""])),
    ("http:///p", false, Ok(["http", "", "", "", "/p", "", ""])),
    ("http:///p", true, Ok(["http", "", "", "", "/p", "", ""])),
    ("http:/p", false, Ok(["http", "", "", "", "/p", "", ""])),
    ("http:/p", true, Ok(["http", "", "", "", "/p", "", ""])),
    ("http:p", false, Ok(["http", "", "", "", "", "", ""])),
    ("http:p", true, Ok(["http", "", "", "", "", "", ""])),
    ("http://a:1:2/", false, Err("parse \"http://a:1:2/\": invalid port \":1:2\" after host")),
    ("http://a:1:2/", true, Err("parse \"http://a:1:2/\": invalid port \":1:2\" after host")),
    ("ftp://a:1:2/", false, Ok(["ftp", "a:1:2", "a:1", "2", "/", "", ""])),
    ("ftp://a:1:2/", true, Ok(["ftp", "a:1:2", "a:1", "2", "/", "", ""])),
    ("https://a:b:1", false, Err("parse \"https://a:b:1\": invalid port \":b:1\" after host")),
    ("https://a:b:1", true, Err("parse \"https://a:b:1\": invalid port \":b:1\" after host")),
    ("http://h/\n", false, Err("parse \"http://h/\\n\": net/url: invalid control character in URL")),
    ("http://h/\n", true, Err("parse \"http://h/\\n\": net/url: invalid control character in URL")),
    ("http://h\x7f", false, Err("parse \"http://h\\x7f\": net/url: invalid control character in URL")),
    ("http://h\x7f", true, Err("parse \"http://h\\x7f\": net/url: invalid control character in URL")),
    ("http://h#%zz", false, Err("parse \"http://h#%zz\": invalid URL escape \"%zz\"")),
    ("http://h#%zz", true, Err("parse \"http://h#%zz\": invalid character \"#\" in host name")),
    ("http://h/#a?b", false, Ok(["http", "h", "h", "", "/", "", ""])),
    ("http://h/#a?b", true, Ok(["http", "h", "h", "", "/%23a", "b", "1"])),
    ("cache_object:foo/bar", false, Err("parse \"cache_object:foo/bar\": first path segment in URL cannot contain colon")),
    ("cache_object:foo/bar", true, Err("parse \"cache_object:foo/bar\": invalid URI for request")),
    ("cache_object/:foo", false, Ok(["", "", "", "", "cache_object/:foo", "", ""])),
    ("cache_object/:foo", true, Err("parse \"cache_object/:foo\": invalid URI for request")),
    ("http://h/;a,b:@&=+$", false, Ok(["http", "h", "h", "", "/;a,b:@&=+$", "", ""])),
    ("http://h/;a,b:@&=+$", true, Ok(["http", "h", "h", "", "/;a,b:@&=+$", "", ""])),
    ("http://h/!'()*", false, Ok(["http", "h", "h", "", "/!'()*", "", ""])),
    ("http://h/!'()*", true, Ok(["http", "h", "h", "", "/!'()*", "", ""])),
    ("http://192.168.1.1", false, Ok(["http", "192.168.1.1", "192.168.1.1", "", "", "", ""])),
    ("http://192.168.1.1", true, Ok(["http", "192.168.1.1", "192.168.1.1", "", "", "", ""])),
    ("http://<a>/", false, Ok(["http", "<a>", "<a>", "", "/", "", ""])),
    ("http://<a>/", true, Ok(["http", "<a>", "<a>", "", "/", "", ""])),
    ("http://a\"b/", false, Ok(["http", "a\"b", "a\"b", "", "/", "", ""])),
    ("http://a\"b/", true, Ok(["http", "a\"b", "a\"b", "", "/", "", ""])),
    ("http://a^b/", false, Err("parse \"http://a^b/\": invalid character \"^\" in host name")),
    ("http://a^b/", true, Err("parse \"http://a^b/\": invalid character \"^\" in host name")),
    ("http://h%25", false, Ok(["http", "h%", "h%", "", "", "", ""])),
    ("http://h%25", true, Ok(["http", "h%", "h%", "", "", "", ""])),
    ("http://h%2541/", false, Ok(["http", "h%41", "h%41", "", "/", "", ""])),
    ("http://h%2541/", true, Ok(["http", "h%41", "h%41", "", "/", "", ""])),
    ("https://kyverno.io/docs?x#y", false, Ok(["https", "kyverno.io", "kyverno.io", "", "/docs", "x", "1"])),
    ("https://kyverno.io/docs?x#y", true, Ok(["https", "kyverno.io", "kyverno.io", "", "/docs", "x#y", "1"])),
    ("http://h/%", false, Err("parse \"http://h/%\": invalid URL escape \"%\"")),
    ("http://h/%", true, Err("parse \"http://h/%\": invalid URL escape \"%\"")),
    ("http://h/%4", false, Err("parse \"http://h/%4\": invalid URL escape \"%4\"")),
    ("http://h/%4", true, Err("parse \"http://h/%4\": invalid URL escape \"%4\"")),
];

#[test]
fn urls_parse_as_in_go() {
    let mut wrong = Vec::new();
    for (text, is_request, expected) in URLS {
        let found = if *is_request { Url::parse_request_uri(text) } else { Url::parse(text) };
        let found = found.map_err(|error| error.to_string()).map(|url| {
            let pairs = url.query_pairs();
            let keys: std::collections::BTreeSet<&String> = pairs.iter().map(|(key, _)| key).collect();
            let n_keys = if keys.is_empty() { String::new() } else { keys.len().to_string() };
            [
                url.scheme(),
                url.host(),
                url.hostname(),
                url.port(),
                url.escaped_path(),
                url.raw_query(),
                &n_keys,
            ]
            .map(str::to_owned)
        });
        if found != expected.map(|fields| fields.map(str::to_owned)).map_err(str::to_owned) {
            wrong.push(format!("{text:?} ({is_request}):\n  found    {found:?}\n  expected {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn queries_are_decoded_in_order() {
    let url = Url::parse("http://h?x=1&y=%2B+b&x=&=z&bad=%zz&a;b&k").unwrap();
    let pairs = url.query_pairs();
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(pairs, [("x", "1"), ("y", "+ b"), ("x", ""), ("", "z"), ("k", "")]);
}
