//! Weather of histories with liars: networks that carry one way only, and honest clocks in another century.
//!
//! It is drawn from a generator of its own, so that histories without it stay what they were.

use crate::rng::Rng;
use crate::world::{Event, World};
use std::collections::BTreeSet;

/// 2099-07-01 00:00 UTC, in milliseconds.
pub(crate) const YEAR_2099_MS: i64 = 4_086_547_200_000;

/// From the simulated present to 2099 and to 1970, roughly: 73 and 56 years.
const ADRIFT_MS: [i64; 2] = [73 * 31_557_600_000, -56 * 31_557_600_000];

/// Clocks that are adrift at most: with too many a newcomer would find nobody who honours a ticket.
const ADRIFT_NODES_MAX: usize = 2;

/// The weather of one history.
#[derive(Debug, Default)]
pub(crate) struct Weather {
    rng: Option<Rng>,
    /// Mean time between two spells; `None` = none.
    every_ms: Option<u64>,
    /// From whom to whom nothing gets through.
    blocked: BTreeSet<(usize, usize)>,
}

impl Weather {
    /// Weather for `nodes` nodes, and by how much each clock is adrift.
    pub(crate) fn draw(mut rng: Rng, nodes: usize) -> (Self, Vec<i64>) {
        let every_ms = rng.pick(&[0, 6_000, 20_000]).copied().filter(|ms| *ms > 0);
        let mut adrift = vec![0; nodes];
        // Node 0 issues the tickets.
        for _ in 0..rng.below(ADRIFT_NODES_MAX as u64 + 1) {
            if let Some(clock) = adrift.get_mut(1 + rng.index(nodes.saturating_sub(1))) {
                *clock = rng.pick(&ADRIFT_MS).copied().unwrap_or_default();
            }
        }
        (Self { rng: Some(rng), every_ms, blocked: BTreeSet::new() }, adrift)
    }

    /// Whether bytes get from one node to another.
    pub(crate) fn carries(&self, from: usize, to: usize) -> bool {
        !self.blocked.contains(&(from, to))
    }

    /// Whether a link can be made: that takes both ways.
    pub(crate) fn carries_both_ways(&self, a: usize, b: usize) -> bool {
        self.carries(a, b) && self.carries(b, a)
    }
}

impl World {
    /// Plans the next spell, while there is still something going wrong.
    pub(crate) fn plan_spell(&mut self) {
        let Some(every) = self.weather.every_ms.filter(|_| self.now < self.faults.span_ms) else { return };
        if let Some(rng) = &mut self.weather.rng {
            let after = rng.between(every / 4, every.saturating_mul(7) / 4);
            self.plan(after, Event::Spell { ends: false });
        }
    }

    /// Some node is heard no more, or by some no more, and hears all; or the spell is over.
    pub(crate) fn spell(&mut self, ends: bool) {
        if ends || self.now >= self.faults.span_ms {
            self.clear_up();
            self.plan_spell();
            return;
        }
        let (all, Some(rng)) = (self.nodes.len(), &mut self.weather.rng) else { return };
        let unheard = rng.index(all);
        let by_all = rng.chance(300);
        let deaf: Vec<usize> = (0..all).filter(|other| *other != unheard && (by_all || rng.chance(500))).collect();
        // Up to more than the longest wait for progress, so that both ends of that are seen.
        let after = rng.between(1_000, 30_000);
        tracing::info!(unheard, ?deaf, at = self.now, "one way only");
        self.weather.blocked = deaf.into_iter().map(|other| (unheard, other)).collect();
        self.plan(after, Event::Spell { ends: true });
    }

    /// Everything gets through again; links that lost something are broken.
    pub(crate) fn clear_up(&mut self) {
        for (from, to) in std::mem::take(&mut self.weather.blocked) {
            self.cut(from, to);
        }
    }
}
