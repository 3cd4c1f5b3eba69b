//! Times as text. All of them are UTC: a log that several devices read has one clock.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Milliseconds since 1970 in RFC 3339; a time no calendar has is its number.
pub(crate) fn rfc3339(time_ms: i64) -> String {
    calendar(time_ms)
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_else(|| time_ms.to_string())
}

/// Milliseconds since 1970 to the minute, for people: `2026-11-22 16:53`.
pub(crate) fn minutes(time_ms: i64) -> String {
    calendar(time_ms).map_or_else(
        || time_ms.to_string(),
        |time| {
            let (date, clock) = (time.date(), time.time());
            format!("{date} {:02}:{:02}", clock.hour(), clock.minute())
        },
    )
}

fn calendar(time_ms: i64) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(time_ms) * 1_000_000).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc() {
        assert_eq!(rfc3339(1_767_225_600_123), "2026-01-01T00:00:00.123Z");
        assert_eq!(minutes(1_767_225_600_123), "2026-01-01 00:00");
        assert_eq!(rfc3339(i64::MAX), i64::MAX.to_string());
        assert_eq!(minutes(i64::MIN), i64::MIN.to_string());
    }
}
