//! IP addresses and prefixes as Go's `net/netip` parses, classifies and prints them.
//!
//! Stricter than most parsers: no leading zeros, and an IPv4-mapped IPv6 address stays IPv6. Used by the
//! IP and CIDR functions of CEL and, through [`parse_unmapped`], by Kyverno's `is_external_url`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::strconv::quote;

#[cfg(test)]
mod tests;

/// Why a text is not an address; prints as Go prints it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("ParseAddr({}): {problem}{}", quote(.text), position(.at))]
pub struct AddrError {
    text: String,
    problem: &'static str,
    /// The rest of the text where reading stopped, where Go cites it.
    at: String,
}

fn position(at: &str) -> String {
    if at.is_empty() {
        String::new()
    } else {
        format!(" (at {})", quote(at))
    }
}

/// Why a text is not a prefix; prints as Go prints it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("netip.ParsePrefix({}): {problem}", quote(.text))]
pub struct PrefixError {
    text: String,
    problem: String,
}

/// An address, with a zone if it is IPv6 and has one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Addr {
    ip: IpAddr,
    zone: Box<str>,
}

/// A problem and the rest of the text that it is found at.
type Problem<'a> = (&'static str, &'a str);

impl Addr {
    /// `netip.ParseAddr`.
    pub fn parse(text: &str) -> Result<Self, AddrError> {
        let result = match text.chars().find(|c| matches!(c, '.' | ':' | '%')) {
            Some('.') => parse_v4(text).map(|octets| Self {
                ip: Ipv4Addr::from(octets).into(),
                zone: "".into(),
            }),
            Some(':') => parse_v6(text),
            Some(_) => Err(("missing IPv6 address", "")),
            None => Err(("unable to parse IP", "")),
        };
        result.map_err(|(problem, at)| AddrError {
            text: text.to_owned(),
            problem,
            at: at.to_owned(),
        })
    }

    /// The address without its zone.
    pub const fn ip(&self) -> IpAddr {
        self.ip
    }

    /// The zone; empty if there is none.
    pub fn zone(&self) -> &str {
        &self.zone
    }

    /// Whether this is an IPv4 address; IPv4-mapped IPv6 is not.
    pub const fn is_v4(&self) -> bool {
        self.ip.is_ipv4()
    }

    /// `Is4In6`: whether this is an IPv4-mapped IPv6 address.
    pub fn is_v4_in_v6(&self) -> bool {
        matches!(self.ip, IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some())
    }

    /// `IsUnspecified`.
    pub const fn is_unspecified(&self) -> bool {
        self.ip.is_unspecified()
    }

    /// `IsLoopback`, also for IPv4-mapped addresses.
    pub fn is_loopback(&self) -> bool {
        self.ip.to_canonical().is_loopback()
    }

    /// `IsPrivate`: RFC 1918 and RFC 4193, also for IPv4-mapped addresses.
    pub fn is_private(&self) -> bool {
        match self.ip.to_canonical() {
            IpAddr::V4(ip) => ip.is_private(),
            IpAddr::V6(ip) => ip.is_unique_local(),
        }
    }

    /// `IsLinkLocalUnicast`.
    pub fn is_link_local_unicast(&self) -> bool {
        match self.ip.to_canonical() {
            IpAddr::V4(ip) => ip.is_link_local(),
            IpAddr::V6(ip) => ip.is_unicast_link_local(),
        }
    }

    /// `IsLinkLocalMulticast`.
    pub fn is_link_local_multicast(&self) -> bool {
        match self.ip.to_canonical() {
            IpAddr::V4(ip) => ip.octets().starts_with(&[224, 0, 0]),
            IpAddr::V6(ip) => matches!(ip.octets(), [0xff, flags, ..] if flags & 0x0f == 0x02),
        }
    }

    /// `IsMulticast`.
    pub fn is_multicast(&self) -> bool {
        self.ip.to_canonical().is_multicast()
    }

    /// `IsGlobalUnicast`; private addresses count.
    pub fn is_global_unicast(&self) -> bool {
        let ip = self.ip.to_canonical();
        let is_edge = ip.is_unspecified() || ip == IpAddr::V4(Ipv4Addr::BROADCAST);
        !is_edge && !self.is_loopback() && !self.is_multicast() && !self.is_link_local_unicast()
    }

    const fn n_bits(&self) -> u8 {
        if self.is_v4() { 32 } else { 128 }
    }

    /// The address as a number, its first bit on top.
    fn bits(&self) -> u128 {
        match self.ip {
            IpAddr::V4(ip) => u128::from(ip.to_bits()) << 96,
            IpAddr::V6(ip) => ip.to_bits(),
        }
    }
}

/// The canonical form: RFC 5952 for IPv6, `::ffff:1.2.3.4` for IPv4-mapped addresses, `%zone` at the end.
impl fmt::Display for Addr {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.ip)?;
        if self.zone.is_empty() {
            Ok(())
        } else {
            write!(out, "%{}", self.zone)
        }
    }
}

/// `net.ParseIP`: without zones, IPv4-mapped addresses as IPv4.
pub fn parse_unmapped(text: &str) -> Option<Addr> {
    let addr = Addr::parse(text).ok().filter(|addr| addr.zone.is_empty())?;
    Some(Addr {
        ip: addr.ip.to_canonical(),
        ..addr
    })
}

fn parse_v4(text: &str) -> Result<[u8; 4], Problem<'_>> {
    let mut octets = [0; 4];
    let mut position = 0;
    let (mut value, mut n_digits) = (0u32, 0);
    for (start, character) in text.char_indices() {
        let at = text.get(start..).unwrap_or_default();
        match character {
            '0'..='9' => {
                if n_digits == 1 && value == 0 {
                    return Err(("IPv4 field has octet with leading zero", ""));
                }
                value = value * 10 + character.to_digit(10).unwrap_or(0);
                n_digits += 1;
                if value > 255 {
                    return Err(("IPv4 field has value >255", ""));
                }
            }
            '.' if n_digits == 0 || at.len() == 1 => {
                return Err(("IPv4 field must have at least one digit", at));
            }
            '.' if position == 3 => return Err(("IPv4 address too long", "")),
            '.' => {
                store(&mut octets, position, value);
                position += 1;
                (value, n_digits) = (0, 0);
            }
            _ => return Err(("unexpected character", at)),
        }
    }
    if position < 3 {
        return Err(("IPv4 address too short", ""));
    }
    store(&mut octets, position, value);
    Ok(octets)
}

fn store(octets: &mut [u8], position: usize, value: u32) {
    if let Some(octet) = octets.get_mut(position) {
        *octet = u8::try_from(value).unwrap_or(u8::MAX);
    }
}

fn parse_v6(whole: &str) -> Result<Addr, Problem<'_>> {
    let (mut text, zone) = match whole.split_once('%') {
        Some((_, "")) => return Err(("zone must be a non-empty string", "")),
        Some((text, zone)) => (text, zone),
        None => (whole, ""),
    };
    // Bytes before and after the double colon.
    let mut head: Vec<u8> = Vec::with_capacity(16);
    let mut tail: Option<Vec<u8>> = None;
    if let Some(rest) = text.strip_prefix("::") {
        tail = Some(Vec::new());
        text = rest;
    }
    let n_bytes =
        |head: &Vec<u8>, tail: &Option<Vec<u8>>| head.len() + tail.as_ref().map_or(0, Vec::len);
    let only_ellipsis = tail.is_some() && text.is_empty();
    while !only_ellipsis && n_bytes(&head, &tail) < 16 {
        let (group, rest) = read_group(text)?;
        if rest.starts_with('.') {
            let n_before = n_bytes(&head, &tail);
            if tail.is_none() && n_before != 12 {
                return Err((
                    "embedded IPv4 address must replace the final 2 fields of the address",
                    text,
                ));
            }
            if n_before > 12 {
                return Err((
                    "too many hex fields to fit an embedded IPv4 at the end of the address",
                    text,
                ));
            }
            tail.as_mut().unwrap_or(&mut head).extend(parse_v4(text)?);
            text = "";
            break;
        }
        tail.as_mut()
            .unwrap_or(&mut head)
            .extend(group.to_be_bytes());
        text = rest;
        if text.is_empty() {
            break;
        }
        let Some(rest) = text.strip_prefix(':') else {
            return Err(("unexpected character, want colon", text));
        };
        if rest.is_empty() {
            return Err(("colon must be followed by more characters", text));
        }
        text = rest;
        if let Some(rest) = text.strip_prefix(':') {
            if tail.is_some() {
                return Err(("multiple :: in address", text));
            }
            tail = Some(Vec::new());
            text = rest;
            if text.is_empty() {
                break;
            }
        }
    }
    if !text.is_empty() {
        return Err(("trailing garbage after address", text));
    }
    let octets = expand(head, tail)?;
    Ok(Addr {
        ip: Ipv6Addr::from(octets).into(),
        zone: zone.into(),
    })
}

/// Puts zeros between what stands before and after the double colon.
fn expand<'a>(mut head: Vec<u8>, tail: Option<Vec<u8>>) -> Result<[u8; 16], Problem<'a>> {
    let missing = 16usize.saturating_sub(head.len() + tail.as_ref().map_or(0, Vec::len));
    match (missing, tail) {
        (0, None) => {}
        (_, None) => return Err(("address string too short", "")),
        (0, Some(_)) => return Err(("the :: must expand to at least one field of zeros", "")),
        (_, Some(tail)) => {
            head.extend(std::iter::repeat_n(0, missing));
            head.extend(tail);
        }
    }
    Ok(head.try_into().unwrap_or_default())
}

/// Reads one to four hexadecimal digits.
fn read_group(text: &str) -> Result<(u16, &str), Problem<'_>> {
    let rest = text.trim_start_matches(|c: char| c.is_ascii_hexdigit());
    let digits = text.strip_suffix(rest).unwrap_or(text);
    match digits.len() {
        0 => Err((
            "each colon-separated field must have at least one digit",
            text,
        )),
        1..=4 => Ok((u16::from_str_radix(digits, 16).unwrap_or(0), rest)),
        _ => Err(("each group must have 4 or less digits", text)),
    }
}

/// An address with the length of its network part.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Prefix {
    addr: Addr,
    n_bits: u8,
}

impl Prefix {
    /// `netip.ParsePrefix`: bits of the host part are kept.
    pub fn parse(text: &str) -> Result<Self, PrefixError> {
        let fail = |problem: String| PrefixError {
            text: text.to_owned(),
            problem,
        };
        let (addr, bits) = text
            .rsplit_once('/')
            .ok_or_else(|| fail("no '/'".to_owned()))?;
        let addr = Addr::parse(addr).map_err(|error| fail(error.to_string()))?;
        if !addr.zone.is_empty() {
            return Err(fail("IPv6 zones cannot be present in a prefix".to_owned()));
        }
        let is_plain = bits.len() == 1 || bits.starts_with(|c| ('1'..='9').contains(&c));
        let n_bits = super::strconv::atoi(bits).ok().filter(|_| is_plain);
        let n_bits =
            n_bits.ok_or_else(|| fail(format!("bad bits after slash: {}", quote(bits))))?;
        let n_bits = u8::try_from(n_bits)
            .ok()
            .filter(|n_bits| *n_bits <= addr.n_bits());
        let n_bits = n_bits.ok_or_else(|| fail("prefix length out of range".to_owned()))?;
        Ok(Self { addr, n_bits })
    }

    /// The address, with its host part.
    pub const fn addr(&self) -> &Addr {
        &self.addr
    }

    /// The length of the network part.
    pub const fn n_bits(&self) -> u8 {
        self.n_bits
    }

    /// `Masked`: the prefix with a zero host part.
    #[must_use]
    pub fn masked(&self) -> Self {
        let bits = self.addr.bits() & self.mask();
        let ip = if self.addr.is_v4() {
            Ipv4Addr::from_bits(u32::try_from(bits >> 96).unwrap_or(0)).into()
        } else {
            Ipv6Addr::from_bits(bits).into()
        };
        Self {
            addr: Addr {
                ip,
                zone: "".into(),
            },
            n_bits: self.n_bits,
        }
    }

    /// `Contains`: never across families, never for an address with a zone.
    pub fn contains(&self, addr: &Addr) -> bool {
        addr.zone.is_empty()
            && addr.is_v4() == self.addr.is_v4()
            && (addr.bits() ^ self.addr.bits()) & self.mask() == 0
    }

    /// Whether every address of another prefix is in this one; `containsCIDR` of Kubernetes' CEL library.
    pub fn contains_prefix(&self, other: &Self) -> bool {
        self.n_bits <= other.n_bits && self.contains(&other.addr)
    }

    fn mask(&self) -> u128 {
        u128::MAX
            .checked_shl(128 - u32::from(self.n_bits))
            .unwrap_or(0)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.addr, self.n_bits)
    }
}
