//! Requests about bundles, one frame at a time. The driving is in [`crate::bundle`].
//!
//! The caller commits before them, so that nothing gets into a file that is not durable here.

use super::Engine;
use super::reads::to_value;
use crate::bundle::{Ask, Bytes, Named, Pack, Packed, Plan, Planned, Taken, Text, Waiting, Who};
use crate::request::Failure;
use muster_log::{DeviceKey, PersonId, TeamId};
use muster_replica::{BundleError, BundleOrder};
use muster_store::Storage;
use muster_sync::bundle::{Cursor, Header, States};
use muster_sync::frame::{Frame, TeamPrefix, team_of};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Ids of missing entries in one answer.
const MISSING_MAX: usize = 64;

impl<S: Storage> Engine<S> {
    pub(super) fn bundle(&mut self, ask: &Ask) -> Result<Value, Failure> {
        match ask {
            Ask::Plan(plan) => self.plan_bundle(plan).map(|planned| to_value(&planned)),
            Ask::Pack(pack) => self.pack_bundle(pack).map(|packed| to_value(&packed)),
            Ask::Open { header } => {
                let header = Header::decode(&header.0).map_err(malformed)?;
                self.replica.welcome_bundle(&header)?;
                let person = self.person_of(&header.team, &header.writer)?;
                Ok(to_value(&Named { person: person.map(|person| self.name_of(&header.team, &person)).transpose()? }))
            }
            Ask::Take { frame } => self.take_bundle(&frame.0).map(|taken| to_value(&taken)),
            Ask::Held { team, writer, states } => {
                let frames: Vec<Vec<u8>> = states.iter().map(|state| state.0.clone()).collect();
                Ok(json!({ "named": self.replica.note_bundle(&team.0, &writer.0, &frames)? }))
            }
            Ask::Waiting { team, entries } => {
                let entries: Vec<_> = entries.iter().map(|id| id.0).collect();
                let (pending, missing) = self.replica.still_waiting(&team.0, &entries)?;
                let missing = missing.into_iter().take(MISSING_MAX).map(Text).collect();
                Ok(to_value(&Waiting { pending, missing }))
            }
        }
    }

    fn plan_bundle(&mut self, plan: &Plan) -> Result<Planned, Failure> {
        let typed = plan.incident.as_deref().map(|typed| self.incident_typed(typed)).transpose()?;
        let team = match (&plan.team, typed) {
            (Some(team), Some((of_incident, _))) if team.0 != of_incident => {
                return Err(Failure::new("the incident is of another team than the earlier bundle")
                    .hint("write a whole one: leave `--since` out"));
            }
            (Some(team), _) => team.0,
            (None, Some((team, _))) => team,
            (None, None) => self.replica.current_team()?.ok_or_else(|| {
                Failure::new("there is nothing here to write yet").hint("begin with `muster declare TITLE`")
            })?,
        };
        let order = BundleOrder {
            team,
            reader: self.reader(&team, &plan.reader)?,
            only: match typed {
                Some((_, incident)) => Some(BTreeSet::from([incident])),
                None => plan.only.as_ref().map(|only| only.iter().map(|incident| incident.0).collect()),
            },
            kind: plan.kind(),
            base: plan.base.as_ref().map(|base| base.id.0),
        };
        let planned = self.replica.plan_bundle(&order, self.now())?;
        Ok(Planned {
            header: Bytes(planned.header.encode()),
            states: planned.states.into_iter().map(Bytes).collect(),
            dags: planned.dags.into_iter().map(|(dag, entries)| (Text(dag), entries)).collect(),
            left_out: planned.left_out,
            reader: order.reader.map(|reader| self.name_of(&team, &reader)).transpose()?,
        })
    }

    fn reader(&self, team: &TeamId, who: &Who) -> Result<Option<PersonId>, Failure> {
        match who {
            Who::Anybody => Ok(None),
            Who::Typed(typed) => {
                let found = self.replica.people(team)?.find(typed);
                found
                    .map(Some)
                    .map_err(|error| Failure::new(error.to_string()).hint("`muster team show` lists everybody"))
            }
            Who::HolderOf { writer, reader } if writer.0 == self.replica.device() => {
                Ok(reader.as_ref().map(|reader| reader.0))
            }
            Who::HolderOf { writer, .. } => match self.person_of(team, &writer.0)? {
                Some(person) => Ok(Some(person)),
                None => Err(muster_replica::ReplicaError::from(BundleError::StrangeWriter).into()),
            },
        }
    }

    fn pack_bundle(&self, pack: &Pack) -> Result<Packed, Failure> {
        let team = pack.team.0;
        let mut base = States::default();
        for frame in &pack.base {
            match Frame::decode(&frame.0, TeamPrefix::from(team)).map_err(malformed)? {
                Frame::Have(have) => base.add(&have),
                _ => return Err(Failure::new("what the reader has is not told in states")),
            }
        }
        let mut cursor = Cursor { from: pack.from, to: pack.to, loose: pack.loose.iter().map(|id| id.0).collect() };
        let chunk = self.replica.pack_bundle(&team, pack.dag.0, &base, pack.number, &mut cursor)?;
        Ok(Packed {
            entries: chunk.as_ref().map_or(0, |chunk| chunk.entries),
            frame: chunk.map(|chunk| Bytes(chunk.frame)),
            from: cursor.from,
            loose: cursor.loose.into_iter().map(Text).collect(),
        })
    }

    fn take_bundle(&mut self, frame: &[u8]) -> Result<Taken, Failure> {
        let now = self.now();
        let taken = match self.replica.take_bundle_chunk(frame, now)? {
            Ok(taken) => taken,
            Err(error) => return Ok(Taken { malformed: Some(error.to_string()), ..Taken::default() }),
        };
        let teams = self.replica.teams();
        Ok(Taken {
            team: teams.into_iter().find(|team| Some(TeamPrefix::from(*team)) == team_of(frame)).map(Text),
            entries: taken.entries,
            new: taken.new,
            known: taken.known,
            pending: taken.pending.into_iter().map(Text).collect(),
            refused: taken.refused.len(),
            first_refused: taken.refused.into_iter().next().map(|(id, reason)| (Text(id), reason)),
            malformed: None,
        })
    }

    fn person_of(&self, team: &TeamId, device: &DeviceKey) -> Result<Option<PersonId>, Failure> {
        Ok(self.replica.ledger(team)?.roster().person_of(device))
    }

    fn name_of(&self, team: &TeamId, person: &PersonId) -> Result<String, Failure> {
        Ok(self.replica.people(team)?.name(person))
    }
}

fn malformed(error: muster_sync::FrameError) -> Failure {
    Failure::new(error.to_string())
}
