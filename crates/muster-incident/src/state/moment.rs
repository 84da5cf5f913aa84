//! When something happened, as told or as recorded, and how times are written.

use crate::document::Node;
use jiff::tz::Offset;
use muster_log::fact::IncidentFact;
use muster_log::{Claimed, Precision, Timestamp};

/// The first and the last moment that RFC 3339 can write with any offset: years 0000 to 9999, less a day or two.
const WRITABLE_MS: std::ops::RangeInclusive<i64> = -62_167_132_800_000..=253_402_128_000_000;

/// Minutes of the largest offset that RFC 3339 can write.
const OFFSET_MINUTES_MAX: i16 = 23 * 60 + 59;

/// When an entry's event happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) start: Option<Timestamp>,
    pub(crate) end: Option<Timestamp>,
    pub(crate) precision: Precision,
    pub(crate) tolerance_ms: Option<i64>,
    pub(crate) offset_minutes: i16,
    /// Where nobody knows when, the recording stands in for the order of the timeline.
    pub(crate) sort: Timestamp,
}

impl Moment {
    /// The time as told, else of the original recording, else of the recording.
    pub(crate) fn of(node: &Node) -> Self {
        Self::told(node.meaning.said(), node.claimed)
    }

    /// As [`Moment::of`], of an entry that says `fact` and was written at `claimed`.
    pub(crate) fn told(fact: Option<&IncidentFact>, claimed: Claimed) -> Self {
        let recorded = fact.and_then(|fact| fact.origin).map_or(claimed, |origin| origin.claimed);
        match fact.and_then(|fact| fact.when) {
            Some(when) => Self {
                start: when.start(),
                end: when.end(),
                precision: when.precision(),
                tolerance_ms: when.tolerance_ms(),
                offset_minutes: when.offset_minutes(),
                sort: when.start().unwrap_or(recorded.time),
            },
            None => Self {
                start: Some(recorded.time),
                end: None,
                precision: Precision::Exact,
                tolerance_ms: None,
                offset_minutes: recorded.offset_minutes,
                sort: recorded.time,
            },
        }
    }

    pub(crate) fn start_text(&self) -> Option<String> {
        self.start.map(|start| rfc3339(start, self.offset_minutes))
    }

    pub(crate) fn end_text(&self) -> Option<String> {
        self.end.map(|end| rfc3339(end, self.offset_minutes))
    }
}

/// Writes a time in RFC 3339 with the offset at which it was told.
///
/// Anybody may claim any number: a time out of range is written as the nearest that can be, an offset out of range as
/// zero.
pub(crate) fn rfc3339(time: Timestamp, offset_minutes: i16) -> String {
    let ms = time.0.clamp(*WRITABLE_MS.start(), *WRITABLE_MS.end());
    let minutes = if offset_minutes.unsigned_abs() > OFFSET_MINUTES_MAX.unsigned_abs() { 0 } else { offset_minutes };
    let offset = Offset::from_seconds(i32::from(minutes) * 60).unwrap_or(Offset::UTC);
    jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH).display_with_offset(offset).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(ms: i64, offset_minutes: i16, expected: &str) {
        assert_eq!(rfc3339(Timestamp(ms), offset_minutes), expected);
    }

    #[test]
    fn times_are_written_with_the_offset_they_were_told_in() {
        check(1_689_855_420_000, 0, "2023-07-20T12:17:00+00:00");
        check(1_689_855_420_000, 120, "2023-07-20T14:17:00+02:00");
        check(1_689_855_420_123, -570, "2023-07-20T02:47:00.123-09:30");
        check(-1, 0, "1969-12-31T23:59:59.999+00:00");
    }

    #[test]
    fn times_that_cannot_be_are_written_as_the_nearest_that_can() {
        check(i64::MAX, 0, "9999-12-30T00:00:00+00:00");
        check(i64::MAX, 1439, "9999-12-30T23:59:00+23:59");
        check(i64::MIN, -1439, "0000-01-01T00:01:00-23:59");
        check(0, i16::MIN, "1970-01-01T00:00:00+00:00");
        check(0, i16::MAX, "1970-01-01T00:00:00+00:00");
    }
}
