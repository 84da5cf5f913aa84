//! Proof that a device wrote two entries under one number of a log, for those who hold nothing else (protocol, section
//! "Proof of a fork").
//!
//! What a fork does to the log is decided in `status`; here it is only shown that there is one.

use crate::cbor::{self, Writer};
use crate::entry::Entry;
use crate::ids::{DagId, EntryId, SessionId, TeamId};
use crate::key::{DeviceKey, Signature};
use crate::value::Value;

/// How the file begins. The number is the version of its form.
const MAGIC: &[u8; 15] = b"muster/proof/1\n";

/// Entries of a branch: between two signatures of a log there are at most as many.
const BRANCH_ENTRIES_MAX: usize = 64;

/// Bytes of a file: two branches of the longest entries.
pub const FORK_PROOF_BYTES_MAX: usize = 2 * BRANCH_ENTRIES_MAX * (crate::limits::ENTRY_BYTES_MAX + 8) + 1024;

/// One continuation of the log: the forked entry, then what follows up to a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Branch {
    /// In the order of the log.
    pub entries: Vec<Entry>,
    /// The author's, over the last entry.
    pub signature: Signature,
}

/// Two branches that begin under one number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForkProof {
    branches: [Branch; 2],
}

/// What a good proof shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forked {
    /// The device that signed both.
    pub key: DeviceKey,
    /// The team.
    pub team: TeamId,
    /// The roster or the incident.
    pub dag: DagId,
    /// The session of the log.
    pub session: SessionId,
    /// The number under which both stand.
    pub seq: u32,
    /// The two entries.
    pub entries: [EntryId; 2],
    /// When the author's clock was at each.
    pub claimed_ms: [i64; 2],
}

/// Why bytes prove no fork.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadProof {
    /// Not the form at all.
    #[error("this is not a proof of a fork")]
    Form,
    /// Written by a later version.
    #[error("this proof has a form of a later version")]
    Version,
    /// An entry of a branch does not follow the one before.
    #[error("entry {0} does not follow the one before it")]
    Chain(EntryId),
    /// The signature at the end of a branch is not the author's.
    #[error("the signature on {0} is not its author's")]
    Signature(EntryId),
    /// Both branches are good, but they do not begin under one number of one log, or they are the same.
    #[error("the two entries are not under one number of one log")]
    NoFork,
}

impl ForkProof {
    /// Puts two branches together.
    ///
    /// # Errors
    /// [`BadProof`] where they prove nothing.
    pub fn new(one: Branch, other: Branch) -> Result<Self, BadProof> {
        let first = |branch: &Branch| branch.entries.first().map(Entry::id).ok_or(BadProof::Form);
        let branches = if first(&one)? < first(&other)? { [one, other] } else { [other, one] };
        let proof = Self { branches };
        proof.check()?;
        Ok(proof)
    }

    /// What it shows; every signature and link is checked.
    ///
    /// # Errors
    /// [`BadProof`] where it shows nothing.
    pub fn check(&self) -> Result<Forked, BadProof> {
        let [one, other] = &self.branches;
        let (a, b) = (one.check()?, other.check()?);
        let place = |entry: &Entry| (entry.team(), entry.dag(), entry.key(), entry.items().session, entry.seq());
        if place(a) != place(b) || a.id() >= b.id() {
            return Err(BadProof::NoFork);
        }
        let (team, dag, key, session, seq) = place(a);
        let claimed_ms = [a.claimed().time.0, b.claimed().time.0];
        Ok(Forked { key, team, dag, session, seq, entries: [a.id(), b.id()], claimed_ms })
    }

    /// The file.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.list(2);
        for branch in &self.branches {
            w.list(2).list(branch.entries.len());
            for entry in &branch.entries {
                w.bytes(entry.bytes());
            }
            w.bytes(branch.signature.as_bytes());
        }
        [MAGIC.as_slice(), &w.finish()].concat()
    }

    /// Reads a file and checks it.
    ///
    /// # Errors
    /// [`BadProof`].
    pub fn decode(bytes: &[u8]) -> Result<Self, BadProof> {
        let Some(list) = bytes.strip_prefix(MAGIC) else {
            let is_later = bytes.starts_with(b"muster/proof/");
            return Err(if is_later { BadProof::Version } else { BadProof::Form });
        };
        if list.len() > FORK_PROOF_BYTES_MAX {
            return Err(BadProof::Form);
        }
        let value = cbor::decode(list).map_err(|_| BadProof::Form)?;
        let Some([one, other]) = value.as_list() else { return Err(BadProof::Form) };
        let proof = Self { branches: [Branch::read(one)?, Branch::read(other)?] };
        proof.check()?;
        if proof.encode() == bytes { Ok(proof) } else { Err(BadProof::Form) }
    }
}

impl Branch {
    fn read(value: &Value) -> Result<Self, BadProof> {
        let Some([entries, signature]) = value.as_list() else { return Err(BadProof::Form) };
        let entries = entries.as_list().filter(|entries| entries.len() <= BRANCH_ENTRIES_MAX).ok_or(BadProof::Form)?;
        let entry = |value: &Value| Entry::decode(value.as_bytes()?).ok();
        Ok(Self {
            entries: entries.iter().map(entry).collect::<Option<_>>().ok_or(BadProof::Form)?,
            signature: signature.as_bytes().and_then(|s| Signature::try_from(s).ok()).ok_or(BadProof::Form)?,
        })
    }

    /// The first entry, if the branch is one chain and its end is signed.
    fn check(&self) -> Result<&Entry, BadProof> {
        let (Some(first), Some(last)) = (self.entries.first(), self.entries.last()) else { return Err(BadProof::Form) };
        if self.entries.len() > BRANCH_ENTRIES_MAX {
            return Err(BadProof::Form);
        }
        for pair in self.entries.windows(2) {
            let [before, after] = pair else { continue };
            let place = |entry: &Entry| (entry.team(), entry.dag(), entry.key(), entry.items().session);
            let follows = after.backlink() == Some(before.id())
                && place(before) == place(after)
                && before.seq().checked_add(1) == Some(after.seq());
            if !follows {
                return Err(BadProof::Chain(after.id()));
            }
        }
        if last.key().verifies_entry(&last.id(), &self.signature) {
            Ok(first)
        } else {
            Err(BadProof::Signature(last.id()))
        }
    }
}
