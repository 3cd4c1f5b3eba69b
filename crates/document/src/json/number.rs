//! Numbers: no digit of a text is lost, or it is refused; and each number has one text.

use serde_json::Number;

use super::error::{JsonFault, shorten};
use crate::value::Value;

/// Reads the text of a JSON number.
pub(super) fn read(text: &str) -> Result<Number, JsonFault> {
    let out_of_range = || JsonFault::NumberOutOfRange {
        text: shorten(text),
    };
    let is_integer = !text.contains(['.', 'e', 'E']);
    if is_integer && text != "-0" {
        return text
            .parse::<i64>()
            .map(Number::from)
            .or_else(|_| text.parse::<u64>().map(Number::from))
            .or_else(|_| float(text))
            .map_err(|_| out_of_range());
    }
    float(text)
}

/// Reads a number as a float that holds all its digits.
fn float(text: &str) -> Result<Number, JsonFault> {
    let out_of_range = || JsonFault::NumberOutOfRange {
        text: shorten(text),
    };
    let float: f64 = text.parse().map_err(|_| out_of_range())?;
    let number = Number::from_f64(float).ok_or_else(out_of_range)?;
    let nearest = float_text(float);
    if Decimal::of(text) != Decimal::of(&nearest) {
        return Err(JsonFault::NumberLosesDigits {
            text: shorten(text),
            nearest,
        });
    }
    Ok(number)
}

/// The value of a number that was read.
pub(super) fn value_of(number: &Number) -> Result<Value, JsonFault> {
    if let Some(int) = number.as_i64() {
        return Ok(Value::Int(int));
    }
    if let Some(uint) = number.as_u64() {
        return Ok(Value::Uint(uint));
    }
    match number.as_f64() {
        Some(float) if float.is_finite() => Ok(Value::Float(float)),
        // Only where another crate turned on serde_json's arbitrary precision.
        _ => Err(JsonFault::NumberOutOfRange {
            text: shorten(&number.to_string()),
        }),
    }
}

/// The number a text stands for, if the number is written back as the same text.
///
/// `31.95` and `-7` are; `00501`, `1.50`, `1e5`, `+5` and `-0` are not, nor is any text with a space.
pub fn canonical_number(text: &str) -> Option<Value> {
    let is_json = serde_json::from_str::<&serde_json::value::RawValue>(text)
        .is_ok_and(|raw| raw.get().len() == text.len());
    if !is_json || !text.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
        return None;
    }
    let value = value_of(&read(text).ok()?).ok()?;
    (number_text(&value)? == text).then_some(value)
}

/// The one text of a number, or `None` for a value of another type.
///
/// Canonical JSON and the ids of records are made of it, so its form never changes. A float has the
/// shortest digits that read back to it: as `1.0` or `0.00001` from 1e-5 up to 1e16, beyond as `1.5e+16`.
pub fn number_text(value: &Value) -> Option<String> {
    match value {
        Value::Int(int) => Some(int.to_string()),
        Value::Uint(uint) => Some(uint.to_string()),
        Value::Float(float) if float.is_finite() => Some(float_text(*float)),
        _ => None,
    }
}

/// The text of a finite float.
///
/// The digits are the shortest that read back, of these the closest, of two as close the even ones: what
/// `serde_json` prints, as do JavaScript and Python. The layout is ours, because `serde_json`'s has
/// changed between its releases.
fn float_text(float: f64) -> String {
    let Decimal {
        negative,
        digits,
        exponent,
    } = Decimal::of(&Number::from_f64(float).map_or_else(String::new, |number| number.to_string()));
    let sign = if negative { "-" } else { "" };
    let leading = exponent + length(digits.len()) - 1; // the exponent of the first digit
    let zeros = |count: i64| "0".repeat(usize::try_from(count).unwrap_or(0));
    if digits.is_empty() {
        format!("{sign}0.0")
    } else if !(-5..16).contains(&leading) {
        let (first, rest) = digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        format!("{sign}{first}{point}{rest}e{leading:+}")
    } else if leading < 0 {
        format!("{sign}0.{}{digits}", zeros(-leading - 1))
    } else if exponent >= 0 {
        format!("{sign}{digits}{}.0", zeros(exponent))
    } else {
        let whole = digits.len() - usize::try_from(-exponent).unwrap_or(0);
        let (whole, fraction) = digits.split_at(whole);
        format!("{sign}{whole}.{fraction}")
    }
}

/// A decimal number with its digits stripped of zeros at both ends: equal exactly for equal numbers.
#[derive(PartialEq, Eq)]
pub(super) struct Decimal {
    negative: bool,
    digits: String,
    /// Of the last digit; 0 for zero.
    exponent: i64,
}

impl Decimal {
    pub(super) fn of(text: &str) -> Self {
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        let digits = all.trim_end_matches('0');
        let dropped = all.len() - digits.len();
        let digits = digits.trim_start_matches('0').to_owned();
        let exponent = if digits.is_empty() {
            0
        } else {
            read_exponent(exponent)
                .saturating_sub(length(fraction.len()))
                .saturating_add(length(dropped))
        };
        Self {
            negative,
            digits,
            exponent,
        }
    }
}

/// An exponent; one beyond 64 bits belongs to no float that is not zero, whatever the digits.
fn read_exponent(text: &str) -> i64 {
    text.parse().unwrap_or(if text.starts_with('-') {
        i64::MIN
    } else {
        i64::MAX
    })
}

fn length(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
