//! The engine's thread: takes mail in batches, commits once, then answers and sends.
//!
//! One thread owns the replica, so there is nothing to lock. What it decides is decided in the crates below; here
//! letters are sorted, effects carried out and failures of the store survived.

mod gossip;

use crate::addresses::{self, AddressBook};
use crate::clock;
use crate::engine::Engine;
use crate::lived::Lived;
use crate::mailbox::{Mail, Mailbox};
use crate::opening::{self, Opened};
use crate::request::{Act, Failure, Reply, Request, Write};
use crate::running::Advanced;
use crate::watchers::Watchers;
use muster_log::{DeviceKey, Ticket};
use muster_net::{JoinReply, Link, NetEvent, NetHandle, Path, parse_address};
use muster_replica::{Effect, Input, JoinAnswer, ReplicaError};
use muster_store::DiskStore;
use muster_sync::Tick;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Letters worked off before one commit: enough for everybody who waits, few enough that the first does not wait long.
const BATCH_MAX: usize = 256;

/// How long a newcomer's command waits for the roster after a member said welcome, in milliseconds.
const ROSTER_WAIT_MS: u64 = 8_000;

/// How long after the last address became known the node counts as ready, in milliseconds: a wildcard address gives one
/// event per interface.
const SETTLE_MS: u64 = 30;

/// Between two tries to open a store that failed, in milliseconds.
const REOPEN_EVERY_MS: u64 = 1_000;

/// What a started node tells its caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// This device.
    pub peer: String,
    /// Where it listens, with `/p2p/` and this device.
    pub addrs: Vec<String>,
    /// The current team, where there is one.
    pub team: Option<String>,
}

/// What is called once, when the node listens.
pub(crate) type TellReady = Box<dyn FnOnce(&Ready) + Send>;

/// A newcomer's command that waits for the roster.
struct Joining {
    ticket: Box<Ticket>,
    reply: oneshot::Sender<Reply>,
    until: Tick,
}

/// An answer that may go out after the commit.
enum Answer {
    Request(oneshot::Sender<Reply>, Result<Value, Failure>),
    /// After the erasure too, where there is one.
    Redaction(oneshot::Sender<Reply>, Result<Value, Failure>),
    Join(JoinReply, Vec<u8>),
}

/// Everything the engine's thread owns.
pub(crate) struct Node {
    pub(crate) opened: Opened,
    pub(crate) engine: Option<Engine<DiskStore>>,
    pub(crate) net: NetHandle,
    pub(crate) runtime: tokio::runtime::Handle,
    pub(crate) mailbox: Mailbox,
    pub(crate) ready: Option<TellReady>,
    /// The control socket's file, to be removed at the end.
    pub(crate) socket: Option<PathBuf>,
    /// Who wants to know what advanced.
    pub(crate) watchers: Vec<std::sync::mpsc::Sender<Advanced>>,
    /// Addresses to listen on that have not failed.
    pub(crate) addresses_left: usize,
    start_failure: Option<Failure>,
    links: BTreeMap<DeviceKey, Link>,
    book: AddressBook,
    gossip: gossip::State,
    joining: Vec<Joining>,
    answers: Vec<Answer>,
    /// Answers to who redacted, until the text is erased here.
    until_erased: Vec<(oneshot::Sender<Reply>, Result<Value, Failure>)>,
    settled_at: Option<Tick>,
    reopen_at: Option<Tick>,
    onlookers: Watchers,
}

impl Node {
    /// A node around an engine whose store is open.
    pub(crate) fn new(
        mut opened: Opened,
        mut engine: Engine<DiskStore>,
        net: NetHandle,
        runtime: tokio::runtime::Handle,
        mailbox: Mailbox,
        ready: Option<TellReady>,
    ) -> Self {
        opened.clock.live();
        engine.around.clock = opened.clock.clone();
        Self {
            opened,
            engine: Some(engine),
            net,
            runtime,
            mailbox,
            ready,
            socket: None,
            watchers: Vec::new(),
            addresses_left: 0,
            start_failure: None,
            links: BTreeMap::new(),
            book: AddressBook::default(),
            gossip: gossip::State::default(),
            joining: Vec::new(),
            answers: Vec::new(),
            until_erased: Vec::new(),
            settled_at: None,
            reopen_at: None,
            // Without randomness a watcher draws once less; nothing else hangs on it.
            onlookers: Watchers::new(clock::entropy16().map_or(0, |bytes| u128::from_be_bytes(bytes) as u64)),
        }
    }

    /// Works until told to stop; returns after the last commit, when the home is free again.
    ///
    /// # Errors
    /// Where none of the addresses to listen on could be had.
    pub(crate) fn run(mut self, mut mail: mpsc::Receiver<Mail>) -> Result<(), Failure> {
        self.carry_out_effects();
        let mut lived = Lived::new(self.opened.clock.real_ms());
        loop {
            self.live(&mut lived, Duration::ZERO);
            let wait = self.wait();
            let waited = self.runtime.block_on(async { tokio::time::timeout(wait, mail.recv()).await });
            self.live(&mut lived, wait);
            let mut batch = Vec::new();
            match waited {
                Ok(Some(letter)) => batch.push(letter),
                Ok(None) => break,
                Err(_) => {}
            }
            while batch.len() < BATCH_MAX
                && let Ok(letter) = mail.try_recv()
            {
                batch.push(letter);
            }
            let mut stop = false;
            for letter in batch {
                stop |= matches!(letter, Mail::Stop);
                self.take(letter);
            }
            self.timeouts();
            self.commit();
            if stop || self.start_failure.is_some() {
                break;
            }
        }
        tracing::info!("stopping");
        crate::service::tell_stopping();
        self.erase_rest();
        // In this order: nobody is sent here any more, peers are told, and only then is the home free for the next node.
        if let Some(socket) = &self.socket {
            let _ = std::fs::remove_file(socket);
        }
        let _ = self.runtime.block_on(self.net.shutdown());
        if let Some(engine) = &mut self.engine {
            crate::tail::keep(engine);
        }
        drop(self.engine.take());
        match self.start_failure {
            Some(failure) => Err(failure),
            None => Ok(()),
        }
    }

    /// Lets the time pass that this node lived through since the last call, of which `meant` was waited for on purpose.
    fn live(&self, lived: &mut Lived, meant: Duration) {
        let meant_ms = u64::try_from(meant.as_millis()).unwrap_or(u64::MAX);
        self.opened.clock.set_lived(lived.pass(self.opened.clock.real_ms(), meant_ms));
    }

    fn wait(&self) -> Duration {
        let Some(engine) = &self.engine else { return Duration::from_millis(REOPEN_EVERY_MS) };
        let now = engine.now().tick;
        let deadlines = engine.replica.deadline().into_iter().chain(self.settled_at).chain(self.onlookers.deadline());
        let due = deadlines.chain(self.joining.iter().map(|joining| joining.until)).min();
        Duration::from_millis(due.map_or(60_000, |due| due.since_ms(now)))
    }

    fn take(&mut self, letter: Mail) {
        match letter {
            Mail::Request { request, reply } => self.take_request(*request, reply),
            Mail::Net(event) => self.take_event(event),
            Mail::Joined { ticket, answer, reply } => self.take_joined(ticket, answer, reply),
            Mail::Stop => {}
        }
    }

    fn take_request(&mut self, request: Request, reply: oneshot::Sender<Reply>) {
        let done = match request {
            Request::Join { ticket, name } => return self.begin_join(&ticket, name.as_deref(), reply),
            Request::Watch { seen, wait_ms } => {
                let now = Tick(self.opened.clock.tick_ms());
                return self.onlookers.add(seen, wait_ms, now, reply);
            }
            Request::Cut { peer } => self.cut(peer.as_deref()),
            Request::Heal { peer } => self.heal(peer.as_deref()),
            Request::Down => self.stop(),
            Request::AddAddress { address } => {
                let added = self.with_engine(|engine| engine.add_address(&address));
                added.inspect(|added| self.try_addresses(added))
            }
            request @ (Request::Bundle(_) | Request::Audit(_)) => {
                // What a file says is durable here, is.
                self.commit();
                self.with_engine(|engine| engine.execute(&request))
            }
            request @ Request::Write(Write { act: Act::Redact { .. }, .. }) => {
                let done = self.with_engine(|engine| engine.execute(&request));
                return self.answers.push(Answer::Redaction(reply, done));
            }
            request => self.with_engine(|engine| engine.execute(&request)),
        };
        self.answers.push(Answer::Request(reply, done));
    }

    fn with_engine<T>(&mut self, act: impl FnOnce(&mut Engine<DiskStore>) -> Result<T, Failure>) -> Result<T, Failure> {
        match &mut self.engine {
            Some(engine) => act(engine),
            None => Err(Failure::new("the store failed and could not be opened again yet")
                .hint("nothing was accepted; check the disk, the node tries again by itself")),
        }
    }

    /// Gives the network task the addresses that were just saved.
    fn try_addresses(&self, added: &Value) {
        let device = added["device"].as_str().and_then(|device| device.parse().ok());
        let texts = added["addresses"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let addrs = texts.filter_map(|text| parse_address(text).ok()).collect();
        if let Some(device) = device {
            self.tell_net(self.net.set_addresses(device, addrs));
            self.tell_net(self.net.want(device));
        }
    }

    fn stop(&mut self) -> Result<Value, Failure> {
        let mailbox = self.mailbox.clone();
        self.runtime.spawn(async move { mailbox.put(Mail::Stop).await });
        Ok(json!({ "stopping": true }))
    }

    fn take_event(&mut self, event: NetEvent) {
        match event {
            NetEvent::Listening { addr } => self.note_listening(&addr.to_string()),
            NetEvent::NotListening { addr, error } => self.note_not_listening(&addr.to_string(), &error),
            NetEvent::Connected { peer, addr, link } => {
                tracing::info!(%peer, %addr, path = %link.path(), "connected");
                self.note_path(peer, Some(link.path()));
                let path = link.path();
                self.links.insert(peer, link);
                self.input(Input::Connected { peer });
                if path == Path::Relayed {
                    self.input(Input::Relayed { peer });
                }
            }
            NetEvent::Disconnected { peer, reason } => {
                tracing::info!(%peer, %reason, "disconnected");
                self.links.remove(&peer);
                self.note_path(peer, None);
                self.input(Input::Disconnected { peer });
            }
            NetEvent::Frame { peer, bytes } => self.input(Input::Frame { peer, bytes }),
            NetEvent::Gossip { topic, from, id, bytes } => self.hear_gossip(&topic, from, id, bytes),
            NetEvent::Subscribed { peer, topic, subscribed } => self.note_gossiping(&topic, peer, subscribed),
            NetEvent::JoinRequest { peer, bytes, reply } => self.answer_join(&peer, &bytes, reply),
            NetEvent::AddressesLearned { peer, addrs } => {
                let claimed = addrs.iter().map(ToString::to_string).collect();
                self.note_addresses(peer, claimed);
            }
            NetEvent::Unreachable { peer, faults } => {
                let faults: Vec<String> = faults.iter().map(|(addr, fault)| format!("{addr}: {fault}")).collect();
                tracing::debug!(%peer, ?faults, "unreachable");
            }
            NetEvent::Rtt { peer, .. } => {
                if let Some(engine) = &mut self.engine {
                    let now = engine.now();
                    engine.replica.note_heard(&peer, now);
                }
            }
        }
    }

    /// How the link to a peer goes, for those who ask.
    fn note_path(&mut self, peer: DeviceKey, path: Option<Path>) {
        match path {
            Some(path) => drop(self.opened.paths.insert(peer, path)),
            None => drop(self.opened.paths.remove(&peer)),
        }
        if let Some(engine) = &mut self.engine {
            engine.around.paths.clone_from(&self.opened.paths);
        }
    }

    /// A member says where it listens: dialled from now on, and written down if it is news.
    fn note_addresses(&mut self, peer: DeviceKey, claimed: Vec<String>) {
        let Some(engine) = &mut self.engine else { return };
        let now = engine.now().tick;
        let known = engine.replica.addresses(&peer).unwrap_or_default();
        let all = addresses::merged(claimed, &known);
        if !addresses::are_same(&all, &known)
            && engine.replica.check_room().is_ok()
            && self.book.may_write(peer, now)
            && let Err(error) = engine.replica.save_addresses(&peer, &all)
        {
            tracing::warn!(%error, "addresses not saved");
        }
        let addrs = all.iter().filter_map(|text| parse_address(text).ok()).collect();
        self.tell_net(self.net.set_addresses(peer, addrs));
    }

    fn input(&mut self, input: Input) {
        let Some(engine) = &mut self.engine else { return };
        let now = engine.now();
        if let Err(error) = engine.replica.handle(input, now) {
            self.survive(error);
            return;
        }
        // The frame's admission was committed, and with it everything that waited for an answer.
        self.release();
    }

    fn timeouts(&mut self) {
        let Some(engine) = &self.engine else { return self.reopen() };
        let now = engine.now().tick;
        if engine.replica.deadline().is_some_and(|due| due <= now) {
            self.input(Input::Timeout);
        }
        if self.settled_at.is_some_and(|at| at <= now) {
            self.settled_at = None;
            self.save_listening();
            self.tell_ready();
        }
        self.look_at_joining(now);
        self.onlookers.timeout(now);
    }

    /// Commits what is staged, then answers and sends.
    fn commit(&mut self) {
        if let Some(engine) = &mut self.engine {
            let now = engine.now();
            if let Err(error) = engine.replica.commit(now) {
                self.survive(error);
                return;
            }
            self.opened.renew_lease(engine);
        }
        self.release();
    }

    /// Ends an erasure that somebody waits for: no next time is promised to them.
    fn erase_rest(&mut self) {
        let Some(engine) = self.engine.as_mut().filter(|engine| engine.replica.owes_erasure()) else { return };
        let now = engine.now();
        match engine.replica.erase_rest(now) {
            Ok(()) => self.release(),
            Err(error) => self.survive(error),
        }
    }

    /// Lets out everything that the last commit backs.
    fn release(&mut self) {
        self.carry_out_effects();
        for answer in std::mem::take(&mut self.answers) {
            match answer {
                Answer::Request(reply, done) => drop(reply.send(Reply::from(done))),
                Answer::Redaction(reply, done) => self.until_erased.push((reply, done)),
                Answer::Join(reply, bytes) => reply.send(bytes),
            }
        }
        if !self.engine.as_ref().is_some_and(|engine| engine.replica.owes_erasure()) {
            for (reply, done) in std::mem::take(&mut self.until_erased) {
                drop(reply.send(Reply::from(done)));
            }
        }
    }

    fn carry_out_effects(&mut self) {
        let Some(engine) = &mut self.engine else { return };
        let mut whereabouts = Vec::new();
        for effect in engine.replica.take_effects() {
            match effect {
                Effect::Send { peer, frame } => {
                    if let Some(link) = self.links.get(&peer)
                        && let Err(error) = link.send(frame)
                    {
                        tracing::debug!(%peer, %error, "frame not sent");
                    }
                }
                Effect::Close { peer, reason } => {
                    tracing::warn!(%peer, reason, "closing the link");
                    if let Some(link) = self.links.remove(&peer) {
                        link.close();
                    }
                }
                Effect::Members(members) => {
                    for device in &members {
                        let saved = engine.replica.addresses(device).unwrap_or_default();
                        let addrs = saved.iter().filter_map(|text| parse_address(text).ok()).collect();
                        let _ = self.runtime.block_on(self.net.set_addresses(*device, addrs));
                    }
                    let _ = self.runtime.block_on(self.net.set_members(members));
                }
                Effect::Audience { team, members } => {
                    let topic = self.gossip.topic_of(team);
                    let _ = self.runtime.block_on(self.net.subscribe(topic, members));
                }
                Effect::Whereabouts { device, addresses } => {
                    whereabouts.push((device, addresses::believed(&addresses, &engine.around.listening)));
                }
                Effect::Circles(circles) => drop(self.runtime.block_on(self.net.set_circles(circles))),
                Effect::Publish { team, bytes } => {
                    if let Err(error) = self.net.publish(self.gossip.topic_of(team), bytes) {
                        tracing::debug!(%error, "not published; sync carries it");
                    }
                }
                Effect::Judge { gossip, verdict } => self.gossip.judge(&self.net, gossip, verdict),
                Effect::Changed { incident, entries, .. } => {
                    tracing::debug!(%incident, entries = entries.len(), "incident advanced");
                    let advanced = Advanced { incident, entries };
                    self.watchers.retain(|watcher| watcher.send(advanced.clone()).is_ok());
                    self.onlookers.changed();
                }
            }
        }
        for (device, addresses) in whereabouts.into_iter().filter(|(_, addresses)| !addresses.is_empty()) {
            self.note_addresses(device, addresses);
        }
    }

    /// The store failed under the batch: nobody is told anything good, and the store is opened again.
    fn survive(&mut self, error: ReplicaError) {
        tracing::error!(error = crate::engine::chain(&error), "the store failed; opening it again");
        let failure = Failure::from(error);
        for answer in std::mem::take(&mut self.answers) {
            // A join request without an answer is tried again by the newcomer.
            if let Answer::Request(reply, done) | Answer::Redaction(reply, done) = answer {
                let _ = reply.send(Reply::from(done.and(Err(failure.clone()))));
            }
        }
        for (reply, done) in std::mem::take(&mut self.until_erased) {
            let _ = reply.send(Reply::from(done.and(Err(failure.clone()))));
        }
        drop(self.engine.take());
        self.forget_gossip();
        for (_, link) in std::mem::take(&mut self.links) {
            link.close();
        }
        self.reopen();
    }

    fn reopen(&mut self) {
        let now = Tick(self.opened.clock.tick_ms());
        if self.reopen_at.is_some_and(|at| now < at) {
            return;
        }
        self.reopen_at = Some(now.plus_ms(REOPEN_EVERY_MS));
        match opening::reopen(&mut self.opened) {
            Ok(engine) => {
                self.engine = Some(engine);
                self.reopen_at = None;
                self.carry_out_effects();
            }
            Err(failure) => tracing::error!(%failure, "the store cannot be opened"),
        }
    }

    fn note_listening(&mut self, addr: &str) {
        let Some(engine) = &mut self.engine else { return };
        tracing::info!(addr, "listening");
        if !engine.around.listening.iter().any(|known| known == addr) {
            engine.around.listening.push(addr.to_owned());
            // Those that work everywhere first.
            engine.around.listening.sort_by_key(|addr| addr.contains("/udp/"));
        }
        engine.replica.listens_at(addresses::worth_saying(&engine.around.listening));
        self.opened.listening.clone_from(&engine.around.listening);
        self.settled_at = Some(engine.now().tick.plus_ms(SETTLE_MS));
    }

    /// Writes down where this node listens, for its next start and for tickets made without it.
    fn save_listening(&mut self) {
        let Some(engine) = &mut self.engine else { return };
        let (me, listening) = (engine.replica.device(), &engine.around.listening);
        let known = engine.replica.addresses(&me).unwrap_or_default();
        if !addresses::are_same(listening, &known)
            && engine.replica.check_room().is_ok()
            && let Err(error) = engine.replica.save_addresses(&me, listening)
        {
            tracing::warn!(%error, "own addresses not saved");
        }
    }

    /// One address could not be had. A node that has none left is of no use, and says so instead of running on deaf.
    fn note_not_listening(&mut self, addr: &str, error: &std::io::Error) {
        tracing::error!(addr, %error, "not listening");
        self.addresses_left = self.addresses_left.saturating_sub(1);
        if self.ready.is_some() && self.addresses_left == 0 {
            self.start_failure = Some(
                Failure::new(format!("cannot listen on {addr}: {error}"))
                    .hint("another program may use the port; choose another with --listen /ip4/0.0.0.0/tcp/PORT"),
            );
        }
    }

    fn tell_ready(&mut self) {
        let (Some(tell), Some(engine)) = (self.ready.take(), &self.engine) else { return };
        let peer = engine.replica.device().to_string();
        tell(&Ready {
            addrs: engine.around.listening.iter().map(|addr| format!("{addr}/p2p/{peer}")).collect(),
            team: engine.replica.current_team().ok().flatten().map(|team| team.to_string()),
            peer,
        });
    }

    fn answer_join(&mut self, peer: &DeviceKey, request: &[u8], reply: JoinReply) {
        let Some(engine) = &mut self.engine else { return };
        if let Err(error) = engine.replica.check_room() {
            // Without an answer the newcomer tries again.
            return tracing::warn!(%error, "nobody can be let in");
        }
        let now = engine.now();
        match engine.replica.answer_join(peer, request, now) {
            Ok(answer) => {
                tracing::info!(%peer, welcome = (answer == JoinAnswer::Welcome), "asked to join");
                self.answers.push(Answer::Join(reply, answer.encode()));
            }
            Err(error) => self.survive(error),
        }
    }

    fn begin_join(&mut self, text: &str, name: Option<&str>, reply: oneshot::Sender<Reply>) {
        let begun = self.with_engine(|engine| {
            let ticket: Ticket = text.trim().parse().map_err(|error: muster_log::BadTicket| {
                Failure::new(error.to_string()).hint("copy the whole ticket; it begins with muster1")
            })?;
            engine.replica.check_room()?;
            let handle = engine.own_handle(name)?;
            let now = engine.now();
            let request = engine.replica.join_request(&ticket, &handle, now)?;
            Ok((ticket, request))
        });
        // The request must be on disk before it is sent, so that a second try sends the same entry.
        self.commit();
        match begun {
            Ok(_) if self.engine.is_none() => drop(reply),
            Ok((ticket, request)) => {
                let addrs = ticket
                    .addresses
                    .iter()
                    .filter_map(|(device, text)| Some((*device, parse_address(text).ok()?)))
                    .collect();
                let (net, mailbox) = (self.net.clone(), self.mailbox.clone());
                self.runtime.spawn(async move {
                    let answer = net.join(addrs, request).await;
                    mailbox.put(Mail::Joined { ticket: Box::new(ticket), answer, reply }).await;
                });
            }
            Err(failure) => self.answers.push(Answer::Request(reply, Err(failure))),
        }
    }

    fn take_joined(
        &mut self,
        ticket: Box<Ticket>,
        answer: Result<Vec<u8>, muster_net::JoinError>,
        reply: oneshot::Sender<Reply>,
    ) {
        let welcomed = match answer {
            Err(error) => Err(Failure::new(format!("no member could be asked: {error}"))
                .hint("is one of their nodes up and reachable from here? then join again with the same ticket")),
            Ok(bytes) => match JoinAnswer::decode(&bytes) {
                Some(JoinAnswer::Welcome) => Ok(()),
                Some(JoinAnswer::Refused { reason }) => Err(Failure::new(muster_incident::printable(&reason))
                    .hint("ask a member for a new ticket: `muster invite`")),
                None => Err(Failure::new("the member's answer makes no sense")
                    .hint("its muster may be of another version than this one")),
            },
        };
        let joined = welcomed.and_then(|()| self.with_engine(|engine| Ok(engine.replica.joined(&ticket)?)));
        match joined {
            Ok(()) => {
                let until = Tick(self.opened.clock.tick_ms()).plus_ms(ROSTER_WAIT_MS);
                self.joining.push(Joining { ticket, reply, until });
            }
            Err(failure) => self.answers.push(Answer::Request(reply, Err(failure))),
        }
    }

    /// Answers newcomers' commands whose roster has come, or whose patience has ended.
    fn look_at_joining(&mut self, now: Tick) {
        let Some(engine) = &self.engine else { return };
        for joining in std::mem::take(&mut self.joining) {
            let person = engine.replica.person_in(&joining.ticket.team);
            if person.is_none() && now < joining.until {
                self.joining.push(joining);
                continue;
            }
            let done = join_result(engine, &joining.ticket);
            self.answers.push(Answer::Request(joining.reply, done));
        }
    }

    fn cut(&mut self, typed: Option<&str>) -> Result<Value, Failure> {
        let peer = self.peer_typed(typed)?;
        self.tell_net(self.net.cut(peer));
        self.opened.cut.insert(peer);
        self.tell_cut()
    }

    fn heal(&mut self, typed: Option<&str>) -> Result<Value, Failure> {
        let peer = self.peer_typed(typed)?;
        self.tell_net(self.net.heal(peer));
        match peer {
            None => self.opened.cut.clear(),
            Some(_) => drop(self.opened.cut.remove(&peer)),
        }
        self.tell_cut()
    }

    /// Lets the engine, of this store or of the next, know which links are cut.
    fn tell_cut(&mut self) -> Result<Value, Failure> {
        let cut = self.opened.cut.clone();
        self.with_engine(|engine| {
            engine.around.cut = cut;
            Ok(json!({ "cut": engine.cut_names() }))
        })
    }

    /// The device that a typed handle or device means.
    fn peer_typed(&mut self, typed: Option<&str>) -> Result<Option<DeviceKey>, Failure> {
        let Some(typed) = typed else { return Ok(None) };
        self.with_engine(|engine| engine.device_typed(typed).map(Some))
    }

    /// Gives the network task a command. It ends before the engine only if it failed, and then restarting is the cure.
    fn tell_net(&self, told: impl Future<Output = Result<(), muster_net::NetClosed>>) {
        if let Err(error) = self.runtime.block_on(told) {
            tracing::error!(%error, "restart the node");
        }
    }
}

fn join_result(engine: &Engine<DiskStore>, ticket: &Ticket) -> Result<Value, Failure> {
    let team = ticket.team;
    let carried: Vec<Value> = engine
        .replica
        .carried()?
        .iter()
        .filter(|(_, to)| engine.replica.team_of(to) == Some(team))
        .map(|(from, to)| json!({ "from": from.to_string(), "to": to.to_string() }))
        .collect();
    let coming: Vec<String> = engine.replica.coming_to(&team)?.iter().map(ToString::to_string).collect();
    let person = engine.replica.person_in(&team);
    Ok(json!({
        "team": team.to_string(),
        "person": person.map(|person| person.to_string()),
        "synced": person.is_some(),
        "carried": carried,
        "coming": coming,
        "guest_of": ticket.incident.map(|incident| incident.to_string()),
    }))
}
