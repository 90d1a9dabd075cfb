//! The expressions of a policy, compiled once a version of it.
//!
//! Variables are compiled in their order, each seeing those before it; the other expressions see all of them. The first expression that the
//! checker refuses decides: its path and the checker's text are the message of every evaluation.

use super::environment::{Dialect, Meaning};
use crate::document::Node;
use crate::lang::cel::{Environment, Program, Type};
use crate::lang::cel_k8s::{JSON_PATCH, with_patch_types};
use crate::limits;

/// Where in a policy the expressions stand.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spec<'s> {
    /// `matchConditions`, `celPreconditions`.
    pub(crate) match_conditions: Vec<Node<'s>>,
    /// `variables`.
    pub(crate) variables: Vec<Node<'s>>,
    /// `validations`, `validate.cel.expressions`.
    pub(crate) validations: Vec<Node<'s>>,
    /// `auditAnnotations`.
    pub(crate) audit_annotations: Vec<Node<'s>>,
    /// `mutations`.
    pub(crate) mutations: Vec<Node<'s>>,
    /// The message of validations that have none.
    pub(crate) message: &'s str,
}

impl<'s> Spec<'s> {
    /// The expressions of a policy's `spec` with the usual names.
    pub(crate) fn of(spec: Node<'s>) -> Self {
        Self {
            match_conditions: items(spec, "matchConditions"),
            variables: items(spec, "variables"),
            validations: items(spec, "validations"),
            audit_annotations: items(spec, "auditAnnotations"),
            mutations: items(spec, "mutations"),
            message: "",
        }
    }
}

/// The items of a list, bounded.
pub(crate) fn items<'s>(node: Node<'s>, key: &str) -> Vec<Node<'s>> {
    node.get(key).into_iter().flat_map(Node::items).take(limits::CEL_POLICY_EXPRESSIONS_MAX).collect()
}

/// One expression.
#[derive(Debug)]
pub(super) struct Expression {
    pub(super) text: String,
    pub(super) program: Program,
}

/// An expression with a name: a variable, an audit annotation.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) expression: Expression,
}

/// A validation.
#[derive(Debug)]
pub(super) struct Validation {
    pub(super) expression: Expression,
    pub(super) message: String,
    pub(super) message_expression: Option<Expression>,
}

/// An expression that the checker refuses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Refusal {
    /// The expression's field, below the spec.
    pub(crate) place: String,
    /// Where in the expression which fault is, in bytes from its start.
    pub(crate) faults: Vec<(usize, String)>,
    /// The text of the API server for all of them.
    message: String,
}

/// How a mutation says what changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PatchType {
    /// A list of `JSONPatch`.
    JsonPatch,
    /// An `Object` with the fields that are set.
    ApplyConfiguration,
}

/// A mutation.
#[derive(Debug)]
pub(super) struct Mutation {
    pub(super) kind: PatchType,
    pub(super) expression: Expression,
}

/// What a policy says.
#[derive(Debug)]
pub(crate) struct Expressions {
    pub(super) dialect: Dialect,
    pub(super) meanings: Vec<Option<Meaning>>,
    pub(super) match_conditions: Vec<Expression>,
    pub(super) variables: Vec<Named>,
    pub(super) validations: Vec<Validation>,
    pub(super) audit_annotations: Vec<Named>,
    pub(super) mutations: Vec<Mutation>,
    env: Environment,
}

/// A field that holds an expression.
struct Field<'f> {
    /// Its path below `spec`.
    path: &'f str,
    /// The types that the expression may have, none: any.
    kinds: &'f [Type],
    /// What the API server says of an empty one.
    emptiness: &'static str,
}

const UNSPECIFIED: &str = "expression is not specified";

impl Expressions {
    /// Compiles a policy's expressions.
    ///
    /// # Errors
    /// Which expression is refused, and why.
    pub(crate) fn compile(spec: &Spec<'_>, dialect: Dialect) -> Result<Self, String> {
        let (compiled, refusals) = Self::compile_in(spec, dialect, dialect.environment());
        refusals.first().map_or(Ok(compiled), |refusal| Err(refusal.to_string()))
    }

    /// What is wrong with a policy's expressions, in the order in which they are compiled.
    pub(crate) fn refusals(spec: &Spec<'_>, dialect: Dialect) -> Vec<Refusal> {
        Self::compile_in(spec, dialect, dialect.environment()).1
    }

    /// Compiles what can be compiled, in an environment of the caller's, and tells the rest; a variable that is refused may be anything.
    pub(super) fn compile_in(spec: &Spec<'_>, dialect: Dialect, env: Environment) -> (Self, Vec<Refusal>) {
        let mut compiled = Self {
            dialect,
            meanings: Vec::new(),
            match_conditions: Vec::new(),
            variables: Vec::new(),
            validations: Vec::new(),
            audit_annotations: Vec::new(),
            mutations: Vec::new(),
            env,
        };
        if !spec.mutations.is_empty() && !dialect.is_admission() {
            compiled.env = with_patch_types(compiled.env);
        }
        let mut refusals = Vec::new();
        let bare = compiled.env.clone();
        compiled.add_variables(&spec.variables, &mut refusals);
        let env = dialect.of_conditions(&bare, &compiled.env, !spec.mutations.is_empty());
        for condition in compiled.each_condition(&env, &spec.match_conditions) {
            compiled.match_conditions.extend(kept(condition, &mut refusals));
        }
        for (at, validation) in spec.validations.iter().enumerate() {
            let validation = compiled.validation(*validation, at, spec.message, &mut refusals);
            compiled.validations.extend(validation);
        }
        for (at, annotation) in spec.audit_annotations.iter().enumerate() {
            let path = format!("auditAnnotations[{at}].valueExpression");
            let (kinds, emptiness) = (&[Type::String, Type::Null], "valueExpression is not specified");
            let field = Field { path: &path, kinds, emptiness };
            let expression = compiled.expression(text(*annotation, "valueExpression"), &field);
            let expression = kept(expression, &mut refusals);
            let named = |expression| Named { name: text(*annotation, "key").to_owned(), expression };
            compiled.audit_annotations.extend(expression.map(named));
        }
        compiled.add_mutations(&spec.mutations, &mut refusals);
        (compiled, refusals)
    }

    /// The API server knows the types of patches in mutations alone.
    fn add_mutations(&mut self, mutations: &[Node<'_>], refusals: &mut Vec<Refusal>) {
        if !mutations.is_empty() && self.dialect.is_admission() {
            self.env = with_patch_types(self.env.clone());
        }
        for (at, mutation) in mutations.iter().enumerate() {
            let (kind, field, returns) = match text(*mutation, "patchType") {
                "JSONPatch" => (PatchType::JsonPatch, "jsonPatch", Type::list(Type::message(JSON_PATCH))),
                "ApplyConfiguration" => {
                    (PatchType::ApplyConfiguration, "applyConfiguration", Type::message("Object"))
                }
                other => {
                    let place = format!("mutations[{at}].patchType");
                    let text = format!("Unsupported value: {other:?}");
                    let message = format!("spec.{place}: {text}");
                    refusals.push(Refusal { place, message, faults: vec![(0, text)] });
                    continue;
                }
            };
            // A mutation without the field of its type does nothing.
            let Some(patch) = mutation.get(field).filter(|patch| !patch.is_null()) else { continue };
            let place = format!("mutations[{at}].{field}.expression");
            let field = Field { path: &place, kinds: &[returns], emptiness: UNSPECIFIED };
            let expression = self.expression(text(patch, "expression"), &field);
            let mutation = kept(expression, refusals).map(|expression| Mutation { kind, expression });
            self.mutations.extend(mutation);
        }
    }

    /// Compiles conditions that stand outside the policy, of an exception, in the policy's environment.
    ///
    /// # Errors
    /// Which expression is refused, and why.
    pub(super) fn conditions(&self, conditions: &[Node<'_>]) -> Result<Vec<Expression>, String> {
        let compiled = self.each_condition(&self.env, conditions).into_iter();
        compiled.map(|condition| condition.map_err(|refusal| refusal.to_string())).collect()
    }

    fn each_condition(&self, env: &Environment, conditions: &[Node<'_>]) -> Vec<Result<Expression, Refusal>> {
        let compile = |(at, condition): (usize, &Node<'_>)| {
            let path = format!("matchConditions[{at}].expression");
            let field = Field { path: &path, kinds: &[Type::Bool], emptiness: "" };
            self.compiled(env, text(*condition, "expression"), &field)
        };
        conditions.iter().enumerate().map(compile).collect()
    }

    /// What the policy's expressions may name, its variables among it.
    pub(super) fn environment(&self) -> &Environment {
        &self.env
    }

    /// Compiles an expression that stands beside the usual ones and has one of these types, none: any.
    ///
    /// # Errors
    /// Why it is refused.
    pub(super) fn beside(
        &self,
        env: &Environment,
        source: &str,
        place: &str,
        kinds: &[Type],
    ) -> Result<Expression, Refusal> {
        self.compiled(env, source, &Field { path: place, kinds, emptiness: "" })
    }

    fn add_variables(&mut self, variables: &[Node<'_>], refusals: &mut Vec<Refusal>) {
        self.meanings = Dialect::meanings(&self.env);
        for (at, variable) in variables.iter().enumerate() {
            let name = text(*variable, "name").to_owned();
            let path = format!("variables[{at}].expression");
            let field = Field { path: &path, kinds: &[], emptiness: UNSPECIFIED };
            let expression = self.expression(text(*variable, "expression"), &field);
            let expression = kept(expression, refusals);
            let result = expression.as_ref().map_or(&Type::Dyn, |own| own.program.result_type());
            let kind = self.dialect.variable_type(result);
            self.env = self.env.clone().with_lazy_field(self.dialect.variables(), &name, kind);
            self.meanings.push(Some(Meaning::Variable(at)));
            self.variables.extend(expression.map(|expression| Named { name, expression }));
        }
    }

    fn validation(
        &self,
        validation: Node<'_>,
        at: usize,
        message: &str,
        refusals: &mut Vec<Refusal>,
    ) -> Option<Validation> {
        let path = format!("validations[{at}].expression");
        let field = Field { path: &path, kinds: &[Type::Bool], emptiness: UNSPECIFIED };
        let expression = kept(self.expression(text(validation, "expression"), &field), refusals);
        let message_expression = self.message(text(validation, "messageExpression"), at);
        let message_expression = message_expression.and_then(|expression| kept(expression, refusals));
        let own = text(validation, "message");
        Some(Validation {
            expression: expression?,
            message: if own.is_empty() { message } else { own }.to_owned(),
            message_expression,
        })
    }

    /// A message expression, if there is one.
    fn message(&self, source: &str, at: usize) -> Option<Result<Expression, Refusal>> {
        if source.is_empty() {
            return None;
        }
        let path = format!("validations[{at}].messageExpression");
        let field = Field { path: &path, kinds: &[Type::String], emptiness: "" };
        if source.trim().is_empty() && self.dialect.is_admission() {
            return Some(Err(Refusal::invalid(&field, source, "must be non-empty if specified".to_owned())));
        }
        Some(self.compiled(&Dialect::of_messages(self.env.clone()), source, &field))
    }

    fn expression(&self, source: &str, field: &Field<'_>) -> Result<Expression, Refusal> {
        self.compiled(&self.env, source, field)
    }

    /// Compiles one expression; what is wrong with it is told as the API server or Kyverno does.
    fn compiled(&self, env: &Environment, source: &str, field: &Field<'_>) -> Result<Expression, Refusal> {
        let is_admission = self.dialect.is_admission();
        if is_admission && source.trim().is_empty() {
            let colon = if field.emptiness.is_empty() { "" } else { ": " };
            return Err(Refusal::new(field, format!("Required value{colon}{}", field.emptiness)));
        }
        let program = Program::compile(env, source).map_err(|error| {
            let mut refusal = match (is_admission, &error.instantiation) {
                (true, Some(_)) => Refusal::new(field, format!("Internal error: {error}")),
                (true, None) => Refusal::invalid(field, source, format!("compilation failed: {error}")),
                (false, _) => Refusal::invalid(field, source, error.to_string()),
            };
            if !error.errors.is_empty() {
                refusal.faults = error.errors.iter().map(|fault| (fault.at, fault.message.clone())).collect();
            }
            refusal
        })?;
        if !field.kinds.is_empty() && !field.kinds.contains(program.result_type()) {
            let why = self.dialect.unfit(field.kinds, program.result_type());
            return Err(Refusal::invalid(field, source, why));
        }
        Ok(Expression { text: source.to_owned(), program })
    }
}

impl Refusal {
    /// Of a field that holds no expression.
    pub(super) fn of_field(place: &str, source: &str, why: String) -> Self {
        Self::invalid(&Field { path: place, kinds: &[], emptiness: "" }, source, why)
    }

    /// Of an expression as a whole.
    fn new(field: &Field<'_>, why: String) -> Self {
        let message = format!("spec.{}: {why}", field.path);
        Self { place: field.path.to_owned(), message, faults: vec![(0, why)] }
    }

    /// Of an expression that is shown with the reason.
    fn invalid(field: &Field<'_>, source: &str, why: String) -> Self {
        let told = Self::new(field, format!("Invalid value: {source:?}: {why}"));
        Self { faults: vec![(0, why)], ..told }
    }
}

/// An expression that is not refused.
pub(super) fn kept(compiled: Result<Expression, Refusal>, refusals: &mut Vec<Refusal>) -> Option<Expression> {
    compiled.map_err(|refusal| refusals.push(refusal)).ok()
}

fn text<'s>(node: Node<'s>, key: &str) -> &'s str {
    node.get(key).and_then(Node::as_str).unwrap_or_default()
}
