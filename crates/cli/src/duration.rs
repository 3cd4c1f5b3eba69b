//! Times as people write them: `90s`, `30m`, `12h`, `7d`, `2w`.

use std::time::Duration;

/// Why a text is not a time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DurationError {
    /// It is not a whole number and a unit.
    #[error("write a whole number and s, m, h, d or w, such as 7d")]
    Malformed,
    /// It has no length, or one that nothing here lasts.
    #[error("the time must be between 1s and {MAX_WEEKS}w")]
    OutOfRange,
}

/// The longest time: ten years; an invitation that holds longer was meant to hold for good, and none does.
const MAX_WEEKS: u64 = 520;

/// Reads a time.
pub(crate) fn parse(text: &str) -> Result<Duration, DurationError> {
    let unit = text.chars().last().ok_or(DurationError::Malformed)?;
    let seconds_a_unit = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 604_800,
        _ => return Err(DurationError::Malformed),
    };
    let digits = &text[..text.len() - unit.len_utf8()];
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(DurationError::Malformed);
    }
    let seconds = digits
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(seconds_a_unit))
        .ok_or(DurationError::OutOfRange)?;
    if (1..=MAX_WEEKS * 604_800).contains(&seconds) {
        Ok(Duration::from_secs(seconds))
    } else {
        Err(DurationError::OutOfRange)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_a_unit_is_a_time() {
        for (text, seconds) in [
            ("90s", 90),
            ("30m", 1_800),
            ("12h", 43_200),
            ("7d", 604_800),
            ("2w", 1_209_600),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn anything_else_says_what_to_write() {
        for text in ["", "7", "d", "-7d", "+7d", "7 d", "1.5h", "7ä", "٣d"] {
            assert_eq!(parse(text), Err(DurationError::Malformed), "{text}");
        }
    }

    #[test]
    fn a_time_has_a_length_that_ends() {
        for text in [
            "0s",
            "0w",
            "521w",
            "99999999999999999999w",
            "18446744073709551615w",
        ] {
            assert_eq!(parse(text), Err(DurationError::OutOfRange), "{text}");
        }
    }
}
