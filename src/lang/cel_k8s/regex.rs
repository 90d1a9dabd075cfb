//! `find` and `findAll` (`pkg/cel/library/regex.go`).

use std::rc::Rc;

use crate::gostd::regexp::Regexp;
use crate::lang::cel::{Context, Entry, EvalError, Value};

use super::arguments::{int, text};
use super::costs;

pub(super) const ENTRIES: &[Entry] = &[
    Entry::new("find", "string_find_string", "string.(string) -> string", |ctx, args| {
        let regex = compiled(ctx, text(args, 1)?)?;
        Ok(Value::string(regex.find(text(args, 0)?).unwrap_or("")))
    })
    .costing(costs::matching),
    Entry::new("findAll", "string_find_all_string", "string.(string) -> list(string)", |ctx, args| {
        find_all(ctx, args, -1)
    })
    .costing(costs::matching),
    Entry::new(
        "findAll",
        "string_find_all_string_int",
        "string.(string, int) -> list(string)",
        |ctx, args| find_all(ctx, args, int(args, 2)?),
    )
    .costing(costs::matching),
];

fn compiled(ctx: &mut Context<'_, '_>, pattern: &str) -> Result<Rc<Regexp>, EvalError> {
    ctx.regex(pattern).map_err(|error| EvalError::failed(format!("Illegal regex: {error}")))
}

fn find_all<'d>(ctx: &mut Context<'_, 'd>, args: &[Value<'d>], n: i64) -> Result<Value<'d>, EvalError> {
    let regex = compiled(ctx, text(args, 1)?)?;
    let found = regex.find_all(text(args, 0)?, usize::try_from(n).ok());
    Ok(Value::list(found.into_iter().map(Value::string).collect()))
}
