//! Which variables an expression reads: the identifiers that are looked up in the scope and not in a value.
//!
//! The answer may name too much, never too little; `@` stands for the scope as a whole.

use std::collections::BTreeSet;

use super::Expr;

impl Expr {
    /// Adds the names that are looked up in the scope when this is evaluated against it.
    pub(crate) fn collect_roots(&self, roots: &mut BTreeSet<String>) {
        match self {
            Self::Field(name) => {
                roots.insert(name.to_string());
            }
            Self::Identity | Self::Current => {
                roots.insert("@".to_owned());
            }
            Self::Literal(_) | Self::Reference(_) => {}
            Self::Sub(left, right) | Self::Pipe(left, right) => {
                if matches!(**left, Self::Identity | Self::Current) {
                    right.collect_roots(roots);
                } else {
                    left.collect_roots(roots);
                }
            }
            Self::Projection(left, _) | Self::ValueProjection(left, _) | Self::Filter { left, .. } => {
                left.collect_roots(roots);
            }
            _ => self.children().into_iter().for_each(|child| child.collect_roots(roots)),
        }
    }

    /// Adds the names of called functions that do not exist.
    pub(crate) fn collect_unknown_functions(&self, names: &mut BTreeSet<String>) {
        if let Self::Call(call) = self
            && call.function.is_none()
        {
            names.insert(call.name.as_deref().unwrap_or_default().to_owned());
        }
        self.children().into_iter().for_each(|child| child.collect_unknown_functions(names));
    }
}
