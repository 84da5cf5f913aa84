//! Our own requests to join: one address after the other, until one answers.

use crate::address::dialable;
use crate::dial_fault::faults_of;
use crate::event::DialFault;
use crate::join::{JoinError, JoinFailure};
use crate::limits::{JOIN_TIMEOUT, MAX_JOIN_ADDRESSES, MAX_JOIN_BYTES};
use crate::task::{NetTask, dial_opts};
use libp2p::Multiaddr;
use libp2p::swarm::{ConnectionId, DialError};
use muster_log::DeviceKey;
use std::collections::VecDeque;
use tokio::sync::oneshot;
use tokio::time::Instant;

type Outcome = Result<Vec<u8>, JoinError>;

/// One call of [`crate::NetHandle::join`].
pub(crate) struct JoinRun {
    untried: VecDeque<(DeviceKey, Multiaddr)>,
    request: Vec<u8>,
    failures: Vec<(DeviceKey, Multiaddr, JoinFailure)>,
    answer: oneshot::Sender<Outcome>,
    current: Option<Try>,
}

struct Try {
    id: ConnectionId,
    key: DeviceKey,
    addr: Multiaddr,
    until: Instant,
}

impl JoinRun {
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.current.as_ref().map(|it| it.until)
    }

    pub(crate) fn close(self) {
        let _ = self.answer.send(Err(JoinError::Closed));
    }

    fn is_at(&self, id: ConnectionId) -> bool {
        self.current.as_ref().is_some_and(|it| it.id == id)
    }
}

impl NetTask {
    pub(crate) fn join(
        &mut self,
        addrs: Vec<(DeviceKey, Multiaddr)>,
        request: Vec<u8>,
        answer: oneshot::Sender<Outcome>,
    ) {
        let refused = match () {
            () if request.len() > MAX_JOIN_BYTES => Some(JoinError::RequestTooLong(request.len())),
            () if addrs.is_empty() => Some(JoinError::NoAddresses),
            () => None,
        };
        if let Some(error) = refused {
            let _ = answer.send(Err(error));
            return;
        }
        let untried = addrs.into_iter().take(MAX_JOIN_ADDRESSES).collect();
        self.try_next(JoinRun { untried, request, failures: Vec::new(), answer, current: None });
    }

    /// Goes on with a run whose connection was lost with all others.
    pub(crate) fn try_again(&mut self, mut run: JoinRun) {
        if let Some(it) = run.current.take() {
            run.failures.push((it.key, it.addr, JoinFailure::HungUp));
        }
        self.try_next(run);
    }

    /// Dials the next address of a run, or ends the run.
    fn try_next(&mut self, mut run: JoinRun) {
        self.stale = true;
        while let Some((key, addr)) = run.untried.pop_front() {
            if run.answer.is_closed() {
                return;
            }
            let Some(dialled) = dialable(&addr) else {
                run.failures.push((key, addr, DialFault::Unsupported.into()));
                continue;
            };
            let dial = dial_opts(&key, vec![dialled]);
            let id = dial.connection_id();
            self.gate.lock().joins.insert(id, run.request.clone());
            match self.swarm.dial(dial) {
                Ok(()) => {
                    run.current = Some(Try { id, key, addr, until: Instant::now() + JOIN_TIMEOUT });
                    self.joins.push(run);
                    return;
                }
                Err(error) => {
                    self.gate.lock().joins.remove(&id);
                    run.failures.push((key, addr, dial_failure(error)));
                }
            }
        }
        let _ = run.answer.send(Err(JoinError::AllFailed(run.failures)));
    }

    pub(crate) fn is_join(&self, id: ConnectionId) -> bool {
        self.joins.iter().any(|run| run.is_at(id))
    }

    pub(crate) fn join_dial_failed(&mut self, id: ConnectionId, error: DialError) {
        self.join_over(id, Err(dial_failure(error)));
    }

    pub(crate) fn join_hung_up(&mut self, id: ConnectionId) {
        self.join_over(id, Err(JoinFailure::HungUp));
    }

    pub(crate) fn join_answered(&mut self, id: ConnectionId, outcome: Result<Vec<u8>, JoinFailure>) {
        self.join_over(id, outcome);
    }

    pub(crate) fn expire_joins(&mut self, now: Instant) {
        let late: Vec<_> = self
            .joins
            .iter()
            .filter_map(|run| run.current.as_ref())
            .filter(|it| it.until <= now)
            .map(|it| it.id)
            .collect();
        for id in late {
            self.join_over(id, Err(JoinFailure::TimedOut));
        }
    }

    /// One try has its outcome: the run ends with it or goes on to the next address.
    fn join_over(&mut self, id: ConnectionId, outcome: Result<Vec<u8>, JoinFailure>) {
        let Some(index) = self.joins.iter().position(|run| run.is_at(id)) else { return };
        let mut run = self.joins.swap_remove(index);
        self.gate.lock().joins.remove(&id);
        self.swarm.close_connection(id);
        match (outcome, run.current.take()) {
            (Ok(answer), _) => {
                let _ = run.answer.send(Ok(answer));
            }
            (Err(failure), Some(it)) => {
                run.failures.push((it.key, it.addr, failure));
                self.try_next(run);
            }
            (Err(_), None) => self.try_next(run),
        }
    }
}

fn dial_failure(error: DialError) -> JoinFailure {
    // One address was dialled, so there is one fault.
    let fault = faults_of(error, &[Multiaddr::empty()]).into_iter().next();
    fault.map_or(DialFault::TimedOut, |(_, fault)| fault).into()
}
