//! Certificates and requests as Kyverno's `x509_decode` and `x509.decode` give them: Go's `x509.Certificate` and
//! `x509.CertificateRequest` printed as JSON, with the key in a shape of Kyverno's own.
//!
//! Only RSA keys are accepted, as in Kyverno. The texts for broken DER are those of the parser used here.

mod fields;

use base64::Engine as _;
use serde_json::{Map, Value as Json, json};
use x509_parser::der_parser::num_bigint::BigUint;
use x509_parser::pem::Pem;
use x509_parser::prelude::{FromDer as _, ParsedCriAttribute, X509Certificate, X509CertificationRequest};
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

/// The fields of the first certificate or certificate request of a PEM text.
///
/// # Errors
/// Why there is none, as Kyverno says it.
pub fn decode_pem(text: &str) -> Result<Json, String> {
    let pem = Pem::iter_from_buffer(text.as_bytes()).next().and_then(Result::ok);
    let pem = pem.ok_or("failed to decode PEM block")?;
    match pem.label.as_str() {
        "CERTIFICATE" => {
            let (rest, certificate) =
                X509Certificate::from_der(&pem.contents).map_err(|_| "x509: malformed certificate")?;
            if !rest.is_empty() {
                return Err("x509: trailing data".to_owned());
            }
            certificate_fields(&certificate)
        }
        "CERTIFICATE REQUEST" => {
            let (rest, request) = X509CertificationRequest::from_der(&pem.contents)
                .map_err(|_| "asn1: structure error: malformed certificate request")?;
            if !rest.is_empty() {
                return Err("asn1: syntax error: trailing data".to_owned());
            }
            request_fields(&request)
        }
        _ => Err("PEM block neither contains a CERTIFICATE or CERTIFICATE REQUEST".to_owned()),
    }
}

/// Whether a PEM text holds a certificate, as `CertPool.AppendCertsFromPEM` looks for one.
pub fn has_certificate(text: &str) -> bool {
    let blocks = Pem::iter_from_buffer(text.as_bytes()).map_while(Result::ok);
    let mut certificates = blocks.filter(|pem| pem.label == "CERTIFICATE");
    certificates.any(|pem| X509Certificate::from_der(&pem.contents).is_ok())
}

/// Bytes as Go's JSON encoder writes them.
fn base64(bytes: &[u8]) -> Json {
    base64::engine::general_purpose::STANDARD.encode(bytes).into()
}

/// The key in Kyverno's own shape: `N` in decimal digits.
fn public_key(info: &SubjectPublicKeyInfo<'_>) -> Result<Json, String> {
    if info.algorithm.algorithm.to_id_string() != "1.2.840.113549.1.1.1" {
        return Err("certificate should use rsa algorithm".to_owned());
    }
    match info.parsed() {
        Ok(PublicKey::RSA(key)) => Ok(json!({
            "N": BigUint::from_bytes_be(key.modulus).to_string(),
            "E": key.exponent.iter().fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte)),
        })),
        _ => Err("failed to parse subject public key info".to_owned()),
    }
}

fn certificate_fields(certificate: &X509Certificate<'_>) -> Result<Json, String> {
    let serial = certificate.serial.to_string().parse::<f64>().unwrap_or_default();
    let validity = certificate.validity();
    let mut all = Map::new();
    let mut set = |name: &str, value: Json| all.insert(name.to_owned(), value);
    set("PublicKey", public_key(certificate.public_key())?);
    set("Raw", base64(certificate.as_raw()));
    set("RawTBSCertificate", base64(certificate.tbs_certificate.as_ref()));
    set("RawSubjectPublicKeyInfo", base64(certificate.public_key().raw));
    set("RawSubject", base64(certificate.subject().as_raw()));
    set("RawIssuer", base64(certificate.issuer().as_raw()));
    set("Signature", base64(&certificate.signature_value.data));
    set("SignatureAlgorithm", fields::signature_algorithm(&certificate.signature_algorithm).into());
    set("PublicKeyAlgorithm", 1.into());
    set("Version", (certificate.version().0 + 1).into());
    set("SerialNumber", serial.into());
    set("Issuer", fields::name(certificate.issuer()));
    set("Subject", fields::name(certificate.subject()));
    set("NotBefore", fields::time(validity.not_before.timestamp()));
    set("NotAfter", fields::time(validity.not_after.timestamp()));
    set("ExtraExtensions", Json::Null);
    set("Extensions", fields::extensions(certificate.extensions()));
    let mut found = fields::Found::default();
    for extension in certificate.extensions() {
        found.add(extension);
    }
    all.extend(found.certificate_fields());
    Ok(Json::Object(all))
}

fn request_fields(request: &X509CertificationRequest<'_>) -> Result<Json, String> {
    let info = &request.certification_request_info;
    let mut found = fields::Found::default();
    let mut attributes = Vec::new();
    let mut extensions = Json::Null;
    for attribute in info.iter_attributes() {
        if let ParsedCriAttribute::ExtensionRequest(requested) = attribute.parsed_attribute() {
            requested.extensions.iter().for_each(|extension| found.add(extension));
            extensions = fields::extensions(&requested.extensions);
            let values: Vec<Json> = requested
                .extensions
                .iter()
                .map(|extension| {
                    let value = if extension.critical { true.into() } else { base64(extension.value) };
                    json!({"Type": fields::oid(&extension.oid), "Value": value})
                })
                .collect();
            attributes.push(json!({"Type": fields::oid(&attribute.oid), "Value": [values]}));
        }
    }
    let mut all = Map::new();
    let mut set = |name: &str, value: Json| all.insert(name.to_owned(), value);
    set("PublicKey", public_key(&info.subject_pki)?);
    set("Raw", base64(request.as_raw()));
    set("RawTBSCertificateRequest", base64(info.raw));
    set("RawSubjectPublicKeyInfo", base64(info.subject_pki.raw));
    set("RawSubject", base64(info.subject.as_raw()));
    set("Version", info.version.0.into());
    set("Signature", base64(&request.signature_value.data));
    set("SignatureAlgorithm", fields::signature_algorithm(&request.signature_algorithm).into());
    set("PublicKeyAlgorithm", 1.into());
    set("Subject", fields::name(&info.subject));
    set("Attributes", if attributes.is_empty() { Json::Null } else { attributes.into() });
    set("Extensions", extensions);
    set("ExtraExtensions", Json::Null);
    all.extend(found.names());
    Ok(Json::Object(all))
}
