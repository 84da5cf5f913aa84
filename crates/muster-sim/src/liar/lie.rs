//! The kinds of lies, by name, and how many of each were told.

use std::fmt;

/// A way to lie on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lie {
    /// Entries under another's key, with bad signatures, changed after signing, or of another team or incident.
    Forged,
    /// Frames that were sent before, by itself or to it, on this link and on others.
    Replayed,
    /// Frames and chunks at and over every limit: bombs, huge counts, fields without end.
    Oversize,
    /// Valid entries that claim 1970 and 2099, and a clock that stands there.
    Misdated,
    /// Entries whose parents, roster heads or backlinks do not exist.
    Unsatisfiable,
    /// Two entries under one number, told to different peers.
    Forking,
    /// As many valid entries, questions and greetings as it can.
    Flooding,
    /// Valid entries without their bodies to one, with them to another.
    Withheld,
    /// Takes nothing from its links and goes on asking.
    SlowReading,
    /// Connects and says nothing, or stops after its greeting or in the middle of an answer.
    HalfOpen,
    /// Offers what does not exist, again and again, and never answers.
    Stalling,
    /// Gossip that is forged, altered, of another team, past every limit or of what does not exist, and old gossip again.
    Gossip,
    /// Comparisons by ranges that never shrink, overlap, lie about what is in them or are about something else.
    Index,
    /// Signs of life in another's name, of what it lacks, of other times, and old ones again.
    Presence,
    /// Pages without end, acknowledgements of what nobody has, questions that nobody can answer.
    Misleading,
    /// No lie: what a newer version might write, entries of kinds that are not known here. Told only where it is asked for.
    Newer,
    /// Decisions that are not the author's to take: roster entries of members, redactions of others' texts, admits and
    /// declares of guests and observers, capabilities above their own. Told only where it is asked for, as are the next.
    Unauthorised,
    /// An admin removes and lowers the others, disowns what they wrote, and goes on after being removed, on old heads.
    Deposing,
    /// Entries written after the removal of their author on heads from before, different ones to different peers.
    Removed,
    /// One ticket for two, each vouched for where nobody knows of the other.
    TicketTwice,
}

impl Lie {
    /// How many kinds there are.
    pub const COUNT: usize = 20;

    /// Those that a liar may come to by itself.
    pub const DRAWN: usize = 15;

    /// All kinds with their names.
    pub const ALL: [(Self, &'static str); Self::COUNT] = [
        (Self::Forged, "forged"),
        (Self::Replayed, "replayed"),
        (Self::Oversize, "oversize"),
        (Self::Misdated, "misdated"),
        (Self::Unsatisfiable, "unsatisfiable"),
        (Self::Forking, "forking"),
        (Self::Flooding, "flooding"),
        (Self::Withheld, "withheld"),
        (Self::SlowReading, "slow-reading"),
        (Self::HalfOpen, "half-open"),
        (Self::Stalling, "stalling"),
        (Self::Gossip, "gossip"),
        (Self::Index, "index"),
        (Self::Presence, "presence"),
        (Self::Misleading, "misleading"),
        (Self::Newer, "newer"),
        (Self::Unauthorised, "unauthorised"),
        (Self::Deposing, "deposing"),
        (Self::Removed, "removed"),
        (Self::TicketTwice, "ticket-twice"),
    ];

    /// The name.
    pub fn word(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    /// The kind that is called so.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, name)| *name == word).map(|(lie, _)| *lie)
    }

    /// Whether telling it adds entries to what everybody holds in the end.
    pub(crate) fn adds_entries(self) -> bool {
        matches!(self, Self::Misdated | Self::Forking | Self::Flooding | Self::Withheld | Self::Newer)
            || self.is_about_trust()
    }

    /// Whether telling it changes who is in the team, or tries to.
    pub(crate) fn is_about_trust(self) -> bool {
        matches!(self, Self::Unauthorised | Self::Deposing | Self::Removed | Self::TicketTwice)
    }
}

/// Lies told, by kind; of those that consist in silence, frames that were swallowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LieCounts([u64; Lie::COUNT]);

impl LieCounts {
    pub(crate) fn note(&mut self, lie: Lie) {
        self.0[lie as usize] += 1;
    }

    /// How many of a kind were told.
    pub fn of(&self, lie: Lie) -> u64 {
        self.0[lie as usize]
    }

    /// Adds another's counts.
    pub fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, count)| *sum += count);
    }

    /// Whether nobody lied.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|count| *count == 0)
    }
}

impl fmt::Display for LieCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (lie, word)) in Lie::ALL.iter().enumerate() {
            let separator = if number == 0 { "" } else { ", " };
            write!(f, "{separator}{} {word}", self.of(*lie))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_by_its_name_and_counted_under_it() {
        let mut counts = LieCounts::default();
        assert!(counts.is_empty());
        for (number, (lie, word)) in Lie::ALL.iter().enumerate() {
            assert_eq!((*lie as usize, lie.word(), Lie::from_word(word)), (number, *word, Some(*lie)));
            counts.note(*lie);
            assert_eq!(counts.of(*lie), 1);
        }
        assert!(counts.to_string().starts_with("1 forged, 1 replayed, "));
    }
}
