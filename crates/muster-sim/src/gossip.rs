//! Gossip as neighbours do it: whoever has accepted a message passes it on to its other neighbours. Messages overtake each
//! other, are lost on the way to one neighbour and come to the rest, and come again after a restart.

use crate::failure::Wrong;
use crate::world::{Event, World};
use muster_log::{DagId, IncidentId, TeamId};
use muster_replica::Input;
use muster_sync::frame::{Announcement, Gossip, TeamPrefix};
use muster_sync::{GossipId, Verdict};
use std::collections::{BTreeMap, BTreeSet};

/// Names a message.
pub(crate) type MessageId = usize;

/// A message that was published.
#[derive(Debug)]
struct Message {
    team: TeamId,
    bytes: Vec<u8>,
    /// A sign of life comes for ever and does not count as unrest.
    is_presence: bool,
}

/// All gossip there is.
#[derive(Debug, Default)]
pub(crate) struct Air {
    messages: Vec<Message>,
    /// Who has had which message since its last start.
    had: BTreeSet<(usize, MessageId)>,
    /// What waits for a verdict: by whom and under which number; from whom it came, and which it is.
    waiting: BTreeMap<(usize, u64), (usize, MessageId)>,
    numbered: u64,
}

impl Air {
    /// The messages that a node has had.
    pub(crate) fn heard_by(&self, n: usize) -> Vec<Vec<u8>> {
        let had = self.had.range((n, 0)..=(n, MessageId::MAX));
        had.filter_map(|(_, message)| Some(self.messages.get(*message)?.bytes.clone())).collect()
    }

    /// A node went down, and with it what it remembered.
    pub(crate) fn forget(&mut self, n: usize) {
        self.had.retain(|(at, _)| *at != n);
        self.waiting.retain(|(at, _), _| *at != n);
    }
}

impl World {
    /// Tells a node whether another takes part, where it does so itself.
    pub(crate) fn gossiping(&mut self, n: usize, peer: usize, is: bool) -> Result<(), Wrong> {
        let Some(team) = self.team.filter(|_| self.nodes[n].gossips && self.nodes[peer].gossips) else {
            return Ok(());
        };
        let peer = self.nodes[peer].key;
        self.input(n, Input::Gossiping { team, peer, is })
    }

    pub(crate) fn publish(&mut self, n: usize, team: TeamId, bytes: Vec<u8>) -> Result<(), Wrong> {
        if Some(team) != self.team || !self.nodes[n].gossips {
            return Ok(());
        }
        let message = Gossip::decode(&bytes, TeamPrefix::from(team));
        if let Ok(Gossip::Entries(dag, _) | Gossip::Announcement(Announcement { dag, .. })) = message {
            let incident = IncidentId::of_genesis(dag.genesis());
            let ledger = self.nodes[n].replica.as_ref().and_then(|replica| replica.ledger(&team).ok());
            if dag != DagId::from(team) && ledger.is_some_and(|ledger| ledger.names(&incident).is_some()) {
                return Err(Wrong::Leaked { node: n, incident });
            }
        }
        let is_presence = matches!(message, Ok(Gossip::Presence(_)));
        self.air.messages.push(Message { team, bytes, is_presence });
        let message = self.air.messages.len() - 1;
        self.air.had.insert((n, message));
        self.pass_on(n, None, message);
        Ok(())
    }

    fn pass_on(&mut self, n: usize, from: Option<usize>, message: MessageId) {
        for to in self.links.peers(n) {
            let is_deaf = self.decides && !self.nodes[n].audience.contains(&self.nodes[to].key);
            if Some(to) == from || is_deaf || !self.nodes[to].gossips || self.rng.chance(self.faults.gossip_loss) {
                continue;
            }
            if !self.air.messages[message].is_presence {
                self.last_frame_at = self.now;
            }
            let after = self.travel_ms();
            self.plan(after, Event::Hear { from: n, to, message });
        }
    }

    /// A liar gives a message to one neighbour, as its own or another's.
    pub(crate) fn whisper(&mut self, n: usize, to: usize, bytes: Vec<u8>) {
        let Some(team) = self.team.filter(|_| self.nodes[to].gossips && self.weather.carries(n, to)) else { return };
        self.air.messages.push(Message { team, bytes, is_presence: true });
        let message = self.air.messages.len() - 1;
        self.air.had.insert((n, message));
        let after = self.travel_ms();
        self.plan(after, Event::Hear { from: n, to, message });
    }

    pub(crate) fn hear(&mut self, from: usize, to: usize, message: MessageId) -> Result<(), Wrong> {
        let is_unheard = self.decides && !self.nodes[to].audience.contains(&self.nodes[from].key);
        if !self.reaches(from, to) || is_unheard || !self.air.had.insert((to, message)) {
            return Ok(());
        }
        let Message { team, bytes, is_presence } = &self.air.messages[message];
        let (team, bytes) = (*team, bytes.clone());
        self.tally.gossip += u64::from(!is_presence);
        self.air.numbered += 1;
        let gossip = GossipId(self.air.numbered);
        self.air.waiting.insert((to, gossip.0), (from, message));
        let peer = self.nodes[from].key;
        self.begin_answer();
        self.input(to, Input::Gossip { team, peer, gossip, bytes })?;
        self.check_answer(from, to)
    }

    /// A node has judged a message.
    pub(crate) fn judged(&mut self, n: usize, gossip: GossipId, verdict: Verdict) -> Result<(), Wrong> {
        let Some((from, message)) = self.air.waiting.remove(&(n, gossip.0)) else { return Ok(()) };
        match verdict {
            Verdict::Accept => self.pass_on(n, Some(from), message),
            Verdict::Ignore => {}
            Verdict::Reject if self.is_liar(from) || self.is_liar(n) => self.tally.rejected += 1,
            Verdict::Reject => {
                let reason = "its gossip was rejected".to_owned();
                return Err(Wrong::Accused { node: n, peer: from, reason });
            }
        }
        Ok(())
    }
}
