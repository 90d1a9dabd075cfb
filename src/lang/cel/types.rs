//! CEL's types, and when one may stand for another.
//!
//! The rules of assignability and of type parameters are the language definition's, as cel-go's checker
//! applies them (`checker/types.go`): `dyn` goes with everything, a type parameter takes the most general
//! type seen so far.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Type {
    /// What a failed check leaves behind; goes with everything.
    Error,
    /// Known at run time only.
    Dyn,
    /// The type of `null`.
    Null,
    /// `bool`
    Bool,
    /// `int`
    Int,
    /// `uint`
    Uint,
    /// `double`
    Double,
    /// `string`
    String,
    /// `bytes`
    Bytes,
    /// `google.protobuf.Duration`
    Duration,
    /// `google.protobuf.Timestamp`
    Timestamp,
    /// The type of a type; with the type it denotes if that is known.
    Type(Option<Arc<Type>>),
    /// `list(T)`
    List(Arc<Type>),
    /// `map(K, V)`
    Map(Arc<Type>, Arc<Type>),
    /// A type that only functions look into, with its parameters (`optional_type(T)`, `kubernetes.Quantity`).
    Opaque(Arc<str>, Arc<[Type]>),
    /// A message type with declared fields.
    Struct(Arc<str>),
    /// A type parameter of an overload, or a type that is not yet known.
    Param(Arc<str>),
}

impl Type {
    /// A list of some type.
    pub fn list(element: Type) -> Self {
        Self::List(Arc::new(element))
    }

    /// A map of some types.
    pub fn map(key: Type, value: Type) -> Self {
        Self::Map(Arc::new(key), Arc::new(value))
    }

    /// An optional of some type.
    pub fn optional(value: Type) -> Self {
        Self::Opaque("optional_type".into(), [value].into())
    }

    /// An opaque type without parameters.
    pub fn opaque(name: &str) -> Self {
        Self::Opaque(name.into(), [].into())
    }

    /// A message type.
    pub fn message(name: &str) -> Self {
        Self::Struct(name.into())
    }

    /// The type of a type.
    pub(crate) fn type_of(inner: Type) -> Self {
        Self::Type(Some(Arc::new(inner)))
    }

    /// What an optional holds.
    pub(crate) fn unwrap_optional(&self) -> Option<&Type> {
        match self {
            Self::Opaque(name, params) if &**name == "optional_type" => params.first(),
            _ => None,
        }
    }

    /// Whether nothing is known before run time.
    pub(crate) fn is_dyn_or_error(&self) -> bool {
        matches!(self, Self::Dyn | Self::Error)
    }

    /// The name that `type(x)` has at run time.
    pub(crate) fn runtime_name(&self) -> &str {
        match self {
            Self::Error => "!error!",
            Self::Dyn => "dyn",
            Self::Null => "null_type",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Uint => "uint",
            Self::Double => "double",
            Self::String => "string",
            Self::Bytes => "bytes",
            Self::Duration => "google.protobuf.Duration",
            Self::Timestamp => "google.protobuf.Timestamp",
            Self::Type(_) => "type",
            Self::List(_) => "list",
            Self::Map(..) => "map",
            Self::Opaque(name, _) | Self::Struct(name) | Self::Param(name) => name,
        }
    }

    /// The name with which a declaration would write the type: `list(string)`, `google.protobuf.Duration`.
    pub fn declared_name(&self) -> String {
        match self {
            Self::Type(Some(inner)) => format!("type({})", inner.declared_name()),
            Self::List(element) => format!("list({})", element.declared_name()),
            Self::Map(key, value) => format!("map({}, {})", key.declared_name(), value.declared_name()),
            Self::Opaque(name, params) if !params.is_empty() => {
                let params: Vec<String> = params.iter().map(Self::declared_name).collect();
                format!("{name}({})", params.join(", "))
            }
            _ => self.runtime_name().to_owned(),
        }
    }

    /// Reads the notation of function tables: `list(A)`, `optional(string)`, `kubernetes.URL`; one capital
    /// letter is a parameter.
    pub(crate) fn parse(text: &str) -> Type {
        let text = text.trim();
        if let Some((name, rest)) = text.split_once('(') {
            let inner = rest.strip_suffix(')').unwrap_or(rest);
            let params: Vec<Type> = split_top_level(inner).into_iter().map(Type::parse).collect();
            let mut each = params.iter().cloned();
            let mut next = || each.next().unwrap_or(Type::Dyn);
            return match name {
                "list" => Type::list(next()),
                "map" => {
                    let key = next();
                    Type::map(key, next())
                }
                "optional" => Type::optional(next()),
                "type" => Type::type_of(next()),
                _ => Type::Opaque(name.into(), params.into()),
            };
        }
        match text {
            "dyn" => Type::Dyn,
            "null" => Type::Null,
            "bool" => Type::Bool,
            "int" => Type::Int,
            "uint" => Type::Uint,
            "double" => Type::Double,
            "string" => Type::String,
            "bytes" => Type::Bytes,
            "duration" => Type::Duration,
            "timestamp" => Type::Timestamp,
            "type" => Type::Type(None),
            _ if text.len() == 1 => Type::Param(text.into()),
            _ if text.starts_with("kubernetes.") || text.starts_with("user.") => Type::message(text),
            _ => Type::opaque(text),
        }
    }
}

/// Splits at commas that stand in no parentheses.
pub(crate) fn split_top_level(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0_i32, 0);
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.extend(text.get(start..at));
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.extend(text.get(start..).filter(|part| !part.trim().is_empty()));
    parts
}

/// As cel-go's `FormatCELType` writes types in messages.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Duration => f.write_str("duration"),
            Self::Timestamp => f.write_str("timestamp"),
            Self::Type(Some(inner)) => write!(f, "type({inner})"),
            Self::List(element) => write!(f, "list({element})"),
            Self::Map(key, value) => write!(f, "map({key}, {value})"),
            Self::Opaque(name, params) if !params.is_empty() => {
                let params: Vec<String> = params.iter().map(ToString::to_string).collect();
                write!(f, "{name}({})", params.join(", "))
            }
            _ => f.write_str(self.runtime_name()),
        }
    }
}

/// What type parameters stand for so far.
#[derive(Debug, Default)]
pub(crate) struct Mapping {
    known: BTreeMap<Arc<str>, Type>,
    /// What stood there before, to go back to when a trial fails.
    trail: Vec<(Arc<str>, Option<Type>)>,
}

impl Mapping {
    /// Whether `from` may stand where `to` is wanted; on success the mapping knows what that took.
    pub(crate) fn is_assignable(&mut self, to: &Type, from: &Type) -> bool {
        self.are_assignable(std::slice::from_ref(to), std::slice::from_ref(from))
    }

    /// The same for lists of types.
    pub(crate) fn are_assignable(&mut self, to: &[Type], from: &[Type]) -> bool {
        let fits = self.all_assignable(to, from);
        for (name, before) in std::mem::take(&mut self.trail).into_iter().rev() {
            match before {
                _ if fits => {}
                Some(before) => drop(self.known.insert(name, before)),
                None => drop(self.known.remove(&name)),
            }
        }
        fits
    }

    fn insert(&mut self, name: &Arc<str>, kind: Type) {
        let before = self.known.insert(name.clone(), kind);
        self.trail.push((name.clone(), before));
    }

    fn all_assignable(&mut self, to: &[Type], from: &[Type]) -> bool {
        to.len() == from.len() && to.iter().zip(from).all(|(a, b)| self.assignable(a, b))
    }

    fn assignable(&mut self, a: &Type, b: &Type) -> bool {
        if let Type::Param(name) = b {
            let (is_valid, has_sub) = self.substitution(a, name, b);
            if is_valid || has_sub {
                return is_valid;
            }
        }
        if let Type::Param(name) = a {
            return self.substitution(b, name, a).0;
        }
        if a.is_dyn_or_error() || b.is_dyn_or_error() {
            return true;
        }
        match (a, b) {
            (Type::Null, other) | (other, Type::Null) => matches!(
                other,
                Type::Null | Type::Opaque(..) | Type::Struct(_) | Type::Duration | Type::Timestamp
            ),
            (Type::Type(_), Type::Type(_)) => true,
            (Type::List(to), Type::List(from)) => self.assignable(to, from),
            (Type::Map(to_key, to_value), Type::Map(key, value)) => {
                self.assignable(to_key, key) && self.assignable(to_value, value)
            }
            (Type::Opaque(to_name, to), Type::Opaque(name, from)) => {
                to_name == name && self.all_assignable(to, from)
            }
            _ => a == b,
        }
    }

    /// Whether the parameter may stand for `t`: (valid, it already stood for something).
    fn substitution(&mut self, t: &Type, name: &Arc<str>, param: &Type) -> (bool, bool) {
        if t == param {
            return (true, true);
        }
        if let Some(known) = self.known.get(name).cloned() {
            if *t == known {
                return (true, true);
            }
            if self.assignable(t, &known) {
                let general = most_general(t, &known).clone();
                if self.is_free_in(param, &general) {
                    self.insert(name, general);
                }
                return (true, true);
            }
            return (false, true);
        }
        if self.is_free_in(param, t) {
            self.insert(name, t.clone());
            return (true, false);
        }
        (false, false)
    }

    /// Whether the parameter does not occur within the type.
    fn is_free_in(&self, param: &Type, within: &Type) -> bool {
        if param == within {
            return false;
        }
        match within {
            Type::Param(name) => self.known.get(name).is_none_or(|known| self.is_free_in(param, known)),
            Type::List(x) | Type::Type(Some(x)) => self.is_free_in(param, x),
            Type::Map(k, v) => self.is_free_in(param, k) && self.is_free_in(param, v),
            Type::Opaque(_, params) => params.iter().all(|p| self.is_free_in(param, p)),
            _ => true,
        }
    }

    /// The type with all known parameters replaced; unknown ones become `dyn` if asked.
    pub(crate) fn substitute(&self, t: &Type, unknown_to_dyn: bool) -> Type {
        let inner = |t: &Arc<Type>| Arc::new(self.substitute(t, unknown_to_dyn));
        match t {
            Type::Param(name) => match self.known.get(name) {
                Some(known) => self.substitute(known, unknown_to_dyn),
                None if unknown_to_dyn => Type::Dyn,
                None => t.clone(),
            },
            Type::List(x) => Type::List(inner(x)),
            Type::Map(k, v) => Type::Map(inner(k), inner(v)),
            Type::Type(Some(x)) => Type::Type(Some(inner(x))),
            Type::Opaque(name, params) => {
                let params = params.iter().map(|p| self.substitute(p, unknown_to_dyn)).collect();
                Type::Opaque(name.clone(), params)
            }
            _ => t.clone(),
        }
    }
}

/// The less specific of two types.
pub(crate) fn most_general<'t>(a: &'t Type, b: &'t Type) -> &'t Type {
    if is_equal_or_less_specific(a, b) { a } else { b }
}

fn is_equal_or_less_specific(a: &Type, b: &Type) -> bool {
    match (a, b) {
        (Type::Dyn | Type::Param(_), _) | (Type::Type(_), Type::Type(_)) => true,
        (_, Type::Dyn | Type::Param(_)) => false,
        (Type::List(left), Type::List(right)) => is_equal_or_less_specific(left, right),
        (Type::Map(key, value), Type::Map(other_key, other_value)) => {
            is_equal_or_less_specific(key, other_key) && is_equal_or_less_specific(value, other_value)
        }
        (Type::Opaque(name, params), Type::Opaque(other_name, others)) => {
            name == other_name
                && params.len() == others.len()
                && params.iter().zip(others.iter()).all(|(one, other)| is_equal_or_less_specific(one, other))
        }
        _ => a == b,
    }
}

/// Adds the names of a type's parameters to those known.
pub(crate) fn collect_params(t: &Type, names: &mut Vec<Arc<str>>) {
    match t {
        Type::Param(name) if !names.contains(name) => names.push(name.clone()),
        Type::List(x) | Type::Type(Some(x)) => collect_params(x, names),
        Type::Map(k, v) => {
            collect_params(k, names);
            collect_params(v, names);
        }
        Type::Opaque(_, params) => params.iter().for_each(|param| collect_params(param, names)),
        _ => {}
    }
}

/// Renames an overload's own parameters to unknown types from a number on, so that each use of it is
/// independent.
pub(crate) fn freshen(t: &Type, names: &[Arc<str>], first: usize) -> Type {
    if names.is_empty() {
        return t.clone();
    }
    let inner = |t: &Arc<Type>| Arc::new(freshen(t, names, first));
    match t {
        Type::Param(name) => {
            let at = names.iter().position(|known| known == name).unwrap_or(names.len());
            Type::Param(format!("_var{}", first + at).into())
        }
        Type::List(x) => Type::List(inner(x)),
        Type::Map(k, v) => Type::Map(inner(k), inner(v)),
        Type::Type(Some(x)) => Type::Type(Some(inner(x))),
        Type::Opaque(name, params) => {
            Type::Opaque(name.clone(), params.iter().map(|p| freshen(p, names, first)).collect())
        }
        _ => t.clone(),
    }
}
