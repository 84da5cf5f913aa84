//! Roles: which there are, how they are written, and which of them have one holder.
//!
//! How a role is claimed or settled is in [`crate::command`], who holds one in [`crate::view`].

use muster_log::fact::IncidentFact;
use std::fmt;

/// Roles with one holder. Two holders of one of these are contested until somebody settles it.
pub const ROLES_SINGLE: [&str; 3] = ["incident-commander", "resolution-lead", "deputy"];

/// Roles that many can hold and nobody contests. Custom roles are of this sort too.
pub const ROLES_MANY: [&str; 3] = ["resolution-team", "scribe", "liaison"];

/// What people type for the long names.
const SHORT_NAMES: [(&str, &str); 6] = [
    ("ic", "incident-commander"),
    ("commander", "incident-commander"),
    ("rl", "resolution-lead"),
    ("lead", "resolution-lead"),
    ("rt", "resolution-team"),
    ("team", "resolution-team"),
];

/// Offers stand beside the roles under keys of this prefix, so no role may begin with it.
pub(crate) const OFFER_PREFIX: &str = "offer:";

/// The name of a role in its long form: lower case, no blanks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RoleName(String);

/// What was typed cannot name a role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{typed}` cannot name a role")]
pub struct BadRoleName {
    /// What was typed.
    pub typed: String,
}

impl RoleName {
    /// Reads what a person typed: a short name, a long one, or a custom role's.
    ///
    /// # Errors
    /// [`BadRoleName`] for what could not be the name of a register.
    pub fn parse(typed: &str) -> Result<Self, BadRoleName> {
        let name = typed.split_whitespace().collect::<Vec<_>>().join("-").to_lowercase();
        let long = SHORT_NAMES.iter().find(|(short, _)| *short == name).map_or(name.as_str(), |(_, long)| long);
        if IncidentFact::is_register_name(long) && Self::is_possible(long) {
            Ok(Self(long.to_owned()))
        } else {
            Err(BadRoleName { typed: crate::printable(typed) })
        }
    }

    /// The long name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the role has one holder.
    pub fn is_single(&self) -> bool {
        is_single(&self.0)
    }

    /// Whether an entry may name a role so; any other name makes it void.
    pub(crate) fn is_possible(name: &str) -> bool {
        !name.starts_with(OFFER_PREFIX)
    }
}

impl fmt::Display for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether the role of this long name has one holder.
pub(crate) fn is_single(name: &str) -> bool {
    ROLES_SINGLE.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(typed: &str, expected: Option<&str>) {
        assert_eq!(RoleName::parse(typed).ok().as_ref().map(RoleName::as_str), expected, "{typed:?}");
    }

    #[test]
    fn roles_are_read_from_short_long_and_custom_names() {
        check("ic", Some("incident-commander"));
        check("RL", Some("resolution-lead"));
        check("Incident Commander", Some("incident-commander"));
        check("deputy", Some("deputy"));
        check("Database Whisperer", Some("database-whisperer"));
        for bad in ["", "  ", "offer:ic", "a\u{1b}b", &"x".repeat(129)] {
            check(bad, None);
        }
    }

    #[test]
    fn only_commander_lead_and_deputy_have_one_holder() {
        for (typed, single) in [("ic", true), ("rl", true), ("deputy", true), ("scribe", false), ("custom", false)] {
            assert_eq!(RoleName::parse(typed).unwrap().is_single(), single, "{typed}");
        }
    }
}
