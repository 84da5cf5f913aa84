//! What a commit lets out: answers to those who wait, frames to peers, news to the network task.

use super::Node;
use crate::addresses;
use crate::request::{Failure, Reply};
use crate::running::Advanced;
use muster_net::{JoinReply, parse_address};
use muster_replica::Effect;
use serde_json::Value;
use tokio::sync::oneshot;

/// An answer that may go out after the commit.
pub(super) enum Answer {
    Request(oneshot::Sender<Reply>, Result<Value, Failure>),
    /// After the erasure too, where there is one.
    Redaction(oneshot::Sender<Reply>, Result<Value, Failure>),
    Join(JoinReply, Vec<u8>),
}

impl Node {
    /// Lets out everything that the last commit backs.
    pub(super) fn release(&mut self) {
        self.carry_out_effects();
        for answer in std::mem::take(&mut self.answers) {
            match answer {
                Answer::Request(reply, done) => drop(reply.send(Reply::from(done))),
                Answer::Redaction(reply, done) => self.until_erased.push((reply, done)),
                Answer::Join(reply, bytes) => reply.send(bytes),
            }
        }
        let engine = self.engine.as_ref();
        if !engine.is_some_and(|engine| engine.replica.owes_erasure()) {
            for (reply, done) in std::mem::take(&mut self.until_erased) {
                let told = match engine {
                    Some(engine) => engine.tell_erasure(done),
                    None => done,
                };
                drop(reply.send(Reply::from(told)));
            }
        }
    }

    pub(super) fn carry_out_effects(&mut self) {
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
            self.hear_addresses(device, addresses);
        }
    }
}
