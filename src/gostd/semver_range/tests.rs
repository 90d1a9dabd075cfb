//! Golden values: github.com/blang/semver/v4 v4.0.0.

use super::*;

/// Text, and the printed version or the error.
#[rustfmt::skip]
const VERSIONS: &[(&str, Result<&str, &str>)] = &[
    ("", Err("Version string empty")),
    ("1", Err("No Major.Minor.Patch elements found")),
    ("1.2", Err("No Major.Minor.Patch elements found")),
    ("1.2.3", Ok("1.2.3")),
    ("01.2.3", Err("Major number must not contain leading zeroes \"01\"")),
    ("1.02.3", Err("Minor number must not contain leading zeroes \"02\"")),
    ("1.2.03", Err("Patch number must not contain leading zeroes \"03\"")),
    ("v1.2.3", Err("Invalid character(s) found in major number \"v1\"")),
    ("1.2.3-alpha", Ok("1.2.3-alpha")),
    ("1.2.3-alpha.1", Ok("1.2.3-alpha.1")),
    ("1.2.3-01", Err("Numeric PreRelease version must not contain leading zeroes \"01\"")),
    ("1.2.3-0a", Ok("1.2.3-0a")),
    ("1.2.3-", Err("Prerelease is empty")),
    ("1.2.3-a..b", Err("Prerelease is empty")),
    ("1.2.3+b", Ok("1.2.3+b")),
    ("1.2.3+", Err("Build meta data is empty")),
    ("1.2.3+b..c", Err("Build meta data is empty")),
    ("1.2.3-a+b.1", Ok("1.2.3-a+b.1")),
    ("1.2.3+b-a", Ok("1.2.3+b-a")),
    ("1.2.3-é", Err("Invalid character(s) found in prerelease \"é\"")),
    ("1.2.3+é", Err("Invalid character(s) found in build meta data \"é\"")),
    ("a.b.c", Err("Invalid character(s) found in major number \"a\"")),
    ("1.b.3", Err("Invalid character(s) found in minor number \"b\"")),
    ("1.2.c", Err("Invalid character(s) found in patch number \"c\"")),
    ("1..3", Err("strconv.ParseUint: parsing \"\": invalid syntax")),
    ("..", Err("strconv.ParseUint: parsing \"\": invalid syntax")),
    ("1.2.3.4", Err("Invalid character(s) found in patch number \"3.4\"")),
    ("18446744073709551616.0.0", Err("strconv.ParseUint: parsing \"18446744073709551616\": value out of range")),
    ("1.2.3-18446744073709551616", Err("strconv.ParseUint: parsing \"18446744073709551616\": value out of range")),
    (" 1.2.3", Err("Invalid character(s) found in major number \" 1\"")),
    ("1.2.3 ", Err("Invalid character(s) found in patch number \"3 \"")),
    ("1.2.3-a_b", Err("Invalid character(s) found in prerelease \"a_b\"")),
    ("1.2.3--", Ok("1.2.3--")),
    ("0.0.0", Ok("0.0.0")),
    ("1.2.3-a-b", Ok("1.2.3-a-b")),
];

/// The versions that the ranges are tried on, in ascending order.
const TRIED: &str =
    "0.0.0 1.0.0-alpha 1.0.0 1.0.0+build 1.1.1 1.2.0 1.2.5 1.3.0 2.0.0-rc.1 2.0.0 3.1.4 4.2.1";

/// Range, and those of [`TRIED`] that are in it or the error.
#[rustfmt::skip]
const RANGES: &[(&str, Result<&str, &str>)] = &[
    ("", Err("Last element in range is '||'")),
    ("1", Err("Last element in range is '||'")),
    ("1.0.0", Ok(" 1.0.0 1.0.0+build")),
    ("=1.0.0", Ok(" 1.0.0 1.0.0+build")),
    ("==1.0.0", Ok(" 1.0.0 1.0.0+build")),
    ("!1.0.0", Ok(" 0.0.0 1.0.0-alpha 1.1.1 1.2.0 1.2.5 1.3.0 2.0.0-rc.1 2.0.0 3.1.4 4.2.1")),
    ("!=1.0.0", Ok(" 0.0.0 1.0.0-alpha 1.1.1 1.2.0 1.2.5 1.3.0 2.0.0-rc.1 2.0.0 3.1.4 4.2.1")),
    (">1.0.0", Ok(" 1.1.1 1.2.0 1.2.5 1.3.0 2.0.0-rc.1 2.0.0 3.1.4 4.2.1")),
    (">=1.0.0", Ok(" 1.0.0 1.0.0+build 1.1.1 1.2.0 1.2.5 1.3.0 2.0.0-rc.1 2.0.0 3.1.4 4.2.1")),
    ("<1.0.0", Ok(" 0.0.0 1.0.0-alpha")),
    ("<=1.0.0", Ok(" 0.0.0 1.0.0-alpha 1.0.0 1.0.0+build")),
    ("> 1.0.0", Ok(" 1.1.1 1.2.0 1.2.5 1.3.0 2.0.0-rc.1 2.0.0 3.1.4 4.2.1")),
    ("< 2.0.0", Ok(" 0.0.0 1.0.0-alpha 1.0.0 1.0.0+build 1.1.1 1.2.0 1.2.5 1.3.0 2.0.0-rc.1")),
    (">= 1.0.0 < 2.0.0", Ok(" 1.0.0 1.0.0+build 1.1.1 1.2.0 1.2.5 1.3.0 2.0.0-rc.1")),
    (">1.0.0 <2.0.0", Ok(" 1.1.1 1.2.0 1.2.5 1.3.0 2.0.0-rc.1")),
    ("<2.0.0 || >=3.0.0", Ok(" 0.0.0 1.0.0-alpha 1.0.0 1.0.0+build 1.1.1 1.2.0 1.2.5 1.3.0 2.0.0-rc.1 3.1.4 4.2.1")),
    (">1.0.0 <2.0.0 || >3.0.0 !4.2.1", Ok(" 1.1.1 1.2.0 1.2.5 1.3.0 2.0.0-rc.1 3.1.4")),
    ("||", Err("First element in range is '||'")),
    ("|| 1.0.0", Err("First element in range is '||'")),
    ("1.0.0 ||", Err("Last element in range is '||'")),
    ("1.2.x", Ok(" 1.2.0 1.2.5")),
    (">1.2.x", Ok(" 1.3.0 2.0.0-rc.1 2.0.0 3.1.4 4.2.1")),
    (">=1.2.x", Ok(" 1.2.0 1.2.5 1.3.0 2.0.0-rc.1 2.0.0 3.1.4 4.2.1")),
    ("<1.2.x", Ok(" 0.0.0 1.0.0-alpha 1.0.0 1.0.0+build 1.1.1")),
    ("<=1.2.x", Ok(" 0.0.0 1.0.0-alpha 1.0.0 1.0.0+build 1.1.1 1.2.0 1.2.5")),
    ("!1.2.x", Ok("")),
    ("!=1.2.x", Ok("")),
    ("=1.2.x", Ok(" 1.2.0 1.2.5")),
    ("1.x", Ok(" 1.0.0 1.0.0+build 1.1.1 1.2.0 1.2.5 1.3.0 2.0.0-rc.1")),
    (">1.x", Ok(" 2.0.0 3.1.4 4.2.1")),
    ("<=1.x", Ok(" 0.0.0 1.0.0-alpha 1.0.0 1.0.0+build 1.1.1 1.2.0 1.2.5 1.3.0 2.0.0-rc.1")),
    ("!1.x", Ok("")),
    ("1.x.x", Ok(" 1.0.0 1.0.0+build")),
    (">1.x.x", Ok(" 1.1.1 1.2.0 1.2.5 1.3.0 2.0.0-rc.1 2.0.0 3.1.4 4.2.1")),
    ("x", Err("Last element in range is '||'")),
    ("1.0.0-fix", Err("Could not get version from string: \"<\"")),
    (">=1.0.0-fix", Ok(" 1.0.0 1.0.0+build 1.1.1 1.2.0 1.2.5 1.3.0 2.0.0-rc.1 2.0.0 3.1.4 4.2.1")),
    (">1.0.0-fix", Err("Could not get version from string: \">=\"")),
    ("~1.2.3", Err("Could not parse Range \"~1.2.3\": Could not parse comparator \"~\" in \"~1.2.3\"")),
    ("~1.2.x", Ok(" 1.2.0")),
    ("^1.0.0", Err("Could not parse Range \"^1.0.0\": Could not parse comparator \"^\" in \"^1.0.0\"")),
    ("abc", Err("Could not get version from string: \"abc\"")),
    (">", Err("Last element in range is '||'")),
    ("1.0", Err("Could not parse Range \"1.0\": Could not parse version \"1.0\" in \"1.0\": No Major.Minor.Patch elements found")),
    (">1.0", Err("Could not parse Range \">1.0\": Could not parse version \"1.0\" in \">1.0\": No Major.Minor.Patch elements found")),
    ("1.0.0  2.0.0", Ok("")),
    ("1.0.0, 2.0.0", Err("Could not parse Range \"1.0.0,\": Could not parse version \"1.0.0,\" in \"1.0.0,\": Invalid character(s) found in patch number \"0,\"")),
    ("1.0.0 2.0.0", Ok("")),
    ("1.0.0|| 2.0.0", Err("Could not parse Range \"1.0.0||\": Could not parse version \"1.0.0||\" in \"1.0.0||\": Invalid character(s) found in patch number \"0||\"")),
    (">  1.0.0", Ok(" 1.1.1 1.2.0 1.2.5 1.3.0 2.0.0-rc.1 2.0.0 3.1.4 4.2.1")),
    ("=> 1.0.0", Err("Could not parse Range \"=>1.0.0\": Could not parse comparator \"=>\" in \"=>1.0.0\"")),
    ("><1.0.0", Err("Could not parse Range \"><1.0.0\": Could not parse comparator \"><\" in \"><1.0.0\"")),
    ("1.2.x-a", Err("Could not get version from string: \"<\"")),
    ("01.2.3", Err("Could not parse Range \"01.2.3\": Could not parse version \"01.2.3\" in \"01.2.3\": Major number must not contain leading zeroes \"01\"")),
    ("1.0.0-alpha", Ok(" 1.0.0-alpha")),
    ("<1.0.0-beta", Ok(" 0.0.0 1.0.0-alpha")),
    ("1.b.x", Err("Could not parse Range \">=1.b.0\": Could not parse version \"1.b.0\" in \">=1.b.0\": Invalid character(s) found in minor number \"b\"")),
    ("  1.0.0  ", Ok(" 1.0.0 1.0.0+build")),
    ("1.0.0 x", Ok(" 1.0.0 1.0.0+build")),
    ("1.0.0 a", Ok(" 1.0.0 1.0.0+build")),
    ("v1.0.0", Err("Could not parse Range \"v1.0.0\": Could not parse comparator \"v\" in \"v1.0.0\"")),
    ("1.99999999999999999999.x", Err("Could not parse Range \">=1.99999999999999999999.0\": Could not parse version \"1.99999999999999999999.0\" in \">=1.99999999999999999999.0\": strconv.ParseUint: parsing \"99999999999999999999\": value out of range")),
];

#[test]
fn versions_parse_and_print_as_blang_does() {
    for (text, expected) in VERSIONS {
        let found =
            Version::parse(text).map(|version| version.to_string()).map_err(|error| error.to_string());
        assert_eq!(found, expected.map(str::to_owned).map_err(str::to_owned), "{text:?}");
    }
}

#[test]
fn ranges_hold_the_versions_that_blang_says() {
    let mut wrong = Vec::new();
    for (text, expected) in RANGES {
        let found = Range::parse(text).map_err(|error| error.to_string()).map(|range| {
            let inside = TRIED.split(' ').filter(|version| range.contains(&Version::parse(version).unwrap()));
            inside.flat_map(|version| [" ", version]).collect::<String>()
        });
        if found != expected.map(str::to_owned).map_err(str::to_owned) {
            wrong.push(format!("{text:?}: found {found:?}, expected {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn versions_are_ordered_by_precedence() {
    let ascending = [
        "0.9.9",
        "1.0.0-1",
        "1.0.0-2",
        "1.0.0-10",
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.beta",
        "1.0.0-beta",
        "1.0.0",
        "1.0.1",
        "1.1.0",
        "2.0.0-0",
        "2.0.0",
    ];
    let versions: Vec<Version> = ascending.iter().map(|text| Version::parse(text).unwrap()).collect();
    assert!(versions.is_sorted_by(|left, right| left < right));
    assert_eq!(Version::parse("1.0.0+a").unwrap(), Version::parse("1.0.0+b").unwrap());
    assert_eq!(Version::default().to_string(), "0.0.0");
}

#[test]
fn loose_versions_are_normalized() {
    let table = [
        ("v1", Ok("1.0.0")),
        ("1.2", Ok("1.2.0")),
        ("v01.002.0003-rc.1", Ok("1.2.3-rc.1")),
        ("1.0.0", Ok("1.0.0")),
        ("1.00.000", Ok("1.0.0")),
        ("1.2-rc", Err("short version cannot contain PreRelease/Build meta data")),
        ("", Err("strconv.ParseUint: parsing \"\": invalid syntax")),
        ("a", Err("Invalid character(s) found in major number \"a\"")),
    ];
    for (text, expected) in table {
        let found = Version::parse_normalized(text).map(|v| v.to_string()).map_err(|error| error.to_string());
        assert_eq!(found, expected.map(str::to_owned).map_err(str::to_owned), "{text:?}");
    }
}

#[test]
fn an_empty_alternative_holds_nothing() {
    let range = Range::parse("1.0.0 || || 2.0.0").unwrap();
    assert!(range.contains(&Version::parse("2.0.0").unwrap()));
    assert!(!range.contains(&Version::parse("3.0.0").unwrap()));
}
