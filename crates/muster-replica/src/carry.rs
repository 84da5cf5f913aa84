//! What was declared alone comes along: when its author joins a team, this device writes its own entries of a team of
//! one again there, each naming the original and the time it claimed then (ADR 0003). Only what was declared before the
//! team was joined, and only out of a team that came to be by declaring: one made with `team create` is another team.
//!
//! The originals stay where they are. The old ids go on to resolve: views find an entry by the origin it names, and the
//! incident by a local fact.

use crate::error::ReplicaError;
use crate::local;
use crate::replica::{Now, Replica};
use crate::team::{Bodies, Team};
use muster_log::fact::{Capability, Declare, IncidentFact, Origin, RoleAct, Visibility, What};
use muster_log::{Body, BodyText, DagId, EntryId, Fact, IncidentId, PersonId, TeamId};
use muster_store::Storage;
use std::collections::BTreeMap;

impl<S: Storage> Replica<S> {
    /// This device joins `to`: what was declared alone until then is to come along there. Teams that were made on purpose
    /// stay what they are. Durable with the next commit.
    pub(crate) fn let_come_along(&mut self, to: TeamId) -> Result<(), ReplicaError> {
        let me = self.device();
        let alone: Vec<TeamId> = self.teams.iter().filter(|(_, team)| team.is_solo(&me)).map(|(id, _)| *id).collect();
        for from in alone.into_iter().filter(|from| *from != to) {
            if self.store.local(&local::made_on_purpose(&from))?.is_none() {
                self.set_local(local::coming(&from), Some(to.to_string().into_bytes()))?;
            }
        }
        Ok(())
    }

    /// Carries what is to come along, as soon as this device may write in the team that it joined.
    ///
    /// An incident goes in one batch with the fact that it went, so a crash leaves it gone as a whole or not at all.
    pub(crate) fn carry_along(&mut self, now: Now) -> Result<(), ReplicaError> {
        for (from, to) in self.comings()? {
            let new_person = self.person_in(&to).filter(|person| {
                let roster = self.teams.get(&to).map(|team| team.ledger.roster());
                // A guest declares nothing there.
                roster.is_some_and(|roster| {
                    roster.capability(person) >= Some(Capability::Responder) && roster.guest_of(person).is_none()
                })
            });
            let Some(new_person) = new_person else { continue };
            for incident in self.to_come(&from)? {
                match self.carry(from, incident, to, new_person, now) {
                    Err(error @ ReplicaError::Store(_)) => return Err(error),
                    // Tried again when the home is opened anew; the original is untouched and shown meanwhile.
                    Err(error) => {
                        tracing::error!(%incident, %error, "the incident did not come along");
                        self.left_behind.insert(incident);
                    }
                    Ok(()) => {}
                }
            }
            // What is declared there from now on was not declared before joining.
            let is_left = |team: &Team| team.incidents().iter().any(|incident| self.left_behind.contains(incident));
            if !self.teams.get(&from).is_some_and(is_left) {
                self.set_local(local::coming(&from), None)?;
            }
        }
        Ok(())
    }

    /// Teams of one, each with the team that was joined since.
    fn comings(&self) -> Result<Vec<(TeamId, TeamId)>, ReplicaError> {
        let all = self.store.locals(local::COMING)?;
        let pair = |(key, to): (String, Vec<u8>)| {
            let from = key.strip_prefix(local::COMING)?.parse().ok()?;
            Some((from, String::from_utf8(to).ok()?.parse().ok()?))
        };
        Ok(all.into_iter().filter_map(pair).collect())
    }

    /// Incidents of a team of one that did not go anywhere yet.
    fn to_come(&self, from: &TeamId) -> Result<Vec<IncidentId>, ReplicaError> {
        let (mut due, me) = (Vec::new(), self.device());
        for incident in self.teams.get(from).filter(|team| team.is_solo(&me)).map(Team::incidents).unwrap_or_default() {
            if self.store.local(&local::carried(&incident))?.is_none() && !self.left_behind.contains(&incident) {
                due.push(incident);
            }
        }
        Ok(due)
    }

    /// Incidents that come along to a team as soon as this device may write there.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    pub fn coming_to(&self, to: &TeamId) -> Result<Vec<IncidentId>, ReplicaError> {
        let mut all = Vec::new();
        for (from, _) in self.comings()?.into_iter().filter(|(_, team)| team == to) {
            all.extend(self.to_come(&from)?);
        }
        Ok(all)
    }

    fn carry(
        &mut self,
        from: TeamId,
        incident: IncidentId,
        to: TeamId,
        new_person: PersonId,
        now: Now,
    ) -> Result<(), ReplicaError> {
        let mut new_ids: BTreeMap<EntryId, EntryId> = BTreeMap::new();
        let mut new_incident = None;
        let Some(order) = self
            .teams
            .get(&from)
            .and_then(|team| team.ledger.dag(&DagId::from(incident)))
            .map(|dag| dag.order().to_vec())
        else {
            return Ok(());
        };
        for id in order {
            let Some(entry) = self.teams.get(&from).and_then(|team| team.ledger.entry(&id)).cloned() else { continue };
            // What this version cannot read was written by a later one on this device; it stays in the team of one.
            let Ok(Fact::Incident(fact)) = entry.fact() else { continue };
            let Some(what) = renamed(&fact.what, &new_ids, new_person) else { continue };
            let text = match entry.body() {
                Some(reference) => {
                    let Some(state) = self.teams.get(&from) else { continue };
                    let bodies = Bodies { store: &self.store, hidden: &state.hidden, staged: &self.staged_bodies };
                    let bytes = bodies.get(&reference.hash)?;
                    bytes.map(|bytes| Body::read(&bytes)).unwrap_or_default()
                }
                None => BodyText::default(),
            };
            // An entry that was carried before keeps its first origin.
            let origin = fact.origin.unwrap_or(Origin { entry: id, claimed: entry.claimed() });
            let fact = IncidentFact { when: fact.when, origin: Some(origin), what };
            let dag = new_incident.map(DagId::from);
            let new = self.author(to, dag, fact.kind(), fact.fields(), &text, now)?;
            new_incident.get_or_insert(IncidentId::of_genesis(new));
            new_ids.insert(id, new);
        }
        let Some(new_incident) = new_incident else { return Ok(()) };
        self.set_local(local::carried(&incident), Some(new_incident.to_string().into_bytes()))?;
        if self.chosen_incident()? == Some(incident) {
            self.choose_incident(Some(new_incident))?;
        }
        tracing::info!(from = %incident, to = %new_incident, entries = new_ids.len(), "incident came along");
        Ok(())
    }

    /// Where an incident went that was declared alone; itself where it went nowhere.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    pub fn carried_to(&self, incident: IncidentId) -> Result<IncidentId, ReplicaError> {
        let to = self.store.local(&local::carried(&incident))?;
        Ok(to.and_then(|text| String::from_utf8(text).ok()?.parse().ok()).unwrap_or(incident))
    }

    /// The incident that was declared alone before this one took its place, as this one's `declare` names it.
    pub fn origin_of(&self, team: &TeamId, incident: &IncidentId) -> Option<EntryId> {
        match self.teams.get(team)?.ledger.fact(&incident.genesis())? {
            Fact::Incident(fact) => fact.origin.map(|origin| origin.entry),
            _ => None,
        }
    }

    /// All incidents that went along, with where they went.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    pub fn carried(&self) -> Result<Vec<(IncidentId, IncidentId)>, ReplicaError> {
        let all = self.store.locals(local::CARRIED)?;
        Ok(all
            .into_iter()
            .filter_map(|(key, to)| {
                Some((key.strip_prefix(local::CARRIED)?.parse().ok()?, String::from_utf8(to).ok()?.parse().ok()?))
            })
            .collect())
    }
}

/// The same fact about the new entries and the new person; `None` where what it is about did not come along.
fn renamed(what: &What, new_ids: &BTreeMap<EntryId, EntryId>, person: PersonId) -> Option<What> {
    let id = |old: &EntryId| new_ids.get(old).copied();
    let ids = |old: &[EntryId]| {
        let mut new: Vec<EntryId> = old.iter().filter_map(id).collect();
        new.sort_unstable();
        new
    };
    Some(match what {
        // The persons of a team of one are one person; in the new team the incident is the team's.
        What::Declare(declare) => {
            What::Declare(Declare { visibility: carried_visibility(declare, person), ..declare.clone() })
        }
        What::ActionState { action, state, supersedes } => {
            What::ActionState { action: id(action)?, state: *state, supersedes: ids(supersedes) }
        }
        What::Amendment { target } => What::Amendment { target: id(target)? },
        // What it redacts came along without its text.
        What::Redaction { .. } => return None,
        What::Severity { severity, supersedes } => What::Severity { severity: *severity, supersedes: ids(supersedes) },
        What::Selection { letter, claim, supersedes } => {
            What::Selection { letter: *letter, claim: id(claim)?, supersedes: ids(supersedes) }
        }
        What::Role { role, act, supersedes } => {
            let act = match act {
                RoleAct::Claim => RoleAct::Claim,
                RoleAct::Release => RoleAct::Release,
                RoleAct::Assign(_) => RoleAct::Assign(person),
                RoleAct::Accept(offer) => RoleAct::Accept(id(offer)?),
                RoleAct::Settle(_) => RoleAct::Settle(person),
            };
            What::Role { role: role.clone(), act, supersedes: ids(supersedes) }
        }
        What::Title { supersedes } => What::Title { supersedes: ids(supersedes) },
        What::Phase { phase, supersedes } => What::Phase { phase: *phase, supersedes: ids(supersedes) },
        // Whoever was named among one was that one.
        What::Admit { .. } => return None,
        What::Say(_) | What::Action { .. } | What::Milestone { .. } | What::JoinHeads => what.clone(),
    })
}

/// What was private among one stays private to that one.
fn carried_visibility(declare: &Declare, person: PersonId) -> Visibility {
    match declare.visibility {
        Visibility::Team => Visibility::Team,
        Visibility::Private(_) => Visibility::Private(vec![person]),
    }
}
