//! What the driving asks of a home about bundles, and the answers. Executed in `engine::bundles`.

use super::Bytes;
use muster_log::{DagId, DeviceKey, EntryId, IncidentId, PersonId, TeamId};
use muster_sync::bundle::{BundleId, Kind};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt::Display;
use std::str::FromStr;

/// One request about a bundle.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ask {
    /// Plans and signs one. Answer: `Planned`.
    Plan(Plan),
    /// Packs the next chunk. Answer: `Packed`.
    Pack(Pack),
    /// Whether one with this header may be read here. Answer: `Named`.
    Open {
        /// The header frame.
        header: Bytes,
    },
    /// Takes a chunk in. Answer: `Taken`.
    Take {
        /// The ROSTER or ENTRIES frame.
        frame: Bytes,
    },
    /// Counts what the writer signed as its receipts.
    Held {
        /// Whose bundle.
        team: Text<TeamId>,
        /// Who signed.
        writer: Text<DeviceKey>,
        /// HAVE frames.
        states: Vec<Bytes>,
    },
    /// Which of these entries still wait. Answer: `Waiting`.
    Waiting {
        /// Whose.
        team: Text<TeamId>,
        /// The entries.
        entries: Vec<Text<EntryId>>,
    },
}

/// What to write.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Plan {
    /// Whose entries; `None` = of the incident's, else the current team's.
    pub team: Option<Text<TeamId>>,
    /// For whom.
    pub reader: Who,
    /// One incident, as typed.
    pub incident: Option<String>,
    /// Only these; `None` = all, where none was typed.
    pub only: Option<Vec<Text<IncidentId>>>,
    /// The bundle that says what the reader has, and whether this one answers it.
    pub base: Option<Base>,
}

/// What the reader has.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Base {
    /// The bundle's name.
    pub id: Text<BundleId>,
    /// Whether the plan is for the reply to it.
    pub is_answered: bool,
}

impl Plan {
    /// The kind of bundle that this is.
    pub(crate) fn kind(&self) -> Kind {
        match &self.base {
            None => Kind::Full,
            Some(base) if base.is_answered => Kind::Reply,
            Some(_) => Kind::Since,
        }
    }
}

/// For whom a bundle is.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Who {
    /// Anybody in the team.
    Anybody,
    /// A person, as typed.
    Typed(String),
    /// Whoever has the bundle that says what they have: its writer, or if that is this device its reader.
    HolderOf {
        /// Its writer.
        writer: Text<DeviceKey>,
        /// Its reader.
        reader: Option<Text<PersonId>>,
    },
}

/// A plan that was made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Planned {
    /// The signed header frame.
    pub(crate) header: Bytes,
    /// The HAVE frames.
    pub(crate) states: Vec<Bytes>,
    /// The DAGs to pack and how many entries of each.
    pub(crate) dags: Vec<(Text<DagId>, usize)>,
    /// Private incidents that are left out.
    pub(crate) left_out: usize,
    /// For whom it is, by name.
    pub(crate) reader: Option<String>,
}

/// Which chunk to pack.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Pack {
    /// Whose.
    pub team: Text<TeamId>,
    /// Of which DAG.
    pub dag: Text<DagId>,
    /// What the reader has of it: HAVE frames.
    pub base: Vec<Bytes>,
    /// The chunk's number.
    pub number: u32,
    /// The next place in the order of admission.
    pub from: usize,
    /// The place after the last.
    pub to: usize,
    /// Bodies left over from the chunk before.
    pub loose: Vec<Text<EntryId>>,
}

/// A packed chunk, if there was anything left, and where to go on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Packed {
    pub(crate) frame: Option<Bytes>,
    pub(crate) entries: u32,
    pub(crate) from: usize,
    pub(crate) loose: Vec<Text<EntryId>>,
}

/// Whose bundle it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Named {
    /// The writer's person, where the device is of the team.
    pub(crate) person: Option<String>,
}

/// What became of a chunk.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Taken {
    /// Whose it was, if this team's.
    pub(crate) team: Option<Text<TeamId>>,
    pub(crate) entries: usize,
    pub(crate) new: usize,
    pub(crate) known: usize,
    pub(crate) pending: Vec<Text<EntryId>>,
    pub(crate) refused: usize,
    pub(crate) first_refused: Option<(Text<EntryId>, String)>,
    /// Why it holds no entries at all, where that is so.
    pub(crate) malformed: Option<String>,
}

/// What still waits.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Waiting {
    pub(crate) pending: usize,
    /// Some of what the team's pending entries lack.
    pub(crate) missing: Vec<Text<EntryId>>,
}

/// Something that is its text in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Text<T>(pub T);

impl<T: Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de, T: FromStr> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map(Self).map_err(|_| D::Error::custom("not the text expected"))
    }
}
