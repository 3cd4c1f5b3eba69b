//! Times as people and programs read them.

use time::OffsetDateTime;

const NANOS_PER_MS: i128 = 1_000_000;

/// A time in RFC 3339, in UTC, always with three digits of milliseconds: `2026-01-31T12:00:00.000Z`.
///
/// Commit times end in the year 10,889; one after 9999 has five digits in its year, and one that is no time at
/// all is the number of its milliseconds.
pub(crate) fn rfc3339(time_ms: i64) -> String {
    let Ok(time) = OffsetDateTime::from_unix_timestamp_nanos(i128::from(time_ms) * NANOS_PER_MS)
    else {
        return time_ms.to_string();
    };
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        time.year(),
        u8::from(time.month()),
        time.day(),
        time.hour(),
        time.minute(),
        time.second(),
        time.millisecond(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_milliseconds_always() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(1_767_225_599_007), "2025-12-31T23:59:59.007Z");
        assert_eq!(rfc3339(-1), "1969-12-31T23:59:59.999Z");
        assert_eq!(rfc3339(i64::MAX), i64::MAX.to_string());
    }
}
