//! `{{ @ }}`: the value of the resource at the place where the variable stands.

/// The expression that `@` stands for at a path of a pattern. As in Kyverno, the first two steps are taken for the name of the
/// rule's field and left out.
pub(super) fn expression_at(path: &str) -> String {
    let steps: Vec<&str> = path.split('/').filter(|step| !step.is_empty()).collect();
    let from = steps.iter().position(|step| *step == "foreach").map_or(0, |at| at + 1);
    let steps = steps.get(from..).unwrap_or_default();
    let mut out = "request.object".to_owned();
    for step in steps.get(2..).unwrap_or_default() {
        if step.parse::<u64>().is_ok() {
            out.push('[');
            out.push_str(step);
            out.push(']');
        } else {
            out.push('.');
            push_field(&mut out, step);
        }
    }
    out
}

fn push_field(out: &mut String, field: &str) {
    let mut characters = field.chars();
    let is_plain = characters.next().is_some_and(|c| c == '(' || c == '_' || c.is_ascii_alphabetic())
        && characters.all(|c| c == ')' || c == '_' || c.is_ascii_alphanumeric());
    if is_plain {
        out.push_str(field);
        return;
    }
    out.push('"');
    for character in field.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '/' => out.push_str("\\/"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            other => out.push(other),
        }
    }
    out.push('"');
}
