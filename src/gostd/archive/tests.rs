use super::*;
use base64::Engine as _;

/// `hello`.
const PLAIN: &str = "H4sIAAAAAAAA/8tIzcnJBwCGphA2BQAAAA==";
/// `hello` in a member with extra data, a name, a comment and a checksum of the header.
const WITH_ALL_FIELDS: &str = "H4sIHgAAAAAA/wMAYWJjbmFtZQBjb21tZW50ABI0y0jNyckHAIamEDYFAAAA";
/// A folder with two YAML files, and a text.
const ARCHIVE: &str = "H4sIAAAAAAACA+3VOw7CMBBF0alZhVcQ/MlHYjdGToFEQApGCrvHUBpax4XvacbdFE/PEy7rUQrTydj335nk8897HKwWNcgOno/o17RS2hRS/r57+eVaM/8hy38arRWlyb84f1LmIGjVOvuwzF3cYs3+27z/k3P0fw+3Ox1o2ef+n+vef2Oc/r3/9H8XG1AAPysAAAAAAAAAAEAdb+NKtzUAKAAA";

fn decoded(text: &str) -> Vec<u8> {
    base64::engine::general_purpose::STANDARD.decode(text).unwrap()
}

#[test]
fn a_gzip_stream_is_unfolded_whatever_its_header_holds() {
    assert_eq!(gunzip(&decoded(PLAIN), 100).as_deref(), Some(&b"hello"[..]));
    assert_eq!(gunzip(&decoded(WITH_ALL_FIELDS), 100).as_deref(), Some(&b"hello"[..]));
}

#[test]
fn what_is_no_stream_or_too_long_is_nothing() {
    assert_eq!(gunzip(b"", 10), None);
    assert_eq!(gunzip(b"hello", 10), None);
    let stream = decoded(PLAIN);
    assert_eq!(gunzip(&stream, 4), None);
    for length in 0..stream.len() - 8 {
        assert_eq!(gunzip(&stream[..length], 100), None, "{length}");
    }
}

#[test]
fn the_wanted_files_of_an_archive_are_given_in_order() {
    let archive = gunzip(&decoded(ARCHIVE), 1 << 20).unwrap();
    let texts = |is_wanted: fn(&str) -> bool| -> Vec<String> {
        let files = untar(&archive, is_wanted).unwrap();
        files.into_iter().map(|file| String::from_utf8_lossy(file).into_owned()).collect()
    };
    assert_eq!(texts(|name| name.starts_with("dir/")), ["a: 1\n".to_owned(), "x".repeat(600)]);
    assert_eq!(texts(|_| true).len(), 3);
}

#[test]
fn a_broken_archive_is_none() {
    assert_eq!(untar(b"short", |_| true), None);
    assert_eq!(untar(&[b'x'; 1024], |_| true), None);
    let archive = gunzip(&decoded(ARCHIVE), 1 << 20).unwrap();
    assert_eq!(untar(&archive[..600], |_| true), None);
}
