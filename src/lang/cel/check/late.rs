//! What the API server looks at once all types are known: literals of one type, constant arguments that
//! cannot work, `format` with a constant template (cel-go's AST validators, `cel/validator.go` and
//! `ext/formatting.go`).

use super::super::library::format;
use super::super::syntax::{Expr, ExprKind, Literal};
use super::super::types::Type;
use super::Checker;
use crate::gostd::regexp::Regexp;

/// One thing to look at.
#[derive(Clone)]
pub(super) enum Late {
    /// The elements of a literal must be of one type; `is_first_only` ends at the first that is not.
    Homogeneous { elements: Vec<(u32, Type)>, is_first_only: bool },
    /// A constant template and the types of its arguments, with the place of the call.
    Format { at: u32, template: String, args: Vec<(u32, Type)> },
    /// Something that is wrong already.
    Invalid { at: u32, message: String },
}

impl Checker<'_> {
    pub(super) fn demand_homogeneous(&mut self, elements: Vec<(u32, Type)>, is_first_only: bool) {
        if self.env.is_homogeneous && self.is_checked && self.n_exempt == 0 && elements.len() > 1 {
            self.late.push(Late::Homogeneous { elements, is_first_only });
        }
    }

    /// Looks at the constant arguments of a call.
    pub(super) fn demand_valid_literals(
        &mut self,
        at: u32,
        function: &str,
        target: Option<&Expr>,
        args: &[Expr],
    ) {
        let Some(first) = args.first() else { return };
        match (&first.kind, function) {
            (ExprKind::Literal(literal), "duration" | "timestamp")
                if self.env.validates_literals && !is_convertible(function, literal) =>
            {
                self.late
                    .push(Late::Invalid { at: first.at, message: format!("invalid {function} argument") });
            }
            (_, "matches") if self.env.validates_literals => {
                let Some(pattern) = args.last() else { return };
                if let ExprKind::Literal(Literal::String(text)) = &pattern.kind
                    && Regexp::compile(text).is_err()
                {
                    self.late.push(Late::Invalid {
                        at: pattern.at,
                        message: "invalid matches argument".to_owned(),
                    });
                }
            }
            (ExprKind::List(_), "format") if self.env.validates_format && args.len() == 1 => {
                let Some(ExprKind::Literal(Literal::String(template))) = target.map(|target| &target.kind)
                else {
                    return;
                };
                // The arguments are all of the call that was checked but its constant receiver.
                let args = std::mem::take(&mut self.elements);
                self.late.push(Late::Format { at, template: template.clone(), args });
            }
            _ => {}
        }
    }

    pub(super) fn run_late_checks(&mut self) {
        for late in std::mem::take(&mut self.late) {
            match late {
                Late::Invalid { at, message } => self.issue(at, message),
                Late::Homogeneous { elements, is_first_only } => {
                    self.compare_elements(&elements, is_first_only);
                }
                Late::Format { at, template, args } => {
                    let kinds: Vec<Type> =
                        args.iter().map(|(_, kind)| self.mapping.substitute(kind, true)).collect();
                    if let Err((index, message)) = format::validate(&template, &kinds) {
                        let place = index.and_then(|index| args.get(index)).map_or(at, |(at, _)| *at);
                        self.issue(place, message);
                    }
                }
            }
        }
    }

    fn compare_elements(&mut self, elements: &[(u32, Type)], is_first_only: bool) {
        let Some((_, first)) = elements.first() else { return };
        let first = self.mapping.substitute(first, true);
        for (at, kind) in elements {
            let kind = self.mapping.substitute(kind, true);
            if kind != first {
                self.mismatch(*at, &first, &kind);
                if is_first_only {
                    return;
                }
            }
        }
    }
}

fn is_convertible(function: &str, literal: &Literal) -> bool {
    use super::super::library::time;
    use super::super::value::Timestamp;
    match (function, literal) {
        ("duration", Literal::String(text)) => crate::gostd::duration::Duration::parse(text).is_ok(),
        ("timestamp", Literal::String(text)) => time::parse(text).is_some_and(|at| time::checked(at).is_ok()),
        ("timestamp", Literal::Int(seconds)) => {
            time::checked(Timestamp { seconds: *seconds, nanos: 0, offset_s: 0 }).is_ok()
        }
        _ => false,
    }
}
