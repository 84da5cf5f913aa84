//! Links cut on purpose, as for a drill: `net cut` and `net heal`.

use super::Node;
use crate::request::Failure;
use muster_log::DeviceKey;
use serde_json::{Value, json};

impl Node {
    pub(super) fn cut(&mut self, typed: Option<&str>) -> Result<Value, Failure> {
        let peer = self.peer_typed(typed)?;
        self.tell_net(self.net.cut(peer));
        self.opened.cut.insert(peer);
        self.tell_cut()
    }

    pub(super) fn heal(&mut self, typed: Option<&str>) -> Result<Value, Failure> {
        let peer = self.peer_typed(typed)?;
        self.tell_net(self.net.heal(peer));
        match peer {
            None => self.opened.cut.clear(),
            Some(_) => drop(self.opened.cut.remove(&peer)),
        }
        self.tell_cut()
    }

    /// Lets the engine, of this store or of the next, know which links are cut.
    pub(super) fn tell_cut(&mut self) -> Result<Value, Failure> {
        let cut = self.opened.cut.clone();
        self.with_engine(|engine| {
            engine.around.cut = cut;
            Ok(json!({ "cut": engine.cut_names() }))
        })
    }

    /// The device that a typed handle or device means.
    pub(super) fn peer_typed(&mut self, typed: Option<&str>) -> Result<Option<DeviceKey>, Failure> {
        let Some(typed) = typed else { return Ok(None) };
        self.with_engine(|engine| engine.device_typed(typed).map(Some))
    }
}
