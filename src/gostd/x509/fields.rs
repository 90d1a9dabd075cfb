//! The parts of certificates as Go's `crypto/x509` and `crypto/x509/pkix` name and print them.

use std::net::IpAddr;

use serde_json::{Map, Value as Json, json};
use x509_parser::der_parser::Oid;
use x509_parser::extensions::{
    DistributionPointName, GeneralName, GeneralSubtree, ParsedExtension, X509Extension,
};
use x509_parser::x509::{AlgorithmIdentifier, X509Name};

use super::base64;
use crate::gostd::time::Time;

/// An object identifier as Go's list of numbers.
pub(super) fn oid(oid: &Oid<'_>) -> Json {
    oid.iter().map_or(Json::Null, |parts| parts.collect::<Vec<u64>>().into())
}

pub(super) fn time(unix: i64) -> Json {
    Time::from_unix(unix, 0).to_rfc3339().into()
}

/// A list as Go prints it: null if nothing was ever added.
fn list(items: Vec<Json>) -> Json {
    if items.is_empty() { Json::Null } else { Json::Array(items) }
}

/// Go's `x509.SignatureAlgorithm`.
pub(super) fn signature_algorithm(algorithm: &AlgorithmIdentifier<'_>) -> u8 {
    match algorithm.algorithm.to_id_string().as_str() {
        "1.2.840.113549.1.1.4" => 2,
        "1.2.840.113549.1.1.5" | "1.3.14.3.2.29" => 3,
        "1.2.840.113549.1.1.11" => 4,
        "1.2.840.113549.1.1.12" => 5,
        "1.2.840.113549.1.1.13" => 6,
        "1.2.840.113549.1.1.10" => pss_algorithm(algorithm),
        "1.2.840.10040.4.3" => 7,
        "2.16.840.1.101.3.4.3.2" => 8,
        "1.2.840.10045.4.1" => 9,
        "1.2.840.10045.4.3.2" => 10,
        "1.2.840.10045.4.3.3" => 11,
        "1.2.840.10045.4.3.4" => 12,
        "1.3.101.112" => 16,
        _ => 0,
    }
}

/// RSASSA-PSS names its hash in its parameters.
fn pss_algorithm(algorithm: &AlgorithmIdentifier<'_>) -> u8 {
    let parameters = algorithm.parameters.as_ref().map(|parameters| parameters.data).unwrap_or_default();
    let names_hash = |last: u8| {
        let hash = [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, last];
        parameters.windows(hash.len()).any(|window| window == hash)
    };
    [(1, 13), (2, 14), (3, 15)]
        .into_iter()
        .find(|(last, _)| names_hash(*last))
        .map_or(0, |(_, number)| number)
}

/// Go's `pkix.Name`.
pub(super) fn name(name: &X509Name<'_>) -> Json {
    let mut names = Vec::new();
    let mut lists: Map<String, Json> = Map::new();
    for list in [
        "Country",
        "Organization",
        "OrganizationalUnit",
        "Locality",
        "Province",
        "StreetAddress",
        "PostalCode",
    ] {
        lists.insert(list.to_owned(), Json::Null);
    }
    lists.insert("CommonName".to_owned(), "".into());
    lists.insert("SerialNumber".to_owned(), "".into());
    lists.insert("ExtraNames".to_owned(), Json::Null);
    for attribute in name.iter_attributes() {
        let Ok(value) = attribute.as_str() else { continue };
        names.push(json!({"Type": oid(attribute.attr_type()), "Value": value}));
        let field = match attribute.attr_type().to_id_string().as_str() {
            "2.5.4.3" => "CommonName",
            "2.5.4.5" => "SerialNumber",
            "2.5.4.6" => "Country",
            "2.5.4.7" => "Locality",
            "2.5.4.8" => "Province",
            "2.5.4.9" => "StreetAddress",
            "2.5.4.10" => "Organization",
            "2.5.4.11" => "OrganizationalUnit",
            "2.5.4.17" => "PostalCode",
            _ => continue,
        };
        match lists.get_mut(field) {
            Some(Json::Array(values)) => values.push(value.into()),
            Some(text @ Json::String(_)) => *text = value.into(),
            Some(empty) => *empty = json!([value]),
            None => {}
        }
    }
    lists.insert("Names".to_owned(), list(names));
    Json::Object(lists)
}

pub(super) fn extensions(extensions: &[X509Extension<'_>]) -> Json {
    let one = |extension: &X509Extension<'_>| json!({"Id": oid(&extension.oid), "Critical": extension.critical, "Value": base64(extension.value)});
    list(extensions.iter().map(one).collect())
}

/// The general names of one place, by kind.
#[derive(Default)]
struct Names {
    dns: Vec<Json>,
    email: Vec<Json>,
    uris: Vec<Json>,
    addresses: Vec<Json>,
}

impl Names {
    fn add(&mut self, name: &GeneralName<'_>) {
        match name {
            GeneralName::DNSName(name) => self.dns.push((*name).into()),
            GeneralName::RFC822Name(name) => self.email.push((*name).into()),
            GeneralName::URI(text) => self.uris.push((*text).into()),
            GeneralName::IPAddress(bytes) => self.addresses.push(range_or_address(bytes)),
            _ => {}
        }
    }

    fn of_subtrees(subtrees: Option<&Vec<GeneralSubtree<'_>>>) -> Self {
        let mut names = Self::default();
        subtrees.into_iter().flatten().for_each(|subtree| names.add(&subtree.base));
        names
    }
}

/// An address, or an address with a mask of the same length.
fn range_or_address(bytes: &[u8]) -> Json {
    let address = |bytes: &[u8]| {
        let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
        v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).map(|address| address.to_string()).ok()
    };
    match bytes.len() {
        8 | 32 => {
            let (start, mask) = bytes.split_at(bytes.len() / 2);
            json!({"IP": address(start), "Mask": base64(mask)})
        }
        _ => json!(address(bytes)),
    }
}

/// Go's `url.URL`. The user is there or not; Go prints nothing of it.
fn url(text: &str) -> Json {
    let (rest, fragment) = text.split_once('#').unwrap_or((text, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (scheme, rest) = rest.split_once(':').unwrap_or(("", rest));
    let (authority, path) = match rest.strip_prefix("//") {
        Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
        None => ("", rest),
    };
    let is_opaque = !rest.starts_with('/');
    let (user, host) =
        authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
    json!({
        "Scheme": scheme.to_lowercase(),
        "Opaque": if is_opaque { path } else { "" },
        "User": user.map(|_| json!({})),
        "Host": host,
        "Path": if is_opaque { String::new() } else { unescape(path) },
        "RawPath": "",
        "OmitHost": false,
        "ForceQuery": text.ends_with('?'),
        "RawQuery": query,
        "Fragment": unescape(fragment),
        "RawFragment": "",
    })
}

fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let code = tail.get(..2).and_then(|code| std::str::from_utf8(code).ok());
        let byte = code.and_then(|code| u8::from_str_radix(code, 16).ok()).filter(|_| *first == b'%');
        bytes.push(byte.unwrap_or(*first));
        rest = tail.get(if byte.is_some() { 2 } else { 0 }..).unwrap_or_default();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What the extensions of a certificate say.
#[derive(Default)]
pub(super) struct Found {
    alternative: Names,
    permitted: Names,
    excluded: Names,
    has_critical_constraints: bool,
    key_usage: u16,
    ext_key_usage: Vec<Json>,
    unknown_ext_key_usage: Vec<Json>,
    basic_constraints: Option<(bool, Option<u32>)>,
    subject_key_id: Json,
    authority_key_id: Json,
    ocsp_servers: Vec<Json>,
    issuing_urls: Vec<Json>,
    crl_urls: Vec<Json>,
    policies: Vec<Json>,
    policy_ids: Vec<Json>,
    policy_mappings: Vec<Json>,
    require_explicit_policy: Option<u32>,
    inhibit_policy_mapping: Option<u32>,
    inhibit_any_policy: Option<u32>,
    unhandled: Vec<Json>,
}

impl Found {
    pub(super) fn add(&mut self, extension: &X509Extension<'_>) {
        match extension.parsed_extension() {
            ParsedExtension::SubjectAlternativeName(names) => {
                names.general_names.iter().for_each(|name| self.alternative.add(name));
            }
            ParsedExtension::KeyUsage(usage) => self.key_usage = usage.flags,
            ParsedExtension::ExtendedKeyUsage(_) => self.add_ext_key_usage(extension.value),
            ParsedExtension::BasicConstraints(basic) => {
                self.basic_constraints = Some((basic.ca, basic.path_len_constraint));
            }
            ParsedExtension::SubjectKeyIdentifier(id) => self.subject_key_id = base64(id.0),
            ParsedExtension::AuthorityKeyIdentifier(id) => {
                self.authority_key_id = id.key_identifier.as_ref().map_or(Json::Null, |id| base64(id.0));
            }
            ParsedExtension::NameConstraints(constraints) => {
                self.permitted = Names::of_subtrees(constraints.permitted_subtrees.as_ref());
                self.excluded = Names::of_subtrees(constraints.excluded_subtrees.as_ref());
                self.has_critical_constraints = extension.critical;
            }
            other => self.add_policy_or_place(extension, other),
        }
    }

    fn add_policy_or_place(&mut self, extension: &X509Extension<'_>, parsed: &ParsedExtension<'_>) {
        match parsed {
            ParsedExtension::AuthorityInfoAccess(access) => {
                for description in access.iter() {
                    let GeneralName::URI(uri) = description.access_location else { continue };
                    match description.access_method.to_id_string().as_str() {
                        "1.3.6.1.5.5.7.48.1" => self.ocsp_servers.push(uri.into()),
                        "1.3.6.1.5.5.7.48.2" => self.issuing_urls.push(uri.into()),
                        _ => {}
                    }
                }
            }
            ParsedExtension::CRLDistributionPoints(points) => {
                let names = points.points.iter().filter_map(|point| match &point.distribution_point {
                    Some(DistributionPointName::FullName(names)) => Some(names),
                    _ => None,
                });
                self.crl_urls.extend(names.flatten().filter_map(|name| match name {
                    GeneralName::URI(uri) => Some(Json::from(*uri)),
                    _ => None,
                }));
            }
            ParsedExtension::CertificatePolicies(policies) => {
                for policy in policies {
                    self.policies.push(policy.policy_id.to_id_string().into());
                    self.policy_ids.push(oid(&policy.policy_id));
                }
            }
            ParsedExtension::PolicyMappings(mappings) => {
                self.policy_mappings.extend(mappings.mappings.iter().map(|mapping| {
                    json!({
                        "IssuerDomainPolicy": mapping.issuer_domain_policy.to_id_string(),
                        "SubjectDomainPolicy": mapping.subject_domain_policy.to_id_string(),
                    })
                }));
            }
            ParsedExtension::PolicyConstraints(constraints) => {
                self.require_explicit_policy = constraints.require_explicit_policy;
                self.inhibit_policy_mapping = constraints.inhibit_policy_mapping;
            }
            ParsedExtension::InhibitAnyPolicy(inhibit) => self.inhibit_any_policy = Some(inhibit.skip_certs),
            _ if extension.critical => self.unhandled.push(oid(&extension.oid)),
            _ => {}
        }
    }

    /// The purposes in the order of the certificate; the numbers are Go's `x509.ExtKeyUsage`.
    fn add_ext_key_usage(&mut self, der: &[u8]) {
        let Some(mut rest) = der.strip_prefix(&[0x30]).and_then(|rest| rest.get(1..)) else { return };
        if der.get(1).is_some_and(|length| length & 0x80 != 0) {
            rest = rest.get(usize::from(der.get(1).copied().unwrap_or(0) & 0x7f)..).unwrap_or_default();
        }
        while let [0x06, length, tail @ ..] = rest {
            let Some((content, tail)) = tail.split_at_checked(usize::from(*length)) else { return };
            rest = tail;
            let purpose = Oid::new(content.into());
            let known = match purpose.to_id_string().as_str() {
                "2.5.29.37.0" => Some(0),
                "1.3.6.1.5.5.7.3.1" => Some(1),
                "1.3.6.1.5.5.7.3.2" => Some(2),
                "1.3.6.1.5.5.7.3.3" => Some(3),
                "1.3.6.1.5.5.7.3.4" => Some(4),
                "1.3.6.1.5.5.7.3.5" => Some(5),
                "1.3.6.1.5.5.7.3.6" => Some(6),
                "1.3.6.1.5.5.7.3.7" => Some(7),
                "1.3.6.1.5.5.7.3.8" => Some(8),
                "1.3.6.1.5.5.7.3.9" => Some(9),
                "1.3.6.1.4.1.311.10.3.3" => Some(10),
                "2.16.840.1.113730.4.1" => Some(11),
                "1.3.6.1.4.1.311.2.1.22" => Some(12),
                "1.3.6.1.4.1.311.61.1.1" => Some(13),
                _ => None,
            };
            match known {
                Some(number) => self.ext_key_usage.push(number.into()),
                None => self.unknown_ext_key_usage.push(oid(&purpose)),
            }
        }
    }

    /// The subject's alternative names, which certificates and requests have.
    pub(super) fn names(self) -> Map<String, Json> {
        let uris = self.alternative.uris.iter().filter_map(Json::as_str).map(url).collect();
        Map::from_iter([
            ("DNSNames".to_owned(), list(self.alternative.dns)),
            ("EmailAddresses".to_owned(), list(self.alternative.email)),
            ("IPAddresses".to_owned(), list(self.alternative.addresses)),
            ("URIs".to_owned(), list(uris)),
        ])
    }

    pub(super) fn certificate_fields(mut self) -> Map<String, Json> {
        let (is_ca, path_len) = self.basic_constraints.unwrap_or((false, Some(0)));
        let has_constraints = self.basic_constraints.is_some();
        let take = |items: &mut Vec<Json>| list(std::mem::take(items));
        let is_zero = |number: Option<u32>| number == Some(0);
        let fields = json!({
            "KeyUsage": self.key_usage,
            "ExtKeyUsage": take(&mut self.ext_key_usage),
            "UnknownExtKeyUsage": take(&mut self.unknown_ext_key_usage),
            "BasicConstraintsValid": has_constraints,
            "IsCA": is_ca,
            "MaxPathLen": path_len.map_or(-1, i64::from),
            "MaxPathLenZero": has_constraints && path_len == Some(0),
            "SubjectKeyId": self.subject_key_id,
            "AuthorityKeyId": self.authority_key_id,
            "OCSPServer": take(&mut self.ocsp_servers),
            "IssuingCertificateURL": take(&mut self.issuing_urls),
            "PermittedDNSDomainsCritical": self.has_critical_constraints,
            "PermittedDNSDomains": take(&mut self.permitted.dns),
            "ExcludedDNSDomains": take(&mut self.excluded.dns),
            "PermittedIPRanges": take(&mut self.permitted.addresses),
            "ExcludedIPRanges": take(&mut self.excluded.addresses),
            "PermittedEmailAddresses": take(&mut self.permitted.email),
            "ExcludedEmailAddresses": take(&mut self.excluded.email),
            "PermittedURIDomains": take(&mut self.permitted.uris),
            "ExcludedURIDomains": take(&mut self.excluded.uris),
            "CRLDistributionPoints": take(&mut self.crl_urls),
            "PolicyIdentifiers": take(&mut self.policy_ids),
            "Policies": take(&mut self.policies),
            "PolicyMappings": take(&mut self.policy_mappings),
            "InhibitAnyPolicy": self.inhibit_any_policy.unwrap_or(0),
            "InhibitAnyPolicyZero": is_zero(self.inhibit_any_policy),
            "InhibitPolicyMapping": self.inhibit_policy_mapping.unwrap_or(0),
            "InhibitPolicyMappingZero": is_zero(self.inhibit_policy_mapping),
            "RequireExplicitPolicy": self.require_explicit_policy.unwrap_or(0),
            "RequireExplicitPolicyZero": is_zero(self.require_explicit_policy),
            "UnhandledCriticalExtensions": take(&mut self.unhandled),
        });
        let mut all = self.names();
        if let Json::Object(fields) = fields {
            all.extend(fields);
        }
        all
    }
}
