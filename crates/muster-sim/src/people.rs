//! People: who writes where, and when a write is committed. What they do is drawn in `acts`.

use crate::failure::Wrong;
use crate::node::Promise;
use crate::world::{Event, World};
use crate::{Shell, acts};
use muster_incident::{Act, Aside};
use muster_log::{IncidentId, TeamId};
use muster_replica::ReplicaError;

/// Who declares the incidents that a history begins with.
const FOUNDER: usize = 0;

/// How many of them in one commit.
const DECLARED_AT_ONCE: usize = 50;

/// Between two such commits.
const DECLARE_EVERY_MS: u64 = 200;

impl World {
    pub(crate) fn act(&mut self) -> Result<(), Wrong> {
        if self.decisions > 0 && self.rng.chance(self.decisions) {
            return self.decide();
        }
        let n = self.rng.index(self.nodes.len());
        let Some((team, incident)) = self.place_to_write(n)? else { return Ok(()) };
        let now = self.nodes[n].now(self.now);
        let Some(replica) = &mut self.nodes[n].replica else { return Ok(()) };
        let people = replica.people(&team).map(|people| people.persons().map(|p| people.name(&p)).collect::<Vec<_>>());
        let names = people.unwrap_or_default();
        let (act, aside) = match incident {
            None => (acts::declare(&mut self.rng, &names), acts::aside(&mut self.rng, now.wall)),
            Some(incident) => {
                let ledger = replica.ledger(&team).ok();
                let order = ledger.and_then(|ledger| ledger.dag(&incident.into())).map(|dag| dag.order());
                let admits = self.guests > 0 && self.rng.chance(100);
                let admitted = if admits { self.rng.pick(&names).cloned() } else { None };
                let act = match admitted {
                    Some(who) => Act::Admit { who },
                    None => acts::act(&mut self.rng, &names, order.unwrap_or_default()),
                };
                (act, acts::aside(&mut self.rng, now.wall))
            }
        };
        tracing::debug!(node = n, at = self.now, ?act, "act");
        match replica.write(team, incident, &act, &aside, now) {
            Ok(written) => self.wrote(n, Promise { team, entry: written.entry }),
            Err(ReplicaError::Store(_)) => {
                self.survive(n);
                Ok(())
            }
            // A guest admits nobody, and nobody is admitted who may hold it already.
            Err(ReplicaError::NotAllowed(_) | ReplicaError::Pointless { .. }) if matches!(act, Act::Admit { .. }) => {
                self.tally.refused += 1;
                Ok(())
            }
            Err(ReplicaError::Command(_) | ReplicaError::Body(_)) => {
                self.tally.refused += 1;
                Ok(())
            }
            // Not everybody may redact everything.
            Err(ReplicaError::NotAllowed(_)) if matches!(act, Act::Redact { .. }) => {
                self.tally.refused += 1;
                Ok(())
            }
            Err(error) => Err(Wrong::Failed { node: n, doing: "write", error: error.to_string() }),
        }
    }

    /// The founder declares some of the incidents that the history begins with, until all are there.
    pub(crate) fn declare_many(&mut self) -> Result<(), Wrong> {
        if self.undeclared > 0 {
            self.plan(DECLARE_EVERY_MS, Event::Declare);
        }
        let (n, now) = (FOUNDER, self.nodes[FOUNDER].now(self.now));
        let count = self.undeclared.min(DECLARED_AT_ONCE);
        let (Some(team), Some(replica)) = (self.team, &mut self.nodes[n].replica) else { return Ok(()) };
        let mut written = Vec::new();
        for number in 0..count {
            let act = acts::declare_for_all(format!("incident {number} of {}", self.undeclared));
            match replica.write(team, None, &act, &Aside::default(), now) {
                Ok(entry) => written.push(Promise { team, entry: entry.entry }),
                Err(ReplicaError::Store(_)) => {
                    self.survive(n);
                    return Ok(());
                }
                // The founder may be out.
                Err(ReplicaError::NotAllowed(_)) if self.decides => {
                    self.undeclared = 0;
                    break;
                }
                Err(error) => return Err(Wrong::Failed { node: n, doing: "declare", error: error.to_string() }),
            }
        }
        self.nodes[n].is_dirty = true;
        self.nodes[n].staged.extend(written);
        if self.try_commit(n)? {
            self.undeclared = self.undeclared.saturating_sub(count);
        }
        Ok(())
    }

    /// Something was written and not committed yet.
    pub(crate) fn wrote(&mut self, n: usize, promise: Promise) -> Result<(), Wrong> {
        self.nodes[n].is_dirty = true;
        self.nodes[n].staged.push(promise);
        if self.shell == Shell::AcknowledgesBeforeCommit {
            self.acknowledge(n);
        }
        if self.rng.chance(self.faults.crash_on_write) {
            self.go_down(n, false);
        } else if self.rng.chance(500) {
            self.commit(n)?;
        } else {
            let after = self.rng.between(0, 20);
            self.plan(after, Event::Commit(n));
        }
        Ok(())
    }

    /// Where somebody at a node writes next: in an incident, or a new one in a team; `None` where they have no place.
    fn place_to_write(&mut self, n: usize) -> Result<Option<(TeamId, Option<IncidentId>)>, Wrong> {
        let failed = |error: ReplicaError| Wrong::Failed { node: n, doing: "read", error: error.to_string() };
        let Some(replica) = &self.nodes[n].replica else { return Ok(None) };
        let writes_in = |team: &TeamId| {
            let ledger = replica.ledger(team).ok();
            let capability =
                ledger.and_then(|ledger| ledger.roster().capability(&ledger.roster().person_of(&replica.device())?));
            capability.is_some_and(|capability| capability >= muster_log::fact::Capability::Responder)
        };
        let incidents: Vec<_> =
            replica.incidents().map_err(failed)?.into_iter().filter(|(team, _)| writes_in(team)).collect();
        // Who came back as somebody new has what they had, and may write only where that one may.
        let may_hold = |team: &TeamId, incident: &IncidentId| {
            let me = replica.person_in(team);
            me.is_some_and(|me| replica.ledger(team).is_ok_and(|ledger| ledger.may_hold(&me, incident)))
        };
        let incidents: Vec<_> =
            incidents.into_iter().filter(|(team, incident)| !self.decides || may_hold(team, incident)).collect();
        let declares_in = |team: &TeamId| writes_in(team) && !replica.is_guest_in(team);
        let current = replica.current_team().map_err(failed)?.filter(declares_in);
        let own = current.or_else(|| replica.teams().into_iter().find(declares_in));
        match (self.rng.pick(&incidents).copied(), own) {
            (Some((team, incident)), _) if !self.rng.chance(60) => Ok(Some((team, Some(incident)))),
            (_, Some(team)) => Ok(Some((team, None))),
            (_, None) => {
                if self.nodes[n].joining.welcomed || !self.rng.chance(self.faults.declares_alone) {
                    return Ok(None);
                }
                Ok(self.found_team_of_one(n)?.map(|team| (team, None)))
            }
        }
    }
}
