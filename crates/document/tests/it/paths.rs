//! The key of a field's register: golden vectors, the way back, and what is no path.

use driftless_document::{FieldPath, PathError, limits};
use proptest::prelude::*;

#[test]
fn paths_have_these_keys() {
    let vectors: [(&[&str], &str); 16] = [
        (&["name"], "name"),
        (&["address", "city"], "address.city"),
        (&["address.city"], "address\\.city"),
        (&["$deleted"], "\\$deleted"),
        (&["a", "$b"], "a.\\$b"),
        (&["a$b"], "a$b"),
        (&["$$"], "\\$$"),
        (&["a/b"], "a\\/b"),
        (&["notes#text"], "notes\\#text"),
        (&["back\\slash"], "back\\\\slash"),
        (&[""], "\\e"),
        (&["", ""], "\\e.\\e"),
        (&["e"], "e"),
        (&["\\e"], "\\\\e"),
        (&["ключ", "🦀"], "ключ.🦀"),
        (&[" ", "\n\u{0}"], " .\n\u{0}"),
    ];
    for (segments, key) in vectors {
        let path = FieldPath::new(segments.iter().copied()).unwrap();
        assert_eq!(path.to_key(), key);
        assert_eq!(path.to_string(), key);
        assert_eq!(path.segments(), segments);
        assert_eq!(FieldPath::parse(key), Ok(path));
    }
}

#[test]
fn what_is_no_path_says_why() {
    let empty = |path: &str| PathError::EmptySegment { path: path.into() };
    let bad = |path: &str, at| PathError::BadEscape {
        path: path.into(),
        at,
    };
    let reserved = |path: &str, character, at| PathError::Reserved {
        path: path.into(),
        character,
        at,
    };
    let cases = [
        ("", empty("")),
        (".", empty(".")),
        ("a.", empty("a.")),
        (".a", empty(".a")),
        ("a..b", empty("a..b")),
        ("a\\", bad("a\\", 1)),
        ("é\\x", bad("é\\x", 2)),
        ("a\\e", bad("a\\e", 1)),
        ("\\ea", bad("\\ea", 2)),
        ("\\e\\e", bad("\\e\\e", 2)),
        ("\\e\\.", bad("\\e\\.", 2)),
        ("\\e\\$", bad("\\e\\$", 2)),
        ("a\\$", bad("a\\$", 1)),
        ("$deleted", reserved("$deleted", '$', 0)),
        ("a.$b", reserved("a.$b", '$', 2)),
        ("tags/s:x", reserved("tags/s:x", '/', 4)),
        ("é#text", reserved("é#text", '#', 2)),
        ("\\e/x", reserved("\\e/x", '/', 2)),
    ];
    for (text, error) in cases {
        assert_eq!(FieldPath::parse(text), Err(error), "{text}");
    }
    let none: [&str; 0] = [];
    assert_eq!(FieldPath::new(none), Err(empty("")));
}

#[test]
fn a_path_is_bounded_in_parts_and_in_bytes_of_its_key() {
    let deep = vec!["a"; limits::DEPTH];
    assert!(FieldPath::new(deep.clone()).is_ok());
    let deeper = FieldPath::new(deep.into_iter().chain(["a"]));
    let too_long = |segments, bytes| PathError::TooLong {
        segments,
        bytes,
        max_segments: limits::DEPTH,
        max_bytes: limits::KEY_BYTES,
    };
    let segments = limits::DEPTH + 1;
    assert_eq!(deeper, Err(too_long(segments, 2 * segments - 1)));
    let dots = ".".repeat(limits::KEY_BYTES / 2);
    assert!(FieldPath::new([dots.clone()]).is_ok());
    let over = FieldPath::new([dots + "a"]);
    assert_eq!(over, Err(too_long(1, limits::KEY_BYTES + 1)));
}

fn segment() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-e\\\\./#$]{0,6}",
        "\\PC{0,8}",
        prop::collection::vec(any::<char>(), 0..4).prop_map(String::from_iter),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_path_is_read_back_from_its_key(segments in prop::collection::vec(segment(), 1..6)) {
        let path = FieldPath::new(segments.clone()).unwrap();
        let read = FieldPath::parse(&path.to_key()).unwrap();
        prop_assert_eq!(read.segments(), segments);
    }

    #[test]
    fn every_text_that_is_a_path_is_the_key_of_that_path(text in "[ae\\\\./#$é]{0,9}") {
        if let Ok(path) = FieldPath::parse(&text) {
            prop_assert_eq!(path.to_key(), text);
        }
    }
}
