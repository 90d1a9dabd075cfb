//! `sets.contains`, `sets.equivalent`, `sets.intersects` over lists.

use super::super::environment::Entry;
use super::super::eval::size_of;
use super::super::value::{List, Value};
use super::list;

pub(super) const ENTRIES: &[Entry] = &[
    Entry::new("sets.contains", "list_sets_contains_list", "(list(T), list(T)) -> bool", |_, args| {
        Ok(Value::Bool(contains(&list(args, 0)?, &list(args, 1)?)))
    })
    .costing(once),
    Entry::new("sets.equivalent", "list_sets_equivalent_list", "(list(T), list(T)) -> bool", |_, args| {
        let (a, b) = (list(args, 0)?, list(args, 1)?);
        Ok(Value::Bool(contains(&a, &b) && contains(&b, &a)))
    })
    .costing(twice),
    Entry::new("sets.intersects", "list_sets_intersects_list", "(list(T), list(T)) -> bool", |_, args| {
        Ok(Value::Bool(intersects(&list(args, 0)?, &list(args, 1)?)))
    })
    .costing(once),
];

fn contains(list: &List<'_>, part: &List<'_>) -> bool {
    part.iter().all(|wanted| list.iter().any(|item| item.equals(&wanted)))
}

fn intersects(a: &List<'_>, b: &List<'_>) -> bool {
    a.iter().any(|x| b.iter().any(|y| x.equals(&y)))
}

fn product(args: &[Value<'_>]) -> u64 {
    args.iter().map(size_of).fold(1, u64::saturating_mul)
}

fn once(args: &[Value<'_>], _: &Value<'_>) -> u64 {
    product(args).saturating_add(1)
}

fn twice(args: &[Value<'_>], _: &Value<'_>) -> u64 {
    product(args).saturating_mul(2).saturating_add(1)
}
