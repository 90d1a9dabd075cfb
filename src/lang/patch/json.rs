//! RFC 6902 as `gopkg.in/evanphx/json-patch.v4` applies it, which the API server and Kyverno use.
//!
//! Where it is laxer than the standard, so is this: `replace` adds a field that is not there, negative positions count from the end, a
//! pointer that does not begin with a slash is read as if its first token were empty.

use serde_json::Value;

/// One operation of a patch.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Operation {
    /// `add`, `remove`, `replace`, `move`, `copy` or `test`.
    pub(crate) op: String,
    /// Where.
    pub(crate) path: String,
    /// From where, of `move` and `copy`; empty for none.
    pub(crate) from: String,
    /// What.
    pub(crate) value: Option<Value>,
}

/// Why a patch does not apply. Messages are the library's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PatchError {
    /// A `test` found another value: the patch as a whole is not applied, and that is no failure.
    #[error("testing value {0} failed: test failed")]
    TestFailed(String),
    /// The patch does not fit the object.
    #[error("{0}")]
    Failed(String),
}

/// A JSON pointer, split into decoded tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pointer(Vec<String>);

impl Pointer {
    /// `None` for a pointer to the whole object.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut tokens = text.split('/');
        tokens.next();
        let tokens: Vec<String> = tokens.map(|token| token.replace("~1", "/").replace("~0", "~")).collect();
        (!tokens.is_empty()).then_some(Self(tokens))
    }

    /// The tokens, at least one.
    pub(crate) fn tokens(&self) -> &[String] {
        &self.0
    }

    /// The container that the last token is looked up in, and that token.
    fn container<'v>(&self, root: &'v mut Value) -> Option<(&'v mut Value, &str)> {
        let (last, parents) = self.0.split_last()?;
        let mut container = root;
        for token in parents {
            container = match container {
                Value::Object(fields) => fields.get_mut(token)?,
                Value::Array(items) => {
                    let at = position(token, items.len(), items.len()).ok()?;
                    items.get_mut(at)?
                }
                _ => return None,
            };
        }
        (container.is_object() || container.is_array()).then_some((container, last))
    }
}

fn failed(op: &str, path: &str, error: &str) -> PatchError {
    PatchError::Failed(format!("error in {op} for path: '{path}': {error}"))
}

fn missing(what: &str) -> PatchError {
    PatchError::Failed(format!("{what}: missing value"))
}

/// The position that a token names, at most `last`; the message of what is wrong with it.
fn position(token: &str, len: usize, last: usize) -> Result<usize, String> {
    let digits = token.strip_prefix(['-', '+']).unwrap_or(token);
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let at: i64 = match token.parse() {
        Ok(at) => at,
        Err(_) if is_number => {
            return Err(format!("strconv.Atoi: parsing \"{token}\": value out of range"));
        }
        Err(_) => return Err(format!("strconv.Atoi: parsing \"{token}\": invalid syntax")),
    };
    let from_start = if at < 0 { at.saturating_add(i64::try_from(len).unwrap_or(i64::MAX)) } else { at };
    usize::try_from(from_start)
        .ok()
        .filter(|at| *at <= last)
        .ok_or_else(|| format!("Unable to access invalid index: {at}: invalid index referenced"))
}

fn get(container: &Value, token: &str) -> Result<Option<Value>, String> {
    match container {
        Value::Array(items) => {
            let outside = || format!("Unable to access invalid index: {token}: invalid index referenced");
            let at = position(token, items.len(), items.len())?;
            items.get(at).cloned().map(Some).ok_or_else(outside)
        }
        fields => Ok(fields.get(token).cloned()),
    }
}

fn add(container: &mut Value, token: &str, value: Value) -> Result<(), String> {
    match container {
        Value::Object(fields) => {
            fields.insert(token.to_owned(), value);
        }
        Value::Array(items) if token == "-" => items.push(value),
        Value::Array(items) => {
            let at = position(token, items.len() + 1, items.len()).map_err(|error| {
                if error.starts_with("strconv") {
                    format!("value was not a proper array index: '{token}': {error}")
                } else {
                    error
                }
            })?;
            items.insert(at, value);
        }
        _ => {}
    }
    Ok(())
}

fn set(container: &mut Value, token: &str, value: Value) -> Result<(), String> {
    match container {
        Value::Array(items) => {
            let at = position(token, items.len(), items.len())?;
            if let Some(item) = items.get_mut(at) {
                *item = value;
            }
            Ok(())
        }
        fields => add(fields, token, value),
    }
}

fn remove(container: &mut Value, token: &str) -> Result<(), String> {
    match container {
        Value::Object(fields) => match fields.remove(token) {
            Some(_) => Ok(()),
            None => Err(format!("Unable to remove nonexistent key: {token}: missing value")),
        },
        Value::Array(items) => {
            let outside = || format!("Unable to access invalid index: {token}: invalid index referenced");
            let at = position(token, items.len(), items.len())?;
            if at >= items.len() {
                return Err(outside());
            }
            items.remove(at);
            Ok(())
        }
        _ => Ok(()),
    }
}

impl Operation {
    /// The pointers that it looks at; `None` stands for the whole object.
    pub(crate) fn pointers(&self) -> impl Iterator<Item = Option<Pointer>> {
        let from = matches!(self.op.as_str(), "move" | "copy").then(|| Pointer::parse(&self.from));
        std::iter::once(Pointer::parse(&self.path)).chain(from)
    }

    fn apply(&self, root: &mut Value) -> Result<(), PatchError> {
        match self.op.as_str() {
            "add" => {
                let value = self.value.clone().unwrap_or(Value::Null);
                let path = &self.path;
                let (container, token) = find(root, path).ok_or_else(|| {
                    missing(&format!("add operation does not apply: doc is missing path: \"{path}\""))
                })?;
                add(container, &token, value).map_err(|e| failed("add", path, &e))
            }
            "remove" => {
                let path = &self.path;
                let (container, token) = find(root, path).ok_or_else(|| {
                    missing(&format!("remove operation does not apply: doc is missing path: \"{path}\""))
                })?;
                remove(container, &token).map_err(|e| failed("remove", path, &e))
            }
            "replace" => self.replace(root),
            "move" | "copy" => self.transfer(root),
            "test" => self.test(root),
            other => Err(PatchError::Failed(format!("Unexpected kind: {other}"))),
        }
    }

    fn replace(&self, root: &mut Value) -> Result<(), PatchError> {
        let path = &self.path;
        let value = self.value.clone().unwrap_or(Value::Null);
        if path.is_empty() {
            if !(value.is_object() || value.is_array()) {
                let message = "replace operation value must be object or array: %!w(<nil>)";
                return Err(PatchError::Failed(message.to_owned()));
            }
            *root = value;
            return Ok(());
        }
        let (container, token) = find(root, path).ok_or_else(|| {
            missing(&format!("replace operation does not apply: doc is missing path: {path}"))
        })?;
        get(container, &token)
            .map_err(|_| missing(&format!("replace operation does not apply: doc is missing key: {path}")))?;
        set(container, &token, value).map_err(|e| failed("remove", path, &e))
    }

    fn transfer(&self, root: &mut Value) -> Result<(), PatchError> {
        let (op, from, path) = (&self.op, &self.from, &self.path);
        if from.is_empty() {
            return Err(missing(&format!(
                "{op} operation failed to decode from: operation, missing from field"
            )));
        }
        let (container, token) = find(root, from).ok_or_else(|| {
            missing(&format!("{op} operation does not apply: doc is missing from path: {from}"))
        })?;
        let is_move = op == "move";
        let in_from = |error: String| {
            PatchError::Failed(if is_move {
                format!("error in move for path: '{token}': {error}")
            } else {
                format!("error in copy for from: '{from}': {error}")
            })
        };
        let value = get(container, &token).map_err(in_from)?.unwrap_or(Value::Null);
        if is_move {
            remove(container, &token).map_err(in_from)?;
        }
        let (container, token) = find(root, path).ok_or_else(|| {
            missing(&format!("{op} operation does not apply: doc is missing destination path: {path}"))
        })?;
        add(container, &token, value).map_err(|error| {
            PatchError::Failed(if is_move {
                format!("error in move for path: '{path}': {error}")
            } else {
                format!("error while adding value during copy: {error}")
            })
        })
    }

    fn test(&self, root: &mut Value) -> Result<(), PatchError> {
        let path = &self.path;
        let differs = || PatchError::TestFailed(path.clone());
        if path.is_empty() {
            return if self.value.as_ref() == Some(root) { Ok(()) } else { Err(differs()) };
        }
        let (container, token) = find(root, path)
            .ok_or_else(|| missing(&format!("test operation does not apply: is missing path: {path}")))?;
        let found = get(container, &token).map_err(|e| failed("test", path, &e))?;
        // A null in the object is as if there were nothing, and nothing is equal to no value only.
        match (found.filter(|found| !found.is_null()), &self.value) {
            (None, None) => Ok(()),
            (Some(found), Some(value)) if found == *value => Ok(()),
            _ => Err(differs()),
        }
    }
}

/// The container that a pointer's last token is looked up in, and that token.
fn find<'v>(root: &'v mut Value, path: &str) -> Option<(&'v mut Value, String)> {
    let pointer = Pointer::parse(path)?;
    let (container, token) = pointer.container(root)?;
    Some((container, token.to_owned()))
}

/// Applies the operations in order; after an error the object is half changed.
///
/// # Errors
/// The first operation that does not apply.
pub(crate) fn patch(object: &mut Value, operations: &[Operation]) -> Result<(), PatchError> {
    operations.iter().try_for_each(|operation| operation.apply(object))
}
