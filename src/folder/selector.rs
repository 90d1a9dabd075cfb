//! Label selectors in their text form, as the API server takes them in a URL (`labels.Parse`).

use crate::document::Node;

/// All requirements must hold.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Selector(Vec<Requirement>);

#[derive(Debug, PartialEq, Eq)]
enum Requirement {
    Exists(String),
    Absent(String),
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
}

impl Selector {
    /// Reads `a=b,c!=d,e in (x,y),f notin (z),g,!h`; nothing selects everything.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut requirements = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            let end = end_of_requirement(rest);
            let (part, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
            requirements
                .push(Requirement::parse(part.trim()).ok_or_else(|| format!("bad label selector `{text}`"))?);
            rest = after.trim_start_matches(',').trim();
        }
        Ok(Self(requirements))
    }

    /// Whether labels meet all requirements.
    pub(super) fn matches(&self, labels: Option<Node<'_>>) -> bool {
        let value = |key: &str| labels.and_then(|labels| labels.get(key)).and_then(Node::as_str);
        self.0.iter().all(|requirement| match requirement {
            Requirement::Exists(key) => value(key).is_some(),
            Requirement::Absent(key) => value(key).is_none(),
            Requirement::In(key, values) => value(key).is_some_and(|v| values.iter().any(|w| w == v)),
            Requirement::NotIn(key, values) => !value(key).is_some_and(|v| values.iter().any(|w| w == v)),
        })
    }
}

/// The first comma that is not within parentheses.
fn end_of_requirement(text: &str) -> usize {
    let mut depth = 0_i32;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth <= 0 => return at,
            _ => {}
        }
    }
    text.len()
}

impl Requirement {
    fn parse(text: &str) -> Option<Self> {
        let key = |text: &str| {
            let key = text.trim();
            (!key.is_empty() && !key.contains([' ', '(', ')'])).then(|| key.to_owned())
        };
        let one = |text: &str| vec![text.trim_start_matches('=').trim().to_owned()];
        if let Some((left, right)) = text.split_once("!=") {
            return Some(Self::NotIn(key(left)?, one(right)));
        }
        if let Some((left, right)) = text.split_once('=') {
            return Some(Self::In(key(left)?, one(right)));
        }
        if let Some((left, right)) = text.split_once('(') {
            let values = right.strip_suffix(')')?.split(',').map(|value| value.trim().to_owned()).collect();
            let (name, operator) = left.trim().rsplit_once(' ')?;
            return match operator {
                "in" => Some(Self::In(key(name)?, values)),
                "notin" => Some(Self::NotIn(key(name)?, values)),
                _ => None,
            };
        }
        match text.strip_prefix('!') {
            Some(name) => Some(Self::Absent(key(name)?)),
            None => Some(Self::Exists(key(text)?)),
        }
    }
}
