//! Registers of the document: where each stands and what its values are.
//!
//! The slash is part of a key: there are no nested objects. Which entry writes which register is in
//! [`super::effect`]; reading them back is in [`super::read`].

use crate::role::{OFFER_PREFIX, is_single};
use automerge::ScalarValue;
use muster_log::fact::Letter;
use muster_log::{EntryId, PersonId};

/// The containers that the genesis makes in the root, in the order of their ops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Container {
    Timeline,
    Set,
    Roles,
    Milestones,
    Selected,
    Actions,
    Followups,
    Links,
    Review,
    Summary,
}

impl Container {
    /// All, with their keys in the root. The last two are texts, the others maps.
    pub(crate) const ALL: [(Container, &'static str); 10] = [
        (Container::Timeline, "timeline"),
        (Container::Set, "set"),
        (Container::Roles, "roles"),
        (Container::Milestones, "milestones"),
        (Container::Selected, "selected"),
        (Container::Actions, "actions"),
        (Container::Followups, "followups"),
        (Container::Links, "links"),
        (Container::Review, "review"),
        (Container::Summary, "summary"),
    ];

    /// The genesis's op that makes it, from 1.
    pub(crate) fn op(self) -> u64 {
        self as u64 + 1
    }

    pub(crate) fn is_text(self) -> bool {
        matches!(self, Self::Review | Self::Summary)
    }
}

/// A register: one key of one container.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Register {
    pub(crate) container: Container,
    pub(crate) key: String,
}

impl Register {
    fn new(container: Container, key: impl Into<String>) -> Self {
        Self { container, key: key.into() }
    }

    pub(crate) fn title() -> Self {
        Self::new(Container::Set, "title")
    }

    pub(crate) fn severity() -> Self {
        Self::new(Container::Set, "severity")
    }

    pub(crate) fn phase() -> Self {
        Self::new(Container::Set, "phase")
    }

    /// Where `person` holds `role`: one register for all where the role has one holder, else one each.
    pub(crate) fn hold(role: &str, person: &PersonId) -> Self {
        if is_single(role) { Self::single_role(role) } else { Self::new(Container::Roles, format!("{role}/{person}")) }
    }

    pub(crate) fn single_role(role: &str) -> Self {
        Self::new(Container::Roles, role)
    }

    /// The register of a key of `roles` as read.
    pub(crate) fn role_key(key: &str) -> Self {
        Self::new(Container::Roles, key)
    }

    /// Where an offer of `role` to `person` stands. No role begins with the prefix, so no hold has this key.
    pub(crate) fn offer(role: &str, person: &PersonId) -> Self {
        Self::new(Container::Roles, format!("{OFFER_PREFIX}{role}/{person}"))
    }

    pub(crate) fn claim(letter: Letter, claim: &EntryId) -> Self {
        Self::new(Container::Milestones, format!("{}/{claim}", letter.letter()))
    }

    pub(crate) fn selected(letter: Letter) -> Self {
        Self::new(Container::Selected, letter.letter())
    }

    pub(crate) fn action_state(action: &EntryId) -> Self {
        Self::new(Container::Actions, format!("{action}/state"))
    }
}

/// A key of `roles`, read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RoleKey<'a> {
    /// The one register of a role with one holder.
    Single(&'a str),
    /// One person's register of a role with many.
    Many { role: &'a str, person: PersonId },
    /// An offer.
    Offer { role: &'a str, person: PersonId },
}

impl<'a> RoleKey<'a> {
    pub(crate) fn read(key: &'a str) -> Option<Self> {
        // A person's id holds no slash, a role's name may: the last one divides.
        let Some((role, person)) = key.rsplit_once('/') else {
            return Some(Self::Single(key));
        };
        let person = person.parse().ok()?;
        Some(match role.strip_prefix(OFFER_PREFIX) {
            Some(role) => Self::Offer { role, person },
            None => Self::Many { role, person },
        })
    }
}

/// What a register holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Content {
    /// Nothing, or no longer anything, or a body that is not at hand.
    Null,
    /// A word or a title.
    Text(String),
    /// A severity; the first moment of a milestone in milliseconds.
    Number(i64),
    /// An entry: an offer, a selected claim.
    Entry(EntryId),
    /// Who holds a role, and the entry since which.
    Hold { person: PersonId, since: EntryId },
}

impl Content {
    pub(crate) fn to_scalar(&self) -> ScalarValue {
        match self {
            Self::Null => ScalarValue::Null,
            Self::Text(text) => ScalarValue::Str(text.as_str().into()),
            Self::Number(number) => ScalarValue::Int(*number),
            Self::Entry(id) => ScalarValue::Bytes(id.as_bytes().to_vec()),
            Self::Hold { person, since } => ScalarValue::Bytes([*person.as_bytes(), *since.as_bytes()].concat()),
        }
    }

    /// Reads what [`Content::to_scalar`] wrote; anything else, which no template writes, reads as null.
    pub(crate) fn from_scalar(scalar: &ScalarValue) -> Self {
        match scalar {
            ScalarValue::Str(text) => Self::Text(text.to_string()),
            ScalarValue::Int(number) => Self::Number(*number),
            ScalarValue::Bytes(bytes) => Self::from_bytes(bytes).unwrap_or(Self::Null),
            _ => Self::Null,
        }
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes.len() == 32 {
            return EntryId::try_from(bytes).ok().map(Self::Entry);
        }
        let (person, since) = bytes.split_at_checked(32)?;
        Some(Self::Hold { person: person.try_into().ok()?, since: since.try_into().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_read_back_from_scalars() {
        let (entry, person) = (EntryId::from_bytes([1; 32]), PersonId::from_bytes([2; 32]));
        for content in [
            Content::Null,
            Content::Text("declared".into()),
            Content::Number(-3),
            Content::Entry(entry),
            Content::Hold { person, since: entry },
        ] {
            assert_eq!(Content::from_scalar(&content.to_scalar()), content);
        }
    }

    #[test]
    fn role_keys_read_back_even_with_slashes_in_the_name() {
        let person = PersonId::from_bytes([7; 32]);
        let read = |register: Register| format!("{:?}", RoleKey::read(&register.key).unwrap());
        assert_eq!(read(Register::hold("deputy", &person)), format!("{:?}", RoleKey::Single("deputy")));
        for role in ["scribe", "a/b"] {
            assert_eq!(read(Register::hold(role, &person)), format!("{:?}", RoleKey::Many { role, person }));
            assert_eq!(read(Register::offer(role, &person)), format!("{:?}", RoleKey::Offer { role, person }));
        }
    }
}
