//! Decisions signed by an offline recovery key, for a team that has lost its admins.
//!
//! The key is typed in by whoever keeps it, on any node that has the roster; it is used once and forgotten.

use crate::error::ReplicaError;
use crate::removal::{Outlook, Removing};
use crate::replica::{Now, Replica};
use muster_log::fact::{Capability, RosterFact};
use muster_log::{DagId, DeviceKey, DeviceSecret, Draft, Entry, EntryId, PersonId, SessionId, TeamId};
use muster_store::Storage;
use zeroize::Zeroizing;

/// What a recovery key may decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Something is taken from somebody.
    Remove(Removing),
    /// A person's capability becomes this, which is not less than it was.
    Grant {
        /// Whose.
        person: PersonId,
        /// What it becomes.
        capability: Capability,
    },
    /// Of the joins by one ticket, this person's is right.
    Confirm {
        /// The person.
        person: PersonId,
    },
}

impl<S: Storage> Replica<S> {
    /// Draws the secret of a recovery key. It is kept nowhere.
    pub fn draw_seed(&mut self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.entropy.thirty_two())
    }

    /// What a removal by a recovery key would do. Nothing is kept of it.
    ///
    /// # Errors
    /// [`ReplicaError::NotAllowed`] where the key is none of the team's, [`ReplicaError::Store`].
    pub fn recovery_outlook(
        &mut self,
        team: TeamId,
        key: &DeviceSecret,
        removing: &Removing,
        now: Now,
    ) -> Result<Outlook, ReplicaError> {
        let hand = self.recovery_hand(team, key)?;
        let entries = self.removal_entries(team, hand, removing, now)?;
        self.weigh(team, &entries)
    }

    /// Writes a decision with a recovery key. Staged: commit before telling anybody.
    ///
    /// # Errors
    /// As [`Replica::recovery_outlook`].
    pub fn recover(
        &mut self,
        team: TeamId,
        key: &DeviceSecret,
        decision: &Decision,
        now: Now,
    ) -> Result<Vec<EntryId>, ReplicaError> {
        let hand = self.recovery_hand(team, key)?;
        while let Some(merge) = self.recovery_merge(team, hand, now)? {
            self.admit_recovered(team, key, sealed(merge)?, now)?;
        }
        let entries = match decision {
            Decision::Remove(removing) => self.removal_entries(team, hand, removing, now)?,
            Decision::Grant { person, capability } => {
                let fact = RosterFact::SetCapability { person: *person, capability: *capability };
                vec![self.recovery_entry(team, hand, &fact, now)?]
            }
            Decision::Confirm { person } => {
                let fact = RosterFact::Confirm { join: person.genesis() };
                vec![self.recovery_entry(team, hand, &fact, now)?]
            }
        };
        let ids = entries.iter().map(Entry::id).collect();
        for entry in entries {
            self.admit_recovered(team, key, entry, now)?;
        }
        Ok(ids)
    }

    /// The key, if it is the team's, and a session for this one time.
    fn recovery_hand(&mut self, team: TeamId, key: &DeviceSecret) -> Result<(DeviceKey, SessionId), ReplicaError> {
        if !self.ledger(&team)?.recovery_keys().contains(&key.public()) {
            return Err(ReplicaError::NotAllowed("these words are no recovery key of this team".into()));
        }
        Ok((key.public(), SessionId::from_bytes(self.entropy.sixteen())))
    }

    fn recovery_merge(
        &self,
        team: TeamId,
        (device, session): (DeviceKey, SessionId),
        now: Now,
    ) -> Result<Option<Draft>, ReplicaError> {
        let merge = self.ledger(&team)?.draft_merge(DagId::from(team), device, session, now.claimed());
        merge.map_err(|error| ReplicaError::NotAllowed(error.to_string()))
    }

    fn recovery_entry(
        &self,
        team: TeamId,
        (device, session): (DeviceKey, SessionId),
        fact: &RosterFact,
        now: Now,
    ) -> Result<Entry, ReplicaError> {
        let draft = self.ledger(&team)?.draft_roster(device, session, now.claimed(), fact);
        sealed(draft.map_err(|error| ReplicaError::NotAllowed(error.to_string()))?)
    }

    fn admit_recovered(
        &mut self,
        team: TeamId,
        key: &DeviceSecret,
        entry: Entry,
        now: Now,
    ) -> Result<(), ReplicaError> {
        let signature = key.sign_entry(&entry.id());
        self.admit_foreign(team, entry, signature, None, now)
    }
}

fn sealed(draft: Draft) -> Result<Entry, ReplicaError> {
    draft.seal().map_err(|error| ReplicaError::NotAllowed(error.to_string()))
}
