//! Bundles: what of a team goes into a file for whom, and how a file's chunks come in.
//!
//! Whoever may see an incident over a link may have it in a file, and nobody else. Chunks come in the way they do over
//! a link ([`Replica::take_bundle_chunk`]). The bytes are in [`muster_sync::bundle`]; opening files is the node's
//! affair. Nothing is remembered here between two calls.

use crate::error::ReplicaError;
use crate::replica::{Now, Replica};
use crate::source::LedgerSource;
use crate::team::{Team, incidents, note_held};
use muster_log::{Body, DagId, DeviceKey, EntryId, IncidentId, PersonId, Signature, TeamId};
use muster_store::Storage;
use muster_sync::bundle::{
    BundleId, Chunk, Cursor, Header, Kind, Packing, Scope, States, known_tips, open_chunk, pack,
};
use muster_sync::frame::{Frame, TeamPrefix, team_of};
use muster_sync::{FrameError, Replica as _};
use std::collections::BTreeSet;

/// Why a bundle is not written or not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// Another team's.
    #[error("the bundle is of team {team}, which is not on this device")]
    OtherTeam {
        /// Whose, or as much of it as a chunk tells.
        team: String,
    },
    /// For somebody else.
    #[error("the bundle was written for {reader} alone")]
    OtherReader {
        /// For whom.
        reader: String,
    },
    /// A reply, or what goes on from a bundle, needs a writer who is known.
    #[error("the bundle was written by a device that is not in the team")]
    StrangeWriter,
    /// The bundle is not for one of those who may hold the incident.
    #[error("a bundle for {reader} may not hold incident {incident}: it is private, or the reader is another's guest")]
    Private {
        /// Which.
        incident: IncidentId,
        /// For whom the bundle would be.
        reader: String,
    },
}

impl BundleError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::OtherTeam { .. } => {
                "join first: `muster join TICKET` needs a link to a member once; then read the bundle again"
            }
            Self::OtherReader { .. } => "ask for one without `--for`, or for one `--for` you",
            Self::StrangeWriter => "write a whole one instead: `muster bundle write FILE`",
            Self::Private { .. } => "name somebody who may hold it as the reader: `--for NAME`",
        }
    }
}

/// What a bundle is to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleOrder {
    /// Whose entries.
    pub team: TeamId,
    /// For whom; `None`: anybody in the team.
    pub reader: Option<PersonId>,
    /// These incidents, where they are here, and no others.
    pub only: Option<BTreeSet<IncidentId>>,
    /// What is left out.
    pub kind: Kind,
    /// The bundle that says what the reader has.
    pub base: Option<BundleId>,
}

/// A bundle that can be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundlePlan {
    /// Signed.
    pub header: Header,
    /// Its HAVE frames.
    pub states: Vec<Vec<u8>>,
    /// The DAGs to pack, the roster first, and how many entries of each belong to the bundle.
    pub dags: Vec<(DagId, usize)>,
    /// Incidents that the reader may not see.
    pub left_out: usize,
}

/// What became of a chunk.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TakenChunk {
    /// Its entries.
    pub entries: usize,
    /// Admitted now, with what had waited for them.
    pub new: usize,
    /// Those of the chunk that were here before.
    pub known: usize,
    /// Those that wait.
    pub pending: Vec<EntryId>,
    /// Those that can never be admitted, and why. Nothing of the chunk was taken then.
    pub refused: Vec<(EntryId, String)>,
}

impl<S: Storage> Replica<S> {
    /// Plans and signs a bundle. What is staged and not committed must not get into it: commit first.
    ///
    /// # Errors
    /// [`ReplicaError::NoSuchTeam`]; [`BundleError::Private`] for an incident asked for by name.
    pub fn plan_bundle(&self, order: &BundleOrder, now: Now) -> Result<BundlePlan, ReplicaError> {
        let state = self.team_state(&order.team)?;
        let (me, source) = (self.device(), self.source(state));
        let roster = DagId::from(order.team);
        let mut dags: Vec<DagId> = state.ledger.dag(&roster).map(|_| roster).into_iter().collect();
        let mut left_out = 0;
        for dag in incidents(&state.ledger) {
            let incident = IncidentId::of_genesis(dag.genesis());
            let is_asked_for = order.only.as_ref().is_none_or(|only| only.contains(&incident));
            let may_see = source.visible_to(&dag, &me) && person_may_have(state, &incident, order.reader);
            match (is_asked_for, may_see) {
                (true, true) => dags.push(dag),
                // A reply that the other side never asked for by name leaves it out without a word.
                (true, false) if order.only.is_some() && order.kind == Kind::Full => {
                    let reader = order.reader.map_or("anybody".into(), |reader| state.people().name(&reader));
                    return Err(BundleError::Private { incident, reader }.into());
                }
                (true, false) => left_out += 1,
                (false, _) => {}
            }
        }
        let all = States::of(&source, &dags);
        let states: Vec<Vec<u8>> = dags.iter().flat_map(|dag| all.frames(order.team, dag)).collect();
        let mut header = Header {
            team: order.team,
            kind: order.kind,
            writer: me,
            now: now.wall,
            reader: order.reader,
            scope: if order.only.is_some() { Scope::Stated } else { Scope::All },
            base: order.base,
            states: states.len() as u32,
            states_digest: muster_sync::bundle::digest(&states),
            signature: Signature::from_bytes([0; 64]),
        };
        header.sign(&self.secret);
        let dags = dags.into_iter().map(|dag| (dag, source.order(&dag).len())).collect();
        Ok(BundlePlan { header, states, dags, left_out })
    }

    /// Packs the next chunk of one DAG that [`Replica::plan_bundle`] named, without what `base` states.
    ///
    /// # Errors
    /// [`ReplicaError::NoSuchTeam`].
    pub fn pack_bundle(
        &self,
        team: &TeamId,
        dag: DagId,
        base: &States,
        number: u32,
        cursor: &mut Cursor,
    ) -> Result<Option<Chunk>, ReplicaError> {
        let state = self.team_state(team)?;
        let packing = Packing { replica: &self.source(state), team: *team, me: self.device(), dag, base };
        Ok(pack(packing, number, cursor))
    }

    /// Whether a bundle may be read here, by its header alone.
    ///
    /// # Errors
    /// [`BundleError::OtherTeam`], [`BundleError::OtherReader`].
    pub fn welcome_bundle(&self, header: &Header) -> Result<(), ReplicaError> {
        let Some(state) = self.teams.get(&header.team) else {
            return Err(BundleError::OtherTeam { team: header.team.to_string() }.into());
        };
        match header.reader {
            Some(reader) if state.person_of(&self.device()) != Some(reader) => {
                Err(BundleError::OtherReader { reader: state.people().name(&reader) }.into())
            }
            _ => Ok(()),
        }
    }

    /// Takes a chunk in as a link would: durable with the next commit. A malformed one is the inner error.
    ///
    /// # Errors
    /// [`BundleError::OtherTeam`], [`ReplicaError::Store`].
    pub fn take_bundle_chunk(
        &mut self,
        frame: &[u8],
        now: Now,
    ) -> Result<Result<TakenChunk, FrameError>, ReplicaError> {
        let Some(prefix) = team_of(frame) else { return Ok(Err(FrameError::Form { item: "frame" })) };
        let team = self.teams.keys().find(|team| TeamPrefix::from(**team) == prefix).copied();
        let Some(team) = team else {
            let team = prefix.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            return Err(BundleError::OtherTeam { team: format!("{team}..") }.into());
        };
        let opened = match open_chunk(frame, team) {
            Ok(opened) => opened,
            Err(error) => return Ok(Err(error)),
        };
        let state = self.team_state(&team)?;
        let mut taken = TakenChunk { entries: opened.received.len(), ..TakenChunk::default() };
        let mut bodies = opened.bodies;
        for (id, bytes) in &opened.loose {
            let received = opened.received.iter().map(|received| &received.entry).find(|entry| entry.id() == *id);
            let body = received.or_else(|| state.ledger.entry(id)).and_then(|entry| Body::check(entry, bytes).ok());
            bodies.extend(body.map(|body| (*id, body)));
        }
        let mut news = Vec::with_capacity(opened.received.len());
        for received in opened.received {
            let id = received.entry.id();
            if state.ledger.contains(&id) {
                taken.known += 1;
                // What is here proves nothing new, and a signature that is here would only be written again.
                if received.signature.is_none() || self.store.entry(&id)?.is_some_and(|here| here.signature.is_some()) {
                    continue;
                }
            }
            news.push(received);
        }
        let outcome = self.take_in(team, None, news, bodies, now)?;
        taken.new = outcome.admitted.len();
        taken.pending = outcome.pending;
        taken.refused = outcome.refused.into_iter().map(|(id, refusal)| (id, refusal.to_string())).collect();
        Ok(Ok(taken))
    }

    /// Of these entries those that are still not admitted, and some of what the team's pending entries wait for.
    ///
    /// # Errors
    /// [`ReplicaError::NoSuchTeam`].
    pub fn still_waiting(&self, team: &TeamId, ids: &[EntryId]) -> Result<(usize, BTreeSet<EntryId>), ReplicaError> {
        let state = self.team_state(team)?;
        Ok((ids.iter().filter(|id| !state.ledger.contains(id)).count(), state.ledger.missing()))
    }

    /// Counts HAVE frames that the writer of a bundle has signed as its receipts; gives how many entries they name that
    /// are here.
    ///
    /// # Errors
    /// [`BundleError::StrangeWriter`] where the writer is no device of the team.
    pub fn note_bundle(
        &mut self,
        team: &TeamId,
        writer: &DeviceKey,
        frames: &[Vec<u8>],
    ) -> Result<usize, ReplicaError> {
        let state = self.teams.get_mut(team).ok_or(ReplicaError::NoSuchTeam(*team))?;
        if state.person_of(writer).is_none() {
            return Err(BundleError::StrangeWriter.into());
        }
        let mut named = 0;
        for frame in frames {
            let Ok(Frame::Have(have)) = Frame::decode(frame, TeamPrefix::from(*team)) else { continue };
            let source = LedgerSource {
                ledger: &state.ledger,
                speaker: None,
                missing_bodies: &state.missing_bodies,
                hidden: &state.hidden,
                store: &self.store,
            };
            let known = known_tips(&source, &have);
            named += known.len();
            note_held(state.receipts.entry(*writer).or_default(), &state.ledger, have.dag, known);
        }
        Ok(named)
    }

    fn team_state(&self, team: &TeamId) -> Result<&Team, ReplicaError> {
        self.teams.get(team).ok_or(ReplicaError::NoSuchTeam(*team))
    }

    /// All of a team, for a file or a request: what its reader may not see is left out by who packs.
    pub(crate) fn source<'a>(&'a self, state: &'a Team) -> LedgerSource<'a, S> {
        LedgerSource {
            ledger: &state.ledger,
            speaker: None,
            missing_bodies: &state.missing_bodies,
            hidden: &state.hidden,
            store: &self.store,
        }
    }
}

/// Whether a bundle for this reader may hold the incident: the reader may, or all members where it is for anybody.
fn person_may_have(state: &Team, incident: &IncidentId, reader: Option<PersonId>) -> bool {
    match reader {
        None => !state.ledger.is_private(incident),
        Some(reader) => state.ledger.may_hold(&reader, incident),
    }
}
