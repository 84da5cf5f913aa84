//! Who is not let sync by somebody whom they take for a member shows the roster, as the real node does when its dial is
//! turned away; and in the end nobody is turned away who is in the team by what both hold together.

use crate::failure::Wrong;
use crate::world::{Event, World};
use muster_log::{DagId, Entry, Ledger, TeamId};
use muster_replica::JoinAnswer;

/// Of 1,000 times that somebody looks for those without a link, so often whoever turns them away is shown the roster.
const SHOWN: u64 = 300;

impl World {
    /// Everybody who is turned away shows the roster, now and then.
    pub(crate) fn appeal_all(&mut self) -> Result<(), Wrong> {
        for from in 0..self.nodes.len() {
            for to in 0..self.nodes.len() {
                if self.is_turned_away(from, to) && !self.overlooks(from, to) && self.rng.chance(SHOWN) {
                    self.appeal(from, to)?;
                }
            }
        }
        Ok(())
    }

    /// Whether a node dials another that does not take it for a member.
    fn is_turned_away(&self, from: usize, to: usize) -> bool {
        let knows = |a: usize, b: usize| self.nodes[a].members.contains(&self.nodes[b].key);
        from != to && knows(from, to) && !knows(to, from) && self.reaches(from, to) && self.links.is_free(from, to)
    }

    fn appeal(&mut self, from: usize, to: usize) -> Result<(), Wrong> {
        if !self.try_commit(from)? {
            return Ok(());
        }
        let (now, peer) = (self.nodes[from].now(self.now), self.nodes[to].key);
        let Some(replica) = &mut self.nodes[from].replica else { return Ok(()) };
        if let Some(request) = replica.appeal(&peer, now) {
            let after = self.travel_ms();
            self.plan(after, Event::Appealed { from, to, request });
        }
        Ok(())
    }

    pub(crate) fn appealed(&mut self, from: usize, to: usize, request: &[u8]) -> Result<(), Wrong> {
        if !self.reaches(from, to) || self.rng.chance(self.faults.loss) {
            return Ok(());
        }
        let (now, peer) = (self.nodes[to].now(self.now), self.nodes[from].key);
        let entries = |world: &Self| Some(world.nodes[to].replica.as_ref()?.ledger(&world.team?).ok()?.len());
        let had = entries(self);
        let Some(replica) = &mut self.nodes[to].replica else { return Ok(()) };
        let answer = replica.answer_join(&peer, request, now);
        let Some(answer) = self.staged(to, "answer an appeal", answer)? else { return Ok(()) };
        tracing::debug!(from, to, at = self.now, ?answer, "shown the roster");
        match answer {
            JoinAnswer::Welcome => {
                self.tally.decisions.heard += 1;
                self.last_frame_at = self.now; // there is to be a link
            }
            JoinAnswer::Refused { .. } => {
                self.tally.decisions.unheard += 1;
                if entries(self) != had {
                    let error = format!("it refused node {from} and took something of it");
                    return Err(Wrong::Failed { node: to, doing: "answer an appeal", error });
                }
            }
        }
        Ok(())
    }

    /// Somebody who is turned away by whom they reach, and is in the team by what both hold; `None` where all is as it must
    /// be in the end.
    pub(crate) fn wrongly_turned_away(&self, team: TeamId) -> Option<String> {
        if !self.is_full_mesh() {
            return None; // not everybody dials everybody
        }
        let turned_away = |from: usize| self.honest().filter(move |to| self.is_turned_away(from, *to));
        let (from, to) = self
            .honest()
            .flat_map(|from| turned_away(from).map(move |to| (from, to)))
            .find(|(from, to)| self.are_a_team_by_both(*from, *to, team))?;
        Some(format!("node {to} turns node {from} away, which is in the team by what both hold"))
    }

    fn are_a_team_by_both(&self, from: usize, to: usize, team: TeamId) -> bool {
        let roster = |n: usize| self.nodes[n].replica.as_ref()?.ledger(&team).ok()?.dag(&DagId::from(team));
        let (Some(ours), Some(theirs)) = (roster(to), roster(from)) else { return false };
        let mut both = Ledger::new(team);
        let entries = || ours.entries().chain(theirs.entries()).cloned();
        entries().try_for_each(|entry: Entry| both.restore(entry)).is_ok()
            && both.roster().person_of(&self.nodes[from].key).is_some()
    }
}
