//! The functions: their names, parameters and the checks that go-jmespath makes before it calls one.
//!
//! One file below holds one family. A function sees arguments of the right types only; what it refuses beyond that is an
//! [`EvaluateError::Other`] with Kyverno's text.

mod arithmetic;
mod builtin;
mod collections;
mod encode;
mod net;
mod random;
mod regex;
mod text;
mod time;
mod x509;

use super::ast::Expr;
use super::evaluate::Evaluator;
use super::go_value::{items, number, sprint};
use super::prepared::Prepared;
use super::{Env, EvaluateError};
use crate::document::{Kind, Value};

const ANY: &[Type] = &[Type::Any];
const ARRAY: &[Type] = &[Type::Array];
const NUMBER: &[Type] = &[Type::Number];
const OBJECT: &[Type] = &[Type::Object];
const STRING: &[Type] = &[Type::String];
const STRING_OR_NUMBER: &[Type] = &[Type::String, Type::Number];

/// What a function gives.
type Answer<'d> = Result<Value<'d>, EvaluateError>;

/// The types that go-jmespath knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Number,
    String,
    Array,
    Object,
    ArrayNumber,
    ArrayString,
    Reference,
    Any,
}

impl Type {
    fn name(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::String => "string",
            Self::Array => "array",
            Self::Object => "object",
            Self::ArrayNumber => "array[number]",
            Self::ArrayString => "array[string]",
            Self::Reference => "expref",
            Self::Any => "any",
        }
    }

    fn accepts(self, argument: &Argument<'_>) -> bool {
        let value = match argument {
            Argument::Reference(_) => return matches!(self, Self::Reference | Self::Any),
            Argument::Value(value) => value,
        };
        match self {
            Self::Any => true,
            Self::Reference => false,
            Self::Number => number(value).is_some(),
            Self::String => value.kind() == Kind::String,
            Self::Array => value.kind() == Kind::Array,
            Self::Object => value.kind() == Kind::Object,
            Self::ArrayNumber => {
                items(value).is_some_and(|mut items| items.all(|item| number(&item).is_some()))
            }
            Self::ArrayString => {
                items(value).is_some_and(|mut items| items.all(|item| item.kind() == Kind::String))
            }
        }
    }
}

/// What a function takes.
#[derive(Clone, Copy, Debug)]
enum Parameters {
    /// Exactly these, each of one of the types.
    Exactly(&'static [&'static [Type]]),
    /// One or more of anything.
    OneOrMore,
    /// Whatever is given, and it is not looked at.
    Ignored,
}

/// What of a function's literal first argument is prepared when a program is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Preparation {
    /// Nothing.
    Nothing,
    /// It is a wildcard.
    Wildcard,
    /// It is a regular expression.
    Regexp,
}

/// When a function's result depends on more than its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Volatility {
    Never,
    Always,
    /// When the argument at this position is not a string with something in it.
    UnlessGiven(usize),
}

/// One function.
#[derive(Debug)]
pub(super) struct Function {
    name: &'static str,
    parameters: Parameters,
    handler: for<'a, 'd> fn(&Arguments<'a, 'd>) -> Answer<'d>,
    volatility: Volatility,
    pub(super) preparation: Preparation,
}

impl Function {
    const fn new(
        name: &'static str,
        parameters: &'static [&'static [Type]],
        handler: for<'a, 'd> fn(&Arguments<'a, 'd>) -> Answer<'d>,
    ) -> Self {
        Self {
            name,
            parameters: Parameters::Exactly(parameters),
            handler,
            volatility: Volatility::Never,
            preparation: Preparation::Nothing,
        }
    }

    const fn variadic(mut self) -> Self {
        self.parameters = Parameters::OneOrMore;
        self
    }

    const fn ignoring_arguments(mut self) -> Self {
        self.parameters = Parameters::Ignored;
        self
    }

    const fn volatile(mut self, volatility: Volatility) -> Self {
        self.volatility = volatility;
        self
    }

    const fn prepared(mut self, preparation: Preparation) -> Self {
        self.preparation = preparation;
        self
    }

    /// Whether a call's result depends on time, randomness or the network.
    pub(super) fn is_volatile(&self, arguments: &[Expr]) -> bool {
        match self.volatility {
            Volatility::Never => false,
            Volatility::Always => true,
            Volatility::UnlessGiven(position) => {
                arguments.get(position).and_then(Expr::as_literal_str).is_none_or(str::is_empty)
            }
        }
    }

    /// Checks the arguments and calls the function.
    pub(super) fn call<'d>(&self, arguments: &Arguments<'_, 'd>) -> Answer<'d> {
        match self.parameters {
            Parameters::OneOrMore if arguments.values.is_empty() => {
                return Err(EvaluateError::other("Invalid arity."));
            }
            Parameters::OneOrMore | Parameters::Ignored => {}
            Parameters::Exactly(parameters) => {
                if parameters.len() != arguments.values.len() {
                    return Err(EvaluateError::other("incorrect number of args"));
                }
                for (types, argument) in parameters.iter().zip(arguments.values) {
                    check_type(types, argument, arguments.env())?;
                }
            }
        }
        (self.handler)(arguments)
    }
}

fn check_type(types: &[Type], argument: &Argument<'_>, env: &Env<'_>) -> Result<(), EvaluateError> {
    if let Argument::Value(value) = argument
        && types.iter().any(|t| matches!(t, Type::ArrayNumber | Type::ArrayString))
    {
        env.charge(value.len().unwrap_or(0))?;
    }
    if types.iter().any(|t| t.accepts(argument)) {
        return Ok(());
    }
    let found = match argument {
        Argument::Value(value) => sprint(value),
        Argument::Reference(expr) => format!("&{expr}"),
    };
    let expected: Vec<String> = types.iter().map(|t| format!("\"{}\"", t.name())).collect();
    let expected = expected.join(", ");
    Err(EvaluateError::other(format!("Invalid type for: {found}, expected: []jmespath.JpType{{{expected}}}")))
}

/// One argument of a call.
pub(super) enum Argument<'d> {
    Value(Value<'d>),
    Reference(&'d Expr),
}

/// The arguments of a call, with what its function may need.
pub(super) struct Arguments<'a, 'd> {
    evaluator: &'a Evaluator<'a, 'd>,
    name: &'static str,
    values: &'a [Argument<'d>],
    prepared: &'d Prepared,
}

impl<'a, 'd> Arguments<'a, 'd> {
    pub(super) fn new(
        evaluator: &'a Evaluator<'a, 'd>,
        function: &Function,
        values: &'a [Argument<'d>],
        prepared: &'d Prepared,
    ) -> Self {
        Self { evaluator, name: function.name, values, prepared }
    }

    fn env(&self) -> &'a Env<'a> {
        self.evaluator.env()
    }

    /// The argument at a position; null where there is none or an expression.
    fn value(&self, position: usize) -> Value<'d> {
        match self.values.get(position) {
            Some(Argument::Value(value)) => value.clone(),
            _ => Value::Null,
        }
    }

    fn value_ref(&self, position: usize) -> Option<&'a Value<'d>> {
        match self.values.get(position) {
            Some(Argument::Value(value)) => Some(value),
            _ => None,
        }
    }

    /// The text at a position whose parameter is a string.
    fn text(&self, position: usize) -> &'a str {
        self.value_ref(position).and_then(Value::as_str).unwrap_or_default()
    }

    /// The number at a position whose parameter is a number.
    fn number(&self, position: usize) -> f64 {
        self.value_ref(position).and_then(number).unwrap_or_default()
    }

    /// The text at a position whose parameter is a string or a number.
    fn text_or_number(&self, position: usize) -> String {
        self.value_ref(position).and_then(text::plain_text).unwrap_or_default()
    }

    /// The items at a position whose parameter is a list; each costs a step.
    fn items(&self, position: usize) -> Result<Vec<Value<'d>>, EvaluateError> {
        let items: Vec<_> = self.value_ref(position).and_then(items).into_iter().flatten().collect();
        self.env().charge(items.len())?;
        Ok(items)
    }

    /// Evaluates the expression at a position for an item.
    fn apply(&self, position: usize, item: &Value<'d>) -> Answer<'d> {
        match self.values.get(position) {
            Some(Argument::Reference(expr)) => self.evaluator.apply(expr, item),
            _ => Ok(Value::Null),
        }
    }

    /// A computed text, which costs steps by its length.
    fn owned(&self, text: String) -> Answer<'d> {
        self.env().charge_text(text.len())?;
        Ok(Value::owned(text))
    }

    /// Kyverno's error: `JMESPath function 'name': message`.
    fn error(&self, message: &str) -> EvaluateError {
        EvaluateError::other(format!("JMESPath function '{}': {message}", self.name))
    }
}

/// The tables of all families. Kyverno's functions come first: its `sum` replaces go-jmespath's.
static TABLES: &[&[Function]] = &[
    text::FUNCTIONS,
    regex::FUNCTIONS,
    arithmetic::FUNCTIONS,
    collections::FUNCTIONS,
    encode::FUNCTIONS,
    time::FUNCTIONS,
    random::FUNCTIONS,
    net::FUNCTIONS,
    x509::FUNCTIONS,
    builtin::FUNCTIONS,
];

/// The function of a name.
pub(super) fn find(name: &str) -> Option<&'static Function> {
    TABLES.iter().flat_map(|table| table.iter()).find(|function| function.name == name)
}

/// The names of all functions, sorted.
pub fn names() -> Vec<&'static str> {
    let names: std::collections::BTreeSet<_> =
        TABLES.iter().flat_map(|table| table.iter()).map(|function| function.name).collect();
    names.into_iter().collect()
}
