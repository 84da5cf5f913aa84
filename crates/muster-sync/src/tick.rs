//! Time as the replicator sees it: milliseconds since the node started, handed in with every input.
//!
//! Wall clocks are [`muster_log::Timestamp`]; nothing here reads either.

/// Milliseconds since the node started. Never goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Tick(pub u64);

impl Tick {
    /// The later by `ms` milliseconds, held at the end of the range.
    pub const fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this; 0 where it is not earlier.
    pub const fn since_ms(self, earlier: Tick) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}
