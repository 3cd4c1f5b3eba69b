//! Tuple keys sort as their tuples do, and read back; any bytes are a key or an error.

use std::cmp::Ordering;

use driftless_store::{KeyBuilder, KeyReader, prefix_end};

/// Elements of a tuple, at most.
const ELEMENTS: usize = 6;

#[derive(Clone, Debug)]
enum Element {
    Byte(u8),
    Small(u32),
    Long(u64),
    Signed(i64),
    Float(f64),
    Bytes(Vec<u8>),
    Text(String),
}

/// The first bytes name the types, the rest are two tuples of them; and all are read as a key.
pub(super) fn run(input: &[u8]) -> Result<(), String> {
    read_any(input);
    let Some((&count, rest)) = input.split_first() else {
        return Ok(());
    };
    let count = usize::from(count) % ELEMENTS + 1;
    let Some((types, mut rest)) = rest.split_at_checked(count) else {
        return Ok(());
    };
    let mut tuple =
        || -> Vec<Element> { types.iter().map(|kind| element(*kind, &mut rest)).collect() };
    let (one, two) = (tuple(), tuple());
    let keys = [key(&one), key(&two)];
    for (tuple, key) in [(&one, &keys[0]), (&two, &keys[1])] {
        check_reads(tuple, key)?;
    }
    let expected = order(&one, &two);
    if keys[0].cmp(&keys[1]) != expected {
        return Err(format!(
            "{one:?} and {two:?} sort otherwise than their keys"
        ));
    }
    let is_prefix = expected != Ordering::Equal
        && (keys[0].starts_with(&keys[1]) || keys[1].starts_with(&keys[0]));
    if is_prefix {
        return Err(format!(
            "the key of one of {one:?} and {two:?} begins the other"
        ));
    }
    let first = key(&one[..1]);
    let is_inside = keys[0] >= first && prefix_end(&first).is_none_or(|end| keys[0] < end);
    if !is_inside {
        return Err(format!(
            "{one:?} lies outside the keys that begin with its first"
        ));
    }
    Ok(())
}

fn element(kind: u8, rest: &mut &[u8]) -> Element {
    let mut take = |length: usize| {
        let (taken, after) = rest.split_at(length.min(rest.len()));
        *rest = after;
        taken.to_vec()
    };
    let long = |bytes: Vec<u8>| {
        let mut long = [0; 8];
        long[..bytes.len()].copy_from_slice(&bytes);
        u64::from_le_bytes(long)
    };
    match kind % 7 {
        0 => Element::Byte(take(1).first().copied().unwrap_or(0)),
        1 => Element::Small(u32::try_from(long(take(4))).unwrap_or(u32::MAX)),
        2 => Element::Long(long(take(8))),
        3 => Element::Signed(long(take(8)).cast_signed()),
        4 => Element::Float(f64::from_bits(long(take(8)))),
        kind => {
            let length = take(1).first().map_or(0, |length| usize::from(length % 12));
            let bytes = take(length);
            match kind {
                5 => Element::Bytes(bytes),
                _ => Element::Text(String::from_utf8_lossy(&bytes).into_owned()),
            }
        }
    }
}

fn key(tuple: &[Element]) -> Vec<u8> {
    let built = tuple
        .iter()
        .fold(KeyBuilder::new(), |key, element| match element {
            Element::Byte(n) => key.push_u8(*n),
            Element::Small(n) => key.push_u32(*n),
            Element::Long(n) => key.push_u64(*n),
            Element::Signed(n) => key.push_i64(*n),
            Element::Float(n) => key.push_f64(*n),
            Element::Bytes(bytes) => key.push_bytes(bytes),
            Element::Text(text) => key.push_str(text),
        });
    built.finish()
}

fn order(one: &[Element], two: &[Element]) -> Ordering {
    let pairs = one.iter().zip(two).map(|pair| match pair {
        (Element::Byte(a), Element::Byte(b)) => a.cmp(b),
        (Element::Small(a), Element::Small(b)) => a.cmp(b),
        (Element::Long(a), Element::Long(b)) => a.cmp(b),
        (Element::Signed(a), Element::Signed(b)) => a.cmp(b),
        (Element::Float(a), Element::Float(b)) => a.total_cmp(b),
        (Element::Bytes(a), Element::Bytes(b)) => a.cmp(b),
        (Element::Text(a), Element::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
        _ => Ordering::Equal, // both tuples have the same types
    });
    pairs.fold(Ordering::Equal, Ordering::then)
}

fn check_reads(tuple: &[Element], key: &[u8]) -> Result<(), String> {
    let mut reader = KeyReader::new(key);
    for element in tuple {
        let is_same = match element {
            Element::Byte(n) => reader.take_u8() == Ok(*n),
            Element::Small(n) => reader.take_u32() == Ok(*n),
            Element::Long(n) => reader.take_u64() == Ok(*n),
            Element::Signed(n) => reader.take_i64() == Ok(*n),
            Element::Float(n) => reader.take_f64().is_ok_and(|m| m.to_bits() == n.to_bits()),
            Element::Bytes(bytes) => reader.take_bytes().as_ref() == Ok(bytes),
            Element::Text(text) => reader.take_string().as_ref() == Ok(text),
        };
        if !is_same {
            return Err(format!("{element:?} of {tuple:?} does not read back"));
        }
    }
    reader
        .finish()
        .map_err(|error| format!("{tuple:?}: {error}"))
}

/// Reads the bytes as every kind of element.
fn read_any(key: &[u8]) {
    for kind in 0..7 {
        let mut reader = KeyReader::new(key);
        while !reader.rest().is_empty() {
            let read = match kind {
                0 => reader.take_u8().is_ok(),
                1 => reader.take_u32().is_ok(),
                2 => reader.take_i64().is_ok(),
                3 => reader.take_f64().is_ok(),
                4 => reader.take_bytes().is_ok(),
                5 => reader.take_string().is_ok(),
                _ => reader.take_fixed::<3>().is_ok(),
            };
            if !read {
                break;
            }
        }
    }
}
