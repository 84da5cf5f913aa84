//! A node inside another program: what `muster up` runs, without signals and without a control socket.
//!
//! The program calls it directly and hears what advances. The same engine, store and network task as the binary's.

use crate::mailbox::{Mail, Mailbox};
use crate::node::{Node, Ready};
use crate::opening::{self, Setup};
use crate::request::{Failure, Reply, Request};
use crate::up::Wired;
use muster_log::{EntryId, IncidentId};
use serde_json::Value;
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// An incident has new entries. They are durable here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advanced {
    /// Which incident.
    pub incident: IncidentId,
    /// The new entries, in causal order.
    pub entries: Vec<EntryId>,
}

/// A node that runs in this process until it is stopped or dropped.
pub struct RunningNode {
    runtime: tokio::runtime::Runtime,
    mailbox: Mailbox,
    thread: Option<JoinHandle<Result<(), Failure>>>,
    ready: Ready,
}

impl RunningNode {
    /// Starts a node and waits until it listens. What advances is sent to the receiver.
    ///
    /// # Errors
    /// What kept it from starting, for a person.
    pub fn start(setup: &Setup, listen: &[String]) -> Result<(Self, Receiver<Advanced>), Failure> {
        let runtime = crate::up::runtime()?;
        let (opened, engine) = opening::open(setup, true)?;
        let saved = engine.replica.addresses(&engine.replica.device())?;
        let addresses = crate::up::listen_addresses(listen, &saved)?;
        let addresses_left = addresses.len();
        let secret = crate::keystore::load_or_create(&setup.home.key_file(), &setup.unlock)?.0;
        let Wired { net, mailbox, mail } = {
            let _within = runtime.enter();
            crate::up::wire(setup, &secret, addresses, setup.config.mdns.value)?
        };
        let (tell_ready, is_ready) = channel();
        let ready = Box::new(move |ready: &Ready| drop(tell_ready.send(ready.clone())));
        let mut node = Node::new(opened, engine, net, runtime.handle().clone(), mailbox.clone(), Some(ready));
        let (watcher, advanced) = channel();
        node.watchers.push(watcher);
        node.addresses_left = addresses_left;
        let thread = std::thread::Builder::new()
            .name("engine".into())
            .spawn(move || node.run(mail))
            .map_err(|error| Failure::new(format!("the node cannot be started: {error}")))?;
        match is_ready.recv() {
            Ok(ready) => Ok((Self { runtime, mailbox, thread: Some(thread), ready }, advanced)),
            // The engine ended before it was ready, and says why.
            Err(_) => Err(thread.join().ok().and_then(Result::err).unwrap_or_else(failed)),
        }
    }

    /// Where it listens and who it is.
    pub fn ready(&self) -> &Ready {
        &self.ready
    }

    /// Has one request done. A write is durable when this returns. From one thread at a time or from many.
    ///
    /// # Errors
    /// What speaks against it, for a person.
    pub fn call(&self, request: Request) -> Result<Value, Failure> {
        let answer = self.runtime.block_on(async {
            let (reply, answer) = oneshot::channel();
            self.mailbox.put(Mail::Request { request: Box::new(request), reply }).await;
            answer.await
        });
        answer.map_or_else(|_| Err(failed()), Reply::into)
    }

    /// Stops the node; returns when the home is free.
    ///
    /// # Errors
    /// What went wrong while it ran.
    pub fn stop(mut self) -> Result<(), Failure> {
        self.end()
    }

    fn end(&mut self) -> Result<(), Failure> {
        let Some(thread) = self.thread.take() else { return Ok(()) };
        self.runtime.block_on(self.mailbox.put(Mail::Stop));
        thread.join().unwrap_or_else(|_| Err(failed()))
    }
}

impl Drop for RunningNode {
    fn drop(&mut self) {
        if let Err(failure) = self.end() {
            tracing::error!(%failure, "the node ended badly");
        }
    }
}

fn failed() -> Failure {
    Failure::new("the node failed (a bug in muster)").hint("what was acknowledged is on disk; start it again")
}
