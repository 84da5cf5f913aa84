//! A command's way to its home: through the running node where there is one, else on the store itself.

use crate::control::REQUEST_BYTES_MAX;
use crate::engine::Engine;
use crate::home::Home;
use crate::opening::{self, Opened, Setup};
use crate::request::{Failure, Reply, Request, What};
use crate::tail;
use crate::up;
use muster_store::DiskStore;
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// Requests sent ahead of their answers. The node commits what waits together, so a few dozen make one sync serve many.
const AHEAD_MAX: usize = 64;

/// How long a node may take to end: it tells its peers and closes the store.
const END_WAIT: Duration = Duration::from_secs(30);

/// How much longer than asked a node may take to say that nothing changed.
const ANSWER_GRACE: Duration = Duration::from_secs(2);

/// How long a node may take over what is done in milliseconds; its disk may be slow, and others may be before us. One that
/// hangs must not keep a person waiting who does not know of it.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long it may take over what goes through a whole incident, team or file.
const LONG_PATIENCE: Duration = Duration::from_secs(120);

/// How long it may take over joining: it tries each address of the ticket, and waits for the roster.
const JOIN_PATIENCE: Duration = Duration::from_secs(360);

/// A home, ready for requests.
pub struct Client {
    way: Way,
    setup: Setup,
}

enum Way {
    Node { read: BufReader<UnixStream>, write: UnixStream },
    Store { opened: Box<Opened>, engine: Option<Box<Engine<DiskStore>>> },
}

/// Opens a home: connects to its node, or else opens the store, creating home and key at first use.
///
/// # Errors
/// A [`Failure`] for a person: the home cannot be used, another process has it, the store is newer or damaged.
pub fn open(setup: &Setup) -> Result<Client, Failure> {
    let way = match connect(&setup.home) {
        Some((read, write)) => Way::Node { read, write },
        None => match opening::open(setup, false) {
            Ok((opened, engine)) => Way::Store { opened: Box::new(opened), engine: Some(Box::new(engine)) },
            // A node may have come up between the two looks.
            Err(failure) => match connect(&setup.home) {
                Some((read, write)) => Way::Node { read, write },
                None => return Err(failure),
            },
        },
    };
    Ok(Client { way, setup: setup.clone() })
}

/// Waits until the home's node has something new to show, at most for `longest`; gives its count of changes, to be handed
/// in as `seen` the next time. Without a node nothing tells of changes: then it waits for all of `longest`.
pub fn wait_for_change(setup: &Setup, seen: u64, longest: Duration) -> u64 {
    let began = Instant::now();
    let answer = connect(&setup.home).and_then(|(read, write)| {
        let request = Request::Watch { seen, wait_ms: longest.as_millis() as u64 };
        Client { way: Way::Node { read, write }, setup: setup.clone() }.call(&request).ok()
    });
    match answer.and_then(|answer| answer.get("changes")?.as_u64()) {
        Some(changes) => changes,
        None => {
            std::thread::sleep(longest.saturating_sub(began.elapsed()));
            seen
        }
    }
}

/// Has one request done by the quickest way there is: what the home's tail answers needs neither a node nor the store.
///
/// # Errors
/// As [`open`] and [`Client::call`].
pub fn ask(setup: &Setup, request: &Request) -> Result<Value, Failure> {
    match tail::answer(setup, request) {
        Some(answer) => Ok(answer),
        None => open(setup)?.call(request),
    }
}

fn connect(home: &Home) -> Option<(BufReader<UnixStream>, UnixStream)> {
    let stream = UnixStream::connect(home.socket().ok()?).ok()?;
    let read = BufReader::new(stream.try_clone().ok()?);
    Some((read, stream))
}

/// Asks a running node and nobody else; `None` where there is none. One that says nothing for so long is a failure.
pub(crate) fn ask_node(home: &Home, request: &Request, patience: Duration) -> Option<Result<Value, Failure>> {
    let (mut read, mut write) = connect(home)?;
    let mut answer = None;
    let asked = pipeline(&mut read, &mut write, std::slice::from_ref(request), patience, &mut |_, done| {
        answer = Some(done);
    });
    // Nothing was written: what happens on the way is all the same, it does not answer.
    let hung_up = |failure: Failure| {
        if failure != lost() {
            return failure;
        }
        Failure::new("the node does not answer: it hung up")
            .hint("look at muster.log in its home; `muster down`, then `muster up`")
    };
    Some(asked.and_then(|()| answer.unwrap_or_else(|| Err(lost()))).map_err(hung_up))
}

impl Drop for Client {
    /// Whoever had the store open leaves its newest lines to be found.
    fn drop(&mut self) {
        if let Way::Store { engine: Some(engine), .. } = &mut self.way {
            let now = engine.now();
            if let Err(error) = engine.replica.erase_rest(now) {
                tracing::warn!(error = crate::engine::chain(&error), "redacted texts are erased later");
            }
            tail::keep(engine);
        }
    }
}

impl Client {
    /// Whether a node answers.
    pub fn is_node(&self) -> bool {
        matches!(self.way, Way::Node { .. })
    }

    /// Has one request done. A write is durable when this returns.
    ///
    /// # Errors
    /// What speaks against it, for a person.
    pub fn call(&mut self, request: &Request) -> Result<Value, Failure> {
        let mut answer = None;
        self.call_all(vec![request.clone()], &mut |_, done| answer = Some(done))?;
        answer.unwrap_or_else(|| Err(lost()))
    }

    /// Waits until the node has ended, which was asked to.
    ///
    /// # Errors
    /// Where it has not within half a minute.
    pub fn wait_for_end(&mut self) -> Result<(), Failure> {
        let Way::Node { read, .. } = &mut self.way else { return Ok(()) };
        let late = || Failure::new("the node does not end").hint("look at muster.log in its home; kill it if it hangs");
        read.get_ref().set_read_timeout(Some(END_WAIT)).map_err(|_| late())?;
        match read.fill_buf() {
            Ok([]) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => Ok(()),
            _ => Err(late()),
        }
    }

    /// Has many requests done, in order; `each` is told each answer with the request's number. What comes after a
    /// failed one is done all the same.
    ///
    /// # Errors
    /// Where the way to the node breaks; requests without an answer may or may not have been done.
    pub fn call_all(
        &mut self,
        requests: Vec<Request>,
        each: &mut dyn FnMut(usize, Result<Value, Failure>),
    ) -> Result<(), Failure> {
        match &mut self.way {
            Way::Node { read, write } => {
                let longest = requests.iter().map(patience).max().unwrap_or(PATIENCE);
                pipeline(read, write, &requests, longest, each)
            }
            Way::Store { .. } => {
                for (number, request) in requests.iter().enumerate() {
                    let done = match request {
                        Request::Join { .. } => self.with_passing_node(request),
                        _ => self.on_store(request),
                    };
                    each(number, done);
                }
                Ok(())
            }
        }
    }

    fn on_store(&mut self, request: &Request) -> Result<Value, Failure> {
        let Way::Store { opened, engine: slot } = &mut self.way else { return Err(lost()) };
        let engine = match slot {
            Some(engine) => engine,
            // A write failed before and the session ended with it.
            None => slot.insert(Box::new(opening::reopen(opened)?)),
        };
        let done = engine.execute(request);
        let now = engine.now();
        if let Err(error) = engine.replica.commit(now) {
            *slot = None;
            return done.and(Err(error.into()));
        }
        engine.replica.take_effects();
        opened.renew_lease(engine);
        if !request.redacts() {
            return done;
        }
        if engine.replica.owes_erasure()
            && let Err(error) = engine.replica.erase_rest(now)
        {
            tracing::warn!(error = crate::engine::chain(&error), "redacted texts are erased later");
        }
        engine.tell_erasure(done)
    }

    /// Joining needs the network: a node runs for as long as it takes, then the store is opened again.
    fn with_passing_node(&mut self, request: &Request) -> Result<Value, Failure> {
        let Way::Store { engine, .. } = &mut self.way else { return Err(lost()) };
        drop(engine.take());
        up::passing(&self.setup, request.clone())
    }
}

/// How long the answer to a request is waited for.
fn patience(request: &Request) -> Duration {
    match request {
        // A screen that watches is to say so soon if the node hangs.
        Request::Watch { wait_ms, .. } => Duration::from_millis(*wait_ms) + ANSWER_GRACE,
        Request::Join { .. } => JOIN_PATIENCE,
        Request::Bundle(_) | Request::Audit(_) | Request::Compact(_) | Request::Verify(_) => LONG_PATIENCE,
        Request::Read(read) => match read.what {
            What::Timeline { .. } | What::Audit | What::ExportJson | What::ExportMarkdown => LONG_PATIENCE,
            _ => PATIENCE,
        },
        _ => PATIENCE,
    }
}

/// Sends requests and takes their answers, none of which may take longer than `patience`.
fn pipeline(
    read: &mut BufReader<UnixStream>,
    write: &mut UnixStream,
    requests: &[Request],
    patience: Duration,
    each: &mut dyn FnMut(usize, Result<Value, Failure>),
) -> Result<(), Failure> {
    let limited = read.get_ref().set_read_timeout(Some(patience));
    limited.and_then(|()| write.set_write_timeout(Some(patience))).map_err(|_| lost())?;
    let mut sent = 0;
    for answered in 0..requests.len() {
        while sent < requests.len() && sent - answered < AHEAD_MAX {
            send(write, &requests[sent], requests)?;
            sent += 1;
        }
        let mut line = String::new();
        let taken = read.read_line(&mut line).map_err(|error| broken(&error, write, requests))?;
        if taken == 0 {
            return Err(lost());
        }
        let reply: Reply = serde_json::from_str(&line).map_err(|_| {
            Failure::new("the node's answer makes no sense").hint("restart the node: its version may differ")
        })?;
        each(answered, reply.into());
    }
    Ok(())
}

fn send(write: &mut UnixStream, request: &Request, all: &[Request]) -> Result<(), Failure> {
    let mut line = serde_json::to_vec(request).map_err(|error| Failure::new(error.to_string()))?;
    line.push(b'\n');
    if line.len() as u64 > REQUEST_BYTES_MAX {
        return Err(Failure::new("the text is too long for one entry")
            .hint("say it in several entries, or keep it in a file and log where that is (--link)"));
    }
    write.write_all(&line).map_err(|error| broken(&error, write, all))
}

/// What it means that the way to the node broke.
fn broken(error: &std::io::Error, way: &UnixStream, requests: &[Request]) -> Failure {
    use std::io::ErrorKind::{TimedOut, WouldBlock};
    if matches!(error.kind(), TimedOut | WouldBlock) { silent(way, requests) } else { lost() }
}

/// A node that took the request and says nothing: stopped, without a disk, or at work for longer than it should be.
fn silent(way: &UnixStream, requests: &[Request]) -> Failure {
    let pid = rustix::net::sockopt::socket_peercred(way).ok().map(|cred| cred.pid.as_raw_nonzero());
    let (node, pid) = match pid {
        Some(pid) => (format!("the node (process {pid})"), pid.to_string()),
        None => ("the node".to_owned(), "PID".to_owned()),
    };
    let writes = requests.iter().any(Request::writes);
    let unknown = if writes { "; whether it was written is not known" } else { "" };
    let look = if writes { "; then `muster timeline` tells whether to say it again" } else { "" };
    Failure::new(format!("{node} does not answer{unknown}")).hint(format!(
        "it may be stopped (`kill -CONT {pid}` wakes it) or wait for a disk; muster.log in the home may say why\n\
         `kill -9 {pid}` ends it, and what was acknowledged is safe: `muster up` starts it again{look}"
    ))
}

fn lost() -> Failure {
    Failure::new("the node went away before it answered")
        .hint("see `muster timeline` whether it was logged before you say it again")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Read;

    /// Has requests done by a node that takes them and says nothing, as one does that was stopped.
    fn asked(request: &Request) -> Failure {
        let (mut write, _node) = UnixStream::pair().unwrap();
        let mut read = BufReader::new(write.try_clone().unwrap());
        let patience = Duration::from_millis(1);
        let one = std::slice::from_ref(request);
        pipeline(&mut read, &mut write, one, patience, &mut |_, _| panic!("nobody answered")).unwrap_err()
    }

    #[test]
    fn a_node_that_says_nothing_is_told_by_its_process_and_a_write_is_not_called_lost() {
        let read = asked(&Request::Read(Read { incident: None, what: What::Status }));
        let pid = std::process::id();
        assert_eq!(read.message, format!("the node (process {pid}) does not answer"));
        assert!(read.hint.unwrap().contains(&format!("kill -CONT {pid}")));
        let write = asked(&Request::Use { incident: None });
        assert!(write.message.ends_with("whether it was written is not known"), "{write}");
    }
}
