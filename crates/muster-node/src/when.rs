//! Times as people type and read them: `--at "about 13:30"` in, `Jul 20 12:17` and `3 min ago` out.
//!
//! Here a typed moment finds its day and its instant; the forms themselves are in `grammar`, the way out in `human`.
//! Pure: the current time and the zone arrive as arguments ([`crate::clock`] has them). What a time means to the log is
//! `muster_log::When`. Errors repeat what was typed, so they belong on the typist's terminal and not into a log.

mod grammar;
mod human;

pub use human::{ago, human, human_full, human_when, is_in_range, rfc3339, to_the_minute};

use crate::clock::offset_minutes;
use grammar::{Day, Moment, Read, Unit, part, read_moment, read_span, split_tolerance};
use human::offset_text;
use jiff::civil::{Date, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use muster_log::time::PointPrecision;
use muster_log::{Precision, Timestamp, When};

/// Bytes of one typed time. The longest sensible one, a range of two full times, has some 60.
pub const TEXT_BYTES_MAX: usize = 120;

/// Every form that [`parse`] reads, for hints and help.
pub const ACCEPTED_FORMS: &str = "`10:42`, `10:42:30`, `10:42 +02:00`, `yesterday 23:10`, `2023-07-20 12:17`, \
    `2023-07-20 12:17 UTC`, `2023-07-20T12:17:30Z`, `about 13:30`, `about 13:30 ±10m`, `13:30..13:45`, `5m ago`, \
    `now`, `unknown`";

/// The longest range of two times of day that crosses midnight. One that would be longer was typed backwards.
const NIGHT_MAX: jiff::SignedDuration = jiff::SignedDuration::from_hours(12);

/// Why a text is not a time. Always the typist's to mend; [`WhenError::hint`] lists what is read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WhenError {
    /// In none of the accepted forms.
    #[error("cannot read `{text}` as a time")]
    NotATime {
        /// As typed, control characters escaped.
        text: String,
    },
    /// An hour, minute, second or offset that no clock shows.
    #[error("`{text}` is not on the clock")]
    NoSuchTime {
        /// The part that is wrong.
        text: String,
    },
    /// A day that no calendar has, such as February 30.
    #[error("`{text}` is not in the calendar")]
    NoSuchDay {
        /// The part that is wrong.
        text: String,
    },
    /// A range of two times of day whose end can only be meant to come first.
    #[error("`{start}..{end}` ends before it begins")]
    Backwards {
        /// The time typed first.
        start: String,
        /// The time typed last.
        end: String,
    },
    /// Longer than [`TEXT_BYTES_MAX`].
    #[error("a time of {bytes} bytes is too long (at most {TEXT_BYTES_MAX})")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Before the year 1 or after 9999.
    #[error("the time is beyond the calendar")]
    OutOfRange,
}

impl WhenError {
    /// The accepted forms: one line, without the word "hint".
    pub fn hint(&self) -> String {
        match self {
            Self::Backwards { start, end } => {
                format!("write `{end}..{start}`; for one that long name the day of each end")
            }
            _ => format!("write one of {ACCEPTED_FORMS}"),
        }
    }
}

/// A typed time and what was made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsedWhen {
    /// What goes into the entry's facts.
    pub when: When,
    /// As typed; goes into the entry's body.
    pub text: String,
    /// What the typist should be told: yesterday was meant, a clock change lies there, the time is still to come.
    pub note: Option<String>,
}

/// Reads a typed time as of `now`, spoken in `zone` unless it names an offset of its own.
///
/// A time of day still to come means yesterday, and the note says so. With seconds (and always in RFC 3339) a time is
/// exact, with hours and minutes it is known to the minute. `20 min ago` is known to the minute, `2 h ago` is about.
/// The end of a range without a day of its own is the first such time after its start.
///
/// # Errors
/// [`WhenError`].
pub fn parse(text: &str, now: Timestamp, zone: &TimeZone) -> Result<ParsedWhen, WhenError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(WhenError::TooLong { bytes: text.len() });
    }
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ").to_ascii_lowercase().replace('−', "-");
    let now = jiff::Timestamp::from_millisecond(now.0).map_err(|_| WhenError::OutOfRange)?;
    let mut reader = Reader { now, zone, notes: Vec::new() };
    let when = match reader.read(&words) {
        Some(when) => when?,
        None => return Err(WhenError::NotATime { text: text.escape_debug().collect() }),
    };
    let note = (!reader.notes.is_empty()).then(|| reader.notes.join("; "));
    Ok(ParsedWhen { when, text: text.to_owned(), note })
}

/// A moment that has found its place.
struct Placed {
    time: jiff::Timestamp,
    precision: Precision,
    offset_minutes: i16,
}

impl Placed {
    fn timestamp(&self) -> Timestamp {
        Timestamp(self.time.as_millisecond())
    }
}

struct Reader<'a> {
    now: jiff::Timestamp,
    zone: &'a TimeZone,
    notes: Vec<String>,
}

impl Reader<'_> {
    fn read(&mut self, words: &str) -> Read<When> {
        if words == "unknown" {
            return Some(Ok(When::unknown()));
        }
        let stripped = words.strip_prefix("about ").or_else(|| words.strip_prefix('~'));
        let (rest, tolerance) = split_tolerance(stripped.unwrap_or(words));
        let tolerance = match tolerance {
            Some(text) => Some(read_span(text)?.ms),
            None => None,
        };
        if let Some((start, end)) = rest.split_once("..") {
            // "about 13:30..13:45" says no more than the range; a tolerance around a range says nothing clear.
            return if tolerance.is_none() { self.range(start.trim(), end.trim()) } else { None };
        }
        let moment = part!(read_moment(rest.trim()));
        let placed = part!(Some(self.place(&moment, None)));
        self.note_future(placed.time);
        let (start, offset) = (placed.timestamp(), placed.offset_minutes);
        Some(Ok(match placed.precision {
            _ if stripped.is_some() || tolerance.is_some() => When::about(start, tolerance, offset),
            Precision::Exact => When::at(start, PointPrecision::Exact, offset),
            Precision::Minute => When::at(start, PointPrecision::Minute, offset),
            _ => When::about(start, None, offset),
        }))
    }

    fn range(&mut self, start: &str, end: &str) -> Read<When> {
        let (mut start, mut end) = (part!(read_moment(start)), part!(read_moment(end)));
        // A day or an offset that only one end names holds for both; but the start's day is where the end is sought.
        if let (Moment::Point { day, offset, .. }, Moment::Point { day: end_day, offset: end_offset, .. }) =
            (&mut start, &mut end)
        {
            *day = day.or(*end_day);
            *offset = offset.or(*end_offset);
            *end_offset = end_offset.or(*offset);
        }
        let typed = match (&start, &end) {
            (Moment::Point { time: first, .. }, Moment::Point { day: None, time: last, .. }) => Some((*first, *last)),
            _ => None,
        };
        let start = part!(Some(self.place(&start, None)));
        let end = part!(Some(self.place(&end, Some(start.time))));
        if let Some((first, last)) = typed
            && last < first
            && end.time.duration_since(start.time) > NIGHT_MAX
        {
            let shown = |time: Time| time.strftime("%H:%M").to_string();
            return Some(Err(WhenError::Backwards { start: shown(first), end: shown(last) }));
        }
        if end.time < start.time {
            self.notes.push("the end comes before the start, so the two are swapped".into());
        }
        self.note_future(start.time.max(end.time));
        Some(Ok(When::between(start.timestamp(), end.timestamp(), start.offset_minutes)))
    }

    /// Finds the time that is meant; the end of a range is sought from its start on.
    fn place(&mut self, moment: &Moment, range_start: Option<jiff::Timestamp>) -> Result<Placed, WhenError> {
        let (time, precision, offset) = match moment {
            Moment::Now => (self.now, Precision::Exact, None),
            Moment::Ago(span) => {
                let ms = self.now.as_millisecond().saturating_sub(span.ms);
                let (ms, precision) = match span.finest {
                    Unit::Second => (ms, Precision::Exact),
                    // As `10:42` does, a time known to the minute stands at the minute's beginning.
                    Unit::Minute => (ms.saturating_sub(ms.rem_euclid(60_000)), Precision::Minute),
                    Unit::Hour | Unit::Day => (ms, Precision::About),
                };
                (jiff::Timestamp::from_millisecond(ms).map_err(|_| WhenError::OutOfRange)?, precision, None)
            }
            Moment::Point { day, time, has_seconds, offset } => {
                let precision = if *has_seconds { Precision::Exact } else { Precision::Minute };
                let zone = offset.map_or_else(|| self.zone.clone(), TimeZone::fixed);
                (self.place_point(*day, *time, &zone, range_start)?, precision, *offset)
            }
        };
        let spoken = Timestamp(time.as_millisecond());
        let offset_minutes = match offset {
            Some(offset) => i16::try_from(offset.seconds() / 60).unwrap_or(0),
            None => offset_minutes(spoken, self.zone),
        };
        Ok(Placed { time, precision, offset_minutes })
    }

    fn place_point(
        &mut self,
        day: Option<Day>,
        time: Time,
        zone: &TimeZone,
        range_start: Option<jiff::Timestamp>,
    ) -> Result<jiff::Timestamp, WhenError> {
        let today = zone.to_datetime(self.now).date();
        let yesterday = || today.yesterday().map_err(|_| WhenError::OutOfRange);
        let date = match (day, range_start) {
            (Some(Day::Today), _) => today,
            (Some(Day::Yesterday), _) => yesterday()?,
            (Some(Day::On(date)), _) => date,
            (None, Some(start)) => {
                let date = zone.to_datetime(start).date();
                if local(date, time, zone)? < start {
                    date.tomorrow().map_err(|_| WhenError::OutOfRange)?
                } else {
                    date
                }
            }
            (None, None) if local(today, time, zone)? > self.now => {
                let date = yesterday()?;
                let typed = time.strftime("%H:%M");
                self.notes.push(format!("{typed} is still to come today, so yesterday is meant ({date} {typed})"));
                date
            }
            (None, None) => today,
        };
        self.note_clock_change(date, time, zone);
        local(date, time, zone)
    }

    fn note_clock_change(&mut self, date: Date, time: Time, zone: &TimeZone) {
        let typed = time.strftime("%H:%M");
        match zone.to_ambiguous_timestamp(date.to_datetime(time)).offset() {
            AmbiguousOffset::Unambiguous { .. } => {}
            AmbiguousOffset::Gap { before, after } => {
                let skipped = i64::from(after.seconds()) - i64::from(before.seconds());
                let meant = time.wrapping_add(jiff::SignedDuration::from_secs(skipped)).strftime("%H:%M");
                let why = "when the clocks went forward";
                self.notes.push(format!("{typed} was skipped on {date}, {why}; taken as {meant}"));
            }
            AmbiguousOffset::Fold { after, .. } => {
                let why = "when the clocks went back";
                let second = offset_text(after.seconds() / 60);
                self.notes.push(format!(
                    "{typed} came twice on {date}, {why}; the first is meant (for the second add {second})"
                ));
            }
        }
    }

    fn note_future(&mut self, time: jiff::Timestamp) {
        if time > self.now {
            self.notes.push("the time is still to come".into());
        }
    }
}

/// The first time at which clocks in `zone` showed this; in a gap, as much later as the gap is long (RFC 5545).
fn local(date: Date, time: Time, zone: &TimeZone) -> Result<jiff::Timestamp, WhenError> {
    zone.to_ambiguous_timestamp(date.to_datetime(time)).compatible().map_err(|_| WhenError::OutOfRange)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 2026-11-22 14:20:31 in Berlin (+01:00).
    const NOW: &str = "2026-11-22T13:20:31Z";

    fn berlin() -> TimeZone {
        TimeZone::get("Europe/Berlin").unwrap()
    }

    fn at(rfc3339: &str) -> Timestamp {
        Timestamp(rfc3339.parse::<jiff::Timestamp>().unwrap().as_millisecond())
    }

    /// The When as one line: precision, start, end or tolerance, offset.
    fn line(when: &When) -> String {
        let time = |time: Timestamp| jiff::Timestamp::from_millisecond(time.0).unwrap().to_string();
        let mut line = when.precision().word().to_owned();
        line.extend(when.start().map(|start| format!(" {}", time(start))));
        line.extend(when.end().map(|end| format!(" {}", time(end))));
        line.extend(when.tolerance_ms().map(|ms| format!(" ±{ms}")));
        format!("{line} {:+}", when.offset_minutes())
    }

    #[track_caller]
    fn check_at(now: &str, text: &str, expected: &str, note: &str) {
        let read = parse(text, at(now), &berlin()).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(line(&read.when), expected, "{text}");
        assert_eq!(read.note.as_deref().unwrap_or(""), note, "{text}");
        assert_eq!(read.text, text);
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        check_at(NOW, text, expected, "");
    }

    #[test]
    fn a_time_of_day_is_today_and_as_exact_as_it_was_told() {
        check("10:42", "minute 2026-11-22T09:42:00Z +60");
        check("9:05", "minute 2026-11-22T08:05:00Z +60");
        check("10:42:30", "exact 2026-11-22T09:42:30Z +60");
        check("10:42:30.25", "exact 2026-11-22T09:42:30.25Z +60");
        check("  TODAY   10:42 ", "minute 2026-11-22T09:42:00Z +60");
        check("14:20", "minute 2026-11-22T13:20:00Z +60");
    }

    #[test]
    fn an_offset_of_its_own_beats_the_zone() {
        check("10:42 +02:00", "minute 2026-11-22T08:42:00Z +120");
        check("09:42+0900", "minute 2026-11-22T00:42:00Z +540");
        check("07:05 −6", "minute 2026-11-22T13:05:00Z -360");
    }

    #[test]
    fn a_time_of_day_still_to_come_is_yesterday_and_says_so() {
        check_at(
            NOW,
            "23:10",
            "minute 2026-11-21T22:10:00Z +60",
            "23:10 is still to come today, so yesterday is meant (2026-11-21 23:10)",
        );
    }

    #[test]
    fn days_and_full_times_are_read() {
        check("yesterday 23:10", "minute 2026-11-21T22:10:00Z +60");
        check("2023-07-20 12:17", "minute 2023-07-20T10:17:00Z +120");
        check("2023-07-20 12:17 UTC", "minute 2023-07-20T12:17:00Z +0");
        check("2023-07-20 12:17Z", "minute 2023-07-20T12:17:00Z +0");
        check("2023-07-20T12:17:00Z", "exact 2023-07-20T12:17:00Z +0");
        check("2023-07-20t12:17:00+05:30", "exact 2023-07-20T06:47:00Z +330");
        check("2016-12-31T23:59:60Z", "exact 2016-12-31T23:59:59Z +0");
    }

    #[test]
    fn around_a_time_is_about_with_or_without_a_tolerance() {
        check("about 13:30", "about 2026-11-22T12:30:00Z +60");
        check("~13:30", "about 2026-11-22T12:30:00Z +60");
        for text in ["about 13:30 +-10m", "about 13:30 ±10m", "13:30 +/- 10 min", "about 13:30±600s"] {
            check(text, "about 2026-11-22T12:30:00Z ±600000 +60");
        }
        check("about 13:30 +02:00 ±1h 30m", "about 2026-11-22T11:30:00Z ±5400000 +120");
    }

    #[test]
    fn a_range_shares_the_day_and_the_offset_that_one_end_names() {
        check("13:30..13:45", "range 2026-11-22T12:30:00Z 2026-11-22T12:45:00Z +60");
        check("13:30 .. 13:45 +02:00", "range 2026-11-22T11:30:00Z 2026-11-22T11:45:00Z +120");
        check("yesterday 23:50..00:10", "range 2026-11-21T22:50:00Z 2026-11-21T23:10:00Z +60");
        check("13:30..yesterday 13:45", "range 2026-11-21T12:30:00Z 2026-11-21T12:45:00Z +60");
        check("2023-07-20 12:17 UTC..12:30", "range 2023-07-20T12:17:00Z 2023-07-20T12:30:00Z +0");
        check("2023-07-20T12:17:00Z..2023-07-20T12:30:00Z", "range 2023-07-20T12:17:00Z 2023-07-20T12:30:00Z +0");
        check("about 13:30..now", "range 2026-11-22T12:30:00Z 2026-11-22T13:20:31Z +60");
    }

    #[test]
    fn the_end_of_a_range_is_sought_from_its_start() {
        // At 14:20 the end is still to come, but the range began today.
        check_at(
            NOW,
            "14:10..14:40",
            "range 2026-11-22T13:10:00Z 2026-11-22T13:40:00Z +60",
            "the time is still to come",
        );
        check_at(
            NOW,
            "23:50..00:10",
            "range 2026-11-21T22:50:00Z 2026-11-21T23:10:00Z +60",
            "23:50 is still to come today, so yesterday is meant (2026-11-21 23:50)",
        );
        check_at(
            NOW,
            "2023-07-20 12:30..2023-07-20 12:17",
            "range 2023-07-20T10:17:00Z 2023-07-20T10:30:00Z +120",
            "the end comes before the start, so the two are swapped",
        );
    }

    #[test]
    fn time_gone_by_is_as_exact_as_its_finest_unit() {
        check("5m ago", "minute 2026-11-22T13:15:00Z +60");
        check("20 min ago", "minute 2026-11-22T13:00:00Z +60");
        check("1h 30m ago", "minute 2026-11-22T11:50:00Z +60");
        check("90s ago", "exact 2026-11-22T13:19:01Z +60");
        check("2 hours ago", "about 2026-11-22T11:20:31Z +60");
        check("now", "exact 2026-11-22T13:20:31Z +60");
        check("Unknown", "unknown +0");
    }

    #[test]
    fn a_named_day_in_the_future_is_taken_and_said() {
        check_at(NOW, "today 23:10", "minute 2026-11-22T22:10:00Z +60", "the time is still to come");
    }

    #[test]
    fn a_time_that_the_clocks_skipped_is_taken_later() {
        check_at(
            NOW,
            "2026-03-29 02:30",
            "minute 2026-03-29T01:30:00Z +120",
            "02:30 was skipped on 2026-03-29, when the clocks went forward; taken as 03:30",
        );
        check("2026-03-29 02:30 +01:00", "minute 2026-03-29T01:30:00Z +60");
    }

    #[test]
    fn a_time_that_came_twice_is_the_first_unless_the_offset_says_otherwise() {
        let note = "02:30 came twice on 2026-10-25, when the clocks went back; the first is meant (for the second add \
                    +01:00)";
        check_at(NOW, "2026-10-25 02:30", "minute 2026-10-25T00:30:00Z +120", note);
        check_at("2026-10-25T02:00:00Z", "02:30", "minute 2026-10-25T00:30:00Z +120", note);
        check("2026-10-25 02:30 +01:00", "minute 2026-10-25T01:30:00Z +60");
    }

    #[test]
    fn yesterday_is_a_day_of_the_calendar_even_when_it_had_23_hours() {
        check_at("2026-03-30T08:00:00Z", "yesterday 12:00", "minute 2026-03-29T10:00:00Z +120", "");
        // Just after the night's change, an evening time was spoken at the offset of the evening.
        check_at(
            "2026-03-29T01:10:00Z",
            "23:00",
            "minute 2026-03-28T22:00:00Z +60",
            "23:00 is still to come today, so yesterday is meant (2026-03-28 23:00)",
        );
    }

    #[test]
    fn what_no_clock_or_calendar_shows_is_named() {
        let said = |text: &str| parse(text, at(NOW), &berlin()).unwrap_err().to_string();
        assert_eq!(said("25:10"), "`25:10` is not on the clock");
        assert_eq!(said("10:42 +24:00"), "`+24:00` is not on the clock");
        assert_eq!(said("2023-02-30 10:42"), "`2023-02-30` is not in the calendar");
        assert_eq!(said("soon\u{1b}[2J"), "cannot read `soon\\u{1b}[2J` as a time");
        assert!(said(&"1".repeat(121)).contains("too long"));
    }

    #[test]
    fn anything_else_is_refused_with_the_accepted_forms() {
        for text in [
            "",
            "13",
            "1342",
            "10:4",
            "10:42:5",
            "10:42:30.",
            "10:42pm",
            "10:42 CET",
            "tomorrow 10:42",
            "2023-07-20",
            "about",
            "about unknown",
            "about 13:30 ±10",
            "13:30..13:45 ±5m",
            "..",
            "13:30..",
            "13:30..13:40..13:50",
            "ago",
            "m ago",
            "5 ago",
            "5 parsecs ago",
            "1:2:3:4",
            "１０:４２",
            "10:42 +",
            "10:42 ±",
            "2023-7-20 10:42",
        ] {
            let error = parse(text, at(NOW), &berlin()).expect_err(text);
            assert!(matches!(error, WhenError::NotATime { .. }), "{text}: {error}");
            assert!(error.hint().contains("`13:30..13:45`"));
        }
    }

    #[test]
    fn a_range_typed_backwards_is_refused_and_one_over_midnight_is_not() {
        let read = |text: &str| parse(text, at(NOW), &berlin());
        for (text, start, end) in [("10:50..10:40", "10:50", "10:40"), ("yesterday 12:00..11:00", "12:00", "11:00")] {
            let error = read(text).unwrap_err();
            assert_eq!(error, WhenError::Backwards { start: start.into(), end: end.into() }, "{text}");
            assert!(error.hint().contains(&format!("`{end}..{start}`")), "{}", error.hint());
        }
        for text in ["23:50..00:10", "18:00..06:00", "2023-07-20 22:00..04:00", "2023-07-20 10:50..2023-07-21 10:40"] {
            assert!(read(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn every_accepted_form_is_accepted() {
        for form in ACCEPTED_FORMS.split(", ") {
            parse(form.trim_matches('`'), at(NOW), &berlin()).unwrap_or_else(|error| panic!("{form}: {error}"));
        }
    }

    proptest! {
        #[test]
        fn no_text_and_no_clock_makes_the_reader_panic(
            text in "(about |~|yesterday |[0-9]{4}-[0-9]{2}-[0-9]{2}[ T])?[0-9:.+\\-± zuagom]{0,24}|.{0,40}",
            now in any::<i64>(),
            near in any::<bool>(),
        ) {
            let now = Timestamp(if near { now % 4_000_000_000_000 } else { now });
            if let Ok(read) = parse(&text, now, &berlin()) {
                human_when(&read.when, now, &berlin());
            }
            human(now, Timestamp(0), &berlin());
            ago(now, Timestamp(0));
        }
    }
}
