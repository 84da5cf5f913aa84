//! Times as people read them: `Jul 20 12:17`, `about 13:30 ±10 min`, `3 min ago`.

use crate::clock::offset_minutes;
use jiff::tz::TimeZone;
use muster_log::{Precision, Timestamp, When};

/// RFC 3339 with milliseconds and the offset of `zone`, for JSON; a time past the calendar is given as milliseconds.
pub fn rfc3339(time: Timestamp, zone: &TimeZone) -> String {
    match jiff::Timestamp::from_millisecond(time.0) {
        Ok(at) => at.to_zoned(zone.clone()).strftime("%FT%T%.3f%:z").to_string(),
        Err(_) => format!("{} ms since 1970", time.0),
    }
}

/// RFC 3339 to the minute with the offset of `zone`: the same whatever today is.
pub fn to_the_minute(time: Timestamp, zone: &TimeZone) -> String {
    match jiff::Timestamp::from_millisecond(time.0) {
        Ok(at) => at.to_zoned(zone.clone()).strftime("%FT%H:%M%:z").to_string(),
        Err(_) => "a time out of range".into(),
    }
}

/// Whether the calendar has this time.
pub fn is_in_range(time: Timestamp) -> bool {
    jiff::Timestamp::from_millisecond(time.0).is_ok()
}

/// A time for a narrow column: `12:17` today, `Jul 20 12:17` otherwise.
pub fn human(time: Timestamp, now: Timestamp, zone: &TimeZone) -> String {
    let today = jiff::Timestamp::from_millisecond(now.0).map(|now| zone.to_datetime(now).date()).ok();
    shown(time, zone, |time| {
        let form = if Some(time.date()) == today { "%H:%M" } else { "%b %d %H:%M" };
        time.strftime(form).to_string()
    })
}

/// A time that leaves nothing open: `2023-07-20 12:17:05 +00:00`.
pub fn human_full(time: Timestamp, zone: &TimeZone) -> String {
    let offset = offset_text(offset_minutes(time, zone).into());
    shown(time, zone, |time| format!("{} {offset}", time.strftime("%Y-%m-%d %H:%M:%S")))
}

/// A typed time for a narrow column: `12:17`, `about 12:17 ±10 min`, `12:17..12:30`, `unknown`.
pub fn human_when(when: &When, now: Timestamp, zone: &TimeZone) -> String {
    let Some(start) = when.start().map(|start| human(start, now, zone)) else { return "unknown".into() };
    match (when.precision(), when.end(), when.tolerance_ms()) {
        (_, Some(end), _) => format!("{start}..{}", human(end, now, zone)),
        (Precision::About, _, Some(ms)) => format!("about {start} ±{}", length(ms.unsigned_abs())),
        (Precision::About, ..) => format!("about {start}"),
        _ => start,
    }
}

/// How long ago: `just now`, `12 s ago`, `3 min ago`, `2 h ago`, `5 days ago`; `in 3 min` for a time still to come.
pub fn ago(time: Timestamp, now: Timestamp) -> String {
    match now.0.saturating_sub(time.0) {
        -999..1_000 => "just now".into(),
        ms if ms > 0 => format!("{} ago", length(ms.unsigned_abs())),
        ms => format!("in {}", length(ms.unsigned_abs())),
    }
}

/// A duration in its coarsest fitting unit, rounded down.
fn length(ms: u64) -> String {
    let seconds = ms / 1_000;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// An offset in minutes as `+02:00`.
pub(super) fn offset_text(minutes: i32) -> String {
    let sign = if minutes < 0 { '-' } else { '+' };
    format!("{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
}

/// Peers may claim any 64 bits as a time.
fn shown(time: Timestamp, zone: &TimeZone, form: impl FnOnce(jiff::civil::DateTime) -> String) -> String {
    match jiff::Timestamp::from_millisecond(time.0) {
        Ok(time) => form(zone.to_datetime(time)),
        Err(_) => "out of range".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::when::parse;

    fn berlin() -> TimeZone {
        TimeZone::get("Europe/Berlin").unwrap()
    }

    fn at(rfc3339: &str) -> Timestamp {
        Timestamp(rfc3339.parse::<jiff::Timestamp>().unwrap().as_millisecond())
    }

    /// 14:20:31 in Berlin.
    const NOW: &str = "2026-11-22T13:20:31Z";

    #[test]
    fn times_are_shown_by_day_and_age() {
        let now = at(NOW);
        assert_eq!(human(at("2026-11-22T08:05:00Z"), now, &berlin()), "09:05");
        assert_eq!(human(at("2026-11-21T23:30:00Z"), now, &berlin()), "00:30");
        assert_eq!(human(at("2023-07-20T10:17:00Z"), now, &berlin()), "Jul 20 12:17");
        assert_eq!(human_full(at("2023-07-20T10:17:05Z"), &berlin()), "2023-07-20 12:17:05 +02:00");
        assert_eq!(human(Timestamp(i64::MIN), now, &berlin()), "out of range");
        assert_eq!(to_the_minute(at("2026-11-22T08:05:59Z"), &berlin()), "2026-11-22T09:05+01:00");
        assert_eq!(to_the_minute(Timestamp(i64::MAX), &berlin()), "a time out of range");
        for (ms, expected) in [
            (0, "just now"),
            (12_000, "12 s ago"),
            (200_000, "3 min ago"),
            (7_300_000, "2 h ago"),
            (172_800_000, "2 days ago"),
            (-200_000, "in 3 min"),
        ] {
            assert_eq!(ago(now.plus_ms(-ms), now), expected);
        }
    }

    #[test]
    fn a_typed_time_is_shown_with_its_doubt() {
        for (text, expected) in [
            ("10:42", "10:42"),
            ("about 13:30", "about 13:30"),
            ("about 13:30 ±10m", "about 13:30 ±10 min"),
            ("13:30..13:45", "13:30..13:45"),
            ("unknown", "unknown"),
        ] {
            let read = parse(text, at(NOW), &berlin()).unwrap();
            assert_eq!(human_when(&read.when, at(NOW), &berlin()), expected);
        }
    }
}
