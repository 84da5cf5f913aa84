//! The world: virtual time, everything there is, and what happens when.
//!
//! The shell around each replica is in `shell`, its links in `network`, starts and stops in `power`, writes in `people`,
//! joining in `joining`; what must hold is in `check`.

use crate::failure::{Tally, Wrong};
use crate::faults::Faults;
use crate::gossip::{Air, MessageId};
use crate::liar::{Liars, Lie};
use crate::link::{LinkId, Links, Orphan};
use crate::node::Node;
use crate::rng::Rng;
use crate::weather::Weather;
use crate::{Setup, Shell};
use muster_log::TeamId;
use muster_replica::{Input, JoinAnswer};
use std::collections::BTreeMap;

/// Between two rounds of dialling.
const DIAL_EVERY_MS: u64 = 400;

/// Between two looks at what must always hold.
const LOOK_EVERY_MS: u64 = 6_000;

/// Something that will happen.
#[derive(Debug)]
pub(crate) enum Event {
    /// Somebody does something.
    Act,
    /// Two admins in different parts of the network decide against each other.
    Feud,
    /// The founder declares many incidents.
    Declare,
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
    /// Who was turned away shows the roster.
    Appealed {
        from: usize,
        to: usize,
        request: Vec<u8>,
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
    pub(crate) shell: Shell,
    /// Bytes that broken shells keep: whose, and because of whom.
    pub(crate) leaked: BTreeMap<(usize, usize), usize>,
    /// Incidents that the founder still has to declare.
    pub(crate) undeclared: usize,
    /// How many of 1,000 newcomers come as guests.
    pub(crate) guests: u64,
    /// How many of 1,000 acts decide who is in the team.
    pub(crate) decisions: u64,
    /// Who is in the team may change.
    pub(crate) decides: bool,
    /// The one way in which liars lie, where that is about who is in the team.
    pub(crate) trust: Option<Lie>,
    pub(crate) links: Links,
    pub(crate) air: Air,
    /// In which part of the network each node is.
    pub(crate) parts: Vec<u64>,
    /// By time and then by order of planning.
    plan: BTreeMap<(u64, u64), Event>,
    planned: u64,
    /// Timeouts given to one node without time going by.
    pub(crate) timeouts: (u64, u32),
}

impl World {
    pub(crate) fn new(seed: u64, setup: &Setup) -> Self {
        let mut rng = Rng::new(seed);
        let mut faults = Faults::draw(&mut rng);
        if setup.liars > 0 {
            faults.shorten();
        }
        if setup.decisions > 0 {
            faults.hasten();
        }
        tracing::info!(seed, ?faults, "history");
        let all = setup.replicas + setup.liars;
        let trust = setup.lie.filter(|lie| setup.liars > 0 && lie.is_about_trust());
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
            leaked: BTreeMap::new(),
            undeclared: setup.incidents,
            guests: setup.guests,
            decisions: setup.decisions,
            decides: setup.decisions > 0 || trust.is_some(),
            trust,
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
        if self.undeclared > 0 {
            self.plan(100, Event::Declare);
        }
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
    pub(crate) fn plan_some(&mut self, every_ms: Option<u64>, event: Event) {
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
            Event::Feud => self.feud()?,
            Event::Declare => self.declare_many()?,
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
                    self.plan_feud();
                }
            }
            Event::Whole => {
                self.parts.fill(0);
                self.make_room();
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
                    self.mishandle(from, to, &frame)?;
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
            Event::Appealed { from, to, request } => self.appealed(from, to, &request)?,
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
}
