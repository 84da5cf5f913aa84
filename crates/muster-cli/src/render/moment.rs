//! Times in answers: RFC 3339 in, clock and calendar of the reader out.

use super::Page;
use muster_log::Timestamp;
use serde::Deserialize;

/// How far recording and event may lie apart before it is said: the time it takes to type.
const RECORDED_LATER_MS: i64 = 5 * 60_000;

/// When something happened, as every answer tells it.
#[derive(Debug, Deserialize)]
pub(crate) struct Moment {
    event_time: Option<String>,
    event_end: Option<String>,
    event_precision: String,
}

/// Reads RFC 3339; a time that no calendar has is nobody's fault here and shown as unknown.
pub(super) fn read(text: &str) -> Option<Timestamp> {
    text.parse::<jiff::Timestamp>().ok().map(|time| Timestamp(time.as_millisecond()))
}

impl Moment {
    /// The first moment; `None` if nobody knows.
    pub(super) fn start(&self) -> Option<Timestamp> {
        self.event_time.as_deref().and_then(read)
    }

    /// The time of day as people say it: `12:17`, `about 13:30`, `13:30..13:45`, `unknown`.
    pub(super) fn clock(&self, page: &Page) -> String {
        let Some(start) = self.start() else { return "unknown".into() };
        let shown = clock(start, page);
        match (self.event_precision.as_str(), self.event_end.as_deref().and_then(read)) {
            ("about", _) => format!("about {shown}"),
            (_, Some(end)) if day(end, page) == day(start, page) => format!("{shown}..{}", clock(end, page)),
            (_, Some(end)) => format!("{shown}..{} {}", short_day(end, page), clock(end, page)),
            _ => shown,
        }
    }

    /// When it was recorded, where that was notably later than the event, or nobody knows the event's time.
    pub(super) fn recorded_apart(&self, recorded: &str, page: &Page) -> Option<String> {
        let recorded = read(recorded)?;
        let event = self.event_end.as_deref().and_then(read).or(self.start());
        match event {
            Some(event) if (recorded.0.saturating_sub(event.0)).saturating_abs() < RECORDED_LATER_MS => None,
            Some(event) if day(event, page) == day(recorded, page) => Some(clock(recorded, page)),
            _ => Some(format!("{} {}", short_day(recorded, page), clock(recorded, page))),
        }
    }
}

/// The time of day.
pub(super) fn clock(time: Timestamp, page: &Page) -> String {
    formatted(time, page, "%H:%M")
}

/// The day with its offset, for a heading: `Thursday 20 July 2023 (UTC+02:00)`.
pub(super) fn day(time: Timestamp, page: &Page) -> String {
    formatted(time, page, "%A %-d %B %Y (UTC%:z)")
}

/// The day and the time of day.
pub(super) fn day_and_clock(time: Timestamp, page: &Page) -> String {
    if day(time, page) == day(page.now, page) {
        return clock(time, page);
    }
    format!("{} {}", short_day(time, page), clock(time, page))
}

/// The day and the time of day to the second, for whoever holds clocks against each other.
pub(super) fn to_the_second(time: Timestamp, page: &Page) -> String {
    if day(time, page) == day(page.now, page) {
        return formatted(time, page, "%T");
    }
    let has_year = formatted(time, page, "%Y") != formatted(page.now, page, "%Y");
    formatted(time, page, if has_year { "%-d %b %Y %T" } else { "%-d %b %T" })
}

fn short_day(time: Timestamp, page: &Page) -> String {
    formatted(time, page, "%-d %b")
}

fn formatted(time: Timestamp, page: &Page, form: &str) -> String {
    match jiff::Timestamp::from_millisecond(time.0) {
        Ok(time) => time.to_zoned(page.zone.clone()).strftime(form).to_string(),
        Err(_) => "unknown".into(),
    }
}

/// How long it has been: `12 s`, `3 min`, `2 h 05 min`, `3 days`.
pub(super) fn since(time: Timestamp, page: &Page) -> String {
    let seconds = page.now.0.saturating_sub(time.0).max(0) / 1_000;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 => format!("{} h {:02} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::page;
    use super::*;

    #[track_caller]
    fn check(precision: &str, start: Option<&str>, end: Option<&str>, expected: &str) {
        let text = |text: Option<&str>| text.map(str::to_owned);
        let moment = Moment { event_time: text(start), event_end: text(end), event_precision: precision.to_owned() };
        assert_eq!(moment.clock(&page()), expected);
    }

    #[test]
    fn times_of_day_are_told_with_their_precision() {
        check("exact", Some("2023-07-20T14:17:09+02:00"), None, "12:17");
        check("about", Some("2023-07-20T12:17:00+00:00"), None, "about 12:17");
        check("range", Some("2023-07-20T12:17:00+00:00"), Some("2023-07-20T12:30:00+00:00"), "12:17..12:30");
        check("range", Some("2023-07-20T23:17:00+00:00"), Some("2023-07-21T02:30:00+00:00"), "23:17..21 Jul 02:30");
        check("unknown", None, None, "unknown");
        check("exact", Some("yesterday"), None, "unknown");
    }

    #[test]
    fn durations_are_coarse() {
        let ago = |seconds: i64| since(Timestamp(page().now.0 - seconds * 1_000), &page());
        assert_eq!(
            [ago(-5), ago(59), ago(61), ago(7_500), ago(400_000)].join(", "),
            "0 s, 59 s, 1 min, 2 h 05 min, 4 days"
        );
        assert_eq!(since(Timestamp(i64::MIN), &page()), "106751991167 days");
    }
}
