//! What an expression may name: functions, macros, variables, message types. A plain value, built once for
//! each kind of policy.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::error::EvalError;
use super::eval::Context;
use super::library;
use super::types::{Type, collect_params, split_top_level};
use super::value::Value;

/// The code of an overload.
pub type Native = for<'d> fn(&mut Context<'_, 'd>, &[Value<'d>]) -> Result<Value<'d>, EvalError>;

/// What a call costs, in the API server's units; `size` is [`Value::size`] or 1.
pub type CostRule = for<'d> fn(&[Value<'d>], &Value<'d>) -> u64;

/// One overload, as a row of a function table.
#[derive(Clone, Copy)]
pub struct Entry {
    pub(crate) name: &'static str,
    pub(crate) id: &'static str,
    pub(crate) signature: &'static str,
    pub(crate) native: Native,
    pub(crate) cost: Option<CostRule>,
    pub(crate) is_volatile: bool,
    pub(crate) is_guarded: bool,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.name, self.signature)
    }
}

impl Entry {
    /// A row: the function's name, the overload's id, its signature (`string.(int) -> string` for a method,
    /// `(A) -> int`), its code.
    pub const fn new(name: &'static str, id: &'static str, signature: &'static str, native: Native) -> Self {
        Self { name, id, signature, native, cost: None, is_volatile: false, is_guarded: true }
    }

    /// With a cost other than 1.
    #[must_use]
    pub const fn costing(self, cost: CostRule) -> Self {
        Self { cost: Some(cost), ..self }
    }

    /// Called whatever types the arguments have at run time.
    #[must_use]
    pub const fn unguarded(self) -> Self {
        Self { is_guarded: false, ..self }
    }

    /// Never computed ahead of evaluation, because the result is not the arguments' alone.
    #[must_use]
    pub const fn volatile(self) -> Self {
        Self { is_volatile: true, ..self }
    }
}

/// One overload of a function.
#[derive(Clone, Debug)]
pub(crate) struct Overload {
    pub(crate) entry: Entry,
    pub(crate) params: Vec<Type>,
    pub(crate) result: Type,
    pub(crate) is_member: bool,
    /// The names of its type parameters.
    pub(crate) type_params: Vec<Arc<str>>,
}

impl Overload {
    fn of(entry: &Entry) -> Self {
        let (left, result) = entry.signature.split_once("->").unwrap_or((entry.signature, "dyn"));
        let left = left.trim();
        let (receiver, args) = left.split_once(".(").unwrap_or(("", left));
        let args = args.trim_start_matches('(').strip_suffix(')').unwrap_or("");
        let is_member = !receiver.is_empty();
        let params = is_member.then_some(receiver).into_iter().chain(split_top_level(args));
        let params: Vec<Type> = params.map(Type::parse).collect();
        let result = Type::parse(result);
        let mut type_params = Vec::new();
        params.iter().chain([&result]).for_each(|kind| collect_params(kind, &mut type_params));
        Self { entry: *entry, params, result, is_member, type_params }
    }
}

/// A library of cel-go, at the version that a Kubernetes version or Kyverno enables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Library {
    /// `optional.of`, `.?field`, `[?i]`, `optMap`, `orValue`, …; version 1 adds `optFlatMap`, version 2
    /// `first`, `last`, `unwrapOpt`.
    Optionals(u32),
    /// `charAt`, `format`, `split`, …; version 1 adds `format` and `quote`, version 2 lists and maps in
    /// `join`/`format`, version 3 `reverse`.
    Strings(u32),
    /// `math.greatest`, …; version 1 adds rounding, bits, version 2 `math.sqrt`.
    Math(u32),
    /// `slice`; version 1 adds `flatten`, version 2 `distinct`, `range`, `reverse`, `sort`, `sortBy`, version
    /// 3 `first` and `last`.
    Lists(u32),
    /// `sets.contains`, `sets.equivalent`, `sets.intersects`.
    Sets,
    /// `base64.encode`, `base64.decode`.
    Encoders,
    /// `regex.replace`, `regex.extract`, `regex.extractAll`.
    Regex,
    /// `cel.bind`.
    Bindings,
    /// `all`, `exists`, `existsOne` with two variables, `transformList`, `transformMap`, `transformMapEntry`.
    TwoVariables,
    /// `cel.block`, of the conformance tests only.
    Block,
}

/// A declared variable.
#[derive(Clone, Debug)]
pub(crate) struct Variable {
    pub(crate) slot: u16,
    pub(crate) kind: Type,
}

/// A declared message type.
#[derive(Clone, Debug, Default)]
pub(crate) struct Message {
    pub(crate) fields: BTreeMap<Arc<str>, Type>,
    /// Fields that are variables of their own: `variables.x`.
    pub(crate) lazy: BTreeMap<Arc<str>, u16>,
}

/// Which macros are expanded.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is one switch of cel-go's environment")]
pub(crate) struct Macros {
    pub(crate) optionals: u32,
    pub(crate) bindings: bool,
    pub(crate) two_variables: bool,
    pub(crate) sort_by: bool,
    pub(crate) math: bool,
    pub(crate) block: bool,
    pub(crate) exists_one_alias: bool,
    pub(crate) has_optionals: bool,
}

/// What an expression may name.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is one switch of cel-go's environment")]
pub struct Environment {
    pub(crate) functions: BTreeMap<Arc<str>, Vec<Arc<Overload>>>,
    pub(crate) variables: BTreeMap<Arc<str>, Variable>,
    pub(crate) messages: BTreeMap<Arc<str>, Message>,
    pub(crate) type_names: BTreeMap<Arc<str>, Type>,
    pub(crate) macros: Macros,
    pub(crate) is_homogeneous: bool,
    pub(crate) validates_literals: bool,
    pub(crate) validates_format: bool,
    pub(crate) instantiates_conversions: bool,
    pub(crate) has_object_literals: bool,
    n_slots: u16,
}

impl Environment {
    /// The standard functions and macros, no variables.
    pub fn standard() -> Self {
        let empty = Self {
            functions: BTreeMap::new(),
            variables: BTreeMap::new(),
            messages: BTreeMap::new(),
            type_names: BTreeMap::new(),
            macros: Macros { exists_one_alias: true, ..Macros::default() },
            is_homogeneous: false,
            validates_literals: false,
            validates_format: false,
            instantiates_conversions: false,
            has_object_literals: false,
            n_slots: 0,
        };
        let mut env = empty.with_functions(&library::standard::entries());
        for name in ["bool", "bytes", "double", "int", "string", "uint"] {
            env.type_names.insert(name.into(), Type::parse(name));
        }
        for (name, kind) in [
            ("null_type", Type::Null),
            ("type", Type::Type(None)),
            ("list", Type::list(Type::Dyn)),
            ("map", Type::map(Type::Dyn, Type::Dyn)),
            ("google.protobuf.Timestamp", Type::Timestamp),
            ("google.protobuf.Duration", Type::Duration),
        ] {
            env.type_names.insert(name.into(), kind);
        }
        env
    }

    /// With a library of cel-go.
    #[must_use]
    pub fn with_library(mut self, library: Library) -> Self {
        match library {
            Library::Optionals(version) => {
                self.macros.optionals = version;
                self.macros.has_optionals = true;
                let optional = Type::optional(Type::Dyn);
                self.type_names.insert("optional_type".into(), optional);
            }
            Library::Lists(version) => self.macros.sort_by = version >= 2,
            Library::Math(_) => self.macros.math = true,
            Library::Bindings => self.macros.bindings = true,
            Library::TwoVariables => self.macros.two_variables = true,
            Library::Block => self.macros.block = true,
            Library::Strings(version) => self.validates_format = (1..4).contains(&version),
            Library::Sets | Library::Encoders | Library::Regex => {}
        }
        self.with_functions(&library::entries(library))
    }

    /// With the functions of a table.
    #[must_use]
    pub fn with_functions(mut self, entries: &[Entry]) -> Self {
        for entry in entries {
            let overloads = self.functions.entry(entry.name.into()).or_default();
            if !overloads.iter().any(|known| known.entry.id == entry.id) {
                overloads.push(Arc::new(Overload::of(entry)));
            }
        }
        self
    }

    /// With a variable; its slot is the number of variables declared before.
    #[must_use]
    pub fn with_variable(mut self, name: &str, kind: Type) -> Self {
        let slot = self.next_slot();
        self.variables.insert(name.into(), Variable { slot, kind });
        self
    }

    /// Without a variable; slots stay what they are.
    #[must_use]
    pub fn without_variable(mut self, name: &str) -> Self {
        self.variables.remove(name);
        self
    }

    /// With a message type of these fields.
    #[must_use]
    pub fn with_message(mut self, name: &str, fields: &[(&str, Type)]) -> Self {
        let message = self.messages.entry(name.into()).or_default();
        message.fields.extend(fields.iter().map(|(field, kind)| (Arc::from(*field), kind.clone())));
        self.type_names.insert(name.into(), Type::message(name));
        self
    }

    /// With a field of a message type that is a variable of its own, resolved when it is read: `variables.x`.
    #[must_use]
    pub fn with_lazy_field(mut self, message: &str, field: &str, kind: Type) -> Self {
        let slot = self.next_slot();
        let message = self.messages.entry(message.into()).or_default();
        message.fields.insert(field.into(), kind);
        message.lazy.insert(field.into(), slot);
        self
    }

    /// With the name of a type as a value (`net.IP`).
    #[must_use]
    pub fn with_type_name(mut self, name: &str) -> Self {
        self.type_names.insert(name.into(), Type::opaque(name));
        self
    }

    /// With lists and maps of one type only, as the API server demands of literals.
    #[must_use]
    pub fn with_homogeneous_literals(mut self) -> Self {
        self.is_homogeneous = true;
        self
    }

    /// With durations, timestamps and regular expressions checked where they are literals, as the API server
    /// does.
    #[must_use]
    pub fn with_literal_validation(mut self) -> Self {
        self.validates_literals = true;
        self
    }

    /// With conversions of constants done when the program is made, so that one that fails refuses it, as the
    /// API server's optimizer does.
    #[must_use]
    pub fn with_eager_conversions(mut self) -> Self {
        self.instantiates_conversions = true;
        self
    }

    /// Without `existsOne` over one variable, which the API server's cel-go does not have yet.
    #[must_use]
    pub fn without_exists_one_alias(mut self) -> Self {
        self.macros.exists_one_alias = false;
        self
    }

    /// With `Object{…}`, `Object.spec{…}` and `JSONPatch{…}`, as mutating policies write them.
    #[must_use]
    pub fn with_object_literals(mut self) -> Self {
        self.has_object_literals = true;
        self
    }

    /// With `orValue` on what is no optional, as Kyverno allows it.
    #[must_use]
    pub fn with_lenient_or_value(mut self) -> Self {
        self.functions.remove("orValue");
        self.with_functions(&[library::OR_VALUE_OF_ANYTHING])
    }

    /// The slot of a variable, or of a lazy field given as `variables.x`.
    pub fn slot(&self, name: &str) -> Option<u16> {
        if let Some(variable) = self.variables.get(name) {
            return Some(variable.slot);
        }
        let (variable, field) = name.split_once('.')?;
        match &self.variables.get(variable)?.kind {
            Type::Struct(message) => self.messages.get(message)?.lazy.get(field).copied(),
            _ => None,
        }
    }

    /// The number of slots.
    pub fn n_slots(&self) -> u16 {
        self.n_slots
    }

    fn next_slot(&mut self) -> u16 {
        let slot = self.n_slots;
        self.n_slots = self.n_slots.saturating_add(1);
        slot
    }
}
