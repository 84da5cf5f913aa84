//! Where this node and the others listen: told, written down, dialled.

use super::Node;
use crate::addresses;
use crate::request::Failure;
use muster_log::DeviceKey;
use muster_net::parse_address;
use serde_json::Value;

/// How long after the last address became known the node counts as ready, in milliseconds: a wildcard address gives one
/// event per interface.
const SETTLE_MS: u64 = 30;

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

impl Node {
    pub(super) fn note_listening(&mut self, addr: &str) {
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
    pub(super) fn save_listening(&mut self) {
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
    pub(super) fn note_not_listening(&mut self, addr: &str, error: &std::io::Error) {
        tracing::error!(addr, %error, "not listening");
        self.addresses_left = self.addresses_left.saturating_sub(1);
        if self.ready.is_some() && self.addresses_left == 0 {
            self.start_failure = Some(
                Failure::new(format!("cannot listen on {addr}: {error}"))
                    .hint("another program may use the port; choose another with --listen /ip4/0.0.0.0/tcp/PORT"),
            );
        }
    }

    pub(super) fn tell_ready(&mut self) {
        let (Some(tell), Some(engine)) = (self.ready.take(), &self.engine) else { return };
        let peer = engine.replica.device().to_string();
        tell(&Ready {
            addrs: engine.around.listening.iter().map(|addr| format!("{addr}/p2p/{peer}")).collect(),
            team: engine.replica.current_team().ok().flatten().map(|team| team.to_string()),
            peer,
        });
    }

    /// A member says where it listens: dialled from now on, and written down if it is news.
    pub(super) fn note_addresses(&mut self, peer: DeviceKey, claimed: Vec<String>) {
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

    /// A member says by gossip where it listens: news are dialled at once and written down, a few times an hour.
    pub(super) fn hear_addresses(&mut self, peer: DeviceKey, said: Vec<String>) {
        let Some(engine) = &mut self.engine else { return };
        let (now, known) = (engine.now().tick, engine.replica.addresses(&peer).unwrap_or_default());
        let Some(all) = self.book.hear(peer, said, &known, now) else { return };
        if engine.replica.check_room().is_ok()
            && let Err(error) = engine.replica.save_addresses(&peer, &all)
        {
            tracing::warn!(%error, "addresses not saved");
        }
        let addrs = all.iter().filter_map(|text| parse_address(text).ok()).collect();
        self.tell_net(self.net.set_addresses(peer, addrs));
    }

    /// Gives the network task the addresses that were just saved.
    pub(super) fn try_addresses(&self, added: &Value) {
        let device = added["device"].as_str().and_then(|device| device.parse().ok());
        let texts = added["addresses"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let addrs = texts.filter_map(|text| parse_address(text).ok()).collect();
        if let Some(device) = device {
            self.tell_net(self.net.set_addresses(device, addrs));
            self.tell_net(self.net.want(device));
        }
    }
}
