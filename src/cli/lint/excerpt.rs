//! A remark with the line that it is about and a caret under the place.

use std::io::{self, Write};

use super::Remark;

/// How much of a line is shown: JSON often is a single one.
const CHARS_MAX: usize = 120;

/// How much of that stands in front of the place.
const CHARS_BEFORE: usize = 60;

/// Writes a remark: the message, where, and the line, and an empty line.
pub(super) fn write(out: &mut dyn Write, remark: &Remark) -> io::Result<()> {
    let Remark { place, policy, level, field, message, .. } = remark;
    let mut lines = message.lines();
    writeln!(out, "{}: {}", level.as_str(), lines.next().unwrap_or_default())?;
    let number = place.as_ref().map(|place| place.line.to_string()).unwrap_or_default();
    let margin = " ".repeat(number.len());
    for line in lines {
        writeln!(out, "{margin}   {line}")?;
    }
    let field = if field.is_empty() { String::new() } else { format!(": {field}") };
    writeln!(out, "{margin}--> {}: {policy}{field}", remark.from())?;
    if let Some(place) = place {
        let (text, column) = window(&place.text, place.column - 1);
        let length = place.length.min(text.chars().count().saturating_sub(column).max(1));
        writeln!(out, "{margin} |")?;
        writeln!(out, "{number} | {text}")?;
        writeln!(out, "{margin} | {}{}", " ".repeat(column), "^".repeat(length))?;
    }
    writeln!(out)
}

/// The part of a line around a place, and the place in it; tabs and other control characters become blanks, so that the caret stays below.
fn window(line: &str, column: usize) -> (String, usize) {
    let chars: Vec<char> = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if chars.len() <= CHARS_MAX {
        return (chars.into_iter().collect(), column);
    }
    let start = column.saturating_sub(CHARS_BEFORE);
    let before = if start > 0 { "…" } else { "" };
    let behind = if chars.len() > start + CHARS_MAX { "…" } else { "" };
    let shown: String = chars.iter().skip(start).take(CHARS_MAX).collect();
    (format!("{before}{shown}{behind}"), column - start + before.chars().count())
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;
    use crate::folder::Place;
    use expect_test::{Expect, expect};

    #[expect(clippy::needless_pass_by_value, reason = "what a test expects is written in the call")]
    fn check(text: &str, column: usize, length: usize, wanted: Expect) {
        let remark = Remark {
            origin: "p.yaml:1".to_owned(),
            place: Some(Place { line: 12, column, length, text: text.to_owned() }),
            policy: "ClusterPolicy a".to_owned(),
            level: Level::Error,
            field: "spec.x".to_owned(),
            message: "no such thing\nmore of it".to_owned(),
        };
        let mut out = Vec::new();
        write(&mut out, &remark).unwrap();
        wanted.assert_eq(&String::from_utf8(out).unwrap());
    }

    #[test]
    fn the_caret_stands_below_the_place() {
        check(
            "  x: \"{{ é(x) }}\"",
            10,
            1,
            expect![[r#"
            error: no such thing
                 more of it
              --> p.yaml:12:10: ClusterPolicy a: spec.x
               |
            12 |   x: "{{ é(x) }}"
               |          ^

        "#]],
        );
        check(
            "\tx: 1",
            2,
            1,
            expect![[r"
            error: no such thing
                 more of it
              --> p.yaml:12:2: ClusterPolicy a: spec.x
               |
            12 |  x: 1
               |  ^

        "]],
        );
    }

    #[test]
    fn of_a_long_line_only_what_is_around_the_place_is_shown() {
        let line = format!("{}here{}", "a".repeat(200), "b".repeat(200));
        check(
            &line,
            201,
            4,
            expect![[r"
            error: no such thing
                 more of it
              --> p.yaml:12:201: ClusterPolicy a: spec.x
               |
            12 | …aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaherebbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb…
               |                                                              ^^^^

        "]],
        );
        check(
            &line,
            1,
            400,
            expect![[r"
            error: no such thing
                 more of it
              --> p.yaml:12:1: ClusterPolicy a: spec.x
               |
            12 | aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…
               | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

        "]],
        );
    }
}
