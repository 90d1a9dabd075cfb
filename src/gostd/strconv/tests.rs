//! Golden values: go1.26 `strconv`, `fmt` and `encoding/json`.

use super::*;

/// Number; `'f' -1 64`, `%v`, `'E' -1 64`, `%f`, JSON, `'f' -1 32`.
#[rustfmt::skip]
#[expect(clippy::approx_constant, clippy::unreadable_literal, reason = "generated")]
const FLOATS: &[(f64, [&str; 6])] = &[
    (0e0_f64, ["0", "0", "0E+00", "0.000000", "0", "0"]),
    (-0e0_f64, ["-0", "-0", "-0E+00", "-0.000000", "-0", "-0"]),
    (1e0_f64, ["1", "1", "1E+00", "1.000000", "1", "1"]),
    (1.5e0_f64, ["1.5", "1.5", "1.5E+00", "1.500000", "1.5", "1.5"]),
    (1e2_f64, ["100", "100", "1E+02", "100.000000", "100", "100"]),
    (1e5_f64, ["100000", "100000", "1E+05", "100000.000000", "100000", "100000"]),
    (1.23456e5_f64, ["123456", "123456", "1.23456E+05", "123456.000000", "123456", "123456"]),
    (9.99999e5_f64, ["999999", "999999", "9.99999E+05", "999999.000000", "999999", "999999"]),
    (1e6_f64, ["1000000", "1e+06", "1E+06", "1000000.000000", "1000000", "1000000"]),
    (1.234567e6_f64, ["1234567", "1.234567e+06", "1.234567E+06", "1234567.000000", "1234567", "1234567"]),
    (1.23456789e8_f64, ["123456789", "1.23456789e+08", "1.23456789E+08", "123456789.000000", "123456789", "123456790"]),
    (1.23456789e7_f64, ["12345678.9", "1.23456789e+07", "1.23456789E+07", "12345678.900000", "12345678.9", "12345679"]),
    (1e20_f64, ["100000000000000000000", "1e+20", "1E+20", "100000000000000000000.000000", "100000000000000000000", "100000000000000000000"]),
    (1e21_f64, ["1000000000000000000000", "1e+21", "1E+21", "1000000000000000000000.000000", "1e+21", "1000000000000000000000"]),
    (1.5e21_f64, ["1500000000000000000000", "1.5e+21", "1.5E+21", "1500000000000000000000.000000", "1.5e+21", "1500000000000000000000"]),
    (1e-4_f64, ["0.0001", "0.0001", "1E-04", "0.000100", "0.0001", "0.0001"]),
    (1e-5_f64, ["0.00001", "1e-05", "1E-05", "0.000010", "0.00001", "0.00001"]),
    (1.23e-4_f64, ["0.000123", "0.000123", "1.23E-04", "0.000123", "0.000123", "0.000123"]),
    (1.234e-5_f64, ["0.00001234", "1.234e-05", "1.234E-05", "0.000012", "0.00001234", "0.00001234"]),
    (1e-6_f64, ["0.000001", "1e-06", "1E-06", "0.000001", "0.000001", "0.000001"]),
    (9.9e-7_f64, ["0.00000099", "9.9e-07", "9.9E-07", "0.000001", "9.9e-7", "0.00000099"]),
    (1e-7_f64, ["0.0000001", "1e-07", "1E-07", "0.000000", "1e-7", "0.0000001"]),
    (-2.5e0_f64, ["-2.5", "-2.5", "-2.5E+00", "-2.500000", "-2.5", "-2.5"]),
    (1e-1_f64, ["0.1", "0.1", "1E-01", "0.100000", "0.1", "0.1"]),
    (3.0000000000000004e-1_f64, ["0.30000000000000004", "0.30000000000000004", "3.0000000000000004E-01", "0.300000", "0.30000000000000004", "0.3"]),
    (3.14159e0_f64, ["3.14159", "3.14159", "3.14159E+00", "3.141590", "3.14159", "3.14159"]),
    (9.007199254740992e15_f64, ["9007199254740992", "9.007199254740992e+15", "9.007199254740992E+15", "9007199254740992.000000", "9007199254740992", "9007199000000000"]),
    (1.6777217e7_f64, ["16777217", "1.6777217e+07", "1.6777217E+07", "16777217.000000", "16777217", "16777216"]),
    (-1e21_f64, ["-1000000000000000000000", "-1e+21", "-1E+21", "-1000000000000000000000.000000", "-1e+21", "-1000000000000000000000"]),
    (2.147483648e9_f64, ["2147483648", "2.147483648e+09", "2.147483648E+09", "2147483648.000000", "2147483648", "2147483600"]),
    (2_622_067.132_236_58_f64, ["2622067.13223658", "2.62206713223658e+06", "2.62206713223658E+06", "2622067.132237", "2622067.13223658", "2622067.2"]),
    (f64::NAN, ["NaN", "NaN", "NaN", "NaN", "", "NaN"]),
    (f64::INFINITY, ["+Inf", "+Inf", "+Inf", "+Inf", "", "+Inf"]),
    (f64::NEG_INFINITY, ["-Inf", "-Inf", "-Inf", "-Inf", "", "-Inf"]),
];

/// Text, the number by `'e' -1 64`, the error.
#[rustfmt::skip]
const PARSED_FLOATS: &[(&str, &str, Option<&str>)] = &[
    ("", "0e+00", Some("strconv.ParseFloat: parsing \"\": invalid syntax")),
    ("1", "1e+00", None),
    ("1_000", "1e+03", None),
    ("0x1p-2", "2.5e-01", None),
    ("0x1", "0e+00", Some("strconv.ParseFloat: parsing \"0x1\": invalid syntax")),
    ("0x1_0p0", "1.6e+01", None),
    ("1e400", "+Inf", Some("strconv.ParseFloat: parsing \"1e400\": value out of range")),
    ("-1e400", "-Inf", Some("strconv.ParseFloat: parsing \"-1e400\": value out of range")),
    ("1e-400", "0e+00", None),
    ("inf", "+Inf", None),
    ("+Inf", "+Inf", None),
    ("-infinity", "-Inf", None),
    ("infi", "0e+00", Some("strconv.ParseFloat: parsing \"infi\": invalid syntax")),
    ("nan", "NaN", None),
    ("-nan", "0e+00", Some("strconv.ParseFloat: parsing \"-nan\": invalid syntax")),
    ("+nan", "0e+00", Some("strconv.ParseFloat: parsing \"+nan\": invalid syntax")),
    ("NaN", "NaN", None),
    (".5", "5e-01", None),
    ("5.", "5e+00", None),
    (".", "0e+00", Some("strconv.ParseFloat: parsing \".\": invalid syntax")),
    ("1e", "0e+00", Some("strconv.ParseFloat: parsing \"1e\": invalid syntax")),
    ("1e+", "0e+00", Some("strconv.ParseFloat: parsing \"1e+\": invalid syntax")),
    ("+1", "1e+00", None),
    ("--1", "0e+00", Some("strconv.ParseFloat: parsing \"--1\": invalid syntax")),
    (" 1", "0e+00", Some("strconv.ParseFloat: parsing \" 1\": invalid syntax")),
    ("1 ", "0e+00", Some("strconv.ParseFloat: parsing \"1 \": invalid syntax")),
    ("1e5", "1e+05", None),
    ("1E5", "1e+05", None),
    ("0x.8p1", "1e+00", None),
    ("0x", "0e+00", Some("strconv.ParseFloat: parsing \"0x\": invalid syntax")),
    ("1.5e3x", "0e+00", Some("strconv.ParseFloat: parsing \"1.5e3x\": invalid syntax")),
    ("é", "0e+00", Some("strconv.ParseFloat: parsing \"é\": invalid syntax")),
    ("0X1P+3", "8e+00", None),
    ("1__0", "0e+00", Some("strconv.ParseFloat: parsing \"1__0\": invalid syntax")),
    ("_1", "0e+00", Some("strconv.ParseFloat: parsing \"_1\": invalid syntax")),
    ("0x_1p0", "1e+00", None),
    ("0b1", "0e+00", Some("strconv.ParseFloat: parsing \"0b1\": invalid syntax")),
    ("1d", "0e+00", Some("strconv.ParseFloat: parsing \"1d\": invalid syntax")),
    ("9223372036854775808", "9.223372036854776e+18", None),
    ("0x1.fffffffffffff8p1023", "+Inf", Some("strconv.ParseFloat: parsing \"0x1.fffffffffffff8p1023\": value out of range")),
    ("0x1p1024", "+Inf", Some("strconv.ParseFloat: parsing \"0x1p1024\": value out of range")),
    ("0x1p-1075", "0e+00", None),
    ("0x1.8p-1074", "1e-323", None),
    ("0x1.00000000000008p0", "1e+00", None),
    ("0x1.000000000000081p0", "1.0000000000000002e+00", None),
    ("1_0e1_0", "1e+11", None),
    ("0x10000000000000000000000000p-4", "7.922816251426434e+28", None),
];

#[rustfmt::skip]
#[expect(clippy::unreadable_literal, reason = "generated")]
const PARSED_INTEGERS: &[(&str, Result<i64, &str>)] = &[
    ("", Err("strconv.ParseInt: parsing \"\": invalid syntax")),
    ("0", Ok(0)),
    ("-0", Ok(0)),
    ("+5", Ok(5)),
    ("-5", Ok(-5)),
    ("007", Ok(7)),
    ("1_000", Err("strconv.ParseInt: parsing \"1_000\": invalid syntax")),
    ("0x10", Err("strconv.ParseInt: parsing \"0x10\": invalid syntax")),
    ("9223372036854775807", Ok(9223372036854775807)),
    ("9223372036854775808", Err("strconv.ParseInt: parsing \"9223372036854775808\": value out of range")),
    ("-9223372036854775808", Ok(-9223372036854775808)),
    ("-9223372036854775809", Err("strconv.ParseInt: parsing \"-9223372036854775809\": value out of range")),
    ("1.0", Err("strconv.ParseInt: parsing \"1.0\": invalid syntax")),
    (" 1", Err("strconv.ParseInt: parsing \" 1\": invalid syntax")),
    ("a", Err("strconv.ParseInt: parsing \"a\": invalid syntax")),
    ("-", Err("strconv.ParseInt: parsing \"-\": invalid syntax")),
    ("+", Err("strconv.ParseInt: parsing \"+\": invalid syntax")),
    ("--1", Err("strconv.ParseInt: parsing \"--1\": invalid syntax")),
    ("99999999999999999999x", Err("strconv.ParseInt: parsing \"99999999999999999999x\": value out of range")),
    ("99999999999999999999", Err("strconv.ParseInt: parsing \"99999999999999999999\": value out of range")),
    ("é\n", Err("strconv.ParseInt: parsing \"é\\n\": invalid syntax")),
    ("9223372036854775808x", Err("strconv.ParseInt: parsing \"9223372036854775808x\": invalid syntax")),
];

#[test]
fn floats_print_as_go_prints_them() {
    for (value, expected) in FLOATS {
        let found = [
            &format_float(*value),
            &sprint_float(*value),
            &format_float_scientific(*value),
            &format_float_fixed(*value),
            &json_float(*value).unwrap_or_default(),
            &format_float32(*value),
        ];
        assert_eq!(found, expected.each_ref(), "{value:e}");
    }
    assert_eq!(sprint_float(f64::MAX), "1.7976931348623157e+308");
    assert_eq!(json_float(5e-324).as_deref(), Some("5e-324"));
    assert_eq!(format_float32(1e100), "+Inf");
}

#[test]
fn floats_parse_as_go_parses_them() {
    for (text, expected, error) in PARSED_FLOATS {
        let found = parse_float(text);
        assert_eq!(
            found.as_ref().err().map(ToString::to_string).as_deref(),
            *error,
            "{text:?}"
        );
        if let Ok(value) = found {
            let printed = Shortest::of(value).map_or_else(|| special(value), |s| s.scientific('e'));
            assert_eq!(printed, *expected, "{text:?}");
        }
    }
}

#[test]
fn integers_parse_as_go_parses_them() {
    for (text, expected) in PARSED_INTEGERS {
        let found = parse_int(text).map_err(|error| error.to_string());
        assert_eq!(found, expected.map_err(str::to_owned), "{text:?}");
    }
    assert_eq!(
        atoi("x").unwrap_err().to_string(),
        "strconv.Atoi: parsing \"x\": invalid syntax"
    );
    assert_eq!(parse_uint("18446744073709551615"), Ok(u64::MAX));
    let error = parse_uint("-1").unwrap_err().to_string();
    assert_eq!(error, "strconv.ParseUint: parsing \"-1\": invalid syntax");
}

#[test]
fn booleans_parse_as_go_parses_them() {
    for text in ["1", "t", "T", "TRUE", "true", "True"] {
        assert_eq!(parse_bool(text), Ok(true), "{text}");
    }
    for text in ["0", "f", "F", "FALSE", "false", "False"] {
        assert_eq!(parse_bool(text), Ok(false), "{text}");
    }
    for text in ["tRUE", "yes", ""] {
        let expected = format!("strconv.ParseBool: parsing \"{text}\": invalid syntax");
        assert_eq!(parse_bool(text).unwrap_err().to_string(), expected);
    }
}

#[test]
fn text_is_quoted_as_go_quotes_it() {
    // Golden: go1.26 `strconv.Quote` and `json.Marshal`.
    let table = [
        ("a\"b\\c", r#""a\"b\\c""#, r#""a\"b\\c""#),
        (
            "\u{7}\u{8}\u{c}\n\r\t\u{b}",
            r#""\a\b\f\n\r\t\v""#,
            r#""\u0007\b\f\n\r\t\u000b""#,
        ),
        (
            "\0\u{1f}\u{7f}",
            r#""\x00\x1f\x7f""#,
            "\"\\u0000\\u001f\u{7f}\"",
        ),
        ("é漢👍", "\"é漢👍\"", "\"é漢👍\""),
        (
            "\u{a0}\u{2028}\u{200b}\u{feff}\u{ad}\u{e000}\u{e0001}\u{10ffff}\u{fffd}",
            "\"\\u00a0\\u2028\\u200b\\ufeff\\u00ad\\ue000\\U000e0001\\U0010ffff\u{fffd}\"",
            "\"\u{a0}\\u2028\u{200b}\u{feff}\u{ad}\u{e000}\u{e0001}\u{10ffff}\u{fffd}\"",
        ),
        (
            "\u{378} \u{3000} it's `b`",
            "\"\\u0378 \\u3000 it's `b`\"",
            "\"\u{378} \u{3000} it's `b`\"",
        ),
        (
            "<a>&\u{2028}\u{2029}/",
            "\"<a>&\\u2028\\u2029/\"",
            "\"\\u003ca\\u003e\\u0026\\u2028\\u2029/\"",
        ),
    ];
    for (text, quoted, json) in table {
        assert_eq!(quote(text), quoted);
        assert_eq!(json_string(text), json);
    }
}

#[test]
fn collections_print_as_fmt_prints_them() {
    let mut out = String::new();
    write_map(&mut out, [("a", "1"), ("b", "2")], String::push_str);
    write_slice(&mut out, ["x", NIL], String::push_str);
    write_map(&mut out, [], |_, (): ()| {});
    write_slice(&mut out, [], |_, (): ()| {});
    assert_eq!(out, "map[a:1 b:2][x <nil>]map[][]");
}

#[test]
#[expect(clippy::float_cmp, reason = "exact results")]
fn conversions_to_integers_follow_amd64() {
    let table = [
        (1.9, 1),
        (-1.9, -1),
        (9.223_372_036_854_775e18, 9_223_372_036_854_774_784),
        (9.3e18, i64::MIN),
        (-9.3e18, i64::MIN),
        (f64::NAN, i64::MIN),
        (f64::INFINITY, i64::MIN),
    ];
    for (value, expected) in table {
        assert_eq!(f64_to_i64(value), expected, "{value}");
    }
    assert_eq!(
        [pow10(0), pow10(3), pow10(-3), pow10(309), pow10(-324)],
        [1.0, 1000.0, 0.001, f64::INFINITY, 0.0]
    );
}
