//! Entries and bodies as the protocol frames and links them, for what looks at that.

use muster_log::{BodyHash, DagId, EntryId, Signature, TeamId, Timestamp};
use muster_store::{StoredEntry, Write};
use sha2::{Digest, Sha256};

/// An entry and its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) entry: StoredEntry,
    pub(crate) hash: BodyHash,
    pub(crate) body: Vec<u8>,
}

impl Line {
    pub(crate) fn writes(&self) -> [Write; 2] {
        [Write::Entry(self.entry.clone()), Write::Body { hash: self.hash, bytes: self.body.clone() }]
    }
}

/// A DAG of so many entries: three authors take turns, each entry builds on the author's last and on the one before.
pub(crate) fn lines(seed: u8, count: u32) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for n in 0..count {
        let genesis = lines.first().map(|first| *first.entry.id.as_bytes());
        let backlink = (n >= 3).then(|| *lines[n as usize - 3].entry.id.as_bytes());
        let dep = lines.last().map(|last| *last.entry.id.as_bytes());
        lines.push(line(seed, n, genesis, backlink, dep));
    }
    lines
}

fn line(seed: u8, n: u32, genesis: Option<[u8; 32]>, backlink: Option<[u8; 32]>, dep: Option<[u8; 32]>) -> Line {
    let (author, seq) = ([(n % 3) as u8 + 1; 32], n / 3 + 1);
    let (team, session) = ([1; 32], [author[0], seed, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7]);
    let incident = genesis.unwrap_or([0; 32]);
    let text = format!("line {n} of {seed}: checkout answers again after the switch, {} errors", n * 7 % 101);
    let body =
        [&[0x83, 0x50][..], &salt(seed, n), b"\x6atext/plain\x58", &[text.len() as u8], text.as_bytes()].concat();
    let hash = hash("muster/body/1", &[&team, &incident, &author, &session, &seq.to_be_bytes(), &body]);
    let id = |id: &[u8; 32]| [&[0x58, 0x20][..], id].concat();
    let time = (1_780_000_000_000u64 + u64::from(n) * 1_700).to_be_bytes();
    let bytes = [
        &[0x8d, 0x01][..],
        &id(&team),
        &id(&incident),
        &id(&author),
        &[0x50],
        &session,
        &number(seq),
        &backlink.as_ref().map_or(vec![0xf6], id),
        &dep.as_ref().map_or(vec![0x80], |dep| [&[0x81][..], &id(dep)].concat()),
        &[0x80, 0x82, 0x1b],
        &time,
        &[0x00, 0x18, 0x28, 0x80, 0x82],
        &id(&hash),
        &number(body.len() as u32),
    ]
    .concat();
    let own = self::hash("muster/entry/1", &[&bytes]);
    let entry = StoredEntry {
        bytes,
        id: EntryId::from_bytes(own),
        team: TeamId::from_bytes(team),
        dag: DagId::from_bytes(genesis.unwrap_or(own)),
        received: Timestamp(1_780_000_000_500 + i64::from(n) * 1_700),
        signature: (n % 4 != 1).then(|| {
            Signature::from_bytes(
                [salt(seed, n), salt(seed, n + 1), salt(seed, n + 2), salt(seed, n + 3)].concat().try_into().unwrap(),
            )
        }),
    };
    Line { entry, hash: BodyHash::from_bytes(hash), body }
}

fn salt(seed: u8, n: u32) -> [u8; 16] {
    *hash("salt", &[&[seed], &n.to_be_bytes()]).first_chunk().unwrap()
}

fn hash(tag: &str, parts: &[&[u8]]) -> [u8; 32] {
    let tagged = Sha256::new().chain_update(tag).chain_update([0]);
    parts.iter().fold(tagged, |hasher, part| hasher.chain_update(part)).finalize().into()
}

fn number(n: u32) -> Vec<u8> {
    match n {
        0..24 => vec![n as u8],
        24..256 => vec![0x18, n as u8],
        _ => [&[0x19][..], &(n as u16).to_be_bytes()].concat(),
    }
}
