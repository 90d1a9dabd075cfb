//! `jsonpatch.escapeKey` (`pkg/cel/library/jsonpatch.go`), for mutating policies.

use crate::lang::cel::{Entry, Value};

use super::arguments::text;
use super::costs;

pub(super) const ENTRIES: &[Entry] = &[Entry::new(
    "jsonpatch.escapeKey",
    "string_jsonpatch_escapeKey_string",
    "(string) -> string",
    |_, args| Ok(Value::string(text(args, 0)?.replace('~', "~0").replace('/', "~1"))),
)
.costing(costs::reading)];
