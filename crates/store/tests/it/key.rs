//! Byte order is tuple order, no key is a prefix of another, and keys read back.

use driftless_store::{KeyBuilder, KeyError, KeyReader};
use proptest::prelude::*;

type Tuple = (u32, String, i64, Vec<u8>, u64, [u8; 4]);

fn tuple() -> impl Strategy<Value = Tuple> {
    let text = prop_oneof!["[\0a\u{1}é]{0,3}", any::<String>()];
    let bytes = prop_oneof![
        proptest::collection::vec(prop_oneof![Just(0), Just(1), Just(0xff)], 0..5),
        any::<Vec<u8>>()
    ];
    let small = || prop_oneof![-2_i64..2, any::<i64>()];
    (0_u32..3, text, small(), bytes, 0_u64..3, any::<[u8; 4]>())
}

fn key(tuple: &Tuple) -> Vec<u8> {
    KeyBuilder::new()
        .push_u32(tuple.0)
        .push_str(&tuple.1)
        .push_i64(tuple.2)
        .push_bytes(&tuple.3)
        .push_u64(tuple.4)
        .push_fixed(&tuple.5)
        .finish()
}

fn read(key: &[u8]) -> Result<Tuple, KeyError> {
    let mut reader = KeyReader::new(key);
    let tuple = (
        reader.take_u32()?,
        reader.take_string()?,
        reader.take_i64()?,
        reader.take_bytes()?,
        reader.take_u64()?,
        reader.take_fixed()?,
    );
    reader.finish()?;
    Ok(tuple)
}

proptest! {
    #[test]
    fn byte_order_is_tuple_order(first in tuple(), second in tuple()) {
        prop_assert_eq!(key(&first).cmp(&key(&second)), first.cmp(&second));
    }

    #[test]
    fn no_key_is_a_prefix_of_another(first in tuple(), second in tuple()) {
        prop_assert!(first == second || !key(&second).starts_with(&key(&first)));
    }

    #[test]
    fn keys_read_back(tuple in tuple()) {
        prop_assert_eq!(read(&key(&tuple)), Ok(tuple));
    }

    #[test]
    fn what_reads_is_built_the_same_again(bytes in proptest::collection::vec(prop_oneof![Just(0), Just(0xff), any::<u8>()], 0..60)) {
        if let Ok(tuple) = read(&bytes) {
            prop_assert_eq!(key(&tuple), bytes);
        }
    }

    #[test]
    fn floating_point_numbers_keep_their_total_order(first in any::<f64>(), second in any::<f64>()) {
        let key = |number| KeyBuilder::new().push_f64(number).finish();
        prop_assert_eq!(key(first).cmp(&key(second)), first.total_cmp(&second));
        let back = KeyReader::new(&key(first)).take_f64().unwrap();
        prop_assert_eq!(back.to_bits(), first.to_bits());
    }

    #[test]
    fn byte_strings_order_as_they_do_alone(first: Vec<u8>, second: Vec<u8>) {
        let key = |bytes: &[u8]| KeyBuilder::new().push_bytes(bytes).finish();
        prop_assert_eq!(key(&first).cmp(&key(&second)), first.cmp(&second));
    }
}

#[test]
fn the_layout_is_the_documented_one() {
    let key = KeyBuilder::after(b"w")
        .push_u8(9)
        .push_u32(1)
        .push_i64(-1)
        .push_str("a\0")
        .finish();
    assert_eq!(
        key,
        b"w\x09\0\0\0\x01\x7f\xff\xff\xff\xff\xff\xff\xffa\0\xff\0\0"
    );
}

#[test]
fn broken_keys_are_typed_errors() {
    assert_eq!(KeyReader::new(b"abc").take_u32(), Err(KeyError::Short));
    assert_eq!(KeyReader::new(b"abc").take_bytes(), Err(KeyError::Short));
    assert_eq!(KeyReader::new(b"abc\0").take_bytes(), Err(KeyError::Short));
    assert_eq!(
        KeyReader::new(b"a\0\x07").take_bytes(),
        Err(KeyError::Escape)
    );
    assert_eq!(
        KeyReader::new(b"\xff\0\0").take_string(),
        Err(KeyError::Text)
    );
    assert_eq!(
        KeyReader::new(b"ab").finish(),
        Err(KeyError::Long { bytes: 2 })
    );
    assert_eq!(KeyReader::new(b"ab").rest(), b"ab");
}
