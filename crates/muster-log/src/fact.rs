//! What an entry says: its kind and the facts in its fields (protocol, section "Kinds").
//!
//! Parsing is a matter of shape alone. Whether a target lies in the entry's own past, and whether the fact has an
//! effect, is decided where the past is known: [`crate::ledger`] for the roster, `muster-incident` for incidents.

mod incident;
mod kind;
mod reader;
mod roster;

pub use incident::{ActionState, Declare, IncidentFact, Letter, Origin, Phase, RoleAct, Saying, Visibility, What};
pub use kind::Kind;
pub use roster::{Capability, Frontier, PersonKind, RevokeMode, RosterFact};

/// Why fields are not those of their kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the fields of a `{kind}` entry are malformed: {item}")]
pub struct Malformed {
    /// The kind that was claimed.
    pub kind: Kind,
    /// The field that is wrong.
    pub item: &'static str,
}

/// What an entry says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// Something about the team.
    Roster(RosterFact),
    /// Something in an incident.
    Incident(IncidentFact),
    /// A kind this version does not know: kept, passed on, without effect.
    Opaque,
}

impl Fact {
    /// Reads the fields of `kind`.
    ///
    /// # Errors
    /// [`Malformed`] where the kind is known and the fields are not exactly what it calls for.
    pub fn parse(kind: Kind, fields: &[crate::Value]) -> Result<Self, Malformed> {
        if !kind.is_known() {
            return Ok(Self::Opaque);
        }
        if kind.is_roster() {
            RosterFact::parse(kind, fields).map(Self::Roster)
        } else {
            IncidentFact::parse(kind, fields).map(Self::Incident)
        }
    }
}

#[cfg(test)]
mod tests;
