//! `semver` and its methods (`pkg/cel/library/semverlib.go`, version 1).

use std::cmp::Ordering;

use crate::gostd::semver_range::Version;
use crate::lang::cel::{Entry, EvalError, Opaque, Value};

use super::arguments::{argument, own, text};
use super::costs;

const PAIR: &str = "kubernetes.Semver.(kubernetes.Semver) -> bool";

pub(super) const ENTRIES: &[Entry] = &[
    Entry::new("semver", "string_to_semver", "(string) -> kubernetes.Semver", |_, args| to_value(args))
        .costing(costs::reading),
    Entry::new("semver", "string_bool_to_semver", "(string, bool) -> kubernetes.Semver", |_, args| {
        to_value(args)
    })
    .costing(costs::reading),
    Entry::new("isSemver", "is_semver_string", "(string) -> bool", |_, args| {
        parse(args).map(|parsed| Value::Bool(parsed.is_ok()))
    })
    .costing(costs::reading),
    Entry::new("isSemver", "is_semver_string_bool", "(string, bool) -> bool", |_, args| {
        parse(args).map(|parsed| Value::Bool(parsed.is_ok()))
    })
    .costing(costs::reading),
    Entry::new("isGreaterThan", "semver_is_greater_than", PAIR, |_, args| {
        Ok(Value::Bool(order(args)?.is_gt()))
    }),
    Entry::new("isLessThan", "semver_is_less_than", PAIR, |_, args| Ok(Value::Bool(order(args)?.is_lt()))),
    Entry::new(
        "compareTo",
        "semver_compare_to",
        "kubernetes.Semver.(kubernetes.Semver) -> int",
        |_, args| Ok(Value::Int(order(args)? as i64)),
    ),
    Entry::new("major", "semver_major", "kubernetes.Semver.() -> int", |_, args| {
        part(args, |version| version.major)
    }),
    Entry::new("minor", "semver_minor", "kubernetes.Semver.() -> int", |_, args| {
        part(args, |version| version.minor)
    }),
    Entry::new("patch", "semver_patch", "kubernetes.Semver.() -> int", |_, args| {
        part(args, |version| version.patch)
    }),
];

#[derive(Debug)]
struct SemverValue {
    version: Version,
}

impl Opaque for SemverValue {
    fn type_name(&self) -> &'static str {
        "kubernetes.Semver"
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }

    fn equals(&self, other: &dyn Opaque) -> bool {
        other.as_any().downcast_ref::<Self>().is_some_and(|other| self.version.cmp(&other.version).is_eq())
    }

    fn to_text(&self) -> String {
        self.version.to_string()
    }
}

fn parse(args: &[Value<'_>]) -> Result<Result<Version, String>, EvalError> {
    let text = text(args, 0)?;
    let normalizes = args.len() > 1 && argument(args, 1)?.as_bool() == Some(true);
    let parsed = if normalizes { Version::parse_normalized(text) } else { Version::parse(text) };
    Ok(parsed.map_err(|error| error.to_string()))
}

fn to_value<'d>(args: &[Value<'d>]) -> Result<Value<'d>, EvalError> {
    match parse(args)? {
        Ok(version) => Ok(Value::opaque(SemverValue { version })),
        Err(error) => Err(EvalError::failed(error)),
    }
}

fn order(args: &[Value<'_>]) -> Result<Ordering, EvalError> {
    Ok(own::<SemverValue>(args, 0)?.version.cmp(&own::<SemverValue>(args, 1)?.version))
}

fn part<'d>(args: &[Value<'d>], part: impl Fn(&Version) -> u64) -> Result<Value<'d>, EvalError> {
    Ok(Value::Int(part(&own::<SemverValue>(args, 0)?.version).cast_signed()))
}
