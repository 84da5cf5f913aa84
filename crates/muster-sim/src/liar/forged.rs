//! Lies about entries: forged ones, misdated ones, such as nothing can complete, forks, and bodies withheld.

use super::ground::{Ground, after, any_id, any_incident, odd_time};
use super::pen::{Sheet, chunk};
use crate::rng::Rng;
use muster_log::fact::{Capability, RosterFact};
use muster_log::{Claimed, DagId, Draft, EntryId, Kind, SessionId, Signature, TeamId, Value};
use muster_sync::frame::{Frame, Heads, Hello, Packed, Part, TeamPrefix};

/// Most entries in one chunk that nothing can complete: more than may wait of one sender.
const UNSATISFIABLE_MAX: u64 = 300;

/// Numbers of kinds in incidents that are nobody's yet.
const KINDS_OF_LATER: [u64; 2] = [200, 255];

/// Incidents invented at once.
const INVENTED_MAX: u64 = 100;

fn part(rng: &mut Rng) -> Part {
    [Part::Live, Part::More, Part::End, Part::EndForNow].get(rng.index(4)).copied().unwrap_or(Part::Live)
}

pub(super) fn send(ground: &Ground<'_>, dag: DagId, sheets: &[Sheet], rng: &mut Rng) -> Vec<u8> {
    let packed: Packed = chunk(sheets, 1, part(rng));
    let frame = if dag == DagId::from(ground.team) { Frame::Roster(packed) } else { Frame::Entries(dag, packed) };
    ground.frame(&frame)
}

/// An entry that has no right to be, or a frame of somebody else's team.
pub(crate) fn forged(ground: &Ground<'_>, rng: &mut Rng) -> Option<Vec<u8>> {
    let dag = ground.incident(rng)?;
    let mut draft = ground.note(dag, rng)?;
    match rng.below(8) {
        0 => {
            let other = *rng.pick(ground.honest)?;
            draft = ground.note_by(other, dag, rng)?;
        }
        1 => {
            let mut sheet = Sheet::write(draft, "signed by nobody", ground.secret, rng)?;
            sheet.signature = Some(Signature::from_bytes(rng.bytes()));
            return Some(send(ground, dag, &[sheet], rng));
        }
        2 => {
            let signed = Sheet::write(draft.clone(), "before", ground.secret, rng)?;
            draft.claimed.time.0 += 1;
            let mut sheet = Sheet::write(draft, "before", ground.secret, rng)?;
            sheet.signature = signed.signature;
            return Some(send(ground, dag, &[sheet], rng));
        }
        3 => {
            // A parent in another incident, or in the roster.
            let mut others = ground.incidents();
            others.retain(|other| *other != dag);
            others.push(DagId::from(ground.team));
            let other = *rng.pick(&others)?;
            draft.deps = ground.ledger.dag(&other)?.heads().into_iter().take(1).collect();
        }
        4 => {
            // Continues a log that is not its own.
            draft.seq = 5;
            draft.backlink = draft.deps.pop();
        }
        5 => {
            let ticket_key = ground.me();
            let fact = RosterFact::Invite {
                ticket_key,
                capability: Capability::Admin,
                expires: ground.claimed.time,
                incident: None,
            };
            let session = SessionId::from_bytes(rng.bytes());
            let draft = ground.ledger.draft_roster(ground.me(), session, ground.claimed, &fact).ok()?;
            let sheet = Sheet::write(draft, "", ground.secret, rng)?;
            return Some(send(ground, DagId::from(ground.team), &[sheet], rng));
        }
        6 => draft.roster_heads = ground.ledger.dag(&dag)?.heads().into_iter().take(1).collect(),
        _ => {
            let other = TeamId::from_bytes(rng.bytes());
            let sheet = Sheet::write(Draft { team: other, ..draft }, "elsewhere", ground.secret, rng)?;
            let packed = chunk(&[sheet], 1, Part::Live);
            let prefix = TeamPrefix::from(if rng.chance(500) { other } else { ground.team });
            return Some(Frame::Entries(DagId::from(any_incident(rng)), packed).encode(prefix));
        }
    }
    let sheet = Sheet::write(draft, "forged", ground.secret, rng)?;
    Some(send(ground, dag, &[sheet], rng))
}

/// A valid entry of another century, or a greeting from there.
pub(crate) fn misdated(ground: &Ground<'_>, rng: &mut Rng) -> Option<Vec<u8>> {
    if rng.chance(300) {
        let roster = DagId::from(ground.team);
        let dag = ground.ledger.dag(&roster)?;
        let hello = Hello {
            protocol: muster_sync::limits::PROTOCOL_VERSION,
            features: u64::MAX,
            team: ground.team,
            roster: Heads::new(roster, dag.len() as u64, dag.heads()),
            now: odd_time(rng),
            max_frame: u32::MAX,
            credit: u32::MAX,
        };
        return Some(ground.frame(&Frame::Hello(hello)));
    }
    let dag = ground.incident(rng)?;
    let offset = [0, i16::MIN, i16::MAX, 14 * 60];
    let claimed = Claimed { time: odd_time(rng), offset_minutes: rng.pick(&offset).copied().unwrap_or_default() };
    let draft = Draft { claimed, ..ground.note(dag, rng)? };
    let sheet = Sheet::write(draft, "long ago", ground.secret, rng)?;
    Some(send(ground, dag, &[sheet], rng))
}

/// An entry as a later version might write it: of a kind that is not known here, with fields that mean nothing here.
pub(crate) fn newer(ground: &Ground<'_>, rng: &mut Rng) -> Option<Vec<u8>> {
    // As one that is in order: who only observes writes nothing.
    ground.ledger.roster().capability_of(&ground.me()).filter(|capability| *capability >= Capability::Responder)?;
    let (dag, [first, last]) = (ground.incident(rng)?, KINDS_OF_LATER);
    let kind = Kind::from_number(u16::try_from(rng.between(first, last)).ok()?);
    let fields = match rng.below(3) {
        0 => Vec::new(),
        1 => vec![Value::Int(1), Value::Null, Value::Bytes(any_id(rng).as_bytes().to_vec())],
        _ => vec![Value::List(vec![Value::List(vec![Value::Text("later".to_owned())]), Value::Int(-7)])],
    };
    let draft = Draft { kind, fields, ..ground.note(dag, rng)? };
    let sheet = Sheet::write(draft, "from a later version", ground.secret, rng)?;
    Some(send(ground, dag, &[sheet], rng))
}

/// Entries that wait for what does not exist, of one incident or of as many as can be invented.
pub(crate) fn unsatisfiable(ground: &Ground<'_>, rng: &mut Rng) -> Option<Vec<Vec<u8>>> {
    let dag = ground.incident(rng)?;
    if rng.chance(400) {
        let count = rng.between(1, INVENTED_MAX);
        let invented = |rng: &mut Rng| {
            let incident = any_incident(rng);
            let sheet = baseless(ground, Draft { incident, ..ground.note(dag, rng)? }, rng)?;
            Some(send(ground, DagId::from(incident), &[sheet], rng))
        };
        return (0..count).map(|_| invented(rng)).collect();
    }
    let count = rng.between(1, UNSATISFIABLE_MAX);
    let draft = ground.note(dag, rng)?;
    let sheets: Option<Vec<Sheet>> = (0..count).map(|_| baseless(ground, draft.clone(), rng)).collect();
    Some(vec![send(ground, dag, &sheets?, rng)])
}

/// An entry that lacks a parent, a roster entry or its proof.
pub(super) fn baseless(ground: &Ground<'_>, mut draft: Draft, rng: &mut Rng) -> Option<Sheet> {
    draft.session = SessionId::from_bytes(rng.bytes());
    let ids = |rng: &mut Rng, most: u64| {
        let mut ids: Vec<EntryId> = (0..rng.between(1, most)).map(|_| any_id(rng)).collect();
        ids.sort_unstable();
        ids
    };
    match rng.below(4) {
        0 => draft.deps = ids(rng, 64),
        1 => draft.roster_heads = ids(rng, 16),
        2 => (draft.seq, draft.backlink) = (u32::MAX, Some(any_id(rng))),
        _ => {
            let sheet = Sheet::write(draft, "unproven", ground.secret, rng)?;
            return Some(Sheet { signature: None, ..sheet });
        }
    }
    Sheet::write(draft, "", ground.secret, rng)
}

/// Two entries of one number, and now and then what follows each.
pub(crate) fn fork(ground: &Ground<'_>, rng: &mut Rng) -> Option<[Vec<u8>; 2]> {
    let dag = ground.incident(rng)?;
    let draft = ground.note(dag, rng)?;
    let length = rng.between(1, 3);
    let branch = |text: &str, rng: &mut Rng| {
        let (mut draft, mut sheets) = (draft.clone(), Vec::new());
        for _ in 0..length {
            let sheet = Sheet::write(draft.clone(), text, ground.secret, rng)?;
            draft = after(&draft, sheet.entry.id());
            sheets.push(sheet);
        }
        Some(send(ground, dag, &sheets, rng))
    };
    Some([branch("one", rng)?, branch("other", rng)?])
}

/// A valid entry without its body, and the same with it.
pub(crate) fn withheld(ground: &Ground<'_>, rng: &mut Rng) -> Option<[Vec<u8>; 2]> {
    let dag = ground.incident(rng)?;
    let sheet = Sheet::write(ground.note(dag, rng)?, "for your eyes only", ground.secret, rng)?;
    Some([send(ground, dag, &[sheet.bare()], rng), send(ground, dag, &[sheet], rng)])
}

/// Valid entries, as many as fit.
pub(crate) fn flood(ground: &Ground<'_>, count: u32, rng: &mut Rng) -> Option<Vec<u8>> {
    let dag = ground.incident(rng)?;
    let sheets = ground.run(dag, count, rng);
    Some(send(ground, dag, &sheets, rng))
}
