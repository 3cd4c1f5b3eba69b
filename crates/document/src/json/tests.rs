#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;

fn leaf(text: &str) -> Value {
    match parse_node(text) {
        Ok(Node::Leaf(value)) => value,
        other => panic!("{text} gave {other:?}"),
    }
}

fn fault(text: &str) -> JsonFault {
    parse_node(text).expect_err(text).fault
}

fn fields(text: &str) -> Vec<(String, Value)> {
    parse_record(text).unwrap().into_iter().collect()
}

fn loses(text: &str, nearest: &str) -> JsonFault {
    JsonFault::NumberLosesDigits {
        text: text.into(),
        nearest: nearest.into(),
    }
}

#[test]
fn integers_take_the_narrowest_type_that_holds_them() {
    assert_eq!(leaf("0"), Value::Int(0));
    assert_eq!(leaf("-9223372036854775808"), Value::Int(i64::MIN));
    assert_eq!(leaf("9223372036854775807"), Value::Int(i64::MAX));
    assert_eq!(leaf("9223372036854775808"), Value::Uint(1 << 63));
    assert_eq!(leaf("18446744073709551615"), Value::Uint(u64::MAX));
    for beyond in [
        "18446744073709551616",
        "-9223372036854775809",
        "12345678901234567890123",
    ] {
        let text = beyond.into();
        assert_eq!(fault(beyond), JsonFault::NumberOutOfRange { text });
    }
}

#[test]
fn fractions_are_kept_when_no_digit_is_lost() {
    for (text, float) in [
        ("0.1", 0.1),
        ("0.30000000000000004", 0.300_000_000_000_000_04),
        ("1.10", 1.1),
        ("1.0", 1.0),
        ("100e-2", 1.0),
        ("1E+2", 100.0),
        ("0e99999999999999999999", 0.0),
        ("5e-324", 5e-324),
        ("1.7976931348623157e308", f64::MAX),
        ("123456789012345680000.0", 123_456_789_012_345_680_000.0),
    ] {
        assert_eq!(leaf(text), Value::Float(float), "{text}");
    }
    assert_eq!(
        fault("0.10000000000000001"),
        loses("0.10000000000000001", "0.1")
    );
    assert_eq!(fault("1e-400"), loses("1e-400", "0.0"));
    assert_eq!(
        fault("1e-99999999999999999999"),
        loses("1e-99999999999999999999", "0.0")
    );
    assert_eq!(
        fault("9007199254740993.0"),
        loses("9007199254740993.0", "9007199254740992.0")
    );
    for beyond in ["1e400", "-1e99999999999999999999"] {
        let text = beyond.into();
        assert_eq!(fault(beyond), JsonFault::NumberOutOfRange { text });
    }
}

#[test]
fn the_text_of_a_float_never_changes() {
    for (float, text) in [
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (1.0, "1.0"),
        (-120.5, "-120.5"),
        (0.000_01, "0.00001"),
        (0.000_009_5, "9.5e-6"),
        (9_999_999_999_999_998.0, "9999999999999998.0"),
        (1e16, "1e+16"),
        (1.234_5e17, "1.2345e+17"),
        (1e100, "1e+100"),
        (5e-324, "5e-324"),
        // Halfway between .2 and .3: the even digit, where Rust's own formatting takes the other.
        (1_265_462_672_246_250.0 + 0.25, "1265462672246250.2"),
        (f64::MIN, "-1.7976931348623157e+308"),
    ] {
        assert_eq!(number_text(&Value::Float(float)).as_deref(), Some(text));
    }
    assert_eq!(number_text(&Value::Float(f64::NAN)), None);
    assert_eq!(number_text(&Value::String("1".into())), None);
}

#[test]
fn minus_zero_keeps_its_sign() {
    for text in ["-0", "-0.0", "-0e5"] {
        let Value::Float(zero) = leaf(text) else {
            panic!("{text} is no float")
        };
        assert!(zero == 0.0 && zero.is_sign_negative(), "{text}");
    }
}

#[test]
fn what_is_no_json_is_told_from_what_is_refused() {
    for text in [
        "00501",
        "Kiel",
        "",
        "+1",
        "NaN",
        "[1",
        "{} {}",
        "\"\\ud800\"",
    ] {
        assert!(parse_node(text).expect_err(text).is_syntax(), "{text}");
    }
    assert!(!parse_node("1e400").expect_err("too large").is_syntax());
}

#[test]
fn nested_objects_become_paths_that_differ_from_dotted_names() {
    let expected = [
        ("\\$deleted", Value::Bool(true)),
        ("\\e", Value::Null),
        ("address.city", Value::String("Kiel".into())),
        ("address.geo.lat", Value::Float(54.3)),
        ("address\\.city", Value::Int(1)),
        ("empty", Value::Json("{}".into())),
        (
            "tags",
            Value::Json("[1,{\"a\":1.1,\"b\":[]},\"é\\n\"]".into()),
        ),
    ]
    .map(|(key, value)| (key.to_owned(), value));
    let text = r#"{"address": {"city": "Kiel", "geo": {"lat": 54.30}}, "address.city": 1, "empty": { },
        "tags": [1, {"b": [ ], "a": 1.10}, "\u00e9\n"], "$deleted": true, "": null}"#;
    assert_eq!(fields(text), expected);
    assert_eq!(parse_record("{}"), Ok(Fields::new()));
}

#[test]
fn bytes_and_times_are_objects_of_one_key() {
    assert_eq!(leaf(r#"{"$bytes":"AP8="}"#), Value::Bytes(vec![0, 255]));
    assert_eq!(leaf(r#"{"$bytes":""}"#), Value::Bytes(vec![]));
    for (text, timestamp_ms) in [
        ("1970-01-01T00:00:00Z", 0),
        ("1969-12-31T23:59:59.999Z", -1),
        ("2026-01-31T13:00:00.5+01:00", 1_769_860_800_500),
        ("2026-01-31T12:00:00.500000000000Z", 1_769_860_800_500),
    ] {
        let text = json!({ "$timestamp": text }).to_string();
        assert_eq!(leaf(&text), Value::Timestamp(timestamp_ms), "{text}");
    }
    for bad in [
        json!("AP8"),
        json!("AP9="),
        json!("%"),
        json!(1),
        json!(null),
    ] {
        let text = json!({ "$bytes": bad }).to_string();
        assert_eq!(fault(&text), JsonFault::BadBytes, "{text}");
    }
    for bad in [
        "2026-01-31",
        "2026-02-30T00:00:00Z",
        "2026-01-31x12:00:00Z",
        "",
    ] {
        let text = json!({ "$timestamp": bad }).to_string();
        assert!(
            matches!(fault(&text), JsonFault::BadTimestamp { .. }),
            "{text}"
        );
    }
    for fine in [
        "2026-01-31T12:00:00.0001Z",
        "2026-01-31T12:00:00.0000000000001Z",
        "2016-12-31T23:59:60Z",
    ] {
        let text = json!({ "$timestamp": fine }).to_string();
        assert!(
            matches!(fault(&text), JsonFault::TimestampLosesDigits { .. }),
            "{text}"
        );
    }
}

#[test]
fn a_dollar_key_beside_others_at_the_root_or_in_an_array_is_plain() {
    assert_eq!(
        fields(r#"{"$bytes": "no base64"}"#),
        [("\\$bytes".to_owned(), Value::String("no base64".into()))]
    );
    assert_eq!(fields(r#"{"a": {"$bytes": "no base64", "b": 1}}"#).len(), 2);
    assert_eq!(
        leaf(r#"[{"$bytes": "no base64"}]"#),
        Value::Json(r#"[{"$bytes":"no base64"}]"#.into())
    );
}

#[test]
fn times_are_shown_in_utc_with_milliseconds_where_there_are_any() {
    for (timestamp_ms, shown) in [
        (0, json!("1970-01-01T00:00:00Z")),
        (1_769_860_800_050, json!("2026-01-31T12:00:00.05Z")),
        (-62_167_219_200_000, json!("0000-01-01T00:00:00Z")),
        (-62_167_219_200_001, json!(-62_167_219_200_001_i64)),
        (i64::MAX, json!(i64::MAX)),
    ] {
        let json = value_to_json(&Value::Timestamp(timestamp_ms));
        assert_eq!(json, json!({ "$timestamp": shown }));
        assert_eq!(leaf(&json.to_string()), Value::Timestamp(timestamp_ms));
    }
}

#[test]
fn an_error_says_where() {
    let text = "{\"a\": 1,\n \"b\": {\"c.d\": [true,\n  1e400]}}";
    let error = parse_record(text).expect_err("out of range");
    assert_eq!(error.path, "b.c\\.d[1]");
    assert_eq!(error.position, Some(Position { line: 3, column: 3 }));
    assert_eq!(
        error.to_string(),
        "the number 1e400 is too large for 64 bits, at b.c\\.d[1], line 3 column 3"
    );
    let error = parse_record("{\"a\":\n  [x]}").expect_err("no JSON");
    assert_eq!(error.position, Some(Position { line: 2, column: 4 }));
    let error = parse_record("{\"a\":\n  [\"\\udc00\"]}").expect_err("half a character");
    assert_eq!(error.path, "a[0]");
    assert_eq!(error.position.map(|position| position.line), Some(2));
    let error = parse_record("[{}]").expect_err("an array");
    assert_eq!(error.fault, JsonFault::NotAnObject { found: "an array" });
}

#[test]
fn a_key_twice_is_refused_at_every_depth() {
    for (text, path) in [
        (r#"{"a":1,"a":1}"#, ""),
        (r#"{"a":1,"\u0061":2}"#, ""),
        (r#"{"x":{"a":1,"b":2,"a":3}}"#, "x"),
        (r#"{"x":[0,{"a":1,"a":3}]}"#, "x[1]"),
    ] {
        let error = parse_record(text).expect_err(text);
        assert_eq!(error.fault, JsonFault::DuplicateKey { key: "a".into() });
        assert_eq!(error.path, path);
    }
}

fn nested_arrays(levels: usize) -> String {
    "[".repeat(levels) + &"]".repeat(levels)
}

fn nested_objects(levels: usize, inner: &str) -> String {
    "{\"a\":".repeat(levels) + inner + &"}".repeat(levels)
}

#[test]
fn depth_and_keys_have_limits() {
    let too_deep = JsonFault::TooDeep { max: limits::DEPTH };
    let deepest = nested_arrays(limits::DEPTH);
    assert_eq!(leaf(&deepest), Value::Json(deepest.clone()));
    assert!(is_canonical(&deepest));
    for levels in [limits::DEPTH + 1, 3 * limits::DEPTH, 100_000] {
        assert_eq!(fault(&nested_arrays(levels)), too_deep);
        assert!(!is_canonical(&nested_arrays(levels)));
        assert_eq!(fault(&nested_objects(levels, "1")), too_deep);
    }
    let record = parse_record(&nested_objects(limits::DEPTH, &deepest)).unwrap();
    assert_eq!(
        parse_record(&Json::Object(nest(&record).fields).to_string()),
        Ok(record)
    );

    let longest = "k".repeat(limits::KEY_BYTES);
    assert!(parse_record(&json!({ longest.as_str(): 1 }).to_string()).is_ok());
    let text = json!({ "a": { longest.as_str(): 1 } }).to_string();
    assert_eq!(
        parse_record(&text).expect_err("too long").fault,
        JsonFault::KeyTooLong {
            bytes: limits::KEY_BYTES + 2,
            max_bytes: limits::KEY_BYTES
        }
    );
}

#[test]
fn a_node_is_placed_under_a_field() {
    let place = FieldPath::new(["home.address"]).unwrap();
    let node = parse_node(r#"{"city": {"name": "Kiel"}}"#).unwrap();
    let placed = node.clone().into_fields_at(&place).unwrap();
    assert_eq!(
        placed.into_iter().collect::<Vec<_>>(),
        [(
            "home\\.address.city.name".to_owned(),
            Value::String("Kiel".into())
        )]
    );
    let deep = FieldPath::new(vec!["a"; limits::DEPTH - 1]).unwrap();
    assert_eq!(
        node.into_fields_at(&deep).expect_err("too deep").fault,
        JsonFault::TooDeep { max: limits::DEPTH }
    );
}

#[test]
fn only_the_one_text_of_a_value_is_canonical() {
    for text in [
        "[]",
        "{}",
        r#"{"a":1,"b":[1.1,-0.0,1e+21]}"#,
        "\"é\"",
        "null",
    ] {
        assert!(is_canonical(text), "{text}");
    }
    for text in [
        "",
        " []",
        "[] ",
        "[1, 2]",
        r#"{"b":1,"a":1}"#,
        r#"{"a":1,"a":1}"#,
        "[1.10]",
        "[1e2]",
        "[-0]",
        r#"["\u00e9"]"#,
        r#"["\/"]"#,
        "[1e400]",
        "\u{feff}[]",
        "[",
        "nul",
    ] {
        assert!(!is_canonical(text), "{text}");
    }
}

#[test]
fn a_scalar_above_live_leaves_stands_beside_them() {
    let record = Fields::from([
        ("address".to_owned(), Value::String("Kiel 1".into())),
        ("address-old".to_owned(), Value::Int(1)),
        ("address.city".to_owned(), Value::String("Kiel".into())),
        ("address\\.x".to_owned(), Value::Int(2)),
        ("tags".to_owned(), Value::Int(3)),
        ("tags#later".to_owned(), Value::Opaque(vec![9])),
    ]);
    let nested = nest(&record);
    assert_eq!(
        Json::Object(nested.fields),
        json!({"address": {"city": "Kiel"}, "address-old": 1, "address.x": 2, "tags": 3})
    );
    assert_eq!(
        Json::Object(nested.shadowed),
        json!({"address": "Kiel 1", "tags#later": {"$opaque": "CQ=="}})
    );
}

#[test]
fn a_text_is_a_canonical_number_only_if_it_comes_back() {
    for text in [
        "0",
        "-7",
        "31.95376472",
        "18446744073709551615",
        "1.0",
        "-0.0",
    ] {
        assert!(canonical_number(text).is_some(), "{text}");
    }
    for text in [
        "",
        "00501",
        "1.50",
        "1e5",
        "-0",
        "+5",
        "NaN",
        " 1",
        "1 ",
        "1\n",
        "1,000",
        "0x1",
        "true",
        "\"1\"",
        "[1]",
        ".5",
        "5.",
        "18446744073709551616",
        "١",
    ] {
        assert!(canonical_number(text).is_none(), "{text:?}");
    }
}

#[test]
fn a_query_finds_equal_numbers_of_every_type_and_strings_of_the_same_text() {
    let finds = |value: Value, text: &str| {
        let wanted = match parse_node(text) {
            Ok(Node::Leaf(wanted)) => wanted,
            _ => Value::String(text.into()),
        };
        matches_text(&value, &wanted, text)
    };
    assert!(finds(Value::Int(1), "1.0"));
    assert!(finds(Value::Float(0.0), "-0"));
    assert!(finds(Value::Float(1.1), "1.10"));
    assert!(finds(
        Value::Float(9_223_372_036_854_775_808.0),
        "9223372036854775808"
    ));
    assert!(!finds(Value::Uint(u64::MAX), "1.8446744073709552e19"));
    assert!(finds(
        Value::Float(9_007_199_254_740_992.0),
        "9007199254740992"
    ));
    assert!(!finds(
        Value::Float(9_007_199_254_740_992.0),
        "9007199254740993"
    ));
    assert!(!finds(Value::Float(1e300), "18446744073709551615"));
    assert!(finds(Value::Float(1e300), "1e300"));
    assert!(finds(Value::String("1.10".into()), "1.10"));
    assert!(!finds(Value::String("1.1".into()), "1.10"));
    assert!(finds(Value::String("00501".into()), "00501"));
    assert!(!finds(Value::Int(501), "00501"));
    assert!(!finds(Value::Int(5), "\"5\""));
    assert!(finds(Value::Null, "null"));
    assert!(!finds(Value::String("null".into()), "null"));
    assert!(!finds(Value::Int(0), "null"));
    assert!(finds(Value::Json("[1,2]".into()), "[ 1, 2 ]"));
}

/// Any JSON but objects of one `$bytes` or `$timestamp`, which mean something else.
fn any_json() -> impl Strategy<Value = Json> {
    let scalar = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        any::<String>().prop_map(Json::from),
    ];
    let name = prop_oneof![any_name(), "[a-c$.\\\\/#]{0,3}"];
    scalar.prop_recursive(5, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Json::from),
            prop::collection::btree_map(name.clone(), inner, 0..5)
                .prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    })
}

fn any_name() -> impl Strategy<Value = String> {
    prop::collection::vec(any::<char>(), 0..8).prop_map(|name| name.into_iter().collect())
}

fn any_record() -> impl Strategy<Value = Json> {
    prop::collection::btree_map(any_name(), any_json(), 0..6)
        .prop_map(|members| Json::Object(members.into_iter().collect()))
}

proptest! {
    #[test]
    fn a_record_comes_back_nested(record in any_record()) {
        let text = record.to_string();
        let fields = parse_record(&text).unwrap();
        let nested = nest(&fields);
        prop_assert!(nested.shadowed.is_empty());
        prop_assert_eq!(Json::Object(nested.fields.clone()).to_string(), text);
        prop_assert_eq!(&Json::Object(nested.fields), &record);
        for key in fields.keys() {
            prop_assert_eq!(&FieldPath::parse(key).unwrap().to_key(), key);
        }
    }

    #[test]
    fn canonical_text_is_its_own_canonical_text(json in any_json()) {
        let once = canonical::write(&json).unwrap();
        prop_assert!(is_canonical(&once));
        let spaced = serde_json::to_string_pretty(&json).unwrap();
        let again = canonical::write(&exact::read(&spaced, READ_LEVELS).unwrap()).unwrap();
        prop_assert_eq!(once, again);
    }

    #[test]
    fn every_value_comes_back(bytes in any::<Vec<u8>>(), timestamp_ms in any::<i64>()) {
        for value in [Value::Bytes(bytes), Value::Timestamp(timestamp_ms)] {
            prop_assert_eq!(leaf(&value_to_json(&value).to_string()), value);
        }
    }

    #[test]
    fn numbers_survive(int in any::<i64>(), uint in any::<u64>(), float in any::<f64>()) {
        prop_assert_eq!(leaf(&int.to_string()), Value::Int(int));
        prop_assert_eq!(value_to_json(&leaf(&uint.to_string())), Json::from(uint));
        for text in [number_text(&Value::Float(float)).unwrap(), Json::from(float).to_string()] {
            prop_assert_eq!(leaf(&text), Value::Float(float));
            prop_assert_eq!(text.parse::<f64>().unwrap().to_bits(), float.to_bits());
        }
    }

    #[test]
    fn a_number_text_keeps_its_digits_or_is_refused(text in "-?(0|[1-9][0-9]{0,18})\\.[0-9]{1,20}(e-?[0-9]{1,3})?") {
        if let Ok(Node::Leaf(value)) = parse_node(&text) {
            let back = value_to_json(&value).to_string();
            prop_assert!(number::Decimal::of(&back) == number::Decimal::of(&text));
        }
    }

    #[test]
    fn no_text_panics(text in any::<String>(), jsonish in "[\\[\\]{}\",:0-9eE.\\-\\\\u tn]{0,40}") {
        for text in [text, jsonish] {
            let ours = parse_node(&text);
            let syntax = ours.is_err_and(|error| error.is_syntax());
            let theirs = serde_json::from_str::<Json>(&text);
            if theirs.is_ok() {
                prop_assert!(!syntax);
            }
            is_canonical(&text);
            canonical_number(&text);
            let _ = parse_record(&text);
        }
    }
}
