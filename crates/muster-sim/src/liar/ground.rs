//! What a liar stands on when it lies: its true replica's knowledge of the team, and its own key.

use super::pen::Sheet;
use crate::rng::Rng;
use muster_log::fact::{IncidentFact, Saying, What};
use muster_log::{
    Claimed, DagId, DeviceKey, DeviceSecret, Draft, EntryId, IncidentId, Ledger, SessionId, TeamId, Timestamp,
};
use muster_sync::frame::{Frame, TeamPrefix};

/// A liar at work.
pub(crate) struct Ground<'a> {
    pub(crate) team: TeamId,
    pub(crate) ledger: &'a Ledger,
    pub(crate) secret: &'a DeviceSecret,
    /// The clock it would show if it did not lie.
    pub(crate) claimed: Claimed,
    /// Keys of honest devices.
    pub(crate) honest: &'a [DeviceKey],
}

impl Ground<'_> {
    pub(crate) fn me(&self) -> DeviceKey {
        self.secret.public()
    }

    pub(crate) fn frame(&self, frame: &Frame) -> Vec<u8> {
        frame.encode(TeamPrefix::from(self.team))
    }

    /// Incidents of the whole team: of private ones a liar does not speak, for what it may read it may tell.
    pub(crate) fn incidents(&self) -> Vec<DagId> {
        self.ledger.incidents().filter(|incident| self.ledger.names(incident).is_none()).map(DagId::from).collect()
    }

    pub(crate) fn incident(&self, rng: &mut Rng) -> Option<DagId> {
        rng.pick(&self.incidents()).copied()
    }

    /// A draft of a note that would be admitted if its author signs it. Each has a log of its own.
    pub(crate) fn note(&self, dag: DagId, rng: &mut Rng) -> Option<Draft> {
        self.note_by(self.me(), dag, rng)
    }

    pub(crate) fn note_by(&self, key: DeviceKey, dag: DagId, rng: &mut Rng) -> Option<Draft> {
        let fact = IncidentFact::now(What::Say(Saying::Note));
        let session = SessionId::from_bytes(rng.bytes());
        self.ledger.draft(Some(dag), key, session, self.claimed, fact.kind(), fact.fields()).ok()
    }

    /// `count` valid entries of one new log, each on the one before.
    pub(crate) fn run(&self, dag: DagId, count: u32, rng: &mut Rng) -> Vec<Sheet> {
        let Some(mut draft) = self.note(dag, rng) else { return Vec::new() };
        let mut sheets: Vec<Sheet> = Vec::new();
        for number in 0..count {
            let Some(sheet) = Sheet::write(draft.clone(), &format!("lie {number}"), self.secret, rng) else { break };
            draft = after(&draft, sheet.entry.id());
            sheets.push(sheet);
        }
        sheets
    }
}

/// The draft of what follows in the same log.
pub(crate) fn after(draft: &Draft, before: EntryId) -> Draft {
    Draft { seq: draft.seq.saturating_add(1), backlink: Some(before), deps: Vec::new(), ..draft.clone() }
}

pub(crate) fn any_id(rng: &mut Rng) -> EntryId {
    EntryId::from_bytes(rng.bytes())
}

pub(crate) fn any_incident(rng: &mut Rng) -> IncidentId {
    IncidentId::from_bytes(rng.bytes())
}

/// Times that no honest clock shows, and some that no calendar has.
pub(crate) fn odd_time(rng: &mut Rng) -> Timestamp {
    let times = [0, -1, crate::weather::YEAR_2099_MS, i64::MAX, i64::MIN, i64::MAX / 2, -62_135_596_800_000];
    Timestamp(rng.pick(&times).copied().unwrap_or_default())
}
