//! Which images an ImageValidatingPolicy is about: `matchImageReferences`, globs and expressions over `ref`.
//!
//! Upstream: `pkg/cel/compiler/image.go`, `NewMatchImageEnv` in `…/env.go` of Kyverno. Globs are those of github.com/gobwas/glob without
//! separators: `*` and `?`, sets (`[abc]`, `[!a-z]`), alternatives (`{a,b}`) and `\`.

use crate::document::Node;
use crate::gostd::regexp::Regexp;
use crate::lang::cel::{Activation, Budget, EvalError, Type, Value};
use crate::lang::cel_k8s::kyverno;
use crate::lang::cel_policy::expressions::{Expression, Expressions, Refusal, items, kept};

/// The entries; an image that any of them means is one that the policy is about, and without entries every image is.
#[derive(Debug)]
pub(super) struct References(Vec<Reference>);

#[derive(Debug)]
enum Reference {
    Glob(Regexp),
    Expression(Expression),
}

impl References {
    pub(super) fn compile(spec: Node<'_>, expressions: &Expressions, refusals: &mut Vec<Refusal>) -> Self {
        let env = kyverno::image_reference_environment();
        let mut references = Vec::new();
        for (at, reference) in items(spec, "matchImageReferences").into_iter().enumerate() {
            let text = |key: &str| reference.get(key).and_then(Node::as_str).unwrap_or_default();
            let place = |key: &str| format!("matchImageReferences[{at}]{key}");
            match (text("glob"), text("expression")) {
                ("", "") => {
                    let why = "it has neither a glob nor an expression".to_owned();
                    refusals.push(Refusal::of_field(&place(""), "", why));
                }
                ("", expression) => {
                    let compiled = expressions.beside(&env, expression, &place(".expression"), &[Type::Bool]);
                    references.extend(kept(compiled, refusals).map(Reference::Expression));
                }
                (glob, _) => match compiled(glob) {
                    Ok(regexp) => references.push(Reference::Glob(regexp)),
                    Err(why) => refusals.push(Refusal::of_field(&place(".glob"), glob, why)),
                },
            }
        }
        Self(references)
    }

    /// Whether any of them means an image.
    ///
    /// # Errors
    /// Those of the first expression that cannot be evaluated, if none before means it.
    pub(super) fn are_about(&self, image: &str, budget: &Budget) -> Result<bool, EvalError> {
        for reference in &self.0 {
            if reference.is_about(image, budget)? {
                return Ok(true);
            }
        }
        Ok(self.0.is_empty())
    }
}

impl Reference {
    fn is_about(&self, image: &str, budget: &Budget) -> Result<bool, EvalError> {
        let expression = match self {
            Self::Glob(regexp) => return Ok(regexp.is_match(image)),
            Self::Expression(expression) => expression,
        };
        let value = expression.program.evaluate(&Named(image), budget)?;
        value
            .as_bool()
            .ok_or_else(|| EvalError::failed(format!("unexpected result type {}", value.type_name())))
    }
}

/// The one name that there is: `ref`.
struct Named<'i>(&'i str);

impl<'i> Activation<'i> for Named<'i> {
    fn resolve(&self, _slot: u16) -> Result<Value<'i>, EvalError> {
        Ok(Value::borrowed(self.0))
    }
}

/// A glob as a regular expression.
fn compiled(glob: &str) -> Result<Regexp, String> {
    let mut pattern = String::from("(?s)^");
    let (mut rest, mut depth) = (glob.chars(), 0_usize);
    while let Some(char) = rest.next() {
        match char {
            '*' => pattern.push_str(".*"),
            '?' => pattern.push('.'),
            '[' => pattern.push_str(&set(&mut rest)?),
            '{' => {
                depth += 1;
                pattern.push_str("(?:");
            }
            '}' if depth > 0 => {
                depth -= 1;
                pattern.push(')');
            }
            ',' if depth > 0 => pattern.push('|'),
            '\\' => literal(&mut pattern, rest.next()),
            other => literal(&mut pattern, Some(other)),
        }
    }
    // The end of the glob ends alternatives.
    pattern.extend(std::iter::repeat_n(')', depth));
    pattern.push('$');
    Regexp::compile(&pattern).map_err(|error| error.to_string())
}

/// The rest of a set: `!`, then a range or the characters themselves.
fn set(rest: &mut std::str::Chars<'_>) -> Result<String, String> {
    let (content, after) = rest.as_str().split_once(']').ok_or("unexpected end of input")?;
    *rest = after.chars();
    let (not, content) = content.strip_prefix('!').map_or(("", content), |content| ("^", content));
    let mut class = format!("[{not}");
    let content: Vec<char> = content.chars().collect();
    match content.as_slice() {
        [] => return Err("could not parse range".to_owned()),
        [low, '-', high] => {
            literal(&mut class, Some(*low));
            class.push('-');
            literal(&mut class, Some(*high));
        }
        [_, '-', ..] => return Err("expected close range character".to_owned()),
        chars => chars.iter().filter(|char| **char != '\\').for_each(|char| literal(&mut class, Some(*char))),
    }
    class.push(']');
    Ok(class)
}

/// Adds a character that means itself.
fn literal(pattern: &mut String, char: Option<char>) {
    if let Some(char) = char {
        if char.is_ascii_punctuation() {
            pattern.push('\\');
        }
        pattern.push(char);
    }
}

#[cfg(test)]
mod tests {
    use super::compiled;

    #[test]
    fn globs_are_those_of_gobwas() {
        for (glob, means, other) in [
            ("ghcr.io/*", "ghcr.io/corp/app:1", "docker.io/corp/app"),
            ("*/app:?", "ghcr.io/corp/app:1", "ghcr.io/corp/app:12"),
            ("ghcr.io/{a,b*}/app", "ghcr.io/b/c/app", "ghcr.io/c/app"),
            ("app:[0-9]", "app:7", "app:x"),
            ("app:[!0-9]", "app:x", "app:7"),
            ("app:[ab]", "app:b", "app:c"),
            (r"app\*", "app*", "app:1"),
            ("a.b", "a.b", "axb"),
            ("a,b", "a,b", "a"),
        ] {
            let glob = compiled(glob).unwrap();
            assert!(glob.is_match(means) && !glob.is_match(other), "{}", glob.as_str());
        }
        assert_eq!(compiled("[a-").unwrap_err(), "unexpected end of input");
        assert!(compiled("[]").is_err() && compiled("[z-a]").is_err());
    }
}
