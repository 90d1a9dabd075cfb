//! Where in the text of a manifest a field stands, so that what is said of it can name a line.
//!
//! Block-style YAML is followed by its indentation; a part in flow style, an alias or a text over several lines is one place. A field that is
//! not found has the place of the nearest one around it. The YAML itself is parsed elsewhere.

/// A place in a text, both counted from 1; the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// A step of a path such as `spec.rules[0].name`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step<'p> {
    Key(&'p str),
    Index(usize),
}

/// A line that says something: where it is, how far it is indented, and its text from there.
#[derive(Clone, Copy, Debug)]
struct Line<'t> {
    number: usize,
    indent: usize,
    text: &'t str,
}

/// The place of a field, or of the nearest one around it; `None` if not even its first step is there.
pub fn place_of(text: &str, path: &str) -> Option<Place> {
    let lines: Vec<Line<'_>> =
        text.lines().enumerate().filter_map(|(at, line)| Line::of(at + 1, line)).collect();
    let mut block: &[Line<'_>] = &lines;
    let mut opened: Option<Line<'_>> = None;
    let mut place = None;
    for step in steps(path) {
        let Some((at, found)) = find(opened, block, step) else { break };
        place = Some(Place { line: found.number, column: found.indent + 1 });
        let (rest, depth) = (block.get(at..).unwrap_or_default(), found.depth());
        let n_below = rest.iter().take_while(|line| line.indent > depth || found.holds_list_at(line)).count();
        block = rest.get(..n_below).unwrap_or_default();
        opened = found.inner(step);
    }
    place
}

/// The line of a step among what a line opens and the block below it, with the position in the block behind it.
fn find<'t>(opened: Option<Line<'t>>, block: &[Line<'t>], step: Step<'_>) -> Option<(usize, Line<'t>)> {
    let first = opened.filter(|line| !line.text.is_empty()).or_else(|| block.first().copied())?;
    let own = opened.filter(|line| !line.text.is_empty()).into_iter().map(|line| (0, line));
    let below = block.iter().enumerate().map(|(at, line)| (at + 1, *line));
    let mut siblings = own.chain(below).filter(|(_, line)| line.indent == first.indent);
    match step {
        Step::Key(key) => siblings.find(|(_, line)| line.key() == Some(key)),
        Step::Index(index) => siblings.filter(|(_, line)| line.is_item()).nth(index),
    }
}

impl<'t> Line<'t> {
    fn of(number: usize, line: &'t str) -> Option<Self> {
        let text = line.trim_start_matches(' ');
        let is_silent = text.trim().is_empty() || text.starts_with('#') || text.starts_with("---");
        (!is_silent).then_some(Self { number, indent: line.len() - text.len(), text })
    }

    fn is_item(&self) -> bool {
        self.text == "-" || self.text.starts_with("- ")
    }

    /// The key, without quotes.
    fn key(&self) -> Option<&'t str> {
        let text = self.text.trim_end();
        for quote in ['"', '\''] {
            if let Some((key, rest)) = text.strip_prefix(quote).and_then(|text| text.split_once(quote)) {
                return rest.trim_start().starts_with(':').then_some(key);
            }
        }
        text.strip_suffix(':').filter(|key| !key.contains(": ")).or_else(|| Some(text.split_once(": ")?.0))
    }

    /// How far what is below the line must be indented more than.
    fn depth(&self) -> usize {
        self.indent
    }

    /// Whether a line below is an item of the list that this key opens: lists may stand as far left as their key.
    fn holds_list_at(&self, line: &Self) -> bool {
        !self.is_item() && line.indent == self.indent && line.is_item()
    }

    /// What stands on the line behind the dash of an item.
    fn inner(&self, step: Step<'_>) -> Option<Self> {
        let Step::Index(_) = step else { return None };
        let behind = self.text.strip_prefix('-')?;
        let text = behind.trim_start_matches(' ');
        Some(Self { number: self.number, indent: self.indent + self.text.len() - text.len(), text })
    }
}

/// The steps of a path; a key may hold dots only inside brackets with quotes, which no warning uses.
fn steps(path: &str) -> Vec<Step<'_>> {
    let mut steps = Vec::new();
    for part in path.split('.') {
        let (key, indices) = part.split_once('[').unwrap_or((part, ""));
        if !key.is_empty() {
            steps.push(Step::Key(key));
        }
        let indices = indices.split('[').filter_map(|index| index.strip_suffix(']')?.parse().ok());
        steps.extend(indices.map(Step::Index));
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::{Place, place_of};

    const POLICY: &str = "\
# a policy
kind: ClusterPolicy
spec:
  rules:
  - name: a

    context:
      - name: x
        variable: {value: 1}
    \"validate\":
      pattern:
        spec: {a: 1}
  -
    name: b
    message: |
      name: c
  background: true
";

    #[track_caller]
    fn expect(path: &str, line: usize, column: usize) {
        assert_eq!(place_of(POLICY, path), Some(Place { line, column }), "{path}");
    }

    #[test]
    fn fields_are_found_by_their_path() {
        expect("kind", 2, 1);
        expect("spec.rules", 4, 3);
        expect("spec.rules[0]", 5, 3);
        expect("spec.rules[0].name", 5, 5);
        expect("spec.rules[0].context[0].name", 8, 9);
        expect("spec.rules[0].context[0].variable", 9, 9);
        expect("spec.rules[0].validate.pattern", 11, 7);
        expect("spec.rules[1].name", 14, 5);
        expect("spec.background", 17, 3);
    }

    #[test]
    fn what_is_not_there_has_the_place_of_what_is_around_it() {
        expect("spec.rules[0].validate.pattern.spec.a", 12, 9);
        expect("spec.rules[2]", 4, 3);
        expect("spec.rules[1].validate", 13, 3);
        assert_eq!(place_of(POLICY, "nowhere"), None);
        assert_eq!(place_of("", "a"), None);
        assert_eq!(place_of("{a: 1}", "a"), None);
    }
}
