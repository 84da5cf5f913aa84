//! Lies by gossip: forged messages of entries, announcements of what nobody has, signs of life in another's name.
//!
//! What neighbours do with a message is in `crate::gossip`.

use super::forged::baseless;
use super::ground::{Ground, any_id, any_incident, odd_time};
use super::pen::{Sheet, chunk, packed, squeeze};
use crate::rng::Rng;
use muster_log::{DagId, Draft, EntryId, Signature, TeamId, Timestamp};
use muster_sync::frame::{Announcement, Gossip, HeadPrefix, Packed, Part, Presence, TeamPrefix};
use muster_sync::limits::{
    ANNOUNCED_MAX, GOSSIP_BYTES_MAX, GOSSIP_RAW_BYTES_MAX, GOSSIP_ROWS_MAX, HEAD_PREFIX_BYTES, PRESENCE_HEADS_MAX,
};

/// What a small message unfolds to, in bytes.
const BOMB_BYTES: usize = 8 * 1024 * 1024;

/// Messages of one flood.
const FLOOD: u64 = 40;

fn say(ground: &Ground<'_>, gossip: &Gossip) -> Vec<u8> {
    gossip.encode(TeamPrefix::from(ground.team))
}

fn entries(ground: &Ground<'_>, dag: DagId, packed: Packed) -> Vec<u8> {
    say(ground, &Gossip::Entries(dag, packed))
}

/// Messages that no honest node would publish, none of which can be admitted.
pub(crate) fn gossip(ground: &Ground<'_>, rng: &mut Rng) -> Option<Vec<Vec<u8>>> {
    let dag = ground.incident(rng)?;
    let draft = ground.note(dag, rng)?;
    let over = usize::from(rng.chance(500));
    let message = match rng.below(12) {
        0 => {
            let mut sheet = Sheet::write(draft, "signed by nobody", ground.secret, rng)?;
            sheet.signature = Some(Signature::from_bytes(rng.bytes()));
            entries(ground, dag, chunk(&[sheet], 0, Part::Live))
        }
        1 => {
            let signed = Sheet::write(draft.clone(), "before", ground.secret, rng)?;
            let mut changed = draft;
            changed.claimed.time.0 += 1;
            let mut sheet = Sheet::write(changed, "before", ground.secret, rng)?;
            sheet.signature = signed.signature;
            entries(ground, dag, chunk(&[sheet], 0, Part::Live))
        }
        2 => {
            let other = *rng.pick(ground.honest)?;
            let sheet = Sheet::write(ground.note_by(other, dag, rng)?, "in your name", ground.secret, rng)?;
            entries(ground, dag, chunk(&[sheet], 0, Part::Live))
        }
        3 => {
            let team = TeamId::from_bytes(rng.bytes());
            let sheet = Sheet::write(Draft { team, ..draft }, "elsewhere", ground.secret, rng)?;
            let prefix = if rng.chance(500) { team } else { ground.team };
            let packed = chunk(&[sheet], 0, Part::Live);
            Gossip::Entries(dag, packed).encode(TeamPrefix::from(prefix))
        }
        4 => return Some(announcements(ground, dag, rng)),
        5 => {
            // What exists, in an incident that it is not of.
            let there = ground.ledger.dag(&dag)?.heads();
            let id = *rng.pick(&there)?;
            let dag = if rng.chance(500) { DagId::from(ground.team) } else { DagId::from(any_incident(rng)) };
            say(ground, &Gossip::Announcement(Announcement { dag, id, size: u32::MAX }))
        }
        6 => {
            let mut message = say(ground, &Gossip::Announcement(Announcement { dag, id: any_id(rng), size: 0 }));
            message.resize(GOSSIP_BYTES_MAX + over, 0);
            message
        }
        7 => {
            let mut packed = packed(&[], 0, Part::Live);
            packed.raw_size = GOSSIP_RAW_BYTES_MAX + u32::from(over > 0);
            packed.compressed = squeeze(&vec![0; BOMB_BYTES]);
            entries(ground, dag, packed)
        }
        8 => entries(ground, dag, chunk(&ground.run(dag, GOSSIP_ROWS_MAX as u32 + 1, rng), 0, Part::Live)),
        9 => {
            let sheet = Sheet::write(draft, "unproven", ground.secret, rng)?;
            entries(ground, dag, chunk(&[Sheet { signature: None, ..sheet }], 0, Part::Live))
        }
        10 => {
            let sheet = Sheet::write(draft, "no message", ground.secret, rng)?;
            let (number, part) = if over > 0 { (7, Part::Live) } else { (0, Part::End) };
            entries(ground, dag, chunk(&[sheet], number, part))
        }
        _ => return (0..rng.between(1, FLOOD)).map(|_| baseless_message(ground, dag, rng)).collect(),
    };
    Some(vec![message])
}

/// Announcements of entries that do not exist, more than are waited for at once.
fn announcements(ground: &Ground<'_>, dag: DagId, rng: &mut Rng) -> Vec<Vec<u8>> {
    let invented = rng.chance(500);
    let mut announcement = || {
        let dag = if invented { DagId::from(any_incident(rng)) } else { dag };
        say(ground, &Gossip::Announcement(Announcement { dag, id: any_id(rng), size: 20_000 }))
    };
    (0..ANNOUNCED_MAX + 10).map(|_| announcement()).collect()
}

/// A well-formed entry, signed, that waits for what does not exist, of an incident that exists or of none.
fn baseless_message(ground: &Ground<'_>, dag: DagId, rng: &mut Rng) -> Option<Vec<u8>> {
    let mut draft = ground.note(dag, rng)?;
    let mut dag = dag;
    if rng.chance(700) {
        draft.incident = any_incident(rng);
        dag = DagId::from(draft.incident);
    }
    let sheet = baseless(ground, draft, rng)?;
    Some(entries(ground, dag, chunk(&[sheet], 0, Part::Live)))
}

/// Signs of life that are not true: of what it lacks, of other times, in another's name, without end.
pub(crate) fn presence(ground: &Ground<'_>, rng: &mut Rng) -> Option<Vec<Vec<u8>>> {
    // Addresses at which nobody is, or that are none.
    let number = ground.claimed.time.0.rem_euclid(9) as usize;
    let addresses = vec![format!("/ip4/192.0.2.{number}/tcp/1").repeat(number % 3); number];
    let sign =
        |wall: Timestamp, heads: Vec<HeadPrefix>| Presence::sign(ground.team, ground.secret, wall, heads, &addresses);
    let invented = |rng: &mut Rng| (0..PRESENCE_HEADS_MAX).map(|_| rng.bytes()).collect::<Vec<HeadPrefix>>();
    let wall = ground.claimed.time;
    let mut presence = match rng.below(5) {
        0 => sign(wall, invented(rng)),
        1 => sign(odd_time(rng), real_heads(ground, rng)),
        2 | 3 => {
            // Everything is with somebody who has said nothing of the kind.
            let mut presence = sign(wall, real_heads(ground, rng));
            presence.device = *rng.pick(ground.honest)?;
            presence
        }
        _ => {
            let many = (0..rng.between(1, FLOOD)).map(|number| sign(wall.plus_ms(number as i64), invented(rng)));
            return Some(many.map(|presence| say(ground, &Gossip::Presence(presence))).collect());
        }
    };
    if rng.chance(200) {
        presence.heads.extend(invented(rng));
    }
    Some(vec![say(ground, &Gossip::Presence(presence))])
}

/// Beginnings of the ids of what is here.
fn real_heads(ground: &Ground<'_>, rng: &mut Rng) -> Vec<HeadPrefix> {
    let dags: Vec<DagId> = ground.incidents().into_iter().chain([DagId::from(ground.team)]).collect();
    let heads = |dag: &DagId| ground.ledger.dag(dag).map(|dag| dag.heads()).unwrap_or_default();
    let all: Vec<EntryId> = dags.iter().flat_map(heads).collect();
    let mut real: Vec<HeadPrefix> = (0..PRESENCE_HEADS_MAX).filter_map(|_| rng.pick(&all).map(prefix)).collect();
    real.sort_unstable();
    real.dedup();
    real
}

fn prefix(id: &EntryId) -> HeadPrefix {
    let mut prefix = [0; HEAD_PREFIX_BYTES];
    prefix.copy_from_slice(&id.as_bytes()[..HEAD_PREFIX_BYTES]);
    prefix
}
