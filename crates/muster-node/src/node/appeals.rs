//! Devices that answer and do not let this one sync: they are shown the roster (ADR 0020), and it is told who goes on
//! refusing.

use super::Node;
use crate::mailbox::Mail;
use muster_log::DeviceKey;
use muster_net::{DialFault, JoinError, Multiaddr};
use muster_replica::JoinAnswer;

impl Node {
    /// A member could not be reached; where it answered and would not sync, it is shown why it should.
    pub(super) fn note_unreachable(&mut self, peer: DeviceKey, faults: &[(Multiaddr, DialFault)]) {
        let told: Vec<String> = faults.iter().map(|(addr, fault)| format!("{addr}: {fault}")).collect();
        tracing::debug!(%peer, faults = ?told, "unreachable");
        let unwelcome = faults.iter().find(|(_, fault)| *fault == DialFault::Unwelcome);
        if let Some((addr, _)) = unwelcome {
            self.appeal(peer, addr.clone());
        }
    }

    fn appeal(&mut self, peer: DeviceKey, addr: Multiaddr) {
        // What is shown must be on disk.
        self.commit();
        let Some(engine) = &mut self.engine else { return };
        let now = engine.now();
        let Some(request) = engine.replica.appeal(&peer, now) else { return };
        tracing::debug!(%peer, bytes = request.len(), "shows the roster to a member that does not let this device sync");
        let (net, mailbox) = (self.net.clone(), self.mailbox.clone());
        self.runtime.spawn(async move {
            let answer = net.join(vec![(peer, addr)], request).await;
            mailbox.put(Mail::Appealed { peer, answer }).await;
        });
    }

    pub(super) fn take_appealed(&mut self, peer: DeviceKey, answer: Result<Vec<u8>, JoinError>) {
        match answer.as_deref().map(JoinAnswer::decode) {
            Ok(Some(JoinAnswer::Welcome)) => {
                tracing::info!(%peer, "knows this device as a member now");
                self.note_refusing(peer, false);
            }
            Ok(Some(JoinAnswer::Refused { reason })) => {
                let reason = muster_incident::printable(&reason);
                tracing::info!(%peer, %reason, "does not know this device as a member");
                self.note_refusing(peer, true);
            }
            Ok(None) => tracing::debug!(%peer, "the answer makes no sense"),
            // Gone, cut off, or asked too often: tried again when it is dialled again.
            Err(error) => tracing::debug!(%peer, %error, "was not shown the roster"),
        }
    }

    /// Keeps in mind who refuses this device, for those who ask.
    pub(super) fn note_refusing(&mut self, peer: DeviceKey, refuses: bool) {
        match refuses {
            true => drop(self.opened.refusing.insert(peer)),
            false => drop(self.opened.refusing.remove(&peer)),
        }
        if let Some(engine) = &mut self.engine {
            engine.around.refusing.clone_from(&self.opened.refusing);
        }
    }
}
