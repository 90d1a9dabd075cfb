//! What a literal token means: numbers, and strings and bytes with their escapes.
//!
//! Rules: <https://github.com/google/cel-spec/blob/master/doc/langdef.md#string-and-bytes-values>.

use super::Literal;

/// An integer, decimal or hexadecimal, with its sign; `None` if it does not fit.
pub(super) fn int(text: &str, is_negative: bool) -> Option<Literal> {
    let magnitude = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok()?,
        None => text.parse::<u64>().ok()?,
    };
    let value = i128::from(magnitude);
    i64::try_from(if is_negative { -value } else { value }).ok().map(Literal::Int)
}

/// An unsigned integer with its suffix.
pub(super) fn uint(text: &str) -> Option<Literal> {
    let digits = text.trim_end_matches(['u', 'U']);
    match digits.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => digits.parse().ok(),
    }
    .map(Literal::Uint)
}

/// The bytes of a string or bytes literal with prefix and quotes; an error says what is wrong with an escape.
pub(super) fn unquote(token: &str, is_bytes: bool) -> Result<Vec<u8>, String> {
    let body = token.trim_start_matches(['r', 'R', 'b', 'B']);
    let prefix = token.strip_suffix(body).unwrap_or("");
    let is_raw = prefix.contains(['r', 'R']);
    let quotes = match body.get(..3) {
        Some("\"\"\"" | "'''") if body.len() >= 6 => 3,
        _ => 1,
    };
    let inner = body.get(quotes..body.len().saturating_sub(quotes)).unwrap_or("");
    let inner = inner.replace("\r\n", "\n").replace('\r', "\n");
    if is_raw || !inner.contains('\\') {
        return Ok(inner.into_bytes());
    }
    unescape(&inner, is_bytes)
}

fn unescape(text: &str, is_bytes: bool) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            push(&mut out, c);
            continue;
        }
        let Some(escape) = rest.next() else {
            return Err("unable to unescape string, found '\\' as last character".to_owned());
        };
        let simple = match escape {
            'a' => 0x07,
            'b' => 0x08,
            'f' => 0x0c,
            'n' => b'\n',
            'r' => b'\r',
            't' => b'\t',
            'v' => 0x0b,
            '\\' | '\'' | '"' | '`' | '?' => escape as u8,
            'x' | 'X' => {
                number(&mut out, &mut rest, 16, 2, is_bytes)?;
                continue;
            }
            'u' if !is_bytes => {
                number(&mut out, &mut rest, 16, 4, false)?;
                continue;
            }
            'U' if !is_bytes => {
                number(&mut out, &mut rest, 16, 8, false)?;
                continue;
            }
            '0'..='3' => {
                let mut digits: std::str::Chars<'_> = rest.clone();
                let tail: String = digits.by_ref().take(2).collect();
                rest = digits;
                let value = u32::from_str_radix(&format!("{escape}{tail}"), 8)
                    .ok()
                    .filter(|_| tail.len() == 2)
                    .ok_or("unable to unescape octal sequence in string")?;
                code(&mut out, value, is_bytes)?;
                continue;
            }
            _ => return Err("unable to unescape string".to_owned()),
        };
        out.push(simple);
    }
    Ok(out)
}

fn push(out: &mut Vec<u8>, c: char) {
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

fn code(out: &mut Vec<u8>, value: u32, is_byte: bool) -> Result<(), String> {
    if is_byte {
        out.push(u8::try_from(value).map_err(|_| "unable to unescape string".to_owned())?);
    } else {
        push(out, char::from_u32(value).ok_or("invalid unicode code point")?);
    }
    Ok(())
}

fn number(
    out: &mut Vec<u8>,
    rest: &mut std::str::Chars<'_>,
    radix: u32,
    n_digits: usize,
    is_byte: bool,
) -> Result<(), String> {
    let mut value = 0_u32;
    for _ in 0..n_digits {
        let digit = rest.next().and_then(|c| c.to_digit(radix)).ok_or("unable to unescape string")?;
        value = value.wrapping_mul(radix).wrapping_add(digit);
    }
    code(out, value, is_byte)
}
