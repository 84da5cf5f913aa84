//! Verifications that commands drive: begun, gone on with step by step, and forgotten where nobody asks any more.

use super::Engine;
use super::doctor::lost_entries;
use super::reads::to_value;
use crate::request::Failure;
use crate::verify::{Ask, Begun, Stepped};
use crate::verify_file::{Team, told};
use muster_log::Timestamp;
use muster_replica::{Verification, VerifyScope, Verifying};
use muster_store::Storage;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Verifications under way at one time. Each holds as much as the node itself does of what is judged.
const UNDER_WAY_MAX: usize = 2;

/// After how long nobody is believed to ask for the next step, in milliseconds: steps follow one another at once.
const IDLE_MS: u64 = 60_000;

/// Those under way.
#[derive(Default)]
pub(crate) struct Verifications {
    begun: u64,
    under_way: BTreeMap<u64, UnderWay>,
}

struct UnderWay {
    verifying: Verifying,
    /// When it was asked for last, by the time since this process began.
    asked_ms: u64,
}

impl Verifications {
    /// Forgets those whose caller has gone.
    pub(crate) fn forget_idle(&mut self, now_ms: u64) {
        self.under_way.retain(|_, of| now_ms.saturating_sub(of.asked_ms) < IDLE_MS);
    }

    /// Keeps another, in place of the oldest where there are many. Answers its number.
    fn keep(&mut self, verifying: Verifying, now_ms: u64) -> u64 {
        while self.under_way.len() >= UNDER_WAY_MAX {
            self.under_way.pop_first();
        }
        self.begun += 1;
        self.under_way.insert(self.begun, UnderWay { verifying, asked_ms: now_ms });
        self.begun
    }
}

impl<S: Storage> Engine<S> {
    pub(crate) fn verify(&mut self, ask: &Ask) -> Result<Value, Failure> {
        let now_ms = self.around.clock.tick_ms();
        match ask {
            Ask::Begin { incident, every } => {
                let incident = incident.as_deref().map(|typed| self.incident_typed(typed)).transpose()?;
                let verifying = self.replica.begin_verify(VerifyScope { incident, every: *every });
                let of = verifying.progress().1;
                Ok(to_value(&Begun { number: self.verifications.keep(verifying, now_ms), of }))
            }
            Ask::Step { number } => {
                // Taken out: one that fails is not gone on with.
                let mut under_way = self.verifications.under_way.remove(number).ok_or_else(|| {
                    Failure::new("this check was ended by others that began, or by a restart of the node")
                        .hint("run `muster verify` again")
                })?;
                if let Some(found) = self.replica.step_verify(&mut under_way.verifying)? {
                    return Ok(to_value(&Stepped::Over { found: self.tell_verified(&found)? }));
                }
                let done = under_way.verifying.progress().0;
                under_way.asked_ms = now_ms;
                self.verifications.under_way.insert(*number, under_way);
                Ok(to_value(&Stepped::Judged { done }))
            }
        }
    }

    fn tell_verified(&self, found: &Verification) -> Result<Value, Failure> {
        let damage = self.around.damage.iter().cloned();
        let gone = self.replica.store().lost()?.map(|lost| {
            let since = self.rfc3339(Timestamp(lost.since_ms));
            format!("{} that this device had are gone since {since}; `muster up` fetches them", lost_entries(lost))
        });
        let others: Vec<String> = damage.chain(gone).collect();
        let mut teams = Vec::new();
        for (team, report) in &found.teams {
            // A team that does not stand here has no people, and nothing of it is told by person.
            teams.push(Team { report, people: self.replica.people(team).unwrap_or_default() });
        }
        let mut told = told(&teams, &others);
        if let Some(told) = told.as_object_mut() {
            told.insert("what".into(), json!("store"));
        }
        Ok(told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::OsEntropy;
    use muster_log::{DeviceSecret, SessionId};
    use muster_replica::Replica;
    use muster_store::MemoryStore;

    #[test]
    fn those_whose_caller_has_gone_are_forgotten_and_the_oldest_makes_room() {
        let secret = DeviceSecret::from_seed(&[1; 32]);
        let entropy = Box::new(OsEntropy);
        let replica = Replica::open(MemoryStore::new(), secret, SessionId::from_bytes([0; 16]), entropy).unwrap();
        let begin = || replica.begin_verify(VerifyScope::default());
        let mut all = Verifications::default();
        let numbers = [0, 1, 2].map(|now_ms| all.keep(begin(), now_ms));
        assert_eq!(all.under_way.keys().copied().collect::<Vec<_>>(), numbers[1..]);
        all.forget_idle(IDLE_MS + 1);
        assert_eq!(all.under_way.keys().copied().collect::<Vec<_>>(), numbers[2..]);
        all.forget_idle(IDLE_MS + 2);
        assert!(all.under_way.is_empty());
    }
}
