//! Expressions that come out of a substitution, which no compiler has seen: compiled once for each text as long as there are few of
//! them. Expressions whose text the policy says are compiled with it and never come here.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::lang::jmespath::{CompileError, Program};
use crate::limits;

/// The compiled expressions of one rule, shared by all evaluations of it.
#[derive(Debug, Default)]
pub(crate) struct Programs(RwLock<BTreeMap<Box<str>, Compiled>>);

type Compiled = Result<Arc<Program>, CompileError>;

impl Programs {
    /// The program of a text.
    pub(super) fn get(&self, text: &str) -> Compiled {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner).get(text).cloned();
        if let Some(known) = known {
            return known;
        }
        let compiled = Program::compile(text).map(Arc::new);
        if text.len() <= limits::DYNAMIC_PROGRAM_TEXT_BYTES_MAX {
            let mut programs = self.0.write().unwrap_or_else(PoisonError::into_inner);
            if programs.len() >= limits::DYNAMIC_PROGRAMS_MAX {
                programs.clear();
            }
            programs.insert(text.into(), compiled.clone());
        }
        compiled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_compiled_once_and_the_cache_stays_small() {
        let programs = Programs::default();
        let first = programs.get("a.b").unwrap();
        assert!(Arc::ptr_eq(&first, &programs.get("a.b").unwrap()));
        assert_eq!(programs.get("a.").unwrap_err(), programs.get("a.").unwrap_err());
        for n in 0..3 * limits::DYNAMIC_PROGRAMS_MAX {
            assert!(programs.get(&format!("a{n}")).is_ok());
        }
        let len = programs.0.read().unwrap().len();
        assert!(len <= limits::DYNAMIC_PROGRAMS_MAX, "{len}");
        let long = format!("'{}'", "x".repeat(limits::DYNAMIC_PROGRAM_TEXT_BYTES_MAX));
        assert!(programs.get(&long).is_ok());
        assert!(!programs.0.read().unwrap().contains_key(long.as_str()));
    }
}
