//! The world: virtual time, what happens when, and the shell around each replica, which does what a node does.
//!
//! What people do is in `acts`, what goes wrong in `faults` and `link`, joining in `joining`, what must hold in `check`.

use crate::acts;
use crate::failure::{Tally, Wrong};
use crate::faults::Faults;
use crate::gossip::{Air, MessageId};
use crate::liar::Liars;
use crate::link::{LinkId, Links, Orphan};
use crate::node::{Node, Promise};
use crate::rng::Rng;
use crate::weather::Weather;
use crate::{Setup, Shell};
use muster_log::{DeviceKey, IncidentId, TeamId};
use muster_replica::{Effect, Input, JoinAnswer, ReplicaError};
use std::collections::BTreeMap;

/// Between two rounds of dialling.
const DIAL_EVERY_MS: u64 = 400;

/// Between two looks at what must always hold.
const LOOK_EVERY_MS: u64 = 6_000;

/// Timeouts of one node at one moment, past which it will never be content.
const TIMEOUTS_AT_ONCE_MAX: u32 = 1_000;

/// Something that will happen.
#[derive(Debug)]
pub(crate) enum Event {
    /// Somebody does something.
    Act,
    /// A node commits what its people wrote.
    Commit(usize),
    /// Some node loses power.
    Crash,
    /// A node starts.
    Start(usize),
    /// The network falls apart, or is whole again.
    Partition,
    Whole,
    /// Members without a link look for each other.
    Dial,
    Arrive {
        from: usize,
        to: usize,
        link: LinkId,
        frame: Vec<u8>,
    },
    Notice(Orphan),
    /// A gossip message reaches a neighbour.
    Hear {
        from: usize,
        to: usize,
        message: MessageId,
    },
    /// A newcomer tries to get in.
    Join(usize),
    JoinAsked {
        from: usize,
        to: usize,
        request: Vec<u8>,
    },
    JoinAnswered {
        by: usize,
        to: usize,
        answer: JoinAnswer,
    },
    Look,
    /// A liar lies.
    Lie(usize),
    /// Something carries one way only, or both ways again.
    Spell {
        ends: bool,
    },
}

/// Everything there is.
pub(crate) struct World {
    pub(crate) now: u64,
    pub(crate) rng: Rng,
    pub(crate) faults: Faults,
    pub(crate) nodes: Vec<Node>,
    pub(crate) team: Option<TeamId>,
    pub(crate) tally: Tally,
    pub(crate) last_frame_at: u64,
    pub(crate) liars: Liars,
    pub(crate) weather: Weather,
    shell: Shell,
    pub(crate) links: Links,
    pub(crate) air: Air,
    /// In which part of the network each node is.
    parts: Vec<u64>,
    /// By time and then by order of planning.
    plan: BTreeMap<(u64, u64), Event>,
    planned: u64,
    /// Timeouts given to one node without time going by.
    timeouts: (u64, u32),
}

impl World {
    pub(crate) fn new(seed: u64, setup: &Setup) -> Self {
        let mut rng = Rng::new(seed);
        let mut faults = Faults::draw(&mut rng);
        if setup.liars > 0 {
            faults.shorten();
        }
        tracing::info!(seed, ?faults, "history");
        let all = setup.replicas + setup.liars;
        let mut nodes: Vec<Node> = (0..all).map(|number| Node::new(number, &faults, &mut rng)).collect();
        let liars = Liars::draw(&mut rng.clone().fork(), setup.replicas, setup.liars, setup.lie);
        let mut weather = Weather::default();
        if setup.liars > 0 {
            let (drawn, adrift) = Weather::draw(Rng::new(!seed), setup.replicas);
            weather = drawn;
            nodes.iter_mut().zip(adrift).for_each(|(node, adrift)| node.adrift_ms = adrift);
        }
        Self {
            now: 0,
            parts: vec![0; nodes.len()],
            rng,
            faults,
            nodes,
            team: None,
            tally: Tally { histories: 1, ..Tally::default() },
            last_frame_at: 0,
            liars,
            weather,
            shell: setup.shell,
            links: Links::default(),
            air: Air::default(),
            plan: BTreeMap::new(),
            planned: 0,
            timeouts: (0, 0),
        }
    }

    /// Starts all nodes, founds the team and plans what goes on.
    pub(crate) fn begin(&mut self) -> Result<(), Wrong> {
        for n in 0..self.nodes.len() {
            self.start(n)?;
        }
        self.found_team()?;
        for n in 1..self.nodes.len() {
            // Most are there soon, some come when much has happened.
            let latest = if self.rng.chance(300) && !self.is_liar(n) { self.faults.span_ms } else { 3_000 };
            let at = self.rng.between(0, latest);
            self.plan(at, Event::Join(n));
        }
        self.plan(0, Event::Dial);
        self.plan(100, Event::Act);
        self.plan(LOOK_EVERY_MS, Event::Look);
        self.plan_some(self.faults.crash_every_ms, Event::Crash);
        self.plan_some(self.faults.partition_every_ms, Event::Partition);
        self.plan_lies();
        self.plan_spell();
        Ok(())
    }

    /// Lets things happen until `end`.
    pub(crate) fn run_until(&mut self, end: u64) -> Result<(), Wrong> {
        loop {
            let due = self.nodes.iter().enumerate().filter_map(|(n, node)| Some((node.deadline()?, n))).min();
            let next = self.plan.first_key_value().map(|(key, _)| *key);
            match (due, next) {
                (Some((at, n)), next) if at <= end && next.is_none_or(|(planned, _)| at <= planned) => {
                    self.pass_to(at);
                    self.timeout(n)?;
                }
                (_, Some(key)) if key.0 <= end => {
                    self.pass_to(key.0);
                    if let Some(event) = self.plan.remove(&key) {
                        self.happen(event)?;
                    }
                }
                _ => {
                    self.pass_to(end);
                    return Ok(());
                }
            }
        }
    }

    fn pass_to(&mut self, at: u64) {
        if at > self.now {
            self.now = at;
            self.timeouts = (at, 0);
        }
    }

    pub(crate) fn plan(&mut self, after_ms: u64, event: Event) {
        self.planned += 1;
        self.plan.insert((self.now.saturating_add(after_ms), self.planned), event);
    }

    /// Plans the next of something that happens about every so often, unless it never does or its time is over.
    fn plan_some(&mut self, every_ms: Option<u64>, event: Event) {
        if let Some(every) = every_ms
            && self.now < self.faults.span_ms
        {
            let after = self.rng.between(every / 4, every.saturating_mul(7) / 4);
            self.plan(after, event);
        }
    }

    fn happen(&mut self, event: Event) -> Result<(), Wrong> {
        match event {
            Event::Act => {
                self.act()?;
                self.plan_some(Some(self.faults.act_every_ms), Event::Act);
            }
            Event::Commit(n) => self.commit(n)?,
            Event::Crash => {
                if self.faults.crash_every_ms.is_some() {
                    let n = self.rng.index(self.nodes.len());
                    let in_order = self.rng.chance(250);
                    self.stop(n, in_order)?;
                }
                self.plan_some(self.faults.crash_every_ms, Event::Crash);
            }
            Event::Start(n) => self.start(n)?,
            Event::Partition => {
                if self.faults.partition_every_ms.is_some() {
                    self.part();
                }
            }
            Event::Whole => {
                self.parts.fill(0);
                self.plan_some(self.faults.partition_every_ms, Event::Partition);
            }
            Event::Dial => {
                self.dial()?;
                self.plan(DIAL_EVERY_MS, Event::Dial);
            }
            Event::Arrive { from, to, link, frame } => {
                if self.links.hears(to, from, link) && self.takes(to, from, link, &frame) {
                    let peer = self.nodes[from].key;
                    self.begin_answer();
                    if self.shell == Shell::PassesOnUnread && self.is_liar(from) {
                        self.relay(to, &frame)?;
                    }
                    self.input(to, Input::Frame { peer, bytes: frame })?;
                    self.check_answer(from, to)?;
                }
            }
            Event::Notice(orphan) => {
                if self.links.notice(&orphan) {
                    let peer = self.nodes[orphan.peer].key;
                    self.gossiping(orphan.at, orphan.peer, false)?;
                    self.input(orphan.at, Input::Disconnected { peer })?;
                }
            }
            Event::Hear { from, to, message } => self.hear(from, to, message)?,
            Event::Join(n) => self.join(n)?,
            Event::JoinAsked { from, to, request } => self.join_asked(from, to, &request)?,
            Event::JoinAnswered { by, to, answer } => self.join_answered(by, to, answer)?,
            Event::Look => {
                self.look()?;
                if self.now < self.faults.span_ms {
                    self.plan(LOOK_EVERY_MS, Event::Look);
                }
            }
            Event::Lie(n) => self.lie(n)?,
            Event::Spell { ends } => self.spell(ends),
        }
        Ok(())
    }

    // The shell of a node: what it gives to the replica and what it does with what comes out.

    fn timeout(&mut self, n: usize) -> Result<(), Wrong> {
        self.timeouts.1 += 1;
        if self.timeouts.1 > TIMEOUTS_AT_ONCE_MAX {
            return Err(Wrong::Spins { node: n });
        }
        self.input(n, Input::Timeout)
    }

    pub(crate) fn input(&mut self, n: usize, input: Input) -> Result<(), Wrong> {
        let now = self.nodes[n].now(self.now);
        let Some(replica) = &mut self.nodes[n].replica else { return Ok(()) };
        let done = replica.handle(input, now);
        self.settle(n, done).map(drop)
    }

    pub(crate) fn commit(&mut self, n: usize) -> Result<(), Wrong> {
        self.try_commit(n).map(drop)
    }

    /// Commits; whether that went well, so that somebody may be told.
    pub(crate) fn try_commit(&mut self, n: usize) -> Result<bool, Wrong> {
        let now = self.nodes[n].now(self.now);
        let Some(replica) = &mut self.nodes[n].replica else { return Ok(false) };
        let done = replica.commit(now);
        self.settle(n, done)
    }

    fn settle(&mut self, n: usize, done: Result<(), ReplicaError>) -> Result<bool, Wrong> {
        match done {
            Ok(()) => {
                self.acknowledge(n);
                self.nodes[n].is_dirty = false;
                self.carry_out(n)?;
                Ok(true)
            }
            Err(ReplicaError::Store(error)) => {
                tracing::info!(node = n, at = self.now, %error, "store failed");
                self.survive(n);
                Ok(false)
            }
            Err(error) => Err(Wrong::Failed { node: n, doing: "commit", error: error.to_string() }),
        }
    }

    fn acknowledge(&mut self, n: usize) {
        let node = &mut self.nodes[n];
        node.promised.append(&mut node.staged);
    }

    /// The store failed under the batch: nobody is told anything good, and the store is opened again.
    pub(crate) fn survive(&mut self, n: usize) {
        if self.shell == Shell::IgnoresFailedCommits {
            self.acknowledge(n);
            return;
        }
        self.nodes[n].is_dirty = true;
        self.go_down(n, false);
    }

    fn carry_out(&mut self, n: usize) -> Result<(), Wrong> {
        let Some(replica) = &mut self.nodes[n].replica else { return Ok(()) };
        for effect in replica.take_effects() {
            match effect {
                Effect::Send { peer, frame } => self.send(n, &peer, frame)?,
                Effect::Publish { team, bytes } => self.publish(n, team, bytes)?,
                Effect::Judge { gossip, verdict } => self.judged(n, gossip, verdict)?,
                Effect::Close { peer, reason } => self.close(n, &peer, reason)?,
                Effect::Members(members) => self.nodes[n].members = members,
                Effect::Audience { .. } | Effect::Changed { .. } => {}
            }
        }
        Ok(())
    }

    // The network.

    pub(crate) fn number_of(&self, key: &DeviceKey) -> Option<usize> {
        self.nodes.iter().position(|node| node.key == *key)
    }

    pub(crate) fn travel_ms(&mut self) -> u64 {
        self.rng.between(0, self.faults.delay_ms)
    }

    fn send(&mut self, from: usize, peer: &DeviceKey, frame: Vec<u8>) -> Result<(), Wrong> {
        let Some(to) = self.number_of(peer) else { return Ok(()) };
        // What liars say, and what is said to them, never ends.
        if !self.is_liar(from) && !self.is_liar(to) {
            self.last_frame_at = self.now;
        }
        self.tally.bytes += frame.len() as u64;
        if self.rng.chance(self.faults.loss) {
            self.cut(from, to);
        }
        let arrival = self.now + self.travel_ms();
        if let Some((link, arrival)) = self.links.send(from, to, arrival) {
            self.note_said(from, to, link, frame.len())?;
            if self.lets_pass(from, to, link, &frame) && self.weather.carries(from, to) {
                self.plan(arrival - self.now, Event::Arrive { from, to, link, frame });
            }
        }
        Ok(())
    }

    /// What no honest shell does: says to others what it has not judged.
    fn relay(&mut self, n: usize, frame: &[u8]) -> Result<(), Wrong> {
        for to in self.links.peers(n) {
            let peer = self.nodes[to].key;
            self.send(n, &peer, frame.to_vec())?;
        }
        Ok(())
    }

    pub(crate) fn cut(&mut self, a: usize, b: usize) {
        let in_flight_lost = self.rng.chance(500);
        let orphans = self.links.cut(a, b, in_flight_lost);
        self.tally.cuts += u64::from(!orphans.is_empty());
        orphans.into_iter().for_each(|orphan| self.plan_notice(orphan));
    }

    fn plan_notice(&mut self, orphan: Orphan) {
        let after = self.rng.between(0, self.faults.notice_ms);
        let after = after.max(orphan.not_before.saturating_sub(self.now));
        self.plan(after, Event::Notice(orphan));
    }

    /// A replica ends a link. Frames before that still arrive.
    fn close(&mut self, n: usize, peer: &DeviceKey, reason: String) -> Result<(), Wrong> {
        let Some(to) = self.number_of(peer) else { return Ok(()) };
        tracing::info!(node = n, peer = to, at = self.now, reason, "closes");
        // Slow links make honest peers impatient; everything else would be an accusation.
        if self.is_liar(n) || self.is_liar(to) {
            self.tally.closed += 1;
        } else if !reason.starts_with("the peer made no progress") && !reason.starts_with("the peer ended the stream") {
            return Err(Wrong::Accused { node: n, peer: to, reason });
        }
        for orphan in self.links.cut(n, to, false) {
            if orphan.at == n {
                self.plan(0, Event::Notice(orphan));
            } else {
                self.plan_notice(orphan);
            }
        }
        Ok(())
    }

    /// Whether bytes can get from one node to another.
    pub(crate) fn reaches(&self, a: usize, b: usize) -> bool {
        self.nodes[a].replica.is_some() && self.nodes[b].replica.is_some() && self.parts[a] == self.parts[b]
    }

    fn dial(&mut self) -> Result<(), Wrong> {
        for a in 0..self.nodes.len() {
            for b in a + 1..self.nodes.len() {
                let know_each_other = self.nodes[a].members.contains(&self.nodes[b].key)
                    && self.nodes[b].members.contains(&self.nodes[a].key);
                if know_each_other && self.reaches(a, b) && self.can_link(a, b) && self.rng.chance(500) {
                    self.links.open(a, b);
                    self.tally.syncs += 1;
                    tracing::debug!(a, b, at = self.now, "link");
                    self.connected(a, b)?;
                    self.connected(b, a)?;
                    self.gossiping(a, b, true)?;
                    self.gossiping(b, a, true)?;
                }
            }
        }
        Ok(())
    }

    fn can_link(&self, a: usize, b: usize) -> bool {
        self.links.is_free(a, b) && self.weather.carries_both_ways(a, b)
    }

    fn connected(&mut self, n: usize, to: usize) -> Result<(), Wrong> {
        let peer = self.nodes[to].key;
        self.input(n, Input::Connected { peer })?;
        let Some(replica) = &mut self.nodes[n].replica else { return Ok(()) };
        match replica.save_addresses(&peer, &[format!("node {to}")]) {
            Ok(()) => {
                self.nodes[n].is_dirty = true;
                self.commit(n)
            }
            Err(_) => {
                self.survive(n);
                Ok(())
            }
        }
    }

    /// The network falls into two parts.
    fn part(&mut self) {
        let all = self.nodes.len();
        self.parts = (0..all).map(|_| self.rng.below(2)).collect();
        tracing::info!(parts = ?self.parts, at = self.now, "partition");
        for a in 0..all {
            for b in a + 1..all {
                if self.parts[a] != self.parts[b] {
                    self.cut(a, b);
                }
            }
        }
        let after = self.rng.between(500, 15_000);
        self.plan(after, Event::Whole);
    }

    /// Nothing goes wrong any more.
    pub(crate) fn heal(&mut self) {
        tracing::info!(at = self.now, "healed");
        self.faults.end();
        self.parts.fill(0);
        self.clear_up();
        self.calm_liars();
    }

    // Power.

    pub(crate) fn start(&mut self, n: usize) -> Result<(), Wrong> {
        if self.nodes[n].replica.is_some() {
            return Ok(());
        }
        let opened = self.nodes[n].open(self.now, &self.faults, &mut self.rng);
        opened.map_err(|error| Wrong::Failed { node: n, doing: "open its store", error: error.to_string() })?;
        self.check_promises(n)?;
        self.check_as_stored(n)?;
        self.check_restart(n)?;
        self.carry_out(n)
    }

    /// Stops a node, in order or by power loss. What it shows once it is up again must be the same.
    pub(crate) fn stop(&mut self, n: usize, in_order: bool) -> Result<(), Wrong> {
        if self.nodes[n].replica.is_none() {
            return Ok(());
        }
        if in_order {
            self.commit(n)?;
        }
        if self.nodes[n].replica.is_some() {
            self.remember(n)?;
            self.go_down(n, in_order);
        }
        Ok(())
    }

    fn go_down(&mut self, n: usize, in_order: bool) {
        tracing::info!(node = n, at = self.now, in_order, "down");
        self.tally.crashes += u64::from(!in_order);
        self.nodes[n].stop(in_order);
        self.air.forget(n);
        for peer in self.links.peers(n) {
            let in_flight_lost = self.rng.chance(500);
            if let Some(orphan) = self.links.leave(n, peer, in_flight_lost) {
                self.plan_notice(orphan);
            }
        }
        let after = self.rng.between(10, 3_000);
        self.plan(after, Event::Start(n));
    }

    // People.

    fn act(&mut self) -> Result<(), Wrong> {
        let n = self.rng.index(self.nodes.len());
        let Some((team, incident)) = self.place_to_write(n)? else { return Ok(()) };
        let now = self.nodes[n].now(self.now);
        let Some(replica) = &mut self.nodes[n].replica else { return Ok(()) };
        let people = replica.people(&team).map(|people| people.persons().map(|p| people.name(&p)).collect::<Vec<_>>());
        let names = people.unwrap_or_default();
        let (act, aside) = match incident {
            None => (acts::declare(&mut self.rng, &names), acts::aside(&mut self.rng, now.wall)),
            Some(incident) => {
                let ledger = replica.ledger(&team).ok();
                let order = ledger.and_then(|ledger| ledger.dag(&incident.into())).map(|dag| dag.order());
                let act = acts::act(&mut self.rng, &names, order.unwrap_or_default());
                (act, acts::aside(&mut self.rng, now.wall))
            }
        };
        tracing::debug!(node = n, at = self.now, ?act, "act");
        match replica.write(team, incident, &act, &aside, now) {
            Ok(written) => self.wrote(n, Promise { team, entry: written.entry }),
            Err(ReplicaError::Store(_)) => {
                self.survive(n);
                Ok(())
            }
            Err(ReplicaError::Command(_) | ReplicaError::Body(_)) => {
                self.tally.refused += 1;
                Ok(())
            }
            Err(error) => Err(Wrong::Failed { node: n, doing: "write", error: error.to_string() }),
        }
    }

    /// Something was written and not committed yet.
    fn wrote(&mut self, n: usize, promise: Promise) -> Result<(), Wrong> {
        self.nodes[n].is_dirty = true;
        self.nodes[n].staged.push(promise);
        if self.shell == Shell::AcknowledgesBeforeCommit {
            self.acknowledge(n);
        }
        if self.rng.chance(self.faults.crash_on_write) {
            self.go_down(n, false);
        } else if self.rng.chance(500) {
            self.commit(n)?;
        } else {
            let after = self.rng.between(0, 20);
            self.plan(after, Event::Commit(n));
        }
        Ok(())
    }

    /// Where somebody at a node writes next: in an incident, or a new one in a team; `None` where they have no place.
    fn place_to_write(&mut self, n: usize) -> Result<Option<(TeamId, Option<IncidentId>)>, Wrong> {
        let failed = |error: ReplicaError| Wrong::Failed { node: n, doing: "read", error: error.to_string() };
        let Some(replica) = &self.nodes[n].replica else { return Ok(None) };
        let writes_in = |team: &TeamId| {
            let ledger = replica.ledger(team).ok();
            let capability =
                ledger.and_then(|ledger| ledger.roster().capability(&ledger.roster().person_of(&replica.device())?));
            capability.is_some_and(|capability| capability >= muster_log::fact::Capability::Responder)
        };
        let incidents: Vec<_> =
            replica.incidents().map_err(failed)?.into_iter().filter(|(team, _)| writes_in(team)).collect();
        let current = replica.current_team().map_err(failed)?.filter(writes_in);
        let own = current.or_else(|| replica.teams().into_iter().find(writes_in));
        match (self.rng.pick(&incidents).copied(), own) {
            (Some((team, incident)), _) if !self.rng.chance(60) => Ok(Some((team, Some(incident)))),
            (_, Some(team)) => Ok(Some((team, None))),
            (_, None) => {
                if self.nodes[n].joining.welcomed || !self.rng.chance(self.faults.declares_alone) {
                    return Ok(None);
                }
                Ok(self.found_team_of_one(n)?.map(|team| (team, None)))
            }
        }
    }
}
