//! Golden values: go1.26 `net/netip` and `net`.

use super::*;

/// Text; canonical form and whether it is IPv4-mapped, or the error.
type ParsedAddr<'a> = (&'a str, Result<(&'a str, bool), &'a str>);

#[rustfmt::skip]
const ADDRS: &[ParsedAddr<'_>] = &[
    ("", Err("ParseAddr(\"\"): unable to parse IP")),
    ("x", Err("ParseAddr(\"x\"): unable to parse IP")),
    ("1.2.3.4", Ok(("1.2.3.4", false))),
    ("01.2.3.4", Err("ParseAddr(\"01.2.3.4\"): IPv4 field has octet with leading zero")),
    ("0.0.0.0", Ok(("0.0.0.0", false))),
    ("00.0.0.0", Err("ParseAddr(\"00.0.0.0\"): IPv4 field has octet with leading zero")),
    ("256.1.1.1", Err("ParseAddr(\"256.1.1.1\"): IPv4 field has value >255")),
    ("1.2.3", Err("ParseAddr(\"1.2.3\"): IPv4 address too short")),
    ("1.2.3.4.5", Err("ParseAddr(\"1.2.3.4.5\"): IPv4 address too long")),
    ("1..2.3", Err("ParseAddr(\"1..2.3\"): IPv4 field must have at least one digit (at \".2.3\")")),
    (".1.2.3", Err("ParseAddr(\".1.2.3\"): IPv4 field must have at least one digit (at \".1.2.3\")")),
    ("1.2.3.", Err("ParseAddr(\"1.2.3.\"): IPv4 field must have at least one digit (at \".\")")),
    ("1.2.3.4x", Err("ParseAddr(\"1.2.3.4x\"): unexpected character (at \"x\")")),
    ("1.2.3.4%eth0", Err("ParseAddr(\"1.2.3.4%eth0\"): unexpected character (at \"%eth0\")")),
    ("::", Ok(("::", false))),
    ("::1", Ok(("::1", false))),
    ("1::", Ok(("1::", false))),
    ("fe80::1%eth0", Ok(("fe80::1%eth0", false))),
    ("fe80::1%", Err("ParseAddr(\"fe80::1%\"): zone must be a non-empty string")),
    ("%eth0", Err("ParseAddr(\"%eth0\"): missing IPv6 address")),
    ("::ffff:1.2.3.4", Ok(("::ffff:1.2.3.4", true))),
    ("::ffff:1.2.3.4%z", Ok(("::ffff:1.2.3.4%z", true))),
    ("::1.2.3.4", Ok(("::102:304", false))),
    ("1:2:3:4:5:6:7:8", Ok(("1:2:3:4:5:6:7:8", false))),
    ("1:2:3:4:5:6:7", Err("ParseAddr(\"1:2:3:4:5:6:7\"): address string too short")),
    ("1:2:3:4:5:6:7::", Ok(("1:2:3:4:5:6:7:0", false))),
    ("1:2:3:4:5:6:7:8::", Err("ParseAddr(\"1:2:3:4:5:6:7:8::\"): the :: must expand to at least one field of zeros")),
    ("::2:3:4:5:6:7:8", Ok(("0:2:3:4:5:6:7:8", false))),
    ("1::2::3", Err("ParseAddr(\"1::2::3\"): multiple :: in address (at \":3\")")),
    (":1", Err("ParseAddr(\":1\"): each colon-separated field must have at least one digit (at \":1\")")),
    ("1:", Err("ParseAddr(\"1:\"): colon must be followed by more characters (at \":\")")),
    ("1:2:3:4:5:6:7:8:9", Err("ParseAddr(\"1:2:3:4:5:6:7:8:9\"): trailing garbage after address (at \"9\")")),
    ("12345::", Err("ParseAddr(\"12345::\"): each group must have 4 or less digits (at \"12345::\")")),
    ("g::", Err("ParseAddr(\"g::\"): each colon-separated field must have at least one digit (at \"g::\")")),
    ("::g", Err("ParseAddr(\"::g\"): each colon-separated field must have at least one digit (at \"g\")")),
    ("1:2:3:4:5:6:1.2.3.4", Ok(("1:2:3:4:5:6:102:304", false))),
    ("1:2:3:4:5:1.2.3.4", Err("ParseAddr(\"1:2:3:4:5:1.2.3.4\"): embedded IPv4 address must replace the final 2 fields of the address (at \"1.2.3.4\")")),
    ("1:2:3:4:5:6:7:1.2.3.4", Err("ParseAddr(\"1:2:3:4:5:6:7:1.2.3.4\"): embedded IPv4 address must replace the final 2 fields of the address (at \"1.2.3.4\")")),
    ("::1:2:3:4:5:6:7:1.2.3.4", Err("ParseAddr(\"::1:2:3:4:5:6:7:1.2.3.4\"): too many hex fields to fit an embedded IPv4 at the end of the address (at \"1.2.3.4\")")),
    ("::ffff:1.2.3.400", Err("ParseAddr(\"::ffff:1.2.3.400\"): IPv4 field has value >255")),
    ("::ffff:01.2.3.4", Err("ParseAddr(\"::ffff:01.2.3.4\"): IPv4 field has octet with leading zero")),
    ("::ffff:1.2.3", Err("ParseAddr(\"::ffff:1.2.3\"): IPv4 address too short")),
    ("2001:DB8::A", Ok(("2001:db8::a", false))),
    ("2001:0db8:0000:0000:0001:0000:0000:0001", Ok(("2001:db8::1:0:0:1", false))),
    ("1:0:0:2:0:0:0:3", Ok(("1:0:0:2::3", false))),
    ("1::0:0:3", Ok(("1::3", false))),
    ("::ffff:0:0", Ok(("::ffff:0.0.0.0", true))),
    ("64:ff9b::1.2.3.4", Ok(("64:ff9b::102:304", false))),
    ("1.2.3.4:80", Err("ParseAddr(\"1.2.3.4:80\"): unexpected character (at \":80\")")),
    ("[::1]", Err("ParseAddr(\"[::1]\"): each colon-separated field must have at least one digit (at \"[::1]\")")),
    ("1 .2.3.4", Err("ParseAddr(\"1 .2.3.4\"): unexpected character (at \" .2.3.4\")")),
    ("é.1.1.1", Err("ParseAddr(\"é.1.1.1\"): unexpected character (at \"é.1.1.1\")")),
    ("::é", Err("ParseAddr(\"::é\"): each colon-separated field must have at least one digit (at \"é\")")),
    ("fe80::1%é", Ok(("fe80::1%é", false))),
    ("1:::2", Err("ParseAddr(\"1:::2\"): each colon-separated field must have at least one digit (at \":2\")")),
    (":::", Err("ParseAddr(\":::\"): each colon-separated field must have at least one digit (at \":\")")),
    ("::1 ", Err("ParseAddr(\"::1 \"): unexpected character, want colon (at \" \")")),
    ("1:2 ", Err("ParseAddr(\"1:2 \"): unexpected character, want colon (at \" \")")),
];

/// Text; canonical form and masked form, or the error.
type ParsedPrefix<'a> = (&'a str, Result<(&'a str, &'a str), &'a str>);

#[rustfmt::skip]
const PREFIXES: &[ParsedPrefix<'_>] = &[
    ("", Err("netip.ParsePrefix(\"\"): no '/'")),
    ("1.2.3.4", Err("netip.ParsePrefix(\"1.2.3.4\"): no '/'")),
    ("1.2.3.4/24", Ok(("1.2.3.4/24", "1.2.3.0/24"))),
    ("1.2.3.4/0", Ok(("1.2.3.4/0", "0.0.0.0/0"))),
    ("1.2.3.4/32", Ok(("1.2.3.4/32", "1.2.3.4/32"))),
    ("1.2.3.4/33", Err("netip.ParsePrefix(\"1.2.3.4/33\"): prefix length out of range")),
    ("1.2.3.4/-1", Err("netip.ParsePrefix(\"1.2.3.4/-1\"): bad bits after slash: \"-1\"")),
    ("1.2.3.4/+1", Err("netip.ParsePrefix(\"1.2.3.4/+1\"): bad bits after slash: \"+1\"")),
    ("1.2.3.4/024", Err("netip.ParsePrefix(\"1.2.3.4/024\"): bad bits after slash: \"024\"")),
    ("1.2.3.4/", Err("netip.ParsePrefix(\"1.2.3.4/\"): bad bits after slash: \"\"")),
    ("1.2.3.4/a", Err("netip.ParsePrefix(\"1.2.3.4/a\"): bad bits after slash: \"a\"")),
    ("2001:db8::1/32", Ok(("2001:db8::1/32", "2001:db8::/32"))),
    ("2001:db8::1/128", Ok(("2001:db8::1/128", "2001:db8::1/128"))),
    ("2001:db8::1/129", Err("netip.ParsePrefix(\"2001:db8::1/129\"): prefix length out of range")),
    ("fe80::1%a/64", Err("netip.ParsePrefix(\"fe80::1%a/64\"): IPv6 zones cannot be present in a prefix")),
    ("x/1", Err("netip.ParsePrefix(\"x/1\"): ParseAddr(\"x\"): unable to parse IP")),
    ("::ffff:1.2.3.4/100", Ok(("::ffff:1.2.3.4/100", "::ffff:0.0.0.0/100"))),
    ("1.2.3.4/24/8", Err("netip.ParsePrefix(\"1.2.3.4/24/8\"): ParseAddr(\"1.2.3.4/24\"): unexpected character (at \"/24\")")),
    ("1.2.3.4/00", Err("netip.ParsePrefix(\"1.2.3.4/00\"): bad bits after slash: \"00\"")),
    ("1.2.3.4/0x1", Err("netip.ParsePrefix(\"1.2.3.4/0x1\"): bad bits after slash: \"0x1\"")),
    ("1.2.3.4/99999999999999999999", Err("netip.ParsePrefix(\"1.2.3.4/99999999999999999999\"): bad bits after slash: \"99999999999999999999\"")),
];

/// Address; whether it is unspecified, loopback, private, link-local unicast, link-local multicast, multicast, global
/// unicast, and what `net.IP` says to loopback or private.
#[rustfmt::skip]
const CLASSES: &[(&str, &str)] = &[
    ("127.0.0.1", "01000001"),
    ("127.255.0.1", "01000001"),
    ("10.0.0.1", "00100011"),
    ("172.16.0.1", "00100011"),
    ("172.32.0.1", "00000010"),
    ("192.168.1.1", "00100011"),
    ("8.8.8.8", "00000010"),
    ("169.254.1.1", "00010000"),
    ("224.0.0.1", "00001100"),
    ("224.0.1.1", "00000100"),
    ("239.1.1.1", "00000100"),
    ("255.255.255.255", "00000000"),
    ("0.0.0.0", "10000000"),
    ("::", "10000000"),
    ("::1", "01000001"),
    ("fe80::1", "00010000"),
    ("febf::1", "00010000"),
    ("fec0::1", "00000010"),
    ("fc00::1", "00100011"),
    ("fd00::1", "00100011"),
    ("ff02::1", "00001100"),
    ("ff12::1", "00001100"),
    ("ff05::1", "00000100"),
    ("2001:db8::1", "00000010"),
    ("::ffff:127.0.0.1", "01000001"),
    ("::ffff:10.0.0.1", "00100011"),
    ("::ffff:169.254.0.1", "00010000"),
    ("::ffff:224.0.0.1", "00001100"),
    ("::ffff:0.0.0.0", "00000000"),
    ("::ffff:255.255.255.255", "00000000"),
];

#[test]
fn addresses_parse_and_print_as_in_go() {
    let mut wrong = Vec::new();
    for (text, expected) in ADDRS {
        let found = Addr::parse(text);
        let found = found.map(|a| (a.to_string(), a.is_v4_in_v6())).map_err(|error| error.to_string());
        if found != expected.map(|(text, mapped)| (text.to_owned(), mapped)).map_err(str::to_owned) {
            wrong.push(format!("{text:?}: found {found:?}, expected {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn prefixes_parse_and_mask_as_in_go() {
    for (text, expected) in PREFIXES {
        let found = Prefix::parse(text);
        let found = found.map(|p| (p.to_string(), p.masked().to_string())).map_err(|error| error.to_string());
        let expected = expected.map(|(text, masked)| (text.to_owned(), masked.to_owned()));
        assert_eq!(found, expected.map_err(str::to_owned), "{text:?}");
    }
}

#[test]
fn addresses_are_classified_as_in_go() {
    for (text, expected) in CLASSES {
        let addr = Addr::parse(text).unwrap();
        let unmapped = parse_unmapped(text).unwrap();
        let classes = [
            addr.is_unspecified(),
            addr.is_loopback(),
            addr.is_private(),
            addr.is_link_local_unicast(),
            addr.is_link_local_multicast(),
            addr.is_multicast(),
            addr.is_global_unicast(),
            unmapped.is_loopback() || unmapped.is_private(),
        ];
        let found: String = classes.iter().map(|is_class| if *is_class { '1' } else { '0' }).collect();
        assert_eq!(found, *expected, "{text}");
    }
}

#[test]
fn prefixes_hold_addresses_and_prefixes() {
    let prefix = |text| Prefix::parse(text).unwrap();
    let addr = |text| Addr::parse(text).unwrap();
    assert!(prefix("10.1.2.3/8").contains(&addr("10.255.0.1")));
    assert!(!prefix("10.0.0.0/8").contains(&addr("11.0.0.1")));
    assert!(prefix("0.0.0.0/0").contains(&addr("1.2.3.4")));
    assert!(!prefix("::/0").contains(&addr("1.2.3.4")));
    assert!(!prefix("10.0.0.0/8").contains(&addr("::ffff:10.0.0.1")));
    assert!(prefix("fe80::/10").contains(&addr("fe80::1")));
    assert!(!prefix("fe80::/10").contains(&addr("fe80::1%eth0")));
    assert!(prefix("1.2.3.4/32").contains(&addr("1.2.3.4")));
    assert!(prefix("10.0.0.0/8").contains_prefix(&prefix("10.1.0.0/16")));
    assert!(!prefix("10.1.0.0/16").contains_prefix(&prefix("10.0.0.0/8")));
    assert_eq!(parse_unmapped("fe80::1%a"), None);
    assert_eq!(parse_unmapped("::ffff:1.2.3.4").unwrap().to_string(), "1.2.3.4");
}
