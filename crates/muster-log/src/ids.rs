//! Names of things: every id is a hash or random bytes, never a counter.
//!
//! `Display` prints what `FromStr` reads (lower-case hex); a device's key has its own text form in [`crate::key`].

use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;

/// A text that was meant to be an id and is not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {expected} hexadecimal digits")]
pub struct BadId {
    text: String,
    expected: usize,
}

/// Hashes a domain tag, one zero byte, and the parts one after another.
///
/// Callers pass parts of fixed length, or one variable part last, so that no two inputs give the same bytes.
pub(crate) fn tagged_hash(tag: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(tag.as_bytes());
    hasher.update([0]);
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// At most 32 bytes, in one piece: ids are in every line that is shown.
fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; 64];
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
    let digits = text.get(..bytes.len() * 2).unwrap_or_default();
    f.write_str(std::str::from_utf8(digits).unwrap_or_default())
}

fn read_hex<const N: usize>(text: &str) -> Result<[u8; N], BadId> {
    let bad = || BadId { text: text.chars().take(80).collect(), expected: N * 2 };
    let digits = text.as_bytes();
    if digits.len() != N * 2 {
        return Err(bad());
    }
    let mut out = [0; N];
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        for &digit in pair {
            let value = (digit as char).to_digit(16).filter(|_| !digit.is_ascii_uppercase()).ok_or_else(bad)?;
            *byte = *byte << 4 | value as u8;
        }
    }
    Ok(out)
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $len]);

        impl $name {
            /// Wraps bytes that are already known to be this id.
            pub const fn from_bytes(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }

            /// The raw bytes.
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(f, &self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}(", stringify!($name))?;
                write_hex(f, &self.0[..4])?;
                f.write_str("..)")
            }
        }

        impl FromStr for $name {
            type Err = BadId;

            fn from_str(text: &str) -> Result<Self, BadId> {
                read_hex(text).map(Self)
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = std::array::TryFromSliceError;

            fn try_from(bytes: &[u8]) -> Result<Self, Self::Error> {
                bytes.try_into().map(Self)
            }
        }
    };
}

id!(
    /// SHA-256 of an entry's canonical bytes under the tag `muster/entry/1`.
    ///
    /// ```compile_fail
    /// # use muster_log::{EntryId, BodyHash};
    /// let hash = BodyHash::from_bytes([0; 32]);
    /// let id: EntryId = hash; // a body's hash is not an entry's id
    /// ```
    EntryId,
    32
);
id!(
    /// A team: the id of its `team-create` entry. Also names the roster's DAG.
    TeamId,
    32
);
id!(
    /// An incident: the id of its `declare` entry. Also names the incident's DAG.
    IncidentId,
    32
);
id!(
    /// The DAG an entry belongs to: a team's roster or an incident, named by its genesis.
    DagId,
    32
);
id!(
    /// A person: the id of the `team-create` or `join` entry that made them.
    PersonId,
    32
);
id!(
    /// SHA-256 that binds a body to exactly one entry (see [`crate::body`]).
    BodyHash,
    32
);
id!(
    /// One author's log in one DAG: hash of DAG, device key and session.
    LogId,
    32
);
id!(
    /// The first sixteen bytes of a [`LogId`]; a log's name on the wire and its actor in the document.
    ShortLog,
    16
);
id!(
    /// Sixteen bytes from the operating system, drawn each time a store is opened for writing.
    SessionId,
    16
);

impl LogId {
    /// The log that `key` writes in `dag` during `session`.
    pub fn of(dag: &DagId, key: &crate::DeviceKey, session: &SessionId) -> Self {
        Self(tagged_hash("muster/log/1", &[dag.as_bytes(), key.as_bytes(), session.as_bytes()]))
    }

    /// The name that a forked entry of this log, and what follows it there, has in the document instead of the short
    /// name.
    pub fn fork_name(&self, forked: &EntryId) -> ShortLog {
        Self(tagged_hash("muster/fork/1", &[&self.0, forked.as_bytes()])).short()
    }

    /// The short name used on the wire.
    pub fn short(&self) -> ShortLog {
        let mut short = [0; 16];
        short.copy_from_slice(&self.0[..16]);
        ShortLog(short)
    }
}

macro_rules! genesis_names {
    ($($name:ident),*) => {$(
        impl $name {
            /// The genesis entry that gives this its name.
            pub const fn genesis(&self) -> EntryId {
                EntryId(self.0)
            }

            /// What the genesis entry `id` names.
            pub const fn of_genesis(id: EntryId) -> Self {
                Self(id.0)
            }
        }
    )*};
}

genesis_names!(TeamId, IncidentId, DagId, PersonId);

impl From<TeamId> for DagId {
    fn from(team: TeamId) -> Self {
        Self(team.0)
    }
}

impl From<IncidentId> for DagId {
    fn from(incident: IncidentId) -> Self {
        Self(incident.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_what_it_prints() {
        let id = EntryId::from_bytes(std::array::from_fn(|i| i as u8 * 7));
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn upper_case_short_and_odd_texts_are_not_ids() {
        let good = "ab".repeat(32);
        for bad in ["", "ab", &good[1..], &good.to_uppercase(), &format!("{good}ab"), &good.replace('a', "ä")] {
            assert!(bad.parse::<EntryId>().is_err(), "{bad}");
        }
    }
}
