//! A node that a harness drives: one JSON object a line on stdin, one answer a line on stdout, in order.
//!
//! It is the node of `muster up` ([`RunningNode`]): same engine, same store with its syncs, same signatures, real
//! sockets. Only the commands come from a harness that compares systems, so that each is measured from the same outside.
//! The operations are listed in `docs/performance.md`.

mod corpus;
mod digest;
mod op;
mod reading;

use crate::args::PeerArgs;
use crate::fault::Fault;
use crate::outage::{Outage, Script};
use crate::surroundings::{self, OsEntropy};
use muster_log::{DeviceKey, TeamId, Ticket, Timestamp};
use muster_node::Setup;
use muster_node::config::{Config, Overrides};
use muster_node::home::Home;
use muster_node::keystore;
use muster_node::request::{Act, Request, Write};
use muster_node::running::{Advanced, RunningNode};
use muster_node::unlock::Unlock;
use muster_replica::Replica;
use muster_store::DiskStore;
use op::{Op, Opened};
use reading::Followed;
use serde_json::{Value, json};
use std::io::{BufRead, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

/// Nodes that a log made here admits besides its authors.
const OTHERS: [&str; 9] = ["B", "C", "D", "E", "F", "G", "H", "I", "J"];

/// Answers operations until told to quit.
pub(crate) fn serve(args: PeerArgs) -> Result<(), Fault> {
    let mut peer = Peer { args, node: None, tail_of: None };
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(Fault::io("read an operation"))?;
        let op: Op = serde_json::from_str(&line).map_err(Fault::unexpected)?;
        let is_last = matches!(op, Op::Quit);
        let answer = match peer.take(op) {
            Ok(Value::Object(mut answer)) => {
                answer.insert("ok".into(), json!(true));
                Value::Object(answer)
            }
            Ok(_) => json!({ "ok": true }),
            Err(fault) => json!({ "ok": false, "error": crate::fault::chain(&fault) }),
        };
        let mut out = std::io::stdout().lock();
        writeln!(out, "{answer}").and_then(|()| out.flush()).map_err(Fault::io("answer"))?;
        if is_last {
            break;
        }
    }
    Ok(())
}

struct Peer {
    args: PeerArgs,
    node: Option<Open>,
    /// The incident of a log of which only the newest lines are read, without a node.
    tail_of: Option<String>,
}

/// A log that is open.
struct Open {
    node: Arc<RunningNode>,
    reference: Opened,
    followed: Arc<Followed>,
    /// Reads what advances, until the node has ended.
    follower: std::thread::JoinHandle<()>,
    /// Whether others come to this node, rather than it to them.
    is_server: bool,
}

impl Peer {
    fn take(&mut self, op: Op) -> Result<Value, Fault> {
        match op {
            Op::Gen { entries, authors } => self.generate(entries, authors),
            Op::Open { reference, tail } => {
                let t0_ns = reading::now_ns();
                // `true`, or how many lines; without it, all of the log will be read or written.
                if tail.is_some_and(|tail| tail != false) && self.home().exists() {
                    self.tail_of = Some(reference.incident);
                } else {
                    self.open(reference)?;
                }
                Ok(json!({ "t0_ns": t0_ns }))
            }
            Op::Listen => {
                let open = self.opened()?;
                open.is_server = true;
                open.follow();
                let addr = open.node.ready().addrs.first().cloned();
                addr.map(|addr| json!({ "addr": addr })).ok_or_else(|| Fault::unexpected("the node listens nowhere"))
            }
            Op::Connect { addr } => {
                let open = self.opened()?;
                open.follow();
                open.node.call(Request::Heal { peer: None })?;
                Ok(open.node.call(Request::AddAddress { address: addr })?)
            }
            Op::Disconnect => {
                let open = self.opened()?;
                open.node.call(Request::Cut { peer: None })?;
                if open.is_server {
                    // Those who come will heal theirs; until then they do not answer.
                    open.node.call(Request::Heal { peer: None })?;
                }
                Ok(json!({}))
            }
            Op::Grant { .. } => Ok(json!({})),
            Op::Writable => self.opened()?.wait_writable(),
            Op::Append { first, n, rate } => {
                let lines = corpus::read(&self.args.corpus, first, n)?;
                self.opened()?.append(&lines, rate)
            }
            Op::Wait { count, .. } => self.opened()?.wait(count),
            // Every line is noted from the start.
            Op::Watch { .. } => Ok(json!({})),
            Op::Seen => Ok(json!({ "seen": self.opened()?.followed.read() })),
            Op::Digest => {
                let open = self.opened()?;
                open.follow();
                let names: Vec<String> = open.followed.read().into_keys().collect();
                Ok(json!({ "count": names.len(), "digest": digest::of(names) }))
            }
            Op::Last { k } => match &self.tail_of {
                Some(incident) => Ok(last(&reading::newest_of_home(&setup(&self.home())?, incident, k)?)),
                None => self.opened()?.last(k),
            },
            Op::Quit => {
                if let Some(Open { node, follower, .. }) = self.node.take() {
                    // Stopped as `muster down` does it: the follower ends with the node, and whoever lets go of the node last
                    // waits until its home is free.
                    node.call(Request::Down)?;
                    drop(node);
                    follower.join().map_err(|_| Fault::unexpected("the follower failed"))?;
                }
                Ok(json!({}))
            }
        }
    }

    fn opened(&mut self) -> Result<&mut Open, Fault> {
        self.node.as_mut().ok_or_else(|| Fault::unexpected("no log is open"))
    }

    fn home(&self) -> PathBuf {
        self.args.dir.join("home")
    }

    /// Makes a log by `authors` in turn, and stays open on it.
    fn generate(&mut self, entries: u32, authors: usize) -> Result<Value, Fault> {
        let keys = tempfile::tempdir().map_err(Fault::io("make a directory for keys"))?;
        let others: Vec<(String, PathBuf)> =
            OTHERS.iter().map(|name| ((*name).to_owned(), keys.path().join(name))).collect();
        let lines = corpus::read(&self.args.corpus, 0, entries as usize)?;
        let line = |n: u32| lines[n as usize - 1].line();
        let script = Script { entries: entries + 1, authors, line: &line, others: &others };
        let outage = Outage::play(&self.home(), &script)?;
        let key_text = |(name, path): &(String, PathBuf)| {
            let text = std::fs::read_to_string(path).map_err(Fault::io("read a key"))?;
            Ok((name.clone(), text))
        };
        let keys = others.iter().map(key_text).collect::<Result<_, Fault>>()?;
        let (_, secret) = surroundings::home(&self.home())?;
        let reference = Opened {
            team: outage.team.to_string(),
            incident: outage.incident.to_string(),
            first: secret.public().to_string(),
            keys,
        };
        let answer = json!({ "ref": reference });
        self.open(reference)?;
        Ok(answer)
    }

    fn open(&mut self, reference: Opened) -> Result<(), Fault> {
        if !self.home().exists() {
            self.begin_empty(&reference)?;
        }
        let (node, advanced) = RunningNode::start(&setup(&self.home())?, std::slice::from_ref(&self.args.listen))?;
        let node = Arc::new(node);
        let followed = Arc::new(Followed::default());
        let incident = reference.incident.clone();
        let (reads, notes) = (Arc::clone(&node), Arc::clone(&followed));
        let follower = std::thread::spawn(move || follow(&advanced, &reads, &incident, &notes));
        self.node = Some(Open { node, reference, followed, follower, is_server: false });
        Ok(())
    }

    /// An empty replica of a log: the key that its roster names, and who may bring the roster.
    fn begin_empty(&self, reference: &Opened) -> Result<(), Fault> {
        let key = reference.keys.get(&self.args.name);
        let key = key.ok_or_else(|| Fault::Unexpected(format!("the log admits no `{}`", self.args.name)))?;
        let home = Home::at(&self.home())?;
        home.open()?;
        let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(home.key_file());
        file.and_then(|mut file| file.write_all(key.as_bytes())).map_err(Fault::io("write the key"))?;
        let (store, _) = DiskStore::open(&home.store(), surroundings::for_writing()?)?;
        let (secret, _) = keystore::load_or_create(&home.key_file(), &Unlock::default())?;
        let mut replica = Replica::open(store, secret, surroundings::session()?, Box::new(OsEntropy))?;
        let first: DeviceKey = parse(&reference.first)?;
        let team: TeamId = parse(&reference.team)?;
        let ticket = Ticket {
            team,
            invite: team.genesis(),
            seed: [0; 32].into(),
            expires: Timestamp(0),
            addresses: vec![(first, String::new())],
            incident: None,
        };
        replica.joined(&ticket)?;
        Ok(replica.commit(surroundings::now())?)
    }
}

/// Reads on whenever something came, once the log is followed.
fn follow(advanced: &Receiver<Advanced>, node: &RunningNode, incident: &str, followed: &Followed) {
    while advanced.recv().is_ok() {
        // What came meanwhile is read along.
        while advanced.try_recv().is_ok() {}
        followed.read_on(node, incident);
    }
}

fn parse<T: std::str::FromStr>(text: &str) -> Result<T, Fault> {
    text.parse().map_err(|_| Fault::Unexpected(format!("`{text}` is no id")))
}

fn setup(path: &Path) -> Result<Setup, Fault> {
    let home = Home::at(path)?;
    let flags = Overrides { mdns: Some(false), log: Some("warn".into()), ..Overrides::default() };
    let config = Config::load(&home.config_file(), flags, |_| None).map_err(Fault::unexpected)?;
    Ok(Setup { home, config, name: Some("ada".into()), unlock: Unlock::default() })
}

impl Open {
    fn append(&self, lines: &[corpus::CorpusLine], rate: f64) -> Result<Value, Fault> {
        let (mut start_ns, mut ack_ns) = (Vec::new(), Vec::new());
        let begun = reading::now_ns();
        for (n, line) in lines.iter().enumerate() {
            if rate > 0.0 {
                let due = begun + (n as f64 * 1e9 / rate) as u64;
                std::thread::sleep(Duration::from_nanos(due.saturating_sub(reading::now_ns())));
            }
            let text = line.typed();
            let act = match line.saying() {
                muster_log::fact::Saying::Observation => Act::Saw { text },
                muster_log::fact::Saying::Decision => Act::Decided { text },
                _ => Act::Say { text },
            };
            let incident = Some(self.reference.incident.clone());
            let request = Request::Write(Write { incident, act, at: None, who: None, link: None, name: None });
            start_ns.push(reading::now_ns());
            self.node.call(request)?;
            ack_ns.push(reading::now_ns());
        }
        Ok(json!({ "start_ns": start_ns, "ack_ns": ack_ns }))
    }

    /// Somebody follows the log from here on: reads what is there, and then every line as it comes.
    fn follow(&self) {
        self.followed.begin();
        self.followed.read_on(&self.node, &self.reference.incident);
    }

    /// Waits until `count` lines were read.
    fn wait(&self, count: usize) -> Result<Value, Fault> {
        self.follow();
        loop {
            let found = self.followed.count();
            if found >= count {
                return Ok(json!({ "t_ns": reading::now_ns(), "count": found }));
            }
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    /// Returns when this node may write: when the roster that names it is here.
    fn wait_writable(&self) -> Result<Value, Fault> {
        while reading::newest(&self.node, &self.reference.incident, 1).is_err() {
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(json!({}))
    }

    fn last(&self, k: usize) -> Result<Value, Fault> {
        Ok(last(&reading::newest(&self.node, &self.reference.incident, k)?))
    }
}

/// The newest lines, read just now.
fn last(texts: &[String]) -> Value {
    let t_ns = reading::now_ns();
    let entries: Vec<Value> =
        texts.iter().filter_map(|text| Some(json!({ "id": corpus::name_of(text)?, "text": text }))).collect();
    json!({ "t_ns": t_ns, "entries": entries })
}
