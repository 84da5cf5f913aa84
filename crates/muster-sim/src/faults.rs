//! What goes wrong in one history, and how much is going on. Each seed draws its own mixture: some histories are calm
//! and fast, others lose something every second, for faults hide in combinations.

use crate::rng::Rng;
use muster_store::{FailedCommit, MemoryStore};

/// How much shorter histories with liars are.
const SHORTER: u64 = 6;

/// How many times as many acts there are in histories with decisions.
const HASTE: u64 = 3;

/// The rates of one history. Times in milliseconds, chances of 1,000.
#[derive(Debug, Clone)]
pub(crate) struct Faults {
    /// How long people write and faults happen.
    pub(crate) span_ms: u64,
    /// Mean time between two acts of anybody.
    pub(crate) act_every_ms: u64,
    /// Longest time a frame travels.
    pub(crate) delay_ms: u64,
    /// That a frame is lost, which breaks its link.
    pub(crate) loss: u64,
    /// Longest time until an end notices that its link is broken.
    pub(crate) notice_ms: u64,
    /// Mean time between two crashes; `None` = none.
    pub(crate) crash_every_ms: Option<u64>,
    /// That a node crashes between a write and its commit.
    pub(crate) crash_on_write: u64,
    /// Mean time between two partitions; `None` = none.
    pub(crate) partition_every_ms: Option<u64>,
    /// That a store, once opened, will fail one of its commits.
    pub(crate) bad_store: u64,
    /// How far a device's clock may be off, either way.
    pub(crate) skew_ms: u64,
    /// That a node takes part in gossip.
    pub(crate) gossips: u64,
    /// That a gossip message is lost on its way to one neighbour.
    pub(crate) gossip_loss: u64,
    /// That a newcomer declares alone before joining.
    pub(crate) declares_alone: u64,
}

impl Faults {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let mut one_of = |values: &[u64]| rng.pick(values).copied().unwrap_or_default();
        Self {
            span_ms: one_of(&[20_000, 40_000, 90_000]),
            act_every_ms: one_of(&[300, 800, 2_000]),
            delay_ms: one_of(&[2, 50, 400, 3_000]),
            loss: one_of(&[0, 0, 5, 30]),
            notice_ms: one_of(&[5, 1_000, 15_000]),
            crash_every_ms: Some(one_of(&[0, 4_000, 12_000])).filter(|ms| *ms > 0),
            crash_on_write: one_of(&[0, 30, 120]),
            partition_every_ms: Some(one_of(&[0, 8_000, 25_000])).filter(|ms| *ms > 0),
            bad_store: one_of(&[0, 200, 600]),
            skew_ms: one_of(&[0, 2_000, 5 * 3_600_000]),
            declares_alone: one_of(&[0, 500, 900]),
            gossips: one_of(&[0, 700, 1_000, 1_000]),
            gossip_loss: one_of(&[0, 20, 300]),
        }
    }

    /// Prepares a store that is about to be opened for what will go wrong with it.
    pub(crate) fn prepare(&self, store: &mut MemoryStore, rng: &mut Rng) {
        store.set_full(false);
        if rng.chance(self.bad_store) {
            let outcome = if rng.chance(500) { FailedCommit::Kept } else { FailedCommit::Lost };
            match rng.below(8) {
                0 => store.set_full(true),
                _ => store.fail_commit(rng.between(1, 25), outcome),
            }
        }
    }

    /// Less of everything, for histories with liars, in which each second costs more.
    pub(crate) fn shorten(&mut self) {
        self.span_ms /= SHORTER;
    }

    /// More acts, for histories in which many of them are decisions.
    pub(crate) fn hasten(&mut self) {
        self.act_every_ms /= HASTE;
    }

    /// From now on nothing goes wrong any more. What is under way goes on.
    pub(crate) fn end(&mut self) {
        self.delay_ms = self.delay_ms.min(50);
        self.loss = 0;
        self.gossip_loss = 0;
        self.crash_every_ms = None;
        self.crash_on_write = 0;
        self.partition_every_ms = None;
        self.bad_store = 0;
    }
}

/// A clock's error, either way.
pub(crate) fn skew(rng: &mut Rng, at_most_ms: u64) -> i64 {
    let size = i64::try_from(rng.between(0, at_most_ms)).unwrap_or(0);
    if rng.chance(500) { size } else { -size }
}
