//! Whether conditions say the same of every resource of a scan, found out without one.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{AnyAllConditions, Arena, Context, Entries, Programs, Shared};
use crate::document::{Document, Node};
use crate::lang::{Inputs, Request};
use crate::model::ResourceId;

/// What conditions come to, if they looked at no resource, no fact and no clock on the way. Who the resource is must not be asked
/// (`request.name` and the like): that is not noted.
pub(crate) fn holds_everywhere(conditions: Node<'_>) -> Option<bool> {
    let compiled = AnyAllConditions::compile(Some(conditions), "", &mut Vec::new());
    let object = Document::from_json(b"{}").ok()?;
    let (id, request, facts) = (ResourceId::default(), Request::scan(), BTreeMap::new());
    let inputs = Inputs::new(&id, &object, &request, &facts, Timestamp::UNIX_EPOCH);
    let (arena, entries, programs) = (Arena::default(), Entries::default(), Programs::default());
    let shared = Shared::new(&inputs, &arena);
    let held = compiled.evaluate(&Context::new(&shared, &entries, "", &programs)).ok()?;
    let has_looked = !inputs.parts_read().is_empty()
        || inputs.facts_read().next().is_some()
        || !inputs.needs().is_empty()
        || inputs.volatility().is_some();
    (!has_looked).then_some(held.is_true)
}
