//! The machine's clock, its zone, and its randomness: the one place where the node asks for either.
//!
//! The pure crates take time and entropy as arguments; what is read here is handed to them. Times that people type
//! are read in [`crate::when`].

use jiff::tz::TimeZone;
use muster_log::{Claimed, Timestamp};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime};

/// The operating system gave no random bytes; without them there is neither a key nor a session.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gives no random bytes")]
pub struct EntropyError(#[from] getrandom::Error);

/// Sixteen random bytes: a session, a salt.
///
/// # Errors
/// [`EntropyError`] when the operating system refuses.
pub fn entropy16() -> Result<[u8; 16], EntropyError> {
    entropy()
}

/// Thirty-two random bytes: the seed of a key or of a ticket. The caller zeroes its copy.
///
/// # Errors
/// [`EntropyError`] when the operating system refuses.
pub fn entropy32() -> Result<[u8; 32], EntropyError> {
    entropy()
}

fn entropy<const N: usize>() -> Result<[u8; N], EntropyError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

/// The wall clock, the clock that only goes forward, and the zone in which this device speaks.
#[derive(Debug, Clone)]
pub struct SystemClock {
    start: Instant,
    zone: TimeZone,
    /// What a node says the time is that it lived through ([`crate::lived`]); shared by all clones.
    lived: Option<Arc<AtomicU64>>,
}

impl SystemClock {
    /// A clock that starts now and speaks in `zone`.
    pub fn new(zone: TimeZone) -> Self {
        Self { start: Instant::now(), zone, lived: None }
    }

    /// The wall clock: what this device claims. It may jump either way, so nothing is decided by it.
    pub fn now(&self) -> Timestamp {
        Timestamp(match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |ms| -ms),
        })
    }

    /// Milliseconds since this clock was made, for deadlines; never goes back, and stands still while the machine sleeps and,
    /// in a node, while it could not act.
    pub fn tick_ms(&self) -> u64 {
        self.lived.as_ref().map_or_else(|| self.real_ms(), |lived| lived.load(Ordering::Relaxed))
    }

    /// From now on the tick of this clock and its later clones is what [`SystemClock::set_lived`] says.
    pub(crate) fn live(&mut self) {
        self.lived.get_or_insert_with(|| Arc::new(AtomicU64::new(0)));
        self.set_lived(self.real_ms());
    }

    /// Moves the tick of a clock that lives.
    pub(crate) fn set_lived(&self, ms: u64) {
        if let Some(lived) = &self.lived {
            lived.fetch_max(ms, Ordering::Relaxed);
        }
    }

    /// Milliseconds since this clock was made, whatever was done meanwhile; stands still while the machine sleeps.
    pub(crate) fn real_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The zone in which this device speaks.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// Wall clock and zone offset together, as an entry claims them.
    pub fn claimed(&self) -> Claimed {
        let time = self.now();
        Claimed { time, offset_minutes: offset_minutes(time, &self.zone) }
    }
}

/// Minutes east of UTC that hold in `zone` at `time`; 0 for a time outside the years −9999 to 9999.
pub fn offset_minutes(time: Timestamp, zone: &TimeZone) -> i16 {
    let Ok(time) = jiff::Timestamp::from_millisecond(time.0) else { return 0 };
    // Before time was standard, offsets had seconds (Amsterdam, 1937: +00:19:32); the format keeps whole minutes.
    i16::try_from(zone.to_offset(time).seconds() / 60).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_offset_is_the_one_that_held_at_that_time() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let (january, july) = (Timestamp(1_705_320_000_000), Timestamp(1_721_044_800_000));
        assert_eq!(offset_minutes(january, &berlin), 60);
        assert_eq!(offset_minutes(july, &berlin), 120);
        assert_eq!(offset_minutes(july, &TimeZone::get("Asia/Kolkata").unwrap()), 330);
        assert_eq!(offset_minutes(Timestamp(i64::MAX), &berlin), 0);
    }

    #[test]
    fn ticks_never_go_back_and_the_wall_clock_is_past_2020() {
        let clock = SystemClock::new(TimeZone::UTC);
        let first = clock.tick_ms();
        assert!(clock.tick_ms() >= first);
        assert!(clock.now() > Timestamp(1_577_836_800_000));
        assert_eq!(clock.claimed().offset_minutes, 0);
    }

    #[test]
    fn two_draws_of_entropy_differ() {
        assert_ne!(entropy16().unwrap(), entropy16().unwrap());
        assert_ne!(entropy32().unwrap(), entropy32().unwrap());
    }
}
