//! Who may be connected, and what for: the one place where that is decided.
//!
//! Shared by the behaviours, which ask, and the task, which is told by the node. It decides when a connection is born;
//! closing those that a change has made unwelcome is the task's work.

use crate::limits::MAX_STRANGERS;
use crate::peer_key::device_key;
use libp2p::PeerId;
use libp2p::swarm::{ConnectionDenied, ConnectionId};
use muster_log::DeviceKey;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a connection is for, from its birth to its end.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Class {
    /// Everything; the other side may be asked to sync.
    Member,
    /// The other side may ask to join.
    Stranger,
    /// We ask to join, with this request.
    Joiner(Vec<u8>),
}

/// Why a connection was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Denial {
    #[error("cut off here")]
    Cut,
    #[error("not a device key")]
    BadKey,
    #[error("not a member")]
    NotAMember,
    #[error("too many strangers")]
    TooManyStrangers,
    #[error("stopping")]
    Stopping,
}

impl From<Denial> for ConnectionDenied {
    fn from(denial: Denial) -> Self {
        ConnectionDenied::new(denial)
    }
}

/// The rules as they stand. Not `Debug`: a join request proves the ticket.
#[derive(Default)]
pub(crate) struct Gate {
    pub(crate) members: BTreeSet<DeviceKey>,
    pub(crate) cuts: Cuts,
    pub(crate) stopping: bool,
    /// Our dials to join, with their requests.
    pub(crate) joins: BTreeMap<ConnectionId, Vec<u8>>,
    /// Strangers' connections that stand.
    pub(crate) strangers: BTreeSet<ConnectionId>,
}

/// A gate that the behaviours and the task hold together.
#[derive(Clone, Default)]
pub(crate) struct SharedGate(Arc<Mutex<Gate>>);

impl SharedGate {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Gate> {
        // Nothing panics while it holds the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gate {
    /// Before the handshake of somebody who calls.
    pub(crate) fn on_knock(&self) -> Result<(), Denial> {
        match () {
            () if self.stopping => Err(Denial::Stopping),
            () if self.cuts.is_total() => Err(Denial::Cut),
            () => Ok(()),
        }
    }

    /// Somebody called and is authenticated.
    pub(crate) fn on_inbound(&self, peer: &PeerId) -> Result<Class, Denial> {
        let key = self.reachable(peer)?;
        match () {
            () if self.members.contains(&key) => Ok(Class::Member),
            () if self.strangers.len() >= MAX_STRANGERS => Err(Denial::TooManyStrangers),
            () => Ok(Class::Stranger),
        }
    }

    /// We are about to call, or have called.
    pub(crate) fn on_outbound(&self, id: ConnectionId, peer: &PeerId) -> Result<Class, Denial> {
        let key = self.reachable(peer)?;
        match self.joins.get(&id) {
            Some(request) => Ok(Class::Joiner(request.clone())),
            None if self.members.contains(&key) => Ok(Class::Member),
            None => Err(Denial::NotAMember),
        }
    }

    fn reachable(&self, peer: &PeerId) -> Result<DeviceKey, Denial> {
        let key = device_key(peer).ok_or(Denial::BadKey)?;
        match () {
            () if self.stopping => Err(Denial::Stopping),
            () if self.cuts.contains(&key) => Err(Denial::Cut),
            () => Ok(key),
        }
    }
}

/// Whom the node has cut off, for drills and tests.
#[derive(Debug, Default)]
pub(crate) struct Cuts {
    everybody: bool,
    /// Cut off, or while everybody is, not.
    exceptions: BTreeSet<DeviceKey>,
}

impl Cuts {
    pub(crate) fn contains(&self, key: &DeviceKey) -> bool {
        self.everybody != self.exceptions.contains(key)
    }

    fn is_total(&self) -> bool {
        self.everybody && self.exceptions.is_empty()
    }

    pub(crate) fn cut(&mut self, peer: Option<DeviceKey>) {
        self.set(true, peer);
    }

    pub(crate) fn heal(&mut self, peer: Option<DeviceKey>) {
        self.set(false, peer);
    }

    fn set(&mut self, cut: bool, peer: Option<DeviceKey>) {
        match peer {
            None => *self = Self { everybody: cut, exceptions: BTreeSet::new() },
            Some(peer) if self.everybody == cut => {
                self.exceptions.remove(&peer);
            }
            Some(peer) => {
                self.exceptions.insert(peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer_key::peer_id;
    use muster_log::DeviceSecret;

    fn key(byte: u8) -> DeviceKey {
        DeviceSecret::from_seed(&[byte; 32]).public()
    }

    #[test]
    fn a_cut_holds_until_it_is_healed() {
        let mut cuts = Cuts::default();
        let state = |cuts: &Cuts| (cuts.contains(&key(1)), cuts.contains(&key(2)));
        assert_eq!(state(&cuts), (false, false));
        cuts.cut(Some(key(1)));
        assert_eq!(state(&cuts), (true, false));
        cuts.heal(Some(key(2)));
        assert_eq!(state(&cuts), (true, false));
        cuts.cut(None);
        assert_eq!((state(&cuts), cuts.is_total()), ((true, true), true));
        cuts.heal(Some(key(2)));
        assert_eq!((state(&cuts), cuts.is_total()), ((true, false), false));
        cuts.cut(Some(key(2)));
        assert_eq!(state(&cuts), (true, true));
        cuts.heal(None);
        assert_eq!(state(&cuts), (false, false));
    }

    #[test]
    fn only_members_get_more_than_a_join() {
        let mut gate = Gate { members: [key(1)].into(), ..Gate::default() };
        let (member, stranger) = (peer_id(&key(1)), peer_id(&key(2)));
        let (dial, join) = (ConnectionId::new_unchecked(1), ConnectionId::new_unchecked(2));
        gate.joins.insert(join, vec![7]);
        assert!(gate.on_inbound(&member) == Ok(Class::Member));
        assert!(gate.on_inbound(&stranger) == Ok(Class::Stranger));
        assert!(gate.on_inbound(&PeerId::random()) == Err(Denial::BadKey));
        assert!(gate.on_outbound(dial, &member) == Ok(Class::Member));
        assert!(gate.on_outbound(dial, &stranger) == Err(Denial::NotAMember));
        assert!(gate.on_outbound(join, &stranger) == Ok(Class::Joiner(vec![7])));
        gate.strangers = (0..MAX_STRANGERS).map(ConnectionId::new_unchecked).collect();
        assert!(gate.on_inbound(&stranger) == Err(Denial::TooManyStrangers));
        assert!(gate.on_inbound(&member) == Ok(Class::Member), "strangers cost members nothing");
        gate.cuts.cut(Some(key(1)));
        assert!(gate.on_inbound(&member) == Err(Denial::Cut));
        assert!(gate.on_outbound(dial, &member) == Err(Denial::Cut));
    }
}
