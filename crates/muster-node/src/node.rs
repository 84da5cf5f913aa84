//! The engine's thread: takes mail in batches, commits once, then answers and sends.
//!
//! One thread owns the replica, so there is nothing to lock. What it decides is decided in the crates below; here
//! letters are sorted. What follows from them is in the files beside: effects, joining, addresses, cuts, a failed store.

mod appeals;
mod cuts;
mod effects;
mod gossip;
mod joining;
mod listening;
mod reopening;

pub use listening::Ready;
pub(crate) use listening::TellReady;

use self::effects::Answer;
use self::joining::Joining;
use self::reopening::REOPEN_EVERY_MS;
use crate::addresses::AddressBook;
use crate::clock;
use crate::engine::Engine;
use crate::lived::Lived;
use crate::mailbox::{Mail, Mailbox};
use crate::opening::Opened;
use crate::request::{Failure, Reply, Request};
use crate::running::Advanced;
use crate::watchers::Watchers;
use muster_log::DeviceKey;
use muster_net::{Link, NetEvent, NetHandle, Path};
use muster_replica::Input;
use muster_store::DiskStore;
use muster_sync::Tick;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Letters worked off before one commit: enough for everybody who waits, few enough that the first does not wait long.
const BATCH_MAX: usize = 256;

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
            Mail::Appealed { peer, answer } => self.take_appealed(peer, answer),
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
            request if request.redacts() => {
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
                self.note_refusing(peer, false);
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
            NetEvent::Unreachable { peer, faults } => self.note_unreachable(peer, &faults),
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

    /// Gives the network task a command. It ends before the engine only if it failed, and then restarting is the cure.
    fn tell_net(&self, told: impl Future<Output = Result<(), muster_net::NetClosed>>) {
        if let Err(error) = self.runtime.block_on(told) {
            tracing::error!(%error, "restart the node");
        }
    }
}
