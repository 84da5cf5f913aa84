//! The grammar of typed times: text to a [`Moment`] whose day and offset are still open.
//!
//! Which day and which instant are meant is settled in the module above, which knows the time and the zone. The text
//! arrives in lower case with single spaces.

use super::WhenError;
use jiff::civil::{Date, Time};
use jiff::tz::Offset;

/// `None`: not of this form. An error: of this form, and wrong.
pub(super) type Read<T> = Option<Result<T, WhenError>>;

/// Unwraps a [`Read`] or leaves the function with what it says.
macro_rules! part {
    ($read:expr) => {
        match $read? {
            Ok(value) => value,
            Err(error) => return Some(Err(error)),
        }
    };
}
pub(super) use part;

/// One typed moment, its day and offset still open.
pub(super) enum Moment {
    Now,
    Ago(Span),
    Point { day: Option<Day>, time: Time, has_seconds: bool, offset: Option<Offset> },
}

#[derive(Clone, Copy)]
pub(super) enum Day {
    Today,
    Yesterday,
    On(Date),
}

/// A duration and how coarsely it was told.
pub(super) struct Span {
    pub(super) ms: i64,
    pub(super) finest: Unit,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Unit {
    Second,
    Minute,
    Hour,
    Day,
}

/// Takes `±10m` (also `+-10m`, `+/-10m`) off the end.
pub(super) fn split_tolerance(words: &str) -> (&str, Option<&str>) {
    for sign in ["±", "+-", "+/-"] {
        if let Some((rest, tolerance)) = words.split_once(sign) {
            return (rest.trim_end(), Some(tolerance.trim_start()));
        }
    }
    (words, None)
}

/// Reads everything that names one moment.
pub(super) fn read_moment(words: &str) -> Read<Moment> {
    if words == "now" {
        return Some(Ok(Moment::Now));
    }
    if let Some(span) = words.strip_suffix("ago") {
        return read_span(span.trim_end()).map(|span| Ok(Moment::Ago(span)));
    }
    let (rest, offset) = part!(split_offset(words));
    let (day, clock) = part!(split_day(rest));
    let (time, has_seconds) = part!(read_clock(clock));
    Some(Ok(Moment::Point { day, time, has_seconds, offset }))
}

/// Takes `z`, `utc` or `+02:00` off the end.
fn split_offset(words: &str) -> Read<(&str, Option<Offset>)> {
    if let Some(rest) = words.strip_suffix("utc").or_else(|| words.strip_suffix('z')) {
        return Some(Ok((rest.trim_end(), Some(Offset::UTC))));
    }
    // A date has hyphens too, but they stand before the first colon.
    let colon = words.find(':')?;
    let Some(sign) = words.rfind(['+', '-']).filter(|at| *at > colon) else { return Some(Ok((words, None))) };
    let (rest, text) = words.split_at(sign);
    let (negative, digits) = (text.starts_with('-'), text.get(1..)?);
    let (hours, minutes) = match digits.split_once(':') {
        Some(parts) => parts,
        None if digits.len() == 4 => digits.split_at_checked(2)?,
        None => (digits, "00"),
    };
    let (hours, minutes) = (number(hours, 1..=2)?, number(minutes, 2..=2)?);
    if hours > 23 || minutes > 59 {
        return Some(Err(WhenError::NoSuchTime { text: text.to_owned() }));
    }
    let seconds = (hours * 60 + minutes) as i32 * 60;
    let offset = Offset::from_seconds(if negative { -seconds } else { seconds });
    Some(offset.map(|offset| (rest.trim_end(), Some(offset))).map_err(|_| WhenError::OutOfRange))
}

/// Takes `yesterday`, `today` or a date off the front.
fn split_day(words: &str) -> Read<(Option<Day>, &str)> {
    for (word, day) in [("today ", Day::Today), ("yesterday ", Day::Yesterday)] {
        if let Some(rest) = words.strip_prefix(word) {
            return Some(Ok((Some(day), rest)));
        }
    }
    let Some((date, rest)) = words.split_once([' ', 't']) else { return Some(Ok((None, words))) };
    let mut parts = date.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let (year, month, day) = (number(year, 4..=4)?, number(month, 2..=2)?, number(day, 2..=2)?);
    if parts.next().is_some() {
        return None;
    }
    let found = Date::new(year as i16, month as i8, day as i8);
    Some(match found {
        Ok(found) => Ok((Some(Day::On(found)), rest)),
        Err(_) => Err(WhenError::NoSuchDay { text: date.to_owned() }),
    })
}

/// Reads `10:42`, `10:42:30` or `10:42:30.250`; also whether seconds were named.
fn read_clock(text: &str) -> Read<(Time, bool)> {
    let mut parts = text.split(':');
    let (hour, minute) = (number(parts.next()?, 1..=2)?, number(parts.next()?, 2..=2)?);
    let (second, fraction) = match parts.next() {
        None => (None, ""),
        Some(text) => match text.split_once(['.', ',']) {
            Some((second, fraction)) if !fraction.is_empty() => (Some(second), fraction),
            Some(_) => return None,
            None => (Some(text), ""),
        },
    };
    if parts.next().is_some() || !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let has_seconds = second.is_some();
    // RFC 3339 writes a leap second as :60. Unix time has none; the second before it is nearest.
    let second = match second {
        Some(second) => number(second, 2..=2)?,
        None => 0,
    };
    let second = if second == 60 { 59 } else { second };
    let nanosecond =
        fraction.bytes().chain(std::iter::repeat(b'0')).take(9).fold(0, |n, d| n * 10 + i32::from(d - b'0'));
    let time = Time::new(hour as i8, minute as i8, second as i8, nanosecond);
    Some(time.map(|time| (time, has_seconds)).map_err(|_| WhenError::NoSuchTime { text: text.to_owned() }))
}

/// Reads `5m`, `20 min`, `1h 30m`.
pub(super) fn read_span(words: &str) -> Option<Span> {
    let mut span: Option<Span> = None;
    let mut rest = words.trim_start();
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (count, after) = rest.split_at(digits);
        let after = after.trim_start();
        let (unit, after) = after.split_at(after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len()));
        let (unit, unit_ms) = match unit {
            "s" | "sec" | "secs" | "second" | "seconds" => (Unit::Second, 1_000),
            "m" | "min" | "mins" | "minute" | "minutes" => (Unit::Minute, 60_000),
            "h" | "hr" | "hrs" | "hour" | "hours" => (Unit::Hour, 3_600_000),
            "d" | "day" | "days" => (Unit::Day, 86_400_000),
            _ => return None,
        };
        // Six digits of days are 2,700 years, and a text is short: the sum stays far from overflowing.
        let ms = i64::from(number(count, 1..=6)?) * unit_ms;
        span = Some(match span {
            Some(so_far) => Span { ms: so_far.ms + ms, finest: so_far.finest.min(unit) },
            None => Span { ms, finest: unit },
        });
        rest = after.trim_start();
    }
    span
}

/// A number of that many ASCII digits (at most nine).
fn number(text: &str, digits: std::ops::RangeInclusive<usize>) -> Option<u32> {
    let plain = digits.contains(&text.len()) && text.bytes().all(|digit| digit.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}
