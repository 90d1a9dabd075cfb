//! Go's `compress/gzip`, and `archive/tar` as far as reading goes.

use std::ops::Range;

use miniz_oxide::deflate::compress_to_vec;
use miniz_oxide::inflate::decompress_to_vec_with_limit;

#[cfg(test)]
mod tests;

const TAR_BLOCK: usize = 512;

/// What is compressed in the first member of a gzip stream, which must not be longer than `bytes_max`; `None` if it is no such stream. Its
/// checksum is not compared: whoever relies on the content verifies a signature over it.
pub fn gunzip(bytes: &[u8], bytes_max: usize) -> Option<Vec<u8>> {
    const NAME: u8 = 1 << 3;
    const COMMENT: u8 = 1 << 4;
    let [0x1f, 0x8b, 8, flags, ..] = *bytes else { return None };
    let mut rest = bytes.get(10..)?;
    if flags & (1 << 2) != 0 {
        let (length, behind) = rest.split_first_chunk::<2>()?;
        rest = behind.get(usize::from(u16::from_le_bytes(*length))..)?;
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            rest = rest.get(rest.iter().position(|byte| *byte == 0)? + 1..)?;
        }
    }
    if flags & (1 << 1) != 0 {
        rest = rest.get(2..)?;
    }
    decompress_to_vec_with_limit(rest, bytes_max).ok()
}

/// The bytes as a gzip stream without a name and a time; not byte for byte what Go makes of them.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    const LEVEL: u8 = 6;
    const SYSTEM_UNKNOWN: u8 = 255;
    let mut stream = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, SYSTEM_UNKNOWN];
    stream.extend(compress_to_vec(bytes, LEVEL));
    stream.extend(crc32(bytes).to_le_bytes());
    let size = bytes.len() as u64 & u64::from(u32::MAX);
    stream.extend(size.to_le_bytes().iter().take(4));
    stream
}

/// The checksum of RFC 1952.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    let all = bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step));
    !all
}

/// The contents of the regular files of a tar archive whose names satisfy `is_wanted`, in order; `None` if it is no archive.
pub fn untar(bytes: &[u8], is_wanted: impl Fn(&str) -> bool) -> Option<Vec<&[u8]>> {
    let mut files = Vec::new();
    let mut long_name = None;
    let mut at = 0;
    while let Some(header) = bytes.get(at..at + TAR_BLOCK) {
        if header.iter().all(|byte| *byte == 0) {
            return Some(files);
        }
        let text = |range: Range<usize>| {
            let field = header.get(range).unwrap_or_default();
            let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
            String::from_utf8_lossy(field.get(..end).unwrap_or_default()).into_owned()
        };
        let size = usize::from_str_radix(text(124..136).trim(), 8).ok()?;
        let start = at + TAR_BLOCK;
        let content = bytes.get(start..start.checked_add(size)?)?;
        match header.get(156) {
            Some(b'x') => long_name = path_of(content),
            Some(b'0' | 0) => {
                if is_wanted(&long_name.take().unwrap_or_else(|| text(0..100))) {
                    files.push(content);
                }
            }
            _ => long_name = None,
        }
        at = start + size.next_multiple_of(TAR_BLOCK);
    }
    (at > 0 && at >= bytes.len()).then_some(files)
}

/// The name that an extended header gives to the file behind it.
fn path_of(header: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(header).ok()?;
    text.lines().find_map(|line| Some(line.split_once(' ')?.1.strip_prefix("path=")?.to_owned()))
}
