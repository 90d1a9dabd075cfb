//! Kyverno's functions over images, paths, URLs and versions.

use super::{Answer, Arguments, Function, STRING, Volatility};
use crate::document::Value;
use crate::gostd::image::ImageInfo;
use crate::gostd::semver_range::{Range, Version};
use crate::gostd::url::Url;
use crate::gostd::{ip, path};
use crate::lang::jmespath::EvaluateError;

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("image_normalize", &[STRING], image_normalize),
    Function::new("is_external_url", &[STRING], is_external_url).volatile(Volatility::Always),
    Function::new("path_canonicalize", &[STRING], |a| a.owned(path::join([a.text(0)]))),
    Function::new("semver_compare", &[STRING, STRING], semver_compare),
];

fn image_normalize<'d>(a: &Arguments<'_, 'd>) -> Answer<'d> {
    match ImageInfo::parse(a.text(0), a.env().images()) {
        Ok(info) => a.owned(info.to_string()),
        Err(error) => Err(a.error(&error.to_string())),
    }
}

/// An address answers at once; a name is resolved by the [`Env`](crate::lang::jmespath::Env).
fn is_external_url<'d>(a: &Arguments<'_, 'd>) -> Answer<'d> {
    let url = Url::parse(a.text(0)).map_err(|error| EvaluateError::other(error.to_string()))?;
    if let Some(address) = ip::parse_unmapped(url.hostname()) {
        return Ok(Value::Bool(!address.is_loopback() && !address.is_private()));
    }
    let is_internal = |address: &std::net::IpAddr| {
        ip::parse_unmapped(&address.to_string())
            .is_some_and(|address| address.is_loopback() || address.is_private())
    };
    Ok(Value::Bool(!a.env().addresses(url.hostname())?.iter().any(is_internal)))
}

/// A version that cannot be read counts as 0.0.0.
fn semver_compare<'d>(a: &Arguments<'_, 'd>) -> Answer<'d> {
    a.env().charge_text(a.text(0).len() + a.text(1).len() * 8)?;
    let range = Range::parse(a.text(1)).map_err(|error| EvaluateError::other(error.to_string()))?;
    let version = Version::parse(a.text(0)).or_else(|_| Version::parse("0.0.0"));
    Ok(Value::Bool(version.is_ok_and(|version| range.contains(&version))))
}
