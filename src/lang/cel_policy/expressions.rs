//! The expressions of a policy, compiled once a version of it.
//!
//! Variables are compiled in their order, each seeing those before it; the other expressions see all of them. The first expression that the
//! checker refuses decides: its path and the checker's text are the message of every evaluation.

use super::environment::{Dialect, Meaning};
use crate::document::Node;
use crate::lang::cel::{Environment, Program, Type};
use crate::lang::cel_k8s::VARIABLES;
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

/// What a policy says.
#[derive(Debug)]
pub(crate) struct Expressions {
    pub(super) dialect: Dialect,
    pub(super) meanings: Vec<Option<Meaning>>,
    pub(super) match_conditions: Vec<Expression>,
    pub(super) variables: Vec<Named>,
    pub(super) validations: Vec<Validation>,
    pub(super) audit_annotations: Vec<Named>,
    env: Environment,
}

impl Expressions {
    /// Compiles a policy's expressions.
    ///
    /// # Errors
    /// Which expression is refused, and why.
    pub(crate) fn compile(spec: &Spec<'_>, dialect: Dialect) -> Result<Self, String> {
        let mut compiled = Self {
            dialect,
            meanings: Vec::new(),
            match_conditions: Vec::new(),
            variables: Vec::new(),
            validations: Vec::new(),
            audit_annotations: Vec::new(),
            env: dialect.environment(),
        };
        compiled.add_variables(&spec.variables)?;
        for (at, condition) in spec.match_conditions.iter().enumerate() {
            let place = format!("matchConditions[{at}].expression");
            let expression = compiled.expression(text(*condition, "expression"), &place, &[Type::Bool])?;
            compiled.match_conditions.push(expression);
        }
        for (at, validation) in spec.validations.iter().enumerate() {
            let validation = compiled.validation(*validation, at, spec.message)?;
            compiled.validations.push(validation);
        }
        for (at, annotation) in spec.audit_annotations.iter().enumerate() {
            let place = format!("auditAnnotations[{at}].valueExpression");
            let source = text(*annotation, "valueExpression");
            let expression = compiled.expression(source, &place, &[Type::String, Type::Null])?;
            compiled.audit_annotations.push(Named { name: text(*annotation, "key").to_owned(), expression });
        }
        Ok(compiled)
    }

    /// Compiles conditions that stand outside the policy, of an exception, in the policy's environment.
    ///
    /// # Errors
    /// Which expression is refused, and why.
    pub(super) fn conditions(&self, conditions: &[Node<'_>]) -> Result<Vec<Expression>, String> {
        let compile = |(at, condition): (usize, &Node<'_>)| {
            let place = format!("matchConditions[{at}].expression");
            self.expression(text(*condition, "expression"), &place, &[Type::Bool])
        };
        conditions.iter().enumerate().map(compile).collect()
    }

    /// Compiles an expression of any type that stands beside the usual ones.
    ///
    /// # Errors
    /// Why it is refused.
    pub(super) fn extra(&self, source: &str, place: &str) -> Result<Expression, String> {
        self.expression(source, place, &[])
    }

    fn add_variables(&mut self, variables: &[Node<'_>]) -> Result<(), String> {
        self.meanings = Dialect::meanings(&self.env);
        for (at, variable) in variables.iter().enumerate() {
            let name = text(*variable, "name").to_owned();
            let place = format!("variables[{at}].expression");
            let expression = self.expression(text(*variable, "expression"), &place, &[])?;
            let kind = self.dialect.variable_type(expression.program.result_type());
            self.env = self.env.clone().with_lazy_field(VARIABLES, &name, kind);
            self.meanings.push(Some(Meaning::Variable(at)));
            self.variables.push(Named { name, expression });
        }
        Ok(())
    }

    fn validation(&self, validation: Node<'_>, at: usize, message: &str) -> Result<Validation, String> {
        let place = |field: &str| format!("validations[{at}].{field}");
        let own = text(validation, "message");
        let message_expression = text(validation, "messageExpression");
        let message_expression = (!message_expression.is_empty())
            .then(|| self.expression(message_expression, &place("messageExpression"), &[Type::String]))
            .transpose()?;
        Ok(Validation {
            expression: self.expression(
                text(validation, "expression"),
                &place("expression"),
                &[Type::Bool],
            )?,
            message: if own.is_empty() { message } else { own }.to_owned(),
            message_expression,
        })
    }

    /// Compiles one expression; `kinds` are the types that it may have, none: any.
    fn expression(&self, source: &str, place: &str, kinds: &[Type]) -> Result<Expression, String> {
        let program = Program::compile(&self.env, source)
            .map_err(|error| format!("spec.{place}: Invalid value: {source:?}: {error}"))?;
        if !kinds.is_empty() && !kinds.contains(program.result_type()) {
            let names: Vec<&str> = kinds.iter().map(Type::runtime_name).collect();
            let names = names.join(" or ");
            return Err(format!("spec.{place}: Invalid value: {source:?}: must evaluate to {names}"));
        }
        Ok(Expression { text: source.to_owned(), program })
    }
}

fn text<'s>(node: Node<'s>, key: &str) -> &'s str {
    node.get(key).and_then(Node::as_str).unwrap_or_default()
}
