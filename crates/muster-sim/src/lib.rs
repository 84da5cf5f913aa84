//! The simulator: many replicas, one virtual clock, one seed, and everything that can go wrong between them.
//!
//! Each node is the real [`muster_replica::Replica`] over [`muster_store::MemoryStore`]; only waiting, carrying bytes and
//! telling the time are simulated, as `muster-node` and `muster-net` would do them. A history is drawn from its seed:
//! people write, links delay and break, the network falls apart, nodes crash between write and commit and come back in a
//! new session, clocks are hours off, newcomers arrive late and bring along what they declared alone.
//!
//! # What must hold
//!
//! - Always: what was acknowledged is there after any crash; memory is what the disk says; a restart changes nothing that
//!   is shown; equal sets give byte-equal views; nobody is shown to hold what their disk lacks; an incident is
//!   with nobody who may not hold it; no honest replica accuses another; nothing panics.
//! - In the end, once all faults are over: the network falls silent, and not before all replicas hold the same.
//!
//! A failure names its seed and the command that replays it. Reading order: `world` is the loop, `shell` what stands around
//! each replica, `network` and `power` what is around that, `people` and `acts` who writes what, `faults` and `link` what
//! goes wrong, `gossip` how neighbours pass on messages, `joining` how newcomers get in, `decisions` who removes whom, `appeals` who shows the roster to whom, `check`
//! and `record` what must hold; `liar` and `weather` what comes on top where members lie. `on_disk` stands apart: two replicas over the
//! store on disk, which fails.

#![cfg_attr(test, allow(clippy::unwrap_used))] // a panic is a failed test

mod acts;
mod appeals;
mod broken;
mod check;
mod decisions;
mod failure;
mod faults;
mod gossip;
mod joining;
mod liar;
mod link;
mod network;
mod node;
mod on_disk;
mod outsiders;
mod people;
mod power;
mod record;
mod rng;
mod seeds;
mod shell;
mod weather;
mod world;

pub use decisions::Decisions;
pub use failure::{Failure, Tally, Wrong};
pub use liar::{Lie, LieCounts};
pub use on_disk::{DiskFailure, DiskTally, play_on_disk};
pub use seeds::{FoundSeed, found_seeds};

use std::panic::{AssertUnwindSafe, catch_unwind};
use world::World;

/// Replicas in a history unless something else is asked for.
pub const REPLICAS: usize = 5;

/// Most nodes, liars among them.
pub const REPLICAS_MAX: usize = 100;

/// Honest replicas that a history with liars has at least: two, so that there is somebody to agree with.
pub const HONEST_MIN: usize = 2;

/// Within so many seconds after the last fault all must agree and be quiet: many times the longest wait of the protocol.
const AGREE_S_MAX: u64 = 600;

/// Nothing sent for so long is silence: longer than the longest wait before a replica asks again.
const QUIET_MS: u64 = muster_sync::limits::RETRY_LAST_MS + 5_000;

/// How nodes treat their replicas. Those that are broken exist to show that the simulator would notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shell {
    /// As the real node does.
    #[default]
    Honest,
    /// Tells people that their write is safe before it is.
    AcknowledgesBeforeCommit,
    /// Takes a failed commit for a good one.
    IgnoresFailedCommits,
    /// Passes on what liars say before its replica has judged it.
    PassesOnUnread,
    /// Keeps every frame for ever.
    LeaksFrames,
    /// Shows what it may have sent as held by everybody whom it has a link to.
    CountsWhatItSent,
    /// Says everything to liars again and again.
    Repeats,
    /// Sends to liars a hundred times as much as there is to say.
    Bloats,
    /// One node keeps entries back that it was asked for.
    WithholdsEntries,
    /// Two nodes never have a link.
    OverlooksAPeer,
    /// One node shows one entry less than there are.
    DropsAStatus,
    /// One node shows entries as late that are not.
    MistakesAStatus,
}

/// What to play.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setup {
    /// How many replicas, from 2 to [`REPLICAS_MAX`].
    pub replicas: usize,
    /// What shell they have.
    pub shell: Shell,
    /// How many liars there are besides.
    pub liars: usize,
    /// The one way in which they lie; else each seed draws its own.
    pub lie: Option<Lie>,
    /// How many incidents the founder declares at the beginning.
    pub incidents: usize,
    /// How many of 1,000 newcomers come as guests of one incident, and whether people admit each other. Without liars.
    pub guests: u64,
    /// How many of 1,000 acts decide who is in the team.
    pub decisions: u64,
}

impl Default for Setup {
    fn default() -> Self {
        Self { replicas: REPLICAS, shell: Shell::Honest, liars: 0, lie: None, incidents: 0, guests: 0, decisions: 0 }
    }
}

/// Plays the history of one seed to its end.
///
/// # Errors
/// [`Failure`], where a promise was broken. The same seed and setup fail in the same way, every time.
pub fn play(seed: u64, setup: &Setup) -> Result<Tally, Box<Failure>> {
    let liars = setup.liars.min(REPLICAS_MAX - HONEST_MIN);
    let setup = Setup { replicas: setup.replicas.clamp(HONEST_MIN, REPLICAS_MAX - liars), liars, ..*setup };
    let failure = |at_ms, wrong| Box::new(Failure { seed, setup, at_ms, wrong });
    let played = catch_unwind(AssertUnwindSafe(|| {
        let mut world = World::new(seed, &setup);
        match history(&mut world) {
            Ok(()) => Ok(world.tally),
            Err(wrong) => Err(failure(Some(world.now), wrong)),
        }
    }));
    played.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        Err(failure(None, Wrong::Panic(text.unwrap_or("without a word").to_owned())))
    })
}

fn history(world: &mut World) -> Result<(), Wrong> {
    world.begin()?;
    world.run_until(world.faults.span_ms)?;
    world.heal();
    let healed_at = world.now;
    while world.now < healed_at + AGREE_S_MAX * 1_000 {
        world.run_until(world.now + 1_000)?;
        let since = world.now.saturating_sub(world.last_frame_at.max(healed_at));
        if since >= QUIET_MS {
            return match world.disagreement() {
                None => world.check_end(),
                Some(what) => Err(Wrong::QuietApart { what }),
            };
        }
    }
    let what = world.disagreement().unwrap_or_else(|| "all agree and still send frames".to_owned());
    Err(Wrong::NotQuiet { seconds: AGREE_S_MAX, what })
}
