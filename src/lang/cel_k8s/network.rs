//! `ip`, `cidr` and their methods (`pkg/cel/library/{ip,cidr}.go`).

use crate::gostd::ip::{Addr, Prefix};
use crate::gostd::strconv::quote;
use crate::lang::cel::{Entry, EvalError, Opaque, Value};

use super::arguments::{argument, own, text};
use super::costs;

pub(super) const IP: &[Entry] = &[
    Entry::new("ip", "string_to_ip", "(string) -> net.IP", |_, args| {
        Ok(Value::opaque(IpValue(parse_ip(text(args, 0)?)?)))
    })
    .costing(costs::reading),
    Entry::new("family", "ip_family", "net.IP.() -> int", |_, args| {
        Ok(Value::Int(if ip(args)?.is_v4() { 4 } else { 6 }))
    }),
    Entry::new("ip.isCanonical", "ip_is_canonical", "(string) -> bool", |_, args| {
        let text = text(args, 0)?;
        Ok(Value::Bool(parse_ip(text)?.to_string() == text))
    })
    .costing(costs::reading_twice),
    Entry::new("isUnspecified", "ip_is_unspecified", "net.IP.() -> bool", |_, args| {
        Ok(Value::Bool(ip(args)?.is_unspecified()))
    }),
    Entry::new("isLoopback", "ip_is_loopback", "net.IP.() -> bool", |_, args| {
        Ok(Value::Bool(ip(args)?.is_loopback()))
    }),
    Entry::new("isLinkLocalMulticast", "ip_is_link_local_multicast", "net.IP.() -> bool", |_, args| {
        Ok(Value::Bool(ip(args)?.is_link_local_multicast()))
    }),
    Entry::new("isLinkLocalUnicast", "ip_is_link_local_unicast", "net.IP.() -> bool", |_, args| {
        Ok(Value::Bool(ip(args)?.is_link_local_unicast()))
    }),
    Entry::new("isGlobalUnicast", "ip_is_global_unicast", "net.IP.() -> bool", |_, args| {
        Ok(Value::Bool(ip(args)?.is_global_unicast()))
    }),
    Entry::new("isIP", "is_ip", "(string) -> bool", |_, args| {
        Ok(Value::Bool(parse_ip(text(args, 0)?).is_ok()))
    })
    .costing(costs::reading),
    Entry::new("string", "ip_to_string", "(net.IP) -> string", |_, args| {
        Ok(Value::string(ip(args)?.to_string()))
    }),
];

pub(super) const CIDR: &[Entry] = &[
    Entry::new("cidr", "string_to_cidr", "(string) -> net.CIDR", |_, args| {
        Ok(Value::opaque(CidrValue(cidr_of(text(args, 0)?)?)))
    })
    .costing(costs::reading),
    Entry::new("containsIP", "cidr_contains_ip_string", "net.CIDR.(string) -> bool", |_, args| {
        // What is no address is, in the API server, no argument for this overload.
        let addr = parse_ip(text(args, 1)?).map_err(|_| EvalError::Fixed("no such overload"))?;
        Ok(Value::Bool(cidr(args, 0)?.contains(&addr)))
    })
    .costing(costs::containing),
    Entry::new("containsIP", "cidr_contains_ip_ip", "net.CIDR.(net.IP) -> bool", |_, args| {
        Ok(Value::Bool(cidr(args, 0)?.contains(&own::<IpValue>(args, 1)?.0)))
    }),
    Entry::new("containsCIDR", "cidr_contains_cidr_string", "net.CIDR.(string) -> bool", |_, args| {
        let other = cidr_of(text(args, 1)?)?;
        Ok(Value::Bool(contains(cidr(args, 0)?, &other)))
    })
    .costing(costs::containing),
    Entry::new("containsCIDR", "cidr_contains_cidr", "net.CIDR.(net.CIDR) -> bool", |_, args| {
        Ok(Value::Bool(contains(cidr(args, 0)?, cidr(args, 1)?)))
    }),
    Entry::new("ip", "cidr_ip", "net.CIDR.() -> net.IP", |_, args| {
        Ok(Value::opaque(IpValue(cidr(args, 0)?.addr().clone())))
    }),
    Entry::new("prefixLength", "cidr_prefix_length", "net.CIDR.() -> int", |_, args| {
        Ok(Value::Int(i64::from(cidr(args, 0)?.n_bits())))
    }),
    Entry::new("masked", "cidr_masked", "net.CIDR.() -> net.CIDR", |_, args| {
        Ok(Value::opaque(CidrValue(cidr(args, 0)?.masked())))
    }),
    Entry::new("isCIDR", "is_cidr", "(string) -> bool", |_, args| {
        Ok(Value::Bool(parse_cidr(text(args, 0)?).is_ok()))
    })
    .costing(costs::reading),
    Entry::new("string", "cidr_to_string", "(net.CIDR) -> string", |_, args| {
        Ok(Value::string(cidr(args, 0)?.to_string()))
    }),
];

#[derive(Debug)]
struct IpValue(Addr);

#[derive(Debug)]
struct CidrValue(Prefix);

impl Opaque for IpValue {
    fn type_name(&self) -> &'static str {
        "net.IP"
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }

    fn equals(&self, other: &dyn Opaque) -> bool {
        other.as_any().downcast_ref::<Self>().is_some_and(|other| self.0 == other.0)
    }

    fn to_text(&self) -> String {
        self.0.to_string()
    }
}

impl Opaque for CidrValue {
    fn type_name(&self) -> &'static str {
        "net.CIDR"
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }

    fn equals(&self, other: &dyn Opaque) -> bool {
        other.as_any().downcast_ref::<Self>().is_some_and(|other| self.0 == other.0)
    }

    fn to_text(&self) -> String {
        self.0.to_string()
    }
}

fn ip<'v>(args: &'v [Value<'_>]) -> Result<&'v Addr, EvalError> {
    argument(args, 0)?;
    own::<IpValue>(args, 0).map(|value| &value.0)
}

fn cidr<'v>(args: &'v [Value<'_>], at: usize) -> Result<&'v Prefix, EvalError> {
    own::<CidrValue>(args, at).map(|value| &value.0)
}

/// Whether every address of the second network is in the first: they overlap, and the first is no narrower.
fn contains(network: &Prefix, other: &Prefix) -> bool {
    network.n_bits() <= other.n_bits() && network.contains(other.addr())
}

fn parse_ip(text: &str) -> Result<Addr, EvalError> {
    let refused = |before: &str, after: &str| EvalError::failed(format!("{before} {} {after}", quote(text)));
    let addr = Addr::parse(text).map_err(|error| {
        refused("IP Address", &format!("parse error during conversion from string: {error}"))
    })?;
    if !addr.zone().is_empty() {
        return Err(refused("IP address", "with zone value is not allowed"));
    }
    if addr.is_v4_in_v6() {
        return Err(refused("IPv4-mapped IPv6 address", "is not allowed"));
    }
    Ok(addr)
}

fn parse_cidr(text: &str) -> Result<Prefix, String> {
    let prefix = Prefix::parse(text)
        .map_err(|error| format!("network address parse error during conversion from string: {error}"))?;
    if prefix.addr().is_v4_in_v6() {
        return Err(format!("IPv4-mapped IPv6 address {} is not allowed", quote(text)));
    }
    Ok(prefix)
}

/// The network, with the API server's text around the error.
fn cidr_of(text: &str) -> Result<Prefix, EvalError> {
    parse_cidr(text).map_err(|error| {
        EvalError::failed(format!("network address parse error during conversion from string: {error}"))
    })
}
