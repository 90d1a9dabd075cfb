//! Functions of Go's `strings` package whose results differ from Rust's.

/// `strings.EqualFold`: equality under simple Unicode case folding.
pub fn equal_fold(left: &str, right: &str) -> bool {
    if left.is_ascii() && right.is_ascii() {
        return left.eq_ignore_ascii_case(right);
    }
    left.chars().map(fold).eq(right.chars().map(fold))
}

/// One representative of the characters that fold to each other one to one.
fn fold(character: char) -> char {
    // The dotless and dotted i fold only to themselves.
    if matches!(character, 'ı' | 'İ') {
        return character;
    }
    let upper = single(character.to_uppercase()).unwrap_or(character);
    single(upper.to_lowercase()).unwrap_or(upper)
}

fn single(mut mapped: impl Iterator<Item = char>) -> Option<char> {
    let first = mapped.next()?;
    mapped.next().is_none().then_some(first)
}

/// `strings.Replace`: replaces the first `n_max` occurrences of `old`, all of them for a negative `n_max`.
/// An empty `old` stands between all characters and at both ends.
pub fn replace(text: &str, old: &str, new: &str, n_max: i64) -> String {
    match usize::try_from(n_max) {
        Ok(n_max) => text.replacen(old, new, n_max),
        Err(_) => text.replace(old, new),
    }
}

/// `strings.Split`: the parts between separators; single characters for an empty separator.
pub fn split<'a>(text: &'a str, separator: &str) -> Vec<&'a str> {
    if separator.is_empty() {
        return text.split("").filter(|part| !part.is_empty()).collect();
    }
    text.split(separator).collect()
}

/// `strings.Trim`: removes all characters of `cutset` from both ends.
pub fn trim<'a>(text: &'a str, cutset: &str) -> &'a str {
    text.trim_matches(|character| cutset.contains(character))
}

/// `strings.Fields`: the parts between runs of white space.
pub fn fields(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

/// The first `n_max` characters, as Kyverno's `truncate` cuts.
pub fn truncate(text: &str, n_max: usize) -> &str {
    text.char_indices()
        .nth(n_max)
        .and_then(|(end, _)| text.get(..end))
        .unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_is_folded_one_to_one() {
        // Golden: go1.26 `strings.EqualFold`.
        let table = [
            ("Go", "GO", true),
            ("abc", "abd", false),
            ("a", "ab", false),
            ("", "", true),
            ("\u{212a}", "k", true),
            ("\u{17f}", "S", true),
            ("ß", "ẞ", true),
            ("ß", "ss", false),
            ("Σ", "ς", true),
            ("σ", "ς", true),
            ("ı", "I", false),
            ("İ", "i", false),
            ("É", "é", true),
            ("ϴ", "ϑ", true),
            ("\u{2126}", "ω", true),
            ("Ꭰ", "ꭰ", true),
            ("ǅ", "ǆ", true),
            ("ﬁ", "FI", false),
        ];
        for (left, right, expected) in table {
            assert_eq!(equal_fold(left, right), expected, "{left} {right}");
            assert_eq!(equal_fold(right, left), expected, "{right} {left}");
        }
    }

    #[test]
    fn text_is_replaced_split_and_cut_as_in_go() {
        assert_eq!(replace("aaa", "a", "b", 2), "bba");
        assert_eq!(replace("aaa", "a", "b", -1), "bbb");
        assert_eq!(replace("aaa", "a", "b", 0), "aaa");
        assert_eq!(replace("ab", "", "-", -1), "-a-b-");
        assert_eq!(replace("ab", "", "-", 2), "-a-b");
        assert_eq!(split("a,b,", ","), ["a", "b", ""]);
        assert_eq!(split("", ","), [""]);
        assert_eq!(split("é2", ""), ["é", "2"]);
        assert_eq!(split("", ""), Vec::<&str>::new());
        assert_eq!(trim("xxabcx", "x"), "abc");
        assert_eq!(trim("¡¡¡Hello!!!", "!¡"), "Hello");
        assert_eq!(fields(" a  b\t\nc "), ["a", "b", "c"]);
        assert_eq!(truncate("héllo", 2), "hé");
        assert_eq!(truncate("héllo", 9), "héllo");
        assert_eq!(truncate("héllo", 0), "");
    }
}
