//! Requests about forks: which there are, and the proof of one.

use super::Engine;
use crate::request::Failure;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use muster_store::Storage;
use serde_json::{Value, json};

/// The fewest digits of an id that stand for it.
const PREFIX_MIN: usize = 4;

impl<S: Storage> Engine<S> {
    /// Every fork in every team here.
    pub(crate) fn forks(&self) -> Result<Value, Failure> {
        let mut told = Vec::new();
        for team in self.replica.teams() {
            let (ledger, people) = (self.replica.ledger(&team)?, self.replica.people(&team)?);
            for fork in self.replica.forks(&team)? {
                let Some(entry) = fork.first().and_then(|id| ledger.entry(id)) else { continue };
                let person = ledger.person(&entry.id()).map(|person| people.name(&person));
                told.push(json!({
                    "person": person,
                    "device": entry.key().to_string(),
                    "entries": fork.iter().map(ToString::to_string).collect::<Vec<_>>(),
                }));
            }
        }
        Ok(Value::Array(told))
    }

    /// The proof of one fork, as base64. Forked entries are meant, of the roster and of whatever incident.
    pub(crate) fn fork_proof(&self, typed: &str) -> Result<Value, Failure> {
        let prefix = typed.trim().to_ascii_lowercase();
        let mut found = Vec::new();
        for team in self.replica.teams() {
            let forked = self.replica.forks(&team)?.into_iter().flatten();
            found.extend(forked.filter(|id| id.to_string().starts_with(&prefix)).map(|id| (team, id)));
        }
        let hint = "`muster proof` lists the forks that are known here";
        let (team, id) = match found.as_slice() {
            [one] if prefix.len() >= PREFIX_MIN => *one,
            [] | [_] => {
                return Err(Failure::new("nothing else stands under the number of that entry").hint(hint));
            }
            _ => return Err(Failure::new("several forked entries begin so").hint("give more digits of the id")),
        };
        let proof = self.replica.fork_proof(&team, &id)?;
        let proof = proof.ok_or_else(|| Failure::new("the fork is gone").hint(hint))?;
        Ok(json!({ "entry": id.to_string(), "proof": BASE64_STANDARD.encode(proof.encode()) }))
    }
}
