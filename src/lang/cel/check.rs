//! The checker: names to slots, calls to overloads, macros to comprehensions, in one walk that builds the
//! program.
//!
//! The rules are cel-go's (`checker/checker.go`), as are the messages. Without checking, every type is `dyn`
//! and what cannot be resolved fails when it is reached.

mod calls;
mod constants;
mod late;
mod macros;

use super::environment::Environment;
use super::ir::{Call, Const, Ir, MapEntry};
use super::issues::Issue;
use super::syntax::{Element, Entry, Expr, ExprKind, Field, Literal};
use super::types::{Mapping, Type, most_general};
use late::Late;

/// A program and what is known about it.
pub(crate) struct Checked {
    pub(crate) root: Ir,
    pub(crate) definitions: Vec<Ir>,
    pub(crate) n_locals: usize,
    pub(crate) result: Type,
}

/// Why a tree is refused.
pub(crate) struct Faults {
    pub(crate) issues: Vec<Issue>,
    /// A constant that cannot be converted, where that refuses the program as a whole.
    pub(crate) instantiation: Option<String>,
}

/// Checks a tree and builds its program.
pub(crate) fn check(env: &Environment, tree: &Expr, is_checked: bool) -> Result<Checked, Faults> {
    let mut checker = Checker {
        env,
        is_checked,
        mapping: Mapping::default(),
        issues: Vec::new(),
        scope: Vec::new(),
        definitions: Vec::new(),
        block: Vec::new(),
        n_locals: 0,
        n_fresh: 0,
        late: Vec::new(),
        n_exempt: 0,
        elements: Vec::new(),
        instantiation: None,
    };
    let (root, result) = checker.expr(tree);
    if checker.issues.is_empty() {
        checker.run_late_checks();
    }
    if !checker.issues.is_empty() {
        return Err(Faults { issues: checker.issues, instantiation: None });
    }
    if checker.instantiation.is_some() {
        return Err(Faults { issues: Vec::new(), instantiation: checker.instantiation });
    }
    let result = checker.mapping.substitute(&result, true);
    Ok(Checked { root, definitions: checker.definitions, n_locals: checker.n_locals, result })
}

/// A variable of a comprehension or of `cel.bind`.
struct Local {
    name: String,
    slot: u16,
    kind: Type,
    /// Its definition, if it is computed when first read.
    definition: Option<u16>,
}

struct Checker<'e> {
    env: &'e Environment,
    is_checked: bool,
    mapping: Mapping,
    issues: Vec<Issue>,
    scope: Vec<Local>,
    definitions: Vec<Ir>,
    /// The values of the innermost `cel.block`.
    block: Vec<(u16, u16, Type)>,
    n_locals: usize,
    n_fresh: usize,
    /// What is looked at once all types are known.
    late: Vec<Late>,
    /// How many calls of `format` stand around.
    n_exempt: usize,
    /// The places and types of the elements of the list literal that was checked last within a call of `format`.
    elements: Vec<(u32, Type)>,
    instantiation: Option<String>,
}

type Typed = (Ir, Type);

impl Checker<'_> {
    fn issue(&mut self, at: u32, message: String) {
        self.issues.push(Issue::new(at as usize, message));
    }

    /// An issue, and what stands in the program's place for it.
    fn refuse(&mut self, at: u32, message: String) -> Typed {
        self.issue(at, message);
        (Ir::Const(Const::Null), Type::Error)
    }

    fn mismatch(&mut self, at: u32, expected: &Type, found: &Type) {
        self.issue(at, format!("expected type '{expected}' but found '{found}'"));
    }

    /// An unknown type.
    fn unknown(&mut self) -> Type {
        let unknown = Type::Param(format!("_var{}", self.n_fresh).into());
        self.n_fresh += 1;
        unknown
    }

    fn expr(&mut self, expr: &Expr) -> Typed {
        let (ir, kind) = match &expr.kind {
            ExprKind::Literal(literal) => constant(literal),
            ExprKind::Ident(name) => self.ident(expr.at, name),
            ExprKind::Select { operand, field, is_optional } => {
                self.select(expr, operand, field, *is_optional)
            }
            ExprKind::Call { target, function, args } => self.call(expr, target.as_deref(), function, args),
            ExprKind::And(terms) => {
                let (terms, kind) = self.terms(terms);
                (Ir::And(terms), kind)
            }
            ExprKind::Or(terms) => {
                let (terms, kind) = self.terms(terms);
                (Ir::Or(terms), kind)
            }
            ExprKind::List(elements) => self.list(elements),
            ExprKind::Map(entries) => self.map(entries),
            ExprKind::Struct { name, fields } => self.message(expr.at, name, fields),
        };
        (constants::fold(ir, self.env.has_object_literals), if self.is_checked { kind } else { Type::Dyn })
    }

    /// The terms of a chain, and its type: unknown to what stands around if a term is no boolean.
    fn terms(&mut self, terms: &[Expr]) -> (Vec<Ir>, Type) {
        let mut kind = Type::Bool;
        let mut each = |term: &Expr| {
            let (ir, is_bool) = self.bool_expr(term);
            if !is_bool {
                kind = Type::Error;
            }
            ir
        };
        (terms.iter().map(&mut each).collect(), kind)
    }

    /// An expression that must be a boolean, and whether it is.
    fn bool_expr(&mut self, expr: &Expr) -> (Ir, bool) {
        let (ir, kind) = self.expr(expr);
        let is_bool = self.mapping.is_assignable(&kind, &Type::Bool);
        if !is_bool {
            let kind = self.mapping.substitute(&kind, true);
            self.mismatch(expr.at, &Type::Bool, &kind);
        }
        (ir, is_bool)
    }

    fn find_local(&self, name: &str) -> Option<Typed> {
        let local = self.scope.iter().rev().find(|local| local.name == name)?;
        let ir = match local.definition {
            Some(definition) => Ir::Bound { slot: local.slot, definition },
            None => Ir::Local(local.slot),
        };
        Some((ir, local.kind.clone()))
    }

    fn find_global(&self, name: &str) -> Option<Typed> {
        if let Some(variable) = self.env.variables.get(name) {
            return Some((Ir::Variable(variable.slot), variable.kind.clone()));
        }
        let kind = self.env.type_names.get(name)?;
        let constant = Const::Type(kind.runtime_name().into());
        Some((Ir::Const(constant), Type::type_of(kind.clone())))
    }

    fn undeclared(&mut self, at: u32, name: &str) -> Typed {
        if self.is_checked {
            self.refuse(at, format!("undeclared reference to '{name}' (in container '')"))
        } else {
            (Ir::Fail(format!("no such attribute(s): {name}").into()), Type::Dyn)
        }
    }

    fn ident(&mut self, at: u32, name: &str) -> Typed {
        let found = match name.strip_prefix('.') {
            Some(global) => self.find_global(global),
            None => self.find_local(name).or_else(|| self.find_global(name)),
        };
        found.unwrap_or_else(|| self.undeclared(at, name))
    }

    /// A dotted name as one variable or type.
    fn qualified(&self, expr: &Expr) -> Option<Typed> {
        let name = expr.qualified_name()?;
        let root = name.split('.').next().unwrap_or("");
        if self.scope.iter().any(|local| local.name == root) {
            return None;
        }
        self.find_global(name.strip_prefix('.').unwrap_or(&name))
    }

    fn select(&mut self, expr: &Expr, operand: &Expr, field: &str, is_optional: bool) -> Typed {
        if is_optional && !self.env.macros.has_optionals {
            return self.refuse(expr.at, "unsupported syntax '.?'".to_owned());
        }
        if !is_optional && let Some(found) = self.qualified(expr) {
            return found;
        }
        let (ir, kind) = self.expr(operand);
        if let Some(lazy) = self.lazy_field(&kind, &ir, field) {
            return lazy;
        }
        if !is_optional && matches!(&kind, Type::Struct(name) if self.is_object(name)) {
            return (field_of_object(ir, field), Type::Dyn);
        }
        let is_message = matches!(kind, Type::Struct(_));
        let is_optional = is_optional || self.mapping.substitute(&kind, false).unwrap_optional().is_some();
        let kind = self.field_type(expr.at, &kind, field, is_optional);
        let selected = if is_optional { ir.opt_select(field) } else { ir.select(field) };
        (if is_message { self.as_declared(selected, &kind) } else { selected }, kind)
    }

    /// A field of a message in a document: times are strings there.
    fn as_declared(&self, selected: Ir, kind: &Type) -> Ir {
        let function = match kind {
            Type::Timestamp => "timestamp",
            Type::Duration => "duration",
            _ => return selected,
        };
        let candidates = self.env.functions.get(function).cloned().unwrap_or_default();
        Ir::Call(Box::new(Call { function: function.into(), candidates, args: vec![selected] }))
    }

    /// A field that is a variable of its own.
    fn lazy_field(&self, kind: &Type, ir: &Ir, field: &str) -> Option<Typed> {
        let (Type::Struct(name), Ir::Variable(_)) = (kind, ir) else { return None };
        let message = self.env.messages.get(name)?;
        let slot = message.lazy.get(field)?;
        Some((Ir::Variable(*slot), message.fields.get(field).cloned().unwrap_or(Type::Dyn)))
    }

    /// The type of a selected field.
    fn field_type(&mut self, at: u32, operand: &Type, field: &str, is_optional: bool) -> Type {
        let operand = self.mapping.substitute(operand, false);
        let inner = operand.unwrap_optional();
        let result = match inner.unwrap_or(&operand) {
            Type::Map(_, value) => (**value).clone(),
            Type::Struct(name) => self.message_field(at, name, field),
            Type::Param(_) => {
                self.mapping.is_assignable(&Type::Dyn, inner.unwrap_or(&operand));
                Type::Dyn
            }
            Type::Dyn | Type::Error => Type::Dyn,
            other => {
                let message = format!("type '{other}' does not support field selection");
                self.issue(at, message);
                Type::Dyn
            }
        };
        let result = if inner.is_some() || is_optional { Type::optional(result) } else { result };
        self.mapping.substitute(&result, false)
    }

    /// Whether a type is an object's or a part's of one, whose fields nobody declares.
    fn is_object(&self, name: &str) -> bool {
        self.env.has_object_literals && (name == "Object" || name.starts_with("Object."))
    }

    fn message_field(&mut self, at: u32, message: &str, field: &str) -> Type {
        if self.is_object(message) {
            return Type::Dyn;
        }
        let Some(declared) = self.env.messages.get(message) else {
            self.issue(at, format!("unexpected failed resolution of '{message}'"));
            return Type::Error;
        };
        if let Some(kind) = declared.fields.get(field) {
            return kind.clone();
        }
        self.issue(at, format!("undefined field '{field}'"));
        Type::Error
    }

    /// The type of an optional element, unwrapped.
    fn element(&mut self, expr: &Expr, is_optional: bool) -> Typed {
        let (ir, kind) = self.expr(expr);
        (ir, self.element_type(expr.at, kind, is_optional))
    }

    fn element_type(&mut self, at: u32, kind: Type, is_optional: bool) -> Type {
        if !is_optional {
            return kind;
        }
        if let Some(inner) = kind.unwrap_optional() {
            return inner.clone();
        }
        if kind != Type::Dyn {
            self.mismatch(at, &Type::optional(kind.clone()), &kind);
        }
        kind
    }

    /// The type of a literal's elements with one more.
    fn join(&mut self, previous: Option<Type>, current: Type) -> Type {
        let Some(previous) = previous else { return current };
        if self.mapping.is_assignable(&previous, &current) {
            most_general(&previous, &current).clone()
        } else {
            Type::Dyn
        }
    }

    fn list(&mut self, elements: &[Element]) -> Typed {
        let (mut items, mut joined, mut kinds) = (Vec::with_capacity(elements.len()), None, Vec::new());
        let mut of_format = Vec::new();
        for element in elements {
            let at = element.value.at;
            let (ir, kind) = self.expr(&element.value);
            if self.n_exempt > 0 {
                of_format.push((at, kind.clone()));
            }
            let kind = self.element_type(at, kind, element.is_optional);
            kinds.push((at, kind.clone()));
            joined = Some(self.join(joined, kind));
            items.push((ir, element.is_optional));
        }
        self.elements = of_format;
        self.demand_homogeneous(kinds, true);
        let kind = joined.unwrap_or_else(|| self.unknown());
        (Ir::List(items), Type::list(kind))
    }

    fn map(&mut self, entries: &[Entry]) -> Typed {
        let (mut items, mut keys, mut values) = (Vec::with_capacity(entries.len()), None, None);
        let (mut key_kinds, mut value_kinds) = (Vec::new(), Vec::new());
        for entry in entries {
            let (key, kind) = self.expr(&entry.key);
            key_kinds.push((entry.key.at, kind.clone()));
            keys = Some(self.join(keys, kind));
            let (value, kind) = self.element(&entry.value, entry.is_optional);
            value_kinds.push((entry.value.at, kind.clone()));
            values = Some(self.join(values, kind));
            items.push(MapEntry { key, value, is_optional: entry.is_optional });
        }
        self.demand_homogeneous(key_kinds, false);
        self.demand_homogeneous(value_kinds, false);
        let key = keys.unwrap_or_else(|| self.unknown());
        let value = values.unwrap_or_else(|| self.unknown());
        (Ir::Map(items), Type::map(key, value))
    }

    fn message(&mut self, at: u32, name: &str, fields: &[Field]) -> Typed {
        let name = name.strip_prefix('.').unwrap_or(name);
        let is_object = self.is_object(name);
        if !is_object && !self.env.messages.contains_key(name) {
            return match self.find_global(name) {
                Some((_, Type::Type(_))) => self.refuse(at, format!("'{name}' is not a message type")),
                Some(_) => self.refuse(at, format!("'{name}' is not a type")),
                None => self.undeclared(at, name),
            };
        }
        let mut items = Vec::with_capacity(fields.len());
        for field in fields {
            let (value, kind) = self.element(&field.value, field.is_optional);
            if !is_object {
                let declared = self.message_field(field.at, name, &field.name);
                if !self.mapping.is_assignable(&declared, &kind) {
                    let field_name = &field.name;
                    let text = format!(
                        "expected type of field '{field_name}' is '{declared}' but provided type is '{kind}'"
                    );
                    self.issue(field.at, text);
                }
            }
            let key = Ir::Const(Const::String(field.name.as_str().into()));
            items.push(MapEntry { key, value, is_optional: field.is_optional });
        }
        (Ir::Message(name.into(), items), Type::message(name))
    }

    /// Adds a variable to the scope; its slot is free again when the scope ends.
    fn push_local(&mut self, name: &str, kind: Type, definition: Option<u16>) -> u16 {
        let slot = u16::try_from(self.scope.len()).unwrap_or(u16::MAX);
        self.scope.push(Local { name: name.to_owned(), slot, kind, definition });
        self.n_locals = self.n_locals.max(self.scope.len());
        slot
    }
}

/// A field of an object literal: null where the literal does not set it.
fn field_of_object(operand: Ir, field: &str) -> Ir {
    let set = operand.opt_select(field);
    Ir::OptOr { left: Box::new(set), right: Box::new(Ir::Const(Const::Null)), unwraps: true }
}

fn constant(literal: &Literal) -> Typed {
    let (constant, kind) = match literal {
        Literal::Null => (Const::Null, Type::Null),
        Literal::Bool(value) => (Const::Bool(*value), Type::Bool),
        Literal::Int(value) => (Const::Int(*value), Type::Int),
        Literal::Uint(value) => (Const::Uint(*value), Type::Uint),
        Literal::Double(value) => (Const::Double(*value), Type::Double),
        Literal::String(text) => (Const::String(text.as_str().into()), Type::String),
        Literal::Bytes(bytes) => (Const::Bytes(bytes.as_slice().into()), Type::Bytes),
    };
    (Ir::Const(constant), kind)
}
