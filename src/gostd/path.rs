//! Lexical paths as Go's `path/filepath` cleans and joins them on Unix. Nothing is looked up in a file
//! system.

/// `filepath.Clean`: the shortest equivalent path; `.` for an empty one.
pub fn clean(path: &str) -> String {
    let is_rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            // Nothing is above the root.
            ".." if is_rooted => {}
            _ => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (is_rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

/// `filepath.Join`: the parts that are not empty, joined by slashes and cleaned; empty if there are none.
pub fn join<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    if parts.is_empty() {
        String::new()
    } else {
        clean(&parts.join("/"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_as_go_cleans_them() {
        // Golden: go1.26 `filepath.Clean`.
        let table = [
            ("", "."),
            (".", "."),
            ("/", "/"),
            ("//", "/"),
            ("a", "a"),
            ("a/", "a"),
            ("/a/./b//c/", "/a/b/c"),
            ("a/../b", "b"),
            ("a/..", "."),
            ("..", ".."),
            ("../a", "../a"),
            ("../../a/../b", "../../b"),
            ("/..", "/"),
            ("/../a", "/a"),
            ("/a/b/../../..", "/"),
            ("a/../..", ".."),
            ("/~/../../../../../../../../some/path", "/some/path"),
            ("...", "..."),
            ("a/...", "a/..."),
            ("./a", "a"),
            ("/.", "/"),
            ("a\\..\\b", "a\\..\\b"),
        ];
        for (path, expected) in table {
            assert_eq!(clean(path), expected, "{path:?}");
        }
    }

    #[test]
    fn parts_are_joined_and_cleaned() {
        assert_eq!(join([""]), "");
        assert_eq!(join(["", "a", "", "../b", "/c"]), "b/c");
        assert_eq!(join(["/", "a"]), "/a");
        assert_eq!(join(["/var/run/../lib"]), "/var/lib");
    }
}
