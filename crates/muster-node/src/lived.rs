//! The time in which this node could act: what it slept through or worked through without looking up does not count.
//!
//! Deadlines stand in this time, so that a slow disk, a stopped process or a long fold is never held against a peer whose
//! frames were waiting here all along.

/// How much of one round of work, or of a wait beyond what was meant, counts, in milliseconds: far less than any deadline
/// that a peer is held to, and more than a round takes on a machine that keeps up.
const ROUND_MAX_MS: u64 = 2_000;

/// The lived time, by the real one.
#[derive(Debug)]
pub(crate) struct Lived {
    real_ms: u64,
    lived_ms: u64,
}

impl Lived {
    /// Both begin with the same.
    pub(crate) fn new(real_ms: u64) -> Self {
        Self { real_ms, lived_ms: real_ms }
    }

    /// The real time is `real_ms` now, of which `meant_ms` were waited for on purpose. Answers the lived time.
    pub(crate) fn pass(&mut self, real_ms: u64, meant_ms: u64) -> u64 {
        let passed = real_ms.saturating_sub(self.real_ms);
        let counts = passed.min(meant_ms.saturating_add(ROUND_MAX_MS));
        if passed > counts {
            tracing::warn!(ms = passed - counts, "this node stood still; its peers are given that much longer");
        }
        self.real_ms = self.real_ms.max(real_ms);
        self.lived_ms = self.lived_ms.saturating_add(counts);
        self.lived_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use muster_sync::limits::PROGRESS_TIMEOUT_MS;

    #[test]
    fn a_node_that_stood_still_holds_nobody_to_a_deadline_that_passed_meanwhile() {
        let mut lived = Lived::new(1_000);
        let asked = lived.pass(1_010, 0);
        // A sync to disk that takes a minute, and a process that is stopped for an hour while it waits for a second.
        let after_sync = lived.pass(61_010, 0);
        let after_stop = lived.pass(3_661_010, 1_000);
        assert!(after_sync < asked + PROGRESS_TIMEOUT_MS && after_stop < asked + PROGRESS_TIMEOUT_MS);
    }

    #[test]
    fn what_was_waited_for_on_purpose_counts_to_the_millisecond() {
        let mut lived = Lived::new(0);
        assert_eq!(lived.pass(60_000, 60_000), 60_000);
        assert_eq!(lived.pass(60_300, 0), 60_300);
        assert_eq!(lived.pass(60_200, 0), 60_300, "it never goes back");
    }
}
