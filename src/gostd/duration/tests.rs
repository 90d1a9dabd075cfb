//! Golden values: go1.26 `time.ParseDuration` and the methods of `time.Duration`.

use super::*;

/// Text; nanoseconds and the printed duration, or the error.
type Parsed<'a> = (&'a str, Result<(i64, &'a str), &'a str>);

#[rustfmt::skip]
#[expect(clippy::unreadable_literal, reason = "generated")]
const PARSED: &[Parsed<'_>] = &[
    ("", Err("time: invalid duration \"\"")),
    ("0", Ok((0, "0s"))),
    ("-0", Ok((0, "0s"))),
    ("+0", Ok((0, "0s"))),
    ("1", Err("time: missing unit in duration \"1\"")),
    ("s", Err("time: invalid duration \"s\"")),
    ("-", Err("time: invalid duration \"-\"")),
    ("+", Err("time: invalid duration \"+\"")),
    (".", Err("time: invalid duration \".\"")),
    ("1s", Ok((1000000000, "1s"))),
    ("-1.5h", Ok((-5400000000000, "-1h30m0s"))),
    ("1.5.5s", Err("time: missing unit in duration \"1.5.5s\"")),
    (".5s", Ok((500000000, "500ms"))),
    ("5.s", Ok((5000000000, "5s"))),
    (".s", Err("time: invalid duration \".s\"")),
    ("1h45m", Ok((6300000000000, "1h45m0s"))),
    ("1h 2m", Err("time: unknown unit \"h \" in duration \"1h 2m\"")),
    ("2h45m30.5s", Ok((9930500000000, "2h45m30.5s"))),
    ("100us", Ok((100000, "100µs"))),
    ("100µs", Ok((100000, "100µs"))),
    ("100μs", Ok((100000, "100µs"))),
    ("100ns", Ok((100, "100ns"))),
    ("1.1ns", Ok((1, "1ns"))),
    ("0.9999ns", Ok((0, "0s"))),
    ("3000000000h", Err("time: invalid duration \"3000000000h\"")),
    ("9223372036854775807ns", Ok((9223372036854775807, "2562047h47m16.854775807s"))),
    ("9223372036854775808ns", Err("time: invalid duration \"9223372036854775808ns\"")),
    ("-9223372036854775808ns", Ok((-9223372036854775808, "-2562047h47m16.854775808s"))),
    ("-9223372036854775809ns", Err("time: invalid duration \"-9223372036854775809ns\"")),
    ("9223372036.854775807s", Ok((9223372036854775807, "2562047h47m16.854775807s"))),
    ("1d", Err("time: unknown unit \"d\" in duration \"1d\"")),
    ("1day", Err("time: unknown unit \"day\" in duration \"1day\"")),
    ("10x2s", Err("time: unknown unit \"x\" in duration \"10x2s\"")),
    ("0.100000000000000000000h", Ok((360000000000, "6m0s"))),
    ("0.3333333333333333333h", Ok((1200000000000, "20m0s"))),
    ("9223372036854775809s", Err("time: invalid duration \"9223372036854775809s\"")),
    ("1é2s", Err("time: unknown unit \"\\xc3\\xa9\" in duration \"1\\xc3\\xa92s\"")),
    ("\"q\\", Err("time: invalid duration \"\\\"q\\\\\"")),
    ("\u{1}s", Err("time: invalid duration \"\\x01s\"")),
    ("1.9223372036854775807s", Ok((1922337203, "1.922337203s"))),
    ("106751d", Err("time: unknown unit \"d\" in duration \"106751d\"")),
    ("1s1s1s", Ok((3000000000, "3s"))),
    ("+5m", Ok((300000000000, "5m0s"))),
    ("--5m", Err("time: invalid duration \"--5m\"")),
    ("1e3s", Err("time: unknown unit \"e\" in duration \"1e3s\"")),
    ("0s", Ok((0, "0s"))),
    ("1H", Err("time: unknown unit \"H\" in duration \"1H\"")),
    ("0x1s", Err("time: unknown unit \"x\" in duration \"0x1s\"")),
    ("0.0000000001s", Ok((0, "0s"))),
    ("1 s", Err("time: unknown unit \" s\" in duration \"1 s\"")),
];

/// Nanoseconds, `String`, `Seconds`, `Hours`.
#[rustfmt::skip]
#[expect(clippy::unreadable_literal, reason = "generated")]
const PRINTED: &[(i64, &str, f64, f64)] = &[
    (0, "0s", 0_f64, 0_f64),
    (1, "1ns", 1e-9_f64, 2.777777777777778e-13_f64),
    (-1, "-1ns", -1e-9_f64, -2.777777777777778e-13_f64),
    (999, "999ns", 9.99e-7_f64, 2.775e-10_f64),
    (1000, "1µs", 1e-6_f64, 2.7777777777777777e-10_f64),
    (1001, "1.001µs", 1.001e-6_f64, 2.7805555555555556e-10_f64),
    (1100, "1.1µs", 1.1e-6_f64, 3.0555555555555557e-10_f64),
    (999999, "999.999µs", 0.000999999_f64, 2.777775e-7_f64),
    (1000000, "1ms", 0.001_f64, 2.7777777777777776e-7_f64),
    (1234567, "1.234567ms", 0.001234567_f64, 3.429352777777778e-7_f64),
    (999999999, "999.999999ms", 0.999999999_f64, 0.0002777777775_f64),
    (1000000000, "1s", 1_f64, 0.0002777777777777778_f64),
    (1500000000, "1.5s", 1.5_f64, 0.0004166666666666667_f64),
    (59999999999, "59.999999999s", 59.999999999_f64, 0.01666666666638889_f64),
    (60000000000, "1m0s", 60_f64, 0.016666666666666666_f64),
    (61000000001, "1m1.000000001s", 61.000000001_f64, 0.016944444444722224_f64),
    (3600000000000, "1h0m0s", 3600_f64, 1_f64),
    (3661000000000, "1h1m1s", 3661_f64, 1.0169444444444444_f64),
    (360000000000000, "100h0m0s", 360000_f64, 100_f64),
    (-9223372036854775808, "-2562047h47m16.854775808s", -9.223372036854776e9_f64, -2.5620477880152157e6_f64),
    (9223372036854775807, "2562047h47m16.854775807s", 9.223372036854776e9_f64, 2.5620477880152157e6_f64),
    (7200000000005, "2h0m0.000000005s", 7200.000000005_f64, 2.0000000000013887_f64),
];

#[test]
fn durations_parse_as_go_parses_them() {
    for (text, expected) in PARSED {
        let found = Duration::parse(text).map(|d| (d.nanos(), d.to_string())).map_err(|e| e.to_string());
        let expected = expected.map(|(nanos, text)| (nanos, text.to_owned())).map_err(str::to_owned);
        assert_eq!(found, expected, "{text:?}");
    }
}

#[test]
#[expect(clippy::float_cmp, reason = "the last bit must agree")]
fn durations_print_as_go_prints_them() {
    for (nanos, text, seconds, hours) in PRINTED {
        let duration = Duration::from_nanos(*nanos);
        assert_eq!(duration.to_string(), *text);
        assert_eq!(duration.seconds(), *seconds, "{text}");
        assert_eq!(duration.hours(), *hours, "{text}");
        assert_eq!(Duration::parse(text), Ok(duration));
    }
}

#[test]
fn arithmetic_wraps_as_go_does() {
    let max = Duration::from_nanos(i64::MAX);
    let one = Duration::from_nanos(1);
    assert_eq!(max.wrapping_add(one).nanos(), i64::MIN);
    assert_eq!(Duration::from_nanos(i64::MIN).wrapping_sub(one), max);
    assert_eq!(Duration::from_nanos(-7).checked_rem(Duration::from_nanos(4)), Some(Duration::from_nanos(-3)));
    assert_eq!(one.checked_rem(Duration::default()), None);
    assert_eq!(Duration::from_seconds_f64(1.5).to_string(), "1.5s");
    assert_eq!(Duration::from_seconds_f64(1e300).nanos(), i64::MIN);
}
