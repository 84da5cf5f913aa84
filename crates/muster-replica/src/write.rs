//! Writing with the own hand: draft, body, signature, own admission, stage.

use crate::error::ReplicaError;
use crate::replica::{Now, Replica};
use crate::team::Bodies;
use muster_incident::command::{Aside, Prepared};
use muster_incident::{Act, People, command};
use muster_log::body::BodyPlace;
use muster_log::draft::DraftError;
use muster_log::fact::What;
use muster_log::ledger::{Ledger, Received};
use muster_log::{
    Body, BodyRef, BodyText, DagId, Draft, Entry, EntryId, IncidentId, Kind, PersonId, Refusal, Signature, TeamId,
    Value,
};
use muster_store::{Storage, StoredEntry, Write};

/// What a write made. It may be told to anybody only after the commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The entry.
    pub entry: EntryId,
    /// The incident it belongs to.
    pub incident: IncidentId,
    /// What the author should know about it, such as an action on the same target.
    pub notes: Vec<String>,
}

impl<S: Storage> Replica<S> {
    /// Writes what a person does in an incident; an incident begins with [`Act::Declare`], which needs none.
    ///
    /// # Errors
    /// [`ReplicaError::Command`] where the act makes no sense there, [`ReplicaError::NotAllowed`] where this device may
    /// not write, [`ReplicaError::Body`] where too much was typed, [`ReplicaError::Store`].
    pub fn write(
        &mut self,
        team: TeamId,
        incident: Option<IncidentId>,
        act: &Act,
        aside: &Aside,
        now: Now,
    ) -> Result<Written, ReplicaError> {
        let mut prepared = self.prepare(team, incident, act, aside)?;
        if let (What::Redaction { target }, Some(incident)) = (&prepared.fact.what, incident) {
            prepared.notes.extend(self.before_redacting(team, incident, *target)?);
        }
        let kind = prepared.fact.kind();
        let entry = self.author(team, incident.map(DagId::from), kind, prepared.fact.fields(), &prepared.body, now)?;
        Ok(Written { entry, incident: incident.unwrap_or(IncidentId::of_genesis(entry)), notes: prepared.notes })
    }

    fn prepare(
        &mut self,
        team: TeamId,
        incident: Option<IncidentId>,
        act: &Act,
        aside: &Aside,
    ) -> Result<Prepared, ReplicaError> {
        let device = self.device();
        let state = self.teams.get_mut(&team).ok_or(ReplicaError::NoSuchTeam(team))?;
        let people = state.handles.people(&state.ledger);
        let me = state.person_of(&device).ok_or_else(|| ReplicaError::NotAllowed(state.outside(&device).into()))?;
        match incident {
            None => Ok(command::declare(act, aside, &people)?),
            Some(incident) => {
                if state.ledger.dag(&DagId::from(incident)).is_none() {
                    return Err(ReplicaError::NoSuchIncident(incident));
                }
                if let Act::Admit { who } = act {
                    let person = people.find(who).map_err(command::CommandError::from)?;
                    check_admit(&state.ledger, &incident, &me, &person, &people)?;
                }
                // Most of what is written refers to nothing, and the document may be long.
                if let Some(prepared) = command::plain(act, aside) {
                    return Ok(prepared?);
                }
                let bodies = Bodies { store: &self.store, hidden: &state.hidden, staged: &self.staged_bodies };
                let document = state.documents.get(&incident, &state.ledger, &bodies)?;
                Ok(command::prepare(document, &people, me, act, aside)?)
            }
        }
    }

    /// Drafts, signs, admits and stages one own entry; heads that do not fit are joined by merge entries first.
    pub(crate) fn author(
        &mut self,
        team: TeamId,
        dag: Option<DagId>,
        kind: Kind,
        fields: Vec<Value>,
        body: &BodyText,
        now: Now,
    ) -> Result<EntryId, ReplicaError> {
        let device = self.device();
        let claimed = now.claimed();
        let draft = loop {
            let state = self.teams.get_mut(&team).ok_or(ReplicaError::NoSuchTeam(team))?;
            match state.ledger.draft(dag, device, self.session, claimed, kind, fields.clone()) {
                Ok(draft) => break draft,
                Err(DraftError::TooManyHeads { dag, .. }) => {
                    let merge = state.ledger.draft_merge(dag, device, self.session, claimed);
                    let merge = merge.map_err(|error| ReplicaError::NotAllowed(error.to_string()))?;
                    let merge = merge.ok_or_else(|| ReplicaError::NotAllowed("too many heads".into()))?;
                    let (entry, body) = self.seal(merge, &BodyText::default())?;
                    self.admit_own(team, &entry, body, now)?;
                }
                Err(error) => return Err(ReplicaError::NotAllowed(error.to_string())),
            }
        };
        let (entry, body) = self.seal(draft, body)?;
        self.admit_own(team, &entry, body, now)?;
        Ok(entry.id())
    }

    /// Gives a draft its body, where something was typed, and makes it an entry.
    pub(crate) fn seal(&mut self, mut draft: Draft, text: &BodyText) -> Result<(Entry, Option<Body>), ReplicaError> {
        let body = if text.is_empty() {
            None
        } else {
            Some(Body::write(text, self.entropy.sixteen(), &BodyPlace::of(&draft))?)
        };
        draft.body = body.as_ref().map(Body::reference);
        let entry = draft.seal().map_err(|error| ReplicaError::NotAllowed(error.to_string()))?;
        Ok((entry, body))
    }

    /// Signs an entry, admits it to the own ledger and stages it.
    pub(crate) fn admit_own(
        &mut self,
        team: TeamId,
        entry: &Entry,
        body: Option<Body>,
        now: Now,
    ) -> Result<(), ReplicaError> {
        let id = entry.id();
        let (signature, device) = (self.secret.sign_entry(&id), self.device());
        let state = self.teams.get_mut(&team).ok_or(ReplicaError::NoSuchTeam(team))?;
        let outcome = state.ledger.receive(None, vec![Received { entry: entry.clone(), signature: Some(signature) }]);
        if !outcome.admitted.contains(&id) {
            let in_words = |(_, refusal): &(EntryId, Refusal)| state.refusal_in_words(refusal, &device);
            let why = outcome.refused.first().map_or("it builds on what is not here".into(), in_words);
            return Err(ReplicaError::NotAllowed(why));
        }
        self.stage_entry(team, entry, Some(signature), now)?;
        if let Some(body) = body {
            self.stage_body(team, &Place::of(entry), body.bytes().to_vec())?;
        }
        self.hide(team, &[id])
    }

    /// Stages an admitted entry and remembers it as news for peers and views.
    pub(crate) fn stage_entry(
        &mut self,
        team: TeamId,
        entry: &Entry,
        signature: Option<Signature>,
        now: Now,
    ) -> Result<(), ReplicaError> {
        self.stage_stored(team, stored(entry, signature, now), entry.body().is_some())
    }

    /// As [`Replica::stage_entry`], given what the store is to keep.
    pub(crate) fn stage_stored(
        &mut self,
        team: TeamId,
        stored: StoredEntry,
        has_body: bool,
    ) -> Result<(), ReplicaError> {
        let (id, dag) = (stored.id, stored.dag);
        let state = self.teams.get_mut(&team).ok_or(ReplicaError::NoSuchTeam(team))?;
        state.note_proof(id, stored.signature.is_some());
        if has_body {
            state.missing_bodies.entry(dag).or_default().insert(id);
        }
        self.stage(Write::Entry(stored))?;
        self.note_circles(&id, &team);
        self.news.push((team, id, dag));
        Ok(())
    }

    /// Stages a body that fits the entry.
    pub(crate) fn stage_body(&mut self, team: TeamId, of: &Place, bytes: Vec<u8>) -> Result<(), ReplicaError> {
        let Some(reference) = of.body else { return Ok(()) };
        self.stage(Write::Body { hash: reference.hash, bytes: bytes.clone() })?;
        let state = self.teams.get_mut(&team).ok_or(ReplicaError::NoSuchTeam(team))?;
        if matches!(of.kind, Kind::TEAM_CREATE | Kind::JOIN) {
            state.handles.learn(PersonId::of_genesis(of.id), &bytes);
        }
        if let Some(missing) = state.missing_bodies.get_mut(&of.dag) {
            missing.remove(&of.id);
        }
        state.documents.body_arrived(&of.dag, &of.id);
        self.staged_bodies.insert(reference.hash, bytes);
        Ok(())
    }
}

/// What keeping an entry and its body needs to know of it, without the rest.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) id: EntryId,
    pub(crate) dag: DagId,
    pub(crate) kind: Kind,
    pub(crate) body: Option<BodyRef>,
}

impl Place {
    pub(crate) fn of(entry: &Entry) -> Self {
        Self { id: entry.id(), dag: entry.dag(), kind: entry.kind(), body: entry.body() }
    }
}

/// An entry as the store keeps it.
pub(crate) fn stored(entry: &Entry, signature: Option<Signature>, now: Now) -> StoredEntry {
    StoredEntry {
        bytes: entry.bytes().to_vec(),
        id: entry.id(),
        team: entry.team(),
        dag: entry.dag(),
        received: now.wall,
        signature,
    }
}

/// Refuses to admit somebody where that would be void or change nothing.
fn check_admit(
    ledger: &Ledger,
    incident: &IncidentId,
    me: &PersonId,
    person: &PersonId,
    people: &People,
) -> Result<(), ReplicaError> {
    if !ledger.is_private(incident) && ledger.roster().guest_of(me).is_some() {
        return Err(ReplicaError::NotAllowed("a guest brings nobody into an incident of the team".into()));
    }
    if ledger.may_hold(person, incident) {
        return Err(ReplicaError::Pointless {
            what: format!("{} may hold this incident already", people.name(person)),
            hint: "they have it as soon as their node meets one that holds it: `muster peers` tells who is linked",
        });
    }
    Ok(())
}
