//! No room to keep what comes: nothing is asked for until there may be room again.
//!
//! Only the caller knows whether there is room; it says so by putting a chunk off. What was offered stays wanted, links and
//! everything else go on.

use crate::limits::{ROOM_WAIT_FIRST_MS, ROOM_WAIT_MAX_MS};
use crate::tick::Tick;

/// Whether something was put off, and when to ask again.
#[derive(Debug, Default)]
pub(super) struct State {
    until: Option<Tick>,
    /// How long the last wait was, in milliseconds; 0 where there was none since something was kept.
    wait_ms: u64,
}

impl State {
    /// A chunk was put off; answers until when nobody is asked.
    pub(super) fn put_off(&mut self, now: Tick) -> Tick {
        if let Some(until) = self.until {
            // The rest of one answer.
            return until;
        }
        self.wait_ms = (self.wait_ms * 2).clamp(ROOM_WAIT_FIRST_MS, ROOM_WAIT_MAX_MS);
        *self.until.insert(now.plus_ms(self.wait_ms))
    }

    /// Something was kept.
    pub(super) fn kept(&mut self) {
        *self = Self::default();
    }

    /// Whether nobody is asked.
    pub(super) fn is_waiting(&self) -> bool {
        self.until.is_some()
    }

    pub(super) fn due(&self) -> Option<Tick> {
        self.until
    }

    /// The wait is over: what is wanted may be asked for.
    pub(super) fn timeout(&mut self, now: Tick) {
        self.until = self.until.filter(|until| *until > now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wait_in_vain_is_longer_up_to_a_bound_and_the_rest_of_an_answer_does_not_lengthen_it() {
        let (mut state, mut now, mut last) = (State::default(), Tick(7), 0);
        for _ in 0..12 {
            let until = state.put_off(now);
            assert_eq!(state.put_off(now.plus_ms(1)), until);
            let wait = until.since_ms(now);
            assert!(wait > last || wait == ROOM_WAIT_MAX_MS, "{wait} after {last}");
            state.timeout(now);
            assert!(state.is_waiting());
            state.timeout(until);
            assert!(!state.is_waiting() && state.due().is_none());
            (now, last) = (until, wait);
        }
        assert_eq!(last, ROOM_WAIT_MAX_MS);
        state.kept();
        assert_eq!(state.put_off(now).since_ms(now), ROOM_WAIT_FIRST_MS);
    }
}
