//! Claimed times: what an author's clock said and what a person said about an event.
//!
//! Nothing here reads a clock. Parsing what people type ("about 13:30", "yesterday 23:10") is the node's affair, for
//! it needs today's date and a time zone; the result is a [`When`].

use crate::value::Value;

/// Milliseconds since the Unix epoch, as claimed by somebody. Never used to decide a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The later by `ms` milliseconds, held at the ends of the range instead of wrapping.
    pub const fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}

/// The author's own clock as it stood, and the zone offset in minutes east of UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Claimed {
    /// The wall clock.
    pub time: Timestamp,
    /// Minutes east of UTC, as the author's device was set.
    pub offset_minutes: i16,
}

/// How exactly an event's time is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Precision {
    /// To the second or better.
    Exact,
    /// To the minute.
    Minute,
    /// Around that time; a tolerance may be given.
    About,
    /// Somewhere between two times.
    Range,
    /// Nobody knows.
    Unknown,
}

impl Precision {
    const ALL: [(Precision, &'static str); 5] = [
        (Precision::Exact, "exact"),
        (Precision::Minute, "minute"),
        (Precision::About, "about"),
        (Precision::Range, "range"),
        (Precision::Unknown, "unknown"),
    ];

    /// The word used in JSON and in the document.
    pub fn word(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

/// When something happened, as a person told it. Absent where the recording time is meant.
///
/// The text as typed stands in the body (part `when`), because a person typed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct When {
    precision: Precision,
    start: Option<Timestamp>,
    end: Option<Timestamp>,
    tolerance_ms: Option<i64>,
    offset_minutes: i16,
}

impl When {
    /// A point in time known to the second (`Exact`) or the minute (`Minute`).
    pub fn at(start: Timestamp, precision_is_minute: PointPrecision, offset_minutes: i16) -> Self {
        let precision = match precision_is_minute {
            PointPrecision::Exact => Precision::Exact,
            PointPrecision::Minute => Precision::Minute,
        };
        Self { precision, start: Some(start), end: None, tolerance_ms: None, offset_minutes }
    }

    /// Around `start`, give or take `tolerance_ms` where it was said; a negative tolerance is taken without its sign.
    pub fn about(start: Timestamp, tolerance_ms: Option<i64>, offset_minutes: i16) -> Self {
        let tolerance_ms = tolerance_ms.map(i64::saturating_abs);
        Self { precision: Precision::About, start: Some(start), end: None, tolerance_ms, offset_minutes }
    }

    /// Somewhere between two times; they are put in order.
    pub fn between(one: Timestamp, other: Timestamp, offset_minutes: i16) -> Self {
        let (start, end) = (one.min(other), one.max(other));
        Self { precision: Precision::Range, start: Some(start), end: Some(end), tolerance_ms: None, offset_minutes }
    }

    /// Nobody knows when.
    pub fn unknown() -> Self {
        Self { precision: Precision::Unknown, start: None, end: None, tolerance_ms: None, offset_minutes: 0 }
    }

    /// How exactly it is known.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The time, or the first of a range; `None` where unknown.
    pub fn start(&self) -> Option<Timestamp> {
        self.start
    }

    /// The last of a range.
    pub fn end(&self) -> Option<Timestamp> {
        self.end
    }

    /// Milliseconds of "give or take", where that was said.
    pub fn tolerance_ms(&self) -> Option<i64> {
        self.tolerance_ms
    }

    /// Minutes east of UTC in which the person spoke.
    pub fn offset_minutes(&self) -> i16 {
        self.offset_minutes
    }

    /// The fields' form: `[precision, start, end or tolerance, offset]`, see `docs/protocol.md`.
    pub(crate) fn to_value(self) -> Value {
        let ms = |time: Option<i64>| time.map_or(Value::Null, Value::Int);
        Value::List(vec![
            Value::Int(self.precision as i64),
            ms(self.start.map(|t| t.0)),
            ms(self.end.map(|t| t.0).or(self.tolerance_ms)),
            Value::Int(self.offset_minutes.into()),
        ])
    }

    /// Reads the fields' form; `None` for anything [`When::to_value`] would not have written.
    pub(crate) fn from_value(value: &Value) -> Option<Self> {
        let [precision, start, second, offset] = value.as_list()? else { return None };
        let offset = i16::try_from(offset.as_int()?).ok()?;
        let time = |value: &Value| value.as_int().map(Timestamp);
        let read = match precision.as_int()? {
            0 => Self::at(time(start)?, PointPrecision::Exact, offset),
            1 => Self::at(time(start)?, PointPrecision::Minute, offset),
            2 if *second == Value::Null => Self::about(time(start)?, None, offset),
            2 => Self::about(time(start)?, Some(second.as_int()?), offset),
            3 => Self::between(time(start)?, time(second)?, offset),
            4 => Self::unknown(),
            _ => return None,
        };
        (read.to_value() == *value).then_some(read)
    }
}

/// The two precisions that a single point in time can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PointPrecision {
    /// To the second or better.
    Exact,
    /// To the minute.
    Minute,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_reads_back_from_its_fields() {
        let t = Timestamp(1_689_855_420_000);
        for when in [
            When::at(t, PointPrecision::Exact, 0),
            When::at(t, PointPrecision::Minute, -300),
            When::about(t, None, 120),
            When::about(t, Some(600_000), 120),
            When::between(t, t.plus_ms(60_000), 0),
            When::unknown(),
        ] {
            assert_eq!(When::from_value(&when.to_value()), Some(when));
        }
    }

    #[test]
    fn a_range_written_backwards_is_not_a_time() {
        let backwards = Value::List(vec![Value::Int(3), Value::Int(2), Value::Int(1), Value::Int(0)]);
        assert_eq!(When::from_value(&backwards), None);
    }
}
