//! Whether a value is the one a query asks for.

use std::cmp::Ordering;

use crate::value::Value;

/// Whether `value` is what a query `field=wanted_text` asks for, where the text reads as `wanted`.
///
/// Numbers are compared as numbers, exactly, whatever their types; a number in the query also matches
/// a string of the same text, so `zip=00501` and `zip=10001` both find what a column of strings holds.
/// `Null` matches `Null` only.
pub fn matches_text(value: &Value, wanted: &Value, wanted_text: &str) -> bool {
    match (value, wanted) {
        (Value::String(text), Value::Int(_) | Value::Uint(_) | Value::Float(_)) => {
            text == wanted_text
        }
        _ => match (whole(value), whole(wanted)) {
            (Some(value), Some(wanted)) => value == wanted,
            _ => value == wanted,
        },
    }
}

/// The number as an integer, if it is a whole one that 128 bits hold.
///
/// Every `Int` and `Uint` is; a float beyond equals none of them, and is compared with floats as it is.
fn whole(value: &Value) -> Option<i128> {
    const END: f64 = 170_141_183_460_469_231_731_687_303_715_884_105_728.0; // 2^127
    match value {
        Value::Int(int) => Some(i128::from(*int)),
        Value::Uint(uint) => Some(i128::from(*uint)),
        Value::Float(float) => {
            let inside = float.abs().partial_cmp(&END) == Some(Ordering::Less);
            #[expect(
                clippy::cast_possible_truncation,
                reason = "the float is whole and in range, so the cast is exact"
            )]
            (inside && float.fract() == 0.0).then_some(*float as i128)
        }
        _ => None,
    }
}

/// How two numbers compare, exactly, whatever their types; none where one of them is no number.
pub(crate) fn compare_numbers(a: &Value, b: &Value) -> Option<Ordering> {
    match (number(a)?, number(b)?) {
        (Number::Whole(a), Number::Whole(b)) => Some(a.cmp(&b)),
        (Number::Float(a), Number::Float(b)) => a.partial_cmp(&b),
        (Number::Whole(a), Number::Float(b)) => compare_mixed(a, b),
        (Number::Float(a), Number::Whole(b)) => Some(compare_mixed(b, a)?.reverse()),
    }
}

enum Number {
    Whole(i128),
    Float(f64),
}

fn number(value: &Value) -> Option<Number> {
    match (whole(value), value) {
        (Some(whole), _) => Some(Number::Whole(whole)),
        (None, Value::Float(float)) => Some(Number::Float(*float)),
        _ => None,
    }
}

/// An integer of 64 bits against a float that is no whole number, or beyond 128 bits.
fn compare_mixed(int: i128, float: f64) -> Option<Ordering> {
    match whole(&Value::Float(float.floor())) {
        // The float lies between its floor and the next integer.
        Some(floor) if int <= floor => Some(Ordering::Less),
        Some(_) => Some(Ordering::Greater),
        None => 0.0.partial_cmp(&float),
    }
}
